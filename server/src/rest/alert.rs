//! Alerts, and the rules that raise them.

use rooms::model::monitoring::{Alert, AlertRules};
use rooms::policy::Operation as O;
use serde_json::json;
use storage::list::Filter;
use storage::read::Thing;

use super::call::Call;
use super::list::page;
use super::route::{Answer, Route, Run, ok, route, runs};
use crate::contract::shapes as s;

const TYPE: &[&str] = &["performance", "error", "timeout", "resource", "quality"];
const SEVERITY: &[&str] = &["low", "medium", "high", "critical"];

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "get",
            "/alerts",
            "listAlerts",
            "List alerts",
            O::AlertsRead,
            list,
        )
        .lists::<Alert>()
        .query("type", "Only these", TYPE)
        .query("severity", "Only these", SEVERITY)
        .query(
            "resolved",
            "Only open ones, or only others",
            &["true", "false"],
        )
        .id("processId", "Of this process")
        .id("teamId", "Of this team's processes"),
        route(
            "put",
            "/alerts/{alertId}",
            "changeAlert",
            "Acknowledge or resolve an alert",
            O::AlertsUpdate,
            change,
        )
        .action("alert:update")
        .body::<s::ChangeAlert>()
        .gives::<Alert>(),
        route(
            "get",
            "/alert-rules",
            "getAlertRules",
            "The rules that raise alerts; the usual ones where none were set",
            O::AlertRulesRead,
            rules,
        )
        .gives::<AlertRules>(),
        runs(
            "put",
            "/alert-rules",
            "setAlertRules",
            "alert-rules:update",
            Run::default(),
        ),
    ]
}

async fn list(call: Call) -> Answer {
    let mut filter = Filter::default();
    if let Some(severity) = call.param("severity") {
        filter.equals.push(("severity", severity.into()));
    }
    if let Some(resolved) = call.param("resolved") {
        filter
            .equals
            .push(("resolved", (resolved == "true").into()));
    }
    page(&call, Thing::Alert, filter).await
}

async fn change(call: Call) -> Answer {
    let (name, mut payload) = call.action("alert", &["acknowledge", "resolve"])?;
    payload["alertId"] = call.id().into();
    ok(call.run(&name, payload).await?)
}

async fn rules(call: Call) -> Answer {
    let space = &call.principal.workspace_id;
    ok(json!(call.hub.store().alert_rules(space).await?))
}
