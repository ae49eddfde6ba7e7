//! The helpdesk's export of tickets: CSV with semicolons, packed with gzip.

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::{Rng, RngCore};
use std::io::Write as _;

use super::catalogue::Product;
use super::channels::pick;
use super::crm::{Spots, push_row};
use super::dirt::Dirt;
use super::sales::{Buyer, Sale};
use super::text::{berlin, push, push_cents, push_utc};
use super::truth::Ledger;
use super::{GenerateError, Object};

/// The raw table's name.
pub(super) const TICKETS: &str = "helpdesk.tickets";

const HEADER: &[u8] =
    b"ticket;requester;order;sku;created;first_reply;solved;channel;topic;priority;type;reopens;\
interactions;handling_minutes;cost\n";

const SPOTS: Spots = Spots {
    key: 0,
    text: 8,
    number: 11,
    wrong_number: "two",
    date: 4,
    wrong_date: "2023-02-30T08:00:00Z",
};

/// The probability that an order leads to a ticket: of any, in addition when something came back, in addition when
/// the customer is on the way out.
const BASE_RATE: f64 = 0.06;
const RETURNED_RATE: f64 = 0.35;
const WARNED_RATE: f64 = 0.25;

/// The probability that a ticket is opened again: steady, warned.
const REOPENED: [f64; 2] = [0.08, 0.30];

/// Channels of service with their share, the mean hours to the first reply, and the cents that an interaction costs.
const CHANNELS: [(&str, f64, f64, i64); 3] = [
    ("email", 0.50, 8.0, 310),
    ("chat", 0.30, 0.2, 240),
    ("phone", 0.20, 0.02, 560),
];
/// The mean hours from the first reply to the solution.
const SOLVING_HOURS: f64 = 20.0;

const TOPICS: [&str; 5] = ["delivery", "return", "product", "payment", "account"];

/// The tickets of a chunk.
pub(super) struct Tickets {
    out: GzEncoder<Vec<u8>>,
    end: i64,
    row: Vec<u8>,
}

/// A ticket, times in seconds since 1970.
struct Ticket<'a> {
    id: String,
    order_id: &'a str,
    sku: String,
    opened_at: i64,
    replied_at: Option<i64>,
    resolved_at: Option<i64>,
    channel: usize,
    topic: &'static str,
    is_complaint: bool,
    reopened: u64,
    contacts: u64,
}

impl Ticket<'_> {
    fn cost_cents(&self) -> i64 {
        self.contacts as i64 * CHANNELS[self.channel].3
    }
}

impl Tickets {
    pub(super) fn new(end_day: i32) -> Result<Self, GenerateError> {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(HEADER).map_err(compress)?;
        Ok(Self {
            out,
            end: berlin(end_day, 0),
            row: Vec::new(),
        })
    }

    /// Perhaps a ticket about an order; when it was resolved, if it was.
    pub(super) fn maybe_write(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        product: Product,
        is_returned: bool,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) -> Result<Option<i64>, GenerateError> {
        let is_warned = buyer.is_warned_on(sale.day);
        let mut rate = BASE_RATE;
        rate += if is_returned { RETURNED_RATE } else { 0.0 };
        rate += if is_warned { WARNED_RATE } else { 0.0 };
        let is_opened = random.random::<f64>() < rate;
        let ticket = self.draw(sale, product, is_warned, is_returned, random);
        if ticket.opened_at >= self.end {
            return Ok(None);
        }
        if !is_returned {
            ledger.experience.ticket_rate[usize::from(is_warned)].chance(rate, is_opened);
        }
        if !is_opened {
            return Ok(None);
        }
        let tickets = &mut ledger.experience.tickets;
        tickets.opened += 1;
        tickets.reopened += ticket.reopened;
        tickets.complaints += u64::from(ticket.is_complaint);
        tickets.contacts += ticket.contacts;
        tickets.cost_cents += ticket.cost_cents();
        if let Some(at) = ticket.replied_at {
            tickets.replied += 1;
            tickets.reply_seconds += at - ticket.opened_at;
        }
        if let Some(at) = ticket.resolved_at {
            tickets.resolved += 1;
            tickets.resolve_seconds += at - ticket.opened_at;
        }
        ledger
            .experience
            .reopened_share
            .chance(REOPENED[usize::from(is_warned)], ticket.reopened > 0);
        self.write(buyer, &ticket, None, ledger)?;
        Ok(ticket.resolved_at)
    }

    fn draw<'a>(
        &self,
        sale: &'a Sale,
        product: Product,
        is_warned: bool,
        is_returned: bool,
        random: &mut impl RngCore,
    ) -> Ticket<'a> {
        let channel = pick(&CHANNELS.map(|channel| channel.1), random.random());
        let opened_at =
            berlin(sale.day + random.random_range(1..=10), 28_800) + random.random_range(0..43_200);
        let mut hours = |mean: f64| (-(1.0 - random.random::<f64>()).ln() * mean * 3_600.0) as i64;
        let replied_at = opened_at + 20 + hours(CHANNELS[channel].2);
        let resolved_at = replied_at + 120 + hours(SOLVING_HOURS);
        let has_happened = |at: &i64| *at < self.end;
        let is_reopened = random.random::<f64>() < REOPENED[usize::from(is_warned)];
        let again = u64::from(random.random::<f64>() < 0.2);
        let reopened = if is_reopened { 1 + again } else { 0 };
        let complains = random.random::<f64>() < if is_warned { 0.7 } else { 0.25 };
        let topic = TOPICS[random.random_range(0..TOPICS.len())];
        Ticket {
            id: format!("T{}", sale.id),
            order_id: &sale.id,
            sku: product.sku(),
            opened_at,
            replied_at: Some(replied_at).filter(has_happened),
            resolved_at: Some(resolved_at).filter(has_happened),
            channel,
            topic: if is_returned { "return" } else { topic },
            is_complaint: complains,
            reopened,
            contacts: 1 + reopened + random.random_range(0..3),
        }
    }

    /// A row in addition that does not fit.
    pub(super) fn fault(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        product: Product,
        fault: Dirt,
        ledger: &mut Ledger,
    ) -> Result<(), GenerateError> {
        let opened_at = berlin(sale.day, 36_000);
        let ticket = Ticket {
            id: format!("X{}", sale.id),
            order_id: &sale.id,
            sku: product.sku(),
            opened_at,
            replied_at: None,
            resolved_at: None,
            channel: 0,
            topic: TOPICS[0],
            is_complaint: false,
            reopened: 0,
            contacts: 1,
        };
        self.write(buyer, &ticket, Some(fault), ledger)
    }

    fn write(
        &mut self,
        buyer: &Buyer<'_>,
        ticket: &Ticket<'_>,
        fault: Option<Dirt>,
        ledger: &mut Ledger,
    ) -> Result<(), GenerateError> {
        let mut cells: Vec<Vec<u8>> = vec![ticket.id.as_str().into(), buyer.id.into()];
        cells.extend([ticket.order_id, ticket.sku.as_str()].map(Vec::from));
        let times = [
            Some(ticket.opened_at),
            ticket.replied_at,
            ticket.resolved_at,
        ];
        for at in times {
            let mut cell = Vec::new();
            if let Some(at) = at {
                push_utc(&mut cell, at);
            }
            cells.push(cell);
        }
        let (kind, priority) = if ticket.is_complaint {
            ("complaint", "high")
        } else {
            ("question", "normal")
        };
        cells.extend([CHANNELS[ticket.channel].0, ticket.topic, priority, kind].map(Vec::from));
        for number in [ticket.reopened, ticket.contacts, 6 * ticket.contacts] {
            let mut cell = Vec::new();
            push!(&mut cell, "{number}");
            cells.push(cell);
        }
        let mut cost = Vec::new();
        push_cents(&mut cost, ticket.cost_cents());
        cells.push(cost);
        match fault {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                ledger.tally.count_fault(TICKETS, fault);
            }
            None => ledger.tally.count_rows(TICKETS, 1),
        }
        self.row.clear();
        push_row(&mut self.row, &cells, b';', b"\n");
        self.out.write_all(&self.row).map_err(compress)
    }

    pub(super) fn finish(self, chunk: u64) -> Result<Object, GenerateError> {
        Ok(Object {
            path: format!("helpdesk/tickets/tickets-{chunk:05}.csv.gz"),
            bytes: self.out.finish().map_err(compress)?.into(),
        })
    }
}

fn compress(source: std::io::Error) -> GenerateError {
    GenerateError::Compress {
        table: TICKETS,
        source,
    }
}
