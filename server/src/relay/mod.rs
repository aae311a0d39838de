//! The relay: how the nodes of one hub tell each other what has just happened.
//!
//! It may lose, repeat or reorder what it likes. Events are in the log, and every node compares its cursors with it; work that is
//! addressed to an agent is a view of open state that is sent again until it is taken; who is here is told anew every second. So a relay
//! makes the hub quick, and never right: that it is without.

pub mod message;
pub mod redis;

use std::fmt;
use std::sync::Arc;

use rooms::id::{AgentId, RoomId, WorkspaceId};

pub use message::{Envelope, Message};

/// Where a message goes: to the nodes that follow the channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// What happens in a room: followed while somebody here has joined it.
    Room(RoomId),
    /// What is addressed to an agent: followed while it is connected here.
    Agent(WorkspaceId, AgentId),
    /// Steps may be ready: followed while an agent of the workspace takes work here.
    Work(WorkspaceId),
    /// What every node should know.
    Nodes,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => write!(f, "room:{room}"),
            Self::Agent(space, agent) => write!(f, "agent:{space}:{agent}"),
            Self::Work(space) => write!(f, "work:{space}"),
            Self::Nodes => f.write_str("nodes"),
        }
    }
}

/// How a relay is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// What is published arrives.
    Up,
    /// It does not, for this reason: the nodes read the log more often.
    Down(String),
}

/// Carries messages between the nodes. Nothing here waits: a message that cannot be carried now is dropped.
pub trait Relay: Send + Sync {
    /// Receives a channel from now on.
    fn follow(&self, channel: Channel);
    /// No longer receives a channel.
    fn unfollow(&self, channel: Channel);
    /// Tells the other nodes that follow the channel.
    fn publish(&self, channel: &Channel, message: &Message<'_>);
    /// Whether there are other nodes to tell at all.
    fn is_shared(&self) -> bool;
    /// How it is.
    fn health(&self) -> Health;
    /// Whether it answered of late. One that is up and does not may only be busy; but what others commit may as well be lost on its way.
    fn is_prompt(&self) -> bool;
}

/// The relay of a node that is alone: there is nobody to tell.
pub struct Alone;

impl Relay for Alone {
    fn follow(&self, _: Channel) {}
    fn unfollow(&self, _: Channel) {}
    fn publish(&self, _: &Channel, _: &Message<'_>) {}
    fn is_shared(&self) -> bool {
        false
    }
    fn health(&self) -> Health {
        Health::Up
    }
    fn is_prompt(&self) -> bool {
        true
    }
}

/// A relay, whichever it is.
pub type SharedRelay = Arc<dyn Relay>;
