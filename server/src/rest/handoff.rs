//! Handoffs.

use rooms::model::handoff::AgentHandoff;
use rooms::policy::Operation as O;
use storage::read::Thing;

use super::call::Call;
use super::list::page_of_process;
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::contract::shapes as s;

const STATUS: &[&str] = &[
    "pending",
    "accepted",
    "rejected",
    "expired",
    "cancelled",
    "completed",
    "failed",
];

pub fn routes() -> Vec<Route> {
    let asked = Run {
        id: Some("processId"),
        part: Some("handoff"),
        at: Some("handoffs/{id}"),
    };
    vec![
        runs(
            "post",
            "/processes/{processId}/handoffs",
            "requestHandoff",
            "handoff:request",
            asked,
        ),
        route(
            "get",
            "/processes/{processId}/handoffs",
            "listHandoffs",
            "List a process's handoffs",
            O::HandoffsRead,
            list,
        )
        .lists::<AgentHandoff>()
        .query("status", "Only these", STATUS),
        route(
            "get",
            "/handoffs/{handoffId}",
            "getHandoff",
            "Get a handoff",
            O::HandoffsRead,
            get,
        )
        .gives::<AgentHandoff>(),
        route(
            "put",
            "/handoffs/{handoffId}",
            "changeHandoff",
            "Accept, reject, take back or complete a handoff",
            O::HandoffsUpdate,
            change,
        )
        .action("handoff:update")
        .body::<s::ChangeHandoff>()
        .gives::<s::HandoffResult>(),
    ]
}

async fn list(call: Call) -> Answer {
    page_of_process(&call, Thing::Handoff).await
}

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Handoff).await?)
}

async fn change(call: Call) -> Answer {
    let (name, mut payload) =
        call.action("handoff", &["accept", "reject", "cancel", "complete"])?;
    payload["handoffId"] = call.id().into();
    let mut reply = call.run(&name, payload).await?;
    let mut out = reply["handoff"].take();
    // An agent that accepts over REST needs its lease; everybody else is shown the handoff.
    if name == "handoff:accept" && call.principal.agent_id().is_some() {
        for field in ["attempt", "step", "process"] {
            out[field] = reply[field].take();
        }
    }
    ok(out)
}
