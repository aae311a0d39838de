//! People and agents at work on a hub of several nodes, and the record of what each of them saw: what must hold is checked from that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use baton::client::{Client, ClientOptions, RoomFollower};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use crate::rest::Rest;
use crate::server::ADMIN_KEY;
use crate::{array, text};

/// How long a command may go unanswered before it is sent again.
const PATIENCE: Duration = Duration::from_secs(3);

/// A post that was acknowledged.
#[derive(Clone, Debug)]
pub struct Acked {
    /// In which room.
    pub room: String,
    /// Where in its log, as the ack said.
    pub seq: u64,
    /// The message's id, as the ack said.
    pub id: String,
    /// When.
    pub at: Instant,
}

/// An event that an observer saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its place.
    pub seq: u64,
    /// Its id.
    pub id: String,
    /// The message in it, if it is one.
    pub message: Option<String>,
}

/// What each subscriber saw of a room, in its order, and when: by room and the subscriber's number.
type Histories = HashMap<(String, usize), Vec<(Seen, Instant)>>;

/// What is recorded.
#[derive(Debug, Default)]
pub struct Record {
    acked: Mutex<Vec<Acked>>,
    seen: Mutex<Histories>,
    /// By intervention: the answers that were accepted.
    decided: Mutex<HashMap<String, Vec<String>>>,
    /// How often two answers came to one intervention at once, of which one was accepted and the other refused.
    contested: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The load; it stops when this is dropped.
#[derive(Debug)]
pub struct Load {
    /// Where everybody connects.
    pub url: String,
    /// The rooms that are posted to.
    pub rooms: Vec<String>,
    /// What happened.
    pub record: Arc<Record>,
    pause: Arc<Pause>,
    tasks: Vec<JoinHandle<()>>,
}

/// Whether posts may begin, and how many have.
#[derive(Debug, Default)]
struct Pause {
    quiet: AtomicBool,
    under_way: AtomicUsize,
}

impl Pause {
    /// Begins a post, unless it is quiet.
    fn begin(&self) -> bool {
        // Counted before it is looked: who has hushed everybody, and finds none under way, will find none.
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let quiet = self.quiet.load(Ordering::SeqCst);
        if quiet {
            self.end();
        }
        !quiet
    }

    fn end(&self) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn connect(url: &str) -> Client {
    loop {
        let options = ClientOptions {
            url: url.to_owned(),
            auth: json!({ "token": ADMIN_KEY }),
            reconnect: true,
        };
        match timeout(PATIENCE, Client::connect(options)).await {
            Ok(Ok(client)) => return client,
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// A request that is sent until it has an answer that is not "come back later".
pub async fn persist(url: &str, path: &str, body: &Value) -> Value {
    let key = Uuid::now_v7().to_string();
    let rest = Rest::new(url, ADMIN_KEY);
    loop {
        let request = rest
            .request(reqwest::Method::POST, path)
            .header("Idempotency-Key", &key)
            .timeout(PATIENCE)
            .json(body);
        if let Ok(response) = request.send().await
            && response.status().is_success()
            && let Ok(body) = response.json().await
        {
            return body;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

impl Load {
    /// Begins: `posters` people post to the rooms, each every `pace`; two observers follow each room.
    pub async fn start(url: &str, rooms: usize, posters: usize, pace: Duration) -> Self {
        let mut ids = Vec::new();
        for n in 0..rooms {
            let room = json!({ "name": format!("Load {n}"), "type": "workspace" });
            ids.push(text(
                &persist(url, "/collaboration/rooms", &room).await,
                "/id",
            ));
        }
        let record = Arc::new(Record::default());
        let pause = Arc::new(Pause::default());
        let mut tasks = Vec::new();
        for (n, room) in ids.iter().flat_map(|room| [(0, room), (1, room)]) {
            let key = (room.clone(), n);
            tasks.push(tokio::spawn(observe(
                url.to_owned(),
                key,
                Arc::clone(&record),
            )));
        }
        for n in 0..posters {
            let room = ids[n % ids.len()].clone();
            tasks.push(tokio::spawn(post(
                url.to_owned(),
                room,
                pace,
                Arc::clone(&record),
                Arc::clone(&pause),
            )));
        }
        Self {
            url: url.to_owned(),
            rooms: ids,
            record,
            pause,
            tasks,
        }
    }

    /// Two people answer whatever is asked, differently and at the same instant, each on a node of their own, which are others each time.
    pub fn decide(&mut self, nodes: Vec<String>) {
        let record = Arc::clone(&self.record);
        self.tasks.push(tokio::spawn(decide(nodes, record)));
    }

    /// How often two answers came at once, of which one was accepted and the other refused.
    #[must_use]
    pub fn contested(&self) -> usize {
        self.record.contested.load(Ordering::Relaxed)
    }

    /// Nobody begins another post, until [`Load::speak`]; waits until every one that was begun is acknowledged.
    ///
    /// # Panics
    /// When that takes longer than `most`.
    pub async fn hush(&self, most: Duration) {
        self.pause.quiet.store(true, Ordering::SeqCst);
        let began = Instant::now();
        loop {
            let under_way = self.pause.under_way.load(Ordering::SeqCst);
            if under_way == 0 {
                return;
            }
            assert!(began.elapsed() < most, "{under_way} posts are not answered");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everybody goes on.
    pub fn speak(&self) {
        self.pause.quiet.store(false, Ordering::SeqCst);
    }

    /// How many posts were acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> usize {
        lock(&self.record.acked).len()
    }

    /// The posts that were acknowledged since a moment, in that order.
    #[must_use]
    pub fn acked_since(&self, since: Instant) -> Vec<Acked> {
        let acked = lock(&self.record.acked);
        acked.iter().filter(|a| a.at >= since).cloned().collect()
    }

    /// The longest time in a period in which some room had nothing acknowledged, and in which some observer was shown nothing.
    #[must_use]
    pub fn longest_stall(&self, from: Instant, to: Instant) -> (Duration, Duration) {
        let longest = |moments: &mut Vec<Instant>| {
            moments.retain(|at| *at > from && *at < to);
            moments.extend([from, to]);
            moments.sort_unstable();
            let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
            gaps.max().unwrap_or_default()
        };
        let mut rooms: HashMap<String, Vec<Instant>> = HashMap::new();
        for acked in self.acked_since(from) {
            rooms.entry(acked.room).or_default().push(acked.at);
        }
        let acks = self
            .rooms
            .iter()
            .map(|room| longest(rooms.entry(room.clone()).or_default()));
        let acks = acks.max().unwrap_or_default();
        let seen = lock(&self.record.seen);
        let events = seen.values().map(|seen| {
            let recent = seen.iter().rev().map(|s| s.1).take_while(|at| *at >= from);
            longest(&mut recent.collect())
        });
        (acks, events.max().unwrap_or_default())
    }

    /// How long after `from` as much is acknowledged within a second as `rate` a second.
    #[must_use]
    pub fn back_at(&self, from: Instant, rate: f64) -> Option<Duration> {
        let acked = self.acked_since(from);
        acked.iter().enumerate().find_map(|(n, first)| {
            let end = first.at + Duration::from_secs(1);
            let within = acked[n..].iter().take_while(|a| a.at < end).count();
            (within as f64 >= rate).then(|| first.at - from)
        })
    }

    /// Waits until every observer has everything that was acknowledged; the longest that a room's last word was on its way to one of its
    /// observers, after its ack.
    ///
    /// # Panics
    /// When that takes longer than `most`.
    pub async fn settle(&self, most: Duration) -> Duration {
        let mut last: HashMap<String, (u64, Instant)> = HashMap::new();
        for acked in lock(&self.record.acked).iter() {
            let newest = last.entry(acked.room.clone()).or_insert((0, acked.at));
            if acked.seq > newest.0 {
                *newest = (acked.seq, acked.at);
            }
        }
        let began = Instant::now();
        loop {
            let mut longest = Duration::ZERO;
            let mut missing = Vec::new();
            for ((room, n), seen) in lock(&self.record.seen).iter() {
                let Some((seq, acked)) = last.get(room) else {
                    continue;
                };
                match seen.iter().rfind(|(event, _)| event.seq == *seq) {
                    Some((_, at)) => longest = longest.max(at.saturating_duration_since(*acked)),
                    None => missing.push((room.clone(), *n, seen.len())),
                }
            }
            if missing.is_empty() {
                return longest;
            }
            assert!(
                began.elapsed() < most,
                "observers lack what was acknowledged: {missing:?}, wanted {last:?}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Checks the histories: every observer of a room saw the same, in the same order, without a gap, and in it every acknowledged
    /// message once, where its ack said; nothing was decided twice. How many posts and how many decisions.
    ///
    /// # Panics
    /// When anything does not hold.
    pub fn check(&self) -> (usize, usize) {
        let seen = lock(&self.record.seen);
        let acked = lock(&self.record.acked);
        for room in &self.rooms {
            let of = |n: usize| -> Vec<Seen> {
                let all = seen.get(&(room.clone(), n)).into_iter().flatten();
                all.map(|s| s.0.clone()).collect()
            };
            let (one, other) = (of(0), of(1));
            for (index, event) in one.iter().enumerate() {
                assert_eq!(
                    event.seq,
                    index as u64 + 1,
                    "a gap or a repeat in room {room}"
                );
            }
            let both = one.len().min(other.len());
            assert_eq!(one[..both], other[..both], "two observers of room {room}");
            let mut places: HashMap<&str, Vec<u64>> = HashMap::new();
            for event in &one {
                if let Some(message) = &event.message {
                    places.entry(message).or_default().push(event.seq);
                }
            }
            for ack in acked.iter().filter(|a| a.room == *room) {
                assert_eq!(
                    places.get(ack.id.as_str()),
                    Some(&vec![ack.seq]),
                    "the acknowledged message {} of room {room}",
                    ack.id
                );
            }
        }
        let decided = lock(&self.record.decided);
        for (intervention, answers) in decided.iter() {
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "{intervention} was decided twice: {answers:?}"
            );
        }
        (acked.len(), decided.len())
    }
}

async fn post(url: String, room: String, pace: Duration, record: Arc<Record>, pause: Arc<Pause>) {
    let client = connect(&url).await;
    drop(client.take_incoming());
    let mut tick = tokio::time::interval(pace);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if !pause.begin() {
            continue;
        }
        let payload = json!({ "roomId": room, "body": "under load", "commandId": Uuid::now_v7().to_string() });
        loop {
            match timeout(PATIENCE, client.command("message:send", payload.clone())).await {
                Ok(Ok(reply)) => {
                    let acked = Acked {
                        room: room.clone(),
                        seq: reply.seq.unwrap_or_default(),
                        id: text(&reply.data, "/id"),
                        at: Instant::now(),
                    };
                    lock(&record.acked).push(acked);
                    break;
                }
                // Not answered, or not possible just now: the same again, with the same commandId.
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
        pause.end();
    }
}

async fn observe(url: String, key: (String, usize), record: Arc<Record>) {
    let client = connect(&url).await;
    let mut follower =
        RoomFollower::new(client, key.0.clone(), Some(0)).expect("nobody else reads it");
    loop {
        match follower.next().await {
            Ok(event) => {
                let message = event["type"] == "message.posted";
                let seen = Seen {
                    seq: event["seq"].as_u64().unwrap_or_default(),
                    id: text(&event, "/id"),
                    message: message.then(|| text(&event, "/data/id")),
                };
                lock(&record.seen)
                    .entry(key.clone())
                    .or_default()
                    .push((seen, Instant::now()));
            }
            Err(error) => panic!("room {} can be followed no further: {error}", key.0),
        }
    }
}

async fn decide(nodes: Vec<String>, record: Arc<Record>) {
    let nodes: Vec<Rest> = nodes.iter().map(|url| Rest::new(url, ADMIN_KEY)).collect();
    let ask = async |node: &Rest, method: reqwest::Method, path: &str, body: Option<&Value>| {
        let mut request = node.request(method, path).timeout(PATIENCE);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status();
        Some((status, response.json::<Value>().await.ok()?))
    };
    for turn in 0.. {
        sleep(Duration::from_millis(100)).await;
        let pair = [&nodes[turn % nodes.len()], &nodes[(turn + 1) % nodes.len()]];
        let pending = "/interventions?status=pending";
        let inbox = ask(pair[0], reqwest::Method::GET, pending, None).await;
        let Some((reqwest::StatusCode::OK, inbox)) = inbox else {
            continue;
        };
        for open in array(&inbox, "/items") {
            let id = text(open, "/id");
            let answer = async |who: usize| {
                let response = format!("{id}-{who}");
                let body =
                    json!({ "action": "approve", "responseId": response, "comments": response });
                let path = format!("/interventions/{id}");
                let answered = ask(pair[who], reqwest::Method::PUT, &path, Some(&body)).await;
                let (status, body) = answered?;
                if status.is_success() {
                    let mut decided = lock(&record.decided);
                    decided.entry(id.clone()).or_default().push(response);
                }
                Some((status.is_success(), body["code"] == "already_resolved"))
            };
            let both = tokio::join!(answer(0), answer(1));
            if let (Some((true, _)), Some((_, true))) | (Some((_, true)), Some((true, _))) = both {
                record.contested.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
