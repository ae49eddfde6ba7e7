//! The tables that a fit looks at, as sorted columns: their rows come in no order, and sums of floats need one.

use arrow::array::{Array, RecordBatch};
use chrono::NaiveDate;
use cvm_models::btyd::Summaries;
use cvm_models::spend::Spenders;
use rayon::slice::ParallelSliceMut;

use super::super::ScoreError;
use super::super::columns::{dates, doubles, integers};

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(super) fn impossible(input: &str, error: &dyn std::error::Error) -> ScoreError {
    ScoreError::ImpossibleRow {
        input: input.to_owned(),
        message: error.to_string(),
    }
}

/// Rows of whole numbers, the last of which counts customers, sorted.
fn integer_rows<const N: usize>(
    batches: &[RecordBatch],
    names: [&'static str; N],
) -> Result<Vec<[i64; N]>, ScoreError> {
    let mut rows: Vec<[i64; N]> = Vec::new();
    for batch in batches {
        let mut columns = Vec::with_capacity(N);
        for name in names {
            columns.push(integers(batch, name)?);
        }
        rows.extend(
            (0..batch.num_rows()).map(|row| std::array::from_fn(|i| columns[i].value(row))),
        );
    }
    rows.par_sort_unstable();
    Ok(rows)
}

/// Distinct histories.
pub(super) struct Histories {
    pub(super) summaries: Summaries,
    pub(super) customers: u64,
    pub(super) distinct: usize,
}

/// The distinct summaries of `input`, in units of `days_per_unit`.
pub(super) fn histories(
    input: &str,
    batches: &[RecordBatch],
    days_per_unit: f64,
) -> Result<Histories, ScoreError> {
    let names = ["frequency", "customer_age", "recency_age", "customers"];
    let rows = integer_rows(batches, names)?;
    let time = |days: i64| days as f64 / days_per_unit;
    let frequency: Vec<u64> = rows.iter().map(|row| count(row[0])).collect();
    let age: Vec<f64> = rows.iter().map(|row| time(row[1])).collect();
    let recency: Vec<f64> = rows.iter().map(|row| time(row[2])).collect();
    let customers: Vec<u64> = rows.iter().map(|row| count(row[3])).collect();
    let summaries = Summaries::weighted(&frequency, &recency, &age, &customers)
        .map_err(|error| impossible(input, &error))?;
    Ok(Histories {
        summaries,
        customers: customers.iter().sum(),
        distinct: rows.len(),
    })
}

/// A history before the holdout, and what came in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    pub(super) frequency: u64,
    pub(super) age_days: i64,
    pub(super) recency_days: i64,
    pub(super) came: u64,
    pub(super) customers: u64,
}

/// Histories before the holdout, in the order of (frequency, age, recency, what came).
pub(super) fn held(batches: &[RecordBatch]) -> Result<Vec<Held>, ScoreError> {
    let names = [
        "frequency",
        "customer_age",
        "recency_age",
        "holdout_purchases",
        "customers",
    ];
    let rows = integer_rows(batches, names)?.into_iter();
    Ok(rows
        .map(|row| Held {
            frequency: count(row[0]),
            age_days: row[1],
            recency_days: row[2],
            came: count(row[3]),
            customers: count(row[4]),
        })
        .collect())
}

/// Mondays with the repeat purchases of their weeks, ascending.
pub(super) fn weeks(batches: &[RecordBatch]) -> Result<Vec<(NaiveDate, u64)>, ScoreError> {
    let mut weeks = Vec::new();
    for batch in batches {
        let (starts, repeats) = (
            dates(batch, "week_start_date")?,
            integers(batch, "repeat_purchases")?,
        );
        for row in 0..batch.num_rows() {
            if let Some(start) = starts.value_as_date(row) {
                weeks.push((start, count(repeats.value(row))));
            }
        }
    }
    weeks.sort_unstable();
    Ok(weeks)
}

/// The customers with a repeat purchase and a positive mean value.
pub(super) struct Buyers {
    pub(super) spenders: Spenders,
    pub(super) customers: usize,
    /// Pearson's correlation of frequency and mean value; none where either does not vary.
    pub(super) correlation: Option<f64>,
}

pub(super) fn buyers(input: &str, batches: &[RecordBatch]) -> Result<Buyers, ScoreError> {
    let mut rows: Vec<(u64, f64)> = Vec::new();
    for batch in batches {
        let frequency = integers(batch, "frequency")?;
        let value = doubles(batch, "monetary_value")?;
        rows.extend(
            (0..batch.num_rows())
                .filter(|row| value.is_valid(*row))
                .map(|row| (count(frequency.value(row)), value.value(row))),
        );
    }
    rows.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (frequency, value): (Vec<u64>, Vec<f64>) = rows.into_iter().unzip();
    let correlation = correlation(&frequency, &value);
    let spenders = Spenders::new(&frequency, &value).map_err(|error| impossible(input, &error))?;
    Ok(Buyers {
        spenders,
        customers: frequency.len(),
        correlation,
    })
}

/// Pearson's correlation, in two passes in the order of the rows.
fn correlation(x: &[u64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let mean_x = x.iter().map(|x| *x as f64).sum::<f64>() / n;
    let mean_y = y.iter().sum::<f64>() / n;
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (*x as f64 - mean_x, y - mean_y);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    correlation.is_finite().then_some(correlation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.corrcoef([1, 2, 3, 4], [10, 30, 20, 60])[0, 1]
    #[test]
    fn correlation_matches_numpy() {
        let found = correlation(&[1, 2, 3, 4], &[10.0, 30.0, 20.0, 60.0]).unwrap();
        assert!((found - 0.836_660_026_534_075_6).abs() < 1e-15, "{found}");
    }

    #[test]
    fn without_variation_there_is_no_correlation() {
        assert_eq!(correlation(&[2, 2], &[1.0, 5.0]), None);
        assert_eq!(correlation(&[1, 2], &[5.0, 5.0]), None);
        assert_eq!(correlation(&[], &[]), None);
    }
}
