//! Reads: lists and single resources for REST, logs for delivery, and what the dispatcher and the timers look for.

use rooms::Timestamp;
use rooms::command::Timer;
use rooms::event::Event;
use rooms::id::{AgentId, AttemptId, EventId, InstanceId, ProcessId, RoomId, StepId, WorkspaceId};
use rooms::model::access::{Principal, Workspace};
use rooms::model::handoff::AgentHandoff;
use rooms::model::room::RoomType;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::db::{Error, Kind, Row, Store, Value};
use crate::names::{self, Args};

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

/// What to list: equality filters on columns, and a page.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `column = value`.
    pub equals: Vec<(&'static str, Value)>,
    /// `name` contains this, whatever the case.
    pub search: Option<String>,
    /// Of interventions: this person is to answer.
    pub assignee: Option<String>,
    /// Of interventions: whether they are open and were due before this.
    pub overdue: Option<(bool, Timestamp)>,
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

impl Filter {
    /// What must hold of a row, the search aside; the workspace is the first argument.
    pub(crate) fn clauses(&self, args: &mut Args) -> String {
        let mut clauses = self.plain(args);
        if let Some(person) = &self.assignee {
            // The inbox is read from the cursor on as well, or Postgres may walk to it from its beginning.
            let inbox = self.inbox(person, args);
            clauses.push(format!("id IN ({inbox})"));
        }
        match self.overdue {
            // Asked for apart, so that those that are due are found by when, however few or many of all they are.
            Some((true, at)) => clauses.push(format!(
                "id IN (SELECT id FROM interventions WHERE workspace_id = $1 AND {})",
                due("due_at", at, args)
            )),
            Some((false, at)) => clauses.push(not_due(at, args)),
            None => {}
        }
        clauses.join(" AND ")
    }

    /// Equality, and the cursor.
    fn plain(&self, args: &mut Args) -> Vec<String> {
        let mut clauses = vec!["workspace_id = $1".to_owned()];
        for (column, value) in &self.equals {
            clauses.push(format!("{column} = {}", args.add(value.clone())));
            // As the index of rooms that belong to no process says it.
            if *column == "type"
                && matches!(value, Value::Text(text) if OTHER_ROOMS.contains(&text.as_str()))
            {
                clauses.push(format!("type <> '{}'", RoomType::Process.as_str()));
            }
        }
        if let Some(id) = self.after {
            clauses.push(format!("id < {}", args.add(id.into())));
        }
        clauses
    }

    /// The questions that somebody is to answer, from the cursor on.
    fn inbox(&self, person: &str, args: &mut Args) -> String {
        let person = args.add(person.into());
        let on = match self.after {
            Some(id) => format!(" AND intervention_id < {}", args.add(id.into())),
            None => String::new(),
        };
        format!(
            "SELECT intervention_id FROM assigned WHERE workspace_id = $1 AND person = {person}{on}"
        )
    }

    fn value_of(&self, column: &str) -> Option<&Value> {
        let mut equals = self.equals.iter();
        equals.find(|(name, _)| *name == column).map(|(_, v)| v)
    }

    /// Whether nothing but a part of the name is asked for.
    pub(crate) fn is_by_name_alone(&self) -> bool {
        self.equals.is_empty() && self.assignee.is_none() && self.overdue.is_none()
    }
}

/// Types of rooms of which a team may have few among those of its processes.
const OTHER_ROOMS: [&str; 2] = [RoomType::Team.as_str(), RoomType::Workspace.as_str()];

/// An open question that was due before this.
fn due(column: &str, at: Timestamp, args: &mut Args) -> String {
    format!("status = 'pending' AND {column} < {}", args.add(at.into()))
}

/// A question that is not.
fn not_due(at: Timestamp, args: &mut Args) -> String {
    format!(
        "(status <> 'pending' OR due_at IS NULL OR due_at >= {})",
        args.add(at.into())
    )
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

/// Timers to look for.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// Those of attempts that somebody holds: leases and offers, due after this.
    Held {
        /// Those up to here were seen.
        after: Timestamp,
    },
    /// All others.
    Rest,
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

/// Questions that are at most so many are sorted, or looked through for those of somebody's inbox.
const FEW: u64 = 1_000;
const BY_DUE: &str = " INDEXED BY interventions_by_due";

/// A way to a page of a list. SQLite keeps no count of what there is, so it cannot tell which filter leaves the least to read: it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In the list's order, or that of an index that says what the rows must be equal to.
    Order,
    /// By the process that they belong to.
    Process,
    /// By when they are due.
    Due,
    /// Through the inbox of the one who is to answer.
    Inbox,
}

/// Where SQLite finds a page on this way, and its order.
fn sqlite_page(thing: Thing, filter: &Filter, way: Way, args: &mut Args) -> String {
    let (table, mut order) = (thing.table(), "id");
    let mut from = table.to_owned();
    let mut clauses = filter.plain(args);
    if let Some(person) = &filter.assignee {
        let inbox = filter.inbox(person, args);
        if way == Way::Inbox {
            from = format!("({inbox}) AS inbox CROSS JOIN {table} ON id = intervention_id");
            order = "intervention_id";
        } else {
            clauses.push(format!("EXISTS ({inbox} AND intervention_id = {table}.id)"));
        }
    }
    // With its sign, no index leads by it.
    let column = if way == Way::Due { "due_at" } else { "+due_at" };
    match filter.overdue {
        Some((true, at)) => clauses.push(due(column, at, args)),
        Some((false, at)) => clauses.push(not_due(at, args)),
        None => {}
    }
    match (way, thing) {
        (Way::Due, _) => from.push_str(BY_DUE),
        (
            Way::Process,
            Thing::Intervention | Thing::Handoff | Thing::Communication | Thing::Alert,
        ) => from.push_str(&format!(" INDEXED BY {table}_by_process")),
        _ => {}
    }
    format!("{from} WHERE {} ORDER BY {order}", clauses.join(" AND "))
}

/// A text that LIKE takes as it is, with `ESCAPE '\\'`.
pub(crate) fn literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
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

    /// A page of resources, newest first.
    pub async fn list(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
    ) -> Result<Vec<Json>, Error> {
        // Every name contains nothing.
        let search = filter.search.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = search.filter(|_| names::are_kept(thing)) {
            let rows = self.named(thing, workspace, filter, text).await?;
            return self.shown(thing, &rows).await;
        }
        let mut args = Args::new(workspace);
        let page = match self {
            Self::Postgres(_) => {
                let clauses = filter.clauses(&mut args);
                format!("{} WHERE {clauses} ORDER BY id", thing.table())
            }
            Self::Sqlite(_) => {
                let way = self.way(workspace, filter).await?;
                sqlite_page(thing, filter, way, &mut args)
            }
        };
        let sql = format!(
            "SELECT {} FROM {page} DESC LIMIT {}",
            thing.columns(),
            filter.limit.max(1)
        );
        let rows = self.query_list(&sql, args.take()).await?;
        self.shown(thing, &rows).await
    }

    /// The way on which SQLite finds a page with the least to read.
    async fn way(&self, workspace: &WorkspaceId, filter: &Filter) -> Result<Way, Error> {
        if filter.value_of("process_id").is_some() {
            return Ok(Way::Process);
        }
        if let Some((true, at)) = filter.overdue {
            let mut args = Args::new(workspace);
            let due = format!("workspace_id = $1 AND {}", due("due_at", at, &mut args));
            if self.are_few(&format!("{BY_DUE} WHERE {due}"), args).await? {
                return Ok(Way::Due);
            }
        }
        if filter.assignee.is_none() {
            return Ok(Way::Order);
        }
        if filter.equals.is_empty() {
            return Ok(Way::Inbox);
        }
        let mut args = Args::new(workspace);
        let equal = Filter {
            equals: filter.equals.clone(),
            ..Filter::default()
        };
        let equal = equal.plain(&mut args).join(" AND ");
        let few = self.are_few(&format!(" WHERE {equal}"), args).await?;
        Ok(if few { Way::Order } else { Way::Inbox })
    }

    /// Whether only a few questions are found there.
    async fn are_few(&self, there: &str, args: Args) -> Result<bool, Error> {
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM interventions{there} LIMIT {})",
            FEW + 1
        );
        let rows = self.query(&sql, args.take()).await?;
        Ok(rows.first().is_none_or(|r| r.count(0) <= FEW))
    }

    /// Things as they are shown, from their [columns](Thing::columns).
    async fn shown(&self, thing: Thing, rows: &[Row]) -> Result<Vec<Json>, Error> {
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

    /// Timers that are due by the database's clock, the oldest first.
    pub async fn due_timers(&self, which: Due, limit: u64) -> Result<Vec<DueTimer>, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        let held = "(key LIKE 'lease:%' OR key LIKE 'offer:%')";
        let (clause, after) = match which {
            Due::Held { after } => (format!("due > $2 AND {held}"), after),
            Due::Rest => (format!("due > $2 AND NOT {held}"), Timestamp(i64::MIN)),
        };
        let sql = format!(
            "SELECT room_id, workspace_id, timer, due FROM timers WHERE due <= $1 AND {clause} ORDER BY due LIMIT {limit}"
        );
        let rows = tx.query(&sql, vec![now.into(), after.into()]).await?;
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
