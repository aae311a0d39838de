//! A log as a file, before it is removed: JSON Lines, an event a line, exactly as it was sent.
//!
//! The file is there as a whole or not at all, and on the disk before anything is removed. Its name says the workspace, the room and which
//! events: `WORKSPACE_ROOM_FIRST-LAST.jsonl`. Written twice it is the same file, also where two nodes write it at once.

use std::path::Path;

use anyhow::Context;
use storage::Store;
use storage::retention::Log;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use uuid::Uuid;

/// Events are read so many at a time.
const PAGE: u64 = 200;

/// Writes the events of a log up to one.
pub async fn write(store: &Store, folder: &Path, log: &Log, until: u64) -> anyhow::Result<()> {
    let name = format!(
        "{}_{}_{:012}-{until:012}.jsonl",
        log.workspace, log.room, log.first
    );
    let path = folder.join(&name);
    // Of its own: a node that stood still, and has lost its turn meanwhile, may be at the same log.
    let part = folder.join(format!("{name}.{}.part", Uuid::now_v7().simple()));
    let done = fill(store, &part, log, until).await;
    if done.is_err() {
        let _ = tokio::fs::remove_file(&part).await;
        return done;
    }
    tokio::fs::rename(&part, &path)
        .await
        .with_context(|| format!("cannot write {}", path.display()))?;
    // The name has to survive a power cut too.
    File::open(folder).await?.sync_all().await?;
    Ok(())
}

async fn fill(store: &Store, part: &Path, log: &Log, until: u64) -> anyhow::Result<()> {
    let file = File::create(part)
        .await
        .with_context(|| format!("cannot write {}", part.display()))?;
    let mut file = BufWriter::new(file);
    let mut next = log.first;
    while next <= until {
        let page = PAGE.min(until + 1 - next);
        let events = store.frames(log.room, next - 1, page).await?;
        anyhow::ensure!(!events.is_empty(), "the log ends before its head");
        for (seq, _, text) in events {
            anyhow::ensure!(seq == next, "the log has a gap before seq {seq}");
            file.write_all(text.as_bytes()).await?;
            file.write_all(b"\n").await?;
            next += 1;
        }
    }
    file.flush().await?;
    file.into_inner().sync_all().await?;
    Ok(())
}
