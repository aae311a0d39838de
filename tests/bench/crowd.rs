//! Members of rooms, who count what they receive, and posts to those rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use crate::process::Postgres;
use crate::stats::{Histogram, now_micros, pace};
use crate::systems::System;
use crate::wire::{Link, number_after};

/// Connections that are opened at the same time.
const OPENING: usize = 32;
/// The length of a message, in bytes.
const BODY: usize = 200;

/// What the members of all rooms received.
#[derive(Default)]
pub struct Seen {
    /// Messages.
    pub deliveries: AtomicU64,
    /// Messages that came twice, or after one that came later.
    pub faults: AtomicU64,
    /// From the intended time of the post to here.
    pub latency: Histogram,
}

impl Seen {
    /// What a member does with each event.
    pub fn member(self: &Arc<Self>, gapless: bool) -> impl FnMut(&[u8]) + Send + 'static {
        let seen = Arc::clone(self);
        let mut last = 0;
        move |event| {
            let Some(sent) = number_after(event, "\"body\":\"t=") else {
                return;
            };
            seen.latency.record(now_micros().saturating_sub(sent));
            seen.deliveries.fetch_add(1, Ordering::Relaxed);
            let seq = number_after(event, "\"seq\":").unwrap_or(0);
            if gapless && last > 0 && seq != last + 1 {
                seen.faults.fetch_add(1, Ordering::Relaxed);
            }
            last = seq;
        }
    }
}

/// Rooms full of members on one system.
pub struct Crowd {
    /// Where.
    pub system: System,
    /// The rooms.
    pub rooms: Vec<String>,
    /// The members, room after room.
    pub links: Vec<Arc<Link>>,
    /// What they received.
    pub seen: Arc<Seen>,
    per_room: usize,
}

/// What a round of posts came to.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Acked posts.
    pub posts: f64,
    /// Messages that arrived.
    pub deliveries: f64,
    /// Until the last ack.
    pub seconds: f64,
    /// Of the server's processes.
    pub cpu: f64,
    /// Of Postgres.
    pub postgres_cpu: f64,
}

impl Round {
    /// Microseconds of the server's processor per message that arrived.
    pub fn cpu_per_delivery(&self) -> f64 {
        self.cpu * 1e6 / self.deliveries
    }

    /// Acked posts per second.
    pub fn posts_per_second(&self) -> f64 {
        self.posts / self.seconds
    }
}

/// Opens a connection for each member, and joins.
pub async fn fill(
    system: &System,
    rooms: &[String],
    per_room: usize,
    seen: &Arc<Seen>,
) -> anyhow::Result<Vec<Arc<Link>>> {
    let gapless = system.kind.is_baton();
    stream::iter((0..rooms.len() * per_room).map(|n| {
        let on_event = seen.member(gapless);
        async move {
            let link = system.connect(on_event).await?;
            let join = json!({"roomId": rooms[n / per_room]});
            link.ask("room:join", &join.to_string()).await?;
            anyhow::Ok(link)
        }
    }))
    .buffered(OPENING)
    .try_collect()
    .await
}

fn post(room: &str, sent: u64) -> String {
    let body = format!("t={sent};{:x<width$}", "", width = BODY - 20);
    format!("{{\"roomId\":\"{room}\",\"body\":\"{body}\"}}")
}

impl Crowd {
    /// Fills new rooms on a system.
    pub async fn gather(system: System, rooms: usize, per_room: usize) -> anyhow::Result<Self> {
        let rooms = system.rooms(rooms).await?;
        let seen = Arc::default();
        let links = fill(&system, &rooms, per_room, &seen).await?;
        Ok(Self {
            system,
            rooms,
            links,
            seen,
            per_room,
        })
    }

    /// Senders, each with so many posts on the way, for so long.
    pub async fn closed_loop(
        &self,
        senders: usize,
        window: usize,
        time: Duration,
        postgres: &Postgres,
    ) -> anyhow::Result<Round> {
        let before = self.begin(postgres);
        let start = Instant::now();
        let work = (0..senders * window).map(|n| {
            let sender = n / window;
            // Each sender is a member of the room that it posts to, and posts to the next one as well.
            let home = sender * self.rooms.len() / senders;
            let link = &self.links[home * self.per_room];
            async move {
                let mut posts = 0;
                while start.elapsed() < time {
                    let room = &self.rooms[(home + posts % 2) % self.rooms.len()];
                    link.ask("message:send", &post(room, now_micros())).await?;
                    posts += 1;
                }
                anyhow::Ok(posts)
            }
        });
        let posts: usize = futures::future::try_join_all(work).await?.iter().sum();
        self.end(before, posts, start, postgres).await
    }

    /// Posts at a steady rate, over all rooms in turn.
    pub async fn steady(
        &self,
        rate: f64,
        posts: usize,
        postgres: &Postgres,
    ) -> anyhow::Result<Round> {
        let before = self.begin(postgres);
        let start = Instant::now();
        let mut ticks = pace(rate, posts as u64);
        let mut acks = Vec::with_capacity(posts);
        while let Some((k, intended)) = ticks.recv().await {
            let room = k as usize % self.rooms.len();
            let link = &self.links[room * self.per_room];
            acks.push(
                link.send("message:send", &post(&self.rooms[room], intended))
                    .await?,
            );
        }
        for ack in acks {
            let ack = ack.await?;
            ensure!(ack.starts_with("{\"ok\":true"), "a post was refused: {ack}");
        }
        self.end(before, posts, start, postgres).await
    }

    fn begin(&self, postgres: &Postgres) -> (f64, f64) {
        self.seen.deliveries.store(0, Ordering::Relaxed);
        self.seen.latency.clear();
        (self.system.program.cpu(), postgres.cpu())
    }

    async fn end(
        &self,
        before: (f64, f64),
        posts: usize,
        start: Instant,
        postgres: &Postgres,
    ) -> anyhow::Result<Round> {
        let seconds = start.elapsed().as_secs_f64();
        let wanted = (posts * self.per_room) as u64;
        let patience = Instant::now();
        while self.seen.deliveries.load(Ordering::Relaxed) < wanted {
            let have = self.seen.deliveries.load(Ordering::Relaxed);
            ensure!(
                patience.elapsed() < Duration::from_secs(60),
                "{}: {have} of {wanted} messages arrived",
                self.system.kind.name()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let deliveries = self.seen.deliveries.load(Ordering::Relaxed);
        let faults = self.seen.faults.load(Ordering::Relaxed);
        ensure!(
            deliveries == wanted && faults == 0,
            "{}: {deliveries} messages arrived where {wanted} were sent; {faults} out of their order",
            self.system.kind.name()
        );
        Ok(Round {
            posts: posts as f64,
            deliveries: deliveries as f64,
            seconds,
            cpu: self.system.program.cpu() - before.0,
            postgres_cpu: postgres.cpu() - before.1,
        })
    }
}
