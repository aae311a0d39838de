//! What a process's figures say: each formula, with something and with nothing to divide.

mod world;

use rooms::model::monitoring::ProcessMonitoringMetrics;
use rooms::{Command, monitoring};
use serde_json::{Value, json};
use world::{World, agent};

fn steps(n: usize) -> Value {
    (0..n)
        .map(|i| json!({"key": format!("s{i}"), "name": format!("Step {i}"), "maxAttempts": 1, "continueOnFailure": true}))
        .collect()
}

fn of(w: &World) -> ProcessMonitoringMetrics {
    monitoring::metrics(w.process(), w.now)
}

fn recommended(w: &World) -> Vec<(String, Value)> {
    of(w)
        .recommendations
        .into_iter()
        .map(|r| (r.kind.as_str().to_owned(), json!(r.evidence)))
        .collect()
}

/// The holder of a step asks another to take it.
fn hand_over(w: &mut World, key: &str, to: &str) -> Command {
    let attempt = w.attempt(key);
    let ask = json!({"epoch": attempt.epoch, "toAgentId": to, "reason": "yours"});
    let asked = w
        .run(
            &agent(attempt.agent_id.as_str()),
            Command::RequestHandoff {
                attempt_id: Some(attempt.id),
                handoff: Box::new(serde_json::from_value(ask).expect("a handoff")),
            },
        )
        .expect("it is asked for");
    let handoff_id = serde_json::from_value(asked["handoff"]["id"].clone()).expect("an id");
    Command::AcceptHandoff { handoff_id }
}

#[test]
fn a_process_that_has_just_begun_has_done_nothing() {
    let w = World::running(steps(4), json!({}));
    let m = json!(of(&w));
    assert_eq!(
        m["performance"],
        json!({"successRate": 0.0, "errorRate": 0.0, "averageStepDuration": 0.0, "handoffEfficiency": 100.0, "humanInterventionRate": 0.0})
    );
    assert_eq!(
        json!([m["agentUtilization"], m["alerts"], m["recommendations"]]),
        json!([{}, [], []])
    );
    assert_eq!(m["timestamp"], json!(w.now));
}

#[test]
fn rates_are_of_all_steps() {
    let mut w = World::running(steps(4), json!({}));
    w.done("s0", json!({}));
    w.broken("s1");
    w.take("s2", "bob");
    let id = w.ask("s2", json!({}));
    w.answer(id, json!({"action": "answer", "value": 1}))
        .expect("an answer");
    let p = of(&w).performance;
    assert_eq!(
        (p.success_rate, p.error_rate, p.human_intervention_rate),
        (25.0, 25.0, 25.0)
    );
}

#[test]
fn durations_are_those_of_completed_steps() {
    let mut w = World::running(steps(3), json!({}));
    for (key, ms) in [("s0", 1_000), ("s1", 4_000)] {
        w.take(key, "ada");
        w.work(key, ms);
        w.complete(key, json!({}));
    }
    w.take("s2", "ada");
    w.work("s2", 50_000);
    assert_eq!(of(&w).performance.average_step_duration, 2_500.0);
}

#[test]
fn handoffs_count_when_their_work_was_completed() {
    let mut w = World::running(steps(4), json!({}));
    w.take("s0", "ada");
    let accept = hand_over(&mut w, "s0", "bob");
    assert_eq!(of(&w).performance.handoff_efficiency, 0.0, "it is pending");
    w.run(&agent("bob"), accept).expect("it is accepted");
    w.complete("s0", json!({}));
    assert_eq!(of(&w).performance.handoff_efficiency, 100.0);
    w.take("s1", "ada");
    hand_over(&mut w, "s1", "bob");
    w.complete("s1", json!({}));
    assert_eq!(
        of(&w).performance.handoff_efficiency,
        50.0,
        "one was cancelled"
    );
}

#[test]
fn an_agent_is_known_by_its_attempts() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "backoffMs": 0}, {"key": "b", "name": "B"}, {"key": "c", "name": "C"}]),
        json!({}),
    );
    w.take("a", "ada");
    w.work("a", 9_000);
    w.fail("a", json!({"code": "weak", "message": "no"}));
    w.pass(1);
    w.take("a", "ada");
    w.work("a", 1_000);
    w.complete("a", json!({}));
    w.take("b", "ada");
    w.work("b", 3_000);
    w.complete("b", json!({}));
    w.take("c", "bob");
    assert_eq!(
        json!(of(&w).agent_utilization),
        json!({
            "ada": {"taskCount": 3, "successCount": 2, "averageCompletionTime": 2_000.0, "errorCount": 1},
            "bob": {"taskCount": 1, "successCount": 0, "averageCompletionTime": 0.0, "errorCount": 0},
        }),
        "what an agent failed at does not lengthen what it completed"
    );
    let kept = &w.process().process.metrics.agent_utilization;
    for (id, agent) in of(&w).agent_utilization {
        let counted = &kept[id.as_str()];
        assert_eq!(
            (
                counted.task_count,
                counted.success_count,
                counted.error_count
            ),
            (agent.task_count, agent.success_count, agent.error_count),
            "{id}"
        );
    }
}

#[test]
fn work_handed_over_is_the_receivers() {
    let mut w = World::running(steps(1), json!({}));
    w.take("s0", "ada");
    w.work("s0", 5_000);
    let accept = hand_over(&mut w, "s0", "bob");
    w.run(&agent("bob"), accept).expect("it is accepted");
    w.work("s0", 2_000);
    w.complete("s0", json!({}));
    assert_eq!(
        json!(of(&w).agent_utilization),
        json!({
            "ada": {"taskCount": 1, "successCount": 0, "averageCompletionTime": 0.0, "errorCount": 0},
            "bob": {"taskCount": 1, "successCount": 1, "averageCompletionTime": 2_000.0, "errorCount": 0},
        })
    );
}

#[test]
fn a_process_without_reproach_recommends_nothing() {
    let mut w = World::running(steps(10), json!({}));
    w.broken("s0");
    for n in 1..10 {
        w.done(&format!("s{n}"), json!({}));
    }
    assert_eq!(w.status(), "completed");
    assert_eq!(recommended(&w), [], "10 % is not more than 10 %");
}

#[test]
fn recommendations_come_with_the_end_and_with_their_evidence() {
    let mut w = World::with(
        json!({"timeoutSettings": {"taskTimeout": 3_600_000, "processTimeout": 36_000_000}}),
        steps(3),
        json!({}),
    );
    w.take("s0", "ada");
    w.work("s0", 900_000);
    let accept = hand_over(&mut w, "s0", "bob");
    w.run(&agent("bob"), accept).expect("it is accepted");
    w.complete("s0", json!({}));
    w.take("s1", "ada");
    w.work("s1", 60_000);
    hand_over(&mut w, "s1", "bob");
    w.complete("s1", json!({}));
    assert_eq!(recommended(&w), [], "it has not ended");
    w.broken("s2");
    assert_eq!(w.status(), "completed");
    assert_eq!(
        recommended(&w),
        [
            (
                "split_or_parallelize".to_owned(),
                json!({"averageStepDuration": 480_000.0, "completedSteps": 2, "slowestStep": "s0", "slowestStepDuration": 900_000})
            ),
            (
                "revise_roles".to_owned(),
                json!({"handoffCount": 2, "totalSteps": 3})
            ),
            (
                "retries_or_review".to_owned(),
                json!({"errorRate": 33.33, "failedSteps": 1, "totalSteps": 3, "errorCount": 1, "retryCount": 0})
            ),
        ]
    );
    assert_eq!(w.count("recommendation.made"), 3);
    assert_eq!(of(&w).recommendations.len(), 3);
}

#[test]
fn five_minutes_and_half_the_steps_are_not_yet_too_much() {
    let mut w = World::with(
        json!({"timeoutSettings": {"taskTimeout": 3_600_000}}),
        steps(2),
        json!({}),
    );
    w.take("s0", "ada");
    w.work("s0", 300_000);
    hand_over(&mut w, "s0", "bob");
    w.complete("s0", json!({}));
    w.take("s1", "ada");
    w.work("s1", 300_000);
    w.complete("s1", json!({}));
    assert_eq!(of(&w).performance.average_step_duration, 300_000.0);
    assert_eq!(recommended(&w), []);
}

#[test]
fn what_was_recommended_once_is_not_said_again_after_a_retry() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxAttempts": 1}]),
        json!({}),
    );
    w.broken("a");
    w.manage("retry", json!({})).expect("it is retried");
    w.broken("a");
    assert_eq!(w.status(), "failed");
    assert_eq!(w.count("recommendation.made"), 1);
}
