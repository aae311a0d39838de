//! The dispatcher's turn; and the end of a run, where everybody behaves and every process must come to its end.

use rooms::decide::attempt::fits;
use rooms::id::{AgentId, RoomId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::attempt::AttemptStatus;
use rooms::model::intervention::{InterventionStatus, InterventionType};
use rooms::model::process::ProcessStatus;
use rooms::model::step::{ProcessStep, StepPhase};
use rooms::state::ProcessState;
use rooms::{Code, Command, State};
use serde_json::json;

use crate::generate::body;
use crate::process::AGENTS;
use crate::{Call, Violation, World};

/// An agent that refused a step, or let its offer lapse, is not asked again at once, and at the latest after this.
const DECLINED_MS: u64 = 65_000;

/// People who answer together: enough for every quorum.
pub const VOTERS: [&str; 5] = ["admin", "bob", "cat", "dee", "eli"];

fn running(state: &State) -> Option<&ProcessState> {
    state
        .process
        .as_deref()
        .filter(|p| p.process.status == ProcessStatus::Running)
}

/// Steps that wait for an agent, in the order in which the dispatcher looks at them.
fn ready(world: &World) -> Vec<(RoomId, rooms::id::StepId)> {
    let mut all: Vec<_> = world
        .states
        .iter()
        .filter_map(|(room, state)| running(state).map(|p| (room, p)))
        .flat_map(|(room, p)| {
            let waiting = p.steps.iter().filter(|s| s.phase == Some(StepPhase::Ready));
            waiting.map(move |s| {
                (
                    (std::cmp::Reverse(p.process.priority), s.ready_at),
                    *room,
                    s.id,
                )
            })
        })
        .collect();
    all.sort_by_key(|a| a.0);
    all.into_iter()
        .map(|(_, room, step)| (room, step))
        .collect()
}

/// Online agents that could be given this step.
fn fitting(world: &World, process: &ProcessState, step: &ProcessStep) -> Vec<AgentId> {
    let Some(team) = world.teams().find(|t| t.id == process.process.team_id) else {
        return Vec::new();
    };
    let could = |id: &&AgentId| {
        let agent = world.registry.get(*id).filter(|a| !a.archived);
        agent.is_some_and(|agent| {
            team.member(id)
                .is_some_and(|member| fits(step, agent, member))
                && world.live_of_agent(id) < agent.slots as usize
        })
    };
    world.online.keys().filter(could).cloned().collect()
}

/// Offers every ready step to somebody who can take it, as the dispatcher does; how many were offered.
///
/// # Errors
/// What does not hold.
pub fn dispatch(world: &mut World) -> Result<u64, Violation> {
    let mut all = 0;
    // An offer may let a rule fire, which takes a step back: the dispatcher is woken by what was committed, and looks again.
    for _ in 0..20 {
        match round(world)? {
            0 => break,
            offered => all += offered,
        }
    }
    Ok(all)
}

fn round(world: &mut World) -> Result<u64, Violation> {
    let mut offered = 0;
    for (room, step_id) in ready(world) {
        let Some(process) = world.states.get(&room).and_then(|s| s.process.clone()) else {
            continue;
        };
        let Some(step) = process.step(step_id) else {
            continue;
        };
        for agent_id in fitting(world, &process, step) {
            let command = Command::Offer {
                step_id,
                instance_id: world.online.get(&agent_id).cloned(),
                agent_id,
                claim: false,
            };
            let who = Principal::system(world.space.clone());
            match world.execute(&Call { who, room, command })? {
                Ok(_) => {
                    offered += 1;
                    break;
                }
                Err(refusal) if refusal.code == Code::IllegalTransition => break,
                Err(_) => {}
            }
        }
    }
    Ok(offered)
}

/// After the dispatcher's turn no step is ready while an agent that fits is free.
///
/// # Errors
/// Which step waits, and for whom.
pub fn nobody_waits_in_vain(world: &World) -> Result<(), Violation> {
    for (room, step_id) in ready(world) {
        let Some(process) = world.states.get(&room).and_then(|s| s.process.as_ref()) else {
            continue;
        };
        let Some(step) = process.step(step_id) else {
            continue;
        };
        let most = world
            .teams()
            .find(|t| t.id == process.process.team_id)
            .map_or(0, |t| t.configuration.max_concurrent_tasks);
        if world.live_of_team(&process.process.team_id) >= most as usize {
            continue;
        }
        for agent in fitting(world, process, step) {
            let declined = process.attempts.values().any(|a| {
                a.step_id == step.id
                    && a.agent_id == agent
                    && (a.status == AttemptStatus::Rejected
                        || (a.status == AttemptStatus::Expired && a.accepted_at.is_none()))
                    && a.ended_at
                        .is_some_and(|at| at.plus_ms(DECLINED_MS) > world.now)
            });
            if !declined {
                return Err(Violation(format!(
                    "the step {:?} is ready while {agent} is free",
                    step.key
                )));
            }
        }
    }
    Ok(())
}

fn admin(world: &World) -> Principal {
    world.principal(PrincipalKind::User, "admin", Permission::Admin)
}

/// Everybody takes work and does it, people answer, timers fire in time. Every process must end; one that nobody could ever work on is
/// cancelled, which must work too.
///
/// # Errors
/// What does not hold, or which process does not end.
pub fn everybody_behaves(world: &mut World) -> Result<(), Violation> {
    for agent in AGENTS {
        let known = world
            .registry
            .get(&agent.into())
            .filter(|a| !a.archived)
            .is_some();
        let all = json!({"id": agent, "name": agent, "slots": 3, "capabilities": ["dig", "sing", "count", "rest"]});
        let change = json!({"slots": 3, "capabilities": ["dig", "sing", "count", "rest"]});
        let command = if known {
            Command::UpdateAgent {
                agent_id: agent.into(),
                change: body(change),
            }
        } else {
            Command::RegisterAgent(body(all))
        };
        let _ = world.execute(&Call {
            who: admin(world),
            room: world.space_room,
            command,
        })?;
        world
            .online
            .insert(agent.into(), format!("{agent}-last").as_str().into());
    }
    for team in world.teams().map(|t| t.id).collect::<Vec<_>>() {
        let roles = ["leader", "specialist", "support"];
        let members: Vec<_> = AGENTS
            .iter()
            .enumerate()
            .map(|(n, a)| json!({"agentId": a, "role": roles[n % 3]}))
            .collect();
        let change = json!({"agents": members, "configuration": {"escalationRules": [], "collaborationRules": []}});
        let _ = world.execute(&Call {
            who: admin(world),
            room: RoomId(team.0),
            command: Command::UpdateTeam(body(change)),
        })?;
    }
    for round in 0..400 {
        let open: Vec<RoomId> = world
            .states
            .iter()
            .filter(|(_, s)| {
                s.process
                    .as_ref()
                    .is_some_and(|p| !p.process.status.is_terminal())
            })
            .map(|(room, _)| *room)
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        for room in &open {
            settle(world, *room)?;
        }
        dispatch(world)?;
        nobody_waits_in_vain(world)?;
        world.now = world.now.plus_ms(if round % 4 == 3 { 3_000 } else { 200 });
        world.fire()?;
    }
    for (room, state) in world.states.clone() {
        let Some(process) = state.process.filter(|p| !p.process.status.is_terminal()) else {
            continue;
        };
        // A step that is a process of its own waits for that one, which is looked at by itself.
        let child_is_open = process.steps.iter().any(|s| {
            let child = s
                .child_process_id
                .and_then(|id| world.states.get(&RoomId(id.0)));
            let child = child.and_then(|c| c.process.as_ref());
            child.is_some_and(|c| !c.process.status.is_terminal())
        });
        if child_is_open {
            continue;
        }
        let stuck = process.steps.iter().find(|s| {
            s.phase != Some(StepPhase::Ready)
                && s.phase != Some(StepPhase::Blocked)
                && !s.status.is_terminal()
        });
        let waits_for_nobody = process
            .steps
            .iter()
            .any(|s| s.phase == Some(StepPhase::Ready) && nobody_ever(world, &process, s));
        if let Some(step) = stuck.filter(|_| !waits_for_nobody) {
            return Err(Violation(format!(
                "everybody behaves, and the step {:?} stays {:?} ({:?}) after {} of {} attempts, {} offers",
                step.key, step.status, step.phase, step.attempts, step.max_attempts, step.epoch
            )));
        }
        if !waits_for_nobody {
            return Err(Violation(format!(
                "everybody behaves, and the process {} stays {:?}: {:#?}",
                process.process.name,
                process.process.status,
                process
                    .steps
                    .iter()
                    .map(|s| (&s.key, s.status, s.phase))
                    .collect::<Vec<_>>()
            )));
        }
        let cancel = Command::CancelProcess(body(json!({})));
        if let Err(refusal) = world.execute(&Call {
            who: admin(world),
            room,
            command: cancel,
        })? {
            return Err(Violation(format!(
                "a process that nobody can work on cannot be cancelled: {refusal}"
            )));
        }
    }
    Ok(())
}

/// Whether no agent of the team will ever fit: its team was archived with other members.
fn nobody_ever(world: &World, process: &ProcessState, step: &ProcessStep) -> bool {
    let Some(team) = world.teams().find(|t| t.id == process.process.team_id) else {
        return true;
    };
    !world
        .registry
        .values()
        .filter(|a| !a.archived)
        .any(|agent| team.member(&agent.id).is_some_and(|m| fits(step, agent, m)))
}

/// What well-meaning people and agents do about a process now.
pub fn good_moves(world: &World, room: RoomId) -> Vec<Call> {
    let mut moves = Vec::new();
    let Some(process) = world.states.get(&room).and_then(|s| s.process.as_ref()) else {
        return moves;
    };
    for i in process
        .interventions
        .values()
        .filter(|i| i.status == InterventionStatus::Pending)
    {
        let value = json!({"text": "so"});
        let choice = i
            .options
            .as_ref()
            .and_then(|o| o.last())
            .map_or("yes", |o| o.id.as_str());
        let reply = match i.kind {
            InterventionType::Approval => json!({"action": "approve"}),
            InterventionType::Escalation if i.options.is_none() => {
                json!({"action": "answer", "value": value})
            }
            InterventionType::Input | InterventionType::Review => {
                json!({"action": "answer", "value": value})
            }
            InterventionType::Decision | InterventionType::Escalation => {
                json!({"action": "choose", "choice": choice})
            }
        };
        for voter in VOTERS {
            let who = world.principal(PrincipalKind::User, voter, Permission::Admin);
            let reply = Box::new(body(reply.clone()));
            let command = Command::RespondIntervention {
                intervention_id: i.id,
                reply,
            };
            moves.push(Call { who, room, command });
        }
    }
    if process.process.status == ProcessStatus::Paused {
        let command = Command::ResumeProcess(body(json!({})));
        moves.push(Call {
            who: admin(world),
            room,
            command,
        });
    }
    for handoff in process.handoffs.values().filter(|h| h.status.is_open()) {
        let asked = handoff
            .to_agent_id
            .iter()
            .chain(handoff.candidates.iter().flatten())
            .next();
        if let Some(receiver) = asked {
            let command = Command::AcceptHandoff {
                handoff_id: handoff.id,
            };
            moves.push(Call {
                who: world.agent(receiver),
                room,
                command,
            });
        }
    }
    for attempt in process.attempts.values().filter(|a| a.status.is_live()) {
        let (id, epoch) = (attempt.id, attempt.epoch);
        let command = match attempt.status {
            AttemptStatus::Offered => Command::AcceptAttempt {
                attempt_id: id,
                lease: body(json!({"epoch": epoch})),
            },
            _ => Command::Complete {
                attempt_id: id,
                result: body(json!({"epoch": epoch, "outputs": {"score": 9}})),
            },
        };
        moves.push(Call {
            who: world.agent(&attempt.agent_id),
            room,
            command,
        });
    }
    moves
}

fn settle(world: &mut World, room: RoomId) -> Result<(), Violation> {
    for call in good_moves(world, room) {
        let _ = world.execute(&call)?;
    }
    Ok(())
}
