import { useEffect, useState, useSyncExternalStore } from "react";

interface External<State> {
  readonly state: State;
  subscribe(listener: () => void): () => void;
}

const nothing = () => () => {};

/** The current state of a store that outlives the component; `initial` while there is none. */
export function useExternal<State>(store: External<State> | undefined, initial: State): State {
  return useSyncExternalStore(store?.subscribe ?? nothing, () => store?.state ?? initial);
}

/** A store that lives as long as the component and its `key`; none without a key. */
export function useOwned<Store extends { close(): void }>(key: string | undefined, make: (key: string) => Store): Store | undefined {
  const [owned, setOwned] = useState<{ key: string; store: Store }>();
  useEffect(() => {
    if (key === undefined) return;
    const store = make(key);
    setOwned({ key, store });
    return () => store.close();
    // `make` is written inline by every caller: the key says when the store is another.
  }, [key]);
  return owned !== undefined && owned.key === key ? owned.store : undefined;
}
