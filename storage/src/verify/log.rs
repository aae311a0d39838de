//! A room's log: gapless, each row true to its payload, and what it adds up to.

use std::collections::BTreeMap;

use rooms::event::{Event, EventBody};
use rooms::id::CommunicationId;
use rooms::invariants::Witness;
use rooms::model::communication::AgentCommunication;
use rooms::{State, Timestamp};

use super::echoes::Digest;
use super::said::Said;
use super::{Check, RoomHead};
use crate::db::{Error, Row};

/// Events are read so many at a time: each may have a megabyte.
const PAGE: u64 = 256;

/// What a log adds up to.
pub(super) struct Folded {
    pub(super) state: State,
    /// The communications of a process; its state keeps only the open ones.
    pub(super) communications: BTreeMap<CommunicationId, AgentCommunication>,
    /// What the workspace's room must have heard.
    pub(super) to_echo: Digest,
    snapshot_seen: bool,
}

/// A snapshot as it is stored.
struct Snapshot {
    seq: u64,
    state: Option<State>,
}

impl Check {
    pub(super) async fn page(&mut self, room: &RoomHead, after: u64) -> Result<Vec<Row>, Error> {
        let sql = format!(
            "SELECT seq, id, type, at, payload FROM events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT {PAGE}"
        );
        self.conn
            .query(&sql, vec![room.id.0.into(), after.into()])
            .await
    }

    /// What a log begins with whose beginning is no longer kept.
    async fn base(
        &mut self,
        room: &RoomHead,
        snapshot: Option<&Snapshot>,
    ) -> Result<Option<State>, Error> {
        let sql = "SELECT seq, state FROM bases WHERE room_id = $1";
        let rows = self.conn.query(sql, vec![room.id.0.into()]).await?;
        let before = room.first.saturating_sub(1);
        if let Some(row) = rows.first().filter(|r| r.count(0) != before) {
            self.report.wrong(format!(
                "room {}: its log begins at {}, and what it begins with is of seq {}",
                room.id,
                room.first,
                row.count(0)
            ));
        }
        if room.first <= 1 {
            return Ok(None);
        }
        let sql = "SELECT COUNT(*) FROM events WHERE room_id = $1 AND seq <= $2";
        let args = vec![room.id.0.into(), before.into()];
        let rest = self.conn.query(sql, args).await?;
        if rest.first().is_some_and(|r| r.count(0) > 0) {
            self.report.wrong(format!(
                "room {}: it has events from before its first, {}",
                room.id, room.first
            ));
        }
        let kept = rows.first().filter(|r| r.count(0) == before);
        let state: Option<State> = match kept {
            Some(row) => serde_json::from_str(row.text(1)).ok(),
            None => snapshot
                .filter(|s| s.seq == before)
                .and_then(|s| s.state.clone()),
        };
        if state.as_ref().is_none_or(|s| s.seq != before) {
            self.report.wrong(format!(
                "room {}: its log begins at {} and nothing that can be read says what was before",
                room.id, room.first
            ));
        }
        let mut state = state.unwrap_or_default();
        state.seq = before;
        Ok(Some(state))
    }

    /// Folds a room's log from its beginning, or from what it begins with where that is no longer kept.
    pub(super) async fn fold(&mut self, room: &RoomHead) -> Result<Folded, Error> {
        let snapshot = self.snapshot(room).await?;
        let mut folded = Folded {
            state: State::default(),
            communications: BTreeMap::new(),
            to_echo: Digest::default(),
            snapshot_seen: false,
        };
        let mut witness = Witness::default();
        let mut said = Said::default();
        match self.base(room, snapshot.as_ref()).await? {
            None => {}
            Some(base) => {
                if let Some(process) = &base.process {
                    let open = process.open_communications.iter();
                    folded.communications = open.map(|(id, c)| (*id, (**c).clone())).collect();
                }
                folded.snapshot_seen = snapshot.as_ref().is_some_and(|s| s.seq == base.seq);
                folded.state = base;
            }
        }
        let mut place = folded.state.seq;
        let mut last: Option<Timestamp> = None;
        loop {
            let rows = self.page(room, place).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                self.report.events += 1;
                place = row.count(0);
                let Some(event) = self.event(room, row) else {
                    // What cannot be read has no effect; that it is missing is told with the next one.
                    continue;
                };
                // An echo has the time of the event that it repeats.
                if event.origin.is_none() {
                    if let Some(last) =
                        last.filter(|last| event.at.no_earlier_than(*last) != event.at)
                    {
                        self.report.wrong(format!(
                            "room {} at seq {}: it happened before what came before it, at {last}",
                            room.id, event.seq
                        ));
                    }
                    last = Some(event.at);
                }
                for what in witness.see(&folded.state, &event) {
                    self.report
                        .wrong(format!("room {} at seq {}: {what}", room.id, event.seq));
                }
                said.see(&event)?;
                self.take(room, &mut folded, &event);
                if let Some(snapshot) = snapshot.as_ref().filter(|s| s.seq == event.seq) {
                    folded.snapshot_seen = true;
                    if snapshot.state.as_ref() != Some(&folded.state) {
                        self.report.wrong(format!(
                            "room {}: the snapshot at seq {} is not what the log adds up to",
                            room.id, event.seq
                        ));
                    }
                }
            }
            self.said(room, &mut said).await?;
        }
        self.became(room, said).await?;
        if place != room.head {
            self.report.wrong(format!(
                "room {}: the head is {}, the log ends at {place}",
                room.id, room.head
            ));
        }
        if let Some(snapshot) = snapshot.filter(|_| !folded.snapshot_seen) {
            self.report.wrong(format!(
                "room {}: a snapshot is of seq {}, which the log does not have",
                room.id, snapshot.seq
            ));
        }
        Ok(folded)
    }

    fn take(&mut self, room: &RoomHead, folded: &mut Folded, event: &Event) {
        match (&event.body, &event.origin) {
            (_, Some(origin)) => {
                self.echoes.heard(room, event, origin, &mut self.report);
            }
            (EventBody::CommunicationSent(sent), None) => {
                folded.communications.insert(sent.id, sent.clone());
            }
            (EventBody::CommunicationExpired(change), None) => {
                if let Some(sent) = folded.communications.get_mut(&change.id) {
                    sent.expired = true;
                }
            }
            (EventBody::CommunicationResponded(change), None) => {
                if let Some(sent) = folded.communications.get_mut(&change.id) {
                    sent.response = Some(change.response.clone());
                }
            }
            (_, None) => self.registry.see(event),
        }
        if event.origin.is_none()
            && event.body.is_echoed()
            && self.echoes.can_be_compared(&room.space, event.at)
        {
            folded.to_echo.add(event.seq, event);
        }
        folded.state.apply(event);
    }

    /// The event of a row, when it can be read; tells where the row says another thing.
    fn event(&mut self, room: &RoomHead, row: &Row) -> Option<Event> {
        let seq = row.count(0);
        let event: Event = match serde_json::from_str(row.text(4)) {
            Ok(event) => event,
            Err(e) => {
                self.report.wrong(format!(
                    "room {}: the event {seq} cannot be read: {e}",
                    room.id
                ));
                return None;
            }
        };
        let same = [
            ("seq", event.seq == seq),
            ("id", event.id.0 == row.uuid(1)),
            ("type", event.body.name() == row.text(2)),
            ("at", event.at.0 == row.int(3)),
            ("roomId", event.room_id == room.id),
            ("workspaceId", event.workspace_id == room.space),
        ];
        for (field, _) in same.iter().filter(|s| !s.1) {
            self.report.wrong(format!(
                "room {}: the event {seq} says another {field} than its row",
                room.id
            ));
        }
        Some(event)
    }

    async fn snapshot(&mut self, room: &RoomHead) -> Result<Option<Snapshot>, Error> {
        let sql = "SELECT seq, state FROM snapshots WHERE room_id = $1";
        let rows = self.conn.query(sql, vec![room.id.0.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let state = serde_json::from_str(row.text(1)).ok();
        if state.is_none() {
            self.report
                .wrong(format!("room {}: its snapshot cannot be read", room.id));
        }
        Ok(Some(Snapshot {
            seq: row.count(0),
            state,
        }))
    }
}
