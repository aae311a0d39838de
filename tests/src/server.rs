//! The real binary, run as its users run it: configured by its environment, watched over HTTP, ended by signals.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use tokio::process::{Child, Command};
use tokio::time::{Duration, sleep};

use crate::services::signal;
use crate::{Database, SOON};

/// The key of `user:admin` in the workspace `default`.
pub const ADMIN_KEY: &str = "black-box-test-key-0123456789abcdefghijkl";

/// The binary under test: `BATON_TEST_BIN`, else what `cargo build -p baton` last made.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("BATON_TEST_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/baton"),
        PathBuf::from,
    );
    assert!(
        path.is_file(),
        "there is no {}: run `cargo build -p baton` first",
        path.display()
    );
    path
}

/// A command of the binary on a database, with nothing of the caller's own configuration.
#[must_use]
pub fn baton(database: &Database) -> Command {
    command_of(&binary(), database)
}

fn command_of(binary: &Path, database: &Database) -> Command {
    let mut command = Command::new(binary);
    command
        .current_dir(database.folder())
        .env("DATABASE_URL", database.url())
        .kill_on_drop(true);
    for (name, _) in std::env::vars() {
        if name.starts_with("BATON_") || name == "REDIS_URL" {
            command.env_remove(name);
        }
    }
    command
}

/// What makes a process take the time of day for another, by so much as `faketime` writes it: `+1h`. Spans it measures as they are.
#[must_use]
pub fn wrong_clock(by: &str) -> Vec<(&'static str, &str)> {
    vec![
        // `$LIB` is the loader's word for where this machine has its libraries.
        ("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1"),
        ("FAKETIME", by),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ]
}

/// The one port of the range that is given out which no browser, nor `fetch` of Node, ever connects to: it stands in the
/// Fetch standard's list of bad ports.
const NEVER_FETCHED: u16 = 10_080;

/// A port that nobody listens on and that every client connects to. Each caller in a process gets another one.
///
/// # Panics
/// When all of them are taken.
#[must_use]
pub fn free_port() -> u16 {
    // Below the range from which the kernel takes the ports of outgoing connections.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 12_000).expect("less than 12,000");
    for _ in 0..12_000 {
        let port = 8_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed) * 7) % 12_000;
        if port != NEVER_FETCHED && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// A running `baton serve`.
#[derive(Debug)]
pub struct Server {
    /// What it stores in.
    pub database: Database,
    port: u16,
    settings: Vec<(String, String)>,
    binary: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Starts it on an empty database, and waits until it is ready.
    pub async fn start(database: Database) -> Self {
        Self::start_with(database, &[]).await
    }

    /// The same with more of its environment.
    pub async fn start_with(database: Database, settings: &[(&str, &str)]) -> Self {
        Self::start_as(binary(), database, settings).await
    }

    /// The same with another binary.
    pub async fn start_as(binary: PathBuf, database: Database, settings: &[(&str, &str)]) -> Self {
        let settings = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut server = Self {
            database,
            port: free_port(),
            settings,
            binary,
            child: None,
        };
        server.launch();
        server.ready().await;
        server
    }

    /// Its base address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log_path(&self) -> PathBuf {
        self.database.folder().join("baton.log")
    }

    /// All that it has written since the first start.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Starts the process again, without waiting for it.
    ///
    /// # Panics
    /// When it still runs, or cannot be started.
    pub fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// The same, with more of its environment for this once.
    ///
    /// # Panics
    /// When it still runs, or cannot be started.
    pub fn launch_with(&mut self, settings: &[(&str, &str)]) {
        assert!(self.child.is_none(), "the server runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("the log can be opened");
        let child = command_of(&self.binary, &self.database)
            .arg("serve")
            .env("BATON_LISTEN", self.address())
            .env("BATON_ADMIN_KEY", ADMIN_KEY)
            .envs(self.settings.iter().cloned())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("the binary can be started");
        self.child = Some(child);
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// When the process ends before, or takes too long.
    pub async fn ready(&mut self) {
        baton::tls::install();
        let http = reqwest::Client::new();
        let url = format!("{}/readyz", self.url());
        let started = Instant::now();
        loop {
            if let Ok(response) = http.get(&url).timeout(Duration::from_secs(2)).send().await
                && response.status().is_success()
            {
                return;
            }
            let child = self.child.as_mut().expect("the server was started");
            if let Some(status) = child.try_wait().expect("the process can be asked") {
                panic!("the server ended with {status}:\n{}", self.log());
            }
            assert!(
                started.elapsed() < SOON,
                "the server did not become ready:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// `kill -9`: it gets no chance to say or save anything.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().await.expect("the process can be killed");
    }

    /// It stands still when this returns, until [`Server::thaw`].
    ///
    /// # Panics
    /// When it does not run.
    pub async fn freeze(&self) {
        signal(self.pid(), "STOP").await;
        let threads = format!("/proc/{}/task", self.pid());
        let stands = || {
            let threads = fs::read_dir(&threads).expect("the process has threads");
            let mut states = threads.flatten().map(|thread| {
                let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
                // After the name, which stands in parentheses.
                stat.rsplit(')')
                    .next()
                    .unwrap_or_default()
                    .trim_start()
                    .starts_with('T')
            });
            states.all(|stopped| stopped)
        };
        let began = Instant::now();
        while !stands() {
            assert!(began.elapsed() < SOON, "the server does not stand still");
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn thaw(&self) {
        signal(self.pid(), "CONT").await;
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let child = self.child.as_ref().expect("the server runs");
        child.id().expect("the process has not been waited for")
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// When it does not run, does not end in time, or ends with an error.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        let pid = child
            .id()
            .expect("the process has not been waited for")
            .to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill can be run");
        assert!(sent.success(), "SIGTERM could not be sent");
        let status = tokio::time::timeout(SOON, child.wait())
            .await
            .expect("the server ends when asked to");
        let status = status.expect("the process can be waited for");
        assert!(
            status.success(),
            "the server ended with {status}:\n{}",
            self.log()
        );
    }

    /// Kills it and starts it again on the same store and port.
    pub async fn crash(&mut self) {
        self.kill().await;
        self.launch();
        self.ready().await;
    }

    /// Runs another command of the binary beside the server, on its store.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn command(&self, arguments: &[&str]) -> Output {
        baton(&self.database)
            .args(arguments)
            .output()
            .await
            .expect("the binary can be run")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- the end of the server's log\n{}\n---", tail.join("\n"));
        }
    }
}
