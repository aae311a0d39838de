//! Answering: a reply is a vote; the one that decides is stored, and the step goes on as it says.

use serde_json::json;

use super::own::is_own_escalation;
use super::{form, resolved};
use crate::decide::flow::intervention_change;
use crate::decide::{Decider, MAX_TEXT, Ruled, hash, json as to_json};
use crate::event::EventBody;
use crate::id::InterventionId;
use crate::model::access::Permission;
use crate::model::intervention::{
    HumanIntervention, InterventionResponse, InterventionStatus, InterventionType, OnReject,
    Outcome, ResponseAction, Vote,
};
use crate::model::process::Failure;
use crate::request as r;
use crate::{Code, Refusal};

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
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        if let Some(comments) = &reply.comments
            && comments.len() > MAX_TEXT
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
                Ok(to_json(&*i))
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
            Some(value) => form::check_value(i.schema.as_ref(), value, "modifications")?,
        },
        A::Answer if i.kind != InterventionType::Review => match &reply.value {
            None => return Err(Refusal::field("value", "answer needs a value")),
            Some(value) => form::check_value(i.schema.as_ref(), value, "value")?,
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
