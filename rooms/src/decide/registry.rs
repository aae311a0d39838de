//! The registry of agents.

use super::start::check_name;
use super::{Decider, Ruled};
use crate::event::{AgentChange, EventBody};
use crate::id::{AgentId, NAME_RULE, is_valid_name};
use crate::limits;
use crate::model::agent::{Agent, AgentSource, AgentStatus};
use crate::refusal::all_valid;
use crate::request as r;
use crate::{Code, FieldError, Refusal};

impl Decider<'_> {
    pub(super) fn register_agent(&mut self, input: &r::RegisterAgent) -> Ruled {
        let mut errors = Vec::new();
        check_name("name", &input.name, &mut |path, message| {
            errors.push(FieldError { path, message })
        });
        if input
            .id
            .as_ref()
            .is_some_and(|id| !is_valid_name(id.as_str()))
        {
            errors.push(FieldError::new("id", NAME_RULE));
        }
        check_description(&input.description, &mut errors);
        check_capabilities("capabilities", &input.capabilities, &mut errors);
        check_slots(input.slots, &mut errors);
        all_valid(errors)?;
        limits::check_metadata(&input.metadata)?;
        let id = input
            .id
            .clone()
            .unwrap_or_else(|| AgentId(self.ctx.id::<uuid::Uuid>().to_string()));
        if let Some(known) = self.ctx.facts.agents.get(&id)
            && !known.archived
            && !known.provisional
        {
            return Err(Refusal::new(
                Code::Conflict,
                format!("there is an agent {id}; change it with PUT"),
            ));
        }
        let agent = Agent {
            id,
            name: input.name.clone(),
            description: input.description.clone(),
            capabilities: input.capabilities.clone(),
            slots: input.slots.unwrap_or(1),
            status: AgentStatus::Offline,
            source: AgentSource::Native,
            metadata: input.metadata.clone(),
            archived: false,
            provisional: false,
            created_at: self.now(),
            updated_at: self.now(),
        };
        self.emit(EventBody::AgentRegistered(agent.clone()));
        Ok(super::json(&agent))
    }

    fn agent(&self, id: &AgentId) -> Result<Agent, Refusal> {
        let agent = self.ctx.facts.agents.get(id).filter(|a| !a.archived);
        Ok(agent
            .ok_or_else(|| Refusal::not_found("agent", id))?
            .clone())
    }

    pub(super) fn update_agent(&mut self, id: &AgentId, change: &r::UpdateAgent) -> Ruled {
        let mut agent = self.agent(id)?;
        let mut errors = Vec::new();
        if let Some(name) = &change.name {
            check_name("name", name, &mut |path, message| {
                errors.push(FieldError { path, message })
            });
            agent.name.clone_from(name);
        }
        check_description(
            change.description.as_deref().unwrap_or_default(),
            &mut errors,
        );
        check_capabilities(
            "capabilities",
            change.capabilities.as_deref().unwrap_or_default(),
            &mut errors,
        );
        check_slots(change.slots, &mut errors);
        all_valid(errors)?;
        if let Some(description) = &change.description {
            agent.description.clone_from(description);
        }
        if let Some(capabilities) = &change.capabilities {
            agent.capabilities.clone_from(capabilities);
        }
        if let Some(metadata) = &change.metadata {
            limits::check_metadata(metadata)?;
            agent.metadata.clone_from(metadata);
        }
        agent.slots = change.slots.unwrap_or(agent.slots);
        agent.updated_at = self.now();
        self.emit(EventBody::AgentUpdated(agent.clone()));
        Ok(super::json(&agent))
    }

    pub(super) fn remove_agent(&mut self, id: &AgentId) -> Ruled {
        let mut removed = self.agent(id)?;
        removed.archived = true;
        self.emit(EventBody::AgentRemoved(AgentChange {
            id: id.clone(),
            archived: true,
        }));
        Ok(super::json(&removed))
    }

    /// An agent announces itself: registered if it was not, changed where it says more than the registry knows.
    pub(super) fn agent_ready(
        &mut self,
        slots: Option<u32>,
        capabilities: Option<&[String]>,
    ) -> Ruled {
        let id = self
            .ctx
            .principal
            .agent_id()
            .ok_or_else(|| Refusal::forbidden("agent:ready is for agents"))?;
        let mut errors = Vec::new();
        check_slots(slots, &mut errors);
        check_capabilities(
            "capabilities",
            capabilities.unwrap_or_default(),
            &mut errors,
        );
        all_valid(errors)?;
        let Some(known) = self.ctx.facts.agents.get(&id) else {
            return self.register_agent(&r::RegisterAgent {
                name: id.0.clone(),
                id: Some(id),
                description: String::new(),
                capabilities: capabilities.map(<[String]>::to_vec).unwrap_or_default(),
                slots,
                metadata: serde_json::Map::new(),
            });
        };
        if known.archived {
            return Err(Refusal::forbidden(format!(
                "the agent {id} was removed from the registry"
            )));
        }
        let mut agent = known.clone();
        agent.slots = slots.unwrap_or(agent.slots);
        if let Some(capabilities) = capabilities {
            agent.capabilities = capabilities.to_vec();
        }
        if agent != *known {
            agent.updated_at = self.now();
            self.emit(EventBody::AgentUpdated(agent.clone()));
        }
        Ok(super::json(&agent))
    }
}

fn check_slots(slots: Option<u32>, errors: &mut Vec<FieldError>) {
    if slots.is_some_and(|n| !(1..=1_000).contains(&n)) {
        errors.push(FieldError::new("slots", "must be from 1 to 1000"));
    }
}

pub(super) fn check_description(description: &str, errors: &mut Vec<FieldError>) {
    if description.len() > limits::TEXT {
        let most = format!("may have at most {} bytes", limits::TEXT);
        errors.push(FieldError::new("description", most));
    }
}

/// What an agent can do: so many, each as long as a name.
pub(super) fn check_capabilities(
    path: &str,
    capabilities: &[String],
    errors: &mut Vec<FieldError>,
) {
    if capabilities.len() > limits::AGENT_CAPABILITIES {
        let most = format!("may have at most {}", limits::AGENT_CAPABILITIES);
        errors.push(FieldError::new(path, most));
        return;
    }
    for (n, capability) in capabilities.iter().enumerate() {
        check_name(&format!("{path}[{n}]"), capability, &mut |path, message| {
            errors.push(FieldError { path, message })
        });
    }
}
