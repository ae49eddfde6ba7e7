//! Covariates against other people's searches, against theory and against themselves.

mod properties;
mod recovery;
mod refusals;

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::covariates::{
    AcceptsCovariates, ActsOn, Covariate, CovariateSummaries, CovariatesError, WithCovariates,
};
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::fit::{Fit, FitParams, Model};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::properties::{derivatives_hold_at, magnitude, models};
use crate::threads::in_pool;
use crate::{bg_nbd, cdnow, close, simulated};

const PURCHASING: ActsOn = ActsOn::Purchasing;
const LEAVING: ActsOn = ActsOn::Leaving;
const BOTH: ActsOn = ActsOn::Both;

fn covariate<'a>(name: &'a str, acts_on: ActsOn, values: &'a [f64]) -> Covariate<'a> {
    Covariate {
        name,
        acts_on,
        values,
    }
}

fn fit<M: AcceptsCovariates>(data: &CovariateSummaries) -> Fit<WithCovariates<M>> {
    FitParams::default().check().unwrap().fit(data).unwrap()
}

fn evaluate<M: AcceptsCovariates>(
    theta: &[f64],
    data: &CovariateSummaries,
) -> cvm_models::optimise::Evaluation {
    <WithCovariates<M> as Model>::evaluate(theta, data)
}

/// The CDNOW sample with what each customer spent on the first purchase day.
fn cdnow_first_spend() -> Option<(simulated::Histories, Vec<f64>)> {
    let customers = cdnow::customers()?;
    let table = cdnow::calibration(&customers);
    let first = customers.values();
    let first = first.map(|days| *days.values().next().unwrap()).collect();
    Some((
        (table.frequency, table.recency_age, table.customer_age),
        first,
    ))
}

/// The CDNOW sample with 1 for each customer who spent more than the median of $23.54 on the first purchase day, else 0.
fn cdnow_split() -> Option<(simulated::Histories, Vec<f64>)> {
    let (table, first) = cdnow_first_spend()?;
    let mut sorted = first.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    let above: Vec<f64> = first
        .iter()
        .map(|spend| f64::from(*spend > median))
        .collect();
    assert_eq!((median, above.iter().sum()), (23.54, 1172.0));
    Some((table, above))
}

fn summaries(
    (x, recency_age, customer_age): &simulated::Histories,
    covariates: &[Covariate<'_>],
) -> CovariateSummaries {
    CovariateSummaries::new(x, recency_age, customer_age, covariates).unwrap()
}

/// Figures of another search (scipy's Nelder-Mead and Newton steps, on the logarithms of the base parameters and γ):
/// the log-likelihood, the logarithms and coefficients, and their standard errors.
fn matches_scipy<M: AcceptsCovariates>(
    acts_on: ActsOn,
    log_likelihood: f64,
    theirs: &[(&str, f64, f64)],
) {
    if let Some((table, above)) = cdnow_split() {
        let data = summaries(&table, &[covariate("large", acts_on, &above)]);
        assert_eq!(data.groups(), 2);
        equals(&fit::<M>(&data), log_likelihood, theirs);
    }
}

fn equals<M: AcceptsCovariates>(
    fit: &Fit<WithCovariates<M>>,
    log_likelihood: f64,
    theirs: &[(&str, f64, f64)],
) {
    assert!(fit.convergence.converged);
    assert_eq!(fit.convergence.starts_agreeing, fit.convergence.starts);
    close(fit.log_likelihood, log_likelihood, 2e-7);
    assert_eq!(fit.estimates.len(), theirs.len());
    for (ours, (name, value, error)) in fit.estimates.iter().zip(theirs) {
        assert_eq!(ours.name, *name);
        close(ours.value.ln(), *value, 2e-6);
        close(ours.standard_error.unwrap() / ours.value, *error, 2e-5);
    }
    let coefficients = fit.coefficients();
    assert_eq!(coefficients.len(), theirs.len() - 4);
    for (ours, (name, value, error)) in coefficients.iter().zip(&theirs[4..]) {
        assert_eq!(format!("{}.{}", ours.effect, ours.covariate), *name);
        close(ours.value, *value, 2e-6);
        close(ours.standard_error.unwrap(), *error, 2e-5);
    }
}

#[test]
fn bg_nbd_with_a_covariate_of_purchasing_matches_scipy() {
    matches_scipy::<BgNbd>(
        PURCHASING,
        -9568.80270725,
        &[
            ("r", -1.390080535, 0.0520799),
            ("alpha", 1.812223892, 0.0996765),
            ("a", -0.234206645, 0.2355807),
            ("b", 0.893874272, 0.2923726),
            ("purchase.large", 0.544244603, 0.1035937),
        ],
    );
}

/// ln(1 + first spend), of which there are some 930 values.
#[test]
fn bg_nbd_with_a_covariate_of_many_values_matches_scipy() {
    let Some((table, first)) = cdnow_first_spend() else {
        return;
    };
    let spend: Vec<f64> = first.iter().map(|spend| spend.ln_1p()).collect();
    let data = summaries(&table, &[covariate("spend", PURCHASING, &spend)]);
    equals(
        &fit::<BgNbd>(&data),
        -9560.02477370,
        &[
            ("r", -1.370431723, 0.0523695),
            ("alpha", 3.125204007, 0.2490892),
            ("a", -0.231551722, 0.2382923),
            ("b", 0.910489648, 0.2958320),
            ("purchase.spend", 0.474031071, 0.0716240),
        ],
    );
}

#[test]
fn bg_nbd_with_a_covariate_of_both_matches_scipy() {
    matches_scipy::<BgNbd>(
        BOTH,
        -9567.85826219,
        &[
            ("r", -1.388647547, 0.0522596),
            ("alpha", 1.817201765, 0.1018566),
            ("a", -0.641108165, 0.3544896),
            ("b", 0.416207912, 0.4412065),
            ("purchase.large", 0.548581035, 0.1062686),
            ("leave.large", 0.665152187, 0.4839803),
            ("stay.large", 0.772991820, 0.5978424),
        ],
    );
}

#[test]
fn pareto_nbd_with_a_covariate_of_purchasing_matches_scipy() {
    matches_scipy::<ParetoNbd>(
        PURCHASING,
        -9582.63228418,
        &[
            ("r", -0.576648978, 0.0852128),
            ("alpha", 2.584710339, 0.0875841),
            ("s", -0.480492150, 0.3134793),
            ("beta", 2.499222400, 0.5319300),
            ("purchase.large", 0.386368409, 0.0777448),
        ],
    );
}

#[test]
fn pareto_nbd_with_a_covariate_of_both_matches_scipy() {
    matches_scipy::<ParetoNbd>(
        BOTH,
        -9582.08858033,
        &[
            ("r", -0.558213606, 0.0882771),
            ("alpha", 2.566161546, 0.0895855),
            ("s", -0.556018990, 0.2959644),
            ("beta", 2.223739932, 0.5825945),
            ("purchase.large", 0.337844195, 0.0908096),
            ("leave.large", -0.227094671, 0.2229513),
        ],
    );
}

fn no_effect_is_the_base_model<M: AcceptsCovariates>(theta: [f64; 4]) {
    let table = simulated::histories(500, [0.6, 6.0, 0.8, 2.4], 78.0, 5);
    let z: Vec<f64> = (0..500).map(|i| f64::from(i % 3)).collect();
    let other: Vec<f64> = (0..500).map(|i| f64::from(i % 7) - 3.0).collect();
    let pooled = Summaries::new(&table.0, &table.1, &table.2).unwrap();
    let base = M::evaluate(&theta, &pooled);

    // Without covariates to the last bit; with covariates that do nothing, in another order of the sum.
    let none = summaries(&table, &[]);
    assert_eq!(none.groups(), 1);
    assert_eq!(evaluate::<M>(&theta, &none).value, base.value);
    let data = summaries(
        &table,
        &[
            covariate("z", BOTH, &z),
            covariate("other", PURCHASING, &other),
        ],
    );
    assert_eq!(data.groups(), 21);
    assert_eq!(data.pooled(), &pooled);
    let mut all = theta.to_vec();
    all.resize(WithCovariates::<M>::names(&data).len(), 1.0);
    let with = evaluate::<M>(&all, &data);
    close(with.value, base.value, 1e-10 * base.value.abs());
    for i in 0..4 {
        close(with.gradient[i], base.gradient[i], 1e-8);
        for j in 0..4 {
            close(with.hessian[i][j], base.hessian[i][j], 1e-7);
        }
    }
    let model = WithCovariates::<M>::with_parameters(&all, &data).unwrap();
    assert_eq!(
        model.for_customer(&[2.0, -3.0]).unwrap().theta(),
        theta.to_vec()
    );
}

#[test]
fn bg_nbd_without_effect_is_the_base_model() {
    no_effect_is_the_base_model::<BgNbd>([0.5, 7.0, 0.9, 2.0]);
}

#[test]
fn pareto_nbd_without_effect_is_the_base_model() {
    no_effect_is_the_base_model::<ParetoNbd>([0.5, 7.0, 0.9, 20.0]);
}

/// Fader & Hardie (2007): what each coefficient does to the parameters.
#[test]
fn bg_nbd_parameters_of_a_customer_are_those_of_fader_hardie_2007() {
    let table = simulated::histories(500, [0.6, 6.0, 0.8, 2.4], 78.0, 5);
    let z: Vec<f64> = (0..500).map(|i| f64::from(i % 3)).collect();
    let other: Vec<f64> = (0..500).map(|i| f64::from(i % 7) - 3.0).collect();
    let data = summaries(
        &table,
        &[
            covariate("channel", LEAVING, &z),
            covariate("age", BOTH, &other),
        ],
    );
    assert_eq!(
        WithCovariates::<BgNbd>::names(&data),
        [
            "r",
            "alpha",
            "a",
            "b",
            "purchase.age",
            "leave.channel",
            "leave.age",
            "stay.channel",
            "stay.age",
        ]
    );
    let gammas = [0.3, -0.2, 0.5, 0.1, -0.4_f64];
    let theta: Vec<f64> = [0.5, 7.0, 0.9, 2.0]
        .into_iter()
        .chain(gammas.map(f64::exp))
        .collect();
    let model = WithCovariates::<BgNbd>::with_parameters(&theta, &data).unwrap();
    assert_eq!(model.covariates(), ["channel", "age"]);
    assert_eq!(model.base().parameters(), [0.5, 7.0, 0.9, 2.0]);
    let [r, alpha, a, b] = model.for_customer(&[2.0, -1.5]).unwrap().parameters();
    assert_eq!(r, 0.5);
    close(alpha, 7.0 * (-0.3 * -1.5_f64).exp(), 1e-14);
    close(a, 0.9 * (-0.2 * 2.0 + 0.5 * -1.5_f64).exp(), 1e-15);
    close(b, 2.0 * (0.1 * 2.0 - 0.4 * -1.5_f64).exp(), 1e-14);
}

#[test]
fn pareto_nbd_parameters_of_a_customer_are_those_of_fader_hardie_2007() {
    let table = simulated::histories(500, [0.6, 6.0, 0.8, 2.4], 78.0, 5);
    let z: Vec<f64> = (0..500).map(|i| f64::from(i % 3)).collect();
    let data = summaries(&table, &[covariate("z", BOTH, &z)]);
    assert_eq!(
        WithCovariates::<ParetoNbd>::names(&data),
        ["r", "alpha", "s", "beta", "purchase.z", "leave.z"]
    );
    let theta = [0.5, 7.0, 0.9, 20.0, 0.3_f64.exp(), 0.2_f64.exp()];
    let model = WithCovariates::<ParetoNbd>::with_parameters(&theta, &data).unwrap();
    let [r, alpha, s, beta] = model.for_customer(&[2.0]).unwrap().parameters();
    assert_eq!((r, s), (0.5, 0.9));
    close(alpha, 7.0 * (-0.6_f64).exp(), 1e-14);
    close(beta, 20.0 * (-0.4_f64).exp(), 1e-13);
}

/// Two groups that differ in every parameter are more general than two that differ in α, a and b.
#[test]
fn groups_fitted_apart_lie_above_and_pooled_ones_below() {
    let Some((table, above)) = cdnow_split() else {
        return;
    };
    let of = |side: f64| {
        let pick: Vec<usize> = (0..above.len()).filter(|i| above[*i] == side).collect();
        let x: Vec<u64> = pick.iter().map(|i| table.0[*i]).collect();
        let times = |column: &[f64]| pick.iter().map(|i| column[*i]).collect::<Vec<f64>>();
        bg_nbd::fit(&Summaries::new(&x, &times(&table.1), &times(&table.2)).unwrap())
    };
    let apart = of(0.0).log_likelihood + of(1.0).log_likelihood;
    let pooled = bg_nbd::fit(&Summaries::new(&table.0, &table.1, &table.2).unwrap()).log_likelihood;
    let with = |acts_on| {
        fit::<BgNbd>(&summaries(&table, &[covariate("z", acts_on, &above)])).log_likelihood
    };
    let (purchasing, leaving, both) = (with(PURCHASING), with(LEAVING), with(BOTH));
    assert!(pooled < purchasing && purchasing < both && both < apart);
    assert!(pooled < leaving && leaving < both);
}

/// z → k z + c: γ → γ/k, and the parameters at 0 move so that every customer keeps those he or she had.
fn recoding_changes_neither_likelihood_nor_predictions<M: AcceptsCovariates>(
    codings: &[(f64, f64)],
) {
    let Some((table, above)) = cdnow_split() else {
        return;
    };
    let as_coded = fit::<M>(&summaries(&table, &[covariate("z", BOTH, &above)]));
    let horizon = Horizon::new(39.0, 0.1, 52.0).unwrap();
    let (x, recency_age, customer_age) = &table;
    let predict = |fit: &Fit<WithCovariates<M>>, z: &[f64]| {
        fit.model
            .predict_all(&horizon, x, recency_age, customer_age, &[z])
            .unwrap()
    };
    let expected = predict(&as_coded, &above);
    for &(k, c) in codings {
        let recoded: Vec<f64> = above.iter().map(|z| k * z + c).collect();
        let fit = fit::<M>(&summaries(&table, &[covariate("z", BOTH, &recoded)]));
        assert!(fit.convergence.converged, "{k} {c}");
        // From the maximum without effects, whatever the unit.
        assert!(fit.convergence.evaluations < 12, "{k} {c}");
        close(fit.log_likelihood, as_coded.log_likelihood, 1e-7);
        for (here, there) in fit.coefficients().iter().zip(as_coded.coefficients()) {
            close(here.value * k, there.value, 1e-5);
            let (here, there) = (here.standard_error.unwrap(), there.standard_error.unwrap());
            close(here * k.abs(), there, 1e-4);
        }
        for z in [0.0, 1.0] {
            let here = fit.model.for_customer(&[k * z + c]).unwrap().theta();
            let there = as_coded.model.for_customer(&[z]).unwrap().theta();
            for (here, there) in here.into_iter().zip(there) {
                close(here / there, 1.0, 1e-5);
            }
        }
        for (here, there) in predict(&fit, &recoded).iter().zip(&expected) {
            close(here.probability_alive, there.probability_alive, 1e-6);
            close(
                here.expected_purchases,
                there.expected_purchases,
                1e-5 * (1.0 + there.expected_purchases),
            );
        }
    }
}

#[test]
fn recoding_changes_neither_likelihood_nor_predictions_of_bg_nbd() {
    recoding_changes_neither_likelihood_nor_predictions::<BgNbd>(&[
        (1.0, 5.0),
        (1.0, -1.0),
        (-1.0, 1.0),
        (0.1, 0.2),
        (1000.0, 2000.0),
        (5.0, -12.0),
        (9000.0, 0.0),
    ]);
}

#[test]
fn recoding_changes_neither_likelihood_nor_predictions_of_pareto_nbd() {
    recoding_changes_neither_likelihood_nor_predictions::<ParetoNbd>(&[
        (-1.0, 1.0),
        (1000.0, 2000.0),
    ]);
}

/// Histories with a covariate of as many values as there are customers, and one of two.
fn many_groups(customers: usize) -> (simulated::Histories, [Vec<f64>; 2]) {
    let table = simulated::histories(customers, [0.9, 8.0, 0.8, 2.5], 104.0, 3);
    let mut random = ChaCha12Rng::seed_from_u64(4);
    let many = (0..customers).map(|_| random.random_range(-1.0..1.0));
    let many = many.collect();
    let two = (0..customers).map(|i| f64::from(i % 3 == 0)).collect();
    (table, [many, two])
}

fn is_bit_identical_on_one_two_and_five_threads<M: AcceptsCovariates>(customers: usize) {
    let (table, [many, two]) = many_groups(customers);
    let columns = [
        covariate("many", BOTH, &many),
        covariate("two", PURCHASING, &two),
    ];
    let everything = || {
        let data = summaries(&table, &columns);
        assert_eq!(data.groups(), customers);
        let fit = fit::<M>(&data);
        assert!(fit.convergence.converged);
        // No more than one search over all customers.
        assert!(fit.convergence.evaluations < 12);
        let horizon = Horizon::new(52.0, 0.1, 52.0).unwrap();
        let (x, recency_age, customer_age) = &table;
        let predictions = fit
            .model
            .predict_all(&horizon, x, recency_age, customer_age, &[&many, &two])
            .unwrap();
        let mut numbers = fit.theta();
        numbers.push(fit.log_likelihood);
        numbers.extend(fit.covariance.unwrap().concat());
        for p in predictions {
            numbers.extend([
                p.probability_alive,
                p.expected_purchases,
                p.discounted_expected_purchases,
            ]);
        }
        numbers.into_iter().map(f64::to_bits).collect::<Vec<u64>>()
    };
    let one = in_pool(1, everything);
    let parameters = 4 + 2 * M::EFFECTS.len() - (M::EFFECTS.len() - 1);
    assert_eq!(
        one.len(),
        parameters + 1 + parameters * parameters + 3 * customers
    );
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}

/// Enough groups that the search begins on a sample of them.
#[test]
fn bg_nbd_of_20_000_groups_is_bit_identical_on_one_two_and_five_threads() {
    is_bit_identical_on_one_two_and_five_threads::<BgNbd>(20_000);
}

#[test]
fn pareto_nbd_of_1_000_groups_is_bit_identical_on_one_two_and_five_threads() {
    is_bit_identical_on_one_two_and_five_threads::<ParetoNbd>(1_000);
}

#[test]
fn the_order_of_the_rows_and_repetition_for_weights_do_not_matter() {
    let ((x, recency_age, customer_age), [many, two]) = many_groups(3_000);
    // Few values, so that groups have several rows; −0 and 0 are one value.
    let many: Vec<f64> = many.iter().map(|z| (2.0 * z).round()).collect();
    let count = |i: usize| 1 + (i % 4) as u64;
    let build = |rows: &[usize], weights: Option<Vec<u64>>| {
        let counts: Vec<u64> = rows.iter().map(|i| x[*i]).collect();
        let numbers = |column: &[f64]| rows.iter().map(|i| column[*i]).collect::<Vec<f64>>();
        let (many, two) = (numbers(&many), numbers(&two));
        let columns = [
            covariate("many", BOTH, &many),
            covariate("two", LEAVING, &two),
        ];
        let (recency_age, customer_age) = (numbers(&recency_age), numbers(&customer_age));
        match weights {
            None => CovariateSummaries::new(&counts, &recency_age, &customer_age, &columns),
            Some(weights) => CovariateSummaries::weighted(
                &counts,
                &recency_age,
                &customer_age,
                &weights,
                &columns,
            ),
        }
        .unwrap()
    };
    let forwards: Vec<usize> = (0..3_000).collect();
    let weighted = build(
        &forwards,
        Some(forwards.iter().map(|i| count(*i)).collect()),
    );
    assert_eq!(weighted.groups(), 10);
    let repeated: Vec<usize> = forwards
        .iter()
        .rev()
        .flat_map(|i| std::iter::repeat_n(*i, usize::try_from(count(*i)).unwrap()))
        .collect();
    assert_eq!(weighted, build(&repeated, None));
}

/// A row's prediction is that of the base model with its parameters.
#[test]
fn predictions_of_a_table_are_those_of_its_customers() {
    let ((x, recency_age, customer_age), [many, two]) = many_groups(600);
    let many: Vec<f64> = many.iter().map(|z| (2.0 * z).round()).collect();
    let columns = [
        covariate("many", BOTH, &many),
        covariate("two", PURCHASING, &two),
    ];
    let data = CovariateSummaries::new(&x, &recency_age, &customer_age, &columns).unwrap();
    let theta = [0.9, 8.0, 0.8, 2.5, 1.2, 0.7, 1.1, 0.9];
    let model = WithCovariates::<BgNbd>::with_parameters(&theta, &data).unwrap();
    let horizon = Horizon::new(52.0, 0.1, 52.0).unwrap();
    let all = model
        .predict_all(&horizon, &x, &recency_age, &customer_age, &[&many, &two])
        .unwrap();
    for (i, prediction) in all.iter().enumerate() {
        let customer = Summary::new(x[i], recency_age[i], customer_age[i]).unwrap();
        let own = model.for_customer(&[many[i], two[i]]).unwrap();
        assert_eq!(*prediction, own.predict(&horizon, &customer));
    }
}

/// A strong prior draws the coefficients to 0, and only the fit without one is the likelihood's maximum.
#[test]
fn a_prior_is_a_ridge_on_the_coefficients() {
    let Some((table, above)) = cdnow_split() else {
        return;
    };
    let data = summaries(&table, &[covariate("z", BOTH, &above)]);
    let with_prior = |deviation: f64| {
        let params = FitParams::<WithCovariates<BgNbd>>::default().prior(deviation);
        params.check().unwrap().fit(&data).unwrap()
    };
    let size = |fit: &Fit<WithCovariates<BgNbd>>| -> f64 {
        fit.coefficients().iter().map(|c| c.value.powi(2)).sum()
    };
    let fits = [with_prior(0.1), with_prior(1.0), fit::<BgNbd>(&data)];
    assert!(fits.iter().all(|fit| fit.convergence.converged));
    assert!(size(&fits[0]) < size(&fits[1]) && size(&fits[1]) < size(&fits[2]));
    assert!(fits[0].log_likelihood < fits[1].log_likelihood);
    assert!(fits[1].log_likelihood < fits[2].log_likelihood);
}

/// Where the customers of one kind never came back, the ratio has no lower bound, and the fit says so.
#[test]
fn a_kind_without_repeat_purchases_ends_at_the_bound() {
    let (mut table, [_, two]) = many_groups(600);
    for (i, two) in two.iter().enumerate() {
        if *two == 1.0 {
            (table.0[i], table.1[i]) = (0, 0.0);
        }
    }
    let fit = fit::<BgNbd>(&summaries(&table, &[covariate("two", PURCHASING, &two)]));
    assert!(!fit.convergence.converged);
    assert_eq!(fit.convergence.reason.name(), "at_bound");
}
