//! The end of a step: its conditions are evaluated once, in order; the first that matches decides. Here a success; failures are in
//! [`super::ending`].

use serde_json::Value;

use super::flow::step_change;
use super::inputs::names_of;
use super::{Decider, json};
use crate::event::{EventBody, StepChange};
use crate::expression;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::HumanIntervention;
use crate::model::process::Failure;
use crate::model::step::{
    ConditionAction, ConditionResult, ConditionType, ProcessStep, SkipReason, StepCondition,
    StepPhase, StepStatus,
};
use crate::state::ProcessState;

/// What the conditions of a step gave.
pub(super) struct Verdict {
    pub(super) results: Vec<ConditionResult>,
    /// The condition that decides.
    pub(super) matched: Option<StepCondition>,
    /// An expression that could not be evaluated.
    pub(super) broken: Option<String>,
}

impl Decider<'_> {
    /// A result is in: of an attempt, or of the process that does the step's work.
    pub(super) fn finish(
        &mut self,
        process: &ProcessState,
        step: &ProcessStep,
        attempt: Option<&Attempt>,
        outputs: &Value,
        digest: String,
    ) {
        let mut ended = step.clone();
        ended.outputs = Some(outputs.clone());
        let verdict = judge(process, &ended, None);
        let attempted = attempt.map(|a| (a, digest.clone()));
        if let Some(why) = verdict.broken {
            let error = Failure::permanent("invalid_condition", why);
            let outputs = Some(outputs.clone()).filter(|o| !o.is_null());
            return self.fail_step(step, attempted, error, None, verdict.results, outputs);
        }
        let action = verdict.matched.as_ref().map(|c| c.action);
        if action == Some(ConditionAction::Retry) {
            let attempts = step.attempts + 1;
            let error = Failure {
                code: "condition".to_owned(),
                message: "a condition asks for another attempt".to_owned(),
                retryable: true,
                details: None,
            };
            if attempts < step.max_attempts {
                return self.retry_later(step, attempted, error, attempts, verdict.results);
            }
            // No attempt is left, and what came is not what was wanted.
            let outputs = Some(outputs.clone()).filter(|o| !o.is_null());
            return self.fail_step(
                step,
                attempted,
                error,
                Some(attempts),
                verdict.results,
                outputs,
            );
        }
        if action == Some(ConditionAction::Escalate) {
            return self.escalate_result(step, attempted, outputs, verdict.results);
        }
        let mut change = result_change(step, outputs, verdict.results, verdict.matched.as_ref());
        change.attempt_id = attempt.map(|a| a.id);
        change.agent_id = attempt.map(|a| a.agent_id.clone());
        change.result_hash = Some(digest);
        self.end_well(step, change);
        match action {
            Some(ConditionAction::Abort) => {
                return self.abort_process(Some(format!("a condition of {:?}", step.key)));
            }
            Some(ConditionAction::Skip) => {
                let next = verdict.matched.and_then(|c| c.next_step_id);
                self.skip_named(next.as_deref(), SkipReason::Decided);
            }
            _ => {}
        }
        self.advance();
    }

    /// A person takes the result that a condition escalated.
    pub(super) fn take_result(&mut self, i: &HumanIntervention) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let step = i.step_id.and_then(|id| process.step(id));
        let Some(step) = step.filter(|s| !s.status.is_terminal()) else {
            return;
        };
        let outputs = i.subject.clone().unwrap_or_default();
        // Others may have filled what there was room for when the result came.
        if let Err(refusal) = self.require_room_for(&process, step, &outputs) {
            let error = Failure::permanent(refusal.code.as_str(), refusal.detail);
            return self.end_failed(step, None, error, None);
        }
        let matched = i.conditions.iter().find(|result| result.matched);
        let condition = matched.and_then(|result| step.conditions.get(result.index));
        let mut change = result_change(step, &outputs, i.conditions.clone(), condition);
        let attempts = process.attempts.values();
        let of = attempts.filter(|a| a.step_id == step.id && a.status == AttemptStatus::Completed);
        change.agent_id = of.max_by_key(|a| a.epoch).map(|a| a.agent_id.clone());
        self.end_well(step, change);
        self.advance();
    }

    fn end_well(&mut self, step: &ProcessStep, change: StepChange) {
        self.emit(if change.status == StepStatus::Skipped {
            EventBody::StepSkipped(change)
        } else {
            EventBody::StepCompleted(change)
        });
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Completed);
    }

    fn skip_named(&mut self, name: Option<&str>, why: SkipReason) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = name.and_then(|n| process.step_named(n)) else {
            return;
        };
        if step.status == StepStatus::Pending && step.phase == Some(StepPhase::Blocked) {
            self.skip(step, why);
        }
    }
}

/// A step that has a result, and what the condition that decides says of it.
fn result_change(
    step: &ProcessStep,
    outputs: &Value,
    conditions: Vec<ConditionResult>,
    matched: Option<&StepCondition>,
) -> StepChange {
    let skips = matched.is_some_and(|c| c.action == ConditionAction::Skip);
    let next = matched.and_then(|c| c.next_step_id.clone());
    let skips_itself = skips && next.is_none();
    let status = if skips_itself {
        StepStatus::Skipped
    } else {
        StepStatus::Completed
    };
    let mut change = step_change(step, status, None);
    // No outputs and `null` are the same: so is what the log is read as.
    change.outputs = Some(outputs.clone()).filter(|o| !o.is_null());
    change.conditions = conditions;
    change.skip_reason = skips_itself.then_some(SkipReason::Decided);
    change.next_step_id = next.filter(|_| !skips);
    change
}

/// Evaluates the conditions that look at this end of a step, up to the first that matches or cannot be evaluated.
pub(super) fn judge(
    process: &ProcessState,
    step: &ProcessStep,
    error: Option<&Failure>,
) -> Verdict {
    judge_where(process, step, error, |_| true)
}

/// The same of the conditions of some types.
pub(super) fn judge_where(
    process: &ProcessState,
    step: &ProcessStep,
    error: Option<&Failure>,
    asked: impl Fn(ConditionType) -> bool,
) -> Verdict {
    let mut verdict = Verdict {
        results: Vec::new(),
        matched: None,
        broken: None,
    };
    let end = match error {
        None => ConditionType::Success,
        Some(e) if e.code == Failure::TIMEOUT => ConditionType::Timeout,
        Some(_) => ConditionType::Failure,
    };
    let error = error.map_or(Value::Null, json);
    let names = names_of(process, step, &error);
    for (index, condition) in step.conditions.iter().enumerate() {
        let looks = condition.kind == end
            || condition.kind == ConditionType::Custom
            || (end == ConditionType::Timeout && condition.kind == ConditionType::Failure);
        if !looks || !asked(condition.kind) {
            continue;
        }
        let given = expression::holds(&condition.condition, &names);
        let matched = given == Ok(true);
        verdict.results.push(ConditionResult {
            index,
            condition: condition.condition.clone(),
            matched,
            seen: expression::seen(&condition.condition, &names),
            error: given.as_ref().err().cloned(),
            action: matched.then_some(condition.action),
        });
        if let Err(why) = given {
            verdict.broken = Some(format!("condition {index} of step {:?}: {why}", step.key));
        } else if matched {
            verdict.matched = Some(condition.clone());
        } else {
            continue;
        }
        break;
    }
    verdict
}
