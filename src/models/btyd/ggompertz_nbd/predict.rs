//! Predictions from known parameters.
//!
//! A customer who is alive at T has λ ~ Gamma(r+x, rate α+T) and a time ahead that is gamma-Gompertz with the same b and s
//! and β* = 1 + (β−1) e^(−bT), and so the purchases ahead of a new customer with these.

use super::GGompertzNbd;
use crate::btyd::dropout::Dropout;
use crate::btyd::{Horizon, IfAlive, PurchaseModel, Summary};

impl PurchaseModel for GGompertzNbd {
    /// The likelihood of Bemmaor & Glady (2012), by quadrature.
    fn log_likelihood(&self, customer: &Summary) -> f64 {
        self.nbd().log_likelihood(customer)
    }

    fn probability_alive(&self, customer: &Summary) -> f64 {
        self.nbd().probability_alive(customer)
    }

    fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64 {
        self.nbd().alive_at(frequency, customer_age).purchases(time)
    }

    fn time_scale(&self, customer_age: f64) -> f64 {
        self.nbd().dropout.aged(customer_age).scale()
    }

    fn if_alive(&self, horizon: &Horizon, frequency: u64, customer_age: f64) -> IfAlive {
        self.nbd().alive_at(frequency, customer_age).within(horizon)
    }

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

    fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        self.nbd().purchases(time)
    }

    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.nbd().distribution(time, probabilities);
    }

    fn discounted_expected_residual_transactions(
        &self,
        force_of_interest: f64,
        customer: &Summary,
    ) -> f64 {
        self.nbd()
            .residual_transactions(force_of_interest, customer)
    }
}
