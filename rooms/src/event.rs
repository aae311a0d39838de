//! What has happened: at once the record in a room's log and the message on the wire.
//!
//! `data` is the resource that was created or posted, else its id and the fields that changed. Where a change concerns a
//! step too, `data.step` is a patch of that step, so that a reader needs no rules of its own.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Timestamp;
use crate::id::{
    AgentId, AlertId, AttemptId, CommunicationId, EventId, HandoffId, InstanceId, InterventionId,
    MessageId, ProcessId, RoomId, StepId, TeamId, WorkspaceId,
};
use crate::model::Object;
use crate::model::access::Actor;
use crate::model::agent::Agent;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::communication::{AgentCommunication, CommunicationResponse};
use crate::model::handoff::{AgentHandoff, HandoffStatus};
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionComment, InterventionResponse, InterventionStatus,
    Outcome, Vote,
};
use crate::model::monitoring::{Alert, AlertRules, Recommendation, Severity};
use crate::model::process::{Failure, OrchestrationProcess, PauseMode, ProcessStatus};
use crate::model::room::{
    Channel, CollaborationRoom, Message, Participant, ParticipantType, RoomRole,
};
use crate::model::step::{
    ConditionResult, ProcessStep, SkipReason, StepPatch, StepPhase, StepStatus,
};
use crate::model::team::{AgentTeam, TeamStatus};
use crate::model::template::ProcessTemplate;

/// An event of a room's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// In which room.
    pub room_id: RoomId,
    /// 1, 2, 3… in the room, with no gap.
    pub seq: u64,
    /// `type` and `data`.
    #[serde(flatten)]
    pub body: EventBody,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Where in the room.
    pub channel: Channel,
    /// Who caused it.
    pub actor: Actor,
    /// The process it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<ProcessId>,
    /// The step it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// The first event of the same command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<EventId>,
    /// The caller's commandId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Where it first happened, when this is an echo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// Where an echoed event first happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// In which room.
    pub room_id: RoomId,
    /// At which seq.
    pub seq: u64,
}

macro_rules! changes {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}

changes! {
    /// A process changed its status.
    ProcessChange {
        /// Which.
        id: ProcessId,
        /// A name to show.
        name: String,
        /// Now.
        status: ProcessStatus,
        /// Why, as the person said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How it was paused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<PauseMode>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// Steps that go back to pending on a retry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reset: Vec<StepId>,
    }
    /// A step changed.
    StepChange {
        /// Which.
        id: StepId,
        /// Its key.
        key: String,
        /// Now.
        status: StepStatus,
        /// What it is at now.
        phase: Option<StepPhase>,
        /// The attempt that caused it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt_id: Option<AttemptId>,
        /// Its agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        agent_id: Option<AgentId>,
        /// The step's inputs, evaluated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<Object>)]
        inputs: Option<Object>,
        /// Its result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outputs: Option<Value>,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// Failed attempts so far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempts: Option<u32>,
        /// When the next attempt may begin.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percent: Option<f64>,
        /// A sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Why it was passed over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        skip_reason: Option<SkipReason>,
        /// Its failure was dealt with by a condition.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        failure_handled: bool,
        /// The step that a condition chose to go on with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_step_id: Option<String>,
        /// The process that does the step's work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child_process_id: Option<ProcessId>,
        /// What its conditions gave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        conditions: Vec<ConditionResult>,
        /// A hash of the result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result_hash: Option<String>,
    }
    /// An agent was asked to take a step.
    AttemptOffered {
        /// The attempt.
        #[serde(flatten)]
        attempt: Attempt,
        /// What it did to the step.
        step: StepPatch,
    }
    /// An attempt changed.
    AttemptChange {
        /// Which.
        id: AttemptId,
        /// Of which step.
        step_id: StepId,
        /// Whose.
        agent_id: AgentId,
        /// Which running copy has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance_id: Option<InstanceId>,
        /// Now.
        status: AttemptStatus,
        /// The step's epoch from now on.
        epoch: u64,
        /// Until when the lease holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease_until: Option<Timestamp>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The step is offered to this agent again only where nobody else takes it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        avoid: bool,
        /// Who should have the step instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefer: Option<AgentId>,
        /// Why it failed, where it did and no retry follows by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// SHA-256 of the result, where a human says what becomes of it: the same result again is known by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result_hash: Option<String>,
        /// What it did to the step.
        step: StepPatch,
    }
    /// A handoff was asked for.
    HandoffRequested {
        /// The handoff.
        #[serde(flatten)]
        handoff: AgentHandoff,
        /// What it did to the step.
        step: StepPatch,
    }
    /// A handoff changed.
    HandoffChange {
        /// Which.
        id: HandoffId,
        /// Which step.
        from_step_id: StepId,
        /// Now.
        status: HandoffStatus,
        /// Who has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to_agent_id: Option<AgentId>,
        /// Who refused; while others are still asked the status stays `pending`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rejected_by: Option<AgentId>,
        /// The receiver's lease.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<Attempt>,
        /// The step that was made for what is delegated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child: Option<Box<ProcessStep>>,
        /// What the delegated work gave.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        /// Why the delegated work failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it did to the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPatch>,
    }
    /// An intervention changed.
    InterventionChange {
        /// Which.
        id: InterventionId,
        /// In which process.
        process_id: ProcessId,
        /// Now.
        status: InterventionStatus,
        /// What it came to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outcome: Option<Outcome>,
        /// The reply that decided it, or that came too late.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<InterventionResponse>,
        /// A vote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vote: Option<Vote>,
        /// Who is at it now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claimed_by: Option<String>,
        /// Who should answer now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignees: Option<Vec<String>>,
        /// Who passed it on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegated_by: Option<String>,
        /// How often it was escalated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<u32>,
        /// When it is overdue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        /// When it expires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
        /// What is asked now, where that was replaced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        question: Option<QuestionChange>,
        /// A remark.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<InterventionComment>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it did to the step.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepPatch>,
    }
    /// What is asked was replaced: a new round.
    QuestionChange {
        /// The new round.
        round: u32,
        /// The question, for a person.
        description: String,
        /// JSON Schema of the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Value>,
        /// What to choose from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Vec<ChoiceOption>>,
        /// What is being decided on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<Value>,
        /// SHA-256 of the subject's JSON; of `null` where there is none.
        #[serde(default = "crate::decide::hash_of_nothing")]
        #[schema(required = true)]
        subject_hash: String,
        /// SHA-256 of what was asked.
        asked_hash: String,
        /// Who replaced it, where a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proposed_by: Option<String>,
    }
    /// A participant changed.
    ParticipantChange {
        /// The agent's or user's id.
        id: String,
        /// Which of the two.
        #[serde(rename = "type")]
        kind: ParticipantType,
        /// Its role now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<RoomRole>,
    }
    /// A message was changed.
    MessageEdit {
        /// Which.
        id: MessageId,
        /// What it says now.
        body: String,
        /// Who is meant now.
        #[serde(default)]
        mentions: Vec<String>,
    }
    /// A message was taken out of the conversation.
    MessageRemoval {
        /// Which.
        id: MessageId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// Nobody responded to a communication in time.
    CommunicationExpiry {
        /// Which.
        id: CommunicationId,
        /// Who asked.
        from_agent_id: AgentId,
        /// Who did not answer.
        to_agent_id: AgentId,
    }
    /// A communication got its response.
    CommunicationChange {
        /// Which.
        id: CommunicationId,
        /// Who asked.
        from_agent_id: AgentId,
        /// Who answered.
        to_agent_id: AgentId,
        /// The response.
        response: CommunicationResponse,
    }
    /// A team was archived.
    TeamChange {
        /// Which.
        id: TeamId,
        /// Now.
        status: TeamStatus,
    }
    /// A room changed.
    RoomChange {
        /// Which.
        id: RoomId,
        /// Closed to new posts.
        archived: bool,
    }
    /// An agent was removed from the registry.
    AgentChange {
        /// Which.
        id: AgentId,
        /// No longer takes part.
        archived: bool,
    }
    /// A rule fired.
    RuleFired {
        /// Which, as the team's configuration names it.
        rule_id: String,
        /// Which kind of rule.
        kind: RuleKind,
        /// Its condition, as it was written.
        condition: String,
        /// The step that it is about; none when it is about the process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<StepId>,
        /// The type of the event that it was asked about.
        event: String,
        /// The values of what the condition names.
        #[schema(value_type = Object)]
        seen: Object,
        /// What it asks for.
        action: String,
        /// `done`, or why nothing was done.
        outcome: String,
        /// It is silent until its condition has been false again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        latched: bool,
        /// Who is to have a step that nobody held just then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redirected: Option<Redirect>,
    }
    /// Whom a step that waits is offered to next.
    Redirect {
        /// Which.
        step_id: StepId,
        /// This agent only where nobody else takes it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avoid: Option<AgentId>,
        /// This agent first, and instead of the one that the step is assigned to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefer: Option<AgentId>,
    }
    /// A rule's condition no longer holds.
    RuleChange {
        /// Which.
        rule_id: String,
        /// The step that it is about; none when it is about the process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step_id: Option<StepId>,
    }
    /// An alert changed.
    AlertChange {
        /// Which.
        id: AlertId,
        /// How bad it is.
        severity: Severity,
        /// What it says.
        message: String,
        /// Who said that they have seen it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acknowledged_by: Option<String>,
        /// It needs nobody any more.
        resolved: bool,
        /// Who resolved it; none: what led to it no longer holds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resolved_by: Option<String>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// An application's own event.
    Custom {
        /// `custom.<name>`.
        #[serde(rename = "type")]
        name: String,
        /// Any JSON.
        data: Value,
    }
}

/// The two kinds of rules of a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// When this, then that.
    Escalation,
    /// When agents should work together.
    Collaboration,
}

macro_rules! event_bodies {
    ($($(#[$doc:meta])* $variant:ident($ty:ty) = $name:literal in $channel:ident),* $(,)?) => {
        /// What happened.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(tag = "type", content = "data")]
        pub enum EventBody {
            $($(#[$doc])* #[serde(rename = $name)] $variant($ty)),*,
            /// `custom.<name>`: whatever an application broadcasts.
            #[serde(untagged)]
            Custom(Custom),
        }

        impl EventBody {
            /// The type as the wire spells it.
            pub fn name(&self) -> std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$variant(_) => $name.into()),*,
                    Self::Custom(custom) => custom.name.clone().into(),
                }
            }

            /// Where in the room it belongs, unless its author chose.
            pub fn channel(&self) -> Channel {
                match self {
                    $(Self::$variant(_) => Channel::$channel),*,
                    Self::Custom(_) => Channel::General,
                }
            }

            /// Every type but `custom.<name>`, with the schema of its data.
            pub fn catalogue() -> Vec<(&'static str, utoipa::openapi::RefOr<utoipa::openapi::Schema>)> {
                vec![$(($name, <$ty as utoipa::PartialSchema>::schema())),*]
            }
        }
    };
}

event_bodies! {
    /// A process was made, with its steps.
    ProcessCreated(OrchestrationProcess) = "process.created" in General,
    /// It began.
    ProcessStarted(ProcessChange) = "process.started" in General,
    /// It stands still.
    ProcessPaused(ProcessChange) = "process.paused" in General,
    /// It goes on.
    ProcessResumed(ProcessChange) = "process.resumed" in General,
    /// Its failed steps start anew.
    ProcessRetried(ProcessChange) = "process.retried" in General,
    /// It ended well.
    ProcessCompleted(ProcessChange) = "process.completed" in General,
    /// It ended badly.
    ProcessFailed(ProcessChange) = "process.failed" in Alerts,
    /// It was stopped.
    ProcessCancelled(ProcessChange) = "process.cancelled" in General,
    /// A step waits for an agent.
    StepReady(StepChange) = "step.ready" in General,
    /// An agent began.
    StepStarted(StepChange) = "step.started" in General,
    /// An agent told how far it is.
    StepProgress(StepChange) = "step.progress" in Monitoring,
    /// An attempt failed; another follows.
    StepRetryScheduled(StepChange) = "step.retry_scheduled" in Alerts,
    /// A step ended well.
    StepCompleted(StepChange) = "step.completed" in General,
    /// A step ended badly.
    StepFailed(StepChange) = "step.failed" in Alerts,
    /// A step was passed over.
    StepSkipped(StepChange) = "step.skipped" in General,
    /// A step was stopped.
    StepCancelled(StepChange) = "step.cancelled" in General,
    /// An agent was asked.
    AssignmentOffered(AttemptOffered) = "assignment.offered" in General,
    /// It took the step.
    AssignmentAccepted(AttemptChange) = "assignment.accepted" in General,
    /// It refused.
    AssignmentRejected(AttemptChange) = "assignment.rejected" in General,
    /// The offer or the lease ran out.
    AssignmentExpired(AttemptChange) = "assignment.expired" in Alerts,
    /// It gave the step back.
    AssignmentReleased(AttemptChange) = "assignment.released" in General,
    /// It freed its slot while a human is asked.
    AssignmentSuspended(AttemptChange) = "assignment.suspended" in General,
    /// The step was taken away.
    AssignmentCancelled(AttemptChange) = "assignment.cancelled" in General,
    /// A handoff was asked for.
    HandoffRequested(HandoffRequested) = "handoff.requested" in Handoffs,
    /// The receiver has it.
    HandoffAccepted(HandoffChange) = "handoff.accepted" in Handoffs,
    /// The receiver refused.
    HandoffRejected(HandoffChange) = "handoff.rejected" in Handoffs,
    /// Nobody took it.
    HandoffExpired(HandoffChange) = "handoff.expired" in Handoffs,
    /// Taken back.
    HandoffCancelled(HandoffChange) = "handoff.cancelled" in Handoffs,
    /// The work handed over was completed.
    HandoffCompleted(HandoffChange) = "handoff.completed" in Handoffs,
    /// The work handed over failed.
    HandoffFailed(HandoffChange) = "handoff.failed" in Handoffs,
    /// A human was asked.
    InterventionRequested(HumanIntervention) = "intervention.requested" in Interventions,
    /// Others should answer.
    InterventionAssigned(InterventionChange) = "intervention.assigned" in Interventions,
    /// Somebody is at it.
    InterventionClaimed(InterventionChange) = "intervention.claimed" in Interventions,
    /// Nobody is at it any more.
    InterventionReleased(InterventionChange) = "intervention.released" in Interventions,
    /// A remark.
    InterventionCommented(InterventionChange) = "intervention.commented" in Interventions,
    /// It is getting late.
    InterventionReminded(InterventionChange) = "intervention.reminded" in Interventions,
    /// One level up.
    InterventionEscalated(InterventionChange) = "intervention.escalated" in Interventions,
    /// One of several votes.
    InterventionVoted(InterventionChange) = "intervention.voted" in Interventions,
    /// What is asked was replaced; votes of earlier rounds count no more.
    InterventionSuperseded(InterventionChange) = "intervention.superseded" in Interventions,
    /// It was decided.
    InterventionCompleted(InterventionChange) = "intervention.completed" in Interventions,
    /// Nobody answered in time.
    InterventionExpired(InterventionChange) = "intervention.expired" in Interventions,
    /// It is no longer needed.
    InterventionCancelled(InterventionChange) = "intervention.cancelled" in Interventions,
    /// A reply came after the decision; it changed nothing.
    InterventionLateReply(InterventionChange) = "intervention.late_reply" in Interventions,
    /// A template, or a new version of one, was made.
    TemplateCreated(ProcessTemplate) = "template.created" in General,
    /// A rule of the team fired.
    RuleFired(RuleFired) = "rule.fired" in Alerts,
    /// Its condition no longer holds; it may fire again.
    RuleCleared(RuleChange) = "rule.cleared" in Monitoring,
    /// Something that a person should look at.
    AlertRaised(Alert) = "alert.raised" in Alerts,
    /// Somebody has seen it.
    AlertAcknowledged(AlertChange) = "alert.acknowledged" in Alerts,
    /// It needs nobody any more.
    AlertResolved(AlertChange) = "alert.resolved" in Alerts,
    /// What the figures of a process that ends recommend.
    RecommendationMade(Recommendation) = "recommendation.made" in Monitoring,
    /// The workspace has other rules for alerts.
    AlertRulesUpdated(AlertRules) = "alert_rules.updated" in Monitoring,
    /// Somebody said something.
    MessagePosted(Message) = "message.posted" in General,
    /// It says something else now.
    MessageEdited(MessageEdit) = "message.edited" in General,
    /// It was taken out of the conversation.
    MessageRemoved(MessageRemoval) = "message.removed" in General,
    /// An agent was told something.
    CommunicationSent(AgentCommunication) = "communication.sent" in General,
    /// It answered.
    CommunicationResponded(CommunicationChange) = "communication.responded" in General,
    /// Nobody responded in time.
    CommunicationExpired(CommunicationExpiry) = "communication.expired" in General,
    /// The room was made.
    RoomCreated(CollaborationRoom) = "room.created" in General,
    /// Somebody takes part.
    ParticipantJoined(Participant) = "room.participant_joined" in General,
    /// Somebody no longer does.
    ParticipantLeft(ParticipantChange) = "room.participant_left" in General,
    /// Somebody's role changed.
    RoleChanged(ParticipantChange) = "room.role_changed" in General,
    /// Its process has ended and it lay idle: it is closed to new posts, and its log will go.
    RoomArchived(RoomChange) = "room.archived" in General,
    /// A team was made.
    TeamCreated(AgentTeam) = "team.created" in General,
    /// It changed.
    TeamUpdated(AgentTeam) = "team.updated" in General,
    /// It is closed.
    TeamArchived(TeamChange) = "team.archived" in General,
    /// An agent was registered.
    AgentRegistered(Agent) = "agent.registered" in General,
    /// It changed.
    AgentUpdated(Agent) = "agent.updated" in General,
    /// It no longer takes part.
    AgentRemoved(AgentChange) = "agent.removed" in General,
}

impl EventBody {
    /// The attempt that takes a slot from here on, and whose.
    pub fn begins(&self) -> Option<(&AgentId, AttemptId)> {
        let attempt = match self {
            Self::AssignmentOffered(offer) => &offer.attempt,
            Self::HandoffAccepted(change) => change.attempt.as_ref()?,
            _ => return None,
        };
        Some((&attempt.agent_id, attempt.id))
    }

    /// The attempt that gives its slot back.
    pub fn ends(&self) -> Option<AttemptId> {
        match self {
            Self::AssignmentRejected(c)
            | Self::AssignmentExpired(c)
            | Self::AssignmentReleased(c)
            | Self::AssignmentSuspended(c)
            | Self::AssignmentCancelled(c) => {
                debug_assert_ne!(c.status, AttemptStatus::Leased);
                Some(c.id)
            }
            Self::StepCompleted(c)
            | Self::StepFailed(c)
            | Self::StepSkipped(c)
            | Self::StepRetryScheduled(c) => c.attempt_id,
            _ => None,
        }
    }

    /// Whether the workspace's room hears of it too: `process.*`, `alert.*` and `intervention.*` but commented and voted.
    pub fn is_echoed(&self) -> bool {
        let name = self.name();
        ["process.", "intervention.", "alert."]
            .iter()
            .any(|part| name.starts_with(part))
            && !matches!(
                self,
                Self::InterventionCommented(_) | Self::InterventionVoted(_)
            )
    }
}
