//! Were the arms split as meant.

use super::ExperimentError;
use super::arm::COUNT_MAX;
use super::distributions::chi_squared_tail;
use crate::btyd::exact;

/// What [`sample_ratio_test`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRatioTest {
    /// Pearson's χ².
    pub chi_squared: f64,
    /// Arms − 1.
    pub degrees_of_freedom: f64,
    /// The probability of a χ² at least as large if customers were assigned in the shares that were meant. A very small
    /// one (below 0.001, say) means that something is wrong with the assignment or with the data, and no figure of the
    /// experiment can be trusted.
    pub p_value: f64,
}

/// Pearson's χ² of the numbers of customers in the arms against the `shares` that were meant, which need not sum to 1.
///
/// # Errors
/// Where there are fewer than two arms, not a share for each, a share that is not positive, or no customers.
pub fn sample_ratio_test(
    customers: &[u64],
    shares: &[f64],
) -> Result<SampleRatioTest, ExperimentError> {
    if customers.len() < 2 || shares.len() != customers.len() {
        return Err(ExperimentError::Arms {
            arms: customers.len(),
            shares: shares.len(),
        });
    }
    for (arm, share) in shares.iter().copied().enumerate() {
        if !(share > 0.0 && share.is_finite()) {
            return Err(ExperimentError::Share { arm, share });
        }
    }
    let total = customers
        .iter()
        .try_fold(0_u64, |sum, n| sum.checked_add(*n))
        .unwrap_or(u64::MAX);
    match total {
        0 => return Err(ExperimentError::NoCustomers),
        customers if customers > COUNT_MAX => {
            return Err(ExperimentError::TooManyCustomers {
                customers,
                most: COUNT_MAX,
            });
        }
        _ => {}
    }
    // Against the largest, so that no sum of shares overflows.
    let largest = shares.iter().copied().fold(0.0, f64::max);
    let whole: f64 = shares.iter().map(|share| share / largest).sum();
    let chi_squared = customers
        .iter()
        .zip(shares)
        .map(|(n, share)| {
            let expected = exact(total) * (share / largest / whole);
            let excess = exact(*n) - expected;
            // A share that underflows expects nobody, and finds nobody.
            if excess == 0.0 {
                0.0
            } else {
                excess * (excess / expected)
            }
        })
        .sum();
    let degrees_of_freedom = exact(customers.len() as u64 - 1);
    Ok(SampleRatioTest {
        chi_squared,
        degrees_of_freedom,
        p_value: chi_squared_tail(chi_squared, degrees_of_freedom),
    })
}
