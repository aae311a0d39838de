//! One process in memory, with its team, its agents and a clock that only the test moves: commands go through `decide`, timers fire when the
//! clock passes them, and what happened is folded a second time to see that the log alone gives the same state.

#![expect(dead_code, reason = "each test file uses a part of it")]

pub mod by_attempt;
mod by_key;
pub mod table;

use std::collections::BTreeMap;

use rooms::command::Timer;
use rooms::id::{ProcessId, TeamId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::agent::Agent;
use rooms::model::step::{ProcessStep, StepPhase, StepStatus};
use rooms::request as r;
use rooms::state::ProcessState;
use rooms::{
    Command, Ctx, EventBody, Facts, Refusal, State, TimerOp, Timestamp, decide, invariants,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

pub struct World {
    pub now: Timestamp,
    pub state: State,
    pub facts: Facts,
    pub timers: BTreeMap<String, (Timer, Timestamp)>,
    pub events: Vec<EventBody>,
    /// Decide twice and fold the log beside it. Costs what the process is long.
    pub checked: bool,
    folded: State,
    /// Ids follow from it and from the time.
    pub seed: u64,
}

pub const START: Timestamp = Timestamp(1_800_000_000_000_000);

impl World {
    /// A team of these agents in its room, with a configuration laid over the defaults.
    pub fn of_team(agents: &[&str], configuration: &Value) -> Self {
        let mut world = Self {
            now: START,
            state: State::default(),
            facts: Facts::default(),
            timers: BTreeMap::new(),
            events: Vec::new(),
            checked: true,
            folded: State::default(),
            seed: 0,
        };
        let team: r::CreateTeam = serde_json::from_value(json!({
            "name": "Team",
            "agents": agents.iter().map(|a| json!({"agentId": a, "role": "specialist"})).collect::<Vec<_>>(),
            "configuration": configuration,
        }))
        .expect("a team");
        let team_id = TeamId(Uuid::from_u128(7));
        world
            .run(&person("admin"), Command::CreateTeam { team_id, team })
            .unwrap_or_else(|e| panic!("the team is refused: {e:?}"));
        world
    }

    /// A team of these agents, each registered with a hundred slots, and a room in which nothing has happened yet.
    pub fn new(agents: &[&str], configuration: &Value) -> Self {
        let mut world = Self::of_team(agents, configuration);
        for id in agents {
            let agent: Agent = serde_json::from_value(json!({
                "id": id, "name": id, "description": "", "capabilities": [], "slots": 100, "status": "online",
                "source": "native", "metadata": {}, "archived": false, "provisional": false,
                "createdAt": START, "updatedAt": START,
            }))
            .expect("an agent");
            world.facts.agents.insert(agent.id.clone(), agent);
        }
        world.state = State::default();
        world.folded = State::default();
        world.events.clear();
        world.timers.clear();
        world
    }

    pub fn team_id(&self) -> TeamId {
        *self.facts.teams.keys().next().expect("a team")
    }

    /// Starts a process of these steps; `more` is laid over the body.
    pub fn start(&mut self, steps: Value, more: Value) -> Result<Value, Refusal> {
        let mut body = json!({"name": "Process", "teamId": self.team_id(), "steps": steps});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let process: r::StartProcess = serde_json::from_value(body).expect("a process");
        let process_id = ProcessId(Uuid::from_u128(9));
        self.run(
            &person("admin"),
            Command::StartProcess {
                process_id,
                process: Box::new(process),
            },
        )
    }

    /// A process of these steps by one agent, started.
    pub fn running(steps: Value, more: Value) -> Self {
        Self::with(json!({}), steps, more)
    }

    /// The same with a configuration of the team.
    pub fn with(configuration: Value, steps: Value, more: Value) -> Self {
        let mut world = Self::new(&["ada", "bob", "cid"], &configuration);
        world
            .start(steps, more)
            .unwrap_or_else(|e| panic!("the process is refused: {e:?}"));
        world
    }

    pub fn run(&mut self, who: &Principal, command: Command) -> Result<Value, Refusal> {
        self.seed += 1;
        let decision = {
            let ctx = Ctx::new(self.now, who, &self.facts, self.seed);
            let again = Ctx::new(self.now, who, &self.facts, self.seed);
            let decision = decide(&self.state, &command, &ctx);
            if self.checked {
                let same = decide(&self.state, &command, &again);
                assert_eq!(decision.events, same.events, "deciding is pure");
            }
            decision
        };
        let team = decision.state.process.as_ref().map(|p| p.process.team_id);
        for draft in &decision.events {
            if self.checked {
                self.folded.apply_body(&draft.body, self.now);
                self.folded.seq += 1;
            }
            let room = self.state.room.as_ref().map(|r| r.id);
            self.facts.absorb(room, team, draft.channel, &draft.body);
            self.events.push(draft.body.clone());
        }
        self.state = decision.state;
        if self.checked {
            assert_eq!(self.folded, self.state, "the log alone gives the state");
        }
        for op in decision.timers {
            match op {
                TimerOp::Set { timer, due } => {
                    self.timers.insert(timer.key(), (timer, due));
                }
                TimerOp::Clear { key } => {
                    self.timers.remove(&key);
                }
            }
        }
        if self.checked {
            let wrong = invariants::broken(&self.state);
            assert!(wrong.is_empty(), "after {command:?}: {wrong:#?}");
            for (key, timer) in invariants::timers(&self.state) {
                let set = self.timers.get(&key).map(|(timer, _)| timer);
                assert_eq!(set, Some(&timer), "what waits has its timer");
            }
        }
        decision.reply
    }

    /// Lets time pass; what comes due on the way fires at its time, but for what is asked of other rooms.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while let Some((key, due)) = self
            .timers
            .iter()
            .map(|(key, (_, due))| (key.clone(), *due))
            .filter(|(_, due)| *due <= until)
            .filter(|(key, _)| !self.timers[key].0.is_outbound())
            .min_by_key(|(_, due)| *due)
        {
            self.now = self.now.max(due);
            let (timer, due) = self.timers.remove(&key).expect("it was there");
            let _ = self.run(&system(), Command::Timer { timer, due });
        }
        self.now = until;
    }

    pub fn process(&self) -> &ProcessState {
        self.state.process.as_ref().expect("a process")
    }

    pub fn status(&self) -> &'static str {
        self.process().process.status.as_str()
    }

    pub fn step(&self, key: &str) -> &ProcessStep {
        self.process()
            .step_named(key)
            .unwrap_or_else(|| panic!("no step {key}"))
    }

    /// `running/executing`, `completed`…
    pub fn at(&self, key: &str) -> String {
        let step = self.step(key);
        match step.phase {
            Some(phase) => format!("{}/{}", step.status.as_str(), phase.as_str()),
            None => step.status.as_str().to_owned(),
        }
    }

    /// `key=status/phase` of every step, in order.
    pub fn all(&self) -> String {
        let steps: Vec<_> = self
            .process()
            .steps
            .iter()
            .map(|s| format!("{}={}", s.key, self.at(&s.key)))
            .collect();
        steps.join(" ")
    }

    /// Names of the events so far.
    pub fn names(&self) -> Vec<String> {
        self.events.iter().map(|e| e.name().into_owned()).collect()
    }

    pub fn count(&self, name: &str) -> usize {
        self.events.iter().filter(|e| e.name() == name).count()
    }
}

pub fn person(id: &str) -> Principal {
    principal(PrincipalKind::User, id, Permission::Write)
}

pub fn agent(id: &str) -> Principal {
    principal(PrincipalKind::Agent, id, Permission::Write)
}

pub fn system() -> Principal {
    Principal::system("default".into())
}

/// Somebody who may do everything.
pub fn admin() -> Principal {
    principal(PrincipalKind::User, "admin", Permission::Admin)
}

pub fn principal(kind: PrincipalKind, id: &str, permission: Permission) -> Principal {
    Principal {
        kind,
        id: id.to_owned(),
        workspace_id: "default".into(),
        permission,
        instance_id: None,
        bootstrap: false,
    }
}

pub fn is_ready(step: &ProcessStep) -> bool {
    step.status == StepStatus::Pending && step.phase == Some(StepPhase::Ready)
}

/// A request as a caller would send it.
pub fn request<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("a well-formed request")
}
