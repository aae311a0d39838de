//! Stock Socket.IO clients in two languages run an agent and an observer through a whole process.

use serde_json::json;
use tests::hub::member;
use tests::script::{Language, Script, clients};
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, check, number, on_both_databases, text};

/// An agent and an observer in `language` do a process of three steps.
async fn a_whole_process(
    database: Database,
    language: Language,
    transports: &str,
    connected_by: &str,
) {
    let hub = Hub::start(database).await;
    let key = hub.register("stock", &[]).await;
    let team = hub.team(&[member("stock")], json!({})).await;
    let step = |key: &str, after: &[&str]| json!({ "key": key, "name": key, "description": "", "assignedAgentId": "stock", "dependencies": after });
    let process = hub
        .process(
            &team,
            json!([
                step("one", &[]),
                step("two", &["one"]),
                step("three", &["two"])
            ]),
        )
        .await;
    let (folder, url) = (clients(language), hub.server.url());
    let extension = if language == Language::Python {
        "py"
    } else {
        "mjs"
    };
    let run = |name: &str, key: &str, arguments: &[&str]| {
        let environment = [
            ("BATON_URL", url.as_str()),
            ("BATON_KEY", key),
            ("TRANSPORTS", transports),
        ];
        Script::start(
            language,
            &folder.join(format!("{name}.{extension}")),
            arguments,
            &environment,
        )
    };
    let mut observer = run("observer", ADMIN_KEY, &[&process.room]);
    observer.says("joined").await;
    assert_eq!(
        observer.says("transport").await,
        format!("transport {connected_by}")
    );
    let mut agent = run("agent", &key, &["3"]);
    assert_eq!(
        agent.says("transport").await,
        format!("transport {connected_by}")
    );

    let ended = hub.ends(&process, "completed").await;
    agent.succeeds().await;
    assert_eq!(text(&ended, "/context/sharedData/steps/three/by"), "stock");
    let summary = observer.says("completed").await;
    observer.succeeds().await;
    let log = hub.events(&process.room).await;
    check::contiguous(&log);
    let last = log
        .iter()
        .rfind(|event| event["type"] == "process.completed")
        .expect("it completed");
    assert_eq!(
        summary,
        format!("completed {}", number(last, "/seq")),
        "the observer saw every event up to the last"
    );
}

on_both_databases! {
    async fn javascript_over_websocket(database: Database) {
        a_whole_process(database, Language::JavaScript, "websocket", "websocket").await;
    }

    async fn javascript_over_polling_then_upgraded(database: Database) {
        a_whole_process(database, Language::JavaScript, "polling,websocket", "websocket").await;
    }

    async fn javascript_over_polling_alone(database: Database) {
        a_whole_process(database, Language::JavaScript, "polling", "polling").await;
    }

    async fn python_over_websocket(database: Database) {
        a_whole_process(database, Language::Python, "websocket", "websocket").await;
    }

    async fn python_over_polling_then_upgraded(database: Database) {
        a_whole_process(database, Language::Python, "polling,websocket", "websocket").await;
    }
}
