//! Work: offered, taken, done, given back.

use rooms::Command;
use rooms::id::AgentId;
use rooms::model::attempt::AttemptStatus;
use rooms::model::step::StepPhase;
use serde_json::{Value, json};

use super::body;
use super::scene::{Asked, Scene, agent_id};
use crate::Random;

/// [`Kind::Offer`](crate::Kind).
pub fn offer(s: &Scene<'_>, random: &mut Random) -> Asked {
    let steps: Vec<_> = s
        .process
        .into_iter()
        .flat_map(|p| p.steps.iter())
        .filter(|s| s.phase == Some(StepPhase::Ready) || random.clone().chance(10))
        .collect();
    let id: AgentId = agent_id(random).into();
    let claim = random.chance(60);
    let command = Command::Offer {
        step_id: random.pick(&steps).map_or(s.fresh.into(), |s| s.id),
        agent_id: id.clone(),
        instance_id: s.world.online.get(&id).cloned(),
        claim,
    };
    (
        if claim {
            s.world.agent(&id)
        } else {
            s.system()
        },
        s.home,
        command,
    )
}

/// [`Kind::AcceptAttempt`](crate::Kind).
pub fn accept_attempt(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Offered));
    (
        who,
        room,
        Command::AcceptAttempt {
            attempt_id: id.into(),
            lease: body(json!({"epoch": epoch})),
        },
    )
}

/// [`Kind::RejectAttempt`](crate::Kind).
pub fn reject_attempt(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Offered));
    (
        who,
        room,
        Command::RejectAttempt {
            attempt_id: id.into(),
            lease: body(json!({"epoch": epoch, "reason": "busy"})),
        },
    )
}

/// [`Kind::Heartbeat`](crate::Kind).
pub fn heartbeat(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    (
        who,
        room,
        Command::Heartbeat {
            attempt_id: id.into(),
            lease: body(json!({"epoch": epoch})),
        },
    )
}

/// [`Kind::Progress`](crate::Kind).
pub fn progress(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    let progress = json!({"epoch": epoch, "percent": random.chance(80).then(|| random.below(104)), "note": "so far"});
    (
        who,
        room,
        Command::Progress {
            attempt_id: id.into(),
            progress: body(progress),
        },
    )
}

/// [`Kind::Complete`](crate::Kind).
pub fn complete(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    let outputs = match random.below(6) {
        0 => Value::Null,
        1 => json!("plain text"),
        2 => json!({"steps": "not the steps", "limit": 4}),
        _ => json!({"score": random.below(11), "alarm": random.chance(10)}),
    };
    (
        who,
        room,
        Command::Complete {
            attempt_id: id.into(),
            result: body(json!({"epoch": epoch, "outputs": outputs})),
        },
    )
}

/// [`Kind::Fail`](crate::Kind).
pub fn fail(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    let code = random.pick(&["broken", "timeout", "empty"]);
    let error = json!({"code": code, "message": "it broke", "retryable": !random.chance(25)});
    (
        who,
        room,
        Command::Fail {
            attempt_id: id.into(),
            failure: body(json!({"epoch": epoch, "error": error})),
        },
    )
}

/// [`Kind::Release`](crate::Kind).
pub fn release(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
    (
        who,
        room,
        Command::Release {
            attempt_id: id.into(),
            lease: body(json!({"epoch": epoch})),
        },
    )
}

/// [`Kind::ReleaseAgent`](crate::Kind).
pub fn release_agent(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (_, room, id, _) = s.about(random, None);
    let attempt = s.targets.attempt(random, |a| a.id.0 == id);
    let agent = attempt.map_or_else(|| "ann".into(), |a| a.1.agent_id.clone());
    let instance = attempt
        .and_then(|a| a.1.instance_id.clone())
        .unwrap_or_else(|| "ann-1".into());
    (
        s.system(),
        room,
        Command::ReleaseAgent {
            agent_id: agent,
            instance_id: random.chance(75).then_some(instance),
        },
    )
}
