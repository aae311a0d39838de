//! The commands of a connection itself: which rooms it follows, who is there, what is sent on and not kept, and an agent that is there.

use std::sync::Arc;

use rooms::event::{Event, EventBody};
use rooms::id::{AgentId, RoomId, is_valid_name};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::handoff::AgentHandoff;
use rooms::model::room::{CollaborationRoom, Participant, ParticipantType, RoomRole};
use rooms::policy::{self, Operation};
use rooms::{Code, Refusal, State, limits, request as r};
use serde_json::{Value, json};
use storage::log::LogPage;
use storage::read::Thing;
use tokio::sync::mpsc;

use super::Session;
use crate::agents;
use crate::caller::Asked;
use crate::commands::table::Kind::{Flag, Many, One, Text, Whole};
use crate::commands::table::{CommandRow, Does, direct};
use crate::commands::{self, Payload};
use crate::contract::{shape, shapes};
use crate::hub::Hub;
use crate::presence::{self, Entry};
use crate::problem::storage_refusal;
use crate::wire::{AckSender, Frame};

/// Events in one answer.
const PAGE: u64 = 500;

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
            ("events", Many(shape::<Event>)),
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
            ("events", Many(shape::<Event>)),
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

    fn member(&self, room: RoomId) -> Entry {
        let kind = kind_of(&self.principal);
        Entry::Member(room, kind, self.principal.id.clone())
    }

    /// What follows from its having left a room.
    pub(super) fn left(&self, room: RoomId) {
        if self.hub.delivery.leave(room, self.socket.id) {
            presence::leave(&self.hub, &self.member(room));
        }
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
                "events": if reset { Vec::new() } else { parsed(&page.events)? },
                "first": page.first, "head": page.head, "logId": page.log_id, "more": more, "reset": reset,
            }});
            let new = !self.hub.delivery.has_joined(room, self.socket.id);
            let space = &self.principal.workspace_id;
            let joined = self
                .hub
                .delivery
                .join((room, space), page.head, self.socket.id, || {
                    if let Some(ack) = ack.take() {
                        self.accept(ack, reply);
                    }
                });
            if joined {
                if !self.joined.contains(&room) {
                    self.joined.push(room);
                }
                if new {
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
            "events": parsed(&page.events)?, "first": page.first, "head": page.head, "logId": page.log_id, "more": more,
        }))
    }

    /// What is not kept: it needs the join, and a role that may post.
    async fn ephemeral(&self, event: &str, data: Value) -> Result<Value, Refusal> {
        let mut payload = Payload::new(data.clone())?;
        let room = room_id(&mut payload)?;
        if event == "typing.changed" {
            payload.parse::<Typing>()?;
        } else {
            payload.parse::<Delta>()?.check()?;
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
        let space = &self.principal.workspace_id;
        let actor = self.principal.actor();
        let frame = self.hub.passing(room, space, &actor, event, &out);
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
            commands::give_up(&self.hub, &space, &agent, Some(&old)).await?;
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

/// Ends the subscriptions of agents that were removed from a room: an agent has no role but the one that it is given. Whoever else was removed may still
/// read.
pub async fn unsubscribe(hub: Arc<Hub>, mut removed: mpsc::UnboundedReceiver<(RoomId, Frame)>) {
    while let Some((room, frame)) = removed.recv().await {
        let Ok(event) = serde_json::from_str::<Event>(frame.argument()) else {
            continue;
        };
        let EventBody::ParticipantLeft(left) = &event.body else {
            continue;
        };
        if left.kind != ParticipantType::Agent {
            continue;
        }
        // It may be back already, and have joined again.
        let state = hub.state_at(room, event.seq).await;
        if state.is_ok_and(|state| state.given_role(left.kind, &left.id).is_some()) {
            continue;
        }
        let agent = AgentId::from(left.id.as_str());
        for connection in hub.agents.of(&event.workspace_id, &agent) {
            if hub.delivery.leave(room, connection.socket.id) {
                presence::leave(&hub, &Entry::Member(room, left.kind, left.id.clone()));
            }
        }
    }
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
struct Delta {
    stream_id: String,
    #[expect(dead_code, reason = "parsed to be checked; sent on as it came")]
    index: u64,
    text: String,
}

impl Delta {
    fn check(&self) -> Result<(), Refusal> {
        if !is_valid_name(&self.stream_id) {
            return Err(Refusal::field("streamId", rooms::id::NAME_RULE));
        }
        if self.text.len() > limits::TEXT {
            let detail = format!("text: at most {} bytes are taken at once", limits::TEXT);
            return Err(Refusal::new(Code::PayloadTooLarge, detail));
        }
        Ok(())
    }
}

/// Events as they were written.
///
/// # Errors
/// When one cannot be read. A log with a hole in it would be taken for the whole.
pub fn parsed(events: &[(u64, String)]) -> Result<Vec<Value>, Refusal> {
    let read = |e: &(u64, String)| serde_json::from_str(&e.1);
    let events: Result<_, serde_json::Error> = events.iter().map(read).collect();
    events.map_err(|e| storage_refusal(&e.into()))
}
