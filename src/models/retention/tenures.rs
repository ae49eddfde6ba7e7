//! The customers of a fit: how many renewals each has made, and whether he or she then left.

use thiserror::Error;

use crate::btyd::exact;

/// Why rows cannot be fitted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TenuresError {
    /// Columns that are not columns of one table.
    #[error("column {column} has {rows} rows, but renewals has {expected}")]
    Lengths {
        /// The column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of `renewals`.
        expected: usize,
    },
    /// A row that stands for nobody.
    #[error("row {row}: customers must be at least 1")]
    NoCustomersInRow {
        /// Position in the columns, from 0.
        row: usize,
    },
    /// More renewals than contracts have; most likely a time in another unit than periods.
    #[error("row {row}: {renewals} renewals are above {}", Tenures::MAX_RENEWALS)]
    TooManyRenewals {
        /// Position in the columns, or number of the cohort, from 0.
        row: usize,
        /// As given.
        renewals: u64,
    },
    /// Survivors who were not there before.
    #[error(
        "cohort {cohort}: {survivors} customers at renewal {renewal}, but {before} at the one before"
    )]
    SurvivorsIncrease {
        /// Position of the cohort, from 0.
        cohort: usize,
        /// The renewal.
        renewal: usize,
        /// Customers at it.
        survivors: u64,
        /// Customers at the renewal before.
        before: u64,
    },
    /// More than the arithmetic is exact for.
    #[error("more than 2^53 customers")]
    TooMany,
}

/// Customers under contract by the renewals that they have made. Two are equal whenever they hold the same customers,
/// whatever the order of the rows and however they were weighted, and so are the fits to them, bit by bit.
///
/// Time is counted in periods of the contract. A new customer has made no renewal; who leaves at the first opportunity
/// leaves in period 1. Customers may have been observed for different numbers of periods.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenures {
    customers: u64,
    /// Entry i tells of period i + 1; none is there after the last in which somebody renewed or left.
    pub(crate) periods: Vec<Period>,
    /// Customers who are still there, by the number of their renewals.
    active: Vec<f64>,
}

/// What happened at one renewal opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Period {
    /// Customers who made this renewal.
    pub(crate) renewed: f64,
    /// Customers who left at it.
    pub(crate) left: f64,
    /// Customers whose last observed renewal it is, and who are still there.
    pub(crate) still: f64,
}

impl Tenures {
    /// The most renewals that a customer may have: 270 years of days.
    pub const MAX_RENEWALS: u64 = 100_000;

    /// One row a customer: the renewals made, and whether the customer left at the opportunity after them.
    ///
    /// # Errors
    /// Where the columns differ in length or a customer has more than [`Tenures::MAX_RENEWALS`]; the first such row is
    /// named.
    pub fn new(renewals: &[u64], has_left: &[bool]) -> Result<Self, TenuresError> {
        Self::build(renewals, has_left, None)
    }

    /// One row for `customers` customers of the same tenure. Tenures may occur in several rows.
    ///
    /// # Errors
    /// As [`Tenures::new`], and where a row stands for no customer.
    pub fn weighted(
        renewals: &[u64],
        has_left: &[bool],
        customers: &[u64],
    ) -> Result<Self, TenuresError> {
        Self::build(renewals, has_left, Some(customers))
    }

    /// Cohorts that began together, each as its customers at renewal 0, 1, 2, …: those who began, those who made the
    /// first renewal, and so on. Cohorts may have been observed for different numbers of renewals.
    ///
    /// # Errors
    /// Where a cohort grows, or is observed for more than [`Tenures::MAX_RENEWALS`].
    pub fn from_survivors<C: AsRef<[u64]>>(cohorts: &[C]) -> Result<Self, TenuresError> {
        let mut tally = Tally::default();
        for (cohort, survivors) in cohorts.iter().enumerate() {
            let survivors = survivors.as_ref();
            for (renewals, pair) in survivors.windows(2).enumerate() {
                let [before, after] = [pair[0], pair[1]];
                let left = before
                    .checked_sub(after)
                    .ok_or(TenuresError::SurvivorsIncrease {
                        cohort,
                        renewal: renewals + 1,
                        survivors: after,
                        before,
                    })?;
                tally.add(cohort, renewals as u64, true, left)?;
            }
            if let Some(still) = survivors.last() {
                tally.add(cohort, survivors.len() as u64 - 1, false, *still)?;
            }
        }
        tally.finish()
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.customers
    }

    /// The number of renewals made by all of them.
    #[must_use]
    pub fn renewals(&self) -> f64 {
        self.periods.iter().map(|period| period.renewed).sum()
    }

    /// The number of customers who have left.
    #[must_use]
    pub fn left(&self) -> f64 {
        self.periods.iter().map(|period| period.left).sum()
    }

    /// Customers who are still there, by their number of renewals from 0.
    #[must_use]
    pub fn active(&self) -> &[f64] {
        &self.active
    }

    fn build(
        renewals: &[u64],
        has_left: &[bool],
        customers: Option<&[u64]>,
    ) -> Result<Self, TenuresError> {
        let columns = [
            ("has_left", has_left.len()),
            ("customers", customers.map_or(renewals.len(), <[u64]>::len)),
        ];
        if let Some((column, rows)) = columns.into_iter().find(|(_, n)| *n != renewals.len()) {
            return Err(TenuresError::Lengths {
                column,
                rows,
                expected: renewals.len(),
            });
        }
        let mut tally = Tally::default();
        for (row, (renewals, has_left)) in renewals.iter().zip(has_left).enumerate() {
            let count = customers.map_or(1, |c| c[row]);
            if count == 0 {
                return Err(TenuresError::NoCustomersInRow { row });
            }
            tally.add(row, *renewals, *has_left, count)?;
        }
        tally.finish()
    }
}

/// Customers by renewals made, while they are counted: those who left then, and those who are still there.
#[derive(Default)]
struct Tally {
    ends: Vec<[u64; 2]>,
    customers: u64,
}

impl Tally {
    fn add(
        &mut self,
        row: usize,
        renewals: u64,
        has_left: bool,
        customers: u64,
    ) -> Result<(), TenuresError> {
        if renewals > Tenures::MAX_RENEWALS {
            return Err(TenuresError::TooManyRenewals { row, renewals });
        }
        let total = self.customers.checked_add(customers);
        self.customers = total
            .filter(|n| *n <= 1 << 53)
            .ok_or(TenuresError::TooMany)?;
        if customers == 0 {
            return Ok(());
        }
        let at = usize::try_from(renewals).unwrap_or(usize::MAX);
        if self.ends.len() <= at {
            self.ends.resize(at + 1, [0, 0]);
        }
        self.ends[at][usize::from(has_left)] += customers;
        Ok(())
    }

    fn finish(self) -> Result<Tenures, TenuresError> {
        let mut periods = vec![Period::default(); self.ends.len()];
        let mut there = self.customers;
        for (renewals, [still, left]) in self.ends.iter().enumerate() {
            if let Some(made) = renewals.checked_sub(1) {
                periods[made].renewed = exact(there);
                periods[made].still = exact(*still);
            }
            periods[renewals].left = exact(*left);
            there -= still + left;
        }
        while periods
            .last()
            .is_some_and(|period| period.renewed + period.left == 0.0)
        {
            periods.pop();
        }
        Ok(Tenures {
            customers: self.customers,
            periods,
            active: self.ends.iter().map(|[still, _]| exact(*still)).collect(),
        })
    }
}
