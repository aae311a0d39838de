//! What a node does with what it hears from the others.

use std::str::FromStr;
use std::sync::Arc;

use rooms::id::RoomId;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::hub::Hub;
use crate::presence;
use crate::relay::redis::{Heard, RedisRelay};
use crate::relay::{Channel, Envelope, Message};
use crate::wire::Frame;

/// Connects a node to the others, when there is a Redis to do it over.
pub fn join(hub: &Arc<Hub>, store_id: Uuid) -> anyhow::Result<()> {
    let Some(url) = &hub.config.redis_url else {
        return Ok(());
    };
    // Several hubs can share one Redis: what they say is told apart by their stores.
    let prefix = format!("baton:{}:", store_id.simple());
    let (relay, heard) = RedisRelay::start(url, hub.node, prefix.clone())
        .map_err(|e| anyhow::anyhow!("REDIS_URL cannot be used: {e}"))?;
    hub.set_relay(Arc::new(relay));
    hub.relay().follow(Channel::Nodes);
    tokio::spawn(listen(Arc::clone(hub), heard, prefix));
    Ok(())
}

async fn listen(hub: Arc<Hub>, mut heard: mpsc::UnboundedReceiver<Heard>, prefix: String) {
    while let Some(heard) = heard.recv().await {
        match heard {
            Heard::Message(bytes) => match Envelope::decode(&bytes) {
                Some(envelope) if envelope.node != hub.node => receive(&hub, envelope),
                _ => {}
            },
            Heard::Following(channels) => {
                // What was committed before the subscription held was told to nobody here.
                let prefix = format!("{prefix}room:");
                let rooms: Vec<RoomId> = channels
                    .iter()
                    .filter_map(|c| RoomId::from_str(c.strip_prefix(&prefix)?).ok())
                    .collect();
                if !rooms.is_empty() {
                    tokio::spawn(check(Arc::clone(&hub), Some(rooms)));
                }
            }
            Heard::Up => {
                presence::relay_is(&hub, true);
                tokio::spawn(check(Arc::clone(&hub), None));
                hub.work.notify_one();
                hub.credentials.notify_one();
            }
            Heard::Down => presence::relay_is(&hub, false),
        }
    }
}

async fn check(hub: Arc<Hub>, rooms: Option<Vec<RoomId>>) {
    if let Err(e) = hub.delivery.check(rooms.as_deref()).await {
        // The sweep asks again within a second.
        tracing::debug!(error = %e, "could not compare the heads of rooms");
    }
}

fn receive(hub: &Arc<Hub>, envelope: Envelope<'_>) {
    match envelope.message {
        Message::Events { room, events } => {
            let frames = events
                .into_iter()
                .map(|(seq, text)| (seq, Frame::from(text.to_owned())));
            hub.delivery.publish(room, frames);
        }
        Message::Signal { room, frame } => {
            hub.delivery
                .ephemeral(room, &Frame::from(frame.to_owned()), None);
        }
        Message::ToAgent {
            space,
            agent,
            instance,
            name,
            data,
            answers,
        } => hub
            .agents
            .deliver(&space, &agent, instance.as_ref(), name, data, answers),
        Message::Work { .. } => hub.work.notify_one(),
        Message::Revoked => hub.credentials.notify_one(),
        message => presence::hear(hub, envelope.node, message),
    }
}
