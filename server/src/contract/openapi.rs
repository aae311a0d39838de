//! The OpenAPI document of REST.

use rooms::model::agent::Agent;
use rooms::model::communication::AgentCommunication;
use rooms::model::handoff::AgentHandoff;
use rooms::model::intervention::HumanIntervention;
use rooms::model::process::OrchestrationProcess;
use rooms::model::room::{CollaborationRoom, Message, Participant};
use rooms::model::team::AgentTeam;
use rooms::request as r;
use serde_json::{Map, Value, json};

use super::shapes as s;
use super::{Schemas, Shape, shape};

/// Where the routes of [`crate::rest`] are mounted.
const BASE: &str = "/api/orchestration";

#[derive(Clone, Copy)]
enum Reply {
    Nothing,
    Text,
    One(Shape),
    List(Shape),
}

struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    status: u16,
    body: Option<Shape>,
    reply: Reply,
    /// Name, what it is, and its values where they are few.
    query: Vec<(&'static str, &'static str, &'static [&'static str])>,
    /// Outside [`BASE`]: needs no credential.
    open: bool,
    /// Takes an Idempotency-Key.
    command: bool,
    located: bool,
}

impl Operation {
    fn body(mut self, body: Shape) -> Self {
        self.body = Some(body);
        self
    }

    fn gives(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    fn located(mut self) -> Self {
        self.located = true;
        self.gives(201)
    }

    /// Not a room's command: it has no Idempotency-Key.
    fn direct(mut self) -> Self {
        self.command = false;
        self
    }

    fn query(
        mut self,
        name: &'static str,
        what: &'static str,
        values: &'static [&'static str],
    ) -> Self {
        self.query.push((name, what, values));
        self
    }
}

fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    reply: Reply,
) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        status: if matches!(reply, Reply::Nothing) {
            204
        } else {
            200
        },
        body: None,
        reply,
        query: Vec::new(),
        open: false,
        command: method != "get",
        located: false,
    }
}

fn open(path: &'static str, id: &'static str, summary: &'static str, reply: Reply) -> Operation {
    Operation {
        open: true,
        ..operation("get", path, id, summary, reply)
    }
}

const PROCESS: &[&str] = &[
    "pending",
    "running",
    "paused",
    "completed",
    "failed",
    "cancelled",
];
const INTERVENTION: &[&str] = &["pending", "completed", "cancelled", "expired"];
const QUESTION: &[&str] = &["approval", "input", "decision", "review", "escalation"];

#[rustfmt::skip] // A table: one operation, one or two lines.
fn operations() -> Vec<Operation> {
    use Reply::{List, Nothing, One, Text};
    let o = operation;
    let log = |path, id, summary| o("get", path, id, summary, One(shape::<s::Log>()))
        .query("since", "The events after this seq; default 0", &[]).query("limit", "1 to 500; default 100", &[]);
    vec![
        o("get", "/me", "getMe", "The caller, and what it may do", One(shape::<s::Me>())),
        o("post", "/teams", "createTeam", "Make a team", One(shape::<AgentTeam>())).body(shape::<r::CreateTeam>()).located(),
        o("get", "/teams", "listTeams", "List teams", List(shape::<AgentTeam>()))
            .query("status", "Only these", &["active", "inactive", "archived"]).query("search", "A part of the name", &[]),
        o("get", "/teams/{id}", "getTeam", "Get a team", One(shape::<AgentTeam>())),
        o("put", "/teams/{id}", "updateTeam", "Change a team", One(shape::<AgentTeam>())).body(shape::<r::UpdateTeam>()),
        o("delete", "/teams/{id}", "archiveTeam", "Close a team", One(shape::<AgentTeam>())),
        o("post", "/processes", "startProcess", "Start a process", One(shape::<OrchestrationProcess>())).body(shape::<r::StartProcess>()).located(),
        o("get", "/processes", "listProcesses", "List processes", List(shape::<OrchestrationProcess>()))
            .query("status", "Only these", PROCESS).query("teamId", "Of this team", &[]).query("search", "A part of the name", &[]),
        o("get", "/processes/{id}", "getProcess", "Get a process with its steps", One(shape::<OrchestrationProcess>())),
        o("put", "/processes/{id}", "changeProcess", "Pause, resume, cancel or retry a process", One(shape::<OrchestrationProcess>())).body(shape::<s::ChangeProcess>()),
        o("delete", "/processes/{id}", "cancelProcess", "Cancel a process", One(shape::<OrchestrationProcess>())),
        o("get", "/processes/{id}/metrics", "getProcessMetrics", "Counts, times and performance of a process", One(shape::<s::Monitoring>())),
        log("/processes/{id}/events", "listProcessEvents", "The timeline of a process"),
        o("post", "/processes/{id}/handoffs", "requestHandoff", "Ask for a handoff", One(shape::<AgentHandoff>())).body(shape::<r::RequestHandoff>()).located(),
        o("get", "/processes/{id}/handoffs", "listHandoffs", "List a process's handoffs", List(shape::<AgentHandoff>())).query("status", "Only these", &[]),
        o("get", "/handoffs/{id}", "getHandoff", "Get a handoff", One(shape::<AgentHandoff>())),
        o("put", "/handoffs/{id}", "changeHandoff", "Accept, reject, take back or complete a handoff", One(shape::<s::HandoffResult>())).body(shape::<s::ChangeHandoff>()),
        o("post", "/processes/{id}/interventions", "requestIntervention", "Ask humans", One(shape::<HumanIntervention>())).body(shape::<r::RequestIntervention>()).located(),
        o("get", "/processes/{id}/interventions", "listProcessInterventions", "List a process's questions to humans", List(shape::<HumanIntervention>()))
            .query("status", "Only these", INTERVENTION).query("type", "Only these", QUESTION),
        o("get", "/interventions", "listInterventions", "The inbox", List(shape::<HumanIntervention>()))
            .query("status", "Only these", INTERVENTION).query("type", "Only these", QUESTION).query("assignee", "For this user", &[])
            .query("overdue", "Only what is late", &["true", "false"]).query("processId", "Of this process", &[]),
        o("get", "/interventions/{id}", "getIntervention", "Get a question", One(shape::<HumanIntervention>())),
        o("put", "/interventions/{id}", "respondIntervention", "Answer a question", One(shape::<HumanIntervention>())).body(shape::<r::Respond>()),
        o("post", "/interventions/{id}/claim", "claimIntervention", "Say that the caller is at it", One(shape::<HumanIntervention>())),
        o("post", "/interventions/{id}/release", "releaseIntervention", "Say that the caller no longer is", One(shape::<HumanIntervention>())),
        o("post", "/interventions/{id}/assign", "assignIntervention", "Say who should answer", One(shape::<HumanIntervention>())).body(shape::<r::Assign>()),
        o("post", "/interventions/{id}/comments", "commentIntervention", "Remark on a question", One(shape::<HumanIntervention>())).body(shape::<r::Comment>()).gives(201),
        o("post", "/processes/{id}/communications", "sendCommunication", "Send a message to an agent", One(shape::<AgentCommunication>())).body(shape::<r::SendCommunication>()).located(),
        o("get", "/processes/{id}/communications", "listCommunications", "List the messages to agents", List(shape::<AgentCommunication>())),
        o("post", "/communications/{id}/response", "respondCommunication", "Respond to a message", One(shape::<AgentCommunication>())).body(shape::<r::RespondCommunication>()).gives(201),
        o("post", "/collaboration/rooms", "createRoom", "Make a room", One(shape::<CollaborationRoom>())).body(shape::<r::CreateRoom>()).located(),
        o("get", "/collaboration/rooms", "listRooms", "List rooms", List(shape::<CollaborationRoom>())).query("type", "Only these", &["process", "team", "workspace"])
            .query("processId", "Of this process", &[]).query("teamId", "Of this team", &[]).query("search", "A part of the name", &[]),
        o("get", "/collaboration/rooms/{id}", "getRoom", "Get a room", One(shape::<CollaborationRoom>())),
        log("/collaboration/rooms/{id}/events", "listRoomEvents", "The log of a room"),
        o("post", "/collaboration/rooms/{id}/messages", "postMessage", "Post a message", One(shape::<Message>())).body(shape::<r::PostMessage>()).gives(201),
        o("post", "/collaboration/rooms/{id}/participants", "inviteParticipant", "Invite, or give another role", One(shape::<Participant>())).body(shape::<r::ParticipantInput>()).gives(201),
        o("delete", "/collaboration/rooms/{id}/participants", "removeParticipant", "Remove a participant: named in the query, or in the body", Nothing)
            .body(shape::<r::RemoveParticipant>()).query("type", "Agent or human", &["agent", "human"]).query("id", "Whom", &[]),
        o("post", "/agents", "registerAgent", "Register an agent", One(shape::<Agent>())).body(shape::<r::RegisterAgent>()).located(),
        o("get", "/agents", "listAgents", "List agents, by id", List(shape::<s::AgentInUse>())),
        o("get", "/agents/{id}", "getAgent", "Get an agent", One(shape::<s::AgentInUse>())),
        o("put", "/agents/{id}", "updateAgent", "Change an agent", One(shape::<Agent>())).body(shape::<r::UpdateAgent>()),
        o("delete", "/agents/{id}", "removeAgent", "Remove an agent, with its keys", Nothing),
        o("post", "/agents/{id}/keys", "createAgentKey", "Make a key for an agent", One(shape::<s::NewKey>())).gives(201).direct(),
        o("delete", "/agents/{id}/keys", "revokeAgentKeys", "Revoke an agent's keys", Nothing).query("keyId", "Only this one", &[]).direct(),
        o("get", "/workspaces", "listWorkspaces", "List workspaces", One(shape::<s::Workspaces>())),
        o("post", "/workspaces", "createWorkspace", "Make a workspace, with the bootstrap key", One(shape::<rooms::model::access::Workspace>())).body(shape::<r::CreateWorkspace>()).located().direct(),
        open("/healthz", "getHealth", "Whether the server is alive", One(shape::<s::Health>())),
        open("/readyz", "getReadiness", "Whether the server takes requests; 503 with the same body if not", One(shape::<s::Readiness>())),
        open("/metrics", "getMetrics", "Counters for Prometheus", Text),
    ]
}

fn tag(operation: &Operation) -> &'static str {
    if operation.open {
        return "server";
    }
    match operation.path.split('/').nth(1) {
        Some("collaboration") => "rooms",
        Some(first) => first,
        None => "server",
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let mut out = Vec::new();
    if operation.path.contains("{id}") {
        out.push(
            json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}),
        );
    }
    let list: &[(&str, &str, &[&str])] = match operation.reply {
        Reply::List(_) => &[
            ("limit", "1 to 200; default 50", &[]),
            ("cursor", "The nextCursor of the page before", &[]),
        ],
        _ => &[],
    };
    for (name, what, values) in operation.query.iter().chain(list) {
        let schema = match *name {
            "limit" => json!({"type": "integer", "minimum": 1}),
            "since" => json!({"type": "integer", "minimum": 0}),
            _ if values.is_empty() => json!({"type": "string"}),
            _ => json!({"type": "string", "enum": values}),
        };
        out.push(json!({"name": name, "in": "query", "description": what, "schema": schema}));
    }
    if !operation.open {
        out.push(json!({"$ref": "#/components/parameters/Workspace"}));
    }
    if operation.command {
        out.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
    }
    out
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Value {
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
    if !operation.open {
        let mut statuses = vec![400, 401, 403, 429, 500, 503];
        if operation.path.contains("{id}") || operation.body.is_some() {
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
    for operation in operations() {
        let mut described = json!({
            "operationId": operation.id,
            "summary": operation.summary,
            "tags": [tag(&operation)],
            "parameters": parameters(&operation),
            "responses": responses(&operation, &mut schemas),
        });
        if let Some(body) = operation.body {
            let schema = schemas.add(body);
            described["requestBody"] = json!({
                "required": operation.method != "delete",
                "content": {"application/json": {"schema": schema}},
            });
        }
        let base = if operation.open {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The routes as `rest.rs` registers them: `method path`.
    fn registered() -> BTreeSet<String> {
        let source = include_str!("../rest.rs");
        let mut routes = BTreeSet::new();
        for part in source.split(".route(").skip(1) {
            let mut quoted = part.splitn(3, '"');
            let path = quoted.nth(1).unwrap();
            let handlers = quoted.next().unwrap();
            // The chain ends where the next line of the router begins.
            let end = handlers.find(".fallback").unwrap_or(handlers.len());
            for method in ["get", "post", "put", "delete"] {
                if handlers[..end]
                    .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '(')
                    .any(|word| word.starts_with(&format!("{method}(")))
                {
                    routes.insert(format!("{method} {path}"));
                }
            }
        }
        routes
    }

    #[test]
    fn the_document_has_the_registered_routes_and_no_others() {
        let described: BTreeSet<String> = operations()
            .iter()
            .filter(|o| !o.open)
            .map(|o| {
                // One route serves what is done to an intervention without deciding it.
                let verb = ["/claim", "/release", "/assign", "/comments"];
                match verb.iter().find_map(|v| o.path.strip_suffix(v)) {
                    Some(start) if start.starts_with("/interventions") => {
                        format!("{} {start}/{{verb}}", o.method)
                    }
                    _ => format!("{} {}", o.method, o.path),
                }
            })
            .collect();
        let registered = registered();
        assert!(registered.len() > 30);
        assert_eq!(described, registered);
    }

    #[test]
    fn operation_ids_are_unique() {
        let all = operations();
        let ids: BTreeSet<_> = all.iter().map(|o| o.id).collect();
        assert_eq!(ids.len(), all.len());
    }
}
