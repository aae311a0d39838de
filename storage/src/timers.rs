//! Timers that are due, and the clock that says so: the database's.

use rooms::Timestamp;
use rooms::command::Timer;
use rooms::id::{RoomId, WorkspaceId};

use crate::db::{Error, Store};
use crate::read::parse;

/// A timer that is due.
#[derive(Clone, Debug)]
pub struct DueTimer {
    /// Whose it is.
    pub room: RoomId,
    /// Where that is.
    pub workspace: WorkspaceId,
    /// What it is for.
    pub timer: Timer,
    /// Since when.
    pub due: Timestamp,
}

impl Store {
    /// Now, by the database's clock.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        tx.commit().await?;
        Ok(now)
    }

    /// Timers that are due by the database's clock, the oldest first: at most so many of attempts that somebody holds, due after this, and at most so
    /// many others.
    pub async fn due_timers(
        &self,
        held_after: Timestamp,
        limit: u64,
    ) -> Result<Vec<DueTimer>, Error> {
        let mut tx = self.begin_read().await?;
        let now = tx.now().await?;
        let held = "(key LIKE 'lease:%' OR key LIKE 'offer:%')";
        let of = |clause: &str| {
            format!(
                "SELECT * FROM (SELECT room_id, workspace_id, timer, due FROM timers WHERE due <= $1 AND {clause} ORDER BY due LIMIT {limit})"
            )
        };
        let sql = format!(
            "{} AS rest UNION ALL {} AS held",
            of(&format!("NOT {held}")),
            of(&format!("due > $2 AND {held}"))
        );
        let rows = tx.query(&sql, vec![now.into(), held_after.into()]).await?;
        tx.commit().await?;
        rows.iter()
            .map(|r| {
                Ok(DueTimer {
                    room: RoomId(r.uuid(0)),
                    workspace: r.text(1).into(),
                    timer: parse(r.text(2))?,
                    due: Timestamp(r.int(3)),
                })
            })
            .collect()
    }
}
