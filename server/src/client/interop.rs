//! The client against the Socket.IO library that the server is built on: the scripted server of the other tests shares our
//! reading of the protocol, this one does not.

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use socketioxide::handler::ConnectHandler;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Client, ClientOptions, CommandError, ConnectError, Incoming};

const PING: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(3);

struct Library {
    url: String,
    /// What the client acknowledged the library's events with.
    answers: mpsc::UnboundedReceiver<Value>,
}

impl Library {
    async fn start() -> Self {
        let (layer, io) = SocketIo::builder()
            .ping_interval(PING)
            .ping_timeout(PATIENCE)
            // It drops acks that do not fit.
            .max_buffer_size(1024)
            .build_layer();
        let (answered, answers) = mpsc::unbounded_channel();
        // In the middleware, which runs before CONNECT: a later handler would miss the first events.
        let welcome = async move |socket: SocketRef, TryData(auth): TryData<Value>| {
            if auth.ok().is_none_or(|auth| auth["token"] != "t") {
                return Err("unauthenticated".to_owned());
            }
            let answered = answered.clone();
            socket.on("echo", async |Data::<Value>(data), ack: AckSender| {
                ack.send(&json!({"ok": true, "data": data, "seq": 7})).ok();
            });
            socket.on("leave", async |socket: SocketRef| {
                socket.disconnect().ok();
            });
            socket.on("ask", move |socket: SocketRef, Data::<Value>(question)| {
                let answered = answered.clone();
                async move {
                    let answer = socket
                        .emit_with_ack::<_, Value>("question", &question)
                        .expect("asked");
                    answered
                        .send(answer.await.expect("answered"))
                        .expect("a test that listens");
                }
            });
            Ok(())
        };
        io.ns("/", (async || {}).with(welcome));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let app = axum::Router::new().layer(layer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, answers }
    }

    async fn connect(&self, token: &str) -> Result<Client, ConnectError> {
        let (url, auth) = (self.url.clone(), json!({"token": token}));
        Client::connect(ClientOptions {
            url,
            auth,
            reconnect: true,
        })
        .await
    }
}

#[tokio::test]
async fn commands_sent_at_once_are_all_acked() {
    let library = Library::start().await;
    let client = library.connect("t").await.expect("connected");
    let calls = (0..500).map(|n| {
        (
            n,
            client.send("echo", json!({"n": n, "text": "ü \"q\" \u{1F600}\n"})),
        )
    });
    for (n, call) in calls.collect::<Vec<_>>() {
        let reply = call.await.expect("acked");
        assert_eq!((&reply.data["n"], reply.seq), (&json!(n), Some(7)));
        assert_eq!(reply.data["text"], "ü \"q\" \u{1F600}\n");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_the_code() {
    let library = Library::start().await;
    let refused = library.connect("wrong").await;
    assert!(
        matches!(refused, Err(ConnectError::Refused { code, .. }) if code == "unauthenticated")
    );
}

#[tokio::test]
async fn the_librarys_question_gets_the_clients_ack() {
    let mut library = Library::start().await;
    let client = library.connect("t").await.expect("connected");
    let mut incoming = client.take_incoming().expect("first taker");
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    drop(client.send("ask", json!({"n": 1})));
    let Some(Incoming::Event {
        name,
        data,
        ack: Some(ack),
    }) = incoming.recv().await
    else {
        panic!("a question that wants an ack");
    };
    assert_eq!((name.as_str(), data), ("question", json!({"n": 1})));
    ack.send(json!({"taken": true}));
    assert_eq!(library.answers.recv().await, Some(json!({"taken": true})));
}

#[tokio::test]
async fn a_session_that_the_library_ends_is_made_again() {
    let library = Library::start().await;
    let client = library.connect("t").await.expect("connected");
    let mut incoming = client.take_incoming().expect("first taker");
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    assert!(matches!(
        client.command("leave", json!({})).await,
        Err(CommandError::Closed)
    ));
    assert!(matches!(
        incoming.recv().await,
        Some(Incoming::Disconnected { .. })
    ));
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    assert_eq!(
        client
            .command("echo", json!({"n": 1}))
            .await
            .expect("acked")
            .data,
        json!({"n": 1})
    );
}

#[tokio::test]
async fn pings_keep_an_idle_connection() {
    let library = Library::start().await;
    let client = library.connect("t").await.expect("connected");
    let mut incoming = client.take_incoming().expect("first taker");
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    // Long enough for many pings; an unanswered one would make the library hang up.
    let event = tokio::time::timeout(PATIENCE * 2, incoming.recv()).await;
    assert!(event.is_err(), "{event:?}");
}
