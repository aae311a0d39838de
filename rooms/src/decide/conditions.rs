//! The end of a step: its conditions are evaluated once, in order; the first that matches decides.

use serde_json::Value;

use super::Decider;
use super::flow::{names_of, step_change};
use crate::event::EventBody;
use crate::expression;
use crate::model::attempt::Attempt;
use crate::model::handoff::HandoffStatus;
use crate::model::process::Failure;
use crate::model::step::{
    ConditionAction, ConditionResult, ConditionType, ProcessStep, SkipReason, StepCondition,
    StepPhase, StepStatus,
};
use crate::state::ProcessState;

/// What the conditions of a step gave.
struct Verdict {
    results: Vec<ConditionResult>,
    /// The condition that decides.
    matched: Option<StepCondition>,
    /// An expression that could not be evaluated.
    broken: Option<String>,
}

impl Decider<'_> {
    /// An attempt's result is in.
    pub(super) fn finish(
        &mut self,
        process: &ProcessState,
        step: &ProcessStep,
        attempt: &Attempt,
        outputs: &Value,
        digest: String,
    ) {
        let mut ended = step.clone();
        ended.outputs = Some(outputs.clone());
        let verdict = judge(process, &ended, None);
        if let Some(why) = verdict.broken {
            let error = Failure::permanent("invalid_condition", why);
            return self.end_failed(step, Some((attempt, digest)), error, None);
        }
        let action = verdict.matched.as_ref().map(|c| c.action);
        if action == Some(ConditionAction::Retry) && step.attempts + 1 < step.max_attempts {
            let error = Failure {
                code: "condition".to_owned(),
                message: "a condition asks for another attempt".to_owned(),
                retryable: true,
                details: None,
            };
            self.close_step(step.id);
            return self.retry_later(step, Some((attempt, digest)), error, step.attempts + 1);
        }
        let mut change = step_change(step, StepStatus::Completed, None);
        change.attempt_id = Some(attempt.id);
        change.agent_id = Some(attempt.agent_id.clone());
        change.outputs = Some(outputs.clone());
        change.result_hash = Some(digest);
        change.conditions = verdict.results;
        self.emit(EventBody::StepCompleted(change));
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Completed);
        match action {
            Some(ConditionAction::Abort) => {
                return self.abort_process(Some(format!("a condition of {:?}", step.key)));
            }
            Some(ConditionAction::Skip) => {
                let next = verdict
                    .matched
                    .as_ref()
                    .and_then(|c| c.next_step_id.clone());
                self.skip_named(next.as_deref(), SkipReason::Decided);
            }
            Some(ConditionAction::Escalate) => self.escalate_process(step),
            _ => {}
        }
        self.take_branch(step, verdict.matched.as_ref());
        self.advance();
    }

    /// A step has failed for good, unless a condition says otherwise.
    pub(super) fn end_badly(
        &mut self,
        step: &ProcessStep,
        attempt: Option<(&Attempt, String)>,
        error: Failure,
        attempts: u32,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let mut ended = step.clone();
        ended.attempts = attempts;
        let verdict = judge(&process, &ended, Some(&error));
        let Some(matched) = verdict.matched else {
            return self.end_failed(step, attempt, error, Some(attempts));
        };
        match matched.action {
            ConditionAction::Retry if attempts < step.max_attempts => {
                self.close_step(step.id);
                self.retry_later(step, attempt, error, attempts);
            }
            ConditionAction::Retry => self.end_failed(step, attempt, error, Some(attempts)),
            ConditionAction::Escalate => self.escalate_step(step, attempt, &error, attempts),
            ConditionAction::Abort => {
                self.end_with(
                    step,
                    StepStatus::Failed,
                    attempt,
                    error,
                    attempts,
                    verdict.results,
                );
                self.abort_process(Some(format!("a condition of {:?}", step.key)));
            }
            ConditionAction::Skip => {
                self.end_with(
                    step,
                    StepStatus::Skipped,
                    attempt,
                    error,
                    attempts,
                    verdict.results,
                );
                self.take_branch(step, Some(&matched));
                self.advance();
            }
            ConditionAction::Continue => {
                self.end_with(
                    step,
                    StepStatus::Failed,
                    attempt,
                    error,
                    attempts,
                    verdict.results,
                );
                self.take_branch(step, Some(&matched));
                self.advance();
            }
        }
    }

    fn end_with(
        &mut self,
        step: &ProcessStep,
        status: StepStatus,
        attempt: Option<(&Attempt, String)>,
        error: Failure,
        attempts: u32,
        conditions: Vec<ConditionResult>,
    ) {
        if attempt.is_none() {
            self.take_away(step, StepPhase::Blocked, "the step has ended");
        }
        let mut change = step_change(step, status, None);
        change.error = Some(error);
        change.attempts = Some(attempts);
        change.conditions = conditions;
        if let Some((attempt, digest)) = attempt {
            change.attempt_id = Some(attempt.id);
            change.agent_id = Some(attempt.agent_id.clone());
            change.result_hash = Some(digest);
        }
        if status == StepStatus::Skipped {
            change.skip_reason = Some(SkipReason::Decided);
            self.emit(EventBody::StepSkipped(change));
        } else {
            change.failure_handled = true;
            self.emit(EventBody::StepFailed(change));
        }
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Failed);
    }

    /// The steps that the other conditions would have gone on with are passed over.
    fn take_branch(&mut self, step: &ProcessStep, taken: Option<&StepCondition>) {
        let next = taken.and_then(|c| c.next_step_id.clone());
        for other in step
            .conditions
            .iter()
            .filter_map(|c| c.next_step_id.as_deref())
        {
            if Some(other) != next.as_deref() {
                self.skip_named(Some(other), SkipReason::Branch);
            }
        }
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

fn judge(process: &ProcessState, step: &ProcessStep, error: Option<&Failure>) -> Verdict {
    let mut verdict = Verdict {
        results: Vec::new(),
        matched: None,
        broken: None,
    };
    let end = match error {
        None => ConditionType::Success,
        Some(e) if e.code == "timeout" => ConditionType::Timeout,
        Some(_) => ConditionType::Failure,
    };
    let names = names_of(process, step, error);
    for (index, condition) in step.conditions.iter().enumerate() {
        let looks = condition.kind == end
            || condition.kind == ConditionType::Custom
            || (end == ConditionType::Timeout && condition.kind == ConditionType::Failure);
        if !looks {
            continue;
        }
        let matched = match expression::holds(&condition.condition, &names) {
            Ok(matched) => matched,
            Err(why) => {
                verdict.broken = Some(format!("condition {index} of step {:?}: {why}", step.key));
                return verdict;
            }
        };
        verdict.results.push(ConditionResult {
            index,
            condition: condition.condition.clone(),
            matched,
            action: matched.then_some(condition.action),
        });
        if matched {
            verdict.matched = Some(condition.clone());
            break;
        }
    }
    verdict
}
