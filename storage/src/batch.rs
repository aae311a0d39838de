//! What a batch writes, gathered: nearly all of it is rows of a few tables, which Postgres takes in one statement.
//!
//! A statement costs a round trip, and its planning and start cost about as much as a few rows; a batch touches up to a dozen tables. So
//! the parts of a batch become the common table expressions of one statement. All of these see the store as it was before the statement,
//! so no two of them may touch the same row; foreign keys are checked when all are done.
//!
//! A batch that stays in its rooms can do without a transaction around it, too: [`at_once`].

use std::collections::BTreeMap;

use rooms::Timestamp;
use rooms::decide::TimerOp;
use rooms::event::{CommunicationChange, CommunicationExpiry, Event, EventBody, MessageEdit};
use rooms::id::{AgentId, MessageId, RoomId, WorkspaceId};
use uuid::Uuid;

use crate::audit;
use crate::db::{Error, Kind, Part, Store, Table, Value, statement};
use crate::projection::{EVENTS, Projection};
use crate::retention::stage;
use crate::tx::{KEY_COLUMNS, SNAPSHOT_EVERY, WriteSet, key_row};

static TIMERS: Table = Table {
    name: "timers",
    columns: &[
        ("room_id", Kind::Uuid),
        ("key", Kind::Text),
        ("workspace_id", Kind::Text),
        ("due", Kind::Int),
        ("timer", Kind::Text),
    ],
    key: Some(&["room_id", "key"]),
    once: &[],
};
const TIMER_KEY: &[(&str, Kind)] = &[("room_id", Kind::Uuid), ("key", Kind::Text)];
const FIRED: &[(&str, Kind)] = &[TIMER_KEY[0], TIMER_KEY[1], ("due", Kind::Int)];
const CLEAR_FIRED: &str = "DELETE FROM timers WHERE (room_id, key) IN \
     (SELECT t.room_id, t.key FROM {rows} JOIN timers t ON t.room_id = v.room_id AND t.key = v.key AND t.due <= v.due)";
const CLEAR_TIMERS: &str =
    "DELETE FROM timers WHERE (room_id, key) IN (SELECT v.room_id, v.key FROM {rows})";

const HEADS: &[(&str, Kind)] = &[("id", Kind::Uuid), ("head", Kind::Int), ("at", Kind::Int)];
const MOVE_HEADS: &str =
    "UPDATE rooms SET head = v.head, last_activity = v.at FROM {rows} WHERE rooms.id = v.id";

const ANSWERS: &[(&str, Kind)] = &[
    KEY_COLUMNS[0],
    KEY_COLUMNS[1],
    KEY_COLUMNS[2],
    ("response", Kind::Text),
];
const KEEP_ANSWERS: &str = "UPDATE idempotency AS i SET response = v.response FROM {rows} \
     WHERE i.workspace_id = v.workspace_id AND i.principal = v.principal AND i.key = v.key";

const TAKEN: &[(&str, Kind)] = &[
    KEY_COLUMNS[0],
    KEY_COLUMNS[1],
    KEY_COLUMNS[2],
    ("hash", Kind::Text),
    ("response", Kind::Text),
    ("at", Kind::Int),
];
/// A key that was used before is left as it is, and nothing comes back for it.
const TAKE_ANSWERED: &str = "INSERT INTO idempotency (workspace_id, principal, key, hash, response, created_at) \
     SELECT * FROM {rows} ON CONFLICT DO NOTHING RETURNING key";

/// A batch as it is written.
pub(crate) struct Gathered<'a> {
    /// Teams whose members are written anew.
    pub(crate) teams: Vec<Uuid>,
    /// The rows, in the order of the foreign keys.
    pub(crate) parts: Vec<Part>,
    /// Answers for keys that are taken already.
    answers: Vec<Vec<Value>>,
    /// The rooms' new heads, but for rooms that are written whole.
    heads: BTreeMap<RoomId, (u64, Timestamp)>,
    /// The events' texts as the log has them.
    pub(crate) texts: Vec<String>,
    /// What needs to be read first, or comes seldom.
    pub(crate) edited: Vec<(&'a MessageEdit, Timestamp)>,
    pub(crate) taken_out: Vec<MessageId>,
    pub(crate) lapsed: Vec<&'a CommunicationExpiry>,
    pub(crate) answered: Vec<&'a CommunicationChange>,
    pub(crate) removed: Vec<(WorkspaceId, AgentId)>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(set: &'a WriteSet) -> Result<Self, Error> {
        let mut projection = Projection::default();
        for (before, after) in &set.rooms {
            let snapshot = after.seq / SNAPSHOT_EVERY > before.seq / SNAPSHOT_EVERY;
            projection.room(before, after, snapshot)?;
        }
        let mut all = Self {
            teams: Vec::new(),
            parts: Vec::new(),
            answers: Vec::new(),
            heads: BTreeMap::new(),
            texts: Vec::with_capacity(set.events.len()),
            edited: Vec::new(),
            taken_out: Vec::new(),
            lapsed: Vec::new(),
            answered: Vec::new(),
            removed: Vec::new(),
        };
        let mut events = Vec::with_capacity(set.events.len());
        for event in &set.events {
            all.heads.insert(event.room_id, (event.seq, event.at));
            projection.event(event)?;
            all.later(event);
            let text = serde_json::to_string(event)?;
            events.push(vec![
                event.room_id.0.into(),
                event.seq.into(),
                event.id.0.into(),
                event.body.name().as_ref().into(),
                event.at.into(),
                text.as_str().into(),
            ]);
            all.texts.push(text);
        }
        // A room that is written whole is not touched again.
        projection.move_heads(&mut all.heads);
        let (teams, rows) = projection.parts();
        all.teams = teams;
        all.parts = rows;
        all.parts.push(Part::Rows(&EVENTS, events));
        all.timers(set)?;
        let answers = set.answers.iter().map(|(key, response)| {
            let mut row = key_row(key);
            row.push(response.as_str().into());
            row
        });
        all.answers = answers.collect();
        if let Some((at, rows)) = &set.audit {
            all.parts.push(audit::part(rows, *at));
        }
        Ok(all)
    }

    fn later(&mut self, event: &'a Event) {
        match &event.body {
            EventBody::CommunicationResponded(c) => self.answered.push(c),
            EventBody::MessageEdited(c) => self.edited.push((c, event.at)),
            EventBody::MessageRemoved(c) => self.taken_out.push(c.id),
            EventBody::CommunicationExpired(c) => self.lapsed.push(c),
            EventBody::AgentRemoved(c) => self
                .removed
                .push((event.workspace_id.clone(), c.id.clone())),
            _ => {}
        }
    }

    /// Only the last word on a timer counts; one that fired is gone unless it was set again.
    fn timers(&mut self, set: &WriteSet) -> Result<(), Error> {
        let mut last: BTreeMap<(Uuid, String), Option<Vec<Value>>> = BTreeMap::new();
        for (room, workspace, op) in &set.timers {
            match op {
                TimerOp::Set { timer, due } => {
                    let key = timer.key();
                    let row = vec![
                        room.0.into(),
                        key.as_str().into(),
                        workspace.as_str().into(),
                        (*due).into(),
                        serde_json::to_string(timer)?.into(),
                    ];
                    last.insert((room.0, key), Some(row));
                }
                TimerOp::Clear { key } => {
                    last.insert((room.0, key.clone()), None);
                }
            }
        }
        let fired = set.fired.iter();
        let fired = fired.filter(|(room, key, _)| !last.contains_key(&(room.0, key.clone())));
        let fired = fired
            .map(|(room, key, due)| vec![room.0.into(), key.as_str().into(), (*due).into()])
            .collect();
        let mut rows = Vec::new();
        let mut cleared = Vec::new();
        for ((room, key), row) in last {
            match row {
                Some(row) => rows.push(row),
                None => cleared.push(vec![room.into(), key.into()]),
            }
        }
        self.parts.push(Part::Run(CLEAR_FIRED, FIRED, fired));
        self.parts.push(Part::Run(CLEAR_TIMERS, TIMER_KEY, cleared));
        self.parts.push(Part::Rows(&TIMERS, rows));
        Ok(())
    }

    /// The parts, and the heads of rooms that are locked.
    pub(crate) fn take_parts(&mut self) -> Vec<Part> {
        let heads = std::mem::take(&mut self.heads)
            .into_iter()
            .map(|(id, (seq, at))| vec![id.0.into(), seq.into(), at.into()]);
        let mut parts = std::mem::take(&mut self.parts);
        let answers = std::mem::take(&mut self.answers);
        parts.push(Part::Run(KEEP_ANSWERS, ANSWERS, answers));
        parts.push(Part::Run(MOVE_HEADS, HEADS, heads.collect()));
        parts
    }

    /// Whether the parts are all there is to it.
    fn is_whole(&self) -> bool {
        self.teams.is_empty()
            && self.edited.is_empty()
            && self.taken_out.is_empty()
            && self.lapsed.is_empty()
            && self.answered.is_empty()
            && self.removed.is_empty()
    }
}

/// A batch as one statement that takes effect only if nobody was quicker.
pub struct AtOnce {
    parts: Vec<Part>,
    rooms: u64,
    keys: usize,
    webhooks: i64,
    /// The events' texts as the log has them.
    pub texts: Vec<String>,
}

const FENCED_HEADS: &[(&str, Kind)] = &[
    ("id", Kind::Uuid),
    ("head", Kind::Int),
    ("at", Kind::Int),
    ("was", Kind::Int),
];
/// `$1` is the ids. Rooms are locked in the order of their ids, as everywhere, so that no two nodes wait for each other.
const LOCK: &str = "locked AS MATERIALIZED (SELECT id FROM rooms WHERE id = ANY($1::UUID[]) ORDER BY id FOR NO KEY UPDATE), ";
/// Where the room has moved on, nothing matches; a room whose clock is ahead is left to those who lock it first.
const MOVE_FENCED: &str = "UPDATE rooms SET head = v.head, last_activity = v.at FROM {rows} \
     WHERE rooms.id = v.id AND rooms.head = v.was AND rooms.last_activity <= v.at RETURNING rooms.id";
const MOVE_FENCED_LOCKED: &str = "UPDATE rooms SET head = v.head, last_activity = v.at FROM {rows} JOIN locked ON locked.id = v.id \
     WHERE rooms.id = v.id AND rooms.head = v.was AND rooms.last_activity <= v.at RETURNING rooms.id";
/// Keys are taken before rooms are locked, as everywhere.
const FENCE_KEYS: &str = "(SELECT COUNT(*) FROM p1) = {keys} AND ";
/// Fails, and with it the whole statement, unless every key is new, every room was where it was taken to be and the webhooks are those that were looked at.
const FENCE: &str = "1 / (CASE WHEN {keys}(SELECT COUNT(*) FROM p0) = {rooms} \
     AND (SELECT version FROM webhook_version WHERE id = 1) = {webhooks} THEN 1 ELSE 0 END)";

/// A batch for [`Store::run_at_once`], if it can be: on Postgres, what touches no more than events, the read model's rows and timers of rooms
/// that are there. `webhooks` is the version at which no webhook wants any of it.
///
/// The rooms need not be locked for it: `(room, seq)` is the log's key and the head must be the one before, so of two writers that decided on the
/// same state one fails, and decides again.
pub fn at_once(store: &Store, set: &WriteSet, webhooks: i64) -> Result<Option<AtOnce>, Error> {
    if store.kind() != "postgres"
        || !set.hooks.is_empty()
        || !set.reads.is_empty()
        || !set.fired.is_empty()
        // A process ended, or goes on: the table of those that did is written under lock.
        || set.rooms.iter().any(|(before, after)| stage(before) != stage(after))
    {
        return Ok(None);
    }
    let mut all = Gathered::new(set)?;
    // Each room once, and none that is written whole.
    if !all.is_whole() || all.heads.len() != set.rooms.len() {
        return Ok(None);
    }
    let mut heads = Vec::new();
    for (before, after) in &set.rooms {
        let id = before.room.as_ref().map(|room| room.id);
        let Some((id, (seq, at))) = id.and_then(|id| Some((id, all.heads.get(&id)?))) else {
            return Ok(None);
        };
        if *seq != after.seq {
            return Ok(None);
        }
        heads.push(vec![
            id.0.into(),
            (*seq).into(),
            (*at).into(),
            before.seq.into(),
        ]);
    }
    let rooms = heads.len() as u64;
    let moved = if rooms > 1 {
        MOVE_FENCED_LOCKED
    } else {
        MOVE_FENCED
    };
    let taken = set.answers.iter().map(|(key, response)| {
        let mut row = key_row(key);
        row.extend([key.hash.as_str().into(), response.as_str().into()]);
        row.push(set.events.first().map(|e| e.at).into());
        row
    });
    let mut parts = vec![
        Part::Run(moved, FENCED_HEADS, heads),
        Part::Run(TAKE_ANSWERED, TAKEN, taken.collect()),
    ];
    parts.append(&mut all.parts);
    Ok(Some(AtOnce {
        parts,
        rooms,
        keys: set.answers.len(),
        webhooks,
        texts: all.texts,
    }))
}

impl Store {
    /// Writes a batch and commits it. `None`: somebody was quicker, or it cannot be done so; nothing was written. Else the time, by the
    /// database's clock.
    pub async fn run_at_once(&self, batch: AtOnce) -> Result<Option<Timestamp>, Error> {
        let keys = match batch.keys {
            0 => String::new(),
            keys => FENCE_KEYS.replace("{keys}", &keys.to_string()),
        };
        let fence = FENCE
            .replace("{keys}", &keys)
            .replace("{rooms}", &batch.rooms.to_string())
            .replace("{webhooks}", &batch.webhooks.to_string());
        let tail =
            format!("SELECT {fence}, (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT");
        let lock = if batch.rooms > 1 { LOCK } else { "" };
        let Some((sql, args)) = statement(batch.parts, lock, &tail)? else {
            return Ok(None);
        };
        match self.query_prepared(&sql, args).await {
            Ok(rows) => Ok(rows.first().map(|row| Timestamp(row.int(1)))),
            Err(e) if e.is_locked() => Err(e),
            // It failed as a whole: whoever takes the locks finds out what is true.
            Err(Error::Sqlx(sqlx::Error::Database(e)))
                if e.code().is_some_and(|code| !code.starts_with("57P")) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}
