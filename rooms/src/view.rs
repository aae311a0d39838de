//! What callers are shown of a state.

use serde_json::{Value, json};

use crate::id::{AttemptId, HandoffId};
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
                "outcome": i.outcome, "response": i.response,
            })
        })
        .collect();
    json!({
        "attempt": **attempt,
        "step": **step,
        "process": reference(process),
        "context": *process.context,
        "priorAnswers": answers,
        "idempotencyKey": step.idempotency_key(),
        "leaseMs": process.process.configuration.timeout_settings.lease_ms,
    })
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
        reply.insert(
            "processContext".to_owned(),
            reply.get("context").cloned().unwrap_or_default(),
        );
        reply.insert("handoff".to_owned(), json!(**handoff));
        reply.insert("context".to_owned(), handoff.context.clone());
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
