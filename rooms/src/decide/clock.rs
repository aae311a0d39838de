//! Deadlines. A step has its timeout, a process has its own; each is compared with a clock that stands still while (only) humans are
//! awaited. The clocks are part of the state ([`crate::state`]); here they become timers, and here it is decided what an expired one does.
//!
//! The timers are set once a command has been decided, from what its clocks would have run out at before it and after it: a process that
//! goes from one step to the next within a command moves no timer.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Decider, Ruled, TimerOp};
use crate::command::Timer;
use crate::event::EventBody;
use crate::id::StepId;
use crate::model::attempt::AttemptStatus;
use crate::model::process::Failure;
use crate::model::step::{ConditionType, ProcessStep, StepPhase, StepStatus};
use crate::state::ProcessState;
use crate::{Refusal, State, Timestamp};

/// When the clocks would have run out before the command; none where one stood still.
#[derive(Default)]
pub(super) struct Clocks {
    process: Option<Timestamp>,
    steps: BTreeMap<StepId, Option<Timestamp>>,
}

impl Clocks {
    pub(super) fn of(state: &State) -> Self {
        Self {
            process: state.process.as_deref().and_then(process_deadline),
            steps: BTreeMap::new(),
        }
    }
}

/// How long an attempt of a step may be worked on: its own timeout, else the team's. Work done by a process of its own has the timeout of
/// that process, so only a timeout of the step's own bounds it here.
pub(super) fn timeout_of(process: &ProcessState, step: &ProcessStep) -> Option<u64> {
    let team = process.process.configuration.timeout_settings.task_timeout;
    step.timeout_ms.or(step.process.is_none().then_some(team))
}

fn step_deadline(process: &ProcessState, step: &ProcessStep) -> Option<Timestamp> {
    let left = timeout_of(process, step)?.saturating_sub(step.elapsed_ms);
    step.running_since.map(|since| since.plus_ms(left))
}

fn process_deadline(process: &ProcessState) -> Option<Timestamp> {
    let p = &process.process;
    let whole = p.configuration.timeout_settings.process_timeout;
    let left = whole.saturating_sub(p.elapsed_ms);
    p.running_since.map(|since| since.plus_ms(left))
}

impl Decider<'_> {
    /// Remembers a step's deadline before its first change in this command.
    pub(super) fn note_clock(&mut self, step: Option<StepId>) {
        if let (Some(id), Some(process)) = (step, &self.state.process)
            && !self.clocks.steps.contains_key(&id)
        {
            let before = process.step(id).and_then(|s| step_deadline(process, s));
            self.clocks.steps.insert(id, before);
        }
    }

    /// Sets and clears the timers of the clocks that this command started, stopped or moved.
    pub(super) fn set_clocks(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let clocks = std::mem::take(&mut self.clocks);
        let mut set = |timer: Timer, before: Option<Timestamp>, after: Option<Timestamp>| {
            if before != after {
                self.timers.push(match after {
                    Some(due) => TimerOp::Set { timer, due },
                    None => TimerOp::Clear { key: timer.key() },
                });
            }
        };
        for (id, before) in clocks.steps {
            let after = process.step(id).and_then(|s| step_deadline(&process, s));
            set(Timer::StepTimeout { step: id }, before, after);
        }
        let after = process_deadline(&process);
        set(Timer::ProcessTimeout, clocks.process, after);
    }

    /// A step's clock ran out. A condition of the type `timeout` decides at once; without one that matches it is a failed attempt like
    /// another, and the next follows while attempts are left.
    pub(super) fn step_timeout(&mut self, process: &ProcessState, id: StepId) -> Ruled {
        let stale = || Refusal::illegal("what this timer meant has passed");
        let step = process.step(id).ok_or_else(stale)?;
        let timeout = timeout_of(process, step).ok_or_else(stale)?;
        if !step.is_at_work() || step.worked_ms(self.now()) < timeout {
            return Err(stale());
        }
        let error = Failure::timeout(format!("took longer than {timeout} ms"));
        let attempts = step.attempts + 1;
        self.end_work(process, step, &error);
        let Some(process) = self.state.process.clone() else {
            return Ok(Value::Null);
        };
        let step = process.step(id).ok_or_else(stale)?;
        let mut ended = (**step).clone();
        ended.attempts = attempts;
        let last = attempts >= step.max_attempts;
        // The conditions that look at every failure are asked once no attempt is left.
        let looks = |kind| last || kind == ConditionType::Timeout;
        let verdict = super::conditions::judge_where(&process, &ended, Some(&error), looks);
        if last || verdict.broken.is_some() || verdict.matched.is_some() {
            let again = attempts;
            self.end_by(step, None, error, (attempts, again), verdict);
        } else {
            self.retry_later(step, None, error, attempts, verdict.results);
        }
        Ok(Value::Null)
    }

    /// Takes the work away from whoever does it: its time is up.
    fn end_work(&mut self, process: &ProcessState, step: &ProcessStep, error: &Failure) {
        if let Some(handoff) = process.pending_handoff(step.id) {
            let why = "the step took too long".to_owned();
            let cancelled = crate::model::handoff::HandoffStatus::Cancelled;
            self.end_handoff(handoff.id, cancelled, Some(why), None);
        }
        if let Some(attempt) = process.live_attempt(step) {
            let mut change = super::flow::attempt_change(
                attempt,
                step,
                AttemptStatus::Failed,
                StepStatus::Pending,
                StepPhase::Blocked,
            );
            change.reason = Some(format!("the step {}", error.message));
            change.error = Some(error.clone());
            self.emit(EventBody::AssignmentCancelled(change));
        }
    }

    /// The clock of the whole ran out: it fails.
    pub(super) fn process_timeout(&mut self, process: &ProcessState) -> Ruled {
        if process_deadline(process).is_none_or(|due| due > self.now()) {
            return Err(Refusal::illegal("what this timer meant has passed"));
        }
        let whole = process
            .process
            .configuration
            .timeout_settings
            .process_timeout;
        self.fail_process(Failure::timeout(format!(
            "the process took longer than {whole} ms"
        )));
        Ok(Value::Null)
    }
}
