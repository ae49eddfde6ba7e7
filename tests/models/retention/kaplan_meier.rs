//! Kaplan–Meier against published tables, lifelines, and itself.

use cvm_models::retention::kaplan_meier::{Durations, DurationsError, KaplanMeier, Step};
use cvm_models::uncertainty::Level;
use proptest::prelude::*;

use crate::close;

/// Weeks in remission under 6-mercaptopurine, relapses and those still in remission (Freireich et al. 1963).
const WEEKS: [f64; 16] = [
    6.0, 7.0, 9.0, 10.0, 11.0, 13.0, 16.0, 17.0, 19.0, 20.0, 22.0, 23.0, 25.0, 32.0, 34.0, 35.0,
];
const RELAPSES: [u64; 16] = [3, 1, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0];
const IN_REMISSION: [u64; 16] = [1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 2, 1, 1];

fn remissions() -> KaplanMeier {
    KaplanMeier::new(&Durations::counted(&WEEKS, &RELAPSES, &IN_REMISSION).unwrap())
}

fn level() -> Level {
    Level::new(0.95).unwrap()
}

#[test]
fn survival_matches_kleinbaum_klein_and_its_errors_klein_moeschberger() {
    for (week, at_risk, survival, error) in [
        (6.0, 21, 0.8571, 0.0764),
        (7.0, 17, 0.8067, 0.0869),
        (10.0, 15, 0.7529, 0.0963),
        (13.0, 12, 0.6902, 0.1068),
        (16.0, 11, 0.6275, 0.1141),
        (22.0, 7, 0.5378, 0.1282),
        (23.0, 6, 0.4482, 0.1346),
    ] {
        let estimate = remissions();
        let step = estimate.at(week).unwrap();
        assert_eq!(step.at_risk, at_risk);
        close(step.survival, survival, 5e-5);
        close(step.standard_error().unwrap(), error, 5e-5);
    }
}

/// lifelines 0.30.3, `KaplanMeierFitter`.
#[test]
fn limits_match_lifelines() {
    for (week, survival, low, high) in [
        (
            6.0,
            0.857142857142857,
            0.6197179552659838,
            0.9515517476469969,
        ),
        (
            7.0,
            0.8067226890756299,
            0.5631465646222333,
            0.9228090192028802,
        ),
        (
            10.0,
            0.7529411764705878,
            0.5031995107999564,
            0.8893618351692651,
        ),
        (
            13.0,
            0.6901960784313722,
            0.4316102224861839,
            0.8490659633494505,
        ),
        (
            16.0,
            0.6274509803921566,
            0.36751085598750194,
            0.8049121894718411,
        ),
        (
            22.0,
            0.5378151260504199,
            0.26777893676713493,
            0.7467907176353943,
        ),
        (
            35.0,
            0.44817927170868327,
            0.18805200595923233,
            0.6801426284952412,
        ),
    ] {
        let estimate = remissions();
        let step = estimate.at(week).unwrap();
        let limits = step.confidence(&level()).unwrap();
        close(step.survival, survival, 1e-14);
        close(limits.low, low, 1e-14);
        close(limits.high, high, 1e-14);
    }
}

/// The median and its limits are lifelines'; the mean is that of Klein & Moeschberger 2003, section 4.5, and lifelines.
#[test]
fn median_and_restricted_mean_match_lifelines() {
    let estimate = remissions();
    assert_eq!(estimate.quantile(0.5), Some(23.0));
    assert_eq!(estimate.quantile_limits(0.5, &level()), [Some(13.0), None]);
    assert_eq!(estimate.quantile(0.4), None);
    let mean = estimate.restricted_mean(35.0).unwrap();
    close(mean.value, 23.287394957983185, 1e-13);
    close(mean.standard_error, 2.827, 5e-4);
    let mean = estimate.restricted_mean(20.0).unwrap();
    close(mean.value, 16.116526610644254, 1e-13);
}

#[test]
fn the_first_event_begins_the_curve_and_the_last_duration_ends_it() {
    let estimate = remissions();
    assert_eq!(estimate.at(5.9), None);
    assert_eq!(estimate.at(1e9).unwrap().time, 35.0);
    assert_eq!(estimate.restricted_mean(35.1), None);
    assert_eq!(estimate.restricted_mean(-1.0), None);
    assert_eq!(estimate.restricted_mean(f64::NAN), None);
    let early = estimate.restricted_mean(4.0).unwrap();
    assert_eq!((early.value, early.standard_error), (4.0, 0.0));
}

#[test]
fn nobody_and_one_customer_are_served() {
    let nobody = KaplanMeier::new(&Durations::default());
    assert_eq!(nobody.steps(), &[]);
    assert_eq!(nobody.quantile(0.5), None);
    assert_eq!(nobody.restricted_mean(1.0), None);

    let lost = KaplanMeier::new(&Durations::counted(&[3.0], &[1], &[0]).unwrap());
    let step = Step {
        time: 3.0,
        at_risk: 1,
        events: 1,
        censored: 0,
        survival: 0.0,
        log_variance: None,
    };
    assert_eq!(lost.steps(), &[step]);
    assert_eq!(step.confidence(&level()), None);
    assert_eq!(lost.quantile(0.5), Some(3.0));
    assert_eq!(lost.quantile_limits(0.5, &level()), [Some(3.0), Some(3.0)]);
    assert_eq!(lost.restricted_mean(1e9).unwrap().value, 3.0);

    let seen = KaplanMeier::new(&Durations::counted(&[0.0], &[0], &[1]).unwrap());
    let step = seen.at(0.0).unwrap();
    assert_eq!((step.survival, step.standard_error()), (1.0, Some(0.0)));
    let limits = step.confidence(&level()).unwrap();
    assert_eq!((limits.low, limits.high), (1.0, 1.0));
}

#[test]
fn impossible_rows_are_named() {
    let refused = |durations: &[f64], events: &[u64], censored: &[u64]| {
        Durations::counted(durations, events, censored)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(&[1.0, -1.0], &[1, 1], &[0, 0]),
        "row 1: a duration must be finite and at least 0, not -1"
    );
    assert_eq!(
        refused(&[1.0], &[1], &[]),
        "column censored has 0 rows, but durations has 1"
    );
    assert_eq!(
        Durations::counted(&[1.0], &[u64::MAX], &[1]),
        Err(DurationsError::TooMany)
    );
}

fn rows() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    prop::collection::vec((0_u8..20, 0_u64..5, 0_u64..5), 0..40)
}

fn estimate(rows: &[(u8, u64, u64)]) -> KaplanMeier {
    let times: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
    let events: Vec<u64> = rows.iter().map(|row| row.1).collect();
    let censored: Vec<u64> = rows.iter().map(|row| row.2).collect();
    KaplanMeier::new(&Durations::counted(&times, &events, &censored).unwrap())
}

proptest! {
    #[test]
    fn rows_may_come_in_any_order_and_in_parts(rows in rows()) {
        let mut parts: Vec<_> = rows
            .iter()
            .flat_map(|(time, events, censored)| [(*time, *events, 0), (*time, 0, *censored)])
            .collect();
        parts.reverse();
        prop_assert_eq!(estimate(&rows), estimate(&parts));
    }

    #[test]
    fn survival_falls_within_its_limits(rows in rows()) {
        let mut before = 1.0;
        for step in estimate(&rows).steps() {
            prop_assert!(step.survival <= before && step.survival >= 0.0);
            before = step.survival;
            if let Some(limits) = step.confidence(&level()) {
                prop_assert!(0.0 <= limits.low && limits.low <= step.survival);
                prop_assert!(step.survival <= limits.high && limits.high <= 1.0);
            }
        }
    }

    /// Without anyone censored the estimate is the share of those whose event comes later.
    #[test]
    fn without_censoring_it_is_the_share_that_is_left(rows in rows()) {
        let rows: Vec<_> = rows.into_iter().map(|(time, events, _)| (time, events, 0)).collect();
        let everyone: u64 = rows.iter().map(|row| row.1).sum();
        for step in estimate(&rows).steps() {
            let later: u64 = rows
                .iter()
                .filter(|row| f64::from(row.0) > step.time)
                .map(|row| row.1)
                .sum();
            let share = later as f64 / everyone as f64;
            prop_assert!((step.survival - share).abs() < 1e-13);
        }
    }
}
