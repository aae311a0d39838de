//! Echoes: what the workspace's room must hear of is there, once, in order, and nothing else is.
//!
//! A workspace's room may have as many events as all the others together. So its echoes are not kept: each room's are summed up in
//! a few numbers, and compared with the sum over that room's own log. Only where the two differ are both read again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rooms::Timestamp;
use rooms::event::{Event, Origin};
use rooms::id::{RoomId, WorkspaceId};

use super::log::Folded;
use super::{Check, Report, RoomHead};
use crate::db::Error;

/// Events of one room, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    count: u64,
    sum: u64,
}

impl Digest {
    /// Takes in the event that has this place in its first room.
    pub(super) fn add(&mut self, seq: u64, event: &Event) {
        let mut hasher = DefaultHasher::new();
        (seq, event.body.name().as_ref(), event.at.0).hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// Echoes so long after the oldest that is kept may have come after it, though they happened before: they are not compared.
const BLUR: u64 = 60_000;

/// What was heard so far.
#[derive(Default)]
pub(super) struct Echoes {
    main_rooms: HashMap<WorkspaceId, RoomId>,
    /// From when on a workspace's room has all echoes, where it no longer has all there ever were.
    since: HashMap<WorkspaceId, Timestamp>,
    /// The oldest seq of rooms that no longer have all their events.
    firsts: HashMap<RoomId, u64>,
    by_origin: HashMap<RoomId, (Digest, u64)>,
}

impl Echoes {
    /// Names a workspace's own room.
    pub(super) fn main_room(&mut self, space: &str, room: RoomId) {
        self.main_rooms.insert(space.into(), room);
    }

    /// Says that a room has events from this one on only.
    pub(super) fn begins_at(&mut self, room: RoomId, first: u64) {
        self.firsts.insert(room, first);
    }

    /// Says that a room has events from this time on only.
    pub(super) fn begins(&mut self, room: &RoomHead, at: Timestamp) {
        if self.main_rooms.get(&room.space) == Some(&room.id) {
            self.since.insert(room.space.clone(), at.plus_ms(BLUR));
        }
    }

    /// Whether the workspace's room still has the echo of what happened then.
    pub(super) fn can_be_compared(&self, space: &WorkspaceId, at: Timestamp) -> bool {
        self.since.get(space).is_none_or(|since| at > *since)
    }

    /// An echo was read.
    pub(super) fn heard(
        &mut self,
        room: &RoomHead,
        echo: &Event,
        origin: &Origin,
        report: &mut Report,
    ) {
        let place = format!("room {} at seq {}", room.id, echo.seq);
        if self.main_rooms.get(&room.space) != Some(&room.id) {
            report.wrong(format!("{place}: an echo in a room that hears of no other"));
        }
        if !echo.body.is_echoed() {
            report.wrong(format!(
                "{place}: an echo of {}, which is not echoed",
                echo.body.name()
            ));
        }
        let (digest, last) = self.by_origin.entry(origin.room_id).or_default();
        if origin.seq <= *last {
            report.wrong(format!(
                "{place}: the echo of {} of the room {} comes after that of {last}",
                origin.seq, origin.room_id
            ));
        }
        *last = origin.seq;
        let kept = self.firsts.get(&origin.room_id);
        let there = kept.is_none_or(|first| origin.seq >= *first);
        let recent = self
            .since
            .get(&room.space)
            .is_none_or(|since| echo.at > *since);
        if there && recent {
            digest.add(origin.seq, echo);
        }
    }
}

impl Check {
    /// Compares what a room has to be heard of with what was heard of it.
    pub(super) async fn heard(&mut self, room: &RoomHead, folded: &Folded) -> Result<(), Error> {
        let (heard, _) = self.echoes.by_origin.remove(&room.id).unwrap_or_default();
        if heard == folded.to_echo {
            return Ok(());
        }
        let Some(main) = self.echoes.main_rooms.get(&room.space).copied() else {
            return Ok(());
        };
        let mut expected = HashMap::new();
        let mut after = room.first.saturating_sub(1);
        loop {
            let rows = self.page(room, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.count(0);
            for row in &rows {
                if let Ok(event) = serde_json::from_str::<Event>(row.text(4))
                    && event.origin.is_none()
                    && event.body.is_echoed()
                {
                    expected.insert(event.seq, (event.body.name().into_owned(), event.at));
                }
            }
        }
        let Some(main) = self.room_head(main).await? else {
            return Ok(());
        };
        let mut after = main.first.saturating_sub(1);
        loop {
            let rows = self.page(&main, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.count(0);
            for row in &rows {
                let Ok(echo) = serde_json::from_str::<Event>(row.text(4)) else {
                    continue;
                };
                let Some(origin) = echo.origin.as_ref().filter(|o| o.room_id == room.id) else {
                    continue;
                };
                // What one of the two no longer keeps cannot be compared.
                if origin.seq < room.first || !self.echoes.can_be_compared(&room.space, echo.at) {
                    continue;
                }
                let echoed = (echo.body.name().into_owned(), echo.at);
                match expected.remove(&origin.seq) {
                    Some(first) if first == echoed => {}
                    Some(_) => self.report.wrong(format!(
                        "room {}: the echo {} of its event {} says another thing",
                        room.id, echo.seq, origin.seq
                    )),
                    None => self.report.wrong(format!(
                        "room {}: the echo {} names its event {}, which is none that is echoed, or was before",
                        room.id, echo.seq, origin.seq
                    )),
                }
            }
        }
        for (seq, (name, at)) in expected {
            if self.echoes.can_be_compared(&room.space, at) {
                self.report.wrong(format!(
                    "room {}: the workspace's room never heard of {name} at seq {seq}",
                    room.id
                ));
            }
        }
        Ok(())
    }

    async fn room_head(&mut self, id: RoomId) -> Result<Option<RoomHead>, Error> {
        let sql = "SELECT id, workspace_id, type, head, first FROM rooms WHERE id = $1";
        let rows = self.conn.query(sql, vec![id.0.into()]).await?;
        Ok(rows.first().map(|r| RoomHead {
            id,
            space: r.text(1).into(),
            kind: r.text(2).to_owned(),
            head: r.count(3),
            first: r.count(4),
        }))
    }
}
