//! Arrow columns as the slices that models work on.

use arrow::array::{
    Array, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::DataType;

use super::error::ScoreError;

pub(super) fn integers<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a Int64Array, ScoreError> {
    typed(batch, name, "bigint")
}

pub(super) fn doubles<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a Float64Array, ScoreError> {
    typed(batch, name, "double")
}

pub(super) fn dates<'a>(
    batch: &'a RecordBatch,
    name: &'static str,
) -> Result<&'a Date32Array, ScoreError> {
    typed(batch, name, "date")
}

/// Texts, in whichever of its representations the engine gives them.
pub(super) fn texts(batch: &RecordBatch, name: &'static str) -> Result<StringArray, ScoreError> {
    let column = batch.column_by_name(name);
    let column = column.ok_or(ScoreError::MissingColumn(name))?;
    if !matches!(
        column.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    ) {
        return Err(ScoreError::WrongType {
            column: name,
            expected: "varchar",
        });
    }
    let texts = arrow::compute::cast(column, &DataType::Utf8)?;
    Ok(texts.as_string::<i32>().clone())
}

/// A whole number that cannot be negative.
pub(super) fn at_least_zero(
    input: &str,
    name: &'static str,
    value: i64,
) -> Result<u64, ScoreError> {
    u64::try_from(value).map_err(|_| ScoreError::ImpossibleRow {
        input: input.to_owned(),
        message: format!("{name} is {value}"),
    })
}

fn typed<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    name: &'static str,
    expected: &'static str,
) -> Result<&'a A, ScoreError> {
    batch
        .column_by_name(name)
        .ok_or(ScoreError::MissingColumn(name))?
        .as_any()
        .downcast_ref()
        .ok_or(ScoreError::WrongType {
            column: name,
            expected,
        })
}
