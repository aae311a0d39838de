//! Agents against a scripted hub: what they do when the connection breaks, a lease is lost, or the hub repeats itself.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::script::{OPEN, Peer, Server};

use super::roles::Role;
use super::work::text;
use super::{AgentOptions, knowledge, replies, run_agent, tickets, triage};

/// An agent that runs, and the hub's side of its connection.
struct Hub {
    role: Role,
    server: Server,
    peer: Peer,
    stop: CancellationToken,
    agent: JoinHandle<anyhow::Result<()>>,
}

impl Hub {
    /// Starts an agent and answers its first `agent:ready`: nothing is held.
    async fn with(role: Role) -> Self {
        let server = Server::start().await;
        let stop = CancellationToken::new();
        let options = AgentOptions {
            base_url: server.url.clone(),
            key: "k".to_owned(),
            instance_id: "i".to_owned(),
            pace: Duration::ZERO,
        };
        let agent = tokio::spawn(run_agent(role, options, stop.clone()));
        let peer = welcome(&server, json!({})).await;
        Self {
            role,
            server,
            peer,
            stop,
            agent,
        }
    }

    /// Breaks the connection; the agent comes back and is told what it holds.
    async fn restart(&mut self, held: Value) {
        self.peer
            .0
            .get_mut()
            .shutdown()
            .await
            .expect("the connection breaks");
        self.peer = welcome(&self.server, held).await;
    }

    /// Accepts every command until `name`, and gives that one, unanswered.
    async fn until(&mut self, name: &str) -> (u64, Value) {
        loop {
            let (id, given, payload) = self.peer.command().await;
            if given == name {
                return (id, payload);
            }
            assert_ne!(given, "attempt:fail", "{payload}");
            self.peer.ack(id, json!({"ok": true, "data": {}})).await;
        }
    }

    async fn accept(&mut self, id: u64, data: Value) {
        self.peer.ack(id, json!({"ok": true, "data": data})).await;
    }

    async fn refuse(&mut self, id: u64, code: &str) {
        self.peer
            .ack(id, json!({"ok": false, "error": {"code": code}}))
            .await;
    }

    async fn emit(&mut self, name: &str, data: Value) {
        self.peer.send(&format!("42{}", json!([name, data]))).await;
    }

    /// Shows that the agent has nothing more to say about its work, and lets it leave in order.
    async fn leave(mut self) {
        let question = json!({"id": "last", "type": "question", "toAgentId": self.role.agent_id()});
        self.emit("work.message", json!({"communication": question}))
            .await;
        let (id, name, payload) = self.peer.command().await;
        assert_eq!(
            (name.as_str(), &payload["communicationId"]),
            ("communication:respond", &json!("last"))
        );
        self.accept(id, json!({})).await;
        self.stop.cancel();
        assert_eq!(self.peer.receive().await, "41");
        self.agent.await.expect("no panic").expect("no error");
    }
}

async fn welcome(server: &Server, held: Value) -> Peer {
    greet(server.accept().await, held).await
}

async fn greet(mut peer: Peer, held: Value) -> Peer {
    peer.send(OPEN).await;
    assert_eq!(peer.receive().await, r#"40{"token":"k","instanceId":"i"}"#);
    peer.send(r#"40{"sid":"x"}"#).await;
    let (id, name, payload) = peer.command().await;
    assert_eq!(
        (name.as_str(), &payload),
        ("agent:ready", &json!({"instanceId": "i"}))
    );
    peer.ack(id, json!({"ok": true, "data": held})).await;
    peer
}

/// A step as an agent is given it, with all that the steps before it would have left.
fn given(attempt: &str, key: &str) -> Value {
    let tickets = tickets::parse("t.csv", tickets::SAMPLE.as_bytes()).expect("the sample");
    let groups = triage::group(tickets);
    let facts = knowledge::load().expect("the knowledge");
    let mut findings = knowledge::Findings::default();
    for group in &groups {
        findings.extend(knowledge::research(group, &facts));
    }
    let drafts = replies::draft(&groups, &findings);
    json!({
        "attempt": {"id": attempt, "epoch": 3, "status": "leased"},
        "step": {"id": format!("step-{key}"), "key": key, "run": 1},
        "process": {"id": "p", "roomId": "r"},
        "leaseMs": 30_000,
        "context": {
            "sharedData": {
                "tickets": {"name": "t.csv", "csv": tickets::SAMPLE},
                "steps": {
                    "intake": {"groups": groups},
                    "research": {"findings": findings},
                    "draft": {"replies": drafts},
                },
            },
            "variables": {},
        },
    })
}

#[tokio::test]
async fn what_had_no_answer_is_said_again_after_a_restart_in_the_same_words() {
    let mut hub = Hub::with(Role::Intake).await;
    hub.emit("work.offered", given("a", "intake")).await;
    let (id, accepted) = hub.until("attempt:accept").await;
    assert_eq!(accepted, json!({"attemptId": "a", "epoch": 3}));
    hub.accept(id, json!({"leaseMs": 30_000})).await;
    let (_, said) = hub.until("message:send").await;
    hub.restart(json!({"attempts": [given("a", "intake")]}))
        .await;
    let (id, again) = hub.until("message:send").await;
    assert_eq!(said, again);
    assert!(said["commandId"].is_string());
    hub.accept(id, json!({"id": "m"})).await;
    let (id, completed) = hub.until("attempt:complete").await;
    assert_eq!(
        (&completed["epoch"], &completed["outputs"]["total"]),
        (&json!(3), &json!(12))
    );
    hub.accept(id, json!({})).await;
    // The hub repeats an offer that crossed with the end of the work.
    hub.emit("work.offered", given("a", "intake")).await;
    hub.leave().await;
}

#[tokio::test]
async fn a_step_that_is_no_longer_held_is_dropped_without_a_word() {
    let mut hub = Hub::with(Role::Intake).await;
    hub.emit("work.offered", given("a", "intake")).await;
    hub.until("message:send").await;
    hub.restart(json!({"attempts": []})).await;
    hub.emit("work.offered", given("b", "intake")).await;
    let (id, name, payload) = hub.peer.command().await;
    assert_eq!(
        (name.as_str(), &payload["attemptId"]),
        ("attempt:accept", &json!("b"))
    );
    hub.refuse(id, "stale_lease").await;
    hub.leave().await;
}

#[tokio::test]
async fn a_stale_lease_ends_the_work_and_the_agent_goes_on_with_other_work() {
    let mut hub = Hub::with(Role::Intake).await;
    hub.emit("work.offered", given("a", "intake")).await;
    let (id, _) = hub.until("attempt:progress").await;
    hub.refuse(id, "stale_lease").await;
    hub.emit("work.offered", given("b", "intake")).await;
    let (id, name, payload) = hub.peer.command().await;
    assert_eq!(
        (name.as_str(), &payload["attemptId"]),
        ("attempt:accept", &json!("b"))
    );
    hub.accept(id, json!({})).await;
    let (id, completed) = hub.until("attempt:complete").await;
    assert_eq!(completed["attemptId"], "b");
    hub.accept(id, json!({})).await;
    hub.leave().await;
}

#[tokio::test]
async fn work_that_the_hub_cancels_stops_at_once() {
    let mut hub = Hub::with(Role::Writer).await;
    hub.restart(json!({"attempts": [given("a", "draft")]}))
        .await;
    let (id, _) = hub.until("intervention:request").await;
    hub.accept(id, json!({"intervention": {"id": "q"}})).await;
    hub.emit(
        "work.cancelled",
        json!({"attemptId": "a", "stepId": "step-draft", "reason": "cancelled"}),
    )
    .await;
    let answer = json!({"intervention": {"id": "q", "stepId": "step-draft"}, "response": {"action": "approve"}});
    hub.emit("work.answered", answer).await;
    hub.leave().await;
}

#[tokio::test]
async fn the_writer_takes_a_handoff_and_keeps_it_until_a_person_answers_over_a_restart() {
    let mut hub = Hub::with(Role::Writer).await;
    hub.emit("work.handoff_requested", json!({"handoff": {"id": "h"}}))
        .await;
    let (id, accepted) = hub.until("handoff:accept").await;
    assert_eq!(accepted, json!({"handoffId": "h"}));
    let mut held = given("a", "draft");
    let mut steps = held["context"]["sharedData"]["steps"].take();
    let task = json!({
        "groups": steps["intake"]["groups"].take(), "findings": steps["research"]["findings"].take(),
    });
    held["context"] = json!({"recommendations": ["Begin with sync."], "taskContext": task});
    held["handoff"] = json!({"id": "h", "context": held["context"]});
    hub.accept(id, held).await;
    let (id, first) = hub.until("attempt:progress").await;
    assert_eq!(first["note"], "Advice from research: Begin with sync.");
    hub.accept(id, json!({})).await;
    let (id, asked) = hub.until("intervention:request").await;
    assert_eq!(
        (&asked["type"], &asked["mode"], &asked["attemptId"]),
        (&json!("approval"), &json!("hold"), &json!("a"))
    );
    hub.accept(id, json!({"intervention": {"id": "q"}})).await;

    let answer = json!({
        "intervention": {"id": "q", "stepId": "step-draft"},
        "response": {"action": "approve", "providedBy": "user:admin"},
    });
    hub.restart(json!({"attempts": [given("a", "draft")], "answers": [answer]}))
        .await;
    let (id, completed) = hub.until("attempt:complete").await;
    assert_eq!(completed["outputs"]["replies"], asked["subject"]["replies"]);
    hub.accept(id, json!({})).await;
    hub.leave().await;
}

#[tokio::test]
async fn an_answer_is_acknowledged_and_a_rejection_fails_the_step_for_good() {
    let mut hub = Hub::with(Role::Writer).await;
    hub.restart(json!({"attempts": [given("a", "draft")]}))
        .await;
    let (id, _) = hub.until("intervention:request").await;
    hub.accept(id, json!({"intervention": {"id": "q"}})).await;
    let answer = json!(["work.answered", {
        "intervention": {"id": "q", "stepId": "step-draft"},
        "response": {"action": "reject", "comments": "too long"},
    }]);
    hub.peer.send(&format!("427{answer}")).await;
    assert_eq!(hub.peer.receive().await, "437[null]");
    let (id, name, failed) = hub.peer.command().await;
    assert_eq!(
        (name.as_str(), &failed["error"]["retryable"]),
        ("attempt:fail", &json!(false))
    );
    assert!(text(&failed, "/error/message").ends_with("rejected: too long"));
    // The hub already failed the step itself: that is no news to the agent.
    hub.refuse(id, "stale_lease").await;
    hub.leave().await;
}

#[tokio::test]
async fn research_consults_intake_and_hands_the_draft_to_the_writer() {
    let mut hub = Hub::with(Role::Research).await;
    hub.emit("work.offered", given("a", "research")).await;
    let (id, asked) = hub.until("communication:send").await;
    assert_eq!(
        (&asked["toAgentId"], &asked["type"]),
        (&json!("demo-intake"), &json!("question"))
    );
    hub.accept(id, json!({"id": "c"})).await;
    let response =
        json!({"communication": {"id": "c", "processId": "p", "response": {"message": "because"}}});
    hub.emit("work.message", response).await;
    let (id, noted) = hub.until("attempt:progress").await;
    assert!(text(&noted, "/note").ends_with(": because"), "{noted}");
    hub.accept(id, json!({})).await;
    let (id, completed) = hub.until("attempt:complete").await;
    assert_eq!(
        completed["outputs"]["findings"]["unanswered"],
        json!(["T-1012"])
    );
    hub.accept(id, json!({})).await;

    hub.emit("work.offered", given("b", "draft")).await;
    let (id, handed) = hub.until("handoff:request").await;
    assert_eq!(
        (&handed["toAgentId"], &handed["kind"]),
        (&json!("demo-writer"), &json!("transfer"))
    );
    for part in [
        "summary",
        "recommendations",
        "artifacts",
        "decisions",
        "goal",
        "taskContext",
    ] {
        assert!(!handed["context"][part].is_null(), "{part}");
    }
    hub.accept(id, json!({"handoff": {"id": "h"}})).await;
    let resolved =
        json!({"handoff": {"id": "h", "fromStepId": "step-draft", "status": "accepted"}});
    hub.emit("work.handoff_resolved", resolved).await;
    hub.leave().await;
}

#[tokio::test]
async fn a_colleagues_question_gets_a_response_once_and_a_response_none() {
    let mut hub = Hub::with(Role::Intake).await;
    let question = json!({
        "id": "c", "type": "question", "toAgentId": "demo-intake", "processId": "p", "metadata": {"suspected": "sync"},
    });
    hub.emit("work.message", json!({"communication": question}))
        .await;
    let (id, responded) = hub.until("communication:respond").await;
    assert_eq!(responded["communicationId"], "c");
    assert!(text(&responded, "/message").contains("sync stays second"));
    hub.accept(id, json!({})).await;
    let mut answered = question;
    answered["response"] = json!({"message": "seen"});
    hub.emit("work.message", json!({"communication": answered}))
        .await;
    hub.leave().await;
}

#[tokio::test]
async fn an_agent_that_the_hub_refuses_says_so() {
    let server = Server::start().await;
    let options = AgentOptions {
        base_url: server.url.clone(),
        key: "k".to_owned(),
        instance_id: "i".to_owned(),
        pace: Duration::ZERO,
    };
    let play = async {
        let mut peer = server.accept().await;
        peer.send(OPEN).await;
        peer.receive().await;
        peer.send(r#"44{"message":"unauthenticated"}"#).await;
    };
    let (ended, ()) = tokio::join!(
        run_agent(Role::Intake, options, CancellationToken::new()),
        play
    );
    assert!(
        ended
            .expect_err("refused")
            .to_string()
            .contains("unauthenticated")
    );
}

#[tokio::test]
async fn an_agent_that_stops_gives_back_what_it_holds() {
    let mut hub = Hub::with(Role::Intake).await;
    hub.emit("work.offered", given("a", "intake")).await;
    hub.until("message:send").await;
    hub.stop.cancel();
    let (_, name, released) = hub.peer.command().await;
    assert_eq!(
        (name.as_str(), &released["attemptId"]),
        ("attempt:release", &json!("a"))
    );
    assert_eq!(hub.peer.receive().await, "41");
}
