//! Questions to humans.

use rooms::model::intervention::HumanIntervention;
use rooms::policy::Operation as O;
use storage::read::{Filter, Thing};

use super::call::Call;
use super::list::{page, page_of_process};
use super::route::{Answer, Route, Run, ok, route, runs};

const STATUS: &[&str] = &["pending", "completed", "cancelled", "expired"];
const TYPE: &[&str] = &["approval", "input", "decision", "review", "escalation"];

pub fn routes() -> Vec<Route> {
    let asked = Run {
        id: Some("processId"),
        part: Some("intervention"),
        at: Some("interventions"),
        ..Run::default()
    };
    let named = Run {
        id: Some("interventionId"),
        ..Run::default()
    };
    let posted = Run {
        posted: true,
        ..named
    };
    vec![
        runs(
            "post",
            "/processes/{id}/interventions",
            "requestIntervention",
            "intervention:request",
            asked,
        ),
        route(
            "get",
            "/processes/{id}/interventions",
            "listProcessInterventions",
            "List a process's questions to humans",
            O::InterventionsRead,
            of_process,
        )
        .lists::<HumanIntervention>()
        .query("status", "Only these", STATUS)
        .query("type", "Only these", TYPE),
        route(
            "get",
            "/interventions",
            "listInterventions",
            "The inbox",
            O::InterventionsRead,
            inbox,
        )
        .lists::<HumanIntervention>()
        .query("status", "Only these", STATUS)
        .query("type", "Only these", TYPE)
        .query("assignee", "For this user", &[])
        .query("overdue", "Only what is late", &["true", "false"])
        .query("processId", "Of this process", &[]),
        route(
            "get",
            "/interventions/{id}",
            "getIntervention",
            "Get a question",
            O::InterventionsRead,
            get,
        )
        .gives::<HumanIntervention>(),
        runs(
            "put",
            "/interventions/{id}",
            "respondIntervention",
            "intervention:respond",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/claim",
            "claimIntervention",
            "intervention:claim",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/release",
            "releaseIntervention",
            "intervention:release",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/assign",
            "assignIntervention",
            "intervention:assign",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/delegate",
            "delegateIntervention",
            "intervention:delegate",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/remind",
            "remindIntervention",
            "intervention:remind",
            named,
        ),
        runs(
            "post",
            "/interventions/{id}/comments",
            "commentIntervention",
            "intervention:comment",
            posted,
        ),
    ]
}

async fn of_process(call: Call) -> Answer {
    page_of_process(&call, Thing::Intervention).await
}

async fn inbox(call: Call) -> Answer {
    let mut filter = Filter::default();
    if let Some(who) = call.param("assignee") {
        filter.assignee = Some(who.to_owned());
    }
    if call.param("overdue") == Some("true") {
        filter.due_before = Some(call.hub.now().await?);
        filter.equals.push(("status", "pending".into()));
    }
    page(&call, Thing::Intervention, filter).await
}

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Intervention).await?)
}
