//! Models of purchases by name, and the choice among those that a pipeline lists.
//!
//! The rule. Every listed model is fitted to all days, and, where the pipeline holds days out, once more to the days
//! before. Of the models that converged the one is chosen that gave the highest mean log-probability to the purchases
//! of the holdout; where nothing was held out, the one with the lowest BIC. Of equals the one listed first. Where none
//! converged, the listed models are fitted in their order with a prior that holds their parameters within reason, and
//! the first that converges is taken; its rows tell so. Where that fails too there is no prediction.

use cvm_models::btyd::PurchaseModel;
use cvm_models::btyd::Summaries;
use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::ggompertz_nbd::GGompertzNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::fit::{Estimate, FitError, FitParams, Model};
use cvm_models::optimise::Convergence;
use cvm_models::uncertainty::Spread;

use super::super::{FitRow, Period};
use super::rows::Histories;

/// A model of purchases of whatever kind.
pub(super) type AnyModel = Box<dyn PurchaseModel>;

/// A fitted model, its kind forgotten.
pub(super) struct Fitted {
    pub(super) model: AnyModel,
    /// The model and its neighbours; none where the data do not identify the parameters.
    pub(super) spread: Option<Spread<AnyModel>>,
    pub(super) estimates: Vec<Estimate>,
    pub(super) log_likelihood: f64,
    pub(super) aic: f64,
    pub(super) bic: f64,
    pub(super) convergence: Convergence,
}

type Fitter = fn(&Summaries, Option<f64>) -> Result<Fitted, FitError>;

/// The models by the name that a pipeline gives.
const MODELS: [(&str, Fitter); 4] = [
    ("bg_nbd", fit::<BgNbd>),
    ("mbg_nbd", fit::<MbgNbd>),
    ("pareto_nbd", fit::<ParetoNbd>),
    ("ggompertz_nbd", fit::<GGompertzNbd>),
];

/// Their names.
pub(super) const NAMES: [&str; 4] = [MODELS[0].0, MODELS[1].0, MODELS[2].0, MODELS[3].0];

/// The standard deviation of the logarithm of a parameter in the prior of the fallback: within a factor of 7 of its
/// natural scale in 19 of 20 cases.
const PRIOR_DEVIATION: f64 = 1.0;

fn fit<M: Model<Data = Summaries> + PurchaseModel + Clone + 'static>(
    summaries: &Summaries,
    prior: Option<f64>,
) -> Result<Fitted, FitError> {
    let params = FitParams::<M>::default();
    let params = match prior {
        Some(deviation) => params.prior(deviation),
        None => params,
    };
    let fit = params.check()?.fit(summaries)?;
    let boxed = |model: M| -> AnyModel { Box::new(model) };
    Ok(Fitted {
        spread: fit.spread(summaries).map(|spread| spread.map(boxed)),
        model: boxed(fit.model.clone()),
        log_likelihood: fit.log_likelihood,
        aic: fit.aic(),
        bic: fit.bic(),
        convergence: fit.convergence,
        estimates: fit.estimates,
    })
}

/// A listed model with what was tried.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    pub(super) fit: Result<Fitted, FitError>,
    /// Mean log-probability of what came in the holdout; none where that is unknown.
    pub(super) log_score: Option<f64>,
}

/// Fits the models of these names, in their order.
pub(super) fn fit_all(
    names: &[&'static str],
    summaries: &Summaries,
    prior: bool,
) -> Vec<(&'static str, Result<Fitted, FitError>)> {
    let prior = prior.then_some(PRIOR_DEVIATION);
    let named = MODELS.iter();
    names
        .iter()
        .filter_map(|name| named.clone().find(|(known, _)| known == name))
        .map(|(name, fit)| (*name, fit(summaries, prior)))
        .collect()
}

/// Whether there is a fit that converged.
pub(super) fn converged(fit: &Result<Fitted, FitError>) -> bool {
    fit.as_ref().is_ok_and(|fit| fit.convergence.converged)
}

impl Candidate {
    fn converged(&self) -> Option<&Fitted> {
        self.fit
            .as_ref()
            .ok()
            .filter(|fit| fit.convergence.converged)
    }
}

/// The position of the chosen candidate; none where no fit converged.
pub(super) fn choose(candidates: &[Candidate]) -> Option<usize> {
    let usable = || {
        candidates
            .iter()
            .enumerate()
            .filter_map(|(i, candidate)| Some((i, candidate.converged()?, candidate.log_score)))
    };
    let first_best = |ranked: Vec<(usize, f64)>| {
        let best = ranked
            .iter()
            .map(|(_, score)| *score)
            .max_by(f64::total_cmp)?;
        ranked
            .into_iter()
            .find(|(_, score)| *score == best)
            .map(|(i, _)| i)
    };
    let by_holdout = usable()
        .filter_map(|(i, _, log_score)| Some((i, log_score?)))
        .collect();
    first_best(by_holdout).or_else(|| {
        let by_criterion = usable().map(|(i, fit, _)| (i, -fit.bic));
        first_best(by_criterion.collect())
    })
}

/// The rows of a fit in `model_fits`.
pub(super) fn fit_rows(
    name: &'static str,
    period: Period,
    fit: &Result<Fitted, FitError>,
    seen: &Histories,
    is_chosen: bool,
    remark: Option<&str>,
) -> Vec<FitRow> {
    let row = FitRow {
        customers: i64::try_from(seen.customers).unwrap_or(i64::MAX),
        distinct_summaries: i64::try_from(seen.distinct).unwrap_or(i64::MAX),
        ..FitRow::without_fit(name, period)
    };
    match fit {
        Err(error) => vec![FitRow {
            reason: Some(error.to_string()),
            ..row
        }],
        Ok(fit) => {
            let row = FitRow {
                log_likelihood: Some(fit.log_likelihood),
                aic: Some(fit.aic),
                bic: Some(fit.bic),
                is_chosen,
                ..row
            };
            row.of_parameters(&fit.estimates, &fit.convergence, remark)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &'static str, log_score: Option<f64>) -> Candidate {
        let frequency = [0, 0, 0, 1, 2, 3, 5, 8, 1, 4];
        let recency = [0.0, 0.0, 0.0, 3.0, 20.0, 9.0, 30.0, 25.0, 12.0, 33.0];
        let age = [40.0, 35.0, 20.0, 38.0, 30.0, 36.0, 31.0, 39.0, 22.0, 37.0];
        let summaries = Summaries::new(&frequency, &recency, &age).unwrap();
        let (name, fit) = fit_all(&[name], &summaries, true).pop().unwrap();
        assert!(fit.as_ref().unwrap().convergence.converged, "{name}");
        Candidate {
            name,
            fit,
            log_score,
        }
    }

    fn not_converged(name: &'static str) -> Candidate {
        Candidate {
            fit: Err(FitError::NoCustomers { model: "none" }),
            ..candidate(name, Some(0.0))
        }
    }

    #[test]
    fn the_best_in_the_holdout_is_chosen() {
        let listed = [
            candidate("bg_nbd", Some(-1.5)),
            candidate("mbg_nbd", Some(-1.25)),
            candidate("pareto_nbd", None),
        ];
        assert_eq!(choose(&listed), Some(1));
    }

    #[test]
    fn of_equals_the_first_is_chosen() {
        let listed = [
            candidate("mbg_nbd", Some(-1.5)),
            candidate("bg_nbd", Some(-1.5)),
        ];
        assert_eq!(choose(&listed), Some(0));
    }

    #[test]
    fn without_a_holdout_the_lowest_bic_is_chosen() {
        let mut listed = [candidate("bg_nbd", None), candidate("bg_nbd", None)];
        listed[0].fit.as_mut().unwrap().bic += 0.5;
        assert_eq!(choose(&listed), Some(1));
    }

    #[test]
    fn what_did_not_converge_is_never_chosen() {
        let listed = [not_converged("bg_nbd"), candidate("mbg_nbd", Some(-9.0))];
        assert_eq!(choose(&listed), Some(1));
        assert_eq!(choose(&[not_converged("bg_nbd")]), None);
    }

    #[test]
    fn every_model_has_its_name() {
        assert_eq!(NAMES, ["bg_nbd", "mbg_nbd", "pareto_nbd", "ggompertz_nbd"]);
    }
}
