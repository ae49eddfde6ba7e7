//! What each marketing channel is truly worth: `truth/channels.json`.

use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure};
use super::{BgNbdTruth, GammaGammaTruth};
use crate::demo::channels::{CHANNELS, qualities};
use crate::demo::process::Traits;

/// A channel's customers, and what they cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelTruth {
    /// The channel, as CRM, web analytics, campaigns and ads all call it.
    pub channel: String,
    /// Customers whom it brought.
    pub customers: u64,
    /// Those of them whose CRM row is kept: what acquisition can be seen of.
    pub customers_in_crm: u64,
    /// Their orders.
    pub orders: u64,
    /// The orders' value in ten-thousandths of a euro.
    pub revenue_ten_thousandths: i64,
    /// What its ads cost, in ten-thousandths of a euro.
    pub spend_ten_thousandths: i64,
    /// Its share of all customers.
    pub share: Figure,
    /// The mean of its customers' `mean_spend` a purchase day in major units, which is independent of how often
    /// they buy.
    pub mean_spend: Figure,
    /// The mean of its customers' probability of leaving after a purchase.
    pub dropout_probability: Figure,
    /// Ad spend a customer, in euros: what was planned, and what it came to.
    pub cost_per_customer: Figure,
    /// The share of visitors with the first visit by this channel who became customers; none for a channel without
    /// visits.
    pub conversion: Option<Figure>,
}

/// What was counted of the channels.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct ChannelLedger {
    channels: [Counts; CHANNELS.len()],
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    customers: u64,
    customers_in_crm: u64,
    orders: u64,
    revenue: i64,
    mean_spend: f64,
    dropout: f64,
    visits: Draws,
}

impl ChannelLedger {
    pub(in crate::demo) fn customer(
        &mut self,
        traits: &Traits,
        is_in_crm: bool,
        orders: u64,
        revenue_ten_thousandths: i64,
        visitors_in_vain: u64,
    ) {
        let channel = usize::from(traits.channel);
        let counts = &mut self.channels[channel];
        counts.customers += 1;
        counts.customers_in_crm += u64::from(is_in_crm);
        counts.orders += orders;
        counts.revenue += revenue_ten_thousandths;
        counts.mean_spend += traits.mean_spend;
        counts.dropout += traits.dropout_probability;
        if let Some(conversion) = CHANNELS[channel].conversion {
            counts.visits.chance(conversion, true);
            for _ in 0..visitors_in_vain {
                counts.visits.chance(conversion, false);
            }
        }
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        for (counts, other) in self.channels.iter_mut().zip(&other.channels) {
            counts.customers += other.customers;
            counts.customers_in_crm += other.customers_in_crm;
            counts.orders += other.orders;
            counts.revenue += other.revenue;
            counts.mean_spend += other.mean_spend;
            counts.dropout += other.dropout;
            counts.visits.add(&other.visits);
        }
    }

    /// `spend` in ten-thousandths of a euro, by channel.
    pub(in crate::demo) fn truth(&self, spend: &[i64; CHANNELS.len()]) -> Vec<ChannelTruth> {
        let qualities = qualities(&BgNbdTruth::DEFAULT, &GammaGammaTruth::DEFAULT);
        let all: u64 = self.channels.iter().map(|counts| counts.customers).sum();
        let rows = CHANNELS
            .iter()
            .zip(&self.channels)
            .zip(qualities)
            .zip(spend);
        rows.map(|(((channel, counts), quality), spend)| {
            let count = counts.customers.max(1) as f64;
            let of_all = all.max(1) as f64;
            let mean = |(mean, variance): (f64, f64), sum: f64| Figure {
                truth: mean,
                counted: sum / count,
                tolerance: 4.0 * (variance / count).sqrt(),
                count: counts.customers,
            };
            let cost = channel.cost_cents as f64 / 100.0;
            let share = quality.share;
            ChannelTruth {
                channel: channel.name.to_owned(),
                customers: counts.customers,
                customers_in_crm: counts.customers_in_crm,
                orders: counts.orders,
                revenue_ten_thousandths: counts.revenue,
                spend_ten_thousandths: *spend,
                share: Figure {
                    truth: share,
                    counted: counts.customers as f64 / of_all,
                    tolerance: 4.0 * (share * (1.0 - share) / of_all).sqrt(),
                    count: all,
                },
                mean_spend: mean(quality.mean_spend, counts.mean_spend),
                dropout_probability: mean(quality.dropout, counts.dropout),
                // Money is spent for those who are expected; how many come is binomial, and a tenth of that is for
                // the noise of the days.
                cost_per_customer: Figure {
                    truth: cost,
                    counted: *spend as f64 / 10_000.0 / count,
                    tolerance: 4.4 * cost * ((1.0 - share) / count).sqrt() + cost * 0.01,
                    count: counts.customers,
                },
                conversion: channel.conversion.map(|_| counts.visits.figure()),
            }
        })
        .collect()
    }
}
