//! A Socket.IO connection frame by frame, for what a well-behaved client never sends.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::SOON;

/// An Engine.IO connection over WebSocket, on which no namespace is joined yet.
#[derive(Debug)]
pub struct Raw {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Raw {
    /// Opens the WebSocket and reads the engine's OPEN packet.
    ///
    /// # Errors
    /// When the server cannot be reached, or begins otherwise.
    pub async fn open(address: &str) -> anyhow::Result<Self> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = connect_async(url).await?;
        let mut raw = Self { socket };
        let open = raw.frame().await?;
        anyhow::ensure!(open.starts_with('0'), "wanted OPEN, got {open:?}");
        Ok(raw)
    }

    /// Opens a connection and joins the default namespace.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(address: &str, token: &str) -> anyhow::Result<Self> {
        let mut raw = Self::open(address).await?;
        raw.send(format!("40{}", json!({ "token": token }))).await?;
        let connected = raw.frame().await?;
        anyhow::ensure!(
            connected.starts_with("40"),
            "wanted CONNECT, got {connected:?}"
        );
        Ok(raw)
    }

    /// Sends one text frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send(&mut self, frame: String) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::text(frame)).await?)
    }

    /// Puts several frames into one write.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_together(&mut self, frames: Vec<String>) -> anyhow::Result<()> {
        for frame in frames {
            self.socket.feed(Message::text(frame)).await?;
        }
        Ok(self.socket.flush().await?)
    }

    /// Sends one binary frame.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) -> anyhow::Result<()> {
        Ok(self.socket.send(Message::binary(bytes)).await?)
    }

    /// The next text frame that is no ping; pings are answered.
    ///
    /// # Errors
    /// When the connection ends, or nothing comes soon.
    pub async fn frame(&mut self) -> anyhow::Result<String> {
        loop {
            let message = timeout(SOON, self.socket.next()).await?;
            match message.ok_or_else(|| anyhow::anyhow!("the connection ended"))?? {
                Message::Text(text) if text.as_str() == "2" => self.send("3".to_owned()).await?,
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => {
                    anyhow::bail!("the server closed the connection: {frame:?}")
                }
                _ => {}
            }
        }
    }

    /// The ack with this id; other frames before it are passed over.
    ///
    /// # Errors
    /// When the connection ends, or the ack does not come soon.
    pub async fn ack(&mut self, id: u64) -> anyhow::Result<Value> {
        let prefix = format!("43{id}[");
        loop {
            let frame = self.frame().await?;
            if frame.starts_with(&prefix) {
                let mut arguments: Vec<Value> = serde_json::from_str(&frame[prefix.len() - 1..])?;
                anyhow::ensure!(arguments.len() == 1, "an ack has one argument: {frame}");
                return Ok(arguments.remove(0));
            }
        }
    }

    /// Closes the WebSocket.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub async fn close(mut self) -> anyhow::Result<()> {
        Ok(self.socket.close(None).await?)
    }
}

/// The frame of an event that asks for an ack.
#[must_use]
pub fn event(id: u64, name: &str, payload: &Value) -> String {
    format!("42{id}{}", json!([name, payload]))
}
