//! Measures of predictions against figures of scikit-learn 1.9 and numpy, and against themselves.

use std::num::NonZeroU16;

use cvm_models::validation::{
    DECILES, Decile, Group, Outcomes, Reliability, ReliabilityBin, ValidationError, by_group,
};
use proptest::prelude::*;

use crate::close;
use crate::threads::{bits, in_pool};

/// 200 customers with ties among predictions (some 101 distinct ones) and many actuals of 0.
fn customers() -> (Vec<f64>, Vec<f64>) {
    (0..200_u32)
        .map(|i| {
            let predicted = f64::from(i * 37 % 101) / 10.0;
            let actual = f64::from((i * 53 + 7) % 29) * f64::from(u8::from(i % 3 > 0));
            (predicted, actual)
        })
        .unzip()
}

/// `mean_absolute_error`, `root_mean_squared_error` and `roc_auc_score` of scikit-learn; Gini by numpy's cumulative sums,
/// each tie replaced by its mean.
#[test]
fn measures_match_scikit_learn_and_numpy() {
    let (predicted, actual) = customers();
    let outcomes = Outcomes::new(&predicted, &actual).unwrap();
    close(outcomes.mean_absolute_error(), 8.5685, 1e-13);
    close(outcomes.root_mean_squared_error(), 10.89939218488811, 1e-13);
    close(outcomes.bias().unwrap(), -0.46647121535181235, 1e-14);
    close(outcomes.gini().unwrap(), 0.016466105850843227, 1e-13);
    let often: Vec<f64> = actual
        .iter()
        .map(|a| f64::from(u8::from(*a > 10.0)))
        .collect();
    let ranking = Outcomes::new(&predicted, &often).unwrap();
    // 2 AUC − 1.
    close(ranking.gini().unwrap(), 0.02883328184532985, 1e-13);
    assert_eq!(outcomes.customers(), 200);
}

/// `brier_score_loss` of scikit-learn; bins by numpy.
#[test]
fn reliability_matches_scikit_learn_and_numpy() {
    let (predicted, actual) = customers();
    let probability: Vec<f64> = predicted.iter().map(|p| p / 10.0).collect();
    let happened: Vec<bool> = actual.iter().map(|a| *a > 10.0).collect();
    let bins = NonZeroU16::new(4).unwrap();
    let reliability = Reliability::new(&probability, &happened, None, bins).unwrap();
    close(reliability.brier_score, 0.32853750000000004, 1e-13);
    assert_eq!(reliability.bins.len(), 4);
    for (bin, (customers, mean, share)) in reliability.bins.iter().zip([
        (50, 0.12, 0.42),
        (49, 0.37204081632653063, 0.3877551020408163),
        (49, 0.6195918367346939, 0.42857142857142855),
        (52, 0.875, 0.4230769230769231),
    ]) {
        assert_eq!(bin.customers, customers);
        close(bin.mean_probability.unwrap(), mean, 1e-13);
        close(bin.share_happened.unwrap(), share, 1e-13);
    }
    assert_eq!(
        (reliability.bins[1].lower, reliability.bins[1].upper),
        (0.25, 0.5)
    );
}

/// Whole numbers, sorted and added by numpy.
#[test]
fn deciles_match_numpy() {
    let predicted: Vec<f64> = (0..200_u32).map(|i| f64::from(i * 83 % 200)).collect();
    let (_, actual) = customers();
    let expected = [
        (3790.0, 203.0),
        (3390.0, 308.0),
        (2990.0, 190.0),
        (2590.0, 112.0),
        (2190.0, 152.0),
        (1790.0, 194.0),
        (1390.0, 274.0),
        (990.0, 180.0),
        (590.0, 99.0),
        (190.0, 164.0),
    ]
    .map(|(expected, actual)| Decile {
        customers: 20,
        expected,
        actual,
    });
    let deciles = Outcomes::new(&predicted, &actual).unwrap().deciles();
    assert_eq!(deciles, expected);
}

/// Half of the customers are predicted alike: they go together to the decile of their middle.
#[test]
fn ties_share_a_decile() {
    let predicted = [9.0, 8.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let actual = [1.0; 10];
    let deciles = Outcomes::new(&predicted, &actual).unwrap().deciles();
    let sizes: Vec<u64> = deciles.iter().map(|decile| decile.customers).collect();
    assert_eq!(sizes, [1, 1, 1, 0, 0, 0, 7, 0, 0, 0]);
}

#[test]
fn groups_are_sums_by_key() {
    let groups = by_group(
        &[7_i64, -1, 7, -1],
        &[1.0, 2.0, 4.0, 8.0],
        &[0.0, 1.0, 3.0, 5.0],
        Some(&[1, 1, 10, 2]),
    );
    let group = |key, customers, expected, actual| Group {
        key,
        customers,
        expected,
        actual,
    };
    assert_eq!(
        groups.unwrap(),
        [group(-1, 3, 18.0, 11.0), group(7, 11, 41.0, 30.0)]
    );
    let weeks = by_group(&[3_u32], &[1.5], &[2.0], None).unwrap();
    assert_eq!(weeks[0].key, 3);
}

#[test]
fn what_no_ranking_can_tell_is_none() {
    let gini = |predicted: &[f64], actual: &[f64]| Outcomes::new(predicted, actual).unwrap().gini();
    assert_eq!(gini(&[1.0, 2.0], &[3.0, 3.0]), None);
    assert_eq!(gini(&[0.1, 0.2, 0.3], &[0.1, 0.1, 0.1]), None);
    assert_eq!(gini(&[1.0, 2.0], &[0.0, 0.0]), None);
    assert_eq!(gini(&[5.0], &[3.0]), None);
    assert_eq!(gini(&[1.0, 1.0], &[0.0, 3.0]), Some(0.0));
    assert_eq!(gini(&[1.0, 2.0], &[3.0, 0.0]), Some(-1.0));
    let bias = |actual| Outcomes::new(&[1.0], &[actual]).unwrap().bias();
    assert_eq!((bias(0.0), bias(-1.0), bias(0.5)), (None, None, Some(1.0)));
}

#[test]
fn certainties_are_binned_at_the_ends() {
    let bins = NonZeroU16::new(2).unwrap();
    let reliability = Reliability::new(&[0.0, 1.0, 1.0], &[false, true, false], None, bins);
    let bin = |lower, customers, mean, share| ReliabilityBin {
        lower,
        upper: lower + 0.5,
        customers,
        mean_probability: Some(mean),
        share_happened: Some(share),
    };
    assert_eq!(
        reliability.unwrap(),
        Reliability {
            brier_score: 1.0 / 3.0,
            bins: vec![bin(0.0, 1, 0.0, 0.0), bin(0.5, 2, 1.0, 0.5)],
        }
    );
}

#[test]
fn bad_rows_are_named() {
    use ValidationError as Error;
    assert_eq!(Outcomes::new(&[], &[]), Err(Error::NoCustomers));
    assert_eq!(
        Outcomes::new(&[1.0, 2.0], &[1.0]),
        Err(Error::Lengths {
            column: "actual",
            rows: 1,
            expected: 2
        })
    );
    assert_eq!(
        Outcomes::new(&[1.0, 2.0], &[1.0, 1e100]),
        Err(Error::NotFinite {
            row: 1,
            column: "actual",
            value: 1e100
        })
    );
    assert_eq!(
        Outcomes::weighted(&[1.0], &[1.0], &[0]),
        Err(Error::NoCustomersInRow { row: 0 })
    );
    assert_eq!(
        Outcomes::weighted(&[1.0; 2], &[1.0; 2], &[1 << 53, 1]),
        Err(Error::TooMany)
    );
    let bins = NonZeroU16::MIN;
    assert_eq!(
        Reliability::new(&[0.5, 1.5], &[true, true], None, bins),
        Err(Error::Probability { row: 1, value: 1.5 })
    );
    assert_eq!(
        by_group(&[1_i64], &[], &[], None),
        Err(Error::Lengths {
            column: "predicted",
            rows: 0,
            expected: 1
        })
    );
}

/// Predictions with ties, actuals with many of 0, and numbers of customers.
fn rows() -> impl Strategy<Value = Vec<(f64, f64, u64)>> {
    let predicted = (0..40_u32).prop_map(|p| f64::from(p) / 7.0);
    let actual = prop_oneof![Just(0.0), 0.0..30.0_f64];
    prop::collection::vec((predicted, actual, 1..5_u64), 1..80)
}

fn weighted(rows: &[(f64, f64, u64)]) -> Outcomes {
    let predicted: Vec<f64> = rows.iter().map(|row| row.0).collect();
    let actual: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let customers: Vec<u64> = rows.iter().map(|row| row.2).collect();
    Outcomes::weighted(&predicted, &actual, &customers).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_perfect_prediction_has_no_fault(rows in rows()) {
        let perfect: Vec<(f64, f64, u64)> = rows.iter().map(|&(_, actual, n)| (actual, actual, n)).collect();
        let outcomes = weighted(&perfect);
        prop_assert_eq!(outcomes.mean_absolute_error(), 0.0);
        prop_assert_eq!(outcomes.root_mean_squared_error(), 0.0);
        prop_assert!(outcomes.gini().is_none_or(|gini| gini == 1.0));
        prop_assert!(outcomes.bias().is_none_or(|bias| bias == 0.0));
    }

    #[test]
    fn scaling_both_does_not_change_gini(rows in rows(), factor in 0.001..1000.0_f64) {
        let scaled: Vec<(f64, f64, u64)> = rows.iter().map(|&(p, a, n)| (p * factor, a * factor, n)).collect();
        match (weighted(&rows).gini(), weighted(&scaled).gini()) {
            (Some(one), Some(other)) => {
                prop_assert!((-1.0..=1.0).contains(&one));
                prop_assert!((one - other).abs() < 1e-11, "{one} {other}");
            }
            (one, other) => prop_assert_eq!(one, other),
        }
    }

    #[test]
    fn deciles_partition_the_customers(rows in rows()) {
        let outcomes = weighted(&rows);
        let deciles = outcomes.deciles();
        prop_assert_eq!(deciles.len(), DECILES);
        prop_assert_eq!(deciles.iter().map(|d| d.customers).sum::<u64>(), outcomes.customers());
        let sum = |value: fn(&Decile) -> f64| deciles.iter().map(value).sum::<f64>();
        prop_assert!((sum(|d| d.expected) - outcomes.expected()).abs() < 1e-10);
        prop_assert!((sum(|d| d.actual) - outcomes.actual()).abs() < 1e-10);
        // No decile has a lower mean prediction than the next.
        let means: Vec<f64> = deciles.iter().filter(|d| d.customers > 0)
            .map(|d| d.expected / d.customers as f64).collect();
        prop_assert!(means.windows(2).all(|pair| pair[0] >= pair[1] - 1e-12));
    }

    #[test]
    fn weighted_is_repeated_in_any_order(rows in rows()) {
        let (predicted, actual): (Vec<f64>, Vec<f64>) = rows.iter().rev()
            .flat_map(|&(predicted, actual, n)| (0..n).map(move |_| (predicted, actual)))
            .unzip();
        prop_assert_eq!(weighted(&rows), Outcomes::new(&predicted, &actual).unwrap());
    }
}

#[test]
fn measures_are_bit_identical_on_one_two_and_five_threads() {
    let predicted: Vec<f64> = (0..50_000_u32)
        .map(|i| f64::from(i * 37 % 40_009).sqrt())
        .collect();
    let actual: Vec<f64> = (0..50_000_u32)
        .map(|i| f64::from(i * 53 % 7919).ln_1p())
        .collect();
    let everything = || {
        let outcomes = Outcomes::new(&predicted, &actual).unwrap();
        let deciles = outcomes.deciles();
        let numbers = [
            outcomes.mean_absolute_error(),
            outcomes.root_mean_squared_error(),
            outcomes.bias().unwrap(),
            outcomes.gini().unwrap(),
        ];
        let sums = deciles.iter().flat_map(|d| [d.expected, d.actual]);
        bits(numbers.into_iter().chain(sums))
    };
    let one = in_pool(1, everything);
    assert_eq!(one.len(), 4 + 20);
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}
