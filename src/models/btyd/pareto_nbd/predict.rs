//! Predictions from known parameters.
//!
//! A customer who is alive at T has λ ~ Gamma(r+x, rate α+T) and μ ~ Gamma(s, rate β+T), and so the purchases ahead of a
//! new customer with these.

use super::ParetoNbd;
use crate::btyd::{Horizon, IfAlive, PurchaseModel, Summary};

impl PurchaseModel for ParetoNbd {
    /// Schmittlein, Morrison & Colombo (1987), appendix; derived step by step in Fader & Hardie (2005).
    fn log_likelihood(&self, customer: &Summary) -> f64 {
        self.nbd().log_likelihood(customer)
    }

    /// P(alive) of Schmittlein, Morrison & Colombo (1987).
    fn probability_alive(&self, customer: &Summary) -> f64 {
        self.nbd().probability_alive(customer)
    }

    /// The conditional expectation of Schmittlein, Morrison & Colombo (1987), without P(alive).
    fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64 {
        self.nbd().alive_at(frequency, customer_age).purchases(time)
    }

    fn time_scale(&self, customer_age: f64) -> f64 {
        self.beta + customer_age
    }

    fn if_alive(&self, horizon: &Horizon, frequency: u64, customer_age: f64) -> IfAlive {
        self.nbd().alive_at(frequency, customer_age).within(horizon)
    }

    /// Fader & Hardie, "Deriving an expression for P(X(t) = x) under the Pareto/NBD model", for the aged customer.
    fn distribution_if_alive(
        &self,
        time: f64,
        frequency: u64,
        customer_age: f64,
        probabilities: &mut [f64],
    ) {
        let alive = self.nbd().alive_at(frequency, customer_age);
        alive.distribution(time, probabilities);
    }

    /// The expectation of Schmittlein, Morrison & Colombo (1987).
    fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        self.nbd().purchases(time)
    }

    /// Fader & Hardie, "Deriving an expression for P(X(t) = x) under the Pareto/NBD model".
    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.nbd().distribution(time, probabilities);
    }

    /// Fader, Hardie & Lee (2005), "RFM and CLV", equation 2.
    fn discounted_expected_residual_transactions(
        &self,
        force_of_interest: f64,
        customer: &Summary,
    ) -> f64 {
        self.nbd()
            .residual_transactions(force_of_interest, customer)
    }
}
