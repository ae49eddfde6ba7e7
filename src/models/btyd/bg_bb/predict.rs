//! Predictions from known parameters.
//!
//! A customer who is alive at the n-th opportunity has p ~ Beta(A, B) and θ ~ Beta(γ, D), with A = α+x, B = β+n−x and
//! D = δ+n. Every prediction is P(alive) and what lies ahead of who is alive, in sums of positive terms. The closed forms
//! of the paper, differences divided by γ − 1, are tested to be equal.

use super::BgBb;
use super::likelihood::{of_customer, q_and_alive};
use super::summaries::DiscreteSummary;
use crate::btyd::exact;
use crate::quadrature::beta_expectation;

/// One opportunity of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// Probability of still being a customer then, as [`BgBb::probability_alive_after`].
    pub alive: f64,
    /// Probability of a purchase then; at most `alive`.
    pub buys: f64,
}

impl BgBb {
    /// The logarithm of the probability of one customer's history (Fader, Hardie & Shang 2010): of one
    /// arrangement of the purchases before the last one, not of all that have the same frequency and recency.
    #[must_use]
    pub fn log_likelihood(&self, customer: &DiscreteSummary) -> f64 {
        of_customer(self, customer)
    }

    /// Probability that the customer is still one at the n-th opportunity, the end of the observed time; in [0, 1], and
    /// 1 after a purchase there. The paper's P(alive) is [`BgBb::probability_alive_after`] one opportunity.
    #[must_use]
    pub fn probability_alive(&self, customer: &DiscreteSummary) -> f64 {
        q_and_alive(self, customer).1
    }

    /// Probability that the customer is still one `opportunities` after the observed time; at 1 the P(alive at n + 1) of
    /// the paper. Takes a step an opportunity.
    #[must_use]
    pub fn probability_alive_after(&self, opportunities: u64, customer: &DiscreteSummary) -> f64 {
        let alive = self.alive_at(customer.frequency(), customer.opportunities());
        self.probability_alive(customer) * alive.stays(opportunities)
    }

    /// The next `opportunities` after the observed time, in their order. As often asked for one by one, but in a step each.
    pub fn ahead(
        &self,
        opportunities: u64,
        customer: &DiscreteSummary,
    ) -> impl Iterator<Item = Ahead> {
        let known = self.alive_at(customer.frequency(), customer.opportunities());
        let mut alive = self.probability_alive(customer);
        (0..opportunities).map(move |k| {
            alive *= known.stays_at(exact(k));
            Ahead {
                alive,
                buys: alive * known.probability_of_purchase(),
            }
        })
    }

    /// Purchases expected in the next `opportunities` after the observed time, given the history (Fader, Hardie & Shang
    /// 2010, equation 13); 0 at 0, and non-decreasing.
    #[must_use]
    pub fn expected_purchases(&self, opportunities: u64, customer: &DiscreteSummary) -> f64 {
        let alive = self.alive_at(customer.frequency(), customer.opportunities());
        self.probability_alive(customer) * alive.purchases(opportunities)
    }

    /// Expected repeat purchases of a new customer in the `opportunities` after the first purchase (Fader, Hardie & Shang
    /// 2010); 0 at 0, and non-decreasing.
    #[must_use]
    pub fn expected_purchases_new_customer(&self, opportunities: u64) -> f64 {
        self.alive_at(0, 0).purchases(opportunities)
    }

    /// The distribution of the number of purchases in the next `opportunities` after the observed time, given the
    /// history: `probabilities[k]` becomes that of exactly k. Takes `opportunities` times `probabilities.len()` steps.
    pub fn distribution(
        &self,
        opportunities: u64,
        customer: &DiscreteSummary,
        probabilities: &mut [f64],
    ) {
        let alive = self.alive_at(customer.frequency(), customer.opportunities());
        alive.distribution(opportunities, probabilities);
        let still = self.probability_alive(customer);
        for probability in probabilities.iter_mut() {
            *probability *= still;
        }
        if let Some(none) = probabilities.first_mut() {
            *none += 1.0 - still;
        }
    }

    /// The distribution of the number of repeat purchases of a new customer in the `opportunities` after the first
    /// purchase: `probabilities[k]` becomes that of exactly k (Fader, Hardie & Shang 2010, equation 7).
    pub fn distribution_new_customer(&self, opportunities: u64, probabilities: &mut [f64]) {
        self.alive_at(0, 0)
            .distribution(opportunities, probabilities);
    }

    /// Discounted expected residual transactions (DERT): all purchases ever after the observed time, the i-th opportunity
    /// from now counting (1 + `rate`)^(−i), `rate` a period (Fader, Hardie & Shang 2010). NaN unless the
    /// rate is positive and finite.
    #[must_use]
    pub fn discounted_expected_residual_transactions(
        &self,
        rate: f64,
        customer: &DiscreteSummary,
    ) -> f64 {
        if !(rate.is_finite() && rate > 0.0) {
            return f64::NAN;
        }
        let alive = self.alive_at(customer.frequency(), customer.opportunities());
        self.probability_alive(customer) * alive.discounted(rate)
    }

    /// The tracking curve: cumulative repeat purchases expected by the end of each of the periods `times`, of customers
    /// whose first purchase was in one of `births` (period and number of customers), summed in their order. Each period
    /// after that of the first purchase is an opportunity.
    #[must_use]
    pub fn tracking(&self, births: &[(u64, u64)], times: &[u64]) -> Vec<f64> {
        let first = births.iter().map(|(birth, _)| *birth).min().unwrap_or(0);
        let last = times.iter().copied().max().unwrap_or(0);
        let table = self.alive_at(0, 0).cumulative(last.saturating_sub(first));
        let expected = |opportunities: u64| {
            usize::try_from(opportunities)
                .ok()
                .and_then(|position| table.get(position).copied())
                .unwrap_or_else(|| self.expected_purchases_new_customer(opportunities))
        };
        let by = |time: u64| {
            let cohorts = births.iter().filter(|(birth, _)| *birth < time);
            cohorts
                .map(|(birth, customers)| exact(*customers) * expected(time - birth))
                .sum()
        };
        times.iter().map(|time| by(*time)).collect()
    }

    fn alive_at(&self, frequency: u64, opportunities: u64) -> Alive {
        let (x, n) = (exact(frequency), exact(opportunities));
        Alive {
            a: self.alpha + x,
            b: self.beta + (n - x),
            gamma: self.gamma,
            d: self.delta + n,
        }
    }
}

/// What is known of p ~ Beta(a, b) and θ ~ Beta(γ, d) of a customer who is alive.
#[derive(Clone, Copy)]
struct Alive {
    a: f64,
    b: f64,
    gamma: f64,
    d: f64,
}

/// Past this many terms the integral over θ is cheaper than the sum.
const SUM_MAX_TERMS: u64 = 1 << 16;
/// What is left of a sum no longer counts below this part of it.
const NEGLIGIBLE: f64 = 0.25 * f64::EPSILON;

impl Alive {
    fn probability_of_purchase(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// That who made it to k opportunities from now makes it to the next one.
    fn stays_at(&self, k: f64) -> f64 {
        (self.d + k) / (self.gamma + self.d + k)
    }

    /// E (1−θ)ᵐ = (D)ₘ/(γ+D)ₘ.
    fn stays(&self, opportunities: u64) -> f64 {
        let mut product = 1.0;
        for k in 0..opportunities {
            product *= self.stays_at(exact(k));
            if product == 0.0 {
                break;
            }
        }
        product
    }

    /// E p · Σᵢ₌₁ᵐ E (1−θ)ⁱ.
    fn purchases(&self, opportunities: u64) -> f64 {
        if opportunities > SUM_MAX_TERMS {
            return self.purchases_far_ahead(exact(opportunities));
        }
        let (mut product, mut sum) = (1.0, 0.0);
        for k in 0..opportunities {
            product *= self.stays_at(exact(k));
            sum += product;
            if product * exact(opportunities - k) < NEGLIGIBLE * sum {
                break;
            }
        }
        self.probability_of_purchase() * sum
    }

    /// E p · E (1−θ) (1 − (1−θ)ᵐ)/θ.
    fn purchases_far_ahead(&self, opportunities: f64) -> f64 {
        let sum = beta_expectation(self.gamma, self.d, |theta, stay| {
            if theta * opportunities < 1e-17 {
                return opportunities;
            }
            stay * -(opportunities * (-theta).ln_1p()).exp_m1() / theta
        });
        // No opportunity counts more than once; quadrature may miss it in the last digits.
        self.probability_of_purchase() * sum.min(opportunities)
    }

    /// The expected purchases by each number of opportunities up to `most`, as far as sums are worth it.
    fn cumulative(&self, most: u64) -> Vec<f64> {
        let (mut product, mut sum) = (1.0, 0.0);
        let mut table = vec![0.0];
        for k in 0..most.min(SUM_MAX_TERMS) {
            product *= self.stays_at(exact(k));
            sum += product;
            table.push(self.probability_of_purchase() * sum);
        }
        table
    }

    /// E p · Σᵢ E (1−θ)ⁱ (1+d)⁻ⁱ, as a sum where it falls fast, else as E p · E (1−θ)/(d+θ).
    fn discounted(&self, rate: f64) -> f64 {
        let discount = 1.0 / (1.0 + rate);
        let (mut product, mut sum) = (1.0, 0.0);
        for k in 0..SUM_MAX_TERMS {
            product *= self.stays_at(exact(k)) * discount;
            sum += product;
            // The rest is at most a geometric series.
            if product < NEGLIGIBLE * rate * sum {
                return self.probability_of_purchase() * sum;
            }
        }
        let sum = beta_expectation(self.gamma, self.d, |theta, stay| stay / (rate + theta));
        self.probability_of_purchase() * sum
    }

    /// Who leaves after j more opportunities, or not within them, takes k of them with the beta-binomial probability of
    /// k in j; that follows from j − 1 by Pólya's urn.
    fn distribution(&self, opportunities: u64, probabilities: &mut [f64]) {
        let Self { a, b, .. } = *self;
        probabilities.fill(0.0);
        let mut taken = vec![0.0; probabilities.len()];
        if let Some(none) = taken.first_mut() {
            *none = 1.0;
        }
        let mut reached = 1.0;
        for j in 0..opportunities {
            let step = exact(j);
            let end = self.gamma + self.d + step;
            let left = reached * (self.gamma / end);
            reached *= (self.d + step) / end;
            add(left, &taken, j, probabilities);
            let urn = a + b + step;
            let most = usize::try_from(j + 1).unwrap_or(usize::MAX);
            for k in (0..taken.len().min(most.saturating_add(1))).rev() {
                let count = exact(k as u64);
                let missed = if count > step {
                    0.0
                } else {
                    taken[k] * ((b + (step - count)) / urn)
                };
                let bought = match k {
                    0 => 0.0,
                    _ => taken[k - 1] * ((a + (count - 1.0)) / urn),
                };
                taken[k] = missed + bought;
            }
            // Nobody is left to change anything.
            if reached == 0.0 {
                return;
            }
        }
        add(reached, &taken, opportunities, probabilities);
    }
}

/// Adds `weight` times the distribution over 0 to `most` purchases.
fn add(weight: f64, taken: &[f64], most: u64, probabilities: &mut [f64]) {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    for (probability, taken) in probabilities
        .iter_mut()
        .zip(taken)
        .take(most.saturating_add(1))
    {
        *probability += weight * taken;
    }
}
