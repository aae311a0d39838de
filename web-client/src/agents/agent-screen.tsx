import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import type { Agent } from "../model";
import { useSession } from "../session/session";
import { useTeams } from "../teams/use-teams";
import { Detail, DetailPending, Facts } from "../ui/detail";
import { JsonView } from "../ui/json-view";
import { Section } from "../ui/page";
import { Table } from "../ui/table";
import { Ago } from "../ui/time";
import { AgentStatus, rate, Slots } from "./agent-status";

export default function AgentScreen() {
  const { rest } = useSession();
  const { agentId = "" } = useParams();
  const teams = useTeams();
  const agent = useQuery({ queryKey: ["agent", agentId], queryFn: () => rest.get<Agent>(`/agents/${encodeURIComponent(agentId)}`), refetchInterval: 5_000 });
  if (!agent.data) return <DetailPending label="Agent" error={agent.error} onRetry={() => void agent.refetch()} />;
  const { id, name, description, status, capabilities, source, createdAt, successRate, metadata } = agent.data;
  const memberships = teams.flatMap((team) => team.agents.filter((member) => member.agentId === id).map((member) => ({ team, member })));
  return (
    <Detail
      back="Agents"
      backTo="/agents"
      title={name}
      state={<AgentStatus status={status} />}
      lead={
        <>
          {description && <p>{description}</p>}
          <p className="font-mono text-xs">{id}</p>
        </>
      }
    >
      <Facts
        facts={[
          ["Slots in use", <Slots key="slots" agent={agent.data} />],
          ["Success", rate(successRate)],
          ["Can", capabilities.join(", ") || "nothing named"],
          ["Speaks", source === "parlant" ? "Parlant" : "Socket.IO"],
          ["Registered", <Ago key="at" at={createdAt} />],
        ]}
      />
      <Section title="Member of">
        {memberships.length === 0 ? (
          <p className="text-sm text-ink-soft">No team: it takes no work until it is a member of one.</p>
        ) : (
          <div className="card overflow-x-auto">
            <Table
              label="Teams of this agent"
              columns={[
                { header: "Team", cell: ({ team }) => team.name },
                { header: "Role", width: "8rem", cell: ({ member }) => <span className="capitalize">{member.role}</span> },
                { header: "Best at", from: "sm", cell: ({ member }) => <span className="text-ink-soft">{member.specialization}</span> },
              ]}
              rows={memberships}
              keyOf={({ team }) => team.id}
              linkOf={({ team }) => `/teams/${team.id}`}
            />
          </div>
        )}
      </Section>
      {Object.keys(metadata ?? {}).length > 0 && (
        <Section title="Metadata">
          <div className="card p-4 text-sm">
            <JsonView value={metadata} />
          </div>
        </Section>
      )}
    </Detail>
  );
}
