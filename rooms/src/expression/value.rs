//! What an expression works on: JSON that is borrowed, and values of its own.

use std::rc::Rc;

use serde_json::Value;

use crate::Timestamp;
use crate::model::Object;

/// A text, borrowed or made on the way.
#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Lent(&'a str),
    Own(Rc<str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Lent(text) => text,
            Self::Own(text) => text,
        }
    }
}

/// A value. JSON has one kind of number: whole ones are `Int`, all others `Double`, and the two mix in arithmetic.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'a>),
    Array(&'a [Value]),
    Object(&'a Object),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<Vec<(Text<'a>, Val<'a>)>>),
    /// Microseconds since 1970.
    Time(i64),
    /// Microseconds.
    Span(i64),
    Type(&'static str),
}

impl<'a> From<&'a Value> for Val<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(v) => Self::Bool(*v),
            Value::Number(n) => match n.as_i64() {
                Some(v) => Self::Int(v),
                None => Self::Double(n.as_f64().unwrap_or_default()),
            },
            Value::String(v) => Self::Text(Text::Lent(v)),
            Value::Array(items) => Self::Array(items),
            Value::Object(map) => Self::Object(map),
        }
    }
}

impl<'a> Val<'a> {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(Text::Own(text.into()))
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Array(_) | Self::List(_) => "list",
            Self::Object(_) | Self::Map(_) => "map",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::Span(_) => "google.protobuf.Duration",
            Self::Type(_) => "type",
        }
    }

    /// Elements of a list; keys of a map.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            Self::Object(map) => Some(map.len()),
            Self::Map(map) => Some(map.len()),
            _ => None,
        }
    }

    /// What a loop goes over: the elements of a list, the keys of a map.
    pub(super) fn nth(&self, n: usize) -> Option<Val<'a>> {
        match self {
            Self::Array(items) => items.get(n).map(Val::from),
            Self::List(items) => items.get(n).cloned(),
            Self::Map(map) => map.get(n).map(|(key, _)| Self::Text(key.clone())),
            _ => None,
        }
    }

    /// A field of a map.
    pub(super) fn field(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Object(map) => map.get(name).map(Val::from),
            Self::Map(map) => map
                .iter()
                .find(|(key, _)| key.as_str() == name)
                .map(|(_, value)| value.clone()),
            _ => None,
        }
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Map(_))
    }

    /// As JSON; `spend` is told of every part before it is copied.
    pub(super) fn to_json<E: From<String>>(
        &self,
        spend: &mut impl FnMut(u64) -> Result<(), E>,
    ) -> Result<Value, E> {
        spend(1)?;
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(v) => (*v).into(),
            Self::Int(v) => (*v).into(),
            Self::Double(v) => serde_json::Number::from_f64(*v)
                .map(Value::Number)
                .ok_or_else(|| E::from(format!("{v} is no number that JSON can hold")))?,
            Self::Text(v) => {
                spend(v.as_str().len() as u64 / 16)?;
                v.as_str().into()
            }
            Self::Array(items) => {
                for item in *items {
                    spend(1 + crate::limits::size_of(item, usize::MAX - 1) as u64 / 16)?;
                }
                Value::Array(items.to_vec())
            }
            Self::Object(map) => {
                spend(crate::limits::object_size(map, usize::MAX - 1) as u64 / 16)?;
                Value::Object((*map).clone())
            }
            Self::List(items) => Value::Array(
                items
                    .iter()
                    .map(|v| v.to_json(spend))
                    .collect::<Result<_, E>>()?,
            ),
            Self::Map(map) => {
                let mut object = Object::new();
                for (key, value) in map.iter() {
                    object.insert(key.as_str().to_owned(), value.to_json(spend)?);
                }
                Value::Object(object)
            }
            Self::Time(at) => Timestamp(*at).to_rfc3339().into(),
            Self::Span(span) => span_text(*span).into(),
            Self::Type(name) => (*name).into(),
        })
    }
}

/// A duration as CEL writes it: seconds, with a fraction where there is one.
pub(super) fn span_text(micros: i64) -> String {
    let (seconds, rest) = (micros / 1_000_000, (micros % 1_000_000).unsigned_abs());
    let sign = if micros < 0 && seconds == 0 { "-" } else { "" };
    if rest == 0 {
        format!("{seconds}s")
    } else {
        let fraction = format!("{rest:06}");
        format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
    }
}

/// `1h30m`, `10s`, `1.5s`, `250ms`, `7us`; none when it is no duration.
pub(super) fn parse_span(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut micros = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        micros += number
            * match &rest[..unit] {
                "h" => 3_600e6,
                "m" => 60e6,
                "s" => 1e6,
                "ms" => 1e3,
                "us" => 1.0,
                "ns" => 1e-3,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, and is bounded before"
    )]
    (micros < 9e18).then_some(if negative {
        -micros as i64
    } else {
        micros as i64
    })
}
