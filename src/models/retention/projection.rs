//! Survival ahead with what the fit leaves open about it.
//!
//! The limits tell what the parameters' uncertainty does to the expectation. Of a finite number of customers the share
//! that stays varies too, binomially, which is not in them.

use super::{RetentionModel, Tenures, periods};
use crate::uncertainty::{Estimated, Level, Spread};

/// [`RetentionModel::survival_after`] with its limits, by the delta method on the logit.
#[must_use]
pub fn estimated_survival_after<M: RetentionModel>(
    spread: &Spread<M>,
    renewals: u64,
    more: u64,
    level: &Level,
) -> Estimated {
    // ln [S / (1 − S)] of the cumulative hazard, which has digits left where S rounds to 1.
    let log_odds = |model: &M| {
        -(model.cumulative_hazard(periods(renewals), periods(more)))
            .exp_m1()
            .ln()
    };
    let survival = spread.center.survival_after(renewals, more);
    if more == 0 {
        return Estimated::certain(survival);
    }
    let error = spread.standard_error(log_odds);
    Estimated::probability(survival, log_odds(&spread.center), error, level)
}

/// [`RetentionModel::expected_survivors`] with their limits, by the delta method on the logarithm.
#[must_use]
pub fn estimated_survivors<M: RetentionModel>(
    spread: &Spread<M>,
    tenures: &Tenures,
    horizon: u64,
    level: &Level,
) -> Vec<Estimated> {
    let centre = spread.center.expected_survivors(tenures, horizon);
    let pairs: Vec<[Vec<f64>; 2]> = spread
        .pairs
        .iter()
        .map(|pair| [&pair.up, &pair.down].map(|model| model.expected_survivors(tenures, horizon)))
        .collect();
    let estimated = |(ahead, value): (usize, &f64)| {
        let slopes = spread
            .pairs
            .iter()
            .zip(&pairs)
            .map(|(pair, [up, down])| (up[ahead] / down[ahead]).ln() / (2.0 * pair.step));
        let error = slopes.map(|slope| slope * slope).sum::<f64>().sqrt();
        Estimated::positive(*value, error, level)
    };
    centre.iter().enumerate().map(estimated).collect()
}
