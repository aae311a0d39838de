//! An admin makes keys for other people over REST; who holds one may do what it says, until it is revoked.

use serde_json::json;
use tests::hub::member;
use tests::rest::Rest;
use tests::{Database, Hub, array, on_both_databases, text};

on_both_databases! {
    async fn an_admin_makes_lists_and_revokes_keys(database: Database) {
        let hub = Hub::start(database).await;
        let made = hub
            .admin
            .post("/keys", &json!({ "principal": "user:eve", "permission": "read", "name": "Eve's laptop" }))
            .await;
        let location = made.headers["location"].to_str().expect("a path").to_owned();
        let made = made.expect(201);
        let (id, key) = (text(&made, "/id"), text(&made, "/key"));
        assert_eq!(location, format!("/api/orchestration/keys/{id}"));
        assert_eq!((text(&made, "/principal").as_str(), text(&made, "/permission").as_str()), ("user:eve", "read"));

        let eve = Rest::new(&hub.server.url(), &key);
        let me = eve.get("/me").await.expect(200);
        assert_eq!((text(&me, "/principal/id").as_str(), text(&me, "/permission").as_str()), ("eve", "read"));
        let _ = eve.get("/keys").await.refused(403, "forbidden");
        let _ = eve.post("/keys", &json!({ "principal": "user:eve", "permission": "admin" })).await.refused(403, "forbidden");
        let _ = eve.delete(&format!("/keys/{id}")).await.refused(403, "forbidden");

        let listed = hub.admin.get("/keys").await.expect(200);
        let newest = &array(&listed, "/items")[0];
        assert_eq!((text(newest, "/id"), text(newest, "/name").as_str()), (id.clone(), "Eve's laptop"));
        assert!(!listed.to_string().contains(&key), "a list holds no secret");

        assert_eq!(hub.admin.delete(&format!("/keys/{id}")).await.status, 204);
        let _ = eve.get("/me").await.refused(401, "unauthenticated");
        let _ = hub.admin.delete(&format!("/keys/{id}")).await.refused(404, "not_found");
        let listed = hub.admin.get("/keys").await.expect(200);
        assert!(listed["items"][0]["revokedAt"].is_string(), "{listed:#}");
    }

    async fn keys_are_listed_page_by_page(database: Database) {
        let hub = Hub::start(database).await;
        let mut made = Vec::new();
        for n in 0..5 {
            let key = json!({ "principal": format!("service:backend-{n}"), "permission": "write" });
            made.push(text(&hub.admin.post("/keys", &key).await.expect(201), "/id"));
        }
        let (mut seen, mut path) = (Vec::new(), "/keys?limit=2".to_owned());
        loop {
            let page = hub.admin.get(&path).await.expect(200);
            seen.extend(array(&page, "/items").iter().map(|key| text(key, "/id")));
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("/keys?limit=2&cursor={cursor}"),
                None => break,
            }
        }
        made.reverse();
        assert_eq!(seen[..5], made[..], "newest first, each once");
        assert_eq!(seen.len(), 6, "and the admin's own");
    }

    async fn what_a_key_may_not_be_is_said_at_its_field(database: Database) {
        let hub = Hub::start(database).await;
        for (ask, path) in [
            (json!({ "principal": "eve", "permission": "read" }), "principal"),
            (json!({ "principal": "user:", "permission": "read" }), "principal"),
            (json!({ "principal": "system:x", "permission": "read" }), "principal"),
            (json!({ "principal": "user:eve" }), "permission"),
            (json!({ "principal": "user:eve", "permission": "read", "name": "x".repeat(201) }), "name"),
            (json!({ "principal": "user:eve", "permission": "read", "secret": "mine" }), "secret"),
        ] {
            let problem = hub.admin.post("/keys", &ask).await.refused(400, "invalid_request");
            assert_eq!(text(&problem, "/errors/0/path"), path, "{problem:#}");
        }
        let _ = hub
            .admin
            .post("/keys", &json!({ "principal": "agent:nobody", "permission": "write" }))
            .await
            .refused(404, "not_found");
        let team = [member("writer")];
        hub.team(&team, json!({})).await;
        let key = json!({ "principal": "agent:writer", "permission": "admin" });
        let made = hub.admin.post("/keys", &key).await.expect(201);
        assert_eq!(text(&made, "/permission"), "write", "an agent's key has an agent's verbs");
    }
}

#[tokio::test]
async fn an_expression_is_checked_before_it_is_used() {
    let hub = Hub::start(Database::sqlite()).await;
    let check = async |text: &str| {
        hub.admin
            .post("/expressions/check", &json!({ "expression": text }))
            .await
            .expect(200)
    };
    assert_eq!(
        check("outputs.score >= 8 && error == null").await,
        json!({ "valid": true })
    );
    assert_eq!(
        check("").await["valid"],
        true,
        "an empty condition always holds"
    );
    let wrong = check("outputs.score >").await;
    assert_eq!(wrong["valid"], false);
    assert!(!text(&wrong, "/message").is_empty());
    let _ = hub
        .admin
        .post("/expressions/check", &json!({ "expression": 7 }))
        .await
        .refused(400, "invalid_request");
}
