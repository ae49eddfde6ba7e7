//! Survival without a model (Kaplan & Meier 1958, "Nonparametric estimation from incomplete observations", Journal of the
//! American Statistical Association 53(282)).
//!
//! Of some customers the end was seen, of others only that it had not come when they were last observed: they are
//! censored. The estimate takes those for alike who were observed equally long; where customers are censored because they
//! are likely to leave, it is too high.
//!
//! Who is censored at a time at which others leave was at risk then. S is 1 before the first event and constant between
//! events; nothing is known of it after the last duration, unless it is 0.

mod durations;

pub use durations::{Durations, DurationsError};

use crate::btyd::exact;
use crate::uncertainty::{Confidence, Level};

/// The estimate, by the distinct durations of its customers.
#[derive(Debug, Clone, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<Step>,
}

/// What is known at one duration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The duration.
    pub time: f64,
    /// Customers observed at least so long without an event before; at least 1.
    pub at_risk: u64,
    /// Of these, those whose event came now.
    pub events: u64,
    /// Of these, those of whom nothing later is known.
    pub censored: u64,
    /// S: the share of customers whose event comes later than now. In [0, 1], non-increasing.
    pub survival: f64,
    /// Greenwood's sum Σ d / (n (n − d)) over the events so far, the variance of ln S. `None` where S is 0.
    pub log_variance: Option<f64>,
}

/// A mean with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RestrictedMean {
    /// In the unit of the durations.
    pub value: f64,
    /// Its standard error, in the same unit.
    pub standard_error: f64,
}

impl Step {
    /// Greenwood's standard error of S (Greenwood 1926). `None` where S is 0.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        self.log_variance.map(|sum| self.survival * sum.sqrt())
    }

    /// Limits of S on the scale ln(−ln S), on which they respect 0 and 1 (Kalbfleisch & Prentice 1980); their error is on
    /// that scale. Both are 1 before the first event, where the customers tell nothing of how much less S might be.
    /// `None` where S is 0.
    #[must_use]
    pub fn confidence(&self, level: &Level) -> Option<Confidence> {
        let sum = self.log_variance?;
        if self.survival == 1.0 {
            return Some(Confidence {
                error: 0.0,
                low: 1.0,
                high: 1.0,
            });
        }
        let hazard = -self.survival.ln();
        let error = sum.sqrt() / hazard;
        let factor = (level.z() * error).exp();
        Some(Confidence {
            error,
            low: (-hazard * factor).exp(),
            high: (-hazard / factor).exp(),
        })
    }
}

impl KaplanMeier {
    /// The estimate from these customers. Without any it has no step and S is 1.
    #[must_use]
    pub fn new(durations: &Durations) -> Self {
        let (mut at_risk, mut survival, mut sum) = (durations.customers, 1.0, 0.0);
        let step = |row: &durations::Row| {
            let stay = exact(at_risk - row.events);
            survival *= stay / exact(at_risk);
            if row.events > 0 && stay > 0.0 {
                sum += exact(row.events) / (exact(at_risk) * stay);
            }
            let step = Step {
                time: row.time,
                at_risk,
                events: row.events,
                censored: row.censored,
                survival,
                log_variance: (survival > 0.0).then_some(sum),
            };
            at_risk -= row.events + row.censored;
            step
        };
        Self {
            steps: durations.rows.iter().map(step).collect(),
        }
    }

    /// The durations that occur, ascending.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is known at a duration: the last step not after it. `None` before the first.
    #[must_use]
    pub fn at(&self, time: f64) -> Option<&Step> {
        let later = self.steps.partition_point(|step| step.time <= time);
        self.steps[..later].last()
    }

    /// The least duration at which S is at most `share`: the median for 0.5. `None` where S stays above it.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.first(|step| step.survival <= share)
    }

    /// The limits of [`KaplanMeier::quantile`] that follow from those of S (Brookmeyer & Crowley 1982): the least
    /// durations at which the lower, and the upper, limit of S is at most `share`. `None` where it stays above it, so that
    /// the quantile is not bounded.
    #[must_use]
    pub fn quantile_limits(&self, share: f64, level: &Level) -> [Option<f64>; 2] {
        // A survival of 0 has no limits, but is at most any share.
        let limit = |step: &Step, of: fn(Confidence) -> f64| step.confidence(level).map_or(0.0, of);
        [
            self.first(|step| limit(step, |c| c.low) <= share),
            self.first(|step| limit(step, |c| c.high) <= share),
        ]
    }

    /// The mean of the durations that are cut off at `horizon` ≥ 0: the area below S up to there, with the standard error
    /// of Greenwood's kind (Klein & Moeschberger 2003, section 4.5). `None` where the horizon is not a number at least 0,
    /// or S is not known so far.
    #[must_use]
    pub fn restricted_mean(&self, horizon: f64) -> Option<RestrictedMean> {
        let last = self.steps.last()?;
        let is_known = horizon <= last.time || last.survival == 0.0;
        if !(horizon >= 0.0 && horizon.is_finite() && is_known) {
            return None;
        }
        // Backwards, so that the area to the right of each step is at hand.
        let (mut area, mut variance, mut end) = (0.0, 0.0, horizon);
        for step in self.steps.iter().rev().filter(|step| step.time < horizon) {
            area += step.survival * (end - step.time);
            end = step.time;
            let stay = step.at_risk - step.events;
            if stay > 0 {
                let (d, n) = (exact(step.events), exact(step.at_risk));
                variance += area * area * d / (n * exact(stay));
            }
        }
        Some(RestrictedMean {
            value: area + end,
            standard_error: variance.sqrt(),
        })
    }

    fn first(&self, is_there: impl Fn(&Step) -> bool) -> Option<f64> {
        self.steps
            .iter()
            .find(|step| is_there(step))
            .map(|step| step.time)
    }
}
