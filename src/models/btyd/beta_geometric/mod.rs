//! What BG/NBD and MBG/NBD share: purchases by a Poisson process of rate λ ~ Gamma(r, rate α) until one leaves for good,
//! which one does after a purchase with probability p ~ Beta(a, b). They differ in the first purchase after which one may
//! leave.

mod alive;
mod likelihood;

use alive::Alive;
pub(super) use likelihood::Likelihood;
use likelihood::{log_odds_of_having_left, of_customer};

use super::{Horizon, IfAlive, Summary, exact};

/// The purchases after which one may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// BG/NBD: every repeat purchase, so that nobody leaves before the first of them.
    AfterRepeats,
    /// MBG/NBD: the first purchase too.
    AfterAll,
}

impl Leaving {
    /// How often a customer has stayed before the first repeat purchase.
    fn stays_before_repeats(self) -> f64 {
        match self {
            Self::AfterRepeats => 0.0,
            Self::AfterAll => 1.0,
        }
    }

    /// b and the number of stays before the last of x repeat purchases. Not by way of the number of all stays, as b may
    /// be lost beside it.
    fn b_before_last(self, b: f64, x: f64) -> f64 {
        match self {
            Self::AfterRepeats => b + x - 1.0,
            Self::AfterAll => b + x,
        }
    }
}

/// Known parameters of one of the two models, each positive and finite.
#[derive(Debug, Clone, Copy)]
pub(super) struct BetaGeometric {
    pub(super) r: f64,
    pub(super) alpha: f64,
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) leaving: Leaving,
}

impl BetaGeometric {
    pub(super) fn log_likelihood(&self, customer: &Summary) -> f64 {
        of_customer(self, customer)
    }

    /// 1/(1 + eᵘ); 1 where there was no purchase to leave after.
    pub(super) fn probability_alive(&self, customer: &Summary) -> f64 {
        1.0 / (1.0 + (-self.log_odds_alive(customer)).exp())
    }

    /// −u; +∞ where there was no purchase to leave after.
    pub(super) fn log_odds_alive(&self, customer: &Summary) -> f64 {
        if self.leaving == Leaving::AfterRepeats && customer.frequency() == 0 {
            return f64::INFINITY;
        }
        -log_odds_of_having_left(self, customer)
    }

    pub(super) fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64 {
        self.alive_at(frequency, customer_age).purchases(time)
    }

    /// As [`super::PurchaseModel`] does it, but one pass gives the purchases by all nodes of a panel.
    pub(super) fn if_alive(&self, horizon: &Horizon, frequency: u64, customer_age: f64) -> IfAlive {
        let alive = self.alive_at(frequency, customer_age);
        let (expected_purchases, discounted_expected_purchases) =
            if horizon.force_of_interest() == 0.0 {
                let expected = alive.purchases(horizon.length());
                (expected, expected)
            } else {
                alive.discounted(horizon)
            };
        IfAlive {
            expected_purchases,
            discounted_expected_purchases,
        }
    }

    pub(super) fn distribution_if_alive(
        &self,
        time: f64,
        frequency: u64,
        customer_age: f64,
        probabilities: &mut [f64],
    ) {
        self.alive_at(frequency, customer_age)
            .distribution(time, probabilities);
    }

    /// That a customer stays after the first purchase.
    pub(super) fn probability_of_staying_at_first(&self) -> f64 {
        match self.leaving {
            Leaving::AfterRepeats => 1.0,
            Leaving::AfterAll => 1.0 / (1.0 + self.a / self.b),
        }
    }

    pub(super) fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        if !(time.is_finite() && time >= 0.0) {
            return f64::NAN;
        }
        self.probability_of_staying_at_first() * self.alive_at(0, 0.0).purchases(time)
    }

    pub(super) fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.alive_at(0, 0.0).distribution(time, probabilities);
        let stays = self.probability_of_staying_at_first();
        for probability in probabilities.iter_mut() {
            *probability *= stays;
        }
        if let Some(none) = probabilities.first_mut() {
            *none += 1.0 - stays;
        }
    }

    fn alive_at(&self, frequency: u64, customer_age: f64) -> Alive {
        let x = exact(frequency);
        Alive {
            shape: self.r + x,
            rate: self.alpha + customer_age,
            a: self.a,
            b: self.b + x + self.leaving.stays_before_repeats(),
        }
    }
}
