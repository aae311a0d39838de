//! `verify`: nothing is wrong with what was written, whatever it was; and each thing that goes wrong is found.

use rooms::Command;
use rooms::event::{Event, EventBody};
use rooms::id::{EventId, RoomId};
use serde_json::json;
use storage::db::Value;
use storage::suffixes::Sizes;
use storage::tx::SNAPSHOT_EVERY;
use storage::{Idempotency, Store, WriteSet};
use uuid::Uuid;

use crate::backend::on_both;
use crate::clerk::{Clerk, agent, body, person};
use crate::mirror::play_into;

/// Tables that no log can speak for: credentials, settings, marks of readers, what was asked for; and what a database keeps for itself.
const BESIDE_THE_LOG: [&str; 10] = [
    "api_keys",
    "audit",
    "message_words",
    "read_marks",
    "restores",
    "store",
    "webhooks",
    "webhook_version",
    "_sqlx",
    "schema_",
];

/// What a store holds before something of it is damaged.
struct Whole {
    process: RoomId,
    space: RoomId,
    talk: RoomId,
    team: Uuid,
    /// Its name is not filed yet.
    later: Uuid,
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
    let mut posted = Vec::new();
    for n in 0..SNAPSHOT_EVERY + 3 {
        let post = Command::PostMessage(body(json!({"body": format!("message {n}")})));
        posted.push(clerk.run(&admin, talk, post).await.unwrap()["id"].clone());
    }
    let edit = json!({"messageId": posted[1], "body": "said otherwise", "mentions": ["ann"]});
    let edit = Command::EditMessage(body(edit));
    clerk.run(&admin, talk, edit).await.unwrap();
    let remove = Command::RemoveMessage(body(json!({"messageId": posted[2]})));
    clerk.run(&admin, talk, remove).await.unwrap();
    let template = json!({"name": "Template", "steps": [{"name": "Only"}]});
    let template = Command::CreateTemplate(Box::new(body(template)));
    let space_room = clerk.space_room;
    clerk.run(&admin, space_room, template).await.unwrap();
    let mut change = store.begin().await.unwrap();
    let webhook = "INSERT INTO webhooks (id, workspace_id, url, events, description, secret, created_by, created_at) \
                   VALUES ($1, 'one', 'http://example.org', '', '', '', 'user:admin', 0)";
    let waits = "INSERT INTO webhook_outbox (webhook_id, room_id, seq, type, status, attempts, due, created_at, error) \
                 VALUES ($1, $2, 1, 'room.created', 'pending', 0, 0, 0, '')";
    let hook = Uuid::now_v7();
    change.execute(webhook, vec![hook.into()]).await.unwrap();
    let args = vec![hook.into(), process.0.into()];
    change.execute(waits, args).await.unwrap();
    change.commit().await.unwrap();
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
    // What is there is filed, what comes later is not.
    let all = Sizes {
        many: 1,
        ..Sizes::of(store)
    };
    assert!(store.file_names(None, all).await.unwrap() > 2);
    let later = clerk.team("Later", &["ann"]).await;
    Whole {
        process,
        space: clerk.space_room,
        talk,
        team: team.0,
        later: later.0,
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
        let later = || vec![Value::from(whole.later)];
        let plain: Vec<(&str, Vec<Value>, &str)> = vec![
            // The log
            ("DELETE FROM events WHERE room_id = $1 AND seq = 3", process(), "after seq 2 comes 4"),
            ("DELETE FROM events WHERE room_id = $1 AND seq = (SELECT head FROM rooms WHERE id = $1)", talk(), "the log ends at"),
            ("UPDATE rooms SET head = head + 1 WHERE id = $1", process(), "the log ends at"),
            ("UPDATE rooms SET first = 2 WHERE id = $1", process(), "nothing that can be read says what was before"),
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
            ("UPDATE assigned SET person = 'bob' WHERE workspace_id = $1", vec!["one".into()], "is in the inbox of bob"),
            ("DELETE FROM assigned WHERE workspace_id = $1", vec!["one".into()], "is not in the inbox of eve"),
            ("UPDATE assigned SET status = 'pending' WHERE workspace_id = $1", vec!["one".into()], "is another one in the inbox of eve"),
            ("UPDATE assigned SET type = 'review' WHERE workspace_id = $1", vec!["one".into()], "is another one in the inbox of eve"),
            ("UPDATE assigned SET due_at = 1 WHERE workspace_id = $1", vec!["one".into()], "is another one in the inbox of eve"),
            ("UPDATE names_unfiled SET name = 'another' WHERE kind = 'team' AND id = $1", later(), "cannot be searched for by its name"),
            ("DELETE FROM names_unfiled WHERE kind = 'team' AND id = $1", later(), "cannot be searched for by its name"),
            ("DELETE FROM name_suffixes WHERE id = $1 AND suffix = 'ocess'", process(), "cannot be searched for by its name"),
            ("DELETE FROM name_suffixes WHERE id = $1 AND suffix = 'alk'", talk(), "cannot be searched for by its name"),
            ("DELETE FROM name_ranges WHERE kind = $1", vec!["process".into()], "cannot be searched for by its name"),
            ("UPDATE name_ranges SET first = last WHERE kind = $1", vec!["team".into()], "are not in ranges that hold them all"),
            ("UPDATE name_ranges SET last = $1", vec![Uuid::nil().into()], "are not in ranges that hold them all"),
            ("INSERT INTO name_suffixes (range_id, suffix, id) SELECT range_id, 'nobody', id FROM name_suffixes WHERE id = $1 AND suffix = 'ocess'", process(), "name_suffixes has "),
            ("UPDATE processes SET name = 'Another' WHERE id = $1", process(), "is not called what its process is called"),
            ("INSERT INTO names_unfiled (kind, id, workspace_id, name) VALUES ('process', $1, 'one', 'nobody')", vec![Uuid::nil().into()], "names_unfiled has "),
            ("DELETE FROM interventions WHERE process_id = $1", process(), "interventions has no row"),
            ("UPDATE communications SET open = 0 WHERE process_id = $1", process(), "open of communications"),
            ("DELETE FROM communications WHERE process_id = $1", process(), "communications has no row"),
            ("UPDATE teams SET status = 'archived' WHERE id = $1", vec![whole.team.into()], "status of teams"),
            ("UPDATE team_members SET role = 'leader' WHERE team_id = $1 AND agent_id = 'ann'", vec![whole.team.into()], "role of team_members"),
            ("DELETE FROM team_members WHERE team_id = $1 AND agent_id = 'ann'", vec![whole.team.into()], "team_members has no row"),
            ("UPDATE communications SET process_id = (SELECT id FROM processes WHERE id = $1), id = $2", vec![whole.process.0.into(), Uuid::nil().into()], "a row 00000000-0000-0000-0000-000000000000 that the log does not know"),
            ("UPDATE attempts SET process_id = $1", vec![Uuid::nil().into()], "process_id of attempts"),
            ("UPDATE agents SET archived = 1 WHERE id = $1", vec!["ben".into()], "the agent ben of one: its row is not"),
            ("UPDATE agents SET data = REPLACE(data, '\"slots\":5', '\"slots\":6') WHERE id = $1", vec!["ben".into()], "the agent ben of one: its row is not"),
            ("INSERT INTO alerts (id, process_id, workspace_id, team_id, type, severity, resolved, raised_at, data) \
              SELECT $2, id, workspace_id, team_id, 'error', 'high', 0, 0, '{}' FROM processes WHERE id = $1",
             vec![whole.process.0.into(), Uuid::nil().into()], "alerts has a row"),
            ("INSERT INTO recommendations (id, process_id, workspace_id, team_id, type, made_at, data) \
              SELECT $2, id, workspace_id, team_id, 'x', 0, '{}' FROM processes WHERE id = $1",
             vec![whole.process.0.into(), Uuid::nil().into()], "recommendations has a row"),
            ("INSERT INTO alert_rules (workspace_id, data) VALUES ($1, '{}')", vec!["one".into()], "alert_rules has 1 rows"),
            // What is beside it
            ("DELETE FROM timers WHERE room_id = $1 AND key LIKE 'lease:%'", process(), "the timer lease:"),
            ("DELETE FROM timers WHERE room_id = $1 AND key LIKE 'handoff:%'", process(), "the timer handoff:"),
            ("UPDATE timers SET timer = REPLACE(timer, 'lease', 'offer') WHERE room_id = $1 AND key LIKE 'lease:%'", process(), "is another than it must be"),
            ("UPDATE snapshots SET state = REPLACE(state, '\"name\":\"Talk\"', '\"name\":\"Walk\"') WHERE room_id = $1", talk(), "is not what the log adds up to"),
            ("UPDATE snapshots SET seq = 1000000 WHERE room_id = $1", talk(), "which the log does not have"),
            ("UPDATE snapshots SET state = '[' WHERE room_id = $1", talk(), "its snapshot cannot be read"),
            ("UPDATE idempotency SET response = '' WHERE key = $1", vec!["k".into()], "holds no answer"),
            ("UPDATE workspaces SET room_id = $1", vec![Uuid::nil().into()], "the workspace one has no room"),
            // What is no longer kept
            ("INSERT INTO bases (room_id, seq, state) VALUES ($1, 1, '{}')", process(), "what it begins with is of seq 1"),
            ("INSERT INTO retention (room_id, workspace_id, stage, since) VALUES ($1, 'one', 'ended', 0)", process(), "it is ended on its way to be removed, and must be not"),
            // What was said
            ("UPDATE messages SET body = 'other' WHERE room_id = $1 AND seq = 2", talk(), "was posted as another"),
            ("UPDATE messages SET author = 'eve' WHERE room_id = $1 AND seq = 2", talk(), "author of messages"),
            ("UPDATE messages SET seq = seq + 1 WHERE room_id = $1 AND seq = 2", talk(), "seq of messages"),
            ("UPDATE messages SET removed = 1 WHERE room_id = $1 AND seq = 2", talk(), "was posted as another"),
            ("UPDATE messages SET body = 'message 1', edited_at = NULL WHERE room_id = $1 AND body = 'said otherwise'", talk(), "is not what the log made of it"),
            ("UPDATE messages SET mentions = '[]' WHERE room_id = $1 AND body = 'said otherwise'", talk(), "is not what the log made of it"),
            ("UPDATE messages SET removed = 0 WHERE room_id = $1 AND removed = 1", talk(), "is not what the log made of it"),
            ("DELETE FROM messages WHERE room_id = $1 AND seq = 2", talk(), "messages has no row"),
            ("INSERT INTO messages (id, room_id, workspace_id, seq, at, author_kind, author, removed, body) VALUES ($2, $1, 'one', 99, 0, 'user', 'eve', 0, 'never said')", vec![whole.talk.0.into(), Uuid::nil().into()], "belong to a room's log"),
            ("UPDATE templates SET name = 'Another' WHERE workspace_id = $1", vec!["one".into()], "the row of the template"),
            ("UPDATE templates SET data = REPLACE(data, 'Only', 'Other') WHERE workspace_id = $1", vec!["one".into()], "the row of the template"),
            ("DELETE FROM templates WHERE workspace_id = $1", vec!["one".into()], "the row of the template"),
            ("UPDATE webhook_outbox SET seq = 1000 WHERE room_id = $1", process(), "a webhook waits for the event 1000"),
            // Echoes
            ("UPDATE events SET payload = REPLACE(payload, 'process.started', 'process.resumed'), type = 'process.resumed' WHERE room_id = $1 AND type = 'process.started'", space(), "says another thing"),
            ("UPDATE events SET payload = REPLACE(payload, '\"seq\":3}', '\"seq\":4}') WHERE room_id = $1 AND type = 'process.started'", space(), "never heard of process.started at seq 3"),
        ];
        // Every table that says anything about a log has been damaged at least once.
        let copy = backend.copy().await;
        for table in crate::schema::tables(&copy.store).await.keys() {
            let damaged = |sql: &str| sql.split_whitespace().any(|word| word == table);
            assert!(
                BESIDE_THE_LOG.iter().any(|own| table.starts_with(own)) || plain.iter().any(|(sql, ..)| damaged(sql)),
                "nothing damages {table}"
            );
        }
        copy.closed().await;
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
