//! The customers of a fit: distinct histories with their numbers of customers, laid out for repeated passes.

use rayon::prelude::*;
use thiserror::Error;

use super::ranking::Ranking;
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
    #[error("more than 2^53 customers, or more distinct histories than 63 bits can number")]
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
    pub(crate) histories: Histories,
}

/// Distinct histories, laid out for repeated passes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histories {
    /// Distinct x with the customers that have it, ascending.
    pub(crate) frequencies: Vec<(f64, f64)>,
    /// Distinct T with Σ 1 and Σ x of the customers that have it, ascending.
    pub(crate) ages: Vec<(f64, f64, f64)>,
    /// The customers with x = 0 of each distinct T.
    pub(crate) once: Vec<f64>,
    /// Distinct t_x, ascending.
    pub(crate) recencies: Vec<f64>,
    /// Histories with x > 0, in the order of (x, T, t_x).
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

    /// The distinct pairs of frequency and customer_age, in their order: what a forecast can prepare for.
    #[must_use]
    pub fn pairs(&self) -> Vec<(u64, f64)> {
        let rows = self.histories.rows();
        let mut pairs: Vec<(u64, f64)> = rows.map(|(x, _, age, _)| (x, age)).collect();
        pairs.dedup();
        pairs
    }

    /// Every n-th history of repeat buyers and an n-th of everybody else, where there are so many that the search for a
    /// maximum is better begun on a sample. In their order every n-th is a fair sample of them.
    pub(crate) fn thinned(&self) -> Option<Self> {
        let histories = self.histories.thinned()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a count below 2^53"
        )]
        let customers = histories.ages.iter().map(|(_, n, _)| n).sum::<f64>() as u64;
        Some(Self {
            customers,
            purchases: histories.frequencies.iter().map(|(x, n)| x * n).sum(),
            time: histories.ages.iter().map(|(age, n, _)| age * n).sum(),
            histories,
        })
    }

    /// The customers at places 0, n, 2n, … in canonical order, where `seen` customers came before and are counted on; `None`
    /// if there are none. A fair sample however customers share histories.
    pub(crate) fn every_nth(&self, n: u64, seen: &mut u64) -> Option<Self> {
        let mut table: (Vec<u64>, Vec<f64>, Vec<f64>, Vec<u64>) = Default::default();
        for (x, recency_age, customer_age, customers) in self.histories.rows() {
            let before = seen.div_ceil(n);
            *seen += customers;
            let taken = seen.div_ceil(n) - before;
            if taken > 0 {
                table.0.push(x);
                table.1.push(recency_age);
                table.2.push(customer_age);
                table.3.push(taken);
            }
        }
        let sample = Self::weighted(&table.0, &table.1, &table.2, &table.3).ok()?;
        (sample.customers > 0).then_some(sample)
    }

    fn build(
        x: &[u64],
        t_x: &[f64],
        t: &[f64],
        customers: Option<&[u64]>,
    ) -> Result<Self, SummariesError> {
        let rows = parse(x, t_x, t, customers)?;
        let total = rows
            .iter()
            .try_fold(0_u64, |sum, (_, n)| sum.checked_add(*n));
        let customers = total
            .filter(|n| *n <= 1 << 53)
            .ok_or(SummariesError::TooMany)?;

        let frequencies = Ranking::new(&rows, |(s, _)| s.frequency())?;
        let ages = Ranking::new(&rows, |(s, _)| s.customer_age().to_bits())?;
        let recencies = Ranking::new(&rows, |(s, _)| s.recency_age().to_bits())?;
        let (age_bits, recency_bits) = (ages.bits(), recencies.bits());
        if frequencies.bits() + age_bits + recency_bits >= u64::BITS {
            return Err(SummariesError::TooMany);
        }
        let mut keys: Vec<(u64, u64)> = rows
            .par_iter()
            .map(|(s, count)| {
                let frequency = frequencies.rank(s.frequency());
                let age = ages.rank(s.customer_age().to_bits());
                let recency = recencies.rank(s.recency_age().to_bits());
                (
                    ((frequency << age_bits) | age) << recency_bits | recency,
                    *count,
                )
            })
            .collect();
        keys.par_sort_unstable_by_key(|(key, _)| *key);
        keys.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });

        let times = |ranking: &Ranking| {
            ranking
                .values
                .iter()
                .map(|bits| f64::from_bits(*bits))
                .collect::<Vec<f64>>()
        };
        let mut histories = Histories {
            frequencies: frequencies
                .values
                .iter()
                .map(|x| (exact(*x), 0.0))
                .collect(),
            ages: times(&ages)
                .into_iter()
                .map(|age| (age, 0.0, 0.0))
                .collect(),
            once: vec![0.0; ages.values.len()],
            recencies: times(&recencies),
            repeaters: Vec::with_capacity(keys.len()),
        };
        for (key, count) in keys {
            let field = |shift: u32, bits: u32| (key >> shift) & ((1 << bits) - 1);
            let frequency = field(age_bits + recency_bits, frequencies.bits());
            let narrow = |rank: u64| u32::try_from(rank).unwrap_or(u32::MAX);
            histories.add(Repeater {
                frequency: narrow(frequency),
                age: narrow(field(recency_bits, age_bits)),
                recency: narrow(field(0, recency_bits)),
                customers: exact(count),
            });
        }
        histories.repeaters.shrink_to_fit();
        let purchases = histories.frequencies.iter().map(|(x, n)| x * n).sum();
        let time = histories.ages.iter().map(|(age, n, _)| age * n).sum();
        Ok(Self {
            customers,
            purchases,
            time,
            histories,
        })
    }
}

impl Histories {
    fn add(&mut self, row: Repeater) {
        let (x, customers) = &mut self.frequencies[row.frequency as usize];
        *customers += row.customers;
        let (_, at_age, purchases) = &mut self.ages[row.age as usize];
        *at_age += row.customers;
        *purchases += row.customers * *x;
        if *x > 0.0 {
            self.repeaters.push(row);
        } else {
            self.once[row.age as usize] += row.customers;
        }
    }

    /// Distinct histories with their customers, those without a repeat purchase first.
    fn rows(&self) -> impl Iterator<Item = (u64, f64, f64, u64)> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts below 2^53"
        )]
        let whole = |count: f64| count as u64;
        let ages = self.ages.iter().map(|(age, ..)| *age);
        let once = ages.zip(self.once.iter().copied());
        let repeaters = self.repeaters.iter().map(move |row| {
            (
                whole(self.frequencies[row.frequency as usize].0),
                self.recencies[row.recency as usize],
                self.ages[row.age as usize].0,
                whole(row.customers),
            )
        });
        once.filter(|(_, n)| *n > 0.0)
            .map(move |(age, n)| (0, 0.0, age, whole(n)))
            .chain(repeaters)
    }

    fn thinned(&self) -> Option<Self> {
        let every = self.repeaters.len() / THINNED_ROWS;
        if every < 2 {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a ratio of row counts, far below 2^53"
        )]
        let share = 1.0 / every as f64;
        let mut thinned = Self {
            frequencies: self.frequencies.iter().map(|(x, _)| (*x, 0.0)).collect(),
            ages: self
                .ages
                .iter()
                .zip(&self.once)
                .map(|((age, ..), n)| (*age, n * share, 0.0))
                .collect(),
            once: self.once.iter().map(|n| n * share).collect(),
            recencies: self.recencies.clone(),
            repeaters: Vec::with_capacity(self.repeaters.len() / every + 1),
        };
        if let Some(first) = thinned.frequencies.first_mut().filter(|(x, _)| *x == 0.0) {
            first.1 = self.once.iter().sum::<f64>() * share;
        }
        self.repeaters
            .iter()
            .step_by(every)
            .for_each(|row| thinned.add(*row));
        Some(thinned)
    }
}

/// Rows of a sample; enough to come within a few standard errors of the sample of the maximum.
const THINNED_ROWS: usize = 1 << 15;

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
