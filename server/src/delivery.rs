//! Delivery: each room with local subscribers has a cursor. The next seq is delivered, an older one dropped, a later one held until what
//! lies between has come, from a lane or from the log. So loss, repetition and reordering cost a read, never an event.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use rooms::event::Event;
use rooms::id::RoomId;
use serde_json::Value;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;

use crate::hub::Hub;

struct Subscriber {
    socket: SocketRef,
    /// Events up to here were in its ack.
    after: u64,
}

#[derive(Default)]
struct Fan {
    cursor: u64,
    held: BTreeMap<u64, (String, Arc<Value>)>,
    subscribers: HashMap<Sid, Subscriber>,
}

/// Who hears which room.
#[derive(Default)]
pub struct Delivery {
    rooms: DashMap<RoomId, Arc<Mutex<Fan>>>,
}

impl Delivery {
    fn with<T>(&self, room: RoomId, act: impl FnOnce(&mut Fan) -> T) -> Option<T> {
        let fan = self.rooms.get(&room).map(|f| Arc::clone(&f))?;
        let mut fan = fan.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(&mut fan))
    }

    /// Subscribes a socket to what comes after `head`, and acks under the same lock, so that nothing overtakes the ack. False when the
    /// room has moved past `head` meanwhile: read the log again.
    pub fn join(&self, room: RoomId, head: u64, socket: &SocketRef, ack: impl FnOnce()) -> bool {
        let fan = Arc::clone(&self.rooms.entry(room).or_insert_with(|| {
            Arc::new(Mutex::new(Fan {
                cursor: head,
                ..Fan::default()
            }))
        }));
        let mut fan = fan.lock().unwrap_or_else(PoisonError::into_inner);
        if fan.cursor > head {
            return false;
        }
        fan.subscribers.insert(
            socket.id,
            Subscriber {
                socket: socket.clone(),
                after: head,
            },
        );
        ack();
        true
    }

    /// Unsubscribes a socket from a room.
    pub fn leave(&self, room: RoomId, socket: Sid) {
        let empty = self.with(room, |fan| {
            fan.subscribers.remove(&socket);
            fan.subscribers.is_empty()
        });
        if empty == Some(true) {
            self.rooms.remove_if(&room, |_, fan| {
                fan.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .subscribers
                    .is_empty()
            });
        }
    }

    /// Whether the socket has joined the room.
    pub fn has_joined(&self, room: RoomId, socket: Sid) -> bool {
        self.with(room, |fan| fan.subscribers.contains_key(&socket))
            .unwrap_or(false)
    }

    /// Takes committed events in.
    pub fn publish(&self, room: RoomId, events: &[Event]) {
        self.with(room, |fan| {
            for event in events {
                if event.seq > fan.cursor && !fan.held.contains_key(&event.seq) {
                    let value = serde_json::to_value(event).unwrap_or_default();
                    fan.held
                        .insert(event.seq, (event.body.name().into_owned(), Arc::new(value)));
                }
            }
            flush(fan);
        });
    }

    /// Something that is not kept, to everybody in the room but its sender.
    pub fn ephemeral(&self, room: RoomId, name: &str, data: &Value, but: Option<Sid>) {
        self.with(room, |fan| {
            for (id, s) in &fan.subscribers {
                if Some(*id) != but {
                    send(&s.socket, name, data);
                }
            }
        });
    }

    fn cursors(&self) -> Vec<(RoomId, u64)> {
        self.rooms
            .iter()
            .map(|r| {
                (
                    *r.key(),
                    r.value()
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .cursor,
                )
            })
            .collect()
    }
}

fn flush(fan: &mut Fan) {
    while let Some((name, value)) = fan.held.remove(&(fan.cursor + 1)) {
        fan.cursor += 1;
        metrics::counter!("baton_deliveries_total").increment(fan.subscribers.len() as u64);
        for s in fan.subscribers.values() {
            if fan.cursor > s.after {
                send(&s.socket, &name, &value);
            }
        }
    }
    let cursor = fan.cursor;
    fan.held.retain(|seq, _| *seq > cursor);
}

/// A socket whose buffer is full is cut off: it never costs memory or its neighbours' latency, and resumes from its last seq.
pub fn send(socket: &SocketRef, name: &str, data: &Value) {
    if let Err(e) = socket.emit(name, data) {
        if matches!(
            e,
            socketioxide::SendError::Socket(socketioxide::SocketError::Closed)
        ) {
            return;
        }
        metrics::counter!("baton_slow_consumers_total").increment(1);
        let _ = socket.clone().disconnect();
    }
}

/// Once a second, the heads of the rooms that this node serves: what a gap hides, and the last event before a silence, is found here.
pub async fn sweep(hub: Arc<Hub>) {
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(1));
    loop {
        tick.tick().await;
        let cursors = hub.delivery.cursors();
        let ids: Vec<_> = cursors.iter().map(|c| c.0).collect();
        let Ok(heads) = hub.store().heads(&ids).await else {
            continue;
        };
        let heads: HashMap<_, _> = heads.into_iter().collect();
        for (room, cursor) in cursors {
            if heads.get(&room).is_some_and(|head| *head > cursor)
                && let Ok(events) = hub.store().events_from(room, cursor, 500).await
            {
                hub.delivery.publish(room, &events);
            }
        }
    }
}
