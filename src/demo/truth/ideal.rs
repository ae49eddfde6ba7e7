//! What sets customers of high value apart: `truth/ideal_customer.json`.

use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure, add_each};
use crate::demo::catalogue::{CATEGORIES, IDEAL_FIRST_CATEGORY};
use crate::demo::persona::{
    DEVICES, HIGH_VALUE_CENTS, IDEAL_CATEGORY, IDEAL_DEVICE, IDEAL_REGION, Ideal, PLACES, Persona,
};

/// A trait that customers of high value have more often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdealTraitTruth {
    /// `region`, `first_category` or `first_device`.
    #[serde(rename = "trait")]
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its share among customers of high value.
    pub share_of_high_value: Figure,
    /// Its share among all others.
    pub share_of_others: Figure,
    /// How many times as large the one is as the other.
    pub lift: Figure,
}

/// The content of `truth/ideal_customer.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdealCustomerTruth {
    /// The value of all purchases, in cents, from which on a customer is of high value.
    pub high_value_from_cents: i64,
    /// Customers of high value; about a fifth. Whoever takes exactly a fifth, or takes off returns, has a few
    /// others at the edge, who make lifts lower by a hundredth or two.
    pub high_value_customers: u64,
    /// All others.
    pub other_customers: u64,
    /// What sets them apart.
    pub traits: Vec<IdealTraitTruth>,
    /// What does not: its lift is 1. Channels do set them apart; see `truth/channels.json`.
    pub unrelated: Vec<String>,
}

const TRAITS: [Ideal; 3] = [IDEAL_REGION, IDEAL_CATEGORY, IDEAL_DEVICE];

/// What was counted of the ideal customer.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct IdealLedger {
    high: [Draws; TRAITS.len()],
    others: [Draws; TRAITS.len()],
}

impl IdealLedger {
    pub(in crate::demo) fn customer(&mut self, persona: &Persona) {
        let has = [
            persona.profile.place == 0,
            persona.taste.first_category == IDEAL_FIRST_CATEGORY,
            persona.profile.device == 0,
        ];
        let draws = if persona.is_high_value {
            &mut self.high
        } else {
            &mut self.others
        };
        for ((draws, of), has) in draws.iter_mut().zip(TRAITS).zip(has) {
            draws.chance(of.share(persona.is_high_value), has);
        }
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        add_each(&mut self.high, &other.high);
        add_each(&mut self.others, &other.others);
    }

    pub(in crate::demo) fn truth(&self) -> IdealCustomerTruth {
        let named = [
            ("region", PLACES[0].region),
            ("first_category", CATEGORIES[IDEAL_FIRST_CATEGORY].name),
            ("first_device", DEVICES[0]),
        ];
        let rows = named.into_iter().enumerate();
        let traits = rows.map(|(at, (name, value))| IdealTraitTruth {
            name: name.to_owned(),
            value: value.to_owned(),
            share_of_high_value: self.high[at].figure(),
            share_of_others: self.others[at].figure(),
            lift: self.high[at].times(&self.others[at]),
        });
        IdealCustomerTruth {
            high_value_from_cents: HIGH_VALUE_CENTS,
            high_value_customers: self.high[0].count,
            other_customers: self.others[0].count,
            traits: traits.collect(),
            unrelated: ["gender", "household_size", "income_band", "weekday", "hour"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}
