//! Messages to agents.

use rooms::model::communication::AgentCommunication;
use rooms::policy::Operation::RoomsRead;
use storage::read::Thing;

use crate::gateway::own;

use super::call::Call;
use super::list::{page_of_process, process_room};
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

// They are messages of the process's room: whoever may not read that does not read them here.

async fn list(call: Call) -> Answer {
    let room = process_room(&call, call.uuid("process")?).await?;
    own::readable(&call.hub, &call.principal, room).await?;
    page_of_process(&call, Thing::Communication).await
}

async fn get(call: Call) -> Answer {
    let found = call.one(Thing::Communication).await?;
    let space = &call.principal.workspace_id;
    let id = call.uuid("communication")?;
    if let Some(room) = call.hub.room_of(Thing::Communication, space, id).await? {
        own::readable(&call.hub, &call.principal, room).await?;
    }
    ok(found)
}
