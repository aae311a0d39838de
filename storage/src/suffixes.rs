//! The index that finds names by a part of them: a suffix index, in ranges of ids.
//!
//! At each place of a name begins one of its ends (a suffix), and whatever is a part of the name is what one of them begins with. Ends are sorted, so
//! those that begin with a text stand together. A list is newest first, though, and its page must not cost a look at all that contain a text: so ends
//! are kept apart by ranges of ids, of some thousand names each, and a search goes from range to range until its page is full.
//!
//! A name is some twenty ends. Whoever writes one (a trigger does, in the same transaction) leaves it in a list of what is unfiled, which searches compare
//! name by name; [`Store::file_names`] files those of a list in which many wait. So a start pays for one row, and what is written into a new range
//! comes in large pieces. What is found does not depend on what has been filed.

use std::time::Instant;

use rooms::id::WorkspaceId;
use uuid::Uuid;

use crate::db::{Conn, Error, Kind, Store, Value, Work};

/// So many characters of an end are kept.
pub(crate) const KEPT: usize = 32;
/// What the end that is a whole name begins with.
pub(crate) const MARK: char = '\u{1}';

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A list with so many unfiled names has them filed.
    pub many: u64,
    /// So many are filed in one transaction. While SQLite writes them, nobody else writes.
    pub part: u64,
    /// A range with so many names is followed by another. A search with nothing to find looks into each range, and one that finds a text that
    /// most have sorts all of a range.
    pub range: u64,
}

impl Sizes {
    /// What suits a store.
    pub fn of(store: &Store) -> Self {
        Self {
            many: 256,
            part: match store {
                Store::Sqlite(_) => 64,
                Store::Postgres(_) => 256,
            },
            range: 4096,
        }
    }
}

/// A list whose names are filed: what it is of, and its workspace.
struct List {
    kind: String,
    workspace: String,
}

impl List {
    fn args(&self) -> Vec<Value> {
        vec![self.kind.as_str().into(), self.workspace.as_str().into()]
    }

    fn args_and<const N: usize>(&self, more: [Value; N]) -> Vec<Value> {
        let mut args = self.args();
        args.extend(more);
        args
    }
}

/// The suffixes of a name as a database tells them: `SELECT DISTINCT {suffix} FROM {of}`.
pub(crate) struct Suffixes {
    pub(crate) suffix: String,
    pub(crate) of: String,
}

/// The suffixes of a name, which is a column of small letters.
pub(crate) fn suffixes(conn: &Conn, name: &str) -> Suffixes {
    match conn {
        Conn::Sqlite(..) => Suffixes {
            suffix: format!(
                "substr(char({}) || {name}, place.key + 1, {KEPT})",
                u32::from(MARK)
            ),
            // As many rows as the name has characters, and one.
            of: format!(
                "json_each('[0' || replace(hex(zeroblob(length({name}))), '00', ',0') || ']') AS place"
            ),
        },
        Conn::Postgres(_) => Suffixes {
            suffix: "suffix".to_owned(),
            of: format!("suffixes({name}) AS suffix"),
        },
    }
}

impl Store {
    /// Files the names of lists in which many wait, of one workspace or of all; how many it filed. It may run on several nodes at once: they take
    /// turns. To look through all takes as long as there are unfiled names, a few in each workspace.
    ///
    /// # Errors
    /// When the database fails. What was filed until then stays so.
    pub async fn file_names(&self, of: Option<&WorkspaceId>, sizes: Sizes) -> Result<u64, Error> {
        let mut args = vec![sizes.many.into()];
        let one = of.map_or("", |workspace| {
            args.push(workspace.as_str().into());
            "WHERE kind IN ('process', 'team', 'room') AND workspace_id = $2"
        });
        let sql = format!(
            "SELECT kind, workspace_id, COUNT(*) FROM names_unfiled {one} GROUP BY kind, workspace_id HAVING COUNT(*) >= $1"
        );
        let mut all = 0;
        for row in self.query(&sql, args).await? {
            let list = List {
                kind: row.text(0).to_owned(),
                workspace: row.text(1).to_owned(),
            };
            let mut wait = row.count(2);
            while wait > 0 {
                let began = Instant::now();
                let filed = self.file_some(&list, sizes).await?;
                // Nobody waits for this: at least as much time is left to everybody else.
                tokio::time::sleep(began.elapsed()).await;
                if filed == 0 {
                    break;
                }
                all += filed;
                wait = wait.saturating_sub(filed);
            }
        }
        Ok(all)
    }

    /// Files the oldest of a list.
    async fn file_some(&self, list: &List, sizes: Sizes) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        tx.alone_at(Work::FilesNames).await?;
        // Whoever is about to remove one does not wait for all of this, nor this for them.
        let free = match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        };
        let sql = format!(
            "SELECT id FROM names_unfiled WHERE kind = $1 AND workspace_id = $2 ORDER BY id LIMIT {}{free}",
            sizes.part
        );
        let rows = tx.query(&sql, list.args()).await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.uuid(0)).collect();
        let Some(&last) = ids.last() else {
            return Ok(0);
        };
        let filed = ids.len() as u64;
        let newest = make_room(&mut tx, list, &ids, sizes.range).await?;
        let sql = "UPDATE name_ranges SET names = names + $2, last = CASE WHEN last < $3 THEN $3 ELSE last END WHERE id = $1";
        let args = vec![newest.into(), filed.into(), last.into()];
        tx.execute(sql, args).await?;

        let Suffixes { suffix, of } = suffixes(&tx, "n.name");
        let sql = format!(
            "INSERT INTO name_suffixes (range_id, suffix, id) WITH n AS MATERIALIZED (SELECT id, name, \
             (SELECT r.id FROM name_ranges r WHERE r.kind = $1 AND r.workspace_id = $2 AND r.first <= names_unfiled.id ORDER BY r.first DESC LIMIT 1) AS range_id \
             FROM names_unfiled WHERE kind = $1 AND workspace_id = $2 AND id {}) \
             SELECT DISTINCT n.range_id, {suffix}, n.id FROM n, {of} ORDER BY 1, 2, 3",
            self.among(Kind::Uuid, 3)
        );
        tx.execute(&sql, list.args_and([Value::Uuids(ids.clone())]))
            .await?;
        let sql = format!(
            "DELETE FROM names_unfiled WHERE kind = $1 AND workspace_id = $2 AND id {}",
            self.among(Kind::Uuid, 3)
        );
        tx.execute(&sql, list.args_and([Value::Uuids(ids)])).await?;
        tx.commit().await?;
        Ok(filed)
    }
}

/// Sees to it that the newest range of a list can take these; which one it is. A name once filed never changes its range: a new one begins after
/// all that the one before has.
async fn make_room(tx: &mut Conn, list: &List, ids: &[Uuid], range: u64) -> Result<i64, Error> {
    let sql = "SELECT id, last, names FROM name_ranges WHERE kind = $1 AND workspace_id = $2 ORDER BY first DESC LIMIT 1";
    let rows = tx.query(sql, list.args()).await?;
    let mut first = Uuid::nil();
    if let Some(row) = rows.first() {
        match ids.iter().find(|id| **id > row.uuid(1)) {
            Some(next) if row.count(2) >= range => first = *next,
            _ => return Ok(row.int(0)),
        }
        // Ranges whose names are all gone. What comes late for one is filed in the range before it.
        let sql = "DELETE FROM name_ranges WHERE kind = $1 AND workspace_id = $2 AND NOT EXISTS (SELECT 1 FROM name_suffixes WHERE range_id = name_ranges.id)";
        tx.execute(sql, list.args()).await?;
    }
    let sql = "SELECT COALESCE(MAX(id), 0) + 1 FROM name_ranges";
    let rows = tx.query(sql, Vec::new()).await?;
    let id = rows.first().map_or(1, |row| row.int(0));
    let sql = "INSERT INTO name_ranges (id, kind, workspace_id, first, last, names) VALUES ($3, $1, $2, $4, $4, 0)";
    tx.execute(sql, list.args_and([id.into(), first.into()]))
        .await?;
    // Before the first there is none.
    let sql = "UPDATE name_ranges SET first = $3 WHERE first <> $3 AND kind = $1 AND workspace_id = $2 AND id = \
               (SELECT id FROM name_ranges WHERE kind = $1 AND workspace_id = $2 ORDER BY first LIMIT 1)";
    tx.execute(sql, list.args_and([Uuid::nil().into()])).await?;
    Ok(id)
}
