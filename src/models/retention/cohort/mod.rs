//! How many customers of a cohort will be active in the periods ahead, given what each of its customers did.
//!
//! Where leaving is seen, as under a contract, who is still there is active, and the shifted beta-geometric tells how many
//! will be. Where it is not, a customer without an order may have left or may be late; BG/BB has the same beta-geometric
//! lifetimes and tells the two apart by how often the customer used to order (Fader, Hardie & Shang 2010). By it customers
//! leave at any time; by [`BgBbAfterOrders`] only after an order. Who is active is seen, who is a customer still is not, so that
//! what the two say of that may differ by more than either leaves open, however many customers there are: the likelier of
//! them projects, and the limits of survival hold those of both ([`with_rival`]).

mod few;

use crate::btyd::bg_bb::{BgBb, BgBbAfterOrders, DiscreteSummary};
use crate::btyd::exact;
use crate::retention::RetentionModel;
use crate::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use crate::uncertainty::{Confidence, Estimated, Level, Spread};

/// Customers who began in the same period, by what they did in each period since: rows of a history and the number of
/// customers who have it. The period of the beginning is none of theirs.
pub type Cohort = [(DiscreteSummary, u64)];

/// What is expected of customers in one period ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ahead {
    /// Probability of being active: of ordering, or of having renewed.
    pub active: f64,
    /// Probability of still being a customer; at least `active`.
    pub alive: f64,
}

/// A model of customers who are active in a period or not.
pub trait CohortModel {
    /// The next `periods` after the observed time of a customer with this history.
    fn ahead(&self, periods: u64, customer: &DiscreteSummary) -> Vec<Ahead>;

    /// The share of new customers who are active in the `period`-th after that in which they began; 1 in the 0-th.
    fn active_share(&self, period: u64) -> f64;
}

impl CohortModel for BgBb {
    fn ahead(&self, periods: u64, customer: &DiscreteSummary) -> Vec<Ahead> {
        let ahead = |step: crate::btyd::bg_bb::Ahead| Ahead {
            active: step.buys,
            alive: step.alive,
        };
        BgBb::ahead(self, periods, customer).map(ahead).collect()
    }

    fn active_share(&self, period: u64) -> f64 {
        let [alpha, beta, gamma, delta] = self.parameters();
        let stays = |k: u64| (delta + exact(k)) / (gamma + delta + exact(k));
        match period {
            0 => 1.0,
            _ => alpha / (alpha + beta) * (0..period).map(stays).product::<f64>(),
        }
    }
}

impl CohortModel for BgBbAfterOrders {
    fn ahead(&self, periods: u64, customer: &DiscreteSummary) -> Vec<Ahead> {
        let ahead = |step: crate::btyd::bg_bb::Ahead| Ahead {
            active: step.buys,
            alive: step.alive,
        };
        let steps = BgBbAfterOrders::ahead(self, periods, customer);
        steps.into_iter().map(ahead).collect()
    }

    fn active_share(&self, period: u64) -> f64 {
        let steps = self.ahead_of_new_customer(period);
        steps.last().map_or(1.0, |step| step.buys)
    }
}

/// Who was active in the last observed period is still there; everybody else has left.
impl CohortModel for ShiftedBetaGeometric {
    fn ahead(&self, periods: u64, customer: &DiscreteSummary) -> Vec<Ahead> {
        let renewals = customer.opportunities();
        let is_there = customer.recency_age() == renewals;
        let share = |more: u64| {
            let alive = if is_there {
                self.survival_after(renewals, more)
            } else {
                0.0
            };
            Ahead {
                active: alive,
                alive,
            }
        };
        (1..=periods).map(share).collect()
    }

    fn active_share(&self, period: u64) -> f64 {
        self.survival(period)
    }
}

/// One period ahead of a cohort, as shares of its customers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projected {
    /// The share that will be active. The limits tell where the share itself will lie, not only what is expected of it.
    pub active: Estimated,
    /// The share that will still be customers, with limits likewise.
    pub alive: Estimated,
}

/// The next `periods` of a cohort after its observed time. Empty for a cohort of nobody.
///
/// The limits hold, on the logit scale, what the parameters leave open (by the delta method), that each customer is
/// active or not by chance, and for the active share that periods differ by more than chance: `period_variance` is the
/// variance of the logit between periods, as [`period_variance`] estimates it. Where fewer than thirty customers are
/// expected to be active, or not to be, limits are those of a count of them with the same mean and variance, and hold the
/// share at least as often as they say.
#[must_use]
pub fn project<M: CohortModel>(
    spread: &Spread<M>,
    cohort: &Cohort,
    periods: u64,
    period_variance: f64,
    level: &Level,
) -> Vec<Projected> {
    let Some(center) = Shares::of(&spread.center, cohort, periods) else {
        return Vec::new();
    };
    let mut errors = vec![[0.0; 2]; center.0.len()];
    for pair in &spread.pairs {
        let [up, down] = [&pair.up, &pair.down].map(|model| Shares::of(model, cohort, periods));
        let (Some(up), Some(down)) = (up, down) else {
            return Vec::new();
        };
        for ((errors, up), down) in errors.iter_mut().zip(&up.0).zip(&down.0) {
            for (i, error) in errors.iter_mut().enumerate() {
                let slope = (up[i].log_odds() - down[i].log_odds()) / (2.0 * pair.step);
                *error += slope * slope;
            }
        }
    }
    let customers = exact(cohort.iter().map(|(_, count)| count).sum());
    let estimated = |share: &Share, variance: f64| share.estimated(customers, variance, level);
    let projected =
        |([active, alive], [of_active, of_alive]): (&[Share; 2], &[f64; 2])| Projected {
            active: estimated(active, of_active + period_variance),
            alive: estimated(alive, *of_alive),
        };
    center.0.iter().zip(&errors).map(projected).collect()
}

/// What the chosen model projects, its limits of survival widened to hold those of a rival that explains the same histories.
/// Without limits of the chosen there are none; of a rival without limits its projection is held.
#[must_use]
pub fn with_rival(mut chosen: Vec<Projected>, rival: &[Projected]) -> Vec<Projected> {
    for (chosen, rival) in chosen.iter_mut().zip(rival) {
        let value = rival.alive.value;
        let [low, high] = match rival.alive.confidence {
            Some(confidence) => [confidence.low, confidence.high],
            None => [value, value],
        };
        if let Some(confidence) = chosen.alive.confidence.as_mut() {
            confidence.low = confidence.low.min(low);
            confidence.high = confidence.high.max(high);
        }
    }
    chosen
}

/// Active customers of one period over all cohorts, and how many were expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Customers who could have been active.
    pub customers: f64,
    /// Of these, those who were.
    pub active: f64,
    /// Of these, those who were expected to be.
    pub expected: f64,
}

/// The variance, beyond chance, of the logit of the active share about what was expected: what season, campaigns and the
/// model's own misfit make of single periods. The mean over periods of the square of the miss less its variance by
/// chance; 0 where that is negative or fewer than three periods tell anything.
#[must_use]
pub fn period_variance(periods: &[Period]) -> f64 {
    let misses: Vec<f64> = periods
        .iter()
        .filter(|period| {
            let inside = |count: f64| count > 0.0 && count < period.customers;
            inside(period.active) && inside(period.expected)
        })
        .map(|period| {
            let log_odds = |count: f64| (count / (period.customers - count)).ln();
            let miss = log_odds(period.active) - log_odds(period.expected);
            let share = period.expected / period.customers;
            miss * miss - 1.0 / (period.expected * (1.0 - share))
        })
        .collect();
    if misses.len() < LEAST_PERIODS {
        return 0.0;
    }
    (misses.iter().sum::<f64>() / exact(misses.len() as u64)).max(0.0)
}

/// Fewer periods say nothing about how periods differ.
const LEAST_PERIODS: usize = 3;

/// Active and alive of each period ahead.
struct Shares(Vec<[Share; 2]>);

/// The share of a cohort, and how it varies by chance.
#[derive(Clone, Copy, Default)]
struct Share {
    mean: f64,
    /// Variance of the share where each customer decides alone.
    variance: f64,
}

impl Shares {
    /// None for a cohort of nobody.
    fn of<M: CohortModel>(model: &M, cohort: &Cohort, periods: u64) -> Option<Self> {
        let customers = exact(cohort.iter().map(|(_, count)| count).sum());
        if customers == 0.0 {
            return None;
        }
        let length = usize::try_from(periods).unwrap_or(usize::MAX);
        let mut shares = vec![[Share::default(); 2]; length];
        for (history, count) in cohort {
            let weight = exact(*count) / customers;
            for (share, ahead) in shares.iter_mut().zip(model.ahead(periods, history)) {
                for (share, p) in share.iter_mut().zip([ahead.active, ahead.alive]) {
                    share.mean += weight * p;
                    share.variance += weight * p * (1.0 - p) / customers;
                }
            }
        }
        Some(Self(shares))
    }
}

impl Share {
    /// With limits, where the logit of what is expected has this variance.
    fn estimated(&self, customers: f64, variance: f64, level: &Level) -> Estimated {
        let mean = self.mean;
        // Nobody, or everybody, whatever the parameters.
        if !(mean > 0.0 && mean < 1.0) {
            return Estimated::certain(mean);
        }
        let error = (variance + self.chance()).sqrt();
        let estimated = Estimated::probability(mean, self.log_odds(), error, level);
        let slope = mean * (1.0 - mean);
        let of_share = variance * slope * slope + self.variance;
        match (
            estimated.confidence,
            few::limits(customers, mean, of_share, level.tail()),
        ) {
            (Some(confidence), Some([low, high])) => Estimated {
                confidence: Some(Confidence {
                    low: low.min(mean),
                    high: high.max(mean),
                    ..confidence
                }),
                ..estimated
            },
            _ => estimated,
        }
    }

    fn log_odds(&self) -> f64 {
        (self.mean / (1.0 - self.mean)).ln()
    }

    /// The variance of the logit that is chance.
    fn chance(&self) -> f64 {
        let slope = self.mean * (1.0 - self.mean);
        self.variance / (slope * slope)
    }
}
