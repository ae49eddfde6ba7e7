//! Stated answers where there is little to answer from, or nothing.

use cvm_models::fit::{FitError, FitParams, Model, ParameterError};
use cvm_models::optimise::StopReason;
use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::retention::{RetentionModel, Tenures, TenuresError};

use super::HIGH_END;

fn try_fit<M: Model<Data = Tenures>>(tenures: &Tenures) -> Result<StopReason, FitError> {
    let fit = FitParams::<M>::default().check()?.fit(tenures)?;
    assert!(fit.log_likelihood.is_finite() && fit.theta().iter().all(|p| p.is_finite()));
    Ok(fit.convergence.reason)
}

/// What the two models say.
type Answers = (Result<StopReason, FitError>, Result<StopReason, FitError>);

fn both(tenures: &Tenures) -> Answers {
    (
        try_fit::<ShiftedBetaGeometric>(tenures),
        try_fit::<BetaDiscreteWeibull>(tenures),
    )
}

/// Refused by both models, for the same reason.
fn refused(lack: &str) -> Answers {
    let refusal = |model| {
        Err(FitError::Unidentified {
            model,
            lack: lack.to_owned(),
        })
    };
    (
        refusal("shifted beta-geometric"),
        refusal("beta-discrete-Weibull"),
    )
}

#[test]
fn no_customers_are_refused() {
    let nobody = Tenures::new(&[], &[]).unwrap();
    assert_eq!(nobody, Tenures::from_survivors(&[[0, 0]]).unwrap());
    let refusal = |model| Err(FitError::NoCustomers { model });
    assert_eq!(
        both(&nobody),
        (
            refusal("shifted beta-geometric"),
            refusal("beta-discrete-Weibull")
        )
    );
}

#[test]
fn nobody_who_left_is_refused() {
    let all_there = Tenures::from_survivors(&[[1000, 1000, 1000]]).unwrap();
    assert_eq!(both(&all_there), refused("nobody has left"));
    let one = Tenures::new(&[5], &[false]).unwrap();
    assert_eq!(both(&one), refused("nobody has left"));
    let new = Tenures::new(&[0], &[false]).unwrap();
    assert_eq!(both(&new), refused("nobody has left"));
}

#[test]
fn nobody_who_renewed_is_refused() {
    let all_gone = Tenures::weighted(&[0, 0], &[true, false], &[1000, 3]).unwrap();
    assert_eq!(both(&all_gone), refused("nobody has made a renewal"));
}

/// The two end where customers are all alike, or where there are only such as never leave and such as leave at once.
#[test]
fn too_little_does_not_converge() {
    use StopReason::{AtBound, Stalled};
    let one = Tenures::new(&[3], &[true]).unwrap();
    assert_eq!(both(&one), (Ok(AtBound), Ok(AtBound)));
    let at_once = Tenures::weighted(&[4], &[true], &[1_000_000]).unwrap();
    assert_eq!(both(&at_once), (Ok(AtBound), Ok(AtBound)));
    let one_renewal = Tenures::from_survivors(&[[1000, 800]]).unwrap();
    assert_eq!(both(&one_renewal), (Ok(Stalled), Ok(Stalled)));
    let two_renewals = Tenures::from_survivors(&[[1000, 800, 700]]).unwrap();
    assert_eq!(
        both(&two_renewals),
        (Ok(StopReason::Converged), Ok(Stalled))
    );
    let alike = Tenures::from_survivors(&[[1_000_000, 500_000, 250_000, 125_000]]).unwrap();
    assert_eq!(both(&alike), (Ok(AtBound), Ok(AtBound)));
}

#[test]
fn a_million_cohorts_of_the_same_course_give_what_one_gives() {
    let many: Vec<u64> = HIGH_END.iter().map(|n| n * 1_000_000).collect();
    let (one, all) = (
        super::fit_cohort::<BetaDiscreteWeibull>(&HIGH_END),
        super::fit_cohort::<BetaDiscreteWeibull>(&many),
    );
    for (one, all) in one.estimates.iter().zip(&all.estimates) {
        crate::close(all.value, one.value, 1e-6 * one.value);
    }
    assert_eq!(all.customers, 1_000_000_000);
}

#[test]
fn survivors_are_the_rows_that_they_stand_for() {
    let cohorts: [&[u64]; 3] = [&[10, 7, 7, 4], &[5, 5], &[3]];
    let rows = Tenures::weighted(
        &[0, 2, 3, 1, 0],
        &[true, true, false, false, false],
        &[3, 3, 4, 5, 3],
    );
    let tenures = Tenures::from_survivors(&cohorts).unwrap();
    assert_eq!(tenures, rows.unwrap());
    assert_eq!(tenures.customers(), 18);
    assert_eq!((tenures.renewals(), tenures.left()), (23.0, 6.0));
    assert_eq!(tenures.active(), [3.0, 5.0, 0.0, 4.0]);
}

#[test]
fn impossible_rows_are_named() {
    assert_eq!(
        Tenures::from_survivors(&[vec![5, 4], vec![5, 4, 6]]),
        Err(TenuresError::SurvivorsIncrease {
            cohort: 1,
            renewal: 2,
            survivors: 6,
            before: 4
        })
    );
    assert_eq!(
        Tenures::new(&[1, 100_001], &[true, true]),
        Err(TenuresError::TooManyRenewals {
            row: 1,
            renewals: 100_001
        })
    );
    assert_eq!(
        Tenures::new(&[1, 2], &[true]),
        Err(TenuresError::Lengths {
            column: "has_left",
            rows: 1,
            expected: 2
        })
    );
    assert_eq!(
        Tenures::weighted(&[1, 2], &[true, true], &[1]),
        Err(TenuresError::Lengths {
            column: "customers",
            rows: 1,
            expected: 2
        })
    );
    assert_eq!(
        Tenures::weighted(&[1, 2], &[true, true], &[1, 0]),
        Err(TenuresError::NoCustomersInRow { row: 1 })
    );
    assert_eq!(
        Tenures::weighted(&[1, 2], &[true, true], &[1 << 53, 1]),
        Err(TenuresError::TooMany)
    );
}

#[test]
fn parameters_outside_their_domain_are_refused() {
    let refusal = |model, name: &str, value| ParameterError {
        model,
        name: name.to_owned(),
        value,
    };
    assert_eq!(
        ShiftedBetaGeometric::new(1.0, 0.0),
        Err(refusal("shifted beta-geometric", "beta", 0.0))
    );
    assert_eq!(
        BetaDiscreteWeibull::new(1.0, 1.0, f64::INFINITY),
        Err(refusal("beta-discrete-Weibull", "c", f64::INFINITY))
    );
}

#[test]
fn rates_that_do_not_discount_give_nan() {
    let model = ShiftedBetaGeometric::new(0.7, 3.8).unwrap();
    for rate in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(model.discounted_expected_renewals(0, 5, rate).is_nan());
        assert!(
            model
                .discounted_expected_residual_lifetime(0, rate)
                .is_nan()
        );
        assert!(model.discounted_expected_lifetime(rate).is_nan());
    }
    assert!(model.discounted_expected_lifetime(0.0).is_nan());
}

/// The longest horizons, the lowest rates and the widest parameters give finite figures at once.
#[test]
fn extremes_stay_finite() {
    for gamma in [1e-6, 1.0, 1e6] {
        for delta in [1e-6, 1.0, 1e6] {
            for c in [1e-6, 1.0, 30.0, 1e6] {
                let model = BetaDiscreteWeibull::new(gamma, delta, c).unwrap();
                for renewals in [0, 1, 100_000] {
                    let rate = model.retention_rate(renewals);
                    assert!((0.0..=1.0).contains(&rate), "{rate}");
                    let within = model.expected_renewals(renewals, 1 << 53);
                    assert!((0.0..=9.1e15).contains(&within), "{within}");
                    let ever = model.discounted_expected_residual_lifetime(renewals, 1e-9);
                    assert!((0.0..=1.01e9).contains(&ever), "{ever}");
                    let ever = model.discounted_expected_residual_lifetime(renewals, 1e9);
                    assert!((0.0..=1.0 + 2e-9).contains(&ever), "{ever}");
                }
            }
        }
    }
}
