//! How BG/NBD is fitted.

use thiserror::Error;

use super::BgNbd;
use super::likelihood::Likelihood;
use crate::btyd::Summaries;
use crate::fit::Fit;
use crate::optimise::{SearchLimits, maximise};

/// What can go wrong with BG/NBD.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum BgNbdError {
    /// A parameter or start outside the domain.
    #[error("BG/NBD: {name} must be positive and finite, not {value}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// A search that may take no step, or no way.
    #[error("BG/NBD: a fit needs at least one iteration and a range above 1")]
    Limits,
    /// Nothing to fit to.
    #[error("BG/NBD: there are no customers to fit to")]
    NoCustomers,
    /// Only repeat purchases tell the rate of purchases and of leaving.
    #[error(
        "BG/NBD: none of the {customers} customers has a repeat purchase, so no parameter can be told"
    )]
    NoRepeatPurchase {
        /// Their number.
        customers: u64,
    },
    /// The likelihood overflows at every start.
    #[error("BG/NBD: the likelihood is not finite at any start; is the unit of time sensible?")]
    NotFinite,
}

/// How to fit; the defaults suit any data in any unit of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BgNbdParams {
    starts: Vec<[f64; 4]>,
    limits: SearchLimits,
}

impl BgNbdParams {
    /// The starting points (r, α, a, b) of the search; by default three around the mean rate of purchases.
    #[must_use]
    pub fn starts(mut self, starts: Vec<[f64; 4]>) -> Self {
        self.starts = starts;
        self
    }

    /// Limits of the search from each start.
    #[must_use]
    pub fn limits(mut self, limits: SearchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Proves that a fit can be tried.
    ///
    /// # Errors
    /// Where a start or a limit is out of its domain.
    pub fn check(self) -> Result<ValidBgNbdParams, BgNbdError> {
        for [r, alpha, a, b] in &self.starts {
            BgNbd::new(*r, *alpha, *a, *b)?;
        }
        if self.limits.max_iterations == 0
            || !(self.limits.range.is_finite() && self.limits.range > 1.0)
        {
            return Err(BgNbdError::Limits);
        }
        Ok(ValidBgNbdParams(self))
    }
}

/// Proven [`BgNbdParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct ValidBgNbdParams(BgNbdParams);

/// r, a and b of the default starts; α follows from the mean rate of purchases r/α. They lie in different valleys: most
/// customers barely buy and some leave; alike customers; frequent buyers who rarely leave.
const SHAPES: [[f64; 3]; 3] = [[0.3, 0.8, 2.5], [1.0, 1.0, 1.0], [2.0, 0.3, 5.0]];

impl ValidBgNbdParams {
    /// Maximum likelihood over all customers, in the calling pool. Whether it converged stands in the fit.
    ///
    /// # Errors
    /// Where there are no customers, or none of them has a repeat purchase.
    pub fn fit(&self, summaries: &Summaries) -> Result<Fit<BgNbd>, BgNbdError> {
        let customers = summaries.customers();
        if customers == 0 {
            return Err(BgNbdError::NoCustomers);
        }
        if summaries.repeat_purchases() == 0.0 {
            return Err(BgNbdError::NoRepeatPurchase { customers });
        }
        // Above 0, as a repeat purchase takes time.
        let time_a_purchase = summaries.observed_time() / summaries.repeat_purchases();
        let defaults: Vec<[f64; 4]> = SHAPES
            .iter()
            .map(|[r, a, b]| [*r, r * time_a_purchase, *a, *b])
            .collect();
        let starts = if self.0.starts.is_empty() {
            &defaults
        } else {
            &self.0.starts
        };
        let thinned = summaries.histories.thinned();
        let sample = thinned
            .as_ref()
            .map(|thinned| |theta: &[f64; 4]| Likelihood::new(thinned).evaluate(theta));
        let likelihood = |theta: &[f64; 4]| Likelihood::new(&summaries.histories).evaluate(theta);
        let scale = [1.0, time_a_purchase, 1.0, 1.0];
        let maximum = maximise(likelihood, sample, starts, &scale, &self.0.limits)
            .ok_or(BgNbdError::NotFinite)?;
        let [r, alpha, a, b] = maximum.parameters;
        let model = BgNbd::new(r, alpha, a, b)?;
        let (values, evaluation) = (maximum.parameters, &maximum.evaluation);
        Ok(Fit::new(
            model,
            BgNbd::PARAMETERS,
            values,
            evaluation,
            customers,
            maximum.convergence,
        ))
    }
}
