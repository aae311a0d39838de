//! Every limit of the domain, in one place: what a caller may send, and what an evaluation may cost.
//!
//! Each is checked where the thing comes in, and the refusal names the limit. Sizes are bytes of JSON unless said.

use serde_json::Value;

use crate::{Code, FieldError, Refusal};

/// Steps of a process.
pub const STEPS: usize = 1_000;
/// Dependencies of one step: a step may wait for all others.
pub const DEPENDENCIES: usize = STEPS;
/// Dependencies of all steps of a process together.
pub const EDGES: usize = 20_000;
/// Next steps that all conditions of a process together name.
pub const NEXT_STEPS: usize = 2_000;
/// Conditions of one step.
pub const CONDITIONS: usize = 50;
/// Capabilities that one step asks for.
pub const CAPABILITIES: usize = 50;
/// Capabilities of an agent, or of a member of a team.
pub const AGENT_CAPABILITIES: usize = 200;
/// Attempts that a step may use up.
pub const ATTEMPTS: u32 = 100;
/// The longest time that can be asked for, in milliseconds: a year.
pub const LONGEST_MS: u64 = 31_536_000_000;
/// The longest wait before another attempt, in milliseconds.
pub const BACKOFF_MS: u64 = 300_000;
/// Escalation rules of a team, and as many collaboration rules.
pub const RULES: usize = 50;
/// How often one rule fires in one process; after that it is silent.
pub const FIRINGS: u32 = 100;
/// A process in a process in a process: so deep and no deeper.
pub const SUB_PROCESSES: u32 = 5;

/// The largest message, comment, description or note.
pub const TEXT: usize = 32 * 1024;
/// The longest name, in characters.
pub const NAME: usize = 200;
/// A step's inputs, as given and as evaluated.
pub const INPUTS: usize = 256 * 1024;
/// What was evaluated for the inputs of all steps of a process.
pub const EVALUATED: usize = 8 * 1024 * 1024;
/// What one step gives.
pub const OUTPUTS: usize = 1024 * 1024;
/// What a process carries from the start.
pub const CONTEXT: usize = 1024 * 1024;
/// sharedData with everything that the steps have put there.
pub const SHARED_DATA: usize = 8 * 1024 * 1024;
/// The caller's own, on a step, an agent or a message.
pub const METADATA: usize = 64 * 1024;
/// Parameters of a rule.
pub const PARAMETERS: usize = 16 * 1024;
/// A template's whole definition.
pub const TEMPLATE: usize = 1024 * 1024;
/// Objects and arrays inside each other, in any JSON of a caller.
pub const NESTING: usize = 64;
/// Objects and arrays inside each other in all that is sent at once: room for [`NESTING`] within whatever a request wraps around it. A log wraps some more
/// around that, and reads no more than 127.
pub const PAYLOAD_NESTING: usize = NESTING + 16;

/// A JSON Schema.
pub const SCHEMA: usize = 32 * 1024;
/// Objects and arrays inside each other in a JSON Schema.
pub const SCHEMA_NESTING: usize = 32;
/// Subschemas of a JSON Schema once every `$ref` is written out.
pub const SCHEMA_PARTS: usize = 10_000;

/// An expression.
pub const EXPRESSION: usize = 2_048;
/// Brackets inside each other in an expression.
pub const EXPRESSION_NESTING: usize = 32;
/// Operators, calls, names and literals of an expression.
pub const EXPRESSION_NODES: usize = 1_000;
/// What one evaluation may cost: a node, a list element or 16 bytes of text are 1 each.
pub const FUEL: u64 = 200_000;
/// What all inputs that are evaluated may cost in one command.
pub const INPUTS_FUEL: u64 = 2_000_000;
/// What all rules together may cost in one command.
pub const RULES_FUEL: u64 = 1_000_000;

/// Bytes of a value's JSON, without writing it out; stops counting soon after `most`.
pub fn size_of(value: &Value, most: usize) -> usize {
    let size = match value {
        Value::Null => 4,
        Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(n) => n.to_string().len(),
        Value::String(s) => s.len() + 2,
        Value::Array(items) => {
            let mut size = 2;
            for item in items {
                if size > most {
                    break;
                }
                size += 1 + size_of(item, most);
            }
            size
        }
        Value::Object(map) => object_size(map, most),
    };
    size.min(most.saturating_add(1))
}

/// The same for an object.
pub fn object_size(map: &crate::model::Object, most: usize) -> usize {
    let mut size = 2;
    for (key, item) in map {
        if size > most {
            break;
        }
        size += 4 + key.len() + size_of(item, most);
    }
    size.min(most.saturating_add(1))
}

/// How deep objects and arrays lie inside each other, at most `most + 1`.
pub fn depth_of(value: &Value, most: usize) -> usize {
    if most == 0 {
        return usize::from(value.is_object() || value.is_array());
    }
    match value {
        Value::Array(items) => {
            1 + items
                .iter()
                .map(|v| depth_of(v, most - 1))
                .max()
                .unwrap_or(0)
        }
        Value::Object(map) => {
            1 + map
                .values()
                .map(|v| depth_of(v, most - 1))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}

/// What is wrong with the size or the nesting of a caller's JSON, if anything.
pub fn too_large(what: &str, value: &Value, most: usize) -> Option<String> {
    if size_of(value, most) > most {
        return Some(format!("{what} may have at most {most} bytes"));
    }
    (depth_of(value, NESTING) > NESTING)
        .then(|| format!("{what} may be nested at most {NESTING} levels deep"))
}

/// Refuses JSON that is too large (`payload_too_large`) or too deep.
pub fn check(path: &str, value: &Value, most: usize) -> Result<(), Refusal> {
    if size_of(value, most) > most {
        let mut refusal = Refusal::new(
            Code::PayloadTooLarge,
            format!("{path} may have at most {most} bytes"),
        );
        refusal
            .errors
            .push(FieldError::new(path, format!("at most {most} bytes")));
        return Err(refusal);
    }
    check_nesting(path, value, NESTING)
}

/// Refuses metadata that are too large or too deep.
pub fn check_metadata(metadata: &crate::model::Object) -> Result<(), Refusal> {
    check("metadata", &Value::Object(metadata.clone()), METADATA)
}

/// Refuses JSON that is nested deeper than that.
pub fn check_nesting(path: &str, value: &Value, most: usize) -> Result<(), Refusal> {
    if depth_of(value, most) > most {
        return Err(Refusal::field(
            path,
            format!("may be nested at most {most} levels deep"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_size_is_close_to_that_of_the_json_and_counting_stops_early() {
        let value = json!({"a": [1, 2.5, null, true, "text"], "b": {"c": "d"}});
        let written = value.to_string().len();
        let counted = size_of(&value, 10_000);
        assert!(
            counted >= written && counted < written + 20,
            "{counted} of {written}"
        );
        assert_eq!(size_of(&json!(vec![0; 1_000]), 10), 11);
    }

    #[test]
    fn nesting_is_counted_up_to_one_more_than_is_allowed() {
        let mut value = json!(1);
        for _ in 0..100 {
            value = json!([value]);
        }
        assert_eq!(depth_of(&value, NESTING), NESTING + 1);
        assert_eq!(depth_of(&json!({"a": [1]}), NESTING), 2);
        assert!(too_large("inputs", &value, 10_000).is_some_and(|e| e.contains("64 levels")));
    }
}
