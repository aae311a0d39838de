//! Whatever a client sends, it gets an answer that says what was wrong, and nothing changes.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tests::hub::member;
use tests::raw::{Raw, event};
use tests::rest::{Rest, check_problem};
use tests::server::ADMIN_KEY;
use tests::{Agent, Database, Hub, Process, Work, array, check, on_both_databases, text};
use uuid::Uuid;

/// Every command of the contract.
const COMMANDS: [&str; 42] = [
    "room:join",
    "room:history",
    "room:leave",
    "room:create",
    "room:invite",
    "room:remove",
    "room:read",
    "message:send",
    "message:delta",
    "typing:set",
    "agent:ready",
    "work:claim",
    "attempt:accept",
    "attempt:reject",
    "attempt:heartbeat",
    "attempt:progress",
    "attempt:complete",
    "attempt:fail",
    "attempt:release",
    "handoff:request",
    "handoff:accept",
    "handoff:reject",
    "handoff:cancel",
    "handoff:complete",
    "intervention:request",
    "intervention:claim",
    "intervention:release",
    "intervention:assign",
    "intervention:comment",
    "intervention:respond",
    "intervention:cancel",
    "event:broadcast",
    "process:start",
    "process:pause",
    "process:resume",
    "process:cancel",
    "process:retry",
    "communication:send",
    "communication:respond",
    "presence:list",
    "no:such",
    "connection",
];

fn nobody() -> Uuid {
    Uuid::now_v7()
}

/// Refused as malformed, with the fields named.
#[track_caller]
fn malformed(answer: tests::rest::Answer) -> Value {
    let status = answer.status;
    assert!(
        [400, 422].contains(&status),
        "{}: {status} {:#}",
        answer.request,
        answer.body
    );
    answer.refused(status, "invalid_request")
}

/// The paths of a problem's errors, sorted.
fn paths(problem: &Value) -> Vec<&str> {
    let mut paths: Vec<&str> = array(problem, "/errors")
        .iter()
        .filter_map(|e| e["path"].as_str())
        .collect();
    paths.sort_unstable();
    paths
}

fn one_step(agent: &str) -> Value {
    json!([{ "key": "only", "name": "Only", "description": "", "assignedAgentId": agent }])
}

/// A running process, whose one step an agent holds.
async fn held_step(hub: &Hub) -> (Process, Agent, Work) {
    let mut agent = hub.agent("worker", &[]).await;
    let team = hub.team(&[member("worker")], json!({})).await;
    let process = hub.process(&team, one_step("worker")).await;
    let work = agent.take().await;
    (process, agent, work)
}

on_both_databases! {
    async fn a_malformed_body_is_refused_with_its_fields(database: Database) {
        let hub = Hub::start(database).await;
        hub.register("a", &[]).await;
        let team = hub.team(&[member("a")], json!({})).await;
        for body in ["", "{", "[]", "null", "\"text\"", "{\"name\": \"\\u0000\", \"agents\": []}", "\u{7f}\u{0}"] {
            let request = hub.admin.request(Method::POST, "/teams").header(CONTENT_TYPE, "application/json").body(body);
            let _ = malformed(hub.admin.send(request).await);
        }
        let not_utf8 = hub.admin.request(Method::POST, "/teams").header(CONTENT_TYPE, "application/json");
        let _ = malformed(hub.admin.send(not_utf8.body(vec![b'"', 0xff, b'"'])).await);

        let bodies = [
            ("/teams", json!({ "name": "x", "agents": [member("a")], "colour": "red" })),
            ("/teams", json!({ "name": 5, "agents": [] })),
            ("/teams", json!({ "name": "x", "agents": [{ "agentId": "a", "role": "king" }] })),
            ("/teams", json!({ "name": "x", "agents": [member("not here")] })),
            ("/agents", json!({ "id": "has space", "name": "x" })),
            ("/agents", json!({ "id": "x".repeat(65), "name": "x" })),
            ("/collaboration/rooms", json!({ "name": "x", "type": "cellar", "participants": [] })),
            ("/processes", json!({ "name": "x", "teamId": "no uuid", "steps": one_step("a") })),
            ("/processes", json!({ "name": "x", "teamId": team, "steps": [] })),
        ];
        for (path, body) in bodies {
            let _ = malformed(hub.admin.post(path, &body).await);
        }
        let room = json!({ "name": "x", "type": "workspace", "participants": [
            { "type": "human", "id": "a b", "role": "participant" }, { "type": "human", "id": "ann", "role": "participant" }, { "type": "human", "id": "", "role": "observer" },
        ] });
        let room = malformed(hub.admin.post("/collaboration/rooms", &room).await);
        assert_eq!(paths(&room), ["participants[0].id", "participants[2].id"]);
        let process = hub.process(&team, one_step("a")).await;
        let asked = json!({ "type": "lunch", "description": 5, "dueAt": "soon" });
        let asked = malformed(hub.admin.post(&format!("/processes/{}/interventions", process.id), &asked).await);
        assert_eq!(paths(&asked), ["description", "dueAt", "type"]);
        let _ = hub.admin.delete("/agents/nobody/keys").await.refused(404, "not_found");
        let patched = hub.admin.request(Method::PATCH, "/teams");
        let _ = hub.admin.send(patched).await.refused(405, "invalid_request");
        // A misspelt key must not revoke all of them.
        let keys = hub.admin.request(Method::DELETE, "/agents/a/keys").json(&json!({ "kye": "x" }));
        let _ = malformed(hub.admin.send(keys).await);
        let three = malformed(hub.admin.get("/processes?teamId=none&limit=0&status=happy").await);
        assert_eq!(array(&three, "/errors").len(), 3, "{three:#}");
        for query in ["limit=0", "limit=201", "limit=many", "status=happy"] {
            let _ = malformed(hub.admin.get(&format!("/processes?{query}")).await);
        }
    }

    async fn what_is_nested_too_deep_is_refused_and_what_is_taken_can_be_read_again(database: Database) {
        let mut hub = Hub::start(database).await;
        let (process, agent, work) = held_step(&hub).await;
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "n": inner }));
        let room = format!("/collaboration/rooms/{}", process.room);
        let (messages, log) = (format!("{room}/messages"), format!("{room}/events?limit=200"));
        for levels in [65, 80, 120] {
            let deep = nested(levels);
            let _ = malformed(hub.admin.post(&messages, &json!({ "body": "x", "metadata": deep })).await);
            let _ = malformed(hub.admin.post("/agents", &json!({ "id": "deep", "name": "x", "metadata": deep })).await);
            let broadcast = json!({ "roomId": process.room, "name": "deep", "data": deep });
            let _ = agent.refused("event:broadcast", broadcast, "invalid_request").await;
            let question = work.payload(&json!({ "type": "approval", "description": "x", "subject": deep, "mode": "hold" }));
            let _ = agent.refused("intervention:request", question, "invalid_request").await;
        }
        // The deepest that is taken is read again by a server that knows nothing of it yet.
        let deepest = nested(64);
        let _ = hub.admin.post(&messages, &json!({ "body": "x", "metadata": deepest })).await.expect(201);
        let question = work.payload(&json!({ "type": "input", "description": "x", "subject": deepest, "mode": "hold" }));
        let asked = agent.request(&work, &question).await;
        hub.server.crash().await;
        let path = format!("/interventions/{}", text(&asked, "/id"));
        let answer = json!({ "action": "answer", "value": deepest });
        let _ = hub.admin.put(&path, &answer).await.expect(200);
        let events = hub.admin.get(&log).await.expect(200);
        assert!(array(&events, "/items").iter().all(Value::is_object), "{events:#}");
        assert!(array(&events, "/items").iter().any(|event| event["data"]["metadata"] == deepest), "{events:#}");
    }

    async fn a_command_that_is_too_large_is_refused_and_the_connection_stays(database: Database) {
        let hub = Hub::start(database).await;
        let person = hub.person().await;
        for megabytes in [1, 2, 3] {
            let data = json!({ "roomId": nobody(), "body": "x".repeat(megabytes * 1024 * 1024) });
            let _ = person.refused("message:send", data, "payload_too_large").await;
        }
        let _ = person.refused("room:join", json!({ "roomId": nobody() }), "not_found").await;
    }

    async fn a_page_of_large_events_is_shorter_and_what_follows_comes_with_the_next(database: Database) {
        let hub = Hub::start(database).await;
        let person = hub.person().await;
        let room = json!({ "name": "Large", "type": "workspace", "participants": [] });
        let room = text(&hub.admin.post("/collaboration/rooms", &room).await.expect(201), "/id");
        let data = json!({ "text": "x".repeat(63 * 1024) });
        for _ in 0..200 {
            let _ = person.ask("event:broadcast", json!({ "roomId": room, "name": "large", "data": data })).await;
        }
        let _ = person.refused("event:broadcast", json!({ "roomId": room, "name": "large", "data": [data, data] }), "payload_too_large").await;

        let (mut seqs, mut pages) = (Vec::new(), 0);
        loop {
            let page = json!({ "roomId": room, "since": seqs.last().copied().unwrap_or(0) });
            let joined = person.ask("room:join", page).await.data;
            let events = array(&joined, "/events");
            let size: usize = events.iter().map(|event| event.to_string().len()).sum();
            assert!(size < 9 * 1024 * 1024, "a page has {size} bytes");
            seqs.extend(events.iter().filter_map(|event| event["seq"].as_u64()));
            pages += 1;
            if joined["more"] == false {
                break;
            }
        }
        assert!(pages > 1, "all came at once");
        let head = seqs.len() as u64;
        assert!(head > 200 && seqs == (1..=head).collect::<Vec<_>>(), "{seqs:?}");
        let newest = person.ask("room:history", json!({ "roomId": room })).await.data;
        let events = array(&newest, "/events");
        assert_eq!(events.last().map(|event| &event["seq"]), Some(&json!(head)));
        assert!(newest["more"] == true && events.len() < 200, "{} events", events.len());
    }

    async fn a_process_that_cannot_run_is_refused_at_start(database: Database) {
        let hub = Hub::start(database).await;
        hub.register("a", &[]).await;
        let team = hub.team(&[member("a")], json!({})).await;
        let step = |key: &str, after: &[&str]| {
            json!({ "key": key, "name": key, "description": "", "assignedAgentId": "a", "dependencies": after })
        };
        let with = |field: &str, value: Value| {
            let mut step = step("one", &[]);
            step[field] = value;
            json!([step])
        };
        let condition = |condition: Value| with("conditions", json!([condition]));
        let steps = [
            json!([step("one", &["two"]), step("two", &["one"])]),
            json!([step("one", &["one"])]),
            json!([step("one", &["nowhere"])]),
            json!([step("one", &[]), step("one", &[])]),
            with("assignedAgentId", json!("stranger")),
            with("maxAttempts", json!(-1)),
            with("triggerRule", json!("perhaps")),
            with("inputs", json!({ "x": { "$from": "sharedData.(" } })),
            condition(json!({ "type": "success", "condition": "outputs.(", "action": "continue" })),
            condition(json!({ "type": "success", "condition": "true", "action": "dance" })),
            condition(json!({ "type": "success", "condition": "true", "action": "continue", "nextStepId": "nowhere" })),
        ];
        for steps in steps {
            let _ = malformed(hub.admin.post("/processes", &json!({ "name": "x", "teamId": team, "steps": steps })).await);
        }
        // Both mistakes are told at once.
        let twice = json!([step("one", &["nowhere"]), step("two", &["elsewhere"])]);
        let problem = malformed(hub.admin.post("/processes", &json!({ "name": "x", "teamId": team, "steps": twice })).await);
        assert!(array(&problem, "/errors").len() >= 2, "{problem:#}");
        for error in array(&problem, "/errors") {
            assert!(text(error, "/path").contains("steps") && !text(error, "/message").is_empty(), "{problem:#}");
        }
        let none = hub.admin.get("/processes").await.expect(200);
        assert!(array(&none, "/items").is_empty());
    }

    async fn who_has_no_credential_or_permission_is_refused(database: Database) {
        let hub = Hub::start(database).await;
        for key in ["", "nonsense", "bk_0_0", "bk_018f0000-0000-7000-8000-000000000000_secret"] {
            let _ = Rest::new(&hub.server.url(), key).get("/teams").await.refused(401, "unauthenticated");
            let error = baton::client::Client::connect(baton::client::ClientOptions {
                url: hub.server.url(),
                auth: json!({ "token": key }),
                reconnect: false,
            });
            match error.await {
                Err(baton::client::ConnectError::Refused { message, .. }) => assert_eq!(message, "unauthenticated"),
                other => panic!("{key:?} was let in or failed otherwise: {other:?}"),
            }
        }
        let bare = reqwest::get(format!("{}/api/orchestration/teams", hub.server.url())).await.unwrap();
        assert_eq!(bare.status(), 401);
        let by_header = reqwest::Client::new().get(format!("{}/api/orchestration/teams", hub.server.url()));
        assert_eq!(by_header.header("x-api-key", ADMIN_KEY).send().await.unwrap().status(), 200);

        let agent_key = hub.register("limited", &[]).await;
        let team = json!({ "name": "x", "agents": [member("limited")] });
        let as_agent = Rest::new(&hub.server.url(), &agent_key);
        let _ = as_agent.post("/teams", &team).await.refused(403, "forbidden");
        let _ = as_agent.post("/agents", &json!({ "name": "x" })).await.refused(403, "forbidden");

        let made = hub.server
            .command(&["keys", "create", "--workspace", "default", "--principal", "user:eve", "--permission", "read", "--json"])
            .await;
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        assert_eq!(made.as_object().unwrap().len(), 2, "--json prints only id and key");
        let reader = Rest::new(&hub.server.url(), &text(&made, "/key"));
        let _ = reader.get("/teams").await.expect(200);
        let _ = reader.post("/teams", &team).await.refused(403, "forbidden");
        let _ = reader.get("/audit").await.refused(403, "forbidden");
        // A revoked key is none.
        let revoked = hub.server.command(&["keys", "revoke", &text(&made, "/id")]).await;
        assert!(revoked.status.success());
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(35);
        while reader.get("/teams").await.status != 401 {
            assert!(tokio::time::Instant::now() < deadline, "a revoked key is refused within 30 s");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    async fn what_is_not_there_or_elsewhere_is_not_found_alike(database: Database) {
        let hub = Hub::start(database).await;
        let (process, agent, work) = held_step(&hub).await;
        let asked = agent
            .request(&work, &json!({ "type": "input", "description": "What?", "mode": "hold" }))
            .await;
        let _ = hub.admin.post("/workspaces", &json!({ "id": "other", "name": "Other" })).await.expect(201);
        let made = hub.server
            .command(&["keys", "create", "--workspace", "other", "--principal", "user:mallory", "--permission", "admin", "--json"])
            .await;
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let other = Rest::new(&hub.server.url(), &text(&made, "/key"));
        let team = text(&hub.read(&process).await, "/teamId");
        let own = [
            ("/teams/", team),
            ("/processes/", process.id.clone()),
            ("/interventions/", text(&asked, "/id")),
            ("/collaboration/rooms/", process.room.clone()),
            ("/agents/", "worker".to_owned()),
        ];
        for (path, id) in own {
            let _ = hub.admin.get(&format!("{path}{id}")).await.expect(200);
            let foreign = other.get(&format!("{path}{id}")).await.refused(404, "not_found");
            let unknown = other.get(&format!("{path}{}", nobody())).await.refused(404, "not_found");
            assert_eq!(foreign["title"], unknown["title"]);
            assert_eq!(foreign["context"], unknown["context"]);
        }
        for path in ["/teams", "/processes", "/interventions", "/agents"] {
            let list = other.get(path).await.expect(200);
            assert_eq!(list["items"], json!([]), "{path} of another workspace");
        }
        let answer = json!({ "action": "answer", "value": "mine" });
        let _ = other.put(&format!("/interventions/{}", text(&asked, "/id")), &answer).await.refused(404, "not_found");
        let _ = other.put(&format!("/processes/{}", process.id), &json!({ "action": "cancel" })).await.refused(404, "not_found");
        let mallory = Agent::connect(&hub.server.url(), "mallory", json!({ "token": text(&made, "/key") })).await;
        mallory.refused("room:join", json!({ "roomId": process.room }), "not_found").await;
        mallory.refused("message:send", json!({ "roomId": process.room, "body": "hi" }), "not_found").await;
        let _ = hub.admin.get("/no-such-route").await.refused(404, "not_found");
    }

    async fn what_the_state_does_not_allow_is_refused(database: Database) {
        let hub = Hub::start(database).await;
        let (process, agent, work) = held_step(&hub).await;
        let path = format!("/processes/{}", process.id);
        let _ = hub.admin.put(&path, &json!({ "action": "resume" })).await.refused(409, "illegal_transition");
        let _ = hub.admin.put(&path, &json!({ "action": "retry" })).await.refused(409, "illegal_transition");
        let _ = malformed(hub.admin.put(&path, &json!({ "action": "levitate" })).await);
        let _ = hub.admin.post("/agents", &json!({ "id": "worker", "name": "Again" })).await.refused(409, "conflict");

        let to_itself = work.payload(&json!({ "toAgentId": "worker", "reason": "lazy" }));
        assert!(agent.client.command("handoff:request", to_itself).await.is_err());
        let to_nobody = work.payload(&json!({ "toAgentId": "nobody", "reason": "hope" }));
        assert!(agent.client.command("handoff:request", to_nobody).await.is_err());

        let mut stale = work.clone();
        stale.epoch -= 1;
        let outputs = json!({ "outputs": {} });
        agent.refused("attempt:complete", stale.payload(&outputs), "stale_lease").await;
        agent.complete(&work, json!({})).await;
        // The same result again is answered again; another one is refused.
        agent.complete(&work, json!({})).await;
        agent.refused("attempt:complete", work.payload(&json!({ "outputs": { "x": 1 } })), "stale_lease").await;
        hub.ends(&process, "completed").await;
        for action in ["pause", "resume", "cancel", "retry"] {
            let _ = hub.admin.put(&path, &json!({ "action": action })).await.refused(409, "illegal_transition");
        }
        check::verify(&hub).await;
    }

    async fn a_question_is_decided_once(database: Database) {
        let hub = Hub::start(database).await;
        let (process, agent, work) = held_step(&hub).await;
        let asked = agent
            .request(&work, &json!({
                "type": "approval", "description": "May I?", "subject": { "a": 1 }, "mode": "hold",
                "schema": { "type": "object", "required": ["a"], "properties": { "a": { "type": "integer" } } },
            }))
            .await;
        let path = format!("/interventions/{}", text(&asked, "/id"));
        for answer in [
            json!({ "action": "answer", "value": 1 }),
            json!({ "action": "choose", "choice": "a" }),
            json!({ "action": "modify", "modifications": { "a": "text" } }),
            json!({ "action": "modify" }),
            json!({ "action": "approve", "because": "x" }),
            json!({}),
        ] {
            let _ = malformed(hub.admin.put(&path, &answer).await);
        }
        // An agent answers no question, least of all its own.
        let own = json!({ "interventionId": text(&asked, "/id"), "action": "approve" });
        agent.refused("intervention:respond", own, "forbidden").await;
        let other_subject = json!({ "action": "approve", "subjectHash": "0".repeat(64) });
        let _ = hub.admin.put(&path, &other_subject).await.refused(409, "superseded");

        let answer = json!({ "action": "approve", "responseId": "r-1" });
        let first = hub.admin.put(&path, &answer).await.expect(200);
        let again = hub.admin.put(&path, &answer).await.expect(200);
        assert_eq!(first["response"], again["response"], "the same answer gets the first result again");
        let changed = hub.admin.put(&path, &json!({ "action": "reject", "responseId": "r-1" })).await;
        assert_eq!(changed.status, 409, "{:#}", changed.body);
        let late = hub.admin.put(&path, &json!({ "action": "reject" })).await.refused(409, "already_resolved");
        assert_eq!(text(&late, "/context/intervention/outcome"), "approved");
        agent.complete(&work, json!({})).await;
        hub.ends(&process, "completed").await;
        check::verify(&hub).await;
    }

    async fn an_idempotency_key_means_one_body(database: Database) {
        let hub = Hub::start(database).await;
        hub.register("a", &[]).await;
        let send = async |key: &str, name: &str| {
            let body = json!({ "name": name, "description": "", "agents": [member("a")] });
            let request = hub.admin.request(Method::POST, "/teams").header("Idempotency-Key", key).json(&body);
            hub.admin.send(request).await
        };
        let first = send("k-1", "One").await.expect(201);
        let again = send("k-1", "One").await.expect(201);
        assert_eq!(first, again);
        let _ = send("k-1", "Two").await.refused(409, "idempotency_conflict");
        let _ = send("k-2", "Two").await.expect(201);
        let teams = hub.admin.get("/teams").await.expect(200);
        assert_eq!(array(&teams, "/items").len(), 2);

        // Over the socket the same is called commandId.
        let person = hub.person().await;
        let rooms = hub.admin.get("/collaboration/rooms?type=workspace").await.expect(200);
        let room = text(&rooms, "/items/0/id");
        let message = json!({ "roomId": room, "body": "once", "commandId": nobody() });
        let first = person.ask("message:send", message.clone()).await;
        let again = person.ask("message:send", message.clone()).await;
        assert_eq!(first, again);
        let mut other = message;
        other["body"] = json!("twice");
        person.refused("message:send", other, "idempotency_conflict").await;
        let posted = hub.events(&room).await;
        assert_eq!(check::count(&posted, "message.posted"), 1);
    }

    async fn what_is_too_large_is_refused(database: Database) {
        let hub = Hub::start(database).await;
        let huge = json!({ "name": "x".repeat(2 << 20), "agents": [] });
        let _ = hub.admin.post("/teams", &huge).await.refused(413, "payload_too_large");
        let person = hub.person().await;
        let rooms = hub.admin.get("/collaboration/rooms?type=workspace").await.expect(200);
        let room = text(&rooms, "/items/0/id");
        let fits = json!({ "roomId": room, "body": "é".repeat(16 << 10) });
        person.ask("message:send", fits).await;
        let too_long = json!({ "roomId": room, "body": "é".repeat((16 << 10) + 1) });
        assert!(person.client.command("message:send", too_long).await.is_err());
        person.ask("message:send", json!({ "roomId": room, "body": "still here" })).await;
    }

    async fn every_command_is_acked_whatever_it_carries(database: Database) {
        let hub = Hub::start(database).await;
        let agent_key = hub.register("garbler", &[]).await;
        for token in [ADMIN_KEY, &agent_key] {
            let mut raw = Raw::connect(&hub.server.address(), token).await.unwrap();
            let mut id = 0;
            for command in COMMANDS {
                for payload in [json!("text"), json!(42), json!([]), json!({ "nonsense": true })] {
                    id += 1;
                    raw.send(event(id, command, &payload)).await.unwrap();
                    let ack = raw.ack(id).await.unwrap_or_else(|error| panic!("{command} {payload}: {error}"));
                    assert_eq!(ack["ok"], false, "{command} {payload}: {ack:#}");
                    let code = text(&ack, "/error/code");
                    assert!(["invalid_request", "forbidden", "not_found"].contains(&code.as_str()), "{command} {payload}: {code}");
                    check_problem(&ack["error"], &code);
                }
                // No argument at all, none but null, and more than one.
                for arguments in [json!([command]), json!([command, null]), json!([command, {}, {}, 1])] {
                    id += 1;
                    raw.send(format!("42{id}{arguments}")).await.unwrap();
                    let ack = raw.ack(id).await.unwrap_or_else(|error| panic!("{arguments}: {error}"));
                    assert!(ack["ok"].is_boolean(), "{arguments}: {ack:#}");
                }
            }
            raw.close().await.unwrap();
        }
        // Deep nesting is malformed like anything else; the connection and the server go on.
        let mut raw = Raw::connect(&hub.server.address(), ADMIN_KEY).await.unwrap();
        let deep = format!("421[\"message:send\",{}{}]", "[".repeat(10_000), "]".repeat(10_000));
        raw.send(deep).await.unwrap();
        let _ = raw.ack(1).await;
        let _ = hub.admin.get("/teams").await.expect(200);
    }

    async fn garbage_frames_hurt_nobody_else(database: Database) {
        let hub = Hub::start(database).await;
        let bystander = hub.person().await;
        let rooms = hub.admin.get("/collaboration/rooms?type=workspace").await.expect(200);
        let room = text(&rooms, "/items/0/id");
        for frame in ["", "9", "4", "49", "42[", "42[]", "42{}", "42[5]", "45", "451-[\"x\"]", "40{", "43999[1]", "420x[1]"] {
            let mut raw = Raw::connect(&hub.server.address(), ADMIN_KEY).await.unwrap();
            raw.send(frame.to_owned()).await.unwrap();
            // It may be cut off for this, or not: nobody else is.
            let _ = raw.send(event(1, "room:history", &json!({ "roomId": room }))).await;
            let _ = raw.close().await;
        }
        let mut raw = Raw::connect(&hub.server.address(), ADMIN_KEY).await.unwrap();
        let _ = raw.send_binary(vec![0, 159, 146, 150]).await;
        bystander.ask("room:history", json!({ "roomId": room, "limit": 1 })).await;
        let _ = hub.admin.get("!/readyz").await.expect(200);
    }
}
