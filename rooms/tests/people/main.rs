//! Work among agents and people, decided in memory: handoffs, questions to humans, and rooms.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod handoffs;
mod interventions;
mod lateness;
mod replies;
#[path = "../world/mod.rs"]
mod world;
