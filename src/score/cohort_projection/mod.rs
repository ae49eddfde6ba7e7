//! `cohort_projection`: which share of each cohort will be active in the months ahead, and how sure that is.
//!
//! A model is fitted to the histories of each value of each dimension, all its cohorts together, and projects each cohort
//! from what its own customers did. By default that is BG/BB: customers' lifetimes are shifted beta-geometric, and while
//! they last a customer orders in a month or not. Beside it the same model is fitted with customers who leave only after an
//! order; the likelier projects, and since nobody sees who is a customer still, limits of survival hold those of both.
//! `shifted_beta_geometric` takes every month without an order for leaving, which is right under contracts that are billed
//! each month. Limits hold the parameters' uncertainty, chance, and how much months differed from what was expected of them
//! (`cvm_models::retention::cohort`).
//!
//! A value with fewer than `min_customers` customers, or whose model cannot be fitted, is projected by the model of all
//! customers, those of the value `all` of the dimension `all`, from its own histories; `reason` says so.

mod columns;
mod groups;
mod model;
mod rows;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use cvm_models::retention::cohort::Projected;
use cvm_models::uncertainty::Level;

use super::columns::{dates, integers, texts};
use super::{
    BuildError, CheckedScorer, FitContext, FitInput, FitRow, FittedScorer, InputColumn,
    OutputColumn, Parameters, ScoreError, Scorer, ValueSettings,
};
use columns::{Columns, HISTORIES, INPUT, MONTHS, OUTPUT};

/// The scorer.
#[derive(Debug)]
pub struct CohortProjection;

impl Scorer for CohortProjection {
    fn name(&self) -> &'static str {
        "cohort_projection"
    }

    fn description(&self) -> &'static str {
        "The share of each cohort that will be active, and still be customers, in the months ahead, with limits."
    }

    fn example(&self) -> &'static str {
        "cohort_projections:\n  scorer: cohort_projection\n  input: int_cohort_months_ahead\n  model: bg_bb\n  \
         min_customers: 100\n"
    }

    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        _: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
        let model = parameters.choice("model", &model::NAMES, model::NAMES[0]);
        let least_customers = parameters.number("min_customers", 1.0..=1e9, 100.0);
        let least_months = parameters.number("min_months", 1.0..=1000.0, 3.0);
        let level = parameters.number("level", 0.5..=0.9999, 0.9);
        let histories = parameters.table("histories_input", "int_cohort_histories_counted");
        let months = parameters.table("months_input", "int_cohort_months_summarised");
        parameters.finish()?;
        let level = Level::new(level).map_err(|error| {
            vec![BuildError {
                parameter: Some("level".to_owned()),
                message: error.to_string(),
                help: "leave it out for 0.9".to_owned(),
            }]
        })?;
        Ok(Box::new(Checked {
            settings: Settings {
                model,
                level,
                least_customers: least_customers as u64,
                least_months: least_months as u64,
            },
            histories,
            months,
        }))
    }
}

/// How values are fitted and projected.
#[derive(Clone, Copy)]
struct Settings {
    model: &'static str,
    level: Level,
    least_customers: u64,
    least_months: u64,
}

/// The scorer with its parameters checked.
struct Checked {
    settings: Settings,
    histories: String,
    months: String,
}

impl CheckedScorer for Checked {
    fn input(&self) -> &'static [InputColumn] {
        INPUT
    }

    fn other_inputs(&self) -> Vec<(String, &'static [InputColumn])> {
        vec![
            (self.histories.clone(), HISTORIES),
            (self.months.clone(), MONTHS),
        ]
    }

    fn output(&self) -> &'static [OutputColumn] {
        OUTPUT
    }

    fn fit_inputs(&self) -> Vec<FitInput> {
        vec![
            FitInput {
                table: None,
                columns: &["months_ahead"],
                condition: "true",
                distinct: true,
            },
            FitInput {
                table: Some(self.histories.clone()),
                columns: &[
                    "dimension",
                    "dimension_value",
                    "cohort_month",
                    "frequency",
                    "recency_age",
                    "opportunities",
                    "customers",
                ],
                condition: "true",
                distinct: false,
            },
            FitInput {
                table: Some(self.months.clone()),
                columns: &[
                    "dimension",
                    "dimension_value",
                    "activity_month",
                    "months_since_first_order",
                    "customers",
                    "active_customers",
                ],
                condition: "months_since_first_order > 0 and not is_partial_month",
                distinct: false,
            },
        ]
    }

    fn fit(
        &self,
        _: &FitContext,
        inputs: &[Vec<RecordBatch>],
    ) -> Result<Box<dyn FittedScorer>, ScoreError> {
        let [ahead, histories, months] = inputs else {
            return Err(ScoreError::MissingColumn("months_ahead"));
        };
        let horizon = rows::horizon(ahead)?;
        let groups = rows::groups(&self.histories, histories, &self.months, months)?;
        let (projections, fits) = groups::project(&groups, horizon, &self.settings);
        Ok(Box::new(Fitted { projections, fits }))
    }
}

/// What is known of a cohort ahead.
struct Projection {
    /// By months ahead from 1; empty where there is no model.
    months: Vec<Projected>,
    /// Which model; none where there is none.
    model: Option<&'static str>,
    /// Why there is none, or what speaks against it.
    reason: Option<&'static str>,
}

/// Dimension and value.
type Group = (String, String);

/// The scorer with its projections, by group and days of the cohort's month.
struct Fitted {
    projections: BTreeMap<Group, BTreeMap<i32, Projection>>,
    fits: Vec<FitRow>,
}

impl FittedScorer for Fitted {
    fn fits(&self) -> Vec<FitRow> {
        self.fits.clone()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let (dimension, value) = (texts(batch, "dimension")?, texts(batch, "dimension_value")?);
        let cohort = dates(batch, "cohort_month")?;
        let ahead = integers(batch, "months_ahead")?;
        let mut columns = Columns::default();
        for row in 0..batch.num_rows() {
            let group = (dimension.value(row).to_owned(), value.value(row).to_owned());
            let cohorts = self.projections.get(&group);
            let known = cohorts.and_then(|cohorts| cohorts.get(&cohort.value(row)));
            let month = ahead.value(row).checked_sub(1);
            let month = month.and_then(|month| usize::try_from(month).ok());
            let projected = known
                .zip(month)
                .and_then(|(known, month)| known.months.get(month));
            columns.append(projected, known);
        }
        columns.finish(batch)
    }
}

#[cfg(test)]
mod tests;
