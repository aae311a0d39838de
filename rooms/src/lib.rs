//! Baton's domain, pure.
//!
//! What lives here: the resources ([`model`]), what a caller may send ([`request`]), what may be asked
//! of a room ([`Command`]), what can have happened ([`Event`]), the state of a room ([`State`]), the rules
//! ([`decide()`]), what a process's figures say ([`monitoring`]) and who may do what ([`policy`]).
//!
//! What does not: I/O, clocks, randomness, SQL, HTTP. Time, ids and the caller come in through [`Ctx`], what
//! other rooms know through [`Facts`]. So every rule can be tested by value, and replaying a log gives the
//! same state on every node.

pub mod command;
pub mod ctx;
pub mod decide;
pub mod event;
pub mod expression;
pub mod facts;
pub mod form;
pub mod id;
pub mod invariants;
pub mod limits;
pub mod model;
pub mod monitoring;
pub mod policy;
pub mod refusal;
pub mod request;
pub mod state;
pub mod time;
pub mod view;

pub use command::Command;
pub use ctx::Ctx;
pub use decide::{Decision, TimerOp, decide, needs};
pub use event::{Event, EventBody};
pub use facts::{Facts, Needs};
pub use refusal::{Code, FieldError, Refusal};
pub use state::State;
pub use time::Timestamp;
