//! Connections to a file of SQLite.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

use super::{Error, PATIENCE};
use crate::checkpoint::{self, Checkpoints};

/// Connections to a file of SQLite.
#[derive(Clone, Debug)]
pub struct File {
    pub(crate) pool: SqlitePool,
    pub(super) turns: Turns,
    checkpoints: Arc<Checkpoints>,
}

impl File {
    /// Connects; makes the file where there is none, if that is wanted.
    pub(super) async fn connect(url: &str, create: bool) -> Result<Self, Error> {
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
        Ok(Self {
            pool: pool.connect_with(options).await?,
            turns,
            checkpoints: Arc::new(checkpoints),
        })
    }

    pub(super) async fn close(&self) {
        self.checkpoints.end().await;
        self.pool.close().await;
    }
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

#[cfg(test)]
mod tests {
    use crate::db::Store;

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
