//! Interventions: questions to humans. They belong to the step; the reply reaches whoever holds it then.
//!
//! One file per thing that happens to a question: it is asked (`ask`, and `own` for what Baton asks by itself), worked on (`work`),
//! answered (`answer`), or runs out of time (`expire`). Here is what they share: what becomes of the step and the process once a
//! question is closed. What a value must look like is checked in [`crate::form`].

mod answer;
mod ask;
mod expire;
mod own;
mod work;

use std::sync::Arc;

use serde_json::json;

use crate::decide::{Decider, Ruled, json as to_json, patch};
use crate::event::{EventBody, InterventionChange};
use crate::id::InterventionId;
use crate::model::access::PrincipalKind;
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::{HumanIntervention, InterventionStatus};
use crate::model::process::{Failure, ProcessStatus};
use crate::model::step::{ProcessStep, SkipReason, StepPatch, StepPhase, StepStatus};
use crate::state::ProcessState;
use crate::{Code, Refusal};

impl Decider<'_> {
    fn intervention(&self, id: InterventionId) -> Result<Arc<HumanIntervention>, Refusal> {
        self.process()?
            .interventions
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("intervention", id))
    }

    fn open_one(&self, id: InterventionId) -> Result<Arc<HumanIntervention>, Refusal> {
        let i = self.intervention(id)?;
        if i.status == InterventionStatus::Pending {
            Ok(i)
        } else {
            Err(resolved(&i))
        }
    }

    fn intervention_reply(&self, id: InterventionId) -> Ruled {
        Ok(to_json(&*self.intervention(id)?))
    }

    fn step_of(&self, i: &HumanIntervention) -> Option<Arc<ProcessStep>> {
        self.state.process.as_ref()?.step(i.step_id?).cloned()
    }

    /// The step fails as its conditions say; without a step the process does. What Baton asked by itself is beyond the conditions.
    fn fail_by(&mut self, i: &HumanIntervention, error: Failure) {
        let Some(step) = self.step_of(i) else {
            return self.fail_process(error);
        };
        if step.status.is_terminal() {
            return;
        }
        if i.requested_by.kind == PrincipalKind::System {
            return self.let_fail(i, error);
        }
        self.close_step(step.id);
        self.take_away(&step, StepPhase::Blocked, "the step has failed");
        let attempts = step.attempts + u32::from(step.status == StepStatus::Running);
        if let Some(step) = self.step_of(i) {
            self.end_badly(&step, None, error, attempts);
        }
    }

    /// The step fails, whatever its conditions say.
    fn let_fail(&mut self, i: &HumanIntervention, error: Failure) {
        match self.step_of(i) {
            Some(step) if !step.status.is_terminal() => self.end_failed(&step, None, error, None),
            Some(_) => {}
            None => self.fail_process(error),
        }
    }

    fn skip_by(&mut self, i: &HumanIntervention) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        let Some(step) = i
            .step_id
            .and_then(|id| process.step(id))
            .filter(|s| !s.status.is_terminal())
        else {
            return self.go_on(i);
        };
        self.take_away(step, StepPhase::Blocked, "the step is skipped");
        self.skip(step, SkipReason::Decided);
        self.close_step(step.id);
        self.end_handoffs(step.id, HandoffStatus::Completed);
        self.go_on(i);
    }

    /// What the step is at once this question no longer holds it up; none when another one still does.
    fn patch_after(&self, i: &HumanIntervention) -> Option<StepPatch> {
        let process = self.state.process.as_ref()?;
        let step = process.step(i.step_id?)?;
        if step.phase != Some(StepPhase::AwaitingInput)
            || process.open_interventions(step.id).any(|o| o.id != i.id)
        {
            return None;
        }
        let phase = if step.status == StepStatus::Running {
            StepPhase::Executing
        } else {
            StepPhase::Blocked
        };
        Some(patch(step, step.status, Some(phase)))
    }

    /// After a question was closed: what waited for it goes on.
    fn go_on(&mut self, i: &HumanIntervention) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        if process.process.status == ProcessStatus::Pending && own::is_start(i) {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessStarted(change));
        }
        if paused_by_question(&process) {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessResumed(change));
        }
        // A step that a person asked about before its turn has been waiting for nothing else, perhaps.
        self.look.extend(i.step_id);
        self.advance();
    }
}

/// Whether the process stands still only because of questions that are all closed by now.
fn paused_by_question(process: &ProcessState) -> bool {
    process.process.status == ProcessStatus::Paused
        && process.interventions.values().any(|i| {
            i.pauses_process && process.process.reason.as_ref() == Some(&pause_reason(i.id))
        })
        && !process
            .interventions
            .values()
            .any(|i| i.pauses_process && i.status == InterventionStatus::Pending)
}

fn pause_reason(id: InterventionId) -> String {
    format!("waits for the intervention {id}")
}

fn resolved(i: &HumanIntervention) -> Refusal {
    let detail = match &i.response {
        Some(response) => format!(
            "{} decided at {}: {}",
            response.provided_by,
            response.provided_at,
            response.action.as_str()
        ),
        None => format!("the intervention is {}", i.status.as_str()),
    };
    Refusal::new(Code::AlreadyResolved, detail).with_context(json!({"intervention": i}))
}

/// A change of a question that says nothing but where it stands.
pub(in crate::decide) fn intervention_change(
    i: &HumanIntervention,
    status: InterventionStatus,
) -> InterventionChange {
    InterventionChange {
        id: i.id,
        process_id: i.process_id,
        status,
        outcome: None,
        response: None,
        vote: None,
        claimed_by: None,
        assignees: None,
        delegated_by: None,
        level: None,
        due_at: None,
        expires_at: None,
        question: None,
        comment: None,
        reason: None,
        step: None,
    }
}
