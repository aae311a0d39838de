//! Processes: started, forked, paused, retried; and the timers.

use rooms::command::Timer;
use rooms::id::RoomId;
use rooms::model::process::ProcessStatus;
use rooms::{Command, Timestamp};
use serde_json::{Value, json};

use super::body;
use super::scene::{Asked, Scene};
use crate::Random;
use crate::process::process;

fn reason(random: &mut Random) -> Value {
    json!({"reason": random.chance(50).then_some("because")})
}

fn definition(s: &Scene<'_>, random: &mut Random, team: &str) -> rooms::request::StartProcess {
    body(process(random, team, s.world))
}

/// [`Kind::StartProcess`](crate::Kind).
pub fn start_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    let team = random
        .pick(&s.targets.teams)
        .map_or_else(|| s.fresh.to_string(), ToString::to_string);
    let start = definition(s, random, &team);
    (
        s.human.clone(),
        RoomId(s.fresh),
        Command::StartProcess {
            process_id: s.fresh.into(),
            process: Box::new(start),
        },
    )
}

/// [`Kind::StartChild`](crate::Kind).
pub fn start_child(s: &Scene<'_>, random: &mut Random) -> Asked {
    let team = s
        .targets
        .teams
        .first()
        .map_or_else(|| s.fresh.to_string(), ToString::to_string);
    let start = definition(s, random, &team);
    let step = s.process.and_then(|p| p.steps.front());
    let parent = json!({"processId": s.home, "stepId": step.map_or(s.fresh, |s| s.id.0), "depth": 1 + random.below(12)});
    let command = Command::StartChild {
        process_id: s.fresh.into(),
        parent: body(parent),
        initiated_by: "admin".to_owned(),
        process: Box::new(start),
    };
    (s.system(), RoomId(s.fresh), command)
}

/// [`Kind::ForkProcess`](crate::Kind).
pub fn fork_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    let source = random.pick(&s.targets.processes).copied();
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
    let command = Command::ForkProcess {
        process_id: s.fresh.into(),
        source: source.map_or(s.fresh, |s| s.0.0).into(),
        team_id: source.map_or(s.fresh.into(), |(_, p)| p.process.team_id),
        fork: body(fork),
    };
    (s.human.clone(), RoomId(s.fresh), command)
}

/// [`Kind::ChildEnded`](crate::Kind).
pub fn child_ended(s: &Scene<'_>, random: &mut Random) -> Asked {
    let found = s.targets.processes.iter().find_map(|(room, p)| {
        let step = p.steps.iter().find(|s| s.child_process_id.is_some())?;
        Some((*room, step.id, step.child_process_id?))
    });
    let (room, step_id, process_id) = found.unwrap_or((s.home, s.fresh.into(), s.fresh.into()));
    let ended_well = random.chance(50);
    let command = Command::ChildEnded {
        step_id,
        process_id,
        outputs: ended_well.then(|| json!({"score": 7})),
        error: (!ended_well).then(|| body(json!({"code": "failed", "message": "it broke"}))),
    };
    (s.system(), room, command)
}

/// [`Kind::PauseProcess`](crate::Kind).
pub fn pause_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    let mut why = reason(random);
    why["mode"] = json!(random.pick(&["drain", "interrupt"]));
    (s.human.clone(), s.home, Command::PauseProcess(body(why)))
}

/// [`Kind::ResumeProcess`](crate::Kind).
pub fn resume_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    let paused = s
        .targets
        .processes
        .iter()
        .find(|p| p.1.process.status == ProcessStatus::Paused);
    (
        s.human.clone(),
        paused.map_or(s.home, |p| p.0),
        Command::ResumeProcess(body(reason(random))),
    )
}

/// [`Kind::CancelProcess`](crate::Kind).
pub fn cancel_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    (
        s.human.clone(),
        s.home,
        Command::CancelProcess(body(reason(random))),
    )
}

/// [`Kind::RetryProcess`](crate::Kind).
pub fn retry_process(s: &Scene<'_>, random: &mut Random) -> Asked {
    let failed: Vec<_> = s
        .targets
        .processes
        .iter()
        .filter(|p| p.1.process.status == ProcessStatus::Failed)
        .collect();
    (
        s.human.clone(),
        random.pick(&failed).map_or(s.home, |p| p.0),
        Command::RetryProcess(body(reason(random))),
    )
}

/// [`Kind::Timer`](crate::Kind).
pub fn timer(s: &Scene<'_>, random: &mut Random) -> Asked {
    // One that is set, before its time or twice; or one that nobody set.
    let set: Vec<_> = s
        .world
        .timers
        .iter()
        // One that asks another room is fired by the world, which asks it first.
        .filter(|(_, (timer, _))| !timer.is_outbound())
        .map(|((room, _), (timer, due))| (*room, timer.clone(), *due))
        .collect();
    let nobody = (
        s.home,
        Timer::Reoffer {
            step: s.fresh.into(),
        },
        Timestamp(0),
    );
    let (room, timer, due) = random.pick(&set).cloned().unwrap_or(nobody);
    let due = if random.chance(20) {
        Timestamp(due.0 - 1)
    } else {
        due
    };
    (s.system(), room, Command::Timer { timer, due })
}
