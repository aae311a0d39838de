//! What goes out on Socket.IO connections: an event is encoded once, whoever receives it.
//!
//! socketioxide encodes an event again for every socket that it is emitted to. Its adapter, though, takes data that is encoded already,
//! for one socket at a time, and says whether that socket's buffer is full, which a broadcast does not.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use socketioxide::SocketIo;
use socketioxide::adapter::Emitter;
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;
use socketioxide_core::adapter::errors::SocketError;
use socketioxide_core::adapter::{
    BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, SocketEmitter,
};
use socketioxide_core::packet::Packet;
use socketioxide_core::{Str, Value};

/// A Socket.IO server whose sockets [`Wire`] reaches.
pub type Io = SocketIo<Adapter>;
/// One connection.
pub type Socket = SocketRef<Adapter>;
/// Answers one command.
pub type AckSender = socketioxide::extract::AckSender<Adapter>;

/// An event as it goes out, but for the packet's first byte: `["name",{…}]`. A clone shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Str);

impl Frame {
    /// From an event's name and its one argument as JSON.
    pub fn new(name: &str, json: &str) -> Self {
        let mut text = String::with_capacity(name.len() + json.len() + 5);
        text.push('[');
        text.push_str(&serde_json::to_string(name).unwrap_or_default());
        text.push(',');
        text.push_str(json);
        text.push(']');
        Self(Str::from(text))
    }

    /// From an event's name and its one argument.
    pub fn of<T: Serialize + ?Sized>(name: &str, data: &T) -> Self {
        // What is sent is made of strings, numbers, lists and maps with text keys: nothing that JSON cannot say.
        Self::new(name, &serde_json::to_string(data).unwrap_or_default())
    }

    /// Whether it is an event of this name.
    pub fn is(&self, name: &str) -> bool {
        let rest = self.as_str().strip_prefix("[\"");
        rest.and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with("\","))
    }

    /// The event's one argument, as JSON.
    pub fn argument(&self) -> &str {
        let rest = self.as_str().split_once(',');
        rest.and_then(|(_, rest)| rest.strip_suffix(']'))
            .unwrap_or_default()
    }

    /// The text, `["name",{…}]`.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<String> for Frame {
    /// From a text that [`Frame::as_str`] gave, on this node or another.
    fn from(text: String) -> Self {
        Self(Str::from(text))
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the connection's buffer, or the connection is gone already, which its end tells elsewhere.
    Taken,
    /// The buffer is full: the client reads more slowly than it is sent to.
    Full,
}

/// Reaches the sockets of the node by id.
#[derive(Clone, Default)]
pub struct Wire(Arc<OnceLock<Arc<Adapter>>>);

impl Wire {
    /// Puts a frame into a socket's buffer; never waits.
    pub fn send(&self, socket: Sid, frame: &Frame) -> Sent {
        let Some(adapter) = self.0.get() else {
            return Sent::Taken;
        };
        let packet = Packet::event(Str::from("/"), Value::Str(frame.0.clone(), None));
        match adapter
            .local
            .broadcast(packet, BroadcastOptions::new(socket))
        {
            Err(errors)
                if errors
                    .iter()
                    .any(|e| matches!(e, SocketError::InternalChannelFull)) =>
            {
                Sent::Full
            }
            _ => Sent::Taken,
        }
    }
}

/// Gives [`Wire`] what socketioxide keeps of its sockets; has no state of its own.
pub struct Adapter {
    local: CoreLocalAdapter<Emitter>,
    wire: Wire,
}

impl CoreAdapter<Emitter> for Adapter {
    type Error = Infallible;
    type State = Wire;
    type AckStream = <Emitter as SocketEmitter>::AckStream;
    type InitRes = ();

    fn new(wire: &Wire, local: CoreLocalAdapter<Emitter>) -> Self {
        Self {
            local,
            wire: wire.clone(),
        }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        let _ = self.wire.0.set(Arc::clone(&self));
        on_success();
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        options: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, options, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<Emitter> {
        &self.local
    }
}

impl DefinedAdapter for Adapter {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_event_as_clients_parse_it() {
        let frame = Frame::of("message.posted", &serde_json::json!({"seq": 3}));
        assert_eq!(frame.as_str(), r#"["message.posted",{"seq":3}]"#);
        assert_eq!(Frame::from(frame.as_str().to_owned()), frame);
        assert_eq!(frame.argument(), r#"{"seq":3}"#);
        assert!(frame.is("message.posted") && !frame.is("message.post"));
    }
}
