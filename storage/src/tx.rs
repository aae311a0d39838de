//! The transaction of a lane: lock, load, and write a whole batch with a few statements.

use std::collections::{BTreeMap, BTreeSet};

use rooms::decide::TimerOp;
use rooms::event::Event;
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::PrincipalKind;
use rooms::model::agent::Agent;
use rooms::model::communication::AgentCommunication;
use rooms::state::State;
use rooms::{Facts, Needs, Timestamp};

use crate::audit::AuditRow;
use crate::batch::Gathered;
use crate::db::{Conn, Error, Kind, Row, Store, Value};
use crate::read::parse;
use crate::registry::{Registered, register, registry_args};
use crate::webhooks::{self, Hook};

/// A snapshot of a room's state is written whenever its log has grown by so much, so that a cold load reads no more than this.
pub const SNAPSHOT_EVERY: u64 = 200;

/// A room under lock.
#[derive(Clone, Debug)]
pub struct RoomRow {
    /// Which.
    pub id: RoomId,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Its newest seq.
    pub head: u64,
    /// When that was.
    pub last_activity: Timestamp,
}

/// What a batch begins with.
#[derive(Debug)]
pub struct Opened {
    /// Now, by the database's clock.
    pub now: Timestamp,
    /// Grows whenever a webhook is made or removed.
    pub webhooks: i64,
    /// Its rooms that exist, under lock.
    pub rooms: Vec<RoomRow>,
}

/// What a batch is expected to need, so that it is had with one statement. Nothing depends on it: what else turns out to be needed is read and
/// locked then.
#[derive(Debug, Default)]
pub struct Ahead {
    /// The rooms to lock, in this order.
    pub rooms: Vec<RoomId>,
    /// What is to be read from one workspace's registry.
    pub registry: Option<(WorkspaceId, Needs)>,
}

/// `$1` is the rooms. Locks are taken in the order of what is sorted.
const LOCKING: &str = "SELECT r.id, r.workspace_id, r.head, r.last_activity FROM UNNEST($1::UUID[]) WITH ORDINALITY AS o (id, n) \
                       JOIN rooms r ON r.id = o.id ORDER BY o.n FOR UPDATE OF r";

fn room_row(row: &Row, from: usize) -> RoomRow {
    RoomRow {
        id: RoomId(row.uuid(from)),
        workspace_id: row.text(from + 1).into(),
        head: row.count(from + 2),
        last_activity: Timestamp(row.int(from + 3)),
    }
}

/// Makes a command that was sent twice take effect once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Idempotency {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose: kind and id.
    pub principal: String,
    /// The caller's key.
    pub key: String,
    /// Of method, path and body.
    pub hash: String,
}

/// What a batch writes.
#[derive(Default)]
pub struct WriteSet {
    /// New events of all rooms, in the order of each room.
    pub events: Vec<Event>,
    /// Every room that changed: its state before and after.
    pub rooms: Vec<(State, State)>,
    /// Timers, with their room.
    pub timers: Vec<(RoomId, WorkspaceId, TimerOp)>,
    /// Answers to keep.
    pub answers: Vec<(Idempotency, String)>,
    /// How far somebody has read.
    pub reads: Vec<(RoomId, PrincipalKind, String, u64)>,
    /// Timers that fired, with the due time that was seen.
    pub fired: Vec<(RoomId, String, Timestamp)>,
    /// Webhooks of the batch's workspaces.
    pub hooks: Vec<Hook>,
    /// Who asked for what; with the time of the transaction.
    pub audit: Option<(Timestamp, Vec<AuditRow>)>,
}

/// A lane's transaction.
pub struct Tx {
    pub(crate) conn: Conn,
    pub(crate) locked: BTreeSet<RoomId>,
    pub(crate) registered: Option<Registered>,
}

pub(crate) const KEY_COLUMNS: &[(&str, Kind)] = &[
    ("workspace_id", Kind::Text),
    ("principal", Kind::Text),
    ("key", Kind::Text),
];

pub(crate) fn key_row(k: &Idempotency) -> Vec<Value> {
    vec![
        k.workspace.as_str().into(),
        k.principal.as_str().into(),
        k.key.as_str().into(),
    ]
}

const SNAPSHOT: &str = "SELECT state FROM snapshots WHERE room_id = $1";

impl Store {
    /// The newest snapshot of a room.
    pub async fn snapshot(&self, room: RoomId) -> Result<Option<State>, Error> {
        let rows = self.query(SNAPSHOT, vec![room.0.into()]).await?;
        rows.first().map(|r| parse(r.text(0))).transpose()
    }

    /// Begins a lane's transaction.
    pub async fn lane_tx(&self) -> Result<Tx, Error> {
        Ok(Tx {
            conn: self.begin().await?,
            locked: BTreeSet::new(),
            registered: None,
        })
    }

    /// The same, but locks are waited for a moment only. It is waited for to the end: whoever may go away before uses [`Store::begin`].
    pub async fn brief_lane_tx(&self) -> Result<Tx, Error> {
        Ok(Tx {
            conn: self.begin_briefly().await?,
            locked: BTreeSet::new(),
            registered: None,
        })
    }

    /// Those of these rooms of which nobody holds the lock just now.
    pub async fn unlocked(&self, rooms: &BTreeSet<RoomId>) -> Result<BTreeSet<RoomId>, Error> {
        let Self::Postgres(_) = self else {
            return Ok(rooms.clone());
        };
        let sql = format!(
            "SELECT id FROM rooms WHERE id {} FOR UPDATE SKIP LOCKED",
            self.among(Kind::Uuid, 1)
        );
        let ids = Value::Uuids(rooms.iter().map(|r| r.0).collect());
        let rows = self.query(&sql, vec![ids]).await?;
        Ok(rows.iter().map(|r| RoomId(r.uuid(0))).collect())
    }
}

impl Tx {
    /// Now, by the database's clock.
    pub async fn now(&mut self) -> Result<Timestamp, Error> {
        self.conn.now().await
    }

    /// Takes the keys, in order. A key that was used before comes back with its hash and answer; one that another transaction is using
    /// is waited for.
    pub async fn take_keys(
        &mut self,
        keys: &BTreeSet<Idempotency>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, (String, String)>, Error> {
        let mut used = BTreeMap::new();
        if keys.is_empty() {
            return Ok(used);
        }
        let rows = keys
            .iter()
            .map(|k| {
                let mut row = key_row(k);
                row.push(k.hash.as_str().into());
                row.push(now.into());
                row
            })
            .collect();
        // SQLite would read ON as a part of FROM but for the WHERE.
        let sql = "INSERT INTO idempotency (workspace_id, principal, key, hash, response, created_at) \
             SELECT v.workspace_id, v.principal, v.key, v.hash, '', v.at FROM {rows} WHERE true \
             ON CONFLICT DO NOTHING RETURNING workspace_id, principal, key";
        let more: &[(&str, Kind)] = &[("hash", Kind::Text), ("at", Kind::Int)];
        let columns = [KEY_COLUMNS, more].concat();
        let taken: BTreeSet<(String, String, String)> = self
            .conn
            .query_rows(sql, &columns, rows)
            .await?
            .iter()
            .map(|r| (r.text(0).into(), r.text(1).into(), r.text(2).into()))
            .collect();
        for k in keys {
            let name = (k.workspace.0.clone(), k.principal.clone(), k.key.clone());
            if taken.contains(&name) {
                continue;
            }
            let rows = self
                .conn
                .query(
                    "SELECT hash, response FROM idempotency WHERE workspace_id = $1 AND principal = $2 AND key = $3",
                    key_row(k),
                )
                .await?;
            if let Some(row) = rows.first() {
                used.insert(
                    format!("{}\n{}\n{}", k.workspace, k.principal, k.key),
                    (row.text(0).to_owned(), row.text(1).to_owned()),
                );
            }
        }
        Ok(used)
    }

    /// The first that a batch reads: the time, how far the webhooks have changed, its rooms under lock, and what is in the registry. The time
    /// may be of before the locks were had.
    pub async fn open(&mut self, ahead: Ahead) -> Result<Opened, Error> {
        if let Conn::Sqlite(..) = self.conn {
            let sql = "SELECT version FROM webhook_version WHERE id = 1";
            let version = self.conn.query(sql, Vec::new()).await?;
            return Ok(Opened {
                now: self.conn.now().await?,
                webhooks: version.first().map_or(0, |r| r.int(0)),
                rooms: self.lock_rooms(&ahead.rooms).await?,
            });
        }
        let mut args = vec![Value::Uuids(ahead.rooms.iter().map(|r| r.0).collect())];
        let mut with = format!("r AS MATERIALIZED ({LOCKING})");
        // The branches are run in their order, so rooms are locked before agents are.
        let mut branches = vec![
            "SELECT 'now', NULL::UUID, NULL::TEXT, (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT, \
             (SELECT version FROM webhook_version WHERE id = 1)"
                .to_owned(),
            "SELECT 'room', id, workspace_id, head, last_activity FROM r".to_owned(),
        ];
        if let Some((workspace, needs)) = &ahead.registry {
            with.push_str(&format!(", {}", self.agents(needs, 2)));
            branches.push("SELECT 'agent', NULL, data, NULL, NULL FROM a".to_owned());
            let mut more = registry_args(workspace, needs);
            if needs.slots {
                more.truncate(2);
            } else {
                let rest = self.teams_and_rules(2);
                branches.push(format!(
                    "SELECT kind, NULL, data, NULL, NULL FROM ({rest}) AS t"
                ));
            }
            args.extend(more);
        }
        let sql = format!("WITH {with} {}", branches.join(" UNION ALL "));
        let mut opened = Opened {
            now: Timestamp::default(),
            webhooks: 0,
            rooms: Vec::new(),
        };
        let mut facts = Facts::default();
        for row in self.conn.query(&sql, args).await? {
            match row.text(0) {
                "now" => (opened.now, opened.webhooks) = (Timestamp(row.int(3)), row.int(4)),
                "room" => opened.rooms.push(room_row(&row, 1)),
                kind => register(kind, row.text(2), &mut facts)?,
            }
        }
        self.locked.extend(ahead.rooms);
        self.registered = ahead.registry.map(|(workspace, needs)| Registered {
            workspace,
            needs,
            facts,
        });
        Ok(opened)
    }

    /// Locks rooms in this order; those that exist come back.
    pub async fn lock_rooms(&mut self, rooms: &[RoomId]) -> Result<Vec<RoomRow>, Error> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let ids = Value::Uuids(rooms.iter().map(|r| r.0).collect());
        let rows = match self.conn {
            Conn::Postgres(_) => self.conn.query(LOCKING, vec![ids]).await?,
            Conn::Sqlite(..) => {
                let sql = format!(
                    "SELECT id, workspace_id, head, last_activity FROM rooms WHERE id {}",
                    self.conn.among(Kind::Uuid, 1)
                );
                self.conn.query(&sql, vec![ids]).await?
            }
        };
        self.locked.extend(rooms);
        Ok(rows.iter().map(|r| room_row(r, 0)).collect())
    }

    /// The newest snapshot of a room.
    pub async fn snapshot(&mut self, room: RoomId) -> Result<Option<State>, Error> {
        let rows = self.conn.query(SNAPSHOT, vec![room.0.into()]).await?;
        rows.first().map(|r| parse(r.text(0))).transpose()
    }

    /// The events of a room after a seq, at most 1,000.
    pub async fn events_after(&mut self, room: RoomId, seq: u64) -> Result<Vec<Event>, Error> {
        let rows = self
            .conn
            .query(
                "SELECT payload FROM events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT 1000",
                vec![room.0.into(), seq.into()],
            )
            .await?;
        rows.iter().map(|r| parse(r.text(0))).collect()
    }

    /// The rooms of workspaces.
    pub async fn workspace_rooms(
        &mut self,
        workspaces: &BTreeSet<WorkspaceId>,
    ) -> Result<BTreeMap<WorkspaceId, RoomId>, Error> {
        if workspaces.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT id, room_id FROM workspaces WHERE id {}",
            self.conn.among(Kind::Text, 1)
        );
        let ids = workspaces.iter().map(|w| w.0.clone()).collect();
        let rows = self.conn.query(&sql, vec![Value::Texts(ids)]).await?;
        Ok(rows
            .iter()
            .map(|r| (r.text(0).into(), RoomId(r.uuid(1))))
            .collect())
    }

    /// When a timer is due now; none when it is gone.
    pub async fn timer_due(&mut self, room: RoomId, key: &str) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT due FROM timers WHERE room_id = $1 AND key = $2";
        let rows = self
            .conn
            .query(sql, vec![room.0.into(), key.into()])
            .await?;
        Ok(rows.first().map(|r| Timestamp(r.int(0))))
    }

    /// How far somebody has read; 0 where they never said so.
    pub async fn read_mark(
        &mut self,
        room: RoomId,
        kind: PrincipalKind,
        id: &str,
    ) -> Result<u64, Error> {
        let sql = "SELECT seq FROM read_marks WHERE room_id = $1 AND kind = $2 AND principal = $3";
        let args = vec![room.0.into(), kind.as_str().into(), id.into()];
        let rows = self.conn.query(sql, args).await?;
        Ok(rows.first().map_or(0, |r| r.count(0)))
    }

    /// Writes the batch. The events' texts come back as the log has them, so that nobody encodes them again.
    pub async fn write(&mut self, set: &WriteSet) -> Result<Vec<String>, Error> {
        let mut all = Gathered::new(set)?;
        for team in &all.teams {
            let sql = "DELETE FROM team_members WHERE team_id = $1";
            self.conn.execute(sql, vec![(*team).into()]).await?;
        }
        self.conn.write_parts(all.take_parts()).await?;
        for (edit, at) in all.edited {
            let sql = "UPDATE messages SET body = $1, mentions = $2, edited_at = $3 WHERE id = $4";
            let mentions = serde_json::to_string(&edit.mentions)?;
            let args = vec![
                edit.body.as_str().into(),
                mentions.into(),
                at.into(),
                edit.id.0.into(),
            ];
            self.conn.execute(sql, args).await?;
        }
        for id in all.taken_out {
            let sql = "UPDATE messages SET removed = 1, body = '' WHERE id = $1";
            self.conn.execute(sql, vec![id.0.into()]).await?;
        }
        for expired in all.lapsed {
            let id = expired.id;
            let sql = "SELECT data FROM communications WHERE id = $1";
            let found = self.conn.query(sql, vec![id.0.into()]).await?;
            if let Some(row) = found.first() {
                let mut sent: AgentCommunication = parse(row.text(0))?;
                sent.expired = true;
                let sql = "UPDATE communications SET data = $1, open = 0 WHERE id = $2";
                let args = vec![serde_json::to_string(&sent)?.into(), id.0.into()];
                self.conn.execute(sql, args).await?;
            }
        }
        for change in all.answered {
            let found = self
                .conn
                .query(
                    "SELECT data FROM communications WHERE id = $1",
                    vec![change.id.0.into()],
                )
                .await?;
            if let Some(row) = found.first() {
                let mut sent: AgentCommunication = parse(row.text(0))?;
                sent.response = Some(change.response.clone());
                let args = vec![serde_json::to_string(&sent)?.into(), change.id.0.into()];
                self.conn
                    .execute(
                        "UPDATE communications SET data = $1, open = 0 WHERE id = $2",
                        args,
                    )
                    .await?;
            }
        }
        for (workspace, agent) in all.removed {
            let found = self
                .conn
                .query(
                    "SELECT data FROM agents WHERE workspace_id = $1 AND id = $2",
                    vec![workspace.as_str().into(), agent.as_str().into()],
                )
                .await?;
            if let Some(row) = found.first() {
                let mut known: Agent = parse(row.text(0))?;
                known.archived = true;
                let data = serde_json::to_string(&known)?;
                self.conn
                    .execute(
                        "UPDATE agents SET archived = 1, data = $1 WHERE workspace_id = $2 AND id = $3",
                        vec![data.into(), workspace.as_str().into(), agent.as_str().into()],
                    )
                    .await?;
            }
        }
        self.mark_read(set).await?;
        crate::retention::follow(&mut self.conn, set).await?;
        webhooks::write(&mut self.conn, &set.hooks, &set.events).await?;
        Ok(all.texts)
    }

    /// How far somebody has read: a mark never goes back.
    async fn mark_read(&mut self, set: &WriteSet) -> Result<(), Error> {
        for (room, kind, id, seq) in &set.reads {
            let sql = "INSERT INTO read_marks (room_id, kind, principal, seq) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (room_id, kind, principal) DO UPDATE SET seq = excluded.seq \
                       WHERE excluded.seq > read_marks.seq";
            let args = vec![
                room.0.into(),
                kind.as_str().into(),
                id.as_str().into(),
                (*seq).into(),
            ];
            self.conn.execute(sql, args).await?;
        }
        Ok(())
    }

    /// Gives a key back: the command was refused, and may be sent again.
    pub async fn release_keys(&mut self, keys: &[Idempotency]) -> Result<(), Error> {
        let sql = "DELETE FROM idempotency WHERE response = '' AND (workspace_id, principal, key) IN \
                   (SELECT v.workspace_id, v.principal, v.key FROM {rows})";
        let rows = keys.iter().map(key_row).collect();
        self.conn.query_rows(sql, KEY_COLUMNS, rows).await?;
        Ok(())
    }

    /// Makes it real.
    pub async fn commit(self) -> Result<(), Error> {
        self.conn.commit().await
    }
}
