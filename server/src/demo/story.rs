//! What happened in one process, told from the events of its room.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use serde::Serialize;
use serde_json::Value;

use super::work::text;

/// One process of the demo, from its first event to its last.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessSummary {
    /// The process.
    pub process_id: String,
    /// Its status: `completed`, `failed` or `cancelled` once it ended.
    pub status: String,
    /// Its steps, in the order in which they began.
    pub steps: Vec<StepSummary>,
    /// Its handoffs.
    pub handoffs: Vec<HandoffSummary>,
    /// What a person decided.
    pub decision: Option<Decision>,
    /// Messages between agents that were responded to.
    pub consultations: usize,
    /// Where the replies are.
    pub output: PathBuf,
    /// How many there are.
    pub replies: u64,
    /// Events in the process's room.
    pub events: u64,
    /// Why it did not complete.
    pub failure: Option<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSummary {
    #[serde(skip)]
    id: String,
    /// Its key.
    pub key: String,
    /// Its status.
    pub status: String,
    /// Who worked on it, one after another.
    pub agents: Vec<String>,
    /// From its start to its end, in milliseconds; none while it runs.
    pub duration_ms: Option<u64>,
    #[serde(skip)]
    started: Option<DateTime<FixedOffset>>,
}

/// One handoff.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandoffSummary {
    #[serde(skip)]
    id: String,
    /// Who gave.
    pub from: String,
    /// Who received.
    pub to: String,
    /// Where it stands.
    pub status: String,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Such as `approved`.
    pub outcome: String,
    /// By whom.
    pub by: String,
}

impl ProcessSummary {
    pub(super) fn new(process_id: &str, output: PathBuf) -> Self {
        Self {
            process_id: process_id.to_owned(),
            status: "pending".to_owned(),
            output,
            ..Self::default()
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed" | "cancelled")
    }

    /// Adds one event.
    pub(super) fn tell(&mut self, event: &Value) {
        self.events = event
            .get("seq")
            .and_then(Value::as_u64)
            .unwrap_or(self.events);
        let name = text(event, "/type");
        match name {
            "process.started" | "process.resumed" | "process.retried" => {
                self.status = "running".to_owned()
            }
            "process.completed" => {
                self.status = "completed".to_owned();
                // A step that failed and was retried, or was not needed, is no failure of the whole.
                self.failure = None;
            }
            "process.failed" | "process.cancelled" => {
                self.status = name.trim_start_matches("process.").to_owned();
                let why = [
                    text(event, "/data/error/message"),
                    text(event, "/data/reason"),
                ];
                if let Some(why) = why.into_iter().find(|why| !why.is_empty()) {
                    self.failure.get_or_insert_with(|| why.to_owned());
                }
            }
            "step.started" => {
                let agent = text(event, "/data/agentId").to_owned();
                let step = self.step(event);
                step.status = "running".to_owned();
                step.started = step.started.or_else(|| at(event));
                step.worked_on_by(agent);
            }
            "step.completed" | "step.failed" | "step.skipped" | "step.cancelled" => {
                let step = self.step(event);
                step.status = name.trim_start_matches("step.").to_owned();
                step.duration_ms = step.started.zip(at(event)).map(|(from, to)| {
                    u64::try_from((to - from).num_milliseconds()).unwrap_or_default()
                });
                let key = step.key.clone();
                if name == "step.failed" {
                    self.failure = Some(format!("{key}: {}", text(event, "/data/error/message")));
                } else if key == "publish" {
                    self.replies = event
                        .pointer("/data/outputs/count")
                        .and_then(Value::as_u64)
                        .unwrap_or_default();
                }
            }
            "assignment.accepted" => {
                let agent = text(event, "/data/agentId").to_owned();
                if let Some(step) = self
                    .steps
                    .iter_mut()
                    .find(|step| step.id == text(event, "/data/stepId"))
                {
                    step.worked_on_by(agent);
                }
            }
            "communication.responded" => self.consultations += 1,
            "intervention.completed" => {
                let response =
                    |field: &str| text(event, &format!("/data/response/{field}")).to_owned();
                let outcome = text(event, "/data/outcome").to_owned();
                self.decision = Some(Decision {
                    outcome,
                    by: response("providedBy"),
                });
            }
            name if name.starts_with("handoff.") => self.tell_handoff(name, event),
            _ => {}
        }
    }

    fn tell_handoff(&mut self, name: &str, event: &Value) {
        let status = match name.trim_start_matches("handoff.") {
            "requested" => "pending",
            status => status,
        };
        let id = text(event, "/data/id");
        let to = text(event, "/data/toAgentId");
        if name == "handoff.accepted"
            && let Some(step) = self
                .steps
                .iter_mut()
                .find(|step| step.id == text(event, "/data/fromStepId"))
        {
            step.worked_on_by(to.to_owned());
        }
        match self.handoffs.iter_mut().find(|handoff| handoff.id == id) {
            Some(handoff) => {
                handoff.status = status.to_owned();
                if !to.is_empty() {
                    handoff.to = to.to_owned();
                }
            }
            None => self.handoffs.push(HandoffSummary {
                id: id.to_owned(),
                from: text(event, "/data/fromAgentId").to_owned(),
                to: to.to_owned(),
                status: status.to_owned(),
            }),
        }
    }

    fn step(&mut self, event: &Value) -> &mut StepSummary {
        let id = text(event, "/data/id");
        let at = self
            .steps
            .iter()
            .position(|step| step.id == id)
            .unwrap_or_else(|| {
                self.steps.push(StepSummary {
                    id: id.to_owned(),
                    key: text(event, "/data/key").to_owned(),
                    status: String::new(),
                    agents: Vec::new(),
                    duration_ms: None,
                    started: None,
                });
                self.steps.len() - 1
            });
        &mut self.steps[at]
    }
}

impl StepSummary {
    fn worked_on_by(&mut self, agent: String) {
        if !agent.is_empty() && self.agents.last() != Some(&agent) {
            self.agents.push(agent);
        }
    }
}

fn at(event: &Value) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text(event, "/at")).ok()
}

impl fmt::Display for ProcessSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "process    {} {}", self.process_id, self.status)?;
        for step in &self.steps {
            let took = step
                .duration_ms
                .map(Duration::from_millis)
                .unwrap_or_default();
            let agents = step.agents.join(" -> ");
            writeln!(
                f,
                "step       {:<10} {:<10} {:>8.3} s  {agents}",
                step.key,
                step.status,
                took.as_secs_f64()
            )?;
        }
        for handoff in &self.handoffs {
            writeln!(
                f,
                "handoff    {} -> {} {}",
                handoff.from, handoff.to, handoff.status
            )?;
        }
        writeln!(f, "consulted  {} times", self.consultations)?;
        match &self.decision {
            Some(Decision { outcome, by }) => writeln!(f, "decision   {outcome} by {by}")?,
            None => writeln!(f, "decision   none")?,
        }
        if let Some(failure) = &self.failure {
            writeln!(f, "failure    {failure}")?;
        }
        writeln!(
            f,
            "output     {} replies in {}",
            self.replies,
            self.output.display()
        )?;
        write!(f, "events     {} in the process's room", self.events)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(events: &[(&str, Value)]) -> ProcessSummary {
        let mut summary = ProcessSummary::new("p", PathBuf::from("out.csv"));
        for (seq, (name, data)) in (1..).zip(events) {
            let at = format!("2026-03-04T08:00:{seq:02}.250000Z");
            summary.tell(&json!({"seq": seq, "type": name, "at": at, "data": data}));
        }
        summary
    }

    #[test]
    fn a_step_that_was_handed_over_names_both_agents_and_its_whole_time() {
        let summary = told(&[
            ("process.started", json!({})),
            (
                "step.started",
                json!({"id": "s", "key": "draft", "agentId": "research"}),
            ),
            (
                "handoff.requested",
                json!({"id": "h", "fromAgentId": "research", "toAgentId": "writer"}),
            ),
            (
                "handoff.accepted",
                json!({"id": "h", "fromStepId": "s", "toAgentId": "writer"}),
            ),
            (
                "intervention.completed",
                json!({"outcome": "approved", "response": {"providedBy": "user:admin"}}),
            ),
            ("step.completed", json!({"id": "s", "key": "draft"})),
            ("handoff.completed", json!({"id": "h"})),
            ("process.completed", json!({})),
        ]);
        assert!(summary.has_ended() && summary.failure.is_none());
        let step = &summary.steps[0];
        assert_eq!(
            (step.agents.join(","), step.duration_ms),
            ("research,writer".to_owned(), Some(4000))
        );
        let handoff = &summary.handoffs[0];
        assert_eq!(
            (handoff.to.as_str(), handoff.status.as_str()),
            ("writer", "completed")
        );
        assert_eq!(
            summary.decision,
            Some(Decision {
                outcome: "approved".into(),
                by: "user:admin".into()
            })
        );
        assert_eq!(summary.events, 8);
        let text = summary.to_string();
        assert!(
            text.contains("research -> writer") && text.contains("4.000 s"),
            "{text}"
        );
    }

    #[test]
    fn a_failure_is_the_steps_own_words() {
        let summary = told(&[
            (
                "step.failed",
                json!({"id": "s", "key": "draft", "error": {"message": "rejected: too long"}}),
            ),
            (
                "process.failed",
                json!({"error": {"message": "a step failed"}}),
            ),
        ]);
        assert_eq!(
            summary.failure.as_deref(),
            Some("draft: rejected: too long")
        );
        assert_eq!(summary.status, "failed");
    }
}
