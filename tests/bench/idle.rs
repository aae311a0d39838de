//! M1: what an idle connection that has joined a room costs in memory.

use std::sync::Arc;
use std::time::Duration;

use crate::Run;
use crate::crowd::{Seen, fill};
use crate::report::{Row, Target};
use crate::systems::{Kind, System};

/// 10,000 connections on each system.
pub async fn m1(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new(
        "M1",
        "memory per idle joined connection, 10,000 connections",
    );
    let members = run.scaled(10_000) / 100;
    let mut each = Vec::new();
    for kind in [Kind::Baton, Kind::Raw, Kind::NodePlain] {
        let system = System::start(&run.place, kind).await?;
        let rooms = system.rooms(100).await?;
        let seen: Arc<Seen> = Arc::default();
        // What the first connections bring with them is not theirs.
        let first = fill(&system, &rooms, 1, &seen).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = system.program.memory();
        let links = fill(&system, &rooms, members, &seen).await?;
        tokio::time::sleep(Duration::from_secs_f64(run.seconds(8.0))).await;
        let per_connection = (system.program.memory() - before) / links.len() as f64;
        row.told(
            format!("{}: memory per connection", kind.name()),
            per_connection,
            "KiB",
        );
        each.push(per_connection);
        drop((first, links));
        system.program.end().await;
    }
    row.with(
        "memory, of raw socketioxide",
        each[0] / each[1],
        "×",
        Target::AtMost(0.65),
    );
    row.with(
        "memory, of socket.io",
        each[0] / each[2],
        "×",
        Target::AtMost(1.0),
    );
    Ok(row)
}
