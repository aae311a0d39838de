//! Rooms.

use rooms::Refusal;
use rooms::event::{MessageEdit, MessageRemoval};
use rooms::id::RoomId;
use rooms::model::room::{Message, Participant};
use rooms::policy;
use rooms::policy::Operation as O;
use rooms::request::RemoveParticipant;
use serde_json::{Value, json};
use storage::list::Filter;
use storage::read::Thing;
use uuid::Uuid;

use super::call::Call;
use super::list::{items, log, paged_where};
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::commands::payload::truncated;
use crate::contract::shapes as s;
use crate::gateway::own;
use crate::problem::Refused;

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("collaboration/rooms/{id}"),
        ..Run::default()
    };
    let said = Run {
        id: Some("roomId"),
        at: Some("collaboration/rooms/{roomId}/messages/{id}"),
        ..Run::default()
    };
    // A participant is a part of its room.
    let invited = Run {
        at: Some("collaboration/rooms/{roomId}"),
        ..said
    };
    vec![
        runs(
            "post",
            "/collaboration/rooms",
            "createRoom",
            "room:create",
            made,
        ),
        route(
            "get",
            "/collaboration/rooms",
            "listRooms",
            "List rooms",
            O::RoomsRead,
            list,
        )
        .lists::<s::RoomToRead>()
        .query("type", "Only these", &["process", "team", "workspace"])
        .id("processId", "Of this process")
        .id("teamId", "Of this team")
        .query("search", "A part of the name", &[]),
        route(
            "get",
            "/collaboration/rooms/{roomId}",
            "getRoom",
            "Get a room",
            O::RoomsRead,
            get,
        )
        .gives::<s::RoomToRead>(),
        route(
            "get",
            "/collaboration/rooms/{roomId}/events",
            "listRoomEvents",
            "The log of a room",
            O::RoomsRead,
            events,
        )
        .gives::<s::Log>()
        .whole("since", "The events after this seq; default 0")
        .whole("limit", "1 to 500; default 100"),
        runs(
            "post",
            "/collaboration/rooms/{roomId}/messages",
            "postMessage",
            "message:send",
            said,
        ),
        route(
            "get",
            "/collaboration/rooms/{roomId}/messages/{messageId}",
            "getMessage",
            "Get a message as it stands now",
            O::RoomsRead,
            message,
        )
        .gives::<Message>(),
        route(
            "patch",
            "/collaboration/rooms/{roomId}/messages/{messageId}",
            "editMessage",
            "Change what a message says: its author, or a coordinator of the room",
            O::RoomsPost,
            edit,
        )
        .body::<s::EditMessage>()
        .gives::<MessageEdit>(),
        route(
            "delete",
            "/collaboration/rooms/{roomId}/messages/{messageId}",
            "removeMessage",
            "Take a message out of the conversation: its author, or a coordinator of the room",
            O::RoomsPost,
            take_out,
        )
        .gives::<MessageRemoval>()
        .query("reason", "Why", &[]),
        runs(
            "post",
            "/collaboration/rooms/{roomId}/participants",
            "inviteParticipant",
            "room:invite",
            invited,
        ),
        route(
            "delete",
            "/collaboration/rooms/{roomId}/participants",
            "removeParticipant",
            "Remove a participant: named in the query, or in the body",
            O::RoomsInvite,
            remove,
        )
        .action("room:remove")
        .gives::<Participant>()
        .body::<RemoveParticipant>()
        .query("type", "Agent or human", &["agent", "human"])
        .query("id", "Whom", &[]),
    ]
}

async fn list(call: Call) -> Answer {
    let (mut rooms, limit) = items(&call, Thing::Room, Filter::default()).await?;
    fill_read_mark(&call, &mut rooms.items).await?;
    let principal = &call.principal;
    let kind = match principal.agent_id() {
        Some(_) => "agent",
        None => "human",
    };
    let readable = |room: &Value| {
        let mut participants = room["participants"].as_array().into_iter().flatten();
        let me = participants.find(|p| p["type"] == kind && p["id"] == principal.id);
        let given = me.and_then(|me| serde_json::from_value(me["role"].clone()).ok());
        policy::role_in(principal, given).is_some()
    };
    paged_where(rooms, limit, "id", readable)
}

async fn get(call: Call) -> Answer {
    let mut room = [call.one(Thing::Room).await?];
    own::readable(&call.hub, &call.principal, RoomId(call.uuid("room")?)).await?;
    fill_read_mark(&call, &mut room).await?;
    let [room] = room;
    ok(room)
}

/// How far the caller has read, who need not be a participant.
async fn fill_read_mark(call: &Call, rooms: &mut [Value]) -> Result<(), Refused> {
    let id = |room: &Value| room["id"].as_str().and_then(|id| Uuid::parse_str(id).ok());
    let ids: Vec<Uuid> = rooms.iter().filter_map(id).collect();
    let marks = call
        .hub
        .store()
        .read_marks_of(&call.principal, &ids)
        .await?;
    for room in rooms {
        if let Some((_, seq)) = marks.iter().find(|(of, _)| id(room) == Some(*of)) {
            room["lastReadSeq"] = (*seq).into();
        }
    }
    Ok(())
}

async fn message(call: Call) -> Answer {
    let room = RoomId(call.uuid("room")?);
    own::readable(&call.hub, &call.principal, room).await?;
    let unknown = || Refusal::not_found("message", truncated(call.part("messageId")));
    let id = Uuid::parse_str(call.part("messageId")).map_err(|_| unknown())?;
    let found = call.hub.store().message(room, id).await?;
    ok(json!(found.ok_or_else(unknown)?))
}

async fn events(call: Call) -> Answer {
    log(&call, RoomId(call.uuid("room")?)).await
}

fn message_of(call: &Call, mut payload: Value) -> Value {
    payload["roomId"] = call.id().into();
    payload["messageId"] = call.part("messageId").into();
    payload
}

async fn edit(call: Call) -> Answer {
    let payload = message_of(&call, call.body()?);
    ok(call.run("message:edit", payload).await?)
}

async fn take_out(call: Call) -> Answer {
    let payload = message_of(&call, json!({"reason": call.param("reason")}));
    ok(call.run("message:remove", payload).await?)
}

async fn remove(call: Call) -> Answer {
    let mut payload = call.body()?;
    for (name, value) in &call.query {
        payload[name] = value.as_str().into();
    }
    payload["roomId"] = call.id().into();
    ok(call.run("room:remove", payload).await?)
}
