//! CEL, as conditions and `$from` values use it: checked at start, evaluated without side effects.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cel::{Context, Program};
use serde_json::Value;

/// The longest expression, in bytes. A longer one is refused at start.
pub const MAX_LENGTH: usize = 2_048;

/// Whether the text compiles; the error says where it does not.
pub fn check(text: &str) -> Result<(), String> {
    compile(text).map(|_| ())
}

/// The same for a condition, which may be empty.
pub fn check_or_empty(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Ok(())
    } else {
        check(text)
    }
}

/// Evaluates to a JSON value with the given top-level names.
pub fn evaluate(text: &str, names: &serde_json::Map<String, Value>) -> Result<Value, String> {
    let program = compile(text)?;
    // The interpreter is not ours: a panic in it must cost this expression, not the server.
    catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::default();
        for (name, value) in names {
            context.add_variable_from_value(name.as_str(), to_cel(value));
        }
        let value = program.execute(&context).map_err(|e| e.to_string())?;
        value.json().map_err(|e| e.to_string())
    }))
    .unwrap_or_else(|_| Err("the expression cannot be evaluated".to_owned()))
}

/// Evaluates to a truth value; an empty text is true.
pub fn holds(text: &str, names: &serde_json::Map<String, Value>) -> Result<bool, String> {
    if text.trim().is_empty() {
        return Ok(true);
    }
    match evaluate(text, names)? {
        Value::Bool(value) => Ok(value),
        other => Err(format!("gives {other}, not true or false")),
    }
}

fn compile(text: &str) -> Result<Program, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("is longer than {MAX_LENGTH} bytes"));
    }
    let depth = text
        .bytes()
        .filter(|b| matches!(b, b'(' | b'[' | b'{' | b'!' | b'-' | b'?'))
        .count();
    if depth > 200 {
        return Err("is nested too deeply".to_owned());
    }
    let source = strict_to_plain(text);
    catch_unwind(AssertUnwindSafe(|| {
        Program::compile(&source).map_err(|e| e.to_string())
    }))
    .unwrap_or_else(|_| Err("cannot be parsed".to_owned()))
}

/// JSON has one kind of number, CEL has three that do not mix: whole numbers become `int`, so that `outputs.score + 1` works.
fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(v) => (*v).into(),
        Value::Number(n) => match n.as_i64() {
            Some(v) => v.into(),
            None => n.as_f64().unwrap_or_default().into(),
        },
        Value::String(v) => v.as_str().into(),
        Value::Array(items) => items.iter().map(to_cel).collect::<Vec<_>>().into(),
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| (k.clone(), to_cel(v)))
            .collect::<std::collections::HashMap<_, _>>()
            .into(),
    }
}

/// `===` and `!==` are read as `==` and `!=`, outside of string literals.
fn strict_to_plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        match quote {
            Some(_) if c == '\\' => out.extend(chars.next()),
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if (c == '=' || c == '!') && chars.peek() == Some(&'=') => {
                out.extend(chars.next());
                if chars.peek() == Some(&'=') {
                    chars.next();
                }
            }
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names() -> serde_json::Map<String, Value> {
        json!({"outputs": {"score": 7, "text": "a === b"}})
            .as_object()
            .cloned()
            .unwrap()
    }

    #[test]
    fn strict_comparisons_are_read_as_plain_ones() {
        assert_eq!(holds("outputs.score === 7", &names()), Ok(true));
        assert_eq!(holds("outputs.score !== 7", &names()), Ok(false));
        assert_eq!(holds("outputs.text == 'a === b'", &names()), Ok(true));
    }

    #[test]
    fn what_does_not_compile_or_is_no_truth_value_says_so() {
        assert!(check("outputs.score >").is_err());
        assert!(holds("outputs.score", &names()).is_err());
        assert!(holds("nothing.there == 1", &names()).is_err());
        assert!(check(&"(".repeat(5_000)).is_err());
    }

    #[test]
    fn values_come_out_as_json() {
        assert_eq!(
            evaluate("{'n': outputs.score + 1}", &names()),
            Ok(json!({"n": 8}))
        );
    }
}
