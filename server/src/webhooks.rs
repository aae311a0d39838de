//! Sends the outbox of webhooks: signed, at least once, in order per room, with patience.
//!
//! A claim is a row's due time moved ahead, fenced by its number of attempts: a node that dies lets go by itself, and one that was frozen
//! cannot undo what another did. Each webhook has few requests under way at a time, each with a time limit, so that a slow receiver
//! delays itself alone. A request follows no redirect and goes to no private address unless that is configured: the name is resolved
//! once, every address of it is checked, and the connection is made to what was checked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use ring::hmac;
use rooms::Timestamp;
use serde_json::Value;
use storage::webhooks::{Delivery, Sent};
use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

use crate::hub::Hub;

/// Requests under way at once, per webhook and node.
const PER_WEBHOOK: usize = 4;
/// Requests under way at once, per node.
const AT_ONCE: usize = 64;
/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a claim holds: longer than a request may take.
const HOLD_MICROS: i64 = 60_000_000;
/// How long an event is tried.
const GIVE_UP_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// The wait before the second try; it doubles, with jitter, up to [`LONGEST_WAIT_MICROS`].
const FIRST_WAIT_MICROS: i64 = 2_000_000;
const LONGEST_WAIT_MICROS: i64 = 3_600 * 1_000_000;

/// Whether an address is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => is_public_v4(a),
        IpAddr::V6(a) => is_public_v6(a),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let [first, second, third, _] = a.octets();
    !(a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_unspecified()
        || a.is_broadcast()
        || a.is_multicast()
        || a.is_documentation()
        || first == 0
        || first >= 240
        // Shared by carriers (RFC 6598), benchmarks (RFC 2544), protocol assignments (RFC 6890).
        || (first == 100 && (64..128).contains(&second))
        || (first == 198 && (18..20).contains(&second))
        || (first == 192 && second == 0 && third == 0))
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let segments = a.segments();
    // What is embedded counts: NAT64 and 6to4 lead to an IPv4 address.
    if segments[0] == 0x64 && segments[1] == 0xff9b {
        let [.., high, low] = segments;
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    if segments[0] == 0x2002 {
        let [a, b] = segments[1].to_be_bytes();
        let [c, d] = segments[2].to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; documentation is not.
    (segments[0] & 0xe000) == 0x2000 && !(segments[0] == 0x2001 && segments[1] == 0xdb8)
}

/// Checks where a webhook points to, as far as that can be told without resolving a name.
pub fn check_url(text: &str, private: bool) -> Result<Url, String> {
    if text.len() > 2_000 {
        return Err("must have at most 2000 characters".to_owned());
    }
    let url = Url::parse(text).map_err(|e| format!("is no URL ({e})"))?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("must begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or a password".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let literal = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let is_local = host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || literal.is_ok_and(|a| !is_public(a));
    if is_local && !private {
        return Err(
            "leads to a private address; BATON_WEBHOOKS_ALLOW_PRIVATE=true allows that".to_owned(),
        );
    }
    Ok(url)
}

/// Resolves names to public addresses only.
struct Guarded {
    private: bool,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !private && found.iter().any(|a| !is_public(a.ip())) {
                return Err(format!("{} leads to a private address", name.as_str()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn client(private: bool) -> reqwest::Result<Client> {
    crate::tls::install();
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(5))
        .user_agent(concat!("Baton/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(Guarded { private }))
        .build()
}

/// `X-Webhook-Signature`: proves who sent a body, and when.
pub fn signature(secret: &str, millis: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{millis}.{body}").as_bytes());
    format!("t={millis},v1={}", hex::encode(tag.as_ref()))
}

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let client = match client(hub.config.webhooks_allow_private) {
        Ok(client) => client,
        Err(e) => {
            tracing::error!(error = %e, "webhooks cannot be sent");
            return;
        }
    };
    let busy: Arc<Mutex<HashMap<Uuid, usize>>> = Arc::default();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let _ = tokio::time::timeout(Duration::from_secs(1), hub.outbox.notified()).await;
        let due = match hub.store().webhooks_due().await {
            Ok(due) => due,
            Err(e) => {
                tracing::warn!(error = %e, "could not look for webhooks to send");
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            }
        };
        for webhook in due {
            let under_way = busy.lock().await.get(&webhook).copied().unwrap_or(0);
            let room = PER_WEBHOOK.saturating_sub(under_way);
            if room == 0 || hub.is_draining() {
                continue;
            }
            let claimed = hub.store().claim_deliveries(webhook, room, HOLD_MICROS);
            let claimed = claimed.await.unwrap_or_else(|e| {
                tracing::warn!(error = %e, "could not claim webhooks to send");
                Vec::new()
            });
            for delivery in claimed {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                *busy.lock().await.entry(webhook).or_default() += 1;
                let (hub, client, busy) = (Arc::clone(&hub), client.clone(), Arc::clone(&busy));
                tokio::spawn(async move {
                    let sent = send(&client, &hub, &delivery).await;
                    let kind = match &sent {
                        Sent::Delivered => "delivered",
                        Sent::Retry { .. } => "retried",
                        Sent::Parked { .. } => "parked",
                    };
                    metrics::counter!("baton_webhooks_total", "outcome" => kind).increment(1);
                    if let Err(e) = hub.store().delivery_done(&delivery, &sent).await {
                        // The claim runs out, and it is sent again: at least once.
                        tracing::warn!(error = %e, "could not note what became of a webhook");
                    }
                    let mut busy = busy.lock().await;
                    if let Some(n) = busy.get_mut(&webhook) {
                        *n = n.saturating_sub(1);
                        if *n == 0 {
                            busy.remove(&webhook);
                        }
                    }
                    drop((busy, place));
                    // What waited behind it in its room may go now.
                    hub.outbox.notify_one();
                });
            }
        }
    }
}

async fn send(client: &Client, hub: &Hub, delivery: &Delivery) -> Sent {
    let Some(body) = &delivery.payload else {
        let error = "the log no longer has this event".to_owned();
        return Sent::Parked { error };
    };
    let error = match request(client, hub, delivery, body).await {
        Ok(()) => return Sent::Delivered,
        Err(error) => error,
    };
    let age = |now: Timestamp| now.0 - delivery.created_at.0;
    if hub.now().await.is_ok_and(|now| age(now) > GIVE_UP_MICROS) {
        return Sent::Parked { error };
    }
    let doubled = FIRST_WAIT_MICROS << delivery.attempts.saturating_sub(1).min(20);
    let wait = doubled.min(LONGEST_WAIT_MICROS);
    // Up to a quarter later, so that what failed together is not tried together.
    let jitter = i64::from(Uuid::new_v4().as_bytes()[0]) * wait / 1024;
    Sent::Retry {
        after: wait + jitter,
        error,
    }
}

async fn request(
    client: &Client,
    hub: &Hub,
    delivery: &Delivery,
    body: &str,
) -> Result<(), String> {
    let url = check_url(&delivery.url, hub.config.webhooks_allow_private)?;
    let event: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    // Receivers refuse what is signed in another hour.
    let now = hub.now().await.map_err(|e| e.to_string())?;
    let millis = now.0 / 1_000;
    let response = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-webhook-id", text("id"))
        .header("x-webhook-event", text("type"))
        .header("x-webhook-timestamp", millis.to_string())
        .header(
            "x-webhook-signature",
            signature(&delivery.secret, millis, body),
        )
        .header("idempotency-key", text("id"))
        .body(body.to_owned())
        .send()
        .await
        .map_err(|e| describe(&e))?;
    if response.status().is_success() {
        return Ok(());
    }
    Err(format!("the receiver answered {}", response.status()))
}

/// An error with its causes: which says more than that the request failed.
fn describe(e: &reqwest::Error) -> String {
    let mut out = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(e) = cause {
        out.push_str(&format!(": {e}"));
        cause = e.source();
    }
    out.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for public in ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn a_url_that_leads_inside_is_refused_unless_that_is_configured() {
        for url in [
            "http://127.0.0.1/",
            "http://[::1]:8080/x",
            "http://localhost/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://a.localhost/",
        ] {
            assert!(check_url(url, false).is_err(), "{url}");
            assert!(check_url(url, true).is_ok(), "{url}");
        }
        for url in [
            "ftp://example.org/",
            "nonsense",
            "https://user:pass@example.org/",
        ] {
            assert!(check_url(url, true).is_err(), "{url}");
        }
        assert!(check_url("https://example.org/hook", false).is_ok());
    }

    #[test]
    fn a_signature_is_that_of_time_and_body() {
        // From `printf '1700000000000.{}' | openssl dgst -sha256 -hmac secret`.
        assert_eq!(
            signature("secret", 1_700_000_000_000, "{}"),
            "t=1700000000000,v1=8399216d111287e3bb28e25c0f4f31dffdf831c68c9ee2b96c2f67c9b81d341b"
        );
    }
}
