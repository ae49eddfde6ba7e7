//! MBG/NBD (Batislam, Denizel & Filiztekin 2007, "Empirical validation and comparison of models for customer base
//! analysis", International Journal of Research in Marketing 24(3); Hoppe & Wagner 2007, "Customer base analysis: the case
//! for a central variant of the Betageometric/NBD model", Marketing: Journal of Research and Management 3(2)).
//!
//! As BG/NBD, but one may leave after the first purchase too: while a customer, one buys by a Poisson process of rate λ;
//! after each purchase, the first included, one leaves for good with probability p. Over customers λ ~ Gamma(r, rate α)
//! and p ~ Beta(a, b), independently. α has the unit of time, the others have none. A customer without repeat purchase
//! may thus be gone.

mod predict;

use crate::btyd::beta_geometric::{Leaving, Likelihood};
use crate::btyd::{Summaries, time_a_purchase};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;

/// MBG/NBD with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MbgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

/// How to fit MBG/NBD.
pub type MbgNbdParams = FitParams<MbgNbd>;

impl MbgNbd {
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

impl Model for MbgNbd {
    type Data = Summaries;
    const NAME: &'static str = "MBG/NBD";

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
        Likelihood::new(&summaries.histories, Leaving::AfterAll).evaluate(&theta)
    }

    fn with_parameters(theta: &[f64], _: &Summaries) -> Result<Self, ParameterError> {
        let [r, alpha, a, b] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self { r, alpha, a, b })
    }
}
