//! Interventions: questions to humans. They belong to the step; the reply reaches whoever holds it then.
//!
//! One file per thing that happens to a question: it is asked (`ask`, and `own` for what Baton asks by itself), worked on (`work`),
//! answered (`answer`, with `form` for what a value must look like), or runs out of time (`expire`). Here is what they share: what
//! becomes of the step and the process once a question is closed.

mod answer;
mod ask;
mod expire;
mod form;
mod own;
mod work;

use std::sync::Arc;

use serde_json::json;

use crate::decide::{Decider, Ruled, json as to_json, patch};
use crate::event::EventBody;
use crate::id::InterventionId;
use crate::model::access::PrincipalKind;
use crate::model::handoff::HandoffStatus;
use crate::model::intervention::{HumanIntervention, InterventionStatus};
use crate::model::process::{Failure, ProcessStatus};
use crate::model::step::{SkipReason, StepPatch, StepPhase, StepStatus};
use crate::state::ProcessState;
use crate::{Code, Refusal};

impl Decider<'_> {
    fn open_one(
        &self,
        id: InterventionId,
    ) -> Result<(Arc<ProcessState>, Arc<HumanIntervention>), Refusal> {
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .cloned()
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        if i.status != InterventionStatus::Pending {
            return Err(resolved(&i));
        }
        Ok((process, i))
    }
    fn intervention_reply(&self, id: InterventionId) -> Ruled {
        let process = self.process()?;
        let i = process
            .interventions
            .get(&id)
            .ok_or_else(|| Refusal::not_found("intervention", id))?;
        Ok(to_json(&**i))
    }

    fn fail_by(&mut self, i: &HumanIntervention, error: Failure) {
        let Some(process) = self.state.process.clone() else {
            return;
        };
        match i.step_id.and_then(|id| process.step(id)).cloned() {
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
        self.advance();
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
        if process.process.status == ProcessStatus::Pending
            && i.key == "start"
            && i.step_id.is_none()
            && i.requested_by.kind == PrincipalKind::System
        {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessStarted(change));
        }
        if process.process.status == ProcessStatus::Paused
            && process.process.reason == Some(pause_reason(i.id))
        {
            let change = self.process_change(ProcessStatus::Running);
            self.emit(EventBody::ProcessResumed(change));
        }
        // A step that a person asked about before its turn has been waiting for nothing else, perhaps.
        self.look.extend(i.step_id);
        self.advance();
    }
}

fn pause_reason(id: InterventionId) -> String {
    format!("waits for the intervention {id}")
}

fn resolved(i: &HumanIntervention) -> Refusal {
    let (code, detail) = match (&i.response, i.status) {
        (Some(response), _) => (
            Code::AlreadyResolved,
            format!(
                "{} decided at {}: {}",
                response.provided_by,
                response.provided_at,
                response.action.as_str()
            ),
        ),
        (None, status) => (
            Code::AlreadyResolved,
            format!("the intervention is {}", status.as_str()),
        ),
    };
    Refusal::new(code, detail).with_context(json!({"intervention": i}))
}
