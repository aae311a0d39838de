//! The state of a room: what its log adds up to. [`State::apply`] is total and holds no rule; the rules are in [`crate::decide()`].
//!
//! Parts are shared (`Arc`), so that a copy is cheap, and what changed between two states is what no longer is the same part.

mod fold;
mod graph;
mod handoff;
mod intervention;
mod monitoring;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::id::{
    AgentId, AlertId, AttemptId, CommunicationId, HandoffId, InterventionId, RecommendationId,
    StepId,
};
use crate::limits;
use crate::model::attempt::Attempt;
use crate::model::communication::AgentCommunication;
use crate::model::handoff::{AgentHandoff, HandoffKind, HandoffStatus};
use crate::model::intervention::{HumanIntervention, InterventionStatus};
use crate::model::monitoring::{Alert, AlertRules, Recommendation};
use crate::model::process::{OrchestrationProcess, ProcessContext};
use crate::model::room::{CollaborationRoom, ParticipantType};
use crate::model::step::{ProcessStep, StepPhase, StepStatus};
use crate::model::team::AgentTeam;

pub(crate) use self::fold::{merged, share};
pub use self::graph::Graph;
use self::graph::GraphCell;

/// What a room's log adds up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The seq of the last event applied; 0 before the first.
    pub seq: u64,
    /// The room; none before it is made. `head` and `lastActivity` are not kept here.
    pub room: Option<Arc<CollaborationRoom>>,
    /// The team, in a team's room.
    pub team: Option<Arc<AgentTeam>>,
    /// The process, in a process's room.
    pub process: Option<Arc<ProcessState>>,
    /// The rules for alerts, in a workspace's room; none: it has set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert_rules: Option<Arc<AlertRules>>,
}

/// A process with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessState {
    /// The process itself; its steps and context are kept beside it.
    pub process: Arc<OrchestrationProcess>,
    /// What it carries.
    pub context: Arc<ProcessContext>,
    /// In the order given.
    pub steps: Vector<Arc<ProcessStep>>,
    /// Every attempt.
    pub attempts: OrdMap<AttemptId, Arc<Attempt>>,
    /// Every handoff.
    pub handoffs: OrdMap<HandoffId, Arc<AgentHandoff>>,
    /// Every intervention.
    pub interventions: OrdMap<InterventionId, Arc<HumanIntervention>>,
    /// Communications whose response is awaited.
    pub open_communications: OrdMap<CommunicationId, Arc<AgentCommunication>>,
    /// Who held a step, since its last progress: for the refusal of circles.
    pub chain: OrdMap<StepId, Vec<AgentId>>,
    /// How many steps are at what.
    pub tally: Tally,
    /// What its rules have done.
    pub rules: RuleMemory,
    /// Every alert.
    #[serde(default)]
    pub alerts: OrdMap<AlertId, Arc<Alert>>,
    /// What its figures recommended.
    #[serde(default)]
    pub recommendations: OrdMap<RecommendationId, Arc<Recommendation>>,
    /// Who waits for whom; follows from the steps.
    #[serde(skip)]
    graph: GraphCell,
}

/// What the rules of a process have done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleMemory {
    holding: OrdSet<String>,
    fired: OrdMap<String, u32>,
}

impl RuleMemory {
    fn name(rule: &str, step: Option<StepId>) -> String {
        step.map_or_else(|| rule.to_owned(), |step| format!("{rule}@{step}"))
    }

    /// Whether the condition has held since the rule fired for this step, or for the process.
    pub fn holds(&self, rule: &str, step: Option<StepId>) -> bool {
        self.holding.contains(&Self::name(rule, step))
    }

    /// How often the rule has fired.
    pub fn count(&self, rule: &str) -> u32 {
        self.fired.get(rule).copied().unwrap_or(0)
    }
}

/// How many steps are at what: kept with every change of a step, so that nobody has to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Have ended.
    pub ended: u64,
    /// Are held by an agent, or run as a process of their own.
    pub at_work: u64,
    /// Wait for an agent or for their next attempt.
    pub waiting: u64,
    /// About how many bytes sharedData has: what was given and all that was put there since.
    pub shared_bytes: u64,
}

impl Tally {
    fn slot(&mut self, step: &ProcessStep) -> Option<&mut u64> {
        match (step.status, step.phase) {
            (status, _) if status.is_terminal() => Some(&mut self.ended),
            (StepStatus::Running, Some(StepPhase::Executing | StepPhase::HandingOff)) => {
                Some(&mut self.at_work)
            }
            (_, Some(StepPhase::Ready | StepPhase::Backoff | StepPhase::Offered)) => {
                Some(&mut self.waiting)
            }
            _ => None,
        }
    }

    fn leave(&mut self, step: &ProcessStep) {
        if let Some(n) = self.slot(step) {
            *n = n.saturating_sub(1);
        }
    }

    pub(crate) fn enter(&mut self, step: &ProcessStep) {
        if let Some(n) = self.slot(step) {
            *n += 1;
        }
    }
}

impl ProcessState {
    /// A process as it was made.
    pub fn new(created: &OrchestrationProcess) -> Self {
        let mut process = created.clone();
        let steps: Vector<_> = std::mem::take(&mut process.steps).into_iter().collect();
        let context = std::mem::take(&mut process.context);
        let mut tally = Tally::default();
        steps.iter().for_each(|s| tally.enter(s));
        let given = limits::object_size(&context.shared_data, limits::SHARED_DATA);
        tally.shared_bytes = given as u64;
        Self {
            process: Arc::new(process),
            context,
            steps,
            attempts: OrdMap::new(),
            handoffs: OrdMap::new(),
            interventions: OrdMap::new(),
            open_communications: OrdMap::new(),
            chain: OrdMap::new(),
            tally,
            rules: RuleMemory::default(),
            alerts: OrdMap::new(),
            recommendations: OrdMap::new(),
            graph: GraphCell::default(),
        }
    }

    /// Who waits for whom.
    pub fn graph(&self) -> &Graph {
        self.graph.of(&self.steps)
    }

    /// A step by its id.
    pub fn step(&self, id: StepId) -> Option<&Arc<ProcessStep>> {
        self.graph().at(id).and_then(|n| self.steps.get(n))
    }

    /// A step by its id or key.
    pub fn step_named(&self, name: &str) -> Option<&Arc<ProcessStep>> {
        match self.graph().named(name) {
            Some(n) => self.steps.get(n),
            None => name.parse().ok().and_then(|id| self.step(id)),
        }
    }

    /// Steps by their places.
    pub fn steps_at<'a>(
        &'a self,
        places: &'a [usize],
    ) -> impl Iterator<Item = &'a Arc<ProcessStep>> {
        places.iter().filter_map(|n| self.steps.get(*n))
    }

    /// A step more, after the others.
    pub fn add_step(&mut self, step: ProcessStep) {
        self.tally.enter(&step);
        self.steps.push_back(Arc::new(step));
        self.graph = GraphCell::default();
        let total = self.steps.len() as u64;
        Arc::make_mut(&mut self.process).total_steps = total;
    }

    /// The live attempt of a step.
    pub fn live_attempt(&self, step: &ProcessStep) -> Option<&Arc<Attempt>> {
        step.current_attempt
            .and_then(|id| self.attempts.get(&id))
            .filter(|a| a.status.is_live())
    }

    /// The pending transfer of a step: it is on its way to another agent.
    pub fn pending_handoff(&self, step: StepId) -> Option<&Arc<AgentHandoff>> {
        self.handoffs.values().find(|h| {
            h.from_step_id == step
                && h.status == HandoffStatus::Pending
                && h.kind == HandoffKind::Transfer
        })
    }

    /// Open interventions of a step.
    pub fn open_interventions(
        &self,
        step: StepId,
    ) -> impl Iterator<Item = &Arc<HumanIntervention>> {
        self.interventions
            .values()
            .filter(move |i| i.step_id == Some(step) && i.status == InterventionStatus::Pending)
    }

    /// Answers that the step's attempts have, and questions that nobody answered in time; oldest first.
    pub fn prior_answers(&self, step: StepId) -> Vec<&HumanIntervention> {
        self.interventions
            .values()
            .filter(|i| {
                i.step_id == Some(step)
                    && (i.response.is_some() || i.status == InterventionStatus::Expired)
            })
            .map(AsRef::as_ref)
            .collect()
    }

    /// The process as the wire shows it: with its steps, its context and the questions that it waits for.
    pub fn resource(&self) -> OrchestrationProcess {
        let mut process = (*self.process).clone();
        process.steps = self.steps.iter().cloned().collect();
        process.context = Arc::clone(&self.context);
        process.waiting_on = self
            .interventions
            .values()
            .filter(|i| i.status == InterventionStatus::Pending)
            .map(|i| i.id)
            .collect();
        process
    }
}

impl State {
    /// A participant's role, as it was given.
    pub fn given_role(
        &self,
        kind: ParticipantType,
        id: &str,
    ) -> Option<crate::model::room::RoomRole> {
        let room = self.room.as_ref()?;
        room.participants
            .iter()
            .find(|p| p.kind == kind && p.id == id)
            .map(|p| p.role)
    }
}
