//! Asking: an agent, a person or a backend puts a question; the step that it belongs to waits.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{intervention_change, pause_reason};
use crate::decide::flow::attempt_change;
use crate::decide::{Decider, MAX_TEXT, Ruled, hash, patch, subject_hash};
use crate::event::{EventBody, QuestionChange};
use crate::id::{AttemptId, StepId};
use crate::model::access::PrincipalKind;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionStatus, InterventionType, OnExpire, OnReject,
    Outcome, WaitMode,
};
use crate::model::process::{PauseMode, ProcessStatus};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, FieldError, Refusal, Timestamp, form, limits};

/// The largest subject, in bytes of JSON.
const MAX_SUBJECT: usize = 256 * 1024;
/// A question has at most so many options, and so many assignees.
pub(super) const MAX_LISTED: usize = 100;
/// The longest time that a question can wait: a year.
const MAX_WAIT_MS: u64 = 31_536_000_000;

/// The attempt that asks, where an agent does, and the step that it is about.
type Asker = (Option<Arc<Attempt>>, Option<Arc<ProcessStep>>);

impl Decider<'_> {
    pub(in crate::decide) fn request_intervention(
        &mut self,
        attempt: Option<AttemptId>,
        ask: &r::RequestIntervention,
    ) -> Ruled {
        let options: Option<Vec<ChoiceOption>> = ask
            .options
            .as_ref()
            .map(|all| all.iter().cloned().map(Into::into).collect());
        self.check_question(ask, options.as_deref())?;
        let process = self.process()?;
        if process.process.status.is_terminal() {
            return Err(Refusal::illegal(format!(
                "the process is {}",
                process.process.status.as_str()
            )));
        }
        let (attempt, step) = self.asker(&process, attempt, ask)?;
        if let Some(step) = &step
            && step.status.is_terminal()
        {
            return Err(Refusal::illegal(format!(
                "the step {:?} is {}",
                step.key,
                step.status.as_str()
            )));
        }
        let asked_hash = hash(&json!([ask.description, ask.subject, ask.schema, options]));
        let key = ask
            .key
            .clone()
            .unwrap_or_else(|| hash(&json!([ask.kind, ask.description, ask.subject])));
        let step_id = step.as_ref().map(|s| s.id);
        if let Some(same) = earlier(&process, step_id, &key, ask.key.is_some()) {
            if same.status == InterventionStatus::Pending && same.asked_hash != asked_hash {
                return self.ask_anew(same, ask, options, asked_hash);
            }
            return Ok(asked(same));
        }
        let base = self.question(&process, ask.kind, key, ask.description.clone());
        let due_at = self.moment(ask.due_at, ask.due_in_ms).or(base.due_at);
        // Who says what happens when it expires means that it does: at the latest when it is due.
        let expires_at = self
            .moment(ask.expires_at, ask.expires_in_ms)
            .or(due_at.filter(|_| ask.on_expire.is_some()));
        let quorum = ask.quorum.clone();
        let intervention = HumanIntervention {
            step_id,
            priority: ask.priority,
            requested_by: self.ctx.actor(),
            mode: ask.mode,
            assignees: ask.assignees.clone(),
            candidate_permissions: ask.candidate_permissions,
            schema: ask.schema.clone(),
            options,
            conditions: Vec::new(),
            subject: ask.subject.clone(),
            subject_hash: subject_hash(ask.subject.as_ref()),
            asked_hash,
            requester_counts: quorum.as_ref().is_none_or(|q| q.self_approval),
            quorum: quorum.unwrap_or_default(),
            due_at,
            expires_at,
            on_expire: ask.on_expire.unwrap_or_default(),
            default: ask.default.clone(),
            on_reject: ask.on_reject,
            pauses_process: ask.pauses_process,
            ..base
        };
        let id = intervention.id;
        self.open_intervention(&process, step.as_deref(), attempt.as_deref(), intervention);
        Ok(asked(&*self.intervention(id)?))
    }

    fn moment(&self, at: Option<Timestamp>, in_ms: Option<u64>) -> Option<Timestamp> {
        at.or(in_ms.map(|ms| self.now().plus_ms(ms)))
    }

    /// Everything that is wrong with the question itself, all at once.
    fn check_question(
        &self,
        ask: &r::RequestIntervention,
        options: Option<&[ChoiceOption]>,
    ) -> Result<(), Refusal> {
        let mut errors = Vec::new();
        let mut wrong = |path: &str, message: String| errors.push(FieldError::new(path, message));
        if ask.description.trim().is_empty() {
            wrong("description", "must not be empty".to_owned());
        }
        if ask.description.len() > MAX_TEXT {
            wrong("description", format!("at most {MAX_TEXT} bytes are taken"));
        }
        if ask
            .key
            .as_ref()
            .is_some_and(|k| k.is_empty() || k.len() > 255)
        {
            wrong("key", "must be 1 to 255 bytes".to_owned());
        }
        let options = options.unwrap_or_default();
        if ask.kind == InterventionType::Decision && options.is_empty() {
            wrong(
                "options",
                "a decision needs options to choose from".to_owned(),
            );
        }
        if options.len() > MAX_LISTED {
            wrong("options", format!("at most {MAX_LISTED}"));
        }
        for (n, option) in options.iter().enumerate() {
            if option.id.is_empty() || option.id.len() > 255 {
                wrong(
                    &format!("options[{n}].id"),
                    "must be 1 to 255 bytes".to_owned(),
                );
            }
            if option.label.len() > 1_000
                || option
                    .description
                    .as_ref()
                    .is_some_and(|d| d.len() > MAX_TEXT)
            {
                wrong(
                    &format!("options[{n}]"),
                    format!("a label takes 1,000 bytes, a description {MAX_TEXT}"),
                );
            }
            if options[..n].iter().any(|o| o.id == option.id) {
                wrong(
                    &format!("options[{n}].id"),
                    format!("{:?} is there twice", option.id),
                );
            }
        }
        for (n, who) in ask.assignees.iter().enumerate() {
            if !is_user_id(who) {
                wrong(&format!("assignees[{n}]"), USER_ID_RULE.to_owned());
            }
        }
        if ask.assignees.len() > MAX_LISTED {
            wrong("assignees", format!("at most {MAX_LISTED}"));
        }
        if ask
            .quorum
            .as_ref()
            .is_some_and(|q| !(1..=100).contains(&q.n))
        {
            wrong("quorum.n", "must be from 1 to 100".to_owned());
        }
        for (name, at, in_ms) in [
            ("due", ask.due_at, ask.due_in_ms),
            ("expires", ask.expires_at, ask.expires_in_ms),
        ] {
            if at.is_some() && in_ms.is_some() {
                wrong(
                    &format!("{name}InMs"),
                    format!("give either {name}InMs or {name}At"),
                );
            }
            if in_ms.is_some_and(|ms| !(1..=MAX_WAIT_MS).contains(&ms)) {
                wrong(
                    &format!("{name}InMs"),
                    "must be from 1 ms to a year".to_owned(),
                );
            }
            if at.is_some_and(|at| at > self.now().plus_ms(MAX_WAIT_MS)) {
                wrong(&format!("{name}At"), "must lie within a year".to_owned());
            }
        }
        if ask.on_expire == Some(OnExpire::Default) {
            check_default(ask, options, &mut wrong);
        }
        crate::refusal::all_valid(errors)?;
        if let Some(subject) = &ask.subject {
            let size = subject.to_string().len();
            if size > MAX_SUBJECT {
                return Err(Refusal::new(
                    Code::PayloadTooLarge,
                    format!("subject has {size} bytes; at most {MAX_SUBJECT} are taken"),
                ));
            }
            limits::check_nesting("subject", subject, limits::NESTING)?;
        }
        if let Some(schema) = &ask.schema {
            form::check_schema("schema", schema)?;
            if let Some(default) = ask
                .default
                .as_ref()
                .filter(|_| ask.on_expire == Some(OnExpire::Default))
                && options.is_empty()
            {
                form::check_value("default", schema, default)?;
            }
        }
        Ok(())
    }

    /// For which step is asked, and by which attempt where an agent asks.
    fn asker(
        &self,
        process: &ProcessState,
        attempt: Option<AttemptId>,
        ask: &r::RequestIntervention,
    ) -> Result<Asker, Refusal> {
        let own = self.ctx.principal.agent_id();
        match (attempt, &ask.step_id, &own) {
            (Some(id), _, _) => {
                let (attempt, step) = self.leased_by(process, id, ask.epoch)?;
                Ok((Some(attempt), Some(step)))
            }
            (None, Some(name), own) => {
                let step = process
                    .step_named(name)
                    .ok_or_else(|| Refusal::not_found("step", name))?;
                if let Some(own) = own {
                    let live = process.live_attempt(step).filter(|a| a.agent_id == *own);
                    let held = live.ok_or_else(|| {
                        Refusal::new(
                            Code::StaleLease,
                            "you do not hold this step; give attemptId and epoch",
                        )
                    })?;
                    self.require_copy(process, step, held)?;
                }
                Ok((None, Some(Arc::clone(step))))
            }
            (None, None, Some(_)) => Err(Refusal::field(
                "attemptId",
                "an agent asks for the step that it holds",
            )),
            (None, None, None) => Ok((None, None)),
        }
    }

    /// The same question is open and now asks something else: a new round, and what was voted counts no more.
    fn ask_anew(
        &mut self,
        open: &HumanIntervention,
        ask: &r::RequestIntervention,
        options: Option<Vec<ChoiceOption>>,
        asked_hash: String,
    ) -> Ruled {
        if open.kind != ask.kind {
            return Err(Refusal::new(
                Code::Conflict,
                format!(
                    "this key asks for {}; take another key to ask for something else",
                    open.kind.as_str()
                ),
            ));
        }
        let mut change = intervention_change(open, InterventionStatus::Pending);
        change.question = Some(QuestionChange {
            round: open.round + 1,
            description: ask.description.clone(),
            schema: ask.schema.clone(),
            options,
            subject: ask.subject.clone(),
            subject_hash: subject_hash(ask.subject.as_ref()),
            asked_hash,
            proposed_by: None,
        });
        self.emit(EventBody::InterventionSuperseded(change));
        Ok(asked(&*self.intervention(open.id)?))
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
                Some(live) if live.status == AttemptStatus::Leased && suspends => {
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

/// The question that a step asked before under this key: open, or answered. One that was rejected and has failed the step is asked
/// again, and so is one that nobody answered. Without a step the default key names only what is open.
fn earlier<'p>(
    process: &'p ProcessState,
    step: Option<StepId>,
    key: &str,
    key_given: bool,
) -> Option<&'p HumanIntervention> {
    process
        .interventions
        .values()
        .map(AsRef::as_ref)
        .find(|i: &&HumanIntervention| {
            let answered = i.status == InterventionStatus::Completed
                && (step.is_some() || key_given)
                && !(i.outcome == Some(Outcome::Rejected) && i.on_reject == OnReject::Fail);
            i.step_id == step
                && i.key == key
                && i.requested_by.kind != PrincipalKind::System
                && (answered || i.status == InterventionStatus::Pending)
        })
}

/// What a question falls back on must be known when it is asked.
fn check_default(
    ask: &r::RequestIntervention,
    options: &[ChoiceOption],
    wrong: &mut impl FnMut(&str, String),
) {
    use InterventionType as T;
    match (ask.kind, &ask.default) {
        (T::Approval, Some(_)) => wrong(
            "default",
            "an approval has no default: it expires as rejected".to_owned(),
        ),
        (T::Approval | T::Review, _) => {}
        (_, Some(default)) if !options.is_empty() => {
            let known = options.iter().any(|o| default.as_str() == Some(&o.id));
            if !known {
                wrong("default", "must be the id of an option".to_owned());
            }
        }
        (_, None)
            if options.is_empty() && ask.schema.as_ref().and_then(form::default_of).is_none() =>
        {
            wrong(
                "default",
                "give the value that counts when nobody answers, here or in the schema".to_owned(),
            );
        }
        _ => {}
    }
}

pub(super) const USER_ID_RULE: &str = "must be 1 to 255 visible ASCII characters";

/// Whether this can be the id of a person.
pub(super) fn is_user_id(id: &str) -> bool {
    (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// What an asker is told: the question, and the answer where there is one.
fn asked(i: &HumanIntervention) -> Value {
    match &i.response {
        Some(response) => json!({"intervention": i, "response": response}),
        None => json!({"intervention": i}),
    }
}
