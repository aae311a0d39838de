//! A transaction, and all that is said in it.

use rooms::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};

use super::Error;
use super::postgres::within;
use super::rows::{
    self, Kind, Part, Row, Table, Value, conflict, insert, json_value, names, pg_args, pg_arrays,
    pg_row, sqlite_args, sqlite_row, statement, unnest,
};
use super::sqlite::Turn;

/// An open transaction; rolled back when dropped.
pub enum Conn {
    /// On SQLite, `BEGIN IMMEDIATE` where it writes, and the turn to do so.
    Sqlite(Transaction<'static, Sqlite>, Option<Turn>),
    /// On Postgres.
    Postgres(Transaction<'static, Postgres>),
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
