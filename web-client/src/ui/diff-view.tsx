import { diffLines, diffWordsWithSpace } from "diff";

interface DiffProps {
  before: string;
  after: string;
  /** Prose is compared word by word, anything else line by line. */
  prose: boolean;
}

/** So many unchanged lines around a change are shown. */
const AROUND = 3;

/** What changed between two texts. */
export default function DiffView({ before, after, prose }: DiffProps) {
  if (before === after) return <p className="text-sm text-ink-soft">Nothing was changed.</p>;
  if (prose) {
    return (
      <p className="text-sm break-words whitespace-pre-wrap">
        {diffWordsWithSpace(before, after).map(({ value, added, removed }, index) =>
          added ? (
            <ins key={index} className="rounded bg-good-soft text-good no-underline">
              {value}
            </ins>
          ) : removed ? (
            <del key={index} className="rounded bg-bad-soft text-bad">
              {value}
            </del>
          ) : (
            <span key={index}>{value}</span>
          ),
        )}
      </p>
    );
  }
  return (
    <div role="region" tabIndex={0} aria-label="What was changed" className="overflow-x-auto font-mono text-xs leading-5">
      {diffLines(before, after).map(({ value, added, removed }, index, parts) => {
        const lines = value.replace(/\n$/, "").split("\n");
        if (added || removed) {
          return lines.map((line, at) => (
            <div key={`${index} ${at}`} className={`min-w-max px-2 whitespace-pre ${added ? "bg-good-soft text-good" : "bg-bad-soft text-bad"}`}>
              <span aria-hidden="true">{added ? "+ " : "− "}</span>
              <span className="sr-only">{added ? "added: " : "removed: "}</span>
              {line}
            </div>
          ));
        }
        const head = index === 0 ? [] : lines.slice(0, AROUND);
        const tail = index === parts.length - 1 ? [] : lines.slice(Math.max(head.length, lines.length - AROUND));
        const left = lines.length - head.length - tail.length;
        return (
          <div key={index} className="min-w-max px-2 whitespace-pre text-ink-soft">
            {head.map((line, at) => (
              <div key={at}>{`  ${line}`}</div>
            ))}
            {left > 0 && <div className="text-ink-faint">{`  … ${left} unchanged ${left === 1 ? "line" : "lines"}`}</div>}
            {tail.map((line, at) => (
              <div key={at}>{`  ${line}`}</div>
            ))}
          </div>
        );
      })}
    </div>
  );
}
