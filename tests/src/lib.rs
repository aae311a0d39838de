//! What the black-box tests share: the real binary on a database of its own, and clients that know nothing but the
//! public contract.
//!
//! [`database`] makes an empty store, [`server`] runs the binary on it, [`rest`] and [`agent`] speak to it from
//! outside, [`hub`] puts the four together for a test, [`check`] says what must always hold, [`contract`] holds all that
//! comes against the published documents. [`raw`] is a Socket.IO
//! connection frame by frame, for what a well-behaved client never sends; [`crash`] gives moments to kill a server at and an observer
//! that outlives it; [`script`] runs clients in
//! other languages; [`document`] takes the programs out of the documentation.
//!
//! Nothing here knows the server's insides: of the `baton` crate it uses the Socket.IO client alone. A failed
//! expectation panics with what was sent and what came, since that is all a reader of a failed test has.

pub mod agent;
pub mod check;
pub mod contract;
pub mod crash;
pub mod database;
pub mod document;
pub mod example;
pub mod hub;
pub mod load;
pub mod proxy;
pub mod raw;
pub mod rest;
pub mod script;
pub mod server;
pub mod services;
pub mod wire;
pub mod worker;

pub use agent::{Agent, Work};
pub use database::Database;
pub use hub::{Hub, Process};
pub use server::Server;

use std::time::Duration;

use serde_json::Value;

/// How long anything may take that should happen at once. Long, since the machine may be busy: only a failure waits it out.
pub const SOON: Duration = Duration::from_secs(30);

/// The text at a JSON pointer.
///
/// # Panics
/// When there is no text there; the message holds the whole document.
#[track_caller]
#[must_use]
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text at {pointer:?} in {value:#}"),
    }
}

/// The whole number at a JSON pointer.
///
/// # Panics
/// When there is none there.
#[track_caller]
#[must_use]
pub fn number(value: &Value, pointer: &str) -> u64 {
    match value.pointer(pointer).and_then(Value::as_u64) {
        Some(number) => number,
        None => panic!("no whole number at {pointer:?} in {value:#}"),
    }
}

/// The array at a JSON pointer.
///
/// # Panics
/// When there is none there.
#[track_caller]
#[must_use]
pub fn array<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    match value.pointer(pointer).and_then(Value::as_array) {
        Some(array) => array,
        None => panic!("no array at {pointer:?} in {value:#}"),
    }
}

/// Writes each test twice: once on SQLite and once on Postgres. The body gets an empty database of its own.
#[macro_export]
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($database:ident: $type:ty) $body:block)*) => {$(
        #[cfg(test)]
        mod $name {
            use super::*;

            async fn run($database: $type) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::Database::sqlite()).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::Database::postgres().await).await;
            }
        }
    )*};
}
