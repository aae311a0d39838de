//! The agents of `docs/agents.md` and of the README do what the pages say, as they stand there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tests::document::code_blocks;
use tests::hub::{member, step};
use tests::script::{Language, Script, clients};
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, Process, check, number, on_both_databases, text};

/// The programs of the page, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Python,
    TypedClient,
    StockClient,
}

impl Program {
    fn language(self) -> Language {
        match self {
            Self::Python => Language::Python,
            Self::TypedClient | Self::StockClient => Language::JavaScript,
        }
    }

    /// The program, as a file beside the packages that the page says to install.
    fn file(self, hub: &Hub) -> PathBuf {
        let (block, programs, n, name) = match self {
            Self::Python => ("python", 1, 0, "agent.py"),
            Self::TypedClient => ("js", 2, 0, "typed.mjs"),
            Self::StockClient => ("js", 2, 1, "stock.mjs"),
        };
        let found = code_blocks("docs/agents.md", block);
        assert_eq!(found.len(), programs, "the page's programs in {block}");
        script_file(hub, name, &found[n])
    }
}

/// A script beside the packages of both JavaScript clients.
fn script_file(hub: &Hub, name: &str, text: &str) -> PathBuf {
    let folder = hub.server.database.folder();
    let packages = folder.join("node_modules");
    if !packages.exists() {
        fs::create_dir_all(packages.join("@baton")).expect("a folder can be made");
        let stock = clients(Language::JavaScript).join("node_modules/socket.io-client");
        symlink(stock, packages.join("socket.io-client")).expect("the package can be linked");
        let typed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-client/client");
        assert!(
            typed.join("dist/index.js").exists(),
            "the typed client is not built: cd web-client && npm run build"
        );
        symlink(typed, packages.join("@baton/client")).expect("the package can be linked");
    }
    let file = folder.join(name);
    fs::write(&file, text).expect("the program can be written");
    file
}

/// Registers an agent and runs the page's program as it.
async fn start(hub: &Hub, program: Program, id: &str) -> Script {
    let key = hub.register(id, &["write"]).await;
    let url = hub.server.url();
    let instance = format!("{id}-1");
    let environment = [
        ("BATON_URL", url.as_str()),
        ("BATON_KEY", &key),
        ("BATON_INSTANCE", &instance),
    ];
    let mut script = Script::start(program.language(), &program.file(hub), &[], &environment);
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
async fn asks_and_survives(database: Database, program: Program) {
    let mut hub = Hub::start(database).await;
    let mut agent = start(&hub, program, "solo").await;
    let process = draft(&hub, &["solo"], "solo", json!({ "topic": "bees" })).await;
    let question = hub.open_intervention(&process).await;
    assert_eq!(text(&question, "/subject"), "All about bees");

    hub.server.crash().await;
    let back = match program {
        Program::TypedClient => "connection live",
        Program::Python | Program::StockClient => "ready",
    };
    agent.says(back).await;
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

/// The page's agent in one way hands its step to the page's agent in another.
async fn hands_over(database: Database, from: Program, to: Program) {
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
        asks_and_survives(database, Program::Python).await;
    }

    async fn the_typed_clients_agent_asks_and_survives(database: Database) {
        asks_and_survives(database, Program::TypedClient).await;
    }

    async fn the_stock_clients_agent_asks_and_survives(database: Database) {
        asks_and_survives(database, Program::StockClient).await;
    }

    async fn python_hands_over_to_the_typed_client(database: Database) {
        hands_over(database, Program::Python, Program::TypedClient).await;
    }

    async fn the_typed_client_hands_over_to_the_stock_client(database: Database) {
        hands_over(database, Program::TypedClient, Program::StockClient).await;
    }

    async fn the_stock_client_hands_over_to_python(database: Database) {
        hands_over(database, Program::StockClient, Program::Python).await;
    }
}

#[tokio::test]
async fn the_examples_of_the_typed_client_work() {
    let hub = Hub::start(Database::sqlite()).await;
    let programs = code_blocks("web-client/client/README.md", "js");
    let [agent, room, backend] = &programs[..] else {
        panic!("an agent, a room and a backend, not {}", programs.len());
    };
    let key = hub.register("adder", &[]).await;
    let team = hub.team(&[member("adder")], json!({})).await;
    let url = hub.server.url();
    let as_agent = [("BATON_URL", url.as_str()), ("BATON_KEY", &key)];
    let run = |name: &str, text: &str, environment: &[(&str, &str)]| {
        Script::start(
            Language::JavaScript,
            &script_file(&hub, name, text),
            &[],
            environment,
        )
    };
    let mut adder = run("adder.mjs", agent, &as_agent);
    adder.says("ready adder").await;

    let as_admin = [("BATON_URL", url.as_str()), ("BATON_KEY", ADMIN_KEY)];
    let mut backend = run("backend.mjs", backend, &as_admin);
    let started = backend.says("started ").await;
    backend.succeeds().await;
    let id = started.trim_start_matches("started ");
    let ended = hub
        .until(&format!("/processes/{id}"), |body| {
            body["status"] == "completed"
        })
        .await;
    assert_eq!(ended["teamId"], team);
    assert_eq!(
        ended["context"]["sharedData"]["steps"]["sum"],
        json!({ "sum": 5 })
    );

    let wrong = draft(&hub, &["adder"], "adder", json!({ "a": "two", "b": 3 })).await;
    let failed = hub.ends(&wrong, "failed").await;
    let failed = step(&failed, "draft");
    assert_eq!(text(failed, "/error/code"), "not_a_number");
    assert_eq!(number(failed, "/attempts"), 1, "it said not to retry");

    let room_id = text(&ended, "/roomId");
    let in_room = [as_admin[0], as_admin[1], ("BATON_ROOM", &room_id)];
    let said = run("room.mjs", room, &in_room).succeeds().await;
    let last = said.last().expect("it says what was posted");
    assert!(last.ends_with("admin Hello"), "{said:?}");

    adder.terminate().await;
    adder.succeeds().await;
    check::verify(&hub).await;
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
