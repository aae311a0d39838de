import { Search } from "lucide-react";
import { type ReactNode, type Ref, useId } from "react";

/** A label over what it names. */
export function Field({ label, hint, error, children }: { label: string; hint?: string; error?: string; children(id: string, describedBy: string | undefined): ReactNode }) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children(id, note ? `${id}-note` : undefined)}
      {note && (
        <p id={`${id}-note`} className={`text-xs ${error ? "text-bad" : "text-ink-faint"}`}>
          {note}
        </p>
      )}
    </div>
  );
}

interface SearchBoxProps {
  label: string;
  value: string;
  onChange(value: string): void;
  ref?: Ref<HTMLInputElement>;
  autoFocus?: boolean;
  wide?: boolean;
}

export function SearchBox({ label, value, onChange, ref, autoFocus = false, wide = false }: SearchBoxProps) {
  return (
    <div className={`relative w-full ${wide ? "sm:w-112" : "sm:w-64"}`}>
      <Search className="pointer-events-none absolute top-2.5 left-2.5 size-4 text-ink-faint" aria-hidden="true" />
      <input ref={ref} autoFocus={autoFocus} type="search" aria-label={label} placeholder={label} value={value} onChange={(event) => onChange(event.target.value)} className="field h-9 w-full pl-8!" />
    </div>
  );
}

/** One of several, all of them in view. */
export function Segments<Value extends string>({ label, choices, value, onChange }: { label: string; choices: readonly (readonly [Value, string])[]; value: Value; onChange(value: Value): void }) {
  return (
    <div role="group" aria-label={label} className="flex max-w-full overflow-x-auto rounded-lg bg-sunken p-0.5">
      {choices.map(([choice, text]) => (
        <button
          key={choice}
          type="button"
          aria-pressed={value === choice}
          onClick={() => onChange(choice)}
          className={`h-8 shrink-0 rounded-md px-2.5 text-sm font-medium whitespace-nowrap ${value === choice ? "bg-raised text-ink shadow-sm" : "text-ink-soft hover:text-ink"}`}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
