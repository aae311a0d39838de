//! Several nodes on one store are one hub: whoever is connected to whichever of them sees and may do the same.

use std::time::Instant;

use serde_json::{Value, json};
use tests::hub::member;
use tests::load::Load;
use tests::proxy::Proxy;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, wrong_clock};
use tests::services::{Redis, RedisCluster};
use tests::{Agent, Database, Hub, Process, SOON, Server, array, check, number, text};
use tokio::time::{Duration, sleep};

/// Nodes that share a database and a Redis; tests act on the first through `Hub`.
struct Nodes {
    hub: Hub,
    others: Vec<Server>,
}

impl Nodes {
    async fn start(count: usize, redis: &str) -> Self {
        let database = Database::postgres().await;
        let settings = [("REDIS_URL", redis)];
        let mut others = Vec::new();
        for _ in 1..count {
            let server = Server::start_with(database.again(), &settings).await;
            others.push(server);
        }
        let server = Server::start_with(database, &settings).await;
        let admin = Rest::new(&server.url(), ADMIN_KEY);
        let hub = Hub { server, admin };
        let nodes = Self { hub, others };
        nodes.all_say("ok").await;
        nodes
    }

    fn url(&self, other: usize) -> String {
        self.others[other].url()
    }

    async fn person(&self, other: usize) -> Agent {
        Agent::connect(&self.url(other), "admin", json!({ "token": ADMIN_KEY })).await
    }

    async fn agent(&self, other: usize, id: &str, key: &str, instance: &str) -> Agent {
        let auth = json!({ "token": key, "instanceId": instance });
        let agent = Agent::connect(&self.url(other), id, auth).await;
        agent.ready(instance).await;
        agent
    }

    /// Waits until every node says this of its relay.
    async fn all_say(&self, relay: &str) {
        for url in std::iter::once(self.hub.server.url()).chain(self.others.iter().map(Server::url))
        {
            let admin = Rest::new(&url, ADMIN_KEY);
            until("every node says how its relay is", async || {
                let body = admin.get("!/readyz").await.expect(200);
                body["parts"]["relay"] == relay
            })
            .await;
        }
    }

    async fn room(&self) -> String {
        let room = json!({ "name": "Shared", "type": "workspace" });
        let room = self.hub.admin.post("/collaboration/rooms", &room).await;
        text(&room.expect(201), "/id")
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < SOON, "it never came to be that {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn shared_redis() -> String {
    std::env::var("BATON_TEST_REDIS_URL")
        .expect("BATON_TEST_REDIS_URL is set by tests/services/with-services.sh")
}

fn message(room: &str, body: &str) -> Value {
    json!({ "roomId": room, "body": body })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_on_one_node_is_heard_on_the_others_at_once_and_in_order() {
    let nodes = Nodes::start(3, &shared_redis()).await;
    let room = nodes.room().await;
    let mut listeners = vec![nodes.hub.person().await];
    for other in 0..2 {
        listeners.push(nodes.person(other).await);
    }
    for listener in &listeners {
        let joined = listener.ask("room:join", json!({ "roomId": room })).await;
        assert_eq!(number(&joined.data, "/head"), 1);
    }
    // A sweep of the log would take up to a second: so a quick one shows that the relay carried it. The fastest of some counts, since
    // the machine may be busy.
    let mut fastest = Duration::MAX;
    for n in 0..20 {
        let speaker = &listeners[n % 3];
        let began = Instant::now();
        speaker
            .ask("message:send", message(&room, &format!("number {n}")))
            .await;
        for listener in &mut listeners {
            let event = listener.event("message.posted").await;
            assert_eq!(number(&event, "/seq"), n as u64 + 2);
            assert_eq!(event["data"]["body"], format!("number {n}"));
        }
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "took {fastest:?}");
    check::verify(&nodes.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_and_presence_are_shared_and_a_killed_node_takes_its_people_with_it() {
    let mut nodes = Nodes::start(2, &shared_redis()).await;
    let room = nodes.room().await;
    let key = nodes.hub.register("ann", &[]).await;
    let mut here = nodes.hub.person().await;
    here.ask("room:join", json!({ "roomId": room })).await;
    let invite = json!({ "type": "agent", "id": "ann", "role": "participant" });
    let path = format!("/collaboration/rooms/{room}/participants");
    let _ = nodes.hub.admin.post(&path, &invite).await.expect(201);

    let there = nodes.agent(0, "ann", &key, "ann-1").await;
    there.ask("room:join", json!({ "roomId": room })).await;
    let is_ann = |event: &Value| event["data"]["id"] == "ann";
    let came = here.event_where("presence.changed", is_ann).await;
    assert_eq!(came["data"]["online"], true);
    assert_eq!(came["roomId"], room);
    there
        .ask("typing:set", json!({ "roomId": room, "typing": true }))
        .await;
    let typing = here.event("typing.changed").await;
    assert_eq!(typing["actor"]["id"], "ann");

    let listed = here.ask("presence:list", json!({ "roomId": room })).await;
    let listed: Vec<&str> = array(&listed.data, "/participants")
        .iter()
        .filter_map(|p| p["id"].as_str())
        .collect();
    assert_eq!(listed, ["admin", "ann"]);
    let online = nodes.hub.admin.get("/agents/ann").await.expect(200);
    assert_eq!(online["status"], "online");

    nodes.others[0].kill().await;
    let went = here.event_where("presence.changed", is_ann).await;
    assert_eq!(went["data"]["online"], false);
    let offline = nodes.hub.admin.get("/agents/ann").await.expect(200);
    assert_eq!(offline["status"], "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_on_another_node_is_given_work_and_told_what_becomes_of_it() {
    let nodes = Nodes::start(2, &shared_redis()).await;
    let key = nodes.hub.register("ann", &["add"]).await;
    let mut ann = nodes.agent(0, "ann", &key, "ann-1").await;
    // A second connection on the first node, as another copy: still one agent, with its one slot.
    let twin = nodes.hub.connect("ann", &key, "ann-2").await;
    twin.ready("ann-2").await;
    let team = nodes
        .hub
        .team(
            &[member("ann")],
            json!({ "timeoutSettings": { "offerMs": 6000 } }),
        )
        .await;
    let steps = json!([
        { "key": "a", "name": "a", "description": "", "assignedAgentId": "ann" },
        { "key": "b", "name": "b", "description": "", "assignedAgentId": "ann" },
    ]);
    let process = nodes.hub.process(&team, steps).await;
    let events = async || nodes.hub.events(&process.room).await;
    until("one step is offered", async || {
        check::count(&events().await, "assignment.offered") == 1
    })
    .await;
    // Whichever copy it went to, the other one gets nothing while the slot is in use.
    let offered = events().await;
    let offered = offered
        .iter()
        .find(|e| e["type"] == "assignment.offered")
        .cloned()
        .unwrap_or_default();
    let instance = text(&offered, "/data/instanceId");
    drop(twin);
    if instance == "ann-2" {
        // It is gone without an answer: the offer expires, and the one that is there gets it.
        until("the offer expires", async || {
            check::count(&events().await, "assignment.expired") == 1
        })
        .await;
    }
    let work = ann.offer().await;
    ann.ask("attempt:accept", work.payload(&json!({}))).await;
    let log = events().await;
    assert_eq!(check::count(&log, "assignment.accepted"), 1);

    let path = format!("/processes/{}", process.id);
    let _ = nodes.hub.admin.delete(&path).await;
    // What became of the offer to its twin it was told too.
    let is_it = |event: &Value| event["attemptId"] == work.attempt_id.as_str();
    let _ = ann.event_where("work.cancelled", is_it).await;
    check::verify(&nodes.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_ends_its_sessions_on_every_node() {
    let nodes = Nodes::start(2, &shared_redis()).await;
    let key = nodes.hub.register("ann", &[]).await;
    let mut ann = nodes.agent(0, "ann", &key, "ann-1").await;
    let _ = nodes.hub.admin.delete("/agents/ann").await.expect(200);
    let closed = ann.event("session.closed").await;
    assert_eq!(closed, json!({ "code": "revoked", "reconnect": false }));
    until("the connection is closed", async || {
        ann.client
            .command("presence:list", json!({}))
            .await
            .is_err_and(|e| matches!(e, baton::client::CommandError::Closed))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_goes_and_comes_back_costs_nothing_but_a_moment() {
    let mut redis = Redis::start().await;
    let mut nodes = Nodes::start(2, &redis.url()).await;
    let room = nodes.room().await;
    let mut here = nodes.hub.person().await;
    let mut there = nodes.person(0).await;
    for who in [&here, &there] {
        who.ask("room:join", json!({ "roomId": room })).await;
    }
    let mut seq = 1;
    let mut say = async |from: &Agent, here: &mut Agent, there: &mut Agent| {
        from.ask("message:send", message(&room, "word")).await;
        seq += 1;
        for listener in [here, there] {
            let event = listener.event("message.posted").await;
            assert_eq!(number(&event, "/seq"), seq);
        }
    };
    let speaker = nodes.hub.person().await;
    say(&speaker, &mut here, &mut there).await;

    redis.kill().await;
    say(&speaker, &mut here, &mut there).await;
    nodes.all_say("degraded").await;
    say(&speaker, &mut here, &mut there).await;
    // Nobody is taken for gone because Redis is.
    let listed = here.ask("presence:list", json!({ "roomId": room })).await;
    assert_eq!(array(&listed.data, "/participants").len(), 1);

    redis.launch().await;
    nodes.all_say("ok").await;
    say(&speaker, &mut here, &mut there).await;

    // A node that is killed loses nothing that the other one was told.
    nodes.others[0].kill().await;
    speaker.ask("message:send", message(&room, "alone")).await;
    nodes.others[0].launch();
    nodes.others[0].ready().await;
    let back = nodes.person(0).await;
    let joined = back
        .ask("room:join", json!({ "roomId": room, "since": seq }))
        .await;
    assert_eq!(array(&joined.data, "/events").len(), 1);
    assert_eq!(joined.data["events"][0]["data"]["body"], "alone");
    check::verify(&nodes.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_redis_servers_carries_every_room_whichever_server_it_is_on() {
    let mut cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let (here, mut there) = (nodes.hub.person().await, nodes.person(0).await);
    // So many that each of the servers has some.
    let mut rooms = Vec::new();
    for _ in 0..16 {
        let room = nodes.room().await;
        there.ask("room:join", json!({ "roomId": room })).await;
        rooms.push(room);
    }
    // All at once, so that what goes out together belongs to several servers. As quick as over one server: a sweep would take a second.
    let mut fastest = Duration::MAX;
    for n in 0..20 {
        let began = Instant::now();
        let posts = rooms
            .iter()
            .map(|room| here.ask("message:send", message(room, "word")));
        futures::future::join_all(posts).await;
        for _ in &rooms {
            let event = there.event("message.posted").await;
            assert_eq!(number(&event, "/seq"), n + 2);
        }
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(500), "took {fastest:?}");
    nodes.all_say("ok").await;
    let log = nodes.hub.server.log();
    assert!(!log.contains("Redis is away"), "{log}");

    // Without one of its servers a cluster is away; what is said is heard nevertheless, and it is used again when it is whole.
    cluster.servers[2].kill().await;
    nodes.all_say("degraded").await;
    for room in &rooms {
        here.ask("message:send", message(room, "meanwhile")).await;
    }
    for _ in &rooms {
        let event = there.event("message.posted").await;
        assert_eq!(event["data"]["body"], "meanwhile");
    }
    cluster.servers[2].launch().await;
    nodes.all_say("ok").await;
    check::verify(&nodes.hub).await;
}

/// A question to a person, on a step that nobody takes.
async fn question(hub: &Hub, team: &str, due_in_ms: u64) -> (Process, String) {
    let step =
        json!([{ "key": "a", "name": "a", "description": "", "requiredCapabilities": ["none"] }]);
    let process = hub.process(team, step).await;
    let question = json!({
        "stepId": "a", "type": "approval", "description": "May it?", "dueInMs": due_in_ms, "onExpire": "fail",
    });
    let path = format!("/processes/{}/interventions", process.id);
    let asked = hub.admin.post(&path, &question).await.expect(201);
    (process, text(&asked, "/id"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_answers_at_the_same_instant_on_two_nodes_one_counts() {
    let nodes = Nodes::start(2, &shared_redis()).await;
    let _ = nodes.hub.register("ann", &["none"]).await;
    let team = nodes.hub.team(&[member("ann")], json!({})).await;
    let others = Rest::new(&nodes.url(0), ADMIN_KEY);
    let mut won = [0, 0];
    for _ in 0..20 {
        let (process, id) = question(&nodes.hub, &team, 60_000).await;
        let path = format!("/interventions/{id}");
        let approve = json!({ "action": "approve", "comments": "yes" });
        let reject = json!({ "action": "reject", "comments": "no" });
        let (one, other) = tokio::join!(
            nodes.hub.admin.put(&path, &approve),
            others.put(&path, &reject)
        );
        let (winner, loser, wanted) = if one.status == 200 {
            (one, other, "approve")
        } else {
            (other, one, "reject")
        };
        won[usize::from(wanted == "reject")] += 1;
        let decided = winner.expect(200);
        let refused = loser.refused(409, "already_resolved");
        // The one who was late is told what was decided, and both nodes say the same from then on.
        assert_eq!(refused["context"]["intervention"]["id"], id.as_str());
        assert_eq!(decided["response"]["action"], wanted);
        for rest in [&nodes.hub.admin, &others] {
            let now = rest.get(&path).await.expect(200);
            assert_eq!(now["response"]["action"], wanted);
        }
        let events = nodes.hub.events(&process.room).await;
        assert_eq!(check::count(&events, "intervention.completed"), 1);
    }
    println!(
        "the first node was quicker {} times, the second {}",
        won[0], won[1]
    );
    check::verify(&nodes.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_an_hour_wrong_is_a_node_like_any_other() {
    let mut nodes = Nodes::start(3, &shared_redis()).await;
    for (other, by) in [(0, "+1h"), (1, "-1h")] {
        let node = &mut nodes.others[other];
        node.stop().await;
        node.launch_with(&wrong_clock(by));
        node.ready().await;
    }
    nodes.all_say("ok").await;
    // The time that it takes it for is the one that it logs, to the minute; colours stand around it.
    let time = |server: &Server| {
        let log = server.log();
        let last = log.lines().rfind(|line| line.contains("INFO"));
        let from_year = last.and_then(|line| line.get(line.find("20")?..));
        from_year
            .and_then(|at| at.get(..16))
            .unwrap_or_default()
            .to_owned()
    };
    let right = time(&nodes.hub.server);
    let (fast, slow) = (time(&nodes.others[0]), time(&nodes.others[1]));
    assert!(
        fast > right && slow < right && slow.starts_with("20"),
        "{fast}, {slow} beside {right}"
    );

    let key = nodes.hub.register("ann", &["work"]).await;
    let team = nodes.hub.team(&[member("ann")], json!({})).await;
    let everywhere = || {
        let others = (0..2).map(|other| nodes.url(other));
        std::iter::once(nodes.hub.server.url()).chain(others)
    };
    // What is made on whichever node is listed as it came.
    let mut made = Vec::new();
    for n in 0..6 {
        let rest = Rest::new(&everywhere().nth(n % 3).unwrap_or_default(), ADMIN_KEY);
        let room = json!({ "name": format!("Room {n}"), "type": "workspace" });
        let room = rest.post("/collaboration/rooms", &room).await.expect(201);
        made.insert(0, text(&room, "/id"));
    }
    let listed = nodes
        .hub
        .admin
        .get("/collaboration/rooms?type=workspace&limit=6")
        .await;
    let listed = listed.expect(200);
    let ids: Vec<String> = array(&listed, "/items")
        .iter()
        .map(|r| text(r, "/id"))
        .collect();
    assert_eq!(ids, made);

    // A question expires after its second, whichever node sees to it; one that is due in half an hour is due nowhere.
    let (soon, _) = question(&nodes.hub, &team, 1_000).await;
    let (later, open) = question(&nodes.hub, &team, 1_800_000).await;
    // Work that is held keeps its lease meanwhile, though one node is long past it and another has not come to its beginning.
    let mut ann = nodes.agent(0, "ann", &key, "ann-1").await;
    let step =
        json!([{ "key": "b", "name": "b", "description": "", "requiredCapabilities": ["work"] }]);
    let held = nodes.hub.process(&team, step).await;
    let work = ann.take().await;
    let expiry = async || {
        let events = nodes.hub.events(&soon.room).await;
        let at = |name: &str| {
            let event = events.iter().find(|e| e["type"] == name)?;
            serde_json::from_value::<rooms::Timestamp>(event["at"].clone()).ok()
        };
        Some((at("intervention.requested")?, at("intervention.expired")?))
    };
    until("the question expires", async || expiry().await.is_some()).await;
    let (asked, expired) = expiry().await.expect("it has expired");
    let took = expired.0 - asked.0;
    assert!((1_000_000..10_000_000).contains(&took), "after {took} µs");
    for url in everywhere() {
        let rest = Rest::new(&url, ADMIN_KEY);
        let overdue = rest.get("/interventions?overdue=true").await.expect(200);
        assert!(array(&overdue, "/items").is_empty(), "{url}: {overdue:#}");
        let open = rest
            .get(&format!("/interventions/{open}"))
            .await
            .expect(200);
        assert_eq!(open["status"], "pending");
    }
    ann.complete(&work, json!({})).await;
    let _ = nodes.hub.ends(&held, "completed").await;
    let events = nodes.hub.events(&held.room).await;
    assert_eq!(check::count(&events, "assignment.expired"), 0);
    let path = format!("/processes/{}", later.id);
    let _ = nodes.hub.admin.delete(&path).await.expect(200);
    check::verify(&nodes.hub).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_and_doubles_nothing() {
    let database = Database::postgres().await;
    let redis = shared_redis();
    let mut servers = Vec::new();
    for _ in 0..2 {
        let settings = [("REDIS_URL", redis.as_str())];
        servers.push(Server::start_with(database.again(), &settings).await);
    }
    let addresses: Vec<String> = servers.iter().map(Server::address).collect();
    let front = Proxy::start(&addresses).await;
    let url = format!("http://{}", front.address());
    let load = Load::start(&url, 2, 6, Duration::from_millis(30)).await;
    for server in &mut servers {
        let before = load.acked();
        until("posts are acknowledged", async || {
            load.acked() > before + 20
        })
        .await;
        server.stop().await;
        server.launch();
        server.ready().await;
    }
    let before = load.acked();
    until("posts are acknowledged", async || {
        load.acked() > before + 20
    })
    .await;
    load.hush(SOON).await;
    load.settle(SOON).await;
    let (posts, _) = load.check();
    assert!(posts > 60);
    let verified = servers[0].command(&["verify"]).await;
    assert!(
        verified.status.success(),
        "{}{}",
        String::from_utf8_lossy(&verified.stdout),
        String::from_utf8_lossy(&verified.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_says_so_and_takes_no_new_session() {
    let nodes = Nodes::start(2, &shared_redis()).await;
    let Nodes { hub, mut others } = nodes;
    let url = others[0].url();
    let mut person = Agent::connect(&url, "admin", json!({ "token": ADMIN_KEY })).await;
    let stops = async { others[0].stop().await };
    let sees = async {
        let draining = person.event("server.draining").await;
        assert!(number(&draining, "/reconnectInMs") <= 10_000);
        let ready = reqwest::get(format!("{url}/readyz")).await;
        assert_eq!(ready.expect("it still answers").status(), 503);
        let new = format!("{url}/socket.io/?EIO=4&transport=polling");
        let new = reqwest::get(new).await.expect("it still answers");
        assert_eq!(new.status(), 503);
        assert!(new.headers().contains_key("retry-after"));
        // What is asked for while it drains is still done.
        let room = json!({ "name": "Late", "type": "workspace" });
        let late = Rest::new(&url, ADMIN_KEY)
            .post("/collaboration/rooms", &room)
            .await;
        text(&late.expect(201), "/id")
    };
    let ((), room) = tokio::join!(stops, sees);
    let path = format!("/collaboration/rooms/{room}");
    let _ = hub.admin.get(&path).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_on_an_empty_store_agree() {
    let database = Database::postgres().await;
    let start = || Server::start(database.again());
    let servers = futures::future::join_all((0..4).map(|_| start())).await;
    for server in &servers {
        let admin = Rest::new(&server.url(), ADMIN_KEY);
        let rooms = admin.get("/collaboration/rooms?type=workspace").await;
        assert_eq!(array(&rooms.expect(200), "/items").len(), 1);
    }
}

/// Set by `make chaos`, which builds the version before this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs BATON_TEST_OLD_BIN: make chaos"]
async fn two_versions_run_side_by_side_on_one_store() {
    let old = std::env::var_os("BATON_TEST_OLD_BIN").expect("BATON_TEST_OLD_BIN names a binary");
    let database = Database::postgres().await;
    let redis = shared_redis();
    let settings = [("REDIS_URL", redis.as_str())];
    let first = Server::start_as(old.clone().into(), database.again(), &settings).await;
    let new = Server::start_with(database.again(), &settings).await;
    // The old one starts again on the schema that the new one has brought up to date.
    let mut second = Server::start_as(old.into(), database.again(), &settings).await;
    let front = Proxy::start(&[first.address(), new.address(), second.address()]).await;
    let url = format!("http://{}", front.address());
    let load = Load::start(&url, 3, 6, Duration::from_millis(30)).await;
    until("posts are acknowledged", async || load.acked() > 100).await;
    second.crash().await;
    until("posts are acknowledged", async || load.acked() > 200).await;
    load.hush(SOON).await;
    load.settle(SOON).await;
    load.check();
    let verified = new.command(&["verify"]).await;
    assert!(verified.status.success());
}
