//! Reviews of products on the shop's site, as NDJSON packed with Zstandard.

use rand::{Rng, RngCore};

use super::channels::pick;
use super::dirt::Dirt;
use super::returns::zstd_object;
use super::sales::{Buyer, Sale};
use super::text::{berlin, push, push_utc};
use super::truth::Ledger;
use super::truth::experience::moments;
use super::{GenerateError, Object};

/// The raw table's name.
pub(super) const REVIEWS: &str = "shop.reviews";

/// The share of orders that are reviewed.
const REVIEW_SHARE: f64 = 0.06;

/// The probabilities of 1 to 5 stars for goods that stayed and for goods that came back.
const STARS: [[f64; 5]; 2] = [
    [0.02, 0.04, 0.09, 0.30, 0.55],
    [0.40, 0.30, 0.15, 0.10, 0.05],
];

const TEXTS: [&str; 5] = [
    "Not what I expected.",
    "Could be better.",
    "Does what it should.",
    "Very nice, quick delivery.",
    "Wonderful! Again and again \u{2615}",
];

/// The reviews of a chunk.
pub(super) struct Reviews {
    out: Vec<u8>,
    end_day: i32,
}

impl Reviews {
    pub(super) const fn new(end_day: i32) -> Self {
        let out = Vec::new();
        Self { out, end_day }
    }

    /// Perhaps a review of one product of an order, some weeks later.
    pub(super) fn maybe_write(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        sku: &str,
        is_returned: bool,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        let is_reviewed = random.random::<f64>() < REVIEW_SHARE;
        let stars = pick(&STARS[usize::from(is_returned)], random.random());
        let day = sale.day + random.random_range(3..=40);
        let second = random.random_range(25_200..79_200);
        if is_reviewed && day < self.end_day {
            let (mean, variance) = moments(&STARS[usize::from(is_returned)], 1.0);
            ledger.experience.reviews[usize::from(is_returned)].value(
                mean,
                variance,
                (stars + 1) as f64,
            );
            self.write(
                buyer,
                sale,
                sku,
                (stars + 1, berlin(day, second)),
                None,
                ledger,
            );
        }
    }

    /// Writes a row, or makes it a faulty one. An order has one review at most.
    pub(super) fn write(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        sku: &str,
        (stars, at): (usize, i64),
        fault: Option<Dirt>,
        ledger: &mut Ledger,
    ) {
        match fault {
            Some(fault) => ledger.tally.count_fault(REVIEWS, fault),
            None => ledger.tally.count_rows(REVIEWS, 1),
        }
        let out = &mut self.out;
        push!(out, "{{\"review_id\":");
        match fault {
            Some(Dirt::MissingRequired) => push!(out, "null"),
            _ => push!(out, "\"RV{}\"", sale.id),
        }
        let (order, customer) = (&sale.id, buyer.id);
        push!(
            out,
            ",\"order_id\":\"{order}\",\"customer_id\":\"{customer}\""
        );
        push!(out, ",\"sku\":\"{sku}\",\"stars\":");
        match fault {
            Some(Dirt::NumberWithLetters) => push!(out, "\"five\""),
            _ => push!(out, "{stars}"),
        }
        push!(out, ",\"written_at\":\"");
        match fault {
            Some(Dirt::UnparsableDate) => push!(out, "yesterday"),
            _ => push_utc(out, at),
        }
        push!(out, "\",\"text\":\"");
        match fault {
            Some(Dirt::InvalidUtf8) => out.extend_from_slice(b"sch\xf6n"),
            _ => out.extend_from_slice(TEXTS[(stars - 1) % TEXTS.len()].as_bytes()),
        }
        out.extend_from_slice(if fault == Some(Dirt::BrokenJson) {
            b"\n"
        } else {
            b"\"}\n"
        });
    }

    pub(super) fn finish(self, chunk: u64) -> Result<Object, GenerateError> {
        let path = format!("shop/reviews/reviews-{chunk:05}.ndjson.zst");
        zstd_object(REVIEWS, path, &self.out)
    }
}
