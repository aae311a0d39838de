//! Templates, steps whose work is a process, and forks.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod world;

use rooms::command::Timer;
use rooms::decide::{outbound, refused};
use rooms::facts::Past;
use rooms::id::ProcessId;
use rooms::model::template::ProcessTemplate;
use rooms::{Code, Command, EventBody, Refusal, request as r};
use serde_json::{Value, json};
use uuid::Uuid;
use world::{World, person, system};

/// Makes a template in the workspace's room, and keeps it where starts find it.
fn make(w: &mut World, body: Value) -> Result<ProcessTemplate, Refusal> {
    let template: r::CreateTemplate = serde_json::from_value(body).expect("a template");
    let before = (w.state.clone(), w.checked, w.events.len());
    w.checked = false;
    w.state = rooms::State::default();
    let made = w.run(
        &person("admin"),
        Command::CreateTemplate(Box::new(template)),
    );
    w.state = before.0;
    w.checked = before.1;
    w.events.truncate(before.2);
    made.map(|t| serde_json::from_value(t).expect("a template"))
}

fn greeting() -> Value {
    json!({
        "name": "Greeting",
        "inputs": {"type": "object", "required": ["who"], "properties": {"who": {"type": "string"}}, "additionalProperties": false},
        "steps": [{"key": "greet", "name": "Greet", "maxAttempts": 1, "inputs": {"text": {"$from": "'Hello ' + variables.who"}}}],
        "context": {"variables": {"language": "en"}},
    })
}

fn from(w: &mut World, template: &ProcessTemplate, more: Value) -> Result<Value, Refusal> {
    let mut body = json!({"name": "", "templateId": template.id});
    for (k, v) in more.as_object().unwrap() {
        body[k] = v.clone();
    }
    w.start(json!([]), body)
}

#[test]
fn a_process_starts_from_a_template_with_inputs_that_fit_its_schema() {
    let mut w = World::new(&["ada"], &json!({}));
    let t = make(&mut w, greeting()).unwrap();
    assert_eq!(t.version, 1);
    for (inputs, path) in [
        (json!({}), "inputs.who"),
        (json!({"who": 7}), "inputs.who"),
        (json!({"who": "x", "y": 1}), "inputs"),
    ] {
        let refusal = from(&mut w, &t, json!({"inputs": inputs})).unwrap_err();
        assert_eq!(refusal.code, Code::InvalidRequest);
        assert_eq!(refusal.errors[0].path, path, "{refusal:?}");
    }
    from(&mut w, &t, json!({"inputs": {"who": "World"}})).unwrap();
    let p = &w.process().process;
    assert_eq!(p.name, "Greeting");
    assert_eq!(p.template.as_ref().map(|t| t.version), Some(1));
    assert_eq!(w.step("greet").inputs["text"], json!("Hello World"));
    assert_eq!(w.process().context.variables["language"], json!("en"));
}

#[test]
fn a_version_never_changes_and_a_start_may_name_an_older_one() {
    let mut w = World::new(&["ada"], &json!({}));
    let one = make(&mut w, greeting()).unwrap();
    let mut changed = greeting();
    changed["id"] = json!(one.id);
    changed["name"] = json!("Farewell");
    let two = make(&mut w, changed).unwrap();
    assert_eq!((two.id, two.version), (one.id, 2));
    from(&mut w, &one, json!({"inputs": {"who": "x"}})).unwrap();
    assert_eq!(
        w.process().process.name,
        "Farewell",
        "the newest, where none is named"
    );
    let mut w2 = World::new(&["ada"], &json!({}));
    w2.facts.templates = w.facts.templates.clone();
    from(
        &mut w2,
        &one,
        json!({"inputs": {"who": "x"}, "templateVersion": 1}),
    )
    .unwrap();
    assert_eq!(w2.process().process.name, "Greeting");
    let mut w3 = World::new(&["ada"], &json!({}));
    w3.facts.templates = w.facts.templates.clone();
    let refusal = from(&mut w3, &one, json!({"templateVersion": 3})).unwrap_err();
    assert_eq!(refusal.code, Code::NotFound);
}

#[test]
fn what_is_wrong_with_a_template_is_said_when_it_is_made() {
    let mut w = World::new(&["ada"], &json!({}));
    let unknown = Uuid::from_u128(5);
    for (body, path) in [
        (json!({"name": "T", "steps": []}), "steps"),
        (
            json!({"name": "T", "steps": [{"name": "A", "inputs": {"x": {"$from": "1 +"}}}]}),
            "steps[0].inputs.x.$from",
        ),
        (
            json!({"name": "T", "inputs": {"$ref": "#"}, "steps": [{"name": "A"}]}),
            "inputs.$ref",
        ),
        (
            json!({"name": "T", "steps": [{"name": "A", "process": {"templateId": unknown}}]}),
            "steps[0].process.templateId",
        ),
    ] {
        let refusal = make(&mut w, body).unwrap_err();
        assert_eq!(refusal.errors[0].path, path, "{refusal:?}");
    }
    let refusal = make(
        &mut w,
        json!({"id": unknown, "name": "T", "steps": [{"name": "A"}]}),
    )
    .unwrap_err();
    assert_eq!(refusal.code, Code::NotFound);
    let refusal = w
        .start(json!([{"name": "A"}]), json!({"inputs": {}}))
        .unwrap_err();
    assert_eq!(refusal.errors[0].path, "inputs");
}

/// A parent whose one step is a process from [`greeting`], and a world for the child.
fn parent(step: Value) -> (World, World) {
    let mut w = World::new(&["ada"], &json!({}));
    let t = make(&mut w, greeting()).unwrap();
    let mut sub = json!({"key": "sub", "name": "Sub", "process": {"templateId": t.id}, "inputs": {"who": {"$from": "'you'"}}, "backoffMs": 0});
    for (k, v) in step.as_object().unwrap() {
        sub[k] = v.clone();
    }
    w.start(
        json!([sub, {"key": "after", "name": "After", "dependencies": ["sub"]}]),
        json!({}),
    )
    .unwrap();
    (w, child())
}

fn child() -> World {
    let mut child = World::new(&["ada"], &json!({}));
    child.facts = rooms::Facts::default();
    child.seed = 1_000;
    child
}

/// Does what the timers of one room ask of the other, as the server does.
fn deliver(from: &mut World, to: &mut World) -> usize {
    to.facts.templates.extend(from.facts.templates.clone());
    to.facts.teams.extend(from.facts.teams.clone());
    to.facts.agents.extend(from.facts.agents.clone());
    let due: Vec<_> = from
        .timers
        .values()
        .filter(|(t, _)| t.is_outbound())
        .cloned()
        .collect();
    for (timer, due) in &due {
        if let Some(asked) = outbound(&from.state, timer) {
            let result = to.run(&system(), asked.command);
            if let Err(refusal) = result
                && let Some(told) = refused(timer, &refusal)
            {
                let _ = from.run(&system(), told);
            }
        }
        from.timers.remove(&timer.key());
        let _ = from.run(
            &system(),
            Command::Timer {
                timer: timer.clone(),
                due: *due,
            },
        );
    }
    due.len()
}

#[test]
fn a_step_whose_work_is_a_process_takes_that_processs_results() {
    let (mut p, mut c) = parent(json!({}));
    assert_eq!(p.at("sub"), "running/executing");
    assert_eq!(deliver(&mut p, &mut c), 1);
    assert_eq!(c.status(), "running");
    let made = &c.process().process;
    assert_eq!(Some(made.id), p.step("sub").child_process_id);
    assert_eq!(
        made.parent.as_ref().map(|x| (x.process_id, x.depth)),
        Some((p.process().process.id, 1))
    );
    assert_eq!(made.initiated_by, "admin");
    assert_eq!(c.step("greet").inputs["text"], json!("Hello you"));
    c.done("greet", json!({"said": true}));
    assert_eq!(c.status(), "completed");
    assert_eq!(deliver(&mut c, &mut p), 1);
    assert_eq!(p.all(), "sub=completed after=pending/ready");
    assert_eq!(
        p.step("sub").outputs,
        Some(json!({"greet": {"said": true}}))
    );
    assert_eq!(
        deliver(&mut p, &mut c),
        0,
        "an ended child is not cancelled"
    );
}

#[test]
fn a_processs_failure_fails_the_step_by_the_steps_own_rules() {
    let (mut p, mut c) = parent(json!({"maxAttempts": 2}));
    deliver(&mut p, &mut c);
    c.broken("greet");
    assert_eq!(c.status(), "failed");
    deliver(&mut c, &mut p);
    assert_eq!(p.at("sub"), "pending/backoff");
    assert_eq!(p.process().process.metrics.error_count, 1);
    let first = c.process().process.id;
    p.pass(1);
    assert_eq!(p.at("sub"), "running/executing");
    let mut second = child();
    deliver(&mut p, &mut second);
    assert_ne!(second.process().process.id, first);
    second.broken("greet");
    deliver(&mut second, &mut p);
    assert_eq!(p.at("sub"), "failed");
    assert_eq!(p.status(), "failed");
}

#[test]
fn a_child_is_cancelled_with_its_parent_even_where_it_had_not_begun() {
    let (mut p, mut c) = parent(json!({}));
    deliver(&mut p, &mut c);
    p.manage("cancel", json!({})).unwrap();
    assert_eq!(deliver(&mut p, &mut c), 1);
    assert_eq!(c.status(), "cancelled");
    // Its own end comes too late, and changes nothing.
    deliver(&mut c, &mut p);
    assert_eq!(p.status(), "cancelled");

    let (mut p, mut c) = parent(json!({}));
    p.manage("cancel", json!({})).unwrap();
    while deliver(&mut p, &mut c) > 0 {}
    assert!(c.state.process.is_none(), "it was not wanted any more");

    // The child begins in the very moment in which its parent is cancelled.
    let (mut p, mut c) = parent(json!({}));
    let (timer, due) = p
        .timers
        .values()
        .find(|(t, _)| matches!(t, Timer::StartChild { .. }))
        .cloned()
        .unwrap();
    let asked = outbound(&p.state, &timer).unwrap();
    p.manage("cancel", json!({})).unwrap();
    let cancel = p
        .timers
        .values()
        .find(|(t, _)| matches!(t, Timer::CancelChild { .. }))
        .cloned()
        .unwrap();
    c.facts = p.facts.clone();
    assert!(
        c.run(&system(), outbound(&p.state, &cancel.0).unwrap().command)
            .is_err(),
        "it is not there yet"
    );
    p.timers.remove(&cancel.0.key());
    c.run(&system(), asked.command).unwrap();
    p.timers.remove(&timer.key());
    p.run(&system(), Command::Timer { timer, due }).unwrap();
    deliver(&mut p, &mut c);
    assert_eq!(c.status(), "cancelled");
}

#[test]
fn a_child_that_cannot_be_started_fails_its_step() {
    let (mut p, mut c) = parent(json!({"inputs": {"who": 7}, "maxAttempts": 1}));
    deliver(&mut p, &mut c);
    assert_eq!(p.errors("sub"), "sub_process_refused");
    assert!(
        p.step("sub")
            .error
            .as_ref()
            .unwrap()
            .message
            .contains("inputs.who")
    );
    assert_eq!(p.status(), "failed");
}

#[test]
fn a_pause_that_interrupts_cancels_the_child_and_another_begins_on_resume() {
    let (mut p, mut c) = parent(json!({}));
    deliver(&mut p, &mut c);
    p.manage("pause", json!({"mode": "interrupt"})).unwrap();
    deliver(&mut p, &mut c);
    assert_eq!(c.status(), "cancelled");
    assert_eq!(p.at("sub"), "pending/ready");
    assert!(p.offer("sub", "ada").is_err());
    p.manage("resume", json!({})).unwrap();
    assert_eq!(p.at("sub"), "running/executing");
    assert_ne!(p.step("sub").child_process_id, Some(c.process().process.id));
}

#[test]
fn an_interrupt_leaves_a_question_about_a_step_whose_work_is_a_process_open() {
    let (mut p, mut c) = parent(json!({}));
    deliver(&mut p, &mut c);
    let first = p.step("sub").child_process_id;
    let question = json!({"type": "input", "description": "Really?", "stepId": "sub"});
    let question: r::RequestIntervention = serde_json::from_value(question).unwrap();
    let ask = Command::RequestIntervention {
        attempt_id: None,
        question: Box::new(question),
    };
    p.run(&person("eve"), ask).unwrap();
    assert_eq!(p.at("sub"), "running/executing", "its process goes on");
    p.manage("pause", json!({"mode": "interrupt"})).unwrap();
    assert_eq!(p.at("sub"), "pending/awaiting_input");
    p.manage("resume", json!({})).unwrap();
    assert_eq!(p.at("sub"), "pending/awaiting_input");
    let open = p.question().id;
    p.answer(open, json!({"action": "answer", "value": "yes"}))
        .unwrap();
    assert_eq!(p.at("sub"), "running/executing");
    assert_ne!(p.step("sub").child_process_id, first);
}

#[test]
fn a_step_that_took_too_long_gives_its_process_up() {
    let (mut p, mut c) = parent(json!({"timeoutMs": 5_000, "maxAttempts": 1}));
    deliver(&mut p, &mut c);
    p.pass(5_000);
    assert_eq!(p.errors("sub"), "timeout");
    deliver(&mut p, &mut c);
    assert_eq!(c.status(), "cancelled");
    let (mut p, mut c) = parent(json!({}));
    deliver(&mut p, &mut c);
    p.pass(3_000_000);
    assert_eq!(
        p.at("sub"),
        "running/executing",
        "a team's task timeout is for an agent's work"
    );
}

#[test]
fn processes_lie_in_each_other_only_so_deep() {
    let mut w = World::new(&["ada"], &json!({}));
    let t = make(&mut w, greeting()).unwrap();
    let process: r::StartProcess = serde_json::from_value(json!({
        "name": "Deep", "teamId": w.team_id(),
        "steps": [{"key": "sub", "name": "Sub", "process": {"templateId": t.id}, "inputs": {"who": "x"}}],
    }))
    .unwrap();
    let parent = rooms::model::process::ParentStep {
        process_id: ProcessId(Uuid::from_u128(1)),
        step_id: Uuid::from_u128(2).into(),
        depth: rooms::limits::SUB_PROCESSES,
    };
    let start = Command::StartChild {
        process_id: ProcessId(Uuid::from_u128(3)),
        parent,
        initiated_by: "eve".into(),
        process: Box::new(process),
    };
    w.run(&system(), start).unwrap();
    assert_eq!(w.errors("sub"), "too_deep");
}

/// Forks the process of a world after an event (none: the last) and gives the new one.
fn fork(w: &World, seq: Option<u64>, body: Value) -> Result<World, Refusal> {
    fork_with(w, seq, body, |_| {})
}

/// The same, once something else is different in the new one's world.
fn fork_with(
    w: &World,
    seq: Option<u64>,
    body: Value,
    change: impl FnOnce(&mut World),
) -> Result<World, Refusal> {
    let mut at = rooms::State::default();
    let mut given = None;
    for event in w.events.iter().take(seq.map_or(usize::MAX, |n| n as usize)) {
        if let EventBody::ProcessCreated(process) = event {
            given = Some(process.context.shared_data.clone());
        }
        at.apply_body(event, w.now);
        at.seq += 1;
    }
    let mut new = World::new(&["ada", "bob", "cid"], &json!({}));
    new.seed = 1_000;
    let source = w.process().process.id;
    let past = Past {
        seq: at.seq,
        state: at.process.clone().expect("a process"),
        given,
    };
    new.facts.sources.insert((source, seq), past);
    change(&mut new);
    let mut fork: r::ForkProcess = serde_json::from_value(body).unwrap();
    fork.seq = seq;
    let command = Command::ForkProcess {
        process_id: ProcessId(Uuid::from_u128(99)),
        source,
        team_id: new.team_id(),
        fork,
    };
    new.run(&person("admin"), command)?;
    Ok(new)
}

fn chain() -> World {
    World::running(
        json!([
            {"key": "a", "name": "A"},
            {"key": "b", "name": "B", "dependencies": ["a"], "inputs": {"n": {"$from": "sharedData.steps.a.n"}}},
            {"key": "c", "name": "C", "dependencies": ["b"]},
        ]),
        json!({}),
    )
}

#[test]
fn a_fork_begins_with_the_results_of_the_past() {
    let mut w = chain();
    w.done("a", json!({"n": 1}));
    let seq = w.events.len() as u64;
    w.done("b", json!({"n": 2}));
    w.done("c", json!({}));
    assert_eq!(w.status(), "completed");

    let mut f = fork(&w, Some(seq), json!({"name": "Again"})).unwrap();
    assert_eq!(f.all(), "a=completed b=pending/ready c=pending/blocked");
    assert_eq!(f.process().process.name, "Again");
    let from = f.process().process.forked_from.clone().unwrap();
    assert_eq!((from.process_id, from.seq), (w.process().process.id, seq));
    assert_eq!(f.step("b").inputs["n"], json!(1));
    assert_ne!(f.step("a").id, w.step("a").id, "ids are unique");
    assert_eq!(f.process().process.current_step, 1);
    f.done("b", json!({"n": 20}));
    f.done("c", json!({}));
    assert_eq!(f.status(), "completed");
    assert_eq!(
        f.process().context.shared_data["steps"]["a"],
        json!({"n": 1})
    );

    let f = fork(&w, None, json!({"fromStep": "b"})).unwrap();
    assert_eq!(f.all(), "a=completed b=pending/ready c=pending/blocked");
    assert!(f.process().context.shared_data["steps"].get("c").is_none());
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(f.status(), "completed", "nothing is left to do");
    assert!(fork(&w, None, json!({"fromStep": "x"})).is_err());
}

#[test]
fn a_fork_takes_up_what_had_failed_or_was_under_way() {
    let mut w = chain();
    w.done("a", json!({"n": 1}));
    w.take("b", "ada");
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(f.all(), "a=completed b=pending/ready c=pending/blocked");
    assert!(f.process().attempts.is_empty());
    w.fail("b", json!({"message": "no", "retryable": false}));
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(f.all(), "a=completed b=pending/ready c=pending/blocked");
    assert_eq!(f.step("b").attempts, 0);
}

#[test]
fn a_fork_has_of_merged_outputs_those_of_the_steps_that_it_keeps() {
    let mut w = World::running(
        json!([
            {"key": "a", "name": "A", "mergeOutputs": true},
            {"key": "b", "name": "B", "dependencies": ["a"], "mergeOutputs": true},
            {"key": "c", "name": "C", "dependencies": ["b"]},
        ]),
        json!({"context": {"sharedData": {"lang": "en", "tone": "dry"}}}),
    );
    w.done("a", json!({"lang": "de", "x": 1}));
    w.done("b", json!({"lang": "fr", "tone": "warm", "y": 2}));
    let shared = |w: &World| w.process().context.shared_data.clone();
    let f = fork(&w, None, json!({"fromStep": "b"})).unwrap();
    let only_a =
        json!({"lang": "de", "tone": "dry", "x": 1, "steps": {"a": {"lang": "de", "x": 1}}});
    assert_eq!(json!(shared(&f)), only_a);
    let again = fork(&f, None, json!({"fromStep": "a"})).unwrap();
    assert_eq!(
        json!(shared(&again)),
        json!({"tone": "dry", "steps": {}}),
        "the first fork was given what its past had merged"
    );
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(shared(&f), shared(&w));
}

#[test]
fn a_fork_in_the_middle_of_a_delegation_begins_the_step_anew_and_keeps_none_of_its_parts() {
    let mut w = chain();
    let attempt = w.take("a", "ada").id;
    let part = json!({"toAgentId": "bob", "kind": "delegate", "reason": "A part"});
    let asked = w.hand(attempt, part).unwrap();
    w.accept("bob", asked).unwrap();
    assert_eq!(
        w.all(),
        "a=running/executing b=pending/blocked c=pending/blocked a.d1=running/executing"
    );
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(
        f.all(),
        "a=pending/ready b=pending/blocked c=pending/blocked"
    );
    w.complete("a.d1", json!({"part": 1}));
    w.complete("a", json!({"n": 1}));
    let f = fork(&w, None, json!({})).unwrap();
    assert_eq!(
        f.all(),
        "a=completed b=pending/ready c=pending/blocked a.d1=completed"
    );
    assert_eq!(f.step("a.d1").parent_step_id, Some(f.step("a").id));
    let refusal = fork(&w, None, json!({"fromStep": "a.d1"})).err();
    assert_eq!(refusal.unwrap().errors[0].path, "fromStep");
}

#[test]
fn neither_a_template_nor_a_fork_waits_for_an_agent_that_was_removed() {
    let remove = |w: &mut World| {
        w.facts.agents.get_mut(&"bob".into()).unwrap().archived = true;
    };
    let mut w = World::new(&["ada", "bob"], &json!({}));
    let mut body = greeting();
    body["steps"][0]["assignedAgentId"] = json!("bob");
    let t = make(&mut w, body).unwrap();
    remove(&mut w);
    let refusal = from(&mut w, &t, json!({"inputs": {"who": "x"}})).unwrap_err();
    assert_eq!(refusal.errors[0].path, "steps[0].assignedAgentId");

    let mut w = World::running(
        json!([
            {"key": "a", "name": "A", "assignedAgentId": "bob"},
            {"key": "b", "name": "B", "dependencies": ["a"], "assignedAgentId": "ada"},
        ]),
        json!({}),
    );
    w.take("a", "bob");
    w.complete("a", json!({}));
    let again = |w: &World, from: &str| {
        let past = fork_with(w, None, json!({"fromStep": from}), remove);
        past.map(|f| f.all())
    };
    let refusal = again(&w, "a").unwrap_err();
    assert_eq!(refusal.code, Code::IllegalTransition);
    assert!(refusal.detail.contains("bob"), "{}", refusal.detail);
    assert_eq!(again(&w, "b").unwrap(), "a=completed b=pending/ready");
}

#[test]
fn a_sub_process_that_is_refused_says_which_fields_are_wrong() {
    let timer = Timer::StartChild {
        step: Uuid::from_u128(1).into(),
        process: ProcessId(Uuid::from_u128(2)),
    };
    let refusal = Refusal::field("inputs.who", "is missing");
    let Some(Command::ChildEnded { error, .. }) = refused(&timer, &refusal) else {
        panic!("the step is told");
    };
    let error = error.unwrap();
    assert_eq!(error.code, "sub_process_refused");
    assert_eq!(
        error.details,
        Some(
            json!({"code": "invalid_request", "errors": [{"path": "inputs.who", "message": "is missing"}]})
        )
    );
}

#[test]
fn the_past_of_another_team_or_a_past_that_is_gone_is_not_found() {
    let mut w = World::new(&["ada"], &json!({}));
    let command = Command::ForkProcess {
        process_id: ProcessId(Uuid::from_u128(99)),
        source: ProcessId(Uuid::from_u128(1)),
        team_id: w.team_id(),
        fork: r::ForkProcess {
            seq: Some(7),
            from_step: None,
            name: None,
        },
    };
    let refusal = w.run(&person("admin"), command).unwrap_err();
    assert_eq!(refusal.errors[0].path, "seq");
}
