//! The check of a large store: `verify` finds nothing wrong with it, in memory that does not grow with it.
//!
//! A random workspace is written as lanes do and then copied in the database, ids and all, until there is enough; one room more gets a log of
//! its own that is as long as all of them. `BATON_VERIFY_EVENTS` says how many events (a million takes a few minutes); what it took is
//! printed. It is a file of its own because it measures the memory of its process.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "all of it is a test")]

#[path = "contract/backend.rs"]
#[expect(
    unused_macros,
    unused_imports,
    dead_code,
    reason = "the contract uses the rest"
)]
mod backend;
#[path = "contract/clerk.rs"]
#[expect(dead_code, reason = "the contract uses the rest")]
mod clerk;
#[path = "contract/mirror.rs"]
mod mirror;

use std::time::Instant;

use backend::Backend;
use clerk::{Clerk, body, person};
use rooms::Command;
use rooms::id::RoomId;
use serde_json::json;
use storage::Store;
use uuid::Uuid;

/// Tables that a lane writes, in the order of their foreign keys.
const TABLES: [&str; 20] = [
    "workspaces",
    "agents",
    "rooms",
    "retention",
    "templates",
    "teams",
    "team_members",
    "processes",
    "steps",
    "attempts",
    "handoffs",
    "interventions",
    "communications",
    "alerts",
    "recommendations",
    "alert_rules",
    "messages",
    "events",
    "snapshots",
    "timers",
];

/// What a column holds.
enum Holds {
    /// An id.
    Id,
    /// The workspace's id.
    Space,
    /// A text with ids and the workspace's id in it.
    Text,
    /// What is the same in every copy.
    Same,
}

/// The columns of a table that are written, with what they hold.
async fn columns(store: &Store, table: &str) -> Vec<(String, Holds)> {
    let sql = match store.kind() {
        "sqlite" => {
            format!("SELECT name, type FROM pragma_table_info('{table}') WHERE name <> 'rowid'")
        }
        _ => format!(
            "SELECT column_name::text, udt_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}' AND is_generated = 'NEVER' ORDER BY ordinal_position"
        ),
    };
    let rows = store.query(&sql, Vec::new()).await.unwrap();
    rows.iter()
        .map(|row| {
            let holds = match (table, row.text(0), row.text(1)) {
                ("workspaces", "id", _) | (_, "workspace_id", _) => Holds::Space,
                (_, _, "BLOB" | "uuid") => Holds::Id,
                ("timers", "key", _) | (_, "data" | "payload" | "state" | "timer", _) => {
                    Holds::Text
                }
                _ => Holds::Same,
            };
            (row.text(0).to_owned(), holds)
        })
        .collect()
}

/// The first digits of every id of a simulated workspace, but for its own room's: they are the time of the world's beginning.
const DIGITS: &str = "018bcf";

/// Copies a simulated workspace so many times, a few at a time: no statement takes longer than a store waits for its answer.
async fn multiply(store: &Store, space: &str, space_room: RoomId, copies: u64) {
    const AT_ONCE: u64 = 50;
    for from in (0..copies).step_by(usize::try_from(AT_ONCE).unwrap()) {
        copy(store, space, space_room, from..(from + AT_ONCE).min(copies)).await;
    }
}

/// Makes these copies, each with ids of its own.
async fn copy(store: &Store, space: &str, space_room: RoomId, copies: std::ops::Range<u64>) {
    let sqlite = store.kind() == "sqlite";
    let digits = if sqlite {
        "printf('%06x', n)"
    } else {
        "lpad(to_hex(n), 6, '0')"
    };
    let own = space_room.to_string();
    for table in TABLES {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, holds) in columns(store, table).await {
            values.push(match holds {
                Holds::Id if sqlite => format!(
                    "CASE WHEN {name} IS NOT NULL THEN unhex({digits} || substr(hex({name}), 7)) END"
                ),
                Holds::Id => format!("({digits} || substr({name}::text, 7))::uuid"),
                Holds::Space => format!("{name} || '-' || n"),
                Holds::Text => format!(
                    "replace(replace(replace({name}, '{DIGITS}', {digits}), '{own}', {digits} || '{}'), '\"{space}\"', '\"{space}-' || n || '\"')",
                    &own[6..]
                ),
                Holds::Same => name.clone(),
            });
            names.push(name);
        }
        // A table without its workspace's name hangs on a room that has it.
        let of_it = match table {
            "workspaces" => format!("id = '{space}'"),
            "events" | "snapshots" => {
                format!("room_id IN (SELECT id FROM rooms WHERE workspace_id = '{space}')")
            }
            _ => format!("workspace_id = '{space}'"),
        };
        let n = if sqlite { "INTEGER" } else { "INT" };
        let sql = format!(
            "INSERT INTO {table} ({}) WITH RECURSIVE copies (n) AS (SELECT CAST({} AS {n}) UNION ALL SELECT n + 1 FROM copies WHERE n + 1 < {}) \
             SELECT {} FROM {table}, copies WHERE {of_it}",
            names.join(", "),
            1_048_576 + copies.start,
            1_048_576 + copies.end,
            values.join(", ")
        );
        let mut tx = store.begin().await.unwrap();
        tx.execute(&sql, Vec::new())
            .await
            .unwrap_or_else(|e| panic!("{table}: {e}: {sql}"));
        tx.commit().await.unwrap();
    }
}

/// A room with a log of so many messages.
async fn talk(store: &Store, messages: u64) {
    let mut clerk = Clerk::open(store, "talk").await;
    let admin = person("talk", "admin");
    let room = RoomId(Uuid::now_v7());
    let make = body(json!({"name": "Talk", "type": "workspace"}));
    let make = Command::CreateRoom {
        room_id: room,
        room: make,
    };
    clerk.run(&admin, room, make).await.unwrap();
    let post = Command::PostMessage(body(json!({"body": "Something that somebody said"})));
    clerk.run(&admin, room, post).await.unwrap();
    // The others are copies of the first, which is what the state knows of them: nothing.
    let sqlite = store.kind() == "sqlite";
    let digits = if sqlite {
        "printf('%012x', n)"
    } else {
        "lpad(to_hex(n), 12, '0')"
    };
    let id = |name: &str| match sqlite {
        true => format!("unhex(substr(hex({name}), 1, 20) || {digits})"),
        false => format!("(substr({name}::text, 1, 24) || {digits})::uuid"),
    };
    let mut tx = store.begin().await.unwrap();
    let rows = tx.query("SELECT e.id, m.id FROM events e JOIN messages m ON m.room_id = e.room_id WHERE e.room_id = $1 AND e.seq = 2", vec![room.0.into()]).await.unwrap();
    let (event, message) = (rows[0].uuid(0).to_string(), rows[0].uuid(1).to_string());
    let n = if sqlite { "INTEGER" } else { "BIGINT" };
    let last = messages + 1;
    for from in (3..=last).step_by(20_000) {
        let counted = format!(
            "WITH RECURSIVE copies (n) AS (SELECT CAST({from} AS {n}) UNION ALL SELECT n + 1 FROM copies WHERE n < {})",
            (from + 19_999).min(last)
        );
        let sql = format!(
            "INSERT INTO events (room_id, seq, id, type, at, payload) {counted} SELECT room_id, n, {}, type, at, \
             replace(replace(replace(payload, '\"seq\":2,', '\"seq\":' || n || ','), '{event}', '{}' || {digits}), '{message}', '{}' || {digits}) \
             FROM events, copies WHERE room_id = $1 AND seq = 2",
            id("id"),
            &event[..24],
            &message[..24]
        );
        tx.execute(&sql, vec![room.0.into()]).await.unwrap();
        let sql = format!(
            "INSERT INTO messages (id, room_id, workspace_id, seq, at, author_kind, author, removed, body) {counted} \
             SELECT {}, room_id, workspace_id, n, at, author_kind, author, removed, body FROM messages, copies WHERE room_id = $1 AND seq = 2",
            id("id")
        );
        tx.execute(&sql, vec![room.0.into()]).await.unwrap();
    }
    let sql = "UPDATE rooms SET head = $2 WHERE id = $1";
    tx.execute(sql, vec![room.0.into(), (messages + 1).into()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

/// The most memory that this process had since [`forget`], in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Lets [`peak`] begin anew.
fn forget() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Checks a store; its events, and the most memory that it took.
async fn checked(store: &Store) -> (u64, u64) {
    forget();
    let began = Instant::now();
    let report = store.verify().await.unwrap();
    let peak = peak();
    assert!(
        report.problems.is_empty(),
        "{:#?}",
        &report.problems[..report.problems.len().min(5)]
    );
    println!(
        "{}: {} events in {} rooms and {} rows of the read model in {:.1} s, peak {} MiB",
        store.kind(),
        report.events,
        report.rooms,
        report.rows,
        began.elapsed().as_secs_f64(),
        peak / 1_024
    );
    (report.events, peak)
}

#[tokio::test]
async fn a_large_store_is_checked_in_the_memory_of_a_small_one() {
    let wanted: u64 = std::env::var("BATON_VERIFY_EVENTS").map_or(60_000, |n| n.parse().unwrap());
    let mut backends = vec![Backend::sqlite().await];
    backends.extend(Backend::postgres().await);
    for backend in backends {
        let backend = backend.migrated().await;
        let store = &backend.store;
        let world = mirror::play_into(store, 11, 150, 3).await;
        let (one, _) = checked(store).await;
        multiply(
            store,
            world.space.as_str(),
            world.space_room,
            (wanted / 20 / one).max(2),
        )
        .await;
        let (few, before) = checked(store).await;
        assert!(few > one, "the copies are there");
        talk(store, wanted / 2).await;
        // Others than the first copies.
        let copies = (wanted - few - wanted / 2) / one;
        let again = mirror::play_into(store, 12, 150, 3).await;
        multiply(store, again.space.as_str(), again.space_room, copies).await;
        let (many, after) = checked(store).await;
        assert!(many > few * 10, "{few} and {many}");
        // What grows is a number or two for each room.
        assert!(
            after < before + 16 * 1_024 + many / 20,
            "{few} events took {before} KiB, {many} took {after} KiB"
        );
        store.close().await;
    }
}
