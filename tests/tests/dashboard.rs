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

fn browser(hub: &Hub, name: &str, key: &str) -> Script {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/e2e/run.mjs");
    let link = format!("{}/#key={key}", hub.server.url());
    Script::start(Language::JavaScript, &file, &[name, &link], &[])
}

/// Runs a scenario with the sign-in link of a key.
async fn scenario(hub: &Hub, name: &str, key: &str) {
    let mut browser = browser(hub, name, key);
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

/// Runs a scenario that brings its own agents, teams and processes, on an empty store.
async fn scenario_alone(name: &str) {
    let hub = Hub::start(Database::sqlite()).await;
    scenario(&hub, name, ADMIN_KEY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_browsers_see_the_same_messages_in_the_same_order() {
    scenario_alone("order").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_the_page_nothing_and_doubles_nothing() {
    let mut hub = Hub::start(Database::sqlite()).await;
    let mut browser = browser(&hub, "restart", ADMIN_KEY);
    browser.says("now kill it").await;
    hub.server.crash().await;
    browser.says("restart: passed").await;
    browser.succeeds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_write_stays_text() {
    scenario_alone("inert").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_screen_can_be_used_by_everybody_on_a_desk_and_on_a_phone() {
    scenario_alone("screens").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_can_in_the_dark() {
    scenario_alone("screens-dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_vote_and_see_each_others_votes_and_the_decision() {
    scenario_alone("votes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_does_besides_answering_the_other_sees_at_once() {
    scenario_alone("together").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_shows_who_is_there_and_types_what_is_being_written_and_what_is_new() {
    scenario_alone("talk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_reached_and_decided_without_a_mouse() {
    scenario_alone("keyboard").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_tells_figures_alerts_and_advice_with_their_evidence() {
    scenario_alone("overview").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_shown_as_it_was_after_any_event() {
    scenario_alone("replay").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_found_from_any_screen_and_read_in_its_place() {
    scenario_alone("search").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_a_schema_is_a_form_that_is_checked_before_and_after() {
    scenario_alone("forms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_escalated_shows_why_and_waits_for_a_person() {
    scenario_alone("escalated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_faster_than_the_page_loses_nothing() {
    scenario_alone("hasty").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_load_is_small() {
    scenario_alone("first-load").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_events_scroll_smoothly_and_a_flood_leaves_the_page_answering() {
    scenario_alone("load").await;
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
