//! Questions to humans: every type with its actions, what an answer does to the step and its process, rounds, and every transition taken and one
//! refused.

use crate::world::by_attempt::respond;
use crate::world::table::{Came, Row, agrees_with_the_documentation};
use crate::world::{World, admin, agent, person, request, system};
use rooms::id::InterventionId;
use rooms::model::attempt::AttemptStatus;
use rooms::model::intervention::{InterventionStatus, Outcome};
use rooms::{Code, Command};
use serde_json::{Value, json};

pub(crate) fn approval() -> Value {
    json!({"type": "approval", "description": "Send it?", "subject": {"text": "Dear"}})
}

pub(crate) fn with(mut question: Value, more: Value) -> Value {
    question
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    question
}

pub(crate) fn by_hand(question: Value) -> Command {
    Command::RequestIntervention {
        attempt_id: None,
        question: Box::new(request(question)),
    }
}

pub(crate) fn id_of(reply: &Value) -> InterventionId {
    request(reply["intervention"]["id"].clone())
}

/// What was chosen in answer to a question.
pub(crate) fn chosen(world: &World, id: InterventionId) -> Option<&str> {
    let question = world.intervention(id);
    question.response.as_ref().unwrap().choice.as_deref()
}

#[test]
fn each_type_takes_exactly_its_own_actions() {
    let options = json!([{"id": "a"}, "b"]);
    let questions = [
        (approval(), vec!["approve", "reject", "modify"]),
        (
            json!({"type": "input", "description": "Name?"}),
            vec!["answer"],
        ),
        (
            json!({"type": "decision", "description": "Which?", "options": options}),
            vec!["choose"],
        ),
        (
            json!({"type": "review", "description": "Good?"}),
            vec!["answer", "modify", "reject"],
        ),
        (
            json!({"type": "escalation", "description": "Now?", "options": options}),
            vec!["answer", "choose"],
        ),
    ];
    for (question, own) in questions {
        for action in [
            "approve", "reject", "modify", "answer", "choose", "escalate", "abort",
        ] {
            let (mut world, held) = World::holding(json!({}));
            let id = world.ask_by(held, question.clone()).unwrap();
            let reply = match action {
                "modify" => json!({"action": action, "modifications": {"text": "Hello"}}),
                "answer" => json!({"action": action, "value": "x"}),
                "choose" => json!({"action": action, "choice": "b"}),
                _ => json!({"action": action}),
            };
            let allowed = own.contains(&action) || ["escalate", "abort"].contains(&action);
            let answered = world.reply_as(&person("pia"), id, reply);
            assert_eq!(
                answered.is_ok(),
                allowed,
                "{action} of {question}: {answered:?}"
            );
            if let Err(refusal) = answered {
                assert_eq!(refusal.errors[0].path, "action");
            }
        }
    }
}

#[test]
fn a_review_with_a_form_is_answered_with_the_form() {
    let (mut world, held) = World::holding(json!({}));
    let schema = json!({"type": "object", "required": ["marks"]});
    let review = json!({"type": "review", "description": "Good?", "schema": schema});
    let id = world.ask_by(held, review).unwrap();
    for answer in [
        json!({"action": "answer"}),
        json!({"action": "answer", "value": {}}),
    ] {
        let wrong = world.reply_as(&person("pia"), id, answer).unwrap_err();
        assert!(wrong.errors[0].path.starts_with("value"), "{wrong:?}");
    }
    let marks = json!({"action": "answer", "value": {"marks": 5}});
    world.reply_as(&person("pia"), id, marks).unwrap();
    assert_eq!(world.intervention(id).outcome, Some(Outcome::Reviewed));
}

#[test]
fn an_approval_lets_the_step_go_on_and_a_replacement_is_authoritative() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    assert_eq!(world.phase("write"), "awaiting_input");
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(
        (world.phase("write"), world.intervention(id).outcome),
        ("executing", Some(Outcome::Approved))
    );

    let (mut world, held) = World::holding(json!({}));
    let schema =
        json!({"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}});
    let id = world
        .ask_by(held, with(approval(), json!({"schema": schema})))
        .unwrap();
    let wrong = world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "modify", "modifications": {"text": 7}}),
        )
        .unwrap_err();
    assert_eq!(wrong.errors[0].path, "modifications.text");
    world
        .reply_as(
            &person("pia"),
            id,
            json!({"action": "modify", "modifications": {"text": "Hi"}}),
        )
        .unwrap();
    let response = world.intervention(id).response.clone().unwrap();
    assert!(response.authoritative && world.intervention(id).outcome == Some(Outcome::Modified));
}

#[test]
fn a_rejection_does_what_the_asker_said() {
    for (on_reject, phase) in [
        ("fail", "failed"),
        ("continue", "executing"),
        ("skip", "skipped"),
    ] {
        let (mut world, held) = World::holding(json!({}));
        let id = world
            .ask_by(held, with(approval(), json!({"onReject": on_reject})))
            .unwrap();
        world
            .reply_as(
                &person("pia"),
                id,
                json!({"action": "reject", "comments": "no"}),
            )
            .unwrap();
        assert_eq!(world.phase("write"), phase, "{on_reject}");
    }
}

#[test]
fn a_rejection_that_fails_the_step_asks_its_conditions() {
    let conditions =
        json!([{"type": "failure", "condition": "error.code == 'rejected'", "action": "continue"}]);
    let mut world = World::of_four(
        json!([{"key": "write", "name": "Write", "conditions": conditions}]),
        json!({}),
    );
    let held = world.hold("write", "ada");
    let id = world.ask_by(held, approval()).unwrap();
    world
        .reply_as(&person("pia"), id, json!({"action": "reject"}))
        .unwrap();
    assert_eq!(world.phase("write"), "failed");
    assert_eq!(world.process().process.status.as_str(), "completed");
}

#[test]
fn an_abort_cancels_the_process_and_closes_all_that_is_open() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    let other = world
        .ask_by(held, json!({"type": "input", "description": "Name?"}))
        .unwrap();
    world
        .reply_as(&person("pia"), id, json!({"action": "abort"}))
        .unwrap();
    assert_eq!(world.process().process.status.as_str(), "cancelled");
    assert_eq!(
        world.intervention(other).status,
        InterventionStatus::Cancelled
    );
    assert_eq!(world.attempt_status(held), AttemptStatus::Cancelled);
}

#[test]
fn who_suspends_frees_its_slot_and_the_answer_makes_the_step_ready_again_for_it() {
    let (mut world, held) = World::holding(json!({}));
    let id = world
        .ask_by(held, with(approval(), json!({"mode": "suspend"})))
        .unwrap();
    assert_eq!(
        (world.attempt_status(held), world.phase("write")),
        (AttemptStatus::Suspended, "awaiting_input")
    );
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.phase("write"), "ready");
    let again = world.hold("write", "ada");
    let offer = rooms::view::work(world.process(), again);
    assert_eq!(offer["priorAnswers"][0]["response"]["action"], "approve");
    assert!(!world.intervention(id).used);
    let progress = world.with_epoch(again, json!({"percent": 1}));
    world
        .run(
            &agent("ada"),
            Command::Progress {
                attempt_id: again,
                progress,
            },
        )
        .unwrap();
    assert!(
        world.intervention(id).used,
        "an attempt has gone on with it"
    );
}

#[test]
fn a_lease_lost_while_a_human_is_asked_becomes_a_suspension() {
    let (mut world, held) = World::holding(json!({"timeoutSettings": {"leaseMs": 1_000}}));
    let id = world.ask_by(held, approval()).unwrap();
    world.pass(2_000);
    assert_eq!(
        (world.attempt_status(held), world.phase("write")),
        (AttemptStatus::Suspended, "awaiting_input")
    );
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.phase("write"), "ready");
}

#[test]
fn the_same_key_gets_the_open_question_or_the_stored_answer_and_never_a_second() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    assert_eq!(world.ask_by(held, approval()).unwrap(), id);
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    let attempt = world.held("write");
    let question = Box::new(world.with_epoch(attempt, approval()));
    let again = Command::RequestIntervention {
        attempt_id: Some(attempt),
        question,
    };
    let reply = world.run(&agent("ada"), again).unwrap();
    assert_eq!(
        (id_of(&reply), &reply["response"]["action"]),
        (id, &json!("approve"))
    );
    assert_eq!(world.count("intervention.requested"), 1);
}

#[test]
fn the_same_key_with_another_subject_opens_a_new_round_and_old_replies_are_superseded() {
    let (mut world, held) = World::holding(json!({}));
    let keyed = |text: &str| json!({"type": "approval", "description": "Send it?", "key": "send", "subject": text, "quorum": {"n": 2}});
    let id = world.ask_by(held, keyed("one")).unwrap();
    let old = world.intervention(id).subject_hash.clone();
    world
        .reply_as(&person("pia"), id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.ask_by(held, keyed("one")).unwrap(), id);
    assert_eq!(
        world.intervention(id).round,
        1,
        "the same asked again changes nothing"
    );
    assert_eq!(world.ask_by(held, keyed("two")).unwrap(), id);
    assert_eq!(
        (
            world.intervention(id).round,
            world.count("intervention.superseded")
        ),
        (2, 1)
    );
    for stale in [
        json!({"action": "approve", "round": 1}),
        json!({"action": "approve", "subjectHash": old}),
    ] {
        let refusal = world.refused(&person("pip"), respond(id, stale), Code::Superseded);
        assert_eq!(refusal.context.unwrap()["intervention"]["round"], 2);
    }
    world
        .reply_as(&person("pia"), id, json!({"action": "approve", "round": 2}))
        .unwrap();
    assert_eq!(
        world.intervention(id).status,
        InterventionStatus::Pending,
        "the first round's vote counts no more"
    );
    world
        .reply_as(&person("pip"), id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.intervention(id).outcome, Some(Outcome::Approved));
    let other = json!({"type": "input", "description": "Name?", "key": "send"});
    assert_eq!(world.ask_by(held, other).unwrap(), id, "the stored answer");
}

#[test]
fn the_process_stands_still_until_the_last_question_that_pauses_it_is_answered() {
    let (mut world, held) = World::holding(json!({}));
    let first = world
        .ask_by(held, with(approval(), json!({"pausesProcess": true})))
        .unwrap();
    let second = world
        .ask_by(
            held,
            json!({"type": "input", "description": "Name?", "pausesProcess": true}),
        )
        .unwrap();
    assert_eq!(world.process().process.status.as_str(), "paused");
    world
        .reply_as(&person("pia"), first, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.process().process.status.as_str(), "paused");
    world
        .reply_as(
            &person("pia"),
            second,
            json!({"action": "answer", "value": "x"}),
        )
        .unwrap();
    assert_eq!(world.process().process.status.as_str(), "running");
}

#[test]
fn the_process_itself_can_ask() {
    let (mut world, _) = World::holding(json!({}));
    let reply = world
        .run(
            &person("pia"),
            by_hand(with(approval(), json!({"onReject": "fail"}))),
        )
        .unwrap();
    let id = id_of(&reply);
    assert_eq!(world.intervention(id).step_id, None);
    world.refused(&agent("ada"), by_hand(approval()), Code::InvalidRequest);
    world
        .reply_as(&person("pip"), id, json!({"action": "reject"}))
        .unwrap();
    assert_eq!(world.process().process.status.as_str(), "failed");
}

#[test]
fn who_asked_or_an_admin_takes_a_question_back() {
    let (mut world, held) = World::holding(json!({}));
    let id = world.ask_by(held, approval()).unwrap();
    let cancel = Command::CancelIntervention {
        intervention_id: id,
        reason: request(json!({})),
    };
    world.refused(&agent("bob"), cancel.clone(), Code::Forbidden);
    world.refused(&person("pia"), cancel.clone(), Code::Forbidden);
    world.run(&agent("ada"), cancel.clone()).unwrap();
    assert_eq!(
        (world.intervention(id).status, world.phase("write")),
        (InterventionStatus::Cancelled, "executing")
    );
    world.refused(&agent("ada"), cancel, Code::AlreadyResolved);
}

#[test]
fn what_is_wrong_with_a_question_is_named_all_at_once() {
    let (mut world, held) = World::holding(json!({}));
    let wrong = json!({
        "type": "decision", "description": " ", "options": ["a", "a", ""], "assignees": ["ok", "not ok"], "quorum": {"n": 0},
        "dueInMs": 1, "dueAt": "2026-01-01T00:00:00Z", "expiresInMs": 0, "key": "", "onExpire": "default", "default": "z",
    });
    let refusal = world.ask_by(held, wrong).unwrap_err();
    let paths: Vec<_> = refusal.errors.iter().map(|e| e.path.as_str()).collect();
    for path in [
        "description",
        "options[1].id",
        "options[2].id",
        "assignees[1]",
        "quorum.n",
        "dueInMs",
        "expiresInMs",
        "key",
        "default",
    ] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    let remote = with(
        approval(),
        json!({"schema": {"$ref": "https://example.com/s.json"}}),
    );
    assert_eq!(
        world.ask_by(held, remote).unwrap_err().errors[0].path,
        "schema.$ref"
    );
    let large = with(approval(), json!({"subject": "x".repeat(300_000)}));
    assert_eq!(
        world.ask_by(held, large).unwrap_err().code,
        Code::PayloadTooLarge
    );
}

/// Every state of a question and everything that can be done to it: what comes of it.
#[test]
fn the_table_of_states_and_commands_reads_as_it_should() {
    use std::fmt::Write;
    let states = ["pending", "completed", "expired", "cancelled"];
    let commands = [
        "claim",
        "release",
        "assign",
        "delegate",
        "comment",
        "remind",
        "approve",
        "reject",
        "modify",
        "answer",
        "choose",
        "escalate",
        "abort",
        "cancel",
        "asked again",
        "its timer",
        "its reminder",
        "step completes",
        "process is cancelled",
    ];
    let mut table = String::new();
    let mut rows = Vec::new();
    for state in states {
        for command in commands {
            let (mut world, held) =
                World::holding(json!({"timeoutSettings": {"leaseMs": 100_000_000}}));
            let question = with(
                approval(),
                json!({"onReject": "continue", "onExpire": "cancel", "expiresInMs": 10_000}),
            );
            let id = world.ask_by(held, question.clone()).unwrap();
            match state {
                "completed" => drop(
                    world
                        .reply_as(&person("pia"), id, json!({"action": "approve"}))
                        .unwrap(),
                ),
                "expired" => world.pass(11_000),
                "cancelled" => drop(
                    world
                        .run(
                            &agent("ada"),
                            Command::CancelIntervention {
                                intervention_id: id,
                                reason: request(json!({})),
                            },
                        )
                        .unwrap(),
                ),
                _ => {}
            }
            assert_eq!(world.intervention(id).status.as_str(), state);
            let before = world.events.len();
            let reply = act(&mut world, id, command, &question);
            let happened: Vec<_> = world.events[before..]
                .iter()
                .map(|body| body.name())
                .filter(|n| n.starts_with("intervention."))
                .collect();
            let after = world.intervention(id).status.as_str();
            let (result, came) = match reply {
                Err(refusal) => {
                    let code = refusal.code.as_str().to_owned();
                    (code.clone(), Came::Refused(code))
                }
                Ok(_) if after == state => (format!("→ {after}"), Came::Stays),
                Ok(_) => (format!("→ {after}"), Came::To(after.to_owned())),
            };
            rows.push(Row {
                from: state.to_owned(),
                ask: command.to_owned(),
                came,
            });
            writeln!(
                table,
                "{state:<10} {command:<21} {result:<18} {}",
                happened.join(", ")
            )
            .unwrap();
        }
    }
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
    agrees_with_the_documentation("Intervention", &rows, str::to_owned);
}

fn act(
    world: &mut World,
    id: InterventionId,
    command: &str,
    question: &Value,
) -> Result<Value, rooms::Refusal> {
    use rooms::command::Timer;
    let (who, due, level) = (person("pip"), world.now, 0);
    let intervention_id = id;
    match command {
        "claim" => world.run(&who, Command::ClaimIntervention { intervention_id }),
        "release" => world.run(&who, Command::ReleaseIntervention { intervention_id }),
        "assign" => world.run(
            &who,
            Command::AssignIntervention {
                intervention_id,
                to: request(json!({"assignees": ["pia"]})),
            },
        ),
        "delegate" => world.run(
            &who,
            Command::DelegateIntervention {
                intervention_id,
                delegate: request(json!({"to": "pia"})),
            },
        ),
        "comment" => world.run(
            &who,
            Command::CommentIntervention {
                intervention_id,
                comment: request(json!({"text": "hm"})),
            },
        ),
        "remind" => world.run(&who, Command::RemindIntervention { intervention_id }),
        "modify" => world.reply_as(&who, id, json!({"action": "modify", "modifications": {}})),
        "answer" => world.reply_as(&who, id, json!({"action": "answer", "value": 1})),
        "choose" => world.reply_as(&who, id, json!({"action": "choose", "choice": "a"})),
        "cancel" => world.run(
            &agent("ada"),
            Command::CancelIntervention {
                intervention_id,
                reason: request(json!({})),
            },
        ),
        "asked again" => {
            let attempt = world.held("write");
            world
                .ask_by(attempt, question.clone())
                .map(|again| json!(again == id))
        }
        "its timer" => world.run(
            &system(),
            Command::Timer {
                timer: Timer::Intervention {
                    intervention: id,
                    level,
                },
                due,
            },
        ),
        "its reminder" => world.run(
            &system(),
            Command::Timer {
                timer: Timer::Reminder {
                    intervention: id,
                    level,
                    percent: 50,
                },
                due,
            },
        ),
        "step completes" => {
            let attempt = world.held("write");
            world.report(attempt, json!(1))
        }
        "process is cancelled" => world.run(&admin(), Command::CancelProcess(request(json!({})))),
        action => world.reply_as(&who, id, json!({"action": action})),
    }
}

#[test]
fn nobody_answers_for_a_question_of_batons_own_by_asking_under_its_key() {
    let mut world = World::running(
        json!([
            {"key": "a", "name": "A"},
            {"key": "b", "name": "B", "dependencies": ["a"], "requiresApproval": true},
        ]),
        json!({}),
    );
    // Before its turn somebody asks whether it may begin, and says yes to that.
    let ask = json!({"stepId": "b", "key": "begin:1", "quorum": {"n": 1, "selfApproval": true}});
    let asked = world
        .run(&person("eve"), by_hand(with(approval(), ask.clone())))
        .unwrap();
    world
        .reply_as(&person("eve"), id_of(&asked), json!({"action": "approve"}))
        .unwrap();
    world.done("a", json!({}));
    assert_eq!(world.at("b"), "pending/awaiting_input");
    let own = world.question();
    assert_eq!(own.requested_by, system().actor());
    // Nor is what Baton asks replaced by what somebody else asks under the same key.
    let other = world
        .run(&person("eve"), by_hand(with(approval(), ask)))
        .unwrap();
    assert_ne!(id_of(&other), own.id);
    assert_eq!(world.intervention(own.id).description, own.description);
    world
        .reply_as(&person("pia"), own.id, json!({"action": "approve"}))
        .unwrap();
    assert_eq!(world.at("b"), "pending/ready");
}
