//! What can go wrong with a database, and what follows from it.

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

#[cfg(test)]
mod tests {
    use super::Error;
    use crate::db::Store;

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
}
