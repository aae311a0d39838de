//! What may be asked of a room. A REST call, a socket command, a timer and a dispatcher's decision are all one of these.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::{
    AgentId, AlertId, AttemptId, CommunicationId, HandoffId, InstanceId, InterventionId, ProcessId,
    RoomId, StepId, TeamId, WorkspaceId,
};
use crate::model::process::{Failure, ParentStep};
use crate::policy::Operation;
use crate::request as r;
use crate::state::State;

/// What may be asked of a room.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is named after what it does; the payloads are documented in `request`"
)]
pub enum Command {
    // The workspace's room
    CreateWorkspaceRoom {
        workspace_id: WorkspaceId,
        room_id: RoomId,
        name: String,
    },
    RegisterAgent(r::RegisterAgent),
    UpdateAgent {
        agent_id: AgentId,
        change: r::UpdateAgent,
    },
    RemoveAgent {
        agent_id: AgentId,
    },
    AgentReady {
        agent_id: AgentId,
        slots: Option<u32>,
        capabilities: Option<Vec<String>>,
    },
    CreateTemplate(Box<r::CreateTemplate>),
    SetAlertRules(r::SetAlertRules),
    // A team's room
    CreateTeam {
        team_id: TeamId,
        team: r::CreateTeam,
    },
    UpdateTeam(r::UpdateTeam),
    ArchiveTeam,
    // A process's room
    StartProcess {
        process_id: ProcessId,
        process: Box<r::StartProcess>,
    },
    StartChild {
        process_id: ProcessId,
        parent: ParentStep,
        initiated_by: String,
        process: Box<r::StartProcess>,
    },
    ForkProcess {
        process_id: ProcessId,
        source: ProcessId,
        team_id: TeamId,
        fork: r::ForkProcess,
    },
    ChildEnded {
        step_id: StepId,
        process_id: ProcessId,
        outputs: Option<serde_json::Value>,
        error: Option<Failure>,
    },
    PauseProcess(r::ProcessReason),
    ResumeProcess(r::ProcessReason),
    CancelProcess(r::ProcessReason),
    RetryProcess(r::ProcessReason),
    Offer {
        step_id: StepId,
        agent_id: AgentId,
        instance_id: Option<InstanceId>,
        claim: bool,
    },
    AcceptAttempt {
        attempt_id: AttemptId,
        lease: r::Lease,
    },
    RejectAttempt {
        attempt_id: AttemptId,
        lease: r::LeaseReason,
    },
    Heartbeat {
        attempt_id: AttemptId,
        lease: r::Lease,
    },
    Progress {
        attempt_id: AttemptId,
        progress: r::Progress,
    },
    Complete {
        attempt_id: AttemptId,
        result: r::Complete,
    },
    Fail {
        attempt_id: AttemptId,
        failure: r::Fail,
    },
    Release {
        attempt_id: AttemptId,
        lease: r::LeaseReason,
    },
    ReleaseAgent {
        agent_id: AgentId,
        /// This running copy; none: every one, as the agent was removed.
        instance_id: Option<InstanceId>,
    },
    RequestHandoff {
        attempt_id: Option<AttemptId>,
        handoff: Box<r::RequestHandoff>,
    },
    AcceptHandoff {
        handoff_id: HandoffId,
    },
    RejectHandoff {
        handoff_id: HandoffId,
        reason: r::HandoffReason,
    },
    CancelHandoff {
        handoff_id: HandoffId,
        reason: r::HandoffReason,
    },
    CompleteHandoff {
        handoff_id: HandoffId,
    },
    RequestIntervention {
        attempt_id: Option<AttemptId>,
        question: Box<r::RequestIntervention>,
    },
    ClaimIntervention {
        intervention_id: InterventionId,
    },
    ReleaseIntervention {
        intervention_id: InterventionId,
    },
    AssignIntervention {
        intervention_id: InterventionId,
        to: r::Assign,
    },
    DelegateIntervention {
        intervention_id: InterventionId,
        delegate: r::Delegate,
    },
    RemindIntervention {
        intervention_id: InterventionId,
    },
    CommentIntervention {
        intervention_id: InterventionId,
        comment: r::Comment,
    },
    RespondIntervention {
        intervention_id: InterventionId,
        reply: Box<r::Respond>,
    },
    CancelIntervention {
        intervention_id: InterventionId,
        reason: r::HandoffReason,
    },
    AcknowledgeAlert {
        alert_id: AlertId,
    },
    ResolveAlert {
        alert_id: AlertId,
    },
    SendCommunication(r::SendCommunication),
    RespondCommunication {
        communication_id: CommunicationId,
        response: r::RespondCommunication,
    },
    // Any room
    CreateRoom {
        room_id: RoomId,
        room: r::CreateRoom,
    },
    Invite(r::ParticipantInput),
    RemoveParticipant(r::RemoveParticipant),
    PostMessage(r::PostMessage),
    EditMessage(r::EditMessage),
    RemoveMessage(r::RemoveMessage),
    Broadcast(r::Broadcast),
    MarkRead(r::MarkRead),
    ArchiveRoom {
        /// Where its log ended when it was found to be idle.
        head: u64,
    },
    // Timers
    Timer {
        timer: Timer,
        due: Timestamp,
    },
}

/// What a timer asks for when it fires. It names what it meant, so that `decide` can tell whether that still stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Timer {
    /// An offer was not accepted.
    Offer {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// A lease ran out.
    Lease {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// The next attempt may begin.
    Backoff {
        /// Of which step.
        step: StepId,
        /// After so many failures.
        attempts: u32,
    },
    /// A step took too long.
    StepTimeout {
        /// Which.
        step: StepId,
    },
    /// The process took too long.
    ProcessTimeout,
    /// A process that does a step's work is to be started.
    StartChild {
        /// Which step.
        step: StepId,
        /// The process's id.
        process: ProcessId,
    },
    /// A process that did a step's work is no longer needed.
    CancelChild {
        /// Which.
        process: ProcessId,
    },
    /// A process tells the step whose work it was how it ended.
    TellParent {
        /// The step, and its process.
        parent: ParentStep,
        /// How it ended.
        end: Box<ChildEnd>,
    },
    /// An agent that refused may be asked again.
    Reoffer {
        /// Which step.
        step: StepId,
    },
    /// Nobody took a handoff.
    Handoff {
        /// Which.
        handoff: HandoffId,
    },
    /// Nobody responded to a communication.
    Communication {
        /// Which.
        communication: CommunicationId,
    },
    /// A question expires.
    Intervention {
        /// Which.
        intervention: InterventionId,
        /// At which level.
        level: u32,
    },
    /// A question is getting late.
    Reminder {
        /// Which.
        intervention: InterventionId,
        /// At which level.
        level: u32,
        /// 50 or 90 percent of the due time; 100: it is overdue.
        percent: u8,
    },
}

/// How a process that did a step's work ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildEnd {
    /// What it gave, where it ended well.
    pub outputs: Option<serde_json::Value>,
    /// Why it did not.
    pub error: Option<Failure>,
}

impl Timer {
    /// Whether it asks something of another room: see [`crate::decide::outbound`].
    pub fn is_outbound(&self) -> bool {
        matches!(
            self,
            Self::StartChild { .. } | Self::CancelChild { .. } | Self::TellParent { .. }
        )
    }

    /// Unique in the room: setting a timer of the same key moves it.
    pub fn key(&self) -> String {
        match self {
            Self::Offer { attempt } => format!("offer:{attempt}"),
            Self::Lease { attempt } => format!("lease:{attempt}"),
            Self::Backoff { step, .. } => format!("backoff:{step}"),
            Self::StepTimeout { step } => format!("timeout:{step}"),
            Self::ProcessTimeout => "timeout".to_owned(),
            Self::StartChild { process, .. } => format!("start:{process}"),
            Self::CancelChild { process } => format!("cancel:{process}"),
            Self::TellParent { .. } => "parent".to_owned(),
            Self::Reoffer { step } => format!("reoffer:{step}"),
            Self::Handoff { handoff } => format!("handoff:{handoff}"),
            Self::Communication { communication } => format!("respond:{communication}"),
            Self::Intervention { intervention, .. } => format!("expire:{intervention}"),
            Self::Reminder {
                intervention,
                percent,
                ..
            } => format!("remind{percent}:{intervention}"),
        }
    }
}

impl Command {
    /// Whether it makes the room that it is asked of.
    pub fn makes_its_room(&self) -> bool {
        matches!(
            self,
            Self::StartProcess { .. }
                | Self::StartChild { .. }
                | Self::ForkProcess { .. }
                | Self::CreateTeam { .. }
                | Self::CreateRoom { .. }
                | Self::CreateWorkspaceRoom { .. }
        )
    }

    /// Whether slots are counted for it, under the lock of agents' rows.
    pub fn hands_out_work(&self) -> bool {
        matches!(self, Self::Offer { .. } | Self::AcceptHandoff { .. })
    }

    /// Whether a step may become ready by it, as a rule.
    pub fn may_ready_a_step(&self) -> bool {
        matches!(
            self,
            Self::StartProcess { .. }
                | Self::StartChild { .. }
                | Self::ResumeProcess(_)
                | Self::RetryProcess(_)
                | Self::Complete { .. }
                | Self::Fail { .. }
                | Self::RespondIntervention { .. }
        )
    }

    /// Whether its room's state alone decides it, and nobody but the room is told as a rule: then no lock is needed, where the state turns out
    /// to be current. A result may end the process, of which others are told.
    pub fn stays_in_its_room(&self, state: &State) -> bool {
        match self {
            Self::PostMessage(_)
            | Self::Broadcast(_)
            | Self::Progress { .. }
            | Self::AcceptAttempt { .. } => true,
            Self::Complete { .. } | Self::Fail { .. } => state
                .process
                .as_ref()
                .is_some_and(|p| p.tally.ended + 1 < p.steps.len() as u64),
            _ => false,
        }
    }

    /// Whether the workspace is told of it when it succeeds, so that its room is best locked at once. Of others it may be told as well.
    pub fn tells_the_workspace(&self) -> bool {
        matches!(
            self,
            Self::StartProcess { .. }
                | Self::StartChild { .. }
                | Self::ForkProcess { .. }
                | Self::PauseProcess(_)
                | Self::ResumeProcess(_)
                | Self::CancelProcess(_)
                | Self::RetryProcess(_)
                | Self::RequestIntervention { .. }
                | Self::ClaimIntervention { .. }
                | Self::RespondIntervention { .. }
        )
    }

    /// The operation whose rule in [`crate::policy`] it comes under.
    pub fn operation(&self) -> Operation {
        use Command as C;
        match self {
            C::CreateWorkspaceRoom { .. }
            | C::Offer { claim: false, .. }
            | C::Timer { .. }
            | C::StartChild { .. }
            | C::ChildEnded { .. }
            | C::ReleaseAgent { .. }
            | C::ArchiveRoom { .. } => Operation::SystemOnly,
            C::RegisterAgent(_) | C::UpdateAgent { .. } | C::RemoveAgent { .. } => {
                Operation::AgentsManage
            }
            C::AgentReady { .. } => Operation::AgentsReady,
            C::CreateTeam { .. } => Operation::TeamsCreate,
            C::UpdateTeam(_) => Operation::TeamsUpdate,
            C::ArchiveTeam => Operation::TeamsDelete,
            C::StartProcess { .. } | C::ForkProcess { .. } => Operation::ProcessesCreate,
            C::CreateTemplate(_) => Operation::TemplatesCreate,
            C::PauseProcess(_) | C::ResumeProcess(_) | C::CancelProcess(_) | C::RetryProcess(_) => {
                Operation::ProcessesUpdate
            }
            C::Offer { .. }
            | C::AcceptAttempt { .. }
            | C::RejectAttempt { .. }
            | C::Heartbeat { .. }
            | C::Progress { .. }
            | C::Complete { .. }
            | C::Fail { .. }
            | C::Release { .. } => Operation::WorkDo,
            C::RequestHandoff { .. } => Operation::HandoffsCreate,
            C::AcceptHandoff { .. }
            | C::RejectHandoff { .. }
            | C::CancelHandoff { .. }
            | C::CompleteHandoff { .. } => Operation::HandoffsUpdate,
            C::RequestIntervention { .. } => Operation::InterventionsCreate,
            C::CancelIntervention { .. } => Operation::InterventionsCancel,
            C::ClaimIntervention { .. }
            | C::ReleaseIntervention { .. }
            | C::AssignIntervention { .. }
            | C::DelegateIntervention { .. }
            | C::RemindIntervention { .. }
            | C::CommentIntervention { .. }
            | C::RespondIntervention { .. } => Operation::InterventionsRespond,
            C::AcknowledgeAlert { .. } | C::ResolveAlert { .. } => Operation::AlertsUpdate,
            C::SetAlertRules(_) => Operation::AlertRulesUpdate,
            C::SendCommunication(_) | C::RespondCommunication { .. } => Operation::RoomsPost,
            C::CreateRoom { .. } => Operation::RoomsCreate,
            C::Invite(_) | C::RemoveParticipant(_) => Operation::RoomsInvite,
            C::PostMessage(_)
            | C::EditMessage(_)
            | C::RemoveMessage(_)
            | C::Broadcast(_)
            | C::MarkRead(_) => Operation::RoomsPost,
        }
    }
}
