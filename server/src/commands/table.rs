//! The table of the socket: how a row is written, and what it says of a command.
//!
//! A row is the one place where a command's name stands. It finds the handler, and it yields the command's entry in AsyncAPI, so a
//! name, a payload or an ack cannot be in one and not in the other. REST routes that run a command take body, ack and operation from it.

use futures::future::BoxFuture;
use rooms::id::RoomId;
use rooms::model::access::Principal;
use rooms::policy::Operation;
use rooms::{Command, Refusal};
use serde::de::DeserializeOwned;
use serde_json::Value;
use storage::read::Thing;
use utoipa::ToSchema;
use uuid::Uuid;

use super::payload::{Nothing, Payload};
use super::{Request, room_of};
use crate::contract::{Shape, shape};
use crate::gateway::Session;
use crate::hub::{Hub, Outcome};
use crate::problem::storage_refusal;
use crate::wire::AckSender;

/// Fields as a row writes them: `name` or `name?`, then what it is.
pub type Fields = &'static [(&'static str, Kind)];

/// What a field is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number, 0 or more.
    Whole,
    /// True or false.
    Flag,
    /// Any JSON.
    Any,
    /// A named type.
    One(fn() -> Shape),
    /// A list of a named type.
    Many(fn() -> Shape),
}

/// What an ack's `data` is, or what an event carries.
#[derive(Clone, Copy)]
pub enum Reply {
    /// A named type.
    Is(fn() -> Shape),
    /// An object of these fields.
    Has(Fields),
}

/// The room and the command of a payload.
type Routed<'a> = BoxFuture<'a, Result<(RoomId, Command), Refusal>>;
/// How a payload becomes a command.
type Route = Box<dyn for<'a> Fn(&'a Hub, &'a Principal, Payload) -> Routed<'a> + Send + Sync>;
/// What the hub does by itself, with several rooms.
type HubHandler =
    for<'a> fn(&'a Hub, Request<'a>, Payload) -> BoxFuture<'a, Result<Outcome, Refusal>>;
/// What one connection does. A handler that takes the ack has answered by itself.
type SocketHandler = for<'a> fn(
    &'a mut Session,
    Value,
    &'a mut Option<AckSender>,
) -> BoxFuture<'a, Result<Value, Refusal>>;

/// Who carries a command out.
pub enum Does {
    /// One room decides; over sockets and REST alike.
    Room(Route),
    /// The hub, which asks several rooms.
    Hub(HubHandler),
    /// The connection that asked; there is no such thing over REST.
    Socket(SocketHandler),
}

/// A command that clients send.
pub struct CommandRow {
    /// `noun:verb`.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its rule in the policy.
    pub operation: Operation,
    /// Fields beside those of the request: ids.
    pub fields: Vec<(&'static str, Kind)>,
    /// The rest of the payload; over REST, the body.
    pub request: Option<Shape>,
    /// The ack's `data`.
    pub reply: Reply,
    /// Who carries it out.
    pub does: Does,
    /// It begins when everything that its connection asked before is answered, and what follows waits for its answer. The others are
    /// given to their rooms as they come: in each room they take effect in the order sent.
    pub in_turn: bool,
}

impl CommandRow {
    /// See [`CommandRow::in_turn`].
    pub fn in_turn(mut self) -> Self {
        self.in_turn = true;
        self
    }

    /// Names the type of the ack's `data`.
    pub fn gives<T: ToSchema>(mut self) -> Self {
        self.reply = Reply::Is(shape::<T>);
        self
    }

    /// Names the fields of the ack's `data`.
    pub fn has(mut self, fields: Fields) -> Self {
        self.reply = Reply::Has(fields);
        self
    }
}

/// A row whose route is written by hand.
pub fn by_hand<R: ToSchema + 'static>(
    name: &'static str,
    summary: &'static str,
    operation: Operation,
    fields: Fields,
    route: impl for<'a> Fn(&'a Hub, &'a Principal, Payload) -> Routed<'a> + Send + Sync + 'static,
) -> CommandRow {
    CommandRow {
        name,
        summary,
        operation,
        fields: fields.to_vec(),
        request: requested::<R>(),
        reply: Reply::Has(&[]),
        does: Does::Room(Box::new(route)),
        in_turn: false,
    }
}

/// A row of the hub or of a connection.
pub fn direct(
    name: &'static str,
    summary: &'static str,
    operation: Operation,
    fields: Fields,
    does: Does,
) -> CommandRow {
    CommandRow {
        name,
        summary,
        operation,
        fields: fields.to_vec(),
        request: None,
        reply: Reply::Has(&[]),
        does,
        in_turn: true,
    }
}

fn requested<R: ToSchema + 'static>() -> Option<Shape> {
    (std::any::TypeId::of::<R>() != std::any::TypeId::of::<Nothing>()).then(shape::<R>)
}

/// A command that makes something: its room has the new id.
pub fn new<R: DeserializeOwned + ToSchema + Send + 'static>(
    name: &'static str,
    summary: &'static str,
    operation: Operation,
    make: fn(Uuid, R) -> Command,
) -> CommandRow {
    by_hand::<R>(name, summary, operation, &[], move |hub, _, payload| {
        Box::pin(async move {
            let id = hub.new_id().await.map_err(|e| storage_refusal(&e))?;
            Ok((RoomId(id), make(id, payload.parse()?)))
        })
    })
}

/// A command to the room of a thing that the payload names by `field`.
pub fn of<I: From<Uuid> + Send + 'static, R: DeserializeOwned + ToSchema + Send + 'static>(
    name: &'static str,
    summary: &'static str,
    operation: Operation,
    (field, thing): (&'static str, Thing),
    make: fn(I, R) -> Command,
) -> CommandRow {
    let mut row = by_hand::<R>(
        name,
        summary,
        operation,
        &[],
        move |hub, principal, mut payload| {
            Box::pin(async move {
                let id: Uuid = payload.id(field, thing.name())?;
                let command = make(I::from(id), payload.parse()?);
                Ok((room_of(hub, principal, thing, id).await?, command))
            })
        },
    );
    row.fields = vec![(field, Kind::Text)];
    row
}

/// A command to the workspace's own room.
pub fn in_workspace<R: DeserializeOwned + ToSchema + Send + 'static>(
    name: &'static str,
    summary: &'static str,
    operation: Operation,
    make: fn(R) -> Command,
) -> CommandRow {
    by_hand::<R>(name, summary, operation, &[], move |hub, principal, p| {
        Box::pin(async move {
            let command = make(p.parse()?);
            Ok((hub.workspace_room(&principal.workspace_id).await?, command))
        })
    })
}
