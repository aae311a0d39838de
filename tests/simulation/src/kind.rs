//! Every command there is, by name. A command that is added to [`Command`] does not compile here until it has a name, and its name not
//! in [`crate::generate`] until it is generated.

use rooms::Command;

macro_rules! kinds {
    ($($name:ident($pattern:pat)),* $(,)?) => {
        /// What a command is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[expect(missing_docs, reason = "each is named as the command")]
        pub enum Kind { $($name),* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What this command is.
            pub fn of(command: &Command) -> Self {
                match command { $($pattern => Self::$name),* }
            }
        }
    };
}

use Command as C;
kinds! {
    CreateWorkspaceRoom(C::CreateWorkspaceRoom { .. }),
    RegisterAgent(C::RegisterAgent(_)),
    UpdateAgent(C::UpdateAgent { .. }),
    RemoveAgent(C::RemoveAgent { .. }),
    AgentReady(C::AgentReady { .. }),
    CreateTeam(C::CreateTeam { .. }),
    UpdateTeam(C::UpdateTeam(_)),
    ArchiveTeam(C::ArchiveTeam),
    CreateTemplate(C::CreateTemplate(_)),
    StartProcess(C::StartProcess { .. }),
    StartChild(C::StartChild { .. }),
    ForkProcess(C::ForkProcess { .. }),
    ChildEnded(C::ChildEnded { .. }),
    PauseProcess(C::PauseProcess(_)),
    ResumeProcess(C::ResumeProcess(_)),
    CancelProcess(C::CancelProcess(_)),
    RetryProcess(C::RetryProcess(_)),
    Offer(C::Offer { .. }),
    AcceptAttempt(C::AcceptAttempt { .. }),
    RejectAttempt(C::RejectAttempt { .. }),
    Heartbeat(C::Heartbeat { .. }),
    Progress(C::Progress { .. }),
    Complete(C::Complete { .. }),
    Fail(C::Fail { .. }),
    Release(C::Release { .. }),
    ReleaseAgent(C::ReleaseAgent { .. }),
    RequestHandoff(C::RequestHandoff { .. }),
    AcceptHandoff(C::AcceptHandoff { .. }),
    RejectHandoff(C::RejectHandoff { .. }),
    CancelHandoff(C::CancelHandoff { .. }),
    CompleteHandoff(C::CompleteHandoff { .. }),
    RequestIntervention(C::RequestIntervention { .. }),
    ClaimIntervention(C::ClaimIntervention { .. }),
    ReleaseIntervention(C::ReleaseIntervention { .. }),
    AssignIntervention(C::AssignIntervention { .. }),
    DelegateIntervention(C::DelegateIntervention { .. }),
    RemindIntervention(C::RemindIntervention { .. }),
    CommentIntervention(C::CommentIntervention { .. }),
    RespondIntervention(C::RespondIntervention { .. }),
    CancelIntervention(C::CancelIntervention { .. }),
    AcknowledgeAlert(C::AcknowledgeAlert { .. }),
    ResolveAlert(C::ResolveAlert { .. }),
    SetAlertRules(C::SetAlertRules(_)),
    SendCommunication(C::SendCommunication(_)),
    RespondCommunication(C::RespondCommunication { .. }),
    CreateRoom(C::CreateRoom { .. }),
    Invite(C::Invite(_)),
    RemoveParticipant(C::RemoveParticipant(_)),
    PostMessage(C::PostMessage(_)),
    EditMessage(C::EditMessage(_)),
    RemoveMessage(C::RemoveMessage(_)),
    Broadcast(C::Broadcast(_)),
    MarkRead(C::MarkRead(_)),
    ArchiveRoom(C::ArchiveRoom { .. }),
    Timer(C::Timer { .. }),
}
