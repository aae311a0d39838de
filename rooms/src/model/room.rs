//! Rooms, their participants and what is said in them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Actor;
use super::{Object, Priority};
use crate::Timestamp;
use crate::id::{LogId, MessageId, ProcessId, RoomId, TeamId, WorkspaceId};

/// What the name of a process's room begins with. The name of the process follows, and neither ever changes.
pub const OF_PROCESS: &str = "Process: ";

/// What a room belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomType {
    /// A process; it has only this one.
    Process,
    /// A team.
    Team,
    /// The workspace.
    Workspace,
}

impl RoomType {
    /// As the wire spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Team => "team",
            Self::Workspace => "workspace",
        }
    }
}

/// Where in a room an event belongs. Every event has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Work and talk.
    #[default]
    General,
    /// What went wrong.
    Alerts,
    /// Handoffs.
    Handoffs,
    /// Questions to humans.
    Interventions,
    /// Figures.
    Monitoring,
}

impl Channel {
    /// All of them, in the order shown.
    pub const ALL: [Self; 5] = [
        Self::General,
        Self::Alerts,
        Self::Handoffs,
        Self::Interventions,
        Self::Monitoring,
    ];
}

/// What kind of participant.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ParticipantType {
    /// An agent process.
    Agent,
    /// A person or a backend acting for one.
    Human,
}

impl ParticipantType {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Human => "human",
        }
    }
}

/// What a participant may do: each role may what the ones before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RoomRole {
    /// Reads.
    Observer,
    /// Posts and responds.
    Participant,
    /// Invites and moderates.
    Coordinator,
    /// Administers.
    Supervisor,
}

impl RoomRole {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Participant => "participant",
            Self::Coordinator => "coordinator",
            Self::Supervisor => "supervisor",
        }
    }
}

/// One who takes part in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The agent's or the user's id.
    pub id: String,
    /// Which of the two.
    #[serde(rename = "type")]
    pub kind: ParticipantType,
    /// What it may do.
    pub role: RoomRole,
    /// Since when.
    pub joined_at: Timestamp,
    /// How far it has read; not in the log.
    #[serde(default)]
    pub last_read_seq: u64,
}

/// A room: an ordered, gapless, durable log that people and agents share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollaborationRoom {
    /// Its id.
    pub id: RoomId,
    /// A name to show.
    pub name: String,
    /// What it belongs to.
    #[serde(rename = "type")]
    pub kind: RoomType,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<ProcessId>,
    /// Its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// Where events belong.
    pub channels: Vec<Channel>,
    /// The newest seq.
    pub head: u64,
    /// The oldest seq that is kept.
    pub first: u64,
    /// Another one after a restore.
    pub log_id: LogId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something last happened.
    pub last_activity: Timestamp,
    /// Closed to new posts.
    pub archived: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Talk.
    #[default]
    Text,
    /// Asks.
    Question,
    /// Answers.
    Answer,
    /// Tells how it goes.
    Update,
    /// Asks for something.
    Request,
    /// Tells.
    Notification,
}

/// A message in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Markdown, at most 32 KiB.
    pub body: String,
    /// What it is.
    pub kind: MessageKind,
    /// Who is meant.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Which message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// How urgent.
    pub priority: Priority,
    /// The caller's own.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub metadata: Object,
    /// The token stream that it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// Who said it.
    pub author: Actor,
}
