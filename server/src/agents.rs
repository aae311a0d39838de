//! Agents' own sockets, and what is addressed to an agent (`work.*`): a view of open state, sent at once and again until the state says
//! that it was taken.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use rooms::event::{Event, EventBody};
use rooms::id::{AgentId, InstanceId, InterventionId, RoomId, WorkspaceId};
use rooms::model::attempt::AttemptStatus;
use rooms::model::handoff::HandoffStatus;
use rooms::state::{ProcessState, State};
use rooms::view;
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use socketioxide::socket::Sid;

use crate::delivery::send;
use crate::hub::Hub;

/// One connection of an agent.
#[derive(Clone)]
pub struct AgentSocket {
    /// The connection.
    pub socket: SocketRef,
    /// Which running copy; none before `agent:ready`, unless the handshake said so.
    pub instance: Option<InstanceId>,
    /// It takes work.
    pub ready: bool,
    /// Answers whose receipt it acknowledged.
    pub acknowledged: Arc<dashmap::DashSet<InterventionId>>,
}

/// The agents that are connected to this node.
#[derive(Default)]
pub struct Agents {
    sockets: DashMap<(WorkspaceId, AgentId), Vec<AgentSocket>>,
}

impl Agents {
    /// A connection came.
    pub fn connect(&self, space: &WorkspaceId, agent: &AgentId, socket: AgentSocket) {
        self.sockets
            .entry((space.clone(), agent.clone()))
            .or_default()
            .push(socket);
    }

    /// It takes work from now on.
    pub fn ready(&self, space: &WorkspaceId, agent: &AgentId, socket: Sid, instance: &InstanceId) {
        if let Some(mut all) = self.sockets.get_mut(&(space.clone(), agent.clone())) {
            for s in all.iter_mut().filter(|s| s.socket.id == socket) {
                s.ready = true;
                s.instance = Some(instance.clone());
            }
        }
    }

    /// It went.
    pub fn disconnect(&self, space: &WorkspaceId, agent: &AgentId, socket: Sid) {
        let key = (space.clone(), agent.clone());
        if let Some(mut all) = self.sockets.get_mut(&key) {
            all.retain(|s| s.socket.id != socket);
        }
        self.sockets.remove_if(&key, |_, all| all.is_empty());
    }

    /// The connections of an agent.
    pub fn of(&self, space: &WorkspaceId, agent: &AgentId) -> Vec<AgentSocket> {
        self.sockets
            .get(&(space.clone(), agent.clone()))
            .map(|s| s.clone())
            .unwrap_or_default()
    }

    /// Agents that take work here, with the instance to offer to.
    pub fn takers(&self) -> Vec<(WorkspaceId, AgentId, Option<InstanceId>)> {
        self.sockets
            .iter()
            .filter_map(|entry| {
                let socket = entry.value().iter().rev().find(|s| s.ready)?;
                Some((
                    entry.key().0.clone(),
                    entry.key().1.clone(),
                    socket.instance.clone(),
                ))
            })
            .collect()
    }

    fn all(&self) -> Vec<(WorkspaceId, AgentId)> {
        self.sockets
            .iter()
            .filter(|e| e.value().iter().any(|s| s.ready))
            .map(|e| e.key().clone())
            .collect()
    }

    fn emit(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
        instance: Option<&InstanceId>,
        name: &str,
        data: &Value,
    ) {
        for s in self.of(space, agent) {
            if instance.is_none() || s.instance.is_none() || s.instance.as_ref() == instance {
                send(&s.socket, name, data);
            }
        }
    }

    /// Sends an answer, and stops once this connection has acknowledged it.
    fn answer(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
        instance: Option<&InstanceId>,
        id: InterventionId,
        data: &Value,
    ) {
        for s in self.of(space, agent) {
            let mine =
                instance.is_none() || s.instance.is_none() || s.instance.as_ref() == instance;
            if !mine || s.acknowledged.contains(&id) {
                continue;
            }
            let Ok(ack) = s.socket.emit_with_ack::<_, Value>("work.answered", data) else {
                continue;
            };
            let acknowledged = Arc::clone(&s.acknowledged);
            tokio::spawn(async move {
                if ack.await.is_ok() {
                    acknowledged.insert(id);
                }
            });
        }
    }

    /// Tells agents what has just been committed for them.
    pub fn tell(&self, events: &[Event], state: &State) {
        let Some(process) = &state.process else {
            return;
        };
        let space = &process.process.workspace_id;
        for event in events.iter().filter(|e| e.origin.is_none()) {
            self.tell_one(space, &event.body, process);
        }
    }

    fn tell_one(&self, space: &WorkspaceId, body: &EventBody, process: &ProcessState) {
        use EventBody as E;
        match body {
            E::AssignmentOffered(offer) => {
                let attempt = &offer.attempt;
                let live = process
                    .attempts
                    .get(&attempt.id)
                    .is_some_and(|a| a.status == AttemptStatus::Offered);
                if live {
                    let data = view::work(process, attempt.id);
                    self.emit(
                        space,
                        &attempt.agent_id,
                        attempt.instance_id.as_ref(),
                        "work.offered",
                        &data,
                    );
                }
            }
            E::AssignmentCancelled(c) | E::AssignmentExpired(c) => {
                let reason = c
                    .reason
                    .clone()
                    .unwrap_or_else(|| "the lease or the offer ran out".to_owned());
                let data = json!({"attemptId": c.id, "stepId": c.step_id, "reason": reason});
                self.emit(space, &c.agent_id, None, "work.cancelled", &data);
            }
            E::InterventionCompleted(c) => {
                let Some(i) = process.interventions.get(&c.id) else {
                    return;
                };
                let step = i.step_id.and_then(|id| process.step(id));
                if let Some(attempt) = step.and_then(|s| process.live_attempt(s)) {
                    let data = json!({"intervention": **i, "response": i.response, "attemptId": attempt.id});
                    self.answer(
                        space,
                        &attempt.agent_id,
                        attempt.instance_id.as_ref(),
                        c.id,
                        &data,
                    );
                }
            }
            E::HandoffRequested(c) => {
                let data = json!({"handoff": c.handoff});
                for agent in c
                    .handoff
                    .to_agent_id
                    .iter()
                    .chain(c.handoff.candidates.iter().flatten())
                {
                    self.emit(space, agent, None, "work.handoff_requested", &data);
                }
            }
            E::HandoffAccepted(c)
            | E::HandoffRejected(c)
            | E::HandoffExpired(c)
            | E::HandoffCancelled(c)
            | E::HandoffCompleted(c)
            | E::HandoffFailed(c) => {
                if let Some(handoff) = process.handoffs.get(&c.id) {
                    let data = json!({"handoff": **handoff});
                    self.emit(
                        space,
                        &handoff.from_agent_id,
                        None,
                        "work.handoff_resolved",
                        &data,
                    );
                    if c.status != HandoffStatus::Accepted {
                        for agent in handoff
                            .to_agent_id
                            .iter()
                            .chain(handoff.candidates.iter().flatten())
                        {
                            self.emit(space, agent, None, "work.handoff_resolved", &data);
                        }
                    }
                }
            }
            E::CommunicationSent(sent) => {
                self.emit(
                    space,
                    &sent.to_agent_id,
                    None,
                    "work.message",
                    &json!({"communication": sent}),
                );
            }
            E::CommunicationResponded(c) => {
                let data = json!({"communication": {
                    "id": c.id, "fromAgentId": c.from_agent_id, "toAgentId": c.to_agent_id, "processId": process.process.id,
                    "response": c.response,
                }});
                self.emit(space, &c.from_agent_id, None, "work.message", &data);
            }
            _ => {}
        }
    }
}

/// Sends again what an agent has not taken: its offers and handoffs, and answers that this connection did not acknowledge.
pub async fn resend(
    hub: &Hub,
    space: &WorkspaceId,
    agent: &AgentId,
    messages_too: bool,
) -> Result<(), storage::Error> {
    for (process, attempt, instance) in hub.store().live_attempts(space, agent).await? {
        let state = hub.state(RoomId(process.0)).await?;
        let Some(process) = &state.process else {
            continue;
        };
        if process
            .attempts
            .get(&attempt)
            .is_some_and(|a| a.status == AttemptStatus::Offered)
        {
            hub.agents.emit(
                space,
                agent,
                instance.as_ref(),
                "work.offered",
                &view::work(process, attempt),
            );
        }
    }
    for handoff in hub.store().pending_handoffs(space, agent).await? {
        hub.agents.emit(
            space,
            agent,
            None,
            "work.handoff_requested",
            &json!({"handoff": handoff}),
        );
    }
    for (attempt, i) in hub.store().unused_answers(space, agent).await? {
        if let Ok(id) = serde_json::from_value::<InterventionId>(i["id"].clone()) {
            let data = json!({"response": i["response"], "intervention": i, "attemptId": attempt});
            hub.agents.answer(space, agent, None, id, &data);
        }
    }
    if messages_too {
        for message in hub.store().open_communications(space, agent).await? {
            hub.agents.emit(
                space,
                agent,
                None,
                "work.message",
                &json!({"communication": message}),
            );
        }
    }
    Ok(())
}

/// Once a second, for the agents that are connected here.
pub async fn sweep(hub: Arc<Hub>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tick.tick().await;
        for (space, agent) in hub.agents.all() {
            if let Err(e) = resend(&hub, &space, &agent, false).await {
                tracing::warn!(error = %e, "could not look for what agents have not taken");
                break;
            }
        }
    }
}
