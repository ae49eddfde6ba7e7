//! `cvm query`: the published tables, all of one version, through the manifest.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;

use super::arguments::{QueryArguments, RowFormat};
use super::project::plan_of;
use super::{CliError, console};
use crate::engine::Session;
use crate::plan::table_reference;
use crate::publish::Published;
use crate::run::open_target;
use crate::score::Registry;

/// The name under which the engine knows the published objects' store.
const STORE: &str = "published://target";

pub(super) async fn query(arguments: &QueryArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = open_target(&plan, &root)?;
    let Some(published) = Published::open(&target).await? else {
        return Err(CliError::NothingPublished { url: target.url.to_string() });
    };
    let session = Session::for_planning();
    let url = |text: &str| {
        url::Url::parse(text).map_err(|source| CliError::Io {
            what: format!("read {text}"),
            source: std::io::Error::other(source),
        })
    };
    session.register_store(&url(STORE)?, Arc::clone(&target.store));
    for (name, table) in &published.tables {
        let files = table.files.iter().map(|file| url(&format!("{STORE}/{file}")));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let provider = session
            .parquet_objects(&files, Arc::clone(&table.schema))
            .map_err(CliError::Query)?;
        session.register(&table_reference(name), provider).map_err(CliError::Query)?;
    }
    let plan = session.plan_text(&arguments.sql).await.map_err(CliError::Query)?;
    let batches = session.frame(plan).collect().await.map_err(CliError::Query)?;
    console::out(&print(&batches, arguments.format).map_err(|error| CliError::Query(error.into()))?)
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
        writer.write_record(schema.fields().iter().map(|field| field.name())).map_err(failed)?;
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
