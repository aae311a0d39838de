import { type FoundMessage, type List, toBatonError } from "@baton/client";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Bot, MessageSquareQuote, MessagesSquare, SearchX, UserRound, Workflow } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { addressOf } from "../room/sought";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { SearchBox, Segments } from "../ui/field";
import { Empty, Loading, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { Ago } from "../ui/time";
import { useFilters } from "../ui/use-filters";
import { useKeys } from "../ui/use-keys";
import { pieces, queryOf, unmarked } from "./words";

const DAY_MS = 86_400_000;
const SINCE = [
  ["", "Any time"],
  ["1", "Last day"],
  ["7", "Last week"],
] as const;

const PAGE = 30;
/** The server is asked when somebody has stopped typing for so long. */
const SETTLED_MS = 200;

/** What was said, in every room of the workspace. */
export default function SearchScreen() {
  const [{ q, since }, setFilter] = useFilters("q", "since");
  const box = useRef<HTMLInputElement>(null);
  useKeys({ "/": () => box.current?.select() });
  const settled = useSettledText(queryOf(q));
  return (
    <Page
      title="Search"
      filters={
        <>
          <SearchBox ref={box} autoFocus wide label="Search the messages" value={q} onChange={(value) => setFilter("q", value)} />
          <Segments label="When" choices={SINCE} value={since} onChange={(value) => setFilter("since", value)} />
        </>
      }
    >
      {q.trim() === "" || settled === "" ? (
        <Empty icon={<MessageSquareQuote className="size-5" />} title="What was said, in every room">
          All the words must be there. “Quotation marks” keep words together, and a star stands for the rest of a word: relea*
        </Empty>
      ) : (
        <Found q={settled} days={Number(since)} />
      )}
    </Page>
  );
}

function Found({ q, days }: { q: string; days: number }) {
  const { rest } = useSession();
  const found = useInfiniteQuery({
    queryKey: ["search", q, days],
    queryFn: ({ pageParam }) =>
      rest.get<List<FoundMessage>>("/search", { q, since: days > 0 ? new Date(Date.now() - days * DAY_MS).toISOString() : undefined, limit: PAGE, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {found.error && (
        <div className="p-4 sm:px-6">
          <ProblemNote error={toBatonError(found.error)} onRetry={() => void found.refetch()} />
        </div>
      )}
      {!found.data && !found.error && <Loading label="Searching" rows={5} />}
      {found.data && items.length === 0 && (
        <Empty icon={<SearchX className="size-5" />} title="Nothing found">
          {days > 0 ? "Look for another word, or further back." : "Look for another word, or for the beginning of one."}
        </Empty>
      )}
      {/* Told to who does not see the list change. */}
      <p role="status" className="sr-only">
        {found.data && !found.isPlaceholderData && (items.length === 0 ? "Nothing found" : `${items.length}${found.hasNextPage ? " and more" : ""} found`)}
      </p>
      {items.length > 0 && (
        <ol aria-label="Found" data-query={found.isPlaceholderData ? undefined : q} className={`mx-auto max-w-4xl divide-y divide-line sm:my-4 sm:rounded-xl sm:border sm:border-line ${found.isPlaceholderData ? "opacity-60" : ""}`}>
          {items.map((each) => (
            <Row key={each.message.id} found={each} />
          ))}
        </ol>
      )}
      {found.hasNextPage && (
        <div className="grid place-items-center p-4 pt-0 max-sm:pt-4">
          <Button onClick={() => void found.fetchNextPage()} disabled={found.isFetchingNextPage}>
            {found.isFetchingNextPage ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </>
  );
}

/** The icon says it already. */
const PREFIX = /^(Process|Team): /;

function Row({ found }: { found: FoundMessage }) {
  const { room, author, at, editedAt, snippet, highlights, processId } = found;
  const Who = author.kind === "agent" ? Bot : UserRound;
  const Where = processId ? Workflow : MessagesSquare;
  return (
    <li className="relative flex gap-3 bg-surface px-4 py-3 text-sm sm:first:rounded-t-xl sm:last:rounded-b-xl hover:bg-sunken">
      <span className="mt-0.5 grid size-7 shrink-0 place-items-center rounded-full bg-sunken text-ink-soft">
        <Who className="size-4" aria-hidden="true" />
      </span>
      <div className="min-w-0 flex-1">
        <p className="flex flex-wrap items-baseline gap-x-2 text-xs text-ink-soft">
          <strong className="text-sm font-semibold text-ink">{author.name || author.id}</strong>
          <Ago at={at} />
          {editedAt && <span>edited</span>}
        </p>
        <p className="mt-0.5 break-words">
          <Link to={addressOf(found)} className="after:absolute after:inset-0 focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:-outline-offset-2 focus-visible:after:outline-accent">
            {pieces(unmarked(snippet), highlights).map(({ text, found }, at) =>
              found ? (
                <mark key={at} className="rounded-sm bg-wait-soft px-0.5 font-medium text-wait">
                  {text}
                </mark>
              ) : (
                text
              ),
            )}
          </Link>
        </p>
        <p className="mt-1 flex min-w-0 items-center gap-1.5 text-xs text-ink-soft">
          <Where className="size-3.5 shrink-0 text-ink-faint" aria-hidden="true" />
          <span className="truncate">{room.name.replace(PREFIX, "")}</span>
        </p>
      </div>
    </li>
  );
}

/** A text once it has not changed for a moment; an empty one at once. */
function useSettledText(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), text === "" ? 0 : SETTLED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
