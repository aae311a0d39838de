//! Forks: a new process that begins with the past of another, up to an event of its log or up to a step.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Decider, Ruled};
use crate::id::{ProcessId, RoomId, TeamId};
use crate::model::process::{ForkedFrom, OrchestrationProcess, ProcessContext, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Refusal, limits};

impl Decider<'_> {
    pub(super) fn fork_process(
        &mut self,
        id: ProcessId,
        source: ProcessId,
        team: TeamId,
        fork: &r::ForkProcess,
    ) -> Ruled {
        let found = self.ctx.facts.sources.get(&(source, fork.seq));
        let own = |s: &ProcessState| {
            s.process.workspace_id == self.ctx.principal.workspace_id && s.process.team_id == team
        };
        let Some((seq, past)) = found.filter(|(_, s)| own(s)).cloned() else {
            return Err(match fork.seq {
                Some(seq) => Refusal::field(
                    "seq",
                    format!("the process {source} has no event {seq}, or it is no longer kept"),
                ),
                None => Refusal::not_found("process", source),
            });
        };
        let team = self.active_team(team)?;
        let again = to_run_again(&past, fork.from_step.as_deref())?;
        let name = match fork.name.as_deref() {
            Some(name) if name.trim().is_empty() || name.chars().count() > limits::NAME => {
                return Err(Refusal::field(
                    "name",
                    format!("must have 1 to {} characters", limits::NAME),
                ));
            }
            Some(name) => name.to_owned(),
            None => past.process.name.clone(),
        };
        let steps: Vec<Arc<ProcessStep>> = past
            .steps
            .iter()
            .enumerate()
            .map(|(n, s)| Arc::new(self.taken_over(s, again.contains(&n))))
            .collect();
        let kept = steps.iter().filter(|s| s.status.is_terminal()).count() as u64;
        let p = &past.process;
        let process = OrchestrationProcess {
            id,
            name,
            room_id: RoomId(id.0),
            status: ProcessStatus::Pending,
            total_steps: steps.len() as u64,
            context: Arc::new(context_of(&past, &again)),
            steps,
            metrics: self.no_metrics(),
            current_step: kept,
            waiting_on: Vec::new(),
            initiated_by: self.ctx.principal.id.clone(),
            initiated_at: self.now(),
            started_at: None,
            completed_at: None,
            error: None,
            reason: None,
            elapsed_ms: 0,
            running_since: None,
            parent: None,
            forked_from: Some(ForkedFrom {
                process_id: source,
                seq,
            }),
            ..(**p).clone()
        };
        self.open_process(process, &team, None)
    }

    /// A step with its result, or as it was before it began.
    fn taken_over(&self, step: &ProcessStep, again: bool) -> ProcessStep {
        let mut step = step.clone();
        step.id = self.ctx.id();
        if again {
            step.reset();
        }
        step.run = 1;
        step.epoch = 0;
        step.current_attempt = None;
        step.held_by = None;
        step.stop_clock();
        step
    }
}

/// The places of the steps that run again: those that have no result to keep, the one that was named, and all behind those.
fn to_run_again(past: &ProcessState, from: Option<&str>) -> Result<BTreeSet<usize>, Refusal> {
    let graph = past.graph();
    let mut open: Vec<usize> = Vec::new();
    if let Some(name) = from {
        let step = past
            .step_named(name)
            .ok_or_else(|| Refusal::field("fromStep", format!("there is no step {name:?}")))?;
        open.extend(graph.at(step.id));
    }
    let has_result = |s: &ProcessStep| match s.status {
        StepStatus::Completed => true,
        StepStatus::Failed => s.is_satisfied(),
        StepStatus::Skipped => s.skip_reason != Some(SkipReason::Dependencies),
        _ => false,
    };
    let mut again: BTreeSet<usize> = BTreeSet::new();
    while let Some(n) = open.pop() {
        if again.insert(n) {
            open.extend(graph.after(n));
            open.extend(graph.chosen(n));
        }
    }
    let steps = past.steps.iter().enumerate();
    again.extend(steps.filter(|(_, s)| !has_result(s)).map(|(n, _)| n));
    Ok(again)
}

/// The context without the results of the steps that run again.
fn context_of(past: &ProcessState, again: &BTreeSet<usize>) -> ProcessContext {
    let mut context = (*past.context).clone();
    if let Some(steps) = context
        .shared_data
        .get_mut("steps")
        .and_then(serde_json::Value::as_object_mut)
    {
        for step in again.iter().filter_map(|n| past.steps.get(*n)) {
            steps.remove(&step.key);
        }
    }
    context
}
