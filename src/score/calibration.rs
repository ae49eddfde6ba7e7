//! The table `model_calibration`: predictions held against what came.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};

use super::exact;

/// What the customers of a row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grouping {
    /// Nothing: everybody.
    Overall,
    /// The tenth of the ranking by purchases foretold, 01 the highest.
    Decile,
    /// Repeat purchases before the holdout.
    Frequency,
    /// The month of the first purchase.
    Cohort,
    /// The tenth of the scale of probability_alive; held against the share who bought.
    ProbabilityAlive,
    /// The week: repeat purchases of all, also in the days that the model was fitted to.
    Week,
}

impl Grouping {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overall => "overall",
            Self::Decile => "decile",
            Self::Frequency => "frequency",
            Self::Cohort => "cohort",
            Self::ProbabilityAlive => "probability_alive",
            Self::Week => "week",
        }
    }
}

/// One group of customers, or one week, of one model: what was foretold and what came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationRow {
    /// The model's name, as in `bg_nbd`.
    pub model: Cow<'static, str>,
    /// What the group has in common.
    pub grouping: Grouping,
    /// Which group; sorts as text. Empty for everybody.
    pub group: String,
    /// Customers in it.
    pub customers: i64,
    /// Purchase days foretold, in sum; for [`Grouping::ProbabilityAlive`] customers foretold to be alive.
    #[serde(with = "exact")]
    pub expected: f64,
    /// Purchase days that came; for [`Grouping::ProbabilityAlive`] customers who bought.
    #[serde(with = "exact")]
    pub actual: f64,
    /// expected ÷ actual − 1; none where nothing came.
    #[serde(with = "exact::option")]
    pub bias: Option<f64>,
    /// Mean absolute error a customer; of everybody only.
    #[serde(with = "exact::option")]
    pub mae: Option<f64>,
    /// Root mean squared error a customer; of everybody only.
    #[serde(with = "exact::option")]
    pub rmse: Option<f64>,
    /// Gini coefficient of the ranking as a share of the perfect ranking's; of everybody only.
    #[serde(with = "exact::option")]
    pub gini: Option<f64>,
    /// Mean log-probability of what came, the rule by which models are chosen; of everybody only.
    #[serde(with = "exact::option")]
    pub log_score: Option<f64>,
    /// Whether the score predicts with this model.
    pub is_chosen: bool,
}

/// The schema of `model_calibration`: the score's name, then the fields of [`CalibrationRow`].
pub fn calibration_schema() -> SchemaRef {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("score", DataType::Utf8, false),
        field("model", DataType::Utf8, false),
        field("grouping", DataType::Utf8, false),
        field("group_name", DataType::Utf8, false),
        field("customers", DataType::Int64, false),
        field("expected", DataType::Float64, false),
        field("actual", DataType::Float64, false),
        field("bias", DataType::Float64, true),
        field("mae", DataType::Float64, true),
        field("rmse", DataType::Float64, true),
        field("gini", DataType::Float64, true),
        field("log_score", DataType::Float64, true),
        field("is_chosen", DataType::Boolean, false),
    ]))
}

/// The rows of all scores, sorted by score, model, grouping and group.
///
/// # Errors
/// When Arrow refuses, which it has no reason to.
pub fn calibration_to_batch(
    mut rows: Vec<(String, CalibrationRow)>,
) -> Result<RecordBatch, ArrowError> {
    let key = |(score, row): &(String, CalibrationRow)| {
        (
            score.clone(),
            row.model.clone(),
            row.grouping.name(),
            row.group.clone(),
        )
    };
    rows.sort_by_key(key);
    let text = |get: fn(&(String, CalibrationRow)) -> &str| -> ArrayRef {
        Arc::new(
            rows.iter()
                .map(|row| Some(get(row)))
                .collect::<StringArray>(),
        )
    };
    let float = |get: fn(&CalibrationRow) -> Option<f64>| -> ArrayRef {
        let values = rows.iter().map(|(_, row)| get(row));
        Arc::new(values.collect::<Float64Array>())
    };
    let customers = rows.iter().map(|(_, row)| row.customers);
    let chosen = rows.iter().map(|(_, row)| Some(row.is_chosen));
    RecordBatch::try_new(
        calibration_schema(),
        vec![
            text(|(score, _)| score),
            text(|(_, row)| row.model.as_ref()),
            text(|(_, row)| row.grouping.name()),
            text(|(_, row)| &row.group),
            Arc::new(Int64Array::from_iter_values(customers)),
            float(|row| Some(row.expected)),
            float(|row| Some(row.actual)),
            float(|row| row.bias),
            float(|row| row.mae),
            float(|row| row.rmse),
            float(|row| row.gini),
            float(|row| row.log_score),
            Arc::new(chosen.collect::<BooleanArray>()),
        ],
    )
}
