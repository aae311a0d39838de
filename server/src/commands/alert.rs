//! Alerts, and the rules that raise them.

use rooms::Command;
use rooms::id::AlertId;
use rooms::model::monitoring::{Alert, AlertRules};
use rooms::policy::Operation as O;
use storage::read::Thing;

use super::payload::Nothing;
use super::table::{CommandRow, in_workspace, of};

const ALERT: (&str, Thing) = ("alertId", Thing::Alert);

pub fn rows() -> Vec<CommandRow> {
    vec![
        of(
            "alert:acknowledge",
            "Say that the caller has seen an alert",
            O::AlertsUpdate,
            ALERT,
            |alert_id: AlertId, _: Nothing| Command::AcknowledgeAlert { alert_id },
        )
        .gives::<Alert>(),
        of(
            "alert:resolve",
            "Say that an alert needs nobody any more",
            O::AlertsUpdate,
            ALERT,
            |alert_id: AlertId, _: Nothing| Command::ResolveAlert { alert_id },
        )
        .gives::<Alert>(),
        in_workspace(
            "alert-rules:update",
            "Say when alerts are raised in processes that begin from now on",
            O::AlertRulesUpdate,
            Command::SetAlertRules,
        )
        .gives::<AlertRules>(),
    ]
}
