//! The shop's exports: orders as CSV by year, their lines as Parquet, products and returns as NDJSON.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Builder, Int64Builder, StringBuilder};
use arrow::datatypes::DataType;
use chrono::Datelike;

use super::basket::Line;
use super::catalogue::products as catalogue;
use super::columns::{MONEY, ParquetObject};
use super::crm::{Spots, push_row};
use super::dirt::Dirt;
use super::text::{self, push, push_cents, push_iso_date, push_time};
use super::truth::Tally;
use super::{GenerateError, Object};

/// The raw tables' names.
pub(super) const ORDERS: &str = "shop.orders";
pub(super) const ORDER_LINES: &str = "shop.order_lines";
pub(super) const RETURNS: &str = "shop.returns";
const PRODUCTS: &str = "shop.products";

const ORDERS_HEADER: &[u8] =
    b"order_id,customer_id,ordered_at,channel,status,payment_method,order_total\r\n";

/// An order as the shop's export tells it.
pub(super) struct Order<'a> {
    pub(super) id: &'a str,
    /// Empty for an anonymous order.
    pub(super) customer_id: &'a [u8],
    pub(super) day: i32,
    pub(super) second_of_day: u32,
    pub(super) channel: &'static str,
    pub(super) status: &'static str,
    pub(super) payment_method: &'static str,
    pub(super) cents: i64,
}

/// A return of goods of one order line.
pub(super) struct Return<'a> {
    pub(super) order_id: &'a str,
    pub(super) line_number: usize,
    pub(super) line: Line,
    pub(super) day: i32,
    pub(super) quantity: i64,
    pub(super) is_restocked: bool,
    pub(super) reason: &'static str,
}

impl Return<'_> {
    pub(super) fn refund_cents(&self) -> i64 {
        self.line.amount_cents() * self.quantity / self.line.quantity
    }

    pub(super) fn restocked_cost_cents(&self) -> i64 {
        if self.is_restocked {
            self.line.product.cost_cents * self.quantity
        } else {
            0
        }
    }
}

const SPOTS: Spots = Spots {
    key: 0,
    text: 3,
    number: 6,
    wrong_number: "4O.90",
    date: 2,
    wrong_date: "2023-13-45 10:00:00",
};

/// The order rows of a chunk, by year.
#[derive(Default)]
pub(super) struct Orders {
    years: BTreeMap<i32, Vec<u8>>,
}

impl Orders {
    /// Writes a row, `times` times, or makes it a faulty one.
    pub(super) fn write(
        &mut self,
        order: &Order<'_>,
        times: u64,
        fault: Option<Dirt>,
        tally: &mut Tally,
    ) {
        let mut cells: Vec<Vec<u8>> = vec![
            order.id.into(),
            order.customer_id.into(),
            Vec::with_capacity(19),
        ];
        push_iso_date(&mut cells[2], order.day);
        cells[2].push(b' ');
        push_time(&mut cells[2], order.second_of_day);
        cells.extend([order.channel, order.status, order.payment_method].map(Vec::from));
        let mut total = Vec::with_capacity(8);
        push_cents(&mut total, order.cents);
        cells.push(total);
        match fault {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                tally.count_fault(ORDERS, fault);
            }
            None => tally.count_rows(ORDERS, times),
        }
        let out = self
            .years
            .entry(text::date(order.day).year())
            .or_insert_with(|| ORDERS_HEADER.to_vec());
        for _ in 0..times {
            push_row(out, &cells, b',', b"\r\n");
        }
    }

    pub(super) fn finish(self, chunk: u64) -> impl Iterator<Item = Object> {
        self.years.into_iter().map(move |(year, bytes)| Object {
            path: format!("shop/orders/year={year}/orders-{chunk:05}.csv"),
            bytes: bytes.into(),
        })
    }
}

/// The order lines of a chunk.
#[derive(Default)]
pub(super) struct OrderLines {
    order_id: StringBuilder,
    line_number: Int64Builder,
    sku: StringBuilder,
    quantity: Int64Builder,
    unit_price: Decimal128Builder,
    discount: Decimal128Builder,
}

impl OrderLines {
    /// Writes a line, or one whose quantity is missing.
    pub(super) fn write(
        &mut self,
        order_id: &str,
        number: usize,
        line: &Line,
        fault: Option<Dirt>,
        tally: &mut Tally,
    ) {
        match fault {
            Some(fault) => tally.count_fault(ORDER_LINES, fault),
            None => tally.count_rows(ORDER_LINES, 1),
        }
        self.order_id.append_value(order_id);
        self.line_number.append_value(number as i64);
        self.sku.append_value(line.product.sku());
        self.quantity
            .append_option(fault.is_none().then_some(line.quantity));
        self.unit_price.append_value(line.unit_cents.into());
        self.discount.append_value(line.discount_cents.into());
    }

    pub(super) fn finish(mut self, chunk: u64) -> Result<Object, GenerateError> {
        let columns = [
            ("order_id", DataType::Utf8),
            ("line_number", DataType::Int64),
            ("sku", DataType::Utf8),
            ("quantity", DataType::Int64),
            ("unit_price", MONEY),
            ("discount", MONEY),
        ];
        let mut object = ParquetObject::new(
            ORDER_LINES,
            &columns,
            &["line_number", "sku", "quantity", "unit_price", "discount"],
        )?;
        object.write(vec![
            Arc::new(self.order_id.finish()),
            Arc::new(self.line_number.finish()),
            Arc::new(self.sku.finish()),
            Arc::new(self.quantity.finish()),
            money(&mut self.unit_price),
            money(&mut self.discount),
        ])?;
        let path = format!("shop/order_lines/lines-{chunk:05}.parquet");
        Ok(Object {
            path,
            bytes: object.finish()?,
        })
    }
}

/// The builder's values as money.
pub(super) fn money(builder: &mut Decimal128Builder) -> ArrayRef {
    Arc::new(builder.finish().with_data_type(MONEY))
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
        push_cents(out, goods.restocked_cost_cents());
        push!(out, ",\"reason\":\"");
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
        let wrong = |source| GenerateError::Compress {
            table: RETURNS,
            source,
        };
        let mut out = zstd::Encoder::new(Vec::new(), 3).map_err(wrong)?;
        out.write_all(&self.out).map_err(wrong)?;
        let bytes = out.finish().map_err(wrong)?.into();
        Ok(Object {
            path: format!("shop/returns/returns-{chunk:05}.ndjson.zst"),
            bytes,
        })
    }
}

/// The catalogue, with a last line that is no JSON if the company is dirty. One object for the whole company.
pub(super) fn products(dirty: bool, tally: &mut Tally) -> Object {
    let mut out = Vec::new();
    for product in catalogue() {
        push!(
            &mut out,
            "{{\"sku\":\"{}\",\"name\":\"{}\"",
            product.sku(),
            product.name()
        );
        push!(
            &mut out,
            ",\"category\":\"{}\",\"list_price\":",
            product.category()
        );
        push_cents(&mut out, product.list_cents);
        push!(&mut out, ",\"unit_cost\":");
        push_cents(&mut out, product.cost_cents);
        // A key that the source file does not declare, as systems add them.
        push!(
            &mut out,
            ",\"tags\":[\"{}\"]}}\n",
            product.category().to_lowercase()
        );
        tally.count_rows(PRODUCTS, 1);
    }
    if dirty {
        out.extend_from_slice(b"{\"sku\":\"P0401\",\"name\":\"Gift wr\n");
        tally.count_fault(PRODUCTS, Dirt::BrokenJson);
    }
    Object {
        path: "shop/products/products.ndjson".to_owned(),
        bytes: out.into(),
    }
}
