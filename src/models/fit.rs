//! What every fit reports: the model, its likelihood, how sure its parameters are, and how the search ended.

use nalgebra::DMatrix;

use crate::optimise::{Convergence, Evaluation};

/// A parameter by name, with what the data say about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The name in the model's paper, e.g. `alpha`.
    pub name: &'static str,
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
    pub(crate) fn new<const N: usize>(
        model: M,
        names: [&'static str; N],
        values: [f64; N],
        evaluation: &Evaluation<N>,
        customers: u64,
        convergence: Convergence,
    ) -> Self {
        let covariance = covariance(&values, evaluation);
        let estimates = (0..N)
            .map(|i| Estimate {
                name: names[i],
                value: values[i],
                standard_error: covariance.as_ref().map(|c| c[i][i].sqrt()),
            })
            .collect();
        Self {
            model,
            estimates,
            covariance,
            log_likelihood: evaluation.value,
            customers,
            convergence,
        }
    }
}

/// The inverse of minus the Hessian. It is inverted in relative terms (θᵢθⱼHᵢⱼ), so that parameters of very different
/// magnitude do not make a well-identified problem look singular.
fn covariance<const N: usize>(
    values: &[f64; N],
    evaluation: &Evaluation<N>,
) -> Option<Vec<Vec<f64>>> {
    let information = DMatrix::from_fn(N, N, |i, j| {
        -evaluation.hessian[i][j] * values[i] * values[j]
    });
    let inverse = information.cholesky()?.inverse();
    let covariance: Vec<Vec<f64>> = (0..N)
        .map(|i| {
            (0..N)
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
