import { useQuery } from "@tanstack/react-query";
import { MessagesSquare } from "lucide-react";
import { Link, useParams } from "react-router";
import { AgentStatus } from "../agents/agent-status";
import { useAgents } from "../agents/use-agents";
import type { AgentTeam, AgentTeamMember } from "../model";
import { RecentProcesses } from "../process/recent-processes";
import { useSession } from "../session/session";
import { Button } from "../ui/button";
import { Detail, DetailPending, Facts } from "../ui/detail";
import { Section } from "../ui/page";
import { type Column, Table } from "../ui/table";
import { Ago, limit } from "../ui/time";
import { TeamStatus } from "./team-status";

export default function TeamScreen() {
  const { rest } = useSession();
  const { teamId = "" } = useParams();
  const agents = useAgents();
  const team = useQuery({ queryKey: ["team", teamId], queryFn: () => rest.get<AgentTeam>(`/teams/${encodeURIComponent(teamId)}`), refetchInterval: 10_000 });
  if (!team.data) return <DetailPending label="Team" error={team.error} onRetry={() => void team.refetch()} />;
  const { name, description, status, roomId, configuration, createdBy, createdAt } = team.data;
  const times = (configuration.timeoutSettings ?? {}) as Record<string, number>;
  const members: Column<AgentTeamMember>[] = [
    { header: "Agent", cell: ({ agentId }) => agents.find((agent) => agent.id === agentId)?.name ?? agentId },
    { header: "Role", width: "7rem", cell: ({ role }) => <span className="capitalize">{role}</span> },
    { header: "Status", width: "8rem", cell: ({ agentId }) => <AgentStatus status={agents.find((agent) => agent.id === agentId)?.status} /> },
    { header: "Best at", from: "sm", cell: ({ specialization }) => <span className="text-ink-soft">{specialization}</span> },
    { header: "Can", from: "md", cell: ({ capabilities }) => <span className="text-ink-soft">{capabilities.join(", ")}</span> },
    { header: "Priority", from: "lg", width: "5rem", align: "right", cell: ({ priority }) => priority },
  ];
  return (
    <Detail
      back="Teams"
      backTo="/teams"
      title={name}
      state={<TeamStatus status={status} />}
      lead={
        <>
          {description && <p>{description}</p>}
          <p>
            made by {createdBy} <Ago at={createdAt} />
          </p>
        </>
      }
      actions={
        <Button asChild>
          <Link to={`/rooms/${roomId}`}>
            <MessagesSquare className="size-4" aria-hidden="true" /> Room
          </Link>
        </Button>
      }
    >
      <Section title="Members">
        <div className="card overflow-x-auto">
          <Table label="Members" columns={members} rows={team.data.agents} keyOf={({ agentId }) => agentId} linkOf={({ agentId }) => `/agents/${encodeURIComponent(agentId)}`} />
        </div>
      </Section>
      <Section title="How it works">
        <Facts
          facts={[
            ["Steps at once", String(configuration.maxConcurrentTasks ?? "")],
            ["Handoffs", String(configuration.handoffStrategy ?? "")],
            ["Start", configuration.humanApprovalRequired ? "after an approval" : "at once"],
            ["A step may take", limit(times.taskTimeout ?? 0)],
            ["A person may take", limit(times.humanResponseTimeout ?? 0)],
            ["A process may take", limit(times.processTimeout ?? 0)],
          ]}
        />
      </Section>
      <RecentProcesses query={{ teamId }} />
    </Detail>
  );
}
