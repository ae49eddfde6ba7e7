//! How sure a figure is: confidence limits by the delta method, from the covariance of a fit.
//!
//! With C the covariance of the logarithms of the parameters and L any matrix with L Lᵀ = C, a smooth figure g has the
//! standard error √Σₖ (Dₖ g)², where Dₖ is its derivative along the k-th column of L (Oehlert 1992, "A note on the delta
//! method"). A [`Spread`] holds the models nudged along those columns, so that any figure which can be predicted gets its
//! standard error without derivatives of its own. L is taken along the principal axes of C, which exist however close to
//! singular C is, where Cholesky's factor does not.
//!
//! Limits are symmetric on the scale on which the figure has no bound, the logarithm or the logit, and so respect its
//! bounds. They tell what the parameters' uncertainty does to a figure; not whether the model is right, and not by how
//! much a single outcome scatters about it.

use nalgebra::{DMatrix, SymmetricEigen};
use special::Error as _;
use thiserror::Error;

use crate::fit::{Fit, Model};

/// The largest nudge of a logarithm of a parameter. Central differences over it are exact to 1e-8 of a smooth figure's
/// own scale, and pass on no more than 1e-8 of it where the figure itself has but twelve digits, as quadrature gives.
const NUDGE: f64 = 1e-4;

/// A fitted model with the models that are nudged from it along independent directions of its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread<M> {
    /// The model at the estimates.
    pub center: M,
    /// The models nudged to both sides of it, at most one pair a parameter. A direction without any uncertainty has none.
    pub pairs: Vec<Pair<M>>,
}

/// Models to both sides of the estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair<M> {
    /// Nudged by +`step`.
    pub up: M,
    /// Nudged by −`step`.
    pub down: M,
    /// In standard deviations of the direction. Positive.
    pub step: f64,
}

impl<M> Pair<M> {
    /// The derivative of a figure by the direction, for one standard deviation of it.
    pub fn slope(&self, figure: impl Fn(&M) -> f64) -> f64 {
        (figure(&self.up) - figure(&self.down)) / (2.0 * self.step)
    }
}

impl<M> Spread<M> {
    /// The standard error of any smooth figure of the model: exact for the delta method to about 1e-7 of it. NaN where
    /// the figure is NaN or infinite about the estimates.
    pub fn standard_error(&self, figure: impl Fn(&M) -> f64) -> f64 {
        let squares = self.pairs.iter().map(|pair| pair.slope(&figure).powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// The same spread of models of another type, such as trait objects.
    pub fn map<T>(self, into: impl Fn(M) -> T) -> Spread<T> {
        let pair = |pair: Pair<M>| Pair {
            up: into(pair.up),
            down: into(pair.down),
            step: pair.step,
        };
        Spread {
            pairs: self.pairs.into_iter().map(pair).collect(),
            center: into(self.center),
        }
    }
}

impl<M: Model> Fit<M> {
    /// The fitted model and its neighbours, with the data it was fitted to. `None` where the fit has no covariance, or
    /// one so wide that parameters leave the range of numbers.
    #[must_use]
    pub fn spread(&self, data: &M::Data) -> Option<Spread<M>> {
        let (theta, covariance) = (self.theta(), self.covariance.as_ref()?);
        let n = theta.len();
        let relative = DMatrix::from_fn(n, n, |i, j| covariance[i][j] / (theta[i] * theta[j]));
        if relative.iter().any(|c| !c.is_finite()) {
            return None;
        }
        let axes = SymmetricEigen::new(relative);
        let mut pairs = Vec::with_capacity(n);
        for (axis, variance) in axes.eigenvectors.column_iter().zip(&axes.eigenvalues) {
            // Rounding may leave a variance that is next to none below 0.
            let deviation = variance.max(0.0).sqrt();
            let longest = deviation * axis.amax();
            if !(longest > 0.0 && longest.is_finite()) {
                continue;
            }
            let step = NUDGE / longest;
            let nudged = |step: f64| {
                let moved = theta.iter().zip(axis.iter());
                let moved: Vec<f64> = moved
                    .map(|(t, along)| t * (step * deviation * along).exp())
                    .collect();
                M::with_parameters(&moved, data).ok()
            };
            pairs.push(Pair {
                up: nudged(step)?,
                down: nudged(-step)?,
                step,
            });
        }
        Some(Spread {
            center: M::with_parameters(&theta, data).ok()?,
            pairs,
        })
    }
}

/// How often two-sided limits shall contain the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    share: f64,
    z: f64,
}

/// A level that is none.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error("a confidence level must lie between 0 and 1, not be {share}")]
pub struct LevelError {
    /// As given.
    pub share: f64,
}

impl Level {
    /// Limits that contain the truth with probability `share`, 0 < share < 1: 0.9 for 90 %.
    ///
    /// # Errors
    /// Where it is not between 0 and 1.
    pub fn new(share: f64) -> Result<Self, LevelError> {
        if !(share > 0.0 && share < 1.0) {
            return Err(LevelError { share });
        }
        let z = std::f64::consts::SQRT_2 * share.inv_error();
        Ok(Self { share, z })
    }

    /// The probability.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }

    /// How many standard errors the limits of a normal figure lie to each side of it.
    #[must_use]
    pub fn z(&self) -> f64 {
        self.z
    }

    /// The probability beyond each of the limits, (1 − share) / 2.
    #[must_use]
    pub fn tail(&self) -> f64 {
        0.5 * (1.0 - self.share)
    }
}

/// A figure and, where it is known, how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimated {
    /// The figure at the estimated parameters.
    pub value: f64,
    /// `None` where the parameters' uncertainty is unknown, or so great that there are no finite limits.
    pub confidence: Option<Confidence>,
}

/// Confidence limits of a figure, low ≤ figure ≤ high, all within the bounds of the figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// The standard error on the scale on which the limits are symmetric: the figure's logarithm, or the logit of a
    /// probability. 0 for a figure that does not depend on the parameters.
    pub error: f64,
    /// The lower limit.
    pub low: f64,
    /// The upper limit.
    pub high: f64,
}

impl Estimated {
    /// A figure of which only the value is known.
    pub(crate) fn alone(value: f64) -> Self {
        Self {
            value,
            confidence: None,
        }
    }

    /// A figure that is the same whatever the parameters.
    pub(crate) fn certain(value: f64) -> Self {
        let confidence = Some(Confidence {
            error: 0.0,
            low: value,
            high: value,
        });
        Self { value, confidence }
    }

    /// A figure ≥ 0 whose logarithm has this standard error. A figure of 0 is 0 whatever the parameters.
    pub(crate) fn positive(value: f64, error: f64, level: &Level) -> Self {
        if value == 0.0 {
            return Self::certain(value);
        }
        let factor = (level.z * error).exp();
        let (low, high) = (value / factor, value * factor);
        // A NaN is no finite limit either.
        let confidence = high.is_finite().then_some(Confidence { error, low, high });
        Self { value, confidence }
    }

    /// A probability whose logit, `log_odds`, has this standard error.
    pub(crate) fn probability(value: f64, log_odds: f64, error: f64, level: &Level) -> Self {
        if !error.is_finite() {
            return Self::alone(value);
        }
        let limit = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
        let width = level.z * error;
        // The figure itself may be rounded otherwise than its logit.
        let confidence = Some(Confidence {
            error,
            low: limit(log_odds - width).min(value),
            high: limit(log_odds + width).max(value),
        });
        Self { value, confidence }
    }

    /// The product with a figure of another, independent fit, both with errors of their logarithms, whose variances then
    /// add.
    #[must_use]
    pub fn times_independent(&self, other: &Self, level: &Level) -> Self {
        let value = self.value * other.value;
        match (self.confidence, other.confidence) {
            (Some(one), Some(two)) => Self::positive(value, one.error.hypot(two.error), level),
            _ => Self::alone(value),
        }
    }
}
