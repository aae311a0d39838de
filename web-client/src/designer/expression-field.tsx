import { CircleCheck, CircleX } from "lucide-react";
import { useEffect, useState } from "react";
import { useSession } from "../session/session";
import { Field } from "../ui/field";
import { readable } from "./faults";

const SETTLE_MS = 300;

type Verdict = { of: string; valid: boolean; message?: string };

/** CEL, compiled by the server as it is typed: the same compiler that a start asks. */
export function ExpressionField({ label, value, error, placeholder, hint, onChange }: { label: string; value: string; error?: string | undefined; placeholder?: string; hint?: string; onChange(value: string): void }) {
  const { rest } = useSession();
  const [verdict, setVerdict] = useState<Verdict>();
  useEffect(() => {
    if (value.trim() === "") return;
    let over = false;
    const timer = setTimeout(() => {
      // Without an answer nothing is claimed: the start checks again.
      rest.checkExpression(value).then(
        (checked) => over || setVerdict({ of: value, ...checked }),
        () => {},
      );
    }, SETTLE_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [rest, value]);
  const current = value.trim() !== "" && verdict?.of === value ? verdict : undefined;
  const wrong = current?.valid === false ? readable(current.message ?? "This does not compile.") : current ? undefined : error;
  return (
    <Field label={label} {...(wrong ? { error: wrong } : hint ? { hint } : {})}>
      {(id, describedBy) => (
        <div className="relative">
          <input
            id={id}
            value={value}
            onChange={(event) => onChange(event.target.value)}
            placeholder={placeholder}
            spellCheck={false}
            autoCapitalize="off"
            autoComplete="off"
            aria-describedby={describedBy}
            aria-invalid={wrong !== undefined}
            data-checked={current ? String(current.valid) : "no"}
            className="field h-9 w-full pr-8! font-mono text-xs"
          />
          {current && (
            <span className={`absolute top-2.5 right-2.5 ${current.valid ? "text-good" : "text-bad"}`}>
              {current.valid ? <CircleCheck className="size-4" aria-hidden="true" /> : <CircleX className="size-4" aria-hidden="true" />}
              <span className="sr-only">{current.valid ? "It compiles" : "It does not compile"}</span>
            </span>
          )}
        </div>
      )}
    </Field>
  );
}
