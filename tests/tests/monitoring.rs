//! Alerts, their rules and a process's figures, against the real binary on both databases.

use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::Rest;
use tests::{Agent, Database, Hub, Process, array, check, number, on_both_databases, text};

/// A process of two steps whose first fails, with its alert.
async fn alarmed(hub: &Hub, ada: &mut Agent) -> (Process, Value) {
    let team = hub.team(&[member("ada")], json!({})).await;
    let steps = json!([
        { "key": "a", "name": "A", "maxAttempts": 1 }, { "key": "b", "name": "B", "dependencies": ["a"] },
    ]);
    let process = hub.process(&team, steps).await;
    let a = ada.take().await;
    ada.ask(
        "attempt:fail",
        a.payload(
            &json!({ "error": { "code": "broken", "message": "it broke", "retryable": false } }),
        ),
    )
    .await;
    let path = format!("/alerts?processId={}", process.id);
    let alerts = hub.admin.get(&path).await.expect(200);
    assert_eq!(array(&alerts, "/items").len(), 1, "{alerts:#}");
    (process, alerts["items"][0].clone())
}

/// A key of another principal of the workspace.
async fn key(hub: &Hub, principal: &str, permission: &str) -> Rest {
    let ask = json!({ "principal": principal, "permission": permission });
    let made = hub.admin.post("/keys", &ask).await.expect(201);
    Rest::new(&hub.server.url(), &text(&made, "/key"))
}

on_both_databases! {
    async fn an_alert_is_raised_heard_seen_and_resolved(database: Database) {
        let mut hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let mut admin = hub.person().await;
        let space = hub.admin.get("/workspaces").await.expect(200);
        let space = text(&space, "/items/0/roomId");
        admin.ask("room:join", json!({ "roomId": space })).await;
        let (process, alert) = alarmed(&hub, &mut ada).await;
        assert_eq!(
            json!([alert["type"], alert["severity"], alert["resolved"], alert["processId"]]),
            json!(["performance", "high", false, process.id])
        );
        let heard = admin.event("alert.raised").await;
        assert_eq!(heard["data"], alert, "the workspace's room hears of it");
        assert_eq!(text(&heard, "/origin/roomId"), process.room);

        for (query, found) in [
            ("resolved=false", 1), ("resolved=true", 0), ("severity=high", 1), ("severity=low", 0), ("type=performance&resolved=false", 1), ("type=timeout", 0),
        ] {
            let list = hub.admin.get(&format!("/alerts?{query}")).await.expect(200);
            assert_eq!(array(&list, "/items").len(), found, "{query}");
        }
        let _ = hub.admin.get("/alerts?severity=worst").await.refused(400, "invalid_request");

        let path = format!("/alerts/{}", text(&alert, "/id"));
        let reader = key(&hub, "user:rita", "read").await;
        assert_eq!(array(&reader.get("/alerts").await.expect(200), "/items").len(), 1);
        let _ = reader.put(&path, &json!({ "action": "acknowledge" })).await.refused(403, "forbidden");
        let _ = hub.admin.put(&path, &json!({ "action": "forget" })).await.refused(400, "invalid_request");
        let _ = hub.admin.put("/alerts/00000000-0000-7000-8000-000000000000", &json!({ "action": "resolve" })).await.refused(404, "not_found");
        let seen = hub.admin.put(&path, &json!({ "action": "acknowledge" })).await.expect(200);
        assert_eq!(json!([seen["acknowledgedBy"], seen["resolved"]]), json!(["admin", false]));
        assert_eq!(text(&admin.event("alert.acknowledged").await, "/data/acknowledgedBy"), "admin");
        let over = hub.admin.put(&path, &json!({ "action": "resolve" })).await.expect(200);
        assert_eq!(json!([over["resolvedBy"], over["resolved"]]), json!(["admin", true]));
        assert_eq!(hub.admin.put(&path, &json!({ "action": "resolve" })).await.expect(200), over, "a second time changes nothing");
        let _ = admin.refused("alert:acknowledge", json!({ "alertId": alert["id"] }), "already_resolved").await;
        check::contiguous(&hub.events(&process.room).await);

        // It is all in the log, and comes back with it.
        hub.server.crash().await;
        let again = hub.admin.get("/alerts?resolved=true").await.expect(200);
        assert_eq!(again["items"][0], over);
    }

    async fn a_process_shows_what_its_figures_say(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let (process, alert) = alarmed(&hub, &mut ada).await;
        let path = format!("/processes/{}/metrics", process.id);
        let metrics = hub.admin.get(&path).await.expect(200);
        assert_eq!(metrics["alerts"], json!([alert]));
        assert_eq!(
            metrics["performance"],
            json!({ "successRate": 0.0, "errorRate": 50.0, "averageStepDuration": 0.0, "handoffEfficiency": 100.0, "humanInterventionRate": 0.0 })
        );
        assert_eq!(
            metrics["agentUtilization"],
            json!({ "ada": { "taskCount": 1, "successCount": 0, "averageCompletionTime": 0.0, "errorCount": 1 } })
        );
        assert_eq!(array(&metrics, "/recommendations").len(), 1);
        assert_eq!(text(&metrics, "/recommendations/0/type"), "retries_or_review");
        assert_eq!(number(&metrics, "/recommendations/0/evidence/failedSteps"), 1);

        let _ = hub.admin.put(&format!("/processes/{}", process.id), &json!({ "action": "retry" })).await.expect(200);
        let a = ada.take().await;
        ada.complete(&a, json!({})).await;
        let b = ada.take().await;
        ada.complete(&b, json!({})).await;
        hub.ends(&process, "completed").await;
        let metrics = hub.admin.get(&path).await.expect(200);
        assert_eq!(metrics["performance"]["successRate"], json!(100.0));
        assert_eq!(metrics["alerts"][0]["resolved"], json!(true), "the retry took the cause away");
        assert_eq!(metrics["alerts"][0].get("resolvedBy"), None);
    }

    async fn figures_are_added_up_over_a_time(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        assert_eq!(hub.admin.get("/agents/ada").await.expect(200).get("successRate"), None, "it has ended nothing");
        let (failed, _) = alarmed(&hub, &mut ada).await;
        let team = text(&failed.body, "/teamId");
        let process = hub.process(&team, json!([{ "key": "a", "name": "Draft" }])).await;
        let work = ada.take().await;
        ada.complete(&work, json!({})).await;
        hub.ends(&process, "completed").await;

        let figures = hub.admin.get("/analytics").await.expect(200);
        assert_eq!(figures["successRate"], json!(50.0));
        assert_eq!(array(&figures, "/throughput").len(), 24);
        let last = &figures["throughput"][23];
        assert_eq!(json!([last["completed"], last["failed"], last["cancelled"]]), json!([1, 1, 0]));
        assert_eq!(text(&figures, "/slowestSteps/0/name"), "Draft");
        assert_eq!(text(&figures, "/slowestSteps/0/processId"), process.id);
        assert_eq!(json!([figures["agentUtilization"][0]["taskCount"], figures["agentUtilization"][0]["errorCount"]]), json!([2, 1]));
        assert_eq!(json!([figures["alerts"]["open"], figures["alerts"]["openBySeverity"]["high"]]), json!([1, 1]));
        assert_eq!(text(&figures, "/recommendations/0/processId"), failed.id);
        let agents = hub.admin.get("/agents").await.expect(200);
        assert_eq!(agents["items"][0]["successRate"], json!(50.0));
        assert_eq!(hub.admin.get("/agents/ada").await.expect(200)["successRate"], json!(50.0));

        let few = hub.admin.get(&format!("/analytics?teamId={team}&buckets=2&since=2026-01-01&until=2026-01-02")).await.expect(200);
        assert_eq!(array(&few, "/throughput").len(), 2);
        assert_eq!(few.get("successRate"), None);
        assert_eq!(text(&few, "/throughput/1/at"), "2026-01-01T12:00:00.000000Z");
        for (query, path) in [
            ("since=2026-01-02&until=2026-01-01", "since"), ("since=2026-01-01&until=2026-06-01", "since"), ("buckets=0", "buckets"), ("buckets=201", "buckets"),
            ("since=yesterday", "since"), ("teamId=x", "teamId"),
        ] {
            let problem = hub.admin.get(&format!("/analytics?{query}")).await.refused(400, "invalid_request");
            assert_eq!(text(&problem, "/errors/0/path"), path, "{query}");
        }
        let nobodys = "00000000-0000-7000-8000-000000000000";
        let _ = hub.admin.get(&format!("/analytics?teamId={nobodys}")).await.refused(404, "not_found");
    }

    async fn thresholds_are_the_workspaces_own(database: Database) {
        let hub = Hub::start(database).await;
        let usual = hub.admin.get("/alert-rules").await.expect(200);
        let metrics: Vec<_> = array(&usual, "/items").iter().map(|r| text(r, "/metric")).collect();
        assert_eq!(metrics, ["errorRate", "interventions", "lostLeases", "overdueInterventions"]);
        let mut own = usual.clone();
        own["items"][0]["threshold"] = json!(60);
        own["items"][1]["enabled"] = json!(false);
        let set = hub.admin.put("/alert-rules", &own).await.expect(200);
        assert_eq!(set["items"][0]["threshold"], json!(60.0));
        assert_eq!(hub.admin.get("/alert-rules").await.expect(200), set);
        let wrong = json!({ "items": [{ "metric": "errorRate", "threshold": 101 }, { "metric": "luck", "threshold": 1 }] });
        let _ = hub.admin.put("/alert-rules", &wrong).await.refused(400, "invalid_request");
        let writer = key(&hub, "user:wendy", "write").await;
        let _ = writer.get("/alert-rules").await.expect(200);
        let _ = writer.put("/alert-rules", &own).await.refused(403, "forbidden");

        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub.process(&team, json!([{ "name": "A", "maxAttempts": 1 }, { "name": "B" }])).await;
        let work = ada.take().await;
        ada.ask("attempt:fail", work.payload(&json!({ "error": { "message": "no", "retryable": false } }))).await;
        hub.ends(&process, "failed").await;
        let list = hub.admin.get("/alerts").await.expect(200);
        assert_eq!(array(&list, "/items").len(), 0, "50 % is not above 60 %");
        let page = reqwest::get(format!("{}/metrics", hub.server.url())).await.unwrap().text().await.unwrap();
        assert!(page.contains("baton_open_alerts{severity=\"high\"} 0"), "{page}");
    }
}
