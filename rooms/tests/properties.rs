//! What holds whatever is asked for: sequences of commands, graphs, expressions and schemas that proptest makes up and makes small again.
//!
//! Whole workspaces with everything in them are driven by `tests/simulation/`; here one thing at a time is looked at, so that what fails is
//! a handful of lines. The cases are the same in every run.

mod world;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rooms::expression::{self, Names};
use rooms::model::intervention::InterventionStatus;
use rooms::{Code, Command, EventBody, form};
use serde_json::{Value, json};
use world::by_attempt::AGENTS;
use world::{World, admin, agent, person, request, system};

/// So many cases, from a seed that does not change.
fn cases(n: u32) -> ProptestConfig {
    ProptestConfig {
        cases: n,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2_026),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    }
}

// ---- what agents and people do to one process, in any order

/// Something that is asked for; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Ask {
    Offer {
        step: usize,
        agent: usize,
        claim: bool,
    },
    Attempt {
        verb: usize,
        which: usize,
        stale: bool,
        stranger: bool,
    },
    HandOver {
        which: usize,
        to: usize,
        delegate: bool,
    },
    Handoff {
        verb: usize,
        which: usize,
        by: usize,
    },
    Question {
        which: usize,
        kind: usize,
        suspend: bool,
        by_hand: bool,
    },
    Reply {
        which: usize,
        action: usize,
        by: usize,
    },
    Manage(usize),
    Wait(u64),
}

fn ask() -> impl Strategy<Value = Ask> {
    let n = 0..4_usize;
    prop_oneof![
        4 => (n.clone(), n.clone(), any::<bool>())
            .prop_map(|(step, agent, claim)| Ask::Offer { step, agent, claim }),
        6 => (0..6_usize, n.clone(), prop::bool::weighted(0.1), prop::bool::weighted(0.1))
            .prop_map(|(verb, which, stale, stranger)| Ask::Attempt { verb, which, stale, stranger }),
        2 => (n.clone(), n.clone(), any::<bool>())
            .prop_map(|(which, to, delegate)| Ask::HandOver { which, to, delegate }),
        2 => (0..4_usize, n.clone(), n.clone())
            .prop_map(|(verb, which, by)| Ask::Handoff { verb, which, by }),
        2 => (n.clone(), 0..5_usize, any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(which, kind, suspend, by_hand)| Ask::Question { which, kind, suspend, by_hand }),
        3 => (n.clone(), 0..7_usize, n)
            .prop_map(|(which, action, by)| Ask::Reply { which, action, by }),
        1 => (0..5_usize).prop_map(Ask::Manage),
        2 => prop_oneof![Just(1), Just(900), Just(31_000), Just(400_000)].prop_map(Ask::Wait),
    ]
}

fn steps() -> impl Strategy<Value = Value> {
    let step = (
        vec(any::<bool>(), 4),
        prop::sample::select(vec![
            "all_succeeded",
            "all_done",
            "any_succeeded",
            "any_failed",
        ]),
        1..3_u32,
        prop::bool::weighted(0.15),
        prop::option::weighted(
            0.4,
            (
                prop::sample::select(vec!["success", "failure", "timeout"]),
                prop::sample::select(vec!["continue", "retry", "skip", "escalate", "abort"]),
            ),
        ),
    );
    vec(step, 1..5).prop_map(|all| {
        let steps: Vec<Value> = all
            .into_iter()
            .enumerate()
            .map(|(n, (before, rule, most, approval, condition))| {
                let before: Vec<_> = (0..n).filter(|i| before[*i]).map(|i| format!("s{i}")).collect();
                let condition = condition.map(|(kind, action)| json!([{"type": kind, "action": action}]));
                json!({
                    "key": format!("s{n}"), "name": "A step", "dependencies": before, "triggerRule": rule, "maxAttempts": most,
                    "backoffMs": 500, "requiresApproval": approval, "conditions": condition.unwrap_or(json!([])),
                })
            })
            .collect();
        json!(steps)
    })
}

fn nth<T: Clone>(all: impl Iterator<Item = T>, n: usize) -> Option<T> {
    let all: Vec<T> = all.collect();
    (!all.is_empty()).then(|| all[all.len() - 1 - n % all.len()].clone())
}

/// The command that this stands for here; none where there is nothing that it could be about.
fn command(w: &World, ask: &Ask) -> Option<(rooms::model::access::Principal, Command)> {
    let process = w.process();
    let live_first = |n: usize| {
        let live = process.attempts.values().filter(|a| a.status.is_live());
        nth(live, n).or_else(|| nth(process.attempts.values(), n))
    };
    Some(match ask {
        Ask::Offer {
            step,
            agent: who,
            claim,
        } => {
            let command = Command::Offer {
                step_id: nth(process.steps.iter(), *step)?.id,
                agent_id: AGENTS[*who].into(),
                instance_id: None,
                claim: *claim,
            };
            let by = if *claim {
                agent(AGENTS[*who])
            } else {
                system()
            };
            (by, command)
        }
        Ask::Attempt {
            verb,
            which,
            stale,
            stranger,
        } => {
            let attempt = live_first(*which)?;
            let attempt_id = attempt.id;
            let epoch = attempt.epoch - u64::from(*stale);
            let command = match verb {
                0 | 1 => Command::AcceptAttempt {
                    attempt_id,
                    lease: request(json!({"epoch": epoch})),
                },
                2 => Command::RejectAttempt {
                    attempt_id,
                    lease: request(json!({"epoch": epoch})),
                },
                3 => Command::Complete {
                    attempt_id,
                    result: request(json!({"epoch": epoch, "outputs": {"n": which}})),
                },
                4 => Command::Fail {
                    attempt_id,
                    failure: request(
                        json!({"epoch": epoch, "error": {"message": "it broke", "retryable": which % 2 == 0}}),
                    ),
                },
                _ => Command::Release {
                    attempt_id,
                    lease: request(json!({"epoch": epoch})),
                },
            };
            let by = if *stranger {
                "zoe"
            } else {
                attempt.agent_id.as_str()
            };
            (agent(by), command)
        }
        Ask::HandOver {
            which,
            to,
            delegate,
        } => {
            let attempt = live_first(*which)?;
            let kind = if *delegate { "delegate" } else { "transfer" };
            let handoff = json!({"epoch": attempt.epoch, "toAgentId": AGENTS[*to], "kind": kind, "reason": "yours"});
            let command = Command::RequestHandoff {
                attempt_id: Some(attempt.id),
                handoff: Box::new(request(handoff)),
            };
            (agent(attempt.agent_id.as_str()), command)
        }
        Ask::Handoff { verb, which, by } => {
            let handoff_id = nth(process.handoffs.keys(), *which).copied()?;
            let reason = request(json!({"reason": "no"}));
            let command = match verb {
                0 => Command::AcceptHandoff { handoff_id },
                1 => Command::RejectHandoff { handoff_id, reason },
                2 => Command::CancelHandoff { handoff_id, reason },
                _ => Command::CompleteHandoff { handoff_id },
            };
            (agent(AGENTS[*by]), command)
        }
        Ask::Question {
            which,
            kind,
            suspend,
            by_hand,
        } => {
            let kind = ["approval", "input", "decision", "review", "escalation"][*kind];
            let mode = if *suspend { "suspend" } else { "hold" };
            let mut question = json!({"type": kind, "description": "What now?", "options": ["a", "b"], "mode": mode, "expiresInMs": 20_000});
            if *by_hand {
                question["stepId"] = json!(nth(process.steps.iter(), *which)?.key);
                let command = Command::RequestIntervention {
                    attempt_id: None,
                    question: Box::new(request(question)),
                };
                return Some((person("eve"), command));
            }
            let attempt = live_first(*which)?;
            question["epoch"] = json!(attempt.epoch);
            let command = Command::RequestIntervention {
                attempt_id: Some(attempt.id),
                question: Box::new(request(question)),
            };
            (agent(attempt.agent_id.as_str()), command)
        }
        Ask::Reply { which, action, by } => {
            let id = nth(process.interventions.keys(), *which).copied()?;
            let actions = [
                "approve", "reject", "modify", "answer", "choose", "escalate", "abort",
            ];
            let reply =
                json!({"action": actions[*action], "value": 1, "choice": "a", "modifications": {}});
            let mut reply = reply;
            // What an action does not take is left out.
            let keep = [
                None,
                None,
                Some("modifications"),
                Some("value"),
                Some("choice"),
                None,
                None,
            ][*action];
            if let Some(all) = reply.as_object_mut() {
                all.retain(|k, _| k == "action" || Some(k.as_str()) == keep);
            }
            let who = person(["eve", "pia", "tom", "uma"][*by]);
            let command = Command::RespondIntervention {
                intervention_id: id,
                reply: Box::new(request(reply)),
            };
            (who, command)
        }
        Ask::Manage(verb) => {
            let why = |mode: &str| request(json!({"mode": mode}));
            let command = match verb {
                0 => Command::PauseProcess(why("drain")),
                1 => Command::PauseProcess(why("interrupt")),
                2 => Command::CancelProcess(why("drain")),
                3 => Command::RetryProcess(why("drain")),
                _ => Command::ResumeProcess(why("drain")),
            };
            (admin(), command)
        }
        Ask::Wait(_) => return None,
    })
}

proptest! {
    #![proptest_config(cases(300))]

    /// Nothing panics, deciding twice gives the same, the log alone gives the state, every invariant holds and what waits has its timer
    /// (all of it asked by [`World::run`]); a result is accepted once a run, a question is decided once, and every event is read as what
    /// was written.
    #[test]
    fn whatever_is_asked_for_in_whatever_order_the_model_holds(graph in steps(), asks in vec(ask(), 1..60)) {
        let mut w = World::of_four(graph, json!({"timeoutSettings": {"leaseMs": 30_000}}));
        for ask in &asks {
            if let Ask::Wait(ms) = ask {
                w.pass(*ms);
            } else if let Some((who, command)) = command(&w, ask) {
                let before = (w.state.clone(), w.events.len());
                if let Err(refusal) = w.run(&who, command) {
                    prop_assert_ne!(refusal.code, Code::Internal);
                    prop_assert!(!refusal.detail.is_empty());
                    if w.events.len() == before.1 {
                        prop_assert_eq!(&before.0, &w.state, "a refusal changes nothing");
                    }
                }
            }
        }
        let (mut results, mut decided) = (BTreeSet::new(), BTreeSet::new());
        let mut run = 0;
        for body in &w.events {
            match body {
                EventBody::ProcessRetried(_) => run += 1,
                EventBody::StepCompleted(c) => prop_assert!(results.insert((run, c.id)), "a second result of {}", c.key),
                EventBody::InterventionCompleted(c) => prop_assert!(decided.insert(c.id), "decided twice"),
                _ => {}
            }
            let text = serde_json::to_string(body).unwrap();
            let read: EventBody = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, body, "{}", text);
        }
        let text = serde_json::to_string(&w.state).unwrap();
        let read: rooms::State = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &w.state);
        if w.process().process.status.is_terminal() {
            let open = w.process().interventions.values().filter(|i| i.status == InterventionStatus::Pending);
            prop_assert_eq!(open.count(), 0);
        }
    }

    /// A graph is taken exactly where one can walk through all of it, and never for ever.
    #[test]
    fn a_circle_of_steps_is_refused_and_nothing_else(edges in vec((0..8_usize, 0..8_usize), 0..14), n in 1..8_usize) {
        let before = |i: usize| -> BTreeSet<usize> {
            edges.iter().filter(|(a, b)| *a == i && *b < n).map(|(_, b)| *b).collect()
        };
        // Steps all of whose dependencies can be done, again and again.
        let mut done = BTreeSet::new();
        while let Some(next) = (0..n).find(|i| !done.contains(i) && before(*i).is_subset(&done)) {
            done.insert(next);
        }
        let steps: Vec<_> = (0..n)
            .map(|i| {
                let before: Vec<_> = before(i).iter().map(|b| format!("s{b}")).collect();
                json!({"key": format!("s{i}"), "name": "A step", "dependencies": before})
            })
            .collect();
        let mut w = World::new(&["ada"], &json!({}));
        let started = w.start(json!(steps), json!({}));
        prop_assert_eq!(started.is_ok(), done.len() == n, "{:?}", started);
        if let Err(refusal) = started {
            prop_assert_eq!(refusal.code, Code::InvalidRequest);
            return Ok(());
        }
        for _ in 0..n {
            let ready = w.process().steps.iter().find(|s| world::is_ready(s)).map(|s| s.key.clone());
            w.done(&ready.expect("a step that can begin"), json!({}));
        }
        prop_assert_eq!(w.status(), "completed");
    }
}

// ---- expressions

/// Texts that are often expressions, and often nearly.
fn text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "list",
        "text",
        "big",
        "outputs",
        "size",
        "matches",
        "contains",
        "map",
        "filter",
        "exists",
        "all",
        "has",
        "x",
        "true",
        "false",
        "null",
        "in",
        "0",
        "1",
        "2.5",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "18446744073709551615u",
        "'s'",
        "\"(a+)+$\"",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "===",
        "!==",
        "<",
        ">=",
        "&&",
        "||",
        "!",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        ",",
        "ä",
        "\\",
        "`",
        "@in",
        "dyn",
        "timestamp",
        "duration",
        "string",
        "int",
        "double",
        "type",
        "startsWith",
    ]);
    prop_oneof![
        6 => vec(word, 0..24).prop_map(|words| words.concat()),
        4 => grown(),
        1 => any::<String>(),
    ]
}

/// Expressions that are well-formed.
fn grown() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "b", "list", "text", "big", "1", "2.5", "'s'", "true", "null", "[]", "nothing",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(8, 64, 3, |inner| {
        let operator =
            prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "<", "&&", "||", "in"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(x, o, y)| format!("({x} {o} {y})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(x, y, z)| format!("({x} ? {y} : {z})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("{x}[{y}]")),
            (inner.clone(), inner.clone())
                .prop_map(|(x, y)| format!("[{x}, {y}].map(x, [x, {y}])")),
            (inner.clone(), inner.clone())
                .prop_map(|(x, y)| format!("{x}.filter(x, {y} == x).size()")),
            (inner.clone(), inner).prop_map(|(x, y)| format!("{{'k': {x}, 'l': {y}}}")),
        ]
    })
}

/// What nothing that is bounded takes, on the slowest machine that tests run on.
const LONG: Duration = Duration::from_secs(5);

proptest! {
    #![proptest_config(cases(1_500))]

    /// Whatever the text, it is refused or gives a value; it panics never, costs no more than its fuel and gives the same twice.
    #[test]
    fn an_expression_neither_panics_nor_runs_on(text in text()) {
        let began = Instant::now();
        let (list, words, big) = (json!([1, "two", null, [3]]), json!("some text"), json!(vec![0; 2_000]));
        let names = Names::default()
            .with("list", &list)
            .with("text", &words)
            .with("big", &big)
            .with_int("a", 7)
            .with_int("b", i64::MIN);
        let checked = expression::check(&text);
        let mut fuel = 10_000;
        let first = expression::evaluate_within(&text, &names, &mut fuel);
        if let Err(why) = &checked {
            prop_assert!(!why.is_empty());
            prop_assert!(first.is_err(), "what does not compile has no value: {}", text);
        }
        let mut again = 10_000;
        prop_assert_eq!(&first, &expression::evaluate_within(&text, &names, &mut again));
        prop_assert_eq!(fuel, again, "the same costs the same");
        if let Ok(value) = &first {
            prop_assert!(value.to_string().len() < 1_000_000, "a small expression gave much");
        }
        let _ = expression::seen(&text, &names);
        prop_assert!(began.elapsed() < LONG, "{} took {:?}", text, began.elapsed());
    }
}

// ---- forms

/// JSON of all sorts, a few levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|n| json!(n)),
        "[a-c]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-c]", inner), 0..4).prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

/// Objects that look like schemas: the words of JSON Schema over schemas, and over what has no business there.
fn schema() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec![
        "object", "array", "string", "number", "integer", "boolean", "null", "thing",
    ]);
    let references = prop::sample::select(vec![
        "#",
        "#/$defs/a",
        "#/properties/a",
        "http://example.org/x",
        "#/nowhere",
        "a",
    ]);
    let patterns = prop::sample::select(vec![
        "^a+$",
        "(a+)+$",
        "(a|a)*b",
        "[",
        "(?=a)",
        "a{1,1000}{1,1000}",
        "\\p{L}*",
    ]);
    let leaf = prop_oneof![
        kinds.prop_map(|k| json!({"type": k})),
        references.prop_map(|r| json!({"$ref": r})),
        patterns.prop_map(|p| json!({"pattern": p})),
        (any::<i32>(), any::<i32>())
            .prop_map(|(a, b)| json!({"minLength": a, "maximum": b, "multipleOf": b})),
        value(),
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let key = prop::sample::select(vec!["a", "b", "c"]);
        let map = vec((key, inner.clone()), 0..4).prop_map(|all| {
            Value::Object(all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        });
        let list = vec(inner.clone(), 0..4).prop_map(Value::from);
        let words = vec(
            prop_oneof![
                map.clone().prop_map(|m| ("properties", m)),
                map.clone().prop_map(|m| ("$defs", m)),
                map.prop_map(|m| ("patternProperties", m)),
                list.clone().prop_map(|l| ("allOf", l)),
                list.clone().prop_map(|l| ("anyOf", l)),
                list.clone().prop_map(|l| ("oneOf", l)),
                list.prop_map(|l| ("enum", l)),
                inner.clone().prop_map(|s| ("items", s)),
                inner.clone().prop_map(|s| ("not", s)),
                inner.clone().prop_map(|s| ("if", s)),
                inner.clone().prop_map(|s| ("then", s)),
                inner.clone().prop_map(|s| ("additionalProperties", s)),
                inner.prop_map(|s| ("default", s)),
                Just(("required", json!(["a"]))),
                Just(("uniqueItems", json!(true))),
            ],
            1..4,
        );
        words.prop_map(|all| {
            Value::Object(all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
        })
    })
}

proptest! {
    #![proptest_config(cases(800))]

    /// Whatever the schema, it is refused or can be checked with; nothing panics or runs on, and what it says is the same twice.
    #[test]
    fn a_schema_of_a_stranger_is_refused_or_bounded(schema in schema(), value in value()) {
        let began = Instant::now();
        match form::check_schema("schema", &schema) {
            Ok(()) => {
                let first = form::check_value("value", &schema, &value);
                prop_assert_eq!(&first, &form::check_value("value", &schema, &value));
                if let Err(refusal) = first {
                    prop_assert_ne!(refusal.code, Code::Internal);
                    prop_assert!(refusal.errors.len() <= 20);
                }
                let _ = form::default_of(&schema);
            }
            Err(refusal) => {
                prop_assert!(matches!(refusal.code, Code::InvalidRequest | Code::PayloadTooLarge), "{:?}", refusal);
            }
        }
        // What was refused for a form may still be met, in an old log.
        let _ = form::check_value("value", &schema, &value);
        prop_assert!(began.elapsed() < LONG, "took {:?}", began.elapsed());
    }
}
