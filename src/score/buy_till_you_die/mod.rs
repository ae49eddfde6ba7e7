//! `buy_till_you_die`: who is still a customer, how often they will buy, what that is worth, and how sure all that is.
//!
//! A model of purchases, the best of those that the pipeline lists (`purchases`), is fitted on the distinct (frequency,
//! recency_age, customer_age) with their counts; a model of spend (`spend`) on the customers with a repeat purchase and
//! a positive mean value. Lifetime value is the expected spend times the expected purchases within the horizon, each
//! discounted to the day of the run. Where a figure cannot be given it is null, and `reason` says why. Where the pipeline
//! holds days out, each listed model also foretells these, and `model_calibration` tells how it did (`holdout`).

mod columns;
mod holdout;
mod predict;
mod purchases;
mod rows;
mod spend;

use arrow::array::RecordBatch;
use cvm_models::btyd::Horizon;
use cvm_models::btyd::forecast::Forecast;
use cvm_models::uncertainty::Level;

use super::{
    BuildError, CalibrationRow, CheckedScorer, FitContext, FitInput, FitRow, FittedScorer,
    InputColumn, OutputColumn, Parameters, Period, ScoreError, Scorer, ValueSettings,
};
use columns::{CALIBRATED, INPUT, OUTPUT, WEEKS};
use holdout::Holdout;
use predict::{Predictor, Purchases};
use purchases::{Candidate, choose, converged, fit_all, fit_rows};
use rows::Histories;

/// Days a year in a discount rate.
const DAYS_PER_YEAR: f64 = 365.25;
/// The share of intervals that are to hold the truth.
const LEVEL: f64 = 0.9;

/// The scorer.
#[derive(Debug)]
pub struct BuyTillYouDie;

impl Scorer for BuyTillYouDie {
    fn name(&self) -> &'static str {
        "buy_till_you_die"
    }

    fn description(&self) -> &'static str {
        "Probability of being alive, expected purchases, spend and discounted lifetime value of each customer, with intervals."
    }

    fn example(&self) -> &'static str {
        "customer_lifetimes:\n  scorer: buy_till_you_die\n  input: int_customers_summarised\n  \
         model: [bg_nbd, pareto_nbd]\n  spend_model: gamma_gamma\n  time_unit: week\n"
    }

    fn build(
        &self,
        parameters: &mut Parameters<'_>,
        value: &ValueSettings,
    ) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
        let models = parameters.choices("model", &purchases::NAMES, "bg_nbd");
        parameters.choice("spend_model", &[spend::GAMMA_GAMMA], spend::GAMMA_GAMMA);
        let unit = parameters.choice("time_unit", &["day", "week"], "week");
        let least_customers = parameters.number("min_customers", 1.0..=1e9, 100.0);
        let max_spend_correlation = parameters.number("max_spend_correlation", 0.0..=1.0, 0.3);
        let calibrated = parameters.table("calibration_input", "int_customers_calibrated");
        let weeks = parameters.table("weeks_input", "int_purchases_counted");
        parameters.finish()?;
        let days_per_unit = if unit == "week" { 7.0 } else { 1.0 };
        let impossible = |message: String| {
            let help = "mend horizon_days or annual_discount_rate under `value`".to_owned();
            vec![BuildError {
                parameter: None,
                message,
                help,
            }]
        };
        let horizon = Horizon::new(
            value.horizon_days as f64 / days_per_unit,
            value.annual_discount_rate,
            DAYS_PER_YEAR / days_per_unit,
        )
        .map_err(|error| impossible(error.to_string()))?;
        let level = Level::new(LEVEL).map_err(|error| impossible(error.to_string()))?;
        Ok(Box::new(Checked {
            models,
            horizon,
            level,
            days_per_unit,
            least_customers: least_customers as u64,
            max_spend_correlation,
            validated: value.validation.map(|_| Tables { calibrated, weeks }),
        }))
    }
}

/// The tables that models are held against.
struct Tables {
    calibrated: String,
    weeks: String,
}

/// The scorer with its parameters checked.
struct Checked {
    /// In the order in which they are listed.
    models: Vec<&'static str>,
    horizon: Horizon,
    level: Level,
    days_per_unit: f64,
    least_customers: u64,
    max_spend_correlation: f64,
    /// None where nothing is held out.
    validated: Option<Tables>,
}

impl CheckedScorer for Checked {
    fn input(&self) -> &'static [InputColumn] {
        INPUT
    }

    fn other_inputs(&self) -> Vec<(String, &'static [InputColumn])> {
        let Some(tables) = &self.validated else {
            return Vec::new();
        };
        vec![
            (tables.calibrated.clone(), CALIBRATED),
            (tables.weeks.clone(), WEEKS),
        ]
    }

    fn output(&self) -> &'static [OutputColumn] {
        OUTPUT
    }

    fn is_validated(&self) -> bool {
        self.validated.is_some()
    }

    fn fit_inputs(&self) -> Vec<FitInput> {
        let history = FitInput {
            table: None,
            columns: &["frequency", "recency_age", "customer_age"],
            condition: "true",
            distinct: true,
        };
        let spend = FitInput {
            columns: &["frequency", "monetary_value"],
            condition: "frequency > 0 and monetary_value > 0",
            distinct: false,
            ..history.clone()
        };
        let mut inputs = vec![history.clone(), spend];
        if let Some(tables) = &self.validated {
            let calibrated = FitInput {
                table: Some(tables.calibrated.clone()),
                ..history
            };
            inputs.extend([
                calibrated.clone(),
                FitInput {
                    columns: &[
                        "frequency",
                        "recency_age",
                        "customer_age",
                        "holdout_purchases",
                    ],
                    ..calibrated
                },
                FitInput {
                    table: Some(tables.weeks.clone()),
                    columns: &["week_start_date", "repeat_purchases"],
                    condition: "true",
                    distinct: false,
                },
            ]);
        }
        inputs
    }

    fn fit(
        &self,
        context: &FitContext,
        inputs: &[Vec<RecordBatch>],
    ) -> Result<Box<dyn FittedScorer>, ScoreError> {
        let [summaries, spenders, validation @ ..] = inputs else {
            return Err(ScoreError::MissingColumn("frequency"));
        };
        let input = "the input of buy_till_you_die".to_owned();
        let seen = rows::histories(&input, summaries, self.days_per_unit)?;
        let mut fits = Vec::new();
        let mut calibration = Vec::new();
        if let [histories, held, weeks] = validation {
            let before = rows::histories(
                "the customers before the holdout",
                histories,
                self.days_per_unit,
            )?;
            let holdout = Holdout {
                rows: rows::held(held)?,
                weeks: rows::weeks(weeks)?,
                context: *context,
                days_per_unit: self.days_per_unit,
            };
            calibration = self.validate(&before, &holdout, &mut fits)?;
        }
        let purchases = self.fit_purchases(&seen, &mut calibration, &mut fits)?;
        let buyers = rows::buyers(&input, spenders)?;
        let (least, bound) = (self.least_customers, self.max_spend_correlation);
        let (spend, rows) = spend::fit(&buyers, least, bound, &self.level);
        fits.extend(rows);
        Ok(Box::new(Predictor {
            input,
            days_per_unit: self.days_per_unit,
            level: self.level,
            purchases,
            spend,
            fits,
            calibration,
        }))
    }
}

impl Checked {
    /// Fits every listed model to the days before the holdout and holds it against what came; with the prior of the
    /// fallback where none converges without, as predictions then are.
    fn validate(
        &self,
        before: &Histories,
        holdout: &Holdout,
        fits: &mut Vec<FitRow>,
    ) -> Result<Vec<CalibrationRow>, ScoreError> {
        let mut calibration = Vec::new();
        if before.customers < self.least_customers {
            let told = self.too_few("before the holdout", before.customers);
            fits.extend(self.models.iter().map(|name| FitRow {
                customers: i64::try_from(before.customers).unwrap_or(i64::MAX),
                reason: Some(told.clone()),
                ..FitRow::without_fit(name, Period::Calibration)
            }));
            return Ok(calibration);
        }
        let mut tried = fit_all(&self.models, &before.summaries, false);
        let mut remark = holdout.beyond_the_data();
        if tried.iter().all(|(_, fit)| !converged(fit)) {
            tried = fit_all(&self.models, &before.summaries, true);
            remark = remark.or_else(|| Some("fitted with the prior of the fallback".to_owned()));
        }
        for (name, fit) in tried {
            let told = remark.as_deref();
            fits.extend(fit_rows(
                name,
                Period::Calibration,
                &fit,
                before,
                false,
                told,
            ));
            if let Ok(fit) = fit
                && fit.convergence.converged
            {
                calibration.extend(holdout.hold(name, fit.model.as_ref())?);
            }
        }
        Ok(calibration)
    }

    fn too_few(&self, when: &str, customers: u64) -> String {
        format!(
            "only {customers} customers bought {when}: min_customers is {}",
            self.least_customers
        )
    }

    /// The model that predicts, or why there is none.
    fn fit_purchases(
        &self,
        seen: &Histories,
        calibration: &mut [CalibrationRow],
        fits: &mut Vec<FitRow>,
    ) -> Result<Result<Purchases, &'static str>, ScoreError> {
        if seen.customers < self.least_customers {
            let told = self.too_few("at all", seen.customers);
            fits.extend(self.models.iter().map(|name| FitRow {
                customers: i64::try_from(seen.customers).unwrap_or(i64::MAX),
                reason: Some(told.clone()),
                ..FitRow::without_fit(name, Period::All)
            }));
            return Ok(Err("too_few_customers"));
        }
        let log_score = |name: &str| {
            let overall = calibration.iter().find(|row| row.model == name);
            overall.and_then(|row| row.log_score)
        };
        let mut candidates = self.candidates(seen, false, &log_score);
        let mut chosen = choose(&candidates);
        let mut reason = None;
        if chosen.is_none() {
            let tried = candidates
                .iter()
                .flat_map(|tried| fit_rows(tried.name, Period::All, &tried.fit, seen, false, None));
            // What is tried again under the same name is told once.
            let tried: Vec<FitRow> = tried.collect();
            candidates = self.candidates(seen, true, &|_| None);
            chosen = candidates
                .iter()
                .position(|candidate| converged(&candidate.fit));
            reason = Some("purchase_model_needed_prior");
            let Some(position) = chosen else {
                fits.extend(tried);
                return Ok(Err("no_purchase_model"));
            };
            let taken = candidates.get(position).map(|candidate| candidate.name);
            fits.extend(
                tried
                    .into_iter()
                    .filter(|row| Some(row.model.as_ref()) != taken),
            );
            candidates.retain(|candidate| Some(candidate.name) == taken);
            chosen = Some(0);
        }
        let Some(position) = chosen else {
            return Ok(Err("no_purchase_model"));
        };
        for (i, candidate) in candidates.iter().enumerate() {
            let is_chosen = i == position;
            let remark = reason.filter(|_| is_chosen);
            fits.extend(fit_rows(
                candidate.name,
                Period::All,
                &candidate.fit,
                seen,
                is_chosen,
                remark,
            ));
        }
        let Candidate { name, fit, .. } = candidates.swap_remove(position);
        let Ok(fit) = fit else {
            return Ok(Err("no_purchase_model"));
        };
        for row in calibration.iter_mut() {
            row.is_chosen = row.model == name;
        }
        let forecast = match fit.spread {
            Some(spread) => Forecast::of_spread(spread, &self.horizon, &self.level),
            None => Forecast::of_model(fit.model, &self.horizon, &self.level),
        };
        let forecast = forecast
            .prepare(&seen.summaries.pairs())
            .map_err(|error| rows::impossible("the customers", &error))?;
        Ok(Ok(Purchases {
            name,
            forecast,
            reason,
        }))
    }

    fn candidates(
        &self,
        seen: &Histories,
        prior: bool,
        log_score: &dyn Fn(&str) -> Option<f64>,
    ) -> Vec<Candidate> {
        fit_all(&self.models, &seen.summaries, prior)
            .into_iter()
            .map(|(name, fit)| Candidate {
                name,
                fit,
                log_score: log_score(name),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
