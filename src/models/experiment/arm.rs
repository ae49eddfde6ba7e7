//! What is known of one arm.

use super::ExperimentError;
use crate::btyd::exact;

/// One arm of an experiment by the mean and variance of what its customers did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    customers: f64,
    mean: f64,
    variance: f64,
}

/// Whole numbers are exact as `f64` up to here.
pub(super) const COUNT_MAX: u64 = 1 << 53;
/// Beyond this a square may overflow in a sum.
const MAGNITUDE_MAX: f64 = 1e100;
/// Rounding of a sum of squares, relative to it.
const ROUNDING: f64 = 1e-9;

impl Arm {
    /// From the number of customers, the sum of their values and that of the squares. The variance is the unbiased one,
    /// over n − 1. It is a difference of two sums: where the mean is large beside the deviation, [`Arm::from_values`] is
    /// the more accurate.
    ///
    /// # Errors
    /// Where there are fewer than two customers, or no values have these sums.
    pub fn from_sums(
        customers: u64,
        sum: f64,
        sum_of_squares: f64,
    ) -> Result<Self, ExperimentError> {
        let n = count(customers)?;
        for (name, value, largest) in [
            ("the sum", sum, MAGNITUDE_MAX),
            (
                "the sum of squares",
                sum_of_squares,
                MAGNITUDE_MAX * MAGNITUDE_MAX,
            ),
        ] {
            if !value.is_finite() || value.abs() >= largest {
                return Err(ExperimentError::NotFinite { name, value });
            }
        }
        let spread = sum_of_squares - sum * (sum / n);
        if spread < -ROUNDING * sum_of_squares.abs() || sum_of_squares < 0.0 {
            return Err(ExperimentError::ImpossibleSquares {
                customers,
                sum,
                sum_of_squares,
            });
        }
        Ok(Self {
            customers: n,
            mean: sum / n,
            variance: spread.max(0.0) / (n - 1.0),
        })
    }

    /// From one value a customer, in any order: the result depends on the values alone, to the last bit.
    ///
    /// # Errors
    /// Where there are fewer than two values, or one is not finite.
    pub fn from_values(values: &[f64]) -> Result<Self, ExperimentError> {
        if let Some(value) = values
            .iter()
            .find(|v| !v.is_finite() || v.abs() >= MAGNITUDE_MAX)
        {
            return Err(ExperimentError::NotFinite {
                name: "a value",
                value: *value,
            });
        }
        let n = count(values.len() as u64)?;
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let mean = sorted.iter().sum::<f64>() / n;
        let squares: f64 = sorted.iter().map(|v| (v - mean) * (v - mean)).sum();
        Ok(Self {
            customers: n,
            mean,
            variance: squares / (n - 1.0),
        })
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The variance over customers.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The number of customers.
    pub(super) fn customers(&self) -> f64 {
        self.customers
    }

    /// The variance of the mean.
    pub(super) fn variance_of_mean(&self) -> f64 {
        self.variance / self.customers
    }
}

fn count(customers: u64) -> Result<f64, ExperimentError> {
    match customers {
        0..2 => Err(ExperimentError::TooFewCustomers { customers }),
        n if n > COUNT_MAX => Err(ExperimentError::TooManyCustomers {
            customers,
            most: COUNT_MAX,
        }),
        n => Ok(exact(n)),
    }
}

/// One arm of an experiment by how many of its customers did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proportion {
    successes: u64,
    pub(super) customers: u64,
}

impl Proportion {
    /// `successes` of `customers`.
    ///
    /// # Errors
    /// Where there are fewer than two customers, or more successes than customers.
    pub fn new(successes: u64, customers: u64) -> Result<Self, ExperimentError> {
        count(customers)?;
        if successes > customers {
            return Err(ExperimentError::TooManySuccesses {
                successes,
                customers,
            });
        }
        Ok(Self {
            successes,
            customers,
        })
    }

    /// The share of successes.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.successes() / self.customers()
    }

    /// The same arm by mean and variance, p (1 − p).
    #[must_use]
    pub fn arm(&self) -> Arm {
        let share = self.share();
        Arm {
            customers: self.customers(),
            mean: share,
            variance: share * (self.failures() / self.customers()),
        }
    }

    pub(super) fn successes(&self) -> f64 {
        exact(self.successes)
    }

    pub(super) fn failures(&self) -> f64 {
        exact(self.customers - self.successes)
    }

    pub(super) fn customers(&self) -> f64 {
        exact(self.customers)
    }
}
