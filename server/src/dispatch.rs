//! The dispatcher: ready steps find agents. It runs when something was committed, when an agent says it is ready, and once a second. As a rule a
//! step has found its agent before, in the transaction that made it ready ([`crate::handout`]); here are those that had to wait.
//!
//! It only proposes; `decide` checks the fit, the slots and the team's limit under lock, so two nodes cannot give one step twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use rooms::Command;
use rooms::id::{AgentId, RoomId, StepId, TeamId, WorkspaceId};
use rooms::model::access::Principal;
use storage::ready::{Place, ReadyStep};

use crate::board::{Board, Taker};
use crate::hub::Hub;
use crate::under_way::UnderWay;

/// Steps are read so many at a time.
pub const PAGE: usize = 500;
/// A round looks at so many pages, and the next one goes on after them: steps that nobody here can take hide none behind them for long, and
/// cost no more than this.
const PAGES: usize = 20;

/// An offer that takes longer waits for a lock that somebody else holds. It is left to itself, and what others can take is not kept waiting.
const OFFERED: Duration = Duration::from_millis(500);

/// So many steps are read beforehand, of the teams that could take some last time. Where more wait, the round trip does not count.
const FEW: usize = 32;

/// What the last round of a workspace saw.
#[derive(Default)]
struct Seen {
    /// How far it looked, where it did not come to the end.
    place: Option<Place>,
    /// The teams that could take a step, where few waited.
    open: Vec<TeamId>,
}

/// Runs until the process ends.
pub async fn run(hub: Arc<Hub>) {
    let mut seen = HashMap::new();
    let offering = UnderWay::default();
    loop {
        let _ = tokio::time::timeout(Duration::from_secs(1), hub.work.notified()).await;
        if hub.is_draining() {
            continue;
        }
        if let Err(e) = round(&hub, &mut seen, &offering).await {
            tracing::warn!(error = %e, "could not look for ready steps");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Gives out what can be given. `seen`: by the last round of each workspace.
async fn round(
    hub: &Arc<Hub>,
    seen: &mut HashMap<WorkspaceId, Seen>,
    offering: &UnderWay<StepId>,
) -> Result<(), storage::Error> {
    let mut spaces: BTreeMap<WorkspaceId, Vec<Taker>> = BTreeMap::new();
    for (space, agent, instance) in hub.agents.takers() {
        spaces.entry(space).or_default().push((agent, instance));
    }
    seen.retain(|space, _| spaces.contains_key(space));
    for (space, takers) in spaces {
        let system = Principal::system(space.clone());
        let last = seen.remove(&space).unwrap_or_default();
        let newest = hub.roster.newest(&space);
        // As a rule the same teams can take a step as last time, so their steps are read beside who they are.
        let (mut board, mut few) = tokio::try_join!(
            Board::read(hub, &space, &takers),
            hub.store().ready_steps(&last.open, None, FEW),
        )?;
        let mut now = Seen::default();
        // The most urgent first, whatever was seen; then on from where the last round stopped.
        let mut deeper = last.place;
        // What waits in teams that can take nothing is not read.
        let mut wanted: HashSet<_> = board.closed().cloned().collect();
        for n in 0..PAGES {
            let open = board.open();
            let (ready, end) = if n == 0 && open == last.open && few.len() < FEW {
                (std::mem::take(&mut few), None)
            } else {
                page(hub, &open, now.place).await?
            };
            if n == 0 && ready.len() < FEW {
                // Where nobody waits, those that could take a step last time are as likely as any to be the next.
                now.open = if open.is_empty() {
                    last.open.clone()
                } else {
                    open
                };
            }
            let rest = give_out(hub, &system, &mut board, ready, offering).await;
            let fitting = rest.iter().flat_map(|s| board.fitting(s.team_id, &s.step));
            wanted.extend(fitting.cloned());
            if end.is_some() {
                wanted.extend(board.closed().cloned());
            }
            now.place = deeper.take().max(end).filter(|_| end.is_some());
            if now.place.is_none() {
                break;
            }
        }
        hub.roster.seen(&space, newest, wanted, now.place.is_some());
        seen.insert(space, now);
    }
    Ok(())
}

/// Offers what can be taken: what is left. An agent whose offer came to nothing is free for the steps after it.
async fn give_out(
    hub: &Arc<Hub>,
    system: &Principal,
    board: &mut Board,
    mut ready: Vec<ReadyStep>,
    offering: &UnderWay<StepId>,
) -> Vec<ReadyStep> {
    while !ready.is_empty() {
        let mut rest = Vec::new();
        let mut offers = Vec::new();
        for waiting in ready {
            let Some(begun) = offering.begin(waiting.step.id) else {
                continue;
            };
            match board.choose(waiting.team_id, &waiting.step) {
                Some(tries) => {
                    let (hub, system) = (Arc::clone(hub), system.clone());
                    let (team, chosen) = (waiting.team_id, tries[0].0.clone());
                    let offered = tokio::spawn(async move {
                        let _begun = begun;
                        offer(&hub, &system, waiting, tries).await
                    });
                    offers.push(async move {
                        // One that may succeed yet is taken for taken.
                        let taken = match tokio::time::timeout(OFFERED, offered).await {
                            Ok(taken) => taken.unwrap_or_default(),
                            Err(_) => Some(chosen.clone()),
                        };
                        (team, chosen, taken)
                    });
                }
                None => rest.push(waiting),
            }
        }
        let mut freed = false;
        for (team, chosen, taken) in futures::future::join_all(offers).await {
            if taken.as_ref() != Some(&chosen) {
                board.give_back(team, &chosen);
                freed = true;
                if let Some(other) = taken {
                    board.take(team, &other);
                }
            }
        }
        ready = rest;
        if !freed {
            break;
        }
    }
    ready
}

/// The next steps of these teams; and the last place, when more may follow.
///
/// # Errors
/// The database's.
pub async fn page(
    hub: &Hub,
    open: &[TeamId],
    after: Option<Place>,
) -> Result<(Vec<ReadyStep>, Option<Place>), storage::Error> {
    let ready = hub.store().ready_steps(open, after, PAGE).await?;
    let last = ready.get(PAGE - 1).map(|step| step.place);
    Ok((ready, last))
}

/// Offers to the first that can take it: who has the offer.
async fn offer(
    hub: &Arc<Hub>,
    system: &Principal,
    waiting: ReadyStep,
    tries: Vec<Taker>,
) -> Option<AgentId> {
    for (agent_id, instance_id) in tries {
        let command = Command::Offer {
            step_id: waiting.step.id,
            agent_id: agent_id.clone(),
            instance_id,
            claim: false,
        };
        match hub
            .execute(system, RoomId(waiting.process_id.0), command, None, None)
            .await
        {
            Ok(_) => return Some(agent_id),
            // The step is taken or gone: nobody else need be asked.
            Err(refusal) if refusal.code == rooms::Code::IllegalTransition => break,
            Err(_) => {}
        }
    }
    None
}
