//! Processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::monitoring::{AlertRule, Metric};
use super::step::ProcessStep;
use super::team::TeamConfiguration;
use super::{Object, Priority};
use crate::Timestamp;
use crate::id::{InterventionId, ProcessId, RoomId, StepId, TeamId, TemplateId, WorkspaceId};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessStatus {
    /// Waits for the approval to start.
    Pending,
    /// Goes on.
    Running,
    /// Nothing new is handed out.
    Paused,
    /// Every step ended well.
    Completed,
    /// A step failed for good.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl ProcessStatus {
    /// Whether it has ended (a failed one can be retried).
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a pause treats work under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PauseMode {
    /// It may finish.
    #[default]
    Drain,
    /// It is taken away and starts anew on resume.
    Interrupt,
}

/// What a process carries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessContext {
    /// Sessions that belong to it.
    pub session_ids: Vec<String>,
    /// What steps share; outputs of a completed step are at `steps.<key>`.
    #[schema(value_type = Object)]
    pub shared_data: Object,
    /// What was said before it began.
    pub conversation_history: Vec<Value>,
    /// Documents that belong to it.
    pub document_ids: Vec<String>,
    /// Fixed values.
    #[schema(value_type = Object)]
    pub variables: Object,
}

/// What an agent did in a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentUtilization {
    /// Attempts that it accepted.
    pub task_count: u64,
    /// Steps that it completed.
    pub success_count: u64,
    /// Attempts that it failed.
    pub error_count: u64,
    /// Milliseconds that it held leases of ended attempts.
    pub busy_ms: u64,
}

/// Counts and times of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessMetrics {
    /// When it was initiated.
    pub start_time: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// Milliseconds from start to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Milliseconds from a step's start to its completion, by key.
    pub step_completion_times: BTreeMap<String, u64>,
    /// Handoffs requested.
    pub handoff_count: u64,
    /// Interventions requested.
    pub human_intervention_count: u64,
    /// Failed attempts, lost leases too.
    pub error_count: u64,
    /// Retries scheduled.
    pub retry_count: u64,
    /// By agent.
    pub agent_utilization: BTreeMap<String, AgentUtilization>,
}

/// Why a step or a process failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// A short code for programs.
    #[serde(default = "Failure::default_code")]
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Whether another attempt could succeed.
    #[serde(default = "Failure::default_retryable")]
    pub retryable: bool,
    /// The agent's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl Failure {
    /// The code of a step or a process that took too long.
    pub const TIMEOUT: &'static str = "timeout";

    /// It took too long.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self {
            code: Self::TIMEOUT.to_owned(),
            message: message.into(),
            retryable: true,
            details: None,
        }
    }

    /// A failure that no retry mends.
    pub fn permanent(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            retryable: false,
            details: None,
        }
    }

    fn default_code() -> String {
        "failed".to_owned()
    }

    fn default_retryable() -> bool {
        true
    }
}

/// A process: a graph of steps that agents take and people decide on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrchestrationProcess {
    /// Its id.
    pub id: ProcessId,
    /// A name to show.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who works on it.
    pub team_id: TeamId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Its room.
    pub room_id: RoomId,
    /// Where it stands.
    pub status: ProcessStatus,
    /// In the order given.
    #[schema(value_type = Vec<ProcessStep>)]
    pub steps: Vec<Arc<ProcessStep>>,
    /// What it carries.
    #[schema(value_type = ProcessContext)]
    pub context: Arc<ProcessContext>,
    /// Counts and times.
    pub metrics: ProcessMetrics,
    /// How many steps have ended.
    pub current_step: u64,
    /// How many there are.
    pub total_steps: u64,
    /// Open interventions.
    pub waiting_on: Vec<InterventionId>,
    /// Its work goes before that of less urgent processes.
    pub priority: Priority,
    /// A step that fails for good cancels the rest.
    pub fail_fast: bool,
    /// The team's configuration as it was at the start.
    pub configuration: TeamConfiguration,
    /// The workspace's rules for alerts as they were at the start; none: it had set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<AlertRule>>)]
    pub alert_rules: Option<Arc<Vec<AlertRule>>>,
    /// Who started it.
    pub initiated_by: String,
    /// When.
    pub initiated_at: Timestamp,
    /// When work began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Why it was paused or cancelled, as the person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds that it has taken, up to `runningSince`, without the time that only humans were waited for; what processTimeout is
    /// compared with.
    #[serde(default)]
    pub elapsed_ms: u64,
    /// Since when its clock runs; none while it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_since: Option<Timestamp>,
    /// The template that it was started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRef>,
    /// The step whose work it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// What it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<ForkedFrom>,
}

impl OrchestrationProcess {
    /// The rules for alerts about a metric that are on.
    pub fn alert_rules_for(&self, metric: Metric) -> Vec<AlertRule> {
        let on = |rule: &&AlertRule| rule.enabled && rule.metric == metric;
        match &self.alert_rules {
            Some(own) => own.iter().filter(on).cloned().collect(),
            None => AlertRule::defaults().iter().filter(on).cloned().collect(),
        }
    }
}

/// The template, and its version, that a process was started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    /// Which.
    pub id: TemplateId,
    /// Its version, pinned at the start.
    pub version: u32,
}

/// The step of another process whose work a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentStep {
    /// In which process.
    pub process_id: ProcessId,
    /// Which step.
    pub step_id: StepId,
    /// How many processes it lies inside of; 1 for a process whose parent has none.
    pub depth: u32,
}

/// The past of another process that a process began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForkedFrom {
    /// Which process.
    pub process_id: ProcessId,
    /// After which event of its room.
    pub seq: u64,
}

/// A process as an offer names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRef {
    /// Its id.
    pub id: ProcessId,
    /// A name to show.
    pub name: String,
    /// Its room.
    pub room_id: RoomId,
    /// Its team.
    pub team_id: TeamId,
}

/// A step as an event names it: its id and the fields that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRef {
    /// Its id.
    pub id: StepId,
    /// Its key.
    pub key: String,
}
