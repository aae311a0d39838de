//! Monitoring: alerts and the rules that raise them, recommendations, and how a process performs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Object;
use crate::Timestamp;
use crate::id::{
    AgentId, AlertId, InterventionId, ProcessId, RecommendationId, StepId, TeamId, WorkspaceId,
};

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertType {
    /// It goes worse than it should.
    Performance,
    /// Something failed.
    Error,
    /// Something takes too long.
    Timeout,
    /// Somebody is missing who was at work.
    Resource,
    /// Much needs a person.
    Quality,
}

impl AlertType {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Performance => "performance",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Resource => "resource",
            Self::Quality => "quality",
        }
    }
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// To know.
    Low,
    /// To look at.
    Medium,
    /// To look at soon.
    High,
    /// To look at now.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// Percent of a process's steps that have failed.
    ErrorRate,
    /// How often a process has asked people.
    Interventions,
    /// How often a step has lost its lease.
    LostLeases,
    /// For how many milliseconds an open question has been overdue.
    OverdueInterventions,
}

impl Metric {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "errorRate",
            Self::Interventions => "interventions",
            Self::LostLeases => "lostLeases",
            Self::OverdueInterventions => "overdueInterventions",
        }
    }

    /// What its alerts are about and how bad they are, unless a rule says otherwise.
    pub fn usual(self) -> (AlertType, Severity) {
        match self {
            Self::ErrorRate => (AlertType::Performance, Severity::High),
            Self::Interventions => (AlertType::Quality, Severity::Medium),
            Self::LostLeases => (AlertType::Resource, Severity::Medium),
            Self::OverdueInterventions => (AlertType::Timeout, Severity::High),
        }
    }
}

/// When an alert is raised: when the metric is above the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertRule {
    /// Unique among the workspace's rules.
    pub id: String,
    /// What it looks at.
    pub metric: Metric,
    /// Above this an alert is raised; in the unit of the metric.
    pub threshold: f64,
    /// What its alerts are about.
    #[serde(rename = "type")]
    pub kind: AlertType,
    /// How bad they are.
    pub severity: Severity,
    /// One that is off raises nothing.
    pub enabled: bool,
}

impl AlertRule {
    /// The rules of a workspace that has set none.
    pub fn defaults() -> Vec<Self> {
        let rule = |id: &str, metric: Metric, threshold: f64| {
            let (kind, severity) = metric.usual();
            Self {
                id: id.to_owned(),
                metric,
                threshold,
                kind,
                severity,
                enabled: true,
            }
        };
        vec![
            rule("error-rate", Metric::ErrorRate, 20.0),
            rule("interventions", Metric::Interventions, 5.0),
            rule("lost-lease", Metric::LostLeases, 0.0),
            rule("overdue-intervention", Metric::OverdueInterventions, 0.0),
        ]
    }
}

/// A workspace's rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertRules {
    /// All of them.
    pub items: Vec<AlertRule>,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its id.
    pub id: AlertId,
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: AlertType,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence.
    pub message: String,
    /// The figures that led to it.
    #[schema(value_type = Object)]
    pub details: Object,
    /// The rule that raised it.
    pub rule_id: String,
    /// In which process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<ProcessId>,
    /// About which step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// About which question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervention_id: Option<InterventionId>,
    /// When it was raised.
    pub timestamp: Timestamp,
    /// Who said that they have seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Timestamp>,
    /// It needs nobody any more.
    pub resolved: bool,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Who resolved it; none: what led to it no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

impl Alert {
    /// Whether it is about this, and open.
    pub fn is_open_for(
        &self,
        rule: &str,
        step: Option<StepId>,
        intervention: Option<InterventionId>,
    ) -> bool {
        !self.resolved
            && self.rule_id == rule
            && self.step_id == step
            && self.intervention_id == intervention
    }
}

/// What a recommendation asks for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationType {
    /// Steps take long: smaller ones, or several at once.
    SplitOrParallelize,
    /// Much work changes hands: look at who does what.
    ReviseRoles,
    /// Many steps fail: more attempts, or a review.
    RetriesOrReview,
}

impl RecommendationType {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SplitOrParallelize => "split_or_parallelize",
            Self::ReviseRoles => "revise_roles",
            Self::RetriesOrReview => "retries_or_review",
        }
    }
}

/// What would help the next time, with the figures that speak for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// Its id.
    pub id: RecommendationId,
    /// What it asks for.
    #[serde(rename = "type")]
    pub kind: RecommendationType,
    /// A sentence.
    pub message: String,
    /// The figures.
    #[schema(value_type = Object)]
    pub evidence: Object,
    /// Of which process.
    pub process_id: ProcessId,
    /// When it was made.
    pub timestamp: Timestamp,
}

/// How a process performs; rates in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    /// Completed of all steps.
    pub success_rate: f64,
    /// Failed of all steps.
    pub error_rate: f64,
    /// Milliseconds from a step's start to its completion, on the average of the completed ones; 0 where there are none.
    pub average_step_duration: f64,
    /// Completed of all handoffs; 100 where there are none.
    pub handoff_efficiency: f64,
    /// Questions to people, in percent of the number of steps.
    pub human_intervention_rate: f64,
}

/// What an agent did in a process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentPerformance {
    /// Attempts that it accepted.
    pub task_count: u64,
    /// Attempts whose result completed their step.
    pub success_count: u64,
    /// Milliseconds from acceptance to completion, on the average of the completed ones; 0 where there are none.
    pub average_completion_time: f64,
    /// Attempts that failed.
    pub error_count: u64,
}

/// Counts and times of a process, and what follows from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessMonitoringMetrics {
    /// Which process.
    pub process_id: ProcessId,
    /// Its team.
    pub team_id: TeamId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
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
    /// How it performs.
    pub performance: Performance,
    /// By agent; those that accepted something.
    #[schema(value_type = BTreeMap<String, AgentPerformance>)]
    pub agent_utilization: BTreeMap<AgentId, AgentPerformance>,
    /// What was to look at, the newest first.
    pub alerts: Vec<Alert>,
    /// What would help, once it has ended.
    pub recommendations: Vec<Recommendation>,
    /// When this was worked out.
    pub timestamp: Timestamp,
}
