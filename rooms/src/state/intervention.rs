//! What an event does to a question.

use crate::Timestamp;
use crate::event::{EventBody, InterventionChange};
use crate::model::Priority;
use crate::model::intervention::HumanIntervention;

/// So many late replies are kept.
const MAX_LATE: usize = 100;

pub(super) fn change(
    i: &mut HumanIntervention,
    body: &EventBody,
    c: &InterventionChange,
    at: Timestamp,
) {
    use EventBody as E;
    if let E::InterventionLateReply(_) = body {
        if i.late_replies.len() < MAX_LATE {
            i.late_replies.extend(c.vote.clone());
        }
        return;
    }
    i.status = c.status;
    if let Some(assignees) = &c.assignees {
        i.assignees.clone_from(assignees);
    }
    match body {
        E::InterventionClaimed(_) | E::InterventionReleased(_) => {
            i.claimed_by.clone_from(&c.claimed_by);
        }
        E::InterventionAssigned(_) => {
            i.delegated_by.clone_from(&c.delegated_by);
            i.claimed_by.take_if(|by| !i.assignees.contains(by));
        }
        E::InterventionReminded(_) => i.reminded_at = Some(at),
        E::InterventionEscalated(_) => {
            i.level = c.level.unwrap_or(i.level);
            i.level_since = at;
            i.claimed_by = None;
            i.delegated_by = None;
            i.priority = Priority::Urgent;
            i.due_at = c.due_at;
            i.expires_at = c.expires_at;
        }
        E::InterventionSuperseded(_) => {
            if let Some(new) = &c.question {
                i.round = new.round;
                i.description.clone_from(&new.description);
                i.schema.clone_from(&new.schema);
                i.options.clone_from(&new.options);
                i.subject.clone_from(&new.subject);
                i.subject_hash.clone_from(&new.subject_hash);
                i.asked_hash.clone_from(&new.asked_hash);
                i.proposed_by.clone_from(&new.proposed_by);
            }
        }
        E::InterventionCompleted(_) | E::InterventionExpired(_) | E::InterventionCancelled(_) => {
            i.outcome = c.outcome;
            i.response.clone_from(&c.response);
            i.completed_at = Some(at);
        }
        _ => {}
    }
    i.votes.extend(c.vote.clone());
    i.comments.extend(c.comment.clone());
}
