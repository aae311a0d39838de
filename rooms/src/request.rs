//! What callers send, as the contract spells it: the body of a REST call and, with the ids beside it, the payload of a
//! socket command are the same type. Unknown fields are an error.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Timestamp;
use crate::id::{AgentId, InstanceId, MessageId, TeamId, TemplateId};
use crate::model::access::Permission;
use crate::model::communication::CommunicationType;
use crate::model::handoff::{HandoffKind, HistoryView};
use crate::model::intervention::{
    ChoiceOption, InterventionType, OnExpire, OnReject, Quorum, ResponseAction, WaitMode,
};
use crate::model::monitoring::{AlertType, Metric, Severity};
use crate::model::process::{Failure, PauseMode};
use crate::model::room::{Channel, MessageKind, ParticipantType, RoomRole, RoomType};
use crate::model::step::{StepCondition, SubProcess, TriggerRule};
use crate::model::team::{
    CollaborationRule, EscalationRule, HandoffStrategy, MemberRole, TeamStatus,
};
use crate::model::{Object, Priority};

macro_rules! requests {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}

requests! {
    /// A team to make.
    CreateTeam {
        /// A name to show, 1 to 200 characters.
        name: String,
        /// What it is for.
        #[serde(default)]
        description: String,
        /// Its members; one that is not registered yet is registered by this.
        agents: Vec<TeamMemberInput>,
        /// What differs from the defaults; merged over them field by field.
        #[serde(default)]
        configuration: Option<ConfigurationInput>,
    }
    /// How a team works, as far as it is said; see TeamConfiguration.
    ConfigurationInput {
        /// Steps at once, over all the team's processes.
        #[serde(default)]
        max_concurrent_tasks: Option<u32>,
        /// How a handoff finds its receiver.
        #[serde(default)]
        handoff_strategy: Option<HandoffStrategy>,
        /// A process waits for a human before it starts.
        #[serde(default)]
        human_approval_required: Option<bool>,
        /// When to escalate, all of it.
        #[serde(default)]
        escalation_rules: Option<Vec<EscalationRule>>,
        /// When to work together, all of it.
        #[serde(default)]
        collaboration_rules: Option<Vec<CollaborationRule>>,
        /// Deadlines, merged field by field.
        #[serde(default)]
        timeout_settings: Option<TimeoutInput>,
    }
    /// Deadlines, in milliseconds, as far as they are said; see TimeoutSettings.
    TimeoutInput {
        /// How long a lease lives without a heartbeat.
        #[serde(default)]
        lease_ms: Option<u64>,
        /// How long an offer waits to be accepted.
        #[serde(default)]
        offer_ms: Option<u64>,
        /// How long a step may take.
        #[serde(default)]
        task_timeout: Option<u64>,
        /// How long a handoff waits to be accepted.
        #[serde(default)]
        handoff_timeout: Option<u64>,
        /// How long a human may take before the question is overdue.
        #[serde(default)]
        human_response_timeout: Option<u64>,
        /// How long a process may take; stands still while only humans are waited for.
        #[serde(default)]
        process_timeout: Option<u64>,
    }
    /// A member of a team.
    TeamMemberInput {
        /// Which agent.
        agent_id: AgentId,
        /// Its part.
        role: MemberRole,
        /// What it is best at.
        #[serde(default)]
        specialization: String,
        /// What it can do here.
        #[serde(default)]
        capabilities: Vec<String>,
        /// Lower is asked first; default 1, 2, 3 by role.
        #[serde(default)]
        priority: Option<u32>,
        /// Takes part at present.
        #[serde(default = "yes")]
        is_active: bool,
    }
    /// What changes in a team; what is left out stays.
    UpdateTeam {
        /// A name to show.
        #[serde(default)]
        name: Option<String>,
        /// What it is for.
        #[serde(default)]
        description: Option<String>,
        /// Its members, all of them.
        #[serde(default)]
        agents: Option<Vec<TeamMemberInput>>,
        /// Merged over what is there.
        #[serde(default)]
        configuration: Option<ConfigurationInput>,
        /// `active` or `inactive`; archiving is DELETE.
        #[serde(default)]
        status: Option<TeamStatus>,
    }
    /// A template to make, or a new version of one.
    CreateTemplate {
        /// Which template gets a new version; none: a new template.
        #[serde(default)]
        id: Option<TemplateId>,
        /// A name to show, 1 to 200 characters.
        name: String,
        /// What it is for.
        #[serde(default)]
        description: Option<String>,
        /// JSON Schema of what a start has to give.
        #[serde(default)]
        inputs: Option<Value>,
        /// 1 to 1,000 steps.
        steps: Vec<StepInput>,
        /// What its processes carry from the start.
        #[serde(default)]
        context: Option<ContextInput>,
        /// How urgent its processes are.
        #[serde(default)]
        priority: Option<Priority>,
        /// A step that fails for good cancels the rest (default).
        #[serde(default = "yes")]
        fail_fast: bool,
    }
    /// A process that begins with the past of another.
    ForkProcess {
        /// After which event of that process's room; default the newest.
        #[serde(default)]
        seq: Option<u64>,
        /// This step, by id or key, and all behind it run again.
        #[serde(default)]
        from_step: Option<String>,
        /// A name to show; default that of the process.
        #[serde(default)]
        name: Option<String>,
    }
    /// A process to start.
    StartProcess {
        /// A name to show, 1 to 200 characters; with a template, default the template's.
        #[serde(default)]
        name: String,
        /// What it is for.
        #[serde(default)]
        description: Option<String>,
        /// Who works on it.
        // The type does not ask for it, so that where it is missing all else that is wrong is told too.
        #[serde(default)]
        #[schema(value_type = TeamId, required = true)]
        team_id: Option<TeamId>,
        /// 1 to 1,000 steps; none with a template.
        #[serde(default)]
        steps: Vec<StepInput>,
        /// The template that has the steps.
        #[serde(default)]
        template_id: Option<TemplateId>,
        /// Which version of it; default the newest.
        #[serde(default)]
        template_version: Option<u32>,
        /// What the template asks for; its fields become variables.
        #[serde(default)]
        #[schema(value_type = Option<Object>)]
        inputs: Option<Object>,
        /// What it carries.
        #[serde(default)]
        context: Option<ContextInput>,
        /// Its work goes before that of less urgent processes.
        #[serde(default)]
        priority: Option<Priority>,
        /// A step that fails for good cancels the rest (default).
        #[serde(default = "yes")]
        fail_fast: bool,
    }
    /// What a process carries from the start.
    #[derive(Default)]
    ContextInput {
        /// What steps share.
        #[serde(default)]
        #[schema(value_type = Object)]
        shared_data: Object,
        /// Fixed values.
        #[serde(default)]
        #[schema(value_type = Object)]
        variables: Object,
        /// Documents that belong to it.
        #[serde(default)]
        document_ids: Vec<String>,
        /// Sessions that belong to it.
        #[serde(default)]
        session_ids: Vec<String>,
        /// What was said before.
        #[serde(default)]
        conversation_history: Vec<Value>,
    }
    /// A step of a process to start.
    StepInput {
        /// Unique in the process; default `step_1`, `step_2`… in the order given.
        #[serde(default)]
        key: Option<String>,
        /// A name to show.
        name: String,
        /// What is to be done.
        #[serde(default)]
        description: String,
        /// Only this agent may take it.
        #[serde(default)]
        assigned_agent_id: Option<AgentId>,
        /// Else: an agent that can all of these.
        #[serde(default)]
        required_capabilities: Option<Vec<String>>,
        /// Else: a member with this role.
        #[serde(default)]
        role: Option<MemberRole>,
        /// Or no agent: its work is a process of its own, from a template, whose inputs are the step's.
        #[serde(default)]
        process: Option<SubProcess>,
        /// Keys of the steps before it.
        #[serde(default)]
        dependencies: Vec<String>,
        /// When they let it begin.
        #[serde(default)]
        trigger_rule: TriggerRule,
        /// What to do when it ends.
        #[serde(default)]
        conditions: Vec<StepCondition>,
        /// What it is given.
        #[serde(default)]
        #[schema(value_type = Object)]
        inputs: Object,
        /// 1 to 100; default 3.
        #[serde(default)]
        max_attempts: Option<u32>,
        /// Milliseconds before the second attempt; default 1,000; doubles, with jitter, up to five minutes.
        #[serde(default)]
        backoff_ms: Option<u64>,
        /// How long it may take.
        #[serde(default)]
        timeout_ms: Option<u64>,
        /// Lost leases after which it has failed; default 5.
        #[serde(default)]
        max_lost_leases: Option<u32>,
        /// A human approves it before the first offer.
        #[serde(default)]
        requires_approval: bool,
        /// Its failure fails nothing else.
        #[serde(default)]
        continue_on_failure: bool,
        /// Its outputs are merged into sharedData too.
        #[serde(default)]
        merge_outputs: bool,
        /// The caller's own.
        #[serde(default)]
        #[schema(value_type = Object)]
        metadata: Object,
    }
    /// Why something is done to a process.
    ProcessReason {
        /// How a pause treats work under way.
        #[serde(default)]
        mode: PauseMode,
        /// For the people who see it.
        #[serde(default)]
        reason: Option<String>,
    }
    /// An agent to register.
    RegisterAgent {
        /// Chosen by the caller if wanted.
        #[serde(default)]
        id: Option<AgentId>,
        /// A name to show.
        name: String,
        /// What it is for.
        #[serde(default)]
        description: String,
        /// What it can do.
        #[serde(default)]
        capabilities: Vec<String>,
        /// Steps at once, 1 to 1,000; default 1.
        #[serde(default)]
        slots: Option<u32>,
        /// The caller's own.
        #[serde(default)]
        #[schema(value_type = Object)]
        metadata: Object,
    }
    /// What changes in an agent; what is left out stays.
    UpdateAgent {
        /// A name to show.
        #[serde(default)]
        name: Option<String>,
        /// What it is for.
        #[serde(default)]
        description: Option<String>,
        /// What it can do, all of it.
        #[serde(default)]
        capabilities: Option<Vec<String>>,
        /// Steps at once.
        #[serde(default)]
        slots: Option<u32>,
        /// The caller's own, all of it.
        #[serde(default)]
        #[schema(value_type = Option<Object>)]
        metadata: Option<Object>,
    }
    /// A key to make for the agent that the path names; it may write, as an agent.
    CreateAgentKey {
        /// A name to recognise it by.
        #[serde(default)]
        name: Option<String>,
    }
    /// A webhook to make.
    CreateWebhook {
        /// Where to: https:// or http://, at most 2000 characters.
        url: String,
        /// Which events: types, or beginnings with `*` (`process.*`); none: all.
        #[serde(default)]
        events: Vec<String>,
        /// Only those of this room.
        #[serde(default)]
        room_id: Option<crate::id::RoomId>,
        /// For people, at most 1000 characters.
        #[serde(default)]
        description: String,
    }
    /// What a webhook sends again.
    ReplayWebhook {
        /// All that happened from then on; without it, what was given up.
        #[serde(default)]
        since: Option<Timestamp>,
    }
    /// A workspace to make.
    CreateWorkspace {
        /// Chosen by the caller.
        id: String,
        /// A name to show.
        #[serde(default)]
        name: Option<String>,
    }
    /// A key to make, for a person, a backend or an agent.
    CreateKey {
        /// `user:ID`, `service:ID` or `agent:ID`.
        principal: String,
        /// What it may do in this workspace; an agent's key is always `write`.
        permission: Permission,
        /// To recognise it by, at most 200 characters.
        #[serde(default)]
        name: String,
    }
    /// An expression to check.
    CheckExpression {
        /// CEL, as conditions and `$from` have it; an empty one is a condition that always holds.
        expression: String,
    }
    /// An agent takes an offer, or tells that it lives.
    Lease {
        /// The fencing token of the offer.
        epoch: u64,
    }
    /// An agent refuses an offer, or gives a step back.
    LeaseReason {
        /// The fencing token of the offer.
        epoch: u64,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    }
    /// An agent tells how far it is.
    Progress {
        /// The fencing token of the lease.
        epoch: u64,
        /// 0 to 100.
        #[serde(default)]
        percent: Option<f64>,
        /// A sentence.
        #[serde(default)]
        note: Option<String>,
    }
    /// An agent's result.
    Complete {
        /// The fencing token of the lease.
        epoch: u64,
        /// Any JSON.
        #[serde(default)]
        outputs: Value,
    }
    /// An agent's failure.
    Fail {
        /// The fencing token of the lease.
        epoch: u64,
        /// Why.
        error: Failure,
    }
    /// A handoff that an agent asks for.
    RequestHandoff {
        /// The fencing token of the lease; a person or a backend needs none.
        #[serde(default)]
        epoch: Option<u64>,
        /// Who gives; default the caller.
        #[serde(default)]
        from_agent_id: Option<AgentId>,
        /// Who receives; may be left out where the team's handoffStrategy finds the receiver.
        #[serde(default)]
        to_agent_id: Option<AgentId>,
        /// Or several: the first to accept has it.
        #[serde(default)]
        to_agent_ids: Option<Vec<AgentId>>,
        /// Which step, by id or key; default that of the attempt.
        #[serde(default)]
        from_step_id: Option<String>,
        /// Where the work goes on, by id or key.
        #[serde(default)]
        to_step_id: Option<String>,
        /// What is given.
        #[serde(default)]
        kind: HandoffKind,
        /// Why.
        reason: String,
        /// How urgent.
        #[serde(default)]
        priority: Priority,
        /// What the receiver needs; kept exactly.
        #[serde(default)]
        #[schema(value_type = Object)]
        context: Object,
        /// Which part of the conversation history the receiver is shown; default all of it.
        #[serde(default)]
        view: Option<HistoryView>,
    }
    /// Why a handoff is refused or taken back.
    HandoffReason {
        /// For the other side.
        #[serde(default)]
        reason: Option<String>,
    }
    /// A question to humans.
    RequestIntervention {
        /// The fencing token of an agent's lease; a person or a backend needs none.
        #[serde(default)]
        epoch: Option<u64>,
        /// For which step, by id or key; an agent's is that of its attempt.
        #[serde(default)]
        step_id: Option<String>,
        /// What is asked.
        #[serde(rename = "type")]
        kind: InterventionType,
        /// The question, for a person.
        description: String,
        /// The same step asking the same key again gets the same question; default a hash of type, description and subject.
        #[serde(default)]
        key: Option<String>,
        /// JSON Schema of the answer.
        #[serde(default)]
        schema: Option<Value>,
        /// What to choose from: `{id, label?}` or plain strings.
        #[serde(default)]
        options: Option<Vec<OptionInput>>,
        /// What is being decided on.
        #[serde(default)]
        subject: Option<Value>,
        /// When it is overdue, from now; default the team's humanResponseTimeout.
        #[serde(default)]
        due_in_ms: Option<u64>,
        /// The same as a time.
        #[serde(default)]
        due_at: Option<Timestamp>,
        /// When it expires, from now; default never, or when it is due where `onExpire` is given.
        #[serde(default)]
        expires_in_ms: Option<u64>,
        /// The same as a time.
        #[serde(default)]
        expires_at: Option<Timestamp>,
        /// Whether the asker holds the step meanwhile.
        #[serde(default)]
        mode: WaitMode,
        /// Who should answer; empty: whoever may.
        #[serde(default)]
        assignees: Vec<String>,
        /// Only principals with this permission may answer.
        #[serde(default)]
        candidate_permissions: Option<Permission>,
        /// How urgent.
        #[serde(default)]
        priority: Priority,
        /// How many must agree; default one, the requester too.
        #[serde(default)]
        quorum: Option<Quorum>,
        /// What happens when it expires; default `escalate`.
        #[serde(default)]
        on_expire: Option<OnExpire>,
        /// With `onExpire: default`: the value, or the id of the option. Else the schema's default, or the first option.
        #[serde(default)]
        default: Option<Value>,
        /// What a rejection does.
        #[serde(default)]
        on_reject: OnReject,
        /// The process stands still meanwhile.
        #[serde(default)]
        pauses_process: bool,
    }
    /// A human's reply.
    Respond {
        /// What to do.
        action: ResponseAction,
        /// Why.
        #[serde(default)]
        comments: Option<String>,
        /// With `modify`: the full replacement of the subject.
        #[serde(default)]
        modifications: Option<Value>,
        /// With `answer`: the value, which may be `null` where the question's schema says so.
        #[serde(default, deserialize_with = "given")]
        value: Option<Value>,
        /// With `choose`: the option's id.
        #[serde(default)]
        choice: Option<String>,
        /// The reply's own id: sent again with the same body it gets the first result.
        #[serde(default)]
        response_id: Option<String>,
        /// The round that was seen; default the current one.
        #[serde(default)]
        round: Option<u32>,
        /// The subject that was seen; default the current one.
        #[serde(default)]
        subject_hash: Option<String>,
    }
    /// Who should answer.
    Assign {
        /// User ids; empty: whoever may.
        assignees: Vec<String>,
    }
    /// Somebody else should answer.
    Delegate {
        /// The user's id.
        to: String,
        /// Why.
        #[serde(default)]
        comments: Option<String>,
    }
    /// A remark.
    Comment {
        /// At most 32 KiB.
        #[serde(alias = "comment", alias = "body")]
        text: String,
    }
    /// A room to make.
    CreateRoom {
        /// A name to show.
        name: String,
        /// `team` or `workspace`; a process has only its own.
        #[serde(rename = "type")]
        kind: RoomType,
        /// Its process.
        #[serde(default)]
        process_id: Option<crate::id::ProcessId>,
        /// Its team, for type `team`.
        #[serde(default)]
        team_id: Option<TeamId>,
        /// Who takes part, besides the caller.
        #[serde(default)]
        participants: Vec<ParticipantInput>,
    }
    /// One to invite.
    ParticipantInput {
        /// Agent or human.
        #[serde(rename = "type")]
        kind: ParticipantType,
        /// The agent's or user's id.
        id: String,
        /// What it may do; default participant.
        #[serde(default)]
        role: Option<RoomRole>,
    }
    /// One to remove.
    RemoveParticipant {
        /// Agent or human.
        #[serde(rename = "type")]
        kind: ParticipantType,
        /// The agent's or user's id.
        id: String,
    }
    /// A message to post.
    PostMessage {
        /// Markdown, 1 byte to 32 KiB.
        body: String,
        /// Where it belongs.
        #[serde(default)]
        channel: Channel,
        /// What it is.
        #[serde(default)]
        kind: MessageKind,
        /// Who is meant.
        #[serde(default)]
        mentions: Vec<String>,
        /// Which message it answers.
        #[serde(default)]
        reply_to: Option<MessageId>,
        /// How urgent.
        #[serde(default)]
        priority: Priority,
        /// The caller's own.
        #[serde(default)]
        #[schema(value_type = Object)]
        metadata: Object,
        /// The token stream that it ends.
        #[serde(default)]
        stream_id: Option<String>,
    }
    /// What a message is to say instead.
    EditMessage {
        /// Which.
        message_id: MessageId,
        /// Markdown, 1 byte to 32 KiB.
        body: String,
        /// Who is meant now.
        #[serde(default)]
        mentions: Vec<String>,
    }
    /// A message to take out of the conversation.
    RemoveMessage {
        /// Which.
        message_id: MessageId,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    }
    /// How far the caller has read.
    MarkRead {
        /// A seq of the room.
        seq: u64,
    }
    /// An application's own event.
    Broadcast {
        /// `custom.<name>`; 1 to 64 characters of A-Z a-z 0-9 _ . : -
        name: String,
        /// Any JSON.
        #[serde(default)]
        data: Value,
        /// Not kept, no seq.
        #[serde(default)]
        ephemeral: bool,
    }
    /// A message to an agent.
    SendCommunication {
        /// Who sends; default the caller, and nobody else where that is an agent.
        #[serde(default)]
        from_agent_id: Option<AgentId>,
        /// To whom.
        to_agent_id: AgentId,
        /// 1 byte to 32 KiB.
        message: String,
        /// What it is.
        #[serde(rename = "type")]
        kind: CommunicationType,
        /// How urgent.
        #[serde(default)]
        priority: Priority,
        /// The caller's own.
        #[serde(default)]
        #[schema(value_type = Object)]
        metadata: Object,
        /// How long a response is awaited.
        #[serde(default)]
        response_timeout_ms: Option<u64>,
    }
    /// The response to a message.
    RespondCommunication {
        /// 1 byte to 32 KiB.
        #[serde(alias = "response")]
        message: String,
        /// The caller's own.
        #[serde(default)]
        #[schema(value_type = Object)]
        metadata: Object,
    }
    /// A workspace's rules for alerts: all of them, in place of those that it had.
    SetAlertRules {
        /// At most 50.
        items: Vec<AlertRuleInput>,
    }
    /// When an alert is raised: when the metric is above the threshold.
    AlertRuleInput {
        /// Unique among the rules; default a name by its place.
        #[serde(default)]
        id: Option<String>,
        /// What it looks at.
        metric: Metric,
        /// Percent, a count, or milliseconds overdue, as the metric is.
        threshold: f64,
        /// What its alerts are about; default by the metric.
        #[serde(default, rename = "type")]
        kind: Option<AlertType>,
        /// How bad they are; default by the metric.
        #[serde(default)]
        severity: Option<Severity>,
        /// One that is off raises nothing.
        #[serde(default = "yes")]
        enabled: bool,
    }
    /// An agent is there and takes work.
    AgentReady {
        /// Steps at once; default what the registry says.
        #[serde(default)]
        slots: Option<u32>,
        /// What it can do; default what the registry says.
        #[serde(default)]
        capabilities: Option<Vec<String>>,
        /// Which running copy; default that of the handshake.
        #[serde(default)]
        instance_id: Option<InstanceId>,
        /// The copy whose leases are given up.
        #[serde(default)]
        replaces: Option<InstanceId>,
    }
}

/// An option, spelled short or long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OptionInput {
    /// Its id and label in one.
    Text(String),
    /// In full.
    Full(ChoiceOption),
}

impl From<OptionInput> for ChoiceOption {
    fn from(input: OptionInput) -> Self {
        match input {
            OptionInput::Text(id) => Self {
                label: id.clone(),
                id,
                description: None,
            },
            OptionInput::Full(mut option) => {
                if option.label.is_empty() {
                    option.label.clone_from(&option.id);
                }
                option
            }
        }
    }
}

/// `null` too is given, where the field is there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}
