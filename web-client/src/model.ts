import type { HumanIntervention, Id, JsonObject, OrchestrationProcess, ProcessStep, Timestamp } from "@baton/client";

/** Resources as the server shows them, where the screens need more of them than a client of the wire does. */

export interface Agent {
  id: string;
  name: string;
  description: string;
  capabilities: string[];
  slots: number;
  status: "online" | "busy" | "offline";
  source: "native" | "parlant";
  metadata: JsonObject;
  archived: boolean;
  createdAt: Timestamp;
  updatedAt: Timestamp;
  slotsInUse?: number;
  /** Percent of the steps that it ended which it completed; absent where the server does not tell. */
  successRate?: number | null;
}

export interface AgentTeamMember {
  agentId: string;
  role: "leader" | "specialist" | "support";
  specialization: string;
  capabilities: string[];
  priority: number;
  isActive: boolean;
  joinedAt: Timestamp;
}

export interface AgentTeam {
  id: Id;
  name: string;
  description: string;
  workspaceId: string;
  roomId: Id;
  agents: AgentTeamMember[];
  status: "active" | "inactive" | "archived";
  configuration: JsonObject;
  createdBy: string;
  createdAt: Timestamp;
  updatedAt: Timestamp;
}

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

export interface Attempt {
  id: Id;
  stepId: Id;
  processId: Id;
  agentId: string;
  instanceId?: string;
  epoch: number;
  status: string;
  leaseUntil?: Timestamp;
  acceptedAt?: Timestamp;
  endedAt?: Timestamp;
  resultHash?: string;
}

