//! Figures over a time: added up from the read model, the same on both databases.

use rooms::id::RoomId;
use rooms::model::analytics::Analytics;
use rooms::{Command, Timestamp};
use serde_json::{Value as Json, json};
use storage::Store;
use storage::analytics::Span;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};

const HOUR: i64 = 3_600_000_000;

async fn now(store: &Store) -> Timestamp {
    store.lane_tx().await.unwrap().now().await.unwrap()
}

/// The hour around now, in four parts.
async fn around(store: &Store) -> Span {
    let now = now(store).await;
    Span {
        since: Timestamp(now.0 - HOUR / 2),
        until: Timestamp(now.0 + HOUR / 2),
        buckets: 4,
        team: None,
    }
}

async fn figures(store: &Store, span: &Span) -> Analytics {
    store.analytics(&"one".into(), span).await.unwrap()
}

async fn complete(clerk: &mut Clerk, room: RoomId, key: &str, by: &str) {
    let (id, epoch) = clerk.claim(room, key, by).await;
    let result = body(json!({"epoch": epoch, "outputs": {}}));
    let complete = Command::Complete {
        attempt_id: id.into(),
        result,
    };
    clerk.run(&agent("one", by), room, complete).await.unwrap();
}

async fn fail(clerk: &mut Clerk, room: RoomId, key: &str, by: &str) {
    let (id, epoch) = clerk.claim(room, key, by).await;
    let failure = body(json!({"epoch": epoch, "error": {"message": "no", "retryable": false}}));
    let fail = Command::Fail {
        attempt_id: id.into(),
        failure,
    };
    clerk.run(&agent("one", by), room, fail).await.unwrap();
}

fn one_step() -> Json {
    json!([{"key": "a", "name": "Draft", "maxAttempts": 1}])
}

on_both! {
    async fn a_workspace_in_which_nothing_happened_has_no_figures(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let _ = Clerk::open(store, "one").await;
        let span = around(store).await;
        let found = figures(store, &span).await;
        assert_eq!(found.success_rate, None);
        assert_eq!(found.throughput.len(), 4);
        assert!(found.throughput.iter().all(|t| t.completed + t.failed + t.cancelled == 0));
        let quarters: Vec<i64> = found.throughput.iter().map(|t| t.at.0 - span.since.0).collect();
        assert_eq!(quarters, [0, HOUR / 4, HOUR / 2, HOUR * 3 / 4]);
        assert_eq!(json!([found.slowest_steps, found.agent_utilization, found.recommendations]), json!([[], [], []]));
        assert_eq!(json!(found.interventions), json!({"requested": 0, "completed": 0, "expired": 0, "cancelled": 0, "pending": 0, "overdue": 0}));
        assert_eq!(json!(found.alerts), json!({"raised": 0, "open": 0, "openBySeverity": {"low": 0, "medium": 0, "high": 0, "critical": 0}}));
        assert_eq!(store.records(&"one".into(), &["ann".into()]).await.unwrap(), []);
        backend.closed().await;
    }

    async fn what_ended_in_the_time_is_counted_and_nothing_else(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let mut clerk = Clerk::open(store, "one").await;
        clerk.register("ann", &[], 2).await;
        clerk.register("ben", &[], 2).await;
        let team = clerk.team("Team", &["ann", "ben"]).await;
        let other = clerk.team("Other", &["ann", "ben"]).await;
        for n in 0..3 {
            let room = clerk.process("Good", team, one_step(), json!({})).await;
            if n == 0 {
                let (id, epoch) = clerk.claim(room, "a", "ann").await;
                let asked = clerk.ask(room, "ann", (id, epoch), json!({"type": "input", "description": "How?"})).await;
                let reply = Command::RespondIntervention {
                    intervention_id: asked["id"].as_str().unwrap().parse().unwrap(),
                    reply: Box::new(body(json!({"action": "answer", "value": 1}))),
                };
                clerk.run(&person("one", "admin"), room, reply).await.unwrap();
                let result = body(json!({"epoch": epoch, "outputs": {}}));
                clerk.run(&agent("one", "ann"), room, Command::Complete { attempt_id: id.into(), result }).await.unwrap();
            } else {
                complete(&mut clerk, room, "a", "ann").await;
            }
        }
        let bad = clerk.process("Bad", other, one_step(), json!({})).await;
        fail(&mut clerk, bad, "a", "ben").await;
        let stopped = clerk.process("Stopped", team, one_step(), json!({})).await;
        clerk.claim(stopped, "a", "ben").await;
        clerk.run(&person("one", "admin"), stopped, Command::CancelProcess(body(json!({})))).await.unwrap();
        let open = clerk.process("Open", team, one_step(), json!({})).await;
        let held = clerk.claim(open, "a", "ann").await;
        for description in ["Which?", "And when?"] {
            clerk.ask(open, "ann", held, json!({"type": "input", "description": description})).await;
        }
        let still = clerk.process("Still", other, one_step(), json!({})).await;
        clerk.run(&person("one", "admin"), still, Command::PauseProcess(body(json!({})))).await.unwrap();

        let span = around(store).await;
        let found = figures(store, &span).await;
        let third = &found.throughput[2];
        let second = &found.throughput[1];
        let both = |of: fn(&rooms::model::analytics::Throughput) -> u64| of(third) + of(second);
        assert_eq!((both(|t| t.completed), both(|t| t.failed), both(|t| t.cancelled)), (3, 1, 1));
        assert_eq!(found.success_rate, Some(75.0));
        let slow = &found.slowest_steps;
        assert_eq!((slow.len(), slow[0].name.as_str(), slow[0].count), (1, "Draft", 3));
        assert!(slow[0].average <= slow[0].slowest as f64);
        let mut agents = found.agent_utilization.clone();
        agents.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
        let told: Vec<_> = agents.iter().map(|a| (a.agent_id.as_str(), a.task_count, a.success_count, a.error_count)).collect();
        assert_eq!(told, [("ann", 3, 3, 0), ("ben", 2, 0, 1)]);
        assert!(agents[0].utilization >= 0.0 && agents[0].utilization < 100.0);
        assert_eq!((found.interventions.requested, found.interventions.completed), (3, 1));
        assert!(found.interventions.average_response_time.is_some());
        assert_eq!((found.alerts.raised, found.alerts.open, found.alerts.open_by_severity["high"]), (1, 1, 1));
        assert_eq!(found.recommendations.len(), 1);
        assert_eq!(found.recommendations[0].process_id.0, bad.0);

        assert_eq!(json!(found.standing), json!({"pending": 0, "running": 1, "paused": 1, "waiting": 1}), "two questions, one process");

        let of_other = figures(store, &Span { team: Some(other), ..span.clone() }).await;
        assert_eq!(json!(of_other.standing), json!({"pending": 0, "running": 0, "paused": 1, "waiting": 0}));
        assert_eq!(of_other.success_rate, Some(0.0));
        assert_eq!((of_other.interventions.requested, of_other.alerts.open, of_other.agent_utilization.len()), (0, 1, 1));
        let of_team = figures(store, &Span { team: Some(team), ..span.clone() }).await;
        assert_eq!((of_team.success_rate, of_team.alerts.raised, of_team.recommendations.len()), (Some(100.0), 0, 0));
        assert_eq!(of_team.interventions.requested, 3);
        let before = figures(store, &Span { until: span.since, since: Timestamp(span.since.0 - HOUR), ..span.clone() }).await;
        assert_eq!((before.success_rate, before.interventions.requested, before.alerts.raised), (None, 0, 0));
        assert_eq!(before.alerts.open, 1, "what is open is open now");
        assert_eq!(before.standing, found.standing, "so is what stands");
        let elsewhere = store.analytics(&"two".into(), &span).await.unwrap();
        assert_eq!((elsewhere.success_rate, elsewhere.alerts.open, elsewhere.standing.running), (None, 0, 0));

        let records = store.records(&"one".into(), &["ann".into(), "ben".into(), "cid".into()]).await.unwrap();
        let mut records: Vec<_> = records.iter().map(|(id, good, all)| (id.as_str(), *good, *all)).collect();
        records.sort_unstable();
        assert_eq!(records, [("ann", 3, 3), ("ben", 0, 1)], "what was taken away says nothing of its agent");
        clerk.verified().await;
        backend.closed().await;
    }

    async fn a_fork_is_not_credited_with_what_it_took_over(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let mut clerk = Clerk::open(store, "one").await;
        clerk.register("ann", &[], 2).await;
        let team = clerk.team("Team", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "Draft"}, {"key": "b", "name": "Check", "dependencies": ["a"]}]);
        let room = clerk.process("Process", team, steps, json!({})).await;
        complete(&mut clerk, room, "a", "ann").await;
        let fork = RoomId(uuid::Uuid::now_v7());
        let command = Command::ForkProcess {
            process_id: fork.0.into(),
            source: room.0.into(),
            team_id: team,
            fork: body(json!({})),
        };
        clerk.run(&person("one", "admin"), fork, command).await.unwrap();
        let span = around(store).await;
        assert_eq!(figures(store, &span).await.slowest_steps[0].count, 1);
        clerk.verified().await;
        backend.closed().await;
    }

    async fn a_store_of_before_is_brought_up_to_date_with_its_past(backend) {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let mut clerk = Clerk::open(store, "one").await;
        clerk.register("ann", &[], 2).await;
        let team = clerk.team("Team", &["ann"]).await;
        let room = clerk.process("Process", team, one_step(), json!({})).await;
        let (id, epoch) = clerk.claim(room, "a", "ann").await;
        clerk.ask(room, "ann", (id, epoch), json!({"type": "input", "description": "How?"})).await;
        let open = clerk.process("Open", team, json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]), json!({})).await;
        complete(&mut clerk, open, "a", "ann").await;
        let result = body(json!({"epoch": epoch, "outputs": {}}));
        clerk.run(&agent("one", "ann"), room, Command::Complete { attempt_id: id.into(), result }).await.unwrap();
        let span = around(store).await;
        let before = figures(store, &span).await;
        store.migrate_down(1).await.unwrap();
        store.migrate().await.unwrap();
        assert_eq!(figures(store, &span).await, before);
        clerk.verified().await;
        backend.closed().await;
    }
}
