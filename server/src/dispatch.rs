//! The dispatcher: ready steps find agents. It runs when something was committed, when an agent says it is ready, and once a second.
//! It only proposes; `decide` checks the fit, the slots and the team's limit under lock, so two nodes cannot give one step twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rooms::Command;
use rooms::decide::attempt::fits;
use rooms::id::{AgentId, InstanceId, RoomId, StepId, TeamId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::team::AgentTeam;
use storage::ready::{Place, ReadyStep};

use crate::hub::Hub;
use crate::under_way::UnderWay;

/// Steps are read so many at a time.
pub const PAGE: usize = 500;
/// A round looks at so many pages, and the next one goes on after them: steps that nobody here can take hide none behind them for long, and
/// cost no more than this.
const PAGES: usize = 20;

/// An offer that takes longer waits for a lock that somebody else holds. It is left to itself, and what others can take is not kept waiting.
const OFFERED: Duration = Duration::from_millis(500);

/// So many steps are read beforehand, of the teams that could take some last time. Where more wait, the round trip does not count.
const FEW: usize = 32;

/// What the last round of a workspace saw.
#[derive(Default)]
struct Seen {
    /// How far it looked, where it did not come to the end.
    place: Option<Place>,
    /// The teams that could take a step, where few waited.
    open: Vec<TeamId>,
}

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let mut seen = HashMap::new();
    let offering = UnderWay::default();
    loop {
        let _ = tokio::time::timeout(Duration::from_secs(1), hub.work.notified()).await;
        if hub.is_draining() {
            continue;
        }
        if let Err(e) = round(&hub, &mut seen, &offering).await {
            tracing::warn!(error = %e, "could not look for ready steps");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Gives out what can be given. `seen`: by the last round of each workspace.
async fn round(
    hub: &Arc<Hub>,
    seen: &mut HashMap<WorkspaceId, Seen>,
    offering: &UnderWay<StepId>,
) -> Result<(), storage::Error> {
    let mut spaces: BTreeMap<WorkspaceId, Vec<Taker>> = BTreeMap::new();
    for (space, agent, instance) in hub.agents.takers() {
        spaces.entry(space).or_default().push((agent, instance));
    }
    seen.retain(|space, _| spaces.contains_key(space));
    for (space, takers) in spaces {
        let system = Principal::system(space.clone());
        let last = seen.remove(&space).unwrap_or_default();
        // As a rule the same teams can take a step as last time, so their steps are read beside who they are.
        let (mut board, mut few) = tokio::try_join!(
            Board::read(hub, &space, &takers),
            hub.store().ready_steps(&last.open, None, FEW),
        )?;
        let mut now = Seen::default();
        // The most urgent first, whatever was seen; then on from where the last round stopped.
        let mut deeper = last.place;
        for n in 0..PAGES {
            let open = board.open();
            let (ready, end) = if n == 0 && open == last.open && few.len() < FEW {
                (std::mem::take(&mut few), None)
            } else {
                page(hub, &open, now.place).await?
            };
            if n == 0 && ready.len() < FEW {
                // Where nobody waits, those that could take a step last time are as likely as any to be the next.
                now.open = if open.is_empty() {
                    last.open.clone()
                } else {
                    open
                };
            }
            give_out(hub, &system, &mut board, ready, offering).await;
            now.place = deeper.take().max(end).filter(|_| end.is_some());
            if now.place.is_none() {
                break;
            }
        }
        seen.insert(space, now);
    }
    Ok(())
}

/// Offers what can be taken. An agent whose offer came to nothing is free for the steps after it.
async fn give_out(
    hub: &Arc<Hub>,
    system: &Principal,
    board: &mut Board,
    mut ready: Vec<ReadyStep>,
    offering: &UnderWay<StepId>,
) {
    while !ready.is_empty() {
        let mut rest = Vec::new();
        let mut offers = Vec::new();
        for waiting in ready {
            let Some(begun) = offering.begin(waiting.step.id) else {
                continue;
            };
            match board.choose(&waiting) {
                Some(tries) => {
                    let (hub, system) = (Arc::clone(hub), system.clone());
                    let (team, chosen) = (waiting.team_id, tries[0].0.clone());
                    let offered = tokio::spawn(async move {
                        let _begun = begun;
                        offer(&hub, &system, waiting, tries).await
                    });
                    offers.push(async move {
                        // One that may succeed yet is taken for taken.
                        let taken = match tokio::time::timeout(OFFERED, offered).await {
                            Ok(taken) => taken.unwrap_or_default(),
                            Err(_) => Some(chosen.clone()),
                        };
                        (team, chosen, taken)
                    });
                }
                None => rest.push(waiting),
            }
        }
        let mut freed = false;
        for (team, chosen, taken) in futures::future::join_all(offers).await {
            if taken.as_ref() != Some(&chosen) {
                board.give_back(team, &chosen);
                freed = true;
                if let Some(other) = taken {
                    board.take(team, &other);
                }
            }
        }
        if !freed {
            return;
        }
        ready = rest;
    }
}

/// An agent that takes work, and the running copy to offer to.
pub type Taker = (AgentId, Option<InstanceId>);

struct Candidate {
    agent: Agent,
    instance: Option<InstanceId>,
    live: usize,
}

impl Candidate {
    fn is_free(&self) -> bool {
        self.live < self.agent.slots as usize
    }
}

/// Who could take what, as it was when it was read and as it will be once what was chosen is taken.
pub struct Board {
    candidates: Vec<Candidate>,
    teams: HashMap<TeamId, (AgentTeam, usize)>,
}

impl Board {
    /// Reads it: two queries, however many agents, teams and steps there are.
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
        let candidates = loads.into_iter().map(|(agent, live)| Candidate {
            instance: instances.remove(&agent.id).flatten(),
            agent,
            live,
        });
        Ok(Self {
            candidates: candidates.collect(),
            teams: teams.into_iter().map(|t| (t.0.id, t)).collect(),
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
    pub fn choose(&mut self, waiting: &ReadyStep) -> Option<Vec<Taker>> {
        let (team, live) = self.teams.get_mut(&waiting.team_id)?;
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
                let first = waiting.step.preferred_agent_id.as_ref() != Some(&c.agent.id);
                let load = c.live * 1000 / (c.agent.slots.max(1) as usize);
                let avoided = waiting.step.avoid_agent_id.as_ref() == Some(&c.agent.id);
                fits(&waiting.step, &c.agent, member)
                    .then_some((n, (avoided, first, member.priority, load)))
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

    fn take(&mut self, team: TeamId, agent: &AgentId) {
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

/// The next steps of these teams; and the last place, when more may follow.
///
/// # Errors
/// The database's.
pub async fn page(
    hub: &Hub,
    open: &[TeamId],
    after: Option<Place>,
) -> Result<(Vec<ReadyStep>, Option<Place>), storage::Error> {
    let ready = hub.store().ready_steps(open, after, PAGE).await?;
    let last = ready.get(PAGE - 1).map(|step| step.place);
    Ok((ready, last))
}

fn has_room(team: &AgentTeam, live: usize) -> bool {
    live < team.configuration.max_concurrent_tasks as usize
}

/// Offers to the first that can take it: who has the offer.
async fn offer(
    hub: &Arc<Hub>,
    system: &Principal,
    waiting: ReadyStep,
    tries: Vec<Taker>,
) -> Option<AgentId> {
    for (agent_id, instance_id) in tries {
        let command = Command::Offer {
            step_id: waiting.step.id,
            agent_id: agent_id.clone(),
            instance_id,
            claim: false,
        };
        match hub
            .execute(system, RoomId(waiting.process_id.0), command, None, None)
            .await
        {
            Ok(_) => return Some(agent_id),
            // The step is taken or gone: nobody else need be asked.
            Err(refusal) if refusal.code == rooms::Code::IllegalTransition => break,
            Err(_) => {}
        }
    }
    None
}
