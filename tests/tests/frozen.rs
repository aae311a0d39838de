//! A node that stands still in the middle of a transaction: whoever needs what it holds has it within five seconds, nobody else notices, and
//! let go again it acts on nothing that it no longer holds.
//!
//! To stop it just there, the test takes a lock on which its transaction must wait when it has its rooms already; sees it wait; stops it; and
//! lets the lock go. What the node had asked of Postgres is then done, and its answer lies unread.

use std::time::Instant;

use baton::client::{CommandError, Reply};
use futures::future::join_all;
use serde_json::{Value, json};
use tests::database::Held;
use tests::hub::member;
use tests::proxy::{Path, Proxy};
use tests::rest::Rest;
use tests::server::ADMIN_KEY;
use tests::{Agent, Database, Hub, SOON, Server, check, number, text};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

/// The longest that a node which stands still may hold up anybody.
const HELD_UP: Duration = Duration::from_secs(9);

/// One node to be frozen, and one beside it, through which the test acts.
struct Two {
    frozen: Server,
    hub: Hub,
}

impl Two {
    async fn start() -> Self {
        let database = Database::postgres().await;
        Self::on(database.again(), database).await
    }

    /// The node to be frozen reaches its database by another way.
    async fn on(way: Database, database: Database) -> Self {
        let redis = std::env::var("BATON_TEST_REDIS_URL")
            .expect("BATON_TEST_REDIS_URL is set by tests/services/with-services.sh");
        let settings = [("REDIS_URL", redis.as_str())];
        let frozen = Server::start_with(way, &settings).await;
        let server = Server::start_with(database, &settings).await;
        let admin = Rest::new(&server.url(), ADMIN_KEY);
        let hub = Hub { server, admin };
        Self { frozen, hub }
    }

    fn database(&self) -> &Database {
        &self.hub.server.database
    }

    async fn person(&self, server: &Server) -> Agent {
        Agent::connect(&server.url(), "admin", json!({ "token": ADMIN_KEY })).await
    }

    async fn room(&self, name: &str) -> String {
        let room = json!({ "name": name, "type": "workspace" });
        let made = self.hub.admin.post("/collaboration/rooms", &room).await;
        text(&made.expect(201), "/id")
    }

    /// Waits until a statement gives `true`.
    async fn until(&self, what: &str, statement: &str) {
        let began = Instant::now();
        while self.database().sql(statement).await != "t" {
            assert!(began.elapsed() < SOON, "it never came to be that {what}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a session waits for this one, and has done so for longer than a lane waits before it sets such a wait aside: so that it does not
    /// give up at once.
    async fn waiting_for(&self, session: &str) -> String {
        let waiting = format!(
            "FROM pg_stat_activity WHERE {session} = ANY(pg_blocking_pids(pid)) AND application_name = 'baton' AND clock_timestamp() - query_start > '400 ms'"
        );
        self.until(
            "a transaction waits",
            &format!("SELECT count(*) > 0 {waiting}"),
        )
        .await;
        self.database()
            .sql(&format!("SELECT min(pid) {waiting}"))
            .await
    }

    /// Stops the node while it waits for `held`, and lets that go: its session, and when it stood still.
    async fn freeze(&self, held: Held) -> (String, Instant) {
        let session = self.waiting_for(held.session()).await;
        self.frozen.freeze().await;
        let since = Instant::now();
        held.release().await;
        let asked = format!(
            "SELECT state = 'idle in transaction' FROM pg_stat_activity WHERE pid = {session}"
        );
        self.until("its transaction is left alone", &asked).await;
        (session, since)
    }

    /// Whether somebody holds the lock of a room.
    async fn is_held(&self, room: &str) -> bool {
        let row = format!("SELECT id FROM rooms WHERE id = '{room}' FOR UPDATE SKIP LOCKED");
        self.database().sql(&row).await.is_empty()
    }
}

fn message(room: &str, body: &str) -> Value {
    let id = uuid::Uuid::now_v7().to_string();
    json!({ "roomId": room, "body": body, "commandId": id })
}

/// Sends a command without waiting for its answer.
type Answer = JoinHandle<Result<Reply, CommandError>>;

/// What the node answers once it is let go agrees with what came of the post elsewhere; it may know by now, or know that it does not.
async fn agrees(by: &Agent, first: Answer, post: Value, seq: u64) {
    match first.await.expect("it is answered") {
        Ok(reply) => assert_eq!(reply.seq, Some(seq)),
        Err(CommandError::Refused(problem)) => assert_eq!(problem["retryable"], true),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(by.ask("message:send", post).await.seq, Some(seq));
}

fn send(by: &Agent, payload: &Value) -> Answer {
    let (client, payload) = (by.client.clone(), payload.clone());
    tokio::spawn(async move { client.command("message:send", payload).await })
}

fn acked(answer: Result<Result<Reply, CommandError>, tokio::task::JoinError>) -> u64 {
    let reply = answer.expect("it is answered").expect("with an ack");
    reply.seq.expect("a post has its place in the room")
}

async fn bodies(two: &Two, room: &str) -> Vec<String> {
    let events = two.hub.events(room).await;
    check::contiguous(&events);
    let posted = events.iter().filter(|e| e["type"] == "message.posted");
    posted.map(|e| text(e, "/data/body")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_with_a_rooms_lock_loses_it_and_what_it_had_not_said_takes_effect_once()
 {
    let two = Two::start().await;
    let room = two.room("Held").await;
    // So many that each lane of the other node has some.
    let mut elsewhere = Vec::new();
    for n in 0..16 {
        elsewhere.push(two.room(&format!("Other {n}")).await);
    }
    let (mut there, here) = (
        two.person(&two.frozen).await,
        two.person(&two.hub.server).await,
    );
    there.ask("room:join", json!({ "roomId": room })).await;
    for room in elsewhere.iter().chain([&room]) {
        here.ask("message:send", message(room, "before")).await;
    }

    let held = two
        .database()
        .hold("LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        .await;
    let unsaid = message(&room, "unsaid");
    let first = send(&there, &unsaid);
    let (session, frozen) = two.freeze(held).await;
    assert!(two.is_held(&room).await);
    assert!(!first.is_finished());

    // The same again over another node, and something else, need the lock; they are sent so that they wait.
    let (again, other) = (
        two.person(&two.hub.server).await,
        two.person(&two.hub.server).await,
    );
    let again = send(&again, &unsaid);
    let next = send(&other, &message(&room, "next"));
    two.waiting_for(&session).await;
    for _ in 0..3 {
        let elsewhere = elsewhere.iter().map(|room| message(room, "meanwhile"));
        let asked = elsewhere.map(|message| async {
            here.ask("message:send", message).await;
        });
        join_all(asked).await;
    }
    assert!(
        !again.is_finished() && !next.is_finished(),
        "what was asked elsewhere is done before the node has lost what it held"
    );
    let again = acked(again.await);
    let next = acked(next.await);
    let took = frozen.elapsed();
    assert!(took < HELD_UP, "they were held up for {took:.1?}");
    assert_ne!(again, next);

    two.frozen.thaw().await;
    agrees(&there, first, unsaid, again).await;
    there.ask("message:send", message(&room, "after")).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|body| body != "after") {
        let event = there.event("message.posted").await;
        assert_eq!(number(&event, "/seq"), heard.len() as u64 + 2);
        heard.push(text(&event, "/data/body"));
    }
    assert_eq!(bodies(&two, &room).await, heard);
    heard.sort_unstable();
    assert_eq!(heard, ["after", "before", "next", "unsaid"]);
    for room in &elsewhere {
        assert_eq!(bodies(&two, room).await.len(), 4);
    }
    check::verify(&two.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_read_what_it_asked_for_under_lock_holds_up_nobody_either() {
    let database = Database::postgres().await;
    let (credentials, place) = database.url().rsplit_once('@').expect("a URL with a user");
    let (address, name) = place.split_once('/').expect("a URL with a database");
    // What a node that stands still does not read fills its kernel's buffers; here they are small.
    let network = Proxy::narrow(&[address.to_owned()], 64 * 1024).await;
    let way = format!("{credentials}@{}/{name}", network.address());
    let two = Two::on(Database::at(way), database).await;
    let room = two.room("Long").await;
    let (there, here) = (
        two.person(&two.frozen).await,
        two.person(&two.hub.server).await,
    );
    // More than Postgres' kernel takes from it, and less than a snapshot is made for: the other node has to read all of it.
    let long = "\"".repeat(30_000);
    let posts = (0..180).map(|_| here.ask("message:send", message(&room, &long)));
    join_all(posts).await;

    network.set(0, Path::Scant);
    let unsaid = message(&room, "unsaid");
    let first = send(&there, &unsaid);
    let unread = "SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientWrite' AND datname = current_database()";
    two.until("the node does not read what it asked for", unread)
        .await;
    two.frozen.freeze().await;
    let frozen = Instant::now();
    assert!(two.is_held(&room).await);
    let again = acked(send(&here, &unsaid).await);
    let took = frozen.elapsed();
    assert!(took < HELD_UP, "it was held up for {took:.1?}");

    network.set(0, Path::Open);
    two.frozen.thaw().await;
    agrees(&there, first, unsaid, again).await;
    let said = bodies(&two, &room).await;
    assert_eq!(said.iter().filter(|body| *body == "unsaid").count(), 1);
    check::verify(&two.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stands_still_while_it_hands_out_work_loses_its_teams_lock_and_its_leases() {
    let two = Two::start().await;
    let hub = &two.hub;
    let key = hub.register("ann", &["dig"]).await;
    let _ = hub
        .admin
        .put("/agents/ann", &json!({ "slots": 2 }))
        .await
        .expect(200);
    let mut ann = Agent::connect(
        &two.frozen.url(),
        "ann",
        json!({ "token": key, "instanceId": "ann-1" }),
    )
    .await;
    ann.ready("ann-1").await;
    let ben = hub.register("ben", &["dig"]).await;
    let cat = hub.register("cat", &["dig"]).await;
    let _ = hub
        .admin
        .put("/agents/ben", &json!({ "slots": 2 }))
        .await
        .expect(200);
    let lease = json!({ "timeoutSettings": { "leaseMs": 10_000 } });
    let team = hub
        .team(&[member("ann"), member("ben")], lease.clone())
        .await;
    let others = hub.team(&[member("cat")], lease).await;
    let dig = json!([{ "key": "dig", "name": "Dig", "requiredCapabilities": ["dig"] }]);
    let leased = hub.process(&team, dig.clone()).await;
    let work = ann.take().await;

    // The agent's row is the last that an offer locks, after its process's and its team's rooms.
    let held = two
        .database()
        .hold("SELECT id FROM agents WHERE id = 'ann' FOR NO KEY UPDATE")
        .await;
    let offered = hub.process(&team, dig.clone()).await;
    ann.ask("attempt:heartbeat", work.payload(&json!({}))).await;
    let (session, frozen) = two.freeze(held).await;
    for room in [&offered.room, &team] {
        assert!(two.is_held(room).await, "it holds {room}");
    }

    // The dispatcher of the other node comes to wait for the team's lock, and gives out the work of another team nevertheless.
    let mut ben = hub.connect("ben", &ben, "ben-1").await;
    ben.ready("ben-1").await;
    let mut cat = hub.connect("cat", &cat, "cat-1").await;
    cat.ready("cat-1").await;
    two.waiting_for(&session).await;
    let elsewhere = hub.process(&others, dig).await;
    let free = cat.take().await;
    assert_eq!(free.offer["process"]["id"], elsewhere.id.as_str());
    let still = format!("SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {session}");
    assert_eq!(
        two.database().sql(&still).await,
        "t",
        "it held the team's lock"
    );
    cat.complete(&free, json!({})).await;
    let _ = hub.ends(&elsewhere, "completed").await;

    // What it was about to offer goes to another; that it does so is not put off by what it holds.
    let taken = ben.take().await;
    let took = frozen.elapsed();
    assert!(took < HELD_UP, "the offer was held up for {took:.1?}");
    assert_eq!(taken.offer["process"]["id"], offered.id.as_str());
    // And so does, when the lease is over, what its agent holds, which it keeps from saying that it lives.
    let lost = ben.take().await;
    assert_eq!(lost.offer["process"]["id"], leased.id.as_str());
    assert!(lost.epoch > work.epoch);

    two.frozen.thaw().await;
    let late = work.payload(&json!({ "outputs": { "by": "ann" } }));
    let _ = ann.refused("attempt:complete", late, "stale_lease").await;
    for work in [&taken, &lost] {
        ben.complete(work, json!({ "by": "ben" })).await;
    }
    for (process, offers) in [(&offered, 1), (&leased, 2)] {
        let ended = hub.ends(process, "completed").await;
        assert_eq!(text(&ended, "/context/sharedData/steps/dig/by"), "ben");
        let events = hub.events(&process.room).await;
        check::contiguous(&events);
        assert_eq!(check::count(&events, "assignment.offered"), offers);
        assert_eq!(check::count(&events, "step.completed"), 1);
    }
    // It takes part again: there is one thing to do, and its agent alone is free.
    let steps = json!([{ "key": "own", "name": "Own", "assignedAgentId": "ann" }]);
    let last = hub.process(&team, steps).await;
    let own = ann.take().await;
    assert_eq!(own.offer["process"]["id"], last.id.as_str());
    ann.complete(&own, json!({})).await;
    let _ = hub.ends(&last, "completed").await;
    check::verify(hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_teams_lock_that_nobody_lets_go_holds_up_its_offers_alone() {
    let hub = Hub::start(Database::postgres().await).await;
    let mut ann = hub.agent("ann", &[]).await;
    let team = hub.team(&[member("ann")], json!({})).await;
    let steps = json!([
        { "key": "a", "name": "A" },
        { "key": "b", "name": "B", "dependencies": ["a"] },
        { "key": "c", "name": "C", "dependencies": ["b"] },
    ]);
    let first = hub.process(&team, steps).await;
    let work = ann.take().await;
    ann.complete(&work, json!({})).await;
    // Now the node knows whom it would offer the next step to, in the transaction in which this one ends.
    let work = ann.take().await;
    let lock = format!("SELECT id FROM rooms WHERE id = '{team}' FOR UPDATE");
    let held = hub.server.database.hold(&lock).await;
    ann.complete(&work, json!({})).await;
    let second = hub
        .process(&team, json!([{ "key": "d", "name": "D" }]))
        .await;
    for (process, step) in [(&first, "c"), (&second, "d")] {
        let read = hub.read(process).await;
        assert_eq!(tests::hub::step(&read, step)["phase"], "ready");
    }
    held.release().await;
    for process in [&first, &second] {
        let work = ann.take().await;
        assert_eq!(work.offer["process"]["id"], process.id.as_str());
        ann.complete(&work, json!({})).await;
        let _ = hub.ends(process, "completed").await;
    }
    check::verify(&hub).await;
}
