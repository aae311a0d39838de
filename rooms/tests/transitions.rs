//! The state machines as tables that a reader can check: what each command comes to in each state. They are worked out by `decide`; a change
//! of a rule shows as a change of a line. docs/MODEL.md draws the same machines, and each of its transitions is taken here, and refused where it does not
//! belong.
//!
//! To add a machine: a function that makes a world in each of its states, a list of what may be asked, and a test that calls [`table`].

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be made fails the test"
)]

mod world;

use rooms::{Code, Command, Refusal, request as r};
use serde_json::{Value, json};
use world::table::{Came, Row, agrees_with_the_documentation, render};
use world::{World, agent, person, system};

type State = (&'static str, fn() -> World);
type Ask = (&'static str, fn(&mut World) -> Result<Value, Refusal>);

/// A row for each state and command: what the machine shows afterwards, or why it is refused.
fn table(states: &[State], asks: &[Ask], show: fn(&World) -> String) -> Vec<Row> {
    let mut rows = Vec::new();
    for (state, make) in states {
        assert_eq!(
            show(&make()),
            *state,
            "the world is in the state that it is made for"
        );
        for (name, ask) in asks {
            let mut w = make();
            let came = match ask(&mut w) {
                Ok(_) if show(&w) == *state => Came::Stays,
                Ok(_) => Came::To(show(&w)),
                Err(refusal) => {
                    assert_eq!(show(&w), *state, "a refusal changes nothing");
                    Came::Refused(refusal.code.as_str().to_owned())
                }
            };
            rows.push(Row {
                from: (*state).to_owned(),
                ask: (*name).to_owned(),
                came,
            });
        }
    }
    rows
}

fn lease(epoch: u64) -> r::Lease {
    r::Lease { epoch }
}

fn why(epoch: u64) -> r::LeaseReason {
    r::LeaseReason {
        epoch,
        reason: None,
    }
}

/// The newest attempt of the step `a`, live or not.
fn last(w: &World) -> Result<rooms::model::attempt::Attempt, Refusal> {
    let step = w.step("a").id;
    let found = w.process().attempts.values().rfind(|x| x.step_id == step);
    found
        .map(|x| (**x).clone())
        .ok_or_else(|| Refusal::new(Code::NotFound, "there is no attempt"))
}

fn fires(w: &mut World, kind: &str) -> Result<Value, Refusal> {
    let found = w
        .timers
        .iter()
        .find(|(key, _)| key.starts_with(kind))
        .map(|(key, t)| (key.clone(), t.clone()));
    let (key, (timer, due)) =
        found.ok_or_else(|| Refusal::new(Code::NotFound, "no such timer is set"))?;
    w.now = w.now.max(due);
    w.timers.remove(&key);
    w.run(&system(), Command::Timer { timer, due })
}

// ---- the process

fn steps() -> Value {
    json!([{"key": "a", "name": "A", "maxAttempts": 1}, {"key": "b", "name": "B", "dependencies": ["a"]}])
}

fn process_pending() -> World {
    World::with(json!({"humanApprovalRequired": true}), steps(), json!({}))
}

fn process_running() -> World {
    World::running(steps(), json!({}))
}

fn process_paused() -> World {
    let mut w = process_running();
    w.manage("pause", json!({})).unwrap();
    w
}

fn process_completed() -> World {
    let mut w = process_running();
    w.done("a", json!({}));
    w.done("b", json!({}));
    w
}

fn process_failed() -> World {
    let mut w = process_running();
    w.broken("a");
    w
}

fn process_cancelled() -> World {
    let mut w = process_running();
    w.manage("cancel", json!({})).unwrap();
    w
}

const PROCESSES: &[State] = &[
    ("pending", process_pending),
    ("running", process_running),
    ("paused", process_paused),
    ("completed", process_completed),
    ("failed", process_failed),
    ("cancelled", process_cancelled),
];

const ON_PROCESSES: &[Ask] = &[
    ("approve the start", |w| start(w, "approve")),
    ("reject the start", |w| start(w, "reject")),
    ("abort the start", |w| start(w, "abort")),
    ("pause", |w| w.manage("pause", json!({}))),
    ("pause (interrupt)", |w| {
        w.manage("pause", json!({"mode": "interrupt"}))
    }),
    ("resume", |w| w.manage("resume", json!({}))),
    ("cancel", |w| w.manage("cancel", json!({}))),
    ("retry", |w| w.manage("retry", json!({}))),
    ("last step completes", |w| {
        let asked = w.offer("a", "ada");
        asked?;
        w.take_offered("a", "ada");
        w.complete("a", json!({}));
        w.done("b", json!({}));
        Ok(Value::Null)
    }),
    ("step fails for good", |w| {
        w.offer("a", "ada")?;
        w.take_offered("a", "ada");
        w.fail("a", json!({"message": "no", "retryable": false}));
        Ok(Value::Null)
    }),
    ("timeout", |w| fires(w, "timeout")),
    ("start again", |w| w.start(steps(), json!({}))),
];

fn start(w: &mut World, action: &str) -> Result<Value, Refusal> {
    let asked = w
        .process()
        .interventions
        .values()
        .find(|i| i.key == "start")
        .map(|i| i.id);
    let id = asked.ok_or_else(|| Refusal::new(Code::NotFound, "nobody asked"))?;
    w.answer(id, json!({"action": action}))
}

#[test]
fn a_process_does_what_its_table_says() {
    let rows = table(PROCESSES, ON_PROCESSES, |w| w.status().to_owned());
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Process", &rows, str::to_owned);
}

#[test]
fn a_start_that_was_refused_is_not_gone_round_by_a_retry() {
    let mut w = process_pending();
    start(&mut w, "reject").unwrap();
    assert_eq!(w.status(), "failed");
    let refusal = w.manage("retry", json!({})).unwrap_err();
    assert_eq!(refusal.code, Code::IllegalTransition);
    assert_eq!(w.all(), "a=cancelled b=cancelled");
    // What was approved once needs no second approval.
    let mut w = process_pending();
    let asked = w.question().id;
    let changed = json!({"action": "modify", "modifications": {"steps": []}});
    let refusal = w.answer(asked, changed).unwrap_err();
    assert_eq!(refusal.errors[0].path, "action");
    assert_eq!(w.status(), "pending");
    start(&mut w, "approve").unwrap();
    w.broken("a");
    w.manage("retry", json!({})).unwrap();
    assert_eq!(w.all(), "a=pending/ready b=pending/blocked");
}

// ---- the step, with its phases

fn a(more: Value) -> World {
    let mut step = json!({"key": "a", "name": "A", "maxAttempts": 2, "backoffMs": 1_000});
    for (k, v) in more.as_object().unwrap() {
        step[k] = v.clone();
    }
    World::running(
        json!([step, {"key": "z", "name": "Z"}]),
        json!({"failFast": false}),
    )
}

fn step_blocked() -> World {
    World::running(
        json!([{"key": "z", "name": "Z", "maxAttempts": 1}, {"key": "a", "name": "A", "maxAttempts": 2, "dependencies": ["z"]}]),
        json!({"failFast": false}),
    )
}

fn step_ready() -> World {
    a(json!({}))
}

fn step_backoff() -> World {
    let mut w = a(json!({}));
    w.take("a", "ada");
    w.fail("a", json!({"message": "no"}));
    w
}

fn step_asked() -> World {
    a(json!({"requiresApproval": true}))
}

fn step_suspended() -> World {
    let mut w = a(json!({}));
    w.take("a", "ada");
    w.ask("a", json!({"mode": "suspend", "type": "approval"}));
    w
}

fn step_offered() -> World {
    let mut w = a(json!({}));
    w.offer("a", "ada").unwrap();
    w
}

fn step_executing() -> World {
    let mut w = a(json!({}));
    w.take("a", "ada");
    w
}

fn step_held() -> World {
    let mut w = a(json!({}));
    w.take("a", "ada");
    w.ask("a", json!({"mode": "hold", "type": "approval"}));
    w
}

fn step_handing_off() -> World {
    let mut w = a(json!({}));
    let attempt = w.take("a", "ada");
    let ask: r::RequestHandoff = serde_json::from_value(
        json!({"epoch": attempt.epoch, "toAgentId": "bob", "reason": "busy"}),
    )
    .unwrap();
    w.run(
        &agent("ada"),
        Command::RequestHandoff {
            attempt_id: Some(attempt.id),
            handoff: Box::new(ask),
        },
    )
    .unwrap();
    w
}

fn step_completed() -> World {
    let mut w = a(json!({}));
    w.done("a", json!({}));
    w
}

fn step_failed() -> World {
    let mut w = a(json!({}));
    w.broken("a");
    w
}

fn step_skipped() -> World {
    let mut w = a(json!({"conditions": [{"type": "failure", "action": "skip"}]}));
    w.broken("a");
    w
}

fn step_cancelled() -> World {
    let mut w = a(json!({}));
    w.manage("cancel", json!({})).unwrap();
    w
}

/// Whatever it comes to, a human is asked.
fn step_escalating() -> World {
    let mut w = a(json!({"conditions": [
        {"type": "success", "action": "escalate"}, {"type": "failure", "action": "escalate"}]}));
    w.take("a", "ada");
    w
}

fn step_escalated() -> World {
    let mut w = step_escalating();
    w.fail("a", json!({"message": "no", "retryable": false}));
    w
}

fn step_result() -> World {
    let mut w = step_escalating();
    w.complete("a", json!({}));
    w
}

/// States that look alike from outside have a word more.
fn show_step(w: &World) -> String {
    let at = w.at("a");
    let mut asked = w.process().interventions.values();
    let asked = asked.next_back().and_then(|i| i.key.split(':').next());
    match (at.as_str(), asked) {
        ("pending/awaiting_input", Some("begin")) => "pending/approval".to_owned(),
        ("pending/awaiting_input", Some("escalation")) => "pending/escalated".to_owned(),
        ("pending/awaiting_input", Some("result")) => "pending/result".to_owned(),
        ("running/executing", _) if !w.step("a").conditions.is_empty() => {
            "running/escalating".to_owned()
        }
        _ => at,
    }
}

const STEPS: &[State] = &[
    ("pending/blocked", step_blocked),
    ("pending/approval", step_asked),
    ("pending/ready", step_ready),
    ("pending/backoff", step_backoff),
    ("pending/awaiting_input", step_suspended),
    ("pending/escalated", step_escalated),
    ("pending/result", step_result),
    ("running/offered", step_offered),
    ("running/executing", step_executing),
    ("running/escalating", step_escalating),
    ("running/awaiting_input", step_held),
    ("running/handing_off", step_handing_off),
    ("completed", step_completed),
    ("failed", step_failed),
    ("skipped", step_skipped),
    ("cancelled", step_cancelled),
];

fn answer(w: &mut World, action: &str) -> Result<Value, Refusal> {
    reply(w, json!({"action": action}))
}

fn choose(w: &mut World, choice: &str) -> Result<Value, Refusal> {
    reply(w, json!({"action": "choose", "choice": choice}))
}

fn reply(w: &mut World, reply: Value) -> Result<Value, Refusal> {
    let step = w.step("a").id;
    let asked = w
        .process()
        .interventions
        .values()
        .find(|i| i.step_id == Some(step))
        .map(|i| i.id);
    let id = asked.ok_or_else(|| Refusal::new(Code::NotFound, "nobody asked"))?;
    w.answer(id, reply)
}

const ON_STEPS: &[Ask] = &[
    ("dependency completes", |w| {
        w.offer("z", "ada")?;
        w.take_offered("z", "ada");
        w.complete("z", json!({}));
        Ok(Value::Null)
    }),
    ("dependency fails", |w| {
        w.offer("z", "ada")?;
        w.take_offered("z", "ada");
        w.fail("z", json!({"message": "no", "retryable": false}));
        Ok(Value::Null)
    }),
    ("offer", |w| w.offer("a", "bob")),
    ("accept", |w| {
        let x = last(w)?;
        w.run(
            &agent("ada"),
            Command::AcceptAttempt {
                attempt_id: x.id,
                lease: lease(x.epoch),
            },
        )
    }),
    ("reject", |w| {
        let x = last(w)?;
        w.run(
            &agent("ada"),
            Command::RejectAttempt {
                attempt_id: x.id,
                lease: why(x.epoch),
            },
        )
    }),
    ("complete", |w| {
        let x = last(w)?;
        let result = r::Complete {
            epoch: x.epoch,
            outputs: json!({"other": true}),
        };
        w.run(
            &agent("ada"),
            Command::Complete {
                attempt_id: x.id,
                result,
            },
        )
    }),
    ("fail", |w| {
        let x = last(w)?;
        let failure: r::Fail =
            serde_json::from_value(json!({"epoch": x.epoch, "error": {"message": "other"}}))
                .unwrap();
        w.run(
            &agent("ada"),
            Command::Fail {
                attempt_id: x.id,
                failure,
            },
        )
    }),
    ("fail for good", |w| {
        let x = last(w)?;
        let error = json!({"message": "never", "retryable": false});
        let failure: r::Fail =
            serde_json::from_value(json!({"epoch": x.epoch, "error": error})).unwrap();
        w.run(
            &agent("ada"),
            Command::Fail {
                attempt_id: x.id,
                failure,
            },
        )
    }),
    ("release", |w| {
        let x = last(w)?;
        w.run(
            &agent("ada"),
            Command::Release {
                attempt_id: x.id,
                lease: why(x.epoch),
            },
        )
    }),
    ("ask and hold", |w| question(w, "hold")),
    ("ask and suspend", |w| question(w, "suspend")),
    ("hand over", |w| {
        let x = last(w)?;
        let ask: r::RequestHandoff =
            serde_json::from_value(json!({"epoch": x.epoch, "toAgentId": "bob", "reason": "busy"}))
                .unwrap();
        w.run(
            &agent("ada"),
            Command::RequestHandoff {
                attempt_id: Some(x.id),
                handoff: Box::new(ask),
            },
        )
    }),
    ("receiver accepts", |w| {
        let handoff_id = handoff(w)?;
        w.run(&agent("bob"), Command::AcceptHandoff { handoff_id })
    }),
    ("receiver refuses", |w| {
        let handoff_id = handoff(w)?;
        let reason: r::HandoffReason = serde_json::from_value(json!({})).unwrap();
        w.run(&agent("bob"), Command::RejectHandoff { handoff_id, reason })
    }),
    ("handoff expires", |w| fires(w, "handoff:")),
    ("human approves", |w| answer(w, "approve")),
    ("human rejects", |w| answer(w, "reject")),
    ("human takes the result", |w| choose(w, "accept")),
    ("human sends it back", |w| choose(w, "retry")),
    ("human skips it", |w| choose(w, "skip")),
    ("human lets it fail", |w| choose(w, "fail")),
    ("offer expires", |w| fires(w, "offer:")),
    ("lease expires", |w| fires(w, "lease:")),
    ("backoff ends", |w| fires(w, "backoff:")),
    ("timeout", |w| fires(w, "timeout:")),
    ("process paused", |w| w.manage("pause", json!({}))),
    ("process interrupted", |w| {
        w.manage("pause", json!({"mode": "interrupt"}))
    }),
    ("process cancelled", |w| w.manage("cancel", json!({}))),
    ("process retried", |w| w.manage("retry", json!({}))),
];

fn handoff(w: &World) -> Result<rooms::id::HandoffId, Refusal> {
    let found = w.process().handoffs.values().next().map(|h| h.id);
    found.ok_or_else(|| Refusal::new(Code::NotFound, "there is no handoff"))
}

fn question(w: &mut World, mode: &str) -> Result<Value, Refusal> {
    let x = last(w)?;
    let body =
        json!({"epoch": x.epoch, "type": "input", "description": "Another one", "mode": mode});
    let question: r::RequestIntervention = serde_json::from_value(body).unwrap();
    w.run(
        &agent("ada"),
        Command::RequestIntervention {
            attempt_id: Some(x.id),
            question: Box::new(question),
        },
    )
}

#[test]
fn a_step_does_what_its_table_says() {
    let rows = table(STEPS, ON_STEPS, show_step);
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Step", &rows, |name| match name {
        "pending/approval" | "pending/awaiting_input" => "suspended".to_owned(),
        "pending/escalated" | "pending/result" => "escalated".to_owned(),
        "running/escalating" => "executing".to_owned(),
        "running/awaiting_input" => "held".to_owned(),
        name => name.rsplit('/').next().unwrap_or(name).to_owned(),
    });
}

// ---- the attempt

fn attempt_rejected() -> World {
    let mut w = step_offered();
    let x = last(&w).unwrap();
    w.run(
        &agent("ada"),
        Command::RejectAttempt {
            attempt_id: x.id,
            lease: why(x.epoch),
        },
    )
    .unwrap();
    w
}

fn attempt_expired() -> World {
    let mut w = step_executing();
    fires(&mut w, "lease:").unwrap();
    w
}

fn attempt_released() -> World {
    let mut w = step_executing();
    let x = last(&w).unwrap();
    w.run(
        &agent("ada"),
        Command::Release {
            attempt_id: x.id,
            lease: why(x.epoch),
        },
    )
    .unwrap();
    w
}

fn attempt_cancelled() -> World {
    let mut w = step_executing();
    w.manage("pause", json!({"mode": "interrupt"})).unwrap();
    w
}

const ATTEMPTS: &[State] = &[
    ("offered", step_offered),
    ("leased", step_executing),
    ("rejected", attempt_rejected),
    ("expired", attempt_expired),
    ("released", attempt_released),
    ("cancelled", attempt_cancelled),
    ("suspended", step_suspended),
    ("completed", step_completed),
    ("failed", step_backoff),
];

fn on_steps(name: &str) -> Ask {
    *ON_STEPS
        .iter()
        .find(|(n, _)| *n == name)
        .unwrap_or_else(|| panic!("nothing is asked as {name}"))
}

fn on_attempts() -> Vec<Ask> {
    vec![
        on_steps("accept"),
        on_steps("reject"),
        ("heartbeat", |w| {
            let x = last(w)?;
            w.run(
                &agent("ada"),
                Command::Heartbeat {
                    attempt_id: x.id,
                    lease: lease(x.epoch),
                },
            )
        }),
        ("progress", |w| {
            let x = last(w)?;
            let progress = r::Progress {
                epoch: x.epoch,
                percent: Some(50.0),
                note: None,
            };
            w.run(
                &agent("ada"),
                Command::Progress {
                    attempt_id: x.id,
                    progress,
                },
            )
        }),
        on_steps("complete"),
        ("same result again", |w| {
            let x = last(w)?;
            let result = r::Complete {
                epoch: x.epoch,
                outputs: json!({}),
            };
            w.run(
                &agent("ada"),
                Command::Complete {
                    attempt_id: x.id,
                    result,
                },
            )
        }),
        on_steps("fail"),
        on_steps("release"),
        on_steps("ask and hold"),
        on_steps("ask and suspend"),
        on_steps("receiver accepts"),
        ("older epoch", |w| {
            let x = last(w)?;
            let result = r::Complete {
                epoch: x.epoch - 1,
                outputs: json!({}),
            };
            w.run(
                &agent("ada"),
                Command::Complete {
                    attempt_id: x.id,
                    result,
                },
            )
        }),
        ("another agent", |w| {
            let x = last(w)?;
            let result = r::Complete {
                epoch: x.epoch,
                outputs: json!({}),
            };
            w.run(
                &agent("bob"),
                Command::Complete {
                    attempt_id: x.id,
                    result,
                },
            )
        }),
        ("a person", |w| {
            let x = last(w)?;
            let result = r::Complete {
                epoch: x.epoch,
                outputs: json!({}),
            };
            w.run(
                &person("eve"),
                Command::Complete {
                    attempt_id: x.id,
                    result,
                },
            )
        }),
        on_steps("offer expires"),
        on_steps("lease expires"),
        on_steps("timeout"),
        on_steps("process paused"),
        on_steps("process interrupted"),
        on_steps("process cancelled"),
    ]
}

#[test]
fn an_attempt_does_what_its_table_says() {
    let rows = table(ATTEMPTS, &on_attempts(), |w| {
        last(w).map_or_else(|_| "none".to_owned(), |x| x.status.as_str().to_owned())
    });
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Attempt", &rows, str::to_owned);
}
