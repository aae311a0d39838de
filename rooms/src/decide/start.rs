//! Starting a process: everything that can be wrong with it is found now, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Decider, Ruled, definition};
use crate::event::EventBody;
use crate::id::{LogId, ProcessId, RoomId, TeamId};
use crate::model::process::{
    OrchestrationProcess, ParentStep, ProcessContext, ProcessMetrics, ProcessStatus,
};
use crate::model::room::{
    Channel, CollaborationRoom, OF_PROCESS, Participant, ParticipantType, RoomRole, RoomType,
};
use crate::model::step::{ProcessStep, StepPhase, StepStatus, SubProcess};
use crate::model::team::{AgentTeam, TeamStatus};
use crate::request as r;
use crate::{FieldError, Refusal, limits};

impl Decider<'_> {
    pub(super) fn start_process(
        &mut self,
        id: ProcessId,
        start: &r::StartProcess,
        child_of: Option<(&ParentStep, &str)>,
    ) -> Ruled {
        if self.state.room.is_some() {
            return Err(Refusal::new(crate::Code::Conflict, "this process exists"));
        }
        let Some(team) = start.team_id else {
            let (start, template) = self.compose(start)?;
            let of = definition::Of::start(template.as_ref());
            let more = definition::check(&start, None, self.ctx.facts, of).err();
            let mut errors = vec![FieldError::new("teamId", "is missing")];
            errors.extend(more.into_iter().flat_map(|refusal| refusal.errors));
            return Err(Refusal::invalid(errors));
        };
        let team = if child_of.is_some() {
            // What was begun with a team goes on with it.
            self.known_team(team)?
        } else {
            self.active_team(team)?
        };
        let (start, template) = self.compose(start)?;
        let of = definition::Of::start(template.as_ref());
        definition::check(&start, Some(&team), self.ctx.facts, of)?;
        let mut process = self.build(id, RoomId(id.0), &start, &team);
        process.template = template;
        if let Some((parent, initiated_by)) = child_of {
            process.parent = Some(parent.clone());
            process.initiated_by = initiated_by.to_owned();
        }
        self.open_process(process, &team, child_of.map(|(_, by)| by))
    }

    pub(super) fn known_team(&self, id: TeamId) -> Result<AgentTeam, Refusal> {
        let team = self.ctx.facts.teams.get(&id);
        Ok(team.ok_or_else(|| Refusal::not_found("team", id))?.clone())
    }

    pub(super) fn active_team(&self, id: TeamId) -> Result<AgentTeam, Refusal> {
        let team = self.known_team(id)?;
        if team.status != TeamStatus::Active {
            return Err(Refusal::illegal(format!(
                "the team {:?} is {}",
                team.name,
                team.status.as_str()
            )));
        }
        Ok(team)
    }

    /// Makes the room and the process, and lets it begin, unless a human is asked first. What is a step's work was approved with its process.
    pub(super) fn open_process(
        &mut self,
        mut process: OrchestrationProcess,
        team: &AgentTeam,
        child_of: Option<&str>,
    ) -> Ruled {
        if self.state.room.is_some() {
            return Err(Refusal::new(crate::Code::Conflict, "this process exists"));
        }
        process.alert_rules.clone_from(&self.ctx.facts.alert_rules);
        let log_id: LogId = self.ctx.id();
        self.emit(EventBody::RoomCreated(CollaborationRoom {
            id: process.room_id,
            name: format!("{OF_PROCESS}{}", process.name),
            kind: RoomType::Process,
            workspace_id: process.workspace_id.clone(),
            process_id: Some(process.id),
            team_id: Some(team.id),
            participants: participants(team, self, child_of),
            channels: Channel::ALL.to_vec(),
            head: 0,
            first: 1,
            log_id,
            created_at: self.now(),
            last_activity: self.now(),
            archived: false,
        }));
        self.emit(EventBody::ProcessCreated(process));
        if team.configuration.human_approval_required && child_of.is_none() {
            self.ask_to_start();
        } else {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessStarted(change));
            self.advance();
        }
        Ok(super::json(&self.process()?.resource()))
    }

    pub(super) fn no_metrics(&self) -> ProcessMetrics {
        ProcessMetrics {
            start_time: self.now(),
            end_time: None,
            duration: None,
            step_completion_times: BTreeMap::new(),
            handoff_count: 0,
            human_intervention_count: 0,
            error_count: 0,
            retry_count: 0,
            agent_utilization: BTreeMap::new(),
        }
    }

    fn build(
        &self,
        id: ProcessId,
        room_id: RoomId,
        start: &r::StartProcess,
        team: &AgentTeam,
    ) -> OrchestrationProcess {
        let context = start.context.clone();
        let context = context.map_or_else(ProcessContext::default, |c| ProcessContext {
            session_ids: c.session_ids,
            shared_data: c.shared_data,
            conversation_history: c.conversation_history,
            document_ids: c.document_ids,
            variables: c.variables,
        });
        let steps: Vec<_> = keys(&start.steps)
            .into_iter()
            .zip(&start.steps)
            .map(|(k, s)| Arc::new(self.step(k, s)))
            .collect();
        OrchestrationProcess {
            id,
            name: start.name.clone(),
            description: start.description.clone(),
            team_id: team.id,
            workspace_id: self.ctx.principal.workspace_id.clone(),
            room_id,
            status: ProcessStatus::Pending,
            total_steps: steps.len() as u64,
            steps,
            context: Arc::new(context),
            metrics: self.no_metrics(),
            current_step: 0,
            waiting_on: Vec::new(),
            priority: start.priority.unwrap_or_default(),
            fail_fast: start.fail_fast,
            configuration: team.configuration.clone(),
            alert_rules: None,
            initiated_by: self.ctx.principal.id.clone(),
            initiated_at: self.now(),
            started_at: None,
            completed_at: None,
            error: None,
            reason: None,
            elapsed_ms: 0,
            running_since: None,
            template: None,
            parent: None,
            forked_from: None,
        }
    }

    fn step(&self, key: String, input: &r::StepInput) -> ProcessStep {
        ProcessStep {
            id: self.ctx.id(),
            key,
            parent_step_id: None,
            name: input.name.clone(),
            description: input.description.clone(),
            assigned_agent_id: input.assigned_agent_id.clone(),
            required_capabilities: input.required_capabilities.clone(),
            role: input.role,
            status: StepStatus::Pending,
            phase: Some(StepPhase::Blocked),
            dependencies: input.dependencies.clone(),
            trigger_rule: input.trigger_rule,
            conditions: input.conditions.clone(),
            inputs: input.inputs.clone(),
            outputs: None,
            error: None,
            attempts: 0,
            max_attempts: input.max_attempts.unwrap_or(3),
            backoff_ms: input.backoff_ms.unwrap_or(1_000),
            lost_leases: 0,
            max_lost_leases: input.max_lost_leases.unwrap_or(5),
            timeout_ms: input.timeout_ms,
            requires_approval: input.requires_approval,
            continue_on_failure: input.continue_on_failure,
            merge_outputs: input.merge_outputs,
            metadata: input.metadata.clone(),
            epoch: 0,
            run: 1,
            current_attempt: None,
            held_by: None,
            preferred_agent_id: None,
            avoid_agent_id: None,
            ready_at: None,
            retry_at: None,
            started_at: None,
            completed_at: None,
            skip_reason: None,
            failure_handled: false,
            progress: None,
            next_step_id: None,
            given_inputs: None,
            process: input.process.as_ref().map(|sub| SubProcess {
                template_version: self
                    .ctx
                    .facts
                    .template(sub.template_id, sub.template_version)
                    .map(|t| t.version)
                    .or(sub.template_version),
                ..sub.clone()
            }),
            child_process_id: None,
            elapsed_ms: 0,
            running_since: None,
        }
    }
}

pub(super) fn check_name(path: &str, name: &str, wrong: &mut impl FnMut(String, String)) {
    if name.trim().is_empty() || name.chars().count() > limits::NAME {
        wrong(
            path.to_owned(),
            format!("must have 1 to {} characters", limits::NAME),
        );
    }
}

pub(super) fn keys(steps: &[r::StepInput]) -> Vec<String> {
    steps
        .iter()
        .enumerate()
        .map(|(n, s)| s.key.clone().unwrap_or_else(|| format!("step_{}", n + 1)))
        .collect()
}

/// A circle in the dependencies, if there is one (Kahn's algorithm; what is left over is walked once).
pub(super) fn cycle(keys: &[String], steps: &[r::StepInput]) -> Option<Vec<String>> {
    let index: BTreeMap<&str, usize> = keys
        .iter()
        .enumerate()
        .map(|(n, k)| (k.as_str(), n))
        .collect();
    let before: Vec<BTreeSet<usize>> = steps
        .iter()
        .map(|s| {
            s.dependencies
                .iter()
                .filter_map(|d| index.get(d.as_str()).copied())
                .collect()
        })
        .collect();
    let mut left: BTreeSet<usize> = (0..steps.len()).collect();
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut waiting: Vec<usize> = before.iter().map(BTreeSet::len).collect();
    for (n, all) in before.iter().enumerate() {
        for b in all {
            after[*b].push(n);
        }
    }
    let mut free: Vec<usize> = (0..steps.len()).filter(|n| waiting[*n] == 0).collect();
    while let Some(n) = free.pop() {
        left.remove(&n);
        for a in &after[n] {
            waiting[*a] -= 1;
            if waiting[*a] == 0 {
                free.push(*a);
            }
        }
    }
    let mut at = *left.first()?;
    let mut path = Vec::new();
    while !path.contains(&at) {
        path.push(at);
        at = *before[at].iter().find(|b| left.contains(b))?;
    }
    let from = path.iter().position(|n| *n == at)?;
    let mut circle: Vec<String> = path[from..]
        .iter()
        .rev()
        .map(|n| keys[*n].clone())
        .collect();
    circle.extend(circle.first().cloned());
    Some(circle)
}

fn participants(team: &AgentTeam, d: &Decider<'_>, child_of: Option<&str>) -> Vec<Participant> {
    let now = d.now();
    let mut all: Vec<Participant> = team
        .agents
        .iter()
        .filter(|m| m.is_active)
        .map(|m| {
            participant(
                m.agent_id.as_str(),
                ParticipantType::Agent,
                RoomRole::Participant,
                now,
            )
        })
        .collect();
    all.extend(match child_of {
        Some(by) => Some(participant(
            by,
            ParticipantType::Human,
            RoomRole::Supervisor,
            now,
        )),
        None => initiator(d, RoomRole::Supervisor),
    });
    all
}

/// Who makes a room takes part in it.
pub(super) fn initiator(d: &Decider<'_>, role: RoomRole) -> Option<Participant> {
    let principal = d.ctx.principal;
    principal
        .agent_id()
        .is_none()
        .then(|| participant(&principal.id, ParticipantType::Human, role, d.now()))
}

pub(super) fn participant(
    id: &str,
    kind: ParticipantType,
    role: RoomRole,
    joined_at: crate::Timestamp,
) -> Participant {
    Participant {
        id: id.to_owned(),
        kind,
        role,
        joined_at,
        last_read_seq: 0,
    }
}
