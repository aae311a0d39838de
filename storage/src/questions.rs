//! Lists of questions to humans: by filters of which each may leave very many, and all together few or none.
//!
//! A question is in one **cell**: what it is (its type) and where it stands (its status), among all questions or in somebody's inbox. One index has
//! each cell in the list's order, and one has what is open of it by when it is due. A list is merged from the cells that it asks for; of each a page is
//! read at most, so what else there is costs nothing. Which of the two indexes leads to what is due, or not due yet, is told by how much of it there is.

use rooms::id::WorkspaceId;
use rooms::model::intervention::{InterventionStatus, InterventionType};

use crate::db::{Error, Row, Store};
use crate::list::Filter;
use crate::names::Args;
use crate::read::Thing;

/// What is due, or not due yet, is sorted while it is at most so many; else it is read in the list's order, past the others.
const FEW: u64 = 1_000;
const PENDING: &str = InterventionStatus::Pending.as_str();

/// When what is open of a cell is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Before that moment.
    Before,
    /// Then or later.
    NotBefore,
    /// At no time.
    Never,
}

/// A part of a list, which an index has in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    status: &'a str,
    /// Of this type alone.
    kind: Option<&'a str>,
    due: Option<Due>,
}

impl Part<'_> {
    /// Whether the time tells what belongs to it.
    fn is_timed(&self) -> bool {
        matches!(self.due, Some(Due::Before | Due::NotBefore))
    }
}

/// The parts that a list of questions consists of; none of an inbox as a whole.
fn parts(filter: &Filter) -> Vec<Part<'_>> {
    let (status, kind) = (filter.text_of("status"), filter.text_of("type"));
    if filter.overdue.is_none() && status.is_none() && kind.is_none() {
        return Vec::new();
    }
    let statuses: Vec<&str> = match status {
        Some(status) => vec![status],
        None => InterventionStatus::ALL
            .map(InterventionStatus::as_str)
            .to_vec(),
    };
    let kinds: Vec<&str> = match kind {
        Some(kind) => vec![kind],
        None => InterventionType::ALL.map(InterventionType::as_str).to_vec(),
    };
    let mut parts = Vec::new();
    for status in statuses {
        let dues: &[Option<Due>] = match filter.overdue {
            Some((true, _)) if status == PENDING => &[Some(Due::Before)],
            Some((true, _)) => &[],
            Some((false, _)) if status == PENDING => &[Some(Due::NotBefore), Some(Due::Never)],
            Some((false, _)) | None => &[None],
        };
        for due in dues {
            // Of all questions, an index has those of one status whatever their type.
            let whole = due.is_none() && kind.is_none() && filter.assignee.is_none();
            let of = |kind| Part {
                status,
                kind,
                due: *due,
            };
            if whole {
                parts.push(of(None));
            } else {
                parts.extend(kinds.iter().map(|kind| of(Some(*kind))));
            }
        }
    }
    parts
}

/// Where questions are read from: all of them, or somebody's inbox. What stands for the values of a statement is in it already.
struct Source {
    sqlite: bool,
    table: &'static str,
    id: &'static str,
    /// The indexes of cells, of what is due, and of a status alone or an inbox as a whole.
    indexes: [&'static str; 3],
    /// The workspace, and the person.
    scope: String,
    /// The list from the cursor on.
    beyond: String,
    at: String,
    limit: u64,
}

impl Source {
    fn new(store: &Store, filter: &Filter, parts: &[Part<'_>], args: &mut Args) -> Self {
        let sqlite = matches!(store, Store::Sqlite(_));
        let (table, id, indexes, scope) = match &filter.assignee {
            Some(person) => (
                "assigned",
                "intervention_id",
                [
                    "assigned_by_status",
                    "assigned_by_due",
                    "sqlite_autoindex_assigned_1",
                ],
                format!(
                    "workspace_id = $1 AND person = {}",
                    args.add(person.as_str().into())
                ),
            ),
            None => (
                "interventions",
                "id",
                [
                    "interventions_by_type",
                    "interventions_by_due",
                    "interventions_by_workspace",
                ],
                "workspace_id = $1".to_owned(),
            ),
        };
        let beyond = match filter.after {
            Some(after) => format!(" AND {id} < {}", args.add(after.into())),
            None => String::new(),
        };
        // A value that nothing asks for would be one too many.
        let at = match filter.overdue {
            Some((_, at)) if parts.iter().any(Part::is_timed) => args.add(at.into()),
            _ => String::new(),
        };
        Self {
            sqlite,
            table,
            id,
            indexes,
            scope,
            beyond,
            at,
            limit: filter.limit.max(1),
        }
    }

    /// SQLite, which does not know how much there is of what, is told the index. Postgres is asked for an order that no other index has, where one
    /// is left; else for columns that no other index has.
    fn from(&self, index: usize) -> String {
        let by = if self.sqlite {
            format!(" INDEXED BY {}", self.indexes[index])
        } else {
            String::new()
        };
        format!("FROM {}{by} WHERE {}", self.table, self.scope)
    }

    fn cell(&self, part: &Part<'_>, args: &mut Args) -> String {
        // As the index of what is due says it.
        let mut cell = match part.status {
            PENDING => format!(" AND status = '{PENDING}'"),
            other => format!(" AND status = {}", args.add(other.into())),
        };
        if let Some(kind) = part.kind {
            cell.push_str(&format!(" AND type = {}", args.add(kind.into())));
        }
        cell
    }

    fn due(&self, part: &Part<'_>) -> String {
        match part.due {
            Some(Due::Before) => format!(" AND due_at < {}", self.at),
            Some(Due::NotBefore) => format!(" AND due_at >= {}", self.at),
            Some(Due::Never) => " AND due_at IS NULL".to_owned(),
            None => String::new(),
        }
    }

    /// The ids of an inbox, as a whole.
    fn whole(&self) -> String {
        let (from, id) = (self.from(2), self.id);
        format!(
            "SELECT {id} AS id {from}{} ORDER BY {id} DESC LIMIT {}",
            self.beyond, self.limit
        )
    }

    /// The ids of a part: a page of them, or all where they are known to be few.
    fn ids(&self, part: &Part<'_>, few: bool, args: &mut Args) -> String {
        let (id, limit) = (self.id, self.limit);
        let (index, order) = match part.due {
            Some(Due::Never) => (1, format!("due_at DESC, {id} DESC LIMIT {limit}")),
            _ if few => (1, "due_at".to_owned()),
            _ if part.kind.is_some() => (0, format!("{id} DESC LIMIT {limit}")),
            _ => (2, format!("{id} DESC LIMIT {limit}")),
        };
        format!(
            "SELECT {id} AS id {}{}{}{} ORDER BY {order}",
            self.from(index),
            self.cell(part, args),
            self.due(part),
            self.beyond
        )
    }

    /// How many there are in a part that is told by time, counted up to one more than [`FEW`].
    fn count(&self, part: &Part<'_>, args: &mut Args) -> String {
        format!(
            "(SELECT COUNT(*) FROM (SELECT 1 {}{}{} ORDER BY due_at LIMIT {}) AS counted)",
            self.from(1),
            self.cell(part, args),
            self.due(part),
            FEW + 1
        )
    }
}

impl Store {
    /// A page of questions that are in somebody's inbox, are overdue or are not.
    pub(crate) async fn questions(
        &self,
        workspace: &WorkspaceId,
        filter: &Filter,
    ) -> Result<(Vec<Row>, bool), Error> {
        let parts = parts(filter);
        let few = self.few(workspace, filter, &parts).await?;
        let mut args = Args::new(workspace);
        let source = Source::new(self, filter, &parts, &mut args);
        let mut all: Vec<String> = parts
            .iter()
            .zip(few)
            .map(|(part, few)| source.ids(part, few, &mut args))
            .collect();
        if filter.assignee.is_some() && filter.overdue.is_none() && filter.equals.is_empty() {
            all.push(source.whole());
        }
        if all.is_empty() {
            return Ok((Vec::new(), false));
        }
        // SQLite takes an order within a part in brackets of its own alone.
        let all: Vec<String> = all
            .iter()
            .enumerate()
            .map(|(n, part)| format!("SELECT id FROM ({part}) AS part_{n}"))
            .collect();
        let page = format!("ORDER BY id DESC LIMIT {}", source.limit);
        let ids = format!(
            "SELECT id FROM ({}) AS found {page}",
            all.join(" UNION ALL ")
        );
        let sql = format!(
            "SELECT {} FROM interventions WHERE {} ORDER BY id DESC",
            Thing::Intervention.columns(),
            self.one_of(&ids)
        );
        self.query_page(&sql, args.take()).await
    }

    /// Of each part, whether it is told by time and has few.
    async fn few(
        &self,
        workspace: &WorkspaceId,
        filter: &Filter,
        parts: &[Part<'_>],
    ) -> Result<Vec<bool>, Error> {
        let mut args = Args::new(workspace);
        let all = Filter {
            after: None,
            ..filter.clone()
        };
        let source = Source::new(self, &all, parts, &mut args);
        let counts: Vec<String> = parts
            .iter()
            .filter(|part| part.is_timed())
            .map(|part| source.count(part, &mut args))
            .collect();
        let mut few = vec![false; parts.len()];
        if counts.is_empty() {
            return Ok(few);
        }
        let sql = format!("SELECT {}", counts.join(", "));
        let rows = self.query_list(&sql, args.take()).await?;
        let timed = few
            .iter_mut()
            .zip(parts)
            .filter(|(_, part)| part.is_timed());
        for (n, (few, _)) in timed.enumerate() {
            *few = rows.first().is_some_and(|row| row.count(n) <= FEW);
        }
        Ok(few)
    }
}
