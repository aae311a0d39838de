//! Accepting: in one transaction the receiver has its lease, and of a transfer the sender no longer has its own.

use crate::decide::flow::attempt_change;
use crate::decide::{Decider, Ruled, patch};
use crate::event::{EventBody, HandoffChange};
use crate::id::{AgentId, HandoffId};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::{AgentHandoff, HandoffKind, HandoffStatus};
use crate::model::process::ProcessStatus;
use crate::model::step::{ProcessStep, StepPhase, StepStatus, TriggerRule};
use crate::state::ProcessState;
use crate::{Refusal, view};

use super::already;
use crate::decide::flow::step_change;

impl Decider<'_> {
    pub(in crate::decide) fn accept_handoff(&mut self, id: HandoffId) -> Ruled {
        let process = self.process()?;
        let handoff = self.handoff(id)?;
        let receiver = self.receiver(&handoff)?;
        if handoff.status != HandoffStatus::Pending {
            return self.accepted_before(&process, &handoff, &receiver);
        }
        let step = process
            .step(handoff.from_step_id)
            .ok_or_else(|| Refusal::not_found("step", handoff.from_step_id))?;
        let (agent, team) = self.taker(&process, &receiver)?;
        if team.member(&receiver).is_none() {
            return Err(Refusal::forbidden(format!(
                "{receiver} is no active member of the team {:?} any more",
                team.name
            )));
        }
        self.require_slot(agent)?;
        let adds = handoff.kind == HandoffKind::Delegate || process.live_attempt(step).is_none();
        if adds {
            // Somebody more is at work then.
            if process.process.status == ProcessStatus::Paused {
                return Err(Refusal::illegal(
                    "the process is paused; accept once it goes on",
                ));
            }
            self.require_room_in(team)?;
        }
        let attempt = match handoff.kind {
            HandoffKind::Transfer => self.take_over(&process, &handoff, step, receiver),
            HandoffKind::Delegate => self.take_part(&process, &handoff, step, receiver),
        };
        let process = self.process()?;
        Ok(view::accepted_handoff(&process, id, attempt.id))
    }

    /// The first ack may have been lost: whoever accepted it is told again.
    fn accepted_before(
        &self,
        process: &ProcessState,
        handoff: &AgentHandoff,
        receiver: &AgentId,
    ) -> Ruled {
        let other_instance = |a: &Attempt| {
            let me = self.ctx.principal.instance_id.as_ref();
            matches!((me, &a.instance_id), (Some(me), Some(holder)) if me != holder)
        };
        let accepted = handoff
            .attempt_id
            .and_then(|id| process.attempts.get(&id))
            .filter(|a| a.agent_id == *receiver && !other_instance(a));
        match accepted {
            Some(attempt) => Ok(view::accepted_handoff(process, handoff.id, attempt.id)),
            None => Err(already(handoff)),
        }
    }

    /// The agent that accepts: the caller, or the one asked where a person acts for it.
    fn receiver(&self, handoff: &AgentHandoff) -> Result<AgentId, Refusal> {
        match self.ctx.principal.agent_id() {
            Some(agent) if handoff.asks(&agent) => Ok(agent),
            Some(agent) if handoff.rejected_by.contains(&agent) => {
                Err(Refusal::illegal("you have refused this handoff"))
            }
            Some(_) => Err(Refusal::forbidden("this handoff asks another agent")),
            None => handoff.to_agent_id.clone().ok_or_else(|| {
                Refusal::illegal(
                    "several agents are asked; one of them must accept this handoff itself",
                )
            }),
        }
    }

    fn lease(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        receiver: AgentId,
        epoch: u64,
    ) -> Attempt {
        let lease_ms = process.process.configuration.timeout_settings.lease_ms;
        Attempt {
            id: self.ctx.id(),
            step_id: step.id,
            process_id: process.process.id,
            agent_id: receiver,
            instance_id: self.ctx.principal.instance_id.clone(),
            epoch,
            status: AttemptStatus::Leased,
            lease_until: self.now().plus_ms(lease_ms),
            offered_at: self.now(),
            accepted_at: Some(self.now()),
            ended_at: None,
            result_hash: None,
        }
    }

    /// A transfer: the sender's attempt is released, where it still has one, and the receiver's begins.
    fn take_over(
        &mut self,
        process: &ProcessState,
        handoff: &AgentHandoff,
        step: &ProcessStep,
        receiver: AgentId,
    ) -> Attempt {
        if let Some(sender) = process.live_attempt(step) {
            let mut change = attempt_change(
                sender,
                step,
                AttemptStatus::Released,
                StepStatus::Running,
                StepPhase::HandingOff,
            );
            change.reason = Some("handed over".to_owned());
            self.emit(EventBody::AssignmentReleased(change));
        }
        let waits = process.open_interventions(step.id).next().is_some();
        let phase = if waits {
            StepPhase::AwaitingInput
        } else {
            StepPhase::Executing
        };
        self.admit(&receiver);
        let attempt = self.lease(process, step, receiver, step.epoch + 1);
        let mut change = accepted(handoff, &attempt);
        change.step = Some(patch(step, StepStatus::Running, Some(phase)));
        self.emit(EventBody::HandoffAccepted(change));
        attempt
    }

    /// A delegation: a new step begins, held by the receiver.
    fn take_part(
        &mut self,
        process: &ProcessState,
        handoff: &AgentHandoff,
        parent: &ProcessStep,
        receiver: AgentId,
    ) -> Attempt {
        self.admit(&receiver);
        let child = self.child(process, handoff, parent, &receiver);
        let attempt = self.lease(process, &child, receiver, 1);
        let mut change = accepted(handoff, &attempt);
        change.step = Some(patch(&child, child.status, child.phase));
        change.child = Some(Box::new(child.clone()));
        self.emit(EventBody::HandoffAccepted(change));
        let mut started = step_change(&child, child.status, child.phase);
        started.attempt_id = Some(attempt.id);
        started.agent_id = Some(attempt.agent_id.clone());
        self.emit(EventBody::StepStarted(started));
        attempt
    }

    fn child(
        &self,
        process: &ProcessState,
        handoff: &AgentHandoff,
        parent: &ProcessStep,
        receiver: &AgentId,
    ) -> ProcessStep {
        let key = (1..)
            .map(|n| format!("{}.d{n}", parent.key))
            .find(|key| process.step_named(key).is_none())
            .unwrap_or_default();
        let given = handoff.context.get("taskContext").cloned();
        ProcessStep {
            id: self.ctx.id(),
            key,
            parent_step_id: Some(parent.id),
            name: format!("{} (delegated)", parent.name),
            description: handoff.reason.clone(),
            assigned_agent_id: Some(receiver.clone()),
            required_capabilities: None,
            role: None,
            status: StepStatus::Running,
            phase: Some(StepPhase::Executing),
            dependencies: Vec::new(),
            trigger_rule: TriggerRule::default(),
            conditions: Vec::new(),
            inputs: given
                .and_then(|g| g.as_object().cloned())
                .unwrap_or_default(),
            outputs: None,
            error: None,
            attempts: 0,
            max_attempts: parent.max_attempts,
            backoff_ms: parent.backoff_ms,
            lost_leases: 0,
            max_lost_leases: parent.max_lost_leases,
            timeout_ms: parent.timeout_ms,
            requires_approval: false,
            // Its failure is the sender's to deal with.
            continue_on_failure: true,
            merge_outputs: false,
            metadata: serde_json::Map::new(),
            epoch: 0,
            run: 1,
            current_attempt: None,
            held_by: None,
            preferred_agent_id: None,
            avoid_agent_id: None,
            ready_at: None,
            retry_at: None,
            started_at: None,
            completed_at: None,
            skip_reason: None,
            failure_handled: false,
            progress: None,
            next_step_id: None,
            given_inputs: None,
            process: None,
            child_process_id: None,
            elapsed_ms: 0,
            running_since: None,
        }
    }
}

fn accepted(handoff: &AgentHandoff, attempt: &Attempt) -> HandoffChange {
    HandoffChange {
        to_agent_id: Some(attempt.agent_id.clone()),
        attempt: Some(attempt.clone()),
        ..super::end::handoff_change(handoff, HandoffStatus::Accepted)
    }
}
