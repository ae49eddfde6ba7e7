//! Campaigns whose audience is put into arms at random, and what the arms do.
//!
//! An arm must change who buys within [`RESPONSE_DAYS`], and must not change the purchase process, or its
//! parameters would no longer be the truth. Both hold when arms are drawn *after* the purchases, with Bayes' rule.
//! Let a customer buy in the response days with probability π by the process alone, and let arm k make that π + δₖ
//! π (1 − π), where the δ of the arms average to 0 by their weights w. Then
//!
//! ```text
//! P(arm k | bought)        = wₖ (1 + δₖ (1 − π))
//! P(arm k | did not buy)   = wₖ (1 − δₖ π)
//! ```
//!
//! and the joint distribution of arm and purchase is exactly that of a customer who was put into an arm by lot and
//! then reacted to it: P(arm k) is wₖ whatever the customer's history, so that the arms are balanced, and the rate
//! in arm k is π + δₖ π (1 − π). Over all arms the purchases are those of the process. What is known of π: λ, and
//! whether the customer had left by then, so π = 1 − e^(−λ · days) or 0.

use rand::{Rng, RngCore};

use super::channels::pick;
use super::persona::Persona;
use super::process::{Purchase, Traits};

/// Purchases of the day of the contact and of the days after it count as responses: so many days.
pub(super) const RESPONSE_DAYS: i32 = 30;

/// Arms of every experiment, the control first.
pub(super) const ARMS: usize = 3;

/// An arm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arm {
    pub(super) name: &'static str,
    pub(super) weight: f64,
    /// How much δ is above the control's: the lift in units of π (1 − π).
    pub(super) effect: f64,
    pub(super) coupon: Option<&'static str>,
    pub(super) cost_cents: i64,
}

/// A campaign with arms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Experiment {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) objective: &'static str,
    /// The marketing channel of its contacts.
    pub(super) channel: &'static str,
    /// The contact is made this many days before the history ends.
    pub(super) days_before_end: i32,
    pub(super) arms: [Arm; ARMS],
}

const fn arm(
    name: &'static str,
    weight: f64,
    effect: f64,
    coupon: Option<&'static str>,
    cost_cents: i64,
) -> Arm {
    Arm {
        name,
        weight,
        effect,
        coupon,
        cost_cents,
    }
}

/// Every experiment. The windows of response do not overlap. The third does nothing at all.
pub(super) const EXPERIMENTS: [Experiment; 4] = [
    Experiment {
        id: "EXP-WINBACK",
        name: "We miss you",
        kind: "win-back",
        objective: "Another order within 30 days",
        channel: "post",
        days_before_end: 330,
        arms: [
            arm("control", 0.2, 0.0, None, 0),
            arm("letter", 0.4, 0.15, None, 85),
            arm("letter_voucher", 0.4, 0.55, Some("BACK10"), 95),
        ],
    },
    Experiment {
        id: "EXP-SPRING",
        name: "Spring is here",
        kind: "retention",
        objective: "Another order within 30 days",
        channel: "email",
        days_before_end: 240,
        arms: [
            arm("control", 0.2, 0.0, None, 0),
            arm("voucher_5", 0.4, 0.30, Some("SPRING5"), 3),
            arm("voucher_10", 0.4, 0.60, Some("SPRING10"), 3),
        ],
    },
    Experiment {
        id: "EXP-SUBJECT",
        name: "News of the month",
        kind: "retention",
        objective: "Another order within 30 days",
        channel: "email",
        days_before_end: 150,
        arms: [
            arm("control", 0.2, 0.0, None, 0),
            arm("subject_a", 0.4, 0.0, None, 2),
            arm("subject_b", 0.4, 0.0, None, 2),
        ],
    },
    Experiment {
        id: "EXP-AUTUMN",
        name: "Autumn box",
        kind: "retention",
        objective: "Another order within 30 days",
        channel: "email",
        days_before_end: 60,
        arms: [
            arm("control", 0.3, 0.0, None, 0),
            arm("message", 0.35, 0.20, None, 2),
            arm("voucher_10", 0.35, 0.50, Some("AUTUMN10"), 3),
        ],
    },
];

/// The probability that whoever buys and has a coupon uses it.
const REDEMPTION: f64 = 0.6;

impl Experiment {
    /// δ of an arm: effects less their mean by weight.
    fn delta(&self, arm: usize) -> f64 {
        let mean: f64 = self.arms.iter().map(|arm| arm.weight * arm.effect).sum();
        self.arms[arm].effect - mean
    }

    /// The probability of buying in an arm, for somebody who buys with probability `rate` over all arms.
    pub(super) fn rate_in(&self, arm: usize, rate: f64) -> f64 {
        rate + self.delta(arm) * rate * (1.0 - rate)
    }

    /// Draws an arm for somebody who bought or did not.
    fn draw(&self, rate: f64, has_bought: bool, uniform: f64) -> usize {
        let towards = if has_bought { 1.0 - rate } else { -rate };
        let shares: [f64; ARMS] =
            std::array::from_fn(|arm| self.arms[arm].weight * (1.0 + self.delta(arm) * towards));
        pick(&shares, uniform)
    }
}

/// A customer's part in an experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assignment {
    /// Index into [`EXPERIMENTS`].
    pub(super) experiment: usize,
    pub(super) arm: usize,
    pub(super) day: i32,
    /// π.
    pub(super) rate: f64,
    /// The first purchase of the response days, by index.
    pub(super) purchase: Option<usize>,
    /// Whether its first order uses the coupon of the arm.
    pub(super) is_redeemed: bool,
}

impl Assignment {
    pub(super) fn of(&self) -> &'static Experiment {
        &EXPERIMENTS[self.experiment]
    }

    pub(super) fn arm(&self) -> &'static Arm {
        &self.of().arms[self.arm]
    }

    pub(super) const fn is_control(&self) -> bool {
        self.arm == 0
    }
}

/// Puts a customer into the arms of the experiments whose audience they belong to: customers before the day of the
/// contact, who agreed to marketing.
pub(super) fn assign(
    traits: &Traits,
    persona: &Persona,
    purchases: &[Purchase],
    end_day: i32,
    random: &mut impl RngCore,
    assignments: &mut Vec<Assignment>,
) {
    assignments.clear();
    if !persona.profile.has_consent() {
        return;
    }
    for (experiment, of) in EXPERIMENTS.iter().enumerate() {
        let day = end_day - of.days_before_end;
        if traits.first_day >= day {
            continue;
        }
        let from = purchases.partition_point(|purchase| purchase.day < day);
        let is_there = traits.is_alive || from < purchases.len();
        let rate = if is_there {
            1.0 - (-traits.rate * f64::from(RESPONSE_DAYS)).exp()
        } else {
            0.0
        };
        let bought = |purchase: &Purchase| purchase.day < day + RESPONSE_DAYS;
        let purchase = purchases.get(from).is_some_and(bought).then_some(from);
        let arm = of.draw(rate, purchase.is_some(), random.random());
        let redeems = random.random::<f64>() < REDEMPTION;
        assignments.push(Assignment {
            experiment,
            arm,
            day,
            rate,
            purchase,
            is_redeemed: redeems && purchase.is_some() && of.arms[arm].coupon.is_some(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_have_their_weights_whoever_comes_and_their_rates() {
        for experiment in &EXPERIMENTS {
            let weights: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
            assert!((weights - 1.0).abs() < 1e-12);
            for rate in [0.0, 0.01, 0.3, 0.7, 0.99, 1.0] {
                for arm in 0..ARMS {
                    let weight = experiment.arms[arm].weight;
                    let delta = experiment.delta(arm);
                    let given_bought = weight * (1.0 + delta * (1.0 - rate));
                    let given_not = weight * (1.0 - delta * rate);
                    assert!(
                        (0.0..=1.0).contains(&given_bought) && (0.0..=1.0).contains(&given_not)
                    );
                    let marginal = rate * given_bought + (1.0 - rate) * given_not;
                    assert!((marginal - weight).abs() < 1e-12);
                    let in_arm = rate * given_bought / weight;
                    assert!((in_arm - experiment.rate_in(arm, rate)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn windows_of_response_do_not_overlap_and_end_in_time() {
        let starts: Vec<i32> = EXPERIMENTS.iter().map(|of| of.days_before_end).collect();
        assert!(
            starts
                .windows(2)
                .all(|pair| pair[0] - pair[1] >= RESPONSE_DAYS)
        );
        assert!(starts.iter().all(|start| *start >= RESPONSE_DAYS));
    }
}
