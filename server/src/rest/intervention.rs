//! Questions to humans.

use rooms::model::intervention::HumanIntervention;
use rooms::policy::Operation as O;
use storage::list::Filter;
use storage::read::Thing;

use super::call::Call;
use super::list::{page, page_of_process};
use super::route::{Answer, Route, Run, ok, route, runs};

const STATUS: &[&str] = &["pending", "completed", "cancelled", "expired"];
const TYPE: &[&str] = &["approval", "input", "decision", "review", "escalation"];

pub fn routes() -> Vec<Route> {
    let asked = Run {
        id: Some("processId"),
        part: Some("intervention"),
        at: Some("interventions/{id}"),
    };
    let named = Run {
        id: Some("interventionId"),
        ..Run::default()
    };
    // A comment is a part of its question.
    let commented = Run {
        at: Some("interventions/{interventionId}"),
        ..named
    };
    vec![
        runs(
            "post",
            "/processes/{processId}/interventions",
            "requestIntervention",
            "intervention:request",
            asked,
        ),
        route(
            "get",
            "/processes/{processId}/interventions",
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
        .query(
            "overdue",
            "Only what is open and late, or only the rest",
            &["true", "false"],
        )
        .id("processId", "Of this process"),
        route(
            "get",
            "/interventions/{interventionId}",
            "getIntervention",
            "Get a question",
            O::InterventionsRead,
            get,
        )
        .gives::<HumanIntervention>(),
        runs(
            "put",
            "/interventions/{interventionId}",
            "respondIntervention",
            "intervention:respond",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/claim",
            "claimIntervention",
            "intervention:claim",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/release",
            "releaseIntervention",
            "intervention:release",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/assign",
            "assignIntervention",
            "intervention:assign",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/delegate",
            "delegateIntervention",
            "intervention:delegate",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/remind",
            "remindIntervention",
            "intervention:remind",
            named,
        ),
        runs(
            "post",
            "/interventions/{interventionId}/comments",
            "commentIntervention",
            "intervention:comment",
            commented,
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
    if let Some(overdue) = call.param("overdue") {
        filter.overdue = Some((overdue == "true", call.hub.now().await?));
    }
    page(&call, Thing::Intervention, filter).await
}

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Intervention).await?)
}
