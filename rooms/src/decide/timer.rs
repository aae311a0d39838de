//! Timers: which follow from which event, and what they do when they fire.

use super::alerts::OVERDUE;
use super::{Decider, Ruled, TimerOp};
use crate::Refusal;
use crate::command::Timer;
use crate::event::EventBody;
use crate::model::attempt::AttemptStatus;
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::InterventionStatus;
use crate::model::step::StepPhase;

impl Decider<'_> {
    pub(super) fn timers_of(&mut self, body: &EventBody) {
        use EventBody as E;
        let mut set = |timer: Timer, due| self.timers.push(TimerOp::Set { timer, due });
        match body {
            E::AssignmentOffered(offer) => {
                let attempt = offer.attempt.id;
                let leased = offer.attempt.status == AttemptStatus::Leased;
                set(
                    if leased {
                        Timer::Lease { attempt }
                    } else {
                        Timer::Offer { attempt }
                    },
                    offer.attempt.lease_until,
                );
            }
            E::AssignmentAccepted(c) => {
                if let Some(due) = c.lease_until {
                    set(Timer::Lease { attempt: c.id }, due);
                }
                self.clear(&Timer::Offer { attempt: c.id });
            }
            E::AssignmentRejected(c)
            | E::AssignmentExpired(c)
            | E::AssignmentReleased(c)
            | E::AssignmentSuspended(c)
            | E::AssignmentCancelled(c) => {
                self.clear(&Timer::Offer { attempt: c.id });
                self.clear(&Timer::Lease { attempt: c.id });
            }
            E::StepRetryScheduled(c) => {
                if let (Some(due), Some(attempts)) = (c.retry_at, c.attempts) {
                    set(
                        Timer::Backoff {
                            step: c.id,
                            attempts,
                        },
                        due,
                    );
                }
                self.clear_lease(c.attempt_id);
            }
            E::StepCompleted(c) | E::StepFailed(c) | E::StepSkipped(c) => {
                self.clear_lease(c.attempt_id)
            }
            E::HandoffRequested(c) => set(
                Timer::Handoff {
                    handoff: c.handoff.id,
                },
                c.handoff.expires_at,
            ),
            E::HandoffAccepted(c) => {
                if let Some(attempt) = &c.attempt {
                    set(
                        Timer::Lease {
                            attempt: attempt.id,
                        },
                        attempt.lease_until,
                    );
                }
                self.clear(&Timer::Handoff { handoff: c.id });
            }
            E::HandoffRejected(c) | E::HandoffExpired(c) | E::HandoffCancelled(c)
                if c.status != HandoffStatus::Pending =>
            {
                self.clear(&Timer::Handoff { handoff: c.id });
            }
            E::InterventionRequested(i) => {
                self.time_question(i.id, i.level, i.requested_at, i.due_at, i.expires_at);
            }
            E::InterventionEscalated(c) => {
                let level = c.level.unwrap_or_default();
                self.time_question(c.id, level, self.now(), c.due_at, c.expires_at);
            }
            E::InterventionCompleted(c)
            | E::InterventionExpired(c)
            | E::InterventionCancelled(c) => self.stop_question(c.id),
            E::CommunicationSent(sent) => {
                if let Some(due) = sent.respond_by {
                    let communication = sent.id;
                    set(Timer::Communication { communication }, due);
                }
            }
            E::CommunicationResponded(c) => {
                self.clear(&Timer::Communication {
                    communication: c.id,
                });
            }
            _ => {}
        }
    }

    pub(super) fn clear(&mut self, timer: &Timer) {
        self.timers.push(TimerOp::Clear { key: timer.key() });
    }

    fn clear_lease(&mut self, attempt: Option<crate::id::AttemptId>) {
        if let Some(attempt) = attempt {
            self.clear(&Timer::Lease { attempt });
        }
    }

    /// A timer fired. The lane has made sure, under lock, that it was neither moved nor cleared; here it is checked that what it
    /// meant still stands.
    pub(super) fn timer(&mut self, timer: &Timer) -> Ruled {
        let process = self.process()?;
        let stale = || Refusal::illegal("what this timer meant has passed");
        match timer {
            Timer::Offer { attempt } => {
                let attempt = process
                    .attempts
                    .get(attempt)
                    .filter(|a| a.status == AttemptStatus::Offered);
                self.expire_attempt(attempt.ok_or_else(stale)?)
            }
            Timer::Lease { attempt } => {
                let attempt = process
                    .attempts
                    .get(attempt)
                    .filter(|a| a.status == AttemptStatus::Leased);
                self.expire_attempt(attempt.ok_or_else(stale)?)
            }
            Timer::Backoff { step, attempts } => {
                let step = process
                    .step(*step)
                    .filter(|s| s.phase == Some(StepPhase::Backoff) && s.attempts == *attempts);
                // One that never began, for want of its inputs, may have to be approved first.
                self.open(step.ok_or_else(stale)?);
                Ok(serde_json::Value::Null)
            }
            Timer::StepTimeout { step } => self.step_timeout(&process, *step),
            Timer::StartChild { .. } | Timer::CancelChild { .. } | Timer::TellParent { .. } => {
                self.outbound_done(&process, timer)
            }
            Timer::ProcessTimeout => self.process_timeout(&process),
            Timer::Reoffer { .. } => Ok(serde_json::Value::Null),
            Timer::Handoff { handoff } => {
                let handoff = process
                    .handoffs
                    .get(handoff)
                    .filter(|h| h.status == HandoffStatus::Pending);
                self.expire_handoff(handoff.ok_or_else(stale)?)
            }
            Timer::Communication { communication } => {
                let open = process.open_communications.get(communication);
                self.expire_communication(open.ok_or_else(stale)?)
            }
            Timer::Intervention {
                intervention,
                level,
            } => {
                let open = process
                    .interventions
                    .get(intervention)
                    .filter(|i| i.status == InterventionStatus::Pending && i.level == *level);
                self.expire_intervention(open.ok_or_else(stale)?)
            }
            Timer::Reminder {
                intervention,
                level,
                percent,
            } => {
                let open = process
                    .interventions
                    .get(intervention)
                    .filter(|i| i.status == InterventionStatus::Pending && i.level == *level);
                let open = open.ok_or_else(stale)?;
                if *percent < OVERDUE {
                    return self.remind(open);
                }
                self.overdue(open);
                if let Some(due) = open.due_at {
                    self.time_overdue(open.id, open.level, due, Some(self.now()));
                }
                Ok(serde_json::Value::Null)
            }
        }
    }
}
