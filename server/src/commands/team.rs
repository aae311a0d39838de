//! Teams.

use rooms::Command;
use rooms::id::TeamId;
use rooms::model::team::AgentTeam;
use rooms::policy::Operation as O;
use storage::read::Thing;

use super::payload::Nothing;
use super::table::{CommandRow, new, of};

const TEAM: (&str, Thing) = ("teamId", Thing::Team);

pub fn rows() -> Vec<CommandRow> {
    vec![
        new("team:create", "Make a team", O::TeamsCreate, |id, team| {
            Command::CreateTeam {
                team_id: TeamId(id),
                team,
            }
        })
        .gives::<AgentTeam>(),
        of(
            "team:update",
            "Change a team",
            O::TeamsUpdate,
            TEAM,
            |_: TeamId, change| Command::UpdateTeam(change),
        )
        .gives::<AgentTeam>(),
        of(
            "team:archive",
            "Close a team",
            O::TeamsDelete,
            TEAM,
            |_: TeamId, _: Nothing| Command::ArchiveTeam,
        )
        .gives::<AgentTeam>(),
    ]
}
