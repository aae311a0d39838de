import { type BatonError, type CommandName, type OrchestrationProcess, toBatonError } from "@baton/client";
import { Ban, Pause, Play, RotateCw } from "lucide-react";
import { AlertDialog } from "radix-ui";
import { useState } from "react";
import { useSession } from "../session/session";
import { useIsLive } from "../live/use-connection";
import { Button } from "../ui/button";
import { ProblemNote } from "../ui/notes";

type Order = Extract<CommandName, `process:${string}`>;

/** What can be done with a process in its present state. Nothing changes on the page until the server says that it has. */
export function Controls({ process }: { process: OrchestrationProcess }) {
  const { connection, may } = useSession();
  const live = useIsLive();
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<BatonError>();
  if (!may("processes:update")) return null;
  const order = async (name: Order) => {
    setSending(true);
    setError(undefined);
    try {
      await connection.command(name, { processId: process.id });
    } catch (cause) {
      setError(toBatonError(cause));
    } finally {
      setSending(false);
    }
  };
  const busy = sending || !live;
  const { status } = process;
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap gap-2">
        {status === "running" && (
          <Button disabled={busy} onClick={() => void order("process:pause")}>
            <Pause className="size-4" aria-hidden="true" /> <span className="max-sm:sr-only">Pause</span>
          </Button>
        )}
        {status === "paused" && (
          <Button tone="accent" disabled={busy} onClick={() => void order("process:resume")}>
            <Play className="size-4" aria-hidden="true" /> <span className="max-sm:sr-only">Resume</span>
          </Button>
        )}
        {status === "failed" && (
          <Button disabled={busy} onClick={() => void order("process:retry")}>
            <RotateCw className="size-4" aria-hidden="true" /> <span className="max-sm:sr-only">Retry</span>
          </Button>
        )}
        {(status === "pending" || status === "running" || status === "paused") && (
          <Cancel name={process.name} busy={busy} onConfirm={() => void order("process:cancel")} />
        )}
      </div>
      {error && <ProblemNote error={error} />}
    </div>
  );
}

function Cancel({ name, busy, onConfirm }: { name: string; busy: boolean; onConfirm(): void }) {
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger asChild>
        <Button tone="danger" disabled={busy}>
          <Ban className="size-4" aria-hidden="true" /> <span className="max-sm:sr-only">Cancel</span>
        </Button>
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Overlay className="fixed inset-0 z-10 bg-black/50" />
        <AlertDialog.Content className="fixed top-1/2 left-1/2 z-10 w-[calc(100%-2rem)] max-w-md -translate-1/2 rounded-2xl border border-line bg-surface p-6 shadow-xl">
          <AlertDialog.Title className="text-lg font-semibold">Cancel “{name}”?</AlertDialog.Title>
          <AlertDialog.Description className="mt-2 text-sm text-ink-soft">
            Agents stop their work on it, what is asked of people is withdrawn, and it cannot be taken up again.
          </AlertDialog.Description>
          <div className="mt-6 flex justify-end gap-2">
            <AlertDialog.Cancel asChild>
              <Button>Keep it running</Button>
            </AlertDialog.Cancel>
            <AlertDialog.Action asChild>
              <Button tone="danger" onClick={onConfirm}>
                Cancel the process
              </Button>
            </AlertDialog.Action>
          </div>
        </AlertDialog.Content>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
