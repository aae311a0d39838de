//! The life of a client over its connections: one task that writes what is queued, hands on what comes in, and connects
//! again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{self, Message};

use super::backoff::{self, Backoff};
use super::engine::{self, Connection, WebSocket};
use super::packet::{self, Packet};
use super::{AckHandle, ClientOptions, Incoming};

/// What a [`super::Client`] asks of its driver.
#[derive(Debug)]
pub(super) enum Command {
    /// Write the frame; the ack with this id goes to `reply`.
    Send {
        id: u64,
        frame: String,
        reply: oneshot::Sender<Value>,
    },
    /// Write what is queued, say goodbye, end.
    Close,
}

/// Why a connection ended, and what follows from it.
enum End {
    /// The client wants no more.
    Closed,
    /// The server said that coming back is useless.
    Final(String),
    /// Anything else.
    Lost(String),
}

/// Commands on the wire whose ack has not come. Both halves of a connection touch it.
type Pending = Mutex<HashMap<u64, oneshot::Sender<Value>>>;

pub(super) struct Driver {
    options: ClientOptions,
    commands: mpsc::UnboundedReceiver<Command>,
    incoming: mpsc::UnboundedSender<Incoming>,
    backoff: Backoff,
}

impl Driver {
    pub(super) fn new(
        options: ClientOptions,
        commands: mpsc::UnboundedReceiver<Command>,
        incoming: mpsc::UnboundedSender<Incoming>,
    ) -> Self {
        Self {
            options,
            commands,
            incoming,
            backoff: Backoff::default(),
        }
    }

    pub(super) async fn run(mut self, first: Connection) {
        let mut connection = Some(first);
        while let Some(current) = connection.take() {
            // A client whose receiver was dropped wants no events, which is no reason to stop.
            let _ = self.incoming.send(Incoming::Connected);
            let end = self.serve(current).await;
            let (reason, again) = match end {
                End::Closed => ("closed by this client".to_owned(), false),
                End::Final(reason) => (reason, false),
                End::Lost(reason) => (reason, self.options.reconnect),
            };
            let _ = self.incoming.send(Incoming::Disconnected { reason });
            if again {
                connection = self.reconnect().await;
            }
        }
    }

    /// One connection, to its end. Dropping the pending commands tells their callers.
    async fn serve(&mut self, connection: Connection) -> End {
        let (mut sink, stream) = connection.socket.split();
        let (frames, frame_queue) = mpsc::unbounded_channel();
        let pending = Pending::default();
        let reader = Reader {
            stream,
            silence: connection.silence,
            incoming: &self.incoming,
            pending: &pending,
            frames,
            backoff: &mut self.backoff,
            come_back: true,
        };
        // Reading and writing go on side by side, or a server that waits until its acks are read, while we wait
        // until our commands are taken, would stand still with us.
        tokio::select! {
            end = reader.run() => end,
            end = write(&mut sink, &mut self.commands, frame_queue, &pending) => end,
        }
    }

    /// Tries until it is connected; `None` when the client closed or the server refuses for good.
    async fn reconnect(&mut self) -> Option<Connection> {
        loop {
            let wait = self.backoff.next(backoff::random());
            refuse_until(&mut self.commands, tokio::time::sleep(wait)).await?;
            match refuse_until(&mut self.commands, engine::open(&self.options)).await? {
                Ok(connection) => return Some(connection),
                Err(error) if error.is_retryable() => tracing::debug!(%error, "not connected yet"),
                Err(error) => {
                    let _ = self.incoming.send(Incoming::Disconnected {
                        reason: error.to_string(),
                    });
                    return None;
                }
            }
        }
    }
}

/// Runs `work` and meanwhile drops every command, so that its caller learns at once that nothing was sent. `None`: closed.
async fn refuse_until<T>(
    commands: &mut mpsc::UnboundedReceiver<Command>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return Some(done),
            command = commands.recv() => match command {
                Some(Command::Send { .. }) => {}
                Some(Command::Close) | None => return None,
            },
        }
    }
}

async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    mut frames: mpsc::UnboundedReceiver<String>,
    pending: &Pending,
) -> End {
    loop {
        let step = tokio::select! {
            // Pongs and acks first: a burst of commands must not make the server believe that we are dead.
            biased;
            Some(frame) = frames.recv() => sink.feed(Message::text(frame)).await,
            command = commands.recv() => match command {
                Some(Command::Send { id, frame, reply }) => {
                    pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, reply);
                    sink.feed(Message::text(frame)).await
                }
                Some(Command::Close) | None => {
                    let _ = farewell(sink).await;
                    return End::Closed;
                }
            },
        };
        let step = match step {
            Ok(()) if commands.is_empty() && frames.is_empty() => sink.flush().await,
            other => other,
        };
        if let Err(error) = step {
            return End::Lost(format!("the connection broke: {error}"));
        }
    }
}

async fn farewell(sink: &mut SplitSink<WebSocket, Message>) -> Result<(), tungstenite::Error> {
    sink.feed(Message::text(packet::DISCONNECT)).await?;
    sink.close().await
}

struct Reader<'a> {
    stream: SplitStream<WebSocket>,
    silence: Duration,
    incoming: &'a mpsc::UnboundedSender<Incoming>,
    pending: &'a Pending,
    frames: mpsc::UnboundedSender<String>,
    backoff: &'a mut Backoff,
    /// Cleared when `session.closed` says so: the close that follows is final.
    come_back: bool,
}

impl Reader<'_> {
    async fn run(mut self) -> End {
        loop {
            let message = match tokio::time::timeout(self.silence, self.stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return self.end(format!("the connection broke: {error}")),
                Ok(None) => return self.end("the connection closed".to_owned()),
                Err(_) => return self.end("no ping from the server in time".to_owned()),
            };
            let packet = match message {
                Message::Text(text) => packet::decode(&text),
                Message::Binary(_) => {
                    Err("a binary packet, which this client does not read".to_owned())
                }
                Message::Close(_) => {
                    return self.end("the server closed the connection".to_owned());
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            let ended = match packet {
                Ok(packet) => self.take(packet),
                Err(reason) => Some(format!("the server sent {reason}")),
            };
            if let Some(reason) = ended {
                return self.end(reason);
            }
        }
    }

    fn end(&self, reason: String) -> End {
        if self.come_back {
            End::Lost(reason)
        } else {
            End::Final(reason)
        }
    }

    /// Acts on one packet; a reason means that the connection ends here.
    fn take(&mut self, packet: Packet) -> Option<String> {
        match packet {
            Packet::Ping => {
                // A connection that lives to its first ping is not one of those that open and break at once.
                self.backoff.reset();
                let _ = self.frames.send(packet::PONG.to_owned());
            }
            Packet::Event { id, name, data } => {
                self.heed(&name, &data);
                let ack = id.map(|id| AckHandle {
                    id,
                    frames: self.frames.downgrade(),
                });
                let _ = self.incoming.send(Incoming::Event { name, data, ack });
            }
            Packet::Ack { id, data } => {
                let reply = self
                    .pending
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&id);
                if let Some(reply) = reply {
                    self.backoff.reset();
                    let _ = reply.send(data);
                }
            }
            Packet::Noop => {}
            Packet::Close | Packet::Disconnect => {
                return Some("the server ended the session".to_owned());
            }
            Packet::Open(_) | Packet::Connect | Packet::ConnectError(_) => {
                return Some("the server sent a second handshake".to_owned());
            }
        }
        None
    }

    /// The two events of the contract that are about the connection itself.
    fn heed(&mut self, name: &str, data: &Value) {
        match name {
            "session.closed" => {
                self.come_back = data
                    .get("reconnect")
                    .and_then(Value::as_bool)
                    .unwrap_or(true)
            }
            "server.draining" => {
                if let Some(wait) = data.get("reconnectInMs").and_then(Value::as_u64) {
                    self.backoff.ask(Duration::from_millis(wait));
                }
            }
            _ => {}
        }
    }
}
