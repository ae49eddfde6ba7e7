//! Survival ahead with what the fit leaves open about it.

use statrs::distribution::{ContinuousCDF, Normal};
use thiserror::Error;

use super::{RetentionModel, periods};
use crate::fit::Fit;

/// The share of customers with some number of renewals who make `more` in a row, with its uncertainty.
///
/// The uncertainty is that of the parameters, by the delta method on ln(−ln S), which keeps the interval within [0, 1].
/// Of a finite number of customers the share itself varies too, binomially, which is not in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projection {
    /// S(n + m) / S(n), in [0, 1].
    pub survival: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The bounds of the confidence interval, `lower` ≤ `survival` ≤ `upper`.
    pub lower: f64,
    /// See `lower`.
    pub upper: f64,
}

/// Why there is no projection with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ProjectionError {
    /// Not a level of confidence.
    #[error("the confidence must lie between 0 and 1, not {confidence}")]
    Confidence {
        /// As given.
        confidence: f64,
    },
    /// The data do not identify the parameters.
    #[error("the fit has no covariance, so the uncertainty of a projection cannot be told")]
    NoCovariance,
}

impl Projection {
    /// Of customers with `renewals` renewals, over the next `more` opportunities, at `confidence` (0.95 for 95 %).
    ///
    /// # Errors
    /// Where the fit has no covariance, or the confidence is not within (0, 1).
    pub fn new<M: RetentionModel>(
        fit: &Fit<M>,
        renewals: u64,
        more: u64,
        confidence: f64,
    ) -> Result<Self, ProjectionError> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(ProjectionError::Confidence { confidence });
        }
        let covariance = fit
            .covariance
            .as_ref()
            .ok_or(ProjectionError::NoCovariance)?;
        let (age, ahead) = (periods(renewals), periods(more));
        let hazard = fit.model.cumulative_hazard(age, ahead);
        let gradient = fit.model.cumulative_hazard_gradient(age, ahead);
        let along = |row: &Vec<f64>| row.iter().zip(&gradient).map(|(c, g)| c * g).sum::<f64>();
        let variance: f64 = covariance
            .iter()
            .zip(&gradient)
            .map(|(row, g)| g * along(row))
            .sum();
        let deviation = variance.max(0.0).sqrt();
        let survival = (-hazard).exp();
        let spread = if hazard > 0.0 && hazard.is_finite() && deviation.is_finite() {
            (quantile(confidence) * deviation / hazard).exp()
        } else {
            1.0
        };
        Ok(Self {
            survival,
            standard_error: if survival > 0.0 {
                survival * deviation
            } else {
                0.0
            },
            lower: (-hazard * spread).exp(),
            upper: (-hazard / spread).exp(),
        })
    }
}

/// The z of a two-sided interval.
fn quantile(confidence: f64) -> f64 {
    // The half below, as 1 − (1 − confidence) / 2 would round to 1.
    -Normal::standard().inverse_cdf(0.5 * (1.0 - confidence))
}
