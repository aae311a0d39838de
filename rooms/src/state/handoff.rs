//! What an event does to a handoff.

use crate::Timestamp;
use crate::event::HandoffChange;
use crate::model::handoff::{AgentHandoff, HandoffStatus};

pub(super) fn change(handoff: &mut AgentHandoff, c: &HandoffChange, at: Timestamp) {
    handoff.status = c.status;
    if let Some(agent) = &c.rejected_by
        && !handoff.rejected_by.contains(agent)
    {
        handoff.rejected_by.push(agent.clone());
    }
    match c.status {
        HandoffStatus::Pending => {}
        HandoffStatus::Accepted => {
            handoff.accepted_at = Some(at);
            handoff.to_agent_id.clone_from(&c.to_agent_id);
            handoff.attempt_id = c.attempt.as_ref().map(|a| a.id);
            if let Some(child) = &c.child {
                handoff.to_step_id = Some(child.id);
            }
        }
        _ => {
            handoff.completed_at = Some(at);
            handoff.resolution.clone_from(&c.reason);
            handoff.result.clone_from(&c.result);
            handoff.error.clone_from(&c.error);
        }
    }
}
