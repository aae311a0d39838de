//! The examples of `docs/api` are what happens: each is sent as it stands there, and answered as it stands there. And there is one of
//! every operation and of every command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use tests::contract;
use tests::example::{Answer, Http, Notes, Step, steps};
use tests::rest::Rest;
use tests::server::ADMIN_KEY;
use tests::{Agent, Database, Hub, check, on_both_databases};

const REST: &str = "docs/api/rest.md";
const SOCKET: &str = "docs/api/socket.md";

fn page(file: &str) -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    steps(&text)
}

/// What an agent is told, whatever else has changed when it is told again.
fn telling(who: &str, name: &str, argument: &Value) -> String {
    let parts = [
        "/attempt/id",
        "/attemptId",
        "/handoff/id",
        "/handoff/status",
        "/intervention/id",
        "/communication/id",
        "/communication/response",
    ];
    let said = parts.map(|part| argument.pointer(part).unwrap_or(&Value::Null).to_string());
    format!("{who} {name} {}", said.join(" "))
}

/// A server, and what a page has done with it so far.
struct Run {
    hub: Hub,
    notes: Notes,
    connections: BTreeMap<String, Agent>,
    /// Operations and commands that succeeded.
    shown: BTreeSet<String>,
    /// What agents were told already: it is told again until it was taken.
    told: BTreeSet<String>,
}

impl Run {
    async fn of(file: &str, database: Database) -> Self {
        let mut run = Self {
            hub: Hub::start(database).await,
            notes: Notes::default(),
            connections: BTreeMap::new(),
            shown: BTreeSet::new(),
            told: BTreeSet::new(),
        };
        run.notes.put("adminKey", ADMIN_KEY);
        for step in page(file) {
            run.step(step).await;
        }
        check::verify(&run.hub).await;
        run
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Http(example) => self.http(&example).await,
            Step::Connect { who, auth } => {
                let auth = self.notes.fill(&auth);
                let connected = Agent::connect(&self.hub.server.url(), &who, auth).await;
                self.connections.insert(who, connected);
            }
            Step::Command {
                who,
                name,
                payload,
                ack,
            } => self.command(&who, &name, &payload, &ack).await,
            Step::Event {
                who,
                name,
                argument,
            } => {
                let told = self.told.clone();
                let is_new = |found: &Value| !told.contains(&telling(&who, &name, found));
                let found = self.connection(&who).event_where(&name, is_new).await;
                if name.starts_with("work.") {
                    self.told.insert(telling(&who, &name, &found));
                }
                self.hold(&format!("{who}: on {name}"), &argument, &found);
            }
        }
    }

    fn connection(&mut self, who: &str) -> &mut Agent {
        let found = self.connections.get_mut(who);
        found.unwrap_or_else(|| panic!("{who} has not connected before"))
    }

    fn hold(&mut self, what: &str, wanted: &Value, found: &Value) {
        if let Err(why) = self.notes.match_json(wanted, found) {
            panic!("{what}\nis not answered as the page says: {why}\nbut {found:#}");
        }
    }

    async fn http(&mut self, example: &Http) {
        let path = self.notes.fill_text(&example.path);
        let mut key = ADMIN_KEY.to_owned();
        let mut headers = Vec::new();
        for (name, value) in &example.headers {
            match (name.as_str(), value.strip_prefix("Bearer ")) {
                ("Authorization", Some(bearer)) => key = self.notes.fill_text(bearer),
                ("Authorization", None) => key = String::new(),
                _ => headers.push((name, self.notes.fill_text(value))),
            }
        }
        let rest = Rest::new(&self.hub.server.url(), &key);
        let method: Method = example.method.parse().expect("a method");
        let mut request = rest.request(method, &format!("!{path}"));
        for (name, value) in headers {
            request = request.header(name.as_str(), value);
        }
        if let Some(body) = &example.body {
            request = request.json(&self.notes.fill(body));
        }
        let what = format!("{} {path}", example.method);
        if example.answer == Answer::Text {
            let found = request.send().await.expect("an answer");
            assert_eq!(found.status(), example.status, "{what}");
            let kind = found.headers()["content-type"].to_str().expect("a type");
            assert!(kind.starts_with("text/plain"), "{what}: {kind}");
            assert!(!found.text().await.expect("a text").is_empty(), "{what}");
        } else {
            let found = rest.send(request).await;
            assert_eq!(found.status, example.status, "{what}: {:#}", found.body);
            let wanted = match &example.answer {
                Answer::Json(wanted) => wanted,
                _ => &Value::Null,
            };
            self.hold(&what, wanted, &found.body);
            for (name, wanted) in &example.answer_headers {
                let there = found.headers.get(name).and_then(|v| v.to_str().ok());
                let there = there.unwrap_or_else(|| panic!("{what}: no {name}"));
                if let Err(why) = self.notes.match_text(wanted, there) {
                    panic!("{what}: {name}: {why}");
                }
            }
            let located = found.headers.get("location");
            assert_eq!(
                located.is_some(),
                example.status == 201,
                "{what}: what is made has a place"
            );
            if let Some(place) = located {
                let place = format!("!{}", place.to_str().expect("a path"));
                let _ = self.hub.admin.get(&place).await.expect(200);
            }
        }
        let plain = path.split('?').next().unwrap_or_default();
        let operation = contract::operation_of(&example.method, plain);
        let operation = operation.unwrap_or_else(|| panic!("{what} is no operation"));
        if example.status < 300 {
            self.shown.insert(operation);
        }
    }

    async fn command(&mut self, who: &str, name: &str, payload: &Value, ack: &Value) {
        let payload = self.notes.fill(payload);
        let what = format!("{who}: {name} {payload}");
        let connection = self.connection(who);
        let found = match ack["error"]["code"].as_str() {
            Some(code) => {
                json!({ "ok": false, "error": connection.refused(name, payload, code).await })
            }
            None => {
                let reply = connection.ask(name, payload).await;
                let mut found = json!({ "ok": true, "data": reply.data });
                if let Some(seq) = reply.seq {
                    found["seq"] = seq.into();
                }
                self.shown.insert(name.to_owned());
                found
            }
        };
        self.hold(&what, ack, &found);
    }

    /// Every one of these has an example that succeeds.
    fn shows_all(&self, kind: &str) {
        let all = &contract::everything()[kind];
        let missing: Vec<_> = all
            .iter()
            .filter(|one| !self.shown.contains(*one))
            .collect();
        assert!(
            !all.is_empty() && missing.is_empty(),
            "{kind} without an example: {missing:?}"
        );
    }
}

on_both_databases! {
    async fn every_operation_has_an_example_that_is_so(database: Database) {
        Run::of(REST, database).await.shows_all("operations");
    }

    async fn every_command_has_an_example_that_is_so(database: Database) {
        Run::of(SOCKET, database).await.shows_all("commands");
    }
}

#[test]
fn every_event_that_is_not_of_a_log_is_on_the_page_of_the_sockets() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(SOCKET),
    )
    .expect("the page");
    for event in &contract::everything()["events"] {
        let addressed = [
            "work.",
            "server.",
            "session.",
            "typing.",
            "presence.",
            "agent.presence",
            "message.delta",
        ];
        if addressed.iter().any(|start| event.starts_with(start)) {
            assert!(text.contains(event.as_str()), "{event} is not on {SOCKET}");
        }
    }
}
