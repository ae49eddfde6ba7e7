//! What a customer spends and is worth, with confidence limits.
//!
//! Limits are those of the delta method on the logarithmic scale ([`crate::uncertainty`]). The lifetime value is a product
//! of two figures from fits that share no parameter and no likelihood, so the variances of their logarithms add.

use crate::btyd::forecast::Forecasted;
use crate::fit::Fit;
use crate::spend::gamma_gamma::GammaGamma;
use crate::spend::{Spender, Spenders};
use crate::uncertainty::{Estimated, Level, Spread};

/// A fitted model of spend, ready to foretell.
#[derive(Debug, Clone, PartialEq)]
pub struct SpendForecast {
    model: GammaGamma,
    /// The model with those about it; `None` where the uncertainty is unknown.
    spread: Option<Spread<GammaGamma>>,
    level: Level,
}

impl SpendForecast {
    /// From a fit, with the data it was fitted to. Confidence limits are missing where the fit has no covariance.
    #[must_use]
    pub fn of_fit(fit: &Fit<GammaGamma>, data: &Spenders, level: &Level) -> Self {
        Self {
            spread: fit.spread(data),
            ..Self::of_model(fit.model, level)
        }
    }

    /// From a model of whose parameters the uncertainty is unknown: without confidence limits.
    #[must_use]
    pub fn of_model(model: GammaGamma, level: &Level) -> Self {
        Self {
            model,
            spread: None,
            level: *level,
        }
    }

    /// [`GammaGamma::mean_spend`] with confidence limits.
    #[must_use]
    pub fn mean_spend(&self) -> Option<Estimated> {
        self.estimated(GammaGamma::mean_spend)
    }

    /// [`GammaGamma::expected_spend`] with confidence limits.
    #[must_use]
    pub fn expected_spend(&self, spender: &Spender) -> Option<Estimated> {
        self.estimated(|model| model.expected_spend(spender))
    }

    /// What the purchases that are foretold of a customer are worth at the end of the observed time: discounted expected
    /// purchases times expected spend. `None` where there is no expected spend.
    #[must_use]
    pub fn lifetime_value(&self, purchases: &Forecasted, spender: &Spender) -> Option<Estimated> {
        let spend = self.expected_spend(spender)?;
        let purchases = &purchases.discounted_expected_purchases;
        Some(purchases.times_independent(&spend, &self.level))
    }

    fn estimated(&self, figure: impl Fn(&GammaGamma) -> Option<f64>) -> Option<Estimated> {
        let value = figure(&self.model)?;
        let Some(spread) = &self.spread else {
            return Some(Estimated::alone(value));
        };
        // A neighbour without a mean makes the error NaN, and there are no limits.
        let error = spread.standard_error(|model| figure(model).map_or(f64::NAN, f64::ln));
        Some(Estimated::positive(value, error, &self.level))
    }
}
