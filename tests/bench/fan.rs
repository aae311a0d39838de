//! Fan-out: F1, F2, F3, F4, G1 and the load of E1.

use std::time::Duration;

use crate::Run;
use crate::crowd::{Crowd, Round, fill};
use crate::report::{Row, Target};
use crate::stats::median;
use crate::systems::{Kind, System};

fn of(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    median(&rounds.iter().map(value).collect::<Vec<_>>())
}

/// Rounds of every system in turn, so that the machine's mood is the same for all.
async fn in_turn(
    crowds: &[Crowd],
    rounds: usize,
    act: impl AsyncFn(&Crowd) -> anyhow::Result<Round>,
) -> anyhow::Result<Vec<Vec<Round>>> {
    let mut all = vec![Vec::new(); crowds.len()];
    for crowd in crowds {
        act(crowd).await?; // the first round warms up
    }
    for _ in 0..rounds {
        for (crowd, rounds) in crowds.iter().zip(&mut all) {
            rounds.push(act(crowd).await?);
        }
    }
    Ok(all)
}

/// One room of 1,000 members.
pub async fn f1(run: &Run) -> anyhow::Result<Row> {
    let mut crowds = Vec::new();
    for kind in [Kind::Baton, Kind::Raw, Kind::Node] {
        crowds.push(Crowd::gather(System::start(&run.place, kind).await?, 1, 1_000).await?);
    }
    let posts = run.scaled(200);
    let all = in_turn(&crowds, run.rounds, async |crowd| {
        crowd.steady(40.0, posts, &run.place.postgres).await
    })
    .await?;
    let cpu = |n: usize| of(&all[n], Round::cpu_per_delivery);
    let mut row = Row::new("F1", "fan-out, 1 room × 1,000 members, durable, Redis on");
    for (n, crowd) in crowds.iter().enumerate() {
        let what = format!("{}: server CPU per delivery", crowd.system.kind.name());
        row.told(what, cpu(n), "µs");
    }
    row.with(
        "CPU per delivery, of raw socketioxide",
        cpu(0) / cpu(1),
        "×",
        Target::AtMost(1.2),
    );
    row.with(
        "CPU per delivery, of socket.io + Redis + INSERT",
        cpu(0) / cpu(2),
        "×",
        Target::AtMost(0.2),
    );
    Ok(row)
}

/// 100 rooms of 10 members, 50 senders.
pub async fn f2(run: &Run) -> anyhow::Result<Row> {
    let mut crowds = Vec::new();
    for kind in [Kind::Baton, Kind::Raw, Kind::Node] {
        crowds.push(Crowd::gather(System::start(&run.place, kind).await?, 100, 10).await?);
    }
    let time = Duration::from_secs_f64(run.seconds(5.0));
    let all = in_turn(&crowds, run.rounds, async |crowd| {
        crowd.closed_loop(50, 2, time, &run.place.postgres).await
    })
    .await?;
    let cpu = |n: usize| of(&all[n], Round::cpu_per_delivery);
    let posts = |n: usize| of(&all[n], Round::posts_per_second);
    let mut row = Row::new(
        "F2",
        "100 rooms × 10 members, 50 senders, durable, Redis on",
    );
    for (n, crowd) in crowds.iter().enumerate() {
        let name = crowd.system.kind.name();
        row.told(format!("{name}: acked posts per second"), posts(n), "/s");
        row.told(format!("{name}: server CPU per delivery"), cpu(n), "µs");
        if crowd.system.kind != Kind::Raw {
            let cpu = of(&all[n], |r| r.postgres_cpu * 1e6 / r.posts);
            row.told(format!("{name}: Postgres' CPU per post"), cpu, "µs");
        }
    }
    row.with(
        "acked posts/s, of raw socketioxide without storage",
        posts(0) / posts(1),
        "×",
        Target::AtLeast(0.8),
    );
    row.with(
        "acked posts/s, of socket.io + Redis + INSERT",
        posts(0) / posts(2),
        "×",
        Target::AtLeast(3.5),
    );
    row.with(
        "CPU per delivery, of socket.io + Redis + INSERT",
        cpu(0) / cpu(2),
        "×",
        Target::AtMost(0.25),
    );
    Ok(row)
}

/// The embedded store under F2's load, and what it costs to have it.
pub async fn e1(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("E1", "embedded SQLite: F2's load; start, memory, size");
    let mut ready = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..5 {
        let system = System::start(&run.place, Kind::Embedded).await?;
        ready.push(system.ready.as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_secs_f64(run.seconds(2.0))).await;
        memory.push(system.program.memory() / 1024.0);
        system.program.end().await;
    }
    let mut crowds = Vec::new();
    for kind in [Kind::Embedded, Kind::Raw] {
        crowds.push(Crowd::gather(System::start(&run.place, kind).await?, 100, 10).await?);
    }
    let time = Duration::from_secs_f64(run.seconds(5.0));
    let all = in_turn(&crowds, run.rounds, async |crowd| {
        crowd.closed_loop(50, 2, time, &run.place.postgres).await
    })
    .await?;
    let posts = |n: usize| of(&all[n], Round::posts_per_second);
    for (n, crowd) in crowds.iter().enumerate() {
        let name = crowd.system.kind.name();
        row.told(format!("{name}: acked posts per second"), posts(n), "/s");
    }
    row.with(
        "durable posts/s, of raw socketioxide without storage",
        posts(0) / posts(1),
        "×",
        Target::AtLeast(0.5),
    );
    row.with(
        "ready after the start",
        median(&ready),
        "ms",
        Target::AtMost(150.0),
    );
    row.with(
        "memory when idle",
        median(&memory),
        "MiB",
        Target::AtMost(30.0),
    );
    let size = std::fs::metadata(&run.place.baton)?.len() as f64 / (1024.0 * 1024.0);
    row.with("size of the binary", size, "MiB", Target::AtMost(40.0));
    Ok(row)
}

/// Latency at a steady rate.
pub async fn f3(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("F3", "200 posts/s over 100 rooms × 10 members: latency");
    let crowd = Crowd::gather(System::start(&run.place, Kind::Baton).await?, 100, 10).await?;
    // What the way costs by itself: the same posts through a hub that keeps nothing.
    let raw = Crowd::gather(System::start(&run.place, Kind::Raw).await?, 100, 10).await?;
    let posts = run.scaled(2_000);
    for crowd in [&crowd, &raw] {
        crowd.steady(200.0, posts / 4, &run.place.postgres).await?;
    }
    let mut rounds = Vec::new();
    for _ in 0..run.rounds {
        let commit = run
            .place
            .postgres
            .one_row_commit(&run.place.scratch, run.seconds(4.0).ceil() as u32)
            .await?;
        raw.steady(200.0, posts, &run.place.postgres).await?;
        let bare = raw.seen.latency.percentile(50.0);
        crowd.steady(200.0, posts, &run.place.postgres).await?;
        let at = |p| crowd.seen.latency.percentile(p);
        rounds.push([at(50.0), at(99.0), at(99.9), commit.0, commit.1, bare]);
    }
    let middle = |n: usize| median(&rounds.iter().map(|r| r[n]).collect::<Vec<_>>());
    row.told("post → every member, p50", middle(0), "ms");
    row.told("post → every member, p99", middle(1), "ms");
    row.told("post → every member, p99.9", middle(2), "ms");
    row.told(
        "raw socketioxide, which keeps nothing: p50",
        middle(5),
        "ms",
    );
    row.told("pgbench, 1 client, one-row INSERT, p50", middle(3), "ms");
    row.told("pgbench, 1 client, one-row INSERT, p99", middle(4), "ms");
    let ratio =
        |a: usize, b: usize| median(&rounds.iter().map(|r| r[a] / r[b]).collect::<Vec<_>>());
    row.with(
        "p50, of one commit's p50",
        ratio(0, 3),
        "×",
        Target::AtMost(3.0),
    );
    row.with(
        "p99, of one commit's p99",
        ratio(1, 4),
        "×",
        Target::AtMost(3.0),
    );
    Ok(row)
}

/// Two nodes: how much later the other one's members hear of it.
pub async fn f4(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("F4", "two nodes, 200 posts/s: a delivery across nodes");
    let here = Crowd::gather(System::start(&run.place, Kind::Baton).await?, 100, 5).await?;
    let there = System::start_on(&run.place, Kind::Baton, here.system.database.clone()).await?;
    let seen = std::sync::Arc::default();
    let away = fill(&there, &here.rooms, 5, &seen).await?;
    let posts = run.scaled(2_000);
    here.steady(200.0, posts / 4, &run.place.postgres).await?;
    let mut rounds = Vec::new();
    for _ in 0..run.rounds {
        tokio::time::sleep(Duration::from_secs(2)).await;
        seen.deliveries
            .store(0, std::sync::atomic::Ordering::Relaxed);
        seen.latency.clear();
        here.steady(200.0, posts, &run.place.postgres).await?;
        let arrived = async {
            while seen.latency.count() < (posts * 5) as u64 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(60), arrived).await;
        anyhow::ensure!(
            seen.latency.count() == (posts * 5) as u64,
            "{} of {} messages arrived at the other node",
            seen.latency.count(),
            posts * 5
        );
        let pair = |p| [here.seen.latency.percentile(p), seen.latency.percentile(p)];
        rounds.push([pair(50.0), pair(99.0)].concat());
    }
    drop(away);
    let middle = |n: usize| median(&rounds.iter().map(|r| r[n]).collect::<Vec<_>>());
    row.told("same node, p50", middle(0), "ms");
    row.told("other node, p50", middle(1), "ms");
    row.told("same node, p99", middle(2), "ms");
    row.told("other node, p99", middle(3), "ms");
    let later: Vec<_> = rounds.iter().map(|r| r[1] - r[0]).collect();
    row.with(
        "later on the other node, p50",
        median(&later),
        "ms",
        Target::AtMost(1.0),
    );
    Ok(row)
}

/// Cost per delivery in a room of 10,000 against one of 100.
pub async fn g1(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("G1", "cost per delivery at 10,000 members against 100");
    let mut growth = Vec::new();
    for kind in [Kind::Baton, Kind::Raw] {
        let mut costs = Vec::new();
        for (members, posts, rate) in [(100, 2_000, 200.0), (run.scaled(10_000), 30, 3.0)] {
            let system = System::start(&run.place, kind).await?;
            let crowd = Crowd::gather(system, 1, members).await?;
            crowd.steady(rate, posts / 5, &run.place.postgres).await?;
            let mut rounds = Vec::new();
            for _ in 0..run.rounds {
                rounds.push(crowd.steady(rate, posts, &run.place.postgres).await?);
            }
            let cost = of(&rounds, Round::cpu_per_delivery);
            row.told(
                format!("{}: CPU per delivery, {members} members", kind.name()),
                cost,
                "µs",
            );
            costs.push(cost);
            drop(crowd.links);
            crowd.system.program.end().await;
        }
        growth.push(costs[1] / costs[0]);
    }
    row.told("Baton's growth", growth[0], "×");
    row.told("raw socketioxide's growth", growth[1], "×");
    row.with(
        "growth, of raw's own",
        growth[0] / growth[1],
        "×",
        Target::AtMost(1.3),
    );
    Ok(row)
}

/// Half an hour of F3's load: memory and latency stay where they are.
pub async fn soak(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("soak", "200 posts/s for half an hour: memory and latency");
    let crowd = Crowd::gather(System::start(&run.place, Kind::Baton).await?, 100, 10).await?;
    let minutes = run.scaled(30);
    let mut memory = Vec::new();
    let mut latency = Vec::new();
    for minute in 0..minutes {
        crowd.steady(200.0, 12_000, &run.place.postgres).await?;
        memory.push(crowd.system.program.memory() / 1024.0);
        latency.push(crowd.seen.latency.percentile(50.0));
        println!(
            "    minute {}: {:.1} MiB, p50 {:.2} ms",
            minute + 1,
            memory[minute],
            latency[minute]
        );
    }
    let third = (minutes / 3).max(1);
    let (first, last) = (&memory[..third], &memory[minutes - third..]);
    row.told("memory, first third", median(first), "MiB");
    row.told("memory, last third", median(last), "MiB");
    row.with(
        "memory, last third of the first",
        median(last) / median(first),
        "×",
        Target::AtMost(1.1),
    );
    row.with(
        "p50, last third of the first",
        median(&latency[minutes - third..]) / median(&latency[..third]),
        "×",
        Target::AtMost(1.3),
    );
    Ok(row)
}
