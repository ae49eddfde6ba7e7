//! Web analytics in the shape of GA4's export to BigQuery, as Parquet, its nested fields flattened.
//!
//! Tracked are the first visits of everybody whom a channel brings to the web, and of later orders by web or app a
//! sample, as many as agree to cookies. A visitor is known from the first visit of which they log in: before that
//! `user_id` is null, and only `user_pseudo_id` ties the visits together.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Builder, StringBuilder};
use arrow::datatypes::DataType;
use rand::{Rng, RngCore};

use super::channels::{CHANNELS, pick};
use super::columns::ParquetObject;
use super::dirt::Dirt;
use super::persona::{DEVICES, Profile};
use super::process::Traits;
use super::sales::{Buyer, Sale};
use super::text::{berlin, date};
use super::truth::Tally;
use super::{GenerateError, Object};

/// The raw table's name.
pub(super) const EVENTS: &str = "ga4.events";

/// The share of later orders by web or app whose visit is tracked.
const LATER_SHARE: f64 = 0.12;

/// Where later visits come from: source, medium and share. No campaign is told.
const LATER: [(&str, &str, f64); 4] = [
    ("(direct)", "(none)", 0.40),
    ("newsletter", "email", 0.25),
    ("google", "cpc", 0.25),
    ("facebook", "paid_social", 0.10),
];

const SITE: &str = "https://shop.example.org";

/// Countries as GA4 names them, by code.
const COUNTRIES: [(&str, &str); 6] = [
    ("DE", "Germany"),
    ("FR", "France"),
    ("NL", "Netherlands"),
    ("IT", "Italy"),
    ("AT", "Austria"),
    ("CH", "Switzerland"),
];

/// Where a visit came from.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    source: &'static str,
    medium: &'static str,
    campaign: Option<&'static str>,
}

impl Traffic {
    /// The first visit of somebody whom a channel brings.
    pub(super) fn first(channel: u8, campaign: usize) -> Self {
        let channel = &CHANNELS[usize::from(channel)];
        Self {
            source: channel.traffic.0,
            medium: channel.traffic.1,
            campaign: Some(channel.campaigns[campaign].0),
        }
    }

    /// A visit of somebody who knows the site.
    pub(super) fn later(random: &mut impl RngCore) -> Self {
        let (source, medium, _) = LATER[pick(&LATER.map(|from| from.2), random.random())];
        Self {
            source,
            medium,
            campaign: None,
        }
    }
}

/// A visitor's browser. Times are seconds since 1970.
pub(super) struct Visitor<'a> {
    pseudo_id: String,
    profile: &'a Profile,
    last_at: i64,
}

/// A visit: where it came from, when it began, and whether the visitor logged in.
pub(super) struct Visit<'a> {
    pub(super) traffic: Traffic,
    pub(super) at: i64,
    pub(super) user_id: Option<&'a str>,
}

/// What an event is about.
#[derive(Default)]
pub(super) struct About<'a> {
    pub(super) sku: Option<&'a str>,
    pub(super) order_id: Option<&'a str>,
}

/// The events of a chunk.
#[derive(Default)]
pub(super) struct Events {
    texts: [StringBuilder; 12],
    timestamp: Int64Builder,
    session: Int64Builder,
    engagement: Int64Builder,
}

const COLUMNS: [&str; 12] = [
    "event_date",
    "event_name",
    "user_pseudo_id",
    "user_id",
    "collected_traffic_source_manual_source",
    "collected_traffic_source_manual_medium",
    "collected_traffic_source_manual_campaign_name",
    "device_category",
    "geo_country",
    "page_location",
    "transaction_id",
    "item_id",
];

impl<'a> Visitor<'a> {
    /// The visitor of a number, seen first at a time.
    pub(super) fn new(number: u64, first_at: i64, profile: &'a Profile) -> Self {
        Self {
            pseudo_id: format!("{number}.{first_at}"),
            profile,
            last_at: i64::MIN,
        }
    }
}

impl Events {
    /// Writes an event some seconds into a visit; never two of a visitor at the same time.
    pub(super) fn write(
        &mut self,
        visitor: &mut Visitor<'_>,
        visit: &Visit<'_>,
        after: i64,
        name: &str,
        about: &About<'_>,
        tally: &mut Tally,
    ) {
        let at = (visit.at + after).max(visitor.last_at + 1);
        visitor.last_at = at;
        let place = visitor.profile.place();
        let country = COUNTRIES.iter().find(|(code, _)| *code == place.country);
        let page = match about.sku {
            Some(sku) => format!("{SITE}/p/{sku}"),
            None => format!("{SITE}/"),
        };
        // The property reports in Berlin's time, at most two hours ahead, and nobody is awake when days change.
        let day = date(at.div_euclid(86_400) as i32)
            .format("%Y%m%d")
            .to_string();
        let cells: [Option<&str>; 12] = [
            Some(&day),
            Some(name),
            Some(&visitor.pseudo_id),
            visit.user_id,
            Some(visit.traffic.source),
            Some(visit.traffic.medium),
            visit.traffic.campaign,
            Some(DEVICES[visitor.profile.device]),
            country.map(|(_, name)| *name),
            Some(&page),
            about.order_id,
            about.sku,
        ];
        for (builder, cell) in self.texts.iter_mut().zip(cells) {
            builder.append_option(cell);
        }
        self.timestamp.append_value(at * 1_000_000 + 137_000);
        self.session.append_value(visit.at);
        self.engagement.append_value(1_500 + at % 60_000);
        tally.count_rows(EVENTS, 1);
    }

    /// A row in addition without a visitor.
    pub(super) fn fault(&mut self, traits: &Traits, tally: &mut Tally) {
        for (index, builder) in self.texts.iter_mut().enumerate() {
            builder.append_option((index == 1).then_some("page_view"));
        }
        self.timestamp
            .append_value(berlin(traits.first_day, 43_200) * 1_000_000);
        self.session.append_null();
        self.engagement.append_null();
        tally.count_fault(EVENTS, Dirt::MissingRequired);
    }

    /// What a customer's browser sends: the first visit, the one of the first order, and a sample of later ones.
    /// `skus` are the first product of each order.
    pub(super) fn customer(
        &mut self,
        buyer: &Buyer<'_>,
        sales: &[Sale],
        skus: &[String],
        tally: &mut Tally,
        random: &mut impl RngCore,
    ) {
        let (Some(first), Some(sku)) = (sales.first(), skus.first()) else {
            return;
        };
        let profile = &buyer.persona.profile;
        let days_before = random.random_range(0..10);
        let ordered_at = berlin(first.day, first.second_of_day);
        let first_at = ordered_at - i64::from(days_before) * 86_400 - 5_400;
        let mut visitor = Visitor::new(buyer.number, first_at, profile);
        let later = Traffic::later(random);
        if !buyer.is_store_customer() {
            let visit = Visit {
                traffic: Traffic::first(buyer.traits.channel, profile.campaign),
                at: first_at,
                user_id: None,
            };
            let about = About {
                sku: Some(sku),
                order_id: None,
            };
            self.write(
                &mut visitor,
                &visit,
                0,
                "page_view",
                &About::default(),
                tally,
            );
            self.write(&mut visitor, &visit, 45, "view_item", &about, tally);
            self.order(&mut visitor, buyer, first, sku, later, true, tally);
        }
        for (sale, sku) in sales.iter().zip(skus).skip(1) {
            let is_tracked = random.random::<f64>() < LATER_SHARE;
            let mut traffic = Traffic::later(random);
            let sent = buyer.assignments.iter().find(|assignment| {
                let is_mail = assignment.of().channel == "email" && !assignment.is_control();
                is_mail && assignment.is_redeemed && sale.campaign == Some(assignment.of().id)
            });
            if let Some(sent) = sent {
                traffic = Traffic {
                    source: "newsletter",
                    medium: "email",
                    campaign: Some(sent.of().id),
                };
            }
            if (is_tracked || sent.is_some()) && sale.device.is_some() {
                self.order(&mut visitor, buyer, sale, sku, traffic, false, tally);
            }
        }
    }

    /// A visit with an order, or, where the order was placed elsewhere, to look before.
    #[expect(
        clippy::too_many_arguments,
        reason = "who, what, whence; each said once"
    )]
    fn order(
        &mut self,
        visitor: &mut Visitor<'_>,
        buyer: &Buyer<'_>,
        sale: &Sale,
        sku: &str,
        traffic: Traffic,
        is_whole: bool,
        tally: &mut Tally,
    ) {
        let visit = Visit {
            traffic,
            at: berlin(sale.day, sale.second_of_day) - 600,
            user_id: Some(buyer.id),
        };
        let seen = About {
            sku: Some(sku),
            order_id: None,
        };
        let bought = About {
            sku: Some(sku),
            order_id: Some(&sale.id),
        };
        self.write(visitor, &visit, 0, "view_item", &seen, tally);
        if sale.device.is_some() {
            if is_whole {
                self.write(visitor, &visit, 200, "add_to_cart", &seen, tally);
            }
            self.write(visitor, &visit, 600, "purchase", &bought, tally);
        }
    }

    pub(super) fn finish(mut self, chunk: u64) -> Result<Object, GenerateError> {
        let mut columns: Vec<(&str, DataType)> =
            COLUMNS.iter().map(|name| (*name, DataType::Utf8)).collect();
        columns.extend(
            ["event_timestamp", "ga_session_id", "engagement_time_msec"]
                .map(|name| (name, DataType::Int64)),
        );
        let few: Vec<&str> = COLUMNS
            .into_iter()
            .filter(|name| !["transaction_id", "user_id", "page_location"].contains(name))
            .collect();
        let mut object = ParquetObject::new(EVENTS, &columns, &few)?;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for builder in &mut self.texts {
            arrays.push(Arc::new(builder.finish()));
        }
        for builder in [&mut self.timestamp, &mut self.session, &mut self.engagement] {
            arrays.push(Arc::new(builder.finish()));
        }
        object.write(arrays)?;
        Ok(Object {
            path: format!("ga4/events/events-{chunk:05}.parquet"),
            bytes: object.finish()?,
        })
    }
}
