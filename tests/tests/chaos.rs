//! Three nodes, a Postgres, a Redis, people and agents at work, and one thing after another goes wrong.
//!
//! Long, so run by `make chaos` alone. `BATON_CHAOS_SEED` gives the same moments again, `BATON_CHAOS_ROUNDS` goes through the faults so
//! often, `BATON_CHAOS_FAULTS` names some of them, separated by commas. `BATON_CHAOS_SCALE=full` has 300 clients in 100 rooms and 500
//! posts a second, longer faults, and limits to what each of them may cost; it wants an optimised binary.

use serde_json::{Value, json};
use simulation::Random;
use std::time::Instant;
use tests::load::{Load, persist};
use tests::proxy::{Path, Proxy};
use tests::raw::{self, Raw};
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, wrong_clock};
use tests::services::{Postgres, Redis, signal};
use tests::worker::{Worker, Working};
use tests::{Database, SOON, Server, array, text};
use tokio::time::{Duration, sleep};

const NODES: usize = 3;
const LEASE: Duration = Duration::from_secs(3);
/// So many processes are begun with each fault.
const AT_A_TIME: usize = 3;

/// How much there is to lose, and how long it is hurt.
struct Scale {
    rooms: usize,
    posters: usize,
    pace: Duration,
    /// A random node is killed every five seconds for so long.
    killing: Duration,
    frozen: Duration,
    redis_frozen: Duration,
    postgres_down: Duration,
    /// What a fault may cost is held to its limit.
    strict: bool,
}

impl Scale {
    fn chosen() -> Self {
        match setting::<String>("BATON_CHAOS_SCALE").as_deref() {
            None | Some("small") => Self {
                rooms: 10,
                posters: 20,
                pace: Duration::from_millis(100),
                killing: Duration::from_secs(10),
                frozen: LEASE * 2,
                redis_frozen: Duration::from_secs(8),
                postgres_down: Duration::from_secs(8),
                strict: false,
            },
            // Two observers in each room, and one who posts.
            Some("full") => Self {
                rooms: 100,
                posters: 100,
                pace: Duration::from_millis(200),
                killing: Duration::from_mins(3),
                frozen: Duration::from_mins(1),
                redis_frozen: Duration::from_secs(20),
                postgres_down: Duration::from_secs(10),
                strict: true,
            },
            Some(other) => panic!("BATON_CHAOS_SCALE is {other:?}; use small or full"),
        }
    }
}

/// What a fault cost, as the clients saw it.
#[derive(Debug)]
struct Cost {
    /// The longest that a room had no post acknowledged.
    acks: Duration,
    /// The longest that an observer of a room was shown nothing.
    events: Duration,
    /// From its end until as much was acknowledged as before.
    back: Duration,
    /// From the last ack before a silence until every observer had it.
    settled: Duration,
}

impl Cost {
    /// Which limit it is beyond, if any.
    fn beyond(&self, fault: Fault) -> Option<String> {
        let second = Duration::from_secs(1);
        let limits = match fault {
            Fault::KillNode => vec![(
                "the last word before a silence",
                self.settled,
                second * 3 / 2,
            )],
            Fault::RedisFrozen => vec![("a delivery", self.events, second)],
            Fault::PostgresDown | Fault::PostgresFrozen => {
                vec![("full speed", self.back, second * 5)]
            }
            Fault::FreezeNode => vec![("an ack", self.acks, second * 5)],
            _ => Vec::new(),
        };
        let (what, took, most) = limits.into_iter().find(|(_, took, most)| took > most)?;
        Some(format!("{what} took {took:.1?}, more than {most:.1?}"))
    }
}

fn a_node(random: &mut Random) -> usize {
    usize::try_from(random.below(NODES as u64)).unwrap_or(0)
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KillNode,
    FreezeNode,
    RedisDown,
    RedisFrozen,
    PostgresDown,
    PostgresFrozen,
    PostgresCut,
    NodeOffRedis,
    NodeOffPostgres,
    KillAgents,
    SlowClient,
    Garbage,
    RollingRestart,
    AllNodesDown,
    WrongClock,
    TwoAnswers,
}

const FAULTS: &[(&str, Fault)] = &[
    ("kill_node", Fault::KillNode),
    ("freeze_node", Fault::FreezeNode),
    ("redis_down", Fault::RedisDown),
    ("redis_frozen", Fault::RedisFrozen),
    ("postgres_down", Fault::PostgresDown),
    ("postgres_frozen", Fault::PostgresFrozen),
    ("postgres_cut", Fault::PostgresCut),
    ("node_off_redis", Fault::NodeOffRedis),
    ("node_off_postgres", Fault::NodeOffPostgres),
    ("kill_agents", Fault::KillAgents),
    ("slow_client", Fault::SlowClient),
    ("garbage", Fault::Garbage),
    ("rolling_restart", Fault::RollingRestart),
    ("all_nodes_down", Fault::AllNodesDown),
    ("wrong_clock", Fault::WrongClock),
    ("two_answers", Fault::TwoAnswers),
];

/// Everything that can be hurt.
struct World {
    postgres: Postgres,
    redis: Redis,
    /// Before Postgres, and before Redis: one for each node.
    to_postgres: Vec<Proxy>,
    to_redis: Vec<Proxy>,
    nodes: Vec<Server>,
    /// Before the nodes, as a load balancer is.
    front: Proxy,
    team: String,
    keys: Vec<(String, String)>,
    agents: Vec<Working>,
    scale: Scale,
    /// How many questions had two answers at once before the fault.
    contested: usize,
}

impl World {
    async fn start() -> Self {
        let (postgres, redis) = (Postgres::start().await, Redis::start().await);
        let (mut to_postgres, mut to_redis, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..NODES {
            let database = Proxy::start(&[postgres.address()]).await;
            let relay = Proxy::start(&[redis.address()]).await;
            let url = format!("redis://{}", relay.address());
            let store = Database::at(postgres.url_at(database.address()));
            nodes.push(Server::start_with(store, &[("REDIS_URL", &url)]).await);
            to_postgres.push(database);
            to_redis.push(relay);
        }
        let addresses: Vec<String> = nodes.iter().map(Server::address).collect();
        let front = Proxy::start(&addresses).await;
        let url = format!("http://{}", front.address());
        let mut keys = Vec::new();
        for id in ["ann", "ben", "cis", "dan"] {
            let agent = json!({ "id": id, "name": id, "capabilities": ["work"] });
            persist(&url, "/agents", &agent).await;
            let key = persist(&url, &format!("/agents/{id}/keys"), &json!({})).await;
            keys.push((id.to_owned(), text(&key, "/key")));
        }
        let member = |(id, _): &(String, String)| json!({ "agentId": id, "role": "specialist", "specialization": "chaos" });
        let team = json!({
            "name": "Chaos", "description": "", "agents": keys.iter().map(member).collect::<Vec<_>>(),
            "configuration": {
                "maxConcurrentTasks": 50,
                "timeoutSettings": { "leaseMs": LEASE.as_millis() as u64, "offerMs": 2000 },
            },
        });
        let team = text(&persist(&url, "/teams", &team).await, "/id");
        let mut world = Self {
            postgres,
            redis,
            to_postgres,
            to_redis,
            nodes,
            front,
            team,
            keys,
            agents: Vec::new(),
            scale: Scale::chosen(),
            contested: 0,
        };
        world.hire(0);
        world
    }

    fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// New processes of all agents, of this generation; those that ran are gone.
    fn hire(&mut self, generation: usize) {
        self.agents.clear();
        for (id, key) in &self.keys {
            let worker = Worker {
                url: self.url(),
                id: id.clone(),
                key: key.clone(),
                instance: format!("{id}-{generation}"),
                notes: 2,
                pace: Duration::from_millis(50),
            };
            self.agents.push(worker.start());
        }
    }

    /// Hurts, waits, and mends. What the harness itself does to mend is over when this returns.
    async fn suffer(&mut self, fault: Fault, load: &Load, random: &mut Random, round: usize) {
        let node = a_node(random);
        let a_while = Duration::from_millis(3_000 + random.below(2_000));
        match fault {
            Fault::KillNode => {
                let began = Instant::now();
                while began.elapsed() < self.scale.killing {
                    let next = tokio::time::Instant::now() + Duration::from_secs(5);
                    let node = a_node(random);
                    self.nodes[node].kill().await;
                    sleep(Duration::from_millis(random.below(1_000))).await;
                    self.nodes[node].launch();
                    self.nodes[node].ready().await;
                    tokio::time::sleep_until(next).await;
                }
            }
            Fault::FreezeNode => {
                signal(self.nodes[node].pid(), "STOP").await;
                // A load balancer takes a node that does not answer its health check out, and closes its connections.
                sleep(Duration::from_secs(2)).await;
                self.front.set(node, Path::Cut);
                sleep(self.scale.frozen).await;
                signal(self.nodes[node].pid(), "CONT").await;
                self.nodes[node].ready().await;
                self.front.set(node, Path::Open);
            }
            Fault::RedisDown => {
                self.redis.kill().await;
                sleep(a_while).await;
                self.redis.launch().await;
            }
            Fault::RedisFrozen => {
                signal(self.redis.pid(), "STOP").await;
                let over = tokio::time::Instant::now() + self.scale.redis_frozen;
                self.say_of_themselves("degraded").await;
                tokio::time::sleep_until(over).await;
                signal(self.redis.pid(), "CONT").await;
                self.say_of_themselves("ok").await;
            }
            Fault::PostgresDown => {
                self.postgres.stop().await;
                sleep(self.scale.postgres_down).await;
                self.postgres.launch().await;
            }
            Fault::PostgresFrozen => {
                self.postgres.freeze().await;
                sleep(self.scale.postgres_down).await;
                self.postgres.thaw().await;
            }
            Fault::PostgresCut => {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'baton'";
                for _ in 0..5 {
                    self.postgres.sql(cut).await;
                    sleep(Duration::from_millis(random.below(1_000))).await;
                }
            }
            Fault::NodeOffRedis => {
                let path = [Path::Cut, Path::Stalled][round % 2];
                self.to_redis[node].set(0, path);
                sleep(a_while).await;
                self.to_redis[node].set(0, Path::Open);
            }
            Fault::NodeOffPostgres => {
                let path = [Path::Cut, Path::Stalled][round % 2];
                self.to_postgres[node].set(0, path);
                sleep(Duration::from_secs(2)).await;
                // As for a node that is not ready.
                self.front.set(node, Path::Cut);
                sleep(a_while).await;
                self.to_postgres[node].set(0, Path::Open);
                self.nodes[node].ready().await;
                self.front.set(node, Path::Open);
            }
            Fault::KillAgents => {
                self.agents.clear();
                sleep(a_while).await;
                self.hire(round + 1);
            }
            Fault::SlowClient => self.stall(a_while).await,
            Fault::Garbage => self.garbage(random).await,
            Fault::RollingRestart => {
                for node in 0..NODES {
                    self.nodes[node].stop().await;
                    self.nodes[node].launch();
                    self.nodes[node].ready().await;
                }
            }
            Fault::WrongClock => {
                let by = ["+1h", "-1h"][round % 2];
                self.nodes[node].stop().await;
                self.nodes[node].launch_with(&wrong_clock(by));
                self.nodes[node].ready().await;
                sleep(a_while).await;
                self.nodes[node].stop().await;
                self.nodes[node].launch();
                self.nodes[node].ready().await;
            }
            // One question of each of the processes that every fault begins with.
            Fault::TwoAnswers => self.contest(load, AT_A_TIME).await,
            Fault::AllNodesDown => {
                for node in &mut self.nodes {
                    node.kill().await;
                }
                sleep(LEASE * 2).await;
                for node in &mut self.nodes {
                    node.launch();
                }
                for node in &mut self.nodes {
                    node.ready().await;
                }
            }
        }
    }

    /// Waits until so many questions more were answered twice at once, on two nodes, and once accepted.
    async fn contest(&self, load: &Load, more: usize) {
        let began = Instant::now();
        while load.contested() < self.contested + more {
            assert!(began.elapsed() < SOON, "nobody answers what is asked");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every node's `/readyz` says this status.
    async fn say_of_themselves(&self, status: &str) {
        for node in &self.nodes {
            let rest = Rest::new(&node.url(), ADMIN_KEY);
            let told = async {
                while rest.get("!/readyz").await.body["status"] != status {
                    sleep(Duration::from_millis(50)).await;
                }
            };
            let told = tokio::time::timeout(Duration::from_secs(5), told).await;
            assert!(told.is_ok(), "a node does not say that it is {status}");
        }
    }

    /// Clients that join every room and read nothing.
    async fn stall(&self, how_long: Duration) {
        let rest = Rest::new(&self.url(), ADMIN_KEY);
        let rooms = rest
            .get("/collaboration/rooms?type=workspace&limit=50")
            .await;
        let rooms = rooms.expect(200);
        let mut stalled = Vec::new();
        for _ in 0..5 {
            let mut raw = Raw::connect(self.front.address(), ADMIN_KEY)
                .await
                .expect("it connects");
            for (n, room) in (1u64..).zip(array(&rooms, "/items")) {
                let join = raw::event(n, "room:join", &json!({ "roomId": room["id"] }));
                raw.send(join).await.expect("it can send");
            }
            stalled.push(raw);
        }
        sleep(how_long).await;
    }

    /// Clients that send what no client should. Whatever becomes of their connections, nobody else notices.
    async fn garbage(&self, random: &mut Random) {
        for _ in 0..10 {
            let Ok(mut raw) = Raw::connect(self.front.address(), ADMIN_KEY).await else {
                continue;
            };
            let deep = format!(
                "42[\"message:send\",{}{}]",
                "[".repeat(5_000),
                "]".repeat(5_000)
            );
            let frames = [
                "42".to_owned(),
                "42[".to_owned(),
                "4999[\"x\"]".to_owned(),
                "452-[\"x\",{\"_placeholder\":true,\"num\":0}]".to_owned(),
                format!("42[\"message:send\",\"{}\"]", "x".repeat(900_000)),
                deep,
                "40".to_owned(),
                "6".to_owned(),
                "zzz".to_owned(),
            ];
            for _ in 0..5 {
                let n = usize::try_from(random.below(frames.len() as u64)).unwrap_or(0);
                if raw.send(frames[n].clone()).await.is_err() {
                    break;
                }
            }
            let _ = raw.send_binary(vec![0xff; 1_000]).await;
            let flood = (0..2_000u64)
                .map(|n| raw::event(n, "presence:list", &json!({})))
                .collect();
            let _ = raw.send_together(flood).await;
        }
    }
}

/// A process of three steps, one of which a person approves.
fn process(team: &str, n: usize) -> Value {
    let step = |key: &str, after: &[&str], more: Value| {
        let mut step = json!({
            "key": key, "name": key, "description": "", "requiredCapabilities": ["work"], "dependencies": after,
            "maxLostLeases": 50, "maxAttempts": 50,
        });
        if let (Some(step), Some(more)) = (step.as_object_mut(), more.as_object()) {
            step.extend(more.clone());
        }
        step
    };
    let steps = json!([
        step("a", &[], json!({})),
        step("b", &["a"], json!({ "requiresApproval": true })),
        step("c", &["b"], json!({})),
    ]);
    json!({ "name": format!("Chaos {n}"), "teamId": team, "steps": steps })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn nothing_is_lost_or_doubled_whatever_goes_wrong() {
    let mut random = tests::crash::random("BATON_CHAOS_SEED");
    let mut world = World::start().await;
    let scale = &world.scale;
    let mut load = Load::start(&world.url(), scale.rooms, scale.posters, scale.pace).await;
    load.decide(world.nodes.iter().map(Server::url).collect());
    // What the hub does when nothing is wrong is what it must come back to. The first seconds are for warming up.
    sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let usual = load.acked_since(began).len() as f64 / began.elapsed().as_secs_f64();
    println!("{usual:.0} posts a second are acknowledged when nothing is wrong");
    let mut beyond = Vec::new();

    let names: Option<String> = setting("BATON_CHAOS_FAULTS");
    let chosen: Vec<_> = FAULTS
        .iter()
        .filter(|(name, _)| {
            names
                .as_ref()
                .is_none_or(|n| n.split(',').any(|n| n == *name))
        })
        .collect();
    let mut processes = Vec::new();
    println!(
        "fault              no ack for   no event for   full speed after   last ack seen by all after"
    );
    for round in 0..setting("BATON_CHAOS_ROUNDS").unwrap_or(1) {
        for (name, fault) in &chosen {
            world.contested = load.contested();
            for _ in 0..AT_A_TIME {
                let body = process(&world.team, processes.len());
                processes.push(text(
                    &persist(&world.url(), "/processes", &body).await,
                    "/id",
                ));
            }
            let from = Instant::now();
            world.suffer(*fault, &load, &mut random, round).await;
            let mended = Instant::now();
            let back = loop {
                if let Some(back) = load.back_at(mended, usual * 0.8) {
                    break back;
                }
                assert!(
                    mended.elapsed() < SOON,
                    "{name}: the speed does not come back"
                );
                sleep(Duration::from_millis(100)).await;
            };
            let (acks, events) = load.longest_stall(from, Instant::now());
            // Some silence, to see that the last word before it arrives too.
            load.hush(SOON).await;
            let settled = load.settle(SOON).await;
            load.speak();
            println!("{name:<18} {acks:>9.1?} {events:>13.1?} {back:>16.1?} {settled:>20.1?}");
            let cost = Cost {
                acks,
                events,
                back,
                settled,
            };
            beyond.extend(cost.beyond(*fault).map(|what| format!("{name}: {what}")));
        }
    }

    load.hush(SOON).await;
    load.settle(SOON).await;
    let rest = Rest::new(&world.url(), ADMIN_KEY);
    let began = Instant::now();
    for id in &processes {
        loop {
            let body = rest.get(&format!("/processes/{id}")).await.expect(200);
            if body["status"] == "completed" {
                break;
            }
            assert!(
                began.elapsed() < SOON * 4,
                "a process does not end: {body:#}"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
    let (posts, decisions) = load.check();
    let verified = world.nodes[0].command(&["verify"]).await;
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "baton verify: {said}");
    println!(
        "{posts} posts acknowledged, 0 lost, 0 doubled; {} processes completed; {decisions} decisions, none twice, \
         {} of them between two answers at once; verify: {}",
        processes.len(),
        load.contested(),
        said.trim()
    );
    assert!(!world.scale.strict || beyond.is_empty(), "{beyond:#?}");
}
