//! The audit: who asked for what, from where, and what came of it. Append-only, apart from the logs, and it outlives them.
//!
//! A row of a change is written in the transaction of the change. A refusal changes nothing, so its row is written later, many at once.

use std::time::Duration;

use rooms::Timestamp;
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::PrincipalKind;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::db::{Error, Kind, Part, Store, Table, Value};

static AUDIT: Table = Table {
    name: "audit",
    columns: &[
        ("workspace_id", Kind::Text),
        ("id", Kind::Uuid),
        ("at", Kind::Int),
        ("kind", Kind::Text),
        ("principal", Kind::Text),
        ("action", Kind::Text),
        ("outcome", Kind::Text),
        ("transport", Kind::Text),
        ("address", Kind::Text),
        ("room_id", Kind::Uuid),
        ("target", Kind::Text),
        ("detail", Kind::Text),
        ("correlation", Kind::Text),
    ],
    key: None,
    once: &[],
};

/// What an audited command came to, when it was carried out.
pub const DONE: &str = "ok";

/// A row of the audit.
#[derive(Clone, Debug)]
pub struct AuditRow {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose command.
    pub kind: PrincipalKind,
    /// Its id within the kind.
    pub principal: String,
    /// What was asked: a command's name.
    pub action: String,
    /// [`DONE`], or the code of the refusal.
    pub outcome: String,
    /// `rest`, `socket`, `system` or `cli`.
    pub transport: &'static str,
    /// The address that it came from; empty where there is none.
    pub address: String,
    /// The room that decided.
    pub room: Option<RoomId>,
    /// The ids that the command named: a JSON object, or empty.
    pub target: String,
    /// Why it was refused.
    pub detail: String,
    /// The caller's commandId or Idempotency-Key.
    pub correlation: String,
}

impl AuditRow {
    fn values(&self, at: Timestamp) -> Vec<Value> {
        // The random half of a fresh id; within one moment it grows, so that a batch keeps its order.
        let random = Uuid::now_v7().as_u64_pair().1;
        vec![
            self.workspace.as_str().into(),
            rooms::ctx::uuid_v7(at, 0, random).into(),
            at.into(),
            self.kind.as_str().into(),
            self.principal.as_str().into(),
            self.action.as_str().into(),
            self.outcome.as_str().into(),
            self.transport.into(),
            self.address.as_str().into(),
            self.room.map(|r| r.0).into(),
            self.target.as_str().into(),
            self.detail.as_str().into(),
            self.correlation.as_str().into(),
        ]
    }
}

/// Which rows of the audit.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// The kind of the principal, where it is given.
    pub kind: Option<String>,
    /// The principal's id.
    pub principal: Option<String>,
    /// What was asked.
    pub action: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

/// Rows as a part of a batch.
pub(crate) fn part(rows: &[AuditRow], at: Timestamp) -> Part {
    Part::Rows(&AUDIT, rows.iter().map(|r| r.values(at)).collect())
}

impl Store {
    /// Keeps refusals: each with how long ago it was.
    pub async fn keep_refusals(&self, rows: &[(Duration, AuditRow)]) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let values = rows.iter().map(|(ago, row)| {
            let ago = i64::try_from(ago.as_micros()).unwrap_or(0);
            row.values(Timestamp(now.0 - ago))
        });
        tx.write(&AUDIT, values.collect()).await?;
        tx.commit().await
    }

    /// A page of the audit, newest first.
    pub async fn audit(
        &self,
        workspace: &WorkspaceId,
        filter: &AuditFilter,
    ) -> Result<Vec<Json>, Error> {
        let mut args: Vec<Value> = vec![workspace.as_str().into()];
        let mut clauses = vec!["workspace_id = $1".to_owned()];
        let mut clause = |text: &str, value: Option<Value>| {
            if let Some(value) = value {
                args.push(value);
                clauses.push(format!("{text} ${}", args.len()));
            }
        };
        clause("at >=", filter.since.map(Into::into));
        clause("at <", filter.until.map(Into::into));
        clause("kind =", filter.kind.clone().map(Into::into));
        clause("principal =", filter.principal.clone().map(Into::into));
        clause("action =", filter.action.clone().map(Into::into));
        clause("outcome =", filter.outcome.clone().map(Into::into));
        // Ids grow with time: the key itself bounds what is read.
        let bound = |at: Timestamp| Value::Uuid(rooms::ctx::uuid_v7(at, 0, 0));
        clause("id >=", filter.since.map(bound));
        clause("id <", filter.until.map(bound));
        clause("id <", filter.after.map(Into::into));
        if filter.outcome.as_deref().is_some_and(|o| o != DONE) {
            // As the index of what was refused says it.
            clauses.push(format!("outcome <> '{DONE}'"));
        }
        let sql = format!(
            "SELECT id, at, kind, principal, action, outcome, transport, address, room_id, target, detail, correlation \
             FROM audit WHERE {} ORDER BY id DESC LIMIT {}",
            clauses.join(" AND "),
            filter.limit.max(1)
        );
        let rows = self.query_list(&sql, args).await?;
        Ok(rows
            .iter()
            .map(|r| {
                let mut row = json!({
                    "id": r.uuid(0), "at": Timestamp(r.int(1)),
                    "actor": {"kind": r.text(2), "id": r.text(3), "name": r.text(3)},
                    "action": r.text(4), "outcome": r.text(5), "transport": r.text(6),
                });
                for (n, name) in [(7, "address"), (10, "detail"), (11, "correlationId")] {
                    if !r.text(n).is_empty() {
                        row[name] = r.text(n).into();
                    }
                }
                if !r.is_null(8) {
                    row["roomId"] = json!(r.uuid(8));
                }
                if let Ok(target) = serde_json::from_str::<Json>(r.text(9)) {
                    row["target"] = target;
                }
                row
            })
            .collect())
    }
}
