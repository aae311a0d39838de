//! Delivery: each room with local subscribers has a cursor. The next seq is delivered, an older one dropped, a later one held until what
//! lies between has come, from a lane or from the log. So loss, repetition and reordering cost a read, never an event.
//!
//! A room's lock is held to move its cursor and to take what is next, not to send it: that is done by one drain at a time, in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use rooms::id::{RoomId, WorkspaceId};
use socketioxide::socket::Sid;
use storage::Store;
use tokio::sync::mpsc;

use crate::hub::{Hub, RelaySlot};
use crate::relay::{Channel, Health};
use crate::wire::{Frame, Sent, Wire};

/// Frames so far beyond a room's cursor are held for a gap to be filled; what lies further is read from the log in its turn.
const HELD: u64 = 4_096;
/// So many sends are done by whoever publishes; more are left to a task, so that nobody's commit waits for a large room.
const INLINE: usize = 64;
/// After so many sends in a row a drain lets others run.
const SLICE: usize = 256;
/// How long a gap is given to fill by itself before the log is read. Another node's message is often a moment behind.
const GAP: Duration = Duration::from_millis(15);

struct Subscriber {
    socket: Sid,
    /// Events up to here were in its ack.
    after: u64,
    /// It wants no more, or could not take one: it must not get what comes after that.
    over: AtomicBool,
}

struct Fan {
    /// Of those who have joined, and so of the room.
    space: WorkspaceId,
    cursor: u64,
    held: BTreeMap<u64, Frame>,
    subscribers: HashMap<Sid, Arc<Subscriber>>,
    /// The subscribers as a drain wants them; made again after one came or went.
    list: Option<Arc<[Arc<Subscriber>]>>,
    draining: bool,
    repairing: bool,
    /// Taken out of the map: whoever still holds it must look there again.
    gone: bool,
}

impl Fan {
    fn list(&mut self) -> Arc<[Arc<Subscriber>]> {
        let subscribers = &self.subscribers;
        Arc::clone(
            self.list
                .get_or_insert_with(|| subscribers.values().cloned().collect()),
        )
    }

    /// Takes what is next, in order, and moves the cursor past it.
    fn next(&mut self) -> Vec<(u64, Frame)> {
        let mut ready = Vec::new();
        while let Some(frame) = self.held.remove(&(self.cursor + 1)) {
            self.cursor += 1;
            ready.push((self.cursor, frame));
        }
        ready
    }

    fn remove(&mut self, socket: Sid) -> bool {
        let Some(subscriber) = self.subscribers.remove(&socket) else {
            return false;
        };
        subscriber.over.store(true, Ordering::Release);
        self.list = None;
        true
    }
}

type Cell = Arc<Mutex<Fan>>;

fn lock(fan: &Cell) -> MutexGuard<'_, Fan> {
    fan.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who hears which room.
#[derive(Clone)]
pub struct Delivery {
    rooms: Arc<DashMap<RoomId, Cell>>,
    wire: Wire,
    store: Store,
    slow: mpsc::UnboundedSender<Sid>,
    left: mpsc::UnboundedSender<(RoomId, Frame)>,
    relay: RelaySlot,
}

impl Delivery {
    /// Delivery over a wire, repaired from a store. Sockets whose buffer is full go to `slow`, and each word of somebody who takes part no longer
    /// goes to `left` once it was sent.
    pub fn new(
        wire: Wire,
        store: Store,
        slow: mpsc::UnboundedSender<Sid>,
        left: mpsc::UnboundedSender<(RoomId, Frame)>,
        relay: RelaySlot,
    ) -> Self {
        Self {
            rooms: Arc::default(),
            wire,
            store,
            slow,
            left,
            relay,
        }
    }

    fn fan(&self, room: RoomId) -> Option<Cell> {
        self.rooms.get(&room).map(|fan| Arc::clone(&fan))
    }

    /// Whether somebody here hears the room.
    pub fn serves(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// The workspace of a room that somebody here has joined.
    pub fn space_of(&self, room: RoomId) -> Option<WorkspaceId> {
        let cell = Arc::clone(&*self.rooms.get(&room)?);
        let fan = lock(&cell);
        Some(fan.space.clone())
    }

    /// Subscribes a socket to what comes after `head`, and acks under the same lock, so that nothing overtakes the ack. False when the
    /// room has moved past `head` meanwhile: read the log again.
    pub fn join(
        &self,
        (room, space): (RoomId, &WorkspaceId),
        head: u64,
        socket: Sid,
        ack: impl FnOnce(),
    ) -> bool {
        loop {
            // The relay hears of a room's first and last subscriber under the map's lock, so in the order in which they were.
            let cell = Arc::clone(&self.rooms.entry(room).or_insert_with(|| {
                self.relay.get().follow(Channel::Room(room));
                Arc::new(Mutex::new(Fan {
                    space: space.clone(),
                    cursor: head,
                    held: BTreeMap::new(),
                    subscribers: HashMap::new(),
                    list: None,
                    draining: false,
                    repairing: false,
                    gone: false,
                }))
            }));
            let mut fan = lock(&cell);
            if fan.gone {
                continue;
            }
            if fan.cursor > head {
                return false;
            }
            fan.remove(socket);
            let subscriber = Subscriber {
                socket,
                after: head,
                over: AtomicBool::new(false),
            };
            fan.subscribers.insert(socket, Arc::new(subscriber));
            fan.list = None;
            ack();
            return true;
        }
    }

    /// Unsubscribes a socket from a room; whether it had joined it.
    pub fn leave(&self, room: RoomId, socket: Sid) -> bool {
        let Some(cell) = self.fan(room) else {
            return false;
        };
        let was_there = lock(&cell).remove(socket);
        self.rooms.remove_if(&room, |_, cell| {
            let mut fan = lock(cell);
            fan.gone = fan.subscribers.is_empty();
            if fan.gone {
                self.relay.get().unfollow(Channel::Room(room));
            }
            fan.gone
        });
        was_there
    }

    /// Whether the socket has joined the room.
    pub fn has_joined(&self, room: RoomId, socket: Sid) -> bool {
        self.fan(room)
            .is_some_and(|cell| lock(&cell).subscribers.contains_key(&socket))
    }

    /// Takes committed events in.
    pub fn publish(&self, room: RoomId, events: impl IntoIterator<Item = (u64, Frame)>) {
        let Some(cell) = self.fan(room) else {
            return;
        };
        let mut fan = lock(&cell);
        for (seq, frame) in events {
            if seq > fan.cursor && seq <= fan.cursor + HELD {
                fan.held.entry(seq).or_insert(frame);
            }
        }
        if fan.draining {
            return;
        }
        if fan.held.contains_key(&(fan.cursor + 1)) {
            let ready = fan.next();
            let list = fan.list();
            if ready.len() * list.len() <= INLINE {
                // Sending to a few is quicker than waking a task. The lock is what keeps another publisher from overtaking.
                for (seq, frame) in &ready {
                    self.send(&list, *seq, frame);
                    self.note(room, frame);
                }
            } else {
                fan.draining = true;
                tokio::spawn(self.clone().drain(room, Arc::clone(&cell), list, ready));
            }
        }
        self.mend(room, &cell, &mut fan);
    }

    /// Sees to it that a gap is repaired.
    fn mend(&self, room: RoomId, cell: &Cell, fan: &mut Fan) {
        if !fan.held.is_empty() && !fan.draining && !fan.repairing {
            fan.repairing = true;
            tokio::spawn(self.clone().repair(room, Arc::clone(cell)));
        }
    }

    async fn drain(
        self,
        room: RoomId,
        cell: Cell,
        mut list: Arc<[Arc<Subscriber>]>,
        mut ready: Vec<(u64, Frame)>,
    ) {
        loop {
            for (seq, frame) in &ready {
                for part in list.chunks(SLICE) {
                    self.send(part, *seq, frame);
                    tokio::task::yield_now().await;
                }
                self.note(room, frame);
            }
            let mut fan = lock(&cell);
            ready = fan.next();
            if ready.is_empty() {
                fan.draining = false;
                self.mend(room, &cell, &mut fan);
                return;
            }
            list = fan.list();
        }
    }

    /// Tells of a frame that was sent to all, where somebody may have to be unsubscribed by it.
    fn note(&self, room: RoomId, frame: &Frame) {
        if frame.is("room.participant_left") {
            let _ = self.left.send((room, frame.clone()));
        }
    }

    fn send(&self, list: &[Arc<Subscriber>], seq: u64, frame: &Frame) {
        let mut sent = 0;
        for subscriber in list {
            if seq <= subscriber.after || subscriber.over.load(Ordering::Acquire) {
                continue;
            }
            sent += 1;
            if self.wire.send(subscriber.socket, frame) == Sent::Full {
                // It costs neither memory nor its neighbours' time: it is cut off, and resumes from its last seq.
                subscriber.over.store(true, Ordering::Release);
                let _ = self.slow.send(subscriber.socket);
            }
        }
        metrics::counter!("baton_deliveries_total").increment(sent);
    }

    /// Reads what lies between from the log, once it has had a moment to come by itself.
    async fn repair(self, room: RoomId, cell: Cell) {
        let mut wait = GAP;
        loop {
            tokio::time::sleep(wait).await;
            let cursor = {
                let mut fan = lock(&cell);
                if fan.gone || fan.held.is_empty() {
                    fan.repairing = false;
                    return;
                }
                fan.cursor
            };
            if self.catch_up(room, cursor).await.is_err() {
                wait = (wait * 2).min(Duration::from_secs(1));
            }
        }
    }

    /// Delivers from the log what comes after `cursor`.
    async fn catch_up(&self, room: RoomId, cursor: u64) -> Result<(), storage::Error> {
        let events = self.store.frames(room, cursor, 500).await?;
        if events.first().is_none_or(|e| e.0 > cursor + 1) {
            let first = self.store.first(room).await?;
            if first > cursor + 1 {
                self.give_up(room, first - 1);
            }
        }
        metrics::counter!("baton_deliveries_from_log_total").increment(events.len() as u64);
        let frames = events
            .into_iter()
            .map(|(seq, name, json)| (seq, Frame::new(&name, &json)));
        self.publish(room, frames);
        Ok(())
    }

    /// What comes next is no longer kept: this node stood still for longer than logs reach back. Whoever has not had it is cut off, and is
    /// told to start over when it resumes.
    fn give_up(&self, room: RoomId, until: u64) {
        let Some(cell) = self.fan(room) else {
            return;
        };
        let mut fan = lock(&cell);
        fan.cursor = fan.cursor.max(until);
        fan.held = fan.held.split_off(&(until + 1));
        for subscriber in fan.subscribers.values().filter(|s| s.after < until) {
            subscriber.over.store(true, Ordering::Release);
            let _ = self.slow.send(subscriber.socket);
        }
    }

    /// Something that is not kept, to everybody in the room but its sender. Who has no room for it goes without.
    pub fn ephemeral(&self, room: RoomId, frame: &Frame, but: Option<Sid>) {
        let Some(cell) = self.fan(room) else {
            return;
        };
        let list = lock(&cell).list();
        for subscriber in list.iter().filter(|s| Some(s.socket) != but) {
            if !subscriber.over.load(Ordering::Acquire) {
                self.wire.send(subscriber.socket, frame);
            }
        }
    }

    /// Compares the cursors of some rooms, or of all that are served here, with the heads of their logs, and reads what is missing.
    pub async fn check(&self, some: Option<&[RoomId]>) -> Result<(), storage::Error> {
        let cursors: HashMap<RoomId, u64> = match some {
            Some(rooms) => rooms
                .iter()
                .filter_map(|room| Some((*room, lock(&self.fan(*room)?).cursor)))
                .collect(),
            // Cloned first: a fan's lock is never taken under one of the map's.
            None => {
                let cells: Vec<(RoomId, Cell)> = self
                    .rooms
                    .iter()
                    .map(|entry| (*entry.key(), Arc::clone(entry.value())))
                    .collect();
                cells
                    .into_iter()
                    .map(|(room, cell)| (room, lock(&cell).cursor))
                    .collect()
            }
        };
        let ids: Vec<RoomId> = cursors.keys().copied().collect();
        for (room, head) in self.store.heads(&ids).await? {
            // What is being delivered right now moves the cursor before it is sent, so a head beyond it is a gap, or a commit on its way.
            let mut cursor = cursors.get(&room).copied().unwrap_or(head);
            while head > cursor {
                self.catch_up(room, cursor).await?;
                let now = self.fan(room).map_or(head, |cell| lock(&cell).cursor);
                if now == cursor {
                    break;
                }
                cursor = now;
            }
        }
        Ok(())
    }
}

/// How often the heads are compared; and how often while other nodes cannot tell what they commit.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_WITHOUT_RELAY: Duration = Duration::from_millis(200);

/// The heads of the rooms that this node serves, again and again: what a gap hides, and the last event before a silence, is found here.
pub async fn sweep(hub: Arc<Hub>) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(EVERY_WITHOUT_RELAY).await;
        let relayed = hub.relay().health() == Health::Up && hub.relay().is_prompt();
        if relayed && last.elapsed() < EVERY {
            continue;
        }
        last = Instant::now();
        if let Err(e) = hub.delivery.check(None).await {
            tracing::debug!(error = %e, "could not compare the heads of rooms");
        }
    }
}
