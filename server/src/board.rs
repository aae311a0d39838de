//! Who could take what: agents with their slots, and teams with theirs, as they were when they were read and as they will be once what was chosen is
//! taken.

use std::collections::HashMap;
use std::sync::Arc;

use rooms::Facts;
use rooms::decide::attempt::fits;
use rooms::id::{AgentId, InstanceId, TeamId, WorkspaceId};
use rooms::model::agent::Agent;
use rooms::model::step::ProcessStep;
use rooms::model::team::AgentTeam;

use crate::hub::Hub;

/// An agent that takes work, and the running copy to offer to.
pub type Taker = (AgentId, Option<InstanceId>);

/// An agent that may be chosen.
pub struct Candidate {
    /// Which.
    pub agent: Arc<Agent>,
    /// The running copy.
    pub instance: Option<InstanceId>,
    /// How many of its slots are in use.
    pub live: usize,
}

impl Candidate {
    fn is_free(&self) -> bool {
        self.live < self.agent.slots as usize
    }
}

/// Who could take what.
#[derive(Default)]
pub struct Board {
    candidates: Vec<Candidate>,
    teams: HashMap<TeamId, (Arc<AgentTeam>, usize)>,
}

impl Board {
    /// Of these agents, and these teams with the number of their steps at work.
    pub fn new(
        candidates: Vec<Candidate>,
        teams: impl IntoIterator<Item = (Arc<AgentTeam>, usize)>,
    ) -> Self {
        Self {
            candidates,
            teams: teams.into_iter().map(|t| (t.0.id, t)).collect(),
        }
    }

    /// Reads it: two queries, however many agents, teams and steps there are. What was read is remembered.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(
        hub: &Hub,
        space: &WorkspaceId,
        takers: &[Taker],
    ) -> Result<Self, storage::Error> {
        let ids: Vec<AgentId> = takers.iter().map(|t| t.0.clone()).collect();
        let (loads, teams) = tokio::try_join!(
            hub.store().loads(space, &ids),
            hub.store().waiting_teams(space, &ids),
        )?;
        let mut instances: HashMap<AgentId, Option<InstanceId>> = takers.iter().cloned().collect();
        let mut candidates = Vec::with_capacity(loads.len());
        for (agent, live) in loads {
            let agent = Arc::new(agent);
            hub.roster.counted(space, &agent, live);
            candidates.push(Candidate {
                instance: instances.remove(&agent.id).flatten(),
                agent,
                live,
            });
        }
        let teams = teams.into_iter().map(|(team, live)| {
            hub.roster.team(&team);
            (Arc::new(team), live)
        });
        Ok(Self::new(candidates, teams))
    }

    /// Of what was read under lock: what is counted there is exact.
    pub fn under_lock(facts: &Facts, takers: &[Taker]) -> Self {
        let candidates = takers.iter().filter_map(|(id, instance)| {
            let agent = facts.agents.get(id).filter(|agent| !agent.archived)?;
            Some(Candidate {
                agent: Arc::new(agent.clone()),
                instance: instance.clone(),
                live: facts.agent_live.get(id)?.len(),
            })
        });
        let teams = facts.teams.values().filter_map(|team| {
            let live = facts.team_live.get(&team.id)?.len();
            Some((Arc::new(team.clone()), live))
        });
        Self::new(candidates.collect(), teams)
    }

    /// Who fits a step, whether it has a slot left or not.
    pub fn fitting(&self, team: TeamId, step: &ProcessStep) -> impl Iterator<Item = &AgentId> {
        let team = self.teams.get(&team).map(|(team, _)| team);
        self.candidates.iter().filter_map(move |c| {
            let member = team?.member(&c.agent.id)?;
            fits(step, &c.agent, member).then_some(&c.agent.id)
        })
    }

    /// The members of the teams that can take no step now.
    pub fn closed(&self) -> impl Iterator<Item = &AgentId> {
        let open = self.open();
        let closed = self.teams.iter().filter(move |(id, _)| !open.contains(id));
        closed.flat_map(|(_, (team, _))| {
            let members = self.candidates.iter().map(|c| &c.agent.id);
            members.filter(|agent| team.member(agent).is_some())
        })
    }

    /// The teams that can still take a step.
    pub fn open(&self) -> Vec<TeamId> {
        let mut open: Vec<TeamId> = self
            .teams
            .iter()
            .filter(|(_, (team, live))| {
                let mut members = self.candidates.iter().filter(|c| c.is_free());
                has_room(team, *live) && members.any(|c| team.member(&c.agent.id).is_some())
            })
            .map(|(id, _)| *id)
            .collect();
        open.sort_unstable();
        open
    }

    /// Who to offer a step to, the best first, which is taken for given; none: nobody can take it now.
    pub fn choose(&mut self, team: TeamId, step: &ProcessStep) -> Option<Vec<Taker>> {
        let (team, live) = self.teams.get_mut(&team)?;
        if !has_room(team, *live) {
            return None;
        }
        // The agent that suspended the step first, one that it was taken from last; then by the members' priority, then the least loaded
        // of its slots.
        let mut fitting: Vec<(usize, (bool, bool, u32, usize))> = self
            .candidates
            .iter()
            .enumerate()
            .filter(|(_, c)| c.is_free())
            .filter_map(|(n, c)| {
                let member = team.member(&c.agent.id)?;
                let first = step.preferred_agent_id.as_ref() != Some(&c.agent.id);
                let load = c.live * 1000 / (c.agent.slots.max(1) as usize);
                let avoided = step.avoid_agent_id.as_ref() == Some(&c.agent.id);
                fits(step, &c.agent, member).then_some((n, (avoided, first, member.priority, load)))
            })
            .collect();
        fitting.sort_by_key(|f| f.1);
        let best = fitting.first()?.0;
        *live += 1;
        self.candidates[best].live += 1;
        let taker = |n: usize| {
            let candidate = &self.candidates[n];
            (candidate.agent.id.clone(), candidate.instance.clone())
        };
        Some(fitting.into_iter().map(|(n, _)| taker(n)).collect())
    }

    /// It was given to this one.
    pub fn take(&mut self, team: TeamId, agent: &AgentId) {
        self.change(team, agent, |live| live + 1);
    }

    /// What was chosen came to nothing.
    pub fn give_back(&mut self, team: TeamId, agent: &AgentId) {
        self.change(team, agent, |live| live.saturating_sub(1));
    }

    fn change(&mut self, team: TeamId, agent: &AgentId, to: fn(usize) -> usize) {
        if let Some((_, live)) = self.teams.get_mut(&team) {
            *live = to(*live);
        }
        if let Some(candidate) = self.candidates.iter_mut().find(|c| c.agent.id == *agent) {
            candidate.live = to(candidate.live);
        }
    }
}

/// Whether a team may have one more step at work.
pub fn has_room(team: &AgentTeam, live: usize) -> bool {
    live < team.configuration.max_concurrent_tasks as usize
}
