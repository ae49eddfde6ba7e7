//! What holds for BG/BB whatever its parameters and the customer.

use cvm_models::btyd::bg_bb::{BgBb, DiscreteSummaries, DiscreteSummary};
use cvm_models::special::ln_gamma;
use proptest::prelude::*;

use crate::ahead::is_distribution;
use crate::bg_bb::{Histories, choose, history, model as model_of};
use crate::properties::{derivatives_hold, magnitude};

fn models() -> impl Strategy<Value = BgBb> {
    let shape = || magnitude(-1.5, 1.5);
    (shape(), shape(), shape(), shape()).prop_map(|(a, b, c, d)| model_of([a, b, c, d]))
}

fn customers(most: u64) -> impl Strategy<Value = DiscreteSummary> {
    (0..=most).prop_flat_map(|n| {
        (0..=n).prop_flat_map(move |t| {
            let frequency = if t == 0 { 0..=0 } else { 1..=t };
            frequency.prop_map(move |x| history(x, t, n))
        })
    })
}

fn tables() -> impl Strategy<Value = Vec<(DiscreteSummary, u64)>> {
    prop::collection::vec((customers(30), 1..4_u64), 1..60)
}

fn columns<'a>(rows: impl Iterator<Item = &'a DiscreteSummary>) -> Histories {
    let mut table = Histories::default();
    for row in rows {
        table.0.push(row.frequency());
        table.1.push(row.recency_age());
        table.2.push(row.opportunities());
    }
    table
}

fn summaries(rows: &[(DiscreteSummary, u64)]) -> DiscreteSummaries {
    let (x, recency_age, opportunities) = columns(rows.iter().map(|(row, _)| row));
    let counts: Vec<u64> = rows.iter().map(|(_, count)| *count).collect();
    DiscreteSummaries::weighted(&x, &recency_age, &opportunities, &counts).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_histories_of_six_opportunities_sum_to_one(model in models()) {
        let mut total = model.log_likelihood(&history(0, 0, 6)).exp();
        for t in 1..=6 {
            for x in 1..=t {
                total += choose(t - 1, x - 1) * model.log_likelihood(&history(x, t, 6)).exp();
            }
        }
        prop_assert!((total - 1.0).abs() < 1e-13, "{}", total);
    }

    #[test]
    fn opportunities_ahead_are_those_that_are_asked_for_one_by_one(
        model in models(), customer in customers(30), ahead in 0..60_u64,
    ) {
        let mut purchases = 0.0;
        let steps: Vec<_> = model.ahead(ahead, &customer).collect();
        prop_assert_eq!(steps.len() as u64, ahead);
        for (step, number) in steps.iter().zip(1..) {
            purchases += step.buys;
            let alive = model.probability_alive_after(number, &customer);
            prop_assert!((step.alive - alive).abs() <= 1e-13 * alive);
            let expected = model.expected_purchases(number, &customer);
            prop_assert!((purchases - expected).abs() <= 1e-13 * expected);
        }
    }

    #[test]
    fn predictions_stay_in_their_bounds(
        model in models(), customer in customers(300), ahead in 0..400_u64, more in 0..400_u64, rate in magnitude(-3.0, 0.0),
    ) {
        prop_assert!(model.log_likelihood(&customer) <= 0.0);
        prop_assert!((0.0..=1.0).contains(&model.probability_alive(&customer)));
        if customer.recency_age() == customer.opportunities() {
            prop_assert_eq!(model.probability_alive(&customer), 1.0);
        }
        let later = model.probability_alive_after(ahead, &customer);
        prop_assert!((0.0..=model.probability_alive(&customer)).contains(&later));
        prop_assert_eq!(model.expected_purchases(0, &customer), 0.0);
        prop_assert_eq!(model.expected_purchases_new_customer(0), 0.0);
        let (near, far) = (model.expected_purchases(ahead, &customer), model.expected_purchases(ahead + more, &customer));
        prop_assert!(near <= far && far <= (ahead + more) as f64);
        prop_assert_eq!(
            model.expected_purchases_new_customer(ahead), model.expected_purchases(ahead, &history(0, 0, 0))
        );
        // Neither more than without discount, nor less than what a part of the time gives at the rate of its end.
        let residual = model.discounted_expected_residual_transactions(rate, &customer);
        prop_assert!(residual >= near * (1.0 + rate).powi(-i32::try_from(ahead).unwrap()) * (1.0 - 1e-12));
        prop_assert!(residual <= model.expected_purchases(1 << 40, &customer) * (1.0 + 1e-9));
    }

    /// Fader, Hardie & Shang (2010), equation 13, where its difference leaves digits.
    #[test]
    fn expected_purchases_equal_the_closed_form(model in models(), customer in customers(30), ahead in 1..200_u64) {
        let [alpha, beta, gamma, delta] = model.parameters();
        prop_assume!((gamma - 1.0).abs() > 0.1);
        let (x, n, m) = (customer.frequency() as f64, customer.opportunities() as f64, ahead as f64);
        let stay = |n: f64| ln_gamma(1.0 + delta + n) - ln_gamma(gamma + delta + n);
        let factor = (alpha + x) / (alpha + beta + n) * (delta + n) / (gamma - 1.0);
        let expected = model.probability_alive(&customer) * factor * (1.0 - (stay(n + m) - stay(n)).exp());
        let ours = model.expected_purchases(ahead, &customer);
        let lost = 1e-11 * (delta + n) / (gamma - 1.0).abs();
        prop_assert!((ours - expected).abs() <= 1e-10 * ours + lost, "{} {}", ours, expected);
    }

    #[test]
    fn distributions_sum_to_one_and_have_the_expected_mean(
        model in models(), customer in customers(300), ahead in 0..300_u64,
    ) {
        let mut probabilities = vec![f64::NAN; 301];
        model.distribution(ahead, &customer, &mut probabilities);
        is_distribution(&probabilities, model.expected_purchases(ahead, &customer))?;
        model.distribution_new_customer(ahead, &mut probabilities);
        is_distribution(&probabilities, model.expected_purchases_new_customer(ahead))?;
    }

    #[test]
    fn the_sum_is_that_of_the_customers(model in models(), rows in tables()) {
        let sum: f64 = rows.iter().map(|(row, count)| *count as f64 * model.log_likelihood(row)).sum();
        prop_assert!((model.evaluate(&summaries(&rows)).value - sum).abs() <= 1e-12 * (1.0 + sum.abs()));
    }

    #[test]
    fn derivatives_are_finite_differences(model in models(), rows in tables()) {
        let summaries = summaries(&rows);
        derivatives_hold(model.parameters(), |theta| model_of(theta).evaluate(&summaries))?;
    }

    #[test]
    fn weighted_customers_are_repeated_customers(model in models(), rows in tables()) {
        let repeated = rows.iter().flat_map(|(row, count)| std::iter::repeat_n(row, usize::try_from(*count).unwrap()));
        let (mut x, mut recency_age, mut opportunities) = columns(repeated);
        let repeated = DiscreteSummaries::new(&x, &recency_age, &opportunities).unwrap();
        prop_assert_eq!(&summaries(&rows), &repeated);
        prop_assert_eq!(model.evaluate(&summaries(&rows)), model.evaluate(&repeated));
        x.reverse();
        recency_age.reverse();
        opportunities.reverse();
        prop_assert_eq!(DiscreteSummaries::new(&x, &recency_age, &opportunities).unwrap(), repeated);
    }
}
