//! Processes.

use rooms::Command;
use rooms::id::ProcessId;
use rooms::model::process::OrchestrationProcess;
use rooms::policy::Operation as O;
use rooms::request::StartProcess;
use storage::read::Thing;

use super::table::{CommandRow, new, of};

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
    ]
}
