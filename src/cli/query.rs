//! `cvm query`: the published tables, all of one version, through the manifest.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;

use super::arguments::{QueryArguments, RowFormat};
use super::project::plan_of;
use super::{CliError, console};
use crate::run::{PublishedTables, QueryError, open_target};
use crate::score::Registry;

pub(super) async fn query(arguments: &QueryArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let tables = PublishedTables::open(&open_target(&plan, &root)?).await?;
    let batches = tables.query(&arguments.sql).await?;
    console::out(
        &print(&batches, arguments.format).map_err(|error| QueryError::Engine(error.into()))?,
    )
}

fn print(batches: &[RecordBatch], format: RowFormat) -> Result<String, arrow::error::ArrowError> {
    match format {
        RowFormat::Table => Ok(format!("{}\n", pretty_format_batches(batches)?)),
        RowFormat::Csv => csv(batches),
        RowFormat::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
            writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
            writer.finish()?;
            Ok(String::from_utf8_lossy(&writer.into_inner()).into_owned())
        }
    }
}

fn csv(batches: &[RecordBatch]) -> Result<String, arrow::error::ArrowError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| arrow::error::ArrowError::CsvError(error.to_string());
    if let Some(first) = batches.first() {
        let schema = first.schema();
        writer
            .write_record(schema.fields().iter().map(|field| field.name()))
            .map_err(failed)?;
    }
    let options = FormatOptions::default();
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.value(row).to_string());
            writer.write_record(cells).map_err(failed)?;
        }
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| arrow::error::ArrowError::CsvError(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
