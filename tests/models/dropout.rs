//! What the tests of models of purchases until an unseen time have in common.

use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::fit::Fit;
use cvm_models::optimise::Evaluation;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Exp, Gamma, Uniform};

use crate::{close, simulated};

/// Histories of `customers` who came evenly over `time`, buy at rates Gamma(r, rate α) and leave after
/// `lifetime(frailty, exponential)`, of a frailty Gamma(s, rate 1) and an exponential time of mean 1.
pub(crate) fn histories(
    customers: usize,
    [r, alpha, s]: [f64; 3],
    lifetime: impl Fn(f64, f64) -> f64,
    time: f64,
    seed: u64,
) -> simulated::Histories {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let rates = Gamma::new(r, 1.0 / alpha).unwrap();
    let frailties = Gamma::new(s, 1.0).unwrap();
    let exponential = Exp::new(1.0).unwrap();
    let ages = Uniform::new(0.0, time).unwrap();
    let mut table = simulated::Histories::default();
    for _ in 0..customers {
        let (rate, frailty) = (rates.sample(&mut random), frailties.sample(&mut random));
        let leaves = lifetime(frailty, exponential.sample(&mut random));
        let age: f64 = ages.sample(&mut random);
        let (mut frequency, mut last) = (0, 0.0);
        // A rate may underflow to 0: such a customer never buys again.
        if rate > 0.0 {
            let wait = Exp::new(rate).unwrap();
            loop {
                let next: f64 = last + wait.sample(&mut random);
                if next > age.min(leaves) {
                    break;
                }
                frequency += 1;
                last = next;
            }
        }
        table.0.push(frequency);
        table.1.push(last);
        table.2.push(age);
    }
    table
}

/// The largest distance of an estimate from the truth in standard errors.
pub(crate) fn deviation<M>(fit: &Fit<M>, truth: &[f64]) -> f64 {
    assert!(fit.convergence.converged);
    assert_eq!(fit.convergence.starts_agreeing, 3);
    let estimates = fit.estimates.iter().zip(truth);
    estimates
        .map(|(estimate, truth)| {
            ((estimate.value - truth) / estimate.standard_error.unwrap()).abs()
        })
        .fold(0.0, f64::max)
}

/// The total and the mean of a distribution.
pub(crate) fn moments(distribution: &[f64]) -> (f64, f64) {
    let mean = distribution.iter().enumerate().map(|(k, p)| k as f64 * p);
    (distribution.iter().sum(), mean.sum())
}

/// Customers at the edges of what is possible, and far beyond what is usual.
pub(crate) fn extreme_customers() -> Vec<Summary> {
    let mut customers = vec![];
    for age in [1.0, 30.0, 3650.0, 36_500.0] {
        customers.push(Summary::new(0, 0.0, age).unwrap());
        for x in [1, 12, 300, 5_000] {
            for share in [1e-9, 0.5, 1.0 - 1e-12, 1.0] {
                customers.push(Summary::new(x, age * share, age).unwrap());
            }
        }
    }
    customers.push(Summary::new(0, 0.0, 0.0).unwrap());
    customers
}

/// Every figure of every extreme customer is a number within its bounds.
pub(crate) fn figures_hold(
    model: &impl PurchaseModel,
    evaluate: impl Fn(&Summaries) -> Evaluation,
) {
    let horizon = Horizon::new(3650.0, 0.1, 365.0).unwrap();
    for customer in extreme_customers() {
        let told = format!("{customer:?}");
        assert!(model.log_likelihood(&customer).is_finite(), "{told}");
        let prediction = model.predict(&horizon, &customer);
        let expected = prediction.expected_purchases;
        assert!(
            (0.0..=1.0).contains(&prediction.probability_alive),
            "{told}"
        );
        assert!(expected.is_finite() && expected >= 0.0, "{told}");
        let discounted = prediction.discounted_expected_purchases;
        assert!((0.0..=expected).contains(&discounted), "{told}");
        let for_ever = model.discounted_expected_residual_transactions(0.1 / 365.0, &customer);
        assert!(for_ever.is_finite() && for_ever >= 0.0, "{told}");
        let (x, recency_age, age) = (
            customer.frequency(),
            customer.recency_age(),
            customer.customer_age(),
        );
        let evaluation = evaluate(&Summaries::new(&[x], &[recency_age], &[age]).unwrap());
        assert!(evaluation.value.is_finite(), "{told}");
        assert!(evaluation.gradient.iter().all(|g| g.is_finite()), "{told}");
        let mut curvatures = evaluation.hessian.iter().flatten();
        assert!(curvatures.all(|h| h.is_finite()), "{told}");
    }
}

/// The density of all histories integrates to one: Σ over x of ∫ L(x, t_x, T) dt_x, with what t_x leaves out of it, the
/// t_x^(x−1)/(x−1)! orders of the earlier purchases.
pub(crate) fn histories_are_a_density(model: &impl PurchaseModel, age: f64, most: u64) {
    let mut total = model
        .log_likelihood(&Summary::new(0, 0.0, age).unwrap())
        .exp();
    let steps = 400;
    for x in 1..=most {
        let orders: f64 = (1..x).map(|k| (k as f64).ln()).sum();
        let density = |recency_age: f64| {
            let customer = Summary::new(x, recency_age, age).unwrap();
            ((x - 1) as f64 * recency_age.ln() - orders + model.log_likelihood(&customer)).exp()
        };
        // Simpson's rule; the first end is 0 but for x = 1, where it is finite.
        let width = age / f64::from(steps);
        let sum: f64 = (0..=steps)
            .map(|i| {
                let weight = if i == 0 || i == steps {
                    1.0
                } else if i % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                weight * density((f64::from(i) * width).max(1e-12))
            })
            .sum();
        total += sum * width / 3.0;
    }
    close(total, 1.0, 1e-7);
}

/// What holds of every model and customer, for proptest.
pub(crate) fn predictions_hold(
    model: &impl PurchaseModel,
    customer: &Summary,
    length: f64,
    rate: f64,
) -> Result<(), TestCaseError> {
    let horizon = Horizon::new(length, rate, 365.0).unwrap();
    let prediction = model.predict(&horizon, customer);
    let expected = prediction.expected_purchases;
    prop_assert!((0.0..=1.0).contains(&prediction.probability_alive));
    prop_assert!(expected.is_finite() && expected >= 0.0);
    let discounted = prediction.discounted_expected_purchases;
    let least = (-horizon.force_of_interest() * length).exp() * expected;
    prop_assert!(discounted <= expected && discounted >= least * (1.0 - 1e-12));
    prop_assert!(model.log_likelihood(customer).is_finite());
    prop_assert_eq!(model.expected_purchases(0.0, customer), 0.0);
    prop_assert_eq!(model.expected_purchases_new_customer(0.0), 0.0);
    for more in [1.0 + 1e-9, 1.5, 3.0] {
        let far = model.expected_purchases(more * length, customer);
        prop_assert!(far >= expected * (1.0 - 1e-13), "{} {}", expected, far);
    }
    Ok(())
}

/// A model and the same one in another unit of time foretell the same.
pub(crate) fn unit_does_not_matter(
    here: &impl PurchaseModel,
    there: &impl PurchaseModel,
    customer: &Summary,
    length: f64,
    unit: f64,
) -> Result<(), TestCaseError> {
    let same = Summary::new(
        customer.frequency(),
        customer.recency_age() * unit,
        customer.customer_age() * unit,
    )
    .unwrap();
    let one = here.predict(&Horizon::new(length, 0.1, 365.0).unwrap(), customer);
    let other = there.predict(
        &Horizon::new(length * unit, 0.1, 365.0 * unit).unwrap(),
        &same,
    );
    // Where there are hundreds of purchases, times rounded otherwise move the odds.
    prop_assert!((one.probability_alive - other.probability_alive).abs() <= 1e-10);
    let bound = 1e-10 * one.expected_purchases + 1e-300;
    prop_assert!((one.expected_purchases - other.expected_purchases).abs() <= bound);
    let (one, other) = (
        one.discounted_expected_purchases,
        other.discounted_expected_purchases,
    );
    prop_assert!((one - other).abs() <= bound);
    Ok(())
}

/// The log-likelihood of all is the sum over customers.
pub(crate) fn sum_is_that_of_the_customers(
    model: &impl PurchaseModel,
    evaluation: &Evaluation,
    rows: &[(Summary, u64)],
) -> Result<(), TestCaseError> {
    let terms = rows
        .iter()
        .map(|(row, count)| *count as f64 * model.log_likelihood(row));
    let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term: f64| {
        (sum + term, size + term.abs())
    });
    prop_assert!((evaluation.value - sum).abs() <= 1e-12 * (1.0 + size));
    Ok(())
}

/// Every number of a fit and of its predictions, as bits.
pub(crate) fn bits_of<M: PurchaseModel>(fit: &Fit<M>, table: &simulated::Histories) -> Vec<u64> {
    let (x, recency_age, customer_age) = table;
    let horizon = Horizon::new(365.0, 0.1, 365.0).unwrap();
    let predictions = fit
        .model
        .predict_all(&horizon, x, recency_age, customer_age);
    let numbers = fit.theta().into_iter().chain([fit.log_likelihood]);
    let numbers = numbers.chain(fit.covariance.clone().unwrap().concat());
    let flat = predictions.unwrap().into_iter().flat_map(|p| {
        [
            p.probability_alive,
            p.expected_purchases,
            p.discounted_expected_purchases,
        ]
    });
    numbers.chain(flat).map(f64::to_bits).collect()
}
