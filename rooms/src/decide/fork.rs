//! Forks: a new process that begins with the past of another, up to an event of its log or up to a step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Decider, Ruled};
use crate::facts::Past;
use crate::id::{AgentId, ProcessId, RoomId, TeamId};
use crate::model::Object;
use crate::model::process::{ForkedFrom, OrchestrationProcess, ProcessContext, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepStatus};
use crate::request as r;
use crate::state::{ProcessState, merged, share};
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
        let Some(past) = found.filter(|past| own(&past.state)).cloned() else {
            return Err(match fork.seq {
                Some(seq) => Refusal::field(
                    "seq",
                    format!("the process {source} has no event {seq}, or it is no longer kept"),
                ),
                None => Refusal::not_found("process", source),
            });
        };
        let team = self.active_team(team)?;
        let Past { seq, state, given } = past;
        let past = state;
        let again = to_run_again(&past, fork.from_step.as_deref())?;
        let mut agents = again.iter().filter_map(|n| past.steps.get(*n));
        let gone = |id: &AgentId| {
            let known = self.ctx.facts.agents.get(id);
            team.member(id).is_none() || known.is_none_or(|a| a.archived)
        };
        if let Some((step, agent)) = agents.find_map(|s| {
            let agent = s.assigned_agent_id.as_ref().filter(|id| gone(id))?;
            Some((s, agent))
        }) {
            return Err(Refusal::illegal(format!(
                "the step {:?} would run again, and is for the agent {agent}, which is no active member of the team {:?}",
                step.key, team.name
            )));
        }
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
        let steps = self.taken_over(&past, &again);
        let kept = steps.iter().filter(|s| s.status.is_terminal()).count() as u64;
        let p = &past.process;
        let process = OrchestrationProcess {
            id,
            name,
            room_id: RoomId(id.0),
            status: ProcessStatus::Pending,
            total_steps: steps.len() as u64,
            context: Arc::new(context_of(&past, &again, given)),
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

    /// The steps, each with its result, or as it was before it began. A step that begins anew has delegated nothing yet.
    fn taken_over(&self, past: &ProcessState, again: &BTreeSet<usize>) -> Vec<Arc<ProcessStep>> {
        let steps = past.steps.iter().enumerate();
        let steps = steps.filter(|(n, step)| step.parent_step_id.is_none() || !again.contains(n));
        let mut ids = BTreeMap::new();
        let mut taken = Vec::new();
        for (n, step) in steps {
            let mut step = (**step).clone();
            let id = self.ctx.id();
            ids.insert(std::mem::replace(&mut step.id, id), id);
            if again.contains(&n) {
                step.reset();
            }
            step.run = 1;
            step.epoch = 0;
            step.current_attempt = None;
            step.held_by = None;
            step.stop_clock();
            taken.push(step);
        }
        for step in &mut taken {
            step.parent_step_id = step.parent_step_id.and_then(|id| ids.get(&id).copied());
        }
        taken.into_iter().map(Arc::new).collect()
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
        if step.parent_step_id.is_some() {
            return Err(Refusal::field(
                "fromStep",
                format!("the step {name:?} was delegated; name the step that delegated it"),
            ));
        }
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
    // What was delegated goes with the step that did; that may itself have been delegated, and comes before it.
    for (n, step) in past.steps.iter().enumerate() {
        let parent = step.parent_step_id.and_then(|id| graph.at(id));
        if parent.is_some_and(|parent| again.contains(&parent)) {
            again.insert(n);
        }
    }
    Ok(again)
}

/// The context without the results of the steps that run again: what was given at the start, and what the others put there, in their order. Where
/// nobody knows any more what was given, what a step that runs again had put over it is gone.
fn context_of(
    past: &ProcessState,
    again: &BTreeSet<usize>,
    given: Option<Object>,
) -> ProcessContext {
    let mut context = (*past.context).clone();
    let shared = &mut context.shared_data;
    if let Some(given) = given {
        *shared = given;
    }
    // A past that itself began with results had them in what was given.
    for step in again.iter().filter_map(|n| past.steps.get(*n)) {
        let steps = shared.get_mut("steps").and_then(Value::as_object_mut);
        if steps.and_then(|steps| steps.remove(&step.key)).is_some() {
            for (key, value) in merged(step) {
                if shared.get(key) == Some(value) {
                    shared.remove(key);
                }
            }
        }
    }
    let steps = past.steps.iter().enumerate();
    let kept = steps.filter(|(n, s)| !again.contains(n) && s.status == StepStatus::Completed);
    let mut kept: Vec<_> = kept.map(|(_, s)| s).collect();
    kept.sort_by_key(|s| s.completed_at);
    for step in kept {
        share(shared, step);
    }
    context
}
