import { Field } from "../ui/field";

/** A number that may be left out: empty means the default, which is shown. */
export function NumberField({ label, value, fallback, unit = 1, min = 0, hint, error, onChange }: { label: string; value: number | null | undefined; fallback: string; unit?: number; min?: number; hint?: string; error?: string | undefined; onChange(value: number | undefined): void }) {
  return (
    <Field label={label} {...(error ? { error } : hint ? { hint } : {})}>
      {(id, describedBy) => (
        <input
          id={id}
          type="number"
          min={min}
          step="any"
          inputMode="decimal"
          className="field h-9 w-full"
          placeholder={fallback}
          aria-describedby={describedBy}
          aria-invalid={error !== undefined}
          value={value == null ? "" : value / unit}
          onChange={(event) => onChange(event.target.value === "" ? undefined : Math.round(Number(event.target.value) * unit))}
        />
      )}
    </Field>
  );
}
