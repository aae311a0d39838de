//! How a process goes on: which steps become ready, which are passed over, and when the whole has ended.

use std::sync::Arc;

use serde_json::Value;

use super::{Decider, json, patch};
use crate::event::{
    AttemptChange, EventBody, HandoffChange, InterventionChange, ProcessChange, StepChange,
};
use crate::expression;
use crate::id::{AttemptId, StepId};
use crate::model::Object;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::InterventionStatus;
use crate::model::process::{Failure, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepPhase, StepStatus, TriggerRule};
use crate::state::ProcessState;

/// What the dependencies of a step come to.
enum Gate {
    Wait,
    Open,
    Never,
}

impl Decider<'_> {
    /// Lets every step that can, go on, until nothing more follows; then ends the process if all of it has ended.
    pub(super) fn advance(&mut self) {
        loop {
            let Some(process) = self.state.process.clone() else {
                return;
            };
            if !matches!(
                process.process.status,
                ProcessStatus::Running | ProcessStatus::Paused
            ) {
                return;
            }
            let mut moved = false;
            for step in &process.steps {
                if step.status != StepStatus::Pending || step.phase != Some(StepPhase::Blocked) {
                    continue;
                }
                match gate(&process, step) {
                    Gate::Wait => {}
                    Gate::Open => moved |= self.open(step.id),
                    Gate::Never => {
                        self.skip(step, SkipReason::Dependencies);
                        moved = true;
                    }
                }
            }
            if !moved {
                break;
            }
        }
        self.roll_up();
    }

    /// The dependencies let the step begin: it becomes ready, unless a human is asked first. Whether anything changed.
    fn open(&mut self, id: StepId) -> bool {
        let Some(process) = self.state.process.clone() else {
            return false;
        };
        let Some(step) = process.step(id) else {
            return false;
        };
        if process.open_interventions(id).next().is_some() {
            return false;
        }
        if step.requires_approval && !self.is_approved(&process, step) {
            self.ask_to_begin(step);
            return true;
        }
        self.make_ready(id);
        true
    }

    /// Makes a step ready, with its inputs evaluated; one whose inputs cannot be evaluated fails.
    pub(super) fn make_ready(&mut self, id: StepId) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = process.step(id) else { return };
        let mut change = step_change(step, StepStatus::Pending, Some(StepPhase::Ready));
        let names = names_of(&process, step, None);
        let mut inputs = Value::Object(step.inputs.clone());
        match resolve(&mut inputs, &names) {
            Ok(false) => {}
            Ok(true) => change.inputs = inputs.as_object().cloned(),
            Err(why) => {
                let error = Failure::permanent(
                    "invalid_inputs",
                    format!("the inputs cannot be evaluated: {why}"),
                );
                return self.end_failed(step, None, error, None);
            }
        }
        self.emit(EventBody::StepReady(change));
    }

    pub(super) fn skip(&mut self, step: &ProcessStep, why: SkipReason) {
        let mut change = step_change(step, StepStatus::Skipped, None);
        change.skip_reason = Some(why);
        self.emit(EventBody::StepSkipped(change));
    }

    /// Ends the process when every step has ended.
    fn roll_up(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if process.process.status.is_terminal()
            || !process.steps.iter().all(|s| s.status.is_terminal())
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
                self.close_open(&process);
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
            && !is_handled(&process, step)
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
        let Some(process) = self.state.process.clone() else {
            return;
        };
        self.close_open(&process);
        for step in process.steps.iter().filter(|s| !s.status.is_terminal()) {
            self.take_away(step, StepPhase::Blocked, "the process has ended");
            self.emit(EventBody::StepCancelled(step_change(
                step,
                StepStatus::Cancelled,
                None,
            )));
        }
    }

    /// Closes interventions and handoffs, of one ended step or of the whole process.
    fn close_open(&mut self, process: &ProcessState) {
        for step in &process.steps {
            self.close_step(step.id);
        }
        let of_process: Vec<_> = process
            .interventions
            .values()
            .filter(|i| i.step_id.is_none() && i.status == InterventionStatus::Pending)
            .cloned()
            .collect();
        for open in of_process {
            self.drop_intervention(&open, "the process has ended");
        }
    }

    /// Closes what hangs on a step that has ended or changes hands.
    pub(super) fn close_step(&mut self, id: StepId) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        for open in process.open_interventions(id) {
            self.drop_intervention(open, "the step has ended");
        }
        if let Some(handoff) = process.pending_handoff(id) {
            self.end_handoff(
                handoff.id,
                HandoffStatus::Cancelled,
                Some("the step has ended".to_owned()),
                None,
            );
        }
    }

    fn drop_intervention(
        &mut self,
        open: &crate::model::intervention::HumanIntervention,
        why: &str,
    ) {
        let mut change = intervention_change(open, InterventionStatus::Cancelled);
        change.reason = Some(why.to_owned());
        self.emit(EventBody::InterventionCancelled(change));
    }

    /// Accepted handoffs of a step end with it.
    pub(super) fn end_handoffs(&mut self, step: StepId, status: HandoffStatus) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let accepted: Vec<_> = process
            .handoffs
            .values()
            .filter(|h| h.from_step_id == step && h.status == HandoffStatus::Accepted)
            .map(|h| h.id)
            .collect();
        for id in accepted {
            self.end_handoff(id, status, None, None);
        }
    }

    pub(super) fn end_handoff(
        &mut self,
        id: crate::id::HandoffId,
        status: HandoffStatus,
        reason: Option<String>,
        step: Option<crate::model::step::StepPatch>,
    ) {
        let Some(handoff) = self
            .state
            .process
            .as_ref()
            .and_then(|p| p.handoffs.get(&id))
            .cloned()
        else {
            return;
        };
        let change = HandoffChange {
            id,
            from_step_id: handoff.from_step_id,
            status,
            to_agent_id: None,
            attempt: None,
            reason,
            step,
        };
        self.emit(match status {
            HandoffStatus::Rejected => EventBody::HandoffRejected(change),
            HandoffStatus::Expired => EventBody::HandoffExpired(change),
            HandoffStatus::Completed => EventBody::HandoffCompleted(change),
            HandoffStatus::Failed => EventBody::HandoffFailed(change),
            _ => EventBody::HandoffCancelled(change),
        });
    }

    /// Takes the step away from whoever has it or was asked.
    pub(super) fn take_away(&mut self, step: &ProcessStep, phase: StepPhase, why: &str) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if let Some(attempt) = process.live_attempt(step) {
            let mut change = attempt_change(
                attempt,
                step,
                AttemptStatus::Cancelled,
                StepStatus::Pending,
                phase,
            );
            change.reason = Some(why.to_owned());
            self.emit(EventBody::AssignmentCancelled(change));
        }
    }

    /// Ends a step as failed, without asking its conditions.
    pub(super) fn end_failed(
        &mut self,
        step: &ProcessStep,
        attempt: Option<(&Attempt, String)>,
        error: Failure,
        attempts: Option<u32>,
    ) {
        if attempt.is_none() {
            self.take_away(step, StepPhase::Blocked, "the step has failed");
        }
        let mut change = step_change(step, StepStatus::Failed, None);
        change.error = Some(error);
        change.attempts = attempts;
        if let Some((attempt, hash)) = attempt {
            change.attempt_id = Some(attempt.id);
            change.agent_id = Some(attempt.agent_id.clone());
            change.result_hash = Some(hash);
        }
        self.emit(EventBody::StepFailed(change));
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Failed);
        self.after_failure(step.id);
    }
}

/// Whether a failed step leaves the process unharmed: it said so, a condition did, or a step waits for just that failure.
fn is_handled(process: &ProcessState, step: &ProcessStep) -> bool {
    step.is_satisfied()
        || process
            .steps
            .iter()
            .any(|s| s.trigger_rule == TriggerRule::AnyFailed && s.dependencies.contains(&step.key))
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

fn gate(process: &ProcessState, step: &ProcessStep) -> Gate {
    let all: Vec<&Arc<ProcessStep>> = step
        .dependencies
        .iter()
        .filter_map(|k| process.step_named(k))
        .collect();
    if all.is_empty() {
        return Gate::Open;
    }
    let done = all.iter().all(|s| s.status.is_terminal());
    let any_failed = all.iter().any(|s| s.status == StepStatus::Failed);
    let any_satisfied = all.iter().any(|s| s.is_satisfied());
    match step.trigger_rule {
        TriggerRule::AllSucceeded if all.iter().all(|s| s.is_satisfied()) => Gate::Open,
        TriggerRule::AllSucceeded
            if all
                .iter()
                .any(|s| s.status.is_terminal() && !s.is_satisfied()) =>
        {
            Gate::Never
        }
        TriggerRule::AllSucceeded => Gate::Wait,
        TriggerRule::AllDone if done => Gate::Open,
        TriggerRule::AnySucceeded if any_satisfied => Gate::Open,
        TriggerRule::AnyFailed if any_failed => Gate::Open,
        TriggerRule::AllDone => Gate::Wait,
        TriggerRule::AnySucceeded | TriggerRule::AnyFailed => {
            if done {
                Gate::Never
            } else {
                Gate::Wait
            }
        }
    }
}

/// Replaces every `{"$from": "<CEL>"}` by its value. Whether there was one.
fn resolve(value: &mut Value, names: &Object) -> Result<bool, String> {
    match value {
        Value::Object(object) => {
            if object.len() == 1
                && let Some(Value::String(text)) = object.get("$from")
            {
                *value = expression::evaluate(text, names)?;
                return Ok(true);
            }
            object
                .values_mut()
                .try_fold(false, |any, v| Ok(resolve(v, names)? | any))
        }
        Value::Array(items) => items
            .iter_mut()
            .try_fold(false, |any, v| Ok(resolve(v, names)? | any)),
        _ => Ok(false),
    }
}

/// The names that an expression sees: inputs, outputs, sharedData, variables, error, and the top-level keys of sharedData and outputs.
pub(super) fn names_of(
    process: &ProcessState,
    step: &ProcessStep,
    error: Option<&Failure>,
) -> Object {
    let mut names = Object::new();
    let shared = &process.context.shared_data;
    names.extend(shared.iter().map(|(k, v)| (k.clone(), v.clone())));
    let outputs = step
        .outputs
        .clone()
        .unwrap_or_else(|| Value::Object(Object::new()));
    if let Some(object) = outputs.as_object() {
        names.extend(object.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    names.insert("inputs".to_owned(), Value::Object(step.inputs.clone()));
    names.insert("outputs".to_owned(), outputs);
    names.insert("sharedData".to_owned(), Value::Object(shared.clone()));
    names.insert(
        "variables".to_owned(),
        Value::Object(process.context.variables.clone()),
    );
    names.insert("error".to_owned(), error.map_or(Value::Null, json));
    names.insert("attempts".to_owned(), step.attempts.into());
    names
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
        error: None,
        step: patch(step, step_status, Some(phase)),
    }
}

pub(super) fn intervention_change(
    i: &crate::model::intervention::HumanIntervention,
    status: InterventionStatus,
) -> InterventionChange {
    InterventionChange {
        id: i.id,
        process_id: i.process_id,
        status,
        outcome: None,
        response: None,
        vote: None,
        claimed_by: None,
        assignees: None,
        level: None,
        due_at: None,
        comment: None,
        reason: None,
        step: None,
    }
}
