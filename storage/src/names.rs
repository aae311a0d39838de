//! Lists searched by a part of the name, at a cost that does not grow with how many there are.
//!
//! What many names have is found among the newest of the list. What few have is found by the ends of names ([`crate::suffixes`]): whatever is a part
//! of a name is what one of its ends begins with. Both are one statement, whose second half runs only where the first has not filled the page.

use rooms::id::WorkspaceId;
use rooms::model::room::{OF_PROCESS, RoomType};

use crate::db::{Error, Row, Store, Value};
use crate::list::{Filter, literal};
use crate::read::Thing;
use crate::suffixes::{KEPT, MARK};

/// So many times a page is looked at first, and at least so many rows: what one in so many names has is found there.
const LOOK: (u64, u64) = (2, 100);

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

/// Whether names of these can be found by their ends.
pub(crate) fn are_kept(thing: Thing) -> bool {
    matches!(thing, Thing::Process | Thing::Team | Thing::Room)
}

/// Where things are found whose names contain a text.
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

/// The first text after all those that begin with this one, in the order of their bytes; none where there is none.
fn after_all(text: &str) -> Option<String> {
    let mut letters: Vec<char> = text.chars().collect();
    while let Some(last) = letters.pop() {
        // The range of chars steps over the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// A search in the making.
struct Search<'a> {
    store: &'a Store,
    thing: Thing,
    args: Args,
    /// How much is asked for.
    limit: u64,
    /// What a name that contains the text is like.
    like: String,
    /// What else must hold of a row.
    clauses: String,
    /// Whether the text is all that is asked for.
    alone: bool,
}

/// What the newest did not give is older than they are.
const OLDER: &str = "(SELECT last FROM looked)";

impl Search<'_> {
    /// The statement for a page of those whose names contain the text.
    fn statement(&mut self, text: &str) -> String {
        let (table, columns, limit) = (self.thing.table(), self.thing.columns(), self.limit);
        let look = (limit * LOOK.0).max(LOOK.1);
        let found: String = sources(self.thing, text)
            .into_iter()
            .flat_map(|source| self.older(&source))
            .map(|part| format!(" UNION SELECT id FROM ({part}) AS part"))
            .collect();
        // The names alone are read first, from an index where it has them, and the rows of those that are found.
        let (clauses, like) = (&self.clauses, &self.like);
        let page = format!("SELECT id FROM hits{found} ORDER BY id DESC LIMIT {limit}");
        format!(
            "WITH newest AS MATERIALIZED (SELECT id, name FROM {table} WHERE {clauses} ORDER BY id DESC LIMIT {look}), \
             hits AS MATERIALIZED (SELECT id FROM newest WHERE LOWER(name) LIKE {like} ESCAPE '\\' ORDER BY id DESC LIMIT {limit}), \
             looked AS MATERIALIZED (SELECT CASE WHEN (SELECT COUNT(*) FROM newest) = {look} AND (SELECT COUNT(*) FROM hits) < {limit} THEN {limit} ELSE 0 END AS missing, \
             (SELECT id FROM newest ORDER BY id LIMIT 1) AS last) \
             SELECT {columns} FROM {table} WHERE workspace_id = $1 AND {} ORDER BY id DESC",
            self.store.one_of(&page)
        )
    }

    /// What of older things is read at all, if the newest were too few and not all; and how much of it at most. A condition that is the same for all
    /// rows Postgres asks once, before it reads any. SQLite asks it of each row, but not if none are wanted.
    fn missing(&self) -> (&'static str, String) {
        match self.store {
            Store::Sqlite(_) => ("", "(SELECT missing FROM looked)".to_owned()),
            Store::Postgres(_) => (
                " AND (SELECT missing FROM looked) > 0",
                self.limit.to_string(),
            ),
        }
    }

    /// What finds those of a source that are older than the newest: queries for their ids, each for the newest and for a page at most.
    fn older(&mut self, source: &Source<'_>) -> Vec<String> {
        let (if_missing, limit) = self.missing();
        // What a text is kept as, if that is all of it. The end that is a whole name has a mark, which may stand in a name as well.
        let (kind, whole, kept, exact) = match *source {
            Source::Within(kind, text) => {
                let letters = text.chars().count();
                // Names differ at their ends more often than where they begin.
                let kept = text.chars().skip(letters.saturating_sub(KEPT)).collect();
                (kind, format!("%{}%", literal(text)), kept, letters <= KEPT)
            }
            Source::Beginning(kind, text) => {
                let marked = std::iter::once(MARK).chain(text.chars());
                let kept: String = marked.take(KEPT).collect();
                (kind, format!("{}%", literal(text)), kept, false)
            }
            Source::RoomsOfProcesses => {
                let process = RoomType::Process.as_str();
                return vec![format!(
                    "SELECT id FROM rooms WHERE {} AND type = '{process}'{if_missing} AND id < {OLDER} ORDER BY id DESC LIMIT {limit}",
                    self.clauses
                )];
            }
        };
        let whole = self.args.add(whole.into());
        let wanted = self
            .is_wanted("n.id", true)
            .map_or_else(String::new, |wanted| format!(" AND {wanted}"));
        let unfiled = format!(
            "SELECT n.id FROM names_unfiled n WHERE n.kind = '{kind}' AND n.workspace_id = $1{if_missing} AND n.id < {OLDER} \
             AND n.name LIKE {whole} ESCAPE '\\'{wanted} ORDER BY n.id DESC LIMIT {limit}"
        );
        let beyond = match after_all(&kept) {
            Some(beyond) => format!(" AND s.suffix < {}", self.args.add(beyond.into())),
            None => String::new(),
        };
        let ends = format!(
            "s.range_id = r.id AND s.suffix >= {}{beyond} AND s.id < {OLDER}",
            self.args.add(kept.into())
        );
        let ranges =
            format!("r.kind = '{kind}' AND r.workspace_id = $1{if_missing} AND r.first < {OLDER}");
        // Where nothing else is asked of a row, SQLite need not keep more of a range than the page.
        let (wanted, most) = match self.is_wanted("f.id", exact) {
            None => (String::new(), limit.as_str()),
            Some(wanted) => (format!(" WHERE {wanted}"), "-1"),
        };
        // Range by range, of which only one at a time is sorted, and only until there are enough: what is inside has an order, and what is outside takes
        // the first of it. Ranges are in the order of the ids in them.
        let filed = match self.store {
            Store::Sqlite(_) => format!(
                "SELECT f.id FROM (SELECT DISTINCT s.id FROM name_ranges r CROSS JOIN name_suffixes s WHERE {ranges} AND {ends} \
                 ORDER BY r.first DESC, s.id DESC LIMIT {most}) AS f{wanted} LIMIT {limit}"
            ),
            Store::Postgres(_) => format!(
                "SELECT f.id FROM (SELECT r.id FROM name_ranges r WHERE {ranges} ORDER BY r.first DESC OFFSET 0) AS r \
                 CROSS JOIN LATERAL (SELECT DISTINCT ON (s.id) s.id FROM name_suffixes s WHERE {ends} ORDER BY s.id DESC OFFSET 0) AS f{wanted} LIMIT {limit}"
            ),
        };
        vec![unfiled, filed]
    }

    /// What must hold of the row with this id, beside what its name was found by.
    fn is_wanted(&self, id: &str, exact: bool) -> Option<String> {
        if exact && self.alone {
            return None;
        }
        let (table, clauses, like) = (self.thing.table(), &self.clauses, &self.like);
        // Asked for one by one: as a join it might be done for all at once.
        Some(format!(
            "(SELECT COUNT(*) FROM {table} WHERE {table}.id = {id} AND {clauses} AND LOWER(name) LIKE {like} ESCAPE '\\') = 1"
        ))
    }
}

impl Store {
    /// The page of a list whose names contain the text, newest first.
    pub(crate) async fn named(
        &self,
        thing: Thing,
        workspace: &WorkspaceId,
        filter: &Filter,
        text: &str,
    ) -> Result<(Vec<Row>, bool), Error> {
        let text = text.to_lowercase();
        let mut args = Args::new(workspace);
        let mut search = Search {
            store: self,
            thing,
            limit: filter.limit.max(1),
            clauses: filter.clauses(&mut args),
            like: args.add(format!("%{}%", literal(&text)).into()),
            alone: filter.is_by_name_alone(),
            args,
        };
        let sql = search.statement(&text);
        self.query_page(&sql, search.args.take()).await
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
    fn what_begins_with_a_text_is_before_what_comes_after_all_of_it() {
        for (text, after) in [
            ("ab", Some("ac")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(after_all(text).as_deref(), after);
        }
    }
}
