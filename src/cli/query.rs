//! `cvm query`: the published tables, all of one version, through the manifest.

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;

use super::arguments::{QueryArguments, RowFormat};
use super::project::{plan_of, target_of};
use super::{CliError, console};
use crate::engine::to_csv;
use crate::run::{PublishedTables, QueryError};
use crate::score::Registry;

pub(super) async fn query(arguments: &QueryArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = target_of(&plan, &root, arguments.history)?;
    let tables = PublishedTables::open(&target).await?;
    let batches = tables.query(&arguments.sql).await?;
    console::out(
        &print(&batches, arguments.format).map_err(|error| QueryError::Engine(error.into()))?,
    )
}

pub(super) fn print(
    batches: &[RecordBatch],
    format: RowFormat,
) -> Result<String, arrow::error::ArrowError> {
    match format {
        RowFormat::Table => Ok(format!("{}\n", pretty_format_batches(batches)?)),
        RowFormat::Csv => to_csv(batches),
        RowFormat::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
            writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
            writer.finish()?;
            Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
        }
    }
}
