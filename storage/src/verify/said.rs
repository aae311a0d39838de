//! Messages and templates: rows that no state knows, each written from one event. They are compared a page of the log at a time; what a
//! message became by edits and removals is compared at the end of its room's log. So memory holds a few words of each message that was
//! ever changed in one room, and no text.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use rooms::Timestamp;
use rooms::event::{Event, EventBody};
use uuid::Uuid;

use super::read_model::same;
use super::{Check, RoomHead};
use crate::db::{Error, Kind, Row, Table, Value};
use crate::projection::{MESSAGES, TEMPLATES, message_row, template_row};

/// Changed messages are looked up so many at a time.
const PAGE: usize = 256;

/// Columns of a message that an event after the first may change.
const LATER: [&str; 2] = ["removed", "body"];

/// What a log has said that its state does not keep.
#[derive(Default)]
pub(super) struct Said {
    /// Rows of the page that is being read.
    messages: Vec<Vec<Value>>,
    templates: Vec<Vec<Value>>,
    /// Messages whose row is not as they were posted.
    differs: HashSet<Uuid>,
    /// What became of those that were changed.
    changed: HashMap<Uuid, Became>,
}

enum Became {
    Removed,
    Edited {
        body: u64,
        mentions: u64,
        at: Timestamp,
    },
}

fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl Said {
    /// An event was read.
    pub(super) fn see(&mut self, event: &Event) -> Result<(), Error> {
        if event.origin.is_some() {
            return Ok(());
        }
        match &event.body {
            EventBody::MessagePosted(message) => self.messages.push(message_row(event, message)),
            EventBody::TemplateCreated(template) => {
                self.templates.push(template_row(event, template)?);
            }
            EventBody::MessageEdited(edit) => {
                let became = Became::Edited {
                    body: digest(&edit.body),
                    mentions: digest(&edit.mentions),
                    at: event.at,
                };
                self.changed.insert(edit.id.0, became);
            }
            EventBody::MessageRemoved(removal) => {
                self.changed.insert(removal.id.0, Became::Removed);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Check {
    /// Compares what a page of a log has said with the rows of it.
    pub(super) async fn said(&mut self, room: &RoomHead, said: &mut Said) -> Result<(), Error> {
        let messages = std::mem::take(&mut said.messages);
        if !messages.is_empty() {
            let sql = format!(
                "SELECT {} FROM messages WHERE id {}",
                columns(&MESSAGES),
                self.conn.among(Kind::Uuid, 1)
            );
            let ids = messages.iter().filter_map(|row| id_of(row)).collect();
            let found = self.conn.query(&sql, vec![Value::Uuids(ids)]).await?;
            let found: HashMap<Uuid, &Row> = found.iter().map(|r| (r.uuid(0), r)).collect();
            self.counted.add("messages", found.len() as u64);
            self.report.rows += found.len() as u64;
            for wanted in &messages {
                let Some(id) = id_of(wanted) else { continue };
                let Some(row) = found.get(&id) else {
                    self.report
                        .wrong(format!("room {}: messages has no row {id}", room.id));
                    continue;
                };
                for (n, (column, _)) in MESSAGES.columns.iter().enumerate() {
                    if row.values()[n] == wanted[n] {
                        continue;
                    }
                    if LATER.contains(column) {
                        said.differs.insert(id);
                    } else {
                        self.report.wrong(format!(
                            "room {}: {column} of messages {id} is not what the log says",
                            room.id
                        ));
                    }
                }
            }
        }
        for wanted in std::mem::take(&mut said.templates) {
            let sql = format!(
                "SELECT {} FROM templates WHERE id = $1 AND version = $2",
                columns(&TEMPLATES)
            );
            let args = vec![wanted[0].clone(), wanted[1].clone()];
            let found = self.conn.query(&sql, args).await?;
            self.counted.add("templates", found.len() as u64);
            self.report.rows += found.len() as u64;
            let fits = |row: &Row| {
                let columns = TEMPLATES.columns.iter().enumerate();
                columns
                    .into_iter()
                    .all(|(n, (column, _))| same(column, &row.values()[n], &wanted[n]))
            };
            if !found.first().is_some_and(fits) {
                let id = id_of(&wanted).unwrap_or_default();
                self.report.wrong(format!(
                    "room {}: the row of the template {id} is not what the log says",
                    room.id
                ));
            }
        }
        Ok(())
    }

    /// Compares what became of the messages of a log that has been read to its end.
    pub(super) async fn became(&mut self, room: &RoomHead, said: Said) -> Result<(), Error> {
        for id in said
            .differs
            .iter()
            .filter(|id| !said.changed.contains_key(id))
        {
            self.report.wrong(format!(
                "room {}: the message {id} was posted as another, and nobody changed it",
                room.id
            ));
        }
        let changed: Vec<(Uuid, Became)> = said.changed.into_iter().collect();
        for part in changed.chunks(PAGE) {
            let sql = format!(
                "SELECT id, removed, body, mentions, edited_at FROM messages WHERE id {}",
                self.conn.among(Kind::Uuid, 1)
            );
            let ids = part.iter().map(|c| c.0).collect();
            let found = self.conn.query(&sql, vec![Value::Uuids(ids)]).await?;
            let found: HashMap<Uuid, &Row> = found.iter().map(|r| (r.uuid(0), r)).collect();
            for (id, became) in part {
                // One that was posted before the log begins went with the beginning.
                let Some(row) = found.get(id) else { continue };
                if !is(row, became) {
                    self.report.wrong(format!(
                        "room {}: the message {id} is not what the log made of it",
                        room.id
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether a message's row (removed, body, mentions, edited_at) is what became of it. Edits of old left no mark but the body.
fn is(row: &Row, became: &Became) -> bool {
    match became {
        Became::Removed => row.int(1) == 1 && row.text(2).is_empty(),
        Became::Edited { body, mentions, at } => {
            let said: Option<Vec<String>> = match row.is_null(3) {
                true => None,
                false => serde_json::from_str(row.text(3)).ok(),
            };
            row.int(1) == 0
                && digest(&row.text(2).to_owned()) == *body
                && (row.is_null(3) || said.is_some_and(|said| digest(&said) == *mentions))
                && (row.is_null(4) || row.int(4) == at.0)
        }
    }
}

fn columns(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|c| c.0).collect();
    names.join(", ")
}

fn id_of(row: &[Value]) -> Option<Uuid> {
    match row.first() {
        Some(Value::Uuid(id)) => Some(*id),
        _ => None,
    }
}
