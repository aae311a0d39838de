import type { Json } from "@baton/client";
import { Markdown } from "./markdown";

/** `firstName` and `first_name` as a person would write them. */
function title(key: string): string {
  const words = key.replaceAll("_", " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON for reading: objects as labelled fields, lists of objects as cards, long text as Markdown. */
export function JsonView({ value }: { value: Json }) {
  if (typeof value === "string") {
    if (value === "") return <span className="text-ink-faint">empty</span>;
    return value.includes("\n") || value.length > 120 ? <Markdown text={value} /> : <span className="break-words">{value}</span>;
  }
  if (value === null) return <span className="text-ink-faint">none</span>;
  if (typeof value === "boolean") return <span>{value ? "yes" : "no"}</span>;
  if (typeof value === "number") return <span className="tabular-nums">{String(value)}</span>;
  if (Array.isArray(value)) return <Items items={value} />;
  return <Fields fields={value} />;
}

function Items({ items }: { items: Json[] }) {
  if (items.length === 0) return <span className="text-ink-faint">none</span>;
  if (items.every((item) => typeof item !== "object" || item === null)) {
    return (
      <ul className="list-disc pl-5">
        {items.map((item, index) => (
          <li key={index}>
            <JsonView value={item} />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <ol className="flex flex-col gap-2">
      {items.map((item, index) => (
        <li key={index} className="rounded-lg border border-line p-3">
          <JsonView value={item} />
        </li>
      ))}
    </ol>
  );
}

function Fields({ fields }: { fields: { [key: string]: Json } }) {
  const entries = Object.entries(fields);
  if (entries.length === 0) return <span className="text-ink-faint">empty</span>;
  return (
    <dl className="grid grid-cols-[minmax(4rem,max-content)_minmax(0,1fr)] gap-x-4 gap-y-1.5">
      {entries.map(([key, value]) => {
        const wide = isObject(value) || Array.isArray(value) || (typeof value === "string" && (value.includes("\n") || value.length > 120));
        return (
          <div key={key} className="contents">
            <dt className={`text-sm leading-6 font-medium text-ink-faint ${wide ? "col-span-2" : ""}`}>{title(key)}</dt>
            <dd className={`min-w-0 leading-6 ${wide ? "col-span-2 -mt-1" : ""} ${isObject(value) ? "border-l-2 border-line pl-3" : ""}`}>
              <JsonView value={value} />
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
