//! The log-likelihood with its first and second derivatives.
//!
//! Per customer of BG/NBD (Fader, Hardie & Lee 2005, equation 6; the note "Computing P(alive) using the BG/NBD model"
//! for u):
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α − (r+x) ln(α+T)
//!      + ln B(a, b+x) − ln B(a, b) + [x > 0] ln(1 + eᵘ)
//! u    = ln a − ln(b+x−1) + (r+x) (ln(α+T) − ln(α+t_x))
//! ```
//!
//! and of MBG/NBD (Batislam, Denizel & Filiztekin 2007; Hoppe & Wagner 2007), where one stays once more,
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α − (r+x) ln(α+T)
//!      + ln B(a, b+x+1) − ln B(a, b) + ln(1 + eᵘ)
//! u    = ln a − ln(b+x) + (r+x) (ln(α+T) − ln(α+t_x))
//! ```
//!
//! with B(a, b+x+1)/B(a, b) = b/(a+b) · B(a, b+1+x)/B(a, b+1): but for the first factor and the customers without repeat
//! purchase, the likelihood of BG/NBD at b + 1.
//!
//! eᵘ are the odds of having left, so ln(1 + eᵘ) neither over- nor underflows however many purchases there are. All but
//! the last term depends on x or on T alone and is summed over their distinct values. Only the last needs a pass, of one
//! exponential and one logarithm each, over the distinct histories with x > 0 and, where there was a purchase to leave
//! after, over the distinct T of those with x = 0.

use super::{BetaGeometric, Leaving};
use crate::btyd::{Histories, Summary};
use crate::chunks::ordered_fold;
use crate::optimise::{Evaluation, Sums};
use crate::special::{digamma, ln_gamma, trigamma};

/// The odds u of having left, as a logarithm, of a customer who made a purchase to leave after.
pub(super) fn log_odds_of_having_left(model: &BetaGeometric, customer: &Summary) -> f64 {
    let x = customer.count();
    let late =
        (customer.customer_age() - customer.recency_age()) / (model.alpha + customer.recency_age());
    (model.a / model.leaving.b_before_last(model.b, x)).ln() + (model.r + x) * late.ln_1p()
}

/// The log-likelihood of one customer.
pub(super) fn of_customer(model: &BetaGeometric, customer: &Summary) -> f64 {
    let BetaGeometric {
        r,
        alpha,
        a,
        b,
        leaving,
    } = *model;
    let x = customer.count();
    if customer.frequency() == 0 && leaving == Leaving::AfterRepeats {
        return -r * (customer.customer_age() / alpha).ln_1p();
    }
    let u = log_odds_of_having_left(model, customer);
    let bought_and_stayed = if customer.frequency() == 0 {
        -r * (customer.customer_age() / alpha).ln_1p()
    } else {
        let b = b + leaving.stays_before_repeats();
        let base = ln_gamma(r + x) - ln_gamma(r) + r * alpha.ln()
            - (r + x) * (alpha + customer.customer_age()).ln();
        base + (ln_gamma(b + x) - ln_gamma(a + b + x) - ln_gamma(b) + ln_gamma(a + b))
    };
    let stayed_at_first = match leaving {
        Leaving::AfterRepeats => 0.0,
        Leaving::AfterAll => -(a / b).ln_1p(),
    };
    bought_and_stayed + stayed_at_first + u.max(0.0) + (-u.abs()).exp().ln_1p()
}

/// Evaluates the log-likelihood of all customers.
pub(in crate::btyd) struct Likelihood<'a> {
    histories: &'a Histories,
    leaving: Leaving,
}

/// A distinct value's part of u and its derivatives.
#[derive(Clone, Copy)]
struct Term {
    log: f64,
    inverse: f64,
}

/// Sums over the histories of those who may have left of what ln(1 + eᵘ) needs. With s = eᵘ/(1+eᵘ), q = s(1−s),
/// D = ∂u/∂r, F = ∂u/∂α, and i = 1/(b+x−1), of MBG/NBD 1/(b+x); n customers a row.
#[derive(Clone, Copy, Default)]
struct Left {
    value: f64,
    s: f64,
    s_d: f64,
    s_f: f64,
    s_i: f64,
    s_ii: f64,
    s_e: f64,
    s_curve: f64,
    q: f64,
    q_d: f64,
    q_f: f64,
    q_i: f64,
    q_dd: f64,
    q_df: f64,
    q_di: f64,
    q_ff: f64,
    q_fi: f64,
    q_ii: f64,
}

impl<'a> Likelihood<'a> {
    pub(in crate::btyd) fn new(histories: &'a Histories, leaving: Leaving) -> Self {
        Self { histories, leaving }
    }

    /// Value, gradient and Hessian at (r, α, a, b).
    pub(in crate::btyd) fn evaluate(&self, theta: &[f64; 4]) -> Evaluation {
        let mut total = self.by_frequency(theta);
        self.add_by_age(theta, &mut total);
        let mut left = self.sum_left(theta);
        if self.leaving == Leaving::AfterAll {
            self.add_first_stay(theta, &mut total);
            left = left.plus(self.sum_left_at_once(theta));
        }
        add_left(theta, &left, &mut total);
        total.into()
    }

    /// The terms that depend on x alone.
    fn by_frequency(&self, &[r, alpha, a, b]: &[f64; 4]) -> Sums<4> {
        let log_alpha = alpha.ln();
        let b = b + self.leaving.stays_before_repeats();
        let mut total = Sums::ZERO;
        // Dear beside a group of one customer, of whom there are many with covariates; most have no repeat purchase.
        let mut at_zero = None;
        for &(x, n) in &self.histories.frequencies {
            total.value += n * r * log_alpha;
            total.gradient[0] += n * log_alpha;
            total.gradient[1] += n * r / alpha;
            total.hessian[0][1] += n / alpha;
            total.hessian[1][1] -= n * r / (alpha * alpha);
            if x == 0.0 {
                continue;
            }
            let (logs, first, second) = *at_zero.get_or_insert_with(|| {
                let each = |f: fn(f64) -> f64| [f(r), f(b), f(a + b)];
                (each(ln_gamma), each(digamma), each(trigamma))
            });
            let (count, stay, end) = (r + x, b + x, a + b + x);
            total.value += n * (ln_gamma(count) - logs[0]);
            total.value += n * ((ln_gamma(stay) - logs[1]) - (ln_gamma(end) - logs[2]));
            let [d_count, d_stay, d_end] = [
                digamma(count) - first[0],
                digamma(stay) - first[1],
                digamma(end) - first[2],
            ];
            total.gradient[0] += n * d_count;
            total.gradient[2] -= n * d_end;
            total.gradient[3] += n * (d_stay - d_end);
            let [h_count, h_stay, h_end] = [
                trigamma(count) - second[0],
                trigamma(stay) - second[1],
                trigamma(end) - second[2],
            ];
            total.hessian[0][0] += n * h_count;
            total.hessian[2][2] -= n * h_end;
            total.hessian[2][3] -= n * h_end;
            total.hessian[3][3] += n * (h_stay - h_end);
        }
        total
    }

    /// −(r+x) ln(α+T), summed over the customers of each distinct T.
    fn add_by_age(&self, &[r, alpha, ..]: &[f64; 4], total: &mut Sums<4>) {
        let ages = &self.histories.ages;
        let sums = ordered_fold(
            ages.len(),
            [0.0; 5],
            |chunk| {
                let mut sums = [0.0; 5];
                for &(age, n, nx) in &ages[chunk] {
                    let (log, inverse) = ((alpha + age).ln(), 1.0 / (alpha + age));
                    let weight = r * n + nx;
                    sums[0] += weight * log;
                    sums[1] += n * log;
                    sums[2] += weight * inverse;
                    sums[3] += n * inverse;
                    sums[4] += weight * inverse * inverse;
                }
                sums
            },
            |a, b| std::array::from_fn(|i| a[i] + b[i]),
        );
        total.value -= sums[0];
        total.gradient[0] -= sums[1];
        total.gradient[1] -= sums[2];
        total.hessian[0][1] -= sums[3];
        total.hessian[1][1] += sums[4];
    }

    /// ln b − ln(a+b) of every customer of MBG/NBD.
    fn add_first_stay(&self, &[_, _, a, b]: &[f64; 4], total: &mut Sums<4>) {
        let n: f64 = self.histories.frequencies.iter().map(|(_, n)| n).sum();
        let (stay, any) = (1.0 / b, 1.0 / (a + b));
        total.value -= n * (a / b).ln_1p();
        total.gradient[2] -= n * any;
        total.gradient[3] += n * (stay - any);
        total.hessian[2][2] += n * any * any;
        total.hessian[2][3] += n * any * any;
        total.hessian[3][3] -= n * (stay - any) * (stay + any);
    }

    /// The histories without repeat purchase, whose last purchase is the first.
    fn sum_left_at_once(&self, &[r, alpha, a, b]: &[f64; 4]) -> Left {
        let (ages, once) = (&self.histories.ages, &self.histories.once);
        let odds = Term {
            log: (a / b).ln(),
            inverse: 1.0 / b,
        };
        let first = Term {
            log: alpha.ln(),
            inverse: 1.0 / alpha,
        };
        ordered_fold(
            ages.len(),
            Left::default(),
            |chunk| {
                let mut sums = Left::default();
                for (&(age, ..), &n) in ages[chunk.clone()].iter().zip(&once[chunk]) {
                    if n > 0.0 {
                        let age = Term {
                            log: (alpha + age).ln(),
                            inverse: 1.0 / (alpha + age),
                        };
                        sums.add((r, odds), age, first, n);
                    }
                }
                sums
            },
            Left::plus,
        )
    }

    fn sum_left(&self, &[r, alpha, a, b]: &[f64; 4]) -> Left {
        let data = self.histories;
        let at_time = |time: f64| Term {
            log: (alpha + time).ln(),
            inverse: 1.0 / (alpha + time),
        };
        let ages: Vec<Term> = data.ages.iter().map(|&(age, ..)| at_time(age)).collect();
        let recencies: Vec<Term> = data.recencies.iter().map(|&time| at_time(time)).collect();
        let frequencies: Vec<(f64, Term)> = data
            .frequencies
            .iter()
            .map(|&(x, _)| {
                let before_last = self.leaving.b_before_last(b, x);
                (
                    r + x,
                    Term {
                        log: (a / before_last).ln(),
                        inverse: 1.0 / before_last,
                    },
                )
            })
            .collect();
        ordered_fold(
            data.repeaters.len(),
            Left::default(),
            |chunk| {
                let mut sums = Left::default();
                for row in &data.repeaters[chunk] {
                    let (age, recency) = (ages[row.age as usize], recencies[row.recency as usize]);
                    sums.add(
                        frequencies[row.frequency as usize],
                        age,
                        recency,
                        row.customers,
                    );
                }
                sums
            },
            Left::plus,
        )
    }
}

impl Left {
    #[inline]
    fn add(&mut self, (count, odds): (f64, Term), age: Term, recency: Term, n: f64) {
        let d = age.log - recency.log;
        let e = age.inverse - recency.inverse;
        let f = count * e;
        let i = odds.inverse;
        let u = odds.log + count * d;
        let small = (-u.abs()).exp();
        let s = if u >= 0.0 { 1.0 } else { small } / (1.0 + small);
        self.value += n * (u.max(0.0) + small.ln_1p());
        let q = n * (small / ((1.0 + small) * (1.0 + small)));
        let s = n * s;
        self.s += s;
        self.s_d += s * d;
        self.s_f += s * f;
        self.s_i += s * i;
        self.s_ii += s * i * i;
        self.s_e += s * e;
        self.s_curve -= s * f * (age.inverse + recency.inverse);
        self.q += q;
        self.q_d += q * d;
        self.q_f += q * f;
        self.q_i += q * i;
        self.q_dd += q * d * d;
        self.q_df += q * d * f;
        self.q_di += q * d * i;
        self.q_ff += q * f * f;
        self.q_fi += q * f * i;
        self.q_ii += q * i * i;
    }

    fn plus(self, o: Self) -> Self {
        Self {
            value: self.value + o.value,
            s: self.s + o.s,
            s_d: self.s_d + o.s_d,
            s_f: self.s_f + o.s_f,
            s_i: self.s_i + o.s_i,
            s_ii: self.s_ii + o.s_ii,
            s_e: self.s_e + o.s_e,
            s_curve: self.s_curve + o.s_curve,
            q: self.q + o.q,
            q_d: self.q_d + o.q_d,
            q_f: self.q_f + o.q_f,
            q_i: self.q_i + o.q_i,
            q_dd: self.q_dd + o.q_dd,
            q_df: self.q_df + o.q_df,
            q_di: self.q_di + o.q_di,
            q_ff: self.q_ff + o.q_ff,
            q_fi: self.q_fi + o.q_fi,
            q_ii: self.q_ii + o.q_ii,
        }
    }
}

/// Adds ln(1 + eᵘ): gradient s ∂u, Hessian q ∂u ∂uᵀ + s ∂²u, with ∂u = (D, F, 1/a, −i).
fn add_left(&[_, _, a, _]: &[f64; 4], left: &Left, total: &mut Sums<4>) {
    total.value += left.value;
    let g = &mut total.gradient;
    g[0] += left.s_d;
    g[1] += left.s_f;
    g[2] += left.s / a;
    g[3] -= left.s_i;
    let h = &mut total.hessian;
    h[0][0] += left.q_dd;
    h[0][1] += left.q_df + left.s_e;
    h[0][2] += left.q_d / a;
    h[0][3] -= left.q_di;
    h[1][1] += left.q_ff + left.s_curve;
    h[1][2] += left.q_f / a;
    h[1][3] -= left.q_fi;
    h[2][2] += (left.q - left.s) / (a * a);
    h[2][3] -= left.q_i / a;
    h[3][3] += left.q_ii + left.s_ii;
}
