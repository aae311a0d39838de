//! Messages to agents.

use rooms::model::communication::AgentCommunication;
use rooms::policy::Operation::RoomsRead;
use storage::read::Thing;

use super::call::Call;
use super::list::page_of_process;
use super::route::{Answer, Route, Run, route, runs};

pub fn routes() -> Vec<Route> {
    let sent = Run {
        id: Some("processId"),
        at: Some("communications"),
        ..Run::default()
    };
    let responded = Run {
        id: Some("communicationId"),
        posted: true,
        ..Run::default()
    };
    vec![
        runs(
            "post",
            "/processes/{id}/communications",
            "sendCommunication",
            "communication:send",
            sent,
        ),
        route(
            "get",
            "/processes/{id}/communications",
            "listCommunications",
            "List the messages to agents",
            RoomsRead,
            list,
        )
        .lists::<AgentCommunication>(),
        runs(
            "post",
            "/communications/{id}/response",
            "respondCommunication",
            "communication:respond",
            responded,
        ),
    ]
}

async fn list(call: Call) -> Answer {
    page_of_process(&call, Thing::Communication).await
}
