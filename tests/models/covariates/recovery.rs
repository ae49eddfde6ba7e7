//! Customers drawn with known coefficients: the fit must find them again.

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::covariates::{AcceptsCovariates, WithCovariates};
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::fit::FitParams;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Distribution, Exp, Gamma};

use super::{BOTH, PURCHASING, covariate, summaries};
use crate::simulated;

/// Customers of six kinds with the covariates of each, drawn from the model of the kind.
fn drawn(
    customers: usize,
    seed: u64,
    draw: impl Fn(usize, [f64; 2], u64) -> simulated::Histories,
) -> (simulated::Histories, [Vec<f64>; 2]) {
    const KINDS: [[f64; 2]; 6] = [
        [0.0, -1.0],
        [0.0, 0.0],
        [0.0, 1.5],
        [1.0, -1.0],
        [1.0, 0.0],
        [1.0, 1.5],
    ];
    let mut table = simulated::Histories::default();
    let mut columns = [vec![], vec![]];
    for (kind, z) in KINDS.into_iter().enumerate() {
        let part = draw(customers / KINDS.len(), z, 100 * seed + kind as u64);
        for (column, value) in columns.iter_mut().zip(z) {
            column.extend(std::iter::repeat_n(value, part.0.len()));
        }
        table.0.extend(part.0);
        table.1.extend(part.1);
        table.2.extend(part.2);
    }
    (table, columns)
}

/// In at least 19 of 20 draws every parameter lies within three standard errors of the truth, on the logarithmic scale
/// on which coefficients are additive and their distribution is nearest to a normal one.
fn recovers<M: AcceptsCovariates, const N: usize>(
    customers: usize,
    truth: [f64; N],
    draw: impl Fn(usize, [f64; 2], u64) -> simulated::Histories,
) {
    let mut recovered = 0;
    for seed in 1..=20 {
        let (table, [first, second]) = drawn(customers, seed, &draw);
        let columns = [
            covariate("first", BOTH, &first),
            covariate("second", PURCHASING, &second),
        ];
        // One start, to save time: the truth without the covariates.
        let start = std::array::from_fn(|i| if i < 4 { truth[i].exp() } else { 1.0 });
        let params = FitParams::<WithCovariates<M>>::default().starts::<N>(vec![start]);
        let fit = params.check().unwrap();
        let fit = fit.fit(&summaries(&table, &columns)).unwrap();
        assert!(fit.convergence.converged);
        let near = fit.estimates.iter().zip(truth).all(|(estimate, truth)| {
            let error = estimate.standard_error.unwrap() / estimate.value;
            (estimate.value.ln() - truth).abs() < 3.0 * error
        });
        recovered += u32::from(near);
    }
    assert!(recovered >= 19, "{recovered} of 20");
}

#[test]
fn bg_nbd_recovers_known_coefficients_in_19_of_20_draws() {
    let [r, alpha, a, b] = [0.9, 8.0, 0.8, 2.5_f64];
    let (purchase, leave, stay) = ([0.5, -0.3], 0.4, -0.2);
    let draw = |customers, z: [f64; 2], seed| {
        let theta = [
            r,
            alpha * (-purchase[0] * z[0] - purchase[1] * z[1]).exp(),
            a * (leave * z[0]).exp(),
            b * (stay * z[0]).exp(),
        ];
        simulated::histories(customers, theta, 104.0, seed)
    };
    let logs = [r.ln(), alpha.ln(), a.ln(), b.ln()];
    let [r, alpha, a, b] = logs;
    recovers::<BgNbd, 8>(12_000, [r, alpha, a, b, 0.5, -0.3, 0.4, -0.2], draw);
}

/// Histories of customers who came on one of 26 days and bought as Pareto/NBD says.
fn pareto_histories(
    customers: usize,
    [r, alpha, s, beta]: [f64; 4],
    seed: u64,
) -> simulated::Histories {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let (rates, leave) = (
        Gamma::new(r, 1.0 / alpha).unwrap(),
        Gamma::new(s, 1.0 / beta).unwrap(),
    );
    let mut table = simulated::Histories::default();
    for i in 0..customers {
        let (rate, leave) = (rates.sample(&mut random), leave.sample(&mut random));
        let age = 52.0 + 2.0 * (i % 26) as f64;
        let end = age.min(Exp::new(leave).unwrap().sample(&mut random));
        let wait = Exp::new(rate).unwrap();
        let (mut frequency, mut last) = (0, 0.0);
        loop {
            let next = last + wait.sample(&mut random);
            if next > end {
                break;
            }
            frequency += 1;
            last = next;
        }
        table.0.push(frequency);
        table.1.push(last);
        table.2.push(age);
    }
    table
}

#[test]
fn pareto_nbd_recovers_known_coefficients_in_19_of_20_draws() {
    let [r, alpha, s, beta] = [0.9, 8.0, 0.9, 15.0_f64];
    let draw = |customers, z: [f64; 2], seed| {
        let theta = [
            r,
            alpha * (-0.5 * z[0] + 0.3 * z[1]).exp(),
            s,
            beta * (-0.4 * z[0]).exp(),
        ];
        pareto_histories(customers, theta, seed)
    };
    let logs = [r, alpha, s, beta].map(f64::ln);
    let [r, alpha, s, beta] = logs;
    recovers::<ParetoNbd, 7>(6_000, [r, alpha, s, beta, 0.5, -0.3, 0.4], draw);
}
