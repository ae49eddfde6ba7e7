//! Buy till you die: customers buy at a rate of their own until, unseen, they stop for good.
//!
//! A model is a folder with `mod` (the valid parameters and what they mean), `params` (how to fit), `likelihood` and
//! `predict`, and implements [`PurchaseModel`], through which scoring is the same for all. They share the sufficient
//! statistics ([`Summary`], [`Summaries`]) and the [`Horizon`] that predictions look ahead.
//!
//! Time has any unit, as long as it is one unit throughout.

pub mod bg_nbd;
mod horizon;
mod summaries;
mod summary;

use rayon::prelude::*;

pub use horizon::{Horizon, HorizonError};
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

/// A model of repeat purchases in continuous time with known parameters.
pub trait PurchaseModel: Send + Sync {
    /// Log-likelihood of one customer's history.
    fn log_likelihood(&self, customer: &Summary) -> f64;

    /// Probability that the customer is still one, given the history.
    fn probability_alive(&self, customer: &Summary) -> f64;

    /// Everything about one customer at once, cheaper than one by one.
    fn predict(&self, horizon: &Horizon, customer: &Summary) -> Prediction;

    /// Expected purchases in the `time` after the end of the observed time, given the history; 0 at 0, NaN for a
    /// negative or infinite time.
    fn expected_purchases(&self, time: f64, customer: &Summary) -> f64;

    /// Expected repeat purchases of a new customer in the `time` after the first purchase; 0 at 0, NaN for a negative
    /// or infinite time.
    fn expected_purchases_new_customer(&self, time: f64) -> f64;

    /// [`PurchaseModel::predict`] for every row, in parallel in the calling pool. A row's result depends on it alone.
    ///
    /// # Errors
    /// Where the columns differ in length or a row is no possible history; the row is named.
    fn predict_all(
        &self,
        horizon: &Horizon,
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
    ) -> Result<Vec<Prediction>, SummariesError> {
        summaries::check_lengths(frequency, recency_age, customer_age, None)?;
        let row = |row: usize| {
            let customer = Summary::new(frequency[row], recency_age[row], customer_age[row])
                .map_err(|defect| SummariesError::Row { row, defect })?;
            Ok(self.predict(horizon, &customer))
        };
        let rows: Vec<Result<Prediction, SummariesError>> = (0..frequency.len())
            .into_par_iter()
            .with_min_len(256)
            .map(row)
            .collect();
        rows.into_iter().collect()
    }
}
