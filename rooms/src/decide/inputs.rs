//! What expressions see, and the `{"$from": "<CEL>"}` values of inputs.

use serde_json::Value;

use crate::expression::{self, Names};
use crate::model::Object;
use crate::model::step::ProcessStep;
use crate::state::ProcessState;

static NOTHING: Value = Value::Null;

/// The names that an expression of a step sees: inputs, outputs, sharedData, variables, error; and the top-level keys of outputs and of
/// sharedData by their own names.
pub(super) fn names_of<'a>(
    process: &'a ProcessState,
    step: &'a ProcessStep,
    error: &'a Value,
) -> Names<'a> {
    let shared = &process.context.shared_data;
    let mut names = Names::default()
        .with_object("inputs", &step.inputs)
        .with("outputs", step.outputs.as_ref().unwrap_or(&NOTHING))
        .with_object("sharedData", shared)
        .with_object("variables", &process.context.variables)
        .with("error", error)
        .with_int("attempts", step.attempts.into());
    if let Some(Value::Object(outputs)) = &step.outputs {
        names = names.open(outputs);
    }
    names.open(shared)
}

/// The inputs with every `{"$from": …}` replaced by its value; none when there is nothing to replace. All of them share the fuel.
pub(super) fn resolve(
    inputs: &Object,
    names: &Names<'_>,
    fuel: &mut u64,
) -> Result<Option<Object>, String> {
    if !inputs.values().any(is_from) {
        return Ok(None);
    }
    let mut resolved = Object::new();
    for (key, value) in inputs {
        resolved.insert(key.clone(), replace(value, names, fuel)?);
    }
    Ok(Some(resolved))
}

fn expression_of(value: &Value) -> Option<&str> {
    match value {
        Value::Object(object) if object.len() == 1 => object.get("$from")?.as_str(),
        _ => None,
    }
}

fn is_from(value: &Value) -> bool {
    match value {
        Value::Object(object) => expression_of(value).is_some() || object.values().any(is_from),
        Value::Array(items) => items.iter().any(is_from),
        _ => false,
    }
}

fn replace(value: &Value, names: &Names<'_>, fuel: &mut u64) -> Result<Value, String> {
    if let Some(text) = expression_of(value) {
        return expression::evaluate_within(text, names, fuel)
            .map_err(|why| format!("{text:?}: {why}"));
    }
    Ok(match value {
        Value::Object(object) => Value::Object(
            object
                .iter()
                .map(|(k, v)| Ok((k.clone(), replace(v, names, fuel)?)))
                .collect::<Result<_, String>>()?,
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|v| replace(v, names, fuel))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

/// Every `{"$from": …}` must compile.
pub(super) fn check(value: &Value, path: &str, wrong: &mut impl FnMut(String, String)) {
    match value {
        Value::Object(object) => match object.get("$from") {
            Some(Value::String(text)) if object.len() == 1 => {
                if let Err(why) = expression::check(text) {
                    wrong(format!("{path}.$from"), why);
                }
            }
            _ => {
                for (key, value) in object {
                    check(value, &format!("{path}.{key}"), wrong);
                }
            }
        },
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                check(value, &format!("{path}[{n}]"), wrong);
            }
        }
        _ => {}
    }
}
