//! What the scorer reads and makes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, RecordBatch};
use arrow::datatypes::{Field, Schema};
use cvm_models::retention::kaplan_meier::Step;
use cvm_models::uncertainty::Confidence;

use super::super::{InputColumn, OutputColumn, ScoreError};
use super::Curve;
use crate::spec::SqlType;

/// One row a value of a dimension and tenure.
pub(super) const INPUT: &[InputColumn] = &[
    InputColumn::new("dimension", SqlType::Varchar),
    InputColumn::new("dimension_value", SqlType::Varchar),
    InputColumn::new("tenure", SqlType::Bigint),
    InputColumn::new("lost_customers", SqlType::Bigint),
    InputColumn::new("censored_customers", SqlType::Bigint),
];

pub(super) const OUTPUT: &[OutputColumn] = &[
    OutputColumn::new(
        "dimension",
        SqlType::Varchar,
        "What customers are told apart by.",
    ),
    OutputColumn::new("dimension_value", SqlType::Varchar, "Its value."),
    OutputColumn::new(
        "tenure",
        SqlType::Bigint,
        "Time since the beginning, in the unit of the input.",
    ),
    OutputColumn::new(
        "at_risk",
        SqlType::Bigint,
        "Customers who were still there and observed just before that tenure.",
    ),
    OutputColumn::new(
        "lost_customers",
        SqlType::Bigint,
        "Of these, those lost at that tenure.",
    ),
    OutputColumn::new(
        "censored_customers",
        SqlType::Bigint,
        "Of these, those of whom nothing later is known.",
    ),
    OutputColumn::new(
        "survival",
        SqlType::Double,
        "Share of customers from 0 to 1 who are still there after that tenure.",
    ),
    OutputColumn::new(
        "standard_error",
        SqlType::Double,
        "Greenwood's standard error of survival; null where survival is 0.",
    ),
    OutputColumn::new(
        "survival_low",
        SqlType::Double,
        "Lower confidence limit of survival, on the scale ln(-ln S); null where survival is 0.",
    ),
    OutputColumn::new(
        "survival_high",
        SqlType::Double,
        "Upper confidence limit of survival, likewise.",
    ),
    OutputColumn::new(
        "median_tenure",
        SqlType::Bigint,
        "Least tenure at which half of the value's customers are gone; null where they are not.",
    ),
    OutputColumn::new(
        "median_low",
        SqlType::Bigint,
        "Lower confidence limit of median_tenure; null where there is none.",
    ),
    OutputColumn::new(
        "median_high",
        SqlType::Bigint,
        "Upper confidence limit of median_tenure; null where there is none.",
    ),
    OutputColumn::new(
        "restricted_to",
        SqlType::Bigint,
        "Tenure at which tenures are cut off for mean_tenure: the declared one, or the longest observed where that is shorter.",
    ),
    OutputColumn::new(
        "mean_tenure",
        SqlType::Double,
        "Mean of the value's tenures cut off at restricted_to.",
    ),
    OutputColumn::new(
        "mean_standard_error",
        SqlType::Double,
        "Standard error of mean_tenure.",
    ),
];

/// Columns while they grow.
#[derive(Default)]
pub(super) struct Columns {
    at_risk: Int64Builder,
    lost: Int64Builder,
    censored: Int64Builder,
    survival: Float64Builder,
    standard_error: Float64Builder,
    low: Float64Builder,
    high: Float64Builder,
    medians: [Int64Builder; 3],
    restricted_to: Int64Builder,
    mean: Float64Builder,
    mean_error: Float64Builder,
}

impl Columns {
    pub(super) fn append(&mut self, curve: &Curve, step: &Step, limits: Option<Confidence>) {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.at_risk.append_value(count(step.at_risk));
        self.lost.append_value(count(step.events));
        self.censored.append_value(count(step.censored));
        self.survival.append_value(step.survival);
        self.standard_error.append_option(step.standard_error());
        self.low.append_option(limits.map(|limits| limits.low));
        self.high.append_option(limits.map(|limits| limits.high));
        let [low, high] = curve.median_limits;
        for (column, time) in self.medians.iter_mut().zip([curve.median, low, high]) {
            column.append_option(time.map(|time| time as i64));
        }
        self.restricted_to
            .append_option(curve.mean.map(|mean| mean.0));
        self.mean.append_option(curve.mean.map(|mean| mean.1));
        self.mean_error.append_option(curve.mean.map(|mean| mean.2));
    }

    pub(super) fn finish(mut self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let given = |name: &'static str| {
            let column = batch.column_by_name(name);
            column.cloned().ok_or(ScoreError::MissingColumn(name))
        };
        let [median, low, high] = &mut self.medians;
        let columns: Vec<ArrayRef> = vec![
            given("dimension")?,
            given("dimension_value")?,
            given("tenure")?,
            Arc::new(self.at_risk.finish()),
            Arc::new(self.lost.finish()),
            Arc::new(self.censored.finish()),
            Arc::new(self.survival.finish()),
            Arc::new(self.standard_error.finish()),
            Arc::new(self.low.finish()),
            Arc::new(self.high.finish()),
            Arc::new(median.finish()),
            Arc::new(low.finish()),
            Arc::new(high.finish()),
            Arc::new(self.restricted_to.finish()),
            Arc::new(self.mean.finish()),
            Arc::new(self.mean_error.finish()),
        ];
        let fields = OUTPUT
            .iter()
            .zip(&columns)
            .map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}
