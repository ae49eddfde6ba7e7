//! BG/BB (Fader, Hardie & Shang 2010, "Customer-base analysis in a discrete-time noncontractual setting", Marketing
//! Science 29(6)).
//!
//! Purchases are tied to opportunities: a yearly appeal, a weekly service, a concert of the season. At the beginning of
//! each opportunity a customer leaves for good with probability θ; one who does not takes it with probability p. Over
//! customers p ~ Beta(α, β) and θ ~ Beta(γ, δ), independently. No parameter has a unit.
//!
//! [`BgBbAfterOrders`] has customers leave only after a purchase. Which of the two customers do is not seen, but they differ in
//! how likely they make what customers did.

mod after_orders;
mod likelihood;
mod predict;
mod summaries;

pub use after_orders::BgBbAfterOrders;
pub use predict::Ahead;
pub use summaries::{
    DiscreteSummaries, DiscreteSummariesError, DiscreteSummary, DiscreteSummaryDefect,
};

use crate::fit::{FitError, FitParams, Model, ParameterError, positive};
use crate::optimise::Evaluation;

/// BG/BB with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgBb {
    alpha: f64,
    beta: f64,
    gamma: f64,
    delta: f64,
}

/// How to fit BG/BB.
pub type BgBbParams = FitParams<BgBb>;

impl BgBb {
    /// The names of the parameters in their order everywhere.
    pub const PARAMETERS: [&'static str; 4] = ["alpha", "beta", "gamma", "delta"];

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(alpha: f64, beta: f64, gamma: f64, delta: f64) -> Result<Self, ParameterError> {
        let [alpha, beta, gamma, delta] =
            positive(Self::NAME, Self::PARAMETERS, &[alpha, beta, gamma, delta])?;
        Ok(Self {
            alpha,
            beta,
            gamma,
            delta,
        })
    }

    /// α, β, γ, δ.
    #[must_use]
    pub fn parameters(&self) -> [f64; 4] {
        [self.alpha, self.beta, self.gamma, self.delta]
    }

    /// The log-likelihood of all customers with its derivatives in α, β, γ, δ, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &DiscreteSummaries) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), summaries)
    }
}

/// The starts lie in different valleys: any rate of purchases and most stay; rare purchases; frequent purchases and many
/// leave.
const STARTS: [[f64; 4]; 3] = [
    [1.0, 1.0, 0.6, 3.0],
    [0.5, 3.0, 0.5, 8.0],
    [2.0, 1.0, 1.0, 1.0],
];

/// The scale of four parameters that are near one, of customers of whom any came back.
fn scale(model: &'static str, summaries: &DiscreteSummaries) -> Result<Vec<f64>, FitError> {
    if summaries.repeat_purchases() == 0.0 {
        return Err(FitError::NoRepeatPurchase {
            model,
            customers: summaries.customers(),
        });
    }
    Ok(vec![1.0; 4])
}

impl Model for BgBb {
    type Data = DiscreteSummaries;
    const NAME: &'static str = "BG/BB";

    fn names(_: &DiscreteSummaries) -> Vec<String> {
        Self::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(summaries: &DiscreteSummaries) -> u64 {
        summaries.customers()
    }

    fn scale(summaries: &DiscreteSummaries) -> Result<Vec<f64>, FitError> {
        scale(Self::NAME, summaries)
    }

    fn starts(_: &DiscreteSummaries, _: &[f64]) -> Vec<Vec<f64>> {
        STARTS.map(Vec::from).to_vec()
    }

    fn sample(summaries: &DiscreteSummaries) -> Option<DiscreteSummaries> {
        summaries.thinned()
    }

    fn evaluate(theta: &[f64], summaries: &DiscreteSummaries) -> Evaluation {
        let theta = std::array::from_fn(|i| theta[i]);
        likelihood::Likelihood::new(summaries, theta).evaluate()
    }

    fn with_parameters(theta: &[f64], _: &DiscreteSummaries) -> Result<Self, ParameterError> {
        let [alpha, beta, gamma, delta] = positive(Self::NAME, Self::PARAMETERS, theta)?;
        Self::new(alpha, beta, gamma, delta)
    }
}
