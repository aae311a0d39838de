//! `verify`: nothing is wrong with what was written, whatever it was; and each thing that goes wrong is found.

use rooms::Command;
use rooms::event::{Event, EventBody};
use rooms::id::{EventId, RoomId};
use serde_json::json;
use storage::db::Value;
use storage::tx::SNAPSHOT_EVERY;
use storage::{Idempotency, Store, WriteSet};
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};
use crate::mirror::play_into;

/// What a store holds before something of it is damaged.
struct Whole {
    process: RoomId,
    space: RoomId,
    talk: RoomId,
    team: Uuid,
}

/// A little of everything, each in a state that is worth damaging.
async fn fill(store: &Store) -> Whole {
    let mut clerk = Clerk::open(store, "one").await;
    let admin = person("one", "admin");
    clerk.register("ann", &["dig"], 5).await;
    clerk.register("ben", &["dig"], 5).await;
    let team = clerk.team("Team", &["ann", "ben"]).await;
    let steps = json!([
        {"key": "done", "name": "Done"}, {"key": "held", "name": "Held"}, {"key": "given", "name": "Given"},
    ]);
    let process = clerk.process("Process", team, steps, json!({})).await;
    let (done, epoch) = clerk.claim(process, "done", "ann").await;
    let asked = clerk
        .ask(
            process,
            "ann",
            (done, epoch),
            json!({"type": "input", "description": "How?", "assignees": ["eve"]}),
        )
        .await;
    let reply = Command::RespondIntervention {
        intervention_id: asked["id"].as_str().unwrap().parse().unwrap(),
        reply: Box::new(body(json!({"action": "answer", "value": "so"}))),
    };
    clerk.run(&admin, process, reply).await.unwrap();
    let complete = Command::Complete {
        attempt_id: done.into(),
        result: body(json!({"epoch": epoch, "outputs": {"score": 9}})),
    };
    clerk
        .run(&agent("one", "ann"), process, complete)
        .await
        .unwrap();
    clerk.claim(process, "held", "ann").await;
    let given = clerk.claim(process, "given", "ann").await;
    let handoff = Command::RequestHandoff {
        attempt_id: Some(given.0.into()),
        handoff: Box::new(body(
            json!({"epoch": given.1, "toAgentId": "ben", "reason": "yours"}),
        )),
    };
    clerk
        .run(&agent("one", "ann"), process, handoff)
        .await
        .unwrap();
    let send = Command::SendCommunication(body(
        json!({"toAgentId": "ben", "message": "hi", "type": "question"}),
    ));
    clerk
        .run(&agent("one", "ann"), process, send)
        .await
        .unwrap();
    let talk = RoomId(Uuid::now_v7());
    let make = Command::CreateRoom {
        room_id: talk,
        room: body(json!({"name": "Talk", "type": "workspace"})),
    };
    clerk.run(&admin, talk, make).await.unwrap();
    let posts = (0..SNAPSHOT_EVERY + 3)
        .map(|n| Command::PostMessage(body(json!({"body": format!("message {n}")}))));
    for post in posts {
        clerk.run(&admin, talk, post).await.unwrap();
    }
    let key = Idempotency {
        workspace: "one".into(),
        principal: "user:admin".into(),
        key: "k".into(),
        hash: "h".into(),
    };
    let mut tx = store.lane_tx().await.unwrap();
    let now = tx.now().await.unwrap();
    tx.take_keys(&[key.clone()].into(), now).await.unwrap();
    let answers = vec![(key, json!({"data": {}, "seq": 1}).to_string())];
    tx.write(&WriteSet {
        answers,
        ..WriteSet::default()
    })
    .await
    .unwrap();
    tx.commit().await.unwrap();
    Whole {
        process,
        space: clerk.space_room,
        talk,
        team: team.0,
    }
}

async fn sql(store: &Store, text: &str, args: Vec<Value>) {
    let mut tx = store.begin().await.unwrap();
    let changed = tx.execute(text, args).await.unwrap();
    tx.commit().await.unwrap();
    assert!(changed > 0, "nothing was damaged by {text}");
}

async fn found(store: &Store) -> Vec<String> {
    let report = store.verify().await.unwrap();
    assert_eq!(report.found, report.problems.len() as u64);
    report.problems
}

/// Appends a copy of a room's first event of a type, as if a second one had happened.
async fn append(store: &Store, room: RoomId, kind: &str, change: impl FnOnce(&mut Event)) {
    let log = store.events_from(room, 0, 1_000).await.unwrap();
    let mut event = log.iter().find(|e| e.body.name() == kind).unwrap().clone();
    event.id = EventId(Uuid::now_v7());
    event.seq = log.len() as u64 + 1;
    event.at = log.last().unwrap().at;
    change(&mut event);
    let insert =
        "INSERT INTO events (room_id, seq, id, type, at, payload) VALUES ($1, $2, $3, $4, $5, $6)";
    let args = vec![
        room.0.into(),
        event.seq.into(),
        event.id.0.into(),
        event.body.name().as_ref().into(),
        event.at.into(),
        serde_json::to_string(&event).unwrap().into(),
    ];
    sql(store, insert, args).await;
    sql(
        store,
        "UPDATE rooms SET head = head + 1 WHERE id = $1",
        vec![room.0.into()],
    )
    .await;
}

on_both! {
    async fn nothing_is_wrong_with_what_lanes_write(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        for seed in 1..=8 {
            let world = play_into(&store, seed, 60, 1 + seed as usize % 5).await;
            let report = store.verify().await.unwrap();
            assert!(report.problems.is_empty(), "the seed {seed}: {:#?}", report.problems);
            assert!(report.events >= world.events);
            // What the store gives is what was decided.
            for (room, state) in &world.states {
                let mut read = rooms::State::default();
                let mut tx = store.lane_tx().await.unwrap();
                while read.seq < state.seq {
                    tx.events_after(*room, read.seq).await.unwrap().iter().for_each(|e| read.apply(e));
                }
                assert_eq!(&read, state, "the seed {seed}");
            }
        }
    }

    async fn it_may_run_while_others_write(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let mut clerk = Clerk::open(&store, "one").await;
        let room = clerk.space_room;
        let writer = tokio::spawn(async move {
            for n in 0..150 {
                let post = Command::PostMessage(body(json!({"body": format!("message {n}")})));
                clerk.run(&person("one", "ann"), room, post).await.unwrap();
            }
        });
        while !writer.is_finished() {
            assert_eq!(found(&store).await, Vec::<String>::new());
        }
        writer.await.unwrap();
        assert_eq!(found(&store).await, Vec::<String>::new());
    }

    async fn each_damage_is_found(backend) {
        let backend = backend.migrated().await;
        let whole = fill(&backend.store).await;
        assert_eq!(found(&backend.store).await, Vec::<String>::new());
        let backend = backend.closed().await;
        let process = || vec![Value::from(whole.process.0)];
        let space = || vec![Value::from(whole.space.0)];
        let talk = || vec![Value::from(whole.talk.0)];
        let plain: Vec<(&str, Vec<Value>, &str)> = vec![
            // The log
            ("DELETE FROM events WHERE room_id = $1 AND seq = 3", process(), "after seq 2 comes 4"),
            ("DELETE FROM events WHERE room_id = $1 AND seq = (SELECT head FROM rooms WHERE id = $1)", talk(), "the log ends at"),
            ("UPDATE rooms SET head = head + 1 WHERE id = $1", process(), "the log ends at"),
            ("UPDATE rooms SET first = 2 WHERE id = $1", process(), "no snapshot says what was before"),
            ("UPDATE events SET payload = '{' WHERE room_id = $1 AND seq = 2", process(), "the event 2 cannot be read"),
            ("UPDATE events SET type = 'process.failed' WHERE room_id = $1 AND type = 'process.started'", process(), "another type"),
            ("UPDATE events SET at = at + 1 WHERE room_id = $1 AND seq = 1", process(), "another at"),
            ("UPDATE events SET payload = REPLACE(payload, '\"seq\":2,', '\"seq\":3,') WHERE room_id = $1 AND seq = 2", process(), "another seq"),
            ("UPDATE events SET payload = REPLACE(payload, '\"score\":9', '\"score\":8') WHERE room_id = $1 AND type = 'step.completed'", process(), "data of steps"),
            ("UPDATE events SET payload = REPLACE(payload, '\"message\":\"hi\"', '\"message\":\"no\"') WHERE room_id = $1 AND type = 'communication.sent'", process(), "data of communications"),
            // The read model
            ("UPDATE rooms SET name = 'Another' WHERE id = $1", process(), "name of rooms"),
            ("UPDATE processes SET status = 'failed' WHERE id = $1", process(), "status of processes"),
            ("UPDATE processes SET data = REPLACE(data, '\"running\"', '\"paused\"') WHERE id = $1", process(), "data of processes"),
            ("UPDATE steps SET phase = 'ready' WHERE process_id = $1 AND key = 'held'", process(), "phase of steps"),
            ("UPDATE steps SET data = REPLACE(data, '\"score\":9', '\"score\":8') WHERE process_id = $1 AND key = 'done'", process(), "data of steps"),
            ("UPDATE attempts SET epoch = epoch + 1 WHERE process_id = $1", process(), "epoch of attempts"),
            ("UPDATE attempts SET live = 0 WHERE process_id = $1", process(), "live of attempts"),
            ("UPDATE handoffs SET to_agents = ',eve,' WHERE process_id = $1", process(), "to_agents of handoffs"),
            ("UPDATE interventions SET used = 1 - used WHERE process_id = $1", process(), "used of interventions"),
            ("DELETE FROM interventions WHERE process_id = $1", process(), "interventions has no row"),
            ("UPDATE communications SET open = 0 WHERE process_id = $1", process(), "open of communications"),
            ("DELETE FROM communications WHERE process_id = $1", process(), "communications has no row"),
            ("UPDATE teams SET status = 'archived' WHERE id = $1", vec![whole.team.into()], "status of teams"),
            ("UPDATE team_members SET role = 'leader' WHERE team_id = $1 AND agent_id = 'ann'", vec![whole.team.into()], "role of team_members"),
            ("DELETE FROM team_members WHERE team_id = $1 AND agent_id = 'ann'", vec![whole.team.into()], "team_members has no row"),
            ("UPDATE communications SET process_id = (SELECT id FROM processes WHERE id = $1), id = $2", vec![whole.process.0.into(), Uuid::nil().into()], "a row 00000000-0000-0000-0000-000000000000 that the log does not know"),
            ("UPDATE attempts SET process_id = $1", vec![Uuid::nil().into()], "0 belong to a room's log"),
            ("UPDATE agents SET archived = 1 WHERE id = $1", vec!["ben".into()], "the agent ben of one: its row is not"),
            ("UPDATE agents SET data = REPLACE(data, '\"slots\":5', '\"slots\":6') WHERE id = $1", vec!["ben".into()], "the agent ben of one: its row is not"),
            // What is beside it
            ("DELETE FROM timers WHERE room_id = $1 AND key LIKE 'lease:%'", process(), "the timer lease:"),
            ("DELETE FROM timers WHERE room_id = $1 AND key LIKE 'handoff:%'", process(), "the timer handoff:"),
            ("UPDATE timers SET timer = REPLACE(timer, 'lease', 'offer') WHERE room_id = $1 AND key LIKE 'lease:%'", process(), "is another than it must be"),
            ("UPDATE snapshots SET state = REPLACE(state, '\"name\":\"Talk\"', '\"name\":\"Walk\"') WHERE room_id = $1", talk(), "is not what the log adds up to"),
            ("UPDATE snapshots SET seq = 1000000 WHERE room_id = $1", talk(), "which the log does not have"),
            ("UPDATE snapshots SET state = '[' WHERE room_id = $1", talk(), "its snapshot cannot be read"),
            ("UPDATE idempotency SET response = '' WHERE key = $1", vec!["k".into()], "holds no answer"),
            ("UPDATE workspaces SET room_id = $1", vec![Uuid::nil().into()], "the workspace one has no room"),
            // Echoes
            ("UPDATE events SET payload = REPLACE(payload, 'process.started', 'process.resumed'), type = 'process.resumed' WHERE room_id = $1 AND type = 'process.started'", space(), "says another thing"),
            ("UPDATE events SET payload = REPLACE(payload, '\"seq\":3}', '\"seq\":4}') WHERE room_id = $1 AND type = 'process.started'", space(), "never heard of process.started at seq 3"),
        ];
        for (damage, args, wanted) in plain {
            // Each in a copy of its own.
            let copy = backend.copy().await;
            sql(&copy.store, damage, args).await;
            let problems = found(&copy.store).await;
            assert!(problems.iter().any(|p| p.contains(wanted)), "{damage}: {wanted:?} is not in {problems:#?}");
            copy.closed().await;
        }
    }

    async fn what_happened_twice_is_found(backend) {
        let backend = backend.migrated().await;
        let whole = fill(&backend.store).await;
        let backend = backend.closed().await;
        let check = async |copy: crate::backend::Backend, wanted: &str| {
            let problems = found(&copy.store).await;
            assert!(problems.iter().any(|p| p.contains(wanted)), "{wanted:?} is not in {problems:#?}");
            copy.closed().await;
        };
        // Another attempt at a step that is held.
        let copy = backend.copy().await;
        append(&copy.store, whole.process, "assignment.offered", |event| {
            if let EventBody::AssignmentOffered(offer) = &mut event.body {
                offer.attempt.id = Uuid::now_v7().into();
            }
        }).await;
        check(copy, "the epoch 1 of ann is not a new one").await;
        let copy = backend.copy().await;
        let held = copy.store.events_from(whole.process, 0, 1_000).await.unwrap().into_iter().filter_map(|e| match e.body {
            EventBody::AssignmentOffered(offer) if offer.step.key == "held" => Some(offer),
            _ => None,
        }).next_back().unwrap();
        append(&copy.store, whole.process, "assignment.offered", move |event| {
            let mut offer = held;
            offer.attempt.id = Uuid::now_v7().into();
            offer.attempt.epoch += 1;
            event.body = EventBody::AssignmentOffered(offer);
        }).await;
        check(copy, "two live attempts").await;
        let copy = backend.copy().await;
        append(&copy.store, whole.process, "step.completed", |_| {}).await;
        check(copy, "a second result of the step \"done\"").await;
        let copy = backend.copy().await;
        append(&copy.store, whole.process, "intervention.completed", |_| {}).await;
        check(copy, "ends a second time").await;
        // A moment before the one before it; but a clock that was set back is none of the hub's faults.
        let copy = backend.copy().await;
        append(&copy.store, whole.talk, "message.posted", |event| event.at.0 -= 5_000_000).await;
        check(copy, "it happened before what came before it").await;
        let copy = backend.copy().await;
        append(&copy.store, whole.talk, "message.posted", |event| event.at.0 -= 3_600_000_000).await;
        let problems = found(&copy.store).await;
        assert!(!problems.iter().any(|p| p.contains("it happened before")), "{problems:#?}");
        copy.closed().await;
        // An echo that was told twice, or in a room that hears of nothing.
        let copy = backend.copy().await;
        append(&copy.store, whole.space, "process.started", |_| {}).await;
        check(copy, "which is none that is echoed, or was before").await;
        let copy = backend.copy().await;
        append(&copy.store, whole.talk, "message.posted", |event| {
            event.origin = Some(rooms::event::Origin { room_id: whole.process, seq: 1 });
        }).await;
        check(copy, "an echo in a room that hears of no other").await;
    }
}
