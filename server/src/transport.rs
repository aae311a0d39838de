//! Connections that can be cut.
//!
//! socketioxide cannot close the transport of a client that does not read: its goodbye does not fit into the full buffer, and its writer
//! waits for the kernel, which waits for the client. So the listener hands out streams with a switch: thrown, every read and write fails
//! at once, which ends the session as a broken network would. Stock clients take that for what it is, and connect again.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Request as HttpRequest, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use dashmap::DashMap;
use futures::task::AtomicWaker;
use rooms::{Code, Refusal};
use socketioxide::socket::Sid;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::handshake::{self, Taken};
use crate::hub::Hub;
use crate::problem::Refused;

/// The engine's ping interval and timeout together are shorter.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// Cuts one connection.
#[derive(Default)]
pub struct Switch {
    thrown: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Switch {
    /// Makes every read and write of the connection fail from now on.
    pub fn cut(&self) {
        self.thrown.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    fn is_thrown(&self) -> bool {
        self.thrown.load(Ordering::Acquire)
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the hub cut it off")
}

/// A TCP stream with its switch.
pub struct Stream {
    inner: TcpStream,
    switch: Arc<Switch>,
}

impl Stream {
    /// Polls, and when there is nothing yet, waits for the switch too.
    fn poll<T>(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        waker: impl Fn(&Switch) -> &AtomicWaker,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let this = self.get_mut();
        if this.switch.is_thrown() {
            return Poll::Ready(Err(cut_off()));
        }
        let polled = poll(Pin::new(&mut this.inner), context);
        if polled.is_pending() {
            waker(&this.switch).register(context.waker());
            // It may have been thrown before the waker was there to be woken.
            if this.switch.is_thrown() {
                return Poll::Ready(Err(cut_off()));
            }
        }
        polled
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(
            context,
            |s| &s.reader,
            |inner, context| inner.poll_read(context, buffer),
        )
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(
            context,
            |s| &s.writer,
            |inner, context| inner.poll_write(context, bytes),
        )
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(
            context,
            |s| &s.writer,
            |inner, context| inner.poll_write_vectored(context, parts),
        )
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(
            context,
            |s| &s.writer,
            |inner, context| inner.poll_flush(context),
        )
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(
            context,
            |s| &s.writer,
            |inner, context| inner.poll_shutdown(context),
        )
    }
}

/// A client that has sent nothing for so long is left to the HTTP server, which waits as long as it likes.
const SILENT: Duration = Duration::from_secs(5);

/// Accepts streams that can be cut, without Nagle's delay. Those that begin with a WebSocket handshake go their own way.
pub struct Listener {
    streams: mpsc::Receiver<(Stream, SocketAddr)>,
    address: SocketAddr,
}

impl Listener {
    /// Accepts from now on. `is_open` says whether sessions are taken; `begin` gets the stream and the request of each that begins with
    /// its WebSocket.
    pub fn new<O, B>(mut listener: TcpListener, is_open: O, begin: B) -> io::Result<Self>
    where
        O: Fn() -> bool + Clone + Send + Sync + 'static,
        B: Fn(Stream, HttpRequest<()>) + Clone + Send + Sync + 'static,
    {
        let address = listener.local_addr()?;
        let (sorted, streams) = mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = axum::serve::Listener::accept(&mut listener) => accepted,
                    () = sorted.closed() => return,
                };
                let (inner, address) = accepted;
                let _ = inner.set_nodelay(true);
                let stream = Stream {
                    inner,
                    switch: Arc::default(),
                };
                let sort = sort(stream, address, is_open.clone(), begin.clone());
                let sorted = sorted.clone();
                // A client that is slow to say what it wants holds up no other.
                tokio::spawn(async move {
                    if let Some(stream) = sort.await {
                        let _ = sorted.send((stream, address)).await;
                    }
                });
            }
        });
        Ok(Self { streams, address })
    }
}

/// Begins a session where the stream begins with its handshake; gives back any other stream as it came.
async fn sort(
    mut stream: Stream,
    address: SocketAddr,
    is_open: impl Fn() -> bool,
    begin: impl Fn(Stream, HttpRequest<()>),
) -> Option<Stream> {
    let spoke = tokio::time::timeout(SILENT, stream.inner.readable()).await;
    if spoke.is_err() || !is_open() {
        return Some(stream);
    }
    match handshake::take(&mut stream.inner).await {
        Taken::Session(mut request) => {
            let connection = Connection(Arc::clone(&stream.switch), address);
            request.extensions_mut().insert(ConnectInfo(connection));
            begin(stream, *request);
            None
        }
        Taken::Nothing => Some(stream),
        Taken::Broken => None,
    }
}

impl axum::serve::Listener for Listener {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        match self.streams.recv().await {
            Some(accepted) => accepted,
            // Only when the runtime ends.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The connection that a request came on, as a request's extension.
#[derive(Clone)]
pub struct Connection(Arc<Switch>, SocketAddr);

impl Connection {
    /// Where it comes from.
    pub fn address(&self) -> SocketAddr {
        self.1
    }
}

impl Connected<IncomingStream<'_, Listener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(Arc::clone(&stream.io().switch), *stream.remote_addr())
    }
}

/// The transports of the Socket.IO sessions.
#[derive(Default)]
pub struct Transports {
    /// The WebSocket of a session that began with polling, on another connection.
    upgrades: DashMap<Sid, Weak<Switch>>,
    /// Sessions that are over, whatever their client thinks, and since when.
    ended: DashMap<Sid, Instant>,
}

impl Transports {
    /// Ends a session's transport: its connection is cut, and what comes for it on another one is refused. `parts` is the session's
    /// first request.
    pub fn cut(&self, session: Sid, parts: &axum::http::request::Parts) {
        self.ended.insert(session, Instant::now());
        let upgrade = self.upgrades.get(&session).and_then(|w| w.upgrade());
        if let Some(switch) = upgrade {
            switch.cut();
        }
        // A polling session owns no connection: a proxy sends other clients' requests over the same one.
        let own = parts
            .uri
            .query()
            .is_some_and(|q| q.contains("transport=websocket"));
        if own
            && let Some(ConnectInfo(Connection(switch, _))) =
                parts.extensions.get::<ConnectInfo<Connection>>()
        {
            switch.cut();
        }
    }

    /// Forgets what nobody can ask for any more: the engine has closed a session of which nothing came for so long.
    pub fn sweep(&self) {
        self.upgrades.retain(|_, switch| switch.strong_count() > 0);
        self.ended.retain(|_, since| since.elapsed() < FORGOTTEN);
    }
}

/// Notes the WebSocket of a session that upgrades, and refuses what comes for a session that was cut off, as the engine refuses what comes
/// for one that it does not know.
///
/// A node that drains takes no new session: a client that is told so over HTTP tries again by itself, and a load balancer asks another
/// node, while one that is refused by the protocol stays away.
pub async fn watch(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let transports = &hub.transports;
    let query = request.uri().query().unwrap_or_default();
    if hub.is_draining()
        && request.uri().path().starts_with("/socket.io")
        && !query.contains("sid=")
    {
        let refusal = Refusal::new(Code::Unavailable, "the server is stopping; try again");
        return Refused(refusal).into_response();
    }
    let session = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("sid="))
        .filter(|_| request.uri().path().starts_with("/socket.io"))
        .and_then(|sid| sid.parse::<Sid>().ok());
    if let Some(session) = session {
        if transports.ended.contains_key(&session) {
            let body = axum::Json(serde_json::json!({"code": 1, "message": "Session ID unknown"}));
            return (StatusCode::BAD_REQUEST, body).into_response();
        }
        if query.contains("transport=websocket")
            && let Some(ConnectInfo(Connection(switch, _))) =
                request.extensions().get::<ConnectInfo<Connection>>()
        {
            transports.upgrades.insert(session, Arc::downgrade(switch));
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_cut_stream_ends_a_reader_and_a_writer_that_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut listener = Listener::new(listener, || true, |_, _| {}).unwrap();
        // The client never reads, so that the writer comes to wait.
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let (stream, _) = axum::serve::Listener::accept(&mut listener).await;
        let switch = Arc::clone(&stream.switch);
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut line = [0; 16];
        reader.read_exact(&mut line).await.unwrap();
        let reads = tokio::spawn(async move { reader.read_u8().await });
        let writes = tokio::spawn(async move {
            loop {
                if let Err(e) = writer.write_all(&[0; 65_536]).await {
                    return e;
                }
            }
        });
        tokio::task::yield_now().await;
        switch.cut();
        let aborted = io::ErrorKind::ConnectionAborted;
        assert_eq!(reads.await.unwrap().unwrap_err().kind(), aborted);
        assert_eq!(writes.await.unwrap().kind(), aborted);
        drop(client);
    }
}
