//! Scorers: what makes a scored table out of a table. One file each; [`SCORERS`] lists them.
//!
//! A scorer's work has two halves. Its *fit* looks at a small table (distinct summaries with counts), on one
//! machine; its *predictions* are a pure function of a row, so that batches can be scored in any order, on any
//! number of threads, and give the same bytes.

pub mod buy_till_you_die;
mod calibration;
pub mod cohort_projection;
mod columns;
mod error;
mod exact;
mod fits;
pub mod k_means;
mod parameters;
mod pool;
pub mod survival;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::spec::SqlType;

pub use calibration::{CalibrationRow, Grouping, calibration_schema, calibration_to_batch};
pub use error::{BuildError, ScoreError};
pub use fits::{FitRow, Period, PreviousFits, fits_schema, fits_to_batch};
pub use parameters::Parameters;
pub use pool::Pool;

/// The scorers that cvm comes with.
pub const SCORERS: &[&dyn Scorer] = &[
    &buy_till_you_die::BuyTillYouDie,
    &cohort_projection::CohortProjection,
    &k_means::KMeans,
    &survival::Survival,
];

/// The scorers a binary knows: cvm's own and whatever a data engineer adds.
#[derive(Clone)]
pub struct Registry {
    scorers: Vec<&'static dyn Scorer>,
}

impl Registry {
    /// cvm's own scorers.
    pub fn standard() -> Self {
        Self {
            scorers: SCORERS.to_vec(),
        }
    }

    /// Adds a scorer. One of the same name is replaced.
    #[must_use]
    pub fn with(mut self, scorer: &'static dyn Scorer) -> Self {
        self.scorers.retain(|known| known.name() != scorer.name());
        self.scorers.push(scorer);
        self
    }

    /// The scorer of that name.
    pub fn scorer(&self, name: &str) -> Option<&'static dyn Scorer> {
        self.scorers
            .iter()
            .copied()
            .find(|scorer| scorer.name() == name)
    }

    /// All scorers, in the order of registration.
    pub fn scorers(&self) -> impl Iterator<Item = &'static dyn Scorer> + '_ {
        self.scorers.iter().copied()
    }
}

/// A kind of scoring stage, as a pipeline names it.
pub trait Scorer: Send + Sync {
    /// The name that `scorer:` gives.
    fn name(&self) -> &'static str;
    /// What it computes, in one sentence.
    fn description(&self) -> &'static str;
    /// An entry under `scores:` that works.
    fn example(&self) -> &'static str;
    /// Checks the parameters that stand beside `scorer` and `input`.
    ///
    /// # Errors
    /// Every parameter that is unknown or does not fit.
    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        value: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>>;
}

/// What the pipeline says of value, as scorers need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueSettings {
    /// How far ahead value is predicted, in days.
    pub horizon_days: i64,
    /// The yearly discount rate.
    pub annual_discount_rate: f64,
    /// How predictions are held against what came, where the pipeline says so.
    pub validation: Option<ValidationSettings>,
}

/// How predictions are held against what came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValidationSettings {
    /// How many of the last days models are not fitted to, and then foretell.
    pub holdout_days: i64,
    /// The most by which the sum foretold may miss what came, as a share of it.
    pub max_bias: Option<f64>,
    /// The least Gini coefficient of the ranking, as a share of the perfect ranking's.
    pub min_gini: Option<f64>,
    /// The largest mean absolute error, in purchase days a customer.
    pub max_mae: Option<f64>,
}

impl ValidationSettings {
    /// Whether anything is bounded.
    pub fn has_bounds(&self) -> bool {
        [self.max_bias, self.min_gini, self.max_mae]
            .iter()
            .any(Option::is_some)
    }

    /// The bounds that the holdout of a model breaks, each as a clause.
    pub fn broken_by(&self, overall: &CalibrationRow) -> Vec<String> {
        let mut broken = Vec::new();
        let mut hold = |name: &str, found: Option<f64>, bound: Option<f64>, upper: bool| {
            let (Some(found), Some(bound)) = (found, bound) else {
                return;
            };
            // What is no number holds no bound.
            let holds = if upper {
                found <= bound
            } else {
                found >= bound
            };
            if !holds {
                let side = if upper { "max" } else { "min" };
                broken.push(format!("{name} is {found:.4} ({side}_{name}: {bound})"));
            }
        };
        hold("bias", overall.bias.map(f64::abs), self.max_bias, true);
        hold("gini", overall.gini, self.min_gini, false);
        hold("mae", overall.mae, self.max_mae, true);
        broken
    }
}

/// The days that a run's fits look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitContext {
    /// The exclusive end of what the run sees.
    pub as_of: NaiveDate,
    /// The first day held out; `as_of` where nothing is.
    pub holdout_start: NaiveDate,
}

impl FitContext {
    /// The days of a run as of `as_of` that holds out the last `holdout_days`.
    pub fn new(as_of: NaiveDate, holdout_days: i64) -> Self {
        let start = chrono::TimeDelta::try_days(holdout_days)
            .and_then(|days| as_of.checked_sub_signed(days))
            .unwrap_or(NaiveDate::MIN);
        Self {
            as_of,
            holdout_start: start,
        }
    }

    /// How many days are held out.
    pub fn holdout_days(&self) -> i64 {
        (self.as_of - self.holdout_start).num_days()
    }
}

/// A column that a scorer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sql_type: SqlType,
}

impl InputColumn {
    /// The column `name` of this type.
    pub const fn new(name: &'static str, sql_type: SqlType) -> Self {
        Self { name, sql_type }
    }
}

/// A column that a scorer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sql_type: SqlType,
    /// What it means, with its unit.
    pub description: &'static str,
}

impl OutputColumn {
    /// The column `name` of this type, with what it means.
    pub const fn new(name: &'static str, sql_type: SqlType, description: &'static str) -> Self {
        Self {
            name,
            sql_type,
            description,
        }
    }
}

/// A table that a fit looks at: some columns of a table that the scorer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FitInput {
    /// The table; none is what is scored.
    pub table: Option<String>,
    /// The columns.
    pub columns: &'static [&'static str],
    /// Which rows, as a SQL condition.
    pub condition: &'static str,
    /// Whether equal rows are brought as one, with their number in a last column `customers` (bigint).
    pub distinct: bool,
}

/// A scorer whose parameters fit.
pub trait CheckedScorer: Send + Sync {
    /// The columns it reads.
    fn input(&self) -> &'static [InputColumn];
    /// Other tables that its fit looks at, with the columns it reads of them.
    fn other_inputs(&self) -> Vec<(String, &'static [InputColumn])> {
        Vec::new()
    }
    /// Columns of what is scored whose names the pipeline gives, of any numeric type. They are brought as doubles, after
    /// those of [`CheckedScorer::input`].
    fn features(&self) -> &[String] {
        &[]
    }
    /// How many customers its fit looks at the features of. Where there are more, those with the least hash of
    /// `customer_id`: the same in every run, and mostly the same when others come. They are the last of the fit's inputs:
    /// one batch of the features alone.
    fn sample(&self) -> Option<usize> {
        None
    }
    /// The columns it makes.
    fn output(&self) -> &'static [OutputColumn];
    /// Whether its predictions are held against what came, where the pipeline says `validation:`, and so against the
    /// bounds under it.
    fn is_validated(&self) -> bool {
        false
    }
    /// The tables its fit looks at.
    fn fit_inputs(&self) -> Vec<FitInput>;
    /// Fits on the tables that [`CheckedScorer::fit_inputs`] and [`CheckedScorer::sample`] asked for, whose rows come in no order.
    ///
    /// Runs inside the scoring pool. The result depends on the rows alone, not on their order or on the
    /// number of threads.
    ///
    /// # Errors
    /// When an input breaks its contract; a fit that does not succeed is no error but a [`FitRow`] that says so.
    fn fit(
        &self,
        context: &FitContext,
        inputs: &[Vec<RecordBatch>],
    ) -> Result<Box<dyn FittedScorer>, ScoreError>;
}

/// A scorer that has seen the data.
pub trait FittedScorer: Send + Sync {
    /// What was fitted, for the table `model_fits`.
    fn fits(&self) -> Vec<FitRow>;
    /// Predictions held against what came, for the table `model_calibration`.
    fn calibration(&self) -> Vec<CalibrationRow> {
        Vec::new()
    }
    /// Scores rows: a pure function of each.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError>;
}

#[cfg(test)]
mod tests;
