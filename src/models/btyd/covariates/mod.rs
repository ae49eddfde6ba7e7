//! Static covariates of customers (Fader & Hardie 2007, "Incorporating time-invariant covariates into the Pareto/NBD and
//! BG/NBD models").
//!
//! What is known of a customer from the first purchase on, a vector z, multiplies parameters of the base model:
//!
//! ```text
//! BG/NBD      α = α₀ exp(−γ_purchase′z)   a = a₀ exp(γ_leave′z)   b = b₀ exp(γ_stay′z)
//! Pareto/NBD  α = α₀ exp(−γ_purchase′z)   β = β₀ exp(−γ_leave′z)
//! ```
//!
//! so that exp(γ_purchase) is the ratio of the mean rates of purchases of customers one unit of z apart, and in
//! Pareto/NBD exp(γ_leave) that of the rates of leaving. In BG/NBD a and b have coefficients of their own, as in the
//! note: a positive γ_leave or a negative γ_stay raises the probability of leaving at a purchase. The parameters with
//! index 0 are those of a customer whose covariates are all 0.
//!
//! A covariate acts on purchasing, on leaving or on both. A coefficient γ is searched and reported in
//! [`Fit::estimates`](crate::fit::Fit::estimates) as the positive ratio e^γ, of natural scale 1; [`Fit::coefficients`](crate::fit::Fit::coefficients) gives γ with its standard
//! error. So [`FitParams::prior`](crate::fit::FitParams::prior) is a ridge on γ in the unit in which the covariate is
//! given: its logarithm of a ratio is normal about 0.
//!
//! Nothing is standardised. Columns that tell no coefficient, or only with rounding, are refused by name; see
//! [`CovariatesError`].

mod customers;
mod errors;
mod fit;
mod likelihood;
mod models;
mod predict;

use crate::btyd::{PurchaseModel, Summaries};
use crate::fit::{Model, ParameterError};
pub use customers::CovariateSummaries;
pub use errors::CovariatesError;
pub use fit::Coefficient;

/// The half of a model's story that a covariate acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActsOn {
    /// How often a customer buys.
    Purchasing,
    /// When a customer leaves.
    Leaving,
    /// Both, each with coefficients of its own.
    Both,
}

impl ActsOn {
    fn includes(self, process: Self) -> bool {
        self == Self::Both || self == process
    }
}

/// A column of covariates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covariate<'a> {
    /// Its name, from which the coefficients have theirs.
    pub name: &'a str,
    /// What it acts on.
    pub acts_on: ActsOn,
    /// One value a row.
    pub values: &'a [f64],
}

/// A way in which covariates act on a model: the multiplier exp(sign · γ′z) of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Its name, before that of the covariate: `purchase` in `purchase.channel_web`.
    pub name: &'static str,
    /// Which covariates have it: [`ActsOn::Purchasing`] or [`ActsOn::Leaving`].
    pub process: ActsOn,
    /// The position of the parameter in the base model.
    pub parameter: usize,
    /// 1 or −1.
    pub sign: f64,
}

/// A base model that says what covariates act on.
pub trait AcceptsCovariates: Model<Data = Summaries> + PurchaseModel + Clone {
    /// The name with covariates, for messages.
    const NAME_WITH_COVARIATES: &'static str;

    /// What covariates of purchasing and of leaving act on, in the order of the parameters.
    const EFFECTS: &'static [Effect];

    /// The parameters in their order.
    fn theta(&self) -> Vec<f64>;

    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    fn from_theta(theta: &[f64]) -> Result<Self, ParameterError>;
}

/// A base model whose parameters depend on covariates.
#[derive(Debug, Clone, PartialEq)]
pub struct WithCovariates<M> {
    base: M,
    covariates: Vec<String>,
    /// For each of the base model's effects, the coefficient of each covariate; 0 where it does not act.
    coefficients: Vec<Vec<f64>>,
}

/// The ratio parameter that stands for a coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    effect: usize,
    covariate: usize,
}

/// The coefficients after the base model's parameters: effect by effect, each in the order of the covariates.
fn slots<M: AcceptsCovariates>(acts_on: &[ActsOn]) -> Vec<Slot> {
    let effects = M::EFFECTS.iter().enumerate();
    effects
        .flat_map(|(effect, Effect { process, .. })| {
            let acting = acts_on.iter().enumerate();
            acting
                .filter(|(_, on)| on.includes(*process))
                .map(move |(covariate, _)| Slot { effect, covariate })
        })
        .collect()
}

/// The base model's parameters for covariates z.
fn shifted<M: AcceptsCovariates>(base: &[f64], coefficients: &[Vec<f64>], z: &[f64]) -> Vec<f64> {
    let mut theta = base.to_vec();
    for (effect, gammas) in M::EFFECTS.iter().zip(coefficients) {
        let shift: f64 = gammas.iter().zip(z).map(|(gamma, z)| gamma * z).sum();
        theta[effect.parameter] *= (effect.sign * shift).exp();
    }
    theta
}

/// The logarithms of the ratios as a table of effects and covariates.
fn coefficients<M: AcceptsCovariates>(
    slots: &[Slot],
    ratios: &[f64],
    covariates: usize,
) -> Vec<Vec<f64>> {
    let mut table = vec![vec![0.0; covariates]; M::EFFECTS.len()];
    for (slot, ratio) in slots.iter().zip(ratios) {
        table[slot.effect][slot.covariate] = ratio.ln();
    }
    table
}
