//! CDNOW's raw transactions, and the customers as they were on 1997-09-30.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use cvm_models::btyd::{Summaries, Summary};
use cvm_models::spend::Spenders;

/// Days from 1997-01-01 to 1997-09-30, the end of the calibration.
const CALIBRATION_END: i64 = 272;
const DAYS_A_WEEK: f64 = 7.0;

/// Dollars by day (days since 1997-01-01) of each customer, in the order of their ids; a day is one purchase.
pub(crate) type Purchases = BTreeMap<String, BTreeMap<i64, f64>>;

/// The file's transactions, those of a customer on the same day merged. Its last four columns are the customer's id, the
/// date YYYYMMDD, CDs and dollars.
pub(crate) fn read(file: &Path) -> Result<Purchases, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut purchases = Purchases::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let [.., id, date, _, dollars] = cells[..] else {
            return Err(format!("{}: no transaction: {line}", file.display()).into());
        };
        if id == "customer_id" {
            continue;
        }
        let days = purchases.entry(id.to_owned()).or_default();
        *days.entry(day(date.parse()?)?).or_insert(0.0) += dollars.parse::<f64>()?;
    }
    Ok(purchases)
}

/// Days since 1997-01-01 of a date YYYYMMDD in 1997 or 1998, neither of which is a leap year.
fn day(date: i64) -> Result<i64, Box<dyn Error>> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let (year, month) = (date / 10_000, date / 100 % 100);
    match (year, usize::try_from(month - 1).map(|m| BEFORE.get(m))) {
        (1997..=1998, Ok(Some(before))) => Ok(365 * (year - 1997) + before + date % 100 - 1),
        _ => Err(format!("no date of 1997 or 1998: {date}").into()),
    }
}

/// A customer's calibration period.
pub(crate) struct Customer {
    pub(crate) frequency: u64,
    /// Days from the first purchase to the last.
    pub(crate) recency_days: i64,
    /// Days from the first purchase to the end of the period.
    pub(crate) age_days: i64,
    /// Over the repeat purchases; 0 if there is none.
    pub(crate) mean_spend: f64,
}

impl Customer {
    /// In weeks.
    pub(crate) fn summary(&self) -> Result<Summary, Box<dyn Error>> {
        let [recency_age, customer_age] = [self.recency_days, self.age_days].map(weeks);
        Ok(Summary::new(self.frequency, recency_age, customer_age)?)
    }

    /// The time of the first purchase, in weeks since 1997-01-01.
    pub(crate) fn birth(&self) -> f64 {
        weeks(CALIBRATION_END - self.age_days)
    }
}

pub(crate) fn weeks(days: i64) -> f64 {
    days as f64 / DAYS_A_WEEK
}

/// The customers in the order of their ids.
pub(crate) fn calibrated(purchases: &Purchases) -> Vec<Customer> {
    let customer = |days: &BTreeMap<i64, f64>| {
        let mut seen = days.range(..=CALIBRATION_END);
        let (first, _) = seen.next()?;
        let repeats: Vec<(&i64, &f64)> = seen.collect();
        let last = repeats.last().map_or(first, |(day, _)| *day);
        let spend: f64 = repeats.iter().map(|(_, dollars)| **dollars).sum();
        Some(Customer {
            frequency: repeats.len() as u64,
            recency_days: last - first,
            age_days: CALIBRATION_END - first,
            mean_spend: spend / repeats.len().max(1) as f64,
        })
    };
    purchases.values().filter_map(customer).collect()
}

/// What models of purchases are fitted to, in weeks.
pub(crate) fn summaries(customers: &[Customer]) -> Result<Summaries, Box<dyn Error>> {
    let frequency: Vec<u64> = customers.iter().map(|c| c.frequency).collect();
    let recency_age: Vec<f64> = customers.iter().map(|c| weeks(c.recency_days)).collect();
    let customer_age: Vec<f64> = customers.iter().map(|c| weeks(c.age_days)).collect();
    Ok(Summaries::new(&frequency, &recency_age, &customer_age)?)
}

/// What a model of spend is fitted to: repeaters who paid something.
pub(crate) fn spenders(customers: &[Customer]) -> Result<Spenders, Box<dyn Error>> {
    let spend = customers.iter().filter(|c| c.mean_spend > 0.0);
    let (purchases, mean_spend): (Vec<u64>, Vec<f64>) =
        spend.map(|c| (c.frequency, c.mean_spend)).unzip();
    Ok(Spenders::new(&purchases, &mean_spend)?)
}
