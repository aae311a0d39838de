//! An empty store for one test: a SQLite file in a folder of its own, or a fresh database in the tests' Postgres.

use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;
use uuid::Uuid;

/// An empty database. A SQLite file goes away with it; Postgres' goes with the whole server that the tests run in.
#[derive(Debug)]
pub struct Database {
    url: String,
    folder: TempDir,
}

impl Database {
    /// A SQLite file.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = folder();
        let url = format!("sqlite://{}", folder.path().join("baton.db").display());
        Self { url, folder }
    }

    /// A new database in the Postgres at `BATON_TEST_POSTGRES_URL`.
    ///
    /// # Panics
    /// Without that variable, or when the database cannot be created.
    pub async fn postgres() -> Self {
        let Ok(maintenance) = std::env::var("BATON_TEST_POSTGRES_URL") else {
            panic!(
                "BATON_TEST_POSTGRES_URL is not set: run this through tests/services/with-services.sh"
            );
        };
        let name = format!("baton_{}", Uuid::now_v7().simple());
        let output = Command::new("psql")
            .arg(&maintenance)
            .args([
                "--no-psqlrc",
                "--quiet",
                "--command",
                &format!("CREATE DATABASE {name}"),
            ])
            .output()
            .await
            .expect("psql can be run");
        assert!(
            output.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (server, _) = maintenance
            .rsplit_once('/')
            .expect("the URL names a maintenance database");
        Self {
            url: format!("{server}/{name}"),
            folder: folder(),
        }
    }

    /// The same database, for another node: with a folder of its own.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            url: self.url.clone(),
            folder: folder(),
        }
    }

    /// A database that is there already.
    #[must_use]
    pub fn at(url: String) -> Self {
        Self {
            url,
            folder: folder(),
        }
    }

    /// What `DATABASE_URL` is to be.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder that lives as long as the database: the server's working folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("baton-test-")
        .tempdir()
        .expect("a temporary folder can be made")
}
