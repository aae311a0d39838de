//! What a store's schema is, read from the database itself and put into words that both databases share.

use std::collections::{BTreeMap, BTreeSet};

use storage::Store;

/// A table: what of it must be the same on both databases.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Name, type (as SQLite spells it), nullability and default.
    pub columns: BTreeMap<String, String>,
    /// The columns of the primary key, in order.
    pub key: Vec<String>,
    /// Columns, uniqueness and predicate of each index, by name.
    pub indexes: BTreeMap<String, String>,
    /// `columns -> table (columns)`.
    pub foreign_keys: BTreeSet<String>,
}

/// Every table of a store.
pub async fn tables(store: &Store) -> BTreeMap<String, Table> {
    match store.kind() {
        "sqlite" => sqlite(store).await,
        _ => postgres(store).await,
    }
}

async fn sqlite(store: &Store) -> BTreeMap<String, Table> {
    let all = store
        .query(
            "SELECT name, COALESCE(sql, '') FROM sqlite_master WHERE type = 'table' ORDER BY name",
            Vec::new(),
        )
        .await
        .unwrap();
    // Full text is each database's own affair: a virtual table here, and what it keeps its words in.
    let own: Vec<String> = all
        .iter()
        .filter(|row| row.text(1).to_uppercase().starts_with("CREATE VIRTUAL"))
        .map(|row| row.text(0).to_owned())
        .collect();
    let mut tables = BTreeMap::new();
    for row in all {
        let name = row.text(0);
        if name.starts_with("sqlite_")
            || own
                .iter()
                .any(|o| name == o || name.starts_with(&format!("{o}_")))
        {
            continue;
        }
        assert!(
            row.text(1).to_uppercase().ends_with("STRICT") || name == "schema_version",
            "{name} is not STRICT: SQLite would take any type"
        );
        tables.insert(name.to_owned(), sqlite_table(store, name).await);
    }
    tables
}

async fn sqlite_table(store: &Store, name: &str) -> Table {
    let mut table = Table::default();
    let sql = "SELECT name, type, \"notnull\", pk, dflt_value FROM pragma_table_info($1) ORDER BY pk, cid";
    for row in store.query(sql, vec![name.into()]).await.unwrap() {
        // The number that every row has anyway, with a name: what a full text points to. The key is then what is unique beside it.
        if row.text(0) == "rowid" {
            let sql = "SELECT i.name FROM pragma_index_list($1) l, pragma_index_info(l.name) i WHERE l.origin = 'u' ORDER BY i.seqno";
            let key = store.query(sql, vec![name.into()]).await.unwrap();
            table.key = key.iter().map(|r| r.text(0).to_owned()).collect();
            continue;
        }
        let in_key = row.int(3) > 0;
        if in_key {
            table.key.push(row.text(0).to_owned());
        }
        // SQLite would let a primary key be NULL, were the table not STRICT.
        let nullable = row.int(2) == 0 && !in_key;
        let kind = if row.text(1) == "BIGINT" {
            "INTEGER"
        } else {
            row.text(1)
        };
        table
            .columns
            .insert(row.text(0).to_owned(), column(kind, nullable, row.text(4)));
    }
    let sql = "SELECT l.name, l.\"unique\", COALESCE(m.sql, '') FROM pragma_index_list($1) l \
               JOIN sqlite_master m ON m.name = l.name WHERE l.origin = 'c'";
    for row in store.query(sql, vec![name.into()]).await.unwrap() {
        let sql = "SELECT COALESCE(name, '(expression)') FROM pragma_index_info($1) ORDER BY seqno";
        let columns = store.query(sql, vec![row.text(0).into()]).await.unwrap();
        let predicate = row.text(2).split_once(" WHERE ").map_or("", |(_, p)| p);
        let columns: Vec<&str> = columns.iter().map(|c| c.text(0)).collect();
        table.indexes.insert(
            row.text(0).to_owned(),
            index(&columns, row.int(1) == 1, predicate),
        );
    }
    let sql = "SELECT id, \"from\", \"table\", \"to\", on_delete FROM pragma_foreign_key_list($1) ORDER BY id, seq";
    let mut keys: BTreeMap<i64, (Vec<String>, String, Vec<String>, String)> = BTreeMap::new();
    for row in store.query(sql, vec![name.into()]).await.unwrap() {
        let key = keys.entry(row.int(0)).or_default();
        key.0.push(row.text(1).to_owned());
        key.1 = row.text(2).to_owned();
        key.2.push(row.text(3).to_owned());
        key.3 = row.text(4).to_owned();
    }
    for (from, to, columns, on_delete) in keys.into_values() {
        table
            .foreign_keys
            .insert(foreign_key(&from, &to, &columns, &on_delete));
    }
    table
}

async fn postgres(store: &Store) -> BTreeMap<String, Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let sql = "SELECT t.table_name::text, c.column_name::text, c.data_type::text, c.is_nullable::text, \
               COALESCE(c.column_default, '')::text \
               FROM information_schema.tables t JOIN information_schema.columns c USING (table_schema, table_name) \
               WHERE t.table_schema = 'public' AND t.table_type = 'BASE TABLE'";
    for row in store.query(sql, Vec::new()).await.unwrap() {
        let kind = match row.text(2) {
            "bigint" | "integer" => "INTEGER",
            "text" => "TEXT",
            "uuid" | "bytea" => "BLOB",
            "double precision" => "REAL",
            // Full text is each database's own affair.
            "tsvector" => continue,
            other => panic!(
                "{}.{} has the type {other}, which SQLite has no match for",
                row.text(0),
                row.text(1)
            ),
        };
        let table = tables.entry(row.text(0).to_owned()).or_default();
        let default = row.text(4).split("::").next().unwrap_or_default();
        table.columns.insert(
            row.text(1).to_owned(),
            column(kind, row.text(3) == "YES", default),
        );
    }
    let sql = "SELECT t.relname::text, i.relname::text, x.indisunique::int, x.indisprimary::int, \
               COALESCE(pg_get_expr(x.indpred, x.indrelid), '')::text, \
               array_to_string(ARRAY(SELECT COALESCE(a.attname::text, '(expression)') \
                   FROM unnest(x.indkey) WITH ORDINALITY k (n, place) \
                   LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.n ORDER BY k.place), ',')::text \
               FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
               JOIN pg_am m ON m.oid = i.relam JOIN pg_namespace n ON n.oid = t.relnamespace \
               WHERE n.nspname = 'public' AND m.amname = 'btree'";
    for row in store.query(sql, Vec::new()).await.unwrap() {
        let table = tables.get_mut(row.text(0)).unwrap();
        let columns: Vec<&str> = row.text(5).split(',').collect();
        if row.int(3) == 1 {
            table.key = columns.iter().map(|c| (*c).to_owned()).collect();
        } else {
            table.indexes.insert(
                row.text(1).to_owned(),
                index(&columns, row.int(2) == 1, row.text(4)),
            );
        }
    }
    let sql = "SELECT t.relname::text, f.relname::text, \
               array_to_string(ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (n, place) \
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.place), ',')::text, \
               array_to_string(ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (n, place) \
                   JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.place), ',')::text, \
               CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' ELSE 'NO ACTION' END::text \
               FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class f ON f.oid = c.confrelid \
               WHERE c.contype = 'f'";
    for row in store.query(sql, Vec::new()).await.unwrap() {
        let list = |n: usize| {
            row.text(n)
                .split(',')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let key = foreign_key(&list(2), row.text(1), &list(3), row.text(4));
        tables
            .get_mut(row.text(0))
            .unwrap()
            .foreign_keys
            .insert(key);
    }
    tables
}

fn column(kind: &str, nullable: bool, default: &str) -> String {
    let null = if nullable { "" } else { " NOT NULL" };
    let default = if default.is_empty() {
        String::new()
    } else {
        format!(" DEFAULT {default}")
    };
    format!("{kind}{null}{default}")
}

fn index(columns: &[&str], unique: bool, predicate: &str) -> String {
    let unique = if unique { "UNIQUE " } else { "" };
    let plain = predicate
        .replace("::text", "")
        .replace("~~", "LIKE")
        .replace(['(', ')', ';'], "")
        .trim()
        .to_owned();
    let predicate = if plain.is_empty() {
        String::new()
    } else {
        format!(" WHERE {plain}")
    };
    format!("{unique}({}){predicate}", columns.join(", "))
}

fn foreign_key(from: &[String], to: &str, columns: &[String], on_delete: &str) -> String {
    format!(
        "({}) -> {to} ({}) {on_delete}",
        from.join(", "),
        columns.join(", ")
    )
}
