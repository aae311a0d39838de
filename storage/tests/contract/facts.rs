//! What a command needs to know from outside its room.

use std::collections::BTreeSet;

use rooms::id::{AgentId, RoomId, TeamId};
use rooms::{Command, Needs};
use serde_json::json;
use storage::Ahead;
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, body, person};

on_both! {
    async fn teams_and_agents_are_read_within_their_workspace(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &["dig"], 3).await;
        clerk.register("gone", &[], 1).await;
        clerk.run(&person("one", "admin"), clerk.space_room, Command::RemoveAgent { agent_id: "gone".into() }).await.unwrap();
        let team = clerk.team("Team", &["ann", "ben"]).await;
        Clerk::open(&store, "two").await.register("ann", &["sing"], 1).await;

        let needs = Needs {
            teams: [team, TeamId(Uuid::now_v7())].into(),
            agents: ["ann", "ben", "gone", "nobody"].map(Into::into).into(),
            ..Needs::default()
        };
        let mut tx = store.lane_tx().await.unwrap();
        let facts = tx.facts(&"one".into(), &needs).await.unwrap();
        assert_eq!(facts.teams.keys().collect::<Vec<_>>(), [&team]);
        assert_eq!(facts.teams[&team].agents.len(), 2);
        let known: Vec<&str> = facts.agents.keys().map(|a| a.as_str()).collect();
        assert_eq!(known, ["ann", "ben", "gone"], "a removed one too: `decide` says what that means");
        assert!(facts.agents[&"gone".into()].archived);
        assert_eq!((facts.agents[&"ann".into()].slots, &facts.agents[&"ann".into()].capabilities), (3, &vec!["dig".to_owned()]));
        assert!(facts.agents[&"ben".into()].provisional, "registered by joining a team");
        assert!(facts.agent_live.is_empty() && facts.team_live.is_empty(), "not counted unless asked for");
        let other = tx.facts(&"two".into(), &needs).await.unwrap();
        assert!(other.teams.is_empty(), "another workspace's team");
        assert_eq!(other.agents[&"ann".into()].capabilities, ["sing"]);
        assert_eq!(other.agents.len(), 1);
    }

    async fn live_attempts_are_counted_over_all_processes(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        clerk.register("ben", &[], 5).await;
        let team = clerk.team("Team", &["ann", "ben"]).await;
        let other = clerk.team("Other", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]);
        let first = clerk.process("First", team, steps.clone(), json!({})).await;
        let second = clerk.process("Second", other, steps, json!({})).await;
        let (one, epoch) = clerk.claim(first, "a", "ann").await;
        let (two, _) = clerk.claim(first, "b", "ben").await;
        let (three, _) = clerk.claim(second, "a", "ann").await;
        let needs = Needs { teams: [team].into(), agents: ["ann", "ben"].map(Into::into).into(), slots: true, ..Needs::default() };
        let live = async || {
            let mut tx = store.lane_tx().await.unwrap();
            let facts = tx.facts(&"one".into(), &needs).await.unwrap();
            let of = |agent: &str| facts.agent_live.get(&agent.into()).cloned().unwrap_or_default();
            (of("ann"), of("ben"), facts.team_live[&team].clone())
        };
        assert_eq!(live().await, ([one, three].map(Into::into).into(), [two.into()].into(), [one, two].map(Into::into).into()));
        // An attempt that has ended is no longer counted.
        let done = Command::Complete { attempt_id: one.into(), result: body(json!({"epoch": epoch, "outputs": {}})) };
        clerk.run(&crate::clerk::agent("one", "ann"), first, done).await.unwrap();
        assert_eq!(live().await, ([three.into()].into(), [two.into()].into(), [two.into()].into()));
        let mut tx = store.lane_tx().await.unwrap();
        let idle = Needs { slots: true, ..Needs::default() };
        assert!(tx.facts(&"one".into(), &idle).await.unwrap().agent_live.is_empty());
        drop(tx);
        clerk.verified().await;
    }

    async fn what_is_read_ahead_is_what_would_be_read_later(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &["dig"], 5).await;
        let team = clerk.team("Team", &["ann", "ben"]).await;
        let process = clerk.process("First", team, json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]), json!({})).await;
        clerk.claim(process, "a", "ann").await;
        for (slots, alert_rules) in [(false, false), (false, true), (true, false), (true, true)] {
            let needs = Needs { teams: [team].into(), agents: ["ann", "ben"].map(Into::into).into(), alert_rules, slots, ..Needs::default() };
            let mut tx = store.lane_tx().await.unwrap();
            let later = tx.facts(&"one".into(), &needs).await.unwrap();
            drop(tx);
            assert_eq!((later.agents.len(), later.teams.len(), later.team_live.len()), (2, 1, usize::from(slots)));
            let mut tx = store.lane_tx().await.unwrap();
            let rooms = vec![process, clerk.space_room, RoomId(team.0)];
            let opened = tx.open(Ahead { rooms: rooms.clone(), registry: Some(("one".into(), needs.clone())) }).await.unwrap();
            assert_eq!(opened.rooms.iter().map(|r| r.id).collect::<BTreeSet<_>>(), rooms.into_iter().collect());
            let ahead = tx.facts(&"one".into(), &needs).await.unwrap();
            assert_eq!(format!("{ahead:?}"), format!("{later:?}"));
            // What is asked for next was not read ahead.
            assert!(tx.facts(&"two".into(), &needs).await.unwrap().agents.is_empty());
        }
    }

    async fn what_was_handed_out_while_the_locks_were_waited_for_is_counted(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        let team = clerk.team("Team", &["ann"]).await;
        let process = clerk.process("First", team, json!([{"key": "a", "name": "A"}]), json!({})).await;
        let needs = Needs { teams: [team].into(), agents: [AgentId::from("ann")].into(), slots: true, ..Needs::default() };
        let ahead = || Ahead { rooms: vec![RoomId(team.0)], registry: Some(("one".into(), needs.clone())) };
        let offer = Command::Offer {
            step_id: clerk.state(process).process.unwrap().step_named("a").unwrap().id,
            agent_id: "ann".into(),
            instance_id: None,
            claim: true,
        };
        let (set, _) = clerk.prepare(&crate::clerk::agent("one", "ann"), process, &offer).await;
        let mut first = store.lane_tx().await.unwrap();
        first.open(ahead()).await.unwrap();
        let second = tokio::spawn({
            let (store, needs, ahead) = (store.clone(), needs.clone(), ahead());
            async move {
                let mut tx = store.lane_tx().await.unwrap();
                tx.open(ahead).await.unwrap();
                tx.facts(&"one".into(), &needs).await.unwrap()
            }
        });
        if store.kind() == "postgres" {
            let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            while store.query(waiting, Vec::new()).await.unwrap()[0].int(0) == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(!second.is_finished());
        first.write(&set).await.unwrap();
        first.commit().await.unwrap();
        let facts = second.await.unwrap();
        assert_eq!((facts.agent_live[&"ann".into()].len(), facts.team_live[&team].len()), (1, 1));
    }
}
