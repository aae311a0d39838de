//! Teams, agents and participants of rooms as tables: what each command comes to in each state.

#![expect(
    clippy::unwrap_used,
    reason = "a world that cannot be made fails the test"
)]

mod world;

use rooms::id::AgentId;
use rooms::model::access::Principal;
use rooms::model::room::{ParticipantType, RoomRole};
use rooms::{Command, Refusal};
use serde_json::{Value, json};
use world::table::{Came, Row, agrees_with_the_documentation, render};
use world::{World, admin, agent, request};

type Ask = (&'static str, fn(&mut World) -> Result<Value, Refusal>);

/// A row for each state and command; each world is brought into its state by commands, and shown by `show`.
fn table(
    states: &[&'static str],
    make: fn(&str) -> World,
    asks: &[Ask],
    show: fn(&World) -> String,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for state in states {
        for (name, ask) in asks {
            let mut w = make(state);
            assert_eq!(
                show(&w),
                *state,
                "the world is in the state that it is made for"
            );
            let came = match ask(&mut w) {
                Ok(_) if show(&w) == *state => Came::Stays,
                Ok(_) => Came::To(show(&w)),
                Err(refusal) => {
                    assert_eq!(show(&w), *state, "a refusal changes nothing");
                    Came::Refused(refusal.code.as_str().to_owned())
                }
            };
            rows.push(Row {
                from: (*state).to_owned(),
                ask: (*name).to_owned(),
                came,
            });
        }
    }
    rows
}

fn update(w: &mut World, change: Value) -> Result<Value, Refusal> {
    w.run(&admin(), Command::UpdateTeam(request(change)))
}

// ---- the team

fn team(state: &str) -> World {
    let mut w = World::of_team(&["ada", "bob"], &json!({}));
    match state {
        "inactive" => drop(update(&mut w, json!({"status": "inactive"})).unwrap()),
        "archived" => drop(w.run(&admin(), Command::ArchiveTeam).unwrap()),
        _ => {}
    }
    w
}

const ON_TEAMS: &[Ask] = &[
    ("set active", |w| update(w, json!({"status": "active"}))),
    ("set inactive", |w| update(w, json!({"status": "inactive"}))),
    ("set archived", |w| update(w, json!({"status": "archived"}))),
    ("archive", |w| w.run(&admin(), Command::ArchiveTeam)),
    ("other members", |w| {
        let only = json!({"agents": [{"agentId": "cid", "role": "leader"}]});
        update(w, only)
    }),
    ("at most nothing at once", |w| {
        update(w, json!({"configuration": {"maxConcurrentTasks": 0}}))
    }),
    ("made again", |w| {
        let again = json!({"name": "Team", "agents": [{"agentId": "ada", "role": "leader"}]});
        let team_id = w.team_id();
        let team = request(again);
        w.run(&admin(), Command::CreateTeam { team_id, team })
    }),
    ("an agent archives it", |w| {
        w.run(&agent("ada"), Command::ArchiveTeam)
    }),
    ("a process starts", |w| {
        // In a room of its own, with the team as it is now.
        let (state, checked) = (std::mem::take(&mut w.state), w.checked);
        w.checked = false;
        let started = w.start(json!([{"name": "Only"}]), json!({}));
        w.state = state;
        w.checked = checked;
        started
    }),
];

#[test]
fn a_team_does_what_its_table_says() {
    let show = |w: &World| {
        let team = w.state.team.as_ref();
        team.map_or("none", |t| t.status.as_str()).to_owned()
    };
    let rows = table(&["active", "inactive", "archived"], team, ON_TEAMS, show);
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Team", &rows, str::to_owned);
}

#[test]
fn a_teams_room_follows_the_roles_of_its_members() {
    let mut w = World::of_team(&["ada", "bob"], &json!({}));
    let role = |w: &World, id: &str| w.state.given_role(ParticipantType::Agent, id);
    let members = |all: &[(&str, &str, bool)]| {
        let member = |&(id, role, active): &(&str, &str, bool)| json!({"agentId": id, "role": role, "isActive": active});
        json!({"agents": all.iter().map(member).collect::<Vec<_>>()})
    };
    let both = [("ada", "specialist", true), ("bob", "leader", true)];
    update(&mut w, members(&both)).unwrap();
    assert_eq!(role(&w, "ada"), Some(RoomRole::Participant));
    assert_eq!(role(&w, "bob"), Some(RoomRole::Coordinator));
    let events = w.events.len();
    update(&mut w, members(&both)).unwrap();
    assert_eq!(
        w.events.len(),
        events + 1,
        "nobody changes: the team alone is told"
    );

    let resting = [("ada", "specialist", false), ("bob", "leader", true)];
    update(&mut w, members(&resting)).unwrap();
    assert_eq!(role(&w, "ada"), None);
    let events = w.events.len();
    update(&mut w, members(&resting)).unwrap();
    assert_eq!(w.events.len(), events + 1, "who has left leaves once");
    update(&mut w, members(&both)).unwrap();
    assert_eq!(role(&w, "ada"), Some(RoomRole::Participant));
    update(&mut w, members(&both[1..])).unwrap();
    assert_eq!(role(&w, "ada"), None);
}

#[test]
fn what_is_said_of_teams_and_agents_has_limits_and_all_that_is_wrong_is_named() {
    let mut w = agent_in("removed");
    let long = "x".repeat(32 * 1024 + 1);
    let paths = |refused: Result<Value, Refusal>| {
        let refusal = refused.unwrap_err();
        assert_eq!(refusal.code, rooms::Code::InvalidRequest);
        let paths = refusal.errors.into_iter().map(|e| e.path);
        paths.collect::<Vec<_>>().join(" ")
    };
    let many: Vec<_> = (0..201).map(|n| n.to_string()).collect();
    let change = json!({"description": long, "agents": [
        {"agentId": "bob", "role": "leader", "specialization": long, "capabilities": ["a", " "]},
        {"agentId": "ada", "role": "support"},
        {"agentId": "bob", "role": "support", "capabilities": many},
    ]});
    let wrong = "agents[0].specialization agents[0].capabilities[1] agents[1].agentId agents[2].agentId agents[2].capabilities description";
    assert_eq!(paths(update(&mut w, change)), wrong);
    let all = json!({"id": "cid", "name": "Cid", "description": long, "capabilities": many});
    let register = Command::RegisterAgent(request(all));
    assert_eq!(paths(w.run(&admin(), register)), "description capabilities");
    let change = request(json!({"description": long, "capabilities": [long]}));
    let agent_id = AgentId::from("bob");
    let change = Command::UpdateAgent { agent_id, change };
    assert_eq!(
        paths(w.run(&admin(), change)),
        "description capabilities[0]"
    );
    let ready = Command::AgentReady {
        agent_id: "bob".into(),
        slots: None,
        capabilities: Some(many),
    };
    assert_eq!(paths(w.run(&agent("bob"), ready)), "capabilities");
}

#[test]
fn a_configuration_is_laid_over_what_was_there_field_by_field() {
    let mut w = World::of_team(
        &["ada"],
        &json!({"maxConcurrentTasks": 7, "timeoutSettings": {"leaseMs": 1_000}}),
    );
    let more = json!({"humanApprovalRequired": true, "timeoutSettings": {"offerMs": 2_000}});
    update(&mut w, json!({"configuration": more})).unwrap();
    let c = &w.state.team.as_ref().unwrap().configuration;
    assert_eq!(
        (c.max_concurrent_tasks, c.human_approval_required),
        (7, true)
    );
    let t = &c.timeout_settings;
    assert_eq!(
        (t.lease_ms, t.offer_ms, t.task_timeout),
        (1_000, 2_000, 300_000)
    );
}

// ---- the agent

fn registered(w: &mut World) -> Result<Value, Refusal> {
    let all = json!({"id": "ada", "name": "Ada", "slots": 2});
    w.run(&admin(), Command::RegisterAgent(request(all)))
}

fn removed(w: &mut World) -> Result<Value, Refusal> {
    let agent_id = AgentId::from("ada");
    w.run(&admin(), Command::RemoveAgent { agent_id })
}

fn agent_in(state: &str) -> World {
    // Making a team of an unknown agent makes the agent provisional.
    let mut w = World::of_team(&["ada", "bob"], &json!({}));
    if state != "provisional" {
        registered(&mut w).unwrap();
    }
    if state == "removed" {
        removed(&mut w).unwrap();
    }
    w
}

fn ready(w: &mut World, slots: u32) -> Result<Value, Refusal> {
    let command = Command::AgentReady {
        agent_id: "ada".into(),
        slots: Some(slots),
        capabilities: None,
    };
    w.run(&agent("ada"), command)
}

const ON_AGENTS: &[Ask] = &[
    ("register", registered),
    ("remove", removed),
    ("change", |w| {
        let change = request(json!({"slots": 3}));
        let agent_id = AgentId::from("ada");
        w.run(&admin(), Command::UpdateAgent { agent_id, change })
    }),
    ("change to no slots", |w| {
        let change = request(json!({"slots": 0}));
        let agent_id = AgentId::from("ada");
        w.run(&admin(), Command::UpdateAgent { agent_id, change })
    }),
    ("announces itself", |w| ready(w, 4)),
    ("another announces it", |w| {
        let command = Command::AgentReady {
            agent_id: "ada".into(),
            slots: None,
            capabilities: None,
        };
        w.run(&world::person("eve"), command)
    }),
];

#[test]
fn an_agent_does_what_its_table_says() {
    let show = |w: &World| {
        let ada = w.facts.agents.get(&AgentId::from("ada"));
        match ada {
            None => "none",
            Some(a) if a.archived => "removed",
            Some(a) if a.provisional => "provisional",
            Some(_) => "registered",
        }
        .to_owned()
    };
    let rows = table(
        &["provisional", "registered", "removed"],
        agent_in,
        ON_AGENTS,
        show,
    );
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Agent", &rows, str::to_owned);
}

// ---- the participant

fn give(w: &mut World, who: &Principal, role: &str) -> Result<Value, Refusal> {
    let joins = json!({"type": "agent", "id": "cid", "role": role});
    w.run(who, Command::Invite(request(joins)))
}

fn take_out(w: &mut World, who: &Principal) -> Result<Value, Refusal> {
    let leaves = json!({"type": "agent", "id": "cid"});
    w.run(who, Command::RemoveParticipant(request(leaves)))
}

/// A team's room in which `ada` coordinates; it is `cid`'s role that changes.
fn participant_in(state: &str) -> World {
    let mut w = World::of_team(&["ada", "bob"], &json!({}));
    let all = json!({"id": "cid", "name": "Cid"});
    w.run(&admin(), Command::RegisterAgent(request(all)))
        .unwrap();
    let leads = json!({"type": "agent", "id": "ada", "role": "coordinator"});
    w.run(&admin(), Command::Invite(request(leads))).unwrap();
    if state != "none" {
        give(&mut w, &admin(), state).unwrap();
    }
    w
}

const ON_PARTICIPANTS: &[Ask] = &[
    ("coordinator: observer", |w| {
        give(w, &agent("ada"), "observer")
    }),
    ("coordinator: particip.", |w| {
        give(w, &agent("ada"), "participant")
    }),
    ("coordinator: coordin.", |w| {
        give(w, &agent("ada"), "coordinator")
    }),
    ("coordinator: superv.", |w| {
        give(w, &agent("ada"), "supervisor")
    }),
    ("participant: particip.", |w| {
        give(w, &agent("bob"), "participant")
    }),
    ("itself: coordinator", |w| {
        give(w, &agent("cid"), "coordinator")
    }),
    ("coordinator removes", |w| take_out(w, &agent("ada"))),
    ("participant removes", |w| take_out(w, &agent("bob"))),
    ("it leaves", |w| take_out(w, &agent("cid"))),
    ("it posts", |w| {
        let post = request(json!({"body": "Hello"}));
        w.run(&agent("cid"), Command::PostMessage(post))
    }),
];

#[test]
fn a_participant_does_what_its_table_says() {
    let show = |w: &World| {
        let role = w.state.given_role(ParticipantType::Agent, "cid");
        role.map_or("none", RoomRole::as_str).to_owned()
    };
    let rows = table(
        &[
            "none",
            "observer",
            "participant",
            "coordinator",
            "supervisor",
        ],
        participant_in,
        ON_PARTICIPANTS,
        show,
    );
    insta::assert_snapshot!(render(&rows));
    agrees_with_the_documentation("Participant", &rows, str::to_owned);
}

#[test]
fn a_room_keeps_its_last_supervisor() {
    let mut w = World::of_team(&["ada"], &json!({}));
    let me = json!({"type": "human", "id": "admin"});
    let gone = w.run(&admin(), Command::RemoveParticipant(request(me.clone())));
    assert_eq!(gone.unwrap_err().code, rooms::Code::Conflict);
    let less = json!({"type": "human", "id": "admin", "role": "observer"});
    let less = w.run(&admin(), Command::Invite(request(less)));
    assert_eq!(less.unwrap_err().code, rooms::Code::Conflict);
    let other = json!({"type": "human", "id": "eve", "role": "supervisor"});
    w.run(&admin(), Command::Invite(request(other))).unwrap();
    w.run(&admin(), Command::RemoveParticipant(request(me)))
        .unwrap();
}
