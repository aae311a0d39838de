//! Processes and their steps: S1, S2, S3 and G2.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::sync::mpsc;

use crate::Run;
use crate::agents::{Completed, chain, listener, register, team, worker};
use crate::process::psql;
use crate::report::{Row, Target};
use crate::stats::{Histogram, median, now_micros, pace};
use crate::systems::{Kind, System, python_peer};
use crate::wire::Link;

/// Agents that take steps.
const AGENTS: usize = 8;
/// Steps of a process.
const STEPS: usize = 5;

/// A system with agents at work and a client that starts processes.
struct Shop {
    system: System,
    starter: Arc<Link>,
    start: String,
    done: mpsc::UnboundedReceiver<Completed>,
    _workers: Vec<Arc<Link>>,
}

/// What a round came to.
struct Worked {
    per_second: f64,
    cpu_per_step: f64,
    postgres_cpu_per_step: f64,
}

impl Shop {
    async fn open(system: System) -> anyhow::Result<Self> {
        let ids: Vec<_> = (0..AGENTS).map(|n| format!("agent-{n}")).collect();
        let mut keys = Vec::new();
        for id in &ids {
            keys.push(register(&system, id, 64).await?);
        }
        let team = team(&system, &ids).await?;
        let (tell, done) = mpsc::unbounded_channel();
        let mut workers = Vec::new();
        for (id, key) in ids.iter().zip(&keys) {
            workers.push(worker(&system, id, key, tell.clone()).await?);
        }
        let starter = system.connect(|_| {}).await?;
        Ok(Self {
            system,
            starter,
            start: chain(&team, STEPS).to_string(),
            done,
            _workers: workers,
        })
    }

    /// Keeps `open` processes going for so long.
    async fn work(&mut self, run: &Run, open: usize, time: Duration) -> anyhow::Result<Worked> {
        let before = (self.system.program.cpu(), run.place.postgres.cpu());
        let begin = Instant::now();
        let mut going = 0;
        let mut acks = Vec::new();
        for _ in 0..open {
            acks.push(self.starter.send("process:start", &self.start).await?);
            going += 1;
        }
        for ack in acks {
            let ack = ack.await?;
            ensure!(ack.starts_with("{\"ok\":true"), "no start: {ack}");
        }
        let last = format!("s{STEPS}");
        let mut steps = 0usize;
        let mut in_time = 0usize;
        while going > 0 {
            let done = tokio::time::timeout(Duration::from_secs(60), self.done.recv())
                .await
                .with_context(|| format!("nothing is done; {going} processes are open"))?
                .context("the agents are gone")?;
            steps += 1;
            let open = begin.elapsed() < time;
            in_time += usize::from(open);
            if done.step == last {
                if open {
                    // Its ack is not waited for: its steps will tell.
                    drop(self.starter.send("process:start", &self.start).await?);
                } else {
                    going -= 1;
                }
            }
        }
        let cpu = self.system.program.cpu() - before.0;
        let postgres = run.place.postgres.cpu() - before.1;
        Ok(Worked {
            per_second: in_time as f64 / time.as_secs_f64(),
            cpu_per_step: cpu * 1e6 / steps as f64,
            postgres_cpu_per_step: postgres * 1e6 / steps as f64,
        })
    }
}

fn middle(rounds: &[Worked], value: impl Fn(&Worked) -> f64) -> f64 {
    median(&rounds.iter().map(value).collect::<Vec<_>>())
}

/// Processes of five steps, 200 open at once.
pub async fn s1(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new(
        "S1",
        "5-step processes, 200 open at once, agents on sockets, Postgres",
    );
    let mut shop = Shop::open(System::start(&run.place, Kind::Baton).await?).await?;
    let seconds = run.seconds(6.0);
    let time = Duration::from_secs_f64(seconds);
    shop.work(run, 200, time / 2).await?;
    let mut ours = Vec::new();
    let mut peers = vec![Vec::new(); 2];
    let mut cpus = vec![Vec::new(); 2];
    let mut postgres = vec![Vec::new(); 2];
    for _ in 0..run.rounds {
        ours.push(shop.work(run, 200, time).await?);
        for (n, script) in ["dbos_steps.py", "langgraph_steps.py"]
            .into_iter()
            .enumerate()
        {
            let before = run.place.postgres.cpu();
            let out = python_peer(&run.place, script, seconds).await?;
            let number = |name: &str| out[name].as_f64().unwrap_or(f64::NAN);
            peers[n].push(number("steps") / number("seconds"));
            cpus[n].push(number("cpu") * 1e6 / number("steps"));
            postgres[n].push((run.place.postgres.cpu() - before) * 1e6 / number("steps"));
        }
    }
    let rate = middle(&ours, |w| w.per_second);
    row.told("Baton: steps per second", rate, "/s");
    row.told(
        "Baton: server CPU per step",
        middle(&ours, |w| w.cpu_per_step),
        "µs",
    );
    row.told(
        "Baton: Postgres' CPU per step",
        middle(&ours, |w| w.postgres_cpu_per_step),
        "µs",
    );
    for (n, name) in ["DBOS", "LangGraph + Postgres"].into_iter().enumerate() {
        row.told(format!("{name}: steps per second"), median(&peers[n]), "/s");
        row.told(format!("{name}: its CPU per step"), median(&cpus[n]), "µs");
        row.told(
            format!("{name}: Postgres' CPU per step"),
            median(&postgres[n]),
            "µs",
        );
    }
    row.with(
        "steps/s, of DBOS",
        rate / median(&peers[0]),
        "×",
        Target::AtLeast(6.0),
    );
    row.with(
        "steps/s, of LangGraph",
        rate / median(&peers[1]),
        "×",
        Target::AtLeast(20.0),
    );
    Ok(row)
}

/// From the command that makes a step ready to the offer at an idle agent.
pub async fn s2(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("S2", "step ready → offered to an idle agent, 20 steps/s");
    for kind in [Kind::Baton, Kind::Embedded] {
        let system = System::start(&run.place, kind).await?;
        let key = register(&system, "idle", 1_000).await?;
        let team = team(&system, &["idle".to_owned()]).await?;
        let (agent, mut heard) = listener(&system, "idle", &key).await?;
        let starter = system.connect(|_| {}).await?;
        let start = chain(&team, 1);
        let n = run.scaled(300);
        let mut ticks = pace(20.0, n as u64);
        let (from_command, from_ack) = (Histogram::default(), Histogram::default());
        while let Some((k, intended)) = ticks.recv().await {
            let mut start = start.clone();
            start["name"] = json!(format!("p{k}"));
            let process = starter.data("process:start", &start).await?;
            let acked = now_micros();
            let offer = loop {
                let told = tokio::time::timeout(Duration::from_secs(30), heard.recv())
                    .await
                    .context("no offer came")?
                    .context("the agent is gone")?;
                if told.name == "work.offered" && told.data["process"]["id"] == process["id"] {
                    break told;
                }
            };
            // The first steps warm up.
            if k >= n as u64 / 10 {
                from_command.record(offer.at.saturating_sub(intended));
                from_ack.record(offer.at.saturating_sub(acked));
            }
            let attempt = &offer.data["attempt"];
            let lease = json!({"attemptId": attempt["id"], "epoch": attempt["epoch"]});
            agent.ask("attempt:accept", &lease.to_string()).await?;
            let result =
                json!({"attemptId": attempt["id"], "epoch": attempt["epoch"], "outputs": {}});
            agent.ask("attempt:complete", &result.to_string()).await?;
        }
        let name = kind.name();
        row.with(
            format!("{name}: command sent → offer received, its commit included, p50"),
            from_command.percentile(50.0),
            "ms",
            Target::AtMost(5.0),
        );
        row.with(
            format!("{name}: command sent → offer received, p99"),
            from_command.percentile(99.0),
            "ms",
            Target::AtMost(20.0),
        );
        row.told(
            format!("{name}: command acked → offer received, p50"),
            from_ack.percentile(50.0),
            "ms",
        );
    }
    Ok(row)
}

/// From a human's reply to the agent that waits for it.
pub async fn s3(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new("S3", "reply of a human → the agent has it");
    let system = System::start(&run.place, Kind::Baton).await?;
    let key = register(&system, "asking", 1_000).await?;
    let team = team(&system, &["asking".to_owned()]).await?;
    let (agent, mut heard) = listener(&system, "asking", &key).await?;
    let person = system.connect(|_| {}).await?;
    let n = run.scaled(200);
    let mut questions = Vec::new();
    for _ in 0..n {
        person.data("process:start", &chain(&team, 1)).await?;
        let offer = loop {
            let told = heard.recv().await.context("the agent is gone")?;
            if told.name == "work.offered" && told.data["step"]["phase"] != "executing" {
                break told.data;
            }
        };
        let (id, epoch) = (&offer["attempt"]["id"], &offer["attempt"]["epoch"]);
        let lease = json!({"attemptId": id, "epoch": epoch});
        if agent
            .ask("attempt:accept", &lease.to_string())
            .await
            .is_err()
        {
            continue; // the same offer, told again
        }
        let question = json!({"attemptId": id, "epoch": epoch, "type": "approval", "description": "May I?", "mode": "hold"});
        let asked = agent.data("intervention:request", &question).await?;
        questions.push(asked["intervention"]["id"].clone());
    }
    let latency = Histogram::default();
    let mut ticks = pace(20.0, questions.len() as u64);
    while let Some((k, intended)) = ticks.recv().await {
        let id = &questions[k as usize];
        let reply = json!({"interventionId": id, "action": "approve"});
        person
            .ask("intervention:respond", &reply.to_string())
            .await?;
        loop {
            let told = tokio::time::timeout(Duration::from_secs(30), heard.recv())
                .await
                .context("no answer came")?
                .context("the agent is gone")?;
            if told.name == "work.answered" && told.data["intervention"]["id"] == *id {
                if k >= questions.len() as u64 / 10 {
                    latency.record(told.at.saturating_sub(intended));
                }
                break;
            }
        }
    }
    row.with(
        "reply sent → answer received, its commit included, p50",
        latency.percentile(50.0),
        "ms",
        Target::AtMost(5.0),
    );
    row.told("p99", latency.percentile(99.0), "ms");
    Ok(row)
}

/// The same work beside 100,000 open processes and beside 100.
pub async fn g2(run: &Run) -> anyhow::Result<Row> {
    let mut row = Row::new(
        "G2",
        "cost per step with 100,000 open processes against 100",
    );
    let many = run.scaled(100_000);
    let mut shops = Vec::new();
    for open in [100, many] {
        let mut shop = Shop::open(System::start(&run.place, Kind::Baton).await?).await?;
        multiply(&mut shop, open).await?;
        shops.push((open, shop));
    }
    let time = Duration::from_secs_f64(run.seconds(5.0));
    let mut rounds: Vec<Vec<Worked>> = vec![Vec::new(), Vec::new()];
    for round in 0..=run.rounds {
        for ((_, shop), rounds) in shops.iter_mut().zip(&mut rounds) {
            let worked = shop.work(run, 50, time).await?;
            if round > 0 {
                rounds.push(worked);
            }
        }
    }
    for ((open, shop), rounds) in shops.iter().zip(&rounds) {
        row.told(
            format!("{open} open: server CPU per step"),
            middle(rounds, |w| w.cpu_per_step),
            "µs",
        );
        row.told(
            format!("{open} open: Postgres' CPU per step"),
            middle(rounds, |w| w.postgres_cpu_per_step),
            "µs",
        );
        row.told(
            format!("{open} open: server's memory"),
            shop.system.program.memory() / 1024.0,
            "MiB",
        );
    }
    let both = |w: &Worked| w.cpu_per_step + w.postgres_cpu_per_step;
    row.with(
        "server + Postgres CPU per step, growth",
        middle(&rounds[1], both) / middle(&rounds[0], both),
        "×",
        Target::AtMost(1.3),
    );
    Ok(row)
}

/// Makes copies of one open process, by SQL, each with ids of its own: what stands in the store is what as many starts would have left. The
/// process waits for an approval of its first step, so it stays open and its steps are not ready.
async fn multiply(shop: &mut Shop, n: usize) -> anyhow::Result<()> {
    let database = &shop.system.database;
    let mut body: serde_json::Value = serde_json::from_str(&shop.start)?;
    body["name"] = json!("Waiting");
    body["steps"][0]["requiresApproval"] = json!(true);
    let team = body["teamId"].as_str().context("a team")?.to_owned();
    let process = shop.starter.data("process:start", &body).await?;
    let id = process["id"].as_str().context("a process has an id")?;
    let told = psql(
        database,
        &format!("SELECT payload FROM events WHERE room_id = '{id}'"),
    )
    .await?;
    // All ids that began with this process: those in its log, but for its team's.
    let ids: BTreeSet<&str> = told
        .split('"')
        .filter(|word| *word != team && uuid::Uuid::parse_str(word).is_ok())
        .collect();
    let last = "lpad(to_hex(n), 12, '0')";
    let mut sql = String::new();
    for (table, scope) in [
        ("rooms", "id"),
        ("processes", "id"),
        ("steps", "process_id"),
        ("interventions", "process_id"),
        ("events", "room_id"),
        ("timers", "room_id"),
    ] {
        let columns = format!(
            "SELECT column_name, udt_name FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
        );
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for line in psql(database, &columns).await?.lines() {
            let (name, kind) = line.split_once('|').context("two columns")?;
            let texts = ["payload", "data", "timer", "key"].contains(&name)
                && (table, name) != ("steps", "key");
            values.push(if kind == "uuid" && name != "team_id" {
                format!("(substr({name}::text, 1, 24) || {last})::uuid")
            } else if texts {
                ids.iter().fold(name.to_owned(), |text, id| {
                    format!("replace({text}, '{id}', '{}' || {last})", &id[..24])
                })
            } else {
                name.to_owned()
            });
            names.push(name.to_owned());
        }
        sql.push_str(&format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {table}, generate_series(1, {n}) AS n WHERE {scope} = '{id}';\n",
            names.join(", "),
            values.join(", ")
        ));
    }
    psql(database, &sql).await?;
    // A store that came to be so many over time has long been tidied up. Left to happen while one measures, it holds back what Postgres
    // forgets meanwhile, and every scan wades through that.
    psql(database, "VACUUM (ANALYZE)").await?;
    Ok(())
}
