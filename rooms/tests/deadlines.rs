//! Deadlines of steps and processes: their clocks stand still while humans are awaited.

mod world;

use serde_json::json;
use world::{START, World};

#[test]
fn a_step_that_takes_too_long_is_a_failed_attempt_and_is_tried_again() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 20_000, "maxAttempts": 2}]),
        json!({}),
    );
    let first = w.take("a", "ada");
    w.work("a", 19_000);
    assert_eq!(w.at("a"), "running/executing");
    w.pass(1_000);
    assert_eq!(w.at("a"), "pending/backoff");
    assert_eq!(w.errors("a"), "timeout");
    assert_eq!(w.process().attempts[&first.id].status.as_str(), "failed");
    assert_eq!(w.process().process.metrics.error_count, 1);
    w.pass(2_000);
    assert_eq!(w.at("a"), "pending/ready");
    // The next attempt has its time anew.
    w.take("a", "ada");
    w.work("a", 19_000);
    assert_eq!(w.at("a"), "running/executing");
    w.pass(1_000);
    assert_eq!(w.at("a"), "failed");
    assert_eq!(w.step("a").attempts, 2);
    assert_eq!(w.status(), "failed");
    assert_eq!(w.process().process.error.as_ref().unwrap().code, "timeout");
    assert_eq!(w.process().process.metrics.error_count, 2);
}

#[test]
fn a_timeout_that_a_condition_retries_uses_up_one_attempt() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 5_000, "maxAttempts": 3, "backoffMs": 0,
            "conditions": [{"type": "timeout", "action": "retry"}]}]),
        json!({}),
    );
    for attempts in 1..=3 {
        w.take("a", "ada");
        w.pass(5_000);
        assert_eq!(w.step("a").attempts, attempts);
        w.pass(1);
    }
    assert_eq!(w.at("a"), "failed");
    assert_eq!(w.process().process.metrics.error_count, 3);
}

#[test]
fn conditions_of_every_failure_are_asked_only_about_the_last_timeout() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 5_000, "maxAttempts": 2, "backoffMs": 0, "conditions": [
            {"type": "failure", "action": "skip"},
            {"type": "timeout", "condition": "attempts > 2", "action": "continue"},
        ]}]),
        json!({}),
    );
    w.take("a", "ada");
    w.pass(5_000);
    assert_eq!(w.at("a"), "pending/ready");
    let scheduled = w.events.iter().rev().find_map(|e| match e {
        rooms::EventBody::StepRetryScheduled(c) => Some(&c.conditions),
        _ => None,
    });
    let asked = scheduled.expect("another attempt").iter();
    assert_eq!(
        asked.map(|r| (r.index, r.matched)).collect::<Vec<_>>(),
        [(1, false)]
    );
    w.take("a", "ada");
    w.pass(5_000);
    assert_eq!(w.at("a"), "skipped");
}

#[test]
fn the_teams_task_timeout_is_that_of_a_step_without_its_own() {
    let mut w = World::with(
        json!({"timeoutSettings": {"taskTimeout": 5_000}}),
        json!([{"key": "a", "name": "A", "maxAttempts": 1}]),
        json!({}),
    );
    w.take("a", "ada");
    w.pass(4_999);
    assert_eq!(w.at("a"), "running/executing");
    w.pass(1);
    assert_eq!(w.errors("a"), "timeout");
    assert_eq!(w.status(), "failed");
}

#[test]
fn the_result_of_a_step_whose_time_was_up_is_stale() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 5_000}]),
        json!({}),
    );
    let attempt = w.take("a", "ada");
    w.pass(5_000);
    let result = rooms::request::Complete {
        epoch: attempt.epoch,
        outputs: json!({}),
    };
    let complete = rooms::Command::Complete {
        attempt_id: attempt.id,
        result,
    };
    let refusal = w.run(&world::agent("ada"), complete).unwrap_err();
    assert_eq!(refusal.code, rooms::Code::StaleLease);
}

#[test]
fn a_condition_of_the_type_timeout_decides_at_once() {
    for (action, ends) in [
        ("skip", "completed"),
        ("continue", "completed"),
        ("abort", "cancelled"),
    ] {
        let mut w = World::running(
            json!([
                {"key": "a", "name": "A", "timeoutMs": 5_000, "conditions": [{"type": "timeout", "action": action}]},
                {"key": "b", "name": "B", "dependencies": ["a"]},
            ]),
            json!({}),
        );
        w.take("a", "ada");
        w.pass(5_000);
        assert!(w.step("a").status.is_terminal(), "{action}: {}", w.all());
        if ends == "completed" {
            w.done("b", json!({}));
        }
        assert_eq!(w.status(), ends, "{action}");
    }
}

#[test]
fn a_steps_clock_stands_still_while_its_holder_waits_for_a_human() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 20_000, "maxAttempts": 1}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 15_000);
    let asked = w.ask("a", json!({"mode": "hold"}));
    assert_eq!(w.at("a"), "running/awaiting_input");
    assert!(
        !w.timers.keys().any(|k| k.starts_with("timeout")),
        "nothing counts: {:?}",
        w.timers
    );
    w.work("a", 600_000);
    assert_eq!(w.at("a"), "running/awaiting_input");
    w.answer(asked, json!({"action": "answer", "value": 1}))
        .unwrap();
    w.work("a", 4_000);
    assert_eq!(w.at("a"), "running/executing");
    assert_eq!(w.step("a").worked_ms(w.now), 19_000);
    w.pass(1_000);
    assert_eq!(w.errors("a"), "timeout");
}

#[test]
fn a_suspended_step_comes_back_to_its_clock_and_a_lost_one_begins_anew() {
    let steps = json!([{"key": "a", "name": "A", "timeoutMs": 20_000, "maxAttempts": 1}]);
    let mut w = World::running(steps.clone(), json!({}));
    w.take("a", "ada");
    w.work("a", 15_000);
    let asked = w.ask("a", json!({"mode": "suspend"}));
    w.pass(600_000);
    w.answer(asked, json!({"action": "answer", "value": 1}))
        .unwrap();
    w.take("a", "ada");
    assert_eq!(w.step("a").worked_ms(w.now), 15_000);
    w.pass(5_000);
    assert_eq!(w.errors("a"), "timeout");

    let mut w = World::with(
        json!({"timeoutSettings": {"leaseMs": 10_000}}),
        steps,
        json!({}),
    );
    w.take("a", "ada");
    w.pass(10_000);
    assert_eq!(w.at("a"), "pending/ready");
    w.take("a", "bob");
    assert_eq!(w.step("a").worked_ms(w.now), 0);
}

#[test]
fn a_process_that_takes_too_long_fails() {
    let mut w = World::with(
        json!({"timeoutSettings": {"processTimeout": 60_000}}),
        json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 30_000);
    w.complete("a", json!({}));
    w.take("b", "ada");
    w.work("b", 29_000);
    assert_eq!(w.status(), "running");
    w.pass(1_000);
    assert_eq!(w.status(), "failed");
    assert_eq!(w.process().process.error.as_ref().unwrap().code, "timeout");
    assert_eq!(w.at("b"), "cancelled");
    assert_eq!(w.process().process.metrics.duration, Some(60_000));
    // Nothing is left that could fire.
    assert!(!w.timers.contains_key("timeout"), "{:?}", w.timers);
    // A retry has its time anew.
    w.manage("retry", json!({})).unwrap();
    assert_eq!(w.all(), "a=completed b=pending/ready");
    w.pass(59_000);
    assert_eq!(w.status(), "running");
    w.pass(1_000);
    assert_eq!(w.status(), "failed");
}

#[test]
fn the_clock_of_a_process_stands_still_only_while_nothing_but_humans_is_awaited() {
    let mut w = World::with(
        json!({"timeoutSettings": {"processTimeout": 100_000, "humanResponseTimeout": 86_400_000}}),
        json!([{"key": "a", "name": "A", "requiresApproval": true}, {"key": "b", "name": "B"}]),
        json!({}),
    );
    w.take("b", "ada");
    w.work("b", 40_000);
    w.complete("b", json!({}));
    assert_eq!(w.process().process.elapsed_ms, 40_000);
    assert_eq!(w.process().process.running_since, None);
    w.pass(36_000_000);
    assert_eq!(w.status(), "running");
    let asked = w.question().id;
    w.answer(asked, json!({"action": "approve"})).unwrap();
    w.pass(59_999);
    assert_eq!(w.status(), "running");
    w.pass(1);
    assert_eq!(w.status(), "failed");
}

#[test]
fn the_clock_of_a_process_that_waits_for_its_approval_has_not_begun() {
    let mut w = World::with(
        json!({"humanApprovalRequired": true, "timeoutSettings": {"processTimeout": 1_000}}),
        json!([{"key": "a", "name": "A"}]),
        json!({}),
    );
    w.pass(600_000);
    assert_eq!(w.status(), "pending");
    let asked = w.question().id;
    w.answer(asked, json!({"action": "approve"})).unwrap();
    assert_eq!(w.process().process.running_since, Some(w.now));
    assert!(w.now > START);
    w.pass(1_000);
    assert_eq!(w.status(), "failed");
}

#[test]
fn a_pause_stops_the_clock_of_the_process_once_no_work_is_under_way() {
    let mut w = World::with(
        json!({"timeoutSettings": {"processTimeout": 100_000}}),
        json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 10_000);
    w.manage("pause", json!({"mode": "drain"})).unwrap();
    w.work("a", 10_000);
    assert_eq!(
        w.process().process.running_since,
        Some(START),
        "work under way is waited for"
    );
    w.complete("a", json!({}));
    assert_eq!(w.process().process.elapsed_ms, 20_000);
    assert_eq!(w.all(), "a=completed b=pending/ready");
    w.pass(86_400_000);
    assert_eq!(w.status(), "paused");
    w.manage("resume", json!({})).unwrap();
    w.pass(79_999);
    assert_eq!(w.status(), "running");
    w.pass(1);
    assert_eq!(w.status(), "failed");
}

#[test]
fn a_pause_that_interrupts_gives_a_step_its_time_anew() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "timeoutMs": 20_000}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 15_000);
    w.manage("pause", json!({"mode": "interrupt"})).unwrap();
    assert_eq!(w.at("a"), "pending/ready");
    assert!(w.process().process.running_since.is_none());
    w.manage("resume", json!({})).unwrap();
    w.take("a", "ada");
    assert_eq!(w.step("a").worked_ms(w.now), 0);
}
