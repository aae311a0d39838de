//! Steps that wait for an agent, and who could take them: what the dispatcher reads.

use rooms::id::{AgentId, ProcessId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::step::ProcessStep;
use rooms::model::team::AgentTeam;
use uuid::Uuid;

use crate::db::{Error, Kind, Store, Value};
use crate::read::parse;

/// So many teams are asked for in one statement: each has a branch of its own in it, which finds its part of the index and stops at the limit.
const BRANCHES: usize = 32;

/// A step that waits for an agent.
#[derive(Debug)]
pub struct ReadyStep {
    /// In which process.
    pub process_id: ProcessId,
    /// Whose.
    pub team_id: TeamId,
    /// The step.
    pub step: ProcessStep,
    /// Where it stands among those that wait.
    pub place: Place,
}

/// Where a step stands among those that wait: the most urgent first, then the one that has waited longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    priority: i64,
    ready_at: i64,
    id: Uuid,
}

impl Place {
    fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse(self.priority), self.ready_at, self.id)
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Store {
    /// Steps of these teams that wait for an agent, in their order, after a place; none of a process that stands still.
    pub async fn ready_steps(
        &self,
        teams: &[TeamId],
        after: Option<Place>,
        limit: usize,
    ) -> Result<Vec<ReadyStep>, Error> {
        let mut found = Vec::new();
        for some in teams.chunks(BRANCHES) {
            let mut args: Vec<Value> = some.iter().map(|t| t.0.into()).collect();
            let beyond = after.map_or(String::new(), |place| {
                let first = args.len() + 1;
                args.extend([
                    place.priority.into(),
                    place.ready_at.into(),
                    place.id.into(),
                ]);
                let (priority, ready_at, id) = (first, first + 1, first + 2);
                format!(
                    "AND (s.priority < ${priority} OR (s.priority = ${priority} AND \
                     (s.ready_at > ${ready_at} OR (s.ready_at = ${ready_at} AND s.id > ${id})))) "
                )
            });
            let branches: Vec<String> = (1..=some.len())
                .map(|n| {
                    format!(
                        "SELECT * FROM (SELECT s.process_id, s.team_id, s.data, s.priority, s.ready_at, s.id \
                         FROM steps s JOIN processes p ON p.id = s.process_id \
                         WHERE s.team_id = ${n} AND s.phase = 'ready' AND p.status = 'running' {beyond}\
                         ORDER BY s.priority DESC, s.ready_at, s.id LIMIT {limit}) AS t{n}"
                    )
                })
                .collect();
            let sql = format!(
                "{} ORDER BY 4 DESC, 5, 6 LIMIT {limit}",
                branches.join(" UNION ALL ")
            );
            for row in self.query(&sql, args).await? {
                found.push(ReadyStep {
                    process_id: row.uuid(0).into(),
                    team_id: row.uuid(1).into(),
                    step: parse(row.text(2))?,
                    place: Place {
                        priority: row.int(3),
                        ready_at: row.int(4),
                        id: row.uuid(5),
                    },
                });
            }
        }
        found.sort_by_key(|step| step.place);
        found.truncate(limit);
        Ok(found)
    }

    /// Agents of a workspace that are not removed, by their ids, each with the number of its live attempts.
    pub async fn loads(
        &self,
        workspace: &WorkspaceId,
        ids: &[AgentId],
    ) -> Result<Vec<(Agent, usize)>, Error> {
        // Counted in one pass: one for each agent costs more, the more of them there are.
        let sql = format!(
            "SELECT a.data, COALESCE(l.live, 0) FROM agents a LEFT JOIN \
             (SELECT agent_id, COUNT(*) AS live FROM attempts \
             WHERE workspace_id = $1 AND live = 1 AND agent_id {among} GROUP BY agent_id) AS l ON l.agent_id = a.id \
             WHERE a.workspace_id = $1 AND a.id {among} AND a.archived = 0",
            among = self.among(Kind::Text, 2)
        );
        self.counted(&sql, workspace, ids).await
    }

    /// Teams of these agents that have a step waiting, each with the number of its live attempts.
    pub async fn waiting_teams(
        &self,
        workspace: &WorkspaceId,
        members: &[AgentId],
    ) -> Result<Vec<(AgentTeam, usize)>, Error> {
        let sql = format!(
            "SELECT t.data, (SELECT COUNT(*) FROM attempts a WHERE a.team_id = t.id AND a.live = 1) \
             FROM teams t WHERE t.workspace_id = $1 \
             AND t.id IN (SELECT m.team_id FROM team_members m WHERE m.workspace_id = $1 AND m.is_active = 1 AND m.agent_id {}) \
             AND EXISTS (SELECT 1 FROM steps s WHERE s.team_id = t.id AND s.phase = 'ready')",
            self.among(Kind::Text, 2)
        );
        self.counted(&sql, workspace, members).await
    }

    async fn counted<T: serde::de::DeserializeOwned>(
        &self,
        sql: &str,
        workspace: &WorkspaceId,
        agents: &[AgentId],
    ) -> Result<Vec<(T, usize)>, Error> {
        let ids = agents.iter().map(|a| a.0.clone()).collect();
        let args = vec![workspace.as_str().into(), Value::Texts(ids)];
        let rows = self.query(sql, args).await?;
        rows.iter()
            .map(|r| {
                let live = usize::try_from(r.count(1)).unwrap_or(usize::MAX);
                Ok((parse(r.text(0))?, live))
            })
            .collect()
    }
}
