//! Lists searched by a part of the name, at a cost that does not grow with how many there are.
//!
//! What many names have is found among the newest of the list within a few looks. What few have is found by the pieces of three characters
//! that names are kept in beside the tables (migrations 15 and 16). Which of the two it is shows when the newest have been looked at. Either way a name
//! is compared as a whole in the end, so what is found, and its order, depends on neither.

use rooms::id::WorkspaceId;
use rooms::model::room::{OF_PROCESS, RoomType};
use uuid::Uuid;

use crate::db::{Error, Row, Store, Value};
use crate::list::{Filter, literal};
use crate::read::Thing;

/// So many times a page is looked at first, and at least so many rows.
const FIRST_LOOK: (u64, u64) = (2, 100);
/// Each further look takes so many times as many rows.
const GROWTH: u64 = 4;
/// Where fewer than one in so many of the newest are found, the pieces lead to the rest with less to read: a scan to the end of the page would take
/// longer than to sort all that have the pieces.
const SCARCE: u64 = 64;
/// So many pieces of a text are asked for. More would take longer to intersect than to compare what they leave out.
const PIECES: usize = 4;

/// A statement in the making: its arguments, by their numbers.
pub(crate) struct Args(Vec<Value>);

impl Args {
    pub(crate) fn new(workspace: &WorkspaceId) -> Self {
        Self(vec![workspace.as_str().into()])
    }

    /// Takes one more; what stands for it.
    pub(crate) fn add(&mut self, value: Value) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }

    pub(crate) fn take(self) -> Vec<Value> {
        self.0
    }
}

/// Whether names of these are kept in pieces.
pub(crate) fn are_kept(thing: Thing) -> bool {
    matches!(thing, Thing::Process | Thing::Team | Thing::Room)
}

/// Where pieces lead to things whose names contain a text.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    /// Names of this kind that contain it.
    Within(&'static str, &'a str),
    /// Names of this kind that begin with it.
    Beginning(&'static str, &'a str),
    /// All rooms of processes.
    RoomsOfProcesses,
}

/// Every source of a list's names that contain the text. The rooms of processes are found by the names of the processes, whose ids they have: kept
/// apart, theirs would cost the start of a process as much again as its own.
fn sources(thing: Thing, text: &str) -> Vec<Source<'_>> {
    let mut sources = vec![Source::Within(thing.name(), text)];
    if thing != Thing::Room {
        return sources;
    }
    let before = OF_PROCESS.to_lowercase();
    if before.contains(text) {
        sources.push(Source::RoomsOfProcesses);
        return sources;
    }
    let process = Thing::Process.name();
    sources.push(Source::Within(process, text));
    // It may begin in what stands before the name, and end in the name.
    let rests = before
        .char_indices()
        .filter_map(|(at, _)| text.strip_prefix(&before[at..]));
    sources.extend(rests.map(|rest| Source::Beginning(process, rest)));
    sources
}

/// The pieces of three characters that a name with this text in it has; of a shorter text, what one of them begins with.
fn pieces(text: &str) -> (Vec<String>, bool) {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < 3 {
        return (vec![text.to_owned()], true);
    }
    let all = letters.len() - 2;
    let taken = all.min(PIECES);
    // Evenly over the text, from its first to its last.
    let place = |n: usize| {
        if taken == 1 {
            0
        } else {
            n * (all - 1) / (taken - 1)
        }
    };
    let mut pieces: Vec<String> = (0..taken)
        .map(|n| letters[place(n)..place(n) + 3].iter().collect())
        .collect();
    pieces.sort_unstable();
    pieces.dedup();
    (pieces, false)
}

fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

/// What the full text of SQLite is asked for: words of hexadecimal digits.
fn for_sqlite(list: &str, text: &str) -> String {
    let (pieces, beginning) = pieces(text);
    let more = if beginning { "*" } else { "" };
    pieces.iter().fold(format!("l{}", hex(list)), |all, piece| {
        format!("{all} AND {}{more}", hex(piece))
    })
}

/// What the full text of Postgres is asked for.
fn for_postgres(list: &str, text: &str) -> String {
    let quoted = |word: &str| format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"));
    let (pieces, beginning) = pieces(text);
    let more = if beginning { ":*" } else { "" };
    pieces.iter().fold(quoted(list), |all, piece| {
        format!("{all} & {}{more}", quoted(piece))
    })
}

impl Store {
    /// The page of a list whose names contain the text, newest first.
    pub(crate) async fn named(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
        text: &str,
    ) -> Result<Vec<Row>, Error> {
        let limit = filter.limit.max(1);
        let text = text.to_lowercase();
        let mut rest = Filter {
            limit,
            ..filter.clone()
        };
        let mut found = Vec::new();
        let (mut look, mut seen) = ((limit * FIRST_LOOK.0).max(FIRST_LOOK.1), 0);
        loop {
            let (rows, last) = self.newest(thing, workspace, &rest, &text, look).await?;
            found.extend(rows);
            rest.limit = limit.saturating_sub(found.len() as u64);
            if rest.limit == 0 || last.is_none() {
                return Ok(found);
            }
            rest.after = last;
            seen += look;
            look *= GROWTH;
            if (found.len() as u64) * SCARCE < seen {
                let rows = self.by_pieces(thing, workspace, &rest, &text);
                found.extend(rows.await?);
                return Ok(found);
            }
        }
    }

    /// Those among the newest of a list whose names contain the text; and the last that was looked at, unless it is the last of all.
    async fn newest(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
        text: &str,
        look: u64,
    ) -> Result<(Vec<Row>, Option<Uuid>), Error> {
        let mut args = Args::new(workspace);
        let clauses = filter.clauses(&mut args);
        let like = args.add(format!("%{}%", literal(text)).into());
        let (table, columns) = (thing.table(), thing.columns());
        // The names alone are read first, from an index where it has them, and the rows of those that are found.
        let ids = format!(
            "SELECT id FROM newest WHERE LOWER(name) LIKE {like} ESCAPE '\\' ORDER BY id DESC LIMIT {}",
            filter.limit
        );
        // One row without a thing where none is found.
        let sql = format!(
            "WITH newest AS MATERIALIZED (SELECT id, name FROM {table} WHERE {clauses} ORDER BY id DESC LIMIT {look}) \
             SELECT {columns}, seen, last FROM (SELECT (SELECT COUNT(*) FROM newest) AS seen, (SELECT id FROM newest ORDER BY id LIMIT 1) AS last) AS looked \
             LEFT JOIN {table} ON {} ORDER BY id DESC",
            self.one_of(&ids)
        );
        let mut rows = self.query_list(&sql, args.take()).await?;
        let width = columns.split(',').count();
        let more = rows
            .first()
            .filter(|row| row.count(width) == look)
            .map(|row| row.uuid(width + 1));
        rows.retain(|row| !row.is_null(1));
        Ok((rows, more))
    }

    /// Those of a list whose names contain the text, found by its pieces.
    async fn by_pieces(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
        text: &str,
    ) -> Result<Vec<Row>, Error> {
        let mut args = Args::new(workspace);
        let clauses = filter.clauses(&mut args);
        let page = format!(" ORDER BY id DESC LIMIT {}", filter.limit);
        let mut parts = Vec::new();
        for source in sources(thing, text) {
            let (kind, text, like) = match source {
                Source::Within(kind, text) => (kind, text, format!("%{}%", literal(text))),
                Source::Beginning(kind, text) => (kind, text, format!("{}%", literal(text))),
                Source::RoomsOfProcesses => {
                    let process = RoomType::Process.as_str();
                    parts.push(format!(
                        "SELECT id FROM rooms WHERE {clauses} AND type = '{process}'{page}"
                    ));
                    continue;
                }
            };
            let list = format!("{kind}:{}", workspace.as_str());
            let (from, wanted) = match self {
                Self::Sqlite(_) => (
                    "name_pieces CROSS JOIN names n ON n.rowid = name_pieces.rowid WHERE name_pieces MATCH",
                    args.add(for_sqlite(&list, text).into()),
                ),
                Self::Postgres(_) => (
                    "names n WHERE name_pieces(n.kind, n.workspace_id, n.name) @@",
                    format!("{}::tsquery", args.add(for_postgres(&list, text).into())),
                ),
            };
            let like = args.add(like.into());
            let beyond = match filter.after {
                Some(id) => format!(" AND n.id < {}", args.add(id.into())),
                None => String::new(),
            };
            // Where nothing else is asked for, the page is cut before its rows are read.
            let cut = if filter.is_by_name_alone() {
                page.as_str()
            } else {
                ""
            };
            parts.push(format!(
                "SELECT n.id FROM {from} {wanted} AND n.name LIKE {like} ESCAPE '\\'{beyond}{cut}"
            ));
        }
        let ids = match parts.as_slice() {
            [one] => one.clone(),
            // SQLite takes an order within a part in brackets of its own alone.
            many => many
                .iter()
                .enumerate()
                .map(|(n, part)| format!("SELECT id FROM ({part}) AS part_{n}"))
                .collect::<Vec<_>>()
                .join(" UNION ALL "),
        };
        let sql = format!(
            "SELECT {} FROM {} WHERE {clauses} AND {}{page}",
            thing.columns(),
            thing.table(),
            self.one_of(&ids)
        );
        // Its plan is the same whatever is asked.
        self.query_planned_once(&sql, args.take()).await
    }

    /// Whether `id` is one of those that a query finds, which is run once and first.
    pub(crate) fn one_of(&self, ids: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("id IN ({ids})"),
            Self::Postgres(_) => format!("id = ANY(ARRAY({ids}))"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_of_a_process_is_found_by_the_name_of_the_process() {
        use Source::{Beginning, RoomsOfProcesses, Within};
        assert_eq!(sources(Thing::Team, "s: b"), [Within("team", "s: b")]);
        assert_eq!(
            sources(Thing::Room, "bee"),
            [Within("room", "bee"), Within("process", "bee")]
        );
        for (text, rest) in [
            (" b", "b"),
            (": bee", "bee"),
            ("s: s: b", "s: b"),
            ("process: 100%", "100%"),
        ] {
            let all = [
                Within("room", text),
                Within("process", text),
                Beginning("process", rest),
            ];
            assert_eq!(sources(Thing::Room, text), all);
        }
        for text in ["s", "cess", "process: "] {
            let all = [Within("room", text), RoomsOfProcesses];
            assert_eq!(sources(Thing::Room, text), all);
        }
    }

    #[test]
    fn a_text_is_asked_for_by_pieces_of_it() {
        assert_eq!(for_sqlite("l", "abcd"), "l6c AND 616263 AND 626364");
        assert_eq!(for_sqlite("l", "é"), "l6c AND c3a9*");
        assert_eq!(for_postgres("l", "abcabc"), "'l' & 'abc' & 'bca' & 'cab'");
        assert_eq!(for_postgres("l", "'\\"), "'l' & '''\\\\':*");
        let long = "0123456789".repeat(20);
        let (pieces, _) = pieces(&long);
        assert!(pieces.len() <= PIECES && pieces.iter().all(|p| long.contains(p)));
        assert!(pieces.contains(&"012".to_owned()) && pieces.contains(&"789".to_owned()));
    }
}
