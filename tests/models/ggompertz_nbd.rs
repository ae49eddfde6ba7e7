use cvm_models::btyd::ggompertz_nbd::{GGompertzNbd, GGompertzNbdParams};
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::fit::{Fit, FitError, ParameterError};
use cvm_models::optimise::StopReason;
use proptest::prelude::*;

use crate::dropout::{self, moments};
use crate::properties::{customers, derivatives_hold, magnitude, summaries, tables};
use crate::{cdnow, close, pareto_nbd, simulated};

fn model([r, alpha, b, s, beta]: [f64; 5]) -> GGompertzNbd {
    GGompertzNbd::new(r, alpha, b, s, beta).unwrap()
}

fn fit(summaries: &Summaries) -> Fit<GGompertzNbd> {
    GGompertzNbdParams::default()
        .check()
        .unwrap()
        .fit(summaries)
        .unwrap()
}

fn simulate(
    customers: usize,
    [r, alpha, b, s, beta]: [f64; 5],
    time: f64,
    seed: u64,
) -> simulated::Histories {
    // The hazard η b e^(bτ) integrates to η (e^(bτ) − 1).
    let lifetime = |frailty: f64, exponential: f64| (beta * exponential / frailty).ln_1p() / b;
    dropout::histories(customers, [r, alpha, s], lifetime, time, seed)
}

/// The sample is of the kind whose likelihood is highest at b = 0, which is the Pareto/NBD: the fit reaches that likelihood
/// and tells that it did not converge. The published log-likelihood is the same.
#[test]
fn reaches_the_log_likelihood_of_clvtools_and_tells_that_it_is_at_a_bound() {
    let Some(customers) = cdnow::customers() else {
        return;
    };
    let summaries = pareto_nbd::cdnow_summaries(&customers);
    let fit = fit(&summaries);
    close(fit.log_likelihood, -9594.9762, 1e-3);
    assert!(!fit.convergence.converged);
    assert_eq!(fit.convergence.reason, StopReason::AtBound);
    assert_eq!(fit.convergence.starts_agreeing, 3);

    let limit = pareto_nbd::fit(&summaries);
    let short = limit.log_likelihood - fit.log_likelihood;
    assert!((0.0..1e-4).contains(&short), "{short}");
    let [r, alpha, b, s, beta] = fit.model.parameters();
    for (ours, theirs) in [r, alpha, s, beta / b].into_iter().zip(limit.theta()) {
        close(ours, theirs, 1e-4 * theirs);
    }
    let customer = Summary::new(26, 30.86, 31.0).unwrap();
    close(
        fit.model.expected_purchases(52.0, &customer),
        limit.model.expected_purchases(52.0, &customer),
        1e-3,
    );
}

/// Bemmaor & Glady (2012) by adaptive quadrature in 40-digit arithmetic (mpmath): parameters, customer; ln L, P(alive),
/// purchases in 52, DERT at δ = 0.0027.
#[test]
fn equals_high_precision_quadrature() {
    type Case = ([f64; 5], (u64, f64, f64), [f64; 4]);
    #[rustfmt::skip]
    const CASES: [Case; 11] = [
        ([0.55, 10.6, 0.05, 0.6, 0.5], (0, 0.0, 0.0), [0.0, 1.0, 1.0748115194931673, 1.2173777269091903]),
        ([0.55, 10.6, 0.05, 0.6, 0.5], (0, 0.0, 38.86), [-0.44229121829501444, 0.1434213575515283, 0.04099606621263772, 0.047467440638673856]),
        ([0.55, 10.6, 0.05, 0.6, 0.5], (2, 30.43, 38.86), [-10.001055564340879, 0.7081391443918787, 0.9384787638643477, 1.086620964639152]),
        ([0.55, 10.6, 0.05, 0.6, 0.5], (26, 31.0, 31.0), [-39.650393939963095, 1.0, 16.20378955567717, 18.73239992882511]),
        ([2.0, 60.0, 0.01, 1.0, 50.0], (10, 200.0, 700.0), [-44.44787471719817, 3.396927381134512e-6, 2.1938968760858544e-6, 4.305004084462611e-6]),
        ([2.0, 60.0, 0.01, 1.0, 50.0], (10, 650.0, 700.0), [-56.36855210514176, 0.5107056621140681, 0.3298379479449474, 0.6472290145410632]),
        ([0.55, 10.6, 0.001, 0.6, 0.01], (300, 10.0, 40.0), [497.3070378130463, 1.3888302244188839e-115, 3.378623785963116e-113, 1.1184951572136594e-112]),
        ([0.001, 10.6, 0.2, 0.001, 10000.0], (3, 5.0, 1000.0), [-23.39561818457107, 0.023104309459408435, 0.003549168872509549, 0.023658199870232335]),
        ([1000.0, 4000.0, 0.3, 5.0, 100000.0], (5, 20.0, 40.0), [-14.320993118113384, 0.0005927057850052057, 0.00014477257538815806, 0.00014441511644196637]),
        ([0.55, 0.01, 3.0, 0.02, 0.001], (40, 3.0, 100.0), [55.249244263714836, 1.315014481248394e-62, 8.494018523806287e-62, 8.503748861895689e-62]),
        ([5.0, 50.0, 1.0, 300.0, 1000000.0], (8, 5.0, 8.0), [-16.313224366201936, 0.3693845293906797, 0.0533977809683695, 0.05332913806516911]),
    ];
    for (parameters, (x, recency_age, age), [log_likelihood, alive, purchases, for_ever]) in CASES {
        let model = model(parameters);
        let customer = Summary::new(x, recency_age, age).unwrap();
        close(
            model.log_likelihood(&customer),
            log_likelihood,
            2e-13 * (1.0 + log_likelihood.abs()),
        );
        close(model.probability_alive(&customer), alive, 1e-12 * alive);
        close(
            model.expected_purchases(52.0, &customer),
            purchases,
            1e-12 * purchases,
        );
        close(
            model.discounted_expected_residual_transactions(0.0027, &customer),
            for_ever,
            1e-12 * for_ever,
        );
    }
}

/// With β = 1 the time until one leaves is exponential with the rate s b: a closed form for a new customer.
#[test]
fn is_exponential_at_beta_one() {
    for (b, s) in [(0.1, 0.5), (2.0, 0.01), (1e-3, 300.0)] {
        let model = model([0.8, 10.0, b, s, 1.0]);
        let leaving: f64 = s * b;
        for time in [1e-6, 1.0, 52.0, 1e4] {
            let exact = 0.08 * -(-leaving * time).exp_m1() / leaving;
            close(
                model.expected_purchases_new_customer(time),
                exact,
                1e-13 * exact,
            );
            let horizon = Horizon::new(time, 0.1, 52.0).unwrap();
            let rate = leaving + horizon.force_of_interest();
            let exact = 0.08 * -(-rate * time).exp_m1() / rate;
            let customer = Summary::new(0, 0.0, 0.0).unwrap();
            let discounted = model
                .predict(&horizon, &customer)
                .discounted_expected_purchases;
            close(discounted, exact, 1e-13 * exact);
        }
        let new = Summary::new(0, 0.0, 0.0).unwrap();
        let residual = model.discounted_expected_residual_transactions(0.01, &new);
        let exact = 0.08 / (leaving + 0.01);
        close(residual, exact, 1e-13 * exact);
    }
}

/// b → 0 with β/b fixed.
#[test]
fn becomes_the_pareto_nbd() {
    let limit = ParetoNbd::new(0.55, 10.6, 0.6, 11.7).unwrap();
    for b in [1e-4, 1e-6, 1e-8] {
        let near = model([0.55, 10.6, b, 0.6, 11.7 * b]);
        // The difference is of the order of b times the time looked at.
        let tolerance = 100.0 * b;
        for (x, recency_age, age) in [
            (0, 0.0, 39.0),
            (2, 30.0, 39.0),
            (26, 31.0, 31.0),
            (200, 20.0, 39.0),
        ] {
            let customer = Summary::new(x, recency_age, age).unwrap();
            let pairs = [
                (
                    near.log_likelihood(&customer),
                    limit.log_likelihood(&customer),
                ),
                (
                    near.probability_alive(&customer),
                    limit.probability_alive(&customer),
                ),
                (
                    near.expected_purchases(52.0, &customer),
                    limit.expected_purchases(52.0, &customer),
                ),
            ];
            for (near, limit) in pairs {
                close(near, limit, tolerance * (limit.abs() + 1e-300));
            }
        }
        let (mut ours, mut theirs) = ([0.0; 10], [0.0; 10]);
        near.distribution_new_customer(52.0, &mut ours);
        limit.distribution_new_customer(52.0, &mut theirs);
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            close(ours, theirs, tolerance);
        }
    }
}

#[test]
fn distributions_sum_to_one_with_the_expected_mean() {
    for (parameters, time) in [
        ([0.55, 10.6, 0.05, 0.6, 0.5], 52.0),
        ([0.001, 0.5, 2.0, 0.6, 11.7], 10.0),
        ([1000.0, 3000.0, 0.01, 0.001, 0.1], 300.0),
        ([5.0, 60.0, 0.02, 1000.0, 4e5], 730.0),
        ([3.0, 1.0, 1.0, 1.0, 1e-4], 5.0),
    ] {
        let model = model(parameters);
        let mut distribution = vec![0.0; 1500];
        model.distribution_new_customer(time, &mut distribution);
        let (total, mean) = moments(&distribution);
        close(total, 1.0, 1e-12);
        let expected = model.expected_purchases_new_customer(time);
        close(mean, expected, 1e-11 * expected);
        for (x, recency_age, age) in [(0, 0.0, 30.0), (4, 20.0, 30.0), (4, 30.0, 30.0)] {
            let customer = Summary::new(x, recency_age, age).unwrap();
            model.distribution(time, &customer, &mut distribution);
            let (total, mean) = moments(&distribution);
            close(total, 1.0, 1e-12);
            let expected = model.expected_purchases(time, &customer);
            close(mean, expected, 1e-11 * expected);
        }
    }
}

#[test]
fn all_histories_have_probability_one() {
    dropout::histories_are_a_density(&model([0.8, 2.0, 0.9, 0.6, 1.5]), 3.0, 40);
}

#[test]
fn extremes_stay_finite() {
    for r in [1e-3, 1e3] {
        for s in [1e-3, 1.0, 1e3] {
            for b in [1e-6, 1e-2, 10.0] {
                for beta in [1e-6, 0.5, 1e6] {
                    let model = model([r, 10.0, b, s, beta]);
                    dropout::figures_hold(&model, |summaries| model.evaluate(summaries));
                }
            }
        }
    }
}

fn models() -> impl Strategy<Value = GGompertzNbd> {
    let shape = || magnitude(-1.5, 1.5);
    (
        shape(),
        magnitude(-1.0, 3.0),
        magnitude(-3.0, 0.5),
        shape(),
        magnitude(-2.0, 2.0),
    )
        .prop_map(|(r, alpha, b, s, beta)| model([r, alpha, b, s, beta]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn predictions_stay_in_their_bounds_and_grow_with_the_horizon(
        model in models(), customer in customers(300), length in magnitude(-3.0, 4.0), rate in 0.0..1.0_f64,
    ) {
        dropout::predictions_hold(&model, &customer, length, rate)?;
    }

    #[test]
    fn the_unit_of_time_does_not_matter(
        model in models(), customer in customers(300), length in magnitude(-2.0, 4.0), unit in magnitude(-3.0, 3.0),
    ) {
        let [r, alpha, b, s, beta] = model.parameters();
        let other = GGompertzNbd::new(r, alpha * unit, b / unit, s, beta).unwrap();
        dropout::unit_does_not_matter(&model, &other, &customer, length, unit)?;
    }

    #[test]
    fn the_sum_is_that_of_the_customers(model in models(), rows in tables()) {
        dropout::sum_is_that_of_the_customers(&model, &model.evaluate(&summaries(&rows)), &rows)?;
    }

    #[test]
    fn weighted_customers_are_repeated_customers(model in models(), rows in tables()) {
        let repeated: Vec<(Summary, u64)> = rows.iter().flat_map(|(row, count)| vec![(*row, 1); *count as usize]).collect();
        prop_assert_eq!(model.evaluate(&summaries(&rows)), model.evaluate(&summaries(&repeated)));
    }

    #[test]
    fn derivatives_are_finite_differences(model in models(), rows in tables()) {
        let summaries = summaries(&rows);
        derivatives_hold(model.parameters(), |[r, alpha, b, s, beta]| {
            GGompertzNbd::new(r, alpha, b, s, beta).unwrap().evaluate(&summaries)
        })?;
    }
}

/// Customers who leave ever sooner the longer they stay, which identifies all five. In days and in weeks.
#[test]
fn recovers_its_parameters() {
    for (truth, time, seeds) in [
        ([2.0, 60.0, 0.01, 1.0, 50.0], 730.0, 1..=20),
        ([1.5, 5.0, 0.1, 2.0, 50.0], 78.0, 1..=3),
    ] {
        let all = seeds.clone().count();
        let near = seeds.filter(|seed| {
            let (x, recency_age, customer_age) = simulate(1500, truth, time, *seed);
            let fit = fit(&Summaries::new(&x, &recency_age, &customer_age).unwrap());
            dropout::deviation(&fit, &truth) < 3.0
        });
        assert!(near.count() >= all - 1);
    }
}

#[test]
fn is_bit_identical_on_one_two_and_five_threads() {
    let truth = [0.8, 20.0, 0.02, 0.5, 5.0];
    let table = simulate(20_000, truth, 200.0, 7);
    let summaries = Summaries::new(&table.0, &table.1, &table.2).unwrap();
    let params = GGompertzNbdParams::default().starts(vec![truth]);
    let params = params.check().unwrap();
    let everything = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap()
            .install(|| dropout::bits_of(&params.fit(&summaries).unwrap(), &table))
    };
    let one = everything(1);
    assert_eq!(one.len(), 5 + 1 + 25 + 3 * 20_000);
    assert_eq!(one, everything(2));
    assert_eq!(one, everything(5));
}

fn outcome(summaries: &Summaries) -> (bool, StopReason) {
    let fit = fit(summaries);
    assert!(fit.log_likelihood.is_finite() && fit.theta().iter().all(|p| p.is_finite()));
    (fit.convergence.converged, fit.convergence.reason)
}

#[test]
fn data_that_tell_too_little_do_not_converge() {
    let at_bound = (false, StopReason::AtBound);
    let one = Summaries::new(&[1], &[1.0], &[3.0]).unwrap();
    assert_eq!(outcome(&one), at_bound);
    let alike = Summaries::weighted(&[3], &[10.0], &[20.0], &[1_000_000]).unwrap();
    assert_eq!(outcome(&alike), at_bound);
    let x: Vec<u64> = (0..500).map(|i| 1 + i * i % 11).collect();
    let alive = Summaries::new(&x, &[40.0; 500], &[40.0; 500]).unwrap();
    assert_eq!(outcome(&alive), at_bound);
}

#[test]
fn nobody_who_buys_again_is_refused() {
    let once = Summaries::new(&[0, 0, 0], &[0.0; 3], &[0.0, 3.0, 7.0]).unwrap();
    let params = GGompertzNbdParams::default().check().unwrap();
    let model = "GGompertz/NBD";
    let refused = FitError::NoRepeatPurchase {
        model,
        customers: 3,
    };
    assert_eq!(params.fit(&once).unwrap_err(), refused);
}

#[test]
fn parameters_outside_their_domain_are_refused() {
    for (position, name) in GGompertzNbd::PARAMETERS.into_iter().enumerate() {
        for value in [0.0, -1.0, f64::INFINITY] {
            let mut p = [1.0; 5];
            p[position] = value;
            let (model, name) = ("GGompertz/NBD", name.to_owned());
            let refused = ParameterError { model, name, value };
            let [r, alpha, b, s, beta] = p;
            assert_eq!(GGompertzNbd::new(r, alpha, b, s, beta), Err(refused));
        }
    }
}

#[test]
fn an_age_of_zero_is_a_new_customer() {
    let model = model([0.55, 10.6, 0.05, 0.6, 0.5]);
    let new = Summary::new(0, 0.0, 0.0).unwrap();
    assert_eq!(model.log_likelihood(&new), 0.0);
    assert_eq!(model.probability_alive(&new), 1.0);
    assert_eq!(
        model.expected_purchases(52.0, &new),
        model.expected_purchases_new_customer(52.0)
    );
    for time in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(model.expected_purchases(time, &new).is_nan());
        assert!(model.expected_purchases_new_customer(time).is_nan());
    }
}
