//! Answering: a reply is a vote; the one that decides is stored, and the step goes on as it says.

use serde_json::{Value, json};

use super::own::{is_about_result, is_own_escalation, is_start};
use super::work::check_assignees;
use super::{intervention_change, resolved};
use crate::decide::{Decider, MAX_TEXT, Ruled, hash, subject_hash};
use crate::event::{EventBody, QuestionChange};
use crate::id::InterventionId;
use crate::model::access::Permission;
use crate::model::intervention::{
    HumanIntervention, InterventionResponse, InterventionStatus, InterventionType, OnReject,
    Outcome, ResponseAction, Vote,
};
use crate::model::process::Failure;
use crate::model::room::RoomRole;
use crate::request as r;
use crate::{Code, FieldError, Refusal, form, limits};

/// The largest value or replacement, in bytes of JSON.
const MAX_VALUE: usize = 256 * 1024;

impl Decider<'_> {
    pub(super) fn may_answer(&self, i: &HumanIntervention) -> Result<(), Refusal> {
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

    pub(in crate::decide) fn respond(&mut self, id: InterventionId, reply: &r::Respond) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        check_size(reply)?;
        let i = self.intervention(id)?;
        let me = self.ctx.principal.id.clone();
        let vote = Vote {
            by: me.clone(),
            action: reply.action,
            round: i.round,
            at: self.now(),
            comments: reply.comments.clone(),
            response_id: reply.response_id.clone(),
            hash: hash(&json!([
                reply.action,
                reply.comments,
                reply.modifications,
                reply.value,
                reply.choice
            ])),
            ballot: ballot(reply.action, reply.value.as_ref(), reply.choice.as_deref()),
        };
        if let Some(again) = self.repeated_reply(&i, &vote)? {
            return again;
        }
        self.may_answer(&i)?;
        if i.status != InterventionStatus::Pending {
            check_reply(&i, reply)?;
            let mut change = intervention_change(&i, i.status);
            change.response = Some(self.response(reply));
            change.vote = Some(vote);
            self.emit(EventBody::InterventionLateReply(change));
            return Err(resolved(&i));
        }
        let old_round = reply.round.is_some_and(|round| round != i.round);
        let old_subject = reply
            .subject_hash
            .as_ref()
            .is_some_and(|seen| *seen != i.subject_hash);
        if old_round || old_subject {
            return Err(Refusal::new(
                Code::Superseded,
                "the question has changed since; look at it again",
            )
            .with_context(json!({"intervention": *i})));
        }
        check_reply(&i, reply)?;
        if reply.action == ResponseAction::Escalate {
            let to = escalation_of(reply)?;
            self.escalate_by(&i, to, vote)?;
            return self.intervention_reply(id);
        }
        self.may_vote(&i, reply.action)?;
        self.count(&i, reply, vote);
        self.intervention_reply(id)
    }

    fn response(&self, reply: &r::Respond) -> InterventionResponse {
        InterventionResponse {
            action: reply.action,
            comments: reply.comments.clone(),
            modifications: reply.modifications.clone(),
            authoritative: reply.action == ResponseAction::Modify,
            // As the log is read: no value and `null` are the same.
            value: reply.value.clone().filter(|v| !v.is_null()),
            choice: reply.choice.clone(),
            provided_by: self.ctx.principal.id.clone(),
            provided_at: self.now(),
            response_id: reply.response_id.clone(),
        }
    }

    /// The same responseId and body give the first result again; another body is refused. A late reply without an id is known by
    /// what it says.
    fn repeated_reply(&self, i: &HumanIntervention, vote: &Vote) -> Result<Option<Ruled>, Refusal> {
        let same_body = |v: &Vote| v.hash == vote.hash && v.by == vote.by;
        let named = |v: &&Vote| vote.response_id.is_some() && v.response_id == vote.response_id;
        if let Some(first) = i.votes.iter().chain(&i.late_replies).find(named)
            && !same_body(first)
        {
            return Err(Refusal::new(
                Code::IdempotencyConflict,
                "this responseId was used for another reply",
            ));
        }
        if i.votes.iter().any(|v| named(&v)) {
            return Ok(Some(self.intervention_reply(i.id)));
        }
        let late = i
            .late_replies
            .iter()
            .any(|v| named(&v) || (vote.response_id.is_none() && same_body(v)));
        Ok(late.then(|| Err(resolved(i))))
    }

    fn may_vote(&self, i: &HumanIntervention, action: ResponseAction) -> Result<(), Refusal> {
        let principal = self.ctx.principal;
        // Where several must agree, one who is at it does not keep the others from voting.
        if let Some(by) = i.claimed_by.as_ref().filter(|_| i.quorum.n == 1)
            && *by != principal.id
            && principal.permission < Permission::Admin
        {
            return Err(Refusal::new(Code::Conflict, format!("{by} is at it"))
                .with_context(json!({"claimedBy": by})));
        }
        let asked = i.requested_by.id == principal.id && i.requested_by.kind == principal.kind;
        if asked && !i.requester_counts && action != ResponseAction::Abort {
            return Err(Refusal::forbidden(
                "you asked this question; another person has to decide it",
            ));
        }
        if votes(i).any(|v| v.by == principal.id) {
            return Err(Refusal::new(Code::Conflict, "you have voted in this round"));
        }
        Ok(())
    }

    /// A valid vote: it decides, or is kept until enough agree. One `reject` or `abort` decides.
    fn count(&mut self, i: &HumanIntervention, reply: &r::Respond, mut vote: Vote) {
        let several = i.quorum.n > 1;
        if several && reply.action == ResponseAction::Modify {
            return self.propose(i, reply, vote);
        }
        let agreeing = !matches!(reply.action, ResponseAction::Reject | ResponseAction::Abort);
        let same = votes(i).filter(|v| v.ballot == vote.ballot).count() + 1;
        if agreeing && same < i.quorum.n as usize {
            let mut change = intervention_change(i, InterventionStatus::Pending);
            change.vote = Some(vote);
            self.emit(EventBody::InterventionVoted(change));
            return;
        }
        let mut response = self.response(reply);
        let mut outcome = reply.action.outcome(i.kind);
        if i.proposed_by.is_some() && matches!(outcome, Some(Outcome::Approved | Outcome::Reviewed))
        {
            // What they agreed on is a person's replacement.
            outcome = Some(Outcome::Modified);
            response.action = ResponseAction::Modify;
            response.modifications.clone_from(&i.subject);
            response.authoritative = true;
            vote.action = ResponseAction::Modify;
        }
        self.settle(i, response, Some(vote), outcome);
    }

    /// Several must agree, and one of them would have it otherwise: the replacement is put to the vote in a new round, with the vote of
    /// the person who proposed it.
    fn propose(&mut self, i: &HumanIntervention, reply: &r::Respond, mut vote: Vote) {
        let yes = match i.kind {
            InterventionType::Review => ResponseAction::Answer,
            _ => ResponseAction::Approve,
        };
        vote.round = i.round + 1;
        vote.ballot = ballot(yes, None, None);
        let mut change = intervention_change(i, InterventionStatus::Pending);
        change.question = Some(QuestionChange {
            round: i.round + 1,
            description: i.description.clone(),
            schema: i.schema.clone(),
            options: i.options.clone(),
            subject: reply.modifications.clone(),
            subject_hash: subject_hash(reply.modifications.as_ref()),
            asked_hash: i.asked_hash.clone(),
            proposed_by: Some(vote.by.clone()),
        });
        change.vote = Some(vote);
        self.emit(EventBody::InterventionSuperseded(change));
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
        match outcome {
            Some(Outcome::Aborted) => self.abort_process(Some(format!("aborted by {by}"))),
            Some(Outcome::Rejected) => {
                let why = response
                    .comments
                    .as_deref()
                    .unwrap_or("no reason was given");
                let error = Failure::permanent("rejected", format!("rejected by {by}: {why}"));
                self.rejected(i, error);
            }
            Some(Outcome::Chosen | Outcome::Answered) if is_own_escalation(i) => {
                match response.choice.as_deref() {
                    Some("skip") => self.skip_by(i),
                    Some("fail") => {
                        let why = format!("{by} let the step fail");
                        self.let_fail(i, Failure::permanent("escalated", why));
                    }
                    Some("retry") => self.go_on(i),
                    _ if is_about_result(i) => self.take_result(i),
                    _ => self.go_on(i),
                }
            }
            _ => self.go_on(i),
        }
    }

    /// What a rejection does, as the asker said.
    pub(super) fn rejected(&mut self, i: &HumanIntervention, error: Failure) {
        match i.on_reject {
            OnReject::Fail => self.fail_by(i, error),
            OnReject::Skip => self.skip_by(i),
            OnReject::Continue => self.go_on(i),
        }
    }
}

/// The votes of this round.
fn votes(i: &HumanIntervention) -> impl Iterator<Item = &Vote> {
    i.votes
        .iter()
        .filter(|v| v.round == i.round && v.action != ResponseAction::Escalate)
}

/// What a vote says, comments aside.
fn ballot(action: ResponseAction, value: Option<&Value>, choice: Option<&str>) -> String {
    hash(&json!([action, value, choice]))
}

fn check_size(reply: &r::Respond) -> Result<(), Refusal> {
    let too_large = |path: &str, most: usize| {
        Err(Refusal::new(
            Code::PayloadTooLarge,
            format!("{path}: at most {most} bytes are taken"),
        ))
    };
    if reply.comments.as_ref().is_some_and(|c| c.len() > MAX_TEXT) {
        return too_large("comments", MAX_TEXT);
    }
    for (path, value) in [
        ("modifications", &reply.modifications),
        ("value", &reply.value),
    ] {
        if let Some(value) = value {
            if value.to_string().len() > MAX_VALUE {
                return too_large(path, MAX_VALUE);
            }
            limits::check_nesting(path, value, limits::NESTING)?;
        }
    }
    if let Some(id) = &reply.response_id
        && !(1..=255).contains(&id.len())
    {
        return Err(Refusal::field("responseId", "must be 1 to 255 bytes"));
    }
    Ok(())
}

/// Whom an `escalate` names: `value.assignees`, if any.
fn escalation_of(reply: &r::Respond) -> Result<Vec<String>, Refusal> {
    let Some(value) = &reply.value else {
        return Ok(Vec::new());
    };
    let assignees = value.get("assignees").cloned().unwrap_or_default();
    let assignees: Vec<String> = serde_json::from_value(assignees).map_err(|_| {
        Refusal::field(
            "value.assignees",
            "escalate takes {\"assignees\": [user ids]}",
        )
    })?;
    check_assignees("value.assignees", &assignees)?;
    Ok(assignees)
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
    // Nobody shall believe that what they have changed is what begins.
    if reply.action == A::Modify && is_start(i) {
        return Err(Refusal::field(
            "action",
            "a process is started as it was given, or not at all: reject it, and start another one",
        ));
    }
    let mut errors = Vec::new();
    if reply.modifications.is_some() && reply.action != A::Modify {
        errors.push(FieldError::new(
            "modifications",
            "belong to the action modify",
        ));
    }
    if reply.choice.is_some() && reply.action != A::Choose {
        errors.push(FieldError::new("choice", "belongs to the action choose"));
    }
    crate::refusal::all_valid(errors)?;
    let fits = |path: &str, value: &Value| match &i.schema {
        Some(schema) => form::check_value(path, schema, value),
        None => Ok(()),
    };
    match (reply.action, &reply.value) {
        (A::Modify, _) => match &reply.modifications {
            None => Err(Refusal::field(
                "modifications",
                "modify needs the full replacement",
            )),
            Some(value) => fits("modifications", value),
        },
        (A::Answer, Some(value)) if !value.is_null() || i.schema.is_some() => fits("value", value),
        (A::Answer, _) if i.kind != InterventionType::Review || i.schema.is_some() => {
            Err(Refusal::field("value", "answer needs a value"))
        }
        (A::Choose, _) => {
            let options = i.options.as_deref().unwrap_or_default();
            let ids = || {
                options
                    .iter()
                    .map(|o| o.id.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            match &reply.choice {
                _ if options.is_empty() => Err(Refusal::field(
                    "action",
                    "there is nothing to choose from; use answer",
                )),
                None => Err(Refusal::field(
                    "choice",
                    format!("is missing; one of {}", ids()),
                )),
                Some(choice) if options.iter().any(|o| o.id == *choice) => Ok(()),
                Some(_) => Err(Refusal::field(
                    "choice",
                    format!("must be one of {}", ids()),
                )),
            }
        }
        // What is told along with it reaches the agent too.
        (A::Approve, Some(value)) if !value.is_null() => fits("value", value),
        _ => Ok(()),
    }
}
