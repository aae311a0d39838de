//! Agents, and all that waits for one when it says that it is ready.

use rooms::id::{AgentId, AttemptId, InstanceId, ProcessId, WorkspaceId};
use rooms::model::handoff::AgentHandoff;
use serde_json::Value as Json;

use crate::db::{Error, Store};
use crate::list::Page;
use crate::read::parse;

impl Store {
    /// Agents of a workspace that are not removed, by id.
    pub async fn agents(
        &self,
        workspace: &WorkspaceId,
        after: &str,
        limit: u64,
    ) -> Result<Page, Error> {
        let sql = format!(
            "SELECT data FROM agents WHERE workspace_id = $1 AND archived = 0 AND id > $2 ORDER BY id LIMIT {limit}"
        );
        let args = vec![workspace.as_str().into(), after.into()];
        let (rows, cut) = self.query_page(&sql, args).await?;
        let items = rows.iter().map(|r| parse(r.text(0)));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            cut,
        })
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
}
