import { type BatonError, type List, type RoomEvent, toBatonError } from "@baton/client";
import { type InfiniteData, keepPreviousData, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useSession } from "../session/session";

type Query = Record<string, string | number | undefined>;

export interface ListSource<Row> {
  path: string;
  query?: Query;
  pageSize?: number;
  /** The row as an event of the workspace's room leaves it: another object where it changed, null where it leaves the list. */
  patch?(row: Row, event: RoomEvent): Row | null;
  /** Whether an event brings what may be a new row. */
  brings?(event: RoomEvent): boolean;
  /** Asked again so often, for what no event tells. */
  everyMs?: number;
}

export interface LiveList<Row> {
  rows: readonly Row[];
  status: "loading" | "ready" | "failed";
  error?: BatonError;
  reload(): void;
  /** Fetches the next page; none when all is here. */
  more: (() => void) | undefined;
  loadingMore: boolean;
  /** The rows are those of the filters before; the new ones are on their way. */
  stale: boolean;
}

/** New rows are fetched at most so often, however many come. */
const REFETCH_MS = 1_500;

type Pages<Row> = InfiniteData<List<Row>, string | undefined>;

/** A list of the server, page by page, its rows kept current by the events of the workspace's room. */
export function useList<Row extends { id: string }>({ path, query = {}, pageSize = 50, patch, brings, everyMs }: ListSource<Row>): LiveList<Row> {
  const { rest } = useSession();
  const client = useQueryClient();
  const queryKey = ["list", path, query];
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => rest.get<List<Row>>(path, { ...query, limit: pageSize, cursor: pageParam }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: List<Row>) => page.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: everyMs ?? false,
  });

  const waiting = useRef<RoomEvent[]>([]);
  const refetch = useRef<ReturnType<typeof setTimeout>>(undefined);
  const fetching = useRef(list.isFetching);
  const take = () => {
    const events = waiting.current;
    waiting.current = [];
    if (patch && events.length > 0) client.setQueryData<Pages<Row>>(queryKey, (pages) => pages && patched(pages, events, patch));
    if (brings && events.some(brings)) {
      refetch.current ??= setTimeout(() => {
        refetch.current = undefined;
        void client.invalidateQueries({ queryKey });
      }, REFETCH_MS);
    }
  };
  // An answer that is on its way may or may not hold what an event tells: the event is applied after it, too.
  useEffect(() => {
    fetching.current = list.isFetching;
    if (!list.isFetching) take();
  });
  useWorkspaceEvents(
    (event) => {
      waiting.current.push(event);
      if (!fetching.current) queueMicrotask(take);
    },
    patch !== undefined || brings !== undefined,
  );
  useEffect(() => () => clearTimeout(refetch.current), []);

  return {
    rows: list.data?.pages.flatMap((page) => page.items) ?? [],
    status: list.data ? "ready" : list.error ? "failed" : "loading",
    ...(list.error ? { error: toBatonError(list.error) } : {}),
    reload: () => void list.refetch(),
    more: list.hasNextPage ? () => void list.fetchNextPage() : undefined,
    loadingMore: list.isFetchingNextPage,
    stale: list.isPlaceholderData,
  };
}

function patched<Row extends { id: string }>(pages: Pages<Row>, events: RoomEvent[], patch: (row: Row, event: RoomEvent) => Row | null): Pages<Row> {
  let changed = false;
  const next = pages.pages.map((page) => {
    const items: Row[] = [];
    for (const row of page.items) {
      const after = events.reduce<Row | null>((current, event) => current && patch(current, event), row);
      if (after !== row) changed = true;
      if (after) items.push(after);
    }
    return { ...page, items };
  });
  return changed ? { ...pages, pages: next } : pages;
}

/** Hears what happens in the workspace from now on; signals, which have no place in its log, by their name. */
export function useWorkspaceEvents(listener: (event: RoomEvent) => void, wanted = true, signal?: (name: string) => void): void {
  const { connection, workspaceRoom } = useSession();
  const current = useRef({ listener, signal });
  useEffect(() => {
    current.current = { listener, signal };
  });
  useEffect(() => {
    if (!wanted) return;
    let over = false;
    let close = () => {};
    const follow = async () => {
      const room = connection.room(await workspaceRoom());
      close = () => room.close();
      if (over) return close();
      let floor: number | undefined;
      room.subscribe({
        joined: ({ head }) => {
          floor ??= head;
        },
        reset: () => {
          floor = undefined;
        },
        event: (event) => {
          if (floor !== undefined && event.seq > floor) current.current.listener(event);
        },
        signal: (name) => current.current.signal?.(name),
      });
    };
    // Without the workspace's room the list is still right when it is fetched; the inbox says what is wrong.
    follow().catch(() => {});
    return () => {
      over = true;
      close();
    };
  }, [connection, workspaceRoom, wanted]);
}
