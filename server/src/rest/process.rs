//! Processes.

use rooms::model::process::OrchestrationProcess;
use rooms::policy::Operation as O;
use serde_json::{Map, Value, json};
use storage::read::{Filter, Thing};

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
        at: Some("processes"),
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
            "/processes/{id}/fork",
            "forkProcess",
            "process:fork",
            Run {
                id: Some("processId"),
                at: Some("processes"),
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
        .query("teamId", "Of this team", &[])
        .query("search", "A part of the name", &[]),
        route(
            "get",
            "/processes/{id}",
            "getProcess",
            "Get a process with its steps",
            O::ProcessesRead,
            get,
        )
        .gives::<OrchestrationProcess>(),
        route(
            "put",
            "/processes/{id}",
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
            "/processes/{id}",
            "cancelProcess",
            "process:cancel",
            named,
        ),
        route(
            "get",
            "/processes/{id}/metrics",
            "getProcessMetrics",
            "Counts, times and performance of a process",
            O::ProcessesRead,
            metrics,
        )
        .gives::<s::Monitoring>(),
        route(
            "get",
            "/processes/{id}/events",
            "listProcessEvents",
            "The timeline of a process",
            O::ProcessesRead,
            events,
        )
        .gives::<s::Log>()
        .query("since", "The events after this seq; default 0", &[])
        .query("limit", "1 to 500; default 100", &[]),
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
    ok(monitoring(&call.one(Thing::Process).await?))
}

/// The metrics, and what follows from them for monitoring.
fn monitoring(process: &Value) -> Value {
    let steps = process["steps"].as_array().cloned().unwrap_or_default();
    let total = steps.len().max(1) as f64;
    let share = |status: &str| {
        steps.iter().filter(|s| s["status"] == status).count() as f64 * 100.0 / total
    };
    let metrics = &process["metrics"];
    let times: Vec<f64> = metrics["stepCompletionTimes"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|t| t.1.as_f64())
        .collect();
    let average = if times.is_empty() {
        0.0
    } else {
        times.iter().sum::<f64>() / times.len() as f64
    };
    let utilization: Map<String, Value> = metrics["agentUtilization"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(agent, u)| {
            let done = u["successCount"].as_f64().unwrap_or(0.0).max(1.0);
            let value = json!({
                "taskCount": u["taskCount"], "successCount": u["successCount"], "errorCount": u["errorCount"],
                "averageCompletionTime": u["busyMs"].as_f64().unwrap_or(0.0) / done,
            });
            (agent.clone(), value)
        })
        .collect();
    let mut out = metrics.clone();
    out["processId"] = process["id"].clone();
    out["teamId"] = process["teamId"].clone();
    out["workspaceId"] = process["workspaceId"].clone();
    out["performance"] = json!({
        "successRate": share("completed"), "errorRate": share("failed"), "averageStepDuration": average,
        "handoffEfficiency": 100.0,
        "humanInterventionRate": metrics["humanInterventionCount"].as_f64().unwrap_or(0.0) * 100.0 / total,
    });
    out["agentUtilization"] = Value::Object(utilization);
    out["alerts"] = json!([]);
    out["recommendations"] = json!([]);
    out["timestamp"] = json!(rooms::Timestamp(chrono::Utc::now().timestamp_micros()));
    out
}
