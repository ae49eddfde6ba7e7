//! What holds for every model and customer.

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::special::hyp2f1;
use cvm_models::spend::gamma_gamma::GammaGamma;
use cvm_models::spend::{Spender, Spenders};
use proptest::prelude::*;

use crate::{bg_nbd, gamma_gamma, simulated};

/// A positive number between two powers of ten.
pub(crate) fn magnitude(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low..high).prop_map(|power| 10.0_f64.powf(power))
}

fn models() -> impl Strategy<Value = BgNbd> {
    (
        magnitude(-1.5, 1.5),
        magnitude(-1.0, 3.0),
        magnitude(-1.5, 1.0),
        magnitude(-1.0, 1.5),
    )
        .prop_map(|(r, alpha, a, b)| BgNbd::new(r, alpha, a, b).unwrap())
}

pub(crate) fn customers(most: u64) -> impl Strategy<Value = Summary> {
    (0..=most, magnitude(-2.0, 3.3), 0.001..=1.0_f64).prop_map(|(x, age, share)| {
        let recency_age = if x == 0 { 0.0 } else { age * share };
        Summary::new(x, recency_age, age).unwrap()
    })
}

fn spend_models() -> impl Strategy<Value = GammaGamma> {
    (
        magnitude(-1.0, 1.5),
        magnitude(-1.0, 1.5),
        magnitude(-2.0, 4.0),
    )
        .prop_map(|(p, q, v)| GammaGamma::new(p, q, v).unwrap())
}

/// A table of customers, and how many have each history.
pub(crate) fn tables() -> impl Strategy<Value = Vec<(Summary, u64)>> {
    prop::collection::vec((customers(30), 1..4_u64), 1..60)
}

pub(crate) fn columns<'a>(rows: impl Iterator<Item = &'a Summary>) -> simulated::Histories {
    let mut table = simulated::Histories::default();
    for row in rows {
        table.0.push(row.frequency());
        table.1.push(row.recency_age());
        table.2.push(row.customer_age());
    }
    table
}

pub(crate) fn summaries(rows: &[(Summary, u64)]) -> Summaries {
    let (x, recency_age, customer_age) = columns(rows.iter().map(|(row, _)| row));
    let counts: Vec<u64> = rows.iter().map(|(_, count)| *count).collect();
    Summaries::weighted(&x, &recency_age, &customer_age, &counts).unwrap()
}

/// Compares derivatives with central differences in the logarithm of each parameter.
pub(crate) fn derivatives_hold<const N: usize>(
    theta: [f64; N],
    evaluate: impl Fn([f64; N]) -> cvm_models::optimise::Evaluation,
) -> Result<(), TestCaseError> {
    let here = evaluate(theta);
    let step = 1e-5;
    for i in 0..N {
        let moved = |direction: f64| {
            let mut moved = theta;
            moved[i] *= 1.0 + direction * step;
            evaluate(moved)
        };
        let (up, down) = (moved(1.0), moved(-1.0));
        let width = 2.0 * step * theta[i];
        let slope = (up.value - down.value) / width;
        let size = (here.value.abs() + 1.0) / theta[i];
        prop_assert!((slope - here.gradient[i]).abs() <= 1e-6 * (here.gradient[i].abs() + size));
        for j in 0..N {
            let slope = (up.gradient[j] - down.gradient[j]) / width;
            let size = (here.gradient[j].abs() * theta[j] + here.value.abs() + 1.0)
                / (theta[i] * theta[j]);
            prop_assert!(
                (slope - here.hessian[i][j]).abs() <= 1e-6 * (here.hessian[i][j].abs() + size)
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn predictions_stay_in_their_bounds(
        model in models(), customer in customers(300), length in magnitude(-3.0, 4.0), rate in 0.0..1.0_f64,
    ) {
        let horizon = Horizon::new(length, rate, 365.0).unwrap();
        let prediction = model.predict(&horizon, &customer);
        prop_assert!((0.0..=1.0).contains(&prediction.probability_alive));
        prop_assert!(prediction.expected_purchases >= 0.0 && prediction.expected_purchases.is_finite());
        let discounted = prediction.discounted_expected_purchases;
        prop_assert!((0.0..=prediction.expected_purchases).contains(&discounted));
        // Nothing is discounted by more than the last moment of the horizon is.
        let least = (-horizon.force_of_interest() * length).exp() * prediction.expected_purchases;
        prop_assert!(discounted >= least * (1.0 - 1e-12));
        prop_assert!(model.log_likelihood(&customer).is_finite());
    }

    #[test]
    fn expected_purchases_are_none_at_once_and_grow_with_the_horizon(
        model in models(), customer in customers(300), length in magnitude(-3.0, 4.0), more in 1.0..3.0_f64,
    ) {
        prop_assert_eq!(model.expected_purchases(0.0, &customer), 0.0);
        prop_assert_eq!(model.expected_purchases_new_customer(0.0), 0.0);
        let (near, far) = (model.expected_purchases(length, &customer), model.expected_purchases(length * more, &customer));
        prop_assert!(far >= near * (1.0 - 1e-11), "{} {}", near, far);
    }

    /// Fader, Hardie & Lee (2005), equation 10, where its difference leaves digits.
    #[test]
    fn expected_purchases_equal_the_closed_form(
        model in models(), customer in customers(20), length in magnitude(-1.0, 3.0),
    ) {
        let [r, alpha, a, b] = model.parameters();
        let (x, t) = (customer.frequency() as f64, alpha + customer.customer_age());
        let (shape, c) = (r + x, a + b + x - 1.0);
        let factor = c / (a - 1.0);
        let z = length / (t + length);
        let kept = (1.0 - z).powf(shape) * hyp2f1(shape, b + x, c, z);
        prop_assume!(c > 0.0 && kept.is_finite());
        let alive = model.probability_alive(&customer);
        let lost = 1e-10 * (factor * (1.0 + kept)).abs() * alive;
        let (ours, theirs) = (model.expected_purchases(length, &customer), alive * factor * (1.0 - kept));
        prop_assert!((ours - theirs).abs() <= lost + 1e-10 * ours, "{} {}", ours, theirs);
    }

    #[test]
    fn the_unit_of_time_does_not_matter(
        model in models(), customer in customers(300), length in magnitude(-2.0, 4.0), unit in magnitude(-3.0, 3.0),
    ) {
        let [r, alpha, a, b] = model.parameters();
        let other = BgNbd::new(r, alpha * unit, a, b).unwrap();
        let same = Summary::new(customer.frequency(), customer.recency_age() * unit, customer.customer_age() * unit);
        let here = model.predict(&Horizon::new(length, 0.1, 365.0).unwrap(), &customer);
        let there = other.predict(&Horizon::new(length * unit, 0.1, 365.0 * unit).unwrap(), &same.unwrap());
        prop_assert!((here.probability_alive - there.probability_alive).abs() <= 1e-10);
        let bound = 1e-10 * here.expected_purchases + 1e-300;
        prop_assert!((here.expected_purchases - there.expected_purchases).abs() <= bound);
        prop_assert!((here.discounted_expected_purchases - there.discounted_expected_purchases).abs() <= bound);
    }

    #[test]
    fn weighted_customers_are_repeated_customers(rows in tables()) {
        let repeated = rows.iter().flat_map(|(row, count)| std::iter::repeat_n(row, usize::try_from(*count).unwrap()));
        let (x, recency_age, customer_age) = columns(repeated);
        prop_assert_eq!(summaries(&rows), Summaries::new(&x, &recency_age, &customer_age).unwrap());
    }

    #[test]
    fn the_sum_is_that_of_the_customers(model in models(), rows in tables()) {
        let sum: f64 = rows.iter().map(|(row, count)| *count as f64 * model.log_likelihood(row)).sum();
        let size: f64 = rows.iter().map(|(row, count)| *count as f64 * model.log_likelihood(row).abs()).sum();
        prop_assert!((model.evaluate(&summaries(&rows)).value - sum).abs() <= 1e-10 * (1.0 + size));
    }

    #[test]
    fn bg_nbd_derivatives_are_finite_differences(model in models(), rows in tables()) {
        let summaries = summaries(&rows);
        derivatives_hold(model.parameters(), |[r, alpha, a, b]| BgNbd::new(r, alpha, a, b).unwrap().evaluate(&summaries))?;
    }

    #[test]
    fn gamma_gamma_derivatives_are_finite_differences(
        model in spend_models(), rows in prop::collection::vec((1..30_u64, magnitude(-2.0, 4.0)), 1..60),
    ) {
        let (purchases, means): (Vec<u64>, Vec<f64>) = rows.into_iter().unzip();
        let spenders = Spenders::new(&purchases, &means).unwrap();
        derivatives_hold(model.parameters(), |[p, q, v]| GammaGamma::new(p, q, v).unwrap().evaluate(&spenders))?;
    }

    #[test]
    fn expected_spend_lies_between_the_customer_and_the_population(
        model in spend_models(), purchases in 1..100_u64, mean in magnitude(-2.0, 4.0),
    ) {
        let expected = model.expected_spend(&Spender::new(purchases, mean).unwrap());
        if let Some(population) = model.mean_spend() {
            let (low, high) = (mean.min(population), mean.max(population));
            let expected = expected.unwrap();
            prop_assert!(expected >= low * (1.0 - 1e-12) && expected <= high * (1.0 + 1e-12));
        }
        let [p, q, _] = model.parameters();
        prop_assert_eq!(expected.is_some(), p * purchases as f64 + q - 1.0 > 0.0);
    }
}

#[test]
fn fits_do_not_depend_on_the_unit() {
    let (x, recency_age, customer_age) =
        simulated::histories(5_000, [0.5, 6.0, 0.8, 2.4], 78.0, 11);
    let weeks = bg_nbd::fit(&Summaries::new(&x, &recency_age, &customer_age).unwrap());
    let days = |column: &[f64]| column.iter().map(|week| 7.0 * week).collect::<Vec<f64>>();
    let days = bg_nbd::fit(&Summaries::new(&x, &days(&recency_age), &days(&customer_age)).unwrap());
    for (i, unit) in [1.0, 7.0, 1.0, 1.0].into_iter().enumerate() {
        let ratio = days.estimates[i].value / (unit * weeks.estimates[i].value);
        assert!((ratio - 1.0).abs() < 1e-7, "{ratio}");
    }
    // A density a day is a seventh of a density a week.
    let purchases = x.iter().sum::<u64>() as f64;
    assert!((days.log_likelihood + purchases * 7.0_f64.ln() - weeks.log_likelihood).abs() < 1e-6);

    let (purchases, means) = simulated::spend(5_000, [6.25, 3.74, 15.44], 11);
    let pounds = gamma_gamma::fit(&Spenders::new(&purchases, &means).unwrap());
    let pence: Vec<f64> = means.iter().map(|mean| 100.0 * mean).collect();
    let pence = gamma_gamma::fit(&Spenders::new(&purchases, &pence).unwrap());
    for (i, unit) in [1.0, 1.0, 100.0].into_iter().enumerate() {
        let ratio = pence.estimates[i].value / (unit * pounds.estimates[i].value);
        assert!((ratio - 1.0).abs() < 1e-7, "{ratio}");
    }
}
