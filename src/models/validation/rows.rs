//! Rows in canonical order.

use rayon::prelude::*;

use super::ValidationError;
use crate::btyd::exact;
use crate::chunks::ordered_fold;

/// Customers of the same group, prediction and outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row<K> {
    pub(super) key: K,
    pub(super) predicted: f64,
    pub(super) actual: f64,
    pub(super) count: u64,
}

impl<K> Row<K> {
    /// The number of customers as a real one.
    pub(super) fn customers(&self) -> f64 {
        exact(self.count)
    }
}

/// Beyond this a square may overflow in a sum.
const MAGNITUDE_MAX: f64 = 1e100;

/// The rows by (key, predicted, actual), equal ones merged. `name` are the columns of `predicted` and `actual`.
///
/// # Errors
/// Where columns differ in length, a number is not finite or a row stands for nobody; the first such row is named.
pub(super) fn canonical<K: Ord + Copy + Send + Sync>(
    keys: impl Fn(usize) -> K + Sync,
    columns: [(&'static str, &[f64]); 2],
    customers: Option<&[u64]>,
) -> Result<Vec<Row<K>>, ValidationError> {
    let [(_, predicted), (name, actual)] = columns;
    let length = predicted.len();
    let lengths = [
        (name, actual.len()),
        ("customers", customers.map_or(length, <[u64]>::len)),
    ];
    if let Some((column, rows)) = lengths.into_iter().find(|(_, rows)| *rows != length) {
        return Err(ValidationError::Lengths {
            column,
            rows,
            expected: length,
        });
    }
    let check = |row: usize| {
        for (column, values) in columns {
            let value = values[row];
            if !value.is_finite() || value.abs() >= MAGNITUDE_MAX {
                return Some(ValidationError::NotFinite { row, column, value });
            }
        }
        (customers.is_some_and(|c| c[row] == 0))
            .then_some(ValidationError::NoCustomersInRow { row })
    };
    if let Some(error) = (0..length).into_par_iter().find_map_first(check) {
        return Err(error);
    }
    let total = match customers {
        Some(counts) => counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n)),
        None => Some(length as u64),
    };
    match total {
        Some(0) => return Err(ValidationError::NoCustomers),
        Some(n) if n <= 1 << 53 => {}
        _ => return Err(ValidationError::TooMany),
    }
    let mut rows: Vec<Row<K>> = (0..length)
        .into_par_iter()
        .map(|row| Row {
            key: keys(row),
            // Adding zero turns −0 into 0, so that equal numbers are equal bits.
            predicted: predicted[row] + 0.0,
            actual: actual[row] + 0.0,
            count: customers.map_or(1, |c| c[row]),
        })
        .collect();
    rows.par_sort_unstable_by(|a, b| {
        a.key
            .cmp(&b.key)
            .then(a.predicted.total_cmp(&b.predicted))
            .then(a.actual.total_cmp(&b.actual))
    });
    rows.dedup_by(|later, kept| {
        let same = later.key == kept.key
            && later.predicted.to_bits() == kept.predicted.to_bits()
            && later.actual.to_bits() == kept.actual.to_bits();
        if same {
            kept.count += later.count;
        }
        same
    });
    Ok(rows)
}

/// Σ over the rows, `value` times the customers of a row, in their order.
pub(super) fn sum<K: Sync>(rows: &[Row<K>], value: impl Fn(&Row<K>) -> f64 + Sync) -> f64 {
    ordered_fold(
        rows.len(),
        0.0,
        |chunk| {
            let part = rows[chunk].iter();
            part.map(|row| row.customers() * value(row)).sum::<f64>()
        },
        |a, b| a + b,
    )
}
