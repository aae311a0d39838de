//! When a step may begin: its dependencies under its trigger rule, and the conditions of other steps that name it as the next.

use crate::model::step::{ProcessStep, StepStatus, TriggerRule};
use crate::state::ProcessState;

/// What the steps before a step come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Not all has been said.
    Wait,
    /// It may begin.
    Open,
    /// Its trigger rule can no longer hold.
    Never,
    /// Conditions named it as the step to go on with, and each went another way.
    NotChosen,
}

pub(super) fn gate(process: &ProcessState, n: usize) -> Gate {
    let Some(step) = process.steps.get(n) else {
        return Gate::Wait;
    };
    let graph = process.graph();
    let choosers = graph.choosers(n);
    if !choosers.is_empty() {
        if process.steps_at(choosers).any(|s| !s.status.is_terminal()) {
            return Gate::Wait;
        }
        if !process
            .steps_at(choosers)
            .any(|s| s.next_step_id.as_ref() == Some(&step.key))
        {
            return Gate::NotChosen;
        }
    }
    let before = graph.before(n);
    if before.is_empty() {
        return Gate::Open;
    }
    let all = || process.steps_at(before);
    let done = || all().all(|s| s.status.is_terminal());
    match step.trigger_rule {
        TriggerRule::AllSucceeded => {
            let mut waits = false;
            for s in all() {
                if !s.status.is_terminal() {
                    waits = true;
                } else if !s.is_satisfied() {
                    return Gate::Never;
                }
            }
            if waits { Gate::Wait } else { Gate::Open }
        }
        TriggerRule::AllDone if done() => Gate::Open,
        TriggerRule::AnySucceeded if all().any(|s| s.is_satisfied()) => Gate::Open,
        TriggerRule::AnyFailed if all().any(|s| s.status == StepStatus::Failed) => Gate::Open,
        TriggerRule::AllDone => Gate::Wait,
        TriggerRule::AnySucceeded | TriggerRule::AnyFailed if done() => Gate::Never,
        TriggerRule::AnySucceeded | TriggerRule::AnyFailed => Gate::Wait,
    }
}

/// The steps that wait for a step by a trigger rule of this kind.
fn waiting<'a>(
    process: &'a ProcessState,
    step: &ProcessStep,
) -> impl Iterator<Item = &'a ProcessStep> {
    let graph = process.graph();
    let after = graph.at(step.id).map_or(&[][..], |n| graph.after(n));
    process.steps_at(after).map(AsRef::as_ref)
}

/// Whether the graph says what follows a step's failure: a step waits for it by another rule than `all_succeeded`. Then the rest is not
/// cancelled at once.
pub(super) fn is_foreseen(process: &ProcessState, step: &ProcessStep) -> bool {
    waiting(process, step).any(|s| s.trigger_rule != TriggerRule::AllSucceeded)
}

/// Whether a failed step leaves the process unharmed: it said so, a condition did, a step waited for just that failure, or one that was
/// content with another step's success has ended well.
pub(super) fn is_handled(process: &ProcessState, step: &ProcessStep) -> bool {
    step.is_satisfied()
        || waiting(process, step).any(|s| match s.trigger_rule {
            TriggerRule::AnyFailed => true,
            TriggerRule::AnySucceeded => s.is_satisfied(),
            TriggerRule::AllSucceeded | TriggerRule::AllDone => false,
        })
}
