//! An agent that lost its lease is a zombie: what it says late changes nothing.

use serde_json::json;
use tests::hub::member;
use tests::{Database, Hub, check, on_both_databases, text};

on_both_databases! {
    async fn a_dead_agents_step_goes_to_another_and_its_late_result_is_refused(database: Database) {
        let hub = Hub::start(database).await;
        let key = hub.register("first", &["dig"]).await;
        let mut first = hub.connect("first", &key, "first-1").await;
        first.ready("first-1").await;
        let second_key = hub.register("second", &["dig"]).await;
        let team = hub
            .team(&[member("first"), member("second")], json!({ "timeoutSettings": { "leaseMs": 6000 } }))
            .await;
        let process = hub
            .process(&team, json!([{ "key": "dig", "name": "Dig", "description": "", "requiredCapabilities": ["dig"] }]))
            .await;
        let lost = first.take().await;
        drop(first);

        // Offered to the one that fits once the lease has run out, and not before.
        let mut second = hub.connect("second", &second_key, "second-1").await;
        second.ready("second-1").await;
        let work = second.take().await;
        assert_eq!(work.step(), "dig");
        assert!(work.epoch > lost.epoch);
        let events = hub.events(&process.room).await;
        let order = check::kinds(&events, "assignment.");
        assert_eq!(order[..3], ["assignment.offered", "assignment.accepted", "assignment.expired"], "{order:?}");

        // The first one was only asleep. It connects and goes on where it was.
        let zombie = hub.connect("first", &key, "first-1").await;
        let held = zombie.ready("first-1").await;
        assert_eq!(held["attempts"], json!([]), "it holds nothing any more");
        let writes = [
            ("attempt:heartbeat", json!({})),
            ("attempt:progress", json!({ "percent": 99 })),
            ("attempt:complete", json!({ "outputs": { "by": "first" } })),
            ("attempt:fail", json!({ "error": { "code": "late", "message": "late", "retryable": false } })),
            ("attempt:release", json!({})),
        ];
        for (command, more) in writes {
            let problem = zombie.refused(command, lost.payload(&more), "stale_lease").await;
            assert!(problem["context"]["holder"].to_string().contains("second"), "{problem:#}");
        }
        second.complete(&work, json!({ "by": "second" })).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(text(&ended, "/context/sharedData/steps/dig/by"), "second");
        let events = hub.events(&process.room).await;
        assert_eq!(check::count(&events, "step.completed"), 1);
        let audit = hub.admin.get("/audit").await.expect(200);
        assert!(audit.to_string().contains("stale_lease"), "the audit keeps refusals: {audit:#}");
        check::verify(&hub).await;
    }
}
