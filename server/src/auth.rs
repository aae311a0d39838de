//! Credentials: tokens become principals, on HTTP and in the Socket.IO handshake.

use axum::http::{HeaderMap, header};
use rooms::id::WorkspaceId;
use rooms::model::access::Principal;
use rooms::{Code, Refusal};
use sha2::{Digest, Sha256};

use crate::hub::Hub;
use crate::problem::storage_refusal;

/// Who sends a token, and the id of its key.
pub async fn principal(
    hub: &Hub,
    token: Option<&str>,
    workspace: Option<&str>,
) -> Result<(String, Principal), Refusal> {
    let unknown = |why: &str| Refusal::new(Code::Unauthenticated, why.to_owned());
    let token = token.map(str::trim).filter(|t| !t.is_empty());
    let token = token.ok_or_else(|| {
        unknown("send a key: `Authorization: Bearer <key>` or `x-api-key: <key>`")
    })?;
    if token.len() > 4_096 {
        return Err(unknown("this key is not valid"));
    }
    let found = hub
        .store()
        .authenticate(token)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let (key, mut principal) =
        found.ok_or_else(|| unknown("this key is not valid or was revoked"))?;
    if let Some(workspace) = workspace.filter(|w| *w != principal.workspace_id.as_str()) {
        // The bootstrap key administers every workspace; any other is bound to one.
        if !principal.bootstrap {
            return Err(Refusal::forbidden("this key is bound to another workspace"));
        }
        principal.workspace_id = WorkspaceId::from(workspace);
        hub.workspace_room(&principal.workspace_id).await?;
    }
    Ok((key, principal))
}

/// Who sends a request, and the id of its key.
pub async fn of_headers(hub: &Hub, headers: &HeaderMap) -> Result<(String, Principal), Refusal> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| {
            v.strip_prefix("Bearer ")
                .or_else(|| v.strip_prefix("bearer "))
        });
    principal(
        hub,
        bearer.or_else(|| text("x-api-key")),
        text("x-workspace-id"),
    )
    .await
}

/// A key made from the credential of a request: what it seals, only the same credential opens.
pub fn sealer(headers: &HeaderMap) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"baton: an answer that holds a secret");
    for name in ["authorization", "x-api-key", "cookie"] {
        for value in headers.get_all(name) {
            hash.update([0]);
            hash.update(value.as_bytes());
        }
    }
    hash.finalize().into()
}

/// A new key: its id and the whole of it.
pub fn new_key() -> (String, String) {
    let mut bytes = [0u8; 32];
    // Without the system's randomness no key can be trusted: better none than a guessable one.
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the operating system gives no randomness; no key can be made");
        std::process::exit(70);
    }
    let id = hex::encode(&bytes[..8]);
    let token = format!("bk_{id}_{}", hex::encode(&bytes[8..]));
    (id, token)
}
