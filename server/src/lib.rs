//! The server: transports, authentication, delivery, wiring and the command line.
//!
//! What lives here: the lanes that run commands ([`lane`]), the hub that everything goes through ([`hub`]), delivery to
//! sockets ([`delivery`]), the dispatcher and timers, the Socket.IO gateway, REST, and the Socket.IO client that `baton tail` and the
//! demo use. The rules are in `rooms`, the SQL is in `storage`.

pub mod addressed;
pub mod agents;
pub mod auth;
pub mod batch;
pub mod board;
pub mod caller;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod contract;
pub mod delivery;
pub mod demo;
pub mod dispatch;
mod docs;
pub mod door;
pub mod execute;
pub mod gateway;
pub mod handout;
mod handshake;
pub mod hub;
pub mod lane;
pub mod names;
pub mod presence;
pub mod problem;
pub mod rate;
pub mod refusals;
pub mod relay;
pub mod rest;
pub mod retention;
pub mod roster;
pub mod serve;
pub mod session;
pub mod span;
pub mod timers;
pub mod tls;
pub mod transport;
pub mod under_way;
pub mod web;
pub mod webhooks;
pub mod wire;
