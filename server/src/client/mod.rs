//! A Socket.IO client: protocol v5 over Engine.IO v4, WebSocket only.
//!
//! Baton speaks Socket.IO so that an agent in any language connects with its stock client. Rust has no
//! maintained one, and three parts of this project need one: the agents of `baton demo`, `baton tail`, and
//! the black-box tests with their load generator. They must be honest outsiders, so this module
//! uses nothing of the server: it knows the public contract and nothing else.
//!
//! What it promises:
//! - **Order.** [`Client::send`] queues its frame when it is called, not when its future is polled: calls made one
//!   after another reach the wire in that order, however many are in flight.
//! - **An answer to every command.** Each ends in an ack, a refusal, [`CommandError::Closed`] when the
//!   connection went away first (the command may or may not have been executed: repeat it with the same
//!   `commandId`), or [`CommandError::TimedOut`].
//! - **No hidden queue.** A command given while the connection is down fails at once. What was true before an outage
//!   may not be true after it, so the caller decides what to say again once [`Incoming::Connected`] comes.
//! - **Liveness both ways.** It answers the engine's pings, and takes a silence longer than the engine's own
//!   deadline for a dead connection.
//!
//! What it leaves out, and says so when it meets it: polling, TLS, binary packets, namespaces other than `/`.
//!
//! [`packet`] is the wire format, [`engine`] one connection, [`driver`] the life of a client over several
//! connections, [`room`] how to follow a room without a gap.

mod backoff;
mod driver;
mod engine;
mod packet;
mod room;

#[cfg(test)]
mod interop;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use room::{FollowError, RoomFollower};

use driver::{Command, Driver};

/// How long a command waits for its ack.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long [`Client::close`] waits for the farewell to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Where to connect, as whom, and whether to stay.
#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    /// Base address of the server, `http://host:port`; the path `/socket.io/` is added.
    pub url: String,
    /// The `auth` object of the handshake: `{token, workspaceId?, instanceId?}`.
    pub auth: Value,
    /// Connect again, with jittered exponential backoff, when an established connection is lost.
    pub reconnect: bool,
}

/// Why a connection could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be used.
    #[error("the address {url:?} cannot be used: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The network or the HTTP upgrade failed.
    #[error("no connection to the server: {0}")]
    Transport(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// The peer answered, but not in this protocol.
    #[error("the server does not speak Socket.IO v5: {0}")]
    Protocol(String),
    /// The server refused the handshake (`connect_error`).
    #[error("the server refused the connection ({code}): {message}")]
    Refused {
        /// Machine-readable code, such as `unauthenticated`.
        code: String,
        /// What it says for a person; the code when it says nothing.
        message: String,
    },
    /// No complete handshake in time.
    #[error("the server did not complete the handshake in time")]
    TimedOut,
}

impl ConnectError {
    /// Whether another attempt with the same options may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Address { .. } => false,
            Self::Refused { code, .. } => !matches!(
                code.as_str(),
                "unauthenticated" | "forbidden" | "invalid_request"
            ),
            Self::Transport(_) | Self::Protocol(_) | Self::TimedOut => true,
        }
    }
}

/// Why a command has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// The server answered `{ok: false, error}`; this is the problem object.
    #[error("refused: {}", describe_problem(.0))]
    Refused(Value),
    /// The ack had neither `ok: true` nor `ok: false`.
    #[error("the ack has no `ok`: {0}")]
    Malformed(Value),
    /// The connection is down, or went down before the ack came.
    #[error("the connection closed before the answer came")]
    Closed,
    /// No ack in time; the command may still be executed.
    #[error("no answer in time")]
    TimedOut,
}

impl CommandError {
    /// Whether the server could not do it just now (busy, starting, draining) or did not answer: the same command may be
    /// given again after a pause, if it carries a `commandId` or is safe to repeat.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TimedOut)
            || matches!(self.code(), Some("unavailable" | "rate_limited"))
    }

    /// The problem's `code`, when the server refused the command.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => problem.get("code").and_then(Value::as_str),
            _ => None,
        }
    }
}

fn describe_problem(problem: &Value) -> String {
    let text = |key: &str| problem.get(key).and_then(Value::as_str);
    match (text("code"), text("detail").or_else(|| text("title"))) {
        (Some(code), Some(detail)) => format!("{code}: {detail}"),
        (Some(code), None) => code.to_owned(),
        _ => problem.to_string(),
    }
}

/// A command that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The ack's `data`; null when it has none.
    pub data: Value,
    /// The ack's `seq`: where the effect is in the room's log.
    pub seq: Option<u64>,
}

/// What comes from the server, in the order in which it came.
#[derive(Debug)]
pub enum Incoming {
    /// The connection stands: the first time, and after each reconnection.
    Connected,
    /// An event.
    Event {
        /// Its name, such as `work.offered`.
        name: String,
        /// Its first argument; null when it has none.
        data: Value,
        /// Present when the server waits for an acknowledgement.
        ack: Option<AckHandle>,
    },
    /// The connection is gone. The stream ends after this one, unless the client reconnects.
    Disconnected {
        /// Why, for a person.
        reason: String,
    },
}

/// The right to answer one event of the server, once.
#[derive(Debug)]
pub struct AckHandle {
    id: u64,
    // Of the connection that carried the event: an ack means nothing on a later one.
    frames: mpsc::WeakUnboundedSender<String>,
}

impl AckHandle {
    /// Answers with one argument. Without effect when that connection is gone: the server will send the event again.
    pub fn send(self, answer: Value) {
        if let Some(frames) = self.frames.upgrade() {
            let _ = frames.send(packet::encode_ack(self.id, &answer));
        }
    }
}

/// A connection to a Baton server. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::UnboundedSender<Command>,
    next_id: AtomicU64,
    incoming: Mutex<Option<mpsc::UnboundedReceiver<Incoming>>>,
    driver: Mutex<Option<JoinHandle<()>>>,
}

impl Client {
    /// Connects and completes both handshakes.
    ///
    /// # Errors
    /// See [`ConnectError`]. The first connection is tried once, whatever `reconnect` says.
    pub async fn connect(options: ClientOptions) -> Result<Self, ConnectError> {
        let connection = engine::open(&options).await?;
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (incoming_sender, incoming) = mpsc::unbounded_channel();
        let driver = Driver::new(options, command_queue, incoming_sender);
        let driver = tokio::spawn(driver.run(connection));
        Ok(Self {
            shared: Arc::new(Shared {
                commands,
                next_id: AtomicU64::new(0),
                incoming: Mutex::new(Some(incoming)),
                driver: Mutex::new(Some(driver)),
            }),
        })
    }

    /// The stream of what comes in. The first caller gets it, later ones `None`; who needs no events takes it and
    /// drops it. It is not bounded, so that an unread event never holds up an ack behind it: keep reading it.
    #[must_use]
    pub fn take_incoming(&self) -> Option<mpsc::UnboundedReceiver<Incoming>> {
        self.shared
            .incoming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Sends a command and waits for its ack.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(&self, name: &str, payload: Value) -> Result<Reply, CommandError> {
        self.send(name, payload).await
    }

    /// Queues a command now and returns the future of its ack; the future may be dropped without taking the command back.
    pub fn send(
        &self,
        name: &str,
        payload: Value,
    ) -> impl Future<Output = Result<Reply, CommandError>> + Send + use<> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let frame = packet::encode_event(id, name, &payload);
        // A driver that ended drops the command, and `answer` fails at once.
        let _ = self
            .shared
            .commands
            .send(Command::Send { id, frame, reply });
        async move {
            match tokio::time::timeout(ACK_TIMEOUT, answer).await {
                Ok(Ok(ack)) => packet::read_reply(ack),
                Ok(Err(_)) => Err(CommandError::Closed),
                Err(_) => Err(CommandError::TimedOut),
            }
        }
    }

    /// Writes what is queued, says goodbye and closes. Commands that still wait get [`CommandError::Closed`].
    pub async fn close(&self) {
        let _ = self.shared.commands.send(Command::Close);
        let driver = self
            .shared
            .driver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut driver) = driver
            && tokio::time::timeout(CLOSE_TIMEOUT, &mut driver)
                .await
                .is_err()
        {
            driver.abort();
        }
    }
}
