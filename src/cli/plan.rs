//! `cvm validate` and `cvm plan`.

use super::arguments::{PipelineArguments, PlanArguments, PlanFormat};
use super::project::plan_of;
use super::{CliError, console};
use crate::plan::{ProvenScheme, render};
use crate::score::Registry;

pub(super) async fn validate(
    arguments: &PipelineArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let (plan, _) = plan_of(&arguments.pipeline, registry).await?;
    let schemes: String = plan.schemes.iter().map(proof_of).collect();
    console::out(&format!(
        "{} is valid: {} raw tables, {} stages, {} published tables\n{schemes}",
        plan.pipeline,
        plan.sources.len(),
        plan.stages.len(),
        plan.outputs.len(),
    ))
}

/// What was proven of a segmentation scheme.
fn proof_of(scheme: &ProvenScheme) -> String {
    match scheme.rules {
        Some(rules) => format!(
            "scheme {}: of {rules} rules exactly one holds for each of {} combinations of values\n",
            scheme.name, scheme.cells
        ),
        None => format!(
            "scheme {}: told by the table {}\n",
            scheme.name, scheme.reads
        ),
    }
}

pub(super) async fn plan(arguments: &PlanArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, _) = plan_of(&arguments.pipeline, registry).await?;
    console::out(&match arguments.format {
        PlanFormat::Tree => render::tree(&plan),
        PlanFormat::Json => format!("{:#}\n", render::json(&plan)),
        PlanFormat::Mermaid => render::mermaid(&plan),
    })
}
