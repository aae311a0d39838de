//! One process in memory: commands go through `decide` with a clock of the test's own, and timers fire when it passes.

use std::collections::BTreeMap;

use rooms::command::Timer;
use rooms::decide::Draft;
use rooms::id::{AgentId, AttemptId, HandoffId, InterventionId, ProcessId, TeamId, WorkspaceId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::agent::{Agent, AgentSource, AgentStatus};
use rooms::model::attempt::AttemptStatus;
use rooms::model::step::ProcessStep;
use rooms::state::ProcessState;
use rooms::{Code, Command, Ctx, Facts, Refusal, State, TimerOp, Timestamp, decide};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// The agents of the team.
pub const AGENTS: [&str; 4] = ["ada", "bob", "cyd", "dan"];

/// A process, and all that a decision about it needs.
pub struct World {
    pub state: State,
    pub facts: Facts,
    pub now: Timestamp,
    /// What has happened, in order.
    pub log: Vec<Draft>,
    timers: BTreeMap<String, (Timer, Timestamp)>,
    seed: u64,
}

/// A request as a caller would send it.
pub fn request<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).expect("a well-formed request")
}

pub fn agent(id: &str) -> Principal {
    principal(PrincipalKind::Agent, id, Permission::Write)
}

pub fn person(id: &str) -> Principal {
    principal(PrincipalKind::User, id, Permission::Write)
}

pub fn admin() -> Principal {
    principal(PrincipalKind::User, "admin", Permission::Admin)
}

pub fn principal(kind: PrincipalKind, id: &str, permission: Permission) -> Principal {
    Principal {
        kind,
        id: id.to_owned(),
        workspace_id: WorkspaceId::from("w"),
        permission,
        instance_id: None,
        bootstrap: false,
    }
}

impl World {
    /// A running process of a team of four, with these steps and this configuration of the team.
    pub fn new(steps: Value, configuration: Value) -> Self {
        let mut facts = Facts::default();
        for id in AGENTS {
            facts.agents.insert(AgentId::from(id), registered(id));
        }
        let mut team = Self::empty(facts);
        let team_id = TeamId(Uuid::from_u128(1));
        let members: Vec<_> = AGENTS
            .iter()
            .map(|id| json!({"agentId": id, "role": "specialist"}))
            .collect();
        let command = Command::CreateTeam {
            team_id,
            team: request(
                json!({"name": "Team", "agents": members, "configuration": configuration}),
            ),
        };
        team.run(&admin(), command).expect("a team");
        let mut world = Self::empty(team.facts);
        let command = Command::StartProcess {
            process_id: ProcessId(Uuid::from_u128(2)),
            process: Box::new(request(
                json!({"name": "Process", "teamId": team_id, "steps": steps}),
            )),
        };
        world.run(&admin(), command).expect("a process");
        world
    }

    /// One step that `ada` holds.
    pub fn held(configuration: Value) -> (Self, AttemptId) {
        let mut world = Self::new(json!([{"key": "write", "name": "Write"}]), configuration);
        let attempt = world.take("write", "ada");
        (world, attempt)
    }

    fn empty(facts: Facts) -> Self {
        Self {
            state: State::default(),
            facts,
            now: Timestamp(1_700_000_000_000_000),
            log: Vec::new(),
            timers: BTreeMap::new(),
            seed: 1,
        }
    }

    /// Runs a command.
    pub fn run(&mut self, who: &Principal, command: Command) -> Result<Value, Refusal> {
        self.seed += 1;
        self.now.0 += 1;
        let decision = {
            let ctx = Ctx::new(self.now, who, &self.facts, self.seed);
            decide(&self.state, &command, &ctx)
        };
        self.state = decision.state;
        let team = self.state.process.as_ref().map(|p| p.process.team_id);
        for draft in decision.events {
            let room = self.state.room.as_ref().map(|r| r.id);
            self.facts.absorb(room, team, &draft.body);
            self.log.push(draft);
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
        decision.reply
    }

    /// A command that must be refused with this code.
    #[track_caller]
    pub fn refused(&mut self, who: &Principal, command: Command, code: Code) -> Refusal {
        let before = self.log.len();
        let refusal = self.run(who, command).expect_err("is refused");
        assert_eq!(refusal.code, code, "{}", refusal.detail);
        let late = self.log[before..]
            .iter()
            .all(|d| d.body.name() == "intervention.late_reply");
        assert!(late, "a refused command changes nothing");
        refusal
    }

    /// Lets time pass; what is due fires in order.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some((key, due)) = self
            .timers
            .iter()
            .map(|(key, (_, due))| (key.clone(), *due))
            .filter(|(_, due)| *due <= end)
            .min_by_key(|(key, due)| (*due, key.clone()))
        {
            let Some((timer, _)) = self.timers.remove(&key) else {
                break;
            };
            self.now = self.now.max(due);
            let system = Principal::system(WorkspaceId::from("w"));
            // A timer whose meaning has passed is refused, and gone.
            let _ = self.run(&system, Command::Timer { timer, due });
        }
        self.now = self.now.max(end);
    }

    /// Offers a step to an agent, which takes it.
    #[track_caller]
    pub fn take(&mut self, key: &str, who: &str) -> AttemptId {
        let offer = Command::Offer {
            step_id: self.step(key).id,
            agent_id: AgentId::from(who),
            instance_id: None,
            claim: true,
        };
        self.run(&agent(who), offer).expect("the step is taken");
        self.attempt(key)
    }

    pub fn process(&self) -> &ProcessState {
        self.state.process.as_ref().expect("a process")
    }

    #[track_caller]
    pub fn step(&self, key: &str) -> &ProcessStep {
        self.process().step_named(key).expect("a step of this key")
    }

    /// The live attempt of a step.
    #[track_caller]
    pub fn attempt(&self, key: &str) -> AttemptId {
        self.step(key).current_attempt.expect("a live attempt")
    }

    pub fn attempt_status(&self, id: AttemptId) -> AttemptStatus {
        self.process().attempts.get(&id).expect("an attempt").status
    }

    /// `{epoch}` of a live attempt, with `more` beside it, as a request.
    pub fn with_epoch<T: DeserializeOwned>(&self, attempt: AttemptId, mut more: Value) -> T {
        let epoch = self.process().attempts.get(&attempt).map(|a| a.epoch);
        more["epoch"] = json!(epoch);
        request(more)
    }

    /// `phase` of a step, as the wire spells it; its status once it has ended.
    pub fn phase(&self, key: &str) -> &'static str {
        let step = self.step(key);
        step.phase.map_or(step.status.as_str(), |p| p.as_str())
    }

    pub fn complete(&mut self, attempt: AttemptId, outputs: Value) -> Result<Value, Refusal> {
        let who = self.holder(attempt);
        let result = self.with_epoch(attempt, json!({"outputs": outputs}));
        self.run(
            &who,
            Command::Complete {
                attempt_id: attempt,
                result,
            },
        )
    }

    pub fn fail(&mut self, attempt: AttemptId, retryable: bool) -> Result<Value, Refusal> {
        let who = self.holder(attempt);
        let error = json!({"code": "broken", "message": "it broke", "retryable": retryable});
        let failure = self.with_epoch(attempt, json!({"error": error}));
        self.run(
            &who,
            Command::Fail {
                attempt_id: attempt,
                failure,
            },
        )
    }

    pub fn heartbeat(&mut self, attempt: AttemptId) {
        let who = self.holder(attempt);
        let lease = self.with_epoch(attempt, json!({}));
        self.run(
            &who,
            Command::Heartbeat {
                attempt_id: attempt,
                lease,
            },
        )
        .expect("the lease holds");
    }

    /// The agent of an attempt, as a caller.
    pub fn holder(&self, attempt: AttemptId) -> Principal {
        let attempt = self.process().attempts.get(&attempt).expect("an attempt");
        agent(attempt.agent_id.as_str())
    }

    /// How often this happened.
    pub fn count(&self, name: &str) -> usize {
        self.log.iter().filter(|d| d.body.name() == name).count()
    }

    /// A handoff of a held step.
    pub fn hand(&mut self, attempt: AttemptId, ask: Value) -> Result<HandoffId, Refusal> {
        let who = self.holder(attempt);
        let handoff = Box::new(self.with_epoch(attempt, ask));
        let command = Command::RequestHandoff {
            attempt_id: Some(attempt),
            handoff,
        };
        let reply = self.run(&who, command)?;
        Ok(request(reply["handoff"]["id"].clone()))
    }

    pub fn handoff(&self, id: HandoffId) -> &rooms::model::handoff::AgentHandoff {
        self.process().handoffs.get(&id).expect("a handoff")
    }

    pub fn accept(&mut self, who: &str, id: HandoffId) -> Result<Value, Refusal> {
        self.run(&agent(who), Command::AcceptHandoff { handoff_id: id })
    }

    /// A question of the agent that holds the step.
    pub fn ask(&mut self, attempt: AttemptId, question: Value) -> Result<InterventionId, Refusal> {
        let who = self.holder(attempt);
        let question = Box::new(self.with_epoch(attempt, question));
        let command = Command::RequestIntervention {
            attempt_id: Some(attempt),
            question,
        };
        let reply = self.run(&who, command)?;
        Ok(request(reply["intervention"]["id"].clone()))
    }

    pub fn question(&self, id: InterventionId) -> &rooms::model::intervention::HumanIntervention {
        self.process().interventions.get(&id).expect("a question")
    }

    pub fn answer(
        &mut self,
        who: &Principal,
        id: InterventionId,
        reply: Value,
    ) -> Result<Value, Refusal> {
        self.run(who, respond(id, reply))
    }
}

/// A reply, as a command.
pub fn respond(id: InterventionId, reply: Value) -> Command {
    Command::RespondIntervention {
        intervention_id: id,
        reply: Box::new(request(reply)),
    }
}

fn registered(id: &str) -> Agent {
    Agent {
        id: AgentId::from(id),
        name: id.to_owned(),
        description: String::new(),
        capabilities: Vec::new(),
        slots: 2,
        status: AgentStatus::Offline,
        source: AgentSource::Native,
        metadata: serde_json::Map::new(),
        archived: false,
        provisional: false,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}
