//! The log-likelihood with its first and second derivatives.
//!
//! With everything relative to (α+t_x)^−R, and m(τ) = ((α+t_x)/(α+τ))^R,
//!
//! ```text
//! ln L = ln (r)ₓ − r ln(1 + t_x/α) − x ln(α+t_x) + ln Q,   Q = m(T) S(T) + ∫ f(τ) m(τ) dτ
//! ```
//!
//! so that nothing cancels: Q is at most 1, and ln L = ln Q without a repeat purchase.
//!
//! Q is a sum over the nodes of the quadrature, and the survivors m(T) S(T) one more, of weights e^h that depend on the parameters. So, with
//! means over nodes by weight, ∇ ln Q = E ∇h and ∇² ln Q = E(∇²h + ∇h ∇hᵀ) − ∇ ln Q (∇ ln Q)ᵀ. That the nodes themselves
//! move with the parameters does not matter: wherever they lie, they give the same integral.
//!
//! Customers without a repeat purchase have one Q for each distinct T, all others one for each distinct history. ln (r)ₓ is
//! summed over the distinct x.

use super::{Dropout, Nbd};
use crate::btyd::{Histories, Summary};
use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums};
use crate::quadrature::Panels;
use crate::special::{digamma, ln_gamma, trigamma};

/// A [`Dropout`] with the derivatives of its logarithms in the N parameters r, α and its own, in that order. Those in r
/// and α are 0.
pub(in crate::btyd) trait Terms<const N: usize>: Dropout {
    /// ln S(τ).
    fn survival(&self, time: f64) -> Sums<N>;

    /// ln f(τ).
    fn density(&self, time: f64) -> Sums<N>;
}

/// What of a history Q depends on.
#[derive(Clone, Copy)]
struct Window {
    x: f64,
    recency_age: f64,
    age: f64,
}

/// A sum over the nodes of Q.
trait Tally<D> {
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
    fn sum_left(&self, window: Window, survivors: f64, tally: &mut impl Tally<D>) -> f64 {
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

impl<D: Dropout> Nbd<D> {
    /// Adds ln m(τ) to what has no derivatives in r and α.
    #[inline]
    fn add_ratio<const N: usize>(&self, window: Window, time: f64, h: &mut Sums<N>) {
        let count = self.r + window.x;
        let (inverse, at_recency) = (
            1.0 / (self.alpha + time),
            1.0 / (self.alpha + window.recency_age),
        );
        let since = (time - window.recency_age) * at_recency;
        let log = since.ln_1p();
        let lost = since * inverse;
        h.value -= count * log;
        h.gradient[0] = -log;
        h.gradient[1] = count * lost;
        h.hessian[0][1] = lost;
        h.hessian[1][1] = -count * lost * (inverse + at_recency);
    }

    /// Adds −r ln(1 + t_x/α) − x ln(α+t_x).
    fn add_base<const N: usize>(&self, window: Window, sums: &mut Sums<N>) {
        let Window { x, recency_age, .. } = window;
        let (r, alpha) = (self.r, self.alpha);
        let (log, inverse) = ((recency_age / alpha).ln_1p(), 1.0 / (alpha + recency_age));
        let lost = recency_age / alpha * inverse;
        sums.value -= r * log + x * (alpha + recency_age).ln();
        sums.gradient[0] -= log;
        sums.gradient[1] += r * lost - x * inverse;
        sums.hessian[0][1] += lost;
        sums.hessian[1][1] += x * inverse * inverse - r * lost * (1.0 / alpha + inverse);
    }
}

/// The value alone.
struct Value<'a, D> {
    nbd: &'a Nbd<D>,
    window: Window,
    sum: f64,
}

impl<D: Dropout> Tally<D> for Value<'_, D> {
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

/// Σ e^h, Σ e^h ∇h and Σ e^h (∇²h + ∇h ∇hᵀ).
struct Derivatives<'a, D, const N: usize> {
    nbd: &'a Nbd<D>,
    window: Window,
    sums: Sums<N>,
}

impl<D: Terms<N>, const N: usize> Tally<D> for Derivatives<'_, D, N> {
    fn rescale(&mut self, factor: f64) {
        let sums = &mut self.sums;
        sums.value *= factor;
        sums.gradient.iter_mut().for_each(|g| *g *= factor);
        let hessian = sums.hessian.iter_mut().flatten();
        hessian.for_each(|h| *h *= factor);
    }

    #[inline]
    fn add(&mut self, weight: f64, time: f64, peak: f64) {
        let mut h = self.nbd.dropout.density(time);
        self.nbd.add_ratio(self.window, time, &mut h);
        self.sums.add_weight(weight * (h.value - peak).exp(), &h);
    }

    fn total(&self) -> f64 {
        self.sums.value
    }
}

impl<const N: usize> Sums<N> {
    /// Adds the weight e^h with the derivatives of e^h.
    #[inline]
    fn add_weight(&mut self, weight: f64, h: &Self) {
        self.value += weight;
        for i in 0..N {
            let slope = weight * h.gradient[i];
            self.gradient[i] += slope;
            for j in i..N {
                self.hessian[i][j] += slope * h.gradient[j] + weight * h.hessian[i][j];
            }
        }
    }

    #[inline]
    fn add_times(&mut self, customers: f64, o: &Self) {
        self.value += customers * o.value;
        for i in 0..N {
            self.gradient[i] += customers * o.gradient[i];
            for j in i..N {
                self.hessian[i][j] += customers * o.hessian[i][j];
            }
        }
    }
}

/// Value, gradient and Hessian of the log-likelihood of all customers.
pub(in crate::btyd) fn evaluate<D: Terms<N>, const N: usize>(
    nbd: &Nbd<D>,
    data: &Histories,
) -> Evaluation {
    let total = by_frequency(nbd.r, data);
    let mut once = data.customers_without_repeat();
    once.retain(|(_, customers)| *customers > 0.0);
    let plus = |mut a: Sums<N>, b: Sums<N>| {
        a.add_times(1.0, &b);
        a
    };
    let total = ordered_fold(
        once.len(),
        total,
        |chunk| {
            let mut sums = Sums::ZERO;
            for &(age, customers) in &once[chunk] {
                let window = Window {
                    x: 0.0,
                    recency_age: 0.0,
                    age,
                };
                sums.add_times(customers, &log_q(nbd, window));
            }
            sums
        },
        plus,
    );
    ordered_fold(
        data.repeaters.len(),
        total,
        |chunk| {
            let mut sums = Sums::ZERO;
            for row in &data.repeaters[chunk] {
                let window = Window {
                    x: data.frequencies[row.frequency as usize].0,
                    recency_age: data.recencies[row.recency as usize],
                    age: data.ages[row.age as usize].0,
                };
                let mut terms = log_q(nbd, window);
                nbd.add_base(window, &mut terms);
                sums.add_times(row.customers, &terms);
            }
            sums
        },
        plus,
    )
    .into()
}

/// ln Q of one history with its derivatives.
fn log_q<D: Terms<N>, const N: usize>(nbd: &Nbd<D>, window: Window) -> Sums<N> {
    let mut survivors = nbd.dropout.survival(window.age);
    nbd.add_ratio(window, window.age, &mut survivors);
    let mut tally = Derivatives {
        nbd,
        window,
        sums: Sums::ZERO,
    };
    let peak = nbd.sum_left(window, survivors.value, &mut tally);
    let mut height = survivors.value;
    if tally.total() > 0.0 {
        height = height.max(peak + tally.total().ln());
        tally.rescale((peak - height).exp());
    }
    let mut q = tally.sums;
    q.add_weight((survivors.value - height).exp(), &survivors);
    let total = q.value;
    q.value = height + total.ln();
    q.gradient = q.gradient.map(|g| g / total);
    for i in 0..N {
        for j in i..N {
            q.hessian[i][j] = q.hessian[i][j] / total - q.gradient[i] * q.gradient[j];
        }
    }
    q
}

/// ln (r)ₓ of every customer.
fn by_frequency<const N: usize>(r: f64, data: &Histories) -> Sums<N> {
    let mut total = Sums::ZERO;
    for &(x, n) in &data.frequencies {
        let [value, first, second] = log_rising_factorial(r, x);
        total.value += n * value;
        total.gradient[0] += n * first;
        total.hessian[0][0] += n * second;
    }
    total
}

/// ln (r)ₓ = ln Γ(r+x) − ln Γ(r) for a whole x, with its first two derivatives in r.
fn log_rising_factorial(r: f64, x: f64) -> [f64; 3] {
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
