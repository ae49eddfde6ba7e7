//! How well predictions fit what came.
//!
//! [`Outcomes`] holds what was predicted of each customer against what came, [`by_group`] adds both up by a key, and
//! [`Reliability`] holds probabilities against whether it happened. All are put in canonical order first and equal rows
//! merged, so that every figure depends on the customers alone, to the last bit: not on the order of rows, on how they
//! are weighted, or on the number of threads.

mod groups;
mod outcomes;
mod ranking;
mod reliability;
mod rows;

pub use groups::{Group, by_group};
pub use outcomes::Outcomes;
pub use ranking::{DECILES, Decile};
pub use reliability::{Reliability, ReliabilityBin};

use thiserror::Error;

/// Why rows cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ValidationError {
    /// Columns that are not columns of one table.
    #[error("column {column} has {rows} rows, but the first has {expected}")]
    Lengths {
        /// The column that differs.
        column: &'static str,
        /// Its rows.
        rows: usize,
        /// Rows of the first column.
        expected: usize,
    },
    /// A number that is NaN, infinite or beyond what can be squared and summed.
    #[error("row {row}: {column} must be finite and below 1e100 in magnitude, not {value}")]
    NotFinite {
        /// Position in the columns, from 0.
        row: usize,
        /// The column.
        column: &'static str,
        /// As given.
        value: f64,
    },
    /// Not a probability.
    #[error("row {row}: a probability lies between 0 and 1, not {value}")]
    Probability {
        /// Position in the columns, from 0.
        row: usize,
        /// As given.
        value: f64,
    },
    /// A row that stands for nobody.
    #[error("row {row}: customers must be at least 1")]
    NoCustomersInRow {
        /// Position in the columns, from 0.
        row: usize,
    },
    /// Nothing to judge.
    #[error("there are no customers to judge by")]
    NoCustomers,
    /// More than the arithmetic is exact for.
    #[error("more than 2^53 customers")]
    TooMany,
}
