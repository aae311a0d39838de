//! A process of two hundred steps with every feature in it gives the same outputs whether or not its server is killed on the way.

use serde_json::{Map, Value, json};
use tests::hub::member;
use tests::worker::Worker;
use tests::{Database, Hub, array, check, on_both_databases, text};
use tokio::time::{Duration, sleep};

const BLOCKS: usize = 20;
const KILLS: usize = 10;
const AT_ONCE: usize = 3;

/// Ten steps: side by side, tried twice, chosen between, approved, done by a process of their own, and joined.
fn block(n: usize, template: &Value) -> Vec<Value> {
    let key = |name: &str| format!("{name}{n}");
    let before = match n {
        0 => Vec::new(),
        n => vec![format!("join{}", n - 1)],
    };
    let start = json!([key("start")]);
    let joined = ["a", "b", "c", "again", "left", "right", "sub"].map(key);
    let mut c =
        json!({ "key": key("c"), "name": "C", "dependencies": start, "mergeOutputs": true });
    if n.is_multiple_of(5) {
        c["requiresApproval"] = json!(true);
    }
    vec![
        json!({ "key": key("start"), "name": "Start", "dependencies": before }),
        json!({ "key": key("a"), "name": "A", "dependencies": start,
                "inputs": { "twice": { "$from": format!("sharedData.steps.{}.sum * 2", key("start")) } } }),
        json!({ "key": key("b"), "name": "B", "dependencies": start, "role": "specialist" }),
        c,
        json!({ "key": key("again"), "name": "Again", "dependencies": start, "backoffMs": 10,
                "conditions": [{ "type": "success", "condition": "attempts === 0", "action": "retry" }] }),
        json!({ "key": key("choose"), "name": "Choose", "dependencies": start, "conditions": [
            { "type": "success", "condition": "outputs.sum % 2 == 0", "nextStepId": key("left"), "action": "continue" },
            { "type": "success", "nextStepId": key("right"), "action": "continue" },
        ] }),
        json!({ "key": key("left"), "name": "Left" }),
        json!({ "key": key("right"), "name": "Right", "dependencies": [key("choose")] }),
        json!({ "key": key("sub"), "name": "Sub", "dependencies": start, "process": { "templateId": template }, "inputs": { "n": n } }),
        json!({ "key": key("join"), "name": "Join", "triggerRule": "all_done",
                "dependencies": joined }),
    ]
}

/// Runs it to its end and gives, by step, how it ended and with what.
async fn outcome(mut hub: Hub, kills: usize) -> Map<String, Value> {
    let mut workers = Vec::new();
    for id in ["ada", "bob", "cid", "dan"] {
        workers.push(Worker {
            url: hub.server.url(),
            id: id.to_owned(),
            key: hub.register(id, &[]).await,
            instance: format!("{id}-1"),
            notes: 0,
            pace: Duration::ZERO,
        });
    }
    let members: Vec<Value> = workers.iter().map(|w| member(&w.id)).collect();
    let rules = json!([{ "id": "done", "condition": "event.type == 'process.completed'", "action": "notify_human" }]);
    let team = hub
        .team(
            &members,
            json!({ "maxConcurrentTasks": AT_ONCE, "escalationRules": rules }),
        )
        .await;
    let template = json!({
        "name": "Part", "inputs": { "type": "object", "required": ["n"] },
        "steps": [{ "key": "one", "name": "One" }, { "key": "two", "name": "Two", "dependencies": ["one"] }],
    });
    let template = hub.admin.post("/templates", &template).await.expect(201);
    let steps: Vec<Value> = (0..BLOCKS)
        .flat_map(|n| block(n, &template["id"]))
        .collect();
    assert_eq!(steps.len(), 200);
    let process = hub.process(&team, json!(steps)).await;
    let _working: Vec<_> = workers.into_iter().map(Worker::start).collect();

    let mut killed = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(400);
    let ended = loop {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it does not come to its end: {:#}",
            hub.read(&process).await
        );
        let open = format!("/processes/{}/interventions?status=pending", process.id);
        for question in array(&hub.admin.get(&open).await.expect(200), "/items") {
            if question["type"] == "approval" {
                hub.answer(question, &json!({ "action": "approve" })).await;
            }
        }
        let now = hub.read(&process).await;
        if now["status"] != "running" {
            break now;
        }
        // Spread over its length.
        let done = now["currentStep"].as_u64().unwrap_or(0) as usize;
        if killed < kills && done > (killed + 1) * 200 / (kills + 2) {
            killed += 1;
            hub.server.crash().await;
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(killed, kills, "all kills happened on the way");
    assert_eq!(text(&ended, "/status"), "completed", "{ended:#}");
    let events = hub.events(&process.room).await;
    check::contiguous(&events);
    never_more_than(&events, AT_ONCE);
    let found = hub.server.command(&["verify"]).await;
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stdout)
    );
    array(&ended, "/steps")
        .iter()
        .map(|s| {
            (
                text(s, "/key"),
                json!([
                    s["status"],
                    s["outputs"]["sum"],
                    s["skipReason"],
                    s["outputs"]["two"]["sum"]
                ]),
            )
        })
        .collect()
}

/// Steps at work at once, by the log.
fn never_more_than(events: &[Value], most: usize) {
    let mut live = std::collections::BTreeSet::new();
    for event in events {
        let attempt = |at: &str| event.pointer(at).and_then(Value::as_str).map(str::to_owned);
        match event["type"].as_str().unwrap_or_default() {
            "assignment.offered" => live.extend(attempt("/data/id")),
            "assignment.rejected"
            | "assignment.expired"
            | "assignment.released"
            | "assignment.suspended"
            | "assignment.cancelled" => {
                live.remove(&attempt("/data/id").unwrap_or_default());
            }
            "step.completed" | "step.failed" | "step.skipped" | "step.retry_scheduled" => {
                live.remove(&attempt("/data/attemptId").unwrap_or_default());
            }
            _ => {}
        }
        assert!(
            live.len() <= most,
            "{} at once at seq {}",
            live.len(),
            event["seq"]
        );
    }
}

on_both_databases! {
    async fn two_hundred_steps_give_the_same_outputs_through_ten_kills(database: Database) {
        let undisturbed = outcome(Hub::start(Database::sqlite()).await, 0).await;
        let killed = outcome(Hub::start(database).await, KILLS).await;
        assert_eq!(undisturbed.len(), 200);
        assert_eq!(killed, undisturbed);
    }
}
