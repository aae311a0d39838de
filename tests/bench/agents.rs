//! Agents that do nothing but take steps and complete them, each step over the public contract: an offer, `attempt:accept` and its ack,
//! `attempt:complete` and its ack.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::stats::now_micros;
use crate::systems::System;
use crate::wire::Link;

/// A step that was completed.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Which.
    pub step: String,
}

/// What an agent was told, and when.
#[derive(Debug)]
pub struct Told {
    /// The event's name.
    pub name: String,
    /// Its argument.
    pub data: Value,
    /// By our clock.
    pub at: u64,
}

#[derive(Deserialize)]
struct Offer {
    attempt: OfferedAttempt,
    step: OfferedStep,
}
#[derive(Deserialize)]
struct OfferedAttempt {
    id: String,
    epoch: u64,
}
#[derive(Deserialize)]
struct OfferedStep {
    key: String,
}

/// Registers an agent and makes its key.
pub async fn register(system: &System, id: &str, slots: u32) -> anyhow::Result<String> {
    let rest = system.rest();
    let agent = json!({"id": id, "name": id, "capabilities": ["bench"], "slots": slots});
    let _ = rest.post("/agents", &agent).await.expect(201);
    let key = rest
        .post(&format!("/agents/{id}/keys"), &json!({}))
        .await
        .expect(201);
    Ok(key["key"].as_str().context("a key has a key")?.to_owned())
}

/// A team of these agents without a limit that would matter here; its id.
pub async fn team(system: &System, agents: &[String]) -> anyhow::Result<String> {
    let members: Vec<_> = agents
        .iter()
        .map(|id| json!({"agentId": id, "role": "specialist", "specialization": "steps"}))
        .collect();
    let team = json!({
        "name": "Bench", "description": "Takes every step", "agents": members,
        "configuration": {"maxConcurrentTasks": 10_000, "timeoutSettings": {"leaseMs": 600_000, "offerMs": 120_000, "processTimeout": 86_400_000}},
    });
    let made = system.rest().post("/teams", &team).await.expect(201);
    Ok(made["id"].as_str().context("a team has an id")?.to_owned())
}

/// A process of `n` steps, one after the other.
pub fn chain(team: &str, n: usize) -> Value {
    let steps: Vec<_> = (1..=n)
        .map(|k| {
            let before: Vec<_> = (k > 1).then(|| format!("s{}", k - 1)).into_iter().collect();
            json!({
                "key": format!("s{k}"), "name": format!("Step {k}"), "description": "Adds a number",
                "requiredCapabilities": ["bench"], "dependencies": before,
            })
        })
        .collect();
    json!({"name": "Chain", "teamId": team, "steps": steps})
}

/// Connects an agent that tells all it hears, and is ready for work.
pub async fn listener(
    system: &System,
    id: &str,
    key: &str,
) -> anyhow::Result<(Arc<Link>, mpsc::UnboundedReceiver<Told>)> {
    let (told, heard) = mpsc::unbounded_channel();
    let auth = json!({"token": key, "instanceId": format!("{id}-1")});
    let link = Link::open(&system.address, &auth, move |event| {
        let at = now_micros();
        if let Ok((name, data)) = serde_json::from_slice::<(String, Value)>(event) {
            let _ = told.send(Told { name, data, at });
        }
    })
    .await?;
    link.ask(
        "agent:ready",
        &json!({"instanceId": format!("{id}-1")}).to_string(),
    )
    .await?;
    Ok((link, heard))
}

/// Connects an agent that takes and completes every step; it ends with the link.
pub async fn worker(
    system: &System,
    id: &str,
    key: &str,
    done: mpsc::UnboundedSender<Completed>,
) -> anyhow::Result<Arc<Link>> {
    let (offers, mut offered) = mpsc::unbounded_channel::<Offer>();
    let auth = json!({"token": key, "instanceId": format!("{id}-1")});
    let mut known = HashSet::new();
    let link = Link::open(&system.address, &auth, move |event| {
        if !event.starts_with(b"[\"work.offered\"") {
            return;
        }
        if let Ok((_, offer)) = serde_json::from_slice::<(&str, Offer)>(event)
            && known.insert(offer.attempt.id.clone())
        {
            let _ = offers.send(offer);
        }
    })
    .await?;
    let weak = Arc::downgrade(&link);
    tokio::spawn(async move {
        while let Some(offer) = offered.recv().await {
            let Some(link) = weak.upgrade() else { return };
            let done = done.clone();
            tokio::spawn(async move {
                let OfferedAttempt { id, epoch } = &offer.attempt;
                let accept = format!("{{\"attemptId\":\"{id}\",\"epoch\":{epoch}}}");
                let complete = format!(
                    "{{\"attemptId\":\"{id}\",\"epoch\":{epoch},\"outputs\":{{\"total\":1}}}}"
                );
                let result = async {
                    link.ask("attempt:accept", &accept).await?;
                    link.ask("attempt:complete", &complete).await
                };
                match result.await {
                    Ok(_) => {
                        let _ = done.send(Completed {
                            step: offer.step.key,
                        });
                    }
                    Err(e) => eprintln!("    a step was not completed: {e:#}"),
                }
            });
        }
    });
    link.ask(
        "agent:ready",
        &json!({"instanceId": format!("{id}-1")}).to_string(),
    )
    .await?;
    Ok(link)
}
