/**
 * The key of this tab. It comes in the fragment of the sign-in link, which no browser sends to a server, and is taken
 * out of the address bar at once, so that it is neither in the history nor in a screenshot. It is kept for the life of
 * the tab only.
 */
const STORED = "baton.key";

/** The key in a fragment such as `#key=bk_…`, if there is one. */
export function keyInFragment(fragment: string): string | undefined {
  const match = /^#key=(.+)$/.exec(fragment);
  if (!match?.[1]) return undefined;
  try {
    return decodeURIComponent(match[1]);
  } catch {
    return match[1];
  }
}

/** What somebody pastes may be the bare key or the whole link. */
export function keyInText(text: string): string {
  const pasted = text.trim();
  const fragment = pasted.indexOf("#key=");
  return fragment < 0 ? pasted : (keyInFragment(pasted.slice(fragment)) ?? pasted);
}

export function takeKeyFromLink(): string | undefined {
  const key = keyInFragment(window.location.hash);
  if (key === undefined) return undefined;
  window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  storeKey(key);
  return key;
}

export function storedKey(): string | undefined {
  return sessionStorage.getItem(STORED) ?? undefined;
}

export function storeKey(key: string): void {
  sessionStorage.setItem(STORED, key);
}

export function forgetKey(): void {
  sessionStorage.removeItem(STORED);
}
