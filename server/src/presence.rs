//! Who is here, over all nodes.
//!
//! Every node keeps a roster of whom it serves, and tells the others what changes in it. Each change has a version; who misses one sees
//! it from the next version or from the heartbeat, and asks for the whole. A node that is silent is dead, and takes its roster with it;
//! but silence says nothing while the relay is away, so what was known then stays known.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rooms::id::{AgentId, RoomId, WorkspaceId};
use rooms::model::access::Principal;
use rooms::model::room::ParticipantType;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::hub::Hub;
use crate::relay::{Channel, Health, Message};

/// How often changes are told. Those of a moment go together.
const NEWS: Duration = Duration::from_millis(50);
/// How often a node says that it lives.
const BEAT: Duration = Duration::from_secs(1);
/// A node that is silent for so long is dead.
const DEAD: Duration = Duration::from_secs(4);
/// Entries in one message of a snapshot.
const PART: usize = 500;

/// Somebody who is somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// An agent that takes work.
    Agent(WorkspaceId, AgentId),
    /// Somebody who has joined a room.
    Member(RoomId, ParticipantType, String),
}

struct Peer {
    /// Of its roster, as far as it is known.
    version: u64,
    entries: HashSet<Entry>,
    heard: Instant,
    /// Parts of a snapshot that is coming in: its version and what came.
    coming: Option<(u64, HashMap<u32, Vec<Entry>>)>,
}

#[derive(Default)]
struct Rosters {
    /// Connections here, by entry.
    own: HashMap<Entry, u32>,
    version: u64,
    came: HashSet<Entry>,
    went: HashSet<Entry>,
    asked: bool,
    peers: HashMap<Uuid, Peer>,
    /// On how many nodes an entry is, this one among them.
    nodes: HashMap<Entry, u32>,
    members: HashMap<RoomId, HashSet<(ParticipantType, String)>>,
    /// Since when the relay works without a break.
    up: Option<Instant>,
}

/// Somebody who has come, or gone for good.
type Change = (Entry, bool);

impl Rosters {
    fn add(&mut self, entry: &Entry) -> Option<Change> {
        let nodes = self.nodes.entry(entry.clone()).or_default();
        *nodes += 1;
        if *nodes > 1 {
            return None;
        }
        if let Entry::Member(room, kind, id) = entry {
            let members = self.members.entry(*room).or_default();
            members.insert((*kind, id.clone()));
        }
        Some((entry.clone(), true))
    }

    fn remove(&mut self, entry: &Entry) -> Option<Change> {
        let nodes = self.nodes.get_mut(entry)?;
        *nodes -= 1;
        if *nodes > 0 {
            return None;
        }
        self.nodes.remove(entry);
        if let Entry::Member(room, kind, id) = entry
            && let Some(members) = self.members.get_mut(room)
        {
            members.remove(&(*kind, id.clone()));
            if members.is_empty() {
                self.members.remove(room);
            }
        }
        Some((entry.clone(), false))
    }

    fn enter(&mut self, entry: &Entry) -> Option<Change> {
        let here = self.own.entry(entry.clone()).or_default();
        *here += 1;
        if *here > 1 {
            return None;
        }
        if !self.went.remove(entry) {
            self.came.insert(entry.clone());
        }
        self.add(entry)
    }

    fn leave(&mut self, entry: &Entry) -> Option<Change> {
        let here = self.own.get_mut(entry)?;
        *here -= 1;
        if *here > 0 {
            return None;
        }
        self.own.remove(entry);
        if !self.came.remove(entry) {
            self.went.insert(entry.clone());
        }
        self.remove(entry)
    }

    fn forget(&mut self, node: Uuid) -> Vec<Change> {
        let peer = self.peers.remove(&node);
        let entries = peer.map(|p| p.entries).unwrap_or_default();
        entries.iter().filter_map(|e| self.remove(e)).collect()
    }

    /// The peer is as its snapshot says.
    fn replace(&mut self, node: Uuid, version: u64, entries: HashSet<Entry>) -> Vec<Change> {
        let known = self.peers.get(&node);
        let old = known.map(|p| p.entries.clone()).unwrap_or_default();
        let mut changes = Vec::new();
        for entry in entries.difference(&old) {
            changes.extend(self.add(entry));
        }
        for entry in old.difference(&entries) {
            changes.extend(self.remove(entry));
        }
        let peer = Peer {
            version,
            entries,
            heard: Instant::now(),
            coming: None,
        };
        self.peers.insert(node, peer);
        changes
    }

    /// Takes in what a node says. The second value: its whole roster must be asked for.
    fn hear(&mut self, node: Uuid, message: Message<'_>) -> (Vec<Change>, bool) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.heard = Instant::now();
        }
        let known = self.peers.get(&node).map(|p| p.version);
        match message {
            Message::Alive { version } => (Vec::new(), known != Some(version)),
            Message::Roster {
                version,
                came,
                went,
            } => {
                if known.is_none_or(|known| known + 1 != version) {
                    // An old one again needs nothing.
                    return (Vec::new(), known.is_none_or(|known| known < version));
                }
                let mut changes = Vec::new();
                let Some(peer) = self.peers.get_mut(&node) else {
                    return (changes, true);
                };
                peer.version = version;
                let came: Vec<_> = came
                    .into_iter()
                    .filter(|e| peer.entries.insert(e.clone()))
                    .collect();
                let went: Vec<_> = went
                    .into_iter()
                    .filter(|e| peer.entries.remove(e))
                    .collect();
                changes.extend(came.iter().filter_map(|e| self.add(e)));
                changes.extend(went.iter().filter_map(|e| self.remove(e)));
                (changes, false)
            }
            Message::Snapshot {
                version,
                part,
                parts,
                entries,
            } => {
                let peer = self.peers.entry(node).or_insert_with(|| Peer {
                    version: u64::MAX,
                    entries: HashSet::new(),
                    heard: Instant::now(),
                    coming: None,
                });
                let coming = peer.coming.get_or_insert_with(|| (version, HashMap::new()));
                if coming.0 != version {
                    *coming = (version, HashMap::new());
                }
                coming.1.insert(part, entries);
                if coming.1.len() < parts as usize {
                    return (Vec::new(), false);
                }
                let whole = coming.1.drain().flat_map(|(_, e)| e).collect();
                (self.replace(node, version, whole), false)
            }
            Message::Gone => (self.forget(node), false),
            _ => (Vec::new(), false),
        }
    }

    /// Drops the nodes that are dead.
    fn bury(&mut self) -> Vec<Change> {
        if self.up.is_none_or(|since| since.elapsed() < DEAD) {
            return Vec::new();
        }
        let dead: Vec<Uuid> = self
            .peers
            .iter()
            .filter(|(_, p)| p.heard.elapsed() > DEAD)
            .map(|(node, _)| *node)
            .collect();
        dead.into_iter().flat_map(|n| self.forget(n)).collect()
    }
}

/// Who is here.
#[derive(Default)]
pub struct Presence(Mutex<Rosters>);

impl Presence {
    fn lock(&self) -> MutexGuard<'_, Rosters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an agent takes work on some node.
    pub fn is_online(&self, space: &WorkspaceId, agent: &AgentId) -> bool {
        self.lock()
            .nodes
            .contains_key(&Entry::Agent(space.clone(), agent.clone()))
    }

    /// Who has joined a room, on whatever node.
    pub fn members(&self, room: RoomId) -> Vec<(ParticipantType, String)> {
        let mut members: Vec<_> = self
            .lock()
            .members
            .get(&room)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        members.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        members
    }

    /// Other nodes that are known to live.
    pub fn peers(&self) -> usize {
        self.lock().peers.len()
    }
}

/// A connection of somebody is there.
pub fn enter(hub: &Hub, entry: &Entry) {
    let change = hub.presence.lock().enter(entry);
    announce(hub, change);
}

/// A connection of somebody is gone.
pub fn leave(hub: &Hub, entry: &Entry) {
    let change = hub.presence.lock().leave(entry);
    announce(hub, change);
}

/// Takes in what another node says of its roster.
pub fn hear(hub: &Hub, node: Uuid, message: Message<'_>) {
    if let Message::Ask { node: whom } = message {
        if whom.is_none_or(|whom| whom == hub.node) {
            hub.presence.lock().asked = true;
        }
        return;
    }
    let (changes, ask) = hub.presence.lock().hear(node, message);
    if ask {
        let ask = Message::Ask { node: Some(node) };
        hub.relay().publish(&Channel::Nodes, &ask);
    }
    announce(hub, changes);
}

/// The relay works again, or no longer.
pub fn relay_is(hub: &Hub, up: bool) {
    let mut rosters = hub.presence.lock();
    rosters.up = up.then(Instant::now);
    rosters.asked = up;
    drop(rosters);
    if up {
        hub.relay()
            .publish(&Channel::Nodes, &Message::Ask { node: None });
    }
}

/// Tells those who are concerned here. Each node tells its own.
fn announce(hub: &Hub, changes: impl IntoIterator<Item = Change>) {
    for (entry, online) in changes {
        match entry {
            Entry::Member(room, kind, id) => {
                // Nobody here has joined the room otherwise.
                let Some(space) = hub.delivery.space_of(room) else {
                    continue;
                };
                let data = json!({"id": id, "type": kind, "online": online});
                let actor = Principal::system(space.clone()).actor();
                let frame = hub.passing(room, &space, &actor, "presence.changed", &data);
                hub.delivery.ephemeral(room, &frame, None);
            }
            Entry::Agent(space, agent) => {
                let Some(room) = hub.known_workspace_room(&space) else {
                    continue;
                };
                let status = if online { "online" } else { "offline" };
                let data = json!({"agentId": agent, "status": status});
                let actor = Principal::system(space.clone()).actor();
                let frame = hub.passing(room, &space, &actor, "agent.presence", &data);
                hub.delivery.ephemeral(room, &frame, None);
            }
        }
    }
}

/// What `presence:list` answers: who has joined the room, and the room's agents that take work.
pub fn list(hub: &Hub, space: &WorkspaceId, room: RoomId, agents: &[AgentId]) -> Value {
    let mut here = hub.presence.members(room);
    for agent in agents {
        let entry = (ParticipantType::Agent, agent.as_str().to_owned());
        if !here.contains(&entry) && hub.presence.is_online(space, agent) {
            here.push(entry);
        }
    }
    let participants: Vec<_> = here
        .into_iter()
        .map(|(kind, id)| json!({"id": id, "type": kind, "online": true}))
        .collect();
    json!({"participants": participants})
}

/// Tells the other nodes what changes here, and buries the dead.
pub async fn gossip(hub: Arc<Hub>) {
    let mut tick = tokio::time::interval(NEWS);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut beat = Instant::now();
    let mut woke = Instant::now();
    loop {
        tick.tick().await;
        let slept = woke.elapsed();
        woke = Instant::now();
        let up = hub.relay().health() == Health::Up;
        let mut rosters = hub.presence.lock();
        if slept > BEAT * 2 {
            // This process stood still: what it did not hear, it could not hear.
            rosters.up = rosters.up.map(|_| woke);
        }
        let dead = rosters.bury();
        let mut news = Vec::new();
        if up {
            if !rosters.came.is_empty() || !rosters.went.is_empty() {
                rosters.version += 1;
                news.push(Message::Roster {
                    version: rosters.version,
                    came: rosters.came.drain().collect(),
                    went: rosters.went.drain().collect(),
                });
            }
            if std::mem::take(&mut rosters.asked) {
                news.extend(snapshot(&rosters));
            }
            if beat.elapsed() >= BEAT {
                beat = woke;
                news.push(Message::Alive {
                    version: rosters.version,
                });
            }
        }
        drop(rosters);
        for message in news {
            hub.relay().publish(&Channel::Nodes, &message);
        }
        announce(&hub, dead);
    }
}

fn snapshot(rosters: &Rosters) -> Vec<Message<'static>> {
    let all: Vec<Entry> = rosters.own.keys().cloned().collect();
    let parts = all.len().div_ceil(PART).max(1);
    (0..parts)
        .map(|n| Message::Snapshot {
            version: rosters.version,
            part: u32::try_from(n).unwrap_or(u32::MAX),
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            entries: all.iter().skip(n * PART).take(PART).cloned().collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(id: &str) -> Entry {
        Entry::Agent("w".into(), id.into())
    }

    fn node(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn roster(version: u64, came: &[&str], went: &[&str]) -> Message<'static> {
        let list = |ids: &[&str]| ids.iter().map(|id| agent(id)).collect();
        Message::Roster {
            version,
            came: list(came),
            went: list(went),
        }
    }

    fn whole(version: u64, ids: &[&str]) -> Message<'static> {
        Message::Snapshot {
            version,
            part: 0,
            parts: 1,
            entries: ids.iter().map(|id| agent(id)).collect(),
        }
    }

    #[test]
    fn two_connections_on_two_nodes_are_one_agent() {
        let mut rosters = Rosters::default();
        assert_eq!(rosters.enter(&agent("a")), Some((agent("a"), true)));
        assert_eq!(rosters.enter(&agent("a")), None);
        assert_eq!(rosters.hear(node(1), whole(4, &["a"])), (vec![], false));
        assert_eq!(rosters.leave(&agent("a")), None);
        assert_eq!(rosters.leave(&agent("a")), None);
        let gone = rosters.hear(node(1), roster(5, &[], &["a"]));
        assert_eq!(gone, (vec![(agent("a"), false)], false));
    }

    #[test]
    fn a_missed_change_is_noticed_and_the_whole_asked_for() {
        let mut rosters = Rosters::default();
        assert!(rosters.hear(node(1), Message::Alive { version: 0 }).1);
        rosters.hear(node(1), whole(1, &["a"]));
        assert!(!rosters.hear(node(1), Message::Alive { version: 1 }).1);
        assert_eq!(
            rosters.hear(node(1), roster(3, &["b"], &[])),
            (vec![], true)
        );
        let (changes, ask) = rosters.hear(node(1), whole(3, &["b", "c"]));
        assert_eq!((changes.len(), ask), (3, false));
        // The same again, and an older one, change nothing.
        assert_eq!(
            rosters.hear(node(1), roster(3, &["b"], &[])),
            (vec![], false)
        );
    }

    #[test]
    fn a_node_that_stops_takes_its_roster_with_it_and_silence_counts_only_while_the_relay_works() {
        let mut rosters = Rosters::default();
        rosters.hear(node(1), whole(1, &["a"]));
        assert_eq!(
            rosters.hear(node(1), Message::Gone).0,
            vec![(agent("a"), false)]
        );
        rosters.hear(node(2), whole(1, &["b"]));
        let long_ago = Instant::now().checked_sub(DEAD * 2);
        let Some(long_ago) = long_ago else { return };
        if let Some(peer) = rosters.peers.get_mut(&node(2)) {
            peer.heard = long_ago;
        }
        assert_eq!(rosters.bury(), vec![]);
        rosters.up = Some(Instant::now());
        assert_eq!(rosters.bury(), vec![]);
        rosters.up = Some(long_ago);
        assert_eq!(rosters.bury(), vec![(agent("b"), false)]);
    }
}
