//! `cvm demo`: make a company whose truth is known, run its pipeline, hold the two side by side.

use std::collections::BTreeMap;

use arrow::array::{Array, Float64Array, RecordBatch};
use bytesize::ByteSize;
use indicatif::HumanCount;

use super::arguments::DemoArguments;
use super::project::compile_in;
use super::{CliError, console, generate, run, summary};
use crate::demo::{self, GenerateOptions, GenerateReport};
use crate::engine::Session;
use crate::plan::{Plan, table_reference};
use crate::publish::Published;
use crate::run::{machine, open_target};
use crate::score::Registry;
use crate::spec::Project;

const PIPELINE: &str = "pipelines/demo.yml";

pub(super) async fn demo(arguments: &DemoArguments, registry: &Registry) -> Result<(), CliError> {
    let folder = std::path::absolute(&arguments.to).map_err(|source| CliError::Io {
        what: format!("find {}", arguments.to.display()),
        source,
    })?;
    let raw = format!("file:{}", folder.join("raw").display());
    let lake = format!("file:{}", folder.join("lake").display());
    let options = GenerateOptions {
        customers: arguments.customers,
        seed: arguments.seed,
        threads: machine::cores(),
        ..GenerateOptions::default()
    };
    console::err(&format!("making a company of {} customers …\n", HumanCount(options.customers)));
    let made = generate::write(&options, &raw).await?;

    let project = Project::shipped(folder.clone());
    let environment = |name: &str| match name {
        "CVM_DEMO_RAW" => Some(raw.clone()),
        "CVM_DEMO_LAKE" => Some(lake.clone()),
        other => std::env::var(other).ok(),
    };
    let plan = compile_in(&project, PIPELINE, registry, &environment).await?;
    let report = run::execute(&plan, folder.clone(), options.as_of, &arguments.limits).await?;
    console::err(&summary::of(&report));
    let findings = Findings::read(&plan, &folder).await?;
    console::out(&tell(&made, &findings, &folder))
}
