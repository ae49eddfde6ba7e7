//! Documentation made from the code: a pipeline's data dictionary as Markdown and as one HTML page.
//!
//! Whatever is told stands in the plan or in the files that it was made of, so it cannot be out of date. The same project
//! gives the same bytes. Of stores only names and paths are told: URLs and options may hold secrets.

mod block;
mod declared;
mod graph;
mod html;
mod markdown;
mod sections;
mod tables;

use crate::plan::Plan;
use crate::spec::yaml::Environment;
use crate::spec::{Problem, Project};

use block::Section;
use declared::Declared;

/// The documentation of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documentation {
    /// For a repository or a wiki.
    pub markdown: String,
    /// For a browser: one file that loads nothing else.
    pub html: String,
}

/// Documents `plan`, which was made of the file at `path` of `project`.
///
/// # Errors
/// The faults of files that cannot be decoded; a project that was planned has none.
pub fn document(
    project: &Project,
    path: &str,
    plan: &Plan,
    environment: Environment<'_>,
) -> Result<Documentation, Vec<Problem>> {
    let declared = Declared::of(project, path, plan, environment)?;
    let mut sections: Vec<Section> = sections::of(plan, &declared);
    sections.extend(tables::of(plan, &declared));
    Ok(Documentation {
        markdown: markdown::page(plan, &sections),
        html: html::page(plan, &sections),
    })
}

#[cfg(test)]
mod tests;
