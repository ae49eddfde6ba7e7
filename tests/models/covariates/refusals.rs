//! Covariates that are refused, and how.

use cvm_models::btyd::Horizon;
use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::covariates::{Covariate, CovariateSummaries, WithCovariates};
use cvm_models::fit::{FitError, FitParams, Model};

use super::{BOTH, LEAVING, PURCHASING, covariate, evaluate, summaries};
use crate::simulated;

fn refusal(covariates: &[Covariate<'_>]) -> String {
    CovariateSummaries::new(&[0, 2, 1, 3], &[0.0, 3.0, 2.0, 5.0], &[9.0; 4], covariates)
        .unwrap_err()
        .to_string()
}

#[test]
fn columns_that_tell_no_coefficient_are_refused_by_name() {
    let good = [0.0, 1.0, 0.0, 2.0];
    let u = covariate("u", PURCHASING, &good);
    assert_eq!(
        refusal(&[covariate("z", BOTH, &[1.0, f64::NAN, 0.0, 2.0])]),
        "covariate z, row 1: NaN is not finite"
    );
    assert_eq!(
        refusal(&[u, covariate("z", BOTH, &[1.0, 0.0, 0.0, f64::INFINITY])]),
        "covariate z, row 3: inf is not finite"
    );
    assert_eq!(
        refusal(&[u, covariate("z", BOTH, &[1.0, 0.0, 3.0])]),
        "covariate z has 3 rows, but frequency has 4"
    );
    assert_eq!(refusal(&[u, u]), "there are two covariates u");
    assert_eq!(
        refusal(&[u, covariate("z", LEAVING, &[2.5; 4])]),
        "covariate z is 2.5 for every customer, so its coefficients cannot be told"
    );
    assert_eq!(
        refusal(&[covariate("z", LEAVING, &[0.0, -0.0, 0.0, 0.0])]),
        "covariate z is 0 for every customer, so its coefficients cannot be told"
    );
    assert_eq!(
        refusal(&[covariate("cents", BOTH, &[0.0, 100.0, 20_000.0, 1.0])]),
        "covariate cents runs from 0 to 20000: rescale it so that it spans 0.1 to 10,000"
    );
    assert_eq!(
        refusal(&[covariate("z", BOTH, &[0.0, 1e-3, 2e-3, 0.0])]),
        "covariate z runs from 0 to 0.002: rescale it so that it spans 0.1 to 10,000"
    );
    assert_eq!(
        refusal(&[covariate("year", BOTH, &[2019.0, 2020.0, 2021.0, 2020.0])]),
        "covariate year runs from 2019 to 2021, far from 0: subtract a typical value"
    );
}

#[test]
fn collinear_columns_are_refused_where_they_act_on_the_same_process() {
    let (u, v) = ([0.0, 1.0, 0.0, 2.0], [1.0, 0.0, 3.0, 0.7]);
    let w: Vec<f64> = u
        .iter()
        .zip(&v)
        .map(|(u, v)| 1.0 - 0.3 * u + 0.7 * v)
        .collect();
    let error = "covariate w is a linear combination of a constant and covariates before it, so its coefficients cannot be told";
    let of = |on_u, on_v, on_w| {
        let columns = [
            covariate("u", on_u, &u),
            covariate("v", on_v, &v),
            covariate("w", on_w, &w),
        ];
        CovariateSummaries::new(&[0, 2, 1, 3], &[0.0, 3.0, 2.0, 5.0], &[9.0; 4], &columns)
            .map(|data| data.groups())
            .map_err(|error| error.to_string())
    };
    assert_eq!(of(BOTH, BOTH, BOTH), Err(error.to_owned()));
    assert_eq!(of(BOTH, LEAVING, LEAVING), Err(error.to_owned()));
    assert_eq!(of(PURCHASING, PURCHASING, BOTH), Err(error.to_owned()));
    assert_eq!(of(PURCHASING, BOTH, LEAVING), Ok(4));
    assert_eq!(of(PURCHASING, PURCHASING, LEAVING), Ok(4));
    // Every level of a factor is one too many.
    let levels = [
        [1.0, 0.0, 0.0, 1.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ];
    assert_eq!(
        refusal(&[
            covariate("u", PURCHASING, &levels[0]),
            covariate("v", PURCHASING, &levels[1]),
            covariate("w", PURCHASING, &levels[2]),
        ]),
        error
    );
}

#[test]
fn impossible_histories_and_nobody_are_refused_as_without_covariates() {
    let z = [0.0, 1.0];
    assert_eq!(
        CovariateSummaries::new(
            &[0, 1],
            &[0.0, 9.0],
            &[5.0, 5.0],
            &[covariate("z", BOTH, &z)]
        )
        .unwrap_err()
        .to_string(),
        "row 1: recency_age 9 lies after customer_age 5"
    );
    let params = FitParams::<WithCovariates<BgNbd>>::default()
        .check()
        .unwrap();
    let nobody = CovariateSummaries::new(&[], &[], &[], &[covariate("z", BOTH, &[])]).unwrap();
    let model = "BG/NBD with covariates";
    assert_eq!(
        params.fit(&nobody).unwrap_err(),
        FitError::NoCustomers { model }
    );
    let once = CovariateSummaries::new(&[0, 0], &[0.0; 2], &[5.0; 2], &[covariate("z", BOTH, &z)]);
    assert_eq!(
        params.fit(&once.unwrap()).unwrap_err(),
        FitError::NoRepeatPurchase {
            model: "BG/NBD",
            customers: 2
        }
    );
}

#[test]
fn a_customer_needs_one_finite_value_a_covariate() {
    let table = simulated::histories(60, [0.6, 6.0, 0.8, 2.4], 78.0, 5);
    let z: Vec<f64> = (0..60).map(|i| f64::from(i % 3)).collect();
    let data = summaries(&table, &[covariate("z", BOTH, &z)]);
    let theta = [0.6, 6.0, 0.8, 2.4, 2.0, 1.0, 1.0];
    let model = WithCovariates::<BgNbd>::with_parameters(&theta, &data).unwrap();
    let refused = |z: &[f64]| model.for_customer(z).unwrap_err().to_string();
    assert_eq!(refused(&[]), "0 covariates, but the model has 1");
    assert_eq!(
        refused(&[f64::NAN]),
        "covariate z, row 0: NaN is not finite"
    );
    assert_eq!(
        refused(&[-1e9]),
        "row 0: covariates too extreme: BG/NBD: alpha must be positive and finite, not inf"
    );
    // Of two in a table the first is named, though its group is the last.
    let horizon = Horizon::new(52.0, 0.1, 52.0).unwrap();
    let of_table = |z: &[f64]| {
        let predictions = model.predict_all(&horizon, &[0; 4], &[0.0; 4], &[9.0; 4], &[z]);
        predictions.map(|all| all.len()).map_err(|e| e.to_string())
    };
    assert_eq!(of_table(&[1.0, 0.0, 2.0, 1.0]), Ok(4));
    assert_eq!(
        of_table(&[1.0, 1e9, 0.0, -1e9]),
        Err(
            "row 1: covariates too extreme: BG/NBD: alpha must be positive and finite, not 0"
                .to_owned()
        )
    );
    assert_eq!(
        of_table(&[1.0, 0.0]),
        Err("covariate z has 2 rows, but frequency has 4".to_owned())
    );
    assert_eq!(
        model
            .predict_all(&horizon, &[0], &[0.0], &[9.0], &[])
            .unwrap_err()
            .to_string(),
        "0 covariates, but the model has 1"
    );
    let mut theta = theta;
    theta[5] = 0.0;
    assert_eq!(
        WithCovariates::<BgNbd>::with_parameters(&theta, &data)
            .unwrap_err()
            .to_string(),
        "BG/NBD with covariates: leave.z must be positive and finite, not 0"
    );
    // A point beyond the range of numbers is one that a search does not take.
    theta[4] = 1e300;
    theta[5] = 1.0;
    assert!(evaluate::<BgNbd>(&theta, &data).value.is_nan());
}

#[test]
fn a_start_needs_every_parameter() {
    let table = simulated::histories(60, [0.6, 6.0, 0.8, 2.4], 78.0, 5);
    let z: Vec<f64> = (0..60).map(|i| f64::from(i % 3)).collect();
    let data = summaries(&table, &[covariate("z", PURCHASING, &z)]);
    let params = FitParams::<WithCovariates<BgNbd>>::default().starts(vec![[0.6, 6.0, 0.8, 2.4]]);
    assert_eq!(
        params.check().unwrap().fit(&data).unwrap_err().to_string(),
        "BG/NBD with covariates: a start has 4 parameters, but there are 5"
    );
}
