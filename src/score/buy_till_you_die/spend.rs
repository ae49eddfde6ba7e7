//! What a purchase day of a customer is worth.
//!
//! Gamma-Gamma takes spend to be independent of how often one buys, so it is refused where the correlation of frequency
//! and mean value among repeat buyers is past the declared bound. Where it is refused, or neither maximum likelihood nor
//! a fit with a prior converges, the customer's own mean value stands in, without an interval, and the row says why.

use cvm_models::fit::FitParams;
use cvm_models::spend::Spender;
use cvm_models::spend::forecast::SpendForecast;
use cvm_models::spend::gamma_gamma::GammaGamma;
use cvm_models::uncertainty::{Estimated, Level};

use super::super::{FitRow, Period};
use super::rows::Buyers;

pub(super) const GAMMA_GAMMA: &str = "gamma_gamma";
pub(super) const OBSERVED_MEAN: &str = "observed_mean";
const PRIOR_DEVIATION: f64 = 1.0;

/// What expected spend comes from.
pub(super) enum SpendModel {
    /// Gamma-Gamma; the reason tells what was needed to fit it.
    GammaGamma {
        forecast: SpendForecast,
        reason: Option<&'static str>,
    },
    /// The customer's own mean value, for this reason.
    ObservedMean(&'static str),
}

impl SpendModel {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::GammaGamma { .. } => GAMMA_GAMMA,
            Self::ObservedMean(_) => OBSERVED_MEAN,
        }
    }

    /// Why it is not plain Gamma-Gamma.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::GammaGamma { reason, .. } => *reason,
            Self::ObservedMean(reason) => Some(reason),
        }
    }

    /// The expected value of a purchase day; none where the model has no mean for it.
    pub(super) fn expected(&self, spender: &Spender) -> Option<Estimated> {
        match self {
            Self::GammaGamma { forecast, .. } => forecast.expected_spend(spender),
            Self::ObservedMean(_) => Some(Estimated {
                value: spender.mean_spend(),
                confidence: None,
            }),
        }
    }
}

/// Fits Gamma-Gamma where its assumption holds, with the rows that tell of it.
pub(super) fn fit(
    buyers: &Buyers,
    least_customers: u64,
    max_correlation: f64,
    level: &Level,
) -> (SpendModel, Vec<FitRow>) {
    let customers = buyers.customers;
    let row = FitRow {
        customers: i64::try_from(customers).unwrap_or(i64::MAX),
        distinct_summaries: i64::try_from(customers).unwrap_or(i64::MAX),
        ..FitRow::without_fit(GAMMA_GAMMA, Period::All)
    };
    let refused = |reason: &'static str, told: String| {
        let row = FitRow {
            reason: Some(told),
            ..row.clone()
        };
        (SpendModel::ObservedMean(reason), vec![row])
    };
    if (customers as u64) < least_customers {
        let told = format!(
            "only {customers} customers have a repeat purchase of positive value: min_customers is {least_customers}"
        );
        return refused("too_few_spenders", told);
    }
    if let Some(correlation) = buyers.correlation.filter(|r| r.abs() > max_correlation) {
        let told = format!(
            "frequency and mean value have the correlation {correlation:.4}, past max_spend_correlation {max_correlation}: \
             Gamma-Gamma takes them to be independent"
        );
        return refused("spend_depends_on_frequency", told);
    }
    let mut rows = Vec::new();
    for prior in [None, Some(PRIOR_DEVIATION)] {
        let params = FitParams::<GammaGamma>::default();
        let params = match prior {
            Some(deviation) => params.prior(deviation),
            None => params,
        };
        let fit = match params
            .check()
            .and_then(|params| params.fit(&buyers.spenders))
        {
            Ok(fit) => fit,
            Err(error) => return refused("no_spend_model", error.to_string()),
        };
        let converged = fit.convergence.converged;
        let reason = prior.map(|_| "spend_model_needed_prior");
        let row = FitRow {
            log_likelihood: Some(fit.log_likelihood),
            aic: Some(fit.aic()),
            bic: Some(fit.bic()),
            is_chosen: converged,
            ..row.clone()
        };
        rows = row.of_parameters(&fit.estimates, &fit.convergence, reason);
        if converged {
            let model = SpendModel::GammaGamma {
                forecast: SpendForecast::of_fit(&fit, &buyers.spenders, level),
                reason,
            };
            return (model, rows);
        }
    }
    (SpendModel::ObservedMean("no_spend_model"), rows)
}
