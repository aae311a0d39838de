//! Inputs of a step: `$from` values, what they may cost, and what was approved of them.

mod world;

use serde_json::{Value, json};
use world::World;

#[test]
fn inputs_are_evaluated_when_the_step_becomes_ready_and_again_in_another_run() {
    let mut w = World::running(
        json!([
            {"key": "a", "name": "A", "mergeOutputs": true},
            {"key": "b", "name": "B", "maxAttempts": 1, "dependencies": ["a"], "inputs": {
                "score": {"$from": "sharedData.steps.a.score * variables.factor"},
                "list": [{"$from": "score"}, "plain"],
            }},
        ]),
        json!({"context": {"variables": {"factor": 10}}}),
    );
    w.done("a", json!({"score": 4}));
    assert_eq!(
        w.step("b").inputs,
        *json!({"score": 40, "list": [4, "plain"]})
            .as_object()
            .unwrap()
    );
    w.broken("b");
    assert_eq!(w.status(), "failed");
    w.manage("retry", json!({})).unwrap();
    assert_eq!(w.step("b").inputs["score"], json!(40));
    assert_eq!(w.step("b").run, 2);
    assert_eq!(w.step("a").run, 1, "what was completed stays");
}

#[test]
fn inputs_that_cannot_be_evaluated_are_a_failure_like_another_to_the_conditions() {
    let start = |approve: bool, action: &str| {
        World::running(
            json!([
                {"key": "a", "name": "A", "backoffMs": 0, "requiresApproval": approve,
                    "inputs": {"x": {"$from": "sharedData.none"}},
                    "conditions": [{"type": "failure", "condition": "error.code == 'invalid_inputs'", "action": action}]},
                {"key": "b", "name": "B", "dependencies": ["a"]},
            ]),
            json!({}),
        )
    };
    for approve in [false, true] {
        assert_eq!(start(approve, "skip").all(), "a=skipped b=pending/ready");
        let mut w = start(approve, "retry");
        assert_eq!(w.at("a"), "pending/backoff");
        w.pass(1);
        w.pass(1);
        assert_eq!(w.errors("a"), "invalid_inputs");
        assert_eq!(w.status(), "failed", "no attempt is left");
        let mut w = start(approve, "escalate");
        for _ in 0..2 {
            let asked = w.question().id;
            w.answer(asked, json!({"action": "choose", "choice": "retry"}))
                .unwrap();
        }
        let asked = w.question().id;
        w.answer(asked, json!({"action": "choose", "choice": "skip"}))
            .unwrap();
        assert_eq!(w.all(), "a=skipped b=pending/ready");
    }
}

#[test]
fn a_step_whose_inputs_come_late_is_approved_before_it_begins_all_the_same() {
    let mut w = World::running(
        json!([
            {"key": "z", "name": "Z"},
            {"key": "a", "name": "A", "requiresApproval": true, "backoffMs": 1_000,
                "inputs": {"x": {"$from": "sharedData.steps.z.x"}},
                "conditions": [{"type": "failure", "action": "retry"}]},
        ]),
        json!({}),
    );
    assert_eq!(w.at("a"), "pending/backoff");
    w.done("z", json!({"x": 7}));
    w.pass(2_000);
    assert_eq!(w.at("a"), "pending/awaiting_input");
    assert_eq!(w.question().subject.unwrap()["inputs"], json!({"x": 7}));
    let asked = w.question().id;
    w.answer(asked, json!({"action": "approve"})).unwrap();
    assert_eq!(w.at("a"), "pending/ready");
    // Once approved it is tried again without another question.
    w.take("a", "ada");
    w.fail("a", json!({"message": "no"}));
    w.pass(3_000);
    assert_eq!(w.at("a"), "pending/ready");
}

#[test]
fn a_step_begins_with_the_inputs_that_were_approved() {
    let mut w = World::running(
        json!([
            {"key": "z", "name": "Z", "mergeOutputs": true},
            {"key": "a", "name": "A", "requiresApproval": true, "maxAttempts": 1, "inputs": {"price": {"$from": "price"}, "of": "x"}},
        ]),
        json!({"context": {"sharedData": {"price": 10}}}),
    );
    let asked = w.question();
    let shown = json!({"price": 10, "of": "x"});
    assert_eq!(asked.subject.unwrap()["inputs"], shown);
    w.done("z", json!({"price": 2_000_000}));
    w.answer(asked.id, json!({"action": "approve"})).unwrap();
    assert_eq!(json!(w.step("a").inputs), shown);
    // Another run is approved anew, with what it is given then.
    w.broken("a");
    w.manage("retry", json!({})).unwrap();
    let shown = json!({"price": 2_000_000, "of": "x"});
    let asked = w.question();
    assert_eq!(asked.subject.unwrap()["inputs"], shown);
    // And what a person has changed in it is what was approved.
    let changed = json!({"description": "", "inputs": {"price": 12, "of": "x"}});
    let modify = json!({"action": "modify", "modifications": changed});
    w.answer(asked.id, modify).unwrap();
    assert_eq!(json!(w.step("a").inputs), changed["inputs"]);
    w.broken("a");
    w.manage("retry", json!({})).unwrap();
    assert_eq!(w.question().subject.unwrap()["inputs"], shown);
}

#[test]
fn an_expression_may_give_all_the_inputs_of_a_step() {
    let start = |from: &str| {
        World::running(
            json!([{"key": "a", "name": "A", "inputs": {"$from": from}}]),
            json!({"context": {"sharedData": {"order": {"id": 7}}}}),
        )
    };
    assert_eq!(
        json!(start("sharedData.order").step("a").inputs),
        json!({"id": 7})
    );
    let w = start("sharedData.order.id");
    assert_eq!(w.errors("a"), "invalid_inputs");
    let why = &w.step("a").error.as_ref().unwrap().message;
    assert!(why.contains("no object"), "{why}");
}

#[test]
fn what_is_evaluated_for_all_steps_together_has_a_limit() {
    let steps: Vec<_> = (0..40)
        .map(|n| json!({"key": format!("s{n}"), "name": "S", "continueOnFailure": true, "inputs": {"all": {"$from": "sharedData.text"}}}))
        .chain([json!({"key": "later", "name": "Later", "dependencies": ["s0"], "inputs": {"all": {"$from": "sharedData.text"}}})])
        .collect();
    let mut w = World::running(
        json!(steps),
        json!({"failFast": false, "context": {"sharedData": {"text": "x".repeat(250_000)}}}),
    );
    let ready = |w: &World| {
        w.process()
            .steps
            .iter()
            .filter(|s| world::is_ready(s))
            .count()
    };
    // 8 MiB are 33 times that text.
    assert_eq!(ready(&w), 33);
    let failed = w.step("s39").error.clone().unwrap();
    assert_eq!(failed.code, "invalid_inputs");
    assert!(
        failed.message.contains("8388608 bytes"),
        "{}",
        failed.message
    );
    // Also where it becomes ready in a later command.
    w.done("s0", json!({}));
    assert_eq!(w.errors("later"), "invalid_inputs");
}

#[test]
fn what_evaluating_inputs_costs_in_one_command_has_a_limit() {
    let costly = "sharedData.all.map(x, x).map(x, x).size()";
    let steps: Vec<_> = (0..60)
        .map(|n| json!({"key": format!("s{n}"), "name": "S", "continueOnFailure": true, "inputs": {"n": {"$from": costly}}}))
        .collect();
    let all: Vec<u32> = (0..10_000).collect();
    let w = World::running(
        json!(steps),
        json!({"failFast": false, "context": {"sharedData": {"all": all}}}),
    );
    assert!(world::is_ready(w.step("s0")));
    let refused = w.step("s59").error.clone().unwrap();
    assert!(
        refused.message.contains("costs too much"),
        "{}",
        refused.message
    );
}

#[test]
fn inputs_that_cannot_be_evaluated_fail_the_step() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "inputs": {"x": {"$from": "sharedData.none"}}}]),
        json!({}),
    );
    assert_eq!(w.errors("a"), "invalid_inputs");
    assert_eq!(w.status(), "failed");
    let nest = |levels: usize, inner: Value| (0..levels).fold(inner, |inner, _| json!([inner]));
    for (levels, comes) in [(40, "invalid_inputs"), (20, "")] {
        let given = nest(levels, json!({"$from": "sharedData.deep"}));
        let shared = json!({"context": {"sharedData": {"deep": nest(40, json!(1))}}});
        w = World::running(
            json!([{"key": "a", "name": "A", "inputs": {"x": given}}]),
            shared,
        );
        assert_eq!(w.errors("a"), comes, "{levels} levels around 40");
    }
    let big = json!({"text": "x".repeat(200_000)});
    let parts: Vec<_> = (0..40)
        .map(|_| json!({"$from": "sharedData.text"}))
        .collect();
    w = World::running(
        json!([{"key": "a", "name": "A", "inputs": {"all": parts}}]),
        json!({"context": {"sharedData": big}}),
    );
    assert_eq!(w.errors("a"), "invalid_inputs");
    assert!(
        w.step("a")
            .error
            .as_ref()
            .unwrap()
            .message
            .contains("costs too much")
    );
}
