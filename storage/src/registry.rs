//! What a batch has to know from outside of its rooms: agents, teams and their rules, who holds how much, and what was posted before.

use std::sync::Arc;

use rooms::event::Event;
use rooms::id::{AgentId, AttemptId, RoomId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::monitoring::AlertRules;
use rooms::model::room::Channel;
use rooms::model::team::AgentTeam;
use rooms::{Facts, Needs};

use crate::db::{Error, Kind, Value};
use crate::read::parse;
use crate::tx::Tx;

/// What was read from a registry when the transaction began.
pub(crate) struct Registered {
    pub workspace: WorkspaceId,
    pub needs: Needs,
    pub facts: Facts,
}

/// The workspace, the agents, the teams, and whether the rules are wanted.
pub(crate) fn registry_args(workspace: &WorkspaceId, needs: &Needs) -> Vec<Value> {
    vec![
        workspace.as_str().into(),
        Value::Texts(needs.agents.iter().map(|a| a.0.clone()).collect()),
        Value::Uuids(needs.teams.iter().map(|t| t.0).collect()),
        needs.alert_rules.into(),
    ]
}

/// Adds a row of the registry.
pub(crate) fn register(kind: &str, data: &str, facts: &mut Facts) -> Result<(), Error> {
    match kind {
        "team" => {
            let team: AgentTeam = parse(data)?;
            facts.teams.insert(team.id, team);
        }
        "agent" => {
            let agent: Agent = parse(data)?;
            facts.agents.insert(agent.id.clone(), agent);
        }
        _ => {
            let rules: AlertRules = parse(data)?;
            facts.alert_rules = Some(Arc::new(rules.items));
        }
    }
    Ok(())
}

impl Tx {
    /// Reads what commands need to know from outside their rooms; under lock where work is handed out.
    pub async fn facts(&mut self, workspace: &WorkspaceId, needs: &Needs) -> Result<Facts, Error> {
        let had = self
            .registered
            .take()
            .filter(|had| had.workspace == *workspace && had.needs.covers(needs));
        let mut facts = if needs.slots {
            // The team's room is the lock under which its live attempts are counted. What was read before is of a moment at which the locks
            // were not had, but for what was locked itself: the agents.
            let rooms = needs.teams.iter().map(|t| RoomId(t.0));
            let rooms: Vec<_> = rooms.filter(|r| !self.locked.contains(r)).collect();
            self.lock_rooms(&rooms).await?;
            let mut facts = match had {
                Some(had) => had.facts,
                None => self.registered(workspace, needs).await?,
            };
            self.counted(workspace, needs, &mut facts).await?;
            facts
        } else {
            match had {
                Some(had) => had.facts,
                None if needs.asks_the_registry() => self.registered(workspace, needs).await?,
                None => Facts::default(),
            }
        };
        crate::templates::read(&mut self.conn, workspace, needs, &mut facts).await?;
        let agents = facts.named_agents();
        if !agents.is_empty() {
            let named = Needs {
                agents,
                ..Needs::default()
            };
            let found = self.registered(workspace, &named).await?;
            facts.agents.extend(found.agents);
        }
        self.posted(workspace, needs, &mut facts).await?;
        Ok(facts)
    }

    /// The agents, as the table `a`; under lock where work is handed out. See [`registry_args`].
    pub(crate) fn agents(&self, needs: &Needs, from: usize) -> String {
        let lock = if needs.slots {
            self.conn.for_update()
        } else {
            ""
        };
        format!(
            "a AS (SELECT data FROM agents WHERE workspace_id = ${from} AND id {} ORDER BY id{lock})",
            self.conn.among(Kind::Text, from + 1)
        )
    }

    pub(crate) fn teams_and_rules(&self, from: usize) -> String {
        format!(
            "SELECT 'team' AS kind, data FROM teams WHERE workspace_id = ${from} AND id {} \
             UNION ALL SELECT 'rules', data FROM alert_rules WHERE workspace_id = ${from} AND ${} = 1",
            self.conn.among(Kind::Uuid, from + 2),
            from + 3
        )
    }

    /// Agents, teams and alert rules; where work is handed out, the agents alone, under lock.
    async fn registered(&mut self, workspace: &WorkspaceId, needs: &Needs) -> Result<Facts, Error> {
        // One statement: each goes to the database and back.
        let mut sql = format!(
            "WITH {} SELECT 'agent' AS kind, data FROM a",
            self.agents(needs, 1)
        );
        let mut args = registry_args(workspace, needs);
        if needs.slots {
            args.truncate(2);
        } else {
            sql.push_str(&format!(" UNION ALL {}", self.teams_and_rules(1)));
        }
        let mut facts = Facts::default();
        for row in self.conn.query(&sql, args).await? {
            register(row.text(0), row.text(1), &mut facts)?;
        }
        Ok(facts)
    }

    /// Teams and rules, and the live attempts of the agents and of the teams: two branches, so that each finds its index.
    async fn counted(
        &mut self,
        workspace: &WorkspaceId,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<(), Error> {
        let agents = self.conn.among(Kind::Text, 2);
        let sql = format!(
            "SELECT kind, data, NULL, NULL FROM ({}) AS t UNION ALL SELECT 'live', l.agent_id, l.team_id, l.id FROM \
             (SELECT agent_id, team_id, id FROM attempts WHERE workspace_id = $1 AND live = 1 AND agent_id {agents} \
             UNION SELECT agent_id, team_id, id FROM attempts WHERE live = 1 AND team_id {}) AS l",
            self.teams_and_rules(1),
            self.conn.among(Kind::Uuid, 3)
        );
        for team in &needs.teams {
            facts.team_live.entry(*team).or_default();
        }
        for agent in &needs.agents {
            facts.agent_live.entry(agent.clone()).or_default();
        }
        let args = registry_args(workspace, needs);
        for row in self.conn.query(&sql, args).await? {
            match row.text(0) {
                "live" => {
                    let (agent, team) = (AgentId::from(row.text(1)), TeamId(row.uuid(2)));
                    let attempt = AttemptId(row.uuid(3));
                    if let Some(live) = facts.agent_live.get_mut(&agent) {
                        live.insert(attempt);
                    }
                    if let Some(live) = facts.team_live.get_mut(&team) {
                        live.insert(attempt);
                    }
                }
                kind => register(kind, row.text(1), facts)?,
            }
        }
        Ok(())
    }

    /// Messages that were posted before, by id and by the stream that they ended.
    async fn posted(
        &mut self,
        workspace: &WorkspaceId,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<(), Error> {
        for id in &needs.messages {
            // A message that is no longer in the log is in the search alone, which does not say where in the room it was.
            let sql = "SELECT m.room_id, m.author_kind, m.author, m.removed, e.payload FROM messages m \
                       LEFT JOIN events e ON e.room_id = m.room_id AND e.seq = m.seq \
                       WHERE m.id = $1 AND m.workspace_id = $2";
            let args = vec![id.0.into(), workspace.as_str().into()];
            if let Some(row) = self.conn.query(sql, args).await?.first() {
                let kind = serde_json::Value::from(row.text(1));
                let author = (serde_json::from_value(kind)?, row.text(2).to_owned());
                let channel = match row.is_null(4) {
                    true => Channel::General,
                    false => parse::<Event>(row.text(4))?.channel,
                };
                let posted = rooms::facts::Posted {
                    room: RoomId(row.uuid(0)),
                    channel,
                    author,
                    removed: row.int(3) != 0,
                };
                facts.messages.insert(*id, posted);
            }
        }
        for (room, stream) in &needs.streams {
            let sql = "SELECT id FROM messages WHERE room_id = $1 AND stream_id = $2 LIMIT 1";
            let args = vec![room.0.into(), stream.as_str().into()];
            if let Some(row) = self.conn.query(sql, args).await?.first() {
                facts
                    .streams
                    .insert((*room, stream.clone()), row.uuid(0).into());
            }
        }
        Ok(())
    }
}
