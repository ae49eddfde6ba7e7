//! Two means.

use super::distributions::{normal_tail, student_quantile, student_tail};
use super::{Arm, ExperimentError};
use crate::uncertainty::Level;

/// An effect with a test against none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The estimate.
    pub estimate: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The bounds of the confidence interval.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The statistic of the test: t or z.
    pub statistic: f64,
    /// The two-sided probability of a statistic at least as far from 0 if there is no effect.
    pub p_value: f64,
}

/// What [`compare_means`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeansComparison {
    /// Treatment − control, tested by Welch's t.
    pub difference: Effect,
    /// Treatment / control − 1 by the delta method, with the same degrees of freedom. `None` unless the control's mean is
    /// above 0. It is tested on its own scale, and its p-value differs from that of the difference where the control's
    /// mean is not known well.
    pub lift: Option<Effect>,
    /// Degrees of freedom after Welch and Satterthwaite.
    pub degrees_of_freedom: f64,
}

/// Welch's test of two means whose variances may differ, and the lift, with intervals at `level`.
///
/// # Errors
/// Where neither arm varies.
pub fn compare_means(
    control: &Arm,
    treatment: &Arm,
    level: &Level,
) -> Result<MeansComparison, ExperimentError> {
    let (a, b) = (control.variance_of_mean(), treatment.variance_of_mean());
    let variance = a + b;
    if variance <= 0.0 {
        return Err(ExperimentError::NoVariation);
    }
    // Shares of the variance, so that nothing is squared that may under- or overflow.
    let (share_a, share_b) = (a / variance, b / variance);
    let degrees_of_freedom = 1.0
        / (share_a * share_a / (control.customers() - 1.0)
            + share_b * share_b / (treatment.customers() - 1.0));
    let margin_factor = student_quantile(level, degrees_of_freedom);
    let effect = |estimate: f64, standard_error: f64| {
        let statistic = estimate / standard_error;
        let margin = margin_factor * standard_error;
        Effect {
            estimate,
            standard_error,
            low: estimate - margin,
            high: estimate + margin,
            statistic,
            p_value: (2.0 * student_tail(statistic.abs(), degrees_of_freedom)).min(1.0),
        }
    };
    Ok(MeansComparison {
        difference: effect(treatment.mean() - control.mean(), variance.sqrt()),
        lift: lift(control, treatment).map(|(estimate, error)| effect(estimate, error)),
        degrees_of_freedom,
    })
}

/// Treatment / control − 1 and its standard error by the delta method, if the control's mean is above 0.
pub(super) fn lift(control: &Arm, treatment: &Arm) -> Option<(f64, f64)> {
    if control.mean() <= 0.0 {
        return None;
    }
    let ratio = treatment.mean() / control.mean();
    let (a, b) = (
        control.variance_of_mean().sqrt() / control.mean(),
        treatment.variance_of_mean().sqrt() / control.mean(),
    );
    let estimate = (treatment.mean() - control.mean()) / control.mean();
    let error = b.hypot(a * ratio);
    (estimate.is_finite() && error.is_finite()).then_some((estimate, error))
}

/// What [`posterior_lift`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PosteriorLift {
    /// Mean of the posterior of treatment / control − 1.
    pub mean: f64,
    /// Its standard deviation.
    pub standard_deviation: f64,
    /// The bounds of the credible interval.
    pub low: f64,
    /// See `low`.
    pub high: f64,
    /// The probability that the treatment's mean is above the control's.
    pub chance_to_beat_control: f64,
}

/// The posterior of the lift under a flat prior, normal by the delta method, with an interval at `level`: the
/// Bayesian engine of GrowthBook with its prior left out. Good for large arms; for proportions see also
/// [`super::chance_to_beat`], which is exact.
///
/// # Errors
/// Where neither arm varies, or the control's mean is not above 0.
pub fn posterior_lift(
    control: &Arm,
    treatment: &Arm,
    level: &Level,
) -> Result<PosteriorLift, ExperimentError> {
    let (mean, deviation) = lift(control, treatment).ok_or(ExperimentError::NoControl {
        mean: control.mean(),
    })?;
    if deviation <= 0.0 {
        return Err(ExperimentError::NoVariation);
    }
    let margin = level.z() * deviation;
    Ok(PosteriorLift {
        mean,
        standard_deviation: deviation,
        low: mean - margin,
        high: mean + margin,
        chance_to_beat_control: normal_tail(-mean / deviation),
    })
}
