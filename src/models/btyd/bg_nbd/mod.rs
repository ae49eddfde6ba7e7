//! BG/NBD (Fader, Hardie & Lee 2005, "Counting your customers the easy way", Marketing Science 24(2)).
//!
//! While a customer, one buys by a Poisson process of rate λ; after each repeat purchase one leaves for good with
//! probability p. Over customers λ ~ Gamma(r, rate α) and p ~ Beta(a, b), independently. α has the unit of time, the
//! others have none. A customer without repeat purchase is alive by definition of the model.

mod predict;

use crate::btyd::beta_geometric::{Leaving, Likelihood};
use crate::btyd::{Summaries, time_a_purchase};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;

/// BG/NBD with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

/// How to fit BG/NBD.
pub type BgNbdParams = FitParams<BgNbd>;

impl BgNbd {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 4] = ["r", "alpha", "a", "b"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(r: f64, alpha: f64, a: f64, b: f64) -> Result<Self, ParameterError> {
        let [r, alpha, a, b] = positive(Self::NAME, Self::PARAMETERS, &[r, alpha, a, b])?;
        Ok(Self { r, alpha, a, b })
    }

    /// r, α, a, b.
    #[must_use]
    pub fn parameters(&self) -> [f64; 4] {
        [self.r, self.alpha, self.a, self.b]
    }

    /// The log-likelihood of all customers with its derivatives in r, α, a, b, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &Summaries) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), summaries)
    }
}

/// r, a and b of the starts; α follows from the mean rate of purchases r/α. They lie in different valleys: most
/// customers barely buy and some leave; alike customers; frequent buyers who rarely leave.
const SHAPES: [[f64; 3]; 3] = [[0.3, 0.8, 2.5], [1.0, 1.0, 1.0], [2.0, 0.3, 5.0]];

impl Model for BgNbd {
    type Data = Summaries;
    const NAME: &'static str = "BG/NBD";

    fn names(_: &Summaries) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(summaries: &Summaries) -> u64 {
        summaries.customers()
    }

    fn scale(summaries: &Summaries) -> Result<Vec<f64>, FitError> {
        let time = time_a_purchase(Self::NAME, summaries)?;
        Ok(vec![1.0, time, 1.0, 1.0])
    }

    fn starts(_: &Summaries, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |[r, a, b]: &[f64; 3]| vec![*r, r * scale[1], *a, *b];
        SHAPES.iter().map(start).collect()
    }

    fn sample(summaries: &Summaries) -> Option<Summaries> {
        summaries.thinned()
    }

    fn evaluate(theta: &[f64], summaries: &Summaries) -> Evaluation {
        let theta = std::array::from_fn(|i| theta[i]);
        Likelihood::new(&summaries.histories, Leaving::AfterRepeats).evaluate(&theta)
    }

    fn with_parameters(theta: &[f64], _: &Summaries) -> Result<Self, ParameterError> {
        let [r, alpha, a, b] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { r, alpha, a, b })
    }
}
