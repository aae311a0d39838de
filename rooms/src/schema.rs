//! JSON Schemas of callers: checked before they are kept, and never a way to spend unbounded time or memory.
//!
//! Patterns run on a linear engine; a `$ref` may only point into the schema itself, and not back to where it stands, so that the cost of
//! a check is bounded by the sizes of the schema and of the value.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::{Code, FieldError, Refusal, limits, view};

/// Refuses what is no JSON Schema, is too large, or would cost too much to check against.
pub fn check(path: &str, schema: &Value) -> Result<(), Refusal> {
    if limits::size_of(schema, limits::SCHEMA) > limits::SCHEMA {
        return Err(Refusal::new(
            Code::PayloadTooLarge,
            format!("{path}: at most {} bytes", limits::SCHEMA),
        ));
    }
    if limits::depth_of(schema, limits::SCHEMA_NESTING) > limits::SCHEMA_NESTING {
        return Err(Refusal::field(
            path,
            format!(
                "may be nested at most {} levels deep",
                limits::SCHEMA_NESTING
            ),
        ));
    }
    if !(schema.is_object() || schema.is_boolean()) {
        return Err(Refusal::field(
            path,
            "is no JSON Schema: it must be an object",
        ));
    }
    let parts = Parts {
        root: schema,
        known: BTreeMap::new(),
        open: BTreeSet::new(),
    }
    .of(schema)
    .map_err(|why| Refusal::field(path, why))?;
    if parts > limits::SCHEMA_PARTS {
        return Err(Refusal::field(
            path,
            format!(
                "has more than {} parts once its references are written out",
                limits::SCHEMA_PARTS
            ),
        ));
    }
    compile(schema)
        .map(|_| ())
        .map_err(|why| Refusal::field(path, format!("is no JSON Schema: {why}")))
}

/// What is wrong with a value, every field at once (at most 20); `path` is where the value stands in the request.
pub fn errors(schema: &Value, value: &Value, path: &str) -> Vec<FieldError> {
    // It was checked when it came in.
    let Ok(validator) = compile(schema) else {
        return Vec::new();
    };
    validator
        .iter_errors(value)
        .take(20)
        .map(|e| {
            let inner = view::dotted(&e.instance_path().to_string());
            let at = match (path, inner.as_str()) {
                (path, "") => path.to_owned(),
                ("", inner) => inner.to_owned(),
                (path, inner) if inner.starts_with('[') => format!("{path}{inner}"),
                (path, inner) => format!("{path}.{inner}"),
            };
            let message: String = e.to_string().chars().take(500).collect();
            FieldError::new(at, message)
        })
        .collect()
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(256 * 1024)
                .dfa_size_limit(256 * 1024),
        )
        .build(schema)
        .map_err(|e| e.to_string())
}

/// Counts the parts of a schema with its references written out.
struct Parts<'a> {
    root: &'a Value,
    known: BTreeMap<String, usize>,
    open: BTreeSet<String>,
}

impl<'a> Parts<'a> {
    fn of(&mut self, schema: &'a Value) -> Result<usize, String> {
        let mut count = 1usize;
        match schema {
            Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), value) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => {
                            count = count.saturating_add(self.referred(to)?);
                        }
                        _ => count = count.saturating_add(self.of(value)?),
                    }
                    if count > limits::SCHEMA_PARTS {
                        return Ok(count);
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    count = count.saturating_add(self.of(item)?);
                }
            }
            _ => {}
        }
        Ok(count)
    }

    fn referred(&mut self, to: &str) -> Result<usize, String> {
        if let Some(known) = self.known.get(to) {
            return Ok(*known);
        }
        let Some(pointer) = to
            .strip_prefix('#')
            .filter(|p| p.is_empty() || p.starts_with('/'))
        else {
            return Err(format!(
                "the reference {to:?} must point into this schema, as in \"#/$defs/name\""
            ));
        };
        let Some(target) = self.root.pointer(pointer) else {
            return Err(format!("the reference {to:?} points to nothing"));
        };
        if !self.open.insert(to.to_owned()) {
            return Err(format!(
                "the reference {to:?} comes back to itself; recursive schemas are not taken"
            ));
        }
        let count = self.of(target)?;
        self.open.remove(to);
        self.known.insert(to.to_owned(), count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_name_every_wrong_field() {
        let schema = json!({
            "type": "object", "required": ["name"],
            "properties": {"name": {"type": "string"}, "items": {"type": "array", "items": {"type": "integer"}}},
        });
        check("schema", &schema).unwrap();
        let found = errors(&schema, &json!({"items": [1, "x"]}), "value");
        let paths: Vec<_> = found.iter().map(|e| e.path.as_str()).collect();
        assert_eq!(paths.len(), 2, "{found:?}");
        assert!(paths.contains(&"value") && paths.contains(&"value.items[1]"));
        assert_eq!(errors(&schema, &json!({"name": "x"}), "value"), []);
    }

    #[test]
    fn a_schema_that_could_cost_too_much_is_refused() {
        let mut defs = serde_json::Map::new();
        for n in 0..30 {
            let next = format!("#/$defs/d{}", n + 1);
            defs.insert(
                format!("d{n}"),
                json!({"allOf": [{"$ref": next}, {"$ref": next}]}),
            );
        }
        defs.insert("d30".to_owned(), json!({"type": "string"}));
        let mut deep = json!({"type": "string"});
        for _ in 0..40 {
            deep = json!({"not": deep});
        }
        for (schema, why) in [
            (json!({"$defs": defs, "$ref": "#/$defs/d0"}), "parts"),
            (json!({"properties": {"next": {"$ref": "#"}}}), "recursive"),
            (
                json!({"$ref": "http://example.com/schema"}),
                "must point into this schema",
            ),
            (json!({"$ref": "#/$defs/none"}), "points to nothing"),
            (json!({"pattern": "(a{1000}){1000}"}), "no JSON Schema"),
            (json!({"pattern": "(?=lookahead)"}), "no JSON Schema"),
            (json!({"type": "nonsense"}), "no JSON Schema"),
            (json!([1]), "must be an object"),
            (
                json!({"description": "x".repeat(40_000)}),
                "at most 32768 bytes",
            ),
            (deep, "nested at most 32"),
        ] {
            let refusal = check("schema", &schema).unwrap_err();
            assert!(refusal.detail.contains(why), "{refusal:?}");
        }
    }

    #[test]
    fn a_hostile_pattern_matches_in_linear_time() {
        let schema = json!({"type": "string", "pattern": "^(a+)+$"});
        check("schema", &schema).unwrap();
        let value = json!(format!("{}!", "a".repeat(100_000)));
        assert_eq!(errors(&schema, &value, "value").len(), 1);
    }
}
