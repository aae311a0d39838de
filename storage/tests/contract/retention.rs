//! What is no longer kept: a log loses its beginning and still adds up.

use std::time::Duration;

use rooms::id::RoomId;
use rooms::{Code, Command, State};
use serde_json::json;
use storage::Store;
use storage::audit::AuditFilter;
use storage::db::Value;
use storage::retention::{Cut, Log};
use storage::search::{Search, Text};
use storage::tx::SNAPSHOT_EVERY;
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, body, person};

const NOW: Duration = Duration::ZERO;
const HOUR: Duration = Duration::from_secs(3_600);

async fn sql(store: &Store, text: &str, args: Vec<Value>) {
    let mut tx = store.begin().await.unwrap();
    tx.execute(text, args).await.unwrap();
    tx.commit().await.unwrap();
}

async fn found(store: &Store) -> Vec<String> {
    store.verify().await.unwrap().problems
}

async fn post(clerk: &mut Clerk, room: RoomId, text: &str) {
    let who = person(clerk.space.as_str(), "ann");
    let command = Command::PostMessage(body(json!({"body": text})));
    clerk.run(&who, room, command).await.unwrap();
}

async fn cancel(clerk: &mut Clerk, room: RoomId) {
    let who = person(clerk.space.as_str(), "admin");
    let stop = Command::CancelProcess(body(json!({"reason": "enough"})));
    clerk.run(&who, room, stop).await.unwrap();
}

async fn archive(clerk: &mut Clerk, room: RoomId) -> Result<(), Code> {
    let system = rooms::model::access::Principal::system(clerk.space.clone());
    let head = clerk.state(room).seq;
    let command = Command::ArchiveRoom { head };
    let done = clerk.run(&system, room, command).await;
    done.map(|_| ()).map_err(|e| e.code)
}

/// A workspace with a process that was cancelled and one that lives.
async fn two(store: &Store) -> (Clerk, RoomId, RoomId) {
    let mut clerk = Clerk::open(store, "one").await;
    clerk.register("ann", &[], 5).await;
    let team = clerk.team("Team", &["ann"]).await;
    let steps = json!([{"key": "a", "name": "A"}]);
    let over = clerk.process("Over", team, steps.clone(), json!({})).await;
    let alive = clerk.process("Alive", team, steps, json!({})).await;
    post(&mut clerk, over, "a word in the room").await;
    cancel(&mut clerk, over).await;
    (clerk, over, alive)
}

async fn log_of(store: &Store, room: RoomId) -> Log {
    let page = store.log(room, None, None, 1).await.unwrap().unwrap();
    Log {
        room,
        workspace: "one".into(),
        first: page.first,
        head: page.head,
    }
}

/// Removes the beginning of a log, as a server does.
async fn cut(store: &Store, room: RoomId, until: u64, archived: bool) -> Cut {
    let log = log_of(store, room).await;
    let mut state = store.base(room, log.first).await.unwrap();
    let events = store
        .events_from(room, log.first - 1, until + 1 - log.first)
        .await
        .unwrap();
    events.iter().for_each(|e| state.apply(e));
    store.cut(&log, until, &state, archived).await.unwrap()
}

/// A room's state as a node loads it that has never seen it.
async fn cold(store: &Store, room: RoomId) -> State {
    let mut tx = store.lane_tx().await.unwrap();
    let mut state = tx.snapshot(room).await.unwrap().unwrap_or_default();
    for event in tx.events_after(room, state.seq).await.unwrap() {
        assert_eq!(event.seq, state.seq + 1);
        state.apply(&event);
    }
    state
}

on_both! {
    async fn rooms_are_found_on_their_way_out_and_only_those(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, over, alive) = two(&store).await;
        let idle = store.idle_rooms(NOW, 10).await.unwrap();
        assert_eq!(idle, [log_of(&store, over).await], "the other lives");
        assert_eq!(store.idle_rooms(HOUR, 10).await.unwrap(), [], "it ended just now");
        assert_eq!(store.spent_logs(NOW, None, 10).await.unwrap(), []);
        assert_eq!(archive(&mut clerk, alive).await, Err(Code::IllegalTransition));
        archive(&mut clerk, over).await.unwrap();
        assert_eq!(store.idle_rooms(NOW, 10).await.unwrap(), []);
        let spent = store.spent_logs(NOW, None, 10).await.unwrap();
        assert_eq!(spent[0].0, log_of(&store, over).await);
        assert_eq!(store.spent_logs(NOW, Some(spent[0].1), 10).await.unwrap(), [], "that was the last");
        assert_eq!(store.spent_logs(HOUR, None, 10).await.unwrap(), []);
        let shared = store.shared_logs(RoomId(Uuid::nil()), 10).await.unwrap();
        assert_eq!(shared.len(), 2, "the team's and the workspace's: {shared:?}");
        clerk.verified().await;
    }

    async fn a_process_that_goes_on_takes_its_room_with_it(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        clerk.register("ann", &[], 5).await;
        let team = clerk.team("Team", &["ann"]).await;
        let steps = json!([{"key": "a", "name": "A", "maxAttempts": 1}]);
        let room = clerk.process("Process", team, steps, json!({})).await;
        let (attempt, epoch) = clerk.claim(room, "a", "ann").await;
        let failure = body(json!({"epoch": epoch, "error": {"code": "broken", "message": "it broke", "retryable": false}}));
        let fail = Command::Fail { attempt_id: attempt.into(), failure };
        clerk.run(&crate::clerk::agent("one", "ann"), room, fail).await.unwrap();
        archive(&mut clerk, room).await.unwrap();
        let head = log_of(&store, room).await.head;
        assert_eq!(cut(&store, room, head, true).await, Cut::Made);
        let retry = Command::RetryProcess(body(json!({})));
        clerk.run(&person("one", "admin"), room, retry).await.unwrap();
        post(&mut clerk, room, "open again").await;
        assert_eq!(store.spent_logs(NOW, None, 10).await.unwrap(), []);
        assert_eq!(cut(&store, room, head + 1, true).await, Cut::Moved, "it lives");
        assert_eq!(log_of(&store, room).await.first, head + 1);
        assert_eq!(cold(&store, room).await, clerk.state(room));
        clerk.verified().await;
    }

    async fn a_log_goes_in_parts_and_adds_up_after_each(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, over, alive) = two(&store).await;
        assert_eq!(cut(&store, over, 2, true).await, Cut::Moved, "it is not archived");
        archive(&mut clerk, over).await.unwrap();
        let head = log_of(&store, over).await.head;
        let search = Search {
            text: Text::parse("word").unwrap(), room: None, author_kind: None, author: None, since: None, until: None, after: None, limit: 10,
        };
        assert_eq!(store.search(&"one".into(), &search).await.unwrap().len(), 1);
        for until in [2, 3, head - 1, head] {
            assert_eq!(cut(&store, over, until, true).await, Cut::Made);
            let page = store.log(over, Some(0), None, 500).await.unwrap().unwrap();
            assert_eq!((page.first, page.head, page.events.len() as u64), (until + 1, head, head - until));
            assert_eq!(cold(&store, over).await, clerk.state(over));
            assert_eq!(found(&store).await, Vec::<String>::new(), "after {until} events");
        }
        assert_eq!(store.spent_logs(NOW, None, 10).await.unwrap(), [], "nothing is left to go");
        assert_eq!(store.search(&"one".into(), &search).await.unwrap().len(), 0);
        assert_eq!(log_of(&store, alive).await.first, 1, "the other's is whole");
    }

    async fn a_window_slides_over_a_log_and_what_goes_wrong_with_it_is_found(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let (mut clerk, _, _) = two(&store).await;
        let space = clerk.space_room;
        for n in 0..SNAPSHOT_EVERY + 20 {
            post(&mut clerk, space, &format!("message {n}")).await;
        }
        clerk.register("late", &[], 1).await;
        assert_eq!(cut(&store, space, 90, false).await, Cut::Made);
        assert_eq!(cut(&store, space, 100, false).await, Cut::Made);
        assert_eq!(found(&store).await, Vec::<String>::new());
        assert_eq!(cold(&store, space).await, clerk.state(space));
        let log = log_of(&store, space).await;
        assert_eq!(log.first, 101);
        let page = store.log(space, Some(50), None, 3).await.unwrap().unwrap();
        assert_eq!(page.events.iter().map(|e| e.0).collect::<Vec<_>>(), [101, 102, 103]);
        let page = store.log(space, None, Some(103), 50).await.unwrap().unwrap();
        assert_eq!(page.events.iter().map(|e| e.0).collect::<Vec<_>>(), [101, 102]);
        // Whoever is not where the caller thinks, and who does not say what it adds up to, cuts nothing.
        let base = store.base(space, log.first).await.unwrap();
        assert_eq!(store.cut(&Log { first: 91, ..log.clone() }, 100, &base, false).await.unwrap(), Cut::Moved);
        assert_eq!(store.cut(&log, 120, &base, false).await.unwrap(), Cut::Moved);
        let archived = store.cut(&log, 100, &base, true).await.unwrap();
        assert_eq!(archived, Cut::Moved, "no process ended here");
        let backend = backend.closed().await;
        for (damage, problem) in [
            ("DELETE FROM bases WHERE room_id = $1", "nothing that can be read says what was before"),
            ("UPDATE bases SET state = '{' WHERE room_id = $1", "nothing that can be read says what was before"),
            ("UPDATE bases SET seq = 99 WHERE room_id = $1", "what it begins with is of seq 99"),
            ("UPDATE bases SET state = REPLACE(state, 'A workspace', 'Another') WHERE room_id = $1", "the snapshot at seq 200 is not what the log adds up to"),
            ("UPDATE rooms SET first = 1 WHERE id = $1", "after seq 0 comes 101"),
            ("UPDATE rooms SET first = 102 WHERE id = $1", "events from before its first"),
            ("DELETE FROM events WHERE room_id = $1 AND seq = 150", "after seq 149 comes 151"),
            ("DELETE FROM events WHERE room_id = $1 AND seq = 101", "after seq 100 comes 102"),
            ("UPDATE events SET payload = '{' WHERE room_id = $1 AND seq = 101", "the event 101 cannot be read"),
        ] {
            let copy = backend.copy().await;
            sql(&copy.store, damage, vec![space.0.into()]).await;
            let problems = found(&copy.store).await;
            assert!(problems.iter().any(|p| p.contains(problem)), "{damage}: {problems:#?}");
        }
        let copy = backend.copy().await;
        sql(&copy.store, "DELETE FROM retention", Vec::new()).await;
        let problems = found(&copy.store).await;
        assert!(problems.iter().any(|p| p.contains("it is not on its way to be removed, and must be ended")), "{problems:#?}");
    }

    async fn what_is_old_is_found_by_few_looks(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let space = clerk.space_room;
        for n in 0..30 {
            post(&mut clerk, space, &format!("message {n}")).await;
        }
        let log = log_of(&store, space).await;
        assert_eq!(store.older_than(&log, HOUR).await.unwrap(), None);
        assert_eq!(store.older_than(&log, NOW).await.unwrap(), Some(log.head));
        for old in [1u64, 2, 17, 31] {
            let age = "UPDATE events SET at = 1700000000000000 WHERE room_id = $1 AND seq <= $2";
            sql(&store, age, vec![space.0.into(), old.into()]).await;
            assert_eq!(store.older_than(&log, HOUR).await.unwrap(), Some(old));
        }
        assert_eq!(store.oldest_unsent(&log).await.unwrap(), None);
    }

    async fn one_node_at_a_time_has_the_work(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        assert!(store.take_on_retention(HOUR).await.unwrap());
        assert!(!store.take_on_retention(HOUR).await.unwrap());
        store.leave_retention().await.unwrap();
        assert!(store.take_on_retention(NOW).await.unwrap());
        assert!(store.take_on_retention(HOUR).await.unwrap(), "the other has had its time");
    }

    async fn rooms_that_ended_before_anybody_kept_up_are_found_when_the_level_is_raised(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        assert_eq!(store.level().await.unwrap(), storage::migrate::LEVEL, "a new store has the newest level");
        let (clerk, over, _) = two(&store).await;
        sql(&store, "DELETE FROM retention", Vec::new()).await;
        sql(&store, "UPDATE store SET level = 1", Vec::new()).await;
        clerk.verified().await;
        store.raise_level().await.unwrap();
        assert_eq!(store.idle_rooms(NOW, 10).await.unwrap(), [log_of(&store, over).await]);
        clerk.verified().await;
    }

    async fn the_audit_forgets_what_is_old_a_few_rows_at_a_time(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut tx = store.begin_read().await.unwrap();
        let now = tx.now().await.unwrap();
        drop(tx);
        let row = |space: &str, action: &str| storage::audit::AuditRow {
            workspace: space.into(), kind: rooms::model::access::PrincipalKind::User, principal: "ann".to_owned(), action: action.to_owned(),
            outcome: "ok".to_owned(), transport: "rest", address: String::new(), room: None, target: String::new(), detail: String::new(),
            correlation: String::new(),
        };
        let old = 3 * HOUR;
        store.keep_refusals(&[(old, row("one", "a")), (old, row("one", "b")), (NOW, row("one", "c")), (old, row("two", "d"))]).await.unwrap();
        let before = rooms::Timestamp(now.0 - 3_600_000_000);
        assert_eq!(store.forget_audit(&"one".into(), before, 1).await.unwrap(), 1);
        assert_eq!(store.forget_audit(&"one".into(), before, 10).await.unwrap(), 1);
        assert_eq!(store.forget_audit(&"one".into(), before, 10).await.unwrap(), 0);
        let filter = AuditFilter { limit: 10, ..AuditFilter::default() };
        let left = async |space: &str| store.audit(&space.into(), &filter).await.unwrap().iter().map(|r| r["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(left("one").await, ["c"]);
        assert_eq!(left("two").await, ["d"]);
    }
}
