//! Figures over all processes of a workspace.

use std::time::Duration;

use rooms::id::TeamId;
use rooms::model::analytics::Analytics;
use rooms::policy::Operation as O;
use rooms::{Code, Refusal, Timestamp};
use serde_json::json;
use storage::analytics::Span;
use storage::read::Thing;
use uuid::Uuid;

use super::call::Call;
use super::route::{Answer, Route, ok, route};

const DAY_MS: u64 = 24 * 3_600_000;
/// The longest time that figures are worked out for, in days.
const DAYS: u64 = 90;
/// Into so many parts a time is divided, at most and by default.
const BUCKETS: (u64, u64) = (200, 24);
/// Whoever asks for more than this can be answered in should ask for less.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "get",
            "/analytics",
            "getAnalytics",
            "Throughput, success, slow steps, use of agents, questions, alerts and recommendations over a time",
            O::AnalyticsRead,
            analytics,
        )
        .gives::<Analytics>()
        .time("since", "From then on; default a day before `until`")
        .time("until", "Up to then; default now. At most 90 days")
        .id("teamId", "Of this team's processes")
        .whole("buckets", "1 to 200 parts of the time; default 24"),
    ]
}

async fn analytics(call: Call) -> Answer {
    let space = &call.principal.workspace_id;
    let now = call.hub.now().await?;
    let until = call.time("until")?.unwrap_or(now);
    let day = i64::try_from(DAY_MS * 1_000).unwrap_or(i64::MAX);
    let since = call
        .time("since")?
        .unwrap_or(Timestamp(until.0.saturating_sub(day)));
    if since >= until {
        return Err(Refusal::field("since", "must lie before until").into());
    }
    if until.ms_since(since) > DAYS * DAY_MS {
        let detail = format!("until and since lie at most {DAYS} days apart");
        return Err(Refusal::field("since", detail).into());
    }
    let (most, usual) = BUCKETS;
    let buckets = call.number("buckets")?.unwrap_or(usual);
    if !(1..=most).contains(&buckets) {
        return Err(Refusal::field("buckets", format!("must be from 1 to {most}")).into());
    }
    let team = match call.param("teamId") {
        None => None,
        Some(text) => {
            let id =
                Uuid::parse_str(text).map_err(|_| Refusal::field("teamId", "must be a UUID"))?;
            let known = call.hub.room_of(Thing::Team, space, id).await?;
            known.ok_or_else(|| Refusal::not_found("team", id))?;
            Some(TeamId(id))
        }
    };
    let span = Span {
        since,
        until,
        buckets,
        team,
    };
    let asked = tokio::time::timeout(PATIENCE, call.hub.store().analytics(space, &span));
    match asked.await {
        Ok(found) => ok(json!(found?)),
        Err(_) => Err(Refusal::new(
            Code::Unavailable,
            "there is too much in this time to be added up; ask for a shorter one, or for one team",
        )
        .into()),
    }
}
