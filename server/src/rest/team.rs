//! Teams.

use rooms::model::team::AgentTeam;
use rooms::policy::Operation::TeamsRead;
use storage::list::Filter;
use storage::read::Thing;

use super::call::Call;
use super::list::page;
use super::route::{Answer, Route, Run, ok, route, runs};

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("teams/{id}"),
        ..Run::default()
    };
    let named = Run {
        id: Some("teamId"),
        ..Run::default()
    };
    vec![
        runs("post", "/teams", "createTeam", "team:create", made),
        route("get", "/teams", "listTeams", "List teams", TeamsRead, list)
            .lists::<AgentTeam>()
            .query("status", "Only these", &["active", "inactive", "archived"])
            .query("search", "A part of the name", &[]),
        route(
            "get",
            "/teams/{teamId}",
            "getTeam",
            "Get a team",
            TeamsRead,
            get,
        )
        .gives::<AgentTeam>(),
        runs("put", "/teams/{teamId}", "updateTeam", "team:update", named),
        runs(
            "delete",
            "/teams/{teamId}",
            "archiveTeam",
            "team:archive",
            named,
        ),
    ]
}

async fn list(call: Call) -> Answer {
    page(&call, Thing::Team, Filter::default()).await
}

async fn get(call: Call) -> Answer {
    ok(call.one(Thing::Team).await?)
}
