//! Histories over opportunities to buy, and the customers of a fit.

use rayon::prelude::*;
use thiserror::Error;

use crate::btyd::exact;

/// A customer's history over a number of opportunities, each of which was taken or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiscreteSummary {
    // In this order, which is that of the sums: customers of equal frequency and opportunities are neighbours.
    frequency: u64,
    opportunities: u64,
    recency_age: u64,
}

/// Why three numbers are no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DiscreteSummaryDefect {
    /// A purchase after the last opportunity.
    #[error("recency_age {recency_age} is above opportunities {opportunities}")]
    RecencyAfterOpportunities {
        /// As given.
        recency_age: u64,
        /// As given.
        opportunities: u64,
    },
    /// A last repeat purchase without any repeat purchase.
    #[error("frequency is 0, so recency_age must be 0, not {recency_age}")]
    RecencyWithoutRepeat {
        /// As given.
        recency_age: u64,
    },
    /// More purchases than opportunities until the last of them.
    #[error("frequency {frequency} is above recency_age {recency_age}")]
    FrequencyAboveRecency {
        /// As given.
        frequency: u64,
        /// As given.
        recency_age: u64,
    },
    /// Opportunities are counted one by one.
    #[error(
        "opportunities {opportunities} are above {}",
        DiscreteSummary::MAX_OPPORTUNITIES
    )]
    TooManyOpportunities {
        /// As given.
        opportunities: u64,
    },
}

impl DiscreteSummary {
    /// A day each for more than a century.
    pub const MAX_OPPORTUNITIES: u64 = 1 << 16;

    /// A customer who took `frequency` of `opportunities` after the first purchase, the last of them at the
    /// `recency_age`-th; 0 if none.
    ///
    /// # Errors
    /// Where no customer can have that history, or there are more than [`Self::MAX_OPPORTUNITIES`].
    pub fn new(
        frequency: u64,
        recency_age: u64,
        opportunities: u64,
    ) -> Result<Self, DiscreteSummaryDefect> {
        if opportunities > Self::MAX_OPPORTUNITIES {
            return Err(DiscreteSummaryDefect::TooManyOpportunities { opportunities });
        }
        if recency_age > opportunities {
            return Err(DiscreteSummaryDefect::RecencyAfterOpportunities {
                recency_age,
                opportunities,
            });
        }
        if frequency == 0 && recency_age > 0 {
            return Err(DiscreteSummaryDefect::RecencyWithoutRepeat { recency_age });
        }
        if frequency > recency_age {
            return Err(DiscreteSummaryDefect::FrequencyAboveRecency {
                frequency,
                recency_age,
            });
        }
        Ok(Self {
            frequency,
            opportunities,
            recency_age,
        })
    }

    /// Repeat purchases x.
    #[must_use]
    pub fn frequency(&self) -> u64 {
        self.frequency
    }

    /// The number t_x of the opportunity that was taken last; 0 without a repeat purchase.
    #[must_use]
    pub fn recency_age(&self) -> u64 {
        self.recency_age
    }

    /// Opportunities n since the first purchase.
    #[must_use]
    pub fn opportunities(&self) -> u64 {
        self.opportunities
    }
}

/// Why rows cannot be fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DiscreteSummariesError {
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
        defect: DiscreteSummaryDefect,
    },
    /// A row that stands for nobody.
    #[error("row {row}: customers must be at least 1")]
    NoCustomersInRow {
        /// Position in the columns, from 0.
        row: usize,
    },
    /// More than the arithmetic is exact for.
    #[error("more than 2^53 customers")]
    TooMany,
}

/// Histories in canonical order, equal ones merged. Two of them are equal whenever they hold the same customers,
/// whatever the order of the rows and however they were weighted, and so are the fits to them, bit by bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscreteSummaries {
    customers: u64,
    purchases: u64,
    /// Ascending.
    rows: Vec<(DiscreteSummary, u64)>,
    /// Where the histories of another frequency or number of opportunities begin, and the end.
    groups: Vec<usize>,
}

/// Histories of the same frequency and opportunities.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) frequency: usize,
    pub(super) opportunities: usize,
    /// In ascending order of their last purchase, with their numbers of customers.
    pub(super) rows: &'a [(DiscreteSummary, u64)],
}

/// Rows of a sample; enough to come within a few standard errors of the sample of the maximum.
const THINNED_ROWS: usize = 1 << 15;

impl DiscreteSummaries {
    /// One row a customer.
    ///
    /// # Errors
    /// Where the columns differ in length or a row is no possible history; the first such row is named.
    pub fn new(
        frequency: &[u64],
        recency_age: &[u64],
        opportunities: &[u64],
    ) -> Result<Self, DiscreteSummariesError> {
        Self::build(frequency, recency_age, opportunities, None)
    }

    /// One row for `customers` customers of the same history. Histories may occur in several rows.
    ///
    /// # Errors
    /// As [`DiscreteSummaries::new`], and where a row stands for no customer.
    pub fn weighted(
        frequency: &[u64],
        recency_age: &[u64],
        opportunities: &[u64],
        customers: &[u64],
    ) -> Result<Self, DiscreteSummariesError> {
        Self::build(frequency, recency_age, opportunities, Some(customers))
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The number of repeat purchases, Σ x.
    #[must_use]
    pub fn repeat_purchases(&self) -> f64 {
        exact(self.purchases)
    }

    /// The distinct histories with their numbers of customers, ordered by frequency, opportunities and recency.
    #[must_use]
    pub fn rows(&self) -> &[(DiscreteSummary, u64)] {
        &self.rows
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len() - 1
    }

    pub(super) fn group(&self, position: usize) -> Group<'_> {
        let rows = &self.rows[self.groups[position]..self.groups[position + 1]];
        let whole = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Group {
            frequency: whole(rows[0].0.frequency),
            opportunities: whole(rows[0].0.opportunities),
            rows,
        }
    }

    /// Every n-th history, where there are so many that the search for a maximum is better begun on a sample. In their
    /// order every n-th is a fair sample of them.
    pub(super) fn thinned(&self) -> Option<Self> {
        let every = self.rows.len() / THINNED_ROWS;
        (every >= 2).then(|| Self::lay_out(self.rows.iter().step_by(every).copied().collect()))
    }

    fn build(
        x: &[u64],
        t_x: &[u64],
        n: &[u64],
        customers: Option<&[u64]>,
    ) -> Result<Self, DiscreteSummariesError> {
        let expected = x.len();
        let columns = [
            ("recency_age", t_x.len()),
            ("opportunities", n.len()),
            ("customers", customers.map_or(expected, <[u64]>::len)),
        ];
        if let Some((column, rows)) = columns.into_iter().find(|(_, rows)| *rows != expected) {
            return Err(DiscreteSummariesError::Lengths {
                column,
                rows,
                expected,
            });
        }
        let parse = |row: usize| {
            let summary = DiscreteSummary::new(x[row], t_x[row], n[row])
                .map_err(|defect| DiscreteSummariesError::Row { row, defect })?;
            match customers.map_or(1, |c| c[row]) {
                0 => Err(DiscreteSummariesError::NoCustomersInRow { row }),
                count => Ok((summary, count)),
            }
        };
        // The first bad row must be the one named, so that an error is as reproducible as a result.
        if let Some(error) = (0..expected)
            .into_par_iter()
            .find_map_first(|row| parse(row).err())
        {
            return Err(error);
        }
        let mut rows: Vec<(DiscreteSummary, u64)> = (0..expected)
            .into_par_iter()
            .filter_map(|row| parse(row).ok())
            .collect();
        let total = rows
            .iter()
            .try_fold(0_u64, |sum, (_, n)| sum.checked_add(*n))
            .filter(|n| *n <= 1 << 53);
        let purchases = rows
            .iter()
            .try_fold(0_u64, |sum, (row, n)| {
                sum.checked_add(row.frequency.checked_mul(*n)?)
            })
            .filter(|n| *n <= 1 << 53);
        if total.is_none() || purchases.is_none() {
            return Err(DiscreteSummariesError::TooMany);
        }
        rows.par_sort_unstable_by_key(|(summary, _)| *summary);
        rows.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        Ok(Self::lay_out(rows))
    }

    /// `rows` are distinct and ascending.
    fn lay_out(rows: Vec<(DiscreteSummary, u64)>) -> Self {
        let group = |row: &DiscreteSummary| (row.frequency, row.opportunities);
        let starts = |i: usize| i == 0 || group(&rows[i].0) != group(&rows[i - 1].0);
        let groups = (0..rows.len())
            .filter(|i| starts(*i))
            .chain([rows.len()])
            .collect();
        Self {
            customers: rows.iter().map(|(_, n)| n).sum(),
            purchases: rows.iter().map(|(row, n)| row.frequency * n).sum(),
            groups,
            rows,
        }
    }
}
