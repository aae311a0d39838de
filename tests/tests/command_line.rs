//! The command line, as an operator types it: what it prints, what it refuses, and with which exit code.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

use std::process::{Output, Stdio};
use std::str::FromStr;

use serde_json::{Value, json};
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, baton};
use tests::{Database, Hub, SOON, on_both_databases, text};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// Runs it to its end: whether it succeeded, what it printed, and what it complained of.
async fn run(database: &Database, arguments: &[&str]) -> (bool, String, String) {
    let ran = baton(database)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = timeout(SOON, ran)
        .await
        .expect("it ends by itself")
        .unwrap();
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.success(), read(&stdout), read(&stderr))
}

async fn done(database: &Database, arguments: &[&str]) -> String {
    let (success, said, complaint) = run(database, arguments).await;
    assert!(success, "{arguments:?}: {said}{complaint}");
    said
}

async fn refused(database: &Database, arguments: &[&str], why: &str) {
    let (success, said, complaint) = run(database, arguments).await;
    assert!(!success, "{arguments:?} must fail: {said}");
    assert!(
        complaint.contains(why),
        "{arguments:?}: {why:?} is not in {complaint:?}"
    );
}

fn json_of(text: &str) -> Value {
    Value::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

on_both_databases! {
    async fn migrations_go_up_and_down_and_up_again(database: Database) {
        let first = done(&database, &["migrate"]).await;
        let count = first.split(['[', ']']).nth(1).unwrap().split(',').count();
        assert!(first.contains(&format!("the schema has version {count}")), "{first}");
        assert!(done(&database, &["migrate"]).await.contains("applied: []"), "nothing is left to do");
        assert!(done(&database, &["migrate", "--down", "2"]).await.contains(&format!("[{count}, {}]", count - 1)));
        assert!(done(&database, &["migrate"]).await.contains(&format!("[{}, {count}]", count - 1)));
        // All of them; and the store is as good as new.
        let all = done(&database, &["migrate", "--down", &count.to_string()]).await;
        assert_eq!(all.matches(',').count() + 1, count, "{all}");
        let mut hub = Hub::start(database).await;
        let _ = hub.admin.get("/workspaces").await.expect(200);
        hub.server.kill().await;
        assert!(done(&hub.server.database, &["verify"]).await.contains(" 0 problems"));
        refused(&hub.server.database, &["migrate", "--down", "many"], "invalid value 'many'").await;
    }

    async fn keys_are_made_listed_and_revoked_beside_a_running_server(database: Database) {
        let hub = Hub::start(database).await;
        let database = &hub.server.database;
        let made = json_of(&done(database, &["keys", "create", "--principal", "user:ann", "--permission", "write", "--json"]).await);
        let mut fields: Vec<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["id", "key"]);
        let ann = Rest::new(&hub.server.url(), &text(&made, "/key"));
        let me = ann.get("/me").await.expect(200);
        assert_eq!(me["principal"]["id"], "ann", "{me:#}");
        let listed = json_of(&done(database, &["keys", "list", "--json"]).await);
        assert!(!listed.to_string().contains(&text(&made, "/key")), "a secret is shown once");
        assert!(done(database, &["keys", "list"]).await.contains(&text(&made, "/id")));
        let _ = done(database, &["keys", "revoke", &text(&made, "/id")]).await;
        refused(database, &["keys", "revoke", &text(&made, "/id")], "there is no active key").await;
        // Another process revoked it: this one learns of it within 30 s.
        let gone = async { while ann.get("/me").await.status != 401 { tokio::time::sleep(tokio::time::Duration::from_millis(100)).await; } };
        timeout(SOON, gone).await.expect("a revoked key is refused within 30 s");
        for (arguments, why) in [
            (vec!["keys", "create", "--principal", "ann", "--permission", "read"], "user:ID"),
            (vec!["keys", "create", "--principal", "user:ann", "--permission", "all"], "possible values: read, write, admin"),
            (vec!["keys", "create", "--principal", "user:ann", "--permission", "read", "--workspace", "mars"], "there is no workspace \"mars\"; there is default"),
        ] {
            refused(database, &arguments, why).await;
        }
    }

    async fn a_room_is_followed_live(database: Database) {
        let hub = Hub::start(database).await;
        let room = hub.admin.post("/collaboration/rooms", &json!({ "name": "Talk", "type": "workspace", "participants": [] })).await.expect(201);
        let room = text(&room, "/id");
        let mut tail = baton(&hub.server.database)
            .args(["tail", &room, "--url", &hub.server.url(), "--key", ADMIN_KEY])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
        let mut next = async || {
            let line = timeout(SOON, lines.next_line()).await.expect("a line comes").unwrap();
            json_of(&line.expect("it goes on"))
        };
        assert_eq!(next().await["type"], "room.created");
        let post = json!({ "body": "hello" });
        let _ = hub.admin.post(&format!("/collaboration/rooms/{room}/messages"), &post).await.expect(201);
        let posted = next().await;
        assert_eq!((&posted["type"], &posted["data"]["body"]), (&json!("message.posted"), &json!("hello")));
        tail.kill().await.unwrap();
        let nobody = "00000000-0000-7000-8000-000000000000";
        let url = hub.server.url();
        refused(&hub.server.database, &["tail", nobody, "--url", &url, "--key", ADMIN_KEY], "not_found").await;
        refused(&hub.server.database, &["tail", &room, "--url", &url, "--key", "bk_no_no"], "unauthenticated").await;
    }

    async fn what_cannot_be_opened_is_said(database: Database) {
        // An empty store is not made by looking at it.
        refused(&database, &["verify"], "cannot open the store").await;
        assert!(done(&database, &["check-config"]).await.contains("DATABASE_URL"));
        refused(&database, &["serve", "--database-url", "mysql://localhost/x"], "mysql").await;
        refused(&database, &["serve", "--listen", "nowhere"], "invalid value 'nowhere'").await;
        refused(&database, &["surf"], "unrecognized subcommand 'surf'").await;
        assert!(done(&database, &["version"]).await.starts_with("baton "));
    }
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_named() {
    let database = Database::sqlite();
    for (name, value, why) in [
        ("BATON_ADMIN_KEY", "short", "at least 32 characters"),
        ("BATON_LISTEN", "somewhere", "LISTEN"),
        ("BATON_LOG_FORMAT", "xml", "use text or json"),
        ("BATON_LOG_FROMAT", "json", "did you mean BATON_LOG_FORMAT?"),
    ] {
        let ran = baton(&database)
            .env(name, value)
            .arg("check-config")
            .output();
        let ran = timeout(SOON, ran)
            .await
            .expect("it ends by itself")
            .unwrap();
        let complaint = String::from_utf8_lossy(&ran.stderr);
        assert!(
            !ran.status.success() && complaint.contains(why),
            "{name}={value}: {complaint}"
        );
    }
    std::fs::write(
        database.folder().join("baton.toml"),
        "listenn = \"127.0.0.1:1\"\n",
    )
    .unwrap();
    refused(&database, &["check-config"], "listenn").await;
    std::fs::write(
        database.folder().join("baton.toml"),
        "listen = \"127.0.0.1:7411\"\n",
    )
    .unwrap();
    assert!(
        done(&database, &["check-config"])
            .await
            .contains("127.0.0.1:7411")
    );
    // A password is nobody's to read.
    let ran = baton(&database)
        .env("DATABASE_URL", "postgres://ann:secret@db/x")
        .arg("check-config")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(said.contains("ann") && !said.contains("secret"), "{said}");
}
