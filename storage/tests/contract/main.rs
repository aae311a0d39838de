//! The contract of `storage`: every query and every write, on both databases.
//!
//! [`backend`] gives each test an empty store of each kind, [`clerk`] fills it as a lane does. SQLite runs on a file; Postgres on the
//! server at `BATON_TEST_POSTGRES_URL` (`tests/services/with-services.sh` starts one). Without it that half is left out, and says so.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod analytics;
mod backend;
mod clerk;
mod facts;
mod keys;
mod migrations;
mod mirror;
mod monitoring;
mod names;
mod reads;
mod retention;
mod schema;
mod search;
mod transaction;
mod values;
mod verify;
