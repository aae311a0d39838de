//! The dispatcher: ready steps find agents. It runs when something was committed, when an agent says it is ready, and once a second.
//! It only proposes; `decide` checks the fit, the slots and the team's limit under lock, so two nodes cannot give one step twice.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rooms::Command;
use rooms::decide::attempt::fits;
use rooms::id::{AgentId, InstanceId, RoomId, TeamId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::agent::Agent;
use rooms::model::team::AgentTeam;
use storage::read::ReadyStep;

use crate::hub::Hub;

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    loop {
        let _ = tokio::time::timeout(Duration::from_secs(1), hub.work.notified()).await;
        if hub.is_draining() {
            continue;
        }
        if let Err(e) = round(&hub).await {
            tracing::warn!(error = %e, "could not look for ready steps");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn round(hub: &Arc<Hub>) -> Result<(), storage::Error> {
    let mut spaces: BTreeMap<WorkspaceId, Vec<(AgentId, Option<InstanceId>)>> = BTreeMap::new();
    for (space, agent, instance) in hub.agents.takers() {
        spaces.entry(space).or_default().push((agent, instance));
    }
    for (space, takers) in spaces {
        let ready = {
            let agents: Vec<AgentId> = takers.iter().map(|t| t.0.clone()).collect();
            hub.store().ready_steps(&space, &agents, 500).await?
        };
        if !ready.is_empty() {
            offer_all(hub, &space, &takers, ready).await?;
        }
    }
    Ok(())
}

struct Candidate {
    agent: Agent,
    instance: Option<InstanceId>,
    live: usize,
}

async fn offer_all(
    hub: &Arc<Hub>,
    space: &WorkspaceId,
    takers: &[(AgentId, Option<InstanceId>)],
    ready: Vec<ReadyStep>,
) -> Result<(), storage::Error> {
    // Two queries, however many agents, teams and steps there are.
    let ids: Vec<AgentId> = takers.iter().map(|t| t.0.clone()).collect();
    let wanted: BTreeSet<TeamId> = ready.iter().map(|r| r.team_id).collect();
    let (loads, teams) = tokio::try_join!(
        hub.store().loads(space, &ids),
        hub.store()
            .teams(space, wanted.iter().map(|t| t.0).collect()),
    )?;
    let teams: HashMap<TeamId, AgentTeam> = teams.into_iter().map(|t| (t.id, t)).collect();
    let mut candidates: Vec<Candidate> = loads
        .into_iter()
        .filter_map(|(agent, live)| {
            let taker = takers.iter().find(|t| t.0 == agent.id)?;
            Some(Candidate {
                agent,
                instance: taker.1.clone(),
                live,
            })
        })
        .collect();
    let system = Principal::system(space.clone());
    let mut offers = Vec::new();
    for waiting in ready {
        let Some(team) = teams.get(&waiting.team_id) else {
            continue;
        };
        // The agent that suspended the step first, one that it was taken from last; then by the members' priority, then the least loaded
        // of its slots.
        let mut fitting: Vec<(usize, (bool, bool, u32, usize))> = candidates
            .iter()
            .enumerate()
            .filter(|(_, c)| c.live < c.agent.slots as usize)
            .filter_map(|(n, c)| {
                let member = team.member(&c.agent.id)?;
                let first = waiting.step.preferred_agent_id.as_ref() != Some(&c.agent.id);
                let load = c.live * 1000 / (c.agent.slots.max(1) as usize);
                let avoided = waiting.step.avoid_agent_id.as_ref() == Some(&c.agent.id);
                fits(&waiting.step, &c.agent, member)
                    .then_some((n, (avoided, first, member.priority, load)))
            })
            .collect();
        fitting.sort_by_key(|f| f.1);
        if fitting.is_empty() {
            continue;
        }
        candidates[fitting[0].0].live += 1;
        let tries: Vec<_> = fitting
            .into_iter()
            .map(|(n, _)| {
                (
                    candidates[n].agent.id.clone(),
                    candidates[n].instance.clone(),
                )
            })
            .collect();
        offers.push(offer(hub, &system, waiting, tries));
    }
    futures::future::join_all(offers).await;
    Ok(())
}

/// Offers to the first that can take it.
async fn offer(
    hub: &Arc<Hub>,
    system: &Principal,
    waiting: ReadyStep,
    tries: Vec<(AgentId, Option<InstanceId>)>,
) {
    for (agent_id, instance_id) in tries {
        let command = Command::Offer {
            step_id: waiting.step.id,
            agent_id,
            instance_id,
            claim: false,
        };
        match hub
            .execute(system, RoomId(waiting.process_id.0), command, None, None)
            .await
        {
            Ok(_) => return,
            // The step is taken or gone: nobody else need be asked.
            Err(refusal) if refusal.code == rooms::Code::IllegalTransition => return,
            Err(_) => {}
        }
    }
}
