//! The dashboard that the binary serves, in a real Chromium, while the demo's agents work.
//!
//! The scenarios themselves are in `web-client/e2e/`. They need its packages and its build, which
//! `make test` makes first.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tests::script::{Language, Script};
use tests::server::{ADMIN_KEY, baton};
use tests::{Database, Hub, text};
use tokio::process::Child;
use tokio::time::{Duration, timeout};

/// The demo's agents against a hub that runs already; they stop at the approval that a person decides.
fn demo(hub: &Hub) -> Child {
    baton(&hub.server.database)
        .args([
            "demo",
            "--once",
            "--url",
            &hub.server.url(),
            "--key",
            ADMIN_KEY,
            "--output",
            "replies.csv",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the demo can be started")
}

/// Runs a scenario with the sign-in link of a key.
async fn scenario(hub: &Hub, name: &str, key: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/e2e/run.mjs");
    let link = format!("{}/#key={key}", hub.server.url());
    let mut browser = Script::start(Language::JavaScript, &file, &[name, &link], &[]);
    browser.says(&format!("{name}: passed")).await;
    browser.succeeds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_approves_on_the_page_and_the_process_completes() {
    let hub = Hub::start(Database::sqlite()).await;
    let mut demo = demo(&hub);
    scenario(&hub, "approve", ADMIN_KEY).await;
    let ended = timeout(Duration::from_secs(60), demo.wait())
        .await
        .expect("the demo ends")
        .expect("it can be waited for");
    assert!(ended.success(), "the demo ended with {ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answerer_sees_who_decided() {
    let hub = Hub::start(Database::sqlite()).await;
    let _demo = demo(&hub);
    scenario(&hub, "two-answers", ADMIN_KEY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_that_it_is_offline_and_catches_up() {
    let hub = Hub::start(Database::sqlite()).await;
    let _demo = demo(&hub);
    scenario(&hub, "offline", ADMIN_KEY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_sees_no_buttons() {
    let hub = Hub::start(Database::sqlite()).await;
    let _demo = demo(&hub);
    let arguments = [
        "keys",
        "create",
        "--workspace",
        "default",
        "--principal",
        "user:eve",
        "--permission",
        "read",
        "--json",
    ];
    let made = hub.server.command(&arguments).await;
    let made: Value = serde_json::from_slice(&made.stdout).expect("--json prints JSON alone");
    scenario(&hub, "read-only", &text(&made, "/key")).await;
}
