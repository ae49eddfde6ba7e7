//! Customers drawn from known parameters: the fit must find them again.

use cvm_models::btyd::Summaries;
use cvm_models::fit::{Estimate, Fit};
use cvm_models::spend::Spenders;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma, Uniform};

use crate::{bg_nbd, gamma_gamma};

/// Columns frequency, recency_age, customer_age.
pub(crate) type Histories = (Vec<u64>, Vec<f64>, Vec<f64>);

/// Histories of `customers` who came evenly over `time` and bought as BG/NBD says.
pub(crate) fn histories(customers: usize, theta: [f64; 4], time: f64, seed: u64) -> Histories {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    draw(customers, theta, [time, 0.0], &mut random, false).0
}

/// The same of MBG/NBD, by which one may leave after the first purchase too.
pub(crate) fn histories_of_mbg_nbd(
    customers: usize,
    theta: [f64; 4],
    time: f64,
    seed: u64,
) -> Histories {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    draw(customers, theta, [time, 0.0], &mut random, true).0
}

/// The histories of BG/NBD, with the number of purchases that each makes in the time `ahead` of what is observed.
pub(crate) fn lives(
    customers: usize,
    theta: [f64; 4],
    time: f64,
    ahead: f64,
    random: &mut impl RngCore,
) -> (Histories, Vec<usize>) {
    draw(customers, theta, [time, ahead], random, false)
}

fn draw(
    customers: usize,
    [r, alpha, a, b]: [f64; 4],
    [time, ahead]: [f64; 2],
    random: &mut impl RngCore,
    may_leave_at_once: bool,
) -> (Histories, Vec<usize>) {
    let (rates, leave) = (
        Gamma::new(r, 1.0 / alpha).unwrap(),
        Beta::new(a, b).unwrap(),
    );
    let (ages, unit) = (
        Uniform::new(0.0, time).unwrap(),
        Uniform::new(0.0, 1.0).unwrap(),
    );
    let (mut table, mut futures) = (Histories::default(), Vec::new());
    for _ in 0..customers {
        let (rate, p, age) = (
            rates.sample(random),
            leave.sample(random),
            ages.sample(random),
        );
        let (mut frequency, mut last, mut future, mut now) = (0, 0.0, 0, 0.0);
        let stays = !may_leave_at_once || unit.sample(random) >= p;
        // A rate may underflow to 0: such a customer never buys again.
        if stays && rate > 0.0 {
            let wait = Exp::new(rate).unwrap();
            loop {
                now += wait.sample(random);
                if now > age + ahead {
                    break;
                }
                if now > age {
                    future += 1;
                } else {
                    frequency += 1;
                    last = now;
                }
                if unit.sample(random) < p {
                    break;
                }
            }
        }
        table.0.push(frequency);
        table.1.push(last);
        table.2.push(age);
        futures.push(future);
    }
    (table, futures)
}

/// Purchases and mean spend of customers who spend as Gamma-Gamma says.
pub(crate) fn spend(customers: u64, theta: [f64; 3], seed: u64) -> (Vec<u64>, Vec<f64>) {
    let purchases: Vec<u64> = (0..customers).map(|i| 1 + i * i % 7).collect();
    let means = mean_spend(&purchases, theta, &mut ChaCha12Rng::seed_from_u64(seed));
    (purchases, means)
}

/// Mean spend of customers with these numbers of purchases.
pub(crate) fn mean_spend(
    purchases: &[u64],
    [p, q, v]: [f64; 3],
    random: &mut impl RngCore,
) -> Vec<f64> {
    let rates = Gamma::new(q, 1.0 / v).unwrap();
    let mean = |x: &u64| {
        let x = *x as f64;
        // The sum of x gamma variables is one of x times the shape.
        Gamma::new(p * x, 1.0 / rates.sample(random))
            .unwrap()
            .sample(random)
            / x
    };
    purchases.iter().map(mean).collect()
}

fn within_three_standard_errors<M>(fit: &Fit<M>, truth: &[f64]) {
    assert!(fit.convergence.converged);
    assert_eq!(fit.convergence.starts_agreeing, 3);
    for (estimate, truth) in fit.estimates.iter().zip(truth) {
        let deviation = (estimate.value - truth) / estimate.standard_error.unwrap();
        assert!(
            deviation.abs() < 3.0,
            "{} {} is {deviation} standard errors off",
            estimate.name,
            estimate.value
        );
    }
}

#[test]
fn bg_nbd_recovers_its_parameters() {
    for (seed, truth, time) in [
        (1, [0.25, 4.4, 0.8, 2.4], 78.0),
        (2, [1.5, 60.0, 0.5, 4.0], 730.0),
        (3, [0.6, 0.05, 1.3, 6.0], 2.0),
    ] {
        let (x, recency_age, customer_age) = histories(20_000, truth, time, seed);
        let fit = bg_nbd::fit(&Summaries::new(&x, &recency_age, &customer_age).unwrap());
        within_three_standard_errors(&fit, &truth);
    }
}

#[test]
fn gamma_gamma_recovers_its_parameters() {
    for (seed, truth) in [
        (1, [6.25, 3.74, 15.44]),
        (2, [1.2, 2.5, 4000.0]),
        (3, [3.0, 12.0, 0.02]),
    ] {
        let (purchases, means) = spend(20_000, truth, seed);
        within_three_standard_errors(
            &gamma_gamma::fit(&Spenders::new(&purchases, &means).unwrap()),
            &truth,
        );
    }
}

/// Whether every parameter of a converged fit lies within three standard errors of the truth.
fn is_near<M>(fit: &Fit<M>, truth: &[f64]) -> bool {
    let near = |(estimate, truth): (&Estimate, &f64)| {
        (estimate.value - truth).abs() < 3.0 * estimate.standard_error.unwrap()
    };
    fit.convergence.converged && fit.estimates.iter().zip(truth).all(near)
}

#[test]
fn bg_nbd_recovers_its_parameters_in_nineteen_of_twenty_seeds() {
    let truth = [0.8, 40.0, 0.6, 3.0];
    let recovered = (0..20)
        .filter(|seed| {
            let (x, recency_age, customer_age) = histories(4_000, truth, 730.0, 100 + seed);
            let summaries = Summaries::new(&x, &recency_age, &customer_age).unwrap();
            is_near(&bg_nbd::fit(&summaries), &truth)
        })
        .count();
    assert!(recovered >= 19, "{recovered}");
}

#[test]
fn gamma_gamma_recovers_its_parameters_in_nineteen_of_twenty_seeds() {
    let truth = [6.25, 3.74, 15.44];
    let recovered = (0..20)
        .filter(|seed| {
            let (purchases, means) = spend(4_000, truth, 100 + seed);
            let spenders = Spenders::new(&purchases, &means).unwrap();
            is_near(&gamma_gamma::fit(&spenders), &truth)
        })
        .count();
    assert!(recovered >= 19, "{recovered}");
}

/// The log-likelihood could rise by no more than 1e-8.
fn no_gain_left<M>(fit: &Fit<M>, gradient: &[f64]) {
    let errors = fit
        .estimates
        .iter()
        .map(|estimate| estimate.standard_error.unwrap());
    let gain: f64 = gradient
        .iter()
        .zip(errors)
        .map(|(slope, error)| (slope * error).powi(2))
        .sum();
    assert!(gain < 1e-8, "{gain}");
}

/// Past some 65,000 histories a search begins on a sample of them; where it ends must not depend on that.
#[test]
fn a_search_that_begins_on_a_sample_ends_at_the_maximum_of_all() {
    let truth = [1.5, 60.0, 0.5, 4.0];
    let (x, recency_age, customer_age) = histories(100_000, truth, 730.0, 9);
    let summaries = Summaries::new(&x, &recency_age, &customer_age).unwrap();
    let fit = bg_nbd::fit(&summaries);
    within_three_standard_errors(&fit, &truth);
    no_gain_left(&fit, &fit.model.evaluate(&summaries).gradient);

    let truth = [6.25, 3.74, 15.44];
    let (purchases, means) = spend(100_000, truth, 9);
    let spenders = Spenders::new(&purchases, &means).unwrap();
    let fit = gamma_gamma::fit(&spenders);
    within_three_standard_errors(&fit, &truth);
    no_gain_left(&fit, &fit.model.evaluate(&spenders).gradient);
}
