//! Baton's durable state. The only crate that knows sqlx.
//!
//! What lives here: the connection and the few places where SQLite and Postgres differ ([`db`]; `checkpoint` for SQLite's log), migrations ([`migrate`]),
//! the transaction of a lane ([`tx`]; `registry` for what it has to know from outside of its rooms), how a batch is written ([`batch`]), what is written beside the log ([`projection`]), changes that no room
//! decides ([`change`]), the audit ([`audit`]), webhooks ([`webhooks`]), lists ([`list`]; `questions` for those to humans, `names` for a part of the name, by the index of [`suffixes`]), logs ([`log`]), single resources ([`read`]; `agents` for what waits for
//! one), what the dispatcher ([`ready`]) and the timers ([`timers`]) look for, monitoring ([`monitoring`], [`analytics`]), the search over messages ([`search`]), what is no longer kept ([`retention`]), credentials ([`keys`]), backups ([`backup`]) and
//! the check of a store ([`verify`]). No rule of the domain lives here.

mod agents;
pub mod analytics;
pub mod audit;
pub mod backup;
pub mod batch;
pub mod change;
mod checkpoint;
pub mod db;
pub mod keys;
pub mod list;
pub mod log;
pub mod migrate;
pub mod monitoring;
mod names;
pub mod projection;
mod questions;
pub mod read;
pub mod ready;
mod registry;
pub mod retention;
pub mod search;
pub mod suffixes;
pub mod templates;
pub mod timers;
pub mod tx;
pub mod verify;
pub mod webhooks;

pub use db::{Error, Store};
pub use tx::{Ahead, Idempotency, RoomRow, Tx, WriteSet};
