//! Backtests: how the models of a pipeline would have done, had they been fitted on earlier days.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::RunOptions;
use super::error::RunError;
use super::events::Events;
use super::work::{Learned, RunAtWork};
use crate::plan::{Plan, Work};
use crate::score::{CalibrationRow, FitRow, Pool};

/// What a cutoff showed.
#[derive(Debug)]
pub struct Backtest {
    /// The first day that the models were not fitted to.
    pub cutoff: NaiveDate,
    /// Predictions held against what came, each with its score's name.
    pub calibration: Vec<(String, CalibrationRow)>,
    /// What was fitted.
    pub fits: Vec<(String, FitRow)>,
}

/// Fits the models of `plan` to the days before each cutoff and holds them against the days from there on, as many as
/// the pipeline holds out. Only what the scores need is computed, and nothing is published.
///
/// `options` says how; its as-of day is not looked at.
///
/// # Errors
/// Where the pipeline holds nothing out, and what can go wrong in a run.
pub async fn backtest(
    plan: &Plan,
    options: &RunOptions,
    cutoffs: &[NaiveDate],
) -> Result<Vec<Backtest>, RunError> {
    let validation = plan
        .settings
        .value
        .validation
        .ok_or(RunError::NoValidation)?;
    let needed = needed_by_scores(plan);
    let pool = Pool::new(options.threads).map_err(|error| RunError::Machine {
        what: "threads",
        source: std::io::Error::other(error),
    })?;
    let events = Events::new(options.observers.clone());
    let mut results = Vec::new();
    for &cutoff in cutoffs {
        let days = Days::new(validation.holdout_days.unsigned_abs());
        let as_of = cutoff.checked_add_days(days).unwrap_or(NaiveDate::MAX);
        let options = options.apart(as_of, options.inputs.clone());
        let mut learned = Learned::default();
        let mut stop = options.stop.clone();
        let fit = async {
            let work = RunAtWork::open(plan, &options, &events, pool.clone()).await?;
            for stage in plan
                .stages
                .iter()
                .filter(|stage| needed.contains(stage.name.as_str()))
            {
                work.make(stage, &mut learned).await?;
            }
            Ok::<(), RunError>(())
        };
        tokio::select! {
            done = fit => done?,
            () = async { drop(stop.wait_for(|asked| *asked).await) } => return Err(RunError::Terminated),
        }
        results.push(Backtest {
            cutoff,
            calibration: learned.calibration,
            fits: learned.fits,
        });
    }
    Ok(results)
}

/// The scores that foretell what can be held against what came, and the tables from which they are made.
fn needed_by_scores(plan: &Plan) -> BTreeSet<&str> {
    let mut needed = BTreeSet::new();
    // Whatever a table reads comes before it.
    for stage in plan.stages.iter().rev() {
        let is_validated =
            matches!(&stage.work, Work::Score { checked, .. } if checked.is_validated());
        if is_validated || needed.contains(stage.name.as_str()) {
            needed.insert(stage.name.as_str());
            needed.extend(stage.inputs.iter().map(String::as_str));
        }
    }
    needed
}
