//! The graph: trigger rules, failures, retries of the whole, pause and cancel, and what it costs.

mod world;

use serde_json::{Value, json};
use world::{World, is_ready};

fn pair(rule: &str) -> Value {
    json!([
        {"key": "a", "name": "A", "maxAttempts": 1},
        {"key": "b", "name": "B", "maxAttempts": 1},
        {"key": "c", "name": "C", "dependencies": ["a", "b"], "triggerRule": rule},
    ])
}

#[test]
fn a_step_begins_when_its_trigger_rule_holds() {
    // a, b: y = completes, n = fails, - = still open. c: r = ready, . = waits, s = passed over
    for (rule, outcomes) in [
        ("all_succeeded", ["y-.", "yyr", "n-s", "yns"]),
        ("all_done", ["y-.", "yyr", "n-.", "ynr"]),
        ("any_succeeded", ["y-r", "n-.", "nyr", "nns"]),
        ("any_failed", ["y-.", "yys", "n-r", "ynr"]),
    ] {
        for outcome in outcomes {
            let mut w = World::running(pair(rule), json!({"failFast": false}));
            for (key, how) in ["a", "b"].iter().zip(outcome.chars()) {
                match how {
                    'y' => w.done(key, json!({})),
                    'n' => w.broken(key),
                    _ => {}
                }
            }
            let expected = match outcome.chars().last().unwrap() {
                'r' => "pending/ready",
                '.' => "pending/blocked",
                _ => "skipped",
            };
            assert_eq!(w.at("c"), expected, "{rule} {outcome}: {}", w.all());
        }
    }
}

#[test]
fn a_failure_stops_the_rest_at_once_unless_the_process_or_the_graph_says_otherwise() {
    let steps = json!([
        {"key": "a", "name": "A", "maxAttempts": 1},
        {"key": "b", "name": "B"},
        {"key": "c", "name": "C", "dependencies": ["a"]},
    ]);
    let mut w = World::running(steps.clone(), json!({}));
    w.take("b", "bob");
    w.broken("a");
    assert_eq!(w.status(), "failed");
    assert_eq!(w.all(), "a=failed b=cancelled c=cancelled");
    let mut w = World::running(steps, json!({"failFast": false}));
    w.take("b", "bob");
    w.broken("a");
    assert_eq!(w.all(), "a=failed b=running/executing c=skipped");
    w.complete("b", json!({}));
    assert_eq!(w.status(), "failed");

    for (rule, ends) in [("any_failed", "completed"), ("all_done", "failed")] {
        let mut w = World::running(
            json!([
                {"key": "a", "name": "A", "maxAttempts": 1},
                {"key": "clean", "name": "Clean up", "dependencies": ["a"], "triggerRule": rule},
            ]),
            json!({}),
        );
        w.broken("a");
        assert_eq!(w.at("clean"), "pending/ready", "{rule}");
        w.done("clean", json!({}));
        assert_eq!(w.status(), ends, "{rule}");
    }
    let mut w = World::running(
        json!([
            {"key": "a", "name": "A", "maxAttempts": 1, "continueOnFailure": true},
            {"key": "b", "name": "B", "dependencies": ["a"]},
        ]),
        json!({}),
    );
    w.broken("a");
    w.done("b", json!({}));
    assert_eq!(w.status(), "completed");
}

#[test]
fn another_attempt_follows_after_a_backoff_that_doubles() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxAttempts": 4, "backoffMs": 1_000}]),
        json!({}),
    );
    for (n, base) in [(1u32, 1_000u64), (2, 2_000), (3, 4_000)] {
        w.take("a", "ada");
        w.fail("a", json!({"message": "no"}));
        let step = w.step("a");
        assert_eq!(step.attempts, n);
        let wait = step.retry_at.unwrap().ms_since(w.now);
        assert!((base..=base + base / 5).contains(&wait), "{wait}");
        w.pass(base - 1);
        assert_eq!(w.at("a"), "pending/backoff");
        w.pass(base / 5 + 1);
        assert_eq!(w.at("a"), "pending/ready");
    }
    w.take("a", "ada");
    w.fail("a", json!({"message": "no"}));
    assert_eq!(w.status(), "failed");
    assert_eq!(w.process().process.metrics.retry_count, 3);
    assert_eq!(w.process().process.metrics.error_count, 4);
}

#[test]
fn a_step_that_stops_its_agents_fails_in_the_end() {
    let mut w = World::with(
        json!({"timeoutSettings": {"leaseMs": 1_000}}),
        json!([{"key": "a", "name": "A", "maxLostLeases": 3}]),
        json!({}),
    );
    for n in 1..=3 {
        w.take("a", "ada");
        w.pass(1_000);
        assert_eq!(w.step("a").lost_leases, n);
    }
    assert_eq!(w.errors("a"), "lease_lost");
    assert_eq!(w.step("a").attempts, 0, "a lost lease is no failed attempt");
    assert_eq!(w.process().process.metrics.error_count, 3);
}

#[test]
fn a_retry_of_the_process_keeps_what_is_completed_and_what_was_decided() {
    let mut w = World::running(
        json!([
            {"key": "done", "name": "Done", "conditions": [
                {"type": "success", "condition": "outputs.left", "nextStepId": "left", "action": "continue"},
                {"type": "success", "nextStepId": "right", "action": "continue"}]},
            {"key": "left", "name": "Left"},
            {"key": "right", "name": "Right"},
            {"key": "bad", "name": "Bad", "maxAttempts": 1, "dependencies": ["right"]},
            {"key": "after", "name": "After", "dependencies": ["bad"]},
        ]),
        json!({}),
    );
    w.done("done", json!({"left": false}));
    w.done("right", json!({"n": 1}));
    w.broken("bad");
    assert_eq!(
        w.all(),
        "done=completed left=skipped right=completed bad=failed after=cancelled"
    );
    w.manage("retry", json!({})).unwrap();
    assert_eq!(
        w.all(),
        "done=completed left=skipped right=completed bad=pending/ready after=pending/blocked"
    );
    assert_eq!(w.step("right").outputs, Some(json!({"n": 1})));
    w.done("bad", json!({}));
    w.done("after", json!({}));
    assert_eq!(w.status(), "completed");
    assert!(
        w.manage("retry", json!({})).is_err(),
        "only a failed process is retried"
    );
}

#[test]
fn a_drained_pause_lets_work_finish_and_an_interrupt_takes_it_away() {
    for (mode, after) in [
        ("drain", "a=running/executing b=pending/ready"),
        ("interrupt", "a=pending/ready b=pending/ready"),
    ] {
        let mut w = World::running(
            json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B"}]),
            json!({}),
        );
        w.take("a", "ada");
        w.offer("b", "bob").unwrap();
        w.manage("pause", json!({"mode": mode})).unwrap();
        assert_eq!(w.all(), after);
        assert!(
            w.offer("b", "bob").is_err(),
            "nothing is handed out while it is paused"
        );
        assert!(w.manage("pause", json!({})).is_err());
        w.manage("resume", json!({})).unwrap();
        if mode == "interrupt" {
            w.take("a", "ada");
        }
        w.complete("a", json!({}));
        w.done("b", json!({}));
        assert_eq!(w.status(), "completed");
    }
}

#[test]
fn a_question_outlives_the_interruption_and_the_failure_of_the_attempt_that_asked() {
    for cause in ["interrupt", "failure"] {
        let mut w = World::running(json!([{"key": "a", "name": "A"}]), json!({}));
        w.take("a", "ada");
        let asked = w.ask("a", json!({"mode": "hold"}));
        if cause == "interrupt" {
            w.manage("pause", json!({"mode": "interrupt"})).unwrap();
            w.manage("resume", json!({})).unwrap();
        } else {
            w.fail("a", json!({"message": "no"}));
        }
        assert_eq!(w.at("a"), "pending/awaiting_input", "{cause}");
        assert_eq!(w.question().id, asked);
        w.answer(asked, json!({"action": "answer", "value": 42}))
            .unwrap();
        assert_eq!(w.at("a"), "pending/ready", "{cause}");
        w.take("a", "bob");
        assert_eq!(w.process().prior_answers(w.step("a").id).len(), 1);
    }
}

#[test]
fn a_cancelled_process_has_nothing_open() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]),
        json!({}),
    );
    w.take("a", "ada");
    w.ask("a", json!({}));
    w.manage("cancel", json!({"reason": "enough"})).unwrap();
    assert_eq!(w.all(), "a=cancelled b=cancelled");
    assert_eq!(w.questions(), 0);
    assert!(w.process().attempts.values().all(|a| !a.status.is_live()));
    assert!(w.timers.is_empty(), "{:?}", w.timers);
}

#[test]
fn the_counts_are_those_of_what_happened() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A"}, {"key": "b", "name": "B", "dependencies": ["a"]}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 3_000);
    w.fail("a", json!({"message": "no"}));
    w.pass(2_000);
    w.take("a", "bob");
    w.work("a", 1_000);
    w.ask("a", json!({"key": "q"}));
    w.ask("a", json!({"key": "q"}));
    w.complete("a", json!({}));
    let m = &w.process().process.metrics;
    assert_eq!(
        (
            m.error_count,
            m.retry_count,
            m.human_intervention_count,
            m.handoff_count
        ),
        (1, 1, 1, 0)
    );
    let (ada, bob) = (&m.agent_utilization["ada"], &m.agent_utilization["bob"]);
    assert_eq!(
        (
            ada.task_count,
            ada.success_count,
            ada.error_count,
            ada.busy_ms
        ),
        (1, 0, 1, 3_000)
    );
    assert_eq!(
        (
            bob.task_count,
            bob.success_count,
            bob.error_count,
            bob.busy_ms
        ),
        (1, 1, 0, 1_000)
    );
    assert_eq!(m.step_completion_times["a"], 6_000);
    assert_eq!(w.process().process.current_step, 1);
}

#[test]
fn outputs_have_a_limit_by_themselves_and_together() {
    let steps: Vec<_> = (0..12)
        .map(|n| json!({"key": format!("s{n}"), "name": "S"}))
        .collect();
    let mut w = World::running(json!(steps), json!({}));
    w.take("s0", "ada");
    let refusal = w
        .try_complete("s0", json!("x".repeat(1_100_000)))
        .unwrap_err();
    assert_eq!(refusal.code, rooms::Code::PayloadTooLarge);
    assert!(
        refusal.detail.contains("1048576 bytes"),
        "{}",
        refusal.detail
    );
    let mut deep = json!(1);
    for _ in 0..70 {
        deep = json!([deep]);
    }
    assert!(
        w.try_complete("s0", deep)
            .unwrap_err()
            .detail
            .contains("64 levels")
    );
    let large = json!("x".repeat(1_000_000));
    for n in 0..8 {
        if n > 0 {
            w.take(&format!("s{n}"), "ada");
        }
        w.complete(&format!("s{n}"), large.clone());
    }
    w.take("s8", "ada");
    let refusal = w.try_complete("s8", large).unwrap_err();
    assert!(refusal.detail.contains("sharedData"), "{}", refusal.detail);
    w.complete("s8", json!({"at": "https://example.com/result"}));
}

#[test]
fn a_start_without_anything_says_all_that_is_missing() {
    let mut w = World::new(&["ada"], &json!({}));
    let nothing = json!({"teamId": null, "name": ""});
    let refusal = w.start(json!([]), nothing).unwrap_err();
    assert_eq!(refusal.code, rooms::Code::InvalidRequest);
    let paths: Vec<_> = refusal.errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["teamId", "name", "steps"]);
}

#[test]
fn a_definition_over_a_limit_is_refused_with_the_limits_name() {
    let step = |more: Value| {
        let mut step = json!({"key": "a", "name": "A"});
        for (k, v) in more.as_object().unwrap() {
            step[k] = v.clone();
        }
        json!([step])
    };
    let mut nested = json!(1);
    for _ in 0..70 {
        nested = json!({"n": nested});
    }
    let conditions: Vec<_> = (0..51)
        .map(|_| json!({"type": "success", "action": "continue"}))
        .collect();
    let many: Vec<_> = (0..1_001)
        .map(|n| json!({"key": format!("s{n}"), "name": "S"}))
        .collect();
    for (steps, more, path, message) in [
        (json!(many), json!({}), "steps", "at most 1000 steps"),
        (
            step(json!({"name": "x".repeat(201)})),
            json!({}),
            "steps[0].name",
            "1 to 200 characters",
        ),
        (
            step(json!({"description": "x".repeat(33_000)})),
            json!({}),
            "steps[0].description",
            "at most 32768 bytes",
        ),
        (
            step(json!({"inputs": {"x": "y".repeat(300_000)}})),
            json!({}),
            "steps[0].inputs",
            "at most 262144 bytes",
        ),
        (
            step(json!({"inputs": {"x": nested}})),
            json!({}),
            "steps[0].inputs",
            "at most 64 levels",
        ),
        (
            step(json!({"metadata": {"x": "y".repeat(70_000)}})),
            json!({}),
            "steps[0].metadata",
            "at most 65536 bytes",
        ),
        (
            step(json!({"conditions": conditions})),
            json!({}),
            "steps[0].conditions",
            "at most 50 conditions",
        ),
        (
            step(json!({"maxAttempts": 0})),
            json!({}),
            "steps[0].maxAttempts",
            "from 1 to 100",
        ),
        (
            step(json!({"timeoutMs": 0})),
            json!({}),
            "steps[0].timeoutMs",
            "from 1 to",
        ),
        (
            step(json!({"backoffMs": 400_000})),
            json!({}),
            "steps[0].backoffMs",
            "at most 300000",
        ),
        (
            step(
                json!({"conditions": [{"type": "success", "condition": "x".repeat(3_000), "action": "skip"}]}),
            ),
            json!({}),
            "steps[0].conditions[0].condition",
            "longer than 2048",
        ),
        (
            step(
                json!({"conditions": [{"type": "success", "condition": "outputs.a ===", "action": "skip"}]}),
            ),
            json!({}),
            "steps[0].conditions[0].condition",
            "line 1, column",
        ),
        (
            step(json!({"inputs": {"x": [{"y": {"$from": "1 +"}}]}})),
            json!({}),
            "steps[0].inputs.x[0].y.$from",
            "line 1, column",
        ),
        (
            step(json!({})),
            json!({"context": {"sharedData": {"x": "y".repeat(1_100_000)}}}),
            "context.sharedData",
            "at most 1048576 bytes",
        ),
        (
            step(json!({})),
            json!({"description": "x".repeat(33_000)}),
            "description",
            "at most 32768 bytes",
        ),
    ] {
        let mut w = World::new(&["ada"], &json!({}));
        let refusal = w.start(steps, more).unwrap_err();
        assert_eq!(refusal.code, rooms::Code::InvalidRequest);
        let found = refusal
            .errors
            .iter()
            .find(|e| e.path == path)
            .unwrap_or_else(|| panic!("{path}: {refusal:?}"));
        assert!(found.message.contains(message), "{found:?}");
        assert!(w.events.is_empty());
    }
}

#[test]
fn a_thousand_steps_cost_what_they_change() {
    // Ten rows of a hundred, each step waiting for three of the row before, and one at the end that waits for the whole last row.
    let mut steps = Vec::new();
    for row in 0..9 {
        for n in 0..111 {
            let before: Vec<_> = (0..3)
                .map(|k| format!("s{}_{}", row - 1, (n + k) % 111))
                .collect();
            let before = if row == 0 { Vec::new() } else { before };
            steps.push(json!({"key": format!("s{row}_{n}"), "name": "S", "dependencies": before}));
        }
    }
    let last: Vec<_> = (0..111).map(|n| format!("s8_{n}")).collect();
    steps.push(json!({"key": "end", "name": "End", "dependencies": last}));
    assert_eq!(steps.len(), 1_000);
    let mut w = World::with(
        json!({"maxConcurrentTasks": 10_000}),
        json!(steps),
        json!({}),
    );
    w.checked = false;
    let began = std::time::Instant::now();
    loop {
        let ready: Vec<_> = w
            .process()
            .steps
            .iter()
            .filter(|s| is_ready(s))
            .map(|s| s.key.clone())
            .take(60)
            .collect();
        if ready.is_empty() {
            break;
        }
        for key in ready {
            w.done(&key, json!({"key": key}));
        }
    }
    assert_eq!(w.status(), "completed");
    assert_eq!(w.process().process.current_step, 1_000);
    // Some ten times what it takes on a slow machine without optimization; a step that costs what the process is long takes far more.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
