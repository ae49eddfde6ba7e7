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
//! [`Fit::estimates`] as the positive ratio e^γ, of natural scale 1; [`Fit::coefficients`] gives γ with its standard
//! error. So [`FitParams::prior`](crate::fit::FitParams::prior) is a ridge on γ in the unit in which the covariate is
//! given: its logarithm of a ratio is normal about 0.
//!
//! Nothing is standardised. Columns that tell no coefficient, or only with rounding, are refused by name; see
//! [`CovariatesError`].

mod customers;
mod likelihood;
mod models;

use std::ops::Range;

use rayon::prelude::*;
use thiserror::Error;

use crate::btyd::{Horizon, Prediction, PurchaseModel, Summaries, SummariesError};
use crate::fit::{Fit, FitError, Model, ParameterError};
use crate::optimise::Evaluation;
pub use customers::CovariateSummaries;
use customers::{Grouping, check_column};

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

/// Why covariates cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CovariatesError {
    /// The histories themselves are at fault.
    #[error(transparent)]
    Summaries(#[from] SummariesError),
    /// A column that is not one of the table.
    #[error("covariate {covariate} has {rows} rows, but frequency has {expected}")]
    Lengths {
        /// The column.
        covariate: String,
        /// Its rows.
        rows: usize,
        /// Rows of `frequency`.
        expected: usize,
    },
    /// Two columns of one name.
    #[error("there are two covariates {covariate}")]
    Duplicate {
        /// The name.
        covariate: String,
    },
    /// A value that is NaN or infinite.
    #[error("covariate {covariate}, row {row}: {value} is not finite")]
    NotFinite {
        /// The column.
        covariate: String,
        /// Position in the column, from 0.
        row: usize,
        /// As given.
        value: f64,
    },
    /// All customers are alike, so that the coefficient is part of the base model's parameter.
    #[error(
        "covariate {covariate} is {value} for every customer, so its coefficients cannot be told"
    )]
    Constant {
        /// The column.
        covariate: String,
        /// Its value.
        value: f64,
    },
    /// A unit in which coefficients could not be searched.
    #[error(
        "covariate {covariate} runs from {least} to {greatest}: rescale it so that it spans 0.1 to 10,000"
    )]
    Span {
        /// The column.
        covariate: String,
        /// The least value.
        least: f64,
        /// The greatest value.
        greatest: f64,
    },
    /// Values so far from 0 that the parameters of a customer at 0 say nothing about any in the data.
    #[error(
        "covariate {covariate} runs from {least} to {greatest}, far from 0: subtract a typical value"
    )]
    FarFromZero {
        /// The column.
        covariate: String,
        /// The least value.
        least: f64,
        /// The greatest value.
        greatest: f64,
    },
    /// A column that says again what others say.
    #[error(
        "covariate {covariate} is a linear combination of a constant and covariates before it, so its coefficients cannot be told"
    )]
    Collinear {
        /// The column.
        covariate: String,
    },
    /// Not a value a covariate of the model.
    #[error("{given} covariates, but the model has {expected}")]
    Count {
        /// As given.
        given: usize,
        /// As fitted.
        expected: usize,
    },
    /// Covariates so extreme that a parameter leaves the range of numbers.
    #[error("covariates too extreme: {0}")]
    Parameter(#[from] ParameterError),
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

impl<M: AcceptsCovariates> WithCovariates<M> {
    /// The base model of a customer whose covariates are all 0.
    #[must_use]
    pub fn base(&self) -> &M {
        &self.base
    }

    /// The names of the covariates, in the order in which their values are expected.
    #[must_use]
    pub fn covariates(&self) -> &[String] {
        &self.covariates
    }

    /// The base model with the parameters of a customer with these covariates, from which every prediction follows.
    ///
    /// # Errors
    /// Where there is not one finite value a covariate, or a parameter would leave the range of numbers.
    pub fn for_customer(&self, z: &[f64]) -> Result<M, CovariatesError> {
        self.check_count(z.len())?;
        for (covariate, value) in self.covariates.iter().zip(z) {
            check_column(covariate, std::slice::from_ref(value))?;
        }
        Ok(M::from_theta(&shifted::<M>(
            &self.base.theta(),
            &self.coefficients,
            z,
        ))?)
    }

    /// [`PurchaseModel::predict_all`] for customers with covariates, one column each in the order of
    /// [`WithCovariates::covariates`]. A row's result depends on it alone.
    ///
    /// # Errors
    /// Where the columns differ in number or length, or a row is no possible history or has no possible covariates; the
    /// first such row of the first such column is named.
    pub fn predict_all(
        &self,
        horizon: &Horizon,
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
        covariates: &[&[f64]],
    ) -> Result<Vec<Prediction>, CovariatesError> {
        self.check_count(covariates.len())?;
        super::summaries::parse(frequency, recency_age, customer_age, None)?;
        for (name, values) in self.covariates.iter().zip(covariates) {
            customers::check_length(name, values.len(), frequency.len())?;
            check_column(name, values)?;
        }
        let grouping = Grouping::new(covariates, frequency.len());
        let of_group = |rows: Range<usize>| -> Result<Vec<Prediction>, CovariatesError> {
            let rows = &grouping.order[rows];
            let z: Vec<f64> = covariates.iter().map(|column| column[rows[0]]).collect();
            let gather = |column: &[f64]| rows.iter().map(|row| column[*row]).collect::<Vec<f64>>();
            let x: Vec<u64> = rows.iter().map(|row| frequency[*row]).collect();
            let model = self.for_customer(&z)?;
            Ok(model.predict_all(horizon, &x, &gather(recency_age), &gather(customer_age))?)
        };
        let groups: Vec<Vec<Prediction>> = grouping
            .groups()
            .into_par_iter()
            .map(of_group)
            .collect::<Result<_, _>>()?;
        let mut predictions: Vec<(usize, Prediction)> = grouping
            .order
            .iter()
            .copied()
            .zip(groups.into_iter().flatten())
            .collect();
        predictions.par_sort_unstable_by_key(|(row, _)| *row);
        Ok(predictions.into_iter().map(|(_, p)| p).collect())
    }

    fn check_count(&self, given: usize) -> Result<(), CovariatesError> {
        let expected = self.covariates.len();
        if given == expected {
            Ok(())
        } else {
            Err(CovariatesError::Count { given, expected })
        }
    }
}

impl<M: AcceptsCovariates> Model for WithCovariates<M> {
    type Data = CovariateSummaries;
    const NAME: &'static str = M::NAME_WITH_COVARIATES;

    /// The base model's, then e.g. `purchase.channel_web` for e^γ of a covariate `channel_web`.
    fn names(data: &CovariateSummaries) -> Vec<String> {
        let name = |slot: Slot| {
            let effect = M::EFFECTS[slot.effect].name;
            format!("{effect}.{}", data.names[slot.covariate])
        };
        let coefficients = slots::<M>(&data.acts_on).into_iter().map(name);
        M::names(&data.pooled)
            .into_iter()
            .chain(coefficients)
            .collect()
    }

    fn customers(data: &CovariateSummaries) -> u64 {
        data.pooled.customers()
    }

    fn scale(data: &CovariateSummaries) -> Result<Vec<f64>, FitError> {
        let mut scale = M::scale(&data.pooled)?;
        scale.resize(scale.len() + slots::<M>(&data.acts_on).len(), 1.0);
        Ok(scale)
    }

    /// The maxima of the base model on all customers, where covariates have no effect. From there it is a few steps in
    /// any unit of the covariates; from afar a step that is short in one unit is long in another.
    fn starts(data: &CovariateSummaries, scale: &[f64]) -> Vec<Vec<f64>> {
        let of_base = M::names(&data.pooled).len().min(scale.len());
        let mut starts = likelihood::base_maxima::<M>(&data.pooled, &scale[..of_base]);
        for start in &mut starts {
            start.resize(scale.len(), 1.0);
        }
        starts
    }

    fn sample(data: &CovariateSummaries) -> Option<CovariateSummaries> {
        data.thinned()
    }

    fn evaluate(theta: &[f64], data: &CovariateSummaries) -> Evaluation {
        likelihood::evaluate::<M>(theta, data)
    }

    fn with_parameters(theta: &[f64], data: &CovariateSummaries) -> Result<Self, ParameterError> {
        let slots = slots::<M>(&data.acts_on);
        let (base, ratios) = theta.split_at(theta.len().saturating_sub(slots.len()));
        if let Some((i, value)) = ratios
            .iter()
            .copied()
            .enumerate()
            .find(|(_, ratio)| !(ratio.is_finite() && *ratio > 0.0))
        {
            return Err(ParameterError {
                model: Self::NAME,
                name: Self::names(data)[base.len() + i].clone(),
                value,
            });
        }
        Ok(Self {
            base: M::from_theta(base)?,
            covariates: data.names.clone(),
            coefficients: coefficients::<M>(&slots, ratios, data.names.len()),
        })
    }
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

/// A coefficient γ with what the data say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// The effect, e.g. `purchase`.
    pub effect: &'static str,
    /// The covariate, e.g. `channel_web`.
    pub covariate: String,
    /// γ; 0 is no effect.
    pub value: f64,
    /// Its asymptotic standard error; `None` where the data do not identify the parameters.
    pub standard_error: Option<f64>,
}

impl<M: AcceptsCovariates> Fit<WithCovariates<M>> {
    /// The coefficients γ, in the order in which [`Fit::estimates`] has their ratios e^γ after the base model's
    /// parameters.
    #[must_use]
    pub fn coefficients(&self) -> Vec<Coefficient> {
        let of_base = self.model.base.theta().len();
        let ratios = self.estimates.iter().skip(of_base);
        ratios
            .filter_map(|ratio| {
                let (effect, covariate) = ratio.name.split_once('.')?;
                Some(Coefficient {
                    effect: M::EFFECTS.iter().find(|e| e.name == effect)?.name,
                    covariate: covariate.to_owned(),
                    value: ratio.value.ln(),
                    // d ln ρ = dρ/ρ.
                    standard_error: ratio.standard_error.map(|error| error / ratio.value),
                })
            })
            .collect()
    }
}
