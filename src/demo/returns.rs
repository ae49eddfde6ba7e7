//! What came back to the shop, as NDJSON packed with Zstandard.

use std::io::Write as _;

use super::basket::Line;
use super::currencies::Currency;
use super::dirt::Dirt;
use super::text::{push, push_cents, push_iso_date};
use super::truth::Tally;
use super::{GenerateError, Object};

/// The raw table's name.
pub(super) const RETURNS: &str = "shop.returns";

pub(super) const REASONS: [&str; 4] =
    ["too late", "not as described", "damaged", "changed my mind"];

/// What freight and inspection of a return cost, in cents of its currency.
const HANDLING_CENTS: i64 = 250;

/// A return of goods of one order line, in the currency of the order.
pub(super) struct Return<'a> {
    pub(super) order_id: &'a str,
    pub(super) line_number: usize,
    pub(super) line: Line,
    pub(super) currency: Currency,
    pub(super) day: i32,
    pub(super) quantity: i64,
    /// What the goods cost that went back into stock; 0 where they were thrown away.
    pub(super) restocked_cents: i64,
    pub(super) reason: &'static str,
}

impl Return<'_> {
    pub(super) fn refund_cents(&self) -> i64 {
        self.line.amount_cents() * self.quantity / self.line.quantity
    }
}

/// The returns of a chunk.
#[derive(Default)]
pub(super) struct Returns {
    out: Vec<u8>,
}

impl Returns {
    /// Writes a row, or makes it a faulty one. A return's id is its line's.
    pub(super) fn write(&mut self, goods: &Return<'_>, fault: Option<Dirt>, tally: &mut Tally) {
        match fault {
            Some(fault) => tally.count_fault(RETURNS, fault),
            None => tally.count_rows(RETURNS, 1),
        }
        let out = &mut self.out;
        push!(out, "{{\"return_id\":");
        match fault {
            Some(Dirt::MissingRequired) => push!(out, "null"),
            _ => push!(out, "\"R{}-{}\"", goods.order_id, goods.line_number),
        }
        let (order, line, sku) = (goods.order_id, goods.line_number, goods.line.product.sku());
        push!(
            out,
            ",\"order_id\":\"{order}\",\"line_number\":{line},\"sku\":\"{sku}\",\"returned_on\":\""
        );
        match fault {
            Some(Dirt::UnparsableDate) => push!(out, "2023-02-30"),
            _ => push_iso_date(out, goods.day),
        }
        push!(out, "\",\"quantity\":{},\"refund\":", goods.quantity);
        match fault {
            Some(Dirt::NumberWithLetters) => push!(out, "\"12.x0\""),
            _ => push_cents(out, goods.refund_cents()),
        }
        push!(out, ",\"restocked_cost\":");
        push_cents(out, goods.restocked_cents);
        push!(out, ",\"handling_cost\":");
        push_cents(out, HANDLING_CENTS);
        push!(
            out,
            ",\"currency\":\"{}\",\"reason\":\"",
            goods.currency.code()
        );
        match fault {
            Some(Dirt::InvalidUtf8) => out.extend_from_slice(b"besch\xe4digt"),
            _ => out.extend_from_slice(goods.reason.as_bytes()),
        }
        // A broken line ends where the export was cut off.
        out.extend_from_slice(if fault == Some(Dirt::BrokenJson) {
            b"\n"
        } else {
            b"\"}\n"
        });
    }

    pub(super) fn finish(self, chunk: u64) -> Result<Object, GenerateError> {
        let path = format!("shop/returns/returns-{chunk:05}.ndjson.zst");
        zstd_object(RETURNS, path, &self.out)
    }
}

/// Bytes packed with Zstandard.
pub(super) fn zstd_object(
    table: &'static str,
    path: String,
    bytes: &[u8],
) -> Result<Object, GenerateError> {
    let wrong = |source| GenerateError::Compress { table, source };
    let mut out = zstd::Encoder::new(Vec::new(), 3).map_err(wrong)?;
    out.write_all(bytes).map_err(wrong)?;
    let bytes = out.finish().map_err(wrong)?.into();
    Ok(Object { path, bytes })
}
