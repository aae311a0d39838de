//! What a random choice may aim at, and who may be asking.

use rooms::Command;
use rooms::id::{RoomId, TeamId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::attempt::{Attempt, AttemptStatus};
use rooms::model::intervention::{HumanIntervention, InterventionStatus};
use rooms::state::ProcessState;
use uuid::Uuid;

use crate::process::AGENTS;
use crate::{Random, World};

/// Who asks, in which room, for what.
pub type Asked = (Principal, RoomId, Command);

/// The most that is aimed at what exists; the rest at what does not, or not any more.
pub const AIMED: u64 = 90;

/// The people and backends of every world.
pub fn person(world: &World, random: &mut Random) -> Principal {
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

pub fn someone(world: &World, random: &mut Random) -> Principal {
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
pub struct Targets<'w> {
    pub processes: Vec<(RoomId, &'w ProcessState)>,
    pub teams: Vec<TeamId>,
    pub rooms: Vec<RoomId>,
}

impl<'w> Targets<'w> {
    pub fn of(world: &'w World) -> Self {
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

    pub fn process(&self, random: &mut Random) -> Option<(RoomId, &'w ProcessState)> {
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

    pub fn attempt(
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

    pub fn intervention(
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

/// A moment at which somebody is about to ask for something.
pub struct Scene<'w> {
    pub world: &'w World,
    pub targets: Targets<'w>,
    /// An id that nothing has yet.
    pub fresh: Uuid,
    /// Somebody who is no agent.
    pub human: Principal,
    /// Any room.
    pub anywhere: RoomId,
    /// The room of a process, mostly.
    pub home: RoomId,
    /// And the process.
    pub process: Option<&'w ProcessState>,
}

impl<'w> Scene<'w> {
    /// Sets it.
    pub fn new(world: &'w World, random: &mut Random, fresh: Uuid) -> Self {
        let targets = Targets::of(world);
        let human = person(world, random);
        let anywhere = random
            .pick(&targets.rooms)
            .copied()
            .unwrap_or(world.space_room);
        let (home, process) = match targets.process(random) {
            Some((room, process)) => (room, Some(process)),
            None => (world.space_room, None),
        };
        Self {
            world,
            targets,
            fresh,
            human,
            anywhere,
            home,
            process,
        }
    }

    /// Baton itself.
    pub fn system(&self) -> Principal {
        Principal::system(self.world.space.clone())
    }

    /// The attempt that an agent speaks of, its caller and its epoch; now and then those of somebody else or of before.
    pub fn about(
        &self,
        random: &mut Random,
        status: Option<AttemptStatus>,
    ) -> (Principal, RoomId, Uuid, u64) {
        let live = random.chance(AIMED);
        let found = self
            .targets
            .attempt(random, |a| {
                live && status.is_none_or(|s| s == a.status) && a.status.is_live()
            })
            .or_else(|| self.targets.attempt(random, |_| true));
        let Some((room, attempt)) = found else {
            return (
                self.world.agent(&"ann".into()),
                self.world.space_room,
                self.fresh,
                1,
            );
        };
        let epoch = if random.chance(4) {
            attempt.epoch.saturating_sub(1)
        } else {
            attempt.epoch
        };
        (
            self.world.agent(&attempt.agent_id),
            room,
            attempt.id.0,
            epoch,
        )
    }
}

pub fn agent_id(random: &mut Random) -> &'static str {
    random.pick(&AGENTS).copied().unwrap_or("ann")
}
