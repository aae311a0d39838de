//! What happens next: mostly what somebody in this situation would do, sometimes anything at all.

mod alert;
mod attempt;
mod handoff;
mod intervention;
mod process;
mod registry;
mod room;
mod scene;

use rooms::id::AgentId;
use serde_json::Value;

pub use intervention::reply;
use scene::{Asked, Scene, Targets, someone};

use crate::process::AGENTS;
use crate::{Call, Kind, Random, World};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// Somebody asks for something.
    Call(Box<Call>),
    /// Time passes; timers that fall due fire, or fire late.
    Wait {
        /// Milliseconds.
        ms: u64,
        /// Whether the timers are looked at.
        fire: bool,
    },
    /// The dispatcher has its turn.
    Dispatch,
    /// An agent connects, or comes back as another running copy.
    Connect(AgentId, String),
    /// An agent is gone without a word.
    Crash(AgentId),
}

/// A request as its caller would send it.
///
/// # Panics
/// When the generator writes one that no caller could send: a fault of its own.
#[track_caller]
pub fn body<T: serde::de::DeserializeOwned>(value: Value) -> T {
    match serde_json::from_value(value.clone()) {
        Ok(body) => body,
        Err(e) => panic!(
            "the generator made {value}, which is no {}: {e}",
            std::any::type_name::<T>()
        ),
    }
}

/// Draws the next thing to happen.
pub fn next(world: &mut World, random: &mut Random) -> Act {
    if world.registry.len() < 4 {
        return call(world, random, Kind::RegisterAgent);
    }
    let targets = Targets::of(world);
    if targets.teams.is_empty() {
        return call(world, random, Kind::CreateTeam);
    }
    if world.online.is_empty() || random.chance(4) {
        let id = random.pick(&AGENTS).copied().unwrap_or("ann");
        let copy = format!("{id}-{}", random.below(3));
        return Act::Connect(id.into(), copy);
    }
    let open = targets
        .processes
        .iter()
        .filter(|p| !p.1.process.status.is_terminal())
        .count();
    if open == 0 || (open < 4 && targets.processes.len() < 8 && random.chance(8)) {
        return call(world, random, Kind::StartProcess);
    }
    match random.below(100) {
        0..15 => Act::Wait {
            ms: random
                .weighted(&[(8, 40), (4, 400), (2, 2_500), (1, 20_000)])
                .map_or(1, |most| random.below(most)),
            fire: !random.chance(25),
        },
        15..35 => Act::Dispatch,
        35..37 => Act::Crash(random.pick(&AGENTS).copied().unwrap_or("ann").into()),
        37..90 => sensible(world, random),
        _ => {
            let kind = random.pick(Kind::ALL).copied().unwrap_or(Kind::PostMessage);
            call(world, random, kind)
        }
    }
}

/// What people and agents who mean well do, more or less.
fn sensible(world: &mut World, random: &mut Random) -> Act {
    let kinds = [
        (12, Kind::AcceptAttempt),
        (2, Kind::RejectAttempt),
        (3, Kind::Heartbeat),
        (4, Kind::Progress),
        (9, Kind::Complete),
        (4, Kind::Fail),
        (1, Kind::Release),
        (1, Kind::ReleaseAgent),
        (7, Kind::RequestHandoff),
        (6, Kind::AcceptHandoff),
        (3, Kind::RejectHandoff),
        (2, Kind::CancelHandoff),
        (2, Kind::CompleteHandoff),
        (6, Kind::RequestIntervention),
        (2, Kind::ClaimIntervention),
        (1, Kind::ReleaseIntervention),
        (1, Kind::AssignIntervention),
        (1, Kind::DelegateIntervention),
        (1, Kind::RemindIntervention),
        (1, Kind::CommentIntervention),
        (8, Kind::RespondIntervention),
        (1, Kind::CancelIntervention),
        (2, Kind::Offer),
        (2, Kind::PauseProcess),
        (3, Kind::ResumeProcess),
        (1, Kind::CancelProcess),
        (4, Kind::RetryProcess),
        (1, Kind::AcknowledgeAlert),
        (1, Kind::ResolveAlert),
        (1, Kind::SetAlertRules),
        (1, Kind::SendCommunication),
        (1, Kind::RespondCommunication),
        (1, Kind::UpdateTeam),
        (1, Kind::UpdateAgent),
        (1, Kind::AgentReady),
        (1, Kind::Timer),
        (2, Kind::PostMessage),
        (1, Kind::EditMessage),
        (1, Kind::RemoveMessage),
        (1, Kind::CreateTemplate),
        (1, Kind::ForkProcess),
        (1, Kind::ArchiveRoom),
    ];
    let kind = random.weighted(&kinds).unwrap_or(Kind::PostMessage);
    call(world, random, kind)
}

fn call(world: &mut World, random: &mut Random, kind: Kind) -> Act {
    let fresh = world.fresh();
    let scene = Scene::new(world, random, fresh);
    let (mut who, mut room, command) = command(&scene, random, kind);
    if random.chance(4) {
        who = someone(world, random);
    }
    if random.chance(1) {
        room = random.pick(&scene.targets.rooms).copied().unwrap_or(room);
    }
    Act::Call(Box::new(Call { who, room, command }))
}

/// One line for each command there is.
fn command(s: &Scene<'_>, random: &mut Random, kind: Kind) -> Asked {
    match kind {
        Kind::CreateWorkspaceRoom => registry::create_workspace_room(s, random),
        Kind::RegisterAgent => registry::register_agent(s, random),
        Kind::UpdateAgent => registry::update_agent(s, random),
        Kind::RemoveAgent => registry::remove_agent(s, random),
        Kind::AgentReady => registry::agent_ready(s, random),
        Kind::CreateTeam => registry::create_team(s, random),
        Kind::UpdateTeam => registry::update_team(s, random),
        Kind::ArchiveTeam => registry::archive_team(s, random),
        Kind::CreateTemplate => registry::create_template(s, random),
        Kind::StartProcess => process::start_process(s, random),
        Kind::StartChild => process::start_child(s, random),
        Kind::ForkProcess => process::fork_process(s, random),
        Kind::ChildEnded => process::child_ended(s, random),
        Kind::PauseProcess => process::pause_process(s, random),
        Kind::ResumeProcess => process::resume_process(s, random),
        Kind::CancelProcess => process::cancel_process(s, random),
        Kind::RetryProcess => process::retry_process(s, random),
        Kind::Offer => attempt::offer(s, random),
        Kind::AcceptAttempt => attempt::accept_attempt(s, random),
        Kind::RejectAttempt => attempt::reject_attempt(s, random),
        Kind::Heartbeat => attempt::heartbeat(s, random),
        Kind::Progress => attempt::progress(s, random),
        Kind::Complete => attempt::complete(s, random),
        Kind::Fail => attempt::fail(s, random),
        Kind::Release => attempt::release(s, random),
        Kind::ReleaseAgent => attempt::release_agent(s, random),
        Kind::AcknowledgeAlert | Kind::ResolveAlert => alert::answer(s, random, kind),
        Kind::SetAlertRules => alert::set_rules(s, random),
        Kind::SendCommunication => room::send_communication(s, random),
        Kind::RespondCommunication => room::respond_communication(s, random),
        Kind::CreateRoom => room::create_room(s, random),
        Kind::Invite => room::invite(s, random),
        Kind::RemoveParticipant => room::remove_participant(s, random),
        Kind::PostMessage => room::post_message(s, random),
        Kind::EditMessage => room::edit_message(s, random),
        Kind::RemoveMessage => room::remove_message(s, random),
        Kind::Broadcast => room::broadcast(s, random),
        Kind::MarkRead => room::mark_read(s, random),
        Kind::ArchiveRoom => room::archive_room(s, random),
        Kind::Timer => process::timer(s, random),
        Kind::RequestHandoff => handoff::request(s, random),
        Kind::AcceptHandoff | Kind::RejectHandoff | Kind::CancelHandoff | Kind::CompleteHandoff => {
            handoff::answer(s, random, kind)
        }
        Kind::RequestIntervention => intervention::request(s, random),
        Kind::ClaimIntervention
        | Kind::ReleaseIntervention
        | Kind::AssignIntervention
        | Kind::DelegateIntervention
        | Kind::RemindIntervention
        | Kind::CommentIntervention
        | Kind::RespondIntervention
        | Kind::CancelIntervention => intervention::answer(s, random, kind),
    }
}
