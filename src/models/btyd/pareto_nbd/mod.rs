//! Pareto/NBD (Schmittlein, Morrison & Colombo 1987, "Counting your customers", Management Science 33(1); Fader & Hardie
//! 2005, "A note on deriving the Pareto/NBD model").
//!
//! While a customer, one buys by a Poisson process of rate λ, and leaves for good after an exponential time of rate μ. Over
//! customers λ ~ Gamma(r, rate α) and μ ~ Gamma(s, rate β), independently, so that the time until one leaves is Pareto:
//! S(τ) = (β/(β+τ))ˢ. α and β have the unit of time, the others have none.

mod lifetime;
mod predict;

use crate::btyd::dropout::{self, Nbd};
use crate::btyd::{Summaries, time_a_customer, time_a_purchase};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;
use lifetime::Pareto;

/// Pareto/NBD with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParetoNbd {
    r: f64,
    alpha: f64,
    s: f64,
    beta: f64,
}

/// How to fit Pareto/NBD.
pub type ParetoNbdParams = FitParams<ParetoNbd>;

impl ParetoNbd {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 4] = ["r", "alpha", "s", "beta"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(r: f64, alpha: f64, s: f64, beta: f64) -> Result<Self, ParameterError> {
        let [r, alpha, s, beta] = positive(Self::NAME, Self::PARAMETERS, &[r, alpha, s, beta])?;
        Ok(Self { r, alpha, s, beta })
    }

    /// r, α, s, β.
    #[must_use]
    pub fn parameters(&self) -> [f64; 4] {
        [self.r, self.alpha, self.s, self.beta]
    }

    /// The log-likelihood of all customers with its derivatives in r, α, s, β, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &Summaries) -> Evaluation {
        dropout::evaluate(&self.nbd(), &summaries.histories)
    }

    fn nbd(&self) -> Nbd<Pareto> {
        Nbd {
            r: self.r,
            alpha: self.alpha,
            dropout: Pareto {
                s: self.s,
                beta: self.beta,
            },
        }
    }
}

/// r, s and β over the mean age of a customer of the starts; α follows from the mean rate of purchases r/α. They lie in
/// different valleys: most customers barely buy and leave soon; a moderate spread of both; alike customers who stay.
const SHAPES: [[f64; 3]; 3] = [[0.5, 0.5, 0.3], [1.0, 1.0, 1.0], [3.0, 2.0, 5.0]];

impl Model for ParetoNbd {
    type Data = Summaries;
    const NAME: &'static str = "Pareto/NBD";

    fn names(_: &Summaries) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(summaries: &Summaries) -> u64 {
        summaries.customers()
    }

    fn scale(summaries: &Summaries) -> Result<Vec<f64>, FitError> {
        let purchase = time_a_purchase(Self::NAME, summaries)?;
        Ok(vec![1.0, purchase, 1.0, time_a_customer(summaries)])
    }

    fn starts(_: &Summaries, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |[r, s, beta]: &[f64; 3]| vec![*r, r * scale[1], *s, beta * scale[3]];
        SHAPES.iter().map(start).collect()
    }

    fn sample(summaries: &Summaries) -> Option<Summaries> {
        summaries.thinned()
    }

    fn evaluate(theta: &[f64], summaries: &Summaries) -> Evaluation {
        let [r, alpha, s, beta] = std::array::from_fn(|i| theta[i]);
        Self { r, alpha, s, beta }.evaluate(summaries)
    }

    fn with_parameters(theta: &[f64], _: &Summaries) -> Result<Self, ParameterError> {
        let [r, alpha, s, beta] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { r, alpha, s, beta })
    }
}
