//! What rules do. First it is planned, so that the record of the firing can say what comes of it; then it is done.

use serde_json::{Value, json};

use super::flow::attempt_change;
use super::{Decider, hash};
use crate::Ctx;
use crate::event::{EventBody, Redirect};
use crate::id::{AgentId, AttemptId, StepId};
use crate::model::access::Principal;
use crate::model::attempt::AttemptStatus;
use crate::model::communication::{AgentCommunication, CommunicationType};
use crate::model::handoff::HandoffKind;
use crate::model::intervention::InterventionType;
use crate::model::process::{PauseMode, ProcessStatus};
use crate::model::room::ParticipantType;
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::model::team::{CollaborationRule, CollaborationType, EscalationAction, EscalationRule};
use crate::model::{Object, Priority};
use crate::request as r;
use crate::state::ProcessState;

/// What a rule is about to do.
pub(super) enum Act {
    /// Nothing: why.
    Nothing(&'static str, String),
    /// Ask the people who supervise.
    Notify {
        description: String,
        priority: Priority,
        assignees: Vec<String>,
        pauses: bool,
        subject: Value,
    },
    /// Take the step from its agent.
    Reassign {
        attempt: AttemptId,
        to: Option<AgentId>,
    },
    /// Offer the step, which nobody has, to somebody else next. The record of the firing does it.
    Redirect(Redirect),
    /// Pause the process.
    Pause(PauseMode),
    /// Cancel the process.
    Abort,
    /// Write to agents.
    Write {
        kind: CollaborationType,
        from: AgentId,
        to: Vec<AgentId>,
        message: String,
        step: Option<StepId>,
    },
    /// Hand the step over.
    HandOver(Box<r::RequestHandoff>),
}

fn action_name(action: EscalationAction) -> &'static str {
    match action {
        EscalationAction::NotifyHuman => "notify_human",
        EscalationAction::ReassignAgent => "reassign_agent",
        EscalationAction::PauseProcess => "pause_process",
        EscalationAction::AbortProcess => "abort_process",
    }
}

fn type_name(kind: CollaborationType) -> &'static str {
    match kind {
        CollaborationType::Consultation => "consultation",
        CollaborationType::Handoff => "handoff",
        CollaborationType::ParallelWork => "parallel_work",
        CollaborationType::Review => "review",
    }
}

impl Act {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nothing(name, _) => name,
            Self::Notify { .. } => "notify_human",
            Self::Reassign { .. } | Self::Redirect(_) => "reassign_agent",
            Self::Pause(_) => "pause_process",
            Self::Abort => "abort_process",
            Self::Write { kind, .. } => type_name(*kind),
            Self::HandOver(_) => "handoff",
        }
    }

    /// Who is to have a step that nobody has.
    pub(super) fn redirect(&self) -> Option<Redirect> {
        match self {
            Self::Redirect(next) => Some(next.clone()),
            _ => None,
        }
    }

    /// What comes of it, for a reader of the log.
    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Nothing(_, why) => format!("nothing was done: {why}"),
            _ => "done".to_owned(),
        }
    }
}

fn text<'a>(parameters: &'a Object, name: &str) -> Option<&'a str> {
    parameters.get(name).and_then(Value::as_str)
}

fn shown(step: Option<&ProcessStep>) -> String {
    step.map_or_else(String::new, |s| format!(" (step {:?})", s.name))
}

impl Decider<'_> {
    pub(super) fn plan_escalation(
        &self,
        process: &ProcessState,
        rule: &EscalationRule,
        step: Option<StepId>,
        seen: &Object,
    ) -> Act {
        let name = action_name(rule.action);
        if process.process.status.is_terminal() {
            return Act::Nothing(name, "the process has ended".to_owned());
        }
        let parameters = &rule.parameters;
        let step = step.and_then(|id| process.step(id)).map(AsRef::as_ref);
        match rule.action {
            EscalationAction::NotifyHuman => {
                let said = text(parameters, "description").or_else(|| text(parameters, "message"));
                let description = match said {
                    Some(said) => said.to_owned(),
                    None => format!(
                        "The rule {:?} asks for your attention{}: {}",
                        rule.id,
                        shown(step),
                        rule.condition
                    ),
                };
                let assignees = parameters
                    .get("assignees")
                    .and_then(|v| serde_json::from_value(v.clone()).ok());
                let priority = parameters
                    .get("priority")
                    .and_then(|v| serde_json::from_value(v.clone()).ok());
                Act::Notify {
                    description,
                    priority: priority.unwrap_or(Priority::High),
                    assignees: assignees.unwrap_or_default(),
                    pauses: parameters.get("pausesProcess") == Some(&Value::Bool(true)),
                    subject: json!({
                        "ruleId": rule.id, "condition": rule.condition, "seen": seen,
                        "step": step.map(|s| &s.key), "error": step.and_then(|s| s.error.as_ref()),
                    }),
                }
            }
            EscalationAction::ReassignAgent => {
                let Some(step) = step else {
                    return Act::Nothing(name, "the event is about no step".to_owned());
                };
                // Who has it, or, where it waits for another attempt, had it last.
                let live = process.live_attempt(step);
                let waits = step.status == StepStatus::Pending;
                let last = || process.attempts.values().rfind(|a| a.step_id == step.id);
                let Some(attempt) = live.or_else(|| last().filter(|_| waits)) else {
                    return Act::Nothing(name, "no agent has the step".to_owned());
                };
                let to = text(parameters, "agentId").map(AgentId::from);
                if to.as_ref() == Some(&attempt.agent_id) {
                    return Act::Nothing(name, "this agent has it already".to_owned());
                }
                if to.is_none() && step.assigned_agent_id.is_some() {
                    return Act::Nothing(
                        name,
                        "the step is for one agent; name another as the parameter agentId"
                            .to_owned(),
                    );
                }
                if let Some(to) = &to
                    && self
                        .state
                        .given_role(ParticipantType::Agent, to.as_str())
                        .is_none()
                {
                    return Act::Nothing(name, format!("{to} is no member of the team"));
                }
                if live.is_none() {
                    return Act::Redirect(Redirect {
                        step_id: step.id,
                        avoid: Some(attempt.agent_id.clone()),
                        prefer: to,
                    });
                }
                Act::Reassign {
                    attempt: attempt.id,
                    to,
                }
            }
            EscalationAction::PauseProcess if process.process.status != ProcessStatus::Running => {
                Act::Nothing(
                    name,
                    format!("the process is {}", process.process.status.as_str()),
                )
            }
            EscalationAction::PauseProcess => {
                let interrupt = text(parameters, "mode") == Some("interrupt");
                Act::Pause(if interrupt {
                    PauseMode::Interrupt
                } else {
                    PauseMode::Drain
                })
            }
            EscalationAction::AbortProcess => Act::Abort,
        }
    }

    pub(super) fn plan_collaboration(
        &self,
        process: &ProcessState,
        rule: &CollaborationRule,
        step: Option<StepId>,
    ) -> Act {
        let name = type_name(rule.collaboration_type);
        if process.process.status.is_terminal() {
            return Act::Nothing(name, "the process has ended".to_owned());
        }
        let step = step.and_then(|id| process.step(id)).map(AsRef::as_ref);
        let live = step.and_then(|s| process.live_attempt(s));
        // Who works on the step, or did so last.
        let from = live.map(|a| a.agent_id.clone()).or_else(|| {
            let step = step?;
            process
                .attempts
                .values()
                .rfind(|a| a.step_id == step.id && a.accepted_at.is_some())
                .map(|a| a.agent_id.clone())
        });
        let to: Vec<AgentId> = rule
            .target_agents
            .iter()
            .filter(|a| from.as_ref() != Some(a))
            .filter(|a| {
                let role = self.state.given_role(ParticipantType::Agent, a.as_str());
                role.is_some()
            })
            .cloned()
            .collect();
        if to.is_empty() {
            return Act::Nothing(
                name,
                "none of its agents takes part, or only the one that works on it".to_owned(),
            );
        }
        let said = text(&rule.parameters, "message");
        if rule.collaboration_type == CollaborationType::Handoff {
            let leased = live.filter(|a| a.status == AttemptStatus::Leased);
            let (Some(step), Some(attempt)) = (step, leased) else {
                return Act::Nothing(name, "no agent holds the step".to_owned());
            };
            let reason = said.map_or_else(|| format!("the rule {:?}", rule.id), str::to_owned);
            let ask = hand_over(step.id, &attempt.agent_id, to, reason);
            // Tried on a copy: a handoff has rules of its own, and what they say goes into the record.
            return match self.as_system(|d| d.request_handoff(None, &ask)) {
                Ok(_) => Act::HandOver(Box::new(ask)),
                Err(refusal) => Act::Nothing(name, refusal.detail),
            };
        }
        let about = shown(step);
        let message = match (said, rule.collaboration_type) {
            (Some(said), _) => said.to_owned(),
            (None, CollaborationType::Consultation) => format!("Your advice is asked for{about}"),
            (None, CollaborationType::Review) => format!("Please review the result{about}"),
            (None, _) => format!("Please work on this too{about}"),
        };
        Act::Write {
            kind: rule.collaboration_type,
            from: from.unwrap_or_else(|| AgentId::from("system")),
            to,
            message,
            step: step.map(|s| s.id),
        }
    }

    pub(super) fn act(&mut self, act: Act, rule: &str) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        match act {
            Act::Nothing(..) | Act::Redirect(_) => {}
            Act::Notify {
                description,
                priority,
                assignees,
                pauses,
                subject,
            } => {
                let count = process.rules.count(rule);
                let mut question = self.question(
                    &process,
                    InterventionType::Escalation,
                    format!("rule:{rule}:{count}"),
                    description,
                );
                question.priority = priority;
                question.assignees = assignees;
                question.pauses_process = pauses;
                question.subject_hash = hash(&subject);
                question.subject = Some(subject);
                self.open_intervention(&process, None, None, question);
            }
            Act::Reassign { attempt, to } => {
                let Some(attempt) = process.attempts.get(&attempt) else {
                    return;
                };
                let Some(step) = process.step(attempt.step_id) else {
                    return;
                };
                let asked = process.open_interventions(step.id).next().is_some();
                let phase = if asked {
                    StepPhase::AwaitingInput
                } else {
                    StepPhase::Blocked
                };
                let status = AttemptStatus::Cancelled;
                let mut change = attempt_change(attempt, step, status, StepStatus::Pending, phase);
                change.reason = Some(format!("reassigned by the rule {rule:?}"));
                change.avoid = true;
                change.prefer = to;
                let id = step.id;
                if let Some(handoff) = process.pending_handoff(id) {
                    let cancelled = crate::model::handoff::HandoffStatus::Cancelled;
                    self.end_handoff(handoff.id, cancelled, change.reason.clone(), None);
                }
                self.emit(EventBody::AssignmentCancelled(change));
                if !asked {
                    self.make_ready(id);
                }
            }
            Act::Pause(mode) => {
                let why = r::ProcessReason {
                    mode,
                    reason: Some(format!("the rule {rule:?}")),
                };
                // Planned for a running process, and nothing has happened since.
                let _ = self.pause_process(&why);
            }
            Act::Abort => self.abort_process(Some(format!("the rule {rule:?}"))),
            Act::Write {
                kind,
                from,
                to,
                message,
                step,
            } => {
                let step = step.and_then(|id| process.step(id));
                let mut metadata = Object::new();
                metadata.insert("ruleId".to_owned(), rule.into());
                metadata.insert("collaborationType".to_owned(), type_name(kind).into());
                if let Some(step) = step {
                    metadata.insert("stepId".to_owned(), json!(step.id));
                    metadata.insert("stepKey".to_owned(), step.key.as_str().into());
                }
                for agent in to {
                    self.emit(EventBody::CommunicationSent(AgentCommunication {
                        id: self.ctx.id(),
                        from_agent_id: from.clone(),
                        to_agent_id: agent,
                        process_id: process.process.id,
                        message: message.clone(),
                        kind: match kind {
                            CollaborationType::Consultation => CommunicationType::Question,
                            _ => CommunicationType::Request,
                        },
                        priority: Priority::High,
                        timestamp: self.now(),
                        metadata: metadata.clone(),
                        respond_by: None,
                        response: None,
                        expired: false,
                    }));
                }
            }
            Act::HandOver(ask) => {
                let events = self.as_system(|d| {
                    // It was tried when it was planned, and nothing has happened since.
                    let _ = d.request_handoff(None, &ask);
                    std::mem::take(&mut d.events)
                });
                for draft in events {
                    self.emit_in(draft.channel, draft.body);
                }
            }
        }
    }

    /// Decides something in the name of the system, on a copy.
    fn as_system<T>(&self, decide: impl FnOnce(&mut Decider<'_>) -> T) -> T {
        let workspace = self.ctx.principal.workspace_id.clone();
        let system = Principal::system(workspace);
        let ctx = Ctx::new(self.now(), &system, self.ctx.facts, self.ctx.random());
        let mut inner = Decider::new(&self.state, &ctx);
        // The rules are asked about its events when they are taken over.
        inner.rules = super::rules::Rules::silent();
        decide(&mut inner)
    }
}

fn hand_over(
    step: StepId,
    from: &AgentId,
    mut to: Vec<AgentId>,
    reason: String,
) -> r::RequestHandoff {
    let single = (to.len() == 1).then(|| to.remove(0));
    r::RequestHandoff {
        epoch: None,
        from_agent_id: Some(from.clone()),
        to_agent_ids: single.is_none().then_some(to),
        to_agent_id: single,
        from_step_id: Some(step.to_string()),
        to_step_id: None,
        kind: HandoffKind::Transfer,
        reason,
        priority: Priority::High,
        context: Object::new(),
        view: None,
    }
}
