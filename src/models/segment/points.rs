//! Rows of numbers, in an order of their own.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::SegmentError;

/// Beyond this a square may overflow in a sum.
const MAGNITUDE_MAX: f64 = 1e100;

/// Rows of finite numbers, sorted by the first, then by the second, and so on: what is computed from them in this order
/// depends on the multiset of rows alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    dimensions: usize,
    values: Vec<f64>,
}

impl Points {
    /// Rows of `dimensions` values, one row after the other in any order.
    ///
    /// # Errors
    /// Where the values are no whole rows, or one is not finite or 1e100 and more in magnitude.
    pub fn new(dimensions: usize, mut values: Vec<f64>) -> Result<Self, SegmentError> {
        if dimensions == 0 || !values.len().is_multiple_of(dimensions) {
            return Err(SegmentError::Shape {
                values: values.len(),
                dimensions,
            });
        }
        for (position, value) in values.iter_mut().enumerate() {
            if !value.is_finite() || value.abs() >= MAGNITUDE_MAX {
                return Err(SegmentError::NotFinite {
                    row: position / dimensions,
                    column: position % dimensions,
                    value: *value,
                });
            }
            // −0 becomes 0: equal values have equal bits.
            *value += 0.0;
        }
        let mut rows: Vec<&[f64]> = values.chunks_exact(dimensions).collect();
        rows.par_sort_unstable_by(|a, b| compare(a, b));
        let values = rows.concat();
        Ok(Self { dimensions, values })
    }

    /// Values a row.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.dimensions)
    }

    /// At most `rows` of the rows, evenly spread over their order.
    #[must_use]
    pub fn thinned(&self, rows: usize) -> Self {
        let n = self.len();
        if n <= rows {
            return self.clone();
        }
        // u128, as n × rows may be beyond u64 on paper.
        let position = |i: usize| (i as u128 * n as u128 / rows as u128) as usize;
        Self {
            dimensions: self.dimensions,
            values: (0..rows)
                .flat_map(|i| self.row(position(i)))
                .copied()
                .collect(),
        }
    }

    /// The row at a position below [`Points::len`].
    pub(super) fn row(&self, position: usize) -> &[f64] {
        &self.values[position * self.dimensions..][..self.dimensions]
    }

    /// All values, row by row.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of different rows.
    #[must_use]
    pub fn distinct(&self) -> usize {
        let changes = (1..self.len()).filter(|i| self.row(*i) != self.row(i - 1));
        usize::from(!self.is_empty()) + changes.count()
    }

    /// Each value as `scale` of its column and itself makes it. It never falls as the value grows, so that the order stays.
    pub(super) fn mapped(&self, columns: &[usize], scale: impl Fn(usize, f64) -> f64) -> Self {
        let rows = self.rows();
        Self {
            dimensions: columns.len(),
            values: rows
                .flat_map(|row| columns.iter().map(|column| scale(*column, row[*column])))
                .collect(),
        }
    }
}

pub(super) fn compare(a: &[f64], b: &[f64]) -> Ordering {
    let pairs = a.iter().zip(b);
    let mut orders = pairs.map(|(a, b)| a.total_cmp(b));
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}
