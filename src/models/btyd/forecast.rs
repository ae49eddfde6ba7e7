//! The predictions of all customers of one model over one horizon, each with its intervals.
//!
//! There are two kinds of interval, and they answer different questions.
//!
//! - The *confidence interval* of a figure ([`Estimated::confidence`]: of `probability_alive`, `expected_purchases` and
//!   `discounted_expected_purchases`) says how far the figure may be off because the parameters are estimates. It is that
//!   of the delta method ([`crate::uncertainty`]), on the logit scale for the probability and on the logarithmic scale
//!   for the others. It narrows as the fit sees more customers.
//! - The *predictive interval* of the number of purchases ([`Purchases`]) says how many purchases
//!   the customer may make, at the estimated parameters: quantiles of the distribution of the count, which scatters about
//!   its expectation however well that is known. As a count is whole, the interval holds at least what was asked for.
//!
//! What is dear in either, the purchases ahead of a customer who is alive, depends on frequency and customer_age alone.
//! It is computed once for each distinct pair, with its derivatives along the directions of the parameters' uncertainty;
//! a customer then costs no more than P(alive) of the model and of its neighbours, as with p = P(alive) and E what is
//! expected of a customer who is alive
//!
//! ```text
//! d ln(p E) = (1 − p) d logit p + d ln E,        P(Y > k) = p · P(Y > k | alive).
//! ```

use std::collections::HashMap;

use rayon::prelude::*;

use super::ranking::Ranking;
use super::summaries::{self, SummariesError};
use super::{Horizon, IfAlive, PurchaseModel, Summary};
use crate::fit::{Fit, Model};
use crate::uncertainty::{Estimated, Level, Pair, Spread};

/// What is foretold of one customer, and how sure it is. See the module for what the intervals mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecasted {
    /// Probability that the customer is still a customer at the end of the observed time, in [0, 1].
    pub probability_alive: Estimated,
    /// Expected purchases within the horizon, given the observed history. At least 0.
    pub expected_purchases: Estimated,
    /// The same, each purchase discounted to the end of the observed time. Between 0 and `expected_purchases`.
    pub discounted_expected_purchases: Estimated,
    /// The predictive interval of the number of purchases within the horizon; `None` where its upper limit is beyond
    /// [`MOST_PURCHASES`].
    pub purchases: Option<Purchases>,
}

/// The predictive interval of a number of purchases Y.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchases {
    /// The smallest k with P(Y ≤ k) ≥ (1 − level) / 2.
    pub low: u64,
    /// The smallest k with P(Y ≤ k) ≥ (1 + level) / 2.
    pub high: u64,
}

/// The largest number of purchases of which a distribution is computed.
pub const MOST_PURCHASES: u64 = 1 << 16;

/// A probability of being alive near 1 that moves by less than this for one standard error of the parameters is taken to
/// be certain: less cannot be told from its rounding.
const UNTELLABLE: f64 = 1e-10;

/// A fitted model of purchases, ready to foretell.
pub struct Forecast {
    model: Box<dyn PurchaseModel>,
    /// The models about it; `None` where the uncertainty is unknown.
    neighbours: Option<Vec<Neighbours>>,
    horizon: Horizon,
    level: Level,
    prepared: Prepared,
}

type Neighbours = Pair<Box<dyn PurchaseModel>>;

/// What lies ahead of customers of distinct frequency and customer_age (by its bits).
type Prepared = HashMap<(u64, u64), Ahead>;

fn key(customer: &Summary) -> (u64, u64) {
    (customer.frequency(), customer.customer_age().to_bits())
}

/// What lies ahead of a customer who is alive.
struct Ahead {
    if_alive: IfAlive,
    /// Derivatives of the logarithms of the two expectations along each direction.
    slopes: Box<[[f64; 2]]>,
    /// P(Y > k | alive) for k = 0, 1, …, up to the first that is within the tail of the level; empty where that is too far.
    more: Box<[f64]>,
}

impl Forecast {
    /// From a fit, with the data it was fitted to. Confidence limits are missing where the fit has no covariance.
    #[must_use]
    pub fn of_fit<M: Model + PurchaseModel + Clone + 'static>(
        fit: &Fit<M>,
        data: &M::Data,
        horizon: &Horizon,
        level: &Level,
    ) -> Self {
        let boxed = |model: M| -> Box<dyn PurchaseModel> { Box::new(model) };
        match fit.spread(data) {
            Some(spread) => Self::of_spread(spread.map(boxed), horizon, level),
            None => Self::of_model(boxed(fit.model.clone()), horizon, level),
        }
    }

    /// From a model and its neighbours.
    #[must_use]
    pub fn of_spread(
        spread: Spread<Box<dyn PurchaseModel>>,
        horizon: &Horizon,
        level: &Level,
    ) -> Self {
        Self {
            neighbours: Some(spread.pairs),
            ..Self::of_model(spread.center, horizon, level)
        }
    }

    /// From a model of whose parameters the uncertainty is unknown: without confidence limits.
    #[must_use]
    pub fn of_model(model: Box<dyn PurchaseModel>, horizon: &Horizon, level: &Level) -> Self {
        Self {
            model,
            neighbours: None,
            horizon: *horizon,
            level: *level,
            prepared: Prepared::new(),
        }
    }

    /// Computes what customers of these pairs of frequency and customer_age share, in parallel in the calling pool, in
    /// place of what was prepared before. It changes no prediction, only its cost. Pairs that no customer can have are
    /// left out. Takes some 200 bytes a distinct pair, and 8 for each purchase up to the upper limit of their number.
    ///
    /// # Errors
    /// Where there are 2³² distinct pairs or more.
    pub fn prepare(mut self, pairs: &[(u64, f64)]) -> Result<Self, SummariesError> {
        // A recency of the whole age goes with any number of purchases that takes time.
        let possible = |(frequency, age): &(u64, f64)| {
            let recency_age = if *frequency == 0 { 0.0 } else { *age };
            Summary::new(*frequency, recency_age, *age).ok()
        };
        let customers: Vec<Summary> = pairs.iter().filter_map(possible).collect();
        self.prepared = self.prepare_for(&customers)?;
        Ok(self)
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &dyn PurchaseModel {
        self.model.as_ref()
    }

    /// The level of the intervals.
    #[must_use]
    pub fn level(&self) -> &Level {
        &self.level
    }

    /// Everything about one customer. Cheap where the pair is prepared, and the same where it is not.
    #[must_use]
    pub fn predict(&self, customer: &Summary) -> Forecasted {
        match self.prepared.get(&key(customer)) {
            Some(ahead) => self.combine(customer, ahead),
            None => self.combine(
                customer,
                &self.ahead(customer.frequency(), customer.customer_age()),
            ),
        }
    }

    /// [`Forecast::predict`] for every row, in parallel in the calling pool. A row's result depends on it alone. Pairs
    /// that are not prepared are computed once each.
    ///
    /// # Errors
    /// Where the columns differ in length or a row is no possible history; the first such row is named.
    pub fn predict_all(
        &self,
        frequency: &[u64],
        recency_age: &[f64],
        customer_age: &[f64],
    ) -> Result<Vec<Forecasted>, SummariesError> {
        let customers = summaries::parse(frequency, recency_age, customer_age, None)?;
        let known: Vec<Option<&Ahead>> = customers
            .par_iter()
            .map(|(customer, _)| self.prepared.get(&key(customer)))
            .collect();
        let rows = customers.iter().zip(&known);
        let unknown: Vec<Summary> = rows
            .filter(|(_, known)| known.is_none())
            .map(|((customer, _), _)| *customer)
            .collect();
        let others = self.prepare_for(&unknown)?;
        let row = |((customer, _), known): (&(Summary, u64), &Option<&Ahead>)| match known
            .or_else(|| others.get(&key(customer)))
        {
            Some(ahead) => self.combine(customer, ahead),
            None => self.predict(customer),
        };
        let rows = customers.par_iter().zip(&known).with_min_len(256);
        Ok(rows.map(row).collect())
    }

    fn prepare_for(&self, customers: &[Summary]) -> Result<Prepared, SummariesError> {
        let pairs = Ranking::new(customers, key)?;
        let rows = pairs.values.par_iter().with_min_len(16);
        let ahead: Vec<Ahead> = rows
            .map(|(frequency, age)| self.ahead(*frequency, f64::from_bits(*age)))
            .collect();
        Ok(pairs.values.into_iter().zip(ahead).collect())
    }

    fn ahead(&self, frequency: u64, customer_age: f64) -> Ahead {
        let of = |model: &dyn PurchaseModel| model.if_alive(&self.horizon, frequency, customer_age);
        let if_alive = of(self.model.as_ref());
        let slope = |pair: &Neighbours| {
            let (up, down) = (of(pair.up.as_ref()), of(pair.down.as_ref()));
            let slope = |up: f64, down: f64| (up / down).ln() / (2.0 * pair.step);
            [
                slope(up.expected_purchases, down.expected_purchases),
                slope(
                    up.discounted_expected_purchases,
                    down.discounted_expected_purchases,
                ),
            ]
        };
        let neighbours = self.neighbours.as_deref().unwrap_or_default();
        Ahead {
            if_alive,
            slopes: neighbours.iter().map(slope).collect(),
            more: self.more_if_alive(&if_alive, frequency, customer_age),
        }
    }

    /// P(Y > k | alive), as [`Ahead`] holds it.
    fn more_if_alive(&self, ahead: &IfAlive, frequency: u64, customer_age: f64) -> Box<[f64]> {
        let most = (MOST_PURCHASES + 1) as usize;
        // Enough for most; a float beyond the range of integers becomes the greatest.
        let mut length = (12.0 + 3.0 * ahead.expected_purchases) as usize;
        loop {
            length = length.clamp(16, most);
            let mut more = vec![0.0; length];
            let time = self.horizon.length();
            self.model
                .distribution_if_alive(time, frequency, customer_age, &mut more);
            let mut until = 0.0;
            for probability in &mut more {
                until += *probability;
                *probability = 1.0 - until;
            }
            if let Some(last) = more.iter().position(|more| *more <= self.level.tail()) {
                more.truncate(last + 1);
                return more.into();
            }
            if length == most {
                return Box::default();
            }
            length *= 2;
        }
    }

    fn combine(&self, customer: &Summary, ahead: &Ahead) -> Forecasted {
        let alive = self.model.probability_alive(customer);
        let expected = alive * ahead.if_alive.expected_purchases;
        let discounted = alive * ahead.if_alive.discounted_expected_purchases;
        let purchases = self.purchases(alive, ahead);
        let Some(neighbours) = &self.neighbours else {
            return Forecasted {
                probability_alive: Estimated::alone(alive),
                expected_purchases: Estimated::alone(expected),
                discounted_expected_purchases: Estimated::alone(discounted),
                purchases,
            };
        };
        let log_odds = self.model.log_odds_alive(customer);
        // Variances of logit p and of the logarithms of the expectations.
        let (mut of_alive, mut of_expected, mut of_discounted) = (0.0, 0.0, 0.0);
        for (pair, [expected, discounted]) in neighbours.iter().zip(&ahead.slopes) {
            let slope = pair.slope(|model| model.log_odds_alive(customer));
            // It is not finite only where the probability is, or is rounded to, 0 or 1.
            let slope = if slope.is_finite() { slope } else { 0.0 };
            let log_slope = (1.0 - alive) * slope;
            of_alive += slope * slope;
            of_expected += (log_slope + expected).powi(2);
            of_discounted += (log_slope + discounted).powi(2);
        }
        let error = of_alive.sqrt();
        let untellable = alive > 0.5 && (1.0 - alive) * error < UNTELLABLE;
        Forecasted {
            probability_alive: if untellable || error == 0.0 {
                Estimated::certain(alive)
            } else {
                Estimated::probability(alive, log_odds, error, &self.level)
            },
            expected_purchases: Estimated::positive(expected, of_expected.sqrt(), &self.level),
            discounted_expected_purchases: Estimated::positive(
                discounted,
                of_discounted.sqrt(),
                &self.level,
            ),
            purchases,
        }
    }

    /// P(Y ≤ k) ≥ q where P(Y > k | alive) ≤ (1 − q) / p.
    fn purchases(&self, alive: f64, ahead: &Ahead) -> Option<Purchases> {
        let smallest =
            |beyond: f64| ahead.more.partition_point(|more| *more > beyond / alive) as u64;
        let tail = self.level.tail();
        (!ahead.more.is_empty()).then(|| Purchases {
            low: smallest(1.0 - tail),
            high: smallest(tail),
        })
    }
}
