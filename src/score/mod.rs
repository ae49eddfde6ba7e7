//! Scorers: what makes a scored table out of a table. One file each; [`SCORERS`] lists them.
//!
//! A scorer's work has two halves. Its *fit* looks at a small table (distinct summaries with counts), on one
//! machine; its *predictions* are a pure function of a row, so that batches can be scored in any order, on any
//! number of threads, and give the same bytes.

pub mod buy_till_you_die;
mod columns;
mod error;
mod fits;
mod parameters;
mod pool;

use arrow::array::RecordBatch;

use crate::spec::SqlType;

pub use error::{BuildError, ScoreError};
pub use fits::{FitRow, fits_schema, fits_to_batch};
pub use parameters::Parameters;
pub use pool::Pool;

/// The scorers that cvm comes with.
pub const SCORERS: &[&dyn Scorer] = &[&buy_till_you_die::BuyTillYouDie];

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
}

/// A column that a scorer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sql_type: SqlType,
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

/// A table that a fit looks at: some columns of the scorer's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitInput {
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
    /// The columns it makes.
    fn output(&self) -> &'static [OutputColumn];
    /// The tables its fit looks at.
    fn fit_inputs(&self) -> Vec<FitInput>;
    /// Fits on the tables that [`CheckedScorer::fit_inputs`] asked for, whose rows come in no order.
    ///
    /// Runs inside the scoring pool. The result depends on the rows alone, not on their order or on the
    /// number of threads.
    ///
    /// # Errors
    /// When an input breaks its contract; a fit that does not succeed is no error but a [`FitRow`] that says so.
    fn fit(&self, inputs: &[Vec<RecordBatch>]) -> Result<Box<dyn FittedScorer>, ScoreError>;
}

/// A scorer that has seen the data.
pub trait FittedScorer: Send + Sync {
    /// What was fitted, for the table `model_fits`.
    fn fits(&self) -> Vec<FitRow>;
    /// Scores rows: a pure function of each.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError>;
}

#[cfg(test)]
mod tests;
