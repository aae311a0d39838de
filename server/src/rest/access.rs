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
use crate::contract::shapes as s;

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
