//! Working on a question without deciding it: claim, release, assign, comment, take back.

use serde_json::json;

use crate::decide::flow::intervention_change;
use crate::decide::{Decider, Ruled, check_text, json as to_json};
use crate::event::EventBody;
use crate::id::InterventionId;
use crate::model::access::{Permission, PrincipalKind};
use crate::model::intervention::{InterventionComment, InterventionStatus};
use crate::request as r;
use crate::{Code, Refusal};

impl Decider<'_> {
    pub(in crate::decide) fn claim_intervention(&mut self, id: InterventionId) -> Ruled {
        let (_, i) = self.open_one(id)?;
        let me = self.ctx.principal.id.clone();
        self.may_answer(&i)?;
        match &i.claimed_by {
            Some(by) if *by == me => return Ok(to_json(&*i)),
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

    pub(in crate::decide) fn assign_intervention(
        &mut self,
        id: InterventionId,
        to: &r::Assign,
    ) -> Ruled {
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

    pub(in crate::decide) fn comment_intervention(
        &mut self,
        id: InterventionId,
        comment: &r::Comment,
    ) -> Ruled {
        check_text("text", &comment.text)?;
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

    pub(in crate::decide) fn cancel_intervention(
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
}
