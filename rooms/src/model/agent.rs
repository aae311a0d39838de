//! Agents, as the registry knows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Object;
use crate::Timestamp;
use crate::id::AgentId;

/// Where an agent lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentSource {
    /// It speaks Socket.IO to Baton itself.
    #[default]
    Native,
    /// It lives in a Parlant server.
    Parlant,
}

/// Whether an agent can be given work; derived from its connections and leases, never stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// Connected, with a free slot.
    Online,
    /// Connected, every slot in use.
    Busy,
    /// No connection.
    #[default]
    Offline,
}

/// A registered agent. One that restarts is the same agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Stable, chosen by its author.
    pub id: AgentId,
    /// A name to show.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it can do; steps ask for these.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Steps at once, over all its instances.
    pub slots: u32,
    /// Derived.
    #[serde(default)]
    pub status: AgentStatus,
    /// Where it lives.
    #[serde(default)]
    pub source: AgentSource,
    /// The caller's own.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Object,
    /// No longer takes part; kept because history names it.
    #[serde(default)]
    pub archived: bool,
    /// It was registered by joining a team or by announcing itself; registering it by hand fills in the rest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
