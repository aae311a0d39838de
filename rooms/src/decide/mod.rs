//! The rules. [`decide`] takes the state of a room, a command and its context, and says what happens, or why not.
//!
//! One file per aggregate. Each rule works on a [`Decider`]: what it emits is applied at once to a working copy, so that the next
//! rule sees it; nothing is real before the lane has committed it.

mod alerts;
pub mod attempt;
mod child;
mod clock;
mod conditions;
mod definition;
mod ending;
mod flow;
mod fork;
mod gate;
mod handoff;
mod inputs;
mod intervention;
mod process;
mod registry;
mod room;
mod rule_actions;
mod rules;
mod start;
mod team;
mod template;
mod timer;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::command::Timer;
use crate::event::EventBody;
use crate::id::{ProcessId, StepId};
use crate::model::room::{Channel, ParticipantType, RoomRole};
use crate::model::step::{ProcessStep, StepPatch, StepPhase, StepStatus};
use crate::model::team::CollaborationType;
use crate::policy;
use crate::state::{ProcessState, State};
use crate::{Command, Ctx, Needs, Refusal, Timestamp};

/// The largest message, comment or communication, in bytes.
pub const MAX_TEXT: usize = crate::limits::TEXT;

/// An event before the log gives it its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What happened.
    pub body: EventBody,
    /// Where in the room.
    pub channel: Channel,
    /// The step it is about.
    pub step_id: Option<StepId>,
}

/// A timer to set or to clear, in the same transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum TimerOp {
    /// Fires once `due` has passed; replaces one of the same key.
    Set {
        /// What it asks for.
        timer: Timer,
        /// When.
        due: Timestamp,
    },
    /// Never fires.
    Clear {
        /// [`Timer::key`].
        key: String,
    },
}

/// What a command comes to.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What happens, in order.
    pub events: Vec<Draft>,
    /// What is to fire later.
    pub timers: Vec<TimerOp>,
    /// The state after it.
    pub state: State,
    /// What the caller is told. A refusal can stand beside events: a late reply changes nothing and is recorded.
    pub reply: Result<Value, Refusal>,
}

/// A rule at work.
struct Decider<'a> {
    state: State,
    ctx: &'a Ctx<'a>,
    events: Vec<Draft>,
    timers: Vec<TimerOp>,
    /// Steps that what happened may let begin: [`Decider::advance`] looks at them.
    look: Vec<StepId>,
    /// When the clocks would have run out before this command.
    clocks: clock::Clocks,
    /// What the team's rules are at.
    rules: rules::Rules,
    /// A step's process whose end is being taken in: there is nothing left to cancel.
    child_done: Option<ProcessId>,
    /// What is left for the inputs of steps.
    inputs: inputs::Allowance,
}

pub use child::{Outbound, outbound, refused};

type Ruled = Result<Value, Refusal>;

/// What must be read before the command can be decided in this state.
pub fn needs(state: &State, command: &Command) -> Needs {
    let mut needs = Needs::default();
    // A rule that hands over needs to know its receivers, whatever lets it fire.
    if let Some(process) = &state.process {
        for rule in &process.process.configuration.collaboration_rules {
            if rule.collaboration_type == CollaborationType::Handoff {
                needs.teams.insert(process.process.team_id);
                needs.agents.extend(rule.target_agents.iter().cloned());
            }
        }
    }
    match command {
        Command::CreateTeam { team, .. } => needs
            .agents
            .extend(team.agents.iter().map(|m| m.agent_id.clone())),
        Command::UpdateTeam(change) => {
            needs
                .agents
                .extend(change.agents.iter().flatten().map(|m| m.agent_id.clone()));
        }
        Command::RegisterAgent(agent) => needs.agents.extend(agent.id.clone()),
        Command::AgentReady { agent_id, .. }
        | Command::UpdateAgent { agent_id, .. }
        | Command::RemoveAgent { agent_id } => {
            needs.agents.insert(agent_id.clone());
        }
        Command::CreateTemplate(template) => {
            needs.templates.extend(template.id.map(|id| (id, None)));
            needs.templates.extend(used_templates(&template.steps));
        }
        Command::ForkProcess {
            source,
            team_id,
            fork,
            ..
        } => {
            needs.teams.insert(*team_id);
            needs.sources.insert((*source, fork.seq));
            needs.alert_rules = true;
        }
        Command::StartProcess { process, .. } | Command::StartChild { process, .. } => {
            needs.alert_rules = true;
            needs.teams.extend(process.team_id);
            let version = process.template_version;
            needs
                .templates
                .extend(process.template_id.map(|id| (id, version)));
            needs.templates.extend(used_templates(&process.steps));
            needs.agents.extend(
                process
                    .steps
                    .iter()
                    .filter_map(|s| s.assigned_agent_id.clone()),
            );
        }
        Command::Offer { agent_id, .. } => {
            needs.slots = true;
            needs.agents.insert(agent_id.clone());
            needs
                .teams
                .extend(state.process.as_ref().map(|p| p.process.team_id));
        }
        Command::RequestHandoff { handoff, .. } => {
            needs
                .teams
                .extend(state.process.as_ref().map(|p| p.process.team_id));
            needs.agents.extend(handoff::may_be_asked(state, handoff));
        }
        Command::AcceptHandoff { handoff_id } => {
            needs.slots = true;
            if let Some(process) = &state.process {
                needs.teams.insert(process.process.team_id);
                if let Some(handoff) = process.handoffs.get(handoff_id) {
                    needs.agents.extend(handoff.to_agent_id.clone());
                    needs
                        .agents
                        .extend(handoff.candidates.iter().flatten().cloned());
                }
            }
        }
        Command::PostMessage(post) => {
            needs.messages.extend(post.reply_to);
            let room = state.room.as_ref().map(|room| room.id);
            needs.streams.extend(room.zip(post.stream_id.clone()));
        }
        Command::EditMessage(edit) => {
            needs.messages.insert(edit.message_id);
        }
        Command::RemoveMessage(which) => {
            needs.messages.insert(which.message_id);
        }
        Command::SendCommunication(message) => {
            needs.agents.insert(message.to_agent_id.clone());
        }
        Command::Invite(who) if who.kind == ParticipantType::Agent => {
            needs.agents.insert(who.id.as_str().into());
        }
        Command::CreateRoom { room, .. } => {
            needs.teams.extend(room.team_id);
            needs.agents.extend(
                room.participants
                    .iter()
                    .filter(|p| p.kind == ParticipantType::Agent)
                    .map(|p| p.id.as_str().into()),
            );
        }
        _ => {}
    }
    needs
}

fn used_templates(
    steps: &[crate::request::StepInput],
) -> impl Iterator<Item = (crate::id::TemplateId, Option<u32>)> {
    steps
        .iter()
        .filter_map(|s| s.process.as_ref())
        .map(|p| (p.template_id, p.template_version))
}

/// Decides a command. Pure: the same arguments give the same decision. Never panics, whatever the command and the state.
pub fn decide(state: &State, command: &Command, ctx: &Ctx<'_>) -> Decision {
    let mut d = Decider::new(state, ctx);
    let reply = policy::allows(ctx.principal, command.operation()).and_then(|()| d.rule(command));
    if reply.is_err()
        && !d
            .events
            .iter()
            .all(|e| matches!(e.body, EventBody::InterventionLateReply(_)))
    {
        // A rule that refuses half-way has changed nothing.
        return Decision {
            events: Vec::new(),
            timers: Vec::new(),
            state: state.clone(),
            reply,
        };
    }
    d.act_on_rules();
    d.set_clocks();
    d.state.seq += d.events.len() as u64;
    Decision {
        events: d.events,
        timers: d.timers,
        state: d.state,
        reply,
    }
}

impl<'a> Decider<'a> {
    fn new(state: &State, ctx: &'a Ctx<'a>) -> Self {
        Self {
            state: state.clone(),
            ctx,
            events: Vec::new(),
            timers: Vec::new(),
            look: Vec::new(),
            clocks: clock::Clocks::of(state),
            rules: rules::Rules::default(),
            child_done: None,
            inputs: inputs::Allowance::default(),
        }
    }
}

impl Decider<'_> {
    fn rule(&mut self, command: &Command) -> Ruled {
        use Command as C;
        match command {
            C::CreateWorkspaceRoom {
                workspace_id,
                room_id,
                name,
            } => self.create_workspace_room(workspace_id, *room_id, name),
            C::RegisterAgent(agent) => self.register_agent(agent),
            C::UpdateAgent { agent_id, change } => self.update_agent(agent_id, change),
            C::RemoveAgent { agent_id } => self.remove_agent(agent_id),
            C::AgentReady {
                slots,
                capabilities,
                ..
            } => self.agent_ready(*slots, capabilities.as_deref()),
            C::CreateTeam { team_id, team } => self.create_team(*team_id, team),
            C::UpdateTeam(change) => self.update_team(change),
            C::ArchiveTeam => self.archive_team(),
            C::CreateTemplate(template) => self.create_template(template),
            C::StartProcess {
                process_id,
                process,
            } => self.start_process(*process_id, process, None),
            C::StartChild {
                process_id,
                parent,
                initiated_by,
                process,
            } => self.start_process(*process_id, process, Some((parent, initiated_by))),
            C::ForkProcess {
                process_id,
                source,
                team_id,
                fork,
            } => self.fork_process(*process_id, *source, *team_id, fork),
            C::ChildEnded {
                step_id,
                process_id,
                outputs,
                error,
            } => self.child_ended(*step_id, *process_id, outputs.as_ref(), error.as_ref()),
            C::PauseProcess(why) => self.pause_process(why),
            C::ResumeProcess(why) => self.resume_process(why),
            C::CancelProcess(why) => self.cancel_process(why),
            C::RetryProcess(why) => self.retry_process(why),
            C::Offer {
                step_id,
                agent_id,
                instance_id,
                claim,
            } => self.offer(*step_id, agent_id, instance_id.as_ref(), *claim),
            C::AcceptAttempt { attempt_id, lease } => self.accept_attempt(*attempt_id, lease),
            C::RejectAttempt { attempt_id, lease } => self.reject_attempt(*attempt_id, lease),
            C::Heartbeat { attempt_id, lease } => self.heartbeat(*attempt_id, lease),
            C::Progress {
                attempt_id,
                progress,
            } => self.progress(*attempt_id, progress),
            C::Complete { attempt_id, result } => self.complete(*attempt_id, result),
            C::Fail {
                attempt_id,
                failure,
            } => self.fail(*attempt_id, failure),
            C::Release { attempt_id, lease } => self.release(*attempt_id, lease),
            C::ReleaseAgent {
                agent_id,
                instance_id,
            } => self.release_agent(agent_id, instance_id.as_ref()),
            C::RequestHandoff {
                attempt_id,
                handoff,
            } => self.request_handoff(*attempt_id, handoff),
            C::AcceptHandoff { handoff_id } => self.accept_handoff(*handoff_id),
            C::RejectHandoff { handoff_id, reason } => self.reject_handoff(*handoff_id, reason),
            C::CancelHandoff { handoff_id, reason } => self.cancel_handoff(*handoff_id, reason),
            C::CompleteHandoff { handoff_id } => self.complete_handoff(*handoff_id),
            C::RequestIntervention {
                attempt_id,
                question,
            } => self.request_intervention(*attempt_id, question),
            C::ClaimIntervention { intervention_id } => self.claim_intervention(*intervention_id),
            C::ReleaseIntervention { intervention_id } => {
                self.release_intervention(*intervention_id)
            }
            C::AssignIntervention {
                intervention_id,
                to,
            } => self.assign_intervention(*intervention_id, to),
            C::DelegateIntervention {
                intervention_id,
                delegate,
            } => self.delegate_intervention(*intervention_id, delegate),
            C::RemindIntervention { intervention_id } => self.remind_intervention(*intervention_id),
            C::CommentIntervention {
                intervention_id,
                comment,
            } => self.comment_intervention(*intervention_id, comment),
            C::RespondIntervention {
                intervention_id,
                reply,
            } => self.respond(*intervention_id, reply),
            C::CancelIntervention {
                intervention_id,
                reason,
            } => self.cancel_intervention(*intervention_id, reason),
            C::AcknowledgeAlert { alert_id } => self.acknowledge_alert(*alert_id),
            C::ResolveAlert { alert_id } => self.resolve_alert(*alert_id),
            C::SetAlertRules(rules) => self.set_alert_rules(rules),
            C::SendCommunication(message) => self.send_communication(message),
            C::RespondCommunication {
                communication_id,
                response,
            } => self.respond_communication(*communication_id, response),
            C::CreateRoom { room_id, room } => self.create_room(*room_id, room),
            C::Invite(who) => self.invite(who),
            C::RemoveParticipant(who) => self.remove_participant(who),
            C::PostMessage(message) => self.post_message(message),
            C::EditMessage(edit) => self.edit_message(edit),
            C::RemoveMessage(which) => self.remove_message(which),
            C::Broadcast(event) => self.broadcast(event),
            C::MarkRead(_) => self.mark_read(),
            C::ArchiveRoom { head } => self.archive_room(*head),
            C::Timer { timer, .. } => self.timer(timer),
        }
    }

    /// Lets something happen: applied to the working copy at once. Timers follow from events, here and nowhere else.
    fn emit_in(&mut self, channel: Channel, body: EventBody) {
        self.conclude(&body);
        let watch = alerts::Watch::on(self.state.process.as_deref(), &body);
        let step_id = step_of(&body);
        let touched = touched(&body);
        self.note_clock(touched);
        if let EventBody::HandoffAccepted(change) = &body {
            // A delegation makes a step, which is at work at once.
            self.note_clock(change.child.as_ref().map(|c| c.id));
        }
        let process = self.state.process.as_ref();
        let child = touched.and_then(|id| process?.step(id)).and_then(|s| {
            s.child_process_id
                .filter(|_| s.status == StepStatus::Running)
        });
        self.state.apply_body(&body, self.ctx.now);
        self.timers_of(&body);
        self.outbound_of(&body, child);
        self.look_after(&body, touched);
        self.ask_rules(&body, step_id.or(touched));
        self.events.push(Draft {
            body,
            channel,
            step_id,
        });
        if let Some(watch) = watch {
            self.watch_alerts(&watch);
        }
    }

    fn emit(&mut self, body: EventBody) {
        self.emit_in(body.channel(), body);
    }

    fn now(&self) -> Timestamp {
        self.ctx.now
    }

    fn process(&self) -> Result<Arc<ProcessState>, Refusal> {
        self.state.process.clone().ok_or_else(|| {
            Refusal::illegal(
                "this room belongs to no process; only a process's room takes this command",
            )
        })
    }

    /// The caller's role in this room must be at least this.
    fn require_role(&self, least: RoomRole) -> Result<RoomRole, Refusal> {
        let room = self
            .state
            .room
            .as_ref()
            .ok_or_else(|| Refusal::new(crate::Code::NotFound, "there is no such room"))?;
        let principal = self.ctx.principal;
        let kind = if principal.agent_id().is_some() {
            ParticipantType::Agent
        } else {
            ParticipantType::Human
        };
        match policy::role_in(principal, self.state.given_role(kind, &principal.id)) {
            Some(role) if role >= least => Ok(role),
            Some(role) => Err(Refusal::forbidden(format!(
                "your role in the room {:?} is {}; this needs {}",
                room.name,
                role.as_str(),
                least.as_str()
            ))),
            None => Err(Refusal::forbidden(format!(
                "you do not take part in the room {:?}; ask a coordinator for an invitation",
                room.name
            ))),
        }
    }
}

fn step_of(body: &EventBody) -> Option<StepId> {
    use EventBody as E;
    match body {
        E::StepReady(c)
        | E::StepStarted(c)
        | E::StepProgress(c)
        | E::StepRetryScheduled(c)
        | E::StepCompleted(c)
        | E::StepFailed(c)
        | E::StepSkipped(c)
        | E::StepCancelled(c) => Some(c.id),
        E::AssignmentOffered(c) => Some(c.step.id),
        E::AssignmentAccepted(c)
        | E::AssignmentRejected(c)
        | E::AssignmentExpired(c)
        | E::AssignmentReleased(c)
        | E::AssignmentSuspended(c)
        | E::AssignmentCancelled(c) => Some(c.step_id),
        E::HandoffRequested(c) => Some(c.handoff.from_step_id),
        E::HandoffAccepted(c)
        | E::HandoffRejected(c)
        | E::HandoffExpired(c)
        | E::HandoffCancelled(c)
        | E::HandoffCompleted(c)
        | E::HandoffFailed(c) => Some(c.from_step_id),
        E::InterventionRequested(c) => c.step_id,
        E::AlertRaised(c) => c.step_id,
        _ => None,
    }
}

/// The step whose state an event changes.
fn touched(body: &EventBody) -> Option<StepId> {
    use EventBody as E;
    match body {
        E::InterventionRequested(i) => i.step.as_ref().map(|p| p.id),
        E::InterventionAssigned(c)
        | E::InterventionClaimed(c)
        | E::InterventionReleased(c)
        | E::InterventionReminded(c)
        | E::InterventionEscalated(c)
        | E::InterventionVoted(c)
        | E::InterventionCompleted(c)
        | E::InterventionExpired(c)
        | E::InterventionCancelled(c) => c.step.as_ref().map(|p| p.id),
        _ => step_of(body),
    }
}

fn patch(step: &ProcessStep, status: StepStatus, phase: Option<StepPhase>) -> StepPatch {
    StepPatch {
        id: step.id,
        key: step.key.clone(),
        status,
        phase,
    }
}

/// A value as JSON. The types that come here have no map keys but strings and no failing serializer.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// SHA-256 of a value's JSON, in hex.
pub fn hash(value: &Value) -> String {
    hex::encode(Sha256::digest(value.to_string().as_bytes()))
}

/// The hash of what is decided on; of `null` where the question says it all, so that every reply can name what it was given to.
pub fn subject_hash(subject: Option<&Value>) -> String {
    hash(subject.unwrap_or(&Value::Null))
}

/// Of logs from before every question had one.
pub(crate) fn hash_of_nothing() -> String {
    subject_hash(None)
}

fn check_text(path: &str, text: &str) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::field(path, "must not be empty"));
    }
    if text.len() > MAX_TEXT {
        return Err(Refusal::new(
            crate::Code::PayloadTooLarge,
            format!(
                "{path} has {} bytes; at most {MAX_TEXT} are taken",
                text.len()
            ),
        ));
    }
    Ok(())
}
