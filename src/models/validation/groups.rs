//! Predictions against outcomes, group by group.

use super::ValidationError;
use super::rows::canonical;

/// The customers of one key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group<K> {
    /// The key.
    pub key: K,
    /// The number of customers.
    pub customers: u64,
    /// Σ of what was predicted of them.
    pub expected: f64,
    /// Σ of what came of them.
    pub actual: f64,
}

/// What was predicted and what came by any key (a cohort, a week, a segment), in the order of keys. `customers` is the
/// number of customers that a row stands for; 1 where there is none.
///
/// # Errors
/// Where there are no rows, the columns differ in length, a number is not finite or a row stands for nobody; the first
/// such row is named.
pub fn by_group<K: Ord + Copy + Send + Sync>(
    keys: &[K],
    predicted: &[f64],
    actual: &[f64],
    customers: Option<&[u64]>,
) -> Result<Vec<Group<K>>, ValidationError> {
    if predicted.len() != keys.len() {
        return Err(ValidationError::Lengths {
            column: "predicted",
            rows: predicted.len(),
            expected: keys.len(),
        });
    }
    let columns = [("predicted", predicted), ("actual", actual)];
    let rows = canonical(|row| keys[row], columns, customers)?;
    let mut groups: Vec<Group<K>> = Vec::new();
    for same in rows.chunk_by(|a, b| a.key == b.key) {
        if let Some(first) = same.first() {
            groups.push(Group {
                key: first.key,
                customers: same.iter().map(|row| row.count).sum(),
                expected: same.iter().map(|row| row.customers() * row.predicted).sum(),
                actual: same.iter().map(|row| row.customers() * row.actual).sum(),
            });
        }
    }
    Ok(groups)
}
