//! A chunk of the company: every table's rows for some customers.

use std::ops::Range;

use rand::{Rng, RngCore};

use super::basket::{Baskets, Line};
use super::campaigns::Contacts;
use super::catalogue::CATEGORIES;
use super::crm::{Account, Crm};
use super::currencies::{Currency, Rates};
use super::dirt::Faults;
use super::experiments::assign;
use super::persona::{Persona, WARNED_SHARE, can_be_warned};
use super::process::{Process, Topic};
use super::prospects::{self, Prospect};
use super::returns::{REASONS, Return, Returns};
use super::reviews::Reviews;
use super::sales::{Buyer, Sale};
use super::shop::{OrderLines, Orders};
use super::social::Mentions;
use super::surveys::Surveys;
use super::tickets::Tickets;
use super::truth::{CustomerTruths, Ledger};
use super::web::Events;
use super::{Chunk, GenerateError, Plan, text};

/// The last days, after the order, on which goods come back.
const RETURN_DAYS: i32 = 28;

/// Makes a chunk.
pub(super) fn make(plan: &Plan, chunk: u64, customers: Range<u64>) -> Result<Chunk, GenerateError> {
    let mut writer = Writer {
        plan,
        crm: Crm::new()?,
        orders: Orders::default(),
        lines: OrderLines::default(),
        returns: Returns::default(),
        reviews: Reviews::new(plan.end_day),
        events: Events::default(),
        surveys: Surveys::new(plan.end_day),
        tickets: Tickets::new(plan.end_day)?,
        contacts: Contacts::new(),
        mentions: Mentions::default(),
        truths: CustomerTruths::default(),
        ledger: Ledger::default(),
        baskets: Baskets::new(),
        basket: Vec::new(),
    };
    let (mut purchases, mut assignments, mut in_vain) = (vec![], vec![], vec![]);
    for number in customers {
        let traits = plan.process.draw(number, &mut purchases);
        let stream = |topic| plan.process.stream(topic, number);
        let persona = Persona::draw(&traits, &purchases, &mut stream(Topic::Persona));
        assign(
            &traits,
            &persona,
            &purchases,
            plan.end_day,
            &mut stream(Topic::Campaigns),
            &mut assignments,
        );
        let days = plan.end_day - super::WINDOW_DAYS..=plan.end_day - 1;
        let mut random = stream(Topic::Prospects);
        prospects::draw(number, &traits, days, &mut random, &mut in_vain);
        let mut id = Vec::with_capacity(10);
        text::customer_id(&mut id, number);
        let buyer = Buyer {
            number,
            id: &String::from_utf8_lossy(&id),
            traits: &traits,
            persona: &persona,
            purchases: &purchases,
            assignments: &assignments,
        };
        let faults = Faults::around(number, plan.options.dirty);
        writer.customer(&buyer, faults, in_vain.len() as u64)?;
        writer.in_vain(&in_vain, &mut random)?;
    }
    writer.finish(chunk)
}

struct Writer<'a> {
    plan: &'a Plan,
    crm: Crm,
    orders: Orders,
    lines: OrderLines,
    returns: Returns,
    reviews: Reviews,
    events: Events,
    surveys: Surveys,
    tickets: Tickets,
    contacts: Contacts,
    mentions: Mentions,
    truths: CustomerTruths,
    ledger: Ledger,
    baskets: Baskets,
    /// The lines of the order at hand.
    basket: Vec<Line>,
}

impl Writer<'_> {
    const fn rates(&self) -> &Rates {
        &self.plan.rates
    }

    const fn process(&self) -> &Process {
        &self.plan.process
    }

    fn customer(
        &mut self,
        buyer: &Buyer<'_>,
        faults: Faults,
        visitors_in_vain: u64,
    ) -> Result<(), GenerateError> {
        let mut random = self.process().stream(Topic::Shop, buyer.number);
        let account = Account {
            id: buyer.id,
            profile: &buyer.persona.profile,
            channel: buyer.traits.channel,
            created_day: buyer.traits.first_day,
        };
        let tally = &mut self.ledger.tally;
        self.crm.write(&account, faults, &mut random, tally)?;

        let sales = buyer.sales(self.rates(), &mut random);
        let mut skus = Vec::with_capacity(sales.len());
        let mut revenue = 0;
        for sale in &sales {
            let times = if faults.repeated_order && sale.is_first {
                2
            } else {
                1
            };
            self.ledger.tally.repeated_order_rows += times - 1;
            self.orders
                .write(sale, buyer.id, times, None, &mut self.ledger.tally);
            let is_returned = self.goods(buyer, sale, true, faults, &mut random);
            revenue += self.count_sale(sale);
            skus.push(self.basket[0].product.sku());
            self.experience(buyer, sale, is_returned, faults)?;
        }
        self.besides(buyer, sales.len() as u64, faults, &mut random);
        self.elsewhere(buyer, &sales, &skus, faults);
        self.count(buyer, &sales, revenue, faults, visitors_in_vain);
        Ok(())
    }

    /// The lines of an order and what comes back of them; whether anything did. Faulty lines and returns hang on the
    /// customer's first order.
    fn goods(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        is_sale: bool,
        faults: Faults,
        random: &mut impl RngCore,
    ) -> bool {
        let taste = &buyer.persona.taste;
        self.baskets
            .fill(sale.cents, taste, sale.is_first, random, &mut self.basket);
        let mut is_returned = false;
        for (index, line) in self.basket.iter().enumerate() {
            let tally = &mut self.ledger.tally;
            self.lines.write(&sale.id, index + 1, line, None, tally);
            if !is_sale {
                continue;
            }
            let rate = self.plan.rates.rate(sale.currency, sale.day);
            tally.order_lines += 1;
            tally.cost_cents += line.cost_cents();
            tally.discount_ten_thousandths += line.discount_cents * rate;
            tally.free_gift_lines += u64::from(line.is_gift());
            if line.is_gift() {
                continue;
            }
            self.ledger.shopping.line(taste, line);
            let comes_back =
                random.random::<f64>() < CATEGORIES[line.product.category()].return_rate;
            let goods = Self::return_of(sale, index, line, &self.plan.rates, random);
            let is_back = comes_back && goods.day < self.plan.end_day;
            let is_old = sale.day + RETURN_DAYS < self.plan.end_day;
            self.ledger.shopping.fate(
                line.product.category(),
                is_back,
                is_old.then_some(comes_back),
            );
            if is_back {
                is_returned = true;
                let tally = &mut self.ledger.tally;
                self.returns.write(&goods, None, tally);
                let rate = self.plan.rates.rate(goods.currency, goods.day);
                tally.returns += 1;
                tally.refund_ten_thousandths += goods.refund_cents() * rate;
                tally.restocked_cost_ten_thousandths += goods.restocked_cents * rate;
            }
        }
        if sale.is_first {
            self.faulty_goods(sale, faults, random);
        }
        is_returned
    }

    /// Some of a line, some weeks later.
    fn return_of<'a>(
        sale: &'a Sale,
        index: usize,
        line: &Line,
        rates: &Rates,
        random: &mut impl RngCore,
    ) -> Return<'a> {
        let day = sale.day + random.random_range(2..=RETURN_DAYS);
        let quantity = random.random_range(1..=line.quantity);
        let cost = line.product.cost_cents * quantity;
        let is_restocked = random.random::<f64>() < 0.7;
        Return {
            order_id: &sale.id,
            line_number: index + 1,
            line: *line,
            currency: sale.currency,
            day,
            quantity,
            restocked_cents: match is_restocked {
                true => rates.in_currency(sale.currency, day, cost),
                false => 0,
            },
            reason: REASONS[random.random_range(0..REASONS.len())],
        }
    }

    fn faulty_goods(&mut self, sale: &Sale, faults: Faults, random: &mut impl RngCore) {
        let tally = &mut self.ledger.tally;
        let (next, line) = (self.basket.len(), self.basket[0]);
        if let Some(fault) = faults.line {
            self.lines
                .write(&sale.id, next + 1, &line, Some(fault), tally);
        }
        let goods = Self::return_of(sale, next, &line, &self.plan.rates, random);
        if let Some(fault) = faults.return_row {
            self.returns.write(&goods, Some(fault), tally);
        }
    }

    /// Counts an order of the process; its value in ten-thousandths of a euro.
    fn count_sale(&mut self, sale: &Sale) -> i64 {
        let euros = |cents| self.plan.rates.to_euro(sale.currency, sale.day, cents);
        let tally = &mut self.ledger.tally;
        tally.orders += 1;
        tally.foreign_orders += u64::from(sale.currency != Currency::Eur);
        tally.revenue_ten_thousandths += euros(sale.cents);
        tally.shipping_ten_thousandths += euros(sale.shipping_cents);
        tally.shipping_cost_ten_thousandths += euros(sale.shipping_cost_cents);
        euros(sale.cents)
    }

    /// What is asked and said of an order: reviews, surveys, tickets.
    fn experience(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        is_returned: bool,
        faults: Faults,
    ) -> Result<(), GenerateError> {
        let product = self.basket[0].product;
        let sku = product.sku();
        // One stream an order: what one order leads to does not move what the next does.
        let order = sale.id.parse().unwrap_or(buyer.number);
        let mut random = self.process().stream(Topic::Surveys, order);
        let ledger = &mut self.ledger;
        self.surveys.satisfaction(buyer, sale, ledger, &mut random);
        self.reviews
            .maybe_write(buyer, sale, &sku, is_returned, ledger, &mut random);
        let mut random = self.plan.process.stream(Topic::Tickets, order);
        let resolved =
            self.tickets
                .maybe_write(buyer, sale, product, is_returned, ledger, &mut random)?;
        if let Some(resolved_at) = resolved {
            self.surveys
                .effort(buyer, sale, resolved_at, ledger, &mut random);
        }
        if let (Some(fault), true) = (faults.review, sale.is_first) {
            let at = text::berlin(sale.day, 43_200);
            self.reviews
                .write(buyer, sale, &sku, (5, at), Some(fault), ledger);
        }
        if let (Some(fault), true) = (faults.ticket, sale.is_first) {
            self.tickets.fault(buyer, sale, product, fault, ledger)?;
        }
        Ok(())
    }

    /// Orders that are in the shop's tables but not in the customer's process.
    fn besides(
        &mut self,
        buyer: &Buyer<'_>,
        orders: u64,
        faults: Faults,
        random: &mut impl RngCore,
    ) {
        let days = buyer.traits.first_day..=self.plan.end_day - 1;
        let mut next = orders;
        let mut some_sale = |random: &mut dyn RngCore| {
            let at = (
                random.random_range(days.clone()),
                random.random_range(25_200..75_600),
            );
            let cents = random.random_range(900..9_000);
            let mut sale = buyer.sale(next, at, cents, &self.plan.rates, &mut &mut *random);
            next += 1;
            sale.currency = Currency::Eur;
            sale.cents = cents;
            sale
        };
        let anonymous = (buyer.number % 25 == 11).then(|| some_sale(random));
        let cancelled = (buyer.number % 50 == 23).then(|| some_sale(random));
        // Drawn by everybody, so that a clean company has the same customers.
        let faulty = some_sale(random);
        let clean = Faults::default();
        if let Some(sale) = anonymous {
            let tally = &mut self.ledger.tally;
            tally.anonymous_orders += 1;
            tally.anonymous_revenue_ten_thousandths += sale.cents * 100;
            self.orders.write(&sale, "", 1, None, tally);
            self.goods(buyer, &sale, false, clean, random);
        }
        if let Some(mut sale) = cancelled {
            sale.status = "cancelled";
            let tally = &mut self.ledger.tally;
            tally.cancelled_orders += 1;
            self.orders.write(&sale, buyer.id, 1, None, tally);
            self.goods(buyer, &sale, false, clean, random);
        }
        if let Some(fault) = faults.order {
            let tally = &mut self.ledger.tally;
            self.orders.write(&faulty, buyer.id, 1, Some(fault), tally);
        }
    }

    /// What the other systems know of a customer.
    fn elsewhere(&mut self, buyer: &Buyer<'_>, sales: &[Sale], skus: &[String], faults: Faults) {
        let stream = |topic| self.plan.process.stream(topic, buyer.number);
        let ledger = &mut self.ledger;
        let mut random = stream(Topic::Web);
        self.events
            .customer(buyer, sales, skus, &mut ledger.tally, &mut random);
        self.contacts
            .customer(buyer, sales, ledger, &mut stream(Topic::Contacts));
        self.surveys
            .recommend(buyer, ledger, &mut stream(Topic::Recommend));
        self.mentions
            .maybe_write(buyer, self.plan.end_day, ledger, &mut stream(Topic::Social));
        if faults.event {
            self.events.fault(buyer.traits, &mut ledger.tally);
        }
        if let Some(fault) = faults.contact {
            self.contacts.fault(buyer, fault, ledger);
        }
        if let Some(fault) = faults.response {
            self.surveys.fault(buyer, fault, ledger);
        }
        if let Some(fault) = faults.mention {
            self.mentions.fault(buyer, fault, ledger);
        }
    }

    fn count(
        &mut self,
        buyer: &Buyer<'_>,
        sales: &[Sale],
        revenue_ten_thousandths: i64,
        faults: Faults,
        visitors_in_vain: u64,
    ) {
        let (traits, persona, purchases) = (buyer.traits, buyer.persona, buyer.purchases);
        let is_in_crm = !faults.unknown && faults.crm.is_none();
        let ledger = &mut self.ledger;
        let tally = &mut ledger.tally;
        tally.customers += 1;
        tally.repeat_customers += u64::from(purchases.len() > 1);
        tally.customers_alive += u64::from(traits.is_alive);
        tally.customers_without_crm_row += u64::from(!is_in_crm);
        tally.purchase_days += purchases.len() as u64;
        let francs = sales.iter().filter(|sale| sale.currency != Currency::Eur);
        let is_mixed =
            !matches!(francs.count(), 0) && sales.iter().any(|s| s.currency == Currency::Eur);
        tally.customers_of_several_currencies += u64::from(is_mixed);
        let orders = sales.len() as u64;
        ledger.channels.customer(
            traits,
            is_in_crm,
            orders,
            revenue_ten_thousandths,
            visitors_in_vain,
        );
        ledger
            .retention
            .customer(traits, purchases, self.plan.end_day);
        ledger.shopping.customer(&persona.taste);
        ledger.ideal.customer(persona);
        if can_be_warned(traits, purchases) {
            let is_warned = persona.warned_from.is_some();
            ledger.experience.warned.chance(WARNED_SHARE, is_warned);
            ledger.experience.warned_customers += u64::from(is_warned);
        }
        self.truths.write(buyer, revenue_ten_thousandths);
    }

    /// Visitors who never buy.
    fn in_vain(
        &mut self,
        prospects: &[Prospect],
        random: &mut impl RngCore,
    ) -> Result<(), GenerateError> {
        let tally = &mut self.ledger.tally;
        tally.visitors_in_vain += prospects.len() as u64;
        for prospect in prospects {
            prospect.browse(&mut self.events, self.plan.end_day - 1, tally, random);
            if let Some(id) = &prospect.id {
                let account = Account {
                    id,
                    profile: &prospect.profile,
                    channel: prospect.channel,
                    created_day: prospect.day,
                };
                self.crm.write(&account, Faults::default(), random, tally)?;
                tally.prospects += 1;
            }
        }
        Ok(())
    }

    fn finish(self, chunk: u64) -> Result<Chunk, GenerateError> {
        let mut objects = vec![self.crm.finish(chunk)?];
        objects.extend(self.orders.finish(chunk));
        objects.push(self.lines.finish(chunk)?);
        objects.push(self.returns.finish(chunk)?);
        objects.push(self.reviews.finish(chunk)?);
        objects.push(self.events.finish(chunk)?);
        objects.push(self.surveys.finish(chunk));
        objects.push(self.tickets.finish(chunk)?);
        objects.push(self.contacts.finish(chunk));
        objects.push(self.mentions.finish(chunk));
        objects.push(self.truths.finish(chunk)?);
        Ok(Chunk {
            objects,
            ledger: self.ledger,
        })
    }
}
