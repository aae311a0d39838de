//! Templates of processes.

use rooms::Refusal;
use rooms::model::template::ProcessTemplate;
use rooms::policy::Operation as O;
use uuid::Uuid;

use super::call::Call;
use super::list::paged;
use super::route::{Answer, Route, Run, ok, route, runs};

pub fn routes() -> Vec<Route> {
    let made = Run {
        at: Some("templates/{id}"),
        ..Run::default()
    };
    vec![
        runs(
            "post",
            "/templates",
            "createTemplate",
            "template:create",
            made,
        ),
        route(
            "get",
            "/templates",
            "listTemplates",
            "List templates, each in its newest version",
            O::TemplatesRead,
            list,
        )
        .lists::<ProcessTemplate>()
        .query("search", "A part of the name", &[]),
        route(
            "get",
            "/templates/{templateId}",
            "getTemplate",
            "Get a version of a template",
            O::TemplatesRead,
            get,
        )
        .gives::<ProcessTemplate>()
        .whole("version", "This version; default the newest"),
    ]
}

async fn list(call: Call) -> Answer {
    let limit = call.limit(50);
    let after = call
        .param("cursor")
        .map(Uuid::parse_str)
        .transpose()
        .map_err(|_| Refusal::field("cursor", "use the nextCursor of the page before"))?;
    let space = &call.principal.workspace_id;
    let search = call.param("search");
    let page = call.hub.store().templates(space, search, after, limit + 1);
    paged(page.await?, limit, "id")
}

async fn get(call: Call) -> Answer {
    let id = call.uuid("template")?;
    let version = match call.number("version")? {
        None => None,
        Some(n) => Some(
            u32::try_from(n).map_err(|_| Refusal::not_found("template", format!("{id} {n}")))?,
        ),
    };
    let space = &call.principal.workspace_id;
    let found = call.hub.store().template(space, id, version).await?;
    ok(found.ok_or_else(|| Refusal::not_found("template", id))?)
}
