//! Migrations: the same versions for both databases, up and down.

use crate::db::{Error, Store, Work};

struct Migration {
    version: i64,
    up: [&'static str; 2],
    down: [&'static str; 2],
}

/// The four scripts of a migration.
macro_rules! migration {
    ($version:literal, $name:literal) => {
        Migration {
            version: $version,
            up: [
                include_str!(concat!("../migrations/sqlite/", $name, ".up.sql")),
                include_str!(concat!("../migrations/postgres/", $name, ".up.sql")),
            ],
            down: [
                include_str!(concat!("../migrations/sqlite/", $name, ".down.sql")),
                include_str!(concat!("../migrations/postgres/", $name, ".down.sql")),
            ],
        }
    };
}

const ALL: &[Migration] = &[
    migration!(1, "0001_init"),
    migration!(2, "0002_store"),
    migration!(3, "0003_audit"),
    migration!(4, "0004_templates"),
    migration!(5, "0005_webhooks"),
    migration!(6, "0006_messages"),
    migration!(7, "0007_ready"),
    migration!(8, "0008_search"),
    migration!(9, "0009_monitoring"),
    migration!(10, "0010_analytics"),
    migration!(11, "0011_lists"),
    migration!(12, "0012_written_often"),
    migration!(13, "0013_retention"),
    migration!(14, "0014_inbox"),
    migration!(15, "0015_names"),
    migration!(16, "0016_large_lists"),
    migration!(17, "0017_inboxes"),
    migration!(18, "0018_suffixes"),
    migration!(19, "0019_timers"),
];

/// What a binary of this version can read. A store has a level too: what is written into it, every binary of that level can read. A
/// migration only adds, so that the binary before it goes on beside this one; a feature that writes what the one before cannot read waits
/// until the store's level is raised, when all nodes are new.
///
/// Beside older binaries it follows that
/// - what they do not know of a [`rooms::State`] is lost whenever one of them writes a snapshot or the base of a log. So a new field of it is
///   filled only by events of the new level; or it is made from the rest where it is missing.
/// - what they write leaves new columns empty. So these are filled once more when the level is raised.
///
/// 2: rooms are archived, and a log may no longer begin at its beginning ([`crate::retention`]).
pub const LEVEL: i64 = 2;

/// The version that this binary works with.
pub fn latest() -> i64 {
    ALL.last().map_or(0, |m| m.version)
}

impl Store {
    fn dialect(&self) -> usize {
        match self {
            Self::Sqlite(_) => 0,
            Self::Postgres(_) => 1,
        }
    }

    /// The version of the store's schema; 0 for an empty one.
    pub async fn schema_version(&self) -> Result<i64, Error> {
        let sql = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY)";
        let mut tx = self.begin().await?;
        // Two nodes that start at once would race for the table.
        tx.alone_at(Work::Migrates).await?;
        tx.execute(sql, Vec::new()).await?;
        let rows = tx
            .query(
                "SELECT COALESCE(MAX(version), 0) FROM schema_version",
                Vec::new(),
            )
            .await?;
        tx.commit().await?;
        Ok(rows.first().map_or(0, |r| r.int(0)))
    }

    /// The store's level: what is written into it, every binary of this level can read.
    pub async fn level(&self) -> Result<i64, Error> {
        let rows = self
            .query("SELECT level FROM store WHERE id = 1", Vec::new())
            .await?;
        Ok(rows.first().map_or(1, |r| r.int(0)))
    }

    /// Raises the store's level to this binary's: from now on an older one does not start on it. The level.
    pub async fn raise_level(&self) -> Result<i64, Error> {
        let mut tx = self.begin().await?;
        let sql = "UPDATE store SET level = $1 WHERE id = 1 AND level < $1";
        if tx.execute(sql, vec![LEVEL.into()]).await? > 0 {
            crate::retention::catch_up(&mut tx).await?;
        }
        tx.commit().await?;
        self.level().await
    }

    /// The version of a schema that is there; changes nothing.
    pub async fn schema_version_read(&self) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
        let rows = self.query(sql, Vec::new()).await?;
        Ok(rows.first().map_or(0, |r| r.int(0)))
    }

    /// The version of the store's schema; an error when this binary cannot read what is in it.
    async fn known_version(&self) -> Result<i64, Error> {
        let found = self.schema_version().await?;
        let level = if found > latest() {
            self.level().await?
        } else {
            0
        };
        if level > LEVEL {
            return Err(Error::Schema(format!(
                "the store has level {level}, this binary reads up to {LEVEL}; use a newer baton",
            )));
        }
        Ok(found)
    }

    /// An error unless the schema is the one of this binary.
    pub(crate) async fn require_latest(&self) -> Result<(), Error> {
        match self.known_version().await? {
            found if found >= latest() => Ok(()),
            0 => Err(Error::Schema(
                "the store is empty; is DATABASE_URL right? (`baton migrate` or `baton serve` makes its schema)".to_owned(),
            )),
            found => Err(Error::Schema(format!(
                "the store has schema version {found}, this binary works with {}; run `baton migrate` first",
                latest()
            ))),
        }
    }

    /// Brings the schema up to this binary's version; the versions that were applied.
    pub async fn migrate(&self) -> Result<Vec<i64>, Error> {
        let found = self.known_version().await?;
        let mut applied = Vec::new();
        for migration in ALL.iter().filter(|m| m.version > found) {
            let mut tx = self.begin().await?;
            tx.alone_at(Work::Migrates).await?;
            let done = tx
                .query(
                    "SELECT version FROM schema_version WHERE version = $1",
                    vec![migration.version.into()],
                )
                .await?;
            if done.is_empty() {
                tx.script(migration.up[self.dialect()]).await?;
                tx.execute(
                    "INSERT INTO schema_version (version) VALUES ($1)",
                    vec![migration.version.into()],
                )
                .await?;
                applied.push(migration.version);
            }
            tx.commit().await?;
        }
        // What is new has no older binary beside it.
        if found == 0 && !applied.is_empty() {
            self.raise_level().await?;
        }
        Ok(applied)
    }

    /// Takes back the newest `n` migrations, with the data in what they made; the versions that were taken back.
    pub async fn migrate_down(&self, n: usize) -> Result<Vec<i64>, Error> {
        let found = self.known_version().await?;
        if found > latest() {
            return Err(Error::Schema(format!(
                "the store has schema version {found}, this binary knows {}; the newer baton that made it takes it back",
                latest()
            )));
        }
        let mut undone = Vec::new();
        for migration in ALL.iter().rev().filter(|m| m.version <= found).take(n) {
            let mut tx = self.begin().await?;
            tx.script(migration.down[self.dialect()]).await?;
            tx.execute(
                "DELETE FROM schema_version WHERE version = $1",
                vec![migration.version.into()],
            )
            .await?;
            tx.commit().await?;
            undone.push(migration.version);
        }
        Ok(undone)
    }
}
