//! One face for two databases.
//!
//! sqlx's types differ per database, and being generic over them spreads bounds over every function. So the difference is kept to
//! this module: a [`Value`] goes in, a [`Row`] of values comes out, and everything above is written once. SQL is the same for both, with
//! `$1` placeholders; what cannot be is asked for here (`for_update`, upserts of many rows).

mod conn;
mod error;
mod postgres;
mod rows;
mod sqlite;

use std::time::Duration;

use futures::{Stream, TryStreamExt};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;

pub use self::conn::Conn;
pub(crate) use self::conn::Work;
pub use self::error::Error;
pub use self::postgres::Pools;
use self::postgres::{BEGIN_PATIENTLY, begin, query_on, within};
pub use self::rows::{Kind, Row, Table, Value, marks};
pub(crate) use self::rows::{Part, statement};
use self::rows::{pg_args, pg_row, sqlite_args, sqlite_row};
pub use self::sqlite::File;
pub(crate) use self::sqlite::Turns;

/// How long one statement may take on Postgres, where a network that swallows what it is given would else hold its caller for minutes; and how long
/// whoever writes to a file of SQLite is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page of a log or of a list has no more once it has so many bytes: 500 events may have 500 MiB, and so may 200 processes.
pub(crate) const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// The store: a pool of connections to one of the two databases.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file.
    Sqlite(File),
    /// A server.
    Postgres(Pools),
}

impl Store {
    /// Connects; makes the file of an SQLite store where there is none.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(url, true).await
    }

    /// Connects to a store that is there already, with the schema of this binary: for whatever must not begin a new one by mistake.
    pub async fn connect_to_existing(url: &str) -> Result<Self, Error> {
        let store = Self::connect_with(url, false).await?;
        store.require_latest().await?;
        Ok(store)
    }

    async fn connect_with(url: &str, create: bool) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Ok(Self::Sqlite(File::connect(url, create).await?)),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Pools::connect(url).await?)),
            other => {
                let scheme = other.map_or(url, |(scheme, _)| scheme);
                Err(Error::Url(format!(
                    "{scheme:?} is no database that Baton knows"
                )))
            }
        }
    }

    /// `sqlite` or `postgres`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Result<Conn, Error> {
        Ok(match self {
            Self::Sqlite(file) => {
                let turn = file.turns.next().await?;
                Conn::Sqlite(file.pool.begin_with("BEGIN IMMEDIATE").await?, Some(turn))
            }
            Self::Postgres(pools) => Conn::Postgres(begin(&pools.writes, BEGIN_PATIENTLY).await?),
        })
    }

    /// The same, for a caller that waits for it in any case, and for a lock that somebody else holds only a moment: what then fails
    /// [is locked](Error::is_locked).
    pub(crate) async fn begin_briefly(&self) -> Result<Conn, Error> {
        Ok(match self {
            Self::Sqlite(_) => self.begin().await?,
            Self::Postgres(pools) => Conn::Postgres(within(pools.writes.begin()).await?),
        })
    }

    /// Begins a transaction that only reads.
    pub async fn begin_read(&self) -> Result<Conn, Error> {
        Ok(match self {
            Self::Sqlite(file) => Conn::Sqlite(file.pool.begin().await?, None),
            Self::Postgres(pools) => Conn::Postgres(begin(&pools.reads, "BEGIN").await?),
        })
    }

    /// Begins a transaction that only reads, and sees one moment of the store however long it takes.
    pub async fn begin_snapshot(&self) -> Result<Conn, Error> {
        let mut conn = self.begin_read().await?;
        if let Conn::Postgres(_) = conn {
            let sql = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
            conn.execute(sql, Vec::new()).await?;
            // Whoever folds a log of a million events between two reads is not idle.
            conn.execute(
                "SET LOCAL idle_in_transaction_session_timeout = 0",
                Vec::new(),
            )
            .await?;
        }
        Ok(conn)
    }

    /// One query outside of a transaction.
    pub async fn query(&self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(file) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?)
                    .fetch_all(&file.pool)
                    .await?;
                rows.iter().map(sqlite_row).collect()
            }
            Self::Postgres(pools) => query_on(&pools.reads, sql, pg_args(args)?).await,
        }
    }

    /// The same, but no further than to the row with which their second columns, texts, have so many bytes.
    pub(crate) async fn query_some(
        &self,
        sql: &str,
        args: Vec<Value>,
        bytes: usize,
    ) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(file) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?);
                let enough = bound(1, bytes);
                first_of(rows.fetch(&file.pool), sqlite_row, enough).await?
            }
            Self::Postgres(pools) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), pg_args(args)?);
                let enough = bound(1, bytes);
                within(first_of(rows.fetch(&pools.reads), pg_row, enough)).await?
            }
        }
    }

    /// The rows of a page of a list, as many as it may have at once by their first column, and whether that ended it. Planned for these arguments.
    pub(crate) async fn query_page(
        &self,
        sql: &str,
        args: Vec<Value>,
    ) -> Result<(Vec<Row>, bool), Error> {
        self.query_until(sql, args, bound(0, PAGE_BYTES)).await
    }

    /// The rows up to and with the first for which it is enough, and whether there was one.
    pub(crate) async fn query_until(
        &self,
        sql: &str,
        args: Vec<Value>,
        mut enough: impl FnMut(&Row) -> bool + Send,
    ) -> Result<(Vec<Row>, bool), Error> {
        let mut ended = false;
        let watched = |row: &Row| {
            ended = enough(row);
            ended
        };
        let rows = match self {
            Self::Sqlite(file) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?);
                first_of(rows.fetch(&file.pool), sqlite_row, watched).await?
            }
            Self::Postgres(pools) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), pg_args(args)?);
                within(first_of(rows.fetch(&pools.lists), pg_row, watched)).await?
            }
        }?;
        Ok((rows, ended))
    }

    /// All rows of a list that needs no bound: planned for these arguments.
    pub(crate) async fn query_list(&self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(_) => self.query(sql, args).await,
            Self::Postgres(pools) => query_on(&pools.lists, sql, pg_args(args)?).await,
        }
    }

    /// One statement of Postgres outside of a transaction.
    pub(crate) async fn query_prepared(
        &self,
        sql: &str,
        args: PgArguments,
    ) -> Result<Vec<Row>, Error> {
        let Self::Postgres(pools) = self else {
            return Ok(Vec::new());
        };
        query_on(&pools.writes, sql, args).await
    }

    /// What follows a column's name where it must be one of an argument's many: `$n` is [`Value::Uuids`] or [`Value::Texts`]. However many
    /// they are, the statement is the same, and is prepared once.
    pub fn among(&self, kind: Kind, n: usize) -> String {
        rows::among(matches!(self, Self::Postgres(_)), kind, n)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(pools) => pools.close().await,
        }
    }
}

/// Enough, once the texts of a column have so many bytes.
fn bound(column: usize, bytes: usize) -> impl FnMut(&Row) -> bool {
    let mut size = 0;
    move |row| {
        size += row.text(column).len();
        size >= bytes
    }
}

/// The rows up to and with the first for which it is enough.
async fn first_of<R>(
    mut found: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    read: fn(&R) -> Result<Row, Error>,
    mut enough: impl FnMut(&Row) -> bool,
) -> Result<Result<Vec<Row>, Error>, sqlx::Error> {
    let mut rows = Vec::new();
    while let Some(row) = found.try_next().await? {
        let row = match read(&row) {
            Ok(row) => row,
            Err(e) => return Ok(Err(e)),
        };
        let last = enough(&row);
        rows.push(row);
        if last {
            break;
        }
    }
    Ok(Ok(rows))
}
