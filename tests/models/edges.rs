//! Stated answers where there is little to answer from, or nothing.

use cvm_models::btyd::bg_nbd::{BgNbd, BgNbdParams};
use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::{
    Horizon, HorizonError, Prediction, PurchaseModel, Summaries, SummariesError, Summary,
    SummaryDefect,
};
use cvm_models::fit::{FitError, ParameterError};
use cvm_models::optimise::{SearchLimits, StopReason};
use cvm_models::spend::gamma_gamma::{GammaGamma, GammaGammaParams};
use cvm_models::spend::{Spender, SpenderDefect, Spenders, SpendersError};
use cvm_models::uncertainty::Level;

use crate::{bg_nbd, gamma_gamma};

fn try_fit(summaries: &Summaries) -> Result<(bool, StopReason), FitError> {
    let fit = BgNbdParams::default().check()?.fit(summaries)?;
    assert!(fit.log_likelihood.is_finite() && fit.model.parameters().iter().all(|p| p.is_finite()));
    Ok((fit.convergence.converged, fit.convergence.reason))
}

fn try_spend_fit(spenders: &Spenders) -> Result<(bool, StopReason), FitError> {
    let fit = GammaGammaParams::default().check()?.fit(spenders)?;
    assert!(fit.log_likelihood.is_finite() && fit.model.parameters().iter().all(|p| p.is_finite()));
    Ok((fit.convergence.converged, fit.convergence.reason))
}

#[test]
fn no_customers_are_refused() {
    let nobody = Summaries::new(&[], &[], &[]).unwrap();
    assert_eq!(
        try_fit(&nobody),
        Err(FitError::NoCustomers { model: "BG/NBD" })
    );
    assert_eq!(
        try_spend_fit(&Spenders::new(&[], &[]).unwrap()),
        Err(FitError::NoCustomers {
            model: "Gamma-Gamma"
        })
    );
}

#[test]
fn nobody_who_buys_again_is_refused() {
    let once = Summaries::new(&[0, 0, 0], &[0.0; 3], &[0.0, 3.0, 7.0]).unwrap();
    assert_eq!(
        try_fit(&once),
        Err(FitError::NoRepeatPurchase {
            model: "BG/NBD",
            customers: 3
        })
    );
    let new = Summaries::new(&[0], &[0.0], &[0.0]).unwrap();
    assert_eq!(
        try_fit(&new),
        Err(FitError::NoRepeatPurchase {
            model: "BG/NBD",
            customers: 1
        })
    );
}

#[test]
fn one_customer_does_not_converge() {
    let one = Summaries::new(&[1], &[1.0], &[3.0]).unwrap();
    assert_eq!(try_fit(&one), Ok((false, StopReason::AtBound)));
    let spender = Spenders::new(&[3], &[10.0]).unwrap();
    assert_eq!(try_spend_fit(&spender), Ok((false, StopReason::AtBound)));
}

#[test]
fn a_million_alike_do_not_converge() {
    let alike = Summaries::weighted(&[3], &[10.0], &[20.0], &[1_000_000]).unwrap();
    assert_eq!(try_fit(&alike), Ok((false, StopReason::AtBound)));
    let alike = Spenders::weighted(&[3], &[10.0], &[1_000_000]).unwrap();
    assert_eq!(try_spend_fit(&alike), Ok((false, StopReason::AtBound)));
}

#[test]
fn equal_spend_does_not_converge() {
    let purchases: Vec<u64> = (0..1000).map(|i| 1 + i % 7).collect();
    let equal = Spenders::new(&purchases, &[10.0; 1000]).unwrap();
    assert_eq!(try_spend_fit(&equal), Ok((false, StopReason::AtBound)));
}

#[test]
fn too_few_steps_are_told() {
    let table = crate::simulated::histories(1000, [0.25, 4.4, 0.8, 2.4], 78.0, 5);
    let summaries = Summaries::new(&table.0, &table.1, &table.2).unwrap();
    let limits = SearchLimits {
        max_iterations: 2,
        ..SearchLimits::default()
    };
    let fit = BgNbdParams::default()
        .limits(limits)
        .check()
        .unwrap()
        .fit(&summaries)
        .unwrap();
    assert_eq!(
        (fit.convergence.converged, fit.convergence.reason),
        (false, StopReason::MaxIterations)
    );
    assert_eq!(
        bg_nbd::fit(&summaries).convergence.reason,
        StopReason::Converged
    );
    let (purchases, means) = crate::simulated::spend(1000, [6.0, 4.0, 15.0], 5);
    let spenders = Spenders::new(&purchases, &means).unwrap();
    let fit = GammaGammaParams::default()
        .limits(limits)
        .check()
        .unwrap()
        .fit(&spenders)
        .unwrap();
    assert_eq!(fit.convergence.reason, StopReason::MaxIterations);
    assert_eq!(
        gamma_gamma::fit(&spenders).convergence.reason,
        StopReason::Converged
    );
}

#[test]
fn an_age_of_zero_is_predicted_as_a_new_customer() {
    let model = BgNbd::new(0.25, 4.4, 0.8, 2.4).unwrap();
    let prediction = model.predict(
        &Horizon::new(52.0, 0.0, 52.0).unwrap(),
        &Summary::new(0, 0.0, 0.0).unwrap(),
    );
    let expected = model.expected_purchases_new_customer(52.0);
    assert_eq!(
        prediction,
        Prediction {
            probability_alive: 1.0,
            expected_purchases: expected,
            discounted_expected_purchases: expected
        }
    );
}

#[test]
fn no_time_ahead_holds_no_purchases() {
    let model = BgNbd::new(0.25, 4.4, 0.8, 2.4).unwrap();
    let customer = Summary::new(0, 0.0, 30.0).unwrap();
    let prediction = model.predict(&Horizon::new(0.0, 0.1, 52.0).unwrap(), &customer);
    assert_eq!(
        (
            prediction.expected_purchases,
            prediction.discounted_expected_purchases
        ),
        (0.0, 0.0)
    );
    for time in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(model.expected_purchases(time, &customer).is_nan());
        assert!(model.expected_purchases_new_customer(time).is_nan());
    }
}

#[test]
fn impossible_histories_are_refused_with_their_row() {
    let second = |x: u64, recency_age: f64, customer_age: f64| match Summaries::new(
        &[0, x, x],
        &[0.0, recency_age, recency_age],
        &[1.0, customer_age, customer_age],
    ) {
        Err(SummariesError::Row { row: 1, defect }) => defect,
        other => panic!("{other:?}"),
    };
    let (recency_age, customer_age) = (3.0, 2.0);
    assert_eq!(
        second(1, 3.0, 2.0),
        SummaryDefect::RecencyAfterAge {
            recency_age,
            customer_age
        }
    );
    assert_eq!(
        second(0, 3.0, 4.0),
        SummaryDefect::RecencyWithoutRepeat { recency_age }
    );
    assert_eq!(
        second(2, 0.0, 4.0),
        SummaryDefect::RepeatWithoutRecency { frequency: 2 }
    );
    assert_eq!(
        second(0, 0.0, -1.0),
        SummaryDefect::Negative {
            recency_age: 0.0,
            customer_age: -1.0
        }
    );
    assert_eq!(
        second(1, -1.0, 1.0),
        SummaryDefect::Negative {
            recency_age: -1.0,
            customer_age: 1.0
        }
    );
    let infinite = SummaryDefect::NotFinite {
        recency_age: 1.0,
        customer_age: f64::INFINITY,
    };
    assert_eq!(second(1, 1.0, f64::INFINITY), infinite);
    assert!(matches!(
        second(1, f64::NAN, 1.0),
        SummaryDefect::NotFinite { .. }
    ));
    let frequency = u64::MAX;
    assert_eq!(
        second(frequency, 1.0, 1.0),
        SummaryDefect::FrequencyTooLarge { frequency }
    );
    let error = Summaries::new(&[1], &[3.0], &[2.0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "row 0: recency_age 3 lies after customer_age 2"
    );
}

#[test]
fn columns_of_different_length_and_empty_rows_are_refused() {
    let lengths = |column, rows, expected| SummariesError::Lengths {
        column,
        rows,
        expected,
    };
    assert_eq!(
        Summaries::new(&[0], &[], &[1.0]),
        Err(lengths("recency_age", 0, 1))
    );
    assert_eq!(
        Summaries::new(&[0], &[0.0], &[]),
        Err(lengths("customer_age", 0, 1))
    );
    assert_eq!(
        Summaries::weighted(&[0], &[0.0], &[1.0], &[1, 1]),
        Err(lengths("customers", 2, 1))
    );
    assert_eq!(
        Summaries::weighted(&[0, 0], &[0.0; 2], &[1.0; 2], &[1, 0]),
        Err(SummariesError::NoCustomersInRow { row: 1 })
    );
    assert_eq!(
        Summaries::weighted(&[0, 0], &[0.0; 2], &[1.0; 2], &[1, u64::MAX]),
        Err(SummariesError::TooMany)
    );
    let model = BgNbd::new(0.25, 4.4, 0.8, 2.4).unwrap();
    let horizon = Horizon::new(1.0, 0.0, 1.0).unwrap();
    let forecast = Forecast::of_model(Box::new(model), &horizon, &Level::new(0.9).unwrap());
    assert_eq!(
        forecast.predict_all(&[0], &[0.0], &[]),
        Err(lengths("customer_age", 0, 1))
    );
    let defect = SummaryDefect::RecencyWithoutRepeat { recency_age: 1.0 };
    assert_eq!(
        forecast.predict_all(&[0, 0], &[0.0, 1.0], &[1.0, 1.0]),
        Err(SummariesError::Row { row: 1, defect })
    );
}

#[test]
fn impossible_spenders_are_refused_with_their_row() {
    let second = |purchases: u64, mean_spend: f64| match Spenders::new(
        &[1, purchases],
        &[1.0, mean_spend],
    ) {
        Err(SpendersError::Row { row: 1, defect }) => defect,
        other => panic!("{other:?}"),
    };
    assert_eq!(second(0, 1.0), SpenderDefect::NoPurchase);
    assert_eq!(second(1, 0.0), SpenderDefect::Spend { mean_spend: 0.0 });
    assert_eq!(second(1, -2.0), SpenderDefect::Spend { mean_spend: -2.0 });
    assert!(matches!(second(1, f64::NAN), SpenderDefect::Spend { .. }));
    let purchases = 1 << 60;
    assert_eq!(
        second(purchases, 1.0),
        SpenderDefect::TooManyPurchases { purchases }
    );
    assert_eq!(
        Spenders::new(&[1], &[]),
        Err(SpendersError::Lengths {
            column: "mean_spend",
            rows: 0,
            expected: 1
        })
    );
    assert_eq!(
        Spenders::weighted(&[1], &[1.0], &[0]),
        Err(SpendersError::NoCustomersInRow { row: 0 })
    );
}

fn refusal(model: &'static str, name: &str, value: f64) -> ParameterError {
    ParameterError {
        model,
        name: name.to_owned(),
        value,
    }
}

fn start_refusal(model: &'static str, position: usize, value: f64) -> FitError {
    let name = format!("parameter {} of a start", position + 1);
    FitError::Parameter(refusal(model, &name, value))
}

#[test]
fn parameters_outside_their_domain_are_refused() {
    for (position, name) in BgNbd::PARAMETERS.into_iter().enumerate() {
        for value in [0.0, -1.0, f64::INFINITY] {
            let mut p = [1.0; 4];
            p[position] = value;
            let refused = refusal("BG/NBD", name, value);
            assert_eq!(BgNbd::new(p[0], p[1], p[2], p[3]), Err(refused));
            assert_eq!(
                BgNbdParams::default().starts(vec![p]).check(),
                Err(start_refusal("BG/NBD", position, value))
            );
        }
    }
    for (position, name) in GammaGamma::PARAMETERS.into_iter().enumerate() {
        for value in [0.0, -1.0, f64::INFINITY] {
            let mut p = [1.0; 3];
            p[position] = value;
            let refused = refusal("Gamma-Gamma", name, value);
            assert_eq!(GammaGamma::new(p[0], p[1], p[2]), Err(refused));
            assert_eq!(
                GammaGammaParams::default().starts(vec![p]).check(),
                Err(start_refusal("Gamma-Gamma", position, value))
            );
        }
    }
    for limits in [
        SearchLimits {
            max_iterations: 0,
            ..SearchLimits::default()
        },
        SearchLimits {
            range: 1.0,
            ..SearchLimits::default()
        },
    ] {
        assert_eq!(
            BgNbdParams::default().limits(limits).check(),
            Err(FitError::Limits { model: "BG/NBD" })
        );
        assert_eq!(
            GammaGammaParams::default().limits(limits).check(),
            Err(FitError::Limits {
                model: "Gamma-Gamma"
            })
        );
    }
}

#[test]
fn impossible_horizons_are_refused() {
    for length in [-1.0, f64::INFINITY] {
        assert_eq!(
            Horizon::new(length, 0.1, 365.0),
            Err(HorizonError::Length { length })
        );
    }
    for rate in [-0.1, f64::INFINITY] {
        assert_eq!(
            Horizon::new(1.0, rate, 365.0),
            Err(HorizonError::Rate { rate })
        );
    }
    for units in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(
            Horizon::new(1.0, 0.1, units),
            Err(HorizonError::Year { units })
        );
    }
}

/// Where q ≤ 1 the population has no mean spend, and a customer only once p x + q exceeds 1.
#[test]
fn a_mean_that_does_not_exist_is_not_given() {
    let heavy = GammaGamma::new(0.3, 0.5, 10.0).unwrap();
    assert_eq!(heavy.mean_spend(), None);
    assert_eq!(GammaGamma::new(0.3, 1.0, 10.0).unwrap().mean_spend(), None);
    assert_eq!(heavy.expected_spend(&Spender::new(1, 20.0).unwrap()), None);
    let expected = heavy
        .expected_spend(&Spender::new(2, 20.0).unwrap())
        .unwrap();
    crate::close(expected, 0.3 * 50.0 / 0.1, 1e-11);
    assert_eq!(
        GammaGamma::new(2.0, 3.0, 10.0).unwrap().mean_spend(),
        Some(10.0)
    );
}
