//! Handoffs: one agent gives a step to another, with all it needs to go on.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Priority;
use super::process::Failure;
use crate::Timestamp;
use crate::id::{AgentId, AttemptId, HandoffId, ProcessId, StepId};

/// What is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffKind {
    /// The step itself.
    #[default]
    Transfer,
    /// A part of it, whose result comes back.
    Delegate,
}

/// Where a handoff stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffStatus {
    /// Waits for the receiver.
    Pending,
    /// The receiver has it.
    Accepted,
    /// The receiver refused.
    Rejected,
    /// Nobody took it in time.
    Expired,
    /// Taken back.
    Cancelled,
    /// The work handed over was completed.
    Completed,
    /// The work handed over failed.
    Failed,
}

impl HandoffStatus {
    /// Whether it can still change.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Accepted)
    }

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Which part of the history a receiver is shown. What is kept stays whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HistoryView {
    /// Only the last so many entries, counted after `roles`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
    /// Only entries whose `role` is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

/// A step, or a part of one, on its way from one agent to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentHandoff {
    /// Its id.
    pub id: HandoffId,
    /// In which process.
    pub process_id: ProcessId,
    /// Who gives.
    pub from_agent_id: AgentId,
    /// Who receives; none while several are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_agent_id: Option<AgentId>,
    /// Who was asked, where several are: the first to accept has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<AgentId>>,
    /// Who of them has refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected_by: Vec<AgentId>,
    /// The collaboration rule that chose the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Which step.
    pub from_step_id: StepId,
    /// Where the work goes on, if in another step; of a delegation, the step that was made for the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_step_id: Option<StepId>,
    /// What is given.
    pub kind: HandoffKind,
    /// Where it stands.
    pub status: HandoffStatus,
    /// Why.
    pub reason: String,
    /// How urgent.
    pub priority: Priority,
    /// What the receiver needs: what the sender gave, exactly, with what Baton adds where the sender gave nothing (empty lists, the
    /// process's `conversationHistory`, `priorAnswers`, `openInterventions`, `remainingMs`, `priority`), and `hash`, the SHA-256 of all
    /// the rest.
    pub context: Value,
    /// Which part of `context.conversationHistory` the receiver is shown; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<HistoryView>,
    /// When it was asked.
    pub initiated_at: Timestamp,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// Why it was refused or taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// The receiver's lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_id: Option<AttemptId>,
    /// What the work that was delegated gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why the work that was delegated failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

impl AgentHandoff {
    /// Whether this agent is asked, and has not refused.
    pub fn asks(&self, agent: &AgentId) -> bool {
        self.asked().any(|asked| asked == agent)
    }

    /// The agents that are asked and have not refused.
    pub fn asked(&self) -> impl Iterator<Item = &AgentId> {
        let several = self.candidates.iter().flatten();
        self.to_agent_id
            .iter()
            .chain(several.filter(|c| self.to_agent_id.as_ref() != Some(c)))
            .filter(|a| !self.rejected_by.contains(a))
    }

    /// The step that the receiver works on: the one handed over, or the one that was made for a delegation.
    pub fn work_step(&self) -> Option<StepId> {
        match self.kind {
            HandoffKind::Transfer => Some(self.from_step_id),
            HandoffKind::Delegate => self.to_step_id,
        }
    }
}
