//! What is no longer kept goes, and only that: rooms of ended processes, old logs, each with a file before it is removed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, Server, baton};
use tests::{Database, Hub, SOON, array, check, number, on_both_databases, text};
use tokio::process::Command;
use tokio::time::{Duration, Instant, sleep};

/// A hub that keeps nothing for long.
async fn forgetful(database: Database, settings: &[(&str, &str)]) -> (Hub, PathBuf) {
    let folder = database.folder().join("exported");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let export = folder.to_str().expect("a plain path").to_owned();
    let mut all = vec![("BATON_RETENTION_EXPORT", export.as_str())];
    all.extend_from_slice(settings);
    let server = Server::start_with(database, &all).await;
    let admin = Rest::new(&server.url(), ADMIN_KEY);
    (Hub { server, admin }, folder)
}

/// The events in the files of a room, in order.
fn exported(folder: &Path, room: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(room))
        .collect();
    files.sort();
    let mut events = Vec::new();
    for file in files {
        assert_eq!(
            file.extension().and_then(|e| e.to_str()),
            Some("jsonl"),
            "{}",
            file.display()
        );
        let lines = fs::read_to_string(&file).expect("the file can be read");
        events.extend(
            lines
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON")),
        );
    }
    events
}

on_both_databases! {
    async fn a_room_ends_after_its_process_and_its_log_is_a_file_then(database: Database) {
        let settings = [("BATON_RETENTION_ARCHIVE_AFTER", "1s"), ("BATON_RETENTION_KEEP_FOR", "2s")];
        let (mut hub, folder) = forgetful(database, &settings).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let steps = json!([{ "key": "a", "name": "A", "maxAttempts": 1 }]);
        let process = hub.process(&team, steps).await;
        let work = ada.take().await;
        let alive = hub.process(&team, json!([{ "key": "b", "name": "B", "requiredCapabilities": ["none has it"] }])).await;
        let person = hub.person().await;
        for room in [&process.room, &alive.room] {
            let _ = person.ask("message:send", json!({ "roomId": room, "body": "remember the milk" })).await;
        }
        let error = json!({ "error": { "code": "broken", "message": "it broke", "retryable": false } });
        let _ = ada.ask("attempt:fail", work.payload(&error)).await;
        hub.ends(&process, "failed").await;

        let path = format!("/collaboration/rooms/{}", process.room);
        let room = hub.until(&path, |room| room["archived"] == true).await;
        let whole = hub.events(&process.room).await;
        check::contiguous(&whole);
        assert_eq!(text(whole.last().unwrap(), "/type"), "room.archived");
        let late = json!({ "roomId": process.room, "body": "too late" });
        let problem = person.refused("message:send", late, "illegal_transition").await;
        assert!(text(&problem, "/detail").contains("archived"));
        let head = number(&room, "/head");

        // The log goes, to a file; the process can be read as before.
        let gone = hub.until(&path, |room| room["first"] == head + 1).await;
        assert_eq!(number(&gone, "/head"), head);
        assert_eq!(exported(&folder, &process.room), whole);
        assert_eq!(text(&hub.read(&process).await, "/status"), "failed");
        let log = hub.admin.get(&format!("{path}/events?since=0")).await.expect(200);
        assert_eq!((array(&log, "/items").len(), number(&log, "/first"), number(&log, "/head")), (0, head + 1, head));
        let found = hub.admin.get("/search?q=milk").await.expect(200);
        assert_eq!(array(&found, "/items").len(), 1, "of the living one");
        assert_eq!(text(&found, "/items/0/processId"), alive.id);
        let joined = person.ask("room:join", json!({ "roomId": process.room, "since": 3 })).await.data;
        assert_eq!((joined["reset"].as_bool(), number(&joined, "/first")), (Some(true), head + 1));
        let joined = person.ask("room:join", json!({ "roomId": process.room, "since": head })).await.data;
        assert_eq!((joined["reset"].as_bool(), array(&joined, "/events").len()), (Some(false), 0));
        let history = person.ask("room:history", json!({ "roomId": process.room, "before": head })).await.data;
        assert_eq!((history["more"].as_bool(), array(&history, "/events").len()), (Some(false), 0));
        let audit = hub.admin.get("/audit?action=process:start").await.expect(200);
        assert_eq!(array(&audit, "/items").len(), 2, "the audit outlives the log");

        // The living one has all it ever had.
        let other = hub.admin.get(&format!("/collaboration/rooms/{}", alive.room)).await.expect(200);
        assert_eq!((number(&other, "/first"), other["archived"].as_bool()), (1, Some(false)));
        check::contiguous(&hub.events(&alive.room).await);
        check::verify(&hub).await;

        // It is retried by a node that never saw it, and its room is open again.
        hub.server.crash().await;
        let retried = hub.admin.put(&format!("/processes/{}", process.id), &json!({ "action": "retry" })).await.expect(200);
        assert_eq!(text(&retried, "/status"), "running");
        let person = hub.person().await;
        let said = person.ask("message:send", json!({ "roomId": process.room, "body": "once more" })).await;
        assert!(said.seq.is_some_and(|seq| seq > head + 1));
        let log = hub.admin.get(&format!("{path}/events?since={head}")).await.expect(200);
        let seqs: Vec<u64> = array(&log, "/items").iter().map(|e| number(e, "/seq")).collect();
        assert_eq!(seqs, (head + 1..=number(&log, "/head")).collect::<Vec<_>>());
        let room = hub.admin.get(&path).await.expect(200);
        assert_eq!(room["archived"], false);
        check::verify(&hub).await;
    }

    async fn a_workspaces_room_keeps_a_window_and_everybody_knows_where_it_begins(database: Database) {
        let settings = [("BATON_RETENTION_WINDOW", "1s"), ("BATON_RETENTION_ARCHIVE_AFTER", "off")];
        let (hub, folder) = forgetful(database, &settings).await;
        let _ = hub.register("ada", &[]).await;
        let rooms = hub.admin.get("/collaboration/rooms?type=workspace").await.expect(200);
        let room = text(&rooms, "/items/0/id");
        let path = format!("/collaboration/rooms/{room}");
        let mut person = hub.person().await;
        let joined = person.ask("room:join", json!({ "roomId": room, "since": 0 })).await.data;
        let mut said = array(&joined, "/events").to_vec();
        for n in 0..120 {
            let _ = person.ask("message:send", json!({ "roomId": room, "body": format!("message {n}") })).await;
        }
        let head = said.len() as u64 + 120;
        let first = head - 49;
        let _ = hub.until(&path, |room| room["first"] == first).await;
        // Who was there has had all of it, who comes later is told where it begins, and who was away too long starts over.
        for _ in 0..120 {
            said.push(person.event("message.posted").await);
        }
        check::contiguous(&said);
        assert_eq!(exported(&folder, &room), said[..said.len() - 50]);
        let other = hub.person().await;
        let ask = async |since: u64| other.ask("room:join", json!({ "roomId": room, "since": since })).await.data;
        for (since, reset) in [(0, true), (first - 2, true), (first - 1, false), (head, false)] {
            let joined = ask(since).await;
            assert_eq!((joined["reset"].as_bool(), number(&joined, "/first")), (Some(reset), first), "since {since}");
            if !reset {
                let seqs: Vec<u64> = array(&joined, "/events").iter().map(|e| number(e, "/seq")).collect();
                assert_eq!(seqs, (since + 1..=head).collect::<Vec<_>>());
            }
        }
        let fresh = other.ask("room:join", json!({ "roomId": room })).await.data;
        assert_eq!(fresh["events"].as_array().unwrap()[..], said[said.len() - 50..]);
        let history = other.ask("room:history", json!({ "roomId": room, "before": first + 2 })).await.data;
        assert_eq!((history["more"].as_bool(), array(&history, "/events").len()), (Some(false), 2));
        // A quiet room keeps its newest, however old: another one, whose words are younger, loses some meanwhile.
        let made = hub.admin.post("/collaboration/rooms", &json!({ "name": "Loud", "type": "workspace" })).await;
        let loud = text(&made.expect(201), "/id");
        for n in 0..60 {
            let _ = person.ask("message:send", json!({ "roomId": loud, "body": format!("message {n}") })).await;
        }
        let loud = format!("/collaboration/rooms/{loud}");
        let _ = hub.until(&loud, |room| number(room, "/first") == number(room, "/head") - 49).await;
        let quiet = hub.admin.get(&path).await.expect(200);
        assert_eq!(number(&quiet, "/first"), first);
        check::verify(&hub).await;
        if hub.server.database.url().starts_with("sqlite:") {
            let copy = hub.server.database.folder().join("copy.db");
            let copy = copy.to_str().expect("a plain path");
            assert!(hub.server.command(&["backup", copy]).await.status.success());
            let verified = baton(&Database::at(format!("sqlite://{copy}"))).arg("verify").output().await;
            assert!(verified.expect("baton runs").status.success());
        }
    }

    async fn the_audit_is_kept_as_long_as_it_should_be(database: Database) {
        let (hub, _) = forgetful(database, &[("BATON_RETENTION_AUDIT", "1s")]).await;
        let _ = hub.register("ada", &[]).await;
        let deadline = Instant::now() + SOON;
        loop {
            let audit = hub.admin.get("/audit").await.expect(200);
            if array(&audit, "/items").is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "the audit keeps {audit:#}");
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(array(&hub.admin.get("/agents").await.expect(200), "/items").len(), 1);
    }
}

async fn sql(database: &Database, statement: &str) -> String {
    let output = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["-v", "ON_ERROR_STOP=1", "--command", statement])
        .arg(database.url())
        .output()
        .await
        .expect("psql can be run");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{statement}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a node has counted so far.
async fn counted(server: &Server, name: &str) -> u64 {
    let page = reqwest::get(format!("{}/metrics", server.url())).await;
    let page = page.expect("the node answers");
    let page = page.text().await.expect("a page of text");
    let found = page.lines().find_map(|line| line.strip_prefix(name));
    found.map_or(0, |n| n.trim().parse().expect("a whole number"))
}

/// The turn is one node's. One that stood still for minutes takes it for its own when it goes on, and another has it by then: so here both have it
/// all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_both_take_the_turn_archive_and_remove_everything_once() {
    const ENDED: usize = 120;
    const ALIVE: usize = 15;
    const LONG: u64 = 1_100;
    let database = Database::postgres().await;
    let first = Server::start_with(
        database.again(),
        &[("BATON_RETENTION_ARCHIVE_AFTER", "off")],
    )
    .await;
    let admin = Rest::new(&first.url(), ADMIN_KEY);
    let mut hub = Hub {
        server: first,
        admin,
    };
    let _ = hub.register("ada", &[]).await;
    let team = hub.team(&[member("ada")], json!({})).await;
    let steps = json!([{ "key": "a", "name": "A", "requiredCapabilities": ["none has it"] }]);
    let (mut ended, mut alive) = (Vec::new(), Vec::new());
    for n in 0..ENDED + ALIVE {
        let process = hub.process(&team, steps.clone()).await;
        if n < ALIVE { &mut alive } else { &mut ended }.push(process);
    }
    let person = hub.person().await;
    for n in 0..LONG {
        let _ = person
            .ask(
                "message:send",
                json!({ "roomId": ended[0].room, "body": format!("message {n}") }),
            )
            .await;
    }
    for process in &ended {
        let _ = hub
            .admin
            .delete(&format!("/processes/{}", process.id))
            .await
            .expect(200);
    }
    drop(person);
    hub.server.stop().await;

    // Every step of it is written down by the database itself. Nobody has the turn until both are there.
    let watch = "CREATE TABLE removed (room_id UUID, from_seq BIGINT, next_seq BIGINT); \
        CREATE FUNCTION watch_logs() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN INSERT INTO removed VALUES (NEW.id, OLD.first, NEW.first); RETURN NULL; END'; \
        CREATE TRIGGER watch_logs AFTER UPDATE OF first ON rooms FOR EACH ROW EXECUTE FUNCTION watch_logs(); \
        CREATE TABLE archived (room_id UUID); \
        CREATE FUNCTION watch_rooms() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN INSERT INTO archived VALUES (NEW.room_id); RETURN NULL; END'; \
        CREATE TRIGGER watch_rooms AFTER INSERT ON events FOR EACH ROW WHEN (NEW.type = 'room.archived') EXECUTE FUNCTION watch_rooms(); \
        CREATE FUNCTION leave_turn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.retention_until = 0; RETURN NEW; END'; \
        UPDATE store SET retention_until = 9000000000000000000";
    sql(&database, watch).await;
    let folder = database.folder().join("exported");
    fs::create_dir_all(&folder).expect("a folder can be made");
    let export = folder.to_str().expect("a plain path");
    let settings = [
        ("BATON_RETENTION_ARCHIVE_AFTER", "1s"),
        ("BATON_RETENTION_KEEP_FOR", "1s"),
        ("BATON_RETENTION_EXPORT", export),
    ];
    let other = Server::start_with(database.again(), &settings).await;
    let server = Server::start_with(database.again(), &settings).await;
    let admin = Rest::new(&server.url(), ADMIN_KEY);
    let hub = Hub { server, admin };
    sql(&database, "CREATE TRIGGER leave_turn BEFORE UPDATE ON store FOR EACH ROW EXECUTE FUNCTION leave_turn(); UPDATE store SET level = level").await;
    let deadline = Instant::now() + 2 * SOON;
    while sql(&database, "SELECT COUNT(*) FROM retention").await != "0" {
        assert!(Instant::now() < deadline, "some are still on their way");
        sleep(Duration::from_millis(100)).await;
    }

    // Each was archived once, and its log removed in parts that join and of which none is large.
    let parts = sql(
        &database,
        "SELECT room_id, from_seq, next_seq FROM removed ORDER BY room_id, from_seq",
    )
    .await;
    let mut removed: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for line in parts.lines() {
        let mut fields = line.split('|');
        let room = fields.next().unwrap();
        let mut number = || fields.next().unwrap().parse::<u64>().unwrap();
        removed.entry(room).or_default().push((number(), number()));
    }
    let archived = sql(&database, "SELECT room_id FROM archived ORDER BY room_id").await;
    let mut rooms: Vec<&str> = ended.iter().map(|p| p.room.as_str()).collect();
    rooms.sort_unstable();
    assert_eq!(
        archived.lines().collect::<Vec<_>>(),
        rooms,
        "each once, and none that lives"
    );
    assert_eq!(removed.keys().copied().collect::<Vec<_>>(), rooms);
    let mut all = 0;
    for process in &ended {
        let room = hub
            .admin
            .get(&format!("/collaboration/rooms/{}", process.room))
            .await
            .expect(200);
        let head = number(&room, "/head");
        assert_eq!(
            (number(&room, "/first"), room["archived"].as_bool()),
            (head + 1, Some(true))
        );
        let mut next = 1;
        for (from, to) in &removed[process.room.as_str()] {
            assert_eq!(
                *from,
                next,
                "{}: {:?}",
                process.room,
                removed[process.room.as_str()]
            );
            assert!(*to > next && *to - next <= 500, "a part of {}", to - next);
            next = *to;
        }
        assert_eq!(next, head + 1);
        all += head;
        // What was removed is in a file before, whichever of them wrote it; what both wrote is the same.
        let mut seqs: Vec<u64> = exported(&folder, &process.room)
            .iter()
            .map(|e| number(e, "/seq"))
            .collect();
        seqs.sort_unstable();
        seqs.dedup();
        assert_eq!(seqs, (1..=head).collect::<Vec<_>>());
    }
    assert!(
        removed[ended[0].room.as_str()].len() >= 3,
        "a long log goes in parts"
    );
    let shares = async |name: &str| {
        (
            counted(&hub.server, name).await,
            counted(&other, name).await,
        )
    };
    let (here, there) = shares("baton_events_removed_total").await;
    assert!(here > 0 && there > 0, "both were at it: {here} and {there}");
    assert_eq!(here + there, all, "and nothing was done twice");
    let (here, there) = shares("baton_rooms_archived_total").await;
    assert_eq!(here + there, ENDED as u64);
    for process in &alive {
        let room = hub
            .admin
            .get(&format!("/collaboration/rooms/{}", process.room))
            .await
            .expect(200);
        assert_eq!(
            (number(&room, "/first"), room["archived"].as_bool()),
            (1, Some(false))
        );
        assert_eq!(text(&hub.read(process).await, "/status"), "running");
        check::contiguous(&hub.events(&process.room).await);
    }
    assert_eq!(
        sql(
            &database,
            "SELECT COUNT(*) FROM events e JOIN archived a ON a.room_id = e.room_id"
        )
        .await,
        "0",
        "nothing is left over"
    );
    check::verify(&hub).await;
}

#[tokio::test]
async fn a_configuration_that_cannot_be_meant_is_refused() {
    let database = Database::sqlite();
    for (name, value, said) in [
        ("BATON_RETENTION_ARCHIVE_AFTER", "soon", "7d or off"),
        ("BATON_RETENTION_KEEP_FOR", "-1d", "7d or off"),
        ("BATON_RETENTION_WINDOW", "12", "7d or off"),
        ("BATON_RETENTION_WINDOW_EVENTS", "3", "at least 50"),
        ("BATON_RETENTION_EXPORT", "/no/such/folder", "make it first"),
    ] {
        let done = baton(&database)
            .arg("check-config")
            .env(name, value)
            .output()
            .await
            .expect("baton runs");
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(
            !done.status.success() && told.contains(said),
            "{name}={value}: {told}"
        );
    }
    let done = baton(&database)
        .arg("check-config")
        .output()
        .await
        .expect("baton runs");
    let told = String::from_utf8_lossy(&done.stdout);
    for line in [
        "retention_archive_after  1d",
        "retention_keep_for       7d",
        "retention_window         90d",
        "retention_audit          365d",
    ] {
        assert!(told.contains(line), "{told}");
    }
}
