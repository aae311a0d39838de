//! `baton demo --once --approve`: what a newcomer runs first, and what a script checks.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use baton::demo::{self, DemoOptions};
use tests::crash::{moment, observe, random, rounds};
use tests::server::{ADMIN_KEY, baton, free_port};
use tests::{Database, Hub, array, check, on_both_databases, text};
use tokio::time::{Duration, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The demo's team has the default lease.
const LEASE: Duration = Duration::from_secs(30);

/// The first column of a CSV file's rows. The ids of the sample's tickets hold neither commas nor quotes.
fn ids(csv: &str) -> BTreeSet<String> {
    let rows = csv
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next());
    rows.filter(|id| id.starts_with("T-"))
        .map(str::to_owned)
        .collect()
}

/// The ids of the tickets that ship with the demo.
fn sample() -> BTreeSet<String> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/demo/tickets.csv");
    let tickets = ids(&fs::read_to_string(sample).unwrap());
    assert!(!tickets.is_empty(), "the sample's ids begin with T-");
    tickets
}

on_both_databases! {
    async fn the_demo_completes_and_writes_a_reply_to_every_ticket(database: Database) {
        let output = database.folder().join("replies.csv");
        let run = baton(&database)
            .env("BATON_LISTEN", format!("127.0.0.1:{}", free_port()))
            .args(["demo", "--once", "--approve", "--output"])
            .arg(&output)
            .output();
        let ran = timeout(Duration::from_secs(120), run).await.expect("the demo ends by itself").unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{}\n{said}\n{}", ran.status, String::from_utf8_lossy(&ran.stderr));
        assert!(said.contains("completed"), "the summary says how it ended: {said}");

        let replies = fs::read_to_string(&output).unwrap();
        let header = replies.lines().next().unwrap();
        for column in ["customer", "topic", "priority", "reply"] {
            assert!(header.split(',').any(|name| name == column), "{column} in {header}");
        }
        assert_eq!(ids(&replies), sample());
    }

    async fn the_demo_refuses_a_file_that_lacks_a_column(database: Database) {
        let input = database.folder().join("tickets.csv");
        fs::write(&input, "id,customer,subject\nT-1,Ada,Hello\n").unwrap();
        let run = baton(&database)
            .env("BATON_LISTEN", format!("127.0.0.1:{}", free_port()))
            .args(["demo", "--once", "--approve", "--input"])
            .arg(&input)
            .output();
        let ran = timeout(Duration::from_secs(60), run).await.expect("the demo ends by itself").unwrap();
        assert!(!ran.status.success());
        let complaint = String::from_utf8_lossy(&ran.stderr);
        assert!(complaint.contains("body"), "it names the missing column: {complaint}");
    }

    async fn the_demo_survives_any_crash_of_the_server(database: Database) {
        let output = database.folder().join("replies.csv");
        let mut random = random("BATON_CRASH_SEED");
        let mut hub = Hub::start(database).await;
        let rounds = rounds();
        for round in 0..rounds {
            let options = DemoOptions {
                base_url: hub.server.url(),
                admin_key: ADMIN_KEY.to_owned(),
                input: None,
                output: output.clone(),
                once: true,
                approve: true,
                pace: Duration::from_millis(50),
            };
            // The agents and the desk are clients of their own, which the server's end does not end.
            let demo = tokio::spawn(demo::run(options, CancellationToken::new()));
            let started = hub.until("/processes?status=running", |page| !array(page, "/items").is_empty()).await;
            let observer = tokio::spawn(observe(hub.server.url(), text(&started, "/items/0/roomId")));
            sleep(moment(&mut random, Duration::from_millis(1_500))).await;
            hub.server.kill().await;
            // Once it is away for longer than a lease: nobody's work is given to another for that.
            let long = round == rounds / 2;
            let away = if long { LEASE + Duration::from_secs(2) } else { moment(&mut random, Duration::from_secs(1)) };
            sleep(away).await;
            hub.server.launch();
            hub.server.ready().await;

            let summary = timeout(Duration::from_secs(120), demo).await.expect("the demo ends by itself").unwrap();
            let summary = summary.unwrap_or_else(|error| panic!("round {round}: {error:#}"));
            assert_eq!(summary.completed, 1, "round {round}: {summary}");
            assert_eq!(ids(&fs::read_to_string(&output).unwrap()), sample(), "round {round}");
            fs::remove_file(&output).unwrap();
            let seen = timeout(Duration::from_secs(60), observer).await.expect("the observer sees the end").unwrap();
            check::contiguous(&seen);
            let log = hub.events(&text(&started, "/items/0/roomId")).await;
            assert_eq!(seen[..], log[..seen.len()], "round {round}: the observer saw what the log says");
            assert_eq!(check::count(&log, "assignment.expired"), 0, "round {round}");
            assert_eq!(check::count(&log, "handoff.expired"), 0, "round {round}");
            check::verify(&hub).await;
        }
    }
}
