//! Logs of rooms as they are read: in pages, to be delivered, and to be folded.

use rooms::Timestamp;
use rooms::event::Event;
use rooms::id::{EventId, RoomId};
use uuid::Uuid;

use crate::db::{Error, Kind, PAGE_BYTES, Store, Value};
use crate::read::parse;

/// A page of a room's log.
#[derive(Debug)]
pub struct LogPage {
    /// Each as it was written: JSON.
    pub events: Vec<(u64, String)>,
    /// The oldest seq kept.
    pub first: u64,
    /// The newest seq.
    pub head: u64,
    /// Another one after a restore.
    pub log_id: Uuid,
    /// When something last happened.
    pub last_activity: Timestamp,
}

impl Store {
    /// A page of a log: after `since`, or the last ones before `before`; oldest first. It may be shorter than `limit` where the events are large, but never
    /// without a first one.
    pub async fn log(
        &self,
        room: RoomId,
        since: Option<u64>,
        before: Option<u64>,
        limit: u64,
    ) -> Result<Option<LogPage>, Error> {
        loop {
            let Some(page) = self.log_once(room, since, before, limit).await? else {
                return Ok(None);
            };
            let (from, until) = match since {
                Some(since) => (page.first.max(since + 1), page.head + 1),
                None => (page.first, before.unwrap_or(u64::MAX).min(page.head + 1)),
            };
            let there = until.saturating_sub(from).min(limit);
            // What was old may have gone between the two looks: then the log begins later than was said.
            if page.events.len() as u64 == there || self.first(room).await? == page.first {
                return Ok(Some(page));
            }
        }
    }

    async fn log_once(
        &self,
        room: RoomId,
        since: Option<u64>,
        before: Option<u64>,
        limit: u64,
    ) -> Result<Option<LogPage>, Error> {
        let rows = self
            .query(
                "SELECT head, first, log_id, last_activity FROM rooms WHERE id = $1",
                vec![room.0.into()],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (head, first, log_id) = (row.count(0), row.count(1), row.uuid(2));
        let mut events: Vec<(u64, String)> = if let Some(since) = since {
            let sql = format!(
                "SELECT seq, payload FROM events WHERE room_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT {limit}"
            );
            let args = vec![room.0.into(), since.into(), head.into()];
            self.query_some(&sql, args, PAGE_BYTES).await?
        } else {
            let before = before.unwrap_or(head + 1).min(head + 1);
            let sql = format!(
                "SELECT seq, payload FROM events WHERE room_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT {limit}"
            );
            let args = vec![room.0.into(), before.into()];
            self.query_some(&sql, args, PAGE_BYTES).await?
        }
        .into_iter()
        .map(|r| (r.count(0), r.text(1).to_owned()))
        .collect();
        if since.is_none() {
            events.reverse();
        }
        Ok(Some(LogPage {
            events,
            first,
            head,
            log_id,
            last_activity: Timestamp(row.int(3)),
        }))
    }

    /// The oldest seq of a room that is kept.
    pub async fn first(&self, room: RoomId) -> Result<u64, Error> {
        let sql = "SELECT first FROM rooms WHERE id = $1";
        let rows = self.query(sql, vec![room.0.into()]).await?;
        Ok(rows.first().map_or(1, |r| r.count(0)))
    }

    /// The newest seq of rooms.
    pub async fn heads(&self, rooms: &[RoomId]) -> Result<Vec<(RoomId, u64)>, Error> {
        let mut out = Vec::with_capacity(rooms.len());
        for part in rooms.chunks(1000) {
            let sql = format!(
                "SELECT id, head FROM rooms WHERE id {}",
                self.among(Kind::Uuid, 1)
            );
            let ids = part.iter().map(|r| r.0).collect();
            let rows = self.query(&sql, vec![Value::Uuids(ids)]).await?;
            out.extend(rows.iter().map(|r| (RoomId(r.uuid(0)), r.count(1))));
        }
        Ok(out)
    }

    /// Every event of a log, as it was written.
    pub async fn events_from(
        &self,
        room: RoomId,
        since: u64,
        limit: u64,
    ) -> Result<Vec<Event>, Error> {
        let sql = format!(
            "SELECT payload FROM events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT {limit}"
        );
        let rows = self.query(&sql, vec![room.0.into(), since.into()]).await?;
        rows.iter().map(|r| parse(r.text(0))).collect()
    }

    /// The events of a log as they go out: seq, type and text.
    pub async fn frames(
        &self,
        room: RoomId,
        since: u64,
        limit: u64,
    ) -> Result<Vec<(u64, String, String)>, Error> {
        let sql = format!(
            "SELECT seq, type, payload FROM events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT {limit}"
        );
        let rows = self.query(&sql, vec![room.0.into(), since.into()]).await?;
        Ok(rows
            .iter()
            .map(|r| (r.count(0), r.text(1).to_owned(), r.text(2).to_owned()))
            .collect())
    }

    /// Whether a transaction whose COMMIT got no answer took effect: whether its event is there once its locks are gone.
    pub async fn was_committed(
        &self,
        room: RoomId,
        seq: u64,
        event: EventId,
    ) -> Result<bool, Error> {
        let args = || vec![room.0.into(), seq.into()];
        let find = "SELECT id FROM events WHERE room_id = $1 AND seq = $2";
        // A room that the transaction made cannot be locked, so it is given a moment instead.
        for _ in 0..4 {
            let mut tx = self.begin().await?;
            let lock = format!("SELECT id FROM rooms WHERE id = $1{}", tx.for_update());
            let locked = !tx.query(&lock, vec![room.0.into()]).await?.is_empty();
            let found = tx.query(find, args()).await?;
            if let Some(row) = found.first() {
                return Ok(row.uuid(0) == event.0);
            }
            if locked {
                return Ok(false);
            }
            drop(tx);
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
        Ok(false)
    }
}
