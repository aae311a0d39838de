//! What must always hold of a room's state, whatever happened to it. Rules keep it so; this is how a simulation, and the check of
//! a store, find out that one does not.

mod alerts;

use std::collections::{BTreeMap, BTreeSet};

use crate::State;
use crate::command::Timer;
use crate::event::{Event, EventBody};
use crate::id::{AlertId, InterventionId, StepId};
use crate::model::access::PrincipalKind;
use crate::model::attempt::AttemptStatus;
use crate::model::handoff::{HandoffKind, HandoffStatus};
use crate::model::intervention::{InterventionStatus, ResponseAction};
use crate::model::process::ProcessStatus;
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::state::{ProcessState, Tally};

/// Sees a room's events one by one, and finds what the state alone no longer shows.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    results: BTreeSet<(StepId, u32)>,
    decided: BTreeSet<InterventionId>,
    resolved: BTreeSet<AlertId>,
}

impl Witness {
    /// What does not hold at this event, which comes upon this state.
    pub fn see(&mut self, before: &State, event: &Event) -> Vec<String> {
        let mut found = Vec::new();
        if event.seq != before.seq + 1 {
            found.push(format!("after seq {} comes {}", before.seq, event.seq));
        }
        let Some(process) = before.process.as_deref().filter(|_| event.origin.is_none()) else {
            return found;
        };
        let begins = match &event.body {
            EventBody::AssignmentOffered(offer) => Some(&offer.attempt),
            EventBody::HandoffAccepted(change) => change.attempt.as_ref(),
            _ => None,
        };
        if let Some(new) = begins {
            let of_step: Vec<_> = process
                .attempts
                .values()
                .filter(|a| a.step_id == new.step_id)
                .collect();
            if let Some(held) = of_step.iter().find(|a| a.status.is_live()) {
                found.push(format!(
                    "{} gets a step that {} has: two live attempts",
                    new.agent_id, held.agent_id
                ));
            }
            if of_step.iter().any(|a| a.epoch >= new.epoch) {
                found.push(format!(
                    "the epoch {} of {} is not a new one",
                    new.epoch, new.agent_id
                ));
            }
        }
        match &event.body {
            EventBody::StepCompleted(change) => {
                let step = process.step(change.id);
                let run = step.map_or(0, |s| s.run);
                // A person has taken the result of work that had ended before.
                let taken = format!("result:{run}:");
                let taken = process.interventions.values().any(|i| {
                    i.step_id == Some(change.id)
                        && i.requested_by.kind == PrincipalKind::System
                        && i.key.starts_with(&taken)
                        && i.status == InterventionStatus::Completed
                });
                if !taken && step.is_none_or(|s| s.status != StepStatus::Running) {
                    found.push(format!(
                        "the step {:?} is completed without being at work",
                        change.key
                    ));
                }
                if !self.results.insert((change.id, run)) {
                    found.push(format!(
                        "a second result of the step {:?} in run {run}",
                        change.key
                    ));
                }
            }
            EventBody::InterventionCompleted(change)
            | EventBody::InterventionExpired(change)
            | EventBody::InterventionCancelled(change)
                if !self.decided.insert(change.id) =>
            {
                found.push(format!("the intervention {} ends a second time", change.id));
            }
            EventBody::AlertRaised(alert) if process.alerts.contains_key(&alert.id) => {
                found.push(format!("the alert {} is raised a second time", alert.id));
            }
            EventBody::AlertResolved(change) if !self.resolved.insert(change.id) => {
                found.push(format!("the alert {} is resolved a second time", change.id));
            }
            _ => {}
        }
        found
    }
}

/// What does not hold, a sentence each; empty when all is well.
pub fn broken(state: &State) -> Vec<String> {
    let mut found = Vec::new();
    if state.room.is_none() && (state.team.is_some() || state.process.is_some()) {
        found.push("something lives in a room that was never made".to_owned());
    }
    if let Some(process) = &state.process {
        of_process(process, &mut found);
        let archived = state.room.as_ref().is_some_and(|room| room.archived);
        if archived && !process.process.status.is_terminal() {
            found.push(format!(
                "the process is {} and its room is archived",
                process.process.status.as_str()
            ));
        }
    }
    found
}

fn of_process(process: &ProcessState, found: &mut Vec<String>) {
    let status = process.process.status;
    for step in &process.steps {
        of_step(process, step, found);
        if status.is_terminal() && !step.status.is_terminal() {
            found.push(format!(
                "the process is {} and its step {:?} is {}",
                status.as_str(),
                step.key,
                step.status.as_str()
            ));
        }
    }
    let ended = process
        .steps
        .iter()
        .filter(|s| s.status.is_terminal())
        .count();
    if matches!(status, ProcessStatus::Running | ProcessStatus::Paused)
        && ended == process.steps.len()
    {
        found.push(format!(
            "every step has ended and the process is {}",
            status.as_str()
        ));
    }
    if process.process.current_step != ended as u64 {
        found.push(format!(
            "{ended} steps have ended, currentStep says {}",
            process.process.current_step
        ));
    }
    let mut tally = Tally {
        shared_bytes: process.tally.shared_bytes,
        ..Tally::default()
    };
    process.steps.iter().for_each(|s| tally.enter(s));
    if tally != process.tally {
        found.push(format!(
            "the steps are {tally:?}, the tally says {:?}",
            process.tally
        ));
    }
    if status.is_terminal() != process.process.completed_at.is_some() {
        found.push(format!(
            "the process is {} and completedAt says otherwise",
            status.as_str()
        ));
    }
    for i in process.interventions.values() {
        let open = i.status == InterventionStatus::Pending;
        let step = i.step_id.and_then(|id| process.step(id));
        if open && status.is_terminal() {
            found.push(format!(
                "the intervention {} is open in a process that has ended",
                i.id
            ));
        }
        if open && step.is_some_and(|s| s.status.is_terminal()) {
            found.push(format!(
                "the intervention {} is open on a step that has ended",
                i.id
            ));
        }
        if open == i.completed_at.is_some() || (open && i.response.is_some()) {
            found.push(format!(
                "the intervention {} is {} and half decided",
                i.id,
                i.status.as_str()
            ));
        }
        if i.status == InterventionStatus::Completed
            && (i.response.is_none() || i.outcome.is_none())
        {
            found.push(format!(
                "the intervention {} is completed without a decision",
                i.id
            ));
        }
        let mut voters = BTreeSet::new();
        let mut deciding = i
            .votes
            .iter()
            .filter(|v| v.action != ResponseAction::Escalate);
        if !deciding.all(|v| voters.insert((&v.by, v.round))) {
            found.push(format!("somebody voted twice on the intervention {}", i.id));
        }
    }
    alerts::of_alerts(process, found);
    for h in process.handoffs.values().filter(|h| h.status.is_open()) {
        let step = process.step(h.from_step_id);
        if step.is_none_or(|s| s.status.is_terminal()) || status.is_terminal() {
            found.push(format!(
                "the handoff {} is {} on what has ended",
                h.id,
                h.status.as_str()
            ));
        }
    }
}

fn of_step(process: &ProcessState, step: &ProcessStep, found: &mut Vec<String>) {
    let key = &step.key;
    let mut wrong = |what: String| found.push(format!("the step {key:?} {what}"));
    let mut epochs = BTreeSet::new();
    let mut live = Vec::new();
    for attempt in process.attempts.values().filter(|a| a.step_id == step.id) {
        if !epochs.insert(attempt.epoch) {
            wrong(format!("gave the epoch {} twice", attempt.epoch));
        }
        if attempt.epoch > step.epoch {
            wrong(format!(
                "is at epoch {}, behind its attempt of {}",
                step.epoch, attempt.epoch
            ));
        }
        if attempt.status.is_live() {
            live.push(attempt);
            if attempt.epoch != step.epoch {
                wrong(format!(
                    "is at epoch {}, its live attempt at {}",
                    step.epoch, attempt.epoch
                ));
            }
        } else if attempt.ended_at.is_none() {
            wrong(format!(
                "has an attempt that is {} and did not end",
                attempt.status.as_str()
            ));
        }
    }
    if live.len() > 1 {
        wrong(format!("has {} live attempts", live.len()));
    }
    let live = live.first();
    if step.current_attempt != live.map(|a| a.id)
        || step.held_by.as_ref() != live.map(|a| &a.agent_id)
    {
        wrong("names another holder than its live attempt".to_owned());
    }
    let waits = process.open_interventions(step.id).next().is_some();
    let handing = process
        .handoffs
        .values()
        .filter(|h| {
            // What is delegated leaves the step with its agent.
            h.from_step_id == step.id
                && h.status == HandoffStatus::Pending
                && h.kind == HandoffKind::Transfer
        })
        .count();
    if handing > 1 {
        wrong(format!("has {handing} pending handoffs"));
    }
    let live = live.map(|a| a.status);
    use AttemptStatus::{Leased, Offered};
    let fits = match (step.status, step.phase) {
        // A person may ask about a step long before its turn; it then begins once they answered.
        (StepStatus::Pending, Some(StepPhase::Blocked)) => live.is_none() && handing == 0,
        (StepStatus::Pending, Some(StepPhase::Ready | StepPhase::Backoff)) => {
            live.is_none() && !waits && handing == 0
        }
        (StepStatus::Pending, Some(StepPhase::AwaitingInput)) => {
            live.is_none() && waits && handing == 0
        }
        (StepStatus::Running, Some(StepPhase::Offered)) => live == Some(Offered) && handing == 0,
        // A step that is a process of its own has no attempt.
        (StepStatus::Running, Some(StepPhase::Executing)) if step.process.is_some() => {
            live.is_none() && handing == 0
        }
        (StepStatus::Running, Some(StepPhase::Executing)) => {
            live == Some(Leased) && !waits && handing == 0
        }
        (StepStatus::Running, Some(StepPhase::AwaitingInput)) => {
            live == Some(Leased) && waits && handing == 0
        }
        (StepStatus::Running, Some(StepPhase::HandingOff)) => live != Some(Offered) && handing == 1,
        (status, None) => status.is_terminal() && live.is_none(),
        _ => false,
    };
    if !fits {
        wrong(format!(
            "is {} ({}) with {}, {} and {handing} pending handoffs",
            step.status.as_str(),
            step.phase.map_or("no phase", StepPhase::as_str),
            live.map_or("no live attempt", AttemptStatus::as_str),
            if waits {
                "an open question"
            } else {
                "no open question"
            },
        ));
    }
    // Each time that a human was asked after the last attempt, the answer may have been one more.
    let asked = format!("escalation:{}:", step.run);
    let more = process
        .interventions
        .values()
        .filter(|i| i.requested_by.kind == PrincipalKind::System)
        .filter(|i| i.step_id == Some(step.id) && i.key.starts_with(&asked))
        .filter(|i| i.status != InterventionStatus::Pending)
        .count();
    if step.attempts as usize > step.max_attempts as usize + more {
        wrong(format!(
            "failed {} of {} times",
            step.attempts, step.max_attempts
        ));
    }
}

/// The timers that a state needs, by key: without one of them what it waits for would never end.
pub fn timers(state: &State) -> BTreeMap<String, Timer> {
    let mut needed = BTreeMap::new();
    let Some(process) = &state.process else {
        return needed;
    };
    let mut need = |timer: Timer| needed.insert(timer.key(), timer);
    for (id, attempt) in &process.attempts {
        match attempt.status {
            AttemptStatus::Offered => need(Timer::Offer { attempt: *id }),
            AttemptStatus::Leased => need(Timer::Lease { attempt: *id }),
            _ => None,
        };
    }
    for (id, handoff) in &process.handoffs {
        if handoff.status == HandoffStatus::Pending {
            need(Timer::Handoff { handoff: *id });
        }
    }
    for (id, i) in &process.interventions {
        // One that was escalated expires no more: it waits for whom it was escalated to.
        if i.status == InterventionStatus::Pending && i.expires_at.is_some() && i.level == 0 {
            need(Timer::Intervention {
                intervention: *id,
                level: i.level,
            });
        }
    }
    for step in &process.steps {
        if step.phase == Some(StepPhase::Backoff) {
            need(Timer::Backoff {
                step: step.id,
                attempts: step.attempts,
            });
        }
        // Work done by a process of its own has that process's timeout, unless the step has one itself.
        if step.running_since.is_some() && (step.timeout_ms.is_some() || step.process.is_none()) {
            need(Timer::StepTimeout { step: step.id });
        }
    }
    if process.process.running_since.is_some() {
        need(Timer::ProcessTimeout);
    }
    needed
}
