//! Wiring: a node from its configuration, and its graceful stop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler as _;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::StreamExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rooms::id::{RoomId, WorkspaceId};
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::monitoring::Severity;
use rooms::{Code, Command, Refusal};
use serde_json::json;
use socketioxide::SocketIo;
use storage::Store;
use tokio_util::sync::CancellationToken;
use tower::Layer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::Config;
use crate::hub::Hub;
use crate::problem::Refused;
use crate::relay::{Channel, Health, Message};
use crate::session::{self, End};
use crate::wire::{self, Frame};
use crate::{
    agents, auth, cluster, contract, delivery, dispatch, docs, gateway, names, presence, rest,
    retention, timers, transport, web, webhooks,
};

/// The largest body, and the largest payload of a command, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest message of a socket, in bytes. What is larger ends the connection; a payload that is too large, and no larger than this, is refused.
const MAX_MESSAGE: usize = 4 * MAX_BODY;
/// So much of a body that is too large is read before the connection is cut.
const MAX_DRAINED: usize = 16 * MAX_BODY;

/// A node that is listening.
pub struct Node {
    /// Its base URL.
    pub url: String,
    /// The admin key, where this start made or was given one.
    pub admin_key: Option<String>,
    hub: Arc<Hub>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// Makes a workspace and its room, unless there is one.
async fn make_workspace(hub: &Hub, id: &WorkspaceId, name: &str) -> Result<(), Refused> {
    let mut change = hub.store().plain_change().await?;
    let room = RoomId(hub.clock.id(change.now()));
    change.make_workspace(id, name, room).await?;
    change.commit(None, None).await?;
    ensure_rooms(hub).await
}

/// Makes the room of every workspace that has none: a crash between the two leaves one without.
pub async fn ensure_rooms(hub: &Hub) -> Result<(), Refused> {
    for workspace in hub.store().workspaces().await? {
        if hub.store().heads(&[workspace.room_id]).await?.is_empty() {
            ensure_room(hub, &workspace.id, &workspace.name, workspace.room_id).await?;
        }
    }
    Ok(())
}

async fn ensure_room(
    hub: &Hub,
    id: &WorkspaceId,
    name: &str,
    room_id: RoomId,
) -> Result<(), Refused> {
    let command = Command::CreateWorkspaceRoom {
        workspace_id: id.clone(),
        room_id,
        name: name.to_owned(),
    };
    let made = hub
        .execute(&Principal::system(id.clone()), room_id, command, None, None)
        .await;
    // Another node that starts at the same moment may have made it.
    if made.is_err() && !hub.store().heads(&[room_id]).await?.is_empty() {
        return Ok(());
    }
    made?;
    Ok(())
}

/// A principal from `user:ID`, `agent:ID` or `service:ID`.
pub fn parse_principal(
    text: &str,
    workspace: &str,
    permission: Permission,
) -> Result<Principal, String> {
    let (kind, id) = text
        .split_once(':')
        .ok_or("a principal is user:ID, agent:ID or service:ID")?;
    let kind = match kind {
        "user" => PrincipalKind::User,
        "agent" => PrincipalKind::Agent,
        "service" => PrincipalKind::Service,
        other => {
            return Err(format!(
                "{other:?} is no kind of principal; use user:ID, agent:ID or service:ID"
            ));
        }
    };
    let fits = match kind {
        PrincipalKind::Agent => rooms::id::is_valid_name(id),
        _ => (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()),
    };
    if !fits {
        return Err(format!("{id:?} is no valid id of a {}", kind.as_str()));
    }
    Ok(Principal {
        kind,
        id: id.to_owned(),
        workspace_id: workspace.into(),
        permission,
        instance_id: None,
        bootstrap: false,
    })
}

/// The workspace `default` and the admin key: made on an empty store, set where the configuration names one.
async fn bootstrap(hub: &Hub) -> anyhow::Result<Option<String>> {
    let space = WorkspaceId::from("default");
    let wrap = |e: Refused| anyhow::anyhow!("{}", e.0);
    make_workspace(hub, &space, "default").await.map_err(wrap)?;
    let mut principal = Principal {
        kind: PrincipalKind::User,
        id: "admin".to_owned(),
        workspace_id: space.clone(),
        permission: Permission::Admin,
        instance_id: None,
        bootstrap: true,
    };
    if let Some(token) = hub.config.admin_key.clone() {
        let key = storage::keys::NewKey {
            id: "bootstrap".to_owned(),
            token: token.clone(),
            principal,
            name: "BATON_ADMIN_KEY".to_owned(),
        };
        hub.store().keep_key(&key).await?;
        return Ok(Some(token));
    }
    if !hub.store().keys(Some(&space)).await?.is_empty() {
        return Ok(None);
    }
    principal.bootstrap = true;
    let (id, token) = auth::new_key();
    let key = storage::keys::NewKey {
        id,
        token: token.clone(),
        principal,
        name: "first".to_owned(),
    };
    hub.store().keep_key(&key).await?;
    Ok(Some(token))
}

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

fn recorder() -> anyhow::Result<()> {
    if METRICS.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&[
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
        ])?
        .install_recorder()?;
    metrics::describe_counter!("baton_transactions_total", "Transactions of the lanes");
    metrics::describe_counter!("baton_commands_total", "Commands that lanes executed");
    metrics::describe_counter!("baton_events_total", "Events appended");
    metrics::describe_counter!("baton_deliveries_total", "Events sent to sockets");
    metrics::describe_gauge!("baton_connections", "Socket.IO connections");
    metrics::describe_counter!(
        "baton_rate_limited_total",
        "Requests and commands beyond what their key may send"
    );
    metrics::describe_gauge!(
        "baton_cached_rooms",
        "Rooms whose state is kept in memory, at most BATON_CACHE_ROOMS"
    );
    metrics::describe_gauge!(
        "baton_open_alerts",
        "Alerts that nobody has resolved, in the whole store"
    );
    metrics::describe_counter!("baton_audit_dropped_total", "Refusals that the audit lost");
    metrics::describe_counter!(
        "baton_names_filed_total",
        "Names that lists are searched by, put into the index"
    );
    metrics::describe_histogram!(
        "baton_commit_seconds",
        "From taking a batch to its commit and announcement"
    );
    let _ = METRICS.set(handle);
    Ok(())
}

/// How often what was measured is added up. Each measurement takes memory until then, whether or not anybody reads the metrics.
const ADDED_UP: Duration = Duration::from_secs(5);

async fn add_up() {
    loop {
        tokio::time::sleep(ADDED_UP).await;
        if let Some(handle) = METRICS.get() {
            handle.run_upkeep();
        }
    }
}

fn cors(config: &Config) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([
            axum::http::Method::GET,
            axum::http::Method::POST,
            axum::http::Method::PUT,
            axum::http::Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::HeaderName::from_static("x-api-key"),
            header::HeaderName::from_static("x-workspace-id"),
            header::HeaderName::from_static("idempotency-key"),
        ]);
    match config.cors_origins.as_deref() {
        None => layer,
        Some("*") => layer.allow_origin(tower_http::cors::Any),
        Some(list) => {
            let origins: Vec<HeaderValue> = list
                .split(',')
                .filter_map(|o| o.trim().parse().ok())
                .collect();
            layer.allow_origin(AllowOrigin::list(origins))
        }
    }
}

/// Starts a node.
pub async fn start(config: Config) -> anyhow::Result<Node> {
    recorder()?;
    let store = Store::connect(&config.database_url)
        .await
        .context("cannot open the database")?;
    store
        .migrate()
        .await
        .context("cannot bring the schema up to date")?;
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .with_context(|| {
            format!(
                "cannot listen on {}; is another baton running? BATON_LISTEN names another address",
                config.listen
            )
        })?;
    let address = listener.local_addr()?;
    let cors = cors(&config);
    let hub = Hub::start(store, config);
    let admin_key = bootstrap(&hub).await?;
    let default = WorkspaceId::from("default");
    let store_id = hub.workspace_room(&default).await;
    let store_id = store_id.map_err(|e| anyhow::anyhow!("{e}"))?;
    cluster::join(&hub, store_id.0)?;

    let (layer, io) = SocketIo::builder()
        .with_adapter::<wire::Adapter>(hub.wire.clone())
        .max_payload(MAX_MESSAGE as u64)
        .ws_max_message_size(MAX_MESSAGE)
        .ws_max_frame_size(MAX_MESSAGE)
        // Kept by each connection. What is longer is read in so many parts.
        .ws_read_buffer_size(512)
        // Packets. A client that lags by more is cut off, and resumes from the log.
        .max_buffer_size(2048)
        .connect_timeout(Duration::from_secs(15))
        .build_layer();
    gateway::register(&hub, &io);

    let app = Router::new()
        .nest(
            rest::BASE,
            rest::router().layer(axum::middleware::from_fn(whole_body)),
        )
        .merge(rest::open_router())
        .route(
            "/api/openapi.json",
            get(|| async { Json(contract::openapi::document()) }),
        )
        .route(
            "/api/asyncapi.json",
            get(|| async { Json(contract::asyncapi::document()) }),
        )
        .route("/docs", get(docs::first.layer(CompressionLayer::new())))
        .route(
            "/docs/{page}",
            get(docs::page.layer(CompressionLayer::new())),
        )
        // Much of it is text that a phone has to fetch.
        .fallback(web::page.layer(CompressionLayer::new()))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(layer.clone())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&hub),
            transport::watch,
        ))
        .layer(cors)
        .with_state(Arc::clone(&hub))
        .into_make_service_with_connect_info::<transport::Connection>();

    let engine = layer.layer(());
    let open = Arc::clone(&hub);
    let listener = transport::Listener::new(
        listener,
        move || !open.is_draining(),
        move |stream, request| {
            // Refused is only what the handshake was checked for already.
            let _ = tower::Service::call(&mut engine.clone(), (stream, request)).into_inner();
        },
    )?;

    let tasks = vec![
        tokio::spawn(add_up()),
        tokio::spawn(delivery::sweep(Arc::clone(&hub))),
        tokio::spawn(agents::sweep(Arc::clone(&hub))),
        tokio::spawn(dispatch::run(Arc::clone(&hub))),
        tokio::spawn(timers::run(Arc::clone(&hub))),
        tokio::spawn(session::sweep(Arc::clone(&hub))),
        tokio::spawn(presence::gossip(Arc::clone(&hub))),
        tokio::spawn(webhooks::run(Arc::clone(&hub))),
        tokio::spawn(retention::run(Arc::clone(&hub))),
        tokio::spawn(names::run(Arc::clone(&hub))),
    ];
    let stop = CancellationToken::new();
    let closed = stop.clone();
    let server = tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { closed.cancelled().await })
            .await
    });
    Ok(Node {
        url: format!("http://{address}"),
        admin_key,
        hub,
        stop,
        server,
        tasks,
    })
}

/// Reads the body within its limit. One that is larger is read to its end and dropped, up to a bound, so that its sender gets the answer
/// instead of a reset connection.
async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    let mut size = 0usize;
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return Refused(Refusal::field("", "the body ended early")).into_response();
        };
        size += chunk.len();
        if size > MAX_DRAINED {
            break;
        }
        if size <= MAX_BODY {
            read.extend_from_slice(&chunk);
        }
    }
    if size > MAX_BODY {
        let detail = format!("the body is larger than {MAX_BODY} bytes, the most that is taken");
        return Refused(Refusal::new(Code::PayloadTooLarge, detail)).into_response();
    }
    next.run(Request::from_parts(parts, Body::from(read))).await
}

/// `/healthz`: alive.
pub async fn healthz() -> Json<serde_json::Value> {
    Json(json!({"status": "ok"}))
}

/// `/metrics`: counters for Prometheus. What the store knows is as old as its last answer, where the database is away.
pub async fn metrics(State(hub): State<Arc<Hub>>) -> String {
    let asked = tokio::time::timeout(DATABASE_PATIENCE, hub.store().open_alerts());
    if let Ok(Ok(open)) = asked.await {
        for severity in Severity::ALL.map(Severity::as_str) {
            let count = open.iter().find(|o| o.0 == severity).map_or(0, |o| o.1);
            metrics::gauge!("baton_open_alerts", "severity" => severity).set(count as f64);
        }
    }
    metrics::gauge!("baton_cached_rooms").set(hub.cached_rooms() as f64);
    METRICS
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

/// How long what is in flight may take to finish when a node stops.
const IN_FLIGHT: Duration = Duration::from_secs(5);
/// How long the database may take before it counts as away.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// `/readyz`: whether it takes requests, per part.
pub async fn readyz(State(hub): State<Arc<Hub>>) -> Response {
    let asked = tokio::time::timeout(DATABASE_PATIENCE, hub.store().schema_version_read());
    let version = asked.await.ok().and_then(Result::ok);
    let database = version.is_some();
    let migrations = version.is_some_and(|found| found >= storage::migrate::latest());
    let draining = hub.is_draining();
    let ready = database && migrations && !draining;
    let relay = hub.relay().health();
    let degraded = relay != Health::Up;
    let part = |ok: bool| if ok { "ok" } else { "unavailable" };
    let mut body = json!({
        "status": match (ready, degraded) {
            (false, _) => "unavailable",
            // It serves; only what other nodes commit comes a moment later, from the log.
            (true, true) => "degraded",
            (true, false) => "ok",
        },
        "parts": {
            "database": part(database), "migrations": part(migrations),
            "relay": if degraded { "degraded" } else { "ok" },
            "draining": draining,
        },
    });
    if let Health::Down(why) = relay {
        body["reasons"] = json!({"relay": why});
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

impl Node {
    /// The link that signs a person in: the key is in the fragment, which no server ever sees.
    pub fn link(&self) -> Option<String> {
        self.admin_key
            .as_ref()
            .map(|key| format!("{}/#key={key}", self.url))
    }

    /// Drains: no longer ready, so that nobody new comes; tells the clients to go elsewhere, spread over a while; lets what is in flight
    /// finish; and closes.
    pub async fn stop(self) {
        let hub = &self.hub;
        hub.draining.store(true, Ordering::Relaxed);
        // Alone there is nowhere else to go: the clients come back to this address, and a quick stop is what shortens the gap.
        let spread = if hub.relay().is_shared() {
            let each = Duration::from_millis(2)
                * u32::try_from(hub.sessions.all().len()).unwrap_or(u32::MAX);
            each.clamp(Duration::from_secs(1), Duration::from_secs(10))
        } else {
            Duration::from_millis(300)
        };
        let sockets = hub.sessions.all();
        let most = u32::try_from(sockets.len().max(1)).unwrap_or(u32::MAX);
        for (n, socket) in (0u32..).zip(&sockets) {
            let wait = u64::try_from((spread * n / most).as_millis()).unwrap_or(1_000);
            let draining = Frame::of("server.draining", &json!({"reconnectInMs": wait}));
            hub.wire.send(*socket, &draining);
        }
        let left = async {
            while !hub.sessions.all().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(spread + Duration::from_millis(200), left).await;
        let idle = async {
            while hub.in_flight.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(IN_FLIGHT, idle).await;
        // Without a goodbye of the protocol's own: stock clients take a DISCONNECT or a CLOSE packet for a dismissal and would not come
        // back by themselves. Their connections break, and they come back to another node.
        for socket in hub.sessions.all() {
            session::end(hub, socket, End::Shutdown);
        }
        self.stop.cancel();
        let _ = tokio::time::timeout(IN_FLIGHT, self.server).await;
        hub.relay().publish(&Channel::Nodes, &Message::Gone);
        for task in self.tasks {
            task.abort();
        }
        // The last message is given a moment to leave.
        if hub.relay().is_shared() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        hub.store().close().await;
    }
}
