//! What must hold after every test that hurts the server.

use serde_json::Value;

use crate::{Hub, number, text};

/// Asserts that `events` are seq 1, 2, 3… with no gap, no repeat and no id twice.
///
/// # Panics
/// When they are not.
#[track_caller]
pub fn contiguous(events: &[Value]) {
    let mut ids = std::collections::HashSet::new();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(
            number(event, "/seq"),
            index as u64 + 1,
            "a gap or a repeat at {event:#}"
        );
        assert!(
            ids.insert(text(event, "/id")),
            "the id of {event:#} came before"
        );
    }
}

/// How many events have this type.
#[must_use]
pub fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["type"] == kind).count()
}

/// The types of events, in order, of those that begin with `prefix`.
#[must_use]
pub fn kinds<'v>(events: &'v [Value], prefix: &str) -> Vec<&'v str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .filter(|kind| kind.starts_with(prefix))
        .collect()
}

/// Asserts that `baton verify` finds nothing wrong in the hub's store.
///
/// # Panics
/// When it does.
pub async fn verify(hub: &Hub) {
    let output = hub.server.command(&["verify"]).await;
    assert!(
        output.status.success(),
        "baton verify: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
