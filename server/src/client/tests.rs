//! The client against a scripted server.

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::script::{OPEN, Server};
use super::{Client, CommandError, ConnectError, FollowError, Incoming, RoomFollower};

async fn disconnected(incoming: &mut mpsc::UnboundedReceiver<Incoming>) -> String {
    match incoming.recv().await {
        Some(Incoming::Disconnected { reason }) => reason,
        other => panic!("expected a disconnect, got {other:?}"),
    }
}

#[tokio::test]
async fn a_refused_handshake_gives_the_code() {
    let server = Server::start().await;
    let play = async {
        let mut peer = server.accept().await;
        peer.send(OPEN).await;
        peer.receive().await;
        peer.send(r#"44{"message":"unauthenticated"}"#).await;
    };
    let (client, ()) = tokio::join!(Client::connect(server.options(true)), play);
    assert!(matches!(client, Err(ConnectError::Refused { code, .. }) if code == "unauthenticated"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once() {
    let server = Server::start().await;
    let options = server.options(true);
    drop(server);
    let error = Client::connect(options).await.expect_err("no server");
    assert!(matches!(error, ConnectError::Transport(_)) && error.is_retryable());
}

#[tokio::test]
async fn commands_reach_the_wire_in_the_order_of_the_calls() {
    let server = Server::start().await;
    let (client, _incoming, mut peer) = server.pair(false).await;
    let mut calls: Vec<_> = (0..200)
        .map(|n| client.send("message:send", json!({"n": n})))
        .collect();
    // Polled in the opposite order, and answered in the opposite order: neither may matter.
    calls.reverse();
    let play = async {
        let mut ids = Vec::new();
        for expected in 0..200 {
            let (id, name, payload) = peer.command().await;
            assert_eq!(
                (name.as_str(), &payload["n"]),
                ("message:send", &json!(expected))
            );
            ids.push(id);
        }
        for (n, id) in ids.into_iter().enumerate().rev() {
            peer.ack(id, json!({"ok": true, "data": {"n": n}, "seq": n}))
                .await;
        }
    };
    let (replies, ()) = tokio::join!(futures::future::join_all(calls), play);
    for (n, reply) in (0..200u64).rev().zip(replies) {
        let reply = reply.expect("accepted");
        assert_eq!((reply.seq, &reply.data["n"]), (Some(n), &json!(n)));
    }
}

#[tokio::test]
async fn a_command_can_be_refused() {
    let server = Server::start().await;
    let (client, _incoming, mut peer) = server.pair(false).await;
    let play = async {
        let (id, ..) = peer.command().await;
        peer.ack(id, json!({"ok": false, "error": {"code": "stale_lease"}}))
            .await;
    };
    let (result, ()) = tokio::join!(client.command("attempt:complete", json!({})), play);
    assert_eq!(result.expect_err("refused").code(), Some("stale_lease"));
}

#[tokio::test]
async fn a_servers_event_is_acknowledged_on_its_connection() {
    let server = Server::start().await;
    let (_client, mut incoming, mut peer) = server.pair(false).await;
    peer.send(r#"4217["work.answered",{"response":{"action":"approve"}}]"#)
        .await;
    let Some(Incoming::Event {
        name,
        data,
        ack: Some(ack),
    }) = incoming.recv().await
    else {
        panic!("an event that wants an ack");
    };
    assert_eq!(
        (name.as_str(), &data["response"]["action"]),
        ("work.answered", &json!("approve"))
    );
    ack.send(json!(null));
    assert_eq!(peer.receive().await, "4317[null]");
}

#[tokio::test]
async fn pings_are_answered_and_their_absence_is_noticed() {
    let server = Server::start().await;
    let open = r#"0{"sid":"s","pingInterval":40,"pingTimeout":40}"#;
    let (client, mut peer) = tokio::join!(
        Client::connect(server.options(false)),
        server.welcome_with(open)
    );
    let client = client.expect("connected");
    let mut incoming = client.take_incoming().expect("first taker");
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    for _ in 0..5 {
        peer.send("2").await;
        assert_eq!(peer.receive().await, "3");
    }
    assert!(disconnected(&mut incoming).await.contains("no ping"));
    assert!(incoming.recv().await.is_none());
    assert!(matches!(
        client.command("x", json!({})).await,
        Err(CommandError::Closed)
    ));
}

#[tokio::test]
async fn a_lost_connection_closes_what_waits_and_is_made_again() {
    let server = Server::start().await;
    let (client, mut incoming, mut peer) = server.pair(true).await;
    let waiting = client.send("attempt:accept", json!({}));
    peer.command().await;
    drop(peer);
    assert!(matches!(waiting.await, Err(CommandError::Closed)));
    disconnected(&mut incoming).await;
    // Given while there is no connection: it fails, and does not turn up later on the new one.
    assert!(matches!(
        client.command("stale", json!({})).await,
        Err(CommandError::Closed)
    ));

    let mut peer = server.welcome().await;
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
    let reply = client.send("agent:ready", json!({}));
    let (id, name, _) = peer.command().await;
    assert_eq!(name, "agent:ready");
    peer.ack(id, json!({"ok": true})).await;
    assert_eq!(reply.await.expect("accepted").data, Value::Null);
}

#[tokio::test]
async fn a_server_that_is_not_ready_yet_is_tried_until_it_is() {
    let server = Server::start().await;
    let (_client, mut incoming, peer) = server.pair(true).await;
    drop(peer);
    disconnected(&mut incoming).await;
    for _ in 0..2 {
        drop(server.listener.accept().await.expect("an attempt"));
    }
    let mut draining = server.accept().await;
    draining.send(OPEN).await;
    draining.receive().await;
    draining.send(r#"44{"message":"unavailable"}"#).await;
    let _peer = server.welcome().await;
    assert!(matches!(incoming.recv().await, Some(Incoming::Connected)));
}

#[tokio::test]
async fn a_session_that_the_server_closed_for_good_is_not_made_again() {
    let server = Server::start().await;
    let (_client, mut incoming, mut peer) = server.pair(true).await;
    peer.send(r#"42["session.closed",{"code":"revoked","reconnect":false}]"#)
        .await;
    peer.send("41").await;
    assert!(
        matches!(incoming.recv().await, Some(Incoming::Event { name, .. }) if name == "session.closed")
    );
    disconnected(&mut incoming).await;
    assert!(incoming.recv().await.is_none());
}

#[tokio::test]
async fn credentials_that_are_refused_on_reconnection_end_the_client() {
    let server = Server::start().await;
    let (_client, mut incoming, peer) = server.pair(true).await;
    drop(peer);
    disconnected(&mut incoming).await;
    let mut peer = server.accept().await;
    peer.send(OPEN).await;
    peer.receive().await;
    peer.send(r#"44{"message":"unauthenticated"}"#).await;
    assert!(
        disconnected(&mut incoming)
            .await
            .contains("unauthenticated")
    );
    assert!(incoming.recv().await.is_none());
}

#[tokio::test]
async fn a_binary_packet_is_refused_and_named() {
    let server = Server::start().await;
    let (_client, mut incoming, mut peer) = server.pair(false).await;
    peer.send(r#"451-["file",{"_placeholder":true,"num":0}]"#)
        .await;
    assert!(disconnected(&mut incoming).await.contains("binary"));
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_says_goodbye() {
    let server = Server::start().await;
    let (client, mut incoming, mut peer) = server.pair(true).await;
    let last = client.send("message:send", json!({"body": "bye"}));
    client.close().await;
    assert_eq!(peer.command().await.1, "message:send");
    assert_eq!(peer.receive().await, "41");
    assert!(matches!(peer.0.next().await, Some(Ok(Message::Close(_)))));
    assert!(matches!(last.await, Err(CommandError::Closed)));
    disconnected(&mut incoming).await;
    assert!(incoming.recv().await.is_none());
}

#[tokio::test]
async fn the_last_clone_closes_the_connection() {
    let server = Server::start().await;
    let (client, _incoming, mut peer) = server.pair(true).await;
    drop(client.clone());
    drop(client);
    assert_eq!(peer.receive().await, "41");
}

fn event(seq: u64) -> Value {
    json!({"roomId": "r", "seq": seq, "type": "custom.x"})
}

fn events(range: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    range.map(event).collect()
}

async fn seqs(follower: &mut RoomFollower, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(
            follower.next().await.expect("event")["seq"]
                .as_u64()
                .expect("seq"),
        );
    }
    seqs
}

#[tokio::test]
async fn a_room_is_followed_without_gap_or_double_over_connections() {
    let server = Server::start().await;
    let (client, mut peer) = tokio::join!(Client::connect(server.options(true)), server.welcome());
    let mut follower =
        RoomFollower::new(client.expect("connected"), "r", Some(2)).expect("fresh client");
    let play = async {
        let (id, name, payload) = peer.command().await;
        assert_eq!(
            (name.as_str(), payload),
            ("room:join", json!({"since": 2, "roomId": "r"}))
        );
        peer.ack(id, json!({"ok": true, "data": {"events": events(3..=4), "head": 6, "logId": "l", "more": true}})).await;
        let (id, name, payload) = peer.command().await;
        assert_eq!(
            (name.as_str(), &payload["since"]),
            ("room:history", &json!(4))
        );
        // A live event may be repeated by the log that was read at the same time.
        peer.send(&format!(r#"42["custom.x",{}]"#, event(7))).await;
        peer.ack(
            id,
            json!({"ok": true, "data": {"events": events(5..=7), "head": 7}}),
        )
        .await;
        peer.send(r#"42["custom.x",{"roomId":"other","seq":8}]"#)
            .await;
        peer.send(&format!(r#"42["custom.x",{}]"#, event(8))).await;
        drop(peer);

        let mut peer = server.welcome().await;
        let (id, ..) = peer.command().await;
        peer.ack(id, json!({"ok": false, "error": {"code": "unavailable"}}))
            .await;
        let (id, _, payload) = peer.command().await;
        assert_eq!(payload, json!({"logId": "l", "since": 8, "roomId": "r"}));
        peer.ack(
            id,
            json!({"ok": true, "data": {"events": events(9..=9), "head": 9, "logId": "l"}}),
        )
        .await;
        // 10 was lost on the way: 11 shows it, and the log has it.
        peer.send(&format!(r#"42["custom.x",{}]"#, event(11))).await;
        let (id, _, payload) = peer.command().await;
        assert_eq!(payload["since"], json!(9));
        peer.ack(
            id,
            json!({"ok": true, "data": {"events": events(10..=11), "head": 11, "logId": "l"}}),
        )
        .await;
        peer
    };
    let (seen, _peer) = tokio::join!(seqs(&mut follower, 9), play);
    assert_eq!(seen, (3..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_log_that_is_another_is_started_over() {
    let server = Server::start().await;
    let (client, mut peer) = tokio::join!(Client::connect(server.options(false)), server.welcome());
    let mut follower =
        RoomFollower::new(client.expect("connected"), "r", Some(90)).expect("fresh client");
    let play = async {
        let (id, ..) = peer.command().await;
        peer.ack(
            id,
            json!({"ok": true, "data": {"events": [], "head": 2, "reset": true}}),
        )
        .await;
        let (id, _, payload) = peer.command().await;
        assert_eq!(payload, json!({"roomId": "r"}));
        peer.ack(
            id,
            json!({"ok": true, "data": {"events": events(1..=2), "head": 2, "logId": "new"}}),
        )
        .await;
        peer.0.close(None).await.expect("close");
    };
    let (seen, ()) = tokio::join!(seqs(&mut follower, 2), play);
    assert_eq!(seen, [1, 2]);
    assert!(matches!(follower.next().await, Err(FollowError::Ended(_))));
}
