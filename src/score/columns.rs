//! Arrow columns as the slices that models work on.

use arrow::array::{Array, Date32Array, Float64Array, Int64Array, RecordBatch};

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
