//! Teams: their members, their configuration, and the room that each has.

use serde_json::Value;

use super::registry::{check_capabilities, check_description};
use super::start::{check_name, initiator, participant};
use super::{Decider, Ruled};
use crate::event::{EventBody, ParticipantChange, TeamChange};
use crate::expression;
use crate::id::{AgentId, NAME_RULE, RoomId, TeamId, is_valid_name};
use crate::limits;
use crate::model::Object;
use crate::model::agent::{Agent, AgentSource, AgentStatus};
use crate::model::room::{
    Channel, CollaborationRoom, Participant, ParticipantType, RoomRole, RoomType,
};
use crate::model::team::{AgentTeam, AgentTeamMember, MemberRole, TeamConfiguration, TeamStatus};
use crate::refusal::all_valid;
use crate::request as r;
use crate::{Code, FieldError, Refusal};

impl Decider<'_> {
    pub(super) fn create_team(&mut self, id: TeamId, input: &r::CreateTeam) -> Ruled {
        if self.state.room.is_some() {
            return Err(Refusal::new(Code::Conflict, "this team exists"));
        }
        let mut errors = Vec::new();
        check_name("name", &input.name, &mut |path, message| {
            errors.push(FieldError { path, message })
        });
        check_description(&input.description, &mut errors);
        self.check_members(&input.agents, &mut errors);
        let configuration = configure(
            &TeamConfiguration::default(),
            input.configuration.as_ref(),
            &mut errors,
        );
        all_valid(errors)?;
        let agents = self.members(&input.agents, &[]);
        let room_id = RoomId(id.0);
        let team = AgentTeam {
            id,
            name: input.name.clone(),
            description: input.description.clone(),
            workspace_id: self.ctx.principal.workspace_id.clone(),
            room_id,
            agents,
            status: TeamStatus::Active,
            configuration,
            created_by: self.ctx.principal.id.clone(),
            created_at: self.now(),
            updated_at: self.now(),
        };
        let mut participants: Vec<Participant> = team
            .agents
            .iter()
            .filter(|m| m.is_active)
            .map(|m| member_participant(m, self.now()))
            .collect();
        participants.extend(initiator(self, RoomRole::Supervisor));
        let room = CollaborationRoom {
            id: room_id,
            name: format!("Team: {}", team.name),
            kind: RoomType::Team,
            workspace_id: team.workspace_id.clone(),
            process_id: None,
            team_id: Some(id),
            participants,
            channels: Channel::ALL.to_vec(),
            head: 0,
            first: 1,
            log_id: self.ctx.id(),
            created_at: self.now(),
            last_activity: self.now(),
            archived: false,
        };
        self.emit(EventBody::RoomCreated(room));
        self.register_missing(&input.agents);
        self.emit(EventBody::TeamCreated(team.clone()));
        Ok(super::json(&team))
    }

    /// A member that the registry does not know is registered by joining a team.
    fn register_missing(&mut self, members: &[r::TeamMemberInput]) {
        for member in members {
            if self.ctx.facts.agents.contains_key(&member.agent_id) {
                continue;
            }
            let agent = Agent {
                id: member.agent_id.clone(),
                name: member.agent_id.0.clone(),
                description: member.specialization.clone(),
                capabilities: member.capabilities.clone(),
                slots: 1,
                status: AgentStatus::Offline,
                source: AgentSource::Native,
                metadata: serde_json::Map::new(),
                archived: false,
                provisional: true,
                created_at: self.now(),
                updated_at: self.now(),
            };
            self.emit(EventBody::AgentRegistered(agent));
        }
    }

    fn members(
        &self,
        input: &[r::TeamMemberInput],
        before: &[AgentTeamMember],
    ) -> Vec<AgentTeamMember> {
        input
            .iter()
            .map(|m| {
                let joined = before
                    .iter()
                    .find(|b| b.agent_id == m.agent_id)
                    .map_or(self.now(), |b| b.joined_at);
                AgentTeamMember {
                    agent_id: m.agent_id.clone(),
                    role: m.role,
                    specialization: m.specialization.clone(),
                    capabilities: m.capabilities.clone(),
                    priority: m.priority.unwrap_or_else(|| m.role.default_priority()),
                    is_active: m.is_active,
                    joined_at: joined,
                }
            })
            .collect()
    }

    fn check_members(&self, members: &[r::TeamMemberInput], errors: &mut Vec<FieldError>) {
        if members.is_empty() {
            errors.push(FieldError::new("agents", "a team needs at least one agent"));
        }
        if members.len() > 500 {
            errors.push(FieldError::new("agents", "a team has at most 500 agents"));
            return;
        }
        let mut seen = std::collections::BTreeSet::new();
        for (n, member) in members.iter().enumerate() {
            let id = &member.agent_id;
            let known = self.ctx.facts.agents.get(id);
            let wrong = if !is_valid_name(id.as_str()) {
                Some(NAME_RULE.to_owned())
            } else if !seen.insert(id) {
                Some(format!("{id} is there twice"))
            } else if known.is_some_and(|a| a.archived) {
                Some(format!("the agent {id} was removed"))
            } else {
                None
            };
            errors.extend(wrong.map(|why| FieldError::new(format!("agents[{n}].agentId"), why)));
            if member.specialization.len() > limits::TEXT {
                errors.push(FieldError::new(
                    format!("agents[{n}].specialization"),
                    format!("may have at most {} bytes", limits::TEXT),
                ));
            }
            let path = format!("agents[{n}].capabilities");
            check_capabilities(&path, &member.capabilities, errors);
        }
    }

    fn team(&self) -> Result<AgentTeam, Refusal> {
        let team = self
            .state
            .team
            .as_ref()
            .ok_or_else(|| Refusal::illegal("this room is no team's own room"))?;
        if team.status == TeamStatus::Archived {
            return Err(Refusal::illegal("the team is archived"));
        }
        Ok((**team).clone())
    }

    pub(super) fn update_team(&mut self, change: &r::UpdateTeam) -> Ruled {
        let mut team = self.team()?;
        let mut errors = Vec::new();
        if let Some(name) = &change.name {
            check_name("name", name, &mut |path, message| {
                errors.push(FieldError { path, message })
            });
            team.name.clone_from(name);
        }
        if let Some(members) = &change.agents {
            self.check_members(members, &mut errors);
        }
        if let Some(description) = &change.description {
            check_description(description, &mut errors);
        }
        if change.status == Some(TeamStatus::Archived) {
            errors.push(FieldError::new("status", "a team is archived with DELETE"));
        }
        team.configuration = configure(
            &team.configuration,
            change.configuration.as_ref(),
            &mut errors,
        );
        all_valid(errors)?;
        if let Some(members) = &change.agents {
            let before = std::mem::take(&mut team.agents);
            team.agents = self.members(members, &before);
            self.register_missing(members);
            self.follow_members(&before, &team.agents);
        }
        if let Some(description) = &change.description {
            team.description.clone_from(description);
        }
        team.status = change.status.unwrap_or(team.status);
        team.updated_at = self.now();
        self.emit(EventBody::TeamUpdated(team.clone()));
        Ok(super::json(&team))
    }

    /// The team's room has its active members, each with the role that follows from the one in the team.
    fn follow_members(&mut self, before: &[AgentTeamMember], now: &[AgentTeamMember]) {
        let kind = ParticipantType::Agent;
        let active = |members: &[AgentTeamMember], id: &AgentId| {
            let found = members.iter().find(|m| m.agent_id == *id);
            found.filter(|m| m.is_active).map(room_role)
        };
        for member in before.iter().filter(|m| m.is_active) {
            if active(now, &member.agent_id).is_none() {
                self.emit(EventBody::ParticipantLeft(ParticipantChange {
                    id: member.agent_id.0.clone(),
                    kind,
                    role: None,
                }));
            }
        }
        for member in now.iter().filter(|m| m.is_active) {
            let role = room_role(member);
            match active(before, &member.agent_id) {
                None => self.emit(EventBody::ParticipantJoined(member_participant(
                    member,
                    self.now(),
                ))),
                // Whoever was removed from the room by hand stays so.
                Some(old)
                    if old != role && self.state.given_role(kind, &member.agent_id.0).is_some() =>
                {
                    self.emit(EventBody::RoleChanged(ParticipantChange {
                        id: member.agent_id.0.clone(),
                        kind,
                        role: Some(role),
                    }));
                }
                Some(_) => {}
            }
        }
    }

    pub(super) fn archive_team(&mut self) -> Ruled {
        let team = self.team()?;
        self.emit(EventBody::TeamArchived(TeamChange {
            id: team.id,
            status: TeamStatus::Archived,
        }));
        Ok(super::json(&self.state.team))
    }
}

fn member_participant(member: &AgentTeamMember, now: crate::Timestamp) -> Participant {
    let kind = ParticipantType::Agent;
    participant(member.agent_id.as_str(), kind, room_role(member), now)
}

/// What a member of a team is in the team's room.
fn room_role(member: &AgentTeamMember) -> RoomRole {
    if member.role == MemberRole::Leader {
        RoomRole::Coordinator
    } else {
        RoomRole::Participant
    }
}

/// `over` laid over `base`, with what is wrong with it.
fn configure(
    base: &TeamConfiguration,
    over: Option<&r::ConfigurationInput>,
    errors: &mut Vec<FieldError>,
) -> TeamConfiguration {
    let Some(over) = over.cloned() else {
        return base.clone();
    };
    let mut configuration = base.clone();
    lay(
        &mut configuration.max_concurrent_tasks,
        over.max_concurrent_tasks,
    );
    lay(&mut configuration.handoff_strategy, over.handoff_strategy);
    lay(
        &mut configuration.human_approval_required,
        over.human_approval_required,
    );
    lay(&mut configuration.escalation_rules, over.escalation_rules);
    lay(
        &mut configuration.collaboration_rules,
        over.collaboration_rules,
    );
    if let Some(over) = over.timeout_settings {
        let t = &mut configuration.timeout_settings;
        lay(&mut t.lease_ms, over.lease_ms);
        lay(&mut t.offer_ms, over.offer_ms);
        lay(&mut t.task_timeout, over.task_timeout);
        lay(&mut t.handoff_timeout, over.handoff_timeout);
        lay(&mut t.human_response_timeout, over.human_response_timeout);
        lay(&mut t.process_timeout, over.process_timeout);
    }
    let t = &configuration.timeout_settings;
    let all = [
        ("leaseMs", t.lease_ms),
        ("offerMs", t.offer_ms),
        ("taskTimeout", t.task_timeout),
        ("handoffTimeout", t.handoff_timeout),
        ("humanResponseTimeout", t.human_response_timeout),
        ("processTimeout", t.process_timeout),
    ];
    for (name, ms) in all {
        if !(100..=31_536_000_000).contains(&ms) {
            errors.push(FieldError::new(
                format!("configuration.timeoutSettings.{name}"),
                "must be from 100 ms to a year",
            ));
        }
    }
    if !(1..=10_000).contains(&configuration.max_concurrent_tasks) {
        errors.push(FieldError::new(
            "configuration.maxConcurrentTasks",
            "must be from 1 to 10000",
        ));
    }
    check_rules(&configuration, errors);
    configuration
}

fn lay<T>(slot: &mut T, over: Option<T>) {
    if let Some(value) = over {
        *slot = value;
    }
}

fn check_rules(configuration: &TeamConfiguration, errors: &mut Vec<FieldError>) {
    let at = |list: &str, n: usize, field: &str| format!("configuration.{list}[{n}].{field}");
    let mut ids = std::collections::BTreeSet::new();
    let mut check =
        |list: &'static str, n: usize, id: &str, condition: (&str, &str), parameters: &Object| {
            if !is_valid_name(id) {
                errors.push(FieldError::new(at(list, n, "id"), NAME_RULE));
            } else if !ids.insert(id.to_owned()) {
                errors.push(FieldError::new(
                    at(list, n, "id"),
                    format!("{id:?} is used twice"),
                ));
            }
            if let Err(why) = expression::check(condition.1) {
                errors.push(FieldError::new(at(list, n, condition.0), why));
            }
            let parameters = Value::Object(parameters.clone());
            if let Some(why) = limits::too_large("this", &parameters, limits::PARAMETERS) {
                errors.push(FieldError::new(at(list, n, "parameters"), why));
            }
        };
    let escalations = configuration
        .escalation_rules
        .iter()
        .take(limits::RULES + 1);
    for (n, rule) in escalations.enumerate() {
        let condition = ("condition", rule.condition.as_str());
        check("escalationRules", n, &rule.id, condition, &rule.parameters);
    }
    let collaborations = configuration
        .collaboration_rules
        .iter()
        .take(limits::RULES + 1);
    for (n, rule) in collaborations.enumerate() {
        let condition = ("triggerCondition", rule.trigger_condition.as_str());
        check(
            "collaborationRules",
            n,
            &rule.id,
            condition,
            &rule.parameters,
        );
    }
    for (n, rule) in configuration.collaboration_rules.iter().enumerate() {
        if rule.target_agents.is_empty() || rule.target_agents.len() > limits::RULES {
            errors.push(FieldError::new(
                at("collaborationRules", n, "targetAgents"),
                format!("must name 1 to {} agents", limits::RULES),
            ));
        }
    }
    for (list, count) in [
        ("escalationRules", configuration.escalation_rules.len()),
        (
            "collaborationRules",
            configuration.collaboration_rules.len(),
        ),
    ] {
        if count > limits::RULES {
            errors.push(FieldError::new(
                format!("configuration.{list}"),
                format!("may have at most {} rules", limits::RULES),
            ));
        }
    }
}
