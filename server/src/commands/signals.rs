//! What the server tells a socket beside the events of a room's log: work for an agent, ephemeral signals, the connection's own.

use rooms::model::access::Actor;
use rooms::model::handoff::AgentHandoff;
use rooms::model::intervention::{HumanIntervention, InterventionResponse};

use super::table::Kind::{Any, Flag, One, Text, Whole};
use super::table::Reply;
use super::table::Reply::{Has, Is};
use crate::contract::shape;
use crate::contract::shapes::{AddressedMessage, Present, Work};

/// An event that is told beside the log.
pub struct SignalRow {
    /// `noun.past`.
    pub name: &'static str,
    /// When it is told, in a line.
    pub summary: &'static str,
    /// Its one argument.
    pub argument: Reply,
}

const fn row(name: &'static str, summary: &'static str, argument: Reply) -> SignalRow {
    SignalRow {
        name,
        summary,
        argument,
    }
}

/// The envelope of an event that is not kept: see [`Hub::passing`](crate::hub::Hub::passing).
macro_rules! passing {
    ($data:expr) => {
        Has(&[
            ("id", Text),
            ("roomId", Text),
            ("type", Text),
            ("at", Text),
            ("workspaceId", Text),
            ("channel", Text),
            ("actor", One(shape::<Actor>)),
            ("data", $data),
        ])
    };
}

/// All of them.
pub const SIGNALS: &[SignalRow] = &[
    row(
        "work.offered",
        "A step is offered to the agent; told again until it is accepted, rejected or expired",
        Is(shape::<Work>),
    ),
    row(
        "work.cancelled",
        "The step is no longer the agent's",
        Has(&[("attemptId", Text), ("stepId", Text), ("reason", Text)]),
    ),
    row(
        "work.answered",
        "A human has answered; told again until it is acked",
        Has(&[
            ("intervention", One(shape::<HumanIntervention>)),
            ("response", One(shape::<InterventionResponse>)),
            ("attemptId", Text),
        ]),
    ),
    row(
        "work.handoff_requested",
        "Another agent asks to be relieved",
        Has(&[("handoff", One(shape::<AgentHandoff>))]),
    ),
    row(
        "work.handoff_resolved",
        "What became of a handoff",
        Has(&[("handoff", One(shape::<AgentHandoff>))]),
    ),
    row(
        "work.message",
        "A message to the agent",
        Has(&[("communication", One(shape::<AddressedMessage>))]),
    ),
    row(
        "server.draining",
        "The server stops; reconnect",
        Has(&[("reconnectInMs", Whole)]),
    ),
    row(
        "session.closed",
        "Why the connection is about to be closed",
        Has(&[("code", Text), ("reconnect", Flag)]),
    ),
    row("typing.changed", "Somebody types; not kept", passing!(Any)),
    row(
        "message.delta",
        "A piece of a message that is being written; not kept",
        passing!(Any),
    ),
    row(
        "presence.changed",
        "Somebody has joined the room, or left it on every node; not kept",
        passing!(One(shape::<Present>)),
    ),
    row(
        "agent.presence",
        "An agent takes work, or no longer does, to who has joined the workspace's room; not kept",
        passing!(Any),
    ),
];
