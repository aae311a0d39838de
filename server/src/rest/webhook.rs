//! Webhooks: where a workspace's events are sent.

use axum::response::IntoResponse;
use rooms::policy::Operation;
use rooms::request::{CreateWebhook, ReplayWebhook};
use rooms::{Code, EventBody, FieldError, Refusal, Timestamp};
use serde_json::{Value, json};
use storage::read::Thing;
use storage::webhooks::{Hook, NewWebhook};
use uuid::Uuid;

use super::BASE;
use super::call::Call;
use super::change::{Answered, Started};
use super::list::paged;
use super::route::{Answer, Route, ok, route};
use crate::commands::payload::truncated;
use crate::contract::shapes as s;
use crate::problem::Refused;
use crate::webhooks;

/// A workspace has at most so many.
const MOST: u64 = 100;

pub fn routes() -> Vec<Route> {
    const MAY: Operation = Operation::WebhooksManage;
    vec![
        route(
            "post",
            "/webhooks",
            "createWebhook",
            "Send a workspace's events to a URL, signed, at least once, in order per room",
            MAY,
            create,
        )
        .body::<CreateWebhook>()
        .gives::<s::NewWebhook>()
        .located()
        .action("webhook:create"),
        route(
            "get",
            "/webhooks",
            "listWebhooks",
            "List webhooks, with how their deliveries stand",
            MAY,
            list,
        )
        .lists::<s::Webhook>(),
        route(
            "get",
            "/webhooks/{webhookId}",
            "getWebhook",
            "Get a webhook",
            MAY,
            get,
        )
        .gives::<s::Webhook>(),
        route(
            "delete",
            "/webhooks/{webhookId}",
            "removeWebhook",
            "Remove a webhook, with what it still had to send",
            MAY,
            remove,
        )
        .gives::<s::Webhook>()
        .action("webhook:remove"),
        route(
            "get",
            "/webhooks/{webhookId}/deliveries",
            "listWebhookDeliveries",
            "What a webhook has sent, has to send, and gave up",
            MAY,
            deliveries,
        )
        .lists::<s::WebhookDelivery>()
        .query("status", "Only these", &["pending", "delivered", "parked"]),
        route(
            "post",
            "/webhooks/{webhookId}/replay",
            "replayWebhook",
            "Send again what was given up, or all that happened since a time",
            MAY,
            replay,
        )
        .body::<ReplayWebhook>()
        .gives::<s::Replayed>()
        .action("webhook:replay"),
    ]
}

/// Whether a type, or a beginning with `*`, names an event that there is.
fn names_an_event(text: &str) -> bool {
    let known = EventBody::catalogue();
    match text.strip_suffix('*') {
        Some(start) => {
            start.is_empty()
                || start.starts_with("custom.")
                || "custom.".starts_with(start)
                || known.iter().any(|(name, _)| name.starts_with(start))
        }
        None => {
            text.strip_prefix("custom.")
                .is_some_and(rooms::id::is_valid_name)
                || known.iter().any(|(name, _)| *name == text)
        }
    }
}

async fn create(call: Call) -> Answer {
    let ask: CreateWebhook = call.parse()?;
    let mut errors = Vec::new();
    let private = call.hub.config.webhooks_allow_private;
    if let Err(why) = webhooks::check_url(&ask.url, private) {
        errors.push(FieldError::new("url", why));
    }
    if ask.events.len() > 100 {
        errors.push(FieldError::new("events", "at most 100"));
    }
    for (n, event) in ask.events.iter().enumerate() {
        if !names_an_event(event) {
            let message =
                "is no event type; use one as process.completed, or a beginning as process.*";
            errors.push(FieldError::new(format!("events[{n}]"), message));
        }
    }
    if ask.description.chars().count() > 1_000 {
        errors.push(FieldError::new("description", "at most 1000 characters"));
    }
    if !errors.is_empty() {
        return Err(Refusal::invalid(errors).into());
    }
    let space = &call.principal.workspace_id;
    if let Some(room) = ask.room_id {
        let found = call.hub.store().room_of(Thing::Room, space, room.0).await?;
        found.ok_or_else(|| Refusal::not_found("room", room))?;
    }
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    if change.count_webhooks(space).await? >= MOST {
        let detail = format!("a workspace has at most {MOST} webhooks; remove one first");
        return Err(Refusal::new(Code::Conflict, detail).into());
    }
    let mut secret = [0u8; 32];
    if getrandom::fill(&mut secret).is_err() {
        return Err(Refusal::new(Code::Internal, "no randomness for a secret").into());
    }
    let new = NewWebhook {
        hook: Hook {
            id: call.hub.clock.id(change.now()),
            workspace: space.clone(),
            events: ask.events,
            room: ask.room_id,
        },
        url: ask.url,
        description: ask.description,
        secret: format!("whsec_{}", hex::encode(secret)),
        created_by: format!("{}:{}", call.principal.kind.as_str(), call.principal.id),
    };
    change.make_webhook(&new).await?;
    let mut body = json!({
        "id": new.hook.id, "url": new.url, "events": new.hook.events, "description": new.description,
        "createdBy": new.created_by, "createdAt": change.now(), "pending": 0, "parked": 0, "secret": new.secret,
    });
    if let Some(room) = new.hook.room {
        body["roomId"] = json!(room);
    }
    let answered = Answered {
        status: 201,
        location: Some(format!("{BASE}/webhooks/{}", new.hook.id)),
        body,
        secret: true,
    };
    call.commit(change, answered).await
}

/// The webhook that the path names.
async fn known(call: &Call) -> Result<(Uuid, Value), Refused> {
    let unknown = || Refusal::not_found("webhook", truncated(call.id()));
    let id = Uuid::parse_str(call.id()).map_err(|_| unknown())?;
    let space = &call.principal.workspace_id;
    let found = call.hub.store().webhooks(space, Some(id), None, 1).await?;
    Ok((id, found.into_iter().next().ok_or_else(unknown)?))
}

async fn list(call: Call) -> Answer {
    let limit = call.limit(50);
    let after = call
        .param("cursor")
        .map(Uuid::parse_str)
        .transpose()
        .map_err(|_| Refusal::field("cursor", "use the nextCursor of the page before"))?;
    let space = &call.principal.workspace_id;
    let found = call.hub.store().webhooks(space, None, after, limit + 1);
    paged(found.await?, limit, "id")
}

async fn get(call: Call) -> Answer {
    ok(known(&call).await?.1)
}

async fn remove(call: Call) -> Answer {
    let found = known(&call).await;
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let (id, webhook) = found?;
    change
        .remove_webhook(&call.principal.workspace_id, id)
        .await?;
    let answered = Answered {
        status: 200,
        location: None,
        body: webhook,
        secret: false,
    };
    call.commit(change, answered).await
}

async fn deliveries(call: Call) -> Answer {
    let (id, _) = known(&call).await?;
    let limit = call.limit(50);
    let after = call.param("cursor").map(place).transpose()?;
    let status = call.param("status");
    let found = call
        .hub
        .store()
        .webhook_deliveries(id, status, after, limit + 1);
    paged(found.await?, limit, "id")
}

/// Where a page ended.
fn place(cursor: &str) -> Result<(Timestamp, Uuid, u64), Refusal> {
    let mut parts = cursor.splitn(3, '.');
    let mut next = || parts.next().unwrap_or_default();
    let (at, room, seq) = (next().parse(), Uuid::parse_str(next()), next().parse());
    match (at, room, seq) {
        (Ok(at), Ok(room), Ok(seq)) => Ok((Timestamp(at), room, seq)),
        _ => Err(Refusal::field(
            "cursor",
            "use the nextCursor of the page before",
        )),
    }
}

async fn replay(call: Call) -> Answer {
    let ask: ReplayWebhook = call.parse()?;
    let (id, _) = known(&call).await?;
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let replayed = change.replay_webhook(id, ask.since).await?;
    let answered = Answered {
        status: 200,
        location: None,
        body: json!({"replayed": replayed}),
        secret: false,
    };
    let response = call.commit(change, answered).await?;
    call.hub.outbox.notify_one();
    Ok(response)
}
