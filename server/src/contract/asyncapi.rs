//! The AsyncAPI document of Socket.IO.

use rooms::EventBody;
use rooms::model::agent::Agent;
use rooms::model::communication::AgentCommunication;
use rooms::model::handoff::AgentHandoff;
use rooms::model::intervention::{HumanIntervention, InterventionResponse};
use rooms::model::process::OrchestrationProcess;
use rooms::model::room::{CollaborationRoom, Message, Participant};
use rooms::model::team::AgentTeam;
use rooms::request as r;
use serde_json::{Map, Value, json};

use super::shapes as s;
use super::{Schemas, Shape, reference, shape};

/// Fields as the table writes them: `name` or `name?`, then what it is.
type Fields = &'static [(&'static str, Kind)];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Whole,
    Flag,
    Any,
    One(fn() -> Shape),
    Many(fn() -> Shape),
}

#[derive(Clone, Copy)]
enum Reply {
    Is(Shape),
    Has(Fields),
}

struct Command {
    name: &'static str,
    /// Fields beside those of the request.
    fields: Fields,
    request: Option<Shape>,
    reply: Reply,
}

#[rustfmt::skip] // A table: one command, one line.
fn commands() -> Vec<Command> {
    use Kind::{Any, Flag, Many, One, Text, Whole};
    use Reply::{Has, Is};
    let c = |name, fields, request, reply| Command { name, fields, request, reply };
    const ATTEMPT: Fields = &[("attemptId", Text)];
    const HANDOFF: Fields = &[("handoffId", Text)];
    const QUESTION: Fields = &[("interventionId", Text)];
    const PROCESS: Fields = &[("processId", Text)];
    const ROOM: Fields = &[("roomId", Text)];
    const ASKER: Fields = &[("attemptId?", Text), ("processId?", Text)];
    const GIVEN: Reply = Has(&[("handoff", One(shape::<AgentHandoff>))]);
    const STATUS: Reply = Has(&[("attemptId", Text), ("status", Text)]);
    const LEASE: Reply = Has(&[("leaseMs", Whole), ("attemptId?", Text), ("epoch?", Whole)]);
    const STEP: Reply = Has(&[("stepId", Text), ("key", Text), ("status?", Text)]);
    let (process, question) = (Is(shape::<OrchestrationProcess>()), Is(shape::<HumanIntervention>()));
    vec![
        c("team:create", &[], Some(shape::<r::CreateTeam>()), Is(shape::<AgentTeam>())),
        c("team:update", &[("teamId", Text)], Some(shape::<r::UpdateTeam>()), Is(shape::<AgentTeam>())),
        c("team:archive", &[("teamId", Text)], None, Is(shape::<AgentTeam>())),
        c("process:start", &[], Some(shape::<r::StartProcess>()), process),
        c("process:pause", PROCESS, Some(shape::<r::ProcessReason>()), process),
        c("process:resume", PROCESS, Some(shape::<r::ProcessReason>()), process),
        c("process:cancel", PROCESS, Some(shape::<r::ProcessReason>()), process),
        c("process:retry", PROCESS, Some(shape::<r::ProcessReason>()), process),
        c("agent:register", &[], Some(shape::<r::RegisterAgent>()), Is(shape::<Agent>())),
        c("agent:update", &[("agentId", Text)], Some(shape::<r::UpdateAgent>()), Is(shape::<Agent>())),
        c("agent:remove", &[("agentId", Text)], None, Is(shape::<Agent>())),
        c("agent:ready", &[], Some(shape::<r::AgentReady>()), Has(&[("agent", One(shape::<Agent>)), ("attempts", Many(shape::<s::Work>)), ("answers", Any), ("handoffs", Many(shape::<AgentHandoff>))])),
        c("work:claim", &[("max?", Whole)], None, Has(&[("attempts", Many(shape::<s::Work>))])),
        c("attempt:accept", ATTEMPT, Some(shape::<r::Lease>()), LEASE),
        c("attempt:reject", ATTEMPT, Some(shape::<r::LeaseReason>()), STATUS),
        c("attempt:heartbeat", ATTEMPT, Some(shape::<r::Lease>()), LEASE),
        c("attempt:progress", ATTEMPT, Some(shape::<r::Progress>()), Has(&[])),
        c("attempt:complete", ATTEMPT, Some(shape::<r::Complete>()), STEP),
        c("attempt:fail", ATTEMPT, Some(shape::<r::Fail>()), STEP),
        c("attempt:release", ATTEMPT, Some(shape::<r::LeaseReason>()), STATUS),
        c("handoff:request", ASKER, Some(shape::<r::RequestHandoff>()), GIVEN),
        c("handoff:accept", HANDOFF, None, Has(&[("handoff", One(shape::<AgentHandoff>)), ("attempt?", Any), ("step?", Any), ("process?", Any), ("context?", Any)])),
        c("handoff:reject", HANDOFF, Some(shape::<r::HandoffReason>()), GIVEN),
        c("handoff:cancel", HANDOFF, Some(shape::<r::HandoffReason>()), GIVEN),
        c("handoff:complete", HANDOFF, None, GIVEN),
        c("intervention:request", ASKER, Some(shape::<r::RequestIntervention>()), Has(&[("intervention", One(shape::<HumanIntervention>)), ("response?", One(shape::<InterventionResponse>))])),
        c("intervention:claim", QUESTION, None, question),
        c("intervention:release", QUESTION, None, question),
        c("intervention:assign", QUESTION, Some(shape::<r::Assign>()), question),
        c("intervention:comment", QUESTION, Some(shape::<r::Comment>()), question),
        c("intervention:respond", QUESTION, Some(shape::<r::Respond>()), question),
        c("intervention:cancel", QUESTION, Some(shape::<r::HandoffReason>()), question),
        c("communication:send", PROCESS, Some(shape::<r::SendCommunication>()), Is(shape::<AgentCommunication>())),
        c("communication:respond", &[("communicationId", Text)], Some(shape::<r::RespondCommunication>()), Is(shape::<AgentCommunication>())),
        c("room:create", &[], Some(shape::<r::CreateRoom>()), Is(shape::<CollaborationRoom>())),
        c("room:join", &[("roomId", Text), ("since?", Whole), ("logId?", Text)], None, Has(&[("room", One(shape::<CollaborationRoom>)), ("participants", Many(shape::<Participant>)),
            ("events", Many(shape::<rooms::Event>)), ("first", Whole), ("head", Whole), ("logId", Text), ("more", Flag), ("reset", Flag)])),
        c("room:history", &[("roomId", Text), ("since?", Whole), ("before?", Whole), ("limit?", Whole)], None,
            Has(&[("events", Many(shape::<rooms::Event>)), ("first", Whole), ("head", Whole), ("logId", Text), ("more", Flag)])),
        c("room:leave", ROOM, None, Has(&[])),
        c("room:invite", ROOM, Some(shape::<r::ParticipantInput>()), Is(shape::<Participant>())),
        c("room:remove", ROOM, Some(shape::<r::RemoveParticipant>()), Has(&[])),
        c("room:read", ROOM, Some(shape::<r::MarkRead>()), Has(&[])),
        c("presence:list", ROOM, None, Has(&[("participants", Any)])),
        c("message:send", ROOM, Some(shape::<r::PostMessage>()), Is(shape::<Message>())),
        c("message:delta", &[("roomId", Text), ("streamId", Text), ("index", Whole), ("text", Text)], None, Has(&[])),
        c("typing:set", &[("roomId", Text), ("typing", Flag)], None, Has(&[])),
        c("event:broadcast", ROOM, Some(shape::<r::Broadcast>()), Has(&[])),
    ]
}

/// What the server tells beside a room's log.
#[rustfmt::skip] // A table: one event, one line.
const SIGNALS: &[(&str, Reply)] = {
    use Kind::{Any, Flag, One, Text, Whole};
    use Reply::Has;
    &[
        ("work.cancelled", Has(&[("attemptId", Text), ("stepId", Text), ("reason", Text)])),
        ("work.answered", Has(&[("intervention", One(shape::<HumanIntervention>)), ("response", One(shape::<InterventionResponse>)), ("attemptId", Text)])),
        ("work.handoff_requested", Has(&[("handoff", One(shape::<AgentHandoff>))])),
        ("work.handoff_resolved", Has(&[("handoff", One(shape::<AgentHandoff>))])),
        ("work.message", Has(&[("communication", Any)])),
        ("server.draining", Has(&[("reconnectInMs", Whole)])),
        ("session.closed", Has(&[("code", Text), ("reconnect", Flag)])),
        ("typing.changed", Has(&[("type", Text), ("roomId", Text), ("actor", Any), ("data", Any)])),
        ("message.delta", Has(&[("type", Text), ("roomId", Text), ("actor", Any), ("data", Any)])),
    ]
};

fn object(fields: Fields, schemas: &mut Schemas) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (spelled, kind) in fields {
        let name = spelled.trim_end_matches('?');
        if name == *spelled {
            required.push(name);
        }
        let schema = match kind {
            Kind::Text => json!({"type": "string"}),
            Kind::Whole => json!({"type": "integer", "minimum": 0}),
            Kind::Flag => json!({"type": "boolean"}),
            Kind::Any => json!({}),
            Kind::One(shape) => schemas.add(shape()),
            Kind::Many(shape) => json!({"type": "array", "items": schemas.add(shape())}),
        };
        properties.insert(name.to_owned(), schema);
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn data(reply: Reply, schemas: &mut Schemas) -> Value {
    match reply {
        Reply::Is(shape) => schemas.add(shape),
        Reply::Has(fields) => object(fields, schemas),
    }
}

/// The ids, the command's own id and the fields of the request: one flat object.
fn payload(command: &Command, schemas: &mut Schemas) -> Value {
    let mut out = object(command.fields, schemas);
    out["properties"]["commandId"] = json!({
        "type": "string", "format": "uuid", "description": "Makes the command take effect once",
    });
    out["additionalProperties"] = false.into();
    if let Some(request) = command.request {
        let request = schemas.inline(request);
        for (name, field) in request["properties"].as_object().into_iter().flatten() {
            out["properties"][name] = field.clone();
        }
        if let (Some(all), Some(more)) = (
            out["required"].as_array_mut(),
            request["required"].as_array(),
        ) {
            all.extend(more.iter().cloned());
        }
    }
    out
}

fn ack(data: Value) -> Value {
    json!({"oneOf": [
        {"type": "object", "required": ["ok", "data"], "properties": {
            "ok": {"const": true}, "data": data, "seq": {"type": "integer", "minimum": 1},
        }},
        {"type": "object", "required": ["ok", "error"], "properties": {
            "ok": {"const": false}, "error": reference("Problem"),
        }},
    ]})
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    schemas.add(shape::<s::Problem>());
    schemas.add(shape::<rooms::Event>());
    let (mut messages, mut operations) = (Map::new(), Map::new());
    let place = |key: &str| json!({"$ref": format!("#/channels/root/messages/{key}")});
    let channel = json!({"$ref": "#/channels/root"});
    for command in commands() {
        // A key of the document has no colon.
        let key = command.name.replace(':', "-");
        let reply = format!("{key}-ack");
        let ask = payload(&command, &mut schemas);
        let told = ack(data(command.reply, &mut schemas));
        messages.insert(key.clone(), json!({"name": command.name, "payload": ask}));
        messages.insert(
            reply.clone(),
            json!({"name": format!("{} (ack)", command.name), "payload": told}),
        );
        operations.insert(
            key.clone(),
            json!({
                "action": "receive", "channel": channel, "messages": [place(&key)],
                "reply": {"channel": channel, "messages": [place(&reply)]},
            }),
        );
    }
    let mut events: Vec<(&str, Value)> = Vec::new();
    for (name, of) in EventBody::catalogue() {
        let body = json!({"type": "object", "properties": {"type": {"const": name}, "data": of}});
        events.push((name, json!({"allOf": [reference("Event"), body]})));
    }
    events.push(("work.offered", schemas.add(shape::<s::Work>())));
    for (name, fields) in SIGNALS {
        events.push((name, data(*fields, &mut schemas)));
    }
    events.push(("custom", reference("Event")));
    for (name, payload) in events {
        let sent = if name == "custom" {
            "custom.<name>"
        } else {
            name
        };
        messages.insert(name.to_owned(), json!({"name": sent, "payload": payload}));
        operations.insert(
            name.to_owned(),
            json!({"action": "send", "channel": channel, "messages": [place(name)]}),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Baton",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Socket.IO, path /socket.io/, namespace /. A colon asks, a dot tells: every command is acked. \
                The handshake's auth is {token, workspaceId?, instanceId?}.",
        },
        "defaultContentType": "application/json",
        "channels": {"root": {"address": "/", "messages": messages}},
        "operations": operations,
        "components": {"schemas": schemas.into_json()},
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_described() {
        let document = document();
        let messages = document["channels"]["root"]["messages"]
            .as_object()
            .unwrap();
        let described: BTreeSet<_> = messages
            .values()
            .filter_map(|m| m["name"].as_str())
            .collect();
        let own = [
            "room:join",
            "room:history",
            "room:leave",
            "typing:set",
            "message:delta",
            "presence:list",
            "agent:ready",
        ];
        for name in crate::commands::NAMES.iter().copied().chain(own) {
            assert!(described.contains(name), "{name} is missing");
        }
        assert_eq!(commands().len(), crate::commands::NAMES.len() + own.len());
    }
}
