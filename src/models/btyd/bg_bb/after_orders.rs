//! BG/BB with customers who leave only after an order, as those of BG/NBD do (Fader, Hardie & Lee 2005).
//!
//! A customer takes each opportunity with probability p, and after each one that was taken leaves for good with probability
//! θ. Over customers p ~ Beta(α, β) and θ ~ Beta(γ, δ), independently. Nobody leaves after the first purchase, which is no
//! opportunity, so that who never came back is a customer still. Per customer
//!
//! ```text
//! L = B(α+x, β+n−x)/B(α, β) · B(γ, δ+x)/B(γ, δ) + [x > 0] B(α+x, β+t_x−x)/B(α, β) · B(γ+1, δ+x−1)/B(γ, δ)
//! ```
//!
//! The second summand is owed to customers who left after the last purchase. It is the first times eᵘ with
//! eᵘ = γ/(δ+x−1) · Πⱼ (α+β+j)/(β+j−x), j = t_x … n−1, so that ln L = ln A + ln(1 + eᵘ).

use super::likelihood::Rising;
use super::predict::Ahead;
use super::summaries::{DiscreteSummaries, DiscreteSummary, Group};
use super::{BgBb, STARTS};
use crate::btyd::exact;
use crate::chunks::ordered_fold_by;
use crate::fit::{FitError, Model, ParameterError, positive};
use crate::optimise::{Evaluation, Sums};

/// The model with known parameters, each positive and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgBbAfterOrders {
    alpha: f64,
    beta: f64,
    gamma: f64,
    delta: f64,
}

/// Groups whose terms are summed as one task.
const CHUNK_GROUPS: usize = 128;

impl BgBbAfterOrders {
    /// The model with these parameters.
    ///
    /// # Errors
    /// Where one is not positive and finite.
    pub fn new(alpha: f64, beta: f64, gamma: f64, delta: f64) -> Result<Self, ParameterError> {
        let given = [alpha, beta, gamma, delta];
        let [alpha, beta, gamma, delta] = positive(Self::NAME, BgBb::PARAMETERS, &given)?;
        Ok(Self {
            alpha,
            beta,
            gamma,
            delta,
        })
    }

    /// α, β, γ, δ.
    #[must_use]
    pub fn parameters(&self) -> [f64; 4] {
        [self.alpha, self.beta, self.gamma, self.delta]
    }

    /// The log-likelihood of all customers with its derivatives in α, β, γ, δ, in the calling pool.
    #[must_use]
    pub fn evaluate(&self, summaries: &DiscreteSummaries) -> Evaluation {
        <Self as Model>::evaluate(&self.parameters(), summaries)
    }

    /// Probability that the customer is still one after the n-th opportunity; 1 without a repeat purchase.
    #[must_use]
    pub fn probability_alive(&self, customer: &DiscreteSummary) -> f64 {
        if customer.frequency() == 0 {
            return 1.0;
        }
        let x = exact(customer.frequency());
        let mut odds_left = self.gamma / (self.delta + x - 1.0);
        for j in customer.recency_age()..customer.opportunities() {
            let j = exact(j);
            odds_left *= (self.alpha + self.beta + j) / (self.beta + j - x);
        }
        1.0 / (1.0 + odds_left)
    }

    /// The next `opportunities` after the observed time, in their order. Takes as many steps for each.
    #[must_use]
    pub fn ahead(&self, opportunities: u64, customer: &DiscreteSummary) -> Vec<Ahead> {
        let known = self.probability_alive(customer);
        self.ahead_of(
            customer.frequency(),
            customer.opportunities(),
            known,
            opportunities,
        )
    }

    /// The next `opportunities` of a new customer.
    #[must_use]
    pub fn ahead_of_new_customer(&self, opportunities: u64) -> Vec<Ahead> {
        self.ahead_of(0, 0, 1.0, opportunities)
    }

    /// Who would never leave takes j of k opportunities with the beta-binomial probability of j in k, which follows from
    /// k − 1 by Pólya's urn, and stays after all j of them with (δ+x)ⱼ/(γ+δ+x)ⱼ.
    fn ahead_of(
        &self,
        frequency: u64,
        observed: u64,
        known: f64,
        opportunities: u64,
    ) -> Vec<Ahead> {
        let x = exact(frequency);
        let (takes, misses) = (self.alpha + x, self.beta + (exact(observed) - x));
        let stays = self.delta + x;
        let mut taken: Vec<f64> = vec![1.0];
        let mut ahead = Vec::new();
        for k in 0..opportunities {
            let urn = takes + misses + exact(k);
            let (mut stayed, mut alive, mut buys): (f64, f64, f64) = (1.0, 0.0, 0.0);
            for (j, probability) in taken.iter().enumerate() {
                let j = exact(j as u64);
                let still = probability * stayed;
                alive += still;
                buys += still * (takes + j) / urn;
                stayed *= (stays + j) / (self.gamma + stays + j);
            }
            ahead.push(Ahead {
                alive: known * alive,
                buys: known * buys,
            });
            taken.push(0.0);
            for j in (0..taken.len()).rev() {
                let count = exact(j as u64);
                let missed = taken[j] * ((misses + exact(k) - count) / urn);
                let bought = match j {
                    0 => 0.0,
                    _ => taken[j - 1] * ((takes + count - 1.0) / urn),
                };
                taken[j] = missed + bought;
            }
        }
        ahead
    }
}

impl Model for BgBbAfterOrders {
    type Data = DiscreteSummaries;
    const NAME: &'static str = "BG/BB after orders";

    fn names(_: &DiscreteSummaries) -> Vec<String> {
        BgBb::PARAMETERS.map(str::to_owned).to_vec()
    }

    fn customers(summaries: &DiscreteSummaries) -> u64 {
        summaries.customers()
    }

    fn scale(summaries: &DiscreteSummaries) -> Result<Vec<f64>, FitError> {
        super::scale(Self::NAME, summaries)
    }

    fn starts(_: &DiscreteSummaries, _: &[f64]) -> Vec<Vec<f64>> {
        STARTS.map(Vec::from).to_vec()
    }

    fn sample(summaries: &DiscreteSummaries) -> Option<DiscreteSummaries> {
        summaries.thinned()
    }

    fn evaluate(theta: &[f64], summaries: &DiscreteSummaries) -> Evaluation {
        let theta: [f64; 4] = std::array::from_fn(|i| theta[i]);
        let likelihood = Likelihood::new(summaries, theta);
        ordered_fold_by(
            CHUNK_GROUPS,
            summaries.groups(),
            Sums::ZERO,
            |chunk| {
                let mut sums = Sums::ZERO;
                for group in chunk {
                    likelihood.add_group(&summaries.group(group), &mut sums);
                }
                sums
            },
            add_sums,
        )
        .into()
    }

    fn with_parameters(theta: &[f64], _: &DiscreteSummaries) -> Result<Self, ParameterError> {
        let [alpha, beta, gamma, delta] = positive(Self::NAME, BgBb::PARAMETERS, theta)?;
        Self::new(alpha, beta, gamma, delta)
    }
}

fn add_sums(mut a: Sums<4>, b: Sums<4>) -> Sums<4> {
    a.value += b.value;
    for i in 0..4 {
        a.gradient[i] += b.gradient[i];
        for j in 0..4 {
            a.hessian[i][j] += b.hessian[i][j];
        }
    }
    a
}

/// The rising factorials of the terms of all customers.
struct Likelihood {
    gamma: f64,
    of_alpha: Rising,
    of_beta: Rising,
    of_alpha_beta: Rising,
    of_delta: Rising,
    of_gamma_delta: Rising,
}

impl Likelihood {
    fn new(data: &DiscreteSummaries, [alpha, beta, gamma, delta]: [f64; 4]) -> Self {
        let (mut most_x, mut most_n) = (0, 0);
        for group in (0..data.groups()).map(|group| data.group(group)) {
            most_x = most_x.max(group.frequency);
            most_n = most_n.max(group.opportunities);
        }
        Self {
            gamma,
            of_alpha: Rising::new(alpha, most_x),
            of_beta: Rising::new(beta, most_n),
            of_alpha_beta: Rising::new(alpha + beta, most_n),
            of_delta: Rising::new(delta, most_x),
            of_gamma_delta: Rising::new(gamma + delta, most_x),
        }
    }

    /// ln A, the same for all histories of the group, and ln(1 + eᵘ) of each.
    fn add_group(&self, group: &Group<'_>, sums: &mut Sums<4>) {
        let (x, n) = (group.frequency, group.opportunities);
        let takes = self.of_alpha.at[x];
        let misses = self.of_beta.at[n - x];
        let any = self.of_alpha_beta.at[n];
        let stays = self.of_delta.at[x];
        let end = self.of_gamma_delta.at[x];
        let customers: f64 = group.rows.iter().map(|(_, count)| exact(*count)).sum();
        sums.value += customers * (takes[0] + misses[0] - any[0] + (stays[0] - end[0]));
        let gradient = [
            takes[1] - any[1],
            misses[1] - any[1],
            -end[1],
            stays[1] - end[1],
        ];
        for (sum, slope) in sums.gradient.iter_mut().zip(gradient) {
            *sum += customers * slope;
        }
        let hessian = &mut sums.hessian;
        hessian[0][0] += customers * (takes[2] - any[2]);
        hessian[0][1] -= customers * any[2];
        hessian[1][1] += customers * (misses[2] - any[2]);
        hessian[2][2] -= customers * end[2];
        hessian[2][3] -= customers * end[2];
        hessian[3][3] += customers * (stays[2] - end[2]);
        if x > 0 {
            for (row, count) in group.rows {
                let last = usize::try_from(row.recency_age()).unwrap_or(n);
                self.add_left(x, last, n, exact(*count), sums);
            }
        }
    }

    /// ln(1 + eᵘ) of customers whose last purchase was at opportunity `t`. With s = eᵘ/(1 + eᵘ) its gradient is s ∇u, its
    /// Hessian s ∇²u + s (1−s) ∇u ∇uᵀ.
    fn add_left(&self, x: usize, t: usize, n: usize, customers: f64, sums: &mut Sums<4>) {
        let between = |of: &Rising, from: usize, to: usize| -> [f64; 3] {
            std::array::from_fn(|i| of.at[to][i] - of.at[from][i])
        };
        let any = between(&self.of_alpha_beta, t, n);
        let misses = between(&self.of_beta, t - x, n - x);
        let stays = between(&self.of_delta, x - 1, x);
        let u = any[0] - misses[0] + (self.gamma.ln() - stays[0]);
        let slope = [any[1], any[1] - misses[1], 1.0 / self.gamma, -stays[1]];
        // Neither exponential overflows.
        let small = (-u.abs()).exp();
        let parts: [f64; 2] = if u > 0.0 { [1.0, small] } else { [small, 1.0] };
        let [left, stayed] = parts.map(|part| part / (1.0 + small));
        sums.value += customers * (u.max(0.0) + small.ln_1p());
        let weight = customers * left;
        let spread = weight * stayed;
        for i in 0..4 {
            sums.gradient[i] += weight * slope[i];
            for j in i..4 {
                sums.hessian[i][j] += spread * slope[i] * slope[j];
            }
        }
        let hessian = &mut sums.hessian;
        hessian[0][0] += weight * any[2];
        hessian[0][1] += weight * any[2];
        hessian[1][1] += weight * (any[2] - misses[2]);
        hessian[2][2] -= weight / (self.gamma * self.gamma);
        hessian[3][3] -= weight * stays[2];
    }
}
