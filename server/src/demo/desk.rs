//! The demo itself: it opens the office, lets the agents work, and starts one process after another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::{ClientOptions, RoomFollower};

use super::agent::{AgentOptions, patiently, run_agent};
use super::office::{self, Office};
use super::rest::Rest;
use super::roles;
use super::story::ProcessSummary;
use super::tickets;
use super::work::text;

/// From the end of one process to the start of the next.
const BETWEEN: Duration = Duration::from_secs(4);
/// When nobody needs to be waited for, a room this silent means that something is stuck.
const SILENCE: Duration = Duration::from_secs(120);
/// For leaving: open work is cancelled and agents say goodbye, if the hub still listens.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the demo works on, and how.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The hub, `http://host:port`.
    pub base_url: String,
    /// A key with admin permission.
    pub admin_key: String,
    /// The tickets; the sample that ships with it without one.
    pub input: Option<PathBuf>,
    /// Where the replies go.
    pub output: PathBuf,
    /// One process instead of one after another.
    pub once: bool,
    /// Decide the approval instead of waiting for a person.
    pub approve: bool,
    /// Between two visible moves of an agent.
    pub pace: Duration,
}

impl DemoOptions {
    /// Where the replies go when nothing is said.
    pub const DEFAULT_OUTPUT: &str = "baton-demo-replies.csv";

    /// A pace that a person can follow, or none when nobody watches.
    #[must_use]
    pub fn default_pace(once: bool, approve: bool) -> Duration {
        if once && approve {
            Duration::ZERO
        } else {
            Duration::from_millis(500)
        }
    }
}

/// What came of a run of the demo.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Processes that completed.
    pub completed: u64,
    /// Processes that failed or were cancelled.
    pub failed: u64,
    /// The last one.
    pub last: Option<ProcessSummary>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(last) = &self.last {
            writeln!(f, "{last}")?;
        }
        write!(
            f,
            "processes  {} completed, {} failed or cancelled",
            self.completed, self.failed
        )
    }
}

/// The tickets as text, checked.
struct Input {
    name: String,
    csv: String,
}

/// Runs the demo against a hub, until `stop` or, with `once`, until one process ended.
///
/// # Errors
/// When the input is bad, the hub refuses, or the one process did not complete.
pub async fn run(mut options: DemoOptions, stop: CancellationToken) -> anyhow::Result<Summary> {
    let input = read(options.input.as_deref())?;
    options.output = writable(&options.output)?;
    let rest = Rest::new(&options.base_url, &options.admin_key)?;
    let Office { team_id, keys } = tokio::select! {
        office = office::open(&rest) => office?,
        () = stop.cancelled() => anyhow::bail!("stopped before the demo was set up"),
    };

    // Not a child of `stop`: open work is cancelled before the agents leave.
    let leave = CancellationToken::new();
    let mut agents = JoinSet::new();
    for (role, key) in keys {
        let options = AgentOptions {
            base_url: options.base_url.clone(),
            key,
            instance_id: Uuid::now_v7().to_string(),
            pace: options.pace,
        };
        agents.spawn(run_agent(role, options, leave.clone()));
    }

    let mut desk = Desk {
        options,
        rest,
        team_id,
        input,
        open: None,
        summary: Summary::default(),
    };
    let result = tokio::select! {
        result = desk.work() => result,
        () = stop.cancelled() => {
            if desk.options.once { Err(anyhow::anyhow!("stopped before the process was decided")) } else { Ok(()) }
        }
        Some(ended) = agents.join_next() => {
            Err(ended.map_err(anyhow::Error::from).and_then(|ended| ended).err().unwrap_or_else(|| anyhow::anyhow!("an agent left")))
        }
    };
    // Best effort, for the hub may be gone. Dropping the set ends whoever is still there.
    let _ = tokio::time::timeout(FAREWELL, desk.cancel_open()).await;
    leave.cancel();
    let _ = tokio::time::timeout(FAREWELL, async {
        while agents.join_next().await.is_some() {}
    })
    .await;
    result.map(|()| desk.summary)
}

fn read(path: Option<&Path>) -> anyhow::Result<Input> {
    let (name, bytes) = match path {
        Some(path) => {
            let bytes = std::fs::read(path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            (path.display().to_string(), bytes)
        }
        None => (
            tickets::SAMPLE_NAME.to_owned(),
            tickets::SAMPLE.as_bytes().to_vec(),
        ),
    };
    tickets::parse(&name, &bytes)?;
    let csv = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    Ok(Input { name, csv })
}

/// The whole path, since whoever publishes may stand in another folder; said now rather than when the work is done.
fn writable(path: &Path) -> anyhow::Result<PathBuf> {
    let path =
        std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    anyhow::ensure!(
        !path.is_dir(),
        "{} is a folder; name a file for the replies",
        path.display()
    );
    let folder = path.parent().unwrap_or(&path);
    anyhow::ensure!(
        folder.is_dir(),
        "the folder {} does not exist",
        folder.display()
    );
    Ok(path)
}

struct Desk {
    options: DemoOptions,
    rest: Rest,
    team_id: String,
    input: Input,
    /// The process that has not ended.
    open: Option<String>,
    summary: Summary,
}

impl Desk {
    async fn work(&mut self) -> anyhow::Result<()> {
        for number in 1u64.. {
            let done = self.one_process(number).await?;
            let completed = done.status == "completed";
            let (status, failure) = (done.status.clone(), done.failure.clone());
            self.summary.last = Some(done);
            if completed {
                self.summary.completed += 1;
            } else {
                self.summary.failed += 1;
            }
            if self.options.once {
                let why = failure.unwrap_or_else(|| "no reason was given".to_owned());
                anyhow::ensure!(completed, "the process {status}: {why}");
                return Ok(());
            }
            match failure {
                Some(why) => println!("Process {number} {status}: {why}"),
                None => println!(
                    "Process {number} {status}; the replies are in {}",
                    self.options.output.display()
                ),
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(())
    }

    async fn one_process(&mut self, number: u64) -> anyhow::Result<ProcessSummary> {
        let process = self
            .rest
            .post("/processes", &self.definition(number))
            .await
            .context("no process can be started")?;
        let id = text(&process, "/id").to_owned();
        self.open = Some(id.clone());
        let client = patiently(ClientOptions {
            url: self.options.base_url.clone(),
            auth: json!({"token": self.options.admin_key}),
            reconnect: true,
        });
        let client = client.await.context("the process cannot be watched")?;
        let mut room = RoomFollower::new(client.clone(), text(&process, "/roomId"), Some(0))
            .context("the watcher's events are taken")?;

        let mut summary = ProcessSummary::new(&id, self.options.output.clone());
        while !summary.has_ended() {
            let event = if self.options.approve {
                let silence = || {
                    format!(
                        "nothing happened in process {id} for {} s",
                        SILENCE.as_secs()
                    )
                };
                tokio::time::timeout(SILENCE, room.next())
                    .await
                    .with_context(silence)??
            } else {
                room.next().await?
            };
            summary.tell(&event);
            if text(&event, "/type") == "intervention.requested" {
                self.decide(number, &event["data"]).await?;
            }
        }
        self.open = None;
        client.close().await;
        Ok(summary)
    }

    async fn decide(&self, number: u64, intervention: &Value) -> anyhow::Result<()> {
        if !self.options.approve {
            println!(
                "Process {number} waits for you: {}",
                text(intervention, "/description")
            );
            return Ok(());
        }
        let decision = json!({
            "action": "approve",
            "comments": "Approved by the demo.",
            "responseId": Uuid::now_v7().to_string(),
        });
        match self
            .rest
            .put(
                &format!("/interventions/{}", text(intervention, "/id")),
                &decision,
            )
            .await
        {
            // A person was quicker.
            Err(error) if error.code() == Some("already_resolved") => Ok(()),
            result => result.map(drop).context("the approval cannot be given"),
        }
    }

    fn definition(&self, number: u64) -> Value {
        json!({
            "name": format!("Support tickets {number}"),
            "description": "Sort the tickets, find the facts, draft the replies, ask a person, publish.",
            "teamId": self.team_id,
            "steps": roles::steps(),
            "context": {
                "sharedData": {"tickets": {"name": self.input.name, "csv": self.input.csv}},
                "variables": {"output": self.options.output},
            },
        })
    }

    /// A demo that leaves does not leave a question in the inbox that nobody will act on.
    async fn cancel_open(&mut self) {
        if let Some(id) = self.open.take()
            && let Err(error) = self.rest.delete(&format!("/processes/{id}")).await
        {
            tracing::debug!(%error, "the open process could not be cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_read_when_no_file_is_named() {
        assert_eq!(read(None).expect("the sample").name, tickets::SAMPLE_NAME);
    }

    #[test]
    fn a_bad_input_is_told_before_anything_is_started() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bad.csv");
        assert!(
            read(Some(&path))
                .is_err_and(|error| error.to_string().contains("bad.csv cannot be read"))
        );
        std::fs::write(&path, "id,customer\n").expect("written");
        let error = read(Some(&path)).err().expect("two columns").to_string();
        assert!(error.contains("bad.csv, line 1, column subject"), "{error}");
    }

    #[test]
    fn an_output_that_cannot_be_is_told_before_anything_is_started() {
        let folder = tempfile::tempdir().expect("folder");
        assert!(
            writable(folder.path()).is_err_and(|error| error.to_string().contains("is a folder"))
        );
        let lost = folder.path().join("no/out.csv");
        assert!(writable(&lost).is_err_and(|error| error.to_string().contains("does not exist")));
        assert!(writable(Path::new("out.csv")).expect("here").is_absolute());
    }
}
