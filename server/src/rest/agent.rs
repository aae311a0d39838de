//! The registry of agents, and their keys.

use axum::response::IntoResponse;
use rooms::Refusal;
use rooms::id::AgentId;
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::agent::Agent;
use rooms::policy::Operation as O;
use rooms::request::CreateAgentKey;
use serde_json::{Value, json};

use super::call::Call;
use super::change::{Answered, Started};
use super::list::paged;
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::auth;
use crate::contract::shapes as s;
use crate::problem::Refused;

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("agents"),
        ..Run::default()
    };
    let named = Run {
        id: Some("agentId"),
        ..Run::default()
    };
    vec![
        runs("post", "/agents", "registerAgent", "agent:register", made),
        route(
            "get",
            "/agents",
            "listAgents",
            "List agents, by id",
            O::AgentsRead,
            list,
        )
        .lists::<s::AgentInUse>(),
        route(
            "get",
            "/agents/{id}",
            "getAgent",
            "Get an agent",
            O::AgentsRead,
            get,
        )
        .gives::<s::AgentInUse>(),
        runs("put", "/agents/{id}", "updateAgent", "agent:update", named),
        route(
            "delete",
            "/agents/{id}",
            "removeAgent",
            "Remove an agent, with its keys",
            O::AgentsManage,
            remove,
        )
        .gives::<Agent>()
        .action("agent:remove"),
        route(
            "post",
            "/agents/{id}/keys",
            "createAgentKey",
            "Make a key for an agent",
            O::KeysManage,
            create_key,
        )
        .body::<CreateAgentKey>()
        .gives::<s::NewKey>()
        .status(201)
        .action("key:create"),
        route(
            "delete",
            "/agents/{id}/keys",
            "revokeAgentKeys",
            "Revoke an agent's keys",
            O::KeysManage,
            revoke_keys,
        )
        .gives::<s::Revoked>()
        .query("keyId", "Only this one", &[])
        .query("id", "The same", &[])
        .action("key:revoke"),
    ]
}

/// What is derived of an agent: whether it is there, and free.
async fn with_status(call: &Call, mut agent: Value) -> Result<Value, Refused> {
    let (hub, space) = (&call.hub, &call.principal.workspace_id);
    let id = AgentId(agent["id"].as_str().unwrap_or_default().to_owned());
    let live = hub.store().live_attempts(space, &id).await?.len() as u64;
    let connected = hub.presence.is_online(space, &id);
    let status = match (connected, live >= agent["slots"].as_u64().unwrap_or(1)) {
        (false, _) => "offline",
        (true, true) => "busy",
        (true, false) => "online",
    };
    agent["status"] = status.into();
    agent["slotsInUse"] = live.into();
    Ok(agent)
}

/// What is known of how agents do.
async fn with_success(call: &Call, agents: &mut [Value]) -> Result<(), Refused> {
    let id = |agent: &Value| agent["id"].as_str().map(AgentId::from);
    let ids: Vec<AgentId> = agents.iter().filter_map(id).collect();
    let space = &call.principal.workspace_id;
    for (of, completed, ended) in call.hub.store().records(space, &ids).await? {
        if ended > 0
            && let Some(agent) = agents.iter_mut().find(|a| a["id"] == of.as_str())
        {
            agent["successRate"] = (completed as f64 * 100.0 / ended as f64).into();
        }
    }
    Ok(())
}

async fn list(call: Call) -> Answer {
    let limit = call.limit(200, 50)?;
    let after = call.param("cursor").unwrap_or_default();
    let found = call
        .hub
        .store()
        .agents(&call.principal.workspace_id, after, limit + 1)
        .await?;
    let mut items = Vec::with_capacity(found.len());
    for agent in found {
        items.push(with_status(&call, agent).await?);
    }
    with_success(&call, &mut items).await?;
    paged(items, limit, "id")
}

/// The agent that the path names.
async fn known(call: &Call) -> Result<Value, Refused> {
    let id = AgentId(call.id().to_owned());
    let found = call.hub.store().agent(&call.principal.workspace_id, &id);
    Ok(found
        .await?
        .ok_or_else(|| Refusal::not_found("agent", id))?)
}

async fn get(call: Call) -> Answer {
    let agent = known(&call).await?;
    let mut agent = with_status(&call, agent).await?;
    with_success(&call, std::slice::from_mut(&mut agent)).await?;
    ok(agent)
}

async fn remove(call: Call) -> Answer {
    let mut payload = call.body()?;
    payload["agentId"] = call.id().into();
    let removed = call.run("agent:remove", payload).await?;
    let of = Some(("agent", call.id()));
    call.hub
        .store()
        .revoke_keys(&call.principal.workspace_id, None, of)
        .await?;
    call.hub.revoked();
    ok(removed)
}

async fn create_key(call: Call) -> Answer {
    let ask: CreateAgentKey = call.parse()?;
    known(&call).await?;
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let (id, token) = auth::new_key();
    let principal = Principal {
        kind: PrincipalKind::Agent,
        id: call.id().to_owned(),
        workspace_id: call.principal.workspace_id.clone(),
        permission: Permission::Write,
        instance_id: None,
        bootstrap: false,
    };
    let key = storage::keys::NewKey {
        id: id.clone(),
        token: token.clone(),
        principal,
        name: ask.name.unwrap_or_default(),
    };
    change.keep_key(&key).await?;
    let answered = Answered {
        status: 201,
        location: None,
        body: json!({"id": id, "key": token}),
        secret: true,
    };
    call.commit(change, answered).await
}

async fn revoke_keys(call: Call) -> Answer {
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let key = call.param("keyId").or_else(|| call.param("id"));
    let of = Some(("agent", call.id()));
    let revoked = change
        .revoke_keys(&call.principal.workspace_id, key, of)
        .await?;
    if let Some(key) = key
        && revoked == 0
    {
        return Err(Refusal::not_found("key", key).into());
    }
    let answered = Answered {
        status: 200,
        location: None,
        body: json!({"revoked": revoked}),
        secret: false,
    };
    let response = call.commit(change, answered).await?;
    call.hub.revoked();
    Ok(response)
}
