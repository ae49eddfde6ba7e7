//! Retention under contract against published and independently computed figures.

mod cohort;
mod edges;
mod kaplan_meier;
mod properties;
mod recovery;

use cvm_models::fit::{Fit, FitParams, Model};
use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::retention::{
    RetentionModel, Tenures, estimated_survival_after, estimated_survivors,
};
use cvm_models::uncertainty::Level;

use crate::close;

/// Customers of 1,000 at renewals 0 to 7 (Fader & Hardie 2007, table 1).
const HIGH_END: [u64; 8] = [1000, 869, 743, 653, 593, 551, 517, 491];
const REGULAR: [u64; 8] = [1000, 631, 468, 382, 326, 289, 262, 241];

/// A fit that every start leads to.
fn fit<M: Model<Data = Tenures>>(tenures: &Tenures) -> Fit<M> {
    let fit = FitParams::default().check().unwrap().fit(tenures).unwrap();
    assert!(fit.convergence.converged, "{:?}", fit.convergence);
    assert_eq!(fit.convergence.starts_agreeing, fit.convergence.starts);
    fit
}

fn fit_cohort<M: Model<Data = Tenures>>(survivors: &[u64]) -> Fit<M> {
    fit(&Tenures::from_survivors(&[survivors]).unwrap())
}

#[test]
fn shifted_beta_geometric_matches_fader_hardie_2007() {
    for (survivors, alpha, beta, log_likelihood) in [
        (HIGH_END, 0.668, 3.806, -1611.158),
        (REGULAR, 0.704, 1.182, -1680.265),
    ] {
        let fit = fit_cohort::<ShiftedBetaGeometric>(&survivors);
        let [a, b] = fit.model.parameters();
        close(a, alpha, 5e-4);
        close(b, beta, 5e-4);
        close(fit.log_likelihood, log_likelihood, 5e-4);
        assert_eq!(fit.customers, 1000);
    }
}

/// The maximum and the observed information in 40-digit arithmetic (mpmath), found from scipy's.
#[test]
fn maxima_match_mpmath() {
    let high_end = fit_cohort::<ShiftedBetaGeometric>(&HIGH_END);
    let regular = fit_cohort::<ShiftedBetaGeometric>(&REGULAR);
    same_maximum(
        &high_end,
        -1611.1581473912,
        &[
            (0.668088351106, 0.1037349311),
            (3.80609496406, 0.7855316918),
        ],
    );
    same_maximum(
        &regular,
        -1680.2651884633,
        &[
            (0.704077298474, 0.06559896423),
            (1.18204302621, 0.1524756317),
        ],
    );
    let high_end = fit_cohort::<BetaDiscreteWeibull>(&HIGH_END);
    let regular = fit_cohort::<BetaDiscreteWeibull>(&REGULAR);
    same_maximum(
        &high_end,
        -1605.3142132142,
        &[
            (0.214253339281, 0.05957970644),
            (1.42657487486, 0.3814086147),
            (1.72356484874, 0.3010432817),
        ],
    );
    same_maximum(
        &regular,
        -1679.6028329072,
        &[
            (0.455613989372, 0.1670414275),
            (0.779325508388, 0.2827099174),
            (1.28345128578, 0.2980950712),
        ],
    );
}

fn same_maximum<M>(fit: &Fit<M>, log_likelihood: f64, expected: &[(f64, f64)]) {
    close(fit.log_likelihood, log_likelihood, 1e-9);
    assert_eq!(fit.estimates.len(), expected.len());
    for (estimate, (value, error)) in fit.estimates.iter().zip(expected) {
        close(estimate.value, *value, 1e-7 * value);
        close(estimate.standard_error.unwrap(), *error, 1e-6 * error);
    }
}

/// High End, of which the paper fits renewals 0 to 4.
#[test]
fn beta_discrete_weibull_matches_fader_hardie_liu_davin_steenburgh_2018() {
    let [gamma, delta, c] = fit_cohort::<BetaDiscreteWeibull>(&HIGH_END[..5])
        .model
        .parameters();
    close(gamma, 0.259, 1e-3);
    close(delta, 1.722, 1e-3);
    close(c, 1.584, 1e-3);
}

/// Per 1,000 at renewals 8 to 12, from the fits to renewals 0 to 7, in 40-digit arithmetic (mpmath). The paper's
/// customers were 468, 445, 427, 409 and 394.
#[test]
fn projected_survival_matches_mpmath() {
    let geometric = fit_cohort::<ShiftedBetaGeometric>(&HIGH_END).model;
    let weibull = fit_cohort::<BetaDiscreteWeibull>(&HIGH_END).model;
    for (renewals, by_geometric, by_weibull) in [
        (8, 460.4396718, 467.7523729),
        (9, 435.77959, 448.337908),
        (10, 414.1723979, 431.5817401),
        (11, 395.0553432, 416.915876),
        (12, 377.9990716, 403.9295907),
    ] {
        close(1000.0 * geometric.survival(renewals), by_geometric, 1e-5);
        close(1000.0 * weibull.survival(renewals), by_weibull, 1e-5);
    }
}

/// ₂F₁(1, β; α+β; 1/(1+d)) for a new customer, (β+n)/(α+β+n) ₂F₁(1, β+n+1; α+β+n+1; 1/(1+d)) after n renewals (Fader &
/// Hardie 2010), in 30-digit arithmetic (mpmath).
#[test]
fn discounted_lifetimes_match_fader_hardie_2010() {
    for (alpha, beta, rate, expected) in [
        (0.764, 1.296, 0.1, 3.6201921995732),
        (0.668, 3.806, 0.1, 5.9225964076128),
        (0.668, 3.806, 0.00026, 88.555586584194),
        (0.3, 0.2, 1e-6, 7943.5525756481),
        (5.0, 1000.0, 0.001, 192.33402732439),
    ] {
        let model = ShiftedBetaGeometric::new(alpha, beta).unwrap();
        let lifetime = model.discounted_expected_lifetime(rate);
        close(lifetime, expected, 1e-10 * expected);
    }
    for (alpha, beta, rate, expected) in [
        (
            0.764,
            1.296,
            0.1,
            [
                2.8822114195305,
                3.9394221270495,
                6.6354007413052,
                10.218438752401,
            ],
        ),
        (
            0.668,
            3.806,
            1e-4,
            [
                124.4586961195,
                145.31726449272,
                245.6177755868,
                969.27309624425,
            ],
        ),
        (
            0.3,
            0.2,
            1e-6,
            [
                7942.5605182006,
                19855.421150903,
                36642.656860247,
                81730.106583689,
            ],
        ),
    ] {
        let model = ShiftedBetaGeometric::new(alpha, beta).unwrap();
        for (renewals, expected) in [0, 1, 7, 100].into_iter().zip(expected) {
            let lifetime = model.discounted_expected_residual_lifetime(renewals, rate);
            close(lifetime, expected, 1e-10 * expected);
        }
    }
}

/// Sums of 700 to 5,500 terms in 25-digit arithmetic (mpmath).
#[test]
fn sums_of_survival_match_mpmath() {
    let high_end = [0.2142533, 1.426575, 1.723565];
    let weibull = |[gamma, delta, c]: [f64; 3]| BetaDiscreteWeibull::new(gamma, delta, c).unwrap();
    for (parameters, renewals, rate, expected) in [
        (high_end, 0, 0.1, 5.6023919063387),
        (high_end, 7, 0.1, 8.3188782529897),
        (high_end, 3, 0.01, 36.340656281192),
        ([0.9, 40.0, 0.6], 5, 0.01, 81.913085678381),
    ] {
        let lifetime = weibull(parameters).discounted_expected_residual_lifetime(renewals, rate);
        close(lifetime, expected, 1e-10 * expected);
    }
    let geometric = ShiftedBetaGeometric::new(0.668, 3.806).unwrap();
    let weibull = weibull(high_end);
    close(geometric.expected_renewals(0, 5), 3.4392114422962, 1e-12);
    close(geometric.expected_renewals(7, 5000), 214.79326116857, 1e-8);
    close(weibull.expected_renewals(7, 5), 4.4197996246804, 1e-12);
    close(weibull.expected_renewals(2, 5000), 463.77708712693, 1e-8);
}

/// The tail by Euler and Maclaurin against terms summed one by one.
#[test]
fn long_sums_match_their_terms() {
    for parameters in [
        [0.2, 1.4, 1.7],
        [0.01, 0.02, 0.5],
        [3.0, 400.0, 1.1],
        [0.5, 1e4, 3.0],
        [40.0, 1e5, 0.4],
        [1e-3, 5.0, 8.0],
    ] {
        let [gamma, delta, c] = parameters;
        let model = BetaDiscreteWeibull::new(gamma, delta, c).unwrap();
        for (renewals, horizon, rate) in [(0, 20_000, 0.0), (12, 3000, 0.002), (300, 700, 0.0)] {
            let term =
                |m: u64| model.survival_after(renewals, m) * (1.0_f64 + rate).powf(1.0 - m as f64);
            let expected: f64 = (1..=horizon).map(term).sum();
            let sum = model.discounted_expected_renewals(renewals, horizon, rate);
            close(sum, expected, 1e-10 * expected);
        }
    }
}

/// The expected survivors of cohorts of different age are those of each, and their limits hold the figure between them.
#[test]
fn survivors_add_up_over_cohorts() {
    let cohorts: [&[u64]; 3] = [&HIGH_END, &HIGH_END[..5], &[400]];
    let tenures = Tenures::from_survivors(&cohorts).unwrap();
    let fit = fit::<ShiftedBetaGeometric>(&tenures);
    let ahead = fit.model.expected_survivors(&tenures, 3);
    let level = Level::new(0.9).unwrap();
    let spread = fit.spread(&tenures).unwrap();
    let estimated = estimated_survivors(&spread, &tenures, 3, &level);
    assert_eq!((ahead.len(), estimated.len()), (3, 3));
    for (more, (sum, estimated)) in (1..).zip(ahead.iter().zip(&estimated)) {
        let after = |renewals| fit.model.survival_after(renewals, more);
        let expected = 491.0 * after(7) + 593.0 * after(4) + 400.0 * after(0);
        close(*sum, expected, 1e-11 * expected);
        let limits = estimated.confidence.unwrap();
        assert_eq!(estimated.value, *sum);
        assert!(limits.low < *sum && *sum < limits.high);
    }
}

/// The delta method by hand: the derivative of ln S(12) − ln(1 − S(12)) in α and β by digamma functions and the observed
/// information, both in 30-digit arithmetic (mpmath).
#[test]
fn limits_of_survival_match_mpmath() {
    let tenures = Tenures::from_survivors(&[HIGH_END]).unwrap();
    let fit = fit::<ShiftedBetaGeometric>(&tenures);
    let spread = fit.spread(&tenures).unwrap();
    let level = Level::new(0.95).unwrap();
    let estimated = estimated_survival_after(&spread, 0, 12, &level);
    let limits = estimated.confidence.unwrap();
    close(estimated.value, 0.3779990716, 1e-9);
    close(limits.error, 0.0826303632881, 1e-7);
    close(limits.low, 0.340739076489, 1e-7);
    close(limits.high, 0.416757797572, 1e-7);
    let now = estimated_survival_after(&spread, 5, 0, &level);
    let limits = now.confidence.unwrap();
    assert_eq!((now.value, limits.low, limits.high), (1.0, 1.0, 1.0));
}
