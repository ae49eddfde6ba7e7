//! What the campaigns' arms truly do: `truth/experiments.json`.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure, add_each};
use crate::demo::experiments::{ARMS, EXPERIMENTS, RESPONSE_DAYS};
use crate::demo::text::date;

/// An arm of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmTruth {
    /// The arm.
    pub arm: String,
    /// Whether it was held back.
    pub is_control: bool,
    /// Its share of the audience.
    pub share: Figure,
    /// Customers in it.
    pub contacts: u64,
    /// Those who bought within the response days.
    pub converted: u64,
    /// Their share.
    pub purchase_rate: Figure,
    /// How much higher the rate is than in the control; none for the control itself.
    pub lift: Option<Figure>,
    /// What its contacts cost, in cents.
    pub cost_cents: i64,
}

/// A campaign whose audience was put into arms at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperimentTruth {
    /// The campaign.
    pub campaign_id: String,
    /// The day of the contact.
    pub contacted_on: NaiveDate,
    /// Purchases count on this many days, that of the contact included.
    pub response_days: i32,
    /// The arms, the control first.
    pub arms: Vec<ArmTruth>,
}

/// What was counted of one arm.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    share: Draws,
    rate: Draws,
    converted: u64,
    cost_cents: i64,
}

/// What was counted of the experiments.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct ExperimentLedger {
    arms: [[Counts; ARMS]; EXPERIMENTS.len()],
    /// Over each audience: π(1 − π).
    uncertainty: [Draws; EXPERIMENTS.len()],
}

impl ExperimentLedger {
    /// Somebody who would have bought with probability `rate` was put into `arm`, and bought or not.
    pub(in crate::demo) fn contact(
        &mut self,
        experiment: usize,
        arm: usize,
        rate: f64,
        has_bought: bool,
    ) {
        let of = &EXPERIMENTS[experiment];
        let arms = self.arms[experiment].iter_mut().zip(&of.arms);
        for (index, (counts, of)) in arms.enumerate() {
            counts.share.chance(of.weight, index == arm);
        }
        let counts = &mut self.arms[experiment][arm];
        counts.rate.chance(of.rate_in(arm, rate), has_bought);
        counts.converted += u64::from(has_bought);
        counts.cost_cents += of.arms[arm].cost_cents;
        self.uncertainty[experiment].value(rate * (1.0 - rate), 0.0, 0.0);
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        for (arms, others) in self.arms.iter_mut().zip(&other.arms) {
            for (counts, other) in arms.iter_mut().zip(others) {
                counts.share.add(&other.share);
                counts.rate.add(&other.rate);
                counts.converted += other.converted;
                counts.cost_cents += other.cost_cents;
            }
        }
        add_each(&mut self.uncertainty, &other.uncertainty);
    }

    pub(in crate::demo) fn truth(&self, end_day: i32) -> Vec<ExperimentTruth> {
        let rows = EXPERIMENTS.iter().zip(&self.arms).zip(&self.uncertainty);
        rows.map(|((experiment, counts), uncertainty)| {
            let scale = uncertainty.figure().truth;
            let arms = experiment.arms.iter().zip(counts).enumerate();
            let arms = arms.map(|(index, (arm, counted))| ArmTruth {
                arm: arm.name.to_owned(),
                is_control: index == 0,
                share: counted.share.figure(),
                contacts: counted.rate.count,
                converted: counted.converted,
                purchase_rate: counted.rate.figure(),
                lift: (index > 0).then(|| counted.rate.above(&counts[0].rate, arm.effect * scale)),
                cost_cents: counted.cost_cents,
            });
            ExperimentTruth {
                campaign_id: experiment.id.to_owned(),
                contacted_on: date(end_day - experiment.days_before_end),
                response_days: RESPONSE_DAYS,
                arms: arms.collect(),
            }
        })
        .collect()
    }
}
