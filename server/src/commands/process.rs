//! Processes.

use rooms::id::{ProcessId, RoomId};
use rooms::model::process::OrchestrationProcess;
use rooms::policy::Operation as O;
use rooms::request::{ForkProcess, StartProcess};
use rooms::{Command, Refusal};
use storage::read::Thing;

use super::room_of;
use super::table::{CommandRow, Kind, by_hand, new, of};
use crate::problem::storage_refusal;

const PROCESS: (&str, Thing) = ("processId", Thing::Process);

pub fn rows() -> Vec<CommandRow> {
    vec![
        new(
            "process:start",
            "Start a process",
            O::ProcessesCreate,
            |id, process: StartProcess| Command::StartProcess {
                process_id: ProcessId(id),
                process: Box::new(process),
            },
        )
        .gives::<OrchestrationProcess>(),
        of(
            "process:pause",
            "Let a process stand still",
            O::ProcessesUpdate,
            PROCESS,
            |_: ProcessId, reason| Command::PauseProcess(reason),
        )
        .gives::<OrchestrationProcess>(),
        of(
            "process:resume",
            "Let a paused process go on",
            O::ProcessesUpdate,
            PROCESS,
            |_: ProcessId, reason| Command::ResumeProcess(reason),
        )
        .gives::<OrchestrationProcess>(),
        of(
            "process:cancel",
            "Stop a process for good",
            O::ProcessesUpdate,
            PROCESS,
            |_: ProcessId, reason| Command::CancelProcess(reason),
        )
        .gives::<OrchestrationProcess>(),
        of(
            "process:retry",
            "Start the failed steps of a failed process anew",
            O::ProcessesUpdate,
            PROCESS,
            |_: ProcessId, reason| Command::RetryProcess(reason),
        )
        .gives::<OrchestrationProcess>(),
        fork(),
    ]
}

/// The new process's room is its own; whose past it takes, and with which team, the old one says.
fn fork() -> CommandRow {
    by_hand::<ForkProcess>(
        "process:fork",
        "Start a process with the past of another",
        O::ProcessesCreate,
        &[("processId", Kind::Text)],
        |hub, principal, mut payload| {
            Box::pin(async move {
                let source: uuid::Uuid = payload.id("processId", "process")?;
                let fork = payload.parse()?;
                let room = room_of(hub, principal, Thing::Process, source).await?;
                let state = hub.state(room).await.map_err(|e| storage_refusal(&e))?;
                let team_id = state
                    .process
                    .as_ref()
                    .map(|p| p.process.team_id)
                    .ok_or_else(|| Refusal::not_found("process", source))?;
                let id = hub.new_id().await.map_err(|e| storage_refusal(&e))?;
                let command = Command::ForkProcess {
                    process_id: ProcessId(id),
                    source: ProcessId(source),
                    team_id,
                    fork,
                };
                Ok((RoomId(id), command))
            })
        },
    )
    .in_turn()
    .gives::<OrchestrationProcess>()
}
