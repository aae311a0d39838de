//! What a process's figures say: how it performs, and what would help the next time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Timestamp;
use crate::id::AgentId;
use crate::model::Object;
use crate::model::attempt::AttemptStatus;
use crate::model::handoff::HandoffStatus;
use crate::model::monitoring::{
    AgentPerformance, Performance, ProcessMonitoringMetrics, RecommendationType,
};
use crate::model::step::StepStatus;
use crate::state::ProcessState;

/// A step that takes longer than this on the average, in milliseconds, should be split.
const LONG_STEP_MS: f64 = 300_000.0;
/// More handoffs than so many percent of the steps: roles should be revised.
const MANY_HANDOFFS: f64 = 50.0;
/// More failed steps than so many percent: they need retries or a review.
const MANY_ERRORS: f64 = 10.0;

/// Two digits after the point: what is stored is read as it was written, and nobody reads more.
pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 * 100.0 / whole as f64
}

fn mean(sum: u64, count: u64) -> f64 {
    if count == 0 {
        return 0.0;
    }
    sum as f64 / count as f64
}

fn with_status(process: &ProcessState, status: StepStatus) -> u64 {
    process.steps.iter().filter(|s| s.status == status).count() as u64
}

/// Failed steps, and all.
pub fn failures(process: &ProcessState) -> (u64, u64) {
    let failed = with_status(process, StepStatus::Failed);
    (failed, process.steps.len() as u64)
}

/// Percent of the steps that have failed.
pub fn error_rate(process: &ProcessState) -> f64 {
    let (failed, all) = failures(process);
    percent(failed, all)
}

fn average_step(process: &ProcessState) -> f64 {
    let times = &process.process.metrics.step_completion_times;
    mean(times.values().sum(), times.len() as u64)
}

/// How a process performs.
pub fn performance(process: &ProcessState) -> Performance {
    let all = process.steps.len() as u64;
    let completed = process
        .handoffs
        .values()
        .filter(|h| h.status == HandoffStatus::Completed)
        .count() as u64;
    let handoffs = process.handoffs.len() as u64;
    Performance {
        success_rate: percent(with_status(process, StepStatus::Completed), all),
        error_rate: error_rate(process),
        average_step_duration: average_step(process),
        handoff_efficiency: if handoffs == 0 {
            100.0
        } else {
            percent(completed, handoffs)
        },
        human_intervention_rate: percent(process.process.metrics.human_intervention_count, all),
    }
}

/// What each agent did, from its attempts.
pub fn agents(process: &ProcessState) -> BTreeMap<AgentId, AgentPerformance> {
    let mut agents: BTreeMap<AgentId, (AgentPerformance, u64)> = BTreeMap::new();
    for attempt in process.attempts.values() {
        let Some(accepted) = attempt.accepted_at else {
            continue;
        };
        let (agent, took) = agents.entry(attempt.agent_id.clone()).or_default();
        agent.task_count += 1;
        match attempt.status {
            AttemptStatus::Completed => {
                agent.success_count += 1;
                *took += attempt.ended_at.map_or(0, |end| end.ms_since(accepted));
            }
            AttemptStatus::Failed => agent.error_count += 1,
            _ => {}
        }
    }
    agents
        .into_iter()
        .map(|(id, (mut agent, took))| {
            agent.average_completion_time = mean(took, agent.success_count);
            (id, agent)
        })
        .collect()
}

/// All that monitoring says of a process, at a time.
pub fn metrics(process: &ProcessState, now: Timestamp) -> ProcessMonitoringMetrics {
    let p = &process.process;
    let m = &p.metrics;
    let mut recommendations: Vec<_> = process
        .recommendations
        .values()
        .map(|r| (**r).clone())
        .collect();
    recommendations.sort_by_key(|r| (r.timestamp, r.kind));
    ProcessMonitoringMetrics {
        process_id: p.id,
        team_id: p.team_id,
        workspace_id: p.workspace_id.clone(),
        start_time: m.start_time,
        end_time: m.end_time,
        duration: m.duration,
        step_completion_times: m.step_completion_times.clone(),
        handoff_count: m.handoff_count,
        human_intervention_count: m.human_intervention_count,
        error_count: m.error_count,
        retry_count: m.retry_count,
        performance: performance(process),
        agent_utilization: agents(process),
        alerts: process
            .alerts
            .values()
            .rev()
            .map(|a| (**a).clone())
            .collect(),
        recommendations,
        timestamp: now,
    }
}

/// What the figures of a process that ends recommend: what, in a sentence, with the evidence.
pub fn recommend(process: &ProcessState) -> Vec<(RecommendationType, String, Object)> {
    let p = &process.process;
    let (failed, steps) = failures(process);
    let mut found = Vec::new();
    let average = average_step(process);
    if average > LONG_STEP_MS {
        let times = &p.metrics.step_completion_times;
        let slowest = times.iter().max_by_key(|(_, took)| **took);
        found.push((
            RecommendationType::SplitOrParallelize,
            format!(
                "Split the steps of “{}”, or let parts of them run side by side: one takes {} on the average",
                p.name,
                minutes(average)
            ),
            json!({
                "averageStepDuration": rounded(average), "completedSteps": times.len(),
                "slowestStep": slowest.map(|s| s.0), "slowestStepDuration": slowest.map(|s| s.1),
            }),
        ));
    }
    let handoffs = p.metrics.handoff_count;
    if percent(handoffs, steps) > MANY_HANDOFFS {
        found.push((
            RecommendationType::ReviseRoles,
            format!(
                "Revise who does what in “{}”: work changed hands {handoffs} times in {steps} steps",
                p.name
            ),
            json!({"handoffCount": handoffs, "totalSteps": steps}),
        ));
    }
    let rate = percent(failed, steps);
    if rate > MANY_ERRORS {
        found.push((
            RecommendationType::RetriesOrReview,
            format!(
                "Allow more attempts in “{}”, or have results reviewed: {failed} of {steps} steps failed",
                p.name
            ),
            json!({
                "errorRate": rounded(rate), "failedSteps": failed, "totalSteps": steps, "errorCount": p.metrics.error_count,
                "retryCount": p.metrics.retry_count,
            }),
        ));
    }
    found
        .into_iter()
        .map(|(kind, message, evidence)| match evidence {
            Value::Object(evidence) => (kind, message, evidence),
            _ => (kind, message, Object::new()),
        })
        .collect()
}

fn minutes(ms: f64) -> String {
    format!("{:.0} min", ms / 60_000.0)
}
