//! Working on a question without deciding it: claim, release, assign, delegate, comment, remind, take back.

use serde_json::json;

use super::ask::{MAX_LISTED, USER_ID_RULE, is_user_id};
use super::intervention_change;
use crate::decide::{Decider, Ruled, check_text};
use crate::event::EventBody;
use crate::id::InterventionId;
use crate::model::access::{Permission, PrincipalKind};
use crate::model::intervention::{HumanIntervention, InterventionComment, InterventionStatus};
use crate::model::room::RoomRole;
use crate::request as r;
use crate::{Code, FieldError, Refusal};

/// A question takes so many comments.
const MAX_COMMENTS: usize = 500;
/// A person reminds of a question at most once in so many milliseconds.
const REMIND_EVERY_MS: u64 = 60_000;

impl Decider<'_> {
    pub(in crate::decide) fn claim_intervention(&mut self, id: InterventionId) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        let i = self.open_one(id)?;
        let me = self.ctx.principal.id.clone();
        self.may_answer(&i)?;
        match &i.claimed_by {
            Some(by) if *by == me => return self.intervention_reply(id),
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

    pub(in crate::decide) fn release_intervention(&mut self, id: InterventionId) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        let i = self.open_one(id)?;
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
        let change = intervention_change(&i, InterventionStatus::Pending);
        self.emit(EventBody::InterventionReleased(change));
        self.intervention_reply(id)
    }

    pub(in crate::decide) fn assign_intervention(
        &mut self,
        id: InterventionId,
        to: &r::Assign,
    ) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        let i = self.open_one(id)?;
        check_assignees("assignees", &to.assignees)?;
        self.may_pass_on(&i)?;
        let mut change = intervention_change(&i, InterventionStatus::Pending);
        change.assignees = Some(to.assignees.clone());
        self.emit(EventBody::InterventionAssigned(change));
        self.intervention_reply(id)
    }

    /// Whoever should answer lets another person do it; a claim ends with it.
    pub(in crate::decide) fn delegate_intervention(
        &mut self,
        id: InterventionId,
        delegate: &r::Delegate,
    ) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        let i = self.open_one(id)?;
        if !is_user_id(&delegate.to) {
            return Err(Refusal::field("to", USER_ID_RULE));
        }
        let me = &self.ctx.principal.id;
        if delegate.to == *me {
            return Err(Refusal::field(
                "to",
                "name another person; to work on it yourself, claim it",
            ));
        }
        if let Some(comments) = &delegate.comments {
            check_text("comments", comments)?;
        }
        self.may_pass_on(&i)?;
        let mut change = intervention_change(&i, InterventionStatus::Pending);
        change.assignees = Some(vec![delegate.to.clone()]);
        change.delegated_by = Some(me.clone());
        change.comment = delegate
            .comments
            .as_ref()
            .filter(|_| i.comments.len() < MAX_COMMENTS)
            .map(|text| self.comment(text));
        self.emit(EventBody::InterventionAssigned(change));
        self.intervention_reply(id)
    }

    /// A person reminds those who should answer.
    pub(in crate::decide) fn remind_intervention(&mut self, id: InterventionId) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        let i = self.open_one(id)?;
        if i.reminded_at
            .is_some_and(|at| self.now().ms_since(at) < REMIND_EVERY_MS)
        {
            return Err(Refusal::new(
                Code::RateLimited,
                "they were reminded within the last minute",
            ));
        }
        let change = intervention_change(&i, InterventionStatus::Pending);
        self.emit(EventBody::InterventionReminded(change));
        self.intervention_reply(id)
    }

    pub(in crate::decide) fn comment_intervention(
        &mut self,
        id: InterventionId,
        comment: &r::Comment,
    ) -> Ruled {
        self.require_role(RoomRole::Participant)?;
        check_text("text", &comment.text)?;
        let i = self.intervention(id)?;
        self.open_room()?;
        if i.comments.len() >= MAX_COMMENTS {
            return Err(Refusal::new(
                Code::Conflict,
                format!("an intervention takes {MAX_COMMENTS} comments; go on in the room"),
            ));
        }
        let mut change = intervention_change(&i, i.status);
        change.comment = Some(self.comment(&comment.text));
        self.emit(EventBody::InterventionCommented(change));
        self.intervention_reply(id)
    }

    fn comment(&self, text: &str) -> InterventionComment {
        InterventionComment {
            by: self.ctx.principal.id.clone(),
            text: text.to_owned(),
            at: self.now(),
        }
    }

    pub(in crate::decide) fn cancel_intervention(
        &mut self,
        id: InterventionId,
        why: &r::HandoffReason,
    ) -> Ruled {
        let i = self.open_one(id)?;
        let principal = self.ctx.principal;
        let mine = i.requested_by.id == principal.id && i.requested_by.kind == principal.kind;
        if !mine
            && (principal.kind == PrincipalKind::Agent || principal.permission < Permission::Admin)
        {
            return Err(Refusal::forbidden(
                "only who asked, or an admin, takes a question back",
            ));
        }
        if i.requested_by.kind == PrincipalKind::System {
            return Err(Refusal::illegal(
                "Baton asks this by itself, and the answer decides how it goes on: answer it",
            ));
        }
        let mut change = intervention_change(&i, InterventionStatus::Cancelled);
        change.reason.clone_from(&why.reason);
        change.step = self.patch_after(&i);
        self.emit(EventBody::InterventionCancelled(change));
        self.go_on(&i);
        self.intervention_reply(id)
    }

    /// Whether the caller may say who should answer: who asked, who should answer now, or an admin.
    fn may_pass_on(&self, i: &HumanIntervention) -> Result<(), Refusal> {
        let principal = self.ctx.principal;
        let mine = i.assignees.is_empty()
            || i.assignees.contains(&principal.id)
            || i.claimed_by.as_ref() == Some(&principal.id)
            || (i.requested_by.id == principal.id && i.requested_by.kind == principal.kind);
        if mine || principal.permission >= Permission::Admin {
            return Ok(());
        }
        Err(Refusal::forbidden(format!(
            "this question is assigned to {}; they, who asked, or an admin pass it on",
            i.assignees.join(", ")
        )))
    }
}

/// Whether these can be the people who should answer.
pub(super) fn check_assignees(path: &str, assignees: &[String]) -> Result<(), Refusal> {
    let mut errors: Vec<FieldError> = assignees
        .iter()
        .enumerate()
        .filter(|(_, who)| !is_user_id(who))
        .map(|(n, _)| FieldError::new(format!("{path}[{n}]"), USER_ID_RULE))
        .collect();
    if assignees.len() > MAX_LISTED {
        errors.push(FieldError::new(path, format!("at most {MAX_LISTED}")));
    }
    crate::refusal::all_valid(errors)
}
