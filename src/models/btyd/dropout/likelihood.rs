//! The log-likelihood of one customer, and the quadrature under it.
//!
//! With everything relative to (α+t_x)^−R, and m(τ) = ((α+t_x)/(α+τ))^R,
//!
//! ```text
//! ln L = ln (r)ₓ − r ln(1 + t_x/α) − x ln(α+t_x) + ln Q,   Q = m(T) S(T) + ∫ f(τ) m(τ) dτ
//! ```
//!
//! so that nothing cancels: Q is at most 1, and ln L = ln Q without a repeat purchase.

use super::{Dropout, Nbd};
use crate::btyd::Summary;
use crate::quadrature::Panels;
use crate::special::{digamma, ln_gamma, trigamma};

/// What of a history Q depends on.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) x: f64,
    pub(super) recency_age: f64,
    pub(super) age: f64,
}

/// A sum over the nodes of Q.
pub(super) trait Tally {
    /// Multiplies what was added so far.
    fn rescale(&mut self, factor: f64);

    /// Adds e^(h − `peak`) at τ, `weight` times.
    fn add(&mut self, weight: f64, time: f64, peak: f64);

    /// Σ e^(h − peak).
    fn total(&self) -> f64;
}

impl<D: Dropout> Nbd<D> {
    /// The log-likelihood of one customer.
    pub(in crate::btyd) fn log_likelihood(&self, customer: &Summary) -> f64 {
        let (x, recency_age) = (customer.count(), customer.recency_age());
        let (survivors, left) = self.log_parts(customer);
        let (less, more) = (survivors.min(left), survivors.max(left));
        let mut base = log_rising_factorial(self.r, x)[0];
        if x > 0.0 {
            base -= self.r * (recency_age / self.alpha).ln_1p();
            base -= x * (self.alpha + recency_age).ln();
        }
        base + more + (less - more).exp().ln_1p()
    }

    /// ln of the odds of having left by T; −∞ where t_x = T.
    pub(in crate::btyd) fn log_odds_of_having_left(&self, customer: &Summary) -> f64 {
        let (survivors, left) = self.log_parts(customer);
        left - survivors
    }

    /// ln m(T) S(T) and ln ∫ f m.
    fn log_parts(&self, customer: &Summary) -> (f64, f64) {
        let window = Window {
            x: customer.count(),
            recency_age: customer.recency_age(),
            age: customer.customer_age(),
        };
        let mut tally = Value {
            nbd: self,
            window,
            sum: 0.0,
        };
        let survivors = self.log_ratio(window, window.age) + self.dropout.log_survival(window.age);
        let peak = self.sum_left(window, survivors, &mut tally);
        (survivors, peak + tally.sum.ln())
    }

    /// ln m(τ).
    #[inline]
    fn log_ratio(&self, window: Window, time: f64) -> f64 {
        let since = (time - window.recency_age) / (self.alpha + window.recency_age);
        -(self.r + window.x) * since.ln_1p()
    }

    /// Adds the nodes of ∫ f m. The value returned is the `peak` of the tally.
    #[inline]
    pub(super) fn sum_left(&self, window: Window, survivors: f64, tally: &mut impl Tally) -> f64 {
        /// What is left of the integral is no more than e^−37 of Q, which is half of an ulp.
        const NEGLIGIBLE: f64 = 37.0;
        let count = self.r + window.x;
        let mut peak = f64::NEG_INFINITY;
        let panels = Panels::new(window.recency_age, window.age, self.offset(), |time| {
            self.rate(count, time)
        });
        for (number, panel) in panels.enumerate() {
            let ratio = self.log_ratio(window, panel.start);
            if number > 0 {
                // m falls, so that the rest is at most m S here.
                let rest = ratio + self.dropout.log_survival(panel.start);
                if rest < (peak + tally.total().ln()).max(survivors) - NEGLIGIBLE {
                    break;
                }
            }
            // Not the maximum, but a panel does not rise beyond what `f64` holds.
            let height = ratio + self.dropout.log_density(panel.start);
            if height > peak {
                tally.rescale((peak - height).exp());
                peak = height;
            }
            for (time, weight) in panel.nodes() {
                tally.add(weight, time, peak);
            }
        }
        peak
    }
}

/// The value alone.
struct Value<'a, D> {
    nbd: &'a Nbd<D>,
    window: Window,
    sum: f64,
}

impl<D: Dropout> Tally for Value<'_, D> {
    fn rescale(&mut self, factor: f64) {
        self.sum *= factor;
    }

    #[inline]
    fn add(&mut self, weight: f64, time: f64, peak: f64) {
        let h = self.nbd.log_ratio(self.window, time) + self.nbd.dropout.log_density(time);
        self.sum += weight * (h - peak).exp();
    }

    fn total(&self) -> f64 {
        self.sum
    }
}

/// ln (r)ₓ = ln Γ(r+x) − ln Γ(r) for a whole x, with its first two derivatives in r.
pub(super) fn log_rising_factorial(r: f64, x: f64) -> [f64; 3] {
    /// Up to here the factors themselves are summed, which does not cancel where r is large.
    const FACTORS: f64 = 64.0;
    if x > FACTORS {
        return [
            ln_gamma(r + x) - ln_gamma(r),
            digamma(r + x) - digamma(r),
            trigamma(r + x) - trigamma(r),
        ];
    }
    let (mut sums, mut factor) = ([0.0; 3], 0.0);
    while factor < x {
        let inverse = 1.0 / (r + factor);
        sums[0] += (r + factor).ln();
        sums[1] += inverse;
        sums[2] -= inverse * inverse;
        factor += 1.0;
    }
    sums
}
