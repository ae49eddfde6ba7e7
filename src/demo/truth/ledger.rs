//! What is counted while generating, and the truths that come of it.

use serde::Serialize;

use super::Tally;
use super::channels::{ChannelLedger, ChannelTruth};
use super::experience::{ExperienceLedger, ExperienceTruth};
use super::experiments::{ExperimentLedger, ExperimentTruth};
use super::ideal::{IdealCustomerTruth, IdealLedger};
use super::retention::{RetentionLedger, RetentionTruth};
use super::shopping::{NeedTruth, ReturnTruth, ShoppingLedger};
use crate::demo::channels::CHANNELS;

/// Everything that a chunk counts.
#[derive(Debug, Clone, Default)]
pub(in crate::demo) struct Ledger {
    pub(in crate::demo) tally: Tally,
    pub(in crate::demo) channels: ChannelLedger,
    pub(in crate::demo) retention: RetentionLedger,
    pub(in crate::demo) experience: ExperienceLedger,
    pub(in crate::demo) experiments: ExperimentLedger,
    pub(in crate::demo) shopping: ShoppingLedger,
    pub(in crate::demo) ideal: IdealLedger,
}

impl Ledger {
    /// Adds another chunk's. To be called in the order of the chunks.
    pub(in crate::demo) fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
        self.channels.add(&other.channels);
        self.retention.add(&other.retention);
        self.experience.add(&other.experience);
        self.experiments.add(&other.experiments);
        self.shopping.add(&other.shopping);
        self.ideal.add(&other.ideal);
    }

    /// `spend` of the ads by channel, in ten-thousandths of a euro.
    pub(in crate::demo) fn truths(&self, spend: &[i64; CHANNELS.len()], end_day: i32) -> Truths {
        Truths {
            channels: self.channels.truth(spend),
            retention: self.retention.truth(),
            experience: self.experience.truth(),
            experiments: self.experiments.truth(end_day),
            needs: self.shopping.needs(),
            returns: self.shopping.returns(),
            ideal_customer: self.ideal.truth(),
        }
    }
}

/// What is true of a whole company besides its parameters, each in a file of its own beside
/// [`super::PARAMETERS_PATH`]. A company of orders alone has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Truths {
    /// `truth/channels.json`.
    pub channels: Vec<ChannelTruth>,
    /// `truth/retention.json`.
    pub retention: Vec<RetentionTruth>,
    /// `truth/experience.json`.
    pub experience: ExperienceTruth,
    /// `truth/experiments.json`.
    pub experiments: Vec<ExperimentTruth>,
    /// `truth/needs.json`.
    pub needs: Vec<NeedTruth>,
    /// `truth/returns.json`.
    pub returns: Vec<ReturnTruth>,
    /// `truth/ideal_customer.json`.
    pub ideal_customer: IdealCustomerTruth,
}

impl Truths {
    /// The files, by path below the company's prefix.
    pub(in crate::demo) fn to_json(&self) -> serde_json::Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![
            ("truth/channels.json", json(&self.channels)?),
            ("truth/retention.json", json(&self.retention)?),
            ("truth/experience.json", json(&self.experience)?),
            ("truth/experiments.json", json(&self.experiments)?),
            ("truth/needs.json", json(&self.needs)?),
            ("truth/returns.json", json(&self.returns)?),
            ("truth/ideal_customer.json", json(&self.ideal_customer)?),
        ])
    }
}

fn json<T: Serialize>(of: &T) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(of)?;
    bytes.push(b'\n');
    Ok(bytes)
}
