//! The caller, and workspaces.

use axum::response::IntoResponse;
use rooms::id::RoomId;
use rooms::model::access::Workspace;
use rooms::policy::{self, Operation};
use rooms::request::CreateWorkspace;
use rooms::{Code, Refusal};
use serde_json::json;

use super::BASE;
use super::call::Call;
use super::change::{Answered, Started};
use super::route::{Answer, Route, ok, route};
use crate::commands::payload::truncated;
use crate::contract::shapes as s;
use crate::problem::Refused;

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "get",
            "/me",
            "getMe",
            "The caller, and what it may do",
            None,
            me,
        )
        .gives::<s::Me>(),
        route(
            "get",
            "/workspaces",
            "listWorkspaces",
            "List workspaces",
            Operation::WorkspacesRead,
            list,
        )
        .gives::<s::Workspaces>(),
        route(
            "post",
            "/workspaces",
            "createWorkspace",
            "Make a workspace, with the bootstrap key",
            Operation::WorkspacesCreate,
            create,
        )
        .gives::<Workspace>()
        .body::<CreateWorkspace>()
        .located()
        .action("workspace:create"),
        route(
            "get",
            "/workspaces/{id}",
            "getWorkspace",
            "Get a workspace",
            Operation::WorkspacesRead,
            get,
        )
        .gives::<Workspace>(),
        route(
            "get",
            "/workspaces/{id}/members",
            "listMembers",
            "Who has a key of the workspace, and what it may do; by kind and id",
            Operation::KeysManage,
            members,
        )
        .lists::<s::Member>(),
    ]
}

async fn me(call: Call) -> Answer {
    let p = &call.principal;
    let operations: Vec<_> = Operation::ALL
        .iter()
        .filter(|o| policy::allows(p, **o).is_ok())
        .map(|o| o.as_str())
        .collect();
    ok(json!({
        "principal": {"kind": p.kind, "id": p.id, "name": p.id}, "workspaceId": p.workspace_id, "permission": p.permission,
        "operations": operations,
    }))
}

async fn list(call: Call) -> Answer {
    let p = &call.principal;
    let all = call.hub.store().workspaces().await?;
    let items: Vec<_> = all
        .into_iter()
        .filter(|w| p.bootstrap || w.id == p.workspace_id)
        .collect();
    ok(json!({"items": items}))
}

/// The workspace that the path names; to whom it is not open, there is none.
async fn known(call: &Call) -> Result<Workspace, Refused> {
    let (p, id) = (&call.principal, call.id());
    let all = if p.bootstrap || p.workspace_id.as_str() == id {
        call.hub.store().workspaces().await?
    } else {
        Vec::new()
    };
    let found = all.into_iter().find(|w| w.id.as_str() == id);
    let unknown = || format!("there is no workspace {} for this key", truncated(id));
    Ok(found.ok_or_else(|| Refusal::new(Code::NotFound, unknown()))?)
}

async fn get(call: Call) -> Answer {
    ok(json!(known(&call).await?))
}

/// There is no list of members to be kept: whoever has a key that was not revoked is one.
async fn members(call: Call) -> Answer {
    let limit = call.limit(50);
    let workspace = known(&call).await?;
    let after = call.param("cursor").map(|cursor| {
        let parts = cursor.split_once(':');
        parts.ok_or_else(|| Refusal::field("cursor", "use the nextCursor of the page before"))
    });
    let found = call
        .hub
        .store()
        .members(&workspace.id, after.transpose()?, limit + 1)
        .await?;
    let more = found.len() as u64 > limit;
    let shown = found.iter().take(usize::try_from(limit).unwrap_or(50));
    let items: Vec<_> = shown
        .map(|m| json!({"kind": m.kind, "id": m.id, "permission": m.permission, "keys": m.keys}))
        .collect();
    let mut out = json!({"items": items});
    if more && let Some(last) = items.last() {
        let (kind, id) = (&last["kind"], &last["id"]);
        out["nextCursor"] = format!(
            "{}:{}",
            kind.as_str().unwrap_or_default(),
            id.as_str().unwrap_or_default()
        )
        .into();
    }
    ok(out)
}

async fn create(call: Call) -> Answer {
    let ask: CreateWorkspace = call.parse()?;
    if !rooms::id::is_valid_name(&ask.id) {
        return Err(Refusal::field("id", rooms::id::NAME_RULE).into());
    }
    let id = ask.id.as_str().into();
    let name = ask.name.unwrap_or_else(|| ask.id.clone());
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => {
            // The first request may have ended between the row and the room.
            crate::serve::ensure_rooms(&call.hub).await?;
            return Ok(answered.into_response());
        }
    };
    let made = Workspace {
        id,
        name,
        room_id: RoomId(call.hub.clock.id(change.now())),
        created_at: change.now(),
    };
    if !change
        .make_workspace(&made.id, &made.name, made.room_id)
        .await?
    {
        let detail = format!("there is a workspace {}", made.id);
        return Err(Refusal::new(Code::Conflict, detail).into());
    }
    let answered = Answered {
        status: 201,
        location: Some(format!("{BASE}/workspaces/{}", made.id)),
        body: json!(made),
        secret: false,
    };
    let response = call.commit(change, answered).await?;
    crate::serve::ensure_rooms(&call.hub).await?;
    Ok(response)
}
