//! The truth of a generated company, written beside it and read back by whoever compares.

pub mod channels;
mod customers;
pub mod experience;
pub mod experiments;
pub mod figure;
pub mod ideal;
mod ledger;
pub mod retention;
pub mod shopping;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::GenerateOptions;
use super::dirt::Dirt;

pub(super) use customers::CustomerTruths;
pub use figure::Figure;
pub(super) use ledger::Ledger;
pub use ledger::Truths;

/// Where the truth lies below the company's prefix.
pub const PARAMETERS_PATH: &str = "truth/parameters.json";

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A whole company: CRM, shop, web analytics, surveys, helpdesk, marketing automation, ads, social media and
    /// treasury, in the formats and with the faults of real systems, and what is true of it.
    Company,
    /// The orders of the same customers alone, clean, as Parquet: for benchmarks.
    Orders,
}

/// The truth of the purchase process: λ ~ Gamma(r, rate α), p ~ Beta(a, b).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BgNbdTruth {
    /// Shape of the purchase rates.
    pub r: f64,
    /// Rate of the purchase rates, in days: a fit in weeks must find a seventh of it.
    pub alpha: f64,
    /// First shape of the dropout probabilities.
    pub a: f64,
    /// Second shape of the dropout probabilities.
    pub b: f64,
}

impl BgNbdTruth {
    /// The company's: on average 8.7 purchase days in up to three years, one customer in seven with a single
    /// one, two in three still there at the end.
    pub const DEFAULT: Self = Self {
        r: 0.9,
        alpha: 33.0,
        a: 0.6,
        b: 7.5,
    };
}

/// The truth of the spend a purchase day: z ~ Gamma(p, rate ν), ν ~ Gamma(q, rate v).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GammaGammaTruth {
    /// Shape of the values of a customer's purchase days.
    pub p: f64,
    /// Shape of the rates of spend.
    pub q: f64,
    /// Rate of the rates of spend, in major units of the currency.
    pub v: f64,
}

impl GammaGammaTruth {
    /// The company's: a mean of 45.00 a purchase day.
    pub const DEFAULT: Self = Self {
        p: 5.0,
        q: 4.0,
        v: 27.0,
    };
}

/// What was counted while generating. Orders, lines and money are those of the customers' own process alone, so a
/// right pipeline reports them exactly; what the raw tables hold besides is counted apart. Money is in
/// ten-thousandths of a euro, francs at the rate of the day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Customers.
    pub customers: u64,
    /// Customers with at least one repeat purchase day.
    pub repeat_customers: u64,
    /// Customers who had not left by the last observed day.
    pub customers_alive: u64,
    /// Customers that the CRM does not know, or whose CRM row is to be set aside.
    pub customers_without_crm_row: u64,
    /// People who signed up, browsed and never bought.
    pub prospects: u64,
    /// Visitors who never bought, prospects included.
    pub visitors_in_vain: u64,
    /// Distinct (customer, day) with a purchase.
    pub purchase_days: u64,
    /// Orders of the process; a purchase day can have two.
    pub orders: u64,
    /// Those of them that were paid in a foreign currency.
    pub foreign_orders: u64,
    /// Customers who paid in more than one currency.
    pub customers_of_several_currencies: u64,
    /// The orders' value.
    pub revenue_ten_thousandths: i64,
    /// The discounts that were taken off it.
    pub discount_ten_thousandths: i64,
    /// Their lines, free gifts included.
    pub order_lines: u64,
    /// What the goods in these lines cost, in cents.
    pub cost_cents: i64,
    /// Lines among them with price 0.
    pub free_gift_lines: u64,
    /// What was charged for delivery.
    pub shipping_ten_thousandths: i64,
    /// What delivery cost.
    pub shipping_cost_ten_thousandths: i64,
    /// Returns of lines of these orders.
    pub returns: u64,
    /// What was paid back for them, francs at the rate of the day on which they came back.
    pub refund_ten_thousandths: i64,
    /// The cost of the goods among them that went back into stock.
    pub restocked_cost_ten_thousandths: i64,
    /// Orders besides, of nobody: the customer is missing. Kept.
    pub anonymous_orders: u64,
    /// Their value.
    pub anonymous_revenue_ten_thousandths: i64,
    /// Orders besides that were cancelled. Kept, but no sale.
    pub cancelled_orders: u64,
    /// Order rows that the shop delivered twice, exactly equal. Kept; staging makes one of them.
    pub repeated_order_rows: u64,
    /// Rows of each raw table, as `<system>.<table>`, faulty ones included.
    pub rows: BTreeMap<String, u64>,
    /// Rows among them that are to be set aside, by fault.
    pub rows_set_aside: BTreeMap<String, BTreeMap<Dirt, u64>>,
}

impl Tally {
    /// Adds what another chunk counted.
    pub fn add(&mut self, other: &Self) {
        self.customers += other.customers;
        self.repeat_customers += other.repeat_customers;
        self.customers_alive += other.customers_alive;
        self.customers_without_crm_row += other.customers_without_crm_row;
        self.prospects += other.prospects;
        self.visitors_in_vain += other.visitors_in_vain;
        self.purchase_days += other.purchase_days;
        self.orders += other.orders;
        self.foreign_orders += other.foreign_orders;
        self.customers_of_several_currencies += other.customers_of_several_currencies;
        self.revenue_ten_thousandths += other.revenue_ten_thousandths;
        self.discount_ten_thousandths += other.discount_ten_thousandths;
        self.order_lines += other.order_lines;
        self.cost_cents += other.cost_cents;
        self.free_gift_lines += other.free_gift_lines;
        self.shipping_ten_thousandths += other.shipping_ten_thousandths;
        self.shipping_cost_ten_thousandths += other.shipping_cost_ten_thousandths;
        self.returns += other.returns;
        self.refund_ten_thousandths += other.refund_ten_thousandths;
        self.restocked_cost_ten_thousandths += other.restocked_cost_ten_thousandths;
        self.anonymous_orders += other.anonymous_orders;
        self.anonymous_revenue_ten_thousandths += other.anonymous_revenue_ten_thousandths;
        self.cancelled_orders += other.cancelled_orders;
        self.repeated_order_rows += other.repeated_order_rows;
        for (table, rows) in &other.rows {
            self.count_rows(table, *rows);
        }
        for (table, faults) in &other.rows_set_aside {
            for (fault, rows) in faults {
                *self.faults_of(table).entry(*fault).or_default() += rows;
            }
        }
    }

    /// How many rows of all tables, or of one, are to be set aside.
    pub fn set_aside(&self, table: Option<&str>) -> u64 {
        let of = |(name, faults): (&String, &BTreeMap<Dirt, u64>)| {
            let counted = table.is_none_or(|table| table == name);
            if counted { faults.values().sum() } else { 0 }
        };
        self.rows_set_aside.iter().map(of).sum()
    }

    pub(super) fn count_rows(&mut self, table: &str, rows: u64) {
        match self.rows.get_mut(table) {
            Some(count) => *count += rows,
            None => drop(self.rows.insert(table.to_owned(), rows)),
        }
    }

    /// Counts a faulty row, as a row of its table too.
    pub(super) fn count_fault(&mut self, table: &str, fault: Dirt) {
        self.count_rows(table, 1);
        *self.faults_of(table).entry(fault).or_default() += 1;
    }

    fn faults_of(&mut self, table: &str) -> &mut BTreeMap<Dirt, u64> {
        self.rows_set_aside.entry(table.to_owned()).or_default()
    }
}

/// The content of `truth/parameters.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// What was generated.
    pub shape: Shape,
    /// The seed.
    pub seed: u64,
    /// The exclusive end of the history.
    pub as_of: NaiveDate,
    /// First purchases lie in this many days before `as_of`.
    pub window_days: i32,
    /// Whether the raw rows have faults.
    pub dirty: bool,
    /// The currency of all money.
    pub currency: String,
    /// The truth of the purchase process, in days.
    pub bg_nbd: BgNbdTruth,
    /// The truth of the spend a purchase day, in major units.
    pub gamma_gamma: GammaGammaTruth,
    /// What was counted.
    #[serde(flatten)]
    pub tally: Tally,
}

impl Truth {
    pub(super) fn new(options: &GenerateOptions, window_days: i32, tally: Tally) -> Self {
        Self {
            shape: options.shape,
            seed: options.seed,
            as_of: options.as_of,
            window_days,
            dirty: options.dirty && options.shape == Shape::Company,
            currency: "EUR".to_owned(),
            bg_nbd: BgNbdTruth::DEFAULT,
            gamma_gamma: GammaGammaTruth::DEFAULT,
            tally,
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads back `truth/parameters.json`.
    ///
    /// # Errors
    /// When the bytes are not what [`super::generate`] writes.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }
}
