//! Credentials and workspaces. A key is `bk_<id>_<secret>`; only its SHA-256 is kept. The secret has 192 random bits, so a slow hash
//! would protect nothing that guessing could reach.

use rooms::Timestamp;
use rooms::id::WorkspaceId;
use rooms::model::access::{Permission, Principal, PrincipalKind};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::db::{Error, Row, Store, marks};

/// What is known of a key; never the key itself.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// The id in the key.
    pub id: String,
    /// In which workspace it is good.
    pub workspace_id: String,
    /// `user:…`, `agent:…` or `service:…`.
    pub principal: String,
    /// What it may do.
    pub permission: String,
    /// To recognise it by.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key to keep.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The id in the key.
    pub id: String,
    /// The whole key, as the caller will send it.
    pub token: String,
    /// Whose.
    pub principal: Principal,
    /// To recognise it by.
    pub name: String,
}

/// The hash under which a token is kept.
pub fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

fn kind_of(text: &str) -> PrincipalKind {
    match text {
        "agent" => PrincipalKind::Agent,
        "service" => PrincipalKind::Service,
        _ => PrincipalKind::User,
    }
}

fn permission_of(text: &str) -> Permission {
    match text {
        "admin" => Permission::Admin,
        "write" => Permission::Write,
        _ => Permission::Read,
    }
}

/// As the wire spells it.
pub fn permission_text(p: Permission) -> &'static str {
    match p {
        Permission::Read => "read",
        Permission::Write => "write",
        Permission::Admin => "admin",
    }
}

fn info(row: &Row) -> KeyInfo {
    KeyInfo {
        id: row.text(0).to_owned(),
        workspace_id: row.text(1).to_owned(),
        principal: format!("{}:{}", row.text(2), row.text(3)),
        permission: row.text(4).to_owned(),
        name: row.text(5).to_owned(),
        created_at: Timestamp(row.int(6)),
        revoked_at: (!row.is_null(7)).then(|| Timestamp(row.int(7))),
    }
}

/// Who has a key of a workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// What kind of principal.
    pub kind: PrincipalKind,
    /// Its id within the kind.
    pub id: String,
    /// The most that one of its keys allows.
    pub permission: Permission,
    /// How many it has.
    pub keys: u64,
}

impl Store {
    /// The principal of a token that was not revoked.
    pub async fn authenticate(&self, token: &str) -> Result<Option<(String, Principal)>, Error> {
        let sql = "SELECT id, workspace_id, kind, principal, permission, bootstrap FROM api_keys WHERE hash = $1 AND revoked_at IS NULL";
        let rows = self.query(sql, vec![hash(token).into()]).await?;
        Ok(rows.first().map(|r| {
            let principal = Principal {
                kind: kind_of(r.text(2)),
                id: r.text(3).to_owned(),
                workspace_id: r.text(1).into(),
                permission: permission_of(r.text(4)),
                instance_id: None,
                bootstrap: r.int(5) != 0,
            };
            (r.text(0).to_owned(), principal)
        }))
    }

    /// Keeps a key; one of the same id is replaced.
    pub async fn keep_key(&self, key: &NewKey) -> Result<(), Error> {
        let mut change = self.plain_change().await?;
        change.keep_key(key).await?;
        change.commit(None, None).await
    }

    /// Revokes a key of a workspace, or all of a principal's; how many.
    pub async fn revoke_keys(
        &self,
        workspace: &WorkspaceId,
        id: Option<&str>,
        principal: Option<(&str, &str)>,
    ) -> Result<u64, Error> {
        let mut change = self.plain_change().await?;
        let n = change.revoke_keys(workspace, id, principal).await?;
        change.commit(None, None).await?;
        Ok(n)
    }

    /// Which of these keys were revoked or are gone.
    pub async fn revoked(&self, ids: &[String]) -> Result<Vec<String>, Error> {
        let mut out = Vec::new();
        for part in ids.chunks(1000) {
            let sql = format!(
                "SELECT id FROM api_keys WHERE id IN ({}) AND revoked_at IS NULL",
                marks(1, part.len())
            );
            let args = part.iter().map(|id| id.as_str().into()).collect();
            let good = self.query(&sql, args).await?;
            out.extend(
                part.iter()
                    .filter(|id| !good.iter().any(|row| row.text(0) == id.as_str()))
                    .cloned(),
            );
        }
        Ok(out)
    }

    /// The keys of a workspace, or of all.
    pub async fn keys(&self, workspace: Option<&WorkspaceId>) -> Result<Vec<KeyInfo>, Error> {
        let (filter, args) = match workspace {
            Some(w) => (" WHERE workspace_id = $1", vec![w.as_str().into()]),
            None => ("", Vec::new()),
        };
        let sql = format!(
            "SELECT id, workspace_id, kind, principal, permission, name, created_at, revoked_at FROM api_keys{filter} ORDER BY created_at, id"
        );
        Ok(self.query(&sql, args).await?.iter().map(info).collect())
    }

    /// One key of a workspace.
    pub async fn key(&self, workspace: &WorkspaceId, id: &str) -> Result<Option<KeyInfo>, Error> {
        let sql = "SELECT id, workspace_id, kind, principal, permission, name, created_at, revoked_at FROM api_keys \
                   WHERE workspace_id = $1 AND id = $2";
        let rows = self
            .query(sql, vec![workspace.as_str().into(), id.into()])
            .await?;
        Ok(rows.first().map(info))
    }

    /// Who has a key of a workspace that was not revoked, by kind and id: those after the one given.
    pub async fn members(
        &self,
        workspace: &WorkspaceId,
        after: Option<(&str, &str)>,
        limit: u64,
    ) -> Result<Vec<Member>, Error> {
        let (kind, id) = after.unwrap_or_default();
        let sql = format!(
            "SELECT kind, principal, CAST(MAX(CASE permission WHEN 'admin' THEN 3 WHEN 'write' THEN 2 ELSE 1 END) AS BIGINT), COUNT(*) FROM api_keys \
             WHERE workspace_id = $1 AND revoked_at IS NULL AND (kind, principal) > ($2, $3) \
             GROUP BY kind, principal ORDER BY kind, principal LIMIT {limit}"
        );
        let args = vec![workspace.as_str().into(), kind.into(), id.into()];
        let rows = self.query(&sql, args).await?;
        Ok(rows
            .iter()
            .map(|r| Member {
                kind: kind_of(r.text(0)),
                id: r.text(1).to_owned(),
                permission: match r.int(2) {
                    3 => Permission::Admin,
                    2 => Permission::Write,
                    _ => Permission::Read,
                },
                keys: r.count(3),
            })
            .collect())
    }

    /// A page of the keys of a workspace, the newest first: those made before the key `after`, if it is given.
    pub async fn keys_page(
        &self,
        workspace: &WorkspaceId,
        after: Option<&str>,
        limit: u64,
    ) -> Result<Vec<KeyInfo>, Error> {
        let mut args = vec![workspace.as_str().into(), (limit as i64).into()];
        let mut before = "";
        if let Some(id) = after {
            args.push(id.into());
            before = " AND (created_at, id) < (SELECT created_at, id FROM api_keys WHERE id = $3)";
        }
        let sql = format!(
            "SELECT id, workspace_id, kind, principal, permission, name, created_at, revoked_at FROM api_keys \
             WHERE workspace_id = $1{before} ORDER BY created_at DESC, id DESC LIMIT $2"
        );
        Ok(self.query(&sql, args).await?.iter().map(info).collect())
    }
}
