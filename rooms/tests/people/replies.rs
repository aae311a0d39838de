//! Who may answer a question, how several agree, and what becomes of a reply that comes twice or too late.

use crate::interventions::{approval, by_hand, chosen, id_of, with};
use crate::world::by_attempt::respond;
use crate::world::{World, admin, agent, person, principal, request};
use rooms::model::access::{Permission, PrincipalKind};
use rooms::model::intervention::{InterventionStatus, Outcome};
use rooms::{Code, Command};
use serde_json::json;

#[test]
fn a_quorum_counts_people_that_say_the_same_and_one_no_decides() {
    let options = json!({"type": "decision", "description": "Which?", "options": ["a", "b"], "quorum": {"n": 2}});
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, options).unwrap();
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "choose", "choice": "a"}),
        )
        .unwrap();
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "choose", "choice": "a"})),
        Code::Conflict,
    );
    world
        .reply_as(
            &person("pip"),
            id,
            json!({"action": "choose", "choice": "b"}),
        )
        .unwrap();
    assert_eq!(
        world.intervention(id).status,
        InterventionStatus::Pending,
        "two that disagree decide nothing"
    );
    world
        .reply_as(
            &person("pat"),
            id,
            json!({"action": "choose", "choice": "b"}),
        )
        .unwrap();
    assert_eq!(chosen(&world, id), Some("b"));

    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(
            held,
            with(
                approval(),
                json!({"quorum": {"n": 3}, "onReject": "continue"}),
            ),
        )
        .unwrap();
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    world
        .reply_as(&person("pip"), id, json!({"action": "reject"}))
        .unwrap();
    assert_eq!(world.intervention(id).outcome, Some(Outcome::Rejected));
}

#[test]
fn where_several_must_agree_a_replacement_is_put_to_the_vote() {
    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(held, with(approval(), json!({"quorum": {"n": 2}})))
        .unwrap();
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "modify", "modifications": {"text": "Hi"}}),
        )
        .unwrap();
    let open = world.intervention(id);
    assert_eq!(
        (
            open.round,
            open.subject.clone(),
            open.proposed_by.as_deref()
        ),
        (2, Some(json!({"text": "Hi"})), Some("pia"))
    );
    assert_eq!(
        world.ask_by(held, approval()).unwrap(),
        id,
        "who asked before asks for the same still"
    );
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "approve"})),
        Code::Conflict,
    );
    world
        .reply_as(&person("pip"), id, json!({"action": "approve"}))
        .unwrap();
    let response = world.intervention(id).response.clone().unwrap();
    assert_eq!(world.intervention(id).outcome, Some(Outcome::Modified));
    assert_eq!(
        (response.modifications, response.authoritative),
        (Some(json!({"text": "Hi"})), true)
    );
}

#[test]
fn the_requester_decides_its_own_question_only_where_that_was_allowed() {
    for (quorum, may) in [
        (json!({"n": 1}), false),
        (json!({"n": 1, "selfApproval": true}), true),
    ] {
        let (mut world, _) = World::holding(json!({}));
        let reply = world
            .run(
                &person("pia"),
                by_hand(with(
                    approval(),
                    json!({"stepId": "write", "quorum": quorum}),
                )),
            )
            .unwrap();
        let answered = world.reply_as(&person("pia"), id_of(&reply), json!({"action": "approve"}));
        assert_eq!(answered.is_ok(), may, "{quorum}");
    }
}

#[test]
fn a_reply_sent_twice_counts_once_and_its_id_cannot_be_used_for_another() {
    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(held, with(approval(), json!({"quorum": {"n": 2}})))
        .unwrap();
    let yes = json!({"action": "approve", "responseId": "r1"});
    world.reply_as(&person("pia"), id, yes.clone()).unwrap();
    world.reply_as(&person("pia"), id, yes.clone()).unwrap();
    assert_eq!(world.intervention(id).votes.len(), 1);
    let no = json!({"action": "reject", "responseId": "r1"});
    world.refused(&person("pia"), respond(id, no), Code::IdempotencyConflict);
    world.refused(&person("pip"), respond(id, yes), Code::IdempotencyConflict);
    let up = json!({"action": "escalate", "responseId": "r2"});
    world.reply_as(&person("pia"), id, up.clone()).unwrap();
    world.reply_as(&person("pia"), id, up).unwrap();
    assert_eq!(world.intervention(id).level, 1, "escalated once");
}

#[test]
fn a_value_may_be_null_where_the_schema_says_so_and_fits_it_in_any_reply() {
    let (mut world, held) = World::holding(json!({}));
    let schema = json!({"type": ["string", "null"]});
    let question = |kind: &str, key: &str, schema: Option<&serde_json::Value>| {
        let mut ask = json!({"type": kind, "description": "What?", "key": key, "mode": "hold"});
        if let Some(schema) = schema {
            ask["schema"] = schema.clone();
        }
        ask
    };
    let answer = json!({"action": "answer", "value": null});
    let id = world
        .ask_by(held, question("input", "none", Some(&schema)))
        .unwrap();
    world.reply_as(&person("pia"), id, answer.clone()).unwrap();
    let asked = world.intervention(id);
    assert_eq!(asked.status.as_str(), "completed");
    assert_eq!(asked.response.as_ref().unwrap().value, None);
    let id = world.ask_by(held, question("input", "any", None)).unwrap();
    world.refused(&person("pia"), respond(id, answer), Code::InvalidRequest);
    let id = world
        .ask_by(held, question("approval", "yes", Some(&schema)))
        .unwrap();
    let wrong = json!({"action": "approve", "value": 7});
    let refusal = world.refused(&person("pia"), respond(id, wrong), Code::InvalidRequest);
    assert_eq!(refusal.errors[0].path, "value");
    let right = json!({"action": "approve", "value": "as it is"});
    world.reply_as(&person("pia"), id, right).unwrap();
}

#[test]
fn a_late_reply_learns_who_decided_and_is_recorded_once() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "approve", "responseId": "r1"}),
        )
        .unwrap();
    for (reply, recorded) in [
        (json!({"action": "reject", "responseId": "r2"}), 1),
        (json!({"action": "reject", "responseId": "r2"}), 1),
        (json!({"action": "reject", "comments": "too soon"}), 2),
        (json!({"action": "reject", "comments": "too soon"}), 2),
    ] {
        let refusal = world.refused(&person("pip"), respond(id, reply), Code::AlreadyResolved);
        assert!(refusal.detail.contains("pia"), "{}", refusal.detail);
        assert_eq!(
            refusal.context.unwrap()["intervention"]["response"]["action"],
            "approve"
        );
        assert_eq!(world.count("intervention.late_reply"), recorded);
    }
    assert_eq!(world.intervention(id).late_replies.len(), 2);
    world.refused(
        &person("pip"),
        respond(id, json!({"action": "approve", "responseId": "r2"})),
        Code::IdempotencyConflict,
    );
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "approve", "responseId": "r1"}),
        )
        .expect("the first result again");
}

#[test]
fn only_those_who_should_answer_do() {
    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(held, with(approval(), json!({"assignees": ["pia"]})))
        .unwrap();
    world.refused(
        &person("pip"),
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    world.refused(
        &agent("bob"),
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    let reader = principal(PrincipalKind::User, "pia", Permission::Read);
    world.refused(
        &reader,
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();

    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(
            held,
            with(approval(), json!({"candidatePermissions": "admin"})),
        )
        .unwrap();
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    world
        .reply_as(&admin(), id, json!({"action": "approve"}))
        .unwrap();
}

#[test]
fn an_observer_of_the_room_answers_nothing_there() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    let observer = request(json!({"type": "human", "id": "pia", "role": "observer"}));
    world.run(&admin(), Command::Invite(observer)).unwrap();
    world.refused(
        &person("pia"),
        respond(id, json!({"action": "approve"})),
        Code::Forbidden,
    );
    world.refused(
        &person("pia"),
        Command::ClaimIntervention {
            intervention_id: id,
        },
        Code::Forbidden,
    );
    world
        .reply_as(&person("pip"), id, json!({"action": "approve"}))
        .unwrap();
}

#[test]
fn a_claim_keeps_others_out_until_it_is_released_or_passed_on() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    let claim = Command::ClaimIntervention {
        intervention_id: id,
    };
    let release = Command::ReleaseIntervention {
        intervention_id: id,
    };
    world.refused(&person("pia"), release.clone(), Code::IllegalTransition);
    world.run(&person("pia"), claim.clone()).unwrap();
    world.run(&person("pia"), claim.clone()).expect("again");
    world.refused(&person("pip"), claim.clone(), Code::Conflict);
    world.refused(
        &person("pip"),
        respond(id, json!({"action": "approve"})),
        Code::Conflict,
    );
    world.refused(&person("pip"), release.clone(), Code::Forbidden);
    world.run(&person("pia"), release).unwrap();
    world.run(&person("pip"), claim).unwrap();
    let delegate = |to: &str| Command::DelegateIntervention {
        intervention_id: id,
        delegate: request(json!({"to": to, "comments": "yours"})),
    };
    world.refused(&person("pip"), delegate("pip"), Code::InvalidRequest);
    world.run(&person("pip"), delegate("pat")).unwrap();
    let open = world.intervention(id);
    assert_eq!(
        (
            open.assignees.clone(),
            open.claimed_by.clone(),
            open.delegated_by.as_deref()
        ),
        (vec!["pat".to_owned()], None, Some("pip"))
    );
    assert_eq!(open.comments[0].text, "yours");
    world.refused(&person("pip"), delegate("pia"), Code::Forbidden);
    let assign = Command::AssignIntervention {
        intervention_id: id,
        to: request(json!({"assignees": ["pia", "pip"]})),
    };
    world.refused(&person("pip"), assign.clone(), Code::Forbidden);
    world.run(&admin(), assign).unwrap();
    world
        .reply_as(&person("pip"), id, json!({"action": "approve"}))
        .unwrap();
}
