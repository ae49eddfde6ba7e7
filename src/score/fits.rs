//! The table `model_fits`: what every fit of a run came to.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// One parameter of one fit. A fit that found nothing has one row, without parameter and estimate, and a reason.
#[derive(Debug, Clone, PartialEq)]
pub struct FitRow {
    /// The model's name, as in `bg_nbd`.
    pub model: &'static str,
    /// The parameter's name; empty where there is no fit.
    pub parameter: &'static str,
    /// Its estimate.
    pub estimate: Option<f64>,
    /// Its standard error from the observed information; none where that is singular.
    pub standard_error: Option<f64>,
    /// The log-likelihood at the estimates.
    pub log_likelihood: Option<f64>,
    /// Customers that the fit saw.
    pub customers: i64,
    /// Distinct summaries among them.
    pub distinct_summaries: i64,
    /// Whether the search converged.
    pub converged: bool,
    /// Steps that the search took.
    pub iterations: i64,
    /// Why there is no fit, or what speaks against it.
    pub reason: Option<String>,
}

/// The schema of `model_fits`: the score's name, then the fields of [`FitRow`].
pub fn fits_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("score", DataType::Utf8, false),
        Field::new("model", DataType::Utf8, false),
        Field::new("parameter", DataType::Utf8, false),
        Field::new("estimate", DataType::Float64, true),
        Field::new("standard_error", DataType::Float64, true),
        Field::new("log_likelihood", DataType::Float64, true),
        Field::new("customers", DataType::Int64, false),
        Field::new("distinct_summaries", DataType::Int64, false),
        Field::new("converged", DataType::Boolean, false),
        Field::new("iterations", DataType::Int64, false),
        Field::new("reason", DataType::Utf8, true),
    ]))
}

/// The rows of all scores, sorted by score, model and parameter.
///
/// # Errors
/// When Arrow refuses, which it has no reason to.
pub fn fits_to_batch(mut rows: Vec<(String, FitRow)>) -> Result<RecordBatch, ArrowError> {
    rows.sort_by(|(a, x), (b, y)| (a, x.model, x.parameter).cmp(&(b, y.model, y.parameter)));
    let text = |get: fn(&(String, FitRow)) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let float = |get: fn(&FitRow) -> Option<f64>| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|(_, row)| get(row))
                .collect::<Float64Array>(),
        )
    };
    let integer = |get: fn(&FitRow) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|(_, row)| get(row)),
        ))
    };
    let converged: BooleanArray = rows.iter().map(|(_, row)| Some(row.converged)).collect();
    RecordBatch::try_new(
        fits_schema(),
        vec![
            text(|(score, _)| Some(score.as_str())),
            text(|(_, row)| Some(row.model)),
            text(|(_, row)| Some(row.parameter)),
            float(|row| row.estimate),
            float(|row| row.standard_error),
            float(|row| row.log_likelihood),
            integer(|row| row.customers),
            integer(|row| row.distinct_summaries),
            Arc::new(converged),
            integer(|row| row.iterations),
            text(|(_, row)| row.reason.as_deref()),
        ],
    )
}
