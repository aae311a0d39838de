//! What must hold of a process's alerts.

use crate::model::intervention::InterventionStatus;
use crate::model::monitoring::Metric;
use crate::model::process::ProcessStatus;
use crate::model::step::StepStatus;
use crate::monitoring;
use crate::state::ProcessState;

/// What of a process's alerts does not hold, a sentence each.
pub(super) fn of_alerts(process: &ProcessState, found: &mut Vec<String>) {
    let ended = matches!(
        process.process.status,
        ProcessStatus::Completed | ProcessStatus::Cancelled
    );
    for alert in process.alerts.values() {
        let id = alert.id;
        if alert.resolved != alert.resolved_at.is_some()
            || alert.acknowledged_by.is_some() != alert.acknowledged_at.is_some()
        {
            found.push(format!("the alert {id} is half resolved or half seen"));
        }
        if alert.resolved {
            continue;
        }
        if ended {
            found.push(format!(
                "the alert {id} is open in a process that has ended"
            ));
        }
        let fallen = process
            .process
            .alert_rules_for(Metric::ErrorRate)
            .iter()
            .any(|r| r.id == alert.rule_id && monitoring::error_rate(process) <= r.threshold);
        if fallen {
            found.push(format!("the alert {id} is open and its rate has fallen"));
        }
        let same = process.alerts.values().filter(|other| {
            other.is_open_for(&alert.rule_id, alert.step_id, alert.intervention_id)
        });
        if same.count() > 1 {
            found.push(format!("the alert {id} is open twice for one cause"));
        }
        let question = alert
            .intervention_id
            .and_then(|i| process.interventions.get(&i));
        if question.is_some_and(|i| i.status != InterventionStatus::Pending) {
            found.push(format!("the alert {id} is open about a closed question"));
        }
        let step = alert
            .step_id
            .filter(|_| alert.intervention_id.is_none())
            .and_then(|s| process.step(s));
        if step.is_some_and(|s| s.status.is_terminal() && s.status != StepStatus::Failed) {
            found.push(format!(
                "the alert {id} is open about a step that has ended"
            ));
        }
    }
}
