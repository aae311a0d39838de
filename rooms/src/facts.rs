//! What a decision needs to know from outside its room: teams and agents. The lane reads them in the same transaction,
//! under lock where a count must hold; a fact that was used goes into the event.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use crate::State;
use crate::event::{Event, EventBody};
use crate::id::{AgentId, AttemptId, MessageId, ProcessId, RoomId, TeamId, TemplateId};
use crate::model::Object;
use crate::model::access::PrincipalKind;
use crate::model::agent::Agent;
use crate::model::monitoring::AlertRule;
use crate::model::room::Channel;
use crate::model::team::{AgentTeam, TeamStatus};
use crate::model::template::ProcessTemplate;
use crate::state::ProcessState;

/// What to read before a command can be decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Teams to read.
    pub teams: BTreeSet<TeamId>,
    /// Agents to read.
    pub agents: BTreeSet<AgentId>,
    /// Templates to read: a version, or the newest.
    pub templates: BTreeSet<(TemplateId, Option<u32>)>,
    /// Processes whose past is read: up to an event, or all of it.
    pub sources: BTreeSet<(ProcessId, Option<u64>)>,
    /// Messages to look up.
    pub messages: BTreeSet<MessageId>,
    /// Token streams to look up, each in its room.
    pub streams: BTreeSet<(RoomId, String)>,
    /// The workspace's rules for alerts.
    pub alert_rules: bool,
    /// Lock what is read and count live attempts: the command hands out work.
    pub slots: bool,
}

impl Needs {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        self.teams.is_empty()
            && self.agents.is_empty()
            && self.templates.is_empty()
            && self.sources.is_empty()
            && self.messages.is_empty()
            && self.streams.is_empty()
            && !self.alert_rules
    }

    /// Whether teams, agents or alert rules are needed.
    pub fn asks_the_registry(&self) -> bool {
        !self.teams.is_empty() || !self.agents.is_empty() || self.alert_rules
    }

    /// Takes the other's needs too.
    pub fn merge(&mut self, other: Self) {
        self.teams.extend(other.teams);
        self.agents.extend(other.agents);
        self.templates.extend(other.templates);
        self.sources.extend(other.sources);
        self.messages.extend(other.messages);
        self.streams.extend(other.streams);
        self.alert_rules |= other.alert_rules;
        self.slots |= other.slots;
    }

    /// Whether everything that `other` asks for is already asked for.
    pub fn covers(&self, other: &Self) -> bool {
        (self.slots || !other.slots)
            && (self.alert_rules || !other.alert_rules)
            && other.teams.is_subset(&self.teams)
            && other.agents.is_subset(&self.agents)
            && other.templates.is_subset(&self.templates)
            && other.sources.is_subset(&self.sources)
            && other.messages.is_subset(&self.messages)
            && other.streams.is_subset(&self.streams)
    }
}

/// What is known of a message that was posted before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Where.
    pub room: RoomId,
    /// Where in the room.
    pub channel: Channel,
    /// By whom.
    pub author: (PrincipalKind, String),
    /// It was taken out of the conversation.
    pub removed: bool,
}

/// A process as it was after an event of its room.
#[derive(Clone, Debug)]
pub struct Past {
    /// After which.
    pub seq: u64,
    /// As it was.
    pub state: Arc<ProcessState>,
    /// The `sharedData` that it was started with; none where the log no longer goes back so far.
    pub given: Option<Object>,
}

/// A past that is being read.
#[derive(Debug)]
pub struct Reading {
    state: State,
    given: Option<Object>,
}

impl Reading {
    /// What was before the events that come.
    pub fn new(base: State) -> Self {
        Self {
            state: base,
            given: None,
        }
    }

    /// The seq of the last event taken in.
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        if let EventBody::ProcessCreated(process) = &event.body
            && event.origin.is_none()
        {
            self.given = Some(process.context.shared_data.clone());
        }
        self.state.apply(event);
    }

    /// What it comes to; none where there is no process.
    pub fn end(self) -> Option<Past> {
        Some(Past {
            seq: self.state.seq,
            state: self.state.process?,
            given: self.given,
        })
    }
}

/// What was read. Kept up to date within a batch by [`Facts::absorb`].
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Teams, by id.
    pub teams: BTreeMap<TeamId, AgentTeam>,
    /// Registered agents, by id.
    pub agents: BTreeMap<AgentId, Agent>,
    /// Versions of templates.
    pub templates: BTreeMap<(TemplateId, u32), Arc<ProcessTemplate>>,
    /// Processes as they were after an event of their rooms, by what was asked for.
    pub sources: BTreeMap<(ProcessId, Option<u64>), Past>,
    /// Live attempts of an agent.
    pub agent_live: BTreeMap<AgentId, BTreeSet<AttemptId>>,
    /// Live attempts of a team.
    pub team_live: BTreeMap<TeamId, BTreeSet<AttemptId>>,
    /// Messages, by id.
    pub messages: BTreeMap<MessageId, Posted>,
    /// The message that ended a token stream.
    pub streams: BTreeMap<(RoomId, String), MessageId>,
    /// The workspace's rules for alerts; none: it has set none.
    pub alert_rules: Option<Arc<Vec<AlertRule>>>,
}

impl Facts {
    /// A version of a template, or the newest.
    pub fn template(&self, id: TemplateId, version: Option<u32>) -> Option<&Arc<ProcessTemplate>> {
        match version {
            Some(version) => self.templates.get(&(id, version)),
            None => self
                .templates
                .range((id, 0)..=(id, u32::MAX))
                .next_back()
                .map(|(_, template)| template),
        }
    }

    /// Agents that steps of the templates and of the pasts are for, which nobody asked about by name.
    pub fn named_agents(&self) -> BTreeSet<AgentId> {
        let of_templates = self.templates.values().flat_map(|t| &t.steps);
        let of_templates = of_templates.filter_map(|s| s.assigned_agent_id.as_ref());
        let of_sources = self.sources.values().flat_map(|past| &past.state.steps);
        let of_sources = of_sources.filter_map(|s| s.assigned_agent_id.as_ref());
        of_templates
            .chain(of_sources)
            .filter(|id| !self.agents.contains_key(*id))
            .cloned()
            .collect()
    }

    /// Lets the commands after this one in the batch see what it did.
    pub fn absorb(
        &mut self,
        room: Option<RoomId>,
        team: Option<TeamId>,
        channel: Channel,
        body: &EventBody,
    ) {
        match body {
            EventBody::MessagePosted(message) => {
                if let Some(room) = room {
                    let posted = Posted {
                        room,
                        channel,
                        author: (message.author.kind, message.author.id.clone()),
                        removed: false,
                    };
                    self.messages.insert(message.id, posted);
                    if let Some(stream) = &message.stream_id {
                        self.streams.insert((room, stream.clone()), message.id);
                    }
                }
            }
            EventBody::MessageRemoved(removal) => {
                if let Some(posted) = self.messages.get_mut(&removal.id) {
                    posted.removed = true;
                }
            }
            EventBody::AgentRegistered(agent) | EventBody::AgentUpdated(agent) => {
                self.agents.insert(agent.id.clone(), agent.clone());
            }
            EventBody::AgentRemoved(change) => {
                if let Some(agent) = self.agents.get_mut(&change.id) {
                    agent.archived = true;
                }
            }
            EventBody::TemplateCreated(template) => {
                let key = (template.id, template.version);
                self.templates.insert(key, Arc::new(template.clone()));
            }
            EventBody::AlertRulesUpdated(rules) => {
                self.alert_rules = Some(Arc::new(rules.items.clone()));
            }
            EventBody::TeamCreated(team) | EventBody::TeamUpdated(team) => {
                self.teams.insert(team.id, team.clone());
            }
            EventBody::TeamArchived(change) => {
                if let Some(team) = self.teams.get_mut(&change.id) {
                    team.status = TeamStatus::Archived;
                }
            }
            _ => {}
        }
        if let Some((agent, attempt)) = body.begins() {
            self.begin(team, agent, attempt);
        }
        if let Some(attempt) = body.ends() {
            self.end(attempt);
        }
    }

    fn begin(&mut self, team: Option<TeamId>, agent: &AgentId, attempt: AttemptId) {
        self.agent_live
            .entry(agent.clone())
            .or_default()
            .insert(attempt);
        if let Some(team) = team {
            self.team_live.entry(team).or_default().insert(attempt);
        }
    }

    fn end(&mut self, attempt: AttemptId) {
        for live in self
            .agent_live
            .values_mut()
            .chain(self.team_live.values_mut())
        {
            live.remove(&attempt);
        }
    }
}
