//! Forms: the JSON Schema of an answer or of inputs, and whether a value fits it.
//!
//! A schema is a stranger's program, so it is bounded before it runs: its size and nesting, the work that one validation can cost
//! with its references followed, and its patterns (matched in linear time, without look-around and back-references). No reference
//! leaves the document, and none runs in a circle.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

use crate::refusal::all_valid;
use crate::{Code, FieldError, Refusal, view};

/// The largest schema, in bytes of JSON.
pub const MAX_SCHEMA: usize = 32 * 1024;
/// The deepest nesting of a schema.
pub const MAX_DEPTH: usize = 32;
/// Sub-schemas and listed values of a schema, each reference counted as all that it names.
pub const MAX_PARTS: usize = 2_000;
/// Patterns of a schema.
pub const MAX_PATTERNS: usize = 50;
/// Bytes that one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 256 * 1024;
/// Parts of the schema times values in the instance: what a validation costs at most.
const MAX_WORK: usize = 5_000_000;
/// Wrong fields that are named at once.
const MAX_ERRORS: usize = 20;
/// An error quotes what is wrong up to so many characters.
const MAX_QUOTE: usize = 300;

/// Whether this is a JSON Schema that Baton can afford to check values with. `path` is where it came from, for the error.
pub fn check_schema(path: &str, schema: &Value) -> Result<(), Refusal> {
    let size = schema.to_string().len();
    if size > MAX_SCHEMA {
        return Err(Refusal::new(
            Code::PayloadTooLarge,
            format!("{path} has {size} bytes; at most {MAX_SCHEMA} are taken"),
        ));
    }
    parts_of(schema).map_err(|e| Refusal::field(join(path, &e.path), e.message))?;
    compile(schema)
        .map(|_| ())
        .map_err(|why| Refusal::field(path, format!("is no JSON Schema: {why}")))
}

/// Whether a value fits a schema that [`check_schema`] took. Every wrong field is named, up to twenty, with its path below `path`.
pub fn check_value(path: &str, schema: &Value, value: &Value) -> Result<(), Refusal> {
    let unusable = |why: String| Refusal::field(path, format!("cannot be checked: {why}"));
    let parts = parts_of(schema).map_err(|e| unusable(e.message))?;
    let values = count(value);
    if parts.saturating_mul(values) > MAX_WORK {
        return Err(Refusal::new(
            Code::PayloadTooLarge,
            format!(
                "{path} holds {values} values, too many to check against its schema; at most {} fit",
                MAX_WORK / parts.max(1)
            ),
        ));
    }
    let validator = compile(schema).map_err(unusable)?;
    catch_unwind(AssertUnwindSafe(|| {
        validator
            .iter_errors(value)
            .take(MAX_ERRORS)
            .map(|e| {
                let mut at = join(path, &view::dotted(&e.instance_path().to_string()));
                if let ValidationErrorKind::Required { property } = e.kind()
                    && let Some(name) = property.as_str()
                {
                    at = join(&at, name);
                }
                FieldError::new(
                    at,
                    e.to_string().chars().take(MAX_QUOTE).collect::<String>(),
                )
            })
            .collect()
    }))
    .map_or_else(
        |_| Err(unusable("the schema cannot be evaluated".to_owned())),
        all_valid,
    )
}

/// The default that a schema gives: its own, or the object of its properties' defaults where it has any.
pub fn default_of(schema: &Value) -> Option<Value> {
    if let Some(own) = schema.get("default") {
        return Some(own.clone());
    }
    let fields: serde_json::Map<String, Value> = schema
        .get("properties")?
        .as_object()?
        .iter()
        .filter_map(|(name, field)| Some((name.clone(), default_of(field)?)))
        .collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn compile(schema: &Value) -> Result<Validator, String> {
    let patterns = PatternOptions::regex()
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES);
    // The library is not ours: a panic in it must cost this schema, not the server.
    catch_unwind(AssertUnwindSafe(|| {
        jsonschema::options()
            .with_pattern_options(patterns)
            .build(schema)
            .map_err(|e| e.to_string().chars().take(MAX_QUOTE).collect())
    }))
    .unwrap_or_else(|_| Err("it cannot be compiled".to_owned()))
}

fn join(path: &str, below: &str) -> String {
    match below {
        "" => path.to_owned(),
        _ if below.starts_with('[') || path.is_empty() => format!("{path}{below}"),
        _ => format!("{path}.{below}"),
    }
}

/// How many values a value holds, itself too.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

fn parts_of(schema: &Value) -> Result<usize, FieldError> {
    let mut walk = Walk {
        root: schema,
        known: HashMap::from([(String::new(), None)]),
        patterns: 0,
    };
    let parts = walk.schema(schema, "", 0)?;
    if parts > MAX_PARTS {
        return Err(FieldError::new(
            "",
            format!(
                "has {parts} parts with its references followed; at most {MAX_PARTS} are taken"
            ),
        ));
    }
    Ok(parts)
}

/// A walk through a schema. What `enum`, `const`, `default` and `examples` hold is data, and unknown words mean nothing.
struct Walk<'a> {
    root: &'a Value,
    /// What the target of a reference comes to; none while it is being walked.
    known: HashMap<String, Option<usize>>,
    patterns: usize,
}

impl Walk<'_> {
    fn schema(&mut self, schema: &Value, at: &str, depth: usize) -> Result<usize, FieldError> {
        let wrong = |word: &str, message: String| Err(FieldError::new(join(at, word), message));
        if depth > MAX_DEPTH {
            return wrong("", format!("is nested more than {MAX_DEPTH} levels deep"));
        }
        let fields = match schema {
            Value::Bool(_) => return Ok(1),
            Value::Object(fields) => fields,
            _ => return wrong("", "must be an object, true or false".to_owned()),
        };
        let mut parts = 1usize;
        for (word, value) in fields {
            let below = join(at, word);
            let more = match (word.as_str(), value) {
                ("$ref", Value::String(target)) => self.reference(target, &below, depth)?,
                ("$schema", Value::String(dialect))
                    if !KNOWN_DIALECTS.iter().any(|d| dialect.contains(d)) =>
                {
                    return wrong(
                        word,
                        format!("{dialect:?} is unknown; use draft 2020-12, 2019-09, 7 or 6"),
                    );
                }
                (
                    "$id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" | "$dynamicRef"
                    | "$recursiveRef",
                    _,
                ) => {
                    return wrong(
                        word,
                        "is not taken here; refer to `#/$defs/<name>`".to_owned(),
                    );
                }
                ("pattern", _) => self.pattern(1, &below)?,
                ("patternProperties", Value::Object(map)) => {
                    self.pattern(map.len(), &below)?
                        + self.all(map.iter().map(|(k, v)| (join(&below, k), v)), depth)?
                }
                (
                    "properties" | "$defs" | "definitions" | "dependentSchemas",
                    Value::Object(map),
                ) => self.all(map.iter().map(|(k, v)| (join(&below, k), v)), depth)?,
                ("dependencies", Value::Object(map)) => {
                    let schemas = map.iter().filter(|(_, v)| !v.is_array());
                    self.all(schemas.map(|(k, v)| (join(&below, k), v)), depth)?
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(list)) => self
                    .all(
                        list.iter()
                            .enumerate()
                            .map(|(n, v)| (format!("{below}[{n}]"), v)),
                        depth,
                    )?,
                (
                    "items"
                    | "additionalItems"
                    | "unevaluatedItems"
                    | "contains"
                    | "additionalProperties"
                    | "unevaluatedProperties"
                    | "propertyNames"
                    | "not"
                    | "if"
                    | "then"
                    | "else"
                    | "contentSchema",
                    one,
                ) => self.schema(one, &below, depth + 1)?,
                ("enum" | "required", Value::Array(list)) => list.len(),
                _ => 0,
            };
            parts = parts.saturating_add(more);
        }
        Ok(parts)
    }

    fn all<'v>(
        &mut self,
        schemas: impl Iterator<Item = (String, &'v Value)>,
        depth: usize,
    ) -> Result<usize, FieldError> {
        let mut parts = 0usize;
        for (at, schema) in schemas {
            parts = parts.saturating_add(self.schema(schema, &at, depth + 1)?);
        }
        Ok(parts)
    }

    fn pattern(&mut self, more: usize, at: &str) -> Result<usize, FieldError> {
        self.patterns += more;
        if self.patterns > MAX_PATTERNS {
            return Err(FieldError::new(
                at,
                format!("is one pattern too many; at most {MAX_PATTERNS} are taken"),
            ));
        }
        Ok(more)
    }

    fn reference(&mut self, target: &str, at: &str, depth: usize) -> Result<usize, FieldError> {
        let wrong = |message: &str| FieldError::new(at, message);
        let pointer = target
            .strip_prefix('#')
            .filter(|p| p.is_empty() || p.starts_with('/'))
            .ok_or_else(|| wrong("must stay in this document: `#/$defs/<name>`"))?;
        match self.known.get(pointer) {
            Some(Some(parts)) => return Ok(*parts),
            Some(None) => return Err(wrong("refers to itself, at once or in a circle")),
            None => {}
        }
        let root = self.root;
        let found = root
            .pointer(pointer)
            .ok_or_else(|| wrong("names nothing in this document"))?;
        self.known.insert(pointer.to_owned(), None);
        let parts = self.schema(found, at, depth + 1)?;
        self.known.insert(pointer.to_owned(), Some(parts));
        Ok(parts)
    }
}

const KNOWN_DIALECTS: [&str; 4] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(schema: &Value) -> Refusal {
        check_schema("schema", schema).expect_err("is refused")
    }

    #[test]
    fn every_wrong_field_is_named_with_its_path() {
        let schema = json!({"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        }});
        check_schema("schema", &schema).unwrap();
        check_value("value", &schema, &json!({"name": "x", "lines": [{"n": 1}]})).unwrap();
        let refusal = check_value(
            "value",
            &schema,
            &json!({"lines": [{"n": 1}, {"n": "two"}]}),
        )
        .unwrap_err();
        let mut paths: Vec<_> = refusal.errors.iter().map(|e| e.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["value.lines[1].n", "value.name"]);
        let whole = check_value("value", &schema, &json!(7)).unwrap_err();
        assert_eq!(whole.errors[0].path, "value");
    }

    #[test]
    fn no_reference_leaves_the_document_or_runs_in_a_circle() {
        let named = json!({"$defs": {"name": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/name"}, "b": {"$ref": "#/$defs/name"}}});
        check_schema("schema", &named).unwrap();
        assert!(check_value("value", &named, &json!({"a": 1})).is_err());
        for (schema, path) in [
            (
                json!({"$ref": "https://example.com/schema.json"}),
                "schema.$ref",
            ),
            (json!({"$ref": "file:///etc/passwd"}), "schema.$ref"),
            (json!({"$ref": "#"}), "schema.$ref"),
            (
                json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
                "schema.allOf[0].$ref.anyOf[0].$ref",
            ),
            (json!({"$ref": "#/$defs/missing"}), "schema.$ref"),
            (
                json!({"properties": {"x": {"$id": "https://example.com/x"}}}),
                "schema.properties.x.$id",
            ),
            (
                json!({"$schema": "https://example.com/meta"}),
                "schema.$schema",
            ),
        ] {
            assert_eq!(refused(&schema).errors[0].path, path, "{schema}");
        }
    }

    #[test]
    fn what_a_schema_can_cost_is_bounded() {
        assert_eq!(
            refused(&json!({"description": "x".repeat(MAX_SCHEMA)})).code,
            Code::PayloadTooLarge
        );
        let mut deep = json!({});
        for _ in 0..=MAX_DEPTH {
            deep = json!({"items": deep});
        }
        assert!(refused(&deep).detail.contains("32 levels"));
        // Twice, twice, twice…: small to write, endless to check.
        let mut defs = serde_json::Map::new();
        defs.insert("d0".to_owned(), json!({"type": "string"}));
        for n in 1..25 {
            let before = json!({"$ref": format!("#/$defs/d{}", n - 1)});
            defs.insert(format!("d{n}"), json!({"allOf": [before, before]}));
        }
        let bomb = json!({"$defs": defs, "$ref": "#/$defs/d24"});
        assert!(
            refused(&bomb).detail.contains("at most"),
            "{:?}",
            refused(&bomb)
        );
        let many: Vec<_> = (0..=MAX_PATTERNS)
            .map(|n| json!({"pattern": format!("^{n}")}))
            .collect();
        assert!(refused(&json!({"anyOf": many})).detail.contains("50"));
        assert_eq!(
            refused(&json!({"pattern": "(x{1000}){1000}"})).code,
            Code::InvalidRequest
        );
        assert_eq!(
            refused(&json!({"pattern": "(?=x)y"})).code,
            Code::InvalidRequest
        );
        let words: Vec<_> = (0..1_000).map(|n| json!(n)).collect();
        let costly = json!({"items": {"enum": words}});
        check_schema("schema", &costly).unwrap();
        let all: Vec<_> = (0..10_000).map(|_| json!(5)).collect();
        assert_eq!(
            check_value("value", &costly, &json!(all)).unwrap_err().code,
            Code::PayloadTooLarge
        );
    }

    #[test]
    fn a_pattern_that_backtracks_elsewhere_costs_nothing_here() {
        let schema = json!({"pattern": "^(a+)+$"});
        check_schema("schema", &schema).unwrap();
        let text = format!("{}!", "a".repeat(50_000));
        assert!(check_value("value", &schema, &json!(text)).is_err());
    }

    #[test]
    fn a_schema_that_is_none_says_so() {
        assert!(refused(&json!([1])).detail.contains("must be an object"));
        assert!(
            refused(&json!({"type": "strnig"}))
                .detail
                .contains("JSON Schema")
        );
    }

    #[test]
    fn defaults_are_those_of_the_schema_or_of_its_fields() {
        assert_eq!(default_of(&json!({"default": 3})), Some(json!(3)));
        let fields = json!({"properties": {"a": {"default": 1}, "b": {"type": "string"}}});
        assert_eq!(default_of(&fields), Some(json!({"a": 1})));
        assert_eq!(default_of(&json!({"type": "string"})), None);
    }
}
