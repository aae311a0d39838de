//! The hub: the one door for every command, and what a node keeps in memory. Nothing here is lost by a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use rooms::event::Event;
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::{Code, Command, Refusal, State};
use serde_json::Value;
use storage::{Idempotency, Store, Tx};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::agents::Agents;
use crate::config::Config;
use crate::delivery::Delivery;
use crate::lane::{self, Job};

/// Commands that wait in one lane; beyond that callers are told to come back.
const QUEUE: usize = 10_000;
/// Rooms whose state is kept in memory.
const CACHED_ROOMS: u64 = 20_000;

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

/// What a transaction did to one room.
pub struct Committed {
    /// Which.
    pub room: RoomId,
    /// In order.
    pub events: Vec<Event>,
    /// The state after them, where it was loaded.
    pub state: Option<State>,
}

/// A node.
pub struct Hub {
    store: Store,
    /// What is in force.
    pub config: Config,
    /// Sockets by room.
    pub delivery: Delivery,
    /// Agents' sockets.
    pub agents: Agents,
    /// Wakes the dispatcher.
    pub work: Notify,
    /// Wakes the timers.
    pub timers: Notify,
    /// A graceful stop is under way.
    pub draining: AtomicBool,
    lanes: OnceLock<Vec<mpsc::Sender<Job>>>,
    states: moka::sync::Cache<RoomId, State>,
    spaces: DashMap<WorkspaceId, RoomId>,
}

impl Hub {
    /// A node on a store; its lanes are running.
    pub fn start(store: Store, config: Config) -> Arc<Self> {
        // SQLite has one writer, so one lane batches best. Postgres commits side by side: two lanes a core keep it busy, and more would only
        // make the batches smaller.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let lanes = if store.kind() == "sqlite" {
            1
        } else {
            (cores * 2).clamp(2, 16)
        };
        let hub = Arc::new(Self {
            store,
            config,
            delivery: Delivery::default(),
            agents: Agents::default(),
            work: Notify::new(),
            timers: Notify::new(),
            draining: AtomicBool::new(false),
            lanes: OnceLock::new(),
            states: moka::sync::Cache::new(CACHED_ROOMS),
            spaces: DashMap::new(),
        });
        let mut senders = Vec::with_capacity(lanes);
        for _ in 0..lanes {
            let (sender, queue) = mpsc::channel(QUEUE);
            tokio::spawn(lane::run(Arc::clone(&hub), queue));
            senders.push(sender);
        }
        let _ = hub.lanes.set(senders);
        hub
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
        rooms::policy::allows(principal, command.operation())?;
        let stopped = || Refusal::new(Code::Unavailable, "the server is stopping; try again");
        let lanes = self.lanes.get().ok_or_else(stopped)?;
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        room.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % lanes.len() as u64).unwrap_or(0);
        let (reply, answer) = oneshot::channel();
        let job = Job {
            principal: principal.clone(),
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
        answer.await.map_err(|_| stopped())?
    }

    /// Tells everybody who should know of what was committed.
    pub fn announce(self: &Arc<Self>, committed: Committed) {
        metrics::counter!("baton_events_total").increment(committed.events.len() as u64);
        self.delivery.publish(committed.room, &committed.events);
        if let Some(state) = &committed.state {
            if state.process.is_some() {
                self.agents.tell(&committed.events, state);
                self.work.notify_one();
            }
            self.timers.notify_one();
        } else if let Some(mut cached) = self.states.get(&committed.room) {
            // Echoes move only the seq of the workspace's room.
            match committed.events.first() {
                Some(first) if first.seq == cached.seq + 1 => {
                    committed.events.iter().for_each(|e| cached.apply(e));
                    self.states.insert(committed.room, cached);
                }
                _ => self.states.invalidate(&committed.room),
            }
        }
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

    /// The present state of a room, for a view: from memory where it is current, else from the log.
    pub async fn state(&self, room: RoomId) -> Result<State, storage::Error> {
        let heads = self.store.heads(&[room]).await?;
        let head = heads.first().map_or(0, |h| h.1);
        let mut state = match self.states.get(&room).filter(|s| s.seq <= head) {
            Some(state) => state,
            None => {
                let mut tx = self.store.lane_tx().await?;
                tx.snapshot(room).await?.unwrap_or_default()
            }
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
