//! GGompertz/NBD (Bemmaor & Glady 2012, "Modeling purchasing behavior with sudden 'death'", Management Science 58(5)).
//!
//! While a customer, one buys by a Poisson process of rate λ, and leaves for good after a Gompertz time of hazard
//! η b e^(bτ). Over customers λ ~ Gamma(r, rate α) and η ~ Gamma(s, rate β), independently, so that
//! S(τ) = (β/(β + e^(bτ) − 1))ˢ. α has the unit of time, b that of its inverse, the others have none.
//!
//! Where b falls to 0 with β/b fixed it becomes the Pareto/NBD with that β. On data of that kind the likelihood is highest
//! there, beyond the reach of positive parameters, and a fit says that it did not converge.

mod lifetime;
mod predict;

use crate::btyd::dropout::{self, Nbd};
use crate::btyd::{Summaries, time_a_customer, time_a_purchase};
use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;
use lifetime::GammaGompertz;

/// GGompertz/NBD with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GGompertzNbd {
    r: f64,
    alpha: f64,
    b: f64,
    s: f64,
    beta: f64,
}

/// How to fit GGompertz/NBD.
pub type GGompertzNbdParams = FitParams<GGompertzNbd>;

impl GGompertzNbd {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 5] = ["r", "alpha", "b", "s", "beta"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(r: f64, alpha: f64, b: f64, s: f64, beta: f64) -> Result<Self, ParameterError> {
        let [r, alpha, b, s, beta] =
            positive(Self::NAME, Self::PARAMETERS, &[r, alpha, b, s, beta])?;
        Ok(Self {
            r,
            alpha,
            b,
            s,
            beta,
        })
    }

    /// r, α, b, s, β.
    #[must_use]
    pub fn parameters(&self) -> [f64; 5] {
        [self.r, self.alpha, self.b, self.s, self.beta]
    }

    /// The log-likelihood of all customers with its derivatives in r, α, b, s, β, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &Summaries) -> Evaluation {
        dropout::evaluate(&self.nbd(), &summaries.histories)
    }

    fn nbd(&self) -> Nbd<GammaGompertz> {
        Nbd {
            r: self.r,
            alpha: self.alpha,
            dropout: GammaGompertz {
                b: self.b,
                s: self.s,
                beta: self.beta,
            },
        }
    }
}

/// r, b times the mean age of a customer, s and β of the starts; α follows from the mean rate of purchases r/α. They lie
/// in different valleys: close to Pareto/NBD, where customers who stayed leave ever less; a constant rate; customers who
/// stay and leave ever more.
const SHAPES: [[f64; 4]; 3] = [
    [0.5, 0.1, 0.5, 0.03],
    [1.0, 1.0, 1.0, 1.0],
    [2.0, 3.0, 1.0, 20.0],
];

impl Model for GGompertzNbd {
    type Data = Summaries;
    const NAME: &'static str = "GGompertz/NBD";

    fn names(_: &Summaries) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(summaries: &Summaries) -> u64 {
        summaries.customers()
    }

    fn scale(summaries: &Summaries) -> Result<Vec<f64>, FitError> {
        let purchase = time_a_purchase(Self::NAME, summaries)?;
        Ok(vec![
            1.0,
            purchase,
            1.0 / time_a_customer(summaries),
            1.0,
            1.0,
        ])
    }

    fn starts(_: &Summaries, scale: &[f64]) -> Vec<Vec<f64>> {
        let start = |[r, b, s, beta]: &[f64; 4]| vec![*r, r * scale[1], b * scale[2], *s, *beta];
        SHAPES.iter().map(start).collect()
    }

    fn sample(summaries: &Summaries) -> Option<Summaries> {
        summaries.thinned()
    }

    fn evaluate(theta: &[f64], summaries: &Summaries) -> Evaluation {
        let [r, alpha, b, s, beta] = std::array::from_fn(|i| theta[i]);
        Self {
            r,
            alpha,
            b,
            s,
            beta,
        }
        .evaluate(summaries)
    }

    fn with_parameters(theta: &[f64], _: &Summaries) -> Result<Self, ParameterError> {
        let [r, alpha, b, s, beta] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Ok(Self {
            r,
            alpha,
            b,
            s,
            beta,
        })
    }
}
