//! Lists: filtered, newest first, a page at a time.

use rooms::Timestamp;
use rooms::id::WorkspaceId;
use rooms::model::room::RoomType;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::db::{Error, Store, Value};
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
            // The inbox is read from the cursor on as well, or Postgres may walk to it from its beginning.
            let inbox = self.inbox(person, args);
            clauses.push(format!("id IN ({inbox})"));
        }
        match self.overdue {
            // Asked for apart, so that those that are due are found by when, however few or many of all they are.
            Some((true, at)) => clauses.push(format!(
                "id IN (SELECT id FROM interventions WHERE workspace_id = $1 AND {})",
                due("due_at", at, args)
            )),
            Some((false, at)) => clauses.push(not_due(at, args)),
            None => {}
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

    /// The questions that somebody is to answer, from the cursor on.
    fn inbox(&self, person: &str, args: &mut Args) -> String {
        let person = args.add(person.into());
        let on = match self.after {
            Some(id) => format!(" AND intervention_id < {}", args.add(id.into())),
            None => String::new(),
        };
        format!(
            "SELECT intervention_id FROM assigned WHERE workspace_id = $1 AND person = {person}{on}"
        )
    }

    fn value_of(&self, column: &str) -> Option<&Value> {
        let mut equals = self.equals.iter();
        equals.find(|(name, _)| *name == column).map(|(_, v)| v)
    }

    /// Whether nothing but a part of the name is asked for.
    pub(crate) fn is_by_name_alone(&self) -> bool {
        self.equals.is_empty() && self.assignee.is_none() && self.overdue.is_none()
    }
}

/// Types of rooms of which a team may have few among those of its processes.
const OTHER_ROOMS: [&str; 2] = [RoomType::Team.as_str(), RoomType::Workspace.as_str()];

/// An open question that was due before this.
fn due(column: &str, at: Timestamp, args: &mut Args) -> String {
    format!("status = 'pending' AND {column} < {}", args.add(at.into()))
}

/// A question that is not.
fn not_due(at: Timestamp, args: &mut Args) -> String {
    format!(
        "(status <> 'pending' OR due_at IS NULL OR due_at >= {})",
        args.add(at.into())
    )
}

/// Questions that are at most so many are sorted, or looked through for those of somebody's inbox.
const FEW: u64 = 1_000;
const BY_DUE: &str = " INDEXED BY interventions_by_due";

/// A way to a page of a list. SQLite keeps no count of what there is, so it cannot tell which filter leaves the least to read: it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// In the list's order, or that of an index that says what the rows must be equal to.
    Order,
    /// By the process that they belong to.
    Process,
    /// By when they are due.
    Due,
    /// Through the inbox of the one who is to answer.
    Inbox,
}

/// Where SQLite finds a page on this way, and its order.
fn sqlite_page(thing: Thing, filter: &Filter, way: Way, args: &mut Args) -> String {
    let (table, mut order) = (thing.table(), "id");
    let mut from = table.to_owned();
    let mut clauses = filter.plain(args);
    if let Some(person) = &filter.assignee {
        let inbox = filter.inbox(person, args);
        if way == Way::Inbox {
            from = format!("({inbox}) AS inbox CROSS JOIN {table} ON id = intervention_id");
            order = "intervention_id";
        } else {
            clauses.push(format!("EXISTS ({inbox} AND intervention_id = {table}.id)"));
        }
    }
    // With its sign, no index leads by it.
    let column = if way == Way::Due { "due_at" } else { "+due_at" };
    match filter.overdue {
        Some((true, at)) => clauses.push(due(column, at, args)),
        Some((false, at)) => clauses.push(not_due(at, args)),
        None => {}
    }
    match (way, thing) {
        (Way::Due, _) => from.push_str(BY_DUE),
        (
            Way::Process,
            Thing::Intervention | Thing::Handoff | Thing::Communication | Thing::Alert,
        ) => from.push_str(&format!(" INDEXED BY {table}_by_process")),
        _ => {}
    }
    format!("{from} WHERE {} ORDER BY {order}", clauses.join(" AND "))
}

/// A text that LIKE takes as it is, with `ESCAPE '\\'`.
pub(crate) fn literal(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}

impl Store {
    /// A page of resources, newest first.
    pub async fn list(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
    ) -> Result<Vec<Json>, Error> {
        // Every name contains nothing.
        let search = filter.search.as_deref().filter(|text| !text.is_empty());
        if let Some(text) = search.filter(|_| names::are_kept(thing)) {
            let rows = self.named(thing, workspace, filter, text).await?;
            return self.shown(thing, &rows).await;
        }
        let mut args = Args::new(workspace);
        let page = match self {
            Self::Postgres(_) => {
                let clauses = filter.clauses(&mut args);
                format!("{} WHERE {clauses} ORDER BY id", thing.table())
            }
            Self::Sqlite(_) => {
                let way = self.way(workspace, filter).await?;
                sqlite_page(thing, filter, way, &mut args)
            }
        };
        let sql = format!(
            "SELECT {} FROM {page} DESC LIMIT {}",
            thing.columns(),
            filter.limit.max(1)
        );
        let rows = self.query_list(&sql, args.take()).await?;
        self.shown(thing, &rows).await
    }

    /// The way on which SQLite finds a page with the least to read.
    async fn way(&self, workspace: &WorkspaceId, filter: &Filter) -> Result<Way, Error> {
        if filter.value_of("process_id").is_some() {
            return Ok(Way::Process);
        }
        if let Some((true, at)) = filter.overdue {
            let mut args = Args::new(workspace);
            let due = format!("workspace_id = $1 AND {}", due("due_at", at, &mut args));
            if self.are_few(&format!("{BY_DUE} WHERE {due}"), args).await? {
                return Ok(Way::Due);
            }
        }
        if filter.assignee.is_none() {
            return Ok(Way::Order);
        }
        if filter.equals.is_empty() {
            return Ok(Way::Inbox);
        }
        let mut args = Args::new(workspace);
        let equal = Filter {
            equals: filter.equals.clone(),
            ..Filter::default()
        };
        let equal = equal.plain(&mut args).join(" AND ");
        let few = self.are_few(&format!(" WHERE {equal}"), args).await?;
        Ok(if few { Way::Order } else { Way::Inbox })
    }

    /// Whether only a few questions are found there.
    async fn are_few(&self, there: &str, args: Args) -> Result<bool, Error> {
        let sql = format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM interventions{there} LIMIT {})",
            FEW + 1
        );
        let rows = self.query(&sql, args.take()).await?;
        Ok(rows.first().is_none_or(|r| r.count(0) <= FEW))
    }
}
