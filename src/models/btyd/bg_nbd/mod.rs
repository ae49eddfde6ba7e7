//! BG/NBD (Fader, Hardie & Lee 2005, "Counting your customers the easy way", Marketing Science 24(2)).
//!
//! While a customer, one buys by a Poisson process of rate λ; after each repeat purchase one leaves for good with
//! probability p. Over customers λ ~ Gamma(r, rate α) and p ~ Beta(a, b), independently. α has the unit of time, the
//! others have none. A customer without repeat purchase is alive by definition of the model.

mod likelihood;
mod params;
mod predict;

use crate::btyd::Summaries;
use crate::optimise::Evaluation;

pub use params::{BgNbdError, BgNbdParams, ValidBgNbdParams};

/// BG/NBD with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

impl BgNbd {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 4] = ["r", "alpha", "a", "b"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// [`BgNbdError::Parameter`] where one is not positive and finite.
    pub fn new(r: f64, alpha: f64, a: f64, b: f64) -> Result<Self, BgNbdError> {
        for (name, value) in Self::PARAMETERS.into_iter().zip([r, alpha, a, b]) {
            if !(value.is_finite() && value > 0.0) {
                return Err(BgNbdError::Parameter { name, value });
            }
        }
        Ok(Self { r, alpha, a, b })
    }

    /// r, α, a, b.
    #[must_use]
    pub fn parameters(&self) -> [f64; 4] {
        [self.r, self.alpha, self.a, self.b]
    }

    /// The log-likelihood of all customers with its derivatives in r, α, a, b, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &Summaries) -> Evaluation<4> {
        likelihood::Likelihood::new(&summaries.histories).evaluate(&self.parameters())
    }
}
