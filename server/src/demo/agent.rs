//! An agent: a Socket.IO client that takes work, keeps it over lost connections and restarts of the hub, and gives it up
//! only when the hub says so.
//!
//! The hub is the truth about who holds what. Whenever a connection stands, `agent:ready` with the same `instanceId` tells
//! what this agent still holds; what it holds and does not work on is begun again, what it works on and no longer holds
//! is dropped.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::client::{AckHandle, Client, ClientOptions, CommandError, ConnectError, Incoming};

use super::roles::Role;
use super::work::{News, RETRY_AFTER, Session, Work, text};

/// Attempts that ended here: an offer of one, still on its way, is not taken for new work.
const REMEMBERED: usize = 64;

/// Where an agent works, and as whom.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The hub, `http://host:port`.
    pub base_url: String,
    /// The agent's own key.
    pub key: String,
    /// Names this process of the agent; the same again resumes what it held.
    pub instance_id: String,
    /// Between two visible moves, so that a person can follow.
    pub pace: Duration,
}

/// Works as `role` until `stop`.
///
/// # Errors
/// When the hub refuses the agent for good.
pub async fn run_agent(
    role: Role,
    options: AgentOptions,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let client = tokio::select! {
        client = connect(&options) => client?,
        () = stop.cancelled() => return Ok(()),
    };
    let mut incoming = client
        .take_incoming()
        .ok_or_else(|| anyhow::anyhow!("the client's events are taken"))?;
    let (ready, session_ready) = watch::channel(None);
    let session = Session {
        client: client.clone(),
        ready: session_ready,
    };
    let mut agent = Agent {
        role,
        options,
        session,
        ready,
        readied: 0,
        running: HashMap::new(),
        ended: VecDeque::new(),
        tasks: JoinSet::new(),
        reason: String::new(),
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                agent.release_all();
                client.close().await;
                return Ok(());
            }
            Some(done) = agent.tasks.join_next(), if !agent.tasks.is_empty() => {
                // An aborted task was taken out of `running` by whoever aborted it.
                if let Ok(attempt_id) = done {
                    agent.forget(&attempt_id);
                }
            }
            next = incoming.recv() => match next {
                Some(next) => agent.take(next).await,
                None => anyhow::bail!("the agent {} is no longer connected: {}", role.agent_id(), agent.reason),
            },
        }
    }
}

async fn connect(options: &AgentOptions) -> Result<Client, ConnectError> {
    patiently(ClientOptions {
        url: options.base_url.clone(),
        auth: json!({"token": options.key, "instanceId": options.instance_id}),
        reconnect: true,
    })
    .await
}

/// Connects as soon as the hub is there. Only the first connection needs this; later ones are the client's own.
pub(super) async fn patiently(options: ClientOptions) -> Result<Client, ConnectError> {
    loop {
        match Client::connect(options.clone()).await {
            Err(error) if error.is_retryable() => {
                tracing::debug!(%error, "the hub is not there yet");
                tokio::time::sleep(RETRY_AFTER).await;
            }
            result => return result,
        }
    }
}

/// A step in work.
#[derive(Debug)]
struct Running {
    step_id: String,
    process_id: String,
    epoch: u64,
    news: mpsc::UnboundedSender<News>,
    abort: AbortHandle,
}

struct Agent {
    role: Role,
    options: AgentOptions,
    session: Session,
    ready: watch::Sender<Option<u64>>,
    readied: u64,
    /// By attempt.
    running: HashMap<String, Running>,
    ended: VecDeque<String>,
    tasks: JoinSet<String>,
    /// Why the connection was lost last.
    reason: String,
}

impl Agent {
    async fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Connected => {
                if let Err(error) = self.announce().await {
                    // Closed: the next connection begins anew. Refused: the operator must know.
                    tracing::warn!(agent = self.role.agent_id(), %error, "the agent could not report for work");
                }
            }
            Incoming::Disconnected { reason } => {
                self.ready.send_replace(None);
                self.reason = reason;
            }
            Incoming::Event { name, data, ack } => {
                if let Err(error) = self.heed(&name, data, ack).await {
                    tracing::debug!(agent = self.role.agent_id(), event = name, %error, "not taken");
                }
            }
        }
    }

    /// Reports for work, and brings what is worked on here in line with what is held.
    async fn announce(&mut self) -> Result<(), CommandError> {
        let payload = json!({"instanceId": self.options.instance_id});
        let reply = loop {
            match self
                .session
                .client
                .command("agent:ready", payload.clone())
                .await
            {
                Err(error) if error.is_transient() => tokio::time::sleep(RETRY_AFTER).await,
                result => break result?,
            }
        };
        let list = |name: &str| {
            reply
                .data
                .get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };

        let held = list("attempts");
        self.running.retain(|id, running| {
            let kept = held.iter().any(|given| lease(given) == (id, running.epoch));
            if !kept {
                running.abort.abort();
            }
            kept
        });
        let mut taken = Vec::new();
        for given in held {
            if text(&given, "/attempt/status") == "offered" {
                taken.push(self.accept(given).await);
            } else {
                self.begin(given);
            }
        }
        self.readied += 1;
        self.ready.send_replace(Some(self.readied));
        for answer in list("answers") {
            self.tell_answer(&answer);
        }
        for handoff in list("handoffs") {
            taken.push(self.accept_handoff(&handoff).await);
        }
        // One that is no longer to be had must not keep the agent from the others.
        for error in taken.into_iter().filter_map(Result::err) {
            tracing::debug!(agent = self.role.agent_id(), %error, "not taken");
        }
        Ok(())
    }

    async fn heed(
        &mut self,
        name: &str,
        data: Value,
        ack: Option<AckHandle>,
    ) -> Result<(), CommandError> {
        match name {
            "work.offered" => self.accept(data).await?,
            "work.cancelled" => {
                if let Some(running) = self.running.remove(text(&data, "/attemptId")) {
                    running.abort.abort();
                }
            }
            "work.answered" => {
                self.tell_answer(&data);
                if let Some(ack) = ack {
                    ack.send(Value::Null);
                }
            }
            "work.handoff_requested" => self.accept_handoff(&data["handoff"]).await?,
            "work.handoff_resolved" => {
                let status = text(&data, "/handoff/status").to_owned();
                let step = text(&data, "/handoff/fromStepId");
                self.tell(|running| running.step_id == step, &News::Handoff { status });
            }
            "work.message" => self.hear(&data["communication"]).await?,
            _ => {}
        }
        Ok(())
    }

    async fn accept(&mut self, given: Value) -> Result<(), CommandError> {
        let (id, epoch) = lease(&given);
        if self.running.contains_key(id) || self.ended.iter().any(|ended| ended == id) {
            return Ok(());
        }
        self.session
            .client
            .command("attempt:accept", json!({"attemptId": id, "epoch": epoch}))
            .await?;
        self.begin(given);
        Ok(())
    }

    async fn accept_handoff(&mut self, handoff: &Value) -> Result<(), CommandError> {
        let payload = json!({"handoffId": handoff["id"]});
        let reply = self
            .session
            .client
            .command("handoff:accept", payload)
            .await?;
        self.begin(reply.data);
        Ok(())
    }

    /// Works on what is held, unless it does already.
    fn begin(&mut self, given: Value) {
        let (id, epoch) = lease(&given);
        if id.is_empty() || self.running.contains_key(id) {
            return;
        }
        let id = id.to_owned();
        let step_id = text(&given, "/step/id").to_owned();
        let process_id = text(&given, "/process/id").to_owned();
        let (news, queue) = mpsc::unbounded_channel();
        let mut work = Work::new(self.session.clone(), given, queue, self.options.pace);
        let (role, attempt_id) = (self.role, id.clone());
        let abort = self.tasks.spawn(async move {
            let lease = work.keep_lease();
            let result = tokio::select! {
                result = role.perform(&mut work) => result,
                stop = lease => Err(stop),
            };
            work.finish(result).await;
            attempt_id
        });
        self.running.insert(
            id,
            Running {
                step_id,
                process_id,
                epoch,
                news,
                abort,
            },
        );
    }

    fn forget(&mut self, attempt_id: &str) {
        self.running.remove(attempt_id);
        self.ended.push_back(attempt_id.to_owned());
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }

    fn tell_answer(&self, answer: &Value) {
        let step = text(answer, "/intervention/stepId");
        let news = News::Answer {
            intervention_id: text(answer, "/intervention/id").to_owned(),
            response: answer["response"].clone(),
        };
        self.tell(|running| running.step_id == step, &news);
    }

    fn tell(&self, concerns: impl Fn(&Running) -> bool, news: &News) {
        for running in self.running.values().filter(|running| concerns(running)) {
            // A step that just ended needs no news.
            let _ = running.news.send(news.clone());
        }
    }

    /// Responds to a question, or passes a response on to who asked.
    async fn hear(&mut self, communication: &Value) -> Result<(), CommandError> {
        let id = text(communication, "/id");
        if let Some(message) = communication
            .pointer("/response/message")
            .and_then(Value::as_str)
        {
            let process = text(communication, "/processId");
            let news = News::Response {
                communication_id: id.to_owned(),
                message: message.to_owned(),
            };
            self.tell(|running| running.process_id == process, &news);
            return Ok(());
        }
        let asked = matches!(text(communication, "/type"), "question" | "request");
        if asked && text(communication, "/toAgentId") == self.role.agent_id() {
            let payload =
                json!({"communicationId": id, "message": self.role.respond(communication)});
            self.session
                .client
                .command("communication:respond", payload)
                .await?;
        }
        Ok(())
    }

    /// Gives back what is held, so that nobody has to wait for the leases to run out. The frames are written before the
    /// connection closes; nobody waits for the acks, since the hub may be stopping too.
    fn release_all(&mut self) {
        let working = self
            .running
            .drain()
            .filter(|(_, running)| !running.abort.is_finished());
        for (id, running) in working {
            let payload =
                json!({"attemptId": id, "epoch": running.epoch, "reason": "the agent stops"});
            running.abort.abort();
            drop(self.session.client.send("attempt:release", payload));
        }
    }
}

fn lease(given: &Value) -> (&str, u64) {
    let epoch = given
        .pointer("/attempt/epoch")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    (text(given, "/attempt/id"), epoch)
}
