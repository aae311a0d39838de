//! Templates, and the past of processes that are forked: what a start reads from outside its room.

use std::sync::Arc;

use rooms::event::Event;
use rooms::facts::{Past, Reading};
use rooms::id::{ProcessId, RoomId, TemplateId, WorkspaceId};
use rooms::model::template::ProcessTemplate;
use rooms::{Facts, Needs};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::db::{Conn, Error, Store, Value};
use crate::list::Page;

impl Store {
    /// The newest version of every template of a workspace, newest template first: at most `limit`, after the id `after`.
    pub async fn templates(
        &self,
        workspace: &WorkspaceId,
        search: Option<&str>,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Page, Error> {
        let mut args: Vec<Value> = vec![workspace.as_str().into()];
        let mut clauses = String::new();
        if let Some(after) = after {
            args.push(after.into());
            clauses.push_str(&format!(" AND t.id < ${}", args.len()));
        }
        if let Some(text) = search {
            let escaped = text
                .to_lowercase()
                .replace('\\', "\\\\")
                .replace('%', "\\%")
                .replace('_', "\\_");
            args.push(format!("%{escaped}%").into());
            clauses.push_str(&format!(
                " AND LOWER(t.name) LIKE ${} ESCAPE '\\'",
                args.len()
            ));
        }
        let sql = format!(
            "SELECT t.data FROM templates t WHERE t.workspace_id = $1{clauses} \
             AND t.version = (SELECT MAX(n.version) FROM templates n WHERE n.id = t.id) \
             ORDER BY t.id DESC LIMIT {limit}"
        );
        let (rows, cut) = self.query_page(&sql, args).await?;
        let items = rows.iter().map(|r| serde_json::from_str(r.text(0)));
        Ok(Page {
            items: items.collect::<Result<_, _>>()?,
            cut,
        })
    }

    /// A version of a template, or the newest.
    pub async fn template(
        &self,
        workspace: &WorkspaceId,
        id: Uuid,
        version: Option<u32>,
    ) -> Result<Option<Json>, Error> {
        let (sql, args) = one(workspace, id, version);
        let rows = self.query(sql, args).await?;
        rows.first()
            .map(|r| Ok(serde_json::from_str(r.text(0))?))
            .transpose()
    }
}

fn one(workspace: &WorkspaceId, id: Uuid, version: Option<u32>) -> (&'static str, Vec<Value>) {
    let mut args: Vec<Value> = vec![workspace.as_str().into(), id.into()];
    match version {
        None => (
            "SELECT data FROM templates WHERE workspace_id = $1 AND id = $2 ORDER BY version DESC LIMIT 1",
            args,
        ),
        Some(version) => {
            args.push(u64::from(version).into());
            (
                "SELECT data FROM templates WHERE workspace_id = $1 AND id = $2 AND version = $3",
                args,
            )
        }
    }
}

/// Reads the templates and the pasts that commands need.
pub(crate) async fn read(
    conn: &mut Conn,
    workspace: &WorkspaceId,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<(), Error> {
    for (TemplateId(id), version) in &needs.templates {
        let (sql, args) = one(workspace, *id, *version);
        for row in conn.query(sql, args).await? {
            let template: ProcessTemplate = serde_json::from_str(row.text(0))?;
            let key = (template.id, template.version);
            facts.templates.insert(key, Arc::new(template));
        }
    }
    for (process, until) in &needs.sources {
        if let Some(found) = past(conn, *process, *until).await? {
            facts.sources.insert((*process, *until), found);
        }
    }
    Ok(())
}

/// A process as it was after an event of its room; none where that event is not there, or no longer.
async fn past(
    conn: &mut Conn,
    process: ProcessId,
    until: Option<u64>,
) -> Result<Option<Past>, Error> {
    let sql = "SELECT first FROM rooms WHERE id = $1";
    let rows = conn.query(sql, vec![process.0.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    // The log begins with what came before its oldest event.
    let base = crate::retention::base(conn, RoomId(process.0), row.count(0)).await?;
    let mut past = Reading::new(base);
    let last = until.unwrap_or(u64::MAX);
    while past.seq() < last {
        let rows = conn
            .query(
                "SELECT payload FROM events WHERE room_id = $1 AND seq > $2 ORDER BY seq LIMIT 1000",
                vec![process.0.into(), past.seq().into()],
            )
            .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let event: Event = serde_json::from_str(row.text(0))?;
            if event.seq != past.seq() + 1 {
                return Ok(None);
            }
            if event.seq > last {
                break;
            }
            past.take(&event);
        }
    }
    if until.is_some_and(|until| until != past.seq()) {
        return Ok(None);
    }
    Ok(past.end())
}
