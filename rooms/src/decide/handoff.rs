//! Handoffs: the sender keeps its lease until the receiver accepts; acceptance is one transaction.

use serde_json::{Value, json};

use super::flow::attempt_change;
use super::{Decider, Ruled, hash, patch};
use crate::event::{EventBody, HandoffChange, HandoffRequested};
use crate::id::{AgentId, AttemptId, HandoffId};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::{AgentHandoff, HandoffKind, HandoffStatus};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Refusal, view};

/// A step changes hands at most so often.
const MAX_HOPS: usize = 10;

impl Decider<'_> {
    pub(super) fn request_handoff(
        &mut self,
        attempt: Option<AttemptId>,
        ask: &r::RequestHandoff,
    ) -> Ruled {
        super::check_text("reason", &ask.reason)?;
        if ask.kind == HandoffKind::Delegate {
            return Err(Refusal::field(
                "kind",
                "only `transfer` is supported; `delegate` is not yet",
            ));
        }
        let process = self.process()?;
        let (attempt, step) = self.sender(&process, attempt, ask)?;
        let receivers = self.receivers(&process, &attempt.agent_id, ask)?;
        if process.pending_handoff(step.id).is_some() {
            return Err(Refusal::new(
                Code::Conflict,
                "a handoff of this step is pending; cancel it first",
            ));
        }
        let hops = process
            .handoffs
            .values()
            .filter(|h| h.from_step_id == step.id && h.accepted_at.is_some())
            .count();
        if hops >= MAX_HOPS {
            return Err(Refusal::new(
                Code::Conflict,
                format!("the step has changed hands {hops} times, the most allowed"),
            ));
        }
        if let Some(chain) = process.chain.get(&step.id)
            && let Some(again) = receivers.iter().find(|a| chain.contains(a))
        {
            return Err(Refusal::new(
                Code::Conflict,
                format!(
                    "{again} held this step and nobody made progress since: a circle; report progress first"
                ),
            ));
        }
        let to_step = match &ask.to_step_id {
            Some(name) => Some(
                process
                    .step_named(name)
                    .ok_or_else(|| Refusal::not_found("step", name))?
                    .id,
            ),
            None => None,
        };
        let timeout = process
            .process
            .configuration
            .timeout_settings
            .handoff_timeout;
        let single = receivers.len() == 1;
        let handoff = AgentHandoff {
            id: self.ctx.id(),
            process_id: process.process.id,
            from_agent_id: attempt.agent_id.clone(),
            to_agent_id: single.then(|| receivers[0].clone()),
            candidates: (!single).then_some(receivers),
            from_step_id: step.id,
            to_step_id: to_step,
            kind: ask.kind,
            status: HandoffStatus::Pending,
            reason: ask.reason.clone(),
            priority: ask.priority,
            context: self.context_of(&process, &step, ask),
            initiated_at: self.now(),
            accepted_at: None,
            completed_at: None,
            expires_at: self.now().plus_ms(timeout),
            resolution: None,
        };
        let id = handoff.id;
        let step = patch(&step, StepStatus::Running, Some(StepPhase::HandingOff));
        self.emit(EventBody::HandoffRequested(HandoffRequested {
            handoff,
            step,
        }));
        self.handoff_reply(id)
    }

    /// The caller's own attempt; or, for a person or a backend, that of the agent named.
    fn sender(
        &self,
        process: &ProcessState,
        attempt: Option<AttemptId>,
        ask: &r::RequestHandoff,
    ) -> Result<(Attempt, ProcessStep), Refusal> {
        let own = self.ctx.principal.agent_id();
        if let Some(id) = attempt {
            let (attempt, step) = self.held(process, id, ask.epoch)?;
            if attempt.status != AttemptStatus::Leased {
                return Err(Refusal::illegal("accept the offer first (attempt:accept)"));
            }
            return Ok(((*attempt).clone(), (*step).clone()));
        }
        let name = ask.from_step_id.as_ref().ok_or_else(|| {
            Refusal::field(
                "fromStepId",
                "name the step, by id or key (an agent may give attemptId and epoch instead)",
            )
        })?;
        let step = process
            .step_named(name)
            .ok_or_else(|| Refusal::not_found("step", name))?;
        let from = own.as_ref().or(ask.from_agent_id.as_ref());
        let attempt = process
            .live_attempt(step)
            .filter(|a| a.status == AttemptStatus::Leased);
        match attempt {
            Some(attempt) if from.is_none_or(|from| *from == attempt.agent_id) => {
                Ok(((**attempt).clone(), (**step).clone()))
            }
            Some(attempt) if own.is_some() => Err(Refusal::new(
                Code::StaleLease,
                format!("agent {} holds the step {:?}", attempt.agent_id, step.key),
            )
            .with_context(
                json!({"holder": {"agentId": attempt.agent_id, "attemptId": attempt.id}}),
            )),
            Some(attempt) => Err(Refusal::field(
                "fromAgentId",
                format!(
                    "does not hold the step {:?}; {} does",
                    step.key, attempt.agent_id
                ),
            )),
            None => Err(Refusal::illegal(format!(
                "nobody holds the step {:?}, so nobody can hand it over",
                step.key
            ))),
        }
    }

    fn receivers(
        &self,
        process: &ProcessState,
        from: &AgentId,
        ask: &r::RequestHandoff,
    ) -> Result<Vec<AgentId>, Refusal> {
        let mut receivers: Vec<AgentId> = ask
            .to_agent_id
            .iter()
            .chain(ask.to_agent_ids.iter().flatten())
            .cloned()
            .collect();
        receivers.dedup();
        if receivers.is_empty() {
            return Err(Refusal::field("toAgentId", "name the receiver"));
        }
        for agent in &receivers {
            if agent == from {
                return Err(Refusal::field(
                    "toAgentId",
                    "an agent cannot hand over to itself",
                ));
            }
            let (_, team) = self.taker(process, agent)?;
            if team.member(agent).is_none() {
                return Err(Refusal::field(
                    "toAgentId",
                    format!("{agent} is no active member of the team {:?}", team.name),
                ));
            }
        }
        Ok(receivers)
    }

    fn context_of(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        ask: &r::RequestHandoff,
    ) -> Value {
        let mut context = ask.context.clone();
        context.remove("hash");
        let answers = process
            .prior_answers(step.id)
            .into_iter()
            .map(|i| json!({"interventionId": i.id, "key": i.key, "description": i.description, "response": i.response}))
            .collect();
        context
            .entry("priorAnswers")
            .or_insert(Value::Array(answers));
        let open = process
            .open_interventions(step.id)
            .map(|i| json!(i.id))
            .collect();
        context
            .entry("openInterventions")
            .or_insert(Value::Array(open));
        context
            .entry("priority")
            .or_insert_with(|| super::json(&ask.priority));
        if let (Some(timeout), Some(began)) = (step.timeout_ms, step.started_at) {
            let left = timeout.saturating_sub(self.now().ms_since(began));
            context.entry("remainingMs").or_insert(left.into());
        }
        let digest = hash(&Value::Object(context.clone()));
        context.insert("hash".to_owned(), digest.into());
        Value::Object(context)
    }

    fn handoff_reply(&self, id: HandoffId) -> Ruled {
        let process = self.process()?;
        let handoff = process
            .handoffs
            .get(&id)
            .ok_or_else(|| Refusal::not_found("handoff", id))?;
        Ok(json!({"handoff": **handoff}))
    }

    pub(super) fn accept_handoff(&mut self, id: HandoffId) -> Ruled {
        let process = self.process()?;
        let handoff = process
            .handoffs
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("handoff", id))?;
        let receiver = self.receiver(&handoff)?;
        let step = process
            .step(handoff.from_step_id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("step", handoff.from_step_id))?;
        if handoff.status != HandoffStatus::Pending {
            // The first ack may have been lost: whoever accepted it and still holds it is told again.
            let again = handoff.status == HandoffStatus::Accepted
                && handoff.to_agent_id.as_ref() == Some(&receiver);
            let live = process
                .live_attempt(&step)
                .filter(|a| again && a.agent_id == receiver);
            return match live {
                Some(attempt) => Ok(view::accepted_handoff(&process, id, attempt.id)),
                None => Err(already(&handoff)),
            };
        }
        let (agent, team) = self.taker(&process, &receiver)?;
        self.require_slot(agent)?;
        let mut epoch = step.epoch + 1;
        if let Some(sender) = process.live_attempt(&step) {
            let mut change = attempt_change(
                sender,
                &step,
                AttemptStatus::Released,
                StepStatus::Running,
                StepPhase::HandingOff,
            );
            change.reason = Some("handed over".to_owned());
            epoch = change.epoch + 1;
            self.emit(EventBody::AssignmentReleased(change));
        } else {
            // The sender's attempt is gone: the receiver's is one more of the team's.
            self.require_room_in(team)?;
        }
        let lease_ms = process.process.configuration.timeout_settings.lease_ms;
        let waits = process.open_interventions(step.id).next().is_some();
        let phase = if waits {
            StepPhase::AwaitingInput
        } else {
            StepPhase::Executing
        };
        let attempt = Attempt {
            id: self.ctx.id(),
            step_id: step.id,
            process_id: process.process.id,
            agent_id: receiver.clone(),
            instance_id: self.ctx.principal.instance_id.clone(),
            epoch,
            status: AttemptStatus::Leased,
            lease_until: self.now().plus_ms(lease_ms),
            offered_at: self.now(),
            accepted_at: Some(self.now()),
            ended_at: None,
            result_hash: None,
        };
        let attempt_id = attempt.id;
        self.emit(EventBody::HandoffAccepted(HandoffChange {
            id,
            from_step_id: step.id,
            status: HandoffStatus::Accepted,
            to_agent_id: Some(receiver),
            attempt: Some(attempt),
            reason: None,
            step: Some(patch(&step, StepStatus::Running, Some(phase))),
        }));
        let process = self.process()?;
        Ok(view::accepted_handoff(&process, id, attempt_id))
    }

    /// The agent that accepts or refuses: the caller, or the one asked where a person acts for it.
    fn receiver(&self, handoff: &AgentHandoff) -> Result<AgentId, Refusal> {
        match self.ctx.principal.agent_id() {
            Some(agent) if handoff.asks(&agent) => Ok(agent),
            Some(_) => Err(Refusal::forbidden("this handoff asks another agent")),
            None => handoff.to_agent_id.clone().ok_or_else(|| {
                Refusal::illegal(
                    "several agents are asked; one of them must accept this handoff itself",
                )
            }),
        }
    }

    pub(super) fn reject_handoff(&mut self, id: HandoffId, why: &r::HandoffReason) -> Ruled {
        let handoff = self.pending(id)?;
        let by = self.receiver(&handoff)?;
        // Where several are asked, the others may still accept: only the last refusal ends it.
        if handoff.to_agent_id.is_none() && handoff.candidates.as_ref().is_some_and(|c| c.len() > 1)
        {
            return Err(Refusal::illegal(format!(
                "{by} is one of several that are asked; just do not accept"
            )));
        }
        self.let_sender_go_on(&handoff, HandoffStatus::Rejected, why.reason.clone());
        self.handoff_reply(id)
    }

    pub(super) fn cancel_handoff(&mut self, id: HandoffId, why: &r::HandoffReason) -> Ruled {
        let handoff = self.pending(id)?;
        if let Some(agent) = self.ctx.principal.agent_id()
            && agent != handoff.from_agent_id
        {
            return Err(Refusal::forbidden("only the sender takes a handoff back"));
        }
        self.let_sender_go_on(&handoff, HandoffStatus::Cancelled, why.reason.clone());
        self.handoff_reply(id)
    }

    pub(super) fn expire_handoff(&mut self, handoff: &AgentHandoff) -> Ruled {
        self.let_sender_go_on(handoff, HandoffStatus::Expired, None);
        Ok(Value::Null)
    }

    pub(super) fn complete_handoff(&mut self, id: HandoffId) -> Ruled {
        let process = self.process()?;
        let handoff = process
            .handoffs
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("handoff", id))?;
        if let Some(agent) = self.ctx.principal.agent_id()
            && handoff.to_agent_id.as_ref() != Some(&agent)
        {
            return Err(Refusal::forbidden("only the receiver completes a handoff"));
        }
        if handoff.status != HandoffStatus::Accepted {
            return Err(already(&handoff));
        }
        self.end_handoff(id, HandoffStatus::Completed, None, None);
        self.handoff_reply(id)
    }

    fn pending(&self, id: HandoffId) -> Result<AgentHandoff, Refusal> {
        let process = self.process()?;
        let handoff = process
            .handoffs
            .get(&id)
            .ok_or_else(|| Refusal::not_found("handoff", id))?;
        if handoff.status != HandoffStatus::Pending {
            return Err(already(handoff));
        }
        Ok((**handoff).clone())
    }

    /// The handoff came to nothing: the sender goes on, or, where it died meanwhile, the step is offered anew.
    fn let_sender_go_on(
        &mut self,
        handoff: &AgentHandoff,
        status: HandoffStatus,
        reason: Option<String>,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = process.step(handoff.from_step_id) else {
            return;
        };
        let held = process.live_attempt(step).is_some();
        let waits = process.open_interventions(step.id).next().is_some();
        let (to, phase) = match (held, waits) {
            (true, true) => (StepStatus::Running, StepPhase::AwaitingInput),
            (true, false) => (StepStatus::Running, StepPhase::Executing),
            (false, true) => (StepStatus::Pending, StepPhase::AwaitingInput),
            (false, false) => (StepStatus::Pending, StepPhase::Blocked),
        };
        self.end_handoff(
            handoff.id,
            status,
            reason,
            Some(patch(step, to, Some(phase))),
        );
        if !held && !waits {
            self.after_lost_lease(step.id);
        }
    }
}

fn already(handoff: &AgentHandoff) -> Refusal {
    let detail = format!("the handoff is {}", handoff.status.as_str());
    Refusal::illegal(detail)
    .with_context(json!({"handoff": {"id": handoff.id, "status": handoff.status, "toAgentId": handoff.to_agent_id}}))
}
