//! Long logs and many readers that come back at once: G3 and R1.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::Run;
use crate::process::psql;
use crate::report::{Row, Target};
use crate::stats::{Histogram, now_micros};
use crate::systems::{Kind, System};
use crate::wire::{Link, numbers_after};

async fn post_many(link: &Link, room: &str, posts: usize) -> anyhow::Result<()> {
    for n in 0..posts {
        let post = json!({"roomId": room, "body": format!("Message {n} {:x<170}", "")});
        link.ask("message:send", &post.to_string()).await?;
    }
    Ok(())
}

/// `room:join` on a log of 1,000,000 events against one of 100.
pub async fn g3(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("G3", "room:join on a log of 1,000,000 events against 100");
    let system = System::start(&run.place, Kind::Baton).await?;
    let rooms = system.rooms(2).await?;
    let link = system.connect(|_| {}).await?;
    let (short, long) = (100, run.scaled(1_000_000).max(1_000));
    post_many(&link, &rooms[0], short - 1).await?;
    post_many(&link, &rooms[1], 399).await?;
    lengthen(&system, &rooms[1], long).await?;
    let heads = [short, long];
    let mut latency = Vec::new();
    for since in [None, Some(20)] {
        let taken = [Histogram::default(), Histogram::default()];
        for n in 0..run.scaled(600) {
            // In turn, on a connection that has not joined yet.
            let which = n % 2;
            let mut join = json!({"roomId": rooms[which]});
            if let Some(back) = since {
                join["since"] = json!(heads[which] - back);
            }
            let began = now_micros();
            let ack = link.ask("room:join", &join.to_string()).await?;
            if n >= 20 {
                taken[which].record(now_micros() - began);
            }
            ensure!(
                ack.contains(&format!("\"head\":{}", heads[which])),
                "the room's head is another: {ack}"
            );
            link.ask("room:leave", &json!({"roomId": rooms[which]}).to_string())
                .await?;
        }
        let how = since.map_or("the last 50", |_| "since 20 before the head");
        row.told(
            format!("{how}: p50 with {short} events"),
            taken[0].percentile(50.0),
            "ms",
        );
        row.told(
            format!("{how}: p50 with {long} events"),
            taken[1].percentile(50.0),
            "ms",
        );
        latency.push(taken[1].percentile(50.0) / taken[0].percentile(50.0));
    }
    row.with(
        "growth, joining with the last 50",
        latency[0],
        "×",
        Target::AtMost(1.3),
    );
    row.with(
        "growth, joining with what was missed",
        latency[1],
        "×",
        Target::AtMost(1.3),
    );
    Ok(row)
}

/// Makes a log longer by SQL, as that many posts would have left it.
async fn lengthen(system: &System, room: &str, head: usize) -> anyhow::Result<()> {
    let sql = format!(
        "INSERT INTO events (room_id, seq, id, type, at, payload)
           SELECT e.room_id, g.seq, g.id, e.type, e.at + g.seq,
                  replace(replace(e.payload, '\"seq\":400,', '\"seq\":' || g.seq || ','), e.id::text, g.id::text)
           FROM events e, (SELECT seq, gen_random_uuid() AS id FROM generate_series(401, {head}) AS seq) g
           WHERE e.room_id = '{room}' AND e.seq = 400;
         UPDATE rooms SET head = {head} WHERE id = '{room}';
         UPDATE snapshots SET seq = {head}, state = regexp_replace(state, '\"seq\":[0-9]+', '\"seq\":{head}') WHERE room_id = '{room}';
         ANALYZE;"
    );
    psql(&system.database, &sql).await?;
    Ok(())
}

/// 5,000 clients of 100 rooms drop, miss 20 events each, and come back at once.
pub async fn r1(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new(
        "R1",
        "reconnect storm: 5,000 clients resume 20 missed events each",
    );
    let system = System::start(&run.place, Kind::Baton).await?;
    let rooms = system.rooms(100).await?;
    let clients = run.scaled(5_000);
    let come = async |since: u64| -> anyhow::Result<Vec<(Arc<Link>, String)>> {
        stream::iter((0..clients).map(|n| {
            let (system, rooms) = (&system, &rooms);
            async move {
                let link = system.connect(|_| {}).await?;
                let join = json!({"roomId": rooms[n % rooms.len()], "since": since});
                let ack = link.ask("room:join", &join.to_string()).await?;
                anyhow::Ok((link, ack))
            }
        }))
        .buffer_unordered(256)
        .try_collect()
        .await
    };
    let writer = system.connect(|_| {}).await?;
    let mut taken = Vec::new();
    let mut head = 1;
    let mut links = come(head).await?;
    for _ in 0..run.rounds {
        drop(links);
        tokio::time::sleep(Duration::from_secs(1)).await;
        for room in &rooms {
            post_many(&writer, room, 20).await?;
        }
        let began = Instant::now();
        links = come(head).await?;
        taken.push(began.elapsed().as_secs_f64());
        for (_, ack) in &links {
            let events = ack
                .find("\"events\":")
                .map(|at| &ack[at..])
                .context("an ack has events")?;
            let seqs: Vec<u64> = numbers_after(events.as_bytes(), "\"seq\":").collect();
            let wanted: Vec<u64> = (head + 1..=head + 20).collect();
            ensure!(seqs == wanted, "a client got {seqs:?}, wanted {wanted:?}");
        }
        head += 20;
    }
    row.with(
        "all caught up, nothing missed or doubled",
        crate::stats::median(&taken),
        "s",
        Target::AtMost(3.0),
    );
    Ok(row)
}
