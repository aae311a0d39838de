//! Forms: the JSON Schema of an answer, and whether a value fits it.

use serde_json::Value;

use crate::decide::MAX_TEXT;
use crate::{Code, Refusal, view};

pub(super) fn check_schema(schema: &Value) -> Result<(), Refusal> {
    if schema.to_string().len() > MAX_TEXT {
        return Err(Refusal::new(
            Code::PayloadTooLarge,
            "schema: at most 32 KiB",
        ));
    }
    jsonschema::validator_for(schema)
        .map(|_| ())
        .map_err(|e| Refusal::field("schema", format!("is no JSON Schema: {e}")))
}

pub(super) fn check_value(
    schema: Option<&Value>,
    value: &Value,
    path: &str,
) -> Result<(), Refusal> {
    let Some(schema) = schema else { return Ok(()) };
    let Ok(validator) = jsonschema::validator_for(schema) else {
        return Ok(());
    };
    let errors = validator
        .iter_errors(value)
        .take(20)
        .map(|e| {
            crate::FieldError::new(
                format!("{path}{}", view::dotted(&e.instance_path().to_string())),
                e.to_string(),
            )
        })
        .collect();
    crate::refusal::all_valid(errors)
}
