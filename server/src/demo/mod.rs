//! The demo: three agents sort support tickets, look for facts, draft replies, and ask a person before anything is
//! published. Plain code and no model, so that it runs anywhere and does the same each time.
//!
//! It shows Baton from the outside. The agents are Socket.IO clients with a key of their own ([`crate::client`]), the set-up goes
//! over REST, and nothing here reaches into the server, which may as well be on another machine. So the demo is
//! also an honest check of the contract, and `--once --approve` is what a script runs.
//!
//! [`tickets`], [`triage`], [`knowledge`] and [`replies`] are the work; `roles` says which agent does what; `agent` and `work` keep
//! an agent and its steps alive over lost connections; `office` sets up, `desk` runs process after process, `story` tells what
//! happened.

mod agent;
#[cfg(test)]
mod agent_tests;
mod desk;
pub mod knowledge;
mod office;
pub mod replies;
mod rest;
mod roles;
mod story;
pub mod tickets;
pub mod triage;
mod work;

pub use agent::{AgentOptions, run_agent};
pub use desk::{DemoOptions, Summary, run};
pub use roles::Role;
pub use story::{Decision, HandoffSummary, ProcessSummary, StepSummary};
