//! Files the names of what is new, so that lists searched by a part of a name are as fast however many there are.
//!
//! A search finds a name whether it is filed or not ([`storage`] compares those that are not one by one). So nothing waits for this, and any node may do it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rooms::event::EventBody;
use rooms::id::WorkspaceId;
use storage::suffixes::Sizes;

use crate::hub::{Hub, Logged};

/// Between two looks. What is begun meanwhile is what a search compares.
const WAIT: Duration = Duration::from_secs(1);

/// Workspaces in which this node wrote names since it filed some.
#[derive(Debug, Default)]
pub struct Named(Mutex<BTreeSet<WorkspaceId>>);

impl Named {
    /// Notes where there are new names.
    pub fn note(&self, events: &[Logged]) {
        for Logged { event, .. } in events {
            if matches!(
                event.body,
                EventBody::ProcessCreated(_)
                    | EventBody::RoomCreated(_)
                    | EventBody::TeamCreated(_)
                    | EventBody::TeamUpdated(_)
            ) {
                self.add(event.workspace_id.clone());
            }
        }
    }

    fn add(&self, workspace: WorkspaceId) {
        self.locked().insert(workspace);
    }

    fn take(&self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.locked())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeSet<WorkspaceId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    // What was left by nodes that are gone, and by a migration.
    while !filed(&hub, None).await {
        tokio::time::sleep(WAIT).await;
    }
    loop {
        tokio::time::sleep(WAIT).await;
        for workspace in hub.named.take() {
            if !filed(&hub, Some(&workspace)).await {
                hub.named.add(workspace);
            }
        }
    }
}

async fn filed(hub: &Hub, of: Option<&WorkspaceId>) -> bool {
    let store = hub.store();
    match store.file_names(of, Sizes::of(store)).await {
        Ok(filed) => {
            metrics::counter!("baton_names_filed_total").increment(filed);
            true
        }
        Err(e) => {
            tracing::warn!(error = %e, "could not file new names; searches find them nevertheless");
            false
        }
    }
}
