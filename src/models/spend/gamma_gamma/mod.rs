//! Gamma-Gamma (Fader & Hardie 2013, "The Gamma-Gamma model of monetary value"; Colombo & Jiang 1999).
//!
//! A customer's purchases are worth Gamma(p, rate ν) each, and ν ~ Gamma(q, rate v) over customers. Spend is taken to be
//! independent of how often one buys. v has the unit of money, p and q have none.

mod likelihood;

use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;
use crate::spend::{Spender, Spenders};

/// Gamma-Gamma with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaGamma {
    p: f64,
    q: f64,
    v: f64,
}

/// How to fit Gamma-Gamma.
pub type GammaGammaParams = FitParams<GammaGamma>;

/// p and q of the starts; v follows from the mean spend p v / (q − 1).
const SHAPES: [[f64; 2]; 3] = [[4.0, 4.0], [1.0, 2.0], [20.0, 10.0]];

impl Model for GammaGamma {
    type Data = Spenders;
    const NAME: &'static str = "Gamma-Gamma";

    fn names(_: &Spenders) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(spenders: &Spenders) -> u64 {
        spenders.customers()
    }

    fn scale(spenders: &Spenders) -> Result<Vec<f64>, FitError> {
        Ok(vec![1.0, 1.0, spenders.mean_spend()])
    }

    fn starts(_: &Spenders, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |[p, q]: &[f64; 2]| vec![*p, *q, scale[2] * (q - 1.0) / p];
        SHAPES.iter().map(start).collect()
    }

    fn sample(spenders: &Spenders) -> Option<Spenders> {
        spenders.thinned()
    }

    fn evaluate(theta: &[f64], spenders: &Spenders) -> Evaluation {
        likelihood::evaluate(&spenders.table, &std::array::from_fn(|i| theta[i]))
    }

    fn with_parameters(theta: &[f64], _: &Spenders) -> Result<Self, ParameterError> {
        let [p, q, v] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { p, q, v })
    }
}

impl GammaGamma {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 3] = ["p", "q", "v"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(p: f64, q: f64, v: f64) -> Result<Self, ParameterError> {
        let [p, q, v] = positive(Self::NAME, Self::PARAMETERS, &[p, q, v])?;
        Ok(Self { p, q, v })
    }

    /// p, q, v.
    #[must_use]
    pub fn parameters(&self) -> [f64; 3] {
        [self.p, self.q, self.v]
    }

    /// The log-likelihood of all customers with its derivatives in p, q, v, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, spenders: &Spenders) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), spenders)
    }

    /// Log-density of one customer's mean spend (Fader & Hardie 2013, equation 1a).
    #[must_use]
    pub fn log_likelihood(&self, spender: &Spender) -> f64 {
        likelihood::of_spender(self, spender)
    }

    /// Expected spend a purchase of a customer of whom nothing is known, p v / (q − 1); `None` where q ≤ 1, as then
    /// the population has no mean.
    #[must_use]
    pub fn mean_spend(&self) -> Option<f64> {
        (self.q > 1.0).then(|| self.p * self.v / (self.q - 1.0))
    }

    /// Expected spend a purchase of a customer, given the purchases so far: p (v + x m) / (p x + q − 1), which lies
    /// between the customer's mean and the population's (Fader & Hardie 2013, equation 5). `None` where p x + q ≤ 1,
    /// as then the posterior has no mean.
    #[must_use]
    pub fn expected_spend(&self, spender: &Spender) -> Option<f64> {
        let x = spender.count();
        let weight = self.p * x + self.q - 1.0;
        (weight > 0.0).then(|| self.p * (self.v + x * spender.mean_spend()) / weight)
    }
}
