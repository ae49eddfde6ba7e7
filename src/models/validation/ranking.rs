//! How well the order of the predictions is that of the actuals.

use rayon::prelude::*;

use super::rows::Row;
use crate::btyd::exact;

/// Into how many parts customers are divided.
pub const DECILES: usize = 10;

/// A tenth of the customers, or so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Decile {
    /// The number of customers.
    pub customers: u64,
    /// Σ of what was predicted of them.
    pub expected: f64,
    /// Σ of what came of them.
    pub actual: f64,
}

/// Customers who are alike in what they are ordered by.
struct Tie {
    customers: u64,
    actual: f64,
}

/// See [`super::Outcomes::gini`]. The rows are in canonical order.
pub(super) fn gini(rows: &[Row<()>]) -> Option<f64> {
    let by_prediction = area(rows.chunk_by(|a, b| a.predicted.to_bits() == b.predicted.to_bits()))?;
    let mut sorted = rows.to_vec();
    sorted.par_sort_unstable_by(|a, b| {
        a.actual
            .total_cmp(&b.actual)
            .then(a.predicted.total_cmp(&b.predicted))
    });
    let perfect = area(sorted.chunk_by(|a, b| a.actual.to_bits() == b.actual.to_bits()))?;
    // Beside the rounding of sums over the customers, or all are equal.
    (perfect > 1e-13).then(|| (by_prediction / perfect).clamp(-1.0, 1.0))
}

/// Twice the area between the curve of cumulative actuals and the diagonal, of ties in ascending order walked from the
/// last; `None` unless the actuals sum to something above 0. Within a tie the curve is straight.
fn area<'a>(ties: impl Iterator<Item = &'a [Row<()>]>) -> Option<f64> {
    let ties: Vec<Tie> = ties
        .map(|tie| Tie {
            customers: tie.iter().map(|row| row.count).sum(),
            actual: tie.iter().map(|row| row.customers() * row.actual).sum(),
        })
        .collect();
    let customers = exact(ties.iter().map(|tie| tie.customers).sum());
    let total: f64 = ties.iter().rev().map(|tie| tie.actual).sum();
    if total <= 0.0 {
        return None;
    }
    let (mut before, mut twice) = (0.0, 0.0);
    let mut passed = 0.0;
    for tie in ties.iter().rev() {
        let after = before + tie.actual;
        let width = exact(tie.customers);
        // The mean height of the curve over the tie, less that of the diagonal.
        let height = 0.5 * (before + after) / total - (passed + 0.5 * width) / customers;
        twice += 2.0 * width / customers * height;
        before = after;
        passed += width;
    }
    twice.is_finite().then_some(twice)
}

/// See [`super::Outcomes::deciles`]. The rows are in canonical order.
pub(super) fn deciles(rows: &[Row<()>]) -> Vec<Decile> {
    let customers: u128 = rows.iter().map(|row| u128::from(row.count)).sum();
    let mut deciles = vec![Decile::default(); DECILES];
    let mut before = 0_u128;
    let ties: Vec<&[Row<()>]> = rows
        .chunk_by(|a, b| a.predicted.to_bits() == b.predicted.to_bits())
        .collect();
    for tie in ties.into_iter().rev() {
        let count: u64 = tie.iter().map(|row| row.count).sum();
        let middle = 2 * before + u128::from(count);
        let at = DECILES as u128 * middle / (2 * customers);
        if let Some(decile) = usize::try_from(at).ok().and_then(|at| deciles.get_mut(at)) {
            decile.customers += count;
            for row in tie {
                decile.expected += row.customers() * row.predicted;
                decile.actual += row.customers() * row.actual;
            }
        }
        before += u128::from(count);
    }
    deciles
}
