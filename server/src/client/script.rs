//! A server's part, played frame by frame: what the tests of the client, and of the agents that use it, talk to.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Client, ClientOptions, Incoming};

pub(crate) const OPEN: &str =
    r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) url: String,
}

/// The server's side of one connection.
pub(crate) struct Peer(pub(crate) WebSocketStream<TcpStream>);

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        Self { listener, url }
    }

    pub(crate) fn options(&self, reconnect: bool) -> ClientOptions {
        ClientOptions {
            url: self.url.clone(),
            auth: json!({"token": "t"}),
            reconnect,
        }
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.expect("accept");
        Peer(
            tokio_tungstenite::accept_async(stream)
                .await
                .expect("upgrade"),
        )
    }

    /// Accepts one connection and completes both handshakes.
    pub(crate) async fn welcome(&self) -> Peer {
        self.welcome_with(OPEN).await
    }

    pub(crate) async fn welcome_with(&self, open: &str) -> Peer {
        let mut peer = self.accept().await;
        peer.send(open).await;
        assert_eq!(peer.receive().await, r#"40{"token":"t"}"#);
        peer.send(r#"40{"sid":"x"}"#).await;
        peer
    }

    pub(crate) async fn pair(
        &self,
        reconnect: bool,
    ) -> (Client, mpsc::UnboundedReceiver<Incoming>, Peer) {
        let (client, peer) = tokio::join!(Client::connect(self.options(reconnect)), self.welcome());
        let client = client.expect("connected");
        let mut incoming = client.take_incoming().expect("first taker");
        assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
        (client, incoming, peer)
    }
}

impl Peer {
    pub(crate) async fn send(&mut self, frame: &str) {
        self.0.send(Message::text(frame)).await.expect("send");
    }

    pub(crate) async fn receive(&mut self) -> String {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("expected a text frame, got {other:?}"),
        }
    }

    /// The next command: its ack id, name and payload.
    pub(crate) async fn command(&mut self) -> (u64, String, Value) {
        let frame = self.receive().await;
        let frame = frame.strip_prefix("42").expect("an event");
        let (id, body) = frame.split_at(frame.find('[').expect("arguments"));
        let (name, payload) = serde_json::from_str(body).expect("name and payload");
        (id.parse().expect("ack id"), name, payload)
    }

    pub(crate) async fn ack(&mut self, id: u64, answer: Value) {
        self.send(&format!("43{id}[{answer}]")).await;
    }
}
