//! Messages from agent to agent, with a response.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Object, Priority};
use crate::Timestamp;
use crate::id::{AgentId, CommunicationId, ProcessId};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommunicationType {
    /// Asks; a response is awaited.
    Question,
    /// Answers.
    Answer,
    /// Tells how it goes.
    Update,
    /// Asks for something; a response is awaited.
    Request,
    /// Tells.
    Notification,
}

impl CommunicationType {
    /// Whether a response is awaited.
    pub fn awaits_response(self) -> bool {
        matches!(self, Self::Question | Self::Request)
    }
}

/// The response to a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommunicationResponse {
    /// What was said.
    pub message: String,
    /// By whom.
    pub responded_by: String,
    /// When.
    pub timestamp: Timestamp,
    /// The caller's own.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Object,
}

/// A message in the process's room, addressed to one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentCommunication {
    /// Its id.
    pub id: CommunicationId,
    /// Who sent it: an agent's id, or the person's who spoke.
    pub from_agent_id: AgentId,
    /// To whom.
    pub to_agent_id: AgentId,
    /// In which process.
    pub process_id: ProcessId,
    /// What was said, at most 32 KiB.
    pub message: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: CommunicationType,
    /// How urgent.
    pub priority: Priority,
    /// When.
    pub timestamp: Timestamp,
    /// The caller's own.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Object,
    /// Until when a response is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond_by: Option<Timestamp>,
    /// The response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<CommunicationResponse>,
    /// Nobody responded in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}
