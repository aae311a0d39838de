//! One request, admitted: who calls, from where, and what was sent.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, Request};
use axum::http::{HeaderMap, Uri};
use rooms::model::access::Principal;
use rooms::{Code, FieldError, Refusal, policy};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storage::read::Thing;
use utoipa::ToSchema;
use uuid::Uuid;

use super::BASE;
use super::route::{Form, Reply, Route};
use crate::caller::{Asked, Caller, Source, Transport, target_of_path};
use crate::commands::{Key, payload::truncated};
use crate::hub::Hub;
use crate::problem::Refused;
use crate::transport::Connection;
use crate::{auth, commands};

/// Who asks for what, as long as the request lives: what a refusal is noted with.
pub struct Trace {
    hub: Arc<Hub>,
    principal: Principal,
    asked: Asked,
    correlation: String,
    noted: AtomicBool,
}

impl Trace {
    /// Notes a refusal for the audit, once: of a change, or of a read that is not allowed.
    pub fn note(&self, route: &Route, refusal: &Refusal) {
        let counts = route.changes() || refusal.code == Code::Forbidden;
        if counts && !self.noted.swap(true, Ordering::Relaxed) {
            let mut row = self.asked.refused(&self.principal, refusal);
            row.correlation.clone_from(&self.correlation);
            self.hub.refusals.note(row);
        }
    }
}

/// A request whose caller may make it and whose query the route knows.
pub struct Call {
    /// The node.
    pub hub: Arc<Hub>,
    /// Who calls.
    pub principal: Principal,
    /// The query.
    pub query: HashMap<String, String>,
    /// What its refusal is noted with.
    pub trace: Arc<Trace>,
    pub(super) key: Option<Key>,
    pub(super) sealer: [u8; 32],
    /// The first name in the path.
    named: &'static str,
    path: HashMap<String, String>,
    body: Bytes,
}

/// What of a request is not its body.
pub struct Head {
    /// The names in the path, with what stands there.
    pub path: HashMap<String, String>,
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
}

impl Head {
    /// Takes the parts that count.
    pub fn of(path: HashMap<String, String>, request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<Connection>>();
        Self {
            path,
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            peer: peer.map(|p| p.0.address()),
        }
    }
}

impl Call {
    /// Checks credential, rate, permission, query and key, in this order.
    pub async fn admit(
        hub: Arc<Hub>,
        route: &Route,
        head: Head,
        body: Bytes,
    ) -> Result<Self, Refusal> {
        let (key, principal) = auth::of_headers(&hub, &head.headers).await?;
        hub.rate.admit(&key)?;
        let asked = Asked {
            action: route.action.to_owned(),
            target: target_of_path(&head.path),
            source: Source {
                transport: Transport::Rest,
                address: head.peer.map(|p| p.ip()),
            },
        };
        let mut trace = Trace {
            hub: Arc::clone(&hub),
            principal: principal.clone(),
            asked,
            correlation: String::new(),
            noted: AtomicBool::new(false),
        };
        match Self::admitted(route, &principal, &head, &body) {
            Ok((query, key)) => {
                trace.correlation = key.as_ref().map(|k| k.key.clone()).unwrap_or_default();
                Ok(Self {
                    hub,
                    principal,
                    query,
                    trace: Arc::new(trace),
                    key,
                    sealer: auth::sealer(&head.headers),
                    named: route.names().next().unwrap_or_default(),
                    path: head.path,
                    body,
                })
            }
            Err(refusal) => {
                trace.note(route, &refusal);
                Err(refusal)
            }
        }
    }

    fn admitted(
        route: &Route,
        principal: &Principal,
        head: &Head,
        body: &Bytes,
    ) -> Result<(HashMap<String, String>, Option<Key>), Refusal> {
        if let Some(operation) = route.operation {
            policy::allows(principal, operation)?;
        }
        let query = Query::<HashMap<String, String>>::try_from_uri(&head.uri)
            .map_err(|_| Refusal::field("", "the query cannot be read"))?
            .0;
        check_query(route, &query)?;
        let key = match head.headers.get("idempotency-key").map(|v| v.to_str()) {
            Some(_) if !route.changes() => None,
            None => None,
            Some(Ok(key)) if (1..=255).contains(&key.len()) => {
                let whole = request_text(route, &head.uri, body);
                Some(Key {
                    key: key.to_owned(),
                    hash: storage::keys::hash(&whole),
                })
            }
            Some(_) => {
                return Err(Refusal::field(
                    "Idempotency-Key",
                    "must be 1 to 255 visible ASCII characters",
                ));
            }
        };
        Ok((query, key))
    }

    /// The first id in the path, as it was sent.
    pub fn id(&self) -> &str {
        self.part(self.named)
    }

    /// Another part of the path, as it was sent.
    pub fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// Where a new resource is: `at` has names of the path, and the resource's own `{id}`.
    pub fn place(&self, at: &str, resource: &Value) -> String {
        let mut place = format!("{BASE}/{at}");
        for (name, value) in &self.path {
            place = place.replace(&format!("{{{name}}}"), value);
        }
        place.replace("{id}", resource["id"].as_str().unwrap_or_default())
    }

    /// The first id in the path, of a thing that has a UUID.
    pub fn uuid(&self, thing: &str) -> Result<Uuid, Refusal> {
        Uuid::parse_str(self.id()).map_err(|_| Refusal::not_found(thing, truncated(self.id())))
    }

    /// The body as JSON; none is an empty object.
    pub fn body(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|e| Refusal::field("", format!("the body is not JSON: {e}")))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Refusal::field("", "the body must be a JSON object"))
        }
    }

    /// The body as a request; every mistake is named.
    pub fn parse<T: DeserializeOwned + ToSchema>(&self) -> Result<T, Refusal> {
        commands::Payload::new(self.body()?)?.parse()
    }

    /// The body, and the command that its `action` names.
    pub fn action(&self, noun: &str, known: &[&str]) -> Result<(String, Value), Refusal> {
        let mut body = self.body()?;
        let taken = body.as_object_mut().and_then(|o| o.remove("action"));
        let list = known.join(", ");
        match taken.as_ref().map(Value::as_str) {
            Some(Some(name)) if known.contains(&name) => Ok((format!("{noun}:{name}"), body)),
            Some(_) => Err(Refusal::field("action", format!("must be one of {list}"))),
            None => Err(Refusal::field(
                "action",
                format!("is missing; one of {list}"),
            )),
        }
    }

    /// Runs a command, and returns what it gave.
    pub async fn run(&self, name: &str, payload: Value) -> Result<Value, Refusal> {
        let caller = Caller {
            principal: &self.principal,
            source: self.trace.asked.source,
        };
        // The command's own refusal is noted under its own name.
        self.trace.noted.store(true, Ordering::Relaxed);
        let outcome = commands::run(&self.hub, caller, name, payload, self.key.as_ref()).await?;
        Ok(outcome.data)
    }

    /// What was asked, for the audit.
    pub fn asked(&self) -> &Asked {
        &self.trace.asked
    }

    /// The resource that the path names.
    pub async fn one(&self, thing: Thing) -> Result<Value, Refused> {
        let id = self.uuid(thing.name())?;
        let space = &self.principal.workspace_id;
        let found = self.hub.store().get(thing, space, id).await?;
        Ok(found.ok_or_else(|| Refusal::not_found(thing.name(), id))?)
    }

    /// A parameter of the query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `limit`, which is within what the route allows.
    pub fn limit(&self, default: u64) -> u64 {
        let limit = self.param("limit").and_then(|text| text.parse().ok());
        limit.unwrap_or(default)
    }

    /// A whole number in the query.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let read = |text| whole_of(text).ok_or_else(|| Refusal::field(name, WHOLE_RULE));
        self.param(name).map(read).transpose()
    }

    /// A time in the query: RFC 3339, or a day.
    pub fn time(&self, name: &str) -> Result<Option<rooms::Timestamp>, Refusal> {
        let read = |text| time_of(text).ok_or_else(|| Refusal::field(name, TIME_RULE));
        self.param(name).map(read).transpose()
    }
}

const WHOLE_RULE: &str = "must be a whole number, 0 or more";
const TIME_RULE: &str = "must be a time, as 2026-01-31T12:00:00Z";

/// No larger than a database's numbers.
fn whole_of(text: &str) -> Option<u64> {
    let number: i64 = text.parse().ok()?;
    u64::try_from(number).ok()
}

fn time_of(text: &str) -> Option<rooms::Timestamp> {
    let whole = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        // A plus sign that was not escaped has become a space.
        text.replace(' ', "+")
    };
    let time = chrono::DateTime::parse_from_rfc3339(&whole).ok()?;
    Some(rooms::Timestamp(time.timestamp_micros()))
}

fn in_range(limit: &str, most: u64) -> bool {
    limit.parse().is_ok_and(|n: u64| (1..=most).contains(&n))
}

fn limit_rule(most: u64) -> String {
    format!("must be a whole number from 1 to {most}")
}

/// Method, path, query and body, however the JSON was laid out.
fn request_text(route: &Route, uri: &Uri, body: &Bytes) -> String {
    let body = match serde_json::from_slice::<Value>(body) {
        Ok(json) => json.to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let path = uri.path_and_query().map_or("", |p| p.as_str());
    format!("{} {path}\n{body}", route.method)
}

/// Every parameter that the route does not know, and every value that a known one does not take.
fn check_query(route: &Route, query: &HashMap<String, String>) -> Result<(), Refusal> {
    let page: &[&str] = match route.reply {
        Reply::List(_) => &["limit", "cursor"],
        _ => &[],
    };
    let mut errors = Vec::new();
    let mut say = |name: &str, message: String| {
        errors.push(FieldError::new(truncated(name), message));
    };
    for (name, value) in query {
        match route.query.iter().find(|p| p.name == name) {
            Some(param) if !param.values.is_empty() && !param.values.contains(&value.as_str()) => {
                say(name, format!("must be one of {}", param.values.join(", ")));
            }
            Some(param) if param.form == Form::Id && Uuid::parse_str(value).is_err() => {
                say(name, "must be a UUID".to_owned());
            }
            Some(param) if param.form == Form::Time && time_of(value).is_none() => {
                say(name, TIME_RULE.to_owned());
            }
            Some(param)
                if param.form == Form::Whole && name != "limit" && whole_of(value).is_none() =>
            {
                say(name, WHOLE_RULE.to_owned());
            }
            None if !page.contains(&name.as_str()) => {
                let known = route.query.iter().map(|p| p.name);
                let known: Vec<_> = known.chain(page.iter().copied()).collect();
                say(
                    name,
                    if known.is_empty() {
                        "this route takes no parameters".to_owned()
                    } else {
                        format!(
                            "is no parameter of this route; it knows {}",
                            known.join(", ")
                        )
                    },
                );
            }
            _ if name == "limit" && !in_range(value, route.most()) => {
                say(name, limit_rule(route.most()));
            }
            _ if value.contains('\0') => {
                say(name, "must not contain the character U+0000".to_owned());
            }
            _ => {}
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        errors.sort_by(|a, b| a.path.cmp(&b.path));
        Err(Refusal::invalid(errors))
    }
}
