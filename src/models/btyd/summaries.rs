//! The customers of a fit: distinct histories with their numbers of customers, laid out for repeated passes.

use rayon::prelude::*;
use thiserror::Error;

use super::summary::{Summary, SummaryDefect, exact};

/// Why rows cannot be fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SummariesError {
    /// Columns that are not columns of one table.
    #[error("column {column} has {rows} rows, but frequency has {expected}")]
    Lengths {
        /// The column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of `frequency`.
        expected: usize,
    },
    /// A row that is no history.
    #[error("row {row}: {defect}")]
    Row {
        /// Position in the columns, from 0.
        row: usize,
        /// What is wrong with it.
        defect: SummaryDefect,
    },
    /// A row that stands for nobody.
    #[error("row {row}: customers must be at least 1")]
    NoCustomersInRow {
        /// Position in the columns, from 0.
        row: usize,
    },
    /// More than the arithmetic is exact for.
    #[error("more than 2^53 customers or 2^32 distinct histories")]
    TooMany,
}

/// Histories in canonical order, equal ones merged. Two of them are equal whenever they hold the same customers,
/// whatever the order of the rows and however they were weighted, and so are the fits to them, bit by bit.
#[derive(Debug, Clone, PartialEq)]
pub struct Summaries {
    customers: u64,
    /// Σ x.
    purchases: f64,
    /// Σ T.
    time: f64,
    /// Distinct x with the customers that have it, ascending.
    pub(crate) frequencies: Vec<(f64, f64)>,
    /// Distinct T with Σ 1 and Σ x of the customers that have it, ascending.
    pub(crate) ages: Vec<(f64, f64, f64)>,
    /// Distinct t_x of repeat buyers, ascending.
    pub(crate) recencies: Vec<f64>,
    /// Distinct histories with x > 0, in the order of (x, T, t_x).
    pub(crate) repeaters: Vec<Repeater>,
}

/// A distinct history with x > 0, as positions in the lists of distinct values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Repeater {
    pub(crate) frequency: u32,
    pub(crate) age: u32,
    pub(crate) recency: u32,
    pub(crate) customers: f64,
}

impl Summaries {
    /// One row a customer.
    ///
    /// # Errors
    /// Where the columns differ in length or a row is no possible history; the first such row is named.
    pub fn new(
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
    ) -> Result<Self, SummariesError> {
        Self::build(frequency, recency_age, customer_age, None)
    }

    /// One row for `customers` customers of the same history. Histories may occur in several rows.
    ///
    /// # Errors
    /// As [`Summaries::new`], and where a row stands for no customer.
    pub fn weighted(
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
        customers: &[u64],
    ) -> Result<Self, SummariesError> {
        Self::build(frequency, recency_age, customer_age, Some(customers))
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The number of repeat purchases, Σ x.
    #[must_use]
    pub fn repeat_purchases(&self) -> f64 {
        self.purchases
    }

    /// The observed time, Σ T.
    #[must_use]
    pub fn observed_time(&self) -> f64 {
        self.time
    }

    fn build(
        x: &[u64],
        t_x: &[f64],
        t: &[f64],
        customers: Option<&[u64]>,
    ) -> Result<Self, SummariesError> {
        let mut rows = parse(x, t_x, t, customers)?;
        rows.par_sort_unstable_by(|(a, _), (b, _)| {
            a.frequency()
                .cmp(&b.frequency())
                .then(a.customer_age().total_cmp(&b.customer_age()))
                .then(a.recency_age().total_cmp(&b.recency_age()))
        });
        let total = rows
            .iter()
            .try_fold(0_u64, |sum, (_, n)| sum.checked_add(*n));
        let customers = total
            .filter(|n| *n <= 1 << 53)
            .ok_or(SummariesError::TooMany)?;
        rows.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        if u32::try_from(rows.len()).is_err() {
            return Err(SummariesError::TooMany);
        }
        Ok(Self::lay_out(customers, &rows))
    }

    /// `rows` are distinct and in order.
    fn lay_out(customers: u64, rows: &[(Summary, u64)]) -> Self {
        let distinct = |values: Vec<f64>| {
            let mut values = values;
            values.par_sort_unstable_by(f64::total_cmp);
            values.dedup();
            values
        };
        let repeat = |(s, _): &&(Summary, u64)| s.frequency() > 0;
        let ages = distinct(rows.iter().map(|(s, _)| s.customer_age()).collect());
        let recencies = distinct(
            rows.iter()
                .filter(repeat)
                .map(|(s, _)| s.recency_age())
                .collect(),
        );
        let position = |values: &[f64], value: f64| values.partition_point(|v| *v < value);
        let narrow = |position: usize| u32::try_from(position).unwrap_or(u32::MAX);

        let mut frequencies: Vec<(f64, f64)> = Vec::new();
        let mut ages: Vec<(f64, f64, f64)> = ages.into_iter().map(|age| (age, 0.0, 0.0)).collect();
        let age_of: Vec<usize> = rows
            .par_iter()
            .map(|(s, _)| ages.partition_point(|(age, _, _)| *age < s.customer_age()))
            .collect();
        let mut repeaters = Vec::with_capacity(rows.iter().filter(repeat).count());
        let (mut purchases, mut time) = (0.0, 0.0);
        for ((summary, count), age) in rows.iter().zip(age_of) {
            let (x, n) = (summary.count(), exact(*count));
            match frequencies.last_mut() {
                Some(last) if last.0 == x => last.1 += n,
                _ => frequencies.push((x, n)),
            }
            ages[age].1 += n;
            ages[age].2 += n * x;
            purchases += n * x;
            time += n * summary.customer_age();
            if summary.frequency() > 0 {
                repeaters.push(Repeater {
                    frequency: narrow(frequencies.len() - 1),
                    age: narrow(age),
                    recency: narrow(position(&recencies, summary.recency_age())),
                    customers: n,
                });
            }
        }
        Self {
            customers,
            purchases,
            time,
            frequencies,
            ages,
            recencies,
            repeaters,
        }
    }
}

/// The rows as histories with their numbers of customers. The first bad row is the one named, so that an error is as
/// reproducible as a result.
pub(super) fn parse(
    x: &[u64],
    recency_age: &[f64],
    customer_age: &[f64],
    customers: Option<&[u64]>,
) -> Result<Vec<(Summary, u64)>, SummariesError> {
    let columns = [
        ("recency_age", recency_age.len()),
        ("customer_age", customer_age.len()),
        ("customers", customers.map_or(x.len(), <[u64]>::len)),
    ];
    if let Some((column, rows)) = columns.into_iter().find(|(_, rows)| *rows != x.len()) {
        return Err(SummariesError::Lengths {
            column,
            rows,
            expected: x.len(),
        });
    }
    let parse = |row: usize| {
        let summary = Summary::new(x[row], recency_age[row], customer_age[row])
            .map_err(|defect| SummariesError::Row { row, defect })?;
        match customers.map_or(1, |c| c[row]) {
            0 => Err(SummariesError::NoCustomersInRow { row }),
            count => Ok((summary, count)),
        }
    };
    if let Some(error) = (0..x.len())
        .into_par_iter()
        .find_map_first(|row| parse(row).err())
    {
        return Err(error);
    }
    Ok((0..x.len())
        .into_par_iter()
        .filter_map(|row| parse(row).ok())
        .collect())
}
