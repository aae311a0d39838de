//! What nodes tell each other. A node that does not know a message, or cannot read it, passes it over: two versions run side by side
//! during a rolling restart. So variants and fields are only ever added, at the end.

use rooms::id::{AgentId, InstanceId, InterventionId, RoomId, WorkspaceId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::presence::Entry;

/// A message and the node that it is from.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The sender; a node passes over its own.
    pub node: Uuid,
    /// What it says.
    #[serde(borrow)]
    pub message: Message<'a>,
}

/// What a node tells others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// Events of a room: seq and frame.
    Events {
        /// Which room.
        room: RoomId,
        /// In order.
        #[serde(borrow)]
        events: Vec<(u64, &'a str)>,
    },
    /// Something in a room that is not kept: its frame.
    Signal {
        /// Which room.
        room: RoomId,
        /// As it goes out.
        frame: &'a str,
    },
    /// Something for an agent.
    ToAgent {
        /// In which workspace.
        space: WorkspaceId,
        /// Whom.
        agent: AgentId,
        /// Only this running copy.
        instance: Option<InstanceId>,
        /// The event's name.
        name: &'a str,
        /// Its argument, as JSON.
        data: &'a str,
        /// The intervention that it answers: sent until the connection acknowledges it.
        answers: Option<InterventionId>,
    },
    /// A step may have become ready, or a slot free.
    Work {
        /// In which workspace.
        space: WorkspaceId,
    },
    /// The sender lives, and this is the version of its roster.
    Alive {
        /// Changes of the roster so far.
        version: u64,
    },
    /// What changed in the sender's roster, from one version to the next.
    Roster {
        /// The version after it.
        version: u64,
        /// Who came.
        came: Vec<Entry>,
        /// Who went.
        went: Vec<Entry>,
    },
    /// A part of the sender's whole roster.
    Snapshot {
        /// Of which version.
        version: u64,
        /// Which part, from 0.
        part: u32,
        /// Of how many.
        parts: u32,
        /// Who is there.
        entries: Vec<Entry>,
    },
    /// Asks a node for its whole roster, or every node.
    Ask {
        /// Which.
        node: Option<Uuid>,
    },
    /// The sender stops: nobody is connected to it any more.
    Gone,
    /// A credential was revoked: look whose.
    Revoked,
}

impl Envelope<'_> {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Into memory, of types that all have an encoding: it cannot fail.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// From bytes that a node sent.
    pub fn decode(bytes: &[u8]) -> Option<Envelope<'_>> {
        postcard::from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_read_and_the_unknown_is_passed_over() {
        let sent = Envelope {
            node: Uuid::from_u128(7),
            message: Message::Events {
                room: RoomId(Uuid::from_u128(8)),
                events: vec![(1, r#"["a",{}]"#), (2, r#"["b",{"ü":1}]"#)],
            },
        };
        let bytes = sent.encode();
        assert_eq!(Envelope::decode(&bytes), Some(sent));
        let mut later = Uuid::from_u128(7).as_bytes().to_vec();
        later.insert(0, 16);
        later.push(120);
        assert_eq!(Envelope::decode(&later), None);
    }
}
