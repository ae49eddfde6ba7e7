//! Fits and predictions are the same bits on any number of threads, and in any order of the rows.

use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::{Horizon, Summaries};
use cvm_models::spend::Spenders;
use cvm_models::uncertainty::Level;

use crate::{bg_nbd, gamma_gamma, intervals, simulated};

pub(crate) fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
        .install(work)
}

pub(crate) fn bits(numbers: impl IntoIterator<Item = f64>) -> Vec<u64> {
    numbers.into_iter().map(f64::to_bits).collect()
}

/// Every number of the fit to 100,000 customers (a dozen chunks of rows, enough to begin on a sample of them), and of
/// the forecast of 5,000 of them, half of whose pairs are prepared.
fn everything_about_purchases(table: &simulated::Histories) -> Vec<u64> {
    let (x, recency_age, customer_age) = table;
    let summaries = Summaries::new(x, recency_age, customer_age).unwrap();
    let fit = bg_nbd::fit(&summaries);
    let horizon = Horizon::new(365.0, 0.1, 365.0).unwrap();
    let pairs: Vec<(u64, f64)> = (0..2500).map(|i| (x[i], customer_age[i])).collect();
    let forecast = Forecast::of_fit(&fit, &summaries, &horizon, &Level::new(0.9).unwrap());
    let forecasts = forecast
        .prepare(&pairs)
        .unwrap()
        .predict_all(&x[..5000], &recency_age[..5000], &customer_age[..5000])
        .unwrap();
    let numbers = fit
        .model
        .parameters()
        .into_iter()
        .chain([fit.log_likelihood]);
    let numbers = numbers.chain(fit.covariance.unwrap().concat());
    bits(numbers.chain(forecasts.iter().flat_map(intervals::numbers)))
}

#[test]
fn bg_nbd_is_bit_identical_on_one_two_and_five_threads() {
    let table = simulated::histories(100_000, [1.5, 60.0, 0.5, 4.0], 730.0, 7);
    let one = in_pool(1, || everything_about_purchases(&table));
    assert_eq!(one.len(), 4 + 1 + 16 + 14 * 5_000);
    assert_eq!(one, in_pool(2, || everything_about_purchases(&table)));
    assert_eq!(one, in_pool(5, || everything_about_purchases(&table)));
}

#[test]
fn gamma_gamma_is_bit_identical_on_one_two_and_five_threads() {
    let (purchases, means) = simulated::spend(100_000, [6.25, 3.74, 15.44], 7);
    let everything = || {
        let fit = gamma_gamma::fit(&Spenders::new(&purchases, &means).unwrap());
        let numbers = fit
            .model
            .parameters()
            .into_iter()
            .chain([fit.log_likelihood]);
        bits(numbers.chain(fit.covariance.unwrap().concat()))
    };
    let one = in_pool(1, everything);
    assert_eq!(one.len(), 3 + 1 + 9);
    assert_eq!(one, in_pool(2, everything));
    assert_eq!(one, in_pool(5, everything));
}

#[test]
fn the_order_of_the_rows_does_not_matter() {
    let (x, recency_age, customer_age) =
        simulated::histories(10_000, [1.5, 60.0, 0.5, 4.0], 730.0, 8);
    let reversed = |column: &[f64]| column.iter().rev().copied().collect::<Vec<f64>>();
    let backwards: Vec<u64> = x.iter().rev().copied().collect();
    assert_eq!(
        Summaries::new(&x, &recency_age, &customer_age).unwrap(),
        Summaries::new(
            &backwards,
            &reversed(&recency_age),
            &reversed(&customer_age)
        )
        .unwrap()
    );
    let (purchases, means) = simulated::spend(10_000, [6.25, 3.74, 15.44], 8);
    let backwards: Vec<u64> = purchases.iter().rev().copied().collect();
    assert_eq!(
        Spenders::new(&purchases, &means).unwrap(),
        Spenders::new(&backwards, &reversed(&means)).unwrap()
    );
}
