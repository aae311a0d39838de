//! REST, under `/api/orchestration`. A change goes through [`crate::commands`] like a socket's; reads come from the read model.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rooms::id::{AgentId, RoomId, is_valid_name};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::policy::{self, Operation};
use rooms::{Code, Refusal};
use serde_json::{Value, json};
use storage::db::Value as Sql;
use storage::read::{Filter, Thing};
use uuid::Uuid;

use crate::auth;
use crate::commands;
use crate::gateway;
use crate::hub::Hub;
use crate::problem::Refused;

type Answer = Result<Response, Refused>;
type App = State<Arc<Hub>>;
type Params = Query<HashMap<String, String>>;

/// Every route.
pub fn routes() -> Router<Arc<Hub>> {
    Router::new()
        .route("/me", get(me))
        .route("/teams", post(create_team).get(list_teams))
        .route(
            "/teams/{id}",
            get(get_team).put(update_team).delete(archive_team),
        )
        .route("/processes", post(start_process).get(list_processes))
        .route(
            "/processes/{id}",
            get(get_process).put(change_process).delete(cancel_process),
        )
        .route("/processes/{id}/metrics", get(process_metrics))
        .route("/processes/{id}/events", get(process_events))
        .route(
            "/processes/{id}/handoffs",
            post(request_handoff).get(list_handoffs),
        )
        .route(
            "/processes/{id}/interventions",
            post(request_intervention).get(process_interventions),
        )
        .route(
            "/processes/{id}/communications",
            post(send_communication).get(list_communications),
        )
        .route("/handoffs/{id}", get(get_handoff).put(change_handoff))
        .route("/interventions", get(inbox))
        .route("/interventions/{id}", get(get_intervention).put(respond))
        .route("/interventions/{id}/{verb}", post(intervention_verb))
        .route("/communications/{id}/response", post(respond_communication))
        .route("/collaboration/rooms", post(create_room).get(list_rooms))
        .route("/collaboration/rooms/{id}", get(get_room))
        .route("/collaboration/rooms/{id}/events", get(room_events))
        .route("/collaboration/rooms/{id}/messages", post(post_message))
        .route(
            "/collaboration/rooms/{id}/participants",
            post(invite).delete(remove_participant),
        )
        .route("/agents", post(register_agent).get(list_agents))
        .route(
            "/agents/{id}",
            get(get_agent).put(update_agent).delete(remove_agent),
        )
        .route(
            "/agents/{id}/keys",
            post(create_agent_key).delete(revoke_agent_keys),
        )
        .route("/workspaces", get(list_workspaces).post(create_workspace))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

async fn no_route(uri: Uri) -> Refused {
    Refused(Refusal::new(
        Code::NotFound,
        format!("there is no {}; see /docs", uri.path()),
    ))
}

async fn no_method(method: Method, uri: Uri) -> Response {
    let refusal = Refusal::new(
        Code::InvalidRequest,
        format!("{} does not take {method}; see /docs", uri.path()),
    );
    let mut response = Refused(refusal).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

/// A body as JSON; none is an empty object.
fn body_of(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::field("", format!("the body is not JSON: {e}")))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Refusal::field("", "the body must be a JSON object"))
    }
}

fn with_id(mut body: Value, name: &str, id: &str) -> Value {
    body[name] = id.into();
    body
}

/// Runs a command and returns what it gave.
async fn run(
    hub: &Hub,
    headers: &HeaderMap,
    name: &str,
    payload: Value,
) -> Result<(Principal, Value), Refusal> {
    let principal = auth::of_headers(hub, headers).await?;
    let key = match headers.get("idempotency-key").map(|v| v.to_str()) {
        None => None,
        Some(Ok(key)) if (1..=255).contains(&key.len()) => Some(key.to_owned()),
        Some(_) => {
            return Err(Refusal::field(
                "Idempotency-Key",
                "must be 1 to 255 visible ASCII characters",
            ));
        }
    };
    let outcome = commands::run(hub, &principal, name, payload, key).await?;
    Ok((principal, outcome.data))
}

fn created(path: &str, resource: Value) -> Response {
    let location = format!(
        "/api/orchestration/{path}/{}",
        resource["id"].as_str().unwrap_or_default()
    );
    let mut response = (StatusCode::CREATED, Json(resource)).into_response();
    if let Ok(value) = header::HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

fn ok(value: Value) -> Answer {
    Ok(Json(value).into_response())
}

async fn reader(
    hub: &Hub,
    headers: &HeaderMap,
    operation: Operation,
) -> Result<Principal, Refusal> {
    let principal = auth::of_headers(hub, headers).await?;
    policy::allows(&principal, operation)?;
    Ok(principal)
}

fn uuid(text: &str, thing: &str) -> Result<Uuid, Refusal> {
    Uuid::parse_str(text)
        .map_err(|_| Refusal::not_found(thing, text.chars().take(80).collect::<String>()))
}

async fn one(hub: &Hub, principal: &Principal, thing: Thing, id: &str) -> Result<Value, Refused> {
    let id = uuid(id, thing.name())?;
    let found = hub.store().get(thing, &principal.workspace_id, id).await?;
    Ok(found.ok_or_else(|| Refusal::not_found(thing.name(), id))?)
}

fn limit_of(params: &HashMap<String, String>, most: u64, default: u64) -> Result<u64, Refusal> {
    match params.get("limit") {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (1..=most).contains(n))
            .ok_or_else(|| {
                Refusal::field("limit", format!("must be a whole number from 1 to {most}"))
            }),
    }
}

fn number(params: &HashMap<String, String>, name: &str) -> Result<Option<u64>, Refusal> {
    params
        .get(name)
        .map(|t| {
            t.parse()
                .map_err(|_| Refusal::field(name, "must be a whole number, 0 or more"))
        })
        .transpose()
}

/// A page of a list. `allowed` are the filters that the list knows.
async fn page(
    hub: &Hub,
    principal: &Principal,
    thing: Thing,
    params: &HashMap<String, String>,
    allowed: &[&str],
    mut filter: Filter,
) -> Answer {
    if let Some(unknown) = params
        .keys()
        .find(|k| !allowed.contains(&k.as_str()) && !["limit", "cursor"].contains(&k.as_str()))
    {
        return Err(Refusal::field(
            unknown.as_str(),
            format!("is no filter of this list; it knows {}", allowed.join(", ")),
        )
        .into());
    }
    let limit = limit_of(params, 200, 50)?;
    if let Some(cursor) = params.get("cursor") {
        filter.after = Some(
            Uuid::parse_str(cursor)
                .map_err(|_| Refusal::field("cursor", "use the nextCursor of the page before"))?,
        );
    }
    for (name, column) in [("status", "status"), ("type", "type")] {
        if let Some(value) = params.get(name) {
            filter.equals.push((column, value.as_str().into()));
        }
    }
    for (name, column) in [("teamId", "team_id"), ("processId", "process_id")] {
        if let Some(value) = params.get(name) {
            let id = Uuid::parse_str(value).map_err(|_| Refusal::field(name, "must be a UUID"))?;
            filter.equals.push((column, Sql::Uuid(id)));
        }
    }
    filter.search = params.get("search").cloned();
    filter.limit = limit + 1;
    let mut items = hub
        .store()
        .list(thing, &principal.workspace_id, &filter)
        .await?;
    let more = items.len() as u64 > limit;
    items.truncate(usize::try_from(limit).unwrap_or(50));
    let mut out = json!({"items": items});
    if more && let Some(last) = out["items"].as_array().and_then(|a| a.last()) {
        out["nextCursor"] = last["id"].clone();
    }
    ok(out)
}

fn checked(params: &HashMap<String, String>, name: &str, known: &[&str]) -> Result<(), Refusal> {
    match params.get(name) {
        Some(value) if !known.contains(&value.as_str()) => Err(Refusal::field(
            name,
            format!("must be one of {}", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

async fn me(State(hub): App, headers: HeaderMap) -> Answer {
    let p = auth::of_headers(&hub, &headers).await?;
    ok(json!({
        "principal": {"kind": p.kind, "id": p.id, "name": p.id}, "workspaceId": p.workspace_id, "permission": p.permission,
        "operations": Operation::ALL.iter().filter(|o| policy::allows(&p, **o).is_ok()).map(|o| o.as_str()).collect::<Vec<_>>(),
    }))
}

async fn create_team(State(hub): App, headers: HeaderMap, body: Bytes) -> Answer {
    Ok(created(
        "teams",
        run(&hub, &headers, "team:create", body_of(&body)?).await?.1,
    ))
}

async fn list_teams(State(hub): App, headers: HeaderMap, Query(params): Params) -> Answer {
    let p = reader(&hub, &headers, Operation::TeamsRead).await?;
    checked(&params, "status", &["active", "inactive", "archived"])?;
    page(
        &hub,
        &p,
        Thing::Team,
        &params,
        &["status", "search"],
        Filter::default(),
    )
    .await
}

async fn get_team(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::TeamsRead).await?;
    ok(one(&hub, &p, Thing::Team, &id).await?)
}

async fn update_team(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    ok(run(
        &hub,
        &headers,
        "team:update",
        with_id(body_of(&body)?, "teamId", &id),
    )
    .await?
    .1)
}

async fn archive_team(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    ok(run(&hub, &headers, "team:archive", json!({"teamId": id}))
        .await?
        .1)
}

async fn start_process(State(hub): App, headers: HeaderMap, body: Bytes) -> Answer {
    Ok(created(
        "processes",
        run(&hub, &headers, "process:start", body_of(&body)?)
            .await?
            .1,
    ))
}

async fn list_processes(State(hub): App, headers: HeaderMap, Query(params): Params) -> Answer {
    let p = reader(&hub, &headers, Operation::ProcessesRead).await?;
    checked(
        &params,
        "status",
        &[
            "pending",
            "running",
            "paused",
            "completed",
            "failed",
            "cancelled",
        ],
    )?;
    page(
        &hub,
        &p,
        Thing::Process,
        &params,
        &["status", "teamId", "search"],
        Filter::default(),
    )
    .await
}

async fn get_process(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::ProcessesRead).await?;
    ok(one(&hub, &p, Thing::Process, &id).await?)
}

/// Takes the action out of a body and names the command.
fn action(body: &mut Value, prefix: &str, known: &[&str]) -> Result<String, Refusal> {
    let taken = body.as_object_mut().and_then(|o| o.remove("action"));
    let list = known.join(", ");
    match taken.as_ref().and_then(Value::as_str) {
        Some(name) if known.contains(&name) => Ok(format!("{prefix}:{name}")),
        Some(name) => Err(Refusal::field(
            "action",
            format!("{name:?} is none of {list}"),
        )),
        None => Err(Refusal::field(
            "action",
            format!("is missing; one of {list}"),
        )),
    }
}

async fn change_process(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let mut body = body_of(&body)?;
    let name = action(
        &mut body,
        "process",
        &["pause", "resume", "cancel", "retry"],
    )?;
    ok(run(&hub, &headers, &name, with_id(body, "processId", &id))
        .await?
        .1)
}

async fn cancel_process(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    ok(
        run(&hub, &headers, "process:cancel", json!({"processId": id}))
            .await?
            .1,
    )
}

async fn process_metrics(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::ProcessesRead).await?;
    let process = one(&hub, &p, Thing::Process, &id).await?;
    ok(monitoring(&process))
}

/// The metrics, and what follows from them for monitoring.
fn monitoring(process: &Value) -> Value {
    let steps = process["steps"].as_array().cloned().unwrap_or_default();
    let total = steps.len().max(1) as f64;
    let share = |status: &str| {
        steps.iter().filter(|s| s["status"] == status).count() as f64 * 100.0 / total
    };
    let metrics = &process["metrics"];
    let times: Vec<f64> = metrics["stepCompletionTimes"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|t| t.1.as_f64())
        .collect();
    let average = if times.is_empty() {
        0.0
    } else {
        times.iter().sum::<f64>() / times.len() as f64
    };
    let utilization: serde_json::Map<String, Value> = metrics["agentUtilization"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(agent, u)| {
            let done = u["successCount"].as_f64().unwrap_or(0.0).max(1.0);
            let value = json!({
                "taskCount": u["taskCount"], "successCount": u["successCount"], "errorCount": u["errorCount"],
                "averageCompletionTime": u["busyMs"].as_f64().unwrap_or(0.0) / done,
            });
            (agent.clone(), value)
        })
        .collect();
    let mut out = metrics.clone();
    out["processId"] = process["id"].clone();
    out["teamId"] = process["teamId"].clone();
    out["workspaceId"] = process["workspaceId"].clone();
    out["performance"] = json!({
        "successRate": share("completed"), "errorRate": share("failed"), "averageStepDuration": average,
        "handoffEfficiency": 100.0,
        "humanInterventionRate": metrics["humanInterventionCount"].as_f64().unwrap_or(0.0) * 100.0 / total,
    });
    out["agentUtilization"] = Value::Object(utilization);
    out["alerts"] = json!([]);
    out["recommendations"] = json!([]);
    out["timestamp"] = json!(rooms::Timestamp(chrono::Utc::now().timestamp_micros()));
    out
}

async fn log(hub: &Hub, p: &Principal, room: RoomId, params: &HashMap<String, String>) -> Answer {
    gateway::readable(hub, p, room).await?;
    let since = number(params, "since")?.unwrap_or(0);
    let limit = limit_of(params, 500, 100)?;
    let found = hub
        .store()
        .log(room, Some(since.min(i64::MAX as u64)), None, limit)
        .await?;
    let found = found.ok_or_else(|| Refusal::not_found("room", room))?;
    let more = found
        .events
        .last()
        .map_or(since < found.head && found.events.is_empty(), |e| {
            e.0 < found.head
        });
    ok(json!({
        "items": gateway::parsed(&found.events), "first": found.first, "head": found.head, "logId": found.log_id,
        "more": more && !found.events.is_empty(),
    }))
}

async fn process_events(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::ProcessesRead).await?;
    let id = uuid(&id, "process")?;
    let room = hub
        .store()
        .room_of(Thing::Process, &p.workspace_id, id)
        .await?;
    log(
        &hub,
        &p,
        room.ok_or_else(|| Refusal::not_found("process", id))?,
        &params,
    )
    .await
}

async fn request_handoff(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let reply = run(
        &hub,
        &headers,
        "handoff:request",
        with_id(body_of(&body)?, "processId", &id),
    )
    .await?
    .1;
    Ok(created("handoffs", reply["handoff"].clone()))
}

async fn list_of(
    hub: &Hub,
    p: &Principal,
    thing: Thing,
    process: &str,
    params: &HashMap<String, String>,
    allowed: &[&str],
) -> Answer {
    let id = uuid(process, "process")?;
    let found = hub
        .store()
        .room_of(Thing::Process, &p.workspace_id, id)
        .await?;
    found.ok_or_else(|| Refusal::not_found("process", id))?;
    let filter = Filter {
        equals: vec![("process_id", id.into())],
        ..Filter::default()
    };
    page(hub, p, thing, params, allowed, filter).await
}

async fn list_handoffs(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::HandoffsRead).await?;
    list_of(&hub, &p, Thing::Handoff, &id, &params, &["status"]).await
}

async fn get_handoff(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::HandoffsRead).await?;
    ok(one(&hub, &p, Thing::Handoff, &id).await?)
}

async fn change_handoff(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let mut body = body_of(&body)?;
    let name = action(
        &mut body,
        "handoff",
        &["accept", "reject", "cancel", "complete"],
    )?;
    let (p, reply) = run(&hub, &headers, &name, with_id(body, "handoffId", &id)).await?;
    // An agent that accepts over REST needs its lease; everybody else is shown the handoff.
    if name == "handoff:accept" && p.agent_id().is_some() {
        let mut out = reply["handoff"].clone();
        for field in ["attempt", "step", "process"] {
            out[field] = reply[field].clone();
        }
        return ok(out);
    }
    ok(reply["handoff"].clone())
}

async fn request_intervention(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let reply = run(
        &hub,
        &headers,
        "intervention:request",
        with_id(body_of(&body)?, "processId", &id),
    )
    .await?
    .1;
    Ok(created("interventions", reply["intervention"].clone()))
}

const INTERVENTION_STATUS: &[&str] = &["pending", "completed", "cancelled", "expired"];
const INTERVENTION_TYPE: &[&str] = &["approval", "input", "decision", "review", "escalation"];

async fn process_interventions(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::InterventionsRead).await?;
    checked(&params, "status", INTERVENTION_STATUS)?;
    checked(&params, "type", INTERVENTION_TYPE)?;
    list_of(
        &hub,
        &p,
        Thing::Intervention,
        &id,
        &params,
        &["status", "type"],
    )
    .await
}

async fn inbox(State(hub): App, headers: HeaderMap, Query(params): Params) -> Answer {
    let p = reader(&hub, &headers, Operation::InterventionsRead).await?;
    checked(&params, "status", INTERVENTION_STATUS)?;
    checked(&params, "type", INTERVENTION_TYPE)?;
    checked(&params, "overdue", &["true", "false"])?;
    let mut filter = Filter::default();
    if let Some(who) = params.get("assignee") {
        filter.lists = Some(("assignees", who.clone()));
    }
    if params.get("overdue").map(String::as_str) == Some("true") {
        filter.due_before = Some(rooms::Timestamp(chrono::Utc::now().timestamp_micros()));
        filter.equals.push(("status", "pending".into()));
    }
    page(
        &hub,
        &p,
        Thing::Intervention,
        &params,
        &["status", "type", "assignee", "overdue", "processId"],
        filter,
    )
    .await
}

async fn get_intervention(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::InterventionsRead).await?;
    ok(one(&hub, &p, Thing::Intervention, &id).await?)
}

async fn respond(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    ok(run(
        &hub,
        &headers,
        "intervention:respond",
        with_id(body_of(&body)?, "interventionId", &id),
    )
    .await?
    .1)
}

async fn intervention_verb(
    State(hub): App,
    headers: HeaderMap,
    Path((id, verb)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    let name = match verb.as_str() {
        "claim" | "release" | "assign" => format!("intervention:{verb}"),
        "comments" => "intervention:comment".to_owned(),
        _ => {
            return Err(Refusal::new(
                Code::NotFound,
                format!("there is no /interventions/{{id}}/{verb}; see /docs"),
            )
            .into());
        }
    };
    let reply = run(
        &hub,
        &headers,
        &name,
        with_id(body_of(&body)?, "interventionId", &id),
    )
    .await?
    .1;
    let status = if verb == "comments" {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(reply)).into_response())
}

async fn send_communication(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let reply = run(
        &hub,
        &headers,
        "communication:send",
        with_id(body_of(&body)?, "processId", &id),
    )
    .await?
    .1;
    Ok(created("communications", reply))
}

async fn list_communications(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::RoomsRead).await?;
    list_of(&hub, &p, Thing::Communication, &id, &params, &[]).await
}

async fn respond_communication(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let payload = with_id(body_of(&body)?, "communicationId", &id);
    let reply = run(&hub, &headers, "communication:respond", payload)
        .await?
        .1;
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

async fn create_room(State(hub): App, headers: HeaderMap, body: Bytes) -> Answer {
    Ok(created(
        "collaboration/rooms",
        run(&hub, &headers, "room:create", body_of(&body)?).await?.1,
    ))
}

async fn list_rooms(State(hub): App, headers: HeaderMap, Query(params): Params) -> Answer {
    let p = reader(&hub, &headers, Operation::RoomsRead).await?;
    checked(&params, "type", &["process", "team", "workspace"])?;
    page(
        &hub,
        &p,
        Thing::Room,
        &params,
        &["type", "processId", "teamId", "search"],
        Filter::default(),
    )
    .await
}

async fn get_room(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::RoomsRead).await?;
    let room = one(&hub, &p, Thing::Room, &id).await?;
    gateway::readable(&hub, &p, RoomId(uuid(&id, "room")?)).await?;
    ok(room)
}

async fn room_events(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::RoomsRead).await?;
    log(&hub, &p, RoomId(uuid(&id, "room")?), &params).await
}

async fn post_message(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let reply = run(
        &hub,
        &headers,
        "message:send",
        with_id(body_of(&body)?, "roomId", &id),
    )
    .await?
    .1;
    Ok((StatusCode::CREATED, Json(reply)).into_response())
}

async fn invite(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let mut body = body_of(&body)?;
    // The room's id goes beside the participant's, which is called `id` too.
    body["roomId"] = id.into();
    Ok((
        StatusCode::CREATED,
        Json(run(&hub, &headers, "room:invite", body).await?.1),
    )
        .into_response())
}

async fn remove_participant(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
    body: Bytes,
) -> Answer {
    let mut body = body_of(&body)?;
    for (name, value) in params {
        body[name] = value.into();
    }
    run(&hub, &headers, "room:remove", with_id(body, "roomId", &id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What is derived of an agent: whether it is there, and free.
async fn with_status(hub: &Hub, p: &Principal, mut agent: Value) -> Result<Value, Refused> {
    let id = AgentId(agent["id"].as_str().unwrap_or_default().to_owned());
    let live = hub.store().live_attempts(&p.workspace_id, &id).await?.len() as u64;
    let connected = hub.agents.of(&p.workspace_id, &id).iter().any(|s| s.ready);
    let status = match (connected, live >= agent["slots"].as_u64().unwrap_or(1)) {
        (false, _) => "offline",
        (true, true) => "busy",
        (true, false) => "online",
    };
    agent["status"] = status.into();
    agent["slotsInUse"] = live.into();
    Ok(agent)
}

async fn register_agent(State(hub): App, headers: HeaderMap, body: Bytes) -> Answer {
    Ok(created(
        "agents",
        run(&hub, &headers, "agent:register", body_of(&body)?)
            .await?
            .1,
    ))
}

async fn list_agents(State(hub): App, headers: HeaderMap, Query(params): Params) -> Answer {
    let p = reader(&hub, &headers, Operation::AgentsRead).await?;
    let limit = limit_of(&params, 200, 50)?;
    let after = params.get("cursor").map(String::as_str).unwrap_or_default();
    let found = hub
        .store()
        .agents(&p.workspace_id, after, limit + 1)
        .await?;
    let more = found.len() as u64 > limit;
    let mut items = Vec::new();
    for agent in found.into_iter().take(usize::try_from(limit).unwrap_or(50)) {
        items.push(with_status(&hub, &p, agent).await?);
    }
    let mut out = json!({"items": items});
    if more && let Some(last) = out["items"].as_array().and_then(|a| a.last()) {
        out["nextCursor"] = last["id"].clone();
    }
    ok(out)
}

async fn get_agent(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::AgentsRead).await?;
    let agent = hub
        .store()
        .agent(&p.workspace_id, &AgentId(id.clone()))
        .await?;
    ok(with_status(
        &hub,
        &p,
        agent.ok_or_else(|| Refusal::not_found("agent", id))?,
    )
    .await?)
}

async fn update_agent(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    ok(run(
        &hub,
        &headers,
        "agent:update",
        with_id(body_of(&body)?, "agentId", &id),
    )
    .await?
    .1)
}

async fn remove_agent(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let (p, _) = run(&hub, &headers, "agent:remove", json!({"agentId": id})).await?;
    let now = rooms::Timestamp(chrono::Utc::now().timestamp_micros());
    hub.store()
        .revoke_keys(&p.workspace_id, None, Some(("agent", &id)), now)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn create_agent_key(State(hub): App, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    let p = reader(&hub, &headers, Operation::KeysManage).await?;
    let agent = AgentId(id.clone());
    hub.store()
        .agent(&p.workspace_id, &agent)
        .await?
        .ok_or_else(|| Refusal::not_found("agent", &id))?;
    let (key_id, token) = auth::new_key();
    let principal = Principal {
        kind: PrincipalKind::Agent,
        id,
        workspace_id: p.workspace_id,
        permission: Permission::Write,
        instance_id: None,
        bootstrap: false,
    };
    let key = storage::keys::NewKey {
        id: key_id.clone(),
        token: token.clone(),
        principal,
        name: String::new(),
    };
    hub.store()
        .keep_key(
            &key,
            rooms::Timestamp(chrono::Utc::now().timestamp_micros()),
        )
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(json!({"id": key_id, "key": token})),
    )
        .into_response())
}

async fn revoke_agent_keys(
    State(hub): App,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(params): Params,
) -> Answer {
    let p = reader(&hub, &headers, Operation::KeysManage).await?;
    let key = params
        .get("keyId")
        .or_else(|| params.get("id"))
        .map(String::as_str);
    let now = rooms::Timestamp(chrono::Utc::now().timestamp_micros());
    let n = hub
        .store()
        .revoke_keys(&p.workspace_id, key, Some(("agent", &id)), now)
        .await?;
    if n == 0 && key.is_some() {
        return Err(Refusal::not_found("key", key.unwrap_or_default()).into());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_workspaces(State(hub): App, headers: HeaderMap) -> Answer {
    let p = reader(&hub, &headers, Operation::WorkspacesRead).await?;
    let all = hub.store().workspaces().await?;
    let items: Vec<_> = all
        .into_iter()
        .filter(|w| p.bootstrap || w.id == p.workspace_id)
        .collect();
    ok(json!({"items": items}))
}

async fn create_workspace(State(hub): App, headers: HeaderMap, body: Bytes) -> Answer {
    reader(&hub, &headers, Operation::WorkspacesCreate).await?;
    let ask: rooms::request::CreateWorkspace = commands::Payload::new(body_of(&body)?)?.parse()?;
    if !is_valid_name(&ask.id) {
        return Err(Refusal::field("id", rooms::id::NAME_RULE).into());
    }
    let name = ask.name.unwrap_or_else(|| ask.id.clone());
    if !crate::serve::make_workspace(&hub, &ask.id.as_str().into(), &name).await? {
        return Err(
            Refusal::new(Code::Conflict, format!("there is a workspace {}", ask.id)).into(),
        );
    }
    let all = hub.store().workspaces().await?;
    let made = all.into_iter().find(|w| w.id.as_str() == ask.id);
    Ok(created("workspaces", json!(made)))
}
