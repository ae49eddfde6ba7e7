//! `cvm list`.

use super::arguments::{ListArguments, Listed};
use super::{CliError, console};
use crate::score::Registry;
use crate::source::FORMATS;
use crate::spec::problem::Problem;
use crate::spec::{Project, TableFile, yaml};

pub(super) fn list(arguments: &ListArguments, registry: &Registry) -> Result<(), CliError> {
    let text = match arguments.what {
        Listed::Scorers => registry
            .scorers()
            .map(|scorer| entry(scorer.name(), scorer.description(), scorer.example()))
            .collect(),
        Listed::Formats => FORMATS
            .iter()
            .map(|format| entry(format.name, format.summary, format.example))
            .collect(),
        Listed::Entities => tables("sql/entities/")?,
        Listed::Marts => tables("sql/marts/")?,
    };
    console::out(&text)
}

fn entry(name: &str, description: &str, example: &str) -> String {
    let example: String = example
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!("{name}\n  {description}\n{example}\n")
}

/// The shipped tables of a folder: name, grain, description, columns.
fn tables(folder: &str) -> Result<String, CliError> {
    let project = Project::shipped(std::path::PathBuf::new());
    let mut text = String::new();
    let mut problems: Vec<Problem> = Vec::new();
    for file in project.files() {
        if !file.path.starts_with(folder) || !file.path.ends_with(".yml") {
            continue;
        }
        match yaml::decode::<TableFile>(file, &|_| None) {
            Ok(table) => {
                text.push_str(&format!(
                    "{} — {}\n  {}\n",
                    table.table.value,
                    table.grain,
                    table.description.trim()
                ));
                let columns: Vec<&str> = table.columns.keys().map(String::as_str).collect();
                text.push_str(&format!("  {}\n\n", columns.join(", ")));
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(text)
    } else {
        Err(CliError::Problems(problems))
    }
}
