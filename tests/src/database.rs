//! An empty store for one test: a SQLite file in a folder of its own, or a fresh database in the tests' Postgres.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
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
        run(&maintenance, &format!("CREATE DATABASE {name}")).await;
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

    /// Runs one statement in a Postgres.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sql(&self, statement: &str) -> String {
        run(&self.url, statement).await
    }

    /// Begins a transaction in a Postgres that has run this statement, and holds what it locked.
    ///
    /// # Panics
    /// When that fails.
    pub async fn hold(&self, statement: &str) -> Held {
        let mut psql = psql(&self.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql can be run");
        let mut input = psql.stdin.take().expect("it has an input");
        let output = psql.stdout.take().expect("it has an output");
        let script = format!("BEGIN;\n{statement};\nSELECT 'session', pg_backend_pid();\n");
        input
            .write_all(script.as_bytes())
            .await
            .expect("psql takes it");
        let mut lines = BufReader::new(output).lines();
        loop {
            let line = lines.next_line().await.expect("psql can be read");
            let line = line.unwrap_or_else(|| panic!("{statement}: psql has ended"));
            if let Some(session) = line.strip_prefix("session|") {
                let session = session.to_owned();
                return Held {
                    session,
                    input,
                    psql,
                };
            }
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

/// A transaction of the test's own in Postgres, which stays open; rolled back when it is released or dropped.
#[derive(Debug)]
pub struct Held {
    session: String,
    input: ChildStdin,
    psql: Child,
}

impl Held {
    /// The process id of its session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Ends it, and with it what it holds.
    ///
    /// # Panics
    /// When that fails.
    pub async fn release(self) {
        let Self {
            input, mut psql, ..
        } = self;
        drop(input);
        let ended = psql.wait().await.expect("psql can be waited for");
        assert!(ended.success(), "psql: {ended}");
    }
}

fn psql(url: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .arg(url)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1"])
        .kill_on_drop(true);
    command
}

/// Runs one statement, and gives what it printed.
///
/// # Panics
/// When it fails.
pub(crate) async fn run(url: &str, statement: &str) -> String {
    let output = psql(url)
        .args(["--command", statement])
        .output()
        .await
        .expect("psql can be run");
    assert!(
        output.status.success(),
        "{statement}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("baton-test-")
        .tempdir()
        .expect("a temporary folder can be made")
}
