use super::*;
use serde_json::json;

fn with<T>(data: &Value, f: impl FnOnce(&Names<'_>) -> T) -> T {
    let mut names = Names::default();
    for (key, value) in data.as_object().unwrap() {
        names = names.with(key, value);
    }
    f(&names)
}

fn data() -> Value {
    json!({
        "outputs": {"score": 7, "rate": 0.5, "text": "a === b", "tags": ["x", "y"], "none": null},
        "items": [{"n": 1, "ok": true}, {"n": 2, "ok": false}, {"n": 3, "ok": true}],
        "error": null,
    })
}

fn gives(text: &str) -> Result<Value, String> {
    with(&data(), |names| evaluate(text, names))
}

#[test]
fn strict_comparisons_are_read_as_plain_ones_outside_of_strings() {
    assert_eq!(gives("outputs.score === 7"), Ok(json!(true)));
    assert_eq!(gives("outputs.score !== 7"), Ok(json!(false)));
    assert_eq!(gives("outputs.text == 'a === b'"), Ok(json!(true)));
    assert_eq!(gives(r#"outputs.text === """a === b""""#), Ok(json!(true)));
    assert_eq!(gives(r"r'\' === '\\'"), Ok(json!(true)));
}

#[test]
fn whole_and_broken_numbers_mix() {
    assert_eq!(gives("outputs.score * outputs.rate"), Ok(json!(3.5)));
    assert_eq!(
        gives("outputs.score > 6.5 && outputs.rate < 1"),
        Ok(json!(true))
    );
    assert_eq!(gives("7 / 2"), Ok(json!(3)));
    assert_eq!(gives("7 / 2.0"), Ok(json!(3.5)));
    assert_eq!(gives("7.0 == 7"), Ok(json!(true)));
    assert!(gives("9223372036854775807 + 1").is_err());
    assert!(gives("1 / 0").unwrap_err().contains("zero"));
}

#[test]
fn the_language_is_that_of_cel() {
    for (text, value) in [
        ("items.exists(i, i.n == 2)", json!(true)),
        ("items.all(i, i.ok)", json!(false)),
        ("items.exists_one(i, i.n == 2)", json!(true)),
        ("items.map(i, i.n * 2)", json!([2, 4, 6])),
        ("items.filter(i, i.ok).map(i, i.n)", json!([1, 3])),
        ("items.map(i, i.ok, i.n)", json!([1, 3])),
        (
            "outputs.map(k, k)",
            json!(["score", "rate", "text", "tags", "none"]),
        ),
        ("size(items) == 3 && items.size() == 3", json!(true)),
        ("has(outputs.score) && !has(outputs.missing)", json!(true)),
        ("'x' in outputs.tags && 'score' in outputs", json!(true)),
        ("outputs.tags[1] + outputs['text']", json!("ya === b")),
        ("outputs.none == null && error == null", json!(true)),
        ("outputs.score > 5 ? 'high' : 'low'", json!("high")),
        (
            "{'n': outputs.score + 1, 'list': [1] + [2]}",
            json!({"n": 8, "list": [1, 2]}),
        ),
        (
            "'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')",
            json!(true),
        ),
        ("'abc123'.matches('^[a-z]+[0-9]+$')", json!(true)),
        ("int('42') + int(3.9)", json!(45)),
        ("string(1) + string(true)", json!("1true")),
        (
            "timestamp('2026-01-01T00:00:00Z') + duration('1h30m') > timestamp('2026-01-01T01:00:00Z')",
            json!(true),
        ),
        ("type(outputs.score) == int", json!(true)),
        ("false && outputs.missing", json!(false)),
        ("true || outputs.missing", json!(true)),
        ("outputs.missing || true", json!(true)),
        ("-outputs.score", json!(-7)),
        ("[1, [2, {'a': 3}]] == [1, [2, {'a': 3.0}]]", json!(true)),
    ] {
        assert_eq!(gives(text), Ok(value), "{text}");
    }
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    for (text, why) in [
        ("outputs.missing == 1", "there is no \"missing\" in outputs"),
        ("nothing.there == 1", "there is nothing named \"nothing\""),
        ("outputs.text + 1", "+ does not take string and int"),
        ("outputs.score < 'a'", "< does not take int and string"),
        ("outputs.tags[2]", "the list has 2 elements"),
        ("1.all(x, true)", "has no elements"),
    ] {
        let error = gives(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let error = with(&data(), |names| holds("outputs.score", names)).unwrap_err();
    assert_eq!(error, "gives 7, not true or false");
    assert_eq!(with(&data(), |names| holds(" ", names)), Ok(true));
}

#[test]
fn what_does_not_compile_is_refused_with_its_place() {
    for (text, why) in [
        ("outputs.score >", "line 1, column"),
        ("outputs.score === 7 &&\n  )", "line 2, column"),
        (
            "outputs.score === 7 && frobnicate(1)",
            "at line 1, column 24: there is no function \"frobnicate\"",
        ),
        (
            "true &&\n  outputs.list.frobnicate(1)",
            "at line 2, column 16: there is no function \"frobnicate\"",
        ),
        ("size(1, 2)", "size takes 2 arguments"),
        ("b'abc' == b'abc'", "bytes are not supported"),
        ("", "is empty"),
    ] {
        let error = check(text).unwrap_err();
        let expected = if text.starts_with("size") {
            "size takes 1 argument"
        } else {
            why
        };
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn no_text_makes_the_parser_overflow_the_stack_or_run_for_ever() {
    let hostile = [
        "(".repeat(2_000),
        "[".repeat(2_000),
        "!".repeat(2_000),
        "-".repeat(2_000),
        "a?".repeat(1_000),
        "a.".repeat(1_000),
        format!("a{}", ".a".repeat(1_000)),
        format!("1{}", "+1".repeat(1_000)),
        format!("a{}", "[0]".repeat(600)),
        format!("a{}", "&&a".repeat(600)),
        format!("{}true{}", "[1].all(x, ".repeat(30), ")".repeat(30)),
        "x".repeat(3_000),
        "'".to_owned(),
        "\"\"\"".to_owned(),
        "a ? b : ".repeat(60),
        "\u{0}\u{ffff}".to_owned(),
        format!("{}1{}", "(".repeat(31), ")".repeat(31)),
        format!("{}1{}", "[".repeat(31), "]".repeat(31)),
        format!("{}1{}", "{1:".repeat(31), "}".repeat(31)),
        format!("a{}", "&&a".repeat(240)),
    ];
    let run = move || {
        for text in hostile {
            let _ = check(&text);
        }
    };
    // No more stack than a worker thread of the server has.
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn an_evaluation_costs_bounded_time_and_memory() {
    let big = json!({"list": vec![1; 10_000], "text": "x".repeat(1 << 20), "deep": {"list": vec!["ab"; 10_000]}});
    for text in [
        "list.map(a, list.map(b, a * b))",
        "list.all(a, list.all(b, list.all(c, true)))",
        "list.map(a, text + text)",
        "text + text + text + text + text + text + text + text + text",
        "list.map(a, text)",
        "[text, text, text, text]",
        "list.exists(a, text.matches('(x+x+)+y'))",
        "list.exists(a, text.contains('y'))",
        "list.map(a, list)",
        "{'a': text, 'b': text, 'c': text, 'd': text}",
        "list.filter(a, deep == deep).size() > 0 && list.all(x, deep.list == deep.list)",
    ] {
        let mut fuel = limits::FUEL;
        let error = with(&big, |names| evaluate_within(text, names, &mut fuel)).unwrap_err();
        assert!(error.contains("costs too much"), "{text}: {error}");
        assert_eq!(fuel, 0, "{text}");
    }
    // What is large but only read costs what is read.
    assert_eq!(
        with(&big, |names| evaluate("list[9999] + size(list)", names)),
        Ok(json!(10_001))
    );
    assert_eq!(
        with(&big, |names| evaluate("list.map(x, x + 1).size()", names)),
        Ok(json!(10_000))
    );
    // Several evaluations share a budget.
    let mut fuel = 50;
    assert!(
        with(&big, |names| holds_within(
            "list.all(x, x == 1)",
            names,
            &mut fuel
        ))
        .is_err()
    );
    assert_eq!(fuel, 0);
}

#[test]
fn a_pattern_that_would_be_large_is_refused() {
    let error = gives("'a'.matches('(a{1000}){1000}')").unwrap_err();
    assert!(error.contains("pattern"), "{error}");
}

#[test]
fn what_was_seen_is_the_value_of_every_path_named() {
    let seen = with(&data(), |names| {
        seen(
            "outputs.score > 5 && items.exists(i, i.ok) && outputs.missing == 1",
            names,
        )
    });
    assert_eq!(seen["outputs.score"], json!(7));
    assert_eq!(seen["items"], data()["items"]);
    assert!(!seen.contains_key("outputs.missing") && !seen.contains_key("i.ok"));
    let long = json!({"text": "x".repeat(5_000)});
    assert_eq!(
        with(&long, |names| super::seen("text == ''", names))["text"],
        "…"
    );
}

#[test]
fn a_root_name_is_found() {
    assert!(mentions("event.type == 'x' && true", "event"));
    assert!(!mentions("outputs.event == 'x'", "event"));
}
