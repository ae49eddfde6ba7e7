//! Fit and scoring of BG/NBD and Gamma-Gamma: `cargo bench -p cvm-models`.
//!
//! Customers are simulated in days over two years, whole days as order tables have them.
#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use cvm_models::btyd::bg_nbd::BgNbdParams;
use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::{Horizon, Summaries};
use cvm_models::spend::Spenders;
use cvm_models::spend::gamma_gamma::GammaGammaParams;
use cvm_models::uncertainty::Level;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma, Uniform};

/// A month apart on average, most stay for a year or so.
const TRUTH: [f64; 4] = [1.2, 40.0, 0.6, 5.0];
const DAYS: f64 = 730.0;

struct Customers {
    frequency: Vec<u64>,
    recency_age: Vec<f64>,
    customer_age: Vec<f64>,
    spend: Vec<f64>,
}

/// As the models say, except that a purchase time is rounded down to its day and a day counts once.
fn customers(number: usize) -> Customers {
    let [r, alpha, a, b] = TRUTH;
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let (rates, leave) = (
        Gamma::new(r, 1.0 / alpha).unwrap(),
        Beta::new(a, b).unwrap(),
    );
    let (ages, unit) = (
        Uniform::new(0.0, DAYS).unwrap(),
        Uniform::new(0.0, 1.0).unwrap(),
    );
    let (spend_rates, mut table) = (
        Gamma::new(3.74, 1.0 / 15.44).unwrap(),
        Customers {
            frequency: vec![],
            recency_age: vec![],
            customer_age: vec![],
            spend: vec![],
        },
    );
    for _ in 0..number {
        let rate: f64 = rates.sample(&mut random);
        let (p, age): (f64, f64) = (leave.sample(&mut random), ages.sample(&mut random));
        let wait = Exp::new(rate.max(1e-12)).unwrap();
        let (mut frequency, mut last, mut time) = (0_u64, 0.0, 0.0);
        loop {
            time += wait.sample(&mut random);
            if time > age {
                break;
            }
            if time.floor() > last {
                frequency += 1;
                last = time.floor();
            }
            if unit.sample(&mut random) < p {
                break;
            }
        }
        table.frequency.push(frequency);
        table.recency_age.push(last);
        table.customer_age.push(age.floor());
        let shape = 6.25 * frequency.max(1) as f64;
        let scale = 1.0 / spend_rates.sample(&mut random);
        table
            .spend
            .push(Gamma::new(shape, scale).unwrap().sample(&mut random) / frequency.max(1) as f64);
    }
    table
}

fn models(c: &mut Criterion) {
    for number in [100_000, 1_000_000] {
        let table = customers(number);
        let (x, recency_age, customer_age) =
            (&table.frequency, &table.recency_age, &table.customer_age);
        let summaries = Summaries::new(x, recency_age, customer_age).unwrap();
        let params = BgNbdParams::default().check().unwrap();
        let fit = params.fit(&summaries).unwrap();
        let horizon = Horizon::new(365.0, 0.1, 365.0).unwrap();

        let mut group = c.benchmark_group("bg_nbd");
        group.sample_size(10);
        let id = |name: &str| BenchmarkId::new(name, number);
        group.bench_function(id("summaries"), |b| {
            b.iter(|| Summaries::new(black_box(x), recency_age, customer_age));
        });
        group.bench_function(id("evaluate"), |b| {
            b.iter(|| fit.model.evaluate(black_box(&summaries)))
        });
        group.bench_function(id("fit"), |b| b.iter(|| params.fit(black_box(&summaries))));
        let level = Level::new(0.9).unwrap();
        // Without and with confidence intervals; each from nothing prepared.
        group.bench_function(id("forecast_of_model"), |b| {
            b.iter(|| {
                let forecast = Forecast::of_model(Box::new(fit.model), &horizon, &level);
                forecast.predict_all(black_box(x), recency_age, customer_age)
            });
        });
        group.bench_function(id("forecast_of_fit"), |b| {
            b.iter(|| {
                let forecast = Forecast::of_fit(&fit, &summaries, &horizon, &level);
                forecast.predict_all(black_box(x), recency_age, customer_age)
            });
        });
        // What a customer costs once the pairs are prepared.
        let pairs = summaries.pairs();
        let prepare =
            || Forecast::of_fit(&fit, &summaries, &horizon, &level).prepare(black_box(&pairs));
        group.bench_function(id("forecast_prepare"), |b| b.iter(prepare));
        let forecast = prepare().unwrap();
        group.bench_function(id("forecast_prepared"), |b| {
            b.iter(|| forecast.predict_all(black_box(x), recency_age, customer_age));
        });
        group.finish();

        let repeaters = x.iter().zip(&table.spend).filter(|(x, _)| **x > 0);
        let (purchases, means): (Vec<u64>, Vec<f64>) = repeaters.unzip();
        let spenders = Spenders::new(&purchases, &means).unwrap();
        let params = GammaGammaParams::default().check().unwrap();
        let mut group = c.benchmark_group("gamma_gamma");
        group.sample_size(10);
        group.bench_function(id("spenders"), |b| {
            b.iter(|| Spenders::new(black_box(&purchases), &means))
        });
        group.bench_function(id("fit"), |b| b.iter(|| params.fit(black_box(&spenders))));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    models(&mut criterion);
    criterion.final_summary();
}
