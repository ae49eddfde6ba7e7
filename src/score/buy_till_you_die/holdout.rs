//! Predictions of a model that was fitted to the days before the holdout, held against the purchases of the holdout.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use cvm_models::btyd::{PurchaseModel, Summary};
use cvm_models::validation::{Group, Outcomes, by_group};
use rayon::prelude::*;

use super::super::{CalibrationRow, FitContext, Grouping, ScoreError};
use super::rows::{Held, impossible};

/// What models are held against.
pub(super) struct Holdout {
    /// In the order of (frequency, age, recency, what came).
    pub(super) rows: Vec<Held>,
    /// Mondays with the repeat purchases of their weeks.
    pub(super) weeks: Vec<(NaiveDate, u64)>,
    pub(super) context: FitContext,
    pub(super) days_per_unit: f64,
}

/// What a model foretold of one row.
#[derive(Debug, Clone, Copy)]
struct Foretold {
    probability_alive: f64,
    purchases: f64,
    /// Of as many purchases as came.
    log_probability: f64,
}

/// Frequencies from here on are one group.
const HIGHEST_FREQUENCY: u64 = 7;
/// Below this a probability has no logarithm that means anything: a model that rules out what came gets this, not −∞.
const LEAST_PROBABILITY: f64 = 1e-300;

impl Holdout {
    /// Where the last days of the holdout lie beyond what the orders tell: a week without any purchase at its end.
    pub(super) fn beyond_the_data(&self) -> Option<String> {
        let (last, _) = self.weeks.last()?;
        let end = *last + Days::new(6);
        (end + Days::new(7) < self.context.as_of).then(|| {
            format!(
                "no repeat purchase is known after {end}: does the holdout reach beyond the data?"
            )
        })
    }

    /// How a model did: the row of everybody first, then the groups.
    pub(super) fn hold(
        &self,
        name: &'static str,
        model: &dyn PurchaseModel,
    ) -> Result<Vec<CalibrationRow>, ScoreError> {
        let foretold = self.foretell(model)?;
        let column = |get: fn(&Foretold) -> f64| foretold.iter().map(get).collect::<Vec<f64>>();
        let expected = column(|row| row.purchases);
        let came: Vec<f64> = self.rows.iter().map(|row| row.came as f64).collect();
        let customers: Vec<u64> = self.rows.iter().map(|row| row.customers).collect();
        let failed = |error| impossible("the holdout", &error);
        let outcomes = Outcomes::weighted(&expected, &came, &customers).map_err(failed)?;

        let mut table = vec![self.overall(name, &outcomes, &foretold)];
        for (decile, of) in (1..).zip(outcomes.deciles()) {
            let sums = sums(of.customers, of.expected, of.actual);
            table.push(group(name, Grouping::Decile, format!("{decile:02}"), &sums));
        }
        let all = Some(customers.as_slice());
        let keyed =
            |key: &dyn Fn(&Held) -> i64| -> Vec<i64> { self.rows.iter().map(key).collect() };
        let frequencies = keyed(&|row| row.frequency.min(HIGHEST_FREQUENCY) as i64);
        for of in by_group(&frequencies, &expected, &came, all).map_err(failed)? {
            let more = if of.key as u64 == HIGHEST_FREQUENCY {
                "+"
            } else {
                ""
            };
            let label = format!("{}{more}", of.key);
            table.push(group(name, Grouping::Frequency, label, &of));
        }
        let cohorts = keyed(&|row| self.cohort(row));
        for of in by_group(&cohorts, &expected, &came, all).map_err(failed)? {
            let (year, month) = (of.key.div_euclid(12), of.key.rem_euclid(12) + 1);
            let label = format!("{year:04}-{month:02}");
            table.push(group(name, Grouping::Cohort, label, &of));
        }
        let alive = column(|row| row.probability_alive);
        let bought: Vec<f64> = came.iter().map(|came| came.min(1.0)).collect();
        let tenths: Vec<i64> = alive.iter().map(|p| ((p * 10.0) as i64).min(9)).collect();
        for of in by_group(&tenths, &alive, &bought, all).map_err(failed)? {
            let (from, to) = (of.key as f64 / 10.0, (of.key + 1) as f64 / 10.0);
            let label = format!("{from:.1} to {to:.1}");
            table.push(group(name, Grouping::ProbabilityAlive, label, &of));
        }
        table.extend(self.by_week(name, model));
        Ok(table)
    }

    /// What the model foretells of each row, in the calling pool. What is ahead depends on frequency and age alone.
    fn foretell(&self, model: &dyn PurchaseModel) -> Result<Vec<Foretold>, ScoreError> {
        let length = self.context.holdout_days() as f64 / self.days_per_unit;
        let same = |a: &Held, b: &Held| a.frequency == b.frequency && a.age_days == b.age_days;
        let chunks: Vec<&[Held]> = self.rows.chunk_by(same).collect();
        let chunks: Result<Vec<Vec<Foretold>>, ScoreError> = chunks
            .par_iter()
            .map(|rows| {
                let Some(first) = rows.first() else {
                    return Ok(Vec::new());
                };
                let age = first.age_days as f64 / self.days_per_unit;
                let ahead = model.purchases_if_alive(length, first.frequency, age);
                let most = rows.iter().map(|row| row.came).max().unwrap_or(0);
                let mut distribution = vec![0.0; usize::try_from(most).unwrap_or(0) + 1];
                model.distribution_if_alive(length, first.frequency, age, &mut distribution);
                rows.iter()
                    .map(|row| self.foretell_row(model, row, ahead, &distribution))
                    .collect()
            })
            .collect();
        Ok(chunks?.concat())
    }

    fn foretell_row(
        &self,
        model: &dyn PurchaseModel,
        row: &Held,
        ahead: f64,
        distribution: &[f64],
    ) -> Result<Foretold, ScoreError> {
        let unit = self.days_per_unit;
        let (recency, age) = (row.recency_days as f64 / unit, row.age_days as f64 / unit);
        let customer = Summary::new(row.frequency, recency, age)
            .map_err(|error| impossible("the holdout", &error))?;
        let alive = model.probability_alive(&customer);
        let came = usize::try_from(row.came).unwrap_or(usize::MAX);
        let if_alive = distribution.get(came).copied().unwrap_or(0.0);
        let gone = if came == 0 { 1.0 - alive } else { 0.0 };
        Ok(Foretold {
            probability_alive: alive,
            purchases: alive * ahead,
            log_probability: (alive * if_alive + gone).max(LEAST_PROBABILITY).ln(),
        })
    }

    fn overall(
        &self,
        name: &'static str,
        outcomes: &Outcomes,
        foretold: &[Foretold],
    ) -> CalibrationRow {
        let customers = outcomes.customers();
        let log_scores = self.rows.iter().zip(foretold);
        let log_score: f64 = log_scores
            .map(|(row, foretold)| row.customers as f64 * foretold.log_probability)
            .sum();
        CalibrationRow {
            mae: Some(outcomes.mean_absolute_error()),
            rmse: Some(outcomes.root_mean_squared_error()),
            gini: outcomes.gini(),
            log_score: Some(log_score / customers as f64),
            ..group(
                name,
                Grouping::Overall,
                String::new(),
                &sums(customers, outcomes.expected(), outcomes.actual()),
            )
        }
    }

    /// The month of the first purchase, counted from the year 0.
    fn cohort(&self, row: &Held) -> i64 {
        let first = self.first_day(row.age_days);
        i64::from(first.year()) * 12 + i64::from(first.month0())
    }

    fn first_day(&self, age_days: i64) -> NaiveDate {
        let days = u64::try_from(age_days).unwrap_or(0).saturating_add(1);
        let first = self.context.holdout_start.checked_sub_days(Days::new(days));
        first.unwrap_or(NaiveDate::MIN)
    }

    /// The tracking curve, week by week: repeat purchases of all customers since they came, through the holdout.
    fn by_week(&self, name: &'static str, model: &dyn PurchaseModel) -> Vec<CalibrationRow> {
        let mut births: BTreeMap<NaiveDate, u64> = BTreeMap::new();
        for row in &self.rows {
            *births.entry(self.first_day(row.age_days)).or_default() += row.customers;
        }
        let Some((&first, _)) = births.first_key_value() else {
            return Vec::new();
        };
        // The purchases expected of one new customer by each age in days.
        let span = (self.context.as_of - first).num_days();
        let by_age: Vec<f64> = (0..span)
            .into_par_iter()
            .map(|age| model.expected_purchases_new_customer(age as f64 / self.days_per_unit))
            .collect();
        let cumulative = |last: NaiveDate| -> f64 {
            let came = births.range(..=last);
            came.map(|(birth, customers)| {
                let age = usize::try_from((last - *birth).num_days()).unwrap_or(0);
                *customers as f64 * by_age.get(age).copied().unwrap_or(0.0)
            })
            .sum()
        };
        let actual: BTreeMap<NaiveDate, u64> = self.weeks.iter().copied().collect();
        let mut table = Vec::new();
        let (mut monday, mut before) = (first.week(chrono::Weekday::Mon).first_day(), 0.0);
        while monday < self.context.as_of {
            let next = monday + Days::new(7);
            let last = next.min(self.context.as_of) - Days::new(1);
            let by = cumulative(last);
            let sums = sums(
                births.range(..=last).map(|(_, customers)| customers).sum(),
                by - before,
                actual.get(&monday).copied().unwrap_or(0) as f64,
            );
            table.push(group(name, Grouping::Week, monday.to_string(), &sums));
            (monday, before) = (next, by);
        }
        table
    }
}

fn sums(customers: u64, expected: f64, actual: f64) -> Group<i64> {
    Group {
        key: 0,
        customers,
        expected,
        actual,
    }
}

fn group(
    model: &'static str,
    grouping: Grouping,
    group: String,
    sums: &Group<i64>,
) -> CalibrationRow {
    let bias = sums.expected / sums.actual - 1.0;
    CalibrationRow {
        model: model.into(),
        grouping,
        group,
        customers: i64::try_from(sums.customers).unwrap_or(i64::MAX),
        expected: sums.expected,
        actual: sums.actual,
        bias: (sums.actual > 0.0 && bias.is_finite()).then_some(bias),
        mae: None,
        rmse: None,
        gini: None,
        log_score: None,
        is_chosen: false,
    }
}
