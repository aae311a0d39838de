//! Rooms: what is said in them, and who is there.

use rooms::Command;
use rooms::id::{AgentId, MessageId, RoomId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use serde_json::json;

use super::body;
use super::scene::{AIMED, Asked, Scene, agent_id, someone};
use crate::Random;

/// [`Kind::SendCommunication`](crate::Kind).
pub fn send_communication(s: &Scene<'_>, random: &mut Random) -> Asked {
    let from: AgentId = agent_id(random).into();
    let mut send = json!({
        "toAgentId": agent_id(random), "message": "Are you there?",
        "type": random.pick(&["question", "answer", "update", "request", "notification"]),
    });
    if random.chance(50) {
        send["responseTimeoutMs"] = random.below(5_000).into();
    }
    (
        s.world.agent(&from),
        s.home,
        Command::SendCommunication(body(send)),
    )
}

/// [`Kind::RespondCommunication`](crate::Kind).
pub fn respond_communication(s: &Scene<'_>, random: &mut Random) -> Asked {
    let open: Vec<_> = s
        .targets
        .processes
        .iter()
        .flat_map(|(room, p)| {
            p.open_communications
                .values()
                .map(|c| (*room, c.id, c.to_agent_id.clone()))
        })
        .collect();
    let (room, id, to) =
        random
            .pick(&open)
            .cloned()
            .unwrap_or((s.home, s.fresh.into(), "ann".into()));
    (
        s.world.agent(&to),
        room,
        Command::RespondCommunication {
            communication_id: id,
            response: body(json!({"message": "Yes"})),
        },
    )
}

/// [`Kind::CreateRoom`](crate::Kind).
pub fn create_room(s: &Scene<'_>, random: &mut Random) -> Asked {
    let mut create =
        json!({"name": "A room", "type": random.pick(&["workspace", "team", "process"])});
    if let Some(team) = random.pick(&s.targets.teams) {
        create["teamId"] = json!(team);
    }
    create["participants"] = json!([{"type": "agent", "id": agent_id(random)}, {"type": "human", "id": "wendy", "role": "observer"}]);
    (
        s.human.clone(),
        RoomId(s.fresh),
        Command::CreateRoom {
            room_id: RoomId(s.fresh),
            room: body(create),
        },
    )
}

/// [`Kind::Invite`](crate::Kind).
pub fn invite(s: &Scene<'_>, random: &mut Random) -> Asked {
    let who = json!({"type": "agent", "id": agent_id(random), "role": random.pick(&["observer", "participant", "coordinator", "supervisor"])});
    (s.human.clone(), s.anywhere, Command::Invite(body(who)))
}

/// [`Kind::RemoveParticipant`](crate::Kind).
pub fn remove_participant(s: &Scene<'_>, random: &mut Random) -> Asked {
    let who = if random.chance(60) {
        json!({"type": "agent", "id": agent_id(random)})
    } else {
        json!({"type": "human", "id": s.human.id})
    };
    (
        s.human.clone(),
        s.anywhere,
        Command::RemoveParticipant(body(who)),
    )
}

/// [`Kind::PostMessage`](crate::Kind).
pub fn post_message(s: &Scene<'_>, random: &mut Random) -> Asked {
    let text = if random.chance(95) { "Hello" } else { "" };
    let mut post = json!({"body": text, "mentions": ["ann"]});
    let mut room = s.anywhere;
    if random.chance(25) {
        let (of, first, _) = posted(s, random);
        room = of;
        post["replyTo"] = json!(first);
    }
    if random.chance(15) {
        // Now and then the message that ends a stream comes twice.
        post["streamId"] = format!("stream-{}", random.below(3)).into();
    }
    (
        someone(s.world, random),
        room,
        Command::PostMessage(body(post)),
    )
}

/// [`Kind::EditMessage`](crate::Kind).
pub fn edit_message(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (room, id, who) = posted(s, random);
    let edit = json!({"messageId": id, "body": "Hello again"});
    (who, room, Command::EditMessage(body(edit)))
}

/// [`Kind::RemoveMessage`](crate::Kind).
pub fn remove_message(s: &Scene<'_>, random: &mut Random) -> Asked {
    let (room, id, who) = posted(s, random);
    let which = json!({"messageId": id, "reason": random.chance(30).then_some("off topic")});
    (who, room, Command::RemoveMessage(body(which)))
}

/// A message that was posted, and mostly its author; or none.
fn posted(s: &Scene<'_>, random: &mut Random) -> (RoomId, MessageId, Principal) {
    let all: Vec<_> = s.world.messages.iter().collect();
    let found = random.pick(&all).filter(|_| random.clone().chance(AIMED));
    let Some((id, message)) = found else {
        return (s.anywhere, s.fresh.into(), someone(s.world, random));
    };
    let (kind, name) = &message.author;
    let who = match kind {
        _ if random.chance(40) => someone(s.world, random),
        PrincipalKind::Agent => s.world.agent(&name.as_str().into()),
        PrincipalKind::System => s.system(),
        kind => s.world.principal(*kind, name, Permission::Write),
    };
    (message.room, **id, who)
}

/// [`Kind::Broadcast`](crate::Kind).
pub fn broadcast(s: &Scene<'_>, random: &mut Random) -> Asked {
    let event = json!({"name": if random.chance(90) { "tick" } else { "not a name" }, "data": {"n": 1}, "ephemeral": random.chance(30)});
    (s.human.clone(), s.anywhere, Command::Broadcast(body(event)))
}

/// [`Kind::MarkRead`](crate::Kind).
pub fn mark_read(s: &Scene<'_>, random: &mut Random) -> Asked {
    (
        s.human.clone(),
        s.anywhere,
        Command::MarkRead(body(json!({"seq": random.below(50)}))),
    )
}

/// [`Kind::ArchiveRoom`](crate::Kind).
pub fn archive_room(s: &Scene<'_>, random: &mut Random) -> Asked {
    let ended: Vec<RoomId> = s
        .targets
        .processes
        .iter()
        .filter(|p| p.1.process.status.is_terminal())
        .map(|p| p.0)
        .collect();
    let room = random.pick(&ended).copied().unwrap_or(s.home);
    let head = s.world.states.get(&room).map_or(0, |state| state.seq);
    // Something came after it was looked at.
    let missed = u64::from(random.chance(5));
    (
        s.system(),
        room,
        Command::ArchiveRoom {
            head: head + missed,
        },
    )
}
