//! Beta-discrete-Weibull (Fader, Hardie, Liu, Davin & Steenburgh 2018, "'How to project customer retention' revisited:
//! The role of duration dependence", Journal of Interactive Marketing 43).
//!
//! A customer makes t renewals with probability (1 − θ)^(t^c), and θ ~ Beta(γ, δ) over customers. With c above 1 a
//! customer becomes likelier to leave with age, below 1 less likely; c = 1 is the shifted beta-geometric with α = γ and
//! β = δ. Parameters have no unit, but the length of a period is part of the model.

mod likelihood;

use super::log_survival::fall_between;
use super::{RetentionModel, Tenures, odds_of_renewal};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;

/// The beta-discrete-Weibull with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BetaDiscreteWeibull {
    gamma: f64,
    delta: f64,
    c: f64,
}

/// How to fit the beta-discrete-Weibull.
pub type BetaDiscreteWeibullParams = FitParams<BetaDiscreteWeibull>;

/// γ and c of the starts; δ follows from the odds of renewing. Leaving becomes less likely with age; stays as it is;
/// becomes likelier among customers of two kinds.
const SHAPES: [[f64; 2]; 3] = [[3.0, 0.7], [1.0, 1.0], [0.3, 1.6]];

impl BetaDiscreteWeibull {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 3] = ["gamma", "delta", "c"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(gamma: f64, delta: f64, c: f64) -> Result<Self, ParameterError> {
        let [gamma, delta, c] = positive(Self::NAME, Self::PARAMETERS, &[gamma, delta, c])?;
        Ok(Self { gamma, delta, c })
    }

    /// γ, δ, c.
    #[must_use]
    pub fn parameters(&self) -> [f64; 3] {
        [self.gamma, self.delta, self.c]
    }

    /// The log-likelihood of all customers with its derivatives in γ, δ, c, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, tenures: &Tenures) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), tenures)
    }
}

impl Model for BetaDiscreteWeibull {
    type Data = Tenures;
    const NAME: &'static str = "beta-discrete-Weibull";

    fn names(_: &Tenures) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(tenures: &Tenures) -> u64 {
        tenures.customers()
    }

    fn scale(tenures: &Tenures) -> Result<Vec<f64>, FitError> {
        Ok(vec![1.0, odds_of_renewal(Self::NAME, tenures)?, 1.0])
    }

    fn starts(_: &Tenures, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |[gamma, c]: &[f64; 2]| vec![*gamma, gamma * scale[1], *c];
        SHAPES.iter().map(start).collect()
    }

    /// The periods are few, however many the customers.
    fn sample(_: &Tenures) -> Option<Tenures> {
        None
    }

    fn evaluate(theta: &[f64], tenures: &Tenures) -> Evaluation {
        likelihood::evaluate(&tenures.periods, [theta[0], theta[1], theta[2]])
    }

    fn with_parameters(theta: &[f64], _: &Tenures) -> Result<Self, ParameterError> {
        let [gamma, delta, c] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { gamma, delta, c })
    }
}

impl RetentionModel for BetaDiscreteWeibull {
    fn cumulative_hazard(&self, age: f64, more: f64) -> f64 {
        fall_between(self.parameters(), age, more)
    }
}
