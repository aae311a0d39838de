//! What callers are shown of a state.

use serde_json::{Value, json};

use crate::id::{AttemptId, HandoffId};
use crate::model::handoff::{AgentHandoff, HandoffKind};
use crate::model::process::ProcessRef;
use crate::state::ProcessState;

/// An attempt with all that an agent needs to do the work: the argument of `work.offered`, and an item of `attempts[]`.
pub fn work(process: &ProcessState, id: AttemptId) -> Value {
    let Some(attempt) = process.attempts.get(&id) else {
        return Value::Null;
    };
    let Some(step) = process.step(attempt.step_id) else {
        return Value::Null;
    };
    let answers: Vec<Value> = process
        .prior_answers(step.id)
        .into_iter()
        .map(|i| {
            json!({
                "interventionId": i.id, "key": i.key, "type": i.kind, "description": i.description,
                "status": i.status, "outcome": i.outcome, "response": i.response,
            })
        })
        .collect();
    let mut out = json!({
        "attempt": **attempt,
        "step": **step,
        "process": reference(process),
        "context": *process.context,
        "priorAnswers": answers,
        "idempotencyKey": step.idempotency_key(),
        "leaseMs": process.process.configuration.timeout_settings.lease_ms,
    });
    let handed = process
        .handoffs
        .values()
        .filter(|h| h.accepted_at.is_some() && h.work_step() == Some(step.id))
        .max_by_key(|h| h.accepted_at);
    if let Some(handoff) = handed {
        out["handoff"] = received(handoff);
    }
    let delegated: Vec<Value> = process
        .handoffs
        .values()
        .filter(|h| h.kind == HandoffKind::Delegate && h.from_step_id == step.id)
        .map(|h| {
            json!({
                "id": h.id, "toAgentId": h.to_agent_id, "toStepId": h.to_step_id, "status": h.status, "reason": h.reason,
                "result": h.result, "error": h.error,
            })
        })
        .collect();
    if !delegated.is_empty() {
        out["delegations"] = Value::Array(delegated);
    }
    out
}

/// A handoff as its receiver sees it: with the part of the history that its view shows. `context.hash` is that of the whole, which
/// stays as it is.
pub fn received(handoff: &AgentHandoff) -> Value {
    let mut out = json!(handoff);
    let Some(view) = &handoff.view else {
        return out;
    };
    if let Some(Value::Array(entries)) = out.pointer_mut("/context/conversationHistory") {
        if let Some(roles) = &view.roles {
            entries.retain(|e| {
                e["role"]
                    .as_str()
                    .is_some_and(|r| roles.iter().any(|w| w == r))
            });
        }
        if let Some(last) = view.last {
            let more = entries.len().saturating_sub(last as usize);
            entries.drain(..more);
        }
    }
    out
}

/// The process as an offer names it.
pub fn reference(process: &ProcessState) -> ProcessRef {
    ProcessRef {
        id: process.process.id,
        name: process.process.name.clone(),
        room_id: process.process.room_id,
        team_id: process.process.team_id,
    }
}

/// The ack of `handoff:accept`.
pub fn accepted_handoff(process: &ProcessState, id: HandoffId, attempt: AttemptId) -> Value {
    let mut reply = work(process, attempt);
    if let (Some(handoff), Some(reply)) = (process.handoffs.get(&id), reply.as_object_mut()) {
        let of_process = reply.remove("context").unwrap_or_default();
        let shown = received(handoff);
        reply.insert("processContext".to_owned(), of_process);
        reply.insert("context".to_owned(), shown["context"].clone());
        reply.insert("handoff".to_owned(), shown);
    }
    reply
}

/// A JSON pointer as the paths of field errors are written: `/steps/2/name` is `steps[2].name`.
pub fn dotted(pointer: &str) -> String {
    let mut out = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() {
            out.push_str(&format!("[{part}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&part);
        }
    }
    out
}
