//! How a process goes on: which steps become ready, which are passed over, and when the whole has ended.

use std::sync::Arc;

use serde_json::Value;

use super::gate::{Gate, gate, is_foreseen, is_handled};
use super::{Decider, patch};
use crate::event::{AttemptChange, EventBody, ProcessChange, StepChange};
use crate::id::{AttemptId, StepId};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::InterventionStatus;
use crate::model::process::{Failure, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepPhase, StepStatus};

impl Decider<'_> {
    /// Notes which steps an event may let begin.
    pub(super) fn look_after(&mut self, body: &EventBody, touched: Option<StepId>) {
        use EventBody as E;
        let Some(process) = &self.state.process else {
            return;
        };
        if matches!(
            body,
            E::ProcessStarted(_) | E::ProcessResumed(_) | E::ProcessRetried(_)
        ) {
            // From the last to the first, as they are taken from the end.
            self.look.extend(process.steps.iter().rev().map(|s| s.id));
        } else if let Some(id) = touched
            && let Some(step) = process.step(id)
        {
            if step.status.is_terminal() {
                let graph = process.graph();
                if let Some(n) = graph.at(id) {
                    let next = process.steps_at(graph.after(n)).rev_ids();
                    let chosen = process.steps_at(graph.chosen(n)).rev_ids();
                    self.look.extend(next.into_iter().chain(chosen));
                }
            } else if step.phase == Some(StepPhase::Blocked) {
                self.look.push(id);
            }
        }
    }

    /// Lets every step that can, go on, until nothing more follows; then ends the process if all of it has ended.
    pub(super) fn advance(&mut self) {
        while let Some(id) = self.look.pop() {
            let Some(process) = self.state.process.clone() else {
                return;
            };
            if !matches!(
                process.process.status,
                ProcessStatus::Running | ProcessStatus::Paused
            ) {
                self.look.clear();
                return;
            }
            let Some(n) = process.graph().at(id) else {
                continue;
            };
            let Some(step) = process.steps.get(n) else {
                continue;
            };
            if step.process.is_some()
                && step.phase == Some(StepPhase::Ready)
                && process.process.status == ProcessStatus::Running
            {
                self.start_child(step, None);
                continue;
            }
            if step.status != StepStatus::Pending || step.phase != Some(StepPhase::Blocked) {
                continue;
            }
            match gate(&process, n) {
                Gate::Wait => {}
                Gate::Open => self.open(step),
                Gate::Never => self.skip(step, SkipReason::Dependencies),
                Gate::NotChosen => self.skip(step, SkipReason::Branch),
            }
        }
        self.roll_up();
    }

    /// The step may begin, or begin again: it becomes ready, unless a human is asked first.
    pub(super) fn open(&mut self, step: &ProcessStep) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if process.open_interventions(step.id).next().is_some() {
            return;
        }
        if step.requires_approval && Self::approval_of(&process, step).is_none() {
            // The human sees what the step would be given.
            let mut shown = step.clone();
            match self.inputs.of(&process, step) {
                Ok(inputs) => shown.inputs = inputs.unwrap_or(shown.inputs),
                Err(error) => return self.end_badly(step, None, *error, step.attempts),
            }
            return self.ask_to_begin(&shown);
        }
        self.make_ready(step.id);
    }

    /// Makes a step ready, with its inputs evaluated; one whose inputs cannot be evaluated fails.
    pub(super) fn make_ready(&mut self, id: StepId) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = process.step(id) else { return };
        // What was approved is what it begins with, whatever has changed since.
        let approved = Some(step).filter(|step| step.requires_approval);
        let approved = approved.and_then(|step| Self::approval_of(&process, step));
        let approved = approved.and_then(|i| {
            let inputs = |of: &Option<Value>| of.as_ref()?.get("inputs")?.as_object().cloned();
            let changed = i.response.as_ref().and_then(|r| inputs(&r.modifications));
            changed.or_else(|| inputs(&i.subject))
        });
        let inputs = match approved {
            Some(inputs) => {
                Some(inputs).filter(|inputs| step.given_inputs.is_none() && *inputs != step.inputs)
            }
            None => match self.inputs.of(&process, step) {
                Ok(inputs) => inputs,
                Err(error) => return self.end_badly(step, None, *error, step.attempts),
            },
        };
        if step.process.is_some() && process.process.status == ProcessStatus::Running {
            return self.start_child(step, inputs);
        }
        let mut change = step_change(step, StepStatus::Pending, Some(StepPhase::Ready));
        change.inputs = inputs;
        self.emit(EventBody::StepReady(change));
    }

    pub(super) fn skip(&mut self, step: &ProcessStep, why: SkipReason) {
        let mut change = step_change(step, StepStatus::Skipped, None);
        change.skip_reason = Some(why);
        self.emit(EventBody::StepSkipped(change));
        // A person may have asked about it before its turn.
        self.close_step(step.id);
    }

    /// Ends the process when every step has ended.
    fn roll_up(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if process.process.status.is_terminal() || process.tally.ended < process.steps.len() as u64
        {
            return;
        }
        let failed = process
            .steps
            .iter()
            .find(|s| s.status == StepStatus::Failed && !is_handled(&process, s));
        match failed {
            Some(step) => self.fail_process(step_failure(step)),
            None => {
                self.close_open();
                let change = self.process_change(ProcessStatus::Completed);
                self.emit(EventBody::ProcessCompleted(change));
            }
        }
    }

    /// A step has failed for good. Fails the process at once where it should, else lets the rest go on.
    pub(super) fn after_failure(&mut self, id: StepId) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = process.step(id) else { return };
        if step.status == StepStatus::Failed
            && process.process.fail_fast
            && !step.is_satisfied()
            && !is_foreseen(&process, step)
        {
            self.fail_process(step_failure(step));
        } else {
            self.advance();
        }
    }

    pub(super) fn fail_process(&mut self, error: Failure) {
        self.close_all();
        let mut change = self.process_change(ProcessStatus::Failed);
        change.error = Some(error);
        self.emit(EventBody::ProcessFailed(change));
    }

    pub(super) fn abort_process(&mut self, reason: Option<String>) {
        self.close_all();
        let mut change = self.process_change(ProcessStatus::Cancelled);
        change.reason = reason;
        self.emit(EventBody::ProcessCancelled(change));
    }

    pub(super) fn process_change(&self, status: ProcessStatus) -> ProcessChange {
        let process = self.state.process.as_ref();
        ProcessChange {
            id: process.map_or(crate::id::ProcessId(uuid::Uuid::nil()), |p| p.process.id),
            name: process.map(|p| p.process.name.clone()).unwrap_or_default(),
            status,
            reason: None,
            mode: None,
            error: None,
            reset: Vec::new(),
        }
    }

    /// Closes what is open and stops every step that has not ended.
    fn close_all(&mut self) {
        self.close_open();
        // Closing a handoff stops what was delegated: look again at what is left.
        let Some(process) = self.state.process.clone() else {
            return;
        };
        for step in process.steps.iter().filter(|s| !s.status.is_terminal()) {
            self.take_away(step, StepPhase::Blocked, "the process has ended");
            self.emit(EventBody::StepCancelled(step_change(
                step,
                StepStatus::Cancelled,
                None,
            )));
            self.end_handoffs(step.id, HandoffStatus::Failed);
        }
    }

    /// Closes every open question and handoff.
    fn close_open(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        for open in process.interventions.values() {
            if open.status == InterventionStatus::Pending {
                self.drop_intervention(open, "the process has ended");
            }
        }
        let open = process.handoffs.values().filter(|h| h.status.is_open());
        let givers: std::collections::BTreeSet<StepId> = open.map(|h| h.from_step_id).collect();
        for step in givers {
            self.close_handoffs(step, "the process has ended");
        }
    }
}

/// Ids from the last to the first.
trait RevIds {
    fn rev_ids(self) -> Vec<StepId>;
}

impl<'a, I: Iterator<Item = &'a Arc<ProcessStep>>> RevIds for I {
    fn rev_ids(self) -> Vec<StepId> {
        let mut ids: Vec<_> = self.map(|s| s.id).collect();
        ids.reverse();
        ids
    }
}

fn step_failure(step: &ProcessStep) -> Failure {
    let why = step.error.as_ref().map_or("failed", |e| e.message.as_str());
    Failure {
        code: step
            .error
            .as_ref()
            .map_or_else(|| "step_failed".to_owned(), |e| e.code.clone()),
        message: format!("step {:?} failed: {why}", step.key),
        retryable: true,
        details: None,
    }
}

pub(super) fn step_change(
    step: &ProcessStep,
    status: StepStatus,
    phase: Option<StepPhase>,
) -> StepChange {
    StepChange {
        id: step.id,
        key: step.key.clone(),
        status,
        phase,
        attempt_id: None::<AttemptId>,
        agent_id: None,
        inputs: None,
        outputs: None,
        error: None,
        attempts: None,
        retry_at: None,
        percent: None,
        note: None,
        skip_reason: None,
        failure_handled: false,
        next_step_id: None,
        child_process_id: None,
        conditions: Vec::new(),
        result_hash: None,
    }
}

pub(super) fn attempt_change(
    attempt: &Attempt,
    step: &ProcessStep,
    status: AttemptStatus,
    step_status: StepStatus,
    phase: StepPhase,
) -> AttemptChange {
    AttemptChange {
        id: attempt.id,
        step_id: step.id,
        agent_id: attempt.agent_id.clone(),
        instance_id: None,
        status,
        epoch: if status.is_live() {
            step.epoch
        } else {
            step.epoch + 1
        },
        lease_until: None,
        reason: None,
        avoid: false,
        prefer: None,
        error: None,
        result_hash: None,
        step: patch(step, step_status, Some(phase)),
    }
}
