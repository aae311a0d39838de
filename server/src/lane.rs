//! A lane executes the commands of the rooms that hash to it: whatever is waiting, as one transaction.
//!
//! So the cost of a commit is shared by everything in the batch. Under light load a batch is one command and nothing waits. State is
//! applied to copies and installed in the cache after the commit; a batch that fails is run again one by one, so that a bad
//! neighbour costs nobody else.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use rooms::event::{Event, Origin};
use rooms::id::{EventId, RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::{Code, Command, Ctx, Facts, Needs, Refusal, State, Timestamp, decide, needs};
use serde_json::Value;
use storage::audit::AuditRow;
use storage::{Idempotency, RoomRow, Tx, WriteSet};
use tokio::sync::{mpsc, oneshot};

use crate::caller::Asked;
use crate::hub::{Committed, Hub, Logged, Outcome};
use crate::problem::storage_refusal;

/// At most so many commands share a transaction.
const BATCH: usize = 128;

/// A command on its way through a lane.
pub struct Job {
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

/// Runs until the hub is gone.
pub async fn run(hub: Arc<Hub>, mut queue: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut jobs, BATCH).await > 0 {
        // Whoever is about to send, now that its last command is answered, does so first: no time passes, and batches grow under load.
        tokio::task::yield_now().await;
        if jobs.len() < BATCH {
            let more = queue.len().min(BATCH - jobs.len());
            if more > 0 {
                queue.recv_many(&mut jobs, more).await;
            }
        }
        // What hands out work locks agents' rows, which come last in the order of locks; a workspace's room, which only some of the others
        // turn out to need, comes before them. Apart, neither makes the other start over. A connection waits for each answer before it
        // asks again, so nobody's order changes.
        let (handing_out, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut jobs)
            .into_iter()
            .partition(|job| job.command.hands_out_work());
        for batch in [rest, handing_out] {
            if !batch.is_empty() {
                run_batch(&hub, batch).await;
            }
        }
    }
}

async fn run_batch(hub: &Arc<Hub>, batch: Vec<Job>) {
    let began = Instant::now();
    metrics::histogram!("baton_batch_size").record(batch.len() as f64);
    match execute(hub, &batch).await {
        Ok(done) => finish(hub, batch, done),
        // Run again, what may have been committed would take effect twice.
        Err(e) if batch.len() == 1 || e.is_unknown() => refuse(batch, &e),
        Err(_) => {
            for job in batch {
                let single = [job];
                match execute(hub, &single).await {
                    Ok(done) => finish(hub, single.into(), done),
                    Err(e) => refuse(single.into(), &e),
                }
            }
        }
    }
    metrics::histogram!("baton_commit_seconds").record(began.elapsed().as_secs_f64());
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

/// The rooms of a batch, each with the state before and after it.
struct Loaded {
    before: State,
    after: State,
}

async fn execute(hub: &Arc<Hub>, batch: &[Job]) -> Result<Done, storage::Error> {
    let mut wide = false;
    let mut known: BTreeMap<WorkspaceId, Needs> = BTreeMap::new();
    loop {
        match attempt(hub, batch, wide, &mut known).await? {
            Some(done) => return Ok(done),
            None => wide = true,
        }
    }
}

/// One try. `None`: something was discovered late, and the batch must start over with the larger set.
async fn attempt(
    hub: &Arc<Hub>,
    batch: &[Job],
    wide: bool,
    known: &mut BTreeMap<WorkspaceId, Needs>,
) -> Result<Option<Done>, storage::Error> {
    let mut tx = hub.store().lane_tx().await?;
    let (now, webhooks) = tx.now_and_webhooks().await?;
    let keys: BTreeSet<Idempotency> = batch.iter().filter_map(|j| j.key.clone()).collect();
    let used = tx.take_keys(&keys, now).await?;

    let ids: BTreeSet<RoomId> = batch.iter().map(|j| j.room).collect();
    let (mut loaded, mut last) = load(hub, &mut tx, &ids).await?;

    let spaces: BTreeSet<WorkspaceId> = batch
        .iter()
        .map(|j| j.principal.workspace_id.clone())
        .collect();
    let space_rooms = hub.workspace_rooms(&mut tx, &spaces).await?;
    let mut space_heads: BTreeMap<RoomId, u64> = BTreeMap::new();
    if wide {
        last = last.max(lock_spaces(&mut tx, &space_rooms, &loaded, &mut space_heads).await?);
    }
    // It was read before the locks were had, and whoever had them before may have read it later.
    let now = now.no_earlier_than(last);

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

    let hooks = hub.hooks(&mut tx, webhooks).await?;
    let mut set = WriteSet {
        hooks: hooks
            .iter()
            .filter(|h| spaces.contains(&h.workspace))
            .cloned()
            .collect(),
        ..WriteSet::default()
    };
    let mut replies = Vec::with_capacity(batch.len());
    let mut refused_keys = Vec::new();
    let mut answered: BTreeMap<String, (String, String)> = used;
    let mut echoes: Vec<Event> = Vec::new();
    let mut audited = Vec::new();
    for job in batch {
        let key_name = job
            .key
            .as_ref()
            .map(|k| format!("{}\n{}\n{}", k.workspace, k.principal, k.key));
        if let (Some(key), Some(name)) = (&job.key, &key_name)
            && let Some((hash, response)) = answered.get(name)
        {
            replies.push(repeat(key, hash, response));
            continue;
        }
        let Some(room) = loaded.get_mut(&job.room) else {
            replies.push(Err(Refusal::new(Code::NotFound, "there is no such room")));
            continue;
        };
        let space = &job.principal.workspace_id;
        let makes = job.command.makes_its_room();
        let foreign = room
            .after
            .room
            .as_ref()
            .is_some_and(|r| r.workspace_id != *space);
        if foreign || (room.after.room.is_none() && !makes) {
            replies.push(Err(Refusal::not_found("room", job.room)));
            refused_keys.extend(job.key.clone());
            continue;
        }
        let more = needs(&room.after, &job.command);
        if !wanted.get(space).is_some_and(|w| w.covers(&more)) {
            known.entry(space.clone()).or_default().merge(more);
            return Ok(None);
        }
        if let Command::Timer { timer, due } = &job.command {
            let key = timer.key();
            let current = tx.timer_due(job.room, &key).await?;
            // A clock that went back would else let a timer fire before its time: refused by `decide`, and lost.
            if current.is_none_or(|current| current > *due) || *due > now {
                replies.push(Err(Refusal::illegal(
                    "the timer was moved or cleared, or is not due",
                )));
                continue;
            }
            set.fired.push((job.room, key, *due));
        }
        let facts = facts.entry(space.clone()).or_default();
        let decision = {
            let ctx = Ctx::new(now, &job.principal, facts, rand_seed());
            decide(&room.after, &job.command, &ctx)
        };
        let team = decision.state.process.as_ref().map(|p| p.process.team_id);
        let mut seq = room.after.seq;
        let mut cause: Option<EventId> = None;
        for draft in decision.events {
            seq += 1;
            facts.absorb(Some(job.room), team, &draft.body);
            let event = Event {
                id: EventId(rooms::ctx::uuid_v7(now, rand_seed(), rand_seed())),
                room_id: job.room,
                seq,
                body: draft.body,
                at: now,
                workspace_id: space.clone(),
                channel: draft.channel,
                actor: job.principal.actor(),
                process_id: decision.state.process.as_ref().map(|p| p.process.id),
                step_id: draft.step_id,
                causation_id: cause,
                correlation_id: job.correlation.clone(),
                origin: None,
            };
            cause.get_or_insert(event.id);
            if event.body.is_echoed() {
                echoes.push(event.clone());
            }
            set.events.push(event);
        }
        let grew = seq > room.after.seq;
        if let (true, Some(asked)) = (grew, &job.asked) {
            let row = match &decision.reply {
                Ok(_) => asked.done(&job.principal),
                Err(refusal) => asked.refused(&job.principal, refusal),
            };
            audited.push(AuditRow {
                room: Some(job.room),
                correlation: job.correlation.clone().unwrap_or_default(),
                ..row
            });
        }
        room.after = decision.state;
        room.after.seq = seq;
        set.timers.extend(
            decision
                .timers
                .into_iter()
                .map(|op| (job.room, space.clone(), op)),
        );
        if let (Command::MarkRead(read), Ok(_)) = (&job.command, &decision.reply) {
            set.reads.push((
                job.room,
                job.principal.kind,
                job.principal.id.clone(),
                read.seq.min(seq),
            ));
        }
        match decision.reply {
            Ok(data) => {
                let outcome = Outcome {
                    data,
                    seq: grew.then_some(seq),
                    repeated: false,
                };
                if let (Some(key), Some(name)) = (&job.key, key_name) {
                    let kept =
                        serde_json::json!({"data": outcome.data, "seq": outcome.seq}).to_string();
                    answered.insert(name, (key.hash.clone(), kept.clone()));
                    set.answers.push((key.clone(), kept));
                }
                replies.push(Ok(outcome));
            }
            Err(refusal) => {
                refused_keys.extend(job.key.clone());
                replies.push(Err(refusal));
            }
        }
    }
    if !echoes.is_empty() && !wide {
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
    let changed: Vec<RoomId> = loaded
        .iter()
        .filter(|(_, l)| l.after.seq != l.before.seq)
        .map(|(id, _)| *id)
        .collect();
    set.rooms = changed
        .iter()
        .filter_map(|id| loaded.get(id))
        .map(|l| (l.before.clone(), l.after.clone()))
        .collect();
    set.audit = Some((now, audited));
    tx.release_keys(&refused_keys).await?;
    let texts = tx.write(&set).await?;
    commit(hub, tx, &set, &changed).await?;
    if !set.hooks.is_empty() {
        hub.outbox.notify_one();
    }
    metrics::counter!("baton_transactions_total").increment(1);
    metrics::counter!("baton_commands_total").increment(batch.len() as u64);

    let mut by_room: BTreeMap<RoomId, Vec<Logged>> = BTreeMap::new();
    for (event, text) in set.events.into_iter().zip(texts) {
        let logged = Logged { event, text };
        by_room
            .entry(logged.event.room_id)
            .or_default()
            .push(logged);
    }
    for id in &changed {
        if let Some(room) = loaded.get(id) {
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
    Ok(Some(Done { replies, committed }))
}

/// Commits. Where the outcome is unknown, the log itself says whether it happened.
async fn commit(
    hub: &Arc<Hub>,
    tx: Tx,
    set: &WriteSet,
    changed: &[RoomId],
) -> Result<(), storage::Error> {
    let Err(e) = tx.commit().await else {
        return Ok(());
    };
    for room in changed {
        hub.forget(*room);
    }
    let Some(first) = set.events.first() else {
        return Err(e);
    };
    for _ in 0..20 {
        match hub
            .store()
            .was_committed(first.room_id, first.seq, first.id)
            .await
        {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(e),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(250)).await,
        }
    }
    Err(storage::Error::Unknown(e.to_string()))
}

async fn lock_spaces(
    tx: &mut Tx,
    rooms: &BTreeMap<WorkspaceId, RoomId>,
    loaded: &BTreeMap<RoomId, Loaded>,
    heads: &mut BTreeMap<RoomId, u64>,
) -> Result<Timestamp, storage::Error> {
    let ids = rooms
        .values()
        .copied()
        .filter(|id| !loaded.contains_key(id))
        .collect();
    let rows = tx.lock_rooms(&ids).await?;
    heads.extend(rows.iter().map(|row| (row.id, row.head)));
    Ok(newest(&rows))
}

/// When something last happened in any of these rooms.
fn newest(rows: &[RoomRow]) -> Timestamp {
    let times = rows.iter().map(|row| row.last_activity);
    times.max().unwrap_or_default()
}

/// Locks the rooms and brings each cached state up to its locked head; and when something last happened in any of them.
async fn load(
    hub: &Arc<Hub>,
    tx: &mut Tx,
    ids: &BTreeSet<RoomId>,
) -> Result<(BTreeMap<RoomId, Loaded>, Timestamp), storage::Error> {
    let rows = tx.lock_rooms(ids).await?;
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
        loaded.insert(
            *id,
            Loaded {
                before: state.clone(),
                after: state,
            },
        );
    }
    Ok((loaded, newest(&rows)))
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

fn rand_seed() -> u64 {
    thread_local! {
        /// A page of the operating system's randomness, so that an id does not cost a system call.
        static POOL: RefCell<(usize, [u8; 4096])> = const { RefCell::new((4096, [0; 4096])) };
    }
    POOL.with_borrow_mut(|(used, pool)| {
        if *used + 8 > pool.len() {
            // The operating system's generator does not fail on any platform that Baton runs on; if it did, ids of one moment could
            // repeat, and the unique index of the log would refuse them.
            let _ = getrandom::fill(pool);
            *used = 0;
        }
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&pool[*used..*used + 8]);
        *used += 8;
        u64::from_le_bytes(bytes)
    })
}
