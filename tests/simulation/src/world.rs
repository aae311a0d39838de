//! A workspace in memory: rooms with their logs, the registry, timers and a clock; and what a lane does with a command.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rooms::command::Timer;
use rooms::decide::{TimerOp, outbound, refused};
use rooms::event::{Event, EventBody, Origin};
use rooms::facts::{Posted, Reading};
use rooms::id::{AgentId, EventId, InstanceId, MessageId, RoomId, TeamId, TemplateId, WorkspaceId};
use rooms::invariants::Witness;
use rooms::model::access::{Permission, Principal, PrincipalKind};
use rooms::model::agent::Agent;
use rooms::model::room::Channel;
use rooms::model::team::AgentTeam;
use rooms::model::template::ProcessTemplate;
use rooms::{
    Code, Command, Ctx, Facts, Needs, Refusal, State, Timestamp, decide, invariants, needs, policy,
};
use serde_json::Value;
use uuid::Uuid;

use crate::{Kind, Random};

/// Somebody asks for something.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub who: Principal,
    /// In which room.
    pub room: RoomId,
    /// For what.
    pub command: Command,
}

/// Something does not hold that must always hold.
#[derive(Clone, Debug)]
pub struct Violation(pub String);

/// Fails with what does not hold, said as `format!` says it.
macro_rules! must {
    ($holds:expr, $($what:tt)*) => {
        if !$holds {
            return Err(Violation(format!($($what)*)));
        }
    };
}

/// What was committed together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The events, echoes last.
    pub events: Vec<Event>,
    /// The rooms that changed, before and after.
    pub rooms: Vec<(State, State)>,
    /// Timers that were set or cleared.
    pub timers: Vec<(RoomId, TimerOp)>,
    /// The timer that fired.
    pub fired: Option<(RoomId, String, Timestamp)>,
}

/// A workspace.
pub struct World {
    /// Now.
    pub now: Timestamp,
    /// Its id.
    pub space: WorkspaceId,
    /// Its room.
    pub space_room: RoomId,
    /// Every room.
    pub states: BTreeMap<RoomId, State>,
    /// Every room's log, where it is kept.
    pub logs: BTreeMap<RoomId, Vec<Event>>,
    /// The registry.
    pub registry: BTreeMap<AgentId, Agent>,
    /// Every version of every template.
    pub templates: BTreeMap<(TemplateId, u32), Arc<ProcessTemplate>>,
    /// Every message that was posted.
    pub messages: BTreeMap<MessageId, Posted>,
    /// Which message ended a token stream.
    pub streams: BTreeMap<(RoomId, String), MessageId>,
    /// What is to fire, and when.
    pub timers: BTreeMap<(RoomId, String), (Timer, Timestamp)>,
    /// Agents that take work, with the running copy.
    pub online: BTreeMap<AgentId, InstanceId>,
    /// What was committed last.
    pub committed: Batch,
    /// All that was committed, where somebody mirrors this world and wants it kept.
    pub record: Option<Vec<Batch>>,
    /// How often each command was accepted and refused.
    pub told: BTreeMap<Kind, (u64, u64)>,
    /// Events so far.
    pub events: u64,
    /// Keep the logs and check each event's way through JSON: what a simulation wants and a generator of much does not.
    pub thorough: bool,
    random: Random,
    witnesses: BTreeMap<RoomId, Witness>,
}

/// After so many events a state is written and read as a snapshot.
const SNAPSHOT_EVERY: u64 = 4;
/// The first moment of every world.
const BEGINNING: Timestamp = Timestamp(1_700_000_000_000_000);

impl World {
    /// An empty workspace with its room.
    pub fn new(space: &str, seed: u64) -> Self {
        Self::begin(space, seed, false)
    }

    /// The same, which keeps all that it commits from its first event on.
    pub fn recorded(space: &str, seed: u64) -> Self {
        Self::begin(space, seed, true)
    }

    fn begin(space: &str, seed: u64, recorded: bool) -> Self {
        let mut random = Random::new(seed ^ 0xB0B0_CAFE);
        let id = Uuid::from_u64_pair(random.draw(), random.draw());
        let mut world = Self {
            now: BEGINNING,
            space: space.into(),
            space_room: RoomId(id),
            states: BTreeMap::new(),
            logs: BTreeMap::new(),
            registry: BTreeMap::new(),
            templates: BTreeMap::new(),
            messages: BTreeMap::new(),
            streams: BTreeMap::new(),
            timers: BTreeMap::new(),
            online: BTreeMap::new(),
            committed: Batch::default(),
            record: recorded.then(Vec::new),
            told: BTreeMap::new(),
            events: 0,
            thorough: true,
            random,
            witnesses: BTreeMap::new(),
        };
        let make = Command::CreateWorkspaceRoom {
            workspace_id: space.into(),
            room_id: world.space_room,
            name: "A workspace".to_owned(),
        };
        let call = Call {
            who: Principal::system(space.into()),
            room: world.space_room,
            command: make,
        };
        // A workspace's room is made by Baton itself and cannot be refused.
        let _ = world.execute(&call);
        world
    }

    /// A caller of this workspace.
    pub fn principal(&self, kind: PrincipalKind, id: &str, permission: Permission) -> Principal {
        Principal {
            kind,
            id: id.to_owned(),
            workspace_id: self.space.clone(),
            permission,
            instance_id: None,
            bootstrap: false,
        }
    }

    /// The agent as a caller, from the running copy that is online.
    pub fn agent(&self, id: &AgentId) -> Principal {
        Principal {
            instance_id: self.online.get(id).cloned(),
            ..self.principal(PrincipalKind::Agent, id.as_str(), Permission::Write)
        }
    }

    /// A fresh id.
    pub fn fresh(&mut self) -> Uuid {
        rooms::ctx::uuid_v7(self.now, self.random.draw(), self.random.draw())
    }

    /// The teams, by id.
    pub fn teams(&self) -> impl Iterator<Item = &AgentTeam> {
        self.states.values().filter_map(|s| s.team.as_deref())
    }

    /// Live attempts over all processes: of an agent, or of a team.
    fn live(&self, wanted: impl Fn(&TeamId, &AgentId) -> bool) -> BTreeSet<rooms::id::AttemptId> {
        let processes = self.states.values().filter_map(|s| s.process.as_ref());
        processes
            .flat_map(|p| p.attempts.iter().map(move |(id, a)| (p, id, a)))
            .filter(|(p, _, a)| a.status.is_live() && wanted(&p.process.team_id, &a.agent_id))
            .map(|(_, id, _)| *id)
            .collect()
    }

    /// Live attempts of an agent.
    pub fn live_of_agent(&self, id: &AgentId) -> usize {
        self.live(|_, agent| agent == id).len()
    }

    /// Live attempts of a team.
    pub fn live_of_team(&self, id: &TeamId) -> usize {
        self.live(|team, _| team == id).len()
    }

    /// What a lane would read for a command: that, and nothing else.
    fn facts(&self, needs: &Needs) -> Facts {
        let mut facts = Facts::default();
        for id in &needs.teams {
            if let Some(team) = self.teams().find(|t| t.id == *id) {
                facts.teams.insert(*id, team.clone());
            }
            if needs.slots {
                facts.team_live.insert(*id, self.live(|team, _| team == id));
            }
        }
        if needs.alert_rules {
            let own = self.states.values().find_map(|s| s.alert_rules.as_ref());
            facts.alert_rules = own.map(|rules| Arc::new(rules.items.clone()));
        }
        for (id, version) in &needs.templates {
            let wanted = |v: &u32| version.is_none_or(|version| version == *v);
            let mut of_it = self.templates.range((*id, 0)..=(*id, u32::MAX));
            if let Some((key, template)) = of_it.rfind(|(key, _)| wanted(&key.1)) {
                facts.templates.insert(*key, Arc::clone(template));
            }
        }
        for (id, seq) in &needs.sources {
            let mut past = Reading::new(State::default());
            let log = self.logs.get(&RoomId(id.0)).into_iter().flatten();
            log.take_while(|e| seq.is_none_or(|seq| e.seq <= seq))
                .for_each(|e| past.take(e));
            if let Some(past) = past.end() {
                facts.sources.insert((*id, *seq), past);
            }
        }
        for id in &needs.messages {
            if let Some(posted) = self.messages.get(id) {
                facts.messages.insert(*id, posted.clone());
            }
        }
        for stream in &needs.streams {
            if let Some(id) = self.streams.get(stream) {
                facts.streams.insert(stream.clone(), *id);
            }
        }
        for id in &needs.agents {
            if let Some(agent) = self.registry.get(id) {
                facts.agents.insert(id.clone(), agent.clone());
            }
            if needs.slots {
                facts
                    .agent_live
                    .insert(id.clone(), self.live(|_, agent| agent == id));
            }
        }
        for id in facts.named_agents() {
            if let Some(agent) = self.registry.get(&id) {
                facts.agents.insert(id, agent.clone());
            }
        }
        facts
    }

    /// What a lane refuses before it asks `decide`.
    fn refused_by_lane(&self, call: &Call, before: &State) -> Option<Refusal> {
        if let Err(refusal) = policy::allows(&call.who, call.command.operation()) {
            return Some(refusal);
        }
        let makes = call.command.makes_its_room();
        let foreign = before
            .room
            .as_ref()
            .is_some_and(|r| r.workspace_id != call.who.workspace_id);
        if foreign || (before.room.is_none() && !makes) {
            return Some(Refusal::not_found("room", call.room));
        }
        if let Command::Timer { timer, due } = &call.command {
            let row = self.timers.get(&(call.room, timer.key()));
            if row.is_none_or(|(_, current)| current > due) || *due > self.now {
                return Some(Refusal::illegal(
                    "the timer was moved or cleared, or is not due",
                ));
            }
        }
        None
    }

    /// Runs a command as a lane does, and checks all that must hold.
    ///
    /// # Errors
    /// What does not hold.
    pub fn execute(&mut self, call: &Call) -> Result<Result<Value, Refusal>, Violation> {
        self.committed = Batch::default();
        let before = self.states.get(&call.room).cloned().unwrap_or_default();
        let told = self.told.entry(Kind::of(&call.command)).or_default();
        told.1 += 1;
        if let Some(refusal) = self.refused_by_lane(call, &before) {
            return Ok(Err(refusal));
        }
        if let Command::Timer { timer, due } = &call.command {
            // Also one that `decide` refuses loses its row.
            let key = timer.key();
            self.timers.remove(&(call.room, key.clone()));
            self.committed.fired = Some((call.room, key, *due));
        }
        let facts = self.facts(&needs(&before, &call.command));
        let seed = self.random.draw();
        let decided = catch_unwind(AssertUnwindSafe(|| {
            let ctx = Ctx::new(self.now, &call.who, &facts, seed);
            decide(&before, &call.command, &ctx)
        }));
        let Ok(decision) = decided else {
            return Err(Violation("decide panicked".to_owned()));
        };
        if let Err(refusal) = &decision.reply {
            let recorded = decision
                .events
                .iter()
                .all(|e| matches!(e.body, EventBody::InterventionLateReply(_)));
            must!(
                recorded,
                "a refused command made events: {:?}",
                decision.events
            );
            must!(decision.timers.is_empty(), "a refused command moved timers");
            // A late reply is kept beside the decision that it came too late for.
            must!(
                !decision.events.is_empty()
                    || State {
                        seq: before.seq,
                        ..decision.state.clone()
                    } == before,
                "a refused command changed the state"
            );
            must!(refusal.code != Code::Internal, "our own fault: {refusal}");
            must!(!refusal.detail.is_empty(), "a refusal that says nothing");
        } else {
            let told = self.told.entry(Kind::of(&call.command)).or_default();
            *told = (told.0 + 1, told.1 - 1);
        }
        let reply = decision.reply.clone();
        self.commit(call, before, decision, &facts)?;
        Ok(reply)
    }

    fn commit(
        &mut self,
        call: &Call,
        before: State,
        decision: rooms::Decision,
        facts: &Facts,
    ) -> Result<(), Violation> {
        let team = decision.state.process.as_ref().map(|p| p.process.team_id);
        let process_id = decision.state.process.as_ref().map(|p| p.process.id);
        let mut folded = before.clone();
        let mut echoes = Vec::new();
        let mut absorbed = facts.clone();
        for draft in decision.events {
            let event = Event {
                id: EventId(self.fresh()),
                room_id: call.room,
                seq: folded.seq + 1,
                body: draft.body,
                at: self.now,
                workspace_id: self.space.clone(),
                channel: draft.channel,
                actor: call.who.actor(),
                process_id,
                step_id: draft.step_id,
                causation_id: None,
                correlation_id: None,
                origin: None,
            };
            let event = self.through_json(event)?;
            self.check_event(&folded, &event, team, &absorbed)?;
            absorbed.absorb(Some(call.room), team, event.channel, &event.body);
            folded.apply(&event);
            self.learn(call.room, event.channel, &event.body);
            if event.body.is_echoed() {
                echoes.push(event.clone());
            }
            self.append(event);
        }
        // What was refused without an event is known to have changed nothing.
        let happened = folded.seq != before.seq;
        if happened || decision.reply.is_ok() {
            must!(
                folded == decision.state,
                "the log adds up to another state than was decided"
            );
        }
        if happened {
            self.check_snapshot(&folded)?;
            let wrong = invariants::broken(&folded);
            must!(wrong.is_empty(), "{}", wrong.join("; "));
        }
        let moved = !decision.timers.is_empty() || self.committed.fired.is_some();
        self.set_timers(call.room, decision.timers);
        if happened || moved {
            for (key, timer) in invariants::timers(&folded) {
                let row = self.timers.get(&(call.room, key));
                must!(
                    row.is_some_and(|r| r.0 == timer),
                    "no timer is set for {timer:?}, but {row:?}"
                );
            }
        }
        if happened {
            self.states.insert(call.room, folded.clone());
            self.committed.rooms.push((before, folded));
        }
        self.echo(echoes);
        if let Some(record) = &mut self.record {
            record.push(self.committed.clone());
        }
        Ok(())
    }

    fn set_timers(&mut self, room: RoomId, ops: Vec<TimerOp>) {
        for op in &ops {
            match op {
                TimerOp::Set { timer, due } => {
                    self.timers
                        .insert((room, timer.key()), (timer.clone(), *due));
                }
                TimerOp::Clear { key } => {
                    self.timers.remove(&(room, key.clone()));
                }
            }
        }
        self.committed.timers = ops.into_iter().map(|op| (room, op)).collect();
    }

    /// A snapshot is read as the state that it was taken of. Most of a simulation's time goes into this, so not every state is tried.
    fn check_snapshot(&self, state: &State) -> Result<(), Violation> {
        if !self.thorough || !self.events.is_multiple_of(SNAPSHOT_EVERY) {
            return Ok(());
        }
        let text = serde_json::to_string(state).map_err(|e| Violation(e.to_string()))?;
        let parsed: State = serde_json::from_str(&text)
            .map_err(|e| Violation(format!("a snapshot cannot be read: {e}: {text}")))?;
        must!(
            parsed == *state,
            "a snapshot is read as another state: {text}"
        );
        Ok(())
    }

    /// Keeps what other rooms ask about: agents, templates, messages.
    pub fn learn(&mut self, room: RoomId, channel: Channel, body: &EventBody) {
        match body {
            EventBody::AgentRegistered(agent) | EventBody::AgentUpdated(agent) => {
                self.registry.insert(agent.id.clone(), agent.clone());
            }
            EventBody::AgentRemoved(change) => {
                if let Some(agent) = self.registry.get_mut(&change.id) {
                    agent.archived = true;
                }
            }
            EventBody::TemplateCreated(template) => {
                let key = (template.id, template.version);
                self.templates.insert(key, Arc::new(template.clone()));
            }
            EventBody::MessagePosted(message) => {
                let posted = Posted {
                    room,
                    channel,
                    author: (message.author.kind, message.author.id.clone()),
                    removed: false,
                };
                self.messages.insert(message.id, posted);
                if let Some(stream) = &message.stream_id {
                    self.streams.insert((room, stream.clone()), message.id);
                }
            }
            EventBody::MessageRemoved(removal) => {
                if let Some(posted) = self.messages.get_mut(&removal.id) {
                    posted.removed = true;
                }
            }
            _ => {}
        }
    }

    fn append(&mut self, event: Event) {
        self.events += 1;
        if self.thorough {
            self.logs
                .entry(event.room_id)
                .or_default()
                .push(event.clone());
        }
        self.committed.events.push(event);
    }

    /// The workspace's room hears of it too.
    fn echo(&mut self, firsts: Vec<Event>) {
        if firsts.is_empty() {
            return;
        }
        let before = self
            .states
            .get(&self.space_room)
            .cloned()
            .unwrap_or_default();
        let mut space = before.clone();
        for first in firsts {
            let echo = Event {
                id: EventId(self.fresh()),
                room_id: self.space_room,
                seq: space.seq + 1,
                origin: Some(Origin {
                    room_id: first.room_id,
                    seq: first.seq,
                }),
                ..first
            };
            space.apply(&echo);
            self.append(echo);
        }
        self.states.insert(self.space_room, space.clone());
        self.committed.rooms.push((before, space));
    }

    /// What is written is what is read.
    fn through_json(&self, event: Event) -> Result<Event, Violation> {
        if !self.thorough {
            return Ok(event);
        }
        let text = serde_json::to_string(&event).map_err(|e| Violation(e.to_string()))?;
        let parsed: Event = serde_json::from_str(&text)
            .map_err(|e| Violation(format!("an event cannot be read: {e}: {text}")))?;
        must!(parsed == event, "an event is read as another one: {text}");
        Ok(parsed)
    }

    /// What must hold at each event, where the state alone would not show it.
    fn check_event(
        &mut self,
        before: &State,
        event: &Event,
        team: Option<TeamId>,
        facts: &Facts,
    ) -> Result<(), Violation> {
        let begins = match &event.body {
            EventBody::AssignmentOffered(offer) => Some(&offer.attempt),
            EventBody::HandoffAccepted(c) => c.attempt.as_ref(),
            _ => None,
        };
        if let Some(attempt) = begins {
            let live = |all: Option<&BTreeSet<_>>| all.map_or(0, BTreeSet::len);
            let agent = self.registry.get(&attempt.agent_id);
            let slots = agent.map_or(0, |a| a.slots as usize);
            let in_use = live(facts.agent_live.get(&attempt.agent_id));
            must!(
                in_use < slots,
                "{} gets work with {in_use} of {slots} slots in use",
                attempt.agent_id
            );
            let most = team
                .and_then(|t| self.teams().find(|known| known.id == t))
                .map_or(0, |t| t.configuration.max_concurrent_tasks as usize);
            let at_work = live(team.and_then(|t| facts.team_live.get(&t)));
            must!(
                // A transfer adds none, so it may happen where the maximum was lowered meanwhile.
                at_work < most.max(team.map_or(0, |t| self.live_of_team(&t))),
                "a team of at most {most} at once gets more than {at_work}"
            );
        }
        let changed = match &event.body {
            EventBody::MessageEdited(edit) => Some(edit.id),
            EventBody::MessageRemoved(removal) => Some(removal.id),
            _ => None,
        };
        if let Some(id) = changed {
            let known = self.messages.get(&id);
            must!(
                known.is_some_and(|m| m.room == event.room_id && !m.removed),
                "the message {id} is changed, and there is {known:?}"
            );
        }
        let wrong = self
            .witnesses
            .entry(event.room_id)
            .or_default()
            .see(before, event);
        must!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    }

    /// The next timer that is due by `until`.
    pub fn next_timer(&self, until: Timestamp) -> Option<(RoomId, Timer, Timestamp)> {
        self.timers
            .iter()
            .filter(|(_, (_, due))| *due <= until)
            .min_by_key(|(_, (_, due))| *due)
            .map(|((room, _), (timer, due))| (*room, timer.clone(), *due))
    }

    /// Brings what a timer asks of another room there.
    fn bring(&mut self, room: RoomId, timer: &Timer) -> Result<(), Violation> {
        let state = self.states.get(&room).cloned().unwrap_or_default();
        let Some(asked) = outbound(&state, timer) else {
            return Ok(());
        };
        let who = Principal::system(self.space.clone());
        let call = Call {
            who: who.clone(),
            room: asked.room,
            command: asked.command,
        };
        if let Err(refusal) = self.execute(&call)?
            && let Some(command) = refused(timer, &refusal)
        {
            let _ = self.execute(&Call { who, room, command })?;
        }
        Ok(())
    }

    /// Fires every timer that is due, the oldest first.
    ///
    /// # Errors
    /// What does not hold.
    pub fn fire(&mut self) -> Result<u64, Violation> {
        let mut fired = 0;
        while let Some((room, timer, due)) = self.next_timer(self.now) {
            self.bring(room, &timer)?;
            let who = Principal::system(self.space.clone());
            let command = Command::Timer { timer, due };
            let _ = self.execute(&Call { who, room, command })?;
            fired += 1;
            must!(fired < 10_000, "timers set one another off for ever");
        }
        Ok(fired)
    }
}
