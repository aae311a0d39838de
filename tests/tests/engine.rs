//! What the clock does to processes, and what rules do, against the real binary: timers really fire, and agents really hear of it.

use serde_json::json;
use tests::hub::{member, step};
use tests::{Database, Hub, array, check, on_both_databases, text};

on_both_databases! {
    async fn an_agent_whose_time_is_up_is_told_and_the_step_goes_on_as_its_conditions_say(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub
            .process(&team, json!([
                { "key": "slow", "name": "Slow", "timeoutMs": 1500, "conditions": [{ "type": "timeout", "action": "skip" }] },
                { "key": "next", "name": "Next", "dependencies": ["slow"] },
            ]))
            .await;
        let slow = ada.take().await;
        let cancelled = ada.event("work.cancelled").await;
        assert_eq!(text(&cancelled, "/attemptId"), slow.attempt_id);
        let _ = ada.refused("attempt:complete", slow.payload(&json!({ "outputs": {} })), "stale_lease").await;
        let next = ada.take().await;
        assert_eq!(next.step(), "next");
        ada.complete(&next, json!({})).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(text(step(&ended, "slow"), "/status"), "skipped");
        assert_eq!(text(step(&ended, "slow"), "/error/code"), "timeout");
    }

    async fn a_process_that_takes_too_long_fails_but_not_while_only_a_human_is_awaited(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let settings = json!({ "timeoutSettings": { "processTimeout": 6000 } });
        let team = hub.team(&[member("ada")], settings).await;
        let patient = hub.process(&team, json!([{ "key": "a", "name": "A", "requiresApproval": true }])).await;
        let hasty = hub.process(&team, json!([{ "key": "a", "name": "A" }])).await;
        let _ = ada.take().await;
        let failed = hub.ends(&hasty, "failed").await;
        assert_eq!(text(&failed, "/error/code"), "timeout");
        // Begun before the other one, and still waiting for its human.
        assert_eq!(text(&hub.read(&patient).await, "/status"), "running");
        let question = hub.open_intervention(&patient).await;
        hub.answer(&question, &json!({ "action": "approve" })).await;
        let work = ada.take().await;
        ada.complete(&work, json!({})).await;
        hub.ends(&patient, "completed").await;
    }

    async fn a_rule_asks_a_human_once_and_the_log_says_what_it_saw(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let rules = json!({ "escalationRules": [
            { "id": "failing", "condition": "errorCount >= 1", "action": "notify_human", "parameters": { "message": "It fails" } },
        ] });
        let team = hub.team(&[member("ada")], rules).await;
        let process = hub.process(&team, json!([{ "key": "a", "name": "A", "backoffMs": 0 }])).await;
        for _ in 0..2 {
            let work = ada.take().await;
            ada.fail(&work, "no").await;
        }
        let work = ada.take().await;
        ada.complete(&work, json!({})).await;
        hub.ends(&process, "completed").await;
        let events = hub.events(&process.room).await;
        check::contiguous(&events);
        let fired: Vec<_> = events.iter().filter(|e| e["type"] == "rule.fired").collect();
        assert_eq!(fired.len(), 1, "{fired:#?}");
        assert_eq!(fired[0]["data"]["seen"], json!({ "errorCount": 1 }));
        assert_eq!(fired[0]["data"]["outcome"], "done");
        let path = format!("/processes/{}/interventions", process.id);
        let asked = hub.admin.get(&path).await.expect(200);
        assert_eq!(array(&asked, "/items").len(), 1);
        assert_eq!(text(&asked, "/items/0/description"), "It fails");
    }
}
