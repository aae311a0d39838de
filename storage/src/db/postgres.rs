//! Connections to Postgres, of which none is waited for without end.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, Transaction};

use super::rows::pg_row;
use super::{Error, PATIENCE, Row};

/// A connection that was used more recently is taken to be alive.
const RESTED: Duration = Duration::from_millis(500);

/// How long a lock that another session holds is waited for, so that whoever never lets it go holds up nobody for longer. A node that was frozen
/// in the middle of a transaction has lost its locks sooner, by its idle session's end.
const WAIT_FOR_LOCK: &str = "5s";
/// How long a lane waits for one, with all that waits behind it: longer than any transaction of a healthy node takes.
const LANE_WAITS_FOR_LOCK: &str = "250ms";
pub(super) const BEGIN_PATIENTLY: &str = "BEGIN; SET LOCAL lock_timeout = '5s'";

/// How long it may take to have a connection; and how long one that should live may take to say so.
const ACQUIRED: Duration = Duration::from_secs(5);
const ALIVE: Duration = Duration::from_secs(2);

/// Connections to Postgres. Statements of lanes are the same again and again, with arrays of any length. Left to itself the server plans them
/// anew for each short array, which costs more than to run them; so connections that write plan once. Of lists it is the other way round: what it
/// plans once is for a value that most rows have, and for one that few have it would read the whole table; so those are planned for the values
/// that are asked for. The rest is left to it.
#[derive(Clone, Debug)]
pub struct Pools {
    pub(super) reads: PgPool,
    pub(super) lists: PgPool,
    pub(super) writes: PgPool,
}

impl Pools {
    pub(super) async fn connect(url: &str) -> Result<Self, Error> {
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
        Ok(Self {
            reads,
            lists,
            writes,
        })
    }

    pub(super) async fn close(&self) {
        self.writes.close().await;
        self.lists.close().await;
        self.reads.close().await;
    }
}

/// When a statement was last given up. What becomes of it, and of its connection, nobody knows.
static GIVEN_UP: Mutex<Option<Instant>> = Mutex::new(None);

fn late() -> sqlx::Error {
    let what = "no answer from Postgres";
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, what))
}

pub(super) async fn within<T>(
    done: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
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
pub(super) async fn begin(
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

pub(super) async fn query_on(
    pool: &PgPool,
    sql: &str,
    args: PgArguments,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_with(AssertSqlSafe(sql), args).fetch_all(pool);
    within(rows).await?.iter().map(pg_row).collect()
}
