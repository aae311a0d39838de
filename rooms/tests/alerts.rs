//! Alerts: raised once for each cause, in the command that causes it, and resolved when the cause is gone.

mod world;

use rooms::command::Timer;
use rooms::model::access::{Permission, Principal};
use rooms::model::monitoring::{Alert, AlertRule, Metric, Severity};
use rooms::{Code, Command, EventBody, State};
use serde_json::{Value, json};
use world::{World, admin, person};

fn steps(n: usize) -> Value {
    (0..n)
        .map(|i| json!({"key": format!("s{i}"), "name": format!("Step {i}"), "maxAttempts": 1, "continueOnFailure": true}))
        .collect()
}

fn all(w: &World) -> Vec<Alert> {
    w.process().alerts.values().map(|a| (**a).clone()).collect()
}

fn open(w: &World) -> Vec<String> {
    all(w)
        .into_iter()
        .filter(|a| !a.resolved)
        .map(|a| a.rule_id)
        .collect()
}

fn one(w: &World) -> Alert {
    let found = all(w);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn resolve(w: &mut World, alert: &Alert) -> Value {
    let command = Command::ResolveAlert { alert_id: alert.id };
    w.run(&person("eve"), command).expect("it is resolved")
}

/// A world whose workspace has these rules.
fn ruled(rules: Value, process: Value) -> World {
    let mut w = World::new(&["ada", "bob", "cid"], &json!({}));
    let items: Vec<AlertRule> = serde_json::from_value(rules).expect("rules");
    w.facts.alert_rules = Some(items.into());
    w.start(process, json!({})).expect("it starts");
    w
}

fn rule(id: &str, metric: &str, threshold: f64) -> Value {
    json!({"id": id, "metric": metric, "threshold": threshold, "type": "error", "severity": "critical", "enabled": true})
}

#[test]
fn a_rate_of_errors_above_twenty_percent_is_an_alert_in_the_same_command() {
    let mut w = World::running(steps(5), json!({}));
    w.broken("s0");
    assert_eq!(open(&w), Vec::<String>::new(), "20 % is not above 20 %");
    w.broken("s1");
    let alert = one(&w);
    assert_eq!(
        json!([alert.kind, alert.severity, alert.resolved]),
        json!(["performance", "high", false])
    );
    assert_eq!(
        json!(alert.details),
        json!({"metric": "errorRate", "value": 40.0, "threshold": 20.0, "failedSteps": 2, "totalSteps": 5})
    );
    assert_eq!(
        alert.message,
        "40 % of the steps of “Process” have failed: 2 of 5"
    );
    let names = w.names();
    let at = |name: &str| names.iter().rposition(|n| n == name);
    assert!(
        at("step.failed") < at("alert.raised"),
        "the cause comes first: {names:?}"
    );
    w.broken("s2");
    assert_eq!(all(&w).len(), 1, "one alert while the cause lasts");
}

#[test]
fn a_process_that_failed_keeps_its_alert_until_a_retry_takes_the_cause_away() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxAttempts": 1}, {"key": "b", "name": "B"}]),
        json!({}),
    );
    w.broken("a");
    assert_eq!(w.status(), "failed");
    assert_eq!(open(&w), ["error-rate"]);
    w.manage("retry", json!({})).expect("it is retried");
    let alert = one(&w);
    assert!(alert.resolved && alert.resolved_by.is_none());
    assert_eq!(alert.resolved_at, Some(w.now));
    w.broken("a");
    assert_eq!(open(&w), ["error-rate"], "another cause is another alert");
    assert_eq!(all(&w).len(), 2);
}

#[test]
fn what_a_person_resolved_is_not_raised_again_while_the_same_cause_lasts() {
    let mut w = World::running(steps(5), json!({}));
    w.broken("s0");
    w.broken("s1");
    let alert = one(&w);
    let reply = resolve(&mut w, &alert);
    assert_eq!(
        json!([reply["resolved"], reply["resolvedBy"]]),
        json!([true, "eve"])
    );
    let before = w.events.len();
    resolve(&mut w, &alert);
    assert_eq!(w.events.len(), before, "a second time changes nothing");
    w.broken("s2");
    assert_eq!(all(&w).len(), 1);
    let late = w.run(
        &person("eve"),
        Command::AcknowledgeAlert { alert_id: alert.id },
    );
    assert_eq!(late.unwrap_err().code, Code::AlreadyResolved);
}

#[test]
fn a_process_that_ends_well_takes_its_alerts_with_it() {
    let mut w = World::running(steps(3), json!({}));
    w.broken("s0");
    assert_eq!(open(&w), ["error-rate"]);
    w.done("s1", json!({}));
    w.done("s2", json!({}));
    assert_eq!(w.status(), "completed");
    let alert = one(&w);
    assert_eq!(alert.resolution.as_deref(), Some("the process has ended"));
    assert_eq!(
        w.names().last().map(String::as_str),
        Some("process.completed")
    );
}

#[test]
fn the_sixth_question_is_an_alert_and_only_that() {
    let mut w = World::running(steps(1), json!({}));
    w.take("s0", "ada");
    for n in 0..8 {
        let id = w.ask("s0", json!({"key": format!("q{n}")}));
        let expected = usize::from(n >= 5);
        assert_eq!(all(&w).len(), expected, "after {} questions", n + 1);
        w.answer(id, json!({"action": "answer", "value": 1}))
            .expect("an answer");
    }
    let alert = one(&w);
    assert_eq!(
        json!([alert.kind, alert.severity, alert.details["value"]]),
        json!(["quality", "medium", 6.0])
    );
    w.complete("s0", json!({}));
    assert_eq!(open(&w), Vec::<String>::new());
}

#[test]
fn a_lost_lease_is_an_alert_until_its_step_completes() {
    let mut w = World::running(steps(2), json!({}));
    w.take("s0", "ada");
    w.pass(31_000);
    let alert = one(&w);
    assert_eq!(
        json!([alert.kind, alert.severity, alert.step_id]),
        json!(["resource", "medium", w.step("s0").id])
    );
    w.take("s0", "bob");
    w.pass(31_000);
    assert_eq!(all(&w).len(), 1, "one alert for one step");
    resolve(&mut w, &alert);
    w.take("s0", "bob");
    w.pass(31_000);
    assert_eq!(open(&w), ["lost-lease"], "another lease was lost since");
    w.done("s0", json!({}));
    assert_eq!(open(&w), Vec::<String>::new());
}

#[test]
fn an_offer_that_nobody_takes_is_no_lost_lease() {
    let mut w = World::running(steps(1), json!({}));
    w.offer("s0", "ada").expect("it is offered");
    w.pass(11_000);
    assert_eq!(w.count("assignment.expired"), 1);
    assert_eq!(all(&w).len(), 0);
}

#[test]
fn a_retry_takes_the_alert_of_a_lost_lease_away() {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxLostLeases": 1}]),
        json!({}),
    );
    w.take("a", "ada");
    w.pass(31_000);
    assert_eq!(w.status(), "failed");
    assert_eq!(open(&w).len(), 2, "the lease, and the rate");
    w.manage("retry", json!({})).expect("it is retried");
    assert_eq!(open(&w), Vec::<String>::new());
}

#[test]
fn a_question_that_is_overdue_is_an_alert_until_it_is_answered() {
    let mut w = World::running(steps(1), json!({}));
    w.take("s0", "ada");
    let id = w.ask(
        "s0",
        json!({"mode": "suspend", "dueInMs": 10_000, "description": "Which?"}),
    );
    w.pass(9_999);
    assert_eq!(all(&w).len(), 0);
    w.pass(1);
    let alert = one(&w);
    assert_eq!(
        json!([
            alert.kind,
            alert.severity,
            alert.intervention_id,
            alert.message
        ]),
        json!([
            "timeout",
            "high",
            id,
            "A question of “Process” is overdue: Which?"
        ])
    );
    assert_eq!(
        w.count("intervention.reminded"),
        2,
        "at 50 and at 90 percent"
    );
    w.answer(id, json!({"action": "answer", "value": 1}))
        .expect("an answer");
    assert_eq!(open(&w), Vec::<String>::new());
}

#[test]
fn a_question_that_escalates_when_it_is_due_is_overdue_all_the_same() {
    let mut w = World::running(steps(1), json!({}));
    w.take("s0", "ada");
    let id = w.ask(
        "s0",
        json!({"mode": "suspend", "dueInMs": 10_000, "onExpire": "escalate"}),
    );
    w.pass(10_000);
    assert_eq!(w.question().level, 1);
    assert_eq!(open(&w), ["overdue-intervention"]);
    w.pass(10_000);
    assert_eq!(all(&w).len(), 1, "it has been overdue all the time");
    w.answer(id, json!({"action": "answer", "value": 1}))
        .expect("an answer");
    assert_eq!(open(&w), Vec::<String>::new());
}

#[test]
fn a_workspace_says_when_a_question_is_overdue_and_how_bad_that_is() {
    let rules = json!([
        rule("late", "overdueInterventions", 5_000.0),
        rule("later", "overdueInterventions", 60_000.0)
    ]);
    let mut w = ruled(rules, steps(1));
    w.take("s0", "ada");
    w.ask("s0", json!({"mode": "suspend", "dueInMs": 10_000}));
    w.pass(14_999);
    assert_eq!(open(&w), Vec::<String>::new());
    w.pass(1);
    assert_eq!(open(&w), ["late"]);
    assert_eq!(one(&w).severity, Severity::Critical);
    w.pass(55_000);
    assert_eq!(open(&w), ["late", "later"]);
    let overdue = |(timer, _): &(Timer, _)| matches!(timer, Timer::Reminder { percent: 100, .. });
    assert_eq!(w.timers.values().filter(|t| overdue(t)).count(), 0);
}

#[test]
fn rules_are_those_of_the_workspace_when_the_process_began() {
    let mut w = ruled(json!([rule("any", "errorRate", 0.0)]), steps(5));
    w.facts.alert_rules = None;
    w.broken("s0");
    assert_eq!(open(&w), ["any"]);
    w.done("s1", json!({}));
    w.manage("cancel", json!({})).expect("it is cancelled");
    assert_eq!(open(&w), Vec::<String>::new());

    let mut off = rule("off", "errorRate", 0.0);
    off["enabled"] = json!(false);
    let mut w = ruled(json!([off]), steps(5));
    w.broken("s0");
    assert_eq!(all(&w).len(), 0, "a rule that is off raises nothing");
}

#[test]
fn whoever_sees_an_alert_first_is_named() {
    let mut w = World::running(steps(2), json!({}));
    w.broken("s0");
    let alert = one(&w);
    let see = Command::AcknowledgeAlert { alert_id: alert.id };
    let seen = w.run(&person("eve"), see.clone()).expect("it is seen");
    assert_eq!(seen["acknowledgedBy"], "eve");
    let again = w.run(&person("bob"), see.clone()).expect("it is seen");
    assert_eq!(again["acknowledgedBy"], "eve");
    assert_eq!(w.count("alert.acknowledged"), 1);
    let reader = Principal {
        permission: Permission::Read,
        ..person("rita")
    };
    assert_eq!(w.run(&reader, see).unwrap_err().code, Code::Forbidden);
    let other = Command::ResolveAlert {
        alert_id: uuid::Uuid::nil().into(),
    };
    assert_eq!(
        w.run(&person("eve"), other).unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn alerts_are_for_the_whole_workspace_to_hear() {
    let mut w = World::running(steps(1), json!({}));
    w.broken("s0");
    let echoed = |name: &str| w.events.iter().any(|e| e.name() == name && e.is_echoed());
    assert!(echoed("alert.raised"));
    assert!(
        !echoed("recommendation.made"),
        "who reads the process hears of it"
    );
}

#[test]
fn rules_that_make_no_sense_are_refused_with_every_mistake() {
    let set = |items: Value| {
        Command::SetAlertRules(serde_json::from_value(json!({"items": items})).unwrap())
    };
    let mut w = World::new(&["ada"], &json!({}));
    let make = Command::CreateWorkspaceRoom {
        workspace_id: "default".into(),
        room_id: uuid::Uuid::from_u128(3).into(),
        name: "Default".to_owned(),
    };
    w.run(&world::system(), make).expect("a workspace");
    let refused = w.run(
        &admin(),
        set(json!([
            {"id": "a b", "metric": "errorRate", "threshold": 101},
            {"id": "x", "metric": "lostLeases", "threshold": -1},
            {"id": "x", "metric": "interventions", "threshold": 1},
        ])),
    );
    let paths: Vec<String> = refused
        .unwrap_err()
        .errors
        .into_iter()
        .map(|e| e.path)
        .collect();
    assert_eq!(
        paths,
        [
            "items[0].id",
            "items[0].threshold",
            "items[1].threshold",
            "items[2].id"
        ]
    );
    let set_now = w
        .run(
            &admin(),
            set(json!([{"metric": "lostLeases", "threshold": 2}])),
        )
        .expect("rules");
    assert_eq!(
        set_now["items"],
        json!([{"id": "rule-1", "metric": "lostLeases", "threshold": 2.0, "type": "resource", "severity": "medium", "enabled": true}])
    );
    let kept = w.state.alert_rules.as_ref().map(|r| r.items.len());
    assert_eq!(kept, Some(1));
    assert!(matches!(
        w.events.last(),
        Some(EventBody::AlertRulesUpdated(_))
    ));
    let read: State = serde_json::from_value(json!(w.state)).expect("a state");
    assert_eq!(read, w.state);
    let mut other = World::running(steps(1), json!({}));
    let elsewhere = other.run(&admin(), set(json!([])));
    assert_eq!(elsewhere.unwrap_err().code, Code::IllegalTransition);
    assert_eq!(AlertRule::defaults()[0].metric, Metric::ErrorRate);
}
