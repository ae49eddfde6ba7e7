//! What holds with covariates whatever the parameters and the customers.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bg_nbd_derivatives_are_finite_differences(model in models(), data in tables(), gammas in gammas()) {
        let theta: Vec<f64> = model.theta().into_iter().chain(gammas.iter().copied().map(f64::exp)).collect();
        let theta = &theta[..WithCovariates::<BgNbd>::names(&data).len()];
        derivatives_hold_at(theta, |theta| evaluate::<BgNbd>(theta, &data))?;
    }

    #[test]
    fn pareto_nbd_derivatives_are_finite_differences(
        theta in (magnitude(-1.0, 1.0), magnitude(-1.0, 2.0), magnitude(-1.0, 1.0), magnitude(-1.0, 2.0)),
        data in tables(),
        gammas in gammas(),
    ) {
        let (r, alpha, s, beta) = theta;
        let theta: Vec<f64> = [r, alpha, s, beta].into_iter().chain(gammas.iter().copied().map(f64::exp)).collect();
        let theta = &theta[..WithCovariates::<ParetoNbd>::names(&data).len()];
        derivatives_hold_at(theta, |theta| evaluate::<ParetoNbd>(theta, &data))?;
    }

    /// The sum over groups is that over customers, each under the model of his or her own.
    #[test]
    fn the_sum_is_that_of_the_customers(model in models(), rows in rows(), gammas in gammas()) {
        let data = table_of(&rows);
        let theta: Vec<f64> = model.theta().into_iter().chain(gammas.iter().copied().map(f64::exp)).collect();
        let theta = &theta[..WithCovariates::<BgNbd>::names(&data).len()];
        let model = WithCovariates::<BgNbd>::with_parameters(theta, &data).unwrap();
        let of_row = |(summary, z): &(Summary, [f64; 2])| model.for_customer(z).unwrap().log_likelihood(summary);
        let sum: f64 = rows.iter().map(of_row).sum();
        let size: f64 = rows.iter().map(|row| of_row(row).abs()).sum();
        prop_assert!((evaluate::<BgNbd>(theta, &data).value - sum).abs() <= 1e-10 * (1.0 + size));
    }
}

/// Coefficients of `purchase.u`, `purchase.v`, `leave.v`, `stay.v`.
pub(crate) fn gammas() -> impl Strategy<Value = [f64; 4]> {
    prop::array::uniform4(-1.5..1.5_f64)
}

/// Histories with a covariate of few values and one of many.
pub(crate) fn rows() -> impl Strategy<Value = Vec<(Summary, [f64; 2])>> {
    let row = (
        crate::properties::customers(30),
        0..3_i32,
        magnitude(-2.0, 0.3),
    );
    prop::collection::vec(
        row.prop_map(|(summary, u, v)| (summary, [f64::from(u), v])),
        4..60,
    )
    .prop_filter("columns that tell their coefficients", |rows| {
        let differ = |k: usize| rows.iter().any(|(_, z)| z[k] != rows[0].1[k]);
        differ(0) && differ(1) && try_table_of(rows).is_ok()
    })
}

fn try_table_of(rows: &[(Summary, [f64; 2])]) -> Result<CovariateSummaries, CovariatesError> {
    let x: Vec<u64> = rows.iter().map(|(s, _)| s.frequency()).collect();
    let times = |time: fn(&Summary) -> f64| rows.iter().map(|(s, _)| time(s)).collect::<Vec<f64>>();
    let column = |k: usize| rows.iter().map(|(_, z)| z[k]).collect::<Vec<f64>>();
    CovariateSummaries::new(
        &x,
        &times(Summary::recency_age),
        &times(Summary::customer_age),
        &[
            covariate("u", PURCHASING, &column(0)),
            covariate("v", BOTH, &column(1)),
        ],
    )
}

fn table_of(rows: &[(Summary, [f64; 2])]) -> CovariateSummaries {
    try_table_of(rows).unwrap()
}

pub(crate) fn tables() -> impl Strategy<Value = CovariateSummaries> {
    rows().prop_map(|rows| table_of(&rows))
}
