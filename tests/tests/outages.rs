//! What a node depends on hangs, or is full: whoever asks for something hears so in time, nothing that was acknowledged is lost, and all is as
//! before by itself when it is over.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use baton::client::CommandError;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::{Answer, Rest};
use tests::server::{ADMIN_KEY, binary};
use tests::services::Postgres;
use tests::{Agent, Database, Hub, SOON, Server, check, on_both_databases, text};
use tokio::process::Command;
use tokio::time::{Duration, sleep, timeout};

/// The longest that a command may go without an answer, whatever hangs: what waits for a statement, and for what became of it.
const ANSWERED: Duration = Duration::from_secs(22);

async fn room(hub: &Hub) -> String {
    let room = json!({ "name": "Outage", "type": "workspace" });
    let made = hub.admin.post("/collaboration/rooms", &room).await;
    text(&made.expect(201), "/id")
}

/// A post over HTTP that takes effect once, however often it is sent.
async fn post(rest: &Rest, room: &str, key: &str, body: &str) -> Answer {
    let request = rest
        .request(
            Method::POST,
            &format!("/collaboration/rooms/{room}/messages"),
        )
        .header("Idempotency-Key", key)
        .json(&json!({ "body": body }));
    timeout(ANSWERED, rest.send(request))
        .await
        .expect("an answer comes in time")
}

fn says_when_to_retry(answer: &Answer) {
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert_eq!(answer.body["retryable"], true);
}

/// The bodies of a room's messages, in their order.
async fn messages(hub: &Hub, room: &str) -> Vec<String> {
    let events = hub.events(room).await;
    let messages = events.iter().filter(|e| e["type"] == "message.posted");
    messages.map(|e| text(e, "/data/body")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_hangs_or_is_away_is_answered_for_in_time_and_taken_up_again() {
    let mut postgres = Postgres::start().await;
    let hub = Hub::start(Database::at(postgres.url_at(&postgres.address()))).await;
    let room = room(&hub).await;
    let mut listener = hub.person().await;
    listener.ask("room:join", json!({ "roomId": room })).await;
    let speakers = join_all((0..4).map(|_| hub.person())).await;
    let payload = |n: usize| {
        let id = uuid::Uuid::now_v7().to_string();
        json!({ "roomId": room, "body": format!("said {n}"), "commandId": id })
    };
    let said: Vec<Value> = (0..8).map(payload).collect();
    speakers[0].ask("message:send", payload(100)).await;
    let _ = listener.event("message.posted").await;

    postgres.freeze().await;
    // Twice as many as there are connections: what waits behind the first is not left waiting for each of them in turn.
    let say = |n: usize| {
        let speaker: &Agent = &speakers[n % speakers.len()];
        let command = speaker.client.command("message:send", said[n].clone());
        timeout(ANSWERED, command)
    };
    let asked = async {
        let all = join_all((0..said.len()).map(say)).await;
        for answer in all {
            match answer.expect("an ack comes in time") {
                Err(CommandError::Refused(problem)) => {
                    assert_eq!(problem["code"], "unavailable", "{problem:#}");
                    assert_eq!(problem["retryable"], true);
                }
                other => panic!("{other:?}"),
            }
        }
    };
    let posted = async {
        let answer = post(&hub.admin, &room, "posted", "posted").await;
        says_when_to_retry(&answer);
        let _ = answer.refused(503, "unavailable");
    };
    let told = async {
        let ready = hub.admin.get("!/readyz").await.expect(503);
        assert_eq!(ready["parts"]["database"], "unavailable");
        let _ = hub.admin.get("!/healthz").await.expect(200);
    };
    tokio::join!(asked, posted, told);

    postgres.thaw().await;
    let over = Instant::now();
    while hub.admin.get("!/readyz").await.status != 200 {
        assert!(over.elapsed() < SOON, "the node is not ready again");
        sleep(Duration::from_millis(20)).await;
    }
    // Sent again as they were, each takes effect once, whatever became of it the first time.
    for answer in join_all((0..said.len()).map(say)).await {
        let answered = answer.expect("an ack comes in time");
        assert!(answered.is_ok(), "{answered:?}");
    }
    let _ = post(&hub.admin, &room, "posted", "posted")
        .await
        .expect(201);
    let took = over.elapsed();
    assert!(took < Duration::from_secs(10), "full speed took {took:.1?}");

    postgres.stop().await;
    let answer = post(&hub.admin, &room, "away", "said while it was away").await;
    says_when_to_retry(&answer);
    let _ = answer.refused(503, "unavailable");
    postgres.launch().await;
    let back = Instant::now();
    while post(&hub.admin, &room, "away", "said while it was away")
        .await
        .status
        != 201
    {
        assert!(
            back.elapsed() < Duration::from_secs(5),
            "full speed is not back"
        );
    }

    let mut all = messages(&hub, &room).await;
    assert_eq!(all.pop().as_deref(), Some("said while it was away"));
    assert_eq!(all.remove(0), "said 100");
    all.sort_unstable();
    let wanted: Vec<String> = (0..said.len()).map(|n| format!("said {n}")).collect();
    assert_eq!(all[1..], wanted);
    assert_eq!(all[0], "posted");
    check::verify(&hub).await;
}

/// A server that may make no file larger than this, and that hears of it as an error, as it would from a full disk.
async fn on_a_small_disk(most: u64) -> Hub {
    let database = Database::sqlite();
    let script = database.folder().join("limited");
    let program = format!(
        "#!/bin/sh\ntrap '' XFSZ\nexec prlimit --fsize={most}:unlimited -- '{}' \"$@\"\n",
        binary().display()
    );
    fs::write(&script, program).expect("the script can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("and be run");
    let server = Server::start_as(script, database, &[]).await;
    let admin = Rest::new(&server.url(), ADMIN_KEY);
    Hub { server, admin }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_costs_no_acknowledged_word_and_heals_when_there_is_space() {
    let hub = on_a_small_disk(3 * 1024 * 1024).await;
    let room = room(&hub).await;
    let mut listener = hub.person().await;
    listener.ask("room:join", json!({ "roomId": room })).await;
    let body = |n: usize| format!("{n} {}", "words ".repeat(2_000));
    let mut acknowledged = 0;
    let refused = loop {
        let key = acknowledged.to_string();
        let answer = post(&hub.admin, &room, &key, &body(acknowledged)).await;
        if answer.status != 201 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 1_000, "the disk is never full");
    };
    assert!(acknowledged > 5, "there was space for {acknowledged} alone");
    says_when_to_retry(&refused);
    let _ = refused.refused(503, "unavailable");
    // Over the socket, and of other things, too; and what is there can be read.
    let problem = loop {
        let command = json!({ "roomId": room, "body": body(acknowledged) });
        match listener.client.command("message:send", command).await {
            // It writes less than a request with a key: there was space for that.
            Ok(_) => acknowledged += 1,
            Err(CommandError::Refused(problem)) => break problem,
            Err(other) => panic!("{other}"),
        }
        assert!(acknowledged < 1_000, "the disk is never full");
    };
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(problem["retryable"], true);
    let wanted: Vec<String> = (0..acknowledged).map(body).collect();
    assert_eq!(messages(&hub, &room).await, wanted);

    let pid = hub.server.pid().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:unlimited"])
        .status()
        .await
        .expect("prlimit can be run");
    assert!(lifted.success());
    let key = acknowledged.to_string();
    let answer = post(&hub.admin, &room, &key, &body(acknowledged)).await;
    let _ = answer.expect(201);
    for n in 0..=acknowledged {
        let event = listener.event("message.posted").await;
        assert_eq!(text(&event, "/data/body"), body(n), "it was heard in order");
    }
    check::verify(&hub).await;
}

on_both_databases! {
    async fn a_hub_that_was_down_for_two_leases_gives_nobodys_work_to_another(database: Database) {
        const LEASE: Duration = Duration::from_secs(6);
        let mut hub = Hub::start(database).await;
        let key = hub.register("first", &["dig"]).await;
        let second_key = hub.register("second", &["dig"]).await;
        let mut first = hub.connect("first", &key, "first-1").await;
        first.ready("first-1").await;
        let length = LEASE.as_millis() as u64;
        let lease = json!({ "timeoutSettings": { "leaseMs": length, "handoffTimeout": length } });
        let team = hub.team(&[member("first"), member("second")], lease).await;
        let step = json!([{ "key": "dig", "name": "Dig", "description": "", "requiredCapabilities": ["dig"] }]);
        let process = hub.process(&team, step).await;
        let work = first.take().await;
        // Nor does the time run out that the other one has to think.
        let ask = work.payload(&json!({ "toAgentId": "second", "reason": "it is yours, if you like" }));
        let asked = first.ask("handoff:request", ask).await.data;
        let handoff = format!("/handoffs/{}", text(&asked, "/handoff/id"));

        hub.server.kill().await;
        sleep(LEASE * 2).await;
        hub.server.launch();
        hub.server.ready().await;
        // The other one is there before the one that holds the step.
        let second = hub.connect("second", &second_key, "second-1").await;
        second.ready("second-1").await;
        sleep(LEASE / 12).await;
        let first = hub.connect("first", &key, "first-1").await;
        let held = first.ready("first-1").await;
        assert_eq!(held["attempts"][0]["attempt"]["id"], work.attempt_id.as_str(), "{held:#}");
        assert_eq!(hub.admin.get(&handoff).await.expect(200)["status"], "pending");
        first.complete(&work, json!({ "by": "first" })).await;
        let ended = hub.ends(&process, "completed").await;
        assert_eq!(text(&ended, "/context/sharedData/steps/dig/by"), "first");
        let events = hub.events(&process.room).await;
        assert_eq!(check::kinds(&events, "assignment.")[..2], ["assignment.offered", "assignment.accepted"]);
        assert_eq!(check::count(&events, "assignment.expired"), 0);
        check::verify(&hub).await;
    }
}
