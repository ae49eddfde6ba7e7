//! From a pipeline's path to its plan.

use std::path::{Path, PathBuf};

use super::CliError;
use super::console;
use crate::plan::{Plan, compile};
use crate::score::Registry;
use crate::spec::Project;

/// The plan of the pipeline file at `path`, and the folder of its project. Warnings are printed.
pub(super) async fn plan_of(path: &Path, registry: &Registry) -> Result<(Plan, PathBuf), CliError> {
    let (project, within) = Project::around(path)?;
    let plan = compile_in(&project, &within, registry, &|name| {
        std::env::var(name).ok()
    })
    .await?;
    Ok((plan, project.root))
}

/// The plan of a file of `project`.
pub(super) async fn compile_in(
    project: &Project,
    within: &str,
    registry: &Registry,
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Plan, CliError> {
    let plan = compile(project, within, registry, environment)
        .await
        .map_err(CliError::Problems)?;
    for warning in &plan.warnings {
        console::err(&format!("warning: {warning} ({})\n", warning.help));
    }
    Ok(plan)
}
