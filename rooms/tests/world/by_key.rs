//! What agents, people and a manager do about a step that is named by its key.

use rooms::id::{AgentId, InterventionId};
use rooms::model::attempt::Attempt;
use rooms::model::intervention::{HumanIntervention, InterventionStatus};
use rooms::{Command, Refusal, request as r};
use serde_json::{Value, json};

use super::{World, agent, person, system};

impl World {
    pub fn attempt(&self, key: &str) -> Attempt {
        let step = self.step(key);
        let live = self.process().live_attempt(step);
        (**live.unwrap_or_else(|| panic!("nobody has {key}: {}", self.all()))).clone()
    }

    pub fn offer(&mut self, key: &str, agent: &str) -> Result<Value, Refusal> {
        let step_id = self.step(key).id;
        let offer = Command::Offer {
            step_id,
            agent_id: AgentId::from(agent),
            instance_id: None,
            claim: false,
        };
        self.run(&system(), offer)
    }

    /// An agent takes a step: offered and accepted.
    pub fn take(&mut self, key: &str, agent: &str) -> Attempt {
        self.offer(key, agent)
            .unwrap_or_else(|e| panic!("{key} cannot be offered: {e:?}; {}", self.all()));
        self.take_offered(key, agent)
    }

    /// An agent accepts its offer of a step.
    pub fn take_offered(&mut self, key: &str, agent: &str) -> Attempt {
        let attempt = self.attempt(key);
        let lease = r::Lease {
            epoch: attempt.epoch,
        };
        let accept = Command::AcceptAttempt {
            attempt_id: attempt.id,
            lease,
        };
        self.run(&self::agent(agent), accept)
            .unwrap_or_else(|e| panic!("{key}: {e:?}"));
        self.attempt(key)
    }

    /// Tells that the holder lives.
    pub fn beat(&mut self, key: &str) {
        let attempt = self.attempt(key);
        let lease = r::Lease {
            epoch: attempt.epoch,
        };
        let beat = Command::Heartbeat {
            attempt_id: attempt.id,
            lease,
        };
        self.run(&agent(attempt.agent_id.as_str()), beat)
            .unwrap_or_else(|e| panic!("{key}: {e:?}"));
    }

    /// Time in which the holder of a step lives and works.
    pub fn work(&mut self, key: &str, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let part = left.min(10_000);
            self.pass(part);
            left -= part;
            if self.process().live_attempt(self.step(key)).is_some() {
                self.beat(key);
            }
        }
    }

    pub fn complete(&mut self, key: &str, outputs: Value) {
        self.try_complete(key, outputs)
            .unwrap_or_else(|e| panic!("{key}: {e:?}"));
    }

    pub fn try_complete(&mut self, key: &str, outputs: Value) -> Result<Value, Refusal> {
        let attempt = self.attempt(key);
        let result = r::Complete {
            epoch: attempt.epoch,
            outputs,
        };
        self.run(
            &agent(attempt.agent_id.as_str()),
            Command::Complete {
                attempt_id: attempt.id,
                result,
            },
        )
    }

    /// Takes a step and completes it.
    pub fn done(&mut self, key: &str, outputs: Value) {
        self.take(key, "ada");
        self.complete(key, outputs);
    }

    pub fn fail(&mut self, key: &str, error: Value) {
        let attempt = self.attempt(key);
        let failure: r::Fail =
            serde_json::from_value(json!({"epoch": attempt.epoch, "error": error}))
                .expect("a failure");
        self.run(
            &agent(attempt.agent_id.as_str()),
            Command::Fail {
                attempt_id: attempt.id,
                failure,
            },
        )
        .unwrap_or_else(|e| panic!("{key}: {e:?}"));
    }

    /// Takes a step and fails it for good.
    pub fn broken(&mut self, key: &str) {
        self.take(key, "ada");
        self.fail(
            key,
            json!({"code": "broken", "message": "it broke", "retryable": false}),
        );
    }

    /// The holder asks a human.
    pub fn ask(&mut self, key: &str, question: Value) -> InterventionId {
        let attempt = self.attempt(key);
        let mut body = json!({"epoch": attempt.epoch, "type": "input", "description": "What now?"});
        for (k, v) in question.as_object().expect("an object") {
            body[k] = v.clone();
        }
        let question: r::RequestIntervention = serde_json::from_value(body).expect("a question");
        let asked = self.run(
            &agent(attempt.agent_id.as_str()),
            Command::RequestIntervention {
                attempt_id: Some(attempt.id),
                question: Box::new(question),
            },
        );
        let asked = asked.unwrap_or_else(|e| panic!("{key}: {e:?}"));
        serde_json::from_value(asked["intervention"]["id"].clone()).expect("an id")
    }

    pub fn answer(&mut self, id: InterventionId, reply: Value) -> Result<Value, Refusal> {
        let reply: r::Respond = serde_json::from_value(reply).expect("a reply");
        self.run(
            &person("eve"),
            Command::RespondIntervention {
                intervention_id: id,
                reply: Box::new(reply),
            },
        )
    }

    /// The one open question.
    pub fn question(&self) -> HumanIntervention {
        let open: Vec<_> = self
            .process()
            .interventions
            .values()
            .filter(|i| i.status == InterventionStatus::Pending)
            .collect();
        assert_eq!(open.len(), 1, "one question is open: {open:#?}");
        (**open[0]).clone()
    }

    pub fn questions(&self) -> usize {
        self.process()
            .interventions
            .values()
            .filter(|i| i.status == InterventionStatus::Pending)
            .count()
    }

    pub fn manage(&mut self, verb: &str, why: Value) -> Result<Value, Refusal> {
        let why: r::ProcessReason = serde_json::from_value(why).expect("a reason");
        let command = match verb {
            "pause" => Command::PauseProcess(why),
            "resume" => Command::ResumeProcess(why),
            "cancel" => Command::CancelProcess(why),
            "retry" => Command::RetryProcess(why),
            other => panic!("{other}?"),
        };
        self.run(&person("admin"), command)
    }

    pub fn errors(&self, key: &str) -> String {
        self.step(key)
            .error
            .as_ref()
            .map(|e| e.code.clone())
            .unwrap_or_default()
    }
}
