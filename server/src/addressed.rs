//! What a committed event tells to which agent (`work.*`). That an agent has it, the state says; until then [`crate::agents`] sends it
//! again.

use rooms::event::{AttemptChange, Event, EventBody, HandoffChange, InterventionChange};
use rooms::id::{AgentId, WorkspaceId};
use rooms::model::access::PrincipalKind;
use rooms::model::attempt::AttemptStatus;
use rooms::model::handoff::{HandoffKind, HandoffStatus};
use rooms::state::{ProcessState, State};
use rooms::view;
use serde_json::{Value, json};

use crate::agents::Agents;
use crate::hub::Logged;

/// Tells agents what has just been committed for them.
pub fn tell(agents: &Agents, events: &[Logged], state: &State) {
    let Some(process) = &state.process else {
        return;
    };
    let telling = Telling {
        agents,
        space: &process.process.workspace_id,
        process,
    };
    let own = events.iter().map(|e| &e.event);
    for event in own.filter(|e| e.origin.is_none()) {
        telling.of(event);
    }
}

struct Telling<'a> {
    agents: &'a Agents,
    space: &'a WorkspaceId,
    process: &'a ProcessState,
}

impl Telling<'_> {
    fn of(&self, event: &Event) {
        use EventBody as E;
        match &event.body {
            E::AssignmentOffered(offer) => {
                let attempt = self.process.attempts.get(&offer.attempt.id);
                if attempt.is_some_and(|a| a.status == AttemptStatus::Offered) {
                    self.offer(&offer.attempt);
                }
            }
            E::AssignmentCancelled(c) | E::AssignmentExpired(c) => self.taken(c),
            // An agent that suspended its step knows it.
            E::AssignmentSuspended(c) if event.actor.kind != PrincipalKind::Agent => self.taken(c),
            E::InterventionCompleted(c) | E::InterventionExpired(c) => self.answered(c),
            E::InterventionCancelled(c) if event.actor.kind != PrincipalKind::Agent => {
                self.answered(c);
            }
            E::HandoffRequested(c) => {
                let data = json!({"handoff": view::received(&c.handoff)});
                for agent in c.handoff.asked() {
                    self.send(agent, "work.handoff_requested", &data);
                }
            }
            E::HandoffAccepted(c)
            | E::HandoffRejected(c)
            | E::HandoffExpired(c)
            | E::HandoffCancelled(c)
            | E::HandoffCompleted(c)
            | E::HandoffFailed(c) => {
                self.resolved(c);
                if let Some(attempt) = &c.attempt
                    && event.actor.kind != PrincipalKind::Agent
                {
                    // A person accepted for the agent: it has the lease, and does not know.
                    self.offer(attempt);
                }
            }
            E::CommunicationSent(sent) => {
                let data = json!({"communication": sent});
                self.send(&sent.to_agent_id, "work.message", &data);
            }
            E::CommunicationResponded(c) => {
                let data = json!({"communication": {
                    "id": c.id, "fromAgentId": c.from_agent_id, "toAgentId": c.to_agent_id, "processId": self.process.process.id,
                    "response": c.response,
                }});
                self.send(&c.from_agent_id, "work.message", &data);
            }
            E::CommunicationExpired(c) => {
                let data = json!({"communication": {
                    "id": c.id, "fromAgentId": c.from_agent_id, "toAgentId": c.to_agent_id, "processId": self.process.process.id,
                    "expired": true,
                }});
                self.send(&c.from_agent_id, "work.message", &data);
            }
            _ => {}
        }
    }

    fn send(&self, agent: &AgentId, name: &'static str, data: &Value) {
        self.agents.send(self.space, agent, None, name, data, None);
    }

    fn offer(&self, attempt: &rooms::model::attempt::Attempt) {
        let data = view::work(self.process, attempt.id);
        self.agents.send(
            self.space,
            &attempt.agent_id,
            attempt.instance_id.as_ref(),
            "work.offered",
            &data,
            None,
        );
    }

    fn taken(&self, c: &AttemptChange) {
        let reason = c.reason.as_deref();
        let reason = reason.unwrap_or("the lease or the offer ran out");
        let data = json!({"attemptId": c.id, "stepId": c.step_id, "reason": reason});
        self.send(&c.agent_id, "work.cancelled", &data);
    }

    /// Whoever holds the step now learns what became of the question: the answer, or that there is none.
    fn answered(&self, c: &InterventionChange) {
        let Some(i) = self.process.interventions.get(&c.id) else {
            return;
        };
        let step = i.step_id.and_then(|id| self.process.step(id));
        let Some(attempt) = step.and_then(|s| self.process.live_attempt(s)) else {
            return;
        };
        let data = json!({"intervention": **i, "response": i.response, "attemptId": attempt.id});
        self.agents.send(
            self.space,
            &attempt.agent_id,
            attempt.instance_id.as_ref(),
            "work.answered",
            &data,
            Some(c.id),
        );
    }

    /// The sender, whoever holds its step now, and those who were asked and did not get it.
    fn resolved(&self, c: &HandoffChange) {
        let Some(handoff) = self.process.handoffs.get(&c.id) else {
            return;
        };
        let mut told = vec![&handoff.from_agent_id];
        let step = self.process.step(handoff.from_step_id);
        if handoff.kind == HandoffKind::Delegate
            && let Some(holder) = step.and_then(|s| s.held_by.as_ref())
        {
            told.push(holder);
        }
        let receiver = handoff.to_agent_id.as_ref();
        match c.status {
            // One of several refused; the others are still asked.
            HandoffStatus::Pending => {}
            HandoffStatus::Accepted => {
                let asked = handoff.candidates.iter().flatten();
                told.extend(asked.filter(|a| Some(*a) != receiver));
            }
            _ => told.extend(
                receiver
                    .into_iter()
                    .chain(handoff.candidates.iter().flatten()),
            ),
        }
        let data = json!({"handoff": **handoff});
        for (n, agent) in told.iter().enumerate() {
            if !told[..n].contains(agent) {
                self.send(agent, "work.handoff_resolved", &data);
            }
        }
    }
}
