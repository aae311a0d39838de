//! The load balancer's configuration as it is shipped, run by a real nginx before two nodes.

use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tests::raw::Raw;
use tests::rest::Rest;
use tests::server::{ADMIN_KEY, free_port};
use tests::{Database, SOON, Server};
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep};

const SHIPPED: &str = include_str!("../../deploy/nginx/baton.conf");

/// Writes the shipped configuration with these nodes and this port into a folder, and starts nginx there.
async fn nginx(folder: &Path, nodes: &[String], port: u16) -> Child {
    let mut site = SHIPPED.replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
    for n in 0..3 {
        let name = format!("server baton-{}:7400", n + 1);
        assert!(site.contains(&name), "the shipped file names {name}");
        site = match nodes.get(n) {
            Some(address) => site.replace(&name, &format!("server {address}")),
            None => site.replace(&name, &format!("# {name}")),
        };
    }
    let here = folder.display();
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .collect();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/error.log;\n\
         events {{}}\nhttp {{\naccess_log off;\n{paths}{site}\n}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), main).expect("the configuration can be written");
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"]
        .into_iter()
        .find(|p| Path::new(p).is_file())
        .unwrap_or("nginx");
    Command::new(program)
        .args(["-p", &here.to_string(), "-c", "nginx.conf"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("nginx can be run: tests/services/with-services.sh installs it")
}

/// A Socket.IO session over long-polling; each of its requests is a connection of its own, as far as nginx is concerned.
async fn poll_through(url: &str) {
    baton::tls::install();
    let http = reqwest::Client::new();
    let base = format!("{url}/socket.io/?EIO=4&transport=polling");
    let get = async |url: &str| {
        let response = http.get(url).timeout(SOON).send().await.expect("an answer");
        let status = response.status();
        let body = response.text().await.expect("a text");
        assert!(status.is_success(), "{status}: {body}");
        body
    };
    let open = get(&base).await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).expect("OPEN is JSON");
    let session = format!("{base}&sid={}", open["sid"].as_str().expect("a sid"));
    let post = async |packet: String| {
        let sent = http.post(&session).body(packet).send().await;
        let sent = sent.expect("an answer");
        assert!(sent.status().is_success(), "{}", sent.status());
    };
    // A poll may bring a ping, or a part of what is on its way.
    let comes = async |packet: &str| {
        for _ in 0..10 {
            if get(&session)
                .await
                .split('\u{1e}')
                .any(|p| p.starts_with(packet))
            {
                return;
            }
        }
        panic!("{packet} does not come");
    };
    post(format!("40{}", json!({ "token": ADMIN_KEY }))).await;
    comes("40").await;
    for n in 0..3 {
        post(format!("42{n}[\"presence:list\",{{}}]")).await;
        // Refused for want of a room, but by the node that has the session.
        comes(&format!("43{n}[")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_sticks_to_a_node_websockets_spread_and_a_dead_node_is_passed_over() {
    let database = Database::postgres().await;
    let redis = std::env::var("BATON_TEST_REDIS_URL")
        .expect("BATON_TEST_REDIS_URL is set by tests/services/with-services.sh");
    let mut servers = Vec::new();
    for _ in 0..2 {
        let settings = [("REDIS_URL", redis.as_str())];
        servers.push(Server::start_with(database.again(), &settings).await);
    }
    let addresses: Vec<String> = servers.iter().map(Server::address).collect();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let port = free_port();
    let _nginx = nginx(folder.path(), &addresses, port).await;
    let url = format!("http://127.0.0.1:{port}");
    let deadline = Instant::now() + SOON;
    while reqwest::get(format!("{url}/healthz")).await.is_err() {
        let log = std::fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
        assert!(Instant::now() < deadline, "nginx does not answer: {log}");
        sleep(Duration::from_millis(50)).await;
    }

    for _ in 0..4 {
        poll_through(&url).await;
    }
    let mut sockets = Vec::new();
    for _ in 0..8 {
        let socket = Raw::connect(&format!("127.0.0.1:{port}"), ADMIN_KEY).await;
        sockets.push(socket.expect("a WebSocket through nginx"));
    }
    for server in &servers {
        let metrics = reqwest::get(format!("{}/metrics", server.url())).await;
        let metrics = metrics.expect("metrics").text().await.expect("a text");
        let connections = metrics
            .lines()
            .find_map(|line| line.strip_prefix("baton_connections ")?.parse::<f64>().ok());
        assert!(connections >= Some(2.0), "{connections:?}");
    }

    servers[0].kill().await;
    let rest = Rest::new(&url, ADMIN_KEY);
    for _ in 0..10 {
        let _ = rest.get("/teams").await.expect(200);
        poll_through(&url).await;
    }
}
