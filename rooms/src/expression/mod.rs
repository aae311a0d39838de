//! CEL, as conditions, rules and `$from` values use it: checked at start, evaluated without side effects.
//!
//! The grammar is the `cel` crate's. The evaluation is ours ([`eval`]), for three reasons: it spends fuel, so that no expression costs
//! unbounded time or memory; it reads the state's JSON where it lies, without a copy; and it has JSON's one kind of number, so that
//! `outputs.score * 0.5` holds for a score of 1 as for one of 0.9.

mod check;
mod eval;
mod functions;
mod value;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use cel::Program;
use serde_json::Value;

use self::value::Val;
use crate::limits;
use crate::model::Object;

/// What an expression can name.
#[derive(Clone, Debug, Default)]
pub struct Names<'a> {
    named: Vec<(&'a str, Val<'a>)>,
    open: Vec<&'a Object>,
}

impl<'a> Names<'a> {
    /// Adds a name.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: &'a Value) -> Self {
        self.named.push((name, value.into()));
        self
    }

    /// Adds an object's name.
    #[must_use]
    pub fn with_object(mut self, name: &'a str, object: &'a Object) -> Self {
        self.named.push((name, Val::Object(object)));
        self
    }

    /// Adds a whole number's name.
    #[must_use]
    pub fn with_int(mut self, name: &'a str, value: i64) -> Self {
        self.named.push((name, Val::Int(value)));
        self
    }

    /// Makes an object's fields visible by their own names; names given before come first.
    #[must_use]
    pub fn open(mut self, object: &'a Object) -> Self {
        self.open.push(object);
        self
    }

    fn get(&self, name: &str) -> Option<Val<'a>> {
        let named = self.named.iter().find(|(n, _)| *n == name);
        match named {
            Some((_, value)) => Some(value.clone()),
            None => self.open.iter().find_map(|o| o.get(name)).map(Val::from),
        }
    }
}

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

/// Evaluates to a JSON value.
pub fn evaluate(text: &str, names: &Names<'_>) -> Result<Value, String> {
    evaluate_within(text, names, &mut limits::FUEL.clone())
}

/// The same within what is left of a budget.
pub fn evaluate_within(text: &str, names: &Names<'_>, fuel: &mut u64) -> Result<Value, String> {
    let program = compile(text)?;
    eval::run(program.expression(), names, fuel)
}

/// Evaluates to a truth value; an empty text is true.
pub fn holds(text: &str, names: &Names<'_>) -> Result<bool, String> {
    holds_within(text, names, &mut limits::FUEL.clone())
}

/// The same within what is left of a budget.
pub fn holds_within(text: &str, names: &Names<'_>, fuel: &mut u64) -> Result<bool, String> {
    if text.trim().is_empty() {
        return Ok(true);
    }
    match evaluate_within(text, names, fuel)? {
        Value::Bool(value) => Ok(value),
        other => {
            let shown: String = other.to_string().chars().take(100).collect();
            Err(format!("gives {shown}, not true or false"))
        }
    }
}

/// Whether the text names this, at its root.
pub fn mentions(text: &str, name: &str) -> bool {
    compile(text).is_ok_and(|p| p.references().has_variable(name))
}

/// What an expression saw: the values of what it names, by the path that it names them with; a long one is cut.
pub fn seen(text: &str, names: &Names<'_>) -> Object {
    let mut out = Object::new();
    if let Ok(program) = compile(text) {
        eval::seen(program.expression(), names, &mut out);
    }
    out
}

/// Compiled expressions: the same few are evaluated over and over. Only speed depends on this, never an outcome.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);
/// More than that and the memory starts anew.
const REMEMBERED: usize = 1_024;

fn compile(text: &str) -> Result<Arc<Program>, String> {
    if let Ok(known) = COMPILED.lock()
        && let Some(program) = known.get(text)
    {
        return Ok(Arc::clone(program));
    }
    check::shape(text)?;
    let source = strict_to_plain(text);
    let program = parse(&source)?;
    check::supported(&program, &source)?;
    let program = Arc::new(program);
    if let Ok(mut known) = COMPILED.lock() {
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(text.to_owned(), Arc::clone(&program));
    }
    Ok(program)
}

/// The parser's recursion follows the brackets, with frames of many kilobytes: it gets a stack of its own, which is only touched as far as
/// it is needed. And it is not ours: a panic in it costs this expression, not the server.
fn parse(source: &str) -> Result<Program, String> {
    const STACK: usize = 64 << 20;
    let parsed = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, || Program::compile(source))
            .map(std::thread::ScopedJoinHandle::join)
    });
    match parsed {
        Ok(Ok(program)) => program.map_err(|e| check::parse_error(&e)),
        Ok(Err(_)) | Err(_) => Err("cannot be parsed".to_owned()),
    }
}

/// `===` and `!==` are read as `==` and `!=`, outside of string literals. A space takes the place of the third sign, so that positions
/// in errors stay those of the caller's text.
fn strict_to_plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            let end = literal_end(rest, c, matches!(before, 'r' | 'R'));
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            before = c;
            continue;
        }
        if let Some(after) = rest
            .strip_prefix("===")
            .or_else(|| rest.strip_prefix("!=="))
        {
            out.push(c);
            out.push_str("= ");
            rest = after;
            before = ' ';
            continue;
        }
        out.push(c);
        before = c;
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// Where the string literal that the text begins with ends.
fn literal_end(text: &str, quote: char, raw: bool) -> usize {
    let triple = [quote; 3].iter().collect::<String>();
    let close = if text.starts_with(&triple) { 3 } else { 1 };
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(close) {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if c == quote && (close == 1 || text[at..].starts_with(&triple)) {
            return at + close;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests;
