//! The table `model_fits`: what every fit of a run came to.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::NaiveDate;
use cvm_models::fit::Estimate;
use cvm_models::optimise::Convergence;
use serde::{Deserialize, Serialize};

use super::exact;

/// Which days a fit saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Period {
    /// All days before the run's `$as_of`: predictions come from these fits.
    All,
    /// The days before those held out: what comes is held against these fits.
    Calibration,
}

impl Period {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Calibration => "calibration",
        }
    }
}

/// One parameter of one fit. A fit that found nothing has one row, without parameter and estimate, and a reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// The model's name, as in `bg_nbd`.
    pub model: Cow<'static, str>,
    /// The days that it saw.
    pub period: Period,
    /// The parameter's name; empty where there is no fit.
    pub parameter: String,
    /// Its estimate.
    #[serde(with = "exact::option")]
    pub estimate: Option<f64>,
    /// Its standard error from the observed information; none where that is singular.
    #[serde(with = "exact::option")]
    pub standard_error: Option<f64>,
    /// The log-likelihood at the estimates.
    #[serde(with = "exact::option")]
    pub log_likelihood: Option<f64>,
    /// Akaike's information criterion; less is better.
    #[serde(with = "exact::option")]
    pub aic: Option<f64>,
    /// The Bayesian information criterion; less is better.
    #[serde(with = "exact::option")]
    pub bic: Option<f64>,
    /// Customers that the fit saw.
    pub customers: i64,
    /// Distinct summaries among them.
    pub distinct_summaries: i64,
    /// Whether the search converged.
    pub converged: bool,
    /// Steps that the search took.
    pub iterations: i64,
    /// Whether predictions are made with it.
    pub is_chosen: bool,
    /// Why there is no fit, or what speaks against it.
    pub reason: Option<String>,
}

impl FitRow {
    /// A row that says of a model only that there is no fit.
    pub fn without_fit(model: &'static str, period: Period) -> Self {
        Self {
            model: model.into(),
            period,
            parameter: String::new(),
            estimate: None,
            standard_error: None,
            log_likelihood: None,
            aic: None,
            bic: None,
            customers: 0,
            distinct_summaries: 0,
            converged: false,
            iterations: 0,
            is_chosen: false,
            reason: None,
        }
    }

    /// This row once for each parameter.
    pub(super) fn of_parameters(
        &self,
        estimates: &[Estimate],
        convergence: &Convergence,
        remark: Option<&str>,
    ) -> Vec<Self> {
        let reason = if convergence.converged {
            remark.map(str::to_owned)
        } else {
            let why = convergence.reason.name();
            Some(format!("the search did not converge: {why}"))
        };
        estimates
            .iter()
            .map(|estimate| Self {
                parameter: estimate.name.clone(),
                estimate: Some(estimate.value),
                standard_error: estimate.standard_error,
                converged: convergence.converged,
                iterations: i64::from(convergence.iterations),
                reason: reason.clone(),
                ..self.clone()
            })
            .collect()
    }
}

/// The estimates of an earlier run by score, model and parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviousFits {
    /// The exclusive end of what that run saw.
    pub as_of: NaiveDate,
    /// Its estimates from all days.
    pub estimates: BTreeMap<(String, String, String), f64>,
}

/// The schema of `model_fits`: the score's name, the fields of [`FitRow`], and the drift since an earlier run.
pub fn fits_schema() -> SchemaRef {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("score", DataType::Utf8, false),
        field("model", DataType::Utf8, false),
        field("period", DataType::Utf8, false),
        field("parameter", DataType::Utf8, false),
        field("estimate", DataType::Float64, true),
        field("standard_error", DataType::Float64, true),
        field("log_likelihood", DataType::Float64, true),
        field("aic", DataType::Float64, true),
        field("bic", DataType::Float64, true),
        field("customers", DataType::Int64, false),
        field("distinct_summaries", DataType::Int64, false),
        field("converged", DataType::Boolean, false),
        field("iterations", DataType::Int64, false),
        field("is_chosen", DataType::Boolean, false),
        field("previous_as_of_date", DataType::Date32, true),
        field("previous_estimate", DataType::Float64, true),
        field("drift", DataType::Float64, true),
        field("reason", DataType::Utf8, true),
    ]))
}

/// The rows of all scores, sorted by score, model, period and parameter.
///
/// # Errors
/// When Arrow refuses, which it has no reason to.
pub fn fits_to_batch(
    mut rows: Vec<(String, FitRow)>,
    previous: Option<&PreviousFits>,
) -> Result<RecordBatch, ArrowError> {
    let key = |(score, row): &(String, FitRow)| {
        (
            score.clone(),
            row.model.clone(),
            row.period.name(),
            row.parameter.clone(),
        )
    };
    rows.sort_by_key(key);
    let text = |get: fn(&(String, FitRow)) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let float = |get: &dyn Fn(&(String, FitRow)) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Float64Array>())
    };
    let integer = |get: fn(&FitRow) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|(_, row)| get(row)),
        ))
    };
    let boolean = |get: fn(&FitRow) -> bool| -> ArrayRef {
        let values = rows.iter().map(|(_, row)| Some(get(row)));
        Arc::new(values.collect::<BooleanArray>())
    };
    let before = |(score, row): &(String, FitRow)| {
        let key = (
            score.clone(),
            row.model.clone().into_owned(),
            row.parameter.clone(),
        );
        let known = previous?.estimates.get(&key).copied();
        known.filter(|_| row.period == Period::All)
    };
    let drift = |row: &(String, FitRow)| {
        let error = row.1.standard_error.filter(|error| *error > 0.0)?;
        Some((row.1.estimate? - before(row)?) / error)
    };
    let day = |row: &(String, FitRow)| {
        before(row)?;
        previous.map(|run| arrow::datatypes::Date32Type::from_naive_date(run.as_of))
    };
    RecordBatch::try_new(
        fits_schema(),
        vec![
            text(|(score, _)| Some(score.as_str())),
            text(|(_, row)| Some(row.model.as_ref())),
            text(|(_, row)| Some(row.period.name())),
            text(|(_, row)| Some(row.parameter.as_str())),
            float(&|(_, row)| row.estimate),
            float(&|(_, row)| row.standard_error),
            float(&|(_, row)| row.log_likelihood),
            float(&|(_, row)| row.aic),
            float(&|(_, row)| row.bic),
            integer(|row| row.customers),
            integer(|row| row.distinct_summaries),
            boolean(|row| row.converged),
            integer(|row| row.iterations),
            boolean(|row| row.is_chosen),
            Arc::new(rows.iter().map(day).collect::<Date32Array>()),
            float(&before),
            float(&drift),
            text(|(_, row)| row.reason.as_deref()),
        ],
    )
}
