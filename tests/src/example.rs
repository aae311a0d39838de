//! Examples in the documentation: requests and commands, as a page shows them, with what they are answered.
//!
//! A page is read into [`Step`]s, in its order, and a [`Notes`] keeps what its answers said, to be put in where a later step names it. What
//! the notation is, the pages say themselves.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Stands for whatever else is there: as a field for more fields, at the end of a list for more items.
const MORE: &str = "…";

/// What happens at a place of a page.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// A request over HTTP, with its answer.
    Http(Box<Http>),
    /// A connection is opened.
    Connect {
        /// Its name on the page.
        who: String,
        /// The handshake's `auth`.
        auth: Value,
    },
    /// A command, with its ack.
    Command {
        /// On which connection.
        who: String,
        /// The command.
        name: String,
        /// What is sent.
        payload: Value,
        /// What comes back: `ok`, then `data` and perhaps `seq`, or `error`.
        ack: Value,
    },
    /// An event that comes by itself.
    Event {
        /// On which connection.
        who: String,
        /// Its name.
        name: String,
        /// Its argument.
        argument: Value,
    },
}

/// A request and its answer.
#[derive(Debug, PartialEq)]
pub struct Http {
    /// GET, POST…
    pub method: String,
    /// With the query.
    pub path: String,
    /// As they stand there.
    pub headers: Vec<(String, String)>,
    /// None: the request has none.
    pub body: Option<Value>,
    /// The answer's status.
    pub status: u16,
    /// Headers that the answer has.
    pub answer_headers: Vec<(String, String)>,
    /// The answer's body.
    pub answer: Answer,
}

/// The body of an answer.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// There is none.
    Nothing,
    /// Some text.
    Text,
    /// JSON, to be matched.
    Json(Value),
}

/// The steps of a page.
///
/// # Panics
/// When a block cannot be read; the message holds it.
#[must_use]
pub fn steps(markdown: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut asked: Option<Http> = None;
    for (info, text) in blocks(markdown) {
        match info.split_once(' ') {
            None if info == "http" => match (text.strip_prefix("HTTP/1.1 "), asked.take()) {
                (Some(answer), Some(mut request)) => {
                    read_answer(answer, &mut request);
                    steps.push(Step::Http(Box::new(request)));
                }
                (None, None) => asked = Some(read_request(&text)),
                _ => panic!("a request has one answer: {text}"),
            },
            Some(("socket", who)) => read_socket(who, &text, &mut steps),
            _ => {}
        }
    }
    assert!(asked.is_none(), "the last request has no answer");
    steps
}

/// Each code block: what stands behind its fence, and its text.
fn blocks(markdown: &str) -> Vec<(String, String)> {
    let (mut found, mut current) = (Vec::new(), None::<(String, String)>);
    for line in markdown.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(current.take()),
            (Some((_, text)), _) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, Some(info)) => current = Some((info.to_owned(), String::new())),
            (None, None) => {}
        }
    }
    found
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Lines up to an empty one, and what stands behind it.
fn head_and_body(text: &str) -> (Vec<&str>, &str) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    (head.lines().collect(), body.trim())
}

fn read_headers(lines: &[&str]) -> Vec<(String, String)> {
    let header = |line: &&str| {
        let (name, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{line:?} is no header"));
        (name.to_owned(), value.to_owned())
    };
    lines.iter().map(header).collect()
}

fn read_request(text: &str) -> Http {
    let (head, body) = head_and_body(text);
    let line = head.first().and_then(|line| line.split_once(' '));
    let (method, path) = line.unwrap_or_else(|| panic!("this is no request: {text}"));
    Http {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: read_headers(&head[1..]),
        body: (!body.is_empty()).then(|| json(body)),
        status: 0,
        answer_headers: Vec::new(),
        answer: Answer::Nothing,
    }
}

fn read_answer(text: &str, request: &mut Http) {
    let (head, body) = head_and_body(text);
    let status = head.first().and_then(|line| line.get(..3)?.parse().ok());
    request.status = status.unwrap_or_else(|| panic!("this is no answer: {text}"));
    request.answer_headers = read_headers(&head[1..]);
    request.answer = match body {
        "" => Answer::Nothing,
        MORE => Answer::Text,
        _ => Answer::Json(json(body)),
    };
}

/// Words, each with its JSON: `connect {…}`, `noun:verb {…}` and then `ack {…}`, `on noun.past {…}`.
fn read_socket(who: &str, text: &str, steps: &mut Vec<Step>) {
    let mut rest = text.trim_start();
    let mut asked: Option<(String, Value)> = None;
    while !rest.is_empty() {
        let at = rest
            .find('{')
            .unwrap_or_else(|| panic!("no JSON in {rest}"));
        let said = rest[..at].trim();
        let mut values = serde_json::Deserializer::from_str(&rest[at..]).into_iter::<Value>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            other => panic!("{other:?} in {rest}"),
        };
        rest = rest[at + values.byte_offset()..].trim_start();
        let who = who.to_owned();
        match (said, asked.take()) {
            ("ack", Some((name, payload))) => steps.push(Step::Command {
                who,
                name,
                payload,
                ack: value,
            }),
            ("connect", None) => steps.push(Step::Connect { who, auth: value }),
            (said, None) if said.starts_with("on ") => steps.push(Step::Event {
                who,
                name: said[3..].to_owned(),
                argument: value,
            }),
            (said, None) if said.contains(':') => asked = Some((said.to_owned(), value)),
            _ => panic!("{said:?} in {text}"),
        }
    }
    assert!(asked.is_none(), "the last command has no ack: {text}");
}

/// What answers have said, by the names that the page gives it.
#[derive(Debug, Default)]
pub struct Notes(HashMap<String, String>);

/// A part of a text: as it stands, or a name in braces.
enum Part<'t> {
    Literal(&'t str),
    Name(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        let named = behind.split_once('}').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())
        });
        let Some((name, after)) = named else { break };
        out.extend((!before.is_empty()).then_some(Part::Literal(before)));
        out.push(Part::Name(name));
        rest = after;
    }
    out.extend((!rest.is_empty()).then_some(Part::Literal(rest)));
    out
}

fn is_time(text: &str) -> bool {
    let form = "0000-00-00T00:00:00.000000Z";
    let fits = |(c, f): (char, char)| if f == '0' { c.is_ascii_digit() } else { c == f };
    text.len() == form.len() && text.chars().zip(form.chars()).all(fits)
}

impl Notes {
    /// Notes something that no answer says.
    pub fn put(&mut self, name: &str, what: &str) {
        self.0.insert(name.to_owned(), what.to_owned());
    }

    /// A text with what its names stand for.
    ///
    /// # Panics
    /// When one of them stands for nothing yet.
    #[must_use]
    pub fn fill_text(&self, text: &str) -> String {
        let fill = |part| match part {
            Part::Literal(text) => text,
            Part::Name(name) => match self.0.get(name) {
                Some(known) => known.as_str(),
                None => panic!("no answer before says what {{{name}}} is: {text}"),
            },
        };
        parts(text).into_iter().map(fill).collect()
    }

    /// The same in every text of a JSON value.
    #[must_use]
    pub fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill_text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(fields) => {
                let filled = fields.iter().map(|(k, v)| (k.clone(), self.fill(v)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }

    /// Whether a text is what the page says; names that stand for nothing yet stand for what is there from now on.
    ///
    /// # Errors
    /// Says what is different.
    pub fn match_text(&mut self, wanted: &str, found: &str) -> Result<(), String> {
        let differs = || Err(format!("{found:?} is not {wanted:?}"));
        let (parts, mut rest) = (parts(wanted), found);
        for (n, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) => match rest.strip_prefix(text) {
                    Some(after) => rest = after,
                    None => return differs(),
                },
                Part::Name(name) => {
                    let end = match parts.get(n + 1) {
                        Some(Part::Literal(next)) => rest.find(next),
                        _ => Some(rest.len()),
                    };
                    let Some(end) = end else { return differs() };
                    let (piece, after) = rest.split_at(end);
                    if !self.stands_for(name, piece) {
                        return differs();
                    }
                    rest = after;
                }
            }
        }
        if rest.is_empty() { Ok(()) } else { differs() }
    }

    fn stands_for(&mut self, name: &str, found: &str) -> bool {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match name {
            "time" => is_time(found),
            "uuid" => uuid::Uuid::try_parse(found).is_ok(),
            "hash" => found.len() == 64 && found.chars().all(hex),
            "number" => found.parse::<f64>().is_ok(),
            _ if found.is_empty() => false,
            _ => *self.0.entry(name.to_owned()).or_insert(found.to_owned()) == found,
        }
    }

    /// Whether a JSON value is what the page says.
    ///
    /// # Errors
    /// Says where, and what is different.
    pub fn match_json(&mut self, wanted: &Value, found: &Value) -> Result<(), String> {
        match (wanted, found) {
            (Value::String(text), Value::Number(_)) if text == "{number}" => Ok(()),
            (Value::String(wanted), Value::String(found)) => self.match_text(wanted, found),
            (Value::Object(wanted), Value::Object(found)) => self.match_fields(wanted, found),
            (Value::Array(wanted), Value::Array(found)) => self.match_items(wanted, found),
            // 0 and 0.0 are the same number, however a database or a reader spells it.
            (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
            _ if wanted == found => Ok(()),
            _ => Err(format!("{found} is not {wanted}")),
        }
    }

    fn match_fields(
        &mut self,
        wanted: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Result<(), String> {
        for (name, value) in wanted.iter().filter(|(name, _)| *name != MORE) {
            let there = found
                .get(name)
                .ok_or_else(|| format!("{name} is not there"))?;
            self.match_json(value, there)
                .map_err(|why| format!("{name}: {why}"))?;
        }
        let more: Vec<_> = found.keys().filter(|k| !wanted.contains_key(*k)).collect();
        match (wanted.contains_key(MORE), more.is_empty()) {
            (false, false) => Err(format!("{more:?} are not on the page")),
            (true, true) => Err("there are no more fields".to_owned()),
            _ => Ok(()),
        }
    }

    fn match_items(&mut self, wanted: &[Value], found: &[Value]) -> Result<(), String> {
        let (wanted, open) = match wanted.split_last() {
            Some((last, before)) if *last == MORE => (before, true),
            _ => (wanted, false),
        };
        if found.len() < wanted.len() || (found.len() > wanted.len()) != open {
            return Err(format!(
                "{} items, not {}{}",
                found.len(),
                wanted.len(),
                if open { " and more" } else { "" }
            ));
        }
        for (n, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            self.match_json(wanted, found)
                .map_err(|why| format!("[{n}]: {why}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_read_in_its_order() {
        let page = "```http\nPOST /a\nX: {y}\n\n{\"b\": 1}\n```\nthen\n```http\nHTTP/1.1 201 Created\nLocation: /a/{id}\n\n{\"id\": \"{id}\"}\n```\n\
                    ```socket eve\nconnect {\"token\": \"{key}\"}\n\na:b {\"c\": {}}\n\nack {\"ok\": true}\n\non d.e {\n}\n```\n```sh\nls\n```\n";
        let read = steps(page);
        let [Step::Http(http), connect, command, event] = &read[..] else {
            panic!("{read:?}");
        };
        assert_eq!(
            (http.method.as_str(), http.path.as_str(), http.status),
            ("POST", "/a", 201)
        );
        assert_eq!(http.headers, [("X".to_owned(), "{y}".to_owned())]);
        assert_eq!(http.answer, Answer::Json(json!({ "id": "{id}" })));
        let who = || "eve".to_owned();
        assert_eq!(
            connect,
            &Step::Connect {
                who: who(),
                auth: json!({ "token": "{key}" })
            }
        );
        assert_eq!(
            command,
            &Step::Command {
                who: who(),
                name: "a:b".to_owned(),
                payload: json!({ "c": {} }),
                ack: json!({ "ok": true })
            }
        );
        assert_eq!(
            event,
            &Step::Event {
                who: who(),
                name: "d.e".to_owned(),
                argument: json!({})
            }
        );
    }

    #[test]
    fn a_name_stands_for_what_it_stood_for_first() {
        let mut notes = Notes::default();
        let seen = notes.match_json(
            &json!({ "id": "{a}", "…": "…" }),
            &json!({ "id": "x1", "b": 2 }),
        );
        assert_eq!(seen, Ok(()));
        assert_eq!(
            notes.fill(&json!(["/t/{a}?q={a}", 1])),
            json!(["/t/x1?q=x1", 1])
        );
        assert_eq!(
            notes.match_json(
                &json!("of {a} at {time}"),
                &json!("of x1 at 2026-01-02T03:04:05.000006Z")
            ),
            Ok(())
        );
        assert!(notes.match_json(&json!("{a}"), &json!("x2")).is_err());
    }

    #[test]
    fn what_is_not_on_the_page_differs() {
        let mut notes = Notes::default();
        for (wanted, found) in [
            (json!({ "a": 1 }), json!({ "a": 1, "b": 2 })),
            (json!({ "a": 1, "…": "…" }), json!({ "a": 1 })),
            (json!({ "a": 1 }), json!({})),
            (json!([1]), json!([1, 2])),
            (json!([1, "…"]), json!([1])),
            (json!("{time}"), json!("2026-01-02")),
            (json!("{uuid}"), json!("a")),
            (json!("{hash}"), json!("a")),
            (json!("{number}"), json!("1x")),
            (json!("{new}"), json!("")),
            (json!(null), json!(0)),
        ] {
            assert!(
                notes.match_json(&wanted, &found).is_err(),
                "{wanted} {found}"
            );
        }
        assert_eq!(
            notes.match_json(&json!([0, "…"]), &json!([0.0, "x"])),
            Ok(())
        );
        assert_eq!(notes.match_json(&json!("{number}"), &json!(0.5)), Ok(()));
    }
}
