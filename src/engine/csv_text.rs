//! Rows as CSV, for people to look at.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The rows of batches of one schema with a header; nothing at all where there is no batch. A null is an empty cell.
///
/// # Errors
/// When a value cannot be shown.
pub fn to_csv(batches: &[RecordBatch]) -> Result<String, ArrowError> {
    let failed = |error: csv::Error| ArrowError::CsvError(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(first) = batches.first() {
        let schema = first.schema();
        let names = schema.fields().iter().map(|field| field.name());
        writer.write_record(names).map_err(failed)?;
    }
    let options = FormatOptions::default();
    for batch in batches {
        let columns = batch.columns().iter();
        let columns = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|column| column.value(row).to_string());
            writer.write_record(cells).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner();
    let bytes = bytes.map_err(|error| ArrowError::CsvError(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
