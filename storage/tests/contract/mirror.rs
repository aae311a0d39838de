//! A simulated workspace, written to a store as lanes would: several commands to a transaction.

use std::collections::BTreeMap;

use rooms::State;
use rooms::id::RoomId;
use simulation::run::play;
use simulation::world::Batch;
use simulation::{Plan, World};
use storage::{Store, WriteSet};

use crate::clerk::make_workspace;

/// Plays a seed and writes all of it.
pub async fn play_into(store: &Store, seed: u64, steps: u64, batch: usize) -> World {
    let mut world = World::recorded(&format!("space-{seed}"), seed);
    if let Err(violation) = play(&mut world, &Plan::new(seed, steps), None) {
        panic!("the seed {seed}: {}", violation.0);
    }
    assert!(make_workspace(store, world.space.as_str(), world.space_room).await);
    let record = world.record.take().unwrap();
    let mut waiting = Vec::new();
    for one in record {
        // What fires a timer has seen it in the store: it begins a transaction of its own.
        if one.fired.is_some() || waiting.len() >= batch {
            write(store, &world, std::mem::take(&mut waiting)).await;
        }
        waiting.push(one);
    }
    write(store, &world, waiting).await;
    world
}

async fn write(store: &Store, world: &World, batches: Vec<Batch>) {
    let mut set = WriteSet::default();
    let mut rooms: BTreeMap<RoomId, (State, State)> = BTreeMap::new();
    for batch in batches {
        set.events.extend(batch.events);
        for (before, after) in batch.rooms {
            let id = after.room.as_ref().unwrap().id;
            rooms
                .entry(id)
                .or_insert_with(|| (before, State::default()))
                .1 = after;
        }
        set.timers.extend(
            batch
                .timers
                .into_iter()
                .map(|(room, op)| (room, world.space.clone(), op)),
        );
        set.fired.extend(batch.fired);
    }
    set.rooms = rooms.into_values().collect();
    let mut tx = store.lane_tx().await.unwrap();
    tx.write(&set).await.unwrap();
    tx.commit().await.unwrap();
}
