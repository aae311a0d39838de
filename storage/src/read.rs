//! Reads of single resources, and how they are shown.

use std::collections::BTreeMap;

use rooms::Timestamp;
use rooms::id::{ProcessId, RoomId, StepId, WorkspaceId};
use rooms::model::access::{Principal, Workspace};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::db::{Error, Kind, PAGE_BYTES, Row, Store, Value};
use crate::list::Page;

/// What kind of thing an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A room.
    Room,
    /// A team.
    Team,
    /// A process.
    Process,
    /// A handoff.
    Handoff,
    /// An intervention.
    Intervention,
    /// A communication.
    Communication,
    /// An attempt.
    Attempt,
    /// An alert.
    Alert,
}

impl Thing {
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Room => "rooms",
            Self::Team => "teams",
            Self::Process => "processes",
            Self::Handoff => "handoffs",
            Self::Intervention => "interventions",
            Self::Communication => "communications",
            Self::Attempt => "attempts",
            Self::Alert => "alerts",
        }
    }

    /// What is read of it.
    pub(crate) fn columns(self) -> &'static str {
        match self {
            Self::Room => "data, id, head, first, log_id, last_activity",
            _ => "data, id",
        }
    }

    /// As an error names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Team => "team",
            Self::Process => "process",
            Self::Handoff => "handoff",
            Self::Intervention => "intervention",
            Self::Communication => "communication",
            Self::Attempt => "attempt",
            Self::Alert => "alert",
        }
    }
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    Ok(serde_json::from_str(text)?)
}

impl Store {
    /// The room that a thing of this workspace is decided in.
    pub async fn room_of(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<Option<RoomId>, Error> {
        let column = match thing {
            Thing::Room => "id",
            Thing::Team | Thing::Process => "room_id",
            // A process's room has the process's id.
            _ => "process_id",
        };
        let sql = format!(
            "SELECT {column} FROM {} WHERE id = $1 AND workspace_id = $2",
            thing.table()
        );
        let rows = self
            .query(&sql, vec![id.into(), workspace.as_str().into()])
            .await?;
        Ok(rows.first().map(|r| RoomId(r.uuid(0))))
    }

    /// One resource.
    pub async fn get(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        id: Uuid,
    ) -> Result<Option<Json>, Error> {
        let sql = format!(
            "SELECT {} FROM {} WHERE id = $1 AND workspace_id = $2",
            thing.columns(),
            thing.table()
        );
        let rows = self
            .query(&sql, vec![id.into(), workspace.as_str().into()])
            .await?;
        Ok(self.shown(thing, &rows).await?.items.into_iter().next())
    }

    /// Things as they are shown, from their [columns](Thing::columns), as many of the first as a page may have.
    pub(crate) async fn shown(&self, thing: Thing, rows: &[Row]) -> Result<Page, Error> {
        let mut items: Vec<Json> = rows
            .iter()
            .map(|r| parse(r.text(0)))
            .collect::<Result<_, _>>()?;
        match thing {
            Thing::Room => {
                for (item, row) in items.iter_mut().zip(rows) {
                    item["head"] = row.count(2).into();
                    item["first"] = row.count(3).into();
                    item["logId"] = json!(row.uuid(4));
                    item["lastActivity"] = json!(Timestamp(row.int(5)));
                }
                let ids: Vec<Uuid> = rows.iter().map(|r| r.uuid(1)).collect();
                self.fill_read_marks_of(&mut items, &ids).await?;
            }
            Thing::Process => return self.with_steps(items, rows).await,
            _ => {}
        }
        Ok(items.into())
    }

    /// Processes, newest first, with their steps: at least the first of them, and then as many as a page may have.
    async fn with_steps(&self, mut items: Vec<Json>, rows: &[Row]) -> Result<Page, Error> {
        let Some(first) = rows.first().map(|r| r.uuid(1)) else {
            return Ok(Page::default());
        };
        let sql = format!(
            "SELECT process_id, data FROM steps WHERE process_id {} ORDER BY process_id DESC, ordinal DESC",
            self.among(Kind::Uuid, 1)
        );
        let ids = rows.iter().map(|r| r.uuid(1)).collect();
        let mut size: usize = rows.iter().map(|r| r.text(0).len()).sum();
        let enough = |step: &Row| {
            size += step.text(1).len();
            size >= PAGE_BYTES && step.uuid(0) != first
        };
        let (steps, cut) = self
            .query_until(&sql, vec![Value::Uuids(ids)], enough)
            .await?;
        // Of the last one that was read there may be more.
        let half = steps.last().filter(|_| cut).map(|step| step.uuid(0));
        if let Some(whole) = rows.iter().position(|r| Some(r.uuid(1)) == half) {
            items.truncate(whole);
        }
        let mut of: BTreeMap<Uuid, Vec<Json>> = BTreeMap::new();
        for step in steps.iter().rev() {
            let own = of.entry(step.uuid(0)).or_default();
            own.push(parse(step.text(1))?);
        }
        for (item, row) in items.iter_mut().zip(rows) {
            item["steps"] = of.remove(&row.uuid(1)).unwrap_or_default().into();
        }
        Ok(Page { items, cut })
    }

    async fn fill_read_marks_of(&self, items: &mut [Json], rooms: &[Uuid]) -> Result<(), Error> {
        if rooms.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT room_id, kind, principal, seq FROM read_marks WHERE room_id {}",
            self.among(Kind::Uuid, 1)
        );
        let read = self.query(&sql, vec![Value::Uuids(rooms.to_vec())]).await?;
        for (item, room) in items.iter_mut().zip(rooms) {
            let Some(participants) = item.get_mut("participants").and_then(Json::as_array_mut)
            else {
                continue;
            };
            for mark in read.iter().filter(|m| m.uuid(0) == *room) {
                let kind = if mark.text(1) == "agent" {
                    "agent"
                } else {
                    "human"
                };
                for p in participants
                    .iter_mut()
                    .filter(|p| p["id"] == mark.text(2) && p["type"] == kind)
                {
                    p["lastReadSeq"] = mark.count(3).into();
                }
            }
        }
        Ok(())
    }

    /// How far somebody has read in each of these rooms, where that was said.
    pub async fn read_marks_of(
        &self,
        reader: &Principal,
        rooms: &[Uuid],
    ) -> Result<Vec<(Uuid, u64)>, Error> {
        let sql = format!(
            "SELECT room_id, seq FROM read_marks WHERE kind = $1 AND principal = $2 AND room_id {}",
            self.among(Kind::Uuid, 3)
        );
        let args = vec![
            reader.kind.as_str().into(),
            reader.id.as_str().into(),
            Value::Uuids(rooms.to_vec()),
        ];
        let rows = self.query(&sql, args).await?;
        Ok(rows.iter().map(|r| (r.uuid(0), r.count(1))).collect())
    }

    /// Workspaces, by id.
    pub async fn workspaces(&self) -> Result<Vec<Workspace>, Error> {
        let rows = self
            .query(
                "SELECT id, name, room_id, created_at FROM workspaces ORDER BY id",
                Vec::new(),
            )
            .await?;
        Ok(rows
            .iter()
            .map(|r| Workspace {
                id: r.text(0).into(),
                name: r.text(1).to_owned(),
                room_id: RoomId(r.uuid(2)),
                created_at: Timestamp(r.int(3)),
            })
            .collect())
    }

    /// How far the participants of a room have read, in the room as it is shown.
    pub async fn read_marks(&self, room: RoomId, item: &mut Json) -> Result<(), Error> {
        let none = item["participants"].as_array().is_none_or(Vec::is_empty);
        if none {
            return Ok(());
        }
        self.fill_read_marks_of(std::slice::from_mut(item), &[room.0])
            .await
    }

    /// The id of a step's process.
    pub async fn process_of_step(
        &self,
        workspace: &WorkspaceId,
        step: StepId,
    ) -> Result<Option<ProcessId>, Error> {
        let sql = "SELECT process_id FROM steps WHERE id = $1 AND workspace_id = $2";
        let rows = self
            .query(sql, vec![step.0.into(), workspace.as_str().into()])
            .await?;
        Ok(rows.first().map(|r| r.uuid(0).into()))
    }
}
