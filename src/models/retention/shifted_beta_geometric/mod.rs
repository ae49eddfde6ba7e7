//! Shifted beta-geometric (Fader & Hardie 2007, "How to project customer retention", Journal of Interactive Marketing
//! 21(1)).
//!
//! At every opportunity a customer leaves with a probability θ of his or her own, which never changes, and θ ~ Beta(α, β)
//! over customers. Retention rises with age because those who leave early are those who are likely to. Parameters have
//! no unit, but the length of a period is part of the model.

mod likelihood;

use super::log_survival::fall_between;
use super::{RetentionModel, Tenures, odds_of_renewal};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;

/// The shifted beta-geometric with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftedBetaGeometric {
    alpha: f64,
    beta: f64,
}

/// How to fit the shifted beta-geometric.
pub type ShiftedBetaGeometricParams = FitParams<ShiftedBetaGeometric>;

/// α of the starts; β follows from the odds of renewing. Customers of two kinds; some variety; nearly all alike.
const SHAPES: [f64; 3] = [0.3, 1.0, 5.0];

impl ShiftedBetaGeometric {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 2] = ["alpha", "beta"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(alpha: f64, beta: f64) -> Result<Self, ParameterError> {
        let [alpha, beta] = positive(Self::NAME, Self::PARAMETERS, &[alpha, beta])?;
        Ok(Self { alpha, beta })
    }

    /// α, β.
    #[must_use]
    pub fn parameters(&self) -> [f64; 2] {
        [self.alpha, self.beta]
    }

    /// The log-likelihood of all customers with its derivatives in α, β, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, tenures: &Tenures) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), tenures)
    }

    /// The parameters of the beta-discrete-Weibull that it is.
    fn as_weibull(&self) -> [f64; 3] {
        [self.alpha, self.beta, 1.0]
    }
}

impl Model for ShiftedBetaGeometric {
    type Data = Tenures;
    const NAME: &'static str = "shifted beta-geometric";

    fn names(_: &Tenures) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(tenures: &Tenures) -> u64 {
        tenures.customers()
    }

    fn scale(tenures: &Tenures) -> Result<Vec<f64>, FitError> {
        Ok(vec![1.0, odds_of_renewal(Self::NAME, tenures)?])
    }

    fn starts(_: &Tenures, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |alpha: &f64| vec![*alpha, alpha * scale[1]];
        SHAPES.iter().map(start).collect()
    }

    /// The periods are few, however many the customers.
    fn sample(_: &Tenures) -> Option<Tenures> {
        None
    }

    fn evaluate(theta: &[f64], tenures: &Tenures) -> Evaluation {
        likelihood::evaluate(&tenures.periods, [theta[0], theta[1]])
    }

    fn with_parameters(theta: &[f64], _: &Tenures) -> Result<Self, ParameterError> {
        let [alpha, beta] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { alpha, beta })
    }
}

impl RetentionModel for ShiftedBetaGeometric {
    fn cumulative_hazard(&self, age: f64, more: f64) -> f64 {
        fall_between(self.as_weibull(), age, more)
    }

    /// (β+n) / (α+β+n).
    fn retention_rate(&self, renewals: u64) -> f64 {
        let stay = self.beta + super::periods(renewals);
        stay / (self.alpha + stay)
    }

    fn churn_probability(&self, renewals: u64) -> f64 {
        self.alpha / (self.alpha + self.beta + super::periods(renewals))
    }
}
