//! Visitors who never buy: a channel brings them as it brings customers.
//!
//! Visitors are trials until one buys: for each customer of a channel whose visitors become customers with
//! probability c, the number who come in vain is geometric with mean (1 − c) / c, so that over all visitors c is
//! the true share. Most of them sign up, and stand in the CRM as prospects; the others are never known by name.

use rand::{Rng, RngCore};

use super::channels::CHANNELS;
use super::persona::Profile;
use super::process::Traits;
use super::text::{berlin, push_digits};
use super::truth::Tally;
use super::web::{About, Events, Traffic, Visit, Visitor};

/// The share of visitors in vain who sign up.
const SIGN_UP_SHARE: f64 = 0.7;

/// More visitors in vain a customer than this are cut off: one customer in a hundred thousand has as many.
const MOST: u64 = 19;

/// A visitor who never buys.
pub(super) struct Prospect {
    /// The CRM's number, where the visitor signed up.
    pub(super) id: Option<String>,
    pub(super) profile: Profile,
    pub(super) channel: u8,
    /// The day of the first visit, and of signing up.
    pub(super) day: i32,
    number: u64,
}

/// The visitors in vain for one customer, within the company's days.
pub(super) fn draw(
    customer: u64,
    traits: &Traits,
    days: std::ops::RangeInclusive<i32>,
    random: &mut impl RngCore,
    prospects: &mut Vec<Prospect>,
) {
    prospects.clear();
    let Some(conversion) = CHANNELS[usize::from(traits.channel)].conversion else {
        return;
    };
    while (prospects.len() as u64) < MOST && random.random::<f64>() >= conversion {
        let index = prospects.len() as u64;
        let day = traits.first_day + random.random_range(-20..=20);
        let mut id = b"L".to_vec();
        push_digits(&mut id, customer, 9);
        push_digits(&mut id, index, 2);
        let profile = Profile::draw(false, random);
        let has_signed_up = random.random::<f64>() < SIGN_UP_SHARE;
        prospects.push(Prospect {
            id: has_signed_up.then(|| String::from_utf8_lossy(&id).into_owned()),
            profile,
            channel: traits.channel,
            day: day.clamp(*days.start(), *days.end()),
            number: 1_000_000_000 + customer * 100 + index,
        });
    }
}

impl Prospect {
    /// One to three visits.
    pub(super) fn browse(
        &self,
        events: &mut Events,
        last_day: i32,
        tally: &mut Tally,
        random: &mut impl RngCore,
    ) {
        let first_at = berlin(self.day, random.random_range(25_200..75_600));
        let mut visitor = Visitor::new(self.number, first_at, &self.profile);
        let mut visit = Visit {
            traffic: Traffic::first(self.channel, self.profile.campaign),
            at: first_at,
            user_id: None,
        };
        events.write(
            &mut visitor,
            &visit,
            0,
            "page_view",
            &About::default(),
            tally,
        );
        self.look(events, &mut visitor, &visit, tally, random);
        visit.user_id = self.id.as_deref();
        if self.id.is_some() {
            events.write(
                &mut visitor,
                &visit,
                300,
                "sign_up",
                &About::default(),
                tally,
            );
        }
        for again in 1..=2 {
            let day = self.day + 3 * again;
            if day > last_day || random.random::<f64>() < 0.6 {
                break;
            }
            visit.traffic = Traffic::later(random);
            visit.at = berlin(day, random.random_range(25_200..75_600));
            self.look(events, &mut visitor, &visit, tally, random);
        }
    }

    fn look(
        &self,
        events: &mut Events,
        visitor: &mut Visitor<'_>,
        visit: &Visit<'_>,
        tally: &mut Tally,
        random: &mut impl RngCore,
    ) {
        let sku = format!("P{:04}", random.random_range(1..=3_200));
        let about = About {
            sku: Some(&sku),
            order_id: None,
        };
        events.write(visitor, visit, 60, "view_item", &about, tally);
    }
}
