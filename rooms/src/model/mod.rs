//! The resources of the model, as the wire and the log spell them (camelCase, enums in snake_case).
//!
//! No rules here: what may become what stands in [`crate::decide()`].

pub mod access;
pub mod agent;
pub mod analytics;
pub mod attempt;
pub mod communication;
pub mod handoff;
pub mod intervention;
pub mod monitoring;
pub mod process;
pub mod room;
pub mod step;
pub mod team;
pub mod template;

/// A JSON object whose fields belong to the caller.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// How urgent something is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

impl Priority {
    /// 0 (low) to 3 (urgent), to sort by.
    pub fn rank(self) -> i64 {
        self as i64
    }
}
