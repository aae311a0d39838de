import type { HumanIntervention } from "@baton/client";
import { BellRing, CircleArrowUp, Ellipsis, Forward, OctagonX, UserRoundCheck, UserRoundPlus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Field } from "../ui/field";
import { Menu, MenuItem, MenuLine } from "../ui/menu";
import type { Reply } from "./use-reply";

type Asked = "assign" | "delegate" | "escalate" | "abort";

/** What can be done besides answering. */
export function MoreActions({ intervention, reply, ready }: { intervention: HumanIntervention; reply: Reply; ready: boolean }) {
  const [asked, setAsked] = useState<Asked>();
  const close = () => setAsked(undefined);
  return (
    <>
      <Menu
        trigger={
          <Button tone="quiet" aria-label="More actions" className="px-2.5" disabled={!ready}>
            <Ellipsis className="size-4" aria-hidden="true" />
          </Button>
        }
      >
        <MenuItem icon={<UserRoundCheck />} onSelect={() => void reply.claim()}>
          {intervention.claimedBy ? "Give it back to everybody" : "Claim it: I am on it"}
        </MenuItem>
        <MenuItem icon={<UserRoundPlus />} onSelect={() => setAsked("assign")}>
          Assign
        </MenuItem>
        <MenuItem icon={<Forward />} onSelect={() => setAsked("delegate")}>
          Pass it on
        </MenuItem>
        <MenuItem icon={<BellRing />} onSelect={() => void reply.remind()}>
          Remind them
        </MenuItem>
        <MenuItem icon={<CircleArrowUp />} onSelect={() => setAsked("escalate")}>
          Escalate
        </MenuItem>
        <MenuLine />
        <MenuItem icon={<OctagonX />} danger onSelect={() => setAsked("abort")}>
          Abort the process
        </MenuItem>
      </Menu>
      <Dialog title="Who should answer?" open={asked === "assign"} onOpenChange={(open) => !open && close()}>
        <Assign intervention={intervention} busy={reply.sending} onAssign={(people) => void reply.assign(people).then((done) => done && close())} />
      </Dialog>
      <Dialog title="Pass it on" description="Somebody else answers in your place." open={asked === "delegate"} onOpenChange={(open) => !open && close()}>
        <Delegate busy={reply.sending} onDelegate={(to, comments) => void reply.delegate(to, comments).then((done) => done && close())} />
      </Dialog>
      <Dialog
        title="Escalate"
        description="It stays open, becomes urgent, and goes one level up."
        open={asked === "escalate"}
        onOpenChange={(open) => !open && close()}
      >
        <Reason label="Why" button="Escalate" busy={reply.sending} onSubmit={(comments) => void reply.answer({ action: "escalate", ...comments }).then((done) => done && close())} />
      </Dialog>
      <Dialog
        title="Abort the process?"
        description="The whole process is cancelled: agents stop their work on it, and it cannot be taken up again."
        open={asked === "abort"}
        onOpenChange={(open) => !open && close()}
      >
        <Reason label="Why" button="Abort the process" danger busy={reply.sending} onSubmit={(comments) => void reply.answer({ action: "abort", ...comments }).then((done) => done && close())} />
      </Dialog>
    </>
  );
}

function Assign({ intervention, busy, onAssign }: { intervention: HumanIntervention; busy: boolean; onAssign(people: string[]): void }) {
  const { me } = useSession();
  const [text, setText] = useState((intervention.assignees ?? []).join(", "));
  const people = [...new Set(text.split(/[\s,]+/).filter((each) => each !== ""))];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onAssign(people);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label="User ids" hint="Separated by commas. Empty: whoever may answer.">
        {(id, describedBy) => <input id={id} aria-describedby={describedBy} value={text} onChange={(event) => setText(event.target.value)} className="field" />}
      </Field>
      <div className="flex justify-end gap-2">
        {me && !people.includes(me.principal.id) && <Button onClick={() => setText([...people, me.principal.id].join(", "))}>Add me</Button>}
        <Button type="submit" tone="accent" disabled={busy}>
          {people.length === 0 ? "Leave it to everybody" : "Assign"}
        </Button>
      </div>
    </form>
  );
}

function Delegate({ busy, onDelegate }: { busy: boolean; onDelegate(to: string, comments: string | undefined): void }) {
  const [to, setTo] = useState("");
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onDelegate(to.trim(), text.trim() || undefined);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label="To whom">{(id) => <input id={id} value={to} onChange={(event) => setTo(event.target.value)} placeholder="User id" className="field" />}</Field>
      <Field label="Why" hint="Kept as a comment. May be left empty.">
        {(id, describedBy) => <textarea id={id} aria-describedby={describedBy} rows={2} value={text} onChange={(event) => setText(event.target.value)} className="field" />}
      </Field>
      <Button type="submit" tone="accent" className="self-end" disabled={busy || to.trim() === ""}>
        Pass it on
      </Button>
    </form>
  );
}

function Reason({ label, button, danger = false, busy, onSubmit }: { label: string; button: string; danger?: boolean; busy: boolean; onSubmit(comments: { comments?: string }): void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onSubmit(text.trim() === "" ? {} : { comments: text.trim() });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <Field label={label} hint="Others and the agent read this.">
        {(id, describedBy) => <textarea id={id} aria-describedby={describedBy} rows={3} value={text} onChange={(event) => setText(event.target.value)} className="field" />}
      </Field>
      <Button type="submit" tone={danger ? "danger" : "accent"} className="self-end" disabled={busy}>
        {button}
      </Button>
    </form>
  );
}
