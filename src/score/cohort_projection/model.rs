//! The models by name, fitted to the histories of a group.

use cvm_models::btyd::bg_bb::{BgBb, BgBbAfterOrders, DiscreteSummaries, DiscreteSummary};
use cvm_models::fit::{Estimate, Fit, FitError, FitParams, Model};
use cvm_models::optimise::Convergence;
use cvm_models::retention::Tenures;
use cvm_models::retention::cohort::{Cohort, CohortModel, Projected, project, with_rival};
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::uncertainty::{Level, Spread};

/// The names that a pipeline gives.
pub(super) const NAMES: [&str; 2] = ["bg_bb", "shifted_beta_geometric"];

/// BG/BB whose customers leave only after an order: what `bg_bb` is fitted beside, and gives way to where that is likelier.
const AFTER_ORDERS: &str = "bg_bb_after_orders";

/// What is fitted for a name that a pipeline gives: models of the same number of parameters.
pub(super) fn candidates(name: &'static str) -> Vec<&'static str> {
    if name == NAMES[0] {
        vec![NAMES[0], AFTER_ORDERS]
    } else {
        vec![name]
    }
}

/// The standard deviation of the logarithm of a parameter in the prior of the fallback: within a factor of 7 of its
/// natural scale in 19 of 20 cases.
const PRIOR_DEVIATION: f64 = 1.0;

/// A fitted model of whatever kind, with what its fit leaves open.
pub(super) trait Projector: Send + Sync {
    /// The periods ahead of a cohort.
    fn project(
        &self,
        cohort: &Cohort,
        periods: u64,
        variance: f64,
        level: &Level,
    ) -> Vec<Projected>;
    /// The share of new customers who are active so many periods after they began.
    fn active_share(&self, period: u64) -> f64;
}

impl<M: CohortModel + Send + Sync> Projector for Spread<M> {
    fn project(
        &self,
        cohort: &Cohort,
        periods: u64,
        variance: f64,
        level: &Level,
    ) -> Vec<Projected> {
        project(self, cohort, periods, variance, level)
    }

    fn active_share(&self, period: u64) -> f64 {
        self.center.active_share(period)
    }
}

/// The likelier model, and another that explains the same histories.
pub(super) struct Rivals {
    pub(super) chosen: Box<dyn Projector>,
    pub(super) rival: Box<dyn Projector>,
}

impl Projector for Rivals {
    fn project(
        &self,
        cohort: &Cohort,
        periods: u64,
        variance: f64,
        level: &Level,
    ) -> Vec<Projected> {
        let chosen = self.chosen.project(cohort, periods, variance, level);
        let rival = self.rival.project(cohort, periods, variance, level);
        with_rival(chosen, &rival)
    }

    fn active_share(&self, period: u64) -> f64 {
        self.chosen.active_share(period)
    }
}

/// A fit, its kind forgotten.
pub(super) struct Fitted {
    /// None where the search did not converge, or does not tell how sure it is.
    pub(super) projector: Option<Box<dyn Projector>>,
    pub(super) estimates: Vec<Estimate>,
    pub(super) log_likelihood: f64,
    pub(super) aic: f64,
    pub(super) bic: f64,
    pub(super) convergence: Convergence,
}

/// The model of that name fitted to these histories, with the prior of the fallback or without.
pub(super) fn fit(
    name: &str,
    histories: &[(DiscreteSummary, u64)],
    with_prior: bool,
) -> Result<Fitted, FitError> {
    let column = |get: fn(&DiscreteSummary) -> u64| -> Vec<u64> {
        histories.iter().map(|(history, _)| get(history)).collect()
    };
    let recency = column(DiscreteSummary::recency_age);
    let opportunities = column(DiscreteSummary::opportunities);
    let customers: Vec<u64> = histories.iter().map(|(_, customers)| *customers).collect();
    // The histories were checked one by one, so that only too many of them are refused here.
    let refused =
        |model: &'static str, error: String| FitError::Unidentified { model, lack: error };
    if name == NAMES[1] {
        let has_left: Vec<bool> = recency
            .iter()
            .zip(&opportunities)
            .map(|(last, periods)| last < periods)
            .collect();
        let tenures = Tenures::weighted(&recency, &has_left, &customers)
            .map_err(|error| refused(ShiftedBetaGeometric::NAME, error.to_string()))?;
        return fit_to::<ShiftedBetaGeometric>(&tenures, with_prior);
    }
    let frequency = column(DiscreteSummary::frequency);
    let summaries = DiscreteSummaries::weighted(&frequency, &recency, &opportunities, &customers)
        .map_err(|error| refused(BgBb::NAME, error.to_string()))?;
    if name == AFTER_ORDERS {
        return fit_to::<BgBbAfterOrders>(&summaries, with_prior);
    }
    fit_to::<BgBb>(&summaries, with_prior)
}

fn fit_to<M>(data: &M::Data, with_prior: bool) -> Result<Fitted, FitError>
where
    M: Model + CohortModel + Send + Sync + 'static,
{
    let mut params = FitParams::<M>::default();
    if with_prior {
        params = params.prior(PRIOR_DEVIATION);
    }
    let fit: Fit<M> = params.check()?.fit(data)?;
    let spread = fit.spread(data).filter(|_| fit.convergence.converged);
    Ok(Fitted {
        projector: spread.map(|spread| -> Box<dyn Projector> { Box::new(spread) }),
        log_likelihood: fit.log_likelihood,
        aic: fit.aic(),
        bic: fit.bic(),
        convergence: fit.convergence,
        estimates: fit.estimates,
    })
}
