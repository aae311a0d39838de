//! The audit of refusals: kept in memory for a moment and written many at once, so that a flood of refused commands slows nobody.
//!
//! What is bounded can be lost: where more than [`WAITING`] refusals wait because the database is away or too slow, further ones are
//! dropped and counted (`baton_audit_dropped_total`), and a node that is killed loses those of the last [`GATHER`]. Changes are
//! different: their rows are written in the transaction of the change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rooms::Code;
use storage::audit::AuditRow;
use tokio::sync::{mpsc, oneshot};

use crate::hub::Hub;

/// Refusals that wait to be written.
const WAITING: usize = 10_000;
/// How long they gather.
const GATHER: Duration = Duration::from_millis(100);
/// Rows of one statement.
const BATCH: usize = 500;

enum Entry {
    Row(Instant, Box<AuditRow>),
    Flush(oneshot::Sender<()>),
}

/// Where refusals go.
pub struct Refusals {
    entries: mpsc::Sender<Entry>,
}

/// What is to be written; taken by [`write`].
pub struct Queue(mpsc::Receiver<Entry>);

/// A way in and a way out.
pub fn channel() -> (Refusals, Queue) {
    let (entries, queue) = mpsc::channel(WAITING);
    (Refusals { entries }, Queue(queue))
}

impl Refusals {
    /// Keeps a refusal, unless too many wait. That the hub could not serve is no refusal of what was asked.
    pub fn note(&self, row: AuditRow) {
        if row.outcome == Code::Unavailable.as_str() {
            return;
        }
        let entry = Entry::Row(Instant::now(), Box::new(row));
        if self.entries.try_send(entry).is_err() {
            metrics::counter!("baton_audit_dropped_total").increment(1);
        }
    }

    /// Waits until what was noted on this node is written, so that who reads the audit finds its own refusal.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.entries.send(Entry::Flush(done)).await.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(2), written).await;
        }
    }
}

/// Writes refusals until the hub is gone.
pub async fn write(hub: Arc<Hub>, Queue(mut queue): Queue) {
    let mut rows: Vec<(Instant, AuditRow)> = Vec::new();
    loop {
        let mut flushed = Vec::new();
        // One that could not be written is tried again with the next.
        if rows.is_empty() {
            match queue.recv().await {
                Some(Entry::Row(at, row)) => rows.push((at, *row)),
                Some(Entry::Flush(done)) => flushed.push(done),
                None => return,
            }
        }
        let until = tokio::time::Instant::now() + GATHER;
        while rows.len() < BATCH && flushed.is_empty() {
            match tokio::time::timeout_at(until, queue.recv()).await {
                Ok(Some(Entry::Row(at, row))) => rows.push((at, *row)),
                Ok(Some(Entry::Flush(done))) => flushed.push(done),
                Ok(None) => return,
                Err(_) => break,
            }
        }
        let batch: Vec<_> = rows
            .iter()
            .map(|(at, row)| (at.elapsed(), row.clone()))
            .collect();
        let kept = if batch.is_empty() {
            Ok(())
        } else {
            hub.store().keep_refusals(&batch).await
        };
        match kept {
            Ok(()) => rows.clear(),
            Err(e) if e.is_transient() => {
                tracing::warn!(error = %e, "could not write to the audit");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(e) => {
                tracing::error!(error = %e, lost = rows.len(), "the audit refused its rows");
                metrics::counter!("baton_audit_dropped_total").increment(rows.len() as u64);
                rows.clear();
            }
        }
        for done in flushed {
            let _ = done.send(());
        }
    }
}
