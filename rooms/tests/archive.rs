//! The end of a room: when it is archived, and what opens it again.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod world;

use rooms::{Code, Command, EventBody};
use serde_json::{Value, json};
use world::{World, person};

fn system() -> rooms::model::access::Principal {
    rooms::model::access::Principal::system("default".into())
}

fn archive(w: &mut World, head: u64) -> Result<Value, Code> {
    w.run(&system(), Command::ArchiveRoom { head })
        .map_err(|e| e.code)
}

fn post(w: &mut World) -> Result<Value, rooms::Refusal> {
    let message = serde_json::from_value(json!({"body": "late"})).unwrap();
    w.run(&person("admin"), Command::PostMessage(message))
}

fn ended(how: &str) -> World {
    let mut w = World::running(
        json!([{"key": "a", "name": "A", "maxAttempts": 1}]),
        json!({}),
    );
    match how {
        "completed" => w.done("a", json!({})),
        "failed" => w.broken("a"),
        _ => {}
    }
    w
}

fn archived(w: &World) -> bool {
    w.state.room.as_ref().is_some_and(|room| room.archived)
}

#[test]
fn a_room_is_archived_once_its_process_has_ended_and_nothing_came_since() {
    let mut w = ended("completed");
    let head = w.state.seq;
    assert_eq!(
        archive(&mut w, head - 1),
        Err(Code::IllegalTransition),
        "something came since"
    );
    assert!(archive(&mut w, head).is_ok());
    assert!(archived(&w));
    assert!(matches!(w.events.last(), Some(EventBody::RoomArchived(change)) if change.archived));
    let head = w.state.seq;
    assert_eq!(
        archive(&mut w, head),
        Err(Code::IllegalTransition),
        "it is archived"
    );
}

#[test]
fn a_living_process_keeps_its_room_open() {
    let mut w = ended("");
    let head = w.state.seq;
    assert_eq!(archive(&mut w, head), Err(Code::IllegalTransition));
    assert!(!archived(&w));
}

#[test]
fn nobody_but_baton_archives_a_room() {
    let mut w = ended("completed");
    let head = w.state.seq;
    let refused = w.run(&person("admin"), Command::ArchiveRoom { head });
    assert_eq!(refused.unwrap_err().code, Code::Forbidden);
}

#[test]
fn an_archived_room_takes_no_posts_until_its_process_is_retried() {
    let mut w = ended("failed");
    let head = w.state.seq;
    archive(&mut w, head).unwrap();
    let refused = post(&mut w).unwrap_err();
    assert_eq!(refused.code, Code::IllegalTransition);
    assert!(refused.detail.contains("archived"), "{}", refused.detail);
    let who = serde_json::from_value(json!({"type": "human", "id": "eve"})).unwrap();
    let refused = w.run(&person("admin"), Command::Invite(who)).unwrap_err();
    assert_eq!(refused.code, Code::IllegalTransition);
    let retry = Command::RetryProcess(serde_json::from_value(json!({})).unwrap());
    w.run(&person("admin"), retry).unwrap();
    assert!(!archived(&w));
    assert!(post(&mut w).is_ok());
}
