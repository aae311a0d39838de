//! What the demo needs in the hub before work begins: three agents with a key each, and their team.

use anyhow::Context;
use serde_json::{Value, json};

use super::rest::Rest;
use super::roles::Role;
use super::work::text;

const TEAM: &str = "Support desk (demo)";

/// The team, and the keys of its agents.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) team_id: String,
    pub(super) keys: Vec<(Role, String)>,
}

/// Registers what is missing; what an earlier demo left in the same hub is used again.
pub(super) async fn open(rest: &Rest) -> anyhow::Result<Office> {
    let mut keys = Vec::new();
    for role in Role::ALL {
        let id = role.agent_id();
        let mut agent = role.registration();
        let path = format!("/agents/{id}");
        let known = match rest.get(&path).await {
            Ok(_) => true,
            Err(error) if error.code() == Some("not_found") => false,
            Err(error) => return Err(error).context("the demo's agents cannot be registered"),
        };
        let registered = if known {
            rest.put(&path, &agent).await
        } else {
            agent["id"] = id.into();
            rest.post("/agents", &agent).await
        };
        registered.context("the demo's agents cannot be registered")?;
        let key = rest
            .post(&format!("{path}/keys"), &json!({}))
            .await
            .context("an agent gets no key")?;
        let key = text(&key, "/key").to_owned();
        anyhow::ensure!(
            !key.is_empty(),
            "the hub made a key for {id} and does not show it"
        );
        keys.push((role, key));
    }
    Ok(Office {
        team_id: team(rest).await.context("the demo's team cannot be made")?,
        keys,
    })
}

async fn team(rest: &Rest) -> anyhow::Result<String> {
    let members = Value::Array(Role::ALL.iter().map(|role| role.membership()).collect());
    let found = rest
        .get("/teams?status=active&search=Support%20desk&limit=200")
        .await?;
    let ours = found["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|team| text(team, "/name") == TEAM);
    let (team, verb) = match ours {
        Some(team) => {
            let path = format!("/teams/{}", text(team, "/id"));
            (
                rest.put(&path, &json!({"agents": members})).await?,
                "updated",
            )
        }
        None => {
            let team = json!({
                "name": TEAM,
                "description": "Sorts support tickets, finds the facts, drafts the replies and asks a person.",
                "agents": members,
            });
            (rest.post("/teams", &team).await?, "created")
        }
    };
    let id = text(&team, "/id").to_owned();
    anyhow::ensure!(!id.is_empty(), "the team was {verb} without an id");
    Ok(id)
}
