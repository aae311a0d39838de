//! The audit.

use rooms::policy::Operation;
use rooms::{Code, Refusal};
use serde_json::json;
use storage::audit::AuditFilter;
use uuid::Uuid;

use super::call::Call;
use super::route::{Answer, Route, route};
use crate::contract::shapes as s;

pub fn routes() -> Vec<Route> {
    vec![
        route(
            "get",
            "/audit",
            "listAudit",
            "Who asked for what, from where, and what came of it; newest first",
            Operation::AuditRead,
            list,
        )
        .lists::<s::AuditEntry>()
        .time("since", "Not before this time")
        .time("until", "Before this time")
        .query("actor", "An id, or user:ID, agent:ID, service:ID", &[])
        .query("action", "A command's name, as process:start", &[])
        .query("outcome", "`ok`, or the code of a refusal", &[]),
    ]
}

async fn list(call: Call) -> Answer {
    let limit = call.limit(50);
    let mut filter = AuditFilter {
        since: call.time("since")?,
        until: call.time("until")?,
        action: call.param("action").map(str::to_owned),
        outcome: call.param("outcome").map(str::to_owned),
        limit: limit + 1,
        ..AuditFilter::default()
    };
    if let Some(actor) = call.param("actor") {
        match actor.split_once(':') {
            Some((kind, id)) if ["user", "agent", "service", "system"].contains(&kind) => {
                filter.kind = Some(kind.to_owned());
                filter.principal = Some(id.to_owned());
            }
            _ => filter.principal = Some(actor.to_owned()),
        }
    }
    if let Some(outcome) = call.param("outcome")
        && outcome != "ok"
        && serde_json::from_value::<Code>(json!(outcome)).is_err()
    {
        return Err(Refusal::field("outcome", "must be ok, or the code of a refusal").into());
    }
    if let Some(cursor) = call.param("cursor") {
        let after = Uuid::parse_str(cursor)
            .map_err(|_| Refusal::field("cursor", "use the nextCursor of the page before"))?;
        filter.after = Some(after);
    }
    call.hub.refusals.flush().await;
    let found = call
        .hub
        .store()
        .audit(&call.principal.workspace_id, &filter);
    super::list::paged(found.await?, limit, "id")
}
