//! Work under a fenced lease: offer, accept, heartbeat, progress, result, and what happens when a lease is lost.

use std::sync::Arc;

use serde_json::{Value, json};

use super::flow::{attempt_change, step_change};
use super::start::participant;
use super::{Decider, Ruled, hash, patch};
use crate::event::{AttemptOffered, EventBody};
use crate::id::{AgentId, AttemptId, InstanceId, StepId};
use crate::model::agent::Agent;
use crate::model::attempt::{Attempt, AttemptStatus};
use crate::model::handoff::HandoffStatus;
use crate::model::process::{Failure, ProcessStatus};
use crate::model::room::{ParticipantType, RoomRole};
use crate::model::step::{Holder, ProcessStep, StepPhase, StepStatus};
use crate::model::team::{AgentTeam, AgentTeamMember};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Refusal, limits, view};

/// An agent that refused an offer of a step, or let it lapse, is asked again after this, doubled with each time.
const REOFFER_MS: u64 = 2_000;

/// Whether an agent may take a step: the one it is assigned to, else one with the capabilities, else one with the role. And the one that let
/// go of it while a human was asked, to which it may have been handed over: what was answered is for that one, if it is there.
pub fn fits(step: &ProcessStep, agent: &Agent, member: &AgentTeamMember) -> bool {
    if step.preferred_agent_id.as_ref() == Some(&agent.id) {
        return true;
    }
    if let Some(assigned) = &step.assigned_agent_id {
        return *assigned == agent.id;
    }
    if let Some(required) = step
        .required_capabilities
        .as_ref()
        .filter(|r| !r.is_empty())
    {
        return required
            .iter()
            .all(|c| agent.capabilities.contains(c) || member.capabilities.contains(c));
    }
    step.role.is_none_or(|role| role == member.role)
}

impl Decider<'_> {
    pub(super) fn offer(
        &mut self,
        step_id: StepId,
        agent_id: &AgentId,
        instance: Option<&InstanceId>,
        claim: bool,
    ) -> Ruled {
        let process = self.process()?;
        if process.process.status != ProcessStatus::Running {
            return Err(Refusal::illegal(format!(
                "the process is {}; only a running one hands out work",
                process.process.status.as_str()
            )));
        }
        let step = process
            .step(step_id)
            .ok_or_else(|| Refusal::not_found("step", step_id))?;
        if step.phase != Some(StepPhase::Ready) {
            return Err(Refusal::illegal(format!(
                "the step {:?} is not ready",
                step.key
            )));
        }
        if step.process.is_some() {
            return Err(Refusal::illegal(format!(
                "the work of the step {:?} is a process, not an agent's",
                step.key
            )));
        }
        if claim && self.ctx.principal.agent_id().as_ref() != Some(agent_id) {
            return Err(Refusal::forbidden("an agent claims for itself"));
        }
        let (agent, team) = self.taker(&process, agent_id)?;
        let member = team.member(agent_id).ok_or_else(|| {
            Refusal::forbidden(format!(
                "agent {agent_id} is no active member of the team {:?}",
                team.name
            ))
        })?;
        if !fits(step, agent, member) {
            return Err(Refusal::forbidden(format!(
                "agent {agent_id} does not fit the step {:?}",
                step.key
            )));
        }
        if let Some(until) = declined_until(&process, step, agent_id)
            && until > self.now()
            && !claim
        {
            return Err(Refusal::new(
                Code::Conflict,
                format!("agent {agent_id} refused this step; asked again at {until}"),
            ));
        }
        self.require_slot(agent)?;
        self.require_room_in(team)?;
        let timeouts = &process.process.configuration.timeout_settings;
        let attempt = Attempt {
            id: self.ctx.id(),
            step_id,
            process_id: process.process.id,
            agent_id: agent_id.clone(),
            instance_id: instance.cloned(),
            epoch: step.epoch + 1,
            status: AttemptStatus::Offered,
            lease_until: self.now().plus_ms(timeouts.offer_ms),
            offered_at: self.now(),
            accepted_at: None,
            ended_at: None,
            result_hash: None,
        };
        let step = patch(step, StepStatus::Running, Some(StepPhase::Offered));
        let (id, epoch) = (attempt.id, attempt.epoch);
        self.emit(EventBody::AssignmentOffered(AttemptOffered {
            attempt,
            step,
        }));
        if claim {
            self.accept_attempt(id, &r::Lease { epoch })?;
        }
        let process = self.process()?;
        Ok(view::work(&process, id))
    }

    /// A free slot of the agent, counted under the lock of its row.
    pub(super) fn require_slot(&self, agent: &Agent) -> Result<(), Refusal> {
        let live = self
            .ctx
            .facts
            .agent_live
            .get(&agent.id)
            .map_or(0, std::collections::BTreeSet::len);
        if live >= agent.slots as usize {
            return Err(Refusal::new(
                Code::Conflict,
                format!(
                    "agent {} has no free slot ({live} of {} in use)",
                    agent.id, agent.slots
                ),
            ));
        }
        Ok(())
    }

    /// Room for one more among the team's steps at work, over all its processes.
    pub(super) fn require_room_in(&self, team: &AgentTeam) -> Result<(), Refusal> {
        let running = self
            .ctx
            .facts
            .team_live
            .get(&team.id)
            .map_or(0, std::collections::BTreeSet::len);
        if running >= team.configuration.max_concurrent_tasks as usize {
            return Err(Refusal::new(
                Code::Conflict,
                format!("the team has {running} steps at work, its maximum"),
            ));
        }
        Ok(())
    }

    pub(super) fn taker(
        &self,
        process: &ProcessState,
        id: &AgentId,
    ) -> Result<(&Agent, &AgentTeam), Refusal> {
        let agent = self.ctx.facts.agents.get(id).filter(|a| !a.archived);
        let agent = agent.ok_or_else(|| Refusal::not_found("agent", id))?;
        let team = self.ctx.facts.teams.get(&process.process.team_id);
        let team = team.ok_or_else(|| Refusal::not_found("team", process.process.team_id))?;
        Ok((agent, team))
    }

    /// The attempt, when the caller holds it with this epoch; else `stale_lease` with who holds the step now.
    pub(super) fn held(
        &self,
        process: &ProcessState,
        id: AttemptId,
        epoch: u64,
    ) -> Result<(Arc<Attempt>, Arc<ProcessStep>), Refusal> {
        let attempt = process
            .attempts
            .get(&id)
            .ok_or_else(|| Refusal::not_found("attempt", id))?;
        let step = process
            .step(attempt.step_id)
            .ok_or_else(|| Refusal::not_found("step", attempt.step_id))?;
        let mine = self.ctx.principal.agent_id().as_ref() == Some(&attempt.agent_id);
        if !mine {
            return Err(Refusal::forbidden(format!(
                "the attempt {id} belongs to another agent"
            )));
        }
        if !attempt.status.is_live() || epoch != attempt.epoch {
            return Err(stale(process, step, attempt));
        }
        Ok((Arc::clone(attempt), Arc::clone(step)))
    }

    /// The agent's own leased attempt, by what it gave beside the id: an agent writes with both.
    pub(super) fn leased_by(
        &self,
        process: &ProcessState,
        id: AttemptId,
        epoch: Option<u64>,
    ) -> Result<(Arc<Attempt>, Arc<ProcessStep>), Refusal> {
        let epoch =
            epoch.ok_or_else(|| Refusal::field("epoch", "is missing: give it with attemptId"))?;
        self.leased(process, id, epoch)
    }

    /// Refuses an agent that names a step, and not the attempt, where another running copy of it holds that. A call over REST says of no copy that it is it.
    pub(super) fn require_copy(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        attempt: &Attempt,
    ) -> Result<(), Refusal> {
        match (&attempt.instance_id, &self.ctx.principal.instance_id) {
            (Some(holder), Some(me)) if holder != me => Err(stale(process, step, attempt)),
            _ => Ok(()),
        }
    }

    /// Whoever works on a process takes part in its room, even if it came to the team after the start.
    pub(super) fn admit(&mut self, agent: &AgentId) {
        let kind = ParticipantType::Agent;
        if self.state.given_role(kind, agent.as_str()).is_none() {
            let joined = participant(agent.as_str(), kind, RoomRole::Participant, self.now());
            self.emit(EventBody::ParticipantJoined(joined));
        }
    }

    fn leased(
        &self,
        process: &ProcessState,
        id: AttemptId,
        epoch: u64,
    ) -> Result<(Arc<Attempt>, Arc<ProcessStep>), Refusal> {
        let (attempt, step) = self.held(process, id, epoch)?;
        if attempt.status == AttemptStatus::Offered {
            return Err(Refusal::illegal("accept the offer first (attempt:accept)"));
        }
        Ok((attempt, step))
    }

    fn lease_ms(&self, process: &ProcessState) -> u64 {
        process.process.configuration.timeout_settings.lease_ms
    }

    pub(super) fn accept_attempt(&mut self, id: AttemptId, lease: &r::Lease) -> Ruled {
        let process = self.process()?;
        let (attempt, step) = self.held(&process, id, lease.epoch)?;
        let lease_ms = self.lease_ms(&process);
        let reply = json!({"leaseMs": lease_ms, "attemptId": id, "epoch": attempt.epoch});
        if attempt.status == AttemptStatus::Leased {
            return Ok(reply);
        }
        self.admit(&attempt.agent_id);
        let mut change = attempt_change(
            &attempt,
            &step,
            AttemptStatus::Leased,
            StepStatus::Running,
            StepPhase::Executing,
        );
        change.lease_until = Some(self.now().plus_ms(lease_ms));
        change
            .instance_id
            .clone_from(&self.ctx.principal.instance_id);
        self.emit(EventBody::AssignmentAccepted(change));
        if step.started_at.is_none() {
            let mut started = step_change(&step, StepStatus::Running, Some(StepPhase::Executing));
            started.attempt_id = Some(id);
            started.agent_id = Some(attempt.agent_id.clone());
            self.emit(EventBody::StepStarted(started));
        }
        Ok(reply)
    }

    pub(super) fn reject_attempt(&mut self, id: AttemptId, lease: &r::LeaseReason) -> Ruled {
        let process = self.process()?;
        let (attempt, step) = self.held(&process, id, lease.epoch)?;
        if attempt.status != AttemptStatus::Offered {
            return Err(Refusal::illegal(
                "the offer was accepted; give the step back with attempt:release",
            ));
        }
        let mut change = attempt_change(
            &attempt,
            &step,
            AttemptStatus::Rejected,
            StepStatus::Pending,
            StepPhase::Blocked,
        );
        change.reason.clone_from(&lease.reason);
        self.emit(EventBody::AssignmentRejected(change));
        self.wake_later(&process, &step, &attempt.agent_id);
        self.make_ready(step.id);
        Ok(json!({"attemptId": id, "status": AttemptStatus::Rejected}))
    }

    /// A refused step is offered to the same agent again only after a while; the timer wakes the dispatcher.
    fn wake_later(&mut self, process: &ProcessState, step: &ProcessStep, agent: &AgentId) {
        let due = self
            .now()
            .plus_ms(declined_delay(process, step, agent).saturating_add(REOFFER_MS));
        self.timers.push(super::TimerOp::Set {
            timer: crate::command::Timer::Reoffer { step: step.id },
            due,
        });
    }

    pub(super) fn heartbeat(&mut self, id: AttemptId, lease: &r::Lease) -> Ruled {
        let process = self.process()?;
        self.leased(&process, id, lease.epoch)?;
        let lease_ms = self.lease_ms(&process);
        let timer = crate::command::Timer::Lease { attempt: id };
        self.timers.push(super::TimerOp::Set {
            timer,
            due: self.now().plus_ms(lease_ms),
        });
        Ok(json!({"leaseMs": lease_ms}))
    }

    pub(super) fn progress(&mut self, id: AttemptId, progress: &r::Progress) -> Ruled {
        if progress
            .percent
            .is_some_and(|p| !(0.0..=100.0).contains(&p))
        {
            return Err(Refusal::field("percent", "must be from 0 to 100"));
        }
        if let Some(note) = &progress.note {
            super::check_text("note", note)?;
        }
        let process = self.process()?;
        let (attempt, step) = self.leased(&process, id, progress.epoch)?;
        let mut change = step_change(&step, step.status, step.phase);
        change.attempt_id = Some(id);
        change.agent_id = Some(attempt.agent_id.clone());
        change.percent = progress.percent;
        change.note.clone_from(&progress.note);
        self.emit(EventBody::StepProgress(change));
        self.heartbeat(
            id,
            &r::Lease {
                epoch: progress.epoch,
            },
        )
    }

    pub(super) fn complete(&mut self, id: AttemptId, result: &r::Complete) -> Ruled {
        let process = self.process()?;
        let digest = hash(&result.outputs);
        let reply = |step: &ProcessStep, status: &str| json!({"stepId": step.id, "key": step.key, "status": status});
        if let Some(step) = self.repeated(&process, id, result.epoch, &digest) {
            return Ok(reply(&step, "completed"));
        }
        let (attempt, step) = self.leased(&process, id, result.epoch)?;
        self.require_room_for(&process, &step, &result.outputs)?;
        self.finish(&process, &step, Some(&attempt), &result.outputs, digest);
        Ok(reply(&step, "completed"))
    }

    /// What the step gives must fit, by itself and beside what is there.
    pub(super) fn require_room_for(
        &self,
        process: &ProcessState,
        step: &ProcessStep,
        outputs: &Value,
    ) -> Result<(), Refusal> {
        limits::check("outputs", outputs, limits::OUTPUTS)?;
        let copies = 1 + u64::from(step.merge_outputs);
        let more = limits::size_of(outputs, limits::OUTPUTS) as u64 * copies;
        if process.tally.shared_bytes + more > limits::SHARED_DATA as u64 {
            return Err(Refusal::new(
                Code::PayloadTooLarge,
                format!(
                    "with these outputs sharedData would have more than {} bytes; keep large results elsewhere and give their address",
                    limits::SHARED_DATA
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, id: AttemptId, failure: &r::Fail) -> Ruled {
        super::check_text("error.message", &failure.error.message)?;
        if failure.error.code.is_empty() || failure.error.code.len() > limits::NAME {
            return Err(Refusal::field(
                "error.code",
                format!("must have 1 to {} characters", limits::NAME),
            ));
        }
        if let Some(details) = &failure.error.details {
            limits::check("error.details", details, limits::METADATA)?;
        }
        let process = self.process()?;
        let digest = hash(&super::json(&failure.error));
        if let Some(step) = self.repeated(&process, id, failure.epoch, &digest) {
            return Ok(json!({"stepId": step.id, "key": step.key}));
        }
        let (attempt, step) = self.leased(&process, id, failure.epoch)?;
        self.attempt_failed(&step, &attempt, failure.error.clone(), digest);
        Ok(json!({"stepId": step.id, "key": step.key}))
    }

    /// The step, when this very result was accepted before: its ack may have been lost.
    fn repeated(
        &self,
        process: &ProcessState,
        id: AttemptId,
        epoch: u64,
        digest: &str,
    ) -> Option<Arc<ProcessStep>> {
        let attempt = process.attempts.get(&id)?;
        let same = attempt.epoch == epoch
            && attempt.result_hash.as_deref() == Some(digest)
            && self.ctx.principal.agent_id().as_ref() == Some(&attempt.agent_id);
        if same {
            process.step(attempt.step_id).cloned()
        } else {
            None
        }
    }

    pub(super) fn release(&mut self, id: AttemptId, lease: &r::LeaseReason) -> Ruled {
        let process = self.process()?;
        let (attempt, step) = self.leased(&process, id, lease.epoch)?;
        self.give_back(&process, &attempt, &step, lease.reason.clone());
        Ok(json!({"attemptId": id, "status": AttemptStatus::Released}))
    }

    /// An agent gives back what one running copy of it has, or all that it has.
    pub(super) fn release_agent(
        &mut self,
        agent: &AgentId,
        instance: Option<&InstanceId>,
    ) -> Ruled {
        let process = self.process()?;
        let why = match instance {
            Some(_) => "another instance replaces it",
            None => "the agent was removed",
        };
        for attempt in process.attempts.values() {
            if attempt.status.is_live()
                && attempt.agent_id == *agent
                && (instance.is_none() || attempt.instance_id.as_ref() == instance)
                && let Some(step) = process.step(attempt.step_id)
            {
                self.give_back(&process, attempt, step, Some(why.to_owned()));
            }
        }
        Ok(Value::Null)
    }

    fn give_back(
        &mut self,
        process: &ProcessState,
        attempt: &Attempt,
        step: &ProcessStep,
        reason: Option<String>,
    ) {
        let waits = process.open_interventions(step.id).next().is_some();
        let phase = if waits {
            StepPhase::AwaitingInput
        } else {
            StepPhase::Blocked
        };
        if let Some(handoff) = process.pending_handoff(step.id) {
            let why = "the sender gave the step back".to_owned();
            self.end_handoff(handoff.id, HandoffStatus::Cancelled, Some(why), None);
        }
        let mut change = attempt_change(
            attempt,
            step,
            AttemptStatus::Released,
            StepStatus::Pending,
            phase,
        );
        change.reason = reason;
        self.emit(EventBody::AssignmentReleased(change));
        if !waits {
            self.make_ready(step.id);
        }
    }

    /// An offer or a lease ran out. A step that waits for a human is suspended; one on its way to another agent is kept for it.
    pub(super) fn expire_attempt(&mut self, attempt: &Attempt) -> Ruled {
        let process = self.process()?;
        let step = process
            .step(attempt.step_id)
            .ok_or_else(|| Refusal::not_found("step", attempt.step_id))?;
        if attempt.status == AttemptStatus::Offered {
            let change = attempt_change(
                attempt,
                step,
                AttemptStatus::Expired,
                StepStatus::Pending,
                StepPhase::Blocked,
            );
            self.emit(EventBody::AssignmentExpired(change));
            self.wake_later(&process, step, &attempt.agent_id);
            self.make_ready(step.id);
            return Ok(Value::Null);
        }
        if process.open_interventions(step.id).next().is_some() {
            let mut change = attempt_change(
                attempt,
                step,
                AttemptStatus::Suspended,
                StepStatus::Pending,
                StepPhase::AwaitingInput,
            );
            change.reason = Some("the lease ran out while a human was asked".to_owned());
            if let Some(handoff) = process.pending_handoff(step.id) {
                let why = "the step waits for a human".to_owned();
                self.end_handoff(handoff.id, HandoffStatus::Cancelled, Some(why), None);
            }
            self.emit(EventBody::AssignmentSuspended(change));
            return Ok(Value::Null);
        }
        if process.pending_handoff(step.id).is_some() {
            let change = attempt_change(
                attempt,
                step,
                AttemptStatus::Expired,
                StepStatus::Running,
                StepPhase::HandingOff,
            );
            self.emit(EventBody::AssignmentExpired(change));
            return Ok(Value::Null);
        }
        let change = attempt_change(
            attempt,
            step,
            AttemptStatus::Expired,
            StepStatus::Pending,
            StepPhase::Blocked,
        );
        self.emit(EventBody::AssignmentExpired(change));
        self.after_lost_lease(step.id);
        Ok(Value::Null)
    }

    /// A step without a holder goes back to be offered, unless it has killed too many.
    pub(super) fn after_lost_lease(&mut self, id: StepId) {
        let Some(step) = self
            .state
            .process
            .as_ref()
            .and_then(|p| p.step(id))
            .cloned()
        else {
            return;
        };
        if step.lost_leases >= step.max_lost_leases {
            let why = format!(
                "{} leases were lost; the step seems to stop its agents",
                step.lost_leases
            );
            self.end_badly(
                &step,
                None,
                Failure::permanent("lease_lost", why),
                step.attempts,
            );
        } else {
            self.make_ready(id);
        }
    }
}

fn stale(process: &ProcessState, step: &ProcessStep, attempt: &Attempt) -> Refusal {
    let holder = process.live_attempt(step).map(|a| Holder {
        attempt_id: a.id,
        agent_id: a.agent_id.clone(),
        instance_id: a.instance_id.clone(),
        epoch: a.epoch,
    });
    let detail = match &holder {
        Some(holder) => format!(
            "agent {} holds the step {:?} now; drop this work",
            holder.agent_id, step.key
        ),
        None => format!(
            "the attempt is {}; the step {:?} is {}; drop this work",
            attempt.status.as_str(),
            step.key,
            step.status.as_str()
        ),
    };
    Refusal::new(Code::StaleLease, detail).with_context(json!({
        "holder": holder, "stepId": step.id, "stepStatus": step.status, "epoch": step.epoch,
    }))
}

/// How often this agent refused this step or let its offer lapse, since it last took it; and when the last time was.
fn declines(
    process: &ProcessState,
    step: &ProcessStep,
    agent: &AgentId,
) -> (u32, Option<crate::Timestamp>) {
    let mut count = 0;
    let mut last = None;
    for attempt in process
        .attempts
        .values()
        .filter(|a| a.step_id == step.id && a.agent_id == *agent)
    {
        match attempt.status {
            AttemptStatus::Rejected => (count, last) = (count + 1, attempt.ended_at),
            AttemptStatus::Expired if attempt.accepted_at.is_none() => {
                (count, last) = (count + 1, attempt.ended_at)
            }
            AttemptStatus::Cancelled => {}
            _ => (count, last) = (0, None),
        }
    }
    (count, last)
}

fn declined_delay(process: &ProcessState, step: &ProcessStep, agent: &AgentId) -> u64 {
    let (count, _) = declines(process, step, agent);
    REOFFER_MS.saturating_mul(1 << count.saturating_sub(1).min(5))
}

fn declined_until(
    process: &ProcessState,
    step: &ProcessStep,
    agent: &AgentId,
) -> Option<crate::Timestamp> {
    let (_, last) = declines(process, step, agent);
    last.map(|at| at.plus_ms(declined_delay(process, step, agent)))
}
