//! What BG/BB refuses, what too little data gives, and extremes that stay finite.

use cvm_models::btyd::bg_bb::{
    BgBbParams, DiscreteSummaries, DiscreteSummariesError, DiscreteSummary, DiscreteSummaryDefect,
};
use cvm_models::fit::FitError;
use cvm_models::optimise::StopReason;

use super::{DONATIONS, Histories, history, model};

fn try_fit(summaries: &DiscreteSummaries) -> Result<(bool, StopReason), FitError> {
    let fit = BgBbParams::default().check()?.fit(summaries)?;
    assert!(fit.log_likelihood.is_finite() && fit.theta().iter().all(|p| p.is_finite()));
    Ok((fit.convergence.converged, fit.convergence.reason))
}

#[test]
fn too_little_to_answer_from_is_told() {
    let model = "BG/BB";
    let nobody = DiscreteSummaries::new(&[], &[], &[]).unwrap();
    assert_eq!(try_fit(&nobody), Err(FitError::NoCustomers { model }));
    let once = DiscreteSummaries::new(&[0, 0, 0], &[0; 3], &[0, 3, 7]).unwrap();
    assert_eq!(
        try_fit(&once),
        Err(FitError::NoRepeatPurchase {
            model,
            customers: 3
        })
    );
    let one = DiscreteSummaries::new(&[1], &[1], &[3]).unwrap();
    assert_eq!(try_fit(&one), Ok((false, StopReason::AtBound)));
    let alike = DiscreteSummaries::weighted(&[3], &[10], &[20], &[1_000_000]).unwrap();
    assert_eq!(try_fit(&alike), Ok((false, StopReason::AtBound)));
    let always = DiscreteSummaries::weighted(&[6], &[6], &[6], &[1000]).unwrap();
    assert_eq!(try_fit(&always), Ok((false, StopReason::AtBound)));
    let thousands = DiscreteSummaries::new(&[400, 0, 7], &[3000, 0, 7], &[4000, 3, 5000]).unwrap();
    assert!(try_fit(&thousands).is_ok());
}

#[test]
fn impossible_histories_are_refused_with_their_row() {
    let second = |x: u64, recency_age: u64, opportunities: u64| match DiscreteSummaries::new(
        &[0, x, x],
        &[0, recency_age, recency_age],
        &[1, opportunities, opportunities],
    ) {
        Err(DiscreteSummariesError::Row { row: 1, defect }) => defect,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        second(1, 3, 2),
        DiscreteSummaryDefect::RecencyAfterOpportunities {
            recency_age: 3,
            opportunities: 2
        }
    );
    assert_eq!(
        second(0, 3, 4),
        DiscreteSummaryDefect::RecencyWithoutRepeat { recency_age: 3 }
    );
    assert_eq!(
        second(4, 3, 4),
        DiscreteSummaryDefect::FrequencyAboveRecency {
            frequency: 4,
            recency_age: 3
        }
    );
    assert_eq!(
        second(1, 0, 4),
        DiscreteSummaryDefect::FrequencyAboveRecency {
            frequency: 1,
            recency_age: 0
        }
    );
    let opportunities = DiscreteSummary::MAX_OPPORTUNITIES + 1;
    assert_eq!(
        second(1, 1, opportunities),
        DiscreteSummaryDefect::TooManyOpportunities { opportunities }
    );
    assert_eq!(
        DiscreteSummaries::new(&[1], &[3], &[2])
            .unwrap_err()
            .to_string(),
        "row 0: recency_age 3 is above opportunities 2"
    );
    assert_eq!(
        DiscreteSummaryDefect::TooManyOpportunities { opportunities }.to_string(),
        "opportunities 65537 are above 65536"
    );
}

#[test]
fn columns_of_different_length_and_empty_rows_are_refused() {
    let lengths = |column, rows, expected| DiscreteSummariesError::Lengths {
        column,
        rows,
        expected,
    };
    assert_eq!(
        DiscreteSummaries::new(&[0], &[], &[1]),
        Err(lengths("recency_age", 0, 1))
    );
    assert_eq!(
        DiscreteSummaries::new(&[0], &[0], &[]),
        Err(lengths("opportunities", 0, 1))
    );
    assert_eq!(
        DiscreteSummaries::weighted(&[0], &[0], &[1], &[1, 1]),
        Err(lengths("customers", 2, 1))
    );
    assert_eq!(
        DiscreteSummaries::weighted(&[0, 0], &[0; 2], &[1; 2], &[1, 0]),
        Err(DiscreteSummariesError::NoCustomersInRow { row: 1 })
    );
    assert_eq!(
        DiscreteSummaries::weighted(&[0, 0], &[0; 2], &[1; 2], &[1, u64::MAX]),
        Err(DiscreteSummariesError::TooMany)
    );
    assert_eq!(
        DiscreteSummaries::weighted(&[9], &[9], &[9], &[1 << 52]),
        Err(DiscreteSummariesError::TooMany)
    );
}

#[test]
fn rates_that_do_not_discount_give_nan() {
    let (model, customer) = (model(DONATIONS), history(4, 5, 6));
    for rate in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let residual = model.discounted_expected_residual_transactions(rate, &customer);
        assert!(residual.is_nan());
    }
}

#[test]
fn extreme_shapes_stay_finite() {
    let shapes = [1e-3, 1.0, 1e3];
    let customers = [
        (0, 0, 0),
        (0, 0, 4000),
        (1, 3999, 4000),
        (600, 700, 4000),
        (4000, 4000, 4000),
        (1, 1, 1),
    ];
    let (mut x, mut recency_age, mut opportunities) = Histories::default();
    for (frequency, last, n) in customers {
        x.push(frequency);
        recency_age.push(last);
        opportunities.push(n);
    }
    let all = DiscreteSummaries::new(&x, &recency_age, &opportunities).unwrap();
    for alpha in shapes {
        for beta in shapes {
            for gamma in shapes {
                for delta in shapes {
                    let model = model([alpha, beta, gamma, delta]);
                    let sums = model.evaluate(&all);
                    assert!(sums.value.is_finite() && sums.gradient.iter().all(|g| g.is_finite()));
                    assert!(sums.hessian.iter().flatten().all(|h| h.is_finite()));
                    for (frequency, last, n) in customers {
                        let customer = history(frequency, last, n);
                        assert!((0.0..=1.0).contains(&model.probability_alive(&customer)));
                        let expected = model.expected_purchases(100, &customer);
                        let residual =
                            model.discounted_expected_residual_transactions(1e-3, &customer);
                        assert!(expected.is_finite() && residual.is_finite());
                    }
                }
            }
        }
    }
}
