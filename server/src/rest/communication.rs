//! Messages to agents.

use rooms::model::communication::AgentCommunication;
use rooms::policy::Operation::RoomsRead;
use storage::read::Thing;

use super::call::Call;
use super::list::page_of_process;
use super::route::{Answer, Route, Run, ok, route, runs};

pub fn routes() -> Vec<Route> {
    let sent = Run {
        id: Some("processId"),
        at: Some("communications/{id}"),
        ..Run::default()
    };
    // A response is a part of its message.
    let responded = Run {
        id: Some("communicationId"),
        at: Some("communications/{id}"),
        ..Run::default()
    };
    vec![
        runs(
            "post",
            "/processes/{processId}/communications",
            "sendCommunication",
            "communication:send",
            sent,
        ),
        route(
            "get",
            "/processes/{processId}/communications",
            "listCommunications",
            "List the messages to agents",
            RoomsRead,
            list,
        )
        .lists::<AgentCommunication>(),
        route(
            "get",
            "/communications/{id}",
            "getCommunication",
            "Get a message to an agent, with its response",
            RoomsRead,
            get,
        )
        .gives::<AgentCommunication>(),
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

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Communication).await?)
}
