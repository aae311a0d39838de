//! What time does to a question: reminders, levels, and what was said for the case that nobody answers.

use crate::interventions::{approval, chosen, with};
use crate::world::by_attempt::respond;
use crate::world::{World, person};
use rooms::model::intervention::{InterventionStatus, Outcome};
use rooms::{Code, Command};
use serde_json::json;

#[test]
fn it_is_reminded_of_at_half_and_at_nine_tenths_of_its_time_and_by_hand() {
    let (mut world, held) = World::holding(json!({"timeoutSettings": {"leaseMs": 100_000_000}}));
    let id = world
        .ask_by(held, with(approval(), json!({"dueInMs": 1_000_000})))
        .unwrap();
    for (ms, count) in [
        (490_000, 0),
        (20_000, 1),
        (380_000, 1),
        (20_000, 2),
        (2_000_000, 2),
    ] {
        world.pass(ms);
        assert_eq!(world.count("intervention.reminded"), count);
    }
    assert_eq!(
        world.intervention(id).status,
        InterventionStatus::Pending,
        "overdue, and open"
    );
    let remind = Command::RemindIntervention {
        intervention_id: id,
    };
    world.run(&person("pia"), remind.clone()).unwrap();
    world.refused(&person("pia"), remind, Code::RateLimited);
}

#[test]
fn what_nobody_answers_in_time_comes_to_what_was_said_and_never_to_an_approval() {
    let schema = json!({"type": "integer", "default": 3});
    let cases = [
        (approval(), "reject", "failed", Some(Outcome::Rejected)),
        (approval(), "fail", "failed", None),
        (approval(), "cancel", "executing", None),
        (approval(), "default", "failed", Some(Outcome::Rejected)),
        (
            json!({"type": "input", "description": "How many?", "schema": schema}),
            "default",
            "executing",
            Some(Outcome::Answered),
        ),
        (
            json!({"type": "decision", "description": "Which?", "options": ["a", "b"], "default": "b"}),
            "default",
            "executing",
            Some(Outcome::Chosen),
        ),
        (
            json!({"type": "review", "description": "Good?"}),
            "default",
            "executing",
            Some(Outcome::Reviewed),
        ),
    ];
    for (question, on_expire, phase, outcome) in cases {
        let (mut world, held) = World::holding(json!({}));
        let id = world
            .ask_by(
                held,
                with(
                    question.clone(),
                    json!({"expiresInMs": 10_000, "onExpire": on_expire}),
                ),
            )
            .unwrap();
        world.pass(11_000);
        let case = format!("{on_expire} of {question}");
        assert_eq!(
            world.intervention(id).status,
            InterventionStatus::Expired,
            "{case}"
        );
        assert_eq!(
            (world.phase("write"), world.intervention(id).outcome),
            (phase, outcome),
            "{case}"
        );
        let refusal = world.refused(
            &person("pia"),
            respond(
                id,
                match question["type"].as_str() {
                    Some("input") => json!({"action": "answer", "value": 1}),
                    Some("decision") => json!({"action": "choose", "choice": "a"}),
                    _ => json!({"action": "reject"}),
                },
            ),
            Code::AlreadyResolved,
        );
        assert_eq!(
            refusal.context.unwrap()["intervention"]["status"],
            "expired"
        );
    }
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, json!({"type": "decision", "description": "Which?", "options": ["a", "b"], "expiresInMs": 10, "onExpire": "default"})).unwrap();
    world.pass(20);
    assert_eq!(
        chosen(&world, id),
        Some("a"),
        "the first, where none is named"
    );
}

#[test]
fn by_default_it_is_escalated_each_time_it_expires_with_its_times_begun_anew() {
    let (mut world, held) = World::holding(json!({"timeoutSettings": {"leaseMs": 100_000_000}}));
    let question = with(
        approval(),
        json!({"expiresInMs": 10_000, "dueInMs": 8_000, "assignees": ["pia"]}),
    );
    let id = world.ask_by(held, question).unwrap();
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "escalate", "value": {"assignees": ["pip"]}}),
        )
        .unwrap();
    let up = world.intervention(id);
    assert_eq!(
        (up.level, up.assignees.clone(), up.priority.rank()),
        (
            1,
            vec!["pip".to_owned()],
            rooms::model::Priority::Urgent.rank()
        )
    );
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    world.pass(10_500);
    assert_eq!(world.intervention(id).level, 2);
    assert!(world.intervention(id).assignees.is_empty());
    world.pass(200_000);
    let top = world.intervention(id);
    assert_eq!(
        (top.level, top.status, top.expires_at),
        (10, InterventionStatus::Pending, None),
        "at the last level it waits"
    );
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "escalate"})),
        Code::Conflict,
    );
    let wrong = world.reply_as(
        &person("pia"),
        id,
        json!({"action": "escalate", "value": 7}),
    );
    assert!(wrong.is_err());
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
}
