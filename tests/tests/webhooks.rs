//! A webhook gets a workspace's events: signed, in order per room, again until it takes them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tests::hub::member;
use tests::rest::Rest;
use tests::server::ADMIN_KEY;
use tests::{Database, Hub, SOON, Server, array, number, on_both_databases, text};
use tokio::time::{Duration, Instant, sleep};

/// What a receiver was sent: signature, event id, body.
type Got = (String, String, String);

#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    refuses: Arc<AtomicBool>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if receiver.refuses.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let header = |name: &str| {
        let value = headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let body = String::from_utf8(body.to_vec()).expect("a body is UTF-8");
    let got = (header("x-webhook-signature"), header("x-webhook-id"), body);
    receiver.got.lock().expect("nobody panicked").push(got);
    StatusCode::OK
}

impl Receiver {
    /// Listens on loopback; gives the URL.
    async fn listen(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let url = format!("http://{}/hook", listener.local_addr().expect("it listens"));
        let app = Router::new()
            .route("/hook", post(receive))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn events(&self) -> Vec<Value> {
        let got = self.got.lock().expect("nobody panicked");
        let parsed = got.iter().map(|g| serde_json::from_str(&g.2));
        parsed.map(|e| e.expect("a body is JSON")).collect()
    }

    /// Waits until it has what is wanted.
    async fn until(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + SOON;
        loop {
            let events = self.events();
            if wanted(&events) {
                return events;
            }
            assert!(Instant::now() < deadline, "it did not come: {events:#?}");
            sleep(Duration::from_millis(25)).await;
        }
    }
}

/// A hub whose webhooks may lead to loopback.
async fn hub(database: Database) -> Hub {
    let settings = [("BATON_WEBHOOKS_ALLOW_PRIVATE", "true")];
    let server = Server::start_with(database, &settings).await;
    let admin = Rest::new(&server.url(), ADMIN_KEY);
    Hub { server, admin }
}

async fn make(hub: &Hub, url: &str, events: Value) -> Value {
    let ask = json!({ "url": url, "events": events });
    hub.admin.post("/webhooks", &ask).await.expect(201)
}

async fn post_to(hub: &Hub, room: &str, body: &str) {
    let path = format!("/collaboration/rooms/{room}/messages");
    let _ = hub
        .admin
        .post(&path, &json!({ "body": body }))
        .await
        .expect(201);
}

async fn room(hub: &Hub) -> String {
    let ask = json!({ "name": "Hooked", "type": "workspace", "participants": [] });
    text(
        &hub.admin
            .post("/collaboration/rooms", &ask)
            .await
            .expect(201),
        "/id",
    )
}

on_both_databases! {
    async fn events_are_sent_signed_and_in_the_order_of_their_room(database: Database) {
        let hub = hub(database).await;
        let receiver = Receiver::default();
        let room = room(&hub).await;
        post_to(&hub, &room, "before").await;
        let made = make(&hub, &receiver.listen().await, json!(["message.*"])).await;
        let secret = text(&made, "/secret");
        for n in 0..20 {
            post_to(&hub, &room, &n.to_string()).await;
        }
        let events = receiver.until(|e| e.len() >= 20).await;
        let said: Vec<String> = events.iter().map(|e| text(e, "/data/body")).collect();
        assert_eq!(said, (0..20).map(|n| n.to_string()).collect::<Vec<_>>(), "what came before is not sent");
        for (signature, id, body) in receiver.got.lock().unwrap().iter() {
            let (time, _) = signature.strip_prefix("t=").and_then(|s| s.split_once(",v1=")).expect("a signature");
            assert_eq!(*signature, baton::webhooks::signature(&secret, time.parse().unwrap(), body));
            assert_eq!(*id, text(&serde_json::from_str(body).unwrap(), "/id"));
        }
        let known = hub.until(&format!("/webhooks/{}", text(&made, "/id")), |w| w["pending"] == 0).await;
        assert!(known.get("secret").is_none() && known["lastDeliveredAt"].is_string(), "{known:#}");
        let list = hub.admin.get(&format!("/webhooks/{}/deliveries?limit=5", text(&made, "/id"))).await.expect(200);
        assert_eq!((array(&list, "/items").len(), number(&list, "/items/0/seq")), (5, 22), "{list:#}");
    }

    async fn what_a_receiver_does_not_take_is_sent_again_and_in_order(database: Database) {
        let hub = hub(database).await;
        let receiver = Receiver::default();
        receiver.refuses.store(true, Ordering::Relaxed);
        let room = room(&hub).await;
        let made = make(&hub, &receiver.listen().await, json!(["message.posted"])).await;
        let path = format!("/webhooks/{}", text(&made, "/id"));
        post_to(&hub, &room, "first").await;
        post_to(&hub, &room, "second").await;
        let failing = hub.until(&path, |w| w["lastError"].is_string()).await;
        assert_eq!(number(&failing, "/pending"), 2, "the second waits behind the first: {failing:#}");
        receiver.refuses.store(false, Ordering::Relaxed);
        let events = receiver.until(|e| e.len() >= 2).await;
        assert_eq!(text(&events[0], "/data/body"), "first");
        assert_eq!(text(&events[1], "/data/body"), "second");
        // All of it once more, with the same ids.
        hub.until(&path, |w| w["pending"] == 0).await;
        let again = hub.admin.post(&format!("{path}/replay"), &json!({ "since": "2020-01-01T00:00:00Z" })).await.expect(200);
        assert_eq!(number(&again, "/replayed"), 2);
        let events = receiver.until(|e| e.len() >= 4).await;
        assert_eq!(events[2], events[0]);
        // What happened before is left alone, also where it was sent again since.
        hub.until(&path, |w| w["pending"] == 0).await;
        let since = json!({ "since": text(&events[1], "/at") });
        let again = hub.admin.post(&format!("{path}/replay"), &since).await.expect(200);
        assert_eq!(number(&again, "/replayed"), 1);
        let _ = receiver.until(|e| e.len() >= 5).await;
        let _ = hub.admin.delete(&path).await.expect(200);
        let _ = hub.admin.get(&path).await.refused(404, "not_found");
        post_to(&hub, &room, "nobody listens").await;
    }

    async fn a_slow_receiver_hurts_nobody(database: Database) {
        let hub = hub(database).await;
        // It takes the connection and never answers.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let _ = make(&hub, &url, json!([])).await;
        let receiver = Receiver::default();
        let _ = make(&hub, &receiver.listen().await, json!(["team.created"])).await;
        let agent = hub.register("a", &[]).await;
        assert!(!agent.is_empty());
        hub.team(&[member("a")], json!({})).await;
        let events = receiver.until(|e| !e.is_empty()).await;
        assert_eq!(text(&events[0], "/type"), "team.created");
    }

    async fn a_webhook_is_for_admins_and_leads_to_no_private_address(database: Database) {
        let hub = Hub::start(database).await;
        for url in ["http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/latest", "http://localhost/", "ftp://example.org/", "no"] {
            let problem = hub.admin.post("/webhooks", &json!({ "url": url })).await.refused(400, "invalid_request");
            assert_eq!(text(&problem, "/errors/0/path"), "url", "{url}");
        }
        let wrong = json!({ "url": "https://example.org/", "events": ["process.exploded", "process.*"], "colour": 1 });
        let _ = hub.admin.post("/webhooks", &wrong).await.refused(400, "invalid_request");
        let wrong = json!({ "url": "https://example.org/", "events": ["process.exploded", "process.*"] });
        let problem = hub.admin.post("/webhooks", &wrong).await.refused(400, "invalid_request");
        assert_eq!(text(&problem, "/errors/0/path"), "events[0]");
        let agent = hub.register("a", &[]).await;
        let agent = Rest::new(&hub.server.url(), &agent);
        let _ = agent.get("/webhooks").await.refused(403, "forbidden");
        let _ = agent.post("/webhooks", &json!({ "url": "https://example.org/" })).await.refused(403, "forbidden");
    }
}
