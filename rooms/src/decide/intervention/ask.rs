//! Asking: an agent, a person or a backend puts a question; the step that it belongs to waits.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{form, pause_reason};
use crate::decide::flow::attempt_change;
use crate::decide::{Decider, Ruled, check_text, hash, patch};
use crate::event::EventBody;
use crate::id::AttemptId;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionStatus, InterventionType, WaitMode,
};
use crate::model::process::{PauseMode, ProcessStatus};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Refusal};

impl Decider<'_> {
    pub(in crate::decide) fn request_intervention(
        &mut self,
        attempt: Option<AttemptId>,
        ask: &r::RequestIntervention,
    ) -> Ruled {
        check_text("description", &ask.description)?;
        let options: Option<Vec<ChoiceOption>> = ask
            .options
            .as_ref()
            .map(|all| all.iter().cloned().map(Into::into).collect());
        if ask.kind == InterventionType::Decision && options.as_ref().is_none_or(Vec::is_empty) {
            return Err(Refusal::field(
                "options",
                "a decision needs options to choose from",
            ));
        }
        if let Some(schema) = &ask.schema {
            form::check_schema(schema)?;
        }
        let process = self.process()?;
        if process.process.status.is_terminal() {
            return Err(Refusal::illegal(format!(
                "the process is {}",
                process.process.status.as_str()
            )));
        }
        let own = self.ctx.principal.agent_id();
        let (attempt, step) = match (attempt, &ask.step_id, &own) {
            (Some(id), _, _) => {
                let (attempt, step) = self.held(&process, id, ask.epoch)?;
                if attempt.status != AttemptStatus::Leased {
                    return Err(Refusal::illegal("accept the offer first (attempt:accept)"));
                }
                (Some(attempt), Some(step))
            }
            (None, Some(name), own) => {
                let step = process
                    .step_named(name)
                    .ok_or_else(|| Refusal::not_found("step", name))?;
                let live = process.live_attempt(step);
                if let Some(own) = own
                    && live.is_none_or(|a| a.agent_id != *own)
                {
                    return Err(Refusal::new(
                        Code::StaleLease,
                        "you do not hold this step; give attemptId and epoch",
                    ));
                }
                (None, Some(Arc::clone(step)))
            }
            (None, None, Some(_)) => {
                return Err(Refusal::field(
                    "attemptId",
                    "an agent asks for the step that it holds",
                ));
            }
            (None, None, None) => (None, None),
        };
        if let Some(step) = &step
            && step.status.is_terminal()
        {
            return Err(Refusal::illegal(format!(
                "the step {:?} is {}",
                step.key,
                step.status.as_str()
            )));
        }
        let key = ask
            .key
            .clone()
            .unwrap_or_else(|| hash(&json!([ask.kind, ask.description, ask.subject])));
        let same = process.interventions.values().find(|i| {
            i.key == key
                && i.step_id == step.as_ref().map(|s| s.id)
                && step.is_some()
                && matches!(
                    i.status,
                    InterventionStatus::Pending | InterventionStatus::Completed
                )
        });
        if let Some(same) = same {
            return Ok(asked(same));
        }
        let due = ask.due_in_ms.unwrap_or(
            process
                .process
                .configuration
                .timeout_settings
                .human_response_timeout,
        );
        let quorum = ask.quorum.clone();
        if quorum.as_ref().is_some_and(|q| q.n == 0 || q.n > 100) {
            return Err(Refusal::field("quorum.n", "must be from 1 to 100"));
        }
        let intervention = HumanIntervention {
            id: self.ctx.id(),
            process_id: process.process.id,
            step_id: step.as_ref().map(|s| s.id),
            kind: ask.kind,
            description: ask.description.clone(),
            status: InterventionStatus::Pending,
            outcome: None,
            priority: ask.priority,
            requested_by: self.ctx.actor(),
            requested_at: self.now(),
            key,
            mode: ask.mode,
            assignees: ask.assignees.clone(),
            candidate_permissions: ask.candidate_permissions,
            claimed_by: None,
            schema: ask.schema.clone(),
            options,
            subject: ask.subject.clone(),
            subject_hash: ask.subject.as_ref().map(hash),
            round: 1,
            requester_counts: quorum.as_ref().is_none_or(|q| q.self_approval),
            quorum: quorum.unwrap_or_default(),
            votes: Vec::new(),
            comments: Vec::new(),
            due_at: Some(self.now().plus_ms(due)),
            expires_at: ask.expires_in_ms.map(|ms| self.now().plus_ms(ms)),
            on_expire: ask.on_expire,
            on_reject: ask.on_reject,
            pauses_process: ask.pauses_process,
            level: 0,
            response: None,
            completed_at: None,
            used: false,
            step: None,
        };
        let id = intervention.id;
        self.open_intervention(&process, step.as_deref(), attempt.as_deref(), intervention);
        let process = self.process()?;
        let opened = process
            .interventions
            .get(&id)
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        Ok(asked(opened))
    }

    /// Opens a question and lets the step wait for it: held by its agent, or without one.
    pub(in crate::decide) fn open_intervention(
        &mut self,
        process: &ProcessState,
        step: Option<&ProcessStep>,
        attempt: Option<&Attempt>,
        mut intervention: HumanIntervention,
    ) {
        let pauses = intervention.pauses_process.then_some(intervention.id);
        let suspends = intervention.mode == WaitMode::Suspend;
        let mut suspended = None;
        if let Some(step) = step {
            let live = attempt.or_else(|| process.live_attempt(step).map(AsRef::as_ref));
            match live {
                Some(live)
                    if live.status == AttemptStatus::Leased && suspends && attempt.is_some() =>
                {
                    suspended = Some(attempt_change(
                        live,
                        step,
                        AttemptStatus::Suspended,
                        StepStatus::Pending,
                        StepPhase::AwaitingInput,
                    ));
                }
                Some(live)
                    if live.status == AttemptStatus::Leased
                        && step.phase != Some(StepPhase::HandingOff) =>
                {
                    intervention.step = Some(patch(
                        step,
                        StepStatus::Running,
                        Some(StepPhase::AwaitingInput),
                    ));
                }
                // On its way to another agent: it waits for the human once it has arrived.
                Some(live) if live.status == AttemptStatus::Leased => {}
                Some(_) => self.take_away(step, StepPhase::AwaitingInput, "a human is asked first"),
                None if matches!(step.phase, Some(StepPhase::Ready | StepPhase::Backoff)) => {
                    intervention.step = Some(patch(
                        step,
                        StepStatus::Pending,
                        Some(StepPhase::AwaitingInput),
                    ));
                }
                None => {}
            }
        }
        self.emit(EventBody::InterventionRequested(intervention));
        if let Some(change) = suspended {
            if let Some(handoff) = process.pending_handoff(change.step_id) {
                let why = "the step waits for a human".to_owned();
                self.end_handoff(handoff.id, HandoffStatus::Cancelled, Some(why), None);
            }
            self.emit(EventBody::AssignmentSuspended(change));
        }
        if let Some(id) = pauses
            && process.process.status == ProcessStatus::Running
        {
            let mut change = self.process_change(ProcessStatus::Paused);
            change.mode = Some(PauseMode::Drain);
            change.reason = Some(pause_reason(id));
            self.emit(EventBody::ProcessPaused(change));
        }
    }
}

/// What an asker is told: the question, and the answer where there is one.
fn asked(i: &HumanIntervention) -> Value {
    match &i.response {
        Some(response) => json!({"intervention": i, "response": response}),
        None => json!({"intervention": i}),
    }
}
