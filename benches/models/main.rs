//! The models one by one, by the number of distinct summaries: one pass over the customers with both derivatives, the fit,
//! and the predictions of all customers with their intervals from nothing prepared.
//!
//! ```text
//! cargo bench -p cvm-models --bench models                                    10⁴, 10⁵ and 10⁶ customers
//! cargo bench -p cvm-models --bench models -- pareto_nbd/fit                  what has this in its name
//! CVM_BENCH_SIZES=10000000 cargo bench -p cvm-models --bench models -- --quick    other sizes
//! ```
//!
//! Each model is fitted to customers of its own story. Times are continuous, so that no two customers have the same
//! history and nothing is saved by merging or preparing; `bg_nbd_whole_days` is what order tables are like, and the histories
//! of `bg_bb` merge by its nature: its elements are the distinct ones. Beyond 10⁶ nothing is predicted. 10⁷ customers of BG/NBD
//! take 1.5 GiB; with `--quick` what takes longer than five seconds is run once.
#![expect(clippy::unwrap_used, reason = "a bench may fail loudly")]

mod customers;

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use customers::{Customers, Leaving, RATES, SPEND, Times, spenders, takers};
use cvm_models::btyd::bg_bb::{BgBb, DiscreteSummaries};
use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::covariates::{ActsOn, Covariate, CovariateSummaries, WithCovariates};
use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::ggompertz_nbd::GGompertzNbd;
use cvm_models::btyd::mbg_nbd::MbgNbd;
use cvm_models::btyd::pareto_nbd::ParetoNbd;
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries};
use cvm_models::fit::{Fit, FitParams, Model};
use cvm_models::spend::forecast::SpendForecast;
use cvm_models::spend::gamma_gamma::GammaGamma;
use cvm_models::spend::{Spender, Spenders};
use cvm_models::uncertainty::Level;

const SIZES: &str = "10000,100000,1000000";
/// The largest size at which predictions are run.
const MOST_PREDICTED: usize = 1_000_000;
/// The one size of the model with covariates.
const WITH_COVARIATES: usize = 100_000;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn group<'a>(c: &'a mut Criterion, name: &str, elements: usize) -> Group<'a> {
    let mut group = c.benchmark_group(name);
    group
        .sample_size(10)
        // Every sample is one iteration where that takes long.
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(500))
        .throughput(Throughput::Elements(elements as u64));
    group
}

fn id(name: &str, number: usize) -> BenchmarkId {
    BenchmarkId::new(name, number)
}

fn horizon() -> Horizon {
    Horizon::new(365.0, 0.1, 365.25).unwrap()
}

fn level() -> Level {
    Level::new(0.9).unwrap()
}

fn fit<M: Model>(data: &M::Data) -> Fit<M> {
    let params = FitParams::<M>::default().check().unwrap();
    let fit = params.fit(data).unwrap();
    // The time of a search that gave up tells nothing.
    assert!(fit.convergence.converged, "{:?}", fit.convergence);
    fit
}

/// The pass and the fit, which every model has.
fn evaluate_and_fit<M: Model>(
    group: &mut Group<'_>,
    number: usize,
    theta: &[f64],
    data: &dyn Fn() -> M::Data,
) {
    // What a filter leaves out is not made.
    let data = LazyCell::new(data);
    group.bench_function(id("evaluate", number), |b| {
        let data = &*data;
        b.iter(|| M::evaluate(black_box(theta), data));
    });
    group.bench_function(id("fit", number), |b| {
        let data = &*data;
        b.iter(|| fit::<M>(black_box(data)));
    });
}

fn purchases<M>(c: &mut Criterion, name: &str, number: usize, leaving: Leaving, times: Times)
where
    M: Model<Data = Summaries> + PurchaseModel + Clone + 'static,
{
    let customers = LazyCell::new(|| Customers::new(number, leaving, times));
    let summaries = || {
        let Customers {
            frequency,
            recency_age,
            customer_age,
        } = &*customers;
        Summaries::new(frequency, recency_age, customer_age).unwrap()
    };
    let theta = [RATES.to_vec(), leaving.parameters()].concat();
    let mut group = group(c, name, number);
    group.bench_function(id("summaries", number), |b| {
        LazyCell::force(&customers);
        b.iter(summaries);
    });
    evaluate_and_fit::<M>(&mut group, number, &theta, &summaries);
    if number <= MOST_PREDICTED {
        group.bench_function(id("predict", number), |b| {
            let (summaries, horizon, level) = (summaries(), horizon(), level());
            let fit = fit::<M>(&summaries);
            b.iter(|| {
                let forecast = Forecast::of_fit(&fit, &summaries, &horizon, &level);
                let forecast = forecast.prepare(&summaries.pairs()).unwrap();
                let table = &*customers;
                forecast.predict_all(
                    black_box(&table.frequency),
                    &table.recency_age,
                    &table.customer_age,
                )
            });
        });
    }
    group.finish();
}

fn spend(c: &mut Criterion, number: usize) {
    let customers = LazyCell::new(|| spenders(number));
    let data = || Spenders::new(&customers.0, &customers.1).unwrap();
    let mut group = group(c, "gamma_gamma", number);
    evaluate_and_fit::<GammaGamma>(&mut group, number, &SPEND, &data);
    if number <= MOST_PREDICTED {
        group.bench_function(id("predict", number), |b| {
            let data = data();
            let fit = fit::<GammaGamma>(&data);
            b.iter(|| {
                let forecast = SpendForecast::of_fit(&fit, &data, &level());
                let rows = customers.0.iter().zip(&customers.1);
                let spender = |(x, mean): (&u64, &f64)| Spender::new(*x, *mean).unwrap();
                rows.map(|row| forecast.expected_spend(&spender(row)))
                    .collect::<Vec<_>>()
            });
        });
    }
    group.finish();
}

fn opportunities(c: &mut Criterion, number: usize) {
    let theta = [1.2, 8.0, 0.6, 20.0];
    let data = LazyCell::new(|| {
        let [frequency, recency_age, opportunities] = takers(number, theta);
        DiscreteSummaries::new(&frequency, &recency_age, &opportunities).unwrap()
    });
    let mut group = group(c, "bg_bb", data.rows().len());
    evaluate_and_fit::<BgBb>(&mut group, number, &theta, &|| data.clone());
    if number <= MOST_PREDICTED {
        group.bench_function(id("predict", number), |b| {
            let model = fit::<BgBb>(&data).model;
            b.iter(|| {
                let rows = data.rows().iter();
                rows.map(|(customer, _)| model.expected_purchases(52, black_box(customer)))
                    .sum::<f64>()
            });
        });
    }
    group.finish();
}

/// A covariate of two values that does something and one of ten that does nothing: twenty groups of customers.
fn covariates(c: &mut Criterion, number: usize, leaving: Leaving) {
    let customers = LazyCell::new(|| Customers::of_two_kinds(number, leaving));
    let columns = |of: &dyn Fn(usize) -> usize| -> Vec<f64> {
        (0..number).map(|row| of(row) as f64).collect()
    };
    let (kind, area) = (
        columns(&|row| usize::from(row >= number / 2)),
        columns(&|row| row % 10),
    );
    let covariate = |name, acts_on, values| Covariate {
        name,
        acts_on,
        values,
    };
    let given = [
        covariate("kind", ActsOn::Both, &kind),
        covariate("area", ActsOn::Purchasing, &area),
    ];
    let data = || {
        let table = &*customers;
        CovariateSummaries::new(
            &table.frequency,
            &table.recency_age,
            &table.customer_age,
            &given,
        )
        .unwrap()
    };
    let mut group = group(c, "bg_nbd_with_covariates", number);
    // The ratios of purchasing by kind and area, of leaving and of staying by kind.
    let ratios = vec![2.0, 1.0, 1.0, 1.0];
    let theta = [RATES.to_vec(), leaving.parameters(), ratios].concat();
    evaluate_and_fit::<WithCovariates<BgNbd>>(&mut group, number, &theta, &data);
    group.bench_function(id("predict", number), |b| {
        let model = fit::<WithCovariates<BgNbd>>(&data()).model;
        let table = &*customers;
        b.iter(|| {
            model.predict_all(
                &horizon(),
                black_box(&table.frequency),
                &table.recency_age,
                &table.customer_age,
                &[&kind, &area],
            )
        });
    });
    group.finish();
}

fn models(c: &mut Criterion, number: usize) {
    let at_purchase = |at_first| Leaving::AtPurchase {
        a: 0.6,
        b: 5.0,
        at_first,
    };
    let exponential = Leaving::Exponential {
        s: 0.8,
        beta: 200.0,
    };
    let gompertz = Leaving::Gompertz {
        b: 0.01,
        s: 0.8,
        beta: 20.0,
    };
    let (exact, days) = (Times::Continuous, Times::WholeDays);
    purchases::<BgNbd>(c, "bg_nbd", number, at_purchase(false), exact);
    purchases::<BgNbd>(c, "bg_nbd_whole_days", number, at_purchase(false), days);
    purchases::<MbgNbd>(c, "mbg_nbd", number, at_purchase(true), exact);
    purchases::<ParetoNbd>(c, "pareto_nbd", number, exponential, exact);
    purchases::<GGompertzNbd>(c, "ggompertz_nbd", number, gompertz, exact);
    spend(c, number);
    opportunities(c, number);
    if number == WITH_COVARIATES {
        covariates(c, number, at_purchase(false));
    }
}

fn main() {
    let sizes = std::env::var("CVM_BENCH_SIZES").unwrap_or(SIZES.to_owned());
    let mut criterion = Criterion::default().configure_from_args();
    for number in sizes.split(',') {
        models(&mut criterion, number.trim().parse().unwrap());
    }
    criterion.final_summary();
}
