import type { BatonError } from "@baton/client";
import { type FormEvent, type ReactNode, useState } from "react";
import { Button } from "../ui/button";
import { Mark } from "../ui/mark";
import { ErrorNote } from "../ui/notes";
import { keyInText } from "./key";

function Card({ children }: { children: ReactNode }) {
  return (
    <main className="grid min-h-full place-items-center p-4">
      <div className="w-full max-w-sm rounded-2xl border border-line bg-surface p-6 shadow-sm">
        <div className="mb-6 flex items-center gap-3">
          <Mark className="size-9" />
          <span className="text-xl font-semibold tracking-tight">Baton</span>
        </div>
        {children}
      </div>
    </main>
  );
}

export function SignIn({ reason, onKey }: { reason?: string; onKey(key: string): void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const key = keyInText(text);
    if (key) onKey(key);
  };
  return (
    <Card>
      <h1 className="text-lg font-semibold">Sign in</h1>
      <p className="mt-1 mb-4 text-sm text-ink-soft">
        Open the sign-in link that the server printed at its start, or paste the link or a key here.
      </p>
      {reason && (
        <div className="mb-4">
          <ErrorNote title={reason} detail="Ask whoever runs this server for another key." />
        </div>
      )}
      <form onSubmit={submit} className="flex flex-col gap-3">
        <label className="text-sm font-medium" htmlFor="key">
          Key
        </label>
        <input
          id="key"
          name="key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          autoFocus
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="bk_…"
          className="h-10 rounded-lg border border-line-strong bg-surface px-3 font-mono text-sm placeholder:text-ink-faint"
        />
        <Button type="submit" tone="accent" disabled={text.trim() === ""}>
          Sign in
        </Button>
      </form>
      <p className="mt-4 text-xs text-ink-faint">The key stays in this tab and is gone when you close it.</p>
    </Card>
  );
}

export function Waiting({ trouble, onGiveUp }: { trouble?: BatonError; onGiveUp(): void }) {
  return (
    <Card>
      <h1 className="text-lg font-semibold">{trouble ? "The server cannot be reached" : "Signing in…"}</h1>
      <p role="status" className="mt-1 text-sm text-ink-soft">
        {trouble ? `${trouble.message}. Trying again every two seconds.` : "Checking the key with the server."}
      </p>
      {trouble && (
        <div className="mt-4">
          <Button onClick={onGiveUp}>Use another key</Button>
        </div>
      )}
    </Card>
  );
}
