//! Experiments against published and independently computed figures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cvm_models::experiment::{
    Arm, BetaPrior, DifferenceTest, Effect, ExperimentError, Proportion, chance_to_beat,
    compare_means, compare_proportions, difference_test, false_discovery_adjusted, posterior_lift,
    risk_ratio, sample_ratio_test,
};
use cvm_models::uncertainty::Level;
use proptest::prelude::*;

use crate::close;

fn ninety_five() -> Level {
    Level::new(0.95).unwrap()
}

/// The two arms of GrowthBook's test of revenue.
fn growthbook() -> (Arm, Arm) {
    (
        Arm::from_sums(3407, 1396.87, 52377.9767).unwrap(),
        Arm::from_sums(3461, 2422.7, 134698.29).unwrap(),
    )
}

fn proportion(successes: u64, customers: u64) -> Proportion {
    Proportion::new(successes, customers).unwrap()
}

#[test]
fn two_means_match_growthbook() {
    let (control, treatment) = growthbook();
    let comparison = compare_means(&control, &treatment, &ninety_five()).unwrap();
    let lift = comparison.lift.unwrap();
    close(lift.estimate, 0.70732, 5e-6);
    close(lift.low, -0.03526, 5e-6);
    close(lift.high, 1.44989, 5e-6);
    close(lift.p_value, 0.06191, 5e-6);
}

/// The same arms by scipy 1.17.
#[test]
fn two_means_match_scipy() {
    let (control, treatment) = growthbook();
    let comparison = compare_means(&control, &treatment, &ninety_five()).unwrap();
    close(comparison.degrees_of_freedom, 5841.742032093565, 1e-8);
    close(comparison.difference.estimate, 0.29, 1e-14);
    close(comparison.difference.statistic, 2.3240227609215203, 1e-12);
    close(comparison.difference.p_value, 0.020158402643586978, 1e-12);
    let lift = comparison.lift.unwrap();
    close(lift.standard_error, 0.3787943616681428, 1e-14);
    close(lift.low, -0.03526008906611777, 1e-12);
    close(lift.high, 1.449894235407581, 1e-12);
    close(lift.p_value, 0.0619118274561836, 1e-12);
    let posterior = posterior_lift(&control, &treatment, &ninety_five()).unwrap();
    close(posterior.mean, 0.7073170731707317, 1e-14);
    close(posterior.standard_deviation, 0.3787943616681428, 1e-14);
    close(posterior.low, -0.03510623324566775, 1e-12);
    close(posterior.high, 1.449740379587131, 1e-12);
    close(posterior.chance_to_beat_control, 0.9690691085323815, 1e-13);
}

/// GrowthBook's chance to beat control is that of the normal posterior of the lift under a flat prior.
#[test]
fn the_posterior_of_the_lift_matches_growthbook() {
    let (control, treatment) = (proportion(49, 100), proportion(51, 100));
    let posterior = posterior_lift(&control.arm(), &treatment.arm(), &ninety_five()).unwrap();
    close(posterior.chance_to_beat_control, 0.60918, 5e-6);
    close(posterior.mean, 2.0 / 49.0, 1e-15);
}

/// The sum of beta functions that the probability is where the shapes are whole, in 30-digit arithmetic (mpmath), and for
/// the first of them the integral.
#[test]
fn chances_to_beat_match_mpmath() {
    for ((successes, customers), (treated_successes, treated), expected, tolerance) in [
        ((49, 100), (51, 100), 0.610770522687839, 1e-13),
        ((1, 100), (5, 102), 0.937532490036389, 1e-13),
        ((122, 21306), (189, 21387), 0.999923849022795, 1e-10),
        ((2262, 21306), (2399, 21398), 0.975588447279676, 1e-10),
        (
            (5000, 1_000_000),
            (5150, 1_000_000),
            0.932230243294292,
            1e-9,
        ),
    ] {
        let (control, treatment) = (
            proportion(successes, customers),
            proportion(treated_successes, treated),
        );
        let chance = |a, b| {
            chance_to_beat(a, b, &BetaPrior::default())
                .unwrap()
                .chance_to_beat_control
        };
        close(chance(&control, &treatment), expected, tolerance);
        close(chance(&treatment, &control), 1.0 - expected, tolerance);
        close(chance(&control, &control), 0.5, tolerance);
    }
    let means = chance_to_beat(
        &proportion(49, 100),
        &proportion(51, 100),
        &BetaPrior::default(),
    );
    let means = means.unwrap();
    close(means.control_mean, 50.0 / 102.0, 1e-15);
    close(means.treatment_mean, 52.0 / 102.0, 1e-15);
}

/// For a hundred million and a billion customers Edgeworth's expansion on the scale of the logit, which has lost nothing
/// but 1e-12 by then (mpmath).
#[test]
fn chances_to_beat_match_edgeworth_where_arms_are_huge() {
    for (successes, treated, customers, expected, tolerance) in [
        (5_000_000, 5_003_000, 100_000_000, 0.834770608909201, 1e-7),
        (
            50_000_000,
            50_009_000,
            1_000_000_000,
            0.822085275109729,
            1e-6,
        ),
    ] {
        let (control, treatment) = (
            proportion(successes, customers),
            proportion(treated, customers),
        );
        let chance = chance_to_beat(&control, &treatment, &BetaPrior::default()).unwrap();
        close(chance.chance_to_beat_control, expected, tolerance);
    }
}

#[test]
fn a_proportion_matches_scipy() {
    let comparison = compare_proportions(
        &proportion(2262, 21306),
        &proportion(3894, 21307),
        &ninety_five(),
    )
    .unwrap();
    let Effect {
        estimate,
        standard_error,
        low,
        high,
        statistic,
        p_value,
    } = comparison.difference;
    close(estimate, 0.07658956365153125, 1e-15);
    close(standard_error, 0.0033858083545245127, 1e-15);
    close(low, 0.06995350121810838, 1e-14);
    close(high, 0.08322562608495411, 1e-14);
    close(statistic, 22.48604082719282, 1e-11);
    close(p_value, 5.685165482802317e-112, 1e-121);
    let lift = comparison.lift.unwrap();
    close(lift.estimate, 0.721404616781399, 1e-14);
    close(lift.standard_error, 0.042341792223710505, 1e-14);
    close(lift.low, 0.6384162289820483, 1e-13);
    close(lift.high, 0.8043930045807497, 1e-13);
    close(lift.statistic, 17.037649539488026, 1e-11);
}

#[test]
fn sample_ratio_tests_match_scipy() {
    for (customers, shares, chi_squared, p_value) in [
        (
            &[21307, 21387, 21306][..],
            &[1.0; 3][..],
            0.20253125,
            0.9036929575604196,
        ),
        (
            &[5200, 4800, 10_000],
            &[0.25, 0.25, 0.5],
            16.0,
            0.0003354626279025119,
        ),
        (
            &[5100, 4600],
            &[0.5, 0.5],
            25.77319587628866,
            3.8398424620604434e-7,
        ),
    ] {
        let test = sample_ratio_test(customers, shares).unwrap();
        close(test.chi_squared, chi_squared, 1e-12 * chi_squared);
        close(test.p_value, p_value, 1e-12 * p_value);
        assert_eq!(test.degrees_of_freedom, customers.len() as f64 - 1.0);
        // The unit of the shares does not matter.
        let other: Vec<f64> = shares.iter().map(|share| share * 1e300).collect();
        let test = sample_ratio_test(customers, &other).unwrap();
        close(test.p_value, p_value, 1e-12 * p_value);
    }
}

/// What the customers of an arm did.
#[derive(Default)]
struct Seen {
    visits: u64,
    conversions: u64,
    spend: Vec<f64>,
}

impl Seen {
    fn customers(&self) -> u64 {
        self.spend.len() as u64
    }
}

/// Hillstrom's arms, or `None` with one line where the data are not at hand.
fn hillstrom() -> Option<BTreeMap<String, Seen>> {
    let folder = std::env::var_os("CVM_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let file = folder.join("hillstrom/hillstrom.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return None;
    };
    let mut arms = BTreeMap::<String, Seen>::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [.., segment, visit, conversion, spend] = cells[..] else {
            panic!("four cells expected: {line}")
        };
        let arm = arms.entry(segment.to_owned()).or_default();
        arm.visits += visit.parse::<u64>().unwrap();
        arm.conversions += conversion.parse::<u64>().unwrap();
        arm.spend.push(spend.parse().unwrap());
    }
    Some(arms)
}

/// MineThatData's e-mail test: the figures that come with the data, and the spend's p and interval by scipy 1.17.
#[test]
fn hillstroms_experiment_gives_the_published_figures() {
    let Some(arms) = hillstrom() else { return };
    let level = ninety_five();
    let control = &arms["No E-Mail"];
    for (name, visit, conversion, spend) in [
        (
            "Mens E-Mail",
            [0.07659, 22.49],
            [0.006805, 7.385],
            [
                0.76983,
                5.300,
                1.163814968225482e-7,
                0.4851397325684076,
                1.0545145792206658,
            ],
        ),
        (
            "Womens E-Mail",
            [0.04523, 13.95],
            [0.003111, 3.780],
            [
                0.42441,
                3.256,
                0.0011293971023632495,
                0.1689567898837787,
                0.6798676419894147,
            ],
        ),
    ] {
        let arm = &arms[name];
        let shares = |count: fn(&Seen) -> u64| {
            let (a, b) = (
                proportion(count(control), control.customers()),
                proportion(count(arm), arm.customers()),
            );
            compare_proportions(&a, &b, &level).unwrap().difference
        };
        let visits = shares(|seen| seen.visits);
        close(visits.estimate, visit[0], 5e-6);
        close(visits.statistic, visit[1], 5e-3);
        let conversions = shares(|seen| seen.conversions);
        close(conversions.estimate, conversion[0], 5e-7);
        close(conversions.statistic, conversion[1], 5e-4);
        let (a, b) = (
            Arm::from_values(&control.spend).unwrap(),
            Arm::from_values(&arm.spend).unwrap(),
        );
        let difference = compare_means(&a, &b, &level).unwrap().difference;
        close(difference.estimate, spend[0], 5e-6);
        close(difference.statistic, spend[1], 5e-4);
        close(difference.p_value, spend[2], 1e-9 * spend[2]);
        close(difference.low, spend[3], 1e-10);
        close(difference.high, spend[4], 1e-10);
    }
    let customers: Vec<u64> = arms.values().map(Seen::customers).collect();
    let test = sample_ratio_test(&customers, &[1.0; 3]).unwrap();
    close(test.chi_squared, 0.2025, 5e-5);
    close(test.p_value, 0.904, 5e-4);
}

#[test]
fn what_cannot_be_told_is_refused() {
    use ExperimentError as Error;
    let level = ninety_five();
    assert_eq!(
        Arm::from_sums(1, 3.0, 9.0),
        Err(Error::TooFewCustomers { customers: 1 })
    );
    assert_eq!(
        Arm::from_sums(2, 4.0, 7.0),
        Err(Error::ImpossibleSquares {
            customers: 2,
            sum: 4.0,
            sum_of_squares: 7.0
        })
    );
    assert_eq!(
        Arm::from_values(&[1.0, f64::INFINITY]),
        Err(Error::NotFinite {
            name: "a value",
            value: f64::INFINITY
        })
    );
    assert_eq!(
        Proportion::new(3, 2),
        Err(Error::TooManySuccesses {
            successes: 3,
            customers: 2
        })
    );
    let (still, zero) = (
        Arm::from_values(&[2.0; 5]).unwrap(),
        Arm::from_values(&[0.0, 0.0, 0.0]).unwrap(),
    );
    let varied = Arm::from_values(&[1.0, 2.0, 4.0]).unwrap();
    assert_eq!(
        compare_means(&still, &zero, &level),
        Err(Error::NoVariation)
    );
    assert_eq!(compare_means(&zero, &varied, &level).unwrap().lift, None);
    assert_eq!(
        posterior_lift(&zero, &varied, &level),
        Err(Error::NoControl { mean: 0.0 })
    );
    let (none, all) = (proportion(0, 10), proportion(10, 10));
    assert_eq!(
        compare_proportions(&none, &none, &level),
        Err(Error::NoVariation)
    );
    assert_eq!(
        compare_proportions(&all, &all, &level),
        Err(Error::NoVariation)
    );
    let prior = BetaPrior {
        successes: 0.0,
        failures: 1.0,
    };
    assert_eq!(
        chance_to_beat(&none, &all, &prior),
        Err(Error::Prior {
            name: "successes",
            value: 0.0
        })
    );
    let (small, huge) = (proportion(1, 2), proportion(1, 10_000_000_001));
    assert_eq!(
        chance_to_beat(&small, &huge, &BetaPrior::default()),
        Err(Error::TooManyCustomers {
            customers: 10_000_000_001,
            most: 10_000_000_000
        })
    );
    assert_eq!(
        sample_ratio_test(&[1, 2], &[1.0]),
        Err(Error::Arms { arms: 2, shares: 1 })
    );
    assert_eq!(
        sample_ratio_test(&[1, 2], &[1.0, 0.0]),
        Err(Error::Share { arm: 1, share: 0.0 })
    );
    assert_eq!(
        sample_ratio_test(&[0, 0], &[1.0, 1.0]),
        Err(Error::NoCustomers)
    );
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1e3..1e6_f64, 2..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn effects_are_ordered_and_turn_round_with_the_arms(a in values(), b in values(), share in 0.01..0.999_f64) {
        let level = Level::new(share).unwrap();
        let (a, b) = (Arm::from_values(&a).unwrap(), Arm::from_values(&b).unwrap());
        let there = compare_means(&a, &b, &level).unwrap();
        let back = compare_means(&b, &a, &level).unwrap();
        for effect in [Some(there.difference), there.lift].into_iter().flatten() {
            prop_assert!(effect.low <= effect.estimate && effect.estimate <= effect.high);
            prop_assert!((0.0..=1.0).contains(&effect.p_value));
            // The interval and the test agree.
            let outside = effect.low > 0.0 || effect.high < 0.0;
            prop_assert!(outside == (effect.p_value < 1.0 - share) || (effect.p_value - 1.0 + share).abs() < 1e-9);
        }
        prop_assert_eq!(there.difference.p_value, back.difference.p_value);
        prop_assert_eq!(there.difference.estimate, -back.difference.estimate);
        prop_assert_eq!(there.degrees_of_freedom, back.degrees_of_freedom);
    }

    #[test]
    fn an_arm_depends_on_its_values_alone(values in values()) {
        let backwards: Vec<f64> = values.iter().rev().copied().collect();
        let arm = Arm::from_values(&values).unwrap();
        prop_assert_eq!(arm, Arm::from_values(&backwards).unwrap());
        let squares = values.iter().map(|v| v * v).sum();
        let summed = Arm::from_sums(values.len() as u64, values.iter().sum(), squares).unwrap();
        prop_assert!((summed.mean() - arm.mean()).abs() <= 1e-9 * squares.sqrt());
        prop_assert!((summed.variance() - arm.variance()).abs() <= 1e-12 * squares);
    }

    #[test]
    fn chances_are_complements(
        a in 0..=300_u64, n in 300..100_000_u64, b in 0..=30_u64, m in 30..1000_u64,
        successes in 0.1..20.0_f64, failures in 0.1..20.0_f64,
    ) {
        let (control, treatment) = (proportion(a, n), proportion(b, m));
        let prior = BetaPrior { successes, failures };
        let there = chance_to_beat(&control, &treatment, &prior).unwrap().chance_to_beat_control;
        let back = chance_to_beat(&treatment, &control, &prior).unwrap().chance_to_beat_control;
        prop_assert!((0.0..=1.0).contains(&there) && (0.0..=1.0).contains(&back));
        prop_assert!((there + back - 1.0).abs() < 1e-10, "{there} {back}");
    }
}

/// `fisher_exact` and `proportions_ztest` of scipy 1.17.1 and statsmodels 0.15.0.
#[test]
fn differences_of_groups_match_scipy_and_statsmodels() {
    use DifferenceTest::{ChiSquared, FisherExact};
    let cases = [
        (30, 100, 50, 400, ChiSquared, 1.958564827400695e-05),
        (250, 1000, 200, 1000, ChiSquared, 0.007419649261025687),
        (3, 20, 1, 300, FisherExact, 0.0008089461946118673),
        (0, 10, 5, 1000, FisherExact, 1.0),
        (8, 10, 1, 15, FisherExact, 0.00033529534135268423),
        (5, 5000, 12, 9_000_000, FisherExact, 3.2411862875470634e-13),
        (2, 2000, 40, 10_000_000, FisherExact, 3.4226257955695176e-05),
        (1, 3, 2, 3, FisherExact, 1.0),
        (0, 5, 0, 7, FisherExact, 1.0),
        (5, 5, 7, 7, FisherExact, 1.0),
        (1, 10, 299, 300, FisherExact, 1.5385401940064158e-15),
    ];
    for (a, n, b, m, test, p_value) in cases {
        let (a, b) = (proportion(a, n), proportion(b, m));
        for difference in [difference_test(&a, &b), difference_test(&b, &a)] {
            assert_eq!(difference.test, test, "{a:?} {b:?}");
            // scipy takes logarithms of factorials, and with ten million loses digits.
            close(difference.p_value, p_value, 1e-8 * p_value);
        }
    }
}

/// `relative_risk(…).confidence_interval(0.95)` of scipy 1.17.1.
#[test]
fn risk_ratios_match_scipy() {
    let cases = [
        (30, 100, 50, 400, 2.4, 1.615127224621396, 3.5662825269694833),
        (3, 20, 1, 300, 45.0, 4.899907712770932, 413.2730897608779),
        (8, 10, 1, 15, 12.0, 1.7615774510060307, 81.74491556857865),
        (
            5,
            5000,
            12,
            9_000_000,
            750.0,
            264.32282842316204,
            2128.0795281876963,
        ),
        (5, 5, 7, 7, 1.0, 1.0, 1.0),
        (1, 3, 2, 3, 0.5, 0.08354738489782344, 2.992313886374114),
    ];
    for (a, n, b, m, ratio, low, high) in cases {
        let found = risk_ratio(&proportion(a, n), &proportion(b, m), &ninety_five()).unwrap();
        close(found.ratio, ratio, 1e-13 * ratio);
        close(found.low, low, 1e-12 * low);
        close(found.high, high, 1e-12 * high);
    }
    assert_eq!(
        risk_ratio(&proportion(0, 5), &proportion(1, 7), &ninety_five()),
        None
    );
    assert_eq!(
        risk_ratio(&proportion(1, 5), &proportion(0, 7), &ninety_five()),
        None
    );
}

/// `multipletests(method='fdr_bh')` of statsmodels 0.15.0; what was not tested does not count.
#[test]
fn adjusted_p_values_match_statsmodels() {
    let found = false_discovery_adjusted(&[0.01, 0.04, f64::NAN, 0.03, 0.005, 0.5, 0.04, 0.9]);
    let expected = [
        0.035,
        0.056,
        f64::NAN,
        0.056,
        0.035,
        0.5833333333333334,
        0.056,
        0.9,
    ];
    assert!(found[2].is_nan());
    for (found, expected) in found
        .iter()
        .zip(expected)
        .filter(|(found, _)| !found.is_nan())
    {
        close(*found, expected, 1e-15);
    }
}
