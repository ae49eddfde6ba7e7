//! `cvm docs`.

use std::path::PathBuf;

use super::arguments::DocsArguments;
use super::project::{compile_in, environment};
use super::{CliError, console};
use crate::docs::document;
use crate::score::Registry;
use crate::spec::Project;

pub(super) async fn docs(arguments: &DocsArguments, registry: &Registry) -> Result<(), CliError> {
    let (project, within) = Project::around(&arguments.pipeline)?;
    let plan = compile_in(&project, &within, registry, &environment).await?;
    let made = document(&project, &within, &plan, &environment).map_err(CliError::Problems)?;
    let by_default = || PathBuf::from("docs").join(&plan.pipeline);
    let folder = arguments.to.clone().unwrap_or_else(by_default);
    std::fs::create_dir_all(&folder).map_err(|source| CliError::Io {
        what: format!("make {}", folder.display()),
        source,
    })?;
    for (ending, text) in [("md", &made.markdown), ("html", &made.html)] {
        let path = folder.join(format!("{}.{ending}", plan.pipeline));
        std::fs::write(&path, text).map_err(|source| CliError::Io {
            what: format!("write {}", path.display()),
            source,
        })?;
        console::out(&format!("{}\n", path.display()))?;
    }
    Ok(())
}
