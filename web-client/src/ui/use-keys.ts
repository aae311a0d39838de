import { useLayoutEffect, useRef } from "react";

type Keys = Partial<Record<string, () => void>>;

/** Single keys for the whole page, except where somebody types or a key has its own meaning. They are heard from the paint on that shows what they do. */
export function useKeys(keys: Keys): void {
  const current = useRef(keys);
  useLayoutEffect(() => {
    current.current = keys;
  });
  useLayoutEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target as HTMLElement;
      if (target.closest("input, textarea, select, [contenteditable], [role=dialog], [role=alertdialog]")) return;
      if (event.key === "Enter" && target.closest("a, button")) return;
      const action = current.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
