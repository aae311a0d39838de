//! Alerts, recommendations and the workspace's rules: written beside the log, read back, and checked.

use rooms::Command;
use rooms::id::RoomId;
use rooms::model::monitoring::AlertRule;
use serde_json::{Value as Json, json};
use storage::Store;
use storage::db::Value;
use storage::list::Filter;
use storage::read::Thing;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};

/// A process of three steps of which one has failed, with its alert.
async fn alarmed(store: &Store) -> (Clerk, RoomId) {
    let mut clerk = Clerk::open(store, "one").await;
    clerk.register("ann", &[], 5).await;
    let team = clerk.team("Team", &["ann"]).await;
    let steps = json!([
        {"key": "a", "name": "A", "maxAttempts": 1, "continueOnFailure": true}, {"key": "b", "name": "B"}, {"key": "c", "name": "C"},
    ]);
    let room = clerk.process("Process", team, steps, json!({})).await;
    let attempt = clerk.claim(room, "a", "ann").await;
    let failure = json!({"epoch": attempt.1, "error": {"message": "no", "retryable": false}});
    let fail = Command::Fail {
        attempt_id: attempt.0.into(),
        failure: body(failure),
    };
    clerk.run(&agent("one", "ann"), room, fail).await.unwrap();
    (clerk, room)
}

async fn complete(clerk: &mut Clerk, room: RoomId, key: &str) {
    let (id, epoch) = clerk.claim(room, key, "ann").await;
    let complete = Command::Complete {
        attempt_id: id.into(),
        result: body(json!({"epoch": epoch, "outputs": {}})),
    };
    clerk
        .run(&agent("one", "ann"), room, complete)
        .await
        .unwrap();
}

async fn listed(store: &Store, equals: Vec<(&'static str, Value)>) -> Vec<Json> {
    let filter = Filter {
        equals,
        limit: 10,
        ..Filter::default()
    };
    store
        .list(Thing::Alert, &"one".into(), &filter)
        .await
        .unwrap()
        .items
}

on_both! {
    async fn an_alert_is_a_row_from_its_raising_to_its_end(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let (mut clerk, room) = alarmed(store).await;
        let open = listed(store, vec![("resolved", false.into())]).await;
        assert_eq!(open.len(), 1);
        assert_eq!(json!([open[0]["type"], open[0]["ruleId"]]), json!(["performance", "error-rate"]));
        assert_eq!(store.open_alerts().await.unwrap(), [("high".to_owned(), 1)]);
        let id = open[0]["id"].as_str().unwrap().parse().unwrap();
        let home = store.room_of(Thing::Alert, &"one".into(), id).await.unwrap();
        assert_eq!(home, Some(room));
        assert_eq!(store.room_of(Thing::Alert, &"two".into(), id).await.unwrap(), None);

        let see = Command::AcknowledgeAlert { alert_id: id.into() };
        clerk.run(&person("one", "eve"), room, see).await.unwrap();
        assert_eq!(listed(store, Vec::new()).await[0]["acknowledgedBy"], "eve");
        complete(&mut clerk, room, "b").await;
        complete(&mut clerk, room, "c").await;
        assert_eq!(listed(store, vec![("resolved", false.into())]).await, Vec::<Json>::new());
        let ended = listed(store, vec![("severity", "high".into()), ("process_id", room.0.into())]).await;
        assert_eq!(ended[0]["resolution"], "the process has ended");
        assert_eq!(store.open_alerts().await.unwrap(), []);
        let made = store.query("SELECT type FROM recommendations", Vec::new()).await.unwrap();
        assert_eq!(made.iter().map(|r| r.text(0)).collect::<Vec<_>>(), ["retries_or_review"]);
        clerk.verified().await;
        backend.closed().await;
    }

    async fn a_workspace_has_the_usual_rules_until_it_sets_its_own(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let mut clerk = Clerk::open(store, "one").await;
        Clerk::open(store, "two").await;
        assert_eq!(store.alert_rules(&"one".into()).await.unwrap().items, AlertRule::defaults());
        let space = clerk.space_room;
        for threshold in [50, 0] {
            let rules = json!({"items": [{"id": "mine", "metric": "errorRate", "threshold": threshold, "severity": "low"}]});
            clerk.run(&person("one", "admin"), space, Command::SetAlertRules(body(rules))).await.unwrap();
        }
        let own = store.alert_rules(&"one".into()).await.unwrap().items;
        assert_eq!(json!(own), json!([{"id": "mine", "metric": "errorRate", "threshold": 0.0, "type": "performance", "severity": "low", "enabled": true}]));
        assert_eq!(store.alert_rules(&"two".into()).await.unwrap().items, AlertRule::defaults());
        clerk.register("ann", &[], 5).await;
        let team = clerk.team("Team", &["ann"]).await;
        let room = clerk.process("Process", team, json!([{"name": "A"}]), json!({})).await;
        let bound = clerk.state(room).process.unwrap().process.alert_rules.clone();
        assert_eq!(bound.map(|r| r.to_vec()), Some(own), "a process has the rules of its start");
        clerk.verified().await;
        backend.closed().await;
    }

    async fn what_is_damaged_of_them_is_found(backend) {
        let backend = backend.migrated().await;
        let (mut clerk, room) = alarmed(&backend.store).await;
        let space = clerk.space_room;
        let rules = json!({"items": [{"metric": "errorRate", "threshold": 1}]});
        clerk.run(&person("one", "admin"), space, Command::SetAlertRules(body(rules))).await.unwrap();
        complete(&mut clerk, room, "b").await;
        complete(&mut clerk, room, "c").await;
        clerk.verified().await;
        let backend = backend.closed().await;
        for (damage, wanted) in [
            ("UPDATE alerts SET resolved = 0", "resolved of alerts"),
            ("UPDATE alerts SET severity = 'low'", "severity of alerts"),
            ("DELETE FROM alerts", "alerts has no row"),
            ("UPDATE recommendations SET made_at = 1", "made_at of recommendations"),
            ("DELETE FROM recommendations", "recommendations has no row"),
            ("UPDATE alert_rules SET data = '{\"items\":[]}'", "data of alert_rules"),
            ("DELETE FROM alert_rules", "alert_rules has no row"),
        ] {
            let copy = backend.copy().await;
            let mut tx = copy.store.begin().await.unwrap();
            assert!(tx.execute(damage, Vec::new()).await.unwrap() > 0, "nothing was damaged by {damage}");
            tx.commit().await.unwrap();
            let problems = copy.store.verify().await.unwrap().problems;
            assert!(problems.iter().any(|p| p.contains(wanted)), "{damage}: {wanted:?} is not in {problems:#?}");
            copy.closed().await;
        }
    }
}
