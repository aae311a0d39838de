//! Each thing that [`invariants::broken`] and [`Witness`] look for is found where it is: a state that commands led to is damaged by hand, one
//! field at a time.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod world;

use rooms::event::{Event, EventBody};
use rooms::id::EventId;
use rooms::invariants::{self, Witness};
use rooms::{State, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;
use world::by_attempt::respond;
use world::{World, agent, person};

/// A process with a step that is done, one that is held while a human is asked, one that is being handed over and one that waits.
fn whole() -> World {
    let steps = json!([
        {"key": "done", "name": "Done"}, {"key": "asks", "name": "Asks"}, {"key": "gives", "name": "Gives"},
        {"key": "waits", "name": "Waits", "dependencies": ["asks"]},
    ]);
    let mut w = World::of_four(steps, json!({}));
    w.done("done", json!({}));
    let asks = w.hold("asks", "ada");
    let voted = json!({"type": "approval", "description": "Send it?", "quorum": {"n": 2}});
    let open = w.ask_by(asks, voted).unwrap();
    w.run(&person("eve"), respond(open, json!({"action": "approve"})))
        .unwrap();
    let decided = json!({"type": "input", "description": "Name?"});
    let decided = w.ask_by(asks, decided).unwrap();
    let reply = json!({"action": "answer", "value": "x"});
    w.run(&person("eve"), respond(decided, reply)).unwrap();
    let gives = w.hold("gives", "bob");
    w.hand(gives, json!({"toAgentId": "cyd", "reason": "yours"}))
        .unwrap();
    w
}

/// The one in a map or list of the process for which `wanted` holds.
fn one<'a>(state: &'a mut Value, of: &str, wanted: impl Fn(&Value) -> bool) -> &'a mut Value {
    let all: Vec<&mut Value> = match &mut state["process"][of] {
        Value::Array(all) => all.iter_mut().collect(),
        Value::Object(all) => all.values_mut().collect(),
        other => panic!("{of}: {other}"),
    };
    all.into_iter().find(|v| wanted(v)).expect("one of these")
}

fn step<'a>(state: &'a mut Value, key: &str) -> &'a mut Value {
    one(state, "steps", |s| s["key"] == key)
}

/// The attempt of the step `asks`.
fn attempt(state: &mut Value) -> &mut Value {
    let id = step(state, "asks")["id"].clone();
    one(state, "attempts", |a| a["stepId"] == id)
}

fn intervention<'a>(state: &'a mut Value, kind: &str) -> &'a mut Value {
    one(state, "interventions", |i| i["type"] == kind)
}

/// A copy of what is found in a map, under another id.
fn doubled(state: &mut Value, of: &str, which: &Value, change: impl FnOnce(&mut Value)) {
    let id = Uuid::from_u128(99).to_string();
    let mut copy = which.clone();
    copy["id"] = json!(id);
    change(&mut copy);
    state["process"][of][&id] = copy;
}

type Damage = fn(&mut Value);

#[test]
fn each_broken_invariant_is_found_and_named() {
    let whole = whole();
    assert_eq!(invariants::broken(&whole.state), Vec::<String>::new());
    let damages: &[(&str, Damage)] = &[
        ("in a room that was never made", |s| s["room"] = Value::Null),
        ("the process is completed and its step", |s| {
            s["process"]["process"]["status"] = json!("completed");
        }),
        ("is completed and completedAt says otherwise", |s| {
            s["process"]["process"]["status"] = json!("completed");
        }),
        ("every step has ended and the process is running", |s| {
            for key in ["asks", "gives", "waits"] {
                step(s, key)["status"] = json!("completed");
            }
        }),
        ("1 steps have ended, currentStep says 3", |s| {
            s["process"]["process"]["currentStep"] = json!(3);
        }),
        ("the tally says", |s| {
            s["process"]["tally"]["atWork"] = json!(7)
        }),
        ("is open in a process that has ended", |s| {
            s["process"]["process"]["status"] = json!("failed");
        }),
        ("is open on a step that has ended", |s| {
            step(s, "asks")["status"] = json!("failed");
        }),
        ("is pending and half decided", |s| {
            intervention(s, "approval")["completedAt"] = json!(Timestamp(1));
        }),
        ("is completed and half decided", |s| {
            intervention(s, "input")["completedAt"] = Value::Null;
        }),
        ("is completed without a decision", |s| {
            intervention(s, "input")["outcome"] = Value::Null;
        }),
        ("somebody voted twice", |s| {
            let votes = intervention(s, "approval")["votes"].as_array_mut().unwrap();
            let again = votes[0].clone();
            votes.push(again);
        }),
        ("on what has ended", |s| {
            step(s, "gives")["status"] = json!("cancelled");
        }),
        ("gave the epoch", |s| {
            let old = attempt(s).clone();
            doubled(s, "attempts", &old, |a| {
                a["status"] = json!("failed");
                a["endedAt"] = json!(Timestamp(1));
            });
        }),
        ("behind its attempt of", |s| attempt(s)["epoch"] = json!(50)),
        ("its live attempt at", |s| {
            step(s, "asks")["epoch"] = json!(50)
        }),
        ("an attempt that is failed and did not end", |s| {
            attempt(s)["status"] = json!("failed");
        }),
        ("has 2 live attempts", |s| {
            let old = attempt(s).clone();
            doubled(s, "attempts", &old, |a| a["epoch"] = json!(0));
        }),
        ("names another holder than its live attempt", |s| {
            step(s, "asks")["heldBy"] = json!("dan");
        }),
        ("has 2 pending handoffs", |s| {
            let old = one(s, "handoffs", |_| true).clone();
            doubled(s, "handoffs", &old, |_| {});
        }),
        ("is pending (ready) with leased", |s| {
            let step = step(s, "asks");
            step["status"] = json!("pending");
            step["phase"] = json!("ready");
        }),
        ("is pending (blocked) with leased", |s| {
            let step = step(s, "gives");
            step["status"] = json!("pending");
            step["phase"] = json!("blocked");
        }),
        ("is running (executing) with no live attempt", |s| {
            let step = step(s, "waits");
            step["status"] = json!("running");
            step["phase"] = json!("executing");
        }),
        (
            "is running (executing) with leased, an open question",
            |s| {
                step(s, "asks")["phase"] = json!("executing");
            },
        ),
        ("is running (no phase)", |s| {
            step(s, "asks")["phase"] = Value::Null
        }),
        ("failed 9 of 3 times", |s| {
            step(s, "waits")["attempts"] = json!(9)
        }),
    ];
    for (wanted, damage) in damages {
        let mut json = serde_json::to_value(&whole.state).unwrap();
        damage(&mut json);
        let damaged: State = serde_json::from_value(json).unwrap();
        let found = invariants::broken(&damaged);
        assert!(
            found.iter().any(|f| f.contains(wanted)),
            "{wanted:?} is not in {found:#?}"
        );
    }
}

/// The events of a world's process, as its room's log.
fn log(w: &World) -> Vec<Event> {
    let room = w.state.room.as_ref().unwrap().id;
    let event = |(n, body): (usize, &EventBody)| Event {
        id: EventId(Uuid::from_u128(n as u128 + 1)),
        room_id: room,
        seq: n as u64 + 1,
        body: body.clone(),
        at: w.now,
        workspace_id: "default".into(),
        channel: rooms::model::room::Channel::General,
        actor: agent("ada").actor(),
        process_id: Some(w.process().process.id),
        step_id: None,
        causation_id: None,
        correlation_id: None,
        origin: None,
    };
    w.events.iter().enumerate().map(event).collect()
}

#[test]
fn what_the_state_no_longer_shows_is_seen_at_its_event() {
    let w = whole();
    let log = log(&w);
    let (mut witness, mut state) = (Witness::default(), State::default());
    for event in &log {
        assert_eq!(witness.see(&state, event), Vec::<String>::new());
        state.apply(event);
    }
    let again = |name: &str| {
        let found = log.iter().rfind(|e| e.body.name() == name);
        let mut event = found.unwrap_or_else(|| panic!("no {name}")).clone();
        event.seq = state.seq + 1;
        event
    };
    let cases: [(&str, Event); 6] = [
        (
            "comes 1",
            Event {
                seq: 1,
                ..again("step.started")
            },
        ),
        ("two live attempts", again("assignment.offered")),
        ("is not a new one", again("assignment.offered")),
        ("without being at work", again("step.completed")),
        ("a second result", again("step.completed")),
        ("ends a second time", again("intervention.completed")),
    ];
    for (wanted, event) in cases {
        let found = witness.clone().see(&state, &event);
        assert!(
            found.iter().any(|f| f.contains(wanted)),
            "{wanted:?} is not in {found:#?}"
        );
    }
}
