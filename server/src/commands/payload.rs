//! Payloads: what a caller sent, taken apart field by field, with every mistake named at once.

use rooms::{FieldError, Refusal, Timestamp, limits};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::Schemas;

/// No fields beside the ids.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The fields of a payload.
pub struct Payload(Map<String, Value>);

impl Payload {
    /// Takes an object; anything else is refused.
    pub fn new(value: Value) -> Result<Self, Refusal> {
        let mut nuls = Vec::new();
        find_nul(&value, &mut String::new(), &mut nuls);
        if !nuls.is_empty() {
            let wrong = |path| FieldError::new(path, "must not contain the character U+0000");
            return Err(Refusal::invalid(nuls.into_iter().map(wrong).collect()));
        }
        limits::check_nesting("", &value, limits::PAYLOAD_NESTING)?;
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(Refusal::field("", "the payload must be a JSON object")),
        }
    }

    /// Takes a field out, whatever it is; null is none.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|v| !v.is_null())
    }

    /// Looks at a text, and leaves it there.
    pub fn peek(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// Takes a text out.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::field(name, "must be a string")),
        }
    }

    /// Takes out a text that must be there.
    pub fn required(&mut self, name: &str) -> Result<String, Refusal> {
        self.text(name)?
            .ok_or_else(|| Refusal::field(name, "is missing"))
    }

    /// Takes a whole number out.
    pub fn whole(&mut self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(v) => v
                .as_u64()
                .filter(|n| *n <= i64::MAX as u64)
                .map(Some)
                .ok_or_else(|| Refusal::field(name, "must be a whole number, 0 or more")),
        }
    }

    /// Takes out an id that must be there.
    pub fn id<T: From<Uuid>>(&mut self, name: &str, thing: &str) -> Result<T, Refusal> {
        let text = self.required(name)?;
        // A text that is no UUID names nothing here; the answer is that of an unknown id.
        Uuid::parse_str(&text)
            .map(T::from)
            .map_err(|_| Refusal::not_found(thing, truncated(&text)))
    }

    /// Takes out an id that may be there.
    pub fn optional_id<T: From<Uuid>>(
        &mut self,
        name: &str,
        thing: &str,
    ) -> Result<Option<T>, Refusal> {
        if self.0.get(name).is_none_or(Value::is_null) {
            self.0.remove(name);
            return Ok(None);
        }
        self.id(name, thing).map(Some)
    }

    /// Gives a field another name, unless that is there.
    pub fn alias(&mut self, from: &str, to: &str) {
        if let Some(value) = self.0.remove(from) {
            self.0.entry(to).or_insert(value);
        }
    }

    /// The rest, as a request. Every field that is wrong is named.
    pub fn parse<T: DeserializeOwned + ToSchema>(self) -> Result<T, Refusal> {
        let value = Value::Object(self.0);
        T::deserialize(&value).map_err(|e| Refusal::invalid(errors_of::<T>(&value, &e)))
    }

    /// There must be nothing else.
    pub fn nothing_more(self) -> Result<(), Refusal> {
        self.parse::<Nothing>().map(|_| ())
    }
}

/// At most so much of a text that a caller sent goes into an error.
pub fn truncated(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Where the character U+0000 is, which no database takes: of a name, where the object is that has it.
fn find_nul(value: &Value, path: &mut String, found: &mut Vec<String>) {
    let here = path.len();
    match value {
        Value::String(text) if text.contains('\0') && found.len() < MOST_ERRORS => {
            found.push(path.clone());
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push_str(&format!("[{n}]"));
                find_nul(item, path, found);
                path.truncate(here);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                if name.contains('\0') {
                    found.push(path.clone());
                    continue;
                }
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                find_nul(item, path, found);
                path.truncate(here);
            }
        }
        _ => {}
    }
}

/// At most so many mistakes are named; who makes more has another problem.
const MOST_ERRORS: usize = 100;

/// What is wrong with a value that did not parse, at any depth, from the schema of its type.
fn errors_of<T: ToSchema>(value: &Value, e: &serde_json::Error) -> Vec<FieldError> {
    let mut schemas = Schemas::default();
    let schema = schemas.inline(crate::contract::shape::<T>());
    let mut walk = Walk {
        schemas: &schemas,
        errors: Vec::new(),
    };
    walk.check("", value, &schema);
    let mut errors = walk.errors;
    if errors.is_empty() {
        // The type knows a rule that its schema does not say.
        errors.push(FieldError::new("", e.to_string()));
    }
    errors.truncate(MOST_ERRORS);
    errors
}

struct Walk<'a> {
    schemas: &'a Schemas,
    errors: Vec<FieldError>,
}

impl Walk<'_> {
    fn resolve(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str().and_then(|r| r.rsplit('/').next()) {
            Some(name) => self.schemas.get(name).cloned().unwrap_or_default(),
            None => schema.clone(),
        }
    }

    fn say(&mut self, path: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(path, message));
    }

    fn check(&mut self, path: &str, value: &Value, schema: &Value) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            return self.check_one_of(path, value, choices);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            for part in parts {
                self.check(path, value, part);
            }
            return;
        }
        let wanted = &schema["type"];
        if !has_type(value, wanted) {
            return self.say(path, format!("must be {}", type_names(wanted)));
        }
        if let Some(known) = schema["enum"].as_array() {
            if !known.contains(value) {
                let names: Vec<_> = known.iter().filter_map(Value::as_str).collect();
                self.say(path, format!("must be one of {}", names.join(", ")));
            }
            return;
        }
        match value {
            Value::Number(n) => {
                let small = schema["minimum"].as_f64();
                if let (Some(least), Some(n)) = (small, n.as_f64())
                    && n < least
                {
                    self.say(path, format!("must be {least} or more"));
                }
                if schema["format"] == "int32" && n.as_i64().is_some_and(|n| n > i32::MAX.into()) {
                    self.say(path, format!("must be {} or less", i32::MAX));
                }
            }
            Value::String(text) if schema["format"] == "uuid" && Uuid::parse_str(text).is_err() => {
                self.say(path, "must be a UUID");
            }
            Value::String(_)
                if schema["format"] == "date-time" && Timestamp::deserialize(value).is_err() =>
            {
                self.say(
                    path,
                    "must be a time as RFC 3339 has it, 2026-01-31T12:00:00Z",
                );
            }
            Value::Array(items) => {
                for (n, item) in items.iter().enumerate() {
                    self.check(&format!("{path}[{n}]"), item, &schema["items"]);
                }
            }
            Value::Object(fields) => self.check_object(path, fields, &schema),
            _ => {}
        }
    }

    fn check_object(&mut self, path: &str, fields: &Map<String, Value>, schema: &Value) {
        let of = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        let required = schema["required"].as_array();
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.say(&of(name), "is missing");
            }
        }
        let closed = schema["additionalProperties"] == false;
        for (name, field) in fields {
            match schema["properties"].get(name) {
                Some(of_field) => self.check(&of(name), field, of_field),
                None if closed => {
                    self.say(&of(&truncated(name)), "is not a field of this request");
                }
                None => {
                    if schema["additionalProperties"].is_object() {
                        self.check(&of(name), field, &schema["additionalProperties"]);
                    }
                }
            }
        }
    }

    /// The choice with the fewest mistakes is the one that was meant.
    fn check_one_of(&mut self, path: &str, value: &Value, choices: &[Value]) {
        let mut best: Option<Vec<FieldError>> = None;
        for choice in choices {
            let schema = self.resolve(choice);
            let mut one = Walk {
                schemas: self.schemas,
                errors: Vec::new(),
            };
            one.check(path, value, &schema);
            // A mistake inside an object or a list says more than "must be null".
            let same_kind = has_type(value, &schema["type"]) && schema["type"].is_string();
            if one.errors.is_empty() {
                return;
            }
            if best.is_none() || same_kind {
                best = Some(one.errors);
            }
        }
        self.errors.extend(best.into_iter().flatten());
    }
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|w| has_type(value, w)),
        Value::String(name) => match name.as_str() {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => true,
        },
        _ => true,
    }
}

fn type_names(wanted: &Value) -> String {
    match wanted {
        Value::Array(any) => any
            .iter()
            .filter_map(Value::as_str)
            .map(with_article)
            .collect::<Vec<_>>()
            .join(" or "),
        other => with_article(other.as_str().unwrap_or("something else")),
    }
}

fn with_article(name: &str) -> String {
    match name {
        "null" => name.to_owned(),
        "integer" | "array" | "object" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(value: Value) -> Vec<String> {
        match Payload::new(value).and_then(|p| p.parse::<rooms::request::StartProcess>()) {
            Ok(_) => Vec::new(),
            Err(refusal) => refusal.errors.into_iter().map(|e| e.path).collect(),
        }
    }

    #[test]
    fn every_mistake_is_named_at_once_at_any_depth() {
        let found = paths(json!({
            "name": 5, "colour": "red", "priority": "enormous",
            "context": {"documentIds": [1]},
            "steps": [
                {"name": "a", "maxAttempts": -1, "conditions": [{"type": "weather", "condition": "true", "action": "dance"}]},
                {"description": [], "unknown": 1},
                "no step",
            ],
        }));
        for wanted in [
            "teamId",
            "name",
            "colour",
            "priority",
            "context.documentIds[0]",
            "steps[0].maxAttempts",
            "steps[0].conditions[0].type",
            "steps[0].conditions[0].action",
            "steps[1].name",
            "steps[1].description",
            "steps[1].unknown",
            "steps[2]",
        ] {
            assert!(found.contains(&wanted.to_owned()), "{wanted} in {found:?}");
        }
        assert_eq!(found.len(), 12, "{found:?}");
    }

    #[test]
    fn a_character_that_no_database_takes_is_found_wherever_it_is() {
        let found = paths(json!({
            "name": "a\0b",
            "context": {"sharedData": {"x\0": 1, "y": [1, {"z": "\0"}]}},
        }));
        assert_eq!(
            found,
            ["name", "context.sharedData", "context.sharedData.y[1].z"]
        );
    }

    #[test]
    fn a_request_that_is_right_is_parsed() {
        let team = Uuid::now_v7();
        assert!(
            paths(json!({"name": "x", "teamId": team, "steps": [{"name": "a"}], "context": null}))
                .is_empty()
        );
    }
}
