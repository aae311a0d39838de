//! The registry of agents, and the work that they pull.

use rooms::id::{AgentId, InstanceId, RoomId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::policy::Operation as O;
use rooms::request::UpdateAgent;
use rooms::{Code, Command, Refusal};
use serde_json::json;

use super::payload::{Nothing, Payload};
use super::table::Kind::{Many, Text, Whole};
use super::table::{CommandRow, Does, by_hand, direct, in_workspace};
use crate::contract::shape;
use crate::contract::shapes::Work;
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
        by_hand::<Nothing>(
            "agent:remove",
            "Remove an agent",
            O::AgentsManage,
            &[("agentId", Text)],
            |hub, principal, mut p| {
                Box::pin(async move {
                    let command = Command::RemoveAgent {
                        agent_id: AgentId(p.required("agentId")?),
                    };
                    p.nothing_more()?;
                    Ok((hub.workspace_room(&principal.workspace_id).await?, command))
                })
            },
        )
        .gives::<Agent>(),
        direct(
            "work:claim",
            "Pull ready steps that fit the caller, at most as many as it has free slots",
            O::WorkDo,
            &[("max?", Whole)],
            Does::Hub(|hub, principal, p| Box::pin(claim(hub, principal, p))),
        )
        .has(&[("attempts", Many(shape::<Work>))]),
    ]
}

async fn claim(hub: &Hub, principal: &Principal, mut p: Payload) -> Result<Outcome, Refusal> {
    let agent = principal
        .agent_id()
        .ok_or_else(|| Refusal::forbidden("work:claim is for agents"))?;
    let max = p.whole("max")?.unwrap_or(1);
    if !(1..=100).contains(&max) {
        return Err(Refusal::field("max", "must be from 1 to 100"));
    }
    p.nothing_more()?;
    let ready = hub
        .store()
        .ready_steps(&principal.workspace_id, 500)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let mut attempts = Vec::new();
    for waiting in ready {
        if attempts.len() as u64 >= max {
            break;
        }
        let command = Command::Offer {
            step_id: waiting.step.id,
            agent_id: agent.clone(),
            instance_id: principal.instance_id.clone(),
            claim: true,
        };
        match hub
            .execute(principal, RoomId(waiting.process_id.0), command, None, None)
            .await
        {
            Ok(outcome) => attempts.push(outcome.data),
            Err(refusal)
                if refusal.code == Code::Conflict && refusal.detail.contains("free slot") =>
            {
                break;
            }
            Err(_) => {}
        }
    }
    Ok(Outcome {
        data: json!({"attempts": attempts}),
        seq: None,
        repeated: false,
    })
}

/// Gives up the leases of an instance that another one replaces.
pub async fn give_up(
    hub: &Hub,
    principal: &Principal,
    agent: &AgentId,
    instance: &InstanceId,
) -> Result<(), Refusal> {
    let live = hub
        .store()
        .live_attempts(&principal.workspace_id, agent)
        .await
        .map_err(|e| storage_refusal(&e))?;
    let system = Principal::system(principal.workspace_id.clone());
    let mut rooms: Vec<_> = live
        .into_iter()
        .filter(|l| l.2.as_ref() == Some(instance))
        .map(|l| l.0)
        .collect();
    rooms.dedup();
    for process in rooms {
        let command = Command::ReleaseInstance {
            agent_id: agent.clone(),
            instance_id: instance.clone(),
        };
        hub.execute(&system, RoomId(process.0), command, None, None)
            .await?;
    }
    Ok(())
}
