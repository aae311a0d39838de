//! Pages of lists and of logs.

use rooms::Refusal;
use rooms::id::RoomId;
use serde_json::{Value, json};
use storage::db::Value as Sql;
use storage::list::{Filter, Page};
use storage::read::Thing;
use uuid::Uuid;

use super::call::Call;
use super::route::{Answer, ok};
use crate::gateway::own;
use crate::problem::Refused;

/// A page of things, newest first. What the query filters by is taken from it: `status`, `type`, `teamId`, `processId`, `search`.
pub async fn page(call: &Call, thing: Thing, filter: Filter) -> Answer {
    let (page, limit) = items(call, thing, filter).await?;
    paged(page, limit, "id")
}

/// The things of such a page, with one more where there is one, and how many the page takes.
pub async fn items(call: &Call, thing: Thing, mut filter: Filter) -> Result<(Page, u64), Refused> {
    let limit = call.limit(50);
    if let Some(cursor) = call.param("cursor") {
        filter.after = Some(
            Uuid::parse_str(cursor)
                .map_err(|_| Refusal::field("cursor", "use the nextCursor of the page before"))?,
        );
    }
    for name in ["status", "type"] {
        if let Some(value) = call.param(name) {
            filter.equals.push((name, value.into()));
        }
    }
    for (name, column) in [("teamId", "team_id"), ("processId", "process_id")] {
        if let Some(value) = call.param(name) {
            let id = Uuid::parse_str(value).map_err(|_| Refusal::field(name, "must be a UUID"))?;
            filter.equals.push((column, Sql::Uuid(id)));
        }
    }
    filter.search = call.param("search").map(str::to_owned);
    filter.limit = limit + 1;
    let items = call
        .hub
        .store()
        .list(thing, &call.principal.workspace_id, &filter)
        .await?;
    Ok((items, limit))
}

/// A page of at most `limit` of the items, of which one more was read where there is one, unless it was cut before.
pub fn paged(page: impl Into<Page>, limit: u64, cursor: &str) -> Answer {
    paged_where(page, limit, cursor, |_| true)
}

/// The same, without what is passed over: a page may be short, and there may be more.
pub fn paged_where(
    page: impl Into<Page>,
    limit: u64,
    cursor: &str,
    shown: impl Fn(&Value) -> bool,
) -> Answer {
    let Page { mut items, cut } = page.into();
    let limit = usize::try_from(limit).unwrap_or(50);
    let more = cut || items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|last| last[cursor].clone());
    items.retain(shown);
    let mut out = json!({"items": items});
    if let (true, Some(next)) = (more, next) {
        out["nextCursor"] = next;
    }
    ok(out)
}

/// A page of things of the process that the path names.
pub async fn page_of_process(call: &Call, thing: Thing) -> Answer {
    let id = call.uuid("process")?;
    process_room(call, id).await?;
    let filter = Filter {
        equals: vec![("process_id", id.into())],
        ..Filter::default()
    };
    page(call, thing, filter).await
}

/// The room of a process.
pub async fn process_room(call: &Call, id: Uuid) -> Result<RoomId, Refused> {
    let space = &call.principal.workspace_id;
    let room = call.hub.room_of(Thing::Process, space, id).await?;
    Ok(room.ok_or_else(|| Refusal::not_found("process", id))?)
}

/// A part of a room's log: `since` and `limit`.
pub async fn log(call: &Call, room: RoomId) -> Answer {
    own::readable(&call.hub, &call.principal, room).await?;
    let since = call.number("since")?.unwrap_or(0);
    let limit = call.limit(100);
    let found = call
        .hub
        .store()
        .log(room, Some(since), None, limit)
        .await?
        .ok_or_else(|| Refusal::not_found("room", room))?;
    let more = found.events.last().is_some_and(|e| e.0 < found.head);
    ok(json!({
        "items": own::parsed(&found.events)?, "first": found.first, "head": found.head, "logId": found.log_id, "more": more,
    }))
}
