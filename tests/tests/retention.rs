//! What is no longer kept goes, and only that: rooms of ended processes, old logs, each with a file before it is removed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, Server, baton};
use tests::{Database, Hub, SOON, array, check, number, on_both_databases, text};
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
        // A quiet room keeps its newest, however old.
        sleep(Duration::from_secs(2)).await;
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
