//! One attempt at a step, as the code of a role sees it: what it was given, and how it reports, asks and hands over.
//!
//! Everything here survives a lost connection. A command that got no answer is given again on the next one, which is safe:
//! it either names the attempt and its epoch, or carries the same `commandId`.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::client::{Client, CommandError, Reply};

/// What a hub without a figure is taken to mean (the contract's default).
const DEFAULT_LEASE: Duration = Duration::from_secs(30);
/// Between two tries of what the server could not do just now.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the connection hears about a step in work.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// A person answered.
    Answer {
        intervention_id: String,
        response: Value,
    },
    /// The receiver took the handoff, or did not.
    Handoff { status: String },
    /// Another agent responded to a message.
    Response {
        communication_id: String,
        message: String,
    },
}

/// Why a role's code ends without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// The step is no longer ours: drop the work and say nothing.
    Lost,
    /// The step was handed over.
    HandedOver,
    /// It cannot be done.
    Failed {
        code: String,
        message: String,
        retryable: bool,
    },
}

impl Stop {
    /// A failure that trying again will not mend.
    pub(super) fn permanent(code: &str, message: impl ToString) -> Self {
        Self::Failed {
            code: code.to_owned(),
            message: message.to_string(),
            retryable: false,
        }
    }
}

impl From<CommandError> for Stop {
    fn from(error: CommandError) -> Self {
        match error.code() {
            Some("stale_lease" | "not_found" | "illegal_transition") => Self::Lost,
            Some(code) => Self::Failed {
                code: code.to_owned(),
                message: error.to_string(),
                retryable: true,
            },
            None if matches!(error, CommandError::Closed) => Self::Lost,
            None => Self::Failed {
                code: "hub".to_owned(),
                message: error.to_string(),
                retryable: true,
            },
        }
    }
}

/// The agent's connection, for code that does not care when it breaks.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) client: Client,
    /// How often the agent was ready; `None` while it is not.
    pub(super) ready: watch::Receiver<Option<u64>>,
}

impl Session {
    /// Gives a command until it is answered. The payload must make it safe to repeat.
    pub(super) async fn call(&self, name: &str, payload: Value) -> Result<Reply, CommandError> {
        let mut ready = self.ready.clone();
        let mut broken = None;
        loop {
            // A connection that broke is not used again, even if the agent has not noticed yet.
            let usable = |ready: &Option<u64>| *ready > broken;
            let current = *ready
                .wait_for(usable)
                .await
                .map_err(|_| CommandError::Closed)?;
            match self.client.command(name, payload.clone()).await {
                Err(CommandError::Closed) => broken = current,
                Err(error) if error.is_transient() => tokio::time::sleep(RETRY_AFTER).await,
                answered => return answered,
            }
        }
    }
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Work {
    session: Session,
    /// `work.offered`, an element of `agent:ready`'s attempts, or the ack of `handoff:accept`, whose `context` is
    /// the handoff's.
    given: Value,
    news: mpsc::UnboundedReceiver<News>,
    pace: Duration,
}

impl Work {
    pub(super) fn new(
        session: Session,
        given: Value,
        news: mpsc::UnboundedReceiver<News>,
        pace: Duration,
    ) -> Self {
        Self {
            session,
            given,
            news,
            pace,
        }
    }

    /// The step's key, such as `intake`.
    pub(super) fn step_key(&self) -> &str {
        text(&self.given, "/step/key")
    }

    /// Something from the process's context by JSON pointer, such as `/sharedData/tickets`.
    pub(super) fn context<T: DeserializeOwned>(&self, pointer: &str) -> Result<T, Stop> {
        self.read(pointer, self.given.pointer(&format!("/context{pointer}")))
    }

    /// An output of an earlier step. Who takes a step over is given what the sender put into the handoff's task context,
    /// and the process's own context only when the step is resumed.
    pub(super) fn output<T: DeserializeOwned>(&self, step: &str, name: &str) -> Result<T, Stop> {
        let pointer = format!("/sharedData/steps/{step}/{name}");
        let handed = self
            .given
            .pointer(&format!("/handoff/context/taskContext/{name}"));
        self.read(
            &pointer,
            handed.or_else(|| self.given.pointer(&format!("/context{pointer}"))),
        )
    }

    fn read<T: DeserializeOwned>(&self, pointer: &str, value: Option<&Value>) -> Result<T, Stop> {
        let missing = || {
            Stop::permanent(
                "missing_context",
                format!("{} was given no {pointer}", self.step_key()),
            )
        };
        serde_json::from_value(value.ok_or_else(missing)?.clone()).map_err(|error| {
            Stop::permanent(
                "invalid_context",
                format!("{pointer} cannot be read: {error}"),
            )
        })
    }

    /// The first recommendation of the one who handed the step over, if one did.
    pub(super) fn advice(&self) -> Option<&str> {
        self.given
            .pointer("/handoff/context/recommendations/0")
            .and_then(Value::as_str)
    }

    /// Lets a person watch.
    pub(super) async fn pause(&self) {
        if !self.pace.is_zero() {
            tokio::time::sleep(self.pace).await;
        }
    }

    /// Tells how far it is.
    pub(super) async fn progress(&self, percent: u32, note: impl Into<String>) -> Result<(), Stop> {
        let mut payload = self.lease();
        payload["percent"] = percent.into();
        payload["note"] = Value::from(note.into());
        payload["commandId"] = Value::from(Uuid::now_v7().to_string());
        self.session.call("attempt:progress", payload).await?;
        self.pause().await;
        Ok(())
    }

    /// Posts to the process's room, once however often the step is begun again: `label` names the post.
    pub(super) async fn say(&self, label: &str, body: impl Into<String>) -> Result<(), Stop> {
        let payload = json!({
            "roomId": text(&self.given, "/process/roomId"),
            "body": body.into(),
            "kind": "update",
            "commandId": self.stable_id(label),
        });
        match self.session.call("message:send", payload).await {
            // Said already, in other words.
            Err(error) if error.code() == Some("idempotency_conflict") => {}
            result => drop(result?),
        }
        self.pause().await;
        Ok(())
    }

    /// Asks another agent and waits for the response, but not for ever: work does not stop for a colleague's silence.
    pub(super) async fn consult(
        &mut self,
        label: &str,
        agent: &str,
        question: String,
        metadata: Value,
        patience: Duration,
    ) -> Result<Option<String>, Stop> {
        let payload = json!({
            "processId": text(&self.given, "/process/id"),
            "toAgentId": agent,
            "type": "question",
            "message": question,
            "metadata": metadata,
            "responseTimeoutMs": u64::try_from(patience.as_millis()).unwrap_or(u64::MAX),
            "commandId": self.stable_id(label),
        });
        let sent = self.session.call("communication:send", payload).await?;
        let id = text(&sent.data, "/id").to_owned();
        let response = self.wait(|news| match news {
            News::Response {
                communication_id,
                message,
            } if communication_id == id => Some(message),
            _ => None,
        });
        match tokio::time::timeout(patience, response).await {
            Ok(response) => response.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Asks a person and keeps the step until the answer is there. The same key gives the same question, and its answer.
    pub(super) async fn ask(&mut self, mut question: Value) -> Result<Value, Stop> {
        let lease = self.lease();
        for (name, value) in lease.as_object().into_iter().flatten() {
            question[name] = value.clone();
        }
        let asked = self.session.call("intervention:request", question).await?;
        if let Some(response) = asked
            .data
            .get("response")
            .filter(|response| !response.is_null())
        {
            return Ok(response.clone());
        }
        let id = text(&asked.data, "/intervention/id").to_owned();
        self.wait(|news| match news {
            News::Answer {
                intervention_id,
                response,
            } if intervention_id == id => Some(response),
            _ => None,
        })
        .await
    }

    /// Hands the step over with its context. It always ends this attempt's part: with [`Stop::HandedOver`], or with a
    /// failure that lets another attempt try again.
    pub(super) async fn hand_over(&mut self, agent: &str, reason: &str, context: Value) -> Stop {
        let mut payload = self.lease();
        payload["toAgentId"] = agent.into();
        payload["kind"] = "transfer".into();
        payload["reason"] = reason.into();
        payload["context"] = context;
        payload["commandId"] = Value::from(Uuid::now_v7().to_string());
        if let Err(error) = self.session.call("handoff:request", payload).await {
            return error.into();
        }
        let outcome = self.wait(|news| match news {
            News::Handoff { status } => Some(status),
            _ => None,
        });
        match outcome.await {
            Ok(status) if matches!(status.as_str(), "accepted" | "completed") => Stop::HandedOver,
            Ok(status) => Stop::Failed {
                code: "handoff".to_owned(),
                message: format!("the handoff to {agent} was {status}"),
                retryable: true,
            },
            Err(stop) => stop,
        }
    }

    /// Ends the attempt with what the role's code came to.
    pub(super) async fn finish(self, result: Result<Value, Stop>) {
        let mut payload = self.lease();
        let name = match result {
            Ok(outputs) => {
                payload["outputs"] = outputs;
                "attempt:complete"
            }
            Err(Stop::Failed {
                code,
                message,
                retryable,
            }) => {
                payload["error"] =
                    json!({"code": code, "message": message, "retryable": retryable});
                "attempt:fail"
            }
            Err(Stop::Lost | Stop::HandedOver) => return,
        };
        if let Err(error) = self.session.call(name, payload).await {
            // Somebody else has the step, or it ended: the hub is right.
            tracing::debug!(step = self.step_key(), %error, "{name} was not taken");
        }
    }

    /// Keeps the lease; ends when it is lost. To be run beside the role's code.
    pub(super) fn keep_lease(&self) -> impl Future<Output = Stop> + Send + use<> {
        let (session, payload, every) = (
            self.session.clone(),
            self.lease(),
            lease_of(&self.given) / 3,
        );
        async move {
            loop {
                tokio::time::sleep(every).await;
                // Without an answer nothing is known: `agent:ready` will tell what is still held.
                if let Err(error @ CommandError::Refused(_)) = session
                    .client
                    .command("attempt:heartbeat", payload.clone())
                    .await
                    && matches!(Stop::from(error), Stop::Lost)
                {
                    return Stop::Lost;
                }
            }
        }
    }

    fn lease(&self) -> Value {
        let attempt = &self.given["attempt"];
        json!({"attemptId": attempt["id"], "epoch": attempt["epoch"]})
    }

    async fn wait<T>(&mut self, mut pick: impl FnMut(News) -> Option<T>) -> Result<T, Stop> {
        while let Some(news) = self.news.recv().await {
            if let Some(found) = pick(news) {
                return Ok(found);
            }
        }
        Err(Stop::Lost)
    }

    /// A UUID that names one thing said in one run of the step, whoever says it and however often.
    fn stable_id(&self, label: &str) -> String {
        let run = self
            .given
            .pointer("/step/run")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let name = format!(
            "{}/{}/{run}/{label}",
            text(&self.given, "/process/id"),
            text(&self.given, "/step/id")
        );
        let hash = Sha256::digest(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        uuid::Builder::from_custom_bytes(bytes)
            .into_uuid()
            .to_string()
    }
}

fn lease_of(given: &Value) -> Duration {
    let time = |pointer| chrono::DateTime::parse_from_rfc3339(text(given, pointer)).ok();
    let stated = given
        .get("leaseMs")
        .and_then(Value::as_u64)
        .map(Duration::from_millis);
    let spanned = || {
        (time("/attempt/leaseUntil")? - time("/attempt/acceptedAt")?)
            .to_std()
            .ok()
    };
    stated
        .or_else(spanned)
        .filter(|lease| !lease.is_zero())
        .unwrap_or(DEFAULT_LEASE)
}

/// The text at a JSON pointer; empty when there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_is_what_the_hub_says() {
        assert_eq!(
            lease_of(&json!({"leaseMs": 900})),
            Duration::from_millis(900)
        );
        let spanned = json!({"attempt": {
            "acceptedAt": "2026-03-04T08:00:00.000000Z", "leaseUntil": "2026-03-04T08:00:12.000000Z",
        }});
        assert_eq!(lease_of(&spanned), Duration::from_secs(12));
        assert_eq!(lease_of(&json!({})), DEFAULT_LEASE);
    }
}
