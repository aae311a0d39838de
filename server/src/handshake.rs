//! WebSocket handshakes, taken before the HTTP server sees them.
//!
//! An HTTP connection keeps its two buffers of 8 KiB when it has become a WebSocket, which is more than everything else that an idle
//! connection needs. So where a handshake stands whole in what a client has sent, it is answered here, and the engine gets the bare stream.
//! Whatever is not plainly that stays untouched in the kernel's buffer, for the HTTP server to read.

use axum::http::{HeaderName, HeaderValue, Request, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The longest head that is looked at.
const HEAD: usize = 4096;
/// More headers than these make it the HTTP server's business.
const HEADERS: usize = 48;
/// What a proxy says about its client is kept with the session; the rest of the head is not.
const KEPT: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// What a stream began with.
pub enum Taken {
    /// A handshake, which is answered: the session's request.
    Session(Box<Request<()>>),
    /// Something else, of which nothing has been read.
    Nothing,
    /// A handshake, but the connection broke.
    Broken,
}

struct Handshake {
    request: Request<()>,
    accept: String,
    length: usize,
}

/// Answers the handshake that begins a session over WebSocket; nothing else is read.
pub async fn take(stream: &mut TcpStream) -> Taken {
    let mut head = [0; HEAD];
    let Ok(seen) = stream.peek(&mut head).await else {
        return Taken::Broken;
    };
    let Some(handshake) = parse(&head[..seen]) else {
        return Taken::Nothing;
    };
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {}\r\n\r\n",
        handshake.accept
    );
    let answered = async {
        stream.read_exact(&mut head[..handshake.length]).await?;
        stream.write_all(answer.as_bytes()).await
    };
    match answered.await {
        Ok(()) => Taken::Session(Box::new(handshake.request)),
        Err(_) => Taken::Broken,
    }
}

/// A whole handshake of the engine's, without a session yet. Anything doubtful is none.
fn parse(bytes: &[u8]) -> Option<Handshake> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else {
        return None;
    };
    if head.method != Some("GET") || head.version != Some(1) {
        return None;
    }
    let uri: Uri = head.path?.parse().ok()?;
    let query = uri.query()?;
    let asks = |pair: &str| query.split('&').any(|p| p == pair);
    if uri.path() != "/socket.io/"
        || !asks("EIO=4")
        || !asks("transport=websocket")
        || query.contains("sid=")
    {
        return None;
    }
    let values = |name: &str| {
        let mut found = head
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        let first = found.next().and_then(|h| std::str::from_utf8(h.value).ok());
        first.filter(|_| found.next().is_none())
    };
    let upgrades = values("upgrade")?.eq_ignore_ascii_case("websocket")
        && values("connection")?
            .split(',')
            .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
        && values("sec-websocket-version")? == "13";
    let key = values("sec-websocket-key")?.to_owned();
    if !upgrades || values("content-length").is_some() || values("transfer-encoding").is_some() {
        return None;
    }
    let mut request = Request::get(uri).body(()).ok()?;
    for header in head.headers.iter() {
        if KEPT.iter().any(|k| header.name.eq_ignore_ascii_case(k)) {
            let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
            let value = HeaderValue::from_bytes(header.value).ok()?;
            request.headers_mut().append(name, value);
        }
    }
    Some(Handshake {
        request,
        accept: derive_accept_key(key.as_bytes()),
        length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        X-Forwarded-For: 192.0.2.7\r\n\r\n";

    #[test]
    fn a_whole_handshake_is_taken_up_to_its_end() {
        let sent = format!("{WHOLE}more");
        let handshake = parse(sent.as_bytes()).unwrap();
        assert_eq!(handshake.length, WHOLE.len());
        // The example of RFC 6455.
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(handshake.request.headers().len(), 1);
    }

    #[test]
    fn whatever_is_not_plainly_a_first_handshake_is_left_to_the_http_server() {
        assert!(parse(&WHOLE.as_bytes()[..100]).is_none());
        for (from, to) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("transport=websocket", "transport=polling"),
            ("EIO=4", "EIO=3"),
            ("EIO=4", "EIO=4&sid=AAAA"),
            ("/socket.io/", "/api/"),
            ("Upgrade: websocket", "Upgrade: h2c"),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
            ("Sec-WebSocket-Key: ", "Sec-WebSocket-Kay: "),
            ("Host: hub", "Content-Length: 5"),
        ] {
            assert!(parse(WHOLE.replace(from, to).as_bytes()).is_none(), "{to}");
        }
    }
}
