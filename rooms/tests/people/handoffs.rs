//! Handoffs: every transition taken, and one refused from each state; strategies, hops and circles, delegation, context and views.

use crate::world::table::{Came, Row, agrees_with_the_documentation};
use crate::world::{World, admin, agent, person, request, system};
use rooms::id::{AgentId, HandoffId};
use rooms::model::attempt::AttemptStatus;
use rooms::model::handoff::HandoffStatus;
use rooms::{Code, Command};
use serde_json::{Value, json};

fn to(agent: &str) -> Value {
    json!({"toAgentId": agent, "reason": "you know better"})
}

fn delegate(agent: &str) -> Value {
    json!({"toAgentId": agent, "kind": "delegate", "reason": "count the words", "context": {"taskContext": {"text": "a b"}}})
}

fn reject(id: HandoffId) -> Command {
    Command::RejectHandoff {
        handoff_id: id,
        reason: request(json!({"reason": "too busy"})),
    }
}

fn cancel(id: HandoffId) -> Command {
    Command::CancelHandoff {
        handoff_id: id,
        reason: request(json!({})),
    }
}

fn complete(id: HandoffId) -> Command {
    Command::CompleteHandoff { handoff_id: id }
}

#[test]
fn the_sender_holds_the_step_until_the_receiver_accepts_and_then_no_longer() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    assert_eq!(world.phase("write"), "handing_off");
    assert_eq!(world.attempt_status(sent), AttemptStatus::Leased);
    world.accept("bob", id).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Accepted);
    assert_eq!(world.attempt_status(sent), AttemptStatus::Released);
    assert_eq!(world.phase("write"), "executing");
    let received = world.held("write");
    let process = world.state.process.as_ref().unwrap();
    let epoch = |attempt| process.attempts[&attempt].epoch;
    assert_eq!(epoch(received), epoch(sent) + 1);
    assert!(
        world.report(sent, json!(1)).is_err(),
        "the sender no longer holds it"
    );
    world.report(received, json!(2)).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Completed);
    assert_eq!(world.step("write").outputs, Some(json!(2)));
}

#[test]
fn a_repeated_accept_gives_the_first_ack_again_even_after_the_work_is_done() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    let first = world.accept("bob", id).unwrap();
    let events = world.events.len();
    let again = world.accept("bob", id).unwrap();
    assert_eq!(
        (&again["attempt"], &again["context"]),
        (&first["attempt"], &first["context"])
    );
    assert_eq!(world.events.len(), events, "nothing happens twice");
    let received = world.held("write");
    world.report(received, json!(1)).unwrap();
    assert_eq!(
        world.accept("bob", id).unwrap()["attempt"]["id"],
        first["attempt"]["id"]
    );
    world.refused(
        &agent("cyd"),
        Command::AcceptHandoff { handoff_id: id },
        Code::Forbidden,
    );
}

#[test]
fn a_refusal_an_expiry_and_a_withdrawal_leave_the_sender_with_the_step() {
    for (how, status) in [
        ("reject", HandoffStatus::Rejected),
        ("cancel", HandoffStatus::Cancelled),
        ("expire", HandoffStatus::Expired),
    ] {
        let (mut world, sent) = World::holding(json!({}));
        let id = world.hand(sent, to("bob")).unwrap();
        world.refused(&agent("cyd"), reject(id), Code::Forbidden);
        world.refused(&agent("bob"), cancel(id), Code::Forbidden);
        match how {
            "reject" => drop(world.run(&agent("bob"), reject(id)).unwrap()),
            "cancel" => drop(world.run(&agent("ada"), cancel(id)).unwrap()),
            _ => {
                world.pass(20_000);
                world.heartbeat(sent);
                world.pass(11_000);
            }
        }
        assert_eq!(world.handoff(id).status, status, "{how}");
        assert_eq!(world.phase("write"), "executing");
        assert_eq!(world.step("write").held_by, Some(AgentId::from("ada")));
        world.refused(
            &agent("bob"),
            Command::AcceptHandoff { handoff_id: id },
            Code::IllegalTransition,
        );
        world.report(sent, json!(1)).unwrap();
    }
}

#[test]
fn a_step_whose_sender_died_is_kept_for_the_receiver_until_the_handoff_expires() {
    let timeouts = json!({"timeoutSettings": {"leaseMs": 1_000, "handoffTimeout": 5_000}});
    let (mut world, sent) = World::holding(timeouts.clone());
    let id = world.hand(sent, to("bob")).unwrap();
    world.pass(2_000);
    assert_eq!(world.attempt_status(sent), AttemptStatus::Expired);
    assert_eq!(
        (world.phase("write"), world.handoff(id).status),
        ("handing_off", HandoffStatus::Pending)
    );
    world.accept("bob", id).unwrap();
    assert_eq!(world.phase("write"), "executing");

    let (mut world, sent) = World::holding(timeouts);
    let id = world.hand(sent, to("bob")).unwrap();
    world.pass(6_000);
    assert_eq!(world.handoff(id).status, HandoffStatus::Expired);
    assert_eq!(world.phase("write"), "ready", "and it is offered anew");
}

#[test]
fn a_pending_handoff_ends_with_the_attempt_of_its_sender() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world.report(sent, json!(1)).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Cancelled);

    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world.report_failure(sent, true).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Cancelled);

    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world
        .ask_by(
            sent,
            json!({"type": "approval", "description": "ok?", "mode": "suspend"}),
        )
        .unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Cancelled);
    assert_eq!(world.phase("write"), "awaiting_input");
}

#[test]
fn an_accepted_handoff_completes_by_its_receivers_word_and_fails_with_its_step() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world.refused(&agent("bob"), complete(id), Code::IllegalTransition);
    world.accept("bob", id).unwrap();
    world.refused(&agent("ada"), complete(id), Code::Forbidden);
    world.refused(&agent("ada"), cancel(id), Code::IllegalTransition);
    world.run(&agent("bob"), complete(id)).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Completed);
    world.refused(&agent("bob"), complete(id), Code::IllegalTransition);

    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world.accept("bob", id).unwrap();
    let received = world.held("write");
    world.report_failure(received, false).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Failed);

    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, to("bob")).unwrap();
    world.accept("bob", id).unwrap();
    world
        .run(&admin(), Command::CancelProcess(request(json!({}))))
        .unwrap();
    assert_eq!(
        world.handoff(id).status,
        HandoffStatus::Failed,
        "none is left open on an ended process"
    );
}

#[test]
fn accepting_needs_a_free_slot() {
    let (mut world, sent) = World::holding(json!({}));
    world
        .facts
        .agents
        .get_mut(&AgentId::from("bob"))
        .unwrap()
        .slots = 1;
    world
        .facts
        .agent_live
        .entry(AgentId::from("bob"))
        .or_default()
        .insert(sent);
    let id = world.hand(sent, to("bob")).unwrap();
    let refusal = world.refused(
        &agent("bob"),
        Command::AcceptHandoff { handoff_id: id },
        Code::Conflict,
    );
    assert!(refusal.detail.contains("slot"));
    assert_eq!(world.handoff(id).status, HandoffStatus::Pending);
}

#[test]
fn no_handoff_goes_to_oneself_to_a_stranger_or_to_an_archived_agent() {
    let (mut world, sent) = World::holding(json!({}));
    assert_eq!(
        world.hand(sent, to("ada")).unwrap_err().code,
        Code::InvalidRequest
    );
    assert_eq!(
        world.hand(sent, to("eve")).unwrap_err().code,
        Code::NotFound
    );
    world
        .facts
        .agents
        .get_mut(&AgentId::from("cyd"))
        .unwrap()
        .archived = true;
    assert_eq!(
        world.hand(sent, to("cyd")).unwrap_err().code,
        Code::NotFound
    );
    assert_eq!(
        world.hand(sent, json!({"reason": "x"})).unwrap_err().errors[0].path,
        "toAgentId"
    );
    world.hand(sent, to("bob")).unwrap();
    assert_eq!(
        world.hand(sent, to("dan")).unwrap_err().code,
        Code::Conflict,
        "one at a time"
    );
}

#[test]
fn a_circle_without_progress_and_an_eleventh_hop_are_refused() {
    let (mut world, mut held) = World::holding(json!({}));
    let id = world.hand(held, to("bob")).unwrap();
    world.accept("bob", id).unwrap();
    held = world.held("write");
    let circle = world.hand(held, to("ada")).unwrap_err();
    assert!(circle.code == Code::Conflict && circle.detail.contains("circle"));
    for hop in 1..10 {
        let progress = world.with_epoch(held, json!({"percent": 5}));
        let who = world.holder(held);
        world
            .run(
                &who,
                Command::Progress {
                    attempt_id: held,
                    progress,
                },
            )
            .unwrap();
        let next = if hop % 2 == 1 { "ada" } else { "bob" };
        let id = world.hand(held, to(next)).unwrap();
        world.accept(next, id).unwrap();
        held = world.held("write");
    }
    let refusal = world.hand(held, to("cyd")).unwrap_err();
    assert!(
        refusal.code == Code::Conflict && refusal.detail.contains("10 times"),
        "{}",
        refusal.detail
    );
}

#[test]
fn of_several_the_first_to_accept_has_it_and_only_the_last_refusal_ends_it() {
    let several = json!({"toAgentIds": ["bob", "cyd", "bob", "dan"], "reason": "whoever is free"});
    let (mut world, sent) = World::holding(json!({"handoffStrategy": "parallel"}));
    let id = world.hand(sent, several.clone()).unwrap();
    assert_eq!(world.handoff(id).candidates.as_ref().map(Vec::len), Some(3));
    world.run(&agent("bob"), reject(id)).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Pending);
    world.refused(
        &agent("bob"),
        Command::AcceptHandoff { handoff_id: id },
        Code::IllegalTransition,
    );
    world.refused(
        &person("pia"),
        Command::AcceptHandoff { handoff_id: id },
        Code::IllegalTransition,
    );
    world.accept("dan", id).unwrap();
    assert_eq!(world.handoff(id).to_agent_id, Some(AgentId::from("dan")));
    world.refused(
        &agent("cyd"),
        Command::AcceptHandoff { handoff_id: id },
        Code::IllegalTransition,
    );

    let (mut world, sent) = World::holding(json!({"handoffStrategy": "parallel"}));
    let id = world.hand(sent, several).unwrap();
    for agent_id in ["bob", "cyd", "dan"] {
        assert_eq!(world.handoff(id).status, HandoffStatus::Pending);
        world.run(&agent(agent_id), reject(id)).unwrap();
    }
    assert_eq!(world.handoff(id).status, HandoffStatus::Rejected);
    assert_eq!(world.phase("write"), "executing");
}

#[test]
fn in_parallel_and_with_nobody_named_the_whole_team_is_asked() {
    let (mut world, sent) = World::holding(json!({"handoffStrategy": "parallel"}));
    let id = world.hand(sent, json!({"reason": "anybody"})).unwrap();
    let asked: Vec<_> = world.handoff(id).asked().map(AgentId::as_str).collect();
    assert_eq!(asked, ["bob", "cyd", "dan"]);
}

#[test]
fn where_rules_choose_the_first_that_holds_names_the_receiver() {
    let rules = json!({"handoffStrategy": "conditional", "collaborationRules": [
        {"id": "legal", "triggerCondition": "handoff.reason == 'legal'", "collaborationType": "handoff", "targetAgents": ["cyd"]},
        {"id": "urgent", "triggerCondition": "handoff.priority == 'urgent'", "collaborationType": "handoff", "targetAgents": ["ada", "dan"]},
        {"id": "advice", "triggerCondition": "false", "collaborationType": "consultation", "targetAgents": ["bob"]},
    ]});
    let (mut world, sent) = World::holding(rules.clone());
    let id = world.hand(sent, json!({"reason": "legal"})).unwrap();
    assert_eq!(world.handoff(id).to_agent_id, Some(AgentId::from("cyd")));
    assert_eq!(world.handoff(id).rule.as_deref(), Some("legal"));

    let (mut world, sent) = World::holding(rules.clone());
    let id = world
        .hand(sent, json!({"reason": "now", "priority": "urgent"}))
        .unwrap();
    assert_eq!(
        world.handoff(id).to_agent_id,
        Some(AgentId::from("dan")),
        "not the sender itself"
    );

    let (mut world, sent) = World::holding(rules);
    assert_eq!(
        world
            .hand(sent, json!({"reason": "other"}))
            .unwrap_err()
            .errors[0]
            .path,
        "toAgentId"
    );
    let id = world.hand(sent, to("bob")).unwrap();
    assert_eq!(
        world.handoff(id).to_agent_id,
        Some(AgentId::from("bob")),
        "no rule holds: who is named"
    );
}

#[test]
fn the_context_is_kept_exactly_hashed_and_filled_in_where_nothing_was_given() {
    let (mut world, sent) = World::holding(json!({}));
    let given = json!({"goal": "Ένα", "summary": "half", "decisions": [1.50, "x"], "hash": "mine", "taskContext": {"z": 1, "a": null}});
    let mut ask = to("bob");
    ask["context"] = given.clone();
    let id = world.hand(sent, ask).unwrap();
    let context = world.handoff(id).context.clone();
    for field in ["goal", "summary", "decisions", "taskContext"] {
        assert_eq!(context[field], given[field]);
    }
    assert_eq!(context["artifacts"], json!([]));
    assert!(context["remainingMs"].as_u64().is_some());
    let mut rest = context.as_object().unwrap().clone();
    let digest = rest.shift_remove("hash").unwrap();
    assert_eq!(digest, json!(rooms::decide::hash(&Value::Object(rest))));
    world.accept("bob", id).unwrap();
    assert_eq!(world.handoff(id).context, context, "it never changes");
    let huge =
        json!({"toAgentId": "cyd", "reason": "x", "context": {"summary": "x".repeat(300_000)}});
    let received = world.held("write");
    assert_eq!(
        world.hand(received, huge).unwrap_err().code,
        Code::PayloadTooLarge
    );
}

#[test]
fn a_view_shows_the_receiver_a_part_of_the_history_and_changes_nothing_of_it() {
    let (mut world, sent) = World::holding(json!({}));
    let history = json!([{"role": "user", "n": 1}, {"role": "agent", "n": 2}, {"role": "user", "n": 3}, {"role": "user", "n": 4}]);
    let mut ask = to("bob");
    ask["context"] = json!({"conversationHistory": history});
    ask["view"] = json!({"last": 2, "roles": ["user"]});
    let id = world.hand(sent, ask).unwrap();
    let ack = world.accept("bob", id).unwrap();
    assert_eq!(
        ack["context"]["conversationHistory"],
        json!([{"role": "user", "n": 3}, {"role": "user", "n": 4}])
    );
    assert_eq!(world.handoff(id).context["conversationHistory"], history);
    assert_eq!(ack["context"]["hash"], world.handoff(id).context["hash"]);
}

#[test]
fn a_delegation_makes_a_step_whose_result_returns_to_the_sender() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, delegate("bob")).unwrap();
    assert_eq!(
        world.phase("write"),
        "executing",
        "the sender goes on with its own"
    );
    let ack = world.accept("bob", id).unwrap();
    assert_eq!(ack["step"]["key"], "write.d1");
    assert_eq!(ack["step"]["inputs"], json!({"text": "a b"}));
    assert_eq!(world.attempt_status(sent), AttemptStatus::Leased);
    world.refused(&agent("bob"), complete(id), Code::IllegalTransition);
    let part = world.held("write.d1");
    world.report(part, json!({"words": 2})).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Completed);
    assert_eq!(world.handoff(id).result, Some(json!({"words": 2})));
    let held = rooms::view::work(world.process(), sent);
    assert_eq!(held["delegations"][0]["result"], json!({"words": 2}));
    world.report(sent, json!("done")).unwrap();
    assert_eq!(world.process().process.status.as_str(), "completed");
    assert_eq!(world.process().process.total_steps, 2);
}

#[test]
fn a_delegation_that_is_refused_expires_or_fails_is_the_senders_to_deal_with() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, delegate("bob")).unwrap();
    world.run(&agent("bob"), reject(id)).unwrap();
    assert_eq!(
        (world.handoff(id).status, world.phase("write")),
        (HandoffStatus::Rejected, "executing")
    );

    let id = world.hand(sent, delegate("cyd")).unwrap();
    world.accept("cyd", id).unwrap();
    let part = world.held("write.d1");
    world.report_failure(part, false).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Failed);
    assert_eq!(
        world.handoff(id).error.as_ref().map(|e| e.code.as_str()),
        Some("broken")
    );
    assert_eq!(
        world.phase("write"),
        "executing",
        "the sender decides what follows"
    );
    world.report(sent, json!(1)).unwrap();
    assert_eq!(world.process().process.status.as_str(), "completed");
}

#[test]
fn what_was_delegated_goes_on_without_its_sender_and_ends_with_the_step() {
    let timeouts = json!({"timeoutSettings": {"leaseMs": 1_000}});
    let (mut world, sent) = World::holding(timeouts.clone());
    let id = world.hand(sent, delegate("bob")).unwrap();
    world.accept("bob", id).unwrap();
    let part = world.held("write.d1");
    world.pass(800);
    world.heartbeat(part);
    world.pass(800);
    assert_eq!(world.attempt_status(sent), AttemptStatus::Expired);
    world.report(part, json!(7)).unwrap();
    assert_eq!(world.handoff(id).result, Some(json!(7)));
    let next = world.hold("write", "cyd");
    assert_eq!(
        rooms::view::work(world.process(), next)["delegations"][0]["result"],
        json!(7)
    );

    let (mut world, sent) = World::holding(timeouts);
    let id = world.hand(sent, delegate("bob")).unwrap();
    world.accept("bob", id).unwrap();
    let part = world.held("write.d1");
    world.report(sent, json!("no need")).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Failed);
    assert_eq!(world.attempt_status(part), AttemptStatus::Cancelled);
    assert_eq!(world.phase("write.d1"), "cancelled");
    assert_eq!(world.process().process.status.as_str(), "completed");
}

#[test]
fn a_delegation_whose_receiver_died_waits_for_that_receiver() {
    let (mut world, sent) = World::holding(json!({"timeoutSettings": {"leaseMs": 1_000}}));
    let id = world.hand(sent, delegate("bob")).unwrap();
    world.accept("bob", id).unwrap();
    world.pass(800);
    world.heartbeat(sent);
    world.pass(800);
    assert_eq!(
        (world.phase("write.d1"), world.handoff(id).status),
        ("ready", HandoffStatus::Accepted)
    );
    let part = world.hold("write.d1", "bob");
    world.report(part, json!(1)).unwrap();
    assert_eq!(world.handoff(id).status, HandoffStatus::Completed);
}

#[test]
fn work_is_not_delegated_back_to_whoever_waits_for_it() {
    let (mut world, sent) = World::holding(json!({}));
    let id = world.hand(sent, delegate("bob")).unwrap();
    world.accept("bob", id).unwrap();
    let part = world.held("write.d1");
    let refusal = world.hand(part, delegate("ada")).unwrap_err();
    assert!(refusal.code == Code::Conflict && refusal.detail.contains("circle"));
    let deeper = world.hand(part, delegate("cyd")).unwrap();
    world.accept("cyd", deeper).unwrap();
    assert_eq!(world.phase("write.d1.d1"), "executing");
    world.report(sent, json!(1)).unwrap();
    assert_eq!(
        world.phase("write.d1.d1"),
        "cancelled",
        "all of it ends with what it is a part of"
    );
    assert_eq!(world.handoff(deeper).status, HandoffStatus::Failed);
}

#[test]
fn the_team_has_no_more_at_work_than_its_maximum() {
    let (mut world, sent) = World::holding(json!({"maxConcurrentTasks": 1}));
    let id = world.hand(sent, delegate("bob")).unwrap();
    let refusal = world.refused(
        &agent("bob"),
        Command::AcceptHandoff { handoff_id: id },
        Code::Conflict,
    );
    assert!(refusal.detail.contains("maximum"));
    let id = world.hand(sent, to("bob")).unwrap();
    world.accept("bob", id).expect("a transfer adds nobody");
}

/// Every state of a handoff and everything that can be done to it: what comes of it.
#[test]
fn the_table_of_states_and_commands_reads_as_it_should() {
    use std::fmt::Write;
    let states = [
        "pending",
        "accepted",
        "rejected",
        "expired",
        "cancelled",
        "completed",
        "failed",
    ];
    let commands = [
        "accept",
        "accept by another",
        "reject",
        "cancel",
        "complete",
        "its timer",
        "step completes",
        "step fails",
        "sender's lease ends",
    ];
    let mut table = String::new();
    for kind in ["transfer", "delegate"] {
        let mut rows = Vec::new();
        for state in states {
            for command in commands {
                let mut world = World::holding(json!({})).0;
                let Some(id) = bring(&mut world, kind, state) else {
                    continue;
                };
                let reply = act(&mut world, kind, id, command);
                let after = world.handoff(id).status.as_str();
                let (result, came) = match reply {
                    Err(refusal) => {
                        let code = refusal.code.as_str().to_owned();
                        (code.clone(), Came::Refused(code))
                    }
                    Ok(_) if after == state => ("as it is".to_owned(), Came::Stays),
                    Ok(_) => (format!("→ {after}"), Came::To(after.to_owned())),
                };
                writeln!(table, "{kind:<9} {state:<10} {command:<20} {result}").unwrap();
                rows.push(Row {
                    from: state.to_owned(),
                    ask: command.to_owned(),
                    came,
                });
            }
        }
        agrees_with_the_documentation("Handoff", &rows, str::to_owned);
    }
    insta::assert_snapshot!(table);
}

fn bring(world: &mut World, kind: &str, state: &str) -> Option<HandoffId> {
    let sent = world.held("write");
    let ask = json!({"toAgentId": "bob", "kind": kind, "reason": "x"});
    let id = world.hand(sent, ask).ok()?;
    let work = if kind == "transfer" {
        "write"
    } else {
        "write.d1"
    };
    match state {
        "pending" => {}
        "rejected" => drop(world.run(&agent("bob"), reject(id)).ok()?),
        "cancelled" => drop(world.run(&agent("ada"), cancel(id)).ok()?),
        "expired" => {
            world.pass(20_000);
            world.heartbeat(sent);
            world.pass(11_000);
        }
        _ => drop(world.accept("bob", id).ok()?),
    }
    match state {
        "completed" if kind == "transfer" => drop(world.run(&agent("bob"), complete(id)).ok()?),
        "completed" => drop(world.report(world.held(work), json!(1)).ok()?),
        "failed" if kind == "transfer" => drop(
            world
                .run(&admin(), Command::CancelProcess(request(json!({}))))
                .ok()?,
        ),
        "failed" => drop(world.report_failure(world.held(work), false).ok()?),
        _ => {}
    }
    assert_eq!(world.handoff(id).status.as_str(), state);
    Some(id)
}

fn act(
    world: &mut World,
    kind: &str,
    id: HandoffId,
    command: &str,
) -> Result<Value, rooms::Refusal> {
    use rooms::command::Timer;
    let work = if kind == "transfer" {
        "write"
    } else {
        "write.d1"
    };
    let at_work = |world: &World| {
        let step = world
            .process()
            .step_named(work)
            .and_then(|s| s.current_attempt);
        step.ok_or_else(|| rooms::Refusal::illegal("nobody works on it"))
    };
    let due = world.now;
    match command {
        "accept" => world.accept("bob", id),
        "accept by another" => world.accept("cyd", id),
        "reject" => world.run(&agent("bob"), reject(id)),
        "cancel" => world.run(&agent("ada"), cancel(id)),
        "complete" => world.run(&agent("bob"), complete(id)),
        "its timer" => world.run(
            &system(),
            Command::Timer {
                timer: Timer::Handoff { handoff: id },
                due,
            },
        ),
        "step completes" => at_work(world).and_then(|a| world.report(a, json!(1))),
        "step fails" => at_work(world).and_then(|a| world.report_failure(a, false)),
        _ => {
            let attempt = world
                .process()
                .step_named("write")
                .and_then(|s| s.current_attempt);
            let attempt = attempt.ok_or_else(|| rooms::Refusal::illegal("nobody holds it"))?;
            world.run(
                &system(),
                Command::Timer {
                    timer: Timer::Lease { attempt },
                    due,
                },
            )
        }
    }
}
