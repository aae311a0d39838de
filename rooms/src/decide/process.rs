//! What people do to a whole process: pause, resume, cancel, retry.

use super::flow::{attempt_change, step_change};
use super::{Decider, Ruled};
use crate::Refusal;
use crate::event::EventBody;
use crate::id::StepId;
use crate::model::attempt::AttemptStatus;
use crate::model::handoff::HandoffStatus;
use crate::model::process::{PauseMode, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;

impl Decider<'_> {
    fn in_status(
        &self,
        allowed: &[ProcessStatus],
        verb: &str,
    ) -> Result<std::sync::Arc<ProcessState>, Refusal> {
        let process = self.process()?;
        let status = process.process.status;
        if allowed.contains(&status) {
            return Ok(process);
        }
        let names: Vec<_> = allowed.iter().map(|s| s.as_str()).collect();
        Err(Refusal::illegal(format!(
            "the process is {}; only a {} one can be {verb}",
            status.as_str(),
            names.join(" or ")
        )))
    }

    fn process_reply(&self) -> Ruled {
        Ok(super::json(&self.process()?.resource()))
    }

    pub(super) fn pause_process(&mut self, why: &r::ProcessReason) -> Ruled {
        let process = self.in_status(&[ProcessStatus::Running], "paused")?;
        let mut change = self.process_change(ProcessStatus::Paused);
        change.reason.clone_from(&why.reason);
        change.mode = Some(why.mode);
        self.emit(EventBody::ProcessPaused(change));
        for step in &process.steps {
            if why.mode == PauseMode::Interrupt
                && step.child_process_id.is_some()
                && step.is_at_work()
            {
                // Its process is cancelled; another begins on resume, or once the human has answered who was asked about the step.
                let asked = process.open_interventions(step.id).next().is_some();
                let phase = if asked {
                    StepPhase::AwaitingInput
                } else {
                    StepPhase::Ready
                };
                self.emit(EventBody::StepReady(step_change(
                    step,
                    StepStatus::Pending,
                    Some(phase),
                )));
                continue;
            }
            let Some(attempt) = process.live_attempt(step) else {
                continue;
            };
            // An offer that nobody has taken is work not yet handed out; a lease is taken away only by an interrupt.
            if attempt.status == AttemptStatus::Offered || why.mode == PauseMode::Interrupt {
                if let Some(handoff) = process.pending_handoff(step.id) {
                    let why = Some("the process is paused".to_owned());
                    self.end_handoff(handoff.id, HandoffStatus::Cancelled, why, None);
                }
                // A question that the step has asked stays: it belongs to the step, and its answer is of use to whoever goes on.
                let asked = process.open_interventions(step.id).next().is_some();
                let phase = if asked {
                    StepPhase::AwaitingInput
                } else {
                    StepPhase::Blocked
                };
                let mut change = attempt_change(
                    attempt,
                    step,
                    AttemptStatus::Cancelled,
                    StepStatus::Pending,
                    phase,
                );
                change.reason = Some("the process is paused".to_owned());
                self.emit(EventBody::AssignmentCancelled(change));
                if !asked {
                    self.make_ready(step.id);
                }
            }
        }
        self.process_reply()
    }

    pub(super) fn resume_process(&mut self, _: &r::ProcessReason) -> Ruled {
        let process = self.in_status(&[ProcessStatus::Paused], "resumed")?;
        let change = self.process_change(ProcessStatus::Running);
        self.emit(EventBody::ProcessResumed(change));
        drop(process);
        self.advance();
        self.process_reply()
    }

    pub(super) fn cancel_process(&mut self, why: &r::ProcessReason) -> Ruled {
        self.in_status(
            &[
                ProcessStatus::Pending,
                ProcessStatus::Running,
                ProcessStatus::Paused,
            ],
            "cancelled",
        )?;
        self.abort_process(why.reason.clone());
        self.process_reply()
    }

    pub(super) fn retry_process(&mut self, why: &r::ProcessReason) -> Ruled {
        let process = self.in_status(&[ProcessStatus::Failed], "retried")?;
        if process.process.started_at.is_none() {
            return Err(Refusal::illegal(
                "its start was refused; start it anew, or fork it, so that it is asked about again",
            ));
        }
        let mut change = self.process_change(ProcessStatus::Running);
        change.reason.clone_from(&why.reason);
        change.reset = to_run_again(&process);
        self.emit(EventBody::ProcessRetried(change));
        self.advance();
        self.process_reply()
    }
}

/// What a retry sets back: steps that failed or were stopped, and the steps that were passed over because of them. What has completed stays,
/// and so does what a person or a condition of a step that stays has passed over.
fn to_run_again(process: &ProcessState) -> Vec<StepId> {
    let graph = process.graph();
    let again = |s: &ProcessStep| {
        matches!(s.status, StepStatus::Failed | StepStatus::Cancelled)
            || s.skip_reason == Some(SkipReason::Dependencies)
    };
    let steps = process.steps.iter().enumerate();
    steps
        .filter(|(_, s)| s.parent_step_id.is_none())
        .filter(|(n, s)| {
            again(s)
                || (s.skip_reason == Some(SkipReason::Branch)
                    && process.steps_at(graph.choosers(*n)).any(|c| again(c)))
        })
        .map(|(_, s)| s.id)
        .collect()
}
