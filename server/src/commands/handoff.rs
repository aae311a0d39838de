//! Handoffs.

use rooms::Command;
use rooms::id::HandoffId;
use rooms::model::attempt::Attempt;
use rooms::model::handoff::AgentHandoff;
use rooms::model::process::{ProcessContext, ProcessRef};
use rooms::model::step::ProcessStep;
use rooms::policy::Operation as O;
use rooms::request::{HandoffReason, RequestHandoff};
use storage::read::Thing;

use super::payload::Nothing;
use super::process_room;
use super::table::Kind::{Any, Many, One, Text, Whole};
use super::table::{CommandRow, Fields, by_hand, of};
use crate::contract::shape;
use crate::contract::shapes::{Delegation, PriorAnswer};

const HANDOFF: (&str, Thing) = ("handoffId", Thing::Handoff);
const GIVEN: Fields = &[("handoff", One(shape::<AgentHandoff>))];

pub fn rows() -> Vec<CommandRow> {
    type H = HandoffId;
    vec![
        by_hand::<RequestHandoff>(
            "handoff:request",
            "Ask another agent to take a step over",
            O::HandoffsCreate,
            &[("attemptId?", Text), ("processId?", Text)],
            |hub, principal, mut p| {
                Box::pin(async move {
                    let attempt_id = p.optional_id("attemptId", "attempt")?;
                    let room = process_room(hub, principal, &mut p, attempt_id).await?;
                    let handoff = Box::new(p.parse()?);
                    Ok((
                        room,
                        Command::RequestHandoff {
                            attempt_id,
                            handoff,
                        },
                    ))
                })
            },
        )
        .has(GIVEN),
        of(
            "handoff:accept",
            "Take the step over: the lease is the receiver's",
            O::HandoffsUpdate,
            HANDOFF,
            |handoff_id: H, _: Nothing| Command::AcceptHandoff { handoff_id },
        )
        .in_turn()
        .has(&[
            ("handoff", One(shape::<AgentHandoff>)),
            ("attempt", One(shape::<Attempt>)),
            ("step", One(shape::<ProcessStep>)),
            ("process", One(shape::<ProcessRef>)),
            ("context", Any),
            ("processContext", One(shape::<ProcessContext>)),
            ("priorAnswers", Many(shape::<PriorAnswer>)),
            ("idempotencyKey", Text),
            ("leaseMs", Whole),
            ("delegations?", Many(shape::<Delegation>)),
        ]),
        of(
            "handoff:reject",
            "Refuse a handoff",
            O::HandoffsUpdate,
            HANDOFF,
            |handoff_id: H, reason: HandoffReason| Command::RejectHandoff { handoff_id, reason },
        )
        .has(GIVEN),
        of(
            "handoff:cancel",
            "Take a handoff back",
            O::HandoffsUpdate,
            HANDOFF,
            |handoff_id: H, reason: HandoffReason| Command::CancelHandoff { handoff_id, reason },
        )
        .has(GIVEN),
        of(
            "handoff:complete",
            "Say that the work of a handoff is done",
            O::HandoffsUpdate,
            HANDOFF,
            |handoff_id: H, _: Nothing| Command::CompleteHandoff { handoff_id },
        )
        .has(GIVEN),
    ]
}
