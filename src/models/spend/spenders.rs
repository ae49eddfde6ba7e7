//! The customers of a fit: numbers of purchases with the mean spend over them.

use rayon::prelude::*;
use thiserror::Error;

use crate::btyd::exact;

/// A customer's number of purchases x > 0 and the mean spend m > 0 over them.
///
/// Which purchases count is the caller's choice and must be the same throughout; beside a model of repeat purchases it
/// is those that `frequency` counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spender {
    purchases: u64,
    mean_spend: f64,
}

/// Why two numbers are no spender.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SpenderDefect {
    /// Nobody to take a mean over.
    #[error("there must be at least one purchase")]
    NoPurchase,
    /// Counts above 2⁵³ are not whole numbers as `f64`.
    #[error("{purchases} purchases are above 2^53")]
    TooManyPurchases {
        /// As given.
        purchases: u64,
    },
    /// The gamma distribution of spend has no mass there.
    #[error("the mean spend must be finite and above 0, not {mean_spend}")]
    Spend {
        /// As given.
        mean_spend: f64,
    },
}

impl Spender {
    /// A customer with `purchases` purchases of `mean_spend` on average.
    ///
    /// # Errors
    /// Where there is no purchase, or the mean is not finite and positive.
    pub fn new(purchases: u64, mean_spend: f64) -> Result<Self, SpenderDefect> {
        if purchases == 0 {
            return Err(SpenderDefect::NoPurchase);
        }
        if purchases > 1 << 53 {
            return Err(SpenderDefect::TooManyPurchases { purchases });
        }
        if !(mean_spend.is_finite() && mean_spend > 0.0) {
            return Err(SpenderDefect::Spend { mean_spend });
        }
        Ok(Self {
            purchases,
            mean_spend,
        })
    }

    /// The number of purchases x.
    #[must_use]
    pub fn purchases(&self) -> u64 {
        self.purchases
    }

    /// The mean spend m a purchase.
    #[must_use]
    pub fn mean_spend(&self) -> f64 {
        self.mean_spend
    }

    pub(crate) fn count(&self) -> f64 {
        exact(self.purchases)
    }
}

/// Why rows cannot be fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SpendersError {
    /// Columns that are not columns of one table.
    #[error("column {column} has {rows} rows, but purchases has {expected}")]
    Lengths {
        /// The column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of `purchases`.
        expected: usize,
    },
    /// A row that is no spender.
    #[error("row {row}: {defect}")]
    Row {
        /// Position in the columns, from 0.
        row: usize,
        /// What is wrong with it.
        defect: SpenderDefect,
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

/// Spenders in canonical order, equal ones merged: the same customers give the same bits, whatever their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Spenders {
    customers: u64,
    mean_spend: f64,
    pub(crate) table: Table,
}

/// Distinct spenders, laid out for repeated passes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    /// Distinct x, ascending, with Σ 1 and Σ ln m of the customers that have it.
    pub(crate) counts: Vec<SameCount>,
    /// In the order of (x, m).
    pub(crate) rows: Vec<Row>,
}

/// Customers with the same purchases and spend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// x m.
    pub(crate) spend: f64,
    /// The position of x in `counts`.
    pub(crate) count: u32,
    pub(crate) customers: f64,
}

/// The customers with the same number of purchases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SameCount {
    pub(crate) purchases: f64,
    pub(crate) customers: f64,
    pub(crate) sum_log_spend: f64,
}

impl Spenders {
    /// One row a customer.
    ///
    /// # Errors
    /// Where the columns differ in length or a row is no [`Spender`]; the first such row is named.
    pub fn new(purchases: &[u64], mean_spend: &[f64]) -> Result<Self, SpendersError> {
        Self::build(purchases, mean_spend, None)
    }

    /// One row for `customers` customers of the same purchases and mean spend.
    ///
    /// # Errors
    /// As [`Spenders::new`], and where a row stands for no customer.
    pub fn weighted(
        purchases: &[u64],
        mean_spend: &[f64],
        customers: &[u64],
    ) -> Result<Self, SpendersError> {
        Self::build(purchases, mean_spend, Some(customers))
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The mean over customers of their mean spend; 0 without customers.
    #[must_use]
    pub fn mean_spend(&self) -> f64 {
        self.mean_spend
    }

    /// Every n-th distinct spender, where there are so many that the search for a maximum is better begun on a sample.
    pub(crate) fn thinned(&self) -> Option<Self> {
        Some(Self {
            customers: self.customers,
            mean_spend: self.mean_spend,
            table: self.table.thinned()?,
        })
    }

    fn build(
        purchases: &[u64],
        mean_spend: &[f64],
        customers: Option<&[u64]>,
    ) -> Result<Self, SpendersError> {
        let expected = purchases.len();
        let columns = [
            ("mean_spend", mean_spend.len()),
            ("customers", customers.map_or(expected, <[u64]>::len)),
        ];
        if let Some((column, rows)) = columns.into_iter().find(|(_, rows)| *rows != expected) {
            return Err(SpendersError::Lengths {
                column,
                rows,
                expected,
            });
        }
        let parse = |row: usize| {
            let spender = Spender::new(purchases[row], mean_spend[row])
                .map_err(|defect| SpendersError::Row { row, defect })?;
            match customers.map_or(1, |c| c[row]) {
                0 => Err(SpendersError::NoCustomersInRow { row }),
                count => Ok((spender, count)),
            }
        };
        // The first bad row must be the one named, so that an error is as reproducible as a result.
        if let Some(error) = (0..expected)
            .into_par_iter()
            .find_map_first(|row| parse(row).err())
        {
            return Err(error);
        }
        let mut rows: Vec<(Spender, u64)> = (0..expected)
            .into_par_iter()
            .filter_map(|row| parse(row).ok())
            .collect();
        rows.par_sort_unstable_by(|(a, _), (b, _)| {
            a.purchases
                .cmp(&b.purchases)
                .then(a.mean_spend.total_cmp(&b.mean_spend))
        });
        let total = rows
            .iter()
            .try_fold(0_u64, |sum, (_, n)| sum.checked_add(*n));
        let customers = total
            .filter(|n| *n <= 1 << 53)
            .ok_or(SpendersError::TooMany)?;
        rows.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 += later.1;
            }
            same
        });
        Ok(Self::lay_out(customers, &rows))
    }

    /// `rows` are distinct and in order.
    fn lay_out(customers: u64, rows: &[(Spender, u64)]) -> Self {
        let mut table = Table {
            counts: Vec::new(),
            rows: Vec::with_capacity(rows.len()),
        };
        let mut sum_of_means = 0.0;
        for (spender, n) in rows {
            table.add(spender.count(), spender.mean_spend, exact(*n));
            sum_of_means += exact(*n) * spender.mean_spend;
        }
        let mean_spend = if customers == 0 {
            0.0
        } else {
            sum_of_means / exact(customers)
        };
        Self {
            customers,
            mean_spend,
            table,
        }
    }
}

impl Table {
    /// Rows come in order.
    fn add(&mut self, x: f64, mean_spend: f64, customers: f64) {
        if self.counts.last().is_none_or(|last| last.purchases != x) {
            self.counts.push(SameCount {
                purchases: x,
                customers: 0.0,
                sum_log_spend: 0.0,
            });
        }
        if let Some(same) = self.counts.last_mut() {
            same.customers += customers;
            same.sum_log_spend += customers * mean_spend.ln();
        }
        // Distinct counts are few: 2³² of them would be more purchases than were ever made.
        let count = u32::try_from(self.counts.len() - 1).unwrap_or(u32::MAX);
        self.rows.push(Row {
            spend: x * mean_spend,
            count,
            customers,
        });
    }

    /// Every n-th row, where there are so many that the search for a maximum is better begun on a sample. In their order
    /// every n-th is a fair sample of them.
    pub(crate) fn thinned(&self) -> Option<Self> {
        let every = self.rows.len() / THINNED_ROWS;
        if every < 2 {
            return None;
        }
        let mut thinned = Self::default();
        for row in self.rows.iter().step_by(every) {
            let x = self.counts[row.count as usize].purchases;
            thinned.add(x, row.spend / x, row.customers);
        }
        Some(thinned)
    }
}

/// Rows of a sample; enough to come within a few standard errors of the sample of the maximum.
const THINNED_ROWS: usize = 1 << 15;
