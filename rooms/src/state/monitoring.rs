//! What an event does to a process's alerts and recommendations.

use std::sync::Arc;

use super::ProcessState;
use crate::Timestamp;
use crate::event::EventBody;

pub(super) fn change(process: &mut ProcessState, body: &EventBody, at: Timestamp) {
    match body {
        EventBody::AlertRaised(alert) => {
            process.alerts.insert(alert.id, Arc::new(alert.clone()));
        }
        EventBody::AlertAcknowledged(c) => {
            if let Some(alert) = process.alerts.get_mut(&c.id) {
                let alert = Arc::make_mut(alert);
                alert.acknowledged_by.clone_from(&c.acknowledged_by);
                alert.acknowledged_at = Some(at);
            }
        }
        EventBody::AlertResolved(c) => {
            if let Some(alert) = process.alerts.get_mut(&c.id) {
                let alert = Arc::make_mut(alert);
                alert.resolved = true;
                alert.resolved_at = Some(at);
                alert.resolved_by.clone_from(&c.resolved_by);
                alert.resolution.clone_from(&c.reason);
            }
        }
        EventBody::RecommendationMade(made) => {
            process
                .recommendations
                .insert(made.id, Arc::new(made.clone()));
        }
        _ => {}
    }
}
