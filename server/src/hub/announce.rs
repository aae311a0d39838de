//! What was committed, told to everybody who should know of it: sockets, agents, the other nodes, the dispatcher and the timers.

use std::collections::BTreeSet;
use std::sync::Arc;

use rooms::State;
use rooms::event::{Event, EventBody};
use rooms::id::RoomId;
use storage::read::Thing;

use super::Hub;
use crate::relay::{Channel, Message};
use crate::wire::Frame;

/// An event, and its text as the log has it.
pub struct Logged {
    /// What happened.
    pub event: Event,
    /// The same as JSON.
    pub text: String,
}

impl Logged {
    /// As it goes out.
    pub fn frame(&self) -> Frame {
        Frame::new(&self.event.body.name(), &self.text)
    }
}

/// What a transaction did to one room.
pub struct Committed {
    /// Which.
    pub room: RoomId,
    /// In order.
    pub events: Vec<Logged>,
    /// The state after them, where it was loaded.
    pub state: Option<State>,
    /// What it left for the dispatcher.
    pub left: Left,
}

/// What a transaction left for the dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: what it made ready is given out, provided that whoever let go of a step had a slot to spare.
    Nothing,
    /// What it made ready comes after what waits already.
    More,
    /// What it made ready may be the first to wait.
    First,
}

impl Left {
    /// Where all is given out (`settled`), and where it is not, but others wait (`behind`).
    pub fn of(settled: bool, behind: bool) -> Self {
        match (settled, behind) {
            (true, _) => Self::Nothing,
            (false, true) => Self::More,
            (false, false) => Self::First,
        }
    }
}

/// Whether an event makes no step ready and frees no slot: the dispatcher need not look.
fn leaves_work_alone(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::AssignmentOffered(_)
            | EventBody::AssignmentAccepted(_)
            | EventBody::StepStarted(_)
            | EventBody::StepProgress(_)
            | EventBody::MessagePosted(_)
            | EventBody::CommunicationSent(_)
            | EventBody::CommunicationResponded(_)
            | EventBody::Custom(_)
    )
}

/// Whether an event is about steps that find or leave their agents, or goes with such: where all of that is settled, the dispatcher need not look.
fn may_be_settled(body: &EventBody) -> bool {
    body.begins().is_some()
        || body.ends().is_some()
        || matches!(
            body,
            EventBody::StepReady(_)
                | EventBody::ProcessCreated(_)
                | EventBody::ProcessStarted(_)
                | EventBody::ProcessCompleted(_)
                | EventBody::RoomCreated(_)
                | EventBody::ParticipantJoined(_)
        )
}

impl Hub {
    /// Tells everybody who should know of what was committed.
    pub fn announce(self: &Arc<Self>, committed: Committed) {
        metrics::counter!("baton_events_total").increment(committed.events.len() as u64);
        self.named.note(&committed.events);
        let shared = self.relay().is_shared();
        if shared || self.delivery.serves(committed.room) {
            let frames: Vec<(u64, Frame)> = committed
                .events
                .iter()
                .map(|e| (e.event.seq, e.frame()))
                .collect();
            if shared {
                let events = frames.iter().map(|(seq, f)| (*seq, f.as_str())).collect();
                let message = Message::Events {
                    room: committed.room,
                    events,
                };
                self.relay()
                    .publish(&Channel::Room(committed.room), &message);
            }
            self.delivery.publish(committed.room, frames);
        }
        if let Some(state) = &committed.state {
            if state.process.is_some() {
                let spared = self.learn(&committed);
                crate::addressed::tell(&self.agents, &committed.events, state);
                let settled = committed.left == Left::Nothing && spared;
                let mut bodies = committed.events.iter().map(|e| &e.event.body);
                let wakes = bodies
                    .any(|body| !(leaves_work_alone(body) || settled && may_be_settled(body)));
                if wakes {
                    if committed.left == Left::First {
                        self.await_dispatch(&committed);
                    }
                    self.work.notify_one();
                }
                if wakes
                    && shared
                    && let Some(first) = committed.events.first()
                {
                    let space = first.event.workspace_id.clone();
                    let work = Channel::Work(space.clone());
                    self.relay().publish(&work, &Message::Work { space });
                }
            }
            self.timers.notify_one();
        } else if let Some(mut cached) = self.states.get(&committed.room) {
            // Echoes move only the seq of the workspace's room.
            match committed.events.first() {
                Some(first) if first.event.seq == cached.seq + 1 => {
                    committed.events.iter().for_each(|e| cached.apply(&e.event));
                    self.states.insert(committed.room, cached);
                }
                _ => self.states.invalidate(&committed.room),
            }
        }
    }

    /// Where a step became ready and has not found its agent, the dispatcher has its turn first.
    fn await_dispatch(&self, committed: &Committed) {
        let (mut waiting, mut space) = (BTreeSet::new(), None);
        for Logged { event, .. } in &committed.events {
            match &event.body {
                EventBody::StepReady(change) => {
                    waiting.insert(change.id);
                    space = Some(&event.workspace_id);
                }
                EventBody::AssignmentOffered(offer) => {
                    waiting.remove(&offer.attempt.step_id);
                }
                _ => {}
            }
        }
        if let (false, Some(space)) = (waiting.is_empty(), space) {
            self.roster.waits(space);
        }
    }

    /// Remembers where new things are decided, so that nobody has to ask, and who has what. Whether everybody who let go of a step had a slot to spare.
    fn learn(&self, committed: &Committed) -> bool {
        let mut spared = true;
        for logged in &committed.events {
            let event = &logged.event;
            let space = &event.workspace_id;
            let thing = match &event.body {
                EventBody::ProcessCreated(_) => Some((Thing::Process, event.room_id.0)),
                EventBody::AssignmentOffered(offered) => {
                    Some((Thing::Attempt, offered.attempt.id.0))
                }
                _ => None,
            };
            if let Some(thing) = thing {
                self.homes.insert(thing, (space.clone(), event.room_id));
            }
            if let Some((agent, _)) = event.body.begins() {
                self.roster.began(space, agent);
            }
            let process = committed.state.as_ref().and_then(|s| s.process.as_ref());
            let ended = event.body.ends().and_then(|id| process?.attempts.get(&id));
            if let Some(attempt) = ended {
                spared &= self.roster.can_spare(space, &attempt.agent_id);
                self.roster.ended(space, &attempt.agent_id);
            }
        }
        spared
    }
}
