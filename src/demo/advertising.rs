//! The ads system's export: what was spent a day and campaign, and the campaigns that run all the time.
//!
//! Money is spent for the customers that are expected, not for those who come: a campaign's spend of a day is the
//! channel's planned cost times half the customers that the day and the channel should bring, give or take a fifth.
//! Rows are in the currency of the platform.

use std::collections::BTreeMap;

use chrono::Datelike;
use rand::{Rng, RngCore};

use super::Object;
use super::channels::{CHANNELS, qualities};
use super::currencies::{Currency, Rates};
use super::dirt::Dirt;
use super::process::WINDOW_DAYS;
use super::text::{date, push, push_cents, push_iso_date};
use super::truth::{BgNbdTruth, GammaGammaTruth, Tally};

/// The raw tables' names.
const SPEND: &str = "ads.spend";
const CAMPAIGNS: &str = "ads.campaigns";

/// One in so many rows is followed by one that does not fit.
const FAULT_EVERY: u64 = 300;

/// What a thousand views and a click cost, in cents: for plausible numbers of them.
const VIEW_CENTS: i64 = 600;
const CLICK_CENTS: i64 = 45;

/// The objects, and what was spent by channel in ten-thousandths of a euro.
pub(super) fn export(
    customers: u64,
    end_day: i32,
    dirty: bool,
    rates: &Rates,
    tally: &mut Tally,
    random: &mut impl RngCore,
) -> (Vec<Object>, [i64; CHANNELS.len()]) {
    let mut spent = [0; CHANNELS.len()];
    let mut years = BTreeMap::<i32, Vec<u8>>::new();
    let shares = qualities(&BgNbdTruth::DEFAULT, &GammaGammaTruth::DEFAULT);
    let mut rows = 0;
    for age in (1..WINDOW_DAYS).rev() {
        let day = end_day - 1 - age;
        let out = years.entry(date(day).year()).or_insert_with(|| {
            b"day,platform,campaign_id,cost,currency,impressions,clicks\n".to_vec()
        });
        let expected = customers as f64 * share_of_day(age);
        for ((channel, quality), spent) in CHANNELS.iter().zip(&shares).zip(&mut spent) {
            for (campaign, _) in channel.campaigns {
                let give_or_take = random.random_range(0.8..1.2);
                let euro_cents =
                    expected * quality.share / 2.0 * channel.cost_cents as f64 * give_or_take;
                let currency = Currency::of(channel.currency);
                let cents = rates.in_currency(currency, day, euro_cents.round() as i64);
                *spent += rates.to_euro(currency, day, cents);
                push_iso_date(out, day);
                push!(out, ",{},{campaign},", channel.platform);
                push_cents(out, cents);
                let (views, clicks) = (cents * 1_000 / VIEW_CENTS, cents / CLICK_CENTS);
                push!(out, ",{},{views},{clicks}\n", channel.currency);
                tally.count_rows(SPEND, 1);
                rows += 1;
                if dirty && rows % FAULT_EVERY == 0 {
                    let fault = fault(out, day, rows / FAULT_EVERY);
                    tally.count_fault(SPEND, fault);
                }
            }
        }
    }
    let mut objects: Vec<Object> = years
        .into_iter()
        .map(|(year, bytes)| Object {
            path: format!("ads/spend/year={year}/spend.csv"),
            bytes: bytes.into(),
        })
        .collect();
    objects.push(campaigns(end_day, tally));
    (objects, spent)
}

/// The share of all customers whose first day has this age: density 1 + x over the window, as they are drawn.
fn share_of_day(age: i32) -> f64 {
    let days = f64::from(WINDOW_DAYS - 1);
    let below = |x: f64| (x + x * x / 2.0) / 1.5;
    let from = f64::from(WINDOW_DAYS - 1 - age) / days;
    below(from + 1.0 / days) - below(from)
}

/// Writes a row that does not fit.
fn fault(out: &mut Vec<u8>, day: i32, turn: u64) -> Dirt {
    let fault = match turn % 3 {
        0 => Dirt::UnparsableDate,
        1 => Dirt::NumberWithLetters,
        _ => Dirt::TooFewFields,
    };
    match fault {
        Dirt::UnparsableDate => push!(out, "31/12/23"),
        _ => push_iso_date(out, day),
    }
    out.extend_from_slice(match fault {
        Dirt::UnparsableDate => b",google_ads,SEA-BRAND,1.00,EUR,10,1\n".as_slice(),
        Dirt::NumberWithLetters => b",google_ads,SEA-BRAND,N/A,EUR,10,1\n",
        _ => b",google_ads,SEA-BRAND\n",
    });
    fault
}

fn campaigns(end_day: i32, tally: &mut Tally) -> Object {
    let mut out = b"campaign_id,title,platform,started\n".to_vec();
    for channel in &CHANNELS {
        for (campaign, name) in channel.campaigns {
            push!(&mut out, "{campaign},\"{name}\",{},", channel.platform);
            push_iso_date(&mut out, end_day - WINDOW_DAYS);
            out.push(b'\n');
            tally.count_rows(CAMPAIGNS, 1);
        }
    }
    Object {
        path: "ads/campaigns/campaigns.csv".to_owned(),
        bytes: out.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_days_add_up_to_one_and_double_over_the_window() {
        let sum: f64 = (1..WINDOW_DAYS).map(share_of_day).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!((share_of_day(1) / share_of_day(WINDOW_DAYS - 1) - 2.0).abs() < 0.01);
    }
}
