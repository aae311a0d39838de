//! Steps that become ready are offered in the transaction that makes them so, where an agent of this node can take them: the step has its agent one
//! commit sooner, and the dispatcher need not look for it.
//!
//! First it is guessed, from what is at hand, who that is going to be ([`likely`]), so that the lane locks and counts these along with what it locks
//! anyway. Then, under lock, offers are decided like any other command ([`hand_out`]). What was not foreseen is left to the dispatcher. Nobody who waits
//! is passed over: those that wait keep their slots in their order.

use std::collections::{BTreeMap, BTreeSet};

use rooms::event::{Event, EventBody};
use rooms::facts::{QUEUE, Waiting};
use rooms::id::{AgentId, RoomId, StepId, TeamId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::process::ProcessStatus;
use rooms::model::step::StepPhase;
use rooms::model::team::AgentTeam;
use rooms::{Command, Facts, Needs};

use crate::batch::{Batch, Ground, Loaded};
use crate::board::{Board, Taker, has_room};
use crate::hub::Hub;

/// Who is locked and counted, so that it can be offered a step.
pub type Takers = BTreeMap<WorkspaceId, Vec<Taker>>;

/// Steps of these rooms that these events made ready, and that nobody has yet; in the order in which they are given out.
fn made_ready(
    rooms: &BTreeMap<RoomId, Loaded>,
    events: &[Event],
) -> BTreeMap<WorkspaceId, Vec<(RoomId, Waiting)>> {
    let mut seen = BTreeSet::new();
    let mut ready: BTreeMap<WorkspaceId, Vec<(RoomId, Waiting)>> = BTreeMap::new();
    for event in events {
        if let EventBody::StepReady(change) = &event.body
            && seen.insert((event.room_id, change.id))
            && let Some(waiting) = waiting(rooms, event.room_id, change.id)
        {
            let space = event.workspace_id.clone();
            ready
                .entry(space)
                .or_default()
                .push((event.room_id, waiting));
        }
    }
    for steps in ready.values_mut() {
        steps.sort_by_cached_key(|(_, waiting)| waiting.order());
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
        process_id: process.process.id,
        team_id: process.process.team_id,
        priority: process.process.priority.rank(),
        step: step.clone(),
    })
}

/// Whose slot an event gives back.
fn let_go(rooms: &BTreeMap<RoomId, Loaded>, event: &Event) -> Option<(TeamId, AgentId)> {
    let attempt = event.body.ends()?;
    let process = rooms.get(&event.room_id)?.after.process.as_ref()?;
    let agent = process.attempts.get(&attempt)?.agent_id.clone();
    Some((process.process.team_id, agent))
}

/// Who the steps that a batch is likely to make ready are likely to be offered to, and what is to be known for it.
pub fn likely(
    hub: &Hub,
    rooms: &BTreeMap<RoomId, Loaded>,
    events: &[Event],
) -> (Takers, BTreeMap<WorkspaceId, Needs>) {
    let (mut takers, mut needs) = (Takers::new(), BTreeMap::new());
    for (space, steps) in made_ready(rooms, events) {
        let teams = steps.iter().map(|(_, step)| step.team_id).collect();
        let taker = |agent: &AgentId| hub.agents.taker(&space, agent);
        let mut board = hub.roster.board(&space, &teams, taker);
        for event in events.iter().filter(|event| event.workspace_id == space) {
            if let Some((team, agent)) = let_go(rooms, event) {
                board.give_back(team, &agent);
            }
        }
        let mut chosen = BTreeMap::new();
        let mut wanted = Needs {
            slots: true,
            queue: true,
            ..Needs::default()
        };
        for (_, waiting) in &steps {
            let best = board.choose(waiting.team_id, &waiting.step);
            if let Some(best) = best.and_then(|tries| tries.into_iter().next()) {
                wanted.teams.insert(waiting.team_id);
                chosen.insert(best.0, best.1);
            }
        }
        if !chosen.is_empty() {
            wanted.agents.extend(chosen.keys().cloned());
            needs.insert(space.clone(), wanted);
            takers.insert(space, chosen.into_iter().collect());
        }
    }
    (takers, needs)
}

/// Offers what a batch has made ready to those that were foreseen, if they can take it.
pub(crate) fn hand_out(ground: &mut Ground, batch: &mut Batch) {
    for (space, mut steps) in made_ready(&ground.loaded, &batch.set.events) {
        let Some(takers) = ground.takers.get(&space) else {
            continue;
        };
        let Some(facts) = ground.facts.get_mut(&space) else {
            continue;
        };
        // Where many wait, who is next is for the dispatcher to find.
        let Some(queue) = facts.queue.clone().filter(|queue| queue.len() < QUEUE) else {
            continue;
        };
        let mut board = Board::under_lock(facts, takers);
        if queue.iter().any(|step| !board.knows(step.team_id)) {
            continue;
        }
        let ours: BTreeSet<StepId> = steps.iter().map(|(_, waiting)| waiting.step.id).collect();
        for step in queue {
            let room = RoomId(step.process_id.0);
            // One of the batch's own rooms may have moved on.
            let here = ground.loaded.contains_key(&room);
            let gone = here && waiting(&ground.loaded, room, step.step.id).is_none();
            if !gone && !ours.contains(&step.step.id) {
                steps.push((room, step));
            }
        }
        steps.sort_by_cached_key(|(_, waiting)| waiting.order());
        let system = Principal::system(space.clone());
        for (room, step) in steps {
            // Who waits already gets its slot from the dispatcher.
            let Some(tries) = board.choose(step.team_id, &step.step) else {
                continue;
            };
            let mine = ours.contains(&step.step.id);
            let Some((agent, instance)) = tries.into_iter().next().filter(|_| mine) else {
                continue;
            };
            let Some(loaded) = ground.loaded.get_mut(&room) else {
                continue;
            };
            let command = Command::Offer {
                step_id: step.step.id,
                agent_id: agent.clone(),
                instance_id: instance,
                claim: false,
            };
            let taken = batch.take(loaded, room, &command, &system, None, facts);
            if taken.reply.is_err() {
                board.give_back(step.team_id, &agent);
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

/// Whether every step that became ready has been offered, nobody waited, and what was let go of is of teams that were counted.
pub(crate) fn is_settled(ground: &Ground, events: &[Event]) -> bool {
    let empty = |facts: &Facts| facts.queue.as_ref().is_some_and(Vec::is_empty);
    let counted = |(event, team): (&Event, TeamId)| {
        let facts = ground.facts.get(&event.workspace_id);
        facts.is_some_and(|facts| facts.team_live.contains_key(&team))
    };
    let let_go = |event| Some((event, let_go(&ground.loaded, event)?.0));
    !ground.takers.is_empty()
        && ground.facts.values().all(empty)
        && made_ready(&ground.loaded, events).is_empty()
        && events.iter().filter_map(let_go).all(counted)
}
