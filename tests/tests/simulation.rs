//! The random workspaces of `tests/simulation/`, against the real server: the same choices, sent by real clients, several at once. The room's
//! own logs say what became of them, and everything is checked in them that must always hold.
//!
//! `BATON_SIMULATION_SEED` takes another seed, `BATON_SIMULATION_TELL` prints each refusal. Callers race, so a seed is a beginning, not a
//! recording.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use baton::client::{Client, ClientOptions, CommandError};
use futures::future::join_all;
use rooms::event::{Event, EventBody};
use rooms::id::{AgentId, RoomId};
use rooms::invariants::{self, Witness};
use rooms::model::access::PrincipalKind;
use serde_json::{Value, json};
use simulation::drain::{VOTERS, good_moves};
use simulation::generate::{Act, next};
use simulation::process::AGENTS;
use simulation::{Call, Random, World};
use tests::rest::Rest;
use tests::wire::{Wire, wire};
use tests::{Database, Hub, SOON, array, check, on_both_databases, text};
use tokio::time::{Duration, Instant, sleep};

/// Random moves of a run, before everybody behaves.
const MOVES: u64 = 250;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// One who asks: over REST and over a socket.
struct Party {
    rest: Rest,
    client: Client,
}

/// A server, everybody who speaks to it, and what its logs say.
struct Stage {
    hub: Hub,
    parties: BTreeMap<(PrincipalKind, String), Party>,
    world: World,
    witnesses: BTreeMap<RoomId, Witness>,
    /// Agents that were ever removed, by the logs.
    removed: BTreeSet<AgentId>,
    /// Agents whose connection was ended since the logs were read.
    cut_off: Mutex<Vec<AgentId>>,
    refused: u64,
    accepted: u64,
}

impl Stage {
    async fn start(database: Database, seed: u64) -> Self {
        let hub = Hub::start(database).await;
        let mut stage = Self {
            world: World::new("default", seed),
            hub,
            parties: BTreeMap::new(),
            witnesses: BTreeMap::new(),
            removed: BTreeSet::new(),
            cut_off: Mutex::default(),
            refused: 0,
            accepted: 0,
        };
        let spaces = stage
            .hub
            .admin
            .get("!/api/orchestration/workspaces")
            .await
            .expect(200);
        let room = text(&array(&spaces, "/items")[0], "/roomId");
        stage.world.space_room = room.parse().expect("an id");
        stage.world.states.clear();
        for agent in AGENTS {
            stage.enter(PrincipalKind::Agent, agent, "write").await;
        }
        for (kind, id, permission) in [
            (PrincipalKind::User, "wendy", "write"),
            (PrincipalKind::User, "will", "write"),
            (PrincipalKind::User, "rita", "read"),
            (PrincipalKind::Service, "backend", "write"),
        ] {
            stage.enter(kind, id, permission).await;
        }
        for voter in VOTERS {
            stage.enter(PrincipalKind::User, voter, "admin").await;
        }
        stage
    }

    async fn enter(&mut self, kind: PrincipalKind, id: &str, permission: &str) {
        let principal = format!("{}:{id}", kind.as_str());
        let made = self
            .hub
            .server
            .command(&[
                "keys",
                "create",
                "--workspace",
                "default",
                "--principal",
                &principal,
                "--permission",
                permission,
                "--json",
            ])
            .await;
        let made: Value =
            serde_json::from_slice(&made.stdout).expect("`keys create --json` prints JSON");
        let key = text(&made, "/key");
        let options = ClientOptions {
            url: self.hub.server.url(),
            auth: json!({ "token": key, "instanceId": format!("{id}-1") }),
            reconnect: true,
        };
        let client = Client::connect(options).await.expect("a party connects");
        if let Some(mut incoming) = client.take_incoming() {
            // Nobody reads along: the logs say all. Who asks for an ack gets none, as from an agent that is too busy.
            tokio::spawn(async move { while incoming.recv().await.is_some() {} });
        }
        let party = Party {
            rest: Rest::new(&self.hub.server.url(), &key),
            client,
        };
        self.parties.insert((kind, id.to_owned()), party);
    }

    /// Sends a command as its caller; whether it was accepted. None: nobody outside can ask for it.
    async fn send(&self, call: &Call) -> Option<Result<(), Value>> {
        let party = self.parties.get(&(call.who.kind, call.who.id.clone()))?;
        match wire(call.room, &call.command)? {
            Wire::Socket(name, payload) => {
                match party.client.command(name, payload.clone()).await {
                    Ok(_) => Some(Ok(())),
                    Err(CommandError::Refused(problem)) => Some(Err(problem)),
                    // Who was removed has lost its key, and so its connection; the logs must say so.
                    Err(CommandError::Closed) if call.who.kind == PrincipalKind::Agent => {
                        let agent = call.who.id.as_str().into();
                        self.cut_off.lock().expect("a lock").push(agent);
                        Some(Err(
                            json!({ "code": "closed", "detail": "the connection was ended" }),
                        ))
                    }
                    Err(other) => panic!("{name} {payload:#} got no answer: {other}"),
                }
            }
            Wire::Rest(method, path, body) => {
                let answer = party
                    .rest
                    .send(party.rest.request(method, &path).json(&body))
                    .await;
                Some(if answer.status < 300 {
                    Ok(())
                } else {
                    Err(answer.body)
                })
            }
        }
    }

    /// Sends several at once.
    async fn send_all(&mut self, calls: &[Call]) {
        let answers = join_all(calls.iter().map(|call| self.send(call))).await;
        for (call, answer) in calls.iter().zip(answers) {
            match answer {
                Some(Ok(())) => self.accepted += 1,
                Some(Err(problem)) => {
                    self.refused += 1;
                    if std::env::var_os("BATON_SIMULATION_TELL").is_some() {
                        println!(
                            "{:?}: {}",
                            simulation::Kind::of(&call.command),
                            problem["detail"]
                        );
                    }
                    assert_ne!(problem["code"], "internal", "{call:?}: {problem:#}");
                    assert!(
                        problem["code"].is_string() && problem["detail"].is_string(),
                        "{call:?}: {problem:#}"
                    );
                }
                None => {}
            }
        }
    }

    /// Reads on in every room's log, and checks what comes.
    async fn read_on(&mut self) {
        let mut rooms = Vec::new();
        for kind in ["workspace", "team", "process"] {
            let path = format!("/collaboration/rooms?type={kind}&limit=200");
            let list = self.hub.admin.get(&path).await.expect(200);
            rooms.extend(
                array(&list, "/items")
                    .iter()
                    .map(|r| (text(r, "/id"), tests::number(r, "/head"))),
            );
        }
        for (id, head) in rooms {
            let room: RoomId = id.parse().expect("an id");
            let mut state = self.world.states.get(&room).cloned().unwrap_or_default();
            while state.seq < head {
                let path = format!(
                    "/collaboration/rooms/{id}/events?since={}&limit=200",
                    state.seq
                );
                let page = self.hub.admin.get(&path).await.expect(200);
                for item in array(&page, "/items") {
                    let event: Event = serde_json::from_value(item.clone()).expect("an event");
                    let wrong = self.witnesses.entry(room).or_default().see(&state, &event);
                    assert!(
                        wrong.is_empty(),
                        "room {room} at seq {}: {wrong:#?}",
                        event.seq
                    );
                    if let EventBody::AgentRemoved(change) = &event.body {
                        self.removed.insert(change.id.clone());
                    }
                    self.world.learn(room, event.channel, &event.body);
                    state.apply(&event);
                }
            }
            self.world.states.insert(room, state);
        }
        for agent in self.cut_off.lock().expect("a lock").drain(..) {
            assert!(
                self.removed.contains(&agent),
                "the connection of {agent} was ended, and nobody had removed it"
            );
        }
        for (room, state) in &self.world.states {
            let wrong = invariants::broken(state);
            assert!(wrong.is_empty(), "room {room}: {wrong:#?}");
        }
    }

    fn open(&self) -> Vec<RoomId> {
        let open = |s: &rooms::State| {
            s.process
                .as_ref()
                .is_some_and(|p| !p.process.status.is_terminal())
        };
        self.world
            .states
            .iter()
            .filter(|(_, s)| open(s))
            .map(|(room, _)| *room)
            .collect()
    }

    /// However long it takes: on a busy machine the server may ask to come back. One that was removed comes back; one that is there is left as it is.
    async fn everybody_is_there(&mut self) {
        let deadline = Instant::now() + SOON;
        for agent in AGENTS {
            let new = json!({ "id": agent, "name": agent });
            let all = json!({ "slots": 3, "capabilities": ["dig", "sing", "count", "rest"] });
            let ready = json!({ "instanceId": format!("{agent}-1") });
            let path = format!("/agents/{agent}");
            loop {
                let _ = self.hub.admin.post("/agents", &new).await;
                let told = self.hub.admin.put(&path, &all).await;
                let client = &self.parties[&(PrincipalKind::Agent, agent.to_owned())].client;
                let is_ready = client.command("agent:ready", ready.clone()).await;
                if told.status == 200 && is_ready.is_ok() {
                    break;
                }
                assert!(Instant::now() < deadline, "{told:?}, {is_ready:?}");
                if let Err(CommandError::Closed) = is_ready {
                    // Its key went with it when it was removed.
                    self.enter(PrincipalKind::Agent, agent, "write").await;
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    async fn everybody_behaves(&mut self) {
        self.everybody_is_there().await;
        let teams: Vec<_> = self.world.teams().map(|t| t.id).collect();
        for team in teams {
            let roles = ["leader", "specialist", "support"];
            let members: Vec<_> = AGENTS
                .iter()
                .enumerate()
                .map(|(n, a)| json!({ "agentId": a, "role": roles[n % 3] }))
                .collect();
            let change = json!({ "agents": members, "configuration": { "escalationRules": [], "collaborationRules": [] } });
            // One that was archived cannot be changed.
            while self
                .hub
                .admin
                .put(&format!("/teams/{team}"), &change)
                .await
                .status
                == 503
            {
                sleep(Duration::from_millis(50)).await;
            }
        }
        let deadline = Instant::now() + SOON * 3;
        loop {
            self.read_on().await;
            let open = self.open();
            if open.is_empty() {
                return;
            }
            if Instant::now() > deadline {
                // What nobody can ever work on: its team was archived with other members.
                for room in &open {
                    let archived = self.world.states[room].process.as_ref().is_some_and(|p| {
                        self.world
                            .teams()
                            .any(|t| t.id == p.process.team_id && t.status.as_str() == "archived")
                    });
                    assert!(
                        archived,
                        "everybody behaves, and this does not end: {:#?}",
                        self.world.states[room]
                    );
                    let _ = self
                        .hub
                        .admin
                        .put(
                            &format!("/processes/{room}"),
                            &json!({ "action": "cancel" }),
                        )
                        .await
                        .expect(200);
                }
            }
            let moves: Vec<Call> = open
                .iter()
                .flat_map(|room| good_moves(&self.world, *room))
                .collect();
            self.send_all(&moves).await;
            sleep(Duration::from_millis(50)).await;
        }
    }
}

on_both_databases! {
    async fn everything_that_must_hold_holds_on_the_real_server(database: Database) {
        let seed = number("BATON_SIMULATION_SEED").unwrap_or(101);
        println!("BATON_SIMULATION_SEED={seed}");
        let mut stage = Stage::start(database, seed).await;
        stage.everybody_is_there().await;
        let mut random = Random::new(seed);
        stage.read_on().await;
        let mut moves = 0;
        while moves < MOVES {
            stage.world.now = rooms::Timestamp(stage.world.now.0 + 1);
            for agent in AGENTS {
                stage.world.online.entry(agent.into()).or_insert_with(|| format!("{agent}-1").as_str().into());
            }
            let mut calls = Vec::new();
            for _ in 0..=random.below(4) {
                moves += 1;
                match next(&mut stage.world, &mut random) {
                    Act::Call(call) => {
                        // Now and then twice: its first answer was lost.
                        if random.chance(5) {
                            calls.push((*call).clone());
                        }
                        calls.push(*call);
                    }
                    Act::Wait { ms, .. } => sleep(Duration::from_millis(ms.min(300))).await,
                    // The server dispatches, and fires its timers, by itself.
                    Act::Dispatch => sleep(Duration::from_millis(5)).await,
                    Act::Connect(..) => stage.everybody_is_there().await,
                    Act::Crash(_) => {}
                }
            }
            stage.send_all(&calls).await;
            stage.read_on().await;
        }
        stage.everybody_behaves().await;
        println!("{} commands accepted, {} refused", stage.accepted, stage.refused);
        assert!(stage.accepted >= 10, "hardly anything happened");
        check::verify(&stage.hub).await;
        let log = stage.hub.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}
