//! Newtypes for ids, so that a step's id is never taken for a process's.
//!
//! Baton's own ids are UUIDv7; agents and workspaces are named by the caller (see [`is_valid_name`]).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
        impl From<Uuid> for $name { fn from(id: Uuid) -> Self { Self(id) } }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { Uuid::parse_str(text).map(Self) }
        }
    )*};
}

uuid_ids! {
    /// A room: the unit of consistency.
    RoomId,
    /// A process.
    ProcessId,
    /// A step of a process.
    StepId,
    /// One agent's try at a step.
    AttemptId,
    /// A handoff between agents.
    HandoffId,
    /// A question to humans.
    InterventionId,
    /// A message in a room.
    MessageId,
    /// An addressed message between agents.
    CommunicationId,
    /// A team.
    TeamId,
    /// A template of processes.
    TemplateId,
    /// An event of a log.
    EventId,
    /// An alert.
    AlertId,
    /// What a process's figures recommend.
    RecommendationId,
    /// One life of a log: another one after a restore.
    LogId,
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{:?}", self.0) }
        }
        impl From<&str> for $name { fn from(id: &str) -> Self { Self(id.to_owned()) } }
        impl From<String> for $name { fn from(id: String) -> Self { Self(id) } }
    )*};
}

text_ids! {
    /// An agent, named by its author; stable over restarts.
    AgentId,
    /// A workspace.
    WorkspaceId,
    /// One running copy of an agent, named by the agent.
    InstanceId,
}

/// Whether a caller may name an agent, a workspace, an instance or a step's key so: 1 to 64 of `A-Z a-z 0-9 _ . : -`.
pub fn is_valid_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

/// What [`is_valid_name`] asks for, as a sentence for an error.
pub const NAME_RULE: &str = "must be 1 to 64 characters of A-Z a-z 0-9 _ . : -";

#[cfg(test)]
mod tests {
    use super::is_valid_name;

    #[test]
    fn names_are_short_and_plain() {
        assert!(is_valid_name("agent-1:eu.west_2"));
        assert!(!is_valid_name(""));
        assert!(!is_valid_name("a b"));
        assert!(!is_valid_name("é"));
        assert!(is_valid_name(&"a".repeat(64)));
        assert!(!is_valid_name(&"a".repeat(65)));
    }
}
