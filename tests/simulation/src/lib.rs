//! Whole workspaces in memory: several teams and processes; agents that crash, answer late, answer twice, refuse, hand over in circles
//! and ask humans; humans who race, vote, escalate and abort; timers that fire late or twice.
//!
//! All of it goes through `rooms::decide` as a lane does it ([`World`]), with a simulated clock and timers. What happens next is
//! drawn from a seed ([`generate`]); after every command, everything is checked that must always hold ([`World::execute`]); at the
//! end everybody behaves, and every process must come to its end ([`drain`]).
//!
//! A run is a list of steps, each drawn from a seed of its own: so a failing run is [shrunk](run::shrink) by leaving steps out, and the
//! others stay what they were, as far as the world lets them.

pub mod drain;
pub mod generate;
pub mod kind;
pub mod process;
pub mod random;
pub mod run;
pub mod world;

pub use kind::Kind;
pub use random::Random;
pub use run::{Failure, Plan, Statistics};
pub use world::{Call, Violation, World};
