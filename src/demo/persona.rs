//! Who a customer is besides how they buy: where they live, what they look for, how they came.

use rand::{Rng, RngCore};

use super::channels::{FIRST_CAMPAIGN_SHARE, pick};
use super::needs::{NEEDS, Taste};
use super::process::{Purchase, Traits};

/// The value, in cents, from which on a customer is of high value: every fifth, as 1,000,000 customers show.
pub(super) const HIGH_VALUE_CENTS: i64 = 52_900;

/// A place where customers live. The first region is the one that customers of high value live in more often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) country: &'static str,
    pub(super) region: &'static str,
    pub(super) street: &'static str,
    pub(super) city: &'static str,
    pub(super) postal_code: &'static str,
    pub(super) language: &'static str,
    /// The share among those who do not live in the first; 0 for that.
    share: f64,
}

/// All places.
pub(super) const PLACES: [Place; 9] = [
    place(
        "DE",
        "Bayern",
        "Leopoldstraße",
        "München",
        "80802",
        "de",
        0.0,
    ),
    place("DE", "Berlin", "Hauptstraße", "Berlin", "10115", "de", 0.20),
    place(
        "DE",
        "Nordrhein-Westfalen",
        "Domstraße",
        "Köln",
        "50668",
        "de",
        0.20,
    ),
    place(
        "DE",
        "Sachsen",
        "Königstraße",
        "Dresden",
        "01097",
        "de",
        0.10,
    ),
    place(
        "FR",
        "Île-de-France",
        "Rue de l'Église",
        "Paris",
        "75011",
        "fr",
        0.15,
    ),
    place(
        "NL",
        "Noord-Holland",
        "Keizersgracht",
        "Amsterdam",
        "1016",
        "nl",
        0.10,
    ),
    place("IT", "Lombardia", "Via Roma", "Milano", "20121", "it", 0.08),
    place(
        "AT",
        "Wien",
        "Mariahilfer Straße",
        "Wien",
        "1060",
        "de",
        0.09,
    ),
    place(
        "CH",
        "Zürich",
        "Bahnhofstrasse",
        "Zürich",
        "8001",
        "de",
        0.08,
    ),
];

const fn place(
    country: &'static str,
    region: &'static str,
    street: &'static str,
    city: &'static str,
    postal_code: &'static str,
    language: &'static str,
    share: f64,
) -> Place {
    Place {
        country,
        region,
        street,
        city,
        postal_code,
        language,
        share,
    }
}

/// Devices; the first is the one that customers of high value use more often.
pub(super) const DEVICES: [&str; 3] = ["desktop", "mobile", "tablet"];
/// Mobiles among the devices that are no desktop.
const MOBILE_SHARE: f64 = 0.85;

pub(super) const GENDERS: [&str; 4] = ["female", "male", "diverse", ""];
const GENDER_SHARES: [f64; 4] = [0.52, 0.42, 0.02, 0.04];
const HOUSEHOLD_SHARES: [f64; 5] = [0.35, 0.30, 0.16, 0.13, 0.06];
pub(super) const INCOME_BANDS: [&str; 4] = ["below 30k", "30k to 60k", "above 60k", ""];

/// A trait's probability among customers of high value, and among all others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ideal {
    pub(super) high: f64,
    pub(super) others: f64,
}

impl Ideal {
    pub(super) const fn share(self, is_high_value: bool) -> f64 {
        if is_high_value {
            self.high
        } else {
            self.others
        }
    }
}

/// Living in the first of [`PLACES`].
pub(super) const IDEAL_REGION: Ideal = Ideal {
    high: 0.30,
    others: 0.15,
};
/// Beginning with machines.
pub(super) const IDEAL_CATEGORY: Ideal = Ideal {
    high: 0.30,
    others: 0.10,
};
/// Using the first of [`DEVICES`].
pub(super) const IDEAL_DEVICE: Ideal = Ideal {
    high: 0.54,
    others: 0.36,
};

/// The share that is disappointed before leaving, of those who left after at least [`WARNED_PURCHASES`] purchase
/// days.
pub(super) const WARNED_SHARE: f64 = 0.6;
/// How many purchase days it takes to show a decline.
pub(super) const WARNED_PURCHASES: usize = 3;

/// The share of accounts that agreed to marketing, and of those that did not.
pub(super) const CONSENT_SHARES: [f64; 3] = [0.55, 0.40, 0.05];

/// Where an account holder lives and what they told of themselves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile {
    /// Index into [`PLACES`].
    pub(super) place: usize,
    /// Index into [`DEVICES`].
    pub(super) device: usize,
    /// Index into [`GENDERS`].
    pub(super) gender: usize,
    pub(super) household_size: usize,
    /// Index into [`INCOME_BANDS`].
    pub(super) income_band: usize,
    /// 0 for yes, 1 for no, 2 for never asked.
    pub(super) consent: usize,
    /// Index into the channel's campaigns.
    pub(super) campaign: usize,
}

impl Profile {
    /// Somebody who is of high value or not.
    pub(super) fn draw(is_high_value: bool, random: &mut impl RngCore) -> Self {
        let mut uniform = || random.random::<f64>();
        let shares = PLACES.map(|place| place.share);
        let place = if uniform() < IDEAL_REGION.share(is_high_value) {
            0
        } else {
            pick(&shares, uniform())
        };
        let device = if uniform() < IDEAL_DEVICE.share(is_high_value) {
            0
        } else {
            1 + usize::from(uniform() >= MOBILE_SHARE)
        };
        Self {
            place,
            device,
            gender: pick(&GENDER_SHARES, uniform()),
            household_size: 1 + pick(&HOUSEHOLD_SHARES, uniform()),
            income_band: pick(&[0.25, 0.40, 0.20, 0.15], uniform()),
            consent: pick(&CONSENT_SHARES, uniform()),
            campaign: usize::from(uniform() >= FIRST_CAMPAIGN_SHARE),
        }
    }

    pub(super) fn place(&self) -> &'static Place {
        &PLACES[self.place]
    }

    pub(super) fn has_consent(&self) -> bool {
        self.consent == 0
    }
}

/// A customer's hidden traits besides those of the process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Persona {
    pub(super) profile: Profile,
    pub(super) taste: Taste,
    /// Whether all purchases together reach [`HIGH_VALUE_CENTS`].
    pub(super) is_high_value: bool,
    /// From which day on the customer is disappointed, on the way out.
    pub(super) warned_from: Option<i32>,
}

impl Persona {
    /// Draws the persona of a customer, given what they bought.
    pub(super) fn draw(traits: &Traits, purchases: &[Purchase], random: &mut impl RngCore) -> Self {
        let cents: i64 = purchases.iter().map(|purchase| purchase.cents).sum();
        let is_high_value = cents >= HIGH_VALUE_CENTS;
        let profile = Profile::draw(is_high_value, random);
        let need = pick(&NEEDS.map(|need| need.share), random.random());
        let taste = Taste::draw(need, IDEAL_CATEGORY.share(is_high_value), random);
        let is_warned = random.random::<f64>() < WARNED_SHARE;
        let warned_from = (is_warned && can_be_warned(traits, purchases))
            .then(|| purchases[purchases.len() - 2].day);
        Self {
            profile,
            taste,
            is_high_value,
            warned_from,
        }
    }

    pub(super) fn is_warned_on(&self, day: i32) -> bool {
        self.warned_from.is_some_and(|from| day >= from)
    }
}

/// Whether a customer left after enough purchases for a decline to be seen.
pub(super) fn can_be_warned(traits: &Traits, purchases: &[Purchase]) -> bool {
    !traits.is_alive && purchases.len() >= WARNED_PURCHASES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_one() {
        let places: f64 = PLACES.iter().map(|place| place.share).sum();
        for sum in [
            places,
            GENDER_SHARES.iter().sum(),
            HOUSEHOLD_SHARES.iter().sum(),
            CONSENT_SHARES.iter().sum(),
        ] {
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
    }
}
