//! What is no longer kept goes: rooms are archived, logs shortened, records that have served are forgotten.
//!
//! One node at a time sees to it, whichever finds it due. An ended process's room is archived by a command like any other, so that `decide`
//! has the last word under the room's lock. Logs go in small transactions with a pause between them: a lane never waits long for its turn.
//! A living process is never touched: only a room that says of itself that it was archived loses its log.

mod export;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::id::RoomId;
use rooms::model::access::Principal;
use rooms::{Code, Command, State, Timestamp};
use storage::retention::{Cut, LEVEL, Log};
use uuid::Uuid;

use crate::hub::Hub;

/// So many of the newest events of a team's or a workspace's room stay, however old: what somebody sees who joins.
pub const KEPT_ANYWAY: u64 = 50;
/// So many rows go in one transaction.
const PART: u64 = 500;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a node has the work before another may think that it died.
const HOLD: Duration = Duration::from_secs(120);
/// After so long it lets others have their turn.
const ROUND: Duration = Duration::from_secs(60);
/// So many rooms are looked at together.
const ROOMS: u64 = 100;
/// What a repeated request gets its first answer for.
const KEYS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// What webhooks have sent or given up can be looked at, and replayed, for so long.
const DELIVERIES_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// The longest and the shortest time between two looks.
const SELDOM: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(250);

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let c = &hub.config;
    let spans = [
        c.retention_archive_after,
        c.retention_keep_for,
        c.retention_window,
        c.retention_audit,
    ];
    let shortest = spans.iter().filter_map(|s| s.get()).min();
    let wait = (shortest.unwrap_or(SELDOM) / 4).clamp(OFTEN, SELDOM);
    loop {
        tokio::time::sleep(wait).await;
        if let Err(e) = turn(&hub).await {
            tracing::warn!(error = %e, "could not remove what is no longer kept");
        }
    }
}

async fn turn(hub: &Arc<Hub>) -> Result<(), storage::Error> {
    let store = hub.store();
    if !store.take_on_retention(HOLD).await? {
        return Ok(());
    }
    let done = Turn {
        hub,
        until: Instant::now() + ROUND,
    }
    .all()
    .await;
    store.leave_retention().await?;
    done
}

struct Turn<'a> {
    hub: &'a Arc<Hub>,
    until: Instant,
}

impl Turn<'_> {
    fn is_over(&self) -> bool {
        Instant::now() > self.until || self.hub.is_draining()
    }

    async fn all(&self) -> Result<(), storage::Error> {
        self.forget().await?;
        // A binary of before would not know what to make of it.
        if self.hub.store().level().await? < LEVEL {
            return Ok(());
        }
        self.archive().await?;
        self.shorten().await?;
        self.empty().await
    }

    /// Closes rooms whose process has ended and in which nothing happens any more.
    async fn archive(&self) -> Result<(), storage::Error> {
        let Some(idle) = self.hub.config.retention_archive_after.get() else {
            return Ok(());
        };
        while !self.is_over() {
            let rooms = self.hub.store().idle_rooms(idle, ROOMS).await?;
            let found = rooms.len() as u64;
            let asked = rooms.into_iter().map(|log| async move {
                let system = Principal::system(log.workspace);
                let command = Command::ArchiveRoom { head: log.head };
                let result = self
                    .hub
                    .execute(&system, log.room, command, None, None)
                    .await;
                match result {
                    Ok(_) => true,
                    Err(refusal) => {
                        if refusal.code != Code::IllegalTransition {
                            tracing::warn!(room = %log.room, %refusal, "could not archive a room");
                        }
                        false
                    }
                }
            });
            let archived = futures::future::join_all(asked).await;
            let archived = archived.into_iter().filter(|done| *done).count();
            metrics::counter!("baton_rooms_archived_total").increment(archived as u64);
            if found < ROOMS || archived == 0 {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Removes the logs of rooms that were archived long ago.
    async fn empty(&self) -> Result<(), storage::Error> {
        let Some(kept) = self.hub.config.retention_keep_for.get() else {
            return Ok(());
        };
        let mut after = None;
        while !self.is_over() {
            let logs = self.hub.store().spent_logs(kept, after, ROOMS).await?;
            let Some(last) = logs.last() else {
                return Ok(());
            };
            after = Some(last.1);
            for (log, _) in logs {
                let head = log.head;
                self.remove(log, head, true).await;
                if self.is_over() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Lets the logs of teams' and workspaces' rooms reach back as far as they should.
    async fn shorten(&self) -> Result<(), storage::Error> {
        let config = &self.hub.config;
        let (window, most) = (
            config.retention_window.get(),
            config.retention_window_events,
        );
        if window.is_none() && most == 0 {
            return Ok(());
        }
        let mut after = RoomId(Uuid::nil());
        while !self.is_over() {
            let logs = self.hub.store().shared_logs(after, ROOMS).await?;
            let Some(last) = logs.last() else {
                return Ok(());
            };
            after = last.room;
            for log in logs {
                if let Some(until) = self.beyond(&log, window, most).await? {
                    self.remove(log, until, false).await;
                }
                if self.is_over() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The last event of a shared room that is to go. Nothing goes for a while after something went, so that it goes in pieces worth a file.
    async fn beyond(
        &self,
        log: &Log,
        window: Option<Duration>,
        most: u64,
    ) -> Result<Option<u64>, storage::Error> {
        let length = (log.head + 1).saturating_sub(log.first);
        if length <= KEPT_ANYWAY {
            return Ok(None);
        }
        let mut until = 0;
        if let Some(window) = window {
            let slack = (window / 10).min(Duration::from_secs(24 * 3_600));
            let store = self.hub.store();
            if store.older_than(log, window + slack).await?.is_some() {
                until = store.older_than(log, window).await?.unwrap_or(0);
            }
        }
        if most > 0 && length > most + (most / 10).min(10_000) {
            until = until.max(log.head - most);
        }
        let until = until.min(log.head - KEPT_ANYWAY);
        Ok((until >= log.first).then_some(until))
    }

    /// Removes a log up to an event, after it was written to a file where that is wanted. One log that cannot be removed holds up no other.
    async fn remove(&self, log: Log, until: u64, archived: bool) {
        match self.try_to_remove(&log, until, archived).await {
            Ok(gone) => metrics::counter!("baton_events_removed_total").increment(gone),
            Err(e) => {
                tracing::warn!(room = %log.room, error = %e, "could not remove what a log no longer keeps");
            }
        }
    }

    async fn try_to_remove(
        &self,
        log: &Log,
        until: u64,
        archived: bool,
    ) -> Result<u64, anyhow::Error> {
        let store = self.hub.store();
        // What a webhook has still to send it sends from the log.
        let unsent = store.oldest_unsent(log).await?;
        let until = unsent.map_or(until, |seq| until.min(seq.saturating_sub(1)));
        if until < log.first {
            return Ok(0);
        }
        if let Some(folder) = &self.hub.config.retention_export {
            export::write(store, folder, log, until).await?;
        }
        let mut left = log.clone();
        let mut state: State = store.base(left.room, left.first).await?;
        while left.first <= until {
            let part = PART.min(until + 1 - left.first);
            let events = store.events_from(left.room, left.first - 1, part).await?;
            for event in &events {
                anyhow::ensure!(
                    event.seq == state.seq + 1,
                    "the log has a gap after seq {}",
                    state.seq
                );
                state.apply(event);
            }
            anyhow::ensure!(state.seq >= left.first, "the log ends before its head");
            if store.cut(&left, state.seq, &state, archived).await? == Cut::Moved {
                break;
            }
            left.first = state.seq + 1;
            tokio::time::sleep(PAUSE).await;
            if self.hub.is_draining() {
                break;
            }
        }
        Ok(left.first - log.first)
    }

    /// Forgets records that have served, a few at a time.
    async fn forget(&self) -> Result<(), storage::Error> {
        let store = self.hub.store();
        let mut tx = store.begin_read().await?;
        let now = tx.now().await?;
        tx.commit().await?;
        let before = |span: Duration| {
            let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            Timestamp(now.0.saturating_sub(micros))
        };
        while !self.is_over() && store.forget_keys(before(KEYS_KEPT), PART).await? == PART {
            tokio::time::sleep(PAUSE).await;
        }
        let deliveries = before(DELIVERIES_KEPT);
        while !self.is_over() && store.forget_deliveries(deliveries, PART).await? == PART {
            tokio::time::sleep(PAUSE).await;
        }
        if let Some(kept) = self.hub.config.retention_audit.get() {
            for space in store.workspaces().await? {
                while !self.is_over()
                    && store.forget_audit(&space.id, before(kept), PART).await? == PART
                {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(())
    }
}
