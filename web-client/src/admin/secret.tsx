import { Check, Copy } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "../ui/button";
import { Field } from "../ui/field";

/** Something to copy, once. */
export function Secret({ label, value }: { label: string; value: string }) {
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    input.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setCopied(true);
    } catch {
      // Without a secure origin there is no clipboard: it is selected, to be copied by hand.
    }
  };
  return (
    <Field label={label}>
      {(id) => (
        <div className="flex gap-2">
          <input ref={input} id={id} readOnly value={value} onFocus={(event) => event.target.select()} className="field h-9 min-w-0 flex-1 font-mono text-xs" />
          <Button onClick={() => void copy()} aria-label={`Copy: ${label}`}>
            {copied ? <Check className="size-4 text-good" aria-hidden="true" /> : <Copy className="size-4" aria-hidden="true" />}
            {copied ? "Copied" : "Copy"}
          </Button>
        </div>
      )}
    </Field>
  );
}
