//! Predictions from known parameters.

use super::BgNbd;
use crate::btyd::beta_geometric::{BetaGeometric, Leaving};
use crate::btyd::{Horizon, IfAlive, PurchaseModel, Summary};

impl BgNbd {
    fn process(&self) -> BetaGeometric {
        let Self { r, alpha, a, b } = *self;
        BetaGeometric {
            r,
            alpha,
            a,
            b,
            leaving: Leaving::AfterRepeats,
        }
    }
}

impl PurchaseModel for BgNbd {
    /// Fader, Hardie & Lee (2005), equation 6.
    fn log_likelihood(&self, customer: &Summary) -> f64 {
        self.process().log_likelihood(customer)
    }

    /// 1/(1 + eᵘ); 1 without a repeat purchase.
    fn probability_alive(&self, customer: &Summary) -> f64 {
        self.process().probability_alive(customer)
    }

    fn log_odds_alive(&self, customer: &Summary) -> f64 {
        self.process().log_odds_alive(customer)
    }

    /// Fader, Hardie & Lee (2005), equation 10, without P(alive).
    fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64 {
        self.process()
            .purchases_if_alive(time, frequency, customer_age)
    }

    fn time_scale(&self, customer_age: f64) -> f64 {
        self.alpha + customer_age
    }

    fn if_alive(&self, horizon: &Horizon, frequency: u64, customer_age: f64) -> IfAlive {
        self.process().if_alive(horizon, frequency, customer_age)
    }

    fn distribution_if_alive(
        &self,
        time: f64,
        frequency: u64,
        customer_age: f64,
        probabilities: &mut [f64],
    ) {
        self.process()
            .distribution_if_alive(time, frequency, customer_age, probabilities);
    }

    /// Fader, Hardie & Lee (2005), equation 8.
    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.process()
            .distribution_new_customer(time, probabilities);
    }

    /// Fader, Hardie & Lee (2005), equation 9.
    fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        self.process().expected_purchases_new_customer(time)
    }
}
