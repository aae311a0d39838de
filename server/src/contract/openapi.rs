//! The OpenAPI document of REST.

use serde_json::{Map, Value, json};

use super::shapes as s;
use super::{Schemas, shape};
use crate::rest::BASE;
use crate::rest::route::{Form, Param, Reply, Route};

fn tag(operation: &Route) -> &'static str {
    if operation.is_open() {
        return "server";
    }
    match operation.path.split('/').nth(1) {
        Some("collaboration") => "rooms",
        Some(first) => first,
        None => "server",
    }
}

/// What the query of every list takes.
const PAGE: [Param; 2] = [
    Param {
        name: "limit",
        what: "1 to 200; default 50",
        values: &[],
        form: Form::Whole,
    },
    Param {
        name: "cursor",
        what: "The nextCursor of the page before",
        values: &[],
        form: Form::Text,
    },
];

fn parameters(operation: &Route) -> Vec<Value> {
    let mut out = Vec::new();
    for name in operation.names() {
        out.push(
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}),
        );
    }
    let page: &[Param] = match operation.reply {
        Reply::List(_) => &PAGE,
        _ => &[],
    };
    for param in operation.query.iter().chain(page) {
        let (name, what) = (param.name, param.what);
        let schema = match param.form {
            Form::Whole if name == "limit" => {
                json!({"type": "integer", "minimum": 1, "maximum": operation.most()})
            }
            Form::Whole => json!({"type": "integer", "minimum": 0}),
            Form::Id => json!({"type": "string", "format": "uuid"}),
            // A day alone is one too, so it has no format.
            Form::Time => {
                json!({"type": "string", "examples": ["2026-01-31T12:00:00Z", "2026-01-31"]})
            }
            Form::Text if param.values.is_empty() => json!({"type": "string"}),
            Form::Text => json!({"type": "string", "enum": param.values}),
        };
        out.push(json!({"name": name, "in": "query", "description": what, "schema": schema}));
    }
    if !operation.is_open() {
        out.push(json!({"$ref": "#/components/parameters/Workspace"}));
    }
    if operation.changes() {
        out.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
    }
    out
}

fn responses(operation: &Route, schemas: &mut Schemas) -> Value {
    let content = match operation.reply {
        Reply::Nothing => None,
        Reply::Text => Some(json!({"text/plain": {"schema": {"type": "string"}}})),
        Reply::One(shape) => Some(json!({"application/json": {"schema": schemas.add(shape)}})),
        Reply::List(shape) => Some(json!({"application/json": {"schema": {
            "type": "object",
            "required": ["items"],
            "properties": {
                "items": {"type": "array", "items": schemas.add(shape)},
                "nextCursor": {"type": "string", "description": "There is more: give it as `cursor`"},
            },
        }}})),
    };
    let mut good = json!({"description": operation.summary});
    if let Some(content) = content {
        good["content"] = content;
    }
    if operation.located {
        good["headers"] =
            json!({"Location": {"description": "Its path", "schema": {"type": "string"}}});
    }
    let mut out = json!({operation.status.to_string(): good.clone()});
    if operation.path == "/readyz" {
        out["503"] = good;
    }
    if !operation.is_open() {
        let mut statuses = vec![400, 401, 403, 429, 500, 503];
        if operation.names().next().is_some() || operation.body.is_some() {
            statuses.push(404);
        }
        if operation.method != "get" {
            statuses.extend([409, 413]);
        }
        statuses.sort_unstable();
        for status in statuses {
            out[status.to_string()] = json!({"$ref": "#/components/responses/Problem"});
        }
    }
    out
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for operation in crate::rest::all() {
        let mut described = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [tag(operation)],
            "parameters": parameters(operation),
            "responses": responses(operation, &mut schemas),
        });
        if let Some(body) = operation.body {
            let schema = schemas.add(body);
            described["requestBody"] = json!({
                "required": operation.method != "delete",
                "content": {"application/json": {"schema": schema}},
            });
        }
        let base = if operation.is_open() {
            described["security"] = json!([]);
            ""
        } else {
            BASE
        };
        let path = paths
            .entry(format!("{base}{}", operation.path))
            .or_insert_with(|| json!({}));
        path[operation.method] = described;
    }
    let problem = schemas.add(shape::<s::Problem>());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Baton",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A real-time hub where teams of AI agents and people work on the same processes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.into_json(),
            "parameters": {
                "Workspace": {
                    "name": "x-workspace-id", "in": "header", "schema": {"type": "string"},
                    "description": "Which workspace, for a user of several",
                },
                "IdempotencyKey": {
                    "name": "Idempotency-Key", "in": "header",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                    "description": "The same key and body gives the first answer again for 24 hours; another body is refused",
                },
            },
            "responses": {"Problem": {
                "description": "Refused: `code` says why, `detail` what to do",
                "content": {"application/problem+json": {"schema": problem}},
            }},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    })
}
