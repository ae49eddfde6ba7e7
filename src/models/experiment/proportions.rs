//! Two proportions.

use ::special::Beta;

use super::distributions::normal_tail;
use super::means::lift;
use super::{Effect, ExperimentError, Proportion};
use crate::quadrature::beta_expectation;
use crate::special::ln_beta;
use crate::uncertainty::Level;

/// What [`compare_proportions`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProportionsComparison {
    /// Treatment − control. The test is the z of the pooled share, the interval Wald's, whose variances are each arm's
    /// own: at the border of significance the two may differ.
    pub difference: Effect,
    /// Treatment / control − 1 by the delta method, with its own z. `None` where nobody of the control succeeded.
    pub lift: Option<Effect>,
}

/// The z test of two proportions, and the lift, with intervals at `level`. For arms with a dozen
/// successes and failures at the least; see [`chance_to_beat`] for smaller ones.
///
/// # Errors
/// Where all or none of the customers of both arms succeeded.
pub fn compare_proportions(
    control: &Proportion,
    treatment: &Proportion,
    level: &Level,
) -> Result<ProportionsComparison, ExperimentError> {
    let statistic = pooled_z(control, treatment).ok_or(ExperimentError::NoVariation)?;
    let (a, b) = (control.arm(), treatment.arm());
    let z = level.z();
    let effect = |estimate: f64, standard_error: f64, statistic: f64| Effect {
        estimate,
        standard_error,
        low: estimate - z * standard_error,
        high: estimate + z * standard_error,
        statistic,
        p_value: (2.0 * normal_tail(statistic.abs())).min(1.0),
    };
    let difference = treatment.share() - control.share();
    let error = (a.variance_of_mean() + b.variance_of_mean()).sqrt();
    Ok(ProportionsComparison {
        difference: effect(difference, error, statistic),
        lift: lift(&a, &b)
            .filter(|(_, error)| *error > 0.0)
            .map(|(estimate, error)| effect(estimate, error, estimate / error)),
    })
}

/// The z of the pooled share; none where all or none succeeded.
pub(super) fn pooled_z(control: &Proportion, treatment: &Proportion) -> Option<f64> {
    let customers = control.customers() + treatment.customers();
    let pooled = (control.successes() + treatment.successes()) / customers;
    let pooled_failures = (control.failures() + treatment.failures()) / customers;
    let pooled_error =
        (pooled * pooled_failures * (1.0 / control.customers() + 1.0 / treatment.customers()))
            .sqrt();
    let difference = treatment.share() - control.share();
    (pooled_error > 0.0).then(|| difference / pooled_error)
}

/// Beta(`successes`, `failures`) of each arm's share before anything was seen, both positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaPrior {
    /// The first shape.
    pub successes: f64,
    /// The second shape.
    pub failures: f64,
}

impl Default for BetaPrior {
    /// Uniform: every share is as likely.
    fn default() -> Self {
        Self {
            successes: 1.0,
            failures: 1.0,
        }
    }
}

/// What [`chance_to_beat`] tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChanceToBeat {
    /// The posterior mean of the control's share.
    pub control_mean: f64,
    /// The posterior mean of the treatment's share.
    pub treatment_mean: f64,
    /// The probability that the treatment's share is above the control's, in [0, 1].
    pub chance_to_beat_control: f64,
}

/// The effort grows with the square root of the counts.
const QUADRATURE_MAX: u64 = 10_000_000_000;

/// The probability that the treatment's share is above the control's, each Beta(prior + successes, prior + failures).
///
/// By quadrature, exact but for rounding, which grows with the counts: about 1e-14 for hundreds of customers, 1e-7 for a
/// hundred million.
///
/// # Errors
/// Where the prior is not positive, or an arm has more than ten billion customers.
pub fn chance_to_beat(
    control: &Proportion,
    treatment: &Proportion,
    prior: &BetaPrior,
) -> Result<ChanceToBeat, ExperimentError> {
    for (name, value) in [("successes", prior.successes), ("failures", prior.failures)] {
        if !(value > 0.0 && value < 1e9) {
            return Err(ExperimentError::Prior { name, value });
        }
    }
    let customers = control.customers.max(treatment.customers);
    if customers > QUADRATURE_MAX {
        return Err(ExperimentError::TooManyCustomers {
            customers,
            most: QUADRATURE_MAX,
        });
    }
    let posterior = |arm: &Proportion| Posterior {
        a: prior.successes + arm.successes(),
        b: prior.failures + arm.failures(),
    };
    let (control, treatment) = (posterior(control), posterior(treatment));
    // The expectation is over the narrower of the two, in which the distribution function of the other is smooth.
    let chance = if control.spread() <= treatment.spread() {
        beta_expectation(control.a, control.b, |p, q| treatment.above(p, q))
    } else {
        beta_expectation(treatment.a, treatment.b, |p, q| control.below(p, q))
    };
    Ok(ChanceToBeat {
        control_mean: control.mean(),
        treatment_mean: treatment.mean(),
        chance_to_beat_control: chance.clamp(0.0, 1.0),
    })
}

/// Beta(a, b).
struct Posterior {
    a: f64,
    b: f64,
}

impl Posterior {
    fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// The magnitude of the standard deviation of the logit.
    fn spread(&self) -> f64 {
        1.0 / self.a + 1.0 / self.b
    }

    /// P(share ≤ p), q = 1 − p. `statrs`' incomplete beta function breaks its continued fraction off after 140 terms and
    /// is silently wrong from shapes of about 10⁵ (I of ½ at 10⁶ and 10⁶ is .491); AS 63 in `special` goes on until it has converged.
    fn below(&self, p: f64, _: f64) -> f64 {
        p.inc_beta(self.a, self.b, ln_beta(self.a, self.b))
            .clamp(0.0, 1.0)
    }

    /// P(share > p), small where it is small.
    fn above(&self, _: f64, q: f64) -> f64 {
        q.inc_beta(self.b, self.a, ln_beta(self.a, self.b))
            .clamp(0.0, 1.0)
    }
}
