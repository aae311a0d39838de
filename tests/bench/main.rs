//! `make bench`: every row of the targets, beside the peers, in one run.
//!
//! Machines are shared and noisy. What counts is a ratio within one run, so the systems take turns round by round and the median of the
//! rounds is told; and processor time per unit of work, read from `/proc`. Durability is on for everybody. Every delivery is counted at its
//! receiver, and every ack comes after its commit.

mod agents;
mod crowd;
mod fan;
mod guard;
mod idle;
mod logs;
mod process;
mod report;
mod stats;
mod steps;
mod systems;
mod wire;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::json;

use crate::process::Postgres;
use crate::report::Row;
use crate::systems::Place;

/// Measures Baton beside its peers.
#[derive(Parser)]
struct Args {
    /// The rows to measure, such as F2; none: all but the soak.
    rows: Vec<String>,
    /// The binary to measure.
    #[arg(long, default_value = "target/release/baton")]
    baton: PathBuf,
    /// Rounds of each system; the median is told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// So much of the full load and time.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Where to write the table, the JSON and the plot.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One run of the benchmarks.
pub struct Run {
    /// Where things are.
    pub place: Place,
    /// Rounds of each system.
    pub rounds: usize,
    scale: f64,
}

impl Run {
    /// So many, at this scale.
    pub fn scaled(&self, n: usize) -> usize {
        ((n as f64 * self.scale) as usize).max(1)
    }

    /// So long, at this scale.
    pub fn seconds(&self, seconds: f64) -> f64 {
        (seconds * self.scale).max(0.5)
    }
}

const ROWS: &[&str] = &[
    "F1", "F2", "F3", "F4", "M1", "S1", "S2", "S3", "G1", "G2", "G3", "R1", "E1",
];

async fn measure(run: &Run, row: &str) -> anyhow::Result<Row> {
    match row {
        "F1" => fan::f1(run).await,
        "F2" => fan::f2(run).await,
        "F3" => fan::f3(run).await,
        "F4" => fan::f4(run).await,
        "M1" => idle::m1(run).await,
        "S1" => steps::s1(run).await,
        "S2" => steps::s2(run).await,
        "S3" => steps::s3(run).await,
        "G1" => fan::g1(run).await,
        "G2" => steps::g2(run).await,
        "G3" => logs::g3(run).await,
        "R1" => logs::r1(run).await,
        "E1" => fan::e1(run).await,
        "guard" => guard::guard(run).await,
        "soak" => fan::soak(run).await,
        other => anyhow::bail!("there is no row {other}; there are {ROWS:?}, soak and guard"),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let baton = std::path::absolute(&args.baton)?;
    ensure!(baton.is_file(), "there is no {}", baton.display());
    let raw = std::env::current_exe()?.with_file_name("raw-peer");
    ensure!(
        raw.is_file(),
        "there is no {}: build the tests' binaries",
        raw.display()
    );
    let scratch = tempfile::tempdir()?;
    let run = Run {
        place: Place {
            baton,
            raw,
            scratch: scratch.path().to_owned(),
            installed: Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench"),
            postgres: Postgres::find().await?,
            redis: std::env::var("BATON_TEST_REDIS_URL").context("there is no Redis")?,
        },
        rounds: args.rounds,
        scale: args.scale,
    };
    let wanted: Vec<&str> = if args.rows.is_empty() {
        ROWS.to_vec()
    } else {
        args.rows.iter().map(String::as_str).collect()
    };
    let mut rows = Vec::new();
    let mut failed = 0;
    for id in wanted {
        match measure(&run, id).await {
            Ok(row) => {
                row.print();
                rows.push(row);
            }
            Err(e) => {
                failed += 1;
                eprintln!("\n{id}  could not be measured: {e:#}");
            }
        }
        if let Some(out) = &args.out {
            let about = json!({
                "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
                "rounds": args.rounds, "scale": args.scale,
            });
            report::write(&rows, &about, out)?;
        }
    }
    ensure!(failed == 0, "{failed} rows could not be measured");
    Ok(())
}
