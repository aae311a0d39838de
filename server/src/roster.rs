//! What this node remembers of teams, and of the agents that take work here: enough to guess who a step that is about to become ready could be
//! offered to, so that the lane locks and counts just that. Nothing rests on the guess.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use rooms::id::{AgentId, InstanceId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::team::AgentTeam;
use rooms::{Facts, Needs};

use crate::board::{Board, Candidate};

/// So many teams, and so many agents.
const REMEMBERED: u64 = 10_000;
/// A lock that was held for longer than a moment is likely to be held for so long: Postgres ends a transaction that stands still after 4 s.
const HELD: Duration = Duration::from_secs(5);

struct Known {
    agent: Arc<Agent>,
    /// How many of its slots are in use: counted by the dispatcher, and kept up by what this node commits in between.
    live: AtomicUsize,
}

/// What waits in a workspace, as the dispatcher saw it last.
#[derive(Default)]
struct Queue {
    /// Grows whenever something begins to wait.
    newest: u64,
    /// How far the dispatcher has seen.
    seen: u64,
    /// Agents that could take something of what waits, were they free.
    wanted: HashSet<AgentId>,
    /// More waits than it looked at.
    long: bool,
}

/// What is remembered.
pub struct Roster {
    queues: DashMap<WorkspaceId, Queue>,
    /// Teams whose locks somebody did not let go a moment ago.
    held: moka::sync::Cache<TeamId, ()>,
    agents: moka::sync::Cache<(WorkspaceId, AgentId), Arc<Known>>,
    teams: moka::sync::Cache<TeamId, Arc<AgentTeam>>,
}

impl Default for Roster {
    fn default() -> Self {
        Self {
            queues: DashMap::new(),
            held: moka::sync::Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(HELD)
                .build(),
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

    /// Whether an agent has a slot to spare, and nothing waits for it.
    pub fn can_spare(&self, space: &WorkspaceId, agent: &AgentId) -> bool {
        let queue = self.queues.get(space);
        let waits = queue.is_some_and(|q| q.seen < q.newest || q.long || q.wanted.contains(agent));
        !waits
            && self
                .known(space, agent)
                .is_some_and(|k| k.live.load(Ordering::Relaxed) < k.agent.slots as usize)
    }

    /// A step has begun to wait.
    pub fn waits(&self, space: &WorkspaceId) {
        let mut queue = self.queues.entry(space.clone()).or_default();
        queue.newest += 1;
    }

    /// How much has begun to wait: to be asked before the dispatcher looks, for [`Roster::seen`].
    pub fn newest(&self, space: &WorkspaceId) -> u64 {
        self.queues.get(space).map_or(0, |queue| queue.newest)
    }

    /// The dispatcher has seen what had begun to wait by then. `wanted`: who could take some of what it could not give out. `long`: there is more.
    pub fn seen(&self, space: &WorkspaceId, newest: u64, wanted: HashSet<AgentId>, long: bool) {
        let mut queue = self.queues.entry(space.clone()).or_default();
        queue.seen = newest;
        queue.wanted = wanted;
        queue.long = long;
    }

    /// Somebody does not let go of what these teams, or their agents, are counted under.
    pub fn are_held(&self, teams: impl IntoIterator<Item = TeamId>) {
        for team in teams {
            self.held.insert(team, ());
        }
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

    /// Who could take the steps of these teams, but for those that others wait for. `taker`: the running copy of an agent that takes work here. `None`: it
    /// is the dispatcher's turn.
    pub fn board(
        &self,
        space: &WorkspaceId,
        teams: &BTreeSet<TeamId>,
        taker: impl Fn(&AgentId) -> Option<Option<InstanceId>>,
    ) -> Option<Board> {
        let queue = self.queues.get(space);
        if queue.as_ref().is_some_and(|q| q.seen < q.newest || q.long) {
            return None;
        }
        let free = teams.iter().filter(|team| !self.held.contains_key(*team));
        let teams: Vec<_> = free.filter_map(|id| self.teams.get(id)).collect();
        let members = teams.iter().flat_map(|team| &team.agents);
        let members: BTreeSet<_> = members.map(|member| &member.agent_id).collect();
        let candidates = members.into_iter().filter_map(|id| {
            if queue.as_ref().is_some_and(|q| q.wanted.contains(id)) {
                return None;
            }
            let known = self.known(space, id)?;
            Some(Candidate {
                instance: taker(id)?,
                agent: Arc::clone(&known.agent),
                live: known.live.load(Ordering::Relaxed),
            })
        });
        let candidates = candidates.collect();
        // How many steps of a team are at work is counted under lock alone.
        Some(Board::new(
            candidates,
            teams.into_iter().map(|team| (team, 0)),
        ))
    }
}
