//! One customer's history in three numbers.

use thiserror::Error;

/// A possible purchase history, sufficient for every model of this room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    frequency: u64,
    recency_age: f64,
    customer_age: f64,
}

/// Why three numbers are no history.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SummaryDefect {
    /// Time that is NaN or infinite.
    #[error("recency_age {recency_age} and customer_age {customer_age} must be finite")]
    NotFinite {
        /// As given.
        recency_age: f64,
        /// As given.
        customer_age: f64,
    },
    /// Time before the first purchase.
    #[error("recency_age {recency_age} and customer_age {customer_age} must not be negative")]
    Negative {
        /// As given.
        recency_age: f64,
        /// As given.
        customer_age: f64,
    },
    /// A purchase after the end of the observed time.
    #[error("recency_age {recency_age} lies after customer_age {customer_age}")]
    RecencyAfterAge {
        /// As given.
        recency_age: f64,
        /// As given.
        customer_age: f64,
    },
    /// A last repeat purchase without any repeat purchase.
    #[error("frequency is 0, so recency_age must be 0, not {recency_age}")]
    RecencyWithoutRepeat {
        /// As given.
        recency_age: f64,
    },
    /// Repeat purchases at the very moment of the first purchase.
    #[error("frequency is {frequency}, so recency_age must be above 0")]
    RepeatWithoutRecency {
        /// As given.
        frequency: u64,
    },
    /// Counts above 2⁵³ are not whole numbers as `f64`.
    #[error("frequency {frequency} is above 2^53")]
    FrequencyTooLarge {
        /// As given.
        frequency: u64,
    },
}

impl Summary {
    /// A customer with `frequency` repeat purchases, the last at age `recency_age`, observed until age `customer_age`.
    ///
    /// # Errors
    /// Where no customer can have that history.
    pub fn new(frequency: u64, recency_age: f64, customer_age: f64) -> Result<Self, SummaryDefect> {
        if !(recency_age.is_finite() && customer_age.is_finite()) {
            return Err(SummaryDefect::NotFinite {
                recency_age,
                customer_age,
            });
        }
        if recency_age < 0.0 || customer_age < 0.0 {
            return Err(SummaryDefect::Negative {
                recency_age,
                customer_age,
            });
        }
        if recency_age > customer_age {
            return Err(SummaryDefect::RecencyAfterAge {
                recency_age,
                customer_age,
            });
        }
        if frequency == 0 && recency_age > 0.0 {
            return Err(SummaryDefect::RecencyWithoutRepeat { recency_age });
        }
        if frequency > 0 && recency_age == 0.0 {
            return Err(SummaryDefect::RepeatWithoutRecency { frequency });
        }
        if frequency > 1 << 53 {
            return Err(SummaryDefect::FrequencyTooLarge { frequency });
        }
        // Adding zero turns −0 into 0, so that equal histories are equal bits.
        Ok(Self {
            frequency,
            recency_age: recency_age + 0.0,
            customer_age: customer_age + 0.0,
        })
    }

    /// Repeat purchases x.
    #[must_use]
    pub fn frequency(&self) -> u64 {
        self.frequency
    }

    /// Age t_x at the last purchase; 0 without a repeat purchase.
    #[must_use]
    pub fn recency_age(&self) -> f64 {
        self.recency_age
    }

    /// Age T at the end of the observed time.
    #[must_use]
    pub fn customer_age(&self) -> f64 {
        self.customer_age
    }

    /// x as a real number; exact, as counts above 2⁵³ are refused.
    pub(crate) fn count(&self) -> f64 {
        exact(self.frequency)
    }
}

/// A whole number below 2⁵³ as `f64`.
#[expect(clippy::cast_precision_loss, reason = "callers hold counts below 2^53")]
pub(crate) fn exact(count: u64) -> f64 {
    count as f64
}
