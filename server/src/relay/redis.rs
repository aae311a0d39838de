//! The relay over Redis' pub/sub: one multiplexed connection, looked after here.
//!
//! A node that finds its connection dead makes a new one and subscribes again; until Redis has confirmed that, the relay is down, and the
//! log is read more often. A connection that only waits would not notice that its peer is gone, or hangs: so it is pinged once a second.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo, Pipeline,
    ProtocolVersion, PushInfo, PushKind, RedisError, RedisFuture, Value,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Channel, Envelope, Health, Message, Relay};

/// Messages that wait to be published; what comes on top is dropped, and found in the log.
const QUEUE: usize = 20_000;
/// Messages in one write.
const BATCH: usize = 512;
/// How long Redis may take to answer, and how often it is asked whether it lives.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest wait between two attempts to connect.
const RETRY: Duration = Duration::from_millis(500);

/// What a node hears from the relay.
pub enum Heard {
    /// A message, still encoded.
    Message(Vec<u8>),
    /// These channels are followed from now on; what was published before is missed.
    Following(Vec<String>),
    /// The relay works (again): what was published meanwhile is missed, in every channel.
    Up,
    /// It no longer works.
    Down,
}

enum Order {
    Follow(Channel),
    Unfollow(Channel),
}

/// The relay's end in this process.
pub struct RedisRelay {
    node: Uuid,
    prefix: String,
    orders: mpsc::UnboundedSender<Order>,
    outgoing: mpsc::Sender<(String, Vec<u8>)>,
    health: Arc<Mutex<Health>>,
}

impl RedisRelay {
    /// Starts a relay for a node. `prefix` is the hub's own, so that several can share one Redis. `redis://` and `rediss://` name one
    /// server; `redis+cluster://` and `rediss+cluster://` a cluster, by one of its servers.
    pub fn start(
        url: &str,
        node: Uuid,
        prefix: String,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Heard>), RedisError> {
        let server = Server::parse(url)?;
        let (orders, wanted) = mpsc::unbounded_channel();
        let (outgoing, queue) = mpsc::channel(QUEUE);
        let (heard, hears) = mpsc::unbounded_channel();
        let health = Arc::new(Mutex::new(Health::Down("not connected yet".to_owned())));
        let link = Link {
            server,
            prefix: prefix.clone(),
            followed: HashSet::new(),
            wanted,
            queue,
            heard,
            health: Arc::clone(&health),
        };
        tokio::spawn(link.run());
        let relay = Self {
            node,
            prefix,
            orders,
            outgoing,
            health,
        };
        Ok((relay, hears))
    }
}

fn name(prefix: &str, channel: &Channel) -> String {
    format!("{prefix}{channel}")
}

impl Relay for RedisRelay {
    fn follow(&self, channel: Channel) {
        let _ = self.orders.send(Order::Follow(channel));
    }

    fn unfollow(&self, channel: Channel) {
        let _ = self.orders.send(Order::Unfollow(channel));
    }

    fn publish(&self, channel: &Channel, message: &Message<'_>) {
        if self.health() != Health::Up {
            return;
        }
        let envelope = Envelope {
            node: self.node,
            message: message.clone(),
        };
        let item = (name(&self.prefix, channel), envelope.encode());
        if self.outgoing.try_send(item).is_err() {
            metrics::counter!("baton_relay_dropped_total").increment(1);
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn health(&self) -> Health {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One server or a cluster; they differ in how they are connected to and what their commands are called.
enum Server {
    One(Client),
    Cluster(ConnectionInfo),
}

#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Server {
    fn parse(url: &str) -> Result<Self, RedisError> {
        let cluster = url.contains("+cluster://");
        let info = url
            .replacen("+cluster://", "://", 1)
            .into_connection_info()?;
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info.set_redis_settings(settings);
        Ok(if cluster {
            Self::Cluster(info)
        } else {
            Self::One(Client::open(info)?)
        })
    }

    async fn connect(
        &self,
        pushes: mpsc::UnboundedSender<PushInfo>,
    ) -> Result<Connection, RedisError> {
        Ok(match self {
            Self::One(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE))
                    .set_push_sender(pushes);
                Connection::One(
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?,
                )
            }
            Self::Cluster(info) => {
                let client = ClusterClientBuilder::new([info.clone()])
                    .use_protocol(ProtocolVersion::RESP3)
                    .connection_timeout(PATIENCE)
                    .response_timeout(PATIENCE)
                    .push_sender(pushes)
                    .build()?;
                Connection::Cluster(client.get_async_connection().await?)
            }
        })
    }
}

impl Connection {
    fn publish_command(&self) -> &'static str {
        match self {
            Self::One(_) => "PUBLISH",
            Self::Cluster(_) => "SPUBLISH",
        }
    }

    async fn subscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::One(connection) => connection.subscribe(channels).await,
            // The slots of sharded channels differ, and with them the servers.
            Self::Cluster(connection) => {
                for channel in channels {
                    connection.ssubscribe(channel).await?;
                }
                Ok(())
            }
        }
    }

    async fn unsubscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::One(connection) => connection.unsubscribe(channels).await,
            Self::Cluster(connection) => {
                for channel in channels {
                    connection.sunsubscribe(channel).await?;
                }
                Ok(())
            }
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Looks after the connection.
struct Link {
    server: Server,
    prefix: String,
    followed: HashSet<String>,
    wanted: mpsc::UnboundedReceiver<Order>,
    queue: mpsc::Receiver<(String, Vec<u8>)>,
    heard: mpsc::UnboundedSender<Heard>,
    health: Arc<Mutex<Health>>,
}

impl Link {
    async fn run(mut self) {
        let mut wait = Duration::from_millis(50);
        while !self.heard.is_closed() {
            let began = tokio::time::Instant::now();
            let ended = self.serve().await;
            let why = ended
                .err()
                .map_or_else(|| "the connection was closed".to_owned(), |e| e.to_string());
            self.fell(why);
            if began.elapsed() > RETRY * 10 {
                wait = Duration::from_millis(50);
            }
            // What was to be published while nobody could hear it is in the log.
            while self.queue.try_recv().is_ok() {}
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY);
        }
    }

    fn set(&self, health: Health) -> Health {
        let mut current = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, health)
    }

    fn fell(&self, why: String) {
        if self.set(Health::Down(why.clone())) == Health::Up {
            tracing::warn!(%why, "Redis is away: events are read from the log until it is back");
            let _ = self.heard.send(Heard::Down);
        }
    }

    /// Connects, subscribes to everything that is followed, and serves until the connection fails.
    async fn serve(&mut self) -> Result<(), RedisError> {
        let (pushes, mut pushed) = mpsc::unbounded_channel();
        let connect = tokio::time::timeout(PATIENCE * 2, self.server.connect(pushes));
        let mut connection = connect.await.map_err(|_| late("connecting"))??;
        while let Ok(order) = self.wanted.try_recv() {
            self.note(order);
        }
        let all: Vec<String> = self.followed.iter().cloned().collect();
        for part in all.chunks(BATCH) {
            connection.subscribe(part).await?;
        }
        self.set(Health::Up);
        let _ = self.heard.send(Heard::Up);
        tracing::info!("the relay over Redis works");
        let mut ping = tokio::time::interval(PATIENCE);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pinger = connection.clone();
        let pings = async move {
            loop {
                ping.tick().await;
                let mut connection = pinger.clone();
                let pong = redis::cmd("PING");
                let pong = pong.query_async::<Value>(&mut connection);
                match tokio::time::timeout(PATIENCE, pong).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(e)) => return e,
                    Err(_) => return late("answering a ping"),
                }
            }
        };
        let heard = self.heard.clone();
        let receives = async {
            while let Some(push) = pushed.recv().await {
                match push.kind {
                    PushKind::Message | PushKind::SMessage => {
                        if let Some(Value::BulkString(bytes)) = push.data.into_iter().nth(1) {
                            let _ = heard.send(Heard::Message(bytes));
                        }
                    }
                    PushKind::Disconnection => break,
                    _ => {}
                }
            }
        };
        let publisher = connection.clone();
        let queue = &mut self.queue;
        let publishes = async {
            let mut batch = Vec::with_capacity(BATCH);
            while queue.recv_many(&mut batch, BATCH).await > 0 {
                let mut connection = publisher.clone();
                let mut pipeline = Pipeline::new();
                let command = connection.publish_command();
                let mut last: Option<&(String, Vec<u8>)> = None;
                for item in &batch {
                    // The same word twice in a row, as "there may be work", says no more than once.
                    if last != Some(item) {
                        pipeline.cmd(command).arg(&item.0).arg(&item.1).ignore();
                    }
                    last = Some(item);
                }
                if let Err(e) = pipeline.query_async::<()>(&mut connection).await {
                    return e;
                }
                batch.clear();
            }
            late("publishing")
        };
        let follows = async {
            let mut orders = Vec::with_capacity(BATCH);
            loop {
                if self.wanted.recv_many(&mut orders, BATCH).await == 0 {
                    std::future::pending::<()>().await;
                }
                let mut changed: Vec<(String, bool)> = Vec::new();
                for order in orders.drain(..) {
                    let (channel, on) = match order {
                        Order::Follow(channel) => (name(&self.prefix, &channel), true),
                        Order::Unfollow(channel) => (name(&self.prefix, &channel), false),
                    };
                    changed.retain(|c| c.0 != channel);
                    if on {
                        self.followed.insert(channel.clone());
                    } else {
                        self.followed.remove(&channel);
                    }
                    changed.push((channel, on));
                }
                let (on, off): (Vec<_>, Vec<_>) = changed.into_iter().partition(|c| c.1);
                let names = |list: Vec<(String, bool)>| -> Vec<String> {
                    list.into_iter().map(|c| c.0).collect()
                };
                let (on, off) = (names(on), names(off));
                if !off.is_empty()
                    && let Err(e) = connection.unsubscribe(&off).await
                {
                    return e;
                }
                if !on.is_empty() {
                    if let Err(e) = connection.subscribe(&on).await {
                        return e;
                    }
                    let _ = self.heard.send(Heard::Following(on));
                }
            }
        };
        tokio::select! {
            e = pings => Err(e),
            () = receives => Ok(()),
            e = publishes => Err(e),
            e = follows => Err(e),
        }
    }

    fn note(&mut self, order: Order) {
        match order {
            Order::Follow(channel) => self.followed.insert(name(&self.prefix, &channel)),
            Order::Unfollow(channel) => self.followed.remove(&name(&self.prefix, &channel)),
        };
    }
}

fn late(what: &str) -> RedisError {
    RedisError::from(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        format!("Redis took too long {what}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_whether_it_is_a_cluster() {
        assert!(matches!(
            Server::parse("redis://:secret@127.0.0.1:6379/1"),
            Ok(Server::One(_))
        ));
        assert!(matches!(
            Server::parse("rediss+cluster://user:secret@redis.example:7000"),
            Ok(Server::Cluster(_))
        ));
        assert!(Server::parse("http://127.0.0.1").is_err());
    }
}
