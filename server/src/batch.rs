//! What a batch comes to: its commands decided one after the other, each on what those before it made of its room.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rooms::event::Event;
use rooms::id::{EventId, RoomId, WorkspaceId};
use rooms::model::access::{Principal, PrincipalKind};
use rooms::{Code, Command, Ctx, Facts, Needs, Refusal, State, Timestamp, decide, needs};
use serde_json::Value;
use storage::audit::AuditRow;
use storage::{Idempotency, WriteSet};

use crate::handout::{self, Takers};
use crate::hub::Outcome;
use crate::lane::Job;

/// A room of a batch, with its state before and after.
pub struct Loaded {
    /// As it was.
    pub before: State,
    /// As it is.
    pub after: State,
}

impl Loaded {
    /// A room to which nothing has happened yet.
    pub fn new(state: State) -> Self {
        Self {
            before: state.clone(),
            after: state,
        }
    }
}

/// What a batch is decided on.
#[derive(Default)]
pub struct Ground {
    /// The time, by the database's clock.
    pub now: Timestamp,
    /// The rooms.
    pub loaded: BTreeMap<RoomId, Loaded>,
    /// What was read from outside of them.
    pub wanted: BTreeMap<WorkspaceId, Needs>,
    /// The same.
    pub facts: BTreeMap<WorkspaceId, Facts>,
    /// Keys that were used before, with the hash of the request and its answer.
    pub used: BTreeMap<String, (String, String)>,
    /// When the timers that fire are due now; none: they are gone.
    pub due: BTreeMap<(RoomId, String), Option<Timestamp>>,
    /// How far those have read who say how far they have read now.
    pub marks: BTreeMap<(RoomId, PrincipalKind, String), u64>,
    /// Who can be offered what the batch makes ready.
    pub takers: Takers,
}

/// What it comes to.
pub struct Decided {
    /// What is to be written, but for the rooms.
    pub set: WriteSet,
    /// An answer for each command.
    pub replies: Vec<Result<Outcome, Refusal>>,
    /// Keys that are given back.
    pub refused_keys: Vec<Idempotency>,
    /// What the workspaces' rooms are told too.
    pub echoes: Vec<Event>,
    /// Whether it leaves nothing for the dispatcher, provided that who let go of a step had a slot to spare.
    pub settled: bool,
}

/// What a batch has come to so far.
pub(crate) struct Batch {
    now: Timestamp,
    pub(crate) set: WriteSet,
    echoes: Vec<Event>,
}

/// What one command has come to.
pub(crate) struct Taken {
    pub(crate) reply: Result<Value, Refusal>,
    /// The room's newest seq after it.
    seq: u64,
    /// Whether something has happened.
    grew: bool,
}

impl Batch {
    /// Decides a command on what those before it made of its room.
    pub(crate) fn take(
        &mut self,
        room: &mut Loaded,
        id: RoomId,
        command: &Command,
        principal: &Principal,
        correlation: Option<&String>,
        facts: &mut Facts,
    ) -> Taken {
        let now = self.now;
        let decision = {
            let ctx = Ctx::new(now, principal, facts, rand_seed());
            decide(&room.after, command, &ctx)
        };
        let process = decision.state.process.as_ref().map(|p| &p.process);
        let mut seq = room.after.seq;
        let mut cause: Option<EventId> = None;
        for draft in decision.events {
            seq += 1;
            let team = process.map(|p| p.team_id);
            facts.absorb(Some(id), team, draft.channel, &draft.body);
            let event = Event {
                id: EventId(rooms::ctx::uuid_v7(now, rand_seed(), rand_seed())),
                room_id: id,
                seq,
                body: draft.body,
                at: now,
                workspace_id: principal.workspace_id.clone(),
                channel: draft.channel,
                actor: principal.actor(),
                process_id: process.map(|p| p.id),
                step_id: draft.step_id,
                causation_id: cause,
                correlation_id: correlation.cloned(),
                origin: None,
            };
            cause.get_or_insert(event.id);
            if event.body.is_echoed() {
                self.echoes.push(event.clone());
            }
            self.set.events.push(event);
        }
        let grew = seq > room.after.seq;
        room.after = decision.state;
        room.after.seq = seq;
        let space = &principal.workspace_id;
        let timers = decision.timers.into_iter();
        self.set
            .timers
            .extend(timers.map(|op| (id, space.clone(), op)));
        Taken {
            reply: decision.reply,
            seq,
            grew,
        }
    }
}

/// Decides all of it. `None`: something is needed that was not read; it is put into `known`.
pub fn decide_all(
    jobs: &[Job],
    ground: &mut Ground,
    known: &mut BTreeMap<WorkspaceId, Needs>,
) -> Option<Decided> {
    let now = ground.now;
    let mut batch = Batch {
        now,
        set: WriteSet::default(),
        echoes: Vec::new(),
    };
    let mut replies = Vec::with_capacity(jobs.len());
    let mut refused_keys = Vec::new();
    let mut answered = std::mem::take(&mut ground.used);
    let mut audited = Vec::new();
    let was_full = handout::is_full(ground);
    for job in jobs {
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
        let Some(room) = ground.loaded.get_mut(&job.room) else {
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
        if !ground.wanted.get(space).is_some_and(|w| w.covers(&more)) {
            known.entry(space.clone()).or_default().merge(more);
            return None;
        }
        if let Command::Timer { timer, due } = &job.command {
            let key = timer.key();
            let current = ground.due.get(&(job.room, key.clone())).copied().flatten();
            // A clock that went back would else let a timer fire before its time: refused by `decide`, and lost.
            if current.is_none_or(|current| current > *due) || *due > now {
                replies.push(Err(Refusal::illegal(
                    "the timer was moved or cleared, or is not due",
                )));
                continue;
            }
            batch.set.fired.push((job.room, key, *due));
        }
        let facts = ground.facts.entry(space.clone()).or_default();
        let Taken {
            mut reply,
            seq,
            grew,
        } = batch.take(
            room,
            job.room,
            &job.command,
            &job.principal,
            job.correlation.as_ref(),
            facts,
        );
        if let (true, Some(asked)) = (grew, &job.asked) {
            let row = match &reply {
                Ok(_) => asked.done(&job.principal),
                Err(refusal) => asked.refused(&job.principal, refusal),
            };
            audited.push(AuditRow {
                room: Some(job.room),
                correlation: job.correlation.clone().unwrap_or_default(),
                ..row
            });
        }
        if let (Command::MarkRead(read), Ok(data)) = (&job.command, &mut reply) {
            let who = (job.room, job.principal.kind, job.principal.id.clone());
            let mark = ground.marks.entry(who).or_default();
            // It never goes back.
            *mark = read.seq.min(seq).max(*mark);
            *data = serde_json::json!({"lastReadSeq": *mark});
            let (room, kind, id) = (job.room, job.principal.kind, job.principal.id.clone());
            batch.set.reads.push((room, kind, id, *mark));
        }
        match reply {
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
                    batch.set.answers.push((key.clone(), kept));
                }
                replies.push(Ok(outcome));
            }
            Err(refusal) => {
                refused_keys.extend(job.key.clone());
                replies.push(Err(refusal));
            }
        }
    }
    if !ground.takers.is_empty() {
        handout::hand_out(ground, &mut batch);
    }
    let settled = !was_full && handout::is_settled(ground, &batch.set.events);
    let mut set = batch.set;
    set.audit = Some((now, audited));
    Some(Decided {
        set,
        replies,
        refused_keys,
        echoes: batch.echoes,
        settled,
    })
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

/// Random bits for ids.
pub fn rand_seed() -> u64 {
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
