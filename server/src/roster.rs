//! What this node remembers of teams, and of the agents that take work here: enough to guess who a step that is about to become ready could be
//! offered to, so that the lane locks and counts just that. Nothing rests on the guess.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rooms::id::{AgentId, InstanceId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::team::AgentTeam;
use rooms::{Facts, Needs};

use crate::board::{Board, Candidate};

/// So many teams, and so many agents.
const REMEMBERED: u64 = 10_000;

struct Known {
    agent: Arc<Agent>,
    /// How many of its slots are in use: counted by the dispatcher, and kept up by what this node commits in between.
    live: AtomicUsize,
}

/// What is remembered.
pub struct Roster {
    agents: moka::sync::Cache<(WorkspaceId, AgentId), Arc<Known>>,
    teams: moka::sync::Cache<TeamId, Arc<AgentTeam>>,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            agents: moka::sync::Cache::new(REMEMBERED),
            teams: moka::sync::Cache::new(REMEMBERED),
        }
    }
}

impl Roster {
    /// So many of an agent's slots are in use.
    pub fn counted(&self, space: &WorkspaceId, agent: &Arc<Agent>, live: usize) {
        let known = Known {
            agent: Arc::clone(agent),
            live: AtomicUsize::new(live),
        };
        let key = (space.clone(), agent.id.clone());
        self.agents.insert(key, Arc::new(known));
    }

    /// A team as it is now.
    pub fn team(&self, team: &AgentTeam) {
        if self.teams.get(&team.id).is_none_or(|known| *known != *team) {
            self.teams.insert(team.id, Arc::new(team.clone()));
        }
    }

    /// An agent has one step more.
    pub fn began(&self, space: &WorkspaceId, agent: &AgentId) {
        if let Some(known) = self.known(space, agent) {
            known.live.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An agent has one step less.
    pub fn ended(&self, space: &WorkspaceId, agent: &AgentId) {
        if let Some(known) = self.known(space, agent) {
            let less = |live: usize| live.checked_sub(1);
            let _ = known
                .live
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Whether an agent has a slot to spare.
    pub fn can_spare(&self, space: &WorkspaceId, agent: &AgentId) -> bool {
        self.known(space, agent)
            .is_some_and(|k| k.live.load(Ordering::Relaxed) < k.agent.slots as usize)
    }

    fn known(&self, space: &WorkspaceId, agent: &AgentId) -> Option<Arc<Known>> {
        self.agents.get(&(space.clone(), agent.clone()))
    }

    /// What commands would be told of the registry, as far as it is remembered.
    pub fn facts(&self, space: &WorkspaceId, needs: &Needs) -> Facts {
        let mut facts = Facts::default();
        for team in needs.teams.iter().filter_map(|id| self.teams.get(id)) {
            if team.workspace_id == *space {
                facts.teams.insert(team.id, (*team).clone());
            }
        }
        for known in needs.agents.iter().filter_map(|id| self.known(space, id)) {
            let agent = (*known.agent).clone();
            facts.agents.insert(agent.id.clone(), agent);
        }
        facts
    }

    /// Who could take the steps of these teams. `taker`: the running copy of an agent that takes work here.
    pub fn board(
        &self,
        space: &WorkspaceId,
        teams: &BTreeSet<TeamId>,
        taker: impl Fn(&AgentId) -> Option<Option<InstanceId>>,
    ) -> Board {
        let teams: Vec<_> = teams.iter().filter_map(|id| self.teams.get(id)).collect();
        let members = teams.iter().flat_map(|team| &team.agents);
        let members: BTreeSet<_> = members.map(|member| &member.agent_id).collect();
        let candidates = members.into_iter().filter_map(|id| {
            let known = self.known(space, id)?;
            Some(Candidate {
                instance: taker(id)?,
                agent: Arc::clone(&known.agent),
                live: known.live.load(Ordering::Relaxed),
            })
        });
        let candidates = candidates.collect();
        // How many steps of a team are at work is counted under lock alone.
        Board::new(candidates, teams.into_iter().map(|team| (team, 0)))
    }
}
