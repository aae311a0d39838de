//! What a node keeps in memory of the store, so that it need not ask again: states of rooms, in which room a thing is decided, the rooms of workspaces,
//! and the webhooks. All of it is read again where it is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use rooms::id::{RoomId, WorkspaceId};
use rooms::{Refusal, State};
use storage::Tx;
use storage::read::Thing;
use storage::webhooks::Hook;
use uuid::Uuid;

use super::Hub;

impl Hub {
    /// How many rooms' states are in memory.
    pub fn cached_rooms(&self) -> u64 {
        self.states.run_pending_tasks();
        self.states.entry_count()
    }

    /// A cached state.
    pub fn cached(&self, room: RoomId) -> Option<State> {
        self.states.get(&room)
    }

    /// Keeps a committed state, unless a newer one is there.
    pub fn install(&self, room: RoomId, state: State) {
        self.states.insert(room, state);
    }

    /// Drops a cached state.
    pub fn forget(&self, room: RoomId) {
        self.states.invalidate(&room);
    }

    /// The webhooks of the store as they were last seen, and at which version of theirs.
    pub fn known_hooks(&self) -> (i64, Arc<Vec<Hook>>) {
        let known = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        (known.0, Arc::clone(&known.1))
    }

    /// The webhooks of the store at a version of theirs.
    pub async fn hooks(&self, tx: &mut Tx, version: i64) -> Result<Arc<Vec<Hook>>, storage::Error> {
        if let Ok(known) = self.hooks.lock()
            && known.0 == version
        {
            return Ok(Arc::clone(&known.1));
        }
        let read = Arc::new(tx.hooks().await?);
        if let Ok(mut known) = self.hooks.lock() {
            *known = (version, Arc::clone(&read));
        }
        Ok(read)
    }

    /// The rooms of workspaces; they never change once they are made.
    pub async fn workspace_rooms(
        &self,
        tx: &mut Tx,
        spaces: &BTreeSet<WorkspaceId>,
    ) -> Result<BTreeMap<WorkspaceId, RoomId>, storage::Error> {
        let missing: BTreeSet<_> = spaces
            .iter()
            .filter(|s| !self.spaces.contains_key(*s))
            .cloned()
            .collect();
        for (space, room) in tx.workspace_rooms(&missing).await? {
            self.spaces.insert(space, room);
        }
        Ok(spaces
            .iter()
            .filter_map(|s| self.spaces.get(s).map(|r| (s.clone(), *r)))
            .collect())
    }

    /// The room of a workspace that this node has had to do with.
    pub fn known_workspace_room(&self, space: &WorkspaceId) -> Option<RoomId> {
        self.spaces.get(space).map(|room| *room)
    }

    /// The room of a workspace.
    pub async fn workspace_room(&self, space: &WorkspaceId) -> Result<RoomId, Refusal> {
        if let Some(room) = self.spaces.get(space) {
            return Ok(*room);
        }
        let all = self
            .store
            .workspaces()
            .await
            .map_err(|e| crate::problem::storage_refusal(&e))?;
        for workspace in all {
            self.spaces.insert(workspace.id, workspace.room_id);
        }
        self.spaces
            .get(space)
            .map(|r| *r)
            .ok_or_else(|| Refusal::not_found("workspace", space))
    }

    /// The room that a thing of this workspace is decided in. That never changes, so it is asked once.
    pub async fn room_of(
        &self,
        thing: Thing,
        space: &WorkspaceId,
        id: Uuid,
    ) -> Result<Option<RoomId>, storage::Error> {
        if let Some((home, room)) = self.homes.get(&(thing, id)) {
            return Ok((home == *space).then_some(room));
        }
        let found = self.store.room_of(thing, space, id).await?;
        if let Some(room) = found {
            self.homes.insert((thing, id), (space.clone(), room));
        }
        Ok(found)
    }

    /// The present state of a room, for a view: from memory where it is current, else from the log.
    pub async fn state(&self, room: RoomId) -> Result<State, storage::Error> {
        let heads = self.store.heads(&[room]).await?;
        let head = heads.first().map_or(0, |h| h.1);
        self.state_at(room, head).await
    }

    /// The state of a room at its head, which has just been read.
    pub async fn state_at(&self, room: RoomId, head: u64) -> Result<State, storage::Error> {
        let mut state = match self.states.get(&room).filter(|s| s.seq <= head) {
            Some(state) => state,
            None => self.store.snapshot(room).await?.unwrap_or_default(),
        };
        while state.seq < head {
            let events = self.store.events_from(room, state.seq, 1_000).await?;
            if events.is_empty() {
                break;
            }
            events.iter().for_each(|e| state.apply(e));
        }
        Ok(state)
    }
}
