//! What agents and people do about an attempt, a handoff or a question that is named by its id; each may be refused.

use rooms::id::{AgentId, AttemptId, HandoffId, InterventionId};
use rooms::model::access::Principal;
use rooms::model::attempt::AttemptStatus;
use rooms::{Code, Command, Refusal};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{World, agent, request};

/// The agents of [`World::of_four`].
pub const AGENTS: [&str; 4] = ["ada", "bob", "cyd", "dan"];

impl World {
    /// A running process of a team of four, who have two slots each, with these steps and this configuration of the team.
    pub fn of_four(steps: Value, configuration: Value) -> Self {
        let mut world = Self::new(&AGENTS, &configuration);
        for agent in world.facts.agents.values_mut() {
            agent.slots = 2;
        }
        world.start(steps, json!({})).expect("a process");
        world
    }

    /// One step that `ada` holds.
    pub fn holding(configuration: Value) -> (Self, AttemptId) {
        let mut world = Self::of_four(json!([{"key": "write", "name": "Write"}]), configuration);
        let attempt = world.hold("write", "ada");
        (world, attempt)
    }

    /// A command that must be refused with this code.
    #[track_caller]
    pub fn refused(&mut self, who: &Principal, command: Command, code: Code) -> Refusal {
        let before = self.events.len();
        let refusal = self.run(who, command).expect_err("is refused");
        assert_eq!(refusal.code, code, "{}", refusal.detail);
        let late = self.events[before..]
            .iter()
            .all(|body| body.name() == "intervention.late_reply");
        assert!(late, "a refused command changes nothing");
        refusal
    }

    /// Offers a step to an agent, which takes it.
    #[track_caller]
    pub fn hold(&mut self, key: &str, who: &str) -> AttemptId {
        let offer = Command::Offer {
            step_id: self.step(key).id,
            agent_id: AgentId::from(who),
            instance_id: None,
            claim: true,
        };
        self.run(&agent(who), offer).expect("the step is taken");
        self.held(key)
    }

    /// The live attempt of a step.
    #[track_caller]
    pub fn held(&self, key: &str) -> AttemptId {
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

    pub fn report(&mut self, attempt: AttemptId, outputs: Value) -> Result<Value, Refusal> {
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

    pub fn report_failure(
        &mut self,
        attempt: AttemptId,
        retryable: bool,
    ) -> Result<Value, Refusal> {
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
    pub fn ask_by(
        &mut self,
        attempt: AttemptId,
        question: Value,
    ) -> Result<InterventionId, Refusal> {
        let who = self.holder(attempt);
        let question = Box::new(self.with_epoch(attempt, question));
        let command = Command::RequestIntervention {
            attempt_id: Some(attempt),
            question,
        };
        let reply = self.run(&who, command)?;
        Ok(request(reply["intervention"]["id"].clone()))
    }

    pub fn intervention(
        &self,
        id: InterventionId,
    ) -> &rooms::model::intervention::HumanIntervention {
        self.process().interventions.get(&id).expect("a question")
    }

    pub fn reply_as(
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
