//! A customer's orders, before their lines: where, with what, in which currency and for which campaign they were
//! placed.

use rand::{Rng, RngCore};

use super::channels::CHANNELS;
use super::currencies::{Currency, Rates};
use super::experiments::Assignment;
use super::persona::{DEVICES, Persona};
use super::process::{Purchase, Traits};

/// The share of orders placed with the customer's own device; all first orders are.
const OWN_DEVICE_SHARE: f64 = 0.85;

/// The share of orders in francs, of customers in Switzerland and of others.
const FRANC_SHARES: (f64, f64) = (0.85, 0.01);

const PAYMENT_METHODS: [&str; 4] = ["card", "paypal", "invoice", "transfer"];
/// Where people order; a customer won in a store mostly orders there.
const ORDER_CHANNELS: [&str; 3] = ["web", "app", "store"];
const STORES: [&str; 3] = ["B01", "K01", "M01"];

/// Orders below this are charged for delivery.
const FREE_DELIVERY_CENTS: i64 = 5_000;
const DELIVERY_CENTS: i64 = 490;

/// An order as the shop knows it, in its own currency.
#[derive(Debug, Clone)]
pub(super) struct Sale {
    pub(super) id: String,
    /// The day in Berlin.
    pub(super) day: i32,
    pub(super) second_of_day: u32,
    pub(super) currency: Currency,
    pub(super) cents: i64,
    pub(super) channel: &'static str,
    /// None for a sale in a store.
    pub(super) device: Option<&'static str>,
    pub(super) store: Option<&'static str>,
    pub(super) status: &'static str,
    pub(super) payment_method: &'static str,
    pub(super) campaign: Option<&'static str>,
    pub(super) coupon: Option<&'static str>,
    pub(super) shipping_cents: i64,
    pub(super) shipping_cost_cents: i64,
    pub(super) country: &'static str,
    /// The purchase of the process that it belongs to, by index.
    pub(super) purchase: usize,
    pub(super) is_first: bool,
}

/// Whose orders they are.
#[derive(Clone, Copy)]
pub(super) struct Buyer<'a> {
    pub(super) number: u64,
    pub(super) id: &'a str,
    pub(super) traits: &'a Traits,
    pub(super) persona: &'a Persona,
    pub(super) purchases: &'a [Purchase],
    pub(super) assignments: &'a [Assignment],
}

impl Buyer<'_> {
    pub(super) fn is_store_customer(&self) -> bool {
        CHANNELS[usize::from(self.traits.channel)].name == "store"
    }

    pub(super) fn is_warned_on(&self, day: i32) -> bool {
        self.persona.is_warned_on(day)
    }

    /// The orders of the process.
    pub(super) fn sales(&self, rates: &Rates, random: &mut impl RngCore) -> Vec<Sale> {
        let mut sales = Vec::with_capacity(self.purchases.len() + 1);
        for (index, purchase) in self.purchases.iter().enumerate() {
            for (second_of_day, cents) in purchase.orders() {
                let at = (purchase.day, second_of_day);
                let mut sale = self.sale(sales.len() as u64, at, cents, rates, random);
                sale.purchase = index;
                self.credit(&mut sale);
                sales.push(sale);
            }
        }
        sales
    }

    /// An order for a value in euro cents, told in the currency in which the customer paid.
    pub(super) fn sale(
        &self,
        order: u64,
        (day, second_of_day): (i32, u32),
        euro_cents: i64,
        rates: &Rates,
        random: &mut impl RngCore,
    ) -> Sale {
        let country = self.persona.profile.place().country;
        let (swiss, others) = FRANC_SHARES;
        let francs = if country == "CH" { swiss } else { others };
        let currency = if random.random::<f64>() < francs {
            Currency::Chf
        } else {
            Currency::Eur
        };
        let in_store = random.random::<f64>() < 0.8;
        let any = random
            .random_range(0..3_usize)
            .min(random.random_range(0..3));
        let is_first = order == 0;
        // A first order by a device shows which one a customer has.
        let channel = match (self.is_store_customer() && in_store, is_first) {
            (true, _) => "store",
            (false, true) if !self.is_store_customer() => ORDER_CHANNELS[any % 2],
            (false, _) => ORDER_CHANNELS[any],
        };
        let is_own_device = random.random::<f64>() < OWN_DEVICE_SHARE;
        let other_device = random.random_range(0..DEVICES.len());
        let device = match is_first || is_own_device {
            true => self.persona.profile.device,
            false => other_device,
        };
        let store = STORES[random.random_range(0..STORES.len())];
        let payment_method = PAYMENT_METHODS[random.random_range(0..PAYMENT_METHODS.len())];
        let is_delivered = channel != "store";
        let cents = rates.in_currency(currency, day, euro_cents);
        let mut id = Vec::with_capacity(12);
        super::text::order_id(&mut id, self.number, order);
        Sale {
            id: String::from_utf8_lossy(&id).into_owned(),
            day,
            second_of_day,
            currency,
            cents,
            channel,
            device: is_delivered.then_some(DEVICES[device]),
            store: (!is_delivered).then_some(store),
            status: "shipped",
            payment_method,
            campaign: None,
            coupon: None,
            shipping_cents: if is_delivered && cents < FREE_DELIVERY_CENTS {
                DELIVERY_CENTS
            } else {
                0
            },
            shipping_cost_cents: if is_delivered {
                380 + random.random_range(0..120)
            } else {
                0
            },
            country,
            purchase: 0,
            is_first,
        }
    }

    /// Credits the campaign that won the customer with the first order, and one whose coupon was used with its order.
    fn credit(&self, sale: &mut Sale) {
        if sale.is_first {
            let channel = &CHANNELS[usize::from(self.traits.channel)];
            sale.campaign = Some(channel.campaigns[self.persona.profile.campaign].0);
        }
        let used = self.assignments.iter().find(|assignment| {
            assignment.is_redeemed && assignment.purchase == Some(sale.purchase)
        });
        // A second order of the day comes without the coupon.
        if let (Some(used), true) = (used, is_first_of_day(sale, self.purchases)) {
            sale.campaign = Some(used.of().id);
            sale.coupon = used.arm().coupon;
        }
    }
}

fn is_first_of_day(sale: &Sale, purchases: &[Purchase]) -> bool {
    purchases
        .get(sale.purchase)
        .is_some_and(|purchase| purchase.second_of_day == sale.second_of_day)
}
