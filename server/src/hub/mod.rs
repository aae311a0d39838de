//! The hub: the one door for every command, and what a node keeps in memory. Nothing here is lost by a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use dashmap::DashMap;
use rooms::event::{Event, EventBody};
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::{Code, Command, Refusal, State, Timestamp};
use serde_json::Value;
use socketioxide::socket::Sid;
use storage::read::Thing;
use storage::webhooks::Hook;
use storage::{Idempotency, Store, Tx};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::agents::Agents;
use crate::caller::Asked;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::lane::{self, Job};
use crate::presence::Presence;
use crate::rate::Rate;
use crate::refusals::{self, Refusals};
use crate::relay::{Alone, Channel, Message, Relay, SharedRelay};
use crate::roster::Roster;
use crate::session::{self, Sessions};
use crate::transport::Transports;
use crate::wire::{Frame, Wire};

/// Commands that wait in one lane; beyond that callers are told to come back.
const QUEUE: usize = 10_000;
/// Things of which it is kept in memory in which room they are decided.
const CACHED_HOMES: u64 = 100_000;

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// For the caller.
    pub data: Value,
    /// The last event's place in the room, where there was one.
    pub seq: Option<u64>,
    /// The first answer again.
    pub repeated: bool,
}

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

/// Where the relay is found once it is known; until then, and without one, a node is alone.
#[derive(Clone, Default)]
pub struct RelaySlot(Arc<OnceLock<SharedRelay>>);

impl RelaySlot {
    /// The relay.
    pub fn get(&self) -> &dyn Relay {
        static ALONE: Alone = Alone;
        self.0.get().map_or(&ALONE, |relay| relay.as_ref())
    }

    fn set(&self, relay: SharedRelay) {
        let _ = self.0.set(relay);
    }
}

/// Counts while it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Unavailable, "the server is stopping; try again")
}

/// The answer of a lane, to be awaited. Its command counts as in flight while this lives.
pub struct Waiting {
    answer: oneshot::Receiver<Result<Outcome, Refusal>>,
    _counted: Counted,
}

impl Future for Waiting {
    type Output = Result<Outcome, Refusal>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.answer).poll(context);
        polled.map(|answer| answer.map_err(|_| stopped())?)
    }
}

/// A node.
pub struct Hub {
    store: Store,
    /// What is in force.
    pub config: Config,
    /// Reaches the sockets.
    pub wire: Wire,
    /// Reaches the connections below them.
    pub transports: Arc<Transports>,
    /// The sessions of this node.
    pub sessions: Sessions,
    /// This run of the node, as the others know it.
    pub node: Uuid,
    /// Who is here, over all nodes.
    pub presence: Presence,
    /// Wakes the look for credentials that no longer hold.
    pub credentials: Notify,
    /// Sockets by room.
    pub delivery: Delivery,
    /// Agents' sockets.
    pub agents: Agents,
    /// Who could take a step, as far as it is remembered.
    pub roster: Roster,
    /// How fast a key may ask.
    pub rate: Rate,
    /// The audit of refusals.
    pub refusals: Refusals,
    /// Wakes the dispatcher.
    pub work: Notify,
    /// Wakes the sender of webhooks.
    pub outbox: Notify,
    /// Wakes the timers.
    pub timers: Notify,
    /// A graceful stop is under way.
    pub draining: AtomicBool,
    /// Commands that are being executed.
    pub in_flight: Arc<AtomicUsize>,
    /// What time it is.
    pub clock: Clock,
    hooks: Mutex<(i64, Arc<Vec<Hook>>)>,
    lanes: OnceLock<Vec<mpsc::Sender<Job>>>,
    relay: RelaySlot,
    states: moka::sync::Cache<RoomId, State>,
    spaces: DashMap<WorkspaceId, RoomId>,
    homes: moka::sync::Cache<(Thing, Uuid), (WorkspaceId, RoomId)>,
}

impl Hub {
    /// A node on a store; its lanes are running.
    pub fn start(store: Store, config: Config) -> Arc<Self> {
        // SQLite has one writer, so one lane batches best. Postgres commits side by side: a lane a core keeps it busy, and more would only
        // make the batches smaller.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let lanes = if store.kind() == "sqlite" {
            1
        } else {
            cores.clamp(1, 16)
        };
        let wire = Wire::default();
        let relay = RelaySlot::default();
        let (slow, lagging) = mpsc::unbounded_channel();
        let (refusals, noted) = refusals::channel();
        let hub = Arc::new(Self {
            agents: Agents::new(wire.clone(), slow.clone(), relay.clone()),
            delivery: Delivery::new(wire.clone(), store.clone(), slow, relay.clone()),
            relay,
            node: Uuid::new_v4(),
            presence: Presence::default(),
            credentials: Notify::new(),
            wire,
            transports: Arc::default(),
            sessions: Sessions::default(),
            store,
            roster: Roster::default(),
            rate: Rate::new(config.rate_limit, config.rate_burst),
            states: moka::sync::Cache::new(config.cache_rooms),
            config,
            refusals,
            work: Notify::new(),
            outbox: Notify::new(),
            hooks: Mutex::default(),
            clock: Clock::default(),
            timers: Notify::new(),
            draining: AtomicBool::new(false),
            in_flight: Arc::default(),
            lanes: OnceLock::new(),
            spaces: DashMap::new(),
            homes: moka::sync::Cache::new(CACHED_HOMES),
        });
        let mut senders = Vec::with_capacity(lanes);
        for _ in 0..lanes {
            let (sender, queue) = mpsc::channel(QUEUE);
            tokio::spawn(lane::run(Arc::clone(&hub), queue));
            senders.push(sender);
        }
        let _ = hub.lanes.set(senders);
        tokio::spawn(session::cut_off_slow(Arc::clone(&hub), lagging));
        tokio::spawn(refusals::write(Arc::clone(&hub), noted));
        hub
    }

    /// What time it is, by the database's clock.
    pub async fn now(&self) -> Result<Timestamp, storage::Error> {
        if let Some(now) = self.clock.now() {
            return Ok(now);
        }
        let now = self.store.now().await?;
        self.clock.note(now);
        Ok(now)
    }

    /// An id for something new.
    pub async fn new_id(&self) -> Result<Uuid, storage::Error> {
        Ok(self.clock.id(self.now().await?))
    }

    /// The store, for reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Runs a command. This is the one path: sockets, REST, timers and the dispatcher all come through here.
    pub async fn execute(
        &self,
        principal: &Principal,
        room: RoomId,
        command: Command,
        key: Option<Idempotency>,
        correlation: Option<String>,
    ) -> Result<Outcome, Refusal> {
        let asked = Asked::by_system(&command);
        self.ask(principal, asked, room, command, key, correlation)
            .await
    }

    /// Runs a command that is audited, where it changes something, as what was asked.
    pub async fn ask(
        &self,
        principal: &Principal,
        asked: Option<Asked>,
        room: RoomId,
        command: Command,
        key: Option<Idempotency>,
        correlation: Option<String>,
    ) -> Result<Outcome, Refusal> {
        self.submit(principal, asked, room, command, key, correlation)?
            .await
    }

    /// Gives a command to its lane. Commands of one room take effect in the order in which they are given.
    pub fn submit(
        &self,
        principal: &Principal,
        asked: Option<Asked>,
        room: RoomId,
        command: Command,
        key: Option<Idempotency>,
        correlation: Option<String>,
    ) -> Result<Waiting, Refusal> {
        rooms::policy::allows(principal, command.operation())?;
        let lanes = self.lanes.get().ok_or_else(stopped)?;
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        room.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % lanes.len() as u64).unwrap_or(0);
        let (reply, answer) = oneshot::channel();
        let job = Job {
            since: Instant::now(),
            principal: principal.clone(),
            asked,
            room,
            command,
            key,
            correlation,
            reply,
        };
        lanes[lane].try_send(job).map_err(|_| {
            Refusal::new(
                Code::Unavailable,
                "too many commands are waiting; try again in a moment",
            )
        })?;
        Ok(Waiting {
            answer,
            _counted: Counted::new(&self.in_flight),
        })
    }

    /// Whether so many commands wait that a connection should not send ahead of its answers.
    pub fn is_busy(&self) -> bool {
        let mut lanes = self.lanes.get().into_iter().flatten();
        lanes.any(|lane| lane.capacity() < QUEUE / 2)
    }

    /// The way to the other nodes.
    pub fn relay(&self) -> &dyn Relay {
        self.relay.get()
    }

    /// Sets the way to the other nodes, once.
    pub fn set_relay(&self, relay: SharedRelay) {
        self.relay.set(relay);
    }

    /// Something that is not kept, to everybody who has joined the room but its sender, on every node.
    pub fn signal(&self, room: RoomId, frame: &Frame, but: Option<Sid>) {
        self.delivery.ephemeral(room, frame, but);
        let message = Message::Signal {
            room,
            frame: frame.as_str(),
        };
        self.relay().publish(&Channel::Room(room), &message);
    }

    /// A credential was revoked: its sessions end, on every node.
    pub fn revoked(&self) {
        self.credentials.notify_one();
        self.relay().publish(&Channel::Nodes, &Message::Revoked);
    }

    /// Tells everybody who should know of what was committed.
    pub fn announce(self: &Arc<Self>, committed: Committed) {
        metrics::counter!("baton_events_total").increment(committed.events.len() as u64);
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

    /// How many rooms' states are in memory.
    pub fn cached_rooms(&self) -> u64 {
        self.states.run_pending_tasks();
        self.states.entry_count()
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

    /// A cached state.
    pub fn cached(&self, room: RoomId) -> Option<State> {
        self.states.get(&room)
    }

    /// Keeps a committed state, unless a newer one is there.
    pub fn install(&self, room: RoomId, state: State) {
        self.states.insert(room, state);
    }

    /// Drops a cached state.
    pub fn forget(&self, room: RoomId) {
        self.states.invalidate(&room);
    }

    /// The webhooks of the store as they were last seen, and at which version of theirs.
    pub fn known_hooks(&self) -> (i64, Arc<Vec<Hook>>) {
        let known = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0, Arc::clone(&known.1))
    }

    /// The webhooks of the store at a version of theirs.
    pub async fn hooks(&self, tx: &mut Tx, version: i64) -> Result<Arc<Vec<Hook>>, storage::Error> {
        if let Ok(known) = self.hooks.lock()
            && known.0 == version
        {
            return Ok(Arc::clone(&known.1));
        }
        let read = Arc::new(tx.hooks().await?);
        if let Ok(mut known) = self.hooks.lock() {
            *known = (version, Arc::clone(&read));
        }
        Ok(read)
    }

    /// The rooms of workspaces; they never change once they are made.
    pub async fn workspace_rooms(
        &self,
        tx: &mut Tx,
        spaces: &BTreeSet<WorkspaceId>,
    ) -> Result<BTreeMap<WorkspaceId, RoomId>, storage::Error> {
        let missing: BTreeSet<_> = spaces
            .iter()
            .filter(|s| !self.spaces.contains_key(*s))
            .cloned()
            .collect();
        for (space, room) in tx.workspace_rooms(&missing).await? {
            self.spaces.insert(space, room);
        }
        Ok(spaces
            .iter()
            .filter_map(|s| self.spaces.get(s).map(|r| (s.clone(), *r)))
            .collect())
    }

    /// The room of a workspace that this node has had to do with.
    pub fn known_workspace_room(&self, space: &WorkspaceId) -> Option<RoomId> {
        self.spaces.get(space).map(|room| *room)
    }

    /// The room of a workspace.
    pub async fn workspace_room(&self, space: &WorkspaceId) -> Result<RoomId, Refusal> {
        if let Some(room) = self.spaces.get(space) {
            return Ok(*room);
        }
        let all = self
            .store
            .workspaces()
            .await
            .map_err(|e| crate::problem::storage_refusal(&e))?;
        for workspace in all {
            self.spaces.insert(workspace.id, workspace.room_id);
        }
        self.spaces
            .get(space)
            .map(|r| *r)
            .ok_or_else(|| Refusal::not_found("workspace", space))
    }

    /// The room that a thing of this workspace is decided in. That never changes, so it is asked once.
    pub async fn room_of(
        &self,
        thing: Thing,
        space: &WorkspaceId,
        id: Uuid,
    ) -> Result<Option<RoomId>, storage::Error> {
        if let Some((home, room)) = self.homes.get(&(thing, id)) {
            return Ok((home == *space).then_some(room));
        }
        let found = self.store.room_of(thing, space, id).await?;
        if let Some(room) = found {
            self.homes.insert((thing, id), (space.clone(), room));
        }
        Ok(found)
    }

    /// The present state of a room, for a view: from memory where it is current, else from the log.
    pub async fn state(&self, room: RoomId) -> Result<State, storage::Error> {
        let heads = self.store.heads(&[room]).await?;
        let head = heads.first().map_or(0, |h| h.1);
        self.state_at(room, head).await
    }

    /// The state of a room at its head, which has just been read.
    pub async fn state_at(&self, room: RoomId, head: u64) -> Result<State, storage::Error> {
        let mut state = match self.states.get(&room).filter(|s| s.seq <= head) {
            Some(state) => state,
            None => self.store.snapshot(room).await?.unwrap_or_default(),
        };
        while state.seq < head {
            let events = self.store.events_from(room, state.seq, 1_000).await?;
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|e| state.apply(e));
        }
        Ok(state)
    }

    /// Whether a graceful stop is under way.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
