//! Fitting: what a model tells of itself, how it is fitted, and what every fit reports.
//!
//! All models go one way: `FitParams → check() → fit(&data) → Fit<Model>`. A model implements [`Model`]; its
//! parameters are positive, and a coefficient of any sign enters as its exponential.

use std::marker::PhantomData;

use nalgebra::DMatrix;
use thiserror::Error;

use crate::btyd::exact;
use crate::optimise::{Convergence, Evaluation, SearchLimits, maximise};

/// A model with positive parameters that maximum likelihood can fit.
pub trait Model: Sized {
    /// What it is fitted to: distinct rows with their numbers of customers.
    type Data: Sync;

    /// Its name in the literature, for messages.
    const NAME: &'static str;

    /// The names of the parameters, in the order of the model's paper.
    fn names(data: &Self::Data) -> Vec<String>;

    /// The number of customers in the data.
    fn customers(data: &Self::Data) -> u64;

    /// The natural magnitude of each parameter: 1 for a shape, a typical time for a time. Positive and finite.
    ///
    /// # Errors
    /// Where the data cannot tell the parameters, whatever they are.
    fn scale(data: &Self::Data) -> Result<Vec<f64>, FitError>;

    /// Where to begin: points in different valleys of the likelihood.
    fn starts(data: &Self::Data, scale: &[f64]) -> Vec<Vec<f64>>;

    /// A fair part of the rows, where there are so many that the search is better begun on it.
    fn sample(data: &Self::Data) -> Option<Self::Data>;

    /// The log-likelihood with its derivatives, in the calling pool.
    fn evaluate(theta: &[f64], data: &Self::Data) -> Evaluation;

    /// The model with these parameters, for data of this kind.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    fn with_parameters(theta: &[f64], data: &Self::Data) -> Result<Self, ParameterError>;
}

/// A parameter outside the domain of its model.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{model}: {name} must be positive and finite, not {value}")]
pub struct ParameterError {
    /// The model.
    pub model: &'static str,
    /// The parameter.
    pub name: String,
    /// As given.
    pub value: f64,
}

/// The parameters by name, if each is positive and finite.
pub(crate) fn positive<const N: usize>(
    model: &'static str,
    names: [&'static str; N],
    values: &[f64],
) -> Result<[f64; N], ParameterError> {
    let value = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
    for (i, name) in names.into_iter().enumerate() {
        if !(value(i).is_finite() && value(i) > 0.0) {
            return Err(ParameterError {
                model,
                name: name.to_owned(),
                value: value(i),
            });
        }
    }
    Ok(std::array::from_fn(value))
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// A start outside the domain.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// Starts of another number of parameters than the data call for.
    #[error("{model}: a start has {given} parameters, but there are {expected}")]
    StartLength {
        /// The model.
        model: &'static str,
        /// As given.
        given: usize,
        /// As the data have it.
        expected: usize,
    },
    /// A search that may take no step, or no way.
    #[error("{model}: a fit needs at least one iteration and a range above 1")]
    Limits {
        /// The model.
        model: &'static str,
    },
    /// A prior without a width.
    #[error(
        "{model}: the standard deviation of the prior must be positive and finite, not {deviation}"
    )]
    Prior {
        /// The model.
        model: &'static str,
        /// As given.
        deviation: f64,
    },
    /// Nothing to fit to.
    #[error("{model}: there are no customers to fit to")]
    NoCustomers {
        /// The model.
        model: &'static str,
    },
    /// Only repeat purchases tell the rate of purchases and of leaving.
    #[error(
        "{model}: none of the {customers} customers has a repeat purchase, so no parameter can be told"
    )]
    NoRepeatPurchase {
        /// The model.
        model: &'static str,
        /// Their number.
        customers: u64,
    },
    /// The data lack what the model is about.
    #[error("{model}: {lack}, so no parameter can be told")]
    Unidentified {
        /// The model.
        model: &'static str,
        /// What they lack, as a clause.
        lack: String,
    },
    /// The likelihood overflows at every start.
    #[error(
        "{model}: the likelihood is not finite at any start; is the unit of time or money sensible?"
    )]
    NotFinite {
        /// The model.
        model: &'static str,
    },
}

/// How to fit; the defaults suit any data in any unit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitParams<M> {
    starts: Vec<Vec<f64>>,
    limits: SearchLimits,
    prior_deviation: Option<f64>,
    model: PhantomData<fn() -> M>,
}

impl<M> Default for FitParams<M> {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            limits: SearchLimits::default(),
            prior_deviation: None,
            model: PhantomData,
        }
    }
}

/// Proven [`FitParams`].
#[derive(Debug, Clone, PartialEq)]
pub struct ValidFitParams<M>(FitParams<M>);

impl<M: Model> FitParams<M> {
    /// The starting points of the search, in the order of the parameters; by default the model's own.
    #[must_use]
    pub fn starts<const N: usize>(mut self, starts: Vec<[f64; N]>) -> Self {
        self.starts = starts.into_iter().map(Vec::from).collect();
        self
    }

    /// Limits of the search from each start.
    #[must_use]
    pub fn limits(mut self, limits: SearchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// A prior for thin data: the logarithm of each parameter is normal about that of its natural scale with this
    /// standard deviation. 1 is strong, 3 hardly felt by more than a few hundred customers. The fit is then the
    /// posterior mode and its covariance that of the posterior; its log-likelihood stays the likelihood alone.
    #[must_use]
    pub fn prior(mut self, deviation: f64) -> Self {
        self.prior_deviation = Some(deviation);
        self
    }

    /// Proves that a fit can be tried.
    ///
    /// # Errors
    /// Where a start, a limit or the prior is out of its domain.
    pub fn check(self) -> Result<ValidFitParams<M>, FitError> {
        let model = M::NAME;
        for start in &self.starts {
            if let Some((i, value)) = start
                .iter()
                .copied()
                .enumerate()
                .find(|(_, value)| !(value.is_finite() && *value > 0.0))
            {
                return Err(FitError::Parameter(ParameterError {
                    model,
                    name: format!("parameter {} of a start", i + 1),
                    value,
                }));
            }
        }
        if self.limits.max_iterations == 0
            || !(self.limits.range.is_finite() && self.limits.range > 1.0)
        {
            return Err(FitError::Limits { model });
        }
        if let Some(deviation) = self.prior_deviation
            && !(deviation.is_finite() && deviation > 0.0)
        {
            return Err(FitError::Prior { model, deviation });
        }
        Ok(ValidFitParams(self))
    }
}

impl<M: Model> ValidFitParams<M> {
    /// Maximum likelihood over all customers, in the calling pool. Whether it converged stands in the fit.
    ///
    /// # Errors
    /// Where there are no customers, or the data cannot tell the parameters.
    pub fn fit(&self, data: &M::Data) -> Result<Fit<M>, FitError> {
        let customers = M::customers(data);
        if customers == 0 {
            return Err(FitError::NoCustomers { model: M::NAME });
        }
        let scale = M::scale(data)?;
        let other = |start: &&Vec<f64>| start.len() != scale.len();
        if let Some(start) = self.0.starts.iter().find(other) {
            return Err(FitError::StartLength {
                model: M::NAME,
                given: start.len(),
                expected: scale.len(),
            });
        }
        let default_starts;
        let starts = if self.0.starts.is_empty() {
            default_starts = M::starts(data, &scale);
            &default_starts
        } else {
            &self.0.starts
        };
        let prior = Prior {
            deviation: self.0.prior_deviation,
            centre: &scale,
        };
        let thinned = M::sample(data);
        let sample = thinned
            .as_ref()
            .map(|part| |theta: &[f64]| prior.penalised(theta, M::evaluate(theta, part)));
        let objective = |theta: &[f64]| prior.penalised(theta, M::evaluate(theta, data));
        let maximum = maximise(objective, sample, starts, &scale, &self.0.limits)
            .ok_or(FitError::NotFinite { model: M::NAME })?;
        let theta = &maximum.parameters;
        let covariance = covariance(theta, &maximum.evaluation);
        let estimates = M::names(data)
            .into_iter()
            .enumerate()
            .map(|(i, name)| Estimate {
                name,
                value: theta[i],
                standard_error: covariance.as_ref().map(|c| c[i][i].sqrt()),
            })
            .collect();
        Ok(Fit {
            model: M::with_parameters(theta, data)?,
            estimates,
            covariance,
            log_likelihood: maximum.evaluation.value + prior.penalty(theta),
            customers,
            convergence: maximum.convergence,
        })
    }
}

/// The penalty of [`FitParams::prior`].
struct Prior<'a> {
    deviation: Option<f64>,
    centre: &'a [f64],
}

impl Prior<'_> {
    fn penalty(&self, theta: &[f64]) -> f64 {
        let Some(deviation) = self.deviation else {
            return 0.0;
        };
        let distances = theta.iter().zip(self.centre).map(|(t, c)| (t / c).ln());
        distances
            .map(|d| 0.5 * d * d / (deviation * deviation))
            .sum()
    }

    fn penalised(&self, theta: &[f64], mut evaluation: Evaluation) -> Evaluation {
        let Some(deviation) = self.deviation else {
            return evaluation;
        };
        let precision = 1.0 / (deviation * deviation);
        evaluation.value -= self.penalty(theta);
        for (i, (t, c)) in theta.iter().zip(self.centre).enumerate() {
            let distance = (t / c).ln();
            evaluation.gradient[i] -= precision * distance / t;
            evaluation.hessian[i][i] -= precision * (1.0 - distance) / (t * t);
        }
        evaluation
    }
}

/// A parameter by name, with what the data say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// The name in the model's paper, e.g. `alpha`.
    pub name: String,
    /// The maximum-likelihood estimate.
    pub value: f64,
    /// Its asymptotic standard error; `None` where the data do not identify the parameters.
    pub standard_error: Option<f64>,
}

/// A model fitted by maximum likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit<M> {
    /// The fitted model, from which predictions are made.
    pub model: M,
    /// Parameters in the order of the model's paper.
    pub estimates: Vec<Estimate>,
    /// Covariance of the estimates in the same order: the inverse of the observed information. `None` where the
    /// information is not positive definite, which is to say where the parameters are not identified.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// The log-likelihood at the estimates.
    pub log_likelihood: f64,
    /// The number of customers it is a sum over.
    pub customers: u64,
    /// How the search ended. A fit that did not converge must not be used without saying so.
    pub convergence: Convergence,
}

impl<M> Fit<M> {
    /// Akaike's information criterion, 2k − 2 ln L; the smaller the better.
    #[must_use]
    pub fn aic(&self) -> f64 {
        2.0 * exact(self.estimates.len() as u64) - 2.0 * self.log_likelihood
    }

    /// The Bayesian information criterion, k ln n − 2 ln L, n customers; the smaller the better.
    #[must_use]
    pub fn bic(&self) -> f64 {
        exact(self.estimates.len() as u64) * exact(self.customers).ln() - 2.0 * self.log_likelihood
    }

    /// The parameters in their order.
    #[must_use]
    pub fn theta(&self) -> Vec<f64> {
        self.estimates.iter().map(|e| e.value).collect()
    }
}

/// The inverse of minus the Hessian. It is inverted in relative terms (θᵢθⱼHᵢⱼ), so that parameters of very different
/// magnitude do not make a well-identified problem look singular.
fn covariance(values: &[f64], evaluation: &Evaluation) -> Option<Vec<Vec<f64>>> {
    let n = values.len();
    let information = DMatrix::from_fn(n, n, |i, j| {
        -evaluation.hessian[i][j] * values[i] * values[j]
    });
    let inverse = information.cholesky()?.inverse();
    let covariance: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            (0..n)
                .map(|j| inverse[(i, j)] * values[i] * values[j])
                .collect()
        })
        .collect();
    covariance
        .iter()
        .flatten()
        .all(|c: &f64| c.is_finite())
        .then_some(covariance)
}
