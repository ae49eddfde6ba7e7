//! A chunk of orders alone, for benchmarks.
//!
//! The same customers, days and values as the whole company's, one row an order, in files by quarter and in
//! order of time inside a file, so that a customer's orders are spread over files as they are in a real lake. (A
//! chunk's customers are still apart from another's: less work for a partial aggregation than in a lake of one
//! file a day, and equally so for every engine compared.)

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Decimal128Array, StringArray, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::Datelike;

use super::channels::CHANNELS;
use super::columns::{MONEY, ParquetObject};
use super::process::Purchase;
use super::truth::{Ledger, Tally};
use super::{Chunk, GenerateError, Object, Plan, text};

/// The raw table's name.
const ORDERS: &str = "orders.orders";

/// Rows encoded at a time.
const BATCH: usize = 65_536;

/// An order. The order of the fields is that of the rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    second: i64,
    customer: u32,
    order: u16,
    channel: u8,
    cents: i64,
}

/// Makes a chunk.
pub(super) fn make(plan: &Plan, chunk: u64, customers: Range<u64>) -> Result<Chunk, GenerateError> {
    let mut tally = Tally::default();
    let mut rows = draw(plan, customers, &mut tally);
    rows.sort_unstable();
    tally.count_rows(ORDERS, rows.len() as u64);
    let mut objects = Vec::new();
    for quarter in rows.chunk_by(|a, b| quarter_of(a) == quarter_of(b)) {
        let (year, number) = quarter_of(&quarter[0]);
        let path = format!("orders/{year}-q{number}/orders-{chunk:05}.parquet");
        objects.push(Object {
            path,
            bytes: encode(quarter)?,
        });
    }
    let ledger = Ledger {
        tally,
        ..Ledger::default()
    };
    Ok(Chunk { objects, ledger })
}

fn draw(plan: &Plan, customers: Range<u64>, tally: &mut Tally) -> Vec<Row> {
    // The mean is 8.9; room for a little more saves growing by doubling.
    let mut rows = Vec::with_capacity((customers.end - customers.start) as usize * 10);
    let mut purchases: Vec<Purchase> = Vec::new();
    for customer in customers {
        let traits = plan.process.draw(customer, &mut purchases);
        let mut order = 0;
        for purchase in &purchases {
            for (second_of_day, cents) in purchase.orders() {
                rows.push(Row {
                    second: i64::from(purchase.day) * 86_400 + i64::from(second_of_day),
                    customer: customer as u32,
                    order,
                    channel: traits.channel,
                    cents,
                });
                tally.revenue_ten_thousandths += cents * 100;
                order += 1;
            }
        }
        tally.customers += 1;
        tally.repeat_customers += u64::from(purchases.len() > 1);
        tally.customers_alive += u64::from(traits.is_alive);
        tally.purchase_days += purchases.len() as u64;
    }
    tally.orders = rows.len() as u64;
    rows
}

fn quarter_of(row: &Row) -> (i32, u32) {
    let day = text::date(row.second.div_euclid(86_400) as i32);
    (day.year(), day.month0() / 3 + 1)
}

fn encode(rows: &[Row]) -> Result<bytes::Bytes, GenerateError> {
    let columns = [
        ("order_id", DataType::Utf8),
        ("customer_id", DataType::Utf8),
        (
            "ordered_at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        ("channel", DataType::Utf8),
        ("order_amount", MONEY),
    ];
    let mut object = ParquetObject::new(ORDERS, &columns, &["channel"])?;
    for batch in rows.chunks(BATCH) {
        let times = batch.iter().map(|row| row.second * 1_000_000);
        let cents = batch.iter().map(|row| i128::from(row.cents));
        let channels = batch
            .iter()
            .map(|row| CHANNELS[usize::from(row.channel)].name);
        object.write(vec![
            Arc::new(texts(batch, 11, |out, row| {
                text::order_id(out, row.customer.into(), row.order.into())
            })),
            Arc::new(texts(batch, 10, |out, row| {
                text::customer_id(out, row.customer.into())
            })),
            Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
            Arc::new(StringArray::from_iter_values(channels)),
            Arc::new(Decimal128Array::from_iter_values(cents).with_data_type(MONEY)),
        ])?;
    }
    object.finish()
}

/// A column of short texts, each written into the same buffer.
fn texts(rows: &[Row], width: usize, write: impl Fn(&mut Vec<u8>, &Row)) -> StringArray {
    let mut builder = StringBuilder::with_capacity(rows.len(), rows.len() * width);
    let mut out = Vec::with_capacity(width);
    for row in rows {
        out.clear();
        write(&mut out, row);
        builder.append_value(str::from_utf8(&out).unwrap_or_default());
    }
    builder.finish()
}
