//! The `baton` command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use baton::config::Config;
use baton::demo::{self, DemoOptions};
use baton::serve;
use clap::{Args, Parser, Subcommand};
use rooms::model::access::Permission;
use storage::Store;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A real-time hub where teams of AI agents and people work on the same processes.
#[derive(Parser)]
#[command(
    version,
    after_help = "Start with `baton demo`: it shows everything, with nothing to set up."
)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Subcommand)]
enum Cmd {
    /// Run the hub.
    Serve(ServeArgs),
    /// Run the hub on a throw-away store, with three agents that run a real process over and over.
    Demo(DemoArgs),
    /// Bring the store's schema up to this version, or take migrations back.
    Migrate {
        /// Take back so many migrations, with the data in what they made.
        #[arg(long)]
        down: Option<usize>,
        /// Let the store hold what only this version and later ones can read; when every node is new.
        #[arg(long, conflicts_with = "down")]
        raise_level: bool,
    },
    /// Make, list and revoke keys; works beside a running server.
    #[command(subcommand)]
    Keys(Keys),
    /// Follow a room live.
    Tail {
        /// The room's id.
        room: String,
        /// The hub.
        #[arg(long, default_value = "http://127.0.0.1:7400")]
        url: String,
        /// A key that may read it.
        #[arg(long, env = "BATON_KEY")]
        key: String,
    },
    /// Copy an SQLite store to a file, beside a running server. (Postgres: pg_dump, or a base backup with its WAL.)
    Backup {
        /// The file to make.
        to: PathBuf,
    },
    /// Put an SQLite backup back, while no server runs; or tell a store that its future is another one now.
    Restore {
        /// The backup.
        #[arg(required_unless_present = "new_log")]
        from: Option<PathBuf>,
        /// Only begin new logs: after Postgres was restored or recovered to a point in time.
        #[arg(long, conflicts_with = "from")]
        new_log: bool,
    },
    /// Check every invariant in a store.
    Verify,
    /// Print the OpenAPI document of REST.
    Openapi,
    /// Print the AsyncAPI document of Socket.IO.
    Asyncapi,
    /// Explain the configuration in force.
    CheckConfig,
    /// Print the version.
    Version,
}

#[derive(Args)]
struct ServeArgs {
    /// The address to listen on (BATON_LISTEN).
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// The store: sqlite://FILE or postgres://… (DATABASE_URL).
    #[arg(long)]
    database_url: Option<String>,
}

#[derive(Args)]
struct DemoArgs {
    /// The tickets, a CSV with id, customer, subject, body, received_at.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Where the replies go.
    #[arg(long, default_value = DemoOptions::DEFAULT_OUTPUT)]
    output: PathBuf,
    /// One process, then stop.
    #[arg(long)]
    once: bool,
    /// Decide the approval instead of waiting for a person.
    #[arg(long)]
    approve: bool,
    /// Milliseconds between two visible moves of an agent.
    #[arg(long)]
    pace: Option<u64>,
    /// The address to listen on.
    #[arg(long)]
    listen: Option<std::net::SocketAddr>,
    /// Use a hub that is running, instead of starting one.
    #[arg(long, requires = "key")]
    url: Option<String>,
    /// The admin key of that hub.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Subcommand)]
enum Keys {
    /// Make a key. It is shown once.
    Create {
        /// In which workspace.
        #[arg(long, default_value = "default")]
        workspace: String,
        /// user:ID, agent:ID or service:ID.
        #[arg(long)]
        principal: String,
        /// read, write or admin.
        #[arg(long, value_parser = ["read", "write", "admin"])]
        permission: String,
        /// Print only {id, key}.
        #[arg(long)]
        json: bool,
    },
    /// List the keys; never the secrets.
    List {
        /// Of which workspace; else of all.
        #[arg(long)]
        workspace: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key; live connections that use it are closed within 30 s.
    Revoke {
        /// The key's id: the part between bk_ and the next _.
        id: String,
        /// In which workspace.
        #[arg(long, default_value = "default")]
        workspace: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("baton: cannot start: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("baton: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn log(config: &Config) {
    let filter =
        tracing_subscriber::EnvFilter::try_new(&config.log).unwrap_or_else(|_| "info".into());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = if config.log_format == "json" {
        subscriber.json().try_init()
    } else {
        subscriber.try_init()
    };
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    let store = Store::connect(&config.database_url)
        .await
        .context("cannot open the database")?;
    Ok(store)
}

async fn open_current(config: &Config) -> anyhow::Result<Store> {
    Store::connect_to_existing(&config.database_url)
        .await
        .context("cannot open the store")
}

async fn run(command: Cmd) -> anyhow::Result<()> {
    let mut config = Config::load().map_err(anyhow::Error::msg)?;
    match command {
        Cmd::Serve(args) => {
            config.listen = args.listen.unwrap_or(config.listen);
            config.database_url = args.database_url.unwrap_or(config.database_url);
            log(&config);
            let given = config.admin_key.is_some();
            let node = serve::start(config).await?;
            println!("Baton listens on {}", node.url);
            match node.link() {
                Some(link) if !given => println!("Sign in to the dashboard (shown once): {link}"),
                _ => println!("Dashboard: {}", node.url),
            }
            stopped().await;
            eprintln!("baton: draining");
            node.stop().await;
        }
        Cmd::Demo(args) => run_demo(config, args).await?,
        Cmd::Migrate {
            raise_level: true, ..
        } => {
            let store = open(&config).await?;
            store.migrate().await?;
            println!("the store has level {}", store.raise_level().await?);
        }
        Cmd::Migrate { down, .. } => {
            let store = open(&config).await?;
            match down {
                Some(n) => println!("took back: {:?}", store.migrate_down(n).await?),
                None => println!(
                    "applied: {:?}; the schema has version {}",
                    store.migrate().await?,
                    storage::migrate::latest()
                ),
            }
        }
        Cmd::Keys(keys) => run_keys(&config, keys).await?,
        Cmd::Tail { room, url, key } => tail(&room, &url, &key).await?,
        Cmd::Backup { to } => {
            open(&config).await?.back_up(&to).await?;
            println!("wrote {}", to.display());
        }
        Cmd::Restore { from, .. } => {
            if let Some(from) = from {
                let now = rooms::Timestamp(chrono::Utc::now().timestamp_micros());
                if let Some(kept) = storage::backup::put_back(&from, &config.database_url, now)? {
                    println!("kept the store that was there as {}", kept.display());
                }
            }
            let store = open(&config).await?;
            store.migrate().await?;
            let rooms = store.begin_new_log().await?;
            println!(
                "{rooms} rooms have a new log: clients start over, and attempts made after the backup are stale"
            );
        }
        Cmd::Verify => {
            let report = open_current(&config).await?.verify().await?;
            for problem in &report.problems {
                println!("{problem}");
            }
            let told = report.problems.len() as u64;
            if report.found > told {
                println!("… and {} more", report.found - told);
            }
            println!(
                "{} rooms, {} events and {} rows read, {} problems",
                report.rooms, report.events, report.rows, report.found
            );
            if report.found > 0 {
                bail!("the store does not hold what it must");
            }
        }
        Cmd::Openapi => println!(
            "{}",
            serde_json::to_string_pretty(&baton::contract::openapi::document())?
        ),
        Cmd::Asyncapi => println!(
            "{}",
            serde_json::to_string_pretty(&baton::contract::asyncapi::document())?
        ),
        Cmd::CheckConfig => {
            let hidden = |set: bool| if set { "set" } else { "not set" };
            println!("listen        {}   (BATON_LISTEN)", config.listen);
            println!(
                "database_url  {}   (DATABASE_URL)",
                hide_password(&config.database_url)
            );
            println!(
                "redis_url     {}   (REDIS_URL)",
                hidden(config.redis_url.is_some())
            );
            println!(
                "admin_key     {}   (BATON_ADMIN_KEY)",
                hidden(config.admin_key.is_some())
            );
            println!(
                "cors_origins  {}   (BATON_CORS_ORIGINS)",
                config.cors_origins.as_deref().unwrap_or("none")
            );
            println!(
                "webhooks_allow_private   {}   (BATON_WEBHOOKS_ALLOW_PRIVATE)",
                config.webhooks_allow_private
            );
            println!(
                "rate_limit               {}   (BATON_RATE_LIMIT: requests and commands per second of one key; 0: any number)",
                config.rate_limit
            );
            println!(
                "rate_burst               {}   (BATON_RATE_BURST: so many at once by a key that was silent; 0: as many as per second)",
                config.rate_burst
            );
            println!(
                "cache_rooms              {}   (BATON_CACHE_ROOMS: rooms whose state is kept in memory)",
                config.cache_rooms
            );
            let after = config.retention_archive_after;
            println!(
                "retention_archive_after  {after}   (BATON_RETENTION_ARCHIVE_AFTER: an ended process's room is archived when idle for so long)"
            );
            println!(
                "retention_keep_for       {}   (BATON_RETENTION_KEEP_FOR: its log is kept so much longer)",
                config.retention_keep_for
            );
            let export = config.retention_export.as_deref();
            println!(
                "retention_export         {}   (BATON_RETENTION_EXPORT: the folder that logs are written to before they are removed)",
                export.map_or("none".to_owned(), |f| f.display().to_string())
            );
            println!(
                "retention_window         {}   (BATON_RETENTION_WINDOW: teams' and workspaces' rooms reach back so far)",
                config.retention_window
            );
            println!(
                "retention_window_events  {}   (BATON_RETENTION_WINDOW_EVENTS: and have so many events at most; 0: any number)",
                config.retention_window_events
            );
            println!(
                "retention_audit          {}   (BATON_RETENTION_AUDIT: the audit reaches back so far)",
                config.retention_audit
            );
            println!("log           {}   (BATON_LOG)", config.log);
            println!("log_format    {}   (BATON_LOG_FORMAT)", config.log_format);
        }
        Cmd::Version => println!("baton {}", env!("CARGO_PKG_VERSION")),
    }
    Ok(())
}

fn hide_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, rest)), Some((_, host))) if rest.contains('@') => {
            let user = rest.split([':', '@']).next().unwrap_or_default();
            format!("{scheme}://{user}:…@{host}")
        }
        _ => url.to_owned(),
    }
}

async fn run_demo(mut config: Config, args: DemoArgs) -> anyhow::Result<()> {
    if std::env::var_os("BATON_LOG").is_none() {
        config.log = "warn".to_owned();
    }
    log(&config);
    let stop = CancellationToken::new();
    let on_signal = stop.clone();
    tokio::spawn(async move {
        stopped().await;
        on_signal.cancel();
    });
    let pace = args.pace.map_or_else(
        || DemoOptions::default_pace(args.once, args.approve),
        Duration::from_millis,
    );
    let options = |base_url: String, admin_key: String| DemoOptions {
        base_url,
        admin_key,
        input: args.input.clone(),
        output: args.output.clone(),
        once: args.once,
        approve: args.approve,
        pace,
    };
    if let (Some(url), Some(key)) = (&args.url, &args.key) {
        let summary = demo::run(options(url.clone(), key.clone()), stop).await?;
        println!("{summary}");
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("baton-demo-{}", std::process::id()));
    if std::env::var_os("DATABASE_URL").is_none() {
        std::fs::create_dir_all(&folder)?;
        config.database_url = format!("sqlite://{}/baton.db", folder.display());
    }
    config.listen = args.listen.unwrap_or(config.listen);
    if args.listen.is_none() && args.approve && std::env::var_os("BATON_LISTEN").is_none() {
        // Nobody needs to find it: any free port will do.
        config.listen.set_port(0);
    }
    if config.admin_key.is_none() {
        config.admin_key = Some(baton::auth::new_key().1);
    }
    let node = serve::start(config).await?;
    let key = node.admin_key.clone().unwrap_or_default();
    if let Some(link) = node.link().filter(|_| !args.approve) {
        println!(
            "\nOpen the dashboard and decide what waits there:\n\n    {link}\n\nCtrl-C stops the demo.\n"
        );
    }
    let result = demo::run(options(node.url.clone(), key), stop).await;
    node.stop().await;
    let _ = std::fs::remove_dir_all(&folder);
    println!("{}", result?);
    Ok(())
}

async fn run_keys(config: &Config, keys: Keys) -> anyhow::Result<()> {
    let store = open_current(config).await?;
    store.migrate().await?;
    match keys {
        Keys::Create {
            workspace,
            principal,
            permission,
            json,
        } => {
            let permission = match permission.as_str() {
                "admin" => Permission::Admin,
                "write" => Permission::Write,
                _ => Permission::Read,
            };
            let principal = serve::parse_principal(&principal, &workspace, permission)
                .map_err(anyhow::Error::msg)?;
            let known = store.workspaces().await?;
            if !known.iter().any(|w| w.id == principal.workspace_id) {
                let names: Vec<_> = known.iter().map(|w| w.id.as_str()).collect();
                bail!(
                    "there is no workspace {workspace:?}; there is {} (an empty store gets one from `baton serve`)",
                    names.join(", ")
                );
            }
            let (id, token) = baton::auth::new_key();
            let key = storage::keys::NewKey {
                id: id.clone(),
                token: token.clone(),
                principal,
                name: String::new(),
            };
            store.keep_key(&key).await?;
            if json {
                println!("{}", serde_json::json!({"id": id, "key": token}));
            } else {
                println!(
                    "{token}\nIt is shown only now; revoke it with: baton keys revoke {id} --workspace {workspace}"
                );
            }
        }
        Keys::List { workspace, json } => {
            let keys = store
                .keys(workspace.as_deref().map(Into::into).as_ref())
                .await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&keys)?);
            } else {
                for k in keys {
                    let state = k
                        .revoked_at
                        .map_or_else(|| "active".to_owned(), |at| format!("revoked {at}"));
                    println!(
                        "{:<18} {:<12} {:<24} {:<6} {} {state}",
                        k.id, k.workspace_id, k.principal, k.permission, k.created_at
                    );
                }
            }
        }
        Keys::Revoke { id, workspace } => {
            if store
                .revoke_keys(&workspace.as_str().into(), Some(&id), None)
                .await?
                == 0
            {
                bail!(
                    "there is no active key {id:?} in the workspace {workspace:?}; `baton keys list` shows them"
                );
            }
            println!("revoked {id}");
        }
    }
    Ok(())
}

async fn tail(room: &str, url: &str, key: &str) -> anyhow::Result<()> {
    use baton::client::{Client, ClientOptions, RoomFollower};
    let client = Client::connect(ClientOptions {
        url: url.to_owned(),
        auth: serde_json::json!({"token": key}),
        reconnect: true,
    })
    .await?;
    let mut follower = RoomFollower::new(client, room, None)
        .ok_or_else(|| anyhow::anyhow!("the connection's events are followed already"))?;
    loop {
        println!("{}", serde_json::to_string(&follower.next().await?)?);
    }
}

/// Until the process is asked to stop.
async fn stopped() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
