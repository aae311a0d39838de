//! A TCP proxy between clients, nodes and what they depend on: it balances connections over targets, cuts them, and swallows what it
//! is given, all on demand.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

/// How a target can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// As if there were no proxy.
    Open,
    /// New connections are refused, old ones closed.
    Cut,
    /// Connections stay, and nothing passes.
    Stalled,
    /// Connections stay until something long is to pass: as over a path that loses large packets.
    Scant,
}

#[derive(Debug)]
struct Target {
    address: String,
    path: watch::Sender<Path>,
}

/// A proxy before one or more targets.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    targets: Arc<Vec<Target>>,
    accepts: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

impl Proxy {
    /// A proxy that hands each connection to the next target that takes it.
    pub async fn start(targets: &[String]) -> Self {
        Self::listen(targets, None).await
    }

    /// The same, where the network takes no more from a target than this many bytes that nobody reads.
    pub async fn narrow(targets: &[String], bytes: u32) -> Self {
        Self::listen(targets, Some(bytes)).await
    }

    async fn listen(targets: &[String], bytes: Option<u32>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a proxy can listen");
        let address = listener
            .local_addr()
            .expect("it has an address")
            .to_string();
        let targets: Arc<Vec<Target>> = Arc::new(
            targets
                .iter()
                .map(|address| Target {
                    address: address.clone(),
                    path: watch::channel(Path::Open).0,
                })
                .collect(),
        );
        let accepts = tokio::spawn(accept(listener, Arc::clone(&targets), bytes));
        Self {
            address,
            targets,
            accepts,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Changes how a target can be reached, for connections old and new.
    pub fn set(&self, target: usize, path: Path) {
        self.targets[target].path.send_replace(path);
    }
}

async fn connect(address: &str, bytes: Option<u32>) -> io::Result<TcpStream> {
    let Some(bytes) = bytes else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(bytes)?;
    socket
        .connect(address.parse().map_err(io::Error::other)?)
        .await
}

async fn accept(listener: TcpListener, targets: Arc<Vec<Target>>, bytes: Option<u32>) {
    let next = Arc::new(AtomicUsize::new(0));
    while let Ok((client, _)) = listener.accept().await {
        let (targets, next) = (Arc::clone(&targets), Arc::clone(&next));
        tokio::spawn(async move {
            for _ in 0..targets.len() {
                let target = &targets[next.fetch_add(1, Ordering::Relaxed) % targets.len()];
                let path = target.path.subscribe();
                if *path.borrow() == Path::Cut {
                    continue;
                }
                let connect = connect(&target.address, bytes);
                if let Ok(Ok(server)) = timeout(Duration::from_secs(1), connect).await {
                    carry(client, server, path).await;
                    return;
                }
            }
        });
    }
}

async fn carry(client: TcpStream, server: TcpStream, mut path: watch::Receiver<Path>) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (up, down) = (path.clone(), path.clone());
    tokio::select! {
        () = pump(from_client, to_server, up) => {}
        () = pump(from_server, to_client, down) => {}
        _ = path.wait_for(|path| *path == Path::Cut) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut path: watch::Receiver<Path>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(n @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let passes = |path: &Path| match path {
            Path::Open | Path::Cut => true,
            Path::Stalled => false,
            Path::Scant => n < buffer.len(),
        };
        if path.wait_for(passes).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
