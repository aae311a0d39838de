//! Following a room: every event once, in order, without a gap, over any number of connections.
//!
//! This is a client's duty in the contract. It rests on the sequence number alone: what is not the next one is either known
//! already or shows that something lies between, which the room's log then gives.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Client, CommandError, Incoming, Reply};

/// The most events the server gives at once.
const PAGE: u64 = 500;
/// Between two tries of what the server could not do just now.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Why a room can be followed no further.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The server refuses the room, or did not answer.
    #[error("the room cannot be followed: {0}")]
    Command(#[from] CommandError),
    /// The connection ended for good.
    #[error("the connection ended: {0}")]
    Ended(String),
}

/// Where the follower stands with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    /// Connected, and not joined yet.
    Up,
    Joined,
}

/// One room's events, in order.
#[derive(Debug)]
pub struct RoomFollower {
    client: Client,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    room_id: String,
    log_id: Option<String>,
    last: Option<u64>,
    link: Link,
    ready: VecDeque<Value>,
    reason: String,
}

impl RoomFollower {
    /// Follows `room_id` from after `since`; from the room's last 50 events without it. `None` when the client's incoming
    /// stream is already taken: the follower needs it whole.
    #[must_use]
    pub fn new(client: Client, room_id: impl Into<String>, since: Option<u64>) -> Option<Self> {
        let incoming = client.take_incoming()?;
        Some(Self {
            client,
            incoming,
            room_id: room_id.into(),
            log_id: None,
            last: since,
            link: Link::Down,
            ready: VecDeque::new(),
            reason: String::new(),
        })
    }

    /// The next event, as the server's envelope. May be dropped and called again without losing anything.
    ///
    /// # Errors
    /// When the server refuses the room, or the connection ended and will not come back.
    pub async fn next(&mut self) -> Result<Value, FollowError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.link == Link::Up {
                match self.join().await {
                    Ok(()) => self.link = Link::Joined,
                    // The stream says what became of the connection.
                    Err(CommandError::Closed) => self.link = Link::Down,
                    // A server that restarts takes connections before it can serve rooms.
                    Err(error) if error.is_transient() => tokio::time::sleep(RETRY_AFTER).await,
                    Err(error) => return Err(error.into()),
                }
                continue;
            }
            match self.incoming.recv().await {
                Some(Incoming::Connected) => self.link = Link::Up,
                Some(Incoming::Disconnected { reason }) => {
                    self.link = Link::Down;
                    self.reason = reason;
                }
                Some(Incoming::Event { data, .. }) if self.is_ours(&data) => self.offer(data),
                Some(Incoming::Event { .. }) => {}
                None => return Err(FollowError::Ended(std::mem::take(&mut self.reason))),
            }
        }
    }

    fn is_ours(&self, event: &Value) -> bool {
        event.get("roomId").and_then(Value::as_str) == Some(self.room_id.as_str())
            && seq(event).is_some()
    }

    /// Takes an event that follows on, drops a known one, and reads the log again where something lies between.
    fn offer(&mut self, event: Value) {
        if !self.take(event) {
            self.link = Link::Up;
        }
    }

    /// Whether there was no gap before this event.
    fn take(&mut self, event: Value) -> bool {
        let Some(seq) = seq(&event) else { return true };
        match self.last {
            Some(last) if seq <= last => true,
            Some(last) if seq > last + 1 => false,
            _ => {
                self.last = Some(seq);
                self.ready.push_back(event);
                true
            }
        }
    }

    /// Joins from where we stand and reads what the ack had no room for.
    async fn join(&mut self) -> Result<(), CommandError> {
        let mut reply = self
            .ask(
                "room:join",
                json!({"logId": self.log_id, "since": self.last}),
            )
            .await?;
        if reply.data.get("reset").and_then(Value::as_bool) == Some(true) {
            // Another log, or one that no longer reaches back so far: start over with what there is.
            self.last = None;
            self.log_id = None;
            reply = self.ask("room:join", json!({})).await?;
        }
        self.log_id = reply
            .data
            .get("logId")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let head = reply
            .data
            .get("head")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        self.take_all(reply);
        let mut last = *self.last.get_or_insert(head);
        while last < head {
            let reply = self
                .ask("room:history", json!({"since": last, "limit": PAGE}))
                .await?;
            self.take_all(reply);
            let reached = self.last.unwrap_or(head);
            if reached == last {
                // The log moved on under us (retention): the next join says `reset`.
                return Err(CommandError::Malformed(
                    json!({"history": "empty", "since": last, "head": head}),
                ));
            }
            last = reached;
        }
        Ok(())
    }

    fn take_all(&mut self, mut reply: Reply) {
        if let Some(Value::Array(events)) = reply.data.get_mut("events").map(Value::take) {
            for event in events {
                self.take(event);
            }
        }
    }

    async fn ask(&self, name: &str, mut payload: Value) -> Result<Reply, CommandError> {
        if let Value::Object(fields) = &mut payload {
            fields.retain(|_, value| !value.is_null());
            fields.insert("roomId".to_owned(), Value::from(self.room_id.as_str()));
        }
        self.client.command(name, payload).await
    }
}

fn seq(event: &Value) -> Option<u64> {
    event.get("seq").and_then(Value::as_u64)
}
