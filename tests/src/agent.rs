//! An agent whose every move the test decides.

use std::collections::{HashSet, VecDeque};

use baton::client::{Client, ClientOptions, CommandError, Incoming, Reply};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rest::check_problem;
use crate::{SOON, contract, number, text};

/// A connected agent, or a person: anyone with a socket.
#[derive(Debug)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// The connection, for commands that have no method here.
    pub client: Client,
    incoming: mpsc::UnboundedReceiver<Incoming>,
    waiting: VecDeque<(String, Value)>,
    offered: HashSet<(String, u64)>,
}

/// A step offered to an agent.
#[derive(Debug, Clone)]
pub struct Work {
    /// The attempt that every write about it names.
    pub attempt_id: String,
    /// Its fencing epoch.
    pub epoch: u64,
    /// All that came with it: step, process, context, priorAnswers, idempotencyKey, leaseMs.
    pub offer: Value,
}

impl Work {
    /// Reads an offer, or an element of `attempts` in the ack of `agent:ready`.
    ///
    /// # Panics
    /// When it names no attempt and epoch.
    #[must_use]
    pub fn from_offer(offer: Value) -> Self {
        Self {
            attempt_id: text(&offer, "/attempt/id"),
            epoch: number(&offer, "/attempt/epoch"),
            offer,
        }
    }

    /// The key of its step.
    #[must_use]
    pub fn step(&self) -> String {
        text(&self.offer, "/step/key")
    }

    /// The id of its step.
    #[must_use]
    pub fn step_id(&self) -> String {
        text(&self.offer, "/step/id")
    }

    /// `{attemptId, epoch}` with `more` beside them.
    #[must_use]
    pub fn payload(&self, more: &Value) -> Value {
        let mut payload = json!({ "attemptId": self.attempt_id, "epoch": self.epoch });
        if let (Some(payload), Some(more)) = (payload.as_object_mut(), more.as_object()) {
            payload.extend(more.clone());
        }
        payload
    }
}

impl Agent {
    /// Connects, without saying that it is ready for work.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(url: &str, id: &str, auth: Value) -> Self {
        let options = ClientOptions {
            url: url.to_owned(),
            auth,
            reconnect: false,
        };
        let client = match Client::connect(options).await {
            Ok(client) => client,
            Err(error) => panic!("{id} cannot connect: {error}"),
        };
        let incoming = client
            .take_incoming()
            .expect("nobody else reads this connection");
        Self {
            id: id.to_owned(),
            client,
            incoming,
            waiting: VecDeque::new(),
            offered: HashSet::new(),
        }
    }

    /// Says that it is ready, as the instance `instance`; gives the ack's data.
    pub async fn ready(&self, instance: &str) -> Value {
        self.ask("agent:ready", json!({ "instanceId": instance }))
            .await
            .data
    }

    /// A command that must succeed.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ask(&self, command: &str, payload: Value) -> Reply {
        match self.client.command(command, payload.clone()).await {
            Ok(reply) => {
                contract::check_ack(command, &reply.data, reply.seq);
                reply
            }
            Err(error) => panic!("{} sent {command} {payload:#}: {error}", self.id),
        }
    }

    /// A command that must be refused with this code; gives the problem.
    ///
    /// # Panics
    /// When it succeeds, or gets another code, or no answer.
    pub async fn refused(&self, command: &str, payload: Value, code: &str) -> Value {
        match self.client.command(command, payload.clone()).await {
            Err(CommandError::Refused(problem)) => {
                let found = problem["code"].as_str().unwrap_or_default();
                assert_eq!(
                    found, code,
                    "{} sent {command} {payload:#}: {problem:#}",
                    self.id
                );
                check_problem(&problem, code);
                problem
            }
            other => panic!(
                "{} sent {command} {payload:#}, wanted {code}, got {other:?}",
                self.id
            ),
        }
    }

    /// The next event of this name; others are kept for later calls. An event that asks for an ack gets it.
    ///
    /// # Panics
    /// When it does not come soon, or the connection ends before.
    pub async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// The next event of this name that `wanted` accepts.
    ///
    /// # Panics
    /// When it does not come soon, or the connection ends before.
    pub async fn event_where(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let is_it = |(n, data): &(String, Value)| n == name && wanted(data);
        if let Some(at) = self.waiting.iter().position(is_it)
            && let Some((_, data)) = self.waiting.remove(at)
        {
            return data;
        }
        loop {
            let Ok(incoming) = timeout(SOON, self.incoming.recv()).await else {
                let seen: Vec<&str> = self.waiting.iter().map(|(name, _)| name.as_str()).collect();
                panic!(
                    "{} waited in vain for {name}; what else came: {seen:?}",
                    self.id
                );
            };
            match incoming {
                Some(Incoming::Connected) => {}
                Some(Incoming::Event {
                    name: got,
                    data,
                    ack,
                }) => {
                    if let Some(ack) = ack {
                        ack.send(json!({ "ok": true }));
                    }
                    contract::check_event(&got, &data);
                    let event = (got, data);
                    if is_it(&event) {
                        return event.1;
                    }
                    self.waiting.push_back(event);
                }
                Some(Incoming::Disconnected { reason }) => {
                    panic!(
                        "{} waited for {name} and was disconnected: {reason}",
                        self.id
                    )
                }
                None => panic!("{} waited for {name} on a closed connection", self.id),
            }
        }
    }

    /// Whether an event of this name has come and was not asked for yet.
    pub fn has_heard(&mut self, name: &str) -> bool {
        while let Ok(incoming) = self.incoming.try_recv() {
            if let Incoming::Event { name, data, .. } = incoming {
                self.waiting.push_back((name, data));
            }
        }
        self.waiting.iter().any(|(n, _)| n == name)
    }

    /// The next offer. The server repeats an offer until it is answered; this gives each one once.
    pub async fn offer(&mut self) -> Work {
        loop {
            let work = Work::from_offer(self.event("work.offered").await);
            if self.offered.insert((work.attempt_id.clone(), work.epoch)) {
                return work;
            }
        }
    }

    /// The next offer, accepted.
    pub async fn take(&mut self) -> Work {
        let work = self.offer().await;
        self.accept(&work).await;
        work
    }

    /// Accepts an offer.
    pub async fn accept(&self, work: &Work) {
        let reply = self.ask("attempt:accept", work.payload(&json!({}))).await;
        assert!(
            number(&reply.data, "/leaseMs") > 0,
            "a lease has a length: {:#}",
            reply.data
        );
    }

    /// Completes a step.
    pub async fn complete(&self, work: &Work, outputs: Value) {
        self.ask(
            "attempt:complete",
            work.payload(&json!({ "outputs": outputs })),
        )
        .await;
    }

    /// Fails a step.
    pub async fn fail(&self, work: &Work, message: &str) {
        let error = json!({ "code": "test_failure", "message": message, "retryable": true });
        self.ask("attempt:fail", work.payload(&json!({ "error": error })))
            .await;
    }

    /// Asks a human; gives the intervention.
    pub async fn request(&self, work: &Work, question: &Value) -> Value {
        let reply = self
            .ask("intervention:request", work.payload(question))
            .await;
        reply.data["intervention"].clone()
    }
}
