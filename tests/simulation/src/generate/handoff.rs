//! Handoffs: asked for and answered.

use rooms::Command;
use rooms::id::AgentId;
use rooms::model::attempt::AttemptStatus;
use rooms::model::handoff::HandoffStatus;
use serde_json::json;

use super::body;
use super::scene::{AIMED, Asked, Scene, agent_id, person};
use crate::{Kind, Random};

/// [`Kind::RequestHandoff`].
pub fn request(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    let mut ask = json!({
        "reason": "yours", "kind": if random.chance(30) { "delegate" } else { "transfer" },
        "context": {"summary": "half of it is done", "decisions": [1, 2]},
    });
    if random.chance(75) {
        ask["toAgentId"] = agent_id(random).into();
    } else if random.chance(90) {
        ask["toAgentIds"] = json!([agent_id(random), agent_id(random), agent_id(random)]);
    }
    if random.chance(75) {
        ask["epoch"] = epoch.into();
        let command = Command::RequestHandoff {
            attempt_id: Some(id.into()),
            handoff: Box::new(body(ask)),
        };
        return (who, room, command);
    }
    // A person or a backend names the step.
    let step = s
        .targets
        .attempt(random, |a| a.id.0 == id)
        .map_or(s.fresh, |a| a.1.step_id.0);
    ask["fromStepId"] = step.to_string().into();
    let command = Command::RequestHandoff {
        attempt_id: None,
        handoff: Box::new(body(ask)),
    };
    (person(s.world, random), room, command)
}

/// What becomes of a handoff.
pub fn answer(s: &Scene<'_>, random: &mut Random, kind: Kind) -> Asked {
    let open = random.chance(AIMED);
    let all: Vec<_> = s
        .targets
        .processes
        .iter()
        .flat_map(|(room, p)| p.handoffs.values().map(|h| (*room, h)))
        .filter(|(_, h)| {
            !open || (h.status == HandoffStatus::Pending) != (kind == Kind::CompleteHandoff)
        })
        .collect();
    let Some((room, handoff)) = random.pick(&all).copied() else {
        return (
            s.world.agent(&"ann".into()),
            s.world.space_room,
            Command::AcceptHandoff {
                handoff_id: s.fresh.into(),
            },
        );
    };
    let asked: Vec<AgentId> = handoff
        .to_agent_id
        .iter()
        .chain(handoff.candidates.iter().flatten())
        .cloned()
        .collect();
    let receiver = random.pick(&asked).cloned().unwrap_or_else(|| "ann".into());
    let why = body(json!({"reason": "no"}));
    let id = handoff.id;
    let (by, command) = match kind {
        Kind::RejectHandoff => (
            receiver,
            Command::RejectHandoff {
                handoff_id: id,
                reason: why,
            },
        ),
        Kind::CancelHandoff => (
            handoff.from_agent_id.clone(),
            Command::CancelHandoff {
                handoff_id: id,
                reason: why,
            },
        ),
        Kind::CompleteHandoff => (receiver, Command::CompleteHandoff { handoff_id: id }),
        _ => (receiver, Command::AcceptHandoff { handoff_id: id }),
    };
    let who = if random.chance(90) {
        s.world.agent(&by)
    } else {
        person(s.world, random)
    };
    (who, room, command)
}
