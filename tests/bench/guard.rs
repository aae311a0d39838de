//! The guard that `make test` runs: small loads beside the raw peer, both built alike, compared by processor time alone, so that neither a
//! busy machine nor a debug build changes what comes out by much.

use std::time::Duration;

use crate::Run;
use crate::crowd::Crowd;
use crate::report::{Row, Target};
use crate::systems::{Kind, System};

/// Processor time of a post and of a delivery, beside raw socketioxide.
pub async fn guard(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new(
        "guard",
        "small loads beside raw socketioxide, by processor time",
    );
    let mut crowds = Vec::new();
    for kind in [Kind::Baton, Kind::Raw] {
        let wide = Crowd::gather(System::start(&run.place, kind).await?, 1, 200).await?;
        let many = Crowd::gather(System::start(&run.place, kind).await?, 20, 5).await?;
        crowds.push((wide, many));
    }
    let mut wide = [Vec::new(), Vec::new()];
    let mut many = [Vec::new(), Vec::new()];
    for round in 0..3 {
        for (n, crowd) in crowds.iter().enumerate() {
            let a = crowd.0.steady(100.0, 100, &run.place.postgres).await?;
            let time = Duration::from_secs(2);
            let b = crowd
                .1
                .closed_loop(20, 2, time, &run.place.postgres)
                .await?;
            if round > 0 {
                wide[n].push(a.cpu_per_delivery());
                many[n].push(b.cpu_per_delivery());
            }
        }
    }
    // The best of each: whatever else runs here can only add to it.
    let best = |all: &[f64]| all.iter().copied().fold(f64::INFINITY, f64::min);
    let ratio = |all: &[Vec<f64>; 2]| best(&all[0]) / best(&all[1]);
    row.with(
        "CPU per delivery in a room of 200, of raw socketioxide",
        ratio(&wide),
        "×",
        Target::AtMost(4.0),
    );
    row.with(
        "CPU per delivery in 20 rooms of 5 under load, of raw socketioxide",
        ratio(&many),
        "×",
        Target::AtMost(10.0),
    );
    Ok(row)
}
