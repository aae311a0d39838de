//! Escalation and collaboration rules: every action, once for each cause, never in circles.

mod world;

use rooms::EventBody;
use rooms::event::RuleFired;
use serde_json::{Value, json};
use world::World;

fn escalate(condition: &str, action: &str, parameters: Value) -> Value {
    json!({"escalationRules": [{"id": "r", "condition": condition, "action": action, "parameters": parameters}]})
}

fn collaborate(condition: &str, kind: &str) -> Value {
    json!({"collaborationRules": [{"id": "r", "triggerCondition": condition, "collaborationType": kind, "targetAgents": ["bob", "cid"]}]})
}

fn two() -> Value {
    json!([{"key": "a", "name": "A", "backoffMs": 0, "maxAttempts": 10}, {"key": "b", "name": "B", "backoffMs": 0, "maxAttempts": 10}])
}

fn fired(w: &World) -> Vec<RuleFired> {
    w.events
        .iter()
        .filter_map(|e| match e {
            EventBody::RuleFired(f) => Some(f.clone()),
            _ => None,
        })
        .collect()
}

fn fails(w: &mut World, key: &str) {
    w.take(key, "ada");
    w.fail(key, json!({"code": "weak", "message": "no"}));
    w.pass(1);
}

#[test]
fn a_rule_about_the_state_fires_when_it_becomes_true_and_not_again_while_it_stays_so() {
    let mut w = World::with(
        escalate(
            "errorCount >= 2",
            "notify_human",
            json!({"message": "Look"}),
        ),
        two(),
        json!({}),
    );
    fails(&mut w, "a");
    assert_eq!(fired(&w).len(), 0);
    fails(&mut w, "b");
    let found = fired(&w);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].seen["errorCount"], json!(2));
    assert_eq!(
        (found[0].action.as_str(), found[0].outcome.as_str()),
        ("notify_human", "done")
    );
    assert_eq!(w.question().description, "Look");
    assert_eq!(
        w.status(),
        "running",
        "people are told; the process goes on"
    );
    fails(&mut w, "a");
    fails(&mut w, "a");
    assert_eq!(fired(&w).len(), 1);
}

#[test]
fn a_rule_about_a_step_fires_for_each_step_and_again_after_it_was_false() {
    let rule = escalate(
        "step.status == 'running' && step.attempts >= 1",
        "notify_human",
        json!({}),
    );
    let mut w = World::with(rule, two(), json!({}));
    fails(&mut w, "a");
    assert_eq!(fired(&w).len(), 0);
    w.take("a", "ada");
    w.take("b", "ada");
    assert_eq!(
        fired(&w).len(),
        1,
        "offered, accepted and started are one cause"
    );
    w.fail("b", json!({"message": "no"}));
    w.pass(1);
    w.take("b", "ada");
    let found = fired(&w);
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].step_id, found[1].step_id);
    w.fail("a", json!({"message": "no"}));
    assert_eq!(w.count("rule.cleared"), 1);
    w.pass(1);
    w.take("a", "ada");
    assert_eq!(fired(&w).len(), 3);
}

#[test]
fn a_rule_about_an_event_fires_for_each() {
    let rule = escalate(
        "event.type == 'assignment.expired' && event.step == 'a'",
        "notify_human",
        json!({}),
    );
    let mut config = rule;
    config["timeoutSettings"] = json!({"leaseMs": 1_000});
    let mut w = World::with(config, two(), json!({}));
    for n in 1..=3 {
        w.take("a", "ada");
        w.take("b", "bob");
        w.pass(1_000);
        assert_eq!(fired(&w).len(), n);
    }
    assert_eq!(w.count("rule.cleared"), 0);
}

#[test]
fn a_step_is_taken_from_its_agent_and_goes_to_another() {
    let rule = escalate(
        "event.type == 'step.progress' && event.data.percent < 5",
        "reassign_agent",
        json!({}),
    );
    let mut w = World::with(rule, two(), json!({}));
    let held = w.take("a", "ada");
    let progress = rooms::request::Progress {
        epoch: held.epoch,
        percent: Some(1.0),
        note: None,
    };
    w.run(
        &world::agent("ada"),
        rooms::Command::Progress {
            attempt_id: held.id,
            progress,
        },
    )
    .unwrap();
    assert_eq!(w.at("a"), "pending/ready");
    assert_eq!(
        w.step("a").avoid_agent_id.as_ref().map(|a| a.as_str()),
        Some("ada")
    );
    assert_eq!(w.process().attempts[&held.id].status.as_str(), "cancelled");
    w.take("a", "bob");
    w.complete("a", json!({}));
}

#[test]
fn a_step_for_one_agent_is_given_to_the_one_that_the_rule_names() {
    let rule = escalate(
        "event.type == 'step.started' && event.data.agentId == 'ada'",
        "reassign_agent",
        json!({"agentId": "bob"}),
    );
    let mut w = World::with(
        rule,
        json!([{"key": "a", "name": "A", "assignedAgentId": "ada"}]),
        json!({}),
    );
    w.offer("a", "ada").unwrap();
    let attempt = w.attempt("a");
    let lease = rooms::request::Lease {
        epoch: attempt.epoch,
    };
    w.run(
        &world::agent("ada"),
        rooms::Command::AcceptAttempt {
            attempt_id: attempt.id,
            lease,
        },
    )
    .unwrap();
    assert_eq!(w.at("a"), "pending/ready");
    w.take("a", "bob");
    w.complete("a", json!({}));
    assert_eq!(w.status(), "completed");
}

#[test]
fn a_step_that_failed_or_lost_its_lease_goes_to_another_agent_if_a_rule_says_so() {
    for (condition, parameters) in [
        ("step.attempts > 0", json!({})),
        ("error.code == 'weak'", json!({"agentId": "bob"})),
        ("event.type == 'step.retry_scheduled'", json!({})),
    ] {
        let rule = escalate(condition, "reassign_agent", parameters);
        let mut w = World::with(rule, two(), json!({}));
        fails(&mut w, "a");
        let outcomes: Vec<_> = fired(&w).into_iter().map(|f| f.outcome).collect();
        assert_eq!(outcomes, ["done"], "{condition}");
        let step = w.step("a");
        assert_eq!(step.avoid_agent_id, Some("ada".into()), "{condition}");
        assert!(
            step.preferred_agent_id
                .as_ref()
                .is_none_or(|p| p.as_str() == "bob")
        );
    }

    let rule = escalate(
        "event.type == 'assignment.expired'",
        "reassign_agent",
        json!({"agentId": "bob"}),
    );
    let mut config = rule;
    config["timeoutSettings"] = json!({"leaseMs": 1_000});
    let assigned = json!([{"key": "a", "name": "A", "assignedAgentId": "ada"}]);
    let mut w = World::with(config, assigned, json!({}));
    w.take("a", "ada");
    w.pass(1_000);
    assert_eq!(w.step("a").assigned_agent_id, Some("bob".into()));
    w.take("a", "bob");
    w.complete("a", json!({}));
    assert_eq!(w.status(), "completed");
}

#[test]
fn a_process_is_paused_or_aborted_by_a_rule() {
    let mut w = World::with(
        escalate(
            "errorCount > 0",
            "pause_process",
            json!({"mode": "interrupt"}),
        ),
        two(),
        json!({}),
    );
    w.take("b", "bob");
    fails(&mut w, "a");
    assert_eq!(w.status(), "paused");
    assert_eq!(w.at("b"), "pending/ready", "its work was interrupted");
    assert_eq!(
        w.process().process.reason.as_deref(),
        Some("the rule \"r\"")
    );
    let mut w = World::with(
        escalate("errorCount > 0", "abort_process", json!({})),
        two(),
        json!({}),
    );
    fails(&mut w, "a");
    assert_eq!(w.status(), "cancelled");
}

#[test]
fn a_rule_that_can_do_nothing_says_so() {
    let rule = escalate("event.type == 'process.failed'", "notify_human", json!({}));
    let mut w = World::with(rule, two(), json!({}));
    w.broken("a");
    assert_eq!(w.status(), "failed");
    assert!(fired(&w)[0].outcome.contains("the process has ended"));
    assert_eq!(w.questions(), 0);
}

#[test]
fn agents_are_asked_for_advice_for_a_review_or_to_work_along() {
    for (kind, sent) in [
        ("consultation", "question"),
        ("review", "request"),
        ("parallel_work", "request"),
    ] {
        let mut w = World::with(
            collaborate("event.type == 'step.started'", kind),
            two(),
            json!({}),
        );
        w.take("a", "ada");
        assert_eq!(w.process().open_communications.len(), 2, "{kind}");
        for message in w.process().open_communications.values() {
            assert_eq!(message.from_agent_id.as_str(), "ada");
            assert_eq!(serde_json::to_value(message.kind).unwrap(), sent);
            assert_eq!(message.metadata["stepKey"], "a");
            assert_eq!(message.metadata["collaborationType"], kind);
        }
    }
}

#[test]
fn a_step_is_handed_over_by_a_rule() {
    let mut w = World::with(
        json!({"handoffStrategy": "parallel", "collaborationRules": [{
            "id": "r", "triggerCondition": "event.type == 'step.progress' && event.data.note == 'stuck'",
            "collaborationType": "handoff", "targetAgents": ["bob", "cid"]}]}),
        two(),
        json!({}),
    );
    let held = w.take("a", "ada");
    let progress = rooms::request::Progress {
        epoch: held.epoch,
        percent: None,
        note: Some("stuck".into()),
    };
    w.run(
        &world::agent("ada"),
        rooms::Command::Progress {
            attempt_id: held.id,
            progress,
        },
    )
    .unwrap();
    assert_eq!(w.at("a"), "running/handing_off", "{:?}", fired(&w));
    assert_eq!(fired(&w)[0].outcome, "done");
}

#[test]
fn rules_that_cause_each_other_come_to_an_end() {
    let rules = json!({"escalationRules": [
        {"id": "x", "condition": "event.type == 'intervention.requested'", "action": "notify_human"},
        {"id": "y", "condition": "event.type == 'intervention.requested'", "action": "notify_human"},
        {"id": "z", "condition": "event.type == 'step.started'", "action": "notify_human"},
    ]});
    let mut w = World::with(rules, two(), json!({}));
    w.take("a", "ada");
    let ids: Vec<_> = fired(&w).into_iter().map(|f| f.rule_id).collect();
    assert_eq!(ids, ["z", "x", "y"]);
    assert_eq!(w.questions(), 3);
}

#[test]
fn a_rule_fires_a_bounded_number_of_times_in_a_process() {
    let mut w = World::with(
        escalate("event.type == 'step.progress'", "notify_human", json!({})),
        two(),
        json!({}),
    );
    let held = w.take("a", "ada");
    for _ in 0..rooms::limits::FIRINGS + 5 {
        let progress = rooms::request::Progress {
            epoch: held.epoch,
            percent: Some(1.0),
            note: None,
        };
        w.run(
            &world::agent("ada"),
            rooms::Command::Progress {
                attempt_id: held.id,
                progress,
            },
        )
        .unwrap();
    }
    assert_eq!(fired(&w).len(), rooms::limits::FIRINGS as usize);
}

#[test]
fn rules_that_cost_too_much_are_cut_short_and_the_command_goes_through() {
    let rules: Vec<_> = (0..50)
        .map(|n| json!({"id": format!("r{n}"), "condition": "big.all(a, big.all(b, a == b || a != b))", "action": "abort_process"}))
        .collect();
    let mut w = World::with(
        json!({"escalationRules": rules}),
        two(),
        json!({"context": {"sharedData": {"big": vec![1; 20_000]}}}),
    );
    w.done("a", json!({}));
    w.done("b", json!({}));
    assert_eq!(w.status(), "completed");
}

#[test]
fn what_is_wrong_with_rules_is_said_when_the_team_is_made() {
    let mut w = World::new(&["ada"], &json!({}));
    let team: rooms::request::CreateTeam = serde_json::from_value(json!({
        "name": "T", "agents": [{"agentId": "ada", "role": "leader"}],
        "configuration": {
            "escalationRules": [
                {"id": "r", "condition": "errorCount >", "action": "notify_human"},
                {"id": "r", "condition": "true", "action": "notify_human", "parameters": {"x": "y".repeat(20_000)}},
            ],
            "collaborationRules": [{"id": "c", "triggerCondition": "true", "collaborationType": "review", "targetAgents": []}],
        },
    }))
    .unwrap();
    let team_id = rooms::id::TeamId(uuid::Uuid::from_u128(77));
    let refusal = w
        .run(
            &world::person("admin"),
            rooms::Command::CreateTeam { team_id, team },
        )
        .unwrap_err();
    let paths: Vec<_> = refusal.errors.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "configuration.escalationRules[0].condition",
            "configuration.escalationRules[1].id",
            "configuration.escalationRules[1].parameters",
            "configuration.collaborationRules[0].targetAgents",
        ]
    );
    assert!(refusal.errors[0].message.contains("line 1, column"));
}
