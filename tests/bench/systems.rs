//! The systems under measurement: Baton and what one would use instead. All speak the same commands and send the same bytes, so that one
//! load generator serves them all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::rest::Rest;
use tests::server::free_port;
use tokio::process::Command;

use crate::process::{Postgres, Program};
use crate::wire::{Link, OnEvent};

const ADMIN_KEY: &str = "benchmark-key-0123456789abcdefghijklmnop";

/// Where things are.
#[derive(Clone)]
pub struct Place {
    /// The binary that is measured.
    pub baton: PathBuf,
    /// The raw peer.
    pub raw: PathBuf,
    /// Scratch space of this run.
    pub scratch: PathBuf,
    /// Where the peers' packages are installed, once.
    pub installed: PathBuf,
    /// The database server.
    pub postgres: Postgres,
    /// The Redis server.
    pub redis: String,
}

/// What a system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours, on Postgres, with Redis.
    Baton,
    /// Ours, on SQLite, alone.
    Embedded,
    /// socketioxide with no storage.
    Raw,
    /// socket.io with its Redis adapter and an INSERT per message.
    Node,
    /// socket.io alone.
    NodePlain,
}

impl Kind {
    /// For the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baton => "Baton",
            Self::Embedded => "Baton on SQLite",
            Self::Raw => "socketioxide, no storage",
            Self::Node => "socket.io + Redis + INSERT",
            Self::NodePlain => "socket.io, no storage",
        }
    }

    /// Whether it promises gapless seqs.
    pub fn is_baton(self) -> bool {
        matches!(self, Self::Baton | Self::Embedded)
    }
}

/// A running system.
pub struct System {
    /// Which.
    pub kind: Kind,
    /// Its server.
    pub program: Program,
    /// `host:port`.
    pub address: String,
    /// Its database, if it has one.
    pub database: String,
    /// From the start of the process to its first answer.
    pub ready: Duration,
}

impl System {
    /// Starts it on an empty store; when it is ready the disk has nothing left to write.
    pub async fn start(place: &Place, kind: Kind) -> anyhow::Result<Self> {
        let database = match kind {
            Kind::Baton | Kind::Node => place.postgres.database().await?,
            Kind::Embedded => format!(
                "sqlite://{}/{}.db",
                place.scratch.display(),
                uuid::Uuid::now_v7().simple()
            ),
            Kind::Raw | Kind::NodePlain => String::new(),
        };
        let system = Self::start_on(place, kind, database).await?;
        place.postgres.settle().await?;
        Ok(system)
    }

    /// Starts it on a store that may hold something.
    pub async fn start_on(place: &Place, kind: Kind, database: String) -> anyhow::Result<Self> {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let mut command = match kind {
            Kind::Baton | Kind::Embedded => {
                let mut command = Command::new(&place.baton);
                command
                    .arg("serve")
                    .env("BATON_LISTEN", &address)
                    .env("BATON_ADMIN_KEY", ADMIN_KEY)
                    .env("BATON_LOG", "warn");
                command
            }
            Kind::Raw => Command::new(&place.raw),
            Kind::Node | Kind::NodePlain => {
                let mut command = Command::new("node");
                command.arg(node_peer(place).await?);
                command
            }
        };
        command
            .current_dir(&place.scratch)
            .env("PORT", port.to_string());
        for name in ["DATABASE_URL", "REDIS_URL", "PLAIN"] {
            command.env_remove(name);
        }
        if !database.is_empty() {
            command.env("DATABASE_URL", &database);
        }
        match kind {
            Kind::Baton | Kind::Node => {
                command.env("REDIS_URL", &place.redis);
            }
            Kind::NodePlain => {
                command.env("PLAIN", "1");
            }
            Kind::Embedded | Kind::Raw => {}
        }
        let began = Instant::now();
        let log = place.scratch.join(format!("{kind:?}-{port}.log"));
        let mut program = Program::start(command, log)?;
        program.listening(&address).await?;
        let mut system = Self {
            kind,
            program,
            address,
            database,
            ready: began.elapsed(),
        };
        if kind.is_baton() {
            baton::tls::install();
            let http = reqwest::Client::new();
            let url = format!("http://{}/readyz", system.address);
            while !http
                .get(&url)
                .send()
                .await
                .is_ok_and(|r| r.status().is_success())
            {
                ensure!(
                    began.elapsed() < Duration::from_secs(60),
                    "Baton does not get ready"
                );
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            system.ready = began.elapsed();
        }
        Ok(system)
    }

    /// What a connection says of itself.
    pub fn auth(&self) -> Value {
        json!({ "token": ADMIN_KEY })
    }

    /// The REST API as the admin.
    pub fn rest(&self) -> Rest {
        Rest::new(&format!("http://{}", self.address), ADMIN_KEY)
    }

    /// A connection.
    pub async fn connect(&self, on_event: impl OnEvent) -> anyhow::Result<Arc<Link>> {
        Link::open(&self.address, &self.auth(), on_event).await
    }

    /// Makes rooms; gives their ids.
    pub async fn rooms(&self, n: usize) -> anyhow::Result<Vec<String>> {
        if !self.kind.is_baton() {
            return Ok((0..n).map(|_| uuid::Uuid::now_v7().to_string()).collect());
        }
        let link = self.connect(|_| {}).await?;
        let mut rooms = Vec::with_capacity(n);
        for n in 0..n {
            let room =
                json!({"name": format!("Room {n}"), "type": "workspace", "participants": []});
            let made = link.data("room:create", &room).await?;
            let id = made["id"].as_str().or(made["room"]["id"].as_str());
            rooms.push(id.context("a room has an id")?.to_owned());
        }
        Ok(rooms)
    }
}

/// Installs the Node peer on first use; its script.
async fn node_peer(place: &Place) -> anyhow::Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers/node");
    let home = place.installed.join("node");
    std::fs::create_dir_all(&home)?;
    let lock = std::fs::read(source.join("package-lock.json"))?;
    let installed = home.join("node_modules/.installed-lock.json");
    std::fs::copy(source.join("server.mjs"), home.join("server.mjs"))?;
    if std::fs::read(&installed).is_ok_and(|have| have == lock) {
        return Ok(home.join("server.mjs"));
    }
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), home.join(file))?;
    }
    let status = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--silent"])
        .current_dir(&home)
        .status()
        .await?;
    ensure!(status.success(), "npm ci failed");
    std::fs::write(installed, lock)?;
    Ok(home.join("server.mjs"))
}

/// Installs the Python peers on first use, runs one of them, and gives what it measured.
pub async fn python_peer(place: &Place, script: &str, seconds: f64) -> anyhow::Result<Value> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peers/python");
    let home = place.installed.join("venv");
    let wanted = std::fs::read(source.join("requirements.txt"))?;
    let installed = home.join("installed.txt");
    if !std::fs::read(&installed).is_ok_and(|have| have == wanted) {
        let _ = std::fs::remove_dir_all(&home);
        let run = async |program: &Path, args: &[&str]| -> anyhow::Result<()> {
            let status = Command::new(program).args(args).status().await?;
            ensure!(status.success(), "{} {args:?} failed", program.display());
            Ok(())
        };
        let to = home.display().to_string();
        run(Path::new("python3"), &["-m", "venv", &to]).await?;
        let list = source.join("requirements.txt").display().to_string();
        run(
            &home.join("bin/pip"),
            &["install", "--quiet", "--requirement", &list],
        )
        .await?;
        std::fs::write(installed, wanted)?;
    }
    let out = Command::new(home.join("bin/python"))
        .arg(source.join(script))
        .arg(seconds.to_string())
        .env("DATABASE_URL", place.postgres.database().await?)
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&out.stdout);
    let last = text.lines().rev().find(|l| l.starts_with('{'));
    let last = last.with_context(|| {
        format!(
            "{script} measured nothing: {text}{}",
            String::from_utf8_lossy(&out.stderr)
        )
    })?;
    Ok(serde_json::from_str(last)?)
}
