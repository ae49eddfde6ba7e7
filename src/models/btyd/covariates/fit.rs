//! How it is fitted, and the coefficients that come of it.

use super::{AcceptsCovariates, CovariateSummaries, Slot, WithCovariates};
use super::{coefficients, likelihood, slots};
use crate::fit::{Fit, FitError, Model, ParameterError};
use crate::optimise::Evaluation;

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
