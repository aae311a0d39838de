//! The check of a store: what must always hold, read back from what is there.
//!
//! One room after another, each folded from its log a page at a time, so that a store of any size is checked in the memory that its
//! largest room's state takes. All of it is read in one snapshot of the database: a server may go on beside it. What is checked:
//!
//! - the log: seq is 1, 2, 3… up to the head; each row says what its payload says ([`log`])
//! - the domain: [`rooms::invariants`], at every event and of the state at the end
//! - the read model: exactly the rows that [`crate::projection`] would write for that state ([`read_model`])
//! - messages and templates: a row for each, as it was said and as it became ([`said`])
//! - snapshots: what the log adds up to at their seq
//! - timers: one for everything that would else wait for ever
//! - retention: who has ended is on its way out, nobody else; a log begins with what came before it
//! - echoes: each event that the workspace's room must hear of is there, once ([`echoes`])
//! - the registry and the idempotency records ([`registry`])

mod echoes;
mod log;
mod read_model;
mod registry;
mod said;

use rooms::id::{RoomId, WorkspaceId};
use rooms::{Timestamp, invariants};
use uuid::Uuid;

use self::echoes::Echoes;
use self::read_model::Counted;
use self::registry::Registry;
use crate::db::{Conn, Error, Store};
use crate::retention;

/// So many problems are told in words; the rest is counted.
const TOLD: usize = 1_000;

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rooms that were read.
    pub rooms: u64,
    /// Events that were read.
    pub events: u64,
    /// Rows of the read model that were compared.
    pub rows: u64,
    /// How much does not hold.
    pub found: u64,
    /// What does not hold, a sentence each; the first thousand.
    pub problems: Vec<String>,
}

impl Report {
    fn wrong(&mut self, what: String) {
        self.found += 1;
        if self.problems.len() < TOLD {
            self.problems.push(what);
        }
    }
}

/// A room, as its row says.
#[derive(Clone, Debug)]
struct RoomHead {
    id: RoomId,
    space: WorkspaceId,
    kind: String,
    head: u64,
    first: u64,
}

/// A check under way.
struct Check {
    conn: Conn,
    report: Report,
    echoes: Echoes,
    registry: Registry,
    counted: Counted,
    /// A workspace's log no longer has its beginning: templates may be older.
    trimmed: bool,
    /// Of the store.
    level: i64,
}

impl Store {
    /// Checks everything that must hold in the store; reads only.
    pub async fn verify(&self) -> Result<Report, Error> {
        let mut check = Check {
            conn: self.begin_snapshot().await?,
            report: Report::default(),
            echoes: Echoes::default(),
            registry: Registry::default(),
            counted: Counted::default(),
            trimmed: false,
            level: self.level().await?,
        };
        for table in ["messages", "templates", "assigned", "alert_rules"] {
            check.counted.add(table, 0);
        }
        check.beginnings().await?;
        check.workspaces().await?;
        let mut after = Uuid::nil();
        loop {
            let rooms = check.rooms_after(after).await?;
            let Some(last) = rooms.last() else { break };
            after = last.id.0;
            for room in rooms {
                // A workspace's room was read first: the others' echoes are looked up in it.
                if room.kind != "workspace" {
                    check.room(&room).await?;
                }
            }
        }
        check.registry().await?;
        check.idempotency().await?;
        check.deliveries().await?;
        check.names().await?;
        check.totals().await?;
        Ok(check.report)
    }
}

impl Check {
    async fn rooms_after(&mut self, after: Uuid) -> Result<Vec<RoomHead>, Error> {
        let sql = "SELECT id, workspace_id, type, head, first FROM rooms WHERE id > $1 ORDER BY id LIMIT 500";
        let rows = self.conn.query(sql, vec![after.into()]).await?;
        Ok(rows
            .iter()
            .map(|r| RoomHead {
                id: RoomId(r.uuid(0)),
                space: r.text(1).into(),
                kind: r.text(2).to_owned(),
                head: r.count(3),
                first: r.count(4),
            })
            .collect())
    }

    /// Every workspace has its room; rooms of workspaces are read before all others.
    async fn workspaces(&mut self) -> Result<(), Error> {
        let sql = "SELECT w.id, w.room_id, r.head FROM workspaces w LEFT JOIN rooms r ON r.id = w.room_id ORDER BY w.id";
        for row in self.conn.query(sql, Vec::new()).await? {
            if row.is_null(2) {
                self.report
                    .wrong(format!("the workspace {} has no room", row.text(0)));
            }
            self.echoes.main_room(row.text(0), RoomId(row.uuid(1)));
        }
        let mut after = Uuid::nil();
        loop {
            let rooms = self.rooms_after(after).await?;
            let Some(last) = rooms.last() else {
                return Ok(());
            };
            after = last.id.0;
            for room in rooms.iter().filter(|r| r.kind == "workspace") {
                self.trimmed |= room.first > 1;
                self.room(room).await?;
            }
        }
    }

    async fn room(&mut self, room: &RoomHead) -> Result<(), Error> {
        self.report.rooms += 1;
        if room.first > 1 && room.kind != "process" {
            let at = self.begins(room).await?;
            self.echoes.begins(room, at);
            self.registry.begins(&room.space, at);
        }
        let folded = self.fold(room).await?;
        for what in invariants::broken(&folded.state) {
            self.report.wrong(format!("room {}: {what}", room.id));
        }
        self.compare(room, &folded).await?;
        self.timers(room, &folded.state).await?;
        self.retention(room, &folded.state).await?;
        self.heard(room, &folded).await
    }

    /// Logs that no longer begin at their beginning.
    async fn beginnings(&mut self) -> Result<(), Error> {
        let sql = "SELECT id, first FROM rooms WHERE first > 1";
        for row in self.conn.query(sql, Vec::new()).await? {
            self.echoes.begins_at(RoomId(row.uuid(0)), row.count(1));
        }
        Ok(())
    }

    /// The time of the oldest event that a room still has; of its end, where it has none.
    async fn begins(&mut self, room: &RoomHead) -> Result<Timestamp, Error> {
        let sql = "SELECT COALESCE((SELECT e.at FROM events e WHERE e.room_id = r.id AND e.seq = r.first), r.last_activity) \
                   FROM rooms r WHERE r.id = $1";
        let rows = self.conn.query(sql, vec![room.id.0.into()]).await?;
        Ok(Timestamp(rows.first().map_or(0, |r| r.int(0))))
    }

    /// A room whose process has ended is on its way to its own end, and no other is.
    async fn retention(&mut self, room: &RoomHead, state: &rooms::State) -> Result<(), Error> {
        if self.level < retention::LEVEL {
            return Ok(());
        }
        let sql = "SELECT stage FROM retention WHERE room_id = $1";
        let rows = self.conn.query(sql, vec![room.id.0.into()]).await?;
        let found = rows.first().map(|r| r.text(0));
        let wanted = retention::stage(state);
        // Once its log has gone there is nothing left to wait for.
        let over = wanted == Some("archived") && found.is_none() && room.first > 1;
        if found != wanted && !over {
            self.report.wrong(format!(
                "room {}: it is {} on its way to be removed, and must be {}",
                room.id,
                found.unwrap_or("not"),
                wanted.unwrap_or("not")
            ));
        }
        Ok(())
    }

    /// A timer for everything that would else wait for ever.
    async fn timers(&mut self, room: &RoomHead, state: &rooms::State) -> Result<(), Error> {
        let needed = invariants::timers(state);
        if needed.is_empty() {
            return Ok(());
        }
        let sql = "SELECT key, timer FROM timers WHERE room_id = $1";
        let rows = self.conn.query(sql, vec![room.id.0.into()]).await?;
        for (key, timer) in needed {
            let row = rows.iter().find(|r| r.text(0) == key);
            match row.map(|r| serde_json::from_str::<rooms::command::Timer>(r.text(1))) {
                Some(Ok(found)) if found == timer => {}
                Some(_) => self.report.wrong(format!(
                    "room {}: the timer {key} is another than it must be",
                    room.id
                )),
                None => self
                    .report
                    .wrong(format!("room {}: the timer {key} is missing", room.id)),
            }
        }
        Ok(())
    }
}
