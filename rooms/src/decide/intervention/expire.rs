//! Time passes: reminders, escalation, and what a question comes to that nobody answered.

use serde_json::Value;

use crate::decide::flow::intervention_change;
use crate::decide::{Decider, Ruled};
use crate::event::EventBody;
use crate::model::intervention::{
    HumanIntervention, InterventionStatus, OnExpire, OnReject, Outcome,
};
use crate::model::process::Failure;

impl Decider<'_> {
    pub(super) fn escalate(&mut self, i: &HumanIntervention, to: Option<&Value>) {
        let mut change = intervention_change(i, InterventionStatus::Pending);
        let assignees = to
            .and_then(|v| v.get("assignees"))
            .and_then(|v| serde_json::from_value(v.clone()).ok());
        change.assignees = Some(assignees.unwrap_or_default());
        change.level = Some(i.level + 1);
        let due = self.state.process.as_ref().map(|p| {
            p.process
                .configuration
                .timeout_settings
                .human_response_timeout
        });
        change.due_at = due.map(|ms| self.now().plus_ms(ms));
        self.emit(EventBody::InterventionEscalated(change));
    }

    pub(in crate::decide) fn expire_intervention(&mut self, i: &HumanIntervention) -> Ruled {
        let mut change = intervention_change(i, InterventionStatus::Expired);
        change.reason = Some("nobody answered in time".to_owned());
        match i.on_expire {
            OnExpire::Escalate | OnExpire::Default => self.escalate(i, None),
            OnExpire::Cancel => {
                change.step = self.patch_after(i);
                self.emit(EventBody::InterventionExpired(change));
                self.go_on(i);
            }
            OnExpire::Reject | OnExpire::Fail => {
                change.outcome = (i.on_expire == OnExpire::Reject).then_some(Outcome::Rejected);
                change.step = self.patch_after(i);
                self.emit(EventBody::InterventionExpired(change));
                let error = Failure::permanent("expired", "nobody answered in time");
                match i.on_reject {
                    OnReject::Skip if i.on_expire == OnExpire::Reject => self.skip_by(i),
                    OnReject::Continue if i.on_expire == OnExpire::Reject => self.go_on(i),
                    _ => self.fail_by(i, error),
                }
            }
        }
        Ok(Value::Null)
    }

    pub(in crate::decide) fn remind(&mut self, i: &HumanIntervention) -> Ruled {
        let mut change = intervention_change(i, InterventionStatus::Pending);
        change.due_at = i.due_at;
        self.emit(EventBody::InterventionReminded(change));
        Ok(Value::Null)
    }
}
