//! Messages to agents, with their responses.

use rooms::Command;
use rooms::id::{CommunicationId, ProcessId};
use rooms::model::communication::AgentCommunication;
use rooms::policy::Operation::RoomsPost;
use rooms::request::{RespondCommunication, SendCommunication};
use storage::read::Thing;
use uuid::Uuid;

use super::room_of;
use super::table::{CommandRow, Kind, by_hand, of};

pub fn rows() -> Vec<CommandRow> {
    vec![
        of(
            "communication:send",
            "Send a message to an agent",
            RoomsPost,
            ("processId", Thing::Process),
            |_: ProcessId, message: SendCommunication| Command::SendCommunication(message),
        )
        .gives::<AgentCommunication>(),
        by_hand::<RespondCommunication>(
            "communication:respond",
            "Respond to a message",
            RoomsPost,
            &[("communicationId", Kind::Text)],
            |hub, principal, mut p| {
                Box::pin(async move {
                    p.alias("id", "communicationId");
                    let id: Uuid = p.id("communicationId", "communication")?;
                    let command = Command::RespondCommunication {
                        communication_id: CommunicationId(id),
                        response: p.parse()?,
                    };
                    let room = room_of(hub, principal, Thing::Communication, id).await?;
                    Ok((room, command))
                })
            },
        )
        .gives::<AgentCommunication>(),
    ]
}
