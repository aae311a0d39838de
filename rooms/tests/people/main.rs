//! Work among agents and people, decided in memory: handoffs, questions to humans, and rooms.

mod handoffs;
mod interventions;
mod world;
