//! `survival`: the share of customers who are still there, by how long they have been customers.
//!
//! Kaplan and Meier's estimate of each value of each dimension. What is scored is the counts that it is made from, one row
//! a value and tenure; a tenure may be counted in any unit. The median and the restricted mean of a value stand on each of
//! its rows.

mod columns;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use cvm_models::retention::kaplan_meier::{Durations, KaplanMeier, Step};
use cvm_models::uncertainty::Level;

use super::columns::{at_least_zero, integers, texts};
use super::{
    BuildError, CheckedScorer, FitContext, FitInput, FitRow, FittedScorer, InputColumn,
    OutputColumn, Parameters, ScoreError, Scorer, ValueSettings,
};
use columns::{Columns, INPUT, OUTPUT};

/// What is read, in messages.
const NAMED: &str = "the input of survival";

/// The scorer.
#[derive(Debug)]
pub struct Survival;

impl Scorer for Survival {
    fn name(&self) -> &'static str {
        "survival"
    }

    fn description(&self) -> &'static str {
        "Kaplan and Meier's share of customers who are still there by tenure, with confidence limits, median and mean."
    }

    fn example(&self) -> &'static str {
        "survival_curves:\n  scorer: survival\n  input: int_customer_tenures_counted\n  level: 0.95\n  \
         restricted_to: 1095\n"
    }

    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        _: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
        let level = parameters.number("level", 0.5..=0.9999, 0.95);
        let restricted_to = parameters.number("restricted_to", 1.0..=1e6, 1095.0);
        parameters.finish()?;
        let level = Level::new(level).map_err(|error| {
            vec![BuildError {
                parameter: Some("level".to_owned()),
                message: error.to_string(),
                help: "leave it out for 0.95".to_owned(),
            }]
        })?;
        Ok(Box::new(Checked {
            level,
            restricted_to: restricted_to as i64,
        }))
    }
}

/// The scorer with its parameters checked.
struct Checked {
    level: Level,
    restricted_to: i64,
}

impl CheckedScorer for Checked {
    fn input(&self) -> &'static [InputColumn] {
        INPUT
    }

    fn output(&self) -> &'static [OutputColumn] {
        OUTPUT
    }

    fn fit_inputs(&self) -> Vec<FitInput> {
        vec![FitInput {
            table: None,
            columns: &[
                "dimension",
                "dimension_value",
                "tenure",
                "lost_customers",
                "censored_customers",
            ],
            condition: "true",
            distinct: false,
        }]
    }

    fn fit(
        &self,
        _: &FitContext,
        inputs: &[Vec<RecordBatch>],
    ) -> Result<Box<dyn FittedScorer>, ScoreError> {
        let mut counts: BTreeMap<(String, String), Counts> = BTreeMap::new();
        for batch in inputs.iter().flatten() {
            gather(batch, &mut counts)?;
        }
        let curves = counts
            .into_iter()
            .map(|(group, counts)| Ok((group, self.curve(&counts)?)))
            .collect::<Result<_, ScoreError>>()?;
        Ok(Box::new(Fitted {
            level: self.level,
            curves,
        }))
    }
}

/// The columns of one value of a dimension.
#[derive(Default)]
struct Counts {
    tenures: Vec<f64>,
    lost: Vec<u64>,
    censored: Vec<u64>,
}

fn gather(
    batch: &RecordBatch,
    counts: &mut BTreeMap<(String, String), Counts>,
) -> Result<(), ScoreError> {
    let (dimension, value) = (texts(batch, "dimension")?, texts(batch, "dimension_value")?);
    let tenure = integers(batch, "tenure")?;
    let lost = integers(batch, "lost_customers")?;
    let censored = integers(batch, "censored_customers")?;
    for row in 0..batch.num_rows() {
        let group = (dimension.value(row).into(), value.value(row).into());
        let counts = counts.entry(group).or_default();
        let tenure = at_least_zero(NAMED, "tenure", tenure.value(row))?;
        let lost = at_least_zero(NAMED, "lost_customers", lost.value(row))?;
        let censored = at_least_zero(NAMED, "censored_customers", censored.value(row))?;
        counts.tenures.push(tenure as f64);
        counts.lost.push(lost);
        counts.censored.push(censored);
    }
    Ok(())
}

impl Checked {
    fn curve(&self, counts: &Counts) -> Result<Curve, ScoreError> {
        let durations = Durations::counted(&counts.tenures, &counts.lost, &counts.censored);
        let durations = durations.map_err(|error| ScoreError::ImpossibleRow {
            input: NAMED.to_owned(),
            message: error.to_string(),
        })?;
        let estimate = KaplanMeier::new(&durations);
        // Further than the longest tenure nothing is known, unless everybody has left.
        let last = estimate.steps().last();
        let horizon = last.map_or(0, |last| match last.survival {
            0.0 => self.restricted_to,
            _ => self.restricted_to.min(last.time as i64),
        });
        let mean = estimate.restricted_mean(horizon as f64);
        Ok(Curve {
            median: estimate.quantile(0.5),
            median_limits: estimate.quantile_limits(0.5, &self.level),
            mean: mean.map(|mean| (horizon, mean.value, mean.standard_error)),
            customers: durations.customers(),
            estimate,
        })
    }
}

/// The estimate of one value of a dimension.
struct Curve {
    estimate: KaplanMeier,
    customers: u64,
    median: Option<f64>,
    median_limits: [Option<f64>; 2],
    /// Up to where, the mean and its standard error.
    mean: Option<(i64, f64, f64)>,
}

impl Curve {
    /// The state at a tenure, whether or not anything happened then.
    fn at(&self, tenure: f64) -> Step {
        let nothing = |at_risk, survival, log_variance| Step {
            time: tenure,
            at_risk,
            events: 0,
            censored: 0,
            survival,
            log_variance,
        };
        match self.estimate.at(tenure) {
            None => nothing(self.customers, 1.0, Some(0.0)),
            Some(step) if step.time == tenure => *step,
            Some(step) => {
                let at_risk = step.at_risk - step.events - step.censored;
                nothing(at_risk, step.survival, step.log_variance)
            }
        }
    }
}

/// The scorer with its curves.
struct Fitted {
    level: Level,
    curves: BTreeMap<(String, String), Curve>,
}

impl FittedScorer for Fitted {
    /// There is no parameter to tell.
    fn fits(&self) -> Vec<FitRow> {
        Vec::new()
    }

    fn predict(&self, batch: &RecordBatch) -> Result<RecordBatch, ScoreError> {
        let (dimension, value) = (texts(batch, "dimension")?, texts(batch, "dimension_value")?);
        let tenure = integers(batch, "tenure")?;
        let mut columns = Columns::default();
        for row in 0..batch.num_rows() {
            let group = (dimension.value(row).into(), value.value(row).into());
            let curve = self.curves.get(&group);
            let curve = curve.ok_or_else(|| ScoreError::ImpossibleRow {
                input: NAMED.to_owned(),
                message: format!("{} `{}` was not there before", group.0, group.1),
            })?;
            let step = curve.at(tenure.value(row) as f64);
            columns.append(curve, &step, step.confidence(&self.level));
        }
        columns.finish(batch)
    }
}

#[cfg(test)]
mod tests;
