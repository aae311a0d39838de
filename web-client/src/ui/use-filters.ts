import { useDeferredValue, useEffect, useState } from "react";
import { useSearchParams } from "react-router";

/**
 * Filters that live in the address, so that a link leads to the same rows. An empty one is absent.
 *
 * The router draws a new address when it finds the time, and a field whose value is not drawn at once loses what is typed meanwhile:
 * until the router has caught up, what was chosen last counts.
 */
export function useFilters<Name extends string>(...names: Name[]): [Record<Name, string>, (name: Name, value: string) => void] {
  const [drawn, setParameters] = useSearchParams();
  const [ahead, setAhead] = useState<URLSearchParams>();
  useEffect(() => {
    if (drawn.toString() === inAddress().toString()) setAhead(undefined);
  }, [drawn]);
  const now = ahead ?? drawn;
  const values = Object.fromEntries(names.map((name) => [name, now.get(name) ?? ""])) as Record<Name, string>;
  const set = (name: Name, value: string) => {
    const after = inAddress();
    if (value) after.set(name, value);
    else after.delete(name);
    setAhead(after);
    setParameters(after, { replace: true });
  };
  return [values, set];
}

/** What the address says at this moment, drawn or not. */
function inAddress(): URLSearchParams {
  return new URLSearchParams(window.location.search);
}

/** What to ask the server for while somebody types. */
export function useSettled(text: string): string | undefined {
  return useDeferredValue(text.trim()) || undefined;
}
