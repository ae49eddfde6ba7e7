use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::mbg_nbd::{MbgNbd, MbgNbdParams};
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::fit::{Fit, FitError};
use cvm_models::optimise::StopReason;
use cvm_models::uncertainty::Level;
use proptest::prelude::*;

use crate::ahead::distribution_holds;
use crate::properties::{columns, customers, derivatives_hold, magnitude, summaries, tables};
use crate::threads::{bits, in_pool};
use crate::{cdnow, close, simulated};

/// Of the CDNOW sample, as published by BTYDplus and lifetimes.
const CDNOW: [f64; 4] = [0.525, 6.183, 0.891, 1.614];

fn model([r, alpha, a, b]: [f64; 4]) -> MbgNbd {
    MbgNbd::new(r, alpha, a, b).unwrap()
}

fn fit(summaries: &Summaries) -> Fit<MbgNbd> {
    MbgNbdParams::default()
        .check()
        .unwrap()
        .fit(summaries)
        .unwrap()
}

#[test]
fn matches_btydplus_and_lifetimes() {
    let Some(customers) = cdnow::customers() else {
        return;
    };
    let table = cdnow::calibration(&customers);
    let fit =
        fit(&Summaries::new(&table.frequency, &table.recency_age, &table.customer_age).unwrap());
    let [r, alpha, a, b] = fit.model.parameters();
    assert_eq!(
        format!("{r:.3} {alpha:.3} {a:.3} {b:.3}"),
        "0.525 6.183 0.891 1.614"
    );
    close(fit.log_likelihood, -9582.1357, 1e-4);
    assert!(fit.convergence.converged);
    assert_eq!(fit.convergence.starts_agreeing, 3);
    // lifetimes 0.11.3, which takes the Hessian by automatic differentiation.
    let errors: Vec<String> = fit
        .estimates
        .iter()
        .map(|e| format!("{} {:.4}", e.name, e.standard_error.unwrap()))
        .collect();
    assert_eq!(errors, ["r 0.0833", "alpha 0.6956", "a 0.1548", "b 0.5375"]);
}

#[test]
fn extreme_counts_stay_finite_as_in_lifetimes() {
    let model = model([0.25, 4.0, 0.8, 2.5]);
    close(
        model.log_likelihood(&Summary::new(0, 0.0, 40.0).unwrap()),
        -0.41792826204498046,
        1e-13,
    );
    close(
        model.log_likelihood(&Summary::new(200, 38.0, 40.0).unwrap()),
        100.78690976099126,
        1e-10,
    );
    for model in [model, self::model(CDNOW)] {
        for x in 161..=254 {
            for recency_age in [1e-3, 1.0, 20.0, 38.0, 40.0] {
                let alive = model.probability_alive(&Summary::new(x, recency_age, 40.0).unwrap());
                assert!((0.0..=1.0).contains(&alive), "{x} {recency_age} {alive}");
            }
        }
    }
}

/// lifetimes 0.11.3, ModifiedBetaGeoFitter: P(alive) and purchases expected in the next 52 weeks.
#[test]
fn predictions_match_lifetimes() {
    let model = model(CDNOW);
    for ((x, recency_age, customer_age), alive, purchases) in [
        ((0, 0.0, 38.86), 0.3897350809187629, 0.19770581741636964),
        ((0, 0.0, 0.0), 0.644311377245509, 1.4197237577127344),
        ((1, 5.0, 38.0), 0.26522726909393995, 0.3787342538627574),
        ((2, 30.43, 38.86), 0.7062022651184873, 1.5972166308180844),
        ((26, 30.86, 31.0), 0.9655661441440616, 24.003922822202373),
        ((200, 38.0, 40.0), 0.030596068692788008, 4.835552073394033),
    ] {
        let customer = Summary::new(x, recency_age, customer_age).unwrap();
        close(model.probability_alive(&customer), alive, 1e-13);
        let expected = model.expected_purchases(52.0, &customer);
        close(expected, purchases, 1e-12 * purchases);
    }
    for (time, purchases) in [
        (1.0, 0.053084795263698685),
        (10.0, 0.4334674151565691),
        (52.0, 1.4197237577127344),
        (260.0, 3.308470171088906),
    ] {
        let expected = model.expected_purchases_new_customer(time);
        close(expected, purchases, 1e-13);
    }
    let mut ours = [0.0; 8];
    model.distribution_new_customer(10.0, &mut ours);
    for (ours, theirs) in ours.into_iter().zip([
        0.7444824952287219,
        0.15902165262670048,
        0.0546408513073394,
        0.022273676071881965,
        0.009966219376608423,
        0.004731402438448598,
        0.002340322229533536,
        0.0011930087721550194,
    ]) {
        close(ours, theirs, 1e-14);
    }
}

/// Equation 8 of Fader, Hardie & Lee (2005) for the posterior of a customer who stayed once more, and
/// P(alive) ∫ e^(−δt) dE[Y(t)] over all time of ₂F₁, both in high precision (mpmath).
#[test]
fn distributions_and_residual_transactions_match_mpmath() {
    let model = model(CDNOW);
    let mut ours = [0.0; 6];
    for (customer, exact) in [
        (
            (2, 30.43, 38.86),
            [
                0.4400059091777069,
                0.23422405642628644,
                0.14597354129484744,
                0.08386394775472357,
                0.04592421188050824,
                0.024376067466719022,
            ],
        ),
        (
            (0, 0.0, 38.86),
            [
                0.8911706012225319,
                0.07870413291230872,
                0.020445791233199173,
                0.006309290722451255,
                0.002135434378386836,
                0.0007660780874882304,
            ],
        ),
    ] {
        let customer = Summary::new(customer.0, customer.1, customer.2).unwrap();
        model.distribution(39.0, &customer, &mut ours);
        for (ours, exact) in ours.into_iter().zip(exact) {
            close(ours, exact, 1e-14);
        }
    }
    for ((x, recency_age, customer_age), force, exact) in [
        ((0, 0.0, 38.86), 0.0018, 0.9152365029290225),
        ((26, 30.86, 31.0), 0.0018, 73.13924681903531),
        ((2, 30.43, 38.86), 0.01, 2.255495605447922),
        ((0, 0.0, 0.0), 0.0018, 3.8734956487546577),
    ] {
        let customer = Summary::new(x, recency_age, customer_age).unwrap();
        let ours = model.discounted_expected_residual_transactions(force, &customer);
        close(ours, exact, 1e-8 * exact);
    }
}

fn models() -> impl Strategy<Value = MbgNbd> {
    (
        magnitude(-1.5, 1.5),
        magnitude(-1.0, 3.0),
        magnitude(-1.5, 1.0),
        magnitude(-1.5, 1.5),
    )
        .prop_map(|(r, alpha, a, b)| model([r, alpha, a, b]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn predictions_stay_in_their_bounds(
        model in models(), customer in customers(300), length in magnitude(-3.0, 4.0), more in 1.0..3.0_f64, rate in 0.0..1.0_f64,
    ) {
        let prediction = model.predict(&Horizon::new(length, rate, 365.0).unwrap(), &customer);
        prop_assert!((0.0..=1.0).contains(&prediction.probability_alive));
        prop_assert!(prediction.expected_purchases.is_finite());
        prop_assert!((0.0..=prediction.expected_purchases).contains(&prediction.discounted_expected_purchases));
        prop_assert!(model.log_likelihood(&customer).is_finite());
        prop_assert_eq!(model.expected_purchases(0.0, &customer), 0.0);
        prop_assert_eq!(model.expected_purchases_new_customer(0.0), 0.0);
        let (near, far) = (model.expected_purchases(length, &customer), model.expected_purchases(length * more, &customer));
        prop_assert!(far >= near * (1.0 - 1e-11), "{} {}", near, far);
    }

    /// L = b/(a+b) L_BG(b + 1) + … : with a repeat purchase the first stay is but a factor; without, one may be gone.
    #[test]
    fn it_is_bg_nbd_of_who_stayed_at_first(model in models(), customer in customers(100), length in magnitude(-2.0, 3.0)) {
        let [r, alpha, a, b] = model.parameters();
        let stayed = BgNbd::new(r, alpha, a, b + 1.0).unwrap();
        let of_stayed = (b / (a + b)).ln() + stayed.log_likelihood(&customer);
        let expected = if customer.frequency() == 0 {
            (of_stayed.exp() + a / (a + b)).ln()
        } else {
            of_stayed
        };
        let ours = model.log_likelihood(&customer);
        prop_assert!((ours - expected).abs() <= 1e-11 * (1.0 + expected.abs()), "{} {}", ours, expected);
        let new = b / (a + b) * stayed.expected_purchases_new_customer(length);
        prop_assert!((model.expected_purchases_new_customer(length) - new).abs() <= 1e-12 * new);
    }

    #[test]
    fn distributions_sum_to_one_and_have_the_expected_mean(
        model in models(), customer in customers(50), ratio in magnitude(-4.0, 1.5),
    ) {
        distribution_holds(&model, &customer, ratio * model.parameters()[1])?;
    }

    #[test]
    fn the_unit_of_time_does_not_matter(
        model in models(), customer in customers(300), length in magnitude(-2.0, 4.0), unit in magnitude(-3.0, 3.0),
    ) {
        let [r, alpha, a, b] = model.parameters();
        let other = self::model([r, alpha * unit, a, b]);
        let same = Summary::new(customer.frequency(), customer.recency_age() * unit, customer.customer_age() * unit).unwrap();
        let here = model.predict(&Horizon::new(length, 0.1, 365.0).unwrap(), &customer);
        let there = other.predict(&Horizon::new(length * unit, 0.1, 365.0 * unit).unwrap(), &same);
        prop_assert!((here.probability_alive - there.probability_alive).abs() <= 1e-10);
        let bound = 1e-10 * here.expected_purchases + 1e-300;
        prop_assert!((here.expected_purchases - there.expected_purchases).abs() <= bound);
        prop_assert!((here.discounted_expected_purchases - there.discounted_expected_purchases).abs() <= bound);
    }

    #[test]
    fn the_sum_is_that_of_the_customers(model in models(), rows in tables()) {
        let sum: f64 = rows.iter().map(|(row, count)| *count as f64 * model.log_likelihood(row)).sum();
        let size: f64 = rows.iter().map(|(row, count)| *count as f64 * model.log_likelihood(row).abs()).sum();
        prop_assert!((model.evaluate(&summaries(&rows)).value - sum).abs() <= 1e-10 * (1.0 + size));
    }

    #[test]
    fn derivatives_are_finite_differences(model in models(), rows in tables()) {
        let summaries = summaries(&rows);
        derivatives_hold(model.parameters(), |theta| self::model(theta).evaluate(&summaries))?;
    }

    #[test]
    fn weighted_customers_are_repeated_customers(model in models(), rows in tables()) {
        let repeated = rows.iter().flat_map(|(row, count)| std::iter::repeat_n(row, usize::try_from(*count).unwrap()));
        let (x, recency_age, customer_age) = columns(repeated);
        let repeated = model.evaluate(&Summaries::new(&x, &recency_age, &customer_age).unwrap());
        prop_assert_eq!(model.evaluate(&summaries(&rows)), repeated);
    }
}

#[test]
fn recovers_its_parameters_in_nineteen_of_twenty_seeds() {
    let truth = [0.8, 10.0, 0.9, 2.0];
    let recovered = (0..20)
        .filter(|seed| {
            let (x, recency_age, customer_age) =
                simulated::histories_of_mbg_nbd(4_000, truth, 104.0, *seed);
            let fit = fit(&Summaries::new(&x, &recency_age, &customer_age).unwrap());
            assert!(fit.convergence.converged);
            let off = |(estimate, truth): (&cvm_models::fit::Estimate, f64)| {
                ((estimate.value - truth) / estimate.standard_error.unwrap()).abs()
            };
            fit.estimates
                .iter()
                .zip(truth)
                .map(off)
                .all(|off| off < 3.0)
        })
        .count();
    assert!(recovered >= 19, "{recovered}");
}

/// 100,000 customers: enough to begin on a sample of them.
#[test]
fn bit_identical_on_one_two_and_five_threads() {
    let (x, recency_age, customer_age) =
        simulated::histories_of_mbg_nbd(100_000, [1.5, 60.0, 0.3, 4.0], 730.0, 7);
    let everything = || {
        let customers = Summaries::new(&x, &recency_age, &customer_age).unwrap();
        let fit = fit(&customers);
        let horizon = Horizon::new(365.0, 0.1, 365.0).unwrap();
        let forecast = Forecast::of_fit(&fit, &customers, &horizon, &Level::new(0.9).unwrap());
        let predictions = forecast
            .predict_all(&x[..5000], &recency_age[..5000], &customer_age[..5000])
            .unwrap();
        let numbers = fit.theta().into_iter().chain([fit.log_likelihood]);
        let numbers = numbers.chain(fit.covariance.unwrap().concat());
        bits(numbers.chain(predictions.iter().flat_map(|p| {
            [
                p.probability_alive,
                p.expected_purchases,
                p.discounted_expected_purchases,
            ]
            .map(|figure| figure.confidence.unwrap().high)
        })))
    };
    let one = in_pool(1, everything);
    assert_eq!(one.len(), 4 + 1 + 16 + 3 * 5000);
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}

fn try_fit(summaries: &Summaries) -> Result<(bool, StopReason), FitError> {
    let fit = MbgNbdParams::default().check()?.fit(summaries)?;
    assert!(fit.log_likelihood.is_finite() && fit.theta().iter().all(|p| p.is_finite()));
    Ok((fit.convergence.converged, fit.convergence.reason))
}

#[test]
fn too_little_to_answer_from_is_told() {
    let model = "MBG/NBD";
    let nobody = Summaries::new(&[], &[], &[]).unwrap();
    assert_eq!(try_fit(&nobody), Err(FitError::NoCustomers { model }));
    let once = Summaries::new(&[0, 0, 0], &[0.0; 3], &[0.0, 3.0, 7.0]).unwrap();
    assert_eq!(
        try_fit(&once),
        Err(FitError::NoRepeatPurchase {
            model,
            customers: 3
        })
    );
    let one = Summaries::new(&[1], &[1.0], &[3.0]).unwrap();
    assert_eq!(try_fit(&one), Ok((false, StopReason::AtBound)));
    let alike = Summaries::weighted(&[3], &[10.0], &[20.0], &[1_000_000]).unwrap();
    assert_eq!(try_fit(&alike), Ok((false, StopReason::AtBound)));
    let hundreds =
        Summaries::new(&[400, 0, 7], &[1000.0, 0.0, 0.5], &[1000.0, 3.0, 9000.0]).unwrap();
    assert!(try_fit(&hundreds).is_ok());
}

#[test]
fn extreme_shapes_stay_finite() {
    let shapes = [1e-3, 1.0, 1e3];
    let customers = [
        (0, 0.0, 0.0),
        (0, 0.0, 1e4),
        (1, 1e-3, 1e4),
        (500, 9e3, 1e4),
        (500, 1.0, 1.0),
    ];
    let horizon = Horizon::new(365.0, 0.0, 365.0).unwrap();
    for r in shapes {
        for alpha in shapes {
            for a in shapes {
                for b in shapes {
                    let model = model([r, alpha, a, b]);
                    for (x, recency_age, customer_age) in customers {
                        let customer = Summary::new(x, recency_age, customer_age).unwrap();
                        let prediction = model.predict(&horizon, &customer);
                        let one = Summaries::new(&[x], &[recency_age], &[customer_age]).unwrap();
                        let sums = model.evaluate(&one);
                        assert!((0.0..=1.0).contains(&prediction.probability_alive));
                        assert!(prediction.expected_purchases.is_finite());
                        assert!(
                            sums.value.is_finite() && sums.gradient.iter().all(|g| g.is_finite())
                        );
                        assert!(sums.hessian.iter().flatten().all(|h| h.is_finite()));
                    }
                }
            }
        }
    }
}
