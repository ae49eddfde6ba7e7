//! Marketing automation's export: campaigns as NDJSON, their contacts as tab-separated text.

use rand::{Rng, RngCore};

use super::Object;
use super::crm::{Spots, push_row};
use super::dirt::Dirt;
use super::experiments::EXPERIMENTS;
use super::sales::{Buyer, Sale};
use super::text::{berlin, push, push_cents, push_iso_date, push_utc};
use super::truth::{Ledger, Tally};

/// The raw tables' names.
const CAMPAIGNS: &str = "automation.campaigns";
pub(super) const CONTACTS: &str = "automation.contacts";

const HEADER: &[u8] =
    b"contact\tcampaign\tcustomer\tsent_at\tarm\tchannel\tholdout\tdelivered\topened_at\tclicked_at\t\
converted_at\tunsubscribed_at\torder_no\tcoupon\tcost\n";

const SPOTS: Spots = Spots {
    key: 0,
    text: 4,
    number: 14,
    wrong_number: "O.02",
    date: 3,
    wrong_date: "2024-02-30T04:00:00Z",
};

/// The contact is made at five in the morning, before anybody can order.
const CONTACT_SECOND: u32 = 18_000;

/// The contacts of a chunk.
pub(super) struct Contacts {
    out: Vec<u8>,
}

/// A contact, times in seconds since 1970.
#[derive(Default)]
struct Contact<'a> {
    id: String,
    campaign: &'static str,
    arm: &'static str,
    channel: &'static str,
    is_control: bool,
    sent_at: i64,
    is_delivered: bool,
    opened_at: Option<i64>,
    clicked_at: Option<i64>,
    converted_at: Option<i64>,
    unsubscribed_at: Option<i64>,
    order_id: Option<&'a str>,
    coupon: Option<&'static str>,
    cost_cents: i64,
}

impl Contacts {
    pub(super) fn new() -> Self {
        Self {
            out: HEADER.to_vec(),
        }
    }

    /// The contacts of a customer, those held back included.
    pub(super) fn customer(
        &mut self,
        buyer: &Buyer<'_>,
        sales: &[Sale],
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        for assignment in buyer.assignments {
            let of = assignment.of();
            let arm = assignment.arm();
            let sent_at = berlin(assignment.day, CONTACT_SECOND);
            let response = assignment
                .purchase
                .and_then(|purchase| sales.iter().find(|sale| sale.purchase == purchase));
            let bought_at = response.map(|sale| berlin(sale.day, sale.second_of_day));
            ledger.experiments.contact(
                assignment.experiment,
                assignment.arm,
                assignment.rate,
                response.is_some(),
            );
            let mut chance = |share: f64| random.random::<f64>() < share;
            let (arrives, opens, clicks, leaves) =
                (chance(0.97), chance(0.40), chance(0.20), chance(0.01));
            let is_sent = !assignment.is_control();
            let is_delivered = is_sent && (arrives || assignment.is_redeemed);
            let is_mail = of.channel == "email";
            let opened = is_delivered && is_mail && (opens || assignment.is_redeemed);
            let clicked = opened && (clicks || assignment.is_redeemed);
            // Before the order, where there is one on the same day: the first can be two hours after the contact.
            let opened_at = sent_at + random.random_range(60..3_600);
            let contact = Contact {
                id: format!("{}-{}", of.id, buyer.id),
                campaign: of.id,
                arm: arm.name,
                channel: of.channel,
                is_control: assignment.is_control(),
                sent_at,
                is_delivered,
                opened_at: opened.then_some(opened_at),
                clicked_at: clicked.then_some(opened_at + 30),
                converted_at: bought_at,
                unsubscribed_at: (opened && leaves && !clicked).then_some(opened_at + 90),
                order_id: response
                    .filter(|_| assignment.is_redeemed)
                    .map(|sale| sale.id.as_str()),
                coupon: arm.coupon,
                cost_cents: arm.cost_cents,
            };
            self.write(buyer, &contact, None, ledger);
        }
    }

    /// A row in addition that does not fit.
    pub(super) fn fault(&mut self, buyer: &Buyer<'_>, fault: Dirt, ledger: &mut Ledger) {
        let contact = Contact {
            id: format!("X-{}", buyer.id),
            campaign: EXPERIMENTS[0].id,
            arm: "letter",
            channel: EXPERIMENTS[0].channel,
            sent_at: berlin(buyer.traits.first_day, CONTACT_SECOND),
            is_delivered: true,
            ..Contact::default()
        };
        self.write(buyer, &contact, Some(fault), ledger);
    }

    fn write(
        &mut self,
        buyer: &Buyer<'_>,
        contact: &Contact<'_>,
        fault: Option<Dirt>,
        ledger: &mut Ledger,
    ) {
        let at = |at: Option<i64>| {
            let mut cell = Vec::new();
            if let Some(at) = at {
                push_utc(&mut cell, at);
            }
            cell
        };
        let flag = |flag: bool| Vec::from(if flag { "1" } else { "0" });
        let mut cost = Vec::new();
        push_cents(&mut cost, contact.cost_cents);
        let mut cells: Vec<Vec<u8>> = vec![
            contact.id.as_str().into(),
            contact.campaign.into(),
            buyer.id.into(),
            at(Some(contact.sent_at)),
            contact.arm.into(),
            contact.channel.into(),
            flag(contact.is_control),
            flag(contact.is_delivered),
            at(contact.opened_at),
            at(contact.clicked_at),
            at(contact.converted_at),
            at(contact.unsubscribed_at),
            contact.order_id.unwrap_or_default().into(),
            contact.coupon.unwrap_or_default().into(),
            cost,
        ];
        match fault {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                ledger.tally.count_fault(CONTACTS, fault);
            }
            None => ledger.tally.count_rows(CONTACTS, 1),
        }
        push_row(&mut self.out, &cells, b'\t', b"\n");
    }

    pub(super) fn finish(self, chunk: u64) -> Object {
        Object {
            path: format!("automation/contacts/contacts-{chunk:05}.tsv"),
            bytes: self.out.into(),
        }
    }
}

/// The campaigns with arms. One object for the whole company.
pub(super) fn export(end_day: i32, tally: &mut Tally) -> Object {
    let mut out = Vec::new();
    for of in &EXPERIMENTS {
        let day = end_day - of.days_before_end;
        push!(&mut out, "{{\"id\":\"{}\",\"title\":\"{}\"", of.id, of.name);
        push!(
            &mut out,
            ",\"kind\":\"{}\",\"goal\":\"{}\"",
            of.kind,
            of.objective
        );
        push!(&mut out, ",\"channel\":\"{}\",\"starts\":\"", of.channel);
        push_iso_date(&mut out, day);
        push!(&mut out, "\",\"ends\":\"");
        push_iso_date(&mut out, day + super::experiments::RESPONSE_DAYS - 1);
        push!(&mut out, "\",\"holdout_arm\":\"{}\"}}\n", of.arms[0].name);
        tally.count_rows(CAMPAIGNS, 1);
    }
    Object {
        path: "automation/campaigns/campaigns.ndjson".to_owned(),
        bytes: out.into(),
    }
}
