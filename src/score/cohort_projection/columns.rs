//! What the scorer reads and makes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, RecordBatch, StringDictionaryBuilder};
use arrow::datatypes::{DataType, Field, Int8Type, Schema};
use cvm_models::retention::cohort::Projected;
use cvm_models::uncertainty::Estimated;

use super::super::{InputColumn, OutputColumn, ScoreError};
use super::Projection;
use crate::spec::SqlType;

/// Of what is scored, one row a cohort and month ahead.
pub(super) const INPUT: &[InputColumn] = &[
    InputColumn::new("dimension", SqlType::Varchar),
    InputColumn::new("dimension_value", SqlType::Varchar),
    InputColumn::new("cohort_month", SqlType::Date),
    InputColumn::new("months_ahead", SqlType::Bigint),
];

/// Of the histories, one row a cohort and history.
pub(super) const HISTORIES: &[InputColumn] = &[
    InputColumn::new("dimension", SqlType::Varchar),
    InputColumn::new("dimension_value", SqlType::Varchar),
    InputColumn::new("cohort_month", SqlType::Date),
    InputColumn::new("frequency", SqlType::Bigint),
    InputColumn::new("recency_age", SqlType::Bigint),
    InputColumn::new("opportunities", SqlType::Bigint),
    InputColumn::new("customers", SqlType::Bigint),
];

/// Of the observed months, one row a cohort and month.
pub(super) const MONTHS: &[InputColumn] = &[
    InputColumn::new("dimension", SqlType::Varchar),
    InputColumn::new("dimension_value", SqlType::Varchar),
    InputColumn::new("activity_month", SqlType::Date),
    InputColumn::new("months_since_first_order", SqlType::Bigint),
    InputColumn::new("is_partial_month", SqlType::Boolean),
    InputColumn::new("customers", SqlType::Bigint),
    InputColumn::new("active_customers", SqlType::Bigint),
];

pub(super) const OUTPUT: &[OutputColumn] = &[
    OutputColumn::new(
        "dimension",
        SqlType::Varchar,
        "What cohorts are told apart by besides their month.",
    ),
    OutputColumn::new("dimension_value", SqlType::Varchar, "Its value."),
    OutputColumn::new(
        "cohort_month",
        SqlType::Date,
        "First day of the month of the first order.",
    ),
    OutputColumn::new(
        "months_ahead",
        SqlType::Bigint,
        "Months after the last whole one that the cohort was observed in, from 1.",
    ),
    OutputColumn::new(
        "projected_retention",
        SqlType::Double,
        "Share of the cohort from 0 to 1 expected to order in that month.",
    ),
    OutputColumn::new(
        "projected_retention_low",
        SqlType::Double,
        "Lower limit of the share that will order.",
    ),
    OutputColumn::new(
        "projected_retention_high",
        SqlType::Double,
        "Upper limit of the share that will order.",
    ),
    OutputColumn::new(
        "projected_survival",
        SqlType::Double,
        "Share of the cohort from 0 to 1 expected to be customers still, whether or not they order in that month.",
    ),
    OutputColumn::new(
        "projected_survival_low",
        SqlType::Double,
        "Lower limit of the share that will be customers still, by either model of when they leave where both were found.",
    ),
    OutputColumn::new(
        "projected_survival_high",
        SqlType::Double,
        "Upper limit of the share that will be customers still, by either model of when they leave where both were found.",
    ),
    OutputColumn::new(
        "model",
        SqlType::Varchar,
        "The model: bg_bb, bg_bb_after_orders where customers who leave only after an order are likelier, or \
         shifted_beta_geometric; null where there is none.",
    ),
    OutputColumn::new(
        "reason",
        SqlType::Varchar,
        "too_few_customers, too_few_months or no_model where there is no projection; needed_prior where the model was \
         found only with a prior; no_rival, before needed_prior, where the other model of when customers leave could \
         not be fitted, so that limits of projected_survival are those of one; model_of_all, before both, where that of \
         all customers stands in.",
    ),
];

/// A column of few different texts.
type Words = StringDictionaryBuilder<Int8Type>;

/// Columns while they grow.
#[derive(Default)]
pub(super) struct Columns {
    retention: [Float64Builder; 3],
    survival: [Float64Builder; 3],
    model: Words,
    reason: Words,
}

impl Columns {
    pub(super) fn append(&mut self, month: Option<&Projected>, known: Option<&Projection>) {
        append(&mut self.retention, month.map(|month| month.active));
        append(&mut self.survival, month.map(|month| month.alive));
        self.model
            .append_option(known.and_then(|known| known.model));
        // A cohort without histories is none that a model was asked about.
        let reason = known.map_or(Some("no_model"), |known| known.reason);
        self.reason.append_option(reason);
    }

    pub(super) fn finish(mut self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let words = |words: &mut Words| arrow::compute::cast(&words.finish(), &DataType::Utf8View);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(OUTPUT.len());
        for column in INPUT {
            let given = batch.column_by_name(column.name).cloned();
            columns.push(given.ok_or(ScoreError::MissingColumn(column.name))?);
        }
        for figure in self.retention.iter_mut().chain(&mut self.survival) {
            columns.push(Arc::new(figure.finish()));
        }
        columns.push(words(&mut self.model)?);
        columns.push(words(&mut self.reason)?);
        let fields = OUTPUT
            .iter()
            .zip(&columns)
            .map(|(column, array)| Field::new(column.name, array.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }
}

fn append([value, low, high]: &mut [Float64Builder; 3], figure: Option<Estimated>) {
    let limits = figure.and_then(|figure| figure.confidence);
    value.append_option(figure.map(|figure| figure.value));
    low.append_option(limits.map(|limits| limits.low));
    high.append_option(limits.map(|limits| limits.high));
}
