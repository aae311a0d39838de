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

export interface StepProgress {
  percent?: number;
  note?: string;
  at: Timestamp;
}

/** A step with all that the server tells of it. */
export interface Step extends ProcessStep {
  run?: number;
  epoch?: number;
  lostLeases?: number;
  maxLostLeases?: number;
  heldBy?: string;
  currentAttempt?: Id;
  preferredAgentId?: string;
  readyAt?: Timestamp;
  retryAt?: Timestamp;
  startedAt?: Timestamp;
  completedAt?: Timestamp;
  skipReason?: string;
  failureHandled?: boolean;
  progress?: StepProgress;
  conditions?: { type: string; condition: string; nextStepId?: string; action: string }[];
  requiresApproval?: boolean;
  mergeOutputs?: boolean;
}

export interface AgentUtilization {
  taskCount: number;
  successCount: number;
  errorCount: number;
  busyMs: number;
}

export interface Process extends OrchestrationProcess {
  steps: Step[];
  error?: { code?: string; message: string };
  reason?: string;
}

export interface Intervention extends HumanIntervention {
  used?: boolean;
  mode?: "hold" | "suspend";
  candidatePermissions?: "read" | "write" | "admin" | null;
}

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

