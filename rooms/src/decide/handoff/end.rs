//! How a handoff ends: refused, taken back, run out, or with the work that was handed over.

use serde_json::Value;

use super::already;
use crate::Refusal;
use crate::decide::flow::step_change;
use crate::decide::{Decider, Ruled, patch};
use crate::event::{EventBody, HandoffChange};
use crate::id::{HandoffId, StepId};
use crate::model::handoff::{AgentHandoff, HandoffKind, HandoffStatus};
use crate::model::step::{StepPatch, StepPhase, StepStatus};
use crate::request as r;

impl Decider<'_> {
    /// An agent that is asked refuses; where others are asked too, only the last refusal ends the handoff. A person's refusal is
    /// that of all of them.
    pub(in crate::decide) fn reject_handoff(
        &mut self,
        id: HandoffId,
        why: &r::HandoffReason,
    ) -> Ruled {
        let handoff = self.pending(id)?;
        check_reason(why)?;
        let by = self.ctx.principal.agent_id();
        if let Some(by) = &by {
            if handoff.rejected_by.contains(by) {
                return self.handoff_reply(id);
            }
            if !handoff.asks(by) {
                return Err(Refusal::forbidden("this handoff asks another agent"));
            }
        }
        let others = by.is_some() && handoff.asked().count() > 1;
        let status = if others {
            HandoffStatus::Pending
        } else {
            HandoffStatus::Rejected
        };
        let mut change = handoff_change(&handoff, status);
        change.rejected_by = by;
        change.reason.clone_from(&why.reason);
        if others {
            self.emit(EventBody::HandoffRejected(change));
        } else {
            self.let_sender_go_on(&handoff, change);
        }
        self.handoff_reply(id)
    }

    pub(in crate::decide) fn cancel_handoff(
        &mut self,
        id: HandoffId,
        why: &r::HandoffReason,
    ) -> Ruled {
        let handoff = self.pending(id)?;
        check_reason(why)?;
        if let Some(agent) = self.ctx.principal.agent_id()
            && agent != handoff.from_agent_id
        {
            return Err(Refusal::forbidden("only the sender takes a handoff back"));
        }
        let mut change = handoff_change(&handoff, HandoffStatus::Cancelled);
        change.reason.clone_from(&why.reason);
        self.let_sender_go_on(&handoff, change);
        self.handoff_reply(id)
    }

    pub(in crate::decide) fn expire_handoff(&mut self, handoff: &AgentHandoff) -> Ruled {
        let mut change = handoff_change(handoff, HandoffStatus::Expired);
        change.reason = Some("nobody accepted it in time".to_owned());
        self.let_sender_go_on(handoff, change);
        Ok(Value::Null)
    }

    pub(in crate::decide) fn complete_handoff(&mut self, id: HandoffId) -> Ruled {
        let handoff = self.handoff(id)?;
        if let Some(agent) = self.ctx.principal.agent_id()
            && handoff.to_agent_id.as_ref() != Some(&agent)
        {
            return Err(Refusal::forbidden("only the receiver completes a handoff"));
        }
        if handoff.status != HandoffStatus::Accepted {
            return Err(already(&handoff));
        }
        if handoff.kind == HandoffKind::Delegate {
            return Err(Refusal::illegal(
                "a delegation completes with its step (attempt:complete), whose result goes back to the sender",
            ));
        }
        self.end_handoff(id, HandoffStatus::Completed, None, None);
        self.handoff_reply(id)
    }

    /// The handoff came to nothing: the sender goes on, or, where it died meanwhile, the step is offered anew.
    fn let_sender_go_on(&mut self, handoff: &AgentHandoff, mut change: HandoffChange) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let step = process
            .step(handoff.from_step_id)
            .filter(|_| handoff.kind == HandoffKind::Transfer);
        let Some(step) = step else {
            return self.emit(resolution(change));
        };
        let held = process.live_attempt(step).is_some();
        let waits = process.open_interventions(step.id).next().is_some();
        let (to, phase) = match (held, waits) {
            (true, true) => (StepStatus::Running, StepPhase::AwaitingInput),
            (true, false) => (StepStatus::Running, StepPhase::Executing),
            (false, true) => (StepStatus::Pending, StepPhase::AwaitingInput),
            (false, false) => (StepStatus::Pending, StepPhase::Blocked),
        };
        change.step = Some(patch(step, to, Some(phase)));
        self.emit(resolution(change));
        if !held && !waits {
            self.after_lost_lease(step.id);
        }
    }

    /// The work that was handed over has ended, and the handoff with it; what was delegated goes back to the sender.
    pub(in crate::decide) fn end_handoffs(&mut self, step: StepId, status: HandoffStatus) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let with_it = process
            .handoffs
            .values()
            .filter(|h| h.status == HandoffStatus::Accepted && h.work_step() == Some(step));
        for handoff in with_it {
            self.end_handoff(handoff.id, status, None, None);
        }
    }

    pub(in crate::decide) fn end_handoff(
        &mut self,
        id: HandoffId,
        status: HandoffStatus,
        reason: Option<String>,
        step: Option<StepPatch>,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(handoff) = process.handoffs.get(&id) else {
            return;
        };
        let mut change = handoff_change(handoff, status);
        change.reason = reason;
        change.step = step;
        if handoff.kind == HandoffKind::Delegate
            && let Some(work) = handoff.to_step_id.and_then(|id| process.step(id))
        {
            change.result.clone_from(&work.outputs);
            change.error = work
                .error
                .clone()
                .filter(|_| status == HandoffStatus::Failed);
        }
        self.emit(resolution(change));
    }

    /// A step has ended or is taken from its agent: what it was about to give away stays, and what it delegated is stopped. An
    /// accepted transfer goes on: the step itself is what was handed over.
    pub(in crate::decide) fn close_handoffs(&mut self, step: StepId, why: &str) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let own = process
            .handoffs
            .values()
            .filter(|h| h.from_step_id == step && h.status.is_open());
        for handoff in own {
            match (handoff.status, handoff.kind) {
                (HandoffStatus::Pending, _) => {
                    let why = Some(why.to_owned());
                    self.end_handoff(handoff.id, HandoffStatus::Cancelled, why, None);
                }
                (_, HandoffKind::Delegate) => self.stop_delegated(handoff, why),
                (_, HandoffKind::Transfer) => {}
            }
        }
    }

    fn stop_delegated(&mut self, handoff: &AgentHandoff, why: &str) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let child = handoff.to_step_id.and_then(|id| process.step(id));
        if let Some(child) = child.filter(|s| !s.status.is_terminal()) {
            self.close_step(child.id);
            self.take_away(child, StepPhase::Blocked, "what it is a part of has ended");
            let change = step_change(child, StepStatus::Cancelled, None);
            self.emit(EventBody::StepCancelled(change));
            self.end_transfers(child.id);
        }
        let why = Some(why.to_owned());
        self.end_handoff(handoff.id, HandoffStatus::Failed, why, None);
    }

    /// The attempt of whoever received the step has failed, and its transfers with it; what was delegated may be tried again.
    pub(in crate::decide) fn end_transfers(&mut self, step: StepId) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let transfers = process.handoffs.values().filter(|h| {
            h.status == HandoffStatus::Accepted
                && h.kind == HandoffKind::Transfer
                && h.from_step_id == step
        });
        for handoff in transfers {
            self.end_handoff(handoff.id, HandoffStatus::Failed, None, None);
        }
    }
}

fn check_reason(why: &r::HandoffReason) -> Result<(), Refusal> {
    match &why.reason {
        Some(reason) => crate::decide::check_text("reason", reason),
        None => Ok(()),
    }
}

fn resolution(change: HandoffChange) -> EventBody {
    match change.status {
        HandoffStatus::Rejected => EventBody::HandoffRejected(change),
        HandoffStatus::Expired => EventBody::HandoffExpired(change),
        HandoffStatus::Completed => EventBody::HandoffCompleted(change),
        HandoffStatus::Failed => EventBody::HandoffFailed(change),
        _ => EventBody::HandoffCancelled(change),
    }
}

/// A change of a handoff that says nothing but where it stands.
pub(super) fn handoff_change(handoff: &AgentHandoff, status: HandoffStatus) -> HandoffChange {
    HandoffChange {
        id: handoff.id,
        from_step_id: handoff.from_step_id,
        status,
        to_agent_id: None,
        rejected_by: None,
        attempt: None,
        child: None,
        result: None,
        error: None,
        reason: None,
        step: None,
    }
}
