//! Checkpoints of an SQLite store, beside its commits.
//!
//! A commit is durable once it is in the write-ahead log. A checkpoint copies the log into the file, so that the log can start over. SQLite takes
//! one within every commit that finds the log long, and whoever waits for that commit waits for all the copying. Here a task copies, on a
//! connection of its own; a commit does so by itself only where the log has become [`ENORMOUS`], so that it stays bounded whatever becomes of the task,
//! and in a process that ends before the task was needed.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::db::{Error, Turns};

/// So many pages in the log that are not in the file are copied.
const DUE: i64 = 1_000;
/// A log of so many pages has to start over, which it did not do by itself. It is no longer than this when it has.
const LONG: i64 = 4 * DUE;
/// In a log of so many pages, commits take part in the work.
const ENORMOUS: i64 = 16 * DUE;
const PAGE: i64 = 4096;

/// How often the log is looked at, at most, while somebody writes.
const PACE: Duration = Duration::from_millis(100);
/// How often it is copied in a row. What was written meanwhile is little each time, so that in the end all of it is in the file, unless there is
/// another commit at every moment.
const PASSES: usize = 4;
/// How long commits may have to wait until all that read from the log have ended, for it to start over.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it is before they have to wait again, where that was not enough: doubled each time.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The task that takes them. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Checkpoints(Mutex<Option<(oneshot::Sender<Infallible>, JoinHandle<()>)>>);

impl Checkpoints {
    /// Starts the task for whatever connections of a pool write, by turns.
    pub fn start(
        options: &SqliteConnectOptions,
        pool: SqlitePoolOptions,
        turns: Turns,
    ) -> (Self, SqlitePoolOptions) {
        let written = Arc::new(Notify::new());
        let (sender, ended) = oneshot::channel();
        let options = options.clone().busy_timeout(PATIENCE);
        let task = tokio::spawn(run(options, turns, Arc::clone(&written), ended));
        let pool = pool.after_connect(move |connection, _| {
            let written = Arc::clone(&written);
            Box::pin(async move {
                // Called just before the commit, which is soon enough: the next one finds what this one left.
                let hook = move || {
                    written.notify_one();
                    true
                };
                connection.lock_handle().await?.set_commit_hook(hook);
                Ok(())
            })
        });
        (Self(Mutex::new(Some((sender, task)))), pool)
    }

    /// Ends it, and waits for it: a pool that is closed afterwards has the last connection, with which SQLite copies the rest and removes the log.
    pub async fn end(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, task)) = running {
            drop(sender);
            let _ = task.await;
        }
    }
}

/// What every connection of a store is told.
pub(crate) fn bounded(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .pragma("wal_autocheckpoint", ENORMOUS.to_string())
        // The file of a log that starts over is kept, since to write over it is cheaper than to let it grow; but not if it is longer than this.
        .pragma("journal_size_limit", (LONG * PAGE).to_string())
}

async fn run(
    options: SqliteConnectOptions,
    turns: Turns,
    written: Arc<Notify>,
    mut ended: oneshot::Receiver<Infallible>,
) {
    let mut keeper = Keeper {
        options,
        turns,
        connection: None,
        pause: PAUSE,
        not_before: Instant::now(),
        failing: false,
        blocked: false,
    };
    loop {
        tokio::select! {
            _ = &mut ended => break,
            () = written.notified() => {}
        }
        let done = keeper.look().await;
        // What cannot be written just now can be later: it is all in the log until then.
        match &done {
            Err(e) if !keeper.failing => {
                tracing::warn!("the log of the store cannot be copied into its file: {e}");
            }
            _ => {}
        }
        keeper.failing = done.is_err();
        if tokio::time::timeout(PACE, &mut ended).await.is_ok() {
            break;
        }
    }
    if let Some(connection) = keeper.connection {
        let _ = connection.close().await;
    }
}

/// How far the log has come, in pages.
struct Log {
    /// Whether somebody was in the way.
    busy: bool,
    /// Its length.
    length: i64,
    /// What of it is in the file.
    copied: i64,
}

struct Keeper {
    options: SqliteConnectOptions,
    turns: Turns,
    connection: Option<SqliteConnection>,
    pause: Duration,
    not_before: Instant,
    failing: bool,
    blocked: bool,
}

impl Keeper {
    /// Copies what is due.
    async fn look(&mut self) -> Result<(), Error> {
        let mut log = self.checkpoint("NOOP").await?;
        if log.length - log.copied < DUE {
            return Ok(());
        }
        for _ in 0..PASSES {
            let before = log.copied;
            log = self.checkpoint("PASSIVE").await?;
            // All is in the file, and the next commit starts over; or somebody still reads what was before.
            if log.copied == log.length || log.copied == before {
                break;
            }
        }
        if log.length < LONG {
            self.pause = PAUSE;
            self.blocked = false;
        } else if Instant::now() >= self.not_before {
            // With those who write held back, and those who read waited for.
            let turn = self.turns.next().await?;
            log = self.checkpoint("RESTART").await?;
            drop(turn);
            if log.busy {
                self.not_before = Instant::now() + self.pause;
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
            }
            if log.busy && log.length >= ENORMOUS && !self.blocked {
                self.blocked = true;
                let mebibytes = (log.length * PAGE) >> 20;
                tracing::warn!(
                    mebibytes,
                    "somebody reads from the store for so long that its log cannot start over"
                );
            }
        }
        Ok(())
    }

    async fn checkpoint(&mut self, mode: &str) -> Result<Log, sqlx::Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let (busy, length, copied): (i64, i64, i64) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut connection)
            .await?;
        // One that failed is not used again.
        self.connection = Some(connection);
        Ok(Log {
            busy: busy != 0,
            length,
            copied,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::Store;

    struct Written {
        store: Store,
        log: PathBuf,
        _folder: TempDir,
    }

    impl Written {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("store.db");
            let url = format!("sqlite://{}", file.display());
            let store = Store::connect(&url).await.unwrap();
            let sql = "CREATE TABLE t (v TEXT NOT NULL) STRICT";
            store.query(sql, Vec::new()).await.unwrap();
            Self {
                store,
                log: folder.path().join("store.db-wal"),
                _folder: folder,
            }
        }

        /// Commits a row of so many pages.
        async fn commit(&self, pages: i64) {
            let text = "x".repeat(usize::try_from(pages * PAGE).unwrap());
            let mut conn = self.store.begin().await.unwrap();
            let sql = "INSERT INTO t (v) VALUES ($1)";
            conn.execute(sql, vec![text.into()]).await.unwrap();
            conn.commit().await.unwrap();
        }

        /// Commits until the log has started over so often. More than so many pages are not needed for it.
        async fn starts_over(&self, times: u32, most: i64) {
            let begin = starts(&self.log);
            let mut pages = 0;
            while starts(&self.log).wrapping_sub(begin) < times {
                assert!(pages < most, "{pages} pages, and the log goes on");
                self.commit(ROW).await;
                pages += ROW;
            }
        }
    }

    /// Pages of a row.
    const ROW: i64 = 16;

    /// A number that grows by one each time the log starts over: the first salt in its header. (The count beside it is each connection's own.)
    fn starts(log: &Path) -> u32 {
        let mut header = [0; 20];
        let mut log = std::fs::File::open(log).unwrap();
        log.read_exact(&mut header).unwrap();
        u32::from_be_bytes(header[16..].try_into().unwrap())
    }

    fn length(log: &Path) -> i64 {
        i64::try_from(std::fs::metadata(log).unwrap().len()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_log_starts_over_under_a_load_that_never_ends() {
        let written = Written::new().await;
        // Left to the commits alone it would be long before it did.
        written.starts_over(4, 3 * ENORMOUS).await;
        assert!(length(&written.log) < ENORMOUS * PAGE);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn and_where_somebody_reads_at_every_moment() {
        let written = Written::new().await;
        let over = Arc::new(AtomicBool::new(false));
        let read = async |store: Store| {
            while !over.load(Ordering::Relaxed) {
                let mut conn = store.begin_read().await.unwrap();
                let sql = "SELECT COUNT(*) FROM t";
                conn.query(sql, Vec::new()).await.unwrap();
                // What the reader does with it.
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        };
        let write = async {
            // How much is written meanwhile depends on how long the readers take, and on how often they were in the way.
            let again = written.starts_over(2, i64::MAX);
            let again = tokio::time::timeout(Duration::from_secs(60), again).await;
            over.store(true, Ordering::Relaxed);
            again
        };
        let reader = || read(written.store.clone());
        let (again, ..) = tokio::join!(write, reader(), reader(), reader());
        assert!(again.is_ok(), "{} bytes", length(&written.log));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_grew_while_somebody_read_is_short_again_afterwards() {
        let written = Written::new().await;
        let mut reader = written.store.begin_read().await.unwrap();
        let sql = "SELECT COUNT(*) FROM t";
        reader.query(sql, Vec::new()).await.unwrap();
        while length(&written.log) <= (LONG + DUE) * PAGE {
            written.commit(ROW).await;
        }
        drop(reader);
        let shorter = async {
            while length(&written.log) > LONG * PAGE {
                written.commit(1).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), shorter).await;
        assert!(waited.is_ok(), "{} bytes", length(&written.log));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_that_is_closed_leaves_no_log() {
        let written = Written::new().await;
        // Until the task has a connection.
        written.starts_over(1, ENORMOUS).await;
        written.commit(1).await;
        written.store.close().await;
        assert!(!written.log.exists());
    }
}
