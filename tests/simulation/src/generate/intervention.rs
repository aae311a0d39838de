//! Questions: asked, worked on and answered.

use rooms::Command;
use rooms::id::RoomId;
use rooms::model::attempt::AttemptStatus;
use rooms::model::intervention::{HumanIntervention, InterventionType};
use serde_json::{Value, json};

use super::body;
use super::scene::{AIMED, Asked, Scene, person};
use crate::{Kind, Random};

/// [`Kind::RequestIntervention`].
pub fn request(s: &Scene<'_>, random: &mut Random) -> Asked {
    let kinds = ["approval", "input", "decision", "review", "escalation"];
    let kind = random.pick(&kinds).copied().unwrap_or("input");
    let mut ask = json!({
        "type": kind, "description": format!("Question {}?", random.below(4)),
        "mode": random.pick(&["hold", "suspend"]),
        "onReject": random.pick(&["fail", "continue", "skip"]),
        "onExpire": random.pick(&["escalate", "reject", "cancel", "fail", "default"]),
        "pausesProcess": random.chance(10),
        "assignees": if random.chance(20) { json!(["wendy"]) } else { json!([]) },
    });
    if random.chance(50) {
        ask["options"] = json!(["yes", {"id": "no", "label": "No"}]);
    }
    if random.chance(40) {
        ask["subject"] = json!({"text": random.below(3)});
    }
    if random.chance(40) {
        ask["expiresInMs"] = random.below(8_000).into();
    }
    if random.chance(30) {
        ask["dueInMs"] = random.below(8_000).into();
    }
    if random.chance(20) {
        ask["quorum"] = json!({"n": random.below(4), "selfApproval": random.chance(50)});
    }
    if random.chance(20) {
        ask["schema"] = if random.chance(90) {
            json!({"type": "object", "required": ["text"]})
        } else {
            json!({"type": 7})
        };
    }
    if random.chance(70) {
        let (who, room, id, epoch) = s.about(random, Some(AttemptStatus::Leased));
        ask["epoch"] = epoch.into();
        let command = Command::RequestIntervention {
            attempt_id: Some(id.into()),
            question: Box::new(body(ask)),
        };
        return (who, room, command);
    }
    // A person or a backend asks, for a step or for the whole process.
    if let Some(step) = s
        .process
        .and_then(|p| {
            let steps: Vec<_> = p.steps.iter().collect();
            random.pick(&steps).copied()
        })
        .filter(|_| random.clone().chance(75))
    {
        ask["stepId"] = step.key.as_str().into();
    }
    let command = Command::RequestIntervention {
        attempt_id: None,
        question: Box::new(body(ask)),
    };
    (person(s.world, random), s.home, command)
}

/// What people do about a question.
pub fn answer(s: &Scene<'_>, random: &mut Random, kind: Kind) -> Asked {
    let open = random.chance(AIMED);
    let Some((room, i)) = s
        .targets
        .intervention(random, open)
        .or_else(|| s.targets.intervention(random, false))
    else {
        let command = Command::ClaimIntervention {
            intervention_id: s.fresh.into(),
        };
        return (s.human.clone(), RoomId(s.fresh), command);
    };
    let id = i.id;
    let command = match kind {
        Kind::ClaimIntervention => Command::ClaimIntervention {
            intervention_id: id,
        },
        Kind::ReleaseIntervention => Command::ReleaseIntervention {
            intervention_id: id,
        },
        Kind::AssignIntervention => {
            let to = if random.chance(50) {
                json!({"assignees": []})
            } else {
                json!({"assignees": ["wendy", "will"]})
            };
            Command::AssignIntervention {
                intervention_id: id,
                to: body(to),
            }
        }
        Kind::DelegateIntervention => Command::DelegateIntervention {
            intervention_id: id,
            delegate: body(json!({"to": "wendy"})),
        },
        Kind::RemindIntervention => Command::RemindIntervention {
            intervention_id: id,
        },
        Kind::CommentIntervention => Command::CommentIntervention {
            intervention_id: id,
            comment: body(json!({"text": "Hm"})),
        },
        Kind::CancelIntervention => Command::CancelIntervention {
            intervention_id: id,
            reason: body(json!({})),
        },
        _ => Command::RespondIntervention {
            intervention_id: id,
            reply: Box::new(body(reply(random, i))),
        },
    };
    (s.human.clone(), room, command)
}

/// A reply that fits the question, mostly.
pub fn reply(random: &mut Random, i: &HumanIntervention) -> Value {
    let value = if random.chance(85) {
        json!({"text": "so"})
    } else {
        json!(3)
    };
    let choice = i
        .options
        .as_ref()
        .and_then(|all| random.pick(all))
        .map_or("yes".to_owned(), |o| o.id.clone());
    let choose = json!({"action": "choose", "choice": choice});
    let answered = json!({"action": "answer", "value": value});
    let modify = json!({"action": "modify", "modifications": value});
    let mut reply = match (i.kind, random.below(10)) {
        (_, 0) => json!({"action": "escalate"}),
        (_, 1) if random.chance(25) => json!({"action": "abort"}),
        (_, 2) => {
            json!({"action": random.pick(&["approve", "reject", "modify", "answer", "choose"])})
        }
        (InterventionType::Approval, 3 | 4) => json!({"action": "reject", "comments": "not so"}),
        (InterventionType::Approval, 5) => modify,
        (InterventionType::Approval, _) => json!({"action": "approve"}),
        (InterventionType::Input, _) => answered,
        (InterventionType::Decision, _) => choose,
        (InterventionType::Review, 3) => modify,
        (InterventionType::Review, 4) => json!({"action": "reject"}),
        (InterventionType::Review, _) => answered,
        (InterventionType::Escalation, 3 | 4) => answered,
        (InterventionType::Escalation, _) => choose,
    };
    if random.chance(30) {
        reply["responseId"] = format!("r{}", random.below(5)).into();
    }
    if random.chance(15) {
        reply["round"] = random.below(3).into();
    }
    if random.chance(10) {
        reply["subjectHash"] = json!(i.subject_hash);
    }
    reply
}
