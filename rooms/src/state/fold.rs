//! How events add up: what each of them changes in the state. Total, and without a rule.

use std::sync::Arc;

use super::{ProcessState, RuleMemory, State, handoff, intervention, monitoring};
use crate::event::{Event, EventBody, InterventionChange, StepChange};
use crate::id::{AttemptId, InterventionId, StepId};
use crate::model::Object;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::{HandoffKind, HandoffStatus};
use crate::model::intervention::InterventionStatus;
use crate::model::process::{Failure, OrchestrationProcess, ProcessStatus};
use crate::model::room::CollaborationRoom;
use crate::model::step::{ProcessStep, StepPatch, StepProgress, StepStatus};
use crate::model::team::TeamStatus;
use crate::{Timestamp, limits};

/// What a step that has completed gives to all others.
pub(crate) fn share(shared: &mut Object, step: &ProcessStep) {
    let outputs = step.outputs.clone().unwrap_or_default();
    for (key, value) in merged(step) {
        shared.insert(key.clone(), value.clone());
    }
    let steps = shared
        .entry("steps")
        .or_insert_with(|| serde_json::json!({}));
    if let Some(steps) = steps.as_object_mut() {
        steps.insert(step.key.clone(), outputs);
    }
}

/// What of a step's outputs lies in sharedData by its own name.
pub(crate) fn merged(step: &ProcessStep) -> impl Iterator<Item = (&String, &serde_json::Value)> {
    let outputs = step.outputs.as_ref().filter(|_| step.merge_outputs);
    let outputs = outputs.and_then(serde_json::Value::as_object).into_iter();
    outputs.flatten().filter(|(key, _)| *key != "steps")
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
            EventBody::RoomArchived(change) => {
                self.room_mut(|room| room.archived = change.archived)
            }
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
            EventBody::AlertRulesUpdated(rules) => {
                self.alert_rules = Some(Arc::new(rules.clone()));
            }
            EventBody::ProcessCreated(created) => {
                self.process = Some(Arc::new(ProcessState::new(created)));
            }
            _ => {
                // A process that goes on does so in a room that is open.
                let archived = self.room.as_ref().is_some_and(|room| room.archived);
                if archived && matches!(body, EventBody::ProcessRetried(_)) {
                    self.room_mut(|room| room.archived = false);
                }
                if let Some(process) = &mut self.process {
                    let process = Arc::make_mut(process);
                    process.apply(body, at);
                    process.tick(at);
                }
            }
        }
    }

    fn room_mut(&mut self, change: impl FnOnce(&mut CollaborationRoom)) {
        if let Some(room) = &mut self.room {
            change(Arc::make_mut(room));
        }
    }
}

impl ProcessState {
    /// Changes a step. Its clock, and the counts of all steps, follow from what it is at afterwards.
    fn change(&mut self, id: StepId, at: Timestamp, change: impl FnOnce(&mut ProcessStep)) {
        let Some(slot) = self.graph().at(id).and_then(|n| self.steps.get_mut(n)) else {
            return;
        };
        let step = Arc::make_mut(slot);
        self.tally.leave(step);
        change(step);
        match (step.running_since, step.is_at_work()) {
            (Some(since), false) => {
                step.elapsed_ms += at.ms_since(since);
                step.running_since = None;
            }
            (None, true) => step.running_since = Some(at),
            _ => {}
        }
        self.tally.enter(step);
    }

    /// Starts and stops the clock of the whole: it stands still while nothing but humans is waited for. In a paused process only work that
    /// is under way is waited for besides.
    fn tick(&mut self, at: Timestamp) {
        let runs = match self.process.status {
            ProcessStatus::Running => self.tally.at_work + self.tally.waiting > 0,
            ProcessStatus::Paused => self.tally.at_work > 0,
            _ => false,
        };
        match (self.process.running_since, runs) {
            (Some(since), false) => {
                let p = self.process_mut();
                p.elapsed_ms += at.ms_since(since);
                p.running_since = None;
            }
            (None, true) => self.process_mut().running_since = Some(at),
            _ => {}
        }
    }

    fn process_mut(&mut self) -> &mut OrchestrationProcess {
        Arc::make_mut(&mut self.process)
    }

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
                    self.change(*id, at, ProcessStep::reset);
                }
                let ended = self.tally.ended;
                self.chain.clear();
                let p = self.process_mut();
                p.status = c.status;
                p.reason.clone_from(&c.reason);
                p.error = None;
                p.completed_at = None;
                p.metrics.end_time = None;
                p.metrics.duration = None;
                p.elapsed_ms = 0;
                p.current_step = ended;
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
            E::StepReady(c) => self.change_step(c, at, |step| {
                step.ready_at = Some(at);
                step.retry_at = None;
                step.take_inputs(c.inputs.as_ref());
                // Another process will begin its work anew.
                if step.child_process_id.take().is_some() {
                    step.stop_clock();
                }
            }),
            E::StepStarted(c) => self.change_step(c, at, |step| {
                step.started_at.get_or_insert(at);
                step.retry_at = None;
                step.take_inputs(c.inputs.as_ref());
                if c.child_process_id.is_some() {
                    step.child_process_id = c.child_process_id;
                    step.stop_clock();
                }
            }),
            E::StepProgress(c) => {
                self.change_step(c, at, |step| {
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
                self.change_step(c, at, |step| {
                    step.error.clone_from(&c.error);
                    step.attempts = c.attempts.unwrap_or(step.attempts);
                    step.retry_at = c.retry_at;
                    step.current_attempt = None;
                    step.held_by = None;
                    step.child_process_id = None;
                    step.stop_clock();
                });
                self.end_attempt_of(c, AttemptStatus::Failed, at);
                self.use_answers(c.id);
                let counted = c.attempt_id.is_some()
                    || c.error.as_ref().is_some_and(|e| e.code == Failure::TIMEOUT);
                let metrics = &mut self.process_mut().metrics;
                metrics.retry_count += 1;
                metrics.error_count += u64::from(!counted);
            }
            E::StepCompleted(c) => {
                self.end_step(c, at);
                self.end_attempt_of(c, AttemptStatus::Completed, at);
                self.use_answers(c.id);
                self.keep_outputs(c.id);
            }
            E::StepFailed(c) => {
                self.end_step(c, at);
                self.end_attempt_of(c, AttemptStatus::Failed, at);
                self.use_answers(c.id);
                // An attempt that failed, a lost lease and a timeout were counted when they happened.
                let counted = c.attempt_id.is_some()
                    || c.error
                        .as_ref()
                        .is_some_and(|e| e.code == "lease_lost" || e.code == Failure::TIMEOUT);
                if !counted {
                    self.process_mut().metrics.error_count += 1;
                }
            }
            E::StepSkipped(c) | E::StepCancelled(c) => {
                self.end_step(c, at);
                self.end_attempt_of(c, AttemptStatus::Failed, at);
            }
            E::AssignmentOffered(offer) => {
                self.take(&offer.attempt, &offer.step, at);
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
                self.patch(&c.step, at);
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
                self.end_attempt(Some(c.id), c.status, c.result_hash.as_deref(), at);
                self.patch(&c.step, at);
                let lost = matches!(body, E::AssignmentExpired(_)) && was_leased;
                let suspended = matches!(body, E::AssignmentSuspended(_));
                self.change(c.step_id, at, |step| {
                    step.epoch = c.epoch;
                    step.current_attempt = None;
                    step.held_by = None;
                    step.preferred_agent_id = suspended.then(|| c.agent_id.clone());
                    if c.avoid {
                        step.avoid_agent_id = Some(c.agent_id.clone());
                    }
                    step.give_to(c.prefer.as_ref());
                    if c.status == AttemptStatus::Failed {
                        step.attempts += 1;
                        step.error.clone_from(&c.error);
                    }
                    step.lost_leases += u32::from(lost);
                    // Whoever takes it next begins anew, but for a suspension, which comes back to its work.
                    if step.status == StepStatus::Pending && !suspended {
                        step.stop_clock();
                    }
                });
                if lost {
                    self.process_mut().metrics.error_count += 1;
                }
            }
            E::HandoffRequested(request) => {
                self.handoffs
                    .insert(request.handoff.id, Arc::new(request.handoff.clone()));
                self.patch(&request.step, at);
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
                    handoff::change(handoff, c, at);
                    let moved = c.status == HandoffStatus::Accepted
                        && handoff.kind == HandoffKind::Transfer;
                    from = moved.then(|| handoff.from_agent_id.clone());
                }
                if let Some(from) = from {
                    self.chain.entry(c.from_step_id).or_default().push(from);
                }
                if let Some(child) = &c.child {
                    self.add_step((**child).clone());
                }
                if let Some(step) = &c.step {
                    self.patch(step, at);
                    if let Some(attempt) = &c.attempt {
                        self.take(attempt, step, at);
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
                    self.patch(&step, at);
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
            | E::InterventionSuperseded(c)
            | E::InterventionLateReply(c)
            | E::InterventionCompleted(c)
            | E::InterventionExpired(c)
            | E::InterventionCancelled(c) => self.change_intervention(body, c, at),
            E::AlertRaised(_)
            | E::AlertAcknowledged(_)
            | E::AlertResolved(_)
            | E::RecommendationMade(_) => monitoring::change(self, body, at),
            E::RuleFired(fired) => {
                *self.rules.fired.entry(fired.rule_id.clone()).or_default() += 1;
                if fired.latched {
                    let name = RuleMemory::name(&fired.rule_id, fired.step_id);
                    self.rules.holding.insert(name);
                }
                if let Some(next) = &fired.redirected {
                    self.change(next.step_id, at, |step| {
                        step.avoid_agent_id.clone_from(&next.avoid);
                        step.give_to(next.prefer.as_ref());
                    });
                }
            }
            E::RuleCleared(c) => {
                let name = RuleMemory::name(&c.rule_id, c.step_id);
                self.rules.holding.remove(&name);
            }
            E::CommunicationSent(sent) if sent.kind.awaits_response() => {
                self.open_communications
                    .insert(sent.id, Arc::new(sent.clone()));
            }
            E::CommunicationResponded(c) => {
                self.open_communications.remove(&c.id);
            }
            E::CommunicationExpired(c) => {
                self.open_communications.remove(&c.id);
            }
            _ => {}
        }
    }

    fn patch(&mut self, patch: &StepPatch, at: Timestamp) {
        self.change(patch.id, at, |step| {
            step.status = patch.status;
            step.phase = patch.phase;
        });
    }

    fn take(&mut self, attempt: &Attempt, patch: &StepPatch, at: Timestamp) {
        self.attempts.insert(attempt.id, Arc::new(attempt.clone()));
        self.change(attempt.step_id, at, |step| {
            step.status = patch.status;
            step.phase = patch.phase;
            step.epoch = attempt.epoch;
            step.current_attempt = Some(attempt.id);
            step.held_by = Some(attempt.agent_id.clone());
        });
    }

    fn change_step(
        &mut self,
        change: &StepChange,
        at: Timestamp,
        more: impl FnOnce(&mut ProcessStep),
    ) {
        self.change(change.id, at, |step| {
            step.status = change.status;
            step.phase = change.phase;
            more(step);
        });
    }

    fn end_step(&mut self, change: &StepChange, at: Timestamp) {
        self.change_step(change, at, |step| {
            step.outputs.clone_from(&change.outputs);
            // What an earlier attempt failed with is history once the step has ended well.
            if change.error.is_some() || change.status == StepStatus::Completed {
                step.error.clone_from(&change.error);
            }
            step.next_step_id.clone_from(&change.next_step_id);
            step.attempts = change.attempts.unwrap_or(step.attempts);
            step.completed_at = Some(at);
            step.skip_reason = change.skip_reason;
            step.failure_handled = change.failure_handled;
            step.current_attempt = None;
            step.held_by = None;
            step.retry_at = None;
        });
        let ended = self.tally.ended;
        self.process_mut().current_step = ended;
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

    /// Ends the attempt that a change of its step names, if it names one.
    fn end_attempt_of(&mut self, change: &StepChange, status: AttemptStatus, at: Timestamp) {
        self.end_attempt(change.attempt_id, status, change.result_hash.as_deref(), at);
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
        self.change(step, at, |step| {
            step.current_attempt = None;
            step.held_by = None;
        });
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
        let copies = 1 + u64::from(step.merge_outputs);
        let size = limits::size_of(&outputs, limits::SHARED_DATA) as u64;
        self.tally.shared_bytes = self.tally.shared_bytes.saturating_add(size * copies);
        share(&mut Arc::make_mut(&mut self.context).shared_data, &step);
    }

    fn use_answers(&mut self, step: StepId) {
        let unused: Vec<InterventionId> = self
            .interventions
            .values()
            .filter(|i| {
                i.step_id == Some(step) && !i.used && i.status != InterventionStatus::Pending
            })
            .map(|i| i.id)
            .collect();
        for id in unused {
            if let Some(intervention) = self.interventions.get_mut(&id) {
                Arc::make_mut(intervention).used = true;
            }
        }
    }

    fn change_intervention(&mut self, body: &EventBody, c: &InterventionChange, at: Timestamp) {
        if let Some(step) = &c.step {
            self.patch(step, at);
        }
        let Some(intervention) = self.interventions.get_mut(&c.id) else {
            return;
        };
        intervention::change(Arc::make_mut(intervention), body, c, at);
    }
}
