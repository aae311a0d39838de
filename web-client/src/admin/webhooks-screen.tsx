import { type BatonError, toBatonError } from "@baton/client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Webhook as Icon } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useList } from "../live/use-list";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { Ago } from "../ui/time";
import { Confirm } from "./confirm";
import { Secret } from "./secret";

interface Webhook {
  id: string;
  url: string;
  events: string[];
  description?: string | null;
  roomId?: string | null;
  active: boolean;
  createdAt: string;
}

interface WebhookState extends Webhook {
  pending?: number;
  parked?: number;
  lastDeliveredAt?: string | null;
  lastError?: string | null;
}

/** Where the workspace's events are sent: each address, how it fares, and its deliveries again. */
export default function WebhooksScreen() {
  const queries = useQueryClient();
  const list = useList<Webhook>({ path: "/webhooks" });
  const reload = () => void queries.invalidateQueries({ queryKey: ["list", "/webhooks"] });
  return (
    <Page title="Webhooks" {...(list.status === "ready" ? { count: `${list.rows.length}${list.more ? "+" : ""}` } : {})} actions={<NewWebhook onMade={reload} />}>
      <ListBody
        list={list}
        label="Loading the webhooks"
        empty={
          <Empty icon={<Icon className="size-5" />} title="No webhook yet">
            A webhook sends the workspace's events to an address of yours, signed, at least once, and in the order of each room.
          </Empty>
        }
      >
        <ul className="flex flex-col gap-3 p-4 sm:p-6">
          {list.rows.map((webhook) => (
            <Card key={webhook.id} webhook={webhook} onChanged={reload} />
          ))}
        </ul>
        {list.more && (
          <div className="grid place-items-center pb-6">
            <Button onClick={list.more} disabled={list.loadingMore}>
              Show more
            </Button>
          </div>
        )}
      </ListBody>
    </Page>
  );
}

const REFRESH_MS = 5_000;

function Card({ webhook, onChanged }: { webhook: Webhook; onChanged(): void }) {
  const { rest } = useSession();
  const path = `/webhooks/${encodeURIComponent(webhook.id)}`;
  // One that is being deleted is asked no more: it would not be found.
  const [going, setGoing] = useState(false);
  const { data, refetch } = useQuery({
    queryKey: ["webhook", webhook.id],
    queryFn: () => rest.get<WebhookState>(path),
    refetchInterval: REFRESH_MS,
    enabled: !going,
  });
  const state: WebhookState = data ?? webhook;
  const waiting = state.pending ?? 0;
  const parked = state.parked ?? 0;
  return (
    <li data-webhook={webhook.id} className="card p-4">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1">
          <h2 className="font-mono text-sm font-semibold break-all">{state.url}</h2>
          {state.description && <p className="mt-0.5 text-sm text-ink-soft">{state.description}</p>}
          <p className="mt-1.5 flex flex-wrap gap-1">
            {(state.events.length > 0 ? state.events : ["every event"]).map((event) => (
              <span key={event} className="rounded bg-sunken px-1.5 py-0.5 font-mono text-xs text-ink-soft">
                {event}
              </span>
            ))}
          </p>
        </div>
        <div className="flex gap-2">
          <Replay path={path} onDone={() => void refetch()} />
          <Confirm
            title="Delete this webhook?"
            detail={`Nothing more is sent to ${state.url}${waiting > 0 ? `, not even the ${waiting} deliveries that wait` : ""}.`}
            act="Delete it"
            trigger={
              <Button tone="danger" aria-label={`Delete the webhook to ${state.url}`}>
                Delete
              </Button>
            }
            onConfirm={async () => {
              setGoing(true);
              try {
                await rest.change("DELETE", path);
              } catch (cause) {
                setGoing(false);
                throw cause;
              }
              onChanged();
            }}
          />
        </div>
      </div>
      <p className="mt-3 flex flex-wrap gap-x-4 gap-y-1 text-sm text-ink-soft">
        <span>
          {state.lastDeliveredAt ? (
            <>
              Last delivered <Ago at={state.lastDeliveredAt} />
            </>
          ) : (
            "Nothing delivered yet"
          )}
        </span>
        {waiting > 0 && <span className="text-wait">{`${waiting} waiting`}</span>}
        {parked > 0 && <span className="text-bad">{`${parked} given up: replay them when the address works again`}</span>}
      </p>
      {state.lastError && <p className="mt-1 text-sm break-words text-bad">{state.lastError}</p>}
    </li>
  );
}

/** Sends again what was sent since a time, or what was given up. */
function Replay({ path, onDone }: { path: string; onDone(): void }) {
  const { rest } = useSession();
  const [open, setOpen] = useState(false);
  const [since, setSince] = useState("");
  const [replayed, setReplayed] = useState<number>();
  const [error, setError] = useState<BatonError>();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setError(undefined);
    try {
      const body = since ? { since: new Date(since).toISOString() } : {};
      setReplayed((await rest.change<{ replayed: number }>("POST", `${path}/replay`, body)).replayed);
      onDone();
    } catch (cause) {
      setError(toBatonError(cause));
    }
  };
  return (
    <Dialog
      title="Send again"
      description="The receiver sees each event under the same id as before, so it can tell a repetition."
      trigger={<Button>Replay</Button>}
      open={open}
      onOpenChange={(next) => {
        setOpen(next);
        setReplayed(undefined);
      }}
    >
      <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
        <Field label="Events since" hint="Empty: only the deliveries that were given up.">
          {(id, describedBy) => <input id={id} type="datetime-local" className="field h-9 w-full" value={since} aria-describedby={describedBy} onChange={(event) => setSince(event.target.value)} />}
        </Field>
        {error && <ProblemNote error={error} />}
        {replayed !== undefined && (
          <p role="status" className="text-sm text-good">
            {replayed === 1 ? "One delivery is on its way again." : `${replayed} deliveries are on their way again.`}
          </p>
        )}
        <Button type="submit" tone="accent" className="self-end">
          Send again
        </Button>
      </form>
    </Dialog>
  );
}

interface MadeWebhook extends Webhook {
  secret: string;
}

function NewWebhook({ onMade }: { onMade(): void }) {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<MadeWebhook>();
  const change = (next: boolean) => {
    setOpen(next);
    if (next) setMade(undefined);
  };
  return (
    <Dialog
      title={made ? "The webhook is made" : "New webhook"}
      open={open}
      onOpenChange={change}
      trigger={
        <Button tone="accent">
          <Plus className="size-4" aria-hidden="true" /> New webhook
        </Button>
      }
    >
      {made ? (
        <div className="flex flex-col gap-4">
          <p className="text-sm text-ink-soft">Every delivery is signed with this secret. It is shown only now.</p>
          <Secret label="Signing secret" value={made.secret} />
          <Button tone="accent" className="self-end" onClick={() => change(false)}>
            Done
          </Button>
        </div>
      ) : (
        <WebhookForm
          onMade={(webhook) => {
            setMade(webhook);
            onMade();
          }}
        />
      )}
    </Dialog>
  );
}

function WebhookForm({ onMade }: { onMade(made: MadeWebhook): void }) {
  const { rest } = useSession();
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState("");
  const [description, setDescription] = useState("");
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const told = (path: string) => {
    const message = error?.problem.errors?.find((each) => each.path === path || each.path.startsWith(`${path}[`))?.message;
    return message === undefined ? {} : { error: message };
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSending(true);
    setError(undefined);
    try {
      const list = events.split(/[\s,]+/).filter((each) => each !== "");
      onMade(await rest.change<MadeWebhook>("POST", "/webhooks", { url: url.trim(), events: list, ...(description.trim() ? { description: description.trim() } : {}) }));
    } catch (cause) {
      setError(toBatonError(cause));
      setSending(false);
    }
  };
  const elsewhere = error && !["url", "events", "description"].some((field) => "error" in told(field));
  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <Field label="Address" {...told("url")}>
        {(id, describedBy) => <input id={id} type="url" required autoFocus placeholder="https://example.org/hook" className="field h-9 w-full" value={url} aria-describedby={describedBy} onChange={(event) => setUrl(event.target.value)} />}
      </Field>
      <Field label="Events" hint="Such as process.* intervention.requested. Empty: every event." {...told("events")}>
        {(id, describedBy) => <input id={id} autoCapitalize="off" spellCheck={false} className="field h-9 w-full font-mono text-xs" value={events} aria-describedby={describedBy} onChange={(event) => setEvents(event.target.value)} />}
      </Field>
      <Field label="Description" {...told("description")}>
        {(id, describedBy) => <input id={id} className="field h-9 w-full" value={description} aria-describedby={describedBy} onChange={(event) => setDescription(event.target.value)} />}
      </Field>
      {elsewhere && <ProblemNote error={error} />}
      <Button type="submit" tone="accent" className="self-end" disabled={sending || url.trim() === ""}>
        {sending ? "Making…" : "Make the webhook"}
      </Button>
    </form>
  );
}
