//! The search over the messages of a workspace: one [`Search`], and behind it the full text of each database.
//!
//! Both are made to find the same: words are parted by whatever is neither letter nor digit, case does not matter, accents do, and no
//! language's endings are cut off. What a user types never reaches a database as it is; see [`text`].

mod snippet;
mod text;

use rooms::event::{Event, EventBody};
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::room::{CollaborationRoom, Message};
use rooms::{Refusal, Timestamp};
use uuid::Uuid;

pub use self::snippet::Snippet;
pub use self::text::{MOST_CHARACTERS, Text};
use crate::db::{Error, Kind, Row, Store, Value};

/// What to look for in a workspace.
#[derive(Clone, Debug)]
pub struct Search {
    /// The words.
    pub text: Text,
    /// In this room.
    pub room: Option<RoomId>,
    /// The kind of the author: `user`, `agent` or `service`.
    pub author_kind: Option<String>,
    /// The author's id.
    pub author: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// After this place in the list.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: u64,
}

/// A place in what is found, newest first. Callers send it back as they got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What is found is ordered by: the time on Postgres; on SQLite the row, since whatever has one writer is in the order of its rows.
    by: i64,
    seq: i64,
    id: Uuid,
}

impl Place {
    /// As a caller gets it.
    pub fn encode(&self) -> String {
        format!("{}.{}.{}", self.by, self.seq, self.id.simple())
    }

    /// What a caller sent back.
    pub fn decode(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::field("cursor", "use the nextCursor of the page before");
        let mut parts = text.split('.');
        let mut next = || parts.next().ok_or_else(wrong);
        let number = |part: &str| part.parse::<i64>().map_err(|_| wrong());
        let (by, seq) = (number(next()?)?, number(next()?)?);
        let id = next()?.parse().map_err(|_| wrong())?;
        match parts.next() {
            None => Ok(Self { by, seq, id }),
            Some(_) => Err(wrong()),
        }
    }
}

/// A message that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Where in the list it stands.
    pub place: Place,
    /// In which room.
    pub room: RoomId,
    /// Where in the room.
    pub seq: u64,
    /// When it was posted.
    pub at: Timestamp,
    /// When its text was last changed.
    pub edited_at: Option<Timestamp>,
    /// As it stands now.
    pub message: Message,
}

impl Store {
    /// Messages that hold all that is looked for, newest first. Removed ones are never among them, edited ones by what they say now.
    pub async fn search(&self, space: &WorkspaceId, search: &Search) -> Result<Vec<Hit>, Error> {
        // SQLite walks the matches from the newest row back, and stops at the page's end.
        let (text, by, from, words, order, beyond) = match self {
            Self::Sqlite(_) => (
                search.text.for_sqlite(),
                "message_words.rowid",
                "message_words JOIN messages m ON m.rowid = message_words.rowid",
                "message_words MATCH $1",
                "message_words.rowid DESC",
                "message_words.rowid < ?",
            ),
            Self::Postgres(_) => (
                search.text.for_postgres(),
                "m.at",
                "messages m",
                "m.words @@ to_tsquery('simple', $1)",
                "m.at DESC, m.seq DESC, m.id DESC",
                "(m.at, m.seq, m.id) < (?, ?, ?)",
            ),
        };
        let mut args: Vec<Value> = vec![text.into(), space.as_str().into()];
        let mut clauses = String::new();
        let mut clause = |text: &str, values: Vec<Value>| {
            let mut text = text.to_owned();
            for value in values {
                args.push(value);
                text = text.replacen('?', &format!("${}", args.len()), 1);
            }
            clauses.push_str(" AND ");
            clauses.push_str(&text);
        };
        if let Some(room) = search.room {
            clause("m.room_id = ?", vec![room.0.into()]);
        }
        if let Some(kind) = &search.author_kind {
            clause("m.author_kind = ?", vec![kind.as_str().into()]);
        }
        if let Some(author) = &search.author {
            clause("m.author = ?", vec![author.as_str().into()]);
        }
        if let Some(at) = search.since {
            clause("m.at >= ?", vec![at.into()]);
        }
        if let Some(at) = search.until {
            clause("m.at < ?", vec![at.into()]);
        }
        if let Some(Place { by, seq, id }) = search.after {
            let mut place = vec![by.into(), seq.into(), id.into()];
            place.truncate(beyond.matches('?').count());
            clause(beyond, place);
        }
        let sql = format!(
            "SELECT m.id, m.room_id, m.seq, m.at, m.body, m.mentions, m.edited_at, e.payload, {by} \
             FROM {from} JOIN events e ON e.room_id = m.room_id AND e.seq = m.seq WHERE {words} AND m.workspace_id = $2 AND m.removed = 0{clauses} \
             ORDER BY {order} LIMIT {}",
            search.limit.max(1)
        );
        let rows = self.query_list(&sql, args).await?;
        let mut hits = Vec::with_capacity(rows.len());
        for row in rows {
            let message = as_it_stands(row.text(7), row.text(4), mentions_in(&row, 5))?;
            hits.push(Hit {
                place: Place {
                    by: row.int(8),
                    seq: row.int(2),
                    id: row.uuid(0),
                },
                room: RoomId(row.uuid(1)),
                seq: row.count(2),
                at: Timestamp(row.int(3)),
                edited_at: (!row.is_null(6)).then(|| Timestamp(row.int(6))),
                message,
            });
        }
        Ok(hits)
    }

    /// A message of a room as it stands now; none where it was removed.
    pub async fn message(&self, room: RoomId, id: Uuid) -> Result<Option<Message>, Error> {
        let sql = "SELECT e.payload, m.body, m.mentions FROM messages m JOIN events e ON e.room_id = m.room_id AND e.seq = m.seq \
                   WHERE m.id = $1 AND m.room_id = $2 AND m.removed = 0";
        let rows = self.query(sql, vec![id.into(), room.0.into()]).await?;
        rows.first()
            .map(|row| as_it_stands(row.text(0), row.text(1), mentions_in(row, 2)))
            .transpose()
    }

    /// Rooms of a workspace by their ids, as their logs have them.
    pub async fn rooms_by_id(
        &self,
        space: &WorkspaceId,
        rooms: &[RoomId],
    ) -> Result<Vec<CollaborationRoom>, Error> {
        let sql = format!(
            "SELECT data FROM rooms WHERE workspace_id = $1 AND id {}",
            self.among(Kind::Uuid, 2)
        );
        let ids = rooms.iter().map(|r| r.0).collect();
        let rows = self
            .query(&sql, vec![space.as_str().into(), Value::Uuids(ids)])
            .await?;
        rows.iter()
            .map(|r| Ok(serde_json::from_str(r.text(0))?))
            .collect()
    }
}

/// The mentions that an edit has left.
fn mentions_in(row: &Row, column: usize) -> Option<&str> {
    (!row.is_null(column)).then(|| row.text(column))
}

/// A message from the event that posted it, with what it says now.
fn as_it_stands(posted: &str, body: &str, mentions: Option<&str>) -> Result<Message, Error> {
    let event: Event = serde_json::from_str(posted)?;
    let EventBody::MessagePosted(mut message) = event.body else {
        return Err(Error::Corrupt(format!(
            "no message is at seq {} of the room {}, where one was posted",
            event.seq, event.room_id
        )));
    };
    body.clone_into(&mut message.body);
    if let Some(mentions) = mentions {
        message.mentions = serde_json::from_str(mentions)?;
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_way_to_a_caller_and_back() {
        let place = Place {
            by: 1_700_000_000_000_001,
            seq: 12,
            id: Uuid::from_u128(7),
        };
        assert_eq!(Place::decode(&place.encode()), Ok(place.clone()));
        let whole = place.encode();
        for wrong in ["", "x", "1", "1.2", "1.2.3", &format!("{whole}.4")] {
            assert!(Place::decode(wrong).is_err(), "{wrong:?}");
        }
    }
}
