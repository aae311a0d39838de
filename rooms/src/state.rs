//! The state of a room: what its log adds up to. [`State::apply`] is total and holds no rule; the rules are in [`crate::decide()`].
//!
//! Parts are shared (`Arc`), so that a copy is cheap, and what changed between two states is what no longer is the same part.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::{Event, EventBody, InterventionChange, StepChange};
use crate::id::{AgentId, AttemptId, CommunicationId, HandoffId, InterventionId, StepId};
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::communication::AgentCommunication;
use crate::model::handoff::{AgentHandoff, HandoffStatus};
use crate::model::intervention::{HumanIntervention, InterventionStatus};
use crate::model::process::{OrchestrationProcess, ProcessContext, ProcessStatus};
use crate::model::room::{CollaborationRoom, ParticipantType};
use crate::model::step::{ProcessStep, StepPatch, StepPhase, StepProgress, StepStatus};
use crate::model::team::{AgentTeam, TeamStatus};

/// What a room's log adds up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The seq of the last event applied; 0 before the first.
    pub seq: u64,
    /// The room; none before it is made. `head` and `lastActivity` are not kept here.
    pub room: Option<Arc<CollaborationRoom>>,
    /// The team, in a team's room.
    pub team: Option<Arc<AgentTeam>>,
    /// The process, in a process's room.
    pub process: Option<Arc<ProcessState>>,
}

/// A process with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessState {
    /// The process itself; its steps and context are kept beside it.
    pub process: Arc<OrchestrationProcess>,
    /// What it carries.
    pub context: Arc<ProcessContext>,
    /// In the order given.
    pub steps: Vec<Arc<ProcessStep>>,
    /// Every attempt.
    pub attempts: BTreeMap<AttemptId, Arc<Attempt>>,
    /// Every handoff.
    pub handoffs: BTreeMap<HandoffId, Arc<AgentHandoff>>,
    /// Every intervention.
    pub interventions: BTreeMap<InterventionId, Arc<HumanIntervention>>,
    /// Communications whose response is awaited.
    pub open_communications: BTreeMap<CommunicationId, Arc<AgentCommunication>>,
    /// Who held a step, since its last progress: for the refusal of circles.
    pub chain: BTreeMap<StepId, Vec<AgentId>>,
}

impl ProcessState {
    /// A step by its id.
    pub fn step(&self, id: StepId) -> Option<&Arc<ProcessStep>> {
        self.steps.iter().find(|s| s.id == id)
    }

    /// A step by its id or key.
    pub fn step_named(&self, name: &str) -> Option<&Arc<ProcessStep>> {
        self.steps
            .iter()
            .find(|s| s.key == name)
            .or_else(|| name.parse().ok().and_then(|id| self.step(id)))
    }

    /// The live attempt of a step.
    pub fn live_attempt(&self, step: &ProcessStep) -> Option<&Arc<Attempt>> {
        step.current_attempt
            .and_then(|id| self.attempts.get(&id))
            .filter(|a| a.status.is_live())
    }

    /// The pending handoff of a step.
    pub fn pending_handoff(&self, step: StepId) -> Option<&Arc<AgentHandoff>> {
        self.handoffs
            .values()
            .find(|h| h.from_step_id == step && h.status == HandoffStatus::Pending)
    }

    /// Open interventions of a step.
    pub fn open_interventions(
        &self,
        step: StepId,
    ) -> impl Iterator<Item = &Arc<HumanIntervention>> {
        self.interventions
            .values()
            .filter(move |i| i.step_id == Some(step) && i.status == InterventionStatus::Pending)
    }

    /// Answers that the step's attempts have, oldest first.
    pub fn prior_answers(&self, step: StepId) -> Vec<&HumanIntervention> {
        self.interventions
            .values()
            .filter(|i| i.step_id == Some(step) && i.response.is_some())
            .map(AsRef::as_ref)
            .collect()
    }

    /// The process as the wire shows it: with its steps, its context and the questions that it waits for.
    pub fn resource(&self) -> OrchestrationProcess {
        let mut process = (*self.process).clone();
        process.steps.clone_from(&self.steps);
        process.context = Arc::clone(&self.context);
        process.waiting_on = self
            .interventions
            .values()
            .filter(|i| i.status == InterventionStatus::Pending)
            .map(|i| i.id)
            .collect();
        process
    }

    fn step_mut(&mut self, id: StepId) -> Option<&mut ProcessStep> {
        self.steps
            .iter_mut()
            .find(|s| s.id == id)
            .map(Arc::make_mut)
    }

    fn process_mut(&mut self) -> &mut OrchestrationProcess {
        Arc::make_mut(&mut self.process)
    }
}

impl State {
    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        if event.origin.is_none() {
            self.apply_body(&event.body, event.at);
        }
    }

    /// Takes in what happened, at a time.
    pub fn apply_body(&mut self, body: &EventBody, at: Timestamp) {
        match body {
            EventBody::RoomCreated(room) => self.room = Some(Arc::new(room.clone())),
            EventBody::ParticipantJoined(joined) => self.room_mut(|room| {
                room.participants
                    .retain(|p| (p.kind, &p.id) != (joined.kind, &joined.id));
                room.participants.push(joined.clone());
            }),
            EventBody::ParticipantLeft(left) => {
                self.room_mut(|room| {
                    room.participants
                        .retain(|p| (p.kind, &p.id) != (left.kind, &left.id))
                });
            }
            EventBody::RoleChanged(change) => self.room_mut(|room| {
                for p in &mut room.participants {
                    if (p.kind, &p.id) == (change.kind, &change.id) {
                        p.role = change.role.unwrap_or(p.role);
                    }
                }
            }),
            EventBody::TeamCreated(team) | EventBody::TeamUpdated(team) => {
                self.team = Some(Arc::new(team.clone()))
            }
            EventBody::TeamArchived(_) => {
                if let Some(team) = &mut self.team {
                    let team = Arc::make_mut(team);
                    team.status = TeamStatus::Archived;
                    team.updated_at = at;
                }
            }
            EventBody::ProcessCreated(created) => {
                let mut process = created.clone();
                let steps = std::mem::take(&mut process.steps);
                let context = std::mem::take(&mut process.context);
                self.process = Some(Arc::new(ProcessState {
                    process: Arc::new(process),
                    context,
                    steps,
                    attempts: BTreeMap::new(),
                    handoffs: BTreeMap::new(),
                    interventions: BTreeMap::new(),
                    open_communications: BTreeMap::new(),
                    chain: BTreeMap::new(),
                }));
            }
            _ => {
                if let Some(process) = &mut self.process {
                    Arc::make_mut(process).apply(body, at);
                }
            }
        }
    }

    fn room_mut(&mut self, change: impl FnOnce(&mut CollaborationRoom)) {
        if let Some(room) = &mut self.room {
            change(Arc::make_mut(room));
        }
    }

    /// A participant's role, as it was given.
    pub fn given_role(
        &self,
        kind: ParticipantType,
        id: &str,
    ) -> Option<crate::model::room::RoomRole> {
        let room = self.room.as_ref()?;
        room.participants
            .iter()
            .find(|p| p.kind == kind && p.id == id)
            .map(|p| p.role)
    }
}

impl ProcessState {
    fn apply(&mut self, body: &EventBody, at: Timestamp) {
        use EventBody as E;
        match body {
            E::ProcessStarted(c) | E::ProcessResumed(c) | E::ProcessPaused(c) => {
                let p = self.process_mut();
                p.status = c.status;
                p.reason.clone_from(&c.reason);
                if c.status == ProcessStatus::Running {
                    p.started_at.get_or_insert(at);
                }
            }
            E::ProcessRetried(c) => {
                for id in &c.reset {
                    if let Some(step) = self.step_mut(*id) {
                        step.status = StepStatus::Pending;
                        step.phase = Some(StepPhase::Blocked);
                        step.run += 1;
                        step.attempts = 0;
                        step.lost_leases = 0;
                        step.error = None;
                        step.outputs = None;
                        step.completed_at = None;
                        step.started_at = None;
                        step.skip_reason = None;
                        step.failure_handled = false;
                        step.progress = None;
                    }
                }
                let p = self.process_mut();
                p.status = c.status;
                p.error = None;
                p.completed_at = None;
                p.metrics.end_time = None;
                p.metrics.duration = None;
                self.count_ended();
            }
            E::ProcessCompleted(c) | E::ProcessFailed(c) | E::ProcessCancelled(c) => {
                let p = self.process_mut();
                p.status = c.status;
                p.error.clone_from(&c.error);
                p.reason.clone_from(&c.reason);
                p.completed_at = Some(at);
                p.metrics.end_time = Some(at);
                p.metrics.duration = Some(at.ms_since(p.metrics.start_time));
            }
            E::StepReady(c) => self.change_step(c, |step| {
                step.ready_at = Some(at);
                step.retry_at = None;
                if let Some(inputs) = &c.inputs {
                    step.inputs.clone_from(inputs);
                }
            }),
            E::StepStarted(c) => self.change_step(c, |step| {
                step.started_at.get_or_insert(at);
            }),
            E::StepProgress(c) => {
                self.change_step(c, |step| {
                    step.progress = Some(StepProgress {
                        percent: c.percent,
                        note: c.note.clone(),
                        at,
                    });
                });
                self.chain.remove(&c.id);
                self.use_answers(c.id);
            }
            E::StepRetryScheduled(c) => {
                self.change_step(c, |step| {
                    step.error.clone_from(&c.error);
                    step.attempts = c.attempts.unwrap_or(step.attempts);
                    step.retry_at = c.retry_at;
                    step.current_attempt = None;
                    step.held_by = None;
                });
                self.end_attempt(
                    c.attempt_id,
                    AttemptStatus::Failed,
                    c.result_hash.as_deref(),
                    at,
                );
                self.use_answers(c.id);
                self.process_mut().metrics.retry_count += 1;
            }
            E::StepCompleted(c) => {
                self.end_step(c, at);
                self.end_attempt(
                    c.attempt_id,
                    AttemptStatus::Completed,
                    c.result_hash.as_deref(),
                    at,
                );
                self.use_answers(c.id);
                self.keep_outputs(c.id);
            }
            E::StepFailed(c) => {
                self.end_step(c, at);
                self.end_attempt(
                    c.attempt_id,
                    AttemptStatus::Failed,
                    c.result_hash.as_deref(),
                    at,
                );
                self.use_answers(c.id);
            }
            E::StepSkipped(c) | E::StepCancelled(c) => {
                self.end_step(c, at);
                self.end_attempt(
                    c.attempt_id,
                    AttemptStatus::Failed,
                    c.result_hash.as_deref(),
                    at,
                );
            }
            E::AssignmentOffered(offer) => {
                self.take(&offer.attempt, &offer.step);
            }
            E::AssignmentAccepted(c) => {
                if let Some(attempt) = self.attempts.get_mut(&c.id) {
                    let attempt = Arc::make_mut(attempt);
                    attempt.status = AttemptStatus::Leased;
                    attempt.accepted_at = Some(at);
                    attempt.lease_until = c.lease_until.unwrap_or(attempt.lease_until);
                    if c.instance_id.is_some() {
                        attempt.instance_id.clone_from(&c.instance_id);
                    }
                }
                self.patch(&c.step);
                let name = c.agent_id.0.clone();
                self.process_mut()
                    .metrics
                    .agent_utilization
                    .entry(name)
                    .or_default()
                    .task_count += 1;
            }
            E::AssignmentRejected(c)
            | E::AssignmentExpired(c)
            | E::AssignmentReleased(c)
            | E::AssignmentSuspended(c)
            | E::AssignmentCancelled(c) => {
                let was_leased = self
                    .attempts
                    .get(&c.id)
                    .is_some_and(|a| a.status == AttemptStatus::Leased);
                self.end_attempt(Some(c.id), c.status, None, at);
                self.patch(&c.step);
                let lost = matches!(body, E::AssignmentExpired(_)) && was_leased;
                if let Some(step) = self.step_mut(c.step_id) {
                    step.epoch = c.epoch;
                    step.current_attempt = None;
                    step.held_by = None;
                    step.preferred_agent_id =
                        matches!(body, E::AssignmentSuspended(_)).then(|| c.agent_id.clone());
                    if c.status == AttemptStatus::Failed {
                        step.attempts += 1;
                        step.error.clone_from(&c.error);
                    }
                    step.lost_leases += u32::from(lost);
                }
                if lost {
                    self.process_mut().metrics.error_count += 1;
                }
            }
            E::HandoffRequested(request) => {
                self.handoffs
                    .insert(request.handoff.id, Arc::new(request.handoff.clone()));
                self.patch(&request.step);
                self.process_mut().metrics.handoff_count += 1;
            }
            E::HandoffAccepted(c)
            | E::HandoffRejected(c)
            | E::HandoffExpired(c)
            | E::HandoffCancelled(c)
            | E::HandoffCompleted(c)
            | E::HandoffFailed(c) => {
                let mut from = None;
                if let Some(handoff) = self.handoffs.get_mut(&c.id) {
                    let handoff = Arc::make_mut(handoff);
                    handoff.status = c.status;
                    if c.to_agent_id.is_some() {
                        handoff.to_agent_id.clone_from(&c.to_agent_id);
                    }
                    if c.status == HandoffStatus::Accepted {
                        handoff.accepted_at = Some(at);
                        from = Some(handoff.from_agent_id.clone());
                    } else {
                        handoff.completed_at = Some(at);
                        handoff.resolution.clone_from(&c.reason);
                    }
                }
                if let Some(from) = from {
                    self.chain.entry(c.from_step_id).or_default().push(from);
                }
                if let Some(step) = &c.step {
                    self.patch(step);
                    if let Some(attempt) = &c.attempt {
                        self.take(attempt, step);
                        let name = attempt.agent_id.0.clone();
                        self.process_mut()
                            .metrics
                            .agent_utilization
                            .entry(name)
                            .or_default()
                            .task_count += 1;
                    }
                }
            }
            E::InterventionRequested(asked) => {
                let mut intervention = asked.clone();
                if let Some(step) = intervention.step.take() {
                    self.patch(&step);
                }
                self.interventions
                    .insert(intervention.id, Arc::new(intervention));
                self.process_mut().metrics.human_intervention_count += 1;
            }
            E::InterventionAssigned(c)
            | E::InterventionClaimed(c)
            | E::InterventionReleased(c)
            | E::InterventionCommented(c)
            | E::InterventionReminded(c)
            | E::InterventionEscalated(c)
            | E::InterventionVoted(c)
            | E::InterventionCompleted(c)
            | E::InterventionExpired(c)
            | E::InterventionCancelled(c) => self.change_intervention(body, c, at),
            E::CommunicationSent(sent) if sent.kind.awaits_response() => {
                self.open_communications
                    .insert(sent.id, Arc::new(sent.clone()));
            }
            E::CommunicationResponded(c) => {
                self.open_communications.remove(&c.id);
            }
            _ => {}
        }
    }

    fn patch(&mut self, patch: &StepPatch) {
        if let Some(step) = self.step_mut(patch.id) {
            step.status = patch.status;
            step.phase = patch.phase;
        }
    }

    fn take(&mut self, attempt: &Attempt, patch: &StepPatch) {
        self.attempts.insert(attempt.id, Arc::new(attempt.clone()));
        self.patch(patch);
        if let Some(step) = self.step_mut(attempt.step_id) {
            step.epoch = attempt.epoch;
            step.current_attempt = Some(attempt.id);
            step.held_by = Some(attempt.agent_id.clone());
        }
    }

    fn change_step(&mut self, change: &StepChange, more: impl FnOnce(&mut ProcessStep)) {
        if let Some(step) = self.step_mut(change.id) {
            step.status = change.status;
            step.phase = change.phase;
            more(step);
        }
    }

    fn end_step(&mut self, change: &StepChange, at: Timestamp) {
        self.change_step(change, |step| {
            step.outputs.clone_from(&change.outputs);
            if change.error.is_some() {
                step.error.clone_from(&change.error);
            }
            step.attempts = change.attempts.unwrap_or(step.attempts);
            step.completed_at = Some(at);
            step.skip_reason = change.skip_reason;
            step.failure_handled = change.failure_handled;
            step.current_attempt = None;
            step.held_by = None;
            step.retry_at = None;
        });
        self.count_ended();
        if change.status == StepStatus::Completed {
            let took = self
                .step(change.id)
                .and_then(|s| s.started_at)
                .map_or(0, |began| at.ms_since(began));
            let agent = change.agent_id.clone();
            let metrics = &mut self.process_mut().metrics;
            metrics
                .step_completion_times
                .insert(change.key.clone(), took);
            if let Some(agent) = agent {
                metrics
                    .agent_utilization
                    .entry(agent.0)
                    .or_default()
                    .success_count += 1;
            }
        }
    }

    fn count_ended(&mut self) {
        let ended = self.steps.iter().filter(|s| s.status.is_terminal()).count() as u64;
        self.process_mut().current_step = ended;
    }

    fn end_attempt(
        &mut self,
        id: Option<AttemptId>,
        status: AttemptStatus,
        hash: Option<&str>,
        at: Timestamp,
    ) {
        let Some(attempt) = id.and_then(|id| self.attempts.get_mut(&id)) else {
            return;
        };
        let attempt = Arc::make_mut(attempt);
        attempt.status = status;
        attempt.ended_at = Some(at);
        attempt.result_hash = hash.map(str::to_owned);
        let agent = attempt.agent_id.0.clone();
        let busy = attempt
            .accepted_at
            .map_or(0, |accepted| at.ms_since(accepted));
        let step = attempt.step_id;
        if let Some(step) = self.step_mut(step) {
            step.current_attempt = None;
            step.held_by = None;
        }
        let metrics = &mut self.process_mut().metrics;
        let use_of = metrics.agent_utilization.entry(agent).or_default();
        use_of.busy_ms += busy;
        if status == AttemptStatus::Failed {
            use_of.error_count += 1;
            metrics.error_count += 1;
        }
    }

    fn keep_outputs(&mut self, id: StepId) {
        let Some(step) = self.step(id).cloned() else {
            return;
        };
        let outputs = step.outputs.clone().unwrap_or_default();
        let shared = &mut Arc::make_mut(&mut self.context).shared_data;
        if step.merge_outputs
            && let Some(object) = outputs.as_object()
        {
            for (key, value) in object.iter().filter(|(key, _)| *key != "steps") {
                shared.insert(key.clone(), value.clone());
            }
        }
        let steps = shared
            .entry("steps")
            .or_insert_with(|| serde_json::json!({}));
        if let Some(steps) = steps.as_object_mut() {
            steps.insert(step.key.clone(), outputs);
        }
    }

    fn use_answers(&mut self, step: StepId) {
        for intervention in self.interventions.values_mut() {
            if intervention.step_id == Some(step)
                && !intervention.used
                && intervention.status != InterventionStatus::Pending
            {
                Arc::make_mut(intervention).used = true;
            }
        }
    }

    fn change_intervention(&mut self, body: &EventBody, c: &InterventionChange, at: Timestamp) {
        if let Some(step) = &c.step {
            self.patch(step);
        }
        let Some(intervention) = self.interventions.get_mut(&c.id) else {
            return;
        };
        let i = Arc::make_mut(intervention);
        i.status = c.status;
        match body {
            EventBody::InterventionClaimed(_) | EventBody::InterventionReleased(_) => {
                i.claimed_by.clone_from(&c.claimed_by);
            }
            EventBody::InterventionEscalated(_) => {
                i.level = c.level.unwrap_or(i.level);
                i.claimed_by = None;
                i.priority = crate::model::Priority::Urgent;
                i.votes.clear();
            }
            EventBody::InterventionCompleted(_)
            | EventBody::InterventionExpired(_)
            | EventBody::InterventionCancelled(_) => {
                i.outcome = c.outcome;
                i.response.clone_from(&c.response);
                i.completed_at = Some(at);
            }
            _ => {}
        }
        if let Some(assignees) = &c.assignees {
            i.assignees.clone_from(assignees);
        }
        if let Some(vote) = &c.vote {
            i.votes.push(vote.clone());
        }
        if let Some(comment) = &c.comment {
            i.comments.push(comment.clone());
        }
        if c.due_at.is_some() {
            i.due_at = c.due_at;
        }
    }
}
