//! Every command, from its name and payload to the room that decides it. Sockets and REST come through [`run`] alike: REST puts the
//! ids of its path into the payload.
//!
//! One file per resource has its rows ([`table`] says how a row is written); [`all`] is the whole table. The rows of a connection's
//! own commands (joining, typing, readiness) stand beside their handlers in [`crate::gateway`]; [`signals`] has what the server tells
//! beside a room's log. To add a command: add the variant to `rooms::Command`, and one row here.

mod agent;
mod alert;
mod attempt;
mod communication;
mod handoff;
mod intervention;
pub mod payload;
mod process;
mod room;
pub mod signals;
pub mod table;
mod team;
mod template;

use std::collections::HashMap;
use std::sync::LazyLock;

use rooms::id::{AttemptId, ProcessId, RoomId, StepId};
use rooms::model::access::Principal;
use rooms::{Code, Command, Refusal, policy};
use serde_json::Value;
use storage::Idempotency;
use storage::audit::AuditRow;
use storage::read::Thing;
use uuid::Uuid;

pub use self::agent::give_up;
use self::payload::truncated;
pub use self::payload::{Nothing, Payload};
use self::table::{CommandRow, Does};
use crate::caller::{Asked, Caller, target_of};
use crate::hub::{Hub, Outcome, Waiting};
use crate::problem::storage_refusal;

static TABLE: LazyLock<Vec<CommandRow>> = LazyLock::new(|| {
    [
        team::rows(),
        template::rows(),
        process::rows(),
        agent::rows(),
        attempt::rows(),
        handoff::rows(),
        intervention::rows(),
        communication::rows(),
        alert::rows(),
        room::rows(),
        crate::gateway::own::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
});

static BY_NAME: LazyLock<HashMap<&'static str, &'static CommandRow>> =
    LazyLock::new(|| TABLE.iter().map(|row| (row.name, row)).collect());

/// Every command that a client may send.
pub fn all() -> &'static [CommandRow] {
    &TABLE
}

/// The row of a name.
pub fn find(name: &str) -> Result<&'static CommandRow, Refusal> {
    BY_NAME.get(name).copied().ok_or_else(|| {
        let detail = format!("there is no command {:?}; see /docs", truncated(name));
        Refusal::field("", detail)
    })
}

/// A key that makes a request take effect once.
#[derive(Clone, Debug)]
pub struct Key {
    /// The commandId or the Idempotency-Key.
    pub key: String,
    /// Of the whole request.
    pub hash: String,
}

impl Key {
    /// The key of a socket's command.
    pub fn of_command(key: String, name: &str, payload: &Value) -> Self {
        let hash = storage::keys::hash(&format!("{name}\n{payload}"));
        Self { key, hash }
    }

    /// The record that it makes.
    pub fn record(&self, principal: &Principal) -> Idempotency {
        Idempotency {
            workspace: principal.workspace_id.clone(),
            principal: format!("{}:{}", principal.kind.as_str(), principal.id),
            key: self.key.clone(),
            hash: self.hash.clone(),
        }
    }
}

/// A command on its way: who asks, from where, and the key that makes it take effect once.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Who, from where.
    pub caller: Caller<'a>,
    /// The command's name.
    pub name: &'static str,
    /// Makes it take effect once.
    pub key: Option<&'a Key>,
    /// The ids that it names, for the audit.
    target: &'a str,
}

impl Request<'_> {
    /// Asks a room.
    pub async fn ask(
        &self,
        hub: &Hub,
        room: RoomId,
        command: Command,
        key: Option<Idempotency>,
    ) -> Result<Outcome, Refusal> {
        let asked = self.asked();
        let correlation = self.key.map(|k| k.key.clone());
        hub.ask(
            self.caller.principal,
            Some(asked),
            room,
            command,
            key,
            correlation,
        )
        .await
    }

    fn asked(&self) -> Asked {
        Asked {
            action: self.name.to_owned(),
            target: self.target.to_owned(),
            source: self.caller.source,
        }
    }
}

/// What became of a command that has begun.
pub enum Begun {
    /// It is done.
    Done(Outcome),
    /// Its room has been asked.
    Waits(Box<Pending>),
}

/// A command that its room has been asked; the answer comes later.
pub struct Pending {
    waiting: Waiting,
    asked: Asked,
    correlation: Option<String>,
    ephemeral: Option<(RoomId, String, Value)>,
}

impl Pending {
    /// Until the room has decided. May be given up and called again; once it has given the answer, it has none any more.
    pub async fn decided(&mut self) -> Result<Outcome, Refusal> {
        (&mut self.waiting).await
    }

    /// What follows from the answer: a signal that is not kept, a refusal that is noted for the audit.
    pub fn settle(self, hub: &Hub, caller: Caller<'_>, answer: &Result<Outcome, Refusal>) {
        let principal = caller.principal;
        match answer {
            // What was sent before under this key went out then.
            Ok(outcome) => {
                if let (Some((room, name, data)), false) = (self.ephemeral, outcome.repeated) {
                    let space = &principal.workspace_id;
                    let frame = hub.passing(room, space, &principal.actor(), &name, &data);
                    hub.signal(room, &frame, None);
                }
            }
            Err(refusal) => note(hub, caller, &self.asked, self.correlation, refusal),
        }
    }
}

fn note(
    hub: &Hub,
    caller: Caller<'_>,
    asked: &Asked,
    correlation: Option<String>,
    refusal: &Refusal,
) {
    hub.refusals.note(AuditRow {
        correlation: correlation.unwrap_or_default(),
        ..asked.refused(caller.principal, refusal)
    });
}

/// Runs a command that is no connection's own. A refusal is noted for the audit.
pub async fn run(
    hub: &Hub,
    caller: Caller<'_>,
    name: &str,
    payload: Value,
    key: Option<&Key>,
) -> Result<Outcome, Refusal> {
    match begin(hub, caller, find(name)?, payload, key).await? {
        Begun::Done(outcome) => Ok(outcome),
        Begun::Waits(mut pending) => {
            let answer = pending.decided().await;
            pending.settle(hub, caller, &answer);
            answer
        }
    }
}

/// Runs a command as far as to its room, which is asked but not waited for. A refusal is noted for the audit.
pub async fn begin(
    hub: &Hub,
    caller: Caller<'_>,
    row: &CommandRow,
    payload: Value,
    key: Option<&Key>,
) -> Result<Begun, Refusal> {
    let fields = payload.as_object().into_iter().flatten();
    let target = target_of(fields.map(|(name, value)| (name.as_str(), value)));
    let request = Request {
        caller,
        name: row.name,
        key,
        target: &target,
    };
    let begun = ask(hub, row, request, payload).await;
    if let Err(refusal) = &begun {
        let correlation = key.map(|k| k.key.clone());
        note(hub, caller, &request.asked(), correlation, refusal);
    }
    begun
}

async fn ask(
    hub: &Hub,
    row: &CommandRow,
    request: Request<'_>,
    payload: Value,
) -> Result<Begun, Refusal> {
    let principal = request.caller.principal;
    policy::allows(principal, row.operation)?;
    let payload = Payload::new(payload)?;
    let route = match &row.does {
        Does::Room(route) => route,
        Does::Hub(handler) => return handler(hub, request, payload).await.map(Begun::Done),
        Does::Socket(_) => {
            return Err(Refusal::field(
                "",
                format!("{} needs a connection", row.name),
            ));
        }
    };
    let (room, command) = route(hub, principal, payload).await?;
    let ephemeral = match &command {
        Command::Broadcast(b) if b.ephemeral => {
            Some((room, format!("custom.{}", b.name), b.data.clone()))
        }
        _ => None,
    };
    let asked = request.asked();
    let correlation = request.key.map(|k| k.key.clone());
    let key = request.key.map(|k| k.record(principal));
    let waiting = hub.submit(
        principal,
        Some(asked.clone()),
        room,
        command,
        key,
        correlation.clone(),
    )?;
    Ok(Begun::Waits(Box::new(Pending {
        waiting,
        asked,
        correlation,
        ephemeral,
    })))
}

async fn room_of(
    hub: &Hub,
    principal: &Principal,
    thing: Thing,
    id: Uuid,
) -> Result<RoomId, Refusal> {
    let found = hub
        .room_of(thing, &principal.workspace_id, id)
        .await
        .map_err(|e| storage_refusal(&e))?;
    if let Some(room) = found {
        return Ok(room);
    }
    let lost = thing == Thing::Attempt
        && hub
            .store()
            .is_of_a_lost_future(id)
            .await
            .map_err(|e| storage_refusal(&e))?;
    Err(if lost {
        Refusal::new(
            Code::StaleLease,
            "the store was restored to a time before this attempt; stop working on it",
        )
    } else {
        Refusal::not_found(thing.name(), id)
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
    let step = p.peek("stepId").or_else(|| p.peek("fromStepId"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        assert_eq!(BY_NAME.len(), all().len());
    }
}
