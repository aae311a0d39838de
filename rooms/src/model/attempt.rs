//! Attempts: one agent's try at a step, under a fenced lease.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;
use crate::id::{AgentId, AttemptId, InstanceId, ProcessId, StepId};

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// The agent was asked.
    Offered,
    /// The agent holds the step.
    Leased,
    /// The agent refused the offer.
    Rejected,
    /// The offer or the lease ran out.
    Expired,
    /// It was taken away.
    Cancelled,
    /// Its result was accepted.
    Completed,
    /// It reported a failure.
    Failed,
    /// The agent gave it back, or handed it over.
    Released,
    /// It gave its slot back while a human is asked.
    Suspended,
}

impl AttemptStatus {
    /// Whether it is offered or leased.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Offered | Self::Leased)
    }

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Leased => "leased",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Released => "released",
            Self::Suspended => "suspended",
        }
    }
}

/// One agent's try at a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Of which step.
    pub step_id: StepId,
    /// Of which process.
    pub process_id: ProcessId,
    /// By whom.
    pub agent_id: AgentId,
    /// By which running copy of the agent; none until one takes it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// The fencing token: every write of the agent carries it.
    pub epoch: u64,
    /// Where it stands.
    pub status: AttemptStatus,
    /// Until when the offer or the lease holds, as of the last event; heartbeats extend it without one.
    pub lease_until: Timestamp,
    /// When it was offered.
    pub offered_at: Timestamp,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// A hash of its result, so that the same result sent again gets the first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_hash: Option<String>,
}
