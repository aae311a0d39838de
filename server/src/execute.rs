//! A batch is executed: its rooms locked and brought up to their heads, decided, written, committed. Where the rooms' states are enough, by one
//! statement without a lock.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rooms::Command;
use rooms::event::{Event, Origin};
use rooms::id::{EventId, RoomId, WorkspaceId};
use rooms::{Facts, Needs, Refusal, State, Timestamp, needs};
use storage::{Ahead, Idempotency, RoomRow, Tx, WriteSet};

use crate::batch::{Decided, Ground, Loaded, decide_all, rand_seed};
use crate::handout::{self, Takers};
use crate::hub::{Committed, Hub, Left, Logged, Outcome};
use crate::lane::Job;

/// How long it is asked what became of a transaction whose outcome is unknown.
const UNKNOWN: Duration = Duration::from_secs(10);

/// How long locks that somebody else holds are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// A moment.
    Tried,
    /// As long as anybody can hold one.
    Waited,
}

/// What a batch came to.
pub struct Done {
    /// An answer for each command.
    pub replies: Vec<Result<Outcome, Refusal>>,
    /// What happened, by room.
    pub committed: Vec<Committed>,
}

/// Executes a batch.
///
/// # Errors
/// The database's: nothing of it was done, unless the error says that this is unknown.
pub async fn execute(hub: &Arc<Hub>, batch: &[Job], locks: Locks) -> Result<Done, storage::Error> {
    let mut closed = spaces_of(batch).into_iter();
    let mut plan = Plan {
        behind: closed.any(|space| !hub.roster.is_open(&space)),
        ..Plan::default()
    };
    // What waits for locks is to wait for no more of them than it must.
    if locks == Locks::Tried
        && let Some(guess) = guess(hub, batch)
    {
        let likely = handout::likely(hub, &guess.ground.loaded, &guess.decided.set.events);
        plan.takers = likely.takers;
        plan.needs = likely.needs;
        plan.behind |= likely.behind;
        if plan.takers.is_empty() {
            if let Some(done) = at_once(hub, batch, guess, plan.behind).await? {
                return Ok(done);
            }
        } else {
            let echoes = guess.decided.echoes.iter();
            plan.told = echoes.map(|echo| echo.workspace_id.clone()).collect();
        }
    }
    loop {
        match attempt(hub, batch, locks, &mut plan).await {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => plan.wide = true,
            Err(e) if e.is_locked() && !plan.takers.is_empty() => {
                // Perhaps it is a lock that is needed for the offers alone: then they are left to the dispatcher for a while.
                let needs = std::mem::take(&mut plan.needs).into_values();
                hub.roster.are_held(needs.flat_map(|needs| needs.teams));
                plan.takers.clear();
            }
            Err(e) => return Err(e),
        }
    }
}

/// What is to be locked and read for a batch, as far as it is known before.
#[derive(Default)]
struct Plan {
    /// All the workspaces' rooms are locked, since something was discovered late.
    wide: bool,
    /// What turned out to be needed.
    needs: BTreeMap<WorkspaceId, Needs>,
    /// Workspaces whose rooms are likely to be told.
    told: BTreeSet<WorkspaceId>,
    /// Who is likely to be offered what becomes ready.
    takers: Takers,
    /// What becomes ready is behind what waits for the dispatcher.
    behind: bool,
}

fn spaces_of(batch: &[Job]) -> BTreeSet<WorkspaceId> {
    let spaces = batch.iter().map(|j| j.principal.workspace_id.clone());
    spaces.collect()
}

/// A batch decided on what is at hand.
struct Guess {
    ground: Ground,
    decided: Decided,
    /// Whether the states of its rooms were all that it took.
    by_state: bool,
}

/// Decides a batch on what is at hand, where that is of use: when it could be written at once, and when it may make steps ready that agents of this
/// node could take. `None`: it is not, or too little is at hand.
fn guess(hub: &Hub, batch: &[Job]) -> Option<Guess> {
    let mut ground = Ground {
        now: hub.clock.now()?,
        ..Ground::default()
    };
    let mut by_state = hub.store().kind() == "postgres";
    let mut worth = false;
    for job in batch {
        let space = &job.principal.workspace_id;
        let state = match ground.loaded.entry(job.room) {
            Entry::Occupied(known) => &known.into_mut().before,
            Entry::Vacant(unknown) => {
                let cached = hub.cached(job.room).filter(|s| s.room.is_some());
                let new = job.command.makes_its_room().then(State::default);
                &unknown.insert(Loaded::new(cached.or(new)?)).before
            }
        };
        by_state &= job.command.stays_in_its_room(state);
        worth |= handout::may_follow(hub, job);
        let wanted = ground.wanted.entry(space.clone()).or_default();
        wanted.merge(needs(state, &job.command));
    }
    if !by_state && !worth {
        return None;
    }
    by_state &= ground.wanted.values().all(Needs::is_empty);
    for (space, needs) in &ground.wanted {
        let facts = hub.roster.facts(space, needs);
        ground.facts.insert(space.clone(), facts);
    }
    let decided = decide_all(batch, &mut ground, &mut BTreeMap::new())?;
    Some(Guess {
        ground,
        decided,
        by_state,
    })
}

/// Commands whose rooms are at hand, decided without a lock and written by one statement, which holds only if nobody was quicker. `None`:
/// the locks are needed.
async fn at_once(
    hub: &Arc<Hub>,
    batch: &[Job],
    guess: Guess,
    behind: bool,
) -> Result<Option<Done>, storage::Error> {
    let Guess {
        ground,
        decided,
        by_state,
    } = guess;
    let spaces = spaces_of(batch);
    let (version, hooks) = hub.known_hooks();
    // What is refused, and what changes nothing, is not held to the log by what it writes: it is decided under lock.
    let moved = |room: &Loaded| room.after.seq > room.before.seq;
    if !by_state
        || hooks.iter().any(|h| spaces.contains(&h.workspace))
        || !decided.echoes.is_empty()
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
    Ok(Some(done(
        hub,
        set.events,
        texts,
        &ground.loaded,
        decided.replies,
        Left::of(decided.settled, behind),
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

/// What was committed, counted, to be announced and answered; the states are kept.
fn done(
    hub: &Arc<Hub>,
    events: Vec<Event>,
    texts: Vec<String>,
    loaded: &BTreeMap<RoomId, Loaded>,
    replies: Vec<Result<Outcome, Refusal>>,
    left: Left,
) -> Done {
    metrics::counter!("baton_transactions_total").increment(1);
    metrics::counter!("baton_commands_total").increment(replies.len() as u64);
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
            left,
        })
        .collect();
    Done { replies, committed }
}

/// What the batch is going to need, as far as can be told from what is at hand. The order of locks: the batch's rooms and those of the teams in which
/// work is handed out, then the workspaces' rooms, then agents; each by their ids.
fn ahead(hub: &Hub, batch: &[Job], ids: &BTreeSet<RoomId>, plan: &Plan) -> Ahead {
    let mut spaces = BTreeSet::new();
    let mut wanted = plan.needs.clone();
    for job in batch {
        let space = &job.principal.workspace_id;
        if plan.wide || plan.told.contains(space) || job.command.tells_the_workspace() {
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
    let mut rooms: BTreeSet<RoomId> = ids.union(&teams).copied().collect();
    for job in batch {
        let known = hub.known_workspace_room(&job.principal.workspace_id);
        spaces.extend(known.filter(|room| rooms.remove(room)));
    }
    let rooms = rooms.into_iter().chain(spaces).collect();
    Ahead { rooms, registry }
}

/// One try. `None`: something was discovered late, and the batch must start over with the larger set.
async fn attempt(
    hub: &Arc<Hub>,
    batch: &[Job],
    locks: Locks,
    plan: &mut Plan,
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
    let opened = tx.open(ahead(hub, batch, &ids, plan)).await?;
    hub.clock.note(opened.now);
    let mut last = newest(&opened.rooms);
    let loaded = load(hub, &mut tx, &ids, &opened.rooms).await?;

    let space_rooms = hub.workspace_rooms(&mut tx, &spaces).await?;
    let at_hand = opened.rooms.iter().filter(|row| !ids.contains(&row.id));
    let mut space_heads: BTreeMap<RoomId, u64> = at_hand.map(|row| (row.id, row.head)).collect();
    if plan.wide {
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
    for (space, more) in &plan.needs {
        wanted.entry(space.clone()).or_default().merge(more.clone());
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
        takers: plan.takers.clone(),
    };
    let Some(mut decided) = decide_all(batch, &mut ground, &mut plan.needs) else {
        return Ok(None);
    };
    for team in ground.facts.values().flat_map(|facts| facts.teams.values()) {
        hub.roster.team(team);
    }
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
    Ok(Some(done(
        hub,
        set.events,
        texts,
        &loaded,
        decided.replies,
        Left::of(decided.settled, plan.behind),
    )))
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
