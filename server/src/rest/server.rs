//! The server itself: routes that anybody may call.

use axum::routing::get;

use super::route::{Reply, Route, open};
use crate::contract::shape;
use crate::contract::shapes as s;
use crate::serve;

pub fn routes() -> Vec<Route> {
    vec![
        open(
            "/healthz",
            "getHealth",
            "Whether the server is alive",
            Reply::One(shape::<s::Health>()),
            get(serve::healthz),
        ),
        open(
            "/readyz",
            "getReadiness",
            "Whether the server takes requests; 503 with the same body if not",
            Reply::One(shape::<s::Readiness>()),
            get(serve::readyz),
        ),
        open(
            "/metrics",
            "getMetrics",
            "Counters for Prometheus",
            Reply::Text,
            get(serve::metrics),
        ),
    ]
}
