//! What the server writes as plain JSON, described: these types are read for their schema only.

use std::collections::BTreeMap;

use rooms::id::{
    AgentId, AttemptId, CommunicationId, HandoffId, InterventionId, LogId, ProcessId, RoomId,
    StepId, WorkspaceId,
};
use rooms::model::Priority;
use rooms::model::access::{Actor, Permission, PrincipalKind, Workspace};
use rooms::model::agent::Agent;
use rooms::model::attempt::Attempt;
use rooms::model::communication::{CommunicationResponse, CommunicationType};
use rooms::model::handoff::{AgentHandoff, HandoffStatus};
use rooms::model::intervention::{
    HumanIntervention, InterventionResponse, InterventionStatus, InterventionType, Outcome,
};
use rooms::model::process::{Failure, PauseMode, ProcessContext, ProcessRef};
use rooms::model::room::{CollaborationRoom, Message, ParticipantType};
use rooms::model::step::ProcessStep;
use rooms::{Code, Event, FieldError, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! shapes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Serialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}

shapes! {
    /// Why a request was refused (RFC 9457).
    Problem {
        /// Where the code is explained.
        #[serde(rename = "type")]
        kind: String,
        /// The code in words.
        title: String,
        /// The HTTP status.
        status: u16,
        /// For programs.
        code: Code,
        /// What happened and what to do.
        detail: String,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// Every wrong field.
        #[serde(skip_serializing_if = "Option::is_none")]
        errors: Option<Vec<FieldError>>,
        /// What a program needs to go on, e.g. `{holder}` or `{intervention}`.
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<Value>,
    }
    /// The caller.
    Me {
        /// Who.
        principal: Actor,
        /// Where.
        workspace_id: WorkspaceId,
        /// What it may do there.
        permission: Permission,
        /// The same, one by one.
        operations: Vec<String>,
    }
    /// What happens to a process.
    ChangeProcess {
        /// What to do.
        action: ProcessAction,
        /// How a pause treats work under way.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<PauseMode>,
        /// For the people who see it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// What happens to an alert.
    ChangeAlert {
        /// What to do.
        action: AlertAction,
    }
    /// What happens to a handoff.
    ChangeHandoff {
        /// What to do.
        action: HandoffAction,
        /// For the other side, with `reject` and `cancel`.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// A handoff; an agent that accepts it gets its lease with it.
    HandoffResult {
        /// The handoff.
        #[serde(flatten)]
        handoff: AgentHandoff,
        /// The receiver's lease.
        #[serde(skip_serializing_if = "Option::is_none")]
        attempt: Option<Attempt>,
        /// The step.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<ProcessStep>,
        /// Its process.
        #[serde(skip_serializing_if = "Option::is_none")]
        process: Option<ProcessRef>,
    }
    /// What a message is to say instead.
    EditMessage {
        /// Markdown, 1 byte to 32 KiB.
        body: String,
        /// Who is meant now.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<String>,
    }
    /// A part of a room's log, oldest first.
    Log {
        /// The events after `since`.
        items: Vec<Event>,
        /// The oldest seq that is kept.
        first: u64,
        /// The newest seq.
        head: u64,
        /// Another one after a restore.
        log_id: LogId,
        /// Whether events lie between the last item and head.
        more: bool,
    }
    /// A room, to show and to open.
    RoomRef {
        /// Its id.
        id: RoomId,
        /// A name to show.
        name: String,
    }
    /// A message that was found.
    FoundMessage {
        /// As it stands now.
        message: Message,
        /// In which room.
        room: RoomRef,
        /// The room's process.
        #[serde(skip_serializing_if = "Option::is_none")]
        process_id: Option<ProcessId>,
        /// Where in the room.
        seq: u64,
        /// When it was posted.
        at: Timestamp,
        /// When its text was last changed.
        #[serde(skip_serializing_if = "Option::is_none")]
        edited_at: Option<Timestamp>,
        /// Who said it.
        author: Actor,
        /// A line of it around what was found.
        snippet: String,
        /// The words in that line that were looked for, as they stand there.
        highlights: Vec<String>,
    }
    /// An agent, and how much of it is in use.
    AgentInUse {
        /// The agent.
        #[serde(flatten)]
        agent: Agent,
        /// Live attempts.
        slots_in_use: u64,
        /// Percent of its newest ended attempts, at most 100 of them, that were completed; the others failed or lost their lease. None where it
        /// has ended none.
        #[serde(skip_serializing_if = "Option::is_none")]
        success_rate: Option<f64>,
    }
    /// A room, and how far the caller has read in it.
    RoomToRead {
        /// The room.
        #[serde(flatten)]
        room: CollaborationRoom,
        /// The highest seq that the caller has named with `room:read`; absent before the first.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_read_seq: Option<u64>,
    }
    /// A new key; it is shown only now.
    NewKey {
        /// To revoke it by.
        id: String,
        /// The secret.
        key: String,
    }
    /// What is known of a key; never the key itself.
    Key {
        /// To revoke it by.
        id: String,
        /// Where it is good.
        workspace_id: WorkspaceId,
        /// `user:ID`, `service:ID` or `agent:ID`.
        principal: String,
        /// What it may do.
        permission: Permission,
        /// To recognise it by.
        name: String,
        /// When it was made.
        created_at: Timestamp,
        /// When it was revoked.
        #[serde(skip_serializing_if = "Option::is_none")]
        revoked_at: Option<Timestamp>,
    }
    /// A key that was just made; its secret is shown only now.
    MadeKey {
        /// What is known of it.
        #[serde(flatten)]
        info: Key,
        /// The secret. A sign-in link of the dashboard is its address with `#key=` and this.
        key: String,
    }
    /// Whether an expression compiles.
    ExpressionCheck {
        /// It does.
        valid: bool,
        /// Why it does not, and where.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    }
    /// What was revoked.
    Revoked {
        /// How many keys.
        revoked: u64,
    }
    /// What somebody asked for, and what came of it.
    AuditEntry {
        /// Its id.
        id: uuid::Uuid,
        /// When.
        at: Timestamp,
        /// Who.
        actor: Actor,
        /// A command's name.
        action: String,
        /// `ok`, or the code of the refusal.
        outcome: String,
        /// `rest`, `socket`, `system` or `cli`.
        transport: String,
        /// From where.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// The room that decided.
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        /// The ids that were named.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<BTreeMap<String, String>>,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// The caller's commandId or Idempotency-Key.
        #[serde(skip_serializing_if = "Option::is_none")]
        correlation_id: Option<String>,
    }
    /// A webhook, and how its deliveries stand.
    Webhook {
        /// Its id.
        id: uuid::Uuid,
        /// Where to.
        url: String,
        /// Which events; none: all.
        events: Vec<String>,
        /// Only those of this room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room_id: Option<RoomId>,
        /// For people.
        description: String,
        /// `user:ID` or `service:ID`.
        created_by: String,
        /// When.
        created_at: Timestamp,
        /// Events that wait to be sent.
        pending: u64,
        /// Events that were given up.
        parked: u64,
        /// When the receiver last took one.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_delivered_at: Option<Timestamp>,
        /// Why the last one failed, where it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_error: Option<String>,
    }
    /// A new webhook; its secret is shown only now.
    NewWebhook {
        /// The webhook.
        #[serde(flatten)]
        webhook: Webhook,
        /// The key of `X-Webhook-Signature: t=<ms>,v1=<hex HMAC-SHA256(secret, "{t}.{body}")>`.
        secret: String,
    }
    /// An event on its way to a webhook.
    WebhookDelivery {
        /// Its place in the list.
        id: String,
        /// From which room.
        room_id: RoomId,
        /// The event's place there.
        seq: u64,
        /// The event's type.
        #[serde(rename = "type")]
        kind: String,
        /// `pending`, `delivered` or `parked`.
        status: String,
        /// How often it was tried.
        attempts: u64,
        /// When it happened, or was replayed.
        created_at: Timestamp,
        /// When it is tried next.
        #[serde(skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    }
    /// What is sent again.
    Replayed {
        /// How many events.
        replayed: u64,
    }
    /// The workspaces that the caller may see.
    Workspaces {
        /// All of them.
        items: Vec<Workspace>,
    }
    /// Who has a key of a workspace.
    Member {
        /// A user, an agent or a service.
        kind: PrincipalKind,
        /// Its id.
        id: String,
        /// The most that one of its keys allows.
        permission: Permission,
        /// How many keys that were not revoked it has.
        keys: u64,
    }
    /// It is alive.
    Health {
        /// `ok`.
        status: String,
    }
    /// Whether each part works.
    Parts {
        /// `ok` or `unavailable`.
        database: String,
        /// `ok` or `unavailable`.
        migrations: String,
        /// `ok` or `unavailable`.
        relay: String,
        /// It is stopping.
        draining: bool,
    }
    /// Whether it takes requests.
    Readiness {
        /// `ok`, `degraded` (it serves, but hears of other nodes' commits a moment later) or `unavailable`.
        status: String,
        /// Per part.
        parts: Parts,
        /// Why a part is not well, by its name, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasons: Option<BTreeMap<String, String>>,
    }
    /// Somebody in a room.
    Present {
        /// Whose id.
        id: String,
        /// Agent or human.
        #[serde(rename = "type")]
        kind: ParticipantType,
        /// There now; false where it says that somebody left.
        online: bool,
    }
    /// What a human answered for a step, as a later attempt at it is told.
    PriorAnswer {
        /// The question.
        intervention_id: InterventionId,
        /// The key under which it was asked.
        key: String,
        /// What was asked.
        #[serde(rename = "type")]
        kind: InterventionType,
        /// The question in words.
        description: String,
        /// Where it stands: completed, or expired with a default.
        status: InterventionStatus,
        /// What came of it.
        outcome: Option<Outcome>,
        /// The reply.
        response: Option<InterventionResponse>,
    }
    /// An answer that the attempt has not used yet.
    Answer {
        /// The question.
        intervention: HumanIntervention,
        /// The reply.
        response: InterventionResponse,
        /// Who waits for it.
        attempt_id: AttemptId,
    }
    /// A message to an agent, or the response to one that it sent: then only the ids and the response.
    AddressedMessage {
        /// Its id.
        id: CommunicationId,
        /// Who sent it.
        from_agent_id: AgentId,
        /// To whom.
        to_agent_id: AgentId,
        /// In which process.
        process_id: ProcessId,
        /// What was said.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What it is.
        #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
        kind: Option<CommunicationType>,
        /// How urgent.
        #[serde(skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        /// When.
        #[serde(skip_serializing_if = "Option::is_none")]
        timestamp: Option<Timestamp>,
        /// The sender's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        metadata: Option<Value>,
        /// Until when a response is awaited.
        #[serde(skip_serializing_if = "Option::is_none")]
        respond_by: Option<Timestamp>,
        /// The response.
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<CommunicationResponse>,
    }
    /// An attempt, with all that an agent needs to do the work.
    Work {
        /// The attempt.
        attempt: Attempt,
        /// The step.
        step: ProcessStep,
        /// Its process.
        process: ProcessRef,
        /// What the process carries.
        context: ProcessContext,
        /// What humans answered for this step before.
        prior_answers: Vec<PriorAnswer>,
        /// Stable per process, step and run.
        idempotency_key: String,
        /// Milliseconds that a lease lives without a heartbeat.
        lease_ms: u64,
        /// The newest handoff that brought the step to its holder.
        #[serde(skip_serializing_if = "Option::is_none")]
        handoff: Option<AgentHandoff>,
        /// What its holders have delegated of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        delegations: Option<Vec<Delegation>>,
    }
    /// A part of a step that another agent was asked to do.
    Delegation {
        /// The handoff.
        id: HandoffId,
        /// Whom.
        to_agent_id: Option<AgentId>,
        /// The step that it became.
        to_step_id: Option<StepId>,
        /// Where it stands.
        status: HandoffStatus,
        /// Why.
        reason: String,
        /// What came of it.
        result: Option<Value>,
        /// Why nothing did.
        error: Option<Failure>,
    }
}

/// What a process can be told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessAction {
    /// Stand still.
    Pause,
    /// Go on.
    Resume,
    /// Stop for good.
    Cancel,
    /// Start the failed steps anew.
    Retry,
}

/// What can be done to an alert.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertAction {
    /// The caller has seen it.
    Acknowledge,
    /// It needs nobody any more.
    Resolve,
}

/// What can be done to a handoff.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffAction {
    /// Take it.
    Accept,
    /// Refuse it.
    Reject,
    /// Take it back.
    Cancel,
    /// Its work is done.
    Complete,
}
