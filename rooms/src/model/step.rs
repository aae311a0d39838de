//! Steps of a process.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Object;
use super::process::Failure;
use super::team::MemberRole;
use crate::Timestamp;
use crate::id::{AgentId, AttemptId, InstanceId, ProcessId, StepId, TemplateId};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not at work.
    Pending,
    /// Offered to or held by an agent.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Passed over.
    Skipped,
    /// Stopped.
    Cancelled,
}

impl StepStatus {
    /// Whether it has ended.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a pending or running step is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepPhase {
    /// Pending: waits for other steps.
    Blocked,
    /// Pending: waits for an agent.
    Ready,
    /// Pending: waits for its next attempt.
    Backoff,
    /// Pending (suspended, or approval before the first offer) or running (held): waits for a human.
    AwaitingInput,
    /// Running: an agent was asked.
    Offered,
    /// Running: an agent holds it.
    Executing,
    /// Running: it is being handed over.
    HandingOff,
}

impl StepPhase {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::Backoff => "backoff",
            Self::AwaitingInput => "awaiting_input",
            Self::Offered => "offered",
            Self::Executing => "executing",
            Self::HandingOff => "handing_off",
        }
    }
}

/// When a step's dependencies let it begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// All ended well.
    #[default]
    AllSucceeded,
    /// All ended.
    AllDone,
    /// One ended well.
    AnySucceeded,
    /// One failed.
    AnyFailed,
}

/// Which ends of a step a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionType {
    /// It ended well.
    Success,
    /// Its last attempt failed.
    Failure,
    /// It took too long.
    Timeout,
    /// Any end.
    Custom,
}

/// What a matching condition does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConditionAction {
    /// Go on; a failed step counts as dealt with.
    Continue,
    /// Run the step again, if attempts are left.
    Retry,
    /// The step counts as skipped and the process goes on.
    Skip,
    /// Ask a human.
    Escalate,
    /// Cancel the process.
    Abort,
}

/// What to do when a step ends. The first that matches decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepCondition {
    /// Which ends it looks at.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// CEL over inputs, outputs, sharedData, variables and error; empty is true.
    #[serde(default)]
    pub condition: String,
    /// The step to go on with; other conditions' next steps are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step_id: Option<String>,
    /// What to do.
    pub action: ConditionAction,
}

/// What a condition gave when the step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionResult {
    /// Its place in the step's conditions, from 0.
    pub index: usize,
    /// As it was written.
    pub condition: String,
    /// What it gave; false too where it could not be evaluated.
    pub matched: bool,
    /// The values of what it names, by the path that it names them with.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    #[schema(value_type = Object)]
    pub seen: Object,
    /// Why it could not be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What follows, where it matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ConditionAction>,
}

/// Why a step was passed over; decides what becomes of the steps behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its trigger rule can no longer hold: steps behind it are skipped too.
    Dependencies,
    /// A condition took another branch: steps behind it are skipped too.
    Branch,
    /// A condition or a person said so: steps behind it go on.
    Decided,
}

/// A step of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStep {
    /// Its id.
    pub id: StepId,
    /// Unique in the process.
    pub key: String,
    /// The step that it is a part of, where it was made by a delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_step_id: Option<StepId>,
    /// A name to show.
    pub name: String,
    /// What is to be done.
    pub description: String,
    /// Only this agent may take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_agent_id: Option<AgentId>,
    /// Else: an agent that can all of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_capabilities: Option<Vec<String>>,
    /// Else: a member with this role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<MemberRole>,
    /// Where it stands.
    pub status: StepStatus,
    /// What it is at while pending or running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<StepPhase>,
    /// Keys of the steps before it.
    pub dependencies: Vec<String>,
    /// When they let it begin.
    pub trigger_rule: TriggerRule,
    /// What to do when it ends.
    pub conditions: Vec<StepCondition>,
    /// What it is given; `{"$from": "<CEL>"}` values are evaluated when it becomes ready.
    #[schema(value_type = Object)]
    pub inputs: Object,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    /// Why its last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Failed attempts of this run.
    pub attempts: u32,
    /// After so many it has failed.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; doubles with each.
    pub backoff_ms: u64,
    /// Leases that expired in this run.
    pub lost_leases: u32,
    /// After so many it has failed.
    pub max_lost_leases: u32,
    /// How long it may take; else the team's taskTimeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// A human approves it before the first offer.
    pub requires_approval: bool,
    /// Its failure fails nothing else.
    pub continue_on_failure: bool,
    /// Its outputs are merged into sharedData too.
    pub merge_outputs: bool,
    /// The caller's own.
    #[schema(value_type = Object)]
    pub metadata: Object,
    /// Grows with every offer, transfer, cancel and expiry.
    pub epoch: u64,
    /// 1, and one more with every process retry.
    pub run: u32,
    /// The live attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_attempt: Option<AttemptId>,
    /// Who holds it or was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<AgentId>,
    /// The agent that suspended it and should have it back, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_agent_id: Option<AgentId>,
    /// The agent that it was taken from, and that has it again only where nobody else takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avoid_agent_id: Option<AgentId>,
    /// When it last became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When the next attempt may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// When its first attempt of this run was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Why it was passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_reason: Option<SkipReason>,
    /// A condition dealt with its failure.
    #[serde(default)]
    pub failure_handled: bool,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<StepProgress>,
    /// The step that a condition chose to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_step_id: Option<String>,
    /// The inputs as they were given, where they held `$from` values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub given_inputs: Option<Object>,
    /// Its work is a process of its own, not an agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<SubProcess>,
    /// The process that does its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_process_id: Option<ProcessId>,
    /// Milliseconds of work on its present attempt, up to `runningSince`; what its timeout is compared with.
    #[serde(default)]
    pub elapsed_ms: u64,
    /// Since when its clock runs; none while it stands still: a human is awaited, or nobody is at work on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_since: Option<Timestamp>,
}

/// A step's work as a process from a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubProcess {
    /// Which template.
    pub template_id: TemplateId,
    /// Which version; the newest at the start of this process where it was not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_version: Option<u32>,
}

impl ProcessStep {
    /// It is offered to this agent first, and instead of the one that it is assigned to.
    pub fn give_to(&mut self, agent: Option<&AgentId>) {
        let Some(agent) = agent else { return };
        self.preferred_agent_id = Some(agent.clone());
        if let Some(assigned) = &mut self.assigned_agent_id {
            assigned.clone_from(agent);
        }
    }

    /// Whether an agent (or a process of its own) is at work on it: its clock runs.
    pub fn is_at_work(&self) -> bool {
        self.status == StepStatus::Running
            && matches!(
                self.phase,
                Some(StepPhase::Executing | StepPhase::HandingOff)
            )
    }

    /// How long the present attempt has been worked on, in milliseconds, without the time that humans took.
    pub fn worked_ms(&self, now: Timestamp) -> u64 {
        self.elapsed_ms + self.running_since.map_or(0, |since| now.ms_since(since))
    }

    /// Sets the clock to zero.
    pub(crate) fn stop_clock(&mut self) {
        self.elapsed_ms = 0;
        self.running_since = None;
    }

    /// Takes evaluated inputs, and keeps those that were given for another run.
    pub(crate) fn take_inputs(&mut self, evaluated: Option<&Object>) {
        if let Some(evaluated) = evaluated {
            let given = std::mem::replace(&mut self.inputs, evaluated.clone());
            self.given_inputs.get_or_insert(given);
        }
    }

    /// Back to pending, for another run.
    pub(crate) fn reset(&mut self) {
        self.status = StepStatus::Pending;
        self.phase = Some(StepPhase::Blocked);
        self.run += 1;
        self.attempts = 0;
        self.lost_leases = 0;
        self.error = None;
        self.outputs = None;
        self.ready_at = None;
        self.retry_at = None;
        self.completed_at = None;
        self.started_at = None;
        self.skip_reason = None;
        self.failure_handled = false;
        self.progress = None;
        self.next_step_id = None;
        self.preferred_agent_id = None;
        self.avoid_agent_id = None;
        self.child_process_id = None;
        if let Some(given) = self.given_inputs.take() {
            self.inputs = given;
        }
        self.stop_clock();
    }

    /// Stable per (process, step, run): for the agent's own calls to the outside.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}", self.id, self.run)
    }

    /// Whether steps behind it may go on as after a success.
    pub fn is_satisfied(&self) -> bool {
        match self.status {
            StepStatus::Completed => true,
            StepStatus::Failed => self.continue_on_failure || self.failure_handled,
            StepStatus::Skipped => self.skip_reason == Some(SkipReason::Decided),
            _ => false,
        }
    }
}

/// How far an attempt is, as the agent said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepProgress {
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it said so.
    pub at: Timestamp,
}

/// A part of a step's state that an event changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepPatch {
    /// Which step.
    pub id: StepId,
    /// Its key.
    pub key: String,
    /// Where it stands now.
    pub status: StepStatus,
    /// What it is at now.
    pub phase: Option<StepPhase>,
}

/// Who holds a step: what a stale writer is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The live attempt.
    pub attempt_id: AttemptId,
    /// Its agent.
    pub agent_id: AgentId,
    /// Its instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<InstanceId>,
    /// Its epoch.
    pub epoch: u64,
}
