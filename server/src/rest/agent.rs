//! The registry of agents, and their keys.

use axum::response::IntoResponse;
use rooms::Refusal;
use rooms::id::AgentId;
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::policy::Operation as O;
use rooms::request::{CreateAgentKey, UpdateAgent};
use serde_json::{Value, json};

use super::BASE;
use super::call::Call;
use super::change::{Answered, Started};
use super::list::paged;
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::commands::Payload;
use crate::contract::shapes as s;
use crate::problem::Refused;
use crate::{agents, auth};

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("agents/{id}"),
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
            "/agents/{agentId}",
            "getAgent",
            "Get an agent",
            O::AgentsRead,
            get,
        )
        .gives::<s::AgentInUse>(),
        route(
            "put",
            "/agents/{agentId}",
            "updateAgent",
            "Change an agent",
            O::AgentsManage,
            update,
        )
        .body::<UpdateAgent>()
        .gives::<s::AgentInUse>()
        .action("agent:update"),
        runs(
            "delete",
            "/agents/{agentId}",
            "removeAgent",
            "agent:remove",
            Run {
                id: Some("agentId"),
                ..Run::default()
            },
        ),
        route(
            "post",
            "/agents/{agentId}/keys",
            "createAgentKey",
            "Make a key for an agent",
            O::KeysManage,
            create_key,
        )
        .body::<CreateAgentKey>()
        .gives::<s::NewKey>()
        .located()
        .action("key:create"),
        route(
            "delete",
            "/agents/{agentId}/keys",
            "revokeAgentKeys",
            "Revoke an agent's keys: one that is named in the query, or in the body, or all",
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
    let space = &call.principal.workspace_id;
    let live = agents::derive_status(&call.hub, space, &mut agent).await?;
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
    let limit = call.limit(50);
    let after = call.param("cursor").unwrap_or_default();
    let mut page = call
        .hub
        .store()
        .agents(&call.principal.workspace_id, after, limit + 1)
        .await?;
    for agent in &mut page.items {
        *agent = with_status(&call, agent.take()).await?;
    }
    with_success(&call, &mut page.items).await?;
    paged(page, limit, "id")
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

async fn update(call: Call) -> Answer {
    let mut payload = call.body()?;
    payload["agentId"] = call.id().into();
    let agent = call.run("agent:update", payload).await?;
    let mut agent = with_status(&call, agent).await?;
    with_success(&call, std::slice::from_mut(&mut agent)).await?;
    ok(agent)
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
        location: Some(format!("{BASE}/keys/{id}")),
        body: json!({"id": id, "key": token}),
        secret: true,
    };
    call.commit(change, answered).await
}

async fn revoke_keys(call: Call) -> Answer {
    let mut body = Payload::new(call.body()?)?;
    let named = match body.text("keyId")? {
        Some(key) => Some(key),
        None => body.text("id")?,
    };
    // What is not understood must not revoke all of them.
    body.nothing_more()?;
    let key = call.param("keyId").or_else(|| call.param("id"));
    let key = key.or(named.as_deref());
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let of = Some(("agent", call.id()));
    let revoked = change
        .revoke_keys(&call.principal.workspace_id, key, of)
        .await?;
    if let Some(key) = key
        && revoked == 0
    {
        return Err(Refusal::not_found("key", key).into());
    }
    // An agent that was removed may have left keys.
    let agent = AgentId::from(call.id());
    let space = &call.principal.workspace_id;
    if revoked == 0 && call.hub.store().agent(space, &agent).await?.is_none() {
        return Err(Refusal::not_found("agent", agent).into());
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
