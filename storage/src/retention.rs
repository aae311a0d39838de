//! What is no longer kept: rooms that are due to be archived, logs whose beginning goes, and records that have served.
//!
//! Whatever is removed goes in small transactions, so that a lane never waits long for its turn, and the log stays whole: what a room's
//! first event comes upon is kept as its base. Which rooms have ended is written with the events that say so ([`follow`]).

use std::time::Duration;

use rooms::id::{RoomId, WorkspaceId};
use rooms::{State, Timestamp};
use uuid::Uuid;

use crate::db::{Conn, Error, Kind, Store, Table};
use crate::tx::WriteSet;

static RETENTION: Table = Table {
    name: "retention",
    columns: &[
        ("room_id", Kind::Uuid),
        ("workspace_id", Kind::Text),
        ("stage", Kind::Text),
        ("since", Kind::Int),
    ],
    key: Some(&["room_id"]),
    once: &[],
};
static BASES: Table = Table {
    name: "bases",
    columns: &[
        ("room_id", Kind::Uuid),
        ("seq", Kind::Int),
        ("state", Kind::Text),
    ],
    key: Some(&["room_id"]),
    once: &[],
};
static SNAPSHOTS: Table = Table {
    name: "snapshots",
    ..BASES
};

/// From this level of a store on every binary that works on it can read that a room was archived, and knows that a log may begin late.
pub const LEVEL: i64 = 2;

/// How far a room has come towards its end; none: it lives.
pub(crate) fn stage(state: &State) -> Option<&'static str> {
    let process = state.process.as_ref()?;
    let archived = state.room.as_ref().is_some_and(|room| room.archived);
    match (process.process.status.is_terminal(), archived) {
        (true, false) => Some("ended"),
        (true, true) => Some("archived"),
        (false, _) => None,
    }
}

/// Keeps up with the rooms of a batch: whose process has ended, which were archived, which live again.
pub(crate) async fn follow(conn: &mut Conn, set: &WriteSet) -> Result<(), Error> {
    let mut rows = Vec::new();
    for (before, after) in &set.rooms {
        let now = stage(after);
        let Some(room) = after.room.as_ref().filter(|_| stage(before) != now) else {
            continue;
        };
        match now {
            Some(stage) => {
                let last = set.events.iter().rev().find(|e| e.room_id == room.id);
                rows.push(vec![
                    room.id.0.into(),
                    room.workspace_id.as_str().into(),
                    stage.into(),
                    last.map_or(Timestamp::default(), |e| e.at).into(),
                ]);
            }
            None => {
                let sql = "DELETE FROM retention WHERE room_id = $1";
                conn.execute(sql, vec![room.id.0.into()]).await?;
            }
        }
    }
    conn.write(&RETENTION, rows).await
}

/// Rooms that ended before anybody kept up with them.
pub(crate) async fn catch_up(conn: &mut Conn) -> Result<(), Error> {
    let sql = "INSERT INTO retention (room_id, workspace_id, stage, since) \
               SELECT r.id, r.workspace_id, 'ended', r.last_activity FROM processes p JOIN rooms r ON r.id = p.room_id \
               WHERE p.status IN ('completed', 'failed', 'cancelled') ON CONFLICT DO NOTHING";
    conn.execute(sql, Vec::new()).await.map(|_| ())
}

/// A log, and how much of it there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Of which room.
    pub room: RoomId,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Its oldest seq.
    pub first: u64,
    /// Its newest.
    pub head: u64,
}

/// A place in a list of archived rooms.
pub type After = (Timestamp, Uuid);

/// What a removal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The log begins after it now.
    Made,
    /// Somebody else was here meanwhile, or the room lives again: nothing was removed.
    Moved,
}

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(micros))
}

fn log_of(row: &crate::db::Row) -> Log {
    Log {
        room: RoomId(row.uuid(0)),
        workspace: row.text(1).into(),
        first: row.count(2),
        head: row.count(3),
    }
}

impl Store {
    /// Takes on the removal of what is no longer kept, for so long; false while another node has. It does no harm when two do.
    pub async fn take_on_retention(&self, hold: Duration) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let until = now.plus_ms(u64::try_from(hold.as_millis()).unwrap_or(u64::MAX));
        let sql = "UPDATE store SET retention_until = $1 WHERE id = 1 AND retention_until < $2";
        let taken = tx.execute(sql, vec![until.into(), now.into()]).await? > 0;
        tx.commit().await?;
        Ok(taken)
    }

    /// Lets others take it on.
    pub async fn leave_retention(&self) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE store SET retention_until = 0 WHERE id = 1";
        tx.execute(sql, Vec::new()).await?;
        tx.commit().await
    }

    /// Rooms whose process ended, and in which nothing has happened for so long; each with where its log ends.
    pub async fn idle_rooms(&self, idle: Duration, limit: u64) -> Result<Vec<Log>, Error> {
        let mut tx = self.begin_read().await?;
        let before = ago(tx.now().await?, idle);
        let sql = format!(
            "SELECT t.room_id, t.workspace_id, r.first, r.head FROM retention t JOIN rooms r ON r.id = t.room_id \
             WHERE t.stage = 'ended' AND t.since <= $1 AND r.last_activity <= $1 ORDER BY t.since LIMIT {limit}"
        );
        let rows = tx.query(&sql, vec![before.into()]).await?;
        tx.commit().await?;
        Ok(rows.iter().map(log_of).collect())
    }

    /// Logs of rooms that were archived so long ago, the longest ago first, each with its place in this list.
    pub async fn spent_logs(
        &self,
        kept: Duration,
        after: Option<After>,
        limit: u64,
    ) -> Result<Vec<(Log, After)>, Error> {
        let mut tx = self.begin_read().await?;
        let before = ago(tx.now().await?, kept);
        let (at, id) = after.unwrap_or((Timestamp(i64::MIN), Uuid::nil()));
        let sql = format!(
            "SELECT t.room_id, t.workspace_id, r.first, r.head, t.since FROM retention t JOIN rooms r ON r.id = t.room_id \
             WHERE t.stage = 'archived' AND t.since <= $1 AND (t.since, t.room_id) > ($2, $3) \
             ORDER BY t.since, t.room_id LIMIT {limit}"
        );
        let args = vec![before.into(), at.into(), id.into()];
        let rows = tx.query(&sql, args).await?;
        tx.commit().await?;
        Ok(rows
            .iter()
            .map(|r| (log_of(r), (Timestamp(r.int(4)), r.uuid(0))))
            .collect())
    }

    /// Logs of teams' and workspaces' rooms, by their ids.
    pub async fn shared_logs(&self, after: RoomId, limit: u64) -> Result<Vec<Log>, Error> {
        let sql = format!(
            "SELECT id, workspace_id, first, head FROM rooms WHERE type <> 'process' AND id > $1 ORDER BY id LIMIT {limit}"
        );
        let rows = self.query(&sql, vec![after.0.into()]).await?;
        Ok(rows.iter().map(log_of).collect())
    }

    /// The last event of a log that is older than so long; none where even its first is younger. Times grow along a log, so few are
    /// looked at.
    pub async fn older_than(&self, log: &Log, age: Duration) -> Result<Option<u64>, Error> {
        let mut tx = self.begin_read().await?;
        let before = ago(tx.now().await?, age);
        let (mut old, mut young) = (log.first.saturating_sub(1), log.head + 1);
        let sql = "SELECT at FROM events WHERE room_id = $1 AND seq = $2";
        // The first is asked first: mostly it is young, and that is all.
        let mut ask = log.first;
        while old + 1 < young {
            let args = vec![log.room.0.into(), ask.into()];
            let rows = tx.query(sql, args).await?;
            // What is gone is old.
            if rows.first().is_none_or(|r| Timestamp(r.int(0)) < before) {
                old = ask;
            } else {
                young = ask;
            }
            ask = old + (young - old) / 2;
        }
        tx.commit().await?;
        Ok((old >= log.first).then_some(old))
    }

    /// The oldest event of a room that a webhook has still to get.
    pub async fn oldest_unsent(&self, log: &Log) -> Result<Option<u64>, Error> {
        let sql = "SELECT MIN(o.seq) FROM webhooks w JOIN webhook_outbox o ON o.webhook_id = w.id \
                   WHERE w.workspace_id = $1 AND o.room_id = $2 AND o.status = 'pending'";
        let args = vec![log.workspace.as_str().into(), log.room.0.into()];
        let rows = self.query(sql, args).await?;
        Ok(rows.first().filter(|r| !r.is_null(0)).map(|r| r.count(0)))
    }

    /// The state that a log begins with: before its first event.
    pub async fn base(&self, room: RoomId, first: u64) -> Result<State, Error> {
        let mut tx = self.begin_read().await?;
        let state = base(&mut tx, room, first).await?;
        tx.commit().await?;
        Ok(state)
    }

    /// Removes the beginning of a log up to `until`, with the messages in it. `state` is what all up to there adds up to; it is kept in
    /// the same transaction. At most as many rows go as the caller has found between `log.first` and `until`.
    pub async fn cut(
        &self,
        log: &Log,
        until: u64,
        state: &State,
        archived: bool,
    ) -> Result<Cut, Error> {
        let mut tx = self.begin().await?;
        let room = || log.room.0.into();
        let sql = format!(
            "SELECT first, head FROM rooms WHERE id = $1{}",
            tx.for_update()
        );
        let rows = tx.query(&sql, vec![room()]).await?;
        let Some((first, head)) = rows.first().map(|r| (r.count(0), r.count(1))) else {
            return Ok(Cut::Moved);
        };
        if first != log.first || until < first || until > head || state.seq != until {
            return Ok(Cut::Moved);
        }
        if archived {
            let sql = "SELECT 1 FROM retention WHERE room_id = $1 AND stage = 'archived'";
            if tx.query(sql, vec![room()]).await?.is_empty() {
                return Ok(Cut::Moved);
            }
        }
        for table in ["messages", "events"] {
            let sql = format!("DELETE FROM {table} WHERE room_id = $1 AND seq <= $2");
            tx.execute(&sql, vec![room(), until.into()]).await?;
        }
        let sql = "UPDATE rooms SET first = $1 WHERE id = $2";
        tx.execute(sql, vec![(until + 1).into(), room()]).await?;
        let sql = "SELECT seq FROM snapshots WHERE room_id = $1";
        let newest = tx.query(sql, vec![room()]).await?;
        let newest = newest.first().map_or(0, |r| r.count(0));
        let row = vec![room(), until.into(), serde_json::to_string(state)?.into()];
        // Whoever loads the room begins with its newest snapshot, which must not lie before what is left.
        if newest <= until {
            tx.write(&SNAPSHOTS, vec![row]).await?;
            let sql = "DELETE FROM bases WHERE room_id = $1";
            tx.execute(sql, vec![room()]).await?;
        } else {
            tx.write(&BASES, vec![row]).await?;
        }
        if archived && until == head {
            let sql = "DELETE FROM retention WHERE room_id = $1";
            tx.execute(sql, vec![room()]).await?;
        }
        tx.commit().await?;
        Ok(Cut::Made)
    }

    /// Forgets idempotency records of before a time, at most so many; how many.
    pub async fn forget_keys(&self, before: Timestamp, limit: u64) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM idempotency WHERE (workspace_id, principal, key) IN \
             (SELECT workspace_id, principal, key FROM idempotency WHERE created_at < $1 ORDER BY created_at LIMIT {limit})"
        );
        let mut tx = self.begin().await?;
        let gone = tx.execute(&sql, vec![before.into()]).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Forgets what the audit of a workspace says of before a time, at most so many rows; how many.
    pub async fn forget_audit(
        &self,
        workspace: &WorkspaceId,
        before: Timestamp,
        limit: u64,
    ) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM audit WHERE (workspace_id, id) IN \
             (SELECT workspace_id, id FROM audit WHERE workspace_id = $1 AND id < $2 ORDER BY id LIMIT {limit})"
        );
        // Ids grow with time.
        let bound = rooms::ctx::uuid_v7(before, 0, 0);
        let mut tx = self.begin().await?;
        let args = vec![workspace.as_str().into(), bound.into()];
        let gone = tx.execute(&sql, args).await?;
        tx.commit().await?;
        Ok(gone)
    }
}

/// The state that a log begins with: before its first event.
pub(crate) async fn base(conn: &mut Conn, room: RoomId, first: u64) -> Result<State, Error> {
    if first <= 1 {
        return Ok(State::default());
    }
    let sql = "SELECT state FROM bases WHERE room_id = $1 AND seq = $2 \
               UNION ALL SELECT state FROM snapshots WHERE room_id = $1 AND seq = $2";
    let args = vec![room.0.into(), (first - 1).into()];
    let rows = conn.query(sql, args).await?;
    let row = rows.first().ok_or_else(|| {
        Error::Corrupt(format!(
            "the log of the room {room} begins at {first} and nothing says what was before"
        ))
    })?;
    Ok(serde_json::from_str(row.text(0))?)
}
