//! The ends of attempts and steps that are no success, and what is closed with them.

use super::Decider;
use super::conditions::Verdict;
use super::flow::{attempt_change, step_change};
use super::intervention::intervention_change;
use crate::event::EventBody;
use crate::id::StepId;
use crate::limits;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::{HumanIntervention, InterventionStatus};
use crate::model::process::Failure;
use crate::model::step::{
    ConditionAction, ConditionResult, ProcessStep, SkipReason, StepPhase, StepStatus,
};

/// The attempt whose result ends it, with the hash of that result.
pub(super) type Ended<'a> = Option<(&'a Attempt, String)>;

impl Decider<'_> {
    /// An attempt failed: another follows after a backoff, or the step ends and its conditions decide.
    pub(super) fn attempt_failed(
        &mut self,
        step: &ProcessStep,
        attempt: &Attempt,
        error: Failure,
        digest: String,
    ) {
        let attempts = step.attempts + 1;
        if error.retryable && attempts < step.max_attempts {
            self.retry_later(step, Some((attempt, digest)), error, attempts, Vec::new());
        } else {
            self.end_badly(step, Some((attempt, digest)), error, attempts);
        }
    }

    /// Another attempt follows: after a backoff that doubles with every failure, or once the human has answered who is asked already.
    pub(super) fn retry_later(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: Failure,
        attempts: u32,
        conditions: Vec<ConditionResult>,
    ) {
        self.cancel_handoff_of(step.id, "the attempt failed");
        let asked = self
            .state
            .process
            .as_ref()
            .is_some_and(|p| p.open_interventions(step.id).next().is_some());
        let mut change = step_change(step, StepStatus::Pending, Some(StepPhase::Backoff));
        if asked {
            change.phase = Some(StepPhase::AwaitingInput);
        } else {
            let base = step
                .backoff_ms
                .saturating_mul(1 << attempts.saturating_sub(1).min(20))
                .min(limits::BACKOFF_MS);
            // Up to a fifth more, so that steps that failed together do not come back together.
            let jitter = match base {
                0 => 0,
                base => self.ctx.random() % (base / 5 + 1),
            };
            change.retry_at = Some(self.now().plus_ms(base + jitter));
        }
        change.error = Some(error);
        change.attempts = Some(attempts);
        change.conditions = conditions;
        if let Some((attempt, digest)) = attempt {
            change.attempt_id = Some(attempt.id);
            change.agent_id = Some(attempt.agent_id.clone());
            change.result_hash = Some(digest);
        }
        self.emit(EventBody::StepRetryScheduled(change));
        self.end_transfers(step.id);
    }

    /// A step has failed for good, unless a condition says otherwise.
    pub(super) fn end_badly(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: Failure,
        attempts: u32,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let mut ended = step.clone();
        ended.attempts = attempts;
        let verdict = super::conditions::judge(&process, &ended, Some(&error));
        // What is asked for again uses up an attempt, also where none failed: a step that loses every lease must come to its end.
        let again = attempts.max(step.attempts + 1);
        self.end_by(step, attempt, error, (attempts, again), verdict);
    }

    /// A step's conditions have been asked about its failure. Of its attempts so many are used up, and so many if there is another.
    pub(super) fn end_by(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: Failure,
        (attempts, again): (u32, u32),
        verdict: Verdict,
    ) {
        if let Some(why) = verdict.broken {
            let broken = Failure::permanent(
                "invalid_condition",
                format!("{why} (it failed before: {})", error.message),
            );
            return self.fail_step(step, attempt, broken, Some(attempts), verdict.results, None);
        }
        let results = verdict.results;
        let Some(matched) = verdict.matched else {
            return self.fail_step(step, attempt, error, Some(attempts), results, None);
        };
        let next = matched.next_step_id;
        match matched.action {
            ConditionAction::Retry if again < step.max_attempts => {
                self.retry_later(step, attempt, error, again, results);
            }
            ConditionAction::Retry => {
                self.fail_step(step, attempt, error, Some(attempts), results, None);
            }
            ConditionAction::Escalate => {
                self.escalate_step(step, attempt, &error, attempts, results);
            }
            ConditionAction::Abort => {
                let status = StepStatus::Failed;
                self.end_with(step, status, attempt, error, attempts, results, next);
                self.abort_process(Some(format!("a condition of {:?}", step.key)));
            }
            ConditionAction::Skip => {
                let status = StepStatus::Skipped;
                self.end_with(step, status, attempt, error, attempts, results, next);
                self.advance();
            }
            ConditionAction::Continue => {
                let status = StepStatus::Failed;
                self.end_with(step, status, attempt, error, attempts, results, next);
                self.advance();
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they are the parts of one end, and go into one event"
    )]
    fn end_with(
        &mut self,
        step: &ProcessStep,
        status: StepStatus,
        attempt: Ended<'_>,
        error: Failure,
        attempts: u32,
        conditions: Vec<ConditionResult>,
        next: Option<String>,
    ) {
        if attempt.is_none() {
            self.take_away(step, StepPhase::Blocked, "the step has ended");
        }
        let mut change = step_change(step, status, None);
        change.error = Some(error);
        change.attempts = Some(attempts);
        change.conditions = conditions;
        change.next_step_id = next;
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

    /// Ends a step as failed, without asking its conditions.
    pub(super) fn end_failed(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: Failure,
        attempts: Option<u32>,
    ) {
        self.fail_step(step, attempt, error, attempts, Vec::new(), None);
    }

    pub(super) fn fail_step(
        &mut self,
        step: &ProcessStep,
        attempt: Ended<'_>,
        error: Failure,
        attempts: Option<u32>,
        conditions: Vec<ConditionResult>,
        outputs: Option<serde_json::Value>,
    ) {
        if attempt.is_none() {
            self.take_away(step, StepPhase::Blocked, "the step has failed");
        }
        let mut change = step_change(step, StepStatus::Failed, None);
        change.error = Some(error);
        change.attempts = attempts;
        change.conditions = conditions;
        change.outputs = outputs;
        if let Some((attempt, digest)) = attempt {
            change.attempt_id = Some(attempt.id);
            change.agent_id = Some(attempt.agent_id.clone());
            change.result_hash = Some(digest);
        }
        self.emit(EventBody::StepFailed(change));
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Failed);
        self.after_failure(step.id);
    }

    fn cancel_handoff_of(&mut self, step: StepId, why: &str) {
        let pending = self
            .state
            .process
            .as_ref()
            .and_then(|p| p.pending_handoff(step))
            .map(|h| h.id);
        if let Some(id) = pending {
            self.end_handoff(id, HandoffStatus::Cancelled, Some(why.to_owned()), None);
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
        self.close_handoffs(id, "the step has ended");
    }

    pub(super) fn drop_intervention(&mut self, open: &HumanIntervention, why: &str) {
        let mut change = intervention_change(open, InterventionStatus::Cancelled);
        change.reason = Some(why.to_owned());
        self.emit(EventBody::InterventionCancelled(change));
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
}
