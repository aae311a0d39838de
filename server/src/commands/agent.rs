//! The registry of agents, and the work that they pull.

use rooms::id::{AgentId, InstanceId, RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::policy::Operation as O;
use rooms::request::UpdateAgent;
use rooms::{Command, Refusal};
use serde_json::json;
use storage::Idempotency;
use storage::change::Begun;

use super::Request;
use super::payload::Payload;
use super::table::Kind::{Many, Text, Whole};
use super::table::{CommandRow, Does, by_hand, direct, in_workspace};
use crate::batch::repeat;
use crate::board::Board;
use crate::contract::shape;
use crate::contract::shapes::Work;
use crate::dispatch::page;
use crate::hub::{Hub, Outcome};
use crate::problem::storage_refusal;

pub fn rows() -> Vec<CommandRow> {
    vec![
        in_workspace(
            "agent:register",
            "Register an agent",
            O::AgentsManage,
            Command::RegisterAgent,
        )
        .gives::<Agent>(),
        by_hand::<UpdateAgent>(
            "agent:update",
            "Change an agent",
            O::AgentsManage,
            &[("agentId", Text)],
            |hub, principal, mut p| {
                Box::pin(async move {
                    let command = Command::UpdateAgent {
                        agent_id: AgentId(p.required("agentId")?),
                        change: p.parse()?,
                    };
                    Ok((hub.workspace_room(&principal.workspace_id).await?, command))
                })
            },
        )
        .gives::<Agent>(),
        direct(
            "agent:remove",
            "Remove an agent, with its keys; what it was working on goes to others",
            O::AgentsManage,
            &[("agentId", Text)],
            Does::Hub(|hub, request, p| Box::pin(remove(hub, request, p))),
        )
        .gives::<Agent>(),
        direct(
            "work:claim",
            "Pull ready steps that fit the caller, at most as many as it has free slots",
            O::WorkDo,
            &[("max?", Whole)],
            Does::Hub(|hub, request, p| Box::pin(claim(hub, request, p))),
        )
        .has(&[("attempts", Many(shape::<Work>))]),
    ]
}

/// Every offer has a key of its own under the command's, so that a claim that is sent again, even after a crash in its middle, takes
/// no more than it took.
async fn claim(hub: &Hub, request: Request<'_>, mut p: Payload) -> Result<Outcome, Refusal> {
    let principal = request.caller.principal;
    let agent = principal
        .agent_id()
        .ok_or_else(|| Refusal::forbidden("work:claim is for agents"))?;
    let max = p.whole("max")?.unwrap_or(1);
    if !(1..=100).contains(&max) {
        return Err(Refusal::field("max", "must be from 1 to 100"));
    }
    p.nothing_more()?;
    let wrap = |e: storage::Error| storage_refusal(&e);
    let record = request.key.map(|k| k.record(principal));
    if let Some(record) = &record
        && let Some((hash, response)) = hub.store().answered(record).await.map_err(wrap)?
    {
        return repeat(record, &hash, &response);
    }
    let taker = (agent.clone(), principal.instance_id.clone());
    let mut board = Board::read(hub, &principal.workspace_id, &[taker])
        .await
        .map_err(wrap)?;
    let mut attempts = Vec::new();
    let mut after = None;
    'pages: loop {
        let (ready, last) = page(hub, &board.open(), after).await.map_err(wrap)?;
        for waiting in ready {
            if attempts.len() as u64 >= max {
                break 'pages;
            }
            if board.choose(waiting.team_id, &waiting.step).is_none() {
                continue;
            }
            let command = Command::Offer {
                step_id: waiting.step.id,
                agent_id: agent.clone(),
                instance_id: principal.instance_id.clone(),
                claim: true,
            };
            let part = record.clone().map(|k| Idempotency {
                key: format!("{}#{}", k.key, attempts.len()),
                ..k
            });
            let room = RoomId(waiting.process_id.0);
            match request.ask(hub, room, command, part).await {
                Ok(outcome) => attempts.push(outcome.data),
                // Somebody else was faster: for this agent the slot and for its team the room are free again.
                Err(_) => board.give_back(waiting.team_id, &agent),
            }
        }
        after = last;
        if after.is_none() {
            break;
        }
    }
    let data = json!({"attempts": attempts});
    if record.is_some()
        && let Begun::New(change) = hub.store().change(record).await.map_err(wrap)?
    {
        let kept = json!({"data": data}).to_string();
        change.commit(None, Some(kept)).await.map_err(wrap)?;
    }
    Ok(Outcome {
        data,
        seq: None,
        repeated: false,
    })
}

/// Whoever removes an agent wants nothing more of it: its keys go too, and its work goes to others at once, not when the leases run out.
async fn remove(hub: &Hub, request: Request<'_>, mut p: Payload) -> Result<Outcome, Refusal> {
    let principal = request.caller.principal;
    let space = &principal.workspace_id;
    let agent = AgentId(p.required("agentId")?);
    p.nothing_more()?;
    let command = Command::RemoveAgent {
        agent_id: agent.clone(),
    };
    let room = hub.workspace_room(space).await?;
    let key = request.key.map(|k| k.record(principal));
    let outcome = request.ask(hub, room, command, key).await?;
    hub.store()
        .revoke_keys(space, None, Some(("agent", agent.as_str())))
        .await
        .map_err(|e| storage_refusal(&e))?;
    hub.revoked();
    give_up(hub, space, &agent, None).await?;
    Ok(outcome)
}

/// Gives up the leases of an instance that another one replaces, or all of an agent that was removed.
pub async fn give_up(
    hub: &Hub,
    space: &WorkspaceId,
    agent: &AgentId,
    instance: Option<&InstanceId>,
) -> Result<(), Refusal> {
    let live = hub
        .store()
        .live_attempts(space, agent)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let system = Principal::system(space.clone());
    let mut rooms: Vec<_> = live
        .into_iter()
        .filter(|l| instance.is_none() || l.2.as_ref() == instance)
        .map(|l| l.0)
        .collect();
    rooms.sort_unstable();
    rooms.dedup();
    for process in rooms {
        let command = Command::ReleaseAgent {
            agent_id: agent.clone(),
            instance_id: instance.cloned(),
        };
        hub.execute(&system, RoomId(process.0), command, None, None)
            .await?;
    }
    Ok(())
}
