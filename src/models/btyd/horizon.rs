//! How far predictions look ahead, and what a later purchase is worth today.

use thiserror::Error;

/// A finite time ahead with a constant rate of discount.
///
/// Discounting is continuous: a purchase at time t after the end of the observed time counts (1 + d)^(−t / y), with d
/// the annual rate and y the length of a year in the unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Horizon {
    length: f64,
    force: f64,
}

/// Why a horizon is refused.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum HorizonError {
    /// Not a finite time ahead.
    #[error("the horizon must be finite and not negative, not {length}")]
    Length {
        /// As given.
        length: f64,
    },
    /// Not a rate that discounts.
    #[error("the annual discount rate must be finite and not negative, not {rate}")]
    Rate {
        /// As given.
        rate: f64,
    },
    /// Not a length of time.
    #[error("a year must be finite and above 0 units of time, not {units}")]
    Year {
        /// As given.
        units: f64,
    },
}

impl Horizon {
    /// `length` units of time ahead at `annual_discount_rate` (0.10 = 10 % a year), a year having `units_per_year`.
    ///
    /// # Errors
    /// Where one of the three is not finite or negative, or the year has no length.
    pub fn new(
        length: f64,
        annual_discount_rate: f64,
        units_per_year: f64,
    ) -> Result<Self, HorizonError> {
        if !(length.is_finite() && length >= 0.0) {
            return Err(HorizonError::Length { length });
        }
        if !(annual_discount_rate.is_finite() && annual_discount_rate >= 0.0) {
            return Err(HorizonError::Rate {
                rate: annual_discount_rate,
            });
        }
        if !(units_per_year.is_finite() && units_per_year > 0.0) {
            return Err(HorizonError::Year {
                units: units_per_year,
            });
        }
        Ok(Self {
            length,
            force: annual_discount_rate.ln_1p() / units_per_year,
        })
    }

    /// The length in units of time.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.length
    }

    /// The force of interest δ = ln(1 + d) / y: a purchase at t counts e^(−δt).
    #[must_use]
    pub fn force_of_interest(&self) -> f64 {
        self.force
    }
}
