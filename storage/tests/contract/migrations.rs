//! Migrations: the same schema on both databases; up, down and up again with data; a store that is too new says so.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use storage::migrate::latest;
use storage::{Error, Store};

use crate::backend::{Backend, on_both};
use crate::clerk::Clerk;
use crate::schema::{Table, tables};

/// A little of everything that a store keeps.
async fn fill(store: &Store, space: &str) {
    let mut clerk = Clerk::open(store, space).await;
    clerk.register("ann", &["dig"], 2).await;
    let team = clerk.team("Team", &["ann"]).await;
    let steps = json!([{"key": "dig", "name": "Dig"}, {"key": "rest", "name": "Rest", "dependencies": ["dig"]}]);
    let room = clerk.process("Process", team, steps, json!({})).await;
    let attempt = clerk.claim(room, "dig", "ann").await;
    clerk
        .ask(
            room,
            "ann",
            attempt,
            json!({"type": "input", "description": "How deep?", "assignees": ["eve"]}),
        )
        .await;
    clerk.verified().await;
}

async fn rows(store: &Store, tables: &BTreeMap<String, Table>) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for table in tables.keys() {
        let found = store
            .query(&format!("SELECT COUNT(*) FROM {table}"), Vec::new())
            .await
            .unwrap();
        counts.insert(table.clone(), found[0].int(0));
    }
    counts
}

on_both! {
    async fn migrating_again_changes_nothing(backend) {
        let store = backend.store;
        assert_eq!(store.schema_version().await.unwrap(), 0);
        let all: Vec<i64> = (1..=latest()).collect();
        assert_eq!(store.migrate().await.unwrap(), all, "each version, in order, with no gap");
        assert_eq!(store.schema_version().await.unwrap(), latest());
        assert_eq!(store.migrate().await.unwrap(), Vec::<i64>::new());
    }

    async fn nodes_that_start_at_once_migrate_once(backend) {
        let stores: Vec<Store> = {
            let mut stores = vec![backend.store.clone()];
            for _ in 0..3 {
                stores.push(Store::connect(&backend.url).await.unwrap());
            }
            stores
        };
        let runs: Vec<_> = stores.into_iter().map(|s| tokio::spawn(async move { s.migrate().await.unwrap() })).collect();
        let mut applied = Vec::new();
        for run in runs {
            applied.extend(run.await.unwrap());
        }
        applied.sort_unstable();
        assert_eq!(applied, (1..=latest()).collect::<Vec<_>>(), "each version by one of them");
    }

    async fn every_version_goes_down_and_up_again_with_data(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let whole = tables(&store).await;
        for depth in 1..=latest() {
            fill(&store, &format!("space-{depth}")).await;
            let before = rows(&store, &whole).await;
            let undone = store.migrate_down(depth as usize).await.unwrap();
            let expected: Vec<i64> = (latest() - depth + 1..=latest()).rev().collect();
            assert_eq!(undone, expected);
            assert_eq!(store.schema_version().await.unwrap(), latest() - depth);
            let left = tables(&store).await;
            if depth == latest() {
                let names: Vec<&String> = left.keys().collect();
                assert_eq!(names, ["schema_version"], "nothing stays behind");
            }
            // What a version did not make, its way down does not touch.
            for (table, count) in rows(&store, &left).await {
                if table != "schema_version" && left.get(&table) == whole.get(&table) {
                    assert_eq!(Some(&count), before.get(&table), "{table} after {depth} down");
                }
            }
            let redone: Vec<i64> = (latest() - depth + 1..=latest()).collect();
            assert_eq!(store.migrate().await.unwrap(), redone);
            let again = tables(&store).await;
            for (name, table) in &whole {
                assert_eq!(again.get(name), Some(table), "{name} after {depth} down and up");
            }
            assert_eq!(again.len(), whole.len());
            // What the newest makes of what is there is what would have been written.
            if depth == 1 {
                assert_eq!(store.verify().await.unwrap().problems, Vec::<String>::new());
            }
        }
        fill(&store, "after").await;
        assert!(store.migrate_down(usize::MAX).await.unwrap().len() == latest() as usize, "more than there are: all");
        assert_eq!(store.migrate_down(1).await.unwrap(), Vec::<i64>::new(), "none are left");
    }

    async fn who_needs_a_store_that_is_there_makes_none_and_takes_no_other_version(backend) {
        let refused = async |what: &str| {
            let error = Store::connect_to_existing(&backend.url).await.unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        };
        refused("the store is empty").await;
        backend.store.migrate().await.unwrap();
        let store = Store::connect_to_existing(&backend.url).await.unwrap();
        assert!(store.workspaces().await.unwrap().is_empty());
        let mut tx = store.begin().await.unwrap();
        tx.execute("DELETE FROM schema_version WHERE version = $1", vec![latest().into()]).await.unwrap();
        if latest() > 1 {
            tx.commit().await.unwrap();
            refused("baton migrate").await;
        }
    }

    async fn a_store_that_is_too_new_is_left_alone(backend) {
        let backend = backend.migrated().await;
        let store = backend.store.clone();
        let newer = latest() + 1;
        let run = async |sql: &str, value: i64| {
            let mut tx = store.begin().await.unwrap();
            tx.execute(sql, vec![value.into()]).await.unwrap();
            tx.commit().await.unwrap();
        };
        run("INSERT INTO schema_version (version) VALUES ($1)", newer).await;
        // A newer node beside this one has moved the schema, and writes nothing yet that this one cannot read.
        assert_eq!(store.migrate().await.unwrap(), Vec::<i64>::new());
        let error = store.migrate_down(1).await.unwrap_err().to_string();
        assert!(error.contains(&newer.to_string()) && error.contains("newer baton"), "{error}");
        // Once the level is raised, this one stays away.
        run("UPDATE store SET level = $1 WHERE id = 1", 99).await;
        let refusals = [store.migrate().await.err(), store.migrate_down(1).await.err(), Store::connect_to_existing(&backend.url).await.err()];
        for error in refusals {
            let error = error.unwrap();
            assert!(matches!(error, Error::Schema(_)), "{error:?}");
            assert!(error.to_string().contains("level 99") && error.to_string().contains("newer baton"), "{error}");
        }
        assert_eq!(store.schema_version().await.unwrap(), newer);
        fill(&store, "still there").await;
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_not_made_by_who_needs_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("typo.db");
    let error = Store::connect_to_existing(&format!("sqlite://{}", file.display()))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("there is no store at"),
        "{error}"
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let sqlite = Backend::sqlite().await.migrated().await;
    let here = tables(&sqlite.store).await;
    assert!(
        here.len() > 15,
        "introspection finds the tables: {:?}",
        here.keys()
    );
    let Some(postgres) = Backend::postgres().await else {
        return;
    };
    let there = tables(&postgres.migrated().await.store).await;
    let names = |all: &BTreeMap<String, Table>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&here), names(&there));
    for (name, table) in &here {
        let Table {
            columns,
            key,
            indexes,
            foreign_keys,
        } = &there[name];
        assert_eq!(
            &table.columns, columns,
            "columns of {name} (SQLite left, Postgres right)"
        );
        assert_eq!(&table.key, key, "primary key of {name}");
        assert_eq!(&table.indexes, indexes, "indexes of {name}");
        // Postgres has none where the statement that writes a row sees to it that its room is there (0012).
        let checked_by_us = ["events", "messages", "timers"].contains(&name.as_str());
        let of_the_room = |key: &&String| !checked_by_us || !key.starts_with("(room_id)");
        let here: BTreeSet<_> = table.foreign_keys.iter().filter(of_the_room).collect();
        assert_eq!(
            here,
            foreign_keys.iter().collect(),
            "foreign keys of {name}"
        );
    }
}
