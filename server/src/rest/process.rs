//! Processes.

use rooms::Refusal;
use rooms::model::monitoring::ProcessMonitoringMetrics;
use rooms::model::process::OrchestrationProcess;
use rooms::policy::Operation as O;
use serde_json::json;
use storage::list::Filter;
use storage::read::Thing;

use super::call::Call;
use super::list::{log, page, process_room};
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::contract::shapes as s;

const STATUS: &[&str] = &[
    "pending",
    "running",
    "paused",
    "completed",
    "failed",
    "cancelled",
];

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("processes/{id}"),
        ..Run::default()
    };
    let named = Run {
        id: Some("processId"),
        ..Run::default()
    };
    vec![
        runs("post", "/processes", "startProcess", "process:start", made),
        runs(
            "post",
            "/processes/{processId}/fork",
            "forkProcess",
            "process:fork",
            Run {
                id: Some("processId"),
                at: Some("processes/{id}"),
                ..Run::default()
            },
        ),
        route(
            "get",
            "/processes",
            "listProcesses",
            "List processes",
            O::ProcessesRead,
            list,
        )
        .lists::<OrchestrationProcess>()
        .query("status", "Only these", STATUS)
        .id("teamId", "Of this team")
        .query("search", "A part of the name", &[]),
        route(
            "get",
            "/processes/{processId}",
            "getProcess",
            "Get a process with its steps",
            O::ProcessesRead,
            get,
        )
        .gives::<OrchestrationProcess>(),
        route(
            "put",
            "/processes/{processId}",
            "changeProcess",
            "Pause, resume, cancel or retry a process",
            O::ProcessesUpdate,
            change,
        )
        .action("process:update")
        .body::<s::ChangeProcess>()
        .gives::<OrchestrationProcess>(),
        runs(
            "delete",
            "/processes/{processId}",
            "cancelProcess",
            "process:cancel",
            named,
        ),
        route(
            "get",
            "/processes/{processId}/metrics",
            "getProcessMetrics",
            "Counts, times and performance of a process",
            O::ProcessesRead,
            metrics,
        )
        .gives::<ProcessMonitoringMetrics>(),
        route(
            "get",
            "/processes/{processId}/events",
            "listProcessEvents",
            "The timeline of a process",
            O::ProcessesRead,
            events,
        )
        .gives::<s::Log>()
        .whole("since", "The events after this seq; default 0")
        .whole("limit", "1 to 500; default 100"),
    ]
}

async fn list(call: Call) -> Answer {
    page(&call, Thing::Process, Filter::default()).await
}

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Process).await?)
}

async fn change(call: Call) -> Answer {
    let (name, mut payload) = call.action("process", &["pause", "resume", "cancel", "retry"])?;
    payload["processId"] = call.id().into();
    ok(call.run(&name, payload).await?)
}

async fn events(call: Call) -> Answer {
    let room = process_room(&call, call.uuid("process")?).await?;
    log(&call, room).await
}

async fn metrics(call: Call) -> Answer {
    let id = call.uuid("process")?;
    let room = process_room(&call, id).await?;
    let state = call.hub.state(room).await?;
    let process = state
        .process
        .ok_or_else(|| Refusal::not_found("process", id))?;
    let now = call.hub.now().await?;
    ok(json!(rooms::monitoring::metrics(&process, now)))
}
