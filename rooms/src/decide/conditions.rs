//! The end of a step: its conditions are evaluated once, in order; the first that matches decides. Here a success; failures are in
//! [`super::ending`].

use serde_json::Value;

use super::flow::step_change;
use super::inputs::names_of;
use super::{Decider, json};
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
        let next = verdict.matched.and_then(|c| c.next_step_id);
        let skips_itself = action == Some(ConditionAction::Skip) && next.is_none();
        let status = if skips_itself {
            StepStatus::Skipped
        } else {
            StepStatus::Completed
        };
        let mut change = step_change(step, status, None);
        change.attempt_id = attempt.map(|a| a.id);
        change.agent_id = attempt.map(|a| a.agent_id.clone());
        // No outputs and `null` are the same: so is what the log is read as.
        change.outputs = Some(outputs.clone()).filter(|o| !o.is_null());
        change.result_hash = Some(digest);
        change.conditions = verdict.results;
        change.skip_reason = skips_itself.then_some(SkipReason::Decided);
        if action != Some(ConditionAction::Skip) {
            change.next_step_id.clone_from(&next);
        }
        self.emit(if skips_itself {
            EventBody::StepSkipped(change)
        } else {
            EventBody::StepCompleted(change)
        });
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Completed);
        match action {
            Some(ConditionAction::Abort) => {
                return self.abort_process(Some(format!("a condition of {:?}", step.key)));
            }
            Some(ConditionAction::Skip) => self.skip_named(next.as_deref(), SkipReason::Decided),
            Some(ConditionAction::Escalate) => self.escalate_process(step),
            _ => {}
        }
        self.advance();
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

/// Evaluates the conditions that look at this end of a step, up to the first that matches or cannot be evaluated.
pub(super) fn judge(
    process: &ProcessState,
    step: &ProcessStep,
    error: Option<&Failure>,
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
        if !looks {
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
