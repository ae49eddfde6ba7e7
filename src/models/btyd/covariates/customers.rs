//! The customers of a fit with covariates: grouped by the covariates' exact values.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use super::{ActsOn, Covariate, CovariatesError};
use crate::btyd::{Summaries, exact};

/// Histories by distinct covariates in canonical order. Two of them are equal whenever they hold the same customers with
/// the same columns, whatever the order of the rows and however they were weighted, and so are the fits to them, bit by
/// bit.
#[derive(Debug, Clone, PartialEq)]
pub struct CovariateSummaries {
    pub(super) names: Vec<String>,
    pub(super) acts_on: Vec<ActsOn>,
    /// The covariates of each group, one group after another.
    z: Vec<f64>,
    pub(super) groups: Vec<Summaries>,
    /// All customers, whatever their covariates.
    pub(super) pooled: Summaries,
}

impl CovariateSummaries {
    /// One row a customer. Without covariates it is the base model's data.
    ///
    /// # Errors
    /// Where columns differ in length, a row is no possible history, or a covariate is none that a coefficient can be
    /// told of; the first fault is named, histories before covariates.
    pub fn new(
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
        covariates: &[Covariate<'_>],
    ) -> Result<Self, CovariatesError> {
        let pooled = Summaries::new(frequency, recency_age, customer_age)?;
        let table = Table {
            frequency,
            recency_age,
            customer_age,
            customers: None,
        };
        Self::build(pooled, &table, covariates)
    }

    /// One row for `customers` customers of the same history and covariates. They may occur in several rows.
    ///
    /// # Errors
    /// As [`CovariateSummaries::new`], and where a row stands for no customer.
    pub fn weighted(
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
        customers: &[u64],
        covariates: &[Covariate<'_>],
    ) -> Result<Self, CovariatesError> {
        let pooled = Summaries::weighted(frequency, recency_age, customer_age, customers)?;
        let table = Table {
            frequency,
            recency_age,
            customer_age,
            customers: Some(customers),
        };
        Self::build(pooled, &table, covariates)
    }

    /// The number of distinct covariate vectors: 1 without covariates.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// All customers, whatever their covariates.
    #[must_use]
    pub fn pooled(&self) -> &Summaries {
        &self.pooled
    }

    /// The covariates of a group.
    pub(super) fn z(&self, group: usize) -> &[f64] {
        let columns = self.names.len();
        &self.z[group * columns..(group + 1) * columns]
    }

    /// Every n-th customer in canonical order, where there are so many groups or histories that the search for a maximum
    /// is better begun on a sample.
    pub(super) fn thinned(&self) -> Option<Self> {
        let histories: usize = self
            .groups
            .iter()
            .map(|group| group.histories.repeaters.len())
            .sum();
        if histories < 2 * THINNED_HISTORIES && self.groups.len() < 2 * THINNED_GROUPS {
            return None;
        }
        let most = if self.groups.len() < 2 * THINNED_GROUPS {
            THINNED_HISTORIES
        } else {
            THINNED_GROUPS
        };
        let every = self.pooled.customers() / most as u64;
        if every < 2 {
            return None;
        }
        let mut sample = Self {
            names: self.names.clone(),
            acts_on: self.acts_on.clone(),
            z: Vec::new(),
            groups: Vec::new(),
            pooled: self.pooled.every_nth(every, &mut 0)?,
        };
        let mut seen = 0;
        for (index, group) in self.groups.iter().enumerate() {
            if let Some(part) = group.every_nth(every, &mut seen) {
                sample.groups.push(part);
                sample.z.extend_from_slice(self.z(index));
            }
        }
        Some(sample)
    }

    fn build(
        pooled: Summaries,
        table: &Table<'_>,
        covariates: &[Covariate<'_>],
    ) -> Result<Self, CovariatesError> {
        let rows = table.frequency.len();
        for (i, covariate) in covariates.iter().enumerate() {
            if covariates[..i].iter().any(|c| c.name == covariate.name) {
                return Err(CovariatesError::Duplicate {
                    covariate: covariate.name.to_owned(),
                });
            }
            check_length(covariate.name, covariate.values.len(), rows)?;
            check_column(covariate.name, covariate.values)?;
        }
        let columns: Vec<&[f64]> = covariates.iter().map(|c| c.values).collect();
        let grouping = Grouping::new(&columns, rows);
        let groups = grouping.groups();
        let first = groups.iter().map(|group| grouping.order[group.start]);
        let data = Self {
            names: covariates.iter().map(|c| c.name.to_owned()).collect(),
            acts_on: covariates.iter().map(|c| c.acts_on).collect(),
            // Adding zero turns −0 into 0.
            z: first
                .flat_map(|row| columns.iter().map(move |column| column[row] + 0.0))
                .collect(),
            groups: groups
                .into_par_iter()
                .with_min_len(64)
                .map(|group| table.summaries(&grouping.order[group]))
                .collect::<Result<_, _>>()?,
            pooled,
        };
        if !data.groups.is_empty() {
            data.check_identified()?;
        }
        Ok(data)
    }

    /// Refuses columns that tell no coefficient.
    fn check_identified(&self) -> Result<(), CovariatesError> {
        let columns: Vec<Vec<f64>> = (0..self.names.len())
            .map(|k| (0..self.groups.len()).map(|g| self.z(g)[k]).collect())
            .collect();
        for (name, column) in self.names.iter().zip(&columns) {
            check_span(name, column)?;
        }
        let weights: Vec<f64> = self.groups.iter().map(|g| exact(g.customers())).collect();
        for process in [ActsOn::Purchasing, ActsOn::Leaving] {
            let acting = (0..columns.len()).filter(|k| self.acts_on[*k].includes(process));
            let mut basis: Vec<Vec<f64>> = Vec::new();
            for k in acting {
                match remainder(&columns[k], &weights, &basis) {
                    Some(direction) => basis.push(direction),
                    None => {
                        return Err(CovariatesError::Collinear {
                            covariate: self.names[k].clone(),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// Groups of a sample, and histories where there are few groups. A group costs as much as dozens of histories of one.
const THINNED_GROUPS: usize = 1 << 13;
const THINNED_HISTORIES: usize = 1 << 15;

/// A covariate spans at least and at most this: a search looks at e^γ from 10⁻⁶ to 10⁶, which is room for a fourfold
/// effect over the least span, and the greatest leaves half of the digits of the information.
const SPAN: Range<f64> = 0.1..1e4;
/// Its values come within this many spans of 0, as the parameters at 0 are searched within 10⁻⁶ to 10⁶ of their scale
/// too, and are the further from those of any customer the further 0 is.
const SPANS_FROM_ZERO: f64 = 5.0;
/// The share of a column's variance below which it is rounding that tells it from the columns before.
const LEAST_REMAINDER: f64 = 1e-12;

/// The columns of all customers.
struct Table<'a> {
    frequency: &'a [u64],
    recency_age: &'a [f64],
    customer_age: &'a [f64],
    customers: Option<&'a [u64]>,
}

impl Table<'_> {
    fn summaries(&self, rows: &[usize]) -> Result<Summaries, CovariatesError> {
        let gather = |column: &[f64]| rows.iter().map(|row| column[*row]).collect::<Vec<f64>>();
        let counts = |column: &[u64]| rows.iter().map(|row| column[*row]).collect::<Vec<u64>>();
        let (x, recency_age, customer_age) = (
            counts(self.frequency),
            gather(self.recency_age),
            gather(self.customer_age),
        );
        let summaries = match self.customers {
            None => Summaries::new(&x, &recency_age, &customer_age),
            Some(customers) => {
                Summaries::weighted(&x, &recency_age, &customer_age, &counts(customers))
            }
        };
        Ok(summaries?)
    }
}

/// Rows by equal covariates, which are in ascending order.
pub(super) struct Grouping {
    /// Rows, one group after another.
    pub(super) order: Vec<usize>,
    ends: Vec<usize>,
}

impl Grouping {
    /// Of columns of `rows` finite values.
    pub(super) fn new(columns: &[&[f64]], rows: usize) -> Self {
        let compare = |a: usize, b: usize| {
            let orders = columns
                .iter()
                .map(|column| (column[a] + 0.0).total_cmp(&(column[b] + 0.0)));
            orders.fold(Ordering::Equal, Ordering::then)
        };
        let mut order: Vec<usize> = (0..rows).collect();
        order.par_sort_unstable_by(|a, b| compare(*a, *b).then(a.cmp(b)));
        let ends = (1..=rows)
            .filter(|end| *end == rows || compare(order[end - 1], order[*end]).is_ne())
            .collect();
        Self { order, ends }
    }

    /// Ranges of `order`, one a group.
    pub(super) fn groups(&self) -> Vec<Range<usize>> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| start..*end)
            .collect()
    }
}

pub(super) fn check_length(
    covariate: &str,
    rows: usize,
    expected: usize,
) -> Result<(), CovariatesError> {
    if rows == expected {
        return Ok(());
    }
    Err(CovariatesError::Lengths {
        covariate: covariate.to_owned(),
        rows,
        expected,
    })
}

pub(super) fn check_column(covariate: &str, values: &[f64]) -> Result<(), CovariatesError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(row) => Err(CovariatesError::NotFinite {
            covariate: covariate.to_owned(),
            row,
            value: values[row],
        }),
    }
}

fn check_span(covariate: &str, values: &[f64]) -> Result<(), CovariatesError> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let covariate = || covariate.to_owned();
    let span = greatest - least;
    if least == greatest {
        return Err(CovariatesError::Constant {
            covariate: covariate(),
            value: least,
        });
    }
    if least.abs().min(greatest.abs()) > SPANS_FROM_ZERO * span {
        return Err(CovariatesError::FarFromZero {
            covariate: covariate(),
            least,
            greatest,
        });
    }
    if !(SPAN.start..=SPAN.end).contains(&span) {
        return Err(CovariatesError::Span {
            covariate: covariate(),
            least,
            greatest,
        });
    }
    Ok(())
}

/// The direction of a column beyond a constant and the orthonormal `basis`, weighted by customers (Gram-Schmidt); `None`
/// where nothing but rounding is left.
fn remainder(column: &[f64], weights: &[f64], basis: &[Vec<f64>]) -> Option<Vec<f64>> {
    let dot = |a: &[f64], b: &[f64]| -> f64 {
        let products = a.iter().zip(b).zip(weights);
        products.map(|((a, b), weight)| weight * a * b).sum()
    };
    let mean = dot(column, &vec![1.0; column.len()]) / weights.iter().sum::<f64>();
    let mut rest: Vec<f64> = column.iter().map(|value| value - mean).collect();
    let variance = dot(&rest, &rest);
    for direction in basis {
        let share = dot(&rest, direction);
        for (rest, along) in rest.iter_mut().zip(direction) {
            *rest -= share * along;
        }
    }
    let left = dot(&rest, &rest);
    let told = left > LEAST_REMAINDER * variance;
    told.then(|| rest.iter().map(|value| value / left.sqrt()).collect())
}
