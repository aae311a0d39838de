//! Webhooks: where a workspace's events are sent, and the outbox of what is to be sent.
//!
//! The outbox is written in the transaction of the events and holds no copy of them: a row names an event of the log. Within one room
//! and webhook the oldest pending row goes first and holds back those behind it, which keeps the order.

use rooms::Timestamp;
use rooms::event::Event;
use rooms::id::{RoomId, WorkspaceId};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::change::Change;
use crate::db::{Conn, Error, Kind, Store, Table, Value, marks};
use crate::tx::Tx;

static WEBHOOKS: Table = Table {
    name: "webhooks",
    columns: &[
        ("id", Kind::Uuid),
        ("workspace_id", Kind::Text),
        ("url", Kind::Text),
        ("events", Kind::Text),
        ("room_id", Kind::Uuid),
        ("description", Kind::Text),
        ("secret", Kind::Text),
        ("created_by", Kind::Text),
        ("created_at", Kind::Int),
    ],
    key: None,
    once: &[],
};
static OUTBOX: Table = Table {
    name: "webhook_outbox",
    columns: &[
        ("webhook_id", Kind::Uuid),
        ("room_id", Kind::Uuid),
        ("seq", Kind::Int),
        ("type", Kind::Text),
        ("status", Kind::Text),
        ("attempts", Kind::Int),
        ("due", Kind::Int),
        ("created_at", Kind::Int),
        ("error", Kind::Text),
    ],
    key: None,
    once: &[],
};

/// What of a webhook the transactions of lanes need: which events it wants.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Which.
    pub id: Uuid,
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// Event types: exact, or with `*` at the end; none: all.
    pub events: Vec<String>,
    /// Only of this room.
    pub room: Option<RoomId>,
}

impl Hook {
    /// Whether it wants an event. What is echoed into the workspace's room was sent from the room where it happened.
    pub fn wants(&self, event: &Event) -> bool {
        event.origin.is_none()
            && event.workspace_id == self.workspace
            && self.room.is_none_or(|room| room == event.room_id)
            && (self.events.is_empty() || {
                let name = event.body.name();
                self.events.iter().any(|e| match e.strip_suffix('*') {
                    Some(start) => name.starts_with(start),
                    None => *e == name,
                })
            })
    }
}

/// A webhook to make.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Which, of which workspace, and what it wants.
    pub hook: Hook,
    /// Where to.
    pub url: String,
    /// For people.
    pub description: String,
    /// What requests are signed with. It is kept as it is, since every signature needs it.
    pub secret: String,
    /// Who made it: `user:ID`.
    pub created_by: String,
}

/// An event to send, claimed by a node.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// By which webhook.
    pub webhook: Uuid,
    /// Where to.
    pub url: String,
    /// To sign with.
    pub secret: String,
    /// From which room.
    pub room: RoomId,
    /// The event's place there.
    pub seq: u64,
    /// How often it was tried, this time included: the fence of the claim.
    pub attempts: u64,
    /// When it happened.
    pub created_at: Timestamp,
    /// The event as it was written; none: the log no longer has it.
    pub payload: Option<String>,
}

/// What came of sending.
#[derive(Clone, Debug)]
pub enum Sent {
    /// The receiver took it.
    Delivered,
    /// Again later.
    Retry {
        /// In how many microseconds.
        after: i64,
        /// Why.
        error: String,
    },
    /// Never again by itself.
    Parked {
        /// Why.
        error: String,
    },
}

impl Tx {
    /// Every webhook of the store.
    pub async fn hooks(&mut self) -> Result<Vec<Hook>, Error> {
        let sql = "SELECT id, workspace_id, events, room_id FROM webhooks";
        let rows = self.conn.query(sql, Vec::new()).await?;
        rows.iter()
            .map(|r| {
                Ok(Hook {
                    id: r.uuid(0),
                    workspace: r.text(1).into(),
                    events: serde_json::from_str(r.text(2))?,
                    room: (!r.is_null(3)).then(|| RoomId(r.uuid(3))),
                })
            })
            .collect()
    }
}

/// Writes the outbox of a batch: for each event the webhooks that want it.
pub(crate) async fn write(conn: &mut Conn, hooks: &[Hook], events: &[Event]) -> Result<(), Error> {
    if hooks.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::new();
    for event in events {
        for hook in hooks.iter().filter(|h| h.wants(event)) {
            rows.push(vec![
                hook.id.into(),
                event.room_id.0.into(),
                event.seq.into(),
                event.body.name().as_ref().into(),
                "pending".into(),
                0i64.into(),
                event.at.into(),
                event.at.into(),
                "".into(),
            ]);
        }
    }
    conn.write(&OUTBOX, rows).await
}

impl Change {
    async fn touch_webhooks(&mut self) -> Result<(), Error> {
        let sql = "UPDATE webhook_version SET version = version + 1 WHERE id = 1";
        self.conn.execute(sql, Vec::new()).await.map(|_| ())
    }

    /// How many webhooks a workspace has.
    pub async fn count_webhooks(&mut self, workspace: &WorkspaceId) -> Result<u64, Error> {
        let sql = "SELECT COUNT(*) FROM webhooks WHERE workspace_id = $1";
        let rows = self
            .conn
            .query(sql, vec![workspace.as_str().into()])
            .await?;
        Ok(rows.first().map_or(0, |r| r.count(0)))
    }

    /// Makes a webhook; it gets what is committed from then on.
    pub async fn make_webhook(&mut self, new: &NewWebhook) -> Result<(), Error> {
        let row = vec![
            new.hook.id.into(),
            new.hook.workspace.as_str().into(),
            new.url.as_str().into(),
            serde_json::to_string(&new.hook.events)?.into(),
            new.hook.room.map(|r| r.0).into(),
            new.description.as_str().into(),
            new.secret.as_str().into(),
            new.created_by.as_str().into(),
            self.now().into(),
        ];
        self.conn.write(&WEBHOOKS, vec![row]).await?;
        self.touch_webhooks().await
    }

    /// Removes a webhook with what it still had to send; false when there is none.
    pub async fn remove_webhook(
        &mut self,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<bool, Error> {
        let sql = "DELETE FROM webhooks WHERE workspace_id = $1 AND id = $2";
        let args = vec![workspace.as_str().into(), id.into()];
        let removed = self.conn.execute(sql, args).await? > 0;
        self.touch_webhooks().await?;
        Ok(removed)
    }

    /// Sends again what was parked, and, where `since` is given, all that happened from then on; how many.
    pub async fn replay_webhook(
        &mut self,
        id: Uuid,
        since: Option<Timestamp>,
    ) -> Result<u64, Error> {
        let now = self.now();
        let (which, mut args): (_, Vec<Value>) = match since {
            Some(at) => (
                // When it happened: `created_at` is when it was last begun with.
                "status <> 'pending' AND (SELECT e.at FROM events e \
                 WHERE e.room_id = webhook_outbox.room_id AND e.seq = webhook_outbox.seq) >= $3",
                vec![now.into(), id.into(), at.into()],
            ),
            None => ("status = 'parked'", vec![now.into(), id.into()]),
        };
        // From now on it is tried for a day again.
        args.push(now.into());
        let sql = format!(
            "UPDATE webhook_outbox SET status = 'pending', attempts = 0, due = $1, error = '', created_at = ${} WHERE webhook_id = $2 AND {which}",
            args.len()
        );
        self.conn.execute(&sql, args).await
    }
}

impl Store {
    /// A page of a workspace's webhooks, newest first, with how their deliveries stand; or one of them.
    pub async fn webhooks(
        &self,
        workspace: &WorkspaceId,
        id: Option<Uuid>,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Json>, Error> {
        let mut args: Vec<Value> = vec![workspace.as_str().into()];
        let mut clauses = String::new();
        for (text, value) in [("id =", id), ("id <", after)] {
            if let Some(value) = value {
                args.push(value.into());
                clauses.push_str(&format!(" AND {text} ${}", args.len()));
            }
        }
        let sql = format!(
            "SELECT id, url, events, room_id, description, created_by, created_at, last_delivered_at, last_error, \
             (SELECT COUNT(*) FROM webhook_outbox o WHERE o.webhook_id = webhooks.id AND o.status = 'pending'), \
             (SELECT COUNT(*) FROM webhook_outbox o WHERE o.webhook_id = webhooks.id AND o.status = 'parked') \
             FROM webhooks WHERE workspace_id = $1{clauses} ORDER BY id DESC LIMIT {limit}"
        );
        let rows = self.query(&sql, args).await?;
        rows.iter()
            .map(|r| {
                let mut hook = json!({
                    "id": r.uuid(0), "url": r.text(1), "events": serde_json::from_str::<Json>(r.text(2))?,
                    "description": r.text(4), "createdBy": r.text(5), "createdAt": Timestamp(r.int(6)),
                    "pending": r.count(9), "parked": r.count(10),
                });
                if !r.is_null(3) {
                    hook["roomId"] = json!(r.uuid(3));
                }
                if !r.is_null(7) {
                    hook["lastDeliveredAt"] = json!(Timestamp(r.int(7)));
                }
                if !r.is_null(8) {
                    hook["lastError"] = r.text(8).into();
                }
                Ok(hook)
            })
            .collect()
    }

    /// A page of a webhook's deliveries, newest first.
    pub async fn webhook_deliveries(
        &self,
        id: Uuid,
        status: Option<&str>,
        after: Option<(Timestamp, Uuid, u64)>,
        limit: u64,
    ) -> Result<Vec<Json>, Error> {
        let mut args: Vec<Value> = vec![id.into()];
        let mut clauses = String::new();
        if let Some(status) = status {
            args.push(status.into());
            clauses.push_str(&format!(" AND status = ${}", args.len()));
        }
        if let Some((at, room, seq)) = after {
            clauses.push_str(&format!(
                " AND (created_at, room_id, seq) < ({})",
                marks(args.len() + 1, 3)
            ));
            args.extend([at.into(), room.into(), seq.into()]);
        }
        let sql = format!(
            "SELECT room_id, seq, type, status, attempts, due, created_at, error FROM webhook_outbox \
             WHERE webhook_id = $1{clauses} ORDER BY created_at DESC, room_id DESC, seq DESC LIMIT {limit}"
        );
        let rows = self.query(&sql, args).await?;
        Ok(rows
            .iter()
            .map(|r| {
                let mut delivery = json!({
                    "id": format!("{}.{}.{}", r.int(6), r.uuid(0), r.count(1)),
                    "roomId": r.uuid(0), "seq": r.count(1), "type": r.text(2), "status": r.text(3), "attempts": r.count(4),
                    "createdAt": Timestamp(r.int(6)),
                });
                if r.text(3) == "pending" {
                    delivery["dueAt"] = json!(Timestamp(r.int(5)));
                }
                if !r.text(7).is_empty() {
                    delivery["error"] = r.text(7).into();
                }
                delivery
            })
            .collect())
    }

    /// Webhooks that have something to send now.
    pub async fn webhooks_due(&self) -> Result<Vec<Uuid>, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        let sql = "SELECT w.id FROM webhooks w WHERE EXISTS \
                   (SELECT 1 FROM webhook_outbox o WHERE o.webhook_id = w.id AND o.status = 'pending' AND o.due <= $1)";
        let rows = tx.query(sql, vec![now.into()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(|r| r.uuid(0)).collect())
    }

    /// Claims deliveries of a webhook for so many microseconds: of each room the oldest pending one, where that is due. Nodes that claim
    /// at once get different ones.
    pub async fn claim_deliveries(
        &self,
        webhook: Uuid,
        limit: usize,
        hold: i64,
    ) -> Result<Vec<Delivery>, Error> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let lock = match tx {
            Conn::Sqlite(..) => "",
            Conn::Postgres(_) => " FOR UPDATE OF o SKIP LOCKED",
        };
        let sql = format!(
            "SELECT o.room_id, o.seq, o.attempts, o.created_at, w.url, w.secret, e.payload \
             FROM webhook_outbox o JOIN webhooks w ON w.id = o.webhook_id \
             LEFT JOIN events e ON e.room_id = o.room_id AND e.seq = o.seq \
             WHERE o.webhook_id = $1 AND o.status = 'pending' AND o.due <= $2 AND NOT EXISTS \
             (SELECT 1 FROM webhook_outbox b WHERE b.webhook_id = o.webhook_id AND b.room_id = o.room_id AND b.seq < o.seq AND b.status = 'pending') \
             ORDER BY o.due LIMIT {limit}{lock}"
        );
        let rows = tx.query(&sql, vec![webhook.into(), now.into()]).await?;
        let mut claimed = Vec::with_capacity(rows.len());
        for r in &rows {
            let attempts = r.count(2) + 1;
            let sql = "UPDATE webhook_outbox SET due = $1, attempts = $2 WHERE webhook_id = $3 AND room_id = $4 AND seq = $5";
            let args = vec![
                (now.0 + hold).into(),
                attempts.into(),
                webhook.into(),
                r.uuid(0).into(),
                r.count(1).into(),
            ];
            tx.execute(sql, args).await?;
            claimed.push(Delivery {
                webhook,
                url: r.text(4).to_owned(),
                secret: r.text(5).to_owned(),
                room: RoomId(r.uuid(0)),
                seq: r.count(1),
                attempts,
                created_at: Timestamp(r.int(3)),
                payload: (!r.is_null(6)).then(|| r.text(6).to_owned()),
            });
        }
        tx.commit().await?;
        Ok(claimed)
    }

    /// Writes what came of a delivery, unless its claim ran out and another node has it.
    pub async fn delivery_done(&self, delivery: &Delivery, sent: &Sent) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let (status, due, error) = match sent {
            Sent::Delivered => ("delivered", now.0, ""),
            Sent::Retry { after, error } => ("pending", now.0 + after, error.as_str()),
            Sent::Parked { error } => ("parked", now.0, error.as_str()),
        };
        let sql = "UPDATE webhook_outbox SET status = $1, due = $2, error = $3 \
                   WHERE webhook_id = $4 AND room_id = $5 AND seq = $6 AND attempts = $7 AND status = 'pending'";
        let args = vec![
            status.into(),
            due.into(),
            error.into(),
            delivery.webhook.into(),
            delivery.room.0.into(),
            delivery.seq.into(),
            delivery.attempts.into(),
        ];
        tx.execute(sql, args).await?;
        let (sql, value): (_, Value) = match sent {
            Sent::Delivered => (
                "UPDATE webhooks SET last_delivered_at = $1, last_error = NULL WHERE id = $2",
                now.into(),
            ),
            _ => (
                "UPDATE webhooks SET last_error = $1 WHERE id = $2",
                error.into(),
            ),
        };
        tx.execute(sql, vec![value, delivery.webhook.into()])
            .await?;
        tx.commit().await
    }

    /// Forgets what was delivered before a time, at most so many.
    pub async fn forget_deliveries(&self, before: Timestamp, limit: u64) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let sql = format!(
            "SELECT webhook_id, room_id, seq FROM webhook_outbox WHERE created_at < $1 AND status <> 'pending' ORDER BY created_at LIMIT {limit}"
        );
        let rows = tx.query(&sql, vec![before.into()]).await?;
        for part in rows.chunks(200) {
            let tuples: Vec<String> = (0..part.len())
                .map(|n| format!("({})", marks(n * 3 + 1, 3)))
                .collect();
            let sql = format!(
                "DELETE FROM webhook_outbox WHERE (webhook_id, room_id, seq) IN (VALUES {})",
                tuples.join(", ")
            );
            let args = part
                .iter()
                .flat_map(|r| [r.uuid(0).into(), r.uuid(1).into(), r.count(2).into()])
                .collect();
            tx.execute(&sql, args).await?;
        }
        tx.commit().await?;
        Ok(rows.len() as u64)
    }
}
