//! A lane executes the commands of the rooms that hash to it: whatever is waiting, as one transaction.
//!
//! So the cost of a commit is shared by everything in the batch. Under light load a batch is one command and nothing waits. State is
//! applied to copies and installed in the cache after the commit; a batch that fails is run again one by one, so that a bad
//! neighbour costs nobody else. What needs a lock that another node does not let go waits for it beside its lane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::event::{Event, Origin};
use rooms::id::{EventId, RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::{Code, Command, Facts, Needs, Refusal, State, Timestamp, needs};
use serde_json::Value;
use storage::{Ahead, Idempotency, RoomRow, Tx, WriteSet};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::batch::{Ground, Loaded, decide_all, rand_seed};
use crate::caller::Asked;
use crate::hub::{Committed, Hub, Logged, Outcome};
use crate::problem::storage_refusal;

/// At most so many commands share a transaction.
const BATCH: usize = 128;

/// While the database hangs, what has waited longer is refused instead of being tried: its caller hears that nothing was done.
const WAITED: Duration = Duration::from_secs(5);
/// How long it is asked what became of a transaction whose outcome is unknown.
const UNKNOWN: Duration = Duration::from_secs(10);

/// A command on its way through a lane.
pub struct Job {
    /// Since when it waits.
    pub since: Instant,
    /// Who asks.
    pub principal: Principal,
    /// What was asked, for the audit; none: it is not audited.
    pub asked: Option<Asked>,
    /// The room that decides.
    pub room: RoomId,
    /// What is asked.
    pub command: Command,
    /// Makes it take effect once.
    pub key: Option<Idempotency>,
    /// Goes into the events.
    pub correlation: Option<String>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

/// What waits for locks that somebody else holds, beside the lane: so that a node which stands still in the middle of a transaction holds up what
/// needs that transaction's rooms, and nothing else.
#[derive(Default)]
struct Aside {
    /// Ends with the commands that were set aside; says whether the database hangs.
    waits: Option<JoinHandle<bool>>,
    /// The rooms of those, and of what is behind them.
    rooms: BTreeSet<RoomId>,
    /// What came for these rooms since, in order, and what is to be set aside next.
    behind: Vec<Job>,
}

impl Aside {
    /// Until those that were set aside are done, if there are any: what came behind them, and whether the database hangs.
    async fn over(&mut self) -> (Vec<Job>, bool) {
        let Some(waits) = &mut self.waits else {
            return std::future::pending().await;
        };
        let hangs = waits.await.unwrap_or_default();
        self.waits = None;
        self.rooms.clear();
        (std::mem::take(&mut self.behind), hangs)
    }

    /// Sets commands aside. One batch at a time waits: more would take the lanes' connections.
    fn set(&mut self, hub: &Arc<Hub>, batch: Vec<Job>) {
        self.rooms.extend(batch.iter().map(|job| job.room));
        if self.waits.is_some() {
            self.behind.extend(batch);
            return;
        }
        let hub = Arc::clone(hub);
        self.waits = Some(tokio::spawn(async move {
            run_batch(&hub, batch, Locks::Waited).await.hangs
        }));
    }

    /// Keeps what must stay behind what was set aside.
    fn keep(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        let (behind, free) = jobs
            .into_iter()
            .partition(|job| self.rooms.contains(&job.room));
        self.behind.extend::<Vec<Job>>(behind);
        free
    }
}

/// Runs until the hub is gone.
pub async fn run(hub: Arc<Hub>, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    let mut hangs = false;
    let mut aside = Aside::default();
    loop {
        tokio::select! {
            biased;
            (behind, hung) = aside.over() => {
                jobs.extend(behind);
                hangs |= hung;
            }
            received = queue.recv_many(&mut jobs, BATCH) => if received == 0 {
                return;
            },
        }
        // Whoever is about to send, now that its last command is answered, does so first: no time passes, and batches grow under load.
        tokio::task::yield_now().await;
        if jobs.len() < BATCH {
            let more = queue.len().min(BATCH - jobs.len());
            if more > 0 {
                queue.recv_many(&mut jobs, more).await;
            }
        }
        while !jobs.is_empty() {
            let next = jobs.drain(..jobs.len().min(BATCH)).collect();
            // What hands out work locks agents' rows, which come last in the order of locks; a workspace's room, which only some of the others
            // turn out to need, comes before them. Apart, neither makes the other start over. What follows in the same room stays behind it.
            let mut behind = BTreeSet::new();
            let (handing_out, rest): (Vec<_>, Vec<_>) =
                aside.keep(next).into_iter().partition(|job| {
                    if job.command.hands_out_work() {
                        behind.insert(job.room);
                    }
                    behind.contains(&job.room)
                });
            for batch in [rest, handing_out] {
                // The first of the two may have set rooms of the second aside.
                let batch = aside.keep(batch);
                let batch = if hangs { in_time(batch) } else { batch };
                if !batch.is_empty() {
                    let ran = run_batch(&hub, batch, Locks::Tried).await;
                    hangs = ran.hangs;
                    if !ran.locked.is_empty() {
                        aside.set(&hub, ran.locked);
                    }
                }
            }
        }
    }
}

/// Those that have not waited for too long.
fn in_time(batch: Vec<Job>) -> Vec<Job> {
    let (late, in_time): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .partition(|job| job.since.elapsed() > WAITED);
    for job in late {
        let detail = "the database did not answer in time, and nothing was done; try again";
        let _ = job.reply.send(Err(Refusal::new(Code::Unavailable, detail)));
    }
    in_time
}

/// How long locks that somebody else holds are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locks {
    /// A moment.
    Tried,
    /// As long as anybody can hold one.
    Waited,
}

/// What became of a batch.
#[derive(Default)]
struct Ran {
    /// Whether the database hangs.
    hangs: bool,
    /// What was not done, since somebody else holds a lock that it needs.
    locked: Vec<Job>,
}

async fn run_batch(hub: &Arc<Hub>, batch: Vec<Job>, locks: Locks) -> Ran {
    let mut ran = Ran::default();
    let began = Instant::now();
    metrics::histogram!("baton_batch_size").record(batch.len() as f64);
    match execute(hub, &batch, locks).await {
        Ok(done) => finish(hub, batch, done),
        Err(e) if e.is_locked() && locks == Locks::Tried => {
            let (free, held) = by_lock(hub, batch).await;
            ran.locked = held;
            if !free.is_empty() {
                match execute(hub, &free, locks).await {
                    Ok(done) => finish(hub, free, done),
                    // Of a team, an agent or the workspace, which several of them may need.
                    Err(e) if e.is_locked() => ran.locked.extend(free),
                    Err(e) => ran.hangs = failed(hub, free, e).await,
                }
            }
        }
        Err(e) => ran.hangs = failed(hub, batch, e).await,
    }
    metrics::histogram!("baton_commit_seconds").record(began.elapsed().as_secs_f64());
    ran
}

/// The commands whose rooms nobody holds, and those whose rooms somebody does.
async fn by_lock(hub: &Arc<Hub>, batch: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let rooms: BTreeSet<RoomId> = batch.iter().map(|job| job.room).collect();
    if rooms.len() == 1 {
        return (Vec::new(), batch);
    }
    match hub.store().unlocked(&rooms).await {
        // None of them is held: it is something that they share.
        Ok(free) if free.len() < rooms.len() => {
            batch.into_iter().partition(|job| free.contains(&job.room))
        }
        _ => (Vec::new(), batch),
    }
}

/// Refuses a batch that failed, or runs it again command by command. Whether the database hangs.
async fn failed(hub: &Arc<Hub>, batch: Vec<Job>, e: storage::Error) -> bool {
    let hangs = e.is_unknown() || e.is_overdue();
    // Run again, what may have been committed would take effect twice; and of what gets no answer each one would have to wait for its own.
    if batch.len() == 1 || hangs {
        refuse(batch, &e);
        return hangs;
    }
    for job in batch {
        let single = [job];
        match execute(hub, &single, Locks::Waited).await {
            Ok(done) => finish(hub, single.into(), done),
            Err(e) => refuse(single.into(), &e),
        }
    }
    false
}

fn refuse(batch: Vec<Job>, e: &storage::Error) {
    let refusal = storage_refusal(e);
    for job in batch {
        let _ = job.reply.send(Err(refusal.clone()));
    }
}

struct Done {
    replies: Vec<Result<Outcome, Refusal>>,
    committed: Vec<Committed>,
}

fn finish(hub: &Arc<Hub>, batch: Vec<Job>, done: Done) {
    // Announced before it is answered: whoever has its answer finds what it asked for with every subscriber's turn come.
    for committed in done.committed {
        hub.announce(committed);
    }
    for (job, reply) in batch.into_iter().zip(done.replies) {
        let _ = job.reply.send(reply);
    }
}

async fn execute(hub: &Arc<Hub>, batch: &[Job], locks: Locks) -> Result<Done, storage::Error> {
    if locks == Locks::Tried
        && let Some(done) = at_once(hub, batch).await?
    {
        return Ok(done);
    }
    let mut wide = false;
    let mut known: BTreeMap<WorkspaceId, Needs> = BTreeMap::new();
    loop {
        match attempt(hub, batch, locks, wide, &mut known).await? {
            Some(done) => return Ok(done),
            None => wide = true,
        }
    }
}

fn spaces_of(batch: &[Job]) -> BTreeSet<WorkspaceId> {
    let spaces = batch.iter().map(|j| j.principal.workspace_id.clone());
    spaces.collect()
}

/// Commands whose rooms are at hand, decided without a lock and written by one statement, which holds only if nobody was quicker. `None`:
/// the locks are needed.
async fn at_once(hub: &Arc<Hub>, batch: &[Job]) -> Result<Option<Done>, storage::Error> {
    if hub.store().kind() != "postgres" {
        return Ok(None);
    }
    let Some(now) = hub.clock.now() else {
        return Ok(None);
    };
    let mut ground = Ground {
        now,
        ..Ground::default()
    };
    for job in batch {
        let state = match ground.loaded.get(&job.room) {
            Some(loaded) => &loaded.before,
            None => match hub.cached(job.room).filter(|s| s.room.is_some()) {
                Some(state) => {
                    &ground
                        .loaded
                        .entry(job.room)
                        .or_insert(Loaded::new(state))
                        .before
                }
                None => return Ok(None),
            },
        };
        if !job.command.stays_in_its_room(state) {
            return Ok(None);
        }
    }
    let spaces = spaces_of(batch);
    let nothing = spaces.iter().map(|s| (s.clone(), Needs::default()));
    ground.wanted = nothing.collect();
    let (version, hooks) = hub.known_hooks();
    if hooks.iter().any(|h| spaces.contains(&h.workspace)) {
        return Ok(None);
    }
    let Some(decided) = decide_all(batch, &mut ground, &mut BTreeMap::new()) else {
        return Ok(None);
    };
    // What is refused, and what changes nothing, is not held to the log by what it writes: it is decided under lock.
    let moved = |room: &Loaded| room.after.seq > room.before.seq;
    if !decided.echoes.is_empty()
        || decided.replies.iter().any(Result::is_err)
        || !ground.loaded.values().all(moved)
    {
        return Ok(None);
    }
    let mut set = decided.set;
    let changed = changes(&ground.loaded, &mut set);
    let Some(mut write) = storage::batch::at_once(hub.store(), &set, version)? else {
        return Ok(None);
    };
    let texts = std::mem::take(&mut write.texts);
    match hub.store().run_at_once(write).await {
        Ok(Some(now)) => hub.clock.note(now),
        Ok(None) => return Ok(None),
        Err(e) if e.is_locked() => return Err(e),
        Err(e) => find_out(hub, e, &set, &changed).await?,
    }
    metrics::counter!("baton_transactions_total").increment(1);
    metrics::counter!("baton_commands_total").increment(batch.len() as u64);
    Ok(Some(done(
        hub,
        set.events,
        texts,
        &ground.loaded,
        decided.replies,
    )))
}

/// The rooms that have moved; with their states, they become a part of what is written.
fn changes(loaded: &BTreeMap<RoomId, Loaded>, set: &mut WriteSet) -> Vec<RoomId> {
    let moved = loaded.iter().filter(|(_, l)| l.after.seq != l.before.seq);
    let (changed, rooms) = moved
        .map(|(id, l)| (*id, (l.before.clone(), l.after.clone())))
        .unzip();
    set.rooms = rooms;
    changed
}

/// What was committed, to be announced and answered; the states are kept.
fn done(
    hub: &Arc<Hub>,
    events: Vec<Event>,
    texts: Vec<String>,
    loaded: &BTreeMap<RoomId, Loaded>,
    replies: Vec<Result<Outcome, Refusal>>,
) -> Done {
    let mut by_room: BTreeMap<RoomId, Vec<Logged>> = BTreeMap::new();
    for (event, text) in events.into_iter().zip(texts) {
        let logged = Logged { event, text };
        by_room
            .entry(logged.event.room_id)
            .or_default()
            .push(logged);
    }
    for (id, room) in loaded {
        if room.after.seq != room.before.seq {
            hub.install(*id, room.after.clone());
        }
    }
    let committed = by_room
        .into_iter()
        .map(|(room, events)| Committed {
            room,
            events,
            state: loaded.get(&room).map(|l| l.after.clone()),
        })
        .collect();
    Done { replies, committed }
}

/// What the batch is going to need, as far as can be told from what is at hand. The order of locks: the batch's rooms, the workspaces', the teams'
/// in which work is handed out, agents; each by their ids.
fn ahead(
    hub: &Hub,
    batch: &[Job],
    ids: &BTreeSet<RoomId>,
    wide: bool,
    known: &BTreeMap<WorkspaceId, Needs>,
) -> Ahead {
    let mut spaces = BTreeSet::new();
    let mut wanted = known.clone();
    for job in batch {
        let space = &job.principal.workspace_id;
        if wide || job.command.tells_the_workspace() {
            spaces.extend(hub.known_workspace_room(space));
        }
        let makes = job.command.makes_its_room();
        if let Some(state) = hub.cached(job.room).or(makes.then(State::default)) {
            let more = needs(&state, &job.command);
            wanted.entry(space.clone()).or_default().merge(more);
        }
    }
    let registry = wanted.into_iter().find(|(_, n)| n.asks_the_registry());
    let teams = registry.iter().filter(|(_, n)| n.slots);
    let teams: BTreeSet<_> = teams
        .flat_map(|(_, n)| &n.teams)
        .map(|t| RoomId(t.0))
        .collect();
    let mut rooms = Vec::from_iter(ids.iter().copied());
    for more in [spaces, teams] {
        let more = more.into_iter().filter(|room| !rooms.contains(room));
        rooms.extend(Vec::from_iter(more));
    }
    Ahead { rooms, registry }
}

/// One try. `None`: something was discovered late, and the batch must start over with the larger set.
async fn attempt(
    hub: &Arc<Hub>,
    batch: &[Job],
    locks: Locks,
    wide: bool,
    known: &mut BTreeMap<WorkspaceId, Needs>,
) -> Result<Option<Done>, storage::Error> {
    let mut tx = match locks {
        Locks::Tried => hub.store().brief_lane_tx().await?,
        Locks::Waited => hub.store().lane_tx().await?,
    };
    let keys: BTreeSet<Idempotency> = batch.iter().filter_map(|j| j.key.clone()).collect();
    let used = if keys.is_empty() {
        BTreeMap::new()
    } else {
        let now = match hub.clock.now() {
            Some(now) => now,
            None => tx.now().await?,
        };
        tx.take_keys(&keys, now).await?
    };

    let ids: BTreeSet<RoomId> = batch.iter().map(|j| j.room).collect();
    let spaces = spaces_of(batch);
    let opened = tx.open(ahead(hub, batch, &ids, wide, known)).await?;
    hub.clock.note(opened.now);
    let mut last = newest(&opened.rooms);
    let loaded = load(hub, &mut tx, &ids, &opened.rooms).await?;

    let space_rooms = hub.workspace_rooms(&mut tx, &spaces).await?;
    let at_hand = opened.rooms.iter().filter(|row| !ids.contains(&row.id));
    let mut space_heads: BTreeMap<RoomId, u64> = at_hand.map(|row| (row.id, row.head)).collect();
    if wide {
        last = last.max(lock_spaces(&mut tx, &space_rooms, &loaded, &mut space_heads).await?);
    }
    // It was read before the locks were had, and whoever had them before may have read it later.
    let now = opened.now.no_earlier_than(last);

    let mut wanted: BTreeMap<WorkspaceId, Needs> = BTreeMap::new();
    for job in batch {
        if let Some(room) = loaded.get(&job.room) {
            let more = needs(&room.after, &job.command);
            wanted
                .entry(job.principal.workspace_id.clone())
                .or_default()
                .merge(more);
        }
    }
    for (space, more) in std::mem::take(known) {
        wanted.entry(space).or_default().merge(more);
    }
    let mut facts: BTreeMap<WorkspaceId, Facts> = BTreeMap::new();
    for (space, needs) in &wanted {
        let read = if needs.is_empty() {
            Facts::default()
        } else {
            tx.facts(space, needs).await?
        };
        facts.insert(space.clone(), read);
    }
    let locked_rows = wanted.values().any(|n| n.slots);
    let mut due = BTreeMap::new();
    let mut marks = BTreeMap::new();
    for job in batch {
        if let Command::MarkRead(_) = &job.command {
            let (kind, id) = (job.principal.kind, &job.principal.id);
            let mark = tx.read_mark(job.room, kind, id).await?;
            marks.insert((job.room, kind, id.clone()), mark);
        }
        if let Command::Timer { timer, .. } = &job.command {
            let key = timer.key();
            let found = tx.timer_due(job.room, &key).await?;
            due.insert((job.room, key), found);
        }
    }
    let hooks = hub.hooks(&mut tx, opened.webhooks).await?;
    let mut ground = Ground {
        now,
        loaded,
        wanted,
        facts,
        used,
        due,
        marks,
    };
    let Some(mut decided) = decide_all(batch, &mut ground, known) else {
        return Ok(None);
    };
    let mut loaded = ground.loaded;
    let mut set = std::mem::take(&mut decided.set);
    set.hooks = hooks
        .iter()
        .filter(|h| spaces.contains(&h.workspace))
        .cloned()
        .collect();
    let echoes = std::mem::take(&mut decided.echoes);
    let told = echoes
        .iter()
        .filter_map(|e| space_rooms.get(&e.workspace_id));
    if told
        .into_iter()
        .any(|room| !loaded.contains_key(room) && !space_heads.contains_key(room))
    {
        if locked_rows {
            return Ok(None);
        }
        lock_spaces(&mut tx, &space_rooms, &loaded, &mut space_heads).await?;
    }
    for first in echoes {
        let Some(room) = space_rooms.get(&first.workspace_id) else {
            continue;
        };
        let seq = match loaded.get_mut(room) {
            Some(own) => {
                own.after.seq += 1;
                own.after.seq
            }
            None => {
                let head = space_heads.entry(*room).or_default();
                *head += 1;
                *head
            }
        };
        let mut echo = first;
        echo.origin = Some(Origin {
            room_id: echo.room_id,
            seq: echo.seq,
        });
        echo.id = EventId(rooms::ctx::uuid_v7(now, rand_seed(), rand_seed()));
        echo.room_id = *room;
        echo.seq = seq;
        set.events.push(echo);
    }
    let changed = changes(&loaded, &mut set);
    tx.release_keys(&decided.refused_keys).await?;
    let texts = tx.write(&set).await?;
    commit(hub, tx, &set, &changed).await?;
    if !set.hooks.is_empty() {
        hub.outbox.notify_one();
    }
    metrics::counter!("baton_transactions_total").increment(1);
    metrics::counter!("baton_commands_total").increment(batch.len() as u64);
    Ok(Some(done(hub, set.events, texts, &loaded, decided.replies)))
}

/// Commits. Where the outcome is unknown, the log itself says whether it happened.
async fn commit(
    hub: &Arc<Hub>,
    tx: Tx,
    set: &WriteSet,
    changed: &[RoomId],
) -> Result<(), storage::Error> {
    match tx.commit().await {
        Ok(()) => Ok(()),
        Err(e) => find_out(hub, e, set, changed).await,
    }
}

/// Whether what ended with this error was committed after all.
async fn find_out(
    hub: &Arc<Hub>,
    e: storage::Error,
    set: &WriteSet,
    changed: &[RoomId],
) -> Result<(), storage::Error> {
    for room in changed {
        hub.forget(*room);
    }
    let Some(first) = set.events.first() else {
        return Err(e);
    };
    let asked = async {
        loop {
            let found = hub
                .store()
                .was_committed(first.room_id, first.seq, first.id);
            match found.await {
                Ok(found) => return found,
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    };
    match tokio::time::timeout(UNKNOWN, asked).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(e),
        Err(_) => Err(storage::Error::Unknown(e.to_string())),
    }
}

async fn lock_spaces(
    tx: &mut Tx,
    rooms: &BTreeMap<WorkspaceId, RoomId>,
    loaded: &BTreeMap<RoomId, Loaded>,
    heads: &mut BTreeMap<RoomId, u64>,
) -> Result<Timestamp, storage::Error> {
    let missing = |id: &RoomId| !loaded.contains_key(id) && !heads.contains_key(id);
    let ids: BTreeSet<RoomId> = rooms.values().copied().filter(missing).collect();
    let rows = tx.lock_rooms(&Vec::from_iter(ids)).await?;
    heads.extend(rows.iter().map(|row| (row.id, row.head)));
    Ok(newest(&rows))
}

/// When something last happened in any of these rooms.
fn newest(rows: &[RoomRow]) -> Timestamp {
    let times = rows.iter().map(|row| row.last_activity);
    times.max().unwrap_or_default()
}

/// Brings each cached state up to its locked head.
async fn load(
    hub: &Arc<Hub>,
    tx: &mut Tx,
    ids: &BTreeSet<RoomId>,
    rows: &[RoomRow],
) -> Result<BTreeMap<RoomId, Loaded>, storage::Error> {
    let mut loaded = BTreeMap::new();
    for id in ids {
        let state = match rows.iter().find(|r| r.id == *id) {
            None => State::default(),
            Some(row) => {
                let cached = hub.cached(*id).filter(|s| s.seq <= row.head);
                let mut state = match cached {
                    Some(state) => state,
                    None => tx.snapshot(*id).await?.unwrap_or_default(),
                };
                while state.seq < row.head {
                    let events = tx.events_after(*id, state.seq).await?;
                    if events.is_empty() {
                        return Err(storage::Error::Corrupt(format!(
                            "room {id} ends at {} before its head {}",
                            state.seq, row.head
                        )));
                    }
                    for event in &events {
                        state.apply(event);
                    }
                }
                state
            }
        };
        loaded.insert(*id, Loaded::new(state));
    }
    Ok(loaded)
}

/// The first answer again, for the same request.
pub fn repeat(key: &Idempotency, hash: &str, response: &str) -> Result<Outcome, Refusal> {
    if hash != key.hash {
        return Err(Refusal::new(
            Code::IdempotencyConflict,
            "this key was used for another request; take a new one",
        ));
    }
    let kept: Value = serde_json::from_str(response).map_err(|_| {
        Refusal::new(
            Code::Unavailable,
            "the first request with this key is still under way; try again",
        )
    })?;
    Ok(Outcome {
        data: kept["data"].clone(),
        seq: kept["seq"].as_u64(),
        repeated: true,
    })
}
