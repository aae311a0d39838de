//! Values, statements and transactions: what the rest is built on.

use std::time::Duration;

use storage::db::{Kind, Table, Value, marks};
use storage::{Error, Store};
use uuid::Uuid;

use crate::backend::on_both;

const TABLE: &str =
    "CREATE TABLE things (id UUIDTYPE NOT NULL PRIMARY KEY, number BIGINT, text TEXT)";

static THINGS: Table = Table {
    name: "things",
    columns: &[
        ("id", Kind::Uuid),
        ("number", Kind::Int),
        ("text", Kind::Text),
    ],
    key: Some(&["id"]),
    once: &[],
};
static ONCE: Table = Table {
    name: "things",
    columns: &[
        ("id", Kind::Uuid),
        ("number", Kind::Int),
        ("text", Kind::Text),
    ],
    key: None,
    once: &[],
};

async fn with_table(store: &Store) {
    let kind = if store.kind() == "sqlite" {
        "BLOB"
    } else {
        "UUID"
    };
    let mut tx = store.begin().await.unwrap();
    tx.script(&TABLE.replace("UUIDTYPE", kind)).await.unwrap();
    tx.commit().await.unwrap();
}

fn row(id: u128, number: impl Into<Value>, text: impl Into<Value>) -> Vec<Value> {
    vec![Uuid::from_u128(id).into(), number.into(), text.into()]
}

async fn count(store: &Store) -> i64 {
    store
        .query("SELECT COUNT(*) FROM things", Vec::new())
        .await
        .unwrap()[0]
        .int(0)
}

on_both! {
    async fn every_value_comes_back_as_it_was_written(backend) {
        let store = backend.store;
        with_table(&store).await;
        let texts = ["", "plain", "ünïcödé 🎼 \"quoted\" \\ % _", "{\"a\":1.0,\"a\":2}\n\t"];
        let numbers = [0, -1, i64::MAX, i64::MIN];
        let mut rows: Vec<Vec<Value>> = texts.iter().zip(numbers).enumerate()
            .map(|(n, (text, number))| row(n as u128, number, *text)).collect();
        rows.push(row(u128::MAX, Value::Null, Value::Null));
        let mut tx = store.begin().await.unwrap();
        tx.write(&THINGS, rows).await.unwrap();
        tx.commit().await.unwrap();
        let found = store.query("SELECT id, number, text FROM things ORDER BY id", Vec::new()).await.unwrap();
        for (n, (text, number)) in texts.iter().zip(numbers).enumerate() {
            assert_eq!(found[n].uuid(0), Uuid::from_u128(n as u128));
            assert_eq!((found[n].int(1), found[n].text(2)), (number, *text));
        }
        let last = &found[texts.len()];
        assert_eq!(last.uuid(0), Uuid::from_u128(u128::MAX));
        assert!(last.is_null(1) && last.is_null(2) && last.is_null(9));
        assert_eq!((last.int(1), last.count(1), last.text(2), last.uuid(2)), (0, 0, "", Uuid::nil()));
        // Each kind of argument finds its row again, in a list too.
        let one = Uuid::from_u128(1);
        let by_id = store.query("SELECT text FROM things WHERE id = $1", vec![one.into()]).await.unwrap();
        assert_eq!(by_id[0].text(0), texts[1]);
        let by_text = store.query("SELECT id FROM things WHERE text = $1", vec![texts[2].into()]).await.unwrap();
        assert_eq!(by_text[0].uuid(0), Uuid::from_u128(2));
        let sql = format!("SELECT id FROM things WHERE number IN ({}) ORDER BY id", marks(1, 2));
        let by_number = store.query(&sql, vec![i64::MAX.into(), i64::MIN.into()]).await.unwrap();
        assert_eq!(by_number.len(), 2);
    }

    async fn many_rows_are_written_at_once_and_replace_those_that_exist(backend) {
        let store = backend.store;
        with_table(&store).await;
        // Around the sizes of the statements that SQLite gets (1, 2, 4… 32 rows).
        let mut total = 0u128;
        for n in [0u128, 1, 2, 3, 31, 32, 33, 64, 127] {
            let mut tx = store.begin().await.unwrap();
            tx.write(&THINGS, (total..total + n).map(|i| row(i, i as i64, "first")).collect()).await.unwrap();
            tx.commit().await.unwrap();
            total += n;
            assert_eq!(count(&store).await, total as i64, "after {n} more");
        }
        let mut tx = store.begin().await.unwrap();
        tx.write(&THINGS, vec![row(0, 7i64, "second"), row(total, 8i64, "new")]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count(&store).await, total as i64 + 1);
        let first = store.query("SELECT number, text FROM things WHERE id = $1", vec![Uuid::nil().into()]).await.unwrap();
        assert_eq!((first[0].int(0), first[0].text(1)), (7, "second"));
    }

    async fn a_row_that_must_be_new_is_refused_when_it_is_not(backend) {
        let store = backend.store;
        with_table(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.write(&ONCE, vec![row(1, 1i64, "a")]).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let error = tx.write(&ONCE, vec![row(2, 1i64, "b"), row(1, 1i64, "c")]).await.unwrap_err();
        assert!(!error.is_transient(), "trying again would not help: {error}");
        drop(tx);
        assert_eq!(count(&store).await, 1, "nothing of the statement stays");
    }

    async fn a_transaction_that_is_dropped_leaves_nothing(backend) {
        let store = backend.store;
        with_table(&store).await;
        let mut tx = store.begin().await.unwrap();
        let insert = "INSERT INTO things (id, number) VALUES ($1, $2)";
        assert_eq!(tx.execute(insert, vec![Uuid::nil().into(), 1i64.into()]).await.unwrap(), 1);
        assert_eq!(tx.query("SELECT id FROM things", Vec::new()).await.unwrap().len(), 1, "it sees its own writes");
        assert_eq!(count(&store).await, 0, "nobody else does");
        drop(tx);
        assert_eq!(count(&store).await, 0);
        let mut tx = store.begin().await.unwrap();
        tx.execute(insert, vec![Uuid::nil().into(), 1i64.into()]).await.unwrap();
        let changed = tx.execute("UPDATE things SET number = 2 WHERE number > $1", vec![0i64.into()]).await.unwrap();
        assert_eq!(changed, 1);
        tx.commit().await.unwrap();
        assert_eq!(count(&store).await, 1);
        let mut read = store.begin_read().await.unwrap();
        assert_eq!(read.query("SELECT number FROM things", Vec::new()).await.unwrap()[0].int(0), 2);
        read.commit().await.unwrap();
    }

    async fn writers_wait_for_one_another_and_nobody_is_turned_away(backend) {
        let store = backend.store;
        with_table(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute("INSERT INTO things (id, number) VALUES ($1, 0)", vec![Uuid::nil().into()]).await.unwrap();
        tx.commit().await.unwrap();
        let writers = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut tx = store.begin().await.unwrap();
                    let sql = format!("SELECT number FROM things{}", tx.for_update());
                    let number = tx.query(&sql, Vec::new()).await.unwrap()[0].int(0);
                    tx.execute("UPDATE things SET number = $1", vec![(number + 1).into()]).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let number = store.query("SELECT number FROM things", Vec::new()).await.unwrap()[0].int(0);
        assert_eq!(number, 80, "no increment was lost");
    }

    async fn time_is_the_databases_and_goes_forward(backend) {
        let store = backend.store;
        let mut tx = store.begin().await.unwrap();
        let first = tx.now().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let second = tx.now().await.unwrap();
        assert!(second > first, "within a transaction too");
        let ours = chrono::Utc::now().timestamp_micros();
        assert!((second.0 - ours).abs() < 60_000_000, "microseconds since 1970: {second} here, {ours} there");
    }
}

#[tokio::test]
async fn a_url_that_names_no_database_says_what_would() {
    for url in [
        "mysql://x",
        "nonsense",
        "sqlite:///no/such/folder/x.db",
        "postgres://[bad",
    ] {
        let error = Store::connect(url).await.unwrap_err();
        assert!(matches!(error, Error::Url(_)), "{url}: {error:?}");
        assert!(error.to_string().contains("sqlite://FILE"), "{error}");
    }
}
