//! `baton demo --once --approve`: what a newcomer runs first, and what a script checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tests::server::{baton, free_port};
use tests::{Database, on_both_databases};
use tokio::time::{Duration, timeout};

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
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/demo/tickets.csv");
        let tickets = ids(&fs::read_to_string(sample).unwrap());
        assert!(!tickets.is_empty(), "the sample's ids begin with T-");
        assert_eq!(ids(&replies), tickets);
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
}
