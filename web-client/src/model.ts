import type { AgentInUse, HumanIntervention, OrchestrationProcess, ProcessStep } from "@baton/client";

/** Resources under the names that the screens use. */

export type { AgentTeam, AgentTeamMember, Attempt } from "@baton/client";

/** Of what may be left out when an agent is registered, an answer leaves out nothing. */
export type Agent = AgentInUse & Required<Pick<AgentInUse, "capabilities" | "metadata" | "status">>;

/** What an agent did in a process. */
export interface AgentUtilization {
  taskCount: number;
  successCount: number;
  errorCount: number;
  busyMs: number;
}

export type Step = ProcessStep;
export type Process = OrchestrationProcess;
export type Intervention = HumanIntervention;
