//! Who calls: principals, their permission in a workspace, and the workspace itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Timestamp;
use crate::id::{AgentId, InstanceId, RoomId, WorkspaceId};

/// What kind of caller.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// An agent process.
    Agent,
    /// A backend.
    Service,
    /// Baton itself: a timer or the dispatcher. No credential gives this.
    System,
}

impl PrincipalKind {
    /// As the wire spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Service => "service",
            Self::System => "system",
        }
    }
}

/// What a principal may do in its workspace: `read` < `write` < `admin`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// List and read.
    Read,
    /// The working operations too.
    Write,
    /// Everything, keys and members too.
    Admin,
}

/// A caller whose credential was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What kind.
    pub kind: PrincipalKind,
    /// Its id within the kind.
    pub id: String,
    /// The workspace that it acts in.
    pub workspace_id: WorkspaceId,
    /// What it may do there.
    pub permission: Permission,
    /// The running copy of an agent, where it said so.
    pub instance_id: Option<InstanceId>,
    /// May make workspaces: only the bootstrap key.
    pub bootstrap: bool,
}

impl Principal {
    /// Baton itself, in a workspace.
    pub fn system(workspace_id: WorkspaceId) -> Self {
        Self {
            kind: PrincipalKind::System,
            id: "baton".to_owned(),
            workspace_id,
            permission: Permission::Admin,
            instance_id: None,
            bootstrap: false,
        }
    }

    /// The agent, when the caller is one.
    pub fn agent_id(&self) -> Option<AgentId> {
        (self.kind == PrincipalKind::Agent).then(|| AgentId(self.id.clone()))
    }

    /// As events name the caller.
    pub fn actor(&self) -> Actor {
        Actor {
            kind: self.kind,
            id: self.id.clone(),
            name: self.id.clone(),
        }
    }
}

/// Who caused an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// What kind.
    pub kind: PrincipalKind,
    /// Its id.
    pub id: String,
    /// A name to show.
    pub name: String,
}

/// A workspace: everything belongs to exactly one, and nothing crosses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Chosen by the caller.
    pub id: WorkspaceId,
    /// A name to show.
    pub name: String,
    /// Its room.
    pub room_id: RoomId,
    /// When it was made.
    pub created_at: Timestamp,
}
