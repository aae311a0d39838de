//! Agents' own sockets, and what is addressed to an agent (`work.*`): a view of open state, sent at once and again until the state says
//! that it was taken.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use rooms::id::{AgentId, InstanceId, InterventionId, RoomId, WorkspaceId};
use rooms::model::attempt::AttemptStatus;
use rooms::view;
use serde_json::{Value, json};
use socketioxide::socket::Sid;
use tokio::sync::mpsc;

use crate::hub::{Hub, RelaySlot};
use crate::relay::{Channel, Health, Message};
use crate::wire::{Frame, Sent, Socket, Wire};

/// Says in an agent's resource what is derived of it: whether it is there, and whether it has a slot left. How many are in use.
pub async fn derive_status(
    hub: &Hub,
    space: &WorkspaceId,
    agent: &mut Value,
) -> Result<u64, storage::Error> {
    let id = AgentId(agent["id"].as_str().unwrap_or_default().to_owned());
    let live = hub.store().live_attempts(space, &id).await?.len() as u64;
    let connected = hub.presence.is_online(space, &id);
    let status = match (connected, live >= agent["slots"].as_u64().unwrap_or(1)) {
        (false, _) => "offline",
        (true, true) => "busy",
        (true, false) => "online",
    };
    agent["status"] = status.into();
    Ok(live)
}

/// One connection of an agent.
#[derive(Clone)]
pub struct AgentSocket {
    /// The connection.
    pub socket: Socket,
    /// Which running copy; none before `agent:ready`, unless the handshake said so.
    pub instance: Option<InstanceId>,
    /// It takes work.
    pub ready: bool,
    /// Answers whose receipt it acknowledged.
    pub acknowledged: Arc<dashmap::DashSet<InterventionId>>,
}

impl AgentSocket {
    /// Whether something for this running copy, or for any, is for this connection.
    fn is(&self, instance: Option<&InstanceId>) -> bool {
        instance.is_none() || self.instance.is_none() || self.instance.as_ref() == instance
    }
}

/// The agents that are connected to this node.
pub struct Agents {
    sockets: DashMap<(WorkspaceId, AgentId), Vec<AgentSocket>>,
    /// Connections that take work, by workspace.
    takers: DashMap<WorkspaceId, usize>,
    wire: Wire,
    slow: mpsc::UnboundedSender<Sid>,
    relay: RelaySlot,
}

impl Agents {
    /// None yet. Sockets whose buffer is full go to `slow`.
    pub fn new(wire: Wire, slow: mpsc::UnboundedSender<Sid>, relay: RelaySlot) -> Self {
        Self {
            sockets: DashMap::new(),
            takers: DashMap::new(),
            wire,
            slow,
            relay,
        }
    }

    /// A connection came.
    pub fn connect(&self, space: &WorkspaceId, agent: &AgentId, socket: AgentSocket) {
        // The relay hears of the first and the last under the map's lock, so in the order in which they were.
        self.sockets
            .entry((space.clone(), agent.clone()))
            .or_insert_with(|| {
                let channel = Channel::Agent(space.clone(), agent.clone());
                self.relay.get().follow(channel);
                Vec::new()
            })
            .push(socket);
    }

    /// It takes work from now on. True when this connection did not before.
    pub fn ready(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
        socket: Sid,
        instance: &InstanceId,
    ) -> bool {
        let mut new = false;
        if let Some(mut all) = self.sockets.get_mut(&(space.clone(), agent.clone())) {
            for s in all.iter_mut().filter(|s| s.socket.id == socket) {
                new = !s.ready;
                s.ready = true;
                s.instance = Some(instance.clone());
            }
        }
        if new {
            let mut takers = self.takers.entry(space.clone()).or_insert_with(|| {
                self.relay.get().follow(Channel::Work(space.clone()));
                0
            });
            *takers += 1;
        }
        new
    }

    /// It went. True when it took work.
    pub fn disconnect(&self, space: &WorkspaceId, agent: &AgentId, socket: Sid) -> bool {
        let key = (space.clone(), agent.clone());
        let mut took = false;
        if let Some(mut all) = self.sockets.get_mut(&key) {
            all.retain(|s| {
                took |= s.socket.id == socket && s.ready;
                s.socket.id != socket
            });
        }
        self.sockets.remove_if(&key, |_, all| {
            if all.is_empty() {
                let channel = Channel::Agent(space.clone(), agent.clone());
                self.relay.get().unfollow(channel);
            }
            all.is_empty()
        });
        if took {
            if let Some(mut takers) = self.takers.get_mut(space) {
                *takers -= 1;
            }
            self.takers.remove_if(space, |_, takers| {
                if *takers == 0 {
                    self.relay.get().unfollow(Channel::Work(space.clone()));
                }
                *takers == 0
            });
        }
        took
    }

    /// The connections of an agent.
    pub fn of(&self, space: &WorkspaceId, agent: &AgentId) -> Vec<AgentSocket> {
        self.sockets
            .get(&(space.clone(), agent.clone()))
            .map(|s| s.clone())
            .unwrap_or_default()
    }

    /// The running copy to offer to, when the agent takes work here.
    pub fn taker(&self, space: &WorkspaceId, agent: &AgentId) -> Option<Option<InstanceId>> {
        let sockets = self.sockets.get(&(space.clone(), agent.clone()))?;
        let socket = sockets.iter().rev().find(|s| s.ready)?;
        Some(socket.instance.clone())
    }

    /// Whether some agent of the workspace takes work here.
    pub fn work_in(&self, space: &WorkspaceId) -> bool {
        self.takers.contains_key(space)
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
        data: &str,
    ) {
        let sockets = self.of(space, agent);
        if sockets.is_empty() {
            return;
        }
        let frame = Frame::new(name, data);
        for s in sockets.iter().filter(|s| s.is(instance)) {
            if self.wire.send(s.socket.id, &frame) == Sent::Full {
                let _ = self.slow.send(s.socket.id);
            }
        }
    }

    /// Whether this running copy of the agent is connected here.
    fn has(&self, key: &(WorkspaceId, AgentId), instance: &InstanceId) -> bool {
        let sockets = self.sockets.get(key);
        sockets.is_some_and(|all| all.iter().any(|s| s.instance.as_ref() == Some(instance)))
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
            if !s.is(instance) || s.acknowledged.contains(&id) {
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

    /// Sends something to the connections of an agent that are here: JSON, and the intervention that it answers.
    pub fn deliver(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
        instance: Option<&InstanceId>,
        name: &str,
        data: &str,
        answers: Option<InterventionId>,
    ) {
        match answers {
            None => self.emit(space, agent, instance, name, data),
            Some(id) => {
                if let Ok(data) = serde_json::from_str(data) {
                    self.answer(space, agent, instance, id, &data);
                }
            }
        }
    }

    /// Sends something to an agent, wherever it is connected.
    pub(crate) fn send(
        &self,
        space: &WorkspaceId,
        agent: &AgentId,
        instance: Option<&InstanceId>,
        name: &str,
        data: &Value,
        answers: Option<InterventionId>,
    ) {
        let key = (space.clone(), agent.clone());
        let shared = self.relay.get().is_shared();
        if !shared && !self.sockets.contains_key(&key) {
            return;
        }
        let data = data.to_string();
        self.deliver(space, agent, instance, name, &data, answers);
        // What is for one running copy that is here need not be told to other nodes.
        let elsewhere = instance.is_none_or(|instance| !self.has(&key, instance));
        if shared && elsewhere {
            let message = Message::ToAgent {
                space: key.0.clone(),
                agent: key.1.clone(),
                instance: instance.cloned(),
                name,
                data: &data,
                answers,
            };
            let channel = Channel::Agent(key.0, key.1);
            self.relay.get().publish(&channel, &message);
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
                &view::work(process, attempt).to_string(),
            );
        }
    }
    for handoff in hub.store().pending_handoffs(space, agent).await? {
        hub.agents.emit(
            space,
            agent,
            None,
            "work.handoff_requested",
            &json!({"handoff": view::received(&handoff)}).to_string(),
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
                &json!({"communication": message}).to_string(),
            );
        }
    }
    Ok(())
}

/// Once a second, for the agents that are connected here; more often while other nodes cannot tell what they have for them.
pub async fn sweep(hub: Arc<Hub>) {
    loop {
        let wait = match hub.relay().health() {
            Health::Up => 1_000,
            Health::Down(_) => 250,
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        for (space, agent) in hub.agents.all() {
            if let Err(e) = resend(&hub, &space, &agent, false).await {
                tracing::warn!(error = %e, "could not look for what agents have not taken");
                break;
            }
        }
    }
}
