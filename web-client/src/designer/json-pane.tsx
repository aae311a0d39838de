import { useEffect, useId, useState } from "react";
import { type Definition, parse, textOf } from "./definition";

/** The definition as it is sent. What is typed here is taken over as soon as it is one; what is done elsewhere appears here. */
export function JsonPane({ definition, onChange }: { definition: Definition; onChange(definition: Definition, of?: string): void }) {
  const id = useId();
  const [text, setText] = useState(() => textOf(definition));
  const read = parse(text);
  const fault = "fault" in read ? read.fault : undefined;
  useEffect(() => {
    // A change from elsewhere; what was typed here is this definition already, however it is spaced.
    setText((typed) => {
      const current = parse(typed);
      return "definition" in current && JSON.stringify(current.definition) === JSON.stringify(definition) ? typed : textOf(definition);
    });
  }, [definition]);
  return (
    <div className="flex h-full flex-col gap-2">
      <label htmlFor={id} className="text-sm font-medium">
        The definition as JSON <span className="font-normal text-ink-faint">as the API takes it</span>
      </label>
      <textarea
        id={id}
        data-definition={fault === undefined ? "valid" : "invalid"}
        aria-invalid={fault !== undefined}
        aria-describedby={`${id}-note`}
        spellCheck={false}
        autoCapitalize="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          const next = parse(event.target.value);
          if ("definition" in next) onChange(next.definition, "json");
        }}
        className="field min-h-64 w-full flex-1 resize-none py-2 font-mono text-xs leading-5"
      />
      <p id={`${id}-note`} role="status" className={`min-h-5 text-xs ${fault ? "text-bad" : "text-ink-faint"}`}>
        {fault ? `Not taken over yet: ${fault}` : "Both sides are the same."}
      </p>
    </div>
  );
}
