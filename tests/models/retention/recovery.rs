//! Customers drawn from known parameters: the fit must find them again.

use cvm_models::fit::{Fit, Model};
use cvm_models::retention::Tenures;
use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Uniform};

/// Customers of cohorts that were observed for 6 to 17 renewals, who renew as the beta-discrete-Weibull says.
fn customers(number: u64, [gamma, delta, c]: [f64; 3], seed: u64) -> Tenures {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let leave = Beta::new(gamma, delta).unwrap();
    let unit = Uniform::new(0.0_f64, 1.0).unwrap();
    let (mut renewals, mut has_left) = (vec![], vec![]);
    for customer in 0..number {
        let theta: f64 = leave.sample(&mut random);
        // The largest t with (1 − θ)^(t^c) above a uniform draw.
        let power = (1.0 - unit.sample(&mut random)).ln() / (-theta).ln_1p();
        let made = power.powf(1.0 / c).floor();
        let observed = 6 + customer % 12;
        let stays = made >= observed as f64;
        renewals.push(if stays { observed } else { made as u64 });
        has_left.push(!stays);
    }
    Tenures::new(&renewals, &has_left).unwrap()
}

fn within_three_standard_errors<M>(fit: &Fit<M>, truth: &[f64]) -> bool {
    fit.estimates.iter().zip(truth).all(|(estimate, truth)| {
        (estimate.value - truth).abs() < 3.0 * estimate.standard_error.unwrap()
    })
}

fn recovered<M: Model<Data = Tenures>>(parameters: [f64; 3], truth: &[f64]) -> usize {
    (0..20)
        .filter(|seed| {
            let fit = super::fit::<M>(&customers(4000, parameters, *seed));
            within_three_standard_errors(&fit, truth)
        })
        .count()
}

#[test]
fn shifted_beta_geometric_recovers_its_parameters() {
    let recovered = recovered::<ShiftedBetaGeometric>([0.668, 3.806, 1.0], &[0.668, 3.806]);
    assert!(recovered >= 19, "{recovered} of 20");
}

#[test]
fn beta_discrete_weibull_recovers_its_parameters() {
    let truth = [0.6, 3.0, 1.4];
    let recovered = recovered::<BetaDiscreteWeibull>(truth, &truth);
    assert!(recovered >= 19, "{recovered} of 20");
}
