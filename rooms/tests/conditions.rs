//! Conditions of a step: four types, five actions, the next step, and what the log says of them.

mod world;

use rooms::EventBody;
use rooms::event::StepChange;
use serde_json::{Value, json};
use world::World;

fn steps(conditions: Value) -> Value {
    json!([
        {"key": "a", "name": "A", "maxAttempts": 2, "backoffMs": 0, "conditions": conditions},
        {"key": "b", "name": "B", "dependencies": ["a"]},
    ])
}

fn ended(w: &World) -> StepChange {
    w.events
        .iter()
        .rev()
        .find_map(|e| match e {
            EventBody::StepCompleted(c)
            | EventBody::StepFailed(c)
            | EventBody::StepSkipped(c)
            | EventBody::StepRetryScheduled(c)
                if c.key == "a" =>
            {
                Some(c.clone())
            }
            _ => None,
        })
        .expect("the step has ended")
}

#[test]
fn every_action_after_a_success() {
    for (action, steps_after, process) in [
        ("continue", "a=completed b=pending/ready", "running"),
        ("retry", "a=pending/backoff b=pending/blocked", "running"),
        ("skip", "a=skipped b=pending/ready", "running"),
        (
            "escalate",
            "a=pending/awaiting_input b=pending/blocked",
            "running",
        ),
        ("abort", "a=completed b=cancelled", "cancelled"),
    ] {
        for kind in ["success", "custom"] {
            let condition = json!([{"type": kind, "condition": "outputs.score === 1 && score == 1", "action": action}]);
            let mut w = World::running(steps(condition), json!({}));
            w.done("a", json!({"score": 1}));
            assert_eq!(w.all(), steps_after, "{kind} {action}");
            assert_eq!(w.status(), process, "{kind} {action}");
            assert_eq!(w.questions(), usize::from(action == "escalate"));
            let results = if action == "escalate" {
                w.question().conditions
            } else {
                ended(&w).conditions
            };
            assert_eq!(results.len(), 1, "{kind} {action}");
            assert!(results[0].matched);
            assert_eq!(results[0].seen["outputs.score"], json!(1));
        }
    }
}

#[test]
fn every_action_after_a_failure() {
    for (action, steps_after, process) in [
        ("continue", "a=failed b=pending/ready", "running"),
        ("retry", "a=pending/backoff b=pending/blocked", "running"),
        ("skip", "a=skipped b=pending/ready", "running"),
        (
            "escalate",
            "a=pending/awaiting_input b=pending/blocked",
            "running",
        ),
        ("abort", "a=failed b=cancelled", "cancelled"),
    ] {
        for kind in ["failure", "custom"] {
            let condition =
                json!([{"type": kind, "condition": "error.code == 'broken'", "action": action}]);
            let mut w = World::running(steps(condition), json!({}));
            w.broken("a");
            assert_eq!(w.all(), steps_after, "{kind} {action}");
            assert_eq!(w.status(), process, "{kind} {action}");
        }
    }
}

#[test]
fn a_condition_looks_only_at_its_own_end_and_the_first_that_matches_decides() {
    let conditions = json!([
        {"type": "failure", "action": "abort"},
        {"type": "timeout", "action": "abort"},
        {"type": "success", "condition": "outputs.n > 5", "action": "abort"},
        {"type": "success", "condition": "outputs.n > 2", "action": "continue"},
        {"type": "custom", "action": "abort"},
    ]);
    let mut w = World::running(steps(conditions), json!({}));
    w.done("a", json!({"n": 3}));
    assert_eq!(w.all(), "a=completed b=pending/ready");
    let results = ended(&w).conditions;
    assert_eq!(
        results
            .iter()
            .map(|r| (r.index, r.matched))
            .collect::<Vec<_>>(),
        [(2, false), (3, true)]
    );
}

#[test]
fn an_expression_that_cannot_be_evaluated_fails_the_step_and_the_log_says_why() {
    let conditions =
        json!([{"type": "success", "condition": "outputs.missing > 1", "action": "continue"}]);
    let mut w = World::running(steps(conditions), json!({}));
    w.done("a", json!({"n": 3}));
    assert_eq!(w.errors("a"), "invalid_condition");
    assert_eq!(w.status(), "failed");
    let change = ended(&w);
    assert!(
        change.conditions[0]
            .error
            .as_ref()
            .unwrap()
            .contains("missing")
    );
    assert_eq!(
        change.outputs,
        Some(json!({"n": 3})),
        "what the agent gave is not lost"
    );
}

#[test]
fn a_success_that_a_condition_sends_back_fails_when_no_attempt_is_left() {
    let conditions =
        json!([{"type": "success", "condition": "outputs.score < 5", "action": "retry"}]);
    let mut w = World::running(steps(conditions), json!({}));
    w.done("a", json!({"score": 1}));
    w.pass(1);
    w.done("a", json!({"score": 2}));
    assert_eq!(w.at("a"), "failed");
    assert_eq!(w.errors("a"), "condition");
    let mut w = World::running(
        steps(json!([{"type": "success", "condition": "outputs.score < 5", "action": "retry"}])),
        json!({}),
    );
    w.done("a", json!({"score": 1}));
    w.pass(1);
    w.done("a", json!({"score": 7}));
    assert_eq!(w.all(), "a=completed b=pending/ready");
    assert_eq!(w.step("a").error, None);
}

#[test]
fn a_step_that_loses_every_lease_comes_to_its_end_also_where_a_condition_says_retry() {
    let mut w = World::with(
        json!({"timeoutSettings": {"leaseMs": 1_000}}),
        json!([{"key": "a", "name": "A", "maxAttempts": 3, "maxLostLeases": 1, "backoffMs": 0,
            "conditions": [{"type": "failure", "action": "retry"}]}]),
        json!({}),
    );
    for _ in 0..3 {
        assert_eq!(w.at("a"), "pending/ready");
        w.take("a", "ada");
        w.pass(1_000);
        w.pass(1);
    }
    assert_eq!(w.at("a"), "failed");
    assert_eq!(w.errors("a"), "lease_lost");
}

#[test]
fn a_human_who_is_asked_after_the_last_attempt_may_give_one_more_each_time() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxAttempts": 1, "conditions": [{"type": "failure", "action": "escalate"}]}]),
        json!({}),
    );
    for attempts in 1..=2 {
        w.take("a", "ada");
        w.fail("a", json!({"message": "no"}));
        assert_eq!(w.at("a"), "pending/awaiting_input");
        assert_eq!(w.step("a").attempts, attempts);
        let asked = w.question().id;
        w.answer(asked, json!({"action": "choose", "choice": "retry"}))
            .unwrap();
        assert_eq!(w.at("a"), "pending/ready");
    }
    w.take("a", "ada");
    w.fail("a", json!({"message": "no"}));
    let asked = w.question().id;
    w.answer(asked, json!({"action": "choose", "choice": "fail"}))
        .unwrap();
    assert_eq!(w.at("a"), "failed");
}

#[test]
fn a_result_that_is_escalated_waits_for_a_human_also_where_it_is_the_last() {
    let escalated = || {
        let mut w = World::running(
            json!([
                {"key": "a", "name": "A", "mergeOutputs": true, "conditions": [
                    {"type": "success", "condition": "score < 5", "action": "escalate", "nextStepId": "c"}]},
                {"key": "b", "name": "B", "conditions": [{"type": "success", "nextStepId": "c", "action": "continue"}]},
                {"key": "c", "name": "C", "dependencies": ["a"]},
            ]),
            json!({}),
        );
        w.done("b", json!({}));
        w.done("a", json!({"score": 1}));
        assert_eq!(
            w.all(),
            "a=pending/awaiting_input b=completed c=pending/blocked"
        );
        assert_eq!(w.process().context.shared_data.get("score"), None);
        let asked = w.question();
        assert_eq!(asked.subject, Some(json!({"score": 1})));
        assert!(asked.conditions[0].matched);
        (w, asked.id)
    };
    let (mut w, asked) = escalated();
    w.answer(asked, json!({"action": "choose", "choice": "accept"}))
        .unwrap();
    assert_eq!(w.all(), "a=completed b=completed c=pending/ready");
    assert_eq!(w.step("a").outputs, Some(json!({"score": 1})));
    assert_eq!(w.step("a").next_step_id.as_deref(), Some("c"));
    assert_eq!(w.process().context.shared_data["score"], json!(1));
    assert!(ended(&w).conditions[0].matched);
    let of_ada = &w.process().process.metrics.agent_utilization["ada"];
    assert_eq!((of_ada.success_count, of_ada.error_count), (2, 0));
    w.done("c", json!({}));
    assert_eq!(w.status(), "completed");

    let (mut w, asked) = escalated();
    w.answer(asked, json!({"action": "choose", "choice": "retry"}))
        .unwrap();
    assert_eq!(w.at("a"), "pending/ready");
    w.done("a", json!({"score": 2}));
    let again = w.question();
    assert_ne!((again.id, &again.key), (asked, &"result:1:1".to_owned()));
    w.answer(again.id, json!({"action": "choose", "choice": "fail"}))
        .unwrap();
    assert_eq!(w.errors("a"), "escalated");
    assert_eq!(w.status(), "failed");

    // The last step is one like the others.
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "conditions": [{"type": "success", "action": "escalate"}]}]),
        json!({}),
    );
    let done = w.take("a", "ada");
    w.complete("a", json!(null));
    assert_eq!(w.status(), "running");
    let repeated = rooms::Command::Complete {
        attempt_id: done.id,
        result: rooms::request::Complete {
            epoch: done.epoch,
            outputs: json!(null),
        },
    };
    w.run(&world::agent("ada"), repeated)
        .expect("an agent whose ack was lost hears that its result was taken");
    let asked = w.question().id;
    w.answer(asked, json!({"action": "answer", "value": "good enough"}))
        .unwrap();
    assert_eq!(w.status(), "completed");
}

#[test]
fn what_was_evaluated_is_shown_to_whom_a_failure_is_escalated() {
    let condition =
        json!([{"type": "failure", "condition": "error.code == 'broken'", "action": "escalate"}]);
    let mut w = World::running(steps(condition), json!({}));
    w.broken("a");
    let asked = w.question();
    assert_eq!(asked.conditions.len(), 1);
    assert_eq!(asked.conditions[0].seen["error.code"], json!("broken"));
}

fn branches() -> Value {
    json!([
        {"key": "a", "name": "A", "maxAttempts": 1, "conditions": [
            {"type": "success", "condition": "outputs.good", "nextStepId": "yes", "action": "continue"},
            {"type": "success", "condition": "!outputs.good", "nextStepId": "no", "action": "continue"},
            {"type": "failure", "nextStepId": "mend", "action": "continue"},
        ]},
        {"key": "yes", "name": "Yes", "dependencies": ["a"]},
        {"key": "no", "name": "No"},
        {"key": "mend", "name": "Mend"},
        {"key": "after_no", "name": "After no", "dependencies": ["no"]},
        {"key": "end", "name": "End", "dependencies": ["yes", "no", "mend"], "triggerRule": "any_succeeded"},
    ])
}

#[test]
fn the_next_step_waits_to_be_chosen_and_the_others_are_passed_over() {
    let mut w = World::running(branches(), json!({}));
    assert_eq!(
        w.at("no"),
        "pending/blocked",
        "it waits though it names no dependency"
    );
    w.done("a", json!({"good": true}));
    assert_eq!(
        w.all(),
        "a=completed yes=pending/ready no=skipped mend=skipped after_no=skipped end=pending/blocked"
    );
    w.done("yes", json!({}));
    w.done("end", json!({}));
    assert_eq!(w.status(), "completed");

    let mut w = World::running(branches(), json!({}));
    w.done("a", json!({"good": false}));
    assert_eq!(
        w.all(),
        "a=completed yes=skipped no=pending/ready mend=skipped after_no=pending/blocked end=pending/blocked"
    );

    let mut w = World::running(branches(), json!({}));
    w.broken("a");
    assert_eq!(
        w.all(),
        "a=failed yes=skipped no=skipped mend=pending/ready after_no=skipped end=pending/blocked"
    );
    w.done("mend", json!({}));
    w.done("end", json!({}));
    assert_eq!(w.status(), "completed");
}

#[test]
fn a_step_that_several_name_runs_when_one_of_them_chooses_it() {
    let choose = |n: u32| {
        json!({"key": format!("c{n}"), "name": "C", "conditions": [
            {"type": "success", "condition": "outputs.go", "nextStepId": "x", "action": "continue"}]})
    };
    let steps = json!([choose(1), choose(2), {"key": "x", "name": "X"}]);
    let mut w = World::running(steps.clone(), json!({}));
    w.done("c1", json!({"go": false}));
    assert_eq!(w.at("x"), "pending/blocked");
    w.done("c2", json!({"go": true}));
    assert_eq!(w.at("x"), "pending/ready");
    let mut w = World::running(steps, json!({}));
    w.done("c1", json!({"go": false}));
    w.done("c2", json!({"go": false}));
    assert_eq!(w.at("x"), "skipped");
    assert_eq!(w.status(), "completed");
}

#[test]
fn a_next_step_that_lies_before_the_step_makes_no_circle() {
    let mut w = World::running(
        json!([
            {"key": "a", "name": "A", "conditions": [{"type": "success", "nextStepId": "b", "action": "continue"}]},
            {"key": "b", "name": "B", "conditions": [{"type": "success", "nextStepId": "a", "action": "continue"}]},
        ]),
        json!({}),
    );
    w.done("a", json!({}));
    w.done("b", json!({}));
    assert_eq!(w.status(), "completed");
}
