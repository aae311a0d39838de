//! Interventions: questions to humans. One belongs to the step, never to the agent process that asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Priority;
use super::access::{Actor, Permission};
use super::step::{ConditionResult, StepPatch};
use crate::Timestamp;
use crate::id::{InterventionId, ProcessId, StepId};

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterventionType {
    /// May this go on?
    Approval,
    /// What is the value?
    Input,
    /// Which one?
    Decision,
    /// Is this good?
    Review,
    /// What now?
    Escalation,
}

impl InterventionType {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Approval,
        Self::Input,
        Self::Decision,
        Self::Review,
        Self::Escalation,
    ];

    /// As the wire spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Input => "input",
            Self::Decision => "decision",
            Self::Review => "review",
            Self::Escalation => "escalation",
        }
    }

    /// The actions that answer it (escalate and abort answer any).
    pub fn actions(self) -> &'static [ResponseAction] {
        use ResponseAction::{Answer, Approve, Choose, Modify, Reject};
        match self {
            Self::Approval => &[Approve, Reject, Modify],
            Self::Input => &[Answer],
            Self::Decision => &[Choose],
            Self::Review => &[Answer, Modify, Reject],
            Self::Escalation => &[Answer, Choose],
        }
    }
}

/// Where an intervention stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InterventionStatus {
    /// Waits for a human.
    Pending,
    /// Was decided.
    Completed,
    /// Is no longer needed.
    Cancelled,
    /// Was not answered in time.
    Expired,
}

impl InterventionStatus {
    /// All there are.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Completed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// As the wire spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// What a human does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseAction {
    /// Yes.
    Approve,
    /// No.
    Reject,
    /// Yes, but so: the full replacement.
    Modify,
    /// Not mine: one level up.
    Escalate,
    /// Stop the process.
    Abort,
    /// This is the value.
    Answer,
    /// This one.
    Choose,
}

impl ResponseAction {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Modify => "modify",
            Self::Escalate => "escalate",
            Self::Abort => "abort",
            Self::Answer => "answer",
            Self::Choose => "choose",
        }
    }

    /// What the question comes to when this action decides it.
    pub fn outcome(self, kind: InterventionType) -> Option<Outcome> {
        Some(match self {
            Self::Approve => Outcome::Approved,
            Self::Reject => Outcome::Rejected,
            Self::Modify => Outcome::Modified,
            Self::Answer if kind == InterventionType::Review => Outcome::Reviewed,
            Self::Answer => Outcome::Answered,
            Self::Choose => Outcome::Chosen,
            Self::Abort => Outcome::Aborted,
            Self::Escalate => return None,
        })
    }
}

/// What a question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Yes, with a replacement.
    Modified,
    /// A value.
    Answered,
    /// One of the options.
    Chosen,
    /// Looked at.
    Reviewed,
    /// The process was stopped.
    Aborted,
}

/// Whether the asking agent keeps the step while it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitMode {
    /// It keeps its lease and heartbeats.
    #[default]
    Hold,
    /// It frees its slot; the answer makes the step ready again.
    Suspend,
}

/// What happens when nobody answered by `expiresAt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    /// One level up; it stays open.
    #[default]
    Escalate,
    /// As if rejected.
    Reject,
    /// The question is dropped and the step goes on without an answer.
    Cancel,
    /// The step fails.
    Fail,
    /// The question's `default` is the answer; an approval counts as rejected.
    Default,
}

/// What a rejection does to the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// It fails.
    #[default]
    Fail,
    /// The agent is told and goes on.
    Continue,
    /// It is skipped and the process goes on.
    Skip,
}

/// How many must agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quorum {
    /// So many people.
    pub n: u32,
    /// The requester's own vote counts.
    pub self_approval: bool,
}

impl Default for Quorum {
    fn default() -> Self {
        Self {
            n: 1,
            self_approval: false,
        }
    }
}

/// One of the answers to choose from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceOption {
    /// What `choice` names.
    pub id: String,
    /// What a person reads.
    #[serde(default)]
    pub label: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// One person's vote in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Vote {
    /// Who.
    pub by: String,
    /// What.
    pub action: ResponseAction,
    /// In which round.
    pub round: u32,
    /// When.
    pub at: Timestamp,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// The reply's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// A hash of the reply, to tell a repeated one from another.
    pub hash: String,
    /// A hash of what it says, comments aside: votes that say the same agree.
    pub ballot: String,
}

/// A human's reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterventionResponse {
    /// What was done.
    pub action: ResponseAction,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    /// The full replacement of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modifications: Option<Value>,
    /// The modifications stand for the subject from now on: the agent goes on with them and with nothing else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authoritative: bool,
    /// The value that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The option that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// By whom.
    pub provided_by: String,
    /// When.
    pub provided_at: Timestamp,
    /// The reply's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
}

/// A remark on a question that does not decide it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InterventionComment {
    /// Who.
    pub by: String,
    /// What.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A question to humans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HumanIntervention {
    /// Its id.
    pub id: InterventionId,
    /// In which process.
    pub process_id: ProcessId,
    /// For which step; none when it is the process that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// What is asked.
    #[serde(rename = "type")]
    pub kind: InterventionType,
    /// The question, for a person.
    pub description: String,
    /// Where it stands.
    pub status: InterventionStatus,
    /// What it came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// How urgent.
    pub priority: Priority,
    /// Who asked.
    pub requested_by: Actor,
    /// When.
    pub requested_at: Timestamp,
    /// The same step asking the same key again gets the same question.
    pub key: String,
    /// Whether the asker holds the step meanwhile.
    pub mode: WaitMode,
    /// Who should answer; empty: whoever may.
    pub assignees: Vec<String>,
    /// Only principals with this permission may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_permissions: Option<Permission>,
    /// Who is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    /// Who passed it on to the assignee.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<String>,
    /// JSON Schema of the answer (`value` or `modifications`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<ChoiceOption>>,
    /// The conditions of the step that were evaluated, where one of them asks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionResult>,
    /// What is being decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Value>,
    /// SHA-256 of the subject's JSON; of `null` where there is none.
    #[serde(default = "crate::decide::hash_of_nothing")]
    #[schema(required = true)]
    pub subject_hash: String,
    /// SHA-256 of what was asked (description, subject, schema, options): asking the same again changes nothing.
    #[serde(default)]
    pub asked_hash: String,
    /// 1, and one more each time the subject is replaced: by the asker, or by a person's `modify` where several must agree.
    pub round: u32,
    /// Whose replacement the subject is, where a person's `modify` opened this round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    /// How many must agree.
    pub quorum: Quorum,
    /// Whether the requester's own reply counts: with `selfApproval`, or where no quorum was asked for.
    #[serde(default)]
    pub requester_counts: bool,
    /// What was said so far; an `escalate` is kept here too, and counts for nothing.
    pub votes: Vec<Vote>,
    /// Replies that came after the decision, the first hundred; they changed nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late_replies: Vec<Vote>,
    /// Remarks.
    pub comments: Vec<InterventionComment>,
    /// When it is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What then.
    pub on_expire: OnExpire,
    /// With `onExpire: default`: the value, or the id of the option. Else the schema's default, or the first option.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What a rejection does.
    pub on_reject: OnReject,
    /// The process stands still meanwhile.
    pub pauses_process: bool,
    /// How often it was escalated.
    pub level: u32,
    /// When it was asked, or came to this level.
    #[serde(default)]
    pub level_since: Timestamp,
    /// When it was last reminded of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
    /// The reply that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<InterventionResponse>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// An attempt has gone on with the answer.
    #[serde(default)]
    pub used: bool,
    /// What the change did to the step; only in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepPatch>,
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn all_types_and_statuses_are_among_all() {
        let named = |schema| serde_json::to_value(schema).map(|schema| schema["enum"].clone());
        let types = InterventionType::ALL.map(InterventionType::as_str);
        assert_eq!(
            named(InterventionType::schema()).ok(),
            Some(serde_json::json!(types))
        );
        let statuses = InterventionStatus::ALL.map(InterventionStatus::as_str);
        assert_eq!(
            named(InterventionStatus::schema()).ok(),
            Some(serde_json::json!(statuses))
        );
    }
}
