//! The log-likelihood with its first and second derivatives.
//!
//! Per customer (Fader, Hardie & Shang 2010)
//!
//! ```text
//! L = B(α+x, β+n−x)/B(α, β) · B(γ, δ+n)/B(γ, δ) + Σⱼ B(α+x, β+j−x)/B(α, β) · B(γ+1, δ+j)/B(γ, δ),   j = t_x … n−1
//! ```
//!
//! where who makes it to the j-th opportunity and no further has the term j. In rising factorials (a)ₖ = a (a+1) … (a+k−1)
//! the term is γ hⱼ with hⱼ = (α)ₓ (β)ⱼ₋ₓ / (α+β)ⱼ · (δ)ⱼ / (γ+δ)ⱼ₊₁, and the first summand (γ+δ+n) hₙ, so that
//!
//! ```text
//! L  = h(t_x) Q(t_x),   Q(n) = γ + δ + n,   Q(j) = γ + ρ(j) Q(j+1),
//! ρ(j) = hⱼ₊₁/hⱼ = (β+j−x)/(α+β+j) · (δ+j)/(γ+δ+j+1)
//! ```
//!
//! All of it is positive and 0 < ρ < 1: nothing cancels, over- or underflows, and a term takes neither an exponential nor a
//! logarithm. Q depends on x and n, so that one way down from n gives the sums of all t_x of the same x and n.

use super::BgBb;
use super::summaries::{DiscreteSummaries, DiscreteSummary, Group};
use crate::btyd::exact;
use crate::chunks::ordered_fold_by;
use crate::optimise::{Evaluation, Sums};

/// Q(t_x), and that part of it which is owed to customers who are alive at the n-th opportunity: P(alive).
pub(super) fn q_and_alive(model: &BgBb, customer: &DiscreteSummary) -> (f64, f64) {
    let BgBb {
        alpha,
        beta,
        gamma,
        delta,
    } = *model;
    let (x, last) = (exact(customer.frequency()), customer.recency_age());
    let (mut q, mut alive) = (gamma + delta + exact(customer.opportunities()), 1.0);
    for j in (last..customer.opportunities()).rev() {
        let j = exact(j);
        let step = (beta + j - x) / (alpha + beta + j) * ((delta + j) / (gamma + delta + j + 1.0));
        let later = step * q;
        q = gamma + later;
        alive *= later / q;
    }
    (q, alive)
}

/// The log-likelihood of one customer.
pub(super) fn of_customer(model: &BgBb, customer: &DiscreteSummary) -> f64 {
    let BgBb {
        alpha,
        beta,
        gamma,
        delta,
    } = *model;
    let (x, last) = (customer.frequency(), customer.recency_age());
    let mut product = LogProduct::default();
    for k in 0..x {
        product.times((alpha + exact(k)) / (alpha + beta + exact(k)));
    }
    for k in 0..last - x {
        product.times((beta + exact(k)) / (alpha + beta + exact(x + k)));
    }
    for k in 0..last {
        product.times((delta + exact(k)) / (gamma + delta + exact(k)));
    }
    let (q, _) = q_and_alive(model, customer);
    product.ln() + (q / (gamma + delta + exact(last))).ln()
}

/// The logarithm of a product of numbers in (0, 1], of few logarithms and safe from underflow.
struct LogProduct {
    product: f64,
    apart: f64,
}

impl Default for LogProduct {
    fn default() -> Self {
        Self {
            product: 1.0,
            apart: 0.0,
        }
    }
}

impl LogProduct {
    fn times(&mut self, factor: f64) {
        const LEAST: f64 = 1e-150;
        if factor < LEAST {
            self.apart += factor.ln();
            return;
        }
        self.product *= factor;
        if self.product < LEAST {
            self.apart += self.product.ln();
            self.product = 1.0;
        }
    }

    fn ln(&self) -> f64 {
        self.apart + self.product.ln()
    }
}

/// ln (a)ₖ with its first two derivatives in a, for k = 0, 1, …: lnΓ(a+k) − lnΓ(a) and the differences of ψ and ψ′, but
/// without cancellation.
pub(super) struct Rising {
    pub(super) at: Vec<[f64; 3]>,
}

impl Rising {
    pub(super) fn new(a: f64, most: usize) -> Self {
        let mut sums = [0.0; 3];
        let mut at = Vec::with_capacity(most + 1);
        at.push(sums);
        for k in 0..most {
            let term = a + exact(k as u64);
            let inverse = 1.0 / term;
            sums[0] += term.ln();
            sums[1] += inverse;
            sums[2] -= inverse * inverse;
            at.push(sums);
        }
        Self { at }
    }
}

/// What the terms of one opportunity j share, whatever x is.
#[derive(Clone, Copy)]
struct Opportunity {
    /// 1/(α+β+j).
    any: f64,
    /// 1/(γ+δ+j+1).
    end: f64,
    /// 1/(δ+j).
    stay: f64,
    /// (δ+j)/(γ+δ+j+1).
    step: f64,
}

/// Evaluates the log-likelihood of all customers.
pub(super) struct Likelihood<'a> {
    data: &'a DiscreteSummaries,
    beta: f64,
    gamma: f64,
    gamma_delta: f64,
    rising_alpha: Rising,
    rising_beta: Rising,
    rising_alpha_beta: Rising,
    rising_delta: Rising,
    rising_gamma_delta: Rising,
    opportunities: Vec<Opportunity>,
}

/// ln Q with its derivatives in α, β, γ, δ; of the Hessian the upper triangle.
#[derive(Clone, Copy)]
struct LogQ {
    q: f64,
    gradient: [f64; 4],
    hessian: [[f64; 4]; 4],
}

/// Groups whose terms are summed as one task. One group may take thousands of steps.
const CHUNK_GROUPS: usize = 32;

impl<'a> Likelihood<'a> {
    pub(super) fn new(data: &'a DiscreteSummaries, [alpha, beta, gamma, delta]: [f64; 4]) -> Self {
        let groups = (0..data.groups()).map(|group| data.group(group));
        let (mut most_x, mut most_n) = (0, 0);
        for group in groups {
            most_x = most_x.max(group.frequency);
            most_n = most_n.max(group.opportunities);
        }
        let opportunity = |j: usize| {
            let j = exact(j as u64);
            let end = 1.0 / (gamma + delta + j + 1.0);
            Opportunity {
                any: 1.0 / (alpha + beta + j),
                end,
                stay: 1.0 / (delta + j),
                step: (delta + j) * end,
            }
        };
        Self {
            data,
            beta,
            gamma,
            gamma_delta: gamma + delta,
            rising_alpha: Rising::new(alpha, most_x),
            rising_beta: Rising::new(beta, most_n),
            rising_alpha_beta: Rising::new(alpha + beta, most_n),
            rising_delta: Rising::new(delta, most_n),
            rising_gamma_delta: Rising::new(gamma + delta, most_n + 1),
            opportunities: (0..most_n).map(opportunity).collect(),
        }
    }

    /// Value, gradient and Hessian.
    pub(super) fn evaluate(&self) -> Evaluation {
        let sums = ordered_fold_by(
            CHUNK_GROUPS,
            self.data.groups(),
            Sums::ZERO,
            |chunk| {
                let mut sums = Sums::ZERO;
                for group in chunk {
                    self.add_group(&self.data.group(group), &mut sums);
                }
                sums
            },
            |mut a: Sums<4>, b| {
                a.value += b.value;
                for i in 0..4 {
                    a.gradient[i] += b.gradient[i];
                    for j in 0..4 {
                        a.hessian[i][j] += b.hessian[i][j];
                    }
                }
                a
            },
        );
        sums.into()
    }

    fn add_group(&self, group: &Group<'_>, sums: &mut Sums<4>) {
        let n = group.opportunities;
        let end = self.gamma_delta + exact(n as u64);
        let slope = 1.0 / end;
        let mut log_q = LogQ {
            q: end,
            gradient: [0.0, 0.0, slope, slope],
            hessian: [[0.0; 4]; 4],
        };
        for (i, j) in [(2, 2), (2, 3), (3, 3)] {
            log_q.hessian[i][j] = -slope * slope;
        }
        let mut j = n;
        for (row, customers) in group.rows.iter().rev() {
            let last = usize::try_from(row.recency_age()).unwrap_or(n);
            while j > last {
                j -= 1;
                log_q.step(
                    &self.opportunities[j],
                    self.gamma,
                    self.beta + exact((j - group.frequency) as u64),
                );
            }
            self.add_row(group.frequency, last, exact(*customers), &log_q, sums);
        }
    }

    /// ln h + ln Q of customers whose last purchase was at opportunity `t`.
    fn add_row(&self, x: usize, t: usize, customers: f64, log_q: &LogQ, sums: &mut Sums<4>) {
        let alpha = self.rising_alpha.at[x];
        let beta = self.rising_beta.at[t - x];
        let any = self.rising_alpha_beta.at[t];
        let delta = self.rising_delta.at[t];
        let end = self.rising_gamma_delta.at[t + 1];
        let h = (alpha[0] + beta[0] - any[0]) + (delta[0] - end[0]);
        sums.value += customers * (h + log_q.q.ln());
        let slopes = [
            alpha[1] - any[1],
            beta[1] - any[1],
            -end[1],
            delta[1] - end[1],
        ];
        for (i, slope) in slopes.into_iter().enumerate() {
            sums.gradient[i] += customers * (slope + log_q.gradient[i]);
        }
        let mut curve = log_q.hessian;
        curve[0][0] += alpha[2] - any[2];
        curve[0][1] -= any[2];
        curve[1][1] += beta[2] - any[2];
        curve[2][2] -= end[2];
        curve[2][3] -= end[2];
        curve[3][3] += delta[2] - end[2];
        for (sums, curves) in sums.hessian.iter_mut().zip(&curve) {
            for (sum, curve) in sums.iter_mut().zip(curves) {
                *sum += customers * curve;
            }
        }
    }
}

impl LogQ {
    /// From Q(j+1) to Q(j). With V = ρ Q(j+1), D = ∇ ln V and s = V/Q(j), the gradient of ln Q(j) = ln(γ + V) is
    /// s D + e/Q(j), e the direction of γ, and the Hessian s ∇² ln V + s (1−s) D Dᵀ − s (e Dᵀ + D eᵀ)/Q(j) − e eᵀ/Q(j)².
    #[inline]
    fn step(&mut self, at: &Opportunity, gamma: f64, not_taken: f64) {
        let miss = 1.0 / not_taken;
        let later = not_taken * at.any * at.step * self.q;
        let q = gamma + later;
        let inverse = 1.0 / q;
        let s = later * inverse;
        let rest = gamma * inverse;
        let d = [
            self.gradient[0] - at.any,
            self.gradient[1] + (miss - at.any),
            self.gradient[2] - at.end,
            self.gradient[3] + (at.stay - at.end),
        ];
        let (any, end) = (at.any * at.any, at.end * at.end);
        let h = &mut self.hessian;
        h[0][0] += any;
        h[0][1] += any;
        h[1][1] += any - miss * miss;
        h[2][2] += end;
        h[2][3] += end;
        h[3][3] += end - at.stay * at.stay;
        for i in 0..4 {
            for j in i..4 {
                h[i][j] = s * (h[i][j] + rest * d[i] * d[j]);
            }
        }
        let both = s * inverse;
        h[0][2] -= both * d[0];
        h[1][2] -= both * d[1];
        h[2][2] -= 2.0 * both * d[2] + inverse * inverse;
        h[2][3] -= both * d[3];
        self.gradient = d.map(|slope| s * slope);
        self.gradient[2] += inverse;
        self.q = q;
    }
}
