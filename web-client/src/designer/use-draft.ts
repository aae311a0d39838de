import { useCallback, useEffect, useReducer } from "react";
import { type Definition, EMPTY, parse, textOf } from "./definition";

interface History {
  past: Definition[];
  now: Definition;
  future: Definition[];
  /** What the last change was of: further typing into the same field is undone with it. */
  of: string | undefined;
}

type Action = { do: "change"; to: Definition; of?: string } | { do: "undo" | "redo" } | { do: "load"; definition: Definition };

const MOST_PAST = 200;

export function reduce(state: History, action: Action): History {
  switch (action.do) {
    case "load":
      return { past: [], now: action.definition, future: [], of: undefined };
    case "change": {
      if (action.to === state.now) return state;
      const same = action.of !== undefined && action.of === state.of;
      const past = same ? state.past : [...state.past, state.now].slice(-MOST_PAST);
      return { past, now: action.to, future: [], of: action.of };
    }
    case "undo": {
      const before = state.past.at(-1);
      if (!before) return state;
      return { past: state.past.slice(0, -1), now: before, future: [state.now, ...state.future], of: undefined };
    }
    case "redo": {
      const [next, ...rest] = state.future;
      if (!next) return state;
      return { past: [...state.past, state.now], now: next, future: rest, of: undefined };
    }
  }
}

/** Kept for this tab, so that a reload costs nothing. */
const STORED = "baton.draft";

function stored(): Definition {
  const read = parse(sessionStorage.getItem(STORED) ?? "");
  return "definition" in read ? read.definition : EMPTY;
}

/** At every change, not a moment later: whoever reloads or leaves right after typing loses nothing. */
function store(definition: Definition): void {
  try {
    sessionStorage.setItem(STORED, textOf(definition));
  } catch {
    // The tab's storage is full or forbidden: the draft lives as long as the page.
  }
}

export interface Draft {
  definition: Definition;
  /** `of` names what is being changed, where many small changes of it are one to undo. */
  change(to: Definition, of?: string): void;
  load(definition: Definition): void;
  undo: (() => void) | undefined;
  redo: (() => void) | undefined;
}

export function useDraft(): Draft {
  const [state, act] = useReducer(reduce, undefined, () => ({ past: [], now: stored(), future: [], of: undefined }));
  useEffect(() => store(state.now), [state.now]);
  const change = useCallback((to: Definition, of?: string) => act(of === undefined ? { do: "change", to } : { do: "change", to, of }), []);
  const load = useCallback((definition: Definition) => {
    store(definition); // here, for who loads may leave before the next render
    act({ do: "load", definition });
  }, []);
  return {
    definition: state.now,
    change,
    load,
    undo: state.past.length > 0 ? () => act({ do: "undo" }) : undefined,
    redo: state.future.length > 0 ? () => act({ do: "redo" }) : undefined,
  };
}
