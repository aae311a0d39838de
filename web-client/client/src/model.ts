/**
 * The model as it travels: resources, events and payloads, named as the contract names them.
 *
 * This is the one file of hand-written wire types. Resources follow the published OpenAPI document; events and socket
 * commands follow the AsyncAPI document. Times are RFC 3339 strings in UTC, ids are opaque strings.
 */

export type Id = string;
export type Timestamp = string;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

// ---- errors ---------------------------------------------------------------------------------------------------------

export type ProblemCode =
  | "invalid_request"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "already_resolved"
  | "superseded"
  | "stale_lease"
  | "illegal_transition"
  | "idempotency_conflict"
  | "payload_too_large"
  | "rate_limited"
  | "unavailable"
  | "internal";

/** RFC 9457 problem, the same object over REST and in a refused ack. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  code: ProblemCode | (string & {});
  detail?: string;
  retryable?: boolean;
  errors?: { path: string; message: string }[];
  context?: { intervention?: HumanIntervention; holder?: Json; [key: string]: unknown };
}

// ---- principals -----------------------------------------------------------------------------------------------------

export type Permission = "read" | "write" | "admin";
export type Priority = "low" | "medium" | "high" | "urgent";

export interface Actor {
  kind: "user" | "agent" | "service" | "system";
  id: string;
  name?: string;
}

/** Who the credential speaks for. */
export interface Me {
  principal: { kind: "user" | "agent" | "service"; id: string; name?: string };
  workspaceId: string;
  permission: Permission;
}

// ---- process and step -----------------------------------------------------------------------------------------------

export type ProcessStatus = "pending" | "running" | "paused" | "completed" | "failed" | "cancelled";
export type StepStatus = "pending" | "running" | "completed" | "failed" | "skipped" | "cancelled";
export type StepPhase =
  | "blocked"
  | "ready"
  | "backoff"
  | "awaiting_input"
  | "offered"
  | "executing"
  | "handing_off";
export type AttemptStatus =
  | "offered"
  | "leased"
  | "rejected"
  | "expired"
  | "cancelled"
  | "completed"
  | "failed"
  | "released"
  | "suspended";

export interface StepError {
  code?: string;
  message: string;
  retryable?: boolean;
}

export interface Attempt {
  id: Id;
  stepId: Id;
  agentId: string;
  instanceId?: string;
  epoch: number;
  status: AttemptStatus;
  leaseUntil?: Timestamp | null;
}

export interface ProcessStep {
  id: Id;
  key: string;
  name: string;
  description: string;
  assignedAgentId?: string | null;
  requiredCapabilities?: string[] | null;
  role?: string | null;
  status: StepStatus;
  phase?: StepPhase | null;
  dependencies: string[];
  triggerRule?: string;
  inputs?: JsonObject | null;
  outputs?: Json;
  error?: StepError | null;
  /** What the step's agent last said of its progress; only in events. */
  percent?: number | null;
  note?: string | null;
  attempts: number;
  maxAttempts: number;
  /** The live attempt, where the server includes it in a snapshot. */
  attempt?: Attempt | null;
  metadata?: JsonObject | null;
}

export interface ProcessContext {
  sessionIds: string[];
  sharedData: JsonObject;
  conversationHistory: Json[];
  documentIds: string[];
  variables: JsonObject;
}

export interface ProcessMetrics {
  startTime?: Timestamp | null;
  endTime?: Timestamp | null;
  duration?: number | null;
  stepCompletionTimes: Record<string, number>;
  handoffCount: number;
  humanInterventionCount: number;
  errorCount: number;
  retryCount: number;
  agentUtilization: Record<string, Json>;
}

export interface OrchestrationProcess {
  id: Id;
  name: string;
  description?: string | null;
  teamId: Id;
  workspaceId: string;
  status: ProcessStatus;
  steps: ProcessStep[];
  context?: ProcessContext;
  metrics?: ProcessMetrics;
  currentStep?: number;
  totalSteps: number;
  /** The open interventions. */
  waitingOn: Id[];
  priority?: Priority;
  initiatedBy?: string;
  initiatedAt: Timestamp;
  startedAt?: Timestamp | null;
  completedAt?: Timestamp | null;
  roomId: Id;
}

export type ProcessAction = "pause" | "resume" | "cancel" | "retry";

// ---- handoff --------------------------------------------------------------------------------------------------------

export type HandoffStatus = "pending" | "accepted" | "rejected" | "expired" | "cancelled" | "completed" | "failed";

export interface AgentHandoff {
  id: Id;
  processId: Id;
  fromAgentId: string;
  toAgentId?: string | null;
  candidates?: string[] | null;
  fromStepId: Id;
  toStepId?: Id | null;
  kind: "transfer" | "delegate";
  status: HandoffStatus;
  reason: string;
  priority?: Priority;
  context?: JsonObject;
  initiatedAt: Timestamp;
  acceptedAt?: Timestamp | null;
  completedAt?: Timestamp | null;
  expiresAt?: Timestamp | null;
}

// ---- intervention ---------------------------------------------------------------------------------------------------

export type InterventionType = "approval" | "input" | "decision" | "review" | "escalation";
export type InterventionStatus = "pending" | "completed" | "cancelled" | "expired";
export type InterventionOutcome =
  | "approved"
  | "rejected"
  | "modified"
  | "answered"
  | "chosen"
  | "reviewed"
  | "aborted";
export type ResponseAction = "approve" | "reject" | "modify" | "escalate" | "abort" | "answer" | "choose";

export interface InterventionResponse {
  action: ResponseAction;
  comments?: string | null;
  modifications?: Json;
  value?: Json;
  choice?: string | null;
  providedBy: string;
  providedAt: Timestamp;
}

export interface ChoiceOption {
  id: string;
  label?: string;
  description?: string;
}

export interface Vote {
  by: string;
  action: ResponseAction;
  round: number;
  at: Timestamp;
  comments?: string;
}

export interface InterventionComment {
  by: string;
  text: string;
  at: Timestamp;
}

export interface HumanIntervention {
  id: Id;
  processId: Id;
  stepId?: Id | null;
  type: InterventionType;
  description: string;
  status: InterventionStatus;
  outcome?: InterventionOutcome | null;
  priority: Priority;
  requestedBy: Actor;
  requestedAt: Timestamp;
  assignees?: string[];
  claimedBy?: string | null;
  schema?: JsonObject | null;
  options?: ChoiceOption[] | null;
  subject?: Json;
  subjectHash?: string | null;
  round: number;
  quorum?: { n: number; selfApproval?: boolean };
  votes?: Vote[];
  comments?: InterventionComment[];
  dueAt?: Timestamp | null;
  expiresAt?: Timestamp | null;
  onReject?: string;
  pausesProcess?: boolean;
  level?: number;
  response?: InterventionResponse | null;
  completedAt?: Timestamp | null;
}

export interface InterventionAnswer {
  action: ResponseAction;
  comments?: string;
  modifications?: Json;
  value?: Json;
  choice?: string;
  responseId?: string;
  round?: number;
  subjectHash?: string;
}

// ---- rooms and events -----------------------------------------------------------------------------------------------

export type Channel = "general" | "alerts" | "handoffs" | "interventions" | "monitoring";
export type MessageKind = "text" | "question" | "answer" | "update" | "request" | "notification";

export interface Participant {
  id: string;
  type: "agent" | "human";
  role: "observer" | "participant" | "coordinator" | "supervisor";
  joinedAt?: Timestamp;
  lastReadSeq?: number;
}

export interface CollaborationRoom {
  id: Id;
  name: string;
  type: "process" | "team" | "workspace";
  workspaceId: string;
  processId?: Id | null;
  teamId?: Id | null;
  participants?: Participant[];
  channels?: string[];
  head: number;
  first: number;
  logId: string;
  createdAt?: Timestamp;
  lastActivity?: Timestamp;
  archived?: boolean;
}

export interface Message {
  id: Id;
  body: string;
  kind: MessageKind;
  mentions?: string[];
  replyTo?: Id | null;
  priority?: Priority;
  metadata?: JsonObject | null;
  streamId?: string | null;
  author?: Actor;
}

/** One record of a room's log, which is also the argument of the socket event named by `type`. */
export interface RoomEvent<Data = Record<string, unknown>> {
  id: Id;
  roomId: Id;
  seq: number;
  type: string;
  at: Timestamp;
  workspaceId: string;
  channel: Channel | (string & {});
  actor: Actor;
  processId?: Id;
  stepId?: Id;
  data: Data;
  causationId?: Id;
  correlationId?: Id;
  /** Where an event echoed into the workspace's room happened first. */
  origin?: { roomId: Id; seq: number };
}

export interface LogPage {
  first: number;
  head: number;
  logId: string;
  more: boolean;
}

// ---- REST shapes ----------------------------------------------------------------------------------------------------

export interface List<T> {
  items: T[];
  nextCursor?: string | null;
}

// ---- socket commands ------------------------------------------------------------------------------------------------

export type Ack<Data> = { ok: true; data: Data; seq?: number } | { ok: false; error: Problem };

export interface JoinedRoom extends LogPage {
  room: CollaborationRoom;
  participants: Participant[];
  events: RoomEvent[];
  reset: boolean;
}

export interface SendMessage {
  roomId: Id;
  body: string;
  channel?: Channel;
  kind?: MessageKind;
  mentions?: string[];
  replyTo?: Id;
  priority?: Priority;
  metadata?: JsonObject;
}

/** Every command that this client sends: its payload and what its ack carries. */
export interface Commands {
  "room:join": { payload: { roomId: Id; since?: number; logId?: string }; data: JoinedRoom };
  "room:history": {
    payload: { roomId: Id; before?: number; since?: number; limit?: number };
    data: LogPage & { events: RoomEvent[] };
  };
  "room:leave": { payload: { roomId: Id }; data: unknown };
  "room:read": { payload: { roomId: Id; seq: number }; data: unknown };
  "message:send": { payload: SendMessage; data: { id: Id } };
  "typing:set": { payload: { roomId: Id; typing: boolean }; data: unknown };
  "intervention:respond": {
    payload: InterventionAnswer & { interventionId: Id };
    data: HumanIntervention;
  };
  "intervention:claim": { payload: { interventionId: Id }; data: HumanIntervention };
  "intervention:release": { payload: { interventionId: Id }; data: HumanIntervention };
  "process:pause": { payload: { processId: Id; mode?: "drain" | "interrupt"; reason?: string }; data: OrchestrationProcess };
  "process:resume": { payload: { processId: Id; reason?: string }; data: OrchestrationProcess };
  "process:cancel": { payload: { processId: Id; reason?: string }; data: OrchestrationProcess };
  "process:retry": { payload: { processId: Id; reason?: string }; data: OrchestrationProcess };
}

export type CommandName = keyof Commands;
