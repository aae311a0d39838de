//! The Socket.IO gateway: one door for all events.
//!
//! Handlers are registered in the connect middleware, before the client is told that it is connected, so that an event sent in that
//! instant is not dropped. Each socket has its own queue and one worker, which gives its commands to their rooms in the order sent, and
//! acks them in that order. Every command is acked, whatever it was.

pub mod own;

use std::collections::VecDeque;
use std::future::ready;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use rooms::id::{InstanceId, RoomId, is_valid_name};
use rooms::model::access::Principal;
use rooms::{Code, Refusal, limits, policy};
use serde_json::{Value, json};
use socketioxide::extract::{Event, TryData};

use crate::agents::{self, AgentSocket};
use crate::caller::{Asked, Caller, Source, Transport};
use crate::commands::table::Does;
use crate::commands::{self, Begun, Key, Pending};
use crate::door::Door;
use crate::hub::{Hub, Outcome};
use crate::presence::{self, Entry};
use crate::problem::problem;
use crate::serve::MAX_BODY;
use crate::session::{self, End};
use crate::transport::Connection;
use crate::wire::{AckSender, Io, Socket};

/// Commands of one socket that wait; a client that sends faster is told so.
const QUEUE: usize = 1_024;
/// Commands of one socket that are on their way to their rooms.
const AHEAD: usize = 64;

type Answered = Result<Outcome, Refusal>;

/// What a connection asks that is not begun.
pub type Asks = Door<Box<Ask>>;

/// One command as it came.
pub struct Ask {
    name: String,
    data: Result<Value, String>,
    ack: AckSender,
}

/// A connection, as its commands see it.
pub struct Session {
    hub: Arc<Hub>,
    socket: Socket,
    principal: Principal,
    source: Source,
    joined: Vec<RoomId>,
}

/// Registers the namespace.
pub fn register(hub: &Arc<Hub>, io: &Io) {
    use socketioxide::handler::ConnectHandler;
    let hub = Arc::clone(hub);
    let middleware =
        async move |socket: Socket, TryData(auth): TryData<Value>| -> Result<(), String> {
            let refused = |refusal: Refusal| refusal.code.as_str().to_owned();
            connect(&hub, socket, auth.unwrap_or(Value::Null))
                .await
                .map_err(refused)
        };
    io.ns("/", (|_: Socket| ready(())).with(middleware));
}

async fn connect(hub: &Arc<Hub>, socket: Socket, auth: Value) -> Result<(), Refusal> {
    if hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is stopping"));
    }
    let text = |name: &str| auth.get(name).and_then(Value::as_str);
    let (key, mut principal) =
        crate::auth::principal(hub, text("token"), text("workspaceId")).await?;
    if let Some(instance) = text("instanceId") {
        if !is_valid_name(instance) {
            return Err(Refusal::field("instanceId", rooms::id::NAME_RULE));
        }
        principal.instance_id = Some(InstanceId::from(instance));
    }
    if let Some(agent) = principal.agent_id() {
        let entry = AgentSocket {
            socket: socket.clone(),
            instance: principal.instance_id.clone(),
            ready: false,
            acknowledged: Arc::default(),
        };
        hub.agents.connect(&principal.workspace_id, &agent, entry);
    }
    metrics::gauge!("baton_connections").increment(1.0);
    let door = Arc::new(Asks::default());
    hub.sessions.open(&socket, &key, Arc::clone(&door));
    let asks = Arc::clone(&door);
    let limits = Arc::clone(hub);
    // The closure runs in order of arrival; only its future is spawned, and that has nothing left to do.
    socket.on_fallback(
        move |Event(name): Event, TryData(data): TryData<Value>, ack: AckSender| {
            if let Err(refusal) = limits.rate.admit(&key) {
                refuse(ack, &refusal);
                return ready(());
            }
            let data = data.map_err(|e| e.to_string());
            if let Err(ask) = asks.enter(Box::new(Ask { name, data, ack }), QUEUE) {
                let detail = format!(
                    "more than {QUEUE} commands of this connection are waiting; await the acks"
                );
                refuse(ask.ack, &Refusal::new(Code::RateLimited, detail));
            }
            ready(())
        },
    );
    // The worker holds the socket and the socket the queue: only the end of the connection breaks that circle.
    let gone = Arc::clone(&door);
    socket.on_disconnect(move || {
        gone.close();
        ready(())
    });
    let peer = socket
        .req_parts()
        .extensions
        .get::<ConnectInfo<Connection>>();
    let source = Source {
        transport: Transport::Socket,
        address: peer.map(|p| p.0.address().ip()),
    };
    let session = Session {
        hub: Arc::clone(hub),
        socket,
        principal,
        source,
        joined: Vec::new(),
    };
    tokio::spawn(work(session, door));
    Ok(())
}

/// Commands of one connection that its rooms have been asked and have not answered. So a client that sends without waiting for each ack
/// fills the lanes' batches, and yet finds its commands done in each room in the order sent, and acked in that order.
type Ahead = VecDeque<(AckSender, Box<Pending>)>;

/// Until the foremost of these commands is answered; it leaves the queue then. May be given up.
async fn foremost(ahead: &mut Ahead) -> Option<(AckSender, Box<Pending>, Answered)> {
    let answer = ahead.front_mut()?.1.decided().await;
    let (ack, pending) = ahead.pop_front()?;
    Some((ack, pending, answer))
}

async fn work(mut session: Session, door: Arc<Asks>) {
    let mut ahead = Ahead::new();
    while !door.is_closed() {
        let more = ahead.is_empty() || ahead.len() < AHEAD && !session.hub.is_busy();
        tokio::select! {
            biased;
            Some((ack, pending, answer)) = foremost(&mut ahead), if !ahead.is_empty() => {
                session.settle(Some(ack), *pending, answer);
            }
            ask = door.next(more) => match ask {
                // In a box of its own, so that a session that waits is small.
                Some(ask) => Box::pin(session.answer(*ask, &mut ahead)).await,
                None => break,
            },
        }
    }
    // What was asked is done, though nobody is there to be told.
    while let Some((_, pending, answer)) = foremost(&mut ahead).await {
        session.settle(None, *pending, answer);
    }
    session.hub.sessions.close(session.socket.id);
    for room in std::mem::take(&mut session.joined) {
        session.left(room);
    }
    let space = session.principal.workspace_id.clone();
    if let Some(agent) = session.principal.agent_id()
        && session
            .hub
            .agents
            .disconnect(&space, &agent, session.socket.id)
    {
        presence::leave(&session.hub, &Entry::Agent(space, agent));
    }
    metrics::gauge!("baton_connections").decrement(1.0);
}

impl Session {
    async fn answer(&mut self, ask: Ask, ahead: &mut Ahead) {
        let result = match ask.data {
            Ok(data) if limits::size_of(&data, MAX_BODY) > MAX_BODY => {
                let detail =
                    format!("the payload is larger than {MAX_BODY} bytes, the most that is taken");
                Err((ask.ack, Refusal::new(Code::PayloadTooLarge, detail)))
            }
            Ok(data) => self.begin(&ask.name, data, ask.ack, ahead).await,
            Err(e) => {
                let refusal = Refusal::field("", format!("the payload cannot be read: {e}"));
                Err((ask.ack, refusal))
            }
        };
        if let Err((ack, refusal)) = result {
            self.catch_up(ahead).await;
            refuse(ack, &refusal);
        }
        if ask.name == "agent:ready"
            && let Some(agent) = self.principal.agent_id()
        {
            let _ = agents::resend(&self.hub, &self.principal.workspace_id, &agent, true).await;
            self.hub.work.notify_one();
        }
    }

    /// Begins a command, and answers it unless its room is to answer.
    async fn begin(
        &mut self,
        name: &str,
        mut data: Value,
        ack: AckSender,
        ahead: &mut Ahead,
    ) -> Result<(), (AckSender, Refusal)> {
        let found = commands::find(name).and_then(|row| Ok((row, take_command_id(&mut data)?)));
        let (row, key) = match found {
            Ok(found) => found,
            Err(refusal) => return Err((ack, refusal)),
        };
        if row.in_turn {
            self.catch_up(ahead).await;
        }
        if let Does::Socket(handler) = &row.does {
            let mut ack = Some(ack);
            let allowed = policy::allows(&self.principal, row.operation);
            let result = match allowed {
                Ok(()) => handler(self, data, &mut ack).await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = &result
                && refusal.code == Code::Forbidden
            {
                self.note(row.name, refusal);
            }
            // A handler that took the ack has answered by itself.
            let Some(ack) = ack else { return Ok(()) };
            return match result {
                Ok(data) => {
                    self.accept(ack, json!({"ok": true, "data": data}));
                    Ok(())
                }
                Err(refusal) => Err((ack, refusal)),
            };
        }
        let key = key.map(|key| Key::of_command(key, name, &data));
        match commands::begin(&self.hub, self.caller(), row, data, key.as_ref()).await {
            Ok(Begun::Done(outcome)) => self.told(ack, Ok(outcome)),
            Ok(Begun::Waits(pending)) => {
                ahead.push_back((ack, pending));
                if row.in_turn {
                    self.catch_up(ahead).await;
                }
            }
            Err(refusal) => return Err((ack, refusal)),
        }
        Ok(())
    }

    fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            source: self.source,
        }
    }

    /// Waits for the answers to everything that was asked before.
    async fn catch_up(&self, ahead: &mut Ahead) {
        while let Some((ack, pending, answer)) = foremost(ahead).await {
            self.settle(Some(ack), *pending, answer);
        }
    }

    /// A room has answered.
    fn settle(&self, ack: Option<AckSender>, pending: Pending, answer: Answered) {
        pending.settle(&self.hub, self.caller(), &answer);
        if let Some(ack) = ack {
            self.told(ack, answer);
        }
    }

    fn told(&self, ack: AckSender, answer: Answered) {
        match answer {
            Ok(outcome) => match outcome.seq {
                None => self.accept(ack, json!({"ok": true, "data": outcome.data})),
                Some(seq) => {
                    self.accept(ack, json!({"ok": true, "data": outcome.data, "seq": seq}));
                }
            },
            Err(refusal) => refuse(ack, &refusal),
        }
    }

    /// A connection's own commands change nothing; what is audited of them is who tried what it may not.
    fn note(&self, name: &str, refusal: &Refusal) {
        let asked = Asked {
            action: name.to_owned(),
            target: String::new(),
            source: self.source,
        };
        self.hub
            .refusals
            .note(asked.refused(&self.principal, refusal));
    }

    fn accept(&self, ack: AckSender, reply: Value) {
        if ack.send(&reply).is_err() && self.socket.connected() {
            // The buffer is full: an ack that cannot be sent must not be lost without a word.
            session::end(&self.hub, self.socket.id, End::SlowConsumer);
        }
    }
}

fn take_command_id(data: &mut Value) -> Result<Option<String>, Refusal> {
    match data.as_object_mut().and_then(|o| o.remove("commandId")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if uuid::Uuid::parse_str(&id).is_ok() => Ok(Some(id)),
        Some(_) => Err(Refusal::field("commandId", "must be a UUID")),
    }
}

fn refuse(ack: AckSender, refusal: &Refusal) {
    let _ = ack.send(&json!({"ok": false, "error": problem(refusal)}));
}
