//! Questions to humans.

use rooms::Command;
use rooms::id::InterventionId;
use rooms::model::intervention::{HumanIntervention, InterventionResponse};
use rooms::policy::Operation as O;
use rooms::request::{Assign, Comment, Delegate, HandoffReason, RequestIntervention, Respond};
use storage::read::Thing;

use super::payload::Nothing;
use super::process_room;
use super::table::Kind::{One, Text};
use super::table::{CommandRow, by_hand, of};
use crate::contract::shape;

const QUESTION: (&str, Thing) = ("interventionId", Thing::Intervention);

pub fn rows() -> Vec<CommandRow> {
    type I = InterventionId;
    let respond = O::InterventionsRespond;
    vec![
        by_hand::<RequestIntervention>(
            "intervention:request",
            "Ask humans",
            O::InterventionsCreate,
            &[("attemptId?", Text), ("processId?", Text)],
            |hub, principal, mut p| {
                Box::pin(async move {
                    let attempt_id = p.optional_id("attemptId", "attempt")?;
                    let room = process_room(hub, principal, &mut p, attempt_id).await?;
                    let question = Box::new(p.parse()?);
                    Ok((
                        room,
                        Command::RequestIntervention {
                            attempt_id,
                            question,
                        },
                    ))
                })
            },
        )
        .has(&[
            ("intervention", One(shape::<HumanIntervention>)),
            ("response?", One(shape::<InterventionResponse>)),
        ]),
        of(
            "intervention:claim",
            "Say that the caller is at it",
            respond,
            QUESTION,
            |intervention_id: I, _: Nothing| Command::ClaimIntervention { intervention_id },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:release",
            "Say that the caller no longer is at it",
            respond,
            QUESTION,
            |intervention_id: I, _: Nothing| Command::ReleaseIntervention { intervention_id },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:assign",
            "Say who should answer",
            respond,
            QUESTION,
            |intervention_id: I, to: Assign| Command::AssignIntervention {
                intervention_id,
                to,
            },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:delegate",
            "Let another person answer, and no longer be at it",
            respond,
            QUESTION,
            |intervention_id: I, delegate: Delegate| Command::DelegateIntervention {
                intervention_id,
                delegate,
            },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:remind",
            "Remind those who should answer, at most once a minute",
            respond,
            QUESTION,
            |intervention_id: I, _: Nothing| Command::RemindIntervention { intervention_id },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:comment",
            "Remark on a question",
            respond,
            QUESTION,
            |intervention_id: I, comment: Comment| Command::CommentIntervention {
                intervention_id,
                comment,
            },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:respond",
            "Answer a question",
            respond,
            QUESTION,
            |intervention_id: I, reply: Respond| Command::RespondIntervention {
                intervention_id,
                reply: Box::new(reply),
            },
        )
        .gives::<HumanIntervention>(),
        of(
            "intervention:cancel",
            "Take a question back",
            O::InterventionsCancel,
            QUESTION,
            |intervention_id: I, reason: HandoffReason| Command::CancelIntervention {
                intervention_id,
                reason,
            },
        )
        .gives::<HumanIntervention>(),
    ]
}
