//! The relay over Redis' pub/sub: one multiplexed connection, looked after here.
//!
//! A node that finds its connection dead makes a new one and subscribes again; until Redis has confirmed that, the relay is down, and the
//! log is read more often. A connection that only waits would not notice that its peer is gone, or hangs: so it is pinged, again and again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisError, Value,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{Channel, Envelope, Health, Message, Relay};

/// Messages that wait to be published; what comes on top is dropped, and found in the log.
const QUEUE: usize = 20_000;
/// Messages in one write.
const BATCH: usize = 512;
/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked whether it lives, and how long after that it is no longer prompt.
const PING: Duration = Duration::from_millis(200);
/// So many channels have slots on every server of a cluster, by the odds.
const PROBES: usize = 32;
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
    asked: Asked,
}

/// When it was asked whether it lives, where that is not answered yet.
type Asked = Arc<Mutex<Option<Instant>>>;

fn set<T>(cell: &Mutex<T>, value: T) -> T {
    let mut current = cell.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut current, value)
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
            asked: Asked::default(),
        };
        let asked = Arc::clone(&link.asked);
        tokio::spawn(link.run());
        let relay = Self {
            node,
            prefix,
            orders,
            outgoing,
            health,
            asked,
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

    fn is_prompt(&self) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_none_or(|at| at.elapsed() < PING)
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
    async fn publish(&self, batch: &[(String, Vec<u8>)]) -> Result<(), RedisError> {
        match self {
            Self::One(connection) => {
                let mut pipeline = Pipeline::new();
                for (channel, bytes) in batch {
                    pipeline.cmd("PUBLISH").arg(channel).arg(bytes).ignore();
                }
                pipeline.query_async(&mut connection.clone()).await
            }
            // A pipeline goes to one server, but the channels' slots lie on several. All are under way at once, in their order.
            Self::Cluster(connection) => {
                let each = batch.iter().map(|(channel, bytes)| {
                    let mut connection = connection.clone();
                    async move {
                        let mut publish = redis::cmd("SPUBLISH");
                        publish.arg(channel).arg(bytes);
                        publish.query_async::<()>(&mut connection).await
                    }
                });
                futures::future::try_join_all(each).await.map(|_| ())
            }
        }
    }

    /// Whether all of it answers. Of a cluster each server is asked for itself, through channels that nobody follows: it is connected to where one of
    /// them can be reached, and what belongs to the others would be lost.
    async fn alive(&self, prefix: &str) -> Result<(), RedisError> {
        let answered = async {
            match self {
                Self::One(connection) => {
                    let ping = redis::cmd("PING");
                    ping.query_async::<Value>(&mut connection.clone())
                        .await
                        .map(|_| ())
                }
                Self::Cluster(_) => {
                    let probes: Vec<_> = (0..PROBES)
                        .map(|n| (format!("{prefix}probe:{n}"), Vec::new()))
                        .collect();
                    self.publish(&probes).await
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| Err(late("answering a ping")))
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

/// Looks after the connection.
struct Link {
    server: Server,
    prefix: String,
    followed: HashSet<String>,
    wanted: mpsc::UnboundedReceiver<Order>,
    queue: mpsc::Receiver<(String, Vec<u8>)>,
    heard: mpsc::UnboundedSender<Heard>,
    health: Arc<Mutex<Health>>,
    asked: Asked,
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

    fn fell(&self, why: String) {
        if set(&self.health, Health::Down(why.clone())) == Health::Up {
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
        connection.alive(&self.prefix).await?;
        set(&self.asked, None);
        set(&self.health, Health::Up);
        let _ = self.heard.send(Heard::Up);
        tracing::info!("the relay over Redis works");
        let mut ping = tokio::time::interval(PING);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let pinger = connection.clone();
        let (asked, prefix) = (Arc::clone(&self.asked), self.prefix.clone());
        let pings = async move {
            loop {
                ping.tick().await;
                set(&asked, Some(Instant::now()));
                if let Err(e) = pinger.alive(&prefix).await {
                    return e;
                }
                set(&asked, None);
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
                // The same word twice in a row, as "there may be work", says no more than once.
                batch.dedup();
                if let Err(e) = publisher.publish(&batch).await {
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
