//! The read model: exactly the rows that would be written for the state that the log adds up to.

use std::collections::{BTreeMap, BTreeSet};

use rooms::State;
use rooms::model::intervention::HumanIntervention;
use rooms::model::room::{OF_PROCESS, RoomType};
use serde_json::Value as Json;
use uuid::Uuid;

use super::log::Folded;
use super::{Check, RoomHead};
use crate::db::{Error, Table, Value};
use crate::projection::{Projection, communication_row};
use crate::suffixes::{Suffixes, suffixes};

/// Rows that were compared, by table.
#[derive(Default)]
pub(super) struct Counted(BTreeMap<&'static str, u64>);

impl Counted {
    /// So many rows of a table belong to the log of a room.
    pub(super) fn add(&mut self, table: &'static str, rows: u64) {
        *self.0.entry(table).or_default() += rows;
    }
}

/// What is not in the log, and moves without it: a restore begins another life of every log.
const BESIDE_THE_LOG: [&str; 3] = ["last_activity", "log_id", "first"];

impl Check {
    pub(super) async fn compare(&mut self, room: &RoomHead, folded: &Folded) -> Result<(), Error> {
        let state = &folded.state;
        let mut projection = Projection::default();
        projection.room(&State::default(), state, false)?;
        for (table, mut rows) in projection.tables() {
            let (column, id) = match table.name {
                "rooms" => ("id", Some(room.id.0)),
                // By what has an index, or a large store would take for ever: a row that says another id here is missed in its own place.
                "teams" => ("id", state.team.as_ref().map(|t| t.id.0)),
                "team_members" => ("team_id", state.team.as_ref().map(|t| t.id.0)),
                "processes" => ("id", state.process.as_ref().map(|p| p.process.id.0)),
                "attempts" => ("attempts", state.process.as_ref().map(|p| p.process.id.0)),
                "steps" | "handoffs" | "interventions" | "communications" | "alerts"
                | "recommendations" => {
                    ("process_id", state.process.as_ref().map(|p| p.process.id.0))
                }
                // Of the rooms of a workspace its own alone has rules.
                "alert_rules" => {
                    self.counted.0.entry(table.name).or_default();
                    if state.alert_rules.is_some() {
                        let scope = ("workspace_id", room.space.as_str().into());
                        self.table(room, table, rows, scope).await?;
                    }
                    continue;
                }
                // The registry is folded over all rooms; snapshots are compared while their log is read.
                _ => continue,
            };
            let Some(id) = id else { continue };
            if table.name == "communications" {
                for sent in folded.communications.values() {
                    rows.push(communication_row(sent, &room.space)?);
                }
            }
            self.table(room, table, rows, (column, id.into())).await?;
        }
        self.inboxes(room, state).await
    }

    /// Each question is in the inboxes of those who are to answer it, as what it is.
    async fn inboxes(&mut self, room: &RoomHead, state: &State) -> Result<(), Error> {
        let Some(process) = state.process.as_ref() else {
            return Ok(());
        };
        let asked = process.interventions.values();
        let mut wanted: BTreeMap<(Uuid, &str), &HumanIntervention> = asked
            .flat_map(|i| i.assignees.iter().map(|who| ((i.id.0, who.as_str()), &**i)))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let sql = "SELECT intervention_id, person, workspace_id, status, type, due_at FROM assigned WHERE intervention_id IN \
                   (SELECT id FROM interventions WHERE process_id = $1)";
        let rows = self
            .conn
            .query(sql, vec![process.process.id.0.into()])
            .await?;
        self.counted.add("assigned", rows.len() as u64);
        self.report.rows += rows.len() as u64;
        for row in &rows {
            let (id, who) = (row.uuid(0), row.text(1));
            let Some(asked) = wanted.remove(&(id, who)) else {
                self.report.wrong(format!(
                    "room {}: the intervention {id} is in the inbox of {who}, who was not asked",
                    room.id
                ));
                continue;
            };
            let expected: [Value; 4] = [
                room.space.as_str().into(),
                asked.status.as_str().into(),
                asked.kind.as_str().into(),
                asked.due_at.into(),
            ];
            if row.values()[2..] != expected {
                self.report.wrong(format!(
                    "room {}: the intervention {id} is another one in the inbox of {who}",
                    room.id
                ));
            }
        }
        for (id, who) in wanted.into_keys() {
            self.report.wrong(format!(
                "room {}: the intervention {id} is not in the inbox of {who}",
                room.id
            ));
        }
        Ok(())
    }

    async fn table(
        &mut self,
        room: &RoomHead,
        table: &'static Table,
        expected: Vec<Vec<Value>>,
        scope: (&str, Value),
    ) -> Result<(), Error> {
        let columns: Vec<&str> = table.columns.iter().map(|c| c.0).collect();
        let which = match scope.0 {
            "attempts" => "step_id IN (SELECT id FROM steps WHERE process_id = $1)".to_owned(),
            column => format!("{column} = $1"),
        };
        let sql = format!(
            "SELECT {} FROM {} WHERE {which}",
            columns.join(", "),
            table.name
        );
        let found = self.conn.query(&sql, vec![scope.1]).await?;
        let key: Vec<usize> = columns
            .iter()
            .enumerate()
            .filter(|(_, c)| table.key.is_some_and(|k| k.contains(c)))
            .map(|(n, _)| n)
            .collect();
        let key_of = |row: &[Value]| {
            key.iter()
                .map(|n| shown(&row[*n]))
                .collect::<Vec<_>>()
                .join("/")
        };
        let mut left: BTreeMap<String, &[Value]> = found
            .iter()
            .map(|r| (key_of(r.values()), r.values()))
            .collect();
        self.counted.add(table.name, found.len() as u64);
        if table.name == "communications" && room.first > 1 {
            // A state keeps the open ones only: what was said before the log begins, and answered, is known by its row alone.
            let known: BTreeSet<String> = expected.iter().map(|row| key_of(row)).collect();
            let open = |row: &[Value]| row[4] == Value::Int(1);
            left.retain(|key, row| known.contains(key) || open(row));
        }
        self.report.rows += found.len() as u64;
        for wanted in expected {
            let key = key_of(&wanted);
            let Some(row) = left.remove(&key) else {
                self.report
                    .wrong(format!("room {}: {} has no row {key}", room.id, table.name));
                continue;
            };
            for (n, column) in columns.iter().enumerate() {
                if !BESIDE_THE_LOG.contains(column) && !same(column, &row[n], &wanted[n]) {
                    self.report.wrong(format!(
                        "room {}: {column} of {} {key} is not what the log adds up to",
                        room.id, table.name
                    ));
                }
            }
        }
        for key in left.into_keys() {
            self.report.wrong(format!(
                "room {}: {} has a row {key} that the log does not know",
                room.id, table.name
            ));
        }
        Ok(())
    }

    /// Every name can be searched for as it is, and no other: it is unfiled, or its ends are where a search looks for them.
    pub(super) async fn names(&mut self) -> Result<(), Error> {
        let own = format!("type <> '{}'", RoomType::Process.as_str());
        let Suffixes { suffix, of } = suffixes(&self.conn, "LOWER(t.name)");
        for (kind, table, which) in [
            ("process", "processes", "1 = 1"),
            ("team", "teams", "1 = 1"),
            ("room", "rooms", own.as_str()),
        ] {
            let all = format!(
                "{table} t LEFT JOIN names_unfiled n ON n.kind = '{kind}' AND n.workspace_id = t.workspace_id AND n.id = t.id"
            );
            let wanted = format!("FROM (SELECT DISTINCT {suffix} AS suffix FROM {of}) AS e");
            // Each by its place in the index.
            let filed = format!(
                "(SELECT 1 FROM name_suffixes s WHERE s.suffix = e.suffix AND s.id = t.id AND s.range_id = (SELECT r.id FROM name_ranges r \
                 WHERE r.kind = '{kind}' AND r.workspace_id = t.workspace_id AND r.first <= t.id ORDER BY r.first DESC LIMIT 1))"
            );
            let sql = format!(
                "SELECT t.id FROM {all} WHERE {which} AND CASE WHEN n.id IS NULL THEN (SELECT COUNT(*) - COUNT({filed}) {wanted}) > 0 ELSE n.name <> LOWER(t.name) END \
                 ORDER BY t.id LIMIT 100"
            );
            for row in self.conn.query(&sql, Vec::new()).await? {
                self.report.wrong(format!(
                    "the {kind} {} cannot be searched for by its name",
                    row.uuid(0)
                ));
            }
            let sql = format!(
                "SELECT COUNT(n.id), CAST(COALESCE(SUM(CASE WHEN n.id IS NULL THEN (SELECT COUNT(*) {wanted}) END), 0) AS BIGINT) FROM {all} WHERE {which}"
            );
            let rows = self.conn.query(&sql, Vec::new()).await?;
            let count = |n| rows.first().map_or(0, |r| r.count(n));
            self.counted.add("names_unfiled", count(0));
            self.counted.add("name_suffixes", count(1));
        }
        // A name that is late finds a range, and a new range begins after all that the newest one has.
        let sql = "SELECT r.kind, r.workspace_id FROM name_ranges r \
             WHERE NOT EXISTS (SELECT 1 FROM name_ranges f WHERE f.kind = r.kind AND f.workspace_id = r.workspace_id AND f.first = $1) \
             OR (r.last < (SELECT s.id FROM name_suffixes s WHERE s.range_id = r.id ORDER BY s.id DESC LIMIT 1) \
             AND NOT EXISTS (SELECT 1 FROM name_ranges l WHERE l.kind = r.kind AND l.workspace_id = r.workspace_id AND l.first > r.first)) LIMIT 100";
        for row in self.conn.query(sql, vec![Uuid::nil().into()]).await? {
            self.report.wrong(format!(
                "the names of each {} of {} are not in ranges that hold them all",
                row.text(0),
                row.text(1)
            ));
        }
        // The room of a process is found by the name of the process.
        let sql = format!(
            "SELECT r.id FROM rooms r LEFT JOIN processes p ON p.id = r.id AND p.workspace_id = r.workspace_id AND r.name = '{OF_PROCESS}' || p.name \
             WHERE NOT ({own}) AND p.id IS NULL ORDER BY r.id LIMIT 100"
        );
        for row in self.conn.query(&sql, Vec::new()).await? {
            self.report.wrong(format!(
                "the room {} is not called what its process is called, and cannot be searched for",
                row.uuid(0)
            ));
        }
        Ok(())
    }

    /// No table has rows that belong to no room.
    pub(super) async fn totals(&mut self) -> Result<(), Error> {
        for (table, counted) in std::mem::take(&mut self.counted.0) {
            let sql = format!("SELECT COUNT(*) FROM {table}");
            let rows = self.conn.query(&sql, Vec::new()).await?;
            let all = rows.first().map_or(0, |r| r.count(0));
            let older = table == "templates" && self.trimmed && all > counted;
            if all != counted && !older {
                self.report.wrong(format!(
                    "{table} has {all} rows, of which {counted} belong to a room's log"
                ));
            }
        }
        Ok(())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Int(n) => n.to_string(),
        Value::Text(text) => text.clone(),
        Value::Uuid(id) => id.to_string(),
        // Arguments, which no column holds.
        Value::Uuids(_) | Value::Texts(_) => String::new(),
    }
}

/// JSON is the same whatever the order of its fields.
pub(super) fn same(column: &str, found: &Value, wanted: &Value) -> bool {
    match (column, found, wanted) {
        ("data", Value::Text(found), Value::Text(wanted)) => {
            found == wanted
                || matches!(
                    (serde_json::from_str::<Json>(found), serde_json::from_str::<Json>(wanted)),
                    (Ok(found), Ok(wanted)) if found == wanted
                )
        }
        _ => found == wanted,
    }
}
