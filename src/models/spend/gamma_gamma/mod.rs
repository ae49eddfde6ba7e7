//! Gamma-Gamma (Fader & Hardie 2013, "The Gamma-Gamma model of monetary value"; Colombo & Jiang 1999).
//!
//! A customer's purchases are worth Gamma(p, rate ν) each, and ν ~ Gamma(q, rate v) over customers. Spend is taken to be
//! independent of how often one buys. v has the unit of money, p and q have none.

mod likelihood;
mod params;

pub use params::{GammaGammaError, GammaGammaParams, ValidGammaGammaParams};

use crate::optimise::Evaluation;
use crate::spend::{Spender, Spenders};

/// Gamma-Gamma with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaGamma {
    p: f64,
    q: f64,
    v: f64,
}

impl GammaGamma {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 3] = ["p", "q", "v"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// [`GammaGammaError::Parameter`] where one is not positive and finite.
    pub fn new(p: f64, q: f64, v: f64) -> Result<Self, GammaGammaError> {
        for (name, value) in Self::PARAMETERS.into_iter().zip([p, q, v]) {
            if !(value.is_finite() && value > 0.0) {
                return Err(GammaGammaError::Parameter { name, value });
            }
        }
        Ok(Self { p, q, v })
    }

    /// p, q, v.
    #[must_use]
    pub fn parameters(&self) -> [f64; 3] {
        [self.p, self.q, self.v]
    }

    /// The log-likelihood of all customers with its derivatives in p, q, v, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, spenders: &Spenders) -> Evaluation<3> {
        likelihood::evaluate(&spenders.table, &self.parameters())
    }

    /// Log-density of one customer's mean spend (Fader & Hardie 2013, equation 1a).
    #[must_use]
    pub fn log_likelihood(&self, spender: &Spender) -> f64 {
        likelihood::of_spender(self, spender)
    }

    /// Expected spend a purchase of a customer of whom nothing is known, p v / (q − 1); `None` where q ≤ 1, as then
    /// the population has no mean.
    #[must_use]
    pub fn mean_spend(&self) -> Option<f64> {
        (self.q > 1.0).then(|| self.p * self.v / (self.q - 1.0))
    }

    /// Expected spend a purchase of a customer, given the purchases so far: p (v + x m) / (p x + q − 1), which lies
    /// between the customer's mean and the population's (Fader & Hardie 2013, equation 5). `None` where p x + q ≤ 1,
    /// as then the posterior has no mean.
    #[must_use]
    pub fn expected_spend(&self, spender: &Spender) -> Option<f64> {
        let x = spender.count();
        let weight = self.p * x + self.q - 1.0;
        (weight > 0.0).then(|| self.p * (self.v + x * spender.mean_spend()) / weight)
    }
}
