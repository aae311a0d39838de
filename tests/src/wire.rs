//! A command of the domain as its caller sends it: the public contract, read from the other side.

use reqwest::Method;
use rooms::Command;
use rooms::id::RoomId;
use serde::Serialize;
use serde_json::{Value, json};

/// How a command is asked for from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Wire {
    /// A command of Socket.IO with its payload.
    Socket(&'static str, Value),
    /// A call of REST, under `/api/orchestration`.
    Rest(Method, String, Value),
}

fn with(body: &impl Serialize, ids: Value) -> Value {
    let mut payload = serde_json::to_value(body).expect("a request is JSON");
    if let (Some(payload), Value::Object(ids)) = (payload.as_object_mut(), ids) {
        payload.extend(ids);
        // What is left out and what is null mean the same.
        payload.retain(|_, value| !value.is_null());
    }
    payload
}

/// How to ask a room for this; none for what only Baton itself asks for.
#[must_use]
pub fn wire(room: RoomId, command: &Command) -> Option<Wire> {
    use Command as C;
    let none = json!({});
    let attempt = |name, body: &dyn erased::Body, id: &rooms::id::AttemptId| {
        Some(Wire::Socket(name, body.with(json!({ "attemptId": id }))))
    };
    match command {
        C::CreateWorkspaceRoom { .. }
        | C::Timer { .. }
        | C::ReleaseAgent { .. }
        | C::StartChild { .. }
        | C::ChildEnded { .. }
        | C::ArchiveRoom { .. }
        | C::Offer { claim: false, .. } => None,
        C::RegisterAgent(agent) => rest(Method::POST, "/agents", with(agent, none)),
        C::UpdateAgent { agent_id, change } => rest(
            Method::PUT,
            &format!("/agents/{agent_id}"),
            with(change, none),
        ),
        C::RemoveAgent { agent_id } => rest(Method::DELETE, &format!("/agents/{agent_id}"), none),
        C::CreateTeam { team, .. } => rest(Method::POST, "/teams", with(team, none)),
        C::UpdateTeam(change) => rest(Method::PUT, &format!("/teams/{room}"), with(change, none)),
        C::ArchiveTeam => rest(Method::DELETE, &format!("/teams/{room}"), none),
        C::AgentReady {
            agent_id,
            slots,
            capabilities,
        } => {
            let ready = json!({ "slots": slots, "capabilities": capabilities, "instanceId": format!("{agent_id}-1") });
            Some(Wire::Socket("agent:ready", with(&ready, none)))
        }
        C::CreateTemplate(template) => rest(Method::POST, "/templates", with(template, none)),
        C::SetAlertRules(rules) => rest(Method::PUT, "/alert-rules", with(rules, none)),
        C::AcknowledgeAlert { alert_id } => rest(
            Method::PUT,
            &format!("/alerts/{alert_id}"),
            json!({ "action": "acknowledge" }),
        ),
        C::ResolveAlert { alert_id } => Some(Wire::Socket(
            "alert:resolve",
            json!({ "alertId": alert_id }),
        )),
        C::ForkProcess { source, fork, .. } => rest(
            Method::POST,
            &format!("/processes/{source}/fork"),
            with(fork, none),
        ),
        C::StartProcess { process, .. } => Some(Wire::Socket("process:start", with(process, none))),
        C::PauseProcess(why) => of_process("process:pause", room, with(why, none)),
        C::ResumeProcess(why) => {
            of_process("process:resume", room, json!({ "reason": why.reason }))
        }
        C::CancelProcess(why) => {
            of_process("process:cancel", room, json!({ "reason": why.reason }))
        }
        C::RetryProcess(why) => of_process("process:retry", room, json!({ "reason": why.reason })),
        C::Offer { .. } => Some(Wire::Socket("work:claim", json!({ "max": 1 }))),
        C::AcceptAttempt { attempt_id, lease } => attempt("attempt:accept", lease, attempt_id),
        C::RejectAttempt { attempt_id, lease } => attempt("attempt:reject", lease, attempt_id),
        C::Heartbeat { attempt_id, lease } => attempt("attempt:heartbeat", lease, attempt_id),
        C::Progress {
            attempt_id,
            progress,
        } => attempt("attempt:progress", progress, attempt_id),
        C::Complete { attempt_id, result } => attempt("attempt:complete", result, attempt_id),
        C::Fail {
            attempt_id,
            failure,
        } => attempt("attempt:fail", failure, attempt_id),
        C::Release { attempt_id, lease } => attempt("attempt:release", lease, attempt_id),
        C::RequestHandoff {
            attempt_id,
            handoff,
        } => Some(match attempt_id {
            Some(id) => Wire::Socket("handoff:request", with(handoff, json!({ "attemptId": id }))),
            None => Wire::Rest(
                Method::POST,
                format!("/processes/{room}/handoffs"),
                with(handoff, none),
            ),
        }),
        C::AcceptHandoff { handoff_id } => of_handoff("handoff:accept", handoff_id, none),
        C::RejectHandoff { handoff_id, reason } => {
            of_handoff("handoff:reject", handoff_id, with(reason, none))
        }
        C::CancelHandoff { handoff_id, reason } => {
            of_handoff("handoff:cancel", handoff_id, with(reason, none))
        }
        C::CompleteHandoff { handoff_id } => of_handoff("handoff:complete", handoff_id, none),
        C::RequestIntervention {
            attempt_id,
            question,
        } => Some(match attempt_id {
            Some(id) => Wire::Socket(
                "intervention:request",
                with(question, json!({ "attemptId": id })),
            ),
            None => Wire::Rest(
                Method::POST,
                format!("/processes/{room}/interventions"),
                with(question, none),
            ),
        }),
        C::ClaimIntervention { intervention_id } => {
            question("intervention:claim", intervention_id, none)
        }
        C::ReleaseIntervention { intervention_id } => {
            question("intervention:release", intervention_id, none)
        }
        C::AssignIntervention {
            intervention_id,
            to,
        } => question("intervention:assign", intervention_id, with(to, none)),
        C::DelegateIntervention {
            intervention_id,
            delegate,
        } => question(
            "intervention:delegate",
            intervention_id,
            with(delegate, none),
        ),
        C::RemindIntervention { intervention_id } => {
            question("intervention:remind", intervention_id, none)
        }
        C::CommentIntervention {
            intervention_id,
            comment,
        } => question("intervention:comment", intervention_id, with(comment, none)),
        C::RespondIntervention {
            intervention_id,
            reply,
        } => question("intervention:respond", intervention_id, with(reply, none)),
        C::CancelIntervention {
            intervention_id,
            reason,
        } => question("intervention:cancel", intervention_id, with(reason, none)),
        C::SendCommunication(send) => of_process("communication:send", room, with(send, none)),
        C::RespondCommunication {
            communication_id,
            response,
        } => Some(Wire::Socket(
            "communication:respond",
            with(response, json!({ "communicationId": communication_id })),
        )),
        C::CreateRoom { room, .. } => Some(Wire::Socket("room:create", with(room, none))),
        C::Invite(who) => in_room("room:invite", room, with(who, none)),
        C::RemoveParticipant(who) => in_room("room:remove", room, with(who, none)),
        C::PostMessage(message) => in_room("message:send", room, with(message, none)),
        C::EditMessage(edit) => in_room("message:edit", room, with(edit, none)),
        C::RemoveMessage(which) => in_room("message:remove", room, with(which, none)),
        C::Broadcast(event) => in_room("event:broadcast", room, with(event, none)),
        C::MarkRead(read) => in_room("room:read", room, with(read, none)),
    }
}

fn rest(method: Method, path: &str, body: Value) -> Option<Wire> {
    Some(Wire::Rest(method, path.to_owned(), body))
}

fn of_process(name: &'static str, room: RoomId, body: Value) -> Option<Wire> {
    // A process's room has the process's id.
    Some(Wire::Socket(
        name,
        with(&body, json!({ "processId": room })),
    ))
}

fn of_handoff(name: &'static str, id: &rooms::id::HandoffId, body: Value) -> Option<Wire> {
    Some(Wire::Socket(name, with(&body, json!({ "handoffId": id }))))
}

fn question(name: &'static str, id: &rooms::id::InterventionId, body: Value) -> Option<Wire> {
    Some(Wire::Socket(
        name,
        with(&body, json!({ "interventionId": id })),
    ))
}

fn in_room(name: &'static str, room: RoomId, body: Value) -> Option<Wire> {
    Some(Wire::Socket(name, with(&body, json!({ "roomId": room }))))
}

mod erased {
    //! Any request's body.
    use serde_json::Value;

    pub trait Body {
        fn with(&self, ids: Value) -> Value;
    }
    impl<T: serde::Serialize> Body for T {
        fn with(&self, ids: Value) -> Value {
            super::with(self, ids)
        }
    }
}
