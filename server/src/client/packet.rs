//! The text frames of Engine.IO v4 and Socket.IO v5, written and read.
//!
//! An Engine.IO frame is one digit and a body. A message (`4`) carries a Socket.IO packet: one digit, an optional
//! namespace ended by a comma, an optional ack id, a JSON body. `421["name",{}]` is thus an event with ack id 1.

use serde_json::{Value, value::RawValue};

use super::{CommandError, Reply};

pub(super) const PONG: &str = "3";
pub(super) const DISCONNECT: &str = "41";

/// One frame from the server.
#[derive(Debug, PartialEq)]
pub(super) enum Packet {
    /// Engine: the transport is open. The body holds the ping times.
    Open(Value),
    Close,
    Ping,
    /// Engine: carries nothing (a stray pong or an upgrade's noop).
    Noop,
    Connect,
    ConnectError(Value),
    Disconnect,
    Event {
        id: Option<u64>,
        name: String,
        data: Value,
    },
    Ack {
        id: u64,
        data: Value,
    },
}

/// `auth` is `{}` when the options hold null, as the official clients send it.
pub(super) fn encode_connect(auth: &Value) -> String {
    if auth.is_null() {
        "40".to_owned()
    } else {
        format!("40{auth}")
    }
}

pub(super) fn encode_event(id: u64, name: &str, payload: &Value) -> String {
    // `Value`'s Display writes JSON, quotes and escapes included.
    format!("42{id}[{},{payload}]", Value::from(name))
}

pub(super) fn encode_ack(id: u64, answer: &Value) -> String {
    format!("43{id}[{answer}]")
}

/// Reads one text frame; the error says what is wrong with it.
pub(super) fn decode(frame: &str) -> Result<Packet, String> {
    let mut rest = frame.chars();
    match rest.next() {
        Some('0') => Ok(Packet::Open(json(rest.as_str())?)),
        Some('1') => Ok(Packet::Close),
        Some('2') => Ok(Packet::Ping),
        Some('3' | '6') => Ok(Packet::Noop),
        Some('4') => decode_message(rest.as_str()),
        _ => Err(format!("unknown engine packet {:?}", clip(frame))),
    }
}

fn decode_message(message: &str) -> Result<Packet, String> {
    let mut rest = message.chars();
    let kind = rest.next().ok_or("empty message")?;
    if matches!(kind, '5' | '6') {
        return Err("a binary packet, which this client does not read".to_owned());
    }
    let mut body = rest.as_str();
    if body.starts_with('/') {
        let namespace = body.split(',').next().unwrap_or(body);
        if namespace != "/" {
            return Err(format!(
                "a packet for the namespace {:?}, which was not joined",
                clip(namespace)
            ));
        }
        body = body.get(2..).unwrap_or("");
    }
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let (id, body) = body.split_at(digits);
    let id = if id.is_empty() {
        None
    } else {
        Some(
            id.parse::<u64>()
                .map_err(|_| format!("ack id {:?} is too large", clip(id)))?,
        )
    };
    match kind {
        '0' => Ok(Packet::Connect),
        '1' => Ok(Packet::Disconnect),
        '2' => {
            let (name, data) = arguments::<String>(body)?;
            Ok(Packet::Event { id, name, data })
        }
        '3' => {
            let id = id.ok_or("an ack without an id")?;
            let mut arguments = list(body)?.into_iter();
            Ok(Packet::Ack {
                id,
                data: arguments
                    .next()
                    .map_or(Ok(Value::Null), |raw| json(raw.get()))?,
            })
        }
        '4' => Ok(Packet::ConnectError(json(body)?)),
        other => Err(format!("unknown packet type {other:?}")),
    }
}

/// The event's name and its first argument. Further arguments are not part of Baton's contract.
fn arguments<T: serde::de::DeserializeOwned>(body: &str) -> Result<(T, Value), String> {
    let mut arguments = list(body)?.into_iter();
    let name = arguments.next().ok_or("an event without a name")?;
    let data = arguments
        .next()
        .map_or(Ok(Value::Null), |raw| json(raw.get()))?;
    Ok((json(name.get())?, data))
}

fn list(body: &str) -> Result<Vec<&RawValue>, String> {
    json(body)
}

fn json<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {:?}", clip(text)))
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Reads the ack of a command, `{ok: true, data, seq?}` or `{ok: false, error}`.
pub(super) fn read_reply(mut ack: Value) -> Result<Reply, CommandError> {
    match ack.get("ok").and_then(Value::as_bool) {
        Some(true) => Ok(Reply {
            seq: ack.get("seq").and_then(Value::as_u64),
            data: ack.get_mut("data").map(Value::take).unwrap_or_default(),
        }),
        Some(false) => Err(CommandError::Refused(
            ack.get_mut("error").map(Value::take).unwrap_or_default(),
        )),
        None => Err(CommandError::Malformed(ack)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_written_with_its_ack_id_and_escapes() {
        assert_eq!(
            encode_event(7, "message:send", &json!({"body": "say \"hi\"\n"})),
            r#"427["message:send",{"body":"say \"hi\"\n"}]"#
        );
        assert_eq!(encode_ack(3, &json!(null)), "433[null]");
        assert_eq!(encode_connect(&json!({"token": "t"})), r#"40{"token":"t"}"#);
        assert_eq!(encode_connect(&Value::Null), "40");
    }

    #[test]
    fn each_kind_of_frame_is_read() {
        let event = |id, name: &str, data| {
            Ok(Packet::Event {
                id,
                name: name.to_owned(),
                data,
            })
        };
        assert_eq!(decode("2"), Ok(Packet::Ping));
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("6"), Ok(Packet::Noop));
        assert_eq!(
            decode(r#"0{"sid":"a"}"#),
            Ok(Packet::Open(json!({"sid": "a"})))
        );
        assert_eq!(decode(r#"40{"sid":"b"}"#), Ok(Packet::Connect));
        assert_eq!(decode("41"), Ok(Packet::Disconnect));
        assert_eq!(
            decode(r#"42["a.b",{"x":1}]"#),
            event(None, "a.b", json!({"x": 1}))
        );
        assert_eq!(
            decode(r#"42/,12["a",[1],2]"#),
            event(Some(12), "a", json!([1]))
        );
        assert_eq!(decode(r#"42["bare"]"#), event(None, "bare", Value::Null));
        assert_eq!(
            decode(r#"435[{"ok":true}]"#),
            Ok(Packet::Ack {
                id: 5,
                data: json!({"ok": true})
            })
        );
        assert_eq!(
            decode("430[]"),
            Ok(Packet::Ack {
                id: 0,
                data: Value::Null
            })
        );
        assert_eq!(
            decode(r#"44{"message":"unauthenticated"}"#),
            Ok(Packet::ConnectError(json!({"message": "unauthenticated"})))
        );
    }

    #[test]
    fn a_frame_that_cannot_be_read_says_why() {
        for (frame, why) in [
            ("", "unknown engine packet"),
            ("9", "unknown engine packet"),
            ("4", "empty message"),
            ("42", "EOF"),
            ("42{}", "expected a sequence"),
            ("42[]", "without a name"),
            ("42[7]", "expected a string"),
            ("43[1]", "without an id"),
            ("4399999999999999999999[1]", "too large"),
            (r#"42/admin,["a"]"#, "namespace \"/admin\""),
            (r#"451-["a",{"_placeholder":true,"num":0}]"#, "binary"),
            ("461-1[]", "binary"),
            ("48", "unknown packet type"),
            ("4é", "unknown packet type"),
        ] {
            let error = decode(frame).expect_err(frame);
            assert!(error.contains(why), "{frame}: {error}");
        }
    }

    #[test]
    fn an_ack_is_a_reply_a_refusal_or_malformed() {
        let reply =
            read_reply(json!({"ok": true, "data": {"id": "m"}, "seq": 4})).expect("accepted");
        assert_eq!(
            reply,
            Reply {
                data: json!({"id": "m"}),
                seq: Some(4)
            }
        );
        let refused =
            read_reply(json!({"ok": false, "error": {"code": "stale_lease", "detail": "gone"}}));
        let refused = refused.expect_err("refused");
        assert_eq!(refused.code(), Some("stale_lease"));
        assert_eq!(refused.to_string(), "refused: stale_lease: gone");
        assert!(matches!(
            read_reply(json!("yes")),
            Err(CommandError::Malformed(_))
        ));
    }
}
