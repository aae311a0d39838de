import { useDeferredValue } from "react";
import { useSearchParams } from "react-router";

/** Filters that live in the address, so that a link leads to the same rows. An empty one is absent. */
export function useFilters<Name extends string>(...names: Name[]): [Record<Name, string>, (name: Name, value: string) => void] {
  const [parameters, setParameters] = useSearchParams();
  const values = Object.fromEntries(names.map((name) => [name, parameters.get(name) ?? ""])) as Record<Name, string>;
  const set = (name: Name, value: string) =>
    setParameters(
      (before) => {
        const after = new URLSearchParams(before);
        if (value) after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  return [values, set];
}

/** What to ask the server for while somebody types. */
export function useSettled(text: string): string | undefined {
  return useDeferredValue(text.trim()) || undefined;
}
