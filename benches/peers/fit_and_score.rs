//! Fit and scoring in memory, to be set beside a peer's: BG/NBD and Gamma-Gamma in days, then every figure of every
//! customer with its intervals.
//!
//! ```text
//! fit_and_score COLUMNS THREADS HORIZON_DAYS ANNUAL_DISCOUNT_RATE
//! ```
//!
//! COLUMNS is a file of little-endian numbers: the number of customers n as u64, frequency as n u64, then recency_age and
//! customer_age in days and monetary_value, each as n f64; NaN where there is no value. Prints one line of JSON: seconds of
//! each step without reading, parameters, log-likelihoods, means of the figures, and the peak memory of the process.
#![expect(clippy::print_stdout, reason = "what it prints is its result")]

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use cvm_models::btyd::bg_nbd::{BgNbd, BgNbdParams};
use cvm_models::btyd::forecast::Forecast;
use cvm_models::btyd::{Horizon, Summaries, Summary};
use cvm_models::fit::Fit;
use cvm_models::spend::forecast::SpendForecast;
use cvm_models::spend::gamma_gamma::{GammaGamma, GammaGammaParams};
use cvm_models::spend::{Spender, Spenders};
use cvm_models::uncertainty::{Estimated, Level};
use rayon::prelude::*;

/// As in the discount rates of cvm.
const DAYS_PER_YEAR: f64 = 365.25;
/// The share of intervals that are to hold the truth, as in cvm.
const LEVEL: f64 = 0.9;

/// An error that may go from thread to thread.
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct Customers {
    frequency: Vec<u64>,
    recency_age: Vec<f64>,
    customer_age: Vec<f64>,
    monetary_value: Vec<f64>,
}

impl Customers {
    fn read(path: &str) -> Fallible<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut number = [0; 8];
        file.read_exact(&mut number)?;
        let rows = usize::try_from(u64::from_le_bytes(number))?;
        Ok(Self {
            frequency: column(&mut file, rows, u64::from_le_bytes)?,
            recency_age: column(&mut file, rows, f64::from_le_bytes)?,
            customer_age: column(&mut file, rows, f64::from_le_bytes)?,
            monetary_value: column(&mut file, rows, f64::from_le_bytes)?,
        })
    }

    fn fit_purchases(&self) -> Fallible<(Summaries, Fit<BgNbd>)> {
        let summaries = Summaries::new(&self.frequency, &self.recency_age, &self.customer_age)?;
        let fit = BgNbdParams::default().check()?.fit(&summaries)?;
        Ok((summaries, fit))
    }

    fn fit_spend(&self) -> Fallible<(Spenders, Fit<GammaGamma>)> {
        let rows = self.frequency.iter().zip(&self.monetary_value);
        let (purchases, means): (Vec<u64>, Vec<f64>) =
            rows.filter(|(x, mean)| **x > 0 && **mean > 0.0).unzip();
        let spenders = Spenders::new(&purchases, &means)?;
        let fit = GammaGammaParams::default().check()?.fit(&spenders)?;
        Ok((spenders, fit))
    }

    fn score(&self, purchases: &Forecast, spend: &SpendForecast) -> Fallible<Vec<Scored>> {
        let of_newcomers = spend.mean_spend();
        let level = purchases.level();
        let score = |row: usize| {
            let x = self.frequency[row];
            let customer = Summary::new(x, self.recency_age[row], self.customer_age[row])?;
            let foretold = purchases.predict(&customer);
            // Who has not spent anything yet may spend what the population does.
            let spend = match Spender::new(x, self.monetary_value[row]) {
                Ok(spender) => spend.expected_spend(&spender),
                Err(_) => of_newcomers,
            };
            let worth = |spend: Estimated| {
                let ahead = foretold.discounted_expected_purchases;
                ahead.times_independent(&spend, level)
            };
            Ok(Scored {
                probability_alive: limits(Some(foretold.probability_alive)),
                expected_purchases: limits(Some(foretold.expected_purchases)),
                discounted_expected_purchases: limits(Some(foretold.discounted_expected_purchases)),
                purchases: foretold.purchases.map(|range| [range.low, range.high]),
                expected_spend: limits(spend),
                lifetime_value: limits(spend.map(worth)),
            })
        };
        (0..self.frequency.len())
            .into_par_iter()
            .with_min_len(256)
            .map(score)
            .collect()
    }
}

fn column<T>(
    file: &mut impl Read,
    rows: usize,
    number: impl Fn([u8; 8]) -> T,
) -> Result<Vec<T>, std::io::Error> {
    let mut bytes = [0; 8];
    let mut read = || file.read_exact(&mut bytes).map(|()| number(bytes));
    (0..rows).map(|_| read()).collect()
}

/// Every figure of a customer with its limits, NaN where there is none.
struct Scored {
    probability_alive: [f64; 3],
    expected_purchases: [f64; 3],
    discounted_expected_purchases: [f64; 3],
    /// The predictive interval.
    purchases: Option<[u64; 2]>,
    expected_spend: [f64; 3],
    lifetime_value: [f64; 3],
}

impl Scored {
    fn lacks_any(&self) -> bool {
        let figures = [
            &self.probability_alive,
            &self.expected_purchases,
            &self.discounted_expected_purchases,
            &self.expected_spend,
            &self.lifetime_value,
        ];
        self.purchases.is_none() || figures.into_iter().flatten().any(|figure| figure.is_nan())
    }
}

fn limits(figure: Option<Estimated>) -> [f64; 3] {
    let limits = figure.and_then(|figure| figure.confidence);
    [
        figure.map_or(f64::NAN, |figure| figure.value),
        limits.map_or(f64::NAN, |limits| limits.low),
        limits.map_or(f64::NAN, |limits| limits.high),
    ]
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let made = work();
    (made, began.elapsed().as_secs_f64())
}

/// The most memory that the process ever held, by Linux.
fn peak_mib() -> Fallible<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kibibytes.ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
}

fn fitted<M>(seconds: f64, fit: &Fit<M>) -> String {
    let estimates = fit.estimates.iter();
    let parameters: Vec<String> = estimates
        .map(|estimate| format!("\"{}\": {}", estimate.name, estimate.value))
        .collect();
    format!(
        r#"{{"fit_seconds": {seconds}, "converged": {}, "log_likelihood": {}, "parameters": {{{}}}}}"#,
        fit.convergence.converged,
        fit.log_likelihood,
        parameters.join(", ")
    )
}

/// Means over customers, and the number of customers who lack a figure or a limit.
fn told(scored: &[Scored]) -> String {
    let mean = |name: &str, figure: fn(&Scored) -> f64| {
        let mean = scored.iter().map(figure).sum::<f64>() / scored.len() as f64;
        format!("\"{name}\": {mean}")
    };
    let means = [
        mean("probability_alive", |row| row.probability_alive[0]),
        mean("expected_purchases", |row| row.expected_purchases[0]),
        mean("expected_spend", |row| row.expected_spend[0]),
        mean("customer_lifetime_value", |row| row.lifetime_value[0]),
    ];
    let lacking = scored.iter().filter(|row| row.lacks_any()).count();
    format!(
        r#""means": {{{}}}, "customers_lacking_a_limit": {lacking}"#,
        means.join(", ")
    )
}

fn main() -> Fallible<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [columns, threads, days, rate] = given.as_slice() else {
        return Err(
            "usage: fit_and_score COLUMNS THREADS HORIZON_DAYS ANNUAL_DISCOUNT_RATE".into(),
        );
    };
    let horizon = Horizon::new(days.parse()?, rate.parse()?, DAYS_PER_YEAR)?;
    let level = Level::new(LEVEL)?;
    let threads = threads.parse()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let customers = Customers::read(columns)?;

    let (purchases, purchase_seconds) = timed(|| pool.install(|| customers.fit_purchases()));
    let (summaries, purchases) = purchases?;
    let (spend, spend_seconds) = timed(|| pool.install(|| customers.fit_spend()));
    let (spenders, spend) = spend?;
    let (scored, score_seconds) = timed(|| {
        pool.install(|| {
            let ahead = Forecast::of_fit(&purchases, &summaries, &horizon, &level);
            let ahead = ahead.prepare(&summaries.pairs())?;
            let worth = SpendForecast::of_fit(&spend, &spenders, &level);
            customers.score(&ahead, &worth)
        })
    });
    println!(
        r#"{{"bg_nbd": {}, "gamma_gamma": {}, "score_seconds": {score_seconds}, {}, "peak_mib": {}}}"#,
        fitted(purchase_seconds, &purchases),
        fitted(spend_seconds, &spend),
        told(&scored?),
        peak_mib()?
    );
    Ok(())
}
