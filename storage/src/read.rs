//! Reads: single resources for REST, logs for delivery, and what the dispatcher and the timers look for.

use rooms::Timestamp;
use rooms::command::Timer;
use rooms::event::Event;
use rooms::id::{AgentId, AttemptId, EventId, InstanceId, ProcessId, RoomId, StepId, WorkspaceId};
use rooms::model::access::{Principal, Workspace};
use rooms::model::handoff::AgentHandoff;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::db::{Error, Kind, Row, Store, Value};

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

pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    Ok(serde_json::from_str(text)?)
}

/// A timer that is due.
#[derive(Clone, Debug)]
pub struct DueTimer {
    /// Whose it is.
    pub room: RoomId,
    /// Where that is.
    pub workspace: WorkspaceId,
    /// What it is for.
    pub timer: Timer,
    /// Since when.
    pub due: Timestamp,
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
        Ok(self.shown(thing, &rows).await?.into_iter().next())
    }

    /// Things as they are shown, from their [columns](Thing::columns).
    pub(crate) async fn shown(&self, thing: Thing, rows: &[Row]) -> Result<Vec<Json>, Error> {
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
            Thing::Process => self.fill_steps(&mut items, rows).await?,
            _ => {}
        }
        Ok(items)
    }

    async fn fill_steps(&self, items: &mut [Json], rows: &[Row]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT process_id, data FROM steps WHERE process_id {} ORDER BY process_id, ordinal",
            self.among(Kind::Uuid, 1)
        );
        let ids = rows.iter().map(|r| r.uuid(1)).collect();
        let steps = self.query(&sql, vec![Value::Uuids(ids)]).await?;
        for (item, row) in items.iter_mut().zip(rows) {
            let own = steps.iter().filter(|s| s.uuid(0) == row.uuid(1));
            item["steps"] = Json::Array(own.map(|s| parse(s.text(1))).collect::<Result<_, _>>()?);
        }
        Ok(())
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

    /// Agents of a workspace that are not removed, by id.
    pub async fn agents(
        &self,
        workspace: &WorkspaceId,
        after: &str,
        limit: u64,
    ) -> Result<Vec<Json>, Error> {
        let sql = format!(
            "SELECT data FROM agents WHERE workspace_id = $1 AND archived = 0 AND id > $2 ORDER BY id LIMIT {limit}"
        );
        let rows = self
            .query_list(&sql, vec![workspace.as_str().into(), after.into()])
            .await?;
        rows.iter().map(|r| parse(r.text(0))).collect()
    }

    /// One agent that is not removed.
    pub async fn agent(
        &self,
        workspace: &WorkspaceId,
        id: &AgentId,
    ) -> Result<Option<Json>, Error> {
        let sql = "SELECT data FROM agents WHERE workspace_id = $1 AND id = $2 AND archived = 0";
        let rows = self
            .query(sql, vec![workspace.as_str().into(), id.as_str().into()])
            .await?;
        rows.first().map(|r| parse(r.text(0))).transpose()
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

    /// A page of a log: after `since`, or the last ones before `before`; oldest first.
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
            self.query(&sql, vec![room.0.into(), since.into(), head.into()]).await?
        } else {
            let before = before.unwrap_or(head + 1).min(head + 1);
            let sql = format!(
                "SELECT seq, payload FROM events WHERE room_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT {limit}"
            );
            self.query(&sql, vec![room.0.into(), before.into()]).await?
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

    /// How far the participants of a room have read, in the room as it is shown.
    pub async fn read_marks(&self, room: RoomId, item: &mut Json) -> Result<(), Error> {
        let none = item["participants"].as_array().is_none_or(Vec::is_empty);
        if none {
            return Ok(());
        }
        self.fill_read_marks_of(std::slice::from_mut(item), &[room.0])
            .await
    }

    /// Live attempts of an agent: process, attempt, instance.
    pub async fn live_attempts(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
    ) -> Result<Vec<(ProcessId, AttemptId, Option<InstanceId>)>, Error> {
        let sql = "SELECT process_id, id, instance_id FROM attempts WHERE workspace_id = $1 AND agent_id = $2 AND live = 1 ORDER BY id";
        let rows = self
            .query(sql, vec![workspace.as_str().into(), agent.as_str().into()])
            .await?;
        Ok(rows
            .iter()
            .map(|r| {
                (
                    r.uuid(0).into(),
                    r.uuid(1).into(),
                    (!r.is_null(2)).then(|| r.text(2).into()),
                )
            })
            .collect())
    }

    /// Answers that no attempt of the agent has gone on with yet, and questions that nobody answered in time.
    pub async fn unused_answers(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
    ) -> Result<Vec<(AttemptId, Json)>, Error> {
        let sql = "SELECT a.id, i.data FROM attempts a JOIN interventions i ON i.step_id = a.step_id \
                   WHERE a.workspace_id = $1 AND a.agent_id = $2 AND a.live = 1 AND a.status = 'leased' \
                   AND i.status IN ('completed', 'expired') AND i.used = 0 ORDER BY i.id";
        let rows = self
            .query(sql, vec![workspace.as_str().into(), agent.as_str().into()])
            .await?;
        rows.iter()
            .map(|r| Ok((r.uuid(0).into(), parse(r.text(1))?)))
            .collect()
    }

    /// Handoffs that wait for the agent, the most urgent and oldest first.
    pub async fn pending_handoffs(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
    ) -> Result<Vec<AgentHandoff>, Error> {
        let sql = "SELECT data FROM handoffs WHERE workspace_id = $1 AND status = 'pending' AND to_agents LIKE $2 ORDER BY id";
        let rows = self
            .query(
                sql,
                vec![workspace.as_str().into(), format!("%,{agent},%").into()],
            )
            .await?;
        let found: Result<Vec<AgentHandoff>, Error> =
            rows.iter().map(|r| parse(r.text(0))).collect();
        let mut found = found?;
        // `_` is a letter of ids, and anything to LIKE.
        found.retain(|h| h.asks(agent));
        found.sort_by_key(|h| std::cmp::Reverse(h.priority.rank()));
        Ok(found)
    }

    /// Messages to the agent whose response is awaited.
    pub async fn open_communications(
        &self,
        workspace: &WorkspaceId,
        agent: &AgentId,
    ) -> Result<Vec<Json>, Error> {
        let sql = "SELECT data FROM communications WHERE workspace_id = $1 AND open = 1 AND to_agent = $2 ORDER BY id";
        let rows = self
            .query(sql, vec![workspace.as_str().into(), agent.as_str().into()])
            .await?;
        rows.iter().map(|r| parse(r.text(0))).collect()
    }

    /// Now, by the database's clock.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Timers that are due by the database's clock, the oldest first: at most so many of attempts that somebody holds, due after this, and at most so
    /// many others.
    pub async fn due_timers(
        &self,
        held_after: Timestamp,
        limit: u64,
    ) -> Result<Vec<DueTimer>, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        let held = "(key LIKE 'lease:%' OR key LIKE 'offer:%')";
        let of = |clause: &str| {
            format!(
                "SELECT * FROM (SELECT room_id, workspace_id, timer, due FROM timers WHERE due <= $1 AND {clause} ORDER BY due LIMIT {limit})"
            )
        };
        let sql = format!(
            "{} AS rest UNION ALL {} AS held",
            of(&format!("NOT {held}")),
            of(&format!("due > $2 AND {held}"))
        );
        let rows = tx.query(&sql, vec![now.into(), held_after.into()]).await?;
        tx.commit().await?;
        rows.iter()
            .map(|r| {
                Ok(DueTimer {
                    room: RoomId(r.uuid(0)),
                    workspace: r.text(1).into(),
                    timer: parse(r.text(2))?,
                    due: Timestamp(r.int(3)),
                })
            })
            .collect()
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
