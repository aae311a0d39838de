//! Keys: an admin makes one for another person, a backend or an agent, sees what there is, and revokes.

use axum::response::IntoResponse;
use rooms::Refusal;
use rooms::id::AgentId;
use rooms::model::access::{Permission, PrincipalKind};
use rooms::policy::Operation;
use rooms::request::CreateKey;
use serde_json::{Value, json};
use storage::keys::{KeyInfo, NewKey, permission_text};

use super::BASE;
use super::call::Call;
use super::change::{Answered, Started};
use super::route::{Answer, Route, ok, route};
use crate::commands::payload::truncated;
use crate::contract::shapes as s;
use crate::{auth, serve};

const LONGEST_NAME: usize = 200;

pub fn routes() -> Vec<Route> {
    const MAY: Operation = Operation::KeysManage;
    vec![
        route(
            "post",
            "/keys",
            "createKey",
            "Make a key for a person, a backend or an agent",
            MAY,
            create,
        )
        .body::<CreateKey>()
        .gives::<s::MadeKey>()
        .located()
        .action("key:create"),
        route(
            "get",
            "/keys",
            "listKeys",
            "List keys, never their secrets",
            MAY,
            list,
        )
        .lists::<s::Key>(),
        route(
            "get",
            "/keys/{keyId}",
            "getKey",
            "Get a key, never its secret",
            MAY,
            get,
        )
        .gives::<s::Key>(),
        route(
            "delete",
            "/keys/{keyId}",
            "revokeKey",
            "Revoke a key; its live sessions end within 30 seconds",
            MAY,
            revoke,
        )
        .status(204)
        .action("key:revoke"),
    ]
}

fn told(key: &KeyInfo) -> Value {
    let mut out = json!(key);
    if key.revoked_at.is_none()
        && let Some(fields) = out.as_object_mut()
    {
        fields.remove("revokedAt");
    }
    out
}

async fn create(call: Call) -> Answer {
    let ask: CreateKey = call.parse()?;
    let workspace = call.principal.workspace_id.as_str();
    let mut principal = serve::parse_principal(&ask.principal, workspace, ask.permission)
        .map_err(|why| Refusal::field("principal", why))?;
    if ask.name.chars().count() > LONGEST_NAME || ask.name.contains('\0') {
        let rule = format!("must have at most {LONGEST_NAME} characters, none of them U+0000");
        return Err(Refusal::field("name", rule).into());
    }
    if principal.kind == PrincipalKind::Agent {
        // An agent's key carries an agent's verbs and nothing else, whatever was asked for.
        principal.permission = Permission::Write;
        let agent = AgentId(principal.id.clone());
        let known = call.hub.store().agent(&principal.workspace_id, &agent);
        known
            .await?
            .ok_or_else(|| Refusal::not_found("agent", &principal.id))?;
    }
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let (id, token) = auth::new_key();
    let key = NewKey {
        id: id.clone(),
        token: token.clone(),
        principal,
        name: ask.name,
    };
    let made_at = change.now();
    change.keep_key(&key).await?;
    let made = KeyInfo {
        id,
        workspace_id: workspace.to_owned(),
        principal: format!("{}:{}", key.principal.kind.as_str(), key.principal.id),
        permission: permission_text(key.principal.permission).to_owned(),
        name: key.name,
        created_at: made_at,
        revoked_at: None,
    };
    let mut out = told(&made);
    out["key"] = token.into();
    let answered = Answered {
        status: 201,
        location: Some(format!("{BASE}/keys/{}", made.id)),
        body: out,
        secret: true,
    };
    call.commit(change, answered).await
}

async fn list(call: Call) -> Answer {
    let limit = call.limit(50);
    let mut found = call
        .hub
        .store()
        .keys_page(
            &call.principal.workspace_id,
            call.param("cursor"),
            limit + 1,
        )
        .await?;
    let more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(50));
    let mut out = json!({"items": found.iter().map(told).collect::<Vec<_>>()});
    if more && let Some(last) = found.last() {
        out["nextCursor"] = last.id.as_str().into();
    }
    ok(out)
}

async fn get(call: Call) -> Answer {
    let unknown = || Refusal::not_found("key", truncated(call.id()));
    let found = call
        .hub
        .store()
        .key(&call.principal.workspace_id, call.id());
    ok(told(&found.await?.ok_or_else(unknown)?))
}

async fn revoke(call: Call) -> Answer {
    let mut change = match call.change().await? {
        Started::New(change) => change,
        Started::Again(answered) => return Ok(answered.into_response()),
    };
    let revoked = change
        .revoke_keys(&call.principal.workspace_id, Some(call.id()), None)
        .await?;
    if revoked == 0 {
        return Err(Refusal::not_found("active key", truncated(call.id())).into());
    }
    let answered = Answered {
        status: 204,
        location: None,
        body: Value::Null,
        secret: false,
    };
    let response = call.commit(change, answered).await?;
    call.hub.revoked();
    Ok(response)
}
