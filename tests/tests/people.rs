//! What people and agents do with one another over the wire: replies that race, work that is delegated, questions that are passed on,
//! messages that are changed.

use serde_json::{Value, json};
use tests::hub::{member, step};
use tests::rest::Rest;
use tests::{Agent, Database, Hub, array, check, number, on_both_databases, text};

/// A key for a person.
async fn person(hub: &Hub, id: &str) -> String {
    let principal = format!("user:{id}");
    let args = [
        "keys",
        "create",
        "--workspace",
        "default",
        "--principal",
        &principal,
    ];
    let made = hub
        .server
        .command(&[&args[..], &["--permission", "write", "--json"]].concat())
        .await;
    let made: Value =
        serde_json::from_slice(&made.stdout).expect("`keys create --json` prints JSON");
    text(&made, "/key")
}

async fn socket(hub: &Hub, id: &str, key: &str) -> Agent {
    Agent::connect(&hub.server.url(), id, json!({ "token": key })).await
}

on_both_databases! {
    async fn of_two_replies_at_the_same_instant_one_decides_and_the_other_learns_who(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "work", "name": "Work", "description": "" }]))
            .await;
        let held = ada.take().await;
        let rest = Rest::new(&hub.server.url(), &person(&hub, "rosa").await);
        let sock = socket(&hub, "sam", &person(&hub, "sam").await).await;
        let (mut by_rest, mut by_socket) = (0, 0);
        let rounds = 30;
        for n in 0..rounds {
            let question = json!({
                "type": "decision", "description": format!("Which way, {n}?"), "options": ["left", "right"], "mode": "hold",
            });
            let asked = ada.request(&held, &question).await;
            let id = text(&asked, "/id");
            let path = format!("/interventions/{id}");
            let left = json!({ "action": "choose", "choice": "left" });
            let right = json!({ "interventionId": id, "action": "choose", "choice": "right" });
            let (one, two) = tokio::join!(
                rest.send(rest.request(reqwest::Method::PUT, &path).json(&left)),
                sock.client.command("intervention:respond", right)
            );
            // Whoever won, the loser is told the decision and by whom.
            let (problem, winner, choice, loser) = match two {
                Ok(_) => {
                    by_socket += 1;
                    (one.refused(409, "already_resolved"), "sam", "right", "rosa")
                }
                Err(baton::client::CommandError::Refused(problem)) => {
                    by_rest += 1;
                    let _ = one.expect(200);
                    assert_eq!(text(&problem, "/code"), "already_resolved", "{problem:#}");
                    (problem, "rosa", "left", "sam")
                }
                Err(other) => panic!("no answer: {other}"),
            };
            let told = &problem["context"]["intervention"];
            assert_eq!(text(told, "/response/providedBy"), winner, "{problem:#}");
            assert_eq!(text(told, "/response/choice"), choice);
            assert!(text(&problem, "/detail").contains(winner), "{problem:#}");
            // The loser's reply is kept beside the decision, and changed nothing.
            let read = hub.admin.get(&path).await.expect(200);
            assert_eq!(text(&read, "/status"), "completed");
            assert_eq!(text(&read, "/outcome"), "chosen");
            assert_eq!(text(&read, "/response/choice"), choice);
            let late = array(&read, "/lateReplies");
            assert_eq!(late.len(), 1, "{read:#}");
            assert_eq!(text(&late[0], "/by"), loser);
            let answered = ada.event_where("work.answered", |told| told["intervention"]["id"] == id.as_str()).await;
            assert_eq!(text(&answered, "/response/choice"), choice);
        }
        println!("{by_rest} by REST, {by_socket} by socket");
        let events = hub.events(&process.room).await;
        check::contiguous(&events);
        assert_eq!(check::count(&events, "intervention.completed"), rounds);
        assert_eq!(check::count(&events, "intervention.late_reply"), rounds);
        ada.complete(&held, json!({})).await;
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn what_is_delegated_comes_back_to_its_sender_who_holds_on(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let mut bob = hub.agent("bob", &[]).await;
        let team = hub.team(&[member("ada"), member("bob")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "write", "name": "Write", "description": "", "assignedAgentId": "ada" }]))
            .await;
        let held = ada.take().await;
        let ask = json!({
            "toAgentId": "bob", "kind": "delegate", "reason": "count the words", "context": { "taskContext": { "text": "a b c" } },
        });
        let asked = ada.ask("handoff:request", held.payload(&ask)).await.data;
        assert_eq!(text(&asked, "/handoff/kind"), "delegate");
        let told = bob.event("work.handoff_requested").await;
        let id = text(&told, "/handoff/id");
        assert_eq!(told["handoff"]["context"]["taskContext"], json!({ "text": "a b c" }));

        // One who was not asked cannot take it; nor can the sender.
        let eve = hub.agent("eve", &[]).await;
        eve.refused("handoff:accept", json!({ "handoffId": id }), "forbidden").await;
        ada.refused("handoff:accept", json!({ "handoffId": id }), "forbidden").await;

        let given = bob.ask("handoff:accept", json!({ "handoffId": id })).await.data;
        assert_ne!(text(&given, "/step/key"), "write", "a step of its own");
        assert_eq!(number(&given, "/attempt/epoch"), 1);
        let now = hub.read(&process).await;
        assert_eq!(text(step(&now, "write"), "/heldBy"), "ada", "the sender holds on");
        let result = json!({
            "attemptId": given["attempt"]["id"], "epoch": given["attempt"]["epoch"], "outputs": { "words": 3 },
        });
        bob.ask("attempt:complete", result).await;
        let resolved = ada
            .event_where("work.handoff_resolved", |told| told["handoff"]["status"] == "completed")
            .await;
        assert_eq!(text(&resolved, "/handoff/id"), id);
        let child = text(&given, "/step/key");
        let now = hub.read(&process).await;
        assert_eq!(now["context"]["sharedData"]["steps"][&child], json!({ "words": 3 }), "{now:#}");
        ada.complete(&held, json!({ "text": "three words" })).await;
        hub.ends(&process, "completed").await;

        // What is refused leaves the sender as it was, and no step behind that anybody waits for.
        let process = hub
            .process(&team, json!([{ "key": "write", "name": "Write", "description": "", "assignedAgentId": "ada" }]))
            .await;
        let held = ada.take().await;
        ada.ask("handoff:request", held.payload(&ask)).await;
        let told = bob.event_where("work.handoff_requested", |told| told["handoff"]["id"] != id.as_str()).await;
        let no = json!({ "handoffId": told["handoff"]["id"], "reason": "too busy" });
        bob.ask("handoff:reject", no).await;
        ada.event_where("work.handoff_resolved", |told| told["handoff"]["status"] == "rejected").await;
        ada.complete(&held, json!({})).await;
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn a_question_is_passed_on_and_those_who_should_answer_are_reminded(database: Database) {
        let hub = Hub::start(database).await;
        let mut ada = hub.agent("ada", &[]).await;
        let team = hub.team(&[member("ada")], json!({})).await;
        let process = hub
            .process(&team, json!([{ "key": "work", "name": "Work", "description": "" }]))
            .await;
        let held = ada.take().await;
        let question = json!({ "type": "approval", "description": "Send it?", "assignees": ["rosa"], "mode": "hold" });
        let asked = ada.request(&held, &question).await;
        let path = format!("/interventions/{}", text(&asked, "/id"));
        let rosa = Rest::new(&hub.server.url(), &person(&hub, "rosa").await);
        let sam_key = person(&hub, "sam").await;
        let mut sam = socket(&hub, "sam", &sam_key).await;
        sam.ask("room:join", json!({ "roomId": process.room })).await;

        let passed = rosa.post(&format!("{path}/delegate"), &json!({ "to": "sam" })).await.expect(200);
        assert_eq!(passed["assignees"], json!(["sam"]), "{passed:#}");
        assert_eq!(text(&passed, "/delegatedBy"), "rosa");
        assert_eq!(text(&passed, "/status"), "pending");
        let seen = sam.event("intervention.assigned").await;
        assert_eq!(seen["data"]["assignees"], json!(["sam"]));
        let inbox = hub.admin.get("/interventions?assignee=sam").await.expect(200);
        assert_eq!(array(&inbox, "/items").len(), 1, "{inbox:#}");

        let _ = hub.admin.post(&format!("{path}/remind"), &json!({})).await.expect(200);
        sam.event("intervention.reminded").await;
        let again = hub.admin.post(&format!("{path}/remind"), &json!({})).await;
        let _ = again.refused(429, "rate_limited");

        // An agent answers nobody's question, nor passes it on.
        let delegate = json!({ "interventionId": text(&asked, "/id"), "to": "ada" });
        ada.refused("intervention:delegate", delegate, "forbidden").await;
        let approve = json!({ "interventionId": text(&asked, "/id"), "action": "approve" });
        ada.refused("intervention:respond", approve.clone(), "forbidden").await;
        sam.ask("intervention:respond", approve).await;
        ada.event("work.answered").await;
        for late in ["delegate", "remind"] {
            let body = if late == "delegate" { json!({ "to": "rosa" }) } else { json!({}) };
            let refused = rosa.post(&format!("{path}/{late}"), &body).await;
            let _ = refused.refused(409, "already_resolved");
        }
        ada.complete(&held, json!({})).await;
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn a_message_is_changed_and_taken_out_by_its_author_or_a_moderator_alone(database: Database) {
        let hub = Hub::start(database).await;
        let room = json!({ "name": "Talk", "type": "workspace" });
        let room = text(&hub.admin.post("/collaboration/rooms", &room).await.expect(201), "/id");
        let author = socket(&hub, "rosa", &person(&hub, "rosa").await).await;
        let other = socket(&hub, "sam", &person(&hub, "sam").await).await;
        let mut listener = hub.person().await;
        listener.ask("room:join", json!({ "roomId": room })).await;
        let said = author.ask("message:send", json!({ "roomId": room, "body": "Helo", "channel": "alerts" })).await;
        let id = text(&said.data, "/id");
        let edit = json!({ "roomId": room, "messageId": id, "body": "Hello", "mentions": ["sam"] });

        other.refused("message:edit", edit.clone(), "forbidden").await;
        other.refused("message:remove", json!({ "roomId": room, "messageId": id }), "forbidden").await;
        author.ask("message:edit", edit.clone()).await;
        let changed = listener.event("message.edited").await;
        assert_eq!(changed["channel"], "alerts", "where the message is");
        assert_eq!((text(&changed, "/data/id"), text(&changed, "/data/body")), (id.clone(), "Hello".to_owned()));
        assert_eq!(changed["data"]["mentions"], json!(["sam"]));

        // A moderator may, too, over REST.
        let message = format!("/collaboration/rooms/{room}/messages/{id}");
        let path = format!("{message}?reason=off%20topic");
        let _ = hub.admin.delete(&path).await.expect(200);
        let gone = listener.event("message.removed").await;
        assert_eq!(gone["channel"], "alerts");
        assert_eq!((text(&gone, "/data/id"), text(&gone, "/data/reason")), (id.clone(), "off topic".to_owned()));
        author.refused("message:edit", edit.clone(), "illegal_transition").await;
        let _ = hub.admin.delete(&message).await.refused(409, "illegal_transition");
        // Nor is it answered any more.
        let answer = json!({ "roomId": room, "body": "What?", "replyTo": id });
        author.refused("message:send", answer, "illegal_transition").await;

        let wrong = json!({ "roomId": room, "body": " ", "mentions": [""], "streamId": "?" });
        let refused = author.refused("message:send", wrong, "invalid_request").await;
        let paths: Vec<_> = refused["errors"].as_array().into_iter().flatten().map(|e| text(e, "/path")).collect();
        assert_eq!(paths, ["body", "mentions[0]", "streamId"]);

        // One of another room is as good as none.
        let elsewhere = json!({ "name": "Elsewhere", "type": "workspace" });
        let elsewhere = text(&hub.admin.post("/collaboration/rooms", &elsewhere).await.expect(201), "/id");
        let moved = json!({ "roomId": elsewhere, "messageId": id, "body": "Hello" });
        author.refused("message:edit", moved, "not_found").await;
        let unknown = json!({ "roomId": room, "messageId": room, "body": "Hello" });
        author.refused("message:edit", unknown, "not_found").await;
        author.refused("message:edit", json!({ "roomId": room, "messageId": id }), "invalid_request").await;
        let log = hub.events(&room).await;
        check::contiguous(&log);
        assert_eq!(check::kinds(&log, "message."), ["message.posted", "message.edited", "message.removed"]);
        check::verify(&hub).await;
    }
}
