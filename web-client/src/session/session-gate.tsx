import { type BatonError, type Me, toBatonError } from "@baton/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useState } from "react";
import { forgetKey, storedKey, storeKey, takeKeyFromLink } from "./key";
import { closeSession, identify, openSession, type Session, SessionContext } from "./session";
import { SignIn, Waiting } from "./sign-in";

type Gate =
  | { at: "signed-out"; reason?: string }
  | { at: "checking"; key: string; trouble?: BatonError }
  | { at: "signed-in"; key: string; me: Me | null };

const RETRY_MS = 2_000;

const ENDINGS: Record<string, string> = {
  revoked: "This key has been revoked.",
  expired: "This key has expired.",
  replaced: "This session was replaced by another one.",
  unauthenticated: "This key is wrong, revoked or expired.",
  forbidden: "This key does not open this workspace.",
};

function start(): Gate {
  const key = takeKeyFromLink() ?? storedKey();
  return key === undefined ? { at: "signed-out" } : { at: "checking", key };
}

/** Shows the screens to whoever has a key that the server accepts, and the sign-in to everybody else. */
export function SessionGate({ children }: { children: ReactNode }) {
  const [gate, setGate] = useState<Gate>(start);

  const signOut = useCallback((reason?: string) => {
    forgetKey();
    setGate(reason === undefined ? { at: "signed-out" } : { at: "signed-out", reason });
  }, []);

  // Another sign-in link opened in this tab only changes the fragment.
  useEffect(() => {
    const takeOver = () => {
      const key = takeKeyFromLink();
      if (key !== undefined) setGate({ at: "checking", key });
    };
    window.addEventListener("hashchange", takeOver);
    return () => window.removeEventListener("hashchange", takeOver);
  }, []);

  const key = gate.at === "checking" ? gate.key : undefined;
  useEffect(() => {
    if (key === undefined) return;
    let over = false;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const check = async () => {
      try {
        const me = await identify(key);
        if (over) return;
        storeKey(key);
        setGate({ at: "signed-in", key, me });
      } catch (cause) {
        if (over) return;
        const error = toBatonError(cause);
        if (error.code === "unauthenticated" || error.code === "forbidden") return signOut(ENDINGS[error.code]);
        setGate({ at: "checking", key, trouble: error });
        retry = setTimeout(check, RETRY_MS);
      }
    };
    void check();
    return () => {
      over = true;
      clearTimeout(retry);
    };
  }, [key, signOut]);

  const [open, setOpen] = useState<{ session: Session; queries: QueryClient }>();
  useEffect(() => {
    if (gate.at !== "signed-in") return;
    const session = openSession(gate.key, gate.me, signOut);
    const queries = new QueryClient({ defaultOptions: { queries: { retry: (times, cause) => times < 2 && toBatonError(cause).problem.retryable === true, staleTime: 5_000 } } });
    setOpen({ session, queries });
    const nudge = () => session.connection.nudge();
    window.addEventListener("online", nudge);
    const stop = session.connection.onState((state) => {
      if (state.status === "closed") signOut(ENDINGS[state.code] ?? "The server has ended this session.");
    });
    return () => {
      window.removeEventListener("online", nudge);
      stop();
      closeSession(session);
      queries.clear();
      setOpen(undefined);
    };
  }, [gate, signOut]);

  if (gate.at === "signed-out") {
    return <SignIn {...(gate.reason === undefined ? {} : { reason: gate.reason })} onKey={(pasted) => setGate({ at: "checking", key: pasted })} />;
  }
  if (gate.at === "checking") return <Waiting {...(gate.trouble ? { trouble: gate.trouble } : {})} onGiveUp={() => signOut()} />;
  if (!open) return null;
  return (
    <QueryClientProvider client={open.queries}>
      <SessionContext value={open.session}>{children}</SessionContext>
    </QueryClientProvider>
  );
}
