//! The read model: the rows beside the log, for lists, searches and the dispatcher. What to write is what is no longer the same
//! part of the state (see [`rooms::State`]); what has no state (messages aside, which the log itself serves) comes from the event.

use std::collections::BTreeMap;
use std::sync::Arc;

use rooms::Timestamp;
use rooms::event::{Event, EventBody};
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::communication::AgentCommunication;
use rooms::model::intervention::InterventionStatus;
use rooms::model::process::OrchestrationProcess;
use rooms::model::room::{CollaborationRoom, Message};
use rooms::model::step::{ProcessStep, StepStatus};
use rooms::model::template::ProcessTemplate;
use rooms::state::{ProcessState, State};
use uuid::Uuid;

use crate::db::{Error, Kind::*, Part, Table, Value};

pub(crate) static EVENTS: Table = Table {
    name: "events",
    columns: &[
        ("room_id", Uuid),
        ("seq", Int),
        ("id", Uuid),
        ("type", Text),
        ("at", Int),
        ("payload", Text),
    ],
    key: None,
    once: &[],
};
static ROOMS: Table = Table {
    name: "rooms",
    columns: &[
        ("id", Uuid),
        ("workspace_id", Text),
        ("type", Text),
        ("name", Text),
        ("process_id", Uuid),
        ("team_id", Uuid),
        ("head", Int),
        ("first", Int),
        ("log_id", Uuid),
        ("last_activity", Int),
        ("data", Text),
    ],
    key: Some(&["id"]),
    // A restore gives a log another life, and its beginning goes once it is old: neither is in the log.
    once: &["log_id", "first"],
};
static SNAPSHOTS: Table = Table {
    name: "snapshots",
    columns: &[("room_id", Uuid), ("seq", Int), ("state", Text)],
    key: Some(&["room_id"]),
    once: &[],
};
static AGENTS: Table = Table {
    name: "agents",
    columns: &[
        ("workspace_id", Text),
        ("id", Text),
        ("name", Text),
        ("archived", Int),
        ("data", Text),
    ],
    key: Some(&["workspace_id", "id"]),
    once: &[],
};
pub(crate) static TEMPLATES: Table = Table {
    name: "templates",
    columns: &[
        ("id", Uuid),
        ("version", Int),
        ("workspace_id", Text),
        ("name", Text),
        ("data", Text),
    ],
    key: None,
    once: &[],
};
static TEAMS: Table = Table {
    name: "teams",
    columns: &[
        ("id", Uuid),
        ("workspace_id", Text),
        ("room_id", Uuid),
        ("name", Text),
        ("status", Text),
        ("data", Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
static MEMBERS: Table = Table {
    name: "team_members",
    columns: &[
        ("team_id", Uuid),
        ("workspace_id", Text),
        ("agent_id", Text),
        ("role", Text),
        ("is_active", Int),
    ],
    key: Some(&["team_id", "agent_id"]),
    once: &[],
};
static PROCESSES: Table = Table {
    name: "processes",
    columns: &[
        ("id", Uuid),
        ("workspace_id", Text),
        ("room_id", Uuid),
        ("team_id", Uuid),
        ("name", Text),
        ("status", Text),
        ("priority", Int),
        ("data", Text),
        ("ended_at", Int),
    ],
    key: Some(&["id"]),
    once: &[],
};
static STEPS: Table = Table {
    name: "steps",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("team_id", Uuid),
        ("ordinal", Int),
        ("key", Text),
        ("status", Text),
        ("phase", Text),
        ("priority", Int),
        ("ready_at", Int),
        ("data", Text),
        ("name", Text),
        ("completed_at", Int),
        ("took_ms", Int),
    ],
    key: Some(&["id"]),
    once: &[],
};
static ATTEMPTS: Table = Table {
    name: "attempts",
    columns: &[
        ("id", Uuid),
        ("step_id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("team_id", Uuid),
        ("agent_id", Text),
        ("instance_id", Text),
        ("epoch", Int),
        ("status", Text),
        ("live", Int),
        ("data", Text),
        ("held_from", Int),
        ("held_until", Int),
    ],
    key: Some(&["id"]),
    once: &[],
};
static HANDOFFS: Table = Table {
    name: "handoffs",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("step_id", Uuid),
        ("status", Text),
        ("to_agents", Text),
        ("data", Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
static INTERVENTIONS: Table = Table {
    name: "interventions",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("step_id", Uuid),
        ("type", Text),
        ("status", Text),
        ("used", Int),
        ("due_at", Int),
        ("assignees", Text),
        ("data", Text),
        ("requested_at", Int),
        ("closed_at", Int),
    ],
    key: Some(&["id"]),
    once: &[],
};
static COMMUNICATIONS: Table = Table {
    name: "communications",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("to_agent", Text),
        ("open", Int),
        ("data", Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
static ALERT_RULES: Table = Table {
    name: "alert_rules",
    columns: &[("workspace_id", Text), ("data", Text)],
    key: Some(&["workspace_id"]),
    once: &[],
};
static ALERTS: Table = Table {
    name: "alerts",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("team_id", Uuid),
        ("type", Text),
        ("severity", Text),
        ("resolved", Int),
        ("raised_at", Int),
        ("data", Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
static RECOMMENDATIONS: Table = Table {
    name: "recommendations",
    columns: &[
        ("id", Uuid),
        ("process_id", Uuid),
        ("workspace_id", Text),
        ("team_id", Uuid),
        ("type", Text),
        ("made_at", Int),
        ("data", Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
pub(crate) static MESSAGES: Table = Table {
    name: "messages",
    columns: &[
        ("id", Uuid),
        ("room_id", Uuid),
        ("workspace_id", Text),
        ("seq", Int),
        ("at", Int),
        ("author_kind", Text),
        ("author", Text),
        ("reply_to", Uuid),
        ("stream_id", Text),
        ("removed", Int),
        ("body", Text),
    ],
    key: None,
    once: &[],
};

/// Where a room's row has its head, and when something last happened.
const ROOM_HEAD: usize = 6;
const ROOM_ACTIVITY: usize = 9;

/// A list as a text that `LIKE '%,x,%'` finds an item in.
pub(crate) fn listed<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from(",");
    for item in items {
        out.push_str(item);
        out.push(',');
    }
    out
}

fn same<T>(a: Option<&Arc<T>>, b: &Arc<T>) -> bool {
    a.is_some_and(|a| Arc::ptr_eq(a, b))
}

type Rows = Vec<Vec<Value>>;

/// What one batch writes to the read model.
#[derive(Default)]
pub(crate) struct Projection {
    rooms: Rows,
    snapshots: Rows,
    agents: Rows,
    teams: Rows,
    members: Rows,
    gone_members: Vec<Uuid>,
    processes: Rows,
    steps: Rows,
    attempts: Rows,
    handoffs: Rows,
    interventions: Rows,
    communications: Rows,
    alert_rules: Rows,
    alerts: Rows,
    recommendations: Rows,
    templates: Rows,
    messages: Rows,
}

impl Projection {
    /// A room's events moved it from one state to another.
    pub(crate) fn room(
        &mut self,
        before: &State,
        after: &State,
        snapshot: bool,
    ) -> Result<(), Error> {
        let Some(room) = &after.room else {
            return Ok(());
        };
        if !same(before.room.as_ref(), room) {
            self.rooms.push(room_row(room, after.seq)?);
        }
        if snapshot {
            self.snapshots.push(vec![
                room.id.0.into(),
                after.seq.into(),
                serde_json::to_string(after)?.into(),
            ]);
        }
        if let Some(team) = &after.team
            && !same(before.team.as_ref(), team)
        {
            self.teams.push(vec![
                team.id.0.into(),
                team.workspace_id.as_str().into(),
                team.room_id.0.into(),
                team.name.as_str().into(),
                team.status.as_str().into(),
                serde_json::to_string(&**team)?.into(),
            ]);
            self.gone_members.push(team.id.0);
            self.members.retain(|row| row[0] != Value::Uuid(team.id.0));
            for member in &team.agents {
                self.members.push(vec![
                    team.id.0.into(),
                    team.workspace_id.as_str().into(),
                    member.agent_id.as_str().into(),
                    member.role.as_str().into(),
                    member.is_active.into(),
                ]);
            }
        }
        if let Some(rules) = &after.alert_rules
            && !same(before.alert_rules.as_ref(), rules)
        {
            self.alert_rules.push(vec![
                room.workspace_id.as_str().into(),
                serde_json::to_string(&**rules)?.into(),
            ]);
        }
        if let Some(process) = &after.process
            && !same(before.process.as_ref(), process)
        {
            self.process(before.process.as_deref(), process)?;
        }
        Ok(())
    }

    fn process(
        &mut self,
        before: Option<&ProcessState>,
        after: &ProcessState,
    ) -> Result<(), Error> {
        let p = &after.process;
        let waiting = |s: &ProcessState| {
            s.interventions
                .values()
                .filter(|i| i.status == InterventionStatus::Pending)
                .count()
        };
        if !same(before.map(|b| &b.process), p)
            || !same(before.map(|b| &b.context), &after.context)
            || before.map(waiting) != Some(waiting(after))
        {
            let mut resource = after.resource();
            resource.steps.clear();
            self.processes.push(vec![
                p.id.0.into(),
                p.workspace_id.as_str().into(),
                p.room_id.0.into(),
                p.team_id.0.into(),
                p.name.as_str().into(),
                p.status.as_str().into(),
                p.priority.rank().into(),
                serde_json::to_string(&resource)?.into(),
                p.completed_at.into(),
            ]);
        }
        for (n, step) in after.steps.iter().enumerate() {
            if !same(before.and_then(|b| b.steps.get(n)), step) {
                let took = took(p, step);
                self.steps.push(vec![
                    step.id.0.into(),
                    p.id.0.into(),
                    p.workspace_id.as_str().into(),
                    p.team_id.0.into(),
                    (n as u64).into(),
                    step.key.as_str().into(),
                    step.status.as_str().into(),
                    step.phase.map(|x| x.as_str()).into(),
                    p.priority.rank().into(),
                    step.ready_at.into(),
                    serde_json::to_string(&**step)?.into(),
                    step.name.as_str().into(),
                    took.map(|t| t.0).into(),
                    took.map(|t| t.1).into(),
                ]);
            }
        }
        let workspace = p.workspace_id.as_str();
        for (id, a) in &after.attempts {
            if !same(before.and_then(|b| b.attempts.get(id)), a) {
                self.attempts.push(vec![
                    id.0.into(),
                    a.step_id.0.into(),
                    p.id.0.into(),
                    workspace.into(),
                    p.team_id.0.into(),
                    a.agent_id.as_str().into(),
                    a.instance_id.as_ref().map(|i| i.as_str()).into(),
                    a.epoch.into(),
                    a.status.as_str().into(),
                    a.status.is_live().into(),
                    serde_json::to_string(&**a)?.into(),
                    a.accepted_at.into(),
                    a.ended_at.filter(|_| a.accepted_at.is_some()).into(),
                ]);
            }
        }
        for (id, h) in &after.handoffs {
            if !same(before.and_then(|b| b.handoffs.get(id)), h) {
                let to = listed(h.asked().map(|a| a.as_str()));
                self.handoffs.push(vec![
                    id.0.into(),
                    p.id.0.into(),
                    workspace.into(),
                    h.from_step_id.0.into(),
                    h.status.as_str().into(),
                    to.into(),
                    serde_json::to_string(&**h)?.into(),
                ]);
            }
        }
        for (id, i) in &after.interventions {
            if !same(before.and_then(|b| b.interventions.get(id)), i) {
                self.interventions.push(vec![
                    id.0.into(),
                    p.id.0.into(),
                    workspace.into(),
                    i.step_id.map(|s| s.0).into(),
                    i.kind.as_str().into(),
                    i.status.as_str().into(),
                    i.used.into(),
                    i.due_at.into(),
                    listed(i.assignees.iter().map(String::as_str)).into(),
                    serde_json::to_string(&**i)?.into(),
                    i.requested_at.into(),
                    i.completed_at.into(),
                ]);
            }
        }
        for (id, alert) in &after.alerts {
            if !same(before.and_then(|b| b.alerts.get(id)), alert) {
                self.alerts.push(vec![
                    id.0.into(),
                    p.id.0.into(),
                    workspace.into(),
                    p.team_id.0.into(),
                    alert.kind.as_str().into(),
                    alert.severity.as_str().into(),
                    alert.resolved.into(),
                    alert.timestamp.into(),
                    serde_json::to_string(&**alert)?.into(),
                ]);
            }
        }
        for (id, made) in &after.recommendations {
            if !same(before.and_then(|b| b.recommendations.get(id)), made) {
                self.recommendations.push(vec![
                    id.0.into(),
                    p.id.0.into(),
                    workspace.into(),
                    p.team_id.0.into(),
                    made.kind.as_str().into(),
                    made.timestamp.into(),
                    serde_json::to_string(&**made)?.into(),
                ]);
            }
        }
        Ok(())
    }

    /// What has no place in a room's state. Answered communications need the row that is there; see `respond` in [`crate::tx`].
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Error> {
        match &event.body {
            EventBody::AgentRegistered(agent) | EventBody::AgentUpdated(agent)
                if event.origin.is_none() =>
            {
                self.agents.retain(|row| {
                    row[1] != Value::Text(agent.id.0.clone())
                        || row[0] != Value::Text(event.workspace_id.0.clone())
                });
                self.agents.push(vec![
                    event.workspace_id.as_str().into(),
                    agent.id.as_str().into(),
                    agent.name.as_str().into(),
                    agent.archived.into(),
                    serde_json::to_string(agent)?.into(),
                ]);
            }
            EventBody::TemplateCreated(template) if event.origin.is_none() => {
                self.templates.push(template_row(event, template)?);
            }
            EventBody::MessagePosted(message) => self.messages.push(message_row(event, message)),
            EventBody::CommunicationSent(sent) => self
                .communications
                .push(communication_row(sent, &event.workspace_id)?),
            _ => {}
        }
        Ok(())
    }

    /// The rows of each table, for a comparison with what is there.
    pub(crate) fn tables(self) -> Vec<(&'static Table, Vec<Vec<Value>>)> {
        vec![
            (&ROOMS, self.rooms),
            (&SNAPSHOTS, self.snapshots),
            (&AGENTS, self.agents),
            (&TEAMS, self.teams),
            (&MEMBERS, self.members),
            (&PROCESSES, self.processes),
            (&STEPS, self.steps),
            (&ATTEMPTS, self.attempts),
            (&HANDOFFS, self.handoffs),
            (&INTERVENTIONS, self.interventions),
            (&COMMUNICATIONS, self.communications),
            (&ALERT_RULES, self.alert_rules),
            (&ALERTS, self.alerts),
            (&RECOMMENDATIONS, self.recommendations),
        ]
    }

    /// Rooms that are written whole get their new heads here, and not as the others do.
    pub(crate) fn move_heads(&mut self, heads: &mut BTreeMap<RoomId, (u64, Timestamp)>) {
        for row in &mut self.rooms {
            let Value::Uuid(id) = row[0] else { continue };
            if let Some((head, at)) = heads.remove(&RoomId(id)) {
                row[ROOM_HEAD] = head.into();
                row[ROOM_ACTIVITY] = at.into();
            }
        }
    }

    /// The teams whose members are written anew, and the rows: each table once, in the order of the foreign keys.
    pub(crate) fn parts(mut self) -> (Vec<Uuid>, Vec<Part>) {
        // A step has one live attempt at most, by a unique index: the one that ends goes first.
        self.attempts.sort_by_key(|row| row[9] == Value::Int(1));
        let parts = vec![
            Part::Rows(&ROOMS, self.rooms),
            Part::Rows(&SNAPSHOTS, self.snapshots),
            Part::Rows(&AGENTS, self.agents),
            Part::Rows(&TEMPLATES, self.templates),
            Part::Rows(&TEAMS, self.teams),
            Part::Rows(&MEMBERS, self.members),
            Part::Rows(&PROCESSES, self.processes),
            Part::Rows(&STEPS, self.steps),
            Part::Rows(&ATTEMPTS, self.attempts),
            Part::Rows(&HANDOFFS, self.handoffs),
            Part::Rows(&INTERVENTIONS, self.interventions),
            Part::Rows(&COMMUNICATIONS, self.communications),
            Part::Rows(&ALERT_RULES, self.alert_rules),
            Part::Rows(&ALERTS, self.alerts),
            Part::Rows(&RECOMMENDATIONS, self.recommendations),
            Part::Rows(&MESSAGES, self.messages),
        ];
        (self.gone_members, parts)
    }
}

/// When a step completed, and how many milliseconds it took. What a fork took over was completed elsewhere.
fn took(process: &OrchestrationProcess, step: &ProcessStep) -> Option<(Timestamp, u64)> {
    let completed = step
        .completed_at
        .filter(|at| step.status == StepStatus::Completed && *at >= process.initiated_at)?;
    let began = step.started_at.unwrap_or(completed);
    Some((completed, completed.ms_since(began)))
}

/// The row of a version of a template.
pub(crate) fn template_row(event: &Event, template: &ProcessTemplate) -> Result<Vec<Value>, Error> {
    Ok(vec![
        template.id.0.into(),
        u64::from(template.version).into(),
        event.workspace_id.as_str().into(),
        template.name.as_str().into(),
        serde_json::to_string(template)?.into(),
    ])
}

/// The row of a message as it was posted.
pub(crate) fn message_row(event: &Event, message: &Message) -> Vec<Value> {
    vec![
        message.id.0.into(),
        event.room_id.0.into(),
        event.workspace_id.as_str().into(),
        event.seq.into(),
        event.at.into(),
        message.author.kind.as_str().into(),
        message.author.id.as_str().into(),
        message.reply_to.map(|m| m.0).into(),
        message.stream_id.as_deref().into(),
        false.into(),
        message.body.as_str().into(),
    ]
}

/// The row of a communication; one that was answered is closed.
pub(crate) fn communication_row(
    sent: &AgentCommunication,
    workspace: &WorkspaceId,
) -> Result<Vec<Value>, Error> {
    let open = sent.kind.awaits_response() && sent.response.is_none() && !sent.expired;
    Ok(vec![
        sent.id.0.into(),
        sent.process_id.0.into(),
        workspace.as_str().into(),
        sent.to_agent_id.as_str().into(),
        open.into(),
        serde_json::to_string(sent)?.into(),
    ])
}

fn room_row(room: &CollaborationRoom, head: u64) -> Result<Vec<Value>, Error> {
    Ok(vec![
        room.id.0.into(),
        room.workspace_id.as_str().into(),
        room.kind.as_str().into(),
        room.name.as_str().into(),
        room.process_id.map(|p| p.0).into(),
        room.team_id.map(|t| t.0).into(),
        head.into(),
        room.first.into(),
        room.log_id.0.into(),
        room.last_activity.into(),
        serde_json::to_string(room)?.into(),
    ])
}
