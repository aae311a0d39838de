//! Random workspaces against the rules. `BATON_SIMULATION_SEEDS` says how many (`make test` runs 10,000, optimised); a failing seed is
//! shrunk and printed, with the two variables that run it again: `BATON_SIMULATION_SEED` and `BATON_SIMULATION_STEPS`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::run::{run, shrink};
use simulation::{Kind, Plan, Statistics};

/// Steps of a run, before everybody behaves.
const STEPS: u64 = 120;
/// Seeds where nobody says how many: enough to notice, few enough for every change.
const SEEDS: u64 = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

/// One run, told step by step.
fn again(seed: u64) {
    let steps = std::env::var("BATON_SIMULATION_STEPS").unwrap_or_default();
    let mut plan = Plan::new(seed, STEPS);
    if !steps.is_empty() {
        plan.steps = steps
            .split(',')
            .map(|n| n.parse().expect("a number"))
            .collect();
    }
    match run(&plan, true) {
        Ok(_) => println!("the seed {seed} holds"),
        Err(failure) => panic!("\n{failure}"),
    }
}

#[test]
fn everything_that_must_hold_holds_in_random_workspaces() {
    if let Some(seed) = number("BATON_SIMULATION_SEED") {
        return again(seed);
    }
    // What `decide` panics with is caught and told with its seed; the default report of thousands would drown it.
    let seeds = number("BATON_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number("BATON_SIMULATION_FIRST").unwrap_or(1);
    let (next, total, failed) = (
        AtomicU64::new(first),
        Mutex::new(Statistics::default()),
        Mutex::new(None),
    );
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Statistics::default();
                while failed.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    match run(&Plan::new(seed, STEPS), false) {
                        Ok(statistics) => mine.add(&statistics),
                        Err(failure) => *failed.lock().unwrap() = Some(failure),
                    }
                }
                total.lock().unwrap().add(&mine);
            });
        }
    });
    if let Some(failure) = failed.into_inner().unwrap() {
        let shortest = shrink(&failure, 2_000);
        panic!(
            "the seed {} fails; in short:\n{shortest}",
            failure.plan.seed
        );
    }
    let total = total.into_inner().unwrap();
    let (accepted, refused) = total.commands();
    println!(
        "{} runs, {} events, {accepted} commands accepted and {refused} refused",
        total.runs, total.events
    );
    if total.runs >= 1_000 {
        let mut missing = Vec::new();
        for kind in Kind::ALL {
            let (yes, no) = total.told.get(kind).copied().unwrap_or_default();
            if yes == 0 {
                missing.push(format!("{kind:?} was never accepted"));
            }
            // Baton makes a workspace's room itself; it is there already and made again without a word.
            if no == 0 && *kind != Kind::CreateWorkspaceRoom {
                missing.push(format!("{kind:?} was never refused"));
            }
        }
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [7, 8, 9] {
        let one = run(&Plan::new(seed, STEPS), false)
            .map_err(|f| f.to_string())
            .unwrap();
        let two = run(&Plan::new(seed, STEPS), false)
            .map_err(|f| f.to_string())
            .unwrap();
        assert_eq!((one.events, &one.told), (two.events, &two.told));
    }
}
