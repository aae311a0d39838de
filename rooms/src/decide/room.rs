//! Rooms: who takes part, and what is said in them.

use serde_json::{Value, json};

use super::start::{initiator, participant};
use super::{Decider, Ruled, check_text};
use crate::event::{
    CommunicationChange, CommunicationExpiry, Custom, EventBody, MessageEdit, MessageRemoval,
    ParticipantChange, RoomChange,
};
use crate::facts::Posted;
use crate::id::{CommunicationId, MessageId, NAME_RULE, RoomId, WorkspaceId, is_valid_name};
use crate::model::communication::{AgentCommunication, CommunicationResponse};
use crate::model::room::Participant;
use crate::model::room::{
    Channel, CollaborationRoom, Message, ParticipantType, RoomRole, RoomType,
};
use crate::refusal::together;
use crate::request as r;
use crate::{Code, FieldError, Refusal, limits};

/// A room has at most so many participants.
const MAX_PARTICIPANTS: usize = 1_000;

impl Decider<'_> {
    pub(super) fn create_room(&mut self, id: RoomId, input: &r::CreateRoom) -> Ruled {
        if self.state.room.is_some() {
            return Err(Refusal::new(Code::Conflict, "this room exists"));
        }
        let mut errors = Vec::new();
        super::start::check_name("name", &input.name, &mut |path, message| {
            errors.push(FieldError { path, message });
        });
        if input.process_id.is_some() && input.kind != RoomType::Process {
            errors.push(FieldError::new(
                "processId",
                "only a process's own room belongs to it, and that is made with it",
            ));
        }
        crate::refusal::all_valid(errors)?;
        match (input.kind, input.team_id) {
            (RoomType::Process, _) => {
                return Err(Refusal::field(
                    "type",
                    "a process has only its own room; make a team or workspace room",
                ));
            }
            (RoomType::Team, None) => {
                return Err(Refusal::field("teamId", "a team's room needs its team"));
            }
            (_, Some(team)) if !self.ctx.facts.teams.contains_key(&team) => {
                return Err(Refusal::not_found("team", team));
            }
            _ => {}
        }
        let mut participants: Vec<Participant> =
            initiator(self, RoomRole::Supervisor).into_iter().collect();
        let mut errors = Vec::new();
        for (n, who) in input.participants.iter().enumerate() {
            match self.check_participant(who) {
                Err(wrong) if wrong.code == Code::InvalidRequest => {
                    let at = |e: FieldError| {
                        FieldError::new(format!("participants[{n}].{}", e.path), e.message)
                    };
                    errors.extend(wrong.errors.into_iter().map(at));
                }
                other => other?,
            }
            if !participants
                .iter()
                .any(|p| (p.kind, &p.id) == (who.kind, &who.id))
            {
                let role = who.role.unwrap_or(RoomRole::Participant);
                participants.push(participant(&who.id, who.kind, role, self.now()));
            }
        }
        if participants.len() > MAX_PARTICIPANTS {
            errors.push(FieldError::new(
                "participants",
                format!("at most {MAX_PARTICIPANTS}"),
            ));
        }
        crate::refusal::all_valid(errors)?;
        let room = CollaborationRoom {
            id,
            name: input.name.clone(),
            kind: input.kind,
            workspace_id: self.ctx.principal.workspace_id.clone(),
            process_id: None,
            team_id: input.team_id,
            participants,
            channels: Channel::ALL.to_vec(),
            head: 1,
            first: 1,
            log_id: self.ctx.id(),
            created_at: self.now(),
            last_activity: self.now(),
            archived: false,
        };
        self.emit(EventBody::RoomCreated(room.clone()));
        Ok(super::json(&room))
    }

    /// Every workspace has a room of its own, made with it.
    pub(super) fn create_workspace_room(
        &mut self,
        id: &WorkspaceId,
        room_id: RoomId,
        name: &str,
    ) -> Ruled {
        if self.state.room.is_some() {
            return Ok(Value::Null);
        }
        let room = CollaborationRoom {
            id: room_id,
            name: name.to_owned(),
            kind: RoomType::Workspace,
            workspace_id: id.clone(),
            process_id: None,
            team_id: None,
            participants: Vec::new(),
            channels: Channel::ALL.to_vec(),
            head: 0,
            first: 1,
            log_id: self.ctx.id(),
            created_at: self.now(),
            last_activity: self.now(),
            archived: false,
        };
        self.emit(EventBody::RoomCreated(room));
        Ok(Value::Null)
    }

    fn check_participant(&self, who: &r::ParticipantInput) -> Result<(), Refusal> {
        if who.id.is_empty() || who.id.len() > 255 || !who.id.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(Refusal::field(
                "id",
                "must be 1 to 255 visible ASCII characters",
            ));
        }
        if who.kind == ParticipantType::Agent {
            let agent = crate::id::AgentId(who.id.clone());
            if self.ctx.facts.agents.get(&agent).is_none_or(|a| a.archived) {
                return Err(Refusal::not_found("agent", agent));
            }
        }
        Ok(())
    }

    pub(super) fn invite(&mut self, who: &r::ParticipantInput) -> Ruled {
        let mine = self.require_role(RoomRole::Coordinator)?;
        self.open_room()?;
        self.check_participant(who)?;
        let given = self.state.given_role(who.kind, &who.id);
        // Without a role somebody new takes part, and somebody who does already stays what they are.
        let role = who.role.or(given).unwrap_or(RoomRole::Participant);
        if role > mine {
            return Err(Refusal::forbidden(format!(
                "a {} cannot make a {}",
                mine.as_str(),
                role.as_str()
            )));
        }
        match given {
            Some(same) if same == role => {}
            Some(RoomRole::Supervisor) if self.is_last_supervisor(who.kind, &who.id) => {
                return Err(last_supervisor());
            }
            Some(other) if other > mine => {
                return Err(Refusal::forbidden(format!(
                    "a {} cannot change a {}",
                    mine.as_str(),
                    other.as_str()
                )));
            }
            Some(_) => self.emit(EventBody::RoleChanged(ParticipantChange {
                id: who.id.clone(),
                kind: who.kind,
                role: Some(role),
            })),
            None => {
                if self
                    .state
                    .room
                    .as_ref()
                    .is_some_and(|room| room.participants.len() >= MAX_PARTICIPANTS)
                {
                    return Err(Refusal::new(
                        Code::Conflict,
                        format!("a room has at most {MAX_PARTICIPANTS} participants"),
                    ));
                }
                let joined = participant(&who.id, who.kind, role, self.now());
                self.emit(EventBody::ParticipantJoined(joined));
            }
        }
        let room = self.state.room.as_ref();
        Ok(json!(room.and_then(|room| {
            room.participants
                .iter()
                .find(|p| (p.kind, &p.id) == (who.kind, &who.id))
        })))
    }

    pub(super) fn remove_participant(&mut self, who: &r::RemoveParticipant) -> Ruled {
        let principal = self.ctx.principal;
        let kind = if principal.agent_id().is_some() {
            ParticipantType::Agent
        } else {
            ParticipantType::Human
        };
        let themselves = (kind, &principal.id) == (who.kind, &who.id);
        let mine = if themselves {
            None
        } else {
            Some(self.require_role(RoomRole::Coordinator)?)
        };
        let room = self.state.room.as_ref();
        let removed = room
            .and_then(|room| {
                let is_it = |p: &&Participant| (p.kind, &p.id) == (who.kind, &who.id);
                room.participants.iter().find(is_it).cloned()
            })
            .ok_or_else(|| Refusal::not_found("participant", &who.id))?;
        if let Some(mine) = mine
            && removed.role > mine
        {
            return Err(Refusal::forbidden(format!(
                "a {} cannot remove a {}",
                mine.as_str(),
                removed.role.as_str()
            )));
        }
        if removed.role == RoomRole::Supervisor && self.is_last_supervisor(who.kind, &who.id) {
            return Err(last_supervisor());
        }
        self.emit(EventBody::ParticipantLeft(ParticipantChange {
            id: who.id.clone(),
            kind: who.kind,
            role: None,
        }));
        Ok(super::json(&removed))
    }

    /// Whether nobody else supervises the room.
    fn is_last_supervisor(&self, kind: ParticipantType, id: &str) -> bool {
        !self.state.room.iter().any(|room| {
            room.participants
                .iter()
                .any(|p| p.role == RoomRole::Supervisor && (p.kind, p.id.as_str()) != (kind, id))
        })
    }

    /// An archived room hears nothing new, but for what comes late to questions that were asked in it.
    pub(super) fn open_room(&self) -> Result<(), Refusal> {
        match &self.state.room {
            Some(room) if room.archived => Err(Refusal::illegal(
                "the room is archived: its process has ended and nobody said anything for long. It can be read until its log is removed; \
                 talk in the team's room, or retry the process if it failed, which opens the room again",
            )),
            _ => Ok(()),
        }
    }

    /// The room lay idle since its process ended: it is closed, and after a while its log is removed. Whoever found it idle says where its log
    /// ended then, so that whatever came meanwhile counts.
    pub(super) fn archive_room(&mut self, head: u64) -> Ruled {
        let process = self.process()?;
        if !process.process.status.is_terminal() {
            return Err(Refusal::illegal("the process is alive, and so is its room"));
        }
        self.open_room()?;
        let Some(room) = self.state.room.as_ref().filter(|_| self.state.seq == head) else {
            return Err(Refusal::illegal("something has happened in the room since"));
        };
        self.emit(EventBody::RoomArchived(RoomChange {
            id: room.id,
            archived: true,
        }));
        Ok(Value::Null)
    }

    pub(super) fn post_message(&mut self, post: &r::PostMessage) -> Ruled {
        let stream = post.stream_id.as_deref();
        together([
            check_text("body", &post.body),
            check_mentions(&post.mentions),
            limits::check_metadata(&post.metadata),
            match stream {
                Some(stream) if !is_valid_name(stream) => {
                    Err(Refusal::field("streamId", NAME_RULE))
                }
                _ => Ok(()),
            },
        ])?;
        self.require_role(RoomRole::Participant)?;
        self.open_room()?;
        if let Some(id) = post.reply_to {
            self.posted(id)?;
        }
        if let Some(stream) = &post.stream_id {
            let room = self.state.room.as_ref().map(|room| room.id);
            let ended = room.and_then(|r| self.ctx.facts.streams.get(&(r, stream.clone())));
            if let Some(id) = ended {
                return Err(
                    Refusal::new(Code::Conflict, "a message has ended this stream before")
                        .with_context(json!({"messageId": id})),
                );
            }
        }
        let id: MessageId = self.ctx.id();
        let message = Message {
            id,
            body: post.body.clone(),
            kind: post.kind,
            mentions: post.mentions.clone(),
            reply_to: post.reply_to,
            priority: post.priority,
            metadata: post.metadata.clone(),
            stream_id: post.stream_id.clone(),
            author: self.ctx.actor(),
        };
        let reply = super::json(&message);
        self.emit_in(post.channel, EventBody::MessagePosted(message));
        Ok(reply)
    }

    /// A message of this room that is still there.
    fn posted(&self, id: MessageId) -> Result<&Posted, Refusal> {
        let room = self.state.room.as_ref().map(|room| room.id);
        let found = self.ctx.facts.messages.get(&id);
        let found = found.filter(|m| Some(m.room) == room);
        match found {
            None => Err(Refusal::not_found("message", id)),
            Some(m) if m.removed => Err(Refusal::illegal("the message was removed")),
            Some(m) => Ok(m),
        }
    }

    /// Its author, or somebody who moderates the room, changes or removes a message: in its channel, which is given.
    fn may_change(&self, id: MessageId) -> Result<Channel, Refusal> {
        let role = self.require_role(RoomRole::Participant)?;
        self.open_room()?;
        let posted = self.posted(id)?;
        let principal = self.ctx.principal;
        let mine = posted.author.0 == principal.kind && posted.author.1 == principal.id;
        if mine || role >= RoomRole::Coordinator {
            return Ok(posted.channel);
        }
        Err(Refusal::forbidden(
            "only its author or a coordinator of the room changes or removes a message",
        ))
    }

    pub(super) fn edit_message(&mut self, edit: &r::EditMessage) -> Ruled {
        together([
            check_text("body", &edit.body),
            check_mentions(&edit.mentions),
        ])?;
        let channel = self.may_change(edit.message_id)?;
        let change = MessageEdit {
            id: edit.message_id,
            body: edit.body.clone(),
            mentions: edit.mentions.clone(),
        };
        let reply = super::json(&change);
        self.emit_in(channel, EventBody::MessageEdited(change));
        Ok(reply)
    }

    pub(super) fn remove_message(&mut self, which: &r::RemoveMessage) -> Ruled {
        if let Some(reason) = &which.reason {
            check_text("reason", reason)?;
        }
        let channel = self.may_change(which.message_id)?;
        let removal = MessageRemoval {
            id: which.message_id,
            reason: which.reason.clone(),
        };
        let reply = super::json(&removal);
        self.emit_in(channel, EventBody::MessageRemoved(removal));
        Ok(reply)
    }

    pub(super) fn broadcast(&mut self, event: &r::Broadcast) -> Ruled {
        together([
            match is_valid_name(&event.name) {
                true => Ok(()),
                false => Err(Refusal::field("name", NAME_RULE)),
            },
            limits::check("data", &event.data, limits::METADATA),
        ])?;
        self.require_role(RoomRole::Participant)?;
        self.open_room()?;
        if !event.ephemeral {
            let name = format!("custom.{}", event.name);
            self.emit(EventBody::Custom(Custom {
                name,
                data: event.data.clone(),
            }));
        }
        Ok(json!({}))
    }

    /// Reading marks are no events: the lane writes them beside the log, and says how far it is then.
    pub(super) fn mark_read(&mut self) -> Ruled {
        self.require_role(RoomRole::Observer)?;
        Ok(json!({}))
    }

    pub(super) fn send_communication(&mut self, send: &r::SendCommunication) -> Ruled {
        let timeout = send.response_timeout_ms.unwrap_or(1);
        together([
            check_text("message", &send.message),
            limits::check_metadata(&send.metadata),
            match (1..=limits::LONGEST_MS).contains(&timeout) {
                true => Ok(()),
                false => Err(Refusal::field(
                    "responseTimeoutMs",
                    "must be from 1 ms to a year",
                )),
            },
        ])?;
        let process = self.process()?;
        self.require_role(RoomRole::Participant)?;
        self.open_room()?;
        if self
            .ctx
            .facts
            .agents
            .get(&send.to_agent_id)
            .is_none_or(|a| a.archived)
        {
            return Err(Refusal::not_found("agent", &send.to_agent_id));
        }
        if self
            .state
            .given_role(ParticipantType::Agent, send.to_agent_id.as_str())
            .is_none()
        {
            return Err(Refusal::field(
                "toAgentId",
                format!("{} does not take part in this process", send.to_agent_id),
            ));
        }
        let from = match (self.ctx.principal.agent_id(), &send.from_agent_id) {
            (Some(me), Some(other)) if me != *other => {
                return Err(Refusal::forbidden(
                    "an agent speaks only for itself: leave out fromAgentId",
                ));
            }
            (Some(me), _) => me,
            (None, Some(from)) => {
                if self
                    .state
                    .given_role(ParticipantType::Agent, from.as_str())
                    .is_none()
                {
                    return Err(Refusal::field(
                        "fromAgentId",
                        format!("{from} does not take part in this process"),
                    ));
                }
                from.clone()
            }
            (None, None) => self.ctx.principal.id.as_str().into(),
        };
        let timeout = send.response_timeout_ms.map(|ms| self.now().plus_ms(ms));
        let sent = AgentCommunication {
            id: self.ctx.id(),
            from_agent_id: from,
            to_agent_id: send.to_agent_id.clone(),
            process_id: process.process.id,
            message: send.message.clone(),
            kind: send.kind,
            priority: send.priority,
            timestamp: self.now(),
            metadata: send.metadata.clone(),
            respond_by: timeout.filter(|_| send.kind.awaits_response()),
            response: None,
            expired: false,
        };
        self.emit(EventBody::CommunicationSent(sent.clone()));
        Ok(super::json(&sent))
    }

    /// The deadline passed: the sender is told, and a response comes too late.
    pub(super) fn expire_communication(&mut self, open: &AgentCommunication) -> Ruled {
        self.emit(EventBody::CommunicationExpired(CommunicationExpiry {
            id: open.id,
            from_agent_id: open.from_agent_id.clone(),
            to_agent_id: open.to_agent_id.clone(),
        }));
        Ok(Value::Null)
    }

    pub(super) fn respond_communication(
        &mut self,
        id: CommunicationId,
        say: &r::RespondCommunication,
    ) -> Ruled {
        together([
            check_text("message", &say.message),
            limits::check_metadata(&say.metadata),
        ])?;
        let process = self.process()?;
        self.require_role(RoomRole::Participant)?;
        self.open_room()?;
        let Some(open) = process.open_communications.get(&id) else {
            return Err(Refusal::new(
                Code::AlreadyResolved,
                "this message awaits no response (any more)",
            ));
        };
        if let Some(me) = self.ctx.principal.agent_id()
            && me != open.to_agent_id
        {
            return Err(Refusal::forbidden(format!(
                "the message is for {}",
                open.to_agent_id
            )));
        }
        let response = CommunicationResponse {
            message: say.message.clone(),
            responded_by: self.ctx.principal.id.clone(),
            timestamp: self.now(),
            metadata: say.metadata.clone(),
        };
        let mut answered = (**open).clone();
        answered.response = Some(response.clone());
        self.emit(EventBody::CommunicationResponded(CommunicationChange {
            id,
            from_agent_id: open.from_agent_id.clone(),
            to_agent_id: open.to_agent_id.clone(),
            response,
        }));
        Ok(super::json(&answered))
    }
}

fn last_supervisor() -> Refusal {
    Refusal::new(
        Code::Conflict,
        "this is the room's last supervisor; make somebody else one first",
    )
}

fn check_mentions(mentions: &[String]) -> Result<(), Refusal> {
    let mut errors: Vec<FieldError> = mentions
        .iter()
        .enumerate()
        .filter(|(_, m)| !(1..=255).contains(&m.len()) || !m.bytes().all(|b| b.is_ascii_graphic()))
        .map(|(n, _)| {
            FieldError::new(
                format!("mentions[{n}]"),
                "must be 1 to 255 visible ASCII characters",
            )
        })
        .collect();
    if mentions.len() > 100 {
        errors.push(FieldError::new("mentions", "at most 100"));
    }
    crate::refusal::all_valid(errors)
}
