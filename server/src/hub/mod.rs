//! The hub: the one door for every command, and what a node keeps in memory. Nothing here is lost by a restart.
//!
//! What becomes of what was committed is in [`announce`]; what is remembered of the store in [`known`].

mod announce;
mod known;

use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use dashmap::DashMap;
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::{Actor, Principal};
use rooms::model::room;
use rooms::{Code, Command, Refusal, State, Timestamp};
use serde_json::{Value, json};
use socketioxide::socket::Sid;
use storage::read::Thing;
use storage::webhooks::Hook;
use storage::{Idempotency, Store};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

pub use self::announce::{Committed, Left, Logged};

use crate::agents::Agents;
use crate::caller::Asked;
use crate::clock::Clock;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::gateway::own;
use crate::lane::{self, Job};
use crate::names::Named;
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
    /// Where names were written that are not filed yet.
    pub named: Named,
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
        let (left, removed) = mpsc::unbounded_channel();
        let (refusals, noted) = refusals::channel();
        let hub = Arc::new(Self {
            agents: Agents::new(wire.clone(), slow.clone(), relay.clone()),
            delivery: Delivery::new(wire.clone(), store.clone(), slow, left, relay.clone()),
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
            named: Named::default(),
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
        tokio::spawn(own::unsubscribe(Arc::clone(&hub), removed));
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

    /// An event that is not kept, as it goes out: like one of the log, but without a seq.
    pub fn passing(
        &self,
        room: RoomId,
        space: &WorkspaceId,
        actor: &Actor,
        name: &str,
        data: &Value,
    ) -> Frame {
        let here = || Timestamp(chrono::Utc::now().timestamp_micros());
        let at = self.clock.now().unwrap_or_else(here);
        let event = json!({
            "id": self.clock.id(at), "roomId": room, "type": name, "at": at, "workspaceId": space,
            "channel": room::Channel::General, "actor": actor, "data": data,
        });
        Frame::of(name, &event)
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

    /// Whether a graceful stop is under way.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
