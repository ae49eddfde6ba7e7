//! The shop's orders as CSV by year, and their lines as Parquet.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Builder, Int64Builder, StringBuilder};
use arrow::datatypes::DataType;
use chrono::Datelike;

use super::basket::Line;
use super::catalogue::{BRANDS, products as catalogue};
use super::columns::{MONEY, ParquetObject};
use super::crm::{Spots, push_row};
use super::dirt::Dirt;
use super::sales::Sale;
use super::text::{self, push, push_cents, push_iso_date, push_time};
use super::truth::Tally;
use super::{GenerateError, Object};

/// The raw tables' names.
pub(super) const ORDERS: &str = "shop.orders";
pub(super) const ORDER_LINES: &str = "shop.order_lines";
const PRODUCTS: &str = "shop.products";

const ORDERS_HEADER: &[u8] =
    b"order_id,customer_id,ordered_at,channel,status,payment_method,order_total,\
currency,device,store,coupon,campaign,shipping_charged,shipping_cost,ship_to_country\r\n";

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
    /// Writes a row, `times` times, or makes it a faulty one. Nobody's where `customer_id` is empty.
    pub(super) fn write(
        &mut self,
        sale: &Sale,
        customer_id: &str,
        times: u64,
        fault: Option<Dirt>,
        tally: &mut Tally,
    ) {
        let mut at = Vec::with_capacity(19);
        push_iso_date(&mut at, sale.day);
        at.push(b' ');
        push_time(&mut at, sale.second_of_day);
        let mut cells: Vec<Vec<u8>> = vec![sale.id.as_str().into(), customer_id.into(), at];
        cells.extend([sale.channel, sale.status, sale.payment_method].map(Vec::from));
        cells.push(cents(sale.cents));
        cells.push(sale.currency.code().into());
        let optional = [sale.device, sale.store, sale.coupon, sale.campaign];
        cells.extend(optional.map(|cell| cell.unwrap_or_default().into()));
        cells.extend([sale.shipping_cents, sale.shipping_cost_cents].map(cents));
        cells.push(sale.country.into());
        match fault {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                tally.count_fault(ORDERS, fault);
            }
            None => tally.count_rows(ORDERS, times),
        }
        let out = self
            .years
            .entry(text::date(sale.day).year())
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

fn cents(cents: i64) -> Vec<u8> {
    let mut cell = Vec::with_capacity(8);
    push_cents(&mut cell, cents);
    cell
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

/// The catalogue, with faulty lines if the company is dirty. One object for the whole company.
pub(super) fn products(dirty: bool, tally: &mut Tally) -> Object {
    let mut out = Vec::new();
    for product in catalogue() {
        let (sku, name, category) = (product.sku(), product.name(), product.category_name());
        let (kind, brand) = (product.subcategory(), BRANDS[product.brand()]);
        push!(&mut out, "{{\"sku\":\"{sku}\",\"name\":\"{name}\"");
        push!(
            &mut out,
            ",\"category\":\"{category}\",\"subcategory\":\"{kind}\""
        );
        push!(
            &mut out,
            ",\"brand\":\"{brand}\",\"premium\":{}",
            product.is_premium()
        );
        push!(&mut out, ",\"list_price\":");
        push_cents(&mut out, product.list_cents);
        push!(&mut out, ",\"unit_cost\":");
        push_cents(&mut out, product.cost_cents);
        // A key that the source file does not declare, as systems add them.
        push!(&mut out, ",\"tags\":[\"{}\"]}}\n", category.to_lowercase());
        tally.count_rows(PRODUCTS, 1);
    }
    if dirty {
        for number in 0..10 {
            push!(
                &mut out,
                "{{\"sku\":\"P99{number:02}\",\"name\":\"Gift wr\n"
            );
            tally.count_fault(PRODUCTS, Dirt::BrokenJson);
        }
    }
    Object {
        path: "shop/products/products.ndjson".to_owned(),
        bytes: out.into(),
    }
}
