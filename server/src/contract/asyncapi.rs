//! The AsyncAPI document of Socket.IO.

use rooms::EventBody;
use serde_json::{Map, Value, json};

use super::shapes as s;
use super::{Schemas, reference, shape};
use crate::commands::signals::SIGNALS;
use crate::commands::table::{CommandRow, Kind, Reply};

fn object(fields: &[(&'static str, Kind)], schemas: &mut Schemas) -> Value {
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
        Reply::Is(shape) => schemas.add(shape()),
        Reply::Has(fields) => object(fields, schemas),
    }
}

/// The ids, the command's own id and the fields of the request: one flat object.
fn payload(command: &CommandRow, schemas: &mut Schemas) -> Value {
    let mut out = object(&command.fields, schemas);
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
    for command in crate::commands::all() {
        // A key of the document has no colon.
        let key = command.name.replace(':', "-");
        let reply = format!("{key}-ack");
        let ask = payload(command, &mut schemas);
        let told = ack(data(command.reply, &mut schemas));
        messages.insert(
            key.clone(),
            json!({"name": command.name, "summary": command.summary, "payload": ask}),
        );
        messages.insert(
            reply.clone(),
            json!({"name": format!("{} (ack)", command.name), "payload": told}),
        );
        operations.insert(
            key.clone(),
            json!({
                "action": "receive", "summary": command.summary, "x-operation": command.operation.as_str(), "channel": channel, "messages": [place(&key)],
                "reply": {"channel": channel, "messages": [place(&reply)]},
            }),
        );
    }
    let mut events: Vec<(&str, Value)> = Vec::new();
    for (name, of) in EventBody::catalogue() {
        let body = json!({"type": "object", "properties": {"type": {"const": name}, "data": of}});
        events.push((name, json!({"allOf": [reference("Event"), body]})));
    }
    for signal in SIGNALS {
        events.push((signal.name, data(signal.argument, &mut schemas)));
    }
    // With `ephemeral` it is told and not kept: it has no place in the log.
    let told = json!({
        "type": "object",
        "required": ["type", "roomId", "workspaceId", "actor", "data"],
        "properties": {
            "type": {"type": "string", "pattern": "^custom\\."}, "roomId": {"type": "string"}, "workspaceId": {"type": "string"},
            "actor": reference("Actor"), "data": {"description": "Any JSON"},
        },
    });
    events.push(("custom", json!({"anyOf": [reference("Event"), told]})));
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
