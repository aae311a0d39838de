//! Files the names of what is new, so that lists searched by a part of a name are as fast however many there are.
//!
//! A search finds a name whether it is filed or not ([`storage`] compares those that are not one by one). So nothing waits for this, and any node may do it.

use std::sync::Arc;
use std::time::Duration;

use storage::suffixes::Sizes;

use crate::hub::Hub;

/// Between two looks. What is begun meanwhile is what a search compares.
const WAIT: Duration = Duration::from_secs(1);

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let store = hub.store();
    loop {
        tokio::time::sleep(WAIT).await;
        if let Err(e) = store.file_names(Sizes::of(store)).await {
            tracing::warn!(error = %e, "could not file new names; searches find them nevertheless");
        }
    }
}
