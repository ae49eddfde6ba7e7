//! From a pipeline's path to its plan.

use std::path::{Path, PathBuf};

use super::CliError;
use super::telling;
use crate::plan::{Plan, compile};
use crate::publish::Target;
use crate::run::{RunError, open_history, open_target};
use crate::score::Registry;
use crate::spec::{Problem, Project};

/// The plan of the pipeline file at `path`, and the folder of its project. Warnings are printed.
pub(super) async fn plan_of(path: &Path, registry: &Registry) -> Result<(Plan, PathBuf), CliError> {
    let (project, within) = Project::around(path)?;
    let plan = compile_in(&project, &within, registry, &environment).await?;
    Ok((plan, project.root))
}

/// Where the tables of a plan are published, or their history.
pub(super) fn target_of(plan: &Plan, root: &Path, history: bool) -> Result<Target, RunError> {
    if history {
        open_history(plan, root)
    } else {
        open_target(plan, root)
    }
}

/// What `${name}` stands for: a variable of the process, or after `file:` the text of a file, as secrets are mounted. The line
/// end that a file closes with is no part of it.
pub(super) fn environment(name: &str) -> Option<String> {
    match name.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path)
            .ok()
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
        None => std::env::var(name).ok(),
    }
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
    for warning in plan.warnings.iter().map(Problem::shown) {
        telling::warning(&format!("{warning} ({})", warning.help));
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::environment;

    #[test]
    fn a_mounted_file_is_read_without_its_last_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let name = format!("file:{}", path.display());
        assert_eq!(environment(&name), None);
        std::fs::write(&path, "hunter2\r\n").unwrap();
        assert_eq!(environment(&name).as_deref(), Some("hunter2"));
    }
}
