//! The Socket.IO gateway: one door for all events.
//!
//! Handlers are registered in the connect middleware, before the client is told that it is connected, so that an event sent in that
//! instant is not dropped. Each socket has its own queue and one worker, which gives its commands to their rooms in the order sent, and
//! acks them in that order. Every command is acked, whatever it was.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use rooms::id::{AgentId, InstanceId, RoomId, is_valid_name};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::handoff::AgentHandoff;
use rooms::model::room::{CollaborationRoom, Participant, ParticipantType, RoomRole};
use rooms::policy::{self, Operation};
use rooms::{Code, Refusal, State, request as r};
use serde_json::{Value, json};
use socketioxide::extract::{Event, TryData};
use storage::read::{LogPage, Thing};

use crate::agents::{self, AgentSocket};
use crate::caller::{Asked, Caller, Source, Transport};
use crate::commands::table::Kind::{Flag, Many, One, Text, Whole};
use crate::commands::table::{CommandRow, Does, direct};
use crate::commands::{self, Begun, Key, Payload, Pending};
use crate::contract::{shape, shapes};
use crate::door::Door;
use crate::hub::{Hub, Outcome};
use crate::presence::{self, Entry};
use crate::problem::{problem, storage_refusal};
use crate::session::{self, End};
use crate::transport::Connection;
use crate::wire::{AckSender, Frame, Io, Socket};

/// Commands of one socket that wait; a client that sends faster is told so.
const QUEUE: usize = 1_024;
/// Commands of one socket that are on their way to their rooms.
const AHEAD: usize = 64;
/// Events in one answer.
const PAGE: u64 = 500;

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

/// The commands of a connection itself; every other one is carried out by [`commands::run`].
pub fn rows() -> Vec<CommandRow> {
    let of = |name, summary, operation, fields, handler| {
        direct(name, summary, operation, fields, Does::Socket(handler))
    };
    vec![
        of(
            "room:join",
            "Subscribe to a room: what was missed, then what comes. Without since: the last 50",
            Operation::RoomsRead,
            &[("roomId", Text), ("since?", Whole), ("logId?", Text)],
            |session, data, ack| Box::pin(session.join(data, ack)),
        )
        .has(&[
            ("room", One(shape::<CollaborationRoom>)),
            ("participants", Many(shape::<Participant>)),
            ("events", Many(shape::<rooms::Event>)),
            ("first", Whole),
            ("head", Whole),
            ("logId", Text),
            ("more", Flag),
            ("reset", Flag),
        ]),
        of(
            "room:history",
            "Read a room's log, without a subscription",
            Operation::RoomsRead,
            &[
                ("roomId", Text),
                ("since?", Whole),
                ("before?", Whole),
                ("limit?", Whole),
            ],
            |session, data, _| Box::pin(session.history(data)),
        )
        .has(&[
            ("events", Many(shape::<rooms::Event>)),
            ("first", Whole),
            ("head", Whole),
            ("logId", Text),
            ("more", Flag),
        ]),
        of(
            "room:leave",
            "End the subscription to a room",
            Operation::RoomsRead,
            &[("roomId", Text)],
            |session, data, _| Box::pin(session.leave(data)),
        ),
        of(
            "presence:list",
            "Who is in a room at present",
            Operation::RoomsRead,
            &[("roomId", Text)],
            |session, data, _| Box::pin(session.presence(data)),
        )
        .has(&[("participants", Many(shape::<shapes::Present>))]),
        of(
            "typing:set",
            "Say that the caller types, or no longer does; not kept",
            Operation::RoomsPost,
            &[("roomId", Text), ("typing", Flag)],
            |session, data, _| Box::pin(session.ephemeral("typing.changed", data)),
        ),
        of(
            "message:delta",
            "Stream a piece of a message that is being written; not kept",
            Operation::RoomsPost,
            &[
                ("roomId", Text),
                ("streamId", Text),
                ("index", Whole),
                ("text", Text),
            ],
            |session, data, _| Box::pin(session.ephemeral("message.delta", data)),
        ),
        CommandRow {
            request: Some(shape::<r::AgentReady>()),
            ..of(
                "agent:ready",
                "An agent is there and takes work: what it holds still, what was answered, what it is asked",
                Operation::AgentsReady,
                &[],
                |session, data, _| Box::pin(session.ready(data)),
            )
        }
        .has(&[
            ("agent", One(shape::<Agent>)),
            ("attempts", Many(shape::<shapes::Work>)),
            ("answers", Many(shape::<shapes::Answer>)),
            ("handoffs", Many(shape::<AgentHandoff>)),
        ]),
    ]
}

/// Takes the room's id out of a payload.
fn room_id(payload: &mut Payload) -> Result<RoomId, Refusal> {
    payload.id("roomId", "room")
}

impl Session {
    async fn answer(&mut self, ask: Ask, ahead: &mut Ahead) {
        let result = match ask.data {
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

    async fn leave(&mut self, data: Value) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data)?;
        let room = room_id(&mut payload)?;
        payload.nothing_more()?;
        if self.joined.contains(&room) {
            self.joined.retain(|r| *r != room);
            self.left(room);
        }
        Ok(json!({}))
    }

    async fn presence(&mut self, data: Value) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data)?;
        let room = room_id(&mut payload)?;
        payload.nothing_more()?;
        let state = self.readable(room).await?;
        let participants = state.room.iter().flat_map(|r| &r.participants);
        let agents: Vec<AgentId> = participants
            .filter(|p| p.kind == ParticipantType::Agent)
            .map(|p| p.id.as_str().into())
            .collect();
        let space = &self.principal.workspace_id;
        Ok(presence::list(&self.hub, space, room, &agents))
    }

    fn accept(&self, ack: AckSender, reply: Value) {
        if ack.send(&reply).is_err() && self.socket.connected() {
            // The buffer is full: an ack that cannot be sent must not be lost without a word.
            session::end(&self.hub, self.socket.id, End::SlowConsumer);
        }
    }

    fn member(&self, room: RoomId) -> Entry {
        let kind = kind_of(&self.principal);
        Entry::Member(room, kind, self.principal.id.clone())
    }

    /// What follows from its having left a room.
    fn left(&self, room: RoomId) {
        self.hub.delivery.leave(room, self.socket.id);
        presence::leave(&self.hub, &self.member(room));
    }

    /// The room's state, when the caller may read it.
    async fn readable(&self, room: RoomId) -> Result<State, Refusal> {
        readable(&self.hub, &self.principal, room).await
    }

    /// Answers by itself: the ack goes out in the turn in which the subscription begins.
    async fn join(&mut self, data: Value, ack: &mut Option<AckSender>) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data)?;
        let room = room_id(&mut payload)?;
        let since = payload.whole("since")?;
        let log = payload.text("logId")?;
        payload.nothing_more()?;
        policy::allows(&self.principal, Operation::RoomsRead)?;
        let found = self
            .hub
            .room_of(Thing::Room, &self.principal.workspace_id, room.0)
            .await
            .map_err(|e| storage_refusal(&e))?;
        found.ok_or_else(|| Refusal::not_found("room", room))?;
        for _ in 0..100 {
            let page = self
                .hub
                .store()
                .log(room, since, None, if since.is_some() { PAGE } else { 50 })
                .await
                .map_err(|e| storage_refusal(&e))?
                .ok_or_else(|| Refusal::not_found("room", room))?;
            let resource = self.seen(room, &page).await?;
            let other_log = log.as_ref().is_some_and(|l| *l != page.log_id.to_string());
            let reset = other_log || since.is_some_and(|s| s + 1 < page.first || s > page.head);
            let last = page.events.last().map(|e| e.0);
            let more = !reset && since.is_some_and(|s| last.unwrap_or(s) < page.head);
            let reply = json!({"ok": true, "data": {
                "participants": resource["participants"],
                "room": resource,
                "events": if reset { Vec::new() } else { parsed(&page.events) },
                "first": page.first, "head": page.head, "logId": page.log_id, "more": more, "reset": reset,
            }});
            let joined = self.hub.delivery.join(room, page.head, self.socket.id, || {
                if let Some(ack) = ack.take() {
                    self.accept(ack, reply);
                }
            });
            if joined {
                if !self.joined.contains(&room) {
                    self.joined.push(room);
                    presence::enter(&self.hub, &self.member(room));
                }
                return Ok(Value::Null);
            }
        }
        Err(Refusal::new(
            Code::Unavailable,
            "the room moves too fast to join; try again",
        ))
    }

    /// The room as it is shown beside a page of its log, if the caller may read it.
    async fn seen(&self, room: RoomId, page: &LogPage) -> Result<Value, Refusal> {
        let wrap = |e: storage::Error| storage_refusal(&e);
        let state = self.hub.state_at(room, page.head).await.map_err(wrap)?;
        require(&self.principal, &state, RoomRole::Observer)?;
        let mut resource = json!(state.room);
        resource["head"] = page.head.into();
        resource["first"] = page.first.into();
        resource["logId"] = json!(page.log_id);
        resource["lastActivity"] = json!(page.last_activity);
        if self.hub.cached(room).is_none_or(|c| c.seq < state.seq) {
            self.hub.install(room, state);
        }
        self.hub
            .store()
            .read_marks(room, &mut resource)
            .await
            .map_err(wrap)?;
        Ok(resource)
    }

    async fn history(&self, data: Value) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data)?;
        let room = room_id(&mut payload)?;
        let since = payload.whole("since")?;
        let before = payload.whole("before")?;
        let limit = payload.whole("limit")?.unwrap_or(PAGE);
        payload.nothing_more()?;
        if !(1..=PAGE).contains(&limit) {
            return Err(Refusal::field("limit", format!("must be from 1 to {PAGE}")));
        }
        if since.is_some() && before.is_some() {
            return Err(Refusal::field("before", "give either since or before"));
        }
        self.readable(room).await?;
        let page = self
            .hub
            .store()
            .log(room, since, before, limit)
            .await
            .map_err(|e| storage_refusal(&e))?;
        let page = page.ok_or_else(|| Refusal::not_found("room", room))?;
        let more = match (since, page.events.first(), page.events.last()) {
            (Some(_), _, Some(last)) => last.0 < page.head,
            (None, Some(first), _) => first.0 > page.first,
            _ => false,
        };
        Ok(json!({
            "events": parsed(&page.events), "first": page.first, "head": page.head, "logId": page.log_id, "more": more,
        }))
    }

    /// What is not kept: it needs the join, and a role that may post.
    async fn ephemeral(&self, event: &str, data: Value) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data.clone())?;
        let room = room_id(&mut payload)?;
        if event == "typing.changed" {
            payload.parse::<Typing>()?;
        } else {
            payload.parse::<Delta>()?;
        }
        if !self.hub.delivery.has_joined(room, self.socket.id) {
            return Err(Refusal::forbidden("join the room first (room:join)"));
        }
        let state = self
            .hub
            .state(room)
            .await
            .map_err(|e| storage_refusal(&e))?;
        require(&self.principal, &state, RoomRole::Participant)?;
        let mut out = data;
        out["actor"] = json!(self.principal.actor());
        let event_data =
            json!({"type": event, "roomId": room, "actor": self.principal.actor(), "data": out});
        let frame = Frame::of(event, &event_data);
        self.hub.signal(room, &frame, Some(self.socket.id));
        Ok(json!({}))
    }

    async fn ready(&mut self, data: Value) -> Result<Value, Refusal> {
        let ask: r::AgentReady = Payload::new(data)?.parse()?;
        let agent = self
            .principal
            .agent_id()
            .ok_or_else(|| Refusal::forbidden("agent:ready is for agents"))?;
        let instance = ask
            .instance_id
            .or_else(|| self.principal.instance_id.clone());
        let instance = instance
            .ok_or_else(|| Refusal::field("instanceId", "name this running copy of the agent"))?;
        if !is_valid_name(instance.as_str()) {
            return Err(Refusal::field("instanceId", rooms::id::NAME_RULE));
        }
        let space = self.principal.workspace_id.clone();
        let room = self.hub.workspace_room(&space).await?;
        let asked = Asked {
            action: "agent:ready".to_owned(),
            target: String::new(),
            source: self.source,
        };
        let command = rooms::Command::AgentReady {
            agent_id: agent.clone(),
            slots: ask.slots,
            capabilities: ask.capabilities,
        };
        let mut registered = self
            .hub
            .ask(&self.principal, Some(asked), room, command, None, None)
            .await?
            .data;
        if let Some(old) = ask.replaces.filter(|old| *old != instance) {
            commands::give_up(&self.hub, &self.principal, &agent, &old).await?;
        }
        self.principal.instance_id = Some(instance.clone());
        let new = self
            .hub
            .agents
            .ready(&space, &agent, self.socket.id, &instance);
        if new {
            presence::enter(&self.hub, &Entry::Agent(space.clone(), agent.clone()));
        }
        let wrap = |e: storage::Error| storage_refusal(&e);
        let derived = agents::derive_status(&self.hub, &space, &mut registered);
        derived.await.map_err(wrap)?;
        let store = self.hub.store();
        let mut attempts = Vec::new();
        for (process, attempt, held_by) in
            store.live_attempts(&space, &agent).await.map_err(wrap)?
        {
            if held_by.is_some_and(|h| h != instance) {
                continue;
            }
            let state = self.hub.state(RoomId(process.0)).await.map_err(wrap)?;
            if let Some(p) = &state.process
                && p.attempts
                    .get(&attempt)
                    .is_some_and(|a| a.status == rooms::model::attempt::AttemptStatus::Leased)
            {
                attempts.push(rooms::view::work(p, attempt));
            }
        }
        let answers: Vec<_> = store
            .unused_answers(&space, &agent)
            .await
            .map_err(wrap)?
            .into_iter()
            .map(|(attempt, i)| json!({"response": i["response"], "intervention": i, "attemptId": attempt}))
            .collect();
        let handoffs = store.pending_handoffs(&space, &agent).await.map_err(wrap)?;
        let handoffs: Vec<_> = handoffs.iter().map(rooms::view::received).collect();
        Ok(
            json!({"agent": registered, "attempts": attempts, "answers": answers, "handoffs": handoffs}),
        )
    }
}

/// The room's state, when the principal may read it.
pub async fn readable(hub: &Hub, principal: &Principal, room: RoomId) -> Result<State, Refusal> {
    policy::allows(principal, Operation::RoomsRead)?;
    let wrap = |e: storage::Error| storage_refusal(&e);
    let found = hub
        .room_of(Thing::Room, &principal.workspace_id, room.0)
        .await
        .map_err(wrap)?;
    found.ok_or_else(|| Refusal::not_found("room", room))?;
    let state = hub.state(room).await.map_err(wrap)?;
    hub.install(room, state.clone());
    require(principal, &state, RoomRole::Observer)?;
    Ok(state)
}

/// What a principal is as a participant of a room.
pub fn kind_of(principal: &Principal) -> ParticipantType {
    if principal.agent_id().is_some() {
        ParticipantType::Agent
    } else {
        ParticipantType::Human
    }
}

fn require(principal: &Principal, state: &State, least: RoomRole) -> Result<(), Refusal> {
    let kind = kind_of(principal);
    match policy::role_in(principal, state.given_role(kind, &principal.id)) {
        Some(role) if role >= least => Ok(()),
        Some(role) => Err(Refusal::forbidden(format!(
            "your role here is {}; this needs {}",
            role.as_str(),
            least.as_str()
        ))),
        None => Err(Refusal::forbidden(
            "you do not take part in this room; ask a coordinator for an invitation",
        )),
    }
}

/// Somebody types.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "parsed to be checked; sent on as it came")]
struct Typing {
    typing: bool,
}

/// A piece of a token stream.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "parsed to be checked; sent on as it came")]
struct Delta {
    stream_id: String,
    index: u64,
    text: String,
}

fn take_command_id(data: &mut Value) -> Result<Option<String>, Refusal> {
    match data.as_object_mut().and_then(|o| o.remove("commandId")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if uuid::Uuid::parse_str(&id).is_ok() => Ok(Some(id)),
        Some(_) => Err(Refusal::field("commandId", "must be a UUID")),
    }
}

/// Events as they were written.
pub fn parsed(events: &[(u64, String)]) -> Vec<Value> {
    events
        .iter()
        .map(|e| serde_json::from_str(&e.1).unwrap_or(Value::Null))
        .collect()
}

fn refuse(ack: AckSender, refusal: &Refusal) {
    let _ = ack.send(&json!({"ok": false, "error": problem(refusal)}));
}
