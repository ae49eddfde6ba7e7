//! The customers of an estimate: how long each was observed, and whether the event came then.

use thiserror::Error;

/// Why rows cannot be estimated from.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum DurationsError {
    /// Columns that are not columns of one table.
    #[error("column {column} has {rows} rows, but durations has {expected}")]
    Lengths {
        /// The column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of `durations`.
        expected: usize,
    },
    /// A duration that cannot be.
    #[error("row {row}: a duration must be finite and at least 0, not {duration}")]
    Duration {
        /// Position in the columns, from 0.
        row: usize,
        /// As given.
        duration: f64,
    },
    /// More than the arithmetic is exact for.
    #[error("more than 2^53 customers")]
    TooMany,
}

/// Customers by the time for which each was observed. Two are equal whenever they hold the same customers, whatever the
/// order of the rows and however they were counted, and so are the estimates from them, bit by bit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Durations {
    /// Ascending, no time twice, none without a customer.
    pub(super) rows: Vec<Row>,
    pub(super) customers: u64,
}

/// What happened at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) time: f64,
    pub(super) events: u64,
    pub(super) censored: u64,
}

impl Durations {
    /// One row a duration: of how many customers the event came then, and of how many nothing is known after it. Times
    /// may occur in several rows; a row may stand for nobody.
    ///
    /// # Errors
    /// Where the columns differ in length, a duration is negative or not finite (the first such row is named), or there
    /// are more than 2^53 customers.
    pub fn counted(
        durations: &[f64],
        events: &[u64],
        censored: &[u64],
    ) -> Result<Self, DurationsError> {
        let columns = [("events", events.len()), ("censored", censored.len())];
        if let Some((column, rows)) = columns.into_iter().find(|(_, n)| *n != durations.len()) {
            return Err(DurationsError::Lengths {
                column,
                rows,
                expected: durations.len(),
            });
        }
        let impossible = |time: &f64| !(time.is_finite() && *time >= 0.0);
        if let Some(row) = durations.iter().position(impossible) {
            let duration = durations[row];
            return Err(DurationsError::Duration { row, duration });
        }
        let mut rows: Vec<Row> = (0..durations.len())
            .map(|i| Row {
                // Of the two zeros there is but one.
                time: durations[i] + 0.0,
                events: events[i],
                censored: censored[i],
            })
            .collect();
        rows.sort_unstable_by(|a, b| a.time.total_cmp(&b.time));
        Self::merged(rows)
    }

    /// The number of customers.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.customers
    }

    fn merged(sorted: Vec<Row>) -> Result<Self, DurationsError> {
        let mut total = 0_u64;
        let mut rows: Vec<Row> = Vec::with_capacity(sorted.len());
        for row in sorted {
            let more = row.events.checked_add(row.censored);
            let sum = more.and_then(|more| total.checked_add(more));
            let sum = sum.filter(|sum| *sum <= 1 << 53);
            let sum = sum.ok_or(DurationsError::TooMany)?;
            if sum == total {
                continue;
            }
            total = sum;
            match rows.last_mut() {
                Some(last) if last.time == row.time => {
                    last.events += row.events;
                    last.censored += row.censored;
                }
                _ => rows.push(row),
            }
        }
        Ok(Self {
            rows,
            customers: total,
        })
    }
}
