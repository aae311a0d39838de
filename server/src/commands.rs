//! From a command's name and payload to the room that decides it. Sockets and REST come through here alike: REST puts the ids of its path
//! into the payload.

use rooms::id::{
    AgentId, AttemptId, CommunicationId, HandoffId, InstanceId, InterventionId, ProcessId, RoomId,
    StepId, TeamId,
};
use rooms::model::access::Principal;
use rooms::{Code, Command, FieldError, Refusal, request as r};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use storage::Idempotency;
use storage::read::Thing;
use uuid::Uuid;

use crate::hub::{Hub, Outcome};
use crate::problem::storage_refusal;

/// Every command that goes to a room through [`run`].
pub const NAMES: &[&str] = &[
    "team:create",
    "team:update",
    "team:archive",
    "process:start",
    "process:pause",
    "process:resume",
    "process:cancel",
    "process:retry",
    "agent:register",
    "agent:update",
    "agent:remove",
    "work:claim",
    "attempt:accept",
    "attempt:reject",
    "attempt:heartbeat",
    "attempt:progress",
    "attempt:complete",
    "attempt:fail",
    "attempt:release",
    "handoff:request",
    "handoff:accept",
    "handoff:reject",
    "handoff:cancel",
    "handoff:complete",
    "intervention:request",
    "intervention:claim",
    "intervention:release",
    "intervention:assign",
    "intervention:comment",
    "intervention:respond",
    "intervention:cancel",
    "communication:send",
    "communication:respond",
    "room:create",
    "room:invite",
    "room:remove",
    "room:read",
    "message:send",
    "event:broadcast",
];

/// The fields of a payload.
pub struct Payload(Map<String, Value>);

impl Payload {
    /// Takes an object; anything else is refused.
    pub fn new(value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(Refusal::field("", "the payload must be a JSON object")),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::field(name, "must be a string")),
        }
    }

    /// An id that must be there.
    pub fn id<T: From<Uuid>>(&mut self, name: &str, thing: &str) -> Result<T, Refusal> {
        let text = self
            .text(name)?
            .ok_or_else(|| Refusal::field(name, "is missing"))?;
        // A text that is no UUID names nothing here; the answer is that of an unknown id.
        Uuid::parse_str(&text)
            .map(T::from)
            .map_err(|_| Refusal::not_found(thing, truncated(&text)))
    }

    fn optional_id<T: From<Uuid>>(
        &mut self,
        name: &str,
        thing: &str,
    ) -> Result<Option<T>, Refusal> {
        if self.0.get(name).is_none_or(Value::is_null) {
            self.0.remove(name);
            return Ok(None);
        }
        self.id(name, thing).map(Some)
    }

    /// The rest, as a request. Every field that is wrong is named.
    pub fn parse<T: DeserializeOwned + utoipa::ToSchema>(self) -> Result<T, Refusal> {
        let value = Value::Object(self.0);
        serde_json::from_value(value.clone())
            .map_err(|e| Refusal::invalid(field_errors::<T>(&value, &e)))
    }
}

fn truncated(text: &str) -> String {
    text.chars().take(80).collect()
}

/// What is wrong with a value that did not parse: missing and unknown fields and wrong types at the top, all at once, from the schema.
fn field_errors<T: utoipa::ToSchema>(value: &Value, e: &serde_json::Error) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let known = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    if let Some(object) = value.as_object() {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !object.contains_key(name) {
                errors.push(FieldError::new(name, "is missing"));
            }
        }
        for (name, field) in object {
            match known.get(name) {
                None if !known.is_empty() => {
                    errors.push(FieldError::new(name, "is not a field of this request"))
                }
                Some(schema) if !has_type(field, &schema["type"]) => {
                    errors.push(FieldError::new(
                        name,
                        format!("must be {}", type_names(&schema["type"])),
                    ));
                }
                _ => {}
            }
        }
    }
    if errors.is_empty() {
        let text = e.to_string();
        let path = text
            .split('`')
            .nth(1)
            .filter(|_| text.contains("field"))
            .unwrap_or_default()
            .to_owned();
        errors.push(FieldError::new(path, text));
    }
    errors
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|w| has_type(value, w)),
        Value::String(name) => match name.as_str() {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => true,
        },
        _ => true,
    }
}

fn type_names(wanted: &Value) -> String {
    match wanted {
        Value::Array(any) => any
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(" or "),
        other => other.as_str().unwrap_or("of another type").to_owned(),
    }
}

/// Makes a caller's key effective once per principal, for exactly this request.
pub fn idempotency(principal: &Principal, key: &str, name: &str, payload: &Value) -> Idempotency {
    Idempotency {
        workspace: principal.workspace_id.clone(),
        principal: format!("{}:{}", principal.kind.as_str(), principal.id),
        key: key.to_owned(),
        hash: storage::keys::hash(&format!("{name}\n{payload}")),
    }
}

/// Runs a command. `key` makes it take effect once.
pub async fn run(
    hub: &Hub,
    principal: &Principal,
    name: &str,
    payload: Value,
    key: Option<String>,
) -> Result<Outcome, Refusal> {
    if contains_nul(&payload) {
        return Err(Refusal::field("", "must not contain the character U+0000"));
    }
    let idempotency = key
        .as_ref()
        .map(|k| idempotency(principal, k, name, &payload));
    if name == "work:claim" {
        return claim(hub, principal, Payload::new(payload)?).await;
    }
    let (room, command) = route(hub, principal, name, Payload::new(payload)?).await?;
    let ephemeral = match &command {
        Command::Broadcast(b) if b.ephemeral => {
            Some((format!("custom.{}", b.name), b.data.clone()))
        }
        _ => None,
    };
    let outcome = hub
        .execute(principal, room, command, idempotency, key)
        .await?;
    if let Some((name, data)) = ephemeral {
        let event = json!({"roomId": room, "type": name, "actor": principal.actor(), "data": data, "workspaceId": principal.workspace_id});
        hub.delivery.ephemeral(room, &name, &event, None);
    }
    Ok(outcome)
}

fn contains_nul(value: &Value) -> bool {
    match value {
        Value::String(s) => s.contains('\0'),
        Value::Array(items) => items.iter().any(contains_nul),
        Value::Object(map) => map.iter().any(|(k, v)| k.contains('\0') || contains_nul(v)),
        _ => false,
    }
}

async fn room_of(
    hub: &Hub,
    principal: &Principal,
    thing: Thing,
    id: Uuid,
) -> Result<RoomId, Refusal> {
    let found = hub
        .store()
        .room_of(thing, &principal.workspace_id, id)
        .await
        .map_err(|e| storage_refusal(&e))?;
    found.ok_or_else(|| Refusal::not_found(thing.name(), id))
}

/// The command, and the room that decides it.
async fn route(
    hub: &Hub,
    principal: &Principal,
    name: &str,
    mut p: Payload,
) -> Result<(RoomId, Command), Refusal> {
    let new = || Uuid::now_v7();
    let space = || hub.workspace_room(&principal.workspace_id);
    macro_rules! of {
        ($field:literal, $thing:ident, $id:ty) => {{
            let id: $id = p.id($field, Thing::$thing.name())?;
            (room_of(hub, principal, Thing::$thing, id.0).await?, id)
        }};
    }
    Ok(match name {
        "team:create" => {
            let id = new();
            (
                RoomId(id),
                Command::CreateTeam {
                    team_id: TeamId(id),
                    team: p.parse()?,
                },
            )
        }
        "team:update" => {
            let (room, _) = of!("teamId", Team, TeamId);
            (room, Command::UpdateTeam(p.parse()?))
        }
        "team:archive" => (of!("teamId", Team, TeamId).0, Command::ArchiveTeam),
        "process:start" => {
            let id = new();
            (
                RoomId(id),
                Command::StartProcess {
                    process_id: ProcessId(id),
                    process: Box::new(p.parse()?),
                },
            )
        }
        "process:pause" => (
            of!("processId", Process, ProcessId).0,
            Command::PauseProcess(p.parse()?),
        ),
        "process:resume" => (
            of!("processId", Process, ProcessId).0,
            Command::ResumeProcess(p.parse()?),
        ),
        "process:cancel" => (
            of!("processId", Process, ProcessId).0,
            Command::CancelProcess(p.parse()?),
        ),
        "process:retry" => (
            of!("processId", Process, ProcessId).0,
            Command::RetryProcess(p.parse()?),
        ),
        "agent:register" => (space().await?, Command::RegisterAgent(p.parse()?)),
        "agent:update" => {
            let agent_id = AgentId(p.text("agentId")?.unwrap_or_default());
            (
                space().await?,
                Command::UpdateAgent {
                    agent_id,
                    change: p.parse()?,
                },
            )
        }
        "agent:remove" => (
            space().await?,
            Command::RemoveAgent {
                agent_id: AgentId(p.text("agentId")?.unwrap_or_default()),
            },
        ),
        "attempt:accept" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::AcceptAttempt {
                    attempt_id,
                    lease: p.parse()?,
                },
            )
        }
        "attempt:reject" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::RejectAttempt {
                    attempt_id,
                    lease: p.parse()?,
                },
            )
        }
        "attempt:heartbeat" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::Heartbeat {
                    attempt_id,
                    lease: p.parse()?,
                },
            )
        }
        "attempt:progress" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::Progress {
                    attempt_id,
                    progress: p.parse()?,
                },
            )
        }
        "attempt:complete" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::Complete {
                    attempt_id,
                    result: p.parse()?,
                },
            )
        }
        "attempt:fail" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::Fail {
                    attempt_id,
                    failure: p.parse()?,
                },
            )
        }
        "attempt:release" => {
            let (room, attempt_id) = of!("attemptId", Attempt, AttemptId);
            (
                room,
                Command::Release {
                    attempt_id,
                    lease: p.parse()?,
                },
            )
        }
        "handoff:request" => {
            let attempt_id = p.optional_id("attemptId", "attempt")?;
            let room = process_room(hub, principal, &mut p, attempt_id).await?;
            (
                room,
                Command::RequestHandoff {
                    attempt_id,
                    handoff: Box::new(p.parse()?),
                },
            )
        }
        "handoff:accept" => {
            let (room, handoff_id) = of!("handoffId", Handoff, HandoffId);
            (room, Command::AcceptHandoff { handoff_id })
        }
        "handoff:reject" => {
            let (room, handoff_id) = of!("handoffId", Handoff, HandoffId);
            (
                room,
                Command::RejectHandoff {
                    handoff_id,
                    reason: p.parse()?,
                },
            )
        }
        "handoff:cancel" => {
            let (room, handoff_id) = of!("handoffId", Handoff, HandoffId);
            (
                room,
                Command::CancelHandoff {
                    handoff_id,
                    reason: p.parse()?,
                },
            )
        }
        "handoff:complete" => {
            let (room, handoff_id) = of!("handoffId", Handoff, HandoffId);
            (room, Command::CompleteHandoff { handoff_id })
        }
        "intervention:request" => {
            let attempt_id = p.optional_id("attemptId", "attempt")?;
            let room = process_room(hub, principal, &mut p, attempt_id).await?;
            (
                room,
                Command::RequestIntervention {
                    attempt_id,
                    question: Box::new(p.parse()?),
                },
            )
        }
        "intervention:claim" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (room, Command::ClaimIntervention { intervention_id })
        }
        "intervention:release" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (room, Command::ReleaseIntervention { intervention_id })
        }
        "intervention:assign" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (
                room,
                Command::AssignIntervention {
                    intervention_id,
                    to: p.parse()?,
                },
            )
        }
        "intervention:comment" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (
                room,
                Command::CommentIntervention {
                    intervention_id,
                    comment: p.parse()?,
                },
            )
        }
        "intervention:respond" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (
                room,
                Command::RespondIntervention {
                    intervention_id,
                    reply: Box::new(p.parse()?),
                },
            )
        }
        "intervention:cancel" => {
            let (room, intervention_id) = of!("interventionId", Intervention, InterventionId);
            (
                room,
                Command::CancelIntervention {
                    intervention_id,
                    reason: p.parse()?,
                },
            )
        }
        "communication:send" => (
            of!("processId", Process, ProcessId).0,
            Command::SendCommunication(p.parse()?),
        ),
        "communication:respond" => {
            if let Some(id) = p.0.remove("id") {
                p.0.entry("communicationId").or_insert(id);
            }
            let (room, communication_id) = of!("communicationId", Communication, CommunicationId);
            (
                room,
                Command::RespondCommunication {
                    communication_id,
                    response: p.parse()?,
                },
            )
        }
        "room:create" => {
            let room_id = RoomId(new());
            (
                room_id,
                Command::CreateRoom {
                    room_id,
                    room: p.parse()?,
                },
            )
        }
        "room:invite" => (of!("roomId", Room, RoomId).0, Command::Invite(p.parse()?)),
        "room:remove" => (
            of!("roomId", Room, RoomId).0,
            Command::RemoveParticipant(p.parse()?),
        ),
        "room:read" => (of!("roomId", Room, RoomId).0, Command::MarkRead(p.parse()?)),
        "message:send" => (
            of!("roomId", Room, RoomId).0,
            Command::PostMessage(p.parse()?),
        ),
        "event:broadcast" => (
            of!("roomId", Room, RoomId).0,
            Command::Broadcast(p.parse()?),
        ),
        _ => {
            return Err(Refusal::field(
                "",
                format!("there is no command {:?}", truncated(name)),
            ));
        }
    })
}

/// The room of the attempt, or of the process named.
async fn process_room(
    hub: &Hub,
    principal: &Principal,
    p: &mut Payload,
    attempt: Option<AttemptId>,
) -> Result<RoomId, Refusal> {
    let named: Option<ProcessId> = p.optional_id("processId", "process")?;
    if let Some(attempt) = attempt {
        return room_of(hub, principal, Thing::Attempt, attempt.0).await;
    }
    if let Some(process) = named {
        return room_of(hub, principal, Thing::Process, process.0).await;
    }
    let step =
        p.0.get("stepId")
            .or_else(|| p.0.get("fromStepId"))
            .and_then(Value::as_str);
    let step = step.and_then(|s| Uuid::parse_str(s).ok()).map(StepId);
    let found = match step {
        Some(step) => hub
            .store()
            .process_of_step(&principal.workspace_id, step)
            .await
            .map_err(|e| storage_refusal(&e))?,
        None => None,
    };
    found
        .map(|p| RoomId(p.0))
        .ok_or_else(|| Refusal::field("attemptId", "name the attempt, or the process and the step"))
}

/// An agent pulls ready steps that fit it, at most as many as it has free slots.
async fn claim(hub: &Hub, principal: &Principal, mut p: Payload) -> Result<Outcome, Refusal> {
    rooms::policy::allows(principal, rooms::policy::Operation::WorkDo)?;
    let agent = principal
        .agent_id()
        .ok_or_else(|| Refusal::forbidden("work:claim is for agents"))?;
    let max = match p.0.remove("max") {
        None | Some(Value::Null) => 1,
        Some(v) => v
            .as_u64()
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| Refusal::field("max", "must be from 1 to 100"))?,
    };
    if let Some(name) = p.0.keys().next() {
        return Err(Refusal::field(
            name.as_str(),
            "is not a field of this request",
        ));
    }
    let ready = hub
        .store()
        .ready_steps(&principal.workspace_id, 500)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let mut attempts = Vec::new();
    for waiting in ready {
        if attempts.len() as u64 >= max {
            break;
        }
        let command = Command::Offer {
            step_id: waiting.step.id,
            agent_id: agent.clone(),
            instance_id: principal.instance_id.clone(),
            claim: true,
        };
        match hub
            .execute(principal, RoomId(waiting.process_id.0), command, None, None)
            .await
        {
            Ok(outcome) => attempts.push(outcome.data),
            Err(refusal)
                if refusal.code == Code::Conflict && refusal.detail.contains("free slot") =>
            {
                break;
            }
            Err(_) => {}
        }
    }
    Ok(Outcome {
        data: json!({"attempts": attempts}),
        seq: None,
        repeated: false,
    })
}

/// Gives up the leases of an instance that another one replaces.
pub async fn give_up(
    hub: &Hub,
    principal: &Principal,
    agent: &AgentId,
    instance: &InstanceId,
) -> Result<(), Refusal> {
    let live = hub
        .store()
        .live_attempts(&principal.workspace_id, agent)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let system = Principal::system(principal.workspace_id.clone());
    let mut rooms: Vec<_> = live
        .into_iter()
        .filter(|l| l.2.as_ref() == Some(instance))
        .map(|l| l.0)
        .collect();
    rooms.dedup();
    for process in rooms {
        let command = Command::ReleaseInstance {
            agent_id: agent.clone(),
            instance_id: instance.clone(),
        };
        hub.execute(&system, RoomId(process.0), command, None, None)
            .await?;
    }
    Ok(())
}

/// The payload of `agent:ready`.
pub fn ready(payload: Value) -> Result<r::AgentReady, Refusal> {
    Payload::new(payload)?.parse()
}
