//! BG/BB against published values, against other tools and against itself.

mod after_orders;
mod properties;
mod refusals;

use std::path::PathBuf;

use cvm_models::btyd::bg_bb::{BgBb, BgBbParams, DiscreteSummaries, DiscreteSummary};
use cvm_models::fit::Fit;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Uniform};

use crate::close;
use crate::threads::{bits, in_pool};

/// Columns frequency, recency_age, opportunities.
pub(crate) type Histories = (Vec<u64>, Vec<u64>, Vec<u64>);

/// Fader, Hardie & Shang (2010), to four digits.
const DONATIONS: [f64; 4] = [1.2035, 0.7497, 0.6568, 2.7834];

pub(crate) fn model([alpha, beta, gamma, delta]: [f64; 4]) -> BgBb {
    BgBb::new(alpha, beta, gamma, delta).unwrap()
}

pub(crate) fn history(x: u64, recency_age: u64, opportunities: u64) -> DiscreteSummary {
    DiscreteSummary::new(x, recency_age, opportunities).unwrap()
}

fn fit(summaries: &DiscreteSummaries) -> Fit<BgBb> {
    BgBbParams::default()
        .check()
        .unwrap()
        .fit(summaries)
        .unwrap()
}

/// The donors of Fader, Hardie & Shang (2010), or `None` with one line where the data are not at hand.
fn donations() -> Option<DiscreteSummaries> {
    let folder = std::env::var_os("CVM_SHARED_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let file = folder.join("cdnow/donations.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: {} is not there", file.display());
        return None;
    };
    let mut columns: [Vec<u64>; 4] = Default::default();
    for line in text.lines().skip(1) {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.trim().parse().unwrap());
        }
    }
    let [x, recency_age, opportunities, customers] = columns;
    Some(DiscreteSummaries::weighted(&x, &recency_age, &opportunities, &customers).unwrap())
}

#[test]
fn matches_fader_hardie_shang_2010() {
    let Some(donors) = donations() else { return };
    assert_eq!((donors.customers(), donors.rows().len()), (11_104, 22));
    let fit = fit(&donors);
    let [alpha, beta, gamma, delta] = fit.model.parameters();
    assert_eq!(
        format!("{alpha:.3} {beta:.3} {gamma:.3} {delta:.3}"),
        "1.204 0.750 0.657 2.783"
    );
    assert_eq!(format!("{:.2}", fit.log_likelihood), "-33225.58");
    assert!(fit.convergence.converged);
    assert_eq!(fit.convergence.starts_agreeing, 3);
    let next_five: f64 = donors
        .rows()
        .iter()
        .map(|(donor, customers)| *customers as f64 * fit.model.expected_purchases(5, donor))
        .sum();
    assert_eq!(format!("{next_five:.1}"), "12884.2");
}

/// .1302169 and 3.627858 for the next ten years of its donors A and B, of a search that stopped a little short.
#[test]
fn matches_the_btyd_vignette() {
    let Some(donors) = donations() else { return };
    let model = fit(&donors).model;
    let next_ten =
        [history(0, 0, 6), history(4, 5, 6)].map(|donor| model.expected_purchases(10, &donor));
    assert_eq!(
        next_ten.map(|expected| format!("{expected:.3}")),
        ["0.130", "3.628"]
    );
}

/// lifetimes 0.11.3, which takes the Hessian by automatic differentiation.
#[test]
fn standard_errors_match_lifetimes() {
    let Some(donors) = donations() else { return };
    let errors: Vec<String> = fit(&donors)
        .estimates
        .iter()
        .map(|e| format!("{} {:.4}", e.name, e.standard_error.unwrap()))
        .collect();
    assert_eq!(
        errors,
        [
            "alpha 0.0694",
            "beta 0.0294",
            "gamma 0.0510",
            "delta 0.3208"
        ]
    );
}

/// The paper's closed forms by beta functions and ₂F₁ in 40-digit arithmetic (mpmath): log-likelihood,
/// P(alive) at n, n + 1 and n + 5, purchases in the next 5 and 10, DERT at .1 and .00001.
#[test]
fn equals_the_closed_forms_of_fader_hardie_shang_2010() {
    let model = model(DONATIONS);
    for ((x, recency_age, opportunities), exact) in [
        (
            (0, 0, 6),
            [
                -1.1674367650641064,
                0.11619916975568537,
                0.10811463609161742,
                0.08603427158500655,
                0.07284875520516448,
                0.1301902978154329,
                0.11472682122579524,
                9.325878976488075,
            ],
        ),
        (
            (4, 5, 6),
            [
                -5.095654987857207,
                0.7488731351235393,
                0.6967704386606316,
                0.5544682877287214,
                2.0299101987463404,
                3.6277162536146577,
                3.196830801296655,
                259.8630106078349,
            ],
        ),
        (
            (6, 6, 6),
            [
                -2.1817577438744093,
                1.0,
                0.9304252028558717,
                0.7404034965645449,
                3.75246435975365,
                6.706146881470551,
                5.909617900061319,
                480.3792238328657,
            ],
        ),
        (
            (1, 1, 6),
            [
                -2.2887582596443345,
                0.07464275696736293,
                0.06944950229308018,
                0.05526575825185306,
                0.08567887242488241,
                0.1531194031534411,
                0.13493250024429168,
                10.968352071714863,
            ],
        ),
        (
            (0, 0, 0),
            [
                0.0,
                1.0,
                0.8090808673914307,
                0.4962953254917904,
                1.9380308235837427,
                3.179583204620823,
                2.701665658113143,
                151.77900819011774,
            ],
        ),
    ] {
        let customer = history(x, recency_age, opportunities);
        let ours = [
            model.log_likelihood(&customer),
            model.probability_alive(&customer),
            model.probability_alive_after(1, &customer),
            model.probability_alive_after(5, &customer),
            model.expected_purchases(5, &customer),
            model.expected_purchases(10, &customer),
            model.discounted_expected_residual_transactions(0.1, &customer),
            model.discounted_expected_residual_transactions(1e-5, &customer),
        ];
        for (ours, exact) in ours.into_iter().zip(exact) {
            close(ours, exact, 1e-12 * exact.abs());
        }
    }
    for (opportunities, exact) in [
        (1, 0.49853001428711186),
        (5, 1.9380308235837427),
        (10, 3.179583204620823),
        (200_000, 217.99277313692878),
    ] {
        let ours = model.expected_purchases_new_customer(opportunities);
        close(ours, exact, 1e-12 * exact);
    }
    let ours = model.expected_purchases(200_000, &history(4, 5, 6));
    close(ours, 374.89264761675463, 1e-12 * ours);
}

/// γ = 1, where the closed form divides 0 by 0; its limit in 40-digit arithmetic (mpmath).
#[test]
fn nothing_is_lost_where_gamma_is_one() {
    let model = model([1.0, 0.7497, 1.0, 3.0]);
    let ours = model.expected_purchases(50, &history(4, 5, 6));
    close(ours, 7.18579308939485, 1e-13 * ours);
}

/// By the paper's sum over beta functions in 40-digit arithmetic (mpmath).
#[test]
fn distributions_match_mpmath() {
    let model = model(DONATIONS);
    for (customer, exact) in [
        (
            history(4, 5, 6),
            [
                0.3384476202537521,
                0.09863898079985839,
                0.13099031385421936,
                0.16330687197939306,
                0.16371109126402159,
                0.10490512184875551,
            ],
        ),
        (
            history(0, 0, 6),
            [
                0.9522020767940046,
                0.02985066905551022,
                0.012325996212190538,
                0.004311225559916701,
                0.001137744846366747,
                0.00017228753201121912,
            ],
        ),
    ] {
        let mut ours = [f64::NAN; 6];
        model.distribution(5, &customer, &mut ours);
        for (ours, exact) in ours.into_iter().zip(exact) {
            close(ours, exact, 1e-15);
        }
        // The beginning of a distribution does not depend on how much of it is asked for.
        let mut first = [f64::NAN; 2];
        model.distribution(5, &customer, &mut first);
        assert_eq!(first, ours[..2]);
        model.distribution(5, &customer, &mut []);
    }
    let mut ours = [f64::NAN; 7];
    model.distribution_new_customer(6, &mut ours);
    for (ours, exact) in ours.into_iter().zip([
        0.31116350510628565,
        0.17009259163971355,
        0.12147565493860348,
        0.10026372420324056,
        0.09166528900939391,
        0.09249622799247634,
        0.11284300711028653,
    ]) {
        close(ours, exact, 1e-15);
    }
}

/// Log-likelihood, P(alive), purchases in the next 100 and DERT at .01 by beta functions in 40-digit arithmetic (mpmath).
#[test]
fn extremes_match_mpmath() {
    for (parameters, (x, recency_age, opportunities), exact) in [
        (
            [1e-3, 1e3, 1e-3, 1e3],
            (0, 0, 3000),
            [
                -0.0013857072634215956,
                0.9986133314499447,
                2.4965014428563852e-05,
                2.4964711707032806e-05,
            ],
        ),
        (
            [1e3, 1e-3, 1e3, 1e-3],
            (3000, 3000, 3000),
            [
                -2258.633532289972,
                1.0,
                3.003003253251699,
                2.8873115981050415,
            ],
        ),
        (
            [1e-3; 4],
            (500, 1000, 4000),
            [-716.4140061643016, 0.0, 0.0, 0.0],
        ),
        (
            [1e3; 4],
            (500, 1000, 4000),
            [-1217.4351561882158, 0.0, 0.0, 0.0],
        ),
        (
            [1.2, 0.75, 0.66, 2.8],
            (300, 1000, 5000),
            [
                -624.5165337386994,
                6.835846693075506e-227,
                4.089184644912443e-226,
                4.063196902975193e-226,
            ],
        ),
        (
            [1e-6, 1e6, 1e6, 1e-6],
            (1, 2, 60),
            [
                -69.07755378982687,
                1.3843048798697408e-268,
                8.305347708453567e-279,
                8.223111576579645e-279,
            ],
        ),
    ] {
        let (model, customer) = (model(parameters), history(x, recency_age, opportunities));
        let ours = [
            model.log_likelihood(&customer),
            model.probability_alive(&customer),
            model.expected_purchases(100, &customer),
            model.discounted_expected_residual_transactions(0.01, &customer),
        ];
        // The logarithm of a probability near 1 has its absolute error.
        for ((ours, exact), small) in ours
            .into_iter()
            .zip(exact)
            .zip([1e-12, 1e-300, 1e-300, 1e-300])
        {
            close(ours, exact, 1e-11 * exact.abs() + small);
        }
        let one = DiscreteSummaries::new(&[x], &[recency_age], &[opportunities]).unwrap();
        let sums = model.evaluate(&one);
        close(sums.value, exact[0], 1e-11 * exact[0].abs() + 1e-12);
        assert!(sums.gradient.iter().all(|g| g.is_finite()));
        assert!(sums.hessian.iter().flatten().all(|h| h.is_finite()));
    }
}

#[test]
fn tracking_is_the_sum_over_cohorts() {
    let model = model(DONATIONS);
    let births = [(0, 100), (2, 50), (7, 10)];
    let ahead = |opportunities| model.expected_purchases_new_customer(opportunities);
    assert_eq!(
        model.tracking(&births, &[0, 1, 5, 8]),
        [
            0.0,
            100.0 * ahead(1),
            100.0 * ahead(5) + 50.0 * ahead(3),
            100.0 * ahead(8) + 50.0 * ahead(6) + 10.0 * ahead(1)
        ]
    );
    assert_eq!(model.tracking(&[(0, 1)], &[200_000]), [ahead(200_000)]);
    assert_eq!(model.tracking(&[], &[3]), [0.0]);
    assert_eq!(model.tracking(&births, &[]), [0.0; 0]);
}

pub(crate) fn choose(n: u64, k: u64) -> f64 {
    (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64)
}

/// Histories of `customers` over 1 to `most` opportunities who buy and leave as BG/BB says.
fn histories(
    customers: u64,
    [alpha, beta, gamma, delta]: [f64; 4],
    most: u64,
    seed: u64,
) -> Histories {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let (buys, leaves) = (
        Beta::new(alpha, beta).unwrap(),
        Beta::new(gamma, delta).unwrap(),
    );
    let unit = Uniform::new(0.0, 1.0).unwrap();
    let mut table = Histories::default();
    for customer in 0..customers {
        let (p, theta) = (buys.sample(&mut random), leaves.sample(&mut random));
        let opportunities = 1 + customer % most;
        let (mut frequency, mut last) = (0, 0);
        for opportunity in 1..=opportunities {
            if unit.sample(&mut random) < theta {
                break;
            }
            if unit.sample(&mut random) < p {
                frequency += 1;
                last = opportunity;
            }
        }
        table.0.push(frequency);
        table.1.push(last);
        table.2.push(opportunities);
    }
    table
}

#[test]
fn recovers_its_parameters_in_nineteen_of_twenty_seeds() {
    let truth = [1.2, 0.75, 0.66, 2.8];
    let recovered = (0..20)
        .filter(|seed| {
            let (x, recency_age, opportunities) = histories(5_000, truth, 12, *seed);
            let fit = fit(&DiscreteSummaries::new(&x, &recency_age, &opportunities).unwrap());
            assert!(fit.convergence.converged);
            let off = |(estimate, truth): (&cvm_models::fit::Estimate, f64)| {
                ((estimate.value - truth) / estimate.standard_error.unwrap()).abs()
            };
            fit.estimates
                .iter()
                .zip(truth)
                .map(off)
                .all(|off| off < 3.0)
        })
        .count();
    assert!(recovered >= 19, "{recovered}");
}

/// Thousands of groups of histories over up to 100 opportunities.
#[test]
fn bit_identical_on_one_two_and_five_threads() {
    let (x, recency_age, opportunities) = histories(8_000, [1.2, 3.0, 0.5, 20.0], 100, 7);
    let everything = || {
        let fit = fit(&DiscreteSummaries::new(&x, &recency_age, &opportunities).unwrap());
        assert!(fit.convergence.converged);
        let numbers = fit.theta().into_iter().chain([fit.log_likelihood]);
        bits(numbers.chain(fit.covariance.unwrap().concat()))
    };
    let one = in_pool(1, everything);
    assert_eq!(one.len(), 4 + 1 + 16);
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}

/// Past some 65,000 histories a search begins on a sample of them; where it ends must not depend on that. Here are the
/// histories of 400 opportunities, each as often as expected of ten billion customers.
#[test]
fn a_search_that_begins_on_a_sample_ends_at_the_maximum_of_all() {
    let truth = [1.2, 2.0, 0.7, 100.0];
    let (mut table, mut customers) = (Histories::default(), vec![]);
    let mut add = |x: u64, last: u64, orders: f64| {
        let probability = orders * model(truth).log_likelihood(&history(x, last, 400)).exp();
        if probability >= 1e-10 {
            table.0.push(x);
            table.1.push(last);
            table.2.push(400);
            customers.push((1e10 * probability).round() as u64);
        }
    };
    add(0, 0, 1.0);
    for last in 1..=400 {
        for x in 1..=last {
            add(x, last, choose(last - 1, x - 1));
        }
    }
    let all = DiscreteSummaries::weighted(&table.0, &table.1, &table.2, &customers).unwrap();
    assert!(all.rows().len() >= 1 << 16);
    let fit = fit(&all);
    assert!(fit.convergence.converged);
    for (estimate, truth) in fit.theta().into_iter().zip(truth) {
        close(estimate, truth, 1e-3 * truth);
    }
}
