//! What a workspace's processes amount to, over a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::monitoring::Recommendation;
use crate::Timestamp;
use crate::id::{AgentId, ProcessId, TeamId};

macro_rules! figures {
    ($($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty),* }
    )*};
}

figures! {
    /// A workspace's figures over a time; all durations are milliseconds, all rates percent.
    Analytics {
        /// The beginning of the time.
        since: Timestamp,
        /// Its end, which is not in it.
        until: Timestamp,
        /// Only of this team's processes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        team_id: Option<TeamId>,
        /// How the processes stand that have not ended: now, whatever the time.
        standing: Standing,
        /// Processes that ended, by equal parts of the time, the oldest first.
        throughput: Vec<Throughput>,
        /// Completed, of those that completed or failed; none where there were none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        success_rate: Option<f64>,
        /// Steps that took longest on the average, by name; at most ten.
        slowest_steps: Vec<SlowStep>,
        /// What agents did, the busiest first; at most 200.
        agent_utilization: Vec<AgentUse>,
        /// Questions to people.
        interventions: InterventionFigures,
        /// Alerts.
        alerts: AlertFigures,
        /// What ended processes recommend, the newest first; at most 20.
        recommendations: Vec<Recommendation>,
    }
    /// Processes that have not ended, counted by how they stand.
    Standing {
        /// Not yet begun.
        pending: u64,
        /// Under way.
        running: u64,
        /// Standing still.
        paused: u64,
        /// In which a person is waited for, however they stand.
        waiting: u64,
    }
    /// Processes that ended in a part of the time.
    Throughput {
        /// When the part begins.
        at: Timestamp,
        /// Ended well.
        completed: u64,
        /// Ended badly.
        failed: u64,
        /// Were stopped.
        cancelled: u64,
    }
    /// Steps of one name that completed.
    SlowStep {
        /// Their name.
        name: String,
        /// How many.
        count: u64,
        /// How long they took on the average.
        average: f64,
        /// How long the slowest took.
        slowest: u64,
        /// In which process.
        process_id: ProcessId,
    }
    /// What an agent did: of the attempts that ended in the time.
    AgentUse {
        /// Which agent.
        agent_id: AgentId,
        /// Attempts that it had accepted.
        task_count: u64,
        /// Completed ones.
        success_count: u64,
        /// Failed ones, and lost leases.
        error_count: u64,
        /// How long it was at them, within the time.
        busy_ms: u64,
        /// How long it was at those that it completed, on the average; 0 where there were none.
        average_completion_time: f64,
        /// busyMs of what its slots had to give in the time.
        utilization: f64,
    }
    /// Questions to people that were asked in the time.
    InterventionFigures {
        /// All.
        requested: u64,
        /// Of those, decided.
        completed: u64,
        /// Of those, expired.
        expired: u64,
        /// Of those, no longer needed.
        cancelled: u64,
        /// Of those, still open.
        pending: u64,
        /// Of the open ones, overdue now.
        overdue: u64,
        /// From the question to the decision, on the average of the decided; none where there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        average_response_time: Option<f64>,
    }
    /// Alerts.
    AlertFigures {
        /// Raised in the time.
        raised: u64,
        /// Open now, whenever they were raised.
        open: u64,
        /// The open ones by severity.
        open_by_severity: BTreeMap<String, u64>,
    }
}
