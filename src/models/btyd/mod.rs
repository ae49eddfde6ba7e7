//! Buy till you die: customers buy at a rate of their own until, unseen, they stop for good.
//!
//! A model is a folder with `mod` (the valid parameters, what they mean and where a fit begins), `likelihood` and
//! `predict`, and implements [`PurchaseModel`], through which scoring is the same for all. They share the sufficient
//! statistics ([`Summary`], [`Summaries`]), the [`Horizon`] that predictions look ahead, and the [`forecast`] of all
//! customers with its intervals. Models in which one leaves at an unseen time have a `lifetime` in place of the
//! likelihood, which `dropout` makes of it.
//!
//! With [`covariates`] the parameters of such a model depend on what else is known of a customer.
//!
//! Time has any unit, as long as it is one unit throughout. Only [`bg_bb`] counts opportunities to buy instead of time: it
//! has summaries of its own, and predictions of the same names.

mod beta_geometric;
pub mod bg_bb;
pub mod bg_nbd;
pub mod covariates;
mod discounting;
mod dropout;
pub mod forecast;
pub mod ggompertz_nbd;
mod horizon;
pub mod mbg_nbd;
pub mod pareto_nbd;
mod ranking;
mod summaries;
mod summary;

use crate::fit::FitError;
pub use horizon::{Horizon, HorizonError};
pub(crate) use summaries::Histories;
pub use summaries::{Summaries, SummariesError};
pub(crate) use summary::exact;
pub use summary::{Summary, SummaryDefect};

/// What is foretold of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Probability that the customer is still a customer at the end of the observed time, in [0, 1].
    pub probability_alive: f64,
    /// Expected purchases within the horizon, given the observed history. At least 0.
    pub expected_purchases: f64,
    /// The same, each purchase discounted to the end of the observed time. Between 0 and `expected_purchases`.
    pub discounted_expected_purchases: f64,
}

/// What is foretold of a customer of whom it is known that he or she still is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IfAlive {
    /// Expected purchases within the horizon.
    pub expected_purchases: f64,
    /// The same, discounted to the end of the observed time.
    pub discounted_expected_purchases: f64,
}

/// A model of repeat purchases with known parameters.
///
/// A customer is alive or not at the end of the observed time T; who is alive has purchases ahead that depend on the
/// number of purchases so far and on T alone. Every prediction is made of these two halves.
pub trait PurchaseModel: Send + Sync {
    /// Log-likelihood of one customer's history.
    fn log_likelihood(&self, customer: &Summary) -> f64;

    /// Probability that the customer is still one, given the history; in [0, 1].
    fn probability_alive(&self, customer: &Summary) -> f64;

    /// ln p/(1 − p) of the probability p of being alive; +∞ where the model has that at 1 whatever its parameters. A model
    /// that computes p from its odds should give them here, as none of their digits are lost where p is almost 1.
    fn log_odds_alive(&self, customer: &Summary) -> f64 {
        let alive = self.probability_alive(customer);
        (alive / (1.0 - alive)).ln()
    }

    /// Purchases expected in the `time` after T of a customer who is known to be alive after `frequency` repeat
    /// purchases at T = `customer_age`. `time` is finite and not negative; 0 at 0, and non-decreasing.
    fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64;

    /// The time over which [`PurchaseModel::purchases_if_alive`] bends at this age: where quadrature looks. Positive.
    fn time_scale(&self, customer_age: f64) -> f64;

    /// The distribution of the number of purchases in the `time` after T of a customer who is known to be alive:
    /// `probabilities[k]` becomes that of exactly k. `time` is finite and not negative.
    fn distribution_if_alive(
        &self,
        time: f64,
        frequency: u64,
        customer_age: f64,
        probabilities: &mut [f64],
    );

    /// Expected repeat purchases of a new customer in the `time` after the first purchase; 0 at 0, NaN for a negative
    /// or infinite time.
    fn expected_purchases_new_customer(&self, time: f64) -> f64;

    /// The distribution of the number of repeat purchases of a new customer in the `time` after the first purchase:
    /// `probabilities[k]` becomes that of exactly k. `time` is finite and not negative.
    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]);

    /// Purchases ahead of a customer who is known to be alive.
    fn if_alive(&self, horizon: &Horizon, frequency: u64, customer_age: f64) -> IfAlive {
        discounting::within(horizon, self.time_scale(customer_age), |time| {
            self.purchases_if_alive(time, frequency, customer_age)
        })
    }

    /// Expected purchases in the `time` after the end of the observed time, given the history; 0 at 0, NaN for a
    /// negative or infinite time.
    fn expected_purchases(&self, time: f64, customer: &Summary) -> f64 {
        if !(time.is_finite() && time >= 0.0) {
            return f64::NAN;
        }
        self.probability_alive(customer)
            * self.purchases_if_alive(time, customer.frequency(), customer.customer_age())
    }

    /// The distribution of the number of purchases in the `time` after the end of the observed time, given the history:
    /// `probabilities[k]` becomes that of exactly k; NaN for a negative or infinite time.
    fn distribution(&self, time: f64, customer: &Summary, probabilities: &mut [f64]) {
        if !(time.is_finite() && time >= 0.0) {
            probabilities.fill(f64::NAN);
            return;
        }
        let (frequency, age) = (customer.frequency(), customer.customer_age());
        self.distribution_if_alive(time, frequency, age, probabilities);
        let alive = self.probability_alive(customer);
        for probability in probabilities.iter_mut() {
            *probability *= alive;
        }
        if let Some(none) = probabilities.first_mut() {
            *none += 1.0 - alive;
        }
    }

    /// Discounted expected residual transactions (DERT): all purchases ever after the end of the observed time, each
    /// discounted to it at the force of interest δ per unit of time (Fader, Hardie & Lee 2005, "RFM and CLV"). NaN
    /// unless δ is positive and finite.
    fn discounted_expected_residual_transactions(
        &self,
        force_of_interest: f64,
        customer: &Summary,
    ) -> f64 {
        if !(force_of_interest.is_finite() && force_of_interest > 0.0) {
            return f64::NAN;
        }
        let (frequency, age) = (customer.frequency(), customer.customer_age());
        let ahead = discounting::for_ever(force_of_interest, self.time_scale(age), |time| {
            self.purchases_if_alive(time, frequency, age)
        });
        self.probability_alive(customer) * ahead
    }

    /// The tracking curve: cumulative repeat purchases expected by each of `times`, of customers who made their first
    /// purchase at `births` (time and number of customers), summed in their order.
    fn tracking(&self, births: &[(f64, u64)], times: &[f64]) -> Vec<f64> {
        let by = |time: f64| {
            let cohorts = births.iter().filter(|(birth, _)| *birth < time);
            cohorts
                .map(|(birth, customers)| {
                    exact(*customers) * self.expected_purchases_new_customer(time - birth)
                })
                .sum()
        };
        times.iter().map(|time| by(*time)).collect()
    }

    /// Everything about one customer.
    fn predict(&self, horizon: &Horizon, customer: &Summary) -> Prediction {
        let ahead = self.if_alive(horizon, customer.frequency(), customer.customer_age());
        Prediction::of(self.probability_alive(customer), ahead)
    }
}

impl Prediction {
    pub(crate) fn of(probability_alive: f64, ahead: IfAlive) -> Self {
        Self {
            probability_alive,
            expected_purchases: probability_alive * ahead.expected_purchases,
            discounted_expected_purchases: probability_alive * ahead.discounted_expected_purchases,
        }
    }
}

/// The observed time a repeat purchase: the natural scale of times in a model of purchases.
///
/// # Errors
/// Where nobody bought again, so that the rate of purchases and of leaving cannot be told.
pub(crate) fn time_a_purchase(model: &'static str, summaries: &Summaries) -> Result<f64, FitError> {
    if summaries.repeat_purchases() == 0.0 {
        return Err(FitError::NoRepeatPurchase {
            model,
            customers: summaries.customers(),
        });
    }
    // Above 0, as a repeat purchase takes time.
    Ok(summaries.observed_time() / summaries.repeat_purchases())
}

/// The observed time a customer: the natural scale of the time until one leaves. Above 0 where somebody bought again.
pub(crate) fn time_a_customer(summaries: &Summaries) -> f64 {
    summaries.observed_time() / exact(summaries.customers())
}
