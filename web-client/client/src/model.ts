/**
 * The model as it travels: resources, events and payloads, named as the contract names them.
 *
 * All of it is generated from the published contract (`generated/`); this file only gives the names under which it is used, and
 * the few shapes that are this client's own. Times are RFC 3339 strings in UTC, ids are opaque strings.
 */
import type { components as Socket } from "./generated/asyncapi.js";
import type { components as Http } from "./generated/openapi.js";
import type { Json } from "./json.js";

export type { Json, JsonObject } from "./json.js";

type S = Socket["schemas"];
type H = Http["schemas"];

export type Id = string;
export type Timestamp = S["Timestamp"];

// ---- errors ---------------------------------------------------------------------------------------------------------

export type ProblemCode = S["Code"];
export type FieldError = S["FieldError"];

/** RFC 9457 problem, the same object over REST and in a refused ack. A newer server may know further codes. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  code: ProblemCode | (string & {});
  detail?: string;
  retryable?: boolean;
  errors?: FieldError[];
  context?: { intervention?: HumanIntervention; holder?: Json; [key: string]: unknown };
}

// ---- principals -----------------------------------------------------------------------------------------------------

export type Permission = S["Permission"];
export type Priority = S["Priority"];
export type Actor = S["Actor"];
/** Who the credential speaks for, and what it may do. */
export type Me = H["Me"];
/** What is known of a key; never its secret. */
export type Key = H["Key"];
/** A key that was just made, with its secret, which is shown only now. */
export type MadeKey = H["MadeKey"];

// ---- teams and agents -----------------------------------------------------------------------------------------------

export type AgentTeam = S["AgentTeam"];
export type AgentTeamMember = S["AgentTeamMember"];
export type TeamConfiguration = S["TeamConfiguration"];
export type CreateTeam = S["CreateTeam"];
export type TeamMemberInput = S["TeamMemberInput"];
export type MemberRole = S["MemberRole"];
/** An agent as the registry has it; the class `Agent` is one that works. */
export type RegisteredAgent = S["Agent"];
/** An agent, whether it is there, and how much of it is in use. */
export type AgentInUse = H["AgentInUse"];
export type AgentStatus = S["AgentStatus"];

// ---- process and step -----------------------------------------------------------------------------------------------

export type ProcessStatus = S["ProcessStatus"];
export type StepStatus = S["StepStatus"];
export type StepPhase = S["StepPhase"];
export type AttemptStatus = S["AttemptStatus"];
export type Failure = S["Failure"];
export type Attempt = S["Attempt"];
export type ProcessContext = S["ProcessContext"];
export type ProcessMetrics = S["ProcessMetrics"];
export type ProcessRef = S["ProcessRef"];
export type StartProcess = S["StartProcess"];
export type StepInput = S["StepInput"];
export type StepCondition = S["StepCondition"];
export type ConditionType = S["ConditionType"];
export type ConditionAction = S["ConditionAction"];
export type TriggerRule = S["TriggerRule"];
export type ProcessAction = H["ProcessAction"];
export type ProcessStep = S["ProcessStep"];
export type OrchestrationProcess = S["OrchestrationProcess"];

// ---- handoff --------------------------------------------------------------------------------------------------------

export type HandoffStatus = S["HandoffStatus"];
export type HandoffKind = S["HandoffKind"];
export type AgentHandoff = S["AgentHandoff"];

// ---- intervention ---------------------------------------------------------------------------------------------------

export type InterventionType = S["InterventionType"];
export type InterventionStatus = S["InterventionStatus"];
export type InterventionOutcome = S["Outcome"];
export type ResponseAction = S["ResponseAction"];
export type InterventionResponse = S["InterventionResponse"];
export type ChoiceOption = S["ChoiceOption"];
export type Vote = S["Vote"];
export type InterventionComment = S["InterventionComment"];
export type HumanIntervention = S["HumanIntervention"];
/** What a human answers. */
export type InterventionAnswer = S["Respond"];

// ---- work -----------------------------------------------------------------------------------------------------------

/** An attempt with all that an agent needs to do the work. */
export type Work = S["Work"];
/** What a human answered for the step before this attempt. */
export type PriorAnswer = S["PriorAnswer"];
export type AddressedMessage = S["AddressedMessage"];
export type AgentCommunication = S["AgentCommunication"];
export type CommunicationType = S["CommunicationType"];

// ---- rooms and events -----------------------------------------------------------------------------------------------

export type Channel = S["Channel"];
export type MessageKind = S["MessageKind"];
export type Participant = S["Participant"];
export type CollaborationRoom = S["CollaborationRoom"];
/** A room, and how far the caller has read in it. */
export type RoomToRead = H["RoomToRead"];
export type Message = S["Message"];
export type RoomRole = S["RoomRole"];
/** A message that a search found, as it stands now, and where. */
export type FoundMessage = H["FoundMessage"];
/** Somebody who is in a room now, on whichever node. */
export type Present = S["Present"];

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
  processId?: Id | null;
  stepId?: Id | null;
  data: Data;
  causationId?: Id | null;
  correlationId?: Id | null;
  /** Where an event echoed into the workspace's room happened first. */
  origin?: { roomId: Id; seq: number } | null;
}

export interface LogPage {
  first: number;
  head: number;
  logId: string;
  more: boolean;
}

/** What joining a room gives. */
export type JoinedRoom = Commands["room:join"]["data"];

// ---- REST shapes ----------------------------------------------------------------------------------------------------

export interface List<T> {
  items: T[];
  nextCursor?: string | null;
}

// ---- the socket -----------------------------------------------------------------------------------------------------

export type Ack<Data> = { ok: true; data: Data; seq?: number } | { ok: false; error: Problem };

/** A reply as this client types it: a log's events are read by type, not by shape. */
type Told<Data> = Data extends { events: unknown } ? Omit<Data, "events"> & { events: RoomEvent[] } : Data;

/** Every command: its payload and what its ack carries. */
export type Commands = {
  [Name in keyof S["Commands"]]: { payload: S["Commands"][Name]["payload"]; data: Told<S["Commands"][Name]["data"]> };
};
export type CommandName = keyof Commands & string;

/** What the server tells beside a room's log: by name, the argument. */
export type Signals = S["Signals"];
/** The events of a room's log: by type, their `data`. */
export type RoomEvents = S["RoomEvents"];

/** A room's event of one type, with its own `data`. */
export type EventOf<Name extends keyof RoomEvents> = RoomEvent<RoomEvents[Name]> & { type: Name };

/** Whether an event of a log is of this type; what follows is then typed by it. */
export function isEvent<Name extends keyof RoomEvents>(event: RoomEvent<unknown>, type: Name): event is EventOf<Name> {
  return event.type === type;
}

// ---- monitoring -----------------------------------------------------------------------------------------------------

export type Alert = H["Alert"];
/** When alerts are raised, and how they are set: all of them at once. */
export type AlertRule = S["AlertRule"];
export type AlertRules = S["AlertRules"];
export type SetAlertRules = S["SetAlertRules"];
export type Recommendation = H["Recommendation"];
/** A workspace's figures over a time; durations in milliseconds, rates in percent. */
export type Analytics = H["Analytics"];
