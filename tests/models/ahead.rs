//! What lies ahead beyond an expectation: distributions, residual transactions and the tracking curve of BG/NBD.

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::{PurchaseModel, Summaries, Summary};
use proptest::prelude::*;

use crate::properties::{customers, magnitude};
use crate::{bg_nbd, cdnow, close};

const CDNOW: [f64; 4] = [0.2425945, 4.4136019, 0.7929199, 2.4258881];

fn model([r, alpha, a, b]: [f64; 4]) -> BgNbd {
    BgNbd::new(r, alpha, a, b).unwrap()
}

/// Asserts that the distribution of the purchases in `time` is one, and that its mean is the expectation.
pub(crate) fn distribution_holds(
    model: &impl PurchaseModel,
    customer: &Summary,
    time: f64,
) -> Result<(), TestCaseError> {
    let mut probabilities = vec![f64::NAN; 20_000];
    model.distribution(time, customer, &mut probabilities);
    is_distribution(&probabilities, model.expected_purchases(time, customer))?;
    model.distribution_new_customer(time, &mut probabilities);
    is_distribution(&probabilities, model.expected_purchases_new_customer(time))
}

pub(crate) fn is_distribution(probabilities: &[f64], mean: f64) -> Result<(), TestCaseError> {
    prop_assert!(probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    let total: f64 = probabilities.iter().sum();
    prop_assert!((total - 1.0).abs() < 1e-10, "{}", total);
    let sum: f64 = probabilities
        .iter()
        .enumerate()
        .map(|(k, p)| k as f64 * p)
        .sum();
    prop_assert!(
        (sum - mean).abs() <= 1e-9 * (1.0 + mean),
        "{} {}",
        sum,
        mean
    );
    Ok(())
}

/// lifetimes 0.11.3, `probability_of_n_purchases_up_to_time`.
#[test]
fn distribution_of_a_new_customer_matches_lifetimes() {
    let theirs = [
        0.5743071945576518,
        0.19919279466502574,
        0.08532288575719582,
        0.04579749806286358,
        0.027631363494052937,
        0.017938444013574292,
        0.012249959310302752,
        0.008681637898641799,
    ];
    let mut ours = [0.0; 8];
    model(CDNOW).distribution_new_customer(39.0, &mut ours);
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        close(ours, theirs, 1e-14);
    }
}

/// Equation 8 by beta functions in 30-digit arithmetic (mpmath), for the posterior of a customer, times P(alive).
#[test]
fn distribution_equals_equation_8_of_fader_hardie_lee_2005() {
    let exact = [
        0.44539305574231075,
        0.23933024913031054,
        0.14417822395582863,
        0.08084178273751779,
        0.043538072276241103,
        0.022859111588279836,
    ];
    let customer = Summary::new(2, 30.43, 38.86).unwrap();
    let mut ours = [0.0; 6];
    model(CDNOW).distribution(39.0, &customer, &mut ours);
    for (ours, exact) in ours.into_iter().zip(exact) {
        close(ours, exact, 1e-14);
    }
}

/// Where the probability of no purchase underflows: equation 8 in 40-digit arithmetic (mpmath).
#[test]
fn distribution_far_ahead_matches_mpmath() {
    let mut ours = vec![0.0; 10_501];
    model([300.0, 3.0, 0.05, 50.0]).distribution_new_customer(97.0, &mut ours);
    for (k, exact) in [
        (0, 0.0),
        (100, 0.0003175335341770617),
        (9000, 0.00026643224383997283),
        (9700, 0.0005405280421860092),
        (10_500, 0.00019427676486463396),
    ] {
        close(ours[k], exact, 1e-10 * exact);
    }
}

/// P(alive) ∫ e^(−δt) dE[Y(t)] over all time of ₂F₁ in 25-digit quadrature (mpmath).
#[test]
fn residual_transactions_match_high_precision_quadrature() {
    type Case = ([f64; 4], (u64, f64, f64), f64, f64);
    let cases: [Case; 7] = [
        (CDNOW, (0, 0.0, 38.86), 0.0018, 1.3139386705776268),
        (CDNOW, (26, 30.86, 31.0), 0.0018, 85.90222465920631),
        (CDNOW, (2, 30.43, 38.86), 0.01, 2.261472575726706),
        (CDNOW, (0, 0.0, 0.0), 0.0018, 4.393751162738108),
        (CDNOW, (200, 38.0, 40.0), 0.0001, 43.25421584630054),
        (
            [0.25, 4.0, 1.0, 2.5],
            (10, 30.0, 40.0),
            0.0003,
            20.352741881238877,
        ),
        (
            [2.0, 1000.0, 0.01, 50.0],
            (3, 900.0, 1000.0),
            0.0001,
            24.897085285895972,
        ),
    ];
    for (parameters, (x, recency_age, customer_age), force, exact) in cases {
        let customer = Summary::new(x, recency_age, customer_age).unwrap();
        let ours = model(parameters).discounted_expected_residual_transactions(force, &customer);
        close(ours, exact, 1e-8 * exact);
    }
}

#[test]
fn outside_the_domain_is_nan() {
    let (model, customer) = (model(CDNOW), Summary::new(2, 30.43, 38.86).unwrap());
    for out in [-1.0, f64::NAN, f64::INFINITY] {
        let mut probabilities = [0.0; 3];
        model.distribution(out, &customer, &mut probabilities);
        assert!(probabilities.iter().all(|p| p.is_nan()));
        let residual = model.discounted_expected_residual_transactions(out, &customer);
        assert!(residual.is_nan());
    }
    assert!(
        model
            .discounted_expected_residual_transactions(0.0, &customer)
            .is_nan()
    );
    model.distribution(39.0, &customer, &mut []);
    let mut one = [0.0];
    model.distribution(39.0, &customer, &mut one);
    close(one[0], 0.44539305574231075, 1e-14);
    model.distribution(0.0, &customer, &mut one);
    assert_eq!(one, [1.0]);
}

/// As `bg_nbd::tracks_cumulative_repeat_purchases_as_the_btyd_vignette`, of the same customers by their first day.
#[test]
fn tracking_matches_the_btyd_vignette() {
    let Some(customers) = cdnow::customers() else {
        return;
    };
    let table = cdnow::calibration(&customers);
    let fit = bg_nbd::fit(
        &Summaries::new(&table.frequency, &table.recency_age, &table.customer_age).unwrap(),
    );
    let mut births = std::collections::BTreeMap::<i64, u64>::new();
    for days in customers.values() {
        *births.entry(*days.keys().next().unwrap()).or_default() += 1;
    }
    let births: Vec<(f64, u64)> = births
        .into_iter()
        .map(|(day, customers)| (day as f64 / 7.0, customers))
        .collect();
    let weeks: Vec<f64> = (20..=25).map(f64::from).collect();
    let expected = fit.model.tracking(&births, &weeks);
    let published: Vec<String> = expected.iter().map(|e| format!("{e:.0}")).collect();
    assert_eq!(published, ["1312", "1387", "1460", "1532", "1601", "1670"]);
    assert_eq!(fit.model.tracking(&births, &[0.0, -3.0]), [0.0, 0.0]);
    assert_eq!(fit.model.tracking(&[], &[5.0]), [0.0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn distributions_sum_to_one_and_have_the_expected_mean(
        r in magnitude(-1.5, 1.5), alpha in magnitude(-1.0, 3.0), a in magnitude(-1.5, 1.0), b in magnitude(-1.0, 1.5),
        customer in customers(50), ratio in magnitude(-4.0, 1.5),
    ) {
        distribution_holds(&model([r, alpha, a, b]), &customer, ratio * alpha)?;
    }

    /// Discounted at a rate that a long horizon outlasts, the purchases of a horizon are all that ever come.
    #[test]
    fn residual_transactions_are_those_of_a_long_horizon(
        r in magnitude(-1.0, 1.0), a in magnitude(-1.0, 0.5), b in magnitude(-0.5, 1.0), customer in customers(50),
        force in magnitude(-3.0, 0.0),
    ) {
        let model = model([r, 10.0, a, b]);
        let horizon = cvm_models::btyd::Horizon::new(45.0 / force, force.exp_m1(), 1.0).unwrap();
        let ours = model.discounted_expected_residual_transactions(force, &customer);
        let theirs = model.predict(&horizon, &customer).discounted_expected_purchases;
        prop_assert!((ours - theirs).abs() <= 1e-7 * theirs, "{} {}", ours, theirs);
    }
}
