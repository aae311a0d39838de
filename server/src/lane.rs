//! A lane executes the commands of the rooms that hash to it: whatever is waiting, as one transaction.
//!
//! So the cost of a commit is shared by everything in the batch. Under light load a batch is one command and nothing waits. State is
//! applied to copies and installed in the cache after the commit; a batch that fails is run again one by one, so that a bad
//! neighbour costs nobody else. What needs a lock that another node does not let go waits for it beside its lane.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::id::RoomId;
use rooms::model::access::Principal;
use rooms::{Code, Command, Refusal};
use storage::Idempotency;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::caller::Asked;
use crate::execute::{Done, Locks, execute};
use crate::handout::may_follow;
use crate::hub::{Hub, Outcome};
use crate::problem::storage_refusal;

/// At most so many commands share a transaction.
const BATCH: usize = 128;

/// While the database hangs, what has waited longer is refused instead of being tried: its caller hears that nothing was done.
const WAITED: Duration = Duration::from_secs(5);

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
            let next = aside.keep(next);
            let next = if hangs { in_time(next) } else { next };
            let (handing_out, rest) = apart(&hub, next);
            let both = [rest, handing_out].map(|batch| run_some(&hub, batch));
            let ran = futures::future::join_all(both).await;
            let mut ran = ran.into_iter().flatten().peekable();
            if ran.peek().is_some() {
                hangs = false;
            }
            for ran in ran {
                hangs |= ran.hangs;
                if !ran.locked.is_empty() {
                    aside.set(&hub, ran.locked);
                }
            }
        }
    }
}

async fn run_some(hub: &Arc<Hub>, batch: Vec<Job>) -> Option<Ran> {
    if batch.is_empty() {
        return None;
    }
    Some(run_batch(hub, batch, Locks::Tried).await)
}

/// What may hand out work, with all that is for the same rooms, and the rest. The one locks teams and agents, which others may have locked; the other
/// mostly goes without a lock, and side by side with it. SQLite has one writer: there each transaction more is a commit more.
fn apart(hub: &Hub, jobs: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    if hub.store().kind() == "sqlite" {
        return (Vec::new(), jobs);
    }
    let hands_out = |job: &&Job| job.command.hands_out_work() || may_follow(hub, job);
    let rooms: BTreeSet<RoomId> = jobs.iter().filter(hands_out).map(|job| job.room).collect();
    jobs.into_iter().partition(|job| rooms.contains(&job.room))
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

/// The commands whose rooms nobody holds, and those whose rooms somebody does. Where nobody holds any of them, it is a team or an agent, which only
/// those need that hand out work.
async fn by_lock(hub: &Arc<Hub>, batch: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    let rooms: BTreeSet<RoomId> = batch.iter().map(|job| job.room).collect();
    if rooms.len() == 1 {
        return (Vec::new(), batch);
    }
    let old = batch.iter().filter(|job| !job.command.makes_its_room());
    let old: BTreeSet<RoomId> = old.map(|job| job.room).collect();
    match hub.store().unlocked(&old).await {
        Ok(free) if free.len() < old.len() => batch
            .into_iter()
            .partition(|job| free.contains(&job.room) || !old.contains(&job.room)),
        Ok(_) => {
            let hands_out = batch.iter().filter(|job| job.command.hands_out_work());
            let held: BTreeSet<RoomId> = hands_out.map(|job| job.room).collect();
            if held.is_empty() {
                // A workspace's, which any of the others may turn out to need.
                return (Vec::new(), batch);
            }
            batch.into_iter().partition(|job| !held.contains(&job.room))
        }
        Err(_) => (Vec::new(), batch),
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

fn finish(hub: &Arc<Hub>, batch: Vec<Job>, done: Done) {
    // Announced before it is answered: whoever has its answer finds what it asked for with every subscriber's turn come.
    for committed in done.committed {
        hub.announce(committed);
    }
    for (job, reply) in batch.into_iter().zip(done.replies) {
        let _ = job.reply.send(reply);
    }
}
