import { ADMIN, MAIN, PEOPLE, SEARCH } from "./navigation";
import { useSession } from "./session/session";
import { Dialog } from "./ui/dialog";

const INBOX: [string, string][] = [
  ["j  k", "next, previous"],
  ["Enter", "open"],
  ["Esc", "back to the list"],
  ["a", "approve"],
  ["e", "edit and approve"],
  ["r", "reject"],
  ["c", "claim, or give back"],
];

export function ShortcutHelp({ open, onOpenChange }: { open: boolean; onOpenChange(open: boolean): void }) {
  const { may } = useSession();
  const places = [SEARCH, ...MAIN, ...PEOPLE, ...ADMIN].filter(({ needs }) => needs === undefined || may(needs));
  return (
    <Dialog title="Keyboard shortcuts" open={open} onOpenChange={onOpenChange}>
      <div className="grid gap-6 sm:grid-cols-2">
        <Keys title="Inbox" keys={INBOX} />
        <Keys title="Go to" keys={[...places.map(({ key, label }): [string, string] => [`g ${key}`, label]), ["/", "Search"], ["?", "this help"]]} />
      </div>
    </Dialog>
  );
}

function Keys({ title, keys }: { title: string; keys: [string, string][] }) {
  return (
    <section>
      <h3 className="mb-2 text-sm font-semibold text-ink-soft">{title}</h3>
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-3 gap-y-1.5 text-sm">
        {keys.map(([key, does]) => (
          <div key={key} className="contents">
            <dt className="flex gap-1">
              {key.split(/\s+/).map((each) => (
                <kbd key={each} className="rounded border border-line-strong px-1.5 font-mono text-xs leading-5">
                  {each}
                </kbd>
              ))}
            </dt>
            <dd className="text-ink-soft">{does}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
