//! Empty stores of both kinds.

use std::io::Write;

use storage::Store;
use uuid::Uuid;

/// The environment variable that names the Postgres to test on.
pub const POSTGRES: &str = "BATON_TEST_POSTGRES_URL";

/// An empty store of a test's own.
pub struct Backend {
    /// The store; no migration has run.
    pub store: Store,
    /// Where it is, to open it a second time.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Backend {
    /// A SQLite file, not `:memory:`: locks and WAL are what is used in earnest.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("store.db").display());
        Self {
            store: Store::connect(&url).await.unwrap(),
            url,
            _folder: Some(folder),
        }
    }

    /// A new database; none without a server to make it on.
    pub async fn postgres() -> Option<Self> {
        if std::env::var(POSTGRES).is_err() {
            // Straight to the stream: what is printed by a test that passes is shown to nobody.
            let _ = writeln!(
                std::io::stderr(),
                "LEFT OUT: the Postgres half of storage's contract ({POSTGRES} is not set; `make test` sets it)"
            );
            return None;
        }
        Self::new_database("").await
    }

    async fn new_database(like: &str) -> Option<Self> {
        let maintenance = std::env::var(POSTGRES).ok()?;
        let name = format!("storage_{}", Uuid::now_v7().simple());
        let admin = Store::connect(&maintenance).await.unwrap();
        admin
            .query(&format!("CREATE DATABASE {name}{like}"), Vec::new())
            .await
            .unwrap();
        admin.close().await;
        let (server, _) = maintenance.rsplit_once('/').unwrap();
        let url = format!("{server}/{name}");
        Some(Self {
            store: Store::connect(&url).await.unwrap(),
            url,
            _folder: None,
        })
    }

    /// Closes it, so that it can be copied.
    pub async fn closed(self) -> Self {
        self.store.close().await;
        self
    }

    /// A copy of one that is [closed](Self::closed).
    pub async fn copy(&self) -> Self {
        if let Some(file) = self.url.strip_prefix("sqlite://") {
            let copy = Self::sqlite().await.closed().await;
            std::fs::copy(file, copy.url.trim_start_matches("sqlite://")).unwrap();
            return Self {
                store: Store::connect(&copy.url).await.unwrap(),
                ..copy
            };
        }
        let (_, template) = self.url.rsplit_once('/').unwrap();
        Self::new_database(&format!(" TEMPLATE {template}"))
            .await
            .unwrap()
    }

    /// The same with the schema of this binary.
    pub async fn migrated(self) -> Self {
        self.store.migrate().await.unwrap();
        self
    }
}

/// Writes each test twice: on SQLite and on Postgres. The body gets an empty [`Backend`] of its own.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn run($backend: crate::backend::Backend) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(crate::backend::Backend::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(backend) = crate::backend::Backend::postgres().await {
                    run(backend).await;
                }
            }
        }
    )*};
}
pub(crate) use on_both;
