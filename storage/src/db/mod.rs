//! One face for two databases.
//!
//! sqlx's types differ per database, and being generic over them spreads bounds over every function. So the difference is kept to
//! this module: a [`Value`] goes in, a [`Row`] of values comes out, and everything above is written once. SQL is the same for both, with
//! `$1` placeholders; what cannot be is asked for here (`for_update`, upserts of many rows).

mod rows;

use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rooms::Timestamp;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Sqlite, SqlitePool, Transaction,
};

pub use self::rows::{Kind, Row, Table, Value, marks};
pub(crate) use self::rows::{Part, statement};
use self::rows::{
    conflict, insert, json_value, names, pg_args, pg_arrays, pg_row, sqlite_args, sqlite_row,
    unnest,
};
use crate::checkpoint::{self, Checkpoints};

/// A connection that was used more recently is taken to be alive.
const RESTED: Duration = Duration::from_millis(500);

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no database that Baton knows.
    #[error("{0}: use sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE")]
    Url(String),
    /// The database refused or went away.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// What was read is not what was written.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// A backup or a restore is not possible so.
    #[error("{0}")]
    Backup(String),
    /// COMMIT got no answer, and nobody could be asked what became of it.
    #[error("it is not known whether the transaction was committed: {0}")]
    Unknown(String),
    /// The schema is not the one of this binary.
    #[error("{0}")]
    Schema(String),
}

impl From<serde_json::Error> for Error {
    fn from(e: serde_json::Error) -> Self {
        Self::Corrupt(e.to_string())
    }
}

impl Error {
    /// Whether what was asked may have happened or not.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether the database did not answer in time: whatever is asked of it next will take as long.
    pub fn is_overdue(&self) -> bool {
        match self {
            Self::Sqlx(sqlx::Error::PoolTimedOut) => true,
            Self::Sqlx(sqlx::Error::Io(e)) => e.kind() == std::io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Whether a lock that was needed was held by somebody else for too long. Nothing was done.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(e)) if e.code().is_some_and(|c| c == "55P03"))
    }

    /// Whether the database is away or busy, so that the same may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Sqlx(sqlx::Error::Database(e)) => {
                // Class 08: connection lost; 25P03: idle in a transaction for too long; 40: serialization failure or deadlock; 53: too many
                // connections; 55P03: lock timeout; 57P0x: shutting down. SQLite's 5 and 6: busy, locked; 13 and whatever ends in 10: the disk
                // is full, or cannot be written just now.
                e.code().is_some_and(|c| {
                    c.starts_with("40")
                        || c.starts_with("08")
                        || c.starts_with("53")
                        || c == "25P03"
                        || c.starts_with("57P")
                        || c == "55P03"
                        || c == "5"
                        || c == "6"
                        || c == "13"
                        || (c.len() < 5 && c.parse::<u32>().is_ok_and(|c| c & 0xff == 10))
                })
            }
            Self::Sqlx(e) => matches!(
                e,
                sqlx::Error::Io(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::Tls(_)
            ),
            _ => false,
        }
    }
}

/// The store: a pool of connections to one of the two databases.
#[derive(Clone, Debug)]
pub enum Store {
    /// One file.
    Sqlite(File),
    /// A server.
    Postgres(Pools),
}

/// Connections to a file of SQLite.
#[derive(Clone, Debug)]
pub struct File {
    pub(crate) pool: SqlitePool,
    turns: Turns,
    checkpoints: Arc<Checkpoints>,
}

/// Whose turn it is to write to a file of SQLite, in the order in which they came. The file's own lock knows no order: whoever finds it taken sleeps,
/// for longer each time, and is passed over by whoever comes at a better moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<tokio::sync::Mutex<()>>);

/// A turn, for as long as it lives.
pub(crate) type Turn = tokio::sync::OwnedMutexGuard<()>;

impl Turns {
    /// Waits for it, for as long as for the file's lock.
    pub async fn next(&self) -> Result<Turn, Error> {
        let turn = Arc::clone(&self.0).lock_owned();
        Ok(tokio::time::timeout(PATIENCE, turn).await.map_err(|_| {
            let what = "somebody writes to the store for too long";
            sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
        })?)
    }
}

/// Connections to Postgres. Statements of lanes are the same again and again, with arrays of any length. Left to itself the server plans them
/// anew for each short array, which costs more than to run them; so connections that write plan once. Of lists it is the other way round: what it
/// plans once is for a value that most rows have, and for one that few have it would read the whole table; so those are planned for the values
/// that are asked for. The rest is left to it.
#[derive(Clone, Debug)]
pub struct Pools {
    reads: PgPool,
    lists: PgPool,
    writes: PgPool,
}

/// An open transaction; rolled back when dropped.
pub enum Conn {
    /// On SQLite, `BEGIN IMMEDIATE` where it writes, and the turn to do so.
    Sqlite(Transaction<'static, Sqlite>, Option<Turn>),
    /// On Postgres.
    Postgres(Transaction<'static, Postgres>),
}

/// How long one statement may take on Postgres, where a network that swallows what it is given would else hold its caller for minutes; and how long
/// whoever writes to a file of SQLite is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a lock that another session holds is waited for, so that whoever never lets it go holds up nobody for longer. A node that was frozen
/// in the middle of a transaction has lost its locks sooner, by its idle session's end.
const WAIT_FOR_LOCK: &str = "5s";
/// How long a lane waits for one, with all that waits behind it: longer than any transaction of a healthy node takes.
const LANE_WAITS_FOR_LOCK: &str = "250ms";
const BEGIN_PATIENTLY: &str = "BEGIN; SET LOCAL lock_timeout = '5s'";

/// How long it may take to have a connection; and how long one that should live may take to say so.
const ACQUIRED: Duration = Duration::from_secs(5);
const ALIVE: Duration = Duration::from_secs(2);

/// When a statement was last given up. What becomes of it, and of its connection, nobody knows.
static GIVEN_UP: Mutex<Option<Instant>> = Mutex::new(None);

fn late() -> sqlx::Error {
    let what = "no answer from Postgres";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}

async fn within<T>(done: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let mut done = std::pin::pin!(done);
    match tokio::time::timeout(PATIENCE, &mut done).await {
        Ok(done) => done,
        Err(_) => {
            // Before what was not done is dropped, and its connection with it.
            *GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            Err(late())
        }
    }
}

/// Begins a transaction in a task of its own, which ends even if its caller goes away: a connection of sqlx on which a BEGIN is abandoned comes back to
/// its pool inside of the transaction, and what is then written on it for itself would never be committed.
async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    tokio::spawn(async move { within(pool.begin_with(statement)).await })
        .await
        .unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Whether a connection lives. Whoever does not say so in time is closed.
async fn ping(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    tokio::time::timeout(ALIVE, connection.ping())
        .await
        .map_err(|_| late())??;
    Ok(true)
}

/// Whether a connection of this age may go back to its pool, which asks it without a time limit whether it lives. Those that were there when a
/// statement was given up may be the one that it was on, and may hang: they are closed.
fn is_clean(age: Duration) -> bool {
    let given_up = *GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner);
    given_up.is_none_or(|at| at.elapsed() > age)
}

async fn query_on(pool: &PgPool, sql: &str, args: PgArguments) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch_all(pool);
    within(rows).await?.iter().map(pg_row).collect()
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
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)
                .map_err(|e| Error::Url(format!("{url:?} is no SQLite URL ({e})")))?
                .create_if_missing(create)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(PATIENCE)
                .statement_cache_capacity(512);
            if let Some(folder) = options
                .get_filename()
                .parent()
                .filter(|p| *p != Path::new("") && !p.exists())
            {
                return Err(Error::Url(format!(
                    "the folder {} does not exist; make it first",
                    folder.display()
                )));
            }
            if !create && !options.get_filename().exists() {
                return Err(Error::Schema(format!(
                    "there is no store at {}; is DATABASE_URL right? (`baton serve` makes a new one)",
                    options.get_filename().display()
                )));
            }
            let options = checkpoint::bounded(options);
            let pool = SqlitePoolOptions::new()
                .max_connections(8)
                .test_before_acquire(false)
                // Where the disk is full SQLite rolls back by itself. sqlx then takes the transaction for open still, and would begin no other.
                .before_acquire(|connection, _| {
                    Box::pin(std::future::ready(Ok(!connection.is_in_transaction())))
                });
            let turns = Turns::default();
            let (checkpoints, pool) = Checkpoints::start(&options, pool, turns.clone());
            return Ok(Self::Sqlite(File {
                pool: pool.connect_with(options).await?,
                turns,
                checkpoints: Arc::new(checkpoints),
            }));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)
                .map_err(|e| Error::Url(format!("the Postgres URL cannot be read ({e})")))?
                .application_name("baton")
                .statement_cache_capacity(512)
                // A node that is frozen, or cut off, in the middle of a transaction loses it and its locks, so that it holds up nobody for long.
                .options([
                    ("lock_timeout", WAIT_FOR_LOCK),
                    ("idle_in_transaction_session_timeout", "4s"),
                    ("tcp_user_timeout", "4000"),
                    ("tcp_keepalives_idle", "2"),
                    ("tcp_keepalives_interval", "1"),
                    ("tcp_keepalives_count", "3"),
                ]);
            let pool = || {
                PgPoolOptions::new()
                    .max_connections(20)
                    .acquire_timeout(ACQUIRED)
                    // A ping before every use would cost each transaction a round trip. Whoever has rested is asked whether it lives.
                    .test_before_acquire(false)
                    .before_acquire(|connection, meta| {
                        Box::pin(async move {
                            if meta.idle_for > RESTED {
                                return ping(connection).await;
                            }
                            Ok(true)
                        })
                    })
                    .after_release(|_, meta| Box::pin(std::future::ready(Ok(is_clean(meta.age)))))
            };
            let for_lanes = [
                ("plan_cache_mode", "force_generic_plan"),
                ("lock_timeout", LANE_WAITS_FOR_LOCK),
            ];
            let writes = pool().connect_lazy_with(options.clone().options(for_lanes));
            let plan_each = [("plan_cache_mode", "force_custom_plan")];
            let lists = pool()
                .max_connections(10)
                .connect_lazy_with(options.clone().options(plan_each));
            let reads = pool().connect_with(options).await?;
            return Ok(Self::Postgres(Pools {
                reads,
                lists,
                writes,
            }));
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(Error::Url(format!(
            "{scheme:?} is no database that Baton knows"
        )))
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

    /// The same for a page of a list: planned for these arguments.
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
            Self::Sqlite(file) => {
                file.checkpoints.end().await;
                file.pool.close().await;
            }
            Self::Postgres(pools) => {
                pools.writes.close().await;
                pools.lists.close().await;
                pools.reads.close().await;
            }
        }
    }
}

/// What one node at a time does, by the number of its advisory lock: any, but no other user's of the database.
#[derive(Clone, Copy, Debug)]
#[repr(i64)]
pub(crate) enum Work {
    /// Changes the schema.
    Migrates = 7_400_740_074,
    /// Files names.
    FilesNames = 7_400_740_075,
}

impl Conn {
    /// The end of a SELECT that locks what it reads. SQLite has locked the whole file at `BEGIN IMMEDIATE`.
    pub fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(..) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// A table that is read by this index. Postgres finds it by itself: it knows how much there is of what.
    pub(crate) fn by_index(&self, table: &str, index: &str) -> String {
        match self {
            Self::Sqlite(..) => format!("{table} INDEXED BY {index}"),
            Self::Postgres(_) => table.to_owned(),
        }
    }

    /// See [`Store::among`].
    pub fn among(&self, kind: Kind, n: usize) -> String {
        rows::among(matches!(self, Self::Postgres(_)), kind, n)
    }

    /// Runs a statement over rows of values: `{rows}` in it stands for a table `v` of them with these columns. However many rows, the
    /// statement is the same, and it is one.
    pub async fn query_rows(
        &mut self,
        sql: &str,
        columns: &[(&str, Kind)],
        rows: Vec<Vec<Value>>,
    ) -> Result<Vec<Row>, Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Postgres(tx) => {
                let sql = sql.replace("{rows}", &unnest(columns, 1));
                let mut args = PgArguments::default();
                pg_arrays(&mut args, columns, rows)?;
                let rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch_all(&mut **tx);
                let rows = within(rows).await?;
                rows.iter().map(pg_row).collect()
            }
            Self::Sqlite(..) => {
                let picked = columns
                    .iter()
                    .enumerate()
                    .map(|(n, (name, kind))| match kind {
                        Kind::Uuid => format!("unhex(value ->> {n}) AS {name}"),
                        Kind::Int | Kind::Text => format!("value ->> {n} AS {name}"),
                    })
                    .collect::<Vec<_>>()
                    .join(", ");
                let table = format!("(SELECT {picked} FROM json_each($1)) AS v");
                let rows: Vec<Vec<serde_json::Value>> = rows
                    .into_iter()
                    .map(|row| row.into_iter().map(json_value).collect())
                    .collect();
                let args = vec![serde_json::to_string(&rows)?.into()];
                self.query(&sql.replace("{rows}", &table), args).await
            }
        }
    }

    /// Writes the parts of a batch: in one statement on Postgres, one after the other on SQLite.
    pub(crate) async fn write_parts(&mut self, parts: Vec<Part>) -> Result<(), Error> {
        if let Self::Postgres(tx) = self {
            let Some((sql, args)) = statement(parts, "", "SELECT 1")? else {
                return Ok(());
            };
            within(sqlx::query_with(AssertSqlSafe(sql), args).execute(&mut **tx)).await?;
            return Ok(());
        }
        for part in parts {
            match part {
                Part::Rows(table, rows) => self.write(table, rows).await?,
                Part::Run(sql, columns, rows) => {
                    self.query_rows(sql, columns, rows).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until no other node does this, and keeps it from them until the transaction ends. SQLite has one writer in any case.
    pub(crate) async fn alone_at(&mut self, work: Work) -> Result<(), Error> {
        if let Self::Postgres(_) = self {
            let lock = work as i64;
            let sql = format!("SELECT 1 FROM (SELECT pg_advisory_xact_lock({lock})) AS held");
            self.query(&sql, Vec::new()).await?;
        }
        Ok(())
    }

    /// Rows of a query.
    pub async fn query(&mut self, sql: &str, args: Vec<Value>) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(tx, _) => {
                let rows = sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?)
                    .fetch_all(&mut **tx)
                    .await?;
                rows.iter().map(sqlite_row).collect()
            }
            Self::Postgres(tx) => {
                let rows =
                    sqlx::query_with(AssertSqlSafe(sql), pg_args(args)?).fetch_all(&mut **tx);
                let rows = within(rows).await?;
                rows.iter().map(pg_row).collect()
            }
        }
    }

    /// Runs a statement; how many rows it changed.
    pub async fn execute(&mut self, sql: &str, args: Vec<Value>) -> Result<u64, Error> {
        Ok(match self {
            Self::Sqlite(tx, _) => sqlx::query_with(AssertSqlSafe(sql), sqlite_args(args)?)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
            Self::Postgres(tx) => {
                let done = sqlx::query_with(AssertSqlSafe(sql), pg_args(args)?).execute(&mut **tx);
                within(done).await?.rows_affected()
            }
        })
    }

    /// Runs a script of several statements.
    pub async fn script(&mut self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx, _) => sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut **tx)
                .await
                .map(|_| ())?,
            Self::Postgres(tx) => sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut **tx)
                .await
                .map(|_| ())?,
        }
        Ok(())
    }

    /// Now, by the database's clock. SQLite runs in this process, so its clock is ours.
    pub async fn now(&mut self) -> Result<Timestamp, Error> {
        match self {
            Self::Sqlite(..) => Ok(Timestamp(chrono::Utc::now().timestamp_micros())),
            Self::Postgres(_) => {
                let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT";
                let rows = self.query(sql, Vec::new()).await?;
                Ok(Timestamp(rows.first().map_or(0, |r| r.int(0))))
            }
        }
    }

    /// Writes many rows: one statement with arrays on Postgres, statements of 1, 2, 4… 128 rows on SQLite, so that few are prepared.
    pub async fn write(&mut self, table: &Table, rows: Vec<Vec<Value>>) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let names = names(table);
        let conflict = conflict(table);
        match self {
            Self::Postgres(_) => {
                let sql = insert(table).replace("{rows}", &unnest(table.columns, 1));
                let mut args = PgArguments::default();
                pg_arrays(&mut args, table.columns, rows)?;
                if let Self::Postgres(tx) = self {
                    within(sqlx::query_with(AssertSqlSafe(sql), args).execute(&mut **tx)).await?;
                }
            }
            Self::Sqlite(..) => {
                let mut rows = rows.into_iter();
                let mut left = rows.len();
                while left > 0 {
                    let n = 1usize << left.min(128).ilog2();
                    left -= n;
                    let width = table.columns.len();
                    // Without numbers: of each that has one, SQLite looks for its name among those of all others.
                    let row = format!("({})", vec!["?"; width].join(", "));
                    let values = vec![row; n].join(", ");
                    let sql = format!(
                        "INSERT INTO {} ({names}) VALUES {values}{conflict}",
                        table.name
                    );
                    let args = rows.by_ref().take(n).flatten().collect();
                    self.execute(&sql, args).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes it real.
    pub async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx, _turn) => tx.commit().await?,
            Self::Postgres(tx) => within(tx.commit()).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_worth_another_try() -> Result<(), Error> {
        let store = Store::connect("sqlite::memory:").await?;
        let mut conn = store.begin().await?;
        conn.script("PRAGMA max_page_count = 3; CREATE TABLE t (v TEXT)")
            .await?;
        let text = "x".repeat(100_000).into();
        let full = conn
            .execute("INSERT INTO t (v) VALUES ($1)", vec![text])
            .await;
        assert!(full.is_err_and(|e| e.is_transient() && !e.is_overdue()));
        let wrong = conn.execute("INSERT INTO t (w) VALUES (1)", Vec::new());
        assert!(wrong.await.is_err_and(|e| !e.is_transient()));
        Ok(())
    }

    #[tokio::test]
    async fn who_comes_first_writes_first() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        let store = Store::connect(&url).await?;
        let first = store.begin().await?;
        let (order, mut came) = tokio::sync::mpsc::unbounded_channel();
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..20 {
            let (store, order) = (store.clone(), order.clone());
            let mut waiting = Box::pin(async move {
                let conn = store.begin().await?;
                let _ = order.send(n);
                conn.commit().await
            });
            // It asks for its turn here.
            let asked = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())
            });
            assert!(asked.await);
            writers.spawn(waiting);
        }
        first.commit().await?;
        while let Some(done) = writers.join_next().await {
            done??;
        }
        drop(order);
        for n in 0..20 {
            assert_eq!(came.recv().await, Some(n));
        }
        Ok(())
    }
}
