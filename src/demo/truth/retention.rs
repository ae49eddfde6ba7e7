//! Who of a cohort truly buys again, and who is still there: `truth/retention.json`.
//!
//! Given rate λ and dropout probability p, a customer is still there t days after the first purchase with probability
//! e^(−λpt), since leaving has the rate λp, and buys in (t₁, t₂] with probability e^(−λpt₁)(1 − e^(−λ(t₂ − t₁))).

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure};
use crate::demo::process::{Purchase, Traits};
use crate::demo::text::{date, day_number};

/// A month of a cohort: those whose first order fell into one calendar month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionTruth {
    /// The first day of the cohort's month; none for all cohorts together.
    pub cohort_month: Option<NaiveDate>,
    /// Calendar months since then; never the first month, in which everybody buys.
    pub months_since: u32,
    /// Those of the cohort.
    pub customers: u64,
    /// The share with an order in that calendar month.
    pub active: Figure,
    /// The share who had not left when that month began. Nobody can count it: they do not say so.
    pub alive: f64,
}

/// What was counted of cohorts: draws and the sum of the probabilities of being there, by cohort and months since.
#[derive(Debug, Clone, Default)]
pub(in crate::demo) struct RetentionLedger {
    cells: BTreeMap<(i32, u32), (Draws, f64)>,
}

impl RetentionLedger {
    /// Counts a customer whose history ends before `end_day`; a month that it cuts off counts as far as it goes.
    pub(in crate::demo) fn customer(
        &mut self,
        traits: &Traits,
        purchases: &[Purchase],
        end_day: i32,
    ) {
        let cohort = month(traits.first_day);
        let mut bought = purchases.iter().map(|purchase| purchase.day).peekable();
        for months_since in 1.. {
            let start = first_day(cohort + months_since as i32);
            if start >= end_day {
                break;
            }
            let end = first_day(cohort + months_since as i32 + 1).min(end_day);
            while bought.next_if(|day| *day < start).is_some() {}
            let is_active = bought.peek().is_some_and(|day| *day < end);
            // A purchase at t falls on the nearest day, and none is later than the last.
            let age = f64::from(end_day - 1 - traits.first_day);
            let from = f64::from(start - traits.first_day) - 0.5;
            let to = (f64::from(end - traits.first_day) - 0.5).min(age);
            let alive = (-traits.rate * traits.dropout_probability * from).exp();
            let active = alive * (1.0 - (-traits.rate * (to - from)).exp());
            let (draws, sum) = self.cells.entry((cohort, months_since)).or_default();
            draws.chance(active, is_active);
            *sum += alive;
        }
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        for (cell, (draws, alive)) in &other.cells {
            let (into, sum) = self.cells.entry(*cell).or_default();
            into.add(draws);
            *sum += alive;
        }
    }

    /// All cohorts together first, then each.
    pub(in crate::demo) fn truth(&self) -> Vec<RetentionTruth> {
        let mut together = BTreeMap::<u32, (Draws, f64)>::new();
        for ((_, months_since), (draws, alive)) in &self.cells {
            let (into, sum) = together.entry(*months_since).or_default();
            into.add(draws);
            *sum += alive;
        }
        let row = |cohort_month, months_since: u32, (draws, alive): &(Draws, f64)| RetentionTruth {
            cohort_month,
            months_since,
            customers: draws.count,
            active: draws.figure(),
            alive: alive / draws.count.max(1) as f64,
        };
        let all = together
            .iter()
            .map(|(months, cell)| row(None, *months, cell));
        let each = self
            .cells
            .iter()
            .map(|((cohort, months), cell)| row(Some(date(first_day(*cohort))), *months, cell));
        all.chain(each).collect()
    }
}

/// Months since year 0.
fn month(day: i32) -> i32 {
    let day = date(day);
    day.year() * 12 + day.month0() as i32
}

fn first_day(month: i32) -> i32 {
    let year = NaiveDate::from_ymd_opt(month.div_euclid(12), 1, 1).unwrap_or_default();
    day_number(year + Months::new(month.rem_euclid(12) as u32))
}
