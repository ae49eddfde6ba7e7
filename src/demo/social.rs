//! A listening service's export of what is said in public, as NDJSON.

use rand::{Rng, RngCore};

use super::Object;
use super::channels::pick;
use super::dirt::Dirt;
use super::sales::Buyer;
use super::text::{berlin, push, push_utc};
use super::truth::Ledger;
use super::truth::experience::moments;

/// The raw table's name.
pub(super) const MENTIONS: &str = "social.mentions";

/// The share of customers who say something, once, within two months after an order.
const MENTION_SHARE: f64 = 0.15;
/// The share of mentions whose author is known to be a customer.
const KNOWN_SHARE: f64 = 0.4;
/// The probabilities of a sentiment of −0.8, −0.4, 0, 0.4 and 0.8: steady, warned.
const SENTIMENT: [[f64; 5]; 2] = [
    [0.08, 0.10, 0.22, 0.30, 0.30],
    [0.45, 0.30, 0.15, 0.07, 0.03],
];

const NETWORKS: [&str; 4] = ["instagram", "x", "reddit", "tiktok"];
const BODIES: [&str; 5] = [
    "Never again. \u{1F620}",
    "meh, took two weeks \u{2026}",
    "Anybody tried their \"Kettle No. 5\"?",
    "nice tea!",
    "Best coffee in town \u{2615}\u{2764}",
];

/// The mentions of a chunk.
#[derive(Default)]
pub(super) struct Mentions {
    out: Vec<u8>,
}

impl Mentions {
    /// Perhaps a mention by a customer.
    pub(super) fn maybe_write(
        &mut self,
        buyer: &Buyer<'_>,
        end_day: i32,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        let speaks = random.random::<f64>() < MENTION_SHARE;
        let purchase = buyer.purchases[random.random_range(0..buyer.purchases.len())];
        let day = purchase.day + random.random_range(0..60);
        let second = random.random_range(25_200..79_200);
        let state = usize::from(buyer.is_warned_on(day));
        let mood = pick(&SENTIMENT[state], random.random());
        let is_known = random.random::<f64>() < KNOWN_SHARE;
        let network = NETWORKS[random.random_range(0..NETWORKS.len())];
        if !speaks || day >= end_day {
            return;
        }
        let (mean, variance) = moments(&SENTIMENT[state], -2.0);
        ledger.experience.sentiment[state].value(
            0.4 * mean,
            0.16 * variance,
            0.4 * (mood as f64 - 2.0),
        );
        self.write(
            buyer,
            (berlin(day, second), network, mood, is_known),
            None,
            ledger,
        );
    }

    /// A row in addition that does not fit.
    pub(super) fn fault(&mut self, buyer: &Buyer<'_>, fault: Dirt, ledger: &mut Ledger) {
        let at = berlin(buyer.traits.first_day, 43_200);
        self.write(buyer, (at, NETWORKS[0], 2, false), Some(fault), ledger);
    }

    fn write(
        &mut self,
        buyer: &Buyer<'_>,
        (at, network, mood, is_known): (i64, &str, usize, bool),
        fault: Option<Dirt>,
        ledger: &mut Ledger,
    ) {
        match fault {
            Some(fault) => ledger.tally.count_fault(MENTIONS, fault),
            None => ledger.tally.count_rows(MENTIONS, 1),
        }
        let out = &mut self.out;
        push!(out, "{{\"id\":");
        match fault {
            Some(Dirt::MissingRequired) => push!(out, "null"),
            _ => push!(out, "\"M{}\"", buyer.id),
        }
        push!(out, ",\"published\":\"");
        match fault {
            Some(Dirt::UnparsableDate) => push!(out, "2023-02-30T10:00:00Z"),
            _ => push_utc(out, at),
        }
        push!(
            out,
            "\",\"network\":\"{network}\",\"handle\":\"@user{}\"",
            buyer.number
        );
        if is_known {
            push!(out, ",\"customer\":\"{}\"", buyer.id);
        }
        push!(out, ",\"sentiment\":");
        match fault {
            Some(Dirt::NumberWithLetters) => push!(out, "\"good\""),
            _ => push!(out, "{}", ["-0.8", "-0.4", "0.0", "0.4", "0.8"][mood]),
        }
        let label = ["negative", "negative", "neutral", "positive", "positive"][mood];
        let reach = 20 + buyer.number % 977 * 7;
        push!(
            out,
            ",\"label\":\"{label}\",\"reach\":{reach},\"lang\":\"en\",\"text\":\""
        );
        match fault {
            Some(Dirt::InvalidUtf8) => out.extend_from_slice(b"sch\xf6n"),
            _ => push!(out, "{}", BODIES[mood].replace('"', "\\\"")),
        }
        out.extend_from_slice(if fault == Some(Dirt::BrokenJson) {
            b"\n"
        } else {
            b"\"}\n"
        });
    }

    pub(super) fn finish(self, chunk: u64) -> Object {
        Object {
            path: format!("social/mentions/mentions-{chunk:05}.ndjson"),
            bytes: self.out.into(),
        }
    }
}
