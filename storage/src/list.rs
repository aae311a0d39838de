//! Lists: filtered, newest first, a page at a time.

use rooms::Timestamp;
use rooms::id::WorkspaceId;
use rooms::model::room::RoomType;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::db::{Error, Row, Store, Value};
use crate::names::{self, Args};
use crate::read::Thing;

/// What to list: equality filters on columns, and a page.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `column = value`.
    pub equals: Vec<(&'static str, Value)>,
    /// `name` contains this, whatever the case.
    pub search: Option<String>,
    /// Of interventions: this person is to answer.
    pub assignee: Option<String>,
    /// Of interventions: whether they are open and were due before this.
    pub overdue: Option<(bool, Timestamp)>,
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

impl Filter {
    /// What must hold of a row, the search aside; the workspace is the first argument.
    pub(crate) fn clauses(&self, args: &mut Args) -> String {
        let mut clauses = self.plain(args);
        if let Some(person) = &self.assignee {
            clauses.push(format!(
                "EXISTS (SELECT 1 FROM assigned WHERE workspace_id = $1 AND person = {} AND intervention_id = interventions.id)",
                args.add(person.as_str().into())
            ));
        }
        if let Some((late, at)) = self.overdue {
            let at = args.add(at.into());
            clauses.push(if late {
                format!("status = 'pending' AND due_at < {at}")
            } else {
                format!("(status <> 'pending' OR due_at IS NULL OR due_at >= {at})")
            });
        }
        clauses.join(" AND ")
    }

    /// Equality, and the cursor.
    fn plain(&self, args: &mut Args) -> Vec<String> {
        let mut clauses = vec!["workspace_id = $1".to_owned()];
        for (column, value) in &self.equals {
            clauses.push(format!("{column} = {}", args.add(value.clone())));
            // As the index of rooms that belong to no process says it.
            if *column == "type"
                && matches!(value, Value::Text(text) if OTHER_ROOMS.contains(&text.as_str()))
            {
                clauses.push(format!("type <> '{}'", RoomType::Process.as_str()));
            }
        }
        if let Some(id) = self.after {
            clauses.push(format!("id < {}", args.add(id.into())));
        }
        clauses
    }

    /// The text that a column must be equal to, if it must.
    pub(crate) fn text_of(&self, column: &str) -> Option<&str> {
        let mut equals = self.equals.iter();
        match equals.find(|(name, _)| *name == column) {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    fn asks_for(&self, column: &str) -> bool {
        self.equals.iter().any(|(name, _)| *name == column)
    }

    /// Whether nothing but a status or a type must be equal.
    fn names_cells(&self) -> bool {
        let mut equals = self.equals.iter();
        equals.all(|(name, _)| matches!(*name, "status" | "type"))
    }

    /// Whether nothing but a part of the name is asked for.
    pub(crate) fn is_by_name_alone(&self) -> bool {
        self.equals.is_empty() && self.assignee.is_none() && self.overdue.is_none()
    }
}

/// Types of rooms of which a team may have few among those of its processes.
const OTHER_ROOMS: [&str; 2] = [RoomType::Team.as_str(), RoomType::Workspace.as_str()];

/// A text that LIKE takes as it is, with `ESCAPE '\\'`.
pub(crate) fn literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// What is on it.
    pub items: Vec<Json>,
    /// It has fewer than were asked for, as those have enough bytes; there may be more.
    pub cut: bool,
}

impl std::ops::Deref for Page {
    type Target = Vec<Json>;

    fn deref(&self) -> &Vec<Json> {
        &self.items
    }
}

impl From<Vec<Json>> for Page {
    fn from(items: Vec<Json>) -> Self {
        Self { items, cut: false }
    }
}

impl Store {
    /// A page of resources, newest first.
    pub async fn list(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
    ) -> Result<Page, Error> {
        let (rows, cut) = self.page_of(thing, workspace, filter).await?;
        let mut page = self.shown(thing, &rows).await?;
        page.cut |= cut;
        Ok(page)
    }

    async fn page_of(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
    ) -> Result<(Vec<Row>, bool), Error> {
        // Every name contains nothing.
        let search = filter.search.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = search.filter(|_| names::are_kept(thing)) {
            return self.named(thing, workspace, filter, text).await;
        }
        if (filter.assignee.is_some() || filter.overdue.is_some()) && filter.names_cells() {
            return self.questions(workspace, filter).await;
        }
        let mut args = Args::new(workspace);
        let table = thing.table();
        // SQLite keeps no count of what there is, so it cannot tell which filter leaves the least to read: it is told.
        let by = match (self, thing) {
            (
                Self::Sqlite(_),
                Thing::Intervention | Thing::Handoff | Thing::Communication | Thing::Alert,
            ) if filter.asks_for("process_id") => format!(" INDEXED BY {table}_by_process"),
            _ => String::new(),
        };
        let page = format!(
            "{table}{by} WHERE {} ORDER BY id",
            filter.clauses(&mut args)
        );
        let sql = format!(
            "SELECT {} FROM {page} DESC LIMIT {}",
            thing.columns(),
            filter.limit.max(1)
        );
        self.query_page(&sql, args.take()).await
    }
}
