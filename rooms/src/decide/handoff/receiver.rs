//! Who is asked: the agents that the sender names, or those that the team's strategy finds.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ancestors, held_before};
use crate::decide::inputs::names_of;
use crate::decide::{Decider, json as to_json};
use crate::expression;
use crate::id::AgentId;
use crate::model::handoff::HandoffKind;
use crate::model::room::ParticipantType;
use crate::model::step::ProcessStep;
use crate::model::team::{CollaborationType, HandoffStrategy};
use crate::request as r;
use crate::state::{ProcessState, State};
use crate::{Code, Refusal};

/// At most so many agents are asked at once.
const MAX_RECEIVERS: usize = 50;

/// The agents that a handoff asks, and the rule that chose them.
pub(super) struct Chosen {
    pub(super) agents: Vec<AgentId>,
    pub(super) rule: Option<String>,
}

/// Every agent that the request may come to ask: what must be known of the registry to decide it.
pub(in crate::decide) fn may_be_asked(state: &State, ask: &r::RequestHandoff) -> BTreeSet<AgentId> {
    let mut all: BTreeSet<AgentId> = named(ask).into_iter().collect();
    let Some(process) = &state.process else {
        return all;
    };
    let configuration = &process.process.configuration;
    match configuration.handoff_strategy {
        HandoffStrategy::Sequential => {}
        HandoffStrategy::Parallel if !all.is_empty() => {}
        HandoffStrategy::Parallel => {
            let participants = state.room.iter().flat_map(|room| &room.participants);
            all.extend(
                participants
                    .filter(|p| p.kind == ParticipantType::Agent)
                    .map(|p| AgentId::from(p.id.as_str())),
            );
        }
        HandoffStrategy::Conditional => all.extend(
            configuration
                .collaboration_rules
                .iter()
                .flat_map(|rule| rule.target_agents.iter().cloned()),
        ),
    }
    all
}

fn named(ask: &r::RequestHandoff) -> Vec<AgentId> {
    let mut named = Vec::new();
    for agent in ask
        .to_agent_id
        .iter()
        .chain(ask.to_agent_ids.iter().flatten())
    {
        if !named.contains(agent) {
            named.push(agent.clone());
        }
    }
    named
}

impl Decider<'_> {
    /// Where rules choose, the first that holds and names an agent that can take it; else those named, each of which must be able to;
    /// and where several are asked in parallel and none is named, every member of the team that can.
    pub(super) fn receivers(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        from: &AgentId,
        ask: &r::RequestHandoff,
    ) -> Result<Chosen, Refusal> {
        let strategy = process.process.configuration.handoff_strategy;
        let agents = named(ask);
        if agents.len() > MAX_RECEIVERS {
            return Err(Refusal::field(
                "toAgentIds",
                format!("at most {MAX_RECEIVERS} agents are asked at once"),
            ));
        }
        if strategy == HandoffStrategy::Conditional
            && let Some(chosen) = self.chosen_by_rule(process, step, from, ask)
        {
            return Ok(chosen);
        }
        if !agents.is_empty() {
            for agent in &agents {
                self.can_receive(process, step, from, agent, ask.kind)?;
            }
            return Ok(Chosen { agents, rule: None });
        }
        match strategy {
            HandoffStrategy::Sequential => Err(Refusal::field("toAgentId", "name the receiver")),
            HandoffStrategy::Conditional => Err(Refusal::field(
                "toAgentId",
                "name the receiver: no collaboration rule of the type handoff holds and names an agent that can take it",
            )),
            HandoffStrategy::Parallel => {
                let able: Vec<AgentId> = self
                    .ctx
                    .facts
                    .agents
                    .keys()
                    .filter(|a| self.can_receive(process, step, from, a, ask.kind).is_ok())
                    .take(MAX_RECEIVERS)
                    .cloned()
                    .collect();
                if able.is_empty() {
                    return Err(Refusal::new(
                        Code::Conflict,
                        "no other member of the team can take it",
                    ));
                }
                Ok(Chosen {
                    agents: able,
                    rule: None,
                })
            }
        }
    }

    fn chosen_by_rule(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        from: &AgentId,
        ask: &r::RequestHandoff,
    ) -> Option<Chosen> {
        let asked = json!({
            "fromAgentId": from, "toAgentId": ask.to_agent_id, "stepId": step.id, "reason": ask.reason, "priority": ask.priority,
            "kind": ask.kind, "context": ask.context,
        });
        let event = json!({"type": "handoff.requested", "data": asked, "step": step.key});
        let shown = to_json(step);
        let error = step.error.as_ref().map_or(Value::Null, to_json);
        let names = names_of(process, step, &error)
            .with("handoff", &asked)
            .with("event", &event)
            .with("step", &shown);
        process
            .process
            .configuration
            .collaboration_rules
            .iter()
            .filter(|rule| rule.collaboration_type == CollaborationType::Handoff)
            // A rule that cannot be evaluated here chooses nobody.
            .filter(|rule| expression::holds(&rule.trigger_condition, &names) == Ok(true))
            .find_map(|rule| {
                let agents: Vec<AgentId> = rule
                    .target_agents
                    .iter()
                    .filter(|a| self.can_receive(process, step, from, a, ask.kind).is_ok())
                    .take(MAX_RECEIVERS)
                    .cloned()
                    .collect();
                (!agents.is_empty()).then(|| Chosen {
                    agents,
                    rule: Some(rule.id.clone()),
                })
            })
    }

    /// Whether the agent can be asked: another one than the sender, registered, an active member of the team, and not one that had
    /// the step since anybody made progress.
    fn can_receive(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        from: &AgentId,
        agent: &AgentId,
        kind: HandoffKind,
    ) -> Result<(), Refusal> {
        if agent == from {
            return Err(Refusal::field(
                "toAgentId",
                "an agent cannot hand over to itself",
            ));
        }
        let (_, team) = self.taker(process, agent)?;
        if team.member(agent).is_none() {
            return Err(Refusal::field(
                "toAgentId",
                format!("{agent} is no active member of the team {:?}", team.name),
            ));
        }
        let circle = match kind {
            HandoffKind::Transfer => held_before(process, step, agent),
            HandoffKind::Delegate => {
                ancestors(process, step).any(|s| s.held_by.as_ref() == Some(agent))
            }
        };
        if circle {
            let why = match kind {
                HandoffKind::Transfer => format!(
                    "{agent} held this step and nobody made progress since: a circle; report progress first"
                ),
                HandoffKind::Delegate => {
                    format!("{agent} waits for this very work: a circle; do it, or release it")
                }
            };
            return Err(Refusal::new(Code::Conflict, why));
        }
        Ok(())
    }
}
