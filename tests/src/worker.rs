//! An agent that works by itself and outlives the server: for tests in which nobody has time to say every move.

use baton::client::{Client, ClientOptions, CommandError, ConnectError, Incoming};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

use crate::agent::Work;

/// Who works, and how long a step takes.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Where.
    pub url: String,
    /// The agent's id.
    pub id: String,
    /// Its key.
    pub key: String,
    /// What stays the same over its reconnections.
    pub instance: String,
    /// How many notes of progress it makes in each step.
    pub notes: u32,
    /// How long it thinks before each note: the work itself.
    pub pace: Duration,
}

/// A worker at work; it ends when this is dropped.
#[derive(Debug)]
pub struct Working(JoinHandle<()>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Worker {
    /// One that works without thinking, and notes nothing.
    #[must_use]
    pub fn quick(url: String, id: &str, key: String) -> Self {
        Self {
            url,
            id: id.to_owned(),
            key,
            instance: format!("{id}-1"),
            notes: 0,
            pace: Duration::ZERO,
        }
    }

    /// Works until what is returned is dropped.
    #[must_use]
    pub fn start(self) -> Working {
        Working(tokio::spawn(self.run()))
    }

    async fn run(self) {
        let auth = json!({ "token": self.key, "instanceId": self.instance });
        let client = loop {
            let options = ClientOptions {
                url: self.url.clone(),
                auth: auth.clone(),
                reconnect: true,
            };
            match Client::connect(options).await {
                Ok(client) => break client,
                Err(ConnectError::Refused { code, message }) => {
                    panic!("{}: {code}: {message}", self.id)
                }
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        let mut incoming = client
            .take_incoming()
            .expect("nobody else reads this connection");
        while let Some(event) = incoming.recv().await {
            match event {
                Incoming::Connected => {
                    let ready = json!({ "instanceId": self.instance });
                    let Ok(reply) = client.command("agent:ready", ready).await else {
                        continue;
                    };
                    for held in reply.data["attempts"].as_array().into_iter().flatten() {
                        self.work(&client, &Work::from_offer(held.clone())).await;
                    }
                }
                Incoming::Event { name, data, ack } => {
                    if let Some(ack) = ack {
                        ack.send(json!({ "ok": true }));
                    }
                    if name == "work.offered" {
                        let work = Work::from_offer(data);
                        // Refused: somebody else has it, or it came twice. Not answered: it will come again.
                        if client
                            .command("attempt:accept", work.payload(&json!({})))
                            .await
                            .is_ok()
                        {
                            self.work(&client, &work).await;
                        }
                    }
                }
                Incoming::Disconnected { .. } => {}
            }
        }
    }

    /// Does a step from its beginning: a step is executed at least once, its result counts once.
    async fn work(&self, client: &Client, work: &Work) {
        let total = self.notes.max(1);
        for note in 0..self.notes {
            sleep(self.pace).await;
            let progress = json!({ "percent": 100 * note / total, "note": format!("{} of {total}", note + 1) });
            match client
                .command("attempt:progress", work.payload(&progress))
                .await
            {
                Ok(_) => {}
                // Lost to another, or the server is gone: what is still ours comes again with `agent:ready`.
                Err(CommandError::Refused(_) | CommandError::Closed) => return,
                Err(error) => panic!("{}: attempt:progress: {error}", self.id),
            }
        }
        let outputs = json!({ "outputs": { "by": self.id, "sum": sum_of_inputs(&work.offer) } });
        match client
            .command("attempt:complete", work.payload(&outputs))
            .await
        {
            Ok(_) | Err(CommandError::Refused(_) | CommandError::Closed) => {}
            Err(error) => panic!("{}: attempt:complete: {error}", self.id),
        }
    }
}

/// 1 and the sums of the steps before: so the last step's output shows that every result was carried on once.
fn sum_of_inputs(offer: &Value) -> u64 {
    let steps = offer.pointer("/context/sharedData/steps");
    let before = offer
        .pointer("/step/dependencies")
        .and_then(Value::as_array);
    let sums = before.into_iter().flatten().filter_map(Value::as_str);
    1 + sums
        // A step that was passed over has none.
        .filter_map(|key| steps?.pointer(&format!("/{key}/sum"))?.as_u64())
        .sum::<u64>()
}
