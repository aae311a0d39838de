//! Handoffs: one agent gives a step to another, with all it needs to go on.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Priority;
use crate::Timestamp;
use crate::id::{AgentId, HandoffId, ProcessId, StepId};

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

/// A step on its way from one agent to another.
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
    /// Which step.
    pub from_step_id: StepId,
    /// Where the work goes on, if in another step.
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
    /// What the receiver needs: what the sender gave, exactly, with what Baton adds where the sender gave nothing (`priorAnswers`,
    /// `openInterventions`, `remainingMs`, `priority`), and `hash`, the SHA-256 of all the rest.
    pub context: Value,
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
}

impl AgentHandoff {
    /// Whether this agent was asked.
    pub fn asks(&self, agent: &AgentId) -> bool {
        self.to_agent_id.as_ref() == Some(agent)
            || self
                .candidates
                .as_ref()
                .is_some_and(|all| all.contains(agent))
    }
}
