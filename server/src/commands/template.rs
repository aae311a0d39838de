//! Templates of processes.

use rooms::Command;
use rooms::model::template::ProcessTemplate;
use rooms::policy::Operation as O;
use rooms::request::CreateTemplate;

use super::table::{CommandRow, in_workspace};

pub fn rows() -> Vec<CommandRow> {
    vec![
        in_workspace(
            "template:create",
            "Make a template, or a new version of one",
            O::TemplatesCreate,
            |template: CreateTemplate| Command::CreateTemplate(Box::new(template)),
        )
        .gives::<ProcessTemplate>(),
    ]
}
