//! The process designer and the administration, in a real Chromium, against the real binary.
//!
//! The scenarios themselves are in `web-client/e2e/`.

use std::path::Path;

use serde_json::json;
use tests::hub::member;
use tests::script::{Language, Script};
use tests::server::ADMIN_KEY;
use tests::worker::Worker;
use tests::{Database, Hub};

/// Runs a scenario as the admin.
async fn scenario(hub: &Hub, name: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/e2e/run.mjs");
    let link = format!("{}/#key={ADMIN_KEY}", hub.server.url());
    let mut browser = Script::start(Language::JavaScript, &file, &[name, &link], &[]);
    browser.says(&format!("{name}: passed")).await;
    browser.succeeds().await;
}

/// A team of one agent, which works on whatever it gets.
async fn working(hub: &Hub) -> tests::worker::Working {
    let key = hub.register("worker", &[]).await;
    hub.team(&[member("worker")], json!({})).await;
    Worker::quick(hub.server.url(), "worker", key).start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_steps_with_a_diamond_a_condition_and_an_approval_are_drawn_started_and_complete() {
    let hub = Hub::start(Database::sqlite()).await;
    let _worker = working(&hub).await;
    scenario(&hub, "designer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_shown_where_it_belongs() {
    let hub = Hub::start(Database::sqlite()).await;
    let _worker = working(&hub).await;
    scenario(&hub, "designer-errors").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_makes_a_sign_in_link_for_a_second_person_and_takes_it_back() {
    let hub = Hub::start(Database::sqlite()).await;
    scenario(&hub, "keys").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_reads_what_was_done_and_what_was_refused() {
    let hub = Hub::start(Database::sqlite()).await;
    hub.team(&[member("worker")], json!({})).await;
    scenario(&hub, "audit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_drawn_is_kept_as_a_template_and_started_from_its_form() {
    let hub = Hub::start(Database::sqlite()).await;
    let _worker = working(&hub).await;
    scenario(&hub, "templates").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_changes_the_rules_for_alerts_and_everybody_reads_them() {
    let hub = Hub::start(Database::sqlite()).await;
    scenario(&hub, "alert-rules").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_makes_a_webhook_and_deletes_it() {
    let hub = Hub::start(Database::sqlite()).await;
    scenario(&hub, "webhooks").await;
}
