//! `cvm validate` and `cvm plan`.

use super::arguments::{PipelineArguments, PlanArguments, PlanFormat};
use super::project::plan_of;
use super::{CliError, console};
use crate::plan::render;
use crate::score::Registry;

pub(super) async fn validate(
    arguments: &PipelineArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let (plan, _) = plan_of(&arguments.pipeline, registry).await?;
    console::out(&format!(
        "{} is valid: {} raw tables, {} stages, {} published tables\n",
        plan.pipeline,
        plan.sources.len(),
        plan.stages.len(),
        plan.outputs.len(),
    ))
}

pub(super) async fn plan(arguments: &PlanArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, _) = plan_of(&arguments.pipeline, registry).await?;
    console::out(&match arguments.format {
        PlanFormat::Tree => render::tree(&plan),
        PlanFormat::Json => format!("{:#}\n", render::json(&plan)),
        PlanFormat::Mermaid => render::mermaid(&plan),
    })
}
