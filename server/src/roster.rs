//! What this node remembers of teams, and of the agents that take work here: enough to guess who a step that is about to become ready could be
//! offered to, so that the lane locks and counts just that. Nothing rests on the guess.

use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use rooms::id::{AgentId, InstanceId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::team::AgentTeam;
use rooms::{Facts, Needs};

use crate::board::{Board, Candidate};

/// So many teams, and so many agents.
const REMEMBERED: usize = 10_000;
/// A lock that was held for longer than a moment is likely to be held for so long: Postgres ends a transaction that stands still after 4 s.
const HELD: Duration = Duration::from_secs(5);

struct Known {
    agent: Arc<Agent>,
    /// How many of its slots are in use: counted by the dispatcher, and kept up by what this node commits in between.
    live: usize,
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

impl Queue {
    /// Whether the dispatcher has its turn first.
    fn is_first(&self) -> bool {
        self.seen < self.newest || self.long
    }
}

/// What is remembered. Beyond [`REMEMBERED`] of a kind all of that kind is forgotten, and learned anew.
#[derive(Default)]
pub struct Roster {
    queues: DashMap<WorkspaceId, Queue>,
    /// Teams whose locks somebody did not let go then.
    held: DashMap<TeamId, Instant>,
    agents: DashMap<(WorkspaceId, AgentId), Known>,
    teams: DashMap<TeamId, Arc<AgentTeam>>,
}

fn remember<K: Eq + Hash, V>(known: &DashMap<K, V>, key: K, value: V) {
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, value);
}

impl Roster {
    /// So many of an agent's slots are in use.
    pub fn counted(&self, space: &WorkspaceId, agent: &Arc<Agent>, live: usize) {
        let known = Known {
            agent: Arc::clone(agent),
            live,
        };
        let key = (space.clone(), agent.id.clone());
        remember(&self.agents, key, known);
    }

    /// A team as it is now.
    pub fn team(&self, team: &AgentTeam) {
        let same = self
            .teams
            .get(&team.id)
            .is_some_and(|known| **known == *team);
        if !same {
            remember(&self.teams, team.id, Arc::new(team.clone()));
        }
    }

    /// An agent has one step more.
    pub fn began(&self, space: &WorkspaceId, agent: &AgentId) {
        if let Some(mut known) = self.agents.get_mut(&(space.clone(), agent.clone())) {
            known.live += 1;
        }
    }

    /// An agent has one step less.
    pub fn ended(&self, space: &WorkspaceId, agent: &AgentId) {
        if let Some(mut known) = self.agents.get_mut(&(space.clone(), agent.clone())) {
            known.live = known.live.saturating_sub(1);
        }
    }

    /// Whether an agent has a slot to spare, and nothing waits for it.
    pub fn can_spare(&self, space: &WorkspaceId, agent: &AgentId) -> bool {
        let queue = self.queues.get(space);
        let waits = queue.is_some_and(|q| q.is_first() || q.wanted.contains(agent));
        !waits
            && self
                .known(space, agent)
                .is_some_and(|k| k.live < k.agent.slots as usize)
    }

    /// Whether what becomes ready may be offered before the dispatcher has looked.
    pub fn is_open(&self, space: &WorkspaceId) -> bool {
        !self.queues.get(space).is_some_and(|q| q.is_first())
    }

    /// A step has begun to wait, for want of somebody who could take it.
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
            remember(&self.held, team, Instant::now());
        }
    }

    fn known(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
    ) -> Option<impl std::ops::Deref<Target = Known>> {
        self.agents.get(&(space.clone(), agent.clone()))
    }

    /// What commands would be told of the registry, as far as it is remembered.
    pub fn facts(&self, space: &WorkspaceId, needs: &Needs) -> Facts {
        let mut facts = Facts::default();
        for team in needs.teams.iter().filter_map(|id| self.teams.get(id)) {
            if team.workspace_id == *space {
                facts.teams.insert(team.id, (**team).clone());
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
        if queue.as_ref().is_some_and(|q| q.is_first()) {
            return None;
        }
        let is_held = |team: &TeamId| {
            let since = self.held.get(team);
            since.is_some_and(|since| since.elapsed() < HELD)
        };
        let free = teams.iter().filter(|team| !is_held(team));
        let teams = free.filter_map(|id| Some(Arc::clone(&*self.teams.get(id)?)));
        let teams: Vec<_> = teams.collect();
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
                live: known.live,
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
