//! Operators and functions: CEL's standard ones, but bytes, time zones and messages.

use std::rc::Rc;

use cel::common::ast::operators as op;

use super::eval::{Fault, Machine, Step, no_overload};
use super::value::{Text, Val, parse_span, span_text};
use crate::Timestamp;

/// Functions with how many values they take, their target among them.
const FUNCTIONS: &[(&str, usize)] = &[
    ("size", 1),
    ("contains", 2),
    ("startsWith", 2),
    ("endsWith", 2),
    ("matches", 2),
    ("lowerAscii", 1),
    ("upperAscii", 1),
    ("trim", 1),
    ("int", 1),
    ("uint", 1),
    ("double", 1),
    ("string", 1),
    ("bool", 1),
    ("dyn", 1),
    ("type", 1),
    ("timestamp", 1),
    ("duration", 1),
];

const OPERATORS: &[&str] = &[
    op::CONDITIONAL,
    op::LOGICAL_AND,
    op::LOGICAL_OR,
    op::LOGICAL_NOT,
    op::SUBSTRACT,
    op::ADD,
    op::MULTIPLY,
    op::DIVIDE,
    op::MODULO,
    op::EQUALS,
    op::NOT_EQUALS,
    op::GREATER_EQUALS,
    op::LESS_EQUALS,
    op::GREATER,
    op::LESS,
    op::NEGATE,
    op::INDEX,
    op::NOT_STRICTLY_FALSE,
    op::IN,
];

/// Whether there is such a function, called like this.
pub(super) fn known(name: &str, on_target: bool, given: usize) -> Result<(), String> {
    if OPERATORS.contains(&name) {
        return Ok(());
    }
    match FUNCTIONS.iter().find(|(n, _)| *n == name) {
        Some((_, takes)) if *takes == given => Ok(()),
        Some((_, takes)) => Err(format!(
            "{name} takes {} argument{}",
            takes - usize::from(on_target),
            if *takes - usize::from(on_target) == 1 {
                ""
            } else {
                "s"
            }
        )),
        None => {
            let names: Vec<_> = FUNCTIONS.iter().map(|(n, _)| *n).collect();
            Err(format!(
                "there is no function {name:?}; there are {}, has, all, exists, exists_one, map and filter",
                names.join(", ")
            ))
        }
    }
}

/// The names of types are values too: `type(x) == string`.
pub(super) fn type_named(name: &str) -> Option<&'static str> {
    [
        "bool",
        "int",
        "double",
        "string",
        "list",
        "map",
        "null_type",
        "type",
    ]
    .into_iter()
    .find(|n| *n == name)
}

pub(super) fn apply<'a>(m: &mut Machine<'a>, name: &str, values: Vec<Val<'a>>) -> Step<'a> {
    match (name, values.as_slice()) {
        (op::LOGICAL_NOT, [Val::Bool(v)]) => Ok(Val::Bool(!v)),
        (op::NEGATE, [Val::Int(v)]) => v.checked_neg().map(Val::Int).ok_or_else(overflow),
        (op::NEGATE, [Val::Double(v)]) => Ok(Val::Double(-v)),
        (op::EQUALS, [a, b]) => equal(m, a, b).map(Val::Bool),
        (op::NOT_EQUALS, [a, b]) => equal(m, a, b).map(|same| Val::Bool(!same)),
        (op::LESS, [a, b]) => order(m, name, a, b).map(|o| Val::Bool(o == Some(Less))),
        (op::GREATER, [a, b]) => order(m, name, a, b).map(|o| Val::Bool(o == Some(Greater))),
        (op::LESS_EQUALS, [a, b]) => {
            order(m, name, a, b).map(|o| Val::Bool(matches!(o, Some(Less | Equal))))
        }
        (op::GREATER_EQUALS, [a, b]) => {
            order(m, name, a, b).map(|o| Val::Bool(matches!(o, Some(Greater | Equal))))
        }
        (op::ADD, [Val::Text(a), Val::Text(b)]) => {
            m.spend((a.as_str().len() + b.as_str().len()) as u64 / 16)?;
            Ok(Val::text(format!("{}{}", a.as_str(), b.as_str())))
        }
        (
            op::ADD,
            [
                a @ (Val::List(_) | Val::Array(_)),
                b @ (Val::List(_) | Val::Array(_)),
            ],
        ) => {
            m.spend((a.len().unwrap_or(0) + b.len().unwrap_or(0)) as u64)?;
            let mut all = items(a);
            all.extend(items(b));
            Ok(Val::List(Rc::new(all)))
        }
        (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [a, b]) => {
            arithmetic(name, a, b)
        }
        (op::INDEX, [from, at]) => index(from, at),
        (op::IN, [what, within]) => contained(m, what, within).map(Val::Bool),
        ("size", [Val::Text(v)]) => {
            m.spend(v.as_str().len() as u64 / 16)?;
            Ok(Val::Int(count(v.as_str().chars().count())))
        }
        ("size", [v]) if v.len().is_some() => Ok(Val::Int(count(v.len().unwrap_or(0)))),
        ("contains", [Val::Text(a), Val::Text(b)]) => {
            m.spend((a.as_str().len() + b.as_str().len()) as u64 / 16)?;
            Ok(Val::Bool(a.as_str().contains(b.as_str())))
        }
        ("startsWith", [Val::Text(a), Val::Text(b)]) => {
            Ok(Val::Bool(a.as_str().starts_with(b.as_str())))
        }
        ("endsWith", [Val::Text(a), Val::Text(b)]) => {
            Ok(Val::Bool(a.as_str().ends_with(b.as_str())))
        }
        ("matches", [Val::Text(a), Val::Text(b)]) => matches(m, a.as_str(), b.as_str()),
        ("lowerAscii", [Val::Text(v)]) => {
            m.spend(v.as_str().len() as u64 / 16)?;
            Ok(Val::text(v.as_str().to_ascii_lowercase()))
        }
        ("upperAscii", [Val::Text(v)]) => {
            m.spend(v.as_str().len() as u64 / 16)?;
            Ok(Val::text(v.as_str().to_ascii_uppercase()))
        }
        ("trim", [Val::Text(v)]) => {
            m.spend(v.as_str().len() as u64 / 16)?;
            Ok(Val::text(v.as_str().trim()))
        }
        ("dyn", [v]) => Ok(v.clone()),
        ("type", [v]) => Ok(Val::Type(v.type_name())),
        ("int" | "uint" | "double" | "string" | "bool" | "timestamp" | "duration", [v]) => {
            convert(m, name, v)
        }
        _ => Err(no_overload(name, &values)),
    }
}

use std::cmp::Ordering::{Equal, Greater, Less};

fn overflow() -> Fault {
    Fault::Error("the number is too large".to_owned())
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn items<'a>(list: &Val<'a>) -> Vec<Val<'a>> {
    match list {
        Val::Array(all) => all.iter().map(Val::from).collect(),
        Val::List(all) => all.to_vec(),
        _ => Vec::new(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what a double of a large int is"
)]
fn double(v: &Val<'_>) -> Option<f64> {
    match v {
        Val::Int(v) => Some(*v as f64),
        Val::Double(v) => Some(*v),
        _ => None,
    }
}

fn arithmetic<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Step<'a> {
    let zero = || Fault::Error("cannot divide by zero".to_owned());
    let (add, take) = (name == op::ADD, name == op::SUBSTRACT);
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => match name {
            op::ADD => a.checked_add(*b),
            op::SUBSTRACT => a.checked_sub(*b),
            op::MULTIPLY => a.checked_mul(*b),
            _ if *b == 0 => return Err(zero()),
            op::DIVIDE => a.checked_div(*b),
            _ => a.checked_rem(*b),
        }
        .map(Val::Int)
        .ok_or_else(overflow),
        (Val::Time(a), Val::Span(b)) if add => {
            a.checked_add(*b).map(Val::Time).ok_or_else(overflow)
        }
        (Val::Span(a), Val::Time(b)) if add => {
            a.checked_add(*b).map(Val::Time).ok_or_else(overflow)
        }
        (Val::Time(a), Val::Span(b)) if take => {
            a.checked_sub(*b).map(Val::Time).ok_or_else(overflow)
        }
        (Val::Time(a), Val::Time(b)) if take => {
            a.checked_sub(*b).map(Val::Span).ok_or_else(overflow)
        }
        (Val::Span(a), Val::Span(b)) if add => {
            a.checked_add(*b).map(Val::Span).ok_or_else(overflow)
        }
        (Val::Span(a), Val::Span(b)) if take => {
            a.checked_sub(*b).map(Val::Span).ok_or_else(overflow)
        }
        _ => match (double(a), double(b)) {
            (Some(a), Some(b)) => Ok(Val::Double(match name {
                op::ADD => a + b,
                op::SUBSTRACT => a - b,
                op::MULTIPLY => a * b,
                op::DIVIDE => a / b,
                _ => a % b,
            })),
            _ => Err(no_overload(name, &[a.clone(), b.clone()])),
        },
    }
}

fn equal<'a>(m: &mut Machine<'a>, a: &Val<'a>, b: &Val<'a>) -> Result<bool, Fault> {
    m.spend(1)?;
    Ok(match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Int(a), Val::Int(b))
        | (Val::Time(a), Val::Time(b))
        | (Val::Span(a), Val::Span(b)) => a == b,
        (Val::Type(a), Val::Type(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => {
            m.spend(a.as_str().len().min(b.as_str().len()) as u64 / 16)?;
            a.as_str() == b.as_str()
        }
        (Val::Int(_) | Val::Double(_), Val::Int(_) | Val::Double(_)) => double(a) == double(b),
        (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for n in 0..a.len().unwrap_or(0) {
                let (Some(x), Some(y)) = (a.nth(n), b.nth(n)) else {
                    return Ok(false);
                };
                if !equal(m, &x, &y)? {
                    return Ok(false);
                }
            }
            true
        }
        (Val::Object(_) | Val::Map(_), Val::Object(_) | Val::Map(_)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for key in keys(a) {
                m.spend(1)?;
                let (Some(x), Some(y)) = (a.field(key.as_str()), b.field(key.as_str())) else {
                    return Ok(false);
                };
                if !equal(m, &x, &y)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}

fn keys<'a>(map: &Val<'a>) -> Vec<Text<'a>> {
    match map {
        Val::Object(map) => map.keys().map(|k| Text::Lent(k)).collect(),
        Val::Map(map) => map.iter().map(|(k, _)| k.clone()).collect(),
        _ => Vec::new(),
    }
}

fn order<'a>(
    m: &mut Machine<'a>,
    name: &str,
    a: &Val<'a>,
    b: &Val<'a>,
) -> Result<Option<std::cmp::Ordering>, Fault> {
    Ok(match (a, b) {
        (Val::Int(a), Val::Int(b))
        | (Val::Time(a), Val::Time(b))
        | (Val::Span(a), Val::Span(b)) => Some(a.cmp(b)),
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => {
            m.spend(a.as_str().len().min(b.as_str().len()) as u64 / 16)?;
            Some(a.as_str().cmp(b.as_str()))
        }
        _ => match (double(a), double(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => return Err(no_overload(name, &[a.clone(), b.clone()])),
        },
    })
}

fn index<'a>(from: &Val<'a>, at: &Val<'a>) -> Step<'a> {
    match (from, at) {
        (Val::Array(_) | Val::List(_), Val::Int(_) | Val::Double(_)) => {
            let n = double(at).filter(|n| n.fract() == 0.0 && *n >= 0.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and not negative; what is too large is out of bounds anyway"
            )]
            n.and_then(|n| from.nth(n as usize)).ok_or_else(|| {
                Fault::Error(format!(
                    "the index is out of bounds: the list has {} elements",
                    from.len().unwrap_or(0)
                ))
            })
        }
        (Val::Object(_) | Val::Map(_), Val::Text(key)) => from
            .field(key.as_str())
            .ok_or_else(|| Fault::Error(format!("there is no {:?} in the map", key.as_str()))),
        _ => Err(no_overload("[]", &[from.clone(), at.clone()])),
    }
}

fn contained<'a>(m: &mut Machine<'a>, what: &Val<'a>, within: &Val<'a>) -> Result<bool, Fault> {
    match (what, within) {
        (_, Val::Array(_) | Val::List(_)) => {
            for n in 0..within.len().unwrap_or(0) {
                if let Some(item) = within.nth(n)
                    && equal(m, what, &item)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Val::Text(key), Val::Object(_) | Val::Map(_)) => Ok(within.field(key.as_str()).is_some()),
        (_, Val::Object(_) | Val::Map(_)) => Ok(false),
        _ => Err(no_overload("in", &[what.clone(), within.clone()])),
    }
}

/// Linear in the text, by its engine; the size of the compiled pattern is bounded, and both are paid for.
fn matches<'a>(m: &mut Machine<'a>, text: &str, pattern: &str) -> Step<'a> {
    m.spend((1 + text.len() as u64 / 16) * (1 + pattern.len() as u64 / 16))?;
    let at = match m.patterns.iter().position(|(p, _)| p == pattern) {
        Some(at) => at,
        None => {
            m.spend(2_000)?;
            let regex = regex::RegexBuilder::new(pattern)
                .size_limit(128 * 1024)
                .dfa_size_limit(256 * 1024)
                .build()
                .map_err(|e| Fault::Error(format!("{pattern:?} is no pattern: {e}")))?;
            m.patterns.push((pattern.to_owned(), regex));
            m.patterns.len() - 1
        }
    };
    Ok(Val::Bool(m.patterns[at].1.is_match(text)))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "bounded before, or rounded towards zero as CEL does"
)]
fn convert<'a>(m: &mut Machine<'a>, name: &str, v: &Val<'a>) -> Step<'a> {
    let wrong = |v: &Val<'_>| {
        let shown = match v {
            Val::Text(text) => {
                let text: String = text.as_str().chars().take(50).collect();
                format!("{text:?}")
            }
            other => format!("a {}", other.type_name()),
        };
        Fault::Error(format!("{shown} cannot become a {name}"))
    };
    Ok(match (name, v) {
        ("int" | "uint", Val::Int(n)) if name == "int" || *n >= 0 => Val::Int(*n),
        ("int" | "uint", Val::Double(n)) if n.abs() < 9.2e18 && (name == "int" || *n >= 0.0) => {
            Val::Int(*n as i64)
        }
        ("int" | "uint", Val::Text(text)) => Val::Int(text.as_str().parse().map_err(|_| wrong(v))?),
        ("int", Val::Time(at)) => Val::Int(at.div_euclid(1_000_000)),
        ("double", Val::Text(text)) => Val::Double(text.as_str().parse().map_err(|_| wrong(v))?),
        ("double", _) => Val::Double(double(v).ok_or_else(|| wrong(v))?),
        ("bool", Val::Bool(b)) => Val::Bool(*b),
        ("bool", Val::Text(text)) => match text.as_str() {
            "true" => Val::Bool(true),
            "false" => Val::Bool(false),
            _ => return Err(wrong(v)),
        },
        ("string", Val::Text(text)) => Val::Text(text.clone()),
        ("string", Val::Int(n)) => Val::text(n.to_string()),
        ("string", Val::Double(n)) => Val::text(n.to_string()),
        ("string", Val::Bool(b)) => Val::text(b.to_string()),
        ("string", Val::Time(at)) => Val::text(Timestamp(*at).to_rfc3339()),
        ("string", Val::Span(span)) => Val::text(span_text(*span)),
        ("timestamp", Val::Time(at)) => Val::Time(*at),
        ("timestamp", Val::Int(seconds)) => {
            Val::Time(seconds.checked_mul(1_000_000).ok_or_else(overflow)?)
        }
        ("timestamp", Val::Text(text)) => {
            m.spend(1)?;
            let at = chrono::DateTime::parse_from_rfc3339(text.as_str()).map_err(|_| wrong(v))?;
            Val::Time(at.timestamp_micros())
        }
        ("duration", Val::Span(span)) => Val::Span(*span),
        ("duration", Val::Text(text)) => {
            Val::Span(parse_span(text.as_str()).ok_or_else(|| wrong(v))?)
        }
        _ => return Err(wrong(v)),
    })
}
