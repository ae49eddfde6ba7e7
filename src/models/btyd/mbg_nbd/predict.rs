//! Predictions from known parameters.

use super::MbgNbd;
use crate::btyd::beta_geometric::{BetaGeometric, Leaving};
use crate::btyd::{Horizon, IfAlive, PurchaseModel, Summary};

impl MbgNbd {
    fn process(&self) -> BetaGeometric {
        let Self { r, alpha, a, b } = *self;
        BetaGeometric {
            r,
            alpha,
            a,
            b,
            leaving: Leaving::AfterAll,
        }
    }
}

impl PurchaseModel for MbgNbd {
    fn log_likelihood(&self, customer: &Summary) -> f64 {
        self.process().log_likelihood(customer)
    }

    /// 1/(1 + eᵘ), also without a repeat purchase.
    fn probability_alive(&self, customer: &Summary) -> f64 {
        self.process().probability_alive(customer)
    }

    fn log_odds_alive(&self, customer: &Summary) -> f64 {
        self.process().log_odds_alive(customer)
    }

    /// As of BG/NBD at b + 1: one who is alive has stayed once more.
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

    /// Nothing with probability a/(a+b), and else as of BG/NBD at b + 1.
    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.process()
            .distribution_new_customer(time, probabilities);
    }

    /// b/(a+b) times that of BG/NBD at b + 1.
    fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        self.process().expected_purchases_new_customer(time)
    }
}
