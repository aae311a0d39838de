//! Asking for a handoff: who gives what to whom, and the context that goes with it.

use serde_json::{Value, json};

use super::{MAX_HOPS, ancestors};
use crate::decide::clock::timeout_of;
use crate::decide::{Decider, Ruled, check_text, hash, json as to_json, patch};
use crate::event::{EventBody, HandoffRequested};
use crate::id::AttemptId;
use crate::model::Object;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::{AgentHandoff, HandoffKind, HandoffStatus};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Refusal, limits};

/// The largest context, in bytes of JSON.
const MAX_CONTEXT: usize = 256 * 1024;
/// Delegations of one step that are open at once.
const MAX_OPEN_DELEGATIONS: usize = 50;
/// Steps that delegations make in one process.
const MAX_DELEGATED: usize = 1_000;

impl Decider<'_> {
    pub(in crate::decide) fn request_handoff(
        &mut self,
        attempt: Option<AttemptId>,
        ask: &r::RequestHandoff,
    ) -> Ruled {
        check_text("reason", &ask.reason)?;
        let context = Value::Object(ask.context.clone());
        let size = context.to_string().len();
        if size > MAX_CONTEXT {
            return Err(Refusal::new(
                Code::PayloadTooLarge,
                format!("context has {size} bytes; at most {MAX_CONTEXT} are taken"),
            ));
        }
        limits::check_nesting("context", &context, limits::NESTING)?;
        let process = self.process()?;
        let (attempt, step) = self.sender(&process, attempt, ask)?;
        match ask.kind {
            HandoffKind::Transfer => check_transfer(&process, &step)?,
            HandoffKind::Delegate => check_delegation(&process, &step, ask)?,
        }
        let chosen = self.receivers(&process, &step, &attempt.agent_id, ask)?;
        let to_step_id = match &ask.to_step_id {
            Some(name) => Some(
                process
                    .step_named(name)
                    .ok_or_else(|| Refusal::not_found("step", name))?
                    .id,
            ),
            None => None,
        };
        let timeouts = &process.process.configuration.timeout_settings;
        let single = chosen.agents.len() == 1;
        let handoff = AgentHandoff {
            id: self.ctx.id(),
            process_id: process.process.id,
            from_agent_id: attempt.agent_id.clone(),
            to_agent_id: single.then(|| chosen.agents[0].clone()),
            candidates: (!single).then_some(chosen.agents),
            rejected_by: Vec::new(),
            rule: chosen.rule,
            from_step_id: step.id,
            to_step_id,
            kind: ask.kind,
            status: HandoffStatus::Pending,
            reason: ask.reason.clone(),
            priority: ask.priority,
            context: self.context_of(&process, &step, ask),
            view: ask.view.clone(),
            initiated_at: self.now(),
            accepted_at: None,
            completed_at: None,
            expires_at: self.now().plus_ms(timeouts.handoff_timeout),
            resolution: None,
            attempt_id: None,
            result: None,
            error: None,
        };
        let id = handoff.id;
        let phase = match ask.kind {
            HandoffKind::Transfer => Some(StepPhase::HandingOff),
            // The sender keeps its step and goes on with it.
            HandoffKind::Delegate => step.phase,
        };
        let step = patch(&step, StepStatus::Running, phase);
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
            let (attempt, step) = self.leased_by(process, id, ask.epoch)?;
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
                if own.is_some() {
                    self.require_copy(process, step, attempt)?;
                }
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

    /// What the caller gives, exactly; what it leaves out is filled in, and all of it hashed.
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
            .map(|i| {
                json!({
                    "interventionId": i.id, "key": i.key, "description": i.description, "outcome": i.outcome,
                    "response": i.response,
                })
            })
            .collect();
        let open = process
            .open_interventions(step.id)
            .map(|i| json!(i.id))
            .collect();
        let given = [
            ("summary", json!("")),
            (
                "conversationHistory",
                Value::Array(process.context.conversation_history.clone()),
            ),
            ("taskContext", json!({})),
            ("decisions", json!([])),
            ("recommendations", json!([])),
            ("artifacts", json!([])),
            ("priorAnswers", Value::Array(answers)),
            ("openInterventions", Value::Array(open)),
            ("priority", to_json(&ask.priority)),
            ("metadata", json!({})),
        ];
        for (name, value) in given {
            context.entry(name).or_insert(value);
        }
        if let Some(whole) = timeout_of(process, step) {
            let left = whole.saturating_sub(step.worked_ms(self.now()));
            context.entry("remainingMs").or_insert(left.into());
        }
        hashed(context)
    }
}

fn hashed(mut context: Object) -> Value {
    let digest = hash(&Value::Object(context.clone()));
    context.insert("hash".to_owned(), digest.into());
    Value::Object(context)
}

fn check_transfer(process: &ProcessState, step: &ProcessStep) -> Result<(), Refusal> {
    if let Some(pending) = process.pending_handoff(step.id) {
        return Err(Refusal::new(
            Code::Conflict,
            "a handoff of this step is pending; cancel it first",
        )
        .with_context(json!({"handoff": {"id": pending.id, "status": pending.status}})));
    }
    let hops = process
        .handoffs
        .values()
        .filter(|h| {
            h.from_step_id == step.id && h.kind == HandoffKind::Transfer && h.accepted_at.is_some()
        })
        .count();
    if hops >= MAX_HOPS {
        return Err(Refusal::new(
            Code::Conflict,
            format!("the step has changed hands {hops} times, the most allowed"),
        ));
    }
    Ok(())
}

fn check_delegation(
    process: &ProcessState,
    step: &ProcessStep,
    ask: &r::RequestHandoff,
) -> Result<(), Refusal> {
    let many = |what: String| Err(Refusal::new(Code::Conflict, what));
    if ask.to_step_id.is_some() {
        return Err(Refusal::field(
            "toStepId",
            "a delegation makes its own step; leave this out",
        ));
    }
    if ancestors(process, step).count() >= MAX_HOPS {
        return many(format!(
            "the work was delegated {MAX_HOPS} levels deep, the most allowed"
        ));
    }
    let open = process
        .handoffs
        .values()
        .filter(|h| {
            h.from_step_id == step.id && h.kind == HandoffKind::Delegate && h.status.is_open()
        })
        .count();
    if open >= MAX_OPEN_DELEGATIONS {
        return many(format!(
            "{open} delegations of this step are open, the most allowed"
        ));
    }
    let made = process
        .steps
        .iter()
        .filter(|s| s.parent_step_id.is_some())
        .count();
    if made >= MAX_DELEGATED {
        return many(format!(
            "delegations have made {made} steps in this process, the most allowed"
        ));
    }
    Ok(())
}
