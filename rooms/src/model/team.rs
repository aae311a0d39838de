//! Teams and their configuration.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Object;
use crate::Timestamp;
use crate::id::{AgentId, RoomId, TeamId, WorkspaceId};

/// Whether a team takes new processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TeamStatus {
    /// Yes.
    Active,
    /// Not now.
    Inactive,
    /// Never again.
    Archived,
}

impl TeamStatus {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Archived => "archived",
        }
    }
}

/// A member's part in the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Leads.
    Leader,
    /// Does.
    Specialist,
    /// Helps.
    Support,
}

impl MemberRole {
    /// The priority of a member whose priority was not given: 1, 2, 3.
    pub fn default_priority(self) -> u32 {
        match self {
            Self::Leader => 1,
            Self::Specialist => 2,
            Self::Support => 3,
        }
    }

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Specialist => "specialist",
            Self::Support => "support",
        }
    }
}

/// An agent's membership.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentTeamMember {
    /// Which agent.
    pub agent_id: AgentId,
    /// Its part.
    pub role: MemberRole,
    /// What it is best at.
    pub specialization: String,
    /// What it can do here, on top of what the registry says.
    pub capabilities: Vec<String>,
    /// Lower is asked first.
    pub priority: u32,
    /// Takes part at present.
    pub is_active: bool,
    /// Since when.
    pub joined_at: Timestamp,
}

/// How a handoff finds its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffStrategy {
    /// One receiver, whose acceptance is awaited.
    #[default]
    Sequential,
    /// Several are asked; the first to accept has it.
    Parallel,
    /// The collaboration rules choose.
    Conditional,
}

/// What an escalation rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationAction {
    /// Ask a human.
    NotifyHuman,
    /// Give the step to another agent.
    ReassignAgent,
    /// Pause the process.
    PauseProcess,
    /// Cancel the process.
    AbortProcess,
}

/// When this, then that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EscalationRule {
    /// Unique in the team.
    pub id: String,
    /// CEL.
    pub condition: String,
    /// What to do.
    pub action: EscalationAction,
    /// For the action.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Object,
}

/// How agents work together when a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CollaborationType {
    /// Ask for advice.
    Consultation,
    /// Hand the step over.
    Handoff,
    /// Work side by side.
    ParallelWork,
    /// Have it reviewed.
    Review,
}

/// When agents should work together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CollaborationRule {
    /// Unique in the team.
    pub id: String,
    /// CEL.
    pub trigger_condition: String,
    /// How.
    pub collaboration_type: CollaborationType,
    /// With whom.
    pub target_agents: Vec<AgentId>,
    /// For the type.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Object,
}

/// Deadlines, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TimeoutSettings {
    /// How long a lease lives without a heartbeat.
    pub lease_ms: u64,
    /// How long an offer waits to be accepted.
    pub offer_ms: u64,
    /// How long a step may take.
    pub task_timeout: u64,
    /// How long a handoff waits to be accepted.
    pub handoff_timeout: u64,
    /// How long a human may take before the question is overdue.
    pub human_response_timeout: u64,
    /// How long a process may take; stands still while only humans are waited for.
    pub process_timeout: u64,
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            lease_ms: 30_000,
            offer_ms: 10_000,
            task_timeout: 300_000,
            handoff_timeout: 30_000,
            human_response_timeout: 1_800_000,
            process_timeout: 3_600_000,
        }
    }
}

/// How a team works; what a caller leaves out has the default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TeamConfiguration {
    /// Steps at once, over all the team's processes.
    pub max_concurrent_tasks: u32,
    /// How a handoff finds its receiver.
    pub handoff_strategy: HandoffStrategy,
    /// A process waits for a human before it starts.
    pub human_approval_required: bool,
    /// When to escalate.
    pub escalation_rules: Vec<EscalationRule>,
    /// When to work together.
    pub collaboration_rules: Vec<CollaborationRule>,
    /// Deadlines.
    pub timeout_settings: TimeoutSettings,
}

impl Default for TeamConfiguration {
    fn default() -> Self {
        Self {
            max_concurrent_tasks: 5,
            handoff_strategy: HandoffStrategy::default(),
            human_approval_required: false,
            escalation_rules: Vec::new(),
            collaboration_rules: Vec::new(),
            timeout_settings: TimeoutSettings::default(),
        }
    }
}

/// A team of agents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentTeam {
    /// Its id.
    pub id: TeamId,
    /// A name to show.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Its room.
    pub room_id: RoomId,
    /// Its members.
    pub agents: Vec<AgentTeamMember>,
    /// Whether it takes new processes.
    pub status: TeamStatus,
    /// How it works.
    pub configuration: TeamConfiguration,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl AgentTeam {
    /// The active membership of an agent.
    pub fn member(&self, agent: &AgentId) -> Option<&AgentTeamMember> {
        self.agents
            .iter()
            .find(|m| m.is_active && m.agent_id == *agent)
    }
}
