//! The search over what was said.

use std::collections::HashMap;

use rooms::Refusal;
use rooms::id::RoomId;
use rooms::model::room::{CollaborationRoom, RoomRole};
use rooms::policy::{self, Operation};
use serde_json::{Value, json};
use storage::read::Thing;
use storage::search::{Hit, Place, Search, Text};
use uuid::Uuid;

use super::call::Call;
use super::route::{Answer, Route, ok, route};
use crate::contract::shapes as s;
use crate::gateway::own;
use crate::problem::Refused;

/// For a caller who may not see all rooms, so many matches are looked through for one page. What lies beyond is the next page's.
const LOOKED_THROUGH: u64 = 2_000;
/// So many of them at a time.
const STEP: u64 = 200;

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "get",
            "/search",
            "searchMessages",
            "Messages of the workspace's rooms that hold all words of a query; newest first",
            Operation::RoomsRead,
            search,
        )
        .lists::<s::FoundMessage>()
        .query(
            "q",
            "Words, \"phrases\" and beginnings*, all of which must be there; at most 256 characters",
            &[],
        )
        .id("roomId", "In this room")
        .id("processId", "In the room of this process")
        .query("author", "An id, or user:ID, agent:ID, service:ID", &[])
        .time("since", "Not before this time")
        .time("until", "Before this time"),
    ]
}

async fn search(call: Call) -> Answer {
    let limit = call.limit(50);
    let Some(query) = call.param("q") else {
        return Err(Refusal::field("q", "is missing: say what to look for").into());
    };
    let mut wanted = Search {
        text: Text::parse(query)?,
        room: room(&call).await?,
        author_kind: None,
        author: None,
        since: call.time("since")?,
        until: call.time("until")?,
        after: call.param("cursor").map(Place::decode).transpose()?,
        limit: limit + 1,
    };
    if let Some(author) = call.param("author") {
        match author.split_once(':') {
            Some((kind, id)) if ["user", "agent", "service"].contains(&kind) => {
                wanted.author_kind = Some(kind.to_owned());
                wanted.author = Some(id.to_owned());
            }
            _ => wanted.author = Some(author.to_owned()),
        }
    }
    let (found, next) = visible(&call, wanted, limit).await?;
    let mut page = json!({"items": found});
    if let Some(next) = next {
        page["nextCursor"] = next.encode().into();
    }
    ok(page)
}

/// The room that the query names, which the caller must be allowed to read.
async fn room(call: &Call) -> Result<Option<RoomId>, Refused> {
    let id = |name: &str| {
        let parsed = call.param(name).map(Uuid::parse_str).transpose();
        parsed.map_err(|_| Refusal::field(name, "must be a UUID"))
    };
    let (room, process) = (id("roomId")?, id("processId")?);
    let Some(named) = process.or(room) else {
        return Ok(None);
    };
    if room.is_some_and(|room| room != named) {
        return Err(Refusal::field("roomId", "give either roomId or processId").into());
    }
    let thing = if process.is_some() {
        Thing::Process
    } else {
        Thing::Room
    };
    let space = &call.principal.workspace_id;
    let found = call.hub.room_of(thing, space, named).await?;
    let room = found.ok_or_else(|| Refusal::not_found(thing.name(), named))?;
    own::readable(&call.hub, &call.principal, room).await?;
    Ok(Some(room))
}

/// A page of what was found in rooms that the caller may read, and where the next begins.
async fn visible(
    call: &Call,
    mut wanted: Search,
    limit: u64,
) -> Result<(Vec<Value>, Option<Place>), Refused> {
    let store = call.hub.store();
    let space = &call.principal.workspace_id;
    // A person sees every room of the workspace, so a page is one look.
    let partly = call.principal.agent_id().is_some() && wanted.room.is_none();
    if partly {
        wanted.limit = STEP;
    }
    let mut rooms: HashMap<RoomId, Option<CollaborationRoom>> = HashMap::new();
    let mut items = Vec::new();
    let mut looked = 0;
    let mut last = None;
    loop {
        let hits = store.search(space, &wanted).await?;
        let seen = hits.len() as u64;
        let mut unknown: Vec<RoomId> = hits.iter().map(|h| h.room).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.retain(|id| !rooms.contains_key(id));
        if !unknown.is_empty() {
            for room in store.rooms_by_id(space, &unknown).await? {
                let shown = may_read(call, &room).then_some(room);
                rooms.extend(shown.map(|room| (room.id, Some(room))));
            }
            for id in unknown {
                rooms.entry(id).or_insert(None);
            }
        }
        for hit in hits {
            if items.len() as u64 == limit {
                return Ok((items, last));
            }
            if let Some(Some(room)) = rooms.get(&hit.room) {
                items.push(shown(&wanted.text, &hit, room));
            }
            last = Some(hit.place);
        }
        looked += seen;
        if seen < wanted.limit {
            return Ok((items, None));
        }
        if looked >= LOOKED_THROUGH {
            return Ok((items, last));
        }
        wanted.after.clone_from(&last);
    }
}

/// Whether the caller's role in the room is one that reads it.
fn may_read(call: &Call, room: &CollaborationRoom) -> bool {
    let principal = &call.principal;
    let kind = own::kind_of(principal);
    let given = room
        .participants
        .iter()
        .find(|p| p.kind == kind && p.id == principal.id)
        .map(|p| p.role);
    policy::role_in(principal, given).is_some_and(|role| role >= RoomRole::Observer)
}

fn shown(text: &Text, hit: &Hit, room: &CollaborationRoom) -> Value {
    let snippet = text.snippet(&hit.message.body);
    let mut item = json!({
        "message": hit.message, "room": {"id": room.id, "name": room.name}, "seq": hit.seq, "at": hit.at,
        "author": hit.message.author, "snippet": snippet.text, "highlights": snippet.words,
    });
    if let Some(process) = room.process_id {
        item["processId"] = json!(process);
    }
    if let Some(at) = hit.edited_at {
        item["editedAt"] = json!(at);
    }
    item
}
