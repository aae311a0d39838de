import { type BatonError, toBatonError } from "@baton/client";
import { type ReactElement, useState } from "react";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import type { Opens } from "../ui/menu";
import { ProblemNote } from "../ui/notes";

/** Asks before what cannot be undone, and says if it failed. */
export function Confirm({ title, detail, act, trigger, onConfirm }: { title: string; detail: string; act: string; trigger: ReactElement<Opens>; onConfirm(): Promise<void> }) {
  const [open, setOpen] = useState(false);
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();
  const run = async () => {
    setSending(true);
    setError(undefined);
    try {
      await onConfirm();
      setOpen(false);
    } catch (cause) {
      setError(toBatonError(cause));
    } finally {
      setSending(false);
    }
  };
  return (
    <Dialog title={title} description={detail} trigger={trigger} open={open} onOpenChange={setOpen}>
      {error && (
        <div className="mb-4">
          <ProblemNote error={error} />
        </div>
      )}
      <div className="flex justify-end gap-2">
        <Button onClick={() => setOpen(false)}>Leave it</Button>
        <Button tone="danger" disabled={sending} onClick={() => void run()}>
          {act}
        </Button>
      </div>
    </Dialog>
  );
}
