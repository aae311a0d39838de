//! What is not of one room: the registry of agents, which several rooms write, and the idempotency records.

use std::collections::BTreeMap;

use rooms::Timestamp;
use rooms::event::{Event, EventBody};
use rooms::id::{AgentId, WorkspaceId};
use rooms::model::agent::Agent;
use serde_json::Value as Json;

use super::Check;
use crate::change::SEALED;
use crate::db::Error;

/// The newest that the logs say of an agent.
#[derive(Default)]
struct Newest {
    at: Timestamp,
    /// Several, where two rooms wrote in the same microsecond.
    agents: Vec<Agent>,
    removed_at: Option<Timestamp>,
}

/// Every agent of every workspace.
#[derive(Default)]
pub(super) struct Registry {
    agents: BTreeMap<(WorkspaceId, AgentId), Newest>,
    /// Until when the rooms of a workspace may have said more than their logs still do.
    forgotten: BTreeMap<WorkspaceId, Timestamp>,
}

impl Registry {
    /// Says that a room has events from this time on only.
    pub(super) fn begins(&mut self, space: &WorkspaceId, at: Timestamp) {
        let until = self.forgotten.entry(space.clone()).or_default();
        *until = at.max(*until);
    }

    pub(super) fn see(&mut self, event: &Event) {
        let (id, agent) = match &event.body {
            EventBody::AgentRegistered(agent) | EventBody::AgentUpdated(agent) => {
                (&agent.id, Some(agent))
            }
            EventBody::AgentRemoved(change) => (&change.id, None),
            _ => return,
        };
        let newest = self
            .agents
            .entry((event.workspace_id.clone(), id.clone()))
            .or_default();
        match agent {
            None => newest.removed_at = newest.removed_at.max(Some(event.at)),
            Some(_) if event.at < newest.at => {}
            Some(agent) => {
                if event.at > newest.at {
                    newest.agents.clear();
                }
                newest.at = event.at;
                newest.agents.push(agent.clone());
            }
        }
    }
}

impl Check {
    pub(super) async fn registry(&mut self) -> Result<(), Error> {
        let mut known = std::mem::take(&mut self.registry.agents);
        let forgotten = std::mem::take(&mut self.registry.forgotten);
        let mut after = (String::new(), String::new());
        loop {
            let sql = "SELECT workspace_id, id, name, archived, data FROM agents \
                       WHERE workspace_id > $1 OR (workspace_id = $1 AND id > $2) ORDER BY workspace_id, id LIMIT 500";
            let args = vec![after.0.as_str().into(), after.1.as_str().into()];
            let rows = self.conn.query(sql, args).await?;
            let Some(last) = rows.last() else { break };
            after = (last.text(0).to_owned(), last.text(1).to_owned());
            for row in &rows {
                self.report.rows += 1;
                let name = format!("the agent {} of {}", row.text(1), row.text(0));
                let space = WorkspaceId::from(row.text(0));
                let until = forgotten.get(&space);
                let Some(newest) = known.remove(&(space, row.text(1).into())) else {
                    if until.is_none() {
                        self.report.wrong(format!("{name}: no log knows it"));
                    }
                    continue;
                };
                let said = newest.removed_at.unwrap_or_default().max(newest.at);
                if until.is_some_and(|until| said <= *until) {
                    continue;
                }
                let fits = newest.agents.iter().any(|agent| {
                    let mut agent = agent.clone();
                    agent.archived |= newest.removed_at.is_some_and(|at| at >= newest.at);
                    let data = serde_json::to_value(&agent).unwrap_or_default();
                    serde_json::from_str::<Json>(row.text(4)).is_ok_and(|found| found == data)
                        && row.text(2) == agent.name
                        && (row.int(3) != 0) == agent.archived
                });
                if !fits {
                    self.report
                        .wrong(format!("{name}: its row is not what the logs say"));
                }
            }
        }
        for (space, agent) in known.into_keys() {
            self.report
                .wrong(format!("the agent {agent} of {space}: it has no row"));
        }
        Ok(())
    }

    /// What waits to be delivered to a webhook is an event that is there.
    pub(super) async fn deliveries(&mut self) -> Result<(), Error> {
        let sql = "SELECT o.room_id, o.seq FROM webhook_outbox o JOIN rooms r ON r.id = o.room_id \
                   WHERE o.status = 'pending' AND o.seq >= r.first \
                   AND NOT EXISTS (SELECT 1 FROM events e WHERE e.room_id = o.room_id AND e.seq = o.seq) LIMIT 1000";
        for row in self.conn.query(sql, Vec::new()).await? {
            self.report.wrong(format!(
                "room {}: a webhook waits for the event {}, which the log does not have",
                row.uuid(0),
                row.count(1)
            ));
        }
        Ok(())
    }

    /// Each record has its answer: one without would refuse its command for a day.
    pub(super) async fn idempotency(&mut self) -> Result<(), Error> {
        let mut after = (String::new(), String::new(), String::new());
        loop {
            let sql = "SELECT workspace_id, principal, key, hash, response FROM idempotency \
                       WHERE workspace_id > $1 OR (workspace_id = $1 AND (principal > $2 OR (principal = $2 AND key > $3))) \
                       ORDER BY workspace_id, principal, key LIMIT 500";
            let args = vec![
                after.0.as_str().into(),
                after.1.as_str().into(),
                after.2.as_str().into(),
            ];
            let rows = self.conn.query(sql, args).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (
                last.text(0).to_owned(),
                last.text(1).to_owned(),
                last.text(2).to_owned(),
            );
            for row in &rows {
                self.report.rows += 1;
                let answer = row.text(4);
                let answered = answer.len() > SEALED.len() && answer.starts_with(SEALED)
                    || serde_json::from_str::<Json>(answer)
                        .is_ok_and(|answer| answer.get("data").is_some());
                if !answered || row.text(3).is_empty() {
                    self.report.wrong(format!(
                        "the idempotency record {:?} of {} in {} holds no answer",
                        row.text(2),
                        row.text(1),
                        row.text(0)
                    ));
                }
            }
        }
    }
}
