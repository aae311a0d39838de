//! Handoffs. A **transfer** gives the step itself away: the sender keeps its lease until the receiver accepts, and acceptance is one
//! transaction. A **delegation** gives a part of it: the receiver works on a new step, the sender goes on with its own, and what the
//! part gave comes back to whoever holds the step then.
//!
//! One file per thing that happens to a handoff: it is asked for (`ask`, and `receiver` for who is asked), accepted (`accept`), or
//! comes to its end (`end`).

mod accept;
mod ask;
mod end;
mod receiver;

pub(super) use receiver::may_be_asked;

use std::sync::Arc;

use serde_json::json;

use super::{Decider, Ruled};
use crate::Refusal;
use crate::id::{AgentId, HandoffId};
use crate::model::handoff::{AgentHandoff, HandoffStatus};
use crate::model::step::ProcessStep;
use crate::state::ProcessState;

/// A step changes hands at most so often, and is delegated at most so deep.
const MAX_HOPS: usize = 10;

impl Decider<'_> {
    fn handoff(&self, id: HandoffId) -> Result<Arc<AgentHandoff>, Refusal> {
        self.process()?
            .handoffs
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("handoff", id))
    }

    fn pending(&self, id: HandoffId) -> Result<Arc<AgentHandoff>, Refusal> {
        let handoff = self.handoff(id)?;
        if handoff.status == HandoffStatus::Pending {
            Ok(handoff)
        } else {
            Err(already(&handoff))
        }
    }

    fn handoff_reply(&self, id: HandoffId) -> Ruled {
        Ok(json!({"handoff": *self.handoff(id)?}))
    }
}

/// The steps that a step is a part of, the nearest first.
fn ancestors<'p>(
    process: &'p ProcessState,
    step: &'p ProcessStep,
) -> impl Iterator<Item = &'p ProcessStep> {
    let parent = |s: &'p ProcessStep| {
        process
            .step(s.parent_step_id?)
            .map(AsRef::<ProcessStep>::as_ref)
    };
    std::iter::successors(parent(step), move |s| parent(s))
}

/// Whether this agent held the step since its last progress: to give it back is a circle.
fn held_before(process: &ProcessState, step: &ProcessStep, agent: &AgentId) -> bool {
    process
        .chain
        .get(&step.id)
        .is_some_and(|chain| chain.contains(agent))
}

fn already(handoff: &AgentHandoff) -> Refusal {
    Refusal::illegal(format!("the handoff is {}", handoff.status.as_str())).with_context(json!({
        "handoff": {"id": handoff.id, "status": handoff.status, "toAgentId": handoff.to_agent_id},
    }))
}
