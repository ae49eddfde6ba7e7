//! Experiments with a control and a treatment: was there an effect, how large is it, and were the arms split as meant.
//!
//! Pure functions of each arm's numbers: [`compare_means`] and [`compare_proportions`] test and give intervals,
//! [`posterior_lift`] and [`chance_to_beat`] are their Bayesian counterparts, [`sample_ratio_test`] tells an experiment
//! whose arms are not of the sizes that they should have. All take the customer to be the unit that was assigned: rows
//! of one customer must be added up first. None corrects for looking more than once, nor for several comparisons but
//! [`false_discovery_adjusted`]. [`difference_test`] and [`risk_ratio`] are for groups of which some are small.

mod arm;
mod association;
mod distributions;
mod means;
mod proportions;
mod sample_ratio;

pub use arm::{Arm, Proportion};
pub use association::{
    Difference, DifferenceTest, RiskRatio, difference_test, false_discovery_adjusted, risk_ratio,
};
pub use means::{Effect, MeansComparison, PosteriorLift, compare_means, posterior_lift};
pub use proportions::{
    BetaPrior, ChanceToBeat, ProportionsComparison, chance_to_beat, compare_proportions,
};
pub use sample_ratio::{SampleRatioTest, sample_ratio_test};

use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ExperimentError {
    /// Too few to see how customers vary.
    #[error("an arm needs at least 2 customers, not {customers}")]
    TooFewCustomers {
        /// As given.
        customers: u64,
    },
    /// Counts above 2⁵³ are not whole numbers as `f64`; quadrature takes long before.
    #[error("{customers} customers are above {most}")]
    TooManyCustomers {
        /// As given.
        customers: u64,
        /// The most there may be.
        most: u64,
    },
    /// A number that is NaN, infinite or beyond what can be squared.
    #[error("{name} must be finite and below 1e100 in magnitude, not {value}")]
    NotFinite {
        /// What it is.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// Squares that are too small for the sum.
    #[error(
        "a sum of squares of {sum_of_squares} is impossible for {customers} values with sum {sum}"
    )]
    ImpossibleSquares {
        /// Number of values.
        customers: u64,
        /// Their sum.
        sum: f64,
        /// As given.
        sum_of_squares: f64,
    },
    /// More successes than customers.
    #[error("{successes} successes of {customers} customers")]
    TooManySuccesses {
        /// As given.
        successes: u64,
        /// As given.
        customers: u64,
    },
    /// Nothing varies, so nothing can be told from chance.
    #[error(
        "all values of both arms are equal within their arm, so no effect can be told from chance"
    )]
    NoVariation,
    /// A lift over nothing.
    #[error("a lift is relative to the control's mean, which must be above 0, not {mean}")]
    NoControl {
        /// The control's mean.
        mean: f64,
    },
    /// Not a prior.
    #[error("{name} of the prior must be positive and below 1e9, not {value}")]
    Prior {
        /// The parameter.
        name: &'static str,
        /// As given.
        value: f64,
    },
    /// Nothing to compare.
    #[error(
        "there must be at least 2 arms and a share for each, not {arms} arms and {shares} shares"
    )]
    Arms {
        /// Number of arms.
        arms: usize,
        /// Number of shares.
        shares: usize,
    },
    /// A share of nothing.
    #[error("arm {arm}: its share must be finite and above 0, not {share}")]
    Share {
        /// Position of the arm, from 0.
        arm: usize,
        /// As given.
        share: f64,
    },
    /// Nobody was assigned.
    #[error("there are no customers in any arm")]
    NoCustomers,
}
