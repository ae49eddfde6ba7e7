//! A chunk of the company: every table's rows for some customers.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    StringBuilder,
};
use arrow::datatypes::DataType;
use rand::{Rng, RngCore};

use super::basket::{Baskets, Line};
use super::columns::{MONEY, ParquetObject};
use super::crm::Crm;
use super::dirt::Faults;
use super::process::{CHANNELS, Purchase, Traits};
use super::shop::{Order, OrderLines, Orders, Return, Returns, money};
use super::text;
use super::truth::Tally;
use super::{Chunk, GenerateError, Object, Plan};

/// The share of orders of which a line comes back.
const RETURN_SHARE: f64 = 0.06;

const REASONS: [&str; 4] = ["too late", "not as described", "damaged", "changed my mind"];
const PAYMENT_METHODS: [&str; 4] = ["card", "paypal", "invoice", "transfer"];
/// Where people order; a customer won in a store mostly orders there.
const ORDER_CHANNELS: [&str; 3] = ["web", "app", "store"];

/// Makes a chunk.
pub(super) fn make(plan: &Plan, chunk: u64, customers: Range<u64>) -> Result<Chunk, GenerateError> {
    let mut writer = Writer {
        crm: Crm::new()?,
        orders: Orders::default(),
        lines: OrderLines::default(),
        returns: Returns::default(),
        truths: Truths::default(),
        tally: Tally::default(),
        baskets: Baskets::new(),
        basket: Vec::new(),
        last_day: plan.end_day - 1,
    };
    let mut purchases = Vec::new();
    for customer in customers {
        let traits = plan.process.draw(customer, &mut purchases);
        let faults = Faults::around(customer, plan.options.dirty);
        let mut random = plan.process.details(customer);
        writer.customer(customer, &traits, &purchases, faults, &mut random)?;
    }
    writer.finish(chunk)
}

struct Writer {
    crm: Crm,
    orders: Orders,
    lines: OrderLines,
    returns: Returns,
    truths: Truths,
    tally: Tally,
    baskets: Baskets,
    /// The lines of the order at hand.
    basket: Vec<Line>,
    last_day: i32,
}

/// Whose order it is, and whether the process made it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sale,
    Anonymous,
    Cancelled,
}

/// A customer's orders so far.
struct Customer {
    number: u64,
    id: Vec<u8>,
    orders: u64,
    is_store_customer: bool,
}

impl Customer {
    fn next_order_id(&mut self) -> String {
        let mut id = Vec::with_capacity(11);
        text::order_id(&mut id, self.number, self.orders);
        self.orders += 1;
        String::from_utf8_lossy(&id).into_owned()
    }
}

impl Writer {
    fn customer(
        &mut self,
        number: u64,
        traits: &Traits,
        purchases: &[Purchase],
        faults: Faults,
        random: &mut impl RngCore,
    ) -> Result<(), GenerateError> {
        self.crm
            .write(number, traits, faults, random, &mut self.tally)?;
        let mut id = Vec::with_capacity(10);
        text::customer_id(&mut id, number);
        let channel = CHANNELS[usize::from(traits.channel)].0;
        let mut customer = Customer {
            number,
            id,
            orders: 0,
            is_store_customer: channel == "store",
        };

        for (index, purchase) in purchases.iter().enumerate() {
            for (second_of_day, cents) in purchase.orders() {
                let times = if faults.repeated_order && customer.orders == 0 {
                    2
                } else {
                    1
                };
                self.tally.repeated_order_rows += times - 1;
                let day = purchase.day;
                self.order(
                    &mut customer,
                    Kind::Sale,
                    (day, second_of_day, cents),
                    times,
                    faults,
                    random,
                );
            }
            self.tally.repeat_customers += u64::from(index == 1);
        }
        self.besides(&mut customer, traits, faults, random);
        self.tally.customers += 1;
        self.tally.customers_alive += u64::from(traits.is_alive);
        self.tally.purchase_days += purchases.len() as u64;
        self.truths.write(&customer.id, traits, purchases);
        Ok(())
    }

    /// One order with its lines and perhaps a return. Faulty lines and returns hang on the customer's first.
    fn order(
        &mut self,
        customer: &mut Customer,
        kind: Kind,
        (day, second_of_day, cents): (i32, u32, i64),
        times: u64,
        faults: Faults,
        random: &mut impl RngCore,
    ) {
        let is_first = customer.orders == 0;
        let id = customer.next_order_id();
        let order = Order {
            id: &id,
            customer_id: if kind == Kind::Anonymous {
                &[]
            } else {
                &customer.id
            },
            day,
            second_of_day,
            channel: match customer.is_store_customer && random.random::<f64>() < 0.8 {
                true => "store",
                false => {
                    ORDER_CHANNELS[random
                        .random_range(0..3_usize)
                        .min(random.random_range(0..3))]
                }
            },
            status: if kind == Kind::Cancelled {
                "cancelled"
            } else {
                "shipped"
            },
            payment_method: PAYMENT_METHODS[random.random_range(0..4)],
            cents,
        };
        self.orders.write(&order, times, None, &mut self.tally);
        self.baskets.fill(cents, random, &mut self.basket);
        for (index, line) in self.basket.iter().enumerate() {
            self.lines
                .write(&id, index + 1, line, None, &mut self.tally);
            if kind == Kind::Sale {
                self.tally.order_lines += 1;
                self.tally.cost_cents += line.cost_cents();
                self.tally.free_gift_lines += u64::from(line.unit_cents == 0);
            }
        }
        if kind == Kind::Sale {
            self.tally.orders += 1;
            self.tally.revenue_cents += cents;
            self.maybe_return(&id, day, random);
        }
        if is_first && let Some(fault) = faults.line {
            self.lines.write(
                &id,
                self.basket.len() + 1,
                &self.basket[0],
                Some(fault),
                &mut self.tally,
            );
        }
        if is_first && let Some(fault) = faults.return_row {
            let goods = Return {
                order_id: &id,
                line_number: self.basket.len() + 1,
                line: self.basket[0],
                day,
                quantity: 1,
                is_restocked: false,
                reason: REASONS[0],
            };
            self.returns.write(&goods, Some(fault), &mut self.tally);
        }
    }

    /// Sends back some of one line, some weeks later if the history lasts until then.
    fn maybe_return(&mut self, order_id: &str, day: i32, random: &mut impl RngCore) {
        if random.random::<f64>() >= RETURN_SHARE {
            return;
        }
        let index = random.random_range(0..self.basket.len());
        let line = self.basket[index];
        let goods = Return {
            order_id,
            line_number: index + 1,
            line,
            day: day + random.random_range(2..=28),
            quantity: random.random_range(1..=line.quantity),
            is_restocked: random.random::<f64>() < 0.7,
            reason: REASONS[random.random_range(0..REASONS.len())],
        };
        if line.unit_cents > 0 && goods.day <= self.last_day {
            self.returns.write(&goods, None, &mut self.tally);
            self.tally.returns += 1;
            self.tally.refund_cents += goods.refund_cents();
            self.tally.restocked_cost_cents += goods.restocked_cost_cents();
        }
    }

    /// Orders that are in the shop's tables but not in the customer's process.
    fn besides(
        &mut self,
        customer: &mut Customer,
        traits: &Traits,
        faults: Faults,
        random: &mut impl RngCore,
    ) {
        let days = traits.first_day..=self.last_day;
        let some_order = |random: &mut dyn RngCore| {
            let day = random.random_range(days.clone());
            (
                day,
                random.random_range(25_200..75_600),
                random.random_range(900..9_000),
            )
        };
        let clean = Faults::default();
        if customer.number % 25 == 11 {
            let order = some_order(random);
            self.tally.anonymous_orders += 1;
            self.tally.anonymous_revenue_cents += order.2;
            self.order(customer, Kind::Anonymous, order, 1, clean, random);
        }
        if customer.number % 50 == 23 {
            let order = some_order(random);
            self.tally.cancelled_orders += 1;
            self.order(customer, Kind::Cancelled, order, 1, clean, random);
        }
        if let Some(fault) = faults.order {
            let (day, second_of_day, cents) = some_order(random);
            let order = Order {
                id: &customer.next_order_id(),
                customer_id: &customer.id,
                day,
                second_of_day,
                channel: "web",
                status: "shipped",
                payment_method: "card",
                cents,
            };
            self.orders.write(&order, 1, Some(fault), &mut self.tally);
        }
    }

    fn finish(self, chunk: u64) -> Result<Chunk, GenerateError> {
        let mut objects = vec![self.crm.finish(chunk)?];
        objects.extend(self.orders.finish(chunk));
        objects.push(self.lines.finish(chunk)?);
        objects.push(self.returns.finish(chunk)?);
        objects.push(self.truths.finish(chunk)?);
        Ok(Chunk {
            objects,
            tally: self.tally,
        })
    }
}

/// What each customer was drawn from: `truth/customers-*.parquet`.
#[derive(Default)]
struct Truths {
    customer_id: StringBuilder,
    purchase_rate: Float64Builder,
    dropout_probability: Float64Builder,
    is_alive: BooleanBuilder,
    mean_spend: Float64Builder,
    channel: StringBuilder,
    first_order_date: Date32Builder,
    last_order_date: Date32Builder,
    purchase_days: Int64Builder,
    revenue: Decimal128Builder,
}

impl Truths {
    fn write(&mut self, id: &[u8], traits: &Traits, purchases: &[Purchase]) {
        self.customer_id.append_value(String::from_utf8_lossy(id));
        self.purchase_rate.append_value(traits.rate);
        self.dropout_probability
            .append_value(traits.dropout_probability);
        self.is_alive.append_value(traits.is_alive);
        self.mean_spend.append_value(traits.mean_spend);
        self.channel
            .append_value(CHANNELS[usize::from(traits.channel)].0);
        self.first_order_date.append_value(traits.first_day);
        self.last_order_date
            .append_option(purchases.last().map(|purchase| purchase.day));
        self.purchase_days.append_value(purchases.len() as i64);
        let cents: i64 = purchases.iter().map(|purchase| purchase.cents).sum();
        self.revenue.append_value(cents.into());
    }

    fn finish(mut self, chunk: u64) -> Result<Object, GenerateError> {
        let columns = [
            ("customer_id", DataType::Utf8),
            ("purchase_rate_per_day", DataType::Float64),
            ("dropout_probability", DataType::Float64),
            ("is_alive", DataType::Boolean),
            ("mean_spend", DataType::Float64),
            ("acquisition_channel", DataType::Utf8),
            ("first_order_date", DataType::Date32),
            ("last_order_date", DataType::Date32),
            ("purchase_days", DataType::Int64),
            ("revenue", MONEY),
        ];
        let mut object = ParquetObject::new("truth", &columns, &["acquisition_channel"])?;
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.customer_id.finish()),
            Arc::new(self.purchase_rate.finish()),
            Arc::new(self.dropout_probability.finish()),
            Arc::new(self.is_alive.finish()),
            Arc::new(self.mean_spend.finish()),
            Arc::new(self.channel.finish()),
            Arc::new(self.first_order_date.finish()),
            Arc::new(self.last_order_date.finish()),
            Arc::new(self.purchase_days.finish()),
            money(&mut self.revenue),
        ];
        object.write(arrays)?;
        Ok(Object {
            path: format!("truth/customers-{chunk:05}.parquet"),
            bytes: object.finish()?,
        })
    }
}
