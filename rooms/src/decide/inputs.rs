//! What expressions see, and the `{"$from": "<CEL>"}` values of inputs.

use serde_json::Value;

use crate::expression::{self, Names};
use crate::limits;
use crate::model::Object;
use crate::model::access::PrincipalKind;
use crate::model::intervention::InterventionStatus;
use crate::model::process::Failure;
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

/// What one command may spend on inputs: many steps may become ready in it.
pub(super) struct Allowance {
    fuel: u64,
    /// Bytes of what was evaluated for the steps of the process, once they were counted.
    evaluated: Option<usize>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            fuel: limits::INPUTS_FUEL,
            evaluated: None,
        }
    }
}

impl Allowance {
    /// A step's inputs with every `$from` evaluated, where there is one; evaluated once in a run.
    pub(super) fn of(
        &mut self,
        process: &ProcessState,
        step: &ProcessStep,
    ) -> Result<Option<Object>, Box<Failure>> {
        if step.given_inputs.is_some() {
            return Ok(None);
        }
        self.evaluate(process, step).map_err(|why| {
            Box::new(Failure::permanent(
                "invalid_inputs",
                format!("the inputs cannot be evaluated: {why}"),
            ))
        })
    }

    fn evaluate(
        &mut self,
        process: &ProcessState,
        step: &ProcessStep,
    ) -> Result<Option<Object>, String> {
        let error = Value::Null;
        let names = names_of(process, step, &error);
        let mut fuel = self.fuel.min(limits::FUEL);
        let had = fuel;
        let resolved = resolve(&step.inputs, &names, &mut fuel);
        self.fuel -= had - fuel;
        let Some(inputs) = resolved? else {
            return Ok(None);
        };
        let size = limits::object_size(&inputs, limits::INPUTS);
        if size > limits::INPUTS {
            return Err(format!("they have more than {} bytes", limits::INPUTS));
        }
        // What was given and what it takes in are each within the limit; together they need not be.
        let inner = limits::NESTING - 1;
        let deep = |value: &Value| limits::depth_of(value, inner) > inner;
        if inputs.values().any(deep) {
            return Err(format!(
                "they are nested more than {} levels deep",
                limits::NESTING
            ));
        }
        let before = self.evaluated.unwrap_or_else(|| {
            let evaluated = process.steps.iter().filter(|s| s.given_inputs.is_some());
            let evaluated = evaluated.map(|s| limits::object_size(&s.inputs, limits::INPUTS));
            // Those that are put to a human are to come.
            let asked = process.interventions.values().filter(|i| {
                i.status == InterventionStatus::Pending
                    && i.requested_by.kind == PrincipalKind::System
            });
            let asked = asked.filter_map(|i| i.subject.as_ref()?.get("inputs"));
            let asked = asked.map(|inputs| limits::size_of(inputs, limits::INPUTS));
            evaluated.chain(asked).sum()
        });
        if before + size > limits::EVALUATED {
            return Err(format!(
                "those of all steps together would have more than {} bytes; keep large data elsewhere and pass their address",
                limits::EVALUATED
            ));
        }
        self.evaluated = Some(before + size);
        Ok(Some(inputs))
    }
}

/// The inputs with every `{"$from": …}` replaced by its value; none when there is nothing to replace. All of them share the fuel.
fn resolve(inputs: &Object, names: &Names<'_>, fuel: &mut u64) -> Result<Option<Object>, String> {
    if let Some(text) = whole(inputs) {
        return match expression::evaluate_within(text, names, fuel) {
            Ok(Value::Object(all)) => Ok(Some(all)),
            Ok(_) => Err(format!("{text:?}: gives no object, which inputs are")),
            Err(why) => Err(format!("{text:?}: {why}")),
        };
    }
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
    value.as_object().and_then(whole)
}

/// The expression that all of an object is given by.
fn whole(object: &Object) -> Option<&str> {
    let text = object.get("$from").filter(|_| object.len() == 1)?;
    text.as_str()
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
