//! Agents, teams, templates: what a workspace has before anything is done.

use rooms::Command;
use rooms::id::{AgentId, RoomId, TeamId};
use rooms::model::access::{Permission, PrincipalKind};
use serde_json::json;

use super::body;
use super::scene::{Asked, Scene, agent_id};
use crate::Random;
use crate::process::{configuration, members, process, skills};

/// [`Kind::CreateWorkspaceRoom`](crate::Kind).
pub fn create_workspace_room(s: &Scene<'_>, _: &mut Random) -> Asked {
    let command = Command::CreateWorkspaceRoom {
        workspace_id: s.world.space.clone(),
        room_id: s.world.space_room,
        name: "Again".to_owned(),
    };
    (s.system(), s.world.space_room, command)
}

/// [`Kind::RegisterAgent`](crate::Kind).
pub fn register_agent(s: &Scene<'_>, random: &mut Random) -> Asked {
    let id = if random.chance(97) {
        agent_id(random)
    } else {
        "not valid"
    };
    let agent =
        json!({"id": id, "name": id, "capabilities": skills(random), "slots": 1 + random.below(3)});
    (
        s.world
            .principal(PrincipalKind::User, "admin", Permission::Admin),
        s.world.space_room,
        Command::RegisterAgent(body(agent)),
    )
}

/// [`Kind::UpdateAgent`](crate::Kind).
pub fn update_agent(s: &Scene<'_>, random: &mut Random) -> Asked {
    let mut change = json!({"slots": 1 + random.below(4)});
    if random.chance(40) {
        change["capabilities"] = json!(skills(random));
    }
    (
        s.human.clone(),
        s.world.space_room,
        Command::UpdateAgent {
            agent_id: agent_id(random).into(),
            change: body(change),
        },
    )
}

/// [`Kind::RemoveAgent`](crate::Kind).
pub fn remove_agent(s: &Scene<'_>, random: &mut Random) -> Asked {
    (
        s.human.clone(),
        s.world.space_room,
        Command::RemoveAgent {
            agent_id: agent_id(random).into(),
        },
    )
}

/// [`Kind::AgentReady`](crate::Kind).
pub fn agent_ready(s: &Scene<'_>, random: &mut Random) -> Asked {
    let id: AgentId = agent_id(random).into();
    let command = Command::AgentReady {
        agent_id: id.clone(),
        slots: random
            .chance(30)
            .then(|| u32::try_from(1 + random.below(3)).unwrap_or(1)),
        capabilities: random
            .chance(20)
            .then(|| skills(random).into_iter().map(str::to_owned).collect()),
    };
    (s.world.agent(&id), s.world.space_room, command)
}

/// [`Kind::CreateTeam`](crate::Kind).
pub fn create_team(s: &Scene<'_>, random: &mut Random) -> Asked {
    let team = json!({"name": "A team", "agents": members(random), "configuration": configuration(random)});
    (
        s.human.clone(),
        RoomId(s.fresh),
        Command::CreateTeam {
            team_id: TeamId(s.fresh),
            team: body(team),
        },
    )
}

/// [`Kind::UpdateTeam`](crate::Kind).
pub fn update_team(s: &Scene<'_>, random: &mut Random) -> Asked {
    let team = random
        .pick(&s.targets.teams)
        .map_or(s.world.space_room, |t| RoomId(t.0));
    let mut change = json!({});
    if random.chance(30) {
        change["agents"] = json!(members(random));
    }
    if random.chance(50) {
        change["configuration"] = configuration(random);
    }
    if random.chance(15) {
        change["status"] = json!(random.pick(&["active", "inactive", "active", "archived"]));
    }
    (s.human.clone(), team, Command::UpdateTeam(body(change)))
}

/// [`Kind::ArchiveTeam`](crate::Kind).
pub fn archive_team(s: &Scene<'_>, random: &mut Random) -> Asked {
    let team = random
        .pick(&s.targets.teams)
        .map_or(s.world.space_room, |t| RoomId(t.0));
    (s.human.clone(), team, Command::ArchiveTeam)
}

/// [`Kind::CreateTemplate`](crate::Kind).
pub fn create_template(s: &Scene<'_>, random: &mut Random) -> Asked {
    let mut template = process(random, &s.fresh.to_string(), s.world);
    if let Some(template) = template.as_object_mut() {
        template.remove("teamId");
        // A start from a template has no steps of its own.
        if template.remove("templateId").is_some() {
            template.insert("steps".to_owned(), json!([{"name": "Only"}]));
        }
    }
    if let Some(((id, _), _)) = s
        .world
        .templates
        .iter()
        .next()
        .filter(|_| random.chance(40))
    {
        template["id"] = json!(id);
    }
    (
        s.human.clone(),
        s.world.space_room,
        Command::CreateTemplate(Box::new(body(template))),
    )
}
