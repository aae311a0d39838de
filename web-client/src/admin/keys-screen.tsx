import { type BatonError, type Key, type MadeKey, type Permission, toBatonError } from "@baton/client";
import { useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useList } from "../live/use-list";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field, SearchBox, Segments } from "../ui/field";
import { ListBody } from "../ui/list-body";
import { Empty, ProblemNote } from "../ui/notes";
import { Page } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago } from "../ui/time";
import { useFilters } from "../ui/use-filters";
import { Confirm } from "./confirm";
import { Secret } from "./secret";

const SHOWN = [
  ["", "Active"],
  ["all", "All"],
] as const;

/** Who may use this workspace: every key, whose it is and what it may do; and new ones, as a link for a person. */
export default function KeysScreen() {
  const { rest } = useSession();
  const queries = useQueryClient();
  const [filters, setFilter] = useFilters("search", "shown");
  const list = useList<Key>({ path: "/keys", pageSize: 200 });
  const wanted = filters.search.trim().toLowerCase();
  const rows = list.rows.filter(
    (key) => (filters.shown === "all" || !key.revokedAt) && [key.principal, key.name, key.id].some((text) => text.toLowerCase().includes(wanted)),
  );
  const reload = () => void queries.invalidateQueries({ queryKey: ["list", "/keys"] });
  const columns: Column<Key>[] = [
    {
      header: "Whose",
      cell: (key) => (
        <>
          <span className={`block font-medium break-words ${key.revokedAt ? "text-ink-faint line-through" : ""}`}>{key.principal.replace(/^[a-z]+:/, "")}</span>
          <span className="mt-0.5 block text-xs text-ink-faint">
            {key.principal.split(":")[0]}
            {key.name && `, ${key.name}`}
          </span>
        </>
      ),
    },
    { header: "May", width: "6rem", cell: (key) => <span className="capitalize">{key.permission}</span> },
    { header: "Key", from: "md", cell: (key) => <span className="font-mono text-xs text-ink-soft">{key.id}</span> },
    {
      header: "Made",
      from: "sm",
      width: "9rem",
      cell: (key) => (
        <span className="text-ink-soft">
          {key.revokedAt ? (
            <>
              revoked <Ago at={key.revokedAt} />
            </>
          ) : (
            <Ago at={key.createdAt} />
          )}
        </span>
      ),
    },
    {
      header: "State",
      width: "7rem",
      align: "right",
      cell: (key) =>
        key.revokedAt ? (
          <span className="text-xs text-ink-faint">revoked</span>
        ) : (
          <Confirm
            title="Revoke this key?"
            detail={`${key.principal.replace(/^[a-z]+:/, "")} can no longer use it, and what is connected with it is cut off within half a minute.`}
            act="Revoke the key"
            trigger={
              <Button tone="danger" aria-label={`Revoke the key of ${key.principal}${key.name ? `, ${key.name}` : ""}`}>
                Revoke
              </Button>
            }
            onConfirm={async () => {
              await rest.revokeKey(key.id);
              reload();
            }}
          />
        ),
    },
  ];
  return (
    <Page
      title="Keys and members"
      {...(list.status === "ready" ? { count: `${list.rows.filter((key) => !key.revokedAt).length}${list.more ? "+" : ""} active` } : {})}
      actions={<NewKey onMade={reload} />}
      filters={
        <>
          <SearchBox label="Search by person or name" value={filters.search} onChange={(value) => setFilter("search", value)} />
          <Segments label="Which" choices={SHOWN} value={filters.shown as ""} onChange={(value) => setFilter("shown", value)} />
        </>
      }
    >
      <ListBody
        list={{ ...list, rows }}
        label="Loading the keys"
        empty={
          <Empty icon={<KeyRound className="size-5" />} title="None matches">
            Look for another word, or show the revoked ones too.
          </Empty>
        }
      >
        <Table label="Keys" columns={columns} rows={rows} keyOf={(key) => key.id} onMore={list.more} loadingMore={list.loadingMore} />
      </ListBody>
    </Page>
  );
}

type Kind = "user" | "service" | "agent";

const KINDS = [
  ["user", "Person"],
  ["service", "Backend"],
  ["agent", "Agent"],
] as const;

const MAY: Record<Permission, string> = {
  read: "Read: see everything, change nothing",
  write: "Write: start processes, decide, talk",
  admin: "Admin: keys, members, audit, alert rules and webhooks too",
};

function NewKey({ onMade }: { onMade(): void }) {
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState<MadeKey>();
  const change = (next: boolean) => {
    setOpen(next);
    if (next) setMade(undefined);
  };
  return (
    <Dialog
      title={made ? "The key is made" : "New key"}
      {...(made ? {} : { description: "For a person it is a link that signs them in." })}
      open={open}
      onOpenChange={change}
      trigger={
        <Button tone="accent">
          <Plus className="size-4" aria-hidden="true" /> New key
        </Button>
      }
    >
      {made ? (
        <Made made={made} onDone={() => change(false)} />
      ) : (
        <KeyForm
          onMade={(key) => {
            setMade(key);
            onMade();
          }}
        />
      )}
    </Dialog>
  );
}

function KeyForm({ onMade }: { onMade(made: MadeKey): void }) {
  const { rest } = useSession();
  const [kind, setKind] = useState<Kind>("user");
  const [id, setId] = useState("");
  const [permission, setPermission] = useState<Permission>("write");
  const [name, setName] = useState("");
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const told = (path: string) => error?.problem.errors?.find((each) => each.path === path)?.message;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setSending(true);
    setError(undefined);
    try {
      onMade(await rest.createKey({ principal: `${kind}:${id.trim()}`, permission, ...(name.trim() ? { name: name.trim() } : {}) }));
    } catch (cause) {
      setError(toBatonError(cause));
      setSending(false);
    }
  };
  const wrong = told("principal");
  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <Segments<Kind> label="For whom" choices={KINDS} value={kind} onChange={setKind} />
      <Field label={kind === "user" ? "Who" : kind === "agent" ? "Which agent" : "Which backend"} hint={kind === "agent" ? "The id under which it is registered." : "An id without spaces, such as a name or a mail address."} {...(wrong ? { error: wrong } : {})}>
        {(field, describedBy) => (
          <input id={field} required autoFocus autoCapitalize="off" autoComplete="off" spellCheck={false} className="field h-9 w-full" value={id} aria-describedby={describedBy} aria-invalid={wrong !== undefined} onChange={(event) => setId(event.target.value)} />
        )}
      </Field>
      {kind !== "agent" && (
        <Field label="What it may do">
          {(field) => (
            <select id={field} className="field h-9 w-full" value={permission} onChange={(event) => setPermission(event.target.value as Permission)}>
              {Object.entries(MAY).map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <Field label="Name of the key" hint="To recognise it by, such as a device. May be left empty.">
        {(field, describedBy) => <input id={field} maxLength={200} className="field h-9 w-full" value={name} aria-describedby={describedBy} onChange={(event) => setName(event.target.value)} />}
      </Field>
      {error && !wrong && <ProblemNote error={error} />}
      <Button type="submit" tone="accent" className="self-end" disabled={sending || id.trim() === ""}>
        {sending ? "Making…" : "Make the key"}
      </Button>
    </form>
  );
}

/** The one time that the secret is shown. */
function Made({ made, onDone }: { made: MadeKey; onDone(): void }) {
  const person = made.principal.startsWith("user:");
  const link = `${window.location.origin}/#key=${encodeURIComponent(made.key)}`;
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-ink-soft">
        It is shown only now. {person ? "Whoever opens the link is signed in: send it as you would a password." : "Store it where secrets are kept."}
      </p>
      {person && <Secret label="Sign-in link" value={link} />}
      <Secret label="Key" value={made.key} />
      <Button tone="accent" className="self-end" onClick={onDone}>
        Done
      </Button>
    </div>
  );
}
