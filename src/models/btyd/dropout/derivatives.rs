//! The log-likelihood of all customers with its first and second derivatives.
//!
//! Q is a sum over the nodes of the quadrature, and the survivors m(T) S(T) one more, of weights e^h that depend on the
//! parameters. So, with means over nodes by weight, ∇ ln Q = E ∇h and ∇² ln Q = E(∇²h + ∇h ∇hᵀ) − ∇ ln Q (∇ ln Q)ᵀ. That
//! the nodes themselves move with the parameters does not matter: wherever they lie, they give the same integral.
//!
//! Customers without a repeat purchase have one Q for each distinct T, all others one for each distinct history. ln (r)ₓ
//! is summed over the distinct x.

use super::likelihood::{Tally, Window, log_rising_factorial};
use super::{Dropout, Nbd};
use crate::btyd::Histories;
use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums};

/// A [`Dropout`] with the derivatives of its logarithms in the N parameters r, α and its own, in that order. Those in r
/// and α are 0.
pub(in crate::btyd) trait Terms<const N: usize>: Dropout {
    /// ln S(τ).
    fn survival(&self, time: f64) -> Sums<N>;

    /// ln f(τ).
    fn density(&self, time: f64) -> Sums<N>;
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

/// Σ e^h, Σ e^h ∇h and Σ e^h (∇²h + ∇h ∇hᵀ).
struct Derivatives<'a, D, const N: usize> {
    nbd: &'a Nbd<D>,
    window: Window,
    sums: Sums<N>,
}

impl<D: Terms<N>, const N: usize> Tally for Derivatives<'_, D, N> {
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
    let ages = data.ages.iter().map(|(age, ..)| *age);
    let once: Vec<(f64, f64)> = ages
        .zip(data.once.iter().copied())
        .filter(|(_, customers)| *customers > 0.0)
        .collect();
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
