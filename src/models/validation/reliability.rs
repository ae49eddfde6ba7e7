//! Probabilities against whether it happened.

use std::num::NonZeroU16;

use super::ValidationError;
use super::rows::{Row, canonical, sum};
use crate::btyd::exact;

/// How well probabilities (of being alive, of leaving) fit what happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Brier's score: the mean square of probability − outcome. 0 is perfect; saying ½ of everybody gives ¼.
    pub brier_score: f64,
    /// Equally wide bins of the probability, ascending; those without customers are there too.
    pub bins: Vec<ReliabilityBin>,
}

/// Customers of similar probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// Probabilities of the bin are at least this …
    pub lower: f64,
    /// … and below this, but for the last bin, which has 1 too. (A probability p is in bin ⌊p × bins⌋.)
    pub upper: f64,
    /// The number of customers.
    pub customers: u64,
    /// Their mean probability; `None` without customers.
    pub mean_probability: Option<f64>,
    /// The share of them to whom it happened; `None` without customers.
    pub share_happened: Option<f64>,
}

impl Reliability {
    /// Of one row a customer, or one for each of `customers`.
    ///
    /// # Errors
    /// Where there are no rows, the columns differ in length, a probability is outside [0, 1] or a row stands for nobody;
    /// the first such row is named.
    pub fn new(
        probability: &[f64],
        happened: &[bool],
        customers: Option<&[u64]>,
        bins: NonZeroU16,
    ) -> Result<Self, ValidationError> {
        let outside = |value: &f64| !(0.0..=1.0).contains(value);
        if let Some(row) = probability.iter().position(outside) {
            return Err(ValidationError::Probability {
                row,
                value: probability[row],
            });
        }
        let outcome: Vec<f64> = happened.iter().map(|h| f64::from(u8::from(*h))).collect();
        let columns = [("probability", probability), ("happened", &*outcome)];
        let rows = canonical(|_| (), columns, customers)?;
        let total: u64 = rows.iter().map(|row| row.count).sum();
        let squares = sum(&rows, |row| (row.predicted - row.actual).powi(2));
        Ok(Self {
            brier_score: squares / exact(total),
            bins: bins_of(&rows, usize::from(bins.get())),
        })
    }
}

fn bins_of(rows: &[Row<()>], number: usize) -> Vec<ReliabilityBin> {
    let width = exact(number as u64);
    // Ascending in the probability, so each bin is a range of them.
    let mut rest = rows;
    (0..number)
        .map(|bin| {
            let last = bin + 1 == number;
            let end = exact(bin as u64 + 1);
            let inside = rest.partition_point(|row| last || row.predicted * width < end);
            let (here, beyond) = rest.split_at(inside);
            rest = beyond;
            let customers: u64 = here.iter().map(|row| row.count).sum();
            let mean = |value: fn(&Row<()>) -> f64| {
                (customers > 0).then(|| (sum(here, value) / exact(customers)).clamp(0.0, 1.0))
            };
            ReliabilityBin {
                lower: exact(bin as u64) / width,
                upper: end / width,
                customers,
                mean_probability: mean(|row| row.predicted),
                share_happened: mean(|row| row.actual),
            }
        })
        .collect()
}
