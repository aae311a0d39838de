//! A key that asks faster than it may is told so, over HTTP and over sockets alike; others are served meanwhile.

use serde_json::json;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, Server};
use tests::{Database, Hub, array, check, number, on_both_databases, text};
use tokio::time::{Duration, Instant, sleep};

/// So many requests may come at once; afterwards one per second, which is the lowest rate that there is.
const BURST: usize = 30;

async fn limited(database: Database) -> Hub {
    let burst = BURST.to_string();
    let settings = [
        ("BATON_RATE_LIMIT", "1"),
        ("BATON_RATE_BURST", burst.as_str()),
    ];
    let server = Server::start_with(database, &settings).await;
    let admin = Rest::new(&server.url(), ADMIN_KEY);
    Hub { server, admin }
}

on_both_databases! {
    async fn a_key_that_asks_too_fast_waits_over_http_and_over_sockets(database: Database) {
        let hub = limited(database).await;
        let key = json!({ "principal": "user:eve", "permission": "admin" });
        let eve = text(&hub.admin.post("/keys", &key).await.expect(201), "/key");
        let eve = Rest::new(&hub.server.url(), &eve);
        let admin = hub.person().await;

        let mut refused = None;
        for n in 0..10 * BURST {
            let answer = if n % 2 == 0 {
                hub.admin.get("/me").await
            } else {
                hub.admin.post("/teams", &json!({ "name": "x", "colour": "red" })).await
            };
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.expect("the burst is used up");
        let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        let problem = refused.refused(429, "rate_limited");
        assert_eq!(problem["retryable"], true);
        let wait = number(&problem, "/context/retryAfterMs");
        assert!((1..=1_000).contains(&wait) && seconds == 1, "{seconds} s, {wait} ms");

        // The socket of the same key is refused too, and stays. For each second that has gone by, one is let in.
        let (mut refusals, began) = (0, Instant::now());
        while refusals < 3 {
            if let Err(error) = admin.client.command("room:leave", json!({ "roomId": uuid::Uuid::now_v7() })).await {
                assert_eq!(error.code(), Some("rate_limited"), "{error}");
                refusals += 1;
            }
            assert!(began.elapsed() < tests::SOON, "{refusals} refusals");
        }

        // Another key is not.
        let _ = eve.get("/me").await.expect(200);
        // Nothing of what was refused was done, and it has not flooded the audit.
        let audit = eve.get("/audit?outcome=rate_limited").await.expect(200);
        assert!(array(&audit, "/items").is_empty(), "{audit:#}");

        // Who waits as long as is said is served again, over both.
        sleep(Duration::from_secs(seconds)).await;
        let _ = hub.admin.get("/me").await.expect(200);
        let began = Instant::now();
        loop {
            let room = json!({ "name": "Late", "type": "workspace" });
            match admin.client.command("room:create", room).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.code(), Some("rate_limited"), "{error}"),
            }
            assert!(began.elapsed() < tests::SOON, "it is let in again");
            sleep(Duration::from_millis(wait)).await;
        }
        check::verify(&hub).await;
    }
}

#[tokio::test]
async fn what_is_in_force_is_said() {
    let database = Database::sqlite();
    let mut command = tests::server::baton(&database);
    command.arg("check-config").env("BATON_RATE_LIMIT", "7");
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.lines()
            .any(|line| line.starts_with("rate_limit ") && line.contains(" 7 ")),
        "{said}"
    );
}
