//! Interventions: questions to humans. They belong to the step; the reply reaches whoever holds it then.

use std::sync::Arc;

use serde_json::{Value, json};

use super::flow::{attempt_change, intervention_change};
use super::{Decider, Ruled, hash, patch};
use crate::event::EventBody;
use crate::id::{AttemptId, InterventionId};
use crate::model::Priority;
use crate::model::access::{Permission, Principal, PrincipalKind};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::intervention::{
    ChoiceOption, HumanIntervention, InterventionComment, InterventionResponse, InterventionStatus,
    InterventionType, OnExpire, OnReject, Outcome, Quorum, ResponseAction, Vote, WaitMode,
};
use crate::model::process::{Failure, PauseMode, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepPatch, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Refusal};

/// The options of the escalation that Baton opens by itself.
const ESCALATION_OPTIONS: [(&str, &str); 3] = [
    ("retry", "Run the step again"),
    ("skip", "Skip the step and go on"),
    ("fail", "Let the step fail"),
];

impl Decider<'_> {
    pub(super) fn request_intervention(
        &mut self,
        attempt: Option<AttemptId>,
        ask: &r::RequestIntervention,
    ) -> Ruled {
        super::check_text("description", &ask.description)?;
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
            check_schema(schema)?;
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
    fn open_intervention(
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
                self.end_handoff(
                    handoff.id,
                    crate::model::handoff::HandoffStatus::Cancelled,
                    Some(why),
                    None,
                );
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

    /// A question that Baton asks by itself.
    fn own_question(
        &self,
        process: &ProcessState,
        kind: InterventionType,
        key: String,
        description: String,
    ) -> HumanIntervention {
        let due = process
            .process
            .configuration
            .timeout_settings
            .human_response_timeout;
        HumanIntervention {
            id: self.ctx.id(),
            process_id: process.process.id,
            step_id: None,
            kind,
            description,
            status: InterventionStatus::Pending,
            outcome: None,
            priority: Priority::High,
            requested_by: Principal::system(process.process.workspace_id.clone()).actor(),
            requested_at: self.now(),
            key,
            mode: WaitMode::Suspend,
            assignees: Vec::new(),
            candidate_permissions: None,
            claimed_by: None,
            schema: None,
            options: None,
            subject: None,
            subject_hash: None,
            round: 1,
            quorum: Quorum::default(),
            requester_counts: true,
            votes: Vec::new(),
            comments: Vec::new(),
            due_at: Some(self.now().plus_ms(due)),
            expires_at: None,
            on_expire: OnExpire::default(),
            on_reject: OnReject::default(),
            pauses_process: false,
            level: 0,
            response: None,
            completed_at: None,
            used: false,
            step: None,
        }
    }

    /// Asks whether the process may start.
    pub(super) fn ask_to_start(&mut self) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!("Start the process {:?}?", process.process.name);
        let mut question = self.own_question(
            &process,
            InterventionType::Approval,
            "start".to_owned(),
            description,
        );
        question.subject = Some(
            json!({"name": process.process.name, "steps": process.steps.iter().map(|s| json!({
            "key": s.key, "name": s.name, "description": s.description, "dependencies": s.dependencies,
        })).collect::<Vec<_>>()}),
        );
        question.subject_hash = question.subject.as_ref().map(hash);
        self.emit(EventBody::InterventionRequested(question));
    }

    fn begin_key(step: &ProcessStep) -> String {
        format!("begin:{}", step.run)
    }

    /// Asks whether a step may begin.
    pub(super) fn ask_to_begin(&mut self, step: &ProcessStep) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!("Approve the step {:?} before it begins", step.name);
        let mut question = self.own_question(
            &process,
            InterventionType::Approval,
            Self::begin_key(step),
            description,
        );
        question.step_id = Some(step.id);
        question.subject = Some(json!({"description": step.description, "inputs": step.inputs}));
        question.subject_hash = question.subject.as_ref().map(hash);
        question.step = Some(patch(
            step,
            StepStatus::Pending,
            Some(StepPhase::AwaitingInput),
        ));
        self.emit(EventBody::InterventionRequested(question));
    }

    pub(super) fn is_approved(&self, process: &ProcessState, step: &ProcessStep) -> bool {
        let key = Self::begin_key(step);
        process.interventions.values().any(|i| {
            i.step_id == Some(step.id)
                && i.key == key
                && matches!(i.outcome, Some(Outcome::Approved | Outcome::Modified))
        })
    }

    /// The last attempt failed and a condition asks for a human: the step waits, and the human chooses.
    pub(super) fn escalate_step(
        &mut self,
        step: &ProcessStep,
        attempt: Option<(&Attempt, String)>,
        error: &Failure,
        attempts: u32,
    ) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        self.close_step(step.id);
        // The failed attempt ends like one before a retry; whether there is one, the human says.
        if let Some((attempt, _)) = attempt {
            let mut change = attempt_change(
                attempt,
                step,
                AttemptStatus::Failed,
                StepStatus::Pending,
                StepPhase::Blocked,
            );
            change.reason = Some("the attempt failed, and a human is asked".to_owned());
            change.error = Some(error.clone());
            self.emit(EventBody::AssignmentReleased(change));
        }
        let description = format!(
            "The step {:?} failed after {attempts} attempt{}: {}. What now?",
            step.name,
            if attempts == 1 { "" } else { "s" },
            error.message
        );
        let key = format!("escalation:{}:{attempts}:{}", step.run, step.epoch);
        let mut question =
            self.own_question(&process, InterventionType::Escalation, key, description);
        question.step_id = Some(step.id);
        question.priority = Priority::Urgent;
        question.subject = Some(super::json(error));
        question.subject_hash = question.subject.as_ref().map(hash);
        question.options = Some(
            ESCALATION_OPTIONS
                .iter()
                .map(|(id, label)| ChoiceOption {
                    id: (*id).to_owned(),
                    label: (*label).to_owned(),
                    description: None,
                })
                .collect(),
        );
        question.step = Some(patch(
            step,
            StepStatus::Pending,
            Some(StepPhase::AwaitingInput),
        ));
        self.emit(EventBody::InterventionRequested(question));
    }

    /// A step ended well and a condition asks for a human all the same: the process asks, and goes on.
    pub(super) fn escalate_process(&mut self, step: &ProcessStep) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let description = format!(
            "A condition of the step {:?} asks for your attention",
            step.name
        );
        let key = format!("attention:{}:{}", step.key, step.run);
        let question = self.own_question(&process, InterventionType::Escalation, key, description);
        self.emit(EventBody::InterventionRequested(question));
    }

    fn open_one(
        &self,
        id: InterventionId,
    ) -> Result<(Arc<ProcessState>, Arc<HumanIntervention>), Refusal> {
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        if i.status != InterventionStatus::Pending {
            return Err(resolved(&i));
        }
        Ok((process, i))
    }

    pub(super) fn claim_intervention(&mut self, id: InterventionId) -> Ruled {
        let (_, i) = self.open_one(id)?;
        let me = self.ctx.principal.id.clone();
        self.may_answer(&i)?;
        match &i.claimed_by {
            Some(by) if *by == me => return Ok(super::json(&*i)),
            Some(by) => {
                return Err(Refusal::new(Code::Conflict, format!("{by} is at it"))
                    .with_context(json!({"claimedBy": by})));
            }
            None => {}
        }
        let mut change = intervention_change(&i, InterventionStatus::Pending);
        change.claimed_by = Some(me);
        self.emit(EventBody::InterventionClaimed(change));
        self.intervention_reply(id)
    }

    pub(super) fn release_intervention(&mut self, id: InterventionId) -> Ruled {
        let (_, i) = self.open_one(id)?;
        let principal = self.ctx.principal;
        match &i.claimed_by {
            None => return Err(Refusal::illegal("nobody has claimed it")),
            Some(by) if *by != principal.id && principal.permission < Permission::Admin => {
                return Err(Refusal::forbidden(format!(
                    "{by} has claimed it; only {by} or an admin releases it"
                )));
            }
            Some(_) => {}
        }
        self.emit(EventBody::InterventionReleased(intervention_change(
            &i,
            InterventionStatus::Pending,
        )));
        self.intervention_reply(id)
    }

    pub(super) fn assign_intervention(&mut self, id: InterventionId, to: &r::Assign) -> Ruled {
        let (_, i) = self.open_one(id)?;
        if to.assignees.len() > 100 || to.assignees.iter().any(|a| a.is_empty() || a.len() > 255) {
            return Err(Refusal::field(
                "assignees",
                "at most 100 user ids of 1 to 255 characters",
            ));
        }
        let mut change = intervention_change(&i, InterventionStatus::Pending);
        change.assignees = Some(to.assignees.clone());
        self.emit(EventBody::InterventionAssigned(change));
        self.intervention_reply(id)
    }

    pub(super) fn comment_intervention(
        &mut self,
        id: InterventionId,
        comment: &r::Comment,
    ) -> Ruled {
        super::check_text("text", &comment.text)?;
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        if i.comments.len() >= 500 {
            return Err(Refusal::new(
                Code::Conflict,
                "an intervention takes 500 comments; go on in the room",
            ));
        }
        let mut change = intervention_change(i, i.status);
        change.comment = Some(InterventionComment {
            by: self.ctx.principal.id.clone(),
            text: comment.text.clone(),
            at: self.now(),
        });
        self.emit(EventBody::InterventionCommented(change));
        self.intervention_reply(id)
    }

    pub(super) fn cancel_intervention(
        &mut self,
        id: InterventionId,
        why: &r::HandoffReason,
    ) -> Ruled {
        let (_, i) = self.open_one(id)?;
        let principal = self.ctx.principal;
        let mine = i.requested_by.id == principal.id && i.requested_by.kind == principal.kind;
        if !mine
            && (principal.kind == PrincipalKind::Agent || principal.permission < Permission::Admin)
        {
            return Err(Refusal::forbidden(
                "only who asked, or an admin, takes a question back",
            ));
        }
        let mut change = intervention_change(&i, InterventionStatus::Cancelled);
        change.reason.clone_from(&why.reason);
        change.step = self.patch_after(&i);
        self.emit(EventBody::InterventionCancelled(change));
        self.go_on(&i);
        self.intervention_reply(id)
    }

    fn intervention_reply(&self, id: InterventionId) -> Ruled {
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        Ok(super::json(&**i))
    }

    fn may_answer(&self, i: &HumanIntervention) -> Result<(), Refusal> {
        let principal = self.ctx.principal;
        if let Some(needed) = i.candidate_permissions
            && principal.permission < needed
        {
            return Err(Refusal::forbidden(
                "this question is for people with a higher permission",
            ));
        }
        let assigned = i.assignees.is_empty() || i.assignees.contains(&principal.id);
        if !assigned && principal.permission < Permission::Admin {
            return Err(Refusal::forbidden(format!(
                "this question is assigned to {}",
                i.assignees.join(", ")
            )));
        }
        Ok(())
    }

    pub(super) fn respond(&mut self, id: InterventionId, reply: &r::Respond) -> Ruled {
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        if let Some(comments) = &reply.comments
            && comments.len() > super::MAX_TEXT
        {
            return Err(Refusal::new(
                Code::PayloadTooLarge,
                "comments: at most 32 KiB",
            ));
        }
        let me = self.ctx.principal.id.clone();
        let digest = hash(&json!([
            reply.action,
            reply.comments,
            reply.modifications,
            reply.value,
            reply.choice
        ]));
        if let Some(earlier) = i
            .votes
            .iter()
            .find(|v| reply.response_id.is_some() && v.response_id == reply.response_id)
        {
            return if earlier.hash == digest && earlier.by == me {
                Ok(super::json(&*i))
            } else {
                Err(Refusal::new(
                    Code::IdempotencyConflict,
                    "this responseId was used for another reply",
                ))
            };
        }
        self.may_answer(&i)?;
        let response = InterventionResponse {
            action: reply.action,
            comments: reply.comments.clone(),
            modifications: reply.modifications.clone(),
            value: reply.value.clone(),
            choice: reply.choice.clone(),
            provided_by: me.clone(),
            provided_at: self.now(),
            response_id: reply.response_id.clone(),
        };
        if i.status != InterventionStatus::Pending {
            check_reply(&i, reply)?;
            if i.status == InterventionStatus::Completed {
                let mut change = intervention_change(&i, i.status);
                change.response = Some(response);
                self.emit(EventBody::InterventionLateReply(change));
            }
            return Err(resolved(&i));
        }
        let old_round = reply.round.is_some_and(|round| round != i.round);
        let old_subject = reply.subject_hash.is_some() && reply.subject_hash != i.subject_hash;
        if old_round || old_subject {
            return Err(Refusal::new(Code::Superseded, "the question has changed since; look at it again")
                .with_context(json!({"intervention": {"id": i.id, "round": i.round, "subjectHash": i.subject_hash}})));
        }
        check_reply(&i, reply)?;
        if let Some(by) = &i.claimed_by
            && *by != me
            && self.ctx.principal.permission < Permission::Admin
        {
            return Err(Refusal::new(Code::Conflict, format!("{by} is at it"))
                .with_context(json!({"claimedBy": by})));
        }
        if reply.action == ResponseAction::Escalate {
            self.escalate(&i, reply.value.as_ref());
            return self.intervention_reply(id);
        }
        let vote = Vote {
            by: me.clone(),
            action: reply.action,
            round: i.round,
            at: self.now(),
            comments: reply.comments.clone(),
            response_id: reply.response_id.clone(),
            hash: digest,
        };
        let requester = i.requested_by.id == me && i.requested_by.kind == self.ctx.principal.kind;
        if requester && !i.requester_counts && reply.action != ResponseAction::Abort {
            return Err(Refusal::forbidden(
                "you asked this question; another person has to decide it",
            ));
        }
        if i.votes.iter().any(|v| v.by == me && v.round == i.round) {
            return Err(Refusal::new(Code::Conflict, "you have voted in this round"));
        }
        let agreeing = matches!(
            reply.action,
            ResponseAction::Approve | ResponseAction::Answer | ResponseAction::Choose
        );
        let same = i
            .votes
            .iter()
            .filter(|v| v.round == i.round && v.action == reply.action)
            .count()
            + 1;
        if agreeing && same < i.quorum.n as usize {
            let mut change = intervention_change(&i, InterventionStatus::Pending);
            change.vote = Some(vote);
            self.emit(EventBody::InterventionVoted(change));
            return self.intervention_reply(id);
        }
        self.settle(&i, response, Some(vote), reply.action.outcome(i.kind));
        self.intervention_reply(id)
    }

    /// The question is decided: the reply is stored, and the step goes on as it says.
    fn settle(
        &mut self,
        i: &HumanIntervention,
        response: InterventionResponse,
        vote: Option<Vote>,
        outcome: Option<Outcome>,
    ) {
        let mut change = intervention_change(i, InterventionStatus::Completed);
        change.outcome = outcome;
        change.response = Some(response.clone());
        change.vote = vote;
        change.step = self.patch_after(i);
        self.emit(EventBody::InterventionCompleted(change));
        let by = &response.provided_by;
        match (outcome, i.on_reject) {
            (Some(Outcome::Aborted), _) => self.abort_process(Some(format!("aborted by {by}"))),
            (Some(Outcome::Rejected), OnReject::Fail) => {
                let why = response
                    .comments
                    .as_deref()
                    .unwrap_or("no reason was given");
                self.fail_by(
                    i,
                    Failure::permanent("rejected", format!("rejected by {by}: {why}")),
                );
            }
            (Some(Outcome::Rejected), OnReject::Skip) => self.skip_by(i),
            (Some(Outcome::Chosen), _) if is_own_escalation(i) => {
                match response.choice.as_deref() {
                    Some("skip") => self.skip_by(i),
                    Some("fail") => {
                        self.fail_by(
                            i,
                            Failure::permanent("escalated", format!("{by} let the step fail")),
                        );
                    }
                    _ => self.go_on(i),
                }
            }
            _ => self.go_on(i),
        }
    }

    fn fail_by(&mut self, i: &HumanIntervention, error: Failure) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        match i.step_id.and_then(|id| process.step(id)).cloned() {
            Some(step) if !step.status.is_terminal() => self.end_failed(&step, None, error, None),
            Some(_) => {}
            None => self.fail_process(error),
        }
    }

    fn skip_by(&mut self, i: &HumanIntervention) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = i
            .step_id
            .and_then(|id| process.step(id))
            .filter(|s| !s.status.is_terminal())
        else {
            return self.go_on(i);
        };
        self.take_away(step, StepPhase::Blocked, "the step is skipped");
        self.skip(step, SkipReason::Decided);
        self.close_step(step.id);
        self.end_handoffs(step.id, crate::model::handoff::HandoffStatus::Completed);
        self.advance();
    }

    /// What the step is at once this question no longer holds it up; none when another one still does.
    fn patch_after(&self, i: &HumanIntervention) -> Option<StepPatch> {
        let process = self.state.process.as_ref()?;
        let step = process.step(i.step_id?)?;
        if step.phase != Some(StepPhase::AwaitingInput)
            || process.open_interventions(step.id).any(|o| o.id != i.id)
        {
            return None;
        }
        let phase = if step.status == StepStatus::Running {
            StepPhase::Executing
        } else {
            StepPhase::Blocked
        };
        Some(patch(step, step.status, Some(phase)))
    }

    /// After a question was closed: what waited for it goes on.
    fn go_on(&mut self, i: &HumanIntervention) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if process.process.status == ProcessStatus::Pending
            && i.key == "start"
            && i.step_id.is_none()
        {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessStarted(change));
        }
        if process.process.status == ProcessStatus::Paused
            && process.process.reason == Some(pause_reason(i.id))
        {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessResumed(change));
        }
        self.advance();
    }

    fn escalate(&mut self, i: &HumanIntervention, to: Option<&Value>) {
        let mut change = intervention_change(i, InterventionStatus::Pending);
        let assignees = to
            .and_then(|v| v.get("assignees"))
            .and_then(|v| serde_json::from_value(v.clone()).ok());
        change.assignees = Some(assignees.unwrap_or_default());
        change.level = Some(i.level + 1);
        let due = self.state.process.as_ref().map(|p| {
            p.process
                .configuration
                .timeout_settings
                .human_response_timeout
        });
        change.due_at = due.map(|ms| self.now().plus_ms(ms));
        self.emit(EventBody::InterventionEscalated(change));
    }

    pub(super) fn expire_intervention(&mut self, i: &HumanIntervention) -> Ruled {
        let mut change = intervention_change(i, InterventionStatus::Expired);
        change.reason = Some("nobody answered in time".to_owned());
        match i.on_expire {
            OnExpire::Escalate | OnExpire::Default => self.escalate(i, None),
            OnExpire::Cancel => {
                change.step = self.patch_after(i);
                self.emit(EventBody::InterventionExpired(change));
                self.go_on(i);
            }
            OnExpire::Reject | OnExpire::Fail => {
                change.outcome = (i.on_expire == OnExpire::Reject).then_some(Outcome::Rejected);
                change.step = self.patch_after(i);
                self.emit(EventBody::InterventionExpired(change));
                let error = Failure::permanent("expired", "nobody answered in time");
                match i.on_reject {
                    OnReject::Skip if i.on_expire == OnExpire::Reject => self.skip_by(i),
                    OnReject::Continue if i.on_expire == OnExpire::Reject => self.go_on(i),
                    _ => self.fail_by(i, error),
                }
            }
        }
        Ok(Value::Null)
    }

    pub(super) fn remind(&mut self, i: &HumanIntervention) -> Ruled {
        let mut change = intervention_change(i, InterventionStatus::Pending);
        change.due_at = i.due_at;
        self.emit(EventBody::InterventionReminded(change));
        Ok(Value::Null)
    }
}

fn pause_reason(id: InterventionId) -> String {
    format!("waits for the intervention {id}")
}

fn is_own_escalation(i: &HumanIntervention) -> bool {
    i.requested_by.kind == PrincipalKind::System
        && i.kind == InterventionType::Escalation
        && i.options.is_some()
}

/// What an asker is told: the question, and the answer where there is one.
fn asked(i: &HumanIntervention) -> Value {
    match &i.response {
        Some(response) => json!({"intervention": i, "response": response}),
        None => json!({"intervention": i}),
    }
}

fn resolved(i: &HumanIntervention) -> Refusal {
    let (code, detail) = match (&i.response, i.status) {
        (Some(response), _) => (
            Code::AlreadyResolved,
            format!(
                "{} decided at {}: {}",
                response.provided_by,
                response.provided_at,
                response.action.as_str()
            ),
        ),
        (None, status) => (
            Code::AlreadyResolved,
            format!("the intervention is {}", status.as_str()),
        ),
    };
    Refusal::new(code, detail).with_context(json!({"intervention": i}))
}

/// Whether the reply fits the question.
fn check_reply(i: &HumanIntervention, reply: &r::Respond) -> Result<(), Refusal> {
    use ResponseAction as A;
    let allowed = i.kind.actions();
    if !matches!(reply.action, A::Escalate | A::Abort) && !allowed.contains(&reply.action) {
        let names: Vec<_> = allowed.iter().map(|a| a.as_str()).collect();
        return Err(Refusal::field(
            "action",
            format!(
                "{} is answered with {}, escalate or abort",
                i.kind.as_str(),
                names.join(", ")
            ),
        ));
    }
    match reply.action {
        A::Modify => match &reply.modifications {
            None => {
                return Err(Refusal::field(
                    "modifications",
                    "modify needs the full replacement",
                ));
            }
            Some(value) => check_value(i.schema.as_ref(), value, "modifications")?,
        },
        A::Answer if i.kind != InterventionType::Review => match &reply.value {
            None => return Err(Refusal::field("value", "answer needs a value")),
            Some(value) => check_value(i.schema.as_ref(), value, "value")?,
        },
        A::Choose => {
            let Some(choice) = &reply.choice else {
                return Err(Refusal::field("choice", "choose needs the id of an option"));
            };
            let options = i.options.as_deref().unwrap_or_default();
            if !options.is_empty() && !options.iter().any(|o| o.id == *choice) {
                let ids: Vec<_> = options.iter().map(|o| o.id.as_str()).collect();
                return Err(Refusal::field(
                    "choice",
                    format!("must be one of {}", ids.join(", ")),
                ));
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_schema(schema: &Value) -> Result<(), Refusal> {
    if schema.to_string().len() > super::MAX_TEXT {
        return Err(Refusal::new(
            Code::PayloadTooLarge,
            "schema: at most 32 KiB",
        ));
    }
    jsonschema::validator_for(schema)
        .map(|_| ())
        .map_err(|e| Refusal::field("schema", format!("is no JSON Schema: {e}")))
}

fn check_value(schema: Option<&Value>, value: &Value, path: &str) -> Result<(), Refusal> {
    let Some(schema) = schema else { return Ok(()) };
    let Ok(validator) = jsonschema::validator_for(schema) else {
        return Ok(());
    };
    let errors = validator
        .iter_errors(value)
        .take(20)
        .map(|e| {
            crate::FieldError::new(
                format!("{path}{}", view::dotted(&e.instance_path().to_string())),
                e.to_string(),
            )
        })
        .collect();
    crate::refusal::all_valid(errors)
}

use crate::view;
