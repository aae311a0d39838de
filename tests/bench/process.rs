//! Programs under measurement: started, watched through `/proc`, and ended.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

/// A running program; it ends with this value.
pub struct Program {
    child: Child,
    /// Its process id.
    pub pid: u32,
    /// What it writes.
    pub log: PathBuf,
}

impl Program {
    /// Starts a program, with what it writes in a file.
    pub fn start(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let out = std::fs::File::create(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let pid = child.id().context("the program ended at once")?;
        Ok(Self { child, pid, log })
    }

    /// Waits until a TCP port answers; fails when the program ends before.
    pub async fn listening(&mut self, address: &str) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the program ended with {status}: {}",
                    std::fs::read_to_string(&self.log).unwrap_or_default()
                );
            }
            if start.elapsed() > Duration::from_secs(60) {
                bail!("the program does not listen on {address}");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends it, and waits until it has ended.
    pub async fn end(mut self) {
        let _ = self.child.kill().await;
    }

    /// Processor time used so far, in seconds.
    pub fn cpu(&self) -> f64 {
        cpu_of(self.pid, false)
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> f64 {
        let text =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid)).unwrap_or_default();
        text.lines()
            .find_map(|l| l.strip_prefix("Rss:"))
            .and_then(|l| l.split_whitespace().next())
            .and_then(|n| n.parse().ok())
            .unwrap_or(f64::NAN)
    }
}

fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, in brackets.
    let rest = &text[text.rfind(')')? + 2..];
    Some(
        rest.split_whitespace()
            .map(|f| f.parse().unwrap_or(0))
            .collect(),
    )
}

fn cpu_of(pid: u32, with_ended_children: bool) -> f64 {
    let Some(fields) = stat(pid) else { return 0.0 };
    let mut ticks = fields[11] + fields[12];
    if with_ended_children {
        ticks += fields[13] + fields[14];
    }
    // Linux counts in hundredths of a second wherever it shows them.
    ticks as f64 / 100.0
}

/// The Postgres server that the benchmarks share.
#[derive(Clone)]
pub struct Postgres {
    /// A superuser's URL to a maintenance database.
    pub url: String,
    postmaster: u32,
}

impl Postgres {
    /// Finds it.
    pub async fn find() -> anyhow::Result<Self> {
        let url = std::env::var("BATON_TEST_POSTGRES_URL")
            .context("run this through tests/services/with-services.sh: `make bench` does")?;
        let backend: u32 = psql(&url, "SELECT pg_backend_pid()")
            .await?
            .trim()
            .parse()?;
        // The backend has ended by now; its father is who listens. Ask again while one is alive.
        let _ = backend;
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
        let checkpointer: u32 = psql(&url, sql).await?.trim().parse()?;
        let fields = stat(checkpointer).context("Postgres runs elsewhere")?;
        Ok(Self {
            url,
            postmaster: u32::try_from(fields[1])?,
        })
    }

    /// Processor time of all its processes, those that ended too, in seconds.
    pub fn cpu(&self) -> f64 {
        let mut sum = cpu_of(self.postmaster, true);
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for entry in entries {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            if stat(pid).is_some_and(|f| f[1] == u64::from(self.postmaster)) {
                sum += cpu_of(pid, false);
            }
        }
        sum
    }

    /// Has all written out that was left behind until now, by whomever: else the system writes it out some seconds later, and whoever syncs a file
    /// then waits for it, up to a second.
    pub async fn settle(&self) -> anyhow::Result<()> {
        psql(&self.url, "CHECKPOINT").await?;
        let done = Command::new("sync").status().await?;
        anyhow::ensure!(done.success(), "sync: {done}");
        Ok(())
    }

    /// A new, empty database.
    pub async fn database(&self) -> anyhow::Result<String> {
        let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
        psql(&self.url, &format!("CREATE DATABASE {name}")).await?;
        let (server, _) = self.url.rsplit_once('/').context("the URL has no path")?;
        Ok(format!("{server}/{name}"))
    }

    /// Latencies of one client that inserts one row at a time: median and 99th percentile in milliseconds.
    pub async fn one_row_commit(&self, folder: &Path, seconds: u32) -> anyhow::Result<(f64, f64)> {
        let url = self.database().await?;
        psql(
            &url,
            "CREATE TABLE one (id BIGSERIAL PRIMARY KEY, body TEXT NOT NULL)",
        )
        .await?;
        let script = folder.join("one-row.sql");
        std::fs::write(
            &script,
            format!("INSERT INTO one (body) VALUES ('{}');\n", "x".repeat(500)),
        )?;
        let prefix = folder.join("pgbench");
        let out = Command::new("pgbench")
            .args([
                "--no-vacuum",
                "--client=1",
                "--log",
                "--protocol=prepared",
                &format!("--time={seconds}"),
            ])
            .arg(format!("--log-prefix={}", prefix.display()))
            .arg("--file")
            .arg(&script)
            .arg(&url)
            .output()
            .await
            .context("pgbench cannot be run")?;
        if !out.status.success() {
            bail!("pgbench: {}", String::from_utf8_lossy(&out.stderr));
        }
        let mut latencies = Vec::new();
        for entry in std::fs::read_dir(folder)?.flatten() {
            let path = entry.path();
            if path
                .display()
                .to_string()
                .starts_with(&format!("{}.", prefix.display()))
            {
                let text = std::fs::read_to_string(&path)?;
                latencies.extend(
                    text.lines()
                        .filter_map(|l| l.split_whitespace().nth(2)?.parse::<f64>().ok()),
                );
                std::fs::remove_file(path)?;
            }
        }
        latencies.sort_by(f64::total_cmp);
        let at = |p: f64| {
            latencies
                .get((latencies.len() as f64 * p) as usize)
                .map_or(f64::NAN, |micros| micros / 1000.0)
        };
        Ok((at(0.5), at(0.99)))
    }
}

/// Runs SQL; what it prints.
pub async fn psql(url: &str, sql: &str) -> anyhow::Result<String> {
    let out = Command::new("psql")
        .arg(url)
        .args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
        ])
        .args(["--command", sql])
        .output()
        .await
        .context("psql cannot be run")?;
    if !out.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8(out.stdout)?)
}
