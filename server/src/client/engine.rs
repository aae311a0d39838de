//! One connection: from the TCP handshake to the Socket.IO CONNECT.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message, protocol::WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::packet::{self, Packet};
use super::{ClientOptions, ConnectError};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection that is ready for events.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: WebSocket,
    /// The longest silence after which the server is taken for dead.
    pub(super) silence: Duration,
}

pub(super) async fn open(options: &ClientOptions) -> Result<Connection, ConnectError> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(options)).await {
        Ok(result) => result,
        Err(_) => Err(ConnectError::TimedOut),
    }
}

async fn handshake(options: &ClientOptions) -> Result<Connection, ConnectError> {
    let url = socket_url(&options.url)?;
    // The default read buffer is 128 KiB, which thousands of clients in one load generator cannot afford.
    let config = WebSocketConfig::default()
        .read_buffer_size(8 * 1024)
        .write_buffer_size(16 * 1024);
    let (mut socket, _) = connect_async_with_config(url, Some(config), true)
        .await
        .map_err(transport)?;

    let Packet::Open(open) = next_packet(&mut socket).await? else {
        return Err(ConnectError::Protocol(
            "the first packet is not OPEN".to_owned(),
        ));
    };
    let milliseconds = |key: &str| {
        open.get(key)
            .and_then(Value::as_u64)
            .map(Duration::from_millis)
            .ok_or_else(|| ConnectError::Protocol(format!("OPEN has no {key}")))
    };
    let silence = milliseconds("pingInterval")?.saturating_add(milliseconds("pingTimeout")?);

    socket
        .send(Message::text(packet::encode_connect(&options.auth)))
        .await
        .map_err(transport)?;
    loop {
        match next_packet(&mut socket).await? {
            Packet::Connect => return Ok(Connection { socket, silence }),
            Packet::ConnectError(error) => return Err(refused(&error)),
            Packet::Ping => socket
                .send(Message::text(packet::PONG))
                .await
                .map_err(transport)?,
            Packet::Noop => {}
            other => return Err(ConnectError::Protocol(format!("{other:?} before CONNECT"))),
        }
    }
}

async fn next_packet(socket: &mut WebSocket) -> Result<Packet, ConnectError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return packet::decode(&text).map_err(ConnectError::Protocol);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(other)) => {
                return Err(ConnectError::Protocol(format!(
                    "{other:?} during the handshake"
                )));
            }
            Some(Err(error)) => return Err(transport(error)),
            None => {
                return Err(ConnectError::Protocol(
                    "the connection closed during the handshake".to_owned(),
                ));
            }
        }
    }
}

fn transport(error: tungstenite::Error) -> ConnectError {
    ConnectError::Transport(Box::new(error))
}

/// `message` is the code; `data`, which a server may add, is the problem itself.
fn refused(error: &Value) -> ConnectError {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let code = text(error.get("message")).unwrap_or_else(|| "refused".to_owned());
    let message = text(error.pointer("/data/detail")).unwrap_or_else(|| code.clone());
    ConnectError::Refused { code, message }
}

fn socket_url(url: &str) -> Result<String, ConnectError> {
    let address = |reason| ConnectError::Address {
        url: url.to_owned(),
        reason,
    };
    let rest = match url.split_once("://") {
        Some(("http" | "ws", rest)) => rest,
        Some(("https" | "wss", _)) => {
            return Err(address(
                "this client has no TLS; use a proxy or the plain port",
            ));
        }
        _ => return Err(address("it must begin with http://")),
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() || rest.contains(['?', '#', ' ']) {
        return Err(address("it must be http://host:port, without a query"));
    }
    Ok(format!("ws://{rest}/socket.io/?EIO=4&transport=websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_becomes_a_websocket_address() {
        let expected = "ws://127.0.0.1:7400/socket.io/?EIO=4&transport=websocket";
        for url in [
            "http://127.0.0.1:7400",
            "http://127.0.0.1:7400/",
            "ws://127.0.0.1:7400",
        ] {
            assert_eq!(socket_url(url).expect(url), expected);
        }
        for url in [
            "127.0.0.1:7400",
            "https://hub",
            "http://",
            "http://h/?a=1",
            "",
        ] {
            assert!(
                matches!(socket_url(url), Err(ConnectError::Address { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn a_refusal_carries_the_code_and_the_detail() {
        let error =
            refused(&serde_json::json!({"message": "forbidden", "data": {"detail": "not yours"}}));
        assert!(
            matches!(&error, ConnectError::Refused { code, message } if code == "forbidden" && message == "not yours")
        );
        assert!(!error.is_retryable());
        let error = refused(&serde_json::json!({"message": "unavailable"}));
        assert!(
            matches!(&error, ConnectError::Refused { message, .. } if message == "unavailable")
        );
        assert!(error.is_retryable());
    }
}
