//! Steps whose work is a process of its own.
//!
//! What one room wants of another goes through timers: a row is written in the transaction that wants it, and fires a command to the other
//! room ([`outbound`]) until that room has taken it; only then the row goes, by a command to its own room that is decided again. So nothing
//! is lost by a crash in between, and nothing happens twice, because each command names what it is about and is refused when that has passed.
//!
//! - `start_child`: makes the child under the id that the step knows. When the step has moved on meanwhile, its row turns into `cancel_child`.
//! - `cancel_child`: cancels it; one that has ended or never began is left alone.
//! - `tell_parent`: brings the child's end to the step, which takes it like an agent's result.

use serde_json::{Value, json};

use super::flow::step_change;
use super::{Decider, Ruled, TimerOp, hash};
use crate::command::{ChildEnd, Timer};
use crate::event::EventBody;
use crate::id::{ProcessId, RoomId, StepId};
use crate::model::Object;
use crate::model::process::{Failure, ParentStep, PauseMode, ProcessStatus};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::request as r;
use crate::state::ProcessState;
use crate::{Code, Command, Refusal, State, limits};

/// What a timer of one room asks of another.
#[derive(Debug)]
pub struct Outbound {
    /// Of which room.
    pub room: RoomId,
    /// What.
    pub command: Command,
}

/// What a timer asks of another room, if it does and if that is still wanted.
pub fn outbound(state: &State, timer: &Timer) -> Option<Outbound> {
    let process = state.process.as_ref()?;
    let p = &process.process;
    match timer {
        Timer::StartChild { step, process: id } => {
            let step = process.step(*step).filter(|s| wants(s, *id))?;
            let sub = step.process.as_ref()?;
            let start = r::StartProcess {
                name: step.name.clone(),
                description: Some(step.description.clone()).filter(|d| !d.is_empty()),
                team_id: Some(p.team_id),
                steps: Vec::new(),
                template_id: Some(sub.template_id),
                template_version: sub.template_version,
                inputs: Some(step.inputs.clone()),
                context: None,
                priority: Some(p.priority),
                fail_fast: true,
            };
            let depth = p.parent.as_ref().map_or(0, |parent| parent.depth) + 1;
            Some(Outbound {
                room: RoomId(id.0),
                command: Command::StartChild {
                    process_id: *id,
                    parent: ParentStep {
                        process_id: p.id,
                        step_id: step.id,
                        depth,
                    },
                    initiated_by: p.initiated_by.clone(),
                    process: Box::new(start),
                },
            })
        }
        Timer::CancelChild { process: id } => Some(Outbound {
            room: RoomId(id.0),
            command: Command::CancelProcess(r::ProcessReason {
                mode: PauseMode::default(),
                reason: Some(format!("the process {:?} no longer needs it", p.name)),
            }),
        }),
        Timer::TellParent { parent, end } => Some(Outbound {
            room: RoomId(parent.process_id.0),
            command: Command::ChildEnded {
                step_id: parent.step_id,
                process_id: p.id,
                outputs: end.outputs.clone(),
                error: end.error.clone(),
            },
        }),
        _ => None,
    }
}

/// What the own room is told when the other room refused for good; none when there is nothing to tell.
pub fn refused(timer: &Timer, refusal: &Refusal) -> Option<Command> {
    match timer {
        // It was started before, and the answer was lost.
        Timer::StartChild { .. } if refusal.code == Code::Conflict => None,
        Timer::StartChild { step, process } => Some(Command::ChildEnded {
            step_id: *step,
            process_id: *process,
            outputs: None,
            error: Some(Failure {
                details: (!refusal.errors.is_empty())
                    .then(|| json!({"code": refusal.code, "errors": refusal.errors})),
                ..Failure::permanent(
                    "sub_process_refused",
                    format!("its process could not be started: {}", refusal.detail),
                )
            }),
        }),
        _ => None,
    }
}

fn wants(step: &ProcessStep, child: ProcessId) -> bool {
    step.status == StepStatus::Running && step.child_process_id == Some(child)
}

impl Decider<'_> {
    /// A step of a running process may begin, and its work is a process.
    pub(super) fn start_child(&mut self, step: &ProcessStep, inputs: Option<Object>) {
        let depth = self
            .state
            .process
            .as_ref()
            .and_then(|p| p.process.parent.as_ref())
            .map_or(0, |parent| parent.depth);
        if depth >= limits::SUB_PROCESSES {
            let why = format!(
                "processes may lie in each other at most {} deep",
                limits::SUB_PROCESSES
            );
            let error = Failure::permanent("too_deep", why);
            return self.end_failed(step, None, error, None);
        }
        let mut change = step_change(step, StepStatus::Running, Some(StepPhase::Executing));
        change.inputs = inputs;
        change.child_process_id = Some(self.ctx.id());
        self.emit(EventBody::StepStarted(change));
    }

    /// The process that did the step's work has ended, or could not begin.
    pub(super) fn child_ended(
        &mut self,
        step: StepId,
        child: ProcessId,
        outputs: Option<&Value>,
        error: Option<&Failure>,
    ) -> Ruled {
        let process = self.process()?;
        let step = process
            .step(step)
            .filter(|s| wants(s, child))
            .ok_or_else(|| Refusal::illegal("the step no longer waits for this process"))?;
        self.child_done = Some(child);
        let error = match (outputs, error) {
            (Some(outputs), _) => match self.require_room_for(&process, step, outputs) {
                Ok(()) => {
                    self.finish(&process, step, None, outputs, hash(outputs));
                    return Ok(Value::Null);
                }
                Err(refusal) => Failure::permanent(refusal.code.as_str(), refusal.detail),
            },
            (None, Some(error)) => error.clone(),
            (None, None) => Failure::permanent("failed", "the process has ended"),
        };
        let attempts = step.attempts + 1;
        if error.retryable && attempts < step.max_attempts {
            self.retry_later(step, None, error, attempts, Vec::new());
        } else {
            self.end_badly(step, None, error, attempts);
        }
        Ok(Value::Null)
    }

    /// Rows that follow from what happened to a step whose work is a process, and to a process that is a step's work.
    pub(super) fn outbound_of(&mut self, body: &EventBody, before: Option<ProcessId>) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        match body {
            EventBody::StepStarted(c) => {
                if let Some(child) = c.child_process_id {
                    self.at_once(Timer::StartChild {
                        step: c.id,
                        process: child,
                    });
                }
            }
            EventBody::ProcessCompleted(_)
            | EventBody::ProcessFailed(_)
            | EventBody::ProcessCancelled(_) => self.tell_parent(&process),
            _ => {}
        }
        if let (Some(child), Some(id)) = (before, super::touched(body))
            && self.child_done != Some(child)
            && !process.step(id).is_some_and(|s| wants(s, child))
        {
            self.at_once(Timer::CancelChild { process: child });
        }
    }

    fn tell_parent(&mut self, process: &ProcessState) {
        let p = &process.process;
        let Some(parent) = p.parent.clone() else {
            return;
        };
        let outputs = (p.status == ProcessStatus::Completed).then(|| {
            let steps = process.context.shared_data.get("steps").cloned();
            steps.unwrap_or_else(|| json!({}))
        });
        let error = match p.status {
            ProcessStatus::Completed => None,
            ProcessStatus::Failed => p.error.clone(),
            _ => Some(Failure::permanent(
                "cancelled",
                p.reason
                    .clone()
                    .unwrap_or_else(|| "its process was cancelled".to_owned()),
            )),
        };
        let end = Box::new(ChildEnd { outputs, error });
        self.at_once(Timer::TellParent { parent, end });
    }

    fn at_once(&mut self, timer: Timer) {
        let due = self.now();
        self.timers.push(TimerOp::Set { timer, due });
    }

    /// The other room has answered, and the row goes. A child that was started for a step that has moved on meanwhile is cancelled.
    pub(super) fn outbound_done(&mut self, process: &ProcessState, timer: &Timer) -> Ruled {
        if let Timer::StartChild { step, process: id } = timer
            && !process.step(*step).is_some_and(|s| wants(s, *id))
        {
            self.at_once(Timer::CancelChild { process: *id });
        }
        Ok(Value::Null)
    }
}
