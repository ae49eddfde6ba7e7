//! Retention under contract, in discrete time: customers renew at every opportunity until they leave, and are seen to.
//!
//! A model is a folder with `mod` (the valid parameters, what they mean and where a fit begins) and `likelihood`, and
//! implements [`RetentionModel`]. They share the customers of a fit ([`Tenures`]) and everything that follows from
//! survival. [`kaplan_meier`] estimates survival without a model;
//! [`cohort`] tells how many of a cohort will be active, whether leaving is seen or not.
//!
//! Time is counted in periods of the contract (months, years): a customer who has just begun has made 0 renewals, and
//! renewal n is made, or not, at the end of period n.

pub mod beta_discrete_weibull;
pub mod cohort;
pub mod kaplan_meier;
mod lifetime;
mod log_survival;
mod projection;
pub mod shifted_beta_geometric;
mod tenures;

pub use projection::{estimated_survival_after, estimated_survivors};
pub use tenures::{Tenures, TenuresError};

use crate::btyd::exact;
use crate::fit::FitError;

/// A model of the number of renewals with known parameters. Whoever is asked about is a customer with that many
/// renewals who is still there; a new one has 0.
pub trait RetentionModel: Send + Sync {
    /// −ln of the probability that a customer of real age `age` ≥ 0 in periods is still there `more` ≥ 0 periods later;
    /// 0 at 0 and non-decreasing, between renewals too, where it interpolates smoothly.
    fn cumulative_hazard(&self, age: f64, more: f64) -> f64;

    /// S(t): the share of new customers who make `renewals` renewals. In [0, 1], non-increasing, and 1 at 0.
    fn survival(&self, renewals: u64) -> f64 {
        self.survival_after(0, renewals)
    }

    /// S(n + m) / S(n): the probability that a customer with `renewals` renewals makes `more` in a row. In [0, 1].
    fn survival_after(&self, renewals: u64, more: u64) -> f64 {
        (-self.cumulative_hazard(periods(renewals), periods(more))).exp()
    }

    /// The probability that a customer with `renewals` renewals makes the next: r of period `renewals` + 1.
    fn retention_rate(&self, renewals: u64) -> f64 {
        self.survival_after(renewals, 1)
    }

    /// The probability that a customer with `renewals` renewals leaves at the next opportunity, accurate however small.
    fn churn_probability(&self, renewals: u64) -> f64 {
        -(-self.cumulative_hazard(periods(renewals), 1.0)).exp_m1()
    }

    /// P(T = t): the probability that a new customer leaves at the end of `period` 1, 2, …; 0 for period 0. With
    /// [`RetentionModel::survival`] of the last period they sum to 1.
    fn leaving_probability(&self, period: u64) -> f64 {
        match period.checked_sub(1) {
            Some(renewals) => self.survival(renewals) * self.churn_probability(renewals),
            None => 0.0,
        }
    }

    /// The expected number of further renewals of a customer with `renewals` renewals within the next `horizon`
    /// opportunities: Σ S(n+m)/S(n), m = 1, …, horizon. Non-decreasing in the horizon, at most it, and 0 at 0.
    fn expected_renewals(&self, renewals: u64, horizon: u64) -> f64 {
        lifetime::renewals(self, periods(renewals), Some(horizon), 0.0)
    }

    /// As [`RetentionModel::expected_renewals`], the first renewal counting in full and each later one
    /// 1 / (1 + `discount_rate`) of the one before. The rate is per period. NaN unless it is finite and not negative.
    fn discounted_expected_renewals(&self, renewals: u64, horizon: u64, discount_rate: f64) -> f64 {
        if !(discount_rate.is_finite() && discount_rate >= 0.0) {
            return f64::NAN;
        }
        lifetime::renewals(
            self,
            periods(renewals),
            Some(horizon),
            discount_rate.ln_1p(),
        )
    }

    /// DERL, the discounted expected residual lifetime, seen from just before the next renewal is due, of a customer
    /// with `renewals` renewals: Σ S(n+m)/S(n) / (1+d)^(m−1), m = 1, 2, … (Fader & Hardie 2010, "Customer-base valuation
    /// in a contractual setting", Marketing Science 29(1), where such a customer has been active for n + 1 periods).
    /// Times the net cash flow of a period, it is the customer's residual value. `discount_rate` is d, per period. NaN
    /// unless it is finite and positive.
    fn discounted_expected_residual_lifetime(&self, renewals: u64, discount_rate: f64) -> f64 {
        if !(discount_rate.is_finite() && discount_rate > 0.0) {
            return f64::NAN;
        }
        lifetime::renewals(self, periods(renewals), None, discount_rate.ln_1p())
    }

    /// DEL, the discounted expected lifetime of a new customer at the moment of beginning, the first period included:
    /// Σ S(t) / (1+d)^t, t = 0, 1, … (Fader & Hardie 2010). NaN unless `discount_rate` is finite and positive.
    fn discounted_expected_lifetime(&self, discount_rate: f64) -> f64 {
        1.0 + self.discounted_expected_residual_lifetime(0, discount_rate) / (1.0 + discount_rate)
    }

    /// Of the customers who are still there, how many are expected to be after 1, 2, …, `horizon` further opportunities.
    fn expected_survivors(&self, tenures: &Tenures, horizon: u64) -> Vec<f64> {
        let active = || {
            let counts = tenures.active().iter().zip(0_u64..);
            counts.filter(|(customers, _)| **customers > 0.0)
        };
        let after = |more: u64| {
            active()
                .map(|(customers, renewals)| customers * self.survival_after(renewals, more))
                .sum()
        };
        (1..=horizon).map(after).collect()
    }
}

/// A number of periods as a real one; beyond 2^53 the next one that `f64` has.
fn periods(count: u64) -> f64 {
    exact(count)
}

/// The odds of renewing to leaving, over all opportunities: the natural magnitude of β / α.
///
/// # Errors
/// Where nobody left or nobody renewed, so that whatever makes retention extreme fits best.
fn odds_of_renewal(model: &'static str, tenures: &Tenures) -> Result<f64, FitError> {
    let (renewals, left) = (tenures.renewals(), tenures.left());
    let lack = if left == 0.0 {
        "nobody has left"
    } else if renewals == 0.0 {
        "nobody has made a renewal"
    } else {
        return Ok(renewals / left);
    };
    Err(FitError::Unidentified {
        model,
        lack: lack.to_owned(),
    })
}
