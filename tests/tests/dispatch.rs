//! No ready step waits while an agent that fits is free, whatever else waits before it.

use serde_json::{Value, json};
use tests::check::count;
use tests::hub::member;
use tests::{Database, Hub, array, on_both_databases};
use tokio::time::{Duration, sleep};

/// Steps that need a capability, as many as asked for.
fn steps(count: usize, capability: &str) -> Value {
    let step =
        |n| json!({ "key": format!("s{n}"), "name": "Step", "requiredCapabilities": [capability] });
    (0..count).map(step).collect()
}

/// Steps one after the other.
fn chain(count: usize) -> Value {
    let key = |n: usize| format!("s{n}");
    let step = |n| json!({ "key": key(n), "name": "Step", "dependencies": (n > 0).then(|| key(n - 1)).as_slice() });
    (0..count).map(step).collect()
}

fn urgent(team: &str, steps: &Value) -> Value {
    json!({ "name": "Urgent", "teamId": team, "priority": "urgent", "steps": steps })
}

on_both_databases! {
    async fn a_step_that_fits_is_found_behind_any_number_that_do_not(database: Database) {
        let hub = Hub::start(database).await;
        let mut ann = hub.agent("ann", &["add"]).await;
        let team = hub.team(&[member("ann")], json!({})).await;
        // More than one round of the dispatcher looks at, and all of it before what ann can do.
        for _ in 0..11 {
            let _ = hub.admin.post("/processes", &urgent(&team, &steps(1_000, "sing"))).await.expect(201);
        }
        let process = hub.process(&team, steps(2, "add")).await;
        let pushed = ann.take().await;
        assert_eq!(pushed.offer["process"]["id"], process.id);
        ann.complete(&pushed, json!({})).await;
        // Whoever pulls finds it too.
        let key = hub.register("ben", &["add"]).await;
        let other = hub.team(&[member("ben")], json!({})).await;
        let _ = hub.admin.post("/processes", &urgent(&other, &steps(1_000, "sing"))).await.expect(201);
        let process = hub.process(&other, steps(1, "add")).await;
        let ben = hub.connect("ben", &key, "ben-1").await;
        let pulled = ben.ask("work:claim", json!({})).await;
        assert_eq!(array(&pulled.data, "/attempts").len(), 1);
        assert_eq!(pulled.data["attempts"][0]["process"]["id"], process.id);
    }

    async fn a_team_at_its_limit_holds_up_no_other(database: Database) {
        let hub = Hub::start(database).await;
        let mut ann = hub.agent("ann", &[]).await;
        let mut ben = hub.agent("ben", &[]).await;
        let full = hub.team(&[member("ben"), member("ann")], json!({ "maxConcurrentTasks": 1 })).await;
        let free = hub.team(&[member("ann")], json!({})).await;
        let many = json!((0..600).map(|n| json!({ "key": format!("s{n}"), "name": "Step", "assignedAgentId": if n == 0 { "ben" } else { "ann" } })).collect::<Vec<_>>());
        let held = hub.process_with(urgent(&full, &many)).await;
        // The one step that the team may have at work is ben's or ann's, whoever was first; it stays held.
        let first = tokio::select! { work = ann.offer() => work, work = ben.offer() => work };
        assert_eq!(first.offer["process"]["id"], held.id);
        let holder = if first.step() == "s0" { &ben } else { &ann };
        holder.accept(&first).await;
        let _ = hub.admin.put("/agents/ann", &json!({ "slots": 2 })).await.expect(200);
        let process = hub.process(&free, json!([{ "key": "a", "name": "A" }])).await;
        let next = ann.offer().await;
        assert_eq!(next.offer["process"]["id"], process.id);
    }

    async fn who_refuses_a_step_is_offered_the_next(database: Database) {
        let hub = Hub::start(database).await;
        let mut ann = hub.agent("ann", &[]).await;
        let team = hub.team(&[member("ann")], json!({})).await;
        let process = hub.process(&team, json!([{ "key": "a", "name": "A" }, { "key": "b", "name": "B" }])).await;
        let first = ann.offer().await;
        assert_eq!(first.offer["process"]["id"], process.id);
        ann.ask("attempt:reject", first.payload(&json!({ "reason": "not mine" }))).await;
        // She has one slot, and the step that she refused would still be chosen first for it.
        let second = ann.take().await;
        assert_ne!(second.step(), first.step());
    }

    async fn a_step_is_offered_in_the_transaction_that_makes_it_ready(database: Database) {
        let hub = Hub::start(database).await;
        let mut ann = hub.agent("ann", &[]).await;
        let team = hub.team(&[member("ann")], json!({})).await;
        // With the first the node gets to know who is there.
        for known in [false, true] {
            let process = hub.process(&team, chain(3)).await;
            for _ in 0..3 {
                let work = ann.take().await;
                ann.complete(&work, json!({})).await;
            }
            hub.ends(&process, "completed").await;
            let events = hub.events(&process.room).await;
            let at = |kind: &str| events.iter().filter(|e| e["type"] == kind).map(|e| e["at"].clone()).collect::<Vec<_>>();
            let (ready, offered) = (at("step.ready"), at("assignment.offered"));
            assert_eq!((ready.len(), offered.len()), (3, 3), "{events:?}");
            if known {
                // All events of a transaction are of one moment.
                assert_eq!(ready, offered);
            }
        }
    }

    async fn a_slot_that_is_let_go_of_goes_to_who_is_next(database: Database) {
        let hub = Hub::start(database).await;
        let mut ann = hub.agent("ann", &[]).await;
        let team = hub.team(&[member("ann")], json!({})).await;
        let first = hub.process(&team, chain(2)).await;
        let work = ann.take().await;
        // Who has waited longer than the step that is about to be ready has the slot first ...
        let waiting = hub.process(&team, chain(1)).await;
        ann.complete(&work, json!({})).await;
        let next = ann.take().await;
        assert_eq!(next.offer["process"]["id"], waiting.id);
        ann.complete(&next, json!({})).await;
        let last = ann.take().await;
        assert_eq!(last.offer["process"]["id"], first.id);
        ann.complete(&last, json!({})).await;
        // ... unless that is more urgent.
        let hurried = hub.process_with(urgent(&team, &chain(2))).await;
        let work = ann.take().await;
        hub.process(&team, chain(1)).await;
        ann.complete(&work, json!({})).await;
        assert_eq!(ann.take().await.offer["process"]["id"], hurried.id);
    }

    async fn an_offer_outlives_the_absence_of_the_server(database: Database) {
        let mut hub = Hub::start(database).await;
        let key = hub.register("ann", &[]).await;
        let mut ann = hub.connect("ann", &key, "ann-1").await;
        ann.ready("ann-1").await;
        let offered = Duration::from_secs(10);
        hub.register("ben", &[]).await;
        let team = hub.team(&[member("ann"), member("ben")], json!({ "timeoutSettings": { "offerMs": offered.as_millis() as u64 } })).await;
        let process = hub.process(&team, chain(1)).await;
        let before = ann.offer().await;
        let question = json!({
            "processId": process.id, "toAgentId": "ben", "message": "Are you there?", "type": "question", "responseTimeoutMs": 1_000,
        });
        ann.ask("communication:send", question).await;
        hub.server.kill().await;
        // Its time passes meanwhile.
        sleep(offered).await;
        hub.server.launch();
        hub.server.ready().await;
        // What else was due meanwhile is seen to at once.
        let sent = format!("/processes/{}/communications", process.id);
        hub.until(&sent, |list| list["items"][0]["expired"] == true).await;
        let mut ann = hub.connect("ann", &key, "ann-1").await;
        ann.ready("ann-1").await;
        let after = ann.take().await;
        assert_eq!((&after.attempt_id, after.epoch), (&before.attempt_id, before.epoch));
        ann.complete(&after, json!({})).await;
        hub.ends(&process, "completed").await;
        let events = hub.events(&process.room).await;
        assert_eq!((count(&events, "assignment.offered"), count(&events, "assignment.expired")), (1, 0));
    }
}
