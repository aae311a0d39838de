//! Values, rows of them, and the text of statements: what differs between the databases in writing, without any connection.

use std::borrow::Cow;

use rooms::Timestamp;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Column, Row as _, TypeInfo, ValueRef};
use uuid::Uuid;

use super::Error;

/// A value on its way to or from the database.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// BIGINT: numbers, truth values, microseconds.
    Int(i64),
    /// TEXT: names, JSON.
    Text(String),
    /// UUID on Postgres, a BLOB of 16 bytes on SQLite.
    Uuid(Uuid),
    /// Many UUIDs as one argument; see [`Store::among`](super::Store::among).
    Uuids(Vec<Uuid>),
    /// Many texts as one argument; see [`Store::among`](super::Store::among).
    Texts(Vec<String>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Int(v)
    }
}
impl From<u64> for Value {
    fn from(v: u64) -> Self {
        Self::Int(i64::try_from(v).unwrap_or(i64::MAX))
    }
}
impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Int(v.into())
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(v.to_owned())
    }
}
impl From<String> for Value {
    fn from(v: String) -> Self {
        Self::Text(v)
    }
}
impl From<Uuid> for Value {
    fn from(v: Uuid) -> Self {
        Self::Uuid(v)
    }
}
impl From<Timestamp> for Value {
    fn from(v: Timestamp) -> Self {
        Self::Int(v.0)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}

/// A row: its values in the order selected.
#[derive(Debug)]
pub struct Row(Vec<Value>);

impl Row {
    /// A number; 0 for NULL.
    pub fn int(&self, n: usize) -> i64 {
        match self.0.get(n) {
            Some(Value::Int(v)) => *v,
            _ => 0,
        }
    }

    /// A number that is never negative.
    pub fn count(&self, n: usize) -> u64 {
        u64::try_from(self.int(n)).unwrap_or(0)
    }

    /// A text; empty for NULL.
    pub fn text(&self, n: usize) -> &str {
        match self.0.get(n) {
            Some(Value::Text(v)) => v,
            _ => "",
        }
    }

    /// All of them.
    pub(crate) fn values(&self) -> &[Value] {
        &self.0
    }

    /// Whether it is NULL.
    pub fn is_null(&self, n: usize) -> bool {
        matches!(self.0.get(n), None | Some(Value::Null))
    }

    /// A UUID; nil for NULL.
    pub fn uuid(&self, n: usize) -> Uuid {
        match self.0.get(n) {
            Some(Value::Uuid(v)) => *v,
            _ => Uuid::nil(),
        }
    }
}

/// The type of a column, for arrays of values on Postgres.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// BIGINT
    Int,
    /// TEXT
    Text,
    /// UUID
    Uuid,
}

/// A table to write many rows to at once.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the order of the values.
    pub columns: &'static [(&'static str, Kind)],
    /// The key, where a row that exists is replaced; none: it is an error.
    pub key: Option<&'static [&'static str]>,
    /// Columns that a row keeps as they are when it is replaced.
    pub once: &'static [&'static str],
}

/// A part of a batch.
pub(crate) enum Part {
    /// Rows of a table.
    Rows(&'static Table, Vec<Vec<Value>>),
    /// A statement over rows; see [`Conn::query_rows`](super::Conn::query_rows).
    Run(
        &'static str,
        &'static [(&'static str, Kind)],
        Vec<Vec<Value>>,
    ),
}

/// One statement of Postgres whose common table expressions `p0`, `p1`… are those parts that have rows; none has: none. `before` stands in
/// front of them, `after` is the statement itself.
pub(crate) fn statement(
    parts: Vec<Part>,
    before: &str,
    after: &str,
) -> Result<Option<(String, PgArguments)>, Error> {
    let mut args = PgArguments::default();
    let mut sql = format!("WITH {before}");
    let mut from = 1;
    let mut n = 0;
    for part in parts {
        let (text, columns, rows) = match part {
            Part::Rows(table, rows) => (Cow::from(insert(table)), table.columns, rows),
            Part::Run(text, columns, rows) => (Cow::from(text), columns, rows),
        };
        if rows.is_empty() {
            continue;
        }
        let comma = if n > 0 { ", " } else { "" };
        let text = text.replace("{rows}", &unnest(columns, from));
        sql.push_str(&format!("{comma}p{n} AS ({text})"));
        pg_arrays(&mut args, columns, rows)?;
        from += columns.len();
        n += 1;
    }
    sql.push(' ');
    sql.push_str(after);
    Ok((n > 0).then_some((sql, args)))
}

/// `INSERT INTO …` of `{rows}`, on Postgres.
pub(super) fn insert(table: &Table) -> String {
    format!(
        "INSERT INTO {} ({}) SELECT * FROM {{rows}}{}",
        table.name,
        names(table),
        conflict(table)
    )
}

/// What becomes of a row that is there already.
pub(super) fn conflict(table: &Table) -> String {
    let Some(key) = table.key else {
        return String::new();
    };
    let set = table
        .columns
        .iter()
        .filter(|c| !key.contains(&c.0) && !table.once.contains(&c.0))
        .map(|c| format!("{0} = excluded.{0}", c.0))
        .collect::<Vec<_>>()
        .join(", ");
    let key = key.join(", ");
    if set.is_empty() {
        format!(" ON CONFLICT ({key}) DO NOTHING")
    } else {
        format!(" ON CONFLICT ({key}) DO UPDATE SET {set}")
    }
}

pub(super) fn names(table: &Table) -> String {
    let names: Vec<_> = table.columns.iter().map(|c| c.0).collect();
    names.join(", ")
}

/// `UNNEST($from::UUID[], …) AS v (id, …)`: a table of what comes in as an array per column.
pub(super) fn unnest(columns: &[(&str, Kind)], from: usize) -> String {
    let arrays: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(n, (_, kind))| match kind {
            Kind::Int => format!("${}::BIGINT[]", from + n),
            Kind::Text => format!("${}::TEXT[]", from + n),
            Kind::Uuid => format!("${}::UUID[]", from + n),
        })
        .collect();
    let names: Vec<_> = columns.iter().map(|c| c.0).collect();
    format!("UNNEST({}) AS v ({})", arrays.join(", "), names.join(", "))
}

pub(super) fn among(postgres: bool, kind: Kind, n: usize) -> String {
    match (postgres, kind) {
        (true, Kind::Uuid) => format!("= ANY(${n}::UUID[])"),
        (true, _) => format!("= ANY(${n}::TEXT[])"),
        (false, Kind::Uuid) => format!("IN (SELECT unhex(value) FROM json_each(${n}))"),
        (false, _) => format!("IN (SELECT value FROM json_each(${n}))"),
    }
}

/// As `json_each` takes it; a UUID as hexadecimal digits.
pub(super) fn json_value(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Int(v) => v.into(),
        Value::Text(v) => v.into(),
        Value::Uuid(v) => v.simple().to_string().into(),
        Value::Uuids(v) => v.into_iter().map(|v| v.simple().to_string()).collect(),
        Value::Texts(v) => v.into(),
    }
}

/// `$from, $from+1, …` for an IN list.
pub fn marks(from: usize, n: usize) -> String {
    (from..from + n)
        .map(|i| format!("${i}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn encode(e: sqlx::error::BoxDynError) -> Error {
    Error::Sqlx(sqlx::Error::Encode(e))
}

pub(super) fn sqlite_args(args: Vec<Value>) -> Result<SqliteArguments, Error> {
    let mut out = SqliteArguments::default();
    for arg in args {
        match arg {
            Value::Null => out.add(None::<i64>),
            Value::Int(v) => out.add(v),
            Value::Text(v) => out.add(v),
            Value::Uuid(v) => out.add(v.as_bytes().to_vec()),
            many @ (Value::Uuids(_) | Value::Texts(_)) => out.add(json_value(many).to_string()),
        }
        .map_err(encode)?;
    }
    Ok(out)
}

pub(super) fn pg_args(args: Vec<Value>) -> Result<PgArguments, Error> {
    let mut out = PgArguments::default();
    for arg in args {
        match arg {
            Value::Null => out.add(None::<String>),
            Value::Int(v) => out.add(v),
            Value::Text(v) => out.add(v),
            Value::Uuid(v) => out.add(v),
            Value::Uuids(v) => out.add(v),
            Value::Texts(v) => out.add(v),
        }
        .map_err(encode)?;
    }
    Ok(out)
}

/// Adds an array per column.
pub(super) fn pg_arrays(
    out: &mut PgArguments,
    columns: &[(&str, Kind)],
    rows: Vec<Vec<Value>>,
) -> Result<(), Error> {
    let mut arrays: Vec<Vec<Value>> = columns
        .iter()
        .map(|_| Vec::with_capacity(rows.len()))
        .collect();
    for row in rows {
        for (column, value) in arrays.iter_mut().zip(row) {
            column.push(value);
        }
    }
    for ((_, kind), values) in columns.iter().zip(arrays) {
        let values = values.into_iter();
        match kind {
            Kind::Int => out.add(
                values
                    .map(|v| if let Value::Int(v) = v { Some(v) } else { None })
                    .collect::<Vec<_>>(),
            ),
            Kind::Text => out.add(
                values
                    .map(|v| {
                        if let Value::Text(v) = v {
                            Some(v)
                        } else {
                            None
                        }
                    })
                    .collect::<Vec<_>>(),
            ),
            Kind::Uuid => out.add(
                values
                    .map(|v| {
                        if let Value::Uuid(v) = v {
                            Some(v)
                        } else {
                            None
                        }
                    })
                    .collect::<Vec<_>>(),
            ),
        }
        .map_err(encode)?;
    }
    Ok(())
}

pub(super) fn sqlite_row(row: &SqliteRow) -> Result<Row, Error> {
    (0..row.len())
        .map(|n| {
            let raw = row.try_get_raw(n)?;
            if raw.is_null() {
                return Ok(Value::Null);
            }
            let kind = raw.type_info().into_owned();
            Ok(match kind.name() {
                "TEXT" => Value::Text(row.try_get(n)?),
                "BLOB" => {
                    let bytes: Vec<u8> = row.try_get(n)?;
                    Value::Uuid(
                        Uuid::from_slice(&bytes).map_err(|e| Error::Corrupt(e.to_string()))?,
                    )
                }
                _ => Value::Int(row.try_get_unchecked(n)?),
            })
        })
        .collect::<Result<Vec<_>, Error>>()
        .map(Row)
}

pub(super) fn pg_row(row: &PgRow) -> Result<Row, Error> {
    (0..row.len())
        .map(|n| {
            Ok(match row.column(n).type_info().name() {
                "UUID" => row.try_get::<Option<Uuid>, _>(n)?.into(),
                "TEXT" | "VARCHAR" | "NAME" => row.try_get::<Option<String>, _>(n)?.into(),
                "INT4" => row.try_get::<Option<i32>, _>(n)?.map(i64::from).into(),
                _ => row.try_get::<Option<i64>, _>(n)?.into(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()
        .map(Row)
}
