//! A Socket.IO client that costs next to nothing: WebSocket frames and Engine.IO packets by hand over TCP.
//!
//! It stands on the same two cores as the server that it measures, so a frame is looked at where it lies in the read buffer, and only an
//! ack is copied. Frames are masked, as a client's must be, with the key 0: the server does its full work, and we do none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

/// One connection.
pub struct Link {
    write: tokio::sync::Mutex<OwnedWriteHalf>,
    acks: Mutex<HashMap<u64, oneshot::Sender<String>>>,
    next: AtomicU64,
    reader: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(reader) = self.lock_reader().take() {
            reader.abort();
        }
    }
}

/// Gets each event as it stands on the wire: `["name",{…}]`.
pub trait OnEvent: FnMut(&[u8]) + Send + 'static {}
impl<F: FnMut(&[u8]) + Send + 'static> OnEvent for F {}

impl Link {
    /// Connects, and joins the default namespace with this credential.
    pub async fn open(
        address: &str,
        auth: &Value,
        on_event: impl OnEvent,
    ) -> anyhow::Result<Arc<Self>> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        let (read, mut write) = stream.into_split();
        let head = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        write.write_all(head.as_bytes()).await?;
        let mut frames = Frames {
            read,
            buffer: Vec::with_capacity(1024),
            start: 0,
        };
        frames.head().await?;
        ensure!(
            frames.next().await?.first() == Some(&b'0'),
            "the engine did not open"
        );
        write.write_all(&frame(&format!("40{auth}"))).await?;
        loop {
            let answer = frames.next().await?;
            // socketioxide sends its first ping at once.
            if answer == b"2" {
                write.write_all(&frame("3")).await?;
                continue;
            }
            ensure!(
                answer.starts_with(b"40"),
                "not connected: {}",
                String::from_utf8_lossy(answer)
            );
            break;
        }
        let link = Arc::new(Self {
            write: tokio::sync::Mutex::new(write),
            acks: Mutex::default(),
            next: AtomicU64::new(0),
            reader: Mutex::default(),
        });
        // The reader must not keep the link: whoever drops the last handle ends the connection.
        let weak = Arc::downgrade(&link);
        let reader = tokio::spawn(async move {
            let mut on_event = on_event;
            loop {
                let Ok(packet) = frames.next().await else {
                    break;
                };
                match packet {
                    [b'4', b'2', b'[', ..] => on_event(&packet[2..]),
                    [b'4', b'3', rest @ ..] => {
                        let Some(link) = weak.upgrade() else { break };
                        link.acked(rest);
                    }
                    [b'4', b'2', rest @ ..] => {
                        // An event that asks for an ack gets it.
                        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                        let id = String::from_utf8_lossy(&rest[..digits]).into_owned();
                        on_event(&rest[digits..]);
                        let Some(link) = weak.upgrade() else { break };
                        let _ = link.write(&format!("43{id}[{{\"ok\":true}}]")).await;
                    }
                    [b'2', ..] => {
                        let Some(link) = weak.upgrade() else { break };
                        let _ = link.write("3").await;
                    }
                    _ => {}
                }
            }
            if let Some(link) = weak.upgrade() {
                link.lock_acks().clear();
            }
        });
        *link.lock_reader() = Some(reader);
        Ok(link)
    }

    fn lock_acks(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<String>>> {
        self.acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_reader(&self) -> std::sync::MutexGuard<'_, Option<tokio::task::JoinHandle<()>>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acked(&self, rest: &[u8]) {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let id = std::str::from_utf8(&rest[..digits])
            .ok()
            .and_then(|id| id.parse().ok());
        let waiting = id.and_then(|id: u64| self.lock_acks().remove(&id));
        if let Some(waiting) = waiting {
            // The one argument, without the array around it.
            let body = &rest[digits..];
            let inner = body
                .get(1..body.len().saturating_sub(1))
                .unwrap_or_default();
            let _ = waiting.send(String::from_utf8_lossy(inner).into_owned());
        }
    }

    async fn write(&self, packet: &str) -> anyhow::Result<()> {
        Ok(self.write.lock().await.write_all(&frame(packet)).await?)
    }

    /// Sends a command; its ack comes later.
    pub async fn send(
        &self,
        name: &str,
        payload: &str,
    ) -> anyhow::Result<oneshot::Receiver<String>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (waiting, ack) = oneshot::channel();
        self.lock_acks().insert(id, waiting);
        self.write(&format!("42{id}[\"{name}\",{payload}]")).await?;
        Ok(ack)
    }

    /// Sends a command, and gives its ack as text. A refusal is an error.
    pub async fn ask(&self, name: &str, payload: &str) -> anyhow::Result<String> {
        let ack = self.send(name, payload).await?;
        let ack = tokio::time::timeout(Duration::from_secs(60), ack)
            .await
            .with_context(|| format!("no ack came for {name} {payload}"))?
            .with_context(|| {
                format!("the connection ended before {name} was acked; sent {payload}")
            })?;
        ensure!(
            ack.starts_with("{\"ok\":true"),
            "{name} {payload} was refused: {ack}"
        );
        Ok(ack)
    }

    /// The same, with the ack's data read.
    pub async fn data(&self, name: &str, payload: &Value) -> anyhow::Result<Value> {
        let ack = self.ask(name, &payload.to_string()).await?;
        let mut ack: Value = serde_json::from_str(&ack)?;
        Ok(ack["data"].take())
    }
}

/// A masked text frame with the key 0.
fn frame(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 14);
    out.push(0x81);
    match text.len() {
        n @ 0..=125 => out.push(0x80 | n as u8),
        n @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text.as_bytes());
    out
}

struct Frames {
    read: OwnedReadHalf,
    buffer: Vec<u8>,
    start: usize,
}

impl Frames {
    async fn fill(&mut self) -> anyhow::Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.reserve(1024);
        ensure!(
            self.read.read_buf(&mut self.buffer).await? > 0,
            "the connection ended"
        );
        Ok(())
    }

    /// Skips the answer to the handshake.
    async fn head(&mut self) -> anyhow::Result<()> {
        loop {
            if let Some(end) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                ensure!(
                    self.buffer.starts_with(b"HTTP/1.1 101"),
                    "no upgrade: {}",
                    String::from_utf8_lossy(&self.buffer)
                );
                self.start = end + 4;
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// The next text frame.
    async fn next(&mut self) -> anyhow::Result<&[u8]> {
        loop {
            let seen = &self.buffer[self.start..];
            let (head, length) = match *seen {
                [_, 126, a, b, ..] => (4, u16::from_be_bytes([a, b]).into()),
                [_, 127, a, b, c, d, e, f, g, h, ..] => {
                    (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
                }
                [_, n @ 0..=125, ..] => (2, usize::from(n)),
                _ => {
                    self.fill().await?;
                    continue;
                }
            };
            if seen.len() < head + length {
                self.fill().await?;
                continue;
            }
            let kind = seen[0];
            let from = self.start + head;
            self.start = from + length;
            match kind {
                0x81 => return Ok(&self.buffer[from..from + length]),
                0x88 => bail!("the server closed the connection"),
                0x89 | 0x8a => {}
                other => bail!("a frame of a kind that was not expected: {other:#x}"),
            }
        }
    }
}

/// What stands after `"name":` as a number, somewhere in a JSON text.
pub fn number_after(text: &[u8], name: &str) -> Option<u64> {
    let from = memchr::memmem::find(text, name.as_bytes())? + name.len();
    let digits = text[from..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    std::str::from_utf8(&text[from..from + digits])
        .ok()?
        .parse()
        .ok()
}

/// Every number that stands after `"name":` in a JSON text.
pub fn numbers_after<'t>(text: &'t [u8], name: &'t str) -> impl Iterator<Item = u64> + 't {
    memchr::memmem::find_iter(text, name.as_bytes())
        .filter_map(|at| number_after(&text[at..], name))
}
