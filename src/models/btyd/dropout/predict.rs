//! Predictions for a new customer, which those for any customer who is alive are made of.

use super::{Dropout, Nbd};
use crate::btyd::{Horizon, IfAlive, Summary, exact};
use crate::quadrature::Panels;

impl<D: Dropout> Nbd<D> {
    /// What is known of a customer who is alive after `frequency` purchases at T = `age`.
    pub(in crate::btyd) fn alive_at(&self, frequency: u64, age: f64) -> Self {
        Self {
            r: self.r + exact(frequency),
            alpha: self.alpha + age,
            dropout: self.dropout.aged(age),
        }
    }

    /// The probability of being alive at T; in [0, 1].
    pub(in crate::btyd) fn probability_alive(&self, customer: &Summary) -> f64 {
        1.0 / (1.0 + self.log_odds_of_having_left(customer).exp())
    }

    /// Expected purchases in `time`: E λ · E min(τ, time). NaN for a negative or infinite time.
    pub(in crate::btyd) fn purchases(&self, time: f64) -> f64 {
        if !(time.is_finite() && time >= 0.0) {
            return f64::NAN;
        }
        self.r / self.alpha * self.dropout.time_within(time)
    }

    /// Expected purchases within the horizon, undiscounted and discounted.
    pub(in crate::btyd) fn within(&self, horizon: &Horizon) -> IfAlive {
        let (length, force) = (horizon.length(), horizon.force_of_interest());
        let expected = self.purchases(length);
        let discounted = if force == 0.0 {
            expected
        } else {
            self.r / self.alpha * discounted_time(&self.dropout, force, length)
        };
        IfAlive {
            expected_purchases: expected,
            // The bounds hold exactly; quadrature may miss them in the last digits.
            discounted_expected_purchases: discounted
                .max((-force * length).exp() * expected)
                .min(expected),
        }
    }

    /// All purchases ever, discounted with δ > 0.
    fn for_ever(&self, force: f64) -> f64 {
        /// e^(−δt) is below the rounding of the sum from here on.
        const FAR: f64 = 45.0;
        let length = (FAR / force).min(f64::MAX);
        self.r / self.alpha * discounted_time(&self.dropout, force, length)
    }

    /// As [`crate::btyd::PurchaseModel::discounted_expected_residual_transactions`].
    pub(in crate::btyd) fn residual_transactions(&self, force: f64, customer: &Summary) -> f64 {
        if !(force.is_finite() && force > 0.0) {
            return f64::NAN;
        }
        let alive = self.alive_at(customer.frequency(), customer.customer_age());
        self.probability_alive(customer) * alive.for_ever(force)
    }

    /// `probabilities[k]` becomes that of exactly k purchases in `time`: those of a negative binomial count until τ or
    /// `time`, whichever comes first.
    pub(in crate::btyd) fn distribution(&self, time: f64, probabilities: &mut [f64]) {
        /// ln of 1e-26.
        const NEGLIGIBLE: f64 = -60.0;
        probabilities.fill(0.0);
        let Some(none) = probabilities.first_mut() else {
            return;
        };
        if time == 0.0 {
            *none = 1.0;
            return;
        }
        // ln (r)ₖ/k!.
        let mut coefficient = 0.0;
        let coefficients: Vec<f64> = (0..probabilities.len() as u64)
            .map(|k| {
                let here = coefficient;
                coefficient += ((self.r + exact(k)) / (exact(k) + 1.0)).ln();
                here
            })
            .collect();
        let mut add = |until: f64, log_weight: f64| {
            let mut log = log_weight - self.r * (until / self.alpha).ln_1p();
            let one_more = -(self.alpha / until).ln_1p();
            for (probability, coefficient) in probabilities.iter_mut().zip(&coefficients) {
                *probability += (log + coefficient).exp();
                log += one_more;
            }
        };
        add(time, self.dropout.log_survival(time));
        let panels = Panels::new(0.0, time, self.offset(), |until| {
            self.dropout.rate(until) + self.rate_of_counts(until)
        });
        for panel in panels {
            if self.log_rest(panel.start, &coefficients) < NEGLIGIBLE {
                break;
            }
            for (until, weight) in panel.nodes() {
                add(until, weight.ln() + self.dropout.log_density(until));
            }
        }
        // Bounds hold exactly, sums to the last digits.
        probabilities.iter_mut().for_each(|p| *p = p.min(1.0));
    }

    /// ln of a bound of the probability to leave after `time` with any of the counts.
    fn log_rest(&self, time: f64, coefficients: &[f64]) -> f64 {
        let survivors = self.dropout.log_survival(time);
        if self.r * time <= self.alpha * exact(coefficients.len() as u64) {
            return survivors;
        }
        // Past the mean αk/r of each of them, so that all fall from here on.
        let (mut log, one_more) = (
            survivors - self.r * (time / self.alpha).ln_1p(),
            -(self.alpha / time).ln_1p(),
        );
        let mut most = f64::NEG_INFINITY;
        for coefficient in coefficients {
            most = most.max(log + coefficient);
            log += one_more;
        }
        most
    }

    /// As a function of τ the probability of k purchases is a bump of standard deviation √(τ(α+τ)/r) about τ = αk/r,
    /// of which 16 points integrate five deviations exactly.
    fn rate_of_counts(&self, time: f64) -> f64 {
        const DEVIATIONS: f64 = 5.0;
        let first = self.alpha / self.r;
        1.0 / (DEVIATIONS * ((time + first) * (first + time / self.r)).sqrt())
    }
}

/// ∫ e^(−δu) S(u) du over u from 0 to `length`.
pub(in crate::btyd) fn discounted_time<D: Dropout>(dropout: &D, force: f64, length: f64) -> f64 {
    /// What is left of the integral is less than this part of it.
    const NEGLIGIBLE: f64 = 1e-17;
    let slope = force / crate::quadrature::LOG_CHANGE;
    let panels = Panels::new(0.0, length, dropout.scale(), |time| {
        slope + dropout.rate(time)
    });
    let mut sum = 0.0;
    for panel in panels {
        let value = |time: f64| (dropout.log_survival(time) - force * time).exp();
        // S e^(−δu) falls, and by e^(−δu) alone within 1/δ.
        let rest = value(panel.start) * (length - panel.start).min(1.0 / force);
        if rest < NEGLIGIBLE * sum {
            break;
        }
        sum += panel
            .nodes()
            .map(|(time, weight)| weight * value(time))
            .sum::<f64>();
    }
    sum
}
