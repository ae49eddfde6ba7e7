//! Predictions for a customer who is known to be alive.
//!
//! A customer who is alive at T has λ ~ Gamma(R, rate S) and p ~ Beta(a, B), with R = r+x, S = α+T and B = b plus the
//! number of purchases so far that one stayed after. Purchases in the next t are then negative binomial as long as nobody
//! leaves, and the j-th is reached with probability E (1−p)^(j−1) = (B)ⱼ₋₁ / (a+B)ⱼ₋₁, hence with w = t/(S+t)
//!
//! ```text
//! E[Y(t) | alive] = Σₙ (R)ₙ/n! (1−w)ᴿ wⁿ · Σⱼ₌₁ⁿ (B)ⱼ₋₁/(a+B)ⱼ₋₁
//! ```
//!
//! Every term is positive, so nothing cancels, also where the closed form of the papers (Fader, Hardie & Lee 2005,
//! equation 10, a difference divided by a − 1) does: at a = 1, at short times and for many purchases. The two are tested
//! to be equal.

use crate::btyd::Horizon;
use crate::btyd::discounting::Panels;
use crate::quadrature::{GAUSS_LEGENDRE, beta_expectation};

/// Times for which one pass gives the expected purchases: the nodes of the discounting integral and the horizon.
const LANES: usize = GAUSS_LEGENDRE.len() + 1;

/// What is known of λ ~ Gamma(shape, rate) and p ~ Beta(a, b) of a customer who is alive.
#[derive(Clone, Copy)]
pub(super) struct Alive {
    pub(super) shape: f64,
    pub(super) rate: f64,
    pub(super) a: f64,
    pub(super) b: f64,
}

/// Past this many terms the integral over p is cheaper than the series.
const SERIES_MAX_TERMS: f64 = 4000.0;
/// (1−w)ᴿ below e^−650 would underflow on the way.
const SERIES_MAX_EXPONENT: f64 = 650.0;

impl Alive {
    pub(super) fn purchases(&self, time: f64) -> f64 {
        let growth = (time / self.rate).ln_1p();
        if self.series_serves(time) {
            self.series([growth])[0]
        } else {
            self.integral(time)
        }
    }

    /// Expected purchases within the horizon, undiscounted and discounted.
    pub(super) fn discounted(&self, horizon: &Horizon) -> (f64, f64) {
        let (length, force) = (horizon.length(), horizon.force_of_interest());
        let Panels {
            number: panels,
            width,
        } = Panels::new(length, force, self.rate);
        let serves = self.series_serves(length);
        let (mut expected, mut deferred, mut panel) = (0.0, 0.0, 0.0);
        while panel < panels {
            let growths: [f64; LANES] = std::array::from_fn(|lane| {
                width * (panel + GAUSS_LEGENDRE.get(lane).map_or(1.0, |(node, _)| *node))
            });
            let times = growths.map(|growth| self.rate * growth.exp_m1());
            let purchases = if serves {
                self.series(growths)
            } else {
                times.map(|time| self.integral(time))
            };
            for (lane, (_, weight)) in GAUSS_LEGENDRE.iter().enumerate() {
                // dt = S eᵘ du = (S + t) du.
                deferred += weight
                    * (self.rate + times[lane])
                    * (-force * times[lane]).exp()
                    * purchases[lane];
            }
            expected = purchases[LANES - 1];
            panel += 1.0;
        }
        let discounted = (-force * length).exp() * expected + force * width * deferred;
        // The bound holds exactly; quadrature may miss it in the last digits.
        (expected, discounted.min(expected))
    }

    /// Fader, Hardie & Lee (2005), equation 8, for λ ~ Gamma(R, rate S): who is alive has bought n times by t, all of
    /// whom stayed, or has left at the n-th purchase before t.
    pub(super) fn distribution(&self, time: f64, probabilities: &mut [f64]) {
        /// Below this a factor is kept apart as a logarithm, so that (1−w)ᴿ does not underflow before wⁿ (R)ₙ/n! grows.
        const LEAST: f64 = 1e-280;

        let Self { shape, a, b, .. } = *self;
        let growth = (time / self.rate).ln_1p();
        let w = -(-growth).exp_m1();
        // P(N = n) of the negative binomial N of purchases if nobody left, P(N > n) and P(N ≥ n).
        let mut exactly = (-shape * growth).exp();
        let mut more = -(-shape * growth).exp_m1();
        let mut at_least = 1.0;
        let (mut factor, mut apart) = (1.0, -shape * growth);
        // The probabilities have one mode, so that what underflows after it stays negligible.
        let mut in_range = exactly > LEAST;
        let (mut n, mut reach) = (0.0, 1.0);
        for probability in probabilities.iter_mut() {
            // Who reached the n-th purchase stays there with (B+n−1)/(a+B+n−1) and leaves with a/(a+B+n−1).
            *probability = if n == 0.0 {
                exactly
            } else {
                let end = a + b + n - 1.0;
                let stayed = reach * (b + n - 1.0) / end;
                let left = reach * a / end;
                reach = stayed;
                stayed * exactly + left * at_least
            };
            at_least = more;
            let ratio = (shape + n) / (n + 1.0) * w;
            if in_range {
                exactly *= ratio;
            } else {
                factor *= ratio;
                if factor > 1.0 / LEAST {
                    apart += factor.ln();
                    factor = 1.0;
                }
                exactly = factor * apart.exp();
                in_range = exactly > LEAST;
            }
            more = (more - exactly).max(0.0);
            n += 1.0;
        }
    }

    fn series_serves(&self, time: f64) -> bool {
        let ratio = time / self.rate;
        let mean = self.shape * ratio;
        let terms = mean + 12.0 * (mean * (1.0 + ratio)).sqrt() + 40.0 * (1.0 + ratio);
        terms < SERIES_MAX_TERMS && self.shape * ratio.ln_1p() < SERIES_MAX_EXPONENT
    }

    /// The series of the module's documentation for several times at once, each given as u = ln(1 + t/S), so that
    /// 1 − w = e^(−u). The last must be the longest: its terms fall slowest.
    fn series<const L: usize>(&self, growths: [f64; L]) -> [f64; L] {
        let Self { shape, a, b, .. } = *self;
        let w = growths.map(|u| -(-u).exp_m1());
        let longest = w[L - 1];
        let mut probability = growths.map(|u| (-shape * u).exp());
        let mut sums = [0.0; L];
        let (mut reached, mut reach) = (0.0, 1.0);
        let mut n = 0.0;
        loop {
            let growth = (shape + n) / (n + 1.0);
            let stay = (b + n) / (a + b + n);
            for lane in 0..L {
                sums[lane] += probability[lane] * reached;
                probability[lane] *= growth * w[lane];
            }
            reached += reach;
            reach *= stay;
            n += 1.0;
            // What is left is at most a geometric series of ratio `bound`, whose terms gain at most one purchase each.
            let bound = longest * growth.max(1.0);
            let rest = probability[L - 1] * (reached + 1.0);
            let room = 1.0 - bound;
            if room > 0.0 && rest <= 0.5 * f64::EPSILON * room * room * sums[L - 1] {
                return sums;
            }
            if longest == 0.0 || n > 4.0 * SERIES_MAX_TERMS {
                return sums;
            }
        }
    }

    /// E over p of (1 − (1 + pt/S)^(−R)) / p, for times far beyond the observed one.
    fn integral(&self, time: f64) -> f64 {
        let ratio = time / self.rate;
        beta_expectation(self.a, self.b, |p, _| {
            if p * ratio * self.shape < 1e-300 {
                return ratio * self.shape;
            }
            -(-self.shape * (p * ratio).ln_1p()).exp_m1() / p
        })
    }
}
