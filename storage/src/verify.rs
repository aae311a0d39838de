//! The check of a store: what must always hold, read back from what is there. Rooms are folded one at a time.

use rooms::id::RoomId;
use rooms::model::attempt::AttemptStatus;
use rooms::model::intervention::InterventionStatus;
use rooms::state::State;
use serde_json::Value as Json;

use crate::db::{Error, Store};

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Rooms that were read.
    pub rooms: u64,
    /// Events that were read.
    pub events: u64,
    /// What does not hold, a sentence each.
    pub problems: Vec<String>,
}

impl Store {
    /// Checks every room: no gap in the log, the state that it adds up to keeps the domain's invariants, and the read model says the same.
    pub async fn verify(&self) -> Result<Report, Error> {
        let mut report = Report::default();
        let rooms = self
            .query("SELECT id, head, first FROM rooms ORDER BY id", Vec::new())
            .await?;
        for row in rooms {
            let (room, head, first) = (RoomId(row.uuid(0)), row.count(1), row.count(2));
            report.rooms += 1;
            let mut state = State::default();
            let mut seq = first.saturating_sub(1);
            loop {
                let events = self.events_from(room, seq, 1_000).await?;
                if events.is_empty() {
                    break;
                }
                for event in &events {
                    if event.seq != seq + 1 {
                        report
                            .problems
                            .push(format!("room {room}: after seq {seq} comes {}", event.seq));
                    }
                    seq = event.seq;
                    state.apply(event);
                    report.events += 1;
                }
            }
            if seq != head {
                report.problems.push(format!(
                    "room {room}: the head is {head}, the log ends at {seq}"
                ));
            }
            invariants(&state, room, &mut report);
            self.compare(&state, room, &mut report).await?;
        }
        Ok(report)
    }

    async fn compare(&self, state: &State, room: RoomId, report: &mut Report) -> Result<(), Error> {
        let Some(process) = &state.process else {
            return Ok(());
        };
        let id = process.process.id;
        let mut expected: Vec<(&str, Vec<(uuid::Uuid, Json)>)> = Vec::new();
        let json = |v: &dyn erased::Json| v.json();
        expected.push((
            "steps",
            process.steps.iter().map(|s| (s.id.0, json(&**s))).collect(),
        ));
        expected.push((
            "attempts",
            process
                .attempts
                .values()
                .map(|a| (a.id.0, json(&**a)))
                .collect(),
        ));
        expected.push((
            "handoffs",
            process
                .handoffs
                .values()
                .map(|h| (h.id.0, json(&**h)))
                .collect(),
        ));
        expected.push((
            "interventions",
            process
                .interventions
                .values()
                .map(|i| (i.id.0, json(&**i)))
                .collect(),
        ));
        let mut whole = process.resource();
        whole.steps.clear();
        expected.push(("processes", vec![(id.0, json(&whole))]));
        for (table, items) in expected {
            let column = if table == "processes" {
                "id"
            } else {
                "process_id"
            };
            let rows = self
                .query(
                    &format!("SELECT id, data FROM {table} WHERE {column} = $1"),
                    vec![id.0.into()],
                )
                .await?;
            if rows.len() != items.len() {
                report.problems.push(format!(
                    "room {room}: {table} has {} rows, the log gives {}",
                    rows.len(),
                    items.len()
                ));
            }
            for (id, wanted) in items {
                let found = rows
                    .iter()
                    .find(|r| r.uuid(0) == id)
                    .map(|r| serde_json::from_str::<Json>(r.text(1)));
                match found {
                    Some(Ok(found)) if found == wanted => {}
                    _ => report.problems.push(format!(
                        "room {room}: {table} {id} differs from what the log gives"
                    )),
                }
            }
        }
        Ok(())
    }
}

fn invariants(state: &State, room: RoomId, report: &mut Report) {
    let Some(process) = &state.process else {
        return;
    };
    let mut wrong = |what: String| report.problems.push(format!("room {room}: {what}"));
    for step in &process.steps {
        let live = process
            .attempts
            .values()
            .filter(|a| a.step_id == step.id && a.status.is_live())
            .count();
        if live > 1 {
            wrong(format!("step {} has {live} live attempts", step.key));
        }
        let accepted = process
            .attempts
            .values()
            .filter(|a| a.step_id == step.id && a.status == AttemptStatus::Completed)
            .count();
        if accepted > step.run as usize {
            wrong(format!(
                "step {} has {accepted} accepted results in {} runs",
                step.key, step.run
            ));
        }
        if step.status.is_terminal() && live > 0 {
            wrong(format!("step {} has ended with a live attempt", step.key));
        }
    }
    for i in process
        .interventions
        .values()
        .filter(|i| i.status == InterventionStatus::Pending)
    {
        let ended = i
            .step_id
            .and_then(|s| process.step(s))
            .is_some_and(|s| s.status.is_terminal());
        if ended || process.process.status.is_terminal() {
            wrong(format!(
                "intervention {} is open on something that has ended",
                i.id
            ));
        }
    }
}

mod erased {
    //! Anything that serializes, as a value.
    pub trait Json {
        fn json(&self) -> serde_json::Value;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or_default()
        }
    }
}
