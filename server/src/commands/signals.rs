//! What the server tells a socket beside the events of a room's log: work for an agent, ephemeral signals, the connection's own.

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
    row(
        "typing.changed",
        "Somebody types; not kept",
        Has(&[
            ("type", Text),
            ("roomId", Text),
            ("actor", Any),
            ("data", Any),
        ]),
    ),
    row(
        "message.delta",
        "A piece of a message that is being written; not kept",
        Has(&[
            ("type", Text),
            ("roomId", Text),
            ("actor", Any),
            ("data", Any),
        ]),
    ),
    row(
        "presence.changed",
        "Somebody has joined the room, or left it on every node; not kept",
        Has(&[
            ("type", Text),
            ("roomId", Text),
            ("data", One(shape::<Present>)),
        ]),
    ),
    row(
        "agent.presence",
        "An agent takes work, or no longer does, to who has joined the workspace's room; not kept",
        Has(&[
            ("type", Text),
            ("roomId", Text),
            ("workspaceId", Text),
            ("data", Any),
        ]),
    ),
];
