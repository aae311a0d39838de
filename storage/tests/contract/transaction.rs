//! A lane's transaction: keys, locks, loading, and writing a batch.

use std::collections::BTreeSet;
use std::time::Duration;

use rooms::command::Timer;
use rooms::decide::TimerOp;
use rooms::id::{AttemptId, RoomId, WorkspaceId};
use rooms::{Command, State, Timestamp};
use serde_json::json;
use storage::tx::SNAPSHOT_EVERY;
use storage::{Idempotency, Store, WriteSet};
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, body, person};

fn key(name: &str, hash: &str) -> Idempotency {
    Idempotency {
        workspace: "one".into(),
        principal: "user:ann".into(),
        key: name.into(),
        hash: hash.into(),
    }
}

fn set(keys: &[&Idempotency]) -> BTreeSet<Idempotency> {
    keys.iter().map(|k| (*k).clone()).collect()
}

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

async fn answer(store: &Store, k: &Idempotency, response: &str) {
    let mut tx = store.lane_tx().await.unwrap();
    assert!(tx.take_keys(&set(&[k]), NOW).await.unwrap().is_empty());
    let answers = vec![(k.clone(), response.to_owned())];
    tx.write(&WriteSet {
        answers,
        ..WriteSet::default()
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

on_both! {
    async fn a_key_gives_its_first_answer_again(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let first = key("k", "hash");
        answer(&store, &first, "{\"data\":1}").await;
        let mut tx = store.lane_tx().await.unwrap();
        let asked = set(&[&key("k", "other"), &key("new", "hash")]);
        let used = tx.take_keys(&asked, NOW).await.unwrap();
        assert_eq!(used.len(), 1, "the new one was taken");
        let (hash, response) = used.values().next().unwrap();
        assert_eq!((hash.as_str(), response.as_str()), ("hash", "{\"data\":1}"), "with the first body's hash");
        let mine = Idempotency { principal: "user:ben".into(), ..first.clone() };
        let elsewhere = Idempotency { workspace: "two".into(), ..first.clone() };
        assert!(tx.take_keys(&set(&[&mine, &elsewhere]), NOW).await.unwrap().is_empty(), "each principal and workspace has its own");
    }

    async fn a_key_that_is_given_back_can_be_taken_again(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (refused, kept) = (key("refused", "h"), key("kept", "h"));
        let mut tx = store.lane_tx().await.unwrap();
        tx.take_keys(&set(&[&refused, &kept]), NOW).await.unwrap();
        tx.write(&WriteSet { answers: vec![(kept.clone(), "yes".to_owned())], ..WriteSet::default() }).await.unwrap();
        tx.release_keys(&[refused.clone(), kept.clone()]).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.lane_tx().await.unwrap();
        let used = tx.take_keys(&set(&[&refused, &kept]), NOW).await.unwrap();
        assert_eq!(used.len(), 1, "an answer is never given back");
        assert!(used.keys().next().unwrap().contains("kept"));
    }

    async fn a_key_in_use_is_waited_for(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let k = key("k", "h");
        let mut first = store.lane_tx().await.unwrap();
        assert!(first.take_keys(&set(&[&k]), NOW).await.unwrap().is_empty());
        let second = tokio::spawn({
            let (store, k) = (store.clone(), k.clone());
            async move {
                let mut tx = store.lane_tx().await.unwrap();
                tx.take_keys(&set(&[&k]), NOW).await.unwrap()
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!second.is_finished());
        first.write(&WriteSet { answers: vec![(k, "first".to_owned())], ..WriteSet::default() }).await.unwrap();
        first.commit().await.unwrap();
        let used = second.await.unwrap();
        assert_eq!(used.values().next().unwrap().1, "first");
    }

    async fn what_is_written_at_once_takes_its_keys_with_it(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        if store.kind() != "postgres" {
            return;
        }
        let mut clerk = Clerk::open(&store, "one").await;
        let (who, room) = (person("one", "admin"), clerk.space_room);
        let post = |text: &str| Command::PostMessage(body(json!({"body": text})));
        let k = key("k", "hash");
        let keyed = |mut set: WriteSet, answer: &str| {
            set.answers = vec![(k.clone(), answer.to_owned())];
            set
        };
        let (first, _) = clerk.prepare(&who, room, &post("first")).await;
        assert!(clerk.write_at_once(keyed(first, "{\"data\":1}")).await);
        let mut tx = store.lane_tx().await.unwrap();
        let used = tx.take_keys(&set(&[&k]), NOW).await.unwrap();
        assert_eq!(used.values().collect::<Vec<_>>(), [&("hash".to_owned(), "{\"data\":1}".to_owned())]);
        drop(tx);
        // A key that was used takes what came with it out: nothing is written.
        let head = clerk.state(room).seq;
        let (again, _) = clerk.prepare(&who, room, &post("again")).await;
        assert!(!clerk.write_at_once(keyed(again, "2")).await);
        assert_eq!(store.heads(&[room]).await.unwrap(), [(room, head)]);
        // So does a room that has moved on, and the key stays free.
        let (stale, _) = clerk.prepare(&who, room, &post("late")).await;
        clerk.run(&who, room, post("quicker")).await.unwrap();
        let other = Idempotency { key: "other".to_owned(), ..k.clone() };
        let stale = WriteSet { answers: vec![(other.clone(), "3".to_owned())], ..stale };
        let known = clerk.state(room).seq;
        assert!(!clerk.write_at_once(stale).await);
        assert_eq!(store.heads(&[room]).await.unwrap(), [(room, known)]);
        let mut tx = store.lane_tx().await.unwrap();
        assert!(tx.take_keys(&set(&[&other]), NOW).await.unwrap().is_empty());
        drop(tx);
        clerk.verified().await;
    }

    async fn old_keys_are_forgotten_a_few_at_a_time(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        for name in ["a", "b", "c"] {
            answer(&store, &key(name, "h"), "x").await;
        }
        assert_eq!(store.forget_keys(NOW, 10).await.unwrap(), 0, "what is of that moment is not older than it");
        assert_eq!(store.forget_keys(NOW.plus_ms(1), 2).await.unwrap(), 2);
        assert_eq!(store.forget_keys(NOW.plus_ms(1), 2).await.unwrap(), 1);
        assert_eq!(store.query("SELECT COUNT(*) FROM idempotency", Vec::new()).await.unwrap()[0].int(0), 0);
    }

    async fn rooms_are_locked_in_order_and_only_those_that_exist(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let team = clerk.team("Team", &["ann"]).await;
        let mut ids = vec![clerk.space_room, RoomId(team.0), RoomId(Uuid::now_v7())];
        ids.sort();
        ids.reverse();
        let mut tx = store.lane_tx().await.unwrap();
        let rows = tx.lock_rooms(&ids).await.unwrap();
        let found: Vec<RoomId> = rows.iter().map(|r| r.id).collect();
        assert_eq!(found.len(), 2);
        if store.kind() == "postgres" {
            assert!(found.is_sorted_by(|a, b| a > b), "in the order that was asked for");
        }
        let own = rows.iter().find(|r| r.id == clerk.space_room).unwrap();
        assert_eq!((own.head, own.workspace_id.as_str()), (1, "one"));
        assert!(tx.lock_rooms(&[]).await.unwrap().is_empty());
        // The lock holds off who wants the same room.
        let other = tokio::spawn({
            let store = store.clone();
            let ids = ids.clone();
            async move { store.lane_tx().await.unwrap().lock_rooms(&ids).await.unwrap().len() }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!other.is_finished());
        tx.commit().await.unwrap();
        assert_eq!(other.await.unwrap(), 2);
        let mut tx = store.lane_tx().await.unwrap();
        let spaces = tx.workspace_rooms(&["one".into(), "none".into()].into()).await.unwrap();
        assert_eq!(spaces.into_iter().collect::<Vec<_>>(), [("one".into(), clerk.space_room)]);
        assert!(tx.workspace_rooms(&BTreeSet::new()).await.unwrap().is_empty());
    }

    async fn a_state_comes_back_from_snapshot_and_log(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let who = person("one", "ann");
        let room = RoomId(Uuid::now_v7());
        let make = Command::CreateRoom { room_id: room, room: body(json!({"name": "Talk", "type": "workspace"})) };
        clerk.run(&who, room, make).await.unwrap();
        let mut tx = store.lane_tx().await.unwrap();
        assert!(tx.snapshot(room).await.unwrap().is_none(), "a young room has none");
        drop(tx);
        for n in 0..SNAPSHOT_EVERY + 5 {
            let post = Command::PostMessage(body(json!({"body": format!("message {n}")})));
            clerk.run(&who, room, post).await.unwrap();
        }
        let mut tx = store.lane_tx().await.unwrap();
        let mut state = tx.snapshot(room).await.unwrap().unwrap();
        assert_eq!(state.seq, SNAPSHOT_EVERY);
        let rest = tx.events_after(room, state.seq).await.unwrap();
        assert_eq!(rest.len(), 6);
        rest.iter().for_each(|e| state.apply(e));
        assert_eq!(state, clerk.state(room));
        let mut whole = State::default();
        tx.events_after(room, 0).await.unwrap().iter().for_each(|e| whole.apply(e));
        assert_eq!(whole, state, "the log alone gives the same");
        assert!(tx.events_after(room, state.seq).await.unwrap().is_empty());
        drop(tx);
        clerk.verified().await;
    }

    async fn what_is_written_at_a_place_that_is_taken_is_refused_whole(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let who = person("one", "ann");
        let post = |text: &str| Command::PostMessage(body(json!({"body": text})));
        let room = clerk.space_room;
        let (first, _) = clerk.prepare(&who, room, &post("first")).await;
        let (mut second, _) = clerk.prepare(&who, room, &post("second")).await;
        second.answers.push((key("k", "h"), "never".to_owned()));
        clerk.write(first).await.unwrap();
        let error = clerk.write(second).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
        let page = store.log(room, Some(0), None, 100).await.unwrap().unwrap();
        assert_eq!(page.head, 2);
        assert_eq!(page.events.len(), 2);
        clerk.verified().await;
    }

    async fn timers_are_set_moved_cleared_and_fired(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let clerk = Clerk::open(&store, "one").await;
        let room = clerk.space_room;
        let timer = |n: u128| Timer::Lease { attempt: AttemptId(Uuid::from_u128(n)) };
        let put = |n: u128, due: i64| TimerOp::Set { timer: timer(n), due: Timestamp(due) };
        let write = async |ops: Vec<TimerOp>, fired: Vec<(u128, i64)>| {
            let mut tx = store.lane_tx().await.unwrap();
            let timers = ops.into_iter().map(|op| (room, "one".into(), op)).collect();
            let fired = fired.into_iter().map(|(n, due)| (room, timer(n).key(), Timestamp(due))).collect();
            tx.write(&WriteSet { timers, fired, ..WriteSet::default() }).await.unwrap();
            tx.commit().await.unwrap();
        };
        let due = async |n: u128| store.lane_tx().await.unwrap().timer_due(room, &timer(n).key()).await.unwrap();
        write(vec![put(1, 10), put(2, 20), put(3, 30)], vec![]).await;
        assert_eq!((due(1).await, due(4).await), (Some(Timestamp(10)), None));
        // The last word counts.
        write(vec![put(1, 11), put(2, 21), TimerOp::Clear { key: timer(2).key() }, TimerOp::Clear { key: timer(3).key() }, put(3, 33)], vec![]).await;
        assert_eq!((due(1).await, due(2).await, due(3).await), (Some(Timestamp(11)), None, Some(Timestamp(33))));
        // One that was moved after it was seen stays.
        write(vec![], vec![(1, 11), (3, 30)]).await;
        assert_eq!((due(1).await, due(3).await), (None, Some(Timestamp(33))));
        // One that fires and is set again in the same command is there.
        write(vec![put(3, 99)], vec![(3, 33)]).await;
        assert_eq!(due(3).await, Some(Timestamp(99)));
    }

    async fn due_timers_come_oldest_first_and_those_of_attempts_apart(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let clerk = Clerk::open(&store, "one").await;
        let id = AttemptId(Uuid::from_u128(1));
        let step = Uuid::from_u128(2).into();
        let far = Timestamp(i64::MAX / 2);
        let all = [
            (Timer::Lease { attempt: id }, Timestamp(2)),
            (Timer::Offer { attempt: id }, Timestamp(3)),
            (Timer::Reoffer { step }, Timestamp(1)),
            (Timer::Backoff { step, attempts: 1 }, far),
            (Timer::StepTimeout { step }, Timestamp(4)),
        ];
        let mut tx = store.lane_tx().await.unwrap();
        let timers = all.iter().map(|(timer, due)| (clerk.space_room, "one".into(), TimerOp::Set { timer: timer.clone(), due: *due })).collect();
        tx.write(&WriteSet { timers, ..WriteSet::default() }).await.unwrap();
        tx.commit().await.unwrap();
        let found = async |held_after, limit| {
            let found = store.due_timers(Timestamp(held_after), limit).await.unwrap();
            found.into_iter().map(|d| (d.room, d.workspace, d.timer, d.due)).collect::<Vec<_>>()
        };
        let row = |n: usize| (clerk.space_room, WorkspaceId::from("one"), all[n].0.clone(), all[n].1);
        assert_eq!(found(0, 10).await, [row(2), row(4), row(0), row(1)], "what is not due is left out");
        assert_eq!(found(2, 10).await, [row(2), row(4), row(1)]);
        assert_eq!(found(0, 1).await, [row(2), row(0)]);
    }

    async fn a_batch_over_many_rooms_is_written_as_one(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let who = person("one", "ann");
        let mut rooms = Vec::new();
        for n in 0..40 {
            let room = RoomId(Uuid::now_v7());
            let make = Command::CreateRoom { room_id: room, room: body(json!({"name": format!("Room {n}"), "type": "workspace"})) };
            clerk.run(&who, room, make).await.unwrap();
            rooms.push(room);
        }
        let mut batch = WriteSet::default();
        for room in &rooms {
            let (one, _) = clerk.prepare(&who, *room, &Command::PostMessage(body(json!({"body": "hello"})))).await;
            batch.events.extend(one.events);
            batch.rooms.extend(one.rooms);
        }
        clerk.write(batch).await.unwrap();
        for (_, head) in store.heads(&rooms).await.unwrap() {
            assert_eq!(head, 2);
        }
        clerk.verified().await;
    }
}

on_both! {
    async fn a_beginning_that_is_abandoned_leaves_no_transaction_behind(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        // On a connection that is there already, whoever asks goes away before BEGIN is sent, while it is on its way, and after it is answered.
        store.begin().await.unwrap().commit().await.unwrap();
        for steps in (0..200).cycle().take(1_000) {
            let goes_away = async {
                for _ in 0..steps {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                _ = store.begin() => {}
                () = goes_away => {}
            }
        }
        let left = "SELECT COUNT(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
        // Postgres itself ends what is idle after four seconds, and with it what was written on such a connection.
        let began = std::time::Instant::now();
        while store.kind() == "postgres" && store.query(left, Vec::new()).await.unwrap()[0].int(0) > 0 {
            assert!(began.elapsed() < Duration::from_secs(2), "a connection is left inside of a transaction");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        store.begin().await.unwrap().commit().await.unwrap();
    }
}
