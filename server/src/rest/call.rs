//! One request, admitted: who calls, and what was sent.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use rooms::model::access::Principal;
use rooms::{FieldError, Refusal, policy};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use storage::read::Thing;
use utoipa::ToSchema;
use uuid::Uuid;

use super::route::{Reply, Route};
use crate::hub::Hub;
use crate::{auth, commands};

/// A request whose caller may make it and whose query the route knows.
pub struct Call {
    /// The node.
    pub hub: Arc<Hub>,
    /// Who calls.
    pub principal: Principal,
    /// The query.
    pub query: HashMap<String, String>,
    path: HashMap<String, String>,
    key: Option<String>,
    body: Bytes,
}

impl Call {
    /// Checks credential, permission and query, in this order.
    pub async fn admit(
        hub: Arc<Hub>,
        route: &Route,
        path: HashMap<String, String>,
        query: Result<HashMap<String, String>, ()>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Self, Refusal> {
        let principal = auth::of_headers(&hub, headers).await?;
        if let Some(operation) = route.operation {
            policy::allows(&principal, operation)?;
        }
        let query = query.map_err(|()| Refusal::field("", "the query cannot be read"))?;
        check_query(route, &query)?;
        let key = match headers.get("idempotency-key").map(|v| v.to_str()) {
            None => None,
            Some(Ok(key)) if (1..=255).contains(&key.len()) => Some(key.to_owned()),
            Some(_) => {
                return Err(Refusal::field(
                    "Idempotency-Key",
                    "must be 1 to 255 visible ASCII characters",
                ));
            }
        };
        Ok(Self {
            hub,
            principal,
            query,
            path,
            key,
            body,
        })
    }

    /// The id in the path, as it was sent.
    pub fn id(&self) -> &str {
        self.path.get("id").map_or("", String::as_str)
    }

    /// The id in the path, of a thing that has a UUID.
    pub fn uuid(&self, thing: &str) -> Result<Uuid, Refusal> {
        Uuid::parse_str(self.id())
            .map_err(|_| Refusal::not_found(thing, commands::payload::truncated(self.id())))
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
        match taken.as_ref().and_then(Value::as_str) {
            Some(name) if known.contains(&name) => Ok((format!("{noun}:{name}"), body)),
            Some(_) => Err(Refusal::field("action", format!("must be one of {list}"))),
            None if taken.is_some() => {
                Err(Refusal::field("action", format!("must be one of {list}")))
            }
            None => Err(Refusal::field(
                "action",
                format!("is missing; one of {list}"),
            )),
        }
    }

    /// Runs a command, and returns what it gave.
    pub async fn run(&self, name: &str, payload: Value) -> Result<Value, Refusal> {
        let key = self.key.clone();
        let outcome = commands::run(&self.hub, &self.principal, name, payload, key).await?;
        Ok(outcome.data)
    }

    /// The resource that the path names.
    pub async fn one(&self, thing: Thing) -> Result<Value, crate::problem::Refused> {
        let id = self.uuid(thing.name())?;
        let space = &self.principal.workspace_id;
        let found = self.hub.store().get(thing, space, id).await?;
        Ok(found.ok_or_else(|| Refusal::not_found(thing.name(), id))?)
    }

    /// A parameter of the query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `limit`, within what the route allows.
    pub fn limit(&self, most: u64, default: u64) -> Result<u64, Refusal> {
        match self.param("limit") {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|n| (1..=most).contains(n))
                .ok_or_else(|| {
                    Refusal::field("limit", format!("must be a whole number from 1 to {most}"))
                }),
        }
    }

    /// A whole number in the query.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = || Refusal::field(name, "must be a whole number, 0 or more");
        match self.param(name) {
            None => Ok(None),
            Some(text) => {
                let number: i64 = text.parse().map_err(|_| wrong())?;
                u64::try_from(number).map(Some).map_err(|_| wrong())
            }
        }
    }
}

/// Every parameter that the route does not know, and every value that a known one does not take.
fn check_query(route: &Route, query: &HashMap<String, String>) -> Result<(), Refusal> {
    let page: &[&str] = match route.reply {
        Reply::List(_) => &["limit", "cursor"],
        _ => &[],
    };
    let mut errors = Vec::new();
    for (name, value) in query {
        match route.query.iter().find(|p| p.name == name) {
            Some(param) if !param.values.is_empty() && !param.values.contains(&value.as_str()) => {
                let message = format!("must be one of {}", param.values.join(", "));
                errors.push(FieldError::new(name.as_str(), message));
            }
            Some(_) if value.contains('\0') => {
                errors.push(FieldError::new(
                    name.as_str(),
                    "must not contain the character U+0000",
                ));
            }
            Some(_) => {}
            None if page.contains(&name.as_str()) => {}
            None => {
                let known: Vec<_> = route
                    .query
                    .iter()
                    .map(|p| p.name)
                    .chain(page.iter().copied())
                    .collect();
                let message = if known.is_empty() {
                    "this route takes no parameters".to_owned()
                } else {
                    format!(
                        "is no parameter of this route; it knows {}",
                        known.join(", ")
                    )
                };
                errors.push(FieldError::new(commands::payload::truncated(name), message));
            }
        }
    }
    if errors.is_empty() {
        Ok(())
    } else {
        errors.sort_by(|a, b| a.path.cmp(&b.path));
        Err(Refusal::invalid(errors))
    }
}
