//! Backups, and what a store has to be told after one was restored: that its future is another one now.

use std::path::{Path, PathBuf};

use rooms::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use crate::db::{Error, Store};

fn file_error(what: &str, path: &Path, e: &std::io::Error) -> Error {
    Error::Backup(format!("{what} {} ({e})", path.display()))
}

/// The file of an SQLite store.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let options: SqliteConnectOptions = url
        .starts_with("sqlite:")
        .then(|| url.parse().ok())
        .flatten()?;
    Some(options.get_filename().to_owned())
}

impl Store {
    /// Writes a consistent copy of an SQLite store to a new file, beside a server that goes on writing. It is there as a whole or not at
    /// all.
    pub async fn back_up(&self, to: &Path) -> Result<(), Error> {
        let Self::Sqlite(file) = self else {
            return Err(Error::Backup(
                "Postgres is backed up with its own tools: pg_dump --format=custom, or a base backup with its WAL".to_owned(),
            ));
        };
        if to.exists() {
            return Err(Error::Backup(format!("{} exists already", to.display())));
        }
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let _ = std::fs::remove_file(&part);
        let sql = "VACUUM INTO $1";
        let text = part.to_string_lossy().into_owned();
        sqlx::query(AssertSqlSafe(sql))
            .bind(text)
            .execute(&file.pool)
            .await?;
        std::fs::File::open(&part)
            .and_then(|f| f.sync_all())
            .and_then(|()| std::fs::rename(&part, to))
            .map_err(|e| file_error("cannot write", to, &e))
    }

    /// Begins a new life of every log: clients start over instead of going on where another future was, and attempts of that future are
    /// stale. For a store that was put back to an earlier time. How many rooms.
    pub async fn begin_new_log(&self) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let rooms = tx
            .query("SELECT id, last_activity FROM rooms", Vec::new())
            .await?;
        let last = rooms.iter().map(|r| r.int(1)).max().unwrap_or(0);
        for row in &rooms {
            let args = vec![Uuid::new_v4().into(), row.uuid(0).into()];
            tx.execute("UPDATE rooms SET log_id = $1 WHERE id = $2", args)
                .await?;
        }
        tx.execute(
            "INSERT INTO restores (from_at, until_at) VALUES ($1, $2)",
            vec![last.into(), now.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(rooms.len() as u64)
    }

    /// Whether an attempt that is not there can have been made in a future that a restore undid.
    pub async fn is_of_a_lost_future(&self, attempt: Uuid) -> Result<bool, Error> {
        let Some(made) = attempt.get_timestamp() else {
            return Ok(false);
        };
        let (seconds, nanos) = made.to_unix();
        let millis = i64::try_from(seconds).unwrap_or(0) * 1_000 + i64::from(nanos / 1_000_000);
        let at = Timestamp(millis * 1_000);
        let anywhere = self
            .query(
                "SELECT id FROM attempts WHERE id = $1",
                vec![attempt.into()],
            )
            .await?;
        // An id has milliseconds, a restore has microseconds.
        let lost = self
            .query(
                "SELECT from_at FROM restores WHERE from_at - 1000 <= $1 AND until_at >= $1",
                vec![at.into()],
            )
            .await?;
        Ok(anywhere.is_empty() && !lost.is_empty())
    }
}

/// Puts a backup in the place of an SQLite store that no server has open; one that was there is kept beside it under a new name. The
/// name, where there was one.
pub fn put_back(backup: &Path, url: &str, now: Timestamp) -> Result<Option<PathBuf>, Error> {
    let target = sqlite_file(url).ok_or_else(|| {
        Error::Backup(
            "a file is restored to an SQLite store; Postgres is restored with pg_restore or to a point in time, then: baton restore --new-log"
                .to_owned(),
        )
    })?;
    if !backup.is_file() {
        return Err(Error::Backup(format!("there is no {}", backup.display())));
    }
    let beside = |suffix: &str| {
        let mut name = target.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // Copied first: whatever fails, the store that is there is whole.
    let copy = beside(".restored");
    std::fs::copy(backup, &copy)
        .and_then(|_| std::fs::File::open(&copy)?.sync_all())
        .map_err(|e| file_error("cannot write", &copy, &e))?;
    let mut kept = None;
    if target.exists() {
        let old = format!(".before-restore-{}", now.0 / 1_000_000);
        // With its log: what is in that one is not in the file yet.
        for suffix in ["-wal", "-shm", ""] {
            let from = beside(suffix);
            if from.exists() {
                let to = beside(&format!("{old}{suffix}"));
                std::fs::rename(&from, &to).map_err(|e| file_error("cannot keep", &from, &e))?;
            }
        }
        kept = Some(beside(&old));
    }
    std::fs::rename(&copy, &target).map_err(|e| file_error("cannot write", &target, &e))?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_backup_is_whole_and_what_it_replaces_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("baton.db").display());
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let backup = folder.path().join("backup.db");
        store.back_up(&backup).await.unwrap();
        assert!(store.back_up(&backup).await.is_err(), "it is there already");
        store.close().await;

        let kept = put_back(&backup, &url, Timestamp(5_000_000)).unwrap();
        let kept = kept.unwrap();
        assert!(kept.ends_with("baton.db.before-restore-5") && kept.is_file());
        let store = Store::connect(&url).await.unwrap();
        assert_eq!(store.begin_new_log().await.unwrap(), 0);
        let lost = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_000_000, 0));
        assert!(store.is_of_a_lost_future(lost).await.unwrap());
        let later = Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            99_000_000_000,
            0,
        ));
        assert!(!store.is_of_a_lost_future(later).await.unwrap());
        let unknown = Uuid::from_u128(1);
        assert!(!store.is_of_a_lost_future(unknown).await.unwrap());
        assert!(put_back(&backup, "postgres://x/y", Timestamp(0)).is_err());
    }
}
