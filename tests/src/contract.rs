//! The published contract: every answer, ack and event that a test sees is held against the document that describes it.
//!
//! [`crate::rest`] and [`crate::agent`] check all that they receive, so that every test is a test of the contract too. What is not in the
//! document is an error, as is what the document does not describe.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::{Value, json};

/// A document of `docs/contract`.
struct Document {
    root: Value,
    compiled: Mutex<HashMap<String, &'static Validator>>,
}

fn read(name: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/contract")
        .join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let root = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Document {
        root,
        compiled: Mutex::default(),
    }
}

static SOCKET: LazyLock<Document> = LazyLock::new(|| read("asyncapi.json"));
static HTTP: LazyLock<Document> = LazyLock::new(|| read("openapi.json"));

/// What was seen: commands and events by name, operations by id.
static SEEN: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

fn saw(what: impl Into<String>) {
    if let Ok(mut seen) = SEEN.lock() {
        seen.insert(what.into());
    }
}

/// Whether the tests of this process have seen a command acked, an event told or an operation answered, successfully.
#[must_use]
pub fn has_seen(what: &str) -> bool {
    SEEN.lock().is_ok_and(|seen| seen.contains(what))
}

/// The names of all commands, events and operations.
#[must_use]
pub fn everything() -> BTreeMap<&'static str, Vec<String>> {
    let names = |action: &str| -> Vec<String> {
        let operations = SOCKET.root["operations"].as_object();
        operations
            .into_iter()
            .flatten()
            .filter(|(_, o)| o["action"] == action)
            .filter_map(|(key, _)| {
                let message = &SOCKET.root["channels"]["root"]["messages"][key];
                message["name"].as_str().map(str::to_owned)
            })
            .collect()
    };
    let paths = HTTP.root["paths"].as_object().into_iter().flatten();
    let operations = paths
        .flat_map(|(_, methods)| methods.as_object().into_iter().flatten())
        .filter_map(|(_, o)| o["operationId"].as_str().map(str::to_owned))
        .collect();
    BTreeMap::from([
        ("commands", names("receive")),
        ("events", names("send")),
        ("operations", operations),
    ])
}

impl Document {
    fn validator(&self, pointer: &str) -> Option<&'static Validator> {
        let mut compiled = self.compiled.lock().ok()?;
        if let Some(found) = compiled.get(pointer) {
            return Some(found);
        }
        let mut schema = self.root.pointer(pointer)?.clone();
        schema["components"] = self.root["components"].clone();
        let validator = jsonschema::validator_for(&schema)
            .unwrap_or_else(|e| panic!("the schema at {pointer} is none: {e}"));
        // One per schema, as long as the tests run.
        let validator: &'static Validator = Box::leak(Box::new(validator));
        compiled.insert(pointer.to_owned(), validator);
        Some(validator)
    }

    /// What is wrong with a value, and what of it is not described.
    fn faults(&self, pointer: &str, value: &Value) -> Vec<String> {
        let Some(validator) = self.validator(pointer) else {
            return vec![format!("{pointer} is not described")];
        };
        let mut faults: Vec<String> = validator
            .iter_errors(value)
            .map(|e| {
                let told: String = e.to_string().chars().take(300).collect();
                format!("{}: {told}", e.instance_path())
            })
            .collect();
        let schema = self.root.pointer(pointer).cloned().unwrap_or_default();
        self.undescribed("", value, &[schema], &mut faults);
        faults
    }

    /// Every schema that applies at a place: references followed, compositions taken apart. `None`: anything goes there.
    fn spread(&self, schemas: &[Value]) -> Option<Vec<Value>> {
        let (mut out, mut queue) = (Vec::new(), schemas.to_vec());
        while let Some(schema) = queue.pop() {
            if let Some(target) = schema["$ref"].as_str() {
                let pointer = target.trim_start_matches('#');
                queue.push(self.root.pointer(pointer).cloned().unwrap_or_default());
                continue;
            }
            let mut composed = false;
            for key in ["allOf", "oneOf", "anyOf"] {
                if let Some(parts) = schema[key].as_array() {
                    composed = true;
                    queue.extend(parts.iter().cloned());
                }
            }
            let says_nothing = [
                "properties",
                "items",
                "additionalProperties",
                "const",
                "enum",
            ]
            .iter()
            .all(|k| schema.get(k).is_none());
            // An object of which nothing is said may have any fields, whether or not it may be null too.
            let is_open = match &schema["type"] {
                Value::Array(types) => types.iter().any(|t| t == "object"),
                one => one.as_str().is_none_or(|t| t == "object"),
            };
            if !composed && says_nothing && is_open {
                return None;
            }
            out.push(schema);
        }
        Some(out)
    }

    fn undescribed(&self, path: &str, value: &Value, schemas: &[Value], faults: &mut Vec<String>) {
        let Some(schemas) = self.spread(schemas) else {
            return;
        };
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let mut of_field: Vec<Value> = Vec::new();
                    for schema in &schemas {
                        if let Some(own) = schema["properties"].get(name) {
                            of_field.push(own.clone());
                        } else if schema["additionalProperties"].is_object() {
                            of_field.push(schema["additionalProperties"].clone());
                        } else if schema["additionalProperties"] == true {
                            of_field.push(json!({}));
                        }
                    }
                    let here = format!("{path}/{name}");
                    if of_field.is_empty() {
                        faults.push(format!("{here}: is sent, and not described"));
                    } else {
                        self.undescribed(&here, field, &of_field, faults);
                    }
                }
            }
            Value::Array(items) => {
                let of_item: Vec<Value> = schemas
                    .iter()
                    .filter_map(|s| s.get("items").cloned())
                    .collect();
                for (n, item) in items.iter().enumerate() {
                    self.undescribed(&format!("{path}/{n}"), item, &of_item, faults);
                }
            }
            _ => {}
        }
    }
}

#[track_caller]
fn hold(document: &Document, what: &str, pointer: &str, value: &Value) {
    let faults = document.faults(pointer, value);
    assert!(
        faults.is_empty(),
        "{what} is not what the contract says:\n  {}\n{value:#}",
        faults.join("\n  ")
    );
}

/// Holds a successful ack's data against the document.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn check_ack(command: &str, data: &Value, seq: Option<u64>) {
    let mut ack = json!({"ok": true, "data": data});
    if let Some(seq) = seq {
        ack["seq"] = seq.into();
    }
    let pointer = format!(
        "/channels/root/messages/{}-ack/payload",
        command.replace(':', "-")
    );
    hold(&SOCKET, &format!("the ack of {command}"), &pointer, &ack);
    saw(command);
}

/// Holds an event's argument against the document.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn check_event(name: &str, argument: &Value) {
    let key = if name.starts_with("custom.") {
        "custom"
    } else {
        name
    };
    let pointer = format!("/channels/root/messages/{key}/payload");
    hold(&SOCKET, &format!("the event {name}"), &pointer, argument);
    saw(if key == "custom" {
        "custom.<name>"
    } else {
        name
    });
}

/// Holds a problem against the documents.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn check_problem(problem: &Value) {
    hold(&HTTP, "a problem", "/components/schemas/Problem", problem);
}

/// The path of the document that a request's path is meant by, and its methods.
fn path_of(method: &str, path: &str) -> Option<(&'static String, &'static Value)> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(w, p)| w == p || (w.starts_with('{') && !p.is_empty()))
    };
    let paths = HTTP.root["paths"].as_object().into_iter().flatten();
    // A path without a name in it is meant before one with.
    paths
        .filter(|(template, methods)| fits(template) && methods.get(method).is_some())
        .min_by_key(|(template, _)| template.matches('{').count())
}

/// The operation that a request asks for.
#[must_use]
pub fn operation_of(method: &str, path: &str) -> Option<String> {
    let method = method.to_lowercase();
    let (_, methods) = path_of(&method, path)?;
    methods[&method]["operationId"].as_str().map(str::to_owned)
}

/// Holds a successful answer against the document. Paths that the document does not know are no operations.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn check_answer(method: &str, path: &str, status: u16, body: &Value) {
    let method = method.to_lowercase();
    let Some((template, methods)) = path_of(&method, path) else {
        return;
    };
    let operation = &methods[&method];
    let id = operation["operationId"].as_str().unwrap_or_default();
    let responses = &operation["responses"];
    let response = &responses[status.to_string()];
    assert!(
        response.is_object(),
        "{id} answers {status}, which the contract does not know: {responses:#}"
    );
    if response["content"]["application/json"].is_object() {
        let escaped = template.replace('~', "~0").replace('/', "~1");
        let pointer = format!(
            "/paths/{escaped}/{method}/responses/{status}/content/application~1json/schema"
        );
        hold(&HTTP, &format!("the answer of {id}"), &pointer, body);
    } else {
        assert!(
            body.is_null(),
            "{id} answers with what is not described: {body:#}"
        );
    }
    saw(id);
}
