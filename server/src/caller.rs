//! Who calls, from where: what a command's way through the hub is audited with.

use std::collections::HashMap;
use std::net::IpAddr;

use rooms::model::access::Principal;
use rooms::{Command, Refusal};
use serde_json::{Map, Value};
use storage::audit::{AuditRow, DONE};

use crate::commands::payload::truncated;

/// How a command came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// An HTTP request.
    Rest,
    /// A Socket.IO command.
    Socket,
    /// A timer or the dispatcher.
    System,
}

/// Where a command comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// How.
    pub transport: Transport,
    /// From which address.
    pub address: Option<IpAddr>,
}

impl Source {
    /// A timer or the dispatcher.
    pub const SYSTEM: Self = Self {
        transport: Transport::System,
        address: None,
    };
}

/// Who calls, from where.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// From where.
    pub source: Source,
}

/// What was asked, as the audit keeps it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The command's name.
    pub action: String,
    /// The ids that it named: a JSON object, or empty.
    pub target: String,
    /// From where.
    pub source: Source,
}

impl Asked {
    /// What timers ask. The dispatcher's offers are left out: each is followed by the agent's answer or by a timer.
    pub fn by_system(command: &Command) -> Option<Self> {
        let action = match command {
            Command::Offer { .. } => return None,
            Command::Timer { timer, .. } => {
                let key = timer.key();
                format!("timer:{}", key.split(':').next().unwrap_or_default())
            }
            Command::ReleaseAgent { instance_id, .. } => match instance_id {
                Some(_) => "agent:ready".to_owned(),
                None => "agent:remove".to_owned(),
            },
            Command::CreateWorkspaceRoom { .. } => "workspace:create".to_owned(),
            _ => "system".to_owned(),
        };
        Some(Self {
            action,
            target: String::new(),
            source: Source::SYSTEM,
        })
    }

    /// The row of a change.
    pub fn done(&self, principal: &Principal) -> AuditRow {
        AuditRow {
            workspace: principal.workspace_id.clone(),
            kind: principal.kind,
            principal: principal.id.clone(),
            action: self.action.clone(),
            outcome: DONE.to_owned(),
            transport: match self.source.transport {
                Transport::Rest => "rest",
                Transport::Socket => "socket",
                Transport::System => "system",
            },
            address: self
                .source
                .address
                .map(|a| a.to_canonical().to_string())
                .unwrap_or_default(),
            room: None,
            target: self.target.clone(),
            detail: String::new(),
            correlation: String::new(),
        }
    }

    /// The row of a refusal.
    pub fn refused(&self, principal: &Principal, refusal: &Refusal) -> AuditRow {
        AuditRow {
            outcome: refusal.code.as_str().to_owned(),
            detail: refusal.detail.chars().take(500).collect(),
            ..self.done(principal)
        }
    }
}

/// The ids among the fields of a payload, or of a path: what it is about.
pub fn target_of<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let ids: Map<String, Value> = fields
        .filter(|(name, _)| name.ends_with("Id") || *name == "id")
        .filter_map(|(name, value)| Some((name.to_owned(), truncated(value.as_str()?).into())))
        .take(8)
        .collect();
    if ids.is_empty() {
        String::new()
    } else {
        Value::Object(ids).to_string()
    }
}

/// The ids of a path.
pub fn target_of_path(path: &HashMap<String, String>) -> String {
    let ids: Map<String, Value> = path
        .iter()
        .map(|(name, value)| (name.clone(), truncated(value).into()))
        .collect();
    if ids.is_empty() {
        String::new()
    } else {
        Value::Object(ids).to_string()
    }
}
