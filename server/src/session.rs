//! The Socket.IO sessions of a node, and how the hub ends one.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use serde_json::json;
use socketioxide::socket::Sid;
use tokio::sync::mpsc;

use crate::gateway::Asks;
use crate::hub::Hub;
use crate::wire::{Frame, Sent, Socket};

/// How often it is asked whether credentials still hold. A session outlives its credential by no more than 30 s.
const CHECK: Duration = Duration::from_secs(10);
/// How long a client whose buffer is full may take to make room for the word that it is cut off.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the last words are given to reach the client before its connection is cut.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Why the hub ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its key was revoked.
    Revoked,
    /// It reads more slowly than it is sent to; it resumes from its last seq.
    SlowConsumer,
    /// The node stops; another one takes over.
    Shutdown,
}

impl End {
    fn code(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::SlowConsumer => "slow_consumer",
            Self::Shutdown => "shutdown",
        }
    }

    fn reconnect(self) -> bool {
        self != Self::Revoked
    }

    /// `session.closed`, as it goes out.
    pub fn frame(self) -> Frame {
        Frame::of(
            "session.closed",
            &json!({"code": self.code(), "reconnect": self.reconnect()}),
        )
    }
}

struct Live {
    socket: Socket,
    key: String,
    door: Arc<Asks>,
}

/// The sessions that live here.
#[derive(Default)]
pub struct Sessions(DashMap<Sid, Live>);

impl Sessions {
    /// A session has begun, on the credential with this id. Its door is closed when the hub ends it.
    pub fn open(&self, socket: &Socket, key: &str, door: Arc<Asks>) {
        let live = Live {
            socket: socket.clone(),
            key: key.to_owned(),
            door,
        };
        self.0.insert(socket.id, live);
    }

    /// A session is over.
    pub fn close(&self, session: Sid) {
        self.0.remove(&session);
    }

    /// Every session.
    pub fn all(&self) -> Vec<Sid> {
        self.0.iter().map(|live| *live.key()).collect()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.0.iter().map(|live| live.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn with_key(&self, key: &str) -> Vec<Sid> {
        self.0
            .iter()
            .filter(|live| live.key == key)
            .map(|live| *live.key())
            .collect()
    }
}

/// Ends a session: nothing more is done for it, it is told why if that still fits, and its transport is closed.
pub fn end(hub: &Arc<Hub>, session: Sid, why: End) {
    let Some((_, live)) = hub.sessions.0.remove(&session) else {
        return;
    };
    live.door.close();
    if why == End::SlowConsumer {
        metrics::counter!("baton_slow_consumers_total").increment(1);
    }
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        let frame = why.frame();
        let told = async {
            while hub.wire.send(session, &frame) == Sent::Full {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, told).await;
        if !why.reconnect() {
            // Stock clients take this packet for a dismissal, and stay away.
            let _ = live.socket.clone().disconnect();
        }
        tokio::time::sleep(LAST_WORDS).await;
        hub.transports.cut(session, live.socket.req_parts());
    });
}

/// Ends the sessions that cannot keep up.
pub async fn cut_off_slow(hub: Arc<Hub>, mut lagging: mpsc::UnboundedReceiver<Sid>) {
    while let Some(session) = lagging.recv().await {
        end(&hub, session, End::SlowConsumer);
    }
}

/// Ends the sessions whose key was revoked: at once where a node says so, else within the interval.
pub async fn sweep(hub: Arc<Hub>) {
    loop {
        let _ = tokio::time::timeout(CHECK, hub.credentials.notified()).await;
        hub.transports.sweep();
        hub.rate.forget_idle();
        let keys = hub.sessions.keys();
        match hub.store().revoked(&keys).await {
            Ok(revoked) => {
                for key in revoked {
                    for session in hub.sessions.with_key(&key) {
                        end(&hub, session, End::Revoked);
                    }
                }
            }
            Err(e) => tracing::debug!(error = %e, "could not look for revoked keys"),
        }
    }
}
