//! Steps that become ready are offered in the transaction that makes them so, where an agent of this node can take them: the step has its agent one
//! commit sooner, and the dispatcher need not look for it.
//!
//! First it is guessed, from what is at hand, who that is going to be ([`likely`]), so that the lane locks and counts these along with what it locks
//! anyway. Then, under lock, offers are decided like any other command ([`hand_out`]). What was not foreseen is left to the dispatcher, and so is whoever
//! could take what waits already: nobody who waits is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rooms::event::{Event, EventBody};
use rooms::id::{AgentId, RoomId, StepId, TeamId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::process::ProcessStatus;
use rooms::model::step::{ProcessStep, StepPhase};
use rooms::model::team::AgentTeam;
use rooms::{Command, Needs};

use crate::batch::{Batch, Ground, Loaded};
use crate::board::{Board, Taker, has_room};
use crate::hub::Hub;
use crate::lane::Job;

/// A step that waits for an agent.
struct Waiting {
    room: RoomId,
    team: TeamId,
    priority: i64,
    step: Arc<ProcessStep>,
}

impl Waiting {
    /// The most urgent first, then the one that has waited longest.
    fn order(&self) -> impl Ord + use<> {
        let reversed = std::cmp::Reverse(self.priority);
        (reversed, self.step.ready_at, self.step.id)
    }
}

/// Who is locked and counted, so that it can be offered a step.
pub type Takers = BTreeMap<WorkspaceId, Vec<Taker>>;

/// Steps of these rooms that these events made ready, and that nobody has yet; in the order in which they are given out.
fn made_ready(
    rooms: &BTreeMap<RoomId, Loaded>,
    events: &[Event],
) -> BTreeMap<WorkspaceId, Vec<Waiting>> {
    let mut seen = BTreeSet::new();
    let mut ready: BTreeMap<WorkspaceId, Vec<Waiting>> = BTreeMap::new();
    for event in events {
        if let EventBody::StepReady(change) = &event.body
            && seen.insert((event.room_id, change.id))
            && let Some(waiting) = waiting(rooms, event.room_id, change.id)
        {
            let space = event.workspace_id.clone();
            ready.entry(space).or_default().push(waiting);
        }
    }
    for steps in ready.values_mut() {
        steps.sort_by_cached_key(Waiting::order);
    }
    ready
}

/// A step of these rooms, when it waits for an agent.
fn waiting(rooms: &BTreeMap<RoomId, Loaded>, room: RoomId, step: StepId) -> Option<Waiting> {
    let process = rooms.get(&room)?.after.process.as_ref()?;
    let step = process.step(step)?;
    let waits = process.process.status == ProcessStatus::Running
        && step.phase == Some(StepPhase::Ready)
        && step.process.is_none();
    waits.then(|| Waiting {
        room,
        team: process.process.team_id,
        priority: process.process.priority.rank(),
        step: step.clone(),
    })
}

/// Whether offers may follow from a command at once.
pub fn may_follow(hub: &Hub, job: &Job) -> bool {
    let space = &job.principal.workspace_id;
    job.command.may_ready_a_step() && hub.agents.work_in(space) && hub.roster.is_open(space)
}

/// What a batch is likely to come to.
#[derive(Default)]
pub struct Likely {
    /// Who is likely to be offered something.
    pub takers: Takers,
    /// What is to be known for that.
    pub needs: BTreeMap<WorkspaceId, Needs>,
    /// Something becomes ready while the dispatcher has its turn, and is behind what waits.
    pub behind: bool,
}

/// Whose slot an event gives back.
fn let_go(rooms: &BTreeMap<RoomId, Loaded>, event: &Event) -> Option<(TeamId, AgentId)> {
    let attempt = event.body.ends()?;
    let process = rooms.get(&event.room_id)?.after.process.as_ref()?;
    let agent = process.attempts.get(&attempt)?.agent_id.clone();
    Some((process.process.team_id, agent))
}

/// Who the steps that a batch is likely to make ready are likely to be offered to, and what is to be known for it.
pub fn likely(hub: &Hub, rooms: &BTreeMap<RoomId, Loaded>, events: &[Event]) -> Likely {
    let mut likely = Likely::default();
    for (space, steps) in made_ready(rooms, events) {
        let teams = steps.iter().map(|step| step.team).collect();
        let taker = |agent: &AgentId| hub.agents.taker(&space, agent);
        let Some(mut board) = hub.roster.board(&space, &teams, taker) else {
            likely.behind = true;
            continue;
        };
        for event in events.iter().filter(|event| event.workspace_id == space) {
            if let Some((team, agent)) = let_go(rooms, event) {
                board.give_back(team, &agent);
            }
        }
        let mut chosen = BTreeMap::new();
        let mut wanted = Needs {
            slots: true,
            ..Needs::default()
        };
        for waiting in &steps {
            let best = board.choose(waiting.team, &waiting.step);
            if let Some(best) = best.and_then(|tries| tries.into_iter().next()) {
                wanted.teams.insert(waiting.team);
                chosen.insert(best.0, best.1);
            }
        }
        if !chosen.is_empty() {
            wanted.agents.extend(chosen.keys().cloned());
            likely.needs.insert(space.clone(), wanted);
            likely.takers.insert(space, chosen.into_iter().collect());
        }
    }
    likely
}

/// Offers what a batch has made ready to those that were foreseen, if they can take it.
pub(crate) fn hand_out(ground: &mut Ground, batch: &mut Batch) {
    for (space, steps) in made_ready(&ground.loaded, &batch.set.events) {
        let Some(takers) = ground.takers.get(&space) else {
            continue;
        };
        let Some(facts) = ground.facts.get_mut(&space) else {
            continue;
        };
        let mut board = Board::under_lock(facts, takers);
        let system = Principal::system(space.clone());
        for waiting in steps {
            let tries = board.choose(waiting.team, &waiting.step);
            let best = tries.and_then(|tries| tries.into_iter().next());
            let room = ground.loaded.get_mut(&waiting.room);
            let (Some((agent, instance)), Some(room)) = (best, room) else {
                continue;
            };
            let command = Command::Offer {
                step_id: waiting.step.id,
                agent_id: agent.clone(),
                instance_id: instance,
                claim: false,
            };
            let taken = batch.take(room, waiting.room, &command, &system, None, facts);
            if taken.reply.is_err() {
                board.give_back(waiting.team, &agent);
            }
        }
    }
}

/// Whether some agent or team that is counted has no slot to spare. Then who lets go of a step may be waited for.
pub(crate) fn is_full(ground: &Ground) -> bool {
    ground.facts.values().any(|facts| {
        let agent = |agent: &Agent| {
            let live = facts.agent_live.get(&agent.id);
            live.is_some_and(|live| live.len() >= agent.slots as usize)
        };
        let team = |team: &AgentTeam| {
            let live = facts.team_live.get(&team.id);
            live.is_some_and(|live| !has_room(team, live.len()))
        };
        facts.agents.values().any(agent) || facts.teams.values().any(team)
    })
}

/// Whether every step that became ready has been offered, and what was let go of is of teams that were counted.
pub(crate) fn is_settled(ground: &Ground, events: &[Event]) -> bool {
    let counted = |(event, team): (&Event, TeamId)| {
        let facts = ground.facts.get(&event.workspace_id);
        facts.is_some_and(|facts| facts.team_live.contains_key(&team))
    };
    let let_go = |event| Some((event, let_go(&ground.loaded, event)?.0));
    !ground.takers.is_empty()
        && made_ready(&ground.loaded, events).is_empty()
        && events.iter().filter_map(let_go).all(counted)
}
