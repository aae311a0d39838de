//! What happens next: mostly what somebody in this situation would do, sometimes anything at all.

use rooms::command::Timer;
use rooms::id::{AgentId, RoomId, TeamId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::attempt::{Attempt, AttemptStatus};
use rooms::model::handoff::HandoffStatus;
use rooms::model::intervention::{HumanIntervention, InterventionStatus, InterventionType};
use rooms::model::process::ProcessStatus;
use rooms::model::step::StepPhase;
use rooms::state::ProcessState;
use rooms::{Command, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::{AGENTS, configuration, members, process, skills};
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

/// The people and backends of every world.
fn person(world: &World, random: &mut Random) -> Principal {
    let all = [
        (PrincipalKind::User, "admin", Permission::Admin),
        (PrincipalKind::User, "wendy", Permission::Write),
        (PrincipalKind::User, "will", Permission::Write),
        (PrincipalKind::User, "rita", Permission::Read),
        (PrincipalKind::Service, "backend", Permission::Write),
    ];
    let (kind, id, permission) = random
        .weighted(&[
            (6, all[0]),
            (4, all[1]),
            (3, all[2]),
            (1, all[3]),
            (2, all[4]),
        ])
        .unwrap_or(all[0]);
    world.principal(kind, id, permission)
}

fn someone(world: &World, random: &mut Random) -> Principal {
    match random.below(6) {
        0 => Principal::system(world.space.clone()),
        1 | 2 => {
            let id = random.pick(&AGENTS).copied().unwrap_or("ann");
            world.agent(&id.into())
        }
        _ => person(world, random),
    }
}

/// Everything that a random choice may aim at.
struct Targets<'w> {
    processes: Vec<(RoomId, &'w ProcessState)>,
    teams: Vec<TeamId>,
    rooms: Vec<RoomId>,
}

impl<'w> Targets<'w> {
    fn of(world: &'w World) -> Self {
        let mut targets = Self {
            processes: Vec::new(),
            teams: Vec::new(),
            rooms: Vec::new(),
        };
        for (id, state) in &world.states {
            targets.rooms.push(*id);
            if let Some(process) = &state.process {
                targets.processes.push((*id, process));
            } else if let Some(team) = &state.team {
                targets.teams.push(team.id);
            }
        }
        targets
    }

    fn process(&self, random: &mut Random) -> Option<(RoomId, &'w ProcessState)> {
        // Those that have ended are of less interest.
        let open: Vec<_> = self
            .processes
            .iter()
            .filter(|p| !p.1.process.status.is_terminal())
            .copied()
            .collect();
        if random.chance(85) && !open.is_empty() {
            return random.pick(&open).copied();
        }
        random.pick(&self.processes).copied()
    }

    fn attempt(
        &self,
        random: &mut Random,
        wanted: impl Fn(&Attempt) -> bool,
    ) -> Option<(RoomId, &'w Attempt)> {
        let all: Vec<_> = self
            .processes
            .iter()
            .flat_map(|(room, p)| p.attempts.values().map(|a| (*room, &**a)))
            .filter(|(_, a)| wanted(a))
            .collect();
        random.pick(&all).copied()
    }

    fn intervention(
        &self,
        random: &mut Random,
        open: bool,
    ) -> Option<(RoomId, &'w HumanIntervention)> {
        let all: Vec<_> = self
            .processes
            .iter()
            .flat_map(|(room, p)| p.interventions.values().map(|i| (*room, &**i)))
            .filter(|(_, i)| !open || i.status == InterventionStatus::Pending)
            .collect();
        random.pick(&all).copied()
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
        (1, Kind::ReleaseInstance),
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
        (1, Kind::SendCommunication),
        (1, Kind::RespondCommunication),
        (1, Kind::UpdateTeam),
        (1, Kind::UpdateAgent),
        (1, Kind::AgentReady),
        (1, Kind::Timer),
        (1, Kind::PostMessage),
        (1, Kind::CreateTemplate),
        (1, Kind::ForkProcess),
    ];
    let kind = random.weighted(&kinds).unwrap_or(Kind::PostMessage);
    call(world, random, kind)
}

/// The most that is aimed at what exists; the rest at what does not, or not any more.
const AIMED: u64 = 90;

fn call(world: &mut World, random: &mut Random, kind: Kind) -> Act {
    let fresh = world.fresh();
    let targets = Targets::of(world);
    let (mut who, mut room, command) = command(world, random, &targets, kind, fresh);
    if random.chance(4) {
        who = someone(world, random);
    }
    if random.chance(1) {
        room = random.pick(&targets.rooms).copied().unwrap_or(room);
    }
    Act::Call(Box::new(Call { who, room, command }))
}

/// The attempt that an agent speaks of, its caller and its epoch; now and then those of somebody else or of before.
fn about(
    world: &World,
    random: &mut Random,
    targets: &Targets<'_>,
    status: Option<AttemptStatus>,
    fresh: Uuid,
) -> (Principal, RoomId, Uuid, u64) {
    let live = random.chance(AIMED);
    let found = targets
        .attempt(random, |a| {
            live && status.is_none_or(|s| s == a.status) && a.status.is_live()
        })
        .or_else(|| targets.attempt(random, |_| true));
    let Some((room, attempt)) = found else {
        return (world.agent(&"ann".into()), world.space_room, fresh, 1);
    };
    let epoch = if random.chance(4) {
        attempt.epoch.saturating_sub(1)
    } else {
        attempt.epoch
    };
    (world.agent(&attempt.agent_id), room, attempt.id.0, epoch)
}

fn agent_id(random: &mut Random) -> &'static str {
    random.pick(&AGENTS).copied().unwrap_or("ann")
}

#[expect(clippy::too_many_lines, reason = "one arm for each command there is")]
fn command(
    world: &World,
    random: &mut Random,
    targets: &Targets<'_>,
    kind: Kind,
    fresh: Uuid,
) -> (Principal, RoomId, Command) {
    use Command as C;
    let human = person(world, random);
    let system = Principal::system(world.space.clone());
    let anywhere = random
        .pick(&targets.rooms)
        .copied()
        .unwrap_or(world.space_room);
    let (home, process) = match targets.process(random) {
        Some((room, process)) => (room, Some(process)),
        None => (world.space_room, None),
    };
    let reason = |random: &mut Random| json!({"reason": random.chance(50).then_some("because")});
    match kind {
        Kind::CreateWorkspaceRoom => {
            let command = C::CreateWorkspaceRoom {
                workspace_id: world.space.clone(),
                room_id: world.space_room,
                name: "Again".to_owned(),
            };
            (system, world.space_room, command)
        }
        Kind::RegisterAgent => {
            let id = if random.chance(97) {
                agent_id(random)
            } else {
                "not valid"
            };
            let agent = json!({"id": id, "name": id, "capabilities": skills(random), "slots": 1 + random.below(3)});
            (
                world.principal(PrincipalKind::User, "admin", Permission::Admin),
                world.space_room,
                C::RegisterAgent(body(agent)),
            )
        }
        Kind::UpdateAgent => {
            let mut change = json!({"slots": 1 + random.below(4)});
            if random.chance(40) {
                change["capabilities"] = json!(skills(random));
            }
            (
                human,
                world.space_room,
                C::UpdateAgent {
                    agent_id: agent_id(random).into(),
                    change: body(change),
                },
            )
        }
        Kind::RemoveAgent => (
            human,
            world.space_room,
            C::RemoveAgent {
                agent_id: agent_id(random).into(),
            },
        ),
        Kind::AgentReady => {
            let id: AgentId = agent_id(random).into();
            let command = C::AgentReady {
                agent_id: id.clone(),
                slots: random
                    .chance(30)
                    .then(|| u32::try_from(1 + random.below(3)).unwrap_or(1)),
                capabilities: random
                    .chance(20)
                    .then(|| skills(random).into_iter().map(str::to_owned).collect()),
            };
            (world.agent(&id), world.space_room, command)
        }
        Kind::CreateTeam => {
            let team = json!({"name": "A team", "agents": members(random), "configuration": configuration(random)});
            (
                human,
                RoomId(fresh),
                C::CreateTeam {
                    team_id: TeamId(fresh),
                    team: body(team),
                },
            )
        }
        Kind::UpdateTeam => {
            let team = random
                .pick(&targets.teams)
                .map_or(world.space_room, |t| RoomId(t.0));
            let mut change = json!({});
            if random.chance(30) {
                change["agents"] = json!(members(random));
            }
            if random.chance(50) {
                change["configuration"] = configuration(random);
            }
            if random.chance(15) {
                change["status"] =
                    json!(random.pick(&["active", "inactive", "active", "archived"]));
            }
            (human, team, C::UpdateTeam(body(change)))
        }
        Kind::ArchiveTeam => {
            let team = random
                .pick(&targets.teams)
                .map_or(world.space_room, |t| RoomId(t.0));
            (human, team, C::ArchiveTeam)
        }
        Kind::CreateTemplate => {
            let mut template = crate::process::process(random, &fresh.to_string(), world);
            if let Some(template) = template.as_object_mut() {
                template.remove("teamId");
                // A start from a template has no steps of its own.
                if template.remove("templateId").is_some() {
                    template.insert("steps".to_owned(), json!([{"name": "Only"}]));
                }
            }
            if let Some(((id, _), _)) = world.templates.iter().next().filter(|_| random.chance(40))
            {
                template["id"] = json!(id);
            }
            (
                human,
                world.space_room,
                C::CreateTemplate(Box::new(body(template))),
            )
        }
        Kind::StartChild => {
            let start = process_of(
                random,
                &targets
                    .teams
                    .first()
                    .map_or_else(|| fresh.to_string(), ToString::to_string),
                world,
            );
            let step = process.and_then(|p| p.steps.front());
            let parent = json!({"processId": home, "stepId": step.map_or(fresh, |s| s.id.0), "depth": 1 + random.below(12)});
            let command = C::StartChild {
                process_id: fresh.into(),
                parent: body(parent),
                initiated_by: "admin".to_owned(),
                process: Box::new(start),
            };
            (system, RoomId(fresh), command)
        }
        Kind::ForkProcess => {
            let source = random.pick(&targets.processes).copied();
            let mut fork = json!({});
            if random.chance(60) {
                fork["seq"] = random.below(40).into();
            }
            if let Some(step) = source
                .and_then(|(_, p)| p.steps.back())
                .filter(|_| random.chance(30))
            {
                fork["fromStep"] = json!(step.key);
            }
            let command = C::ForkProcess {
                process_id: fresh.into(),
                source: source.map_or(fresh, |s| s.0.0).into(),
                team_id: source.map_or(fresh.into(), |(_, p)| p.process.team_id),
                fork: body(fork),
            };
            (human, RoomId(fresh), command)
        }
        Kind::ChildEnded => {
            let found = targets.processes.iter().find_map(|(room, p)| {
                let step = p.steps.iter().find(|s| s.child_process_id.is_some())?;
                Some((*room, step.id, step.child_process_id?))
            });
            let (room, step_id, process_id) = found.unwrap_or((home, fresh.into(), fresh.into()));
            let ended_well = random.chance(50);
            let command = C::ChildEnded {
                step_id,
                process_id,
                outputs: ended_well.then(|| json!({"score": 7})),
                error: (!ended_well)
                    .then(|| body(json!({"code": "failed", "message": "it broke"}))),
            };
            (system, room, command)
        }
        Kind::StartProcess => {
            let team = random
                .pick(&targets.teams)
                .map_or_else(|| fresh.to_string(), ToString::to_string);
            let start = process_of(random, &team, world);
            (
                human,
                RoomId(fresh),
                C::StartProcess {
                    process_id: fresh.into(),
                    process: Box::new(start),
                },
            )
        }
        Kind::PauseProcess => {
            let mut why = reason(random);
            why["mode"] = json!(random.pick(&["drain", "interrupt"]));
            (human, home, C::PauseProcess(body(why)))
        }
        Kind::ResumeProcess => {
            let paused = targets
                .processes
                .iter()
                .find(|p| p.1.process.status == ProcessStatus::Paused);
            (
                human,
                paused.map_or(home, |p| p.0),
                C::ResumeProcess(body(reason(random))),
            )
        }
        Kind::CancelProcess => (human, home, C::CancelProcess(body(reason(random)))),
        Kind::RetryProcess => {
            let failed: Vec<_> = targets
                .processes
                .iter()
                .filter(|p| p.1.process.status == ProcessStatus::Failed)
                .collect();
            (
                human,
                random.pick(&failed).map_or(home, |p| p.0),
                C::RetryProcess(body(reason(random))),
            )
        }
        Kind::Offer => {
            let steps: Vec<_> = process
                .into_iter()
                .flat_map(|p| p.steps.iter())
                .filter(|s| s.phase == Some(StepPhase::Ready) || random.clone().chance(10))
                .collect();
            let id: AgentId = agent_id(random).into();
            let claim = random.chance(60);
            let command = C::Offer {
                step_id: random.pick(&steps).map_or(fresh.into(), |s| s.id),
                agent_id: id.clone(),
                instance_id: world.online.get(&id).cloned(),
                claim,
            };
            (if claim { world.agent(&id) } else { system }, home, command)
        }
        Kind::AcceptAttempt => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Offered), fresh);
            (
                who,
                room,
                C::AcceptAttempt {
                    attempt_id: id.into(),
                    lease: body(json!({"epoch": epoch})),
                },
            )
        }
        Kind::RejectAttempt => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Offered), fresh);
            (
                who,
                room,
                C::RejectAttempt {
                    attempt_id: id.into(),
                    lease: body(json!({"epoch": epoch, "reason": "busy"})),
                },
            )
        }
        Kind::Heartbeat => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Leased), fresh);
            (
                who,
                room,
                C::Heartbeat {
                    attempt_id: id.into(),
                    lease: body(json!({"epoch": epoch})),
                },
            )
        }
        Kind::Progress => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Leased), fresh);
            let progress = json!({"epoch": epoch, "percent": random.chance(80).then(|| random.below(104)), "note": "so far"});
            (
                who,
                room,
                C::Progress {
                    attempt_id: id.into(),
                    progress: body(progress),
                },
            )
        }
        Kind::Complete => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Leased), fresh);
            let outputs = match random.below(6) {
                0 => Value::Null,
                1 => json!("plain text"),
                2 => json!({"steps": "not the steps", "limit": 4}),
                _ => json!({"score": random.below(11), "alarm": random.chance(10)}),
            };
            (
                who,
                room,
                C::Complete {
                    attempt_id: id.into(),
                    result: body(json!({"epoch": epoch, "outputs": outputs})),
                },
            )
        }
        Kind::Fail => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Leased), fresh);
            let code = random.pick(&["broken", "timeout", "empty"]);
            let error =
                json!({"code": code, "message": "it broke", "retryable": !random.chance(25)});
            (
                who,
                room,
                C::Fail {
                    attempt_id: id.into(),
                    failure: body(json!({"epoch": epoch, "error": error})),
                },
            )
        }
        Kind::Release => {
            let (who, room, id, epoch) =
                about(world, random, targets, Some(AttemptStatus::Leased), fresh);
            (
                who,
                room,
                C::Release {
                    attempt_id: id.into(),
                    lease: body(json!({"epoch": epoch})),
                },
            )
        }
        Kind::ReleaseInstance => {
            let (_, room, id, _) = about(world, random, targets, None, fresh);
            let attempt = targets.attempt(random, |a| a.id.0 == id);
            let agent = attempt.map_or_else(|| "ann".into(), |a| a.1.agent_id.clone());
            let instance = attempt
                .and_then(|a| a.1.instance_id.clone())
                .unwrap_or_else(|| "ann-1".into());
            (
                system,
                room,
                C::ReleaseInstance {
                    agent_id: agent,
                    instance_id: instance,
                },
            )
        }
        Kind::RequestHandoff => handoff(world, random, targets, fresh),
        Kind::AcceptHandoff | Kind::RejectHandoff | Kind::CancelHandoff | Kind::CompleteHandoff => {
            answer_handoff(world, random, targets, kind, fresh)
        }
        Kind::RequestIntervention => question(world, random, targets, process, home, fresh),
        Kind::ClaimIntervention
        | Kind::ReleaseIntervention
        | Kind::AssignIntervention
        | Kind::DelegateIntervention
        | Kind::RemindIntervention
        | Kind::CommentIntervention
        | Kind::RespondIntervention
        | Kind::CancelIntervention => answer(random, targets, kind, human, fresh),
        Kind::SendCommunication => {
            let from: AgentId = agent_id(random).into();
            let mut send = json!({
                "toAgentId": agent_id(random), "message": "Are you there?",
                "type": random.pick(&["question", "answer", "update", "request", "notification"]),
            });
            if random.chance(50) {
                send["responseTimeoutMs"] = random.below(5_000).into();
            }
            (world.agent(&from), home, C::SendCommunication(body(send)))
        }
        Kind::RespondCommunication => {
            let open: Vec<_> = targets
                .processes
                .iter()
                .flat_map(|(room, p)| {
                    p.open_communications
                        .values()
                        .map(|c| (*room, c.id, c.to_agent_id.clone()))
                })
                .collect();
            let (room, id, to) =
                random
                    .pick(&open)
                    .cloned()
                    .unwrap_or((home, fresh.into(), "ann".into()));
            (
                world.agent(&to),
                room,
                C::RespondCommunication {
                    communication_id: id,
                    response: body(json!({"message": "Yes"})),
                },
            )
        }
        Kind::CreateRoom => {
            let mut create =
                json!({"name": "A room", "type": random.pick(&["workspace", "team", "process"])});
            if let Some(team) = random.pick(&targets.teams) {
                create["teamId"] = json!(team);
            }
            create["participants"] = json!([{"type": "agent", "id": agent_id(random)}, {"type": "human", "id": "wendy", "role": "observer"}]);
            (
                human,
                RoomId(fresh),
                C::CreateRoom {
                    room_id: RoomId(fresh),
                    room: body(create),
                },
            )
        }
        Kind::Invite => {
            let who = json!({"type": "agent", "id": agent_id(random), "role": random.pick(&["observer", "participant", "coordinator", "supervisor"])});
            (human, anywhere, C::Invite(body(who)))
        }
        Kind::RemoveParticipant => {
            let who = if random.chance(60) {
                json!({"type": "agent", "id": agent_id(random)})
            } else {
                json!({"type": "human", "id": human.id})
            };
            (human, anywhere, C::RemoveParticipant(body(who)))
        }
        Kind::PostMessage => {
            let body_text = if random.chance(95) { "Hello" } else { "" };
            (
                someone(world, random),
                anywhere,
                C::PostMessage(body(json!({"body": body_text, "mentions": ["ann"]}))),
            )
        }
        Kind::EditMessage => {
            let edit = json!({"messageId": Uuid::nil(), "body": "Hello again"});
            (someone(world, random), anywhere, C::EditMessage(body(edit)))
        }
        Kind::RemoveMessage => {
            let which = json!({"messageId": Uuid::nil()});
            (
                someone(world, random),
                anywhere,
                C::RemoveMessage(body(which)),
            )
        }
        Kind::Broadcast => {
            let event = json!({"name": if random.chance(90) { "tick" } else { "not a name" }, "data": {"n": 1}, "ephemeral": random.chance(30)});
            (human, anywhere, C::Broadcast(body(event)))
        }
        Kind::MarkRead => (
            human,
            anywhere,
            C::MarkRead(body(json!({"seq": random.below(50)}))),
        ),
        Kind::Timer => {
            // One that is set, before its time or twice; or one that nobody set.
            let set: Vec<_> = world
                .timers
                .iter()
                // One that asks another room is fired by the world, which asks it first.
                .filter(|(_, (timer, _))| !timer.is_outbound())
                .map(|((room, _), (timer, due))| (*room, timer.clone(), *due))
                .collect();
            let nobody = (home, Timer::Reoffer { step: fresh.into() }, Timestamp(0));
            let (room, timer, due) = random.pick(&set).cloned().unwrap_or(nobody);
            let due = if random.chance(20) {
                Timestamp(due.0 - 1)
            } else {
                due
            };
            (system, room, C::Timer { timer, due })
        }
    }
}

fn process_of(random: &mut Random, team: &str, world: &World) -> rooms::request::StartProcess {
    body(process(random, team, world))
}

fn handoff(
    world: &World,
    random: &mut Random,
    targets: &Targets<'_>,
    fresh: Uuid,
) -> (Principal, RoomId, Command) {
    let (who, room, id, epoch) = about(world, random, targets, Some(AttemptStatus::Leased), fresh);
    let mut ask = json!({
        "reason": "yours", "kind": if random.chance(30) { "delegate" } else { "transfer" },
        "context": {"summary": "half of it is done", "decisions": [1, 2]},
    });
    if random.chance(75) {
        ask["toAgentId"] = agent_id(random).into();
    } else if random.chance(90) {
        ask["toAgentIds"] = json!([agent_id(random), agent_id(random), agent_id(random)]);
    }
    if random.chance(75) {
        ask["epoch"] = epoch.into();
        let command = Command::RequestHandoff {
            attempt_id: Some(id.into()),
            handoff: Box::new(body(ask)),
        };
        return (who, room, command);
    }
    // A person or a backend names the step.
    let step = targets
        .attempt(random, |a| a.id.0 == id)
        .map_or(fresh, |a| a.1.step_id.0);
    ask["fromStepId"] = step.to_string().into();
    let command = Command::RequestHandoff {
        attempt_id: None,
        handoff: Box::new(body(ask)),
    };
    (person(world, random), room, command)
}

fn answer_handoff(
    world: &World,
    random: &mut Random,
    targets: &Targets<'_>,
    kind: Kind,
    fresh: Uuid,
) -> (Principal, RoomId, Command) {
    let open = random.chance(AIMED);
    let all: Vec<_> = targets
        .processes
        .iter()
        .flat_map(|(room, p)| p.handoffs.values().map(|h| (*room, h)))
        .filter(|(_, h)| {
            !open || (h.status == HandoffStatus::Pending) != (kind == Kind::CompleteHandoff)
        })
        .collect();
    let Some((room, handoff)) = random.pick(&all).copied() else {
        return (
            world.agent(&"ann".into()),
            world.space_room,
            Command::AcceptHandoff {
                handoff_id: fresh.into(),
            },
        );
    };
    let asked: Vec<AgentId> = handoff
        .to_agent_id
        .iter()
        .chain(handoff.candidates.iter().flatten())
        .cloned()
        .collect();
    let receiver = random.pick(&asked).cloned().unwrap_or_else(|| "ann".into());
    let why = body(json!({"reason": "no"}));
    let id = handoff.id;
    let (by, command) = match kind {
        Kind::RejectHandoff => (
            receiver,
            Command::RejectHandoff {
                handoff_id: id,
                reason: why,
            },
        ),
        Kind::CancelHandoff => (
            handoff.from_agent_id.clone(),
            Command::CancelHandoff {
                handoff_id: id,
                reason: why,
            },
        ),
        Kind::CompleteHandoff => (receiver, Command::CompleteHandoff { handoff_id: id }),
        _ => (receiver, Command::AcceptHandoff { handoff_id: id }),
    };
    let who = if random.chance(90) {
        world.agent(&by)
    } else {
        person(world, random)
    };
    (who, room, command)
}

fn question(
    world: &World,
    random: &mut Random,
    targets: &Targets<'_>,
    process: Option<&ProcessState>,
    home: RoomId,
    fresh: Uuid,
) -> (Principal, RoomId, Command) {
    let kinds = ["approval", "input", "decision", "review", "escalation"];
    let kind = random.pick(&kinds).copied().unwrap_or("input");
    let mut ask = json!({
        "type": kind, "description": format!("Question {}?", random.below(4)),
        "mode": random.pick(&["hold", "suspend"]),
        "onReject": random.pick(&["fail", "continue", "skip"]),
        "onExpire": random.pick(&["escalate", "reject", "cancel", "fail", "default"]),
        "pausesProcess": random.chance(10),
        "assignees": if random.chance(20) { json!(["wendy"]) } else { json!([]) },
    });
    if random.chance(50) {
        ask["options"] = json!(["yes", {"id": "no", "label": "No"}]);
    }
    if random.chance(40) {
        ask["subject"] = json!({"text": random.below(3)});
    }
    if random.chance(40) {
        ask["expiresInMs"] = random.below(8_000).into();
    }
    if random.chance(30) {
        ask["dueInMs"] = random.below(8_000).into();
    }
    if random.chance(20) {
        ask["quorum"] = json!({"n": random.below(4), "selfApproval": random.chance(50)});
    }
    if random.chance(20) {
        ask["schema"] = if random.chance(90) {
            json!({"type": "object", "required": ["text"]})
        } else {
            json!({"type": 7})
        };
    }
    if random.chance(70) {
        let (who, room, id, epoch) =
            about(world, random, targets, Some(AttemptStatus::Leased), fresh);
        ask["epoch"] = epoch.into();
        let command = Command::RequestIntervention {
            attempt_id: Some(id.into()),
            question: Box::new(body(ask)),
        };
        return (who, room, command);
    }
    // A person or a backend asks, for a step or for the whole process.
    if let Some(step) = process
        .and_then(|p| {
            let steps: Vec<_> = p.steps.iter().collect();
            random.pick(&steps).copied()
        })
        .filter(|_| random.clone().chance(75))
    {
        ask["stepId"] = step.key.as_str().into();
    }
    let command = Command::RequestIntervention {
        attempt_id: None,
        question: Box::new(body(ask)),
    };
    (person(world, random), home, command)
}

fn answer(
    random: &mut Random,
    targets: &Targets<'_>,
    kind: Kind,
    who: Principal,
    fresh: Uuid,
) -> (Principal, RoomId, Command) {
    let open = random.chance(AIMED);
    let Some((room, i)) = targets
        .intervention(random, open)
        .or_else(|| targets.intervention(random, false))
    else {
        let command = Command::ClaimIntervention {
            intervention_id: fresh.into(),
        };
        return (who, RoomId(fresh), command);
    };
    let id = i.id;
    let command = match kind {
        Kind::ClaimIntervention => Command::ClaimIntervention {
            intervention_id: id,
        },
        Kind::ReleaseIntervention => Command::ReleaseIntervention {
            intervention_id: id,
        },
        Kind::AssignIntervention => {
            let to = if random.chance(50) {
                json!({"assignees": []})
            } else {
                json!({"assignees": ["wendy", "will"]})
            };
            Command::AssignIntervention {
                intervention_id: id,
                to: body(to),
            }
        }
        Kind::DelegateIntervention => Command::DelegateIntervention {
            intervention_id: id,
            delegate: body(json!({"to": "wendy"})),
        },
        Kind::RemindIntervention => Command::RemindIntervention {
            intervention_id: id,
        },
        Kind::CommentIntervention => Command::CommentIntervention {
            intervention_id: id,
            comment: body(json!({"text": "Hm"})),
        },
        Kind::CancelIntervention => Command::CancelIntervention {
            intervention_id: id,
            reason: body(json!({})),
        },
        _ => Command::RespondIntervention {
            intervention_id: id,
            reply: Box::new(body(reply(random, i))),
        },
    };
    (who, room, command)
}

/// A reply that fits the question, mostly.
pub fn reply(random: &mut Random, i: &HumanIntervention) -> Value {
    let value = if random.chance(85) {
        json!({"text": "so"})
    } else {
        json!(3)
    };
    let choice = i
        .options
        .as_ref()
        .and_then(|all| random.pick(all))
        .map_or("yes".to_owned(), |o| o.id.clone());
    let choose = json!({"action": "choose", "choice": choice});
    let answered = json!({"action": "answer", "value": value});
    let modify = json!({"action": "modify", "modifications": value});
    let mut reply = match (i.kind, random.below(10)) {
        (_, 0) => json!({"action": "escalate"}),
        (_, 1) if random.chance(25) => json!({"action": "abort"}),
        (_, 2) => {
            json!({"action": random.pick(&["approve", "reject", "modify", "answer", "choose"])})
        }
        (InterventionType::Approval, 3 | 4) => json!({"action": "reject", "comments": "not so"}),
        (InterventionType::Approval, 5) => modify,
        (InterventionType::Approval, _) => json!({"action": "approve"}),
        (InterventionType::Input, _) => answered,
        (InterventionType::Decision, _) => choose,
        (InterventionType::Review, 3) => modify,
        (InterventionType::Review, 4) => json!({"action": "reject"}),
        (InterventionType::Review, _) => answered,
        (InterventionType::Escalation, 3 | 4) => answered,
        (InterventionType::Escalation, _) => choose,
    };
    if random.chance(30) {
        reply["responseId"] = format!("r{}", random.below(5)).into();
    }
    if random.chance(15) {
        reply["round"] = random.below(3).into();
    }
    if random.chance(10) {
        reply["subjectHash"] = json!(i.subject_hash);
    }
    reply
}
