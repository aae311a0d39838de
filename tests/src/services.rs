//! A Redis, a cluster of it, and a Postgres of one test's own, to be stopped, started and frozen, each by its process id.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Duration, sleep};

use crate::SOON;
use crate::server::free_port;

/// Sends a signal to a process.
///
/// # Panics
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .await
        .expect("kill can be run");
    assert!(sent.success(), "SIG{name} could not be sent to {pid}");
}

async fn children(pid: u32) -> Vec<u32> {
    let listed = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &pid.to_string()])
        .output()
        .await
        .expect("ps can be run");
    String::from_utf8_lossy(&listed.stdout)
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

async fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).await.is_ok()
}

/// A Redis server.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(settings: Vec<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut redis = Self {
            port: free_port(),
            folder,
            settings,
            child: None,
        };
        redis.launch().await;
        redis
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What `REDIS_URL` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Starts it again after [`Redis::kill`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn launch(&mut self) {
        let child = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.settings)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("redis-server can be run"));
        let began = Instant::now();
        while !answers(self.port).await {
            assert!(began.elapsed() < SOON, "Redis did not start");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it at once.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("Redis runs");
        child.kill().await.expect("Redis can be killed");
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let child = self.child.as_ref().expect("Redis runs");
        child.id().expect("Redis has not been waited for")
    }
}

/// A Redis Cluster of three servers, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    /// Its servers.
    pub servers: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start() -> Self {
        let mut servers = Vec::new();
        for _ in 0..3 {
            // The port on which the servers talk to each other is else theirs and 10,000: which may be beyond what there is, or taken.
            let settings = ["--cluster-enabled", "yes", "--cluster-port"].map(str::to_owned);
            let port = free_port().to_string();
            servers.push(Redis::start_with([&settings[..], &[port]].concat()).await);
        }
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(servers.iter().map(Redis::address))
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .await
            .expect("redis-cli can be run");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stdout)
        );
        Self { servers }
    }

    /// What `REDIS_URL` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.servers[0].address())
    }
}

/// A Postgres server with one superuser, `baton`, who needs no password from this machine.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

/// As whom Postgres runs: it refuses root.
fn as_postgres(program: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    });
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ])
        .arg(program);
    command
}

fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("there is no {name}: run this through tests/services/with-services.sh")
        })
}

impl Postgres {
    /// Makes a store and starts a server on it.
    ///
    /// # Panics
    /// When that fails.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // Only root can, and only root needs it.
        let _ = Command::new("chown")
            .arg("postgres:")
            .arg(folder.path())
            .stderr(Stdio::null())
            .status()
            .await;
        let mut postgres = Self {
            port: free_port(),
            folder,
            child: None,
        };
        let made = as_postgres(&program("initdb"))
            .current_dir(postgres.folder.path())
            .arg("--pgdata")
            .arg(postgres.data())
            .args([
                "--username",
                "baton",
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
            ])
            .args(["--locale", "C.UTF-8"])
            .output()
            .await
            .expect("initdb can be run");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        postgres.launch().await;
        postgres
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A URL of its one database, at its own address or that of a proxy before it.
    #[must_use]
    pub fn url_at(&self, address: &str) -> String {
        format!("postgres://baton@{address}/postgres")
    }

    /// Starts it again after [`Postgres::stop`] or [`Postgres::kill`].
    ///
    /// # Panics
    /// When it does not start.
    pub async fn launch(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("postgres.log"))
            .expect("the log can be opened");
        // A leading process of its own: its children are ended with it by Postgres itself.
        let child = as_postgres(&program("postgres"))
            .current_dir(self.folder.path())
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200"])
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("postgres can be run"));
        let began = Instant::now();
        loop {
            let ready = Command::new("psql")
                .arg(self.url_at(&self.address()))
                .args(["--no-psqlrc", "--quiet", "--command", "SELECT 1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .await;
            if ready.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(began.elapsed() < SOON, "Postgres did not start");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it as an administrator does in a hurry: open sessions are cut.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("Postgres runs");
        let pid = child.id().expect("Postgres has not been waited for");
        signal(pid, "INT").await;
        let ended = tokio::time::timeout(SOON, child.wait()).await;
        let ended = ended.expect("Postgres ends when asked to");
        let _ = ended.expect("Postgres can be waited for");
    }

    /// It and all that serve its sessions stand still, until [`Postgres::thaw`]: whoever is connected, or connects, waits.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn freeze(&self) {
        // Itself first, so that it has no more children.
        signal(self.pid(), "STOP").await;
        for child in children(self.pid()).await {
            signal(child, "STOP").await;
        }
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn thaw(&self) {
        for child in children(self.pid()).await {
            signal(child, "CONT").await;
        }
        signal(self.pid(), "CONT").await;
    }

    fn pid(&self) -> u32 {
        let child = self.child.as_ref().expect("Postgres runs");
        child.id().expect("Postgres has not been waited for")
    }

    /// Runs one statement as the superuser.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sql(&self, statement: &str) -> String {
        crate::database::run(&self.url_at(&self.address()), statement).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Immediate shutdown: SIGKILL would leave its children behind.
        if let Some(pid) = self.child.as_ref().and_then(Child::id) {
            let _ = std::process::Command::new("kill")
                .args(["-QUIT", &pid.to_string()])
                .status();
            let began = Instant::now();
            if let Some(child) = self.child.as_mut() {
                while matches!(child.try_wait(), Ok(None)) && began.elapsed() < SOON {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}
