//! Templates: definitions of processes, kept in versions that never change.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Priority;
use crate::Timestamp;
use crate::id::{TemplateId, WorkspaceId};
use crate::request::{ContextInput, StepInput};

/// A version of a template. A process that was started from it keeps to it, whatever versions follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessTemplate {
    /// Its id: the same for all versions.
    pub id: TemplateId,
    /// 1, 2, 3…
    pub version: u32,
    /// A name to show; a process without one of its own has it.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it belongs.
    pub workspace_id: WorkspaceId,
    /// JSON Schema of what a start has to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Value>,
    /// The steps, as a start would give them.
    pub steps: Vec<StepInput>,
    /// What its processes carry from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextInput>,
    /// How urgent its processes are, unless their start says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// A step that fails for good cancels the rest.
    pub fail_fast: bool,
    /// Who made this version.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}
