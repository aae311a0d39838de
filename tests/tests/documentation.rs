//! The agents of `docs/agents.md` and of the README do what the pages say, as they stand there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use tests::document::code_blocks;
use tests::hub::{member, step};
use tests::script::{Language, Script, clients};
use tests::{Database, Hub, Process, check, number, on_both_databases, text};

/// The page's agent in a language, as a file beside the packages that the page says to install.
fn agent_file(hub: &Hub, language: Language) -> PathBuf {
    let (block, name) = match language {
        Language::JavaScript => ("js", "agent.mjs"),
        Language::Python => ("python", "agent.py"),
    };
    let programs = code_blocks("docs/agents.md", block);
    assert_eq!(programs.len(), 1, "the page has one agent in {language:?}");
    let folder = hub.server.database.folder();
    let packages = folder.join("node_modules");
    if language == Language::JavaScript && !packages.exists() {
        symlink(clients(language).join("node_modules"), packages)
            .expect("the packages can be linked");
    }
    let file = folder.join(name);
    fs::write(&file, &programs[0]).expect("the program can be written");
    file
}

/// Registers an agent and runs the page's program as it.
async fn start(hub: &Hub, language: Language, id: &str) -> Script {
    let key = hub.register(id, &["write"]).await;
    let url = hub.server.url();
    let instance = format!("{id}-1");
    let environment = [
        ("BATON_URL", url.as_str()),
        ("BATON_KEY", &key),
        ("BATON_INSTANCE", &instance),
    ];
    let mut script = Script::start(language, &agent_file(hub, language), &[], &environment);
    assert_eq!(script.says("ready").await, format!("ready {id}"));
    script
}

async fn draft(hub: &Hub, agents: &[&str], assigned: &str, inputs: Value) -> Process {
    let members: Vec<Value> = agents.iter().map(|agent| member(agent)).collect();
    let team = hub.team(&members, json!({})).await;
    let steps = json!([{
        "key": "draft", "name": "Draft", "description": "", "assignedAgentId": assigned, "inputs": inputs,
    }]);
    hub.process(&team, steps).await
}

/// The page's agent asks, outlives a crash of the server, gets its answer, completes and stops when asked to.
async fn asks_and_survives(database: Database, language: Language) {
    let mut hub = Hub::start(database).await;
    let mut agent = start(&hub, language, "solo").await;
    let process = draft(&hub, &["solo"], "solo", json!({ "topic": "bees" })).await;
    let question = hub.open_intervention(&process).await;
    assert_eq!(text(&question, "/subject"), "All about bees");

    hub.server.crash().await;
    agent.says("ready").await;
    hub.answer(
        &question,
        &json!({ "action": "modify", "modifications": "All about wild bees" }),
    )
    .await;
    agent.says("completed draft").await;
    let ended = hub.ends(&process, "completed").await;
    let outputs = &ended["context"]["sharedData"]["steps"]["draft"];
    assert_eq!(
        outputs,
        &json!({ "text": "All about wild bees", "by": "solo" })
    );
    assert_eq!(
        number(&ended, "/metrics/humanInterventionCount"),
        1,
        "it asked once"
    );

    // Asked to stop in the middle of a step, it gives the step back.
    let process = draft(&hub, &["solo"], "solo", json!({ "topic": "wasps" })).await;
    hub.open_intervention(&process).await;
    agent.terminate().await;
    agent.succeeds().await;
    let events = hub.events(&process.room).await;
    assert_eq!(
        check::count(&events, "assignment.released"),
        1,
        "{:#?}",
        check::kinds(&events, "assignment.")
    );
    assert_eq!(
        text(step(&hub.read(&process).await, "draft"), "/status"),
        "pending"
    );
    check::verify(&hub).await;
}

/// The page's agent in one language hands its step to the page's agent in the other.
async fn hands_over(database: Database, from: Language, to: Language) {
    let hub = Hub::start(database).await;
    let first = start(&hub, from, "first").await;
    let mut second = start(&hub, to, "second").await;
    let inputs = json!({ "topic": "hives", "colleague": "second" });
    let process = draft(&hub, &["first", "second"], "first", inputs).await;
    let question = hub.open_intervention(&process).await;
    hub.answer(&question, &json!({ "action": "approve" })).await;
    second.says("completed draft").await;
    let ended = hub.ends(&process, "completed").await;
    let outputs = &ended["context"]["sharedData"]["steps"]["draft"];
    assert_eq!(
        outputs,
        &json!({ "text": "All about hives", "by": "second" })
    );
    let handoffs = hub
        .admin
        .get(&format!("/processes/{}/handoffs", process.id))
        .await
        .expect(200);
    assert_eq!(
        text(&handoffs, "/items/0/context/summary"),
        "The draft is done"
    );
    for agent in [first, second] {
        agent.terminate().await;
        agent.succeeds().await;
    }
    check::verify(&hub).await;
}

on_both_databases! {
    async fn the_python_agent_asks_and_survives(database: Database) {
        asks_and_survives(database, Language::Python).await;
    }

    async fn the_javascript_agent_asks_and_survives(database: Database) {
        asks_and_survives(database, Language::JavaScript).await;
    }

    async fn python_hands_over_to_javascript(database: Database) {
        hands_over(database, Language::Python, Language::JavaScript).await;
    }

    async fn javascript_hands_over_to_python(database: Database) {
        hands_over(database, Language::JavaScript, Language::Python).await;
    }
}

#[tokio::test]
async fn the_readmes_agent_works() {
    let hub = Hub::start(Database::sqlite()).await;
    let key = hub.register("hello", &[]).await;
    let programs = code_blocks("README.md", "python");
    assert_eq!(programs.len(), 1, "the README has one agent");
    let program = programs[0].replace("http://127.0.0.1:7400", &hub.server.url());
    assert_ne!(program, programs[0], "it connects to the default address");
    let whole = format!(
        "import os, socketio\nKEY = os.environ['BATON_KEY']\n{program}print('ready')\nsio.wait()\n"
    );
    let file = hub.server.database.folder().join("hello.py");
    fs::write(&file, whole).expect("the program can be written");
    let mut agent = Script::start(Language::Python, &file, &[], &[("BATON_KEY", key.as_str())]);
    agent.says("ready").await;
    let process = draft(&hub, &["hello"], "hello", json!({})).await;
    let ended = hub.ends(&process, "completed").await;
    assert_eq!(
        ended["context"]["sharedData"]["steps"]["draft"],
        json!({ "hello": "world" })
    );
    agent.kill().await;
}
