import { type AgentTeam, type BatonError, type MemberRole, toBatonError } from "@baton/client";
import { useQuery } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type FormEvent, type ReactElement, useState } from "react";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import type { Opens } from "../ui/menu";
import { Field } from "../ui/field";
import { ProblemNote } from "../ui/notes";

interface Member {
  agentId: string;
  role: MemberRole;
}

/** A team: a name, and who is in it. Everything else of a team can wait. */
export function NewTeam({ trigger, onMade }: { trigger: ReactElement<Opens>; onMade(team: AgentTeam): void }) {
  const [open, setOpen] = useState(false);
  return (
    <Dialog title="Make a team" description="Agents that work on processes together." trigger={trigger} open={open} onOpenChange={setOpen}>
      <Form
        onMade={(team) => {
          setOpen(false);
          onMade(team);
        }}
      />
    </Dialog>
  );
}

function Form({ onMade }: { onMade(team: AgentTeam): void }) {
  const { rest } = useSession();
  const { data: agents = [] } = useQuery({ queryKey: ["agents"], queryFn: () => rest.agents() });
  const [name, setName] = useState("");
  const [members, setMembers] = useState<Member[]>([{ agentId: "", role: "specialist" }]);
  const [error, setError] = useState<BatonError>();
  const [sending, setSending] = useState(false);
  const set = (index: number, fields: Partial<Member>) => setMembers(members.map((member, at) => (at === index ? { ...member, ...fields } : member)));
  const submit = async (event: FormEvent) => {
    // A dialog's form is inside the page's: its event must not reach that.
    event.preventDefault();
    event.stopPropagation();
    setSending(true);
    setError(undefined);
    try {
      onMade(await rest.createTeam({ name, agents: members.filter(({ agentId }) => agentId.trim() !== "").map((member) => ({ ...member, agentId: member.agentId.trim() })) }));
    } catch (cause) {
      setError(toBatonError(cause));
      setSending(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)} className="flex flex-col gap-4">
      <Field label="Name of the team">
        {(id) => <input id={id} required className="field h-9 w-full" value={name} onChange={(event) => setName(event.target.value)} />}
      </Field>
      <fieldset className="flex min-w-0 flex-col gap-2">
        <legend className="mb-2 text-sm font-medium">Agents</legend>
        <datalist id="known-agents">
          {agents.map((agent) => (
            <option key={agent.id} value={agent.id}>
              {agent.name}
            </option>
          ))}
        </datalist>
        {members.map((member, index) => (
          <div key={index} className="flex gap-2">
            <input
              aria-label={`Agent ${index + 1}`}
              list="known-agents"
              placeholder="id of an agent"
              autoCapitalize="off"
              spellCheck={false}
              className="field h-9 min-w-0 flex-1"
              value={member.agentId}
              onChange={(event) => set(index, { agentId: event.target.value })}
            />
            <select aria-label={`Role of agent ${index + 1}`} className="field h-9" value={member.role} onChange={(event) => set(index, { role: event.target.value as MemberRole })}>
              <option value="leader">leader</option>
              <option value="specialist">specialist</option>
              <option value="support">support</option>
            </select>
            <Button tone="quiet" className="px-2" aria-label={`Remove agent ${index + 1}`} disabled={members.length === 1} onClick={() => setMembers(members.filter((_, at) => at !== index))}>
              <Trash2 className="size-4" aria-hidden="true" />
            </Button>
          </div>
        ))}
        <p className="text-xs text-ink-faint">One that is not registered yet is registered by this; it needs a key before it can connect.</p>
        <Button className="self-start" onClick={() => setMembers([...members, { agentId: "", role: "specialist" }])}>
          <Plus className="size-4" aria-hidden="true" /> Add an agent
        </Button>
      </fieldset>
      {error && <ProblemNote error={error} />}
      <Button type="submit" tone="accent" className="self-end" disabled={sending || name.trim() === ""}>
        {sending ? "Making…" : "Make the team"}
      </Button>
    </form>
  );
}
