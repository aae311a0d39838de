//! A run: from a seed to its end, or to what does not hold; and the shortest way there.

use std::collections::BTreeMap;

use rooms::Timestamp;
use rooms::id::InstanceId;

use crate::generate::{Act, next};
use crate::{Call, Kind, Random, Violation, World, drain};

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// The steps that are taken, of those that the seed gives: all of them, or what shrinking left.
    pub steps: Vec<u64>,
}

impl Plan {
    /// So many steps of a seed.
    pub fn new(seed: u64, steps: u64) -> Self {
        Self {
            seed,
            steps: (0..steps).collect(),
        }
    }
}

/// A run that came upon something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was run.
    pub plan: Plan,
    /// What does not hold.
    pub what: String,
    /// What happened, one line a step.
    pub story: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.story {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "{}", self.what)?;
        let steps: Vec<String> = self.plan.steps.iter().map(ToString::to_string).collect();
        write!(
            f,
            "again: BATON_SIMULATION_SEED={} BATON_SIMULATION_STEPS={}",
            self.plan.seed,
            steps.join(",")
        )
    }
}

/// What runs came to.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Runs.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Commands, accepted and refused, by kind.
    pub told: BTreeMap<Kind, (u64, u64)>,
}

impl Statistics {
    /// Adds a run's.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.events += other.events;
        for (kind, (yes, no)) in &other.told {
            let told = self.told.entry(*kind).or_default();
            *told = (told.0 + yes, told.1 + no);
        }
    }

    /// Commands that were accepted, and refused.
    pub fn commands(&self) -> (u64, u64) {
        self.told
            .values()
            .fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1))
    }
}

/// Runs a plan to its end.
///
/// # Errors
/// What does not hold.
pub fn run(plan: &Plan, tell: bool) -> Result<Statistics, Box<Failure>> {
    let mut world = World::new("simulated", plan.seed);
    let mut story = Vec::new();
    let result = play(&mut world, plan, tell.then_some(&mut story));
    match result {
        Ok(()) => Ok(Statistics {
            runs: 1,
            events: world.events,
            told: world.told,
        }),
        Err(Violation(what)) => Err(Box::new(Failure {
            plan: plan.clone(),
            what,
            story,
        })),
    }
}

/// Plays a plan in a world.
///
/// # Errors
/// What does not hold.
pub fn play(
    world: &mut World,
    plan: &Plan,
    mut story: Option<&mut Vec<String>>,
) -> Result<(), Violation> {
    let mut sent: Vec<Call> = Vec::new();
    for step in &plan.steps {
        let mut random =
            Random::new(plan.seed.rotate_left(32) ^ step.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        world.now = world.now.plus_ms(random.below(30));
        let act = match sent.len() {
            // A command that comes a second time: its first answer was lost.
            n if n > 0 && random.chance(4) => {
                let again = random.below((n as u64).min(12));
                Act::Call(Box::new(
                    sent[n - 1 - usize::try_from(again).unwrap_or(0)].clone(),
                ))
            }
            _ => next(world, &mut random),
        };
        if let Some(story) = story.as_deref_mut() {
            story.push(format!("{step}: {}", shown(world.now, &act)));
        }
        if let Act::Call(call) = &act {
            sent.push((**call).clone());
        }
        let told = take(world, &act)?;
        if let (Some(story), Some(told)) = (story.as_deref_mut(), told) {
            story.push(format!("      {told}"));
        }
    }
    if let Some(story) = story {
        story.push("and then everybody behaves".to_owned());
    }
    drain::everybody_behaves(world)
}

fn shown(now: Timestamp, act: &Act) -> String {
    let ms = now.0 / 1_000 % 10_000_000;
    match act {
        Act::Call(call) => format!(
            "{ms} ms, {} {}: {:?}",
            call.who.kind.as_str(),
            call.who.id,
            call.command
        ),
        other => format!("{ms} ms, {other:?}"),
    }
}

/// Lets one thing happen; what came of it, for the story.
///
/// # Errors
/// What does not hold.
pub fn take(world: &mut World, act: &Act) -> Result<Option<String>, Violation> {
    match act {
        Act::Call(call) => {
            let reply = world.execute(call)?;
            let names: Vec<String> = world
                .committed
                .events
                .iter()
                .filter(|e| e.origin.is_none())
                .map(|e| e.body.name().into_owned())
                .collect();
            Ok(Some(match reply {
                Ok(_) => format!("→ {}", names.join(", ")),
                Err(refusal) => format!("→ {refusal} {}", names.join(", ")),
            }))
        }
        Act::Wait { ms, fire } => {
            world.now = world.now.plus_ms(*ms);
            if *fire {
                let fired = world.fire()?;
                return Ok(Some(format!("→ {fired} timers fired")));
            }
            Ok(None)
        }
        Act::Dispatch => {
            let given = drain::dispatch(world)?;
            drain::nobody_waits_in_vain(world)?;
            Ok(Some(format!("→ {given} offers")))
        }
        Act::Connect(agent, copy) => {
            world.online.insert(agent.clone(), InstanceId(copy.clone()));
            Ok(None)
        }
        Act::Crash(agent) => {
            world.online.remove(agent);
            Ok(None)
        }
    }
}

/// Leaves out steps for as long as the run still fails: halves first, single ones last. At most so many runs.
pub fn shrink(failure: &Failure, most: u32) -> Failure {
    let mut best = failure.plan.clone();
    let mut runs = 0;
    let mut part = best.steps.len() / 2;
    while part > 0 && runs < most {
        let mut at = 0;
        let mut shorter = false;
        while at < best.steps.len() && runs < most {
            let mut steps = best.steps.clone();
            steps.drain(at..(at + part).min(steps.len()));
            let plan = Plan {
                seed: best.seed,
                steps,
            };
            runs += 1;
            if run(&plan, false).is_err() {
                best = plan;
                shorter = true;
            } else {
                at += part;
            }
        }
        if part > 1 || !shorter {
            part /= 2;
        }
    }
    run(&best, true)
        .err()
        .map_or_else(|| failure.clone(), |f| *f)
}
