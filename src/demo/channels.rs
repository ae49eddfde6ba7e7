//! The marketing channels: whom they bring, what that costs, and who comes and does not buy.
//!
//! A customer's channel is drawn last, given how they buy: with a weight for how much they spend a purchase day and
//! one for how likely they are to leave. So the channels differ in quality, while all customers together
//! still follow exactly the distributions of [`super::process`].

use super::truth::{BgNbdTruth, GammaGammaTruth};

/// A marketing channel. CRM, web analytics, campaigns and ads all lead to this `name`.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// Its name.
    pub name: &'static str,
    /// How frequent it is among customers of middling spend and loyalty, before normalising.
    weight: f64,
    /// What the weight is multiplied with for customers of low, middling and high spend a purchase day.
    by_spend: [f64; 3],
    /// … and for those who are unlikely and likely to leave.
    by_dropout: [f64; 2],
    /// What is spent for each customer that is expected, in cents.
    pub(super) cost_cents: i64,
    /// The share of its visitors on the web that become customers; none where it brings nobody to the web.
    pub(super) conversion: Option<f64>,
    /// Source and medium of its visits as web analytics tells them.
    pub(super) traffic: (&'static str, &'static str),
    /// The platform that bills for it.
    pub(super) platform: &'static str,
    /// Its two campaigns: identifier and name. Three customers in five come from the first, which gets half the
    /// money.
    pub(super) campaigns: [(&'static str, &'static str); 2],
    /// The currency its platform bills in.
    pub(super) currency: &'static str,
}

/// Every channel that wins customers.
pub const CHANNELS: [Channel; 6] = [
    Channel {
        name: "search",
        weight: 0.30,
        by_spend: [1.0, 1.0, 1.0],
        by_dropout: [1.0, 1.0],
        cost_cents: 1_800,
        conversion: Some(0.60),
        traffic: ("google", "cpc"),
        platform: "google_ads",
        campaigns: [
            ("SEA-BRAND", "Search, our name"),
            ("SEA-GENERIC", "Search, coffee and tea"),
        ],
        currency: "EUR",
    },
    Channel {
        name: "social",
        weight: 0.22,
        by_spend: [1.4, 1.0, 0.5],
        by_dropout: [0.8, 1.2],
        cost_cents: 2_400,
        conversion: Some(0.45),
        traffic: ("facebook", "paid_social"),
        platform: "meta_ads",
        campaigns: [
            ("SOC-VIDEO", "Barista videos"),
            ("SOC-CAROUSEL", "Gift ideas"),
        ],
        currency: "USD",
    },
    Channel {
        name: "email",
        weight: 0.14,
        by_spend: [0.8, 1.0, 1.3],
        by_dropout: [1.2, 0.8],
        cost_cents: 400,
        conversion: Some(0.80),
        traffic: ("newsletter", "email"),
        platform: "newsletter",
        campaigns: [
            ("EML-NEWSLETTER", "Newsletter"),
            ("EML-PARTNER", "Newsletters of partners"),
        ],
        currency: "EUR",
    },
    Channel {
        name: "affiliate",
        weight: 0.12,
        by_spend: [1.3, 1.0, 0.6],
        by_dropout: [0.7, 1.3],
        cost_cents: 1_500,
        conversion: Some(0.55),
        traffic: ("awin", "affiliate"),
        platform: "awin",
        campaigns: [("AFF-DEALS", "Deal sites"), ("AFF-BLOGS", "Food blogs")],
        currency: "EUR",
    },
    Channel {
        name: "store",
        weight: 0.12,
        by_spend: [0.8, 1.0, 1.2],
        by_dropout: [1.1, 0.9],
        cost_cents: 1_200,
        conversion: None,
        traffic: ("", ""),
        platform: "print",
        campaigns: [
            ("STO-LEAFLET", "Leaflets"),
            ("STO-WINDOW", "Window of the month"),
        ],
        currency: "EUR",
    },
    Channel {
        name: "referral",
        weight: 0.10,
        by_spend: [0.6, 1.0, 1.7],
        by_dropout: [1.4, 0.6],
        cost_cents: 800,
        conversion: Some(0.75),
        traffic: ("friends", "referral"),
        platform: "friends",
        campaigns: [
            ("REF-FRIENDS", "Friends bring friends"),
            ("REF-PARTNERS", "Partners"),
        ],
        currency: "EUR",
    },
];

/// The share of a channel's customers that its first campaign brings.
pub(super) const FIRST_CAMPAIGN_SHARE: f64 = 0.6;

/// Mean values of a purchase day, in major units, that divide low, middling and high spend.
const SPEND_CUTS: [f64; 2] = [30.0, 55.0];

/// The dropout probability from which on a customer is likely to leave.
const DROPOUT_CUT: f64 = 0.03;

/// What is true of the customers of a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quality {
    /// Their share among all.
    pub(super) share: f64,
    /// Mean and variance of their mean spend a purchase day, in major units.
    pub(super) mean_spend: (f64, f64),
    /// Mean and variance of their dropout probability.
    pub(super) dropout: (f64, f64),
}

/// The probability of each channel given the class of spend and of dropout.
type Mix = [[[f64; CHANNELS.len()]; 2]; 3];

fn mix() -> Mix {
    let mut mix = Mix::default();
    for (spend, by_dropout) in mix.iter_mut().enumerate() {
        for (dropout, shares) in by_dropout.iter_mut().enumerate() {
            for (share, channel) in shares.iter_mut().zip(&CHANNELS) {
                *share = channel.weight * channel.by_spend[spend] * channel.by_dropout[dropout];
            }
            let sum: f64 = shares.iter().sum();
            shares.iter_mut().for_each(|share| *share /= sum);
        }
    }
    mix
}

/// Draws channels.
#[derive(Debug, Clone)]
pub(super) struct Channels {
    mix: Mix,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self { mix: mix() }
    }

    /// The channel, by index, of a customer with these traits, by a uniform number.
    pub(super) fn draw(&self, uniform: f64, mean_spend: f64, dropout_probability: f64) -> u8 {
        let spend = SPEND_CUTS.iter().filter(|cut| mean_spend >= **cut).count();
        let dropout = usize::from(dropout_probability >= DROPOUT_CUT);
        pick(&self.mix[spend][dropout], uniform) as u8
    }
}

/// The index into `shares`, which add up to 1, at a uniform number.
pub(super) fn pick(shares: &[f64], uniform: f64) -> usize {
    let mut rest = uniform;
    for (index, share) in shares.iter().enumerate() {
        rest -= share;
        if rest < 0.0 {
            return index;
        }
    }
    shares.len().saturating_sub(1)
}

/// What follows from the parameters for each channel.
pub(super) fn qualities(
    purchases: &BgNbdTruth,
    spend: &GammaGammaTruth,
) -> [Quality; CHANNELS.len()] {
    let mix = mix();
    let spends = classes(&[0.0, SPEND_CUTS[0], SPEND_CUTS[1], f64::INFINITY], |cut| {
        spend_moments_below(spend, cut)
    });
    let dropouts = classes(&[0.0, DROPOUT_CUT, 1.0], |cut| {
        dropout_moments_below(purchases, cut)
    });
    std::array::from_fn(|channel| {
        // Sums over the classes of probability, and of the first two moments of spend and dropout.
        let mut sums = [0.0; 5];
        for (spend, by_dropout) in spends.iter().zip(&mix) {
            for (dropout, shares) in dropouts.iter().zip(by_dropout) {
                let share = shares[channel];
                sums[0] += share * spend[0] * dropout[0];
                sums[1] += share * spend[1] * dropout[0];
                sums[2] += share * spend[2] * dropout[0];
                sums[3] += share * spend[0] * dropout[1];
                sums[4] += share * spend[0] * dropout[2];
            }
        }
        let moments = |first: f64, second: f64| {
            let mean = first / sums[0];
            (mean, second / sums[0] - mean * mean)
        };
        Quality {
            share: sums[0],
            mean_spend: moments(sums[1], sums[2]),
            dropout: moments(sums[3], sums[4]),
        }
    })
}

/// Moments 0, 1 and 2 between neighbouring cuts.
fn classes(cuts: &[f64], below: impl Fn(f64) -> [f64; 3]) -> Vec<[f64; 3]> {
    let cumulative: Vec<[f64; 3]> = cuts.iter().map(|cut| below(*cut)).collect();
    cumulative
        .windows(2)
        .map(|pair| std::array::from_fn(|moment| pair[1][moment] - pair[0][moment]))
        .collect()
}

/// Moments 0, 1 and 2 of the mean spend m = p / ν where it is below `cut`: m is inverse gamma with shape q, here a
/// whole number above 2, so that its incomplete gamma functions are sums of Poisson probabilities.
fn spend_moments_below(spend: &GammaGammaTruth, cut: f64) -> [f64; 3] {
    let scale = spend.p * spend.v;
    let (q, at) = (spend.q, scale / cut);
    let below = |shape: f64| {
        let (mut term, mut sum) = ((-at).exp(), 0.0);
        for k in 0..shape as u32 {
            sum += term;
            term *= at / f64::from(k + 1);
        }
        if at.is_finite() { sum } else { 0.0 }
    };
    [
        below(q),
        scale / (q - 1.0) * below(q - 1.0),
        scale * scale / ((q - 1.0) * (q - 2.0)) * below(q - 2.0),
    ]
}

/// Moments 0, 1 and 2 of p ~ Beta(a, b) where it is below `cut`, by Simpson's rule in u = pᵃ, in which the density
/// has no pole.
fn dropout_moments_below(purchases: &BgNbdTruth, cut: f64) -> [f64; 3] {
    let (a, b) = (purchases.a, purchases.b);
    let integral = |to: f64, moment: i32| {
        let steps = 20_000;
        let width = to.powf(a) / f64::from(steps);
        let at = |step: i32| {
            let p = (f64::from(step) * width).powf(1.0 / a);
            (1.0 - p).max(0.0).powf(b - 1.0) * p.powi(moment)
        };
        let inner: f64 = (1..steps)
            .map(|step| f64::from(2 + 2 * (step % 2)) * at(step))
            .sum();
        (at(0) + inner + at(steps)) * width / 3.0
    };
    let all = integral(1.0, 0);
    std::array::from_fn(|moment| integral(cut, moment as i32) / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_add_up_to_the_moments_of_all_customers() {
        let (purchases, spend) = (BgNbdTruth::DEFAULT, GammaGammaTruth::DEFAULT);
        let qualities = qualities(&purchases, &spend);
        let sum = |of: &dyn Fn(&Quality) -> f64| -> f64 {
            qualities
                .iter()
                .map(|quality| quality.share * of(quality))
                .sum()
        };
        let near = |found: f64, truth: f64| {
            assert!((found / truth - 1.0).abs() < 1e-6, "{found}, {truth}")
        };
        near(sum(&|_| 1.0), 1.0);
        near(sum(&|quality| quality.mean_spend.0), 45.0);
        // Var = mean² / (q − 2).
        near(
            sum(&|quality| quality.mean_spend.1 + quality.mean_spend.0.powi(2)),
            45.0 * 45.0 * 1.5,
        );
        let (a, b) = (purchases.a, purchases.b);
        near(sum(&|quality| quality.dropout.0), a / (a + b));
        near(
            sum(&|quality| quality.dropout.1 + quality.dropout.0.powi(2)),
            a * (a + 1.0) / ((a + b) * (a + b + 1.0)),
        );
    }

    #[test]
    fn channels_differ_in_quality() {
        let qualities = qualities(&BgNbdTruth::DEFAULT, &GammaGammaTruth::DEFAULT);
        let named = |name: &str| {
            let at = CHANNELS.iter().position(|channel| channel.name == name);
            qualities[at.expect("a channel")]
        };
        assert!(named("referral").mean_spend.0 > 1.4 * named("social").mean_spend.0);
        assert!(named("affiliate").dropout.0 > 1.4 * named("referral").dropout.0);
    }

    #[test]
    fn a_uniform_number_picks_by_shares() {
        let shares = [0.25, 0.5, 0.25];
        let picked = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999, 1.0].map(|at| pick(&shares, at));
        assert_eq!(picked, [0, 0, 1, 1, 2, 2, 2]);
    }
}
