//! REST, under `/api/orchestration`.
//!
//! One file per resource has its routes; [`all`] is the whole table. It makes the router ([`router`]) and the OpenAPI document
//! ([`crate::contract::openapi`]), so a route cannot be in one and not in the other. A change runs a command of
//! [`crate::commands`], as a socket's does; reads come from the read model. [`route`] says how a row is written, [`call`] what a handler
//! is given, [`list`] how pages are made. To add a route: one row in its resource's file.

mod access;
mod agent;
mod alert;
mod analytics;
mod audit;
pub mod call;
pub mod change;
mod communication;
mod expression;
mod handoff;
mod intervention;
mod key;
pub mod list;
mod process;
mod room;
pub mod route;
mod search;
mod server;
mod team;
mod template;
mod webhook;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rooms::{Code, Refusal};

use self::route::{Route, Serve};
use crate::hub::Hub;
use crate::problem::{Refused, problem};

/// Where the routes that need a credential are mounted.
pub const BASE: &str = "/api/orchestration";

static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    [
        access::routes(),
        team::routes(),
        template::routes(),
        process::routes(),
        handoff::routes(),
        intervention::routes(),
        communication::routes(),
        room::routes(),
        search::routes(),
        alert::routes(),
        analytics::routes(),
        agent::routes(),
        key::routes(),
        expression::routes(),
        audit::routes(),
        webhook::routes(),
        server::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Every route.
pub fn all() -> &'static [Route] {
    &TABLE
}

/// The routes under [`BASE`].
pub fn router() -> Router<Arc<Hub>> {
    let mut router = Router::new();
    for row in all() {
        if let Serve::Call(handler) = &row.serve {
            let serve = move |State(hub): State<Arc<Hub>>,
                              Path(path): Path<HashMap<String, String>>,
                              request: Request| async move {
                let head = call::Head::of(path, &request);
                let body = match Bytes::from_request(request, &()).await {
                    Ok(body) => body,
                    Err(e) => return Refused(Refusal::field("", e.to_string())).into_response(),
                };
                let call = match call::Call::admit(hub, row, head, body).await {
                    Ok(call) => call,
                    Err(refusal) => return Refused(refusal).into_response(),
                };
                let trace = Arc::clone(&call.trace);
                let answer = handler(call).await;
                if let Err(refused) = &answer {
                    trace.note(row, &refused.0);
                }
                answer.into_response()
            };
            router = router.route(row.path, axum::routing::on(row.filter(), serve));
        }
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
}

/// The routes beside it, which anybody may call.
pub fn open_router() -> Router<Arc<Hub>> {
    all().iter().fold(Router::new(), |router, row| {
        if let Serve::Open(handler) = &row.serve {
            router.route(row.path, (**handler).clone())
        } else {
            router
        }
    })
}

async fn no_route(uri: Uri) -> Refused {
    Refused(Refusal::new(
        Code::NotFound,
        format!("there is no {}; see /docs", uri.path()),
    ))
}

async fn no_method(method: Method, uri: Uri) -> Response {
    let refusal = Refusal::new(
        Code::InvalidRequest,
        format!("{} does not take {method}; see /docs", uri.path()),
    );
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut problem = problem(&refusal);
    problem["status"] = status.as_u16().into();
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, problem.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_operation_stands_twice() {
        let ids: BTreeSet<_> = all().iter().map(|r| r.id).collect();
        assert_eq!(ids.len(), all().len());
    }

    #[test]
    fn the_table_makes_a_router() {
        let _ = router();
        let _ = open_router();
    }
}
