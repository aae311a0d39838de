//! Who may do what: one table, asked in one place, deny by default.
//!
//! Two questions. May this principal do this operation in its workspace ([`allows`])? And has it, in this room, the role that
//! the act needs ([`role_in`], compared by order)?

use crate::model::access::{Permission, Principal, PrincipalKind};
use crate::model::room::RoomRole;
use crate::{Code, Refusal};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $permission:ident, $agent:literal);* $(;)?) => {
        /// Everything that can be asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($(#[$doc])* $name),* }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As documents and errors name it.
            pub fn as_str(self) -> &'static str { match self { $(Self::$name => $text),* } }

            /// The least permission of a user or a service; and whether an agent's key may.
            pub fn rule(self) -> (Permission, bool) {
                match self { $(Self::$name => (Permission::$permission, $agent)),* }
            }
        }
    };
}

operations! {
    /// List and read teams.
    TeamsRead = "teams:read", Read, true;
    /// Make a team.
    TeamsCreate = "teams:create", Write, false;
    /// Change a team.
    TeamsUpdate = "teams:update", Write, false;
    /// Archive a team.
    TeamsDelete = "teams:delete", Write, false;
    /// List and read processes.
    ProcessesRead = "processes:read", Read, true;
    /// Start a process.
    ProcessesCreate = "processes:create", Write, true;
    /// Pause, resume, cancel, retry.
    ProcessesUpdate = "processes:update", Write, false;
    /// List and read templates of processes.
    TemplatesRead = "templates:read", Read, true;
    /// Make a template, or a new version of one.
    TemplatesCreate = "templates:create", Write, false;
    /// Take work and report on it.
    WorkDo = "work:do", Admin, true;
    /// List and read handoffs.
    HandoffsRead = "handoffs:read", Read, true;
    /// Ask for a handoff.
    HandoffsCreate = "handoffs:create", Write, true;
    /// Accept, reject, take back.
    HandoffsUpdate = "handoffs:update", Write, true;
    /// List and read questions to humans.
    InterventionsRead = "interventions:read", Read, true;
    /// Ask humans.
    InterventionsCreate = "interventions:create", Write, true;
    /// Take back one's own question.
    InterventionsCancel = "interventions:cancel", Write, true;
    /// Answer; never an agent.
    InterventionsRespond = "interventions:respond", Write, false;
    /// List and read rooms and their logs.
    RoomsRead = "rooms:read", Read, true;
    /// Make a room.
    RoomsCreate = "rooms:create", Write, false;
    /// Post, where the role allows it.
    RoomsPost = "rooms:post", Read, true;
    /// Invite and remove, where the role allows it.
    RoomsInvite = "rooms:invite", Write, true;
    /// List and read the registry.
    AgentsRead = "agents:read", Read, true;
    /// Register, change and remove agents.
    AgentsManage = "agents:manage", Write, false;
    /// An agent announces itself.
    AgentsReady = "agents:ready", Admin, true;
    /// List and read alerts.
    AlertsRead = "alerts:read", Read, true;
    /// Acknowledge and resolve alerts.
    AlertsUpdate = "alerts:update", Write, false;
    /// See when alerts are raised.
    AlertRulesRead = "alert-rules:read", Read, false;
    /// Say when alerts are raised.
    AlertRulesUpdate = "alert-rules:update", Admin, false;
    /// Read figures over all processes.
    AnalyticsRead = "analytics:read", Read, false;
    /// Make and revoke keys.
    KeysManage = "keys:manage", Admin, false;
    /// See workspaces.
    WorkspacesRead = "workspaces:read", Read, false;
    /// Make workspaces; the bootstrap key only.
    WorkspacesCreate = "workspaces:create", Admin, false;
    /// Read the audit.
    AuditRead = "audit:read", Admin, false;
    /// Make, read and remove webhooks.
    WebhooksManage = "webhooks:manage", Admin, false;
    /// Timers and the dispatcher.
    SystemOnly = "system:only", Admin, false;
}

/// `Ok` when the principal may; else `forbidden` with what it would need.
pub fn allows(principal: &Principal, operation: Operation) -> Result<(), Refusal> {
    let (least, agents) = operation.rule();
    let allowed = match principal.kind {
        PrincipalKind::System => true,
        PrincipalKind::Agent => agents && principal.permission >= Permission::Write,
        PrincipalKind::User | PrincipalKind::Service => {
            principal.permission >= least
                && !matches!(
                    operation,
                    Operation::SystemOnly | Operation::WorkDo | Operation::AgentsReady
                )
                && (operation != Operation::WorkspacesCreate || principal.bootstrap)
        }
    };
    if allowed {
        return Ok(());
    }
    let detail = match (principal.kind, operation) {
        (PrincipalKind::Agent, _) => {
            format!(
                "an agent may not {}; use the key of a user or a service",
                operation.as_str()
            )
        }
        (_, Operation::WorkDo | Operation::AgentsReady) => {
            format!("{} is for agents; use an agent's key", operation.as_str())
        }
        (_, Operation::WorkspacesCreate) => "only the bootstrap key may make workspaces".to_owned(),
        _ => format!(
            "{} needs the permission {:?} in this workspace",
            operation.as_str(),
            least
        )
        .to_lowercase(),
    };
    Err(Refusal::new(Code::Forbidden, detail))
}

/// The role of a principal in a room: what it was given there; a user who is no participant has the role of its permission; an agent
/// has none that it was not given.
pub fn role_in(principal: &Principal, given: Option<RoomRole>) -> Option<RoomRole> {
    match principal.kind {
        PrincipalKind::System => Some(RoomRole::Supervisor),
        PrincipalKind::Agent => given,
        PrincipalKind::User | PrincipalKind::Service => {
            let by_permission = match principal.permission {
                Permission::Read => RoomRole::Observer,
                Permission::Write => RoomRole::Participant,
                Permission::Admin => RoomRole::Supervisor,
            };
            // What a person was given in the room stands, lower or higher, but no role lets a reader write.
            match (principal.permission, given) {
                (Permission::Read, _) => Some(RoomRole::Observer),
                (_, Some(role)) => Some(role),
                (_, None) => Some(by_permission),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::WorkspaceId;

    fn principal(kind: PrincipalKind, permission: Permission) -> Principal {
        Principal {
            kind,
            id: "x".into(),
            workspace_id: WorkspaceId::from("w"),
            permission,
            instance_id: None,
            bootstrap: false,
        }
    }

    #[test]
    fn the_table_reads_as_it_should() {
        let mut table = String::new();
        for op in Operation::ALL {
            let may = |kind, permission| {
                if allows(&principal(kind, permission), *op).is_ok() {
                    "yes"
                } else {
                    "-"
                }
            };
            use Permission::{Admin, Read, Write as W};
            use PrincipalKind::{Agent, System, User};
            use std::fmt::Write;
            writeln!(
                table,
                "{:<24} read {:<4} write {:<4} admin {:<4} agent {:<4} system {}",
                op.as_str(),
                may(User, Read),
                may(User, W),
                may(User, Admin),
                may(Agent, W),
                may(System, Admin)
            )
            .unwrap();
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_agent_has_no_role_that_it_was_not_given() {
        assert_eq!(
            role_in(&principal(PrincipalKind::Agent, Permission::Write), None),
            None
        );
        assert_eq!(
            role_in(
                &principal(PrincipalKind::User, Permission::Read),
                Some(RoomRole::Supervisor)
            ),
            Some(RoomRole::Observer)
        );
    }
}
