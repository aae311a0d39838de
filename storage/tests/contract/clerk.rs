//! Fills a store as a lane does, one command at a time, so that the tests read what really gets written.

use std::collections::{BTreeMap, BTreeSet};

use rooms::event::{Event, Origin};
use rooms::id::{EventId, RoomId, TeamId, WorkspaceId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::{Command, Ctx, Facts, Refusal, State, decide, needs};
use serde_json::{Value, json};
use storage::{Ahead, Store, WriteSet};
use uuid::Uuid;

/// Runs commands on a store.
pub struct Clerk {
    pub store: Store,
    pub space: WorkspaceId,
    pub space_room: RoomId,
    states: BTreeMap<RoomId, State>,
    seed: u64,
}

/// A body as a caller sends it.
pub fn body<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub fn person(space: &str, id: &str) -> Principal {
    Principal {
        kind: PrincipalKind::User,
        id: id.to_owned(),
        workspace_id: space.into(),
        permission: Permission::Admin,
        instance_id: None,
        bootstrap: false,
    }
}

pub fn agent(space: &str, id: &str) -> Principal {
    Principal {
        kind: PrincipalKind::Agent,
        instance_id: Some(format!("{id}-1").as_str().into()),
        permission: Permission::Write,
        ..person(space, id)
    }
}

/// Makes a workspace's row; false when there is one.
pub async fn make_workspace(store: &Store, id: &str, room: RoomId) -> bool {
    let mut change = store.plain_change().await.unwrap();
    let name = format!("The workspace {id}");
    let made = change
        .make_workspace(&id.into(), &name, room)
        .await
        .unwrap();
    change.commit(None, None).await.unwrap();
    made
}

impl Clerk {
    /// A workspace with its room.
    pub async fn open(store: &Store, space: &str) -> Self {
        let room = RoomId(Uuid::now_v7());
        assert!(make_workspace(store, space, room).await);
        let mut clerk = Self {
            store: store.clone(),
            space: space.into(),
            space_room: room,
            states: BTreeMap::new(),
            seed: 1,
        };
        let make = Command::CreateWorkspaceRoom {
            workspace_id: space.into(),
            room_id: room,
            name: "A workspace".to_owned(),
        };
        clerk
            .run(&Principal::system(space.into()), room, make)
            .await
            .unwrap();
        clerk
    }

    /// The state of a room, as the commands so far made it.
    pub fn state(&self, room: RoomId) -> State {
        self.states.get(&room).cloned().unwrap_or_default()
    }

    /// What a command writes when the room is in the state that the clerk knows; nothing is written.
    pub async fn prepare(
        &mut self,
        who: &Principal,
        room: RoomId,
        command: &Command,
    ) -> (WriteSet, Result<Value, Refusal>) {
        let before = self.state(room);
        let mut tx = self.store.lane_tx().await.unwrap();
        let now = tx.now().await.unwrap();
        let wanted = needs(&before, command);
        let facts = if wanted.is_empty() {
            Facts::default()
        } else {
            tx.facts(&who.workspace_id, &wanted).await.unwrap()
        };
        drop(tx);
        self.seed += 1;
        let decision = decide(&before, command, &Ctx::new(now, who, &facts, self.seed));
        let mut set = WriteSet::default();
        let process_id = decision.state.process.as_ref().map(|p| p.process.id);
        for (n, draft) in decision.events.into_iter().enumerate() {
            set.events.push(Event {
                id: EventId(Uuid::now_v7()),
                room_id: room,
                seq: before.seq + n as u64 + 1,
                body: draft.body,
                at: now,
                workspace_id: who.workspace_id.clone(),
                channel: draft.channel,
                actor: who.actor(),
                process_id,
                step_id: draft.step_id,
                causation_id: None,
                correlation_id: None,
                origin: None,
            });
        }
        let mut space = self.state(self.space_room);
        let before_space = space.clone();
        let echoes: Vec<Event> = set
            .events
            .iter()
            .filter(|e| e.body.is_echoed())
            .map(|first| {
                space.seq += 1;
                Event {
                    id: EventId(Uuid::now_v7()),
                    room_id: self.space_room,
                    seq: space.seq,
                    origin: Some(Origin {
                        room_id: room,
                        seq: first.seq,
                    }),
                    ..first.clone()
                }
            })
            .collect();
        if !echoes.is_empty() {
            set.rooms.push((before_space, space));
        }
        set.events.extend(echoes);
        if decision.state.seq != before.seq {
            set.rooms.push((before, decision.state));
        }
        set.timers = decision
            .timers
            .into_iter()
            .map(|op| (room, who.workspace_id.clone(), op))
            .collect();
        if let (Command::MarkRead(read), Ok(_)) = (command, &decision.reply) {
            set.reads.push((room, who.kind, who.id.clone(), read.seq));
        }
        (set, decision.reply)
    }

    /// Writes what [`Self::prepare`] gave.
    pub async fn write(&mut self, set: WriteSet) -> Result<(), storage::Error> {
        let mut tx = self.store.lane_tx().await?;
        tx.write(&set).await?;
        tx.commit().await?;
        for (_, after) in set.rooms {
            if let Some(room) = &after.room {
                self.states.insert(room.id, after.clone());
            }
        }
        Ok(())
    }

    /// Writes what [`Self::prepare`] gave with one statement, on Postgres; whether it took effect.
    pub async fn write_at_once(&mut self, set: WriteSet) -> bool {
        let mut tx = self.store.lane_tx().await.unwrap();
        let hooks = tx.open(Ahead::default()).await.unwrap().webhooks;
        drop(tx);
        let write = storage::batch::at_once(&self.store, &set, hooks).unwrap();
        let done = self
            .store
            .run_at_once(write.expect("it can be written so"))
            .await;
        let done = done.unwrap().is_some();
        if done {
            for (_, after) in set.rooms {
                let room = after.room.as_ref().expect("it has a room").id;
                self.states.insert(room, after);
            }
        }
        done
    }

    /// Runs a command to its end.
    pub async fn run(
        &mut self,
        who: &Principal,
        room: RoomId,
        command: Command,
    ) -> Result<Value, Refusal> {
        let (set, reply) = self.prepare(who, room, &command).await;
        self.write(set).await.unwrap();
        reply
    }

    pub async fn register(&mut self, id: &str, capabilities: &[&str], slots: u32) {
        let who = person(self.space.as_str(), "admin");
        let agent = body(
            json!({"id": id, "name": format!("Agent {id}"), "capabilities": capabilities, "slots": slots}),
        );
        self.run(&who, self.space_room, Command::RegisterAgent(agent))
            .await
            .unwrap();
    }

    pub async fn team(&mut self, name: &str, agents: &[&str]) -> TeamId {
        let id = TeamId(Uuid::now_v7());
        let members: Vec<Value> = agents
            .iter()
            .map(|a| json!({"agentId": a, "role": "specialist", "specialization": "tests"}))
            .collect();
        let team = body(json!({"name": name, "agents": members}));
        let who = person(self.space.as_str(), "admin");
        self.run(
            &who,
            RoomId(id.0),
            Command::CreateTeam { team_id: id, team },
        )
        .await
        .unwrap();
        id
    }

    /// Starts a process; its room.
    pub async fn process(&mut self, name: &str, team: TeamId, steps: Value, more: Value) -> RoomId {
        let room = RoomId(Uuid::now_v7());
        let mut start = json!({"name": name, "teamId": team, "steps": steps});
        for (key, value) in more.as_object().unwrap() {
            start[key] = value.clone();
        }
        let command = Command::StartProcess {
            process_id: room.0.into(),
            process: Box::new(body(start)),
        };
        let who = person(self.space.as_str(), "admin");
        self.run(&who, room, command).await.unwrap();
        room
    }

    /// Lets an agent claim a step; the attempt's id and epoch.
    pub async fn claim(&mut self, room: RoomId, key: &str, by: &str) -> (Uuid, u64) {
        let who = agent(self.space.as_str(), by);
        let step = self
            .state(room)
            .process
            .unwrap()
            .step_named(key)
            .unwrap()
            .id;
        let command = Command::Offer {
            step_id: step,
            agent_id: by.into(),
            instance_id: who.instance_id.clone(),
            claim: true,
        };
        let work = self.run(&who, room, command).await.unwrap();
        let id = work["attempt"]["id"].as_str().unwrap().parse().unwrap();
        (id, work["attempt"]["epoch"].as_u64().unwrap())
    }

    pub async fn ask(
        &mut self,
        room: RoomId,
        by: &str,
        attempt: (Uuid, u64),
        question: Value,
    ) -> Value {
        let mut question = question;
        question["epoch"] = attempt.1.into();
        let command = Command::RequestIntervention {
            attempt_id: Some(attempt.0.into()),
            question: Box::new(body(question)),
        };
        let who = agent(self.space.as_str(), by);
        self.run(&who, room, command).await.unwrap()["intervention"].clone()
    }

    pub async fn verified(&self) {
        let report = self.store.verify().await.unwrap();
        assert!(report.problems.is_empty(), "{:#?}", report.problems);
        assert!(report.events > 0);
        let spaces: BTreeSet<_> = self
            .store
            .workspaces()
            .await
            .unwrap()
            .into_iter()
            .map(|w| w.id)
            .collect();
        assert!(spaces.contains(&self.space));
    }
}
