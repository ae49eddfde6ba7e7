//! How Gamma-Gamma is fitted.

use thiserror::Error;

use super::GammaGamma;
use super::likelihood::evaluate;
use crate::fit::Fit;
use crate::optimise::{SearchLimits, maximise};
use crate::spend::Spenders;

/// What can go wrong with Gamma-Gamma.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum GammaGammaError {
    /// A parameter or start outside the domain.
    #[error("Gamma-Gamma: {name} must be positive and finite, not {value}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// A search that may take no step, or no way.
    #[error("Gamma-Gamma: a fit needs at least one iteration and a range above 1")]
    Limits,
    /// Nothing to fit to.
    #[error("Gamma-Gamma: there are no customers with purchases of positive spend to fit to")]
    NoCustomers,
    /// The likelihood overflows at every start.
    #[error(
        "Gamma-Gamma: the likelihood is not finite at any start; is the unit of money sensible?"
    )]
    NotFinite,
}

/// How to fit; the defaults suit any data in any unit of money.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GammaGammaParams {
    starts: Vec<[f64; 3]>,
    limits: SearchLimits,
}

impl GammaGammaParams {
    /// The starting points (p, q, v) of the search; by default three around the mean spend.
    #[must_use]
    pub fn starts(mut self, starts: Vec<[f64; 3]>) -> Self {
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
    pub fn check(self) -> Result<ValidGammaGammaParams, GammaGammaError> {
        for [p, q, v] in &self.starts {
            GammaGamma::new(*p, *q, *v)?;
        }
        if self.limits.max_iterations == 0
            || !(self.limits.range.is_finite() && self.limits.range > 1.0)
        {
            return Err(GammaGammaError::Limits);
        }
        Ok(ValidGammaGammaParams(self))
    }
}

/// Proven [`GammaGammaParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct ValidGammaGammaParams(GammaGammaParams);

/// p and q of the default starts; v follows from the mean spend p v / (q − 1).
const SHAPES: [[f64; 2]; 3] = [[4.0, 4.0], [1.0, 2.0], [20.0, 10.0]];

impl ValidGammaGammaParams {
    /// Maximum likelihood over all customers, in the calling pool. Whether it converged stands in the fit.
    ///
    /// # Errors
    /// Where there are no customers.
    pub fn fit(&self, spenders: &Spenders) -> Result<Fit<GammaGamma>, GammaGammaError> {
        let customers = spenders.customers();
        if customers == 0 {
            return Err(GammaGammaError::NoCustomers);
        }
        let mean = spenders.mean_spend();
        let defaults: Vec<[f64; 3]> = SHAPES
            .iter()
            .map(|[p, q]| [*p, *q, mean * (q - 1.0) / p])
            .collect();
        let starts = if self.0.starts.is_empty() {
            &defaults
        } else {
            &self.0.starts
        };
        let thinned = spenders.table.thinned();
        let sample = thinned
            .as_ref()
            .map(|thinned| |theta: &[f64; 3]| evaluate(thinned, theta));
        let likelihood = |theta: &[f64; 3]| evaluate(&spenders.table, theta);
        let maximum = maximise(
            likelihood,
            sample,
            starts,
            &[1.0, 1.0, mean],
            &self.0.limits,
        )
        .ok_or(GammaGammaError::NotFinite)?;
        let [p, q, v] = maximum.parameters;
        let model = GammaGamma::new(p, q, v)?;
        let (values, evaluation) = (maximum.parameters, &maximum.evaluation);
        Ok(Fit::new(
            model,
            GammaGamma::PARAMETERS,
            values,
            evaluation,
            customers,
            maximum.convergence,
        ))
    }
}
