//! Changes that no room decides: keys, workspaces, webhooks. One transaction holds the change, its idempotency record and its audit, so
//! that a repeated request finds either all of it or nothing.

use rooms::Timestamp;
use rooms::id::{RoomId, WorkspaceId};

use crate::audit::{self, AuditRow};
use crate::db::{Conn, Error, Store};
use crate::keys::{NewKey, hash, permission_text};
use crate::tx::Idempotency;

/// An answer that holds a secret is kept sealed, behind this: only the credential that asked can open it.
pub const SEALED: &str = "sealed:";

/// An open change; nothing is real before [`Change::commit`].
pub struct Change {
    pub(crate) conn: Conn,
    now: Timestamp,
    key: Option<Idempotency>,
}

/// How a change begins.
pub enum Begun {
    /// It is to be made.
    New(Change),
    /// It was made before, by a request of the same key: its hash and answer.
    Again {
        /// Of method, path and body.
        hash: String,
        /// What was answered.
        response: String,
    },
}

impl Store {
    /// Begins a change. One with a key that another request is using right now waits for that.
    pub async fn change(&self, key: Option<Idempotency>) -> Result<Begun, Error> {
        let mut conn = self.begin().await?;
        let now = conn.now().await?;
        if let Some(k) = &key {
            let args = vec![
                k.workspace.as_str().into(),
                k.principal.as_str().into(),
                k.key.as_str().into(),
                k.hash.as_str().into(),
                now.into(),
            ];
            let sql = "INSERT INTO idempotency (workspace_id, principal, key, hash, response, created_at) \
                       VALUES ($1, $2, $3, $4, '', $5) ON CONFLICT DO NOTHING";
            if conn.execute(sql, args).await? == 0 {
                let sql = "SELECT hash, response FROM idempotency WHERE workspace_id = $1 AND principal = $2 AND key = $3";
                let args = vec![
                    k.workspace.as_str().into(),
                    k.principal.as_str().into(),
                    k.key.as_str().into(),
                ];
                let rows = conn.query(sql, args).await?;
                if let Some(row) = rows.first() {
                    return Ok(Begun::Again {
                        hash: row.text(0).to_owned(),
                        response: row.text(1).to_owned(),
                    });
                }
            }
        }
        Ok(Begun::New(Change { conn, now, key }))
    }

    /// A change without an idempotency key.
    pub async fn plain_change(&self) -> Result<Change, Error> {
        let mut conn = self.begin().await?;
        let now = conn.now().await?;
        Ok(Change {
            conn,
            now,
            key: None,
        })
    }

    /// The answer that was kept under a key, with its hash.
    pub async fn answered(&self, k: &Idempotency) -> Result<Option<(String, String)>, Error> {
        let sql = "SELECT hash, response FROM idempotency WHERE workspace_id = $1 AND principal = $2 AND key = $3";
        let args = vec![
            k.workspace.as_str().into(),
            k.principal.as_str().into(),
            k.key.as_str().into(),
        ];
        let rows = self.query(sql, args).await?;
        Ok(rows
            .first()
            .map(|r| (r.text(0).to_owned(), r.text(1).to_owned())))
    }
}

impl Change {
    /// When it happens, by the database's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Keeps a key; one of the same id is replaced.
    pub async fn keep_key(&mut self, key: &NewKey) -> Result<(), Error> {
        let args = vec![
            key.id.as_str().into(),
            key.principal.workspace_id.as_str().into(),
            key.principal.kind.as_str().into(),
            key.principal.id.as_str().into(),
            permission_text(key.principal.permission).into(),
            key.principal.bootstrap.into(),
            key.name.as_str().into(),
            hash(&key.token).into(),
            self.now.into(),
        ];
        let sql = "INSERT INTO api_keys (id, workspace_id, kind, principal, permission, bootstrap, name, hash, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                   ON CONFLICT (id) DO UPDATE SET workspace_id = excluded.workspace_id, kind = excluded.kind, principal = excluded.principal, \
                   permission = excluded.permission, bootstrap = excluded.bootstrap, name = excluded.name, hash = excluded.hash, \
                   created_at = excluded.created_at, revoked_at = NULL";
        // One statement: nodes that start at once keep the same key.
        self.conn.execute(sql, args).await?;
        Ok(())
    }

    /// Revokes a key of a workspace, or all of a principal's; how many.
    pub async fn revoke_keys(
        &mut self,
        workspace: &WorkspaceId,
        id: Option<&str>,
        principal: Option<(&str, &str)>,
    ) -> Result<u64, Error> {
        let mut sql =
            "UPDATE api_keys SET revoked_at = $1 WHERE workspace_id = $2 AND revoked_at IS NULL"
                .to_owned();
        let mut args = vec![self.now.into(), workspace.as_str().into()];
        if let Some(id) = id {
            args.push(id.into());
            sql.push_str(&format!(" AND id = ${}", args.len()));
        }
        if let Some((kind, principal)) = principal {
            args.push(kind.into());
            sql.push_str(&format!(" AND kind = ${}", args.len()));
            args.push(principal.into());
            sql.push_str(&format!(" AND principal = ${}", args.len()));
        }
        self.conn.execute(&sql, args).await
    }

    /// Makes a workspace's row; its room is made by a command. False when there is one.
    pub async fn make_workspace(
        &mut self,
        id: &WorkspaceId,
        name: &str,
        room: RoomId,
    ) -> Result<bool, Error> {
        let args = vec![
            id.as_str().into(),
            name.into(),
            room.0.into(),
            self.now.into(),
        ];
        let sql = "INSERT INTO workspaces (id, name, room_id, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        Ok(self.conn.execute(sql, args).await? > 0)
    }

    /// Makes it real, with its row in the audit and the answer that a repeated request gets.
    pub async fn commit(
        mut self,
        audited: Option<&AuditRow>,
        response: Option<String>,
    ) -> Result<(), Error> {
        if let Some(row) = audited {
            let part = audit::part(std::slice::from_ref(row), self.now);
            self.conn.write_parts(vec![part]).await?;
        }
        if let Some(k) = &self.key {
            match response {
                Some(response) => {
                    let sql = "UPDATE idempotency SET response = $1 WHERE workspace_id = $2 AND principal = $3 AND key = $4";
                    let args = vec![
                        response.into(),
                        k.workspace.as_str().into(),
                        k.principal.as_str().into(),
                        k.key.as_str().into(),
                    ];
                    self.conn.execute(sql, args).await?;
                }
                None => {
                    let sql = "DELETE FROM idempotency WHERE workspace_id = $1 AND principal = $2 AND key = $3 AND response = ''";
                    let args = vec![
                        k.workspace.as_str().into(),
                        k.principal.as_str().into(),
                        k.key.as_str().into(),
                    ];
                    self.conn.execute(sql, args).await?;
                }
            }
        }
        self.conn.commit().await
    }
}
