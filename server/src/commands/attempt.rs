//! What an agent says of a step that it was offered or holds.

use rooms::Command;
use rooms::id::AttemptId;
use rooms::policy::Operation::WorkDo;
use rooms::request::{Lease, LeaseReason};
use storage::read::Thing;

use super::table::Kind::{Text, Whole};
use super::table::{CommandRow, Fields, of};

const ATTEMPT: (&str, Thing) = ("attemptId", Thing::Attempt);
const STATUS: Fields = &[("attemptId", Text), ("status", Text)];
const LEASE: Fields = &[("leaseMs", Whole), ("attemptId?", Text), ("epoch?", Whole)];
const STEP: Fields = &[("stepId", Text), ("key", Text), ("status?", Text)];

pub fn rows() -> Vec<CommandRow> {
    type A = AttemptId;
    vec![
        of(
            "attempt:accept",
            "Take an offer: the step is leased",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, lease: Lease| Command::AcceptAttempt { attempt_id, lease },
        )
        .has(LEASE),
        of(
            "attempt:reject",
            "Refuse an offer",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, lease: LeaseReason| Command::RejectAttempt { attempt_id, lease },
        )
        .has(STATUS),
        of(
            "attempt:heartbeat",
            "Say that the work goes on: the lease is extended",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, lease: Lease| Command::Heartbeat { attempt_id, lease },
        )
        .has(LEASE),
        of(
            "attempt:progress",
            "Tell how far the work is",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, progress| Command::Progress {
                attempt_id,
                progress,
            },
        )
        .has(LEASE),
        of(
            "attempt:complete",
            "Give the result",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, result| Command::Complete { attempt_id, result },
        )
        .has(STEP),
        of(
            "attempt:fail",
            "Say that it went wrong",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, failure| Command::Fail {
                attempt_id,
                failure,
            },
        )
        .has(STEP),
        of(
            "attempt:release",
            "Give a step back",
            WorkDo,
            ATTEMPT,
            |attempt_id: A, lease: LeaseReason| Command::Release { attempt_id, lease },
        )
        .has(STATUS),
    ]
}
