//! Rooms, their participants, messages and applications' own events.

use rooms::Command;
use rooms::event::{MessageEdit, MessageRemoval};
use rooms::id::RoomId;
use rooms::model::room::{CollaborationRoom, Message, Participant};
use rooms::policy::Operation as O;
use storage::read::Thing;

use super::table::{CommandRow, Kind, new, of};

const ROOM: (&str, Thing) = ("roomId", Thing::Room);

pub fn rows() -> Vec<CommandRow> {
    type R = RoomId;
    vec![
        new("room:create", "Make a room", O::RoomsCreate, |id, room| {
            Command::CreateRoom {
                room_id: RoomId(id),
                room,
            }
        })
        .gives::<CollaborationRoom>(),
        of(
            "room:invite",
            "Invite, or give another role",
            O::RoomsInvite,
            ROOM,
            |_: R, who| Command::Invite(who),
        )
        .gives::<Participant>(),
        of(
            "room:remove",
            "Remove a participant",
            O::RoomsInvite,
            ROOM,
            |_: R, who| Command::RemoveParticipant(who),
        )
        .gives::<Participant>(),
        of(
            "room:read",
            "Say how far the caller has read",
            O::RoomsPost,
            ROOM,
            |_: R, mark| Command::MarkRead(mark),
        )
        .has(&[("lastReadSeq", Kind::Whole)]),
        of(
            "message:send",
            "Post a message",
            O::RoomsPost,
            ROOM,
            |_: R, message| Command::PostMessage(message),
        )
        .gives::<Message>(),
        of(
            "message:edit",
            "Change what a message says: its author, or a coordinator of the room",
            O::RoomsPost,
            ROOM,
            |_: R, edit| Command::EditMessage(edit),
        )
        .gives::<MessageEdit>(),
        of(
            "message:remove",
            "Take a message out of the conversation: its author, or a coordinator of the room",
            O::RoomsPost,
            ROOM,
            |_: R, which| Command::RemoveMessage(which),
        )
        .gives::<MessageRemoval>(),
        of(
            "event:broadcast",
            "Send an application's own event to a room, as custom.<name>",
            O::RoomsPost,
            ROOM,
            |_: R, event| Command::Broadcast(event),
        ),
    ]
}
