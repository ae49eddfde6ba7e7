//! What holds for every model and tenure.

use cvm_models::retention::beta_discrete_weibull::BetaDiscreteWeibull;
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::retention::{RetentionModel, Tenures};
use proptest::prelude::*;

use crate::properties::{derivatives_hold, magnitude};
use crate::threads::{bits, in_pool};

fn geometric() -> impl Strategy<Value = ShiftedBetaGeometric> {
    (magnitude(-2.0, 3.0), magnitude(-2.0, 4.0))
        .prop_map(|(alpha, beta)| ShiftedBetaGeometric::new(alpha, beta).unwrap())
}

fn weibull() -> impl Strategy<Value = BetaDiscreteWeibull> {
    (
        magnitude(-2.0, 3.0),
        magnitude(-2.0, 4.0),
        magnitude(-1.0, 0.7),
    )
        .prop_map(|(gamma, delta, c)| BetaDiscreteWeibull::new(gamma, delta, c).unwrap())
}

/// Renewals, whether the customer left, and how many customers.
fn rows() -> impl Strategy<Value = Vec<(u64, bool, u64)>> {
    prop::collection::vec((0..40_u64, any::<bool>(), 1..50_u64), 1..30)
}

fn tenures(rows: &[(u64, bool, u64)]) -> Tenures {
    let renewals: Vec<u64> = rows.iter().map(|row| row.0).collect();
    let has_left: Vec<bool> = rows.iter().map(|row| row.1).collect();
    let customers: Vec<u64> = rows.iter().map(|row| row.2).collect();
    Tenures::weighted(&renewals, &has_left, &customers).unwrap()
}

fn in_bounds(
    model: &impl RetentionModel,
    renewals: u64,
    horizon: u64,
    rate: f64,
) -> Result<(), TestCaseError> {
    let mut before = 1.0;
    for more in 0..=horizon.min(40) {
        let survival = model.survival_after(renewals, more);
        prop_assert!((0.0..=before).contains(&survival));
        before = survival;
    }
    let (stay, leave) = (
        model.retention_rate(renewals),
        model.churn_probability(renewals),
    );
    prop_assert!((0.0..=1.0).contains(&stay) && (0.0..=1.0).contains(&leave));
    prop_assert!((stay + leave - 1.0).abs() < 1e-13);
    prop_assert_eq!(model.expected_renewals(renewals, 0), 0.0);
    let near = model.expected_renewals(renewals, horizon);
    let far = model.expected_renewals(renewals, 3 * horizon);
    prop_assert!(near >= 0.0 && near <= horizon as f64 && far >= near * (1.0 - 1e-11));
    let discounted = model.discounted_expected_renewals(renewals, horizon, rate);
    prop_assert!(discounted >= 0.0 && discounted <= near * (1.0 + 1e-11));
    let ever = model.discounted_expected_residual_lifetime(renewals, rate);
    prop_assert!(ever >= discounted * (1.0 - 1e-11) && ever <= (1.0 + rate) / rate);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn predictions_stay_in_their_bounds(
        geometric in geometric(), weibull in weibull(), renewals in 0..2000_u64, horizon in 1..5000_u64,
        rate in magnitude(-5.0, 0.0),
    ) {
        in_bounds(&geometric, renewals, horizon, rate)?;
        in_bounds(&weibull, renewals, horizon, rate)?;
    }

    #[test]
    fn periods_of_leaving_and_the_survivors_sum_to_one(geometric in geometric(), weibull in weibull(), last in 0..200_u64) {
        let all = |model: &dyn RetentionModel| {
            let left: f64 = (0..=last).map(|period| model.leaving_probability(period)).sum();
            left + model.survival(last)
        };
        prop_assert!((all(&geometric) - 1.0).abs() < 1e-12, "{}", all(&geometric));
        prop_assert!((all(&weibull) - 1.0).abs() < 1e-12, "{}", all(&weibull));
    }

    #[test]
    fn the_weibull_with_c_1_is_the_geometric(model in geometric(), rows in rows(), renewals in 0..500_u64) {
        let [alpha, beta] = model.parameters();
        let weibull = BetaDiscreteWeibull::new(alpha, beta, 1.0).unwrap();
        let tenures = tenures(&rows);
        let (one, other) = (model.evaluate(&tenures), weibull.evaluate(&tenures));
        prop_assert!((one.value - other.value).abs() <= 1e-11 * one.value.abs());
        for i in 0..2 {
            let size = one.gradient[i].abs() + one.value.abs() / model.parameters()[i];
            prop_assert!((one.gradient[i] - other.gradient[i]).abs() <= 1e-9 * size);
        }
        let (stay, leave) = (model.retention_rate(renewals), model.churn_probability(renewals));
        prop_assert!((weibull.retention_rate(renewals) - stay).abs() <= 1e-12);
        prop_assert!((weibull.churn_probability(renewals) - leave).abs() <= 1e-12 * leave);
    }

    #[test]
    fn the_likelihood_is_the_product_of_its_probabilities(model in weibull(), rows in rows()) {
        let one = |&(renewals, has_left, customers): &(u64, bool, u64)| {
            let probability = if has_left { model.leaving_probability(renewals + 1) } else { model.survival(renewals) };
            // Those that nearly underflow have no digits left.
            if probability < 1e-290 { f64::NAN } else { customers as f64 * probability.ln() }
        };
        let expected: f64 = rows.iter().map(one).sum();
        prop_assume!(expected.is_finite());
        let value = model.evaluate(&tenures(&rows)).value;
        prop_assert!((value - expected).abs() <= 1e-11 * expected.abs(), "{value} {expected}");
    }

    #[test]
    fn derivatives_are_those_of_the_likelihood(geometric in geometric(), weibull in weibull(), rows in rows()) {
        let tenures = tenures(&rows);
        derivatives_hold(geometric.parameters(), |[alpha, beta]| {
            ShiftedBetaGeometric::new(alpha, beta).unwrap().evaluate(&tenures)
        })?;
        derivatives_hold(weibull.parameters(), |[gamma, delta, c]| {
            BetaDiscreteWeibull::new(gamma, delta, c).unwrap().evaluate(&tenures)
        })?;
    }

    #[test]
    fn weighted_is_repeated_in_any_order(rows in rows()) {
        let each: Vec<(u64, bool)> = rows.iter().rev()
            .flat_map(|&(renewals, has_left, customers)| (0..customers).map(move |_| (renewals, has_left)))
            .collect();
        let (renewals, has_left): (Vec<u64>, Vec<bool>) = each.into_iter().unzip();
        prop_assert_eq!(tenures(&rows), Tenures::new(&renewals, &has_left).unwrap());
    }
}

#[test]
fn fits_are_bit_identical_on_one_two_and_five_threads() {
    // Several chunks of periods, and more who leave early than late.
    let rows: Vec<(u64, bool, u64)> = (0..30_000)
        .map(|i: u64| (i.pow(3) / 1_000_000_000, i.is_multiple_of(3), 1 + i % 5))
        .collect();
    let tenures = tenures(&rows);
    let everything = || {
        let geometric = super::fit::<ShiftedBetaGeometric>(&tenures);
        let weibull = BetaDiscreteWeibull::new(0.7, 900.0, 1.3)
            .unwrap()
            .evaluate(&tenures);
        let numbers = geometric.model.parameters().into_iter();
        let numbers = numbers.chain(geometric.covariance.unwrap().concat());
        let numbers = numbers.chain([weibull.value]).chain(weibull.gradient);
        bits(numbers.chain(weibull.hessian.concat()))
    };
    let one = in_pool(1, everything);
    assert_eq!(one.len(), 2 + 4 + 1 + 3 + 9);
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}
